"""Type Metadata, JSON Schema and the data of the form."""

import json

import pytest

from vcred.catalog import Catalog
from vcred.catalog.linter import disclosed, every_choice

CATALOG = Catalog.builtin()


def test_type_metadata_names_every_claim_in_two_languages():
    document = CATALOG["resident.household"].type_metadata()
    assert document["vct"] == "urn:vcred:kr:resident.household:1"
    assert [entry["locale"] for entry in document["display"]] == ["ko-KR", "en-US"]
    claims = {json.dumps(claim["path"]): claim for claim in document["claims"]}
    assert claims['["members"]']["sd"] == "always"
    assert claims['["members", null]']["sd"] == "always"
    assert claims['["members", null, "rrn", "serial"]']["sd"] == "always"
    assert claims['["members", null, "seq"]']["sd"] == "never"
    assert claims['["issuedOn"]'] == {
        "path": ["issuedOn"],
        "display": [{"locale": "ko-KR", "label": "발급일"}, {"locale": "en-US", "label": "Issued on"}],
        "sd": "never",
        "mandatory": True,
    }


def test_what_cannot_be_hidden_is_never_selective_in_metadata():
    for kind in CATALOG.types():
        for claim in kind.type_metadata()["claims"]:
            assert claim["sd"] in {"always", "never"}
            if claim["path"][0] in {"issuedOn", "variant", "options"}:
                assert claim["sd"] == "never"


def test_metadata_is_json():
    for kind in CATALOG.types():
        assert json.loads(json.dumps(kind.type_metadata())) == kind.type_metadata()
        assert json.loads(json.dumps(kind.json_schema())) == kind.json_schema()


@pytest.mark.parametrize("code", CATALOG)
def test_every_way_to_issue_meets_the_schema(code):
    jsonschema = pytest.importorskip("jsonschema", reason="the jsonschema package checks schemas independently")
    kind = CATALOG[code]
    schema = kind.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for variant, options in every_choice(kind):
        claims = disclosed(kind.issue(kind.sample, variant=variant, options=options, issued_on=kind.sample_date))
        validator.validate(claims)
        assert not validator.is_valid(claims | {"nickname": "x"})
        assert not validator.is_valid({name: value for name, value in claims.items() if name != "issuedOn"})


def test_the_form_lists_options_with_words_and_default():
    form = {option["id"]: option for option in CATALOG["resident.household"].options_form()}
    assert len(form) == 9
    assert form["names"]["default"] is True
    assert [value["id"] for value in form["names"]["values"]] == [True, False]
    history = form["addressHistory"]
    assert history["default"] == "none"
    assert {"id": "years:N", "name": {"ko": "최근 N년", "en": "Last N years"}, "min": 1, "max": 99} in history["values"]


def test_the_form_says_which_variants_have_an_option():
    form = {option["id"]: option for option in CATALOG["family.relations"].options_form()}
    assert form["relatives"]["variants"] == ["specific"]
    assert form["relatives"]["kind"] == "set"
    assert "variants" not in form["rrnBack"]
    assert json.loads(json.dumps(form)) == form
