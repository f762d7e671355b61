"""DIDs and VCDM 1.1 credentials in JWTs, against key-did-resolver, did-jwt-vc (Node) and didkit (Rust).

didkit runs in a process of its own: it may go to the network and does not end well, both of which are not ours to have.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.interop.kit import AUDIENCE, NONCE, NONCE_TEXT, NOW, PeerError, b64u, private_jwk, signer
from vcred.errors import MalformedError, RefusedError
from vcred.formats.w3c_vc import JwtVcJson
from vcred.keys import PublicKey
from vcred.trust.did import did_jwk, did_key, did_methods

ALGS = ("ES256", "ES384", "EdDSA")
CONTEXT = "https://www.w3.org/2018/credentials/v1"
TYPE = "https://garam.example/type/resident"
FORMAT = JwtVcJson()
SUBJECT = {"name": "김가람", "address": {"city": "가람시", "lines": ["별빛로 12", "101동"]}, "since": 2021}
DIDKIT = """
import asyncio, json, os, sys
import didkit
async def main():
    return [json.loads(await didkit.resolve_did(did, "{}")) for did in json.loads(sys.argv[1])]
print(json.dumps(asyncio.run(main())), flush=True)
os._exit(0)
"""


def didkit_resolves(dids: list[str]) -> list[dict[str, Any]]:
    done = subprocess.run([sys.executable, "-c", DIDKIT, json.dumps(dids)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def method_keys(document: dict[str, Any]) -> set[tuple[str, PublicKey]]:
    """What a document says: methods that sign credentials, and their keys as far as they are given as JWKs."""
    asserting = set(document["assertionMethod"])
    found = set()
    for method in document["verificationMethod"]:
        name = method["id"] if method["id"].startswith("did:") else document["id"] + method["id"]
        if method["id"] in asserting or name in asserting:
            found.add((name, PublicKey.from_jwk(key_of(method))))
    return found


def key_of(method: dict[str, Any]) -> dict[str, str]:
    if "publicKeyBase58" not in method:
        return full_length(method["publicKeyJwk"])
    return {"kty": "OKP", "crv": "Ed25519", "x": b64u(unbase58(method["publicKeyBase58"]))}


def full_length(jwk: dict[str, str]) -> dict[str, str]:
    """``jwk`` with the leading zeros that key-did-resolver 4.0.0 takes off its coordinates (one key in 128)."""
    texts = {"P-256": 43, "P-384": 64}
    length = texts.get(jwk["crv"], 0) * 3 // 4

    def padded(text: str) -> str:
        return b64u(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).rjust(length, b"\0"))

    return {name: padded(value) if name in ("x", "y") else value for name, value in jwk.items()}


def unbase58(text: str) -> bytes:
    number = 0
    for char in text:
        number = number * 58 + "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".index(char)
    return number.to_bytes(32, "big")


@pytest.mark.parametrize("alg", ALGS)
def test_key_did_resolver_finds_the_same_key_in_a_did_key(node, alg) -> None:
    for _ in range(10):
        did = did_key(signer(alg).public_key)
        assert method_keys(node.call("did.resolve", did=did)) == set(did_methods(did, None, path="did"))


def test_a_coordinate_with_its_leading_zeros_taken_off_is_refused(node) -> None:
    """RFC 7518 section 6.2.1.2: a coordinate has the full length of the curve."""
    key = short_key()
    (method,) = node.call("did.resolve", did=did_key(key))["verificationMethod"]
    with pytest.raises(MalformedError, match="full length"):
        PublicKey.from_jwk(method["publicKeyJwk"])
    assert PublicKey.from_jwk(full_length(method["publicKeyJwk"])) == key


def short_key() -> PublicKey:
    """A key with a coordinate that begins with eight zero bits: the same one each time."""
    numbers = (ec.derive_private_key(secret, ec.SECP256R1()).public_key() for secret in range(2, 4096))
    return PublicKey(next(key for key in numbers if key.public_numbers().y >> 248 == 0))


def test_didkit_finds_the_same_keys_in_did_key_and_did_jwk() -> None:
    keys = [signer(alg).public_key for alg in ALGS for _ in range(4)]
    # It has no P-384 in did:key.
    dids = [did_jwk(key) for key in keys] + [did_key(key) for key in keys if key.alg != "ES384"]
    for did, document in zip(dids, didkit_resolves(dids), strict=True):
        assert method_keys(document) == set(did_methods(did, None, path="did"))


class Party:
    """Somebody with a ``did:key``."""

    def __init__(self, alg: str) -> None:
        # Not one whose coordinates key-did-resolver would shorten: an A in front is six zero bits.
        self.signer = signer(alg)
        while any(self.signer.public_key.to_jwk().get(name, "-").startswith("A") for name in ("x", "y")):
            self.signer = signer(alg)
        self.did = did_key(self.signer.public_key)

    def as_given(self) -> dict[str, Any]:
        return {"did": self.did, "key": private_jwk(self.signer)}


def credential(issuer: Party, holder: Party, **changes: Any) -> dict[str, Any]:
    vc = {"@context": [CONTEXT], "type": ["VerifiableCredential", TYPE], "credentialSubject": SUBJECT}
    return {"sub": holder.did, "nbf": NOW - 60, "exp": NOW + 86400, "vc": vc} | changes


@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_did_jwt_vc_issues_and_presents_and_we_verify(node, alg) -> None:
    issuer, holder = Party(alg), Party(alg)
    raw = node.call("did.issue", payload=credential(issuer, holder), **issuer.as_given())
    opened = FORMAT.open(raw.encode())
    ((_, key),) = did_methods(opened.issuer, None, path="did")
    FORMAT.verify_signature(opened, key)
    assert (opened.claims, opened.vct, opened.issuer) == (SUBJECT, TYPE, issuer.did)
    assert (opened.not_before, opened.expires_at, opened.holder_key) == (
        NOW - 60,
        NOW + 86400,
        holder.signer.public_key,
    )

    vp = {"@context": [CONTEXT], "type": ["VerifiablePresentation"], "verifiableCredential": [raw]}
    payload = {"vp": vp, "aud": AUDIENCE, "nonce": NONCE_TEXT, "iat": NOW}
    shown = node.call("did.present", payload=payload, **holder.as_given())
    opened = FORMAT.open(shown.encode())
    FORMAT.verify_signature(opened, key)
    FORMAT.verify_key_binding(opened)
    assert opened.key_binding is not None
    assert (opened.key_binding.audience, opened.key_binding.nonce) == (AUDIENCE, NONCE)
    assert opened.claims == SUBJECT
    assert node.call("did.verifyShown", token=shown, at=NOW, audience=AUDIENCE, nonce=NONCE_TEXT)


def test_another_holder_s_presentation_is_refused_by_both(node) -> None:
    issuer, holder, thief = Party("ES256"), Party("ES256"), Party("ES256")
    raw = node.call("did.issue", payload=credential(issuer, holder), **issuer.as_given())
    vp = {"@context": [CONTEXT], "type": ["VerifiablePresentation"], "verifiableCredential": [raw]}
    payload = {"vp": vp, "aud": AUDIENCE, "nonce": NONCE_TEXT, "iat": NOW}
    stolen = node.call("did.present", payload=payload, **thief.as_given())
    with pytest.raises(RefusedError):
        FORMAT.verify_key_binding(FORMAT.open(stolen.encode()))
    # Theirs checks whose signature it is, and leaves to its caller whether he is the subject.
    assert (
        node.call("did.verifyShown", token=stolen, at=NOW, audience=AUDIENCE, nonce=NONCE_TEXT)["holder"] == thief.did
    )


@pytest.mark.parametrize("part", [1, 2], ids=["payload", "signature"])
def test_both_refuse_a_changed_credential(node, part) -> None:
    issuer, holder = Party("ES256"), Party("ES256")
    raw = node.call("did.issue", payload=credential(issuer, holder), **issuer.as_given())
    pieces = raw.split(".")
    pieces[part] = pieces[part][:-6] + ("AAAAAA" if pieces[part][-6:] != "AAAAAA" else "BBBBBB")
    wrong = ".".join(pieces)
    with pytest.raises((RefusedError, MalformedError)):
        FORMAT.verify_signature(FORMAT.open(wrong.encode()), issuer.signer.public_key)
    with pytest.raises(PeerError):
        node.call("did.verify", token=wrong, at=NOW)
