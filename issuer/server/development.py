"""An identity provider for development: whoever comes chooses who of a fictitious town they are. Never in production.

It is a real OpenID Connect provider with one client, so that what is tried out is what runs with the agency's. Nothing
is stored: a code holds what it stands for, under a keyed hash. Discovery, keys and tokens are asked for inside the
process (``send``), so that it works behind any address and certificate.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from issuer.server.login_settings import IdentityProviderSettings
from vcred.errors import TransportError
from vcred.formats._jose import sign_jws
from vcred.formats._wire import b64u_decode, b64u_encode, dump_json, epoch, parse_json
from vcred.keys import SoftwareSigner
from vcred.outgoing import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

__all__ = ["CLIENT", "DevelopmentProvider", "chosen"]

CLIENT: Final = "issuer-pages"
_LIFETIME: Final = 120
_MOST: Final = 60


class DevelopmentProvider:
    """The provider at ``issuer``. ``mac`` is the store's keyed hash; ``people`` gives those to choose from."""

    def __init__(
        self,
        issuer: str,
        *,
        mac: Callable[[bytes], bytes],
        people: Callable[[], Sequence[Any]],
        clock: Callable[[], datetime],
    ) -> None:
        self.issuer = issuer
        self._mac = mac
        self._people = people
        self._clock = clock
        self._key = SoftwareSigner.generate()

    def settings(self) -> IdentityProviderSettings:
        """How to log in here."""
        return IdentityProviderSettings(
            issuer=self.issuer, client_id=CLIENT, authentication="none", algorithms=("ES256",)
        )

    def people(self) -> list[tuple[str, str]]:
        """Subject and name of some people to choose from; none where the registry does not list them."""
        return [(one.subject, one.name) for one in self._people()[:_MOST]]

    def code(self, subject: str, *, nonce: str, challenge: str, redirect_uri: str) -> str:
        """A code for whoever chose to be ``subject``."""
        name = dict(self.people()).get(subject)
        held = {
            "sub": subject,
            "name": name,
            "nonce": nonce,
            "challenge": challenge,
            "redirect_uri": redirect_uri,
            "exp": epoch(self._clock()) + _LIFETIME,
        }
        body = dump_json(held)
        return f"{b64u_encode(body)}.{b64u_encode(self._mac(body))}"

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = 0,
    ) -> Answer:
        """An ``Http`` whose other end is this provider."""
        del headers, limit
        place = url.removeprefix(self.issuer)
        if (method, place) == ("GET", "/.well-known/openid-configuration"):
            return _answer(self._metadata())
        if (method, place) == ("GET", "/jwks"):
            return _answer({"keys": [self._key.public_key.to_jwk() | {"kid": "development", "use": "sig"}]})
        if (method, place) == ("POST", "/token"):
            return self._token(dict(parse_qsl((body or b"").decode("ascii", "replace"))))
        raise TransportError(f"{urlsplit(url).hostname}: the development provider has nothing there")

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def _token(self, form: Mapping[str, str]) -> Answer:
        body, _, mac = form.get("code", "").partition(".")
        try:
            raw = b64u_decode(body, "code")
            genuine = hmac.compare_digest(self._mac(raw), b64u_decode(mac, "code"))
            held = parse_json(raw, "code", max_bytes=8192) if genuine else None
        except Exception:  # noqa: BLE001 - whatever is wrong with a code, it is no code of ours
            held = None
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        now = epoch(self._clock())
        if (
            held is None
            or held["exp"] <= now
            or held["redirect_uri"] != form.get("redirect_uri")
            or held["challenge"] != base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        ):
            return _answer({"error": "invalid_grant"}, status=400)
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + _LIFETIME}
        claims |= {name: held[name] for name in ("sub", "name", "nonce") if held[name] is not None}
        header = {"alg": "ES256", "kid": "development", "typ": "JWT"}
        token = sign_jws(header, dump_json(claims), self._key).decode()
        return _answer({"access_token": "none", "token_type": "Bearer", "id_token": token})


def chosen(parameters: Mapping[str, str], code: str) -> str:
    """Where the browser goes with its code."""
    place = parameters["redirect_uri"]
    return f"{place}?{urlencode({'code': code, 'state': parameters['state']})}"


def _answer(body: Mapping[str, Any], status: int = 200) -> Answer:
    return Answer(status=status, headers={"content-type": "application/json"}, body=dump_json(dict(body)))
