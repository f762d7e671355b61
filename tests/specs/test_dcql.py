"""DCQL against the published examples and cases (OpenID4VP 1.0 sections 6 and 7)."""

import json

import pytest

from vcred.claims import ClaimPath, select
from vcred.dcql import Candidate, DcqlQuery, check_answer, match
from vcred.errors import MalformedError, RefusedError
from vcred.reasons import ReasonCode

FOLDER = "openid4vp"
# dcql-ts has one word for a wrong format and a wrong type.
WORDS = {
    "format": "meta",
    "meta": "meta",
    "claims": "claims",
    "trusted_authorities": "trusted_authorities",
    "holder_binding": "require_cryptographic_holder_binding",
}


@pytest.fixture(scope="module")
def cases(vectors):
    return json.loads(vectors(FOLDER, "dcql_cases.json").read_text(encoding="utf-8"))


def leaves(tree, at=()):
    if isinstance(tree, dict) and tree:
        return [leaf for key, value in tree.items() for leaf in leaves(value, (*at, key))]
    if isinstance(tree, list) and tree:
        return [leaf for i, value in enumerate(tree) for leaf in leaves(value, (*at, i))]
    return [(at, tree)]


def candidate(number, raw):
    claims = raw.get("claims", raw.get("namespaces", {}))
    kind = raw.get("vct", raw.get("doctype", raw.get("type")))
    authority = raw.get("authority")
    return Candidate(
        id=str(number),
        format=raw["credential_format"],
        types=kind if isinstance(kind, list) else [kind],
        claims=claims,
        holder_bound=raw["cryptographic_holder_binding"],
        authorities={} if authority is None else {authority["type"]: authority["values"]},
    )


def disclosed(tree, paths):
    return {leaf for path in paths for _, node in select(tree, path) for leaf in leaves(node, path.parts)}


# The old name `vc+sd-jwt` meant two things, told apart by how the type is written.
OLD_FORMATS = (("type", "vc+jwt"), ("type_values", "vc+jwt"), ("", "dc+sd-jwt"))


def renamed(one, member, name):
    for key in ("format", "credential_format"):
        if one.get(key) == "vc+sd-jwt" and (not member or member in one or member in one.get("meta", {})):
            one[key] = name
    return one


def in_final_syntax(case):
    """The case with ``path`` for namespace and name, ``dc+sd-jwt`` for its old name, and the required ``meta``."""
    for old, new in OLD_FORMATS:
        case = json.loads(json.dumps(case), object_hook=lambda one, old=old, new=new: renamed(one, old, new))
    stored = case.get("credentials") or [
        raw for many in case.get("presentation", {}).values() for raw in (many if isinstance(many, list) else [many])
    ]
    for one in case["query"]["credentials"]:
        for claim in one.get("claims", []):
            if "namespace" in claim:
                claim["path"] = [claim.pop("namespace"), claim.pop("claim_name")]
        if "meta" not in one:
            is_mdoc = one["format"] == "mso_mdoc"
            name = stored[0]["doctype" if is_mdoc else "vct"]
            one["meta"] = {"doctype_value": name} if is_mdoc else {"vct_values": [name]}
    return case


def cases_of(cases, kind):
    found = [in_final_syntax(one) for one in cases["queries"] if one["kind"] == kind]
    assert found, "the vectors have no such case"
    return found


def test_queries_over_stored_credentials(cases):
    for case in cases_of(cases, "query"):
        query = DcqlQuery.parse(case["query"])
        matches = match(query, [candidate(i, raw) for i, raw in enumerate(case["credentials"])])
        assert matches.satisfiable is case["expected"]["can_be_satisfied"], case["name"]
        for query_id, expected in case["expected"]["credentials"].items():
            found = {int(one.candidate.id): one for one in matches.found[query_id]}
            assert set(found) == {one["input_index"] for one in expected["matching_inputs"]}, case["name"]
            for one in expected["matching_inputs"]:
                hit = found[one["input_index"]]
                assert hit.claim_set == one["first_claim_set_index"], case["name"]
                want = {leaf for leaf in leaves(one["disclosed"]) if leaf[0]}
                assert disclosed(hit.candidate.claims, hit.paths) == want, case["name"]
            failed = {int(one.id): {WORDS[word] for word in words} for one, words in matches.failed[query_id]}
            assert failed == {one["input_index"]: set(one["failed"]) for one in expected["failing_inputs"]}, case[
                "name"
            ]
        for index, group in enumerate(case["expected"].get("credential_sets", [])):
            assert [list(one) for one in matches.set_options(index)] == (group["matching_options"] or [])


