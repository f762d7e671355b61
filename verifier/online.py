"""Online requests as a verifier makes them, and their answers as it takes them in (OpenID4VP 1.0, HAIP 1.0).

Every request has a nonce, a ``state`` and an encryption key of its own. The private key stays with the open request, so
that any process over the same store can read the answer, after a restart too. An ephemeral key of a wallet counts once:
an answer under one that was seen before is somebody else's answer changed.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vcred.errors import RefusedError
from vcred.formats._jose import parse_jws
from vcred.formats._wire import b64u_encode, epoch, parse_json
from vcred.oid4vp import (
    ResponseKey,
    ResponseMode,
    WalletError,
    build_transaction_data,
    parse_request,
    read_answer,
    read_page_answer,
    sign_online_request,
)
from vcred.oid4vp.online import ENCODINGS
from vcred.oid4vp.transaction import BINDING_FORMATS
from vcred.policy import compile_policy
from vcred.presentation import REQUEST_TYP, Presentation, PresentationRequest
from vcred.reasons import ReasonCode
from verifier.judge import request_key

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from vcred.dcql import CredentialQuery, DcqlQuery
    from vcred.policy import VerificationPolicy
    from vcred.trust import TrustBundle
    from verifier.identity import ReaderIdentity
    from verifier.requests import RequestStore

__all__ = ["make_request", "plan_request", "read_online", "read_request"]

DEFAULT_FORMATS = ("dc+sd-jwt",)
"""What is asked for where neither policy nor caller says: the one format that HAIP 1.0 wallets have in common."""

_NONCE_BYTES = 32
_MARK_KEPT = 600
_MAX_REQUEST = 131_072


def make_request(
    policy: VerificationPolicy,
    trust: TrustBundle,
    identity: ReaderIdentity,
    *,
    client_id: str,
    mode: ResponseMode,
    response_uri: str | None,
    origin: str | None,
    formats: Sequence[str] | None,
    transaction_data: Sequence[Mapping[str, str]],
    verifier_info: Sequence[Mapping[str, Any]],
    lang: str,
    at: dt.datetime,
    lifetime: dt.timedelta,
    plain_http: bool,
) -> tuple[PresentationRequest, bytes | None]:
    """A signed request, and the private key for its answer (PKCS #8) where that is encrypted.

    See ``Verifier.online_request``.
    """
    if client_id not in identity.client_ids:
        raise ValueError("the reader's certificate is not of this client_id")
    query, data = plan_request(policy, trust, formats=formats, transaction_data=transaction_data)
    asked = {one.format: None for one in query.credentials}
    key, private = _response_key() if mode.encrypted else (None, None)
    request = sign_online_request(
        query,
        client_id=client_id,
        x5c=identity.chain,
        signer=identity.signer,
        mode=mode,
        nonce=b64u_encode(secrets.token_bytes(_NONCE_BYTES)),
        state=None if mode.browser else b64u_encode(secrets.token_bytes(_NONCE_BYTES)),
        response_uri=response_uri,
        origin=origin,
        encryption=key,
        formats=list(asked),
        client_name=_name(trust, identity, at, lang),
        purpose=policy.purpose(lang),
        policy=policy.id,
        retention=policy.retention.text(lang),
        at=at,
        lifetime=lifetime,
        transaction_data=data,
        verifier_info=verifier_info,
        plain_http=plain_http,
    )
    return request, private


def plan_request(
    policy: VerificationPolicy,
    trust: TrustBundle,
    *,
    formats: Sequence[str] | None,
    transaction_data: Sequence[Mapping[str, str]],
) -> tuple[DcqlQuery, list[str]]:
    """The query and the transaction data of a request.

    Raises ``PolicyError``, ``ValueError`` and ``RefusedError`` as ``Verifier.online_request`` does.
    """
    asked = policy.formats_asked(formats or policy.formats or DEFAULT_FORMATS)
    if transaction_data and not set(asked) <= set(BINDING_FORMATS):
        raise ValueError("transaction data can be agreed to in " + ", ".join(BINDING_FORMATS))
    compiled = compile_policy(policy, trust.catalog, asked, strangers=True)
    query = replace(compiled, credentials=tuple(_retaining(one, policy) for one in compiled.credentials))
    ids = [one.id for one in query.credentials]
    data = []
    for one in transaction_data:
        body = {name: text for name, text in one.items() if name != "type"}
        data.append(build_transaction_data(one.get("type", ""), body, credential_ids=ids))
    if data and not all(one.holder_binding for one in query.credentials):
        raise ValueError("nobody's signature can agree to transaction data under this policy")
    return query, data


def read_online(
    answer: bytes | Mapping[str, Any], *, request: PresentationRequest, requests: RequestStore, at: dt.datetime
) -> Presentation | WalletError:
    """See ``Verifier.read``."""
    now = epoch(at)
    record = requests.get(request_key(request))
    if record is None or now > record.expires_at:
        raise RefusedError(ReasonCode.REQUEST_EXPIRED, "request", "not open here")
    key = None if record.response_key is None else _private(record.response_key)
    if isinstance(answer, bytes):
        found = read_answer(answer, request=request, key=key)
    else:
        found = read_page_answer(dict(answer), request=request, key=key)
    if isinstance(found, WalletError):
        return found
    if found.mark is not None and not requests.remember([found.mark], until=record.expires_at + _MARK_KEPT, now=now):
        raise RefusedError(ReasonCode.REPLAY, "response.header.epk", "an ephemeral key that was used before")
    return found.presentation


def read_request(raw: bytes) -> PresentationRequest:
    """A request object that a verifier of ours made, over QR or online. Raises ``RefusedError``; verifies nothing."""
    jws = parse_jws(raw, path="request", typ=REQUEST_TYP, max_bytes=_MAX_REQUEST)
    payload = parse_json(jws.payload, "request", max_bytes=_MAX_REQUEST)
    if isinstance(payload, dict) and payload.get("response_mode") == "qr":
        return PresentationRequest.parse(raw)
    return parse_request(raw, client_id=None, plain_http=True)


def _retaining(query: CredentialQuery, policy: VerificationPolicy) -> CredentialQuery:
    """HAIP 1.0 section 5.3.1: a query for an mdoc says whether what is shown will be kept."""
    if query.format != "mso_mdoc" or query.claims is None:
        return query
    keeps = policy.retention.days > 0
    return replace(query, claims=tuple(replace(one, intent_to_retain=keeps) for one in query.claims))


def _response_key() -> tuple[ResponseKey, bytes]:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - only encrypted answers need it
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - as above
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = ec.generate_private_key(ec.SECP256R1())
    public = ResponseKey(key=key.public_key(), kid=b64u_encode(secrets.token_bytes(16)), encodings=ENCODINGS)
    return public, key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _private(der: bytes) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - only encrypted answers need it
    from cryptography.hazmat.primitives.serialization import load_der_private_key  # noqa: PLC0415 - as above

    key = load_der_private_key(der, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _name(trust: TrustBundle, identity: ReaderIdentity, at: dt.datetime, lang: str) -> str:
    """What we are called in the bundle; a wallet that has one takes it from there too."""
    try:
        return trust.resolve_reader(client_id=identity.client_id, x5c=identity.chain, at=at).name(lang)
    except RefusedError:
        return identity.dns_names[0] if identity.dns_names else identity.client_id
