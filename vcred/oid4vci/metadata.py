"""Issuer metadata (OpenID4VCI 1.0 section 12.2): what a wallet reads of it, and its signed form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError, RefusedError
from vcred.formats._jose import sign_jws, verify_jws, x5c_texts
from vcred.formats._jwe import encrypt, encryption_key
from vcred.formats._wire import dump_json, epoch
from vcred.oauth._jwt import check_expiry, check_issued_at, moment, read_jwt
from vcred.oauth.metadata import endpoint, texts
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    from vcred.keys import PublicKey, Signer

__all__ = [
    "CredentialConfiguration",
    "IssuerMetadata",
    "RequestEncryption",
    "check_signed_metadata",
    "sign_metadata",
]

SIGNED_TYP: Final = "openidvci-issuer-metadata+jwt"
_MAX_CONFIGURATIONS: Final = 1024
_MAX_BATCH: Final = 1000
_MAX_SIGNED: Final = 4 * 1024 * 1024
"""A whole catalogue, each type in each format, with what every claim is called in each language."""
_ENCODINGS: Final = ("A256GCM", "A128GCM")
_YEAR: Final = 366 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialConfiguration:
    """One kind of credential in one format. ``type`` is its ``vct``, doctype or second W3C type, if it has one."""

    id: str
    format: str
    type: str | None
    scope: str | None
    binding_methods: frozenset[str]
    proof_types: Mapping[str, Mapping[str, Any]] = field(repr=False)
    display: tuple[Mapping[str, Any], ...] = field(repr=False)
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def key_attestation_required(self) -> bool:
        """Whether the issuer wants a key attestation with a ``jwt`` proof."""
        return "key_attestations_required" in self.proof_types.get("jwt", {})

    def name(self, lang: str) -> str:
        """Its display name in ``lang``, in any language, or its id. A stranger's text: show it as such."""
        return _name(self.display, lang) or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEncryption:
    """The issuer's key for encrypted requests."""

    key: EllipticCurvePublicKey = field(repr=False)
    kid: str
    enc: str
    required: bool

    def seal(self, message: bytes) -> bytes:
        """``message`` as a compact JWE for the issuer."""
        return encrypt(message, self.key, enc=self.enc, kid=self.kid)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerMetadata:
    """What a wallet needs to know of an issuer. Endpoints it does not have are ``None``."""

    issuer: str
    authorization_servers: tuple[str, ...]
    credential_endpoint: str
    nonce_endpoint: str | None
    deferred_endpoint: str | None
    notification_endpoint: str | None
    batch_size: int
    request_encryption: RequestEncryption | None
    response_encryption: tuple[str, ...]
    response_encryption_required: bool
    display: tuple[Mapping[str, Any], ...] = field(repr=False)
    configurations: Mapping[str, CredentialConfiguration] = field(repr=False)

    @classmethod
    def parse(cls, value: Any, *, issuer: str, plain_http: bool = False) -> IssuerMetadata:
        """The document at ``issuer``'s well-known place; one that names another issuer must not be used.

        ``batch_size`` is 1 where the issuer has no batches. Encryption that we do not know is left out, and then an
        issuer that requires it is refused. Raises ``MalformedError``, ``RefusedError`` with ``issuer`` or ``alg``.
        """
        path = "metadata"
        if not isinstance(value, dict):
            raise MalformedError(ReasonCode.FORMAT, path, "not an object")
        if value.get("credential_issuer") != issuer:
            raise RefusedError(ReasonCode.ISSUER, f"{path}.credential_issuer", "names another issuer")

        def place(name: str) -> str | None:
            return endpoint(value, name, path, plain_http=plain_http)

        credential = place("credential_endpoint")
        if credential is None:
            raise MalformedError(ReasonCode.FORMAT, f"{path}.credential_endpoint", "missing")
        servers = value.get("authorization_servers", [issuer])
        if not isinstance(servers, list) or not 0 < len(servers) <= 16 or not all(isinstance(s, str) for s in servers):
            raise MalformedError(ReasonCode.FORMAT, f"{path}.authorization_servers", "must be 1 to 16 addresses")
        encodings, required = _response_encryption(value, path)
        return cls(
            issuer=issuer,
            authorization_servers=tuple(servers),
            credential_endpoint=credential,
            nonce_endpoint=place("nonce_endpoint"),
            deferred_endpoint=place("deferred_credential_endpoint"),
            notification_endpoint=place("notification_endpoint"),
            batch_size=_batch_size(value, path),
            request_encryption=_request_encryption(value, path),
            response_encryption=encodings,
            response_encryption_required=required,
            display=_display(value.get("display")),
            configurations=_configurations(value.get("credential_configurations_supported"), path),
        )

    def name(self, lang: str) -> str:
        """Its display name in ``lang``, in any language, or its identifier. A stranger's text: show it as such."""
        return _name(self.display, lang) or self.issuer


def sign_metadata(
    metadata: Mapping[str, Any], signer: Signer, *, x5c: Sequence[bytes], at: datetime, lifetime: timedelta
) -> bytes:
    """The signed form of ``metadata`` (section 12.2.3)."""
    now = epoch(at)
    claims = {
        **metadata,
        "sub": metadata["credential_issuer"],
        "iat": now,
        "exp": now + int(lifetime.total_seconds()),
    }
    header = {"typ": SIGNED_TYP, "x5c": x5c_texts(x5c)}
    return sign_jws(header, dump_json(claims), signer)


