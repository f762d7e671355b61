"""What an issuer remembers: open offers, credentials and their status, who is stopped, and an audit log.

Everything that belongs together is one transaction, so a process killed at any moment leaves the state before or
after it. An issue is two of them, so that no key, however slow, is waited for inside one: ``reserve`` gives a request
its credential and its status entries, ``deliver`` keeps the answer. A request that comes again finds the places that
were reserved for it; what nobody answered is free again when the offer ends. Where something was signed for places that
were free, ``answer`` and ``take_place`` do all of it in one, or nothing. No index is lost, none is given twice, and an
offer has one answer.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from issuer.status_store import StatusStore, TakenError
from vcred.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["IssuerStore", "OfferRow", "Reservation"]

_NOTHING_HINDERS: Final = "NOT EXISTS (SELECT 1 FROM meta WHERE name IN ('stopped', ?))"


class OfferRow(NamedTuple):
    """An open, reserved or answered offer.

    ``request_digest`` is that of the request it was reserved for or answered to; ``reserved`` is the credential that is
    being signed for it, ``delivery`` the answer.
    """

    code: str
    subject: str
    variant: str | None
    options: Mapping[str, Any]
    record_digest: bytes
    offered_on: str
    expires_at: int
    request_digest: bytes | None = None
    delivery: bytes | None = None
    reserved: str | None = None


class Reservation(NamedTuple):
    """A credential that may be signed now: its id, and list number and index of each copy."""

    credential_id: str
    places: Sequence[tuple[int, int]]


class IssuerStore(StatusStore):
    """An issuer's memory, in a file (mode 0600) or in memory. Safe for several threads and several processes."""

    def put_offer(self, nonce: bytes, offer: OfferRow, *, at: int, event: str | None = "offered") -> None:
        """Remember an offer, open or reserved, and forget those that have expired. The audit log calls it ``event``."""
        with self.writing():
            if self.due("offers", at=at):
                self._forget(at)
            self._put(
                "INSERT INTO offers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                (*_values(nonce, offer), offer.reserved),
            )
            if event is not None:
                self.log(at, event, code=offer.code, subject_hash=self.subject_hash(offer.subject))

    def forget_expired(self, *, at: int) -> None:
        """Delete offers that have ended, with the subject and the delivery they held, and what nobody answered."""
        with self.writing():
            self._forget(at)

    def offer(self, nonce: bytes) -> OfferRow | None:
        """The offer made with ``nonce``, if it is still remembered."""
        row = self._one("SELECT * FROM offers WHERE nonce_hash = ?", _nonce_hash(nonce))
        return None if row is None else _offer(row)

    def standing(self, nonce: bytes, kid: bytes) -> tuple[OfferRow | None, str | None]:
        """``offer`` and ``hindrance``, by one statement."""
        row = self._one(
            "SELECT offers.*, value FROM (SELECT 1) AS here LEFT JOIN offers ON nonce_hash = ?"
            " LEFT JOIN meta ON name IN ('stopped', ?) LIMIT 1",
            _nonce_hash(nonce),
            _given_up(kid),
        )
        return None if row["code"] is None else _offer(row), _reason(row)

    def reserved(self, nonce: bytes) -> Reservation | None:
        """What is reserved for the request that is being answered to this offer."""
        row = self._one("SELECT reserved FROM offers WHERE nonce_hash = ?", _nonce_hash(nonce))
        if row is None or row["reserved"] is None:
            return None
        return Reservation(row["reserved"], self.places(row["reserved"]))

    def reserve(self, nonce: bytes, request_digest: bytes, credential_id: str) -> Reservation:
        """Inside ``writing``: this credential, which was added with its copies, is for this request alone.

        Raises ``StoreError`` when the offer is another request's.
        """
        changed = self._db.execute(
            "UPDATE offers SET request_digest = ?, reserved = ? WHERE nonce_hash = ? AND request_digest IS NULL",
            (request_digest, credential_id, _nonce_hash(nonce)),
        )
        if changed.rowcount != 1:
            raise StoreError("the offer was answered already")
        return Reservation(credential_id, self.places(credential_id))

    def answer(self, nonce: bytes, offer: OfferRow, *, kid: bytes, at: int, is_new: bool) -> None:
        """Inside ``writing``: keep the answer to an offer, which is remembered with it if it ``is_new``.

        Raises ``TakenError``, at the latest before anything of this work counts, where the offer has ended, or is
        answered or reserved, or the key ``kid`` may sign nothing.
        """
        taken = TakenError("the offer cannot be answered as it is")
        if is_new:
            if self.due("offers", at=at):
                self._forget(at)
            self._must(
                "INSERT INTO offers SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?"
                f" WHERE {_NOTHING_HINDERS} ON CONFLICT DO NOTHING",
                (*_values(nonce, offer), offer.delivery, _given_up(kid)),
                taken,
            )
            return
        self._must(
            "UPDATE offers SET request_digest = ?, delivery = ? WHERE nonce_hash = ? AND request_digest IS NULL"  # noqa: S608 - our own terms
            f" AND expires_at > ? AND {_NOTHING_HINDERS}",
            (offer.request_digest, offer.delivery, _nonce_hash(nonce), at, _given_up(kid)),
            taken,
        )

    def deliver(
        self,
        nonce: bytes,
        credential_id: str,
        delivery: bytes,
        *,
        signer: bytes,
        at: int,
        issued_at: int,
        expires_at: int,
    ) -> None:
        """Inside ``writing``: the answer to the offer, and the facts of what was signed.

        Raises ``StoreError`` when ``credential_id`` is not reserved for it any more.
        """
        self._must(
            "UPDATE offers SET delivery = ?, reserved = NULL WHERE nonce_hash = ? AND reserved = ?",
            (delivery, _nonce_hash(nonce), credential_id),
            StoreError("the offer was answered or withdrawn meanwhile"),
        )
        self._put(
            "UPDATE credentials SET signer = ?, made_at = ?, issued_at = ?, expires_at = ? WHERE id = ?",
            (signer, at, issued_at, expires_at, credential_id),
        )

    def release(self, credential_id: str) -> None:
        """Give back what was reserved and not delivered; the offer is open again."""
        with self.writing():
            changed = self._db.execute(
                "UPDATE offers SET request_digest = NULL, reserved = NULL WHERE reserved = ?", (credential_id,)
            )
            if changed.rowcount:
                self._remove(credential_id)

    @property
    def stopped(self) -> str | None:
        """Why nothing may be signed; ``None`` when it may."""
        row = self._one("SELECT value FROM meta WHERE name = 'stopped'")
        return None if row is None else bytes(row["value"]).decode()

    def set_stopped(self, reason: str | None, *, at: int) -> None:
        """Stop or start signing, for every process on this store at once, with an audit line."""
        with self.writing():
            self._db.execute("DELETE FROM meta WHERE name = 'stopped'")
            if reason is not None:
                self._db.execute("INSERT INTO meta VALUES ('stopped', ?)", (reason.encode(),))
            self.log(at, "started" if reason is None else "stopped", note=reason)

    def hindrance(self, kid: bytes) -> str | None:
        """Why the key ``kid`` may sign nothing now: everything is stopped, or this key was given up."""
        row = self._one("SELECT value FROM meta WHERE name IN ('stopped', ?) LIMIT 1", _given_up(kid))
        return None if row is None else _reason(row)

    def give_up(self, kid: bytes, *, reason: str, at: int) -> None:
        """Sign nothing with the key ``kid`` any more, for every process on this store, for good."""
        with self.writing():
            again = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
            if self._db.execute(again, (_given_up(kid), reason.encode())).rowcount:
                self.log(at, "signer given up", note=f"{kid.hex()}: {reason}")

    def _forget(self, at: int) -> None:
        unanswered = self._all("SELECT reserved FROM offers WHERE expires_at <= ? AND reserved IS NOT NULL", at)
        self._db.execute("DELETE FROM offers WHERE expires_at <= ?", (at,))
        for row in unanswered:
            self._remove(row["reserved"])


def _values(nonce: bytes, offer: OfferRow) -> tuple[object, ...]:
    """The columns of an offer, up to the digest of its request."""
    return (
        _nonce_hash(nonce),
        offer.code,
        offer.subject,
        offer.variant,
        json.dumps(dict(offer.options), ensure_ascii=False),
        offer.record_digest,
        offer.offered_on,
        offer.expires_at,
        offer.request_digest,
    )


def _offer(row: Any) -> OfferRow:
    return OfferRow(
        code=row["code"],
        subject=row["subject"],
        variant=row["variant"],
        options=json.loads(row["options"]),
        record_digest=row["record_digest"],
        offered_on=row["offered_on"],
        expires_at=row["expires_at"],
        request_digest=row["request_digest"],
        delivery=row["delivery"],
        reserved=row["reserved"],
    )


def _reason(row: Any) -> str | None:
    return None if row["value"] is None else bytes(row["value"]).decode()


def _nonce_hash(nonce: bytes) -> bytes:
    return hashlib.sha256(b"offer\0" + nonce).digest()


def _given_up(kid: bytes) -> str:
    return f"given up {kid.hex()}"
