"""Typed reading of TOML tables that collects every mistake, with its file and path, instead of stopping at one."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from vcred.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["Table"]

LANGUAGES = ("ko", "en")
_SHOWN = re.compile(r"[A-Za-z0-9_.:\[\]-]{1,80}")


class Table:
    """A table of a type file. Getters return a harmless value where they report a mistake."""

    def __init__(self, content: Any, file: str, path: str, errors: list[CatalogError]) -> None:
        self.file = file
        self.path = path
        self.errors = errors
        self._content: dict[str, Any] = content if isinstance(content, dict) else {}
        self._seen: set[str] = set()
        if not isinstance(content, dict):
            self.error("", "must be a table")

    def error(self, key: str, detail: str) -> None:
        """Report a mistake at ``key``."""
        shown = key if _SHOWN.fullmatch(key) else ""
        path = f"{self.path}.{shown}" if self.path and shown else self.path or shown
        self.errors.append(CatalogError(self.file, path, detail))

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self._content

    def raw(self, key: str) -> Any:
        """The value as TOML read it, ``None`` if absent."""
        self._seen.add(key)
        return self._content.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """A text that is not empty; required unless there is a default."""
        value = self.raw(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value.strip() or "\x00" in value:
            self.error(key, "must be a text" if value is not None else "is missing; add a text")
            return default or ""
        return value

    def matching(self, key: str, pattern: str, wanted: str) -> str:
        """A required text of a given shape."""
        value = self.text(key)
        if value and not re.fullmatch(pattern, value):
            self.error(key, f"must be {wanted}")
        return value

    def one_of(self, key: str, allowed: Collection[str], default: str | None = None) -> str:
        """One of a few texts."""
        value = self.text(key, default)
        if value and value not in allowed:
            self.error(key, f"must be one of {', '.join(sorted(allowed))}")
            return default or next(iter(allowed))
        return value

    def integer(self, key: str, low: int, high: int) -> int:
        """A required whole number."""
        value = self.raw(key)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.error(key, f"must be a whole number from {low} to {high}")
            return low
        return value

    def yes_no(self, key: str) -> bool:
        """A required true or false."""
        value = self.raw(key)
        if not isinstance(value, bool):
            self.error(key, "must be true or false")
            return False
        return value

    def day(self, key: str) -> date | None:
        """An optional date."""
        value = self.raw(key)
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        self.error(key, "must be a date, YYYY-MM-DD without quotes")
        return None

    def names(self, key: str) -> dict[str, str]:
        """A table of a text in every language."""
        table = Table(
            self.raw(key) if self.has(key) else {}, self.file, f"{self.path}.{key}" if self.path else key, self.errors
        )
        return table.both()

    def both(self, *, close: bool = True) -> dict[str, str]:
        """``ko`` and ``en`` of this table."""
        names = {lang: self.text(lang) for lang in LANGUAGES}
        if close:
            self.close()
        return names

    def texts(self, key: str) -> tuple[str, ...]:
        """An optional array of different texts."""
        value = self.raw(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            self.error(key, "must be an array of texts")
            return ()
        if len(set(value)) != len(value):
            self.error(key, "names something twice")
        return tuple(value)

    def tables(self, key: str) -> Iterator[Table]:
        """The tables of an optional array."""
        value = self.raw(key)
        if value is not None and not isinstance(value, list):
            self.error(key, "must be an array of tables")
            return
        for index, item in enumerate(value or ()):
            yield Table(item, self.file, f"{self.path}.{key}[{index}]" if self.path else f"{key}[{index}]", self.errors)

    def table(self, key: str) -> Table:
        """A table; an empty one if absent."""
        path = f"{self.path}.{key}" if self.path else key
        return Table(self.raw(key) if self.has(key) else {}, self.file, path, self.errors)

    def keys(self) -> list[str]:
        """Every key of the table."""
        return list(self._content)

    def close(self) -> None:
        """Report every key nobody asked for."""
        for key in self._content:
            if key not in self._seen:
                self.error(key, "is not known here; remove it or correct its spelling")
