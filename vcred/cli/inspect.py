"""``vcred inspect``: what a file is, by its own account. Nothing of it is verified, and it says so first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vcred.cli._command import Command, Run, option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from vcred.catalog import Catalog
    from vcred.credential import Opened
    from vcred.formats.base import CredentialFormat
    from vcred.qr import Message

__all__ = ["command"]

_Found = tuple[str, str | None, bytes]
"""What it answers, the format that its sender names, and its bytes."""
_Read = tuple[str, "list[_Found]", "dict[str, Any]"]

_LABELS = {
    "alg": ("서명 방식", "algorithm"),
    "bytes": ("크기(바이트)", "bytes"),
    "claim_paths": ("항목", "claims"),
    "client_id": ("요청자", "reader"),
    "code": ("종류 코드", "type code"),
    "expires_at": ("만료", "expires"),
    "format": ("형식", "format"),
    "formats": ("형식", "formats"),
    "holder_bound": ("소지자 키", "holder key"),
    "issued_at": ("발급", "issued"),
    "issuer": ("발급자", "issuer"),
    "named": ("보낸 쪽이 말한 형식", "format as sent"),
    "not_before": ("유효 시작", "valid from"),
    "policy": ("정책", "policy"),
    "presented_at": ("제시", "presented"),
    "presented_to": ("받는 쪽", "presented to"),
    "problem": ("문제", "problem"),
    "purpose": ("목적", "purpose"),
    "query": ("질의", "answers"),
    "status": ("상태 목록", "status list"),
    "type": ("종류", "type"),
}


_KINDS = {
    "delivery": ("발급된 증명서", "delivery"),
    "document": ("문서", "document"),
    "offer": ("발급 안내", "offer"),
    "one_way": ("요청 없는 제출", "answer without a challenge"),
    "paper": ("종이 증명서", "paper document"),
    "proof": ("발급 신청", "request for issuance"),
    "receipt": ("확인서", "receipt"),
    "request": ("제출 요청", "request"),
    "response": ("제출", "answer to a request"),
    "vp_token": ("제출(vp_token)", "answer (vp_token)"),
}


@click.command("inspect", cls=Command, json=True)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@option("--claims", is_flag=True)
@click.pass_obj
def command(run: Run, *, files: tuple[str, ...], claims: bool) -> None:
    """See ``texts.toml``."""
    from vcred.catalog import Catalog
    from vcred.cli._errors import Rejected

    kind, found, more = _read(files, quiet=run.json)
    catalog = Catalog.builtin()
    documents = [_document(one, catalog, claims=claims) for one in found]
    facts: dict[str, Any] = {"verified": False, "kind": kind, **more, "documents": documents}
    run.report(facts, lambda console: _print(console, facts, catalog, run))
    if any("problem" in one for one in documents):
        raise SystemExit(Rejected.exit_code)


def _read(files: tuple[str, ...], *, quiet: bool) -> _Read:
    """What kind of thing the files are, the documents in them, and what else there is to say. ``MalformedError``."""
    from vcred.cli._messages import read_bare, take
    from vcred.errors import MalformedError
    from vcred.presentation import Presentation, PresentationRequest
    from vcred.qr import Message, decode_message

    try:
        bare = read_bare(files)
    except MalformedError:
        made = _made_elsewhere(files)
        if made is None:
            raise
        return made
    if isinstance(bare, Presentation):
        return "vp_token", _presented(bare), {}
    if bare:
        return "document", [("", None, raw) for raw in bare], {}
    found = take(files, quiet=quiet)
    if isinstance(found, str):
        return "request", [], _request_facts(PresentationRequest.parse(found))
    message = found if isinstance(found, Message) else decode_message(found)
    return message.kind.name.lower(), *_in_message(message)


def _made_elsewhere(files: tuple[str, ...]) -> _Read | None:
    """A request as a JWS, or a delivery in JSON: what begins as a presentation does."""
    from vcred.cli._messages import take_bytes
    from vcred.errors import MalformedError
    from vcred.issuance import Delivery
    from vcred.presentation import PresentationRequest

    try:
        raw = take_bytes(files)
        if isinstance(raw, bytes) and raw[:1] == b"{":
            return "delivery", [("", form, one) for form, one in Delivery.parse(raw).credentials], {}
        return "request", [], _request_facts(PresentationRequest.parse(raw))
    except MalformedError:
        return None


def _in_message(message: Message) -> tuple[list[_Found], dict[str, Any]]:
    from vcred.issuance import Delivery
    from vcred.presentation import Presentation, PresentationRequest
    from vcred.qr import MessageKind

    if message.kind in (MessageKind.RESPONSE, MessageKind.ONE_WAY):
        return _presented(Presentation.parse(message)), {}
    if message.kind is MessageKind.REQUEST:
        return [], _request_facts(PresentationRequest.parse(message))
    if message.kind is MessageKind.DELIVERY:
        return [("", form, raw) for form, raw in Delivery.parse(message).credentials], {}
    sheet = message.body.get(1)
    if message.kind is MessageKind.PAPER and isinstance(sheet, bytes):
        return [("", None, sheet)], {}
    return [], {}


def _presented(answer: Any) -> list[_Found]:
    return [(query, one.format, one.raw) for query, many in answer.tokens.items() for one in many]


def _request_facts(request: Any) -> dict[str, Any]:
    return {
        "client_id": request.client_id,
        "policy": request.policy,
        "purpose": request.purpose,
        "issued_at": request.issued_at,
        "expires_at": request.expires_at,
        "formats": sorted({one.format for one in request.query.credentials}),
    }


def _document(found: _Found, catalog: Catalog, *, claims: bool) -> dict[str, Any]:
    from vcred.errors import RefusedError
    from vcred.formats.detect import detect
    from verifier._formats import readers

    query, named, raw = found
    facts: dict[str, Any] = {"query": query or None, "bytes": len(raw), "format": None, "named": named}
    try:
        facts["format"] = detect(raw)
        form = readers(catalog).get(facts["format"])
        if form is not None:
            facts |= _facts(form, raw, catalog, claims=claims)
    except RefusedError as error:
        facts["problem"] = {"code": error.code.value, "path": error.path, "detail": error.detail}
    return facts


def _facts(form: CredentialFormat, raw: bytes, catalog: Catalog, *, claims: bool) -> dict[str, Any]:
    from vcred.cli._claims import claim_rows
    from vcred.credential import status_entries

    opened: Opened = form.open(raw)
    kind, binding = catalog.by_vct(opened.vct), opened.key_binding
    facts = {
        "type": opened.vct,
        "code": None if kind is None else kind.code,
        "issuer": opened.issuer,
        "issued_at": opened.issued_at,
        "not_before": opened.not_before,
        "expires_at": opened.expires_at,
        "alg": opened.alg,
        "status": [entry.uri for entry in status_entries(opened.status)],
        "holder_bound": opened.holder_key is not None,
        "presented_to": None if binding is None else binding.audience,
        "presented_at": None if binding is None else binding.issued_at,
        "claim_paths": [path for _, _, path in claim_rows(kind, opened.claims, "en")],
    }
    return {**facts, "claims": opened.claims} if claims else facts


def _print(console: Console, facts: dict[str, Any], catalog: Catalog, run: Run) -> None:
    from vcred.cli._show import plain, table

    console.print(
        run.text(
            "검증하지 않았습니다. 파일이 스스로 말하는 내용일 뿐이며, 누구나 이렇게 쓸 수 있습니다.",
            "NOT VERIFIED. This is only what the file says about itself, and anybody can write that.",
        ),
        style="bold yellow",
    )
    console.print(run.text(*_KINDS[facts["kind"]]), style="bold")
    head = (run.text("무엇", "what"), run.text("파일의 말", "by its own account"))
    rows = [(name, value) for name, value in facts.items() if name not in ("verified", "kind", "documents")]
    if rows:
        console.print(table(head, _lines(rows, run)))
    for one in facts["documents"]:
        kind = catalog[one["code"]] if one.get("code") else None
        unknown = run.text("알 수 없는 종류", "unknown type")
        console.print(plain(unknown if kind is None else kind.name(run.lang)), style="bold")
        shown = ((name, value) for name, value in one.items() if name != "claims")
        console.print(table(head, _lines(shown, run)))
        if "claims" in one:
            from vcred.cli._claims import print_claims

            print_claims(console, kind, one["claims"], run.lang)


def _lines(pairs: Iterable[tuple[str, Any]], run: Run) -> Iterable[tuple[str, str]]:
    from vcred.cli._show import moment_text

    for name, value in pairs:
        if value is None or value == []:
            continue
        label = run.text(*_LABELS[name])
        if name.endswith("_at") or name == "not_before":
            yield label, moment_text(value)
        elif isinstance(value, dict):
            yield label, ": ".join(str(one) for one in value.values() if one)
        elif isinstance(value, bool):
            yield label, run.text("있음" if value else "없음", "yes" if value else "no")
        else:
            yield label, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
