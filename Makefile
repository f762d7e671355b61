# The whole onboarding: `make demo`, `make test`. The rest is for people who work on vcred.
.PHONY: help demo test check format unit docs bench fuzz requirements clean
PY := .venv/bin/python
lang ?= ko

help: ## what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: ## the day the data centre burned, in your terminal (lang=en for English)
	@tools/setup.sh base
	@.venv/bin/vcred demo --lang $(lang)

test: ## everything: lint, types, tests, offline proof, docs, wheel
	@tools/setup.sh dev
	@tools/test.sh

check: ## lint and types only
	@tools/setup.sh dev
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

format: ## let ruff format
	@tools/setup.sh dev
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

unit: ## the fast tests only
	@tools/setup.sh dev
	@$(PY) -m pytest -q -n auto tests/unit tests/hostile

docs: ## build the site into site/
	@tools/setup.sh dev
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet

bench: ## budgets of the design as ratios to raw cryptography calls; writes bench/results.md and .png
	@tools/setup.sh dev
	@$(PY) bench/run.py

fuzz: ## fuzz every parser below a signature (seconds=600)
	@tools/setup.sh dev
	@$(PY) fuzz/run.py --seconds $(or $(seconds),600)

requirements: ## resolve requirements/*.txt anew (needs uv)
	uv pip compile --generate-hashes --universal --python-version 3.11 --quiet --no-header pyproject.toml requirements/build.in -o requirements/base.txt
	uv pip compile --generate-hashes --universal --python-version 3.11 --quiet --no-header pyproject.toml --extra all requirements/dev.in -c requirements/base.txt -o requirements/dev.txt

clean: ## remove what the other targets made
	rm -rf .venv build dist site demo-out .mypy_cache .pytest_cache .ruff_cache .hypothesis
