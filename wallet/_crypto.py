"""How wallet data is encrypted, and the one wrapper that keeps secrets out of texts.

Keys, outermost first: PIN -> Argon2id (RFC 9106) -> joined with the device key by HKDF (RFC 5869) -> key that wraps
the random data key -> AES-256-GCM for each record. Everything a ciphertext depends on is in its associated data, so
that it opens in its own place only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = [
    "RFC9106_LOW_MEMORY",
    "Argon2Cost",
    "Secret",
    "associated",
    "derive",
    "mac",
    "new_recovery_key",
    "recovery_secret",
    "seal",
    "text_secret",
    "unseal",
    "wrapping_key",
]

_NONCE_BYTES = 12
_RECOVERY_BYTES = 20
_MAX_MEMORY_KIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2Cost:
    """Argon2id parameters; kept beside the salt, so that a store opens with the ones it was made with."""

    memory_kib: int
    passes: int
    lanes: int

    def __post_init__(self) -> None:
        # The upper bounds keep an edited file from making us allocate without limit.
        if not (1 <= self.lanes <= 64 and 1 <= self.passes <= 64):
            raise ValueError("passes and lanes are 1 to 64")
        if not 8 * self.lanes <= self.memory_kib <= _MAX_MEMORY_KIB:
            raise ValueError("memory is 8 KiB a lane to 1 GiB")


RFC9106_LOW_MEMORY = Argon2Cost(memory_kib=65536, passes=3, lanes=4)
"""The second recommended option of RFC 9106 section 4: 64 MiB, three passes, four lanes."""


class Secret:
    """Bytes that no ``repr``, traceback, pickle or comparison shows. ``expose`` is the only way to them."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def expose(self) -> bytes:
        """The bytes; keep them out of local variables where a crash reporter could find them."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


def text_secret(text: str) -> Secret:
    """A PIN as typed, in one normal form (macOS sends Korean text decomposed)."""
    return Secret(unicodedata.normalize("NFC", text).encode())


def new_recovery_key() -> str:
    """160 random bits as eight groups of four letters and digits, to be written down once."""
    text = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def recovery_secret(text: str) -> Secret:
    """Read what ``new_recovery_key`` wrote; case, spaces and hyphens do not matter. Raises ``ValueError``."""
    compact = "".join(text.split()).replace("-", "").upper()
    try:
        raw = base64.b32decode(compact)
    except ValueError:
        raise ValueError("a recovery key is 32 letters A-Z and digits 2-7") from None
    if len(raw) != _RECOVERY_BYTES:
        raise ValueError("a recovery key is 32 letters A-Z and digits 2-7")
    return Secret(raw)


def associated(*parts: bytes | str | int) -> bytes:
    """Join parts so that no two different lists give the same bytes."""
    joined = b""
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode()
        joined += len(raw).to_bytes(4, "big") + raw
    return joined


def seal(key: Secret, aad: bytes, plain: bytes) -> bytes:
    """AES-256-GCM with a fresh random 96-bit nonce in front."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key.expose()).encrypt(nonce, plain, aad)


def unseal(key: Secret, aad: bytes, sealed: bytes) -> bytes | None:
    """What ``seal`` encrypted; ``None`` when the key, the place or a single bit differs."""
    if len(sealed) < _NONCE_BYTES + 16:
        return None
    try:
        return AESGCM(key.expose()).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], aad)
    except InvalidTag:
        return None


def derive(key: Secret, purpose: bytes, *, salt: bytes = b"") -> Secret:
    """32 bytes from ``key`` for one purpose (HKDF-SHA-256)."""
    return Secret(HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=purpose).derive(key.expose()))


def wrapping_key(secret: Secret, device: Secret, *, salt: bytes, cost: Argon2Cost, wallet_id: bytes) -> Secret:
    """The key that wraps the data key: made from what the person knows and what the device holds, never from one."""
    stretched = Secret(
        Argon2id(salt=salt, length=32, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory_kib).derive(
            secret.expose()
        )
    )
    both = Secret(stretched.expose() + device.expose())
    return derive(both, associated("vcred wallet wrapping key 1", wallet_id), salt=salt)


def mac(key: Secret, *parts: bytes | str | int) -> bytes:
    """HMAC-SHA-256 over ``parts``."""
    return hmac.digest(key.expose(), associated(*parts), hashlib.sha256)
