"""Logging in by showing an identity card from a wallet, without HTTP: from the link to who somebody is.

The same rules as at a verifier's desk (``verifier.server.transactions``):

1. A login belongs to the browser that began it, by a cookie. Wallets know it by a handle that nothing else says.
2. A request object is signed when a wallet first asks for it, and lasts two minutes from then (threats VP-11); until it
   is answered or has ended everybody gets the same one (VP-05).
3. The first answer that an issuer and a holder really signed is the answer, whatever comes of it (VP-07). What proves
   nothing leaves the request open, for a while.
4. Who answered is logged in only in the browser that began, and only with what the wallet was given: on the same
   device a secret in the address that it opens (VP-09), from another device the short code that the person reads there
   and carries over (VP-10). A link or a code that is forwarded to somebody logs the forwarder in as nobody.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from issuer.database import StateError
from issuer.records import claim_text
from issuer.server.identity import ElsewhereError, LoginError, UnknownPersonError
from issuer.server.people import finder
from vcred.claims import ClaimPath
from vcred.errors import NotFound, RefusedError
from vcred.formats._wire import b64u_encode, epoch
from vcred.identification import Question, ReadingOutcome
from vcred.oid4vp import RequestLink

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from issuer.server._showings import ShowingRow
    from issuer.server.parts import Parts
    from issuer.server.store import ServiceStore
    from vcred.identification import CardReader, Reading

__all__ = ["LASTS", "Landed", "Showings", "Stand"]

_OPENS: Final = 600
"""Seconds that a link or a QR code waits for a wallet."""

LASTS: Final = _OPENS + 600
"""Seconds that a login lasts: two minutes for the wallet's answer, and time to carry a code over."""

_DIGITS: Final = 6
_NONCE: Final = bytes(12)
"""Every key seals one thing that is kept: of two processes that ask at once, one keeps what it sealed."""

Live = Literal["code", "same", "locked", "refused", "declined", "fetched", "open", "expired"]
_ORDER: Final[tuple[Live, ...]] = ("code", "same", "locked", "refused", "declined", "fetched", "open", "expired")
_WAITING: Final = ("open", "fetched")


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """Who a login is, and the page that it goes on with."""

    place: str
    subject: str = field(repr=False)
    name: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """How a login stands. ``links`` are those that still wait for a wallet, by device; ``reasons`` why the last answer
    was not taken, as reason codes.
    """

    live: Live
    links: Mapping[str, str] = field(repr=False)
    reasons: tuple[str, ...]
    left: int
    """Codes that may still be tried."""


