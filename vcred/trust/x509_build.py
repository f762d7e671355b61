"""Make certificates of our profile. For agencies' own roots, for the demo and for tests.

The issuer's key may be any ``Signer``, also one in hardware. Every function takes its times and refuses to make
what a verifier would refuse: a leaf that outlives its issuer, a CA without the right to sign, a name that does not
fit (``ValueError``); ``SigningError`` when the key does not sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vcred.errors import RefusedError, SigningError
from vcred.keys.public import raw_to_der
from vcred.trust.profile import MAX_CERTIFICATE_BYTES, Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    from vcred.keys import PublicKey, Signer

__all__ = ["build_intermediate", "build_list_signer", "build_reader", "build_root", "build_signer"]

_LIST_USAGES = ("1.0.18013.5.1.8", "0.4.0.2231.3.0")
"""Signer of a VICAL (ISO/IEC 18013-5 annex B), signer of trust lists (ETSI TS 119 612 clause 5.7.1)."""


def build_root(
    signer: Signer,
    *,
    name: Mapping[str, str],
    not_before: datetime,
    not_after: datetime,
    path_length: int = 1,
) -> bytes:
    """The root of an authority: a self-signed CA certificate, as DER.

    ``name`` has ``ko`` and ``en``. ``path_length`` is how many CAs may stand between it and a leaf.
    """
    subject = _subject(name, "root")
    return _sign_ca(
        signer.public_key,
        signer,
        subject=subject,
        issuer=subject,
        not_before=not_before,
        not_after=not_after,
        path_length=path_length,
    )


def build_intermediate(
    public_key: PublicKey,
    *,
    name: Mapping[str, str],
    issuer: bytes,
    issuer_signer: Signer,
    not_before: datetime,
    not_after: datetime,
    path_length: int = 0,
) -> bytes:
    """A CA below the CA ``issuer`` (DER), signed with ``issuer_signer``, as DER."""
    above = _issuer(issuer, issuer_signer, not_before, not_after)
    return _sign_ca(
        public_key,
        issuer_signer,
        subject=_subject(name, "ca"),
        issuer=above.subject,
        not_before=not_before,
        not_after=not_after,
        path_length=path_length,
    )


def build_signer(
    public_key: PublicKey,
    *,
    purpose: Purpose,
    id: str,  # noqa: A002 - the issuer's id, as everywhere
    name: Mapping[str, str],
    issuer: bytes,
    issuer_signer: Signer,
    not_before: datetime,
    not_after: datetime,
) -> bytes:
    """A document signer (``Purpose.ISSUER``) or a status list signer (``Purpose.STATUS``), as DER.

    ``id`` becomes the alternative name and is what credentials carry as their issuer.
    """
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    if purpose is Purpose.READER:
        raise ValueError("a reader is made by build_reader")
    alternative = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(id)])
    above = _issuer(issuer, issuer_signer, not_before, not_after)
    subject = _subject(name, f"{purpose.value} signer")
    return _sign_leaf(
        public_key,
        issuer_signer,
        subject=subject,
        above=above,
        not_before=not_before,
        not_after=not_after,
        purpose=purpose,
        alternative=alternative,
    )


def build_reader(
    public_key: PublicKey,
    *,
    identifier: str,
    name: Mapping[str, str],
    issuer: bytes,
    issuer_signer: Signer,
    not_before: datetime,
    not_after: datetime,
) -> bytes:
    """A reader (a verifier's identity), as DER. ``identifier`` is a host name, or a URI if it has a colon."""
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    kind = x509.UniformResourceIdentifier if ":" in identifier else x509.DNSName
    alternative = x509.SubjectAlternativeName([kind(identifier)])
    above = _issuer(issuer, issuer_signer, not_before, not_after)
    subject = _subject(name, "reader")
    return _sign_leaf(
        public_key,
        issuer_signer,
        subject=subject,
        above=above,
        not_before=not_before,
        not_after=not_after,
        purpose=Purpose.READER,
        alternative=alternative,
    )


def build_list_signer(
    public_key: PublicKey,
    *,
    name: Mapping[str, str],
    issuer: bytes,
    issuer_signer: Signer,
    not_before: datetime,
    not_after: datetime,
) -> bytes:
    """The certificate with which the operator ``name`` signs lists for others' verifiers, as DER."""
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    above = _issuer(issuer, issuer_signer, not_before, not_after)
    usages = x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in _LIST_USAGES])
    builder = (
        _start(public_key, _subject(name, "list signer"), above.subject, not_before, not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usages, critical=True)
    )
    return _finish(builder, issuer_signer, certify=False)


