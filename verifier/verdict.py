"""The body of a verdict's entry: what was decided, under what, as it is written and as it is read again."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from vcred.errors import MalformedError
from vcred.formats._wire import epoch
from vcred.reasons import Outcome, ReasonCode
from verifier.evidence import Kept
from verifier.result import Assurance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from verifier.judge import Judgement
    from verifier.result import VerificationResult

__all__ = ["CertificateFact", "RecordedVerdict", "TrustState", "certificates_of", "findings_of", "trust_of"]

_HEX = re.compile(r"[0-9a-f]{64}")
_KID = re.compile(r"[0-9a-f]{16}")
_MAX_TIME = 253_402_300_799
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustState:
    """Which trust was used: SHA-256 of the bundle's file, of the pinned root, and of status lists added to it."""

    pack: str
    root: str
    status: tuple[str, ...]
    version: int
    signed_at: int
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFact:
    """One certificate without its claims. Issuer, key (``kid``, in hexadecimal) and day only of a verified signature:
    what a stranger writes into a certificate is not kept, and cannot make an entry that nobody reads again.
    """

    query_id: str
    format: str
    code: str | None
    issuer: str | None
    kid: str | None
    issued_on: dt.date | None
    status_age: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedVerdict:
    """A verdict as it was written down. Hashes are of texts and files that the archive keeps.

    ``findings``: certificate, check and reason code. ``request_ends`` and ``first_use`` are what the desk remembered of
    the request (see ``verifier.judge.Known``).
    """

    outcome: Outcome
    assurance: Assurance
    findings: tuple[tuple[str, str, str], ...]
    certificates: tuple[CertificateFact, ...]
    policy: str | None
    reference_date: dt.date | None
    request: str | None
    trust: TrustState
    last_seen: int | None
    request_ends: int | None
    first_use: bool | None
    commitment: str
    kept: Kept

    @classmethod
    def of(
        cls,
        judgement: Judgement,
        *,
        policy: str | None,
        request: str | None,
        trust: TrustState,
        commitment: str,
        kept: Kept,
    ) -> RecordedVerdict:
        """What is written about ``judgement``."""
        result, known = judgement.result, judgement.known
        return cls(
            outcome=result.outcome,
            assurance=result.assurance,
            findings=findings_of(result),
            certificates=certificates_of(judgement),
            policy=policy,
            reference_date=judgement.reference_date,
            request=request,
            trust=trust,
            last_seen=known.last_seen,
            request_ends=None if known.request is None else known.request.expires_at,
            first_use=known.first_use,
            commitment=commitment,
            kept=kept,
        )

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> RecordedVerdict:
        """Read the body of an entry. Raises ``MalformedError``."""
        verdict = _object(body["verdict"], "verdict", "outcome", "assurance", "findings", "certificates")
        known = _object(body["known"], "known", "last_seen", "request_ends", "first_use")
        answer = _object(body["answer"], "answer", "commitment", "kept")
        trust = _object(body["trust"], "trust", *(one.name for one in fields(TrustState)))
        if verdict["outcome"] not in list(Outcome) or verdict["assurance"] not in list(Assurance):
            _wrong("verdict", "no such outcome or assurance")
        if answer["kept"] not in list(Kept) or not isinstance(known["first_use"], bool | None):
            _wrong("answer", "no such value")
        return cls(
            outcome=Outcome(verdict["outcome"]),
            assurance=Assurance(verdict["assurance"]),
            findings=_each(verdict["findings"], "verdict.findings", _finding),
            certificates=_each(verdict["certificates"], "verdict.certificates", _fact),
            policy=_maybe(body["policy"], "policy", _hash),
            reference_date=_maybe(body["reference_date"], "reference_date", _date),
            request=_maybe(body["request"], "request", _hash),
            trust=TrustState(
                pack=_hash(trust["pack"], "trust.pack"),
                root=_hash(trust["root"], "trust.root"),
                status=_each(trust["status"], "trust.status", _hash),
                **{name: _number(trust[name], f"trust.{name}") for name in ("version", "signed_at", "expires_at")},
            ),
            last_seen=_maybe(known["last_seen"], "known.last_seen", _number),
            request_ends=_maybe(known["request_ends"], "known.request_ends", _number),
            first_use=known["first_use"],
            commitment=_hash(answer["commitment"], "answer.commitment"),
            kept=Kept(answer["kept"]),
        )

    def to_body(self) -> dict[str, Any]:
        """As ``parse`` reads it."""
        trust = self.trust
        return {
            "answer": {"commitment": self.commitment, "kept": self.kept.value},
            "known": {
                "last_seen": self.last_seen,
                "request_ends": self.request_ends,
                "first_use": self.first_use,
            },
            "policy": self.policy,
            "reference_date": None if self.reference_date is None else self.reference_date.isoformat(),
            "request": self.request,
            "trust": {
                "pack": trust.pack,
                "root": trust.root,
                "status": list(trust.status),
                "version": trust.version,
                "signed_at": trust.signed_at,
                "expires_at": trust.expires_at,
            },
            "verdict": {
                "outcome": self.outcome.value,
                "assurance": self.assurance.value,
                "findings": [list(one) for one in self.findings],
                "certificates": [_fact_json(one) for one in self.certificates],
            },
        }


