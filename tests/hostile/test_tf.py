"""TF: hostile bundles and clocks (threats.md), as far as a single-file bundle has them."""

from __future__ import annotations

import contextlib
import io
import json
import stat
import struct
import zipfile
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trust_town import AT, CITY_LIST, DAY, Town, refusal
from vcred.credential import StatusReference
from vcred.errors import BundleExpired, BundleRollback, BundleSignature, MalformedError, TrustError
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode
from vcred.status import check_status
from vcred.trust import SeenState, TrustBundle
from vcred.trust.content import status_file
from vcred.trust.pack import MAX_FILES, read_pack, write_pack
from vcred.trust.publish import RoleKeys, new_root, single_key
from vcred.trust.roles import add_signatures

FAR = AT + 3650 * DAY


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


def loads(town, raw, seen=None):
    return TrustBundle.loads(raw, root=town.root, seen=seen)


def test_tf_01_old_timestamp(town):
    old, new = town.pack(version=1), town.pack(version=2)
    seen = loads(town, new, loads(town, old).seen).seen
    with pytest.raises(BundleRollback, match="timestamp version 1"):
        loads(town, old, seen)


def test_tf_01_same_version_with_other_content(town):
    seen = loads(town, town.pack(version=2)).seen
    with pytest.raises(BundleRollback, match="other content"):
        loads(town, town.pack(version=2), seen)


def test_tf_01_the_memory_survives_on_disk(town, tmp_path):
    path, root = tmp_path / "kr.trust", tmp_path / "root.json"
    root.write_bytes(town.root)
    path.write_bytes(town.pack(version=2))
    assert TrustBundle.load(path, root=root).version == 2
    assert TrustBundle.load(path, root=root).version == 2
    path.write_bytes(town.pack(version=1))
    with pytest.raises(BundleRollback):
        TrustBundle.load(path, root=root)


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_tf_02_one_old_role_under_the_new_name(town, role):
    old, new = (read_pack(town.pack(version=version)) for version in (1, 2))
    mixed = new | {f"{role}.json": old[f"{role}.json"]}
    with pytest.raises(BundleSignature):
        loads(town, write_pack(mixed))


def test_tf_02_old_status_file_under_the_new_name(town):
    def pack(version, hours):
        builder = town.builder()
        builder.add_status(town.city.status(issued_at=AT - timedelta(hours=hours)))
        return read_pack(town.pack(builder, version=version))

    old, new = pack(1, 30), pack(2, 3)
    name = "targets/" + status_file(CITY_LIST)
    with pytest.raises(BundleSignature):
        loads(town, write_pack(new | {name: old[name]}))


def test_tf_03_mix_of_two_snapshots(town):
    first, second = read_pack(town.pack(version=5)), read_pack(town.pack(version=5))
    for names in (["snapshot.json"], ["snapshot.json", "targets.json"], ["timestamp.json"], ["targets.json"]):
        with pytest.raises(BundleSignature):
            loads(town, write_pack(first | {name: second[name] for name in names}))


@pytest.fixture(scope="module")
def two_keys():
    one, two, all_else = (SoftwareSigner.generate() for _ in range(3))
    targets = RoleKeys(keys=(one.public_key, two.public_key), threshold=2)
    roles = single_key(all_else.public_key) | {"targets": targets}
    return one, two, all_else, new_root(version=1, roles=roles, signers=[all_else], expires=FAR)


def rewrite(raw: bytes, change) -> bytes:
    """``raw`` with ``change`` applied to the JSON of targets.json. Nothing above it is signed again."""
    files = read_pack(raw)
    body = json.loads(files["targets.json"])
    change(body)
    return write_pack(files | {"targets.json": json.dumps(body).encode()})


