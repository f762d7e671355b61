"""Pictures and PDF pages: several codes, photos at an angle, limits."""

from __future__ import annotations

import hashlib
import io
import random
import sys
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageFilter

from vcred import qr
from vcred.errors import MalformedError, MissingExtraError
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from pathlib import Path

NOISE = b"".join(hashlib.sha256(bytes((n,))).digest() for n in range(120))
MESSAGE = qr.Message(qr.MessageKind.RESPONSE, {1: NOISE[:1_240]})
PAPER = qr.Message(qr.MessageKind.PAPER, {1: NOISE[:3_600]})
(STATIC,) = qr.encode(MESSAGE)
POSES = [(seed, blur) for seed in range(4) for blur in (1.0, 1.5, 2.0)]


def sheet(codes: tuple[qr.Code, ...], *, scale: int = 4) -> Image.Image:
    """Codes two in a row on white."""
    tiles = [Image.open(io.BytesIO(code.png(scale=scale, border=6))) for code in codes]
    side = max(tile.width for tile in tiles)
    page = Image.new("L", (2 * side, side * -(-len(tiles) // 2)), "white")
    for number, tile in enumerate(tiles):
        page.paste(tile, (number % 2 * side, number // 2 * side))
    return page


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    raw = io.BytesIO()
    picture.save(raw, format=form, **options)
    return raw.getvalue()


def photo(code: qr.Code, seed: int, blur: float) -> bytes:
    """A phone's frame: the code 720 of 1080 pixels wide, up to 8 degrees turned, 5 % perspective, blur, noise, JPEG."""
    chance = random.Random(seed)
    with Image.open(io.BytesIO(code.png(scale=8))) as drawn:
        tile = drawn.convert("L").resize((720, 720), Image.Resampling.BICUBIC)
    frame = Image.new("L", (1080, 1080), 200)
    frame.paste(tile, (180, 180))
    frame = frame.rotate(chance.uniform(-8, 8), Image.Resampling.BICUBIC, fillcolor=200)
    corners = [
        (x + chance.uniform(-54, 54), y + chance.uniform(-54, 54))
        for x, y in ((0, 0), (0, 1080), (1080, 1080), (1080, 0))
    ]
    quad = tuple(value for corner in corners for value in corner)
    frame = frame.transform((1080, 1080), Image.Transform.QUAD, quad, Image.Resampling.BICUBIC, fillcolor=200)
    frame = frame.filter(ImageFilter.GaussianBlur(blur))
    grain = Image.frombytes("L", frame.size, chance.randbytes(1080 * 1080))
    return saved(Image.blend(frame, grain, 0.06), "JPEG", quality=70)


@pytest.mark.parametrize(("seed", "blur"), POSES)
def test_a_camera_reads_the_densest_code(seed: int, blur: float) -> None:
    assert qr.decode(qr.read_image(photo(STATIC, seed, blur))) == MESSAGE


@pytest.mark.parametrize("seed", range(3))
def test_a_camera_reads_an_animated_frame(seed: int) -> None:
    code = next(qr.frames(PAPER))
    assert qr.read_image(photo(code, seed, 1.5)) == [code.text]


def test_every_code_of_a_picture_is_read() -> None:
    codes = qr.encode(PAPER)
    assert len(codes) == 3
    assert qr.decode(qr.read_image(saved(sheet(codes), "PNG"))) == PAPER


def test_a_large_code_among_many_small_ones_is_read() -> None:
    # Three corner marks a code: with 35 codes there are more threes of them than zxing-cpp tries in one look.
    small = [qr.text_code(f"{number:03}" + "x" * 550) for number in range(34)]
    tiles = [Image.open(io.BytesIO(code.png(scale=3))) for code in small]
    dense = qr.Code("7" * 2_900, 25, "L")
    large = Image.open(io.BytesIO(dense.png(scale=3)))
    step = tiles[0].width + 16
    page = Image.new("L", (170 + 10 * step, 5 * step + large.height + 32), 225)
    page.paste(large, (170, 16))
    for number, tile in enumerate(tiles):
        page.paste(tile, (170 + number % 8 * step, large.height + 32 + number // 8 * step))
    assert sorted(qr.read_image(saved(page, "PNG"))) == sorted([dense.text, *(code.text for code in small)])


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_the_usual_formats_are_read(form: str) -> None:
    assert qr.read_image(saved(sheet((STATIC,)), form)) == [STATIC.text]


@pytest.mark.parametrize("turn", [90, 180, 270, 45])
def test_a_turned_code_is_read(turn: int) -> None:
    turned = sheet((STATIC,)).rotate(turn, expand=True, fillcolor=255)
    assert qr.read_image(saved(turned, "PNG")) == [STATIC.text]


def test_an_inverted_code_is_read() -> None:
    assert qr.read_image(saved(sheet((STATIC,)).point(lambda value: 255 - value), "PNG")) == [STATIC.text]


def test_what_is_transparent_is_white() -> None:
    grey = sheet((STATIC,))
    clear = Image.new("RGBA", grey.size, (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), mask=grey.point(lambda value: 255 - value))
    assert qr.read_image(saved(clear, "PNG")) == [STATIC.text]


def test_a_picture_without_a_code_has_no_texts() -> None:
    assert qr.read_image(saved(Image.new("L", (300, 300), 255), "PNG")) == []


def test_a_path_is_read(tmp_path: Path) -> None:
    file = tmp_path / "code.png"
    file.write_bytes(STATIC.png())
    assert qr.read_image(file) == qr.read_image(str(file)) == [STATIC.text]


def test_a_path_that_is_not_there_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        qr.read_image(tmp_path / "absent.png")


@pytest.mark.parametrize("raw", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + bytes(40), b"%PDF-1.7", bytes(1_000)])
def test_what_is_no_picture_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedError) as refused:
        qr.read_image(raw)
    assert refused.value.code is ReasonCode.FORMAT


def test_a_picture_cut_short_is_refused() -> None:
    raw = STATIC.png()
    with pytest.raises(MalformedError) as refused:
        qr.read_image(raw[: len(raw) // 2])
    assert refused.value.code is ReasonCode.FORMAT


def test_every_page_of_a_pdf_is_read() -> None:
    pytest.importorskip("pypdfium2", reason="the extra pdf is not installed")
    pages = [sheet(qr.encode(PAPER)), Image.new("L", (600, 800), "white"), sheet((STATIC,))]
    raw = saved(pages[0], "PDF", save_all=True, append_images=pages[1:], resolution=200)
    found = qr.read_pdf(raw)
    assert [len(texts) for texts in found] == [3, 0, 1]
    assert qr.decode(found[0]) == PAPER
    assert qr.decode(found[2]) == MESSAGE


def test_a_pdf_at_a_path_is_read(tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2", reason="the extra pdf is not installed")
    file = tmp_path / "paper.pdf"
    sheet((STATIC,)).save(file, format="PDF", resolution=200)
    assert qr.read_pdf(file) == [[STATIC.text]]


@pytest.mark.parametrize("raw", [b"", b"%PDF-1.7\n%%EOF", bytes(500)])
def test_what_is_no_pdf_is_refused(raw: bytes) -> None:
    pytest.importorskip("pypdfium2", reason="the extra pdf is not installed")
    with pytest.raises(MalformedError) as refused:
        qr.read_pdf(raw)
    assert refused.value.code is ReasonCode.FORMAT


def test_without_the_extra_the_error_is_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(MissingExtraError, match=r"vcred\[pdf\]"):
        qr.read_pdf(b"")
