"""What people apply for: certified on trial when they apply, and again when a wallet comes for it.

An application is ``open`` until its first certificate is delivered; then it is ``issued``, and stands for fresh copies
as long as its wallet holds a token and the registry certifies. ``denied`` and ``withdrawn`` end it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from issuer.database import StateError
from issuer.server._applications import ApplicationRow
from issuer.store import OfferRow
from vcred.errors import NotFound, RecordError
from vcred.formats._wire import epoch

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from issuer.issuer import Issuer
    from issuer.server.configurations import Configurations
    from issuer.server.settings import IssuerServerSettings
    from issuer.server.store import ServiceStore

__all__ = ["Application", "Applications", "State"]

State = Literal["open", "issued", "denied", "withdrawn"]
_MOST: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One application. ``ready_at``: from when on it can be issued; ``None`` while it waits for a decision."""

    id: str
    code: str
    subject: str = field(repr=False)
    variant: str | None
    options: Mapping[str, Any] = field(repr=False, hash=False)
    configuration_ids: tuple[str, ...]
    record_digest: bytes = field(repr=False)
    applied_on: str
    applied_at: int
    ready_at: int | None
    state: State
    expires_at: int
    purpose: str | None

    def is_ready(self, *, at: dt.datetime) -> bool:
        """Whether a certificate can be issued now."""
        return self.ready_at is not None and self.ready_at <= epoch(at)


class Applications:
    """The applications of one service."""

    def __init__(
        self, settings: IssuerServerSettings, store: ServiceStore, issuer: Issuer, configurations: Configurations
    ) -> None:
        self._settings = settings
        self._store = store
        self._issuer = issuer
        self._configurations = configurations

    def create(
        self,
        *,
        code: str,
        subject: str,
        variant: str | None,
        options: Mapping[str, Any] | None,
        configuration_ids: Sequence[str] | None = None,
        deferred_until: dt.datetime | None = None,
        purpose: str | None = None,
        at: dt.datetime,
        within: Callable[[str], object] | None = None,
    ) -> Application:
        """Apply, for ``subject`` of the registry. ``configuration_ids`` are by default all of the type.

        A type that takes time (``settings.deferred``) waits for a decision, unless ``deferred_until`` says when it is
        ready. ``purpose`` is what the applicant said it is for. ``within``, with the application's id, runs in the same
        transaction (a decision about an authorization).
        Raises ``CatalogError``, ``RecordError``, ``ValueError`` for a wrong variant, option or configuration,
        ``SigningError`` when this issuer may not or cannot sign it, ``StoreError``.
        """
        ours = tuple(one.id for one in self._configurations.values() if one.code == code)
        wanted = ours if configuration_ids is None else tuple(dict.fromkeys(configuration_ids))
        if not wanted or not set(wanted) <= set(ours):
            raise ValueError("a configuration that this issuer does not have")
        lifetimes = self._settings.lifetimes
        until = epoch(at) + lifetimes.application + max(lifetimes.refresh_token, lifetimes.access_token)
        row = self._issuer.consider(code, subject=subject, variant=variant, options=options, at=at, expires_at=until)
        ready_at: int | None = epoch(at if deferred_until is None else deferred_until)
        if code in self._settings.deferred and deferred_until is None:
            ready_at = None
        found = ApplicationRow(
            id=f"a-{secrets.token_hex(12)}",
            code=code,
            subject=subject,
            variant=variant,
            options=row.options,
            configurations=wanted,
            record_digest=row.record_digest,
            applied_on=row.offered_on,
            applied_at=epoch(at),
            ready_at=ready_at,
            state="open",
            expires_at=until,
            purpose=purpose,
        )

        def work() -> None:
            self._store.add_application(found, at=epoch(at))
            if within is not None:
                within(found.id)

        self._store.transact(work)
        return _application(found)

    def get(self, application_id: str) -> Application:
        """One application. Raises ``NotFound``."""
        row = self._store.application(application_id)
        if row is None:
            raise NotFound("there is no such application")
        return _application(row)

    def of_issuer_state(self, state: str, *, at: dt.datetime) -> Application | None:
        """The application of an offer whose ``issuer_state`` a wallet brought back.

        It says nothing about who brings it: whoever logs in must be the application's subject.
        """
        found = self._store.application_of_state(state, at=epoch(at))
        return None if found is None else self.get(found)

    def newest(self, state: State | None = None, *, limit: int = 100) -> list[Application]:
        """The newest applications, in one state or in any."""
        return [_application(row) for row in self._store.applications(state, min(limit, _MOST))]

    def waiting(self) -> int:
        """How many wait for a decision."""
        return self._store.waiting()

    def approve(self, application_id: str, *, by: str, at: dt.datetime) -> None:
        """It can be issued from now on. Raises ``NotFound``, and ``StoreError`` when it does not wait."""
        self._decide(
            application_id, "approved", lambda: self._store.ready_application(application_id, at=epoch(at)), by, at
        )

    def deny(self, application_id: str, *, by: str, at: dt.datetime) -> None:
        """It will not be issued; the wallet hears so when it asks. Raises as ``approve``."""
        self._decide(application_id, "denied", lambda: self._end(application_id, ("open",), "denied"), by, at)

    def withdraw(self, application_id: str, *, by: str, revoke: bool, at: dt.datetime) -> None:
        """Nothing more is issued for it, and its tokens count no more; ``revoke``: what was issued is revoked as well.

        Raises as ``approve``.
        """

        def work() -> bool:
            done = self._end(application_id, ("open", "issued"), "withdrawn")
            self._store.end_grants(application_id)
            for credential in self._store.deliveries(application_id) if revoke and done else ():
                self._issuer.revoke(credential, reason=f"withdrawn by {by}", at=at)
            return done

        self._decide(application_id, "withdrawn", work, by, at)

    def offered(self, found: Application, *, at: dt.datetime, expires_at: int) -> OfferRow:
        """What is to be answered for an application now. Raises as ``Issuer.consider`` for one that was issued before:
        a fresh copy is of the record as it is.
        """
        if found.state == "issued":
            return self._issuer.consider(
                found.code,
                subject=found.subject,
                variant=found.variant,
                options=found.options,
                at=at,
                expires_at=expires_at,
            )
        if found.state != "open":
            raise RecordError("the application was turned down or withdrawn")
        return OfferRow(
            code=found.code,
            subject=found.subject,
            variant=found.variant,
            options=found.options,
            record_digest=found.record_digest,
            offered_on=found.applied_on,
            expires_at=expires_at,
        )

    def _end(self, application_id: str, before: Sequence[State], state: State) -> bool:
        return self._store.change_application(application_id, before=before, state=state)

    def _decide(self, application_id: str, event: str, change: Callable[[], bool], by: str, at: dt.datetime) -> None:
        found = self.get(application_id)

        def work() -> None:
            if not change():
                raise StateError(f"the application cannot be {event}: it is not in that state")
            self._store.log(epoch(at), event, code=found.code, note=f"{application_id} by {by}")

        self._store.transact(work)


def _application(row: ApplicationRow) -> Application:
    found = row._asdict()
    return Application(configuration_ids=found.pop("configurations"), **found)
