"""What an issuer remembers of credentials: who signed them, which status entries are theirs, and what these say.

Entries are drawn at random, so that a neighbour says nothing about its neighbour, and the database refuses to give
one twice. A list has one bit an entry (valid, revoked) or two (suspended as well), by the type. It is half full at
most: a draw then finds a free place in two tries on average, however large the list, and how many certificates there
are shows in no list. Giving a place costs the same whether ten are given or ten million; signing a list reads only
the entries that changed.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from issuer.database import Database, StateError
from issuer.migration import UNNAMED_SIGNER
from vcred.errors import NotFound, StoreError
from vcred.formats._wire import epoch

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = [
    "LIST_SIZE",
    "REVOKED",
    "SUSPENDED",
    "VALID",
    "BoundError",
    "CopyRow",
    "IssuedRow",
    "ListRow",
    "Selection",
    "StatusStore",
    "TakenError",
]

VALID, REVOKED, SUSPENDED = 0, 1, 2
"""Values of the Token Status List draft, section 7.1."""

LIST_SIZE: Final = 1_000_000
_DRAWS: Final = 64
"""Half full at most: that this many draws all meet taken places happens once in 10^19."""
_AHEAD: Final = 8
"""Places that are looked at for one copy: in a list that is half full, one in 256 times all of them are taken."""
_AT_ONCE, _COPIES = 64, 16
"""Places that are looked at together (SQLite takes 500) for so many copies."""

_BITSTRING: Final = "bitstring "
"""In ``meta``, with the number of a list that credentials name as a W3C bitstring."""

_EVENTS: Final = {VALID: "reinstated", REVOKED: "revoked", SUSPENDED: "suspended"}


@dataclass(frozen=True, slots=True)
class CopyRow:
    """One status entry: the list it is in, its index there and its value."""

    list: int
    index: int
    value: int


class ListRow(NamedTuple):
    """A status list: its width, how many entries it has, how many are given, how often it was signed."""

    number: int
    bits: int
    size: int
    used: int
    version: int


class IssuedRow(NamedTuple):
    """An issued credential, without its subject."""

    id: str
    code: str
    made_at: int
    state: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Many credentials at once: those that fit everything that is said, and something must be.

    ``signer`` is the kid of the key that signed; ``issued_from`` (included) and ``issued_until`` (not) bound the second
    in which they were made, not the hour they are dated with.
    """

    code: str | None = None
    signer: bytes | None = None
    issued_from: dt.datetime | None = None
    issued_until: dt.datetime | None = None

    def __post_init__(self) -> None:
        since, until = self.issued_from, self.issued_until
        if (self.code, self.signer, since, until) == (None, None, None, None):
            raise ValueError("say which credentials: a type, a signer or a time")
        if since is not None and until is not None and since >= until:
            raise ValueError("the times are not in order")

    def note(self) -> str:
        """What the audit log says of it beside the type."""
        signer = "" if self.signer is None else f", signer {self.signer.hex()}"
        since = "" if self.issued_from is None else f", from {epoch(self.issued_from)}"
        until = "" if self.issued_until is None else f", until {epoch(self.issued_until)}"
        return signer + since + until

    def condition(self) -> tuple[str, tuple[object, ...]]:
        """An SQL condition on ``credentials``, and its values: those meant that are not revoked yet."""
        terms: dict[str, object] = {
            "code = ?": self.code,
            "signer = ?": self.signer,
            "made_at >= ?": None if self.issued_from is None else epoch(self.issued_from),
            "made_at < ?": None if self.issued_until is None else epoch(self.issued_until),
        }
        wanted = {term: value for term, value in terms.items() if value is not None}
        return " AND ".join([*wanted, f"state <> {REVOKED}"]), tuple(wanted.values())


class BoundError(StoreError):
    """A holder key has a credential already."""


class TakenError(StoreError):
    """What was seen to be free is not any more."""


