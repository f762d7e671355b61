"""Compact JWS and SD-JWT as byte strings: base64url costs a third, and an envelope carries bytes.

A packed token is a flat list, without the dots and tildes:

- JWS ``h.p.s``: ``[h, p, s]``
- SD-JWT without key binding ``h.p.s~d1~...~``: ``[h, p, s, d1, ..., b""]``
- SD-JWT with key binding ``h.p.s~d1~...~kh.kp.ks``: ``[h, p, s, d1, ..., kh, kp, ks]``

The three cannot be confused: no part of a token but a JWS payload is ever empty, so the empty byte string at the
end says "no key binding", and three parts alone are a JWS. Only canonical base64url is packed, so that unpacking
gives the very same text, over which the signatures and ``sd_hash`` were made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError
from vcred.formats._wire import b64u_bytes, b64u_decode
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["pack_jws", "unpack_jws"]

_MAX_TEXT: Final = 131_072
_MAX_PARTS: Final = 1_024
_JWS_PARTS: Final = 3


def pack_jws(token: bytes | str, path: str = "token") -> list[bytes]:
    """The parts of a compact JWS or SD-JWT, decoded.

    Raises ``MalformedError``: ``format`` (neither of the two), ``encoding`` (not canonical base64url), ``size``,
    ``limit``.
    """
    raw = token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")
    if len(raw) > _MAX_TEXT:
        raise MalformedError(ReasonCode.SIZE, path, f"more than {_MAX_TEXT} bytes")
    if raw.count(b"~") > _MAX_PARTS - 2 * _JWS_PARTS:
        raise MalformedError(ReasonCode.LIMIT, path, "too many disclosures")
    signed, *rest = raw.split(b"~")
    parts = _split_jws(signed, path)
    if not rest:
        return parts
    parts += [_decoded(one, f"{path}.disclosures[{index}]") for index, one in enumerate(rest[:-1])]
    return [*parts, *_split_jws(rest[-1], f"{path}.key_binding")] if rest[-1] else [*parts, b""]


def unpack_jws(packed: Any, path: str = "token") -> bytes:
    """The compact text that ``packed`` was made from.

    Raises ``MalformedError``: ``format`` (no list that ``pack_jws`` returns), ``size``, ``limit``.
    """
    if not isinstance(packed, (list, tuple)) or not all(type(part) is bytes for part in packed):
        raise MalformedError(ReasonCode.FORMAT, path, "a packed token is a list of byte strings")
    if len(packed) > _MAX_PARTS:
        raise MalformedError(ReasonCode.LIMIT, path, f"more than {_MAX_PARTS} parts")
    if sum(map(len, packed)) > _MAX_TEXT // 4 * 3:
        raise MalformedError(ReasonCode.SIZE, path, "a packed token is too large")
    signed, rest = packed[:_JWS_PARTS], packed[_JWS_PARTS:]
    if not rest:
        return _join_jws(signed, path)
    if not rest[-1]:
        return b"~".join((_join_jws(signed, path), *_texts(rest[:-1], path), b""))
    binding = rest[-_JWS_PARTS:]
    return b"~".join((_join_jws(signed, path), *_texts(rest[:-_JWS_PARTS], path), _join_jws(binding, path)))


def _split_jws(raw: bytes, path: str) -> list[bytes]:
    parts = raw.split(b".", _JWS_PARTS)
    if len(parts) != _JWS_PARTS:
        raise MalformedError(ReasonCode.FORMAT, path, "not a compact JWS")
    header, payload, signature = parts
    return [
        _decoded(header, f"{path}.header"),
        b64u_decode(payload, f"{path}.payload"),
        _decoded(signature, f"{path}.signature"),
    ]


def _decoded(text: bytes, path: str) -> bytes:
    if not text:
        raise MalformedError(ReasonCode.FORMAT, path, "empty")
    return b64u_decode(text, path)


def _join_jws(parts: Sequence[bytes], path: str) -> bytes:
    if len(parts) != _JWS_PARTS or not parts[0] or not parts[2]:
        raise MalformedError(ReasonCode.FORMAT, path, "header, payload and signature are missing")
    return b".".join(map(b64u_bytes, parts))


def _texts(disclosures: Sequence[bytes], path: str) -> list[bytes]:
    if not all(disclosures):
        raise MalformedError(ReasonCode.FORMAT, path, "an empty disclosure")
    return [b64u_bytes(one) for one in disclosures]
