"""Certificates that are not of our profile: whoever signs a trust list for others, and what such a list names.

Our own issuers are judged by ``vcred.trust.x509``. The world's authorities have other usages, other names and chains
that carry their root, so this module asks for less, and for exactly this:

1. a certificate is at most ``MAX_FOREIGN_BYTES`` long and readable in every part that is looked at;
2. a list's signer is a key the caller pinned, or a certificate the caller pinned that is valid now, or has a path of
   valid certificates to one; no key is trusted because the list, or its own header, brings it along;
3. whatever certifies on that path is a CA that may sign certificates; nobody signs by RSA below 2048 bits or SHA-1
   (``cryptography.x509.verification``);
4. with neither a key nor a certificate pinned nothing is trusted.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from vcred.errors import MalformedError, RefusedError
from vcred.formats._wire import b64u_encode
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from cryptography import x509

__all__ = ["MAX_FOREIGN_BYTES", "authority_key_ids", "key_identifier", "read_foreign", "signer_key", "subject_values"]

MAX_FOREIGN_BYTES = 16384
_MAX_DEPTH = 4


def read_foreign(der: bytes, path: str) -> x509.Certificate:
    """Parse a certificate of any profile, and touch all of it that this SDK reads.

    Raises ``MalformedError``: ``limit`` when it is too large, else ``chain``.
    """
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    if len(der) > MAX_FOREIGN_BYTES:
        raise MalformedError(ReasonCode.LIMIT, path, f"a certificate of {len(der)} bytes")
    try:
        parsed = x509.load_der_x509_certificate(der)
        # The parser is lazy, so every property may fail; none may do so later.
        for text in (parsed.subject, parsed.issuer):
            text.public_bytes()
        tuple(parsed.extensions)
        _ = (parsed.serial_number, parsed.not_valid_before_utc, parsed.not_valid_after_utc)
    except Exception as error:
        raise MalformedError(ReasonCode.CHAIN, path, f"not a readable certificate: {type(error).__name__}") from error
    return parsed


def signer_key(
    chain: Sequence[bytes], *, keys: Collection[PublicKey], anchors: Collection[bytes], at: datetime, path: str
) -> tuple[PublicKey, bool]:
    """The key of ``chain``'s leaf, when the caller trusts it (rule 2), and whether that is by a pinned key.

    ``chain`` is leaf first, with or without its root. Raises ``ValueError`` for a time without zone and
    ``RefusedError``: ``untrusted``, or ``chain``, ``limit`` or ``key`` for a leaf that cannot be read.
    """
    if at.tzinfo is None:
        raise ValueError("at is an aware datetime")
    parsed = [read_foreign(der, f"{path}[{index}]") for index, der in enumerate(chain)]
    key = _key(parsed[0], f"{path}[0]")
    if key in keys:
        return key, True
    if chain[0] in anchors:
        if not parsed[0].not_valid_before_utc <= at <= parsed[0].not_valid_after_utc:
            raise RefusedError(ReasonCode.UNTRUSTED, path, "the pinned certificate is not valid at this time")
        return key, False
    above = [certificate for certificate, der in zip(parsed, chain, strict=True) if der not in anchors]
    _verify_path(above, [read_foreign(der, "anchor") for der in anchors], at, path)
    return key, False


def key_identifier(certificate: x509.Certificate) -> bytes | None:
    """The subject key identifier, or ``None`` for a certificate without one."""
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def authority_key_ids(chain: Sequence[bytes]) -> frozenset[str]:
    """The authority key identifiers of a chain, in base64url: what DCQL calls ``aki`` (OpenID4VP 1.0 section 6.1.1).

    A certificate without one, or that cannot be read, names nobody.
    """
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    found: set[str] = set()
    for index, der in enumerate(chain):
        try:
            extensions = read_foreign(der, f"x5c[{index}]").extensions
            named = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        except (RefusedError, x509.ExtensionNotFound):
            continue
        if named is not None:
            found.add(b64u_encode(named))
    return frozenset(found)


def subject_values(certificate: x509.Certificate, oid: str) -> tuple[str, ...]:
    """The values of the attribute ``oid`` (dotted) in a certificate's subject."""
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    return tuple(str(each.value) for each in certificate.subject.get_attributes_for_oid(x509.ObjectIdentifier(oid)))


def _key(certificate: x509.Certificate, path: str) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415 - used with x509 only

    try:
        key = certificate.public_key()
    except Exception as error:
        raise MalformedError(ReasonCode.KEY, path, f"not a readable key: {type(error).__name__}") from error
    if not isinstance(key, (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)):
        raise MalformedError(ReasonCode.KEY, path, "the key is not P-256, P-384 or Ed25519")
    try:
        return PublicKey(key)
    except MalformedError as error:
        raise MalformedError(error.code, path, error.detail) from error


def _verify_path(
    chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], at: datetime, path: str
) -> None:
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports
    from cryptography.x509 import verification  # noqa: PLC0415 - as above

    if not anchors:
        raise RefusedError(ReasonCode.UNTRUSTED, path, "nobody's list is trusted: no anchor is pinned")
    permit = verification.ExtensionPolicy.permit_all()
    builder = (
        verification.PolicyBuilder()
        .store(verification.Store(list(anchors)))
        .time(at.astimezone(UTC).replace(tzinfo=None, microsecond=0))
        .max_chain_depth(_MAX_DEPTH)
        .extension_policies(
            ca_policy=permit.require_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, None),
            ee_policy=permit,
        )
    )
    try:
        verified = builder.build_client_verifier().verify(chain[0], list(chain[1:])).chain
    # Besides VerificationError, what the lazy parser had not looked at yet.
    except Exception as error:
        detail = str(error).partition(" (encountered")[0]
        raise RefusedError(ReasonCode.UNTRUSTED, path, f"no path to an anchor: {detail}") from error
    if _value(verified[0], x509.BasicConstraints, "ca"):
        raise RefusedError(ReasonCode.CHAIN, f"{path}[0]", "the signer is a CA")
    for certificate in verified[1:]:
        if (
            not _value(certificate, x509.BasicConstraints, "ca")
            or _value(certificate, x509.KeyUsage, "key_cert_sign") is False
        ):
            raise RefusedError(ReasonCode.UNTRUSTED, path, "a certificate on the path may not sign certificates")


def _value(certificate: x509.Certificate, kind: Any, name: str) -> Any:
    """One member of an extension; ``None`` when the certificate has none of that kind."""
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    try:
        return getattr(certificate.extensions.get_extension_for_class(kind).value, name)
    except x509.ExtensionNotFound:
        return None
