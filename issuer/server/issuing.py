"""Credential requests, deferred requests and notifications (OpenID4VCI 1.0 sections 8, 9 and 11).

A request has a slot: a value that only the same request with the same access token has. Its answer is kept there as
long
as the token counts, so that whoever asks again after a lost reply gets the same certificate and the same status entry,
and nobody else gets it (threats CI-12, OP-04). The wallet's nonces are used up in the transaction that reserves.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.responses import Response

from issuer.server._applications import DeferredRow
from issuer.server.access import access_with
from issuer.server.encryption import refused as bad_encryption
from issuer.server.proofs import Unspent
from vcred.errors import MalformedError, NotFound, RecordError, RefusedError
from vcred.formats._wire import b64u_encode, dump_json, epoch, parse_json
from vcred.keys import PublicKey
from vcred.oid4vci import CredentialRequest, CredentialResponse, DeferredRequest, check_proofs, encode_credential
from vcred.outgoing import media_type
from vcred.reasons import ReasonCode
from vcred.serving import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from starlette.requests import Request

    from issuer.server.access import Access
    from issuer.server.applications import Application
    from issuer.server.configurations import Configuration
    from issuer.server.encryption import Encryption
    from issuer.server.figures import Figures
    from issuer.server.parts import Parts
    from vcred.issuance import Delivery
    from vcred.oid4vci import ResponseEncryption

__all__ = ["CredentialDesk", "IdempotencyConflictError"]

_EVENTS: Final = ("credential_accepted", "credential_failure", "credential_deleted")
_DESCRIPTION: Final = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]{0,1024}")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_MAX_NOTIFICATION: Final = 16_384
_GRACE: Final = 120
"""Seconds in which a deferred answer that was lost can be fetched again; then its transaction is over."""

_NO_STORE: Final = {"Cache-Control": "no-store"}


class IdempotencyConflictError(Exception):
    """One ``Idempotency-Key``, two requests (threats CI-13)."""


class _Slot(NamedTuple):
    """Where the answer to a request is kept, which request it is, and the client's own name for it."""

    place: bytes
    digest: bytes
    key: str | None


def _nothing() -> None:
    pass


