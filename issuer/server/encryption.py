"""Encrypted credential requests and responses (OpenID4VCI 1.0 section 10): our keys, and what was sent to them.

The keys are in the database, so that every process opens what any of them published. The newest is in the metadata;
those before it open requests of wallets that fetched the metadata earlier.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from vcred.errors import MalformedError, RefusedError
from vcred.formats._jwe import decrypt
from vcred.formats._wire import b64u_decode, epoch, parse_json
from vcred.keys import PublicKey
from vcred.oid4vci.credential import ENCODINGS
from vcred.serving import ProtocolError

if TYPE_CHECKING:
    from datetime import datetime

    from issuer.server.settings import EncryptionSettings
    from issuer.server.store import ServiceStore
    from vcred.oid4vci import ResponseEncryption

__all__ = ["Encryption", "refused"]

_MAX: Final = 512 * 1024
_KEEP: Final = 7 * 86_400
"""Seconds for which a key that is not published any more still opens requests."""


class Encryption:
    """The keys of one service, and its rules."""

    def __init__(self, settings: EncryptionSettings, store: ServiceStore, *, at: datetime) -> None:
        """Makes the first key. Raises ``StoreError``."""
        self._settings = settings
        self._store = store
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.kid = ""
        if settings.requests != "off":
            self._load()
            if not self._keys:
                self.rotate(at=at)

    def rotate(self, *, at: datetime) -> str:
        """Publish another key: its ``kid``. Other processes open what is sent to it at once, and publish it when they
        next start or meet it.
        """
        kid = secrets.token_hex(8)
        private = ec.generate_private_key(ec.SECP256R1())
        raw = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        now = epoch(at)
        self._store.transact(lambda: self._store.add_encryption_key(kid, raw, at=now, keep=now - _KEEP))
        self._load()
        return kid

    def metadata(self) -> dict[str, Any]:
        """The members of the issuer's metadata."""
        found: dict[str, Any] = {}
        if self._settings.requests == "off":
            return found
        jwk = PublicKey(self._keys[self.kid].public_key()).to_jwk()
        found["credential_request_encryption"] = {
            "jwks": {"keys": [jwk | {"kid": self.kid, "use": "enc", "alg": "ECDH-ES"}]},
            "enc_values_supported": list(ENCODINGS),
            "zip_values_supported": ["DEF"],
            "encryption_required": self._settings.requests == "required",
        }
        if self._settings.responses != "off":
            found["credential_response_encryption"] = {
                "alg_values_supported": ["ECDH-ES"],
                "enc_values_supported": list(ENCODINGS),
                "zip_values_supported": ["DEF"],
                "encryption_required": self._settings.responses == "required",
            }
        return found

    def open(self, body: bytes, content_type: str) -> tuple[bytes, bool]:
        """The request in ``body``, and whether it was encrypted. Raises ``ProtocolError``."""
        if content_type == "application/jwt":
            if self._settings.requests == "off":
                raise refused("requests are not encrypted here")
            return self._decrypt(body), True
        if content_type != "application/json":
            raise ProtocolError("invalid_credential_request", "the body is application/json or application/jwt")
        if self._settings.requests == "required":
            raise refused("requests have to be encrypted here")
        return body, False

    def check(self, wanted: ResponseEncryption | None, *, encrypted: bool) -> None:
        """Whether an answer may go out as it is wanted. Raises ``ProtocolError``."""
        if wanted is None:
            if self._settings.responses == "required":
                raise refused("credential_response_encryption is missing")
            return
        if self._settings.responses == "off":
            raise refused("responses are not encrypted here")
        if not encrypted:  # whoever changes a request on its way could put his own key into it
            raise refused("who wants an encrypted response encrypts the request")

    def _decrypt(self, body: bytes) -> bytes:
        kid = _kid(body)
        if kid not in self._keys:
            self._load()
        if kid not in self._keys:
            raise refused("the kid is not one of ours")
        try:
            return decrypt(body, self._keys[kid], path="request", max_plaintext=_MAX).plaintext
        except RefusedError as error:
            raise refused(f"{error.code.value} {error.path}") from None

    def _load(self) -> None:
        found: dict[str, ec.EllipticCurvePrivateKey] = {}
        for kid, raw in self._store.encryption_keys():
            key = load_der_private_key(raw, None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            found[kid] = key
        self._keys = found
        self.kid = next(iter(found), "")


def refused(why: str) -> ProtocolError:
    """What is wrong with the encryption of a request."""
    return ProtocolError("invalid_encryption_parameters", why)


def _kid(body: bytes) -> str:
    """What the header says, unverified: it selects a key and nothing else."""
    try:
        header = parse_json(b64u_decode(body.partition(b".")[0], "request"), "request", max_bytes=8192)
    except MalformedError as error:
        raise refused(f"{error.code.value} {error.path}") from None
    kid = header.get("kid") if isinstance(header, dict) else None
    if not isinstance(kid, str):
        raise refused("the header has no kid")
    return kid
