"""Statements to a PostgreSQL server: many on one way there and back, planned by it once, their values beside the text.

What a driver does for one statement at a time (a cursor, its adaptation, its wait) costs a service more than most of
its statements cost the server; this speaks to libpq as psycopg gives it, in its pipeline mode.
"""

from __future__ import annotations

import select
from functools import lru_cache, partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vcred._waiting import Waiting

__all__ = ["Result", "Row", "Statement", "Wire"]

_PREPARED: Final = 512
"""Statements that a server remembers for one connection; more than we have, but for lists of many lengths."""

_FORGOTTEN: Final = ("0A000", "26000")
"""A table is not what it was when the statement was planned; the server knows no such statement."""

_INT8, _TEXT, _BYTEA, _UNKNOWN = 20, 25, 17, 0
"""Types in PostgreSQL's own numbers (its catalogue ``pg_type``)."""

_Key: TypeAlias = "tuple[str, tuple[int, ...]]"
"""A statement and the types of its values."""
_Wait: TypeAlias = "partial[None]"


class Statement(NamedTuple):
    """SQL, and its values as they are sent: their types, themselves, and whether each of them is binary."""

    sql: str
    types: tuple[int, ...]
    values: list[bytes | None]
    formats: list[int]

    @classmethod
    def of(cls, sql: str, values: Sequence[object] = ()) -> Statement:
        """``sql`` has a ``?`` for each value: ``int``, ``str``, ``bytes`` or ``None``.

        Raises ``TypeError``, ``UnicodeEncodeError`` for half a character.
        """
        types, given, formats = [], [], []
        for value in values:
            if isinstance(value, int):
                one: tuple[int, bytes | None, int] = (_INT8, b"%d" % value, 0)
            elif isinstance(value, str):
                one = (_TEXT, value.encode(), 1)
            elif value is None:
                one = (_UNKNOWN, None, 0)
            elif isinstance(value, bytes):
                one = (_BYTEA, value, 1)
            else:
                raise TypeError(f"a {type(value).__name__} is no value of ours")
            types.append(one[0])
            given.append(one[1])
            formats.append(one[2])
        return cls(sql, tuple(types), given, formats)


class Row(tuple[Any, ...]):
    """A row, by position or by column name, as ``sqlite3.Row`` is."""

    __slots__ = ()
    _columns: dict[str, int]

    def __getitem__(self, key: Any) -> Any:
        return tuple.__getitem__(self, self._columns[key] if isinstance(key, str) else key)

    def keys(self) -> list[str]:
        """The column names."""
        return list(self._columns)


class Result:
    """What came of one statement: ``rowcount`` rows that it changed or found, and the rows, one after another."""

    __slots__ = ("_adapt", "_found", "_next")

    def __init__(self, found: Any, adapt: Any) -> None:
        self._found, self._adapt, self._next = found, adapt, 0

    @property
    def rowcount(self) -> int:
        """Rows changed or found; -1 for a statement that has none."""
        tuples: int | None = self._found.command_tuples
        return -1 if tuples is None else tuples

    @property
    def status(self) -> str:
        """The server's own word for what it did."""
        return str((self._found.command_status or b"").decode())

    def fetchone(self) -> Row | None:
        """The next row."""
        rows = self._rows(min(self._next + 1, self._found.ntuples))
        return rows[0] if rows else None

    def fetchall(self) -> list[Row]:
        """The rows that are left."""
        return self._rows(self._found.ntuples)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.fetchall())

    def _rows(self, end: int) -> list[Row]:
        found, first = self._found, self._next
        self._next = end
        if first == end:
            return []
        self._adapt.set_pgresult(found)
        kind = _row_type(tuple([found.fname(column) for column in range(found.nfields)]))
        rows: list[Row] = self._adapt.load_rows(first, end, kind)
        return rows


