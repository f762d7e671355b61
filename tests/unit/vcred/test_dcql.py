import copy

import pytest

from vcred.claims import ClaimPath
from vcred.dcql import Candidate, DcqlQuery, check_answer, match
from vcred.errors import MalformedError, RefusedError
from vcred.reasons import ReasonCode

CLAIMS = {
    "name": "가람",
    "age": 20,
    "member": True,
    "history": [],
    "members": [{"name": "가람", "seq": 1}, {"name": "나래", "seq": 2}],
}


def one(query_id="a", *, claims=({"path": ["name"]},), **more):
    entry = {"id": query_id, "format": "sd-cwt", "meta": {"vct_values": ["urn:example:one"]}, **more}
    return entry | ({} if claims is None else {"claims": list(claims)})


def parse(*credentials, **more):
    return DcqlQuery.parse({"credentials": list(credentials), **more})


def holds(cid="1", *, claims=CLAIMS, types=("urn:example:one",), disclosed=(), **more):
    more = {"format": "sd-cwt", "holder_bound": True} | more
    paths = [ClaimPath.parse(text) for text in disclosed]
    return Candidate(id=cid, claims=claims, types=types, disclosed=paths, **more)


def paths_of(query, candidate=None):
    (hit,) = match(query, [candidate or holds()]).found["a"]
    return [str(path) for path in hit.paths]


def test_a_null_selects_every_element():
    assert paths_of(parse(one(claims=[{"path": ["members", None, "name"]}]))) == ["members[0].name", "members[1].name"]


def test_an_index_selects_one_element():
    assert paths_of(parse(one(claims=[{"path": ["members", 1]}]))) == ["members[1]"]


@pytest.mark.parametrize(
    "path", [["nothing"], ["members", 7], ["name", None], ["name", 0], ["members", "name"], ["history", None]]
)
def test_a_path_that_selects_nothing_does_not_match(path):
    assert not match(parse(one(claims=[{"path": path}])), [holds()])


@pytest.mark.parametrize(
    ("path", "value", "fits"),
    [
        (["age"], 20, True),
        (["age"], "20", False),
        (["member"], True, True),
        (["member"], 1, False),
        (["age"], 21, False),
    ],
)
def test_values_compare_type_and_value(path, value, fits):
    assert match(parse(one(claims=[{"path": path, "values": [value]}])), [holds()]).satisfiable is fits


def test_no_claims_means_nothing_selectively_disclosable():
    assert paths_of(parse(one(claims=None))) == []


def test_the_first_satisfiable_claim_set_is_taken_and_all_are_listed():
    claims = [{"id": "x", "path": ["nothing"]}, {"id": "n", "path": ["name"]}, {"id": "g", "path": ["age"]}]
    query = parse(one(claims=claims, claim_sets=[["x"], ["n", "g"], ["n"]]))
    (hit,) = match(query, [holds()]).found["a"]
    assert hit.claim_set == 1
    assert [index for index, _ in hit.options] == [1, 2]


def test_a_bearer_credential_does_not_answer_a_query_for_a_bound_one():
    assert not match(parse(one()), [holds(holder_bound=False)])
    assert match(parse(one(require_cryptographic_holder_binding=False)), [holds(holder_bound=False)])


def test_what_is_missing_is_named():
    matches = match(parse(one("a"), one("b", meta={"vct_values": ["urn:example:two"]})), [holds()])
    assert matches.missing == ("b",)
    with pytest.raises(ValueError, match="satisfied"):
        matches.choose()


def test_with_sets_the_first_option_that_works_is_chosen_and_optional_sets_are_left_out():
    query = parse(
        one("a"),
        one("b", meta={"vct_values": ["urn:example:two"]}),
        one("c"),
        credential_sets=[{"options": [["b"], ["a"]]}, {"options": [["c"]], "required": False}],
    )
    assert list(match(query, [holds()]).choose()) == ["a"]


