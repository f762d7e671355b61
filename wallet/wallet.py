"""``Wallet``: receive, match, present, history. Nothing is disclosed without a ``Consent``."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from vcred.errors import RefusedError, StoreError
from vcred.formats._wire import epoch
from vcred.issuance import Delivery, Offer
from vcred.keys import SoftwareSigner
from vcred.presentation import Presentation, PresentationRequest, Presented
from vcred.reasons import ReasonCode
from vcred.receipt import Receipt
from vcred.transport import NoTransport
from wallet._formats import built_in
from wallet._records import (
    CERTIFICATES,
    COPIES,
    HISTORY,
    CopyRecord,
    HistoryRecord,
    copies_of,
    load_all,
    new_id,
    save,
)
from wallet.certificate import Certificate, list_certificates
from wallet.consent import redeem
from wallet.match import consider
from wallet.receive import prepare, take
from wallet.store import Delete

if TYPE_CHECKING:
    from datetime import datetime

    from vcred.issuance import IssuanceRequest
    from vcred.qr import Message
    from vcred.transport import Transport
    from vcred.trust import TrustBundle
    from wallet.consent import Consent, ConsentRequest, Plan, PlanItem
    from wallet.store import CredentialStore

__all__ = ["Wallet"]


class Wallet:
    """One person's certificates over a store."""

    def __init__(self, *, store: CredentialStore, trust: TrustBundle, transport: Transport | None = None) -> None:
        """``transport`` reaches issuers; without one only offers of this process and deliveries can be taken."""
        self._store = store
        self._transport: Transport = NoTransport() if transport is None else transport
        self.trust = trust

    @property
    def trust(self) -> TrustBundle:
        """The bundle in use. Assign a newer one when it arrives."""
        return self._trust

    @trust.setter
    def trust(self, bundle: TrustBundle) -> None:
        self._trust = bundle
        self._formats = built_in(bundle.catalog)

    def certificates(self) -> list[Certificate]:
        """Every certificate, oldest first."""
        return list(list_certificates(self._store, self._trust.catalog).values())

    def receive(self, offer: Offer | Delivery | Message | bytes | str, *, at: datetime) -> list[Certificate]:
        """Take what is offered, or what was delivered; the new certificates.

        An ``Offer`` made in this process answers itself; one that was scanned needs a transport. Raises
        ``RefusedError`` for what does not check out (nothing is kept then), ``Offline``, ``StoreError``.
        """
        if isinstance(offer, Delivery):
            return [self._kept(take(self._store, offer, self._formats, self._trust, at=at))]
        if not isinstance(offer, Offer):
            offer = Offer.parse(offer)
        _, request = prepare(self._store, offer, self._formats, at=at)
        redeem = offer.redeem
        delivery = self._transport.issue(offer, request) if redeem is None else redeem(request, at=at)
        return [self._kept(take(self._store, delivery, self._formats, self._trust, at=at))]

    def accept(self, offer: Offer | Message | bytes | str, *, at: datetime) -> IssuanceRequest:
        """Make keys for an offer and prove them; carry the answer to the issuer, and its delivery to ``receive``."""
        parsed = offer if isinstance(offer, Offer) else Offer.parse(offer)
        return prepare(self._store, parsed, self._formats, at=at)[1]

    def match(self, request: PresentationRequest | Message | bytes | str, *, at: datetime) -> ConsentRequest:
        """Who asks for what, what answers it, and what the receiver would say. Raises ``RefusedError``."""
        if not isinstance(request, PresentationRequest):
            request = PresentationRequest.parse(request)
        return consider(self._store, self._trust, self._formats, request, self, at=at)

    def present(self, consent: Consent, *, at: datetime) -> Presentation:
        """What was agreed to, signed for this verifier. Each copy is marked used before its bytes are returned.

        Raises ``ConsentError``, ``RefusedError`` (``request_expired``), ``StoreError`` when no copy is left.
        """
        plan = redeem(consent, self)
        now = epoch(at)
        if now > plan.expires_at:
            raise RefusedError(ReasonCode.REQUEST_EXPIRED, "request", "the request has expired")
        nonce = secrets.token_bytes(16) if plan.one_way else plan.nonce
        tokens, changes = {}, []
        for item in plan.items:
            copy_id, copy = self._copy(item, reuse=plan.reuse)
            tokens[item.query] = (Presented(format=item.format, raw=self._signed(plan, item, copy, nonce, now)),)
            used = CopyRecord(key=copy.key, credentials=copy.credentials, used=True)
            changes.append(save(COPIES, copy_id, used))
        answer = Presentation(tokens=tokens, one_way_nonce=nonce if plan.one_way else None)
        changes.append(save(HISTORY, new_id(), _entry(plan, answer, now), new=True))
        self._store.write(changes)
        return answer

    def history(self) -> list[HistoryRecord]:
        """Every act of presenting, oldest first."""
        return list(load_all(self._store, HistoryRecord).values())

    def accept_receipt(self, receipt: Receipt | Message | bytes | str, *, at: datetime) -> Receipt:
        """Check a verifier's receipt and keep it with what it is about. Raises ``RefusedError``."""
        parsed = receipt if isinstance(receipt, Receipt) else Receipt.parse(receipt)
        reader = self._trust.resolve_reader(client_id=parsed.client_id, x5c=parsed.x5c, at=at)
        parsed.verify_by(reader.key)
        for record, entry in load_all(self._store, HistoryRecord).items():
            if parsed.presentation in entry.answers and entry.client_id == parsed.client_id:
                kept = {name: getattr(entry, name) for name in HistoryRecord.__dataclass_fields__}
                self._store.write([save(HISTORY, record, HistoryRecord(**kept | {"receipt": parsed.raw}))])
                return parsed
        raise RefusedError(ReasonCode.UNCHECKED, "receipt", "about nothing that this wallet has shown")

    def delete(self, certificate: str) -> None:
        """Shred a certificate and its keys. Raises ``NotFound``."""
        copies = [Delete(table=COPIES, record=one) for one in copies_of(self._store, certificate)]
        self._store.write([*copies, Delete(table=CERTIFICATES, record=certificate)])

    def _kept(self, certificate: str) -> Certificate:
        return list_certificates(self._store, self._trust.catalog)[certificate]

    def _copy(self, item: PlanItem, *, reuse: bool) -> tuple[str, CopyRecord]:
        """A copy that was never shown; one that was only if the holder agreed."""
        fitting = [
            (name, copy)
            for name, copy in copies_of(self._store, item.certificate).items()
            if item.format in copy.credentials and copy.key is not None
        ]
        fresh = [one for one in fitting if not one[1].used] or (fitting if reuse else [])
        if not fresh:
            raise StoreError("every copy has been shown once: renew the certificate")
        return fresh[0]

    def _signed(self, plan: Plan, item: PlanItem, copy: CopyRecord, nonce: bytes | None, now: int) -> bytes:
        assert copy.key is not None
        form = self._formats[item.format]
        return form.present(
            form.open(copy.credentials[item.format]),
            item.paths,
            SoftwareSigner.from_der(copy.key),
            audience=plan.asker.client_id,
            nonce=None if plan.one_way and item.format == "sd-cwt" else nonce,
            issued_at=now,
        )


def _entry(plan: Plan, answer: Presentation, now: int) -> HistoryRecord:
    return HistoryRecord(
        at=now,
        client_id=plan.asker.client_id,
        verifier={"ko": plan.asker.names.ko, "en": plan.asker.names.en},
        registered=plan.asker.registered,
        purpose=plan.purpose,
        retention=plan.retention,
        policy=plan.policy,
        one_way=plan.one_way,
        shown=[
            {"certificate": item.certificate, "path": str(one.path), "ko": one.ko, "en": one.en}
            for item in plan.items
            for one in item.disclosures
        ],
        answers=[answer.fingerprint],
        receipt=None,
    )
