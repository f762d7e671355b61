"""Status List Aggregation (draft-ietf-oauth-status-list section 9): where every status list of an issuer is.

A JSON document that lists URIs, so that a receiver can fetch all lists before it meets a credential. It is not signed
and need not be: a list that is left out is missing, which never reads as "not revoked", and every list named is
verified by itself. Members other than ``status_lists`` mean nothing here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from vcred.errors import MalformedError
from vcred.formats._wire import dump_json, parse_json
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAX_LISTS", "build_aggregation", "parse_aggregation"]

MAX_LISTS: Final = 65_536
"""Lists an issuer can name: 6.5 * 10^10 entries at 10^6 a list."""

_MAX_BYTES: Final = 16 * 1024 * 1024
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,2000}")


def build_aggregation(uris: Iterable[str]) -> bytes:
    """The document that names ``uris``. Raises ``ValueError`` for what ``parse_aggregation`` would refuse."""
    raw = dump_json({"status_lists": list(uris)})
    try:
        parse_aggregation(raw)
    except MalformedError as error:
        raise ValueError(f"no list of status lists: {error}") from error
    return raw


def parse_aggregation(raw: bytes, *, path: str = "status_list_aggregation") -> tuple[str, ...]:
    """The URIs that a document names, in its order.

    Raises ``MalformedError``: ``claim_type`` for what is no list of URIs, ``status_list`` for one named twice,
    ``limit`` beyond ``MAX_LISTS``, and the codes of strict JSON.
    """
    body = parse_json(raw, path, max_bytes=_MAX_BYTES, max_depth=4)
    if not isinstance(body, dict):
        raise MalformedError(ReasonCode.FORMAT, path, "not an object")
    uris = body.get("status_lists")
    if not isinstance(uris, list):
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.status_lists", "not an array")
    if len(uris) > MAX_LISTS:
        raise MalformedError(ReasonCode.LIMIT, f"{path}.status_lists", f"more than {MAX_LISTS} lists")
    for index, uri in enumerate(uris):
        if not isinstance(uri, str) or not _URI.fullmatch(uri):
            raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.status_lists[{index}]", "not an absolute URI")
    if len(set(uris)) != len(uris):
        raise MalformedError(ReasonCode.STATUS_LIST, f"{path}.status_lists", "a list is named twice")
    return tuple(uris)
