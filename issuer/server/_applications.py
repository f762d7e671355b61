"""The rows of the credential part: applications, offers, requests that wait, deliveries, encryption keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from issuer.database import Database

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ApplicationRow", "ApplicationRows", "DeferredRow"]

_ALIVE: Final = ("open", "issued")


class ApplicationRow(NamedTuple):
    """What somebody applied for, as the database has it."""

    id: str
    code: str
    subject: str
    variant: str | None
    options: Mapping[str, Any]
    configurations: tuple[str, ...]
    record_digest: bytes
    applied_on: str
    applied_at: int
    ready_at: int | None
    state: str
    expires_at: int
    purpose: str | None


class DeferredRow(NamedTuple):
    """A request that waits: for which application and configuration, its public keys (JWK), where its answer goes."""

    application: str
    configuration: str
    keys: Sequence[Mapping[str, str]]
    digest: bytes
    slot: bytes
    delivered_at: int | None


class ApplicationRows(Database):
    """See the module. Every method that changes something is for use inside a transaction."""

    def add_application(self, row: ApplicationRow, *, at: int) -> None:
        """An application; those that have ended are forgotten, with whom they were for."""
        self.forget_applications(at=at)
        self._db.execute(
            "INSERT INTO applications VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.id,
                row.code,
                row.subject,
                row.variant,
                json.dumps(dict(row.options), ensure_ascii=False),
                json.dumps(row.configurations),
                row.record_digest,
                row.applied_on,
                row.applied_at,
                row.ready_at,
                row.state,
                row.expires_at,
                row.purpose,
            ),
        )
        self.log(at, "applied", code=row.code, subject_hash=self.subject_hash(row.subject), note=row.id)

    def forget_applications(self, *, at: int) -> None:
        """Delete those that have ended, with what hangs on them."""
        self._db.execute("DELETE FROM applications WHERE expires_at <= ?", (at,))

    def application(self, application_id: str) -> ApplicationRow | None:
        """One of them."""
        row = self._one("SELECT * FROM applications WHERE id = ?", application_id)
        return None if row is None else _application(row)

    def applications(self, state: str | None, limit: int) -> list[ApplicationRow]:
        """The newest ``limit``, in one state or in any."""
        rows = self._all(
            "SELECT * FROM applications WHERE state = coalesce(?, state) ORDER BY applied_at DESC, id LIMIT ?",
            state,
            limit,
        )
        return [_application(row) for row in rows]

    def waiting(self) -> int:
        """How many open applications wait for a decision."""
        row = self._one("SELECT count(*) FROM applications WHERE state = 'open' AND ready_at IS NULL")
        return 0 if row is None else int(row[0])

    def change_application(self, application_id: str, *, before: Sequence[str], state: str) -> bool:
        """Whether the application was in one of the states ``before``, and now is in ``state``."""
        return bool(self._db.execute(_changing(before), (state, application_id, *before)).rowcount == 1)

    def ready_application(self, application_id: str, *, at: int) -> bool:
        """Whether it was open and waiting, and can now be issued."""
        changed = self._db.execute(
            "UPDATE applications SET ready_at = ? WHERE id = ? AND state = 'open' AND coalesce(ready_at, ?) >= ?",
            (at, application_id, at, at),
        )
        return bool(changed.rowcount == 1)

    def add_reference(self, name: str, sealed: bytes, *, expires_at: int, at: int) -> None:
        """An offer that can be fetched."""
        self._db.execute("DELETE FROM offer_references WHERE expires_at <= ?", (at,))
        self._db.execute(
            "INSERT INTO offer_references VALUES (?, ?, ?)", (self._name_hash("offer", name), sealed, expires_at)
        )

    def reference(self, name: str, *, at: int) -> bytes | None:
        """The sealed offer."""
        row = self._one(
            "SELECT sealed FROM offer_references WHERE hash = ? AND expires_at > ?", self._name_hash("offer", name), at
        )
        return None if row is None else bytes(row["sealed"])

    def add_issuer_state(self, state: str, application_id: str, *, expires_at: int, at: int) -> None:
        """What a wallet brings back to say for which offer it comes."""
        self._db.execute("DELETE FROM issuer_states WHERE expires_at <= ?", (at,))
        self._db.execute(
            "INSERT INTO issuer_states VALUES (?, ?, ?)",
            (self._name_hash("issuer state", state), application_id, expires_at),
        )

    def application_of_state(self, state: str, *, at: int) -> str | None:
        """The application that an ``issuer_state`` stands for."""
        row = self._one(
            "SELECT application FROM issuer_states WHERE hash = ? AND expires_at > ?",
            self._name_hash("issuer state", state),
            at,
        )
        return None if row is None else str(row["application"])

    def add_deferred(self, transaction_id: str, row: DeferredRow, *, at: int) -> None:
        """A request that waits."""
        self._db.execute(
            "INSERT INTO deferred VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                self._name_hash("transaction", transaction_id),
                row.application,
                row.configuration,
                json.dumps(list(row.keys)),
                row.digest,
                row.slot,
                at,
            ),
        )

    def deferred(self, transaction_id: str) -> DeferredRow | None:
        """The request of a transaction."""
        row = self._one("SELECT * FROM deferred WHERE hash = ?", self._name_hash("transaction", transaction_id))
        if row is None:
            return None
        found = {name: row[name] for name in DeferredRow._fields}
        return DeferredRow(**found | {"keys": json.loads(row["keys"])})

    def end_deferred(self, transaction_id: str, *, at: int) -> None:
        """It was answered."""
        self._db.execute(
            "UPDATE deferred SET delivered_at = ? WHERE hash = ? AND delivered_at IS NULL",
            (at, self._name_hash("transaction", transaction_id)),
        )

    def add_delivery(self, credential_id: str, application_id: str, *, otherwise: Exception) -> None:
        """A credential was delivered for an application, which is issued from now on.

        ``otherwise`` is raised when it was ended meanwhile, at the latest before anything of this work counts.
        """
        self._must(_changing(_ALIVE), ("issued", application_id, *_ALIVE), otherwise)
        self._put("INSERT INTO deliveries VALUES (?, ?, NULL, NULL)", (credential_id, application_id))

    def deliveries(self, application_id: str) -> list[str]:
        """What was delivered for an application."""
        rows = self._all("SELECT credential FROM deliveries WHERE application = ?", application_id)
        return [str(row["credential"]) for row in rows]

    def tell(self, credential_id: str, application_id: str, event: str, *, at: int) -> bool | None:
        """What the wallet says of a delivery of its own: whether that is news, or ``None`` where there is none."""
        row = self._one(
            "SELECT event FROM deliveries WHERE credential = ? AND application = ?", credential_id, application_id
        )
        if row is None:
            return None
        if row["event"] == event:
            return False
        self._db.execute(
            "UPDATE deliveries SET event = ?, told_at = ? WHERE credential = ?", (event, at, credential_id)
        )
        return True

    def add_idempotency(self, who: str, key: str, digest: bytes, slot: bytes, *, expires_at: int, at: int) -> None:
        """What ``who`` uses this key for."""
        if self.due("idempotency", at=at):
            self._db.execute("DELETE FROM idempotency WHERE expires_at <= ?", (at,))
        self._db.execute(
            "INSERT INTO idempotency VALUES (?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING",
            (self._name_hash(f"idempotency {who}", key), digest, slot, expires_at),
        )

    def idempotency(self, who: str, key: str, *, at: int) -> tuple[bytes, bytes] | None:
        """Digest and slot of what ``who`` used this key for."""
        row = self._one(
            "SELECT digest, slot FROM idempotency WHERE hash = ? AND expires_at > ?",
            self._name_hash(f"idempotency {who}", key),
            at,
        )
        return None if row is None else (bytes(row["digest"]), bytes(row["slot"]))

    def add_encryption_key(self, kid: str, key: bytes, *, at: int, keep: int) -> None:
        """A key that is published from now on; those made before ``keep`` are forgotten."""
        self._db.execute("DELETE FROM encryption_keys WHERE made_at < ?", (keep,))
        self._db.execute("INSERT INTO encryption_keys (kid, key, made_at) VALUES (?, ?, ?)", (kid, key, at))

    def encryption_keys(self) -> list[tuple[str, bytes]]:
        """Every key, the newest first."""
        rows = self._all("SELECT kid, key FROM encryption_keys ORDER BY number DESC")
        return [(str(row["kid"]), bytes(row["key"])) for row in rows]

    def last_audit(self) -> int:
        """The number of the last audit line."""
        row = self._one("SELECT seq FROM audit ORDER BY seq DESC LIMIT 1")
        return 0 if row is None else int(row["seq"])

    def status_changed(self, after: int) -> bool:
        """Whether a status changed after the audit line of that number."""
        row = self._one(
            "SELECT 1 FROM audit WHERE seq > ? AND event IN ('revoked', 'suspended', 'reinstated', 'revoked in bulk')"
            " LIMIT 1",
            after,
        )
        return row is not None

    def _name_hash(self, kind: str, name: str) -> bytes:
        return self.keyed_hash(kind, name.encode("utf-8", "surrogatepass"))


def _changing(before: Sequence[str]) -> str:
    marks = ", ".join("?" * len(before))
    return f"UPDATE applications SET state = ? WHERE id = ? AND state IN ({marks})"  # noqa: S608 - only marks


def _application(row: Any) -> ApplicationRow:
    found = {name: row[name] for name in ApplicationRow._fields}
    return ApplicationRow(
        **found | {"options": json.loads(row["options"]), "configurations": tuple(json.loads(row["configurations"]))}
    )
