"""The mobile security object of an mdoc (ISO/IEC 18013-5 clause 9.1.2.4): what the issuer signs.

It holds a digest for each data element, the device key, the document type, the validity and a status reference. It is
read strictly in what is acted on; members that the standard may add later are let be, as it says.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeGuard

from cryptography.hazmat.primitives.asymmetric import ec

from vcred.credential import StatusReference, token_status
from vcred.errors import MalformedError
from vcred.formats._cbor import Embedded, Tagged, bstr, decode, encode
from vcred.formats._wire import epoch
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vcred.credential import Content

__all__ = [
    "EMBEDDED",
    "MAX_DIGESTS",
    "VALUE_TAGS",
    "Mso",
    "array_head",
    "embed",
    "is_text",
    "map_head",
    "read_mso",
    "read_version",
    "unwrap",
    "write_mso",
]

MAX_DIGESTS: Final = 4096
"""Data elements, hidden ones and decoys included, in all namespaces together."""

EMBEDDED: Final = frozenset({24})
"""The tags allowed around data elements: an encoded item in a byte string."""

VALUE_TAGS: Final = frozenset({0, 24, 1004})
"""The tags allowed in the signed object and in values: time, encoded item, date."""

_TIME_TAG: Final = 0
_DIGEST_KEYS: Final = frozenset({int})
_BYTES: Final = frozenset({bytes})
_HASHES: Final[dict[str, tuple[Callable[..., Any], int]]] = {
    "SHA-256": (hashlib.sha256, 32),
    "SHA-384": (hashlib.sha384, 48),
    "SHA-512": (hashlib.sha512, 64),
}
_VERSION: Final = re.compile(r"1\.[0-9]{1,2}")
_TDATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_TDATE_LENGTH: Final = len("2026-01-01T00:00:00Z")
_LAST_SECOND: Final = 253402300799
_MAX_INDEX: Final = 2**32 - 1
_MAX_TEXT: Final = 2048
_MAX_DIGEST_ID: Final = 2**32 - 1
"""The standard says 31 bits; documents of a large issuer have 32."""
_COMPRESSED: Final[dict[int, Callable[[], ec.EllipticCurve]]] = {1: ec.SECP256R1, 2: ec.SECP384R1}


class Mso(NamedTuple):
    """A mobile security object, parsed and NOT verified. Times are seconds since 1970.

    ``hash`` is that of ``digests``, which are by namespace and digest ID. ``authorised`` is what the device key may
    sign elements of: whole namespaces, and (namespace, element) pairs.
    """

    doctype: str
    hash: Callable[..., Any]
    digests: Mapping[str, Mapping[int, bytes]]
    device_key: PublicKey
    authorised: frozenset[str | tuple[str, str]]
    signed: int
    valid_from: int
    valid_until: int
    status: StatusReference | None


def embed(raw: bytes) -> bytes:
    """``raw``, an encoded item, in a byte string with tag 24."""
    return b"\xd8\x18" + bstr(raw)


def array_head(count: int) -> bytes:
    """The head of an array of fewer than 65,536."""
    return _head(0x80, count)


def map_head(count: int) -> bytes:
    """The head of a map of fewer than 65,536."""
    return _head(0xA0, count)


def is_text(value: Any) -> TypeGuard[str]:
    """Whether ``value`` is text of 1 to 2,048 characters."""
    return type(value) is str and 0 < len(value) <= _MAX_TEXT


def read_version(value: Any, path: str) -> None:
    """Refuse every version but 1.x. Raises ``MalformedError`` with ``format``."""
    if type(value) is not str or not _VERSION.fullmatch(value):
        raise MalformedError(ReasonCode.FORMAT, f"{path}.version", "not version 1.x")


def write_mso(content: Content, doctype: str, digests: Mapping[str, bytes]) -> bytes:
    """The payload of issuerAuth: the object for ``content``, in a byte string with tag 24.

    ``digests`` are the encoded maps of digests by digest ID, by namespace. Raises ``ValueError`` for times no verifier
    would accept, or no holder key.
    """
    starts = content.issued_at if content.not_before is None else content.not_before
    if not 0 <= content.issued_at <= starts < content.expires_at <= _LAST_SECOND:
        raise ValueError("an mdoc is signed, then begins, then expires")
    if content.holder_key is None:
        raise ValueError("an mdoc is bound to a device key")
    validity = {
        "signed": _tdate(content.issued_at),
        "validFrom": _tdate(starts),
        "validUntil": _tdate(content.expires_at),
    }
    status = token_status(content.status)
    spaces = sorted(encode(namespace) + by_id for namespace, by_id in digests.items())
    # The members in the order of their keys (RFC 8949 section 4.2.1).
    parts = (
        b"\xa6" if status is None else b"\xa7\x66status",
        b"" if status is None else encode({"status_list": {"idx": status.index, "uri": status.uri}}),
        b"\x67docType" + encode(doctype),
        b"\x67version\x631.0",
        b"\x6cvalidityInfo" + encode(validity),
        b"\x6cvalueDigests" + map_head(len(spaces)) + b"".join(spaces),
        b"\x6ddeviceKeyInfo\xa1\x69deviceKey" + encode(content.holder_key.to_cose()),
        b"\x6fdigestAlgorithm\x67SHA-256",
    )
    return embed(b"".join(parts))


def unwrap(payload: bytes, path: str) -> bytes:
    """The encoded object in the payload of issuerAuth. Raises ``MalformedError``: ``cbor``, ``tag``, ``format``."""
    if payload[:3] == b"\xd8\x18\x59" and len(payload) == 5 + int.from_bytes(payload[3:5], "big"):
        return payload[5:]
    wrapped = decode(payload, path, max_bytes=len(payload), tags=EMBEDDED)
    if type(wrapped) is not Embedded:
        raise MalformedError(ReasonCode.FORMAT, path, "not in a byte string with tag 24")
    return wrapped.raw


def read_mso(value: Any, path: str) -> Mso:
    """Read a decoded object.

    Raises ``MalformedError``: ``format``, ``vct``, ``sd_alg``, ``limit``, ``digest``, ``cnf``, ``claim_type``,
    ``status_list``, ``status_index``.
    """
    mso = _map(value, path)
    read_version(mso.get("version"), path)
    doctype, name = mso.get("docType"), mso.get("digestAlgorithm")
    if not is_text(doctype):
        raise MalformedError(ReasonCode.VCT, f"{path}.docType", "not text")
    if type(name) is not str or name not in _HASHES:
        raise MalformedError(ReasonCode.SD_ALG, f"{path}.digestAlgorithm", "not SHA-256, SHA-384 or SHA-512")
    new, size = _HASHES[name]
    device_key, authorised = _device_key(mso.get("deviceKeyInfo"), f"{path}.deviceKeyInfo")
    signed, valid_from, valid_until = _validity(mso.get("validityInfo"), f"{path}.validityInfo")
    return Mso(
        doctype=doctype,
        hash=new,
        digests=_digests(mso.get("valueDigests"), size, f"{path}.valueDigests"),
        device_key=device_key,
        authorised=authorised,
        signed=signed,
        valid_from=valid_from,
        valid_until=valid_until,
        status=_status(mso["status"], f"{path}.status") if "status" in mso else None,
    )


def _head(major: int, count: int) -> bytes:
    if count < 24:
        return bytes((major | count,))
    return bytes((major | 24, count)) if count < 256 else bytes((major | 25,)) + count.to_bytes(2, "big")


def _map(value: Any, path: str, code: ReasonCode = ReasonCode.FORMAT) -> dict[Any, Any]:
    if type(value) is not dict:
        raise MalformedError(code, path, "not a map")
    return value


def _digests(value: Any, size: int, path: str) -> dict[str, dict[int, bytes]]:
    found: dict[str, dict[int, bytes]] = _map(value, path)
    sizes = {size}
    count = 0
    for namespace, digests in found.items():
        if not is_text(namespace) or type(digests) is not dict or not digests:
            raise MalformedError(ReasonCode.FORMAT, path, "not digests by namespace")
        count += len(digests)
        if count > MAX_DIGESTS:
            raise MalformedError(ReasonCode.LIMIT, path, f"more than {MAX_DIGESTS} digests")
        if not _DIGEST_KEYS.issuperset(map(type, digests)) or not 0 <= min(digests) <= max(digests) <= _MAX_DIGEST_ID:
            raise MalformedError(ReasonCode.DIGEST, path, "a digest ID that is no integer of 32 bits")
        if not _BYTES.issuperset(map(type, digests.values())) or set(map(len, digests.values())) != sizes:
            raise MalformedError(ReasonCode.DIGEST, path, f"not digests of {size} bytes")
    return found


def _device_key(value: Any, path: str) -> tuple[PublicKey, frozenset[str | tuple[str, str]]]:
    info = _map(value, path, ReasonCode.CNF)
    key = _map(info.get("deviceKey"), f"{path}.deviceKey", ReasonCode.CNF)
    try:
        found = PublicKey.from_cose(_decompressed(key), path=f"{path}.deviceKey")
    except MalformedError as error:
        raise MalformedError(ReasonCode.CNF, error.path, error.detail) from None
    if "keyAuthorizations" not in info:
        return found, frozenset()
    return found, _authorised(info["keyAuthorizations"], f"{path}.keyAuthorizations")


def _decompressed(key: dict[Any, Any]) -> dict[Any, Any]:
    """``key`` with its y in full: COSE allows the sign alone (RFC 9053 section 7.1.1)."""
    curve = _COMPRESSED.get(key[-1]) if type(key.get(-1)) is int else None
    if curve is None or type(key.get(-3)) is not bool or type(key.get(-2)) is not bytes:
        return key
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(curve(), bytes((2 + key[-3],)) + key[-2])
    except ValueError:
        return key
    return {**key, -3: PublicKey(point).to_cose()[-3]}


def _authorised(value: Any, path: str) -> frozenset[str | tuple[str, str]]:
    found = _map(value, path)
    whole, parts = found.get("nameSpaces", []), found.get("dataElements", {})
    if type(whole) is not list or type(parts) is not dict:
        raise MalformedError(ReasonCode.FORMAT, path, "not namespaces and data elements")
    pairs = [(one, name) for one, names in parts.items() if type(names) is list for name in names]
    if not all(map(is_text, whole)) or not all(is_text(one) and is_text(name) for one, name in pairs):
        raise MalformedError(ReasonCode.FORMAT, path, "a name that is not text")
    return frozenset((*whole, *pairs))


def _validity(value: Any, path: str) -> tuple[int, int, int]:
    info = _map(value, path, ReasonCode.CLAIM_TYPE)
    signed, starts, ends = (_time(info.get(name), f"{path}.{name}") for name in ("signed", "validFrom", "validUntil"))
    if not max(signed, starts) < ends:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.validUntil", "it expires before it begins")
    return signed, starts, ends


def _time(value: Any, path: str) -> int:
    text = value.value if type(value) is Tagged and value.tag == _TIME_TAG else None
    found = _seconds(text) if type(text) is str and len(text) == _TDATE_LENGTH else -1
    if found < 0:
        raise MalformedError(ReasonCode.CLAIM_TYPE, path, "not a tdate of whole seconds in UTC, from 1970 on")
    return found


@lru_cache(maxsize=256)
def _seconds(tdate: str) -> int:
    """Times repeat, because issuers make them coarse. -1 for what is no tdate, or no day or hour that exists."""
    try:
        return epoch(datetime.fromisoformat(tdate)) if _TDATE.fullmatch(tdate) else -1
    except ValueError:
        return -1


@lru_cache(maxsize=256)
def _tdate(seconds: int) -> Tagged:
    return Tagged(_TIME_TAG, datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def _status(value: Any, path: str) -> StatusReference:
    # Some other kind of status could say that the document is revoked, so it is never read over.
    reference = value.get("status_list") if type(value) is dict else None
    if type(reference) is not dict or not is_text(reference.get("uri")):
        raise MalformedError(ReasonCode.STATUS_LIST, path, "not a status_list with idx and uri")
    index = reference.get("idx")
    if type(index) is not int or not 0 <= index <= _MAX_INDEX:
        raise MalformedError(ReasonCode.STATUS_INDEX, path, "idx is not an index")
    return StatusReference(uri=reference["uri"], index=index)
