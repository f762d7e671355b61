"""``SqlRecords``: a registry in SQL tables, read with SQLAlchemy by a mapping file.

Nothing is ever written: each record is one read-only transaction that sees one state of the registry and is rolled
back. Values go in as parameters; the texts of statements come from the mapping file alone.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from issuer.sources._record import MAX_ROWS, NOTHING, record_of
from issuer.sources.mapping import Leaf, Node, RegistryMap, Rows
from vcred.catalog.age import kst_date
from vcred.errors import MissingExtraError, RecordError, SettingsError, StoreError

if TYPE_CHECKING:
    from collections import abc
    from datetime import datetime

    from sqlalchemy import Connection, Executable

    from issuer.sources.mapping import TypeMap

__all__ = ["SqlRecords"]

_MAX_SUBJECT: Final = 256
_SECONDS: Final = 5
_OF: Final = "of_"


class SqlRecords:
    """A ``RecordSource`` over any database that SQLAlchemy speaks to. Safe for several threads."""

    def __init__(self, mapping: RegistryMap, *, url: str | None = None) -> None:
        """``url`` replaces the one in the mapping. Opens nothing yet. Raises ``SettingsError``."""
        if mapping.source != "sql":
            raise SettingsError(f"{mapping.file}: not a mapping of SQL tables")
        self._mapping = mapping
        self._seconds = int(mapping.connection.get("seconds", _SECONDS))
        self._engine = _engine(url or _url(mapping))

    def fetch(self, code: str, subject: str, *, at: datetime) -> abc.Mapping[str, Any]:
        """See ``RecordSource``. Raises ``StoreError`` when the registry cannot be read."""
        mapped, day = self._mapping.types.get(code), kst_date(at)
        if mapped is None:
            raise RecordError("this registry has no records of that kind")
        wanted = _wanted(mapped)
        if not subject or len(subject) > _MAX_SUBJECT or "\0" in subject:
            raise RecordError(NOTHING)
        with self._reading() as connection:
            values: dict[str, Any] = {"subject": subject, "day": day.isoformat()}
            found = self._rows(connection, mapped.root, values, wanted)
            if not found:
                raise RecordError(NOTHING)
            if len(found) > 1:
                raise RecordError("the registry has several rows for one subject")
            values |= {f"{_OF}{name}": _column(found[0], name) for name in wanted}
            parts = {name: self._rows(connection, rows, values, ()) for name, rows in mapped.parts.items()}
        return record_of(mapped, found[0], parts, _get, day)

    def check(self) -> None:
        """Whether every table and column is there, and may be read. Raises ``StoreError`` naming what is not."""
        values: dict[str, Any] = {"subject": "", "day": date(2000, 1, 1).isoformat()}
        for code, mapped in self._mapping.types.items():
            for rows in (mapped.root, *mapped.parts.values()):
                where = f"types.{code}.rows.{rows.path}" if rows.path else f"types.{code}"
                wanted = _wanted(mapped) if rows is mapped.root else ()
                if rows.origin.of is not None:
                    values |= {f"{_OF}{rows.origin.of}": None}
                try:
                    with self._reading() as connection:
                        self._rows(connection, rows, values, wanted)
                except RecordError:
                    continue  # the key is a number, and "" is none
                except StoreError as error:
                    raise StoreError(f"{self._mapping.file}: {where}: {error}") from error

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> abc.Iterator[Connection]:
        from sqlalchemy.exc import DataError, SQLAlchemyError  # noqa: PLC0415 - only with such a registry

        try:
            with self._engine.connect() as connection:
                _make_read_only(connection, self._seconds)
                try:
                    yield connection
                finally:
                    connection.rollback()
        except DataError:
            # A subject that is not even of the key's type: such as a name where numbers are.
            raise RecordError(NOTHING) from None
        except SQLAlchemyError as error:
            # Its text holds the statement, and perhaps what a driver says about a row.
            raise StoreError(f"the registry cannot be read: {type(error).__name__}") from None

    def _rows(
        self, connection: Connection, rows: Rows, values: abc.Mapping[str, Any], more: abc.Iterable[str]
    ) -> list[dict[str, Any]]:
        statement, names = _statement(rows, more)
        result = connection.execute(statement, {name: values[name] for name in names})
        found = [dict(row) for row in result.mappings().fetchmany(MAX_ROWS + 1)]
        if len(found) > MAX_ROWS:
            raise RecordError(f"{rows.path or 'the subject'}: the registry has more than {MAX_ROWS} rows")
        if rows.origin.query is not None:
            missing = [leaf.source for leaf in _leaves(rows) if leaf.source not in (None, *result.keys())]
            if missing:
                raise StoreError(f"the query has no column {missing[0]}")
        return found


def _leaves(rows: Rows) -> list[Leaf]:
    return list(rows.what.leaves()) if isinstance(rows.what, Node) else [rows.what]


def _wanted(mapped: TypeMap) -> tuple[str, ...]:
    """The columns of the subject's row that other rows are found by."""
    return tuple({rows.origin.of for rows in mapped.parts.values() if rows.origin.of is not None})


