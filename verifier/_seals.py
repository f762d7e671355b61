"""The seals of an archive against its entries, and whose signature they are."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from vcred.errors import MalformedError, RefusedError
from vcred.reasons import ReasonCode
from vcred.trust.content import Names
from verifier._repeat import Repeater, UnusableError, registered_names
from verifier.evidence import Entry, Kind, Seal, digest
from verifier.findings import AuditCode, AuditFinding
from verifier.verdict import RecordedVerdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from vcred.trust import TrustBundle
    from vcred.trust.x509 import Certificate
    from verifier.archive import EvidenceArchive

__all__ = ["Seals"]

_LEEWAY = 300


class Seals:
    """Checks seals against the entries of one archive, as they stand there."""

    def __init__(
        self,
        raws: Sequence[bytes],
        read: Sequence[Entry | None],
        *,
        archive: EvidenceArchive,
        repeater: Repeater,
        bundle: TrustBundle | None,
        readers: Collection[bytes],
    ) -> None:
        self._raws, self._read = raws, read
        self._archive, self._repeater = archive.id, repeater
        self._desk: str = archive.first.body["reader"]
        self._names: set[Names | None] = set()
        self._bundle, self._readers = bundle, readers

    def check(self, tokens: Sequence[bytes]) -> tuple[int, list[AuditFinding]]:
        """How many entries the seals cover that can be trusted, and what is wrong with any of them."""
        sealed, found = 0, []
        for number, token in enumerate(dict.fromkeys(tokens), 1):
            count, wrong = self._one(token, f"seal {number}")
            sealed = max(sealed, count)
            found += wrong
        return sealed, found

    def _one(self, token: bytes, about: str) -> tuple[int, list[AuditFinding]]:
        try:
            seal = Seal.parse(token)
        except MalformedError as error:
            return 0, [AuditFinding(code=AuditCode.SEAL_UNTRUSTED, about=about, reason=error.code, detail=str(error))]
        at = dt.datetime.fromtimestamp(seal.issued_at, dt.UTC)
        about = f"{about} ({at.isoformat()})"
        try:
            self._verify(seal, at)
        except RefusedError as error:
            return 0, [AuditFinding(code=AuditCode.SEAL_UNTRUSTED, about=about, reason=error.code, detail=str(error))]
        wrong = self._misfit(seal)
        if wrong is not None:
            return 0, [AuditFinding(code=wrong[0], about=about, detail=wrong[1])]
        last, told = self._read[seal.records - 1], []
        early = 0 if last is None else last.at - seal.issued_at
        if early > _LEEWAY:
            late = f"sealed {early} s before its last entry"
            told.append(AuditFinding(code=AuditCode.BACKWARDS, about=about, detail=late))
        if self._leaked(seal, at):
            told.append(AuditFinding(code=AuditCode.KEY_COMPROMISED, about=about))
        return seal.records, told

    def _leaked(self, seal: Seal, at: dt.datetime) -> bool:
        """Whether today's trust list knows that the key leaked: then the time in the seal may be anybody's."""
        if self._bundle is None:
            return False
        try:
            self._bundle.resolve_reader(client_id=seal.client_id, x5c=seal.x5c, at=at)
        except RefusedError as error:
            return error.code is ReasonCode.KEY_WITHDRAWN
        return False

    def _misfit(self, seal: Seal) -> tuple[AuditCode, str] | None:
        """How the entries are not those that were sealed."""
        if seal.archive != self._archive or seal.records < 1:
            return AuditCode.SEAL_MISMATCH, "the seal of another archive"
        if seal.records > len(self._raws):
            return AuditCode.TRUNCATED, f"{seal.records} entries were sealed, {len(self._raws)} are there"
        if digest(self._raws[seal.records - 1]) != seal.head:
            return AuditCode.SEAL_MISMATCH, f"entry {seal.records - 1}"
        return None

    def _verify(self, seal: Seal, at: dt.datetime) -> None:
        """By the desk's key, as the trust list of those days, today's, or the auditor knows it. ``RefusedError``."""
        problem = RefusedError(ReasonCode.READER_UNTRUSTED, "seal", "no trust list and no root names this desk")
        for bundle in self._lists(seal.records):
            try:
                reader = bundle.resolve_reader(client_id=seal.client_id, x5c=seal.x5c, at=at)
            except RefusedError as error:
                problem = error
                continue
            if reader.registered:
                seal.verify_by(reader.key)
                self._names.add(registered_names(bundle, self._desk))
                return self._require_desk(seal, reader.names)
        if self._readers:
            leaf = self._certified(seal, at)
            seal.verify_by(leaf.key)
            names = leaf.organisations or leaf.dns_names or leaf.uris
            return self._require_desk(seal, Names(ko=names[0], en=names[-1]))
        raise problem

    def _require_desk(self, seal: Seal, names: Names) -> None:
        """A desk gets other certificates in time, and keeps its name; another desk's seal says nothing about this one's
        archive. ``RefusedError``.
        """
        if seal.client_id == self._desk:
            self._names.add(names)
        elif names not in self._names:
            raise RefusedError(ReasonCode.READER_UNTRUSTED, "seal.iss", "the seal of another desk")

    def _lists(self, records: int) -> Iterator[TrustBundle]:
        """The trust list of the last verdict under the seal, of the first one after it, and today's."""
        under = [one for one in self._read[: min(records, len(self._read))] if _is_verdict(one)]
        after = [one for one in self._read[min(records, len(self._read)) :] if _is_verdict(one)]
        for entry in (*under[-1:], *after[:1]):
            assert entry is not None
            try:
                yield self._repeater.trust(RecordedVerdict.parse(entry.body).trust)
            except (MalformedError, UnusableError):
                continue
        if self._bundle is not None:
            yield self._bundle

    def _certified(self, seal: Seal, at: dt.datetime) -> Certificate:
        from vcred.trust import Purpose  # noqa: PLC0415 - X.509 is loaded where a chain is verified
        from vcred.trust.x509 import verify_chain, x509_hash  # noqa: PLC0415 - as above

        verified = verify_chain(seal.x5c, tuple(self._readers), purpose=Purpose.READER, at=at, path="seal.x5c")
        if seal.client_id != f"x509_hash:{x509_hash(seal.x5c[0])}":
            raise RefusedError(ReasonCode.READER_UNTRUSTED, "seal.iss", "not the hash of the desk's certificate")
        return verified.leaf


def _is_verdict(entry: Entry | None) -> bool:
    return entry is not None and entry.kind is Kind.VERDICT
