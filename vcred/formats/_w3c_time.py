"""Times as W3C documents write them: an XML Schema ``dateTimeStamp``, read in whole seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError
from vcred.formats._wire import epoch
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read_moment", "stamp"]

_LAST_SECOND: Final = 253402300799
_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def read_moment(body: Mapping[str, Any], name: str, path: str) -> int | None:
    """The time at ``name`` in seconds since 1970; ``None`` when it is not there.

    Raises ``MalformedError`` with ``claim_type``.
    """
    if name not in body:
        return None
    value = body[name]
    if type(value) is str and _STAMP.fullmatch(value):
        try:
            moment = epoch(datetime.fromisoformat(value))
        except (ValueError, OverflowError):
            moment = -1
        if 0 <= moment <= _LAST_SECOND:
            return moment
    raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.{name}", "not a time with its offset")


def stamp(seconds: int) -> str:
    """``seconds`` since 1970 as ``read_moment`` reads it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