def test_without_an_option_the_first_one_is_what_is_missing():
    query = parse(
        one("a", meta={"vct_values": ["urn:example:two"]}),
        one("b"),
        credential_sets=[{"options": [["a", "b"]]}],
    )
    assert match(query, [holds()]).missing == ("a",)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("id", "a.b"),
        ("id", ""),
        ("id", 1),
        ("format", None),
        ("meta", None),
        ("meta", {}),
        ("meta", {"vct_values": []}),
        ("meta", {"vct_values": "urn:example:one"}),
        ("claims", []),
        ("claims", {}),
        ("claims", [{"path": []}]),
        ("claims", [{"path": [None]}]),
        ("claims", [{"path": ["a", -1]}]),
        ("claims", [{"path": ["a", True]}]),
        ("claims", [{"path": ["a", 1.0]}]),
        ("claims", [{"path": "a"}]),
        ("claims", [{"path": ["a"], "values": []}]),
        ("claims", [{"path": ["a"], "values": [None]}]),
        ("claims", [{"path": ["a"], "values": [1.5]}]),
        ("claims", [{"id": "x", "path": ["a"]}, {"id": "x", "path": ["b"]}]),
        ("claim_sets", [["x"]]),
        ("multiple", "true"),
        ("require_cryptographic_holder_binding", 0),
        ("trusted_authorities", []),
        ("trusted_authorities", [{"type": "aki", "values": []}]),
    ],
)
def test_a_malformed_query_is_refused(member, value):
    query = {"credentials": [one() | {member: value}]}
    with pytest.raises(MalformedError) as caught:
        DcqlQuery.parse(query)
    assert caught.value.code is ReasonCode.DCQL
    assert caught.value.path.startswith("dcql_query.credentials[0]")


@pytest.mark.parametrize(
    "query",
    [
        None,
        [],
        {},
        {"credentials": []},
        {"credentials": [one(), one()]},
        {"credentials": [one()], "credential_sets": []},
        {"credentials": [one()], "credential_sets": [{"options": []}]},
        {"credentials": [one()], "credential_sets": [{"options": [[]]}]},
        {"credentials": [one()], "credential_sets": [{"options": [["b"]]}]},
        {"credentials": [one()], "credential_sets": [{"options": [["a", "a"]]}]},
        {"credentials": [one()], "credential_sets": [{"options": [["a"]], "required": 1}]},
    ],
)
def test_a_malformed_whole_is_refused(query):
    with pytest.raises(MalformedError) as caught:
        DcqlQuery.parse(query)
    assert caught.value.code is ReasonCode.DCQL


def test_unknown_properties_are_ignored():
    query = {"credentials": [one(new="thing")], "newer": 1}
    assert DcqlQuery.parse(query) == parse(one())


def many(count, **more):
    return [one(f"a{i}", **more) for i in range(count)]


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"credentials": many(10_000)}, id="VP-14 10,000 credentials"),
        pytest.param({"credentials": [one(claims=[{"path": ["a"]}] * 100_000)]}, id="VP-14 100,000 paths"),
        pytest.param({"credentials": many(20, claims=[{"path": ["a"]}] * 500)}, id="VP-14 10,000 paths in all"),
        pytest.param({"credentials": [one(claims=[{"path": ["a"] * 1000}])]}, id="VP-14 long path"),
        pytest.param({"credentials": [one(claims=[{"path": ["a" * 10_000]}])]}, id="VP-14 long name"),
        pytest.param({"credentials": [one(claims=[{"path": ["a"], "values": ["x"] * 1000}])]}, id="VP-14 values"),
        pytest.param(
            {"credentials": [one()], "credential_sets": [{"options": [["a"]] * 1000}]}, id="VP-14 options of a set"
        ),
        pytest.param({"credentials": [one()], "credential_sets": [{"options": [["a"]]}] * 1000}, id="VP-14 sets"),
        pytest.param(
            {"credentials": [one(claims=[{"id": "x", "path": ["a"]}], claim_sets=[["x"]] * 1000)]},
            id="VP-14 claim sets",
        ),
    ],
)
def test_vp_14_limits(query):
    with pytest.raises(MalformedError) as caught:
        DcqlQuery.parse(query)
    assert caught.value.code is ReasonCode.LIMIT


