"""The tables and the moral of ``vcred demo --format all``: the same answers in every format, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont, ImageSequence
from rich.cells import cell_len
from rich.table import Table
from teller import COLOURS

if TYPE_CHECKING:
    from pathlib import Path

    from teller import Teller, Told

MORAL = {
    "sd-cwt": (
        "대면 창구. 이름 대신 번호, 인증서 사슬 대신 8바이트 열쇠 표시, base64 없는 CBOR라서 종이에도 찍을 만한 코드 한 장에 들어갑니다.",
        "counters face to face. Numbers for names, an 8-byte key id for a certificate chain, CBOR without base64: so it fits one still code, small enough for paper.",
    ),
    "dc+sd-jwt": (
        "온라인 창구(OpenID4VP). QR로는 움직이는 프레임이라 화면이 있어야 합니다.",
        "online counters (OpenID4VP). As QR it takes animated frames, and so a screen.",
    ),
    "mso_mdoc": (
        "ISO/IEC 18013-5 판독기와 HAIP. NFC나 블루투스라면 크기가 문제 되지 않습니다.",
        "ISO/IEC 18013-5 readers and HAIP. Over NFC or Bluetooth its size does not matter.",
    ),
    "vc+sd-jwt": (
        "W3C 자격증명을 쓰는 학교와 기업. 필요한 항목만 보입니다.",
        "schools and firms that keep W3C credentials. Shows only what is needed.",
    ),
    "vc+jwt": (
        "누구나 읽어도 되는 증명서에만. 아무것도 가리지 못해, 받으면 안 되는 것까지 받게 되는 은행이 거절했습니다.",
        "only what anybody may read. It hides nothing, and the bank refuses what it must not collect.",
    ),
}
"""Format -> whom it suits, in Korean and English."""


def sizes(tell: Teller) -> Table:
    """Bytes, codes, time and verdict of both answers in every format."""
    table = Table(
        title=tell.pick("같은 대답, 다른 형식", "the same answers in every format"),
        title_justify="left",
        caption=tell.pick(
            "코드: 1은 멈춘 코드 한 장, 더 많으면 움직이는 프레임. ms: 그림에서 판정까지.",
            "codes: 1 is one still code, more are animated frames. ms: picture to verdict.",
        ),
        caption_justify="left",
    )
    one = {told.format: told for told in tell.told if told.what == "address"}
    two = {told.format: told for told in tell.told if told.what == "loan"}
    figures = (("바이트", "bytes"), ("코드", "codes"), ("ms", "ms"))
    table.add_column(tell.pick("형식", "format"))
    for act in (("주소 변경", "address"), ("대출", "loan")):
        for name in figures:
            table.add_column(tell.pick(*name), justify="right")
        table.add_column(tell.pick(*act))
    for form, told in one.items():
        table.add_row(form, *_figures(told), *_figures(two[form]))
    return table


def attacks(tell: Teller) -> Table:
    """What each fraud was refused for, in every format."""
    table = Table(title=tell.pick("누가 무엇을 해도", "whatever somebody tries"), title_justify="left")
    tried = [told for told in tell.told if told.shown is None]
    table.add_column("", no_wrap=True)
    for title in dict.fromkeys(told.title for told in tried):
        words = [*title.split(), *(_said(told) for told in tried if told.title == title)]
        table.add_column(title, width=max(map(cell_len, words)), overflow="fold")
    for form in dict.fromkeys(told.format for told in tried):
        cells = (f"[{COLOURS[told.outcome]}]{_said(told)}[/]" for told in tried if told.format == form)
        table.add_row(form, *cells)
    return table


def _said(told: Told) -> str:
    return ", ".join(told.reasons) or told.outcome


def lesson(tell: Teller) -> None:
    """Which format suits which counter."""
    for form in dict.fromkeys(told.format for told in tell.told if told.what == "address"):
        ko, en = MORAL[form]
        tell(f"{form}: {ko}", f"{form}: {en}")


def picture(tell: Teller, path: Path) -> None:
    """A row of codes for each format: everything a phone has to show for the change of address, at one scale."""
    rows = [told.shown for told in tell.told if told.what == "address" and told.shown is not None]
    modules, gap, label = 3, 16, 170
    drawn = []
    for shown in rows:
        side = (int(shown.version.partition("-")[0]) * 4 + 25) * modules
        with Image.open(shown.picture) as codes:
            frames = [one.convert("L").resize((side, side)) for one in ImageSequence.Iterator(codes)]
        drawn.append((shown, side, frames))
    width = label + max(len(frames) * (side + gap) for _, side, frames in drawn)
    sheet = Image.new("L", (width, sum(side + gap for _, side, _ in drawn) + gap), 225)
    write, top = ImageDraw.Draw(sheet), gap
    for shown, side, frames in drawn:
        text = f"{shown.format}\n{shown.bytes:,} bytes\n{shown.codes} {'code' if shown.codes == 1 else 'frames'}"
        write.multiline_text((gap, top + side // 3), text, fill=0, font=ImageFont.load_default(20))
        for number, frame in enumerate(frames):
            sheet.paste(frame, (label + number * (side + gap), top))
        top += side + gap
    sheet.save(path)
    tell(f"나란히 본 그림: {path}", f"all of them side by side: {path}")


def _figures(told: Told) -> tuple[str, str, str, str]:
    shown = told.shown
    assert shown is not None
    verdict = f"[{COLOURS[told.outcome]}]{told.outcome}[/]"
    return f"{shown.bytes:,}", str(shown.codes), f"{told.milliseconds:.0f}", verdict