def signed_targets(town, two_keys, change):
    """A pack in which targets.json is changed by ``change`` after signing, and everything above is signed over it."""
    from tuf.api.metadata import Metadata, MetaFile

    one, two, all_else, root = two_keys
    raw = town.sign(town.builder().targets(at=AT), roots=[root], signers=[one, two, all_else])
    files = read_pack(raw)
    body = json.loads(files["targets.json"])
    change(body)
    files["targets.json"] = json.dumps(body).encode()

    def again(name, member, key, below):
        metadata = Metadata.from_bytes(files[name])
        meta = MetaFile.from_data(1, files[below], ["sha256"])
        if member == "meta":
            metadata.signed.meta[below] = meta
        else:
            metadata.signed.snapshot_meta = meta
        metadata.signatures.clear()
        add_signatures(metadata, [key])
        files[name] = metadata.to_bytes()

    again("snapshot.json", "meta", all_else, "targets.json")
    again("timestamp.json", "snapshot_meta", all_else, "snapshot.json")
    return write_pack(files), root


def test_tf_04_both_signatures_are_accepted(town, two_keys):
    raw, root = signed_targets(town, two_keys, lambda body: None)
    assert TrustBundle.loads(raw, root=root, seen=None).version == 1


def drop_one(body):
    del body["signatures"][0]


def twice(body):
    body["signatures"][1] = body["signatures"][0]


def other_key_id(body):
    body["signatures"][1]["sig"] = body["signatures"][0]["sig"]


def unknown_key_id(body):
    body["signatures"][1]["keyid"] = "0" * 64


@pytest.mark.parametrize(
    "change",
    [drop_one, twice, other_key_id, unknown_key_id],
    ids=["TF-04 1 of 2", "TF-04 same twice", "TF-04 under another key id", "TF-04 unknown key id"],
)
def test_tf_04_too_few_signatures(town, two_keys, change):
    raw, root = signed_targets(town, two_keys, change)
    with pytest.raises(BundleSignature):
        TrustBundle.loads(raw, root=root, seen=None)


def test_tf_04_the_publisher_does_not_make_one(town, two_keys):
    one, _, all_else, root = two_keys
    with pytest.raises(ValueError, match="too few"):
        town.sign(town.builder().targets(at=AT), roots=[root], signers=[one, all_else])


def test_tf_05_status_key_cannot_replace_the_list(town):
    kept = loads(town, town.pack(version=1))
    roots = [
        new_root(
            version=1, roles=single_key(town.city.status_key.public_key), signers=[town.city.status_key], expires=FAR
        )
    ]
    raw = town.sign(town.builder().targets(at=AT), version=2, roots=roots, signers=[town.city.status_key])
    with pytest.raises(BundleSignature):
        loads(town, raw, kept.seen)
    assert kept.seen.roles["targets"].version == 1


def chain_of_roots(town, count):
    keys = [town.key, *(SoftwareSigner.generate() for _ in range(count - 1))]
    later = [
        new_root(version=n + 1, roles=single_key(keys[n].public_key), signers=[keys[n - 1], keys[n]], expires=FAR)
        for n in range(1, count)
    ]
    return keys, [town.root, *later]


def test_tf_06_root_1_to_3_in_order(town):
    keys, roots = chain_of_roots(town, 3)
    raw = town.sign(town.builder().targets(at=AT), roots=roots, signers=[keys[2]])
    bundle = loads(town, raw)
    assert bundle.seen.roles["root"].version == 3
    assert TrustBundle.loads(raw, root=roots[2], seen=bundle.seen).version == 1


def test_tf_06_root_1_to_3_without_2(town):
    keys, roots = chain_of_roots(town, 3)
    raw = town.sign(town.builder().targets(at=AT), roots=[roots[0], roots[2]], signers=[keys[2]])
    with pytest.raises(BundleSignature, match="root 2 is missing"):
        loads(town, raw)


def test_tf_06_root_1_to_3_under_the_name_of_2(town):
    keys, roots = chain_of_roots(town, 3)
    files = read_pack(town.sign(town.builder().targets(at=AT), roots=roots, signers=[keys[2]]))
    files["2.root.json"] = files.pop("3.root.json")
    with pytest.raises(BundleSignature):
        loads(town, write_pack(files))


def test_tf_06_new_root_not_signed_by_the_old_one(town):
    thief = SoftwareSigner.generate()
    forged = new_root(version=2, roles=single_key(thief.public_key), signers=[thief], expires=FAR)
    raw = town.sign(town.builder().targets(at=AT), roots=[town.root, forged], signers=[thief])
    with pytest.raises(BundleSignature):
        loads(town, raw)


