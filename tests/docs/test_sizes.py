"""The table of sizes says what is measured now, and would not say anything else."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from vcred import Presentation, qr
from vcred.catalog import Catalog
from vcred.presentation import Presented
from vcred.qr import encode_message

DOCS = Path(__file__).parents[2] / "docs"


def load():
    import sys

    spec = importlib.util.spec_from_file_location("docs_sizes", DOCS / "sizes.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look for their module
    spec.loader.exec_module(module)
    return module


sizes = load()


@pytest.fixture(scope="module")
def rows():
    return sizes.measure()


@pytest.fixture(scope="module")
def page():
    return (DOCS / "sizes.md").read_text("utf-8")


@pytest.mark.slow
def test_the_page_is_what_is_measured_now(rows, page):
    assert sizes.differences(rows, page) == []


@pytest.mark.slow
def test_every_type_is_there_in_every_format_it_may_be_issued_in(rows, page):
    catalog = Catalog.builtin()
    assert {row.kind.code: set(row.sizes) for row in rows} == {
        code: set(catalog[code].formats) & set(sizes.ORDER) for code in catalog
    }
    assert all(page.count(f"| `{code}` ") == 3 for code in catalog)


@pytest.mark.slow
@pytest.mark.parametrize("more", [sizes.TOLERANCE + 20, -200, 1000])
def test_a_figure_that_is_wrong_is_noticed(rows, page, more):
    row = next(row for row in rows if row.kind.code == "resident.personal")
    figure = row.sizes["sd-cwt"].answer.raw
    assert f"| {figure:,} · " in page
    assert len(sizes.differences(rows, page.replace(f"| {figure:,} · ", f"| {figure + more:,} · ", 1))) == 1


@pytest.mark.slow
def test_a_number_of_codes_that_is_wrong_is_noticed(rows, page):
    line = next(line for line in page.splitlines() if line.startswith("| `resident.personal`"))
    assert sizes.differences(rows, page.replace(line, line.replace("**1**", "5")))


@pytest.mark.slow
def test_a_type_or_a_line_that_is_missing_is_noticed(rows, page):
    lines = page.splitlines(keepends=True)
    assert sizes.differences(rows, "".join(lines[:-1]))
    assert sizes.differences(rows, page.replace("As issued", "As shown", 1))


@pytest.mark.parametrize("size", [10, 1_100, 1_200, 1_300, 1_800, 2_500, 9_000])
def test_codes_are_counted_as_they_are_drawn(size):
    import random

    noise = random.Random(26).randbytes(size)
    answer = Presentation(tokens={"q": (Presented(format="sd-cwt", raw=noise),)}, one_way_nonce=None)
    assert sizes.codes(len(encode_message(answer.to_message()))) == len(qr.encode(answer))


def test_the_picture_is_there():
    assert (DOCS / "img" / "sizes.png").stat().st_size > 10_000
