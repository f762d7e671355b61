"""The containers of an mdoc: IssuerSigned, DeviceResponse (ISO/IEC 18013-5 clause 8.3.2.1.2) and our QR envelope.

An issuer hands out IssuerSigned. A holder presents DeviceResponse, over QR inside an array that says whom for and
when, which is what the device's signature is bound to: ``["vcred-qr-1", audience, nonce, iat, DeviceResponse]``.
Which of the three it is, the bytes say. Members that the standard may add are let be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError
from vcred.formats._cbor import bstr, decode, encode
from vcred.formats._cose import X5CHAIN, Sign1, read_sign1
from vcred.formats._mdoc_device import DeviceSigned, read_device_signed
from vcred.formats._mdoc_handover import QR_HANDOVER
from vcred.formats._mdoc_mso import EMBEDDED, array_head, is_text, map_head, read_version
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "MAX_TOKEN",
    "OF_A_RESPONSE",
    "Document",
    "Envelope",
    "Received",
    "check_envelope",
    "read_received",
    "write_envelope",
    "write_issuer_signed",
    "write_response",
]

MAX_TOKEN: Final = 512 * 1024
"""Bytes of a whole document or response."""

OF_A_RESPONSE: Final = frozenset({"version", "documents", "documentErrors", "status"})
"""Members of a DeviceResponse; IssuerSigned has none of them."""

_MAX_DOCUMENTS: Final = 16
_MAX_NONCE: Final = 64
_LAST_SECOND: Final = 253402300799


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document. ``doctype`` and ``device_signed`` are ``None`` for what an issuer hands out."""

    doctype: str | None
    issuer_auth: Sign1
    name_spaces: Mapping[Any, Any] = field(repr=False)
    device_signed: DeviceSigned | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What our QR profile has around a response."""

    audience: str
    nonce: bytes | None
    issued_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """Documents as received, not verified."""

    documents: tuple[Document, ...]
    envelope: Envelope | None


def read_received(raw: bytes) -> Received:
    """Read whichever of the three ``raw`` is.

    Raises ``MalformedError``: ``limit``, ``cbor``, ``tag``, ``depth``, ``format``, ``aud``, ``nonce``, ``iat``,
    ``alg``, ``crit``, ``kid``, ``device_auth``.
    """
    if len(raw) > MAX_TOKEN:
        raise MalformedError(ReasonCode.LIMIT, "mdoc", f"more than {MAX_TOKEN} bytes")
    value = decode(raw, "mdoc", max_bytes=MAX_TOKEN, tags=EMBEDDED)
    envelope = None
    if type(value) is list:
        envelope, value = _envelope(value)
    if type(value) is not dict:
        raise MalformedError(ReasonCode.FORMAT, "mdoc", "not a map")
    if "issuerAuth" in value and not OF_A_RESPONSE.isdisjoint(value):
        raise MalformedError(ReasonCode.FORMAT, "mdoc", "IssuerSigned and DeviceResponse in one")
    if envelope is None and "issuerAuth" in value:
        return Received(documents=(_issuer_signed(value, "mdoc", None, None),), envelope=None)
    if envelope is not None and value.get("version") != "1.0":
        raise MalformedError(ReasonCode.FORMAT, "mdoc.version", "our profile has version 1.0")
    return Received(documents=_response(value), envelope=envelope)


def write_issuer_signed(items: Mapping[str, Sequence[bytes]], issuer_auth: bytes) -> bytes:
    """IssuerSigned with ``items`` by namespace (tag included) and an encoded issuerAuth."""
    return b"".join((b"\xa2\x6aissuerAuth", issuer_auth, b"\x6anameSpaces", _name_spaces(items)))


def write_response(
    doctype: str, items: Mapping[str, Sequence[bytes]], issuer_auth: Sign1, device_signed: bytes
) -> bytes:
    """DeviceResponse with one document: the issuer's bytes as received, ``items`` by namespace."""
    auth = (
        b"\xa1\x6aissuerAuth" if not items else b"\xa2\x6aissuerAuth",
        _carried(issuer_auth),
        b"\x6anameSpaces" + _name_spaces(items) if items else b"",
    )
    document = (
        b"\xa3\x67docType",
        encode(doctype),
        b"\x6cdeviceSigned",
        device_signed,
        b"\x6cissuerSigned",
        *auth,
    )
    return b"".join((b"\xa3\x66status\x00\x67version\x631.0\x69documents\x81", *document))


