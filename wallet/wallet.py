"""``Wallet``: receive, match, present, history. Nothing is disclosed without a ``Consent``."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from vcred.errors import NotFound
from vcred.issuance import Delivery, Offer
from vcred.presentation import PresentationRequest
from vcred.receipt import Receipt
from vcred.transport import NoTransport
from wallet._formats import built_in
from wallet._records import CERTIFICATES, COPIES, HistoryRecord, copies_of, copy_ids, damaged, load_all
from wallet.asking import judge, without_screen
from wallet.certificate import Certificate, list_certificates
from wallet.match import consider
from wallet.present import Presenter
from wallet.receipts import accept_receipt, check_receipt
from wallet.receive import parse_offered, prepare, take
from wallet.store import Delete

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime
    from pathlib import Path

    from vcred.formats.base import CredentialFormat
    from vcred.issuance import IssuanceRequest
    from vcred.presentation import Presentation
    from vcred.qr import Message
    from vcred.transport import Transport
    from vcred.trust import TrustBundle
    from wallet.consent import Consent, ConsentRequest
    from wallet.receipts import ReceiptProof
    from wallet.store import CredentialStore

__all__ = ["Wallet"]


class Wallet:
    """One person's certificates over a store. Safe to use from several threads; one process at a time."""

    def __init__(
        self,
        *,
        store: CredentialStore,
        trust: TrustBundle,
        transport: Transport | None = None,
        more_formats: Mapping[str, Callable[[], CredentialFormat]] | None = None,
    ) -> None:
        """``transport`` reaches issuers; without one only offers of this process and deliveries can be taken.

        ``more_formats`` are held and shown besides the usual ones, by id: ``{"ldp_vc": LdpVc}``.
        """
        self._store = store
        self._more_formats = more_formats
        self._transport: Transport = NoTransport() if transport is None else transport
        self._presenter = Presenter(store)
        self._mutex = threading.RLock()
        self.trust = trust

    @property
    def trust(self) -> TrustBundle:
        """The bundle in use. Assign a newer one when it arrives."""
        return self._trust

    @trust.setter
    def trust(self, bundle: TrustBundle) -> None:
        self._trust = bundle
        self._formats = built_in(bundle.catalog, self._more_formats)

    @property
    def store(self) -> CredentialStore:
        """Where its records are. ``wallet.client`` keeps there what is under way with an issuer."""
        return self._store

    @property
    def formats(self) -> Mapping[str, CredentialFormat]:
        """What it can hold, by format id."""
        return self._formats

    def certificates(self) -> list[Certificate]:
        """Every certificate that can be read, oldest first."""
        with self._mutex:
            return list(list_certificates(self._store, self._trust.catalog).values())

    def claims(self, certificate: str) -> Mapping[str, Any]:
        """Everything a certificate says, for its holder's own eyes. Raises ``NotFound``."""
        with self._mutex:
            for copy in copies_of(self._store, certificate).values():
                for name, raw in copy.credentials.items():
                    if name in self._formats:
                        return self._formats[name].open(raw).claims
        raise NotFound(f"{certificate}: no such certificate")

    def damaged(self) -> tuple[str, ...]:
        """Stored records that cannot be read, as ``table/id``; the others are not affected."""
        with self._mutex:
            return damaged(self._store)

    def receive(self, offer: Offer | Delivery | Message | bytes | str, *, at: datetime) -> list[Certificate]:
        """Take what is offered, or what was delivered; the new certificates.

        An ``Offer`` made in this process answers itself; one that was scanned needs a transport. Raises
        ``RefusedError`` for what does not check out (nothing is kept then), ``Offline``, ``StoreError``.
        """
        found = offer if isinstance(offer, (Offer, Delivery)) else parse_offered(offer)
        with self._mutex:
            if isinstance(found, Offer):
                request = prepare(self._store, found, self._formats, at=at)
                redeem = found.redeem
                found = self._transport.issue(found, request) if redeem is None else redeem(request, at=at)
            certificate = take(self._store, found, self._formats, self._trust, at=at)
            return [list_certificates(self._store, self._trust.catalog)[certificate]]

    def accept(self, offer: Offer | Message | bytes | str, *, at: datetime) -> IssuanceRequest:
        """Make keys for an offer and prove them; carry the answer to the issuer, and its delivery to ``receive``.

        The same offer gives the same answer until it is delivered. Raises ``RefusedError``, ``StoreError``.
        """
        parsed = offer if isinstance(offer, Offer) else Offer.parse(offer)
        with self._mutex:
            return prepare(self._store, parsed, self._formats, at=at)

    def match(
        self,
        request: PresentationRequest | Message | bytes | str,
        *,
        at: datetime,
        reference_date: date | None = None,
    ) -> ConsentRequest:
        """Who asks for what, what answers it, and what the receiver would say.

        ``reference_date`` is the date a policy counts from (a public notice), where the holder knows it. Raises
        ``RefusedError`` for a request that must not be answered: not signed by who asks, withdrawn, expired.
        """
        if not isinstance(request, PresentationRequest):
            request = PresentationRequest.parse(request)
        ask = judge(request, self._trust, at=at)
        with self._mutex:
            return consider(self._store, self._trust, self._formats, ask, self, reference_date=reference_date, at=at)

    def one_way(
        self,
        policy: str,
        *,
        reader: str,
        at: datetime,
        formats: Sequence[str] | None = None,
        lang: str = "ko",
        reference_date: date | None = None,
    ) -> ConsentRequest:
        """The same for a receiver without a screen: it is asked for what ``policy`` asks, and ``reader`` (its client
        id) is the audience. A consent to it can be presented again and again for ten minutes, each time with a fresh
        nonce; it proves less than an answer to a challenge.

        Raises ``PolicyError`` for a policy that is not in the trust bundle or takes no such answers,
        ``RefusedError`` for a reader that is not registered for it.
        """
        ask = without_screen(policy, client_id=reader, trust=self._trust, formats=formats, lang=lang, at=at)
        with self._mutex:
            return consider(self._store, self._trust, self._formats, ask, self, reference_date=reference_date, at=at)

    def present(self, consent: Consent, *, at: datetime) -> Presentation:
        """What was agreed to, signed for this verifier. What was shown is noted before its bytes are returned.

        Raises ``ConsentError``, ``RefusedError`` (``request_expired``), ``StoreError`` when no copy is left.
        """
        with self._mutex:
            return self._presenter.present(consent, self._formats, self, at=at)

    def history(self) -> list[HistoryRecord]:
        """Every act of presenting, oldest first."""
        with self._mutex:
            return list(load_all(self._store, HistoryRecord).values())

    def accept_receipt(self, receipt: Receipt | Message | bytes | str, *, at: datetime) -> Receipt:
        """Check a verifier's receipt and keep it with what it is about. Raises ``RefusedError``."""
        parsed = receipt if isinstance(receipt, Receipt) else Receipt.parse(receipt)
        with self._mutex:
            return accept_receipt(self._store, parsed, self._trust, at=at)

    def check_receipt(self, record: HistoryRecord) -> ReceiptProof:
        """Verify the receipt of an entry of the history again, years later too, as of the time it was given.

        By today's trust list, or, when it does not name that reader any more, with the certificate that was kept with
        the receipt. Raises ``NotFound`` for an entry without one, ``RefusedError`` when it proves nothing.
        """
        return check_receipt(record, self._trust)

    def delete(self, certificate: str) -> None:
        """Shred a certificate and its keys, damaged copies too. Raises ``NotFound``."""
        with self._mutex:
            copies = [Delete(table=COPIES, record=one) for one in copy_ids(self._store, certificate)]
            self._store.write([*copies, Delete(table=CERTIFICATES, record=certificate)])

    def backup(self, path: str | Path, *, recovery_key: str) -> None:
        """Write an encrypted backup; ``wallet.restore`` reads it. ``wallet.new_recovery_key()`` makes a key.

        Raises ``ValueError`` for what is no recovery key, ``StoreError``.
        """
        from wallet.backup import backup  # noqa: PLC0415 - seldom used

        with self._mutex:
            backup(self._store, path, recovery_key=recovery_key)

    def __repr__(self) -> str:
        return f"Wallet({self._store!r})"
