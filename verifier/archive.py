"""``EvidenceArchive``: a desk's evidence in a folder, safe against ``kill -9``, a full disk and a second process.

``evidence.db`` (SQLite) has the chain, the seals, policies and requests by their hash, and the answers that are kept.
``trust/`` has each trust bundle, root and added status list once, as a file named by its SHA-256, written before the
first entry that names it. An entry and what belongs to it are one transaction, on disk before the verdict is returned.

Answers are encrypted to the archive's recipient (JWE, ECDH-ES with A256GCM): the desk can put them aside and shred
them, but whoever steals its disk, or works at it, cannot read them. The recipient's private key is the auditor's.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vcred.errors import MalformedError, NotFound, StoreError
from vcred.formats._wire import epoch
from verifier._evidence_files import DATABASE, EvidenceFiles
from verifier.evidence import MAX_ANSWER, Entry, Kept, Kind, Seal, Shown, digest, sign_seal
from verifier.verdict import RecordedVerdict, trust_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from vcred.keys import PublicKey
    from verifier.identity import ReaderIdentity
    from verifier.judge import Judgement

__all__ = ["EvidenceArchive"]

_DAY = 86_400
_LAST = "SELECT body FROM entries ORDER BY sequence DESC LIMIT 1"
_PAGE = "SELECT sequence, body FROM entries WHERE sequence > ? ORDER BY sequence LIMIT 256"


class EvidenceArchive:
    """A desk's evidence, for ``Verifier``. Close it, or use it in ``with``. Every method raises ``StoreError``."""

    def __init__(self, folder: str | Path) -> None:
        """Open the archive in ``folder``. Raises ``NotFound`` when there is none."""
        if not (Path(folder) / DATABASE).exists():
            raise NotFound(f"{folder}: there is no evidence archive")
        self._files = EvidenceFiles(Path(folder))
        try:
            self.first = _first(self._files)
            self._recipient = _recipient(self.first.body["recipient"])
        except MalformedError as error:
            self.close()
            raise StoreError(f"{folder}: the first entry cannot be read: {error}") from error
        except StoreError:
            self.close()
            raise

    @classmethod
    def create(cls, folder: str | Path, *, reader: str, recipient: PublicKey, at: datetime) -> Self:
        """Make the archive of the desk that ``reader`` (its client id) names.

        ``recipient`` (P-256) is who may read answers. Raises ``ValueError`` for another curve, ``StoreError`` when
        there is an archive already.
        """
        try:
            _recipient(recipient.to_jwk())
        except MalformedError as error:
            raise ValueError("answers are encrypted to a P-256 key") from error
        files = EvidenceFiles(Path(folder))
        try:
            with files.transaction() as db:
                if db.execute("SELECT 1 FROM entries").fetchone() is not None:
                    raise StoreError(f"{folder}: there is an evidence archive already")
                body = {"id": secrets.token_hex(16), "reader": reader, "recipient": recipient.to_jwk()}
                files.append(db, Kind.ARCHIVE, epoch(at), body)
        finally:
            files.close()
        return cls(folder)

    @property
    def id(self) -> str:
        """The archive's own name, which every seal repeats."""
        name: str = self.first.body["id"]
        return name

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def keep_trust(self, pack: bytes, root: bytes) -> None:
        """Keep a trust bundle's file and the root that is pinned. Once is enough; call it before the bundle is used."""
        for raw in (root, pack):
            self._files.keep_file(raw)
        with self._files.transaction() as db:
            db.execute("INSERT OR REPLACE INTO packs VALUES (?, ?)", (digest(pack), digest(root)))

    def record(self, judgement: Judgement) -> Entry:
        """Write a verdict down. When this returns, it is on the disk.

        Raises ``StoreError`` when it cannot be written or ``keep_trust`` has not seen the bundle, ``ValueError`` for a
        paper document under a policy that was not made by ``load``.
        """
        policy, request, shown = judgement.policy, judgement.result.request, Shown.of(judgement)
        if policy is not None and not policy.source:
            raise ValueError("a policy is made by VerificationPolicy.load")
        kept = _kept(judgement, shown)
        sealed = self._encrypt(shown) if kept is Kept.YES else None
        status = tuple(self._files.keep_file(raw) for raw in judgement.trust.added_status.values())
        texts = [one for one in (policy and policy.source.encode(), request and request.raw) if one]
        now = epoch(judgement.at)
        with self._files.transaction() as db:
            found = db.execute("SELECT root FROM packs WHERE pack = ?", (judgement.trust.pack,)).fetchone()
            if found is None:
                raise StoreError("the archive does not have the trust bundle in use: keep_trust takes it in")
            db.executemany("INSERT OR IGNORE INTO texts VALUES (?, ?)", [(digest(one), one) for one in texts])
            verdict = RecordedVerdict.of(
                judgement,
                policy=None if policy is None else digest(policy.source.encode()),
                request=None if request is None else digest(request.raw),
                trust=trust_of(judgement, root=found[0], status=status),
                commitment=shown.commitment,
                kept=kept,
            )
            entry = self._files.append(db, Kind.VERDICT, now, verdict.to_body())
            if sealed is not None and policy is not None:
                until = now + policy.retention.days * _DAY
                db.execute("INSERT INTO answers VALUES (?, ?, ?)", (entry.sequence, sealed, until))
        return entry

    def seal(self, identity: ReaderIdentity, *, at: datetime) -> Seal:
        """Sign everything so far. Keep the seal elsewhere as well: what is cut off after it can then be noticed.

        Raises ``SigningError`` too.
        """
        last = self._files.readable(self._files.rows(_LAST)[0][0])
        seal = sign_seal(identity, archive=self.id, records=last.sequence + 1, head=last.hash, at=at)
        with self._files.transaction() as db:
            db.execute("INSERT INTO seals (token) VALUES (?)", (seal.raw,))
        return seal

    def retain(self, sequence: int, *, until: datetime) -> None:
        """Keep an answer until ``until``: its policy counts from the end of a loan, or a court wants it.

        Raises ``NotFound`` when there is no such answer.
        """
        with self._files.transaction() as db:
            statement = "UPDATE answers SET keep_until = ? WHERE sequence = ?"
            if not db.execute(statement, (epoch(until), sequence)).rowcount:
                raise NotFound(f"{sequence}: no answer is kept under this number")

    def due(self, *, at: datetime) -> list[int]:
        """The numbers of the answers that ``purge`` would shred at ``at``."""
        with self._files.transaction() as db:
            return _due(db, epoch(at))

    def purge(self, *, at: datetime) -> list[int]:
        """Shred every answer whose time is over; their numbers. Noted in the chain.

        A clock that is ahead shreds too much, for good: whoever calls this answers for ``at``.
        """
        with self._files.transaction() as db:
            numbers = _due(db, epoch(at))
            self._destroy(db, numbers, "retention", epoch(at))
        self._files.forget()
        return numbers

    def destroy(self, sequences: Collection[int], *, at: datetime) -> None:
        """Shred these answers now, because their holder asked or the purpose is gone. Noted in the chain.

        Raises ``NotFound``, and shreds none, when one of them is not there.
        """
        numbers = sorted(set(sequences))
        with self._files.transaction() as db:
            there = {row[0] for row in db.execute("SELECT sequence FROM answers")}
            if missing := [one for one in numbers if one not in there]:
                raise NotFound(f"{missing[0]}: no answer is kept under this number")
            self._destroy(db, numbers, "request", epoch(at))
        self._files.forget()

    def entries(self) -> Iterator[tuple[Any, ...]]:
        """Every entry as it stands there, by its number, in order."""
        last = -1
        while rows := self._files.rows(_PAGE, last):
            yield from rows
            last = rows[-1][0]

    def seals(self) -> list[bytes]:
        """Every seal that was made here, oldest first."""
        return [row[0] for row in self._files.rows("SELECT token FROM seals ORDER BY id")]

    def kept(self) -> dict[int, int]:
        """The numbers of the answers that are kept, each with the time (seconds) at which its own time is over."""
        return dict(self._files.rows("SELECT sequence, keep_until FROM answers ORDER BY sequence"))

    def shown(self, sequence: int, *, key: EllipticCurvePrivateKey) -> Shown:
        """What was presented, read with the recipient's private key.

        Raises ``NotFound`` when it is not kept (any more), ``RefusedError`` when it cannot be read.
        """
        from vcred.formats._jwe import decrypt  # noqa: PLC0415 - only an auditor reads answers

        rows = self._files.rows("SELECT sealed FROM answers WHERE sequence = ?", sequence)
        if not rows:
            raise NotFound(f"{sequence}: no answer is kept under this number")
        return Shown.from_bytes(decrypt(rows[0][0], key, path="answer", max_plaintext=MAX_ANSWER + 64).plaintext)

    def text(self, sha256: str) -> bytes | None:
        """A policy or a request by its hash; ``None`` when it is not there, or not itself any more."""
        rows = self._files.rows("SELECT content FROM texts WHERE sha256 = ?", sha256)
        return rows[0][0] if rows and digest(rows[0][0]) == sha256 else None

    def file(self, sha256: str) -> bytes | None:
        """A trust bundle, root or status list by its hash; ``None`` when it is not there, or not itself any more."""
        return self._files.file(sha256)

    def _destroy(self, db: sqlite3.Connection, numbers: list[int], reason: str, at: int) -> None:
        if numbers:
            db.executemany("DELETE FROM answers WHERE sequence = ?", [(one,) for one in numbers])
            self._files.append(db, Kind.DESTROYED, at, {"records": numbers, "reason": reason})

    def _encrypt(self, shown: Shown) -> bytes:
        from vcred.formats._jwe import encrypt  # noqa: PLC0415 - only answers that are kept need it

        return encrypt(shown.to_bytes(), self._recipient, enc="A256GCM", kid=None)


def _first(files: EvidenceFiles) -> Entry:
    rows = files.rows("SELECT body FROM entries WHERE sequence = 0")
    if not rows:
        raise NotFound(f"{files.folder}: there is no evidence archive")
    first = Entry.parse(rows[0][0])
    if first.kind is not Kind.ARCHIVE or not isinstance(first.body["id"], str):
        raise StoreError(f"{files.folder}: the first entry is not that of an archive")
    return first


def _due(db: sqlite3.Connection, at: int) -> list[int]:
    return sorted(row[0] for row in db.execute("SELECT sequence FROM answers WHERE keep_until <= ?", (at,)))


def _kept(judgement: Judgement, shown: Shown) -> Kept:
    if judgement.sheet is None and judgement.result.presentation is None:
        return Kept.UNREADABLE
    if judgement.policy is None or judgement.policy.retention.days == 0:
        return Kept.POLICY
    return Kept.TOO_LARGE if len(shown.answer) > MAX_ANSWER else Kept.YES


def _recipient(jwk: Any) -> Any:
    from vcred.formats._jwe import encryption_key  # noqa: PLC0415 - loaded with the first archive

    return encryption_key(jwk, path="recipient")
