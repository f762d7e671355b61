"""What an audit of evidence can find: a closed list, each with a sentence in Korean and English."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from vcred.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AuditCode", "AuditFinding", "Severity"]


class Severity(StrEnum):
    """``FAULT``: the evidence is not what the desk wrote. ``WARNING``: look at it. ``NOTE``: good to know."""

    FAULT = "fault"
    WARNING = "warning"
    NOTE = "note"


class AuditCode(StrEnum):
    """Every finding, one meaning each."""

    MALFORMED = "malformed"
    CHAIN = "chain"
    TRUNCATED = "truncated"
    SEAL_MISMATCH = "seal_mismatch"
    SEAL_UNTRUSTED = "seal_untrusted"
    UNSEALED = "unsealed"
    COMMITMENT = "commitment"
    ANSWER_MISSING = "answer_missing"
    ANSWER_EXTRA = "answer_extra"
    TEXT_MISSING = "text_missing"
    TRUST_MISSING = "trust_missing"
    TRUST_UNUSABLE = "trust_unusable"
    ROOT_UNKNOWN = "root_unknown"
    REQUEST_SIGNATURE = "request_signature"
    REQUEST_READER = "request_reader"
    VERDICT_DIFFERS = "verdict_differs"
    NOT_KEPT = "not_kept"
    UNREADABLE = "unreadable"
    DESTROYED = "destroyed"
    NO_KEY = "no_key"
    BEFORE_BUNDLE = "before_bundle"
    AFTER_BUNDLE = "after_bundle"
    BACKWARDS = "backwards"
    FUTURE = "future"
    KEY_VALID = "key_valid"
    KEY_SUPERSEDED = "key_superseded"
    KEY_COMPROMISED = "key_compromised"
    KEY_NOT_VALID = "key_not_valid"
    KEY_PART_OF_DAY = "key_part_of_day"
    REVOKED_SINCE = "revoked_since"
    SUSPENDED_SINCE = "suspended_since"
    STATUS_UNKNOWN = "status_unknown"

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return _TEXTS[self][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    """One finding. ``about``: the certificate (query id) or the seal. ``detail`` is technical, in English.

    ``reason`` is the SDK's own reason behind it, where there is one.
    """

    code: AuditCode
    about: str = ""
    detail: str = ""
    reason: ReasonCode | None = None

    def message(self, lang: str) -> str:
        """The sentence, in ``ko`` or ``en``, with the sentence of the reason behind it."""
        if lang not in ("ko", "en"):
            raise ValueError("lang is 'ko' or 'en'")
        text = _TEXTS[self.code][1 if lang == "ko" else 2]
        return text if self.reason is None else f"{text}: {Reason(self.reason).message(lang)}"

    def to_json(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {
            "code": self.code.value,
            "severity": self.code.severity.value,
            "about": self.about,
            "detail": self.detail,
            "reason": None if self.reason is None else self.reason.value,
            "message": {lang: self.message(lang) for lang in ("ko", "en")},
        }


_F, _W, _N = Severity.FAULT, Severity.WARNING, Severity.NOTE
_TEXTS: Mapping[AuditCode, tuple[Severity, str, str]] = {
    AuditCode.MALFORMED: (_F, "기록을 읽을 수 없습니다", "The entry cannot be read"),
    AuditCode.CHAIN: (
        _F,
        "앞 기록과 이어지지 않습니다. 여기서 기록이 바뀌었거나 빠졌거나 순서가 바뀌었습니다",
        "It does not follow the entry before it: something was changed, left out or moved here",
    ),
    AuditCode.TRUNCATED: (
        _F,
        "봉인이 서명한 기록이 남아 있지 않습니다. 끝이 잘렸습니다",
        "The seal covers entries that are not there: the end was cut off",
    ),
    AuditCode.SEAL_MISMATCH: (
        _F,
        "봉인이 서명한 기록과 지금의 기록이 다릅니다",
        "The entries are not those that the seal signed",
    ),
    AuditCode.SEAL_UNTRUSTED: (_F, "봉인의 서명을 믿을 수 없습니다", "The seal's signature cannot be trusted"),
    AuditCode.UNSEALED: (
        _W,
        "마지막 봉인 뒤의 기록입니다. 아직 서명되지 않아, 잘리거나 새로 쓰여도 알 수 없습니다",
        "Written after the last seal: nothing signed says yet that it is complete and unchanged",
    ),
    AuditCode.COMMITMENT: (
        _F,
        "보관된 답이 판정 때의 답이 아닙니다",
        "The answer that is kept is not the one that was judged",
    ),
    AuditCode.ANSWER_MISSING: (
        _F,
        "보관되어 있어야 할 답이 없고, 파기한 기록도 없습니다",
        "The answer should be here, and no entry says that it was destroyed",
    ),
    AuditCode.ANSWER_EXTRA: (
        _F,
        "보관하지 않거나 파기했다고 기록된 답이 남아 있습니다",
        "An answer is here that was not to be kept, or is said to be destroyed",
    ),
    AuditCode.TEXT_MISSING: (
        _F,
        "판정에 쓴 정책이나 요청이 없거나 읽을 수 없습니다",
        "The policy or the request of the verdict is missing or cannot be read",
    ),
    AuditCode.TRUST_MISSING: (
        _F,
        "판정에 쓴 신뢰 목록이 없거나 바뀌었습니다",
        "The trust bundle of the verdict is missing or changed",
    ),
    AuditCode.TRUST_UNUSABLE: (
        _F,
        "판정에 쓴 신뢰 목록을 확인할 수 없습니다",
        "The trust bundle of the verdict does not verify",
    ),
    AuditCode.ROOT_UNKNOWN: (
        _F,
        "감사인이 아는 루트 아래의 신뢰 목록이 아닙니다",
        "The trust bundle is not under a root that the auditor knows",
    ),
    AuditCode.REQUEST_SIGNATURE: (
        _F,
        "요청이 검증기의 키로 서명되지 않았습니다",
        "The request was not signed by the reader it names",
    ),
    AuditCode.REQUEST_READER: (
        _W,
        "그때의 신뢰 목록으로는 누가 요청했는지 확인할 수 없습니다",
        "By the trust bundle of then it cannot be said who made the request",
    ),
    AuditCode.VERDICT_DIFFERS: (
        _F,
        "같은 신뢰 목록으로 같은 때에 다시 판정하면 결과가 다릅니다",
        "Judged again under the same trust state and at the same time, the verdict is another one",
    ),
    AuditCode.NOT_KEPT: (
        _N,
        "다시 판정할 수 없습니다. 정책에 따라 개인정보를 보관하지 않았습니다",
        "The verdict cannot be repeated: the policy keeps no personal data",
    ),
    AuditCode.UNREADABLE: (
        _N,
        "다시 판정할 수 없습니다. 읽을 수 없거나 너무 큰 답이어서 보관하지 않았습니다",
        "The verdict cannot be repeated: what came was no readable answer, or too large, and was not kept",
    ),
    AuditCode.DESTROYED: (
        _N,
        "다시 판정할 수 없습니다. 보관된 답을 파기했습니다",
        "The verdict cannot be repeated: the answer was destroyed",
    ),
    AuditCode.NO_KEY: (
        _N,
        "다시 판정하지 않았습니다. 보관된 답을 열 키가 없습니다",
        "The verdict was not repeated: there was no key to read the answer with",
    ),
    AuditCode.BEFORE_BUNDLE: (
        _W,
        "기록된 시각이 신뢰 목록이 서명되기 전입니다. 단말의 시계가 늦었습니다",
        "The recorded time is before the trust bundle was signed: the terminal's clock was slow",
    ),
    AuditCode.AFTER_BUNDLE: (
        _W,
        "기록된 시각이 신뢰 목록이 만료된 뒤입니다. 목록이 낡았거나 단말의 시계가 빨랐습니다",
        "The recorded time is after the trust bundle expired: it was old, or the terminal's clock was fast",
    ),
    AuditCode.BACKWARDS: (
        _W,
        "기록된 시각이 앞 기록보다 이릅니다. 단말의 시계가 뒤로 갔습니다",
        "The recorded time is before that of an earlier entry: the terminal's clock was set back",
    ),
    AuditCode.FUTURE: (
        _W,
        "기록된 시각이 감사하는 지금보다 뒤입니다",
        "The recorded time is later than the time of this audit",
    ),
    AuditCode.KEY_VALID: (
        _N,
        "지금의 신뢰 목록에서도 이 키는 발급일에 유효했습니다",
        "By today's trust bundle too, the key was valid on the day of issue",
    ),
    AuditCode.KEY_SUPERSEDED: (
        _N,
        "이 키는 발급일에 유효했고, 그 뒤 다른 키로 바뀌었습니다",
        "The key was valid on the day of issue, and has been superseded since",
    ),
    AuditCode.KEY_COMPROMISED: (
        _W,
        "이 키는 그 뒤 유출로 폐지되었습니다. 이 키로 발급된 것은 이제 아무것도 받아들이지 않습니다",
        "The key has been withdrawn as compromised since: nothing it signed is accepted any more",
    ),
    AuditCode.KEY_NOT_VALID: (
        _W,
        "지금의 신뢰 목록으로는 이 키가 발급일에 유효했다고 할 수 없습니다",
        "By today's trust bundle it cannot be said that the key was valid on the day of issue",
    ),
    AuditCode.KEY_PART_OF_DAY: (
        _N,
        "이 키는 발급일의 일부 시간에만 유효했습니다. 답이 없으면 발급한 날까지만 알 수 있습니다",
        "The key was valid for part of the day of issue only; without the answer nothing but the day is known",
    ),
    AuditCode.REVOKED_SINCE: (
        _N,
        "증명서가 지금은 폐기되어 있습니다. 판정할 때의 상태 목록에는 없었습니다",
        "The certificate is revoked today; by the list of that day it was not",
    ),
    AuditCode.SUSPENDED_SINCE: (_N, "증명서가 지금은 정지되어 있습니다", "The certificate is suspended today"),
    AuditCode.STATUS_UNKNOWN: (
        _N,
        "지금의 신뢰 목록으로는 증명서의 상태를 알 수 없습니다",
        "Today's trust bundle does not say what the certificate's status is",
    ),
}