class Wire:
    """One connection of psycopg's, from now on used through here alone. For one thread at a time."""

    def __init__(self, connection: Any) -> None:
        """``connection`` commits by itself what is in no transaction."""
        import psycopg  # noqa: PLC0415 - only a store on PostgreSQL
        from psycopg.adapt import Transformer  # noqa: PLC0415 - as above

        self._psycopg = psycopg
        self._adapt = Transformer(connection)
        self._connection = connection
        self._server = connection.pgconn
        self._known: dict[_Key, bytes] = {}
        """What a statement that the server has planned is called there."""
        self._names = count()
        self._server.nonblocking = 1
        self._server.enter_pipeline_mode()

    @property
    def usable(self) -> bool:
        """Whether nobody closed it, as far as can be known without asking the server: unasked, it says only that."""
        return not self._connection.closed and not _heard_of(self._server.socket, select.POLLIN, 0)

    @property
    def closed(self) -> bool:
        """Whether it is known to be of no more use."""
        return bool(self._connection.closed)

    def exchange(
        self, statements: Sequence[Statement], waiting: Waiting | None = None, *, patience: int = 0
    ) -> tuple[list[Result], Exception | None]:
        """The results of all of them, which go to the server together; or those of the first ones, and psycopg's error
        for the one that was refused: none is done after it.

        ``waiting`` is how to wait for the server without holding up a loop, after so many milliseconds of ``patience``.
        Raises psycopg's ``Error`` where the connection broke. It is closed then, and where nobody waited for the end,
        and when what the server remembers of statements is of no more use.
        """
        fresh: dict[_Key, bytes] = {}
        try:
            wait = partial(_wait, self._server.socket, waiting, patience)
            asked = [self._send(one, fresh) for one in statements]
            self._server.pipeline_sync()
            self._flush(wait)
            answers = [[self._answer(wait) for _ in range(1 if key is None else 2)] for key in asked]
            if self._next(wait).status != self._psycopg.pq.ExecStatus.PIPELINE_SYNC:
                raise self._psycopg.OperationalError("out of step")
        except BaseException:
            self._connection.close()
            raise
        found: list[Result] = []
        for key, heard in zip(asked, answers, strict=True):
            if key is not None and self._is_good(heard[0]):
                self._known[key] = fresh[key]
            refused = next((one for one in heard if not self._is_good(one)), None)
            if refused is not None:
                return found, self._refusal(refused)
            found.append(Result(heard[-1], self._adapt))
        return found, None

    def _send(self, one: Statement, fresh: dict[_Key, bytes]) -> _Key | None:
        """The key of a statement that is prepared with this."""
        key = (one.sql, one.types)
        binary = self._psycopg.pq.Format.BINARY
        name = self._known.get(key) or fresh.get(key)
        if name is not None:
            self._server.send_query_prepared(name, one.values, one.formats, binary)
            return None
        if len(self._known) + len(fresh) >= _PREPARED:
            self._server.send_query_params(_numbered(one.sql), one.values, one.types, one.formats, binary)
            return None
        name = fresh[key] = b"vcred%d" % next(self._names)
        self._server.send_prepare(name, _numbered(one.sql), one.types)
        self._server.send_query_prepared(name, one.values, one.formats, binary)
        return key

    def _flush(self, wait: _Wait) -> None:
        while self._server.flush():
            # A server that cannot get rid of its answers takes no more questions.
            wait(writing=True)
            if _heard_of(self._server.socket, select.POLLIN, 0):
                self._server.consume_input()

    def _answer(self, wait: _Wait) -> Any:
        found = self._next(wait)
        if found is None or self._next(wait) is not None:
            raise self._psycopg.OperationalError("out of step")
        return found

    def _next(self, wait: _Wait) -> Any:
        while self._server.is_busy():
            wait(writing=False)
            self._server.consume_input()
        return self._server.get_result()

    def _is_good(self, answer: Any) -> bool:
        status = self._psycopg.pq.ExecStatus
        return answer.status in (status.COMMAND_OK, status.TUPLES_OK)

    def _refusal(self, answer: Any) -> Exception:
        state = (answer.error_field(self._psycopg.pq.DiagnosticField.SQLSTATE) or b"").decode()
        if state in _FORGOTTEN:
            self._connection.close()
        try:
            kind: type[Exception] = self._psycopg.errors.lookup(state)
        except KeyError:
            kind = self._psycopg.DatabaseError
        return kind()


@lru_cache(maxsize=_PREPARED)
def _numbered(sql: str) -> bytes:
    first, *more = sql.split("?")
    return "".join((first, *(f"${number}{text}" for number, text in enumerate(more, 1)))).encode()


@lru_cache(maxsize=_PREPARED)
def _row_type(columns: tuple[bytes, ...]) -> type[Row]:
    places = {name.decode(): index for index, name in enumerate(columns)}
    return type("Row", (Row,), {"__slots__": (), "_columns": places})


def _heard_of(socket: int, events: int, milliseconds: int | None) -> bool:
    places = select.poll()
    places.register(socket, events)
    return bool(places.poll(milliseconds))


def _wait(socket: int, waiting: Waiting | None, patience: int, *, writing: bool) -> None:
    """Until there is something to read from ``socket``, or room to write."""
    events = select.POLLIN | (select.POLLOUT if writing else 0)
    if waiting is None:
        _heard_of(socket, events, None)
    elif not (patience and _heard_of(socket, events, patience)):
        waiting.heard(socket, writing=writing)
