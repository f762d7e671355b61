"""The envelope: what one message is before it is drawn, and strictly read after (docs/qr-profile.md section 2).

tag 0x56 | version 1 | coding | [dictionary id] | body. The body is the CBOR array [kind, map], as it is or
deflated, with or without a preset dictionary that both sides have.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, Protocol

from vcred.errors import MalformedError
from vcred.formats._cbor import decode as cbor_decode
from vcred.formats._cbor import encode as cbor_encode
from vcred.qr.dictionary import DICTIONARIES, load_dictionary
from vcred.reasons import ReasonCode

__all__ = [
    "ENVELOPE_TAG",
    "MAX_BODY",
    "MAX_ENVELOPE",
    "HasMessage",
    "Message",
    "MessageKind",
    "decode_message",
    "encode_message",
]

ENVELOPE_TAG: Final = 0x56
MAX_ENVELOPE: Final = 65_535
"""Bytes of an envelope: what the length field of a frame can say."""
MAX_BODY: Final = 65_536
"""Bytes of CBOR, inflated."""

_VERSION: Final = 1
_STORED, _DEFLATED, _WITH_DICTIONARY = 0, 1, 2
_MAX_DEPTH: Final = 16
_NO_TAGS: Final[frozenset[int]] = frozenset()
_PATH: Final = "message"


class MessageKind(IntEnum):
    """What a message is for."""

    REQUEST = 1
    RESPONSE = 2
    ONE_WAY = 3
    RECEIPT = 4
    PAPER = 5
    OFFER = 6
    PROOF = 7
    DELIVERY = 8


@dataclass(frozen=True, slots=True)
class Message:
    """A kind and a body of CBOR values, keyed by integers or text. What the body must hold, the kind's owner checks."""

    kind: MessageKind
    body: Mapping[str | int, Any] = field(repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.kind, MessageKind):
            raise TypeError("the kind of a Message is a MessageKind")
        if not isinstance(self.body, Mapping):
            raise TypeError("the body of a Message is a mapping")


class HasMessage(Protocol):
    """Anything that can be sent as a message."""

    def to_message(self) -> Message:
        """The message that says it."""
        ...


def encode_message(message: Message, *, dictionary: int | None = 1) -> bytes:
    """The envelope of ``message``, in the smallest of the codings; ``dictionary=None`` leaves out the preset ones.

    Raises ``ValueError`` for a dictionary that does not exist or a message beyond the limits, ``TypeError`` for a
    body that CBOR does not take.
    """
    body = cbor_encode([int(message.kind), message.body])
    if len(body) > MAX_BODY:
        raise ValueError(f"a message body has at most {MAX_BODY} bytes")
    codings = [bytes((_STORED,)) + body, bytes((_DEFLATED,)) + _deflate(body, b"")]
    if dictionary is not None:
        preset = load_dictionary(dictionary)
        codings.append(bytes((_WITH_DICTIONARY, dictionary)) + _deflate(body, preset))
    envelope = bytes((ENVELOPE_TAG, _VERSION)) + min(codings, key=len)
    if len(envelope) > MAX_ENVELOPE:
        raise ValueError(f"an envelope has at most {MAX_ENVELOPE} bytes")
    return envelope


def decode_message(data: bytes) -> Message:
    """Read one envelope.

    Raises ``MalformedError``: ``format`` (not an envelope, or a version, coding, dictionary or kind nobody knows
    here), ``size``, ``encoding`` (deflate), ``cbor``, ``depth``, ``tag``.
    """
    if len(data) > MAX_ENVELOPE:
        raise MalformedError(ReasonCode.SIZE, _PATH, f"more than {MAX_ENVELOPE} bytes")
    if data[:1] != bytes((ENVELOPE_TAG,)):
        raise MalformedError(ReasonCode.FORMAT, _PATH, "not a message of this profile")
    if data[1:2] != bytes((_VERSION,)):
        raise MalformedError(ReasonCode.FORMAT, f"{_PATH}.version", "a version of the profile unknown here")
    found = cbor_decode(_body(data), _PATH, max_bytes=MAX_BODY, max_depth=_MAX_DEPTH, tags=_NO_TAGS)
    if type(found) is not list or len(found) != 2 or type(found[0]) is not int or type(found[1]) is not dict:
        raise MalformedError(ReasonCode.FORMAT, _PATH, "not a kind and a map")
    if found[0] not in MessageKind.__members__.values():
        raise MalformedError(ReasonCode.FORMAT, f"{_PATH}.kind", "a kind of message unknown here")
    return Message(MessageKind(found[0]), found[1])


def _body(data: bytes) -> bytes:
    coding = data[2] if len(data) > 2 else -1
    if coding == _STORED:
        return data[3:]
    if coding == _DEFLATED:
        return _inflate(data[3:], b"")
    if coding != _WITH_DICTIONARY:
        raise MalformedError(ReasonCode.FORMAT, f"{_PATH}.coding", "a coding unknown here")
    if len(data) < 4 or data[3] not in DICTIONARIES:
        raise MalformedError(ReasonCode.FORMAT, f"{_PATH}.dictionary", "a dictionary unknown here")
    return _inflate(data[4:], load_dictionary(data[3]))


def _deflate(data: bytes, preset: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zdict=preset)
    return deflater.compress(data) + deflater.flush()


def _inflate(data: bytes, preset: bytes) -> bytes:
    # formats._wire inflates without a dictionary; the rules are the same: capped, complete, nothing after it.
    inflater = zlib.decompressobj(-zlib.MAX_WBITS, zdict=preset)
    try:
        plain = inflater.decompress(data, MAX_BODY + 1)
    except zlib.error:
        raise MalformedError(ReasonCode.ENCODING, _PATH, "not valid deflate data") from None
    if len(plain) > MAX_BODY:
        raise MalformedError(ReasonCode.SIZE, _PATH, f"inflates to more than {MAX_BODY} bytes")
    if not inflater.eof or inflater.unused_data:
        raise MalformedError(ReasonCode.ENCODING, _PATH, "deflate data is cut short or followed by more")
    return plain
