"""What went wrong between a wallet and a server, for the holder: a sentence, where, the codes, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vcred.cli._errors import Failure, Rejected, Undecided, failure_of
from vcred.cli._texts import detail_text
from vcred.errors import ConsentError, Offline, RefusedError, StoreError, Timeout, TransportError
from vcred.reasons import Outcome, Reason, ReasonCode
from wallet.client._refusal import texts

if TYPE_CHECKING:
    from vcred.errors import VcredError
    from wallet.client import IssuanceConsent, ServerError
    from wallet.consent import ConsentRequest

__all__ = ["consent_failure", "explained", "line_of", "nothing_to_take", "refused_request", "told"]

RECEIVE: Final = "receive"
"""What a command does; the other is ``present``."""


def explained(error: VcredError, lang: str, doing: str) -> dict[str, Any]:
    """``error`` as JSON-able values; ``message`` and ``action`` are for people. ``doing``: ``receive``, ``present``."""
    from wallet.client import ServerError

    if isinstance(error, ServerError):
        return _by_server(error, lang)
    if isinstance(error, RefusedError) and not isinstance(error, StoreError):
        return _by_us(error, lang, doing)
    if isinstance(error, TransportError):
        return _on_the_way(error, lang, doing)
    known = failure_of(error)
    return {"message": known.message, "action": "", "where": "", **known.facts}


def told(error: VcredError, lang: str, doing: str) -> Failure:
    """``error`` as what a command ends with."""
    facts = explained(error, lang, doing)
    line = line_of(facts)
    facts = {name: value for name, value in facts.items() if name not in ("message", "where")}
    if facts["kind"] == "server":
        return Rejected(line, **facts)
    if facts["kind"] == "refused":
        made = Rejected if ReasonCode(facts["code"]).outcome is Outcome.REJECTED else Undecided
        return made(line, **facts)
    return Failure(line, **facts)


def line_of(facts: dict[str, Any]) -> str:
    """What ``explained`` found, in one line."""
    from vcred.qr import safe_text

    where = f"[{facts['where']}]" if facts["where"] else ""
    return " - ".join(safe_text(part) for part in (facts["message"], where, facts["action"]) if part)


def nothing_to_take(consent: IssuanceConsent, problems: dict[str, str], lang: str) -> Rejected | None:
    """Why nothing of an offer can be taken; ``None`` when something can."""
    from vcred.qr import safe_text

    if any(one.problem is None for one in consent.credentials):
        return None
    why = "; ".join(f"{one.name[lang]} ({one.format}): {problems[str(one.problem)]}" for one in consent.credentials)
    text, fix = {
        "ko": ("이 제안에는 이 지갑이 받을 수 있는 것이 없습니다", "발급기관에 다른 제안을 달라고 하세요"),
        "en": ("Nothing of this offer can be taken by this wallet", "ask the issuer for another offer"),
    }[lang]
    codes = list(dict.fromkeys(str(one.problem) for one in consent.credentials))
    return Rejected(safe_text(f"{text}: {why} - {fix}"), kind="offer", code=codes[0], reasons=codes, action=fix)


def refused_request(asked: ConsentRequest, lang: str) -> Rejected | None:
    """Why the wallet has no answer: a certificate is missing, or too much is asked for; ``None`` when it has one."""
    from vcred.qr import safe_text

    if asked.blocked:
        reason = asked.blocked[0]
        where = ", ".join(dict.fromkeys(f"{one.path}: {one.detail}" for one in asked.blocked))
        line = f"{reason.message(lang)} [{reason.code.value}: {where}] - {reason.action(lang)}"
        return Rejected(
            safe_text(line),
            kind="blocked",
            code=reason.code.value,
            reasons=[one.code.value for one in asked.blocked],
            action=reason.action(lang),
        )
    if not asked.missing:
        return None
    lacking = []
    for one in asked.missing:
        why = ", ".join(texts()["why"][each][lang] for each in one.why)
        lacking.append(f"{one.label(lang)} ({why})" if why else one.label(lang))
    text, fix = {
        "ko": ("필요한 증명서가 지갑에 없습니다", "발급받은 뒤 새 요청으로 다시 하세요"),
        "en": ("The wallet lacks a certificate that is required", "have it issued, then answer a new request"),
    }[lang]
    return Rejected(
        safe_text(f"{text}: {'; '.join(lacking)} - {fix}"),
        kind="missing",
        code=ReasonCode.MISSING_CERTIFICATE.value,
        missing=[{"query": one.query, "name": one.label(lang), "why": list(one.why)} for one in asked.missing],
        action=fix,
    )


def consent_failure(error: ConsentError, lang: str) -> Rejected:
    """What stands in the way of the holder's yes."""
    from vcred.qr import safe_text

    text, fix = {
        "ko": ("이렇게는 할 수 없습니다", "--yes 없이 다시 실행해 무엇이 요청되는지 보세요"),
        "en": ("It cannot be done like this", "run it again without --yes to see what is asked"),
    }[lang]
    line = safe_text(f"{text}: {detail_text(str(error), lang)} - {fix}")
    return Rejected(line, kind="ConsentError", code="no_consent", action=fix)


def _by_server(error: ServerError, lang: str) -> dict[str, Any]:
    codes = [error.error or str(error.status), *(code.value for code in error.reasons)]
    return {
        "message": error.message(lang),
        "where": f"{error.host}: {', '.join(codes)}",
        "action": error.action(lang),
        "kind": "server",
        "code": error.error,
        "status": error.status,
        "host": error.host,
        "step": error.step,
        "reasons": [code.value for code in error.reasons],
        "retry_after": error.retry_after,
    }


def _by_us(error: RefusedError, lang: str, doing: str) -> dict[str, Any]:
    """What does not check out here. Most reasons have words for a counter, where a person shows a QR code."""
    reason, refused = Reason(error.code, error.path, error.detail), texts()["refused"]
    words = refused.get(error.code.value, {})
    usual = reason.action(lang) if error.code.value in refused["own"] else refused[doing][lang]
    return {
        "message": words.get(lang, reason.message(lang)),
        "where": str(error),
        "action": words.get(f"do_{lang}", usual),
        "kind": "refused",
        "code": error.code.value,
        "path": error.path,
        "detail": error.detail,
    }


def _on_the_way(error: TransportError, lang: str, doing: str) -> dict[str, Any]:
    name = "offline" if isinstance(error, Offline) else "timeout" if isinstance(error, Timeout) else "other"
    network = texts()["network"]
    action = network[name][f"do_{lang}"]
    if doing == RECEIVE and name != "other":
        action = f"{action} {network['later'][lang]}"
    return {
        "message": network[name][lang],
        "where": detail_text(str(error), lang),
        "action": action,
        "kind": type(error).__name__,
        "code": name,
    }
