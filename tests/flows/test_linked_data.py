"""VC 1.1 with a linked-data proof, for whoever chooses it: issued, held, shown as QR codes, verified, revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from issuer import Issuer, IssuerProfile
from tests.flows.test_flows import policy_for
from vcred import Catalog, Outcome, Presentation, qr
from vcred.errors import RefusedError
from vcred.formats.didkit import LdpVc
from vcred.formats.known import FORMATS
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode
from vcred.testing import SampleRecords, World
from vcred.testing.world import AGENCY
from vcred.trust import Purpose, TrustBundle
from vcred.trust.bare import BareKey
from vcred.trust.did import did_key
from vcred.trust.publish import PackBuilder, new_root, single_key
from verifier import Challenge, Verifier
from wallet import MemoryStore, Wallet

pytest.importorskip("didkit")

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)
FORM = "ldp_vc"
CATALOG = Catalog.builtin()
CODES = [code for code in CATALOG if FORM in CATALOG[code].formats]
LISTS = "https://city.example/s/"


@cache
def reader():
    return World(at=AT).identity


class Town:
    """An agency that is a ``did:key``, which signs its status lists too; a wallet; a bank."""

    def __init__(self, code):
        self.code, self.policy = code, policy_for(CATALOG[code])
        self.key, self.tuf = SoftwareSigner.generate(), SoftwareSigner.generate()
        self.id, end = did_key(self.key.public_key), AT + 7300 * DAY
        self.more = {FORM: LdpVc}
        profile = IssuerProfile(
            id=self.id,
            signer=self.key,
            bare=BareKey(
                key=self.key.public_key,
                did_url=f"{self.id}#{self.id.removeprefix('did:key:')}",
                valid_from=int((AT - DAY).timestamp()),
                valid_until=int(end.timestamp()),
            ),
            formats=(FORM,),
            status_uri=LISTS,
            copies=2,
        )
        self.issuer = Issuer(profile, records=SampleRecords(CATALOG), catalog=CATALOG, more_formats=self.more)
        self.root_file = new_root(
            version=1, roles=single_key(self.tuf.public_key), signers=[self.tuf], expires=AT + 3650 * DAY
        )
        self.reader = reader()
        self.version = 0
        self.wallet = Wallet(store=MemoryStore(), trust=self.bundle(), more_formats=self.more)

    def bundle(self):
        self.version += 1
        pack = PackBuilder(production=False, name={"ko": "가상 신뢰 목록", "en": "Fictitious trust list"})
        pack.add_authority(
            id=self.id,
            name=AGENCY,
            purpose=Purpose.ISSUER,
            anchors=[],
            signers=[],
            types=CODES,
            status_uris=[LISTS],
            valid_from=AT - DAY,
            valid_until=AT + 7300 * DAY,
            test=True,
        )
        pack.add_reader(certificate=self.reader.chain[0], name=AGENCY, policies=[self.policy.id], test=True)
        pack.add_types(CATALOG.texts())
        pack.add_policy(self.policy.id, self.policy.source)
        for token in self.issuer.status_tokens(at=AT).values():
            pack.add_status(token)
        raw = pack.build(version=self.version, roots=[self.root_file], signers=[self.tuf], at=AT, expires=AT + 30 * DAY)
        return TrustBundle.loads(raw, root=self.root_file, seen=None)

    def receive(self):
        variant = CATALOG[self.code].variants[0].id if CATALOG[self.code].variants else None
        offer = self.issuer.offer(self.code, subject="sample", variant=variant, at=AT)
        return self.wallet.receive(offer, at=AT)

    def ask(self):
        """The verdict on an answer that was taken from pictures."""
        trust = self.bundle()
        self.wallet.trust = trust
        desk = Verifier(trust, self.reader)
        request = desk.request(self.policy, freshness=Challenge(), at=AT, formats=(FORM,))
        asked = self.wallet.match(request, at=AT)
        self.shown_always = {one.path.parts[0] for many in asked.candidates.values() for one in many[0].always}
        codes = qr.encode(self.wallet.present(asked.approve(), at=AT))
        answer = Presentation.parse(qr.decode(text for code in codes for text in qr.read_image(code.png())))
        return desk.verify(answer, request=request, at=AT)


@pytest.mark.parametrize("code", CODES)
def test_every_type_that_may_be_so_goes_the_whole_way(code):
    town = Town(code)
    (held,) = town.receive()
    assert (held.total, list(held.formats)) == (2, [FORM])
    result = town.ask()
    assert result.outcome is Outcome.ACCEPTED, result.reasons
    assert set(result.claims[code]) == town.shown_always, "it shows everything, and the person was told"


def test_it_is_revoked_like_any_other():
    town = Town("edu.graduation")
    (held,) = town.receive()
    trust = town.wallet.trust
    town.issuer.revoke(held.credential_id, reason="reissued", at=AT)
    result = town.ask()
    assert {reason.code for reason in result.reasons} == {ReasonCode.REVOKED}
    assert trust.status_list(f"{LISTS}1") is None


def test_nobody_has_it_without_choosing_it():
    assert FORM not in FORMATS
    town = Town("edu.graduation")
    with pytest.raises(ValueError, match="unknown format"):
        Issuer(town.issuer._profile, records=SampleRecords(CATALOG), catalog=CATALOG)
    plain = Wallet(store=MemoryStore(), trust=town.wallet.trust)
    with pytest.raises(RefusedError) as refused:
        plain.receive(town.issuer.offer("edu.graduation", subject="sample", at=AT), at=AT)
    assert refused.value.code is ReasonCode.FORMAT_NOT_ACCEPTED