class CredentialDesk:
    """Answers wallets that have an access token. Everything blocks. What is wrong is a ``ProtocolError``."""

    def __init__(self, parts: Parts, encryption: Encryption, figures: Figures) -> None:
        self._parts = parts
        self._encryption = encryption
        self._figures = figures

    def credential(self, request: Request, body: bytes) -> Response:
        """The credential endpoint."""
        return self._answer(request, lambda access, use, at: self._credential(request, body, access, use, at))

    def deferred(self, request: Request, body: bytes) -> Response:
        """The deferred credential endpoint."""
        return self._answer(request, lambda access, use, at: self._deferred(request, body, access, use, at))

    def notification(self, request: Request, body: bytes) -> Response:
        """The notification endpoint."""
        return self._answer(request, lambda access, use, at: self._notification(request, body, access, use, at))

    def _answer(self, request: Request, work: Callable[[Access, Callable[[], None], datetime], Response]) -> Response:
        """``work`` gets what is to be done in the transaction that answers: the request's own proof is used up."""
        at = self._parts.clock()
        unspent = Unspent(self._parts, at=at)
        with unspent.settled():
            access = access_with(request, unspent, at=at)
            try:
                answer = work(access, unspent.use, at)
            except ProtocolError as error:
                self._figures.refused(error.error)
                error.headers = {**access.headers, **error.headers}
                raise
        answer.headers.update(_NO_STORE | dict(access.headers))
        return answer

    def _credential(
        self, request: Request, body: bytes, access: Access, use: Callable[[], None], at: datetime
    ) -> Response:
        raw, encrypted = self._encryption.open(body, _content_type(request))
        try:
            wanted = CredentialRequest.parse(raw)
        except MalformedError as error:
            raise _malformed(error) from None
        self._encryption.check(wanted.encryption, encrypted=encrypted)
        configuration = self._configuration(access, wanted)
        slot = self._slot(request, access, configuration, wanted, at)
        with self._figures.watching():
            known = self._parts.issuer.answered(slot.place, digest=slot.digest, at=at)
        if known is not None:
            return self._sealed(_delivered(known), wanted.encryption)
        keys, nonces = self._proven(wanted, access, at)
        application = self._application(access, configuration)

        def within() -> None:
            use()
            # A request that waited took its nonces then; its answer is in the same slot, whoever fetches it first.
            waited = application.ready_at != application.applied_at
            if not (waited and self._parts.store.deferred(self._transaction(slot)) is not None):
                self._take(nonces, slot, access, at)

        if not application.is_ready(at=at):
            answer = self._wait(application, configuration, slot, keys=keys, within=within, at=at)
            return self._sealed(answer, wanted.encryption)
        copies = [(configuration.format, key) for key in keys]
        delivery = self._issue(application, copies, slot, access, at=at, within=within)
        return self._sealed(_delivered(delivery), wanted.encryption)

    def _deferred(
        self, request: Request, body: bytes, access: Access, use: Callable[[], None], at: datetime
    ) -> Response:
        raw, encrypted = self._encryption.open(body, _content_type(request))
        try:
            wanted = DeferredRequest.parse(raw)
        except MalformedError as error:
            raise _malformed(error) from None
        self._encryption.check(wanted.encryption, encrypted=encrypted)
        store, transaction = self._parts.store, wanted.transaction_id
        row = store.deferred(transaction)
        if row is None or row.application != access.application_id:
            raise ProtocolError("invalid_transaction_id", "not one of this access token")
        if row.delivered_at is not None and (epoch(at) > row.delivered_at + _GRACE or store.offer(row.slot) is None):
            raise ProtocolError("invalid_transaction_id", "it was answered")
        configuration = self._parts.configurations.get(row.configuration)
        if configuration is None:
            raise _denied("this issuer does not issue it any more")
        application = self._application(access, configuration)
        if not application.is_ready(at=at):
            return self._sealed(self._later(application, transaction, at), wanted.encryption)
        copies = [(configuration.format, PublicKey.from_jwk(dict(jwk))) for jwk in row.keys]
        slot = _Slot(row.slot, row.digest, None)
        delivery = self._issue(
            application,
            copies,
            slot,
            access,
            at=at,
            within=use,
            delivered=lambda: store.end_deferred(transaction, at=epoch(at)),
        )
        return self._sealed(_delivered(delivery), wanted.encryption)

    def _notification(
        self, request: Request, body: bytes, access: Access, use: Callable[[], None], at: datetime
    ) -> Response:
        if _content_type(request) != "application/json":
            raise _bad_notification("the body is application/json")
        try:
            value = parse_json(body, "notification", max_bytes=_MAX_NOTIFICATION, max_depth=8)
        except MalformedError as error:
            raise _bad_notification(_said(error)) from None
        told = value if isinstance(value, dict) else {}
        name, event, text = told.get("notification_id"), told.get("event"), told.get("event_description", "")
        if not isinstance(name, str) or not isinstance(event, str) or event not in _EVENTS:
            raise _bad_notification("notification_id or event is missing or unknown")
        if not isinstance(text, str) or not _DESCRIPTION.fullmatch(text):
            raise _bad_notification("event_description is not the text it should be")
        store = self._parts.store

        def work() -> bool | None:
            use()
            news = store.tell(name, access.application_id, event, at=epoch(at))
            if news:
                store.log(epoch(at), event.replace("_", " "), credential=name)
            return news

        news = store.transact(work)
        if news is None:  # of another wallet, or of nobody (threats CI-15)
            raise ProtocolError("invalid_notification_id", "not of a credential that was issued with this access token")
        if news:
            self._figures.told(event)
        return Response(status_code=204)

    def _configuration(self, access: Access, wanted: CredentialRequest) -> Configuration:
        """What is asked for, if the token is for it (threats CI-06)."""
        configurations = self._parts.configurations
        if wanted.identifier is not None:
            found = access.identifiers.get(wanted.identifier)
            if found is None or found not in configurations:
                raise ProtocolError("unknown_credential_identifier", "not one of this access token")
            return configurations[found]
        name = wanted.configuration_id or ""
        if name in access.identifiers.values():
            raise ProtocolError("invalid_credential_request", "the token response named a credential_identifier for it")
        if name not in configurations or name not in access.configurations:
            raise ProtocolError("unknown_credential_configuration", "not one of this access token")
        return configurations[name]

    def _slot(
        self, request: Request, access: Access, configuration: Configuration, wanted: CredentialRequest, at: datetime
    ) -> _Slot:
        digest = hashlib.sha256(dump_json([configuration.id, wanted.identifier, wanted.proofs])).digest()
        store = self._parts.store
        place = store.keyed_hash("slot", access.token_hash + digest)[:16]
        key = request.headers.get("idempotency-key")
        if key is None:
            return _Slot(place, digest, None)
        if not _KEY.fullmatch(key):
            raise ProtocolError("invalid_credential_request", "Idempotency-Key is 1 to 255 printable characters")
        known = store.idempotency(access.grant_id, key, at=epoch(at))
        if known is None:
            return _Slot(place, digest, key)
        if known[0] != digest:
            raise IdempotencyConflictError
        return _Slot(known[1], digest, key)

    def _proven(
        self, wanted: CredentialRequest, access: Access, at: datetime
    ) -> tuple[tuple[PublicKey, ...], frozenset[str]]:
        parts = self._parts
        if wanted.proofs is None:
            raise ProtocolError("invalid_proof", "proofs is missing")
        try:
            proven = check_proofs(
                wanted.proofs,
                issuer=parts.settings.base_url,
                client_id=access.client_id,
                most=parts.settings.batch_size,
                attester=parts.key_attesters.resolver(at=at) if parts.key_attesters else None,
                attested=parts.settings.require_key_attestation,
                at=at,
            )
        except RefusedError as error:
            raise ProtocolError("invalid_proof", _said(error)) from None
        return proven.keys, proven.nonces

    def _application(self, access: Access, configuration: Configuration) -> Application:
        try:
            found = self._parts.applications.get(access.application_id)
        except NotFound:
            raise _denied("the application is over") from None
        if found.state not in ("open", "issued"):
            raise _denied("the application was turned down or withdrawn")
        if configuration.id not in found.configuration_ids:
            raise ProtocolError("unknown_credential_configuration", "nobody applied for it")
        return found

    def _take(self, nonces: frozenset[str], slot: _Slot, access: Access, at: datetime) -> None:
        """Inside the transaction that reserves: the nonces are used up, and the client's name for the request kept."""
        self._parts.nonces.use(nonces, at=at)
        if slot.key is not None:
            self._parts.store.add_idempotency(
                access.grant_id, slot.key, slot.digest, slot.place, expires_at=access.expires_at, at=epoch(at)
            )

    def _wait(
        self,
        application: Application,
        configuration: Configuration,
        slot: _Slot,
        *,
        keys: Sequence[PublicKey],
        within: Callable[[], None],
        at: datetime,
    ) -> CredentialResponse:
        store, transaction = self._parts.store, self._transaction(slot)
        jwks = [key.to_jwk() for key in keys]
        row = DeferredRow(application.id, configuration.id, jwks, slot.digest, slot.place, None)

        def work() -> bool:
            if store.deferred(transaction) is not None:
                return False
            within()
            store.add_deferred(transaction, row, at=epoch(at))
            return True

        try:
            if store.transact(work):
                self._figures.deferred(application.code)
        except RefusedError:
            raise _nonce() from None
        return self._later(application, transaction, at)

    def _transaction(self, slot: _Slot) -> str:
        """The ``transaction_id`` of a request that waits: the same for the same request."""
        return b64u_encode(self._parts.store.keyed_hash("transaction of", slot.place))

    def _later(self, application: Application, transaction: str, at: datetime) -> CredentialResponse:
        interval = self._parts.settings.deferred_interval
        if application.ready_at is not None:
            interval = max(1, min(interval, application.ready_at - epoch(at)))
        return CredentialResponse(transaction_id=transaction, interval=interval)

    def _issue(
        self,
        application: Application,
        copies: Sequence[tuple[str, PublicKey]],
        slot: _Slot,
        access: Access,
        *,
        at: datetime,
        within: Callable[[], None] = _nothing,
        delivered: Callable[[], None] = _nothing,
    ) -> Delivery:
        parts = self._parts

        def delivering(credential_id: str) -> None:
            ended = RecordError("the application was turned down or withdrawn")
            parts.store.add_delivery(credential_id, application.id, otherwise=ended)
            delivered()

        try:
            with self._figures.answering():
                found = parts.issuer.answer(
                    slot.place,
                    copies,
                    digest=slot.digest,
                    at=at,
                    application=parts.applications.offered(application, at=at, expires_at=access.expires_at),
                    within=within,
                    delivered=delivering,
                )
        except RecordError as error:
            raise _denied(str(error)) from None
        except RefusedError as error:
            raise _nonce() if error.code is ReasonCode.NONCE else ProtocolError("invalid_proof", _said(error)) from None
        self._figures.issued(application.code, copies[0][0], len(copies))
        return found

    def _sealed(self, answer: CredentialResponse, wanted: ResponseEncryption | None) -> Response:
        status = 200 if answer.transaction_id is None else 202
        raw = dump_json(answer.to_json())
        if wanted is None:
            return Response(raw, status, media_type="application/json")
        return Response(wanted.seal(raw), status, media_type="application/jwt")


