"""Foreign types: another standard's names, only where a file says so, and never issued."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from vcred.catalog import Catalog, lint
from vcred.claims import ClaimPath
from vcred.errors import CatalogError, SigningError
from vcred.formats._mdoc_other import OtherNames
from vcred.formats.known import Formats, spelling_of
from vcred.testing import World

FOLDER = Path(__file__).parents[3] / "docs" / "conformance"
PID, MDL = ((FOLDER / name).read_text(encoding="utf-8") for name in ("pid.toml", "mdl.toml"))


def loaded(text: str):
    return Catalog.from_texts({"one.toml": text})["test.pid" if "test.pid" in text else "test.mdl"]


def refused(text: str) -> str:
    with pytest.raises(CatalogError) as caught:
        loaded(text)
    return str(caught.value)


def test_the_names_are_the_standard_s():
    pid, mdl = loaded(PID), loaded(MDL)
    assert (pid.foreign, pid.vct) == (True, "urn:eudi:pid:1")
    assert pid.spec(ClaimPath(("given_name",))) is not None
    assert (mdl.vct, mdl.doctype, mdl.namespace) == (
        "org.iso.18013.5.1.mDL",
        "org.iso.18013.5.1.mDL",
        "org.iso.18013.5.1",
    )
    assert loaded(PID.replace("urn:eudi:pid:1", "https://pid.example/v1")).vct == "https://pid.example/v1"
    assert not any(kind.foreign for kind in Catalog.builtin().types()), "nothing foreign is built in"


def test_without_the_marker_our_rules_hold():
    for text in (PID, MDL):
        refused(text.replace("foreign = true\n", ""))
        refused(text.replace("foreign = true", "foreign = false"))
    assert "must be true or false" in refused(PID.replace("foreign = true", 'foreign = "yes"'))


@pytest.mark.parametrize(
    "vct",
    ["urn:vcred:kr:resident.household:1", "http://pid.example", "https://pid.example/?a", "pid", "eu.other.pid.1"],
)
def test_a_foreign_type_does_not_take_our_names(vct):
    assert "vct" in refused(PID.replace("urn:eudi:pid:1", vct))


def test_a_foreign_type_has_no_document_type_of_ours():
    assert "vct" in refused(PID.replace("eu.europa.ec.eudi.pid.1", "kr.vcred.test.pid.1"))


@pytest.mark.parametrize("name", ["iss", "cnf", "vct", "_given", "given name", "x" * 65])
def test_names_that_would_be_something_else_are_refused(name):
    refused(PID.replace("given_name", name))


def test_elements_of_a_foreign_type_are_its_claims():
    changed = MDL.replace(
        '"given_name", type', '"given_name", mdoc = { namespace = "org.iso.18013.5.1", element = "x" }, type'
    )
    assert "mdoc" in refused(changed)
    names = spelling_of("mso_mdoc", loaded(MDL))
    assert isinstance(names, OtherNames)
    asked = ClaimPath(("org.iso.18013.5.1", "family_name"))
    assert names.wire(ClaimPath(("family_name",))) == asked
    assert names.claim(asked) == ClaimPath(("family_name",))
    for other in (("org.iso.18013.5.1", "height"), ("org.iso.23220.1", "family_name"), ("family_name",)):
        assert names.claim(ClaimPath(other)) == ClaimPath(other)


def test_foreign_types_are_not_issued():
    texts = Catalog.builtin().texts() | {"pid.toml": PID, "mdl.toml": MDL}
    world = World(at=datetime(2026, 9, 26, 3, 0, tzinfo=UTC), catalog=Catalog.from_texts(texts))
    assert not {"test.pid", "test.mdl"} & set(world.issuer.kinds())
    with pytest.raises(SigningError, match="not issued"):
        world.issuer.offer("test.pid", subject="sample", variant=None, options={}, at=world.at)
    assert "mso_mdoc" in Formats(world.catalog)


def test_the_files_of_the_conformance_run_are_in_order():
    assert lint([FOLDER / "pid.toml", FOLDER / "mdl.toml"]) == []
