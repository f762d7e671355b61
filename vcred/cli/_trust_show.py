"""What a trust operator sees: who has to sign what, what would change, and what is published."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from vcred.cli._show import age_text, moment_text, plain, table
from vcred.cli._trust_changes import OTHER_PROFILE, change_lines, changes, ends, key_changes
from vcred.cli._trust_content import authorities, ending, moment, readers
from vcred.cli._trust_keys import key_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from vcred.cli._command import Run
    from vcred.trust import TrustBundle
    from vcred.trust.ceremony import Staged
    from vcred.trust.content import Authority
    from vcred.trust.repository import Published, Repository

__all__ = ["confirm", "show_authorities", "show_bundle", "show_published", "show_readers", "show_repository"]

_SOON = timedelta(days=60)


def show_authorities(run: Run, folder: Path) -> None:
    """The authorities taken in, and which of their keys end soon."""
    from vcred.cli._describe import fingerprint

    facts: list[dict[str, Any]] = [
        {
            "id": entry.id,
            "name": {"ko": entry.names.ko, "en": entry.names.en},
            "types": sorted(entry.types),
            "test": entry.test,
            "profile": entry.profile.value,
            "anchors": [fingerprint(der) for der in entry.anchors],
            "kids": [kid.hex() for kid in entry.kids],
            "keys": [{"kid": each.key.kid.hex(), "alg": each.key.alg} for each in entry.keys],
            "withdrawn": [_withdrawn(entry, index) for index in range(len(entry.withdrawn))],
        }
        for entry in authorities(folder)
    ]
    other = [f"{one['id']}: {OTHER_PROFILE}: {one['profile']}" for one in facts if one["profile"] != "vcred"]
    soon = ending(folder, at=run.at)
    if run.json:
        run.report(facts, lambda _: None)
        return
    head = run.text(
        "식별자|이름|종류 수|시험용|철회|루트 지문|서명 키", "id|name|types|test|withdrawn|root fingerprint|signers"
    ).split("|")
    rows = [
        [
            one["id"],
            one["name"][run.lang],
            len(one["types"]),
            _yes(one["test"], run),
            len(one["withdrawn"]) or "",
            " / ".join(one["anchors"]),
            " ".join([*one["kids"], *(f"{each['kid']} ({each['alg']})" for each in one["keys"])]),
        ]
        for one in facts
    ]

    def show(console: Console) -> None:
        console.print(table(head, rows))
        for line in other:
            console.print(plain(line), style="bold red")
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
        "key_changes": key_changes(repository),
        "ends": {role: end.isoformat() for role, end in ends(repository).items()},
    }
    run.report(facts, lambda console: _repository(console, facts, run))


def confirm(run: Run, repository: Repository) -> frozenset[str]:
    """Show what would be signed and ask. Nothing is signed unseen: returns the digests of what was shown."""
    shown = frozenset(each.digest for each in repository.staged())
    show_repository(run, repository)
    click.confirm(run.text("이대로 서명할까요?", "Sign this?"), abort=True, err=True)
    return shown


def show_published(
    run: Run, repository: Repository, published: Published, wrong: Mapping[str, str], out: Path | None
) -> bool:
    """What a publication did, and what is in the bundle now. Returns whether a status list is left out."""
    left_out = [{"uri": name, "why": why, "kept": False} for name, why in wrong.items()]
    left_out += [{"uri": one.uri, "why": one.why, "kept": one.kept} for one in published.left_out]
    facts = published.bundle.summary(at=run.at) | {
        "file": str(out or repository.bundle_file),
        "root": str(repository.first_root),
        "root_version": published.root_version,
        "list_version": published.list_version,
        "left_out": left_out,
        "waiting": [_staged(each) for each in published.waiting],
        "ends": {role: end.isoformat() for role, end in ends(repository).items()},
    }

    def show(console: Console) -> None:
        _bundle(console, facts, run.lang)
        console.print(f"{facts['file']}\n{facts['root']}")
        for one in left_out:
            kept = (
                run.text(" (전에 공개한 것을 그대로 둡니다)", " (what was published before stays)")
                if one["kept"]
                else ""
            )
            text = run.text("상태 목록을 뺐습니다", "status list left out")
            console.print(plain(f"{text}: {one['uri']}: {one['why']}{kept}"), style="yellow")
        for each in facts["waiting"]:
            _waits(console, each, run)
        _ends(console, facts["ends"], facts["waiting"], run)

    run.report(facts, show)
    return bool(left_out)


def show_bundle(run: Run, bundle: TrustBundle) -> None:
    """What is in a bundle."""
    facts = bundle.summary(at=run.at)
    run.report(facts, lambda console: _bundle(console, facts, run.lang))


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
    for line in (*_key_lines(facts["key_changes"], names, run), *change_lines(facts["changes"], run)):
        console.print(plain(line))
    for each in facts["staged"]:
        _waits(console, each, run)
    if not facts["staged"]:
        console.print(run.text("서명을 기다리는 것이 없습니다", "nothing waits for a signature"))
    _ends(console, facts["ends"], facts["staged"], run)


def _key_lines(found: list[dict[str, Any]], names: Mapping[str, str], run: Run) -> list[str]:
    lines = []
    for one in found:
        told = [f"+ {key}" for key in one["added"]] + [f"- {key}" for key in one["removed"]]
        if one["threshold"] != one["threshold_before"]:
            told.append(run.text("서명 수", "signatures") + f" {one['threshold_before']} → {one['threshold']}")
        lines.append(f"{names[one['role']]}: {', '.join(told)}")
    return lines


def _ends(console: Console, found: Mapping[str, str], waiting: Sequence[Mapping[str, Any]], run: Run) -> None:
    """Say that root or trust list end soon: publishing daily does not renew them, officers do."""
    command = {"root": "vcred trust rotate --role root", "targets": "vcred trust stage"}
    name = {"root": run.text("루트", "root"), "targets": run.text("신뢰 목록", "trust list")}
    for role in sorted(found.keys() - {each["role"] for each in waiting}):
        end = datetime.fromisoformat(found[role])
        if end - run.at < _SOON:
            when = moment_text(int(end.timestamp()))
            ko = f"{name[role]}: {when}에 끝납니다. {command[role]} 로 새로 만들고 책임자의 서명을 받으세요"
            en = f"{name[role]}: ends {when}. Make the next one ({command[role]}) and have officers sign it"
            console.print(plain(run.text(ko, en)), style="yellow")


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
