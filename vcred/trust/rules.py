"""Whom a bundle trusts, for what, and when. Decisions without I/O: facts and a time in, an error or nothing out.

A credential's issuer key is accepted when all of this holds, in this order:

1. ``kid`` and ``x5c``, when both are there, mean one key (``key``). Neither makes a key trusted. ``kid`` is our key id,
   or the DID URL of a verification method; one that is only a fragment is taken from the issuer that is named.
2. The key is a document signer of an authority in the bundle: listed there with its chain, listed there as a bare key
   (its own, or one of the DID the authority is), or by a chain to one of the authority's anchors (``untrusted``,
   ``chain``). What a key is for, the extended key usage says, or for a bare key the authority's purpose: a key that is
   a reader's or a status signer's signs no credential, whatever else certifies it. An empty bundle trusts nobody, and
   a DID that it does not name is nobody.
3. The issuer the credential names is that authority, and the one the certificate names (``issuer``). Where the bundle
   states another certificate profile than ours, it may also name nobody, or whom its certificate names.
4. No key on the path, nor the authority, is withdrawn: after ``compromised`` nothing is valid, whoever listed the key
   as compromised; after ``superseded`` what was issued before stays valid (``key_withdrawn``).
5. A production bundle takes no test authority (``test_key``).
6. The authority may sign this certificate type (``scope``).
7. The key was valid when the credential was issued: every certificate on the path or the bare key's own entry, and the
   authority's own entry (``chain``). A listed signer or bare key has its history in the bundle, so it may have expired
   since; one known only by its chain has none, so it must be valid now as well. No key is used before its time.

The signer of a status list is judged by rules 1, 2, 4, 5 and 7, and by whether its authority answers for the list.

A bundle itself is used from ``signed_at``, give or take ``CLOCK_LEEWAY``, until ``expires_at``, by a clock that does
not run backwards (``clock``, ``bundle_expired``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from vcred.errors import RefusedError
from vcred.reasons import ReasonCode
from vcred.trust.content import WithdrawalReason
from vcred.trust.other_profiles import names_host
from vcred.trust.profile import CertificateProfile

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from vcred.keys import PublicKey
    from vcred.trust.content import Authority
    from vcred.trust.profile import Purpose

__all__ = [
    "CLOCK_LEEWAY",
    "SignerRecord",
    "VerifiedIssuer",
    "admit_issuer",
    "admit_status_signer",
    "check_clock",
    "denied_kids",
    "withdrawal",
]

CLOCK_LEEWAY = timedelta(minutes=5)
"""How far two honest clocks may be apart."""

_LEEWAY_SECONDS = int(CLOCK_LEEWAY.total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedIssuer:
    """Who signed a credential, as the bundle knows them. ``test`` marks an authority for tests only."""

    authority: Authority
    key: PublicKey
    test: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerRecord:
    """A signer whose path to an anchor was verified, or a bare key, without regard to any time but its own.

    ``not_before`` and ``not_after`` bound the whole path or the key, and the authority's entry. ``superseded_at`` is
    the earliest withdrawal on the path.
    """

    issuer: VerifiedIssuer
    purpose: Purpose
    not_before: int
    not_after: int
    listed: bool
    compromised: bool
    superseded_at: int | None
    path: str = field(default="x5c")
    uris: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    """Whom the certificate of another profile names."""


def denied_kids(authorities: Iterable[Authority]) -> frozenset[bytes]:
    """The keys that any authority lists as compromised: a key that leaked is nobody's any more."""
    return frozenset(
        each.kid
        for authority in authorities
        for each in authority.withdrawn
        if each.kid is not None and each.reason is WithdrawalReason.COMPROMISED
    )


def withdrawal(authority: Authority, kids: Collection[bytes], *, denied: frozenset[bytes]) -> tuple[bool, int | None]:
    """Whether a key among ``kids`` is in ``denied`` or the authority compromised, and since when one is superseded."""
    found = [each for each in authority.withdrawn if each.kid is None or each.kid in kids]
    compromised = any(each.reason is WithdrawalReason.COMPROMISED for each in found) or not denied.isdisjoint(kids)
    return compromised, min((each.at for each in found), default=None)


def admit_issuer(
    record: SignerRecord, *, issuer: str, code: str, issued_at: int, now: int, production: bool
) -> VerifiedIssuer:
    """Rules 3 to 7 for a document signer. Raises ``RefusedError``."""
    authority = record.issuer.authority
    if issuer != authority.id and not _is_called(record, issuer):
        raise RefusedError(ReasonCode.ISSUER, "issuer", "the key is not of the authority that is named as issuer")
    _check_withdrawn(record, issued_at)
    if production and record.issuer.test:
        raise RefusedError(ReasonCode.TEST_KEY, "issuer", "a test authority, and the bundle is for production")
    if code not in authority.types:
        raise RefusedError(ReasonCode.SCOPE, "vct", f"the authority may not sign {code}")
    if not record.not_before <= issued_at <= record.not_after:
        raise RefusedError(ReasonCode.CHAIN, record.path, "the signer was not valid at the time of issue")
    if now < record.not_before - _LEEWAY_SECONDS:
        raise RefusedError(ReasonCode.CHAIN, record.path, "the signer is not valid yet")
    if now > record.not_after and not record.listed:
        raise RefusedError(ReasonCode.CHAIN, record.path, "the signer has expired, and the bundle has no history of it")
    return record.issuer


def admit_status_signer(record: SignerRecord, *, uri: str, issued_at: int, production: bool) -> None:
    """Whether a signer may sign the status list at ``uri``, and rules 4, 5 and 7. Raises ``RefusedError``.

    The list's age is bounded by the receiver, so an expired key cannot hide behind an early time of issue.
    """
    if not record.issuer.authority.answers_for(uri):
        raise RefusedError(ReasonCode.ISSUER, "sub", "the authority does not answer for this list")
    _check_withdrawn(record, issued_at)
    if production and record.issuer.test:
        raise RefusedError(ReasonCode.TEST_KEY, "sub", "a test authority, and the bundle is for production")
    if not record.not_before <= issued_at <= record.not_after:
        raise RefusedError(ReasonCode.CHAIN, record.path, "the signer was not valid at the time of issue")


def check_clock(*, now: int, signed_at: int, expires_at: int, last_seen: int | None) -> None:
    """Whether a bundle may be used ``now``. Raises ``RefusedError`` with ``clock`` or ``bundle_expired``."""
    if last_seen is not None and now < last_seen - _LEEWAY_SECONDS:
        raise RefusedError(ReasonCode.CLOCK, "", f"the clock is {last_seen - now} s behind the last time that was seen")
    if now < signed_at - _LEEWAY_SECONDS:
        raise RefusedError(ReasonCode.CLOCK, "", f"the clock is {signed_at - now} s before the bundle was signed")
    if now >= expires_at:
        raise RefusedError(ReasonCode.BUNDLE_EXPIRED, "", f"the bundle expired {now - expires_at} s ago")


def _is_called(record: SignerRecord, issuer: str) -> bool:
    if record.issuer.authority.profile is CertificateProfile.VCRED:
        return False
    return issuer == "" or issuer in record.uris or names_host(issuer, record.hosts)


def _check_withdrawn(record: SignerRecord, issued_at: int) -> None:
    if record.compromised:
        raise RefusedError(ReasonCode.KEY_WITHDRAWN, record.path, "a key on the path is compromised")
    if record.superseded_at is not None and issued_at >= record.superseded_at:
        raise RefusedError(ReasonCode.KEY_WITHDRAWN, record.path, "issued after the key was superseded")
