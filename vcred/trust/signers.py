"""From what a credential presents (``kid``, ``x5c``) to the signer it means, within one bundle.

Paths are verified once a signer and kept: listed signers by their ``kid``, presented chains by all their bytes
(bounded, so a stranger cannot fill the memory). Bare keys have no path. Nothing kept depends on the time of a call;
dates and withdrawals are judged on every call by ``vcred.trust.rules``. A new bundle starts with nothing kept.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from vcred.errors import RefusedError, TrustError
from vcred.reasons import ReasonCode
from vcred.trust.bare import keys_of
from vcred.trust.other_profiles import stands_for
from vcred.trust.profile import MAX_CHAIN, CertificateProfile, Purpose
from vcred.trust.rules import SignerRecord, VerifiedIssuer, denied_kids, withdrawal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vcred.trust.bare import BareKey
    from vcred.trust.content import Authority
    from vcred.trust.x509 import Certificate, VerifiedChain

__all__ = ["SignerIndex", "signer_purpose"]

_MAX_PRESENTED = 256
_MAX_TIME = 253402300799


class SignerIndex:
    """Every signer of a bundle. ``production`` is the bundle's, ``reader_kids`` are its readers' keys."""

    def __init__(self, authorities: Iterable[Authority], reader_kids: frozenset[bytes], *, production: bool) -> None:
        """Raises ``TrustError`` when a certificate or a DID cannot be read, or two signers share a ``kid``, or a
        reader's key is a signer's as well, or half of a hybrid key is a key of its own or of another one.
        """
        self.production = production
        self._reader_kids = reader_kids
        self._by_kid: dict[bytes, tuple[Authority, tuple[bytes, ...]]] = {}
        self._by_url: dict[bytes, bytes] = {}
        self._halves: set[bytes] = set()
        self._owners: dict[bytes, list[Authority]] = {}
        self._anchors: dict[bytes, list[bytes]] = {}
        self._listed: dict[bytes, SignerRecord] = {}
        self._profiles: dict[bytes, CertificateProfile] = {}
        self._presented: OrderedDict[tuple[Purpose, tuple[bytes, ...]], SignerRecord] = OrderedDict()
        self._lock = Lock()
        authorities = tuple(authorities)
        self._denied = denied_kids(authorities)
        self._ids = frozenset(authority.id for authority in authorities)
        try:
            _check_roots(authorities)
        except RefusedError as error:
            raise TrustError(f"the bundle is wrong: {error}") from error
        for authority in authorities:
            if authority.purpose is not Purpose.READER:
                try:
                    self._add(authority)
                except RefusedError as error:
                    raise TrustError(f"the bundle is wrong: {authority.id}: {error}") from error
        if not self._halves.isdisjoint(reader_kids.union(self._by_kid)):
            raise TrustError("the bundle is wrong: half of a hybrid key is listed as a key of its own")
        if not reader_kids.isdisjoint(self._by_kid):
            raise TrustError("the bundle is wrong: a reader's key is listed as a signer")

    def find(
        self, *, kid: bytes | None, x5c: tuple[bytes, ...], purpose: Purpose, issued_at: int, issuer: str = ""
    ) -> SignerRecord:
        """The signer that is meant, for ``purpose``. Rules 1 and 2 of ``vcred.trust.rules``.

        ``issuer`` is who the credential says issued it: a ``kid`` that is only a fragment is a method of that DID, as
        in SD-JWT VC draft 08 section 3.5 (later drafts leave DIDs to others). Raises ``RefusedError`` with ``key``,
        ``untrusted``, ``chain``, ``limit``, or ``issuer`` when the certificate names someone its root does not answer
        for.
        """
        if kid is not None:
            kid = self._key_id(kid, issuer)
        if x5c:
            record = self._presented.get((purpose, x5c)) or self._verify_presented(x5c, purpose, issued_at)
            if kid is not None and kid != record.issuer.key.kid:
                raise RefusedError(ReasonCode.KEY, "kid", "kid and x5c mean different keys")
        elif kid is None:
            raise RefusedError(ReasonCode.UNTRUSTED, "kid", "neither kid nor x5c says which key to use")
        else:
            record = self._listed.get(kid) or self._verify_listed(kid)
        if record.purpose is not purpose:
            raise RefusedError(ReasonCode.CHAIN, record.path, f"the signer is not for {purpose.value}")
        # A certificate of another profile may name whom it likes, but nobody whom the bundle knows as somebody else.
        if issuer in self._ids and issuer != record.issuer.authority.id:
            raise RefusedError(ReasonCode.ISSUER, "issuer", "the key is not of the authority that is named as issuer")
        return record

    def find_status_signer(self, *, kid: bytes | None, x5c: tuple[bytes, ...], issued_at: int) -> SignerRecord:
        """The signer of a status list: a status signer, or a document signer of the same authority."""
        if kid is not None and not x5c and (known := self._key_id(kid, "")) in self._by_kid:
            return self._listed.get(known) or self._verify_listed(known)
        try:
            return self.find(kid=kid, x5c=x5c, purpose=Purpose.STATUS, issued_at=issued_at)
        except RefusedError as error:
            if error.code is not ReasonCode.CHAIN:
                raise
            return self.find(kid=kid, x5c=x5c, purpose=Purpose.ISSUER, issued_at=issued_at)

    def verify_all(self) -> None:
        """Verify the path of every listed signer now. Raises ``RefusedError``; for whoever makes a bundle."""
        for kid in self._by_kid:
            self._verify_listed(kid)

    def _key_id(self, kid: bytes, issuer: str) -> bytes:
        """Our key id for a DID URL of the bundle; anything else as it is."""
        url = issuer.encode("utf-8", "surrogatepass") + kid if kid.startswith(b"#") else kid
        return self._by_url.get(url, kid)

    def _add(self, authority: Authority) -> None:
        from vcred.trust.x509 import read_certificate  # noqa: PLC0415 - X.509 loads with the first bundle

        for der in authority.anchors:
            anchor = read_certificate(der, "anchor")
            if der not in self._owners:
                self._anchors.setdefault(anchor.subject, []).append(der)
            self._owners.setdefault(der, []).append(authority)
            self._profiles[der] = authority.profile
        for chain, kid in zip(authority.signers, authority.kids, strict=True):
            if read_certificate(chain[0], "signer").key.kid != kid:
                raise TrustError(f"the bundle is wrong: {authority.id}: kid {kid.hex()} is not that of the certificate")
            self._claim(kid, authority, chain)
        for bare in keys_of(authority):
            kid = bare.key.kid
            self._claim(kid, authority, ())
            self._listed[kid] = self._bare_record(authority, bare)
            halves = {half.kid for half in bare.key.halves}
            if not self._halves.isdisjoint(halves):
                raise TrustError(f"the bundle is wrong: {authority.id}: two hybrid keys share a half")
            self._halves |= halves
            if bare.did_url is not None:
                self._by_url[bare.did_url.encode()] = kid

    def _claim(self, kid: bytes, authority: Authority, chain: tuple[bytes, ...]) -> None:
        if kid in self._by_kid:
            raise TrustError(f"the bundle is wrong: {authority.id}: kid {kid.hex()} appears twice")
        self._by_kid[kid] = (authority, chain)

    def _verify_listed(self, kid: bytes) -> SignerRecord:
        from vcred.trust.x509 import read_certificate, verify_chain  # noqa: PLC0415 - X.509 loads with the first bundle

        if kid not in self._by_kid:
            raise RefusedError(ReasonCode.UNTRUSTED, "kid", "no signer of the bundle has this kid")
        authority, chain = self._by_kid[kid]
        if not chain:
            return self._listed[kid]
        leaf = read_certificate(chain[0], "signer")
        purpose, ours = signer_purpose(authority, leaf), authority.profile is CertificateProfile.VCRED
        at = datetime.fromtimestamp(leaf.not_before, UTC)
        verified = verify_chain(
            chain, authority.anchors, purpose=purpose, at=at, path="signer", profile=authority.profile
        )
        if ours and verified.leaf.uris != (authority.id,):
            raise RefusedError(ReasonCode.ISSUER, "signer", "the certificate names another issuer")
        record = self._record(authority, verified, purpose, listed=True)
        self._listed[kid] = record
        return record

    def _verify_presented(self, x5c: tuple[bytes, ...], purpose: Purpose, issued_at: int) -> SignerRecord:
        from vcred.trust.x509 import read_certificate, signing_anchor, verify_chain  # noqa: PLC0415 - as above

        if not 0 <= issued_at <= _MAX_TIME:
            raise RefusedError(ReasonCode.CHAIN, "x5c", "the signer was not valid at the time of issue")
        if len(x5c) > MAX_CHAIN or not self._owners.keys().isdisjoint(x5c):
            raise RefusedError(ReasonCode.CHAIN, "x5c", "the chain is too long, or contains an anchor")
        at = datetime.fromtimestamp(issued_at, UTC)
        # Only anchors of the right name are looked at: a nation has a thousand. And a root that only stands behind
        # status lists never vouches for a certificate.
        top = read_certificate(x5c[-1], f"x5c[{len(x5c) - 1}]")
        anchors: list[bytes] = self._anchors.get(top.issuer, [])
        profile = CertificateProfile.VCRED
        if any(self._profiles[anchor] is not profile for anchor in anchors):
            anchors = [signing_anchor(x5c[-1], anchors)]
            profile = self._profiles[anchors[0]]
        owners = {
            anchor: [each for each in self._owners[anchor] if _serves(each, purpose, profile)] for anchor in anchors
        }
        if profile is not CertificateProfile.VCRED and not owners[anchors[0]]:
            raise RefusedError(ReasonCode.CHAIN, "x5c", f"the root is not for {purpose.value}")
        trusted = [anchor for anchor, owned in owners.items() if owned]
        verified = verify_chain(x5c, trusted, purpose=purpose, at=at, profile=profile)
        record = self._presented_record(x5c, verified, purpose, owners[verified.anchor])
        with self._lock:
            self._presented[purpose, x5c] = record
            if len(self._presented) > _MAX_PRESENTED:
                self._presented.popitem(last=False)
        return record

    def _presented_record(
        self, x5c: tuple[bytes, ...], verified: VerifiedChain, purpose: Purpose, owners: list[Authority]
    ) -> SignerRecord:
        kid = verified.leaf.key.kid
        if kid in self._reader_kids:
            raise RefusedError(ReasonCode.CHAIN, "x5c", "the key is a reader's")
        if kid in self._halves:
            raise RefusedError(ReasonCode.CHAIN, "x5c", "the key is half of a hybrid key")
        if kid in self._by_kid:
            record = self._listed.get(kid) or self._verify_listed(kid)
            if record.purpose is not purpose:
                raise RefusedError(ReasonCode.CHAIN, "x5c", f"the bundle lists the key for {record.purpose.value}")
            if self._by_kid[kid][1] == x5c:
                return record
        return self._record(_named(owners, verified.leaf), verified, purpose, listed=False)

    def _record(self, authority: Authority, verified: VerifiedChain, purpose: Purpose, *, listed: bool) -> SignerRecord:
        compromised, superseded_at = withdrawal(authority, verified.kids, denied=self._denied)
        return SignerRecord(
            issuer=VerifiedIssuer(authority=authority, key=verified.leaf.key, test=authority.test),
            purpose=purpose,
            not_before=max(verified.not_before, authority.valid_from),
            not_after=min(verified.not_after, authority.valid_until),
            listed=listed,
            compromised=compromised,
            superseded_at=superseded_at,
            uris=verified.leaf.uris,
            hosts=verified.leaf.dns_names,
        )

    def _bare_record(self, authority: Authority, bare: BareKey) -> SignerRecord:
        compromised, superseded_at = withdrawal(authority, (bare.key.kid,), denied=self._denied)
        return SignerRecord(
            issuer=VerifiedIssuer(authority=authority, key=bare.key, test=authority.test),
            purpose=authority.purpose,
            not_before=max(bare.valid_from, authority.valid_from),
            not_after=min(bare.valid_until, authority.valid_until),
            listed=True,
            compromised=compromised,
            superseded_at=superseded_at,
            path="kid",
        )


def signer_purpose(authority: Authority, leaf: Certificate) -> Purpose:
    """What a listed signer is for: its usage says so, and under another profile than ours its authority's purpose."""
    if authority.profile is not CertificateProfile.VCRED or authority.purpose is Purpose.STATUS:
        return authority.purpose
    return Purpose.STATUS if leaf.usages == (Purpose.STATUS.eku,) else authority.purpose