class Showings:
    """See the module. Every method raises ``StoreError``."""

    def __init__(self, parts: Parts, reader: CardReader) -> None:
        """Raises ``SettingsError``."""
        assert parts.settings.id_login is not None
        self._parts = parts
        self._settings = parts.settings.id_login
        self._store = parts.store
        self._find = finder(self._settings, parts.sources, reader.policy)
        self._name = None if self._settings.name is None else ClaimPath.parse(self._settings.name)
        self.reader = reader

    def begin(self, state: str, browser: str, *, lang: str, at: datetime) -> None:
        """Two requests for the login ``state`` of ``browser``. Inside the transaction that remembers the login."""
        for device in ("cross", "same"):
            handle = self._handle(state, browser, device)
            self._store.add_showing(state, handle, device=device, lang=lang, opens_until=epoch(at) + _OPENS)

    def look(self, state: str, browser: str | None, *, at: datetime) -> Stand:
        """How a login stands, for the browser that began it. Raises ``LoginError`` for every other."""
        rows = [] if browser is None else self._store.showings_of(state, browser, at=epoch(at))
        if browser is None or not rows:
            raise ElsewhereError
        lives = {row.device: self._live(row, epoch(at)) for row in rows}
        live = min(lives.values(), key=_ORDER.index)
        waiting = [device for device, one in lives.items() if one in _WAITING] if live in _WAITING else []
        shown = _WAITING if live in _WAITING else (live,)
        told = [row.reasons for row in rows if row.reasons and lives[row.device] in shown]
        return Stand(
            live=live,
            links={one: self.link(self._handle(state, browser, one)) for one in waiting},
            reasons=tuple(dict.fromkeys(" ".join(told).split())),
            left=max(0, min(self._settings.tries - row.tries for row in rows)),
        )

    def link(self, handle: str) -> str:
        """What calls a wallet."""
        found = RequestLink(client_id=self.reader.client_id, request_uri=self._place(handle), post=True)
        return found.to_uri(self._settings.wallet_endpoint)

    def request_object(self, handle: str, *, wallet_nonce: str | None, at: datetime) -> bytes:
        """What a wallet is asked, with its nonce if it sent one.

        Raises ``NotFound``, ``StateError`` for what is over, ``RefusedError`` and ``SigningError`` when nothing can be
        asked now.
        """
        row = self._open(handle, at)
        if row.request is None:
            made = self.reader.ask(response_uri=f"{self._place(handle)}/answer", lang=row.lang, at=at)
            sealed = _sealer("showing", handle).encrypt(_NONCE, made.response_key, None)
            self._store.transact(
                lambda: self._store.keep_question(handle, made.raw, made.policy, sealed, ends_at=made.expires_at)
            )
            row = self._open(handle, at)  # another process may have been first: its object is the one
        question = _question(row, handle)
        return question.raw if wallet_nonce is None else self.reader.renew(question, wallet_nonce=wallet_nonce)

    def answer(self, handle: str, body: bytes, *, at: datetime) -> tuple[str | None, tuple[str, ...]]:
        """Take a wallet's form: where the person goes on, if anywhere, and why it was not accepted, if it was not.

        Raises ``NotFound``, ``StateError``, ``RefusedError`` for what is no answer to this request.
        """
        row = self._open(handle, at)
        if row.request is None:
            raise StateError("nobody has fetched the request yet")
        store, most = self._store, self._settings.wrong_answers
        try:
            read = self.reader.read(_question(row, handle), body, memory=_Memory(store, handle), at=at)
        except RefusedError as error:
            reason = (error.code.value,)
            store.transact(lambda: store.fail_showing(handle, reason, most=most))
            raise
        if read.outcome is ReadingOutcome.ACCEPTED:
            return self._accepted(row, handle, read), ()
        if read.outcome is ReadingOutcome.DECLINED:
            store.transact(lambda: store.end_showing(handle, "declined"))
            return (self._parts.url("/apply") if row.device == "same" else None), ()
        if read.final:
            store.transact(lambda: store.end_showing(handle, "refused", read.reasons))
        else:
            store.transact(lambda: store.fail_showing(handle, read.reasons, most=most))
        return None, read.reasons

    def carried(self, secret: str, *, at: datetime) -> str:
        """The short code, for the device of the wallet that showed the card. Raises ``NotFound``."""
        row = self._store.showing_of_secret(secret, at=epoch(at))
        if row is None or row.sealed_code is None:
            raise NotFound("no such code, or no more")
        return _sealer("carry", secret).decrypt(_NONCE, row.sealed_code, None).decode("ascii")

    def land(self, secret: str, browser: str | None, *, at: datetime) -> Landed:
        """Who showed a card on this very device. Raises ``LoginError``, also in a browser that did not begin it."""
        row = self._store.showing_of_secret(secret, at=epoch(at))
        if row is None or row.device != "same":
            raise LoginError("there is no such answer, or no more")
        return self._landed(row, browser, at)

    def bring(self, state: str, browser: str | None, code: str, *, at: datetime) -> Landed | None:
        """Who showed a card on the device that showed this code; ``None`` for a wrong one, which counts.

        Raises ``LoginError`` in another browser, and where no answer waits for a code or too many were wrong.
        """
        rows = [] if browser is None else self._store.showings_of(state, browser, at=epoch(at))
        row = next((one for one in rows if one.code_hash is not None), None)
        if row is None:
            raise LoginError("no answer waits for a code in this browser")
        known, store = row.handle_hash, self._store
        if not store.transact(lambda: store.try_code(known, most=self._settings.tries)):
            raise LoginError("too many wrong codes")
        given = store.code_hash(known, "".join(code.split()))
        if row.code_hash is None or not hmac.compare_digest(row.code_hash, given):
            return None
        return self._landed(row, browser, at)

    def _accepted(self, row: ShowingRow, handle: str, read: Reading) -> str:
        """Where the wallet sends the person. Whether the registry knows them is told to the person alone."""
        try:
            subject = self._find(read.code or "", read.claims)
        except Exception:  # the agency's function may raise anything: whatever it is, this answer is used up
            self._store.transact(lambda: self._store.end_showing(handle, "refused"))
            raise
        name = None if self._name is None else claim_text(read.claims, self._name)
        secret, short, sealed = secrets.token_urlsafe(32), None, None
        if row.device == "cross":
            short = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}d}"
            sealed = _sealer("carry", secret).encrypt(_NONCE, short.encode("ascii"), None)
        kept = self._store.transact(
            lambda: self._store.answer_showing(
                handle, secret=secret, sealed_code=sealed, code=short, card=read.code, subject=subject, name=name
            )
        )
        if not kept:
            raise StateError("another answer came first")
        if row.device == "cross":
            return self._parts.url(f"/id/carry/{secret}")
        return self._parts.url(f"/apply/shown?response_code={secret}")

    def _landed(self, row: ShowingRow, browser: str | None, at: datetime) -> Landed:
        """The login is used up, in the browser that began it; what is known of the person here goes with it."""
        store, now = self._store, epoch(at)

        def work() -> str | None:
            place = None if browser is None else store.use_login_of(row.login_hash, browser, at=now)
            if place is not None and row.subject is not None:
                known = store.subject_hash(row.subject)
                store.log(now, "logged in by card", code=row.card, subject_hash=known)
            return place

        place = store.transact(work)
        if place is None:
            raise ElsewhereError
        if row.subject is None:
            raise UnknownPersonError
        return Landed(place=place, subject=row.subject, name=row.name)

    def _live(self, row: ShowingRow, now: int) -> Live:
        if row.state == "answered":
            if row.device == "same":
                return "same"
            return "code" if row.tries < self._settings.tries else "locked"
        if row.state != "open":
            return "refused" if row.state == "refused" else "declined"
        if now > (row.opens_until if row.ends_at is None else row.ends_at):
            return "expired"
        return "open" if row.request is None else "fetched"

    def _open(self, handle: str, at: datetime) -> ShowingRow:
        row = self._store.showing(handle, at=epoch(at))
        if row is None:
            raise NotFound("no such request")
        if self._live(row, epoch(at)) not in _WAITING:
            raise StateError("this request is over")
        return row

    def _handle(self, state: str, browser: str, device: str) -> str:
        """A wallet's name for a request: made of the login and its browser, so that no page has to store it."""
        return b64u_encode(self._store.keyed_hash(f"card {device}", f"{state} {browser}".encode()))

    def _place(self, handle: str) -> str:
        return self._parts.url(f"/id/{handle}")


