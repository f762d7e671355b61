"""Texts of scanned codes to a message: one decoder for digits, frames and strangers' codes.

Nothing in a code is ever opened or followed. Frames of different messages are kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vcred.errors import MalformedError, RefusedError
from vcred.qr.base45 import base45_decode
from vcred.qr.digits import digits_decode
from vcred.qr.fountain import Assembly, Frame, parse_frame
from vcred.qr.message import ENVELOPE_TAG, Message, decode_message
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FRAME_PREFIX", "FRAME_TAG", "MAX_DIGITS", "MAX_FRAME_TEXT", "Progress", "Reader", "decode", "parse_text"]

FRAME_PREFIX: Final = "VF1:"
"""How the text of an animated frame begins."""
FRAME_TAG: Final = 0x46
"""The first byte of a frame written in digits."""
MAX_DIGITS: Final = 3_057
"""Digits of a version 25-L code."""
MAX_FRAME_TEXT: Final = 970
"""Characters of a version 20-M code in alphanumeric mode."""

_MAX_MESSAGES: Final = 4
_PATH: Final = "qr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the message of the last frame has come: ``received`` useful frames of ``needed``."""

    received: int
    needed: int
    done: bool


class Reader:
    """Takes the texts of codes in any order, with gaps and repetitions, until one message is complete.

    Up to four messages are collected beside each other and never mixed; whichever completes first is the one.
    """

    __slots__ = ("_assemblies", "_message", "_progress")

    def __init__(self) -> None:
        self._assemblies: dict[tuple[bytes, int, int], Assembly] = {}
        self._message: Message | None = None
        self._progress = Progress(received=0, needed=1, done=False)

    def add(self, text: str) -> Progress:
        """Take the text of one code. Once the message is complete, further texts are not looked at.

        Raises ``MalformedError`` and stays usable: ``scheme`` (a URL or anything else that is not ours), ``size``,
        ``encoding``, ``limit``, ``frame`` (damaged, or contradicts another frame: collection of that message
        starts again), and what ``decode_message`` raises.
        """
        if self._message is None:
            found = parse_text(text)
            if isinstance(found, Frame):
                self._collect(found)
            else:
                self._complete(found, needed=1)
        return self._progress

    def message(self) -> Message:
        """The message. Raises ``RefusedError`` with ``incomplete`` as long as frames are missing."""
        if self._message is None:
            detail = f"{self._progress.received} of {self._progress.needed} frames"
            raise RefusedError(ReasonCode.INCOMPLETE, _PATH, detail)
        return self._message

    def _collect(self, frame: Frame) -> None:
        # Taken out and put back, the message seen last stands last, and the one not seen for longest is dropped.
        assembly = self._assemblies.pop(frame.message, None) or Assembly(frame)
        self._progress = Progress(received=0, needed=frame.count, done=False)
        assembly.add(frame)
        if assembly.rank == frame.count:
            self._complete(assembly.message(), needed=frame.count)
            return
        self._progress = Progress(received=assembly.rank, needed=frame.count, done=False)
        if len(self._assemblies) == _MAX_MESSAGES:
            del self._assemblies[next(iter(self._assemblies))]
        self._assemblies[frame.message] = assembly

    def _complete(self, envelope: bytes, *, needed: int) -> None:
        self._message = decode_message(envelope)
        self._progress = Progress(received=needed, needed=needed, done=True)
        self._assemblies.clear()


def decode(texts: Iterable[str]) -> Message:
    """The first message that ``texts`` complete. Codes of other schemes among them are passed over.

    Raises ``RefusedError``: ``incomplete`` when frames are missing, ``scheme`` when no text is ours, and what
    ``Reader.add`` raises.
    """
    reader, foreign, ours = Reader(), None, False
    for text in texts:
        try:
            done = reader.add(text).done
        except MalformedError as error:
            if error.code is not ReasonCode.SCHEME:
                raise
            foreign = error
            continue
        ours = True
        if done:
            break
    if foreign is not None and not ours:
        raise foreign
    return reader.message()


def parse_text(text: str) -> bytes | Frame:
    """The envelope or the frame in the text of one code. Raises ``MalformedError``."""
    if len(text) > MAX_DIGITS + 2:
        raise MalformedError(ReasonCode.SIZE, _PATH, f"more than {MAX_DIGITS} characters")
    text = text.rstrip("\r\n")  # a scanner that acts as a keyboard presses Enter
    if text.startswith(FRAME_PREFIX):
        if len(text) > MAX_FRAME_TEXT:
            raise MalformedError(ReasonCode.SIZE, _PATH, f"more than {MAX_FRAME_TEXT} characters")
        return parse_frame(base45_decode(text[len(FRAME_PREFIX) :], _PATH))
    if not (text.isascii() and text.isdigit()):
        raise MalformedError(ReasonCode.SCHEME, _PATH, "not a code of this profile")
    if len(text) > MAX_DIGITS:
        raise MalformedError(ReasonCode.SIZE, _PATH, f"more than {MAX_DIGITS} digits")
    data = digits_decode(text, _PATH)
    if data[0] == FRAME_TAG:
        return parse_frame(data[1:])
    if data[0] != ENVELOPE_TAG:
        raise MalformedError(ReasonCode.SCHEME, _PATH, "digits that are not a message of this profile")
    return data
