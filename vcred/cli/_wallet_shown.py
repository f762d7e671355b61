"""What a holder sees of an offer or a request that came over a network, before saying yes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vcred.cli._command import Run
    from wallet.client import Asked, IssuanceConsent
    from wallet.consent import Consent

__all__ = ["offer_problems", "show_offer", "show_request"]


def show_request(run: Run, asked: Asked, consent: Consent | None) -> None:
    """Who asks for what, what the holder chose to show, where the answer goes, and what is agreed to with it."""
    from vcred.cli._show import console, plain
    from vcred.cli._wallet_show import print_asked

    out = console(errors=run.json)
    print_asked(out, asked.consent, run.lang, consent)
    out.print(plain(run.text(f"보낼 곳: {asked.host}", f"goes to: {asked.host}")))
    for statement in asked.consent.statements:
        out.print(plain(run.text("동의할 내용: ", "to agree to: ") + " · ".join(statement.values())))


def show_offer(run: Run, asked: IssuanceConsent) -> None:
    """Who offers what, before the holder says yes. What the issuer calls itself is a stranger's text."""
    from vcred.cli._show import console, plain

    out = console(errors=True)
    if asked.authority is not None:
        mark = run.text(" (시험용)", " (for tests)") if asked.test else ""
        out.print(plain(asked.authority.text(run.lang) + mark), style="bold")
    else:
        out.print(
            plain(run.text("신뢰 목록에 없는 발급자", "An issuer that the trust list does not have")),
            style="bold yellow",
        )
        out.print(plain(run.text("스스로 부르는 이름: ", "calls itself: ") + asked.issuer_name[run.lang]))
    out.print(plain(run.text("발급자: ", "issuer: ") + asked.issuer))
    out.print(plain(run.text("연결할 곳: ", "servers: ") + ", ".join(asked.hosts)))
    problems = offer_problems(run)
    for one in asked.credentials:
        note = "" if one.problem is None else f" - {problems[one.problem]}"
        out.print(plain(f"- {one.name[run.lang]} ({one.format}){note}"))
    if asked.tx_code is not None:
        more = f": {asked.tx_code.description}" if asked.tx_code.description else ""
        out.print(plain(run.text("거래 코드가 필요합니다", "needs a transaction code") + more))
    if asked.login:
        out.print(plain(run.text("발급자에게 로그인해야 합니다", "needs a login at the issuer")))


def offer_problems(run: Run) -> dict[str, str]:
    """Why a credential that is offered cannot be taken."""
    return {
        "unknown": run.text("발급자가 설명하지 않음", "not described by the issuer"),
        "type": run.text("신뢰 목록에 없는 종류", "a type that the trust list does not have"),
        "format": run.text("지갑이 모르는 형식", "a format that this wallet does not hold"),
        "proof": run.text("지갑이 낼 수 없는 증명이 필요함", "wants a proof that this wallet does not have"),
    }