def _subject(name: Mapping[str, str], role: str) -> x509.Name:
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    if set(name) != {"ko", "en"} or not all(name.values()):
        raise ValueError("a name has ko and en")
    return x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "KR"),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, name["ko"]),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, name["en"]),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, role),
        ]
    )


def _issuer(der: bytes, signer: Signer, not_before: datetime, not_after: datetime) -> x509.Certificate:
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    above = x509.load_der_x509_certificate(der)
    if above.public_key() != signer.public_key.crypto:
        raise ValueError("issuer_signer does not hold the key of issuer")
    # Certificates have whole seconds, and times given to us may not.
    starts, ends = not_before.replace(microsecond=0), not_after.replace(microsecond=0)
    if starts < above.not_valid_before_utc or ends > above.not_valid_after_utc:
        raise ValueError("a certificate cannot outlive its issuer")
    return above


def _start(
    public_key: PublicKey, subject: x509.Name, issuer: x509.Name, not_before: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    if not_before.tzinfo is None or not_after.tzinfo is None or not_before >= not_after:
        raise ValueError("validity is two aware times in order")
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(_ec(public_key.crypto))
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(_ec(public_key.crypto)), critical=False)
    )


def _sign_ca(
    public_key: PublicKey,
    signer: Signer,
    *,
    subject: x509.Name,
    issuer: x509.Name,
    not_before: datetime,
    not_after: datetime,
    path_length: int,
) -> bytes:
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    builder = _start(public_key, subject, issuer, not_before, not_after).add_extension(
        x509.BasicConstraints(ca=True, path_length=path_length), critical=True
    )
    return _finish(builder, signer, certify=True)


def _sign_leaf(
    public_key: PublicKey,
    signer: Signer,
    *,
    subject: x509.Name,
    above: x509.Certificate,
    not_before: datetime,
    not_after: datetime,
    purpose: Purpose,
    alternative: x509.SubjectAlternativeName,
) -> bytes:
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    builder = (
        _start(public_key, subject, above.subject, not_before, not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(purpose.eku)]), critical=True)
        .add_extension(alternative, critical=False)
    )
    return _finish(builder, signer, certify=False)


def _ec(key: object) -> ec.EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - used with x509 only

    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("the profile has P-256 and P-384 keys only")  # noqa: TRY004 - a value the profile excludes
    return key


def _finish(builder: x509.CertificateBuilder, signer: Signer, *, certify: bool) -> bytes:
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    usage = x509.KeyUsage(
        digital_signature=not certify,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certify,
        crl_sign=certify,
        encipher_only=False,
        decipher_only=False,
    )
    builder = builder.add_extension(usage, critical=True).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(_ec(signer.public_key.crypto)), critical=False
    )
    return _signed(builder, signer)


def _signed(builder: x509.CertificateBuilder, signer: Signer) -> bytes:
    """The certificate that ``builder`` describes, signed with ``signer``, as DER.

    The builder signs with private keys in memory only. So it signs with one that is thrown away, which leaves no trace
    in what is signed, and that signature is replaced (RFC 5280 section 4.1).
    """
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - used with x509 only
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - as above

    key = signer.public_key
    digest = hashes.SHA384() if key.alg == "ES384" else hashes.SHA256()
    draft = builder.sign(ec.generate_private_key(_ec(key.crypto).curve), digest)
    body, whole = draft.tbs_certificate_bytes, draft.public_bytes(Encoding.DER)
    raw = signer.sign(body)
    try:
        key.verify(raw, body)
    except RefusedError as error:
        raise SigningError("the issuer's key did not sign the certificate rightly") from error
    signature = raw_to_der(raw, len(raw) // 2)
    # What follows the body: the algorithm, and a BIT STRING of three bytes more than the signature.
    algorithm = whole[whole.index(body) + len(body) : -3 - len(draft.signature)]
    content = body + algorithm + bytes((3, 1 + len(signature), 0)) + signature
    if len(content) + 4 > MAX_CERTIFICATE_BYTES:
        raise ValueError("a certificate that large is not accepted by anybody")
    der = b"\x30\x82" + len(content).to_bytes(2, "big") + content
    made = x509.load_der_x509_certificate(der)
    if (made.tbs_certificate_bytes, made.signature) != (body, signature):
        raise SigningError("the certificate was not put together rightly")
    return der
