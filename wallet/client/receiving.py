"""Receiving online (OpenID4VCI 1.0): from a link to certificates, in steps that the holder sees and agrees to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vcred.errors import ConsentError, NotFound, RefusedError, TransportError, VcredError
from vcred.formats._wire import dump_json, epoch
from vcred.oid4vci import PRE_AUTHORIZED, CredentialOffer
from vcred.reasons import ReasonCode
from wallet._records import CERTIFICATES
from wallet.certificate import CertificateState, list_certificates
from wallet.client._asked import consent_of
from wallet.client._authorize import (
    authorization_url,
    check_returned,
    redeem_code,
    redeem_pre_authorized,
    redeem_refresh,
)
from wallet.client._calls import Calls, Identity, shown_host
from wallet.client._collect import Collector, new_keys, spread
from wallet.client._discovery import issuer_facts, server_facts
from wallet.client._refusal import ServerError, during
from wallet.client._session import ASK, DEFERRED, KEPT, Session, Want, digest_of, sessions
from wallet.client.offers import IssuanceConsent, OfferedCredential, OfferPreview, Received, Waiting

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import timedelta

    from vcred.oauth import AuthorizationServer
    from vcred.oid4vci import IssuerMetadata
    from wallet.certificate import Certificate
    from wallet.client._discovery import IssuerFacts
    from wallet.client.online import Online

__all__ = ["Receiving"]

_GRANT_CODE: Final = "authorization_code"
_LOGIN_SECONDS: Final = 86_400
"""How long a login that was begun is waited for."""

_SOON: Final = 5
"""Seconds before its end from which on a token is not used any more."""


class Receiving:
    """What ``Online`` does with issuers."""

    def __init__(self, online: Online) -> None:
        self._online = online
        self._wallet = online.wallet

    def look(self, link: str) -> OfferPreview:
        """See ``Online.look``."""
        found = CredentialOffer.of_uri(link, plain_http=self._online.development)
        if isinstance(found, str):
            return OfferPreview(host=shown_host(found, "credential_offer_uri"), reference=found)
        return OfferPreview(host=shown_host(found.issuer, "credential_issuer"), offer=found)

    def look_issuer(self, issuer: str, configurations: Iterable[str]) -> OfferPreview:
        """See ``Online.look_issuer``."""
        value = {"credential_issuer": issuer, "credential_configuration_ids": list(configurations)}
        offer = CredentialOffer.parse(dump_json(value), plain_http=self._online.development)
        return OfferPreview(host=shown_host(offer.issuer, "credential_issuer"), offer=offer)

    def fetch(self, preview: OfferPreview) -> IssuanceConsent | OfferPreview:
        """See ``Online.fetch``."""
        calls, offer = self._calls(), preview.offer
        if offer is None:
            assert preview.reference is not None
            with during("offer"):
                answer = calls.document(preview.reference)
            offer = CredentialOffer.parse(answer.body, plain_http=self._online.development)
            host = shown_host(offer.issuer, "credential_issuer")
            if host != preview.host:
                return OfferPreview(host=host, offer=offer)
        facts = self._facts(calls, offer.issuer)
        return consent_of(self._online, offer, facts)

    def accept(
        self, consent: IssuanceConsent, *, tx_code: str | None, configurations: Collection[str] | None
    ) -> Received:
        """See ``IssuanceConsent.approve``."""
        grant = consent.offer.pre_authorized
        if (tx_code is not None) != (consent.tx_code is not None):
            raise ConsentError("a transaction code is needed" if tx_code is None else "no transaction code is wanted")
        offered = {one.configuration: one for one in consent.credentials}
        names = [one for one in offered if offered[one].problem is None] if configurations is None else configurations
        chosen = [offered[name] for name in names if name in offered and offered[name].problem is None]
        if not chosen or len(chosen) != len(names):
            raise ConsentError("nothing of this offer can be taken by this wallet")
        facts = consent.facts
        session = self._begun(consent.offer)
        if session is None:
            copies = min(facts.metadata.batch_size, self._online.copies)
            attester = self._online.attester
            session = Session.begin(
                self._wallet.store,
                issuer=consent.issuer,
                server=None if grant is None else grant.authorization_server,
                client_id=self._online.client_id if attester is None else attester.client_id,
                offer=digest_of(consent.offer),
                grant={"kind": "login"} if grant is None else {"kind": "pre", "code": grant.code, "tx_code": tx_code},
                wants=[_want(one, copies) for one in chosen],
                now=epoch(self._online.clock()),
            )
        elif grant is not None and session.record.grant:
            session.update(grant={"kind": "pre", "code": grant.code, "tx_code": tx_code})
        if grant is None and session.record.grant:
            return self._login(session, consent.offer, facts)
        return self._run(session, facts)

    def returned(self, url: str) -> Received:
        """See ``Online.returned``."""
        for session in sessions(self._wallet.store):
            grant = session.record.grant
            if grant.get("kind") == "code" and f"state={grant['state']}" in url:
                calls = self._calls()
                facts = self._facts(calls, session.record.issuer)
                server = self._server(session, facts.metadata, calls, grant=_GRANT_CODE, named=session.record.server)
                return self._back(session, facts, url, server, calls)
        raise RefusedError(ReasonCode.REPLAY, "redirect.state", "not an answer to a request of this wallet")

    def collect(self) -> Received:
        """See ``Online.collect``."""
        now = epoch(self._online.clock())
        self._tidy(now)
        return self._all(session for session in sessions(self._wallet.store) if _is_due(session, now))

    def refresh(self, *, within: timedelta) -> Received:
        """See ``Online.refresh``."""
        at = self._online.clock()
        self._tidy(epoch(at))
        held = list_certificates(self._wallet.store, self._wallet.trust.catalog)
        due: list[Session] = []
        for session in sessions(self._wallet.store):
            if not session.record.tokens.get("refresh"):
                continue
            old = [
                index
                for index, want in enumerate(session.wants)
                if want.phase == KEPT
                and want.certificate in held
                and (
                    held[want.certificate].expires_at <= epoch(at + within)
                    or held[want.certificate].state is CertificateState.USED_UP
                )
            ]
            for index in old:
                want = session.wants[index]
                session.change(index, phase=ASK, keys=new_keys(want.copies), replaces=want.certificate)
            begun = any(want.replaces is not None and want.phase != KEPT for want in session.wants)
            if old or (begun and _is_due(session, epoch(at))):
                due.append(session)
        return self._all(due)

    def waiting(self) -> tuple[Waiting, ...]:
        """See ``Online.waiting``."""
        return tuple(one for session in sessions(self._wallet.store) for one in _waiting(session))

    def forget(self, session_id: str) -> None:
        """See ``Online.forget``."""
        for session in sessions(self._wallet.store):
            if session.id == session_id:
                session.drop()
                return
        raise NotFound(f"{session_id}: nothing of that id is under way")

    def _all(self, due: Iterable[Session]) -> Received:
        certificates: dict[str, Certificate] = {}
        problems: list[VcredError] = []
        for session in due:
            try:
                found = self._run(session, self._facts(self._calls(), session.record.issuer))
            except (TransportError, RefusedError) as error:
                problems.append(error)
                continue
            certificates |= {one.id: one for one in found.certificates}
            problems += found.problems
        return Received(certificates=tuple(certificates.values()), waiting=self.waiting(), problems=tuple(problems))

    def _tidy(self, now: int) -> None:
        """Forget logins that nobody came back from, and rights to refresh what was deleted."""
        held = self._wallet.store.ids(CERTIFICATES)
        for session in sessions(self._wallet.store):
            if session.record.grant:
                over = session.record.grant["kind"] != "pre" and now - session.record.begun_at > _LOGIN_SECONDS
            else:
                over = all(want.phase == KEPT and want.certificate not in held for want in session.wants)
            if over:
                session.drop()

    def _login(self, session: Session, offer: CredentialOffer, facts: IssuerFacts) -> Received:
        grant = offer.authorization_code
        calls = self._calls()
        server = self._server(
            session,
            facts.metadata,
            calls,
            grant=_GRANT_CODE,
            named=None if grant is None else grant.authorization_server,
        )
        try:
            with during("login"):
                url = authorization_url(
                    session,
                    server,
                    facts.metadata,
                    calls=calls,
                    who=self._identity(session, server),
                    redirect_uri=self._online.redirect_uri,
                    issuer_state=None if grant is None else grant.issuer_state,
                )
        except ServerError as error:
            _drop_if_final(session, error)
            raise
        if self._online.open_browser is None:
            return Received(certificates=(), login=url)
        return self._back(session, facts, self._online.open_browser(url), server, calls)

    def _back(
        self, session: Session, facts: IssuerFacts, url: str, server: AuthorizationServer, calls: Calls
    ) -> Received:
        """The holder is back from the browser."""
        try:
            code = check_returned(url, session.record.grant, server)
            redeem_code(session, server, code, calls=calls, who=self._identity(session, server))
        except (ServerError, RefusedError) as error:
            _drop_if_final(session, error)
            raise
        return self._run(session, facts)

    def _run(self, session: Session, facts: IssuerFacts) -> Received:
        """Bring a session as far as it goes now."""
        calls = self._calls()
        if session.record.grant:
            server = self._server(session, facts.metadata, calls, grant=PRE_AUTHORIZED, named=session.record.server)
            try:
                redeem_pre_authorized(session, server, calls=calls, who=self._identity(session, server))
            except (ServerError, RefusedError) as error:
                _drop_if_final(session, error)
                raise
        spread(session)
        calls.key = session.dpop if session.record.tokens["dpop"] else None
        collector = Collector(self._wallet, session, facts, calls, self._online.attester)
        certificates: list[str] = []
        problems: list[VcredError] = []
        for index, want in enumerate(session.wants):
            if want.phase == KEPT:
                continue
            try:
                found = self._step(collector, session, facts.metadata, index)
            except (TransportError, RefusedError) as error:
                problems.append(error)
                if _is_final(error):
                    session.change(index, phase=KEPT, certificate=want.certificate if want.replaces else None)
                continue
            if found is not None and found not in certificates and session.wants[index].phase != DEFERRED:
                certificates.append(found)
        waiting = tuple(_waiting(session))
        _finish(session)
        if problems and not certificates and not waiting:
            raise problems[0]
        held = list_certificates(self._wallet.store, self._wallet.trust.catalog)
        return Received(
            certificates=tuple(held[one] for one in certificates), waiting=waiting, problems=tuple(problems)
        )

    def _step(self, collector: Collector, session: Session, metadata: IssuerMetadata, index: int) -> str | None:
        """One want, with a new access token where the old one has ended."""
        until = session.record.tokens["until"]
        if until is not None and epoch(self._online.clock()) + _SOON >= until:
            self._refreshed(session, metadata)
        try:
            return collector.step(index)
        except ServerError as error:
            if error.status != 401 or not self._refreshed(session, metadata):
                raise
        return collector.step(index)

    def _refreshed(self, session: Session, metadata: IssuerMetadata) -> bool:
        if not session.record.tokens.get("refresh"):
            return False
        calls = self._calls()
        server = self._server(session, metadata, calls, grant="refresh_token", named=session.record.server)
        redeem_refresh(session, server, calls=calls, who=self._identity(session, server))
        return True

    def _server(
        self, session: Session, metadata: IssuerMetadata, calls: Calls, *, grant: str, named: str | None
    ) -> AuthorizationServer:
        with during("issuer"):
            server = server_facts(calls, metadata, named=named, grant=grant, plain_http=self._online.development)
        if session.record.server != server.issuer:
            session.update(server=server.issuer)
        calls.key = session.dpop if "ES256" in server.dpop_algs else None
        return server

    def _identity(self, session: Session, server: AuthorizationServer) -> Identity:
        methods, attester = server.auth_methods, self._online.attester
        if methods and not any(one.startswith("attest_jwt_client_auth") for one in methods):
            attester = None
        return Identity(session.record.client_id, attester=attester, instance=session.instance)

    def _begun(self, offer: CredentialOffer) -> Session | None:
        """What the holder agreed to before, when it has not come to its end: its keys are used again."""
        digest = digest_of(offer)
        for session in sessions(self._wallet.store):
            if session.record.offer == digest and (
                session.record.grant or any(want.phase != KEPT for want in session.wants)
            ):
                return session
        return None

    def _facts(self, calls: Calls, issuer: str) -> IssuerFacts:
        with during("issuer"):
            return issuer_facts(calls, issuer, self._wallet.trust, plain_http=self._online.development)

    def _calls(self) -> Calls:
        return Calls(self._online.http, self._online.clock, self._online.pause)


def _want(offered: OfferedCredential, copies: int) -> Want:
    return Want(
        configuration=offered.configuration,
        format=offered.format,
        code=str(offered.code),
        keys=new_keys(copies),
        copies=copies,
    )


def _is_final(error: VcredError) -> bool:
    """Whether asking once more would not help."""
    return error.final if isinstance(error, ServerError) else isinstance(error, RefusedError)


def _drop_if_final(session: Session, error: VcredError) -> None:
    """Nothing was issued for its keys, and nothing will be."""
    if _is_final(error):
        session.drop()


def _is_due(session: Session, now: int) -> bool:
    kind = session.record.grant.get("kind")
    if kind is not None:
        return bool(kind == "pre")
    return any(want.phase != KEPT and (want.phase != DEFERRED or want.ready_at <= now) for want in session.wants)


def _waiting(session: Session) -> Iterable[Waiting]:
    for want in session.wants:
        if want.phase == DEFERRED:
            yield Waiting(
                session=session.id,
                issuer=session.record.issuer,
                code=want.code,
                format=want.format,
                ready_at=want.ready_at,
            )


def _finish(session: Session) -> None:
    """Keep only what there is something left to do with."""
    if any(want.phase != KEPT for want in session.wants):
        return
    if not session.record.tokens.get("refresh") or not any(want.certificate for want in session.wants):
        session.drop()
