"""What is common to the W3C credentials in a JWT: their claims as ``Opened`` has them, and enveloped presentations.

VC-JOSE-COSE puts the members of VCDM 2.0 and the claims of JWT side by side. Here, where both speak of one thing they
must say the same (``iss`` and ``issuer``, ``jti`` and ``id``, ``sub`` and the subject), and of two ends of validity
(``exp`` for the signature, ``validUntil`` for what is said) the narrower one counts.

The status is the JWT claim ``status`` (an entry of a Token Status List), or ``credentialStatus`` (one or several
BitstringStatusListEntry), or both: all of them are for the verifier to look up, and every one must be good.
"""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from vcred.credential import BitstringReference, KeyBinding, StatusReference, status_entries
from vcred.errors import MalformedError, RefusedError
from vcred.formats._jose import Jws, parse_jws, verify_signature, x5c_texts
from vcred.formats._kb_jwt import nonce_bytes
from vcred.formats._registered import read_registered
from vcred.formats._w3c_model import (
    BASE_CONTEXT,
    CERTIFICATE_TERMS,
    PRESENTATION_CLAIMS,
    CredentialModel,
    check_presentation,
)
from vcred.formats._w3c_time import stamp
from vcred.formats._wire import b64u_bytes, b64u_encode, dump_json, parse_json
from vcred.formats.sd_jwt import MAX_PAYLOAD, MAX_TOKEN, process, split
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from vcred.credential import Content, Opened, Status, StatusEntry
    from vcred.formats.base import IssuerKey

__all__ = [
    "ENVELOPED",
    "W3cPresentation",
    "binding_claims",
    "check_holder_signature",
    "document_of",
    "enveloped",
    "issuer_header",
    "known_of",
    "later_than",
    "parse_presentation",
    "parse_sd_presentation",
    "payload_of",
    "read_envelopes",
    "read_presentation",
    "status_of",
]

ENVELOPED: Final = "EnvelopedVerifiableCredential"

