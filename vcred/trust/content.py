"""The target files of a bundle that say whom to trust: ``authorities.json`` and ``meta.json``, strictly read.

Both are signed by the bundle's maker, so what is wrong with them is our trust data being wrong: ``TrustError``.
Nothing is unknown, an empty list never means "all", and nothing is optional but an authority's ``profile``: it is there
only when it is not ours, so that software which knows no other refuses the list and does not misread it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from vcred.errors import MalformedError, TrustError
from vcred.formats._wire import b64u_decode, b64u_encode, dump_json, parse_json
from vcred.trust.bare import BareKey, check_keys, key_json, read_key
from vcred.trust.profile import MAX_CHAIN, CertificateProfile, Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "AUTHORITIES_FILE",
    "META_FILE",
    "STATUS_FOLDER",
    "Authority",
    "Meta",
    "Names",
    "ReaderEntry",
    "Withdrawal",
    "WithdrawalReason",
    "dump_authorities",
    "dump_meta",
    "parse_authorities",
    "parse_meta",
    "status_file",
]

AUTHORITIES_FILE = "authorities.json"
META_FILE = "meta.json"
STATUS_FOLDER = "status/"

_MAX_BYTES = 8 * 1024 * 1024
_MAX_ITEMS = 4096
_MAX_TIME = 253402300799
_TYPE = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")
_KID = re.compile(r"[0-9a-f]{16}")
_T = TypeVar("_T")
_POLICY = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """A display name in Korean and English."""

    ko: str
    en: str

    def text(self, lang: str) -> str:
        """The name in ``ko`` or ``en``."""
        if lang not in ("ko", "en"):
            raise ValueError("lang is 'ko' or 'en'")
        return self.ko if lang == "ko" else self.en


class WithdrawalReason(StrEnum):
    """Why a key is no longer used. What was issued before stays valid only after ``SUPERSEDED``."""

    SUPERSEDED = "superseded"
    COMPROMISED = "compromised"


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A key (of a signer, a CA or a root) that is withdrawn, or the whole authority when ``kid`` is ``None``."""

    kid: bytes | None
    at: int
    reason: WithdrawalReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Who may sign what. ``signers`` are chains, leaf first and without the root, in no particular order.

    ``keys`` are those it has without a certificate, but for those of a DID: ``vcred.trust.bare.keys_of`` has them all.
    ``did_document`` is the pinned document of a ``did:web``, as it was received.
    ``status_uris`` are the status lists the authority answers for: a URI, or a prefix that ends in ``/``.
    ``profile`` is how its certificates are read.
    """

    id: str
    names: Names
    purpose: Purpose
    anchors: tuple[bytes, ...] = field(repr=False)
    signers: tuple[tuple[bytes, ...], ...] = field(repr=False)
    kids: tuple[bytes, ...]
    types: frozenset[str]
    status_uris: tuple[str, ...]
    valid_from: int
    valid_until: int
    test: bool
    withdrawn: tuple[Withdrawal, ...] = ()
    keys: tuple[BareKey, ...] = ()
    did_document: bytes | None = field(default=None, repr=False)
    profile: CertificateProfile = CertificateProfile.VCRED

    def name(self, lang: str) -> str:
        """The display name in ``ko`` or ``en``."""
        return self.names.text(lang)

    def answers_for(self, uri: str) -> bool:
        """Whether the status list at ``uri`` is this authority's to sign."""
        return any(uri == own or (own.endswith("/") and uri.startswith(own)) for own in self.status_uris)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderEntry:
    """A registered reader: its certificate, how to name it, and the policies it is registered for."""

    names: Names
    certificate: bytes = field(repr=False)
    policies: frozenset[str]
    test: bool
    withdrawn_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """About the trust list itself: its name, whether it is for real use, and when it was made."""

    names: Names
    production: bool
    listed_at: int


def parse_authorities(raw: bytes) -> tuple[tuple[Authority, ...], tuple[ReaderEntry, ...]]:
    """Read ``authorities.json``. Raises ``TrustError``."""
    body = _object(_json(raw, AUTHORITIES_FILE), AUTHORITIES_FILE, "format", "authorities", "readers")
    if body["format"] != 1:
        _wrong(AUTHORITIES_FILE, "format")
    authorities = _each(body["authorities"], "authorities", _authority)
    if len({authority.id for authority in authorities}) != len(authorities):
        _wrong("authorities", "an id appears twice")
    readers = _each(body["readers"], "readers", _reader)
    if len({reader.certificate for reader in readers}) != len(readers):
        _wrong("readers", "a certificate appears twice")
    return authorities, readers


