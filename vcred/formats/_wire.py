"""The bottom layer of every text format: base64url, JSON and deflate, each read in one strict way.

Everything here takes bytes a stranger sent. Limits are checked before the work they limit, nothing walks
characters in Python, and only ``MalformedError`` comes out of a parser.
"""

from __future__ import annotations

import json
import re
import secrets
import zlib
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn

from vcred.errors import MalformedError
from vcred.formats._fast import LONG, UNREAD, read_base64, read_json
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = [
    "b64u_all",
    "b64u_bytes",
    "b64u_decode",
    "b64u_encode",
    "dump_json",
    "epoch",
    "inflate_raw",
    "inflate_zlib",
    "parse_json",
    "parse_json_all",
]

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_TO_STANDARD = bytes(c if c in _ALPHABET else {0x2D: 0x2B, 0x5F: 0x2F}.get(c, 0) for c in range(256))
_TO_URL = bytes.maketrans(b"+/", b"-_")
_PADDING = (b"", b"", b"==", b"=")
# The last character of an unpadded text carries 4 or 2 bits that no byte uses; only zero bits are canonical.
_LAST = (frozenset(range(256)), frozenset[int](), frozenset(b"AQgw"), frozenset(b"AEIMQUYcgkosw048"))

_MAX_NUMBER = 40
# A closing quote is optional, so that an unterminated text is skipped once and not searched again from each quote.
_TEXT = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SPACE = " \t\n\r"
# A text that only this process knows, and so in no input but where ``parse_json_all`` puts it.
_MARK = secrets.token_hex(16)
_BETWEEN = f',"{_MARK}",'.encode()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def b64u_encode(raw: bytes) -> str:
    """Unpadded base64url (RFC 7515 section 2)."""
    return str(b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"="), "ascii")


def b64u_bytes(raw: bytes) -> bytes:
    """``b64u_encode`` as ASCII bytes."""
    return b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"=")


def b64u_all(digests: Sequence[bytes]) -> list[str]:
    """``b64u_encode`` of each of ``digests``, which are of one length and not empty, in one pass.

    Each is filled up with zeros to whole groups of three bytes; the characters of these zeros are cut off again.
    """
    if not digests:
        return []
    size = len(digests[0])
    block = b64u_encode((b"\0" * (-size % 3)).join((*digests, b"")))
    step, length = (size + 2) // 3 * 4, (size * 4 + 2) // 3
    return [block[start : start + length] for start in range(0, len(block), step)]


def b64u_decode(text: str | bytes, path: str) -> bytes:
    """Read unpadded base64url: no other character, no stray bits.

    Raises ``MalformedError`` with ``encoding``.
    """
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    tail = len(raw) & 3
    if raw and raw[-1] not in _LAST[tail]:
        raise MalformedError(ReasonCode.ENCODING, path, "not unpadded base64url: length or stray bits")
    if len(raw) >= LONG:
        found = read_base64(raw, _PADDING[tail])
        if found is not None:
            return found
    try:
        return a2b_base64(raw.translate(_TO_STANDARD) + _PADDING[tail], strict_mode=True)
    except Base64Error:
        raise MalformedError(ReasonCode.ENCODING, path, "not unpadded base64url") from None


def parse_json(data: bytes | str, path: str, *, max_bytes: int, max_depth: int = 32) -> Any:
    """Read one JSON text (RFC 8259) of at most ``max_bytes`` bytes and ``max_depth`` nested containers.

    No byte order mark, no duplicate member, no lone surrogate, no number that is not finite or has more
    than 40 characters. Raises ``MalformedError`` with ``size``, ``json``, ``depth`` or ``duplicate_key``.
    """
    if len(data) > max_bytes:
        raise MalformedError(ReasonCode.SIZE, path, f"more than {max_bytes} bytes of JSON")
    if isinstance(data, bytes) and _brackets(data) <= max_depth:
        value = read_json(data)
        if value is not UNREAD:
            return value
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        if not isinstance(data, bytes) and not data.isascii() and len(data.encode("utf-8")) > max_bytes:
            raise MalformedError(ReasonCode.SIZE, path, f"more than {max_bytes} bytes of JSON")
    except UnicodeError:
        raise MalformedError(ReasonCode.JSON, path, "not UTF-8") from None
    if text.count("[") + text.count("{") > max_depth and _deeper(text, max_depth):
        raise MalformedError(ReasonCode.DEPTH, path, f"more than {max_depth} nested containers")
    return _read(text, path)


