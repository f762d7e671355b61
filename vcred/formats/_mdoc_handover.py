"""Session transcripts: what an mdoc's device signature binds a presentation to.

Each is the encoded array ``[DeviceEngagementBytes, EReaderKeyBytes, Handover]`` (ISO/IEC 18013-5 clause 9.1.5.1). The
first element of a handover array is text that names what it is for, so a signature made for one is none for another.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from vcred.formats._cbor import encode

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["QR_HANDOVER", "dc_api_transcript", "openid4vp_transcript", "qr_transcript"]

QR_HANDOVER: Final = "vcred-qr-1"
"""The handover of our QR profile, in its first version."""

_REDIRECT: Final = "OpenID4VPHandover"
_DC_API: Final = "OpenID4VPDCAPIHandover"
_THUMBPRINT_BYTES: Final = 32


def openid4vp_transcript(*, client_id: str, nonce: str, response_uri: str, encryption_key: bytes | None) -> bytes:
    """The transcript of an answer by redirect or ``direct_post`` (OpenID4VP 1.0 appendix B.2.6.1).

    All values are those of the signed request object: ``response_uri`` is the ``redirect_uri`` where there is no
    other, ``encryption_key`` the RFC 7638 SHA-256 thumbprint of the key the answer is encrypted to, ``None`` when it
    is not encrypted. Raises ``ValueError`` for a thumbprint of another length.
    """
    return _hashed(_REDIRECT, [client_id, nonce, _thumbprint(encryption_key), response_uri])


def dc_api_transcript(*, origin: str, nonce: str, encryption_key: bytes | None) -> bytes:
    """The transcript of an answer through the Digital Credentials API (OpenID4VP 1.0 appendix B.2.6.2).

    ``origin`` has no ``origin:`` in front of it here. Raises ``ValueError`` as ``openid4vp_transcript`` does.
    """
    return _hashed(_DC_API, [origin, nonce, _thumbprint(encryption_key)])


def qr_transcript(*, audience: str, nonce: bytes | None, issued_at: int, items: Iterable[bytes]) -> bytes:
    """The transcript of an answer over QR, challenged or one way (docs/qr-profile.md).

    ``items`` are the presented IssuerSignedItemBytes, tag included, in any order. Of themselves a device's signatures
    do not cover them, so that somebody on the way could take one out; here they are part of what is signed.
    """
    shown = sha256(b"".join(sorted(items))).digest()
    parts = (b"\x83\xf6\xf6\x85\x6avcred-qr-1", *map(encode, (audience, nonce, issued_at)), b"\x58\x20", shown)
    return b"".join(parts)


def _hashed(name: str, info: list[str | bytes | None]) -> bytes:
    return encode([None, None, [name, sha256(encode(info)).digest()]])


def _thumbprint(value: bytes | None) -> bytes | None:
    if value is not None and len(value) != _THUMBPRINT_BYTES:
        raise ValueError(f"a SHA-256 thumbprint has {_THUMBPRINT_BYTES} bytes")
    return value
