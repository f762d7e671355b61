"""Texts of the QR codes in pictures and PDF files. ``zxing-cpp`` reads; limits hold before anything is decoded.

Pictures come from strangers: their size is read from the header first, and what Pillow or PDFium trips over is a
refusal, whatever it raises.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError, MissingExtraError
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

__all__ = ["read_image", "read_pdf", "texts_in"]

MAX_FILE: Final = 32 * 1024 * 1024
MAX_SIDE: Final = 10_000
MAX_PIXELS: Final = 50_000_000
"""Pixels of one picture: a 48 megapixel photo passes."""
MAX_FRAMES: Final = 300
MAX_ALL_PIXELS: Final = 400_000_000
"""Pixels of all frames of an animation."""
MAX_PAGES: Final = 50

_FORMATS: Final = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
_ANIMATED: Final = frozenset({"PNG", "GIF", "WEBP"})
_CROWD: Final = 2
_MOST_CODES: Final = 1000
"""Codes of one picture or page: what is read of a hostile one ends."""
_PAGE_SCALE: Final = 300 / 72
_LEAST_SCALE: Final = 0.5
# PDFium is not thread-safe.
_PDFIUM: Final = Lock()


def read_image(source: str | PathLike[str] | bytes) -> list[str]:
    """The text of every QR code in a picture (PNG, JPEG, GIF, WebP, BMP; a path or its bytes), each text once.

    Codes may be turned, tilted, mirrored or inverted; of an animation every frame is read. An empty list means
    that none was found. Raises ``MalformedError``: ``size`` (the file), ``limit`` (pixels, frames), ``format``;
    ``OSError`` when the path cannot be read.
    """
    from PIL import Image  # noqa: PLC0415  # takes long to import

    raw = _load(source, "image")
    try:
        with _opened(raw) as picture:
            frames = _checked_frames(picture)
            found: dict[str, None] = {}
            for number in range(frames):
                picture.seek(number)
                found.update(dict.fromkeys(_texts_of(picture)))
            return list(found)
    except MalformedError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise MalformedError(ReasonCode.LIMIT, "image", "too many pixels") from None
    except Exception:  # noqa: BLE001  # Pillow's decoders raise almost anything over hostile bytes
        raise MalformedError(ReasonCode.FORMAT, "image", "not a picture that can be read") from None


def read_pdf(source: str | PathLike[str] | bytes) -> list[list[str]]:
    """The texts of the QR codes on each page of a PDF (a path or its bytes).

    Raises ``MalformedError``: ``size`` (the file), ``limit`` (pages), ``format``; ``MissingExtraError`` without the
    ``pdf`` extra; ``OSError`` when the path cannot be read.
    """
    try:
        import pypdfium2  # noqa: PLC0415  # an extra
    except ImportError:
        raise MissingExtraError("pdf") from None
    raw = _load(source, "pdf")
    with _PDFIUM:
        try:
            document = pypdfium2.PdfDocument(raw)
        except pypdfium2.PdfiumError:
            raise MalformedError(ReasonCode.FORMAT, "pdf", "not a PDF that can be read without a password") from None
        try:
            pages = len(document)
            if pages > MAX_PAGES:
                raise MalformedError(ReasonCode.LIMIT, "pdf", f"more than {MAX_PAGES} pages")
            return [_page_texts(document, number) for number in range(pages)]
        except pypdfium2.PdfiumError:
            raise MalformedError(ReasonCode.FORMAT, "pdf", "a page cannot be drawn") from None
        finally:
            document.close()


def texts_in(pixels: bytes, width: int, height: int) -> list[str]:
    """The texts of the QR codes in ``pixels``: one byte each, row by row, 255 is white."""
    import zxingcpp  # noqa: PLC0415  # takes long to import

    formats = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    texts: list[str] = []
    while len(texts) < _MOST_CODES:
        grey = memoryview(pixels).cast("B", shape=[height, width])
        codes = zxingcpp.read_barcodes(grey, formats=formats, text_mode=zxingcpp.TextMode.Plain)
        new = [code.text for code in codes]
        if set(new) <= set(texts):
            break
        texts += new
        # zxing-cpp tries the 256 likeliest threes of corner marks: among many small codes it overlooks a larger one.
        # What was read is whited out, and the rest is looked at again.
        if len(codes) < _CROWD:
            break
        pixels = _without(codes, pixels, width, height)
    return texts


def _without(codes: Iterable[Any], pixels: bytes, width: int, height: int) -> bytes:
    from PIL import Image, ImageDraw  # noqa: PLC0415  # takes long to import

    rest = Image.frombytes("L", (width, height), pixels)
    draw = ImageDraw.Draw(rest)
    for code in codes:
        at = code.position
        corners = (at.top_left, at.top_right, at.bottom_right, at.bottom_left)
        draw.polygon([(corner.x, corner.y) for corner in corners], fill=255)
    return rest.tobytes()


def _load(source: str | PathLike[str] | bytes, path: str) -> bytes:
    if isinstance(source, bytes):
        raw = source
    else:
        with Path(source).open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    if len(raw) > MAX_FILE:
        raise MalformedError(ReasonCode.SIZE, path, f"more than {MAX_FILE} bytes")
    return raw


def _opened(raw: bytes) -> Any:
    from io import BytesIO  # noqa: PLC0415  # beside the import it serves

    from PIL import Image  # noqa: PLC0415  # takes long to import

    return Image.open(BytesIO(raw), formats=_FORMATS)


def _checked_frames(picture: Any) -> int:
    """How many frames to read. Nothing is decoded yet: ``open`` has read the header only."""
    width, height = picture.size
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise MalformedError(ReasonCode.LIMIT, "image", "too many pixels")
    frames: int = picture.n_frames if picture.format in _ANIMATED and getattr(picture, "is_animated", False) else 1
    if frames > MAX_FRAMES or frames * width * height > MAX_ALL_PIXELS:
        raise MalformedError(ReasonCode.LIMIT, "image", "too many frames")
    return frames


def _texts_of(picture: Any) -> list[str]:
    from PIL import Image  # noqa: PLC0415  # takes long to import

    if picture.has_transparency_data:
        # What is transparent is seen on white.
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    grey = picture.convert("L")
    return texts_in(grey.tobytes(), grey.width, grey.height)


def _page_texts(document: Any, number: int) -> list[str]:
    page = document[number]
    width, height = page.get_size()
    if not (width > 0 and height > 0):
        raise MalformedError(ReasonCode.FORMAT, f"pdf.pages[{number}]", "a page without an area")
    # Scanned pages may have a point for each pixel: such a page is drawn smaller, not refused.
    scale = min(_PAGE_SCALE, MAX_SIDE / max(width, height), (MAX_PIXELS / (width * height)) ** 0.5)
    if scale < _LEAST_SCALE:
        raise MalformedError(ReasonCode.LIMIT, f"pdf.pages[{number}]", "too large a page")
    try:
        bitmap = page.render(scale=scale, grayscale=True)
        grey = bitmap.to_pil().convert("L")
        return list(dict.fromkeys(texts_in(grey.tobytes(), grey.width, grey.height)))
    finally:
        page.close()