def _serves(authority: Authority, purpose: Purpose, profile: CertificateProfile) -> bool:
    """Whether roots of ``authority`` stand behind signers for ``purpose``; under other profiles they have one alone."""
    also = Purpose.STATUS if profile is CertificateProfile.VCRED else authority.purpose
    return purpose in (authority.purpose, also)


def _named(owners: list[Authority], leaf: Certificate) -> Authority:
    """The owner of the root that ``leaf`` is of. Raises ``RefusedError`` with ``issuer``.

    Ours name it. A certificate of another profile may leave it open while there is one owner; of several it names one.
    """
    if owners[0].profile is CertificateProfile.VCRED:
        found = [each for each in owners if (each.id,) == leaf.uris]
    else:
        found = [each for each in owners if stands_for(leaf, each.id)] if len(owners) > 1 else owners
        if len(found) > 1:
            found = []
    if not found:
        raise RefusedError(ReasonCode.ISSUER, "x5c", "the root does not answer for the issuer it certifies")
    return found[0]


def _check_roots(authorities: Iterable[Authority]) -> None:
    """Where no usage of ours tells certificates apart, the root does: it has one profile, and readers have their own.

    Raises ``TrustError``.
    """
    from vcred.trust.x509 import read_certificate  # noqa: PLC0415 - X.509 loads with the first bundle

    authorities = tuple(authorities)
    if all(authority.profile is CertificateProfile.VCRED for authority in authorities):
        return
    uses: dict[bytes, set[tuple[CertificateProfile, bool]]] = {}
    for authority in authorities:
        for der in authority.anchors:
            # By its key: one root may have several certificates.
            use = uses.setdefault(read_certificate(der, "anchor").key.kid, set())
            use.add((authority.profile, authority.purpose is Purpose.READER))
            if len(use) > 1 and any(profile is not CertificateProfile.VCRED for profile, _ in use):
                raise TrustError(f"the bundle is wrong: {authority.id}: its root has another profile or use")
