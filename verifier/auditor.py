"""An audit of a desk's evidence: is it complete and unchanged, and would every verdict be the same again.

What is looked at, in this order:

1. the chain: every entry follows the one before it; the seals, those of the archive and those kept elsewhere, sign its
   head as it was, and are this desk's (by the certificate of the first entry, or another one registered under the same
   name); what the desk cut off, changed or moved is noticed (the end: by the last seal that covers it);
2. the times: within the bounds of the trust bundle that was used, and never backwards;
3. each verdict, judged again: same bytes, same policy, same trust state, same time, same memory of requests;
4. each key and certificate, by today's bundle: was the key valid on the day of issue, and what happened since.

A trust state of the archive counts only under a root the auditor brings; without one everything in it could be made up.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from vcred.errors import MalformedError
from vcred.formats._wire import epoch
from vcred.keys import PublicKey
from verifier._repeat import Repeater, UnusableError
from verifier._seals import Seals
from verifier._since import since
from verifier.evidence import Entry, Kind
from verifier.findings import AuditCode, AuditFinding, Severity
from verifier.verdict import RecordedVerdict, certificates_of, findings_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from vcred.trust import TrustBundle
    from verifier.archive import EvidenceArchive
    from verifier.judge import Judgement

__all__ = ["AuditReport", "EntryReport", "Repeated", "audit"]

_LEEWAY = 300
"""Seconds that honest clocks may differ (``vcred.trust.rules``)."""


class Repeated(StrEnum):
    """Whether a verdict was judged again. ``NO``: it could not be, and a finding says why."""

    SAME = "same"
    DIFFERENT = "different"
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryReport:
    """What was found about one entry. ``repeated`` is ``None`` for an entry that is no verdict."""

    sequence: int
    kind: Kind | None
    at: int | None
    outcome: str | None
    repeated: Repeated | None
    findings: tuple[AuditFinding, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {
            "sequence": self.sequence,
            "kind": None if self.kind is None else self.kind.value,
            "at": self.at,
            "outcome": self.outcome,
            "repeated": None if self.repeated is None else self.repeated.value,
            "findings": [one.to_json() for one in self.findings],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """The whole audit. True only without a fault; warnings leave it true."""

    archive: str
    reader: str
    """Whose archive it says it is (client id): that this is the desk that was to be audited, only the auditor knows."""
    entries: tuple[EntryReport, ...]
    findings: tuple[AuditFinding, ...]
    sealed: int
    """How many entries, from the first, a trusted seal covers."""

    @property
    def all_findings(self) -> tuple[AuditFinding, ...]:
        """Those about the archive, and those about its entries."""
        return (*self.findings, *(finding for entry in self.entries for finding in entry.findings))

    def worst(self) -> Severity | None:
        """The most serious of all findings; ``None`` without any."""
        found = {one.code.severity for one in self.all_findings}
        return next((one for one in Severity if one in found), None)

    def __bool__(self) -> bool:
        return self.worst() is not Severity.FAULT

    def to_json(self) -> dict[str, Any]:
        """As JSON-able values, with sentences in both languages."""
        worst = self.worst()
        return {
            "archive": self.archive,
            "reader": self.reader,
            "sound": bool(self),
            "worst": None if worst is None else worst.value,
            "sealed": self.sealed,
            "repeated": {one.value: sum(entry.repeated is one for entry in self.entries) for one in Repeated},
            "findings": [one.to_json() for one in self.findings],
            "entries": [one.to_json() for one in self.entries],
        }


def audit(
    archive: EvidenceArchive,
    *,
    at: dt.datetime,
    roots: Collection[bytes],
    bundle: TrustBundle | None,
    key: EllipticCurvePrivateKey | None,
    seals: Iterable[bytes] = (),
    readers: Collection[bytes] = (),
) -> AuditReport:
    """Audit ``archive`` at ``at``.

    ``roots`` are the root files that desks were given to pin. ``bundle`` is today's, for what happened since. ``key``
    reads answers; without it no verdict is repeated. ``seals`` are those that were kept outside the archive,
    ``readers`` root certificates (DER) of desks that no bundle registers. Raises ``StoreError`` when the archive
    cannot be read, ``ValueError`` when ``key`` is not the one that its answers are encrypted to.
    """
    if key is not None and PublicKey(key.public_key()).to_jwk() != archive.first.body["recipient"]:
        raise ValueError("this is not the key that the answers of this archive are encrypted to")
    rows = list(archive.entries())
    numbers, raws = [row[0] for row in rows], [row[1] if isinstance(row[1], bytes) else b"" for row in rows]
    read = [_parsed(raw) for raw in raws]
    repeater = Repeater(archive, roots=roots, key=key)
    inspector = _Inspector(repeater, bundle, _destroyed(read), at)
    entries = [
        inspector.look(number, entry, _chain(read, index, number))
        for index, (number, entry) in enumerate(zip(numbers, read, strict=True))
    ]
    checker = Seals(raws, read, archive=archive, repeater=repeater, bundle=bundle, readers=readers)
    sealed, about = checker.check([*archive.seals(), *seals])
    if sealed < len(raws):
        about.append(AuditFinding(code=AuditCode.UNSEALED, detail=f"{len(raws) - sealed} of {len(raws)} entries"))
    return AuditReport(
        archive=archive.id,
        reader=archive.first.body["reader"],
        entries=tuple(entries),
        findings=tuple(about),
        sealed=sealed,
    )


class _Inspector:
    """Looks at one entry after the other, and remembers the latest time it saw."""

    def __init__(
        self, repeater: Repeater, bundle: TrustBundle | None, destroyed: Mapping[int, int], at: dt.datetime
    ) -> None:
        self._repeater, self._bundle, self._destroyed, self._at = repeater, bundle, destroyed, at
        self._latest = 0

    def look(self, number: int, entry: Entry | None, found: list[AuditFinding]) -> EntryReport:
        """Steps 2 to 4 for one entry; ``found`` is what step 1 found."""
        verdict: RecordedVerdict | None = None
        repeated: Repeated | None = None
        if entry is not None:
            found += self._times(entry)
        if entry is not None and entry.kind is Kind.VERDICT:
            repeated = Repeated.NO
            try:
                verdict = RecordedVerdict.parse(entry.body)
            except MalformedError as error:
                found.append(AuditFinding(code=AuditCode.MALFORMED, detail=str(error)))
            else:
                repeated = self._verdict(entry, verdict, found)
        return EntryReport(
            sequence=number,
            kind=None if entry is None else entry.kind,
            at=None if entry is None else entry.at,
            outcome=None if verdict is None else verdict.outcome.value,
            repeated=repeated,
            findings=tuple(dict.fromkeys(found)),
        )

    def _times(self, entry: Entry) -> Iterator[AuditFinding]:
        if entry.at < self._latest - _LEEWAY:
            yield AuditFinding(code=AuditCode.BACKWARDS, detail=f"{self._latest - entry.at} s")
        if entry.at > epoch(self._at) + _LEEWAY:
            yield AuditFinding(code=AuditCode.FUTURE, detail=f"{entry.at - epoch(self._at)} s")
        self._latest = max(self._latest, entry.at)

    def _verdict(self, entry: Entry, verdict: RecordedVerdict, found: list[AuditFinding]) -> Repeated:
        judgement: Judgement | None = None
        try:
            trust = self._repeater.trust(verdict.trust)
            found += _bounds(entry.at, trust)
            found += self._repeater.request_findings(verdict, trust)
        except UnusableError as error:
            found.append(error.finding)
        shown = self._repeater.shown(entry.sequence, verdict, self._destroyed)
        if isinstance(shown, AuditFinding):
            found.append(shown)
        else:
            try:
                judgement = self._repeater.judge(verdict, shown, entry.at)
            except UnusableError as error:
                found.append(error.finding)
        if self._bundle is not None:
            signed = () if judgement is None else judgement.signed
            found += since(self._bundle, verdict, signed, judged_at=entry.at, at=self._at)
        if judgement is None:
            return Repeated.NO
        difference = _difference(verdict, judgement)
        if difference:
            found.append(AuditFinding(code=AuditCode.VERDICT_DIFFERS, detail=difference))
        return Repeated.DIFFERENT if difference else Repeated.SAME


def _parsed(raw: bytes) -> Entry | None:
    try:
        return Entry.parse(raw)
    except MalformedError:
        return None


def _chain(read: list[Entry | None], index: int, number: int) -> list[AuditFinding]:
    """Whether an entry stands where it was written. After one that cannot be read the next cannot be blamed."""
    entry = read[index]
    if entry is None:
        return [AuditFinding(code=AuditCode.MALFORMED)]
    before = read[index - 1] if index else None
    follows = entry.previous == ("" if before is None else before.hash) or (index > 0 and before is None)
    first = (entry.kind is Kind.ARCHIVE) == (index == 0)
    if follows and first and entry.sequence == number == index:
        return []
    return [AuditFinding(code=AuditCode.CHAIN, detail=f"entry {entry.sequence} stands in place {index}")]


def _destroyed(read: Iterable[Entry | None]) -> Mapping[int, int]:
    """Which answers the chain says were shredded, and when: such an entry is about earlier ones."""
    found: dict[int, int] = {}
    for place, entry in enumerate(read):
        if entry is not None and entry.kind is Kind.DESTROYED and isinstance(entry.body["records"], list):
            found |= {number: entry.at for number in entry.body["records"] if type(number) is int and number < place}
    return found


def _bounds(at: int, trust: TrustBundle) -> Iterator[AuditFinding]:
    signed, expires = epoch(trust.signed_at), epoch(trust.expires_at)
    if at < signed - _LEEWAY:
        yield AuditFinding(code=AuditCode.BEFORE_BUNDLE, detail=f"{signed - at} s")
    if at >= expires:
        yield AuditFinding(code=AuditCode.AFTER_BUNDLE, detail=f"{at - expires} s")


def _difference(verdict: RecordedVerdict, judgement: Judgement) -> str:
    """What is not the same again, in a few words; empty when everything is."""
    result = judgement.result
    pairs = (
        ("outcome", verdict.outcome.value, result.outcome.value),
        ("assurance", verdict.assurance.value, result.assurance.value),
        ("findings", _codes(verdict.findings), _codes(findings_of(result))),
        ("certificates", verdict.certificates, certificates_of(judgement)),
    )
    names = [
        f"{name}: {then} then, {now} now" if name != "certificates" else "facts about the certificates"
        for name, then, now in pairs
        if then != now
    ]
    return "; ".join(names)


def _codes(findings: Iterable[tuple[str, str, str]]) -> str:
    return ", ".join(f"{'.'.join(filter(None, one[:2]))}={one[2]}" for one in findings) or "none"
