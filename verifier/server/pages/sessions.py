"""Clerks at the desk: who is signed in, in the database, so that any process knows it after a restart too.

Rules:

1. The browser has 32 random bytes in a cookie, the database their SHA-256. Neither says the other, nor the API key.
2. Every form has a token of its session (an HMAC under the cookie). A form before login has one that is compared with
   a cookie of its own, so that nobody can be signed in as somebody else.
3. A session is over twelve hours after it began, at logout, or when its API key leaves the settings.
4. After ``TRIES`` wrong keys from one address without a quiet minute between them, that address waits for a minute.
   It is counted from the last failure: minutes of the clock would let two runs of guesses meet at their border.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from vcred.errors import StoreError
from verifier.server.database import within
from verifier.server.tables import login_failures, sessions

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Engine

__all__ = ["LIFETIME", "Clerk", "Sessions", "form_token", "same"]

LIFETIME: Final = 12 * 3600
"""Seconds."""

TRIES: Final = 10
_MINUTE: Final = 60
_SECRET: Final = 32
_MAX_COOKIE: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Clerk:
    """Somebody who signed in with the API key of ``name``; ``csrf`` belongs into every form."""

    name: str
    csrf: str = field(repr=False)


class Sessions:
    """The sessions in one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, owner: str, *, at: int) -> str:
        """A new session; what the cookie holds."""
        secret = secrets.token_urlsafe(_SECRET)
        with within(self._engine) as db:
            db.execute(delete(sessions).where(sessions.c.expires_at <= at))
            db.execute(insert(sessions).values(key=_digest(secret), owner=owner, expires_at=at + LIFETIME))
        return secret

    def find(self, secret: str | None, owners: Collection[str], *, at: int) -> Clerk | None:
        """Whose session it is; ``None`` for one that is over, or whose API key is not among ``owners`` any more."""
        if not secret or len(secret) > _MAX_COOKIE:
            return None
        chosen = select(sessions.c.owner).where(sessions.c.key == _digest(secret), sessions.c.expires_at > at)
        with within(self._engine) as db:
            owner = db.execute(chosen).scalar_one_or_none()
        return Clerk(name=owner, csrf=form_token(secret)) if owner is not None and owner in owners else None

    def end(self, secret: str) -> None:
        """Sign out."""
        with within(self._engine) as db:
            db.execute(delete(sessions).where(sessions.c.key == _digest(secret)))

    def waits(self, address: str, *, at: int) -> bool:
        """Whether too many wrong keys came from ``address``, the last within a minute."""
        failures = login_failures.c
        chosen = select(failures.count).where(failures.key == _digest(address), failures.until > at)
        with within(self._engine) as db:
            return (db.execute(chosen).scalar_one_or_none() or 0) >= TRIES

    def failed(self, address: str, *, at: int) -> None:
        """Count a wrong key."""
        key, until = _digest(address), at + _MINUTE
        more = update(login_failures).where(login_failures.c.key == key)
        more = more.values(count=login_failures.c.count + 1, until=until)
        with within(self._engine) as db:
            db.execute(delete(login_failures).where(login_failures.c.until <= at))
            if db.execute(more).rowcount == 1:
                return
        try:
            with within(self._engine) as db:
                db.execute(insert(login_failures).values(key=key, until=until, count=1))
        except StoreError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
            with within(self._engine) as db:  # another process was first
                db.execute(more)


def form_token(secret: str) -> str:
    """What the forms of the session with this cookie carry."""
    return hmac.new(secret.encode(), b"vcred form", hashlib.sha256).hexdigest()


def same(given: object, expected: str) -> bool:
    """Whether a form's token is the one expected, in constant time."""
    return isinstance(given, str) and hmac.compare_digest(given.encode(), expected.encode())


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
