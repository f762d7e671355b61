"""Presenting online (OpenID4VP 1.0): from a link, or a page in a browser, to an answer that the holder agreed to."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError, RefusedError
from vcred.oid4vp import (
    RequestLink,
    RequestUriPost,
    build_answer,
    build_error,
    build_page_answer,
    formats_supported,
    parse_multisigned,
    parse_page_request,
    parse_request,
)
from vcred.outgoing import patiently
from vcred.reasons import ReasonCode
from wallet.client._calls import FORM, JSON, expect, host_of, json_of, shown_host
from wallet.client._refusal import ServerError, during
from wallet.consent import CARRIERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from vcred.outgoing import Answer
    from vcred.presentation import PresentationRequest
    from wallet.client.online import Online
    from wallet.consent import Consent, ConsentRequest

__all__ = ["Answered", "Asked", "AskedByPage", "Presenting", "RequestPreview"]

_OBJECT: Final = "application/oauth-authz-req+jwt"
_LIMIT: Final = 256 * 1024
_MAX_REDIRECT: Final = 2048
_PLAIN: Final = re.compile(r"[\x21-\x7e]+")
_UNSIGNED: Final = "openid4vp-v1-unsigned"
_SIGNED: Final = "openid4vp-v1-signed"
_MULTISIGNED: Final = "openid4vp-v1-multisigned"
_METADATA_FORMATS: Final = ("dc+sd-jwt", "mso_mdoc", "vc+jwt", "vc+sd-jwt", "sd-cwt")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPreview:
    """A link that was read without a network. ``host`` is where the request is fetched from; ``None``: it is here."""

    host: str | None
    client_id: str
    link: RequestLink = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The verifier has the answer. ``redirect`` is where it wants the holder's browser to go, an https address.

    Nothing goes there by itself: show ``redirect_host``, and open it when the holder wants.
    """

    redirect: str | None
    redirect_host: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that was read and verified, and what would answer it. ``host`` is where the answer goes."""

    consent: ConsentRequest
    host: str
    request: PresentationRequest = field(repr=False)
    owner: Presenting = field(repr=False)

    def answer(self, consent: Consent) -> Answered:
        """Present what was agreed to, and send it.

        Raises as ``Wallet.present`` does, ``ServerError`` when the verifier refuses, other ``TransportError``.
        """
        return self.owner.answer(self, consent)

    @property
    def refusal(self) -> str:
        """The code that says why there is no answer (section 8.5), and of what the holder has no more than that."""
        return self.owner.refusal(self.request)

    def decline(self, error: str | None = None) -> Answered:
        """Tell the verifier that there will be no answer, where the holder wants that; ``error`` is ``refusal`` unless
        it is said. Raises as ``answer`` does.
        """
        return self.owner.post(self, build_error(self.request, self.refusal if error is None else error))


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedByPage:
    """The same for a page that asks through a browser's Digital Credentials API."""

    consent: ConsentRequest
    protocol: str
    request: PresentationRequest = field(repr=False)
    owner: Presenting = field(repr=False)

    def answer(self, consent: Consent) -> dict[str, Any]:
        """What was agreed to, as the ``data`` that the browser gives to the page. Raises as ``Wallet.present``."""
        return self.owner.answer_page(self, consent)


