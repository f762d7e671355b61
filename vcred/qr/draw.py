"""Modules of QR codes, and pictures of them. ``qrcode`` draws; the writer of ``zxing-cpp`` stands in for it.

Release 8.2 of ``qrcode`` fails with ``ValueError: glog(0)`` where a block of the code is all zeros, as a run of
zero bytes makes it. So every code is read back by ``zxing-cpp`` before anybody sees it, whoever drew it.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import VcredError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vcred.qr.capacity import Level

__all__ = ["Modules", "gif", "modules", "png", "svg", "terminal"]

Modules = tuple[bytes, ...]
"""Rows of modules, top first: 1 is dark, 0 is light."""

_FEWEST_BORDER: Final = 1
_BLOCKS: Final = ((" ", "▄"), ("▀", "█"))
_BLACK_ON_WHITE: Final = "\x1b[38;5;16;48;5;231m"
_RESET: Final = "\x1b[0m"
# The read-back sees three pixels a module and the quiet zone the standard asks for.
_CHECK_SCALE: Final = 3
_CHECK_BORDER: Final = 4


def modules(text: str, *, version: int, level: Level) -> Modules:
    """The code for ``text``, drawn and read back.

    Raises ``VcredError`` when neither writer's code reads as ``text``.
    """
    for drawn in (_by_qrcode, _by_zxing):
        rows = drawn(text, version, level)
        if rows is not None and _reads_as(rows, text):
            return rows
    raise VcredError("no writer could draw this code so that it reads back")


def png(rows: Modules, *, scale: int, border: int) -> bytes:
    """A PNG of one bit a pixel."""
    picture = BytesIO()
    _image(rows, scale, border).save(picture, format="PNG", optimize=True)
    return picture.getvalue()


def gif(drawn: Sequence[Modules], *, scale: int, border: int, milliseconds: int) -> bytes:
    """An endless GIF of ``drawn``, each shown for ``milliseconds``."""
    first, *others = [_image(rows, scale, border) for rows in drawn]
    picture = BytesIO()
    first.save(picture, format="GIF", save_all=True, append_images=others, duration=milliseconds, loop=0)
    return picture.getvalue()


def svg(rows: Modules, *, border: int) -> str:
    """An SVG with one path over a white ground."""
    size = len(rows) + 2 * border
    runs = [
        f"M{start + border} {y + border}h{width}v1h-{width}z"
        for y, row in enumerate(rows)
        for start, width in _dark_runs(row)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" shape-rendering="crispEdges">'
        f'<rect width="{size}" height="{size}" fill="#fff"/><path d="{"".join(runs)}"/></svg>'
    )


def terminal(rows: Modules, *, border: int) -> str:
    """Two rows of modules in a line of text."""
    framed = _framed(rows, max(border, _FEWEST_BORDER))
    if len(framed) % 2:
        framed.append(bytes(len(framed[0])))
    lines = []
    for upper, lower in zip(framed[::2], framed[1::2], strict=True):
        blocks = "".join([_BLOCKS[above][below] for above, below in zip(upper, lower, strict=True)])
        lines.append(f"{_BLACK_ON_WHITE}{blocks}{_RESET}\n")
    return "".join(lines)


def _by_qrcode(text: str, version: int, level: Level) -> Modules | None:
    import qrcode  # noqa: PLC0415  # takes long to import
    from qrcode.constants import ERROR_CORRECT_L, ERROR_CORRECT_M  # noqa: PLC0415
    from qrcode.exceptions import DataOverflowError  # noqa: PLC0415

    code = qrcode.QRCode(version, error_correction=ERROR_CORRECT_M if level == "M" else ERROR_CORRECT_L, border=0)
    code.add_data(text, optimize=0)
    try:
        code.make(fit=False)
    except (ValueError, DataOverflowError):
        return None
    return tuple(bytes(row) for row in code.modules)


def _by_zxing(text: str, version: int, level: Level) -> Modules | None:
    import zxingcpp  # noqa: PLC0415  # takes long to import

    try:
        code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=level, version=version)
    except ValueError:
        return None
    image: Any = code.to_image(scale=1, add_quiet_zones=False)  # its stub does not say that it is a buffer
    raw = memoryview(image).tobytes()
    side = 4 * version + 17
    if len(raw) != side * side:
        return None
    return tuple(bytes(not pixel for pixel in raw[at : at + side]) for at in range(0, len(raw), side))


def _reads_as(rows: Modules, text: str) -> bool:
    from vcred.qr.read import texts_in  # noqa: PLC0415  # read.py and draw.py load their libraries apart

    wide = [
        b"".join([b"\0" * _CHECK_SCALE if dark else b"\xff" * _CHECK_SCALE for dark in row]) * _CHECK_SCALE
        for row in _framed(rows, _CHECK_BORDER)
    ]
    side = _CHECK_SCALE * (len(rows) + 2 * _CHECK_BORDER)
    return texts_in(b"".join(wide), side, side) == [text]


def _image(rows: Modules, scale: int, border: int) -> Any:
    from PIL import Image  # noqa: PLC0415  # takes long to import

    if scale < 1 or border < 0:
        raise ValueError("scale is at least 1 and border at least 0")
    side = len(rows) + 2 * border
    pixels = b"".join(_framed(rows, border)).translate(b"\xff" + bytes(255))
    image = Image.frombytes("L", (side, side), pixels)
    return image.resize((side * scale, side * scale), Image.Resampling.NEAREST).convert("1")


def _framed(rows: Modules, border: int) -> list[bytes]:
    width = len(rows) + 2 * border
    quiet = [bytes(width)] * border
    return [*quiet, *(bytes(border) + row + bytes(border) for row in rows), *quiet]


def _dark_runs(row: bytes) -> list[tuple[int, int]]:
    runs = []
    start = row.find(1)
    while start >= 0:
        end = row.find(0, start)
        end = len(row) if end < 0 else end
        runs.append((start, end - start))
        start = row.find(1, end)
    return runs
