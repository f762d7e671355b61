"""The operator's repository: keys 2 of 3, signatures from other machines, an online key that publishes status only."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import warnings
from dataclasses import replace
from datetime import timedelta

import pytest
from tuf.api.metadata import TargetFile

from tests.trust_town import AT, CITY, CITY_LIST, CITY_TYPE, COURT_LIST, DAY, Agency, Town, refusal, resolve
from vcred.errors import BundleRollback, Locked, TrustError
from vcred.keys import SoftwareSigner
from vcred.trust import SeenState, TrustBundle, Withdrawal, WithdrawalReason
from vcred.trust.ceremony import detached
from vcred.trust.publish import PackBuilder
from vcred.trust.repository import Lifetimes, Repository
from vcred.trust.roles import RoleKeys, read_metadata, targets_metadata


def keys(count: int) -> list[SoftwareSigner]:
    return [SoftwareSigner.generate() for _ in range(count)]


def two_of(signers: list[SoftwareSigner]) -> RoleKeys:
    return RoleKeys(keys=tuple(each.public_key for each in signers), threshold=2)


def one(signer: SoftwareSigner) -> RoleKeys:
    return RoleKeys(keys=(signer.public_key,), threshold=1)


class Ministry:
    """A trust operator with three root officers, three list officers and an online key."""

    def __init__(self, folder, town: Town, *, at=AT) -> None:
        self.town, self.folder = town, folder
        self.root, self.list, self.online = keys(3), keys(3), SoftwareSigner.generate()
        self.repository = Repository.create(
            folder,
            name={"ko": "시험 목록", "en": "Test list"},
            production=True,
            roles=self.roles(),
            lifetimes=Lifetimes(),
            at=at,
        )

    def roles(self, **changes):
        return {"root": two_of(self.root), "targets": two_of(self.list), "online": one(self.online)} | changes

    def sign(self, *signers):
        for signer in signers:
            self.repository.sign(signer)

    def publish(self, *status, at=AT, online=None):
        return self.repository.publish([online or self.online], status=status, at=at)

    def terminal(self, seen: SeenState | None = None) -> TrustBundle:
        root = self.repository.first_root.read_bytes()
        return TrustBundle.loads(self.repository.bundle_file.read_bytes(), root=root, seen=seen)


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


@pytest.fixture
def ministry(town, tmp_path) -> Ministry:
    made = Ministry(tmp_path / "ministry", town)
    made.repository.stage(town.builder(), at=AT)
    made.sign(*made.root[:2], *made.list[:2])
    return made


def test_nothing_is_published_below_the_thresholds(town, tmp_path):
    ministry = Ministry(tmp_path, town)
    with pytest.raises(TrustError, match="root 1 has 0 of 2"):
        ministry.publish()
    ministry.repository.stage(town.builder(), at=AT)
    ministry.sign(ministry.root[0], ministry.root[0], ministry.list[0], ministry.list[1])
    with pytest.raises(TrustError, match="root 1 has 1 of 2 by root 1"):
        ministry.publish()
    assert not ministry.repository.bundle_file.exists()
    ministry.sign(ministry.root[2])
    assert ministry.publish().version == 1
    assert ministry.repository.staged() == ()


def test_what_was_published_is_a_bundle(ministry, town):
    published = ministry.publish(town.city.status())
    bundle = ministry.terminal()
    assert (published.version, published.list_version, published.root_version, published.waiting) == (1, 1, 1, ())
    assert bundle.status_uris == (CITY_LIST,)
    assert bundle.signed_at == bundle.listed_at == AT
    assert bundle.expires_at == AT + 35 * DAY
    assert resolve(bundle, x5c=(town.city.signer,)).authority.id == CITY


def test_the_online_key_publishes_status_without_the_officers(ministry, town):
    ministry.publish(town.city.status())
    seen = ministry.terminal().seen
    later = AT + DAY
    published = ministry.publish(town.city.status({5: 1}, issued_at=later), at=later)
    assert (published.version, published.list_version) == (2, 1)
    bundle = ministry.terminal(seen)
    assert bundle.signed_at == later
    assert bundle.listed_at == AT
    assert bundle.status_list(CITY_LIST).status_list.get(5) == 1


def test_lists_that_are_not_given_again_are_kept_and_older_ones_not_taken(ministry, town):
    ministry.publish(town.city.status({5: 1}), town.court.status())
    published = ministry.publish(town.city.status(issued_at=AT - 9 * DAY), at=AT + DAY)
    assert [one.why for one in published.left_out] == ["a newer one is published already"]
    bundle = ministry.terminal()
    assert bundle.status_uris == (COURT_LIST, CITY_LIST)
    assert bundle.status_list(CITY_LIST).status_list.get(5) == 1


def test_a_status_list_no_terminal_would_take_is_not_published(ministry, town):
    published = ministry.publish(town.city.status(key=SoftwareSigner.generate()), town.court.status())
    ((uri, why, kept),) = ((one.uri, one.why, one.kept) for one in published.left_out)
    assert (uri, kept) == (CITY_LIST, False)
    assert why.startswith("status_signature")
    assert ministry.terminal().status_uris == (COURT_LIST,)


def test_one_authoritys_bad_list_does_not_keep_anothers_news_back(ministry, town):
    ministry.publish(town.city.status({5: 1}), town.court.status())
    later = AT + DAY
    published = ministry.publish(
        town.city.status(issued_at=later + DAY), town.court.status({7: 1}, issued_at=later), at=later
    )
    assert [(one.uri, one.why, one.kept) for one in published.left_out] == [(CITY_LIST, "it is from the future", True)]
    bundle = ministry.terminal()
    assert bundle.status_list(COURT_LIST).status_list.get(7) == 1
    assert bundle.status_list(CITY_LIST).status_list.get(5) == 1


def test_tf_05_the_online_key_cannot_sign_a_list(ministry, town):
    ministry.publish()
    before = ministry.terminal()
    ministry.repository.stage(PackBuilder(production=True, name={"ko": "가", "en": "x"}), at=AT + DAY)
    assert ministry.repository.sign(ministry.online) == []
    with pytest.raises(TrustError, match="not one that signs targets"):
        detached(ministry.repository.staged()[0], ministry.online)
    published = ministry.publish(at=AT + DAY)
    assert [each.role for each in published.waiting] == ["targets"]
    assert ministry.terminal(before.seen).authorities == before.authorities


def test_a_publication_goes_on_while_a_ceremony_waits(ministry, town):
    ministry.publish()
    ministry.repository.stage(town.builder(city={"types": ["resident.personal"]}), at=AT + DAY)
    ministry.sign(ministry.list[0])
    waiting = ministry.publish(town.city.status(), at=AT + DAY).waiting
    assert [(each.version, [demand.met for demand in each.demands]) for each in waiting] == [(2, [False])]
    assert refusal(lambda: resolve(ministry.terminal(), code="resident.personal", x5c=(town.city.signer,))) == "scope"
    ministry.sign(ministry.list[2])
    assert ministry.publish(at=AT + 2 * DAY).list_version == 2
    assert resolve(ministry.terminal(), code="resident.personal", x5c=(town.city.signer,)).test is False


def test_the_same_content_is_not_staged_again(ministry, town):
    assert not ministry.repository.stage(town.builder(), at=AT)
    ministry.publish()
    assert not ministry.repository.stage(town.builder(), at=AT + 30 * DAY)
    assert ministry.repository.stage(town.builder(), at=AT + 310 * DAY)


def test_what_waits_is_given_up_and_its_number_is_not_used_again(ministry, town):
    ministry.publish()
    ministry.repository.stage(town.builder(city={"types": ["resident.personal"]}), at=AT)
    ministry.sign(ministry.list[0])
    assert ministry.repository.unstage() == ["targets"]
    assert ministry.repository.staged() == ()
    ministry.repository.stage(town.builder(city={"types": ["family.basic"]}), at=AT)
    assert ministry.repository.staged()[0].version == 3
    ministry.repository.unstage()
    ministry.repository.rotate(ministry.roles(), at=AT)
    ministry.sign(*ministry.root)
    with pytest.raises(TrustError, match="publish it"):
        ministry.repository.unstage()


def test_a_list_changed_after_a_signature_needs_new_ones(ministry, town):
    ministry.repository.stage(town.builder(city={"types": ["resident.personal"]}), at=AT)
    (_, staged) = ministry.repository.staged()
    assert (staged.version, staged.complete) == (2, False)
    with pytest.raises(TrustError, match="targets 2 has 0 of 2"):
        ministry.publish()


def test_signatures_come_from_other_machines(town, tmp_path):
    ministry = Ministry(tmp_path, town)
    ministry.repository.stage(town.builder(), at=AT)
    for role, signers in (("root", ministry.root[1:]), ("targets", ministry.list[1:])):
        for signer in signers:
            staged = next(each for each in Repository(tmp_path).staged() if each.role == role)
            assert ministry.repository.attach(detached(staged, signer)) == role
    assert ministry.publish().version == 1


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "0" * 64},
        {"version": 2},
        {"role": "targets"},
        {"keyid": "0" * 64},
        {"signature": "3045" + "00" * 69},
        {"signature": "zz"},
        {"format": "vcred-signature-2"},
        {"more": 1},
        {"version": "1"},
    ],
)
def test_a_detached_signature_that_does_not_count(town, tmp_path, change):
    ministry = Ministry(tmp_path, town)
    made = json.loads(detached(ministry.repository.staged()[0], ministry.root[0]))
    with pytest.raises(TrustError):
        ministry.repository.attach(json.dumps(made | change).encode())
    assert ministry.repository.staged()[0].demands[0].signed == ()


def test_a_signature_of_another_officers_key(town, tmp_path):
    ministry = Ministry(tmp_path, town)
    made = json.loads(detached(ministry.repository.staged()[0], ministry.root[0]))
    other = json.loads(detached(ministry.repository.staged()[0], ministry.root[1]))
    with pytest.raises(TrustError, match="does not verify"):
        ministry.repository.attach(json.dumps(made | {"keyid": other["keyid"]}).encode())


def test_a_root_officer_is_replaced(ministry, town):
    ministry.publish()
    seen = ministry.terminal().seen
    new = SoftwareSigner.generate()
    ministry.repository.rotate(ministry.roles(root=two_of([*ministry.root[:2], new])), at=AT + DAY)
    ministry.sign(ministry.root[0], new, *ministry.list[:2])
    root, _ = ministry.repository.staged()
    assert [(demand.by, len(demand.signed)) for demand in root.demands] == [("root 2", 2), ("root 1", 1)]
    assert ministry.publish(at=AT + DAY).root_version == 1
    ministry.sign(ministry.root[1])
    assert ministry.publish(at=AT + 2 * DAY).root_version == 2
    assert ministry.terminal(seen).seen.roles["root"].version == 2
    assert {role.threshold for role in ministry.repository.roles().values()} == {2, 1}


def test_a_root_is_staged_anew_until_it_is_complete(ministry):
    ministry.publish()
    extra = SoftwareSigner.generate()
    ministry.repository.rotate(ministry.roles(root=two_of([*ministry.root, extra])), at=AT)
    ministry.sign(ministry.root[0])
    ministry.repository.rotate(ministry.roles(), at=AT)
    root = ministry.repository.staged()[0]
    assert (root.version, [len(demand.signed) for demand in root.demands]) == (2, [0, 0])
    ministry.sign(*ministry.root[:2])
    with pytest.raises(TrustError, match="publish it first"):
        ministry.repository.rotate(ministry.roles(), at=AT)


def test_tf_07_the_online_key_is_stolen_fast_forwards_and_is_rotated(ministry, town):
    ministry.publish(town.city.status({5: 1}))
    forward = ministry.folder / f"published/metadata/{2**31 - 2}.snapshot.json"
    forward.touch()
    ministry.publish(at=AT + DAY)
    forward.unlink()
    seen = ministry.terminal().seen
    assert seen.roles["timestamp"].version == 2**31 - 1
    new = SoftwareSigner.generate()
    ministry.repository.rotate(ministry.roles(online=one(new)), at=AT + 2 * DAY)
    assert [each.role for each in ministry.repository.staged()] == ["root", "targets"]
    ministry.sign(*ministry.root[1:], *ministry.list[1:])
    with pytest.raises(TrustError, match="too few"):
        ministry.publish(at=AT + 2 * DAY)
    ministry.publish(at=AT + 2 * DAY, online=new)
    bundle = ministry.terminal(seen)
    assert bundle.status_list(CITY_LIST).status_list.get(5) == 1
    with pytest.raises(BundleRollback):
        ministry.terminal(bundle.seen.accept({**bundle.seen.roles} | _higher(bundle.seen)))


def _higher(seen: SeenState):
    role = seen.roles["timestamp"]
    return {"timestamp": replace(role, version=role.version + 1)}


def test_a_leaked_document_signer_is_withdrawn_and_its_lists_are_dropped(ministry, town):
    city = town.city
    ministry.publish(city.status(key=city.key), town.court.status())
    assert resolve(ministry.terminal(), x5c=(city.signer,)).test is False
    gone = Withdrawal(kid=city.key.public_key.kid, at=int(AT.timestamp()), reason=WithdrawalReason.COMPROMISED)
    ministry.repository.stage(town.builder(city={"withdrawn": [gone]}), at=AT + DAY)
    ministry.sign(*ministry.list[:2])
    published = ministry.publish(at=AT + DAY)
    assert [(one.uri, one.kept) for one in published.left_out] == [(CITY_LIST, False)]
    bundle = ministry.terminal()
    assert refusal(lambda: resolve(bundle, x5c=(city.signer,))) == "key_withdrawn"
    assert bundle.status_uris == (COURT_LIST,)
    ministry.publish(city.status(), at=AT + 2 * DAY)
    assert ministry.terminal().status_uris == (COURT_LIST, CITY_LIST)


def test_killed_at_every_write_a_publication_is_the_old_or_the_new_one(ministry, town):
    ministry.publish(town.city.status(issued_at=AT - DAY))
    seen, done = ministry.terminal().seen, False
    for step in range(1, 60):
        ministry.repository.stage(town.builder(city={"types": [f"resident.kind{step}"]}), at=AT)
        ministry.sign(*ministry.list[:2])
        done = dies_at(step, lambda: ministry.publish(town.city.status({5: 1}), at=AT))
        bundle = ministry.terminal(seen)
        assert bundle.status_list(CITY_LIST).status_list.get(5) in (0, 1)
        seen = ministry.terminal(bundle.seen).seen
        if done:
            break
    assert done
    assert step > 8
    ministry.publish(at=AT + DAY)
    assert ministry.terminal(seen).status_list(CITY_LIST).status_list.get(5) == 1


def dies_at(step: int, work) -> bool:
    """Whether ``work`` ended in a process that is killed at its ``step``-th fsync."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside the test runner's threads
        child = os.fork()
    if child == 0:
        count, fsync = iter(range(1, 1000)), os.fsync

        def counted(handle):
            if next(count) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            fsync(handle)

        os.fsync = counted
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return status == 0


