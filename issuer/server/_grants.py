"""The rows of the authorization server: pushed requests, codes, tokens, what was spent, wrong guesses.

Every secret is known by its keyed hash. What may be used once is used by one ``UPDATE`` or ``INSERT`` that says whether
it was the first, so that of any number of simultaneous requests, in any number of processes, one gets it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from issuer.database import Database

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AuthorizationRow", "GrantRow", "GrantRows", "TokenRow"]

_MINUTE: Final = 60
_SPEND: Final = "INSERT INTO spent VALUES (?, ?) ON CONFLICT (hash) DO NOTHING"
_USE_CODE: Final = (
    "UPDATE grants SET used = 1, expires_at = CASE WHEN expires_at < ? THEN ? ELSE expires_at END"
    " WHERE id = ? AND used = 0"
)


class AuthorizationRow(NamedTuple):
    """A pushed authorization request. ``detailed``: which of ``configurations`` by ``authorization_details``."""

    id: str
    client_id: str
    instance: str | None
    jkt: str | None
    redirect_uri: str
    state: str | None
    code_challenge: str
    configurations: tuple[str, ...]
    detailed: tuple[str, ...]
    issuer_state: str | None
    decided: bool
    opens_until: int
    expires_at: int


class GrantRow(NamedTuple):
    """What somebody was granted. ``instance`` and ``jkt`` are thumbprints of the keys that the code is bound to."""

    id: str
    kind: str
    code_expires_at: int
    application: str
    configurations: tuple[str, ...]
    detailed: tuple[str, ...]
    client_id: str | None
    instance: str | None
    jkt: str | None
    redirect_uri: str | None
    code_challenge: str | None
    tx_hash: bytes | None
    tries: int
    used: bool
    expires_at: int


class TokenRow(NamedTuple):
    """An access or refresh token, and the application it is for."""

    grant_id: str
    application: str
    client_id: str | None
    instance: str | None
    jkt: str | None
    configurations: tuple[str, ...]
    detailed: tuple[str, ...]
    expires_at: int


class GrantRows(Database):
    """See the module. Every method that changes something is for use inside a transaction."""

    def secret_hash(self, kind: str, secret: str) -> bytes:
        """How the store knows a secret of that kind."""
        return self.keyed_hash(kind, secret.encode("utf-8", "surrogatepass"))

    def spend(self, kind: str, value: str, *, expires_at: int, at: int) -> bool:
        """Whether ``value`` is used for the first time. It is remembered until ``expires_at``."""
        self._forget_spent(at)
        return bool(self._db.execute(_SPEND, (self.secret_hash(kind, value), expires_at)).rowcount == 1)

    def must_spend(self, kind: str, value: str, *, expires_at: int, at: int, otherwise: Exception) -> None:
        """The same. ``otherwise`` is raised when it was used, at the latest before anything of this work counts."""
        self._forget_spent(at)
        self._must(_SPEND, (self.secret_hash(kind, value), expires_at), otherwise)

    def _forget_spent(self, at: int) -> None:
        if self.due("spent", at=at):
            self._db.execute("DELETE FROM spent WHERE expires_at <= ?", (at,))

    def is_spent(self, kind: str, value: str) -> bool:
        """Whether ``value`` was used."""
        return self._one("SELECT 1 FROM spent WHERE hash = ?", self.secret_hash(kind, value)) is not None

    def add_guess(self, who: str, *, at: int) -> None:
        """One more by ``who``: the first begins a minute, at whose end the next is the first again."""
        known = self.secret_hash("guess", who)
        self._db.execute("DELETE FROM guesses WHERE began <= ?", (at - _MINUTE,))
        more = self._db.execute("UPDATE guesses SET number = number + 1 WHERE hash = ?", (known,))
        if more.rowcount == 0:
            self._db.execute("INSERT INTO guesses VALUES (?, ?, 1)", (known, at))

    def guesses(self, who: str, *, at: int) -> int:
        """How many in the minute that began with the first."""
        row = self._one(
            "SELECT max(number) AS number FROM guesses WHERE hash = ? AND began > ?",
            self.secret_hash("guess", who),
            at - _MINUTE,
        )
        return int(row["number"] or 0)

    def add_authorization(self, request_uri: str, row: AuthorizationRow, *, at: int) -> None:
        """A pushed request; those that have expired are forgotten."""
        self._db.execute("DELETE FROM authorizations WHERE expires_at <= ?", (at,))
        self._db.execute(
            "INSERT INTO authorizations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.id,
                self.secret_hash("request", request_uri),
                row.client_id,
                row.instance,
                row.jkt,
                row.redirect_uri,
                row.state,
                row.code_challenge,
                json.dumps(row.configurations),
                json.dumps(row.detailed),
                row.issuer_state,
                int(row.decided),
                row.opens_until,
                row.expires_at,
            ),
        )

    def pushed(self, request_uri: str) -> AuthorizationRow | None:
        """The request that was pushed."""
        return self._authorization("request_hash", self.secret_hash("request", request_uri))

    def authorization(self, authorization_id: str) -> AuthorizationRow | None:
        """One of them."""
        return self._authorization("id", authorization_id)

    def decide(self, authorization_id: str) -> bool:
        """Whether this is the first decision."""
        changed = self._db.execute(
            "UPDATE authorizations SET decided = 1 WHERE id = ? AND decided = 0", (authorization_id,)
        )
        return bool(changed.rowcount == 1)

    def add_grant(self, code: str, row: GrantRow, *, at: int) -> None:
        """A code; grants that have expired are forgotten with their tokens."""
        self._db.execute("DELETE FROM grants WHERE expires_at <= ?", (at,))
        self._db.execute(
            "INSERT INTO grants VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.id,
                row.kind,
                self.secret_hash("code", code),
                row.code_expires_at,
                row.application,
                json.dumps(row.configurations),
                json.dumps(row.detailed),
                row.client_id,
                row.instance,
                row.jkt,
                row.redirect_uri,
                row.code_challenge,
                row.tx_hash,
                row.tries,
                int(row.used),
                row.expires_at,
            ),
        )

    def grant_of(self, code: str) -> GrantRow | None:
        """What a code is for."""
        row = self._one("SELECT * FROM grants WHERE code_hash = ?", self.secret_hash("code", code))
        if row is None:
            return None
        found = {name: row[name] for name in GrantRow._fields}
        return GrantRow(**_unpacked(found) | {"used": bool(row["used"])})

    def use_code(self, grant_id: str, *, until: int) -> bool:
        """Whether the code is used for the first time; its grant is remembered until then at least."""
        return bool(self._db.execute(_USE_CODE, (until, until, grant_id)).rowcount == 1)

    def must_use_code(self, grant_id: str, *, until: int, otherwise: Exception) -> None:
        """The same. ``otherwise`` is raised when it was used, at the latest before anything of this work counts."""
        self._must(_USE_CODE, (until, until, grant_id), otherwise)

    def add_try(self, grant_id: str) -> None:
        """One more wrong transaction code."""
        self._db.execute("UPDATE grants SET tries = tries + 1 WHERE id = ?", (grant_id,))

    def keep_grant(self, grant_id: str, *, until: int) -> None:
        """Remember the grant at least as long as its tokens."""
        self._db.execute("UPDATE grants SET expires_at = ? WHERE id = ? AND expires_at < ?", (until, grant_id, until))

    def add_tokens(self, tokens: Sequence[tuple[str, str, TokenRow]], *, at: int) -> None:
        """Tokens, each with its kind; those that have expired are forgotten."""
        if self.due("tokens", at=at):
            self._db.execute("DELETE FROM tokens WHERE expires_at <= ?", (at,))
        values: list[object] = []
        for kind, token, row in tokens:
            values += (self.secret_hash(kind, token), kind, row.grant_id, row.client_id, row.instance, row.jkt)
            values += (json.dumps(row.configurations), json.dumps(row.detailed), row.expires_at)
        marks = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?)"] * len(tokens))
        self._put(f"INSERT INTO tokens VALUES {marks}", tuple(values))  # noqa: S608 - only marks

    def token(self, kind: str, token: str) -> TokenRow | None:
        """What a token is for."""
        row = self._one(
            """SELECT tokens.*, grants.application FROM tokens JOIN grants ON grants.id = tokens.grant_id
            WHERE tokens.hash = ? AND tokens.kind = ?""",
            self.secret_hash(kind, token),
            kind,
        )
        return None if row is None else TokenRow(**_unpacked({name: row[name] for name in TokenRow._fields}))

    def end_tokens(self, grant_id: str) -> None:
        """No token of this grant counts any more."""
        self._db.execute("DELETE FROM tokens WHERE grant_id = ?", (grant_id,))

    def end_grants(self, application: str) -> None:
        """No code or token for this application counts any more."""
        self._db.execute("DELETE FROM grants WHERE application = ?", (application,))

    def _authorization(self, column: str, value: object) -> AuthorizationRow | None:
        row = self._one(f"SELECT * FROM authorizations WHERE {column} = ?", value)  # noqa: S608 - our own names
        if row is None:
            return None
        found = {name: row[name] for name in AuthorizationRow._fields}
        return AuthorizationRow(**_unpacked(found) | {"decided": bool(row["decided"])})


def _unpacked(row: dict[str, Any]) -> dict[str, Any]:
    lists: Sequence[str] = ("configurations", "detailed")
    return row | {name: tuple(json.loads(row[name])) for name in lists}
