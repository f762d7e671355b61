"""Lists of Trusted Entities (ETSI TS 119 602): ours written for others, and others' read.

``build_lote`` writes one, ``parse_lote`` reads one strictly, ``verify_lote`` decides whether it may be used, and
``listed_by`` takes the authorities and readers out of a list that another installation of this SDK wrote.
"""

from __future__ import annotations

from vcred.trust.lote_build import Scheme, build_lote
from vcred.trust.lote_facts import listed_by
from vcred.trust.lote_model import (
    GRANTED,
    SERVICE_TYPES,
    WITHDRAWN,
    Lote,
    LoteEntity,
    LoteHistory,
    LoteIdentity,
    LoteService,
    VerifiedLote,
)
from vcred.trust.lote_read import MAX_LOTE_BYTES, parse_lote
from vcred.trust.lote_verify import verify_lote

__all__ = [
    "GRANTED",
    "MAX_LOTE_BYTES",
    "SERVICE_TYPES",
    "WITHDRAWN",
    "Lote",
    "LoteEntity",
    "LoteHistory",
    "LoteIdentity",
    "LoteService",
    "Scheme",
    "VerifiedLote",
    "build_lote",
    "listed_by",
    "parse_lote",
    "verify_lote",
]