def check_signed_metadata(
    token: bytes, *, issuer: str, resolve: Callable[[tuple[bytes, ...]], PublicKey], at: datetime
) -> dict[str, Any]:
    """The claims of signed metadata of ``issuer``. ``resolve`` gives the key of an ``x5c``, or raises ``RefusedError``.

    Raises ``RefusedError``: those of parsing, ``issuer``, ``iat``, ``expired``, ``signature``.
    """
    path = "metadata"
    jws, claims = read_jwt(token, path=path, typ=SIGNED_TYP, max_bytes=_MAX_SIGNED)
    if claims.get("sub") != issuer:
        raise RefusedError(ReasonCode.ISSUER, f"{path}.sub", "is about another issuer")
    check_issued_at(moment(claims, "iat", path), path, at=at, seconds=_YEAR)
    if "exp" in claims:
        check_expiry(moment(claims, "exp", path), path, at=at)
    verify_jws(jws, resolve(jws.x5c))
    return claims


def _configurations(value: Any, path: str) -> dict[str, CredentialConfiguration]:
    path = f"{path}.credential_configurations_supported"
    if not isinstance(value, dict) or not 0 < len(value) <= _MAX_CONFIGURATIONS:
        raise MalformedError(ReasonCode.FORMAT, path, f"must be 1 to {_MAX_CONFIGURATIONS} configurations")
    return {name: _configuration(name, one, path) for name, one in value.items()}


def _configuration(name: str, value: Any, path: str) -> CredentialConfiguration:
    if not isinstance(value, dict) or not isinstance(value.get("format"), str):
        raise MalformedError(ReasonCode.FORMAT, path, "a configuration has a format")
    proof_types = value.get("proof_types_supported", {})
    if not isinstance(proof_types, dict) or not all(isinstance(one, dict) for one in proof_types.values()):
        raise MalformedError(ReasonCode.FORMAT, path, "proof_types_supported")
    scope = value.get("scope")
    if scope is not None and not isinstance(scope, str):
        raise MalformedError(ReasonCode.FORMAT, path, "scope")
    about = value.get("credential_metadata", {})
    return CredentialConfiguration(
        id=name,
        format=value["format"],
        type=_type(value),
        scope=scope,
        binding_methods=texts(value, "cryptographic_binding_methods_supported", path, absent=()),
        proof_types=proof_types,
        display=_display(about.get("display") if isinstance(about, dict) else None),
        raw=value,
    )


def _type(value: Mapping[str, Any]) -> str | None:
    found = value.get("vct", value.get("doctype"))
    if isinstance(found, str):
        return found
    definition = value.get("credential_definition")
    types = definition.get("type") if isinstance(definition, dict) else None
    return types[-1] if isinstance(types, list) and types and isinstance(types[-1], str) else None


def _batch_size(value: Mapping[str, Any], path: str) -> int:
    if "batch_credential_issuance" not in value:
        return 1
    member = value["batch_credential_issuance"]
    size = member.get("batch_size") if isinstance(member, dict) else None
    if type(size) is not int or not size >= 2:
        raise MalformedError(ReasonCode.FORMAT, f"{path}.batch_credential_issuance", "batch_size must be 2 or greater")
    return min(size, _MAX_BATCH)


def _request_encryption(value: Mapping[str, Any], path: str) -> RequestEncryption | None:
    if "credential_request_encryption" not in value:
        return None
    path = f"{path}.credential_request_encryption"
    member = value["credential_request_encryption"]
    if not isinstance(member, dict):
        raise MalformedError(ReasonCode.FORMAT, path, "not an object")
    offered = texts(member, "enc_values_supported", path, absent=())
    enc = next((one for one in _ENCODINGS if one in offered), None)
    jwks = member.get("jwks")
    rows = jwks.get("keys") if isinstance(jwks, dict) else None
    required = member.get("encryption_required") is True
    for row in rows if isinstance(rows, list) else []:
        try:
            key = encryption_key(row, path=f"{path}.jwks")
        except MalformedError:
            continue  # a key for somebody else
        if enc is not None and isinstance(row.get("kid"), str) and row.get("alg") == "ECDH-ES":
            return RequestEncryption(key=key, kid=row["kid"], enc=enc, required=required)
    if required:
        raise RefusedError(ReasonCode.ALG, path, "no encryption that we know")
    return None


def _response_encryption(value: Mapping[str, Any], path: str) -> tuple[tuple[str, ...], bool]:
    if "credential_response_encryption" not in value:
        return (), False
    path = f"{path}.credential_response_encryption"
    member = value["credential_response_encryption"]
    if not isinstance(member, dict):
        raise MalformedError(ReasonCode.FORMAT, path, "not an object")
    known = "ECDH-ES" in texts(member, "alg_values_supported", path, absent=())
    offered = texts(member, "enc_values_supported", path, absent=())
    found = tuple(one for one in _ENCODINGS if known and one in offered)
    required = member.get("encryption_required") is True
    if required and not found:
        raise RefusedError(ReasonCode.ALG, path, "no encryption that we know")
    return found, required


def _display(value: Any) -> tuple[Mapping[str, Any], ...]:
    """Names and pictures are decoration: what is wrong with them is left out, not an error."""
    rows = value if isinstance(value, list) else []
    return tuple(row for row in rows[:64] if isinstance(row, dict))


def _name(display: Sequence[Mapping[str, Any]], lang: str) -> str | None:
    named = [row for row in display if isinstance(row.get("name"), str) and row["name"]]
    fitting = [row for row in named if str(row.get("locale", "")).lower().partition("-")[0] == lang]
    found: str | None = (fitting or named)[0]["name"] if named else None
    return found
