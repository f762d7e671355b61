"""Answers to online requests (OpenID4VP 1.0 section 8, appendix A.4): posted as a form, or handed to a page.

The same two functions for both ways: ``build_*`` for the wallet, ``read_*`` for the verifier. Reading is strict where
somebody could gain by it: one way of answering and no other, every name once, our key and our ``state`` and nobody
else's. Parameters that nobody defined are ignored (section 8.1).
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from vcred.errors import MalformedError, RefusedError
from vcred.formats._jwe import decrypt
from vcred.formats._wire import b64u_encode, dump_json, parse_json
from vcred.formats.known import TEXT_FORMATS
from vcred.oid4vp.link import form_of
from vcred.presentation import Presentation
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from vcred.oid4vp.online import Online
    from vcred.presentation import PresentationRequest, Presented

__all__ = [
    "Answer",
    "WalletError",
    "build_answer",
    "build_error",
    "build_page_answer",
    "error_code",
    "read_answer",
    "read_page_answer",
    "vp_token_of",
]

_MAX_FORM: Final = 2 * 1024 * 1024
_MAX_PLAIN: Final = 1024 * 1024
_ERROR: Final = re.compile(r"[a-z_]{1,64}")
_MAX_TEXT: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a wallet presented. ``mark`` is the same for two answers under one ephemeral key; ``None`` without one."""

    presentation: Presentation = field(repr=False)
    mark: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletError:
    """That a wallet does not answer, and why, in the words of section 8.5. Nobody vouches for it."""

    error: str
    description: str | None = None


def build_answer(presentation: Presentation, request: PresentationRequest) -> bytes:
    """The form that answers a request by ``direct_post`` or ``direct_post.jwt``."""
    online = _online(request)
    members = {"vp_token": vp_token_of(presentation)}
    if online.encryption is None:
        form = {"vp_token": dump_json(members["vp_token"]).decode()}
        return _form(form if online.state is None else form | {"state": online.state})
    return _form({"response": _sealed(online, members)})


def build_page_answer(presentation: Presentation, request: PresentationRequest) -> dict[str, Any]:
    """The ``data`` object that answers a request through the Digital Credentials API."""
    online = _online(request)
    members = {"vp_token": vp_token_of(presentation)}
    return members if online.encryption is None else {"response": _sealed(online, members)}


def build_error(request: PresentationRequest, error: str, description: str = "") -> bytes:
    """The form that says why there is no answer. ``description`` is ASCII, and says nothing about the holder."""
    form = {"error": error} | ({"error_description": description} if description else {})
    state = _online(request).state
    return _form(form if state is None else form | {"state": state})


def error_code(error: RefusedError) -> str:
    """What a wallet says when it refused a request with ``error`` (section 8.5)."""
    return "invalid_transaction_data" if error.code is ReasonCode.TRANSACTION_DATA else "invalid_request"


def read_answer(
    body: bytes, *, request: PresentationRequest, key: EllipticCurvePrivateKey | None
) -> Answer | WalletError:
    """Read the form posted to ``response_uri``. ``key`` is the private key of the request, where it has one.

    Raises ``MalformedError`` for what is no such form, ``RefusedError`` with ``nonce`` for another ``state`` or none
    and with ``kid``, ``alg`` or ``integrity`` for what is not encrypted to this request's key.
    """
    online = _online(request)
    if len(body) > _MAX_FORM:
        raise MalformedError(ReasonCode.SIZE, "response", f"more than {_MAX_FORM} bytes")
    form = form_of(body, "response")
    if "error" in form:
        _check_state(form, online)
        return _error(form)
    wanted = "vp_token" if online.encryption is None else "response"
    if len({"vp_token", "response"} & form.keys()) != 1 or wanted not in form:
        raise MalformedError(ReasonCode.FORMAT, "response", f"must have {wanted} and nothing else like it")
    if online.encryption is None:
        _check_state(form, online)
        return Answer(presentation=_presentation(parse_json(form[wanted], "vp_token", max_bytes=_MAX_PLAIN)))
    if "state" in form:
        _check_state(form, online)
    return _opened(form[wanted], online, key)


