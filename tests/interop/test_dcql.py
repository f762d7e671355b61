"""DCQL against dcql (npm): generated queries over generated wallets, and every difference there is, with its reason.

Compared are: whether the query can be answered, which credentials fit which query and what the others lack, which claim
sets each can give, every claim that would be shown, and which options of each credential set there are.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.interop.kit import PeerError
from vcred.claims import select
from vcred.dcql import Candidate, DcqlQuery, match
from vcred.errors import MalformedError

FORMATS = ("dc+sd-jwt", "mso_mdoc", "jwt_vc_json", "ldp_vc")
TYPES = ("urn:a", "urn:b", "urn:c")
NAMES = ("name", "list", "주소", "inner")
AUTHORITIES = {"aki": ("YWJj", "ZGVm"), "etsi_tl": ("https://list.example/a", "https://list.example/b")}
# Both look at the type of a value, so 1, "1" and true have to be told apart. Null and empty arrays have tests of their own.
LEAVES = st.sampled_from([1, 2, "1", "two", True, False, ""])
WORDS = {"format": "meta", "meta": "meta", "holder_binding": "meta"}


def names(kind: str) -> str:
    return "type" if kind in {"jwt_vc_json", "ldp_vc"} else "doctype" if kind == "mso_mdoc" else "vct"


def containers(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(values, min_size=1, max_size=3), st.dictionaries(st.sampled_from(NAMES), values, max_size=3)
    )


CLAIMS = st.dictionaries(st.sampled_from(NAMES), st.recursive(LEAVES, containers, max_leaves=8), max_size=4)
NAMESPACES = st.dictionaries(
    st.sampled_from(NAMES), st.dictionaries(st.sampled_from(NAMES), LEAVES, max_size=3), max_size=3
)


@st.composite
def credentials(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(FORMATS))
    types = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True))
    found = {
        "credential_format": kind,
        "cryptographic_holder_binding": draw(st.booleans()),
        names(kind): types if names(kind) == "type" else types[0],
        "namespaces" if kind == "mso_mdoc" else "claims": draw(NAMESPACES if kind == "mso_mdoc" else CLAIMS),
    }
    if draw(st.booleans()):
        found["authority"] = draw(authorities())
    return found


@st.composite
def authorities(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(AUTHORITIES)))
    return {"type": kind, "values": draw(st.lists(st.sampled_from(AUTHORITIES[kind]), min_size=1, unique=True))}


@st.composite
def metas(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    some = st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True)
    if kind == "mso_mdoc":
        return {"doctype_value": draw(st.sampled_from(TYPES))}
    if kind == "dc+sd-jwt":
        return {"vct_values": draw(some)}
    return {"type_values": draw(st.lists(some, min_size=1, max_size=2))}


@st.composite
def claim_queries(draw: st.DrawFn, kind: str, number: int) -> dict[str, Any]:
    first = draw(st.sampled_from(NAMES))
    more = st.one_of(st.sampled_from(NAMES), st.integers(0, 2), st.none())
    rest = [draw(st.sampled_from(NAMES))] if kind == "mso_mdoc" else draw(st.lists(more, max_size=2))
    found = {"id": f"c{number}", "path": [first, *rest]}
    if draw(st.integers(0, 2)) == 0:
        found["values"] = draw(st.lists(LEAVES, min_size=1, max_size=3))
    return found


@st.composite
def credential_queries(draw: st.DrawFn, number: int) -> dict[str, Any]:
    kind = draw(st.sampled_from(FORMATS))
    found = {"id": f"q{number}", "format": kind, "meta": draw(metas(kind))}
    count = draw(st.integers(0, 3))
    if count:
        found["claims"] = [draw(claim_queries(kind, index)) for index in range(count)]
        ids = st.sampled_from([f"c{index}" for index in range(count)])
        if draw(st.booleans()):
            found["claim_sets"] = draw(
                st.lists(st.lists(ids, min_size=1, max_size=3, unique=True), min_size=1, max_size=3)
            )
    if draw(st.booleans()):
        found["require_cryptographic_holder_binding"] = draw(st.booleans())
    if draw(st.integers(0, 2)) == 0:
        found["trusted_authorities"] = draw(st.lists(authorities(), min_size=1, max_size=2))
    if draw(st.booleans()):
        found["multiple"] = draw(st.booleans())
    return found


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(1, 3))
    found: dict[str, Any] = {"credentials": [draw(credential_queries(number)) for number in range(count)]}
    if draw(st.booleans()):
        ids = st.sampled_from([f"q{number}" for number in range(count)])
        option = st.lists(ids, min_size=1, max_size=2, unique=True)
        one = st.fixed_dictionaries(
            {"options": st.lists(option, min_size=1, max_size=3)}, optional={"required": st.booleans()}
        )
        found["credential_sets"] = draw(st.lists(one, min_size=1, max_size=2))
    return found


@st.composite
def hinted(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A query and a wallet in which, more often than chance has it, something fits."""
    query = draw(queries())
    wallet = draw(st.lists(credentials(), max_size=3))
    for wanted in query["credentials"]:
        if draw(st.booleans()):
            wallet.append(fitting(wanted, draw))
    return query, wallet


