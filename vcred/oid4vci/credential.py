"""Credential requests and responses (OpenID4VCI 1.0 sections 8 to 10), and their encryption."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError
from vcred.formats._jwe import encrypt, encryption_key
from vcred.formats._wire import b64u_decode, b64u_encode, dump_json, parse_json
from vcred.formats.known import TEXT_FORMATS
from vcred.oauth._jwt import optional_text
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

__all__ = [
    "CredentialRequest",
    "CredentialResponse",
    "DeferredRequest",
    "ResponseEncryption",
    "decode_credential",
    "encode_credential",
]

ENCODINGS: Final = ("A128GCM", "A256GCM")
"""Content encryption that both sides support."""

_MAX_REQUEST: Final = 1024 * 1024
_MAX_RESPONSE: Final = 4 * 1024 * 1024
_MAX_TEXT: Final = 2048
_MAX_CREDENTIALS: Final = 256
_MAX_CREDENTIAL: Final = 512 * 1024
_OBJECT: Final = "ldp_vc"
"""The one format whose credentials are JSON, and proven over what they mean: they may be written anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseEncryption:
    """What the wallet wants its answer encrypted with: an ECDH-ES key on P-256."""

    key: EllipticCurvePublicKey = field(repr=False)
    kid: str | None
    enc: str
    deflate: bool = False

    @classmethod
    def parse(cls, value: Any, path: str) -> ResponseEncryption:
        """Read ``credential_response_encryption``. Raises ``MalformedError``."""
        if not isinstance(value, dict):
            raise MalformedError(ReasonCode.FORMAT, path, "not an object")
        jwk, enc = value.get("jwk"), value.get("enc")
        if not isinstance(enc, str) or enc not in ENCODINGS:
            raise MalformedError(ReasonCode.ALG, f"{path}.enc", f"not one of {', '.join(ENCODINGS)}")
        if value.get("zip", "DEF") != "DEF":
            raise MalformedError(ReasonCode.ALG, f"{path}.zip", "not DEF")
        key = encryption_key(jwk, path=f"{path}.jwk")
        if not isinstance(jwk, dict) or jwk.get("alg") != "ECDH-ES":
            raise MalformedError(ReasonCode.ALG, f"{path}.jwk.alg", "must be ECDH-ES")
        kid = jwk.get("kid")
        if kid is not None and (not isinstance(kid, str) or not 0 < len(kid) <= 256):
            raise MalformedError(ReasonCode.KID, f"{path}.jwk.kid", "must be text of 1 to 256 characters")
        return cls(key=key, kid=kid, enc=enc, deflate="zip" in value)

    def seal(self, message: bytes) -> bytes:
        """``message`` as a compact JWE for the wallet."""
        return encrypt(message, self.key, enc=self.enc, kid=self.kid, deflate=self.deflate)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRequest:
    """What a wallet asks the credential endpoint for. Exactly one of the two ids is set.

    ``proofs`` is a proof type and its values as received (``check_proofs`` reads them), or ``None``.
    """

    configuration_id: str | None
    identifier: str | None
    proofs: tuple[str, tuple[str, ...]] | None = field(repr=False)
    encryption: ResponseEncryption | None

    @classmethod
    def parse(cls, raw: bytes) -> CredentialRequest:
        """Read the JSON body. Raises ``MalformedError``."""
        path = "request"
        value = parse_json(raw, path, max_bytes=_MAX_REQUEST, max_depth=10)
        if not isinstance(value, dict):
            raise MalformedError(ReasonCode.FORMAT, path, "not an object")
        if "proof" in value or "format" in value:
            raise MalformedError(ReasonCode.FORMAT, path, "a member of an earlier draft")
        configuration, identifier = (
            optional_text(value, name, path, most=_MAX_TEXT)
            for name in ("credential_configuration_id", "credential_identifier")
        )
        if (configuration is None) == (identifier is None):
            raise MalformedError(ReasonCode.FORMAT, path, "credential_configuration_id or credential_identifier")
        encryption = None
        if "credential_response_encryption" in value:
            member = "credential_response_encryption"
            encryption = ResponseEncryption.parse(value[member], f"{path}.{member}")
        return cls(
            configuration_id=configuration,
            identifier=identifier,
            proofs=_proofs(value["proofs"], f"{path}.proofs") if "proofs" in value else None,
            encryption=encryption,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferredRequest:
    """Asking again for what could not be issued at once."""

    transaction_id: str
    encryption: ResponseEncryption | None

    @classmethod
    def parse(cls, raw: bytes) -> DeferredRequest:
        """Read the JSON body. Raises ``MalformedError``."""
        path = "request"
        value = parse_json(raw, path, max_bytes=65_536, max_depth=8)
        if not isinstance(value, dict):
            raise MalformedError(ReasonCode.FORMAT, path, "not an object")
        transaction = optional_text(value, "transaction_id", path, most=_MAX_TEXT)
        if transaction is None:
            raise MalformedError(ReasonCode.FORMAT, f"{path}.transaction_id", "missing")
        member = "credential_response_encryption"
        encryption = ResponseEncryption.parse(value[member], f"{path}.{member}") if member in value else None
        return cls(transaction_id=transaction, encryption=encryption)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialResponse:
    """The issuer's answer: credentials as they stand in it, or a transaction to ask for again after ``interval``."""

    credentials: tuple[str | Mapping[str, Any], ...] = field(default=(), repr=False)
    notification_id: str | None = None
    transaction_id: str | None = None
    interval: int | None = None

    @classmethod
    def parse(cls, raw: bytes) -> CredentialResponse:
        """Read the JSON body of an answer with status 200 or 202. Raises ``MalformedError``."""
        path = "response"
        value = parse_json(raw, path, max_bytes=_MAX_RESPONSE, max_depth=32)
        if not isinstance(value, dict):
            raise MalformedError(ReasonCode.FORMAT, path, "not an object")
        transaction = optional_text(value, "transaction_id", path, most=_MAX_TEXT)
        if (transaction is None) != ("credentials" in value):
            raise MalformedError(ReasonCode.FORMAT, path, "credentials or a transaction_id, and not both")
        if transaction is not None:
            interval = value.get("interval")
            if type(interval) is not int or not 0 < interval <= 31_536_000:
                raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.interval", "must be a positive number of seconds")
            return cls(transaction_id=transaction, interval=interval)
        return cls(
            credentials=_credentials(value["credentials"], f"{path}.credentials"),
            notification_id=optional_text(value, "notification_id", path, most=_MAX_TEXT),
        )

    def to_json(self) -> dict[str, Any]:
        """The body."""
        if self.transaction_id is not None:
            return {"transaction_id": self.transaction_id, "interval": self.interval}
        found: dict[str, Any] = {"credentials": [{"credential": one} for one in self.credentials]}
        return found | ({} if self.notification_id is None else {"notification_id": self.notification_id})


def encode_credential(format: str, raw: bytes) -> str | Mapping[str, Any]:  # noqa: A002 - as everywhere
    """A credential as a response has it: text as it is, bytes in base64url, ``ldp_vc`` as an object (appendix A)."""
    if format == _OBJECT:
        found: Mapping[str, Any] = parse_json(raw, "credential", max_bytes=_MAX_CREDENTIAL)
        return found
    return raw.decode("ascii") if format in TEXT_FORMATS else b64u_encode(raw)


def decode_credential(format: str, value: Any, path: str) -> bytes:  # noqa: A002 - as everywhere
    """The bytes of a credential in a response. Raises ``MalformedError``."""
    if format == _OBJECT and isinstance(value, dict):
        return dump_json(value)
    if not isinstance(value, str) or not value.isascii() or not 0 < len(value) <= _MAX_CREDENTIAL:
        raise MalformedError(ReasonCode.FORMAT, path, "not the text of a credential")
    return value.encode("ascii") if format in TEXT_FORMATS else b64u_decode(value, path)


def _proofs(value: Any, path: str) -> tuple[str, tuple[str, ...]]:
    if not isinstance(value, dict) or len(value) != 1:
        raise MalformedError(ReasonCode.FORMAT, path, "exactly one proof type")
    ((kind, found),) = value.items()
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise MalformedError(ReasonCode.FORMAT, f"{path}.{kind}"[:64], "must be a list of texts that is not empty")
    return kind, tuple(found)


def _credentials(value: Any, path: str) -> tuple[str | Mapping[str, Any], ...]:
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_CREDENTIALS:
        raise MalformedError(ReasonCode.FORMAT, path, f"must be 1 to {_MAX_CREDENTIALS} credentials")
    if not all(isinstance(one, dict) and isinstance(one.get("credential"), (str, dict)) for one in value):
        raise MalformedError(ReasonCode.FORMAT, path, "every element has a credential")
    return tuple(one["credential"] for one in value)
