"""A terminal brings its bundle and its status lists up to date, and says what it did."""

from __future__ import annotations

import json
import logging

import pytest

from tests.killed import killed_at
from tests.sync_source import HOUR, Terminal, lay_out, lay_out_files, serving, signed_files
from tests.trust_town import AT, CITY, CITY_LIST, COURT, COURT_NAME, DAY, NOW, Agency, Town
from vcred.errors import BundleExpired, StoreError, TransportError, TrustError
from vcred.keys import SoftwareSigner
from vcred.trust import Withdrawal, WithdrawalReason
from vcred.trust.pack import read_pack
from vcred.trust.publish import new_root, single_key
from vcred.trust.seen import read_seen


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


@pytest.fixture
def terminal(tmp_path, town):
    return Terminal(tmp_path, town)


def with_status(town, hours=6, values=None, **changes):
    builder = town.builder(**changes)
    builder.add_status(town.city.status(values, issued_at=AT - hours * HOUR))
    builder.add_policy("bank.address-change", 'id = "bank.address-change"\n')
    return builder


def test_a_folder(terminal, town):
    raw = terminal.publish(with_status(town), version=3)
    told = []
    report = terminal.sync(progress=lambda *done: told.append(done))
    assert (report.kind, report.from_version, report.to_version, report.replaced) == ("folder", None, 3, True)
    assert report.authorities_added == (COURT, CITY)
    assert report.status_updated == (CITY_LIST,)
    assert report.listed_at == report.signed_at == int((AT - DAY).timestamp())
    assert report.expires_at == int((AT + 90 * DAY).timestamp())
    assert (report.files, report.reused, report.clock_behind) == (4, 0, None)
    assert report.bytes == sum(len(one) for name, one in read_pack(raw).items() if name != "1.root.json")
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert terminal.names() == ["kr.trust", "kr.trust.seen"]
    assert terminal.bundle.read_bytes() == raw
    assert terminal.load().status_list(CITY_LIST) is not None
    assert json.loads(json.dumps(report.to_json()))["authorities_added"] == [COURT, CITY]


def test_nothing_new(terminal, town):
    terminal.publish(with_status(town))
    terminal.sync()
    inode = terminal.bundle.stat().st_ino
    report = terminal.sync(at=AT + HOUR)
    assert (report.replaced, report.from_version, report.to_version, report.files) == (False, 1, 1, 0)
    assert report.status_updated == report.authorities_added == ()
    assert terminal.bundle.stat().st_ino == inode
    assert read_seen(terminal.home / "kr.trust.seen").last_seen == NOW + 3600


@pytest.mark.loopback
def test_a_daily_sync_fetches_what_changed(terminal, town):
    terminal.publish(with_status(town), version=1)
    with serving(terminal.source) as server:
        terminal.sync(server.url)
        lay_out(town.pack(with_status(town, hours=1), version=2), terminal.source)
        server.asked.clear()
        report = terminal.sync(server.url)
    assert (report.kind, report.from_version, report.to_version) == ("url", 1, 2)
    assert report.status_updated == (CITY_LIST,)
    assert (report.files, report.reused) == (1, 3)
    targets = [name for name in server.names if name.startswith("targets/")]
    assert len(targets) == 1
    assert targets[0].startswith("targets/status/")
    assert server.names[0] == "metadata/2.root.json"


@pytest.mark.loopback
def test_a_trust_list_that_did_not_change_is_not_fetched_again(terminal, town):
    """The online key signs anew every day; targets.json and the files stay."""
    builder = with_status(town)
    made = {"status": builder.status, "roots": [town.root], "signers": [town.key]}
    first = signed_files(builder.targets(at=AT - DAY), version=1, **made)
    lay_out_files(first, terminal.source)
    with serving(terminal.source) as server:
        terminal.sync(server.url)
        second = signed_files(builder.targets(at=AT - DAY), version=2, listed=first["targets.json"], **made)
        lay_out_files(second, terminal.source)
        server.asked.clear()
        assert terminal.sync(server.url).to_version == 2
    assert server.names == [
        "metadata/2.root.json",
        "metadata/timestamp.json",
        "metadata/2.snapshot.json",
        "metadata/2.status.json",
    ]


def test_a_file(terminal, town, tmp_path):
    raw = town.pack(with_status(town), version=2)
    (tmp_path / "stick.trust").write_bytes(raw)
    report = terminal.sync(tmp_path / "stick.trust")
    assert (report.kind, report.files, report.bytes) == ("archive", 1, len(raw))
    assert terminal.load().version == 2


def test_what_changed_in_the_list(terminal, town):
    terminal.publish(version=1)
    terminal.sync()
    third = Agency("https://haneul.example/issuer", COURT_NAME, "family.basic", "https://haneul.example/status/1")
    gone = Withdrawal(kid=town.city.key.public_key.kid, at=NOW, reason=WithdrawalReason.SUPERSEDED)
    builder = town.builder(city={"withdrawn": [gone]})
    builder.add_authority(**third.entry())
    terminal.publish(builder, version=2)
    report = terminal.sync()
    assert report.authorities_added == (third.id,)
    assert report.authorities_withdrawn == (CITY,)
    assert report.authorities_removed == ()
    terminal.publish(version=3)
    assert terminal.sync().authorities_removed == (third.id,)


