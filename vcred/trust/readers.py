"""Who is asking: readers (verifiers' identities) that the bundle knows, and strangers.

A registered reader is listed in the bundle by its certificate, or certified by an authority of purpose ``reader``.
Its name comes from there. Where the bundle states another certificate profile than ours for such an authority, all that
is said of its readers is who verified them: what their certificates call them is no name here. A stranger may ask too,
but has no name here either: what an unvouched certificate calls itself is not shown, however much it looks like a bank.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from vcred.errors import RefusedError, TrustError
from vcred.formats._wire import epoch
from vcred.reasons import ReasonCode
from vcred.trust.content import Names
from vcred.trust.profile import CertificateProfile, Purpose
from vcred.trust.rules import denied_kids

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from vcred.keys import PublicKey
    from vcred.trust.content import Authority, ReaderEntry
    from vcred.trust.x509 import Certificate, VerifiedChain

__all__ = ["ReaderIndex", "VerifiedReader"]

_PREFIX = "x509_hash:"
_DNS_PREFIX = "x509_san_dns:"
_STRANGER = Names(ko="등록되지 않은 요청자", en="Unregistered requester")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedReader:
    """Who holds ``key``. Unless ``registered``, ``name`` says that nobody vouches for them, or which authority does.

    ``policies`` are the ids of the policies the reader is registered for.
    """

    client_id: str
    registered: bool
    key: PublicKey
    policies: frozenset[str]
    names: Names = field(repr=False)

    def name(self, lang: str) -> str:
        """The name to show, in ``ko`` or ``en``."""
        return self.names.text(lang)


class ReaderIndex:
    """Every reader of a bundle."""

    def __init__(self, authorities: Iterable[Authority], readers: Iterable[ReaderEntry], *, production: bool) -> None:
        """Raises ``TrustError`` when a certificate cannot be read or is not a reader's."""
        from vcred.trust.x509 import (  # noqa: PLC0415 - X.509 loads with the first bundle
            check_leaf,
            read_certificate,
            x509_hash,
        )

        authorities = tuple(authorities)
        self._production = production
        self._denied = denied_kids(authorities)
        self._owners: dict[bytes, Authority] = {}
        self._entries: dict[str, tuple[ReaderEntry, Certificate]] = {}
        try:
            for authority in authorities:
                if authority.purpose is Purpose.READER:
                    for anchor in authority.anchors:
                        read_certificate(anchor, "anchor")
                        if anchor in self._owners:
                            raise TrustError(f"the bundle is wrong: {authority.id}: its root is another's as well")
                        self._owners[anchor] = authority
            for entry in readers:
                certificate = read_certificate(entry.certificate, "reader")
                check_leaf(certificate, purpose=Purpose.READER, path="reader")
                self._entries[_PREFIX + x509_hash(entry.certificate)] = (entry, certificate)
        except RefusedError as error:
            raise TrustError(f"the bundle is wrong: {error}") from error

    @property
    def kids(self) -> frozenset[bytes]:
        """The keys of the registered readers."""
        return frozenset(certificate.key.kid for _, certificate in self._entries.values())

    def find(self, *, client_id: str, x5c: tuple[bytes, ...], at: datetime) -> VerifiedReader:
        """The reader ``client_id`` (``x509_hash:...``) means; ``x5c`` is what it sent, if anything.

        Online a reader may call itself ``x509_san_dns:`` and a name in its certificate (OpenID4VP 1.0 section 5.9.3).

        Raises ``RefusedError`` with ``reader_untrusted``, ``chain``, ``limit``, ``test_key`` or ``key_withdrawn``.
        """
        from vcred.trust.x509 import x509_hash  # noqa: PLC0415 - X.509 loads with the first bundle

        if client_id.startswith(_DNS_PREFIX):
            hashed = _named(client_id.removeprefix(_DNS_PREFIX), x5c)
            return replace(self.find(client_id=hashed, x5c=x5c, at=at), client_id=client_id)
        if x5c and client_id != _PREFIX + x509_hash(x5c[0]):
            raise RefusedError(ReasonCode.READER_UNTRUSTED, "client_id", "not the hash of the reader's certificate")
        if client_id in self._entries:
            return self._registered(client_id, at)
        if not x5c:
            raise RefusedError(ReasonCode.READER_UNTRUSTED, "client_id", "no reader of the bundle has this id")
        return self._presented(client_id, x5c, at)

    def _registered(self, client_id: str, at: datetime) -> VerifiedReader:
        entry, certificate = self._entries[client_id]
        if entry.withdrawn_at is not None and epoch(at) >= entry.withdrawn_at:
            raise RefusedError(ReasonCode.KEY_WITHDRAWN, "client_id", "the reader is withdrawn")
        self._check_denied([certificate.key.kid], "client_id")
        if entry.test and self._production:
            raise RefusedError(ReasonCode.TEST_KEY, "client_id", "a test reader, and the bundle is for production")
        _check_dates(certificate, at)
        return VerifiedReader(
            client_id=client_id,
            registered=True,
            key=certificate.key,
            policies=entry.policies,
            names=entry.names,
        )

    def _presented(self, client_id: str, x5c: tuple[bytes, ...], at: datetime) -> VerifiedReader:
        from vcred.trust.x509 import check_leaf, read_certificate, verify_chain  # noqa: PLC0415 - as above

        found = self._of_another_profile(client_id, x5c, at)
        if found is not None:
            return found
        ours = [der for der, owner in self._owners.items() if owner.profile is CertificateProfile.VCRED]
        try:
            return self._certified(client_id, verify_chain(x5c, ours, purpose=Purpose.READER, at=at), at)
        except RefusedError as error:
            if error.code is not ReasonCode.UNTRUSTED:
                raise
        leaf = read_certificate(x5c[0], "x5c[0]")
        check_leaf(leaf, purpose=Purpose.READER, path="x5c[0]")
        self._check_denied([leaf.key.kid], "x5c")
        _check_dates(leaf, at)
        return VerifiedReader(
            client_id=client_id, registered=False, key=leaf.key, policies=frozenset(), names=_STRANGER
        )

    def _of_another_profile(self, client_id: str, x5c: tuple[bytes, ...], at: datetime) -> VerifiedReader | None:
        """The reader, if a root of another profile signed the last of ``x5c``; then no other rules count."""
        from vcred.trust.x509 import signing_anchor, verify_chain  # noqa: PLC0415 - as above

        others = [der for der, owner in self._owners.items() if owner.profile is not CertificateProfile.VCRED]
        try:
            anchor = signing_anchor(x5c[-1], others) if others else None
        except RefusedError as error:
            if error.code is not ReasonCode.UNTRUSTED:
                raise
            anchor = None
        if anchor is None:
            return None
        if not self._owners.keys().isdisjoint(x5c):
            raise RefusedError(ReasonCode.CHAIN, "x5c", "the chain contains an anchor")
        owner = self._owners[anchor]
        verified = verify_chain(x5c, [anchor], purpose=Purpose.READER, at=at, profile=owner.profile)
        found = self._certified(client_id, verified, at)
        names = Names(ko=f"{owner.names.ko}에서 확인한 요청자", en=f"Requester verified by {owner.names.en}")
        return replace(found, registered=False, names=names)

    def _certified(self, client_id: str, verified: VerifiedChain, at: datetime) -> VerifiedReader:
        authority = self._owners[verified.anchor]
        self._check_denied(verified.kids, "x5c")
        if any(each.kid is None or each.kid in verified.kids for each in authority.withdrawn):
            raise RefusedError(ReasonCode.KEY_WITHDRAWN, "x5c", "a key on the path is withdrawn")
        if authority.test and self._production:
            raise RefusedError(ReasonCode.TEST_KEY, "x5c", "a test authority, and the bundle is for production")
        if not authority.valid_from <= epoch(at) <= authority.valid_until:
            raise RefusedError(ReasonCode.CHAIN, "x5c", "the authority does not certify readers at this time")
        if authority.profile is not CertificateProfile.VCRED:
            organisations: tuple[str, ...] = (authority.id,)
        else:
            organisations = verified.leaf.organisations or verified.leaf.dns_names or verified.leaf.uris
        return VerifiedReader(
            client_id=client_id,
            registered=True,
            key=verified.leaf.key,
            policies=frozenset(),
            names=Names(ko=organisations[0], en=organisations[-1]),
        )

    def _check_denied(self, kids: Iterable[bytes], path: str) -> None:
        if not self._denied.isdisjoint(kids):
            raise RefusedError(ReasonCode.KEY_WITHDRAWN, path, "the bundle lists a key on the path as compromised")


def _named(name: str, x5c: tuple[bytes, ...]) -> str:
    """The ``x509_hash`` identifier of the certificate that was sent, if it is one for ``name``."""
    from vcred.trust.x509 import read_certificate, x509_hash  # noqa: PLC0415 - X.509 loads with the first bundle

    if not x5c or name not in read_certificate(x5c[0], "x5c[0]").dns_names:
        raise RefusedError(ReasonCode.READER_UNTRUSTED, "client_id", "not a name in the reader's certificate")
    return _PREFIX + x509_hash(x5c[0])


def _check_dates(certificate: Certificate, at: datetime) -> None:
    if not certificate.not_before <= epoch(at) <= certificate.not_after:
        raise RefusedError(ReasonCode.CHAIN, "x5c", "the reader's certificate is not valid at this time")
