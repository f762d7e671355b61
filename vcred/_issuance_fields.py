"""The fields of issuance messages, read strictly: each function returns the value or raises ``MalformedError``."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vcred.errors import MalformedError
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FORMAT_ID",
    "NONCE_BYTES",
    "as_list",
    "as_object",
    "format_id",
    "identifier",
    "issuer_id",
    "nonce_bytes",
    "option_values",
    "plain",
    "read_pair",
    "refuse",
    "whole",
]

NONCE_BYTES = 16
FORMAT_ID = re.compile(r"[a-z][a-z0-9+_.-]{0,31}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,89}")
_ISSUER = re.compile(r"https://[a-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~%/-]*)?")
_MAX_ISSUER = 1_024
_MAX_OPTIONS = 32


def refuse(code: ReasonCode, path: str, detail: str) -> MalformedError:
    """The error, for the caller to raise."""
    return MalformedError(code, path, detail)


def as_object(value: Any, path: str) -> Mapping[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise refuse(ReasonCode.FORMAT, path, "must be an object")
    return value


def as_list(value: Any, path: str, most: int) -> list[Any]:
    """An array of 1 to ``most`` elements."""
    if not isinstance(value, list) or not value:
        raise refuse(ReasonCode.FORMAT, path, "must be an array that is not empty")
    if len(value) > most:
        raise refuse(ReasonCode.LIMIT, path, f"more than {most} elements")
    return value


def read_pair(value: Any, path: str) -> tuple[str, Any]:
    """``[format, something]``."""
    if not isinstance(value, list) or len(value) != 2:
        raise refuse(ReasonCode.FORMAT, path, "must be a format and what is in it")
    return format_id(value[0], path), value[1]


def format_id(value: Any, path: str) -> str:
    """A credential format identifier, known or not."""
    if not isinstance(value, str) or not FORMAT_ID.fullmatch(value):
        raise refuse(ReasonCode.FORMAT, path, "not a credential format identifier")
    return value


def identifier(value: Any, path: str) -> str:
    """A short ASCII identifier."""
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise refuse(ReasonCode.CLAIM_TYPE, path, "must be an identifier of 1 to 90 characters")
    return value


def issuer_id(value: Any, path: str) -> str:
    """An issuer identifier: https, no query, no fragment (OpenID4VCI 1.0 section 12.2.1)."""
    if not isinstance(value, str) or len(value) > _MAX_ISSUER or not _ISSUER.fullmatch(value):
        raise refuse(ReasonCode.SCHEME, path, "must be an https URL without query and fragment")
    return value


def nonce_bytes(value: Any, path: str) -> bytes:
    """A nonce of this profile."""
    if type(value) is not bytes or len(value) != NONCE_BYTES:
        raise refuse(ReasonCode.CLAIM_TYPE, path, f"must be {NONCE_BYTES} bytes")
    return value


def whole(value: Any, path: str, low: int, high: int) -> int:
    """An integer from ``low`` to ``high``."""
    if type(value) is not int or not low <= value <= high:
        raise refuse(ReasonCode.CLAIM_TYPE, path, f"must be a whole number from {low} to {high}")
    return value


def option_values(value: Any, path: str) -> Mapping[str, Any]:
    """Options as an offer shows them: identifiers to booleans, identifiers or lists of identifiers."""
    options = as_object(value, path)
    if len(options) > _MAX_OPTIONS:
        raise refuse(ReasonCode.LIMIT, path, f"more than {_MAX_OPTIONS} options")
    return MappingProxyType({identifier(name, path): _option(one, f"{path}.{name}") for name, one in options.items()})


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as JSON and CBOR can say them."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}


def _option(value: Any, path: str) -> bool | str | tuple[str, ...]:
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return tuple(identifier(one, path) for one in as_list(value, path, _MAX_OPTIONS))
    return identifier(value, path)
