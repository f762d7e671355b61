"""Any choice issues; what it leaves out is nowhere; the state of every claim is told correctly."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vcred.catalog import Catalog, ClaimState
from vcred.catalog.linter import disclosed, values_of
from vcred.claims import SD, ClaimPath
from vcred.errors import RecordError

CATALOG = Catalog.builtin()
pytestmark = pytest.mark.property


@st.composite
def choices(draw):
    kind = CATALOG[draw(st.sampled_from(sorted(CATALOG)))]
    variant = draw(st.sampled_from([one.id for one in kind.variants])) if kind.variants else None
    options = {}
    for option in kind.options:
        if (not option.variants or variant in option.variants) and draw(st.booleans()):
            if option.kind == "set":
                ids = [value.id for value in option.values]
                options[option.id] = draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
            elif any(value.high for value in option.values) and draw(st.booleans()):
                counted = next(value for value in option.values if value.high)
                options[option.id] = f"{counted.id[:-1]}{draw(st.integers(counted.low, counted.high))}"
            else:
                options[option.id] = draw(st.sampled_from(values_of(option)))
    return kind, variant, options


def nodes(tree, path=()):
    """Every concrete path in a disclosed tree but the plain claims."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        if path or key not in ("issuedOn", "variant", "options"):
            yield ClaimPath((*path, key)), value
            yield from nodes(value, (*path, key))


def issued(kind, variant, options):
    return kind.issue(kind.sample, variant=variant, options=options, issued_on=kind.sample_date)


@given(choices())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_combination_issues_and_leaves_out_what_it_excludes_at_every_depth(choice):
    kind, variant, options = choice
    claims = disclosed(issued(kind, variant, options))
    json.dumps(claims)
    for path, _ in nodes(claims):
        assert kind.spec(path) is not None
        assert kind.is_issued(path, variant=variant, options=options), path
    tops = {spec.key for spec in kind.claims if kind.is_issued(spec.path, variant=variant, options=options)}
    assert tops == set(claims) - {"issuedOn", "variant", "options"}


@given(choices())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_fully_disclosed_nothing_is_hidden(choice):
    kind, variant, options = choice
    claims = disclosed(issued(kind, variant, options))
    for spec in kind.walk():
        state = kind.state(spec.path, claims, {})
        assert state is not ClaimState.HIDDEN
        if not kind.is_issued(spec.path, variant=variant, options=options):
            assert state is ClaimState.NOT_ISSUED
    for path, value in nodes(claims):
        expected = ClaimState.EMPTY if value is None or value == [] else ClaimState.PRESENT
        assert kind.state(path, claims, {}) is expected


@given(choices())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_fully_hidden_everything_issued_is_hidden_or_plain(choice):
    kind, variant, options = choice
    tree = issued(kind, variant, options)
    shown = {key: value for key, value in tree.items() if not isinstance(value, SD)}
    for spec in kind.walk():
        state = kind.state(spec.path, shown, {})
        if spec.key in shown:
            assert state is ClaimState.PRESENT
        elif kind.is_issued(spec.path, variant=variant, options=options):
            assert state is ClaimState.HIDDEN
        else:
            assert state is ClaimState.NOT_ISSUED


@given(choices(), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_hiding_one_top_claim_hides_it_and_nothing_else(choice, data):
    kind, variant, options = choice
    claims = disclosed(issued(kind, variant, options))
    names = sorted(set(claims) - {"issuedOn", "variant", "options", "validUntil"})
    hidden = data.draw(st.sampled_from(names))
    rest = {name: value for name, value in claims.items() if name != hidden}
    for name in names:
        state = kind.state(ClaimPath((name,)), rest, {})
        assert (state is ClaimState.HIDDEN) is (name == hidden)


@given(choices())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_back_part_leaves_the_type_unless_the_option_says_so(choice):
    kind, variant, options = choice
    option = kind.option("rrnBack")
    if option is None or options.get("rrnBack", option.default) not in ("none", False):
        return
    claims = disclosed(issued(kind, variant, options))
    assert "serial" not in {path.parts[-1] for path, _ in nodes(claims)}


KEYS = st.text(max_size=8) | st.sampled_from(["members", "householder", "name", "rrn", "seq", "document"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from(sorted(CATALOG)), st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_of_a_strange_record_only_record_error_comes_out(code, data):
    kind = CATALOG[code]
    record = dict(kind.sample)
    record[data.draw(st.sampled_from([spec.key for spec in kind.claims]))] = data.draw(JUNK)
    variant = kind.variants[0].id if kind.variants else None
    try:
        kind.issue(record, variant=variant, options={}, issued_on=kind.sample_date)
    except RecordError as problem:
        assert str(problem).startswith(f"{kind.file}: ")  # noqa: PT017


@given(st.sampled_from(sorted(CATALOG)), st.dictionaries(KEYS, JUNK, max_size=4), st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_state_never_crashes_on_strange_claims(code, claims, data):
    kind = CATALOG[code]
    spec = data.draw(st.sampled_from(list(kind.walk())))
    claims |= {"options": data.draw(JUNK), "variant": data.draw(JUNK), spec.path.parts[0]: data.draw(JUNK)}
    assert kind.state(spec.path, claims, {}) in ClaimState
