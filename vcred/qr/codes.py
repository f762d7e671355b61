"""A message as codes: one static code, a few for a page, or frames without end (docs/qr-profile.md section 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Final

from vcred.qr import draw
from vcred.qr.base45 import base45_encode
from vcred.qr.capacity import Level, choose_version
from vcred.qr.digits import digits_encode
from vcred.qr.fountain import HEADER_SIZE, MAX_INDEX, MAX_PART, Frame, Source
from vcred.qr.message import HasMessage, Message, MessageKind, encode_message
from vcred.qr.reader import FRAME_PREFIX, FRAME_TAG

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["FRAME_PART", "MAX_PAGE_CODES", "MAX_STATIC", "Code", "animation", "encode", "frames", "text_code"]

MAX_STATIC: Final = 1_258
"""Bytes of an envelope that fit one static code, version 25-L."""
FRAME_PART: Final = 635
"""Bytes of the message in one animated frame, version 20-M."""
MAX_PAGE_CODES: Final = 4
"""Codes on a page."""

_FRAME_VERSION: Final = 20
_QUIET_ZONE: Final = 4


@dataclass(frozen=True, slots=True)
class Code:
    """One QR code: its text, and how it is drawn. Drawing reads every code back before it is handed out."""

    text: str = field(repr=False)
    version: int
    level: Level

    def png(self, *, scale: int = 8, border: int = _QUIET_ZONE) -> bytes:
        """A black and white PNG with ``scale`` pixels a module. Raises ``VcredError`` if no writer can draw it."""
        return draw.png(self._modules(), scale=scale, border=border)

    def svg(self, *, border: int = _QUIET_ZONE) -> str:
        """An SVG drawing, one unit a module. Raises ``VcredError`` if no writer can draw it."""
        return draw.svg(self._modules(), border=border)

    def terminal(self, *, border: int = _QUIET_ZONE) -> str:
        """Half blocks, black on white by ANSI colours. Raises ``VcredError`` if no writer can draw it."""
        return draw.terminal(self._modules(), border=border)

    def _modules(self) -> draw.Modules:
        return draw.modules(self.text, version=self.version, level=self.level)


def encode(what: Message | HasMessage, *, animated: bool | None = None) -> tuple[Code, ...]:
    """The codes that say ``what``.

    With ``animated=None`` one static code if it fits, else frames to show in turn. ``True`` asks for frames,
    ``False`` for static codes: one, or two to four for a page. Paper is never animated. Frames are the plain
    parts and then half as many mixes and two more; ``frames`` goes on without end.

    Raises ``ValueError`` for a message that is too large.
    """
    message = _message_of(what)
    envelope = encode_message(message)
    if animated is None:
        animated = message.kind is not MessageKind.PAPER and len(envelope) > MAX_STATIC
    if not animated:
        return _static(envelope)
    source = Source(envelope, FRAME_PART)
    mixes = (source.count + 1) // 2 + 2 if source.count > 1 else 0
    return tuple(_frame_code(source.frame(index)) for index in range(source.count + mixes))


def frames(what: Message | HasMessage) -> Iterator[Code]:
    """Animated frames without end, to be shown ten a second: the plain parts, then ever other mixes.

    Raises ``ValueError`` for a message that is too large.
    """
    source = Source(encode_message(_message_of(what)), FRAME_PART)
    return (_frame_code(source.frame(index)) for index in cycle(range(MAX_INDEX + 1)))


def animation(codes: Sequence[Code], *, milliseconds: int = 100, scale: int = 6) -> bytes:
    """``codes`` as an endless animated GIF. Raises ``ValueError`` for no codes or codes of different sizes."""
    if not codes or len({code.version for code in codes}) != 1:
        raise ValueError("an animation has codes, all of one version")
    drawn = [draw.modules(code.text, version=code.version, level=code.level) for code in codes]
    return draw.gif(drawn, scale=scale, border=_QUIET_ZONE, milliseconds=milliseconds)


def text_code(text: str) -> Code:
    """A single code for any text, a URI for instance: level M, then L. Raises ``ValueError`` beyond version 25."""
    levels: tuple[Level, ...] = ("M", "L")
    for level in levels:
        version = choose_version(text, level)
        if version is not None:
            return Code(text, version, level)
    raise ValueError("too much text for one code of version 25")


def _static(envelope: bytes) -> tuple[Code, ...]:
    if len(envelope) <= MAX_STATIC:
        return (text_code(digits_encode(envelope)),)
    source = Source(envelope, MAX_PART)
    if source.count > MAX_PAGE_CODES:
        raise ValueError(f"the message needs {source.count} static codes, and a page has {MAX_PAGE_CODES}")
    plain = map(source.frame, range(source.count))
    return tuple(text_code(digits_encode(bytes((FRAME_TAG,)) + frame.to_bytes())) for frame in plain)


def _frame_code(frame: Frame) -> Code:
    text = FRAME_PREFIX + base45_encode(frame.to_bytes())
    version = choose_version(text, "M", _FRAME_VERSION)
    assert version is not None, f"{HEADER_SIZE} + {FRAME_PART} bytes fit version {_FRAME_VERSION}-M"
    return Code(text, version, "M")


def _message_of(what: Message | HasMessage) -> Message:
    return what if isinstance(what, Message) else what.to_message()
