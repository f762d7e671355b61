"""Status: whether a credential was revoked, as far as a signed list of known age can tell."""

from vcred.status.bitstring import BitstringReference, bitstring_references, build_bitstring_token
from vcred.status.freshness import (
    StatusFinding,
    StatusSnapshot,
    check_every,
    check_status,
    newer_snapshot,
    status_freshness,
)
from vcred.status.list import StatusList
from vcred.status.token import StatusToken, build_status_token, parse_status_token, verify_status_token

__all__ = [
    "BitstringReference",
    "StatusFinding",
    "StatusList",
    "StatusSnapshot",
    "StatusToken",
    "bitstring_references",
    "build_bitstring_token",
    "build_status_token",
    "check_every",
    "check_status",
    "newer_snapshot",
    "parse_status_token",
    "status_freshness",
    "verify_status_token",
]