def test_old_status_lists_do_not_pile_up(ministry, town):
    for day in range(12):
        at = AT + day * DAY
        ministry.publish(town.city.status(issued_at=at), at=at)
    status = list((ministry.folder / "published/targets/status").iterdir())
    assert len(status) == 7
    assert ministry.terminal().status_list(CITY_LIST).issued_at == int((AT + 11 * DAY).timestamp())


def test_one_at_a_time(ministry):
    from vcred._files import alone

    with alone(ministry.folder), pytest.raises(Locked):
        ministry.publish()


def test_wrong_roles_and_folders(town, tmp_path):
    officer = SoftwareSigner.generate().public_key
    for threshold in (0, 2):
        with pytest.raises(ValueError, match="cannot sign"):
            Repository.create(
                tmp_path / "x",
                name={"ko": "가", "en": "x"},
                production=False,
                roles=dict.fromkeys(("root", "targets", "online"), RoleKeys(keys=(officer,), threshold=threshold)),
                lifetimes=Lifetimes(),
                at=AT,
            )
    with pytest.raises(TrustError, match="not a trust repository"):
        Repository(tmp_path)
    ministry = Ministry(tmp_path / "y", town)
    with pytest.raises(TrustError, match="already"):
        Ministry(tmp_path / "y", town)
    with pytest.raises(TrustError, match="nothing was published"):
        ministry.repository.rotate(ministry.roles(), at=AT)
    (tmp_path / "y/repository.json").write_bytes(b'{"format":1}')
    with pytest.raises(TrustError):
        Repository(tmp_path / "y")


