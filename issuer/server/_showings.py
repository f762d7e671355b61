"""The rows of logins by card: what wallets were asked, what came of it, and the time that was last seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from issuer.server._logins import LoginRows

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["ShowingRow", "ShowingRows"]


class ShowingRow(NamedTuple):
    """A request to show a card. ``request`` and what belongs to it are there once a wallet has fetched it.

    ``card``, ``subject`` and ``name`` are there once somebody has shown one.
    """

    handle_hash: bytes
    login_hash: bytes
    device: str
    lang: str
    opens_until: int
    state: str
    request: bytes | None
    policy: str | None
    sealed: bytes | None
    ends_at: int | None
    reasons: str | None
    sealed_code: bytes | None
    code_hash: bytes | None
    tries: int
    card: str | None
    subject: str | None
    name: str | None


class ShowingRows(LoginRows):
    """See the module. Every method that changes something is for use inside a transaction."""

    def add_showing(self, state: str, handle: str, *, device: str, lang: str, opens_until: int) -> None:
        """A request of the login ``state``, which wallets know by ``handle``."""
        self._db.execute(
            "INSERT INTO showings (handle_hash, login_hash, device, lang, opens_until, state)"
            " VALUES (?, ?, ?, ?, ?, 'open')",
            (self.handle_hash(handle), self.login_hash(state), device, lang, opens_until),
        )

    def showing(self, handle: str, *, at: int) -> ShowingRow | None:
        """The request of that name, while its login lasts."""
        return self._showing("handle_hash", self.handle_hash(handle), at)

    def showing_of_secret(self, secret: str, *, at: int) -> ShowingRow | None:
        """The request whose wallet was given this secret."""
        return self._showing("secret_hash", self.keyed_hash("shown", secret.encode("utf-8", "surrogatepass")), at)

    def showings_of(self, state: str, browser: str, *, at: int) -> list[ShowingRow]:
        """Those of a login, for the browser that began it."""
        rows = self._all(
            "SELECT showings.* FROM showings JOIN logins ON logins.hash = showings.login_hash"
            " WHERE logins.hash = ? AND logins.browser_hash = ? AND logins.expires_at > ? ORDER BY device",
            self.login_hash(state),
            self.browser_hash(browser),
            at,
        )
        return [_row(one) for one in rows]

    def keep_question(self, handle: str, request: bytes, policy: str, sealed: bytes, *, ends_at: int) -> None:
        """What a wallet is asked, unless another process was first."""
        self._db.execute(
            "UPDATE showings SET request = ?, policy = ?, sealed = ?, ends_at = ?"
            " WHERE handle_hash = ? AND request IS NULL",
            (request, policy, sealed, ends_at, self.handle_hash(handle)),
        )

    def use_question(self, handle: str) -> bool:
        """Whether this is the first answer that counts."""
        changed = self._db.execute(
            "UPDATE showings SET used = 1 WHERE handle_hash = ? AND used = 0", (self.handle_hash(handle),)
        )
        return bool(changed.rowcount == 1)

    def fail_showing(self, handle: str, reasons: Collection[str], *, most: int) -> None:
        """Count an answer that proved nothing; with the last that is taken, the request ends."""
        known = self.handle_hash(handle)
        self._db.execute(
            "UPDATE showings SET failures = failures + 1, reasons = ? WHERE handle_hash = ? AND state = 'open'",
            (" ".join(reasons), known),
        )
        self._db.execute(
            "UPDATE showings SET state = 'refused' WHERE handle_hash = ? AND state = 'open' AND failures >= ?",
            (known, most),
        )

    def end_showing(self, handle: str, state: str, reasons: Collection[str] = ()) -> None:
        """Nobody is known by it: declined or refused."""
        self._db.execute(
            "UPDATE showings SET state = ?, reasons = ? WHERE handle_hash = ? AND state = 'open'",
            (state, " ".join(reasons), self.handle_hash(handle)),
        )

    def answer_showing(
        self,
        handle: str,
        *,
        secret: str,
        sealed_code: bytes | None,
        code: str | None,
        card: str | None,
        subject: str | None,
        name: str | None,
    ) -> bool:
        """Whether this is the first answer; who it says somebody is waits for the code."""
        known = self.handle_hash(handle)
        changed = self._db.execute(
            "UPDATE showings SET state = 'answered', reasons = NULL, secret_hash = ?, sealed_code = ?, code_hash = ?,"
            " card = ?, subject = ?, name = ? WHERE handle_hash = ? AND state = 'open'",
            (
                self.keyed_hash("shown", secret.encode()),
                sealed_code,
                None if code is None else self.code_hash(known, code),
                card,
                subject,
                name,
                known,
            ),
        )
        return bool(changed.rowcount == 1)

    def try_code(self, handle_hash: bytes, *, most: int) -> bool:
        """Count a code before it is compared, so that many at once are no more tries."""
        changed = self._db.execute(
            "UPDATE showings SET tries = tries + 1 WHERE handle_hash = ? AND tries < ?", (handle_hash, most)
        )
        return bool(changed.rowcount == 1)

    def last_seen(self) -> int | None:
        """The latest time at which an answer was judged."""
        row = self._one("SELECT last_seen FROM clock")
        return None if row is None else int(row["last_seen"])

    def observe(self, now: int) -> None:
        """It is ``now``, or was later already."""
        self._db.execute(
            "INSERT INTO clock VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET last_seen = ? WHERE clock.last_seen < ?",
            (now, now, now),
        )

    def handle_hash(self, handle: str) -> bytes:
        """How a request is known."""
        return self.keyed_hash("showing", handle.encode("utf-8", "surrogatepass"))

    def code_hash(self, handle_hash: bytes, code: str) -> bytes:
        """How the short code of a request is known."""
        return self.keyed_hash("shown code", handle_hash + code.encode("utf-8", "surrogatepass"))

    def _showing(self, column: str, value: bytes, at: int) -> ShowingRow | None:
        row = self._one(
            "SELECT showings.* FROM showings JOIN logins ON logins.hash = showings.login_hash"  # noqa: S608 - our names
            f" WHERE {column} = ? AND logins.expires_at > ?",
            value,
            at,
        )
        return None if row is None else _row(row)


def _row(row: Any) -> ShowingRow:
    return ShowingRow(**{name: row[name] for name in ShowingRow._fields})