def test_tf_06_back_to_an_old_root(town):
    keys, roots = chain_of_roots(town, 2)
    seen = loads(town, town.sign(town.builder().targets(at=AT), roots=roots, signers=[keys[1]])).seen
    with pytest.raises(BundleRollback, match="root version 1"):
        loads(town, town.pack(version=9), seen)


def test_tf_07_fast_forward_recovers_after_rotation(town):
    keys, roots = chain_of_roots(town, 2)
    stolen = loads(town, town.pack(version=2**31 - 1))
    with pytest.raises(BundleRollback):
        loads(town, town.pack(version=3), stolen.seen)
    targets = town.builder().targets(at=AT)
    recovered = loads(town, town.sign(targets, version=3, roots=roots, signers=[keys[1]]), stolen.seen)
    assert recovered.version == 3
    with pytest.raises(BundleRollback):
        loads(town, town.sign(targets, version=2, roots=roots, signers=[keys[1]]), recovered.seen)


@pytest.mark.parametrize(
    "change", [lambda raw: raw + b" ", lambda raw: raw[:-1], lambda raw: bytes([raw[0] ^ 1]) + raw[1:]]
)
def test_tf_08_target_longer_shorter_or_tampered(town, change):
    files = read_pack(town.pack())
    name = "targets/authorities.json"
    with pytest.raises(BundleSignature):
        loads(town, write_pack(files | {name: change(files[name])}))


def test_tf_08_hash_changed_with_the_file(town):
    def change(body):
        body["signed"]["targets"]["authorities.json"]["length"] += 1

    with pytest.raises(BundleSignature):
        loads(town, rewrite(town.pack(), change))


def test_tf_09_clock_back_400_days_after_a_good_sync(town):
    bundle = loads(town, town.pack(at=AT - 500 * DAY))
    bundle.check_time(AT)
    bundle.observe(AT)
    assert refusal(lambda: bundle.check_time(AT - 400 * DAY)) == "clock"
    assert ReasonCode.CLOCK.outcome.value == "INDETERMINATE"
    bundle.check_time(AT - timedelta(minutes=4))


def test_tf_09_clock_before_the_bundle_was_signed(town):
    bundle = loads(town, town.pack(at=AT - DAY))
    assert refusal(lambda: bundle.check_time(AT - 400 * DAY)) == "clock"
    bundle.check_time(AT - DAY - timedelta(minutes=4))
    assert refusal(lambda: bundle.check_time(AT - DAY - timedelta(minutes=6))) == "clock"


def test_tf_09_time_the_caller_knows(town):
    bundle = loads(town, town.pack(at=AT - 500 * DAY))
    assert refusal(lambda: bundle.check_time(AT - DAY, last_seen=AT)) == "clock"


def test_tf_09_last_seen_time_survives_a_restart(town, tmp_path):
    path, root = tmp_path / "kr.trust", tmp_path / "root.json"
    root.write_bytes(town.root)
    path.write_bytes(town.pack(at=AT - 500 * DAY))
    TrustBundle.load(path, root=root).observe(AT)
    again = TrustBundle.load(path, root=root)
    assert refusal(lambda: again.check_time(AT - 400 * DAY)) == "clock"
    with pytest.raises(TrustError):
        again.require_current(AT - 400 * DAY)


def test_tf_expired_bundle_is_indeterminate_in_a_verification_and_an_error_outside(town):
    bundle = loads(town, town.pack())
    assert bundle.expires_at == AT + 90 * DAY
    bundle.check_time(AT + 90 * DAY - timedelta(seconds=1))
    assert refusal(lambda: bundle.check_time(AT + 90 * DAY)) == "bundle_expired"
    with pytest.raises(BundleExpired):
        bundle.require_current(AT + 90 * DAY)


def test_tf_expired_root_expires_the_bundle(town):
    short = new_root(version=1, roles=single_key(town.key.public_key), signers=[town.key], expires=AT + DAY)
    raw = town.sign(town.builder().targets(at=AT), roots=[short])
    bundle = TrustBundle.loads(raw, root=short, seen=None)
    assert refusal(lambda: bundle.check_time(AT + 2 * DAY)) == "bundle_expired"