def dump_authorities(authorities: Sequence[Authority], readers: Sequence[ReaderEntry]) -> bytes:
    """``authorities.json`` as ``parse_authorities`` reads it."""
    return dump_json(
        {
            "format": 1,
            "authorities": [_authority_json(authority) for authority in authorities],
            "readers": [
                {
                    "name": {"ko": reader.names.ko, "en": reader.names.en},
                    "certificate": b64u_encode(reader.certificate),
                    "policies": sorted(reader.policies),
                    "test": reader.test,
                    "withdrawn_at": reader.withdrawn_at,
                }
                for reader in readers
            ],
        }
    )


def parse_meta(raw: bytes) -> Meta:
    """Read ``meta.json``. Raises ``TrustError``."""
    body = _object(_json(raw, META_FILE), META_FILE, "format", "name", "production", "listed_at")
    if body["format"] != 1:
        _wrong(META_FILE, "format")
    return Meta(
        names=_names(body["name"], "name"),
        production=_flag(body["production"], "production"),
        listed_at=_time(body["listed_at"], "listed_at"),
    )


def dump_meta(meta: Meta) -> bytes:
    """``meta.json`` as ``parse_meta`` reads it."""
    return dump_json(
        {
            "format": 1,
            "name": {"ko": meta.names.ko, "en": meta.names.en},
            "production": meta.production,
            "listed_at": meta.listed_at,
        }
    )


def status_file(uri: str) -> str:
    """The file that holds the Status List Token of ``uri``."""
    return f"{STATUS_FOLDER}{hashlib.sha256(uri.encode()).hexdigest()[:32]}.cwt"


def _authority_json(authority: Authority) -> dict[str, Any]:
    ours = authority.profile is CertificateProfile.VCRED
    return ({} if ours else {"profile": authority.profile.value}) | {
        "id": authority.id,
        "name": {"ko": authority.names.ko, "en": authority.names.en},
        "purpose": authority.purpose.value,
        "anchors": [b64u_encode(der) for der in authority.anchors],
        "signers": [
            {"kid": kid.hex(), "chain": [b64u_encode(der) for der in chain]}
            for kid, chain in zip(authority.kids, authority.signers, strict=True)
        ],
        "keys": [key_json(key) for key in authority.keys],
        "did_document": None if authority.did_document is None else authority.did_document.decode(),
        "types": sorted(authority.types),
        "status_uris": list(authority.status_uris),
        "valid_from": authority.valid_from,
        "valid_until": authority.valid_until,
        "test": authority.test,
        "withdrawn": [
            {"kid": None if each.kid is None else each.kid.hex(), "at": each.at, "reason": each.reason.value}
            for each in authority.withdrawn
        ],
    }


_AUTHORITY = (
    "id",
    "name",
    "purpose",
    "anchors",
    "signers",
    "keys",
    "did_document",
    "types",
    "status_uris",
    "valid_from",
    "valid_until",
    "test",
    "withdrawn",
)


def _authority(value: Any, path: str) -> Authority:
    profiled = isinstance(value, dict) and "profile" in value
    body = _object(value, path, *_AUTHORITY, *(["profile"] if profiled else []))
    if body["purpose"] not in list(Purpose):
        _wrong(path, "purpose")
    # Ours is not written: an entry has one form.
    if profiled and body["profile"] not in (CertificateProfile.ISO.value, CertificateProfile.HAIP.value):
        _wrong(path, "profile")
    signers = _each(body["signers"], f"{path}.signers", _signer)
    authority = Authority(
        id=_uri(body["id"], f"{path}.id"),
        names=_names(body["name"], f"{path}.name"),
        purpose=Purpose(body["purpose"]),
        anchors=_each(body["anchors"], f"{path}.anchors", _der),
        signers=tuple(chain for _, chain in signers),
        kids=tuple(kid for kid, _ in signers),
        types=frozenset(_each(body["types"], f"{path}.types", _type)),
        status_uris=_each(body["status_uris"], f"{path}.status_uris", _uri),
        valid_from=_time(body["valid_from"], f"{path}.valid_from"),
        valid_until=_time(body["valid_until"], f"{path}.valid_until"),
        test=_flag(body["test"], f"{path}.test"),
        withdrawn=_each(body["withdrawn"], f"{path}.withdrawn", _withdrawal),
        keys=_each(body["keys"], f"{path}.keys", _key),
        did_document=_document(body["did_document"], f"{path}.did_document"),
        profile=CertificateProfile(body.get("profile", CertificateProfile.VCRED)),
    )
    if profiled and not authority.anchors:
        _wrong(path, "a profile is of certificates, and there is no anchor")
    try:
        check_keys(authority)
    except MalformedError as error:
        _wrong(path, str(error))
    if len(set(authority.anchors)) != len(authority.anchors):
        _wrong(path, "an anchor appears twice")
    if (authority.purpose is Purpose.ISSUER) != bool(authority.types):
        _wrong(path, "issuers, and only they, name the types they sign")
    if authority.valid_from >= authority.valid_until:
        _wrong(path, "validity is not in order")
    return authority


