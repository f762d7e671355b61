"""The work of design section 10: a household certificate of 24 hidden claims, 6 of them presented, keys P-256.

``flat`` hides 24 claims side by side, as the prototypes did that the budgets come from. ``nested`` is what the
catalogue issues for a household of two: also 24 disclosures, five levels deep, which is more work for everybody.
``vc+jwt`` hides nothing, so all of it is presented.
"""

from __future__ import annotations

import copy
import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from vcred.catalog import Catalog
from vcred.claims import SD, ClaimPath
from vcred.credential import Content, StatusReference
from vcred.formats.base import IssuerKey, LabelMap
from vcred.formats.mdoc import CatalogDoctypes, Mdoc
from vcred.formats.sd_cwt import SdCwt
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.formats.w3c_vc import W3cJwt
from vcred.keys import SoftwareSigner
from vcred.trust import Purpose, build_root, build_signer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vcred.credential import Opened
    from vcred.formats.base import CredentialFormat

__all__ = ["HOLDERS", "Work", "works"]

HOLDERS = 1100
"""More than any cache of holder keys holds, so that going round them every key is new."""

_CODE = "resident.household"
_ISSUER = "https://city.example/issuer"
_CITY = {"ko": "가람시 (가상)", "en": "Garam City (fictitious)"}
_ISSUED = 1_790_000_000
_NONCE = bytes(range(16))
_AUDIENCE = "x509_hash:" + "A" * 43
_ECDSA = ec.ECDSA(hashes.SHA256())
_NESTED_PATHS = ("householder", "currentAddress.movedInOn", "members[0].name")


@dataclass(frozen=True, kw_only=True)
class Work:
    """One format and one shape of the certificate, with everything prepared that is not measured."""

    format: CredentialFormat
    claims: Mapping[str, Any]
    paths: tuple[ClaimPath, ...]
    vct: str
    issuer: SoftwareSigner
    holder: SoftwareSigner
    chain: tuple[bytes, ...] = ()

    @cached_property
    def key(self) -> IssuerKey:
        return IssuerKey(public_key=self.issuer.public_key, chain=self.chain)

    def content(self, holder: SoftwareSigner) -> Content:
        return Content(
            vct=self.vct,
            issuer=_ISSUER,
            claims=self.claims,
            issued_at=_ISSUED,
            expires_at=_ISSUED + 90 * 86400,
            holder_key=holder.public_key,
            status=StatusReference(uri="https://city.example/s/1", index=71_234),
        )

    @cached_property
    def credential(self) -> bytes:
        return self.format.issue(self.content(self.holder), self.key, self.issuer)

    @cached_property
    def opened(self) -> Opened:
        return self.format.open(self.credential)

    @cached_property
    def presentation(self) -> bytes:
        return self._present(self.opened, self.holder)

    @property
    def disclosures(self) -> tuple[int, int]:
        """How many there are in the certificate, and in the presentation."""
        return len(self.opened.disclosures), len(self.format.open(self.presentation).disclosures)

    def _present(self, opened: Opened, holder: SoftwareSigner) -> bytes:
        return self.format.present(
            opened, self.paths, holder, audience=_AUDIENCE, nonce=_NONCE, issued_at=_ISSUED + 3600
        )

    def issue(self) -> Callable[[], object]:
        """The holder's key is parsed, the issuer's is at hand, salts are drawn within."""
        content = self.content(self.holder)
        return lambda: self.format.issue(content, self.key, self.issuer)

    def present_opened(self) -> Callable[[], object]:
        return lambda: self._present(self.opened, self.holder)

    def present_raw(self) -> Callable[[], object]:
        return lambda: self._present(self.format.open(self.credential), self.holder)

    def verify_cached(self) -> Callable[[], object]:
        raw = self.presentation
        return lambda: self._verify(raw)

    def verify_new(self) -> Callable[[], object]:
        """Presentations of ``HOLDERS`` holders in turn."""
        shown = []
        for _ in range(HOLDERS):
            holder = SoftwareSigner.generate()
            raw = self.format.issue(self.content(holder), self.key, self.issuer)
            shown.append(self._present(self.format.open(raw), holder))
        turn = cycle(shown)
        return lambda: self._verify(next(turn))

    def _verify(self, raw: bytes) -> None:
        opened = self.format.open(raw)
        self.format.verify_signature(opened, self.issuer.public_key)
        self.format.verify_key_binding(opened)

    def raw_signature(self) -> Callable[[], object]:
        """One signature over as many bytes as the issuer signs."""
        key, message = self.issuer.crypto, self.opened.signing_input
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return lambda: key.sign(message, _ECDSA)

    def raw_verifications(self) -> Callable[[], object]:
        """The two signatures of the presentation, over the same bytes."""
        shown = self.format.open(self.presentation)
        assert shown.key_binding is not None
        first, second = shown.signing_input, shown.key_binding.signing_input
        issuer, holder = self.issuer.crypto, self.holder.crypto
        assert isinstance(issuer, ec.EllipticCurvePrivateKey)
        assert isinstance(holder, ec.EllipticCurvePrivateKey)
        one, two = issuer.sign(first, _ECDSA), holder.sign(second, _ECDSA)
        issuer_key, holder_key = issuer.public_key(), holder.public_key()

        def verify() -> None:
            issuer_key.verify(one, first, _ECDSA)
            holder_key.verify(two, second, _ECDSA)

        return verify


