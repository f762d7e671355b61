"""The one look-up of a private key by its URI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vcred.errors import SigningError
from vcred.keys.pkcs11 import Pkcs11Signer
from vcred.keys.software import SoftwareSigner

if TYPE_CHECKING:
    from collections.abc import Callable

    from vcred.keys.base import Signer

__all__ = ["load_signer"]


def load_signer(uri: str, *, secret: Callable[[str], str] | None, post_quantum: bool = False) -> Signer:
    """The signer that ``uri`` names: ``file:<path of a PEM key>``, or ``pkcs11:...`` (RFC 7512) for a key in hardware.

    ``secret(uri)`` is called for the password of an encrypted file, or for the token's PIN when the URI has no
    ``pin-source``; ``None`` says there is none. Raises ``SigningError`` for an unknown scheme, a missing file or key,
    a wrong password or PIN, a key that is post-quantum where ``post_quantum`` does not say that it may be;
    ``MissingExtraError`` for ``pkcs11:`` without the extra ``hsm``.
    """
    scheme, _, rest = uri.partition(":")
    if scheme == "pkcs11" and rest:
        return Pkcs11Signer(uri, secret=secret)
    if scheme != "file" or not rest:
        raise SigningError(f"unknown key URI scheme {scheme!r}: use file:<path> or pkcs11:token=<label>;object=<label>")
    try:
        pem = Path(rest).read_bytes()
    except OSError as error:
        raise SigningError(f"{rest}: {error.strerror}") from error
    encrypted = b"ENCRYPTED" in pem
    if encrypted and secret is None:
        raise SigningError(f"{rest}: the key is encrypted and no secret was given")
    password = secret(uri).encode() if encrypted and secret is not None else None
    return SoftwareSigner.from_pem(pem, password=password, post_quantum=post_quantum)