class StatusStore(Database):
    """Credentials, their copies, and the status lists these are in."""

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        list_size: int = LIST_SIZE,
        draw: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        """``list_size`` is the length of new status lists; ``draw(n)`` gives an unpredictable number below n.

        Raises ``StoreError`` when the file cannot be opened.
        """
        if list_size < 2:
            raise ValueError("a status list has at least 2 entries")
        self._list_size = list_size
        self._draw = draw
        self._newest: dict[int, tuple[int, int]] = {}
        """Number and size of the newest list of so many bits, as far as is known here."""
        super().__init__(path)

    def name_signer(self, kid: bytes) -> None:
        """Say who signed what a store of version 1 held. Done once; without effect on any other store."""
        if self._one("SELECT 1 FROM meta WHERE name = ?", UNNAMED_SIGNER) is None:
            return
        with self.writing():
            if self._db.execute("DELETE FROM meta WHERE name = ?", (UNNAMED_SIGNER,)).rowcount:
                self._db.execute("UPDATE credentials SET signer = ? WHERE signer IS NULL", (kid,))

    def add_credential(
        self,
        credential_id: str,
        *,
        code: str,
        subject: str,
        signer: bytes,
        made_at: int,
        issued_at: int,
        expires_at: int,
    ) -> None:
        """Inside ``writing``: a credential, before its copies."""
        self._put(
            "INSERT INTO credentials (id, code, subject_hash, signer, made_at, issued_at, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (credential_id, code, self.subject_hash(subject), signer, made_at, issued_at, expires_at),
        )

    def is_bound(self, key: bytes) -> bool:
        """Whether a credential is bound to the holder key of this thumbprint."""
        return self._one("SELECT 1 FROM copies WHERE key_hash = ?", self.keyed_hash("holder", key)) is not None

    def add_copy(
        self,
        credential_id: str,
        *,
        format: str,  # noqa: A002 - as everywhere
        key: bytes | None,
        bits: int,
    ) -> tuple[int, int]:
        """Inside ``writing``: a fresh entry in a list of ``bits`` bits for one copy, as list number and index.

        ``key`` is the holder key's thumbprint; ``None`` for a sheet of paper. Raises ``BoundError`` when the key is
        bound already, ``StoreError`` when no free index is found.
        """
        number, size = self._place_in_list(bits)
        hashed = None if key is None else self.keyed_hash("holder", key)
        for _ in range(_DRAWS):
            index = self._draw(size)
            # The database refuses to give one twice, and to bind a key twice; a place that is seen to be taken uses up
            # no serial number on PostgreSQL.
            added = self._db.execute(
                "INSERT INTO copies (list, idx, credential, format, key_hash) SELECT ?, ?, number, ?, ?"
                " FROM credentials WHERE id = ? AND NOT EXISTS (SELECT 1 FROM copies WHERE list = ? AND idx = ?)"
                " ON CONFLICT DO NOTHING",
                (number, index, format, hashed, credential_id, number, index),
            )
            if added.rowcount == 1:
                return number, index
            if key is not None and self.is_bound(key):
                raise BoundError("this holder key is bound to another credential")
        raise StoreError("no free index is found, or there is no such credential")

    def free_places(self, bits: int, copies: int) -> list[tuple[int, int]]:
        """As many places in the newest list of ``bits`` bits as nobody has taken yet: fewer, where none are found.

        Somebody may be faster than who wants to take them: then ``forget_list``.
        """
        if bits not in self._newest:
            row = self._one("SELECT number, size FROM lists WHERE bits = ? ORDER BY number DESC LIMIT 1", bits)
            if row is None:
                return []
            self._newest[bits] = row["number"], row["size"]
        number, size = self._newest[bits]
        # Few statements, whatever anybody wants: a server remembers each of them.
        together = _AHEAD if copies == 1 else _AT_ONCE
        free: dict[int, None] = {}
        for _ in range(-(-copies // _COPIES)):
            drawn = [self._draw(size) for _ in range(together)]
            taken = self._taken(number, drawn)
            free |= dict.fromkeys(index for index in drawn if index not in taken)
        return [(number, index) for index in free][:copies]

    def forget_list(self, bits: int) -> None:
        """Look for the newest list of ``bits`` bits again."""
        self._newest.pop(bits, None)

    def _taken(self, number: int, indexes: list[int]) -> set[int]:
        # One by one: a plan that PostgreSQL made while a list was short reads all of it for many at once.
        looks = " UNION ALL ".join(["SELECT idx FROM copies WHERE list = ? AND idx = ?"] * len(indexes))
        return {row["idx"] for row in self._all(looks, *(value for index in indexes for value in (number, index)))}

    def take_place(
        self,
        credential_id: str,
        place: tuple[int, int],
        *,
        format: str,  # noqa: A002 - as everywhere
        key: bytes,
        bits: int,
    ) -> None:
        """Inside ``writing``: ``add_copy`` at a place that was seen to be free.

        Raises ``TakenError``, at the latest before anything of this work counts, when it is not, its list is half full
        or not of ``bits`` bits, or the key is bound.
        """
        number, index = place
        taken = TakenError("the place is not free any more")
        count = "UPDATE lists SET used = used + 1 WHERE number = ? AND bits = ? AND 2 * used < size"
        self._must(count, (number, bits), taken)
        self._must(
            "INSERT INTO copies (list, idx, credential, format, key_hash)"
            " SELECT ?, ?, number, ?, ? FROM credentials WHERE id = ? ON CONFLICT DO NOTHING",
            (number, index, format, self.keyed_hash("holder", key), credential_id),
            taken,
        )

    def places(self, credential_id: str) -> list[tuple[int, int]]:
        """List number and index of each copy, in the order in which they were added. Raises ``NotFound``."""
        rows = self._all(
            "SELECT list, idx FROM copies WHERE credential = ? ORDER BY serial", self._credential(credential_id)[0]
        )
        return [(row["list"], row["idx"]) for row in rows]

    def state(self, credential_id: str) -> int:
        """The status value of a credential. Raises ``NotFound``."""
        return self._credential(credential_id)[1]

    def code_of(self, credential_id: str) -> str:
        """The certificate type of a credential. Raises ``NotFound``."""
        row = self._one("SELECT code FROM credentials WHERE id = ?", credential_id)
        if row is None:
            raise NotFound("there is no such credential")
        return str(row["code"])

    def set_state(self, credential_id: str, value: int, *, reason: str, at: int) -> None:
        """Change a credential's status, with an audit line.

        Raises ``NotFound``, and ``StoreError`` after a revocation or for a value its list has no room for.
        """
        with self.writing():
            number, before = self._credential(credential_id)
            if before == value:
                return
            if before == REVOKED:
                raise StateError("a revoked credential stays revoked")
            narrow = "SELECT 1 FROM copies JOIN lists ON number = list WHERE credential = ? AND ? >= bits * 2"
            if self._one(narrow, number, value) is not None:
                raise StateError("the status list of this credential has no room for a suspension")
            self._db.execute("UPDATE credentials SET state = ? WHERE number = ?", (value, number))
            if value == VALID:
                self._forget_changes(number)
            else:
                self._db.execute(
                    "INSERT INTO changed SELECT list, idx, ? FROM copies WHERE credential = ?"
                    " ON CONFLICT (list, idx) DO UPDATE SET value = excluded.value",
                    (value, number),
                )
            self.log(at, _EVENTS[value], credential=credential_id, note=reason)

    def count_all(self, which: Selection) -> tuple[int, int]:
        """How many credentials and copies ``revoke_all`` would revoke now."""
        condition, values = which.condition()
        row = self._one(f"SELECT count(*) FROM credentials WHERE {condition}", *values)  # noqa: S608 - our own terms
        copies = self._one(
            f"SELECT count(*) FROM credentials JOIN copies ON credential = number WHERE {condition}",  # noqa: S608 - as above
            *values,
        )
        return (0, 0) if row is None or copies is None else (row[0], copies[0])

    def revoke_all(self, which: Selection, *, reason: str, at: int) -> tuple[int, int]:
        """Revoke all that ``which`` means, with one audit line. How many credentials and copies that were."""
        condition, values = which.condition()
        with self.writing():
            # In the order of the lists: the table is written from one end to the other.
            copies = self._db.execute(
                "INSERT INTO changed SELECT list, idx, ? FROM credentials JOIN copies ON credential = number"  # noqa: S608 - our own terms
                f" WHERE {condition} ORDER BY list, idx ON CONFLICT (list, idx) DO UPDATE SET value = excluded.value",
                (REVOKED, *values),
            ).rowcount
            credentials = self._db.execute(
                f"UPDATE credentials SET state = {REVOKED} WHERE {condition}",  # noqa: S608 - as above
                values,
            ).rowcount
            note = f"{reason}: {credentials} credentials, {copies} copies{which.note()}"
            self.log(at, "revoked in bulk", code=which.code, note=note)
        return credentials, copies

    def lists(self) -> list[ListRow]:
        """Every status list, in the order in which they were begun."""
        return [ListRow(*row) for row in self._all("SELECT number, bits, size, used, version FROM lists ORDER BY 1")]

    def packed(self, row: ListRow) -> bytes:
        """The values of a list, packed as a status list packs them: least significant bits first."""
        bits, buffer = row.bits, bytearray((row.size * row.bits + 7) // 8)
        with self._reading() as db:
            cursor = db.cursor()
            cursor.row_factory = None  # plain tuples: there may be a million
            for index, value in cursor.execute("SELECT idx, value FROM changed WHERE list = ?", (row.number,)):
                position = index * bits
                buffer[position >> 3] |= value << (position & 7)
        return bytes(buffer)

    def changed(self, number: int) -> dict[int, int]:
        """The entries of a list that are not 0, by index."""
        return {row["idx"]: row["value"] for row in self._all("SELECT idx, value FROM changed WHERE list = ?", number)}

    def serve_bitstring(self, numbers: Iterable[int]) -> None:
        """Before a credential names these lists as W3C bitstrings: they are signed as such from now on, for ever."""
        for number in sorted(set(numbers)):
            if not self.has_bitstring(number):
                again = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
                row = (f"{_BITSTRING}{number}", b"\x01")
                self.transact(partial(self._db.execute, again, row))

    def has_bitstring(self, number: int) -> bool:
        """Whether a credential names this list as a W3C bitstring."""
        return self._one("SELECT 1 FROM meta WHERE name = ?", f"{_BITSTRING}{number}") is not None

    def count_signature(self, number: int) -> int:
        """A list was signed once more: its new version."""
        with self.writing():
            self._db.execute("UPDATE lists SET version = version + 1 WHERE number = ?", (number,))
            row = self._one("SELECT version FROM lists WHERE number = ?", number)
        if row is None:
            raise NotFound("there is no such status list")
        return int(row["version"])

    def entries(self) -> list[CopyRow]:
        """Every status entry, in the order of allocation. Everything there is: for small stores."""
        return self._copies("1 = 1")

    def sample(self, *, windows: int, length: int) -> list[CopyRow]:
        """``windows`` (2 or more) runs of entries in the order of allocation, spread over all, the newest too."""
        row = self._one("SELECT max(serial) AS last FROM copies")
        last = 0 if row is None else row["last"] or 0
        if last <= windows * length:
            return self._copies("1 = 1")
        starts = [(last - length) * step // (windows - 1) + 1 for step in range(windows)]
        return [row for start in starts for row in self._copies("serial BETWEEN ? AND ?", start, start + length - 1)]

    def credentials_of(self, subject: str) -> list[str]:
        """Ids of what was issued to ``subject``, oldest first."""
        rows = self._all(
            "SELECT id FROM credentials WHERE subject_hash = ? ORDER BY number", self.subject_hash(subject)
        )
        return [row["id"] for row in rows]

    def issued(self, limit: int) -> list[IssuedRow]:
        """The newest ``limit`` credentials, oldest first."""
        rows = self._all("SELECT id, code, made_at, state FROM credentials ORDER BY number DESC LIMIT ?", limit)
        return [IssuedRow(*row) for row in reversed(rows)]

    def _remove(self, credential_id: str) -> None:
        """Inside ``writing``: forget a credential that nobody got. Its places are free again, unless it was revoked or
        suspended meanwhile: a list that says so may be out, and whoever got such a place next would be revoked by it.
        """
        number, state = self._credential(credential_id)
        if state != VALID:
            return
        for place, _ in self.places(credential_id):
            self._db.execute("UPDATE lists SET used = used - 1 WHERE number = ?", (place,))
        self._db.execute("DELETE FROM copies WHERE credential = ?", (number,))
        self._db.execute("DELETE FROM credentials WHERE number = ?", (number,))

    def _forget_changes(self, number: int) -> None:
        self._db.execute(
            "DELETE FROM changed WHERE (list, idx) IN (SELECT list, idx FROM copies WHERE credential = ?)", (number,)
        )

    def _copies(self, condition: str, *values: object) -> list[CopyRow]:
        rows = self._all(
            "SELECT copies.list, copies.idx, coalesce(value, 0) FROM copies"  # noqa: S608 - our own terms
            " LEFT JOIN changed ON changed.list = copies.list AND changed.idx = copies.idx"
            f" WHERE {condition} ORDER BY serial",
            *values,
        )
        return [CopyRow(*row) for row in rows]

    def _credential(self, credential_id: str) -> tuple[int, int]:
        row = self._one("SELECT number, state FROM credentials WHERE id = ?", credential_id)
        if row is None:
            raise NotFound("there is no such credential")
        return row["number"], row["state"]

    def _place_in_list(self, bits: int) -> tuple[int, int]:
        """Inside ``writing``: count one more entry in the newest list, or in a new one. Its number and its size."""
        counted = self._db.execute(
            "UPDATE lists SET used = used + 1 WHERE 2 * used < size AND number ="
            " (SELECT number FROM lists WHERE bits = ? ORDER BY number DESC LIMIT 1) RETURNING number, size",
            (bits,),
        ).fetchone()
        if counted is not None:
            return counted["number"], counted["size"]
        made = "INSERT INTO lists (bits, size, used) VALUES (?, ?, 1) RETURNING number"
        return int(self._db.execute(made, (bits, self._list_size)).fetchone()[0]), self._list_size
