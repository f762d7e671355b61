"""What a security review found, each named for what it prevents."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.desk import AGENCY, AGENCY_NAME, AT, DAY, FORMATS, Challenge, Desk, codes
from vcred.claims import ClaimPath
from vcred.dcql import DcqlQuery
from vcred.errors import BundleRollback, ConsentError
from vcred.keys import SoftwareSigner
from vcred.policy.model import Address
from vcred.policy.presented import PresentedCertificate, same_place
from vcred.policy.rules import Manual, Relation, SamePerson
from vcred.presentation import Presentation, sign_request
from vcred.reasons import Outcome
from vcred.testing import World
from vcred.trust import Purpose, TrustBundle
from vcred.trust.publish import PackBuilder
from vcred.trust.seen import ROLES, RoleSeen, SeenState
from verifier import VerificationPolicy
from verifier.policy import preset_ids
from wallet.consent import _APPROVED, Asker, Consent, Plan, redeem


@pytest.fixture(scope="module")
def desk():
    return Desk()


def test_vp_08_two_people_do_not_share_one_slot_by_answering_in_two_formats(desk):
    verifier = desk.verifier()
    policy = VerificationPolicy.preset("bank.address-change")
    request = verifier.request(policy, freshness=Challenge(), at=AT, formats=FORMATS)
    other = SoftwareSigner.generate()
    cwt = desk.certificate("resident.personal", "sd-cwt")
    jwt = desk.certificate("resident.personal", "dc+sd-jwt", holder=other, change={"name": "이나래"})
    one = desk.present(request, {"residence-1": ("sd-cwt", cwt)})
    two = desk.present(request, {"residence-2": ("dc+sd-jwt", jwt)}, signer=other)
    result = verifier.verify(Presentation(tokens={**one.tokens, **two.tokens}), request=request, at=AT)
    assert result.outcome is Outcome.REJECTED
    assert codes(result) == {"dcql"}


def test_vp_08_two_people_do_not_share_one_slot_by_answering_both_alternatives(desk):
    verifier = desk.verifier()
    policy = VerificationPolicy.preset("bank.address-change")
    request = verifier.request(policy, freshness=Challenge(), at=AT)
    other = SoftwareSigner.generate()
    personal = desk.certificate("resident.personal")
    household = desk.certificate("resident.household", holder=other, options={"names": True})
    one = desk.present(request, {"residence-1": ("sd-cwt", personal)})
    two = desk.present(request, {"residence-2": ("sd-cwt", household)}, signer=other)
    result = verifier.verify(Presentation(tokens={**one.tokens, **two.tokens}), request=request, at=AT)
    assert result.outcome is Outcome.REJECTED
    assert codes(result) == {"dcql"}


def pack(desk, version):
    builder = PackBuilder(production=True, name={"ko": "시험 목록", "en": "Test list"})
    builder.add_authority(
        id=AGENCY,
        name=AGENCY_NAME,
        purpose=Purpose.ISSUER,
        anchors=[desk.root],
        signers=[[desk.signer]],
        types=["resident.personal"],
        status_uris=[],
        valid_from=AT - 400 * DAY,
        valid_until=AT + 3000 * DAY,
        test=False,
    )
    builder.add_types(desk.catalog.texts())
    return builder.build(
        version=version, roots=[desk.tuf_root], signers=[desk.tuf_key], at=AT - DAY, expires=AT + 90 * DAY
    )


def test_tf_01_a_process_with_an_older_bundle_does_not_open_the_way_back_to_it(desk, tmp_path):
    path, root, old = tmp_path / "bundle", tmp_path / "root", pack(desk, 1)
    root.write_bytes(desk.tuf_root)
    path.write_bytes(old)
    still_running = TrustBundle.load(path, root=root)
    path.write_bytes(pack(desk, 2))
    newer = TrustBundle.load(path, root=root)
    newer.observe(AT + 3 * DAY)
    still_running.observe(AT)
    path.write_bytes(old)
    with pytest.raises(BundleRollback):
        TrustBundle.load(path, root=root)
    assert still_running.seen.last_seen == int((AT + 3 * DAY).timestamp())


def seen(version, *, root=1, keys=("a",)):
    return {role: RoleSeen(version=root if role == "root" else version, sha256="0" * 64, keys=keys) for role in ROLES}


def test_tf_07_joining_memories_keeps_the_recovery_from_a_fast_forward():
    stolen = SeenState(roles=seen(2**31 - 1), last_seen=5)
    recovered = SeenState(roles=seen(8, root=2, keys=("b",)), last_seen=4)
    for joined in (stolen.joined(recovered), recovered.joined(stolen)):
        assert joined.roles["targets"].version == 8
        assert joined.last_seen == 5
    ahead, behind = SeenState(roles=seen(9)), SeenState(roles=seen(7, root=2))
    assert ahead.joined(behind).roles["targets"].version == 9
    assert SeenState().joined(ahead).roles == ahead.roles


def place(text):
    certificate = PresentedCertificate(
        code="",
        type=None,
        claims={"a": text},
        hidden_elements={},
        issuer="",
        issued_on=date(2026, 1, 1),
        format="",
    )
    (found,) = certificate.places(Address(path=ClaimPath(("a",))))
    return found


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("3층 5호", "4층 5호", False),
        ("지하 1층 5호", "1층 5호", False),
        ("가동 3층 5호", "가동 3층 5호", True),
        ("3층 301호", "301호", True),
    ],
)
def test_the_same_room_number_on_two_floors_is_not_one_address(one, other, expected):
    street = "가람특별시 새솔구 별빛로 12, "
    assert same_place(place(street + one), place(street + other)) is expected
    as_object = {"road": street.rstrip(", "), "detail": one}
    assert same_place(place(as_object), place(street + other)) is expected


def test_of_many_threads_with_one_consent_one_may_present():
    owner = object()
    for _ in range(20):
        consent = object.__new__(Consent)
        _APPROVED[consent] = Plan(
            owner=owner,
            asker=Asker(client_id="x509_hash:x", registered=False, names=None),
            nonce=bytes(16),
            one_way=False,
            expires_at=1,
            purpose="",
            retention=None,
            policy=None,
            items=(),
            reuse=False,
        )
        barrier, ends = threading.Barrier(4), []

        def run(consent=consent, barrier=barrier, ends=ends):
            barrier.wait()
            try:
                ends.append(redeem(consent, owner))
            except ConsentError:
                ends.append(None)

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ends) == 4
        assert sum(end is not None for end in ends) == 1


@pytest.mark.parametrize("preset", preset_ids())
def test_no_preset_takes_a_certificate_of_somebody_who_has_nothing_to_do_with_it(preset):
    policy = VerificationPolicy.preset(preset)
    together = {slot.id: {slot.id} for slot in policy.slots}
    for rule in policy.rules:
        if isinstance(rule, SamePerson | Relation):
            joined = set().union(*(together[slot] for slot in rule.slots))
            together |= dict.fromkeys(joined, joined)
    read_by_people = {rule.slot for rule in policy.rules if isinstance(rule, Manual) and rule.list is None}
    groups = {frozenset(group) for group in together.values() if not group <= read_by_people}
    assert len(groups) == 1


def test_qr_12_the_policy_a_stranger_names_is_shown_without_control_characters():
    world = World(at=datetime(2026, 9, 26, 3, 0, tzinfo=UTC))
    world.issue("resident.personal")
    wanted = {
        "id": "a",
        "format": "sd-cwt",
        "meta": {"vct_values": [world.catalog["resident.personal"].vct]},
        "claims": [{"path": ["name"]}],
    }
    request = sign_request(
        DcqlQuery.parse({"credentials": [wanted]}),
        client_id=world.identity.client_id,
        freshness=Challenge(),
        nonce=bytes(16),
        purpose="확인",
        policy="bank\u202e\x1b[2J",
        retention=None,
        at=world.at,
        lifetime=timedelta(seconds=100),
        signer=world.identity.signer,
        x5c=world.identity.chain,
    )
    assert world.wallet.match(request, at=world.at).policy == "bank\\u{202E}\\u{1B}[2J"


def test_a_stranger_who_saw_the_challenge_cannot_burn_it(desk):
    verifier = desk.verifier()
    request = verifier.request(VerificationPolicy.preset("bank.address-change"), freshness=Challenge(), at=AT)
    honest = desk.certificate("resident.personal")
    self_made = desk.certificate("resident.personal")
    unsigned = self_made[:-1] + bytes((self_made[-1] ^ 1,))  # the last byte is in the issuer's signature
    attack = desk.present(request, {"residence-1": ("sd-cwt", unsigned)})
    assert codes(verifier.verify(attack, request=request, at=AT)) >= {"signature"}
    answer = desk.present(request, {"residence-1": ("sd-cwt", honest)})
    assert verifier.verify(answer, request=request, at=AT)
