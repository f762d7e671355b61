"""The applicant's pages: choose a certificate, fill in its form, see what it will say, and take it into a wallet.

A wallet that began at ``/authorize`` gets its answer when the applicant has decided; everybody else gets an offer as a
link and a QR code. The steps before the last store nothing: what was chosen is in the address and in the form.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from issuer.database import StateError
from issuer.server.choosing import certified, chosen_of, fields_of, hidden_fields, listed
from issuer.server.credentials import desks_of
from issuer.server.visits import go
from vcred.errors import NotFound, RecordError
from vcred.formats._wire import epoch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from issuer.server.applications import Application
    from issuer.server.offers import OfferMade
    from issuer.server.pages import Site
    from issuer.server.visits import Visit
    from vcred.catalog import CertificateType

__all__ = ["PURPOSES", "add"]

PURPOSES: Final = ("submission", "finance", "employment", "school", "benefit", "own")
"""What a certificate is for. It is kept with the application and in the audit log, and not in the certificate."""

_MOST: Final = 50
_PLACE: Final = re.compile(r"[a-z][a-z0-9+.-]*:(?://[A-Za-z0-9.:\[\]-]+)?")
_ONCE: Final = 8 * 3600
_TAKING: Final = "once"


def add(site: Site) -> None:
    """Put the pages into the site."""
    site.page("GET", "/apply", lambda visit: _start(site, visit), of="applicant", needs_login=False)
    site.routes(
        (
            ("GET", "/apply/types/{code}", _form),
            ("GET", "/apply/types/{code}/check", _check),
            ("POST", "/apply/types/{code}", _submit),
            ("GET", "/apply/applications", _mine),
            ("GET", "/apply/applications/{application_id}", _state),
            ("POST", "/apply/applications/{application_id}/offer", _again),
            ("POST", "/apply/applications/{application_id}/withdraw", _withdraw),
            ("POST", "/apply/deny", _deny),
            ("POST", "/apply/continue", _continue),
        ),
        of="applicant",
    )


def _start(site: Site, visit: Visit) -> Response:
    wanted = _wanted(site, visit)
    if visit.who is None:
        settings = site.parts.settings.identity_provider
        label = None if settings is None else settings.names.get("ko" if visit.lang == "ko" else "en")
        kinds = [site.kinds[code] for code in wanted]
        card, ready = site.showings is not None, site.provider is not None
        return site.render(visit, "login.html", ready=ready, card=card, provider=label, kinds=kinds)
    if visit.authorization is not None:
        found = _offered(site, visit)
        if found is not None:
            return _confirm(site, visit, found)
        if len(wanted) == 1:
            return go(site.at(f"/apply/types/{wanted[0]}"))
    words = visit.request.query_params.get("q", "")[:100]
    families = listed((site.kinds[code] for code in wanted), words, visit.lang)
    return site.render(visit, "types.html", families=families, words=words, deferred=site.parts.settings.deferred)


def _form(site: Site, visit: Visit) -> Response:
    kind = _kind(site, visit)
    variants = [one.id for one in kind.variants]
    variant = visit.request.query_params.get("variant")
    if variant not in variants:
        if variants and variant is not None:
            raise NotFound("no such variant")
        variant = None
    fields = []
    if variant is not None or not variants:
        chosen = chosen_of(kind, variant, visit.request.query_params)
        fields = fields_of(kind, variant, chosen, visit.lang)
    return site.render(visit, "form.html", kind=kind, variant=variant, fields=fields, problem=None)


def _check(site: Site, visit: Visit) -> Response:
    kind = _kind(site, visit)
    sent = visit.request.query_params
    variant = sent.get("variant")
    chosen = chosen_of(kind, variant, sent)
    try:
        site.parts.issuer.consider(
            kind.code,
            subject=visit.session.subject,
            variant=variant,
            options=chosen,
            at=visit.at,
            expires_at=epoch(visit.at),
        )
    except ValueError:
        fields = fields_of(kind, variant, chosen, visit.lang) if _has_variant(kind, variant) else []
        return site.render(
            visit, "form.html", status=400, kind=kind, variant=variant, fields=fields, problem="form_problem"
        )
    answer = site.render(
        visit,
        "check.html",
        kind=kind,
        variant=next((one for one in kind.variants if one.id == variant), None),
        fields=fields_of(kind, variant, chosen, visit.lang),
        hidden=list(hidden_fields(kind, variant, chosen)),
        certified=certified(kind, variant, chosen, visit.lang),
        purposes=PURPOSES,
        once=secrets.token_urlsafe(16),
        waits=kind.code in site.parts.settings.deferred,
    )
    if visit.authorization is not None:
        _let_go(answer, visit.authorization.redirect_uri)
    return answer


def _submit(site: Site, visit: Visit) -> Response:
    kind, sent = _kind(site, visit), visit.sent
    purpose = sent.get("purpose", "")
    if purpose not in PURPOSES:
        raise ValueError("no such purpose")
    variant = sent.get("variant")
    chosen = chosen_of(kind, variant, sent)
    store, now = site.parts.store, epoch(visit.at)
    once = sent.get(_TAKING, "")
    spent = f"{visit.session.form_token} {once}"
    if not store.transact(lambda: store.spend("page", spent, expires_at=now + _ONCE, at=now)):
        return go(site.at("/apply/applications"))
    if visit.authorization is not None:
        there = _granted(site, visit, kind, variant, chosen, purpose=purpose)
    else:
        made = desks_of(site.app).offers.make(
            code=kind.code,
            subject=visit.session.subject,
            variant=variant,
            options=chosen,
            formats=None,
            grant="pre-authorized",
            tx_code=None,
            deferred_until=None,
            by_reference=True,
            scheme="openid-credential-offer",
            purpose=purpose,
            at=visit.at,
        )
        there = None
    store.transact(lambda: store.log(now, "purpose told", code=kind.code, note=purpose))
    return _offer_page(site, visit, made) if there is None else go(there)


def _granted(
    site: Site, visit: Visit, kind: CertificateType, variant: str | None, chosen: Mapping[str, object], *, purpose: str
) -> str:
    """Apply, and give the wallet its code: both, or neither."""
    authorization, covered = visit.authorization, _covered(site, visit, kind)
    assert authorization is not None
    there: list[str] = []

    def within(application_id: str) -> None:
        there.append(site.parts.grants.grant(authorization.id, application_id, configuration_ids=covered, at=visit.at))

    site.parts.applications.create(
        code=kind.code,
        subject=visit.session.subject,
        variant=variant,
        options=chosen,
        configuration_ids=covered,
        purpose=purpose,
        at=visit.at,
        within=within,
    )
    return there[-1]


def _confirm(site: Site, visit: Visit, found: Application) -> Response:
    """A wallet came with an offer of ours: what was applied for stands, and only has to be confirmed."""
    assert visit.authorization is not None
    kind = site.kinds[found.code]
    answer = site.render(
        visit,
        "confirm.html",
        kind=kind,
        variant=next((one for one in kind.variants if one.id == found.variant), None),
        certified=certified(kind, found.variant, found.options, visit.lang),
    )
    _let_go(answer, visit.authorization.redirect_uri)
    return answer


def _continue(site: Site, visit: Visit) -> Response:
    found = _offered(site, visit)
    if visit.authorization is None or found is None:
        raise NotFound("there is no request of a wallet here")
    covered = [one for one in visit.authorization.configurations if one in found.configuration_ids]
    return go(site.parts.grants.grant(visit.authorization.id, found.id, configuration_ids=covered, at=visit.at))


def _deny(site: Site, visit: Visit) -> Response:
    if visit.authorization is None:
        raise NotFound("there is no request of a wallet here")
    return go(site.parts.grants.deny(visit.authorization.id, at=visit.at))


def _mine(site: Site, visit: Visit) -> Response:
    ids = site.parts.store.applications_of(visit.session.subject, _MOST)
    found = [site.parts.applications.get(one) for one in ids]
    rows = [(one, site.kinds.get(one.code), _stage(one, visit)) for one in found]
    return site.render(visit, "applications.html", rows=rows)


def _state(site: Site, visit: Visit) -> Response:
    found = _own(site, visit)
    return site.render(
        visit, "application.html", found=found, kind=site.kinds.get(found.code), stage=_stage(found, visit), made=None
    )


def _again(site: Site, visit: Visit) -> Response:
    """Another link for an application that no wallet has taken yet; the one before counts no more."""
    found = _own(site, visit)
    if found.state != "open":
        raise StateError("the certificate was taken, or the application has ended")
    return _offer_page(site, visit, desks_of(site.app).offers.again(found.id, at=visit.at))


def _withdraw(site: Site, visit: Visit) -> Response:
    found = _own(site, visit)
    site.parts.applications.withdraw(found.id, by="applicant", revoke=False, at=visit.at)
    return go(site.at(f"/apply/applications/{found.id}"))


def _offer_page(site: Site, visit: Visit, made: OfferMade) -> Response:
    found = site.parts.applications.get(made.application_id)
    return site.render(
        visit, "application.html", found=found, kind=site.kinds[found.code], stage=_stage(found, visit), made=made
    )


def _stage(found: Application, visit: Visit) -> str:
    """What the applicant reads: 접수 → 처리중 → 발급, or 반려 or 취소."""
    if found.state != "open":
        return found.state
    return "ready" if found.is_ready(at=visit.at) else "waiting"


def _own(site: Site, visit: Visit) -> Application:
    found = site.parts.applications.get(visit.request.path_params["application_id"])
    if found.subject != visit.session.subject:
        raise NotFound("there is no such application")
    return found


def _kind(site: Site, visit: Visit) -> CertificateType:
    code = visit.request.path_params["code"]
    if code not in _wanted(site, visit):
        raise NotFound("this service has no such certificate, or the wallet did not ask for it")
    return site.kinds[code]


def _wanted(site: Site, visit: Visit) -> list[str]:
    """The codes that can be chosen: those that a wallet asked for, else all."""
    if visit.authorization is None:
        return list(site.kinds)
    codes = [site.parts.configurations[one].code for one in visit.authorization.configurations]
    return [code for code in dict.fromkeys(codes) if code in site.kinds]


def _covered(site: Site, visit: Visit, kind: CertificateType) -> list[str]:
    """The configurations of a type: those that a wallet asked for, else all."""
    known = site.parts.configurations
    asked = known if visit.authorization is None else visit.authorization.configurations
    return [one for one in asked if known[one].code == kind.code]


def _offered(site: Site, visit: Visit) -> Application | None:
    """The application whose offer a wallet came with. Raises ``RecordError`` when it is somebody else's."""
    if visit.authorization is None or visit.authorization.issuer_state is None:
        return None
    found = site.parts.applications.of_issuer_state(visit.authorization.issuer_state, at=visit.at)
    if found is None:
        return None
    if found.subject != visit.session.subject:
        raise RecordError("the offer is for somebody else")
    covered = set(found.configuration_ids) & set(visit.authorization.configurations)
    return found if covered and found.code in site.kinds else None


def _has_variant(kind: CertificateType, variant: str | None) -> bool:
    return variant in [one.id for one in kind.variants] or (variant is None and not kind.variants)


def _let_go(answer: Response, redirect_uri: str) -> None:
    """Let a form of this page end at the wallet: browsers hold redirects to ``form-action``, too."""
    parts = urlsplit(redirect_uri)
    place = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
    if not _PLACE.fullmatch(place):
        return  # such a browser stays here, and the person closes the page
    answer.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {place}"
    )
