"""The verifier's signed statement of what it checked, for the holder's history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vcred._members import integer, optional_text, packed_jws, signer_header, text, texts
from vcred.errors import MalformedError
from vcred.formats._jose import Jws, parse_jws, sign_jws, verify_jws, x5c_of
from vcred.formats._wire import b64u_decode, b64u_encode, dump_json, epoch, parse_json
from vcred.qr import Message, MessageKind, pack_jws
from vcred.reasons import Outcome, ReasonCode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from vcred.keys import PublicKey, Signer
    from vcred.presentation import Presentation, PresentationRequest

__all__ = ["Receipt", "sign_receipt"]

RECEIPT_TYP = "vcred-receipt+jwt"
_MAX_RECEIPT = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a verifier says it checked: outcome, purpose, retention and which presentation, over its signature."""

    client_id: str
    issued_at: int
    outcome: Outcome
    reasons: tuple[str, ...]
    types: tuple[str, ...]
    purpose: str
    policy: str | None
    retention: str | None
    presentation: bytes
    reference: str | None
    x5c: tuple[bytes, ...] = field(repr=False)
    raw: bytes = field(repr=False)
    jws: Jws = field(repr=False)

    @classmethod
    def parse(cls, source: str | bytes | Message) -> Receipt:
        """Read a receipt from a compact JWS, message bytes or a message. Raises ``MalformedError``."""
        token = packed_jws(source, MessageKind.RECEIPT)
        jws = parse_jws(token, path="receipt", typ=RECEIPT_TYP, max_bytes=_MAX_RECEIPT)
        payload = parse_json(jws.payload, "receipt", max_bytes=_MAX_RECEIPT)
        if not isinstance(payload, dict):
            raise MalformedError(ReasonCode.FORMAT, "receipt", "the payload is not an object")
        outcome = text(payload, "outcome", "receipt")
        if outcome not in Outcome.__members__:
            raise MalformedError(ReasonCode.CLAIM_TYPE, "receipt.outcome", "not an outcome")
        return cls(
            client_id=text(payload, "iss", "receipt"),
            issued_at=integer(payload, "iat", "receipt"),
            outcome=Outcome(outcome),
            reasons=texts(payload, "reasons", "receipt"),
            types=texts(payload, "types", "receipt"),
            purpose=text(payload, "purpose", "receipt"),
            policy=optional_text(payload, "policy", "receipt"),
            retention=optional_text(payload, "retention", "receipt"),
            presentation=b64u_decode(text(payload, "presentation", "receipt"), "receipt.presentation"),
            reference=optional_text(payload, "reference", "receipt"),
            x5c=x5c_of(jws.header, "receipt"),
            raw=token,
            jws=jws,
        )

    def verify_by(self, key: PublicKey) -> None:
        """Check the reader's signature. Raises ``RefusedError``."""
        verify_jws(self.jws, key)

    def to_message(self) -> Message:
        """The receipt as a QR message."""
        return Message(kind=MessageKind.RECEIPT, body={1: pack_jws(self.raw)})


def sign_receipt(
    presentation: Presentation,
    request: PresentationRequest,
    *,
    outcome: Outcome,
    reasons: Sequence[str],
    types: Sequence[str],
    reference: str | None,
    at: datetime,
    signer: Signer,
) -> Receipt:
    """Make the receipt for ``presentation``. ``reference`` is the receiver's own case number, if any."""
    payload = {
        "iss": request.client_id,
        "iat": epoch(at),
        "outcome": outcome.value,
        "reasons": list(reasons),
        "types": list(types),
        "purpose": request.purpose,
        "policy": request.policy,
        "retention": request.retention,
        "presentation": b64u_encode(presentation.fingerprint),
        "reference": reference,
    }
    header = signer_header(RECEIPT_TYP, signer.public_key, request.client_id, request.x5c)
    body = dump_json({name: value for name, value in payload.items() if value is not None})
    return Receipt.parse(sign_jws(header, body, signer))
