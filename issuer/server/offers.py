"""Credential offers (OpenID4VCI 1.0 section 4.1): a link and a QR code that a wallet takes, and a code besides.

An offer by reference is sealed in the database with a key that only its address has: who reads the database finds no
pre-authorized code in it.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vcred.errors import NotFound, StoreError
from vcred.formats._wire import dump_json, epoch
from vcred.oid4vci import AuthorizationCodeGrant, CredentialOffer, PreAuthorizedGrant, TxCode, offer_place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from issuer.server.parts import Parts

__all__ = ["Grant", "OfferDesk", "OfferMade", "Scheme"]

Grant = Literal["pre-authorized", "authorization_code"]
Scheme = Literal["openid-credential-offer", "haip-vci"]
_NONCE: Final = bytes(12)
"""Every key seals one offer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferMade:
    """An offer, for the applicant's wallet. ``tx_code`` goes another way than ``uri``."""

    application_id: str
    offer: CredentialOffer = field(repr=False)
    uri: str = field(repr=False)
    tx_code: str | None = field(repr=False)
    expires_at: int

    def qr(self) -> str:
        """The link as a QR code, SVG."""
        from vcred.qr import text_code  # noqa: PLC0415 - drawing loads with the first code

        return text_code(self.uri).svg()


class OfferDesk:
    """Makes offers. Everything blocks."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def make(
        self,
        *,
        code: str,
        subject: str,
        variant: str | None,
        options: Mapping[str, Any] | None,
        formats: Sequence[str] | None,
        grant: Grant,
        tx_code: bool | None,
        deferred_until: datetime | None,
        by_reference: bool,
        scheme: Scheme,
        purpose: str | None = None,
        at: datetime,
    ) -> OfferMade:
        """Apply for ``subject``, and offer what comes of it.

        With ``pre-authorized`` whoever has the link, and the transaction code if there is one, is the applicant; with
        ``authorization_code`` the person logs in, and the link only says what for. ``formats`` are by default all.
        Raises as ``Applications.create``.
        """
        parts = self._parts
        if tx_code is None:
            tx_code = parts.settings.tx_code.required
        ids = None if formats is None else [f"{code}/{one}" for one in formats]
        until = at + parts.settings.lifetimes.of("pre_authorized_code" if grant == "pre-authorized" else "application")
        digits = parts.settings.tx_code.length
        secret = f"{secrets.randbelow(10**digits):0{digits}}" if tx_code and grant == "pre-authorized" else None
        name = secrets.token_urlsafe(24) if by_reference else None
        made: list[CredentialOffer] = []

        def within(application_id: str) -> None:
            found = parts.store.application(application_id)
            assert found is not None
            offer = self._offer(found.configurations, application_id, grant, secret, until=until, at=at)
            made.append(offer)
            if name is not None:
                sealed = AESGCM(_key(name)).encrypt(_NONCE, dump_json(offer.to_json()), None)
                parts.store.add_reference(name, sealed, expires_at=epoch(until), at=epoch(at))

        application = parts.applications.create(
            code=code,
            subject=subject,
            variant=variant,
            options=options,
            configuration_ids=ids,
            deferred_until=deferred_until,
            purpose=purpose,
            at=at,
            within=within,
        )
        offer = made[-1]
        return OfferMade(
            application_id=application.id,
            offer=offer,
            uri=offer.to_uri(scheme=scheme) if name is None else offer_place(self.url(name), scheme=scheme),
            tx_code=secret,
            expires_at=epoch(until),
        )

    def again(self, application_id: str, *, at: datetime) -> OfferMade:
        """Another offer by reference for an application; codes made before count no more. Raises ``NotFound``."""
        parts = self._parts
        until = at + parts.settings.lifetimes.of("pre_authorized_code")
        digits = parts.settings.tx_code.length
        secret = f"{secrets.randbelow(10**digits):0{digits}}" if parts.settings.tx_code.required else None
        name = secrets.token_urlsafe(24)
        found = parts.applications.get(application_id)

        def work() -> CredentialOffer:
            parts.grants.end(application_id)
            offer = self._offer(found.configuration_ids, application_id, "pre-authorized", secret, until=until, at=at)
            sealed = AESGCM(_key(name)).encrypt(_NONCE, dump_json(offer.to_json()), None)
            parts.store.add_reference(name, sealed, expires_at=epoch(until), at=epoch(at))
            return offer

        offer = parts.store.transact(work)
        uri = offer_place(self.url(name), scheme="openid-credential-offer")
        return OfferMade(application_id=application_id, offer=offer, uri=uri, tx_code=secret, expires_at=epoch(until))

    def url(self, name: str) -> str:
        """Where the offer called ``name`` is."""
        return self._parts.url(f"/offers/{name}")

    def fetch(self, name: str, *, at: datetime) -> bytes:
        """The offer object. Raises ``NotFound``."""
        sealed = self._parts.store.reference(name, at=epoch(at))
        if sealed is None:
            raise NotFound("there is no such offer")
        try:
            return AESGCM(_key(name)).decrypt(_NONCE, sealed, None)
        except InvalidTag:
            raise StoreError("an offer cannot be opened") from None

    def _offer(
        self,
        configurations: tuple[str, ...],
        application_id: str,
        grant: Grant,
        secret: str | None,
        *,
        until: datetime,
        at: datetime,
    ) -> CredentialOffer:
        parts = self._parts
        if grant == "authorization_code":
            state = secrets.token_urlsafe(24)
            parts.store.add_issuer_state(state, application_id, expires_at=epoch(until), at=epoch(at))
            return CredentialOffer(
                issuer=parts.settings.base_url,
                configuration_ids=configurations,
                authorization_code=AuthorizationCodeGrant(issuer_state=state),
            )
        code = parts.grants.pre_authorize(
            application_id, configuration_ids=configurations, tx_code=secret, expires_at=until, at=at
        )
        return CredentialOffer(
            issuer=parts.settings.base_url,
            configuration_ids=configurations,
            pre_authorized=PreAuthorizedGrant(
                code=code, tx_code=None if secret is None else TxCode(length=len(secret))
            ),
        )


def _key(name: str) -> bytes:
    return hashlib.sha256(b"vcred offer\0" + name.encode("utf-8", "surrogatepass")).digest()