def test_an_expired_publication_says_so(ministry):
    ministry.publish()
    assert refusal(lambda: ministry.terminal().check_time(AT + 36 * DAY)) == "bundle_expired"
    ministry.publish(at=AT + 36 * DAY)
    ministry.terminal().check_time(AT + 37 * DAY + timedelta(hours=1))


def rogue(town) -> dict[str, bytes]:
    """The trust list with an authority of a thief's."""
    thief = Agency("https://thief.example/issuer", {"ko": "도둑 (가상)", "en": "Thief (fictitious)"}, CITY_TYPE, "")
    builder = town.builder()
    builder.add_authority(**thief.entry(status_uris=[]))
    return builder.targets(at=AT)


def swapped(folder, part, wanted) -> bytes:
    """The authorities below ``part`` that ``wanted`` replaces there; its name still has the hash of the old ones."""
    (file,) = (folder / part).glob("*.authorities.json")
    before = file.read_bytes()
    file.write_bytes(wanted)
    return before


def test_tf_08_an_officer_is_not_shown_other_content_than_what_is_signed(ministry, town):
    """A thief at the folder stages a list, and shows an innocent one under its hash while officers look and sign."""
    ministry.publish()
    good = ministry.repository.published_files()
    wanted, root = rogue(town), read_metadata(ministry.repository._shelf.root()).signed
    staged = targets_metadata(wanted, version=2, root=root, expires=AT + 300 * DAY)
    ministry.repository._shelf.stage("targets", bytes(staged.to_bytes()), wanted)
    swapped(ministry.folder, "staged/files", good["authorities.json"])
    with pytest.raises(TrustError, match=r"authorities.json: not what was signed"):
        ministry.repository.staged_files()


