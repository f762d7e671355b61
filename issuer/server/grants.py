"""What wallets are granted: from a pushed request or an offer over a code to tokens (RFC 6749, 7636, 9126, 9449, 9700).

A code is for one wallet and once. Refresh tokens stay the same until they end: they are bound to the wallet's key, so
that a lost reply costs nothing and a stolen one is worth nothing (FAPI 2.0 section 5.3.2.1 says the same).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from issuer.server._grants import AuthorizationRow, GrantRow, TokenRow
from vcred.errors import NotFound
from vcred.formats._wire import b64u_encode, epoch
from vcred.serving import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from issuer.server.clients import Client
    from issuer.server.configurations import Configurations
    from issuer.server.settings import IssuerServerSettings
    from issuer.server.store import ServiceStore

__all__ = ["Authorization", "Grants", "Tokens", "Wish"]

_REQUEST_URI: Final = "urn:ietf:params:oauth:request_uri:"
_USED: Final = "the code was used, or is locked"
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Configurations that a wallet asks for; ``detailed`` are those it named by ``authorization_details``."""

    configurations: tuple[str, ...]
    detailed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """A wallet's request that somebody has to decide on."""

    id: str
    client_id: str
    configurations: tuple[str, ...]
    issuer_state: str | None
    redirect_uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A token response in parts."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    seconds: int
    jkt: str | None
    configurations: tuple[str, ...]
    detailed: tuple[str, ...]