def test_json_round_trip():
    raw = {
        "credentials": [
            one(
                claims=[{"id": "n", "path": ["name"], "values": ["x", 1, True]}, {"id": "m", "path": ["m", None, 0]}],
                claim_sets=[["n", "m"], ["n"]],
                multiple=True,
                require_cryptographic_holder_binding=False,
                trusted_authorities=[{"type": "aki", "values": ["one"]}],
            ),
            {"id": "w", "format": "vc+jwt", "meta": {"type_values": [["a", "b"], ["c"]]}},
            {
                "id": "d",
                "format": "mso_mdoc",
                "meta": {"doctype_value": "d"},
                "claims": [{"path": ["ns", "el"], "intent_to_retain": True}],
            },
        ],
        "credential_sets": [{"options": [["a", "w"], ["d"]]}, {"options": [["d"]], "required": False}],
    }
    assert DcqlQuery.parse(copy.deepcopy(raw)).to_json() == raw


def refused(query, answer):
    with pytest.raises(RefusedError) as caught:
        check_answer(query, answer)
    assert caught.value.code is ReasonCode.DCQL
    return caught.value


SHOWN = {"name": "가람"}


@pytest.mark.parametrize(
    ("query_ids", "presented", "why"),
    [
        pytest.param(
            "a", {"a": [holds(claims=SHOWN)], "b": [holds(claims=SHOWN)]}, "not asked", id="VP-08 an extra id"
        ),
        pytest.param("ab", {"a": [holds(claims=SHOWN)]}, "missing", id="VP-08 a missing one"),
        pytest.param("a", {"a": []}, "one presentation", id="VP-08 an empty list"),
        pytest.param("a", {"a": [holds(claims=SHOWN)] * 2}, "one presentation", id="VP-08 several"),
        pytest.param("a", {"a": [holds(claims=SHOWN, format="dc+sd-jwt")]}, "format", id="VP-08 wrong format"),
        pytest.param("a", {"a": [holds(claims=SHOWN, types=["urn:example:two"])]}, "meta", id="VP-08 wrong type"),
        pytest.param("a", {"a": [holds(claims={})]}, "missing", id="VP-08 claim missing"),
        pytest.param(
            "a",
            {"a": [holds(claims=SHOWN | {"age": 20}, disclosed=["name", "age"])]},
            "without being asked",
            id="VP-08 a claim not asked for",
        ),
    ],
)
def test_vp_08_an_answer_to_something_else_is_refused(query_ids, presented, why):
    assert why in str(refused(parse(*[one(query_id) for query_id in query_ids]), presented))


def test_an_answer_with_what_was_asked_is_accepted():
    check_answer(parse(one()), {"a": [holds(claims=SHOWN, disclosed=["name"])]})


def test_parents_and_children_of_what_was_asked_are_no_extras():
    query = parse(one(claims=[{"path": ["members", None, "name"]}, {"path": ["home"]}]))
    shown = {"members": [{"name": "가람"}], "home": {"road": "새솔로 1"}}
    disclosed = ["members", "members[0]", "members[0].name", "home", "home.road"]
    check_answer(query, {"a": [holds(claims=shown, disclosed=disclosed)]})
    refused(query, {"a": [holds(claims=shown, disclosed=[*disclosed, "members[0].seq"])]})


def test_an_index_may_shift_in_an_answer():
    query = parse(one(claims=[{"path": ["members", 1, "name"]}]))
    disclosed = ["members[0]", "members[0].name"]
    check_answer(query, {"a": [holds(claims={"members": [{"name": "나래"}]}, disclosed=disclosed)]})


def test_an_extra_is_judged_by_the_claim_set_that_was_answered():
    claims = [{"id": "n", "path": ["name"]}, {"id": "g", "path": ["age"]}]
    query = parse(one(claims=claims, claim_sets=[["n", "g"], ["n"]]))
    check_answer(query, {"a": [holds(claims=SHOWN, disclosed=["name"])]})
    check_answer(query, {"a": [holds(claims=SHOWN | {"age": 1}, disclosed=["name", "age"])]})


def test_several_answers_where_asked_must_all_fit():
    query = parse(one(multiple=True))
    check_answer(query, {"a": [holds("1", claims=SHOWN), holds("2", claims=SHOWN)]})
    refused(query, {"a": [holds("1", claims=SHOWN), holds("2", claims={})]})
