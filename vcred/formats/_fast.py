"""JSON and base64 in native code, where the extra ``fast`` is installed. Without it all is the same, but slower.

Neither library is as strict as ``_wire``, so neither decides anything:

1. ``read_json`` answers only for a text that is, byte for byte, what ``orjson`` writes for the value it read. Such a
   text has no duplicate member, no number beyond 64 bits, no lone surrogate and nothing that is not JSON, and the
   standard library reads the same from it. Of any other text nothing is said; ``_wire`` reads it by itself.
2. ``read_base64`` answers only for text in the URL alphabet and no other character. Length and stray bits are checked
   before it is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

__all__ = ["LONG", "UNREAD", "read_base64", "read_json"]

UNREAD: Final = object()
"""The answer when there is none."""

LONG: Final = 256
"""Characters of base64 from which on ``read_base64`` is worth its call."""


def _installed(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


_orjson = _installed("orjson")
_pybase64 = _installed("pybase64")


def read_json(data: bytes) -> Any:
    """The value of ``data``, or ``UNREAD`` unless it is written as we would write it."""
    if _orjson is None:
        return UNREAD
    try:
        value = _orjson.loads(data)
        return value if _orjson.dumps(value) == data else UNREAD
    except (ValueError, TypeError):
        return UNREAD


def read_base64(text: bytes, padding: bytes) -> bytes | None:
    """The bytes that unpadded base64url text stands for, or ``None`` for any doubt about it."""
    # It would take the standard alphabet too, and padding that came with the text.
    if _pybase64 is None or b"+" in text or b"/" in text or b"=" in text:
        return None
    try:
        raw: bytes = _pybase64.b64decode(text + padding, b"-_", True)
    except ValueError:
        return None
    return raw