def fitting(wanted: dict[str, Any], draw: st.DrawFn) -> dict[str, Any]:
    kind, meta = wanted["format"], wanted["meta"]
    tree: Any = {}
    for claim in wanted.get("claims", []):
        value = draw(st.sampled_from(claim.get("values", [1, "two"])))
        tree = grown(tree, claim["path"], value)
    types = meta.get("type_values") or meta.get("vct_values") or meta["doctype_value"]
    found = {
        "credential_format": kind,
        "cryptographic_holder_binding": True,
        names(kind): types if isinstance(types, str) else types[0],
        "namespaces" if kind == "mso_mdoc" else "claims": tree,
    }
    return found | ({"authority": wanted["trusted_authorities"][0]} if "trusted_authorities" in wanted else {})


def grown(tree: Any, path: list[Any], value: Any) -> Any:
    """``tree`` with ``value`` at ``path``, unless something else is in the way."""
    if not path:
        return value if tree in (None, {}, []) else tree
    head, *rest = path
    if isinstance(head, str):
        if not isinstance(tree, dict) and tree is not None:
            return tree
        return (tree or {}) | {head: grown((tree or {}).get(head), rest, value)}
    if not isinstance(tree, list) and tree is not None:
        return tree
    place = head or 0
    filled = [*(tree or []), *([0] * (place + 1 - len(tree or [])))]
    filled[place] = grown(None if not isinstance(tree, list) or place >= len(tree) else filled[place], rest, value)
    return filled


def candidate(number: int, raw: dict[str, Any]) -> Candidate:
    types = raw[names(raw["credential_format"])]
    authority = raw.get("authority")
    return Candidate(
        id=str(number),
        format=raw["credential_format"],
        types=types if isinstance(types, list) else [types],
        claims=raw.get("claims", raw.get("namespaces")),
        holder_bound=raw["cryptographic_holder_binding"],
        authorities={} if authority is None else {authority["type"]: authority["values"]},
    )


def leaves(tree: Any, at: tuple[Any, ...] = ()) -> set[tuple[Any, Any]]:
    """Every value with its place and its type. Theirs has null for elements that are not shown, ours has none."""
    if isinstance(tree, (dict, list)) and tree:
        parts = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return {leaf for part, value in parts for leaf in leaves(value, (*at, part))}
    return set() if tree is None else {(at, repr(tree))}


def ours(query: dict[str, Any], wallet: list[dict[str, Any]]) -> dict[str, Any]:
    parsed = DcqlQuery.parse(query)
    found = match(parsed, [candidate(number, raw) for number, raw in enumerate(wallet)])
    return {
        "answerable": found.satisfiable,
        "fit": {
            one: {
                int(hit.candidate.id): [
                    (index, {leaf for path in paths for _, node in select(hit.candidate.claims, path) for leaf in leaves(node, path.parts)})
                    for index, paths in hit.options
                ]
                for hit in hits
            }
            for one, hits in found.found.items()
        },
        "lack": {
            one: {int(each.id): {WORDS.get(word, word) for word in words} for each, words in misses}
            for one, misses in found.failed.items()
        },
        "sets": [[list(each) for each in found.set_options(index)] for index in range(len(parsed.credential_sets or ()))],
    }  # fmt: skip


def theirs(node, query: dict[str, Any], wallet: list[dict[str, Any]]) -> dict[str, Any]:
    found = node.call("dcql.match", query=query, credentials=wallet)
    fit, lack = {}, {}
    for one, result in found["credential_matches"].items():
        fit[one] = {
            each["input_credential_index"]: [
                (claim_set.get("claim_set_index"), leaves(claim_set["output"]) - {((), "{}")})
                for claim_set in each["claims"]["valid_claim_sets"]
            ]
            for each in result.get("valid_credentials") or []
        }
        lack[one] = {
            each["input_credential_index"]: {
                word for word in ("meta", "claims", "trusted_authorities") if not each[word]["success"]
            }
            for each in result.get("failed_credentials") or []
        }
    sets = [each.get("matching_options") or [] for each in found.get("credential_sets") or []]
    return {"answerable": found["can_be_satisfied"], "fit": fit, "lack": lack, "sets": sets}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=hinted())
def test_generated_queries_have_the_same_answers(node, case) -> None:
    query, wallet = case
    assert ours(query, wallet) == theirs(node, query, wallet)


