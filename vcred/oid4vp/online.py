"""What makes a request an online one: how its answer travels, and what the answer is bound to.

Rules (OpenID4VP 1.0 sections 8.2, 8.3, appendices A.4 and B.2.6):

1. An answer to a request by redirect is made for the whole client identifier, prefix included; one through a browser's
   Digital Credentials API for the page's origin with ``origin:`` in front, signed request or not.
2. An mdoc is bound to the handover of the same way, with the thumbprint of the key that the answer is encrypted to, or
   nothing where it is not encrypted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError
from vcred.formats._jwe import encrypt, encryption_key
from vcred.formats._mdoc_handover import dc_api_transcript, openid4vp_transcript
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    from vcred.oid4vp.transaction import TransactionData

__all__ = ["ENCODINGS", "ORIGIN", "Online", "ResponseKey", "ResponseMode"]

ENCODINGS: Final = ("A256GCM", "A128GCM")
"""Content encryption that both sides support, the one a wallet of ours takes first in front."""

ORIGIN: Final = "origin:"
"""In front of an origin where it stands for a client. No request may call itself so (section 5.9.3)."""

_MAX_KEYS: Final = 16
_MAX_KID: Final = 256


class ResponseMode(StrEnum):
    """Where the answer goes: posted to the verifier, or given to the page that asked; encrypted or not."""

    DIRECT_POST = "direct_post"
    DIRECT_POST_JWT = "direct_post.jwt"
    DC_API = "dc_api"
    DC_API_JWT = "dc_api.jwt"

    @property
    def encrypted(self) -> bool:
        """Whether the answer is a JWE."""
        return self in (ResponseMode.DIRECT_POST_JWT, ResponseMode.DC_API_JWT)

    @property
    def browser(self) -> bool:
        """Whether it comes through the Digital Credentials API."""
        return self in (ResponseMode.DC_API, ResponseMode.DC_API_JWT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseKey:
    """The verifier's key for one answer, ECDH-ES on P-256, and the content encryption it takes, best first."""

    key: EllipticCurvePublicKey = field(repr=False)
    kid: str
    encodings: tuple[str, ...]

    @property
    def thumbprint(self) -> bytes:
        """SHA-256 of RFC 7638, as bytes."""
        return PublicKey(self.key).thumbprint

    def to_metadata(self) -> dict[str, Any]:
        """The members of ``client_metadata`` that name it."""
        jwk = {**PublicKey(self.key).to_jwk(), "use": "enc", "alg": "ECDH-ES", "kid": self.kid}
        return {"jwks": {"keys": [jwk]}, "encrypted_response_enc_values_supported": list(self.encodings)}

    def seal(self, message: bytes) -> bytes:
        """``message`` as a compact JWE for the verifier."""
        return encrypt(message, self.key, enc=self.encodings[0], kid=self.kid)

    @classmethod
    def of_metadata(cls, metadata: Mapping[str, Any], path: str) -> ResponseKey | None:
        """The first key of ``client_metadata`` that can be used here; keys of other kinds are passed over.

        ``None`` when there is none, or no content encryption that we know. Raises ``MalformedError`` for members of
        another shape.
        """
        jwks = metadata.get("jwks", {"keys": []})
        keys = jwks.get("keys") if isinstance(jwks, dict) else None
        if not isinstance(keys, list) or not all(isinstance(one, dict) for one in keys):
            raise MalformedError(ReasonCode.FORMAT, f"{path}.jwks", "not a set of keys")
        if len(keys) > _MAX_KEYS:
            raise MalformedError(ReasonCode.LIMIT, f"{path}.jwks", f"more than {_MAX_KEYS} keys")
        kids = [one.get("kid") for one in keys]
        if any(not isinstance(kid, str) or not 0 < len(kid) <= _MAX_KID for kid in kids) or len(set(kids)) != len(kids):
            raise MalformedError(ReasonCode.KID, f"{path}.jwks", "every key has a kid of its own")
        encodings = _encodings(metadata, path)
        for jwk in keys if encodings else ():
            try:
                key = encryption_key({name: value for name, value in jwk.items() if name != "kid"}, path=path)
            except MalformedError:
                continue
            if jwk.get("alg") == "ECDH-ES":
                return cls(key=key, kid=jwk["kid"], encodings=encodings)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Online:
    """The online part of a ``PresentationRequest``. Text of the verifier's choosing is not checked for being true.

    ``nonce`` is in the letters of the request. ``response_uri`` is there exactly for the modes that post, ``origin``
    exactly for those through a browser. ``encryption`` is there exactly where the answer is encrypted.
    """

    mode: ResponseMode
    nonce: str
    state: str | None
    response_uri: str | None
    origin: str | None
    encryption: ResponseKey | None
    transaction_data: tuple[TransactionData, ...] = ()
    formats: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    client_name: str | None = None
    verifier_info: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    wallet_nonce: str | None = None

    def audience(self, client_id: str) -> str:
        """What an answer is made for (rule 1)."""
        return client_id if self.origin is None else ORIGIN + self.origin

    def transcript(self, client_id: str) -> bytes:
        """The session that an mdoc answers in (rule 2)."""
        thumbprint = None if self.encryption is None else self.encryption.thumbprint
        if self.origin is not None:
            return dc_api_transcript(origin=self.origin, nonce=self.nonce, encryption_key=thumbprint)
        assert self.response_uri is not None
        return openid4vp_transcript(
            client_id=client_id, nonce=self.nonce, response_uri=self.response_uri, encryption_key=thumbprint
        )


def _encodings(metadata: Mapping[str, Any], path: str) -> tuple[str, ...]:
    name = "encrypted_response_enc_values_supported"
    found = metadata.get(name, ["A128GCM"])
    if not isinstance(found, list) or not found or len(found) > 64 or not all(isinstance(one, str) for one in found):
        raise MalformedError(ReasonCode.FORMAT, f"{path}.{name}", "must be a list of texts that is not empty")
    return tuple(one for one in ENCODINGS if one in found)
