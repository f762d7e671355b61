"""Status List Tokens (draft-ietf-oauth-status-list section 5): the signed form of a status list, as JWT or CWT.

Strictly read: the exact ``typ``, ``sub``, ``iat``, a list of a width the draft has; ``exp`` and ``ttl`` may be absent
but not wrong. A CWT is a COSE_Sign1 with its tag and without the CWT tag. ``kid`` and ``x5c`` say which key to look
for; neither makes a key trusted. ``vcred.status.bitstring`` has the rules of the W3C's form, read by the same function.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from vcred.errors import MalformedError, RefusedError
from vcred.formats._wire import b64u_decode, b64u_encode, dump_json, epoch, parse_json
from vcred.reasons import ReasonCode
from vcred.status.list import StatusList

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from vcred.formats._cose import Sign1
    from vcred.formats._jose import Jws
    from vcred.keys import PublicKey, Signer

__all__ = [
    "CWT_TYP",
    "JWT_TYP",
    "MAX_TOKEN_BYTES",
    "VC_TYP",
    "StatusToken",
    "build_status_token",
    "kid_bytes",
    "parse_status_token",
    "verify_status_token",
]

CWT_TYP = "application/statuslist+cwt"
JWT_TYP = "statuslist+jwt"
VC_TYP = "vc+jwt"
MAX_TOKEN_BYTES = 16 * 1024 * 1024

_SUB, _EXP, _IAT, _LIST, _TTL = 2, 4, 6, 65533, 65534
_AGGREGATION = "aggregation_uri"
_MAX_TIME = 253402300799
_TAGGED_SIGN1 = 0xD2
_FIRST_TAG = 0xC0


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusToken:
    """A token, parsed and NOT verified.

    ``purposes`` and ``issuer`` are those of a W3C list; ``None``: a Token Status List, whose values have one meaning.
    """

    form: Literal["jwt", "cwt", "vc+jwt"]
    uri: str
    issued_at: int
    expires_at: int | None
    ttl: int | None
    status_list: StatusList
    kid: bytes | None
    x5c: tuple[bytes, ...] = field(repr=False)
    envelope: Jws | Sign1 = field(repr=False)
    purposes: frozenset[str] | None = None
    issuer: str | None = None
    aggregation_uri: str | None = None


def parse_status_token(raw: bytes, *, path: str = "status_list_token") -> StatusToken:
    """Read a token in either form, or a W3C Bitstring Status List Credential.

    Raises ``MalformedError``: ``typ`` for anything that is not a status list, ``claim_type`` for a wrong claim,
    ``status_list`` for a list that cannot be, ``encoding`` and ``size`` for one that does not inflate within the
    limit, and the codes of the envelope.
    """
    if not raw:
        raise MalformedError(ReasonCode.FORMAT, path, "no bytes")
    if raw[0] == _TAGGED_SIGN1:
        return _parse_cwt(raw, path)
    if raw[0] >= _FIRST_TAG:
        raise MalformedError(ReasonCode.TAG, path, "a CWT status list is a COSE_Sign1 with its own tag only")
    return _parse_jwt(raw, path)


def verify_status_token(token: StatusToken, key: PublicKey) -> None:
    """Check the signature with ``key``. Raises ``RefusedError`` with ``status_signature``."""
    from vcred.formats._cose import Sign1, verify_sign1  # noqa: PLC0415 - only the form at hand is loaded
    from vcred.formats._jose import verify_jws  # noqa: PLC0415 - as above

    try:
        if isinstance(token.envelope, Sign1):
            verify_sign1(token.envelope, key)
        else:
            verify_jws(token.envelope, key)
    except RefusedError as error:
        raise RefusedError(ReasonCode.STATUS_SIGNATURE, "status_list_token", error.detail) from error


def build_status_token(
    *,
    uri: str,
    status_list: StatusList,
    signer: Signer,
    chain: tuple[bytes, ...] = (),
    issued_at: datetime,
    expires_at: datetime,
    ttl: timedelta | None,
    form: Literal["jwt", "cwt"],
    aggregation_uri: str | None = None,
) -> bytes:
    """A signed token. ``chain`` (leaf first, without the root) is for receivers whose bundle lacks the signer;
    ``aggregation_uri`` is where the issuer's list of lists is.

    Raises ``ValueError`` for times out of order, ``SigningError`` when the key does not sign.
    """
    issued, expires = epoch(issued_at), epoch(expires_at)
    seconds = None if ttl is None else int(ttl.total_seconds())
    if issued >= expires or (seconds is not None and seconds < 1):
        raise ValueError("a token expires after it was issued, and its ttl is positive")
    more = {} if aggregation_uri is None else {_AGGREGATION: aggregation_uri}
    if form == "cwt":
        held = {"bits": status_list.bits, "lst": status_list.compress()} | more
        return _build_cwt(uri, held, signer, chain, (issued, expires, seconds))
    from vcred.formats._jose import sign_jws, x5c_texts  # noqa: PLC0415 - only the form at hand is loaded

    body: dict[str, Any] = {
        "sub": uri,
        "iat": issued,
        "exp": expires,
        "status_list": {"bits": status_list.bits, "lst": b64u_encode(status_list.compress())} | more,
    }
    if seconds is not None:
        body["ttl"] = seconds
    header: dict[str, Any] = {"typ": JWT_TYP, "kid": b64u_encode(signer.public_key.kid)}
    if chain:
        header["x5c"] = x5c_texts(chain)
    return sign_jws(header, dump_json(body), signer)


def _build_cwt(
    uri: str,
    held: Mapping[str, Any],
    signer: Signer,
    chain: tuple[bytes, ...],
    times: tuple[int, int, int | None],
) -> bytes:
    from vcred.formats._cbor import encode  # noqa: PLC0415 - only the form at hand is loaded
    from vcred.formats._cose import KID, TYP, X5CHAIN, sign_sign1  # noqa: PLC0415 - as above

    issued, expires, ttl = times
    body: dict[int, Any] = {
        _SUB: uri,
        _EXP: expires,
        _IAT: issued,
        _LIST: held,
    }
    if ttl is not None:
        body[_TTL] = ttl
    protected: dict[int, Any] = {KID: signer.public_key.kid, TYP: CWT_TYP}
    unprotected: dict[int, Any] = {}
    if chain:
        unprotected[X5CHAIN] = chain[0] if len(chain) == 1 else list(chain)
    return sign_sign1(protected, unprotected, encode(body), signer)


def _parse_jwt(raw: bytes, path: str) -> StatusToken:
    from vcred.formats._jose import parse_jws, x5c_of  # noqa: PLC0415 - only the form at hand is loaded

    jws = parse_jws(raw, path=path, typ=(JWT_TYP, VC_TYP), max_bytes=MAX_TOKEN_BYTES)
    if jws.header["typ"] == VC_TYP:
        from vcred.status.bitstring import read_bitstring  # noqa: PLC0415 - as above; it needs this module

        return read_bitstring(jws, path)
    body = parse_json(jws.payload, f"{path}.payload", max_bytes=MAX_TOKEN_BYTES, max_depth=8)
    if not isinstance(body, dict):
        raise MalformedError(ReasonCode.FORMAT, f"{path}.payload", "not an object")
    held = _held(body.get("status_list"), path)
    text = held.get("lst")
    if not isinstance(text, str):
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.lst", "not a text")
    compressed = b64u_decode(text, f"{path}.lst")
    uri, issued_at, expires_at, ttl = _claims(body, ("sub", "iat", "exp", "ttl"), path)
    return StatusToken(
        form="jwt",
        uri=uri,
        issued_at=issued_at,
        expires_at=expires_at,
        ttl=ttl,
        status_list=StatusList.from_compressed(bits=_width(held, path), compressed=compressed, path=path),
        aggregation_uri=_text(held[_AGGREGATION], f"{path}.{_AGGREGATION}") if _AGGREGATION in held else None,
        kid=kid_bytes(jws.header["kid"]) if "kid" in jws.header else None,
        x5c=x5c_of(jws.header, f"{path}.header"),
        envelope=jws,
    )


def _parse_cwt(raw: bytes, path: str) -> StatusToken:
    from vcred.formats._cbor import decode  # noqa: PLC0415 - only the form at hand is loaded
    from vcred.formats._cose import TYP, chain_of, parse_sign1  # noqa: PLC0415 - as above

    sign1 = parse_sign1(raw, path=path, max_bytes=MAX_TOKEN_BYTES)
    if sign1.protected.get(TYP) != CWT_TYP:
        raise MalformedError(ReasonCode.TYP, f"{path}.protected[16]", "another typ is required here")
    body = decode(sign1.payload, f"{path}.payload", max_bytes=MAX_TOKEN_BYTES, max_depth=8, tags=frozenset())
    if not isinstance(body, dict):
        raise MalformedError(ReasonCode.FORMAT, f"{path}.payload", "not a map")
    held = _held(body.get(_LIST), path)
    compressed = held.get("lst")
    if type(compressed) is not bytes:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.lst", "not a byte string")
    uri, issued_at, expires_at, ttl = _claims(body, (_SUB, _IAT, _EXP, _TTL), path)
    return StatusToken(
        form="cwt",
        uri=uri,
        issued_at=issued_at,
        expires_at=expires_at,
        ttl=ttl,
        status_list=StatusList.from_compressed(bits=_width(held, path), compressed=compressed, path=path),
        aggregation_uri=_text(held[_AGGREGATION], f"{path}.{_AGGREGATION}") if _AGGREGATION in held else None,
        kid=sign1.kid,
        x5c=chain_of(sign1, path),
        envelope=sign1,
    )


def _claims(
    body: Mapping[Any, Any], keys: tuple[Any, Any, Any, Any], path: str
) -> tuple[str, int, int | None, int | None]:
    sub, iat, exp, ttl = keys
    uri = _text(body.get(sub), f"{path}.sub")
    issued_at = _number(body.get(iat), f"{path}.iat")
    expires_at = _number(body[exp], f"{path}.exp") if exp in body else None
    seconds = _number(body[ttl], f"{path}.ttl") if ttl in body else None
    if seconds == 0 or (expires_at is not None and expires_at <= issued_at):
        raise MalformedError(ReasonCode.STATUS_LIST, path, "the token was never valid")
    return uri, issued_at, expires_at, seconds


def _held(value: Any, path: str) -> Mapping[Any, Any]:
    if not isinstance(value, dict):
        raise MalformedError(ReasonCode.STATUS_LIST, f"{path}.status_list", "there is no list")
    return value


def _width(held: Mapping[Any, Any], path: str) -> int:
    bits = held.get("bits")
    if type(bits) is not int:
        raise MalformedError(ReasonCode.STATUS_LIST, f"{path}.bits", "not an integer")
    return bits


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value:
        raise MalformedError(ReasonCode.CLAIM_TYPE, path, "not a text")
    return value


def _number(value: Any, path: str) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_TIME:
        raise MalformedError(ReasonCode.CLAIM_TYPE, path, "not a whole number of seconds")
    return value


def kid_bytes(text: str) -> bytes:
    """The ``kid`` of a JOSE header as it selects a key: 8 bytes in base64url, else the text itself."""
    try:
        raw = b64u_decode(text, "")
    except MalformedError:
        return text.encode()
    return raw if len(raw) == 8 else text.encode()
