"""Metadata that is signed and still not what a bundle may have."""

from __future__ import annotations

import pytest
from securesystemslib.signer import SSlibKey
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, MetaFile, TargetFile

from tests.trust_town import AT, CITY_LIST, Town
from vcred.errors import BundleSignature
from vcred.keys import SoftwareSigner
from vcred.trust import TrustBundle
from vcred.trust.content import status_file
from vcred.trust.metadata import verify_metadata
from vcred.trust.pack import read_pack, write_pack
from vcred.trust.roles import SIGNED_AT, add_signatures


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


def signed_again(town, files, **changes):
    """``files`` with each named role changed by its function, and everything above signed again."""
    for role in ("targets", "status", "snapshot", "timestamp"):
        metadata = Metadata.from_bytes(files[f"{role}.json"])
        if role == "snapshot":
            metadata.signed.meta = {
                name: MetaFile.from_data(1, files[name], ["sha256"]) for name in ("targets.json", "status.json")
            }
        elif role == "timestamp":
            metadata.signed.snapshot_meta = MetaFile.from_data(1, files["snapshot.json"], ["sha256"])
        changes.get(role, lambda signed: None)(metadata.signed)
        metadata.signatures.clear()
        add_signatures(metadata, [town.key])
        files[f"{role}.json"] = metadata.to_bytes()
    return files


def without_hash(signed):
    signed.snapshot_meta = MetaFile(1)


def snapshot_without_hash(signed):
    signed.meta["targets.json"] = MetaFile(1)


def one_more(signed):
    signed.meta["other.json"] = MetaFile(1)


def no_delegation(signed):
    signed.delegations = None


def delegates_nothing(signed):
    signed.delegations = Delegations({}, roles={})


def delegates_twice(signed):
    other = DelegatedRole("other", [], 1, terminating=True, paths=["other/*"])
    signed.delegations.roles["other"] = other


def delegates_everything(signed):
    signed.delegations.roles["status"].paths = ["*"]


def delegates_and_goes_on(signed):
    signed.delegations.roles["status"].terminating = False


def delegates_to_a_stranger(signed):
    key = SSlibKey.from_crypto(SoftwareSigner.generate().public_key.crypto)
    signed.delegations.keys[key.keyid] = key
    signed.delegations.roles["status"].keyids.append(key.keyid)


def status_of_the_list(signed):
    signed.targets[status_file(CITY_LIST)] = TargetFile.from_data("x", b"x", ["sha256"])


def status_delegates(signed):
    signed.delegations = Delegations({}, roles={})


def status_without_uri(signed):
    signed.targets[status_file(CITY_LIST)] = TargetFile.from_data("x", b"x", ["sha256"])


def status_with_a_list_of_trust(signed):
    file = TargetFile.from_data("x", b"x", ["sha256"])
    file.unrecognized_fields = {"custom": {"uri": CITY_LIST}}
    signed.targets["authorities.json"] = file


def no_time(signed):
    del signed.unrecognized_fields[SIGNED_AT]


def wrong_time(signed):
    signed.unrecognized_fields[SIGNED_AT] = True


def weak_hash(signed):
    raw = b"{}"
    signed.targets["authorities.json"] = TargetFile.from_data("authorities.json", raw, ["sha1"])


def test_signed_again_without_a_change_is_fine(town):
    assert verify_metadata(signed_again(town, read_pack(town.pack())), root=town.root).version == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": without_hash},
        {"snapshot": snapshot_without_hash},
        {"snapshot": one_more},
        {"targets": no_delegation},
        {"targets": delegates_nothing},
        {"targets": delegates_twice},
        {"targets": delegates_everything},
        {"targets": delegates_and_goes_on},
        {"targets": delegates_to_a_stranger},
        {"targets": status_of_the_list},
        {"targets": weak_hash},
        {"status": status_delegates},
        {"status": status_without_uri},
        {"status": status_with_a_list_of_trust},
        {"timestamp": no_time},
        {"timestamp": wrong_time},
    ],
    ids=lambda changes: "-".join(f"{role}-{change.__name__}" for role, change in changes.items()),
)
def test_signed_but_not_acceptable(town, changes):
    files = signed_again(town, read_pack(town.pack()), **changes)
    with pytest.raises(BundleSignature):
        verify_metadata(files, root=town.root)


def test_metadata_beyond_the_limits(town):
    files = read_pack(town.pack())
    with pytest.raises(BundleSignature, match="too large"):
        verify_metadata(files | {"targets.json": b" " * (2 * 1024 * 1024 + 1)}, root=town.root)
    many = {f"{number}.root.json": town.root for number in range(2, 400)}
    with pytest.raises(BundleSignature, match="too many"):
        verify_metadata(files | many, root=town.root)


def test_a_pinned_root_that_is_not_the_one_in_the_bundle(town):
    other = Town()
    files = read_pack(town.pack())
    with pytest.raises(BundleSignature, match="not the pinned one"):
        verify_metadata(files, root=other.root)
    del files["1.root.json"]
    with pytest.raises(BundleSignature):
        verify_metadata(files, root=other.root)
    assert verify_metadata(files, root=town.root).expires_at > AT


def test_blanks_added_on_the_way_are_no_other_content(town):
    files = read_pack(town.pack())
    honest = TrustBundle.loads(write_pack(files), root=town.root, seen=None)
    files["timestamp.json"] += b"\n"
    padded = TrustBundle.loads(write_pack(files), root=town.root, seen=None)
    assert TrustBundle.loads(town.pack(version=2), root=town.root, seen=padded.seen).version == 2
    assert padded.seen == honest.seen