def read_page_answer(
    data: Any, *, request: PresentationRequest, key: EllipticCurvePrivateKey | None
) -> Answer | WalletError:
    """Read the ``data`` object that a page got from the Digital Credentials API. Raises as ``read_answer`` does."""
    online = _online(request)
    if not isinstance(data, dict):
        raise MalformedError(ReasonCode.FORMAT, "response", "not an object")
    if "error" in data:
        return _error(data)
    wanted = "vp_token" if online.encryption is None else "response"
    if len({"vp_token", "response"} & data.keys()) != 1 or wanted not in data:
        raise MalformedError(ReasonCode.FORMAT, "response", f"must have {wanted} and nothing else like it")
    if online.encryption is None:
        return Answer(presentation=_presentation(data[wanted]))
    return _opened(data[wanted], online, key)


def vp_token_of(presentation: Presentation) -> dict[str, list[Any]]:
    """``vp_token``: presentations by query id, always in a list (section 8.1)."""
    return {query: [_written(one) for one in many] for query, many in presentation.tokens.items()}


def _written(one: Presented) -> Any:
    if one.format in TEXT_FORMATS:
        return one.raw.decode("ascii")
    if one.format == "ldp_vc":
        return parse_json(one.raw, "presentation", max_bytes=_MAX_PLAIN)
    return b64u_encode(one.raw)


def _opened(token: Any, online: Online, key: EllipticCurvePrivateKey | None) -> Answer | WalletError:
    if key is None or online.encryption is None:
        raise ValueError("an encrypted answer is read with the private key of its request")
    if not isinstance(token, str):
        raise MalformedError(ReasonCode.FORMAT, "response", "not text")
    jwe = decrypt(token, key, path="response", max_plaintext=_MAX_PLAIN)
    if jwe.header.get("kid") != online.encryption.kid:
        raise RefusedError(ReasonCode.KID, "response.header.kid", "not the key of this request")
    if jwe.header["enc"] not in online.encryption.encodings:
        raise RefusedError(ReasonCode.ALG, "response.header.enc", "not one that was asked for")
    body = parse_json(jwe.plaintext, "response", max_bytes=_MAX_PLAIN)
    if not isinstance(body, dict):
        raise MalformedError(ReasonCode.FORMAT, "response", "not an object")
    _check_state(body, online)
    if "error" in body:
        return _error(body)
    if "vp_token" not in body:
        raise MalformedError(ReasonCode.FORMAT, "response.vp_token", "missing")
    mark = sha256(dump_json([online.encryption.kid, jwe.header["epk"]["x"], jwe.header["epk"]["y"]])).digest()
    return Answer(presentation=_presentation(body["vp_token"]), mark=mark)


def _presentation(value: Any) -> Presentation:
    if not isinstance(value, dict):
        raise MalformedError(ReasonCode.FORMAT, "vp_token", "not an object")
    return Presentation.of(value)


def _check_state(members: Mapping[str, Any], online: Online) -> None:
    if online.state is None:
        return
    found = members.get("state")
    if not isinstance(found, str) or not hmac.compare_digest(found.encode("utf-8", "replace"), online.state.encode()):
        raise RefusedError(ReasonCode.NONCE, "response.state", "not that of this request")


def _error(members: Mapping[str, Any]) -> WalletError:
    error, description = members["error"], members.get("error_description")
    if not isinstance(error, str) or not _ERROR.fullmatch(error):
        raise MalformedError(ReasonCode.FORMAT, "response.error", "not an error code")
    if description is not None and (not isinstance(description, str) or len(description) > _MAX_TEXT):
        raise MalformedError(ReasonCode.FORMAT, "response.error_description", "not text of a usual length")
    return WalletError(error=error, description=description)


def _sealed(online: Online, members: Mapping[str, Any]) -> str:
    assert online.encryption is not None
    state = {} if online.state is None else {"state": online.state}
    return online.encryption.seal(dump_json({**members, **state})).decode("ascii")


def _online(request: PresentationRequest) -> Online:
    if request.online is None:
        raise ValueError("this request is answered over QR")
    return request.online


def _form(members: Mapping[str, str]) -> bytes:
    return urlencode(members).encode("ascii")
