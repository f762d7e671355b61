"""TF, through a sync: a source that lies, as a folder and as a server. What is installed stays byte for byte."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.hostile.test_tf import ARCHIVES
from tests.sync_source import lay_out, lay_out_files, serving, signed_files
from tests.trust_town import AT, CITY, CITY_LIST, DAY, NOW, Town, refusal
from vcred.credential import StatusReference
from vcred.errors import (
    BundleExpired,
    BundleRollback,
    BundleSignature,
    TransportError,
    TrustError,
    VcredError,
)
from vcred.keys import SoftwareSigner
from vcred.status import check_status
from vcred.trust import TrustBundle
from vcred.trust.content import status_file
from vcred.trust.pack import read_pack, write_pack
from vcred.trust.publish import RoleKeys, new_root, single_key
from vcred.trust.sync import sync

HOUR = timedelta(hours=1)
FAR = AT + 3650 * DAY


@pytest.fixture(scope="module")
def town() -> Town:
    """Root and trust list are signed by two of three, the rest by one online key."""
    town = Town()
    town.root_keys, town.list_keys = ([SoftwareSigner.generate() for _ in range(3)] for _ in range(2))
    town.online = SoftwareSigner.generate()
    town.signers = [*town.root_keys[:2], *town.list_keys[:2], town.online]
    town.root = new_root(version=1, roles=roles(town), signers=town.root_keys[:2], expires=FAR)
    return town


def roles(town, **changes):
    def of(keys, threshold):
        return RoleKeys(keys=tuple(key.public_key for key in keys), threshold=threshold)

    online = of([changes.get("online", town.online)], 1)
    return {
        "root": of(changes.get("root", town.root_keys), 2),
        "targets": of(changes.get("targets", town.list_keys), 2),
        "timestamp": online,
        "snapshot": online,
    }


class Branch:
    """A terminal that syncs, and the source that it syncs from."""

    def __init__(self, folder, town, kind, server):
        self.town, self.kind, self.server = town, kind, server
        self.folder, self.home = server.folder, folder / "home"
        self.home.mkdir()
        self.bundle, self.root = self.home / "kr.trust", folder / "root.json"
        self.root.write_bytes(town.root)

    def files(self, version, *, hours=6, **changes):
        """An honest repository with a status list, as the files of a pack."""
        builder = self.town.builder()
        builder.add_status(self.town.city.status(issued_at=AT - hours * HOUR))
        usual = {"status": builder.status, "roots": [self.town.root], "signers": self.town.signers, "version": version}
        return signed_files(builder.targets(at=AT - DAY), **usual | changes)

    def offer(self, files):
        """The source has exactly ``files`` now."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        lay_out_files(files, self.folder)

    def sync(self, files=None, at=AT):
        if files is not None:
            self.offer(files)
        source = self.folder if self.kind == "folder" else self.server.url
        return sync(source, bundle=self.bundle, root=self.root, at=at)

    def state(self):
        return {path.name: path.read_bytes() for path in self.home.iterdir()}

    def refuses(self, files, error=BundleSignature, match=None):
        """A sync with ``files`` fails and leaves everything as it was; an honest one afterwards works."""
        before = self.state()
        with pytest.raises(error, match=match):
            self.sync(files)
        assert self.state() == before

    def load(self):
        return TrustBundle.load(self.bundle, root=self.root)


@pytest.fixture(params=["folder", "server"])
def branch(request, town, tmp_path):
    (tmp_path / "source").mkdir()
    with serving(tmp_path / "source") as server:
        yield Branch(tmp_path, town, request.param, server)


def renamed(files, role, raw, version):
    """``files`` with ``raw`` where the role's file of ``version`` is looked for."""
    return {name: one for name, one in files.items() if name != f"{role}.json"} | {f"{version}.{role}.json": raw}


def test_tf_01_an_old_repository(branch):
    branch.sync(branch.files(2))
    branch.refuses(branch.files(1), BundleRollback, "timestamp version 1: version 2 has been seen")
    assert branch.sync(branch.files(3)).to_version == 3


def test_tf_01_an_old_timestamp_over_a_new_repository(branch):
    old, new = branch.files(1), branch.files(2)
    branch.sync(new)
    branch.refuses(new | {"timestamp.json": old["timestamp.json"]}, VcredError)


def test_tf_01_the_same_version_with_other_content(branch):
    branch.sync(branch.files(2))
    branch.refuses(branch.files(2), BundleRollback, "other content")


@pytest.mark.parametrize("role", ["snapshot", "targets", "status"])
def test_tf_02_old_metadata_under_the_new_name(branch, role):
    old, new = branch.files(1), branch.files(2)
    branch.sync(old)
    branch.offer(new)
    (branch.folder / "metadata" / f"2.{role}.json").write_bytes(old[f"{role}.json"])
    branch.refuses(None)
    assert branch.load().version == 1
    assert branch.sync(new).to_version == 2


