"""MD: hostile mdocs. Each is signed as it stands: only its shape, or the session it was made for, is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256
from typing import TYPE_CHECKING, Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from vcred.claims import ClaimPath
from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import Tagged, bstr, encode
from vcred.formats._cose import sig_structure
from vcred.formats._mdoc_chain import DOCUMENT_SIGNER, verify_document_signer
from vcred.formats._mdoc_device import device_authentication, mac_key, make_mac, shared_secret
from vcred.formats._mdoc_mso import array_head, embed
from vcred.formats.mdoc import Mdoc, Session, qr_transcript
from vcred.keys import PublicKey, SoftwareSigner
from vcred.reasons import ReasonCode as Code

if TYPE_CHECKING:
    from vcred.credential import Opened

DOCTYPE = "kr.vcred.test.1"
VCT = "urn:vcred:kr:test:1"
FOREIGN = "org.example.card.1"


class Types:
    def doctype(self, vct):
        return DOCTYPE if vct == VCT else None

    def vct(self, namespace):
        return VCT if namespace == DOCTYPE else None

    def spelling(self, vct):
        return None


FORMAT = Mdoc(Types())
HOLDER = SoftwareSigner.generate()
OTHER = SoftwareSigner.generate()
AT = datetime(2026, 3, 2, tzinfo=UTC)
NOW = int(AT.timestamp())
AUDIENCE = "x509_hash:" + "A" * 43
NONCE = bytes(range(16))
DROP = object()


# Certificates of the profile of ISO/IEC 18013-5 annex B, right or wrong

IACA_KEY = ec.generate_private_key(ec.SECP256R1())
ISSUER = SoftwareSigner.generate()


def name(country: str, common: str) -> x509.Name:
    return x509.Name([
        x509.NameAttribute(x509.NameOID.COUNTRY_NAME, country),
        x509.NameAttribute(x509.NameOID.COMMON_NAME, common),
    ])  # fmt: skip


def usage(*, signs: bool) -> x509.KeyUsage:
    names = (
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(
        digital_signature=signs, key_cert_sign=not signs, crl_sign=not signs, **dict.fromkeys(names, False)
    )


def certificate(
    key=ISSUER.public_key.crypto, *, country="KR", ca=False, eku=DOCUMENT_SIGNER, signs=True, above="KR",
    starts=AT - timedelta(days=30), ends=AT + timedelta(days=300), by=IACA_KEY, alternative=True, critical=None, common="signer", digest=None,
) -> bytes:  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(country, common))
        .issuer_name(name(above, "iaca"))
        .public_key(key)
        .serial_number(7)
        .not_valid_before(starts)
        .not_valid_after(ends)
        .add_extension(usage(signs=signs), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier("https://card.example")]), critical=False
        )
    )
    if alternative:
        builder = builder.add_extension(
            x509.IssuerAlternativeName([x509.UniformResourceIdentifier("https://iaca.example")]), critical=False
        )
    if ca or not signs:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
    if eku:
        builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(eku)]), critical=True)
    if critical:
        builder = builder.add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier(critical), b"\5\0"), critical=True
        )
    return builder.sign(by, digest or hashes.SHA256()).public_bytes(Encoding.DER)


IACA = certificate(IACA_KEY.public_key(), common="iaca", ca=True, eku=None, signs=False, ends=AT + timedelta(days=3000))
SIGNER = certificate()


# Documents


def merged(base: dict[Any, Any], changes: dict[Any, Any] | None) -> dict[Any, Any]:
    return {key: value for key, value in {**base, **(changes or {})}.items() if value is not DROP}


def tdate(at: datetime) -> Tagged:
    return Tagged(0, at.strftime("%Y-%m-%dT%H:%M:%SZ"))


def item(digest_id: int, identifier: str, value: Any, **changes: Any) -> bytes:
    base = {"digestID": digest_id, "random": bytes(range(16)), "elementIdentifier": identifier, "elementValue": value}
    return encode(merged(base, changes))


ITEMS = {0: item(0, "name", "가상"), 1: item(1, "town", "가람시"), 2: item(2, "issuing_country", "KR")}
TIMES = {"signed": tdate(AT), "validFrom": tdate(AT), "validUntil": tdate(AT + timedelta(days=100))}


def mso_map(items=None, mso=None, *, doctype=FOREIGN, times=None, key=HOLDER.public_key) -> dict[Any, Any]:
    digests = {number: sha256(embed(raw)).digest() for number, raw in (items or ITEMS).items()}
    base = {
        "version": "1.0",
        "digestAlgorithm": "SHA-256",
        "valueDigests": {doctype: digests},
        "deviceKeyInfo": {"deviceKey": key.to_cose()},
        "docType": doctype,
        "validityInfo": merged(TIMES, times),
    }
    return merged(base, mso)


def auth(payload: bytes | None, protected=None, unprotected=None, chain: Any = SIGNER) -> bytes:
    header = protected if isinstance(protected, bytes) else encode(merged({1: -7}, protected))
    outside = merged({33: chain}, unprotected)
    signature = ISSUER.sign(sig_structure(header, payload or b""))
    return b"".join(
        (b"\x84", bstr(header), encode(outside), b"\xf6" if payload is None else bstr(payload), bstr(signature))
    )


def issued(
    items=None,
    mso=None,
    *,
    sent: Any = None,
    doctype=FOREIGN,
    times=None,
    key=HOLDER.public_key,
    namespace=None,
    **header: Any,
) -> bytes:
    payload = header.pop("payload", embed(encode(mso_map(items, mso, doctype=doctype, times=times, key=key))))
    raws = list((items or ITEMS).values()) if sent is None else sent
    spaces = sent if isinstance(sent, bytes) else spaces_of({namespace or doctype: raws})
    return b"\xa2" + encode("issuerAuth") + auth(payload, **header) + encode("nameSpaces") + spaces


def spaces_of(spaces: dict[str, list[bytes]]) -> bytes:
    members = [encode(ns) + array_head(len(raws)) + b"".join(map(embed, raws)) for ns, raws in spaces.items()]
    return bytes((0xA0 | len(members),)) + b"".join(members)


def device_signed(transcript: bytes, *, doctype=FOREIGN, signer=HOLDER, spaces=b"\xa0", signature: Any = None) -> bytes:
    header = encode({1: -7})
    made = signer.sign(sig_structure(header, device_authentication(transcript, doctype, spaces)))
    array = [header, {}, None, made if signature is None else signature]
    return b"\xa2" + encode("nameSpaces") + embed(spaces) + encode("deviceAuth") + encode({"deviceSignature": array})


TRANSCRIPT = qr_transcript(audience=AUDIENCE, nonce=NONCE, issued_at=NOW, items=map(embed, ITEMS.values()))


def response(
    issuer_signed: bytes | None = None,
    signed: bytes | None = None,
    *,
    doctype=FOREIGN,
    status=0,
    count=1,
    documents=True,
) -> bytes:
    document = b"".join((
        b"\xa3" if signed != b"" else b"\xa2",
        encode("docType"), encode(doctype),
        encode("issuerSigned"), issuer_signed or issued(),
        b"" if signed == b"" else encode("deviceSigned") + (signed or device_signed(TRANSCRIPT)),
    ))  # fmt: skip
    listed = encode("documents") + bytes((0x80 | count,)) + document * count
    head = b"\xa3" if documents else b"\xa2"
    return head + encode("version") + encode("1.0") + (listed if documents else b"") + encode("status") + encode(status)


def enveloped(
    inner: bytes, *, audience: Any = AUDIENCE, nonce: Any = NONCE, issued_at: Any = NOW, mark: Any = "vcred-qr-1"
) -> bytes:
    return b"\x85" + b"".join(map(encode, (mark, audience, nonce, issued_at))) + inner


def refused(raw: bytes) -> Code:
    with pytest.raises(MalformedError) as caught:
        FORMAT.open(raw)
    return caught.value.code


def unbound(raw: bytes) -> Code:
    opened = verified(raw)
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_key_binding(opened)
    return caught.value.code


def verified(raw: bytes) -> Opened:
    opened = FORMAT.open(raw)
    key = verify_document_signer(opened, authorities=(IACA,), pinned=(), at=AT)
    FORMAT.verify_signature(opened, key)
    return opened


def test_these_documents_are_accepted_when_nothing_is_wrong():
    opened = verified(enveloped(response()))
    FORMAT.verify_key_binding(opened)
    assert opened.claims == {FOREIGN: {"name": "가상", "town": "가람시", "issuing_country": "KR"}}
    assert (opened.key_binding.audience, opened.key_binding.nonce, opened.key_binding.issued_at) == (
        AUDIENCE,
        NONCE,
        NOW,
    )
    assert FORMAT.open(issued()).key_binding is None


# CBOR


def doubled(value: dict[Any, Any]) -> bytes:
    """A map with its first member twice."""
    key, member = next(iter(value.items()))
    return bytes((0xA0 | len(value) + 1,)) + encode(key) + encode(member) + encode(value)[1:]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(lambda: issued(payload=embed(doubled(mso_map()))), id="MD-01 in the MSO"),
        pytest.param(lambda: issued({0: doubled({"digestID": 0, "random": bytes(16), "elementIdentifier": "a", "elementValue": 1})}), id="MD-01 in an item"),
        pytest.param(lambda: issued(protected=doubled({1: -7})), id="MD-01 in a COSE header"),
        pytest.param(lambda: b"\xa4" + encode("version") + encode("1.0") + response()[1:], id="MD-01 in the DeviceResponse"),
    ],
)  # fmt: skip
def test_md_01_duplicate_keys(raw):
    assert refused(raw()) is Code.CBOR


def test_md_02_longer_integers_inside_an_item_are_accepted():
    long = ITEMS[0].replace(b"\x68digestID\x00", b"\x68digestID\x18\x00")
    assert long != ITEMS[0]
    assert verified(issued({0: long})).claims == {FOREIGN: {"name": "가상"}}
    # The digest is over the bytes received: the same item in its shortest form is another.
    assert refused(issued({0: long}, sent=[ITEMS[0]])) is Code.DIGEST


@pytest.mark.parametrize(("head", "width"), [("d81859", 2), ("d8185a", 4), ("d9001858", 1), ("da000000185a", 4)])
def test_md_02_a_longer_tag_or_length_around_an_item_is_part_of_what_was_signed(head, width):
    raw = ITEMS[0]
    prefix = bytes.fromhex(head)
    whole = prefix + len(raw).to_bytes(width, "big") + raw
    mso = {"valueDigests": {FOREIGN: {0: sha256(whole).digest()}}}
    spaces = b"\xa1" + encode(FOREIGN) + b"\x81" + whole
    opened = verified(issued({0: raw}, mso, sent=spaces))
    assert opened.claims == {FOREIGN: {"name": "가상"}}
    # What was not received in that form does not have that digest.
    assert refused(issued({0: raw}, mso)) is Code.DIGEST
    # A holder passes it on as it was received.
    shown = FORMAT.present(
        opened, [ClaimPath((FOREIGN, "name"))], HOLDER, audience=AUDIENCE, nonce=NONCE, issued_at=NOW
    )
    assert whole in shown
    assert verified(shown).claims == opened.claims


@pytest.mark.parametrize("value", ["9f01ff", "bf616101ff", "5f4101ff", "7f6161ff"])
def test_md_03_indefinite_lengths(value):
    raw = ITEMS[0].replace(encode("가상"), bytes.fromhex(value))
    assert refused(issued({0: raw})) is Code.CBOR
    assert refused(b"\xbf" + response()[1:] + b"\xff") is Code.CBOR


@pytest.mark.parametrize("tail", [b"\0", b"\xf6", b"\xa0"])
def test_md_04_trailing_bytes(tail):
    assert refused(issued() + tail) is Code.CBOR
    assert refused(response() + tail) is Code.CBOR
    assert refused(issued({0: ITEMS[0] + tail})) is Code.CBOR
    assert refused(issued(payload=embed(encode(mso_map()) + tail))) is Code.CBOR
    assert refused(issued(payload=embed(encode(mso_map())) + tail)) is Code.CBOR


def test_md_05_depth_chains_and_lengths():
    assert refused(issued({0: ITEMS[0].replace(encode("가상"), b"\x81" * 100_000 + b"\0")})) in (Code.DEPTH, Code.LIMIT)
    assert refused(issued({0: ITEMS[0].replace(encode("가상"), b"\x81" * 40 + b"\0")})) is Code.DEPTH
    assert refused(issued({0: ITEMS[0].replace(encode("가상"), bytes.fromhex("9b0000010000000000"))})) is Code.CBOR
    chain = b"\0"
    for _ in range(200):
        chain = embed(chain)
    assert refused(issued({0: chain})) is Code.DISCLOSURE
    assert refused(issued(payload=embed(chain))) is Code.FORMAT


@pytest.mark.parametrize("tag", [4, 5, 28, 29, 30, 35, 36, 258, 2, 1, 18])
def test_md_06_tags(tag):
    raw = ITEMS[0].replace(encode("가상"), cbor2.dumps(cbor2.CBORTag(tag, 0))[:-1] + b"\x41\x01")
    assert refused(issued({0: raw})) is Code.TAG
    assert refused(issued({0: raw.replace(b"elementValue", b"elementValu2")})) is Code.TAG


@pytest.mark.parametrize("value", ["f97e00", "f97c00", "f7", "f8ff"])
def test_md_07_no_values(value):
    assert refused(issued({0: ITEMS[0].replace(encode("가상"), bytes.fromhex(value))})) is Code.CBOR


# Digests


def test_md_08_changed_element_value():
    assert refused(issued(sent=[item(0, "name", "다른")])) is Code.DIGEST
    assert refused(issued(sent=[item(0, "town", "가상")])) is Code.DIGEST
    assert refused(issued(sent=[item(0, "name", "가상", random=bytes(16))])) is Code.DIGEST


def test_md_09_digest_ids():
    assert refused(issued(sent=[item(7, "name", "가상")])) is Code.DIGEST
    assert refused(issued(sent=[ITEMS[0], ITEMS[0]])) is Code.DIGEST
    assert refused(issued(namespace="org.example.other", sent=[ITEMS[0]])) is Code.DIGEST
    elsewhere = {
        "valueDigests": {FOREIGN: {1: sha256(embed(ITEMS[1])).digest()}, "b": {0: sha256(embed(ITEMS[0])).digest()}}
    }
    assert refused(issued(mso=elsewhere, sent=[ITEMS[0]])) is Code.DIGEST
    assert verified(issued(mso=elsewhere, sent=[ITEMS[0]], namespace="b")).claims == {"b": {"name": "가상"}}
    twice = {0: ITEMS[0], 1: item(1, "name", "나상")}
    assert refused(issued(twice)) is Code.COLLISION
    for wrong in (-1, 2**32, "0"):
        mso = {"valueDigests": {FOREIGN: {wrong: bytes(32)}}}
        assert refused(issued(mso=mso, sent=[ITEMS[0]])) is Code.DIGEST
    assert refused(issued(mso={"valueDigests": {FOREIGN: {0: bytes(31)}}}, sent=[ITEMS[0]])) is Code.DIGEST
    assert refused(issued({0: item(0, "name", 1, digestID=False)})) is Code.DIGEST


def test_md_11_document_types_differ():
    assert refused(response(doctype="org.example.other.1")) is Code.VCT
    assert refused(response(issued(doctype=DOCTYPE))) is Code.VCT
    # Nor may the device have signed for another type.
    assert unbound(enveloped(response(signed=device_signed(TRANSCRIPT, doctype=DOCTYPE)))) is Code.DEVICE_AUTH


def test_md_11_a_document_type_that_is_called_like_a_certificate_type():
    assert refused(issued(doctype=VCT)) is Code.VCT


# Time


@pytest.mark.parametrize(
    "times",
    [
        {"validUntil": tdate(AT)},
        {"validUntil": tdate(AT - timedelta(days=1))},
        {"validFrom": tdate(AT + timedelta(days=100))},
        {"signed": "2026-03-02T00:00:00Z"},
        {"signed": Tagged(0, "2026-03-02T00:00:00.5Z")},
        {"signed": Tagged(0, "2026-03-02T00:00:00+09:00")},
        {"signed": Tagged(0, "2026-13-02T00:00:00Z")},
        {"signed": Tagged(0, "1969-12-31T23:59:59Z")},
        {"signed": Tagged(1004, "2026-03-02")},
        {"signed": NOW},
        {"validUntil": DROP},
    ],
)
def test_md_12_validity_that_is_none(times):
    assert refused(issued(times=times)) is Code.CLAIM_TYPE


def test_md_12_what_a_verifier_compares_comes_from_the_signed_object():
    late = {"validFrom": tdate(AT + timedelta(days=3)), "validUntil": tdate(AT + timedelta(days=9))}
    opened = FORMAT.open(issued(times=late))
    assert (opened.issued_at, opened.not_before, opened.expires_at) == (NOW, NOW + 3 * 86400, NOW + 9 * 86400)


def test_md_12_signed_outside_the_validity_of_the_signer():
    for change in (
        {"starts": AT + timedelta(seconds=1)},
        {"starts": AT - timedelta(days=9), "ends": AT - timedelta(seconds=1)},
    ):
        opened = FORMAT.open(issued(chain=certificate(**change)))
        with pytest.raises(RefusedError) as caught:
            FORMAT.verify_signature(opened, ISSUER.public_key)
        assert caught.value.code is Code.CHAIN


# Device authentication


def test_md_13_no_device_authentication():
    assert refused(response(signed=b"")) is Code.DEVICE_AUTH
    assert refused(enveloped(response(signed=b""))) is Code.DEVICE_AUTH
    for wrong in (
        encode({}), encode(None), encode({"nameSpaces": b"", "deviceAuth": {}}),
        b"\xa2" + encode("nameSpaces") + embed(b"\xa0") + encode("deviceAuth") + b"\xa0",
        b"\xa2" + encode("nameSpaces") + embed(b"\xa0") + encode("deviceAuth") + encode({"deviceSignature": [b"", {}, None]}),
        b"\xa2" + encode("nameSpaces") + embed(b"\xa0") + encode("deviceAuth")
        + encode({"deviceSignature": [encode({1: -7}), {}, None, bytes(64)], "deviceMac": [encode({1: 5}), {}, None, bytes(32)]}),
    ):  # fmt: skip
        assert refused(response(signed=wrong)) is Code.DEVICE_AUTH


def test_md_13_zero_or_foreign_signature():
    assert unbound(enveloped(response(signed=device_signed(TRANSCRIPT, signature=bytes(64))))) is Code.DEVICE_AUTH
    assert unbound(enveloped(response(signed=device_signed(TRANSCRIPT, signature=b"")))) is Code.DEVICE_AUTH
    assert unbound(enveloped(response(signed=device_signed(TRANSCRIPT, signer=OTHER)))) is Code.DEVICE_AUTH
    assert unbound(enveloped(response(signed=device_signed(TRANSCRIPT, signer=ISSUER)))) is Code.DEVICE_AUTH


def test_md_13_an_attached_payload():
    payload = device_authentication(TRANSCRIPT, FOREIGN, b"\xa0")
    header = encode({1: -7})
    array = [header, {}, payload, HOLDER.sign(sig_structure(header, payload))]
    signed = b"\xa2" + encode("nameSpaces") + embed(b"\xa0") + encode("deviceAuth") + encode({"deviceSignature": array})
    assert refused(enveloped(response(signed=signed))) is Code.DEVICE_AUTH


def test_md_13_what_the_device_says_needs_authorisation():
    says = encode({FOREIGN: {"phone": "010-0000-1234"}})
    signed = device_signed(TRANSCRIPT, spaces=says)
    assert refused(enveloped(response(signed=signed))) is Code.DEVICE_AUTH
    info = {"deviceKey": HOLDER.public_key.to_cose(), "keyAuthorizations": {"dataElements": {FOREIGN: ["phone"]}}}
    opened = verified(enveloped(response(issued(mso={"deviceKeyInfo": info}), signed)))
    FORMAT.verify_key_binding(opened)
    # It is not what the issuer says, so it is no claim.
    assert "phone" not in opened.claims[FOREIGN]
    info["keyAuthorizations"] = {"nameSpaces": ["org.example.other"]}
    assert refused(enveloped(response(issued(mso={"deviceKeyInfo": info}), signed))) is Code.DEVICE_AUTH


@pytest.mark.parametrize(
    "change",
    [
        {"audience": AUDIENCE[:-1] + "B"},
        {"nonce": bytes(16)},
        {"nonce": None},
        {"issued_at": NOW + 1},
        {"issued_at": 0},
    ],
)
def test_md_14_another_session(change):
    raw = enveloped(response(), **change)
    assert unbound(raw) is Code.DEVICE_AUTH


def test_md_14_a_bare_response_and_the_wrong_handover():
    assert unbound(response()) is Code.DEVICE_AUTH
    session = Session(transcript=TRANSCRIPT, audience=AUDIENCE, nonce=NONCE, received_at=NOW)
    (opened,) = FORMAT.open_response(response(), session)
    FORMAT.verify_key_binding(opened)
    with pytest.raises(MalformedError) as caught:
        FORMAT.open_response(enveloped(response()), session)
    assert caught.value.code is Code.FORMAT
    with pytest.raises(MalformedError):
        FORMAT.open_response(issued(), session)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"audience": ""}, Code.AUD), ({"audience": 1}, Code.AUD), ({"audience": "x" * 3000}, Code.AUD),
        ({"nonce": b""}, Code.NONCE), ({"nonce": bytes(65)}, Code.NONCE), ({"nonce": "text"}, Code.NONCE),
        ({"issued_at": -1}, Code.IAT), ({"issued_at": True}, Code.IAT), ({"issued_at": 2**40}, Code.IAT),
        ({"mark": "vcred-qr-2"}, Code.FORMAT), ({"mark": None}, Code.FORMAT),
    ],
)  # fmt: skip
def test_md_14_an_envelope_is_read_strictly(change, code):
    assert refused(enveloped(response(), **change)) is code
    assert refused(enveloped(issued())) is Code.FORMAT
    assert refused(b"\x86" + enveloped(response())[1:] + b"\0") is Code.FORMAT


READER = ec.generate_private_key(ec.SECP256R1())


def with_mac(key: bytes, issuer_signed: bytes | None = None) -> Opened:
    signed = make_mac(key, device_authentication(TRANSCRIPT, FOREIGN, b"\xa0"))
    session = Session(transcript=TRANSCRIPT, audience=AUDIENCE, nonce=NONCE, received_at=NOW)
    return FORMAT.open_response(response(issuer_signed, signed), session)[0]


def test_md_15_device_mac():
    key = mac_key(shared_secret(HOLDER.crypto, PublicKey(READER.public_key())), TRANSCRIPT)
    opened = with_mac(key)
    FORMAT.verify_device_mac(opened, READER)
    for wrong in (bytes(32), key[::-1]):
        with pytest.raises(RefusedError) as caught:
            FORMAT.verify_device_mac(with_mac(wrong), READER)
        assert caught.value.code is Code.DEVICE_AUTH
    for reader in (ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())):
        with pytest.raises(RefusedError) as caught:
            FORMAT.verify_device_mac(opened, reader)
        assert caught.value.code is Code.DEVICE_AUTH
    # A MAC is no signature, and a signature no MAC.
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_key_binding(opened)
    assert caught.value.code is Code.DEVICE_AUTH
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_device_mac(FORMAT.open(enveloped(response())), READER)
    assert caught.value.code is Code.DEVICE_AUTH


def test_md_15_a_device_key_that_agrees_on_nothing():
    signer = SoftwareSigner(ed25519.Ed25519PrivateKey.generate())
    opened = with_mac(bytes(32), issued(key=signer.public_key))
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_device_mac(opened, READER)
    assert caught.value.code is Code.DEVICE_AUTH


@pytest.mark.parametrize(
    ("protected", "unprotected"), [({1: 4}, {}), ({1: -7}, {}), ({1: 5}, {1: 5}), ({}, {1: 5}), ({1: 5.0}, {})]
)
def test_md_15_17_algorithms_of_a_mac(protected, unprotected):
    header = cbor2.dumps(protected) if 5.0 in protected.values() else encode(protected)
    array = encode({"deviceMac": [header, unprotected, None, bytes(32)]})
    signed = b"\xa2" + encode("nameSpaces") + embed(b"\xa0") + encode("deviceAuth") + array
    assert refused(response(signed=signed)) is Code.ALG


@pytest.mark.parametrize(
    "key",
    [
        {1: 2, -1: 1, -2: bytes(32), -3: bytes(32)},
        {1: 2, -1: 1, -2: b"\xff" * 32, -3: True},
        {1: 1, -1: 4, -2: bytes(32)},
        {**HOLDER.public_key.to_cose(), -4: bytes(32)},
        {},
        None,
    ],
)
def test_md_15_a_device_key_that_is_none(key):
    assert refused(issued(mso={"deviceKeyInfo": {"deviceKey": key}})) is Code.CNF


def test_md_15_a_compressed_device_key_is_the_same_key():
    full = HOLDER.public_key.to_cose()
    info = {"deviceKey": {**full, -3: bool(full[-3][-1] & 1)}}
    assert FORMAT.open(issued(mso={"deviceKeyInfo": info})).holder_key == HOLDER.public_key


# Headers


def test_md_17_alg_unprotected_or_not_agreed():
    assert refused(issued(protected={1: DROP}, unprotected={1: -7})) is Code.ALG
    assert refused(issued(unprotected={1: -7})) is Code.ALG
    assert refused(issued(protected={1: -257})) is Code.ALG
    opened = FORMAT.open(issued(protected={1: -35}))
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_signature(opened, ISSUER.public_key)
    assert caught.value.code is Code.ALG
    assert refused(issued(protected={2: [33]})) is Code.CRIT


def test_md_18_x5chain_in_both_headers():
    assert refused(issued(protected={33: OTHER.public_key.spki})) is Code.FORMAT
    assert refused(issued(protected={33: SIGNER})) is Code.FORMAT


def test_md_18_x5chain_alone_and_as_an_array():
    assert verified(issued(chain=SIGNER)).x5c == verified(issued(chain=[SIGNER])).x5c == (SIGNER,)
    assert verified(issued(chain=[SIGNER, IACA])).x5c == (SIGNER, IACA)
    for wrong in (DROP, [], [SIGNER] * 9, "text", [1], None):
        assert refused(issued(chain=wrong)) is Code.CHAIN
    for junk in (b"", b"\x30\x00", SIGNER[:-1], SIGNER + b"\0"):
        assert refused(issued(chain=junk)) is Code.CHAIN
    assert refused(issued(chain=bytes(20_000))) is Code.LIMIT


@pytest.mark.parametrize(
    "change",
    [
        {"eku": None},
        {"eku": "1.3.6.1.5.5.7.3.2"},
        {"ca": True},
        {"signs": False},
        {"country": "JP"},
        {"alternative": False},
        {"critical": "1.2.3.4"},
        {"digest": hashes.SHA224()},
        {"starts": AT + timedelta(seconds=1)},
        {"ends": AT - timedelta(seconds=1)},
    ],
)
def test_md_19_document_signers_that_are_none(change):
    opened = FORMAT.open(issued(chain=certificate(**change)))
    for trusted in ({"authorities": (IACA,), "pinned": ()}, {"authorities": (), "pinned": opened.x5c}):
        with pytest.raises(RefusedError) as caught:
            verify_document_signer(opened, at=AT, **trusted)
        assert caught.value.code is Code.CHAIN


def test_md_19_the_document_names_another_country():
    with pytest.raises(RefusedError) as caught:
        verified(issued({0: item(0, "issuing_country", "JP")}))
    assert caught.value.code is Code.CHAIN
    assert verified(issued({0: ITEMS[0]}))


def test_md_19_nobody_and_others_are_trusted():
    opened = FORMAT.open(issued())
    other = certificate(OTHER.public_key.crypto, common="iaca", ca=True, eku=None, signs=False, by=OTHER.crypto)
    expired = certificate(
        IACA_KEY.public_key(), common="iaca", ca=True, eku=None, signs=False, ends=AT - timedelta(days=1)
    )
    no_ca = certificate(IACA_KEY.public_key(), common="iaca")
    for authorities, code in (((), Code.UNTRUSTED), ((other,), Code.UNTRUSTED), ((expired,), Code.CHAIN)):
        with pytest.raises(RefusedError) as caught:
            verify_document_signer(opened, authorities=authorities, pinned=(), at=AT)
        assert caught.value.code is code
    with pytest.raises(RefusedError) as caught:
        verify_document_signer(opened, authorities=(no_ca,), pinned=(), at=AT)
    assert caught.value.code is Code.CHAIN
    with pytest.raises(RefusedError) as caught:
        verify_document_signer(FORMAT.open(issued(chain=[SIGNER, other])), authorities=(IACA,), pinned=(), at=AT)
    assert caught.value.code is Code.CHAIN
    with pytest.raises(ValueError, match="aware"):
        verify_document_signer(opened, authorities=(IACA,), pinned=(), at=datetime(2026, 3, 2))


def test_md_19_a_document_signer_with_a_key_nobody_uses():
    opened = FORMAT.open(issued(chain=certificate(ec.generate_private_key(ec.SECP521R1()).public_key())))
    with pytest.raises(RefusedError) as caught:
        verify_document_signer(opened, authorities=(IACA,), pinned=(), at=AT)
    assert caught.value.code is Code.KEY


def test_md_19_a_signature_by_another_key():
    opened = FORMAT.open(issued(chain=certificate(OTHER.public_key.crypto)))
    key = verify_document_signer(opened, authorities=(IACA,), pinned=(), at=AT)
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_signature(opened, key)
    assert caught.value.code is Code.SIGNATURE


# The signed object


@pytest.mark.parametrize("algorithm", ["SHA-1", "sha-256", "SHA256", "sha256", None, 1, "MD5"])
def test_md_20_digest_algorithms(algorithm):
    digests = {0: sha1(embed(ITEMS[0])).digest()} if algorithm == "SHA-1" else {0: sha256(embed(ITEMS[0])).digest()}
    mso = {"digestAlgorithm": algorithm, "valueDigests": {FOREIGN: digests}}
    assert refused(issued({0: ITEMS[0]}, mso)) is Code.SD_ALG


def test_md_21_random_shorter_than_16_bytes():
    assert refused(issued({0: item(0, "name", 1, random=bytes(15))})) is Code.DISCLOSURE
    assert refused(issued({0: item(0, "name", 1, random="x" * 16)})) is Code.DISCLOSURE
    assert refused(issued({0: item(0, "name", 1, random=DROP)})) is Code.DISCLOSURE
    assert refused(issued({0: item(0, "name", 1, more=1)})) is Code.DISCLOSURE
    assert refused(issued({0: item(0, "name", 1, elementIdentifier=1)})) is Code.DISCLOSURE


def test_md_22_detached_payload():
    assert refused(issued(payload=None)) is Code.FORMAT
    assert refused(issued(payload=encode(merged(mso_map(), {"validityInfo": DROP})))) is Code.FORMAT
    assert refused(issued(payload=b"")) is Code.CBOR


@pytest.mark.parametrize(
    ("mso", "code"),
    [
        ({"version": "2.0"}, Code.FORMAT), ({"version": 1}, Code.FORMAT), ({"version": DROP}, Code.FORMAT),
        ({"docType": 1}, Code.VCT), ({"docType": DROP}, Code.VCT), ({"docType": ""}, Code.VCT),
        ({"valueDigests": DROP}, Code.FORMAT), ({"valueDigests": {FOREIGN: {}}}, Code.FORMAT),
        ({"validityInfo": DROP}, Code.CLAIM_TYPE), ({"deviceKeyInfo": DROP}, Code.CNF),
        ({"status": {}}, Code.STATUS_LIST), ({"status": {"identifier_list": {}}}, Code.STATUS_LIST),
        ({"status": {"status_list": {"idx": 1}}}, Code.STATUS_LIST),
        ({"status": {"status_list": {"idx": -1, "uri": "https://s.example"}}}, Code.STATUS_INDEX),
        ({"status": {"status_list": {"idx": True, "uri": "https://s.example"}}}, Code.STATUS_INDEX),
        ({"status": {"status_list": {"idx": 2**32, "uri": "https://s.example"}}}, Code.STATUS_INDEX),
    ],
)  # fmt: skip
def test_md_22_signed_objects_that_are_none(mso, code):
    assert refused(issued(mso=mso)) is code


def test_md_24_a_status_that_is_not_0():
    for status in (10, 11, -1, False, None, "0"):
        assert refused(response(status=status)) is Code.FORMAT
    assert refused(response(documents=False)) is Code.FORMAT
    assert refused(response(status=10, documents=False)) is Code.FORMAT
    assert refused(response(count=2)) is Code.FORMAT
    assert refused(response(count=0)) is Code.FORMAT


def test_md_26_a_portrait_of_a_megabyte():
    assert refused(issued({0: item(0, "portrait", bytes(1_000_000))})) is Code.LIMIT
    assert refused(issued({0: item(0, "portrait", bytes(300_000))})) is Code.LIMIT
    assert FORMAT.open(issued({0: item(0, "portrait", bytes(100_000))})).claims


def test_md_26_5000_elements():
    item_raw = item(0, "name", 1)
    spaces = b"\xa1" + encode(FOREIGN) + b"\x99" + (5000).to_bytes(2, "big") + embed(item_raw) * 5000
    assert refused(issued(sent=spaces)) is Code.LIMIT
    digests = {number: bytes(32) for number in range(5000)}
    assert refused(issued(mso={"valueDigests": {FOREIGN: digests}}, sent=[ITEMS[0]])) is Code.LIMIT


# Our certificates


def certificate_of(*elements: tuple[str, Any], sent: Any = None, **more: Any) -> bytes:
    items = {number: item(number, *one) for number, one in enumerate(elements)}
    return issued(items, doctype=DOCTYPE, sent=None if sent is None else [items[number] for number in sent], **more)


ROOT = ("~", {"issuedOn": "2026-03-02", "list": {-1: 3, 1: "나"}, "plain": [{"a": 1}]})


def test_md_08_our_tree_is_rebuilt():
    opened = FORMAT.open(certificate_of(ROOT, ("list/2", "다"), ("plain/0/b", 2), ("x~1y", {"-1": 0}), ("x~1y/z", [])))
    assert opened.claims == {
        "issuedOn": "2026-03-02", "list": ["나", "다"], "plain": [{"a": 1, "b": 2}], "x/y": {"-1": 0, "z": []},
    }  # fmt: skip
    assert opened.hidden_elements == {ClaimPath(("list",)): 1}
    assert {str(path) for path in opened.disclosures} == {"list[1]", "plain[0].b", "x/y", "x/y.z"}


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        pytest.param([("name", "가상")], Code.DISCLOSURE, id="MD-08 without what is never hidden"),
        pytest.param([("~", [])], Code.CLAIM_TYPE, id="MD-08 a root that is no map"),
        pytest.param([("~", {-1: 2})], Code.CLAIM_TYPE, id="MD-08 a root that is an array"),
        pytest.param([ROOT, ("issuedOn", "2020-01-01")], Code.COLLISION, id="MD-08 a claim in place of another"),
        pytest.param([ROOT, ("list/1", "x")], Code.COLLISION, id="MD-08 an element in place of another"),
        pytest.param([ROOT, ("list/3", "x")], Code.DISCLOSURE, id="MD-08 beyond the array"),
        pytest.param([ROOT, ("list/00", "x")], Code.DISCLOSURE, id="MD-08 an index with zeros"),
        pytest.param([ROOT, ("list/-1", "x")], Code.DISCLOSURE, id="MD-08 a negative index"),
        pytest.param([ROOT, ("list/x", "x")], Code.DISCLOSURE, id="MD-08 a name in an array"),
        pytest.param([ROOT, ("list/٣", "x")], Code.DISCLOSURE, id="MD-08 an index in other digits"),
        pytest.param([ROOT, ("plain/0", "x")], Code.DISCLOSURE, id="MD-08 an element of a plain array"),
        pytest.param([ROOT, ("plain/1/x", "x")], Code.DISCLOSURE, id="MD-08 below an element that is not there"),
        pytest.param([ROOT, ("members/0", "x")], Code.DISCLOSURE, id="MD-08 a child without its parent"),
        pytest.param([ROOT, ("issuedOn/x", "x")], Code.DISCLOSURE, id="MD-08 below a text"),
        pytest.param([ROOT, ("x~2", 1)], Code.DISCLOSURE, id="MD-08 an escape that is none"),
        pytest.param([ROOT, ("x", {-1: 0})], Code.CLAIM_TYPE, id="MD-08 an array that has nothing to hide"),
        pytest.param([ROOT, ("x", {-1: 2**40})], Code.CLAIM_TYPE, id="MD-08 an array without end"),
        pytest.param([ROOT, ("x", {-1: 2, 2: 1})], Code.CLAIM_TYPE, id="MD-08 an index beyond the length"),
        pytest.param([ROOT, ("x", {0: 1})], Code.CLAIM_TYPE, id="MD-08 an array without length"),
        pytest.param([ROOT, ("x", {-1: 2, "a": 1})], Code.CLAIM_TYPE, id="MD-08 neither object nor array"),
        pytest.param([ROOT, ("x", b"bytes")], Code.CLAIM_TYPE, id="MD-08 bytes"),
        pytest.param([ROOT, ("x", Tagged(1004, "2026-03-02"))], Code.CLAIM_TYPE, id="MD-08 a tagged value"),
        pytest.param([ROOT, ("x", {"y": [b""]})], Code.CLAIM_TYPE, id="MD-08 bytes within"),
    ],
)
def test_md_08_our_tree_is_read_strictly(elements, code):
    assert refused(certificate_of(*elements)) is code


def test_md_05_a_path_that_is_too_deep():
    elements = [("/".join("a" * depth), {}) for depth in range(1, 31)]
    assert refused(certificate_of(ROOT, *elements)) is Code.DEPTH


def test_md_09_another_namespace_beside_ours():
    items = {0: item(0, *ROOT), 1: item(1, "name", "가상")}
    digests = {number: sha256(embed(raw)).digest() for number, raw in items.items()}
    mso = {"valueDigests": {DOCTYPE: {0: digests[0]}, "b": {1: digests[1]}}}
    sent = spaces_of({DOCTYPE: [items[0]], "b": [items[1]]})
    assert refused(issued(items, mso, doctype=DOCTYPE, sent=sent)) is Code.FORMAT


def test_md_13_our_devices_say_nothing_themselves():
    info = {"deviceKey": HOLDER.public_key.to_cose(), "keyAuthorizations": {"nameSpaces": [DOCTYPE]}}
    signed = device_signed(TRANSCRIPT, doctype=DOCTYPE, spaces=encode({DOCTYPE: {"name": "다른"}}))
    raw = certificate_of(ROOT, mso={"deviceKeyInfo": info})
    assert refused(enveloped(response(raw, signed, doctype=DOCTYPE))) is Code.DEVICE_AUTH