def _column(row: abc.Mapping[str, Any], name: str) -> Any:
    """A column of the subject's row, from a table or from a query."""
    if f"{_OF}{name}" in row:
        return row[f"{_OF}{name}"]
    if name not in row:
        raise StoreError(f"the query has no column {name}")
    return row[name]


def _get(leaf: Leaf, row: abc.Mapping[str, Any]) -> Any:
    return row[_label(leaf)] if _label(leaf) in row else row[str(leaf.source)]


def _label(leaf: Leaf) -> str:
    return f"c_{leaf.path}"


def _statement(rows: Rows, more: abc.Iterable[str]) -> tuple[Executable, list[str]]:
    """The statement, and the names of its parameters."""
    from sqlalchemy import bindparam, column, literal_column, select, table, text  # noqa: PLC0415 - as above
    from sqlalchemy.types import NullType  # noqa: PLC0415 - as above

    origin = rows.origin
    if origin.query is not None:
        asked = text(origin.query)
        return asked, [name for name in ("subject", "day") if f":{name}" in origin.query]
    assert origin.table is not None
    assert origin.key is not None
    schema, _, name = origin.table.rpartition(".")
    columns: list[Any] = [
        (literal_column(leaf.sql) if leaf.sql is not None else column(str(leaf.source))).label(_label(leaf))
        for leaf in _leaves(rows)
        if leaf.sql is not None or leaf.source is not None
    ]
    columns += [column(each).label(f"{_OF}{each}") for each in more]
    parameter = "subject" if origin.of is None else f"{_OF}{origin.of}"
    # No type: the database compares the text as it compares a literal, also with a key that is a number.
    wanted = column(origin.key) == bindparam(parameter, type_=NullType())
    asked_for = select(*(columns or [literal_column("1").label("c_")]))
    asked_for = asked_for.select_from(table(name, schema=schema or None)).where(wanted)
    if origin.where is not None:
        asked_for = asked_for.where(text(f"({origin.where})"))
    if origin.order is not None:
        asked_for = asked_for.order_by(text(origin.order))
    return asked_for.limit(MAX_ROWS + 1), [parameter]


def _url(mapping: RegistryMap) -> str:
    if "url" in mapping.connection:
        return str(mapping.connection["url"])
    file = Path(str(mapping.connection["url_file"]))
    try:
        return file.read_text(encoding="utf-8").split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{mapping.file}: database.url_file: cannot be read") from None


def _engine(url: str) -> Any:
    try:
        from sqlalchemy import create_engine, event  # noqa: PLC0415 - as above
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        raise MissingExtraError("server") from error
    try:
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError):
        raise SettingsError("the registry's database URL is not one that SQLAlchemy understands") from None
    except ModuleNotFoundError as error:
        raise SettingsError(f"the driver of the registry's database is not installed: {error.name}") from None
    if engine.dialect.name == "sqlite":
        file = engine.url.database
        if file and file != ":memory:" and not Path(file).is_file():
            raise SettingsError("the registry's database file does not exist")
        event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA query_only = ON"))
    return engine


def _make_read_only(connection: Connection, seconds: int) -> None:
    """A transaction that cannot write, sees one state, and ends in time where the database can see to that."""
    name = connection.dialect.name
    if name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {seconds * 1000}")
    elif name in ("mysql", "mariadb"):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.rollback()
        connection.exec_driver_sql("START TRANSACTION READ ONLY")
    elif name == "oracle":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
