"""One decoder for digits and frames."""

from __future__ import annotations

import hashlib
import random

import pytest

from vcred import qr
from vcred.errors import MalformedError, RefusedError
from vcred.qr.digits import digits_encode
from vcred.reasons import ReasonCode

NOISE = b"".join(hashlib.sha256(bytes((n,))).digest() for n in range(160))
SHORT = qr.Message(qr.MessageKind.REQUEST, {1: NOISE[:100]})
LONG = qr.Message(qr.MessageKind.RESPONSE, {1: NOISE})


def texts(message: qr.Message, *, animated: bool | None = None) -> list[str]:
    return [code.text for code in qr.encode(message, animated=animated)]


def refusal(text: str) -> ReasonCode:
    with pytest.raises(MalformedError) as refused:
        qr.Reader().add(text)
    return refused.value.code


def test_one_static_code_is_the_message() -> None:
    reader = qr.Reader()
    assert reader.add(texts(SHORT)[0]) == qr.Progress(received=1, needed=1, done=True)
    assert reader.message() == SHORT


def test_progress_counts_what_helps() -> None:
    reader, shown = qr.Reader(), texts(LONG)
    assert reader.add(shown[0]) == qr.Progress(received=1, needed=9, done=False)
    assert reader.add(shown[0]) == qr.Progress(received=1, needed=9, done=False)
    for text in shown[1:9]:
        progress = reader.add(text)
    assert progress == qr.Progress(received=9, needed=9, done=True)
    assert reader.message() == LONG


def test_a_page_of_several_codes_is_read_in_any_order() -> None:
    paper = qr.Message(qr.MessageKind.PAPER, {1: NOISE[:4_900]})
    shown = texts(paper)
    assert len(shown) == 4
    assert all(text.isdigit() for text in shown)
    random.Random(1).shuffle(shown)
    assert qr.decode(shown) == paper


def test_a_message_that_is_not_complete_is_not_given() -> None:
    reader = qr.Reader()
    for text in texts(LONG)[:8]:
        reader.add(text)
    with pytest.raises(RefusedError) as refused:
        reader.message()
    assert refused.value.code is ReasonCode.INCOMPLETE
    assert refused.value.detail == "8 of 9 frames"


def test_nothing_read_is_incomplete() -> None:
    with pytest.raises(RefusedError) as refused:
        qr.decode([])
    assert refused.value.code is ReasonCode.INCOMPLETE


def test_after_the_message_nothing_is_looked_at() -> None:
    reader = qr.Reader()
    reader.add(texts(SHORT)[0])
    assert reader.add("https://garam.example/").done
    assert reader.message() == SHORT


def test_the_enter_key_of_a_scanner_is_no_part_of_the_text() -> None:
    assert qr.decode([texts(SHORT)[0] + "\r\n"]) == SHORT
    assert qr.decode([text + "\n" for text in texts(LONG)]) == LONG


def test_other_codes_on_the_page_are_passed_over() -> None:
    assert qr.decode(["https://garam.example/", texts(SHORT)[0], "tel:0"]) == SHORT


def test_only_other_codes_are_a_refusal() -> None:
    with pytest.raises(MalformedError) as refused:
        qr.decode(["https://garam.example/", "tel:0"])
    assert refused.value.code is ReasonCode.SCHEME


def test_other_codes_and_too_few_frames_are_incomplete() -> None:
    with pytest.raises(RefusedError) as refused:
        qr.decode(["https://garam.example/", texts(LONG)[0]])
    assert refused.value.code is ReasonCode.INCOMPLETE


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", ReasonCode.SCHEME),
        ("VF1", ReasonCode.SCHEME),
        ("vf1:000", ReasonCode.SCHEME),
        (" VF1:000", ReasonCode.SCHEME),
        ("VF2:000", ReasonCode.SCHEME),
        ("0088012345678", ReasonCode.SCHEME),
        ("8801234567893", ReasonCode.ENCODING),
        ("１２３", ReasonCode.SCHEME),
        ("VF1:", ReasonCode.FRAME),
        ("VF1:000", ReasonCode.FRAME),
        ("VF1:ab8", ReasonCode.ENCODING),
        ("VF1:" + "0" * 967, ReasonCode.SIZE),
        ("0" * 3_058, ReasonCode.SIZE),
        ("0" * 10_000_000, ReasonCode.SIZE),
        ("1", ReasonCode.ENCODING),
        (digits_encode(b"F" + bytes(8)), ReasonCode.FRAME),
        (digits_encode(b"V"), ReasonCode.FORMAT),
    ],
)
def test_every_other_text_is_refused(text: str, code: ReasonCode) -> None:
    assert refusal(text) is code


def test_a_fifth_message_displaces_the_one_not_seen_for_longest() -> None:
    messages = [qr.Message(qr.MessageKind.OFFER, {1: NOISE[n : n + 1_600]}) for n in range(5)]
    shown = [texts(message) for message in messages]
    reader = qr.Reader()
    for number in (0, 1, 2, 3, 0, 4):
        reader.add(shown[number][0])
    assert reader.add(shown[0][1]).received == 2
    assert reader.add(shown[1][1]).received == 1
