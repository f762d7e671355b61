"""What a desk writes down about a verdict: records in a hash chain, and the seals that sign its head.

An entry is one JSON object, its members sorted, kept as the bytes that were written. It names the SHA-256 of the entry
before it, so that none can be changed, left out or moved without every later one changing. Four rules about persons:

1. No claim, no reason's path, no status index and no key or nonce of the holder is in an entry: only the outcome,
   reason codes, certificate types, and by which key and on which day each certificate was issued.
2. Of what was presented an entry has a commitment: SHA-256 over 32 random bytes and the answer.
3. The random bytes and the answer are kept together, outside the chain, for as long as the policy says. Without them
   the commitment says nothing about anybody, and the chain is whole as before.
4. Under a policy that keeps nothing (``retention.days`` 0) neither is ever written. The holder's proof is the receipt.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError
from vcred.formats import _cbor
from vcred.formats._jose import Jws, parse_jws, sign_jws, verify_jws, x5c_of
from vcred.formats._wire import dump_json, epoch, parse_json
from vcred.presentation import Presentation, Presented
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from vcred.keys import PublicKey
    from verifier.identity import ReaderIdentity
    from verifier.judge import Judgement

__all__ = ["MAX_ANSWER", "SEAL_TYP", "Entry", "Kept", "Kind", "Seal", "Shown", "digest", "sign_seal"]

SEAL_TYP: Final = "vcred-evidence-seal+jwt"
MAX_ANSWER: Final = 512 * 1024
"""Bytes of an answer that can be kept; one that came as QR codes has at most an eighth of it."""

_FORMAT: Final = 1
_MAX_ENTRY: Final = 256 * 1024
_MAX_SEAL: Final = 32 * 1024
_SALT: Final = 32
_MAX_NUMBER: Final = 253_402_300_799
_NO_TAGS: Final[frozenset[int]] = frozenset()
_ONE_WAY, _TOKENS, _SHEET = 1, 2, 3
_MEMBERS: Final = {
    "archive": {"id", "reader", "recipient"},
    "verdict": {"answer", "known", "policy", "reference_date", "request", "trust", "verdict"},
    "destroyed": {"records", "reason"},
}
_COMMON: Final = {"at", "format", "kind", "previous", "sequence", "software"}


class Kind(StrEnum):
    """``ARCHIVE`` is the first entry of all; ``DESTROYED`` says which answers were shredded."""

    ARCHIVE = "archive"
    VERDICT = "verdict"
    DESTROYED = "destroyed"


class Kept(StrEnum):
    """Whether the answer of a verdict was put aside, and if not, why not."""

    YES = "yes"
    POLICY = "policy"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry, as it was written. ``body`` has the members of its kind."""

    sequence: int
    kind: Kind
    at: int
    previous: str
    software: str
    body: Mapping[str, Any] = field(repr=False)
    raw: bytes = field(repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> Entry:
        """Read the bytes of an entry. Raises ``MalformedError`` for anything but what ``write`` writes."""
        value = parse_json(raw, "entry", max_bytes=_MAX_ENTRY, max_depth=8)
        if not isinstance(value, dict) or dump_json(_sorted(value)) != raw:
            raise MalformedError(ReasonCode.FORMAT, "entry", "not an object in its canonical form")
        kind = value.get("kind")
        if not isinstance(kind, str) or kind not in _MEMBERS or set(value) != _COMMON | _MEMBERS[kind]:
            raise MalformedError(ReasonCode.FORMAT, "entry", "the members are not those of its kind")
        if value["format"] != _FORMAT or not _is_number(value["at"]) or not _is_number(value["sequence"]):
            raise MalformedError(ReasonCode.FORMAT, "entry", "another format, or a number that is none")
        if not isinstance(value["previous"], str) or not isinstance(value["software"], str):
            raise MalformedError(ReasonCode.FORMAT, "entry", "a text that is none")
        return cls(
            sequence=value["sequence"],
            kind=Kind(kind),
            at=value["at"],
            previous=value["previous"],
            software=value["software"],
            body={name: value[name] for name in _MEMBERS[kind]},
            raw=raw,
        )

    @classmethod
    def write(
        cls, kind: Kind, *, sequence: int, at: int, previous: str, software: str, body: Mapping[str, Any]
    ) -> Entry:
        """An entry, in its canonical form."""
        common = {"format": _FORMAT, "kind": kind.value, "sequence": sequence, "at": at, "previous": previous}
        return cls.parse(dump_json(_sorted({**common, "software": software, **body})))

    @property
    def hash(self) -> str:
        """What the next entry calls ``previous``."""
        return digest(self.raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What was presented, with the random bytes that its commitment hides it behind."""

    salt: bytes = field(repr=False)
    answer: bytes = field(repr=False)

    @classmethod
    def of(cls, judgement: Judgement) -> Shown:
        """The answer or the sheet of a verdict; what could not be read, as it came."""
        presentation = judgement.result.presentation
        if judgement.sheet is not None:
            answer = _cbor.encode({_SHEET: judgement.sheet})
        elif presentation is None:
            answer = judgement.received
        else:
            tokens = {query: [[one.format, one.raw] for one in many] for query, many in presentation.tokens.items()}
            answer = _cbor.encode({_ONE_WAY: presentation.one_way_nonce, _TOKENS: tokens})
        return cls(salt=secrets.token_bytes(_SALT), answer=answer)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Shown:
        """What ``to_bytes`` gave."""
        return cls(salt=raw[:_SALT], answer=raw[_SALT:])

    def to_bytes(self) -> bytes:
        """The random bytes and the answer."""
        return self.salt + self.answer

    @property
    def commitment(self) -> str:
        """What the chain has of it."""
        return digest(self.to_bytes())

    def read(self) -> Presentation | bytes:
        """The answer, or the sheet of paper. Raises ``MalformedError``."""
        body = _cbor.decode(self.answer, "answer", max_bytes=MAX_ANSWER, tags=_NO_TAGS)
        sheet = body.get(_SHEET) if isinstance(body, dict) and set(body) == {_SHEET} else None
        if isinstance(sheet, bytes):
            return sheet
        if not isinstance(body, dict) or set(body) != {_ONE_WAY, _TOKENS} or not isinstance(body[_TOKENS], dict):
            raise MalformedError(ReasonCode.FORMAT, "answer", "neither an answer nor a sheet")
        try:
            tokens = {
                query: tuple(Presented(format=form, raw=bytes(raw)) for form, raw in many)
                for query, many in body[_TOKENS].items()
            }
        except (TypeError, ValueError):
            raise MalformedError(ReasonCode.FORMAT, "answer", "not presentations by query") from None
        return Presentation(tokens=tokens, one_way_nonce=body[_ONE_WAY])


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The desk's signature under the chain so far: ``records`` entries, the last of which hashes to ``head``."""

    client_id: str
    issued_at: int
    archive: str
    records: int
    head: str
    x5c: tuple[bytes, ...] = field(repr=False)
    raw: bytes = field(repr=False)
    jws: Jws = field(repr=False)

    @classmethod
    def parse(cls, token: bytes) -> Seal:
        """Read a compact JWS. Raises ``MalformedError``. Nothing about its signature is checked."""
        jws = parse_jws(token, path="seal", typ=SEAL_TYP, max_bytes=_MAX_SEAL)
        body = parse_json(jws.payload, "seal", max_bytes=_MAX_SEAL, max_depth=2)
        kinds = {"iss": str, "iat": int, "archive": str, "records": int, "head": str}
        if not isinstance(body, dict) or {name: type(value) for name, value in body.items()} != kinds:
            raise MalformedError(ReasonCode.FORMAT, "seal", "members are not exactly " + ", ".join(kinds))
        if not _is_number(body["iat"]) or not _is_number(body["records"]):
            raise MalformedError(ReasonCode.FORMAT, "seal", "a number out of range")
        return cls(
            client_id=body["iss"],
            issued_at=body["iat"],
            archive=body["archive"],
            records=body["records"],
            head=body["head"],
            x5c=x5c_of(jws.header, "seal"),
            raw=token,
            jws=jws,
        )

    def verify_by(self, key: PublicKey) -> None:
        """Check the signature. Raises ``RefusedError``."""
        verify_jws(self.jws, key)


def sign_seal(identity: ReaderIdentity, *, archive: str, records: int, head: str, at: datetime) -> Seal:
    """Make a seal. The reader's certificates go with it, because no bundle will list them for ever."""
    from vcred._members import signer_header  # noqa: PLC0415 - seals are rare

    header = signer_header(SEAL_TYP, identity.signer.public_key, identity.client_id, identity.chain)
    body = {"iss": identity.client_id, "iat": epoch(at), "archive": archive, "records": records, "head": head}
    return Seal.parse(sign_jws(header, dump_json(body), identity.signer))


def digest(raw: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(raw).hexdigest()


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MAX_NUMBER


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value
