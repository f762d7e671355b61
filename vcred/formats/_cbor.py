"""CBOR (RFC 8949), strictly: ``cbor2`` does the work, this module takes away everything it is lenient about.

Refused: duplicate map keys, indefinite lengths, trailing bytes, tags outside an allow-list (bignums are tags),
map keys that are not integers or text, NaN, infinities, ``undefined``, every simple value but false, true and
null, invalid UTF-8, too many bytes, too many levels. Accepted: integers and lengths that are longer than they
need to be, because a signature is checked over the bytes received and never over a re-encoding.

``cbor2.loads`` stops after one item and does not say where, and ``CBORDecoder``, which does, takes three times
as long. So the input is decoded as the first element of an array whose second is a 64-bit number that only
this process knows: it comes out second if and only if the input was exactly one item. An input that ends too
early swallows the number, one that goes on would have to guess it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import cbor2
from cbor2 import CBORSimpleValue, CBORTag

from vcred.errors import MalformedError
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["REDACTED_KEYS", "TAGS", "Embedded", "Redacted", "Tagged", "bstr", "decode", "decode_all", "encode"]

TAGS: Final = frozenset({18, 24, 60})
"""The tags accepted when a caller names none: COSE_Sign1, embedded CBOR, redacted element."""

MAX_ITEMS: Final = 4096
"""How many items ``decode_all`` takes at once."""

_REDACTED_TAG: Final = 60
_EMBEDDED_TAG: Final = 24
_OVER_BYTES: Final = frozenset({_EMBEDDED_TAG, _REDACTED_TAG})
_REDACTED_SIMPLE: Final = CBORSimpleValue(59)
# Odd and above 2^63, so that no float and no shorter integer equals it.
_MARK: Final = secrets.randbits(64) | 1 << 63 | 1
_MARK_BYTES: Final = b"\x1b" + _MARK.to_bytes(8, "big")
# Tags that cbor2 interprets by itself; each is taken over. Others come out as a ``CBORTag`` for ``_tidy`` to judge.
_INTERPRETED: Final = (
    *(0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100),
    *(256, 258, 260, 261, 1004, 43000, 55799),
)
_HEADS: Final = tuple(
    tuple(bytes((major << 5 | value,)) if value < 24 else bytes((major << 5 | 24, value)) for value in range(256))
    for major in range(7)
)
_BSTR_HEADS: Final = _HEADS[2]
_TEXT_HEADS: Final = _HEADS[3]
_LONG: Final = 6
_KEY_TYPES: Final = frozenset({int, str})
_BYTES: Final = frozenset({bytes})
_FAULTS: Final = (cbor2.CBORError, MalformedError, TypeError, ValueError)
_ATOMS: Final = frozenset({int, str, bytes, bool, type(None)})
_DECODED: Final = _ATOMS | {list, dict}


class _RedactedKeys:
    """The map key simple(59). Not ``cbor2.CBORSimpleValue(59)``: that one equals the integer 59."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "simple(59)"

    def __reduce__(self) -> str:
        return "REDACTED_KEYS"


REDACTED_KEYS: Final = _RedactedKeys()
"""The map key under which SD-CWT keeps the digests of hidden members."""


class Redacted(NamedTuple):
    """An array element that is hidden: tag 60 over its digest. A named tuple is the cheapest frozen thing to make."""

    digest: bytes


class Embedded(NamedTuple):
    """Tag 24: the encoded item as received, not decoded."""

    raw: bytes


class Tagged(NamedTuple):
    """Any other tag that the caller allows, uninterpreted."""

    tag: int
    value: Any


def decode(data: bytes, path: str, *, max_bytes: int, max_depth: int = 32, tags: frozenset[int] = TAGS) -> Any:
    """The one item that ``data`` is: integers, bytes, text, lists, dicts, booleans, ``None``, finite floats.

    Tag 24 becomes ``Embedded``, tag 60 ``Redacted``, any other of ``tags`` ``Tagged``. Where tag 60 is allowed,
    so is the map key simple(59), which becomes ``REDACTED_KEYS``. ``path`` names ``data`` in errors.
    Raises ``MalformedError``: ``size``, ``depth``, ``tag``, ``cbor``.
    """
    if len(data) > max_bytes:
        raise MalformedError(ReasonCode.SIZE, path, f"more than {max_bytes} bytes")
    try:
        found: list[Any] = cbor2.loads(b"\x82" + data + _MARK_BYTES, **_options(max_depth + 1, tags))
        _tidy(found, tags)
    except _FAULTS:
        raise _refusal(data, path, max_depth, tags) from None
    if found[1] != _MARK:
        raise _refusal(data, path, max_depth, tags)
    return found[0]


