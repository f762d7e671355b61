"""X.509: read a certificate of our profile, and verify a chain to an anchor for one purpose at one time.

The path itself (signatures, dates, path lengths, name constraints, critical extensions) is checked by
``cryptography.x509.verification``; what it leaves open is checked here:

1. one to four certificates, leaf first, each signing the one before it, root excluded, nothing left over;
2. no certificate is self-signed and none is an anchor;
3. every key is P-256 or P-384 and every signature ECDSA with SHA-256 or SHA-384;
4. every critical extension is one we act on;
5. the leaf is no CA, may only sign (``digitalSignature``), has exactly the one extended key usage of the purpose,
   and says who it is for in its subject alternative name;
6. a CA may sign certificates, and if it restricts usages, ours is among them.

``untrusted`` means that the last certificate was not signed by any anchor, ``chain`` that something on the
way is wrong, ``limit`` that it is too large to look at. Parsing one costs as much as a signature check, so
parsed certificates are kept by their bytes (bounded); dates are compared on every call.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from vcred.errors import MalformedError, RefusedError
from vcred.formats._wire import b64u_encode
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode
from vcred.trust.other_profiles import check_other_ca, check_other_leaf, check_place
from vcred.trust.profile import MAX_CERTIFICATE_BYTES, MAX_CHAIN, MAX_NAMES, CertificateProfile, Purpose
from vcred.trust.x509_build import build_intermediate, build_reader, build_root, build_signer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

__all__ = [
    "Certificate",
    "Purpose",
    "VerifiedChain",
    "build_intermediate",
    "build_reader",
    "build_root",
    "build_signer",
    "check_leaf",
    "read_certificate",
    "signing_anchor",
    "verify_chain",
    "x509_hash",
]

_SIGNATURES = frozenset({"1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3"})  # ecdsa-with-SHA256, ecdsa-with-SHA384
_ANY_USAGE = "2.5.29.37.0"
_CRITICAL = frozenset({"2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.37"})
"""Key usage, alternative name, basic constraints, name constraints, extended key usage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One parsed certificate. Its signature has not been checked."""

    der: bytes = field(repr=False)
    x509: x509.Certificate = field(repr=False)
    subject: bytes = field(repr=False)
    issuer: bytes = field(repr=False)
    key: PublicKey
    not_before: int
    not_after: int
    is_ca: bool
    usages: tuple[str, ...] | None
    may_sign: bool
    """The key usage is ``digitalSignature`` and nothing else."""
    may_certify: bool
    uris: tuple[str, ...]
    dns_names: tuple[str, ...]
    has_other_names: bool
    """The alternative name has an entry of another kind: an address, a mailbox."""
    organisations: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedChain:
    """A leaf whose chain ends in an anchor. ``not_before`` and ``not_after`` are those of the whole path."""

    leaf: Certificate
    anchor: bytes = field(repr=False)
    kids: tuple[bytes, ...]
    """Key ids on the path, leaf first, anchor last."""
    not_before: int
    not_after: int


def x509_hash(der: bytes) -> str:
    """The ``x509_hash`` value of a certificate: base64url of its SHA-256 (OpenID4VP 1.0 section 5.9.3)."""
    return b64u_encode(hashlib.sha256(der).digest())


def read_certificate(der: bytes, path: str) -> Certificate:
    """Parse one certificate within our profile.

    Raises ``MalformedError``: ``limit`` when it is too large, ``chain`` for anything else that is wrong with it.
    """
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise MalformedError(ReasonCode.LIMIT, path, f"a certificate of {len(der)} bytes")
    try:
        return _read(der)
    except MalformedError as error:
        raise MalformedError(error.code, path, error.detail) from error


def check_leaf(leaf: Certificate, *, purpose: Purpose, path: str) -> None:
    """Check that ``leaf`` may serve ``purpose`` (rule 5). Raises ``RefusedError`` with ``chain``."""
    if leaf.is_ca:
        raise RefusedError(ReasonCode.CHAIN, path, "the leaf is a CA")
    if not leaf.may_sign:
        raise RefusedError(ReasonCode.CHAIN, path, "the key usage is not digitalSignature alone")
    if leaf.usages != (purpose.eku,):
        raise RefusedError(ReasonCode.CHAIN, path, f"the extended key usage is not that of {purpose.value}")
    if leaf.has_other_names:
        raise RefusedError(ReasonCode.CHAIN, path, "an alternative name that is neither a URI nor a dNSName")
    if purpose is Purpose.READER:
        if not leaf.uris and not leaf.dns_names:
            raise RefusedError(ReasonCode.CHAIN, path, "a reader has a dNSName or a URI as alternative name")
    elif len(leaf.uris) != 1 or leaf.dns_names:
        raise RefusedError(ReasonCode.CHAIN, path, "a signer has one URI as alternative name")


def signing_anchor(top: bytes, anchors: Sequence[bytes], *, path: str = "x5c") -> bytes:
    """Which of ``anchors`` signed ``top``. Raises ``RefusedError``: ``untrusted``, ``chain`` or ``limit``."""
    return _anchor_of(read_certificate(top, path), anchors, path).der


def verify_chain(
    chain: Sequence[bytes],
    anchors: Sequence[bytes],
    *,
    purpose: Purpose,
    at: datetime,
    path: str = "x5c",
    profile: CertificateProfile = CertificateProfile.VCRED,
) -> VerifiedChain:
    """Verify ``chain`` (DER, leaf first, without the root) to one of ``anchors`` for ``purpose`` at ``at``.

    Rules 5 and 6 are our ``profile``'s. For another, which nobody but the trust list states, they are those of
    ``vcred.trust.other_profiles``.

    Raises ``RefusedError`` with ``untrusted``, ``chain`` or ``limit``; see the module text for the rules.
    No anchors means that nothing is trusted. ``ValueError`` for a time without zone.
    """
    if at.tzinfo is None:
        raise ValueError("at is an aware datetime")
    if not 1 <= len(chain) <= MAX_CHAIN:
        raise RefusedError(ReasonCode.CHAIN, path, f"a chain of {len(chain)} certificates")
    certificates = [read_certificate(der, f"{path}[{index}]") for index, der in enumerate(chain)]
    if not set(chain).isdisjoint(anchors):
        raise RefusedError(ReasonCode.CHAIN, path, "the chain contains an anchor")
    for index, certificate in enumerate(certificates):
        if certificate.subject == certificate.issuer:
            raise RefusedError(ReasonCode.CHAIN, f"{path}[{index}]", "the certificate is self-signed")
        if index:
            _check_ca(certificate, certificates[0], purpose, profile, f"{path}[{index}]")
    if ours := profile is CertificateProfile.VCRED:
        check_leaf(certificates[0], purpose=purpose, path=f"{path}[0]")
    else:
        check_other_leaf(certificates[0], profile=profile, purpose=purpose, path=f"{path}[0]")
    anchor = _anchor_of(certificates[-1], anchors, path)
    _check_ca(anchor, certificates[0], purpose, profile, "anchor")
    if profile is CertificateProfile.ISO:
        check_place(certificates, anchor, path)
    _verify_path(certificates, anchor, at, path, named=ours)
    whole = (*certificates, anchor)
    return VerifiedChain(
        leaf=certificates[0],
        anchor=anchor.der,
        kids=tuple(certificate.key.kid for certificate in whole),
        not_before=max(certificate.not_before for certificate in whole),
        not_after=min(certificate.not_after for certificate in whole),
    )


def _check_ca(
    certificate: Certificate, leaf: Certificate, purpose: Purpose, profile: CertificateProfile, path: str
) -> None:
    if profile is not CertificateProfile.VCRED:
        check_other_ca(certificate, leaf, profile=profile, purpose=purpose, path=path)
        return
    if not certificate.is_ca or not certificate.may_certify:
        raise RefusedError(ReasonCode.CHAIN, path, "the certificate may not sign certificates")
    if certificate.usages is not None and purpose.eku not in certificate.usages:
        raise RefusedError(ReasonCode.CHAIN, path, f"the CA may not certify for {purpose.value}")


def _anchor_of(top: Certificate, anchors: Sequence[bytes], path: str) -> Certificate:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - used with x509 only

    for der in anchors:
        anchor = read_certificate(der, "anchor")
        if anchor.subject != top.issuer:
            continue
        try:
            top.x509.verify_directly_issued_by(anchor.x509)
        except (InvalidSignature, TypeError, ValueError):
            continue
        return anchor
    raise RefusedError(ReasonCode.UNTRUSTED, path, "no anchor signed the last certificate of the chain")


def _verify_path(
    certificates: Sequence[Certificate], anchor: Certificate, at: datetime, path: str, *, named: bool
) -> None:
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports
    from cryptography.x509 import verification  # noqa: PLC0415 - as above

    critical = verification.Criticality.CRITICAL
    agnostic = verification.Criticality.AGNOSTIC
    permit = verification.ExtensionPolicy.permit_all()
    builder = (
        verification.PolicyBuilder()
        .store(verification.Store([anchor.x509]))
        .time(at.astimezone(UTC).replace(tzinfo=None, microsecond=0))
        .max_chain_depth(MAX_CHAIN)
        .extension_policies(
            ca_policy=permit.require_present(x509.BasicConstraints, critical, None),
            ee_policy=permit.require_present(x509.SubjectAlternativeName, agnostic, None) if named else permit,
        )
    )
    try:
        verified = builder.build_client_verifier().verify(
            certificates[0].x509, [certificate.x509 for certificate in certificates[1:]]
        )
    # Besides VerificationError, what the lazy parser had not looked at yet.
    except Exception as error:
        raise RefusedError(ReasonCode.CHAIN, path, str(error).partition(" (encountered")[0]) from error
    if [certificate.public_bytes(_der()) for certificate in verified.chain] != [
        *(certificate.der for certificate in certificates),
        anchor.der,
    ]:
        raise RefusedError(ReasonCode.CHAIN, path, "the chain is not in order or has certificates to spare")


def _der() -> Any:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - used with x509 only

    return Encoding.DER


@lru_cache(maxsize=512)
def _read(der: bytes) -> Certificate:
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    try:
        parsed = x509.load_der_x509_certificate(der)
        if parsed.version is not x509.Version.v3 or parsed.signature_algorithm_oid.dotted_string not in _SIGNATURES:
            raise MalformedError(ReasonCode.CHAIN, "", "not an X.509 v3 certificate signed with ECDSA and SHA-2")
        # The parser lets a signature claim unused bits, which would give one certificate several fingerprints.
        if der[-len(parsed.signature) - 1] != 0:
            raise MalformedError(ReasonCode.CHAIN, "", "a signature with unused bits")
        return _facts(der, parsed)
    except MalformedError:
        raise
    except Exception as error:  # the parser is lazy: any property may fail, in many ways
        raise MalformedError(ReasonCode.CHAIN, "", f"not a readable certificate: {type(error).__name__}") from error


def _facts(der: bytes, parsed: x509.Certificate) -> Certificate:
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    found = {extension.oid.dotted_string: extension for extension in parsed.extensions}
    unknown = [oid for oid, extension in found.items() if extension.critical and oid not in _CRITICAL]
    if unknown:
        raise MalformedError(ReasonCode.CHAIN, "", f"unknown critical extension {unknown[0]}")
    names = _value(found, "2.5.29.17", x509.SubjectAlternativeName)
    if names is not None and len(names) > MAX_NAMES:
        raise MalformedError(ReasonCode.LIMIT, "", f"{len(names)} alternative names")
    basic = _value(found, "2.5.29.19", x509.BasicConstraints)
    usages = _value(found, "2.5.29.37", x509.ExtendedKeyUsage)
    oids = None if usages is None else tuple(usage.dotted_string for usage in usages)
    if oids is not None and _ANY_USAGE in oids:
        raise MalformedError(ReasonCode.CHAIN, "", "anyExtendedKeyUsage")
    usage = _value(found, "2.5.29.15", x509.KeyUsage)
    return Certificate(
        der=der,
        x509=parsed,
        subject=parsed.subject.public_bytes(),
        issuer=parsed.issuer.public_bytes(),
        key=_key(parsed),
        not_before=int(parsed.not_valid_before_utc.timestamp()),
        not_after=int(parsed.not_valid_after_utc.timestamp()),
        is_ca=basic is not None and basic.ca,
        usages=oids,
        may_sign=usage is not None and _only_signs(usage),
        may_certify=usage is not None and usage.key_cert_sign,
        uris=() if names is None else tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        dns_names=() if names is None else tuple(names.get_values_for_type(x509.DNSName)),
        has_other_names=names is not None
        and any(type(name) not in (x509.UniformResourceIdentifier, x509.DNSName) for name in names),
        organisations=tuple(
            str(attribute.value) for attribute in parsed.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
        ),
    )


def _value(found: dict[str, Any], oid: str, kind: type) -> Any:
    extension = found.get(oid)
    if extension is None:
        return None
    if not isinstance(extension.value, kind):
        raise MalformedError(ReasonCode.CHAIN, "", f"extension {oid} cannot be read")
    return extension.value


def _only_signs(usage: x509.KeyUsage) -> bool:
    others = (
        usage.content_commitment,
        usage.key_encipherment,
        usage.data_encipherment,
        usage.key_agreement,
        usage.key_cert_sign,
        usage.crl_sign,
    )
    return usage.digital_signature and not any(others)


def _key(parsed: x509.Certificate) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - used with x509 only

    key = parsed.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in ("secp256r1", "secp384r1"):
        raise MalformedError(ReasonCode.CHAIN, "", "the key is not P-256 or P-384")
    return PublicKey(key)
