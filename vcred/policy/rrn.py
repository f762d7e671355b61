"""How much of a resident or foreigner registration number a claim path shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vcred.claims import ClaimPath
from vcred.policy.model import RrnLevel

if TYPE_CHECKING:
    from vcred.catalog import CertificateType, ClaimSpec

__all__ = ["NUMBERS", "level_of"]

NUMBERS = ("rrn", "frn")
"""Claim types that are such numbers: an object of ``birthDate``, ``sexDigit`` and ``serial``."""

_PARTS = {"birthDate": RrnLevel.NONE, "sexDigit": RrnLevel.FRONT7}


def level_of(certificate_type: CertificateType, path: ClaimPath) -> RrnLevel:
    """The level a verifier needs to see ``path`` with all below it; indexes count as "any element"."""
    parts = tuple(None if isinstance(part, int) else part for part in path.parts)
    for length in range(1, len(parts) + 1):
        spec = certificate_type.spec(ClaimPath(parts[:length]))
        if spec is None:
            continue
        if spec.type in NUMBERS:
            below = next((part for part in parts[length:] if isinstance(part, str)), "")
            return _PARTS.get(below, RrnLevel.FULL)
        if length == len(parts):
            return _deepest(spec)
    return RrnLevel.NONE


def _deepest(spec: ClaimSpec) -> RrnLevel:
    if spec.type in NUMBERS or any(_deepest(child) is RrnLevel.FULL for child in spec.children):
        return RrnLevel.FULL
    return RrnLevel.NONE
