"""X.509 chains in PEM files, as issuers and verifiers keep theirs: read to DER, without loading an X.509 library."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from vcred.errors import SigningError

__all__ = ["read_pem_chain"]

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)\s+-----END CERTIFICATE-----")
_MAX_FILE = 65_536


def read_pem_chain(path: str | Path) -> tuple[bytes, ...]:
    """The certificates of a PEM file as DER, in the order of the file; at least one.

    Raises ``SigningError`` when the file cannot be read, is too large or has none.
    """
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise SigningError(f"{path}: {error.strerror}") from error
    if len(text) > _MAX_FILE:
        raise SigningError(f"{path}: the file is too large")
    found = _PEM.findall(text)
    if not found:
        raise SigningError(f"{path}: no certificate in PEM form")
    try:
        return tuple(base64.b64decode(b"".join(one.split()), validate=True) for one in found)
    except ValueError as error:
        raise SigningError(f"{path}: a certificate is not base64") from error
