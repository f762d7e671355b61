"""Registries a command can certify from: an invented town, records in a JSON file, or one by a mapping file."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcred.cli._files import MAX_FILE, read
from vcred.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from issuer import RecordSource
    from vcred.outgoing import Http

__all__ = ["JsonRecords", "NoRecords", "opened", "source_of"]


class JsonRecords:
    """A registry in a JSON file: ``{code: {subject: record}}``, records as ``catalog show --sample`` prints them."""

    def __init__(self, file: Path) -> None:
        """Raises ``RecordError`` when the file is not of that form."""
        from vcred.errors import MalformedError
        from vcred.formats._wire import parse_json

        try:
            self._records = parse_json(read(file), file.name, max_bytes=MAX_FILE)
        except MalformedError as error:
            raise RecordError(f"{file}: {error.detail}") from error
        shape = isinstance(self._records, dict) and all(isinstance(one, dict) for one in self._records.values())
        if not shape:
            raise RecordError(f"{file}: not an object of certificate types, each an object of subjects")

    def fetch(self, code: str, subject: str, *, at: datetime) -> Mapping[str, Any]:  # noqa: ARG002 - the protocol's
        """See ``RecordSource``."""
        record = self._records.get(code, {}).get(subject)
        if not isinstance(record, dict):
            raise RecordError(f"no {code} for this subject")
        return record


class NoRecords:
    """What stands for the registry in commands that certify nobody."""

    def fetch(self, code: str, subject: str, *, at: datetime) -> Mapping[str, Any]:  # noqa: ARG002 - the protocol's
        raise RecordError("this command has no registry")


@contextmanager
def opened(records: Path | str | None, *, http: Http | None = None) -> Iterator[RecordSource]:
    """As ``source_of``; in the end it is closed, if that can be done to it."""
    found = source_of(records, http=http)
    try:
        yield found
    finally:
        close = getattr(found, "close", None)
        if close is not None:
            close()


def source_of(records: Path | str | None, *, http: Http | None = None) -> RecordSource:
    """The registry that ``--records`` names. ``http`` is for one behind an HTTP interface. Raises ``RecordError`` for a
    file that is not there, ``SettingsError`` for a mapping that is wrong.
    """
    if records is None:
        return NoRecords()
    text, records = str(records), Path(records)
    if text.startswith("python:") or records.suffix == ".toml":
        from issuer.sources import open_source
        from vcred.catalog import Catalog
        from vcred.outgoing import Outgoing

        return open_source(text, catalog=Catalog.builtin(), http=Outgoing() if http is None else http)
    if not records.exists():
        raise RecordError(f"{records}: there is no such registry file")
    if records.suffix == ".json":
        return JsonRecords(records)
    from issuer.fictitious import TownRecords

    source: RecordSource = TownRecords(records)
    return source
