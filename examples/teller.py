"""How ``burned.py`` is told: lines, panels and tables in Korean or English, or one JSON document at the end."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from vcred import qr
from vcred.testing import Isolation
from verifier import CheckStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from vcred import Presentation, PresentationRequest
    from verifier import VerificationResult
    from wallet import ConsentRequest

COLOURS = {"ACCEPTED": "green", "INDETERMINATE": "yellow", "REJECTED": "red"}
OUTCOMES = {
    "ACCEPTED": ("승인", "accepted"),
    "INDETERMINATE": ("판단 불가", "cannot be decided"),
    "REJECTED": ("거절", "rejected"),
}
MARKS = {
    CheckStatus.PASSED: "[green]✔[/]",
    CheckStatus.FAILED: "[red]✘[/]",
    CheckStatus.UNDECIDED: "[yellow]?[/]",
    CheckStatus.SKIPPED: "[dim]–[/]",
}
MISSED = 3
"""The camera misses every third frame."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An answer on the phone's screen: one code, or the frames of an animation."""

    format: str
    bytes: int
    codes: int
    version: str
    picture: str


@dataclass(frozen=True, kw_only=True)
class Told:
    """One verdict: on what (``title`` in the language of the story), and how long it took from a picture."""

    what: str
    format: str
    outcome: str
    reasons: tuple[str, ...]
    title: str = ""
    shown: Shown | None = None
    milliseconds: float | None = None