def test_tf_02_an_old_status_list_under_the_new_name(branch):
    old, new = branch.files(1, hours=30), branch.files(2, hours=3)
    branch.sync(old)
    branch.offer(new)
    (path,) = list(branch.folder.rglob("*.cwt"))
    path.write_bytes(old[f"targets/{status_file(CITY_LIST)}"])
    branch.refuses(None)
    assert branch.load().status_list(CITY_LIST).age(AT) == 30 * HOUR


@pytest.mark.parametrize(
    "mixed", [("snapshot",), ("targets",), ("status",), ("snapshot", "targets"), ("timestamp",), ("targets", "status")]
)
def test_tf_03_a_mix_of_two_snapshots(branch, mixed):
    branch.sync(branch.files(1))
    one, other = branch.files(5), branch.files(5, hours=1)
    branch.refuses(one | {f"{role}.json": other[f"{role}.json"] for role in mixed})


def drop_one(signatures):
    del signatures[0]


def twice(signatures):
    signatures[1] = dict(signatures[0])


def other_key_id(signatures):
    signatures[1]["sig"] = signatures[0]["sig"]


def unknown_key_id(signatures):
    signatures[1]["keyid"] = "0" * 64


FEW = [drop_one, twice, other_key_id, unknown_key_id]
FEW_IDS = ["TF-04 1 of 2", "TF-04 same twice", "TF-04 under another key id", "TF-04 unknown key id"]


@pytest.mark.parametrize("change", FEW, ids=FEW_IDS)
def test_tf_04_a_trust_list_with_too_few_signatures(branch, change):
    branch.sync(branch.files(1))

    def altered(role, raw):
        body = json.loads(raw)
        if role == "targets":
            change(body["signatures"])
        return json.dumps(body).encode()

    branch.refuses(branch.files(2, change=altered))


@pytest.mark.parametrize("change", FEW, ids=FEW_IDS)
def test_tf_04_a_root_with_too_few_signatures(branch, town, change):
    branch.sync(branch.files(1))
    second = new_root(version=2, roles=roles(town), signers=town.root_keys[:2], expires=FAR)
    body = json.loads(second)
    change(body["signatures"])
    branch.refuses(branch.files(2, roots=[town.root, second]) | {"2.root.json": json.dumps(body).encode()})


def test_tf_05_the_online_key_signs_a_trust_list(branch, town):
    branch.sync(branch.files(1))
    thief = new_root(version=1, roles=single_key(town.online.public_key), signers=[town.online], expires=FAR)
    forged = branch.files(2, roots=[thief], signers=[town.online])
    branch.refuses(forged | {"1.root.json": town.root})
    assert [one.id for one in branch.load().authorities if one.id == CITY] == [CITY]


def test_tf_05_the_status_role_signs_a_file_of_the_trust_list(branch, town):
    branch.sync(branch.files(1))

    def widened(role, raw):
        if role != "status":
            return raw
        from tuf.api.metadata import Metadata, TargetFile

        from vcred.trust import roles as tuf_roles

        metadata = Metadata.from_bytes(raw)
        metadata.signed.targets["authorities.json"] = TargetFile.from_data("authorities.json", b"{}", ["sha256"])
        metadata.signatures.clear()
        tuf_roles.add_signatures(metadata, [town.online])
        return metadata.to_bytes()

    branch.refuses(branch.files(2, change=widened) | {"targets/authorities.json": b"{}"}, TrustError)


def later_roots(town, count):
    """Roots 2, 3, ... of ``count``, each with new root keys, signed by the keys before and its own."""
    holders, found = [town.root_keys], [town.root]
    for version in range(2, count + 1):
        holders.append([SoftwareSigner.generate() for _ in range(3)])
        signers = [*holders[-2][:2], *holders[-1][:2]]
        found.append(new_root(version=version, roles=roles(town, root=holders[-1]), signers=signers, expires=FAR))
    return found


def test_tf_06_root_1_to_3_in_order(branch, town):
    branch.sync(branch.files(1))
    assert branch.sync(branch.files(2, roots=later_roots(town, 3))).to_version == 2
    assert branch.load().seen.roles["root"].version == 3


def test_tf_06_root_1_to_3_without_2(branch, town):
    branch.sync(branch.files(1))
    first, second, third = later_roots(town, 3)
    files = branch.files(2, roots=[first, second, third])
    branch.refuses(files | {"2.root.json": third})
    # As if there were no newer root: what only the third root's keys signed does not verify either.
    other = SoftwareSigner.generate()
    moved = new_root(version=3, roles=roles(town, online=other), signers=town.root_keys[:2], expires=FAR)
    files = branch.files(2, roots=[first, moved], signers=[*town.signers[:-1], other])
    branch.refuses(files)


