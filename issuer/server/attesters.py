"""Whose attestations are believed, of wallets and of keys: certificates and keys from the settings, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from vcred.errors import RefusedError, SettingsError
from vcred.formats._wire import parse_json
from vcred.keys import PublicKey
from vcred.keys.pem import read_pem_chain
from vcred.reasons import ReasonCode
from vcred.trust.foreign import read_foreign, signer_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from issuer.server.settings import AttesterSettings

__all__ = ["Attesters", "read_keys"]

_MAX_BYTES: Final = 65_536
_MOST: Final = 256
"""Chains that are remembered."""


class _Attested(Protocol):
    """A ``ClientAttestation`` or a ``KeyAttestation``."""

    @property
    def x5c(self) -> tuple[bytes, ...]: ...
    @property
    def kid(self) -> str | None: ...


class Attesters:
    """Several attesters. Without any, nothing is believed."""

    def __init__(self, settings: Sequence[AttesterSettings]) -> None:
        """Raises ``SettingsError`` for files that cannot be read."""
        self._attesters = [_Attester(each) for each in settings]

    def __bool__(self) -> bool:
        return bool(self._attesters)

    def resolver(self, *, at: datetime) -> Callable[[_Attested], PublicKey]:
        """``resolve`` for ``check_client_attestation`` and ``check_key_attestation``."""

        def resolve(found: _Attested) -> PublicKey:
            for attester in self._attesters:
                key = attester.key_of(found, at)
                if key is not None:
                    return key
            raise RefusedError(ReasonCode.UNTRUSTED, "attestation", "by nobody who is trusted here")

        return resolve


class _Attester:
    def __init__(self, settings: AttesterSettings) -> None:
        self._issuer = settings.issuer
        self._anchors: tuple[bytes, ...] = ()
        self._known: dict[tuple[bytes, ...], tuple[PublicKey, datetime, datetime]] = {}
        self._keys: dict[str | None, PublicKey] = {}
        if settings.certificates is not None:
            try:
                self._anchors = read_pem_chain(settings.certificates)
            except RefusedError as error:
                raise SettingsError(f"an attester's certificates cannot be read: {error.code.value}") from None
        elif settings.jwks is not None:
            self._keys = read_keys(settings.jwks)

    def key_of(self, found: _Attested, at: datetime) -> PublicKey | None:
        """The key that signed, if this attester vouches for it."""
        if self._issuer is not None and getattr(found, "issuer", self._issuer) != self._issuer:
            return None
        if self._anchors:
            if not found.x5c:
                return None
            try:
                return self._of_chain(found.x5c, at)
            except RefusedError:
                return None
        if found.kid in self._keys:
            return self._keys[found.kid]
        return next(iter(self._keys.values())) if found.kid is None and len(self._keys) == 1 else None

    def _of_chain(self, chain: tuple[bytes, ...], at: datetime) -> PublicKey:
        """The key of a chain that leads to our certificates. What was found once holds while all of them are valid."""
        known = self._known.get(chain)
        if known is not None and known[1] <= at <= known[2]:
            return known[0]
        key, _ = signer_key(chain, keys=(), anchors=self._anchors, at=at, path="attestation.x5c")
        parsed = [read_foreign(der, "attestation.x5c") for der in (*chain, *self._anchors)]
        since = max(one.not_valid_before_utc for one in parsed)
        until = min(one.not_valid_after_utc for one in parsed)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[chain] = (key, since, until)
        return key


def read_keys(path: Path) -> dict[str | None, PublicKey]:
    """The keys of a JWK Set by ``kid``; private members are refused. Raises ``SettingsError``."""
    try:
        value = parse_json(path.read_bytes(), "jwks", max_bytes=_MAX_BYTES)
        rows = value["keys"] if isinstance(value, dict) and isinstance(value.get("keys"), list) else []
        found = {row.get("kid"): PublicKey.from_jwk(row) for row in rows if isinstance(row, dict)}
    except (OSError, RefusedError) as error:
        raise SettingsError(f"a JWK Set cannot be read: {type(error).__name__}") from None
    if not found or len(found) != len(rows):
        raise SettingsError("a JWK Set has at least one key, and each has a kid of its own")
    return found
