"""The page of the published vectors is what the vectors and the tests' own lists of what is skipped say."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from tests.docs.kit import docs_module

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "vectors.md"
page_of_vectors = docs_module("vectors")
RUNNERS = sorted(path.stem for path in (ROOT / "tests" / "specs").glob("test_*.py"))


@pytest.fixture(scope="module")
def home(vectors):
    return vectors("README.md").parent


def test_the_page_is_up_to_date(home):
    assert PAGE.read_text("utf-8") == page_of_vectors.markdown(home), "run docs/generate.py"


def test_every_set_of_vectors_is_on_the_page(home):
    known = [one.folder for one in page_of_vectors.SETS]
    assert sorted(known) == sorted(path.name for path in home.iterdir() if path.is_dir())


def test_every_module_that_runs_vectors_is_on_the_page():
    named = {name for one in page_of_vectors.SETS for name in one.modules}
    text = PAGE.read_text("utf-8")
    # The examples of RFC 9964 are short, and are in the repository.
    assert set(RUNNERS) - {"test_post_quantum"} == named
    assert all(f"`tests/specs/{name}.py`" in text for name in named)


@pytest.mark.parametrize("name", RUNNERS)
def test_what_a_module_skips_has_a_reason_and_is_on_the_page(name):
    skipped = getattr(import_module(f"tests.specs.{name}"), "SKIPPED", {})
    text = PAGE.read_text("utf-8")
    reasons = []
    for why in skipped.values():
        reasons += [one for _, one in why.values()] if isinstance(why, dict) else [why]
    if name == "test_wycheproof_jose":  # its numbers are with those of the primitives
        assert all(reasons)
        return
    for why in reasons:
        assert len(why) > 3
        assert f"| {why} |" in text, why


def test_a_set_without_its_vectors_makes_no_page(tmp_path):
    with pytest.raises(OSError, match="wycheproof"):
        page_of_vectors.markdown(tmp_path)


def test_the_number_of_wycheproof_vectors_is_that_of_its_files(home):
    (wycheproof,) = (one for one in page_of_vectors.SETS if one.folder == "wycheproof")
    stated = sum(json.loads(path.read_text())["numberOfTests"] for path in (home / "wycheproof").glob("*_test.json"))
    assert sum(wycheproof.count(home / "wycheproof").values()) == stated