def test_answers(cases):
    for case in cases_of(cases, "presentation"):
        query = DcqlQuery.parse(case["query"])
        # The cases do not say which claims were selectively disclosed: nothing counts as an extra here.
        answer = {
            query_id: [candidate(i, raw) for i, raw in enumerate(one if isinstance(one, list) else [one])]
            for query_id, one in case["presentation"].items()
        }
        if case["expected"]["can_be_satisfied"]:
            check_answer(query, answer)
            continue
        with pytest.raises(RefusedError) as caught:
            check_answer(query, answer)
        assert caught.value.code is ReasonCode.DCQL, case["name"]


def test_syntax_from_before_the_final_version_is_refused(cases):
    old = [one for one in cases["queries"] if '"namespace":' in json.dumps(one["query"])]
    assert old
    for case in old:
        with pytest.raises(MalformedError) as caught:
            DcqlQuery.parse(case["query"])
        assert caught.value.code is ReasonCode.DCQL


def test_claims_and_claim_sets(cases):
    for case in cases["claims"]:
        raw = dict(case["credential_query"])
        one = candidate(0, case["credential"])
        (type_name,) = one.types
        # These cases leave out `meta`, which OpenID4VP 1.0 requires.
        raw["meta"] = {"doctype_value": type_name} if raw["format"] == "mso_mdoc" else {"vct_values": [type_name]}
        matches = match(DcqlQuery.parse({"credentials": [raw]}), [one])
        expected = case["expected"]
        assert matches.satisfiable is expected["success"], case["name"]
        if not expected["success"]:
            continue
        (hit,) = matches.found[raw["id"]]
        first = expected["valid_claim_sets"][0]
        assert hit.claim_set == first["claim_set_index"], case["name"]
        want = {leaf for leaf in leaves(first["disclosed"]) if leaf[0]}
        assert disclosed(one.claims, hit.paths) == want, case["name"]


def test_paths_of_dcql_ts(cases):
    for case in cases["paths"]:
        kind = "mso_mdoc" if case["kind"] == "mdoc" else "sd-cwt"
        meta = {"doctype_value": "t"} if kind == "mso_mdoc" else {"vct_values": ["t"]}
        query = DcqlQuery.parse(
            {"credentials": [{"id": "a", "format": kind, "meta": meta, "claims": [case["claims_query"]]}]}
        )
        one = Candidate(id="0", format=kind, types=["t"], claims=case["credential_claims"], holder_bound=True)
        matches = match(query, [one])
        assert matches.satisfiable is (case["expected"] == "match"), case["name"]
        if matches:
            # `null` in the recorded selection stands for an array element that was not selected.
            want = {leaf for leaf in leaves(case["selected"]) if leaf[1] is not None}
            assert disclosed(one.claims, matches.found["a"][0].paths) == want, case["name"]


def test_paths_of_section_7_2(vectors):
    table = json.loads(vectors(FOLDER, "claims_path_pointer.json").read_text(encoding="utf-8"))
    assert table["cases"]
    for case in table["cases"]:
        nodes = select(table["credential"], ClaimPath(tuple(case["path"])))
        assert [node for _, node in nodes] == case["selected"]


def test_published_queries_are_read_and_written_back(vectors):
    files = sorted(vectors(FOLDER, "examples", "query_lang").glob("*.json"))
    assert files
    for file in files:
        query = DcqlQuery.parse(json.loads(file.read_text(encoding="utf-8")))
        assert DcqlQuery.parse(query.to_json()) == query, file.name
