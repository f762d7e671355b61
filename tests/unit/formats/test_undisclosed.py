"""What is not disclosed costs a verifier nothing but the standard's own digest of it, in every format that hides claims.

Work is counted, not timed: every call of Python and C functions (hashing and parsing among them), and the bytecode that
is executed, for a presentation of 6 claims out of 24 and out of a thousand.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter

import pytest

from tests.desk import AGENCY, AT, LIST, NOW, Desk, asked
from vcred.claims import SD, ClaimPath
from vcred.credential import Content, StatusReference
from vcred.formats.base import IssuerKey, LabelMap
from vcred.formats.known import FORMATS, Formats
from vcred.formats.sd_cwt import SdCwt

HIDING = [form for form in FORMATS if form != "vc+jwt"]
FEW, MANY, SHOWN = 24, 1000, 6
PER_DIGEST = 25
"""Steps of bytecode for one digest: its type and its length are looked at, and it goes into a set."""


@pytest.fixture(scope="module")
def desk():
    return Desk()


def verification(desk, form, hidden):
    """What a verifier does with one presentation, once its caches know the keys."""
    names = [f"claim{number:04}" for number in range(hidden)]
    labels = LabelMap(labels={name: (number, None) for number, name in enumerate(["issuedOn", *names])})
    how = SdCwt(lambda _: labels) if form == "sd-cwt" else Formats(desk.catalog)[form]
    content = Content(
        vct=desk.catalog["resident.household"].vct,
        issuer=AGENCY,
        claims={"issuedOn": "2026-08-29", **dict.fromkeys(names, SD("a value"))},
        issued_at=NOW - 86400,
        expires_at=NOW + 86400,
        holder_key=desk.holder.public_key,
        status=StatusReference(uri=LIST, index=7),
    )
    key = IssuerKey(public_key=desk.key.public_key, chain=(desk.signer,))
    held = how.open(how.issue(content, key, desk.key))
    assert len(held.disclosures) == hidden
    shown = how.present(
        held,
        [ClaimPath((name,)) for name in names[:SHOWN]],
        desk.holder,
        audience="x509_hash:" + "A" * 43,
        nonce=bytes(range(16)),
        issued_at=NOW,
    )

    def verify():
        opened = how.open(shown)
        assert len(opened.disclosures) == SHOWN
        how.verify_signature(opened, desk.key.public_key)
        how.verify_key_binding(opened)

    verify()
    return verify


def calls(work) -> Counter:
    """How often each function was called."""
    found: Counter = Counter()

    def note(frame, event, called):
        if event == "call":
            found[f"{frame.f_code.co_filename}:{frame.f_code.co_name}"] += 1
        elif event == "c_call":
            found[getattr(called, "__qualname__", repr(called))] += 1

    gc.collect()
    gc.disable()  # a collection calls back whoever listens to it, hypothesis for one
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return found


def steps(work) -> int:
    """How much bytecode was executed."""
    count = 0

    def note(frame, event, _):
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return note

    before = sys.gettrace()
    gc.collect()
    gc.disable()
    sys.settrace(note)
    try:
        work()
    finally:
        sys.settrace(before)
        gc.enable()
    return count


@pytest.mark.parametrize("form", HIDING)
def test_a_hidden_claim_costs_its_digest_and_no_call(desk, form):
    few, many = verification(desk, form, FEW), verification(desk, form, MANY)
    assert calls(many) - calls(few) == Counter()
    assert steps(many) - steps(few) <= PER_DIGEST * (MANY - FEW)


@pytest.mark.parametrize("form", HIDING)
def test_the_count_would_notice_more_disclosures(desk, form):
    work = verification(desk, form, FEW)
    assert sum(calls(lambda: [work(), work()]).values()) > 1.9 * sum(calls(work).values())


@pytest.mark.parametrize("form", ["sd-cwt", "dc+sd-jwt"])
def test_a_whole_verdict_costs_the_same_however_long_the_hidden_history_is(desk, form):
    move = desk.catalog["resident.personal"].sample["addressHistory"][0]
    counted = []
    for moves in (1, 100):
        history = [{**move, "seq": number} for number in range(1, moves + 1)]
        options = {"addressHistory": "all"}
        held = desk.certificate("resident.personal", form, change={"addressHistory": history}, options=options)
        verifier, results = desk.verifier(), []
        for _ in range(2):  # the first one fills the caches
            request = asked(verifier, form)
            answer = desk.present(request, {"residence-1": (form, held)})
            found = calls(lambda: results.append(verifier.verify(answer, request=request, at=AT)))  # noqa: B023
        assert all(results)
        counted.append(found)
    assert counted[0] == counted[1]
