"""``VerifierStore``: what the service remembers, in one database that several processes and hosts may share.

It is a ``RequestStore`` too, so that a nonce counts once whichever process gets the answer. Every method is one
transaction, durable when it returns. What changes state does so by one statement that names the state it changes, so
that of two at once one comes too late. Private keys, what was presented and codes are encrypted with the storage key,
bound to the row and the column they stand in; without the key a copy of the database says who was asked for what.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, Row, and_, create_engine, delete, event, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from vcred._sqlite import write_ahead
from vcred.errors import StoreError
from verifier.requests import OpenRequest
from verifier.server.database import within
from verifier.server.migrations import upgrade
from verifier.server.tables import answers, clock, deliveries, open_requests, submissions, transactions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.engine.interfaces import DBAPIConnection

__all__ = ["Delivery", "Moved", "Transaction", "VerifierStore"]

_KEPT = 600
"""Seconds an ended request is kept, so that a late answer is called expired and not unknown."""

_KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One request with everything that became of it. Secrets and personal data are decrypted."""

    id: str
    handle: str
    owner: str
    state: str
    device: str
    mode: str
    policy: str
    wish: str
    redirect: str | None
    webhook: str | None
    created_at: int
    expires_at: int
    request: bytes | None = field(default=None, repr=False)
    request_expires_at: int | None = None
    wrong_answers: int = 0
    last_reasons: str | None = None
    error: str | None = None
    outcome: str | None = None
    answered_at: int | None = None
    result: bytes | None = field(default=None, repr=False)
    response_code: bytes | None = field(default=None, repr=False)
    code: str | None = field(default=None, repr=False)
    tries: int = 0
    evidence: int | None = None
    submission: str | None = None
    submission_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One step in the life of a submission."""

    at: int
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to a webhook."""

    id: str
    url: str
    body: bytes = field(repr=False)
    attempts: int = 0


