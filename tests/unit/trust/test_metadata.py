"""Metadata that is signed and still not what a bundle may have."""

from __future__ import annotations

import pytest
from tuf.api.metadata import Delegations, Metadata, MetaFile, TargetFile

from tests.trust_town import AT, Town
from vcred.errors import BundleSignature
from vcred.trust.metadata import verify_metadata
from vcred.trust.pack import read_pack
from vcred.trust.publish import _adapter


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


def signed_again(town, files, **changes):
    """``files`` with each named role changed by its function, and everything above signed again."""
    for role, below in (("targets", None), ("snapshot", "targets.json"), ("timestamp", "snapshot.json")):
        metadata = Metadata.from_bytes(files[f"{role}.json"])
        if below is not None:
            meta = MetaFile.from_data(1, files[below], ["sha256"])
            if role == "snapshot":
                metadata.signed.meta = {below: meta}
            else:
                metadata.signed.snapshot_meta = meta
        changes.get(role, lambda signed: None)(metadata.signed)
        metadata.sign(_adapter(town.key))
        files[f"{role}.json"] = metadata.to_bytes()
    return files


def without_hash(signed):
    signed.snapshot_meta = MetaFile(1)


def snapshot_without_hash(signed):
    signed.meta["targets.json"] = MetaFile(1)


def one_more(signed):
    signed.meta["other.json"] = MetaFile(1)


def delegates(signed):
    signed.delegations = Delegations({}, roles={})


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
        {"targets": delegates},
        {"targets": weak_hash},
    ],
    ids=["timestamp without a hash", "snapshot without a hash", "one more role", "delegation", "SHA-1"],
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
