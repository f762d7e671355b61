"""Document signers of other people's mdocs: the certificate profile of ISO/IEC 18013-5 annex B, and whom to trust.

Our own issuers are judged by the trust bundle. For a foreign document a caller says which authorities (IACA
certificates) or which document signers it trusts, and this module checks:

1. the header has the document signer, and at most the authority's own certificate after it;
2. the authority's certificate is one of those the caller trusts, is a CA that may sign certificates and signed the
   document signer; both are valid at the time, and were when the document was signed;
3. the document signer is no CA, signs and nothing else, has the one extended key usage of mdocs, says how to reach
   its authority (issuer alternative name), has no unknown critical extension and was signed by no outdated algorithm;
4. the country is the same in both certificates and in the document, the state too where both name one;
5. a pinned document signer needs no authority; all else holds for it too.

Parsed certificates are kept by their bytes (bounded); dates are compared on every call.

A post-quantum signer has no certificate and is beyond ISO: its documents have no x5chain, and say in the protected
header which key of the trust bundle it is (``kid``) and whose (``iss``, RFC 9597).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError, RefusedError
from vcred.formats._cose import ALG, COSE_ALG, KID, X5CHAIN, Sign1, chain_of
from vcred.formats._wire import epoch
from vcred.keys import PublicKey
from vcred.keys.post_quantum import POST_QUANTUM
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from cryptography import x509

    from vcred.credential import Content, Opened
    from vcred.formats.base import IssuerKey

__all__ = [
    "DOCUMENT_SIGNER",
    "SignerFacts",
    "check_document_place",
    "check_issuer_key",
    "issuer_headers",
    "named_signer",
    "signer_facts",
    "verify_document_signer",
]

DOCUMENT_SIGNER: Final = "1.0.18013.5.1.2"
"""The extended key usage of whoever signs mdocs."""

_COUNTRY: Final = "2.5.4.6"
_STATE: Final = "2.5.4.8"
_KNOWN: Final = frozenset({"2.5.29.15", "2.5.29.17", "2.5.29.18", "2.5.29.19", "2.5.29.37"})
"""Key usage, alternative names, basic constraints, extended key usage: critical or not, each is looked at."""

_SIGNATURES: Final = frozenset(
    {"1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3", "1.2.840.10045.4.3.4", "1.3.101.112", "1.3.101.113"}
)
"""ECDSA with SHA-256, SHA-384 and SHA-512, Ed25519, Ed448 (annex B.3)."""

_PATH: Final = "x5chain"
_CWT_CLAIMS: Final = 15
_ISS: Final = 1
_KID_BYTES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerFacts:
    """What a certificate says of a signer: the URIs of its alternative name, and when it is valid."""

    uris: tuple[str, ...]
    not_before: int
    not_after: int


def signer_facts(der: bytes) -> SignerFacts:
    """Read a certificate of any profile. Raises ``MalformedError`` with ``chain`` or ``limit``."""
    return _read(der)[1]


def issuer_headers(content: Content, key: IssuerKey) -> tuple[dict[int, Any], dict[int, Any]]:
    """The protected and the unprotected header of what ``key`` signs. Raises ``ValueError`` as ``check_issuer_key``."""
    alg = COSE_ALG[key.public_key.alg]
    if not key.chain:
        if key.public_key.alg not in POST_QUANTUM:
            raise ValueError("an mdoc carries the certificate of its signer")
        return {ALG: alg, KID: key.public_key.kid, _CWT_CLAIMS: {_ISS: content.issuer}}, {}
    check_issuer_key(content, key)
    return {ALG: alg}, {X5CHAIN: key.chain[0] if len(key.chain) == 1 else list(key.chain)}


def named_signer(sign1: Sign1) -> tuple[str, bytes | None, tuple[bytes, ...]]:
    """Who says to have signed: issuer, and either ``kid`` or chain. Raises ``MalformedError`` with ``chain``."""
    chain = chain_of(sign1, "issuerAuth.x5chain")
    if chain:
        uris = signer_facts(chain[0]).uris
        return uris[0] if uris else "", None, chain
    if sign1.alg not in POST_QUANTUM:
        raise MalformedError(ReasonCode.CHAIN, "issuerAuth.x5chain", "missing")
    claims, kid = sign1.protected.get(_CWT_CLAIMS), sign1.protected.get(KID)
    if type(claims) is not dict or claims.keys() != {_ISS} or type(claims[_ISS]) is not str:
        raise MalformedError(ReasonCode.CHAIN, "issuerAuth.x5chain", "missing, and no issuer is named")
    if type(kid) is not bytes or len(kid) != _KID_BYTES or not claims[_ISS]:
        raise MalformedError(ReasonCode.CHAIN, "issuerAuth.x5chain", "missing, and no key is named")
    return claims[_ISS], kid, ()


def check_issuer_key(content: Content, key: IssuerKey) -> None:
    """Refuse to issue ``content`` with a certificate that no verifier would take for it. Raises ``ValueError``."""
    from vcred.trust.x509 import read_certificate  # noqa: PLC0415 - X.509 loads with the first issue

    leaf = read_certificate(key.chain[0], "chain[0]")
    if leaf.key != key.public_key or leaf.uris != (content.issuer,):
        raise ValueError("the certificate is not that of the signer or of the issuer")
    if not leaf.not_before <= content.issued_at <= leaf.not_after:
        raise ValueError("the certificate of the signer is not valid at the time of issue")


def verify_document_signer(
    opened: Opened, *, authorities: Collection[bytes], pinned: Collection[bytes], at: datetime
) -> PublicKey:
    """The key of the document signer of ``opened``, once it is trusted at ``at``: verify the signature with it.

    ``authorities`` and ``pinned`` are certificates (DER) of IACAs and of document signers; with neither nothing is
    trusted. Raises ``RefusedError``: ``untrusted``, ``chain``, ``limit``, ``key``; ``ValueError`` for a time without
    zone.
    """
    now = epoch(at)
    chain = opened.x5c
    if not chain:
        raise RefusedError(ReasonCode.UNTRUSTED, _PATH, "nobody is named as the signer")
    signer, facts = _read(chain[0])
    times = (now, now if opened.issued_at is None else opened.issued_at)
    _check_dates(facts, times, "the document signer")
    _check_profile(signer)
    if chain[0] not in pinned:
        _check_authority(signer, chain, authorities, times)
    elif len(chain) != 1:
        raise RefusedError(ReasonCode.CHAIN, _PATH, "certificates beside a pinned document signer")
    _check_place(signer, opened.claims.values())
    return _key(signer)


def _check_authority(
    signer: x509.Certificate, chain: Sequence[bytes], authorities: Collection[bytes], times: tuple[int, int]
) -> None:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415 - used with x509 only

    if len(chain) > 2 or (len(chain) == 2 and chain[1] not in authorities):
        raise RefusedError(ReasonCode.CHAIN, _PATH, "an authority signs document signers itself")
    for der in authorities:
        authority, facts = _read(der)
        try:
            signer.verify_directly_issued_by(authority)
        except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
            continue
        _check_dates(facts, times, "the authority")
        _check_ca(authority)
        for oid, name in ((_COUNTRY, "country"), (_STATE, "state")):
            ours, theirs = _subject(authority, oid), _subject(signer, oid)
            if ours != theirs and (oid == _COUNTRY or (ours and theirs)):
                raise RefusedError(ReasonCode.CHAIN, _PATH, f"signer and authority are not of one {name}")
        return
    raise RefusedError(ReasonCode.UNTRUSTED, _PATH, "no authority that is trusted signed the document signer")


def _check_dates(facts: SignerFacts, times: tuple[int, int], whose: str) -> None:
    if not all(facts.not_before <= time <= facts.not_after for time in times):
        raise RefusedError(ReasonCode.CHAIN, _PATH, f"{whose} is not valid now or was not at the time of issue")


def _check_profile(signer: x509.Certificate) -> None:
    _check_critical(signer)
    if signer.signature_algorithm_oid.dotted_string not in _SIGNATURES:
        raise RefusedError(ReasonCode.CHAIN, _PATH, "not signed with ECDSA and SHA-2 or with EdDSA")
    basic, usage = _value(signer, "BasicConstraints"), _value(signer, "KeyUsage")
    if basic is not None and basic.ca:
        raise RefusedError(ReasonCode.CHAIN, _PATH, "the document signer is a CA")
    if usage is None or not usage.digital_signature or usage.key_cert_sign or usage.crl_sign:
        raise RefusedError(ReasonCode.CHAIN, _PATH, "the key usage is not digitalSignature")
    extended = _value(signer, "ExtendedKeyUsage")
    if extended is None or [one.dotted_string for one in extended] != [DOCUMENT_SIGNER]:
        raise RefusedError(ReasonCode.CHAIN, _PATH, "the extended key usage is not that of document signers")
    if _value(signer, "IssuerAlternativeName") is None:
        raise RefusedError(ReasonCode.CHAIN, _PATH, "the document signer has no issuer alternative name")


def _check_ca(authority: x509.Certificate) -> None:
    _check_critical(authority)
    basic, usage = _value(authority, "BasicConstraints"), _value(authority, "KeyUsage")
    if basic is None or not basic.ca or usage is None or not usage.key_cert_sign:
        raise RefusedError(ReasonCode.CHAIN, _PATH, "the authority may not sign certificates")


def _check_critical(certificate: x509.Certificate) -> None:
    for extension in certificate.extensions:
        if extension.critical and extension.oid.dotted_string not in _KNOWN:
            raise RefusedError(ReasonCode.CHAIN, _PATH, f"critical extension {extension.oid.dotted_string}")


def check_document_place(der: bytes, elements: Mapping[str, Any]) -> None:
    """Check that the country and the state in ``elements`` are those of the signer ``der``, where it has a country.

    Raises ``RefusedError`` with ``chain``.
    """
    signer = _read(der)[0]
    if _subject(signer, _COUNTRY):
        _check_place(signer, [elements])


def _check_place(signer: x509.Certificate, namespaces: Iterable[Any]) -> None:
    """Whose document signer it is, the document says too (annex B.1.4), wherever it says so."""
    for members in namespaces:
        found = members if isinstance(members, dict) else {}
        for name, oid in (("issuing_country", _COUNTRY), ("issuing_jurisdiction", _STATE)):
            subject = _subject(signer, oid)
            if name in found and (oid == _COUNTRY or subject) and (found[name],) != subject:
                raise RefusedError(ReasonCode.CHAIN, _PATH, f"{name} is not that of the document signer")


def _subject(certificate: x509.Certificate, oid: str) -> tuple[str, ...]:
    from vcred.trust.foreign import subject_values  # noqa: PLC0415 - X.509 loads with the first chain

    return subject_values(certificate, oid)


def _value(certificate: x509.Certificate, name: str) -> Any:
    """The extension of this kind, ``None`` when the certificate has none."""
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    try:
        return certificate.extensions.get_extension_for_class(getattr(x509, name)).value
    except x509.ExtensionNotFound:
        return None


def _key(certificate: x509.Certificate) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415 - used with x509 only

    try:
        key = certificate.public_key()
    except Exception as error:  # the parser is lazy: a key may fail in many ways
        raise MalformedError(ReasonCode.KEY, _PATH, f"not a readable key: {type(error).__name__}") from error
    if not isinstance(key, (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)):
        raise MalformedError(ReasonCode.KEY, _PATH, "the key is not P-256, P-384 or Ed25519")
    return PublicKey(key)


@lru_cache(maxsize=256)
def _read(der: bytes) -> tuple[x509.Certificate, SignerFacts]:
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    from vcred.trust.foreign import read_foreign  # noqa: PLC0415 - X.509 loads with the first chain

    certificate = read_foreign(der, _PATH)
    names = _value(certificate, "SubjectAlternativeName")
    return certificate, SignerFacts(
        uris=() if names is None else tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        not_before=int(certificate.not_valid_before_utc.timestamp()),
        not_after=int(certificate.not_valid_after_utc.timestamp()),
    )
