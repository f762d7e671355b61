"""RFC 8949 appendix A and F.1 (vectors/cbor): what this SDK reads of them, and that it refuses the rest."""

from __future__ import annotations

import json

import cbor2

from vcred.errors import MalformedError
from vcred.formats._cbor import Tagged, decode, encode
from vcred.reasons import ReasonCode as Code

READ_TAGS = frozenset({0, 1, 23, 24, 32})


def verdict(hexed: str):
    try:
        return decode(bytes.fromhex(hexed), "it", max_bytes=4096, tags=READ_TAGS)
    except MalformedError as error:
        return error.code


def left_out(case: dict) -> Code | None:
    """Why a well-formed example is refused here."""
    hexed, shown = case["hex"], case.get("diagnostic", "")
    try:
        cbor2.loads(bytes.fromhex(hexed), allow_indefinite=False)
    except cbor2.CBORDecodeError:
        return Code.CBOR  # indefinite length, or simple(24)
    if hexed[:2] in ("c2", "c3"):
        return Code.TAG  # bignum
    if shown in ("NaN", "Infinity", "-Infinity", "undefined") or shown.startswith("simple"):
        return Code.CBOR
    return None


def test_appendix_a(vectors):
    cases = json.loads(vectors("cbor", "appendix_a.json").read_text())
    assert len(cases) == 82
    read = 0
    for case in cases:
        found, reason = verdict(case["hex"]), left_out(case)
        if reason is not None:
            assert found is reason, case
            continue
        read += 1
        if "decoded" in case:
            assert found == case["decoded"], case
            assert type(found) is type(case["decoded"])
        else:
            assert not isinstance(found, Code), case
    # Left out: 11 of indefinite length, 9 that are not finite, undefined, 3 simple values, 2 bignums.
    assert read == len(cases) - 26


def test_appendix_a_is_written_as_it_was_read(vectors):
    for case in json.loads(vectors("cbor", "appendix_a.json").read_text()):
        found = verdict(case["hex"])
        if (
            isinstance(found, (Code, float))
            or "decoded" not in case
            or not case["roundtrip"]
            or "f93c00" in case["hex"]
        ):
            continue
        if isinstance(found, list) and any(isinstance(item, float) for item in found):
            continue
        assert encode(found).hex() == case["hex"]


def test_tagged_examples_keep_their_content(vectors):
    assert vectors("cbor", "appendix_a.json").exists()
    assert verdict("c11a514b67b0") == Tagged(1, 1363896240)
    assert verdict("d74401020304") == Tagged(23, b"\x01\x02\x03\x04")


def test_what_is_not_well_formed_is_refused(vectors):
    cases = json.loads(vectors("cbor", "not_well_formed.json").read_text())["cases"]
    assert len(cases) == 94
    for case in cases:
        assert verdict(case["hex"]) in (Code.CBOR, Code.TAG), case
