"""``HttpRecords``: a registry behind an HTTP interface that answers in JSON, read by a mapping file.

Every request goes through the ``Http`` that is passed in. The subject is a part of an address, percent-encoded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from issuer.sources._record import MAX_ROWS, NOTHING, record_of
from vcred.catalog.age import kst_date
from vcred.errors import MalformedError, RecordError, SettingsError, TransportError
from vcred.formats._wire import parse_json

if TYPE_CHECKING:
    from collections import abc
    from datetime import datetime

    from issuer.sources.mapping import Leaf, Origin, RegistryMap
    from vcred.outgoing import Http

__all__ = ["HttpRecords"]

_MAX_SUBJECT: Final = 256
_MAX_BODY: Final = 1024 * 1024
_NOTHING: Final = (404, 410)


class HttpRecords:
    """A ``RecordSource`` over an HTTP interface. Safe for several threads if its ``Http`` is."""

    def __init__(self, mapping: RegistryMap, *, http: Http) -> None:
        """Reads the secret's file now. Raises ``SettingsError``."""
        if mapping.source != "http":
            raise SettingsError(f"{mapping.file}: not a mapping of an HTTP interface")
        self._mapping = mapping
        self._http = http
        self._headers = {"Accept": "application/json"} | _secret(mapping)
        nothing = mapping.connection.get("nothing", list(_NOTHING))
        if not isinstance(nothing, list) or not all(type(one) is int and 200 <= one < 500 for one in nothing):
            raise SettingsError(f"{mapping.file}: request.nothing: is an array of status codes")
        self._nothing = frozenset(nothing)

    def fetch(self, code: str, subject: str, *, at: datetime) -> abc.Mapping[str, Any]:
        """See ``RecordSource``. Raises ``TransportError`` when the registry gives no usable answer."""
        mapped, day = self._mapping.types.get(code), kst_date(at)
        if mapped is None:
            raise RecordError("this registry has no records of that kind")
        if not subject or len(subject) > _MAX_SUBJECT or subject in (".", ".."):
            raise RecordError(NOTHING)
        values = {"subject": quote(subject, safe="", errors="replace"), "day": day.isoformat()}
        whole = self._ask(mapped.root.origin, values)
        root = pointed(whole, mapped.root.origin.at)
        if mapped.whole is not None:
            record = pointed(root, mapped.whole)
            if not isinstance(record, dict):
                raise RecordError(NOTHING)
            return record
        if not isinstance(root, dict):
            raise RecordError(NOTHING)
        parts = {}
        for name, rows in mapped.parts.items():
            base = root if rows.origin.url is None else self._ask(rows.origin, values)
            parts[name] = _listed(pointed(base, rows.origin.at), name)
        return record_of(mapped, root, parts, _get, day)

    def _ask(self, origin: Origin, values: abc.Mapping[str, str]) -> Any:
        assert origin.url is not None
        url = origin.url
        for name, value in values.items():
            url = url.replace(f"{{{name}}}", value)
        answer = self._http.send("GET", url, headers=self._headers, limit=_MAX_BODY)
        if answer.status in self._nothing:
            raise RecordError(NOTHING)
        if answer.status in (401, 403):
            raise TransportError("the registry refuses us: check the secret of the mapping")
        if answer.status != 200:
            raise TransportError(f"the registry answers with status {answer.status}")
        if answer.type != "application/json" and not answer.type.endswith("+json"):
            raise TransportError("the registry does not answer in JSON")
        try:
            return parse_json(answer.body, "record", max_bytes=_MAX_BODY)
        except MalformedError as error:
            raise TransportError(f"the registry's answer cannot be read: {error.code.value}") from None


def pointed(value: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) points at; ``None`` where nothing is."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and name.isascii() and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, dict) and name in value:
            value = value[name]
        else:
            return None
    return value


def _get(leaf: Leaf, row: Any) -> Any:
    return pointed(row, str(leaf.source))


def _listed(value: Any, name: str) -> list[Any]:
    if value is None:
        return []
    rows = value if isinstance(value, list) else [value]
    if len(rows) > MAX_ROWS:
        raise RecordError(f"{name}: the registry has more than {MAX_ROWS} rows")
    return rows


def _secret(mapping: RegistryMap) -> dict[str, str]:
    header, file = mapping.connection.get("header"), mapping.connection.get("secret_file")
    if header is None and file is None:
        return {}
    if not isinstance(header, str) or not isinstance(file, str):
        raise SettingsError(f"{mapping.file}: request: header and secret_file go together")
    try:
        secret = Path(file).read_text(encoding="ascii").split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{mapping.file}: request.secret_file: cannot be read") from None
    if not secret.isprintable() or not secret:
        raise SettingsError(f"{mapping.file}: request.secret_file: its first line is the header's value")
    return {header: secret}
