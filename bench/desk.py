"""An agency, a holder and a bank's desk: what a verdict on a QR picture needs, made with public functions only."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING

from vcred.catalog import Catalog
from vcred.claims import ClaimPath
from vcred.credential import Content, StatusReference
from vcred.dcql import Candidate, match
from vcred.formats.base import IssuerKey
from vcred.formats.sd_cwt import SdCwt
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.keys import SoftwareSigner
from vcred.presentation import Presentation, PresentationRequest, Presented
from vcred.qr import Code, encode, encode_message
from vcred.status import StatusList, build_status_token
from vcred.trust import Purpose, TrustBundle, build_reader, build_root, build_signer
from vcred.trust.publish import PackBuilder, new_root, single_key
from verifier import Challenge, ReaderIdentity, SqliteRequestStore, VerificationPolicy, Verifier
from verifier.requests import MemoryRequestStore, RequestStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from vcred.formats.base import CredentialFormat

__all__ = ["AT", "ENTRY", "LIST", "Desk", "save_case"]

AT = dt.datetime(2026, 9, 26, 3, 0, tzinfo=dt.UTC)
_DAY = dt.timedelta(days=1)
_AGENCY = "https://city.example/issuer"
LIST = "https://city.example/s/1"
_CITY = {"ko": "가람시 (가상)", "en": "Garam City (fictitious)"}
_BANK = {"ko": "다솜은행 (가상)", "en": "Dasom Bank (fictitious)"}
ENTRY = 7
_HOUSEHOLD = "resident.household"
_CASES = (
    ("bank.address-change", "resident.household"),
    ("bank.address-change", "resident.personal"),
    ("bank.id-check", "id.resident_mobile"),
    ("shop.adult", "id.resident_mobile"),
)
"""Policies, and what answers them."""

_VERSION = 25


class Desk:
    """One of each.

    ``entries`` is the size of the agency's status list; ``lists`` makes other lists instead, with the agency's key.
    """

    def __init__(
        self, *, entries: int = 4096, lists: Callable[[SoftwareSigner], Sequence[bytes]] | None = None
    ) -> None:
        self.catalog = Catalog.builtin()
        self.formats: dict[str, CredentialFormat] = {"sd-cwt": SdCwt(self.catalog.labels), "dc+sd-jwt": SdJwtVc()}
        city_root, bank_root, self._tuf = (SoftwareSigner.generate() for _ in range(3))
        self.agency, self.bank, self.holder = (SoftwareSigner.generate() for _ in range(3))
        start, end = AT - 300 * _DAY, AT + 3000 * _DAY
        self._city = build_root(city_root, name=_CITY, not_before=start, not_after=end)
        self.signer = build_signer(
            self.agency.public_key,
            purpose=Purpose.ISSUER,
            id=_AGENCY,
            name=_CITY,
            issuer=self._city,
            issuer_signer=city_root,
            not_before=start,
            not_after=end,
        )
        self.reader = build_reader(
            self.bank.public_key,
            identifier="desk.dasom.example",
            name=_BANK,
            issuer=build_root(bank_root, name=_BANK, not_before=start, not_after=end),
            issuer_signer=bank_root,
            not_before=AT - 30 * _DAY,
            not_after=AT + 300 * _DAY,
        )
        self.root = new_root(
            version=1, roles=single_key(self._tuf.public_key), signers=[self._tuf], expires=AT + 3000 * _DAY
        )
        self.pack = self.packed([self._list(entries)] if lists is None else lists(self.agency), version=1)
        self.trust = TrustBundle.loads(self.pack, root=self.root, seen=None)

    def packed(self, tokens: Sequence[bytes], *, version: int) -> bytes:
        """The bundle with these status lists."""
        pack = PackBuilder(production=True, name={"ko": "가상 신뢰 목록", "en": "Fictitious trust list"})
        pack.add_authority(
            id=_AGENCY,
            name=_CITY,
            purpose=Purpose.ISSUER,
            anchors=[self._city],
            signers=[[self.signer]],
            types=list(self.catalog),
            status_uris=["https://city.example/s/"],
            valid_from=AT - 300 * _DAY,
            valid_until=AT + 3000 * _DAY,
            test=False,
        )
        pack.add_reader(
            certificate=self.reader, name=_BANK, policies=sorted({policy for policy, _ in _CASES}), test=False
        )
        pack.add_types(self.catalog.texts())
        for token in tokens:
            pack.add_status(token)
        return pack.build(version=version, roots=[self.root], signers=[self._tuf], at=AT - _DAY, expires=AT + 90 * _DAY)

    def _list(self, entries: int) -> bytes:
        """One in a thousand is revoked, anywhere but at our own entry."""
        revoked = dict.fromkeys(random.Random(1).sample(range(ENTRY + 1, entries), entries // 1000), 1)
        return build_status_token(
            uri=LIST,
            status_list=StatusList.build(bits=1, size=entries, values=revoked),
            signer=self.agency,
            issued_at=AT - _DAY / 24,
            expires_at=AT + 30 * _DAY,
            ttl=None,
            form="cwt",
        )

    def verifier(self, requests: RequestStore) -> Verifier:
        return Verifier(self.trust, ReaderIdentity((self.reader,), self.bank), requests)

    def request(self, verifier: Verifier, policy: str, form: str = "sd-cwt") -> PresentationRequest:
        return verifier.request(VerificationPolicy.preset(policy), freshness=Challenge(), at=AT, formats=(form,))

    def certificate(self, code: str, form: str = "sd-cwt") -> bytes:
        """The catalogue's sample, as it is issued without any options chosen."""
        kind = self.catalog[code]
        issued_on = AT - 3 * _DAY
        issued_at = int(issued_on.timestamp())
        content = Content(
            vct=kind.vct,
            issuer=_AGENCY,
            claims=kind.issue(kind.sample, variant=None, options={}, issued_on=issued_on.date()),
            issued_at=issued_at,
            expires_at=issued_at + 30 * 86400,
            holder_key=self.holder.public_key,
            status=StatusReference(uri=LIST, index=ENTRY),
        )
        key = IssuerKey(public_key=self.agency.public_key, chain=(self.signer,))
        return self.formats[form].issue(content, key, self.agency)

    def answer(self, request: PresentationRequest, certificate: bytes, form: str = "sd-cwt") -> Presentation:
        """What was asked for, and nothing else."""
        opened = self.formats[form].open(certificate)
        candidate = Candidate(id="held", format=form, types=[opened.vct], claims=opened.claims, holder_bound=True)
        found = {name: hits[0] for name, hits in match(request.query, [candidate]).found.items() if hits}
        ((name, hit),) = found.items()
        return self._answer(request, name, certificate, list(hit.paths), form)

    def head_and_address(self, request: PresentationRequest, form: str) -> Presentation:
        """Head's name and current address of a household of four, whatever ``request`` asks for."""
        paths = [ClaimPath.parse("householder.name"), ClaimPath.parse("currentAddress.road")]
        return self._answer(request, "q", self.certificate(_HOUSEHOLD, form), paths, form)

    def _answer(
        self, request: PresentationRequest, name: str, certificate: bytes, paths: list[ClaimPath], form: str
    ) -> Presentation:
        shown = self.formats[form].present(
            self.formats[form].open(certificate),
            paths,
            self.holder,
            audience=request.client_id,
            nonce=request.nonce,
            issued_at=int(AT.timestamp()),
        )
        return Presentation(tokens={name: (Presented(format=form, raw=shown),)})

    def largest_case(self) -> tuple[str, bytes, Code]:
        """The policy and the certificate whose answer fills one static code best, up to version 25, and that code."""
        verifier = self.verifier(MemoryRequestStore())
        found = []
        for policy, code in _CASES:
            certificate = self.certificate(code)
            codes = encode(self.answer(self.request(verifier, policy), certificate))
            if len(codes) == 1 and codes[0].version <= _VERSION:
                found.append((policy, certificate, codes[0]))
        return max(found, key=lambda case: case[2].version)

    def size(self, form: str) -> tuple[int, tuple[Code, ...]]:
        """Bytes and codes of ``head_and_address``."""
        request = self.request(self.verifier(MemoryRequestStore()), _CASES[0][0], form)
        message = self.head_and_address(request, form).to_message()
        return len(encode_message(message)), encode(message)


def save_case(desk: Desk, folder: Path) -> None:
    """Everything ``first_verdict.py`` needs to check one answer in a process of its own."""
    policy, certificate, _ = desk.largest_case()
    with SqliteRequestStore(folder / "requests.db") as requests:
        request = desk.request(desk.verifier(requests), policy)
    answer = desk.answer(request, certificate)
    (folder / "trust.vcred").write_bytes(desk.pack)
    (folder / "root.json").write_bytes(desk.root)
    (folder / "reader.der").write_bytes(desk.reader)
    (folder / "reader.key").write_bytes(desk.bank.to_der())
    (folder / "request.jws").write_bytes(request.raw)
    (folder / "answer.bin").write_bytes(encode_message(answer.to_message()))