def decode_all(
    items: Sequence[bytes], path: str, *, max_bytes: int, max_depth: int = 32, tags: frozenset[int] = TAGS
) -> list[Any]:
    """Each of ``items`` as ``decode`` reads it, faster than one by one. ``max_bytes`` is for all together.

    An error names the item, as ``path[3]``. Raises ``MalformedError``, also with ``limit``.
    """
    if len(items) > MAX_ITEMS:
        raise MalformedError(ReasonCode.LIMIT, path, f"more than {MAX_ITEMS} items")
    if sum(map(len, items)) > max_bytes:
        raise MalformedError(ReasonCode.SIZE, path, f"more than {max_bytes} bytes")
    stream = _head(4, 2 * len(items)) + _MARK_BYTES.join((*items, b""))
    try:
        found: list[Any] = cbor2.loads(stream, **_options(max_depth + 1, tags))
        _tidy(found, tags)
    except _FAULTS:
        found = []
    if found[1::2] == [_MARK] * len(items):
        return found[::2]
    # Something is wrong with one of them: read them apart to say which.
    return [
        decode(item, f"{path}[{index}]", max_bytes=max_bytes, max_depth=max_depth, tags=tags)
        for index, item in enumerate(items)
    ]


def encode(value: Any) -> bytes:
    """Deterministic CBOR (RFC 8949 section 4.2.1) of what ``decode`` returns, floats excepted.

    Raises ``TypeError`` for anything else, ``ValueError`` for text that is no Unicode, an integer beyond 64 bits or
    a map with both simple(59) and 59 as keys, which ``cbor2`` cannot tell apart when it reads.
    """
    kind = type(value)
    if kind is str:
        raw: bytes = value.encode()
        return (_TEXT_HEADS[len(raw)] if len(raw) < 256 else _head(3, len(raw))) + raw
    if kind is bytes:
        return bstr(value)
    if kind is int:
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if kind is list or kind is tuple:
        # A list of digests or disclosures is the longest there is.
        parts = map(bstr, value) if _BYTES.issuperset(map(type, value)) else map(encode, value)
        return b"".join((_head(4, len(value)), *parts))
    if kind is dict:
        return _encode_map(value)
    return _encode_rare(value)


def bstr(data: bytes) -> bytes:
    """``data`` as a CBOR byte string, with the shortest header."""
    size = len(data)
    return (_BSTR_HEADS[size] if size < 256 else _head(2, size)) + data


@cache
def _options(max_depth: int, tags: frozenset[int]) -> dict[str, Any]:
    return {
        "max_depth": max_depth,
        "allow_indefinite": False,
        "allow_duplicate_keys": False,
        "semantic_decoders": {
            # No hook for a tag over bytes: calling them takes longer than all the rest of a document with many.
            tag: _keep(tag) if tag in tags else _refuse(tag)
            for tag in (*_INTERPRETED, *(tags - _OVER_BYTES))
        },
    }


def _refusal(data: bytes, path: str, max_depth: int, tags: frozenset[int]) -> MalformedError:
    """Why ``data`` was refused. It is read again without the mark, whose bytes would make the answer vary."""
    try:
        decoder = cbor2.CBORDecoder(BytesIO(data), **_options(max_depth, tags))
        _tidy([decoder.decode()], tags)
    except _FAULTS as error:
        return _reason(error, path)
    return MalformedError(ReasonCode.CBOR, path, "bytes after the item")


def _reason(error: Exception, path: str) -> MalformedError:
    # cbor2 wraps what a hook raises; its texts repeat input, so none of them is passed on.
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, MalformedError):
            return MalformedError(inner.code, path, inner.detail)
        inner = inner.__cause__
    if str(error).startswith("maximum container nesting depth"):
        return MalformedError(ReasonCode.DEPTH, path, "nested too deeply")
    return MalformedError(ReasonCode.CBOR, path, "not one well-formed item of definite length without duplicate keys")


def _unlisted(tag: int) -> MalformedError:
    return MalformedError(ReasonCode.TAG, "", f"tag {tag} is not allowed here")


def _refuse(tag: int) -> Any:
    def refuse(_value: Any, _immutable: bool) -> Any:  # noqa: FBT001  # called by cbor2
        raise _unlisted(tag)

    return refuse