def test_tf_10_clock_three_days_ahead_makes_the_status_stale(town):
    builder = town.builder()
    builder.add_status(town.city.status())
    snapshot = loads(town, town.pack(builder)).status_list(CITY_LIST)
    reference = StatusReference(uri=CITY_LIST, index=3)
    assert check_status(reference, snapshot, max_age=DAY, at=AT).value == 0
    assert refusal(lambda: check_status(reference, snapshot, max_age=DAY, at=AT + 3 * DAY)) == "stale"


def status_builder(town):
    builder = town.builder()
    builder.add_status(town.city.status())
    builder.add_policy("bank.address-change", 'id = "bank.address-change"\n')
    return builder


def test_tf_11_every_file_deleted_one_by_one(town):
    files = read_pack(town.pack(status_builder(town)))
    for name in sorted(files):
        if name == "1.root.json":
            continue
        with pytest.raises(TrustError):
            loads(town, write_pack({each: raw for each, raw in files.items() if each != name}))


def test_tf_11_every_file_edited_one_by_one(town):
    files = read_pack(town.pack(status_builder(town)))
    for name, raw in files.items():
        for position in (0, len(raw) // 2, len(raw) - 1):
            edited = raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
            with pytest.raises(TrustError):
                loads(town, write_pack(files | {name: edited}))


def test_tf_11_file_that_nothing_signed(town):
    files = read_pack(town.pack())
    for name in ("targets/policies/own.toml", "README", "2.root.json", "targets/status/9.cwt", "other.json"):
        with pytest.raises(BundleSignature):
            loads(town, write_pack(files | {name: b"x"}))


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b"null", b'{"format":2}', b"\xff", b'{"format":1,"last_seen":"x","roles":{}}']
)
def test_tf_11_damaged_memory_is_no_fresh_start(town, tmp_path, damage):
    path, root = tmp_path / "kr.trust", tmp_path / "root.json"
    root.write_bytes(town.root)
    path.write_bytes(town.pack())
    (tmp_path / "kr.trust.seen").write_bytes(damage)
    with pytest.raises(TrustError):
        TrustBundle.load(path, root=root)


@settings(max_examples=60)
@given(data=st.data())
def test_tf_11_any_flipped_byte_is_refused(data):
    raw = SMALL_PACK
    position = data.draw(st.integers(0, len(raw) - 1))
    changed = raw[:position] + bytes([raw[position] ^ data.draw(st.integers(1, 255))]) + raw[position + 1 :]
    try:
        bundle = loads(SMALL_TOWN, changed)
    except TrustError:
        return
    # Zip metadata that we do not use, such as a date, may differ: then what was read is what was signed.
    assert read_pack(changed) == read_pack(raw)
    assert bundle.version == 1


SMALL_TOWN = Town()
SMALL_PACK = SMALL_TOWN.pack()


def archive(entries, *, mode=stat.S_IFREG | 0o644):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name, raw in entries:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = mode << 16
            target.writestr(entry, raw)
    return out.getvalue()


def encrypted(raw: bytes) -> bytes:
    at = raw.index(b"PK\x01\x02")
    return raw[: at + 8] + b"\x01" + raw[at + 9 :]


def claims_a_million_files() -> bytes:
    raw = archive([("a", b"x")])
    return raw[:-14] + struct.pack("<HH", 65535, 65535) + raw[-10:]


BOMB = archive([("bomb", b"\0" * (17 * 1024 * 1024))])
GOOD = archive([("a", b"x")])

