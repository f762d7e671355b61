"""The published VICAL of AAMVA (vectors/mdoc/vical): 14 roots, and five cases of whom and when to trust."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from vcred.errors import RefusedError
from vcred.trust.vical import parse_vical, verify_vical

FILE = "aamva-vical-2025-11-18.cbor"
MDL = "org.iso.18013.5.1.mDL"
CODES = ["accepted", "accepted", "untrusted", "untrusted", "untrusted"]


@pytest.fixture(scope="module")
def told(vectors):
    return json.loads(vectors("mdoc", "vical", "expected.json").read_text())


@pytest.fixture(scope="module")
def vical(vectors):
    return parse_vical(vectors("mdoc", "vical", FILE).read_bytes())


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def test_what_it_says(told, vical):
    assert (vical.provider, vical.issue_id) == (told["provider"], told["issue_id"])
    assert (vical.issued_at, vical.next_update) == (seconds(told["date"]), seconds(told["next_update"]))
    assert len(vical.chain) == 3


def test_every_certificate(told, vical):
    assert len(vical.entries) == told["certificate_count"]
    for entry, certificate in zip(vical.entries, told["certificates"], strict=True):
        assert list(entry.doctypes) == certificate["doc_type"]
        assert (entry.country, entry.state) == (certificate["issuing_country"], certificate["state"])
        assert entry.not_before == seconds(certificate["not_before"])
        assert entry.not_after == seconds(certificate["not_after"])
        subject = x509.load_der_x509_certificate(entry.certificate).subject
        assert sorted(subject.rfc4514_string().split(",")) == sorted(certificate["subject"].split(","))


@pytest.mark.parametrize("number", range(5))
def test_whom_and_when_to_trust(number, told, vical, vectors):
    case = told["cases"][number]
    anchors = [
        x509.load_pem_x509_certificate(vectors("mdoc", "vical", *name.split("/")).read_bytes()).public_bytes(
            Encoding.DER
        )
        for name in case["trust"]
    ]
    code = "accepted"
    try:
        at = datetime.fromisoformat(case["time"])
        verified = verify_vical(vical, keys=[], anchors=anchors, stored_issue=None, at=at)
        assert len(verified.anchors(MDL)) == 14
    except RefusedError as error:
        code = error.code.value
    assert code == CODES[number]
    assert case["expected"].startswith("accept") == (code == "accepted")


def test_every_case_is_here(told):
    assert len(told["cases"]) == len(CODES)
