"""Which checks a peer leaves out: tokens that are wrong in one thing, given to everybody who verifies in ``peers``.

Whoever skips a check is faster by it, so the table of times stands beside the answers to these. They are tried on the
installed version in every run and never written down by hand. Ours has to refuse them all: ``tests/interop`` holds it
to that, and to accepting the honest one, as every peer must.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cbor2

from vcred.formats._wire import b64u_encode, dump_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from vcred.keys import SoftwareSigner

__all__ = ["HONEST", "Answer", "aged", "ask", "jwt_vcs", "mdocs", "sd_jwts"]

HONEST = "the honest one"
_YEAR = 365 * 86400
_SALT = "AAECAwQFBgcICQoLDA0ODw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Whether ``peer`` accepted what is wrong in ``fault``."""

    peer: str
    fault: str
    accepted: bool


def ask(peer: str, verify: Callable[[Any], object], faults: Mapping[str, Any]) -> Iterator[Answer]:
    """``peer``'s answer to each of ``faults``; anything it raises is a refusal."""
    for fault, token in faults.items():
        try:
            verify(token)
        except Exception:  # noqa: BLE001 - whatever a peer raises, it did not accept
            accepted = False
        else:
            accepted = True
        yield Answer(peer=peer, fault=fault, accepted=accepted)


def sd_jwts(
    issuer: SoftwareSigner, holder: SoftwareSigner, claims: Mapping[str, Any], *, audience: str, nonce: str, now: int
) -> dict[str, str]:
    """Presentations of an SD-JWT VC. ``claims`` are the registered ones; one disclosure goes with them."""
    disclosure = b64u_encode(dump_json([_SALT, "name", "Garam"]))
    digest = _digest(disclosure)
    payload = {**claims, "cnf": {"jwk": holder.public_key.to_jwk()}, "_sd_alg": "sha-256", "_sd": [digest]}
    typ = {"alg": issuer.public_key.alg, "typ": "dc+sd-jwt"}
    binding = {"iat": now, "aud": audience, "nonce": nonce}

    def shown(
        body: Mapping[str, Any] = payload,
        *disclosures: str,
        header: Any = typ,
        bound: Mapping[str, Any] = binding,
        kb_typ: str = "kb+jwt",
        touch: Callable[[str], str] = str,
    ) -> str:
        credential = "~".join([touch(_jws(header, body, issuer)), *(disclosures or (disclosure,)), ""])
        kb_header = {"alg": holder.public_key.alg, "typ": kb_typ}
        return credential + _jws(kb_header, {**bound, "sd_hash": _digest(credential)}, holder)

    stray = b64u_encode(dump_json([_SALT, "extra", 1]))
    expiry = b64u_encode(dump_json([_SALT, "exp", now + _YEAR]))
    hidden = {name: value for name, value in payload.items() if name != "exp"} | {"_sd": [digest, _digest(expiry)]}
    twice = json.dumps(typ)[:-1] + ', "typ": "dc+sd-jwt"}'
    return {
        HONEST: shown(),
        "expired a year ago": shown(payload | {"iat": now - 2 * _YEAR, "exp": now - _YEAR}),
        "`typ` of another kind of token": shown(header=typ | {"typ": "JWT"}),
        "`crit` with an extension nobody knows": shown(header=typ | {"crit": ["x"], "x": 1}),
        "a member twice in the header": shown(header=twice),
        "padded base64url": shown(touch=_padded),
        "a disclosure that no digest refers to": shown(payload, disclosure, stray),
        "a digest twice": shown(payload | {"_sd": [digest, digest]}),
        "`exp` hidden, and disclosed": shown(hidden, disclosure, expiry),
        "key binding of a year ago": shown(bound=binding | {"iat": now - _YEAR}),
        "key binding for another audience": shown(bound=binding | {"aud": "https://other.example"}),
        "key binding with another `typ`": shown(kb_typ="JWT"),
    }


def mdocs(response: bytes, expired: bytes, other_session: bytes) -> dict[str, bytes]:
    """DeviceResponses: an honest one, changed in places; one past its validity; one made for somebody else."""

    def changed(edit: Callable[[dict[str, Any]], None]) -> bytes:
        value = cbor2.loads(response)
        edit(value)
        return cbor2.dumps(value)

    def unsigned(value: dict[str, Any]) -> None:
        value["documents"][0]["deviceSigned"]["deviceAuth"]["deviceSignature"][3] = bytes(64)

    def renamed(value: dict[str, Any]) -> None:
        value["documents"][0]["docType"] = "org.iso.23220.photoid.1"

    def failed(value: dict[str, Any]) -> None:
        value["status"] = 10

    return {
        HONEST: response,
        "expired": expired,
        "a device signature of zeros": changed(unsigned),
        "a device signature for another session": other_session,
        "another document type than was signed": changed(renamed),
        "a status that says it failed": changed(failed),
        "bytes after the end": response + b"\0",
    }


def aged(issuer_signed: bytes, key: SoftwareSigner, begins: datetime, ends: datetime) -> bytes:
    """An IssuerSigned that was valid from ``begins`` to ``ends``, signed anew by ``key``."""
    value = cbor2.loads(issuer_signed)
    protected, unprotected, payload, _ = value["issuerAuth"]
    mso = cbor2.loads(cbor2.loads(payload).value)
    first, last = (cbor2.CBORTag(0, f"{at:%Y-%m-%dT%H:%M:%SZ}") for at in (begins, ends))
    mso["validityInfo"] = {"signed": first, "validFrom": first, "validUntil": last}
    payload = cbor2.dumps(cbor2.CBORTag(24, cbor2.dumps(mso)))
    signature = key.sign(cbor2.dumps(["Signature1", protected, b"", payload]))
    return cbor2.dumps(value | {"issuerAuth": [protected, unprotected, payload, signature]})


def jwt_vcs(issuer: SoftwareSigner, did: str, payload: Mapping[str, Any], *, now: int) -> dict[str, str]:
    """VCDM 1.1 credentials in a JWT by the ``did:key`` of ``issuer``."""
    header = {"alg": issuer.public_key.alg, "typ": "JWT"}
    body = {**payload, "iss": did}
    twice = json.dumps(header)[:-1] + ', "typ": "JWT"}'
    return {
        HONEST: _jws(header, body, issuer),
        "expired a year ago": _jws(header, body | {"exp": now - _YEAR}, issuer),
        "not valid for a year": _jws(header, body | {"nbf": now + _YEAR}, issuer),
        "`crit` with an extension nobody knows": _jws(header | {"crit": ["x"], "x": 1}, body, issuer),
        "a member twice in the header": _jws(twice, body, issuer),
        "padded base64url": _padded(_jws(header, body, issuer)),
    }


def _jws(header: Any, body: Mapping[str, Any], signer: SoftwareSigner) -> str:
    """``header`` as a text is taken letter for letter."""
    raw = header.encode() if isinstance(header, str) else dump_json(header)
    signing_input = f"{b64u_encode(raw)}.{b64u_encode(dump_json(body))}"
    return f"{signing_input}.{b64u_encode(signer.sign(signing_input.encode()))}"


def _padded(token: str) -> str:
    """A signature of 64 bytes lacks two characters of padding, which JWS leaves off."""
    return token + "=="


def _digest(text: str) -> str:
    return b64u_encode(hashlib.sha256(text.encode()).digest())
