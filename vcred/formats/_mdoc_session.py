"""Engagement and session encryption of an mdoc and its reader, side by side (ISO/IEC 18013-5 clauses 8.2 and 9.1.1).

The device shows its engagement (a key made for the session) as a QR code, the reader answers with a key of its own,
and both derive two AES-256-GCM keys from them and from the session transcript, one for each direction. How messages
travel (Bluetooth, NFC) is no matter of this module.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import Embedded, decode, encode
from vcred.formats._mdoc_device import shared_secret
from vcred.formats._mdoc_mso import EMBEDDED, embed, read_version
from vcred.formats._wire import b64u_decode, b64u_encode
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric import ec

__all__ = [
    "END_OF_SESSION",
    "Engagement",
    "SessionCipher",
    "SessionMessage",
    "make_engagement",
    "parse_engagement",
    "parse_engagement_uri",
    "parse_message",
    "proximity_transcript",
    "session_data",
    "session_establishment",
]

END_OF_SESSION: Final = 20
"""The status with which either side ends a session."""

_SCHEME: Final = "mdoc:"
_MAX_ENGAGEMENT: Final = 8192
_MAX_MESSAGE: Final = 1024 * 1024
_CIPHER_SUITE: Final = 1
_READER, _DEVICE = b"\0\0\0\0\0\0\0\0", b"\0\0\0\0\0\0\0\1"
_LAST_MESSAGE: Final = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Engagement:
    """A device's engagement. ``raw`` are its bytes, ``methods`` how it can be reached, as the standard encodes it."""

    raw: bytes = field(repr=False)
    key: PublicKey
    methods: tuple[Any, ...]

    def to_uri(self) -> str:
        """What the device shows as a QR code."""
        return _SCHEME + b64u_encode(self.raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMessage:
    """A message of a session: ``data`` encrypted, ``status`` in the clear. Only the first has the reader's key."""

    data: bytes | None = field(repr=False)
    status: int | None
    reader_key: bytes | None = None

    @property
    def public_key(self) -> PublicKey:
        """The reader's key. Raises ``MalformedError`` with ``key``."""
        if self.reader_key is None:
            raise MalformedError(ReasonCode.KEY, "message.eReaderKey", "missing")
        return _key(self.reader_key, "message.eReaderKey")


def make_engagement(key: PublicKey, methods: Sequence[Any] = ()) -> Engagement:
    """The engagement of a device with ``key``, made for this session alone. ``methods`` are encoded as they are."""
    value: dict[int, Any] = {0: "1.0", 1: [_CIPHER_SUITE, Embedded(encode(key.to_cose()))]}
    if methods:
        value[2] = list(methods)
    return Engagement(raw=encode(value), key=key, methods=tuple(methods))


def parse_engagement_uri(text: str) -> Engagement:
    """Read what a device shows. Raises ``MalformedError``: ``scheme``, ``encoding`` and as ``parse_engagement``."""
    if text[: len(_SCHEME)].lower() != _SCHEME:
        raise MalformedError(ReasonCode.SCHEME, "engagement", "not an mdoc URI")
    if len(text) > 2 * _MAX_ENGAGEMENT:
        raise MalformedError(ReasonCode.SIZE, "engagement", f"more than {_MAX_ENGAGEMENT} bytes")
    return parse_engagement(b64u_decode(text[len(_SCHEME) :], "engagement"))


def parse_engagement(raw: bytes) -> Engagement:
    """Read a DeviceEngagement. Raises ``MalformedError``: ``size``, ``cbor``, ``tag``, ``format``, ``key``."""
    value = decode(raw, "engagement", max_bytes=_MAX_ENGAGEMENT, tags=EMBEDDED)
    if type(value) is not dict:
        raise MalformedError(ReasonCode.FORMAT, "engagement", "not a map")
    read_version(value.get(0), "engagement")
    security, methods = value.get(1), value.get(2, [])
    if type(security) is not list or len(security) != 2 or type(security[1]) is not Embedded:
        raise MalformedError(ReasonCode.FORMAT, "engagement[1]", "not a cipher suite and a key")
    if type(security[0]) is not int or security[0] != _CIPHER_SUITE:
        raise MalformedError(ReasonCode.ALG, "engagement[1]", "a cipher suite that is not known")
    if type(methods) is not list:
        raise MalformedError(ReasonCode.FORMAT, "engagement[2]", "not retrieval methods")
    return Engagement(raw=raw, key=_key(security[1].raw, "engagement[1]"), methods=tuple(methods))


def proximity_transcript(engagement: bytes, reader_key: bytes, handover: bytes) -> bytes:
    """The encoded SessionTranscript. ``reader_key`` is the encoded COSE_Key as sent, ``handover`` encoded: ``f6``
    for a QR code.
    """
    return b"".join((b"\x83", embed(engagement), embed(reader_key), handover))


def session_establishment(reader_key: bytes, data: bytes) -> bytes:
    """The reader's first message: its encoded COSE_Key and the encrypted request."""
    return encode({"eReaderKey": Embedded(reader_key), "data": data})


def session_data(data: bytes | None, status: int | None = None) -> bytes:
    """Any later message. Raises ``ValueError`` for one that says nothing."""
    if data is None and status is None:
        raise ValueError("a message has data or a status")
    members = {"data": data, "status": status}
    return encode({name: value for name, value in members.items() if value is not None})


def parse_message(raw: bytes) -> SessionMessage:
    """Read SessionEstablishment or SessionData.

    Raises ``MalformedError``: ``size``, ``cbor``, ``tag``, ``format``.
    """
    value = decode(raw, "message", max_bytes=_MAX_MESSAGE, tags=EMBEDDED)
    if type(value) is not dict or not value.keys() & {"data", "status"}:
        raise MalformedError(ReasonCode.FORMAT, "message", "neither data nor status")
    data, status, key = value.get("data", b""), value.get("status", 0), value.get("eReaderKey")
    if type(data) is not bytes or type(status) is not int or status < 0:
        raise MalformedError(ReasonCode.FORMAT, "message", "not data as bytes and a status as integer")
    if key is not None and type(key) is not Embedded:
        raise MalformedError(ReasonCode.FORMAT, "message.eReaderKey", "not in a byte string with tag 24")
    return SessionMessage(
        data=data if "data" in value else None,
        status=status if "status" in value else None,
        reader_key=None if key is None else key.raw,
    )


class SessionCipher:
    """One side of a session. Messages are numbered, so each is read once and in order.

    ``private`` is the key this side made for the session, ``other`` the other side's. Raises ``RefusedError`` with
    ``device_auth`` for keys that are not on one curve.
    """

    __slots__ = ("_read", "_reads", "_write", "_writes")

    def __init__(
        self, private: ec.EllipticCurvePrivateKey, other: PublicKey, *, transcript: bytes, reader: bool
    ) -> None:
        secret = shared_secret(private, other)
        salt = sha256(embed(transcript)).digest()
        ways = [
            (_READER, AESGCM(_derived(secret, salt, b"SKReader"))),
            (_DEVICE, AESGCM(_derived(secret, salt, b"SKDevice"))),
        ]
        self._write, self._read = ways if reader else ways[::-1]
        self._writes = self._reads = 0

    def encrypt(self, plain: bytes) -> bytes:
        """The next message to the other side. Raises ``ValueError`` after 2^32 - 1 of them."""
        if self._writes >= _LAST_MESSAGE:
            raise ValueError("this session has no numbers left")
        self._writes += 1
        identifier, key = self._write
        return key.encrypt(identifier + self._writes.to_bytes(4, "big"), plain, None)

    def decrypt(self, data: bytes) -> bytes:
        """The next message from the other side.

        Raises ``RefusedError`` with ``integrity`` for anything else; the session is over then.
        """
        identifier, key = self._read
        try:
            plain = key.decrypt(identifier + (self._reads + 1).to_bytes(4, "big"), data, None)
        except (InvalidTag, ValueError, OverflowError):
            raise RefusedError(ReasonCode.INTEGRITY, "message.data", "not the next message of this session") from None
        self._reads += 1
        return plain


def _derived(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(secret)


def _key(raw: bytes, path: str) -> PublicKey:
    return PublicKey.from_cose(decode(raw, path, max_bytes=len(raw), tags=frozenset()), path=path)
