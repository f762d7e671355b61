"""Online request objects (OpenID4VP 1.0 section 5, appendix A; HAIP 1.0 section 5): signed, and read by a wallet.

A wallet refuses, before anybody is shown anything:

1. what is not signed, but for a page in a browser, whose origin the browser vouches for (``parse_page_request``);
2. client identifiers that are not ``x509_hash:`` or ``x509_san_dns:`` with ``x5c`` beside them. Above all ``origin:``,
   which nobody may call himself, and ``redirect_uri:``, which nobody can sign for;
3. another client identifier than the one outside, another ``wallet_nonce`` than the one sent, an origin that is not
   expected;
4. a response address that is not https, not of the name in ``x509_san_dns:``, or that comes with a ``redirect_uri``;
5. a nonce that is missing or too short to be one; no query, or a query by ``scope``; transaction data of unknown type;
6. an answer to be encrypted without a key that it can be encrypted to.

What is not defined here is ignored (section 5). Whose key it is and whether the certificate has the name, the trust
bundle says: nothing is verified until ``PresentationRequest.verify_by`` returned.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vcred._members import integer, optional_text, signer_header
from vcred.dcql import DcqlQuery
from vcred.errors import MalformedError, RefusedError
from vcred.formats._jose import parse_jws, sign_jws
from vcred.formats._kb_jwt import WrittenNonce
from vcred.formats._wire import dump_json, epoch, parse_json
from vcred.oid4vp.formats import formats_supported
from vcred.oid4vp.online import ORIGIN, Online, ResponseKey, ResponseMode
from vcred.oid4vp.transaction import TRANSACTION_TYPES, parse_transaction_data
from vcred.presentation import REQUEST_TYP, SELF_ISSUED, Challenge, PresentationRequest
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from vcred.formats._jose import Jws
    from vcred.keys import Signer

__all__ = [
    "MAX_REQUEST",
    "parse_page_request",
    "parse_request",
    "read_signed",
    "sign_online_request",
    "with_wallet_nonce",
]

PREFIXES: Final = ("x509_hash", "x509_san_dns")
"""Client identifier prefixes that mean something here (section 5.9.3)."""

MAX_REQUEST: Final = 131_072
_MAX_TEXT: Final = 2048
_MAX_LIFE: Final = timedelta(seconds=120)
_SAFE: Final = re.compile(r"[A-Za-z0-9._~-]{1,1024}")
_MIN_NONCE: Final = 8
"""Characters. A stranger's nonce protects the stranger; ours have 128 bits."""

_ORIGIN: Final = re.compile(r"[!-~]{1,512}")


def parse_request(
    token: bytes | str,
    *,
    client_id: str | None,
    wallet_nonce: str | None = None,
    origin: str | None = None,
    received_at: datetime | None = None,
    plain_http: bool = False,
    types: Mapping[str, Mapping[str, bool]] = TRANSACTION_TYPES,
) -> PresentationRequest:
    """Read a signed request object.

    ``client_id`` is what the link said; ``None`` only where there was no link (a browser, an archive). ``origin`` is
    what the browser says about the page; without one, a request with a single expected origin is read as from there.
    ``received_at`` is when it was fetched, for requests of strangers that do not say when they were made.
    ``plain_http`` is for development, ``types`` are the transaction data types that the wallet shows.

    Raises ``MalformedError`` and ``RefusedError`` for what the module's text lists.
    """
    jws = parse_jws(token, path="request", typ=REQUEST_TYP, max_bytes=MAX_REQUEST)
    payload = parse_json(jws.payload, "request", max_bytes=MAX_REQUEST)
    if not isinstance(payload, dict):
        raise MalformedError(ReasonCode.FORMAT, "request", "the payload is not an object")
    raw = token if isinstance(token, bytes) else token.encode("ascii")
    return read_signed(
        payload,
        jws,
        raw,
        client_id=client_id,
        wallet_nonce=wallet_nonce,
        origin=origin,
        received_at=received_at,
        plain_http=plain_http,
        types=types,
    )