def _signer(value: Any, path: str) -> tuple[bytes, tuple[bytes, ...]]:
    body = _object(value, path, "kid", "chain")
    chain = _each(body["chain"], f"{path}.chain", _der)
    if not 1 <= len(chain) <= MAX_CHAIN:
        _wrong(path, "chain")
    return _kid(body["kid"], f"{path}.kid"), chain


def _key(value: Any, path: str) -> BareKey:
    try:
        return read_key(value, path)
    except MalformedError as error:
        raise TrustError(f"the bundle is wrong: {error}") from error


def _document(value: Any, path: str) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str):
        _wrong(path, "not the text of a document")
    return value.encode()


def _withdrawal(value: Any, path: str) -> Withdrawal:
    body = _object(value, path, "kid", "at", "reason")
    if body["reason"] not in list(WithdrawalReason):
        _wrong(path, "reason")
    return Withdrawal(
        kid=None if body["kid"] is None else _kid(body["kid"], f"{path}.kid"),
        at=_time(body["at"], f"{path}.at"),
        reason=WithdrawalReason(body["reason"]),
    )


def _reader(value: Any, path: str) -> ReaderEntry:
    body = _object(value, path, "name", "certificate", "policies", "test", "withdrawn_at")
    withdrawn = body["withdrawn_at"]
    return ReaderEntry(
        names=_names(body["name"], f"{path}.name"),
        certificate=_der(body["certificate"], f"{path}.certificate"),
        policies=frozenset(_each(body["policies"], f"{path}.policies", _policy)),
        test=_flag(body["test"], f"{path}.test"),
        withdrawn_at=None if withdrawn is None else _time(withdrawn, f"{path}.withdrawn_at"),
    )


def _json(raw: bytes, path: str) -> Any:
    try:
        return parse_json(raw, path, max_bytes=_MAX_BYTES, max_depth=12)
    except MalformedError as error:
        raise TrustError(f"the bundle is wrong: {error}") from error


def _wrong(path: str, detail: str) -> NoReturn:
    raise TrustError(f"the bundle is wrong: {path}: {detail}")


def _object(value: Any, path: str, *members: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(members):
        _wrong(path, "members are not exactly " + ", ".join(members))
    return value


def _each(value: Any, path: str, read: Callable[[Any, str], _T]) -> tuple[_T, ...]:
    if not isinstance(value, list) or len(value) > _MAX_ITEMS:
        _wrong(path, "not a list within the limit")
    return tuple(read(item, f"{path}[{index}]") for index, item in enumerate(value))


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 512 or not value.isprintable():
        _wrong(path, "not a text")
    return value


def _names(value: Any, path: str) -> Names:
    body = _object(value, path, "ko", "en")
    return Names(ko=_text(body["ko"], f"{path}.ko"), en=_text(body["en"], f"{path}.en"))


def _uri(value: Any, path: str) -> str:
    text = _text(value, path)
    if ":" not in text or " " in text or not text.isascii():
        _wrong(path, "not a URI")
    return text


def _time(value: Any, path: str) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_TIME:
        _wrong(path, "not a time in seconds since 1970")
    return value


def _flag(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        _wrong(path, "not a boolean")
    return value


def _type(value: Any, path: str) -> str:
    if not isinstance(value, str) or not _TYPE.fullmatch(value):
        _wrong(path, "not a certificate type code")
    return value


def _policy(value: Any, path: str) -> str:
    if not isinstance(value, str) or not _POLICY.fullmatch(value):
        _wrong(path, "not a policy id")
    return value


def _kid(value: Any, path: str) -> bytes:
    if not isinstance(value, str) or not _KID.fullmatch(value):
        _wrong(path, "not a key id in hexadecimal")
    return bytes.fromhex(value)


def _der(value: Any, path: str) -> bytes:
    if not isinstance(value, str):
        _wrong(path, "not a certificate")
    try:
        return b64u_decode(value, path)
    except MalformedError as error:
        raise TrustError(f"the bundle is wrong: {error}") from error
