"""The map of clauses is true: every function can be imported, every test is there, and nothing has neither nor a reason."""

from __future__ import annotations

import ast
import importlib
from functools import cache
from pathlib import Path

import pytest

from tests.docs.kit import docs_module

ROOT = Path(__file__).parents[2]
spec_map = docs_module("spec_map")
STANDARDS = spec_map.standards()
ROWS = [
    pytest.param(row, id=f"{one.name} {row.clause} {number}")
    for one in STANDARDS
    for number, row in enumerate(one.rows, 1)
]


def imported(name):
    """The object of a dotted name. Raises ``ImportError`` or ``AttributeError``."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):
                raise
            continue
        for part in parts[end:]:
            # A slotted or cached member is looked up where it is defined.
            found = vars(found)[part] if isinstance(found, type) and part in vars(found) else getattr(found, part)
        return found
    raise ImportError(name)


@cache
def names_in(file):
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return frozenset(
        node.name
        for holder in [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
        for node in holder.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    )


@pytest.mark.parametrize("row", ROWS)
def test_a_clause_has_functions_and_tests_that_exist_or_says_why_not(row):
    assert row.clause
    assert row.what
    if row.not_done:
        assert not row.code
        assert not row.tests
        return
    assert row.code
    assert row.tests
    for name in row.code:
        assert name.split(".")[0] in {"vcred", "issuer", "wallet", "verifier"}
        assert imported(name) is not None
    for name in row.tests:
        file, _, test = name.partition("::")
        assert test in names_in(file), name


def test_the_check_can_fail():
    for name in ("vcred.formats.no_such_module.function", "vcred.formats.sd_jwt.no_such_function", "nothing.at.all"):
        with pytest.raises((ImportError, AttributeError)):
            imported(name)
    assert "test_sd_99" not in names_in("tests/hostile/test_sd.py")


def test_no_clause_is_there_twice_and_the_map_is_of_some_size():
    for one in STANDARDS:
        said = [(row.clause, row.what) for row in one.rows]
        assert len(said) == len(set(said)), one.name
    assert len({one.name for one in STANDARDS}) == len(STANDARDS)
    assert len(ROWS) >= 150


def test_every_standard_of_the_formats_is_in_it():
    names = {one.name for one in STANDARDS}
    assert {
        "RFC 9901", "SD-JWT VC", "SD-CWT", "ISO/IEC 18013-5", "OpenID4VP", "OpenID4VCI", "HAIP", "VC-JOSE-COSE",
        "VCDM 2.0", "VCDM 1.1", "Bitstring Status List", "Token Status List", "RFC 7515", "RFC 7516", "RFC 7517",
        "RFC 7518", "RFC 7519", "RFC 7638", "RFC 8949", "RFC 9052", "RFC 8392", "TUF", "RFC 5280", "ETSI TS 119 602",
        "VICAL", "DID", "QR profile", "PKCS #11", "RFC 9964",
    } <= names  # fmt: skip


def test_the_page_is_up_to_date():
    page = ROOT / "docs" / "spec-map.md"
    assert page.read_text("utf-8") == spec_map.markdown(), "run docs/generate.py"
