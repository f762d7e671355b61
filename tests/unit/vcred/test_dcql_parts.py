"""A query for our mdocs in elements: what a wallet that returns just those has returned, and who passes them over."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcred._dcql_parts import elements_of, in_our_words
from vcred.catalog import Catalog
from vcred.claims import ClaimPath, select
from vcred.dcql import DcqlQuery
from vcred.errors import MalformedError
from vcred.formats._mdoc_tree import flatten, rebuild
from vcred.formats.known import spelling_of
from vcred.policy import compile_policy
from verifier.policy import VerificationPolicy, preset_ids

CATALOG = Catalog.builtin()


def issued(code: str) -> dict[str, Any]:
    """The elements of a type's sample, by the identifiers of our own namespace."""
    kind = CATALOG[code]
    names = [one.id for one in kind.variants]
    variant = "detailed" if "detailed" in names else next(iter(names), None)
    return flatten(kind.issue(kind.sample, variant=variant, options={}, issued_on=date(2026, 9, 1))).elements


@pytest.mark.parametrize("code", [code for code in CATALOG if spelling_of("mso_mdoc", CATALOG[code]) is None])
def test_the_elements_of_a_claim_are_a_certificate_that_has_it(code: str) -> None:
    kind, elements = CATALOG[code], issued(code)
    whole = rebuild(elements).claims
    tried = 0
    for spec in kind.walk():
        named = elements_of(kind, [spec.path])
        if not named or not select(whole, spec.path):
            continue
        if not {element for _, element in named} <= elements.keys():
            assert spec.type in ("rrn", "frn"), "the parts of a number that was not issued whole"
            continue
        shown = rebuild({element: elements[element] for _, element in named}).claims
        assert select(shown, spec.path), spec.path
        tried += 1
        others = [one.path for one in kind.walk() if one.selective and not _related(one.path, spec.path)]
        assert not any(select(shown, one) for one in others), "and nothing else that could be hidden"
    assert tried > 3


def _related(one: ClaimPath, other: ClaimPath) -> bool:
    return one.contains(other) or other.contains(one)


def test_what_is_in_an_array_is_not_named() -> None:
    kind = CATALOG["resident.household"]
    assert elements_of(kind, [ClaimPath(("members", None, "name"))]) == ()
    assert elements_of(kind, [ClaimPath(("members",))]) == ()
    space = kind.namespace
    below = ClaimPath(("currentAddress", "movedInOn"))
    assert elements_of(kind, [below]) == (
        (space, "~"),
        (space, "currentAddress"),
        (space, "currentAddress/movedInOn"),
    )


@pytest.mark.parametrize("policy_id", preset_ids())
def test_a_query_in_elements_is_read_as_the_query_without_them(policy_id: str) -> None:
    policy = VerificationPolicy.preset(policy_id)
    plain = compile_policy(policy, CATALOG, ["mso_mdoc"])
    query = compile_policy(policy, CATALOG, ["mso_mdoc"], strangers=True)
    read = DcqlQuery.parse(json.loads(json.dumps(query.to_json())))
    assert read == query
    for mine, theirs in zip(plain.credentials, read.credentials, strict=True):
        assert [[claim.path for claim in option] for option in mine.options()] == [
            [claim.path for claim in option] for option in theirs.options()
        ]
        assert mine.also == ()
    assert all("vcred_element" not in json.dumps(one.to_json()) for one in plain.credentials)


def test_sets_in_elements_come_first_and_are_marked() -> None:
    query = compile_policy(VerificationPolicy.preset("shop.of-age"), CATALOG, ["mso_mdoc"], strangers=True)
    written = query.credentials[0].to_json()
    by_id = {one["id"]: one for one in written["claims"]}
    marked = [all(by_id[name].get("vcred_element") for name in option) for option in written["claim_sets"]]
    assert marked == [True, True, False, False]
    assert len(by_id[written["claim_sets"][0][0]]["path"]) == 2
    assert [path for path in (by_id[name]["path"] for name in written["claim_sets"][0]) if path[1] == "~"]


ITEM = {
    "id": "one",
    "format": "mso_mdoc",
    "meta": {"doctype_value": "kr.vcred.resident.personal.1"},
    "claims": [
        {"id": "a", "path": ["kr.vcred.resident.personal.1", "name"]},
        {"id": "b", "path": ["kr.vcred.resident.personal.1", "~"], "vcred_element": True},
    ],
    "claim_sets": [["b"], ["a"]],
}


@pytest.mark.parametrize(
    "changed",
    [
        {"claims": [ITEM["claims"][0], ITEM["claims"][1] | {"vcred_element": False}]},
        {"claims": [ITEM["claims"][0], ITEM["claims"][1] | {"values": ["x"]}]},
        {"claims": [ITEM["claims"][0], ITEM["claims"][1] | {"path": ["~"]}]},
        {"claim_sets": [["a"]]},
        {"claim_sets": [["b"]]},
        {"claim_sets": [["a", "b"]]},
    ],
)
def test_marks_where_they_do_not_belong_are_left_to_the_parser(changed: dict[str, Any]) -> None:
    item, also = in_our_words(ITEM | changed, "mso_mdoc")
    assert (item, also) == (ITEM | changed, ())
    with pytest.raises(MalformedError):
        DcqlQuery.parse({"credentials": [ITEM | changed]})


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=3) | st.sampled_from(["a", "b", "kr.vcred.x", "~"]),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["id", "path", "vcred_element", "values"]), inner, max_size=4)
        ),
        max_leaves=20,
    ),
    st.recursive(st.none() | st.sampled_from(["a", "b"]), lambda inner: st.lists(inner, max_size=4), max_leaves=10),
)
def test_nothing_that_a_stranger_writes_breaks_it(claims: Any, sets: Any) -> None:
    with suppress(MalformedError):
        DcqlQuery.parse({"credentials": [ITEM | {"claims": claims, "claim_sets": sets}]})
