"""What ``burned.py`` tells with, and the keys and files behind its scenery: nothing a reader of the story needs first."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from vcred import qr
from vcred.keys import SoftwareSigner
from vcred.testing import Isolation
from vcred.trust import Purpose, build_reader, build_root, build_signer
from vcred.trust.publish import PackBuilder, new_root, single_key
from verifier import CheckStatus, VerificationPolicy
from verifier.policy import preset_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from issuer import Issuer
    from vcred import Catalog, Presentation, PresentationRequest
    from verifier import VerificationResult
    from wallet import ConsentRequest

YEARS = timedelta(days=365 * 20)
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


@dataclass(frozen=True)
class Reader:
    """A verifier's key and its certificate."""

    certificate: bytes
    key: SoftwareSigner = field(repr=False)


def authority(id_: str, ko: str, en: str, *, at: datetime) -> tuple[SoftwareSigner, tuple[bytes, ...], bytes]:
    """An authority's document signer, its chain, and the root above it."""
    root_key, key, name = SoftwareSigner.generate(), SoftwareSigner.generate(), {"ko": ko, "en": en}
    times = {"not_before": at - timedelta(days=1), "not_after": at + YEARS}
    root = build_root(root_key, name=name, **times)
    leaf = build_signer(
        key.public_key, purpose=Purpose.ISSUER, id=id_, name=name, issuer=root, issuer_signer=root_key, **times
    )
    return key, (leaf,), root


def reader(host: str, ko: str, en: str, *, at: datetime) -> Reader:
    """A verifier's identity."""
    root_key, key, name = SoftwareSigner.generate(), SoftwareSigner.generate(), {"ko": ko, "en": en}
    times = {"not_before": at - timedelta(days=1), "not_after": at + YEARS}
    root = build_root(root_key, name=name, **times)
    return Reader(
        build_reader(key.public_key, identifier=host, name=name, issuer=root, issuer_signer=root_key, **times), key
    )


def bundle(
    out: Path,
    issuers: Mapping[str, tuple[Issuer, bytes, list[str]]],
    readers: Mapping[str, Reader],
    reader_names: Mapping[str, tuple[str, str, str, tuple[str, ...]]],
    authority_names: Mapping[str, tuple[str, str, str, tuple[str, ...]]],
    catalog: Catalog,
    *,
    version: int,
    at: datetime,
) -> None:
    """Sign the trust bundle ``kr.trust`` with everybody's newest status lists; the first one pins ``kr-root.json``."""
    key_file, root_file = out / "ministry.key", out / "kr-root.json"
    if version == 1:
        ministry = SoftwareSigner.generate()
        key_file.write_bytes(ministry.to_pem(password=None))
        keys = single_key(ministry.public_key)
        root_file.write_bytes(new_root(version=1, roles=keys, signers=[ministry], expires=at + YEARS))
        for old in out.glob("seen-*"):
            old.unlink()
    ministry = SoftwareSigner.from_pem(key_file.read_bytes(), password=None)
    pack = PackBuilder(production=False, name={"ko": "가상 신뢰 목록", "en": "Fictitious trust list"})
    for name, (issuer, root, types) in issuers.items():
        id_, ko, en, _ = authority_names[name]
        pack.add_authority(
            id=id_,
            name={"ko": ko, "en": en},
            purpose=Purpose.ISSUER,
            anchors=[root],
            signers=[list(issuer.chain)],
            types=types,
            status_uris=[f"{id_}/s/"],
            valid_from=at - YEARS,
            valid_until=at + YEARS,
            test=True,
        )
        for token in issuer.status_tokens(at=at).values():
            pack.add_status(token)
    for name, one in readers.items():
        _, ko, en, prefixes = reader_names[name]
        policies = [one for one in preset_ids() if one.startswith(prefixes)]
        pack.add_reader(certificate=one.certificate, name={"ko": ko, "en": en}, policies=policies, test=True)
    pack.add_types(catalog.texts())
    for policy_id in preset_ids():
        pack.add_policy(policy_id, VerificationPolicy.preset(policy_id).source)
    expires = at + timedelta(days=30)
    raw = pack.build(version=version, roots=[root_file.read_bytes()], signers=[ministry], at=at, expires=expires)
    (out / "kr.trust").write_bytes(raw)


