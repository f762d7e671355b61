"""The JWS JSON serialization of an SD-JWT, flattened and general (RFC 9901 section 8). Read only.

No credential format here accepts it by itself: who wants it calls ``parse_json_sd_jwt``, and ``verify_every`` then
asks for a key to each signature. One valid signature among several is never enough.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vcred.errors import MalformedError
from vcred.formats._jose import Jws, read_segments, verify_jws
from vcred.formats._wire import parse_json
from vcred.formats.sd_jwt import MAX_DISCLOSURES, MAX_TOKEN, Parsed
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vcred.keys import PublicKey

__all__ = ["JsonSdJwt", "parse_json_sd_jwt", "verify_every"]

_MAX_SIGNATURES = 8
_UNPROTECTED = frozenset({"disclosures", "kb_jwt", "kid"})


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonSdJwt:
    """``signatures`` share one payload; ``parsed`` is the compact form of the first, which ``sd_hash`` covers."""

    signatures: tuple[Jws, ...]
    parsed: Parsed = field(repr=False)


def parse_json_sd_jwt(raw: bytes, *, path: str, typ: str | tuple[str, ...]) -> JsonSdJwt:
    """Read either JSON form. Every protected header obeys the rules of ``_jose``.

    Raises ``MalformedError`` as ``parse_jws`` does, and with ``limit``.
    """
    token = parse_json(raw, path, max_bytes=MAX_TOKEN)
    if not isinstance(token, dict) or ("signatures" in token) == ("signature" in token):
        raise MalformedError(ReasonCode.FORMAT, path, "neither flattened nor general JWS JSON")
    if "signatures" in token:
        if token.keys() != {"payload", "signatures"}:
            raise MalformedError(ReasonCode.FORMAT, path, "members that do not belong beside signatures")
        entries = token["signatures"]
    else:
        entries = [{name: value for name, value in token.items() if name != "payload"}]
    if not isinstance(entries, list) or not 1 <= len(entries) <= _MAX_SIGNATURES:
        raise MalformedError(ReasonCode.LIMIT, f"{path}.signatures", f"not 1 to {_MAX_SIGNATURES} signatures")
    payload = _ascii(token.get("payload"), f"{path}.payload")
    types = (typ,) if isinstance(typ, str) else typ
    read = [_signature(entry, payload, f"{path}.signatures[{index}]", types) for index, entry in enumerate(entries)]
    if any("disclosures" in header or "kb_jwt" in header for _, _, header in read[1:]):
        raise MalformedError(ReasonCode.FORMAT, path, "disclosures belong to the first signature only")
    _, compact, first = read[0]
    disclosures = _disclosures(first.get("disclosures", []), path)
    bound = b"~".join((compact, *disclosures, b""))
    binding = _ascii(first["kb_jwt"], f"{path}.kb_jwt") if "kb_jwt" in first else None
    parsed = Parsed(jwt=compact, disclosures=disclosures, key_binding=binding, bound=bound)
    return JsonSdJwt(signatures=tuple(jws for jws, _, _ in read), parsed=parsed)


def verify_every(token: JsonSdJwt, keys: Sequence[PublicKey]) -> None:
    """Check each signature with the key at its place. Raises ``RefusedError`` for the first that does not hold.

    Raises ``ValueError`` unless there is one key for each signature.
    """
    for jws, key in zip(token.signatures, keys, strict=True):
        verify_jws(jws, key)


def _signature(entry: Any, payload: bytes, path: str, typ: tuple[str, ...]) -> tuple[Jws, bytes, dict[str, Any]]:
    if not isinstance(entry, dict) or not {"protected", "signature"} <= entry.keys() <= {
        "protected",
        "signature",
        "header",
    }:
        raise MalformedError(ReasonCode.FORMAT, path, "not a protected header, a signature and perhaps a header")
    header = entry.get("header", {})
    if not isinstance(header, dict) or not header.keys() <= _UNPROTECTED:
        raise MalformedError(ReasonCode.FORMAT, f"{path}.header", "unprotected parameters that mean nothing here")
    protected = _ascii(entry["protected"], f"{path}.protected")
    signature = _ascii(entry["signature"], f"{path}.signature")
    jws = read_segments(protected, payload, signature, path, typ, with_key=False)
    if header.keys() & jws.header.keys():
        raise MalformedError(ReasonCode.FORMAT, f"{path}.header", "a parameter is protected and unprotected")
    return jws, b".".join((protected, payload, signature)), header


def _disclosures(texts: Any, path: str) -> tuple[bytes, ...]:
    at = f"{path}.disclosures"
    if not isinstance(texts, list):
        raise MalformedError(ReasonCode.FORMAT, at, "not a list")
    if len(texts) > MAX_DISCLOSURES:
        raise MalformedError(ReasonCode.LIMIT, at, f"more than {MAX_DISCLOSURES} disclosures")
    return tuple(_ascii(text, at) for text in texts)


def _ascii(text: Any, path: str) -> bytes:
    if not isinstance(text, str) or not text or not text.isascii():
        raise MalformedError(ReasonCode.FORMAT, path, "not base64url text")
    return text.encode("ascii")
