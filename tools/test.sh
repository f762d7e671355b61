#!/usr/bin/env bash
# What `make test` runs, after setup. Stops at the first part that fails; the parts print their own counts.
set -euo pipefail
cd "$(dirname "$0")/.."
part() { printf '\n== %s\n' "$1"; }

part "lint and types"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy

part "documentation site"
NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet --site-dir build/site

part "offline: units and flows in a network namespace without interfaces"
if unshare --net true 2>/dev/null; then
  unshare --net .venv/bin/python -m pytest -q -n 2 -m "not slow and not loopback" tests/unit tests/flows
elif unshare --map-root-user --net true 2>/dev/null; then
  unshare --map-root-user --net .venv/bin/python -m pytest -q -n 2 -m "not slow and not loopback" tests/unit tests/flows
elif [ -n "${CI:-}" ]; then
  echo "no network namespace can be made here, and CI leaves nothing out" >&2
  exit 1
else
  echo "left out: no network namespace can be made on this machine (needs unshare and root or user namespaces)"
fi

part "formats once more, without the extra fast"
.venv/bin/python -m pytest -q -n 2 -p tests.without_fast --ignore tests/unit/formats/test_fast.py tests/unit/formats \
  tests/hostile/test_jw.py tests/hostile/test_sd.py tests/hostile/test_vc.py

part "all tests"
.venv/bin/python -m pytest -n 2