def read_signed(
    payload: dict[str, Any],
    jws: Jws,
    raw: bytes,
    *,
    client_id: str | None,
    wallet_nonce: str | None,
    origin: str | None,
    received_at: datetime | None,
    plain_http: bool,
    types: Mapping[str, Mapping[str, bool]],
) -> PresentationRequest:
    """``parse_request`` for what one signature of a request covers, wherever its members were."""
    mode = _mode(payload)
    named = _client_id(payload, client_id)
    if not jws.x5c:
        raise MalformedError(ReasonCode.CHAIN, "request.x5c", "missing")
    _check_audience(payload, mode)
    if wallet_nonce is not None and payload.get("wallet_nonce") != wallet_nonce:
        raise RefusedError(ReasonCode.NONCE, "request.wallet_nonce", "not the one that was sent")
    page = _expected(payload, origin) if mode.browser else None
    query = DcqlQuery.parse(payload.get("dcql_query"))
    online = _online(payload, query, mode, origin=page, plain_http=plain_http, types=types)
    if online.response_uri is not None:
        _check_host(named, online.response_uri)
    return _request(payload, query, online, client_id=named, jws=jws, raw=raw, received_at=received_at)


def parse_page_request(
    data: Mapping[str, Any],
    *,
    origin: str,
    received_at: datetime,
    types: Mapping[str, Mapping[str, bool]] = TRANSACTION_TYPES,
) -> PresentationRequest:
    """Read an unsigned request through the Digital Credentials API (appendix A.3.1).

    Only the browser says who asks: the client is ``origin:`` and the origin, whatever the request calls itself, and
    ``verify_by`` refuses. Raises as ``parse_request`` does.
    """
    raw = dump_json(dict(data))
    payload = parse_json(raw, "request", max_bytes=MAX_REQUEST)
    mode = _mode(payload)
    if not mode.browser:
        raise RefusedError(ReasonCode.READER_UNTRUSTED, "request", "nobody signed it")
    if not _ORIGIN.fullmatch(origin):
        raise MalformedError(ReasonCode.SCHEME, "origin", "not an origin")
    query = DcqlQuery.parse(payload.get("dcql_query"))
    online = _online(payload, query, mode, origin=origin, plain_http=False, types=types)
    return _request(payload, query, online, client_id=ORIGIN + origin, jws=None, raw=raw, received_at=received_at)


def sign_online_request(
    query: DcqlQuery,
    *,
    client_id: str,
    x5c: Sequence[bytes],
    signer: Signer,
    mode: ResponseMode,
    nonce: str,
    state: str | None,
    response_uri: str | None,
    origin: str | None,
    encryption: ResponseKey | None,
    formats: Sequence[str],
    client_name: str,
    purpose: str,
    policy: str,
    retention: str,
    at: datetime,
    lifetime: timedelta,
    transaction_data: Sequence[str] = (),
    verifier_info: Sequence[Mapping[str, Any]] = (),
    plain_http: bool = False,
) -> PresentationRequest:
    """Make a request object, as strict wallets take it.

    Raises ``ValueError`` for parts that do not belong together, ``RefusedError`` for what a wallet would refuse,
    ``SigningError``.
    """
    if mode.encrypted != (encryption is not None):
        raise ValueError("there is a key exactly where the answer is encrypted")
    if mode.browser != (origin is not None) or mode.browser == (response_uri is not None):
        raise ValueError("an answer is posted to an address, or given to a page of an origin")
    if not timedelta(0) < lifetime <= _MAX_LIFE:
        raise ValueError("a request may be answered for at most two minutes")
    now = epoch(at)
    metadata: dict[str, Any] = {} if encryption is None else encryption.to_metadata()
    metadata |= {"vp_formats_supported": formats_supported(formats), "client_name": client_name}
    payload: dict[str, Any] = {
        "aud": SELF_ISSUED,
        "client_id": client_id,
        "response_type": "vp_token",
        "response_mode": mode.value,
        "iat": now,
        "exp": now + int(lifetime.total_seconds()),
        "nonce": nonce,
        "dcql_query": query.to_json(),
        "client_metadata": metadata,
        "vcred_purpose": purpose,
        "vcred_policy": policy,
        "vcred_retention": retention,
    }
    if state is not None:
        payload["state"] = state
    if response_uri is not None:
        payload["response_uri"] = response_uri
    if origin is not None:
        payload["expected_origins"] = [origin]
    if transaction_data:
        payload["transaction_data"] = list(transaction_data)
    if verifier_info:
        payload["verifier_info"] = [dict(one) for one in verifier_info]
    header = signer_header(REQUEST_TYP, signer.public_key, client_id, x5c)
    return parse_request(sign_jws(header, dump_json(payload), signer), client_id=client_id, plain_http=plain_http)