class Grants:
    """See the module. What goes wrong for the wallet is a ``ProtocolError``."""

    def __init__(self, settings: IssuerServerSettings, store: ServiceStore, configurations: Configurations) -> None:
        self._settings = settings
        self._store = store
        self._configurations = configurations

    def push(
        self,
        client: Client,
        wish: Wish,
        *,
        redirect_uri: str,
        code_challenge: str,
        state: str | None,
        issuer_state: str | None,
        jkt: str | None,
        at: datetime,
    ) -> tuple[str, int]:
        """Remember a request: its ``request_uri``, and for how many seconds (RFC 9126)."""
        assert client.id is not None
        request_uri = _REQUEST_URI + secrets.token_urlsafe(32)
        seconds = self._settings.lifetimes.pushed_request
        row = AuthorizationRow(
            id=f"z-{secrets.token_hex(12)}",
            client_id=client.id,
            instance=client.instance,
            jkt=jkt,
            redirect_uri=redirect_uri,
            state=state,
            code_challenge=code_challenge,
            configurations=wish.configurations,
            detailed=wish.detailed,
            issuer_state=issuer_state,
            decided=False,
            opens_until=epoch(at) + seconds,
            expires_at=epoch(at) + seconds + self._settings.lifetimes.login,
        )
        self._store.transact(lambda: self._store.add_authorization(request_uri, row, at=epoch(at)))
        return request_uri, seconds

    def begin(self, client_id: str, request_uri: str, *, at: datetime) -> tuple[Authorization, str]:
        """The authorization, and a secret for the browser that opened it. Writes nothing.

        What follows links before the person does (a preview, a virus scanner) takes nothing away: used up is a request
        when it is decided on. Raises ``ProtocolError`` for the person's eyes: there is nowhere to redirect to.
        """
        row = self._store.pushed(request_uri)
        if row is None or row.client_id != client_id or row.decided or epoch(at) >= row.opens_until:
            raise ProtocolError("invalid_request_uri", "this request is not known, has expired or was used")
        half = f"{row.id}.{secrets.token_urlsafe(16)}"
        session = f"{half}.{self._session_mac(half)}"
        return _shown(row), session

    def of_session(self, session: str | None, *, at: datetime) -> Authorization | None:
        """The authorization that a browser with this secret is at, while it can be decided on."""
        half, _, mac = (session or "").rpartition(".")
        if session is None or not hmac.compare_digest(mac.encode(), self._session_mac(half).encode()):
            return None
        row = self._store.authorization(half.partition(".")[0])
        return None if row is None or row.decided or epoch(at) >= row.expires_at else _shown(row)

    def grant(
        self,
        authorization_id: str,
        application_id: str,
        *,
        at: datetime,
        configuration_ids: Iterable[str] | None = None,
        within: Callable[[], None] | None = None,
    ) -> str:
        """Where to send the browser: to the wallet, with a code for the application.

        ``configuration_ids``: what of the wallet's wish the application covers; by default all. ``within`` is done in
        the same transaction. Raises ``NotFound`` when it was decided or has expired.
        """
        row = self._open(authorization_id, at)
        covered = set(row.configurations if configuration_ids is None else configuration_ids)
        configurations = tuple(one for one in row.configurations if one in covered)
        if not configurations:
            raise ValueError("the application covers nothing that the wallet asked for")
        code = secrets.token_urlsafe(32)
        until = epoch(at + self._settings.lifetimes.of("code"))
        granted = GrantRow(
            id=f"g-{secrets.token_hex(12)}",
            kind="code",
            code_expires_at=until,
            application=application_id,
            configurations=configurations,
            detailed=tuple(one for one in row.detailed if one in covered),
            client_id=row.client_id,
            instance=row.instance,
            jkt=row.jkt,
            redirect_uri=row.redirect_uri,
            code_challenge=row.code_challenge,
            tx_hash=None,
            tries=0,
            used=False,
            expires_at=until,
        )

        def work() -> None:
            self._decide(authorization_id)
            self._store.add_grant(code, granted, at=epoch(at))
            if within is not None:
                within()

        self._store.transact(work)
        return self._back(row, code=code)

    def deny(self, authorization_id: str, *, at: datetime, error: str = "access_denied") -> str:
        """Where to send the browser: to the wallet, with an error (RFC 6749 section 4.1.2.1). Raises ``NotFound``."""
        row = self._open(authorization_id, at)
        self._store.transact(lambda: self._decide(authorization_id))
        return self._back(row, error=error)

    def pre_authorize(
        self,
        application_id: str,
        *,
        configuration_ids: Sequence[str],
        tx_code: str | None,
        expires_at: datetime,
        at: datetime,
    ) -> str:
        """A pre-authorized code for an offer: whoever has it, and ``tx_code`` if there is one, is the applicant.

        May be called inside ``transact``.
        """
        code = secrets.token_urlsafe(32)
        row = GrantRow(
            id=f"g-{secrets.token_hex(12)}",
            kind="pre_authorized",
            code_expires_at=epoch(expires_at),
            application=application_id,
            configurations=tuple(configuration_ids),
            detailed=(),
            client_id=None,
            instance=None,
            jkt=None,
            redirect_uri=None,
            code_challenge=None,
            tx_hash=None if tx_code is None else self._tx_hash(code, tx_code),
            tries=0,
            used=False,
            expires_at=epoch(expires_at),
        )
        self._store.transact(lambda: self._store.add_grant(code, row, at=epoch(at)))
        return code

    def end(self, application_id: str) -> None:
        """No code and no token for this application counts any more. May be called inside ``transact``."""
        self._store.transact(lambda: self._store.end_grants(application_id))

    def redeem_code(
        self,
        client: Client,
        code: str,
        *,
        verifier: str,
        redirect_uri: str | None,
        jkt: str | None,
        within: Callable[[], None],
        at: datetime,
    ) -> Tokens:
        """Tokens for an authorization code. A second time ends those of the first (RFC 6749 section 4.1.2).

        ``within``, here and below, is done first in the same transaction.
        """
        row = self._found(code, "code", at)
        if row.client_id != client.id or row.instance != client.instance:
            raise _no_grant()
        if redirect_uri != row.redirect_uri:
            raise _no_grant("redirect_uri is not that of the authorization request")
        challenge = b64u_encode(hashlib.sha256(verifier.encode()).digest())
        if not _VERIFIER.fullmatch(verifier) or not hmac.compare_digest(challenge, row.code_challenge or ""):
            raise _no_grant("code_verifier does not fit the code_challenge")
        if row.jkt not in (None, jkt):
            raise _no_grant("the code is bound to another key")
        wish = Wish(configurations=row.configurations, detailed=row.detailed)

        def work() -> Tokens | None:
            within()
            tokens = self._exchange(row, client, wish, jkt, at)
            if tokens is None:
                self._store.end_tokens(row.id)
            return tokens

        tokens = self._store.transact(work)
        if tokens is None:
            raise _no_grant("the code was used: its tokens have ended")
        return tokens

    def redeem_pre_authorized(
        self,
        client: Client,
        code: str,
        *,
        tx_code: str | None,
        wish: Wish | None,
        jkt: str | None,
        within: Callable[[], None],
        at: datetime,
    ) -> Tokens:
        """Tokens for a pre-authorized code, which is locked after too many wrong ``tx_code`` (threats CI-08, CI-09)."""
        if tx_code is None:
            return self._redeem(code, client, wish, jkt=jkt, within=within, at=at)
        given = tx_code

        def work() -> Tokens | None:
            # All of it in one transaction: of many guesses at once, each is counted before the next is compared.
            within()
            row = self._redeemable(code, given, at)
            if not hmac.compare_digest(self._tx_hash(code, given), row.tx_hash or b""):
                self._store.add_try(row.id)
                return None
            return self._exchange(row, client, _narrowed(row, wish), jkt, at)

        tokens = self._store.transact(work)
        if tokens is None:
            raise _no_grant("wrong tx_code")
        return tokens

    def _redeem(
        self,
        code: str,
        client: Client,
        wish: Wish | None,
        *,
        jkt: str | None,
        within: Callable[[], None],
        at: datetime,
    ) -> Tokens:
        """Tokens for a code that has nothing to guess beside it: it is looked at before, and used once."""
        row = self._redeemable(code, None, at)
        narrowed = _narrowed(row, wish)

        def work() -> Tokens:
            within()
            self._store.must_use_code(row.id, until=self._until(at), otherwise=_no_grant(_USED))
            return self._first(row, client, narrowed, jkt, at)

        return self._store.transact(work)

    def _redeemable(self, code: str, tx_code: str | None, at: datetime) -> GrantRow:
        row = self._found(code, "pre_authorized", at)
        if row.used or row.tries >= self._settings.tx_code.tries:
            raise _no_grant(_USED)
        if (tx_code is None) != (row.tx_hash is None):
            what = "is missing" if tx_code is None else "is not expected"
            raise ProtocolError("invalid_request", f"tx_code {what}")
        return row

    def refresh(
        self, client: Client, token: str, *, jkt: str | None, within: Callable[[], None], at: datetime
    ) -> Tokens:
        """A new access token, for the wallet that has the refresh token's key."""
        row = self._store.token("refresh", token)
        if row is None or epoch(at) >= row.expires_at:
            raise _no_grant("there is no such refresh token, or it has ended")
        if row.client_id != client.id or row.instance != client.instance:
            raise _no_grant("the refresh token is another wallet's")
        if row.instance is None and row.jkt != jkt:
            raise _no_grant("the refresh token is bound to another key")

        def work() -> Tokens:
            within()
            self._store.keep_grant(row.grant_id, until=epoch(at) + self._settings.lifetimes.access_token)
            return self._access(row, jkt, at, refresh=None)

        return self._store.transact(work)

    def _exchange(self, row: GrantRow, client: Client, wish: Wish, jkt: str | None, at: datetime) -> Tokens | None:
        if not self._store.use_code(row.id, until=self._until(at)):
            return None
        return self._first(row, client, wish, jkt, at)

    def _until(self, at: datetime) -> int:
        """As long as the tokens of a code may live."""
        lifetimes = self._settings.lifetimes
        return epoch(at) + max(lifetimes.access_token, lifetimes.refresh_token)

    def _first(self, row: GrantRow, client: Client, wish: Wish, jkt: str | None, at: datetime) -> Tokens:
        """The tokens of a code."""
        lifetimes = self._settings.lifetimes
        token = TokenRow(
            grant_id=row.id,
            application=row.application,
            client_id=client.id,
            instance=client.instance,
            jkt=jkt,
            configurations=wish.configurations,
            detailed=wish.detailed,
            expires_at=epoch(at) + lifetimes.refresh_token,
        )
        refreshable = lifetimes.refresh_token and (client.instance or jkt)
        return self._access(token, jkt, at, refresh=secrets.token_urlsafe(32) if refreshable else None)

    def _access(self, row: TokenRow, jkt: str | None, at: datetime, *, refresh: str | None) -> Tokens:
        """A new access token; with ``refresh``, which ``row`` is of, where that is new as well."""
        seconds = self._settings.lifetimes.access_token
        access = secrets.token_urlsafe(32)
        tokens = [("access", access, row._replace(jkt=jkt, expires_at=epoch(at) + seconds))]
        if refresh is not None:
            tokens.append(("refresh", refresh, row))
        self._store.add_tokens(tokens, at=epoch(at))
        return Tokens(
            access=access,
            refresh=refresh,
            seconds=seconds,
            jkt=jkt,
            configurations=row.configurations,
            detailed=row.detailed,
        )

    def _found(self, code: str, kind: str, at: datetime) -> GrantRow:
        row = self._store.grant_of(code)
        if row is None or row.kind != kind or epoch(at) >= row.code_expires_at:
            raise _no_grant("there is no such code, or it has expired")
        return row

    def _open(self, authorization_id: str, at: datetime) -> AuthorizationRow:
        row = self._store.authorization(authorization_id)
        if row is None or row.decided or epoch(at) >= row.expires_at:
            raise NotFound("this request was decided, or has expired")
        return row

    def _decide(self, authorization_id: str) -> None:
        if not self._store.decide(authorization_id):
            raise NotFound("this request was decided, or has expired")

    def _back(self, row: AuthorizationRow, **parameters: str) -> str:
        found = parameters | ({} if row.state is None else {"state": row.state}) | {"iss": self._settings.base_url}
        return f"{row.redirect_uri}{'&' if '?' in row.redirect_uri else '?'}{urlencode(found)}"

    def _session_mac(self, half: str) -> str:
        return b64u_encode(self._store.secret_hash("session", half))

    def _tx_hash(self, code: str, tx_code: str) -> bytes:
        return self._store.secret_hash("tx_code", f"{code} {tx_code}")


def _shown(row: AuthorizationRow) -> Authorization:
    return Authorization(
        id=row.id,
        client_id=row.client_id,
        configurations=row.configurations,
        issuer_state=row.issuer_state,
        redirect_uri=row.redirect_uri,
    )


def _narrowed(row: GrantRow, wish: Wish | None) -> Wish:
    if wish is None:
        return Wish(configurations=row.configurations)
    if not set(wish.configurations) <= set(row.configurations):
        raise ProtocolError("invalid_authorization_details", "more than was offered")
    return wish


def _no_grant(description: str = "the code is another wallet's") -> ProtocolError:
    return ProtocolError("invalid_grant", description)