def test_tf_06_a_source_that_withholds_the_newer_root(branch, town):
    """A terminal keeps the newest root it has seen: what only the keys of an older one signed is nothing."""
    online = SoftwareSigner.generate()
    second = new_root(version=2, roles=roles(town, online=online), signers=town.root_keys[:2], expires=FAR)
    branch.sync(branch.files(1, roots=[town.root, second], signers=[*town.signers[:-1], online]))
    branch.refuses(branch.files(9))
    assert branch.load().seen.roles["root"].version == 2
    file = branch.home.parent / "stick.trust"
    file.write_bytes(write_pack(branch.files(9)))
    with pytest.raises(BundleRollback, match="root version 1"):
        sync(file, bundle=branch.bundle, root=branch.root, at=AT)


def test_tf_07_fast_forward_recovers_after_rotation(branch, town):
    branch.sync(branch.files(2**31 - 1))
    branch.refuses(branch.files(3), BundleRollback)
    online = SoftwareSigner.generate()
    rotated = new_root(version=2, roles=roles(town, online=online), signers=town.root_keys[:2], expires=FAR)
    signers = [*town.signers[:-1], online]
    assert branch.sync(branch.files(3, roots=[town.root, rotated], signers=signers)).to_version == 3
    branch.refuses(branch.files(2, roots=[town.root, rotated], signers=signers), BundleRollback)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw + b" ",
        lambda raw: raw + bytes(40 * 1024 * 1024),
        lambda raw: raw[:-1],
        lambda raw: bytes([raw[0] ^ 1]) + raw[1:],
        lambda raw: b"",
    ],
    ids=["TF-08 a byte longer", "TF-08 much longer", "TF-08 shorter", "TF-08 tampered", "TF-08 empty"],
)
def test_tf_08_a_file_that_is_not_as_declared(branch, change):
    branch.sync(branch.files(1))
    branch.offer(branch.files(2, hours=1))
    for pattern in ("2.snapshot.json", "2.targets.json", "2.status.json", "*.cwt"):
        (path,) = branch.folder.rglob(pattern)
        raw = path.read_bytes()
        path.write_bytes(change(raw))
        branch.refuses(None)
        path.write_bytes(raw)
    assert branch.sync().to_version == 2


@pytest.mark.parametrize("name", ["timestamp.json", "2.root.json"])
def test_tf_08_metadata_without_a_declared_length(branch, name):
    branch.sync(branch.files(1))
    branch.offer(branch.files(2))
    path = branch.folder / "metadata" / name
    path.write_bytes(b" " * 2_000_000)
    branch.refuses(None, match="longer than it may be")
    for raw in (b"", b"{}", b"\xff\xfe", b'{"a":' * 3_000, b"<html>please log in</html>"):
        path.write_bytes(raw)
        branch.refuses(None)


@pytest.mark.parametrize(
    "name", ["types/../../../evil.toml", "/etc/evil.toml", "types/a\\..\\b.toml", "types/./a.toml", "types/a\0.toml"]
)
def test_tf_08_a_signed_name_that_climbs(branch, town, name, tmp_path):
    branch.sync(branch.files(1))
    files = branch.files(2)
    signed = signed_files(
        town.builder().targets(at=AT) | {name: b"evil"}, roots=[town.root], signers=town.signers, version=2
    )
    metadata = {one: raw for one, raw in signed.items() if not one.startswith("targets/")}
    branch.refuses(files | metadata, TrustError)
    assert not list(tmp_path.rglob("evil*"))


def test_tf_09_the_clock_is_set_back_400_days_after_a_good_sync(branch):
    assert branch.sync(branch.files(1, at=AT - 500 * DAY)).clock_behind is None
    assert refusal(lambda: branch.load().check_time(AT - 400 * DAY)) == "clock"
    report = branch.sync(branch.files(2, at=AT - 450 * DAY), at=AT - 400 * DAY)
    assert (report.to_version, report.clock_behind) == (2, 400 * 86400)
    assert refusal(lambda: branch.load().check_time(AT - 400 * DAY)) == "clock"
    branch.load().check_time(AT)


def test_tf_09_a_clock_that_was_never_right_is_noticed_by_the_first_sync(branch):
    report = branch.sync(branch.files(1, at=AT - HOUR), at=AT - 30 * DAY)
    assert report.clock_behind == 30 * 86400 - 3600
    assert refusal(lambda: branch.load().check_time(AT - 30 * DAY)) == "clock"
    assert branch.load().seen.last_seen is None