ARCHIVES = {
    "TF-12 climbing path": archive([("../etc/passwd", b"x")]),
    "TF-12 climbing path inside": archive([("targets/../../x", b"x")]),
    "TF-12 absolute path": archive([("/etc/passwd", b"x")]),
    "TF-12 drive": archive([("C:\\x", b"x")]),
    "TF-12 backslash": archive([("targets\\x", b"x")]),
    "TF-12 hidden": archive([(".ssh/x", b"x")]),
    "TF-12 NUL": archive([("aXb", b"x")]).replace(b"aXb", b"a\0b"),
    "TF-12 Korean name": archive([("이름", b"x")]),
    "TF-12 long name": archive([("a" * 121, b"x")]),
    "TF-12 folder": archive([("folder/", b"")]),
    "TF-12 symlink": archive([("link", b"/etc/passwd")], mode=stat.S_IFLNK | 0o777),
    "TF-12 device": archive([("device", b"")], mode=stat.S_IFCHR | 0o666),
    "TF-12 too many files": archive([(f"f{n}", b"") for n in range(MAX_FILES + 1)]),
    "TF-12 a million files": claims_a_million_files(),
    "TF-12 zip bomb": BOMB,
    "TF-12 bombs together": archive([(f"b{n}", b"\0" * (14 * 1024 * 1024)) for n in range(7)]),
    "TF-12 encrypted": encrypted(GOOD),
    "TF-12 bytes before": b"#!/bin/sh\n" + GOOD,
    "TF-12 bytes after": GOOD + b"x",
    "TF-12 empty archive": b"PK\x05\x06" + b"\0" * 18,
    "TF-12 no archive": b"{}",
    "TF-12 nothing": b"",
    "TF-12 cut short": GOOD[: len(GOOD) // 2],
}


@pytest.mark.parametrize("raw", ARCHIVES.values(), ids=ARCHIVES)
def test_tf_12_archive(town, raw):
    with pytest.raises(MalformedError) as caught:
        read_pack(raw)
    assert caught.value.code is ReasonCode.ARCHIVE
    with pytest.raises(TrustError, match="archive"):
        loads(town, raw)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_tf_12_name_twice():
    with pytest.raises(MalformedError, match="twice"):
        read_pack(archive([("a", b"1"), ("a", b"2")]))


def test_tf_12_bomb_that_lies_about_its_size():
    raw = BOMB
    size = struct.pack("<I", 17 * 1024 * 1024)
    lying = raw.replace(size, struct.pack("<I", 10))
    assert lying != raw
    with pytest.raises(MalformedError) as caught:
        read_pack(lying)
    assert caught.value.code is ReasonCode.ARCHIVE


def test_tf_12_names_in_the_directory_and_before_the_file_differ():
    with pytest.raises(MalformedError, match="archive"):
        read_pack(GOOD.replace(b"a", b"b", 1))


def test_tf_12_entries_that_overlap():
    raw = archive([("a", b"x" * 50), ("b", b"y" * 50)])
    second = raw.rindex(b"PK\x01\x02")
    overlapping = raw[: second + 42] + struct.pack("<I", 0) + raw[second + 46 :]
    with pytest.raises(MalformedError, match="archive"):
        read_pack(overlapping)


def test_tf_12_extra_fields_and_comments():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        entry = zipfile.ZipInfo("a")
        entry.comment = b"hello"
        target.writestr(entry, b"x")
    with pytest.raises(MalformedError, match="extra"):
        read_pack(out.getvalue())


@settings(max_examples=200)
@given(raw=st.binary(max_size=300) | st.binary(max_size=60).map(lambda noise: GOOD[:20] + noise + GOOD[20:]))
def test_tf_12_only_malformed_comes_out(raw):
    with contextlib.suppress(MalformedError):
        read_pack(raw)


def test_tf_pinned_root_that_is_no_root(town):
    for root in (b"", b"{}", b"[" * 5000, town.root[:-40], read_pack(town.pack())["timestamp.json"]):
        with pytest.raises(BundleSignature):
            TrustBundle.loads(town.pack(), root=root, seen=None)


def test_tf_metadata_depth_bomb(town):
    files = read_pack(town.pack())
    for name in ("timestamp.json", "snapshot.json", "targets.json", "2.root.json"):
        with pytest.raises(BundleSignature):
            loads(town, write_pack(files | {name: b'{"a":' * 100_000}))


def test_tf_refused_bundle_leaves_the_memory_as_it_was(town, tmp_path):
    path, root = tmp_path / "kr.trust", tmp_path / "root.json"
    root.write_bytes(town.root)
    path.write_bytes(town.pack(version=1))
    TrustBundle.load(path, root=root)
    before = (tmp_path / "kr.trust.seen").read_bytes()
    broken = town.builder().targets(at=AT)
    broken["authorities.json"] = b"{}"
    path.write_bytes(town.sign(broken, version=7))
    with pytest.raises(TrustError):
        TrustBundle.load(path, root=root)
    assert (tmp_path / "kr.trust.seen").read_bytes() == before
    assert SeenState.parse(before).roles["targets"].version == 1
