"""Taking a TOML file apart strictly: what is left over is a mistake, and every mistake has a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Problems", "Table"]

_T = TypeVar("_T", str, int)


class Problems:
    """What is wrong with one file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.found: list[str] = []

    def add(self, path: str, detail: str) -> None:
        """One more."""
        self.found.append(f"{self._file}: {path}: {detail}" if path else f"{self._file}: {detail}")


class Table:
    """A table that members are taken out of; iterating gives the names that are still in it."""

    def __init__(self, members: dict[str, Any], path: str, problems: Problems) -> None:
        self._members = dict(members)
        self.path = path
        self._problems = problems

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._members))

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def take(self, name: str) -> Any:
        """A member of any type; ``None`` for none."""
        return self._members.pop(name, None)

    def pop(self, name: str, kind: type[_T]) -> _T | None:
        """A member of that type."""
        value = self._members.pop(name, None)
        if value is None:
            return None
        if type(value) is not kind or value == "":
            self._problems.add(self._at(name), "must be text" if kind is str else "must be a whole number")
            return None
        return value

    def texts(self, name: str) -> list[str]:
        """An array of texts; empty for none."""
        value = self._members.pop(name, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self._problems.add(self._at(name), "must be an array of texts")
            return []
        return value

    def table(self, name: str, *, needed: bool) -> Table:
        """A table inside; an empty one for none."""
        value = self._members.pop(name, None)
        if not isinstance(value, dict):
            if value is not None or needed:
                self._problems.add(self._at(name), "must be a table")
            value = {}
        return Table(value, self._at(name), self._problems)

    def only(self, names: tuple[str, ...]) -> dict[str, Any]:
        """All members, which have these names."""
        found = {name: self._members.pop(name) for name in names if name in self._members}
        self.close()
        return found

    def close(self, detail: str = "is not known here") -> None:
        """Nothing may be left."""
        for name in self._members:
            self._problems.add(self._at(name), detail)
        self._members = {}

    def _at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name
