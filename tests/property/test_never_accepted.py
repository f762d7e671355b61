"""What an attacker changes is never accepted as something else, and what the holder did not approve is never shown."""

from dataclasses import dataclass
from functools import cache
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.desk import AT, NOW
from tests.formats_kit import CODE, EVERY
from tests.formats_kit import World as Town
from tests.wallet_kit import policy as policy_text
from vcred.claims import ClaimPath, select
from vcred.errors import ConsentError
from vcred.formats.known import FORMATS, LEGACY_FORMATS, Formats
from vcred.presentation import Challenge, Presentation, PresentationRequest, Presented
from vcred.qr.message import encode_message
from vcred.reasons import Outcome
from vcred.testing import World
from verifier import MemoryRequestStore, VerificationPolicy, Verifier

pytestmark = pytest.mark.property

HIDES_NOTHING = ("vc+jwt", *LEGACY_FORMATS)
TEXT = VerificationPolicy.preset("bank.address-change").source
SHOWS_ALL = TEXT.replace('[rrn]\nlevel = "none"', '[rrn]\nlevel = "full"\nlegal_basis = { ko = "시험", en = "Test" }')
SHOWS_ALL = SHOWS_ALL.replace('[forbid]\nclaims = ["rrn.serial", "rrn.sexDigit"]\n', "")
"""What shows everything is taken only by a policy that forbids nothing."""