def findings_of(result: VerificationResult) -> tuple[tuple[str, str, str], ...]:
    """Certificate (query id), check and reason code of everything that did not pass; no path and no detail."""
    found = {(check.certificate, check.name, reason.code.value) for check in result.checks for reason in check.reasons}
    return tuple(sorted(found))


def certificates_of(judgement: Judgement) -> tuple[CertificateFact, ...]:
    """The facts about each certificate of a verdict."""
    signed = {one.query_id: one for one in judgement.signed}
    return tuple(
        CertificateFact(
            query_id=one.query_id,
            format=one.format,
            code=one.code,
            issuer=signed[one.query_id].issuer if one.query_id in signed else None,
            kid=signed[one.query_id].kid.hex() if one.query_id in signed else None,
            issued_on=one.issued_on if one.query_id in signed and _is_ours(one.issued_on) else None,
            status_age=None if one.status_age is None else int(one.status_age.total_seconds()),
        )
        for one in judgement.result.certificates
    )


def trust_of(judgement: Judgement, *, root: str, status: tuple[str, ...]) -> TrustState:
    """The trust state of a verdict."""
    trust = judgement.trust
    return TrustState(
        pack=trust.pack,
        root=root,
        status=status,
        version=trust.version,
        signed_at=epoch(trust.signed_at),
        expires_at=epoch(trust.expires_at),
    )


def _fact_json(one: CertificateFact) -> dict[str, Any]:
    day = None if one.issued_on is None else one.issued_on.isoformat()
    return {name.name: getattr(one, name.name) for name in fields(one)} | {"issued_on": day}


def _fact(value: Any, path: str) -> CertificateFact:
    body = _object(value, path, *(one.name for one in fields(CertificateFact)))
    return CertificateFact(
        query_id=_text(body["query_id"], path),
        format=_text(body["format"], path),
        code=_maybe(body["code"], path, _text),
        issuer=_maybe(body["issuer"], path, _text),
        kid=_maybe(body["kid"], path, _kid),
        issued_on=_maybe(body["issued_on"], path, _date),
        status_age=_maybe(body["status_age"], path, _number),
    )


def _finding(value: Any, path: str) -> tuple[str, str, str]:
    certificate, check, code = (_text(one, path) for one in _three(value, path))
    if code not in list(ReasonCode):
        _wrong(path, "no such reason code")
    return certificate, check, code


def _three(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list) or len(value) != 3:
        _wrong(path, "not three texts")
    return value


def _wrong(path: str, detail: str) -> NoReturn:
    raise MalformedError(ReasonCode.FORMAT, f"entry.{path}", detail)


def _object(value: Any, path: str, *members: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(members):
        _wrong(path, "members are not exactly " + ", ".join(members))
    return value


def _each(value: Any, path: str, read: Callable[[Any, str], _T]) -> tuple[_T, ...]:
    if not isinstance(value, list) or len(value) > 4096:
        _wrong(path, "not a list within the limit")
    return tuple(read(one, path) for one in value)


def _maybe(value: Any, path: str, read: Callable[[Any, str], _T]) -> _T | None:
    return None if value is None else read(value, path)


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or len(value) > 1024:
        _wrong(path, "not a text")
    return value


def _hash(value: Any, path: str) -> str:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        _wrong(path, "not a SHA-256 in hexadecimal")
    return value


def _kid(value: Any, path: str) -> str:
    if not isinstance(value, str) or not _KID.fullmatch(value):
        _wrong(path, "not a key id in hexadecimal")
    return value


def _number(value: Any, path: str) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_TIME:
        _wrong(path, "not a whole number in range")
    return value


def _date(value: Any, path: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        _wrong(path, "not a date")
    if not _is_ours(day):
        _wrong(path, "not a date of our times")
    return day


def _is_ours(day: dt.date | None) -> bool:
    """A day of our times: a day more or less is a date too."""
    return day is not None and 1900 <= day.year < 9000
