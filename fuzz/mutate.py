"""Changes that keep most of an input readable, so that what lies behind the first decoding is reached too.

The structural ones are those of ``tests/hostile/test_parsers.py``; here are the ones that hand an inner part
(a segment of a token, a byte string in CBOR, a text in a URI) to libFuzzer's own mutations, guided by coverage.
"""

from __future__ import annotations

import re
import zlib
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from typing import TYPE_CHECKING

from tests.hostile.test_parsers import cbor_changed, changed
from vcred.formats._wire import b64u_bytes

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

__all__ = ["mutate"]

_TOKEN = re.compile(rb"([.~\"|,:\s=&?]+)")
_MIN_PART = 8
_CONTAINERS = frozenset(bytes((first,)) for first in range(0x80, 0xDC))
"""First bytes of CBOR arrays, maps and tags."""


def mutate(raw: bytes, max_size: int, dice: random.Random, native: Callable[[bytes, int], bytes]) -> bytes:
    """``raw`` changed to at most ``max_size`` bytes. ``native`` is libFuzzer's own mutation."""
    choice = dice.random()
    try:
        if choice < 0.45:
            made = _structure(raw, dice)
        elif choice < 0.65:
            made = _inside(raw, max_size, dice, native)
        else:
            made = native(raw, max_size)
    except Exception:  # noqa: BLE001 - whatever the codecs of the mutation say of bytes that have no such structure
        made = native(raw, max_size)
    return made if len(made) <= max_size else made[:max_size]


def _structure(raw: bytes, dice: random.Random) -> bytes:
    lines = raw.split(b"\n")
    readable = [index for index, line in enumerate(lines) if line[:1] in (b"{", b"[")]
    if len(lines) > 1 and readable:
        index = dice.choice(readable)
        lines[index] = changed(lines[index], lines, dice).replace(b"\n", b" ")
        return b"\n".join(lines)
    if raw[:1] in _CONTAINERS and dice.random() < 0.7:
        return cbor_changed(raw, dice)
    return changed(raw, [raw], dice)


def _inside(raw: bytes, max_size: int, dice: random.Random, native: Callable[[bytes, int], bytes]) -> bytes:
    """A part in base64url, or all of it where it is deflated, opened, changed and closed again."""
    parts = _TOKEN.split(raw)
    encoded = [index for index, part in enumerate(parts) if len(part) >= _MIN_PART and _opened(part) is not None]
    if not encoded:
        return _inflated(raw, max_size, native)
    index = dice.choice(encoded)
    parts[index] = b64u_bytes(native(_opened(parts[index]) or b"", max_size))
    return b"".join(parts)


def _opened(part: bytes) -> bytes | None:
    try:
        return urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except (Base64Error, ValueError):
        return None


def _inflated(raw: bytes, max_size: int, native: Callable[[bytes, int], bytes]) -> bytes:
    try:
        return zlib.compress(native(zlib.decompress(raw), max_size))
    except zlib.error:
        return native(raw, max_size)
