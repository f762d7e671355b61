"""``vc+cose`` and ``vp+cose``: VCDM 2.0 in a COSE_Sign1 (VC-JOSE-COSE section 3.3).

Not a format of wallet and verifier, which have SD-CWT for COSE; it is here for whoever meets one. The payload is the
JSON document and nothing else; header 16 is the media type, header 3 what it holds, and both are required.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vcred.errors import MalformedError
from vcred.formats._cose import ALG, COSE_ALG, KID, TYP, X5CHAIN, Sign1, parse_sign1, prepare_sign1
from vcred.formats._w3c_jwt import read_envelopes
from vcred.formats._w3c_model import (
    JWT_CLAIMS,
    PRESENTATION_CLAIMS,
    CredentialModel,
    check_credential,
    check_presentation,
)
from vcred.formats._wire import dump_json, parse_json
from vcred.formats.sd_jwt import MAX_TOKEN
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from vcred.credential import Prepared
    from vcred.formats.base import IssuerKey

__all__ = ["CosePresentation", "open_cose_credential", "open_cose_presentation", "prepare_cose"]

_CONTENT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CosePresentation:
    """A ``vp+cose``, parsed and NOT verified. ``credentials`` are media types and tokens, none of them opened."""

    sign1: Sign1 = field(repr=False)
    holder: str | None
    credentials: tuple[tuple[str, bytes], ...] = field(repr=False)


def open_cose_credential(raw: bytes, *, contexts: Collection[str]) -> tuple[Sign1, CredentialModel]:
    """Read a ``vc+cose``; ``verify_sign1`` checks its signature. Raises ``MalformedError``."""
    sign1, body = _document(raw, "vc")
    if JWT_CLAIMS & body.keys():
        raise MalformedError(ReasonCode.CONTEXT, "payload", "a claim of JWT in a document that is no JWT")
    return sign1, check_credential(body, contexts=contexts, path="payload")


def open_cose_presentation(raw: bytes, *, contexts: Collection[str]) -> CosePresentation:
    """Read a ``vp+cose``; ``verify_sign1`` checks its signature. Raises ``MalformedError``."""
    sign1, body = _document(raw, "vp")
    if PRESENTATION_CLAIMS & body.keys():
        raise MalformedError(ReasonCode.CONTEXT, "payload", "a claim of JWT in a document that is no JWT")
    return CosePresentation(
        sign1=sign1,
        holder=check_presentation(body, contexts=contexts, path="payload"),
        credentials=read_envelopes(body.get("verifiableCredential"), "payload.verifiableCredential"),
    )


def prepare_cose(document: Mapping[str, Any], key: IssuerKey, *, kind: str, contexts: Collection[str]) -> Prepared:
    """``document`` as ``vc+cose`` or ``vp+cose`` (``kind``), but for the signature.

    Raises ``ValueError`` for a document that could not be read again.
    """
    header: dict[int, Any] = {
        ALG: COSE_ALG[key.public_key.alg],
        _CONTENT: f"application/{kind}",
        KID: key.public_key.kid,
        TYP: f"application/{kind}+cose",
    }
    if key.chain:
        header[X5CHAIN] = list(key.chain)
    prepared = prepare_sign1(header, {}, dump_json(dict(document)))
    read = {"vc": open_cose_credential, "vp": open_cose_presentation}[kind]
    try:
        read(prepared.complete(bytes(64)), contexts=contexts)
    except MalformedError as error:
        raise ValueError(f"not a document that could be read again: {error}") from error
    return prepared


def _document(raw: bytes, kind: str) -> tuple[Sign1, dict[str, Any]]:
    sign1 = parse_sign1(raw, path="cose", max_bytes=MAX_TOKEN)
    if sign1.protected.get(TYP) != f"application/{kind}+cose":
        raise MalformedError(ReasonCode.TYP, f"cose.protected[{TYP}]", "another typ is required here")
    if sign1.protected.get(_CONTENT) != f"application/{kind}":
        raise MalformedError(ReasonCode.TYP, f"cose.protected[{_CONTENT}]", "another content type is required here")
    body = parse_json(sign1.payload, "payload", max_bytes=MAX_TOKEN)
    if type(body) is not dict:
        raise MalformedError(ReasonCode.FORMAT, "payload", "not an object")
    return sign1, body
