"""A certificate as it would be shown: opened from a copy, previewed, described in words.

A preview is a presentation with an empty signature, opened again: rules are asked about exactly what the receiver
would see, and it is useless to anybody else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vcred.catalog.age import kst_date
from vcred.claims import ClaimPath
from vcred.dcql import Candidate
from vcred.errors import RefusedError
from vcred.formats._w3c_model import require_all
from vcred.formats.known import LEGACY_FORMATS, query_reader, type_names
from vcred.policy import PresentedCertificate
from wallet._records import copies_of
from wallet.certificate import CertificateState, list_certificates
from wallet.consent import Disclosure, pattern

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from vcred.catalog import CertificateType
    from vcred.credential import Opened
    from vcred.formats.base import CredentialFormat
    from vcred.trust import TrustBundle
    from wallet._records import CopyRecord
    from wallet.certificate import Certificate
    from wallet.store import CredentialStore

__all__ = ["Held", "hold"]

_PARTS_OF_A_NUMBER = {
    "birthDate": ("생년월일", "birth date"),
    "sexDigit": ("성별 자리", "sex digit"),
    "serial": ("뒷자리", "last digits"),
}


class Held:
    """A certificate in one format. ``spent``: every copy of its batch in this format has been shown."""

    def __init__(
        self, certificate: Certificate, kind: CertificateType, form: CredentialFormat, copies: Collection[CopyRecord]
    ) -> None:
        best = min(copies, key=lambda copy: copy.used)
        self.certificate = certificate
        self.type = kind
        self.form = form
        self.opened: Opened = form.open(best.credentials[form.id])
        self.id = f"{certificate.id}/{form.id}"
        self.spent = certificate.batch and best.used

    def candidate(self, authorities: Mapping[str, Collection[str]]) -> Candidate:
        """As DCQL sees it. ``authorities`` are who stands behind its issuer, for a query that asks for that."""
        return Candidate(
            authorities=authorities,
            id=self.id,
            format=self.form.id,
            types=type_names(self.form.id, vct=self.opened.vct, doctype=self.type.doctype),
            claims=self.opened.claims,
            holder_bound=self.opened.holder_key is not None,
            reads=query_reader(self.form.id, self.type, self.opened.claims),
        )

    def authorities(self, trust: TrustBundle) -> Mapping[str, Collection[str]]:
        """Whose certificates its signer has: those it carries, or those that the trust bundle has for its key."""
        from vcred.trust.foreign import authority_key_ids  # noqa: PLC0415 - few queries ask for it

        chain = self.opened.x5c or next(
            (
                chain
                for authority in trust.authorities
                for chain, kid in zip(authority.signers, authority.kids, strict=True)
                if kid == self.opened.kid
            ),
            (),
        )
        return {"aki": authority_key_ids(chain)}

    def seen(self, paths: Collection[ClaimPath]) -> PresentedCertificate:
        """What a verifier would see of ``paths``."""
        issued_at = self.certificate.issued_at
        visible = self._preview(paths, issued_at)
        return PresentedCertificate(
            code=self.type.code,
            type=self.type,
            claims=visible.claims,
            hidden_elements=visible.hidden_elements,
            issuer=self.certificate.issuer,
            issued_on=_printed_date(visible.claims) or kst_date(dt.datetime.fromtimestamp(issued_at, dt.UTC)),
            format=self.form.id,
        )

    def _preview(self, paths: Collection[ClaimPath], issued_at: int) -> Opened:
        if self.form.id in LEGACY_FORMATS:
            # Signed by a library that prepares nothing; it hides nothing either, so what is held is what is shown.
            require_all(self.opened.claims, paths)
            return self.opened
        prepared = self.form.prepare_presentation(
            self.opened, paths, audience="preview", nonce=bytes(16), issued_at=issued_at
        )
        return self.form.open(prepared.complete(bytes(64)))

    def selective(self, paths: Collection[ClaimPath]) -> frozenset[ClaimPath]:
        """Of ``paths`` those that the holder could keep back; the rest is in every presentation anyway."""
        return frozenset(
            path
            for path in paths
            if any(node.contains(path) or path.contains(node) for node in self.opened.disclosures)
        )

    def describe(self, query: str, paths: Collection[ClaimPath]) -> tuple[Disclosure, ...]:
        """``paths`` for people: one line a claim, however many rows it is in, in the order of the certificate."""
        rows: dict[ClaimPath, int] = {}
        for path in paths:
            rows[pattern(path)] = rows.get(pattern(path), 0) + 1
        order = {spec.path: number for number, spec in enumerate(self.type.walk())}
        ordered = sorted(rows, key=lambda path: (order.get(path, len(order)), str(path)))
        return tuple(self._line(query, path, rows[path]) for path in ordered)

    def always(self, query: str) -> tuple[Disclosure, ...]:
        """What every presentation of this certificate shows, whatever is asked."""
        return self.describe(query, [ClaimPath((name,)) for name in self.seen(()).claims])

    def visible(self) -> Iterator[ClaimPath]:
        """Where the values are that every presentation shows."""
        return _values(self.seen(()).claims, ())

    def _line(self, query: str, path: ClaimPath, count: int) -> Disclosure:
        ko: list[str] = []
        en: list[str] = []
        sensitivity = "document" if path.parts[0] in ("issuedOn", "variant", "options") else "personal"
        for end in range(1, len(path.parts) + 1):
            part = path.parts[end - 1]
            if part is None:
                continue
            spec = self.type.spec(ClaimPath(path.parts[:end]))
            if spec is not None:
                sensitivity = spec.sensitivity
            plain = _PLAIN.get(str(part)) if end == 1 else _PARTS_OF_A_NUMBER.get(str(part))
            names = (spec.name("ko"), spec.name("en")) if spec is not None else plain or (str(part), str(part))
            ko.append(names[0])
            en.append(names[1])
        return Disclosure(
            query=query,
            certificate=self.certificate.id,
            path=path,
            ko=" · ".join(ko),
            en=" · ".join(en),
            sensitivity=sensitivity,
            count=count,
        )


_PLAIN = {
    "issuedOn": ("발급일", "date of issue"),
    "variant": ("증명서 종류(일반·상세·특정)", "variant"),
    "options": ("발급 신청 항목", "what was applied for"),
}


def hold(store: CredentialStore, trust: TrustBundle, formats: Mapping[str, CredentialFormat]) -> dict[str, Held]:
    """Every certificate that can be shown, in every format, the newest first."""
    found: dict[str, Held] = {}
    certificates = sorted(list_certificates(store, trust.catalog).values(), key=lambda one: -one.received_at)
    for certificate in certificates:
        if certificate.state is CertificateState.REISSUE or certificate.type is None:
            continue
        copies = [copy for copy in copies_of(store, certificate.id).values() if copy.key is not None]
        for name, form in formats.items():
            fitting = [copy for copy in copies if name in copy.credentials]
            if not fitting:
                continue
            try:
                one = Held(certificate, certificate.type, form, fitting)
            except RefusedError:
                continue  # a newer catalogue no longer reads it; it is listed, and can be issued again
            found[one.id] = one
    return found


def _values(node: Any, at: tuple[str | int, ...]) -> Iterator[ClaimPath]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from _values(value, (*at, name))
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _values(value, (*at, index))
    elif node is not None:
        yield ClaimPath(at)


def _printed_date(claims: Mapping[str, Any]) -> dt.date | None:
    try:
        return dt.date.fromisoformat(claims["issuedOn"])
    except (KeyError, TypeError, ValueError):
        return None