class Teller:
    """Prints the story in Korean or English; with ``as_json`` it keeps quiet and ``end`` prints what it was told."""

    def __init__(self, lang: str, *, as_json: bool = False) -> None:
        self.lang = lang
        self.told: list[Told] = []
        self._json = as_json
        self._console = Console(highlight=False, quiet=as_json)
        self._shown: Shown | None = None

    def quietly(self) -> Teller:
        """A teller that only remembers, for what a table tells later."""
        other = Teller(self.lang, as_json=True)
        other.told = self.told
        return other

    def __call__(self, ko: str, en: str) -> None:
        """A line, indented however long it is."""
        self._console.print(Padding(escape(self.pick(ko, en)), (0, 0, 0, 2), expand=False))

    def chapter(self, ko: str, en: str) -> None:
        """A heading."""
        self._console.print()
        self._console.rule(f"[bold]{escape(self.pick(ko, en))}", align="left")

    def act(self, ko: str, en: str) -> None:
        """A smaller heading."""
        self._console.print(f"\n[bold]▸ {escape(self.pick(ko, en))}")

    def table(self, table: Table) -> None:
        """A table made elsewhere."""
        self._console.print(table)

    def pick(self, ko: str, en: str) -> str:
        """The text in the language of the story."""
        return ko if self.lang == "ko" else en

    def progress(self, many: Iterable[Any]) -> Iterator[Any]:
        """Go through ``many`` behind a progress bar."""
        bar = Progress(
            TextColumn("  " + self.pick("서명하는 중", "signing")),
            BarColumn(),
            MofNCompleteColumn(),
            console=self._console,
            transient=True,
        )
        with bar:
            yield from bar.track(list(many))

    def isolation(self, how: Isolation) -> None:
        """How the network was cut."""
        self(
            "2025년 9월 26일처럼, 이제부터 네트워크가 없습니다.",
            "As on 26 September 2025: from here on there is no network.",
        )
        if how is Isolation.NAMESPACE:
            self(
                "이 프로그램은 인터페이스가 하나도 없는 네트워크 네임스페이스 안에 있습니다.",
                "This program is inside a network namespace without interfaces.",
            )
        else:
            self(
                "이 컴퓨터에서는 네임스페이스를 만들 수 없어, 모든 소켓 호출을 거부합니다.",
                "No namespace can be made here, so every socket call is refused instead.",
            )

    def request(self, request: PresentationRequest, path: Path, *, drawn: bool) -> None:
        """Show a request as a QR: on disk, and if ``drawn`` in the terminal where that is wide enough."""
        (code, *more) = qr.encode(request)
        path.write_bytes(code.png())
        self(
            f"요청 QR: {path} (버전 {code.version}-{code.level})",
            f"request QR: {path} (version {code.version}-{code.level})",
        )
        width = code.version * 4 + 17 + 8
        if not drawn or self._json:
            return
        if not more and self._console.width >= width and self._console.is_terminal:
            print(code.terminal())
        else:
            self(
                f"(터미널이 {width}칸보다 좁아 그림은 파일에만 있습니다)",
                f"(drawn on disk only: the terminal is not {width} columns wide)",
            )

    def answer(self, answer: Presentation, out: Path, name: str) -> Path:
        """The phone's screen as a picture: one code as PNG, frames as an animated GIF."""
        codes = qr.encode(answer)
        one = codes[0]
        path = out / f"{name}.{'png' if len(codes) == 1 else 'gif'}"
        for old in out.glob(f"{name}.*"):
            old.unlink()
        path.write_bytes(one.png() if len(codes) == 1 else qr.animation(codes))
        (form,) = {each.format for many in answer.tokens.values() for each in many}
        self._shown = Shown(
            format=form,
            bytes=sum(len(each.raw) for many in answer.tokens.values() for each in many),
            codes=len(codes),
            version=f"{one.version}-{one.level}",
            picture=str(path),
        )
        size = f"{self._shown.bytes:,}"
        if len(codes) == 1:
            self(
                f"대답 QR 한 장: {path} ({form} {size}바이트, 버전 {self._shown.version})",
                f"answer in one QR code: {path} ({form}, {size} bytes, version {self._shown.version})",
            )
        else:
            self(
                f"대답은 움직이는 QR {len(codes)}프레임: {path} ({form} {size}바이트, 한 바퀴 {len(codes) / 10:.1f}초)",
                f"answer in {len(codes)} animated QR frames: {path} ({form}, {size} bytes, {len(codes) / 10:.1f} s a round)",
            )
        return path

    def scan(self, picture: Path) -> qr.Message:
        """What the counter's camera reads from ``picture``; of an animation it misses every third frame."""
        reader, texts = qr.Reader(), qr.read_image(picture)
        caught = [text for number, text in enumerate(texts, 1) if len(texts) == 1 or number % MISSED]
        for used, text in enumerate([*caught, *texts], 1):  # the animation goes round and round
            progress = reader.add(text)
            if progress.done:
                if len(texts) > 1:
                    self(
                        f"카메라가 셋 중 하나를 놓쳐도 {used}프레임에서 완성 (조각 {progress.needed}개)",
                        f"complete after {used} frames though every third is missed ({progress.needed} parts)",
                    )
                return reader.message()
        raise AssertionError("the pictures were not complete")

    def asked(self, asked: ConsentRequest) -> None:
        """What the wallet shows: who asks for what, and whether it can be answered."""
        table = Table.grid(padding=(0, 2))
        known = (
            self.pick("등록된 기관", "registered")
            if asked.verifier.trusted
            else self.pick("등록되지 않음", "NOT registered")
        )
        table.add_row(self.pick("요청한 곳", "who asks"), f"{escape(asked.verifier.names.text(self.lang))} ({known})")
        table.add_row(self.pick("목적", "purpose"), escape(asked.purpose))
        for label, many in (
            (self.pick("필수", "required"), asked.required),
            (self.pick("선택", "optional"), asked.optional),
        ):
            table.add_row(label, escape(", ".join(one.label(self.lang) for one in many) or "-"))
        for choice in asked.chosen.values():
            table.add_row(self.pick("증명서", "certificate"), escape(choice.certificate.name(self.lang)))
        if asked.chosen and not asked.required:
            always = [one.label(self.lang) for choice in asked.chosen.values() for one in choice.always]
            table.add_row(self.pick("늘 공개", "always shown"), escape(", ".join(always)))
        for one in asked.missing:
            table.add_row(self.pick("없음", "missing"), f"[red]{escape(one.label(self.lang))}[/]")
        for reason in {one.code: one for one in asked.blocked or asked.reasons}.values():
            sentence = f"[red]{escape(reason.message(self.lang))}[/] {escape(reason.action(self.lang))}"
            table.add_row(self.pick("미리 보니", "beforehand"), sentence)
        self._console.print(
            Panel(table, title=self.pick("지갑", "wallet"), title_align="left", width=min(100, self._console.width))
        )

    def verdict(self, what: str, result: VerificationResult, *, seconds: float, full: bool) -> None:
        """The bank's verdict and its time; ``full`` adds claims, every check with its clause, and ages."""
        shown, self._shown = self._shown, None
        self._outcome(what, result, shown=shown, milliseconds=seconds * 1000)
        if full and result:
            self._claims(result)
            if what == "address":
                self._checks(result)
            for ko, en in dict.fromkeys((one.text("ko"), one.text("en")) for one in result.freshness):
                self(ko, en)
        self(f"그림에서 판정까지 {seconds * 1000:.0f} ms", f"picture to verdict {seconds * 1000:.0f} ms")

    def _claims(self, result: VerificationResult) -> None:
        claims = Table(title=self.pick("공개된 항목", "disclosed"), title_justify="left", show_header=False)
        for slot, tree in result.claims.items():
            if any(one.slot == slot for one in result.certificates):
                for path, value in _leaves(tree):
                    claims.add_row(path, escape(self._words(value)))
        self._console.print(claims)

    def _words(self, value: Any) -> str:
        if value is None:
            return self.pick("없음", "none")
        if isinstance(value, bool):
            return self.pick("예", "yes") if value else self.pick("아니요", "no")
        text = str(value)
        return text if len(text) < 80 else f"{text[:60]}… ({len(text)})"

    def _checks(self, result: VerificationResult) -> None:
        table = Table(title=self.pick("점검", "checks"), title_justify="left")
        for column in ("", self.pick("단계", "step"), self.pick("점검", "check"), self.pick("근거", "clause"), ""):
            table.add_column(column)
        for check in result.checks:
            table.add_row(
                MARKS[check.status], str(check.step), check.name, escape(check.clause), escape(check.certificate)
            )
        self._console.print(table)

    def refused(self, ko: str, en: str, result: VerificationResult) -> None:
        """Something that must not be accepted, with its reasons in plain words."""
        self.act(ko, en)
        self._outcome(en, result, title=self.pick(ko, en))
        if result:
            raise AssertionError("this was accepted, and must never be")

    def accepted(self, ko: str, en: str, result: VerificationResult) -> None:
        """Something honest beside it."""
        self.act(ko, en)
        self._outcome(en, result, title=self.pick(ko, en))

    def end(self, out: Path) -> None:
        """Where to look next; or everything, as JSON."""
        if self._json:
            print(
                json.dumps({"out": str(out), "told": [asdict(one) for one in self.told]}, ensure_ascii=False, indent=2)
            )
            return
        self(
            "다른 형식으로 보기: vcred demo --format mdoc (또는 sd-jwt, w3c, all)",
            "the same in another format: vcred demo --format mdoc (or sd-jwt, w3c, all)",
        )
        self(
            f"그림과 파일: {out}/   이야기의 소스: examples/burned.py",
            f"pictures and files: {out}/   the source of this story: examples/burned.py",
        )

    def _outcome(
        self,
        what: str,
        result: VerificationResult,
        *,
        title: str = "",
        shown: Shown | None = None,
        milliseconds: float | None = None,
    ) -> None:
        name = result.outcome.value
        word = self.pick(*OUTCOMES[name])
        self._console.print(f"  [bold {COLOURS[name]}]{name}[/]" + ("" if word.upper() == name else f" {word}"))
        for code in dict.fromkeys(one.code for one in result.reasons):
            found = next(one for one in result.reasons if one.code is code)
            sentence = f"{escape(found.message(self.lang))} [dim]{escape(found.action(self.lang))} ({code.value})[/]"
            self._console.print(Padding(sentence, (0, 0, 0, 4), expand=False))
        form = next(iter({one.format for one in result.certificates}), "")
        self.told.append(
            Told(
                what=what,
                format=form,
                outcome=name,
                reasons=tuple(dict.fromkeys(one.code.value for one in result.reasons)),
                title=title,
                shown=shown,
                milliseconds=None if milliseconds is None else round(milliseconds, 1),
            )
        )


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        for name, value in node.items():
            yield from _leaves(value, f"{path}.{name}" if path else name)
    elif isinstance(node, list) and node:
        for index, value in enumerate(node):
            yield from _leaves(value, f"{path}[{index}]")
    else:
        yield path, node