_ENVELOPED_TWICE = "EnvelopedVerifiablePresentation"
_MAX_ENVELOPES = 8
_MAX_AUDIENCE = 2048
_LAST_SECOND = 253402300799
_VISIBLE = re.compile(r"[!-~]{1,256}")
_DATA = re.compile(r"data:(application/vc\+(?:sd-)?jwt),([A-Za-z0-9_.~-]+)")
_DATA_BASE64 = re.compile(r"data:(application/vc\+cose);base64,([A-Za-z0-9+/]+)={0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class W3cPresentation:
    """A ``vp+jwt``, parsed and NOT verified. ``credentials`` are media types and tokens, none of them opened.

    ``audience``, ``nonce`` and ``issued_at`` are ``None`` where the JWT has none: it then answers nobody's request.
    """

    jws: Jws = field(repr=False)
    holder: str | None
    credentials: tuple[tuple[str, bytes], ...] = field(repr=False)
    audience: str | None
    nonce: bytes | None
    issued_at: int | None
    not_before: int | None
    expires_at: int | None

    def binding(self) -> KeyBinding:
        """Raises ``MalformedError`` with ``aud``, ``nonce`` or ``iat`` unless it has all three."""
        for value, code in (
            (self.audience, ReasonCode.AUD),
            (self.nonce, ReasonCode.NONCE),
            (self.issued_at, ReasonCode.IAT),
        ):
            if value is None:
                raise MalformedError(code, f"vp.payload.{code.value}", "missing: the presentation answers nobody")
        assert self.audience is not None
        assert self.issued_at is not None
        return KeyBinding(
            audience=self.audience,
            nonce=self.nonce,
            issued_at=self.issued_at,
            alg=self.jws.header["alg"],
            signing_input=self.jws.signing_input,
            signature=self.jws.signature,
            not_before=self.not_before,
            expires_at=self.expires_at,
        )


def parse_presentation(raw: bytes, *, contexts: Collection[str]) -> W3cPresentation:
    """Read a ``vp+jwt`` (VC-JOSE-COSE section 3.1.2). Raises ``MalformedError``; verifies nothing."""
    return read_presentation(parse_jws(raw, path="vp", typ="vp+jwt", max_bytes=MAX_TOKEN), contexts=contexts)


def read_presentation(jws: Jws, *, contexts: Collection[str]) -> W3cPresentation:
    """``parse_presentation`` of what is parsed as a JWS already, with the ``typ`` and an algorithm of a holder."""
    return _presentation(jws, payload_of(jws, "vp", cty="vp"), contexts)


def parse_sd_presentation(raw: bytes, *, contexts: Collection[str]) -> W3cPresentation:
    """Read a ``vp+sd-jwt`` (VC-JOSE-COSE section 3.2.2) as far as it is disclosed.

    For whoever meets one: our wallet presents a ``vc+sd-jwt`` with a key-binding JWT, and our verifier takes that. What
    says whom a presentation is for, and what its members mean, must be in the open. Raises ``MalformedError``; verifies
    nothing.
    """
    parsed = split(raw, "vp")
    if parsed.key_binding is not None:
        raise MalformedError(ReasonCode.FORMAT, "vp", "the holder has signed it already: no key-binding JWT follows")
    jws = parse_jws(parsed.jwt, path="vp", typ="vp+sd-jwt", max_bytes=MAX_TOKEN)
    processed = process(payload_of(jws, "vp", cty="vp"), parsed.disclosures, path="vp.payload")
    if any(parts[0] == "@context" or parts[0] in PRESENTATION_CLAIMS for parts in processed.disclosed):
        raise MalformedError(
            ReasonCode.MUST_BE_PLAIN, "vp.payload", "a disclosure says whom it is for, or what it means"
        )
    return _presentation(jws, processed.payload, contexts)


def _presentation(jws: Jws, body: Mapping[str, Any], contexts: Collection[str]) -> W3cPresentation:
    holder = check_presentation(body, contexts=contexts, path="vp.payload")
    if holder is not None and body.get("iss", holder) != holder:
        raise MalformedError(ReasonCode.ISSUER, "vp.payload.iss", "another party than the holder")
    return W3cPresentation(
        jws=jws,
        holder=holder,
        credentials=read_envelopes(body.get("verifiableCredential"), "vp.payload.verifiableCredential"),
        **binding_claims(body),
    )


def binding_claims(body: Mapping[str, Any]) -> dict[str, Any]:
    """``aud``, ``nonce`` and the times of a presentation. Raises ``MalformedError`` for each that is wrong."""
    audience, nonce = body.get("aud"), body.get("nonce")
    if "aud" in body and (type(audience) is not str or not 0 < len(audience) <= _MAX_AUDIENCE):
        raise MalformedError(ReasonCode.AUD, "vp.payload.aud", "not one audience as text")
    if "nonce" in body and (type(nonce) is not str or not _VISIBLE.fullmatch(nonce)):
        raise MalformedError(ReasonCode.NONCE, "vp.payload.nonce", "not 1 to 256 visible ASCII characters")
    for name in ("iat", "nbf", "exp"):
        if name in body and (type(body[name]) is not int or not 0 <= body[name] <= _LAST_SECOND):
            raise MalformedError(ReasonCode.IAT, f"vp.payload.{name}", "not whole seconds between 1970 and 9999")
    if body.get("nbf", 0) > body.get("iat", _LAST_SECOND):
        raise MalformedError(ReasonCode.IAT, "vp.payload.nbf", "after iat")
    return {
        "audience": audience,
        "nonce": None if nonce is None else nonce_bytes(nonce),
        "issued_at": body.get("iat"),
        "not_before": body.get("nbf"),
        "expires_at": body.get("exp"),
    }


def read_envelopes(value: Any, path: str) -> tuple[tuple[str, bytes], ...]:
    """The enveloped credentials of a presentation (VCDM 2.0 section 4.13.1): media type and token of each.

    Raises ``MalformedError`` with ``limit`` or ``format``.
    """
    entries = value if type(value) is list else [value]
    if not 1 <= len(entries) <= _MAX_ENVELOPES:
        raise MalformedError(ReasonCode.LIMIT, path, f"not 1 to {_MAX_ENVELOPES} credentials")
    return tuple(_envelope(entry, f"{path}[{index}]") for index, entry in enumerate(entries))


def enveloped(token: bytes, media_type: str) -> dict[str, Any]:
    """``token`` as a presentation holds it."""
    return {"@context": BASE_CONTEXT, "type": ENVELOPED, "id": f"data:{media_type},{token.decode('ascii')}"}


def payload_of(jws: Jws, path: str, *, cty: str) -> dict[str, Any]:
    """The JSON object in ``jws``, whose ``cty``, if there is one, is ``cty``. Raises ``MalformedError``."""
    if jws.header.get("cty", cty) != cty:
        raise MalformedError(ReasonCode.TYP, f"{path}.header.cty", "another content type is required here")
    body = parse_json(jws.payload, f"{path}.payload", max_bytes=MAX_TOKEN)
    if type(body) is not dict:
        raise MalformedError(ReasonCode.FORMAT, f"{path}.payload", "not an object")
    return body


def known_of(body: Mapping[str, Any], model: CredentialModel) -> dict[str, Any]:
    """The fields of an ``Opened`` that are not about the token: issuer, type, times, status, holder key, claims.

    Raises ``MalformedError`` with ``issuer``, ``claim_type``, ``cnf``, ``status_list``, ``status_index`` or
    ``status_unknown``.
    """
    claims = {name: body[name] for name in ("iat", "nbf", "exp", "cnf", "status", "sub") if name in body}
    if body.get("iss", model.issuer) != model.issuer:
        raise MalformedError(ReasonCode.ISSUER, "payload.iss", "another issuer than the credential's")
    for claim, said in (("jti", model.id), ("sub", model.subject.get("id"))):
        if claim in body and (type(body[claim]) is not str or body[claim] != (said or body[claim])):
            raise MalformedError(ReasonCode.CLAIM_TYPE, f"payload.{claim}", "it says another thing than the credential")
    known = read_registered({**claims, "iss": model.issuer, "vct": model.type}, claims, {})
    starts = [time for time in (known.not_before, model.valid_from) if time is not None]
    ends = [time for time in (known.expires_at, model.valid_until) if time is not None]
    issued_at = model.valid_from if known.issued_at is None else known.issued_at
    return {
        "issuer": model.issuer,
        "vct": model.type,
        "issued_at": issued_at,
        "not_before": later_than(issued_at, max(starts, default=None)),
        "expires_at": min(ends, default=None),
        "status": status_of(body, known.status),
        "holder_key": known.holder_key,
        "claims": {name: value for name, value in model.subject.items() if name not in ("id", "type")},
    }


def later_than(issued_at: int | None, start: int | None) -> int | None:
    """``start``, unless it is just the time of signing: W3C wants a start where this SDK has none."""
    return None if start == issued_at else start


def status_of(body: Mapping[str, Any], claim: StatusEntry | None) -> Status | None:
    """Every place where the status is: ``claim`` and what ``credentialStatus`` names; ``None`` without either.

    Raises ``MalformedError`` as ``bitstring_references`` does: an entry that nobody here can look up is not left out.
    """
    if "credentialStatus" not in body:
        return claim
    from vcred.status.bitstring import bitstring_references  # noqa: PLC0415 - not every credential has it

    named = bitstring_references(body["credentialStatus"], path="payload.credentialStatus")
    entries = (*status_entries(claim), *named)
    return entries if len(entries) > 1 else next(iter(entries), None)


def document_of(content: Content) -> dict[str, Any]:
    """``content`` as a credential of VCDM 2.0, with its ``SD`` marks where they were.

    Raises ``ValueError`` for times out of order, for claims with a name that JSON-LD takes for its own, and for a
    status that ``open`` would not read.
    """
    if not content.issuer or not 0 <= content.issued_at < content.expires_at:
        raise ValueError("a credential names its issuer and expires after it is issued")
    if any(name in ("id", "type") or name.startswith("@") for name in content.claims):
        raise ValueError("a claim of the certificate has a name that JSON-LD takes for its own")
    start = content.issued_at if content.not_before is None else content.not_before
    document: dict[str, Any] = {
        "@context": [BASE_CONTEXT, CERTIFICATE_TERMS],
        "type": ["VerifiableCredential", content.vct],
        "issuer": content.issuer,
        "validFrom": stamp(start),
        "validUntil": stamp(content.expires_at),
        "credentialSubject": dict(content.claims),
        "iat": content.issued_at,
        "exp": content.expires_at,
    }
    if content.holder_key is not None:
        document["cnf"] = {"jwk": content.holder_key.to_jwk()}
    return document | _status_members(content.status)


def check_holder_signature(opened: Opened) -> None:
    """The holder's signature with the key in the credential. Raises ``RefusedError``: ``kb_missing`` or ``kb_key``."""
    binding = opened.key_binding
    if binding is None:
        raise RefusedError(ReasonCode.KB_MISSING, "vp", "not a presentation")
    if opened.holder_key is None:
        raise RefusedError(ReasonCode.KB_KEY, "payload.cnf", "the credential names no holder key")
    try:
        verify_signature(binding.alg, binding.signing_input, binding.signature, opened.holder_key)
    except RefusedError as error:
        raise RefusedError(ReasonCode.KB_KEY, "vp", error.detail) from None


@lru_cache(maxsize=64)
def issuer_header(key: IssuerKey, typ: str, cty: str) -> bytes:
    """The protected header of what ``key`` signs, encoded."""
    kid = key.did_url or b64u_encode(key.public_key.kid)
    header: dict[str, Any] = {"alg": key.public_key.alg, "typ": typ, "cty": cty, "kid": kid}
    if key.chain:
        header["x5c"] = x5c_texts(key.chain)
    return b64u_bytes(dump_json(header))


def _envelope(entry: Any, path: str) -> tuple[str, bytes]:
    if type(entry) is dict and entry.get("type") in (_ENVELOPED_TWICE, [_ENVELOPED_TWICE]):
        raise MalformedError(ReasonCode.FORMAT, path, "a presentation in a presentation: its holder is not ours to ask")
    if type(entry) is not dict or entry.keys() != {"@context", "type", "id"}:
        raise MalformedError(ReasonCode.FORMAT, path, f"not an {ENVELOPED}: credentials are secured here")
    if entry["@context"] not in (BASE_CONTEXT, [BASE_CONTEXT]) or entry["type"] not in (ENVELOPED, [ENVELOPED]):
        raise MalformedError(ReasonCode.FORMAT, path, f"not an {ENVELOPED} in the base context")
    url = entry["id"] if type(entry["id"]) is str and len(entry["id"]) <= MAX_PAYLOAD else ""
    if match := _DATA.fullmatch(url):
        return match[1], match[2].encode("ascii")
    match = _DATA_BASE64.fullmatch(url)
    if match is None or len(match[2]) % 4 == 1:
        raise MalformedError(ReasonCode.FORMAT, f"{path}.id", "not a data: URL of a vc+jwt, vc+sd-jwt or vc+cose")
    return match[1], b64decode(match[2] + "=" * (-len(match[2]) % 4))


def _status_members(status: Status | None) -> dict[str, Any]:
    entries = status_entries(status)
    named = [
        {
            "type": "BitstringStatusListEntry",
            "statusPurpose": entry.purpose,
            "statusListIndex": str(entry.index),
            "statusListCredential": entry.uri,
        }
        for entry in entries
        if isinstance(entry, BitstringReference)
    ]
    claims = [
        {"status_list": {"idx": entry.index, "uri": entry.uri}}
        for entry in entries
        if isinstance(entry, StatusReference)
    ]
    if len(claims) > 1:
        raise ValueError("a credential names one entry of a Token Status List")
    members: dict[str, Any] = {"status": claims[0]} if claims else {}
    if named:
        members["credentialStatus"] = named[0] if len(named) == 1 else named
        _check_readable(members)
    return members


def _check_readable(members: Mapping[str, Any]) -> None:
    from vcred.status.bitstring import bitstring_references  # noqa: PLC0415 - as in ``status_of``

    try:
        bitstring_references(members["credentialStatus"])
    except MalformedError as error:
        raise ValueError(f"not a status that could be read again: {error}") from error
