"""From what a credential presents (``kid``, ``x5c``) to the signer it means, within one bundle.

Paths are verified once a signer and kept: listed signers by their ``kid``, presented chains by all their bytes
(bounded, so a stranger cannot fill the memory). Nothing kept depends on the time of a call; dates and withdrawals are
judged on every call by ``vcred.trust.rules``. A new bundle starts with nothing kept.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from vcred.errors import RefusedError, TrustError
from vcred.reasons import ReasonCode
from vcred.trust.profile import Purpose
from vcred.trust.rules import SignerRecord, VerifiedIssuer, withdrawal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vcred.trust.content import Authority
    from vcred.trust.x509 import VerifiedChain

__all__ = ["SignerIndex"]

_MAX_PRESENTED = 256
_MAX_TIME = 253402300799


class SignerIndex:
    """Every signer of a bundle."""

    def __init__(self, authorities: Iterable[Authority]) -> None:
        """Raises ``TrustError`` when a certificate cannot be read, or two signers share a ``kid``."""
        self._by_kid: dict[bytes, tuple[Authority, tuple[bytes, ...]]] = {}
        self._owners: dict[bytes, list[Authority]] = {}
        self._listed: dict[bytes, SignerRecord] = {}
        self._presented: OrderedDict[tuple[bytes, ...], SignerRecord] = OrderedDict()
        self._lock = Lock()
        for authority in authorities:
            if authority.purpose is not Purpose.READER:
                self._add(authority)

    def find(self, *, kid: bytes | None, x5c: tuple[bytes, ...], purpose: Purpose, issued_at: int) -> SignerRecord:
        """The signer that is meant, for ``purpose``. Rules 1 and 2 of ``vcred.trust.rules``.

        Raises ``RefusedError`` with ``key``, ``untrusted``, ``chain``, ``limit``, or ``issuer`` when the certificate
        names someone its root does not answer for.
        """
        if x5c:
            record = self._presented.get(x5c) or self._verify_presented(x5c, purpose, issued_at)
            if kid is not None and kid != record.issuer.key.kid:
                raise RefusedError(ReasonCode.KEY, "kid", "kid and x5c mean different keys")
        elif kid is None:
            raise RefusedError(ReasonCode.UNTRUSTED, "kid", "neither kid nor x5c says which key to use")
        else:
            record = self._listed.get(kid) or self._verify_listed(kid)
        if record.purpose is not purpose:
            raise RefusedError(ReasonCode.CHAIN, record.path, f"the signer is not for {purpose.value}")
        return record

    def find_status_signer(self, *, kid: bytes | None, x5c: tuple[bytes, ...], issued_at: int) -> SignerRecord:
        """The signer of a status list: a status signer, or a document signer of the same authority."""
        if kid in self._by_kid and not x5c:
            return self._listed.get(kid) or self._verify_listed(kid)
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

    def _add(self, authority: Authority) -> None:
        from vcred.trust.x509 import read_certificate  # noqa: PLC0415 - X.509 loads with the first bundle

        try:
            for anchor in authority.anchors:
                read_certificate(anchor, "anchor")
                self._owners.setdefault(anchor, []).append(authority)
            keys = [read_certificate(chain[0], "signer").key for chain in authority.signers]
        except RefusedError as error:
            raise TrustError(f"the bundle is wrong: {authority.id}: {error}") from error
        for chain, kid, key in zip(authority.signers, authority.kids, keys, strict=True):
            if key.kid != kid:
                raise TrustError(f"the bundle is wrong: {authority.id}: kid {kid.hex()} is not that of the certificate")
            if kid in self._by_kid:
                raise TrustError(f"the bundle is wrong: {authority.id}: kid {kid.hex()} appears twice")
            self._by_kid[kid] = (authority, chain)

    def _verify_listed(self, kid: bytes) -> SignerRecord:
        from vcred.trust.x509 import read_certificate, verify_chain  # noqa: PLC0415 - X.509 loads with the first bundle

        if kid not in self._by_kid:
            raise RefusedError(ReasonCode.UNTRUSTED, "kid", "no signer of the bundle has this kid")
        authority, chain = self._by_kid[kid]
        leaf = read_certificate(chain[0], "signer")
        for_status = authority.purpose is Purpose.STATUS or leaf.usages == (Purpose.STATUS.eku,)
        purpose = Purpose.STATUS if for_status else Purpose.ISSUER
        at = datetime.fromtimestamp(leaf.not_before, UTC)
        verified = verify_chain(chain, authority.anchors, purpose=purpose, at=at, path="signer")
        if verified.leaf.uris != (authority.id,):
            raise RefusedError(ReasonCode.ISSUER, "signer", "the certificate names another issuer")
        record = _record(authority, verified, purpose, listed=True)
        self._listed[kid] = record
        return record

    def _verify_presented(self, x5c: tuple[bytes, ...], purpose: Purpose, issued_at: int) -> SignerRecord:
        from vcred.trust.x509 import verify_chain  # noqa: PLC0415 - X.509 loads with the first bundle

        if not 0 <= issued_at <= _MAX_TIME:
            raise RefusedError(ReasonCode.CHAIN, "x5c", "the signer was not valid at the time of issue")
        at = datetime.fromtimestamp(issued_at, UTC)
        # A root that only stands behind status lists never vouches for a certificate.
        owners = {
            anchor: [each for each in owned if purpose in (each.purpose, Purpose.STATUS)]
            for anchor, owned in self._owners.items()
        }
        verified = verify_chain(x5c, [anchor for anchor, owned in owners.items() if owned], purpose=purpose, at=at)
        kid = verified.leaf.key.kid
        listed = self._by_kid.get(kid)
        if listed is not None and listed[1] == x5c:
            record = self._listed.get(kid) or self._verify_listed(kid)
        else:
            named = [each for each in owners[verified.anchor] if (each.id,) == verified.leaf.uris]
            if not named:
                raise RefusedError(ReasonCode.ISSUER, "x5c", "the root does not answer for the issuer it certifies")
            record = _record(named[0], verified, purpose, listed=False)
        with self._lock:
            self._presented[x5c] = record
            if len(self._presented) > _MAX_PRESENTED:
                self._presented.popitem(last=False)
        return record


def _record(authority: Authority, verified: VerifiedChain, purpose: Purpose, *, listed: bool) -> SignerRecord:
    compromised, superseded_at = withdrawal(authority, verified.kids)
    return SignerRecord(
        issuer=VerifiedIssuer(authority=authority, key=verified.leaf.key, test=authority.test),
        purpose=purpose,
        not_before=max(verified.not_before, authority.valid_from),
        not_after=min(verified.not_after, authority.valid_until),
        listed=listed,
        compromised=compromised,
        superseded_at=superseded_at,
    )
