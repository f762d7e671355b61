"""A client for the verifier's service, for a bank's back office that is written in Python.

    client = VerifierClient("https://verifier.bank.example", key=key, http=Outgoing())
    asked = client.ask("bank.address-change", device="cross_device")
    show(asked.qr)
    seen = client.look(asked.id, code=typed_in)
    if seen.accepted:
        change_address(seen.claims["residence"])

It opens no socket itself: ``http`` carries its requests, and a service inside one's own network needs a ``Reach`` that
names that network. Answers are read strictly; members that are not known here are passed over.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote, urlencode

from vcred.errors import MalformedError, NotAcceptedError, RefusedError, TransportError
from vcred.formats._wire import dump_json, epoch, parse_json
from vcred.outgoing import patiently
from vcred.reasons import Outcome, ReasonCode

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from vcred.outgoing import Answer, Http

__all__ = ["Asked", "Notice", "Seen", "ServiceError", "VerifierClient", "check_notice"]

Device = Literal["same_device", "cross_device"]
State = Literal["open", "answered", "declined", "cancelled", "closed", "expired"]

_OVER: Final = frozenset({"answered", "declined", "cancelled", "closed", "expired"})
_LIMIT: Final = 4 * 1024 * 1024
_SIGNATURE: Final = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")
_NOTICE_SECONDS: Final = 300


class ServiceError(TransportError):
    """The service said no: ``status`` and ``title`` say why. ``needs`` is the code that is missing or wrong,
    ``retry_after`` the seconds after which it wants to be asked again.
    """

    def __init__(self, status: int, title: str, *, needs: str | None = None, retry_after: int | None = None) -> None:
        self.status = status
        self.title = title
        self.needs = needs
        self.retry_after = retry_after
        super().__init__(f"the verifier's service refuses: {status} {title}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that waits for a wallet. ``id`` is the caller's secret; ``link`` and ``qr`` (SVG) are for the wallet,
    and ``None`` where a page asks through its browser.
    """

    id: str
    link: str | None
    qr: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How a request stands. ``reasons`` are the codes why it was not accepted."""

    id: str
    state: State
    fetched: bool
    outcome: Outcome | None
    submission: str | None
    reasons: tuple[str, ...]
    raw: Mapping[str, Any] = field(repr=False)
    """Everything the service said."""

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in _OVER

    @property
    def accepted(self) -> bool:
        """Whether the certificates were accepted."""
        return self.outcome is Outcome.ACCEPTED

    def __bool__(self) -> bool:
        return self.accepted

    @property
    def claims(self) -> Mapping[str, Any]:
        """What was presented, by the policy's slots. Raises ``NotAcceptedError`` unless it was accepted."""
        if not self.accepted:
            raise NotAcceptedError(self)
        found: Mapping[str, Any] = self.raw["result"]["claims"]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a webhook brings: which request, and its state. What was presented is asked for with ``look``."""

    id: str
    state: str
    outcome: Outcome | None


class VerifierClient:
    """Calls one service with one API key. Every method raises ``TransportError``, of which ``ServiceError`` is one."""

    def __init__(self, base_url: str, *, key: str, http: Http, pause: Callable[[float], None] = time.sleep) -> None:
        """``pause`` waits that many seconds, where the service is busy and says how long (``LONGEST_WAIT`` at most)."""
        self._pause = pause
        self._place = f"{base_url.rstrip('/')}/api/requests"
        self._key = key
        self._http = http

    def ask(
        self,
        policy: str,
        *,
        device: Device,
        redirect: str | None = None,
        webhook: str | None = None,
        formats: Sequence[str] = (),
        reference_date: dt.date | None = None,
        transaction_data: Sequence[Mapping[str, str]] = (),
        lang: Literal["ko", "en"] | None = None,
    ) -> Asked:
        """Ask for what ``policy`` demands. ``device`` is where the person's wallet is, seen from the page that asks:
        on the same one the browser comes back to ``redirect`` with a ``response_code``, from another the person brings
        a short ``code``.
        """
        wish: dict[str, Any] = {"policy": policy, "device": device, "redirect": redirect, "webhook": webhook}
        wish |= {"formats": list(formats), "transaction_data": [dict(one) for one in transaction_data], "lang": lang}
        if reference_date is not None:
            wish["reference_date"] = reference_date.isoformat()
        return self._asked(wish)

    def ask_by_browser(
        self,
        policy: str,
        *,
        origin: str,
        formats: Sequence[str] = (),
        protocol: Literal["openid4vp-v1-signed", "openid4vp-v1-multisigned"] = "openid4vp-v1-signed",
    ) -> tuple[Asked, dict[str, Any]]:
        """The same for a page at ``origin`` whose browser has the Digital Credentials API: the request, and what the
        page gives to ``navigator.credentials.get`` as one of ``digital.requests``.
        """
        asked = self._asked({"policy": policy, "mode": "dc_api.jwt", "origin": origin, "formats": list(formats)})
        query = urlencode({"protocol": protocol})
        return asked, self._object(self._send("GET", f"/{asked.id}/dc?{query}"))

    def take_from_browser(self, asked: Asked, protocol: str, data: Mapping[str, Any]) -> Seen:
        """What the page got back, and the verdict."""
        return self._seen(self._send("POST", f"/{asked.id}/dc", {"protocol": protocol, "data": dict(data)}))

    def look(self, request_id: str, *, code: str | None = None, response_code: str | None = None) -> Seen:
        """How it stands. An accepted one is shown for the person's ``code`` or ``response_code``: ``ServiceError`` with
        ``needs`` says which is missing.
        """
        given = {"code": code, "response_code": response_code}
        query = urlencode({name: value for name, value in given.items() if value is not None})
        return self._seen(self._send("GET", f"/{quote(request_id, safe='')}{'?' if query else ''}{query}"))

    def wait(self, request_id: str, *, pause: Callable[[], None]) -> Seen | None:
        """Look again and again, ``pause()`` between, until it is over. ``None``: accepted, and the code is needed.

        It ends when the request does, in ten minutes at the most unless the service is told otherwise.
        """
        while True:
            try:
                seen = self.look(request_id)
            except ServiceError as error:
                if error.needs is None:
                    raise
                return None
            if seen.over:
                return seen
            pause()

    def receive(self, request_id: str) -> Seen:
        """Confirm that a submission was received (수취확인)."""
        return self._moved(request_id, {"state": "received"})

    def send_back(self, request_id: str, *, reason: str) -> Seen:
        """Return a submission to whoever made it, and say why (반려)."""
        return self._moved(request_id, {"state": "returned", "reason": reason})

    def end(self, request_id: str) -> None:
        """End an open request, or erase what was submitted (삭제)."""
        self._send("DELETE", f"/{quote(request_id, safe='')}")

    def _moved(self, request_id: str, change: Mapping[str, str]) -> Seen:
        return self._seen(self._send("POST", f"/{quote(request_id, safe='')}/submission", dict(change)))

    def _asked(self, wish: dict[str, Any]) -> Asked:
        told = self._object(self._send("POST", "", {name: one for name, one in wish.items() if one not in (None, [])}))
        if not isinstance(told.get("id"), str):
            raise TransportError("the verifier's service gives no usable answer")
        return Asked(id=told["id"], link=told.get("link"), qr=told.get("qr"))

    def _seen(self, answer: Answer) -> Seen:
        told = self._object(answer)
        result = told.get("result") or {}
        codes = [one.get("code") for one in result.get("reasons", ())] if isinstance(result, dict) else []
        try:
            return Seen(
                id=told["id"],
                state=told["state"],
                fetched=told["fetched"],
                outcome=None if told["outcome"] is None else Outcome(told["outcome"]),
                submission=told["submission"],
                reasons=tuple(dict.fromkeys([*codes, *told["last_reasons"]])),
                raw=told,
            )
        except (KeyError, TypeError, ValueError):
            raise TransportError("the verifier's service gives no usable answer") from None

    def _send(self, method: str, place: str, body: Mapping[str, Any] | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {self._key}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        raw = None if body is None else dump_json(dict(body))
        url = f"{self._place}{place}"
        answer = patiently(lambda: self._http.send(method, url, headers=headers, body=raw, limit=_LIMIT), self._pause)
        if answer.status not in (200, 201, 204):
            raise _refusal(answer)
        return answer

    @staticmethod
    def _object(answer: Answer) -> dict[str, Any]:
        try:
            told = parse_json(answer.body, "answer", max_bytes=_LIMIT)
        except MalformedError:
            told = None
        if not isinstance(told, dict):
            raise TransportError("the verifier's service gives no usable answer")
        return told


def check_notice(body: bytes, signature: str, *, secret: str, at: dt.datetime) -> Notice:
    """A webhook's message, if ``signature`` (the header ``Vcred-Signature``) is right and not older than five minutes.

    Raises ``RefusedError``: ``signature``, ``iat``, and ``MalformedError`` for what is no message.
    """
    found = _SIGNATURE.fullmatch(signature)
    made = None if found is None else hmac.new(secret.encode(), f"{found[1]}.".encode() + body, hashlib.sha256)
    if found is None or made is None or not hmac.compare_digest(made.hexdigest(), found[2]):
        raise RefusedError(ReasonCode.SIGNATURE, "notice", "not signed with the secret of this webhook")
    if abs(epoch(at) - int(found[1])) > _NOTICE_SECONDS:
        raise RefusedError(ReasonCode.IAT, "notice", "signed at another time")
    told = parse_json(body, "notice", max_bytes=65_536)
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in ("id", "state")):
        raise MalformedError(ReasonCode.FORMAT, "notice", "not a message of the service")
    outcome = told.get("outcome")
    return Notice(id=told["id"], state=told["state"], outcome=None if outcome is None else Outcome(outcome))


def _refusal(answer: Answer) -> ServiceError:
    try:
        told = json.loads(answer.body)
    except ValueError:
        told = None
    told = told if isinstance(told, dict) else {}
    title, needs = told.get("title"), told.get("needs")
    return ServiceError(
        answer.status,
        title if isinstance(title, str) and title.isprintable() else "",
        needs=needs if needs in ("code", "response_code") else None,
        retry_after=answer.retry_after,
    )
