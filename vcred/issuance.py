"""What issuer and wallet say to each other: ``Offer``, ``IssuanceRequest``, ``Delivery``.

The offer is an OpenID4VCI 1.0 credential offer whose pre-authorized code is a one-time nonce. The wallet answers
with one ``openid4vci-proof+jwt`` (appendix F.1) for each key, the issuer with one credential for each proof, in the
same order. All three travel as JSON, or as messages of the QR profile for a counter that has no network:

- offer ``{1: issuer, 2: code, 3: nonce, 4: expires at, 5: copies, 6: [format], 7: variant?, 8: options?}``
- request ``{1: nonce, 2: [[format, packed proof], ...]}``
- delivery ``{1: code, 2: credential id, 3: [[format, bytes or packed token], ...]}``

Parsing is strict and says nothing about truth: an offer is an invitation, a proof is checked by the issuer, a
credential by the wallet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qsl, quote, urlsplit

from vcred._issuance_fields import (
    FORMAT_ID,
    as_list,
    as_object,
    format_id,
    identifier,
    issuer_id,
    nonce_bytes,
    option_values,
    plain,
    read_pair,
    refuse,
    whole,
)
from vcred._openid4vci import OFFER_SCHEME, PRE_AUTHORIZED, PROOF_TYP, build_proof
from vcred.formats._wire import b64u_decode, b64u_encode, dump_json, parse_json
from vcred.formats.known import TEXT_FORMATS
from vcred.qr.message import ENVELOPE_TAG, Message, MessageKind, decode_message
from vcred.qr.pack import pack_jws, unpack_jws
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from vcred.keys import Signer

__all__ = ["PROOF_TYP", "Delivery", "IssuanceRequest", "Offer", "Redeem", "build_request"]

_CODE: Final = "pre-authorized_code"

MAX_COPIES: Final = 64
_MAX_KEYS: Final = 4 * MAX_COPIES
_MAX_OFFER: Final = 8_192
_MAX_PROOF: Final = 4_096
_MAX_REQUEST: Final = _MAX_KEYS * (_MAX_PROOF + 64)
_MAX_CREDENTIAL: Final = 131_072
_MAX_DELIVERY: Final = 32 * 1024 * 1024


class Redeem(Protocol):
    """How an offer of this very process is answered."""

    def __call__(self, request: IssuanceRequest, *, at: datetime) -> Delivery:
        """The issuer's answer to ``request``. Raises what ``Issuer.issue`` raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An invitation to take one certificate. Anybody who has it can take it, once, until ``expires_at``.

    ``copies`` is how many credentials of each of ``formats`` the issuer gives at most. ``variant`` and ``options``
    are what was applied for, for the holder to see. ``redeem`` answers an offer made in this process; it is
    ``None`` in one that was parsed, which needs a transport.
    """

    issuer: str
    code: str
    nonce: bytes = field(repr=False)
    expires_at: int
    copies: int
    formats: tuple[str, ...]
    variant: str | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    redeem: Redeem | None = field(default=None, repr=False, compare=False)

    @classmethod
    def parse(cls, source: str | bytes | Message) -> Offer:
        """Read an offer URI or an offer message.

        Raises ``MalformedError``; with ``scheme`` for what is no offer URI, or an offer by reference.
        """
        if isinstance(source, str) or (isinstance(source, bytes) and source[:1] != bytes((ENVELOPE_TAG,))):
            return _offer_of_uri(source)
        body = _body(source, MessageKind.OFFER, required={1, 2, 3, 4, 5, 6}, optional={7, 8})
        return _offer(
            {
                "issuer": body[1],
                "code": body[2],
                "nonce": body[3],
                "expires_at": body[4],
                "copies": body[5],
                "formats": body[6],
                "variant": body.get(7),
                "options": body.get(8, {}),
            },
            "offer",
        )

    def to_uri(self) -> str:
        """``openid-credential-offer://?credential_offer=...`` (OpenID4VCI 1.0 section 4.1.2)."""
        offer: dict[str, Any] = {
            "credential_issuer": self.issuer,
            "credential_configuration_ids": [f"{self.code}/{one}" for one in self.formats],
            "grants": {PRE_AUTHORIZED: {_CODE: b64u_encode(self.nonce)}},
            "vcred": {"expires_at": self.expires_at, "copies": self.copies},
        }
        if self.variant is not None:
            offer["vcred"]["variant"] = self.variant
        if self.options:
            offer["vcred"]["options"] = plain(self.options)
        return f"{OFFER_SCHEME}://?credential_offer={quote(dump_json(offer), safe='')}"

    def to_message(self) -> Message:
        """The offer for the QR profile."""
        body: dict[str | int, Any] = {
            1: self.issuer,
            2: self.code,
            3: self.nonce,
            4: self.expires_at,
            5: self.copies,
            6: list(self.formats),
        }
        if self.variant is not None:
            body[7] = self.variant
        if self.options:
            body[8] = plain(self.options)
        return Message(MessageKind.OFFER, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuanceRequest:
    """A wallet's answer to an offer: for each key the format wanted and the proof of possessing it."""

    nonce: bytes = field(repr=False)
    keys: tuple[tuple[str, bytes], ...] = field(repr=False)

    @classmethod
    def parse(cls, source: bytes | Message) -> IssuanceRequest:
        """Read the JSON of ``to_bytes``, or a proof message. Raises ``MalformedError``."""
        path = "request"
        if isinstance(source, bytes) and source[:1] != bytes((ENVELOPE_TAG,)):
            whole_request = as_object(parse_json(source, path, max_bytes=_MAX_REQUEST, max_depth=8), path)
            members = _exactly(whole_request, {"nonce", "keys"}, path)
            nonce = b64u_decode(_text(members["nonce"], f"{path}.nonce"), f"{path}.nonce")
            rows = as_list(members["keys"], f"{path}.keys", _MAX_KEYS)
            pairs = [_json_key(row, f"{path}.keys[{index}]") for index, row in enumerate(rows)]
        else:
            body = _body(source, MessageKind.PROOF, required={1, 2}, optional=set())
            nonce = body[1]
            rows = as_list(body[2], f"{path}.keys", _MAX_KEYS)
            pairs = [read_pair(row, f"{path}.keys[{index}]") for index, row in enumerate(rows)]
            pairs = [(one, unpack_jws(proof, f"{path}.keys[{index}]")) for index, (one, proof) in enumerate(pairs)]
        return cls(nonce=nonce_bytes(nonce, f"{path}.nonce"), keys=tuple(pairs))

    def to_bytes(self) -> bytes:
        """The request as JSON."""
        keys = [{"format": one, "proof": proof.decode("ascii")} for one, proof in self.keys]
        return dump_json({"nonce": b64u_encode(self.nonce), "keys": keys})

    def to_message(self) -> Message:
        """The request for the QR profile."""
        return Message(MessageKind.PROOF, {1: self.nonce, 2: [[one, pack_jws(proof)] for one, proof in self.keys]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Credentials, as issued, in the order of the proofs. ``credential_id`` names all copies to the issuer."""

    code: str
    credential_id: str
    credentials: tuple[tuple[str, bytes], ...] = field(repr=False)

    @classmethod
    def parse(cls, source: bytes | Message) -> Delivery:
        """Read the JSON of ``to_bytes``, or a delivery message. Raises ``MalformedError``."""
        path = "delivery"
        if isinstance(source, bytes) and source[:1] != bytes((ENVELOPE_TAG,)):
            value = as_object(parse_json(source, path, max_bytes=_MAX_DELIVERY, max_depth=8), path)
            members = _exactly(value, {"code", "credential_id", "credentials"}, path)
            code, credential_id, given = members["code"], members["credential_id"], members["credentials"]
            rows = as_list(given, f"{path}.credentials", _MAX_KEYS)
            pairs = [_json_credential(row, f"{path}.credentials[{index}]") for index, row in enumerate(rows)]
        else:
            body = _body(source, MessageKind.DELIVERY, required={1, 2, 3}, optional=set())
            code, credential_id = body[1], body[2]
            rows = as_list(body[3], f"{path}.credentials", _MAX_KEYS)
            pairs = [_packed_credential(row, f"{path}.credentials[{index}]") for index, row in enumerate(rows)]
        return cls(
            code=identifier(code, f"{path}.code"),
            credential_id=identifier(credential_id, f"{path}.credential_id"),
            credentials=tuple(pairs),
        )

    def to_bytes(self) -> bytes:
        """The delivery as JSON; credentials that are not text are in base64url."""
        rows = [
            {"format": one, "credential": raw.decode("ascii") if one in TEXT_FORMATS else b64u_encode(raw)}
            for one, raw in self.credentials
        ]
        return dump_json({"code": self.code, "credential_id": self.credential_id, "credentials": rows})

    def to_message(self) -> Message:
        """The delivery for the QR profile."""
        rows = [[one, pack_jws(raw) if one in TEXT_FORMATS else raw] for one, raw in self.credentials]
        return Message(MessageKind.DELIVERY, {1: self.code, 2: self.credential_id, 3: rows})


def build_request(
    offer: Offer, signers: Sequence[Signer], *, formats: Sequence[str] | None = None, at: datetime
) -> IssuanceRequest:
    """Prove every key of ``signers`` for ``offer``: the same number of keys for each of ``formats``, in that order.

    ``formats`` are some of the offer's; ``None`` means all of them. The first ``len(signers) / len(formats)`` keys
    are for the first format, and so on. Raises ``ValueError`` when the keys do not divide evenly, are more than
    ``offer.copies`` for each format, are not P-256, or repeat; ``SigningError`` when a key does not sign.
    """
    wanted = tuple(offer.formats if formats is None else formats)
    if not wanted or len(set(wanted)) != len(wanted) or not set(wanted) <= set(offer.formats):
        raise ValueError(f"formats are some of {', '.join(offer.formats)}, each once")
    copies, rest = divmod(len(signers), len(wanted))
    if rest or not 1 <= copies <= offer.copies:
        raise ValueError(f"bring 1 to {offer.copies} keys for each of {len(wanted)} formats")
    if len({signer.public_key for signer in signers}) != len(signers):
        raise ValueError("every key is used once")
    if any(signer.public_key.alg != "ES256" for signer in signers):
        raise ValueError("holder keys are P-256")
    nonce = b64u_encode(offer.nonce)
    proofs = [build_proof(signer, audience=offer.issuer, nonce=nonce, at=at).encode("ascii") for signer in signers]
    keys = [(wanted[index // copies], proof) for index, proof in enumerate(proofs)]
    return IssuanceRequest(nonce=offer.nonce, keys=tuple(keys))


def _offer_of_uri(source: str | bytes) -> Offer:
    if len(source) > _MAX_OFFER:
        raise refuse(ReasonCode.SIZE, "uri", f"more than {_MAX_OFFER} characters")
    try:
        uri = source if isinstance(source, str) else source.decode("ascii")
        parts = urlsplit(uri)
        query = parse_qsl(parts.query, strict_parsing=True, keep_blank_values=True, errors="strict")
    except ValueError:
        raise refuse(ReasonCode.SCHEME, "uri", "not an offer URI") from None
    if parts.scheme != OFFER_SCHEME or parts.netloc or parts.path or parts.fragment:
        raise refuse(ReasonCode.SCHEME, "uri", "not an offer URI")
    if [name for name, _ in query] != ["credential_offer"]:
        raise refuse(ReasonCode.SCHEME, "uri", "one credential_offer by value, and nothing else")
    path = "credential_offer"
    value = as_object(parse_json(query[0][1], path, max_bytes=_MAX_OFFER, max_depth=8), path)
    grant = as_object(as_object(value.get("grants"), f"{path}.grants").get(PRE_AUTHORIZED), f"{path}.grants")
    if "tx_code" in grant:
        raise refuse(ReasonCode.FORMAT, f"{path}.grants", "a transaction code is not part of this profile")
    ours = as_object(value.get("vcred"), f"{path}.vcred")
    if not ours.keys() <= {"expires_at", "copies", "variant", "options"}:
        raise refuse(ReasonCode.FORMAT, f"{path}.vcred", "a member of a later profile")
    ids = as_list(value.get("credential_configuration_ids"), f"{path}.credential_configuration_ids", 8)
    codes, formats = zip(*(_configuration(one, path) for one in ids), strict=True)
    if len(set(codes)) != 1:
        raise refuse(ReasonCode.FORMAT, f"{path}.credential_configuration_ids", "more than one certificate type")
    return _offer(
        {
            "issuer": value.get("credential_issuer"),
            "code": codes[0],
            "nonce": b64u_decode(_text(grant.get(_CODE), f"{path}.{_CODE}"), f"{path}.{_CODE}"),
            "expires_at": ours.get("expires_at"),
            "copies": ours.get("copies"),
            "formats": list(formats),
            "variant": ours.get("variant"),
            "options": ours.get("options", {}),
        },
        path,
    )


def _offer(value: Mapping[str, Any], path: str) -> Offer:
    formats = as_list(value["formats"], f"{path}.formats", 8)
    if len({one for one in formats if isinstance(one, str)}) != len(formats):
        raise refuse(ReasonCode.FORMAT, f"{path}.formats", "formats are text, each once")
    variant = value["variant"]
    return Offer(
        issuer=issuer_id(value["issuer"], f"{path}.issuer"),
        code=identifier(value["code"], f"{path}.code"),
        nonce=nonce_bytes(value["nonce"], f"{path}.nonce"),
        expires_at=whole(value["expires_at"], f"{path}.expires_at", 0, 253_402_300_799),
        copies=whole(value["copies"], f"{path}.copies", 1, MAX_COPIES),
        formats=tuple(format_id(one, f"{path}.formats[{index}]") for index, one in enumerate(formats)),
        variant=None if variant is None else identifier(variant, f"{path}.variant"),
        options=option_values(value["options"], f"{path}.options"),
    )


def _configuration(value: Any, path: str) -> tuple[str, str]:
    code, slash, wanted = value.partition("/") if isinstance(value, str) else ("", "", "")
    if not slash or not FORMAT_ID.fullmatch(wanted):
        raise refuse(ReasonCode.FORMAT, f"{path}.credential_configuration_ids", "not <certificate type>/<format>")
    return code, wanted


def _body(source: bytes | Message, kind: MessageKind, *, required: set[int], optional: set[int]) -> Mapping[Any, Any]:
    message = source if isinstance(source, Message) else decode_message(source)
    if message.kind is not kind:
        raise refuse(ReasonCode.FORMAT, "message.kind", f"this is not a {kind.name.lower()} message")
    if not required <= message.body.keys() <= required | optional:
        raise refuse(ReasonCode.FORMAT, "message", "members are missing or unknown")
    return message.body


def _exactly(value: Mapping[str, Any], names: set[str], path: str) -> Mapping[str, Any]:
    if value.keys() != names:
        raise refuse(ReasonCode.FORMAT, path, "members are missing or unknown")
    return value


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_DELIVERY:
        raise refuse(ReasonCode.CLAIM_TYPE, path, "must be text")
    return value


def _json_key(row: Any, path: str) -> tuple[str, bytes]:
    members = _exactly(as_object(row, path), {"format", "proof"}, path)
    return format_id(members["format"], f"{path}.format"), _ascii(members["proof"], f"{path}.proof", _MAX_PROOF)


def _json_credential(row: Any, path: str) -> tuple[str, bytes]:
    members = _exactly(as_object(row, path), {"format", "credential"}, path)
    one = format_id(members["format"], f"{path}.format")
    if one in TEXT_FORMATS:
        return one, _ascii(members["credential"], f"{path}.credential", _MAX_CREDENTIAL)
    text = _ascii(members["credential"], f"{path}.credential", 2 * _MAX_CREDENTIAL)
    return one, b64u_decode(text, f"{path}.credential")


def _packed_credential(row: Any, path: str) -> tuple[str, bytes]:
    one, packed = read_pair(row, path)
    if one in TEXT_FORMATS:
        return one, unpack_jws(packed, path)
    if type(packed) is not bytes or not packed:
        raise refuse(ReasonCode.FORMAT, path, "must be a byte string")
    return one, packed


def _ascii(value: Any, path: str, limit: int) -> bytes:
    text = _text(value, path)
    if len(text) > limit:
        raise refuse(ReasonCode.SIZE, path, f"more than {limit} characters")
    if not text or not text.isascii():
        raise refuse(ReasonCode.ENCODING, path, "not ASCII text")
    return text.encode("ascii")
