"""Login by OpenID Connect: authorization code flow with PKCE, state and nonce (OpenID Connect Core 1.0 section 3.1).

What the provider says is believed when its ID token is signed by a key of its JWK Set with an algorithm that the
settings name, is for us, for this login, and not older than it says. Everything goes through the ``Http`` passed in.
"""

from __future__ import annotations

import base64
import hmac
import re
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urlencode

from issuer.sources.opening import PYTHON, called
from vcred.errors import MalformedError, SettingsError, TransportError, VcredError
from vcred.formats._wire import epoch, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from issuer.server.login_settings import IdentityProviderSettings
    from vcred.outgoing import Answer, Http

__all__ = ["ElsewhereError", "Identity", "IdentityProvider", "Login", "LoginError", "UnknownPersonError"]

_MAX_BODY: Final = 256 * 1024
_MAX_TOKEN: Final = 16_384
_MAX_SUBJECT: Final = 256
_MAX_NAME: Final = 120
_MOST_KEYS: Final = 32
_KEEP: Final = 3600
_AGAIN: Final = 60
"""Seconds that metadata and keys are kept, and after which a key that is not among them is looked for again."""
_SKEW: Final = 60
_KEY_TYPES: Final = {"ES256": "EC", "EdDSA": "OKP", "PS256": "RSA", "RS256": "RSA"}
_LEAST_RSA: Final = 2048
_CODE: Final = re.compile(r"[\x21-\x7e]{1,2048}")


class LoginError(VcredError):
    """Who logs in is not believed, or was turned away. The text is for the log and holds nothing personal."""


class ElsewhereError(LoginError):
    """The login did not begin in this browser, or took too long."""

    def __init__(self) -> None:
        super().__init__("the login began in another browser, or took too long")


class UnknownPersonError(LoginError):
    """Who logs in is believed, and the registry knows nobody like that."""

    def __init__(self) -> None:
        super().__init__("the registry does not know who logged in")


class TooManyLoginsError(LoginError):
    """So many logins were begun from one address that it has to wait."""

    def __init__(self) -> None:
        super().__init__("too many logins were begun from one address")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who logged in: the registry's key for them, and their name for the pages."""

    subject: str = field(repr=False)
    name: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """The secrets of one login. ``challenge`` is that of ``verifier`` (RFC 7636, S256)."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    challenge: str = field(repr=False)


class Provider(Protocol):
    """What the pages need of a login: an address to go to, and who came back. ``IdentityProvider`` is one."""

    def begin(self, login: Login, *, lang: str, at: datetime) -> str:
        """Where to send the browser."""

    def finish(self, login: Login, answer: Mapping[str, str], *, at: datetime) -> Identity:
        """Who came back with ``answer``. Raises ``LoginError``, ``TransportError``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    authorization: str
    token: str
    jwks: str
    says_issuer: bool
    keys: list[dict[str, Any]]
    at: int