def quiet(form, examples):
    """Fewer where another process checks each signature."""
    count = examples // 6 if form == "ldp_vc" else examples
    return settings(max_examples=count, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(params=EVERY)
def form(request):
    if request.param == "ldp_vc":
        pytest.importorskip("didkit")
    return request.param


# Never accepted


class Recording(MemoryRequestStore):
    """Gives a fresh store with the same open requests, as if nothing had been answered yet."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def put(self, request, *, now):
        self.kept.append((request, now))
        super().put(request, now=now)

    def fresh(self):
        store = MemoryRequestStore()
        for request, now in self.kept:
            store.put(request, now=now)
        return store


@dataclass(frozen=True)
class Honest:
    """An answer that was accepted, the claims it disclosed, and another answer by the same holder."""

    town: Town
    verifier: Verifier
    store: Recording
    request: PresentationRequest
    answer: Presentation
    other: Presentation
    claims: dict

    def verify(self, answer):
        verifier = Verifier(self.verifier.trust, self.town.identity(), requests=self.store.fresh())
        return verifier.verify(answer, request=self.request, at=AT)

    def check(self, answer):
        result = self.verify(answer)
        if result.outcome is Outcome.ACCEPTED:
            assert result.claims == self.claims
        else:
            assert result.reasons
            assert not result.disclosed
        return result


@cache
def town():
    return Town()


@cache
def honest(form):
    store = Recording()
    verifier = town().verifier(town().bundle(with_city=form in LEGACY_FORMATS), requests=store)
    policy = VerificationPolicy.load(SHOWS_ALL if form in HIDES_NOTHING else TEXT)
    requests = [verifier.request(policy, freshness=Challenge(), at=AT, formats=(form,)) for _ in range(2)]
    raw = town().credential(form)
    answers = [answered(form, raw, request) for request in requests]
    found = Honest(town(), verifier, store, requests[0], answers[0], answers[1], {})
    result = found.verify(answers[0])
    assert result.outcome is Outcome.ACCEPTED, result.reasons
    assert result.claims[CODE]
    found.claims.update(result.claims)
    return found


def answered(form, raw, request):
    query = next(one for one in request.query.credentials if CODE in str(one.types))
    paths = () if form in HIDES_NOTHING else [claim.path for claim in query.claims]
    sent = {"audience": request.client_id, "nonce": request.nonce, "issued_at": NOW}
    return Presentation(tokens={query.id: (Presented(format=form, raw=town().shown(form, raw, paths=paths, **sent)),)})


@st.composite
def edits(draw, raw, other):
    """``raw`` with one to three bytes flipped, put in or left out, or a piece of ``other`` in its place."""
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(raw) - 1))
        kind = draw(st.sampled_from(("flip", "insert", "delete", "cut", "splice", "double")))
        if kind == "flip":
            raw = raw[:place] + bytes((raw[place] ^ draw(st.integers(1, 255)),)) + raw[place + 1 :]
        elif kind == "insert":
            raw = raw[:place] + draw(st.binary(min_size=1, max_size=3)) + raw[place:]
        elif kind == "delete":
            raw = raw[:place] + raw[place + 1 :] or b"\0"
        elif kind == "cut":
            raw = raw[:place] or b"\0"
        elif kind == "splice":
            raw = raw[:place] + other[place:] or b"\0"
        else:
            end = draw(st.integers(place, min(len(raw), place + 200)))
            raw = raw[:end] + raw[place:end] + raw[end:]
    return raw


def test_no_changed_message_is_accepted_as_something_else(form):
    subject = honest(form)
    sent, other = (encode_message(one.to_message()) for one in (subject.answer, subject.other))
    assert subject.check(sent)

    @quiet(form, 120)
    @given(edits(sent, other))
    def run(raw):
        subject.check(raw)

    run()


def test_no_changed_presentation_is_accepted_as_something_else(form):
    subject = honest(form)
    ((query, (sent,)),) = subject.answer.tokens.items()
    ((_, (other,)),) = subject.other.tokens.items()

    @quiet(form, 120)
    @given(edits(sent.raw, other.raw), st.booleans())
    def run(raw, both):
        changed = Presented(format=form, raw=raw)
        result = subject.check(Presentation(tokens={query: (sent, changed) if both else (changed,)}))
        assert raw == sent.raw or not both or not result, "a second presentation was not asked for"

    run()


def test_no_single_flipped_bit_is_accepted_anywhere(form):
    # A spread over the whole token; each place once, with a bit that depends on the place.
    subject = honest(form)
    ((query, (sent,)),) = subject.answer.tokens.items()
    places = 50 if form == "ldp_vc" else 250
    for place in range(0, len(sent.raw), max(1, len(sent.raw) // places)):
        raw = sent.raw[:place] + bytes((sent.raw[place] ^ 1 << place % 7,)) + sent.raw[place + 1 :]
        assert not subject.check(Presentation(tokens={query: (Presented(format=form, raw=raw),)})), place


def test_an_answer_to_another_request_or_of_another_format_is_never_accepted(form):
    subject = honest(form)
    ((query, (sent,)),) = subject.answer.tokens.items()
    assert not subject.check(subject.other)
    for wrong in EVERY:
        if wrong != form:
            assert not subject.check(Presentation(tokens={query: (Presented(format=wrong, raw=sent.raw),)}))
    assert not subject.check(Presentation(tokens={query: (sent, sent)}))
    assert not subject.check(Presentation(tokens={f"{query}x": (sent,)}))
    assert not subject.check(Presentation(tokens={query: (sent,)}, one_way_nonce=bytes(16)))


# Disclosed is a subset of approved

CODES = ("resident.personal", "resident.household", "edu.graduation")
POLICIES = 24


@cache
def offered():
    """Policies that ask for this and that of three certificates, with optional claims, drawn once."""
    dice, texts = Random(20260926), []
    probe = World(at=AT)
    for code in CODES:
        probe.issue(code)
    held = {one.code: probe.wallet.claims(one.id) for one in probe.wallet.certificates()}
    for number in range(POLICIES):
        slots = []
        for code in dice.sample(CODES, dice.randint(1, 2)):
            selective = [one.path for one in probe.catalog[code].walk() if one.disclosure == "selective"]
            paths = [str(path) for path in selective if any(value for _, value in select(held[code], path))]
            asked = dice.sample(paths, min(len(paths), dice.randint(1, 5)))
            split = dice.randint(1, len(asked))
            slots.append((code.replace(".", "_"), code, asked[:split], asked[split:], True))
        texts.append(policy_text(f"bank.test-{number}", *slots, rrn="full"))
    return texts


@cache
def holder(form):
    world = World(at=AT, policies=offered(), formats=(form,))
    for code in CODES:
        world.issue(code)
    return world


def leaves(value, path=()):
    """The paths of everything that is not a container with something in it."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    found = [leaf for name, inner in inside for leaf in leaves(inner, (*path, name))]
    return found or [ClaimPath(path)]


def pattern(path):
    return ClaimPath(tuple(None if isinstance(part, int) else part for part in path.parts))


def is_approved(leaf, kind, approved):
    """Whether the holder agreed to ``leaf``, or it is plain inside something that had to be opened for what was."""
    if any(path.contains(leaf) for path in approved):
        return True
    nodes = [ClaimPath(leaf.parts[:end]) for end in range(1, len(leaf.parts) + 1)]
    specs = [(node, kind.spec(node)) for node in nodes if node.parts[-1] is not None]
    return all(
        spec is not None and (spec.disclosure == "always" or any(node.contains(path) for path in approved))
        for node, spec in specs
    )


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_disclosed_was_approved(form):
    world = holder(form)
    reader = Formats(world.catalog)[form]
    accepted, shown_in_all = set(), set()

    @settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, POLICIES - 1), st.randoms(use_true_random=False))
    def run(number, dice):
        request = world.request(f"bank.test-{number}", formats=(form,))
        asked = world.match(request)
        if asked.missing or asked.blocked:
            return
        also = [one for one in asked.optional if dice.random() < 0.5]
        try:
            consent = asked.approve(also=also, reuse=True)
        except ConsentError:  # with more than a few optional claims: all or none of them
            consent = asked.approve(also=asked.optional, reuse=True)
        # Of a format that hides nothing the holder agrees to every claim: all of them are "always shown".
        approved = consent.disclosures
        answer = world.wallet.present(consent, at=world.at)
        shown = {}
        for query, (one,) in answer.tokens.items():
            opened = reader.open(one.raw)
            kind = world.catalog.by_vct(opened.vct)
            shown[kind.code] = opened.claims
            mine = [line.path for line in approved if line.query == query]
            for leaf in leaves(dict(opened.claims)):
                assert is_approved(pattern(leaf), kind, mine), leaf
            assert not all(is_approved(pattern(leaf), kind, ()) for leaf in leaves(dict(opened.claims))), "it can fail"
        shown_in_all.add(number)
        result = world.verify(answer, request)
        if result:
            accepted.add(number)
            assert {code: result.claims[code] for code in shown} == shown

    run()
    assert len(shown_in_all) >= POLICIES // 4, "most policies are beyond the wallet: this shows nothing"
    if form not in HIDES_NOTHING:  # no policy takes more than it asks for
        assert len(accepted) >= POLICIES // 4, "most answers are refused: this shows nothing"
