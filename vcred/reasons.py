"""Why something was refused or could not be decided: a closed, add-only list.

The sentences, in Korean and English, and what to do about each are in ``vcred/i18n/reasons.toml``;
``docs/reasons.md`` is made from the same file. No reason carries personal data.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["Outcome", "Reason", "ReasonCode"]


class Outcome(StrEnum):
    """How a check ended. Derived from the checks that passed, never from the absence of errors."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    INDETERMINATE = "INDETERMINATE"


class ReasonCode(StrEnum):
    """Every code, one meaning each."""

    ENCODING = "encoding"
    FORMAT = "format"
    JSON = "json"
    CBOR = "cbor"
    DUPLICATE_KEY = "duplicate_key"
    DEPTH = "depth"
    SIZE = "size"
    LIMIT = "limit"
    TAG = "tag"
    SCHEME = "scheme"
    FRAME = "frame"
    INCOMPLETE = "incomplete"
    CLAIM_TYPE = "claim_type"
    CONTEXT = "context"
    ALG = "alg"
    TYP = "typ"
    CRIT = "crit"
    KID = "kid"
    KEY = "key"
    KEY_USE = "key_use"
    ISSUER = "issuer"
    UNTRUSTED = "untrusted"
    CHAIN = "chain"
    SCOPE = "scope"
    TEST_KEY = "test_key"
    KEY_WITHDRAWN = "key_withdrawn"
    SIGNATURE = "signature"
    DIGEST = "digest"
    DISCLOSURE = "disclosure"
    DUPLICATE_DIGEST = "duplicate_digest"
    DUPLICATE_DISCLOSURE = "duplicate_disclosure"
    UNUSED_DISCLOSURE = "unused_disclosure"
    COLLISION = "collision"
    MUST_BE_PLAIN = "must_be_plain"
    SD_ALG = "sd_alg"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    VCT = "vct"
    METADATA = "metadata"
    CLOCK = "clock"
    STATUS_MISSING = "status_missing"
    STATUS_UNKNOWN = "status_unknown"
    STALE = "stale"
    STATUS_INDEX = "status_index"
    STATUS_SIGNATURE = "status_signature"
    STATUS_LIST = "status_list"
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    KB_MISSING = "kb_missing"
    HOLDER_BINDING = "holder_binding"
    AUD = "aud"
    NONCE = "nonce"
    SD_HASH = "sd_hash"
    TRANSACTION_DATA = "transaction_data"
    KB_KEY = "kb_key"
    DEVICE_AUTH = "device_auth"
    CNF = "cnf"
    IAT = "iat"
    REPLAY = "replay"
    DCQL = "dcql"
    MISSING_CERTIFICATE = "missing_certificate"
    FORMAT_NOT_ACCEPTED = "format_not_accepted"
    ISSUER_NOT_ACCEPTED = "issuer_not_accepted"
    VARIANT = "variant"
    OPTION = "option"
    TOO_OLD = "too_old"
    BEFORE_REFERENCE = "before_reference"
    CLAIM_HIDDEN = "claim_hidden"
    CLAIM_NOT_ISSUED = "claim_not_issued"
    CLAIM_EMPTY = "claim_empty"
    PREDICATE = "predicate"
    ABSENCE = "absence"
    HIDDEN_ELEMENTS = "hidden_elements"
    COUNT = "count"
    FORBIDDEN_CLAIM = "forbidden_claim"
    OVER_ASKING = "over_asking"
    RRN_HIDDEN = "rrn_hidden"
    MANUAL = "manual"
    DIFFERENT_PERSON = "different_person"
    RELATION = "relation"
    DIFFERENT_ADDRESS = "different_address"
    PERSON_UNLINKED = "person_unlinked"
    READER_UNTRUSTED = "reader_untrusted"
    REQUEST_EXPIRED = "request_expired"
    INTEGRITY = "integrity"
    ROLLBACK = "rollback"
    ARCHIVE = "archive"
    BUNDLE_EXPIRED = "bundle_expired"
    UNCHECKED = "unchecked"

    @property
    def outcome(self) -> Outcome:
        """What a failure with this code means for the whole: REJECTED or INDETERMINATE."""
        return Outcome.INDETERMINATE if _texts()[self.value]["outcome"] == "indeterminate" else Outcome.REJECTED


@dataclass(frozen=True, slots=True)
class Reason:
    """One code, where it was found (a path in what was presented), and a technical detail in English."""

    code: ReasonCode
    path: str = ""
    detail: str = ""

    def message(self, lang: str) -> str:
        """The sentence a clerk can read aloud, in ``ko`` or ``en``."""
        return _text(self.code, lang, "")

    def action(self, lang: str) -> str:
        """What to do about it, in ``ko`` or ``en``."""
        return _text(self.code, lang, "do_")


def _text(code: ReasonCode, lang: str, kind: str) -> str:
    if lang not in ("ko", "en"):
        raise ValueError("lang is 'ko' or 'en'")
    text: str = _texts()[code.value][kind + lang]
    return text


@cache
def _texts() -> dict[str, dict[str, Any]]:
    return tomllib.loads(files("vcred.i18n").joinpath("reasons.toml").read_text(encoding="utf-8"))
