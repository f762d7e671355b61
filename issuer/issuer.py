"""``Issuer``: from a registry's record to signed certificates, and their revocation.

Offer, proofs, delivery. Nothing is signed before the holder's keys are proven; everything of one issue - offer used
up, status entries, certificate, answer - is one transaction; every copy is opened and verified by our own verifier's
code before it is let out.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from issuer.proofs import check_proofs
from issuer.store import IssuerStore, OfferRow
from vcred.catalog.age import KST
from vcred.credential import Content, StatusReference
from vcred.errors import RefusedError, SigningError
from vcred.formats.base import IssuerKey
from vcred.formats.sd_cwt import SdCwt
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.issuance import Delivery, IssuanceRequest, Offer
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from issuer.records import RecordSource
    from vcred.catalog import Catalog, CertificateType
    from vcred.credential import Opened
    from vcred.formats.base import CredentialFormat
    from vcred.keys import PublicKey, Signer
    from vcred.qr import Message

__all__ = ["Issuer", "IssuerProfile"]

_OFFER_LIFETIME = dt.timedelta(minutes=10)
_LIST_LIFETIME = dt.timedelta(days=30)
_STATUS_BITS = 2  # valid, revoked, suspended
_HOUR = 3_600
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)\s+-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerProfile:
    """Who issues: id, document signer and its certificate chain (leaf first, without the root; a PEM file or DER).

    ``status_uri`` is the prefix of the status lists, by default ``<id>/status/``. ``copies`` one-time copies are
    made of every certificate in every one of ``formats``. ``types``: the codes it may sign; ``None`` leaves that to
    the trust bundle.
    """

    id: str
    signer: Signer = field(repr=False)
    chain: str | Path | Sequence[bytes] = field(repr=False)
    formats: tuple[str, ...] = ("dc+sd-jwt", "sd-cwt")
    copies: int = 5
    status_uri: str = ""
    types: frozenset[str] | None = None


class Issuer:
    """Makes offers, answers key proofs with certificates, revokes, and signs status lists."""

    def __init__(
        self,
        profile: IssuerProfile,
        *,
        records: RecordSource,
        catalog: Catalog,
        store: IssuerStore | None = None,
    ) -> None:
        """Without a ``store`` everything is forgotten with the process. Raises ``SigningError`` when profile, key and
        certificate do not belong together.
        """
        if not profile.formats or not 1 <= profile.copies <= 30:
            raise ValueError("an issuer has at least one format and makes 1 to 30 copies")
        self._profile = profile
        self.chain = _chain(profile.chain)
        self._leaf = _checked_leaf(profile, self.chain)
        self._records = records
        self._catalog = catalog
        self._store = IssuerStore() if store is None else store
        known: tuple[CredentialFormat, ...] = (SdJwtVc(), SdCwt(catalog.labels))
        self._formats = {one.id: one for one in known if one.id in profile.formats}
        if set(self._formats) != set(profile.formats):
            raise ValueError(f"unknown format in {', '.join(profile.formats)}")

    @property
    def id(self) -> str:
        """The issuer's identifier, as credentials carry it."""
        return self._profile.id

    def offer(
        self,
        code: str,
        *,
        subject: str,
        at: dt.datetime,
        variant: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Offer:
        """Offer ``subject`` a certificate, once, for ten minutes.

        The record is fetched and certified on trial now, so that a wrong option or an unknown subject is
        noticed here. Raises ``CatalogError``, ``RecordError``, ``ValueError`` for an unknown option or
        variant, ``SigningError`` when this issuer may not or cannot sign it.
        """
        kind = self._type(code)
        chosen = dict(options or {})
        self._claims(kind, subject, variant, chosen, at)
        self._expiry(kind, at)
        nonce = secrets.token_bytes(16)
        row = OfferRow(
            code=code,
            subject=subject,
            variant=variant,
            options=chosen,
            record_digest=b"",
            offered_on=at.astimezone(KST).date().isoformat(),
            expires_at=int((at + _OFFER_LIFETIME).timestamp()),
            answered=None,
        )
        self._store.put_offer(nonce, row, at=int(at.timestamp()))
        return Offer(
            issuer=self.id,
            code=code,
            nonce=nonce,
            expires_at=row.expires_at,
            formats=self._profile.formats,
            copies=self._profile.copies,
            variant=variant,
            options=chosen,
            redeem=self.issue,
        )

    def issue(self, request: IssuanceRequest | Message | bytes, *, at: dt.datetime) -> Delivery:
        """Answer a wallet's key proofs. The same request gets the same answer until the offer ends.

        Raises ``RefusedError`` for what is wrong with the request (``nonce``, ``request_expired``, ``replay`` and
        those of ``check_proofs``), and as ``offer`` does.
        """
        if not isinstance(request, IssuanceRequest):
            request = IssuanceRequest.parse(request)
        digest = hashlib.sha256(request.to_bytes()).digest()
        with self._store.writing():
            offer = self._store.offer(request.nonce)
            if offer is None:
                raise RefusedError(ReasonCode.NONCE, "proofs", "there is no such offer")
            if offer.answered is not None:
                if offer.answered[0] != digest:
                    raise RefusedError(ReasonCode.REPLAY, "proofs", "this offer was redeemed with other keys")
                return Delivery.parse(offer.answered[1])
            if at.timestamp() > offer.expires_at:
                raise RefusedError(ReasonCode.REQUEST_EXPIRED, "proofs", "the offer has expired")
            keys = check_proofs(
                request, issuer=self.id, formats=self._profile.formats, copies=self._profile.copies, at=at
            )
            delivery = self._sign(offer, keys, at)
            self._store.answer_offer(request.nonce, digest, delivery.to_bytes())
        return delivery

    def revoke(self, credential_id: str, *, reason: str, at: dt.datetime) -> None:
        """Revoke every copy for ever. It reaches verifiers with the next status list. Raises ``NotFound``."""
        self._store.set_state(credential_id, 1, reason=reason, at=int(at.timestamp()))

    def suspend(self, credential_id: str, *, reason: str, at: dt.datetime) -> None:
        """Suspend every copy. Raises ``NotFound``, ``StoreError`` when it is revoked."""
        self._store.set_state(credential_id, 2, reason=reason, at=int(at.timestamp()))

    def reinstate(self, credential_id: str, *, reason: str, at: dt.datetime) -> None:
        """End a suspension. Raises ``NotFound``, ``StoreError`` when it is revoked."""
        self._store.set_state(credential_id, 0, reason=reason, at=int(at.timestamp()))

    def status_tokens(
        self, *, at: dt.datetime, form: Literal["jwt", "cwt"] = "cwt", lifetime: dt.timedelta = _LIST_LIFETIME
    ) -> dict[str, bytes]:
        """A freshly signed Token Status List for every list, by URI."""
        from vcred.status import StatusList, build_status_token  # noqa: PLC0415 - an issue does not need it

        values: dict[int, dict[int, int]] = {}
        for entry in self._store.entries():
            if entry.value:
                values.setdefault(entry.list, {})[entry.index] = entry.value
        return {
            self._list_uri(number): build_status_token(
                uri=self._list_uri(number),
                status_list=StatusList.build(bits=_STATUS_BITS, size=size, values=values.get(number, {})),
                signer=self._profile.signer,
                chain=self.chain,
                issued_at=at,
                expires_at=at + lifetime,
                ttl=None,
                form=form,
            )
            for number, size in self._store.lists().items()
        }

    def _list_uri(self, number: int) -> str:
        return f"{self._profile.status_uri or f'{self.id}/status/'}{number}"

    def _type(self, code: str) -> CertificateType:
        if self._profile.types is not None and code not in self._profile.types:
            raise SigningError(f"{self.id} does not issue {code}")
        return self._catalog[code]

    def _claims(
        self, kind: CertificateType, subject: str, variant: str | None, options: Mapping[str, Any], at: dt.datetime
    ) -> dict[str, Any]:
        record = self._records.fetch(kind.code, subject, at=at)
        return kind.issue(record, variant=variant, options=options, issued_on=at.astimezone(KST).date())

    def _expiry(self, kind: CertificateType, at: dt.datetime) -> int:
        """The end of the last day of validity in Korea: the same second for everybody who got one that day."""
        last = at.astimezone(KST).date() + dt.timedelta(days=kind.lifetime_days + 1)
        expires_at = int(dt.datetime(last.year, last.month, last.day, tzinfo=KST).timestamp()) - 1
        now = int(at.timestamp())
        if not self._leaf.not_before <= now <= self._leaf.not_after:
            raise SigningError("the document signer's certificate is not valid now")
        if expires_at > self._leaf.not_after:
            raise SigningError(f"the document signer's certificate ends before a {kind.code} issued now would")
        return expires_at

    def _sign(self, offer: OfferRow, keys: Sequence[tuple[str, PublicKey]], at: dt.datetime) -> Delivery:
        kind = self._type(offer.code)
        claims = self._claims(kind, offer.subject, offer.variant, offer.options, at)
        now = int(at.timestamp())
        issued_at, expires_at = max(now - now % _HOUR, self._leaf.not_before), self._expiry(kind, at)
        credential_id = f"c-{secrets.token_hex(8)}"
        self._store.add_credential(
            credential_id, code=kind.code, subject=offer.subject, issued_at=issued_at, expires_at=expires_at
        )
        copies = []
        for name, key in keys:
            number, index = self._store.add_copy(credential_id, format=name, key=key.thumbprint)
            content = Content(
                vct=kind.vct,
                issuer=self.id,
                claims=claims,
                issued_at=issued_at,
                expires_at=expires_at,
                holder_key=key,
                status=StatusReference(uri=self._list_uri(number), index=index),
            )
            copies.append((name, self._signed(name, content)))
        self._store.log(now, "issued", code=kind.code, credential=credential_id)
        return Delivery(code=kind.code, credential_id=credential_id, credentials=tuple(copies))

    def _signed(self, name: str, content: Content) -> bytes:
        signer, form = self._profile.signer, self._formats[name]
        raw = form.issue(content, IssuerKey(public_key=signer.public_key, chain=self.chain), signer)
        try:
            opened = form.open(raw)
            form.verify_signature(opened, signer.public_key)
        except RefusedError as error:
            raise SigningError(f"a certificate failed its own verification and was not issued: {error}") from error
        if not _says(opened, content):
            raise SigningError("a certificate differs from its content and was not issued")
        return raw


def _says(opened: Opened, content: Content) -> bool:
    return (
        opened.vct == content.vct
        and opened.issuer == content.issuer
        and opened.status == content.status
        and opened.holder_key == content.holder_key
        and opened.expires_at == content.expires_at
        and not opened.hidden_elements
        and opened.claims == _plain(content.claims)
    )


def _plain(node: Any) -> Any:
    from vcred.claims import SD  # noqa: PLC0415 - a name used once

    if isinstance(node, SD):
        return _plain(node.value)
    if isinstance(node, dict):
        return {name: _plain(value) for name, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_plain(value) for value in node]
    return node


def _chain(source: str | Path | Sequence[bytes]) -> tuple[bytes, ...]:
    if not isinstance(source, (str, Path)):
        return tuple(source)
    try:
        text = Path(source).read_bytes()
    except OSError as error:
        raise SigningError(f"{source}: {error.strerror}") from error
    found = tuple(base64.b64decode(b"".join(one.split())) for one in _PEM.findall(text))
    if not found:
        raise SigningError(f"{source}: no certificate in PEM form")
    return found


def _checked_leaf(profile: IssuerProfile, chain: tuple[bytes, ...]) -> Any:
    from vcred.trust import Purpose, read_certificate  # noqa: PLC0415 - X.509 is loaded when an issuer is made
    from vcred.trust.x509 import check_leaf  # noqa: PLC0415 - as above

    if not chain:
        raise SigningError("a document signer has a certificate")
    try:
        leaf = read_certificate(chain[0], "chain[0]")
        check_leaf(leaf, purpose=Purpose.ISSUER, path="chain[0]")
    except RefusedError as error:
        raise SigningError(f"the document signer's certificate cannot be used: {error}") from error
    if leaf.key != profile.signer.public_key:
        raise SigningError("the signer's key is not the one in its certificate")
    if profile.id not in leaf.uris:
        raise SigningError("the document signer's certificate does not name this issuer")
    return leaf