class Presenting:
    """What ``Online`` does with verifiers."""

    def __init__(self, online: Online) -> None:
        self._online = online

    def look(self, link: str) -> RequestPreview:
        """See ``Online.look_request``."""
        found = RequestLink.parse(link, plain_http=self._online.development)
        host = None if found.request_uri is None else shown_host(found.request_uri, "link.request_uri")
        return RequestPreview(host=host, client_id=found.client_id, link=found)

    def fetch(self, preview: RequestPreview) -> Asked:
        """See ``Online.fetch_request``."""
        link, clock = preview.link, self._online.clock
        wallet_nonce = secrets.token_urlsafe(24) if link.post else None
        token = link.request
        if link.request_uri is not None:
            token = self._fetched(link.request_uri, wallet_nonce).body.strip()
        assert token is not None
        at = clock()
        request = parse_request(
            token,
            client_id=link.client_id,
            wallet_nonce=wallet_nonce,
            received_at=at,
            plain_http=self._online.development,
        )
        if request.online is None or request.online.response_uri is None:
            raise RefusedError(ReasonCode.FORMAT, "request.response_mode", "an answer that is not posted")
        host = shown_host(request.online.response_uri, "request.response_uri")
        return Asked(consent=self._online.wallet.match(request, at=at), host=host, request=request, owner=self)

    def page(self, protocol: str, data: Mapping[str, Any], *, origin: str) -> AskedByPage:
        """See ``Online.page_request``."""
        at = self._online.clock()
        if protocol == _UNSIGNED:
            request = parse_page_request(data, origin=origin, received_at=at)
        elif protocol == _SIGNED:
            token = data.get("request")
            if not isinstance(token, str):
                raise MalformedError(ReasonCode.FORMAT, "request", "missing")
            request = parse_request(token, client_id=None, origin=origin, received_at=at)
        elif protocol == _MULTISIGNED:
            return self._trusted(parse_multisigned(data.get("request"), origin=origin, received_at=at), at=at)
        else:
            raise MalformedError(ReasonCode.FORMAT, "protocol", "none that this wallet speaks")
        if request.online is None or request.online.origin != origin:
            raise RefusedError(ReasonCode.READER_UNTRUSTED, "request.response_mode", "not for a page in a browser")
        consent = self._online.wallet.match(request, at=at)
        return AskedByPage(consent=consent, protocol=protocol, request=request, owner=self)

    def _trusted(self, requests: Sequence[PresentationRequest], *, at: datetime) -> AskedByPage:
        """Of the names of one verifier the first that is registered, else the first that somebody vouches for."""
        found: list[AskedByPage] = []
        last: RefusedError | None = None
        for request in requests:
            try:
                consent = self._online.wallet.match(request, at=at)
            except RefusedError as error:
                last = error
                continue
            found.append(AskedByPage(consent=consent, protocol=_MULTISIGNED, request=request, owner=self))
        if not found:
            assert last is not None
            raise last
        return next((one for one in found if one.consent.verifier.registered), found[0])

    def answer(self, asked: Asked, consent: Consent) -> Answered:
        """See ``Asked.answer``."""
        presentation = self._online.wallet.present(consent, at=self._online.clock())
        return self.post(asked, build_answer(presentation, asked.request))

    def answer_page(self, asked: AskedByPage, consent: Consent) -> dict[str, Any]:
        """See ``AskedByPage.answer``."""
        presentation = self._online.wallet.present(consent, at=self._online.clock())
        return build_page_answer(presentation, asked.request)

    def refusal(self, request: PresentationRequest) -> str:
        """See ``Asked.refusal``. It follows from the request and what this wallet can do, never from what it holds."""
        held = self._online.wallet.formats
        formats = {one.id: one.format for one in request.query.credentials}
        if not any(one in held for one in formats.values()):
            return "vp_formats_not_supported"
        for data in () if request.online is None else request.online.transaction_data:
            if not any(formats.get(one) in CARRIERS for one in data.credential_ids):
                return "invalid_transaction_data"
        return "access_denied"

    def post(self, asked: Asked, body: bytes) -> Answered:
        """Send a form to where the request said, and read what the verifier says to it (section 8.2)."""
        assert asked.request.online is not None
        assert asked.request.online.response_uri is not None
        url = asked.request.online.response_uri
        headers = {"Content-Type": FORM, "Accept": JSON}
        answer = self._sent("POST", url, headers=headers, body=body)
        with during("answer"):
            if answer.status != 200:
                expect(answer, url, JSON)
                raise ServerError(host_of(url), answer.status)
        found = json_of(expect(answer, url, JSON), "response").get("redirect_uri")
        if found is None:
            return Answered(redirect=None, redirect_host=None)
        return Answered(redirect=found, redirect_host=self._redirect_host(found))

    def _redirect_host(self, url: Any) -> str:
        """Where the verifier wants the browser to go: a plain https address, or it is refused (threats WF-16)."""
        schemes = ("https", "http") if self._online.development else ("https",)
        path = "response.redirect_uri"
        # A fragment is allowed here (section 8.2), and is nothing that a host is found in.
        if not isinstance(url, str) or len(url) > _MAX_REDIRECT or not _PLAIN.fullmatch(url) or "\\" in url:
            raise MalformedError(ReasonCode.SCHEME, path, "not an address")
        if url.partition(":")[0] not in schemes:
            raise MalformedError(ReasonCode.SCHEME, path, "must be an https address")
        return shown_host(url.partition("#")[0], path)

    def _fetched(self, url: str, wallet_nonce: str | None) -> Answer:
        if wallet_nonce is None:
            answer = self._sent("GET", url, headers={"Accept": _OBJECT})
        else:
            form = RequestUriPost(wallet_nonce=wallet_nonce, wallet_metadata=_metadata()).to_form()
            headers = {"Content-Type": FORM, "Accept": _OBJECT}
            answer = self._sent("POST", url, headers=headers, body=form)
        with during("request"):
            return expect(answer, url, _OBJECT)

    def _sent(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        online = self._online
        return patiently(lambda: online.http.send(method, url, headers=headers, body=body, limit=_LIMIT), online.pause)


def _metadata() -> dict[str, Any]:
    """What this wallet can do (section 10.1); nothing that tells it from another."""
    return {
        "vp_formats_supported": formats_supported(_METADATA_FORMATS),
        "client_id_prefixes_supported": ["x509_hash", "x509_san_dns"],
        "response_types_supported": ["vp_token"],
        "response_modes_supported": ["direct_post", "direct_post.jwt"],
    }
