"""Write our issuing authorities as a VICAL (ISO/IEC 18013-5 annex C), for readers of mobile documents.

The format knows certificates that are good, and nothing else: no status, no history, no key without a certificate. So
listed are the roots of production issuers that are valid and not withdrawn when the list is made, and a root that two
authorities share is listed once, for the document types of both.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vcred.errors import MalformedError, TrustError
from vcred.formats._cbor import Tagged, encode
from vcred.formats._cose import X5CHAIN, sign_sign1
from vcred.formats._wire import epoch
from vcred.trust.foreign import key_identifier, subject_values
from vcred.trust.lote_build import check_list_signer
from vcred.trust.profile import CertificateProfile, Purpose
from vcred.trust.rules import denied_kids, withdrawal
from vcred.trust.vical import parse_vical, verify_vical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vcred.keys import Signer
    from vcred.trust.content import Authority
    from vcred.trust.x509 import Certificate

__all__ = ["build_vical"]

_COUNTRY = "2.5.4.6"


def build_vical(
    authorities: Sequence[Authority],
    *,
    provider: str,
    issue_id: int,
    issued_at: datetime,
    next_update: datetime,
    signer: Signer,
    chain: Sequence[bytes],
    doctypes: Callable[[str], str],
) -> bytes:
    """The list as an untagged COSE_Sign1, signed with ``signer`` and read back once.

    ``issue_id`` grows with every list. ``chain`` is the signer's, leaf first. ``doctypes`` gives the document type of a
    certificate type's code. Raises ``ValueError`` for what a reader would refuse, ``TrustError`` for an authority that
    cannot be listed, ``SigningError``.
    """
    now, due = epoch(issued_at), epoch(next_update)
    if issue_id < 0 or now >= due or not provider:
        raise ValueError("a list has a provider and a number, and is issued before the next one is due")
    check_list_signer(signer, chain)
    try:
        infos = [_info(certificate, owners, doctypes) for certificate, owners in _listed(authorities, now)]
    except MalformedError as error:
        raise TrustError(f"the trust list cannot be exported: {error}") from error
    payload = {
        "version": "1.0",
        "vicalProvider": provider,
        "date": _time(now),
        "vicalIssueID": issue_id,
        "nextUpdate": _time(due),
        "certificateInfos": infos,
    }
    x5chain = chain[0] if len(chain) == 1 else list(chain)
    raw = sign_sign1({}, {X5CHAIN: x5chain}, encode(payload), signer, tagged=False)
    verify_vical(parse_vical(raw), keys=[signer.public_key], anchors=[], stored_issue=issue_id, at=issued_at)
    return raw


def _listed(authorities: Sequence[Authority], now: int) -> Iterable[tuple[Certificate, list[Authority]]]:
    """The roots that may be relied on, each with the authorities whose it is."""
    from vcred.trust.x509 import read_certificate  # noqa: PLC0415 - one of the slow imports

    denied = denied_kids(authorities)
    owners: dict[bytes, list[Authority]] = {}
    for authority in authorities:
        # A root of HAIP certificates is no IACA.
        if authority.purpose is not Purpose.ISSUER or authority.test or authority.profile is CertificateProfile.HAIP:
            continue
        if not authority.valid_from <= now < authority.valid_until:
            continue
        for der in authority.anchors:
            compromised, since = withdrawal(authority, [read_certificate(der, "anchor").key.kid], denied=denied)
            if not compromised and (since is None or since > now):
                owners.setdefault(der, []).append(authority)
    for der, named in owners.items():
        certificate = read_certificate(der, "anchor")
        if certificate.not_before <= now <= certificate.not_after:
            yield certificate, named


def _info(certificate: Certificate, owners: Sequence[Authority], doctypes: Callable[[str], str]) -> dict[str, Any]:
    parsed = certificate.x509
    country = subject_values(parsed, _COUNTRY)
    ski = key_identifier(parsed)
    if ski is None or not country:
        raise TrustError(f"the trust list cannot be exported: {owners[0].id}: a root without key identifier or country")
    return {
        "certificate": certificate.der,
        # The standard has a bignum here whatever the size.
        "serialNumber": Tagged(2, _unsigned(parsed.serial_number)),
        "ski": ski,
        "docType": sorted({doctypes(code) for owner in owners for code in owner.types}),
        "issuingAuthority": " / ".join(owner.names.en for owner in owners),
        "issuingCountry": country[0],
        "issuer": certificate.issuer,
        "subject": certificate.subject,
        "notBefore": _time(certificate.not_before),
        "notAfter": _time(certificate.not_after),
    }


def _unsigned(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8 or 1, "big")


def _time(seconds: int) -> Tagged:
    return Tagged(0, datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