def _delivered(delivery: Delivery) -> CredentialResponse:
    return CredentialResponse(
        credentials=tuple(encode_credential(name, raw) for name, raw in delivery.credentials),
        notification_id=delivery.credential_id,
    )


def _content_type(request: Request) -> str:
    return media_type(request.headers.get("content-type", ""))


def _malformed(error: MalformedError) -> ProtocolError:
    """A body that cannot be read, by the part of it that is wrong (threats CI-03 to CI-05, CI-18)."""
    if error.path.startswith("request.credential_response_encryption"):
        return bad_encryption(_said(error))
    if error.path.startswith("request.proofs"):
        return ProtocolError("invalid_proof", _said(error))
    return ProtocolError("invalid_credential_request", _said(error))


def _said(error: RefusedError) -> str:
    """In the characters that ``error_description`` may have."""
    text = f"{error.code.value}: {error.path}: {error.detail}"
    return "".join(one for one in text if _DESCRIPTION.fullmatch(one))[:256]


def _nonce() -> ProtocolError:
    return ProtocolError("invalid_nonce", "the nonce is not one of ours, was used, or has expired: fetch another")


def _denied(why: str) -> ProtocolError:
    return ProtocolError("credential_request_denied", why)


def _bad_notification(why: str) -> ProtocolError:
    return ProtocolError("invalid_notification_request", why)