class _Memory:
    """``Memory`` of one request, in the service's database."""

    def __init__(self, store: ServiceStore, handle: str) -> None:
        self._store = store
        self._handle = handle

    def use(self) -> bool:
        return self._store.transact(lambda: self._store.use_question(self._handle))

    def remember(self, marks: Collection[bytes], *, until: int, now: int) -> bool:
        def work() -> None:
            for mark in marks:
                if not self._store.spend("card answer", b64u_encode(mark), expires_at=until, at=now):
                    raise _SeenError

        try:
            self._store.transact(work)
        except _SeenError:
            return False
        return True

    def last_seen(self) -> int | None:
        return self._store.last_seen()

    def observe(self, now: int) -> None:
        self._store.transact(lambda: self._store.observe(now))


class _SeenError(Exception):
    """One of them was seen before: none is remembered."""


def _question(row: ShowingRow, handle: str) -> Question:
    assert row.request is not None
    assert row.policy is not None
    assert row.sealed is not None
    assert row.ends_at is not None
    key = _sealer("showing", handle).decrypt(_NONCE, row.sealed, None)
    return Question(raw=row.request, policy=row.policy, response_key=key, expires_at=row.ends_at)


def _sealer(purpose: str, secret: str) -> AESGCM:
    """What only the address of a request, or of a short code, opens."""
    return AESGCM(hashlib.sha256(f"vcred {purpose}\0{secret}".encode("utf-8", "surrogatepass")).digest())
