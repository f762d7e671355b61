"""The two messages of a presentation: request and answer.

A request is a signed OpenID4VP 1.0 request object with ``response_mode`` ``qr`` (docs/qr-profile.md).
An answer holds presentations per credential query and has no claims: only a verifier gives claims.
Parsing trusts nothing: the reader's signature is checked by whoever holds the trust bundle, with ``verify_by``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

from vcred._members import integer, optional_text, packed_jws, signer_header, text
from vcred.dcql import DcqlQuery
from vcred.errors import MalformedError, RefusedError
from vcred.formats._jose import Jws, parse_jws, sign_jws, verify_jws, x5c_of
from vcred.formats._wire import b64u_decode, b64u_encode, dump_json, epoch, parse_json
from vcred.formats.known import TEXT_FORMATS
from vcred.qr import Message, MessageKind, decode_message, pack_jws, unpack_jws
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from vcred.keys import PublicKey, Signer
    from vcred.oid4vp.online import Online

__all__ = [
    "Challenge",
    "Freshness",
    "MaxAge",
    "Presentation",
    "PresentationRequest",
    "Presented",
    "sign_request",
]

REQUEST_TYP = "oauth-authz-req+jwt"
SELF_ISSUED = "https://self-issued.me/v2"  # OpenID4VP 1.0 section 5.8: audience of a request to a wallet not yet known
_URI = "openid4vp://?"
_MAX_REQUEST = 32_768
_MAX_ANSWERS = 32
_MAX_ID = 128
_NONCE_BYTES = 16
_FORMAT_CODES = {
    "dc+sd-jwt": 1,
    "sd-cwt": 2,
    "mso_mdoc": 3,
    "vc+jwt": 4,
    "vc+sd-jwt": 5,
    "jwt_vc_json": 6,
    "ldp_vc": 7,
}
_FORMATS = {code: name for name, code in _FORMAT_CODES.items()}


@dataclass(frozen=True, slots=True)
class Challenge:
    """The answer must contain a nonce of this very request: it cannot be an old one."""


@dataclass(frozen=True, slots=True)
class MaxAge:
    """No challenge: the answer may be up to ``age`` old, and can be replayed to us inside that time."""

    age: timedelta

    def __post_init__(self) -> None:
        if not timedelta(seconds=1) <= self.age <= timedelta(hours=24):
            raise ValueError("a one-way answer may be 1 second to 24 hours old")


Freshness = Challenge | MaxAge


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentationRequest:
    """What a verifier asks for, as it signed it. ``raw`` is the request object, a compact JWS.

    ``audience`` is what every answer is made for. ``nonce`` is ``None`` exactly when ``freshness`` is a
    ``MaxAge``. Nothing here is verified until ``verify_by`` returned. ``online`` is there when the answer travels as
    OpenID4VP 1.0 says and not over QR: ``vcred.oid4vp`` reads and signs such requests. Only a page in a browser may ask
    without a signature (``jws`` is ``None`` then, and ``raw`` the JSON).
    """

    client_id: str
    query: DcqlQuery
    freshness: Freshness
    nonce: bytes | None
    issued_at: int
    expires_at: int
    purpose: str
    policy: str | None
    retention: str | None
    x5c: tuple[bytes, ...] = field(repr=False)
    raw: bytes = field(repr=False)
    jws: Jws | None = field(repr=False)
    online: Online | None = None

    @property
    def audience(self) -> str:
        """What answers are made for: ``client_id``, or the origin of the page that asked through a browser."""
        return self.client_id if self.online is None else self.online.audience(self.client_id)

    @classmethod
    def parse(cls, source: str | bytes | Message) -> PresentationRequest:
        """Read a request over QR from a URI, a compact JWS, message bytes or a message. Raises ``MalformedError``."""
        outer, token = _request_token(source)
        jws = parse_jws(token, path="request", typ=REQUEST_TYP, max_bytes=_MAX_REQUEST)
        payload = parse_json(jws.payload, "request", max_bytes=_MAX_REQUEST)
        if not isinstance(payload, dict):
            raise MalformedError(ReasonCode.FORMAT, "request", "the payload is not an object")
        if outer is not None and payload.get("client_id") != outer:
            raise MalformedError(ReasonCode.READER_UNTRUSTED, "request.client_id", "differs from the one outside")
        return _request_of(payload, jws, token)

    def verify_by(self, key: PublicKey) -> None:
        """Check the reader's signature. Raises ``RefusedError``."""
        if self.jws is None:
            raise RefusedError(ReasonCode.READER_UNTRUSTED, "request", "nobody signed it")
        verify_jws(self.jws, key)

    def to_uri(self) -> str:
        """The request by value, as OpenID4VP 1.0 writes it."""
        return f"{_URI}client_id={quote(self.client_id, safe='')}&request={self.raw.decode('ascii')}"

    def to_message(self) -> Message:
        """The request as a QR message."""
        return Message(kind=MessageKind.REQUEST, body={1: pack_jws(self.raw)})


