"""Requests to the servers of an issuer: bound to a key by DPoP, and to an attested wallet where they want that.

A redirect is an error here, and so is another content type than the one that was asked for. What servers say in an
error goes no further than its code: the rest is a stranger's text. Nonces and challenges are the servers' and stand in
their answers; when one is missing or old a request is repeated, once for each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from vcred.errors import MalformedError, RefusedError, TransportError
from vcred.formats._wire import parse_json
from vcred.oauth import build_attestation_pop, build_dpop
from vcred.outgoing import patiently
from vcred.reasons import ReasonCode
from wallet.client._refusal import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from vcred.keys import SoftwareSigner
    from vcred.outgoing import Answer, Http
    from wallet.client.attester import WalletAttester

__all__ = ["Calls", "Identity", "error_text", "host_of", "json_of", "shown_host"]

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
JWT: Final = "application/jwt"
_CHALLENGE: Final = "oauth-client-attestation-challenge"
_AGAIN: Final = {"use_dpop_nonce": "dpop-nonce", "use_attestation_challenge": _CHALLENGE}
_ERROR: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_IN_HEADER: Final = re.compile(r'\berror="([A-Za-z0-9_.-]{1,64})"')
_VISIBLE: Final = re.compile(r"[!-~]{1,1024}")
_LIMIT: Final = 4 * 1024 * 1024
_REPEATABLE: Final = (400, 401)
_MAX_REASONS: Final = 16


class Identity:
    """Who asks: ``client_id`` (``None``: nobody in particular), and how that is shown to authorization servers."""

    def __init__(self, client_id: str | None, *, attester: WalletAttester | None, instance: SoftwareSigner) -> None:
        self.client_id = client_id
        self._attester = attester
        self._instance = instance

    def headers(self, audience: str, challenge: str | None, *, at: datetime) -> dict[str, str]:
        """What goes with a request to the authorization server ``audience``."""
        if self._attester is None:
            return {}
        return {
            "OAuth-Client-Attestation": self._attester.attest_wallet(self._instance.public_key, at=at),
            "OAuth-Client-Attestation-PoP": build_attestation_pop(
                self._instance, audience=audience, at=at, challenge=challenge
            ),
        }


class Calls:
    """One session's requests. ``key`` proves possession (RFC 9449); ``None`` where the server knows no DPoP."""

    def __init__(self, http: Http, clock: Callable[[], datetime], pause: Callable[[float], None]) -> None:
        self.http = http
        self.clock = clock
        self.pause = pause
        self.key: SoftwareSigner | None = None
        self._nonces: dict[str, str] = {}
        self._challenges: dict[str, str] = {}

    def document(self, url: str, *, accept: str = JSON) -> Answer:
        """What is at ``url``, of one of the types in ``accept``. Raises ``TransportError``, ``RefusedError``."""
        return expect(self._bare("GET", url, accept=accept), url, accept)

    def challenge(self, audience: str, place: str | None) -> None:
        """Get a challenge for ``audience`` from its challenge endpoint, if it has one."""
        if place is None or audience in self._challenges:
            return
        answer = expect(self._bare("POST", place), place, JSON)
        found = json_of(answer, "challenge").get("attestation_challenge")
        if isinstance(found, str) and _VISIBLE.fullmatch(found):
            self._challenges[audience] = found

    def form(self, url: str, members: Mapping[str, str], *, audience: str, who: Identity) -> Answer:
        """Post a form to an authorization server. Raises ``ServerError`` and as ``document`` does."""
        body = urlencode(members).encode("ascii")

        def headers() -> dict[str, str]:
            return who.headers(audience, self._challenges.get(audience), at=self.clock())

        return self._send(url, body, FORM, accept=JSON, headers=headers, audience=audience)

    def nonce(self, url: str) -> str:
        """A fresh ``c_nonce`` (OpenID4VCI 1.0 section 7)."""
        answer = expect(self._bare("POST", url), url, JSON)
        self._remember(url, answer, "")
        found = json_of(answer, "nonce").get("c_nonce")
        if not isinstance(found, str) or not _VISIBLE.fullmatch(found):
            raise MalformedError(ReasonCode.NONCE, "nonce.c_nonce", "missing, or not visible text")
        return found

    def protected(self, url: str, token: str, body: bytes, *, type: str, accept: str) -> Answer:  # noqa: A002
        """Post to an endpoint that wants ``token``. Raises ``ServerError`` and as ``document`` does."""
        return self._send(url, body, type, accept=accept, token=token)

    def _send(
        self,
        url: str,
        body: bytes,
        type: str,  # noqa: A002 - the header's name
        *,
        accept: str,
        headers: Callable[[], dict[str, str]] = dict,
        audience: str = "",
        token: str | None = None,
    ) -> Answer:
        def once() -> Answer:
            # Made anew each time: a server takes no proof twice.
            sent = {"Content-Type": type, "Accept": accept, **headers()}
            if self.key is not None:
                sent["DPoP"] = build_dpop(
                    self.key,
                    method="POST",
                    url=url,
                    at=self.clock(),
                    nonce=self._nonces.get(_origin(url)),
                    access_token=token,
                )
            if token is not None:
                sent["Authorization"] = f"{'Bearer' if self.key is None else 'DPoP'} {token}"
            return self.http.send("POST", url, headers=sent, body=body, limit=_LIMIT)

        repeated: set[str] = set()
        while True:
            answer = patiently(once, self.pause)
            self._remember(url, answer, audience)
            error = error_of(answer) if answer.status in _REPEATABLE else ""
            if error in repeated or error not in _AGAIN or _AGAIN[error] not in answer.headers:
                return expect(answer, url, accept)
            repeated.add(error)

    def _bare(self, method: str, url: str, *, accept: str = JSON) -> Answer:
        """A request with nothing in it."""
        body = None if method == "GET" else b""
        return patiently(
            lambda: self.http.send(method, url, headers={"Accept": accept}, body=body, limit=_LIMIT), self.pause
        )

    def _remember(self, url: str, answer: Answer, audience: str) -> None:
        for name, table, place in (
            ("dpop-nonce", self._nonces, _origin(url)),
            (_CHALLENGE, self._challenges, audience),
        ):
            found = answer.headers.get(name, "")
            if _VISIBLE.fullmatch(found):
                table[place] = found


