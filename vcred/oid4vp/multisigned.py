"""Requests with several signatures (OpenID4VP 1.0 appendix A.3.2.2): one verifier under several names, for a page.

Who asks may be known to one trust framework by one name and to the next by another. Each signature is over the same
payload and has its client identifier, and what else is that name's own, in its protected header. To a wallet each is a
request of its own, of which it takes one that it trusts; what another framework's names mean it need not know.

Rules: the payload names no client and has no ``verifier_info``, or somebody could be shown who did not sign; every
signature that is taken has the ``typ`` of a request object; nothing stands in an unprotected header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vcred._members import signer_header
from vcred.errors import MalformedError, RefusedError
from vcred.formats._jose import read_segments, sign_jws
from vcred.formats._wire import b64u_decode, dump_json, parse_json
from vcred.oid4vp.request import MAX_REQUEST, read_signed
from vcred.oid4vp.transaction import TRANSACTION_TYPES
from vcred.presentation import REQUEST_TYP
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from vcred.keys import Signer
    from vcred.presentation import PresentationRequest

__all__ = ["parse_multisigned", "sign_multisigned"]

_MAX_SIGNATURES: Final = 8
_OWN: Final = ("client_id", "verifier_info")
"""What belongs to a name, and stands with its signature."""


def parse_multisigned(
    value: Any,
    *,
    origin: str,
    received_at: datetime,
    types: Mapping[str, Mapping[str, bool]] = TRANSACTION_TYPES,
) -> tuple[PresentationRequest, ...]:
    """Read the JWS of a request in JSON serialization: one request for each signature whose name means something here.

    There is at least one. None is verified. Raises ``MalformedError`` and ``RefusedError`` as ``parse_request`` does,
    for the last signature where none can be read.
    """
    payload, signatures = _parts(value)
    claims = parse_json(b64u_decode(payload, "request.payload"), "request", max_bytes=MAX_REQUEST)
    if not isinstance(claims, dict):
        raise MalformedError(ReasonCode.FORMAT, "request", "the payload is not an object")
    if any(name in claims for name in _OWN):
        raise MalformedError(ReasonCode.FORMAT, "request.payload", "names who asks, outside of a signature")
    found: list[PresentationRequest] = []
    last: RefusedError | None = None
    for index, (protected, signature) in enumerate(signatures):
        path = f"request.signatures[{index}]"
        try:
            jws = read_segments(protected, payload, signature, path, (REQUEST_TYP,), with_key=False)
            own = {name: jws.header[name] for name in _OWN if name in jws.header}
            request = read_signed(
                claims | own,
                jws,
                b".".join((protected, payload, signature)),
                client_id=None,
                wallet_nonce=None,
                origin=origin,
                received_at=received_at,
                plain_http=False,
                types=types,
            )
        except RefusedError as error:
            last = error
            continue
        if request.online is None or request.online.origin is None:
            raise RefusedError(ReasonCode.READER_UNTRUSTED, "request.response_mode", "not for a page in a browser")
        found.append(request)
    if not found:
        assert last is not None
        raise last
    return tuple(found)


def sign_multisigned(request: PresentationRequest, signers: Sequence[tuple[str, Sequence[bytes], Signer]]) -> Any:
    """``request``, made for a page, signed anew under several names: client identifier, certificates and key of each.

    Raises ``ValueError`` for a request that is not for a page, and ``SigningError``.
    """
    if request.jws is None or request.online is None or request.online.origin is None:
        raise ValueError("only a signed request for a page has several signatures")
    claims = parse_json(request.jws.payload, "request", max_bytes=MAX_REQUEST)
    info = {"verifier_info": claims["verifier_info"]} if "verifier_info" in claims else {}
    payload = dump_json({name: one for name, one in claims.items() if name not in _OWN})
    signatures: list[dict[str, str]] = []
    text = ""
    for client_id, x5c, signer in signers:
        header = signer_header(REQUEST_TYP, signer.public_key, client_id, x5c) | {"client_id": client_id, **info}
        protected, text, signature = sign_jws(header, payload, signer).decode("ascii").split(".")
        signatures.append({"protected": protected, "signature": signature})
    return {"payload": text, "signatures": signatures}


def _parts(value: Any) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    path = "request"
    if not isinstance(value, dict):
        raise MalformedError(ReasonCode.FORMAT, path, "not a JWS in JSON serialization")
    rows = value.get("signatures")
    if not isinstance(rows, list) or not 0 < len(rows) <= _MAX_SIGNATURES:
        raise MalformedError(ReasonCode.LIMIT, f"{path}.signatures", f"must be 1 to {_MAX_SIGNATURES} signatures")
    signatures = []
    for index, row in enumerate(rows):
        where = f"{path}.signatures[{index}]"
        if not isinstance(row, dict) or row.keys() != {"protected", "signature"}:
            raise MalformedError(ReasonCode.FORMAT, where, "must have protected and signature, and no other header")
        signatures.append((_ascii(row["protected"], where), _ascii(row["signature"], where)))
    return _ascii(value.get("payload"), f"{path}.payload"), signatures


def _ascii(value: Any, path: str) -> bytes:
    if not isinstance(value, str) or not value.isascii() or not 0 < len(value) <= 2 * MAX_REQUEST:
        raise MalformedError(ReasonCode.FORMAT, path, "not text of base64url")
    return value.encode("ascii")