def _keep(tag: int) -> Any:
    # Of itself cbor2 would make a tuple of a list below a tag.
    def keep(value: Any, _immutable: bool) -> Any:  # noqa: FBT001  # called by cbor2
        return CBORTag(tag, value)

    return keep


def _tidy(found: list[Any], tags: frozenset[int]) -> None:
    """Refuse what no list or dict may hold, and put our own types in the place of cbor2's."""
    waiting: list[Any] = [found]
    for node in waiting:  # it grows on the way
        children = node
        if type(node) is dict:
            for key in node:
                if type(key) not in _KEY_TYPES:
                    _tidy_keys(node, tags)
                    break
            children = node.values()
        elif len(node) > _LONG and _ATOMS.issuperset(map(type, node)):
            continue
        rare = False
        for child in children:
            kind = type(child)
            if kind in _ATOMS:
                continue
            if kind is list or kind is dict:
                waiting.append(child)
            else:
                rare = True
        if rare:
            _tidy_rare(node, tags, waiting)


def _tidy_rare(node: Any, tags: frozenset[int], waiting: list[Any]) -> None:
    """See to what is in ``node`` besides atoms and containers."""
    for place, child in node.items() if type(node) is dict else enumerate(node):
        kind = type(child)
        if kind is CBORTag:
            node[place] = _tidy_tag(child, tags, waiting)
        elif kind is float:
            if not isfinite(child):
                raise MalformedError(ReasonCode.CBOR, "", "a number that is not finite")
        elif kind not in _DECODED:
            raise MalformedError(ReasonCode.CBOR, "", "undefined or an unknown simple value")


def _tidy_tag(found: CBORTag, tags: frozenset[int], waiting: list[Any]) -> Embedded | Redacted | Tagged:
    tag, value = found.tag, found.value
    if tag not in tags:
        raise _unlisted(tag)
    if tag in _OVER_BYTES:
        if type(value) is not bytes:
            raise MalformedError(ReasonCode.TAG, "", f"tag {tag} is not over a byte string")
        return Embedded(value) if tag == _EMBEDDED_TAG else Redacted(value)
    # A tag in a tag is a level of its own to cbor2, so that this goes no deeper than it did.
    inside = [value]
    if type(value) is list or type(value) is dict:
        waiting.append(value)
    else:
        _tidy_rare(inside, tags, waiting)
    return Tagged(tag, inside[0])


def _tidy_keys(node: dict[Any, Any], tags: frozenset[int]) -> None:
    for key in list(node):
        if type(key) in _KEY_TYPES:
            continue
        if type(key) is CBORTag and key.tag not in tags:
            raise _unlisted(key.tag)
        if not (_REDACTED_TAG in tags and type(key) is CBORSimpleValue and key == _REDACTED_SIMPLE):
            raise MalformedError(ReasonCode.CBOR, "", "a map key that is neither integer nor text")
        node[REDACTED_KEYS] = node.pop(key)


def _head(major: int, value: int) -> bytes:
    if value < 256:
        return _HEADS[major][value]
    for size in (2, 4, 8):
        if value < 1 << 8 * size:
            return bytes((major << 5 | 23 + size.bit_length(),)) + value.to_bytes(size, "big")
    raise ValueError("an integer beyond 64 bits has no CBOR integer")


def _encode_map(value: Mapping[Any, Any]) -> bytes:
    if REDACTED_KEYS in value and 59 in value:
        raise ValueError("a map with both simple(59) and 59 as keys")
    # No key is the beginning of another, so members are in the order of their keys.
    members = [
        (encode(key) if type(key) in _KEY_TYPES else _encode_key(key)) + encode(member) for key, member in value.items()
    ]
    members.sort()
    return _head(5, len(members)) + b"".join(members)


def _encode_key(key: Any) -> bytes:
    if key is REDACTED_KEYS:
        return b"\xf8\x3b"
    raise TypeError(f"{type(key).__name__} is not a map key")


def _encode_rare(value: Any) -> bytes:
    if value is None or isinstance(value, bool):
        return b"\xf6" if value is None else (b"\xf5" if value else b"\xf4")
    if isinstance(value, Redacted):
        return _head(6, _REDACTED_TAG) + bstr(value.digest)
    if isinstance(value, Embedded):
        return _head(6, _EMBEDDED_TAG) + bstr(value.raw)
    if isinstance(value, Tagged):
        return _head(6, value.tag) + encode(value.value)
    if isinstance(value, Mapping):
        return _encode_map(value)
    raise TypeError(f"{type(value).__name__} is not encoded")
