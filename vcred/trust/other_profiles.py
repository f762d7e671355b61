"""Certificates of an authority for which the trust list states another profile than ours: what is asked of them.

Everything about the path is as in ``vcred.trust.x509``; only what a leaf and a CA say of themselves differs.

``ISO`` (ISO/IEC 18013-5 annex B):

1. the root signs document signers and readers itself, and is of their country, and of their state where both name one;
2. the key usage is ``digitalSignature`` alone, and the one extended key usage is that of document signers, or readers;
3. a document signer says how to reach its authority (issuer alternative name);
4. nobody but its document signers signs the status lists of an authority.

``HAIP`` (OpenID4VC HAIP 1.0, which leaves usages to each ecosystem):

1. the key usage has ``digitalSignature`` and no right to certify;
2. no extended key usage is asked for, but one that is there must not be for something else: of what other profiles
   call a reader, an issuer or a status signer, or, for whoever signs credentials or status lists, of web servers;
3. if a CA restricts usages, the leaf states some, and those alone.

Under both a root serves one purpose: what its certificates are for, no usage of ours says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from vcred.errors import RefusedError
from vcred.reasons import ReasonCode
from vcred.trust.foreign import subject_values
from vcred.trust.profile import CertificateProfile, Purpose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vcred.trust.x509 import Certificate

__all__ = ["check_other_ca", "check_other_leaf", "check_place", "names_host", "stands_for"]

_ISO_USAGE: Final = {Purpose.ISSUER: "1.0.18013.5.1.2", Purpose.READER: "1.0.18013.5.1.6"}
_WEB: Final = frozenset({"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"})
_NEVER: Final = frozenset({"1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.9"})
"""Code signing, mail, time stamps, OCSP."""

_COUNTRY: Final = "2.5.4.6"
_STATE: Final = "2.5.4.8"


def check_other_leaf(leaf: Certificate, *, profile: CertificateProfile, purpose: Purpose, path: str) -> None:
    """Check that ``leaf`` may serve ``purpose`` under ``profile``. Raises ``RefusedError`` with ``chain``."""
    if leaf.is_ca:
        raise RefusedError(ReasonCode.CHAIN, path, "the leaf is a CA")
    if profile is CertificateProfile.ISO:
        _check_iso_leaf(leaf, purpose, path)
    elif profile is CertificateProfile.HAIP:
        _check_haip_leaf(leaf, purpose, path)
    else:
        raise ValueError("our own profile is read by vcred.trust.x509")


def check_other_ca(
    certificate: Certificate, leaf: Certificate, *, profile: CertificateProfile, purpose: Purpose, path: str
) -> None:
    """Check that ``certificate`` may certify ``leaf``. Raises ``RefusedError`` with ``chain``."""
    if not certificate.is_ca or not certificate.may_certify:
        raise RefusedError(ReasonCode.CHAIN, path, "the certificate may not sign certificates")
    if certificate.usages is None:
        return
    asked = {_ISO_USAGE.get(purpose, "")} if profile is CertificateProfile.ISO else set(leaf.usages or ())
    if not asked or not asked.issubset(certificate.usages):
        raise RefusedError(ReasonCode.CHAIN, path, f"the CA may not certify for {purpose.value}")


def check_place(chain: Sequence[Certificate], anchor: Certificate, path: str) -> None:
    """Check that an ISO authority certified ``chain`` itself and is of its place. Raises ``RefusedError``."""
    if len(chain) != 1:
        raise RefusedError(ReasonCode.CHAIN, path, "an authority signs document signers and readers itself")
    for oid, name in ((_COUNTRY, "country"), (_STATE, "state")):
        above, below = subject_values(anchor.x509, oid), subject_values(chain[0].x509, oid)
        if above != below and (oid == _COUNTRY or (above and below)):
            raise RefusedError(ReasonCode.CHAIN, path, f"the certificate and its authority are not of one {name}")


def names_host(uri: str, hosts: Sequence[str]) -> bool:
    """Whether ``uri`` is an https URL of one of ``hosts``, letter for letter: no wildcard stands for anybody."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError:
        return False
    return parts.scheme == "https" and host is not None and host in {each.lower() for each in hosts}


def stands_for(leaf: Certificate, uri: str) -> bool:
    """Whether the alternative name of ``leaf`` names ``uri``: as it is, or by its host."""
    return uri in leaf.uris or names_host(uri, leaf.dns_names)


def _check_iso_leaf(leaf: Certificate, purpose: Purpose, path: str) -> None:
    if purpose not in _ISO_USAGE:
        raise RefusedError(ReasonCode.CHAIN, path, "document signers sign the status lists of their authority")
    if not leaf.may_sign:
        raise RefusedError(ReasonCode.CHAIN, path, "the key usage is not digitalSignature alone")
    if leaf.usages != (_ISO_USAGE[purpose],):
        raise RefusedError(ReasonCode.CHAIN, path, f"the extended key usage is not that of an ISO {purpose.value}")
    if purpose is Purpose.ISSUER and not _names_its_issuer(leaf):
        raise RefusedError(ReasonCode.CHAIN, path, "the document signer has no issuer alternative name")


def _check_haip_leaf(leaf: Certificate, purpose: Purpose, path: str) -> None:
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    try:
        usage = leaf.x509.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    if usage is None or not usage.digital_signature or usage.key_cert_sign or usage.crl_sign:
        raise RefusedError(ReasonCode.CHAIN, path, "the key usage is not digitalSignature")
    others = {each.eku for each in Purpose} | set(_ISO_USAGE.values()) | _NEVER | _WEB
    own = {purpose.eku, _ISO_USAGE.get(purpose, "")} | (_WEB if purpose is Purpose.READER else set())
    if (others - own).intersection(leaf.usages or ()):
        raise RefusedError(ReasonCode.CHAIN, path, f"the extended key usage is not for {purpose.value}")


def _names_its_issuer(leaf: Certificate) -> bool:
    from cryptography import x509  # noqa: PLC0415 - one of the slow imports

    return any(isinstance(each.value, x509.IssuerAlternativeName) for each in leaf.x509.extensions)
