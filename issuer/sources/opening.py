"""A record source by one text: a mapping file, or a callable of the agency's own package."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from issuer.records import RecordSource
from issuer.sources.http import HttpRecords
from issuer.sources.mapping import read_mapping
from issuer.sources.sql import SqlRecords
from vcred.errors import SettingsError

if TYPE_CHECKING:
    from vcred.catalog import Catalog
    from vcred.outgoing import Http

__all__ = ["PYTHON", "called", "open_source"]

PYTHON: Final = "python:"
_CALLABLE: Final = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")


def open_source(text: str, *, catalog: Catalog, http: Http) -> RecordSource:
    """The registry that ``text`` names: ``file.toml`` (a mapping), or ``python:package.module:callable``.

    The callable is called without arguments and returns a ``RecordSource``. Raises ``SettingsError``.
    """
    if text.startswith(PYTHON):
        name = text.removeprefix(PYTHON)
        maker = called(name)
        source = maker()
        if not isinstance(source, RecordSource):
            raise SettingsError(f"{name}: does not give a record source (it needs fetch(code, subject, *, at))")
        return source
    mapping = read_mapping(Path(text), catalog)
    return SqlRecords(mapping) if mapping.source == "sql" else HttpRecords(mapping, http=http)


def called(name: str) -> Any:
    """What ``package.module:callable`` names. Raises ``SettingsError``."""
    found = _CALLABLE.fullmatch(name)
    if found is None:
        raise SettingsError("something in Python is named as python:package.module:callable")
    try:
        maker = getattr(import_module(found[1]), found[2])
    except ImportError as error:
        raise SettingsError(f"{name}: cannot be imported: {type(error).__name__}") from error
    except AttributeError:
        raise SettingsError(f"{name}: the module has no such name") from None
    if not callable(maker):
        raise SettingsError(f"{name}: cannot be called")
    return maker
