"""A desk with an evidence archive: verdicts of several kinds, and bundles after rotations, for tests of audits."""

from __future__ import annotations

import copy
import sqlite3
from contextlib import closing

from tests.desk import AGENCY, AGENCY_NAME, AT, BANK_NAME, DAY, LIST, Desk, asked
from vcred.keys import SoftwareSigner
from vcred.status import StatusList, build_status_token
from vcred.trust import Purpose, TrustBundle, build_signer
from vcred.trust.content import Withdrawal, WithdrawalReason
from vcred.trust.publish import PackBuilder
from verifier import EvidenceArchive, Verifier, audit

KEPT, NOTHING_KEPT = "bank.address-change", "shop.adult"
YEARS = 365 * DAY


class Branch:
    """``desk`` with an archive in ``folder``; ``auditor`` has the key that answers are encrypted to."""

    def __init__(self, desk: Desk, folder, *, at=AT) -> None:
        self.desk, self.folder = desk, folder
        self.auditor = SoftwareSigner.generate()
        self.archive = EvidenceArchive.create(
            folder, reader=desk.identity().client_id, recipient=self.auditor.public_key, at=at - DAY
        )
        self.first_pack = self.pack()
        self.verifier = self.use(self.first_pack)

    def pack(
        self,
        *,
        version=1,
        at=AT - DAY,
        expires=AT + 90 * DAY,
        status=None,
        status_at=None,
        withdrawn=(),
        signers=None,
        readers=True,
        with_status=True,
        list_key=None,
        others=(),
    ) -> bytes:
        """A bundle's file. ``signers`` are the listed document signers, ``withdrawn`` what became of them, ``others``
        certificates and names of more readers.
        """
        desk = self.desk
        builder = PackBuilder(production=True, name={"ko": "시험 목록", "en": "Test list"})
        builder.add_authority(
            id=AGENCY,
            name=AGENCY_NAME,
            purpose=Purpose.ISSUER,
            anchors=[desk.root],
            signers=[[one] for one in (signers or [desk.signer])],
            types=list(desk.catalog),
            status_uris=["https://garam.example/status/"],
            valid_from=AT - 400 * DAY,
            valid_until=AT + 3000 * DAY,
            test=False,
            withdrawn=withdrawn,
        )
        if readers:
            builder.add_reader(certificate=desk.bank, name=BANK_NAME, policies=[KEPT, NOTHING_KEPT], test=False)
        for certificate, name in others:
            builder.add_reader(certificate=certificate, name=name, policies=[KEPT], test=False)
        builder.add_types(desk.catalog.texts())
        if with_status:
            builder.add_status(self.list(status or {}, status_at or at + DAY * 0.9, signer=list_key))
        return builder.build(version=version, roots=[desk.tuf_root], signers=[desk.tuf_key], at=at, expires=expires)

    def load_only(self, **more) -> bytes:
        """``pack`` for a key that may not sign status lists any more: without one."""
        return self.pack(with_status=False, **more)

    def list(self, values, at, *, signer=None) -> bytes:
        """A Status List Token."""
        return build_status_token(
            uri=LIST,
            status_list=StatusList.build(bits=2, size=4096, values=values),
            signer=signer or self.desk.key,
            issued_at=at,
            expires_at=at + 30 * DAY,
            ttl=None,
            form="cwt",
        )

    def load(self, pack: bytes) -> TrustBundle:
        return TrustBundle.loads(pack, root=self.desk.tuf_root, seen=None)

    def use(self, pack: bytes) -> Verifier:
        """A desk that works with this bundle, and writes everything down."""
        self.archive.keep_trust(pack, self.desk.tuf_root)
        return Verifier(self.load(pack), self.desk.identity(), evidence=self.archive)

    def rotated(self, start) -> tuple[SoftwareSigner, bytes]:
        """The agency's next document signer."""
        key = SoftwareSigner.generate()
        certificate = build_signer(
            key.public_key,
            purpose=Purpose.ISSUER,
            id=AGENCY,
            name=AGENCY_NAME,
            issuer=self.desk.root,
            issuer_signer=self.desk.root_key,
            not_before=start,
            not_after=start + YEARS,
        )
        return key, certificate

    def withdrawal(self, at, reason=WithdrawalReason.SUPERSEDED) -> Withdrawal:
        return Withdrawal(kid=self.desk.key.public_key.kid, at=int(at.timestamp()), reason=reason)

    def show(self, *, policy=KEPT, at=AT, verifier=None, form="sd-cwt", signer=None, **certificate):
        """One verdict: a request, an answer, and what the desk says."""
        verifier = verifier or self.verifier
        code, query = {KEPT: ("resident.personal", "residence-1"), NOTHING_KEPT: ("id.resident_mobile", None)}[policy]
        request = asked(verifier, form, policy=policy, at=at)
        if query is None:
            query = next(
                one.id
                for one in request.query.credentials
                if any(self.desk.catalog[code].vct in kinds for kinds in one.types)
            )
        held = self.desk.certificate(code, form, **certificate)
        answer = self.desk.present(request, {query: (form, held)}, at=at, signer=signer)
        return verifier.verify(answer, request=request, at=at), answer, request

    def seal(self, at=AT):
        return self.archive.seal(self.desk.identity(), at=at)

    def audit(self, *, at=AT + DAY, bundle=None, key=..., roots=None, archive=None, **more):
        return audit(
            archive or self.archive,
            at=at,
            roots=[self.desk.tuf_root] if roots is None else roots,
            bundle=None if bundle is None else self.load(bundle),
            key=self.auditor.crypto if key is ... else key,
            **more,
        )

    def tamper(self, statement, *values) -> None:
        """Change the database behind the archive's back."""
        with closing(sqlite3.connect(self.folder / "evidence.db")) as db, db:
            db.execute(statement, values)


def codes(found) -> set[str]:
    """The codes of a report, an entry's report or a list of findings."""
    findings = getattr(found, "all_findings", None) or getattr(found, "findings", found)
    return {one.code.value for one in findings}


def fresh(bundle: TrustBundle) -> TrustBundle:
    """The bundle with a memory of its own."""
    bundle = copy.copy(bundle)
    bundle._memory = copy.copy(bundle._memory)
    return bundle
