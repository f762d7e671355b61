"""A TOML table read strictly: every key once, of the right type, none left over."""

from __future__ import annotations

import datetime as dt
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from vcred.claims import ClaimPath
from vcred.errors import PolicyError
from vcred.policy.model import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["MISSING", "Table"]

T = TypeVar("T")
D = TypeVar("D")
MISSING: Any = object()
_LIMIT = 256
_SHOWN = 80


class Table:
    """One table; ``done`` complains about keys that nobody read."""

    __slots__ = ("_left", "_path", "_values", "file")

    def __init__(self, values: Any, file: str, path: str) -> None:
        self.file = file
        self._path = path
        if not isinstance(values, dict):
            raise self.error("", "must be a table")
        self._values = values
        self._left = set(values)

    def error(self, key: str, detail: str) -> PolicyError:
        """The error for ``key`` of this table. A key of any length is told by its beginning."""
        if len(key) > _SHOWN:
            key = key[:_SHOWN] + "..."
        return PolicyError(self.file, ".".join(part for part in (self._path, key) if part), detail)

    def done(self) -> None:
        """Refuse keys that nobody asked for."""
        for key in sorted(self._left):
            raise self.error(key, "unknown key")

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def _absent(self, key: str, what: str, default: D) -> D:
        if default is MISSING:
            near = get_close_matches(key, [left for left in self._left if len(left) <= _SHOWN], 1, 0.75)
            hint = f" (is it what is written as {near[0]!r}?)" if near else ""
            raise self.error(key, f"missing: {what} is required here{hint}")
        return default

    def _typed(self, key: str, kind: type[T], what: str) -> T:
        self._left.discard(key)
        value = self._values[key]
        if type(value) is not kind:
            raise self.error(key, f"must be {what}")
        return value

    def text(self, key: str, default: D = MISSING) -> str | D:
        """A non-empty text."""
        if key not in self:
            return self._absent(key, "a text", default)
        value = self._typed(key, str, "a text")
        if not value.strip() or len(value) > _LIMIT * 4:
            raise self.error(key, "must be a text of 1 to 1,024 characters")
        return value

    def flag(self, key: str, default: D = MISSING) -> bool | D:
        """``true`` or ``false``."""
        return self._typed(key, bool, "true or false") if key in self else self._absent(key, "true or false", default)

    def number(self, key: str, default: D = MISSING, *, least: int = 0, most: int = 100_000) -> int | D:
        """A whole number within bounds."""
        if key not in self:
            return self._absent(key, "a whole number", default)
        value = self._typed(key, int, "a whole number")
        if not least <= value <= most:
            raise self.error(key, f"must be {least} to {most}")
        return value

    def date_or(self, key: str, word: str) -> dt.date | str | None:
        """A date, or the one word that stands for it; ``None`` where the key is absent."""
        self._left.discard(key)
        value = self._values.get(key)
        if value is not None and type(value) is not dt.date and value != word:
            raise self.error(key, f'must be a date or "{word}"')
        return value

    def choice(self, key: str, choices: Sequence[str], default: D = MISSING) -> str | D:
        """One of ``choices``."""
        what = " or ".join(f'"{one}"' for one in choices)
        if key not in self:
            return self._absent(key, what, default)
        value = self._typed(key, str, what)
        if value not in choices:
            raise self.error(key, f"must be {what}")
        return value

    def both(self, key: str, default: D = MISSING) -> Text | D:
        """A text in Korean and English: ``{ ko = "...", en = "..." }``."""
        if key not in self:
            return self._absent(key, "a text in ko and en", default)
        table = self.table(key)
        found = Text(ko=table.text("ko"), en=table.text("en"))
        table.done()
        return found

    def table(self, key: str, *, optional: bool = False) -> Table:
        """A table below this one."""
        if key not in self:
            return Table(self._absent(key, "a table", {} if optional else MISSING), self.file, self._join(key))
        return Table(self._typed(key, dict, "a table"), self.file, self._join(key))

    def tables(self, key: str, *, optional: bool = False) -> list[Table]:
        """An array of tables; absent only where ``optional``."""
        if key not in self:
            return self._absent(key, "an array of tables", [] if optional else MISSING)
        found = self._typed(key, list, "an array of tables")
        if not found or len(found) > _LIMIT:
            raise self.error(key, "must have 1 to 256 entries")
        return [Table(one, self.file, self._join(f"{key}[{i}]")) for i, one in enumerate(found)]

    def each(self) -> list[str]:
        """The keys, where the table's own keys are names; each must then be read."""
        return list(self._values)

    def texts(self, key: str, default: D = MISSING) -> tuple[str, ...] | D:
        """A non-empty array of texts."""
        return self.array(key, self._one_text, default)

    def scalars(self, key: str, default: D = MISSING) -> tuple[str | int | bool, ...] | D:
        """A scalar, or a non-empty array of scalars."""
        if isinstance(self._values.get(key), (str, int)):
            self._left.discard(key)
            return (self._values[key],)
        return self.array(key, self._one_scalar, default)

    def path(self, key: str, default: D = MISSING) -> ClaimPath | D:
        """A claim path such as ``members[].name``."""
        if key not in self:
            return self._absent(key, "a claim path", default)
        return self._one_path(self.text(key), key)

    def paths(self, key: str, default: D = MISSING) -> tuple[ClaimPath, ...] | D:
        """A non-empty array of claim paths, or one."""
        if isinstance(self._values.get(key), str):
            return (self.path(key),)
        return self.array(key, self._one_path, default)

    def array(self, key: str, read: Callable[[Any, str], T], default: D = MISSING) -> tuple[T, ...] | D:
        """A non-empty array without repetitions, each entry through ``read(value, where)``."""
        if key not in self:
            return self._absent(key, "an array", default)
        found = self._typed(key, list, "an array")
        if not found or len(found) > _LIMIT:
            raise self.error(key, "must have 1 to 256 entries")
        entries = tuple(read(one, f"{key}[{i}]") for i, one in enumerate(found))
        if len(set(entries)) != len(entries):
            raise self.error(key, "an entry is there twice")
        return entries

    def _join(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _one_text(self, value: Any, where: str) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self.error(where, "must be a text")
        return value

    def _one_scalar(self, value: Any, where: str) -> str | int | bool:
        if not isinstance(value, (str, int)):
            raise self.error(where, "must be a text, a whole number or true/false")
        return value

    def _one_path(self, value: Any, where: str) -> ClaimPath:
        try:
            return ClaimPath.parse(self._one_text(value, where))
        except ValueError as error:
            raise self.error(where, str(error)) from None
