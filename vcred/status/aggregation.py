"""Status List Aggregation (draft-ietf-oauth-status-list section 9): where every status list of an issuer is.

A JSON document that lists URIs, so that a receiver can fetch all lists before it meets a credential. It is not signed
and need not be: a list that is left out is missing, which never reads as "not revoked", and every list named is
verified by itself.

W3C lists have a member of our own, ``bitstring_status_lists``, so that a reader of the draft asks for none of them. Any
other member means nothing here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError
from vcred.formats._wire import dump_json, parse_json
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAX_LISTS", "build_aggregation", "parse_aggregation"]

MAX_LISTS: Final = 65_536
"""Lists an issuer can name: 6.5 * 10^10 entries at 10^6 a list."""

_BITSTRINGS: Final = "bitstring_status_lists"
_MAX_BYTES: Final = 16 * 1024 * 1024
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,2000}")


def build_aggregation(uris: Iterable[str], *, bitstrings: Iterable[str] = ()) -> bytes:
    """The document that names ``uris``, and W3C lists at ``bitstrings``.

    Raises ``ValueError`` for what ``parse_aggregation`` would refuse.
    """
    named = {"status_lists": list(uris), _BITSTRINGS: list(bitstrings)}
    raw = dump_json({name: value for name, value in named.items() if value or name != _BITSTRINGS})
    try:
        parse_aggregation(raw)
    except MalformedError as error:
        raise ValueError(f"no list of status lists: {error}") from error
    return raw


def parse_aggregation(raw: bytes, *, path: str = "status_list_aggregation") -> tuple[str, ...]:
    """The URIs that a document names, in its order, those of W3C lists last.

    Raises ``MalformedError``: ``claim_type`` for what is no list of URIs, ``status_list`` for one named twice,
    ``limit`` beyond ``MAX_LISTS``, and the codes of strict JSON.
    """
    body = parse_json(raw, path, max_bytes=_MAX_BYTES, max_depth=4)
    if not isinstance(body, dict):
        raise MalformedError(ReasonCode.FORMAT, path, "not an object")
    uris = (*_uris(body.get("status_lists"), f"{path}.status_lists"), *_uris(body.get(_BITSTRINGS, []), _BITSTRINGS))
    if len(uris) > MAX_LISTS:
        raise MalformedError(ReasonCode.LIMIT, path, f"more than {MAX_LISTS} lists")
    if len(set(uris)) != len(uris):
        raise MalformedError(ReasonCode.STATUS_LIST, path, "a list is named twice")
    return uris


def _uris(value: Any, path: str) -> list[str]:
    if not isinstance(value, list):
        raise MalformedError(ReasonCode.CLAIM_TYPE, path, "not an array")
    if len(value) > MAX_LISTS:
        raise MalformedError(ReasonCode.LIMIT, path, f"more than {MAX_LISTS} lists")
    for index, uri in enumerate(value):
        if not isinstance(uri, str) or not _URI.fullmatch(uri):
            raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}[{index}]", "not an absolute URI")
    return value
