"""The operators' pages: what was issued, revocation, applications that wait, the kill switch, keys, the audit log.

Operators log in with an admin token of the settings; their name is in every audit line. Nobody's name or number is on
any of these pages.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final, cast

from issuer.server.identity import LoginError
from issuer.server.visits import go
from vcred.errors import NotFound
from vcred.formats._wire import epoch
from vcred.serving import counted_address

if TYPE_CHECKING:
    from starlette.responses import Response

    from issuer.server.applications import State
    from issuer.server.pages import Site
    from issuer.server.visits import Visit

__all__ = ["REASONS", "add"]

REASONS: Final = ("reissued", "requested", "record changed", "wrongly issued", "reported lost", "found", "other")
"""Why, as the audit log has it; the pages have them in both languages as ``reason_<number>``."""

_PAGE: Final = 50
_STATES: Final = ("valid", "revoked", "suspended")
_LAST: Final = 2**62


def add(site: Site) -> None:
    """Put the pages into the site."""
    site.page("GET", "/operator", lambda visit: _start(site, visit), of="operator", needs_login=False)
    site.page("POST", "/operator/login", lambda visit: _login(site, visit), of="operator", needs_login=False)
    site.page("GET", "/operator/login", lambda _: go(site.at("/operator")), of="operator", needs_login=False)
    site.routes(
        (
            ("POST", "/operator/logout", _logout),
            ("GET", "/operator/issued", _issued),
            ("GET", "/operator/issued/{credential_id}", _credential),
            ("POST", "/operator/issued/{credential_id}/{change}", _change),
            ("GET", "/operator/applications", _applications),
            ("POST", "/operator/applications/{application_id}/{change}", _decide),
            ("GET", "/operator/audit", _audit),
            ("POST", "/operator/audit/check", _check_audit),
            ("GET", "/operator/audit/check", _audit),
            ("POST", "/operator/stop", _stop),
            ("POST", "/operator/start", _run),
        ),
        of="operator",
    )


def _start(site: Site, visit: Visit) -> Response:
    parts = site.parts
    if visit.who is None:
        return site.render(visit, "operator_login.html", ready=bool(parts.settings.admin_tokens), wrong=False)
    signer = parts.issuer.profile.signer.public_key
    counts = parts.store.count_credentials()
    return site.render(
        visit,
        "operator.html",
        stopped=parts.store.hindrance(signer.kid),
        counts=[(state, counts.get(number, 0)) for number, state in enumerate(_STATES)],
        waiting=parts.applications.waiting(),
        signer=signer.kid.hex(),
        algorithm=signer.alg,
        ends=_ends(site),
        lists=parts.store.lists(),
        findings=[*parts.issuer.lint(at=visit.at), *_card_problems(site, visit)],
        reasons=REASONS,
    )


def _card_problems(site: Site, visit: Visit) -> list[str]:
    """Why nobody can log in with a card, if so."""
    reader = site.parts.card_reader
    problem = None if reader is None else reader.problem(at=visit.at)
    return [] if problem is None else [f"login by card: {problem}"]


def _login(site: Site, visit: Visit) -> Response:
    """Who has an admin token; wrong ones count against the address they come from."""
    parts, now = site.parts, epoch(visit.at)
    who = f"operator {counted_address(visit.request)}"
    if parts.store.guesses(who, at=now) >= parts.settings.wrong_guesses:
        raise LoginError("too many wrong tokens from one address")
    given, found = _digest(visit.sent.get("token", "").strip()), ""
    for name, secret in parts.settings.admin_tokens.items():
        if hmac.compare_digest(given, _digest(secret.get_secret_value())):
            found = name
    if not found:
        parts.store.transact(lambda: parts.store.add_guess(who, at=now))
        return site.render(visit, "operator_login.html", status=403, ready=True, wrong=True)
    answer = go(site.at("/operator"))
    if visit.who is not None:
        site.sessions.end(answer, "operator", visit.who)
    site.sessions.begin(answer, "operator", subject=found, name=found, at=visit.at)
    parts.store.transact(lambda: parts.store.log(now, "operator logged in", note=f"by {found}"))
    return answer


def _logout(site: Site, visit: Visit) -> Response:
    answer = go(site.at("/operator"))
    site.sessions.end(answer, "operator", visit.session)
    return answer


def _issued(site: Site, visit: Visit) -> Response:
    asked = visit.request.query_params
    code, state = asked.get("code") or None, asked.get("state", "")
    rows = site.parts.store.credentials(
        code=code,
        state=_STATES.index(state) if state in _STATES else None,
        id_begins=asked.get("id", "").strip()[:64],
        before=_number(asked.get("before")),
        limit=_PAGE + 1,
    )
    return site.render(
        visit,
        "issued.html",
        rows=[(row, site.kinds.get(row.code), _STATES[row.state]) for row in rows[:_PAGE]],
        older=rows[_PAGE - 1].number if len(rows) > _PAGE else None,
        code=code,
        state=state,
        id_begins=asked.get("id", "").strip()[:64],
        states=_STATES,
    )


def _credential(site: Site, visit: Visit) -> Response:
    credential_id = visit.request.path_params["credential_id"]
    found = site.parts.store.credentials(code=None, state=None, id_begins=credential_id, before=_LAST, limit=2)
    row = next((one for one in found if one.id == credential_id), None)
    if row is None:
        raise NotFound("there is no such credential")
    kind = site.kinds.get(row.code)
    return site.render(
        visit,
        "credential.html",
        row=row,
        kind=kind,
        state=_STATES[row.state],
        copies=len(site.parts.store.places(row.id)),
        suspendable=kind is not None and kind.status.suspendable,
        reasons=REASONS,
    )


def _change(site: Site, visit: Visit) -> Response:
    """Revoke, suspend, reinstate."""
    credential_id, issuer = visit.request.path_params["credential_id"], site.parts.issuer
    changes = {"revoke": issuer.revoke, "suspend": issuer.suspend, "reinstate": issuer.reinstate}
    change = changes.get(visit.request.path_params["change"])
    if change is None:
        raise NotFound("there is no such change")
    if change == issuer.revoke and visit.sent.get("sure") != "yes":
        raise ValueError("a revocation is for good: say so")
    change(credential_id, reason=_reason(visit), at=visit.at)
    return go(site.at(f"/operator/issued/{credential_id}"))


def _applications(site: Site, visit: Visit) -> Response:
    state = visit.request.query_params.get("state", "open")
    known = ("open", "issued", "denied", "withdrawn")
    wanted = cast("State", state) if state in known else None
    rows = []
    for one in site.parts.applications.newest(wanted, limit=200):
        stage = one.state if one.state != "open" else "ready" if one.is_ready(at=visit.at) else "waiting"
        rows.append((one, site.kinds.get(one.code), stage))
    return site.render(
        visit, "operator_applications.html", rows=rows, state=state if state in known else "", states=known
    )


def _decide(site: Site, visit: Visit) -> Response:
    application_id, by = visit.request.path_params["application_id"], visit.session.subject
    applications, at = site.parts.applications, visit.at
    change = visit.request.path_params["change"]
    if change == "approve":
        applications.approve(application_id, by=by, at=at)
    elif change == "deny":
        applications.deny(application_id, by=by, at=at)
    elif change == "withdraw":
        applications.withdraw(application_id, by=by, revoke=visit.sent.get("revoke") == "yes", at=at)
    else:
        raise NotFound("there is no such decision")
    return go(site.at("/operator/applications"))


def _audit(site: Site, visit: Visit, checked: int | None = None) -> Response:
    asked, store = visit.request.query_params, site.parts.store
    event = asked.get("event") or None
    rows = store.audit_lines(event=event, before=_number(asked.get("before")), limit=_PAGE + 1)
    return site.render(
        visit,
        "audit.html",
        rows=rows[:_PAGE],
        older=rows[_PAGE - 1]["seq"] if len(rows) > _PAGE else None,
        event=event,
        events=store.audit_events(),
        checked=checked,
    )


def _check_audit(site: Site, visit: Visit) -> Response:
    """Read the whole chain. What is broken is a ``StoreError``, and an error page."""
    return _audit(site, visit, checked=site.parts.store.check_audit())


def _stop(site: Site, visit: Visit) -> Response:
    site.parts.issuer.stop(reason=_reason(visit), at=visit.at)
    return go(site.at("/operator"))


def _run(site: Site, visit: Visit) -> Response:
    parts = site.parts

    def work() -> None:
        parts.issuer.start(at=visit.at)
        parts.store.log(epoch(visit.at), "start ordered", note=f"by {visit.session.subject}")

    parts.store.transact(work)
    return go(site.at("/operator"))


def _reason(visit: Visit) -> str:
    """What the audit log says: who, and why."""
    reason = visit.sent.get("reason", "")
    if reason not in REASONS:
        raise ValueError("no such reason")
    return f"{visit.session.subject}. {reason}"


def _ends(site: Site) -> int | None:
    """When the signer's certificate ends."""
    from vcred.trust.x509 import read_certificate  # noqa: PLC0415 - X.509 loads with the first look

    chain = site.parts.issuer.chain
    bare = site.parts.issuer.profile.bare
    if chain:
        return min(read_certificate(der, "chain").not_after for der in chain)
    return None if bare is None else bare.valid_until


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 18 else _LAST


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
