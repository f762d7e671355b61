"""``Scan``: the one document in some files, and no other."""

from __future__ import annotations

import random

import pytest

from vcred import qr
from vcred.errors import MalformedError, RefusedError
from vcred.qr.scan import Scan, is_envelope, texts_of
from vcred.reasons import ReasonCode

NOISE = random.Random(20261122)
SHEET = NOISE.randbytes(300)
PAPER = qr.Message(qr.MessageKind.PAPER, {1: SHEET})
LARGE = qr.Message(qr.MessageKind.PAPER, {1: NOISE.randbytes(3_600)})


def scan(*files):
    return Scan(files=files)


def lines(message, which=slice(None)):
    return "".join(f"{code.text}\n" for code in qr.encode(message)[which]).encode()


def refused(work):
    with pytest.raises(RefusedError) as caught:
        work()
    return caught.value.code


def test_a_document_is_found_however_its_files_hold_it():
    (code,) = qr.encode(PAPER)
    for files in (
        (qr.encode_message(PAPER),),
        (code.png(scale=4),),
        (code.text.encode(),),
        (b"https://garam.example/ticket\n" + code.text.encode(),),
        (code.png(scale=4), code.text.encode()),
        (b"\n  " + code.text.encode(),),
    ):
        assert scan(*files).message() == PAPER
        assert scan(*files).sheet() == SHEET
    parts = [one.text.encode() for one in qr.encode(LARGE)]
    assert len(parts) > 2
    assert scan(*reversed(parts)).message() == LARGE
    assert scan(b"\n".join(parts)).message() == LARGE


def test_two_documents_in_one_scan_are_refused_also_when_one_is_not_whole():
    other = qr.Message(qr.MessageKind.PAPER, {1: SHEET[::-1]})
    assert refused(scan(lines(PAPER) + lines(other)).message) is ReasonCode.LIMIT
    assert refused(scan(lines(PAPER), lines(other)).message) is ReasonCode.LIMIT
    assert refused(scan(lines(PAPER) + lines(LARGE, slice(1))).message) is ReasonCode.LIMIT
    assert refused(scan(lines(LARGE) + lines(PAPER)).message) is ReasonCode.LIMIT
    assert scan(lines(PAPER) * 3).message() == PAPER


def test_what_holds_no_document_is_refused():
    assert refused(scan(lines(LARGE, slice(1))).message) is ReasonCode.INCOMPLETE
    assert refused(scan(b"https://garam.example/ticket").message) is ReasonCode.SCHEME
    for raw in (b"", b"\xff\xfe", b"\x89PNG", b"%PDF-1.7"):
        assert refused(scan(raw).message) is ReasonCode.FORMAT
    assert refused(scan().message) in {ReasonCode.INCOMPLETE, ReasonCode.SCHEME}
    for message in (
        qr.Message(qr.MessageKind.RESPONSE, {1: SHEET}),
        qr.Message(qr.MessageKind.PAPER, {1: "text"}),
        qr.Message(qr.MessageKind.PAPER, {1: SHEET, 2: SHEET}),
    ):
        assert refused(scan(qr.encode_message(message)).sheet) is ReasonCode.FORMAT


def test_an_answer_without_codes_is_the_files_themselves():
    bare = (b"eyJhbGciOi", b"\xa3abc")
    assert scan(*bare).answer() == bare
    assert scan(qr.encode_message(PAPER)).answer() == PAPER
    assert scan(lines(LARGE)).answer() == LARGE


def test_any_bytes_are_a_message_or_refused():
    for size in range(0, 400, 7):
        raw = NOISE.randbytes(size)
        for start in (b"", b"V\x01", b"VF1:", b"\x89PNG", b"BM", b"12", b"GIF8"):
            with pytest.raises(MalformedError):
                scan(start + raw).sheet()


def test_the_envelope_and_the_texts_of_a_file():
    assert is_envelope(qr.encode_message(PAPER))
    assert not is_envelope(b"VF1:ABC")
    assert texts_of(b"a\n\n b \n", "x") == ["a", "b"]
    with pytest.raises(MalformedError, match="scan-7"):
        texts_of(b"\n", "scan-7")
