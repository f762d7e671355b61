"""ISO mdoc against @owf/mdoc: documents and presentations of either side, read and verified by the other."""

from __future__ import annotations

import base64
import hmac
from datetime import timedelta
from typing import Any

import pytest

from tests.interop.kit import AT, ISSUER, NOW, VCT, PeerError, private_jwk, signer
from tests.interop.mdoc_kit import DOCTYPE, FORMAT, MDL, MDL_NAMESPACE, Authority
from vcred.claims import SD, ClaimPath
from vcred.credential import Content
from vcred.errors import RefusedError
from vcred.formats._mdoc_device import mac_key, shared_secret
from vcred.formats.base import IssuerKey
from vcred.formats.mdoc import Session, dc_api_transcript, openid4vp_transcript, verify_document_signer

ALGS = ("ES256", "ES384", "EdDSA")
HASHES = ("SHA-256", "SHA-384", "SHA-512")
CLIENT, NONCE, URI = (
    "x509_hash:" + "A" * 43,
    "exc7gBkxjx1rdc9udRrveKvSsJIq80avlXeLHhGwqtA",
    "https://desk.dasom.example/r",
)
SESSION = {"clientId": CLIENT, "nonce": NONCE, "responseUri": URI}
TRANSCRIPT = openid4vp_transcript(client_id=CLIENT, nonce=NONCE, response_uri=URI, encryption_key=None)
LICENCE = {
    "family_name": "김",
    "given_name": "가람",
    "age_over_18": True,
    "height": 170,
    "birth_date": {"date": "1990-01-31"},
    "portrait": {"bytes": base64.b64encode(bytes(range(40))).decode()},
    "issuing_country": "KR",
    "driving_privileges": [{"vehicle_category_code": "B", "issue_date": {"date": "2020-05-05"}}],
}
OURS = {
    "city": "가람시",
    "name": SD("김가람"),
    "since": SD(2021),
    "nothing": SD(None),
    "head": SD({"name": SD("박새솔"), "relation": "head"}),
    "members": SD(["김하늘", "김바다"]),
}


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("ES256", AT)


def theirs(node, authority: Authority, device, *, hashed: str = "SHA-256", doctype: str = MDL) -> bytes:
    return base64.b64decode(
        node.call(
            "mdoc.issue",
            doctype=doctype,
            namespaces={MDL_NAMESPACE: LICENCE},
            key=private_jwk(authority.key),
            chain=[text(authority.certificate)],
            deviceKey=device.public_key.to_jwk(),
            hash=hashed,
            signed=NOW - 60,
            until=NOW + 86400,
        )
    )


def ours(authority: Authority, device) -> bytes:
    content = Content(
        vct=VCT, issuer=ISSUER, claims=OURS, issued_at=NOW - 60, expires_at=NOW + 86400, holder_key=device.public_key
    )
    key = IssuerKey(public_key=authority.key.public_key, chain=(authority.our_certificate,))
    return FORMAT.issue(content, key, authority.key)


def session(transcript: bytes = TRANSCRIPT) -> Session:
    return Session(transcript=transcript, audience=CLIENT, nonce=NONCE.encode(), received_at=NOW)


def as_told(value: Any) -> Any:
    """Values in the notation of ``LICENCE``, as our reader gives them: dates are text, bytes are bytes."""
    if isinstance(value, dict) and set(value) == {"date"}:
        return value["date"]
    if isinstance(value, dict) and set(value) == {"bytes"}:
        return base64.b64decode(value["bytes"])
    if isinstance(value, dict):
        return {name: as_told(one) for name, one in value.items()}
    return [as_told(one) for one in value] if isinstance(value, list) else value


def trusted(opened, authority: Authority) -> None:
    key = verify_document_signer(opened, authorities=[authority.root], pinned=[], at=AT)
    FORMAT.verify_signature(opened, key)


@pytest.mark.parametrize("hashed", HASHES)
@pytest.mark.parametrize("alg", ALGS)
def test_they_issue_and_we_read(node, alg, hashed) -> None:
    authority, device = Authority(alg, AT), signer("ES256")
    opened = FORMAT.open(theirs(node, authority, device, hashed=hashed))
    trusted(opened, authority)
    assert (opened.vct, opened.holder_key) == (MDL, device.public_key)
    assert (opened.issued_at, opened.expires_at) == (NOW - 60, NOW + 86400)
    assert opened.claims == {MDL_NAMESPACE: as_told(LICENCE)}


@pytest.mark.parametrize("alg", ["ES256", "ES384"])
def test_we_issue_and_they_read(node, alg) -> None:
    authority, device = Authority(alg, AT), signer("ES256")
    given = {"trusted": [text(authority.our_root)], "at": NOW}
    (elements,) = node.call("mdoc.read", document=text(ours(authority, device)), **given).values()
    hidden = {"name": "김가람", "since": 2021, "nothing": None, "members": ["김하늘", "김바다"]}
    assert {name: elements[name] for name in hidden} == hidden
    assert elements["~"] == {"city": "가람시"}
    assert (elements["head"], elements["head/name"]) == ({"relation": "head"}, "박새솔")