def parse_json_all(items: Sequence[bytes], path: str, *, max_bytes: int, max_depth: int = 32) -> list[Any]:
    """Each of ``items`` as ``parse_json`` reads it, faster than one by one. An error names the item: ``path[3]``.

    They are read as one array with a secret mark after each. All marks are where they were put, and nothing else is
    between them than one value each, if and only if every item is one JSON text. In any other case, and where size
    or depth is in doubt, they are read one by one.
    """
    array = b"[" + _BETWEEN.join((*items, b"0]"))
    shallow = _brackets(array) <= max_depth or all(_brackets(item) <= max_depth for item in items)
    if shallow and len(array) <= max_bytes:
        found = [read_json(item) for item in items]
        if UNREAD not in found:
            return found
        with suppress(MalformedError, UnicodeError):
            found = _read(array.decode("utf-8"), path)
        if found[1::2] == [_MARK] * len(items) and found[-1:] == [0]:
            return found[:-1:2]
    return [
        parse_json(item, f"{path}[{index}]", max_bytes=max_bytes, max_depth=max_depth)
        for index, item in enumerate(items)
    ]


def _brackets(text: bytes) -> int:
    """How many containers there may be in ``text``, and so how deep they may be."""
    return text.count(b"[") + text.count(b"{")


def _read(text: str, path: str) -> Any:
    try:
        start = len(text) - len(text.lstrip(_SPACE)) if text[:1] in _SPACE else 0
        value, end = _DECODER.raw_decode(text, start)
        if end != len(text) and text[end:].strip(_SPACE):
            raise ValueError("trailing text")
        if "\\" in text and _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except _DuplicateError:
        raise MalformedError(ReasonCode.DUPLICATE_KEY, path, "a member name appears twice") from None
    except ValueError:
        raise MalformedError(ReasonCode.JSON, path, "not valid JSON") from None
    return value


def dump_json(value: Any) -> bytes:
    """Compact UTF-8 JSON. Raises ``ValueError`` or ``TypeError`` for what JSON cannot say."""
    return "".join(_encode(value, 0)).encode("utf-8")


def inflate_raw(data: bytes, limit: int, path: str) -> bytes:
    """Raw deflate (RFC 1951) to at most ``limit`` bytes, all of ``data`` used.

    Raises ``MalformedError`` with ``size`` or ``encoding``.
    """
    return _inflate(data, limit, path, -zlib.MAX_WBITS)


def inflate_zlib(data: bytes, limit: int, path: str) -> bytes:
    """The same for zlib data (RFC 1950), whose checksum must hold."""
    return _inflate(data, limit, path, zlib.MAX_WBITS)


def epoch(at: datetime) -> int:
    """Whole seconds since 1970. Raises ``ValueError`` for a time without an offset."""
    if at.tzinfo is None or at.utcoffset() is None:
        raise ValueError("a time must say its offset: use an aware datetime")
    return (at - _EPOCH) // timedelta(seconds=1)


class _DuplicateError(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _DuplicateError
    return members


def _float(text: str) -> float:
    value = float(text)
    if len(text) > _MAX_NUMBER or not isfinite(value):
        raise ValueError("number out of range")
    return value


def _int(text: str) -> int:
    if len(text) > _MAX_NUMBER:
        raise ValueError("number out of range")
    return int(text)


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_float, parse_int=_int, parse_constant=_refuse_constant
)


def _refuse_object(value: Any) -> NoReturn:
    raise TypeError(f"JSON has no {type(value).__name__}")


def _make_encode() -> Callable[[Any, int], Iterable[str]]:
    # json builds an encoder anew for every call, which costs more than encoding a small text does.
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        plain = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return lambda value, _: (plain.encode(value),)
    encode: Callable[[Any, int], Iterable[str]] = make(
        None, _refuse_object, json.encoder.encode_basestring, None, ":", ",", False, False, False
    )
    return encode


_encode = _make_encode()


def _deeper(text: str, max_depth: int) -> bool:
    depth = 0
    for mark in _BRACKET.finditer(_TEXT.sub("", text)):
        if mark[0] in "[{":
            depth += 1
            if depth > max_depth:
                return True
        else:
            depth -= 1
    return False


def _inflate(data: bytes, limit: int, path: str, window: int) -> bytes:
    inflater = zlib.decompressobj(window)
    try:
        plain = inflater.decompress(data, limit + 1)
    except zlib.error:
        raise MalformedError(ReasonCode.ENCODING, path, "not valid deflate data") from None
    if len(plain) > limit:
        raise MalformedError(ReasonCode.SIZE, path, f"inflates to more than {limit} bytes")
    if not inflater.eof or inflater.unused_data:
        raise MalformedError(ReasonCode.ENCODING, path, "deflate data is cut short or followed by more")
    return plain