class VerifierStore:
    """See the module. Safe for several threads. Close it, or use it in ``with``. Every method raises ``StoreError``."""

    def __init__(self, url: str, *, key: bytes) -> None:
        """Open the database at ``url`` and bring its tables up to date. ``key`` has 32 bytes."""
        if len(key) != _KEY_BYTES:
            raise ValueError("a storage key has 32 bytes")
        self._cipher = AESGCM(key)
        sqlite = url.startswith("sqlite")
        try:
            self.engine = create_engine(url, connect_args={"timeout": 10} if sqlite else {}, pool_pre_ping=not sqlite)
        except (SQLAlchemyError, ImportError) as error:
            raise StoreError(f"not a database that can be used: {type(error).__name__}") from error
        if sqlite:
            event.listen(self.engine, "connect", _prepare)
            event.listen(self.engine, "begin", _begin)
        upgrade(self.engine)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, request: OpenRequest, *, now: int) -> None:
        """See ``RequestStore``."""
        day = None if request.reference_date is None else request.reference_date.isoformat()
        with within(self.engine) as db:
            db.execute(delete(open_requests).where(open_requests.c.expires_at < now - _KEPT))
            db.execute(
                insert(open_requests).values(
                    key=request.key,
                    policy=request.policy,
                    reference_date=day,
                    expires_at=request.expires_at,
                    used=0,
                    sealed_response_key=self._seal(request.response_key, "response_key", request.key),
                )
            )

    def get(self, key: bytes) -> OpenRequest | None:
        """See ``RequestStore``."""
        with within(self.engine) as db:
            row = db.execute(select(open_requests).where(open_requests.c.key == key)).one_or_none()
        if row is None:
            return None
        return OpenRequest(
            key=key,
            policy=row.policy,
            reference_date=None if row.reference_date is None else date.fromisoformat(row.reference_date),
            expires_at=row.expires_at,
            response_key=self._open(row.sealed_response_key, "response_key", key),
        )

    def use(self, key: bytes) -> bool:
        """See ``RequestStore``."""
        mine = and_(open_requests.c.key == key, open_requests.c.used == 0)
        with within(self.engine) as db:
            return db.execute(update(open_requests).where(mine).values(used=1)).rowcount == 1

    def remember(self, answers_: Collection[bytes], *, until: int, now: int) -> bool:
        """See ``RequestStore``."""
        if not answers_:
            return True
        try:
            with within(self.engine) as db:
                db.execute(delete(answers).where(answers.c.until < now))
                db.execute(insert(answers), [{"key": one, "until": until} for one in sorted(answers_)])
        except StoreError as error:
            if isinstance(error.__cause__, IntegrityError):
                return False
            raise
        return True

    def last_seen(self) -> int | None:
        """See ``RequestStore``."""
        with within(self.engine) as db:
            seen: int | None = db.execute(select(clock.c.last_seen)).scalar_one_or_none()
        return seen

    def observe(self, now: int) -> None:
        """See ``RequestStore``."""
        with within(self.engine) as db:
            seen = db.execute(select(clock.c.last_seen)).scalar_one_or_none()
            if seen is not None and seen < now:
                db.execute(update(clock).where(clock.c.last_seen < now).values(last_seen=now))
        if seen is None:
            try:
                with within(self.engine) as db:
                    db.execute(insert(clock).values(id=1, last_seen=now))
            except StoreError as error:
                if not isinstance(error.__cause__, IntegrityError):
                    raise

    def add(self, transaction: Transaction) -> None:
        """A new transaction."""
        values = {
            name: getattr(transaction, name)
            for name in transactions.c.keys()  # noqa: SIM118 - columns, not a mapping
            if not name.startswith("sealed_")
        }
        with within(self.engine) as db:
            db.execute(insert(transactions).values(**values))

    def by_id(self, transaction: str, owner: str) -> Transaction | None:
        """The transaction of that id, if it is ``owner``'s."""
        return self._one(and_(transactions.c.id == transaction, transactions.c.owner == owner))

    def by_handle(self, handle: str) -> Transaction | None:
        """The transaction that wallets know by that name."""
        return self._one(transactions.c.handle == handle)

    def by_response_code(self, digest: bytes) -> Transaction | None:
        """The transaction with that response code, by its SHA-256."""
        return self._one(transactions.c.response_code == digest)

    def signed(self, transaction: str, request: bytes, *, expires_at: int) -> bool:
        """Keep the request object, once: ``False`` when another process was first."""
        mine = and_(transactions.c.id == transaction, transactions.c.request.is_(None))
        with within(self.engine) as db:
            changed = update(transactions).where(mine).values(request=request, request_expires_at=expires_at)
            return db.execute(changed).rowcount == 1

    def answered(
        self,
        transaction: str,
        *,
        at: int,
        result: bytes,
        code: str | None,
        step: Moved,
        told: Delivery | None,
        **more: Any,
    ) -> bool:
        """Keep the verdict about an open transaction, once, with the first step of its submission."""
        sealed = {
            "sealed_result": self._seal(result, "result", transaction.encode()),
            "sealed_code": self._seal(None if code is None else code.encode(), "code", transaction.encode()),
        }
        values = {"state": "answered", "answered_at": at, "submission": step.state, "submission_reason": step.reason}
        with within(self.engine) as db:
            if not _leave_open(db, transaction, values | sealed | more):
                return False
            db.execute(_step(transaction, 1, step))
            _tell(db, told, at)
            return True

    def closed(self, transaction: str, *, at: int, state: str, told: Delivery | None, error: str | None = None) -> bool:
        """End an open transaction without an answer; ``False`` when it was not open any more."""
        with within(self.engine) as db:
            if not _leave_open(db, transaction, {"state": state, "error": error}):
                return False
            _tell(db, told, at)
            return True

    def refused(self, transaction: str, *, reasons: str) -> int:
        """Count an answer that proved nothing; how many there were."""
        with within(self.engine) as db:
            changed = update(transactions).where(transactions.c.id == transaction)
            number = transactions.c.wrong_answers + 1
            db.execute(changed.values(wrong_answers=number, last_reasons=reasons))
            where = transactions.c.id == transaction
            return int(db.execute(select(transactions.c.wrong_answers).where(where)).scalar_one())

    def guess(self, transaction: str, *, most: int) -> bool:
        """Count a code before it is compared, so that many at once are no more tries; ``False`` when none is left."""
        mine = and_(transactions.c.id == transaction, transactions.c.tries < most)
        with within(self.engine) as db:
            changed = update(transactions).where(mine).values(tries=transactions.c.tries + 1)
            return db.execute(changed).rowcount == 1

    def guessed_right(self, transaction: str) -> None:
        """The code was right: it was no wrong try."""
        mine = and_(transactions.c.id == transaction, transactions.c.tries > 0)
        with within(self.engine) as db:
            db.execute(update(transactions).where(mine).values(tries=transactions.c.tries - 1))

    def moved(self, transaction: str, *, before: str, step: Moved, told: Delivery | None, erase: bool) -> bool:
        """The next step of a submission, if it is still in the state ``before``."""
        mine = and_(transactions.c.id == transaction, transactions.c.submission == before)
        values: dict[str, Any] = {"submission": step.state, "submission_reason": step.reason}
        if erase:
            values |= {"sealed_result": None, "sealed_code": None, "response_code": None, "evidence": None}
        with within(self.engine) as db:
            if db.execute(update(transactions).where(mine).values(**values)).rowcount != 1:
                return False
            count = select(submissions.c.number).where(submissions.c.transaction == transaction)
            db.execute(_step(transaction, len(db.execute(count).all()) + 1, step))
            _tell(db, told, step.at)
            return True

    def steps(self, transaction: str) -> list[Moved]:
        """The life of a submission, from its beginning."""
        chosen = select(submissions).where(submissions.c.transaction == transaction).order_by(submissions.c.number)
        with within(self.engine) as db:
            return [Moved(at=row.at, state=row.state, reason=row.reason) for row in db.execute(chosen)]

    def erase(self, *, before: int) -> int:
        """Erase what was presented before ``before`` from transactions that still have it; how many there were."""
        old = and_(transactions.c.answered_at < before, transactions.c.sealed_result.is_not(None))
        values = {"sealed_result": None, "sealed_code": None, "response_code": None}
        with within(self.engine) as db:
            return int(db.execute(update(transactions).where(old).values(**values)).rowcount)

    def due(self, *, at: int, lease: int, limit: int) -> list[Delivery]:
        """Messages whose time has come. They are this caller's for ``lease`` seconds."""
        chosen = select(deliveries).where(deliveries.c.next_at <= at).order_by(deliveries.c.next_at).limit(limit)
        found = []
        with within(self.engine) as db:
            for row in db.execute(chosen).all():
                mine = and_(deliveries.c.id == row.id, deliveries.c.next_at == row.next_at)
                if db.execute(update(deliveries).where(mine).values(next_at=at + lease)).rowcount == 1:
                    found.append(Delivery(id=row.id, url=row.url, body=row.body, attempts=row.attempts))
        return found

    def delivered(self, delivery: str, *, at: int) -> None:
        """A message has arrived."""
        self._note(delivery, {"next_at": None, "delivered_at": at})

    def failed(self, delivery: Delivery, *, next_at: int | None) -> None:
        """A message has not arrived; ``None`` gives it up."""
        self._note(delivery.id, {"next_at": next_at, "attempts": delivery.attempts + 1})

    def _note(self, delivery: str, values: Mapping[str, Any]) -> None:
        with within(self.engine) as db:
            db.execute(update(deliveries).where(deliveries.c.id == delivery).values(**values))

    def _one(self, where: Any) -> Transaction | None:
        with within(self.engine) as db:
            row = db.execute(select(transactions).where(where)).one_or_none()
        return None if row is None else self._read(row)

    def _read(self, row: Row[Any]) -> Transaction:
        values = {name: value for name, value in row._mapping.items() if not name.startswith("sealed_")}  # noqa: SLF001
        name = row.id.encode()
        code = self._open(row.sealed_code, "code", name)
        return Transaction(
            **values,
            result=self._open(row.sealed_result, "result", name),
            code=None if code is None else code.decode(),
        )

    def _seal(self, value: bytes | None, column: str, row: bytes) -> bytes | None:
        if value is None:
            return None
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, column.encode() + b"\0" + row)

    def _open(self, value: bytes | None, column: str, row: bytes) -> bytes | None:
        if value is None:
            return None
        try:
            return self._cipher.decrypt(value[:_NONCE_BYTES], value[_NONCE_BYTES:], column.encode() + b"\0" + row)
        except (InvalidTag, ValueError):
            raise StoreError("what is encrypted in the database is not by this storage key") from None


def _leave_open(db: Connection, transaction: str, values: Mapping[str, Any]) -> bool:
    mine = and_(transactions.c.id == transaction, transactions.c.state == "open")
    return db.execute(update(transactions).where(mine).values(**values)).rowcount == 1


def _step(transaction: str, number: int, step: Moved) -> Any:
    return insert(submissions).values(
        transaction=transaction, number=number, at=step.at, state=step.state, reason=step.reason
    )


def _tell(db: Connection, told: Delivery | None, at: int) -> None:
    if told is not None:
        values = {"id": told.id, "url": told.url, "body": told.body, "attempts": 0, "next_at": at}
        db.execute(insert(deliveries).values(**values))


def _prepare(connection: DBAPIConnection, _record: object) -> None:
    # The driver begins transactions too late: SQLAlchemy does it (``_begin``).
    connection.isolation_level = None
    cursor = connection.cursor()
    write_ahead(cursor)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
