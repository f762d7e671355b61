"""A mapping file: which column, expression or JSON member of a registry is which claim of which certificate type.

Read once, strictly, against the catalogue. Every claim of a mapped type is either mapped or named in ``empty``: what is
left out of a record is certified as "there is nothing", and that must be the registry's word, not an oversight's.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from issuer.sources._read import Problems, Table
from vcred.errors import CatalogError, SettingsError

if TYPE_CHECKING:
    from collections import abc
    from pathlib import Path

    from vcred.catalog import Catalog, CertificateType, ClaimSpec

__all__ = ["Leaf", "Node", "Origin", "RegistryMap", "Rows", "TypeMap", "lint_mapping", "read_mapping"]

SOURCES: Final = ("http", "sql")
_ORIGINS: Final = {"sql": ("key", "of", "order", "query", "table", "where"), "http": ("at", "url", "whole")}
_CONNECTIONS: Final = {
    "sql": ("database", ("seconds", "url", "url_file")),
    "http": ("request", ("header", "nothing", "secret_file")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """Where one value comes from.

    ``source`` is a column or a JSON pointer, ``sql`` an expression over the table, ``day`` the day of issue and so many
    days later; otherwise it is the constant ``value``. ``codes`` are the catalogue's words for the registry's.
    """

    path: str
    spec: ClaimSpec
    source: str | None = None
    sql: str | None = None
    day: int | None = None
    value: Any = None
    codes: abc.Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An object claim, and what its members are."""

    spec: ClaimSpec | None
    members: abc.Mapping[str, Leaf | Node]

    def leaves(self) -> abc.Iterator[Leaf]:
        """Every value below."""
        for member in self.members.values():
            if isinstance(member, Leaf):
                yield member
            else:
                yield from member.leaves()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where rows come from. SQL: ``query``, or ``table`` where column ``key`` is the subject (or is what column ``of``
    of the subject's row holds). HTTP: ``url``, and the pointer ``at`` into its answer, or into the subject's.
    """

    query: str | None = None
    table: str | None = None
    key: str | None = None
    of: str | None = None
    where: str | None = None
    order: str | None = None
    url: str | None = None
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of a registry and the claims they hold. ``what`` is one ``Leaf`` for an array of plain values."""

    path: str
    origin: Origin
    what: Node | Leaf


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeMap:
    """One certificate type: the subject's own row, and rows for claims that have others.

    With ``whole`` the registry speaks the catalogue's names: what is at that pointer is the record.
    """

    kind: CertificateType
    root: Rows
    parts: abc.Mapping[str, Rows] = field(default_factory=lambda: MappingProxyType({}))
    whole: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryMap:
    """A mapping file. ``connection`` is its table ``database`` or ``request``."""

    file: str
    source: str
    connection: abc.Mapping[str, Any] = field(repr=False)
    types: abc.Mapping[str, TypeMap]


def read_mapping(file: Path, catalog: Catalog) -> RegistryMap:
    """The mapping in ``file``. Raises ``SettingsError`` that says everything that is wrong with it, and where."""
    mapping, problems = _read(file, catalog)
    if problems or mapping is None:
        raise SettingsError("\n".join(problems))
    return mapping


def lint_mapping(file: Path, catalog: Catalog) -> list[str]:
    """What is wrong with a mapping file, one line each with the path in it; empty is good."""
    return _read(file, catalog)[1]


def _read(file: Path, catalog: Catalog) -> tuple[RegistryMap | None, list[str]]:
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        return None, [f"{file}: {error.strerror}"]
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return None, [f"{file}: not TOML: {error}"]
    problems = Problems(str(file))
    top = Table(found, "", problems)
    if top.pop("format", int) != 1:
        problems.add("format", "must be 1")
    source = top.pop("source", str)
    if source not in SOURCES:
        problems.add("source", f"is one of {', '.join(SOURCES)}")
        return None, problems.found
    name, members = _CONNECTIONS[source]
    connection = top.table(name, needed=source == "sql").only(members)
    if source == "sql" and ("url" in connection) == ("url_file" in connection):
        problems.add(name, "has either url or url_file")
    codes = {each: _words(top_codes, each) for top_codes in [top.table("codes", needed=False)] for each in top_codes}
    types = {}
    listed = top.table("types", needed=True)
    for code in listed:
        try:
            kind = catalog[code]
        except CatalogError as error:
            problems.add(f"types.{code}", error.detail)
            listed.take(code)
            continue
        types[code] = _TypeReader(kind, source, codes, problems).read(listed.table(code, needed=True))
    if not types:
        problems.add("types", "maps no certificate type")
    top.close()
    mapping = RegistryMap(file=str(file), source=source, connection=connection, types=MappingProxyType(types))
    return mapping, problems.found


def _words(codes: Table, name: str) -> dict[str, str]:
    table = codes.table(name, needed=True)
    return {word: str(table.pop(word, str)) for word in list(table)}


class _TypeReader:
    def __init__(
        self, kind: CertificateType, source: str, codes: abc.Mapping[str, abc.Mapping[str, str]], problems: Problems
    ) -> None:
        self._kind = kind
        self._source = source
        self._codes = codes
        self._problems = problems
        self._empty: set[str] = set()
        specs = (*kind.claims, *(one for one in kind.facts if len(one.path.parts) == 1))
        self._top = {spec.key: spec for spec in specs if spec.derive is None}

    def read(self, table: Table) -> TypeMap:
        self._empty = set(table.texts("empty"))
        for path in sorted(self._empty & {_text(spec) for spec in self._kind.walk() if spec.required}):
            self._problems.add(f"{table.path}.empty", f"{path} is required: it cannot be empty")
        origin = self._origin(table, root=True)
        whole = table.pop("whole", str) if self._source == "http" else None
        rows = table.table("rows", needed=False)
        if whole is not None:
            table.close()
            return TypeMap(kind=self._kind, root=Rows(path="", origin=origin, what=_no_node()), whole=whole)
        parts = {name: self._part(name, rows.table(name, needed=True)) for name in list(rows)}
        node = self._node(None, self._top, table.table("claims", needed=False), taken=frozenset(parts))
        table.close()
        if unknown := self._empty - {_text(spec) for spec in (*self._kind.walk(), *self._kind.facts)}:
            self._problems.add(f"{table.path}.empty", f"{min(unknown)} is not a claim of {self._kind.code}")
        root = Rows(path="", origin=origin, what=node)
        return TypeMap(kind=self._kind, root=root, parts=MappingProxyType(parts))

    def _part(self, name: str, table: Table) -> Rows:
        origin = self._origin(table, root=False)
        spec = self._top.get(name)
        if spec is None or not (spec.many or spec.type == "object"):
            self._problems.add(table.path, f"{name} is not an array or object at the top of {self._kind.code}")
            table.take("claims")
            return Rows(path=name, origin=origin, what=_no_node())
        what: Node | Leaf
        if spec.type == "object":
            known = {child.key: child for child in (*spec.children, *self._facts(spec)) if child.derive is None}
            what = self._node(spec, known, table.table("claims", needed=False), taken=frozenset())
        else:
            what = self._leaf(spec, table.take("claims"), f"{table.path}.claims")
        table.close()
        return Rows(path=name, origin=origin, what=what)

    def _facts(self, spec: ClaimSpec) -> list[ClaimSpec]:
        return [fact for fact in self._kind.facts if fact.path.parts[: len(spec.path.parts)] == spec.path.parts]

    def _node(
        self, spec: ClaimSpec | None, known: abc.Mapping[str, ClaimSpec], table: Table, *, taken: frozenset[str]
    ) -> Node:
        members: dict[str, Leaf | Node] = {}
        for name, child in known.items():
            if name in taken or _text(child) in self._empty:
                if name in table or name in taken & self._empty:
                    self._problems.add(f"{table.path}.{name}", "is mapped twice, or mapped and said to be empty")
                    table.take(name)
                continue
            if name not in table:
                self._missing(table, child)
            elif child.many:
                self._problems.add(f"{table.path}.{name}", self._array_hint(child))
                table.take(name)
            elif child.type == "object":
                below = {one.key: one for one in child.children}
                members[name] = self._node(child, below, table.table(name, needed=True), taken=frozenset())
            else:
                members[name] = self._leaf(child, table.take(name), f"{table.path}.{name}")
        table.close(f"is not a claim of {self._kind.code}")
        return Node(spec=spec, members=MappingProxyType(members))

    def _missing(self, table: Table, spec: ClaimSpec) -> None:
        text = _text(spec)
        if spec.many and spec.required:
            advice = self._array_hint(spec)
        elif spec.required:
            advice = "this type requires it"
        else:
            advice = f"map it, or add {text!r} to empty: the certificate will say that there is nothing"
        self._problems.add(f"{table.path}.{spec.key}", f"is missing; {advice}")

    def _array_hint(self, spec: ClaimSpec) -> str:
        if len(spec.path.parts) > 1:
            return "an array inside an array or object has no mapping: write a Python source"
        return f"is an array: its rows are in types.{self._kind.code}.rows.{spec.key}"

    def _leaf(self, spec: ClaimSpec, found: Any, path: str) -> Leaf:
        if isinstance(found, str):
            found = {"from": found}
        if not isinstance(found, dict):
            self._problems.add(path, "is the name of a column or member, or a table with one of from, sql, value, day")
            return Leaf(path=path, spec=spec)
        table = Table(dict(found), path, self._problems)
        origins = [name for name in ("from", "sql", "value", "day") if name in table]
        if len(origins) != 1 or (self._source != "sql" and "sql" in table):
            self._problems.add(path, "has exactly one of from, sql (in SQL sources), value, day")
        value = table.take("value") if "value" in table else None
        source, sql, day = table.pop("from", str), table.pop("sql", str), table.pop("day", int)
        if self._source == "http" and source is not None and not source.startswith("/"):
            self._problems.add(path, "is a JSON pointer, which begins with /")
        codes = self._value_map(spec, table.pop("codes", str), path)
        if codes is None and value is not None and spec.codes is not None and value not in spec.codes:
            self._problems.add(path, f"is not in the code list {spec.codes.id}")
        table.close()
        return Leaf(path=_text(spec), spec=spec, source=source, sql=sql, day=day, value=value, codes=codes)

    def _value_map(self, spec: ClaimSpec, name: str | None, path: str) -> abc.Mapping[str, str] | None:
        if name is None:
            return None
        words = self._codes.get(name)
        if words is None:
            self._problems.add(f"{path}.codes", "names no table of codes")
            return None
        if spec.codes is not None and (wrong := [one for one in words.values() if one not in spec.codes]):
            self._problems.add(f"codes.{name}", f"{wrong[0]} is not in the code list {spec.codes.id}")
        return words

    def _origin(self, table: Table, *, root: bool) -> Origin:
        given = {name: table.pop(name, str) for name in _ORIGINS[self._source] if name != "whole"}
        origin = Origin(**{name: value for name, value in given.items() if value is not None})
        if self._source == "sql":
            self._check_sql(origin, table.path, root=root)
        elif root and origin.url is None:
            self._problems.add(f"{table.path}.url", "is missing")
        elif origin.at and not origin.at.startswith("/"):
            self._problems.add(f"{table.path}.at", "is a JSON pointer, which begins with /")
        return origin

    def _check_sql(self, origin: Origin, path: str, *, root: bool) -> None:
        if (origin.query is None) == (origin.table is None):
            self._problems.add(path, "has either table or query")
        elif origin.table is not None and origin.key is None:
            self._problems.add(f"{path}.key", "is missing: the column that is the subject")
        elif origin.query is not None:
            if origin.query.split(None, 1)[0].upper() not in ("SELECT", "WITH"):
                self._problems.add(f"{path}.query", "begins with SELECT or WITH")
            if any((origin.key, origin.of, origin.where, origin.order)):
                self._problems.add(path, "a query says key, where and order itself")
            if ":subject" not in origin.query:
                self._problems.add(f"{path}.query", "never names :subject: it would give everybody the same")
        if root and origin.of is not None:
            self._problems.add(f"{path}.of", "is for rows: this is the subject's own row")


def _no_node() -> Node:
    return Node(spec=None, members=MappingProxyType({}))


def _text(spec: ClaimSpec) -> str:
    text = ""
    for part in spec.path.parts:
        text += "[]" if part is None else f".{part}" if text else str(part)
    return text
