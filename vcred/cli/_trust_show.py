"""What a trust operator sees: who has to sign what, what would change, and what is published."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from vcred.cli._show import age_text, moment_text, plain, table
from vcred.cli._trust_content import authorities, ending, moment, readers
from vcred.cli._trust_keys import key_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.console import Console

    from vcred.cli._command import Run
    from vcred.trust import TrustBundle
    from vcred.trust.ceremony import Staged
    from vcred.trust.content import Authority
    from vcred.trust.repository import Published, Repository

__all__ = ["confirm", "show_authorities", "show_bundle", "show_published", "show_readers", "show_repository"]

_MANY = 5


def show_authorities(run: Run, folder: Path) -> None:
    """The authorities taken in, and which of their keys end soon."""
    from vcred.cli._describe import fingerprint

    facts: list[dict[str, Any]] = [
        {
            "id": entry.id,
            "name": {"ko": entry.names.ko, "en": entry.names.en},
            "types": sorted(entry.types),
            "test": entry.test,
            "anchors": [fingerprint(der) for der in entry.anchors],
            "kids": [kid.hex() for kid in entry.kids],
            "withdrawn": [_withdrawn(entry, index) for index in range(len(entry.withdrawn))],
        }
        for entry in authorities(folder)
    ]
    soon = ending(folder, at=run.at)
    if run.json:
        run.report(facts, lambda _: None)
        return
    head = run.text("식별자|이름|종류 수|시험용|철회|루트 지문", "id|name|types|test|withdrawn|root fingerprint").split(
        "|"
    )
    rows = [
        [
            one["id"],
            one["name"][run.lang],
            len(one["types"]),
            _yes(one["test"], run),
            len(one["withdrawn"]) or "",
            " / ".join(one["anchors"]),
        ]
        for one in facts
    ]

    def show(console: Console) -> None:
        console.print(table(head, rows))
        for line in soon:
            console.print(plain(line), style="yellow")

    run.report(facts, show)


def show_readers(run: Run, folder: Path) -> None:
    """The readers taken in."""
    from vcred.cli._describe import fingerprint

    facts: list[dict[str, Any]] = [
        {
            "name": {"ko": entry.names.ko, "en": entry.names.en},
            "policies": sorted(entry.policies),
            "test": entry.test,
            "certificate": fingerprint(entry.certificate),
        }
        for entry in readers(folder)
    ]
    head = run.text("이름|정책|시험용|인증서 지문", "name|policies|test|certificate fingerprint").split("|")
    rows = [
        [one["name"][run.lang], ", ".join(one["policies"]), _yes(one["test"], run), one["certificate"]] for one in facts
    ]
    run.report(facts, lambda console: console.print(table(head, rows)))


def show_repository(run: Run, repository: Repository) -> None:
    """Keys by role, what is published, what waits for whose signature and what it would change."""
    facts = {
        "name": {"ko": repository.names.ko, "en": repository.names.en},
        "production": repository.production,
        "roles": {
            role: {"threshold": held.threshold, "keys": [key_name(key) for key in held.keys]}
            for role, held in repository.roles().items()
        },
        "published": str(repository.bundle_file) if repository.bundle_file.exists() else None,
        "staged": [_staged(each) for each in repository.staged()],
        "changes": changes(repository),
    }
    run.report(facts, lambda console: _repository(console, facts, run))


def confirm(run: Run, repository: Repository) -> None:
    """Show what would be signed and ask. Nothing is signed unseen."""
    show_repository(run, repository)
    click.confirm(run.text("이대로 서명할까요?", "Sign this?"), abort=True, err=True)


def show_published(run: Run, repository: Repository, published: Published, out: Path | None) -> None:
    """What a publication did, and what is in the bundle now."""
    facts = published.bundle.summary(at=run.at) | {
        "file": str(out or repository.bundle_file),
        "root": str(repository.first_root),
        "root_version": published.root_version,
        "list_version": published.list_version,
        "dropped": list(published.dropped),
        "waiting": [_staged(each) for each in published.waiting],
    }

    def show(console: Console) -> None:
        _bundle(console, facts, run.lang)
        console.print(f"{facts['file']}\n{facts['root']}")
        for uri in published.dropped:
            console.print(
                plain(
                    run.text(
                        f"{uri}: 더는 믿는 키로 서명되지 않아 뺐습니다", f"{uri}: left out, no trusted key signed it"
                    )
                ),
                style="yellow",
            )
        for each in facts["waiting"]:
            _waits(console, each, run)

    run.report(facts, show)


def show_bundle(run: Run, bundle: TrustBundle) -> None:
    """What is in a bundle."""
    facts = bundle.summary(at=run.at)
    run.report(facts, lambda console: _bundle(console, facts, run.lang))


def changes(repository: Repository) -> list[dict[str, str]]:
    """What the staged trust list would change, one entry a thing: ``what``, ``id`` and ``change``."""
    new, old = repository.staged_files(), repository.published_files() or {}
    if new is None:
        return []
    found = []
    for kind, before, after in (
        ("authority", _authorities(old), _authorities(new)),
        ("reader", _readers(old), _readers(new)),
        ("type", _texts(old, "types/"), _texts(new, "types/")),
        ("policy", _texts(old, "policies/"), _texts(new, "policies/")),
    ):
        for name in sorted(before.keys() | after.keys()):
            change = _change(before.get(name), after.get(name))
            if change:
                found.append({"what": kind, "id": name, "change": change})
    return found


def _change(before: Any, after: Any) -> str:
    if before == after:
        return ""
    if before is None or after is None:
        return "removed" if after is None else "added"
    if not hasattr(before, "__slots__"):
        return "changed"
    return ", ".join(name for name in type(after).__slots__ if getattr(before, name) != getattr(after, name))


def _authorities(files: Mapping[str, bytes]) -> dict[str, Any]:
    from vcred.trust.content import parse_authorities

    return {} if not files else {each.id: each for each in parse_authorities(files["authorities.json"])[0]}


def _readers(files: Mapping[str, bytes]) -> dict[str, Any]:
    from vcred.cli._describe import fingerprint
    from vcred.trust.content import parse_authorities

    if not files:
        return {}
    entries = parse_authorities(files["authorities.json"])[1]
    return {f"{each.names.en} {fingerprint(each.certificate)[:9]}": each for each in entries}


def _texts(files: Mapping[str, bytes], folder: str) -> dict[str, Any]:
    return {name.removeprefix(folder): raw for name, raw in files.items() if name.startswith(folder)}


def _withdrawn(entry: Authority, index: int) -> dict[str, Any]:
    each = entry.withdrawn[index]
    return {
        "kid": None if each.kid is None else each.kid.hex(),
        "at": moment(each.at).isoformat(),
        "reason": each.reason.value,
    }


def _staged(each: Staged) -> dict[str, Any]:
    return {
        "role": each.role,
        "version": each.version,
        "expires_at": each.expires_at.isoformat(),
        "sha256": each.digest,
        "complete": each.complete,
        "signatures": [
            {
                "by": demand.by,
                "threshold": demand.threshold,
                "signed": [key_name(key) for key in demand.signed],
                "keys": [key_name(key) for key in demand.keys],
            }
            for demand in each.demands
        ],
    }


def _repository(console: Console, facts: Mapping[str, Any], run: Run) -> None:
    kind = run.text("운영", "production") if facts["production"] else run.text("시험용", "TEST")
    console.print(plain(f"{facts['name'][run.lang]} · {kind}"), style="bold")
    names = {
        "root": run.text("루트", "root"),
        "targets": run.text("신뢰 목록", "trust list"),
        "online": run.text("온라인(상태)", "online (status)"),
    }
    rows = [
        (names[role], f"{held['threshold']}/{len(held['keys'])}", " ".join(held["keys"]))
        for role, held in facts["roles"].items()
    ]
    console.print(table(run.text("역할|서명 수|키", "role|signatures|keys").split("|"), rows))
    for line in _change_lines(facts["changes"], run):
        console.print(plain(line))
    for each in facts["staged"]:
        _waits(console, each, run)
    if not facts["staged"]:
        console.print(run.text("서명을 기다리는 것이 없습니다", "nothing waits for a signature"))


def _change_lines(found: list[dict[str, str]], run: Run) -> list[str]:
    """One line a change, authorities and readers by name; of many files of one kind, how many."""
    things = {
        "authority": run.text("발급기관", "authority"),
        "reader": run.text("요청자", "reader"),
        "type": run.text("증명서 종류", "certificate type"),
        "policy": run.text("정책", "policy"),
    }
    words = {"added": "추가", "removed": "삭제", "changed": "변경"} if run.lang == "ko" else {}
    lines = []
    for (what, change), group in groupby(found, key=lambda each: (each["what"], each["change"])):
        names = [each["id"] for each in group]
        told = words.get(change, change)
        if what in ("type", "policy") and len(names) > _MANY:
            lines.append(f"{things[what]} ({len(names)}): {told}")
        else:
            lines += [f"{things[what]} {name}: {told}" for name in names]
    return lines


def _waits(console: Console, each: Mapping[str, Any], run: Run) -> None:
    name = {"root": run.text("루트", "root"), "targets": run.text("신뢰 목록", "trust list")}[each["role"]]
    signed = " · ".join(f"{one['by']}: {len(one['signed'])}/{one['threshold']}" for one in each["signatures"])
    state = run.text("서명 완료", "signed") if each["complete"] else run.text("서명 대기", "waits for signatures")
    style = "green" if each["complete"] else "yellow"
    console.print(plain(f"{name} {each['version']}: {state} ({signed})"), style=style)
    console.print(plain(f"  SHA-256 {each['sha256']}"))


def _bundle(console: Console, facts: Mapping[str, Any], lang: str) -> None:
    korean = lang == "ko"
    kind = ("운영" if korean else "production") if facts["production"] else ("시험용" if korean else "TEST")
    console.print(plain(f"{facts['name'][lang]} · {kind} · v{facts['version']}"), style="bold")
    age = age_text(timedelta(seconds=facts["age"]), lang)
    when = "목록 작성 {} · 서명 {} ({}) · 만료 {}" if korean else "list made {} · signed {} ({}) · expires {}"
    listed, signed, expires = (
        moment_text(int(datetime.fromisoformat(facts[one]).timestamp()))
        for one in ("listed_at", "signed_at", "expires_at")
    )
    console.print(when.format(listed, signed, age, expires))
    head = "기관|이름|용도|종류|서명자" if korean else "authority|name|purpose|types|signers"
    purposes = {"issuer": "발급", "reader": "요청", "status": "상태"}
    rows = (
        (
            one["id"],
            one["name"][lang],
            purposes[one["purpose"]] if korean else one["purpose"],
            one["types"],
            one["signers"],
        )
        for one in facts["authorities"]
    )
    console.print(table(head.split("|"), rows))
    counts = (facts["types"], len(facts["policies"]), facts["readers"])
    console.print(
        ("종류 {} · 정책 {} · 요청자 {}" if korean else "types {} · policies {} · readers {}").format(*counts)
    )
    for status in facts["status_lists"]:
        age = status["problem"] or age_text(None if status["age"] is None else timedelta(seconds=status["age"]), lang)
        console.print(plain(f"{status['uri']}: {age}"))


def _yes(value: bool, run: Run) -> str:  # noqa: FBT001 - a value to show
    return (run.text("예", "yes")) if value else ""
