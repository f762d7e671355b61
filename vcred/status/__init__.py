"""Status: whether a credential was revoked, as far as a signed list of known age can tell."""

from vcred.status.freshness import StatusFinding, StatusSnapshot, check_status, newer_snapshot
from vcred.status.list import StatusList
from vcred.status.token import StatusToken, build_status_token, parse_status_token, verify_status_token

__all__ = [
    "StatusFinding",
    "StatusList",
    "StatusSnapshot",
    "StatusToken",
    "build_status_token",
    "check_status",
    "newer_snapshot",
    "parse_status_token",
    "verify_status_token",
]
