"""What a file holds: the message in pictures, PDF pages, texts of codes, or an envelope's bytes.

Files come from strangers: nothing is opened by its name, only by its first bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vcred.errors import MalformedError
from vcred.qr.message import ENVELOPE_TAG, MessageKind, decode_message
from vcred.qr.reader import FRAME_PREFIX, decode, parse_text
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vcred.qr.message import Message

    ReadTexts = Callable[[bytes, str], Sequence[str]]

__all__ = ["PDF", "PICTURES", "Scan", "is_envelope", "texts_of"]

PICTURES: Final = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM")
PDF: Final = b"%PDF"
"""How files begin that are decoded by native code."""
_SHEET: Final = 1


def is_envelope(raw: bytes) -> bool:
    """The tag and a version; a text of frames begins with the same letter, and then goes on as text."""
    return raw[:1] == bytes((ENVELOPE_TAG,)) and raw[1:2] < b" "


def texts_of(raw: bytes, path: str) -> list[str]:
    """The texts of the codes in one file: a picture, a PDF, or texts, one a line.

    Raises ``MalformedError``, under ``path``, when there is none, and what ``read_image`` and ``read_pdf`` raise.
    """
    if raw.startswith((*PICTURES, PDF)):
        from vcred.qr.read import read_image, read_pdf  # noqa: PLC0415 - imaging is loaded with the first picture

        try:
            found = [text for page in read_pdf(raw) for text in page] if raw[:4] == PDF else read_image(raw)
        except MalformedError as error:
            raise MalformedError(error.code, path, error.detail) from error
    else:
        try:
            found = [line.strip() for line in raw.decode("utf-8").splitlines() if line.strip()]
        except UnicodeDecodeError:
            raise MalformedError(ReasonCode.FORMAT, path, "neither a picture nor a message") from None
    if not found:
        raise MalformedError(ReasonCode.FORMAT, path, "there is no QR code in it")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """The contents of the files that one document is in: pictures, PDF pages, texts of codes, an envelope.

    Reading them is work, and the files may be hostile: each method raises ``RefusedError`` for what it cannot read.
    ``read`` is how the texts of the codes in a file are found; a service passes ``PictureReader.texts_of``.
    """

    files: tuple[bytes, ...] = field(repr=False)

    def message(self, *, read: ReadTexts | None = None) -> Message:
        """The one message in the files.

        Refused as ``decode`` does, and with ``limit`` when there is more than one message, because whoever put a pile
        into one file would believe that all of it was read.
        """
        if len(self.files) == 1 and is_envelope(self.files[0]):
            return decode_message(self.files[0])
        read = texts_of if read is None else read
        texts = [text for number, raw in enumerate(self.files) for text in read(raw, f"file[{number}]")]
        if _count(texts) > 1:
            raise MalformedError(ReasonCode.LIMIT, "", "more than one message: each belongs into a file of its own")
        return decode(texts)

    def answer(self, *, read: ReadTexts | None = None) -> Message | tuple[bytes, ...]:
        """The message; or the files themselves where there are no codes in them, because a wallet may send its
        presentations bare.
        """
        return self.message(read=read) if any(map(_has_codes, self.files)) else self.files

    def sheet(self, *, read: ReadTexts | None = None) -> bytes:
        """The paper document in the message."""
        message = self.message(read=read)
        sheet = message.body.get(_SHEET)
        if message.kind is not MessageKind.PAPER or set(message.body) != {_SHEET} or not isinstance(sheet, bytes):
            raise MalformedError(ReasonCode.FORMAT, "message", "this is not a paper document")
        return sheet


def _has_codes(raw: bytes) -> bool:
    start = raw.lstrip()[: len(FRAME_PREFIX)]
    return is_envelope(raw) or raw.startswith((*PICTURES, PDF)) or start[:1].isdigit() or start == FRAME_PREFIX.encode()


def _count(texts: list[str]) -> int:
    """How many messages have a code of theirs in ``texts``, complete or not. What is damaged is nobody's."""
    found: set[object] = set()
    for text in texts:
        try:
            part = parse_text(text)
        except MalformedError:
            continue
        found.add(part if isinstance(part, bytes) else part.message)
    return len(found)
