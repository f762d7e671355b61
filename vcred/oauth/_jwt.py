"""Signed JWTs as these protocols use them: one ``typ``, an object inside, times that are whole seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vcred.errors import MalformedError, RefusedError
from vcred.formats._jose import parse_jws, parse_proof
from vcred.formats._wire import epoch, parse_json
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from vcred.formats._jose import Jws
    from vcred.keys import PublicKey

__all__ = ["check_expiry", "check_issued_at", "moment", "optional_text", "read_jwt", "read_proof", "text"]

LEEWAY = 60
"""Seconds that honest clocks may differ."""

_MAX = 32_768
_MAX_TIME = 253_402_300_799


def read_jwt(token: bytes | str, *, path: str, typ: str, max_bytes: int = _MAX) -> tuple[Jws, dict[str, Any]]:
    """A JWS of that ``typ`` and its claims. Verifies nothing. Raises ``MalformedError``."""
    jws = parse_jws(token, path=path, typ=typ, max_bytes=max_bytes)
    return jws, _claims(jws, path, max_bytes)


def read_proof(token: bytes | str, *, path: str, typ: str) -> tuple[Jws, PublicKey, dict[str, Any]]:
    """The same for a proof of possession, whose key is in its header. Verifies nothing. Raises ``MalformedError``."""
    jws, key = parse_proof(token, path=path, typ=typ, max_bytes=_MAX)
    return jws, key, _claims(jws, path)


def text(claims: Mapping[str, Any], name: str, path: str, *, most: int = 1024) -> str:
    """A claim that is text. Raises ``MalformedError``."""
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.{name}", f"must be text of 1 to {most} characters")
    return value


def optional_text(claims: Mapping[str, Any], name: str, path: str, *, most: int = 1024) -> str | None:
    """The same for a claim that may be absent."""
    return text(claims, name, path, most=most) if name in claims else None


def moment(claims: Mapping[str, Any], name: str, path: str) -> int:
    """A claim that is a time in whole seconds. Raises ``MalformedError``."""
    value = claims.get(name)
    if type(value) is not int or not 0 <= value <= _MAX_TIME:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.{name}", "must be a time in whole seconds")
    return value


def check_issued_at(issued_at: int, path: str, *, at: datetime, seconds: int) -> None:
    """``iat`` is at most ``seconds`` ago and not in the future. Raises ``RefusedError``."""
    if not -LEEWAY <= epoch(at) - issued_at <= seconds:
        raise RefusedError(ReasonCode.IAT, f"{path}.iat", f"not within the last {seconds} s")


def check_expiry(expires_at: int, path: str, *, at: datetime) -> None:
    """``exp`` has not passed. Raises ``RefusedError``."""
    if epoch(at) > expires_at + LEEWAY:
        raise RefusedError(ReasonCode.EXPIRED, f"{path}.exp", "has passed")


def _claims(jws: Jws, path: str, max_bytes: int = _MAX) -> dict[str, Any]:
    claims = parse_json(jws.payload, f"{path}.payload", max_bytes=max_bytes, max_depth=12)
    if not isinstance(claims, dict):
        raise MalformedError(ReasonCode.FORMAT, f"{path}.payload", "not an object")
    return claims