def with_wallet_nonce(request: PresentationRequest, wallet_nonce: str, signer: Signer) -> bytes:
    """The same request, signed again with what a wallet sent to know that it is fresh (section 5.10).

    Raises ``SigningError``.
    """
    if request.jws is None:
        raise ValueError("only a signed request is signed again")
    payload = parse_json(request.jws.payload, "request", max_bytes=MAX_REQUEST)
    return sign_jws(dict(request.jws.header), dump_json({**payload, "wallet_nonce": wallet_nonce}), signer)


def _mode(payload: Mapping[str, Any]) -> ResponseMode:
    if payload.get("response_type") != "vp_token":
        raise MalformedError(ReasonCode.FORMAT, "request.response_type", "must be vp_token")
    mode = payload.get("response_mode")
    if not isinstance(mode, str) or mode not in list(ResponseMode):
        raise MalformedError(ReasonCode.FORMAT, "request.response_mode", "none that is known here")
    for name in ("request", "request_uri", "scope", "presentation_definition", "presentation_definition_uri"):
        if name in payload:
            raise MalformedError(ReasonCode.FORMAT, f"request.{name}", "has no place in a request object")
    return ResponseMode(mode)


def _client_id(payload: Mapping[str, Any], outer: str | None) -> str:
    found = _text(payload, "client_id")
    if outer is not None and found != outer:
        raise RefusedError(ReasonCode.READER_UNTRUSTED, "request.client_id", "differs from the one outside")
    prefix, colon, rest = found.partition(":")
    if not colon or prefix not in PREFIXES or not rest:
        raise RefusedError(ReasonCode.READER_UNTRUSTED, "request.client_id", "neither x509_hash nor x509_san_dns")
    return found


def _check_audience(payload: Mapping[str, Any], mode: ResponseMode) -> None:
    # Through a browser the published examples leave it out.
    if (not mode.browser or "aud" in payload) and payload.get("aud") != SELF_ISSUED:
        raise RefusedError(ReasonCode.AUD, "request.aud", f"must be {SELF_ISSUED}")


def _expected(payload: Mapping[str, Any], origin: str | None) -> str:
    path = "request.expected_origins"
    found = payload.get("expected_origins")
    if not isinstance(found, list) or not 0 < len(found) <= 64:
        raise MalformedError(ReasonCode.FORMAT, path, "must be 1 to 64 origins")
    if not all(isinstance(one, str) and _ORIGIN.fullmatch(one) for one in found):
        raise MalformedError(ReasonCode.FORMAT, path, "an origin that is none")
    if origin is None and len(found) == 1:
        return str(found[0])
    if origin is None or origin not in found:
        raise RefusedError(ReasonCode.READER_UNTRUSTED, path, "not made for the page that shows it")
    return origin


def _check_host(client_id: str, response_uri: str) -> None:
    prefix, _, name = client_id.partition(":")
    if prefix == "x509_san_dns" and urlsplit(response_uri).hostname != name.lower():
        raise RefusedError(ReasonCode.READER_UNTRUSTED, "request.response_uri", "not at the name of client_id")


def _online(
    payload: Mapping[str, Any],
    query: DcqlQuery,
    mode: ResponseMode,
    *,
    origin: str | None,
    plain_http: bool,
    types: Mapping[str, Mapping[str, bool]],
) -> Online:
    if "redirect_uri" in payload:
        raise MalformedError(ReasonCode.FORMAT, "request.redirect_uri", "has no place beside a response mode like this")
    metadata = payload.get("client_metadata", {})
    if not isinstance(metadata, dict):
        raise MalformedError(ReasonCode.FORMAT, "request.client_metadata", "not an object")
    encryption = ResponseKey.of_metadata(metadata, "request.client_metadata") if mode.encrypted else None
    if mode.encrypted and encryption is None:
        raise RefusedError(ReasonCode.KEY, "request.client_metadata.jwks", "no key that an answer can be encrypted to")
    formats = metadata.get("vp_formats_supported", {})
    if not isinstance(formats, dict) or not all(isinstance(one, dict) for one in formats.values()):
        raise MalformedError(ReasonCode.FORMAT, "request.client_metadata.vp_formats_supported", "not an object")
    name = metadata.get("client_name")
    data = payload.get("transaction_data")
    return Online(
        mode=mode,
        nonce=_nonce(payload),
        state=_state(payload, query, mode),
        response_uri=None if mode.browser else _response_uri(payload, plain_http=plain_http),
        origin=origin,
        encryption=encryption,
        transaction_data=() if data is None else parse_transaction_data(data, query, types=types),
        formats=formats,
        client_name=name if isinstance(name, str) and 0 < len(name) <= _MAX_TEXT else None,
        verifier_info=_verifier_info(payload, query),
        wallet_nonce=None if "wallet_nonce" not in payload else _text(payload, "wallet_nonce"),
    )