def test_the_root_is_pinned_with_the_first_bundle(terminal):
    terminal.publish()
    pin = terminal.home / "kr-root.json"
    assert terminal.sync(pin=pin).root_sha256 == terminal.sync(pin=pin, root=pin).root_sha256
    assert pin.read_bytes() == terminal.town.root


@pytest.mark.loopback
def test_roots_in_between_may_have_expired(terminal, town):
    """TUF 5.3.10: only the last root has to be in force."""
    keys = [town.key, *(SoftwareSigner.generate() for _ in range(2))]
    short = new_root(version=2, roles=single_key(keys[1].public_key), signers=keys[:2], expires=AT - 10 * DAY)
    last = new_root(version=3, roles=single_key(keys[2].public_key), signers=keys[1:], expires=AT + 900 * DAY)
    terminal.publish(version=1)
    terminal.sync()
    terminal.publish(version=2, roots=[town.root, short, last], signers=[keys[2]])
    assert terminal.sync().to_version == 2
    terminal.publish(version=3, roots=[town.root, short, last], signers=[keys[2]])
    with serving(terminal.source) as server:
        assert terminal.sync(server.url).to_version == 3
    assert server.names[0] == "metadata/4.root.json"


def test_the_last_root_has_expired(terminal, town):
    last = new_root(version=2, roles=single_key(town.key.public_key), signers=[town.key], expires=AT - DAY)
    terminal.publish(version=1)
    terminal.sync()
    before = terminal.bundle.read_bytes()
    terminal.publish(version=2, roots=[town.root, last])
    with pytest.raises(BundleExpired, match=r"root\.json is expired"):
        terminal.sync()
    assert terminal.bundle.read_bytes() == before


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_what_the_source_has_is_expired(terminal, town, tmp_path, kind):
    terminal.publish(version=1)
    terminal.sync()
    raw = terminal.publish(version=2, expires=AT - HOUR)
    (tmp_path / "stick.trust").write_bytes(raw)
    before = terminal.bundle.read_bytes()
    with pytest.raises(BundleExpired, match="expired"):
        terminal.sync(tmp_path / "stick.trust" if kind == "archive" else None)
    assert terminal.bundle.read_bytes() == before
    assert terminal.load().version == 1
    assert terminal.names() == ["kr.trust", "kr.trust.seen"]


def test_the_time_is_an_argument(terminal):
    """python-tuf reads the clock, which is years away from ``at`` here; only ``at`` counts."""
    terminal.publish(at=AT - 4000 * DAY, expires=AT - 3990 * DAY)
    assert terminal.sync(at=AT - 3995 * DAY).to_version == 1
    with pytest.raises(BundleExpired):
        terminal.sync(at=AT)
    with pytest.raises(ValueError, match="offset"):
        terminal.sync(at=AT.replace(tzinfo=None))


def test_a_source_that_is_none(terminal, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(TransportError, match="no complete repository"):
        terminal.sync(tmp_path / "empty")
    with pytest.raises(TransportError, match="neither"):
        terminal.sync(tmp_path / "absent")
    with pytest.raises(TransportError):
        terminal.sync("http://garam.example/")
    assert terminal.names() == []


def test_a_damaged_bundle_is_fetched_anew(terminal, town, caplog):
    raw = terminal.publish(with_status(town))
    terminal.sync()
    terminal.bundle.write_bytes(raw[:400] + b"\0" + raw[401:])
    with caplog.at_level(logging.WARNING):
        report = terminal.sync()
    assert "will be replaced" in caplog.text
    assert (report.replaced, report.reused) == (True, 0)
    assert terminal.load().version == 1


def test_kill_9_at_every_step_of_a_sync(terminal, town):
    terminal.publish(with_status(town, hours=9), version=1)
    terminal.sync()
    start = {path.name: path.read_bytes() for path in terminal.home.iterdir()}
    terminal.publish(with_status(town, hours=1), version=2)
    found, step = set(), 0
    while True:
        # Every second one: each is a whole sync, and the next one starts from what this one leaves.
        step += 2
        for name, raw in start.items():
            (terminal.home / name).write_bytes(raw)
        if not killed_at(step, terminal.home, terminal.sync):
            break
        found.add(terminal.load().version)
        terminal.load().check_time(AT)
    assert found == {1, 2}
    assert step > 40
    assert terminal.sync().to_version == 2
    assert terminal.names() == ["kr.trust", "kr.trust.seen"]


def test_another_sync_at_work_is_left_alone(terminal, town):
    from vcred.trust.scratch import scratch_folder

    terminal.publish()
    with scratch_folder(terminal.bundle) as other:
        (other / "x").write_bytes(b"x")
        terminal.sync()
        assert (other / "x").exists()
    assert not other.exists()


def test_a_home_that_cannot_be_written(terminal):
    terminal.publish()
    with pytest.raises((StoreError, TrustError)):
        terminal.sync(bundle=terminal.home / "absent" / "kr.trust")


@pytest.mark.loopback
def test_more_files_than_a_pack_may_have(terminal, town):
    """Refused before any of them is fetched."""
    files = town.builder().targets(at=AT - DAY) | {f"types/a/{number}.toml": b"" for number in range(2100)}
    lay_out_files(signed_files(files, version=1, roots=[town.root], signers=[town.key]), terminal.source)
    with serving(terminal.source) as server, pytest.raises(TrustError, match="too large"):
        terminal.sync(server.url)
    assert not [name for name in server.names if name.startswith("targets/")]