SD_JWT = {"id": "a", "format": "dc+sd-jwt", "meta": {"vct_values": ["urn:a"]}}
HELD = {"credential_format": "dc+sd-jwt", "cryptographic_holder_binding": True, "vct": "urn:a"}


def asked(**changes: Any) -> dict[str, Any]:
    return {"credentials": [SD_JWT | changes]}


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"credentials": []},
        {"credentials": [SD_JWT, SD_JWT]},
        asked(id="a b"),
        asked(id=""),
        asked(format=7),
        asked(claims=[]),
        asked(claims=[{"path": []}]),
        asked(claims=[{"path": ["a", -1]}]),
        asked(claims=[{"path": ["a", 1.5]}]),
        asked(claims=[{"path": ["a", True]}]),
        asked(claims=[{"path": ["a"], "values": [1.5]}]),
        asked(claims=[{"path": ["a"], "values": [None]}]),
        asked(claims=[{"path": ["a"]}], claim_sets=[["a"]]),
        asked(claims=[{"id": "x", "path": ["a"]}], claim_sets=[]),
        asked(claims=[{"id": "x", "path": ["a"]}], claim_sets=[[]]),
        asked(claims=[{"id": "x", "path": ["a"]}], claim_sets=[["y"]]),
        asked(multiple="yes"),
        asked(require_cryptographic_holder_binding=1),
        asked(trusted_authorities=[]),
        asked(trusted_authorities=[{"type": "aki", "values": []}]),
        {"credentials": [SD_JWT], "credential_sets": []},
        {"credentials": [SD_JWT], "credential_sets": [{"options": []}]},
        {"credentials": [SD_JWT], "credential_sets": [{"options": [["b"]]}]},
        {"credentials": [SD_JWT], "credential_sets": [{"options": [["a"]], "required": "no"}]},
    ],
    ids=repr,
)  # fmt: skip
def test_both_refuse(node, query) -> None:
    with pytest.raises(MalformedError):
        DcqlQuery.parse(query)
    with pytest.raises(PeerError):
        node.call("dcql.parse", query=query)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"credentials": [{"id": "a", "format": "dc+sd-jwt"}]}, "meta is required (section 6.1)"),
        (asked(meta={}), "vct_values is required (B.3.5)"),
        (asked(meta={"vct_values": []}), "vct_values is a non-empty array (B.3.5)"),
        (asked(claims=[{"path": [0]}]), "credentials are objects: an index cannot begin a path (section 7)"),
        (asked(claims=[{"path": ["a"], "values": []}]), "values is a non-empty array (section 6.3)"),
        (asked(claims=[{"id": "x", "path": ["a"]}] * 2), "an id is not used twice (section 6.3)"),
        (asked(claims=[{"id": "x", "path": ["a"]}], claim_sets=[["x", "x"]]), "an id twice in a set says nothing"),
        ({"credentials": [SD_JWT], "credential_sets": [{"options": [[]]}]}, "an option names something (section 6.2)"),
        (asked(claims=[{"path": ["a"] * 17}]), "our limit: 16 parts of a path"),
        (asked(claims=[{"path": ["a"], "values": [*range(65)]}]), "our limit: 64 values"),
        ({"credentials": [SD_JWT | {"id": f"a{n}"} for n in range(33)]}, "our limit: 32 credentials"),
    ],
    ids=lambda one: one if isinstance(one, str) else "query",
)  # fmt: skip
def test_we_refuse_what_dcql_lets_pass(node, query, reason) -> None:
    with pytest.raises(MalformedError):
        DcqlQuery.parse(query)
    assert node.call("dcql.parse", query=query) is True


def test_a_claim_that_is_null_is_there(node) -> None:
    """Section 7.1.1 selects elements whatever their value; an issuer of ours says null for "issued, and nothing"."""
    query, wallet = asked(claims=[{"path": ["a"]}]), [HELD | {"claims": {"a": None}}]
    assert ours(query, wallet)["answerable"] is True
    assert theirs(node, query, wallet)["answerable"] is False


def test_an_array_has_no_member_of_that_name(node) -> None:
    """Section 7.1.1: a text selects in an object, and else the processing is aborted. Theirs asks the JavaScript object."""
    query, wallet = asked(claims=[{"path": ["a", "length"]}]), [HELD | {"claims": {"a": [1, 2]}}]
    assert ours(query, wallet)["answerable"] is False
    assert theirs(node, query, wallet)["answerable"] is True


def test_nothing_is_selected_in_an_empty_array(node) -> None:
    """Section 7.1.1: when no element is selected, the processing is aborted."""
    query, wallet = asked(claims=[{"path": ["a", None]}]), [HELD | {"claims": {"a": []}}]
    assert ours(query, wallet)["answerable"] is False
    assert theirs(node, query, wallet)["answerable"] is True