def test_tf_08_what_is_published_is_compared_only_if_it_is_what_officers_signed(ministry, town):
    """Else a thief puts his line where officers look for what was there before, and they see no change."""
    ministry.publish()
    good = swapped(ministry.folder, "published/targets", rogue(town)["authorities.json"])
    with pytest.raises(TrustError, match=r"authorities.json: not what was signed"):
        ministry.repository.published_files()
    swapped(ministry.folder, "published/targets", good)
    listed = ministry.folder / "published/metadata/1.targets.json"
    kept = listed.read_bytes()
    forged = json.loads(kept)
    forged["signed"]["targets"].pop("meta.json")
    listed.write_bytes(json.dumps(forged).encode())
    with pytest.raises(TrustError, match="the published trust list is not what officers signed"):
        ministry.repository.published_files()
    listed.write_bytes(kept)
    assert ministry.repository.published_files().keys() == {"authorities.json", "meta.json"}


def test_a_damaged_published_file_is_put_right_by_the_next_publication(ministry):
    ministry.publish()
    files = ministry.repository.published_files()
    ministry.repository._shelf.stage("targets", ministry.repository._shelf.published("targets"), files)
    swapped(ministry.folder, "published/targets", b"{}")
    ministry.publish(at=AT + DAY)
    (file,) = (ministry.folder / "published/targets").glob("*.authorities.json")
    assert file.read_bytes() == files["authorities.json"]


