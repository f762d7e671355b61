"""That a server refused, and what to tell the holder about it: a sentence and what to do, in Korean and English.

A server says little in an error, and what it writes there is a stranger's text. So the sentences are ours
(``vcred/i18n/servers.toml``), by the step that was refused and the code of the standard (RFC 6749, 6750, 9126, 9396,
9449, OpenID4VCI 1.0 sections 6.3, 8.3.1.2, 9.3, OpenID4VP 1.0); a verifier of ours adds reason codes, whose sentences
are known too.
"""

from __future__ import annotations

import tomllib
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import TransportError
from vcred.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["STEPS", "ServerError", "during", "texts"]

STEPS: Final = ("offer", "issuer", "login", "token", "renewal", "credential", "deferred", "request", "answer")
"""What can be refused: fetching an offer, what an issuer says of itself, the login, a token, its renewal, a credential,
one that took time; fetching a request, an answer to it."""

_LANGUAGES: Final = ("ko", "en")
_TOO_MANY: Final = 429
_LATER: Final = frozenset({"slow_down", "authorization_pending", "issuance_pending", "temporarily_unavailable"})
_PASSING: Final = frozenset({408, 425, _TOO_MANY})


class ServerError(TransportError):
    """A server refused what was asked of it. ``error`` is its code, empty if it gave none.

    ``step`` is what was refused, one of ``STEPS`` or empty. ``reasons`` are reason codes that a verifier gave for not
    accepting an answer, ``retry_after`` the seconds after which it wants to be asked again.
    """

    def __init__(
        self,
        host: str,
        status: int,
        error: str = "",
        *,
        step: str = "",
        reasons: Sequence[ReasonCode] = (),
        retry_after: int | None = None,
    ) -> None:
        self.host = host
        self.status = status
        self.error = error
        self.step = step
        self.reasons = tuple(reasons)
        self.retry_after = retry_after
        super().__init__(f"{host}: {error or 'refused'} ({status})")

    @property
    def final(self) -> bool:
        """Whether asking the same once more would not help."""
        return 400 <= self.status < 500 and self.status not in _PASSING and self.error not in _LATER

    def message(self, lang: str) -> str:
        """What happened, in a sentence, in ``ko`` or ``en``."""
        found = self._entry(lang)[lang]
        told = " ".join(dict.fromkeys(Reason(code).message(lang) for code in self.reasons))
        return f"{found} {told}" if told else found

    def action(self, lang: str) -> str:
        """What the holder can do about it, in ``ko`` or ``en``."""
        for group in texts()["reasons"].values():
            if any(code.value in group["codes"] for code in self.reasons):
                return str(group[lang])
        if self.reasons:
            return Reason(self.reasons[0]).action(lang)
        found = self._entry(lang)[f"do_{lang}"]
        if self.retry_after is None:
            return found
        wait = {"ko": f"{self.retry_after}초 기다렸다가", "en": f"Wait {self.retry_after} seconds:"}[lang]
        return f"{wait} {found}"

    def _entry(self, lang: str) -> dict[str, str]:
        """The most special text that there is."""
        if lang not in _LANGUAGES:
            raise ValueError("lang is 'ko' or 'en'")
        known = texts()
        by_step = known["steps"].get(self.step, {})
        kind = "too_many" if self.status == _TOO_MANY else f"{self.status // 100}xx"
        code = "access_denied" if self.step == "answer" and self.reasons else self.error
        places = (by_step.get(code), known["codes"].get(code), known["status"].get(kind), by_step.get("any"))
        return dict(next((one for one in places if one is not None), known["status"]["any"]))


@contextmanager
def during(step: str) -> Iterator[None]:
    """A ``ServerError`` within is one of ``step``; the innermost counts."""
    try:
        yield
    except ServerError as error:
        error.step = error.step or step
        raise


@cache
def texts() -> dict[str, dict[str, Any]]:
    """What ``vcred/i18n/servers.toml`` says."""
    return tomllib.loads(files("vcred.i18n").joinpath("servers.toml").read_text(encoding="utf-8"))
