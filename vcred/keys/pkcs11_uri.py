"""The name of a key in hardware: a PKCS #11 URI (RFC 7512), read strictly.

Narrower than the RFC: a URI here names one private key, so it says which token and which object; an attribute that
would have to be ignored is refused, because a key that was meant more exactly is another key. A PIN is never part of
a URI (``pin-value``): URIs end up in shell histories, process lists and logs.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from vcred.errors import SigningError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MODULE_VARIABLE", "Pkcs11Uri"]

MODULE_VARIABLE: Final = "VCRED_PKCS11_MODULE"
"""The environment variable that names the PKCS #11 library where a URI has no ``module-path``."""

_TOKEN: Final = ("token", "manufacturer", "model", "serial")
_PATH: Final = frozenset({*_TOKEN, "object", "id", "type"})
_QUERY: Final = frozenset({"module-path", "pin-source"})
# RFC 7512 section 2.3: pk11-pchar and pk11-qchar
_ATTRIBUTE: Final = re.compile(r"([a-z][a-z0-9-]*)=((?:[A-Za-z0-9._~:\[\]@!$'()*+,=&-]|%[0-9A-Fa-f]{2})*)", re.ASCII)
_PARAMETER: Final = re.compile(r"([a-z][a-z0-9-]*)=((?:[A-Za-z0-9._~:\[\]@!$'()*+,=/?|-]|%[0-9A-Fa-f]{2})*)", re.ASCII)
_LONGEST: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs11Uri:
    """One private key in one token. ``str()`` gives the attributes that name it, without paths: fit for a log."""

    module_path: str
    """The PKCS #11 library, an absolute path."""
    token: str | None
    manufacturer: str | None
    model: str | None
    serial: str | None
    object: str | None
    """The label of the key."""
    id: bytes | None
    """Its ``CKA_ID``."""
    pin_source: str | None
    """A file whose first line is the PIN, an absolute path."""

    @classmethod
    def parse(cls, uri: str) -> Pkcs11Uri:
        """Read ``pkcs11:token=...;object=...;id=...?module-path=...&pin-source=file:...``.

        Raises ``SigningError`` for anything else: an attribute twice, unknown or empty, no token (``token`` or
        ``serial``), no object (``object`` or ``id``), a type other than ``private``, a PIN in the URI, a PIN source
        that is no file, no library (``module-path``, or the environment's ``VCRED_PKCS11_MODULE``).
        """
        scheme, colon, rest = uri.partition(":")
        if not colon or scheme != "pkcs11":
            raise SigningError("not a pkcs11: URI")
        if len(uri) > _LONGEST:
            raise SigningError("a key URI is too long")
        path, _, query = rest.partition("?")
        named = dict(_attributes(path, ";", _ATTRIBUTE, _PATH))
        extra = dict(_attributes(query, "&", _PARAMETER, _QUERY)) if query else {}
        texts = {name: _text(name, raw) for name, raw in named.items() if name != "id"}
        if texts.pop("type", "private") != "private":
            raise SigningError("a pkcs11: URI of a signer has type=private or no type")
        if not {"token", "serial"} & texts.keys():
            raise SigningError("a pkcs11: URI says which token: token=<label> or serial=<number>")
        if "object" not in texts and "id" not in named:
            raise SigningError("a pkcs11: URI says which key: object=<label> or id=<bytes>")
        source = extra.get("pin-source")
        return cls(
            module_path=_module(extra.get("module-path")),
            **{name: texts.get(name) for name in (*_TOKEN, "object")},
            id=named.get("id"),
            pin_source=None if source is None else _file(source),
        )

    def __str__(self) -> str:
        parts = [f"{name}={value}" for name in (*_TOKEN, "object") if (value := getattr(self, name)) is not None]
        return "pkcs11:" + ";".join(parts + ([] if self.id is None else [f"id={self.id.hex()}"]))


def _attributes(text: str, separator: str, form: re.Pattern[str], known: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    for part in text.split(separator):
        found = form.fullmatch(part)
        if found is None:
            # Not shown: a PIN typed in the wrong place would be in it.
            raise SigningError("a pkcs11: URI is made of name=value; other characters are %-escaped (RFC 7512)")
        name, value = found[1], found[2]
        if name == "pin-value":
            raise SigningError("a pkcs11: URI has no pin-value: use pin-source=file:<path>, or be asked")
        if name not in known:
            raise SigningError(f"a pkcs11: URI with {name}: here it has {', '.join(sorted(known))}")
        if name in seen or not value:
            raise SigningError(f"a pkcs11: URI has {name} once, with a value")
        seen.add(name)
        yield name, unquote_to_bytes(value)


def _text(name: str, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise SigningError(f"{name} in a pkcs11: URI is not UTF-8") from None
    if not text.isprintable():
        raise SigningError(f"{name} in a pkcs11: URI has a control character")
    return text


def _module(raw: bytes | None) -> str:
    path = os.environ.get(MODULE_VARIABLE, "") if raw is None else _text("module-path", raw)
    if not path:
        raise SigningError(
            f"which PKCS #11 library? Say ?module-path=<path> in the pkcs11: URI, or set {MODULE_VARIABLE}"
        )
    if not Path(path).is_absolute():
        raise SigningError("the path of a PKCS #11 library is absolute")
    return path


def _file(raw: bytes) -> str:
    text = _text("pin-source", raw)
    path = text.removeprefix("file:").removeprefix("//")
    if not text.startswith("file:") or not path.startswith("/") or path.startswith("//"):
        raise SigningError("pin-source is file:<absolute path>; commands and other schemes are not run")
    return path
