"""The rows of the pages: logins under way, sessions of applicants and operators, and what operators look up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from issuer.database import Database

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CredentialRow", "LoginRows", "SessionRow"]


class SessionRow(NamedTuple):
    """A browser that is logged in. ``subject`` is the registry's key, or an operator's name."""

    kind: str
    subject: str
    name: str | None
    began_at: int
    expires_at: int


class CredentialRow(NamedTuple):
    """A credential as operators see it: without its subject."""

    number: int
    id: str
    code: str
    made_at: int
    expires_at: int
    state: int


class LoginRows(Database):
    """See the module. Every method that changes something is for use inside a transaction."""

    def add_login(self, state: str, browser: str, place: str, *, expires_at: int, at: int) -> None:
        """A login that a browser was sent away for; it comes back to ``place``."""
        self._db.execute("DELETE FROM logins WHERE expires_at <= ?", (at,))
        self._db.execute(
            "INSERT INTO logins VALUES (?, ?, ?, ?)",
            (self.login_hash(state), self.browser_hash(browser), place, expires_at),
        )

    def forget_logins(self, *, at: int) -> None:
        """Delete logins under way, with what was shown for them, and sessions, that have ended."""
        self._db.execute("DELETE FROM logins WHERE expires_at <= ?", (at,))
        self._db.execute("DELETE FROM sessions WHERE expires_at <= ?", (at,))

    def use_login(self, state: str, browser: str, *, at: int) -> str | None:
        """Where the login goes on, once, in the browser that began it."""
        return self.use_login_of(self.login_hash(state), browser, at=at)

    def use_login_of(self, login_hash: bytes, browser: str, *, at: int) -> str | None:
        """The same for a login that is known by its hash."""
        row = self._db.execute(
            "DELETE FROM logins WHERE hash = ? AND browser_hash = ? AND expires_at > ? RETURNING place",
            (login_hash, self.browser_hash(browser), at),
        ).fetchone()
        return None if row is None else str(row["place"])

    def login_hash(self, state: str) -> bytes:
        """How a login is known."""
        return self._page_hash("login", state)

    def browser_hash(self, browser: str) -> bytes:
        """How the browser that began a login is known."""
        return self._page_hash("browser", browser)

    def add_session(self, secret: str, row: SessionRow, *, at: int) -> None:
        """Somebody is logged in; sessions that have ended are forgotten."""
        self._db.execute("DELETE FROM sessions WHERE expires_at <= ?", (at,))
        self._db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)", (self._page_hash("session", secret), *row))

    def session(self, secret: str, *, at: int) -> SessionRow | None:
        """Who is logged in with this secret."""
        row = self._one(
            "SELECT * FROM sessions WHERE hash = ? AND expires_at > ?", self._page_hash("session", secret), at
        )
        return None if row is None else SessionRow(**{name: row[name] for name in SessionRow._fields})

    def prolong_session(self, secret: str, *, until: int) -> None:
        """It ends later."""
        self._db.execute(
            "UPDATE sessions SET expires_at = ? WHERE hash = ?", (until, self._page_hash("session", secret))
        )

    def end_session(self, secret: str) -> None:
        """It counts no more."""
        self._db.execute("DELETE FROM sessions WHERE hash = ?", (self._page_hash("session", secret),))

    def applications_of(self, subject: str, limit: int) -> list[str]:
        """Ids of what ``subject`` applied for, the newest first."""
        rows = self._all(
            "SELECT id FROM applications WHERE subject = ? ORDER BY applied_at DESC, id LIMIT ?", subject, limit
        )
        return [str(row["id"]) for row in rows]

    def credentials(
        self, *, code: str | None, state: int | None, id_begins: str, before: int, limit: int
    ) -> list[CredentialRow]:
        """The newest ``limit`` before number ``before`` that fit, newest first."""
        terms: dict[str, object] = {
            "number < ?": before,
            "code = ?": code,
            "state = ?": state,
            "substr(id, 1, length(?)) = ?": id_begins or None,
        }
        given = {term: value for term, value in terms.items() if value is not None}
        values: list[object] = []
        for term, value in given.items():
            values += [value] * term.count("?")
        rows = self._all(
            "SELECT number, id, code, made_at, expires_at, state FROM credentials"  # noqa: S608 - our own terms
            f" WHERE {' AND '.join(given)} ORDER BY number DESC LIMIT ?",
            *values,
            limit,
        )
        return [CredentialRow(*row) for row in rows]

    def count_credentials(self) -> dict[int, int]:
        """How many credentials are in each state."""
        rows = self._all("SELECT state, count(*) AS number FROM credentials GROUP BY state")
        return {int(row["state"]): int(row["number"]) for row in rows}

    def audit_lines(self, *, event: str | None, before: int, limit: int) -> list[dict[str, Any]]:
        """The newest ``limit`` audit lines before line ``before``, newest first. The chain is not checked."""
        rows = self._all(
            "SELECT seq, at, event, code, credential, note FROM audit"
            " WHERE seq < ? AND event = coalesce(?, event) ORDER BY seq DESC LIMIT ?",
            before,
            event,
            limit,
        )
        return [{name: row[name] for name in ("seq", "at", "event", "code", "credential", "note")} for row in rows]

    def audit_events(self) -> Sequence[str]:
        """Every kind of event there is."""
        return [str(row["event"]) for row in self._all("SELECT DISTINCT event FROM audit ORDER BY event")]

    def _page_hash(self, kind: str, value: str) -> bytes:
        return self.keyed_hash(f"page {kind}", value.encode("utf-8", "surrogatepass"))
