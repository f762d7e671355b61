"""One thing that is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vcred.reasons import Reason

if TYPE_CHECKING:
    from vcred.policy.model import Text
    from vcred.reasons import ReasonCode

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Which rule, why, in which slot and where in it. ``note`` is the policy's own text, if it has one.

    Never contains a claim value.
    """

    rule: str
    code: ReasonCode
    certificate: str
    path: str = ""
    detail: str = ""
    note: Text | None = None

    @property
    def reason(self) -> Reason:
        """As a reason of a result."""
        where = ".".join(part for part in (self.certificate, self.path) if part)
        return Reason(self.code, where, self.detail or self.rule)
