"""Nonces and challenges: made without the database, spent in it.

A nonce is its own expiry, sixteen random bytes and a MAC with the store's key, so that anybody may fetch as many as he
likes from any process and nothing is written (an anonymous request that writes is a way to fill a disk). That it is
ours and in time any process can tell; that it was not used before is one row, in the transaction that uses it.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Final

from vcred.errors import MalformedError, RefusedError
from vcred.formats._wire import b64u_decode, b64u_encode, epoch
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from issuer.server.store import ServiceStore

__all__ = ["Nonces"]

_TIME: Final = 6
_RANDOM: Final = 16
_MAC: Final = 16


class Nonces:
    """``credential`` nonces are for key proofs, once; ``proof`` nonces for DPoP and attestation proofs, until they
    expire (a proof has a ``jti`` besides).
    """

    def __init__(self, store: ServiceStore, *, lifetime: timedelta) -> None:
        self._store = store
        self._lifetime = lifetime

    def for_credentials(self, *, at: datetime) -> str:
        """A fresh ``c_nonce``."""
        return self._make("credential", at)

    def for_proofs(self, *, at: datetime) -> str:
        """A fresh ``DPoP-Nonce`` or attestation challenge."""
        return self._make("proof", at)

    def is_for_proofs(self, nonce: str | None, *, at: datetime) -> bool:
        """Whether it is one of ours for proofs, and in time."""
        return nonce is not None and self._expiry("proof", nonce, at) is not None

    def check(self, nonces: Iterable[str], *, at: datetime) -> None:
        """They are for credentials, in time, and not used. Raises ``RefusedError`` with ``nonce``."""
        for nonce in nonces:
            if self._expiry("credential", nonce, at) is None or self._store.is_spent("credential nonce", nonce):
                raise RefusedError(ReasonCode.NONCE, "nonce", "not one of ours, used, or expired")

    def use(self, nonces: Iterable[str], *, at: datetime) -> None:
        """The same, inside a transaction, and now they are used (threats CI-01). Raises as ``check``."""
        for nonce in nonces:
            expiry = self._expiry("credential", nonce, at)
            now = epoch(at)
            refused = RefusedError(ReasonCode.NONCE, "nonce", "not one of ours, used, or expired")
            if expiry is None:
                raise refused
            self._store.must_spend("credential nonce", nonce, expires_at=expiry, at=now, otherwise=refused)

    def _make(self, kind: str, at: datetime) -> str:
        raw = epoch(at + self._lifetime).to_bytes(_TIME, "big") + secrets.token_bytes(_RANDOM)
        return b64u_encode(raw + self._mac(kind, raw))

    def _expiry(self, kind: str, nonce: str, at: datetime) -> int | None:
        try:
            raw = b64u_decode(nonce, "nonce")
        except MalformedError:
            return None
        body, mac = raw[:-_MAC], raw[-_MAC:]
        if len(body) != _TIME + _RANDOM or not hmac.compare_digest(mac, self._mac(kind, body)):
            return None
        expiry = int.from_bytes(body[:_TIME], "big")
        return expiry if epoch(at) < expiry else None

    def _mac(self, kind: str, raw: bytes) -> bytes:
        return self._store.keyed_hash(f"{kind} nonce", raw)[:_MAC]