def test_tf_10_a_clock_three_days_ahead(branch):
    branch.sync(branch.files(1))
    snapshot, reference = branch.load().status_list(CITY_LIST), StatusReference(uri=CITY_LIST, index=3)
    assert check_status(reference, snapshot, max_age=DAY, at=AT).value == 0
    assert refusal(lambda: check_status(reference, snapshot, max_age=DAY, at=AT + 3 * DAY)) == "stale"
    assert branch.sync(branch.files(2), at=AT + 3 * DAY).to_version == 2
    assert branch.load().seen.last_seen == NOW + 3 * 86400
    assert refusal(lambda: branch.load().check_time(AT)) == "clock"


def test_a_source_that_stands_still_is_found_out_when_it_expires(branch):
    """Nobody can forge, but somebody can hold back: until what he holds back is over."""
    branch.sync(branch.files(1, expires=AT + 7 * DAY))
    assert not branch.sync(at=AT + 6 * DAY).replaced
    with pytest.raises(BundleExpired):
        branch.sync(at=AT + 7 * DAY)
    assert branch.load().version == 1
    assert refusal(lambda: branch.load().check_time(AT + 7 * DAY)) == "bundle_expired"


def test_a_portal_that_answers_everything_with_its_own_page(branch):
    branch.sync(branch.files(1))
    branch.offer(branch.files(2))
    for path in (branch.folder / "metadata").glob("*.json"):
        path.write_bytes(b"<html>please log in</html>")
    branch.refuses(None)
    assert branch.sync(branch.files(2)).to_version == 2


def test_a_source_that_breaks_off_anywhere(branch):
    """Every file missing in turn: nothing changes, and the honest source afterwards works."""
    files = branch.files(2, hours=1)
    branch.sync(branch.files(1))
    branch.offer(files)
    for path in sorted(branch.folder.rglob("*.*")):
        if path.name == "1.root.json" or "authorities" in path.name or "meta.json" in path.name:
            continue
        raw = path.read_bytes()
        path.unlink()
        branch.refuses(None, TransportError)
        path.write_bytes(raw)
    assert branch.sync().to_version == 2


@pytest.fixture
def stick(town, tmp_path):
    (tmp_path / "source").mkdir()
    with serving(tmp_path / "source") as server:
        yield Branch(tmp_path, town, "folder", server)


def test_tf_12_links_on_a_stick(stick, tmp_path):
    stick.sync(stick.files(1))
    stick.offer(stick.files(2))
    outside = tmp_path / "outside"
    for path in sorted((stick.folder / "metadata").iterdir()):
        if path.name == "1.root.json":
            continue
        path.rename(outside)
        path.symlink_to(outside)
        stick.refuses(None, TransportError, "a link")
        path.unlink()
        outside.rename(path)
    assert stick.sync().to_version == 2


@pytest.mark.parametrize("raw", ARCHIVES.values(), ids=ARCHIVES)
def test_tf_12_archive_on_a_stick(stick, tmp_path, raw):
    file = tmp_path / "stick.trust"
    file.write_bytes(write_pack(stick.files(1)))
    usual = {"bundle": stick.bundle, "root": stick.root, "at": AT}
    sync(file, **usual)
    before, around = stick.state(), sorted(tmp_path.rglob("*"))
    file.write_bytes(raw)
    with pytest.raises(TrustError, match="archive"):
        sync(file, **usual)
    assert stick.state() == before
    assert sorted(tmp_path.rglob("*")) == around
    assert stick.load().version == 1


def test_tf_12_every_file_of_an_archive_left_out_or_edited(stick, tmp_path):
    file, usual = tmp_path / "stick.trust", {"bundle": stick.bundle, "root": stick.root, "at": AT}
    files = stick.files(2)
    file.write_bytes(write_pack(stick.files(1)))
    sync(file, **usual)
    before = stick.state()
    for name, raw in files.items():
        for changed in ({name: bytes([raw[0] ^ 1]) + raw[1:]}, {name: raw + b" "}, None):
            if (name, changed is None) == ("1.root.json", True):
                continue  # it is pinned
            if (name, changed) == ("timestamp.json", {name: raw + b" "}):
                continue  # blanks around what is signed, in the one file that no other one counts
            rest = {one: content for one, content in files.items() if one != name}
            file.write_bytes(write_pack(rest | (changed or {})))
            with pytest.raises(TrustError):
                sync(file, **usual)
            assert stick.state() == before
    file.write_bytes(write_pack(files))
    assert sync(file, **usual).to_version == 2
    assert read_pack(stick.bundle.read_bytes()) == files
    lay_out(write_pack(stick.files(1)), stick.folder)
    with pytest.raises(BundleRollback):
        stick.sync()