class IdentityProvider:
    """The client of one provider. Safe for several threads."""

    def __init__(
        self, settings: IdentityProviderSettings, *, http: Http, redirect_uri: str, plain_http: bool = False
    ) -> None:
        """Fetches nothing yet. ``plain_http``: in development. Raises ``SettingsError`` for a lookup that is none."""
        self._settings = settings
        self._http = http
        self._redirect_uri = redirect_uri
        self._schemes = ("https://", "http://") if plain_http else ("https://",)
        self._lock = threading.Lock()
        self._known: _Known | None = None
        self._lookup: Callable[[Mapping[str, Any]], Any] | None = None
        if settings.lookup is not None:
            if not settings.lookup.startswith(PYTHON):
                raise SettingsError("identity_provider.lookup: is python:package.module:callable")
            self._lookup = called(settings.lookup.removeprefix(PYTHON))
        if not settings.issuer.startswith(self._schemes):
            raise SettingsError("identity_provider.issuer: is an https address")

    def begin(self, login: Login, *, lang: str, at: datetime) -> str:
        """Where to send the browser. Raises ``TransportError`` when the provider does not answer."""
        known = self._provider(at)
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(self._settings.scopes),
            "state": login.state,
            "nonce": login.nonce,
            "code_challenge": login.challenge,
            "code_challenge_method": "S256",
            "ui_locales": lang,
        }
        if self._settings.acr:
            asked["acr_values"] = " ".join(self._settings.acr)
        return f"{known.authorization}{'&' if '?' in known.authorization else '?'}{urlencode(asked)}"

    def finish(self, login: Login, answer: Mapping[str, str], *, at: datetime) -> Identity:
        """See ``Provider``."""
        known = self._provider(at)
        # RFC 9207: another provider's answer is not ours to use (mix-up).
        if answer.get("iss", None if known.says_issuer else self._settings.issuer) != self._settings.issuer:
            raise LoginError("the answer is of another provider")
        if "error" in answer:
            raise LoginError("the provider turned the login away")
        code = answer.get("code", "")
        if not _CODE.fullmatch(code):
            raise LoginError("the answer has no code")
        claims = self._checked(self._token(known, code, login.verifier), login.nonce, at)
        subject = claims.get(self._settings.subject) if self._lookup is None else self._lookup(claims)
        if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT:
            raise UnknownPersonError
        name = claims.get(self._settings.name)
        return Identity(subject=subject, name=name[:_MAX_NAME] if isinstance(name, str) else None)

    def _token(self, known: _Known, code: str, verifier: str) -> str:
        settings = self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        secret = None if settings.client_secret is None else settings.client_secret.get_secret_value()
        if settings.authentication == "client_secret_basic":
            pair = f"{quote(settings.client_id, safe='')}:{quote(secret or '', safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": settings.client_id} | ({} if secret is None else {"client_secret": secret})
        answer = self._http.send("POST", known.token, headers=headers, body=urlencode(form).encode(), limit=_MAX_BODY)
        if answer.status != 200:
            raise LoginError(f"the provider's token endpoint answers with status {answer.status}")
        token = _object(answer).get("id_token")
        if not isinstance(token, str) or len(token) > _MAX_TOKEN:
            raise LoginError("the provider gave no ID token")
        return token

    def _checked(self, token: str, nonce: str, at: datetime) -> dict[str, Any]:
        """The claims of an ID token, as OpenID Connect Core 1.0 section 3.1.3.7 has them checked."""
        claims = self._verified(token, at)
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        authorized = claims.get("azp")
        if claims.get("iss") != self._settings.issuer or self._settings.client_id not in audiences:
            raise LoginError("the ID token is by or for somebody else")
        if authorized not in (None, self._settings.client_id) or (len(audiences) > 1 and authorized is None):
            raise LoginError("the ID token was given to another client")
        now, expires, issued = epoch(at), claims.get("exp"), claims.get("iat")
        if not isinstance(expires, (int, float)) or not isinstance(issued, (int, float)):
            raise LoginError("the ID token has no times")
        if not issued - _SKEW <= now < expires + _SKEW:
            raise LoginError("the ID token has expired, or is from the future")
        given = claims.get("nonce")
        if not isinstance(given, str) or not hmac.compare_digest(given.encode("utf-8", "replace"), nonce.encode()):
            raise LoginError("the ID token is of another login")
        if self._settings.acr and claims.get("acr") not in self._settings.acr:
            raise LoginError("the level of assurance is too low")
        if not isinstance(claims.get("sub"), str):
            raise LoginError("the ID token names nobody")
        return claims

    def _verified(self, token: str, at: datetime) -> dict[str, Any]:
        from joserfc import jwt  # noqa: PLC0415 - loads with the first login
        from joserfc.errors import JoseError  # noqa: PLC0415 - as above
        from joserfc.jwk import KeySet  # noqa: PLC0415 - as above

        algorithm, kid = _header(token)
        if algorithm not in self._settings.algorithms:
            raise LoginError("the ID token is signed with an algorithm that the settings do not name")
        keys = self._keys(algorithm, kid, at)
        if not keys:
            raise LoginError("the ID token is signed with a key that the provider does not publish")
        for key in keys:
            try:
                with _eddsa_by_its_old_name(algorithm):
                    found = jwt.decode(token, KeySet.import_key_set({"keys": [key]}), algorithms=[algorithm])
            except (JoseError, ValueError, TypeError, KeyError):
                continue
            return dict(found.claims)
        raise LoginError("the signature of the ID token is wrong")

    def _keys(self, algorithm: str, kid: str | None, at: datetime) -> list[dict[str, Any]]:
        """The provider's keys that may have signed; looked for once more when there is none."""
        for fresh in (False, True):
            known = self._provider(at, fresh=fresh)
            found = [one for one in known.keys if _may_sign(one, algorithm) and kid in (None, one.get("kid"))]
            if found:
                return found
        return []

    def _provider(self, at: datetime, *, fresh: bool = False) -> _Known:
        with self._lock:
            known, now = self._known, epoch(at)
            if known is None or not 0 <= now - known.at < (_AGAIN if fresh else _KEEP):
                known = self._known = self._discover(now)
            return known

    def _discover(self, now: int) -> _Known:
        """The provider's metadata (OpenID Connect Discovery 1.0 section 4) and its keys."""
        issuer = self._settings.issuer
        found = _object(self._http.send("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
        places = [found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        if found.get("issuer") != issuer:
            raise TransportError("the identity provider's metadata is of another issuer")
        if not all(isinstance(place, str) and place.startswith(self._schemes) for place in places):
            raise TransportError("the identity provider's metadata lacks an https endpoint")
        keys = _object(self._http.send("GET", str(places[2]), limit=_MAX_BODY)).get("keys")
        if not isinstance(keys, list) or not all(isinstance(one, dict) for one in keys) or len(keys) > _MOST_KEYS:
            raise TransportError("the identity provider's keys cannot be read")
        return _Known(
            authorization=str(places[0]),
            token=str(places[1]),
            jwks=str(places[2]),
            says_issuer=found.get("authorization_response_iss_parameter_supported") is True,
            keys=keys,
            at=now,
        )


def _object(answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        raise TransportError(f"the identity provider answers with status {answer.status}")
    try:
        found = parse_json(answer.body, "provider", max_bytes=_MAX_BODY)
    except MalformedError as error:
        raise TransportError(f"the identity provider's answer cannot be read: {error.code.value}") from None
    if not isinstance(found, dict):
        raise TransportError("the identity provider's answer is not an object")
    return found


def _header(token: str) -> tuple[str, str | None]:
    from joserfc.errors import JoseError  # noqa: PLC0415 - loads with the first login
    from joserfc.jws import extract_compact  # noqa: PLC0415 - as above

    try:
        header = extract_compact(token.encode("ascii", "strict")).headers()
    except (JoseError, ValueError, KeyError, TypeError):
        raise LoginError("the ID token cannot be read") from None
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or not isinstance(kid, (str, type(None))) or "crit" in header:
        raise LoginError("the ID token has a header that we do not understand")
    return algorithm, kid


@contextmanager
def _eddsa_by_its_old_name(algorithm: str) -> Iterator[None]:
    """Providers still write ``EdDSA`` where RFC 9864 would have ``Ed25519``; the library warns of that every time."""
    with warnings.catch_warnings():
        if algorithm == "EdDSA":
            warnings.simplefilter("ignore")
        yield


def _may_sign(key: Mapping[str, Any], algorithm: str) -> bool:
    """Whether a key of a JWK Set is for signatures with that algorithm, and not too short."""
    if key.get("kty") != _KEY_TYPES[algorithm] or key.get("use", "sig") != "sig":
        return False
    if key.get("alg", algorithm) not in (algorithm, "Ed25519" if algorithm == "EdDSA" else algorithm):
        return False
    modulus = key.get("n", "")
    return key["kty"] != "RSA" or (isinstance(modulus, str) and len(modulus) * 6 >= _LEAST_RSA)
