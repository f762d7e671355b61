"""ISO mdoc against pymdoccbor: what either side issues, the other reads. It has no presentations of its own."""

from __future__ import annotations

import copy
import logging
from datetime import date, timedelta
from typing import Any

import cbor2
import pytest
from cryptography import x509
from pymdoccbor.mdoc.issuer import MdocCborIssuer
from pymdoccbor.mdoc.verifier import MdocCbor

from tests.interop.kit import ISSUER, VCT, signer
from tests.interop.mdoc_kit import DOCTYPE, FORMAT, MDL, MDL_NAMESPACE, Authority, this_second
from vcred.claims import SD, ClaimPath
from vcred.credential import Content
from vcred.errors import MalformedError, RefusedError
from vcred.formats.base import IssuerKey
from vcred.formats.mdoc import openid4vp_transcript, verify_document_signer

# It asks for the time in a way that newer Pythons warn of.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

LICENCE = {
    "family_name": "김",
    "given_name": "가람",
    "age_over_18": True,
    "height": 170,
    "birth_date": "1990-01-31",
    "portrait": bytes(range(40)),
    "issuing_country": "KR",
    "driving_privileges": [{"vehicle_category_code": "B", "issue_date": "2020-05-05"}],
}
OURS = {
    "city": "가람시",
    "name": SD("김가람"),
    "since": SD(2021),
    "head": SD({"name": SD("박새솔"), "relation": "head"}),
}
TRANSCRIPT = openid4vp_transcript(
    client_id="x509_hash:" + "A" * 43, nonce="n" * 22, response_uri="https://desk.dasom.example/r", encryption_key=None
)


@pytest.fixture(scope="module")
def at():
    return this_second()


@pytest.fixture(scope="module")
def authority(at) -> Authority:
    return Authority("ES256", at)


def theirs(authority: Authority, device: Any, at: Any) -> bytes:
    """IssuerSigned: it gives out a DeviceResponse without the device's part, which no reader takes as one."""
    numbers = authority.key.crypto.private_numbers()
    key = {
        "KTY": "EC2",
        "CURVE": "P_256",
        "ALG": "ES256",
        "D": numbers.private_value.to_bytes(32, "big"),
        "X": numbers.public_numbers.x.to_bytes(32, "big"),
        "Y": numbers.public_numbers.y.to_bytes(32, "big"),
        "KID": b"document-signer",
    }
    made = MdocCborIssuer(private_key=key, alg="ES256").new(
        doctype=MDL,
        data={MDL_NAMESPACE: copy.deepcopy(LICENCE)},
        validity={
            "issuance_date": f"{at - timedelta(days=2):%Y-%m-%d}",
            "expiry_date": f"{at + timedelta(days=30):%Y-%m-%d}",
        },
        devicekeyinfo=device.public_key.to_cose(),
        x509_chain=[authority.certificate],
    )
    return cbor2.dumps(made["documents"][0]["issuerSigned"])


def ours(authority: Authority, device: Any, at: Any) -> bytes:
    now = int(at.timestamp())
    content = Content(
        vct=VCT, issuer=ISSUER, claims=OURS, issued_at=now - 60, expires_at=now + 86400, holder_key=device.public_key
    )
    key = IssuerKey(public_key=authority.key.public_key, chain=(authority.our_certificate,))
    return FORMAT.issue(content, key, authority.key)


def read(response: bytes, root: bytes) -> MdocCbor:
    """Their reading of a DeviceResponse. ``documents_invalid`` has what they refuse."""
    reader = MdocCbor()
    reader.loads(response)
    reader.verify(trusted_root_certs=[x509.load_der_x509_certificate(root)])
    return reader


def presented(raw: bytes, paths: list[tuple[str, ...]], device: Any) -> bytes:
    prepared = FORMAT.prepare_response(FORMAT.open(raw), [ClaimPath(path) for path in paths], transcript=TRANSCRIPT)
    return prepared.complete(device.sign(prepared.signing_input))


def test_they_issue_and_we_read(authority, at) -> None:
    device = signer("ES256")
    raw = theirs(authority, device, at)
    opened = FORMAT.open(raw)
    FORMAT.verify_signature(
        opened, verify_document_signer(opened, authorities=[authority.root], pinned=[], at=this_second())
    )
    assert opened.holder_key == device.public_key
    assert opened.claims == {MDL_NAMESPACE: LICENCE}


def test_they_issue_and_we_present_and_they_read(authority, at) -> None:
    device = signer("ES256")
    names = ("family_name", "birth_date", "portrait")
    response = presented(theirs(authority, device, at), [(MDL_NAMESPACE, name) for name in names], device)
    reader = read(response, authority.root)
    assert not reader.documents_invalid
    assert reader.disclosure_map == {
        MDL_NAMESPACE: {"family_name": "김", "birth_date": date(1990, 1, 31), "portrait": LICENCE["portrait"]}
    }


def test_we_issue_and_present_and_they_read(authority, at) -> None:
    device = signer("ES256")
    reader = read(presented(ours(authority, device, at), [("name",), ("head", "name")], device), authority.our_root)
    assert not reader.documents_invalid
    (document,) = reader.documents
    assert (document.doctype, document.hash_verification["verified"]) == (DOCTYPE, 4)
    assert reader.disclosure_map == {
        DOCTYPE: {"~": {"city": "가람시"}, "name": "김가람", "head": {"relation": "head"}, "head/name": "박새솔"}
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace("김가람".encode(), "김가란".encode()),
        lambda raw: raw.replace("박새솔".encode(), "박새설".encode()),
    ],
    ids=["name", "head"],
)
def test_both_refuse_a_changed_element(authority, at, change, caplog) -> None:
    device = signer("ES256")
    wrong = change(presented(ours(authority, device, at), [("name",), ("head", "name")], device))
    with caplog.at_level(logging.CRITICAL):
        assert read(wrong, authority.our_root).documents_invalid
    with pytest.raises((MalformedError, RefusedError)):
        FORMAT.open(wrong)


def test_both_refuse_an_authority_they_do_not_know(authority, at, caplog) -> None:
    device, stranger = signer("ES256"), Authority("ES256", at)
    raw = theirs(authority, device, at)
    with caplog.at_level(logging.CRITICAL):
        response = presented(raw, [(MDL_NAMESPACE, "family_name")], device)
        assert read(response, stranger.root).documents_invalid
    with pytest.raises(RefusedError):
        verify_document_signer(FORMAT.open(raw), authorities=[stranger.root], pinned=[], at=this_second())
