"""Reading what both signed QR messages have: the JWS inside, and typed members of its payload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vcred.errors import MalformedError
from vcred.formats._jose import x5c_texts
from vcred.qr import Message, MessageKind, decode_message, unpack_jws
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vcred.keys import PublicKey

__all__ = ["integer", "optional_text", "packed_jws", "signer_header", "text", "texts"]


def signer_header(typ: str, key: PublicKey, client_id: str, x5c: Sequence[bytes]) -> dict[str, Any]:
    """The JOSE header of a message signed by the reader ``client_id`` names: ``x5c``, or ``kid`` without one."""
    header: dict[str, Any] = {"alg": key.alg, "typ": typ}
    if x5c:
        header["x5c"] = x5c_texts(x5c)
    else:
        header["kid"] = client_id.partition(":")[2]
    return header


def packed_jws(source: str | bytes | Message, kind: MessageKind) -> bytes:
    """The compact JWS in a message, message bytes, or as it stands."""
    if isinstance(source, str):
        return source.encode("utf-8", "replace")
    if isinstance(source, bytes) and source[:3] == b"eyJ":
        return source
    message = source if isinstance(source, Message) else decode_message(source)
    if message.kind is not kind:
        raise MalformedError(ReasonCode.FORMAT, "message.kind", f"this is not a {kind.name.lower()}")
    if set(message.body) != {1}:
        raise MalformedError(ReasonCode.FORMAT, "message", "the body has one member")
    return unpack_jws(message.body[1], "message[1]")


def text(payload: dict[str, Any], name: str, where: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str) or not value or len(value) > 1_024:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{where}.{name}", "must be text of 1 to 1,024 characters")
    return value


def optional_text(payload: dict[str, Any], name: str, where: str) -> str | None:
    return text(payload, name, where) if name in payload else None


def texts(payload: dict[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = payload.get(name)
    if not isinstance(value, list) or len(value) > 256 or not all(isinstance(one, str) for one in value):
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{where}.{name}", "must be a list of texts")
    return tuple(value)


def integer(payload: dict[str, Any], name: str, where: str) -> int:
    value = payload.get(name)
    if type(value) is not int or not 0 <= value <= 253_402_300_799:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{where}.{name}", "must be a time or duration in whole seconds")
    return value