def test_a_name_with_dots_in_a_staged_list_is_not_a_path(ministry, town, tmp_path):
    ministry.publish()
    digest = hashlib.sha256(b"x").hexdigest()
    (tmp_path / f"{digest}.secret").write_bytes(b"x")
    wanted, root = rogue(town), read_metadata(ministry.repository._shelf.root()).signed
    staged = targets_metadata(wanted, version=2, root=root, expires=AT + 300 * DAY)
    staged.signed.targets["../../../secret"] = TargetFile.from_data("../../../secret", b"x", ["sha256"])
    ministry.repository._shelf.stage("targets", bytes(staged.to_bytes()), wanted)
    with pytest.raises(TrustError, match="not plain and relative"):
        ministry.repository.staged_files()


def test_a_signature_more_after_a_crash_does_not_stop_publications(ministry, town):
    """The list got its number's name and the process died; then a third officer signed."""
    ministry.publish()
    ministry.repository.stage(town.builder(city={"types": ["resident.personal"]}), at=AT)
    ministry.sign(*ministry.list[:2])
    half = ministry.repository.staged()[0].to_bytes()
    (ministry.folder / "published/metadata/2.targets.json").write_bytes(half)
    ministry.sign(ministry.list[2])
    assert ministry.publish(at=AT + DAY).list_version == 2
    ministry.repository.stage(town.builder(), at=AT)
    ministry.sign(*ministry.list)
    (ministry.folder / "published/metadata/3.targets.json").write_bytes(half)
    with pytest.raises(TrustError, match="another one of this number"):
        ministry.publish(at=AT + DAY)


def test_what_was_seen_is_what_is_signed(ministry, town):
    """Between an officer's look and the signature the folder may change."""
    ministry.publish()
    ministry.repository.stage(town.builder(city={"types": ["resident.personal"]}), at=AT)
    seen = [each.digest for each in ministry.repository.staged()]
    ministry.repository.stage(town.builder(court={"types": ["resident.personal"]}), at=AT)
    with pytest.raises(TrustError, match="what is staged has changed"):
        ministry.repository.sign(ministry.list[0], shown=seen)
    assert ministry.repository.staged()[0].demands[0].signed == ()


def test_st_13_a_list_signed_in_the_same_second_as_the_last_one_is_published(ministry, town):
    """It was given later: a revocation in it must not wait for the next signing."""
    ministry.publish(town.city.status())
    ministry.publish(town.city.status({5: 1}), at=AT + DAY)
    assert ministry.terminal().status_list(CITY_LIST).status_list.get(5) == 1
