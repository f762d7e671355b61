"""One frozen settings object for a service, from a TOML file, the environment and the command line, in that order.

An environment variable is the prefix and the member's path with two underscores between the parts:
``VCRED_ISSUER__TLS__CERTIFICATE``. Its value is text, or JSON where the member is not text. A member nobody knows is an
error, wherever it stands: a mistyped security setting would otherwise be its default.
"""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from vcred.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Settings", "listen_at", "load_settings", "settings_found"]


class Settings(BaseModel):
    """Base of every settings model: frozen, strict about names, and never shown with its values."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    __str__ = __repr__


_S = TypeVar("_S", bound=Settings)


def load_settings(
    model: type[_S],
    *,
    file: Path | None,
    prefix: str,
    environ: Mapping[str, str],
    given: Mapping[str, Any] | None = None,
) -> _S:
    """``model`` from ``file``, then ``environ``, then ``given``: the later one counts, member by member.

    Paths in the file are relative to where the service is started. Raises ``SettingsError`` that names every member
    which is wrong, and no value.
    """
    found = settings_found(file=file, prefix=prefix, environ=environ, given=given)
    try:
        return model.model_validate(found)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in one['loc']) or 'settings'}: {one['msg']}" for one in error.errors()
        )
        raise SettingsError(f"the settings are wrong: {wrong}") from None


def settings_found(
    *, file: Path | None, prefix: str, environ: Mapping[str, str], given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What was said anywhere, not yet judged: for a command that fills in what nobody said."""
    found: dict[str, Any] = {}
    if file is not None:
        _merge(found, _read(file))
    for name, value in environ.items():
        if name.startswith(f"{prefix}__"):
            _put(found, name.removeprefix(f"{prefix}__").lower().split("__"), value, name)
    _merge(found, given or {})
    return found


def listen_at(text: str) -> tuple[str, int]:
    """Host and port of a service's ``listen``. Raises ``SettingsError`` for what is not an address and a port."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise SettingsError("listen: is an address and a port, such as 127.0.0.1:8443")
    return host.strip("[]"), int(port)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: not TOML: {error}") from None


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def _put(into: dict[str, Any], path: list[str], value: str, name: str) -> None:
    for part in path[:-1]:
        into = into.setdefault(part, {})
        if not isinstance(into, dict):
            raise SettingsError(f"{name}: {part} has no members")
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = value
    # A text that happens to be a number stays text for pydantic to judge only if the member is not one.
    into[path[-1]] = parsed if isinstance(parsed, (dict, list, bool, int)) else value