def sign_request(
    query: DcqlQuery,
    *,
    client_id: str,
    freshness: Freshness,
    nonce: bytes | None,
    purpose: str,
    policy: str | None,
    retention: str | None,
    at: datetime,
    lifetime: timedelta,
    signer: Signer,
    x5c: Sequence[bytes] = (),
) -> PresentationRequest:
    """Make a request. ``x5c`` is for readers that are not in their wallets' bundles; else ``kid`` names the reader.

    Raises ``ValueError`` when ``nonce`` does not go with ``freshness``, ``SigningError`` when the key fails.
    """
    if (nonce is not None) != isinstance(freshness, Challenge):
        raise ValueError("a Challenge has a nonce and a MaxAge has none")
    now = epoch(at)
    header = signer_header(REQUEST_TYP, signer.public_key, client_id, x5c)
    payload: dict[str, Any] = {
        "aud": SELF_ISSUED,
        "client_id": client_id,
        "response_type": "vp_token",
        "response_mode": "qr",
        "iat": now,
        "exp": now + int(lifetime.total_seconds()),
        "dcql_query": query.to_json(),
        "vcred_purpose": purpose,
    }
    if nonce is not None:
        payload["nonce"] = b64u_encode(nonce)
    if isinstance(freshness, MaxAge):
        payload["vcred_max_age"] = int(freshness.age.total_seconds())
    if policy is not None:
        payload["vcred_policy"] = policy
    if retention is not None:
        payload["vcred_retention"] = retention
    return PresentationRequest.parse(sign_jws(header, dump_json(payload), signer))


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """One presentation: bytes as received, and the format that somebody says they are in, which the verifier checks."""

    format: str
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """A wallet's answer: presentations per credential query id. ``one_way_nonce`` marks an unchallenged one."""

    tokens: Mapping[str, tuple[Presented, ...]] = field(repr=False)
    one_way_nonce: bytes | None = None

    def to_message(self) -> Message:
        """The answer as a QR message."""
        body: dict[str | int, Any] = {
            1: {
                query: [
                    [_FORMAT_CODES[one.format], pack_jws(one.raw) if one.format in TEXT_FORMATS else one.raw]
                    for one in many
                ]
                for query, many in self.tokens.items()
            }
        }
        if self.one_way_nonce is None:
            return Message(kind=MessageKind.RESPONSE, body=body)
        return Message(kind=MessageKind.ONE_WAY, body=body | {2: self.one_way_nonce})

    @classmethod
    def parse(cls, source: bytes | Message) -> Presentation:
        """Read an answer from message bytes or a message. Raises ``MalformedError``."""
        message = source if isinstance(source, Message) else decode_message(source)
        if message.kind not in (MessageKind.RESPONSE, MessageKind.ONE_WAY):
            raise MalformedError(ReasonCode.FORMAT, "message.kind", "this is not an answer to a request")
        one_way = message.kind is MessageKind.ONE_WAY
        if set(message.body) != ({1, 2} if one_way else {1}):
            raise MalformedError(ReasonCode.FORMAT, "message", "the body has other members than an answer has")
        nonce = message.body.get(2)
        if one_way and (not isinstance(nonce, bytes) or len(nonce) != _NONCE_BYTES):
            raise MalformedError(ReasonCode.NONCE, "message[2]", "a one-way nonce is 16 bytes")
        return cls(tokens=_tokens_of(message.body[1], "message[1]", _presented), one_way_nonce=nonce)

    @classmethod
    def of(cls, tokens: Mapping[str, Sequence[str | bytes | Mapping[str, Any]]]) -> Presentation:
        """An answer that came without format ids: a ``vp_token`` of OpenID4VP 1.0 (section 8.1), decoded.

        A presentation is text (base64url for the formats in CBOR), a JSON object, or bytes; its format is what
        ``vcred.formats.detect`` finds. Raises ``MalformedError``.
        """
        from vcred.formats.detect import detect_token  # noqa: PLC0415 - an answer over QR names its formats

        def found(token: Any, path: str) -> Presented:
            try:
                form, raw = detect_token(token)
            except MalformedError as error:
                raise MalformedError(error.code, f"{path}.{error.path}".rstrip("."), error.detail) from None
            return Presented(format=form, raw=raw)

        return cls(tokens=_tokens_of(tokens, "vp_token", found))

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 over every presentation in it; what a receipt names."""
        digest = hashlib.sha256()
        for query in sorted(self.tokens):
            for one in self.tokens[query]:
                digest.update(hashlib.sha256(one.raw).digest())
        return digest.digest()


def _request_token(source: str | bytes | Message) -> tuple[str | None, bytes]:
    """The client id written outside the signature, if any, and the compact JWS."""
    if not isinstance(source, str) or not source.startswith(_URI):
        return None, packed_jws(source, MessageKind.REQUEST)
    if len(source) > 2 * _MAX_REQUEST:
        raise MalformedError(ReasonCode.SIZE, "request", "the URI is too long")
    try:
        pairs = parse_qsl(source[len(_URI) :], strict_parsing=True, max_num_fields=8)
    except ValueError as error:
        raise MalformedError(ReasonCode.FORMAT, "request", "the URI's query cannot be read") from error
    members = dict(pairs)
    if len(members) != len(pairs) or set(members) != {"client_id", "request"}:
        raise MalformedError(ReasonCode.FORMAT, "request", "the URI must have client_id and request, once each")
    return members["client_id"], members["request"].encode("utf-8", "replace")


def _request_of(payload: dict[str, Any], jws: Jws, token: bytes) -> PresentationRequest:
    for name, expected in (("response_type", "vp_token"), ("response_mode", "qr"), ("aud", SELF_ISSUED)):
        if payload.get(name) != expected:
            raise MalformedError(ReasonCode.FORMAT, f"request.{name}", f"must be {expected}")
    client_id = text(payload, "client_id", "request")
    if not client_id.startswith("x509_hash:"):
        raise MalformedError(
            ReasonCode.READER_UNTRUSTED, "request.client_id", "only x509_hash identifiers work offline"
        )
    x5c = x5c_of(jws.header, "request")
    if not x5c and jws.header.get("kid") != client_id.partition(":")[2]:
        raise MalformedError(ReasonCode.KID, "request.kid", "does not name the reader of client_id")
    nonce, freshness = _freshness_of(payload)
    return PresentationRequest(
        client_id=client_id,
        query=DcqlQuery.parse(payload.get("dcql_query")),
        freshness=freshness,
        nonce=nonce,
        issued_at=integer(payload, "iat", "request"),
        expires_at=integer(payload, "exp", "request"),
        purpose=text(payload, "vcred_purpose", "request"),
        policy=optional_text(payload, "vcred_policy", "request"),
        retention=optional_text(payload, "vcred_retention", "request"),
        x5c=x5c,
        raw=token,
        jws=jws,
    )


def _freshness_of(payload: dict[str, Any]) -> tuple[bytes | None, Freshness]:
    if "nonce" in payload and "vcred_max_age" in payload:
        raise MalformedError(ReasonCode.NONCE, "request", "a challenge and a maximum age exclude each other")
    if "vcred_max_age" in payload:
        seconds = integer(payload, "vcred_max_age", "request")
        try:
            return None, MaxAge(timedelta(seconds=seconds))
        except (ValueError, OverflowError) as error:
            raise MalformedError(ReasonCode.CLAIM_TYPE, "request.vcred_max_age", "1 second to 24 hours") from error
    nonce = b64u_decode(text(payload, "nonce", "request"), "request.nonce")
    if not _NONCE_BYTES <= len(nonce) <= 64:
        raise MalformedError(ReasonCode.NONCE, "request.nonce", "a nonce has 16 to 64 bytes")
    return nonce, Challenge()


def _tokens_of(body: Any, where: str, read: Callable[[Any, str], Presented]) -> dict[str, tuple[Presented, ...]]:
    if not isinstance(body, Mapping) or not body:
        raise MalformedError(ReasonCode.FORMAT, where, "an answer maps query ids to presentations")
    tokens: dict[str, tuple[Presented, ...]] = {}
    count = 0
    for query, many in body.items():
        if not isinstance(query, str) or not 0 < len(query) <= _MAX_ID:
            raise MalformedError(ReasonCode.FORMAT, where, f"a query id is a text of 1 to {_MAX_ID} characters")
        path = f"{where}.{query}"
        if not isinstance(many, (list, tuple)) or not many:
            raise MalformedError(ReasonCode.FORMAT, path, "a query id has a list of presentations")
        count += len(many)
        if count > _MAX_ANSWERS:
            raise MalformedError(ReasonCode.LIMIT, where, f"more than {_MAX_ANSWERS} presentations")
        tokens[query] = tuple(read(one, f"{path}[{index}]") for index, one in enumerate(many))
    return tokens


def _presented(one: Any, path: str) -> Presented:
    if not isinstance(one, list) or len(one) != 2 or type(one[0]) is not int or one[0] not in _FORMATS:
        raise MalformedError(ReasonCode.FORMAT, path, "a presentation is a known format number and its bytes")
    name = _FORMATS[one[0]]
    raw = unpack_jws(one[1], path) if name in TEXT_FORMATS else one[1]
    if not isinstance(raw, bytes):
        raise MalformedError(ReasonCode.FORMAT, path, "a presentation is bytes")
    return Presented(format=name, raw=raw)