def works() -> dict[str, Work]:
    """By name: both shapes in each format that hides claims, and the flat one in the one that does not."""
    catalog = Catalog.builtin()
    household = catalog[_CODE]
    issuer, holder = SoftwareSigner.generate(), SoftwareSigner.generate()
    chain = (_certificate(issuer),)
    flat = {"issuedOn": "2026-09-20", **{name: SD(value) for name, value in _flat_claims().items()}}
    labels = LabelMap(labels={name: (number, None) for number, name in enumerate(flat)})
    record = copy.deepcopy(dict(household.sample))
    record["members"], record["foreignMembers"] = record["members"][:2], []
    nested = household.issue(record, variant=None, options={"dates": False}, issued_on=dt.date(2026, 9, 20))
    flat_paths = tuple(ClaimPath((name,)) for name in list(_flat_claims())[:6])
    jwt, mdoc = SdJwtVc(), Mdoc(CatalogDoctypes(catalog))
    made: list[tuple[str, CredentialFormat, Mapping[str, Any], tuple[ClaimPath, ...]]] = []
    for shape, claims, paths, cwt in (
        ("flat", flat, flat_paths, SdCwt(lambda _: labels)),
        ("nested", nested, tuple(map(ClaimPath.parse, _NESTED_PATHS)), SdCwt(catalog.labels)),
    ):
        made += [(shape, form, claims, paths) for form in (jwt, cwt, mdoc)]
    made.append(("flat", W3cJwt(), flat, ()))
    return {
        f"{form.id} {shape}": Work(
            format=form,
            claims=claims,
            paths=paths,
            vct=household.vct,
            issuer=issuer,
            holder=holder,
            chain=chain if form is mdoc else (),
        )
        for shape, form, claims, paths in made
    }


def _certificate(issuer: SoftwareSigner) -> bytes:
    """The certificate of ``issuer``, which an mdoc has to carry."""
    root = SoftwareSigner.generate()
    issued = dt.datetime.fromtimestamp(_ISSUED, dt.UTC)
    start, end = issued - dt.timedelta(days=300), issued + dt.timedelta(days=3000)
    return build_signer(
        issuer.public_key,
        purpose=Purpose.ISSUER,
        id=_ISSUER,
        name=_CITY,
        issuer=build_root(root, name=_CITY, not_before=start, not_after=end),
        issuer_signer=root,
        not_before=start,
        not_after=end,
    )


def _flat_claims() -> dict[str, str]:
    claims = {
        "householder": "김가람",
        "householderHanja": "金가람",
        "road": "가람특별시 새솔구 별빛로 12, 101동 1203호",
        "detail": "(새솔동, 별빛마을아파트)",
        "movedInOn": "2021-03-08",
        "formationReason": "move_in",
        "docVerificationNo": "0000-9900-0000-0001",
        "issuingAuthority": "가람특별시 새솔구청장 (가상)",
    }
    people = (("김가람", "head"), ("박새솔", "spouse"), ("김하늘별", "child"), ("김바다", "child"))
    for number, (name, relation) in enumerate(people):
        claims |= {
            f"name{number}": name,
            f"relation{number}": relation,
            f"movedInOn{number}": "2021-03-08",
            f"state{number}": "resident",
        }
    return claims
