"""Frames of one long message: a systematic random linear fountain over GF(2) (docs/qr-profile.md section 4).

The message is cut into N equal parts. Frame i < N is part i; every later frame is the exclusive or of the parts
that a mask chooses, and the mask is a hash of the frame's header. So any order, any loss and any number of
duplicates will do: about N + 2 different frames give the message back.

A linear generator in place of the hash would make masks that are linear combinations of each other and never
complete a long message.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field, replace
from typing import Final

from vcred.errors import MalformedError
from vcred.reasons import ReasonCode

__all__ = [
    "HEADER_SIZE",
    "MAX_INDEX",
    "MAX_PART",
    "MAX_PARTS",
    "Assembly",
    "Frame",
    "Source",
    "parse_frame",
    "part_mask",
]

HEADER_SIZE: Final = 9
MAX_PARTS: Final = 128
MAX_PART: Final = 1_248
"""Bytes of one part: a page's digit code. An animated frame has at most 635."""
MAX_INDEX: Final = 65_535

_HEADER: Final = struct.Struct(">4sBHH")
_MASK_DOMAIN: Final = b"vcred-qr-1"
_PATH: Final = "frame"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame: which message, how many parts and bytes that has, which frame this is, and its bytes."""

    message_id: bytes
    count: int
    length: int
    index: int
    part: bytes = field(repr=False)

    @property
    def header(self) -> bytes:
        """The nine bytes before the part."""
        return _HEADER.pack(self.message_id, self.count, self.length, self.index)

    @property
    def message(self) -> tuple[bytes, int, int]:
        """What frames must agree in to be put together."""
        return self.message_id, self.count, self.length

    def to_bytes(self) -> bytes:
        """The frame as it is drawn."""
        return self.header + self.part


def parse_frame(data: bytes) -> Frame:
    """Read one frame. Raises ``MalformedError`` with ``frame`` or ``limit``, before anything is allocated for it."""
    if len(data) < HEADER_SIZE:
        raise MalformedError(ReasonCode.FRAME, _PATH, "too short")
    message_id, count, length, index = _HEADER.unpack_from(data)
    if count > MAX_PARTS:
        raise MalformedError(ReasonCode.LIMIT, f"{_PATH}.count", f"more than {MAX_PARTS} parts")
    if not count or not length:
        raise MalformedError(ReasonCode.FRAME, _PATH, "no parts or no bytes")
    size = _part_size(length, count)
    if size > MAX_PART:
        raise MalformedError(ReasonCode.LIMIT, f"{_PATH}.length", f"parts of more than {MAX_PART} bytes")
    if (count - 1) * size >= length or len(data) != HEADER_SIZE + size:
        raise MalformedError(ReasonCode.FRAME, _PATH, "the header and the part do not go together")
    return Frame(message_id=message_id, count=count, length=length, index=index, part=data[HEADER_SIZE:])


def part_mask(frame: Frame) -> int:
    """The parts that are mixed in ``frame``: bit j stands for part j."""
    if frame.index < frame.count:
        return 1 << frame.index
    whole = (1 << frame.count) - 1
    digest = hashlib.sha256(_MASK_DOMAIN + frame.header).digest()
    return int.from_bytes(digest, "little") & whole or whole


class Source:
    """A message, cut into parts of at most ``part_size`` bytes; ``frame(i)`` is the i-th frame of it.

    Raises ``ValueError`` for an empty message or one that needs more than 128 parts.
    """

    __slots__ = ("_parts", "count", "length", "message_id", "size")

    def __init__(self, message: bytes, part_size: int) -> None:
        self.count = -(-len(message) // part_size)
        if not 0 < self.count <= MAX_PARTS or len(message) > 0xFFFF:
            raise ValueError(f"a message has 1 to {MAX_PARTS} parts")
        self.length = len(message)
        self.size = _part_size(self.length, self.count)
        self.message_id = _message_id(message)
        padded = message.ljust(self.count * self.size, b"\0")
        self._parts = [int.from_bytes(padded[at : at + self.size], "big") for at in range(0, len(padded), self.size)]

    def frame(self, index: int) -> Frame:
        """The frame with this index, 0 to 65,535."""
        if not 0 <= index <= MAX_INDEX:
            raise ValueError(f"a frame index is 0 to {MAX_INDEX}")
        blank = Frame(message_id=self.message_id, count=self.count, length=self.length, index=index, part=b"")
        mask, mixed = part_mask(blank), 0
        for number, part in enumerate(self._parts):
            if mask >> number & 1:
                mixed ^= part
        return replace(blank, part=mixed.to_bytes(self.size, "big"))


class Assembly:
    """The frames of one message as they arrive: linear equations over GF(2), kept in echelon form."""

    __slots__ = ("_rows", "count", "length", "message_id", "size")

    def __init__(self, frame: Frame) -> None:
        self.message_id, self.count, self.length = frame.message
        self.size = len(frame.part)
        self._rows: dict[int, tuple[int, int]] = {}

    @property
    def rank(self) -> int:
        """How many independent frames are here. ``count`` of them give the message."""
        return len(self._rows)

    def add(self, frame: Frame) -> None:
        """Take a frame of this message.

        Raises ``MalformedError`` with ``frame`` when it contradicts those already here. Which of them is false
        cannot be known, so the whole assembly is then worthless.
        """
        mask, value = part_mask(frame), int.from_bytes(frame.part, "big")
        while mask:
            pivot = mask.bit_length()
            if pivot not in self._rows:
                self._rows[pivot] = mask, value
                return
            row_mask, row_value = self._rows[pivot]
            mask ^= row_mask
            value ^= row_value
        if value:
            raise MalformedError(ReasonCode.FRAME, _PATH, "contradicts an earlier frame of the same message")

    def message(self) -> bytes:
        """The message, once ``rank`` equals ``count``.

        Raises ``MalformedError`` with ``frame`` when the parts do not make the message that their headers name.
        """
        parts: list[int] = []
        for pivot in range(1, self.count + 1):
            mask, value = self._rows[pivot]
            # A row has no bit above its own, and the parts below it are known by now.
            for number, part in enumerate(parts):
                if mask >> number & 1:
                    value ^= part
            parts.append(value)
        padded = b"".join([part.to_bytes(self.size, "big") for part in parts])
        message, padding = padded[: self.length], padded[self.length :]
        if padding.strip(b"\0") or _message_id(message) != self.message_id:
            raise MalformedError(ReasonCode.FRAME, _PATH, "the frames do not make the message they name")
        return message


def _part_size(length: int, count: int) -> int:
    return -(-length // count)


def _message_id(message: bytes) -> bytes:
    return hashlib.sha256(message).digest()[:4]
