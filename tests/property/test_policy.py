"""Properties of queries and policies on generated input."""

from datetime import UTC, date, datetime
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vcred.catalog import Catalog
from vcred.claims import SD, ClaimPath, select
from vcred.dcql import Candidate, ClaimQuery, CredentialQuery, DcqlQuery, check_answer, match
from vcred.errors import MalformedError, PolicyError, RefusedError
from vcred.policy import PresentedCertificate, VerificationPolicy, compile_policy, evaluate
from vcred.policy.model import Address
from vcred.policy.presented import same_place
from verifier.policy import VerificationPolicy as Shipped
from verifier.policy import preset_ids

pytestmark = pytest.mark.property

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from("abc"), below, max_size=3),
    max_leaves=8,
)
words = st.sampled_from(
    ["credentials", "id", "format", "meta", "claims", "path", "values", "claim_sets", "credential_sets", "options",
     "vct_values", "sd-cwt", "mso_mdoc", "ldp_vc", "a", "multiple", "trusted_authorities"]
)  # fmt: skip
queries = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(words, below, max_size=5),
    max_leaves=20,
)
trees = st.dictionaries(st.sampled_from("abc"), json_values, min_size=1, max_size=3)
paths = st.lists(st.sampled_from(["a", "b", "c", None, 0, 1]), max_size=3).flatmap(
    lambda rest: st.sampled_from("abc").map(lambda first: ClaimPath((first, *rest)))
)


@given(queries)
def test_a_query_parser_lets_out_one_error_only(value):
    for candidate in (value, {"credentials": [value]}, {"credentials": value, "credential_sets": [value]}):
        try:
            query = DcqlQuery.parse(candidate)
        except MalformedError:
            continue
        assert DcqlQuery.parse(query.to_json()) == query


def query_of(wanted):
    claims = tuple(ClaimQuery(path=path) for path in wanted)
    types = (frozenset({"t"}),)
    return DcqlQuery(credentials=(CredentialQuery(id="q", format="sd-cwt", types=types, claims=claims),))


def candidate(tree, disclosed=()):
    return Candidate(id="1", format="sd-cwt", types=["t"], claims=tree, holder_bound=True, disclosed=disclosed)


def pruned(node, keep, at=()):
    """``node`` with what ``keep`` names, its parents and what is below it."""

    def shown(path):
        return any(one.contains(path) or path.contains(one) for one in keep)

    if isinstance(node, dict):
        children = {name: ClaimPath((*at, name)) for name in node}
        return {name: pruned(node[name], keep, path.parts) for name, path in children.items() if shown(path)}
    if isinstance(node, list):
        return [pruned(one, keep, (*at, i)) for i, one in enumerate(node) if shown(ClaimPath((*at, i)))]
    return node


@given(trees, st.lists(paths, min_size=1, max_size=3, unique=True))
def test_what_a_wallet_would_disclose_is_what_a_verifier_takes(tree, wanted):
    query = query_of(wanted)
    matches = match(query, [candidate(tree)])
    if not matches:
        return
    hit = matches.found["q"][0]
    for path in hit.paths:
        assert select(tree, path), "every path to disclose exists"
        assert all(part is not None for part in path.parts), "and is concrete"
    check_answer(query, {"q": [candidate(pruned(tree, hit.paths), hit.paths)]})


@given(trees, st.lists(paths, min_size=1, max_size=3, unique=True), st.sampled_from("abc"))
def test_one_claim_more_is_refused(tree, wanted, extra):
    query = query_of(wanted)
    node = ClaimPath((extra,))
    if not match(query, [candidate(tree)]) or any(path.parts[0] == extra for path in wanted):
        return
    with pytest.raises(RefusedError):
        check_answer(query, {"q": [candidate(tree, [node])]})


@given(st.text(max_size=200))
def test_a_policy_parser_lets_out_one_error_only(text):
    with pytest.raises(PolicyError):
        VerificationPolicy.load(text)


@cache
def catalog():
    return Catalog.builtin()


@given(st.sampled_from(preset_ids()), st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_changed_preset_is_a_policy_or_a_policy_error(policy_id, data):
    source = Shipped.preset(policy_id).source
    lines = source.splitlines()
    index = data.draw(st.integers(0, len(lines) - 1))
    change = data.draw(st.sampled_from(["", "x = 1", lines[index] * 2, lines[index].replace('"', "", 1), "[[rules]]"]))
    file = "a policy"
    try:
        policy = VerificationPolicy.load("\n".join([*lines[:index], change, *lines[index + 1 :]]), file=file)
        compile_policy(policy, catalog(), ["sd-cwt"])
    except PolicyError as error:
        file = error.file
    assert file == "a policy"


def visible(tree, wanted, at=()):
    if isinstance(tree, SD):
        tree = tree.value
    if isinstance(tree, dict):
        found = {}
        for name, value in tree.items():
            path = ClaimPath((*at, name))
            if not isinstance(value, SD) or any(
                one.contains(path) or path.contains(one) or leads(path, one) for one in wanted
            ):
                found[name] = visible(value, wanted, path.parts)
        return found
    if isinstance(tree, list):
        return [visible(one, wanted, (*at, i)) for i, one in enumerate(tree)]
    return tree


def leads(path, one):
    return len(path.parts) < len(one.parts) and ClaimPath(one.parts[: len(path.parts)]).contains(path)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_hiding_something_that_is_asked_for_is_never_accepted(data):
    policy = Shipped.preset("bank.address-change")
    wanted = policy.slot("residence").acceptable("resident.personal").asked
    shown = data.draw(st.lists(st.sampled_from(wanted), unique=True))
    kind = catalog()["resident.personal"]
    day = date(2026, 8, 20)
    claims = visible(kind.issue(kind.sample, variant=None, options={}, issued_on=day), shown)
    certificate = PresentedCertificate(
        code=kind.code, type=kind, claims=claims, hidden_elements={}, issuer="", issued_on=day, format="sd-cwt"
    )
    found = evaluate(policy, {"residence": [certificate]}, at=datetime(2026, 9, 1, tzinfo=UTC))
    hidden = [path for path in wanted if not select(claims, path)]
    assert bool(found) is bool(hidden)
    assert {one.path for one in found if one.rule == "claims"} == {str(path) for path in hidden}


addresses = st.builds(
    "{} {}길 {}{}{}".format,
    st.sampled_from(["가람특별시 새솔구", "누리도 한빛시"]),
    st.sampled_from(["별빛로", "미리내", "달맞이"]),
    st.integers(1, 99),
    st.sampled_from(["", "-1", "-12"]),
    st.sampled_from(["", ", 101동 1203호", " 101동 1203호", ", 2층 201호", " (새솔동)", ", 3호"]),
)


def place(text):
    certificate = PresentedCertificate(
        code="", type=None, claims={"a": text}, hidden_elements={}, issuer="", issued_on=date(2026, 1, 1), format=""
    )
    return certificate.places(Address(path=ClaimPath(("a",))))[0]


@given(addresses | st.text(min_size=1), addresses)
def test_sameness_of_addresses_is_reflexive_and_symmetric(one, other):
    if one.strip():
        first, second = place(one), place(other)
        assert same_place(first, first) is not False
        assert same_place(first, second) is same_place(second, first)
    assert same_place(place(other), place(other)) is True