def write_envelope(envelope: Envelope, response: bytes) -> bytes:
    """Our QR envelope around an encoded DeviceResponse."""
    head = map(encode, (QR_HANDOVER, envelope.audience, envelope.nonce, envelope.issued_at))
    return b"".join((b"\x85", *head, response))


def check_envelope(envelope: Envelope) -> None:
    """Raises ``ValueError`` for one that no verifier would read."""
    if not is_text(envelope.audience):
        raise ValueError("a presentation names its audience")
    if envelope.nonce is not None and not 0 < len(envelope.nonce) <= _MAX_NONCE:
        raise ValueError(f"a nonce is 1 to {_MAX_NONCE} bytes")


def _envelope(value: list[Any]) -> tuple[Envelope, Any]:
    if len(value) != 5 or type(value[0]) is not str or value[0] != QR_HANDOVER:
        raise MalformedError(ReasonCode.FORMAT, "mdoc", f"not a presentation of {QR_HANDOVER}")
    _, audience, nonce, issued_at, response = value
    if not is_text(audience):
        raise MalformedError(ReasonCode.AUD, "mdoc[1]", "not one audience as text")
    if nonce is not None and not (type(nonce) is bytes and 0 < len(nonce) <= _MAX_NONCE):
        raise MalformedError(ReasonCode.NONCE, "mdoc[2]", f"neither null nor 1 to {_MAX_NONCE} bytes")
    if type(issued_at) is not int or not 0 <= issued_at <= _LAST_SECOND:
        raise MalformedError(ReasonCode.IAT, "mdoc[3]", "not whole seconds between 1970 and 9999")
    return Envelope(audience=audience, nonce=nonce, issued_at=issued_at), response


def _response(value: dict[Any, Any]) -> tuple[Document, ...]:
    read_version(value.get("version"), "mdoc")
    status, documents = value.get("status"), value.get("documents")
    if type(status) is not int or status != 0:
        raise MalformedError(ReasonCode.FORMAT, "mdoc.status", "the device says that it failed")
    if type(documents) is not list or not documents:
        raise MalformedError(ReasonCode.FORMAT, "mdoc.documents", "no documents")
    if len(documents) > _MAX_DOCUMENTS:
        raise MalformedError(ReasonCode.LIMIT, "mdoc.documents", f"more than {_MAX_DOCUMENTS} documents")
    return tuple(_document(one, f"documents[{index}]") for index, one in enumerate(documents))


def _document(value: Any, path: str) -> Document:
    if type(value) is not dict or not is_text(value.get("docType")):
        raise MalformedError(ReasonCode.FORMAT, path, "not a document with its type")
    signed = read_device_signed(value.get("deviceSigned"))
    return _issuer_signed(value.get("issuerSigned"), f"{path}.issuerSigned", value["docType"], signed)


def _issuer_signed(value: Any, path: str, doctype: str | None, device_signed: DeviceSigned | None) -> Document:
    if type(value) is not dict:
        raise MalformedError(ReasonCode.FORMAT, path, "not IssuerSigned")
    name_spaces = value.get("nameSpaces", {})
    if type(name_spaces) is not dict:
        raise MalformedError(ReasonCode.FORMAT, f"{path}.nameSpaces", "not a map")
    issuer_auth = read_sign1(value.get("issuerAuth"), path=f"{path}.issuerAuth", post_quantum=True)
    return Document(doctype=doctype, issuer_auth=issuer_auth, name_spaces=name_spaces, device_signed=device_signed)


def _name_spaces(items: Mapping[str, Sequence[bytes]]) -> bytes:
    members = sorted(encode(name) + array_head(len(listed)) + b"".join(listed) for name, listed in items.items())
    return map_head(len(members)) + b"".join(members)


def _carried(sign1: Sign1) -> bytes:
    """The COSE_Sign1 as the issuer signed it; of its unprotected header only the chain, since the rest is anybody's."""
    unprotected = {X5CHAIN: sign1.unprotected[X5CHAIN]} if X5CHAIN in sign1.unprotected else {}
    parts = (b"\x84", bstr(sign1.protected_raw), encode(unprotected), bstr(sign1.payload), bstr(sign1.signature))
    return b"".join(parts)
