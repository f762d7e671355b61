"""What a wallet shows people, and the same as JSON: certificates, requests, history."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from vcred.receipt import Receipt
    from wallet import Wallet
    from wallet._records import HistoryRecord
    from wallet.certificate import Certificate
    from wallet.consent import Choice, Consent, ConsentRequest, Disclosure

__all__ = [
    "ask_facts",
    "certificate_facts",
    "certificate_table",
    "history_facts",
    "history_table",
    "print_asked",
    "print_certificate",
    "receipt_lines",
]

_STATES = {"ready": ("사용 가능", "ready"), "used_up": ("다 씀", "used up"), "reissue": ("재발급 필요", "reissue")}


def certificate_facts(one: Certificate) -> dict[str, Any]:
    """A certificate without its claims."""
    return {
        "id": one.id,
        "code": one.code,
        "name": {"ko": one.name("ko"), "en": one.name("en")},
        "issuer": one.issuer,
        "credential_id": one.credential_id,
        "issued_at": one.issued_at,
        "expires_at": one.expires_at,
        "formats": list(one.formats),
        "unused": one.unused,
        "total": one.total,
        "state": one.state.value,
    }


def certificate_table(console: Console, found: Iterable[Certificate], lang: str) -> None:
    """Certificates, one a row."""
    from vcred.cli._show import moment_text, table

    korean = lang == "ko"
    head = (
        ["식별자", "증명서", "발급자", "만료", "남은 사본", "상태"]
        if korean
        else ["id", "certificate", "issuer", "expires", "copies left", "state"]
    )
    rows = (
        (
            one.id,
            one.name(lang),
            one.issuer,
            moment_text(one.expires_at),
            f"{one.unused}/{one.total}",
            _STATES[one.state.value][0 if korean else 1],
        )
        for one in found
    )
    console.print(table(head, rows))


def print_certificate(console: Console, one: Certificate, lang: str) -> None:
    """One certificate: whose, from when to when, and how often it can still be shown."""
    from vcred.cli._show import moment_text, plain

    korean = lang == "ko"
    console.print(plain(one.name(lang)), style="bold")
    labels = (
        ("식별자", "발급자", "발급 번호", "발급", "만료", "형식", "남은 사본", "상태")
        if korean
        else ("id", "issuer", "issuer's number", "issued", "expires", "formats", "copies left", "state")
    )
    values = (
        one.id,
        one.issuer,
        one.credential_id,
        moment_text(one.issued_at),
        moment_text(one.expires_at),
        ", ".join(one.formats),
        f"{one.unused}/{one.total}",
        _STATES[one.state.value][0 if korean else 1],
    )
    for label, value in zip(labels, values, strict=True):
        console.print(plain(f"{label}: {value}"))


def history_facts(wallet: Wallet, one: HistoryRecord) -> dict[str, Any]:
    """One act of presenting, and the receipt for it if there is one, verified again."""
    return {
        "at": one.at,
        "verifier": dict(one.verifier),
        "registered": one.registered,
        "purpose": one.purpose,
        "retention": one.retention,
        "policy": one.policy,
        "one_way": one.one_way,
        "shown": [dict(each) for each in one.shown],
        "receipt": None if one.receipt is None else _receipt_facts(wallet, one),
    }


def _receipt_facts(wallet: Wallet, one: HistoryRecord) -> dict[str, Any]:
    """What a receipt says, and on what it can be believed today: ``verified`` is ``None`` when it cannot."""
    from vcred import Receipt
    from vcred.errors import RefusedError

    assert one.receipt is not None
    receipt = Receipt.parse(one.receipt)
    facts: dict[str, Any] = {
        "outcome": receipt.outcome.value,
        "reference": receipt.reference,
        "at": receipt.issued_at,
        "reasons": list(receipt.reasons),
        "types": list(receipt.types),
        "purpose": receipt.purpose,
        "retention": receipt.retention,
    }
    try:
        proof = wallet.check_receipt(one)
    except RefusedError as error:
        return facts | {"verified": None, "as_asked": None, "problem": error.code.value}
    return facts | {"verified": proof.basis.value, "as_asked": proof.as_asked, "problem": None}


def history_table(console: Console, facts: Iterable[dict[str, Any]], lang: str) -> None:
    """What was shown to whom, one act a row."""
    from vcred.cli._show import moment_text, table

    korean = lang == "ko"
    head = (
        ["언제", "누구에게", "목적", "무엇을", "보관", "확인서"]
        if korean
        else ["when", "to whom", "purpose", "what", "retention", "receipt"]
    )
    unknown = " (등록되지 않음)" if korean else " (not registered)"
    rows = (
        (
            moment_text(one["at"]),
            one["verifier"][lang] + ("" if one["registered"] else unknown),
            one["purpose"],
            ", ".join(dict.fromkeys(each[lang] for each in one["shown"])),
            one["retention"] or "",
            _receipt_text(one["receipt"], lang),
        )
        for one in facts
    )
    console.print(table(head, rows))


def _receipt_text(receipt: dict[str, Any] | None, lang: str) -> str:
    """The outcome, and what a holder should know about the receipt today."""
    if receipt is None:
        return ""
    korean = lang == "ko"
    notes = {
        "trust_list": ("", ""),
        "kept": ("서명 확인됨, 지금의 목록에는 없는 곳", "signature good, not on today's list"),
        "unregistered": ("서명 확인됨, 등록되지 않은 곳", "signature good, never registered"),
        None: ("확인할 수 없음", "cannot be verified"),
    }
    texts = [receipt["outcome"], notes[receipt["verified"]][not korean]]
    if receipt["as_asked"] is False:
        texts.append("요청과 다른 목적이나 보관 기간" if korean else "not the purpose or retention that was asked for")
    return " · ".join(text for text in texts if text)


def receipt_lines(receipt: Receipt, lang: str) -> list[str]:
    """What a receipt says: why, for what purpose, and how long what was shown is kept."""
    from vcred.reasons import Reason, ReasonCode

    korean = lang == "ko"
    known = {code.value: Reason(code) for code in ReasonCode}
    lines = [f"- {known[code].message(lang) if code in known else code} ({code})" for code in receipt.reasons]
    lines.append(("목적: " if korean else "purpose: ") + receipt.purpose)
    return lines if receipt.retention is None else [*lines, ("보관: " if korean else "retention: ") + receipt.retention]


def ask_facts(asked: ConsentRequest, lang: str) -> dict[str, Any]:
    """A request and what would answer it."""
    return {
        "verifier": {
            "client_id": asked.verifier.client_id,
            "name": {"ko": asked.verifier.names.ko, "en": asked.verifier.names.en},
            "registered": asked.verifier.registered,
        },
        "purpose": asked.purpose,
        "policy": asked.policy,
        "retention": asked.retention,
        "one_way": asked.one_way,
        "expires_at": asked.expires_at,
        "required": [_disclosure(one, lang) for one in asked.required],
        "always": [_disclosure(one, lang) for one in _always(asked)],
        "optional": [_disclosure(one, lang) for one in asked.optional],
        "missing": [{"query": one.query, "name": one.label(lang), "why": list(one.why)} for one in asked.missing],
        "candidates": {query: [_choice(one) for one in many] for query, many in asked.candidates.items()},
        "reasons": _reasons(asked.reasons, lang),
        "blocked": _reasons(asked.blocked, lang),
    }


def print_asked(console: Console, asked: ConsentRequest, lang: str, consent: Consent | None = None) -> None:
    """Who asks for what and why, what would be shown, and what speaks against it.

    With ``consent`` it is what the holder chose that is shown, and not the default answer.
    """
    from vcred.cli._show import plain, reason_lines, table

    korean = lang == "ko"
    name = asked.verifier.names.text(lang)
    mark = "" if asked.verifier.registered else (" (등록되지 않음)" if korean else " (not registered)")
    console.print(plain(name + mark), style="bold" if asked.verifier.registered else "bold yellow")
    console.print(plain(("목적: " if korean else "purpose: ") + asked.purpose))
    if asked.retention:
        console.print(plain(("보관: " if korean else "retention: ") + asked.retention))
    if asked.one_way:
        console.print(
            "도전값이 없는 요청입니다. 답을 누가 베껴 다시 쓸 수 있습니다"
            if korean
            else "This request has no challenge: an answer could be copied and used again"
        )
    head = ["증명서", "항목", "경로", ""] if korean else ["certificate", "claim", "path", ""]
    names = _names(asked, lang)
    if consent is None:
        parts = {("필수", "required"): asked.required, ("늘 함께", "goes along"): _always(asked)}
    else:
        parts = {("보여 줌", "shown"): consent.disclosures}
    rest = [one for one in asked.optional if consent is None or one not in consent.disclosures]
    rows = [
        (names.get(one.certificate, one.certificate), one.label(lang), str(one.path), ko if korean else en)
        for (ko, en), many in (parts | {("선택", "optional"): rest}).items()
        for one in many
    ]
    if rows:
        console.print(table(head, rows))
    for lacking in asked.missing:
        text = ("없음: " if korean else "missing: ") + lacking.label(lang)
        console.print(plain(text + (f" ({', '.join(lacking.why)})" if lacking.why else "")), style="red")
    for line in reason_lines((*asked.blocked, *asked.reasons), lang):
        console.print(line)


def _always(asked: ConsentRequest) -> list[Disclosure]:
    """What goes with the certificates that would be shown, whatever is asked: of some formats, everything."""
    return [one for choice in asked.chosen.values() for one in choice.always]


def _names(asked: ConsentRequest, lang: str) -> dict[str, str]:
    """What each certificate that answers is called; with its id where another has the same name."""
    names = {one.certificate.id: one.certificate.name(lang) for many in asked.candidates.values() for one in many}
    alike = Counter(names.values())
    return {one: f"{name} {one}" if alike[name] > 1 else name for one, name in names.items()}


def _disclosure(one: Disclosure, lang: str) -> dict[str, Any]:
    return {
        "query": one.query,
        "certificate": one.certificate,
        "path": str(one.path),
        "name": one.label(lang),
        "sensitivity": one.sensitivity,
        "count": one.count,
    }


def _choice(one: Choice) -> dict[str, Any]:
    return {
        "certificate": one.certificate.id,
        "code": one.certificate.code,
        "format": one.format,
        "spent": one.spent,
        "reasons": [reason.code.value for reason in one.reasons],
    }


def _reasons(reasons: Iterable[Any], lang: str) -> list[dict[str, str]]:
    return [
        {"code": one.code.value, "path": one.path, "message": one.message(lang), "action": one.action(lang)}
        for one in reasons
    ]
