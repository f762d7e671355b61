"""What pages show of policies and verdicts: plain values in the reader's language, with nothing left to decide.

A verdict is read from the JSON that ``VerificationResult.to_json`` wrote. What is the holder's or an issuer's text goes
into the page through ``shown``, and nowhere as markup.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from vcred.catalog.words import claim_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vcred.catalog import Catalog
    from vcred.policy import VerificationPolicy

__all__ = ["moment", "policy_view", "verdict_view"]

_SEOUL: Final = timezone(timedelta(hours=9), "KST")
"""Clerks and holders are in Korea, wherever the server is."""


_PARTS: Final = re.compile(r"[^.\[\]]+")
_DATA: Final = re.compile(r"data:image/(png|jpeg);base64,([A-Za-z0-9+/]+={0,2})")
_MAGIC: Final = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff"}
_MAX_PICTURE: Final = 512 * 1024

_APPLIED: Final = "options."
"""Where a certificate says what the applicant chose; clerks look at it when something is missing."""


def moment(seconds: int | None, *, clock: bool = False) -> str:
    """A time for people; with ``clock`` only that of the day."""
    if seconds is None:
        return ""
    at = datetime.fromtimestamp(seconds, UTC).astimezone(_SEOUL)
    return f"{at:%H:%M:%S}" if clock else f"{at:%Y-%m-%d %H:%M} KST"


def policy_view(policy: VerificationPolicy, catalog: Catalog, lang: str, formats: Sequence[str]) -> dict[str, Any]:
    """One policy as it is offered; ``formats`` are those that can be asked for."""
    basis = policy.rrn.legal_basis
    return {
        "id": policy.id,
        "name": policy.name(lang),
        "purpose": policy.purpose(lang),
        "asks": policy.asks(lang),
        "legal_basis": None if basis is None else basis(lang),
        "retention": policy.retention.text(lang),
        "rrn": policy.rrn.level.value,
        "bearer": policy.holder_binding.value == "bearer_ok",
        "needs_reference_date": policy.needs_reference_date,
        "formats": list(policy.formats or formats),
        "slots": [
            {
                "name": slot.name(lang),
                "required": slot.required or bool(policy.combinations),
                "types": [_type_name(one.code, catalog, lang) for one in slot.any_of],
            }
            for slot in policy.slots
        ],
    }


def verdict_view(result: Mapping[str, Any], catalog: Catalog, lang: str) -> dict[str, Any]:
    """One verdict; claims only when it is ACCEPTED, because no others were written."""
    claims = result.get("claims", {})
    return {
        "outcome": result["outcome"],
        "assurance": result["assurance"],
        "reasons": [
            {
                "message": one["message"][lang],
                "action": one["action"][lang],
                "code": one["code"],
                "path": one["path"],
            }
            for one in result["reasons"]
        ],
        "freshness": list(dict.fromkeys(one["text"][lang] for one in result["freshness"])),
        "checks": result["checks"],
        "certificates": [_certificate(one, claims, catalog, lang) for one in result["certificates"]],
    }


def _certificate(one: Mapping[str, Any], claims: Mapping[str, Any], catalog: Catalog, lang: str) -> dict[str, Any]:
    code = one["code"]
    kind = catalog[code] if code is not None and code in catalog else None
    own = claims.get(one["slot"]) or claims.get(one["query_id"], {})
    rows = claim_rows(kind, own, lang) if own else []
    return {
        "name": _type_name(code, catalog, lang) or one["query_id"],
        "issuer": one["issuer_name"].get(lang) or one["issuer"] or "",
        "issued_on": one["issued_on"],
        "format": one["format"],
        "claims": [
            {"name": name, "value": value, "picture": _picture(own, path)}
            for name, value, path in rows
            if not path.startswith(_APPLIED)
        ],
        "applied": [(name, value) for name, value, path in rows if path.startswith(_APPLIED)],
    }


def _picture(claims: Mapping[str, Any], path: str) -> str | None:
    """The photo at ``path`` as the page may show it: written anew, and only if it is what it says (threats WF-11)."""
    value: Any = claims
    for part in _PARTS.findall(path):
        value = value[int(part)] if isinstance(value, (list, tuple)) else value[part]
    found = _DATA.fullmatch(value) if isinstance(value, str) and len(value) <= _MAX_PICTURE else None
    if found is None:
        return None
    try:
        raw = base64.b64decode(found[2], validate=True)
    except ValueError:
        return None
    if not raw.startswith(_MAGIC[found[1]]):
        return None
    return f"data:image/{found[1]};base64,{base64.b64encode(raw).decode()}"


def _type_name(code: str | None, catalog: Catalog, lang: str) -> str:
    return "" if code is None else catalog[code].name(lang) if code in catalog else code