class Teller:
    """Prints the story in Korean or English."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self._console = Console(highlight=False)

    def __call__(self, ko: str, en: str) -> None:
        """A line."""
        self._console.print(f"  {escape(self._pick(ko, en))}")

    def chapter(self, ko: str, en: str) -> None:
        """A heading."""
        self._console.print()
        self._console.rule(f"[bold]{escape(self._pick(ko, en))}", align="left")

    def act(self, ko: str, en: str) -> None:
        """A smaller heading."""
        self._console.print(f"\n[bold]▸ {escape(self._pick(ko, en))}")

    def progress(self, many: Iterable[Any]) -> Iterator[Any]:
        """Go through ``many`` behind a progress bar."""
        bar = Progress(
            TextColumn("  " + self._pick("서명하는 중", "signing")),
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

    def picture(self, request: PresentationRequest, path: Path) -> None:
        """Show a request as a QR: on disk, and in the terminal where it is wide enough."""
        (code, *more) = qr.encode(request)
        path.write_bytes(code.png())
        self(
            f"요청 QR: {path} (버전 {code.version}-{code.level})",
            f"request QR: {path} (version {code.version}-{code.level})",
        )
        drawn = code.terminal()
        width = code.version * 4 + 17 + 8
        if not more and self._console.width >= width and self._console.is_terminal:
            print(drawn)
        else:
            self(
                f"(터미널이 {width}칸보다 좁아 그림은 파일에만 있습니다)",
                f"(drawn on disk only: the terminal is not {width} columns wide)",
            )

    def pictures(self, answer: Presentation, out: Path, name: str) -> list[Path]:
        """The answer as one or several QR pictures on disk."""
        codes = qr.encode(answer)
        paths = []
        for number, code in enumerate(codes, 1):
            paths.append(out / (f"{name}.png" if len(codes) == 1 else f"{name}-{number}.png"))
            paths[-1].write_bytes(code.png())
        if len(codes) > 1:
            (out / f"{name}.gif").write_bytes(qr.animation(codes))
        one = codes[0]
        self(
            f"대답 QR {len(codes)}장: {paths[0]} (버전 {one.version}-{one.level})",
            f"answer in {len(codes)} QR code(s): {paths[0]} (version {one.version}-{one.level})",
        )
        return paths

    def asked(self, asked: ConsentRequest) -> None:
        """What the wallet shows: who asks for what, and whether it can be answered."""
        table = Table.grid(padding=(0, 2))
        known = (
            self._pick("등록된 기관", "registered")
            if asked.verifier.trusted
            else self._pick("등록되지 않음", "NOT registered")
        )
        table.add_row(self._pick("요청한 곳", "who asks"), f"{escape(asked.verifier.names.text(self.lang))} ({known})")
        table.add_row(self._pick("목적", "purpose"), escape(asked.purpose))
        for label, many in (
            (self._pick("필수", "required"), asked.required),
            (self._pick("선택", "optional"), asked.optional),
        ):
            table.add_row(label, escape(", ".join(one.label(self.lang) for one in many) or "-"))
        for choice in asked.chosen.values():
            table.add_row(self._pick("증명서", "certificate"), escape(choice.certificate.name(self.lang)))
        for one in asked.missing:
            table.add_row(self._pick("없음", "missing"), f"[red]{escape(one.label(self.lang))}[/]")
        for reason in {one.code: one for one in asked.blocked or asked.reasons}.values():
            sentence = f"[red]{escape(reason.message(self.lang))}[/] {escape(reason.action(self.lang))}"
            table.add_row(self._pick("미리 보니", "beforehand"), sentence)
        self._console.print(
            Panel(table, title=self._pick("지갑", "wallet"), title_align="left", width=min(100, self._console.width))
        )

    def verdict(self, result: VerificationResult, *, seconds: float, checks: bool = True) -> None:
        """The bank's verdict: outcome, claims, every check with its clause, ages, time."""
        self._outcome(result)
        if result:
            claims = Table(title=self._pick("공개된 항목", "disclosed"), title_justify="left", show_header=False)
            for slot, tree in result.claims.items():
                if any(one.slot == slot for one in result.certificates):
                    for path, value in _leaves(tree):
                        claims.add_row(path, escape(str(value)))
            self._console.print(claims)
        if checks:
            self._checks(result)
        for ko, en in dict.fromkeys((one.text("ko"), one.text("en")) for one in result.freshness):
            self(ko, en)
        self(f"그림에서 판정까지 {seconds * 1000:.0f} ms", f"picture to verdict {seconds * 1000:.0f} ms")

    def _checks(self, result: VerificationResult) -> None:
        table = Table(title=self._pick("점검", "checks"), title_justify="left")
        for column in ("", self._pick("단계", "step"), self._pick("점검", "check"), self._pick("근거", "clause"), ""):
            table.add_column(column)
        for check in result.checks:
            table.add_row(
                MARKS[check.status], str(check.step), check.name, escape(check.clause), escape(check.certificate)
            )
        self._console.print(table)

    def refused(self, ko: str, en: str, result: VerificationResult) -> None:
        """Something that must not be accepted, with its reasons in plain words."""
        self._console.print(f"\n[bold]▸ {escape(self._pick(ko, en))}")
        self._outcome(result)
        if result:
            raise AssertionError("this was accepted, and must never be")

    def accepted(self, ko: str, en: str, result: VerificationResult) -> None:
        """Something honest beside it."""
        self._console.print(f"\n[bold]▸ {escape(self._pick(ko, en))}")
        self._outcome(result)

    def end(self, out: Path) -> None:
        """Where to look next."""
        self(
            f"그림과 파일: {out}/   이야기의 소스: examples/burned.py",
            f"pictures and files: {out}/   the source of this story: examples/burned.py",
        )

    def _outcome(self, result: VerificationResult) -> None:
        name = result.outcome.value
        self._console.print(f"  [bold {COLOURS[name]}]{name}[/] {self._pick(*OUTCOMES[name])}")
        for reason in dict.fromkeys(one.code for one in result.reasons):
            found = next(one for one in result.reasons if one.code is reason)
            self._console.print(
                f"    {escape(found.message(self.lang))} [dim]{escape(found.action(self.lang))} ({reason.value})[/]"
            )

    def _pick(self, ko: str, en: str) -> str:
        return ko if self.lang == "ko" else en


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        for name, value in node.items():
            yield from _leaves(value, f"{path}.{name}" if path else name)
    elif isinstance(node, list) and node:
        for index, value in enumerate(node):
            yield from _leaves(value, f"{path}[{index}]")
    else:
        text = str(node)
        yield path, text if len(text) < 80 else f"{text[:60]}… ({len(text)})"
