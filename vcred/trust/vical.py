"""VICAL (ISO/IEC 18013-5 annex C): the list of issuing authorities that readers of mobile documents know.

A COSE_Sign1 over a map; each entry is a CA's certificate and the document types it may certify. ``parse_vical`` reads
one strictly, ``verify_vical`` decides whether it may be used, ``vical_build.build_vical`` writes ours.

What an entry says of its certificate (serial number, key identifier, names) has to be what the certificate says, or the
list is refused; its dates are not looked at, since published lists have them hours wrong, and the certificate's own
count. Tags are 0 (times) and 2 (serial numbers), and no other. Members that annex C does not know are let be, as it
says. The largest public list wraps key identifiers in one or two OCTET STRINGs, which is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn

from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import Tagged, decode
from vcred.formats._cose import Sign1, chain_of, parse_sign1, verify_sign1
from vcred.formats._wire import epoch
from vcred.reasons import ReasonCode
from vcred.trust.foreign import key_identifier, read_foreign, signer_key
from vcred.trust.lote_verify import check_times

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from vcred.keys import PublicKey

__all__ = [
    "MAX_VICAL_BYTES",
    "VICAL_SIGNER",
    "VerifiedVical",
    "Vical",
    "VicalEntry",
    "parse_vical",
    "verify_vical",
]

MAX_VICAL_BYTES: Final = 4 * 1024 * 1024
VICAL_SIGNER: Final = "1.0.18013.5.1.8"
"""The extended key usage of whoever signs such lists."""

_MAX_ENTRIES: Final = 4096
_MAX_SERIAL: Final = 32
_MAX_TEXT: Final = 1024
_TIME_TAG: Final = 0
_NUMBER_TAG: Final = 2
_TAGS: Final = frozenset({_TIME_TAG, _NUMBER_TAG})
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_OCTETS: Final = 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class VicalEntry:
    """A CA and the document types it may certify. Dates are those of the certificate."""

    certificate: bytes = field(repr=False)
    serial: int
    ski: bytes
    doctypes: tuple[str, ...]
    profiles: tuple[str, ...]
    authority: str | None
    country: str | None
    state: str | None
    not_before: int
    not_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vical:
    """A list, parsed and NOT verified. ``issue_id`` and ``next_update`` are optional in the standard."""

    provider: str
    issue_id: int | None
    issued_at: int
    next_update: int | None
    entries: tuple[VicalEntry, ...]
    chain: tuple[bytes, ...] = field(repr=False)
    sign1: Sign1 = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedVical:
    """A list whose signature, signer, issue number and time were checked, and when that was."""

    vical: Vical
    signer: PublicKey
    at: int

    def anchors(self, doctype: str) -> tuple[bytes, ...]:
        """The certificates (DER) of the CAs for ``doctype`` that are valid at the time of the check."""
        return tuple(
            entry.certificate
            for entry in self.vical.entries
            if doctype in entry.doctypes and entry.not_before <= self.at <= entry.not_after
        )


def parse_vical(raw: bytes) -> Vical:
    """Read a list; its signature is NOT checked here.

    Raises ``MalformedError``: ``size``, ``cbor``, ``depth``, ``tag``, ``format``, ``alg``, ``crit``, ``kid``,
    ``limit``, ``chain`` for a certificate that cannot be read or is not the one its entry describes.
    """
    sign1 = parse_sign1(raw, path="vical", max_bytes=MAX_VICAL_BYTES)
    body = _map(decode(sign1.payload, "vical.payload", max_bytes=MAX_VICAL_BYTES, max_depth=8, tags=_TAGS), "vical")
    if body.get("version") != "1.0":
        _wrong("vical.version", "this version is not known")
    infos = body.get("certificateInfos")
    if not isinstance(infos, list):
        _wrong("vical.certificateInfos", "not a list")
    if len(infos) > _MAX_ENTRIES:
        raise MalformedError(ReasonCode.LIMIT, "vical.certificateInfos", f"more than {_MAX_ENTRIES} entries")
    entries = tuple(_entry(info, f"vical.certificateInfos[{index}]") for index, info in enumerate(infos))
    if len({entry.certificate for entry in entries}) != len(entries):
        _wrong("vical.certificateInfos", "a certificate appears twice")
    return Vical(
        provider=_text(body.get("vicalProvider"), "vical.vicalProvider"),
        issue_id=_optional(body, "vicalIssueID", _number, "vical"),
        issued_at=_time(body.get("date"), "vical.date"),
        next_update=_optional(body, "nextUpdate", _time, "vical"),
        entries=entries,
        chain=chain_of(sign1, "vical.x5chain"),
        sign1=sign1,
    )


def verify_vical(
    vical: Vical,
    *,
    keys: Collection[PublicKey],
    anchors: Collection[bytes],
    stored_issue: int | None,
    at: datetime,
) -> VerifiedVical:
    """Check ``vical`` at ``at``; ``keys`` and ``anchors`` (DER) are the pinned ones, and with none nothing is trusted.

    The signer is a pinned key, a pinned certificate, or has a path to one and is certified to sign VICALs.
    ``stored_issue`` is the number of the last list that was used, ``None`` before the first.
    Raises ``RefusedError``: ``untrusted``, ``chain``, ``key``, ``limit``, ``alg``, ``signature``, ``rollback``,
    ``clock``, ``stale`` (also for a list that does not say when the next one is due).
    """
    now = epoch(at)
    if vical.chain:
        key, pinned = signer_key(vical.chain, keys=keys, anchors=anchors, at=at, path="vical.x5chain")
        if not pinned and vical.chain[0] not in anchors:
            _check_usage(vical.chain[0])
    else:
        key = _named(vical, keys)
    verify_sign1(vical.sign1, key)
    check_times(vical.issue_id, vical.issued_at, vical.next_update, stored=stored_issue, now=now, path="vical")
    return VerifiedVical(vical=vical, signer=key, at=now)


def _named(vical: Vical, keys: Collection[PublicKey]) -> PublicKey:
    found = [key for key in keys if vical.sign1.kid in (None, key.kid)]
    if len(found) != 1:
        raise RefusedError(ReasonCode.UNTRUSTED, "vical.kid", "the header names no key that is pinned")
    return found[0]


def _check_usage(leaf: bytes) -> None:
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    extensions = read_foreign(leaf, "vical.x5chain[0]").extensions
    usages = [each.value for each in extensions if isinstance(each.value, x509.ExtendedKeyUsage)]
    if not any(x509.ObjectIdentifier(VICAL_SIGNER) in usage for usage in usages):
        raise RefusedError(ReasonCode.CHAIN, "vical.x5chain[0]", "the certificate is not for signing such lists")


def _entry(value: Any, path: str) -> VicalEntry:
    info = _map(value, path)
    der = _bytes(info.get("certificate"), f"{path}.certificate")
    certificate = read_foreign(der, f"{path}.certificate")
    ski = _bytes(info.get("ski"), f"{path}.ski")
    own = key_identifier(certificate)
    if own is not None and own not in _unwrapped(ski):
        raise MalformedError(ReasonCode.CHAIN, f"{path}.ski", "not the certificate's")
    serial = _serial(info.get("serialNumber"), f"{path}.serialNumber")
    if serial != certificate.serial_number:
        raise MalformedError(ReasonCode.CHAIN, f"{path}.serialNumber", "not the certificate's")
    for name, said in (("issuer", certificate.issuer), ("subject", certificate.subject)):
        if name in info and info[name] != said.public_bytes():
            raise MalformedError(ReasonCode.CHAIN, f"{path}.{name}", "not the certificate's")
    return VicalEntry(
        certificate=der,
        serial=serial,
        ski=own or ski,
        doctypes=_texts(info.get("docType"), f"{path}.docType"),
        profiles=_optional(info, "certificateProfile", _texts, path) or (),
        authority=_optional(info, "issuingAuthority", _text, path),
        country=_optional(info, "issuingCountry", _text, path),
        state=_optional(info, "stateOrProvinceName", _text, path),
        not_before=epoch(certificate.not_valid_before_utc),
        not_after=epoch(certificate.not_valid_after_utc),
    )


def _unwrapped(ski: bytes) -> list[bytes]:
    """``ski`` itself, and what is in it when it is one OCTET STRING, or two, in DER."""
    found = [ski]
    while len(found) <= 2 and len(ski) >= 2 and ski[0] == _OCTETS and ski[1] == len(ski) - 2 < 0x80:
        ski = ski[2:]
        found.append(ski)
    return found


def _wrong(path: str, detail: str) -> NoReturn:
    raise MalformedError(ReasonCode.FORMAT, path, detail)


def _map(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict) or any(not isinstance(name, str) for name in value):
        _wrong(path, "not a map with names")
    return value


def _optional(members: dict[str, Any], name: str, read: Callable[[Any, str], Any], path: str) -> Any:
    return read(members[name], f"{path}.{name}") if name in members else None


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
        _wrong(path, f"not a text of 1 to {_MAX_TEXT} characters")
    return value


def _texts(value: Any, path: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        _wrong(path, "not a list of one or more")
    if len(value) > _MAX_ENTRIES:
        raise MalformedError(ReasonCode.LIMIT, path, f"more than {_MAX_ENTRIES} texts")
    return tuple(_text(each, path) for each in value)


def _bytes(value: Any, path: str) -> bytes:
    if not isinstance(value, bytes) or not value:
        _wrong(path, "not a byte string")
    return value


def _number(value: Any, path: str) -> int:
    if type(value) is not int or value < 0:
        _wrong(path, "not a number")
    return value


def _serial(value: Any, path: str) -> int:
    """A serial number: a bignum, or the integer that a small one is written as (RFC 8949 section 3.4.3)."""
    if isinstance(value, Tagged) and value.tag == _NUMBER_TAG and isinstance(value.value, bytes):
        if len(value.value) > _MAX_SERIAL:
            raise MalformedError(ReasonCode.LIMIT, path, f"more than {_MAX_SERIAL} bytes")
        return int.from_bytes(value.value, "big")
    return _number(value, path)


def _time(value: Any, path: str) -> int:
    """A ``tdate``: RFC 3339 in UTC with whole seconds (ISO/IEC 18013-5 clause 7.2.1)."""
    if not isinstance(value, Tagged) or value.tag != _TIME_TAG:
        _wrong(path, "not a time")
    if not isinstance(value.value, str) or not _TIME.fullmatch(value.value):
        _wrong(path, "not a time as YYYY-MM-DDThh:mm:ssZ")
    try:
        return epoch(datetime.strptime(value.value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC))
    except ValueError:
        _wrong(path, "no such time")
