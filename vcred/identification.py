"""Asking a wallet who somebody is, from inside a service that is no verifier: what the service and the verifier share.

An agency lets applicants log in with a credential. Its service has the browser, the addresses and the database; what is
asked, and whether an answer is believed, are a verifier's business. The two roles do not know each other: whoever
starts the service puts a ``CardReader`` into it (``verifier.guest`` has one).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from vcred.policy import VerificationPolicy

__all__ = ["CardReader", "Memory", "Question", "Reading", "ReadingOutcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A signed request object, and what is needed to read its answer: the policy as TOML, a private key (PKCS #8).

    Nothing of it is for the wallet but ``raw``. It ends at ``expires_at`` (seconds).
    """

    raw: bytes = field(repr=False)
    policy: str = field(repr=False)
    response_key: bytes = field(repr=False)
    expires_at: int


class ReadingOutcome(StrEnum):
    """How an answer was judged."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What came of an answer. ``claims`` are there only when it was accepted, and ``code`` is of which type they are.

    ``final``: an issuer and a holder really signed this answer, or the holder declined, and no other one is taken.
    What proves nothing is not: a stranger does not end what somebody else began.
    """

    outcome: ReadingOutcome
    final: bool
    reasons: tuple[str, ...] = ()
    code: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Memory(Protocol):
    """What is remembered about one question, durably and in every process. Every method raises ``StoreError``."""

    def use(self) -> bool:
        """Use the question up, once: ``True`` the first time."""

    def remember(self, marks: Collection[bytes], *, until: int, now: int) -> bool:
        """Remember all of ``marks`` until ``until``; ``False``, and none, if one was seen already."""

    def last_seen(self) -> int | None:
        """The latest time given to ``observe``, for any question."""

    def observe(self, now: int) -> None:
        """Note that ``now`` has passed."""


class CardReader(Protocol):
    """A verifier that asks for one thing. Pass one to the issuer's service; it is used by several threads."""

    @property
    def client_id(self) -> str:
        """What wallets bind their answers to."""

    @property
    def policy(self) -> VerificationPolicy:
        """What it asks for. Holder binding, a challenge and status are always required."""

    def cards(self, lang: str) -> tuple[str, ...]:
        """What the documents are called that will do."""

    def problem(self, *, at: datetime) -> str | None:
        """Why nobody can be known by a card now, in a few English words for an operator; ``None`` if nothing is."""

    def ask(self, *, response_uri: str, lang: str, at: datetime) -> Question:
        """A new question, answered by ``direct_post.jwt``. Raises ``RefusedError``, ``SigningError``."""

    def renew(self, question: Question, *, wallet_nonce: str) -> bytes:
        """Its request object with a wallet's nonce in it. Raises ``RefusedError`` if it is not to be answered any more,
        ``SigningError``.
        """

    def read(self, question: Question, answer: bytes, *, memory: Memory, at: datetime) -> Reading:
        """Judge a form that was posted. Raises ``RefusedError`` for what is no answer to it, ``StoreError``."""