def _request(
    payload: dict[str, Any],
    query: DcqlQuery,
    online: Online,
    *,
    client_id: str,
    jws: Jws | None,
    raw: bytes,
    received_at: datetime | None,
) -> PresentationRequest:
    if received_at is not None:
        now = epoch(received_at)
        payload = {"iat": now, "exp": now + int(_MAX_LIFE.total_seconds()), **payload}
    return PresentationRequest(
        client_id=client_id,
        query=query,
        freshness=Challenge(),
        nonce=WrittenNonce.of(online.nonce),
        issued_at=integer(payload, "iat", "request"),
        expires_at=integer(payload, "exp", "request"),
        purpose=optional_text(payload, "vcred_purpose", "request") or "",
        policy=optional_text(payload, "vcred_policy", "request"),
        retention=optional_text(payload, "vcred_retention", "request"),
        x5c=() if jws is None else jws.x5c,
        raw=raw,
        jws=jws,
        online=online,
    )


def _nonce(payload: Mapping[str, Any]) -> str:
    nonce = payload.get("nonce")
    if not isinstance(nonce, str) or not _SAFE.fullmatch(nonce) or not _MIN_NONCE <= len(nonce) <= 256:
        raise MalformedError(ReasonCode.NONCE, "request.nonce", f"must be {_MIN_NONCE} to 256 URL-safe characters")
    return nonce


def _state(payload: Mapping[str, Any], query: DcqlQuery, mode: ResponseMode) -> str | None:
    state = payload.get("state")
    if state is not None and (not isinstance(state, str) or not _SAFE.fullmatch(state)):
        raise MalformedError(ReasonCode.NONCE, "request.state", "must be 1 to 1024 URL-safe characters")
    if mode.browser:
        return None  # it has no meaning there (appendix A.2)
    if state is None and not all(one.holder_binding for one in query.credentials):
        raise MalformedError(ReasonCode.NONCE, "request.state", "missing, and no holder would sign the nonce")
    return state


def _response_uri(payload: Mapping[str, Any], *, plain_http: bool) -> str:
    found = _text(payload, "response_uri")
    schemes = ("https://", "http://") if plain_http else ("https://",)
    try:
        host = urlsplit(found).hostname
    except ValueError:
        host = None
    if not found.startswith(schemes) or not host or "#" in found or "\\" in found or "@" in found.split("/")[2]:
        raise MalformedError(ReasonCode.SCHEME, "request.response_uri", "must be an https address")
    return found


def _verifier_info(payload: Mapping[str, Any], query: DcqlQuery) -> tuple[Mapping[str, Any], ...]:
    if "verifier_info" not in payload:
        return ()
    path, found = "request.verifier_info", payload["verifier_info"]
    if not isinstance(found, list) or not 0 < len(found) <= 16:
        raise MalformedError(ReasonCode.FORMAT, path, "must be 1 to 16 objects")
    known = {one.id for one in query.credentials}
    for one in found:
        ids = one.get("credential_ids", [*known]) if isinstance(one, dict) else None
        if not isinstance(ids, list) or not ids or not all(isinstance(name, str) and name in known for name in ids):
            raise MalformedError(ReasonCode.FORMAT, path, "is about a credential that is not asked for")
        if not isinstance(one.get("format"), str) or not isinstance(one.get("data"), (str, dict)):
            raise MalformedError(ReasonCode.FORMAT, path, "must have format and data")
    return tuple(found)


def _text(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"request.{name}", f"must be text of 1 to {_MAX_TEXT} characters")
    return value