@pytest.mark.parametrize("alg", ALGS)
def test_they_present_with_a_signature_and_we_verify(node, authority, alg) -> None:
    device = signer(alg)
    raw = shown(node, theirs(node, authority, device), device, [*("family_name", "age_over_18", "portrait")])
    (opened,) = FORMAT.open_response(raw, session())
    trusted(opened, authority)
    FORMAT.verify_key_binding(opened)
    assert opened.claims == {
        MDL_NAMESPACE: as_told({name: LICENCE[name] for name in ("family_name", "age_over_18", "portrait")})
    }
    (elsewhere,) = FORMAT.open_response(raw, session(TRANSCRIPT[:-1] + bytes([TRANSCRIPT[-1] ^ 1])))
    with pytest.raises(RefusedError):
        FORMAT.verify_key_binding(elsewhere)


def shown(node, document: bytes, device, names: list[str], **more: Any) -> bytes:
    given = {"doctype": MDL, "wanted": {MDL_NAMESPACE: names}, "session": SESSION, "deviceKey": private_jwk(device)}
    return base64.b64decode(node.call("mdoc.present", document=text(document), **given | more))


def test_their_mac_is_over_something_else_and_neither_of_us_accepts_it(node, authority) -> None:
    """RFC 9052 section 6.3 has an empty external_aad in what is authenticated; @owf/mdoc 0.6.0 leaves it out.

    With their structure put in place of the standard's, the tag is the one we make: the key is the same, so they agree
    with us on the session transcript. Annex D (``tests/specs/test_mdoc_vectors.py``) has the standard's own MAC.
    """
    device, reader = signer("ES256"), signer("ES256")
    raw = shown(node, theirs(node, authority, device), device, ["given_name"], readerKey=reader.public_key.to_jwk())
    (opened,) = FORMAT.open_response(raw, session())
    trusted(opened, authority)
    with pytest.raises(RefusedError, match="MAC does not verify"):
        FORMAT.verify_device_mac(opened, reader.crypto)
    with pytest.raises(PeerError):
        checked(node, raw, authority.root, key=private_jwk(reader))
    made = opened.key_binding.signing_input
    assert made.startswith(b"\x84\x64MAC0\x43\xa1\x01\x05\x40")
    key = mac_key(shared_secret(reader.crypto, device.public_key), TRANSCRIPT)
    assert hmac.digest(key, made.replace(b"\x84", b"\x83", 1).replace(b"\x05\x40", b"\x05", 1), "sha256") == (
        opened.key_binding.signature
    )


@pytest.mark.parametrize("alg", ALGS)
def test_we_present_ours_and_they_verify(node, authority, alg) -> None:
    device = signer(alg)
    opened = FORMAT.open(ours(authority, device))
    paths = [ClaimPath(("name",)), ClaimPath(("head", "name"))]
    raw = answered(opened, paths, device)
    (document,) = checked(node, raw, authority.our_root)
    assert document["docType"] == DOCTYPE
    assert document["claims"] == {
        DOCTYPE: {"~": {"city": "가람시"}, "name": "김가람", "head": {"relation": "head"}, "head/name": "박새솔"}
    }


def answered(opened, paths: list[ClaimPath], device) -> bytes:
    prepared = FORMAT.prepare_response(opened, paths, transcript=TRANSCRIPT)
    return prepared.complete(device.sign(prepared.signing_input))


def checked(node, raw: bytes, root: bytes, *, at: int = NOW, key: dict[str, str] | None = None, **more: Any) -> Any:
    given = {"response": text(raw), "trusted": [text(root)], "at": at, "session": SESSION | more, "readerKey": key}
    return node.call("mdoc.verify", **given)


def test_we_present_theirs_and_they_verify(node, authority) -> None:
    device = signer("ES256")
    opened = FORMAT.open(theirs(node, authority, device))
    names = ("family_name", "birth_date", "driving_privileges")
    raw = answered(opened, [ClaimPath((MDL_NAMESPACE, name)) for name in names], device)
    (document,) = checked(node, raw, authority.root)
    assert document == {"docType": MDL, "claims": {MDL_NAMESPACE: {name: LICENCE[name] for name in names}}}


def test_they_refuse_what_we_refuse(node, authority) -> None:
    device, late = signer("ES256"), int((AT + timedelta(days=2)).timestamp())
    opened = FORMAT.open(ours(authority, device))
    good = answered(opened, [ClaimPath(("name",))], device)
    stolen = answered(opened, [ClaimPath(("name",))], signer("ES256"))
    assert checked(node, good, authority.our_root)
    for wrong in (
        lambda: checked(node, good, authority.our_root, nonce="another"),
        lambda: checked(node, good, authority.our_root, at=late),
        lambda: checked(node, good, Authority("ES256", AT).our_root),
        lambda: checked(node, stolen, authority.our_root),
        lambda: checked(node, good.replace("김가람".encode(), "김가란".encode()), authority.our_root),
    ):
        with pytest.raises(PeerError):
            wrong()
    (read,) = FORMAT.open_response(stolen, session())
    with pytest.raises(RefusedError):
        FORMAT.verify_key_binding(read)


@pytest.mark.parametrize("thumbprint", [None, bytes(range(32))])
def test_transcripts_are_the_same_bytes(node, thumbprint) -> None:
    more = {} if thumbprint is None else {"thumbprint": text(thumbprint)}
    redirect = node.call("mdoc.transcript", **SESSION | more)
    assert base64.b64decode(redirect) == openid4vp_transcript(
        client_id=CLIENT, nonce=NONCE, response_uri=URI, encryption_key=thumbprint
    )
    api = node.call("mdoc.transcript", origin="https://desk.dasom.example", nonce=NONCE, **more)
    assert base64.b64decode(api) == dc_api_transcript(
        origin="https://desk.dasom.example", nonce=NONCE, encryption_key=thumbprint
    )
