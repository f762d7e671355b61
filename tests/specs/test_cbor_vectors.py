"""RFC 8949 appendix A and F.1 (vectors/cbor): what this SDK reads of them, and that it refuses the rest."""

from __future__ import annotations

import json

import cbor2

from vcred.errors import MalformedError
from vcred.formats._cbor import Tagged, decode, encode
from vcred.reasons import ReasonCode as Code

READ_TAGS = frozenset({0, 1, 23, 24, 32})
INDEFINITE, BIGNUM, SIMPLE = "indefinite length", "bignums (tags 2 and 3)", "NaN, infinities, undefined, simple values"
SKIPPED: dict[str, str] = {
    INDEFINITE: "deterministic encoding has none (RFC 8949 section 4.2.1), and what is signed is written in one way",
    BIGNUM: "no format here has a number beyond 64 bits; a tag that is not listed is refused",
    SIMPLE: "no claim has such a value, and JSON cannot say it",
}
"""Features of well-formed examples that are refused here."""


def verdict(hexed: str):
    try:
        return decode(bytes.fromhex(hexed), "it", max_bytes=4096, tags=READ_TAGS)
    except MalformedError as error:
        return error.code


def left_out(case: dict) -> tuple[str, Code] | None:
    """For which feature, and how, a well-formed example is refused here."""
    hexed, shown = case["hex"], case.get("diagnostic", "")
    try:
        cbor2.loads(bytes.fromhex(hexed), allow_indefinite=False)
    except cbor2.CBORDecodeError:
        return (SIMPLE if shown.startswith("simple") else INDEFINITE), Code.CBOR
    if hexed[:2] in ("c2", "c3"):
        return BIGNUM, Code.TAG
    if shown in ("NaN", "Infinity", "-Infinity", "undefined") or shown.startswith("simple"):
        return SIMPLE, Code.CBOR
    return None


def test_appendix_a(vectors):
    cases = json.loads(vectors("cbor", "appendix_a.json").read_text())
    assert len(cases) == 82
    read, skipped = 0, set()
    for case in cases:
        found, left = verdict(case["hex"]), left_out(case)
        if left is not None:
            assert found is left[1], case
            skipped.add(left[0])
            continue
        read += 1
        if "decoded" in case:
            assert found == case["decoded"], case
            assert type(found) is type(case["decoded"])
        else:
            assert not isinstance(found, Code), case
    # Left out: 11 of indefinite length, 9 that are not finite, undefined, 3 simple values, 2 bignums.
    assert read == len(cases) - 26
    assert skipped == SKIPPED.keys()


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