def expect(answer: Answer, url: str, accept: str) -> Answer:
    """``answer`` if it is a success of an accepted type (or empty). Raises ``ServerError``, ``RefusedError``."""
    host = host_of(url)
    if not 200 <= answer.status < 300:
        raise ServerError(
            host, answer.status, error_of(answer), reasons=_reasons(answer), retry_after=answer.retry_after
        )
    accepted = [one.partition(";")[0].strip() for one in accept.split(",")]
    if answer.status != 204 and answer.type not in accepted:
        raise RefusedError(ReasonCode.FORMAT, host, "an answer of another content type than was asked for")
    return answer


def error_of(answer: Answer) -> str:
    """The error code of an answer: in its JSON, or where a token is refused in its header."""
    if found := error_text(_error_object(answer).get("error")):
        return found
    match = _IN_HEADER.search(answer.headers.get("www-authenticate", "")[:2048])
    return match[1] if match else ""


def error_text(found: Any) -> str:
    """``found`` if it is an error code, else nothing: whatever else stands there is nobody's to read."""
    return found if isinstance(found, str) and _ERROR.fullmatch(found) else ""


def _reasons(answer: Answer) -> list[ReasonCode]:
    """The reason codes that a verifier of ours gives beside its error."""
    found = _error_object(answer).get("reasons")
    if not isinstance(found, list):
        return []
    return [ReasonCode(one) for one in found[:_MAX_REASONS] if isinstance(one, str) and one in list(ReasonCode)]


def _error_object(answer: Answer) -> dict[str, Any]:
    if not answer.type.endswith("json"):
        return {}
    try:
        value = parse_json(answer.body, "error", max_bytes=65_536, max_depth=8)
    except MalformedError:
        return {}
    return value if isinstance(value, dict) else {}


def json_of(answer: Answer, path: str) -> dict[str, Any]:
    """The object in an answer. Raises ``MalformedError``."""
    value = parse_json(answer.body, path, max_bytes=_LIMIT, max_depth=32)
    if not isinstance(value, dict):
        raise MalformedError(ReasonCode.FORMAT, path, "not an object")
    return value


def host_of(url: str) -> str:
    """The host that a request to ``url`` goes to, with its port if that is not the usual one, for people to see.

    Raises ``TransportError`` for an address that nothing is sent to (threats WF-06).
    """
    from vcred.outgoing import check_url  # noqa: PLC0415 - the one parser that requests go by as well

    scheme, host, port, _ = check_url(url, plain_http=True)
    name = f"[{host}]" if ":" in host else host
    return name if port == {"https": 443, "http": 80}[scheme] else f"{name}:{port}"


def shown_host(url: str, path: str) -> str:
    """The same for an address that stands at ``path`` of something received. Raises ``MalformedError``."""
    try:
        return host_of(url)
    except TransportError as error:
        raise MalformedError(ReasonCode.SCHEME, path, str(error)) from None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
