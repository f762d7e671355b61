"""Errors as one line and an exit code.

0 done, or ACCEPTED; 1 REJECTED (the other side's message is refused, or the holder said no); 2 wrong use; 3
INDETERMINATE; 4 our own configuration, keys or files; 5 an extra is missing; 130 interrupted.
"""

from __future__ import annotations

import json
from typing import Any

import click

from vcred import errors as e
from vcred.cli._texts import LANG, detail_text
from vcred.reasons import Outcome, Reason

__all__ = ["OURS", "Failure", "Interrupted", "MissingExtra", "Rejected", "Undecided", "exit_of", "failure_of"]

OURS = 4

_KINDS: tuple[tuple[type[Exception], str, str, str, str], ...] = (
    # class, what (ko, en), fix (ko, en); the first that fits counts
    (e.BundleExpired, "신뢰 목록 만료", "trust bundle expired", "새 목록을 받으세요", "get a newer bundle"),
    (
        e.BundleRollback,
        "신뢰 목록이 전보다 오래됨",
        "older trust bundle",
        "가장 새로운 목록을 쓰세요",
        "use the newest bundle",
    ),
    (
        e.BundleSignature,
        "신뢰 목록 서명 오류",
        "trust bundle signature",
        "--root 파일과 목록의 출처를 확인하세요",
        "check --root and where the bundle came from",
    ),
    (e.TrustError, "신뢰 목록 오류", "trust data", "", ""),
    (
        e.SigningError,
        "서명 키 오류",
        "signing key",
        "키 파일과 암호를 확인하세요",
        "check the key file and its password",
    ),
    (e.Locked, "잠김", "locked", "PIN을 확인하거나 다른 창을 닫으세요", "check the PIN, or close the other process"),
    (e.NotFound, "없음", "not found", "list 명령으로 식별자를 확인하세요", "look the id up with the list command"),
    (e.StoreError, "저장소 오류", "store", "", ""),
    (
        e.RecordError,
        "등록부 오류",
        "registry record",
        "대상과 선택 사항을 확인하세요",
        "check the subject and the options",
    ),
    (e.SettingsError, "설정 오류", "settings", "", ""),
    (
        e.CatalogError,
        "증명서 종류 오류",
        "certificate type",
        "vcred catalog check 를 보세요",
        "see vcred catalog check",
    ),
    (
        e.PolicyError,
        "검증 정책 오류",
        "verification policy",
        "vcred catalog check --policy 를 보세요",
        "see vcred catalog check --policy",
    ),
    (e.ConsentError, "동의하지 않음", "no consent", "wallet match 로 다시 확인하세요", "look again with wallet match"),
    (e.TransportError, "통신 오류", "transport", "메시지를 파일로 옮기세요", "carry the message as a file"),
    (
        e.MissingExtraError,
        "추가 패키지가 필요함",
        "an extra is missing",
        "위 명령을 실행하세요",
        "run the command above",
    ),
    (e.VcredError, "오류", "error", "", ""),
    (OSError, "파일 오류", "file", "경로와 권한을 확인하세요", "check the path and the permissions"),
)


class Failure(click.ClickException):
    """A command ended for a reason of our own. ``to_json`` is what ``--json`` prints in place of a report."""

    exit_code = OURS

    def __init__(self, line: str, **facts: Any) -> None:
        super().__init__(line)
        self.facts = facts
        self.as_json = False

    def to_json(self) -> dict[str, Any]:
        """The failure as JSON-able values."""
        return {"error": {"message": self.message, "exit_code": self.exit_code, **self.facts}}

    def show(self, file: Any = None) -> None:
        """One line on stderr; with ``--json`` one document on stdout as well."""
        click.echo(self.message, file=file, err=file is None)
        if self.as_json:
            click.echo(json.dumps(self.to_json(), ensure_ascii=False))


class Rejected(Failure):
    """What the other side sent is refused, or the holder said no."""

    exit_code = 1


class Undecided(Failure):
    """It could not be decided."""

    exit_code = 3


class MissingExtra(Failure):
    """An optional part is not installed."""

    exit_code = 5


class Interrupted(Failure):
    """The person at the keyboard ended it."""

    exit_code = 130


def exit_of(outcome: Outcome) -> int:
    """The exit code of an outcome."""
    codes = {Outcome.ACCEPTED: 0, Outcome.REJECTED: Rejected.exit_code, Outcome.INDETERMINATE: Undecided.exit_code}
    return codes[outcome]


def failure_of(error: Exception) -> Failure:
    """What to tell about ``error``, in the language of this run."""
    lang = LANG.get()
    if isinstance(error, e.RefusedError) and not isinstance(error, e.StoreError):
        reason = Reason(error.code, error.path, error.detail)
        line = _line(reason.message(lang), f"[{error}]", reason.action(lang))
        made = Rejected if error.code.outcome is Outcome.REJECTED else Undecided
        return made(line, kind="refused", code=error.code.value, path=error.path, detail=error.detail)
    kind, ko, en, fix_ko, fix_en = next(row for row in _KINDS if isinstance(error, row[0]))
    what, fix = (ko, fix_ko) if lang == "ko" else (en, fix_en)
    ended = {e.MissingExtraError: MissingExtra, e.ConsentError: Rejected}.get(kind, Failure)
    facts: dict[str, Any] = {"kind": type(error).__name__}
    detail = str(error)
    if isinstance(error, OSError):
        detail = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if isinstance(error, (e.CatalogError, e.PolicyError)):
        facts |= {"file": error.file, "path": error.path, "detail": error.detail}
    return ended(_line(f"{what}: {detail_text(detail, lang)}", fix), **facts)


def _line(*parts: str) -> str:
    from vcred.qr import safe_text

    return " - ".join(safe_text(part) for part in parts if part)
