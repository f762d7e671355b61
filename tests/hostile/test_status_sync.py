"""ST-13, ST-14 and the rest of what may happen to status lists between two bundles: fetched, kept, loaded."""

from __future__ import annotations

import json
import logging

import pytest

from tests.killed import killed_at
from tests.sync_source import HOUR, Agencies, Server, reply, serving
from tests.trust_town import AT, COURT_LIST, NOW, Town
from vcred.errors import StoreError
from vcred.keys import SoftwareSigner
from vcred.status.aggregation import build_aggregation
from vcred.trust import TrustBundle, Withdrawal, WithdrawalReason, overlay
from vcred.trust.overlay import keep_status, prune_status, with_overlay
from vcred.trust.status_sync import status_addresses


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


@pytest.fixture
def agencies(tmp_path, town):
    (tmp_path / "www").mkdir()
    with serving(tmp_path / "www") as server:
        yield Agencies(tmp_path, town, server)


def test_a_newer_list_is_kept_and_loaded(agencies):
    agencies.offer(agencies.token(hours=2, values={7: 1}))
    bundle, report = agencies.ask()
    assert report.updated == (agencies.uri,)
    assert bundle.status_list(agencies.uri).status_list.get(7) == 1
    assert agencies.age() == 2 * HOUR
    assert agencies.load().status_list(agencies.uri).status_list.get(7) == 1
    assert TrustBundle.load(agencies.bundle, root=agencies.root).status_list(agencies.uri).status_list.get(7) == 0
    _, again = agencies.ask()
    assert (again.updated, again.unchanged, again.failed) == ((), (agencies.uri,), ())
    headers = agencies.server.asked[0][1]
    assert "application/statuslist+cwt" in headers["Accept"]
    assert json.dumps(report.to_json())


def test_st_13_an_older_list_after_a_newer_one(agencies, caplog):
    agencies.offer(agencies.token(hours=2))
    agencies.ask()
    agencies.offer(agencies.token(hours=8))
    with caplog.at_level(logging.WARNING):
        _, report = agencies.ask()
    assert report.unchanged == (agencies.uri,)
    assert "an older list was offered" in caplog.text
    assert agencies.age() == 2 * HOUR
    keep_status(agencies.lists, uri=agencies.uri, token=agencies.token(hours=8))
    assert agencies.age() == 2 * HOUR


def test_st_14_a_redirect_to_another_host_or_scheme(agencies):
    agencies.offer(agencies.token(hours=2), name="status/other")
    for location in (
        agencies.server.url.replace("127.0.0.1", "localhost") + "status/other",
        "http://garam.example/status/1",
        agencies.server.url.replace("http:", "https:") + "status/other",
    ):
        agencies.server.answers["status/1"] = lambda handler, to=location: reply(handler, b"", status=302, Location=to)
        _, report = agencies.ask()
        assert report.failed == ((agencies.uri, f"{agencies.uri}: it redirects to another host or to http"),)
    assert "status/other" not in agencies.server.names
    assert agencies.age() == 30 * HOUR
    agencies.server.answers["status/1"] = lambda handler: reply(handler, b"", status=303, Location="other")
    assert agencies.ask()[1].updated == (agencies.uri,)


@pytest.mark.parametrize(
    "wrong", ["other key", "other list", "no token", "from the future", "past its end", "not found", "too large"]
)
def test_a_list_that_is_refused_leaves_the_old_one(agencies, wrong):
    answers = {
        "other key": lambda: agencies.token(hours=2, key=SoftwareSigner.generate()),
        "other list": lambda: agencies.token(hours=2, uri=agencies.uri + "0"),
        "no token": lambda: b"<html>",
        "from the future": lambda: agencies.token(hours=-1),
        "past its end": lambda: agencies.token(hours=20, expires_at=AT - HOUR),
        "too large": lambda: bytes(17 * 1024 * 1024),
    }
    if wrong != "not found":
        agencies.offer(answers[wrong]())
    _, report = agencies.ask()
    assert [uri for uri, _ in report.failed] == [agencies.uri]
    assert not agencies.lists.exists()
    assert agencies.age() == 30 * HOUR


def test_one_list_that_fails_leaves_the_others_alone(agencies):
    agencies.offer(agencies.token(hours=2))
    strange = ("https://elsewhere.example/status/1", "http://garam.example/1", "file:///etc/hostname")
    _, report = agencies.ask(more=[*strange, agencies.server.url + "status/2"])
    assert report.updated == (agencies.uri,)
    failed = dict(report.failed)
    assert set(failed) == {*strange, agencies.server.url + "status/2"}
    assert all("no authority" in failed[uri] for uri in strange)
    assert "not there" in failed[agencies.server.url + "status/2"]


def test_an_address_of_an_authority_is_asked_before_there_is_a_list(town):
    builder = town.builder(court={"status_uris": [COURT_LIST, "https://court.example/more/"]})
    assert status_addresses(town.bundle(builder)) == (COURT_LIST,)


def test_the_list_of_lists_of_an_issuer(agencies):
    second = agencies.server.url + "status/2"
    where = agencies.server.url + "lists"
    agencies.offer(agencies.token(hours=2, aggregation_uri=where))
    agencies.offer(agencies.token(hours=3, uri=second), name="status/2")
    agencies.offer(build_aggregation([agencies.uri, second, "https://elsewhere.example/1"]), name="lists")
    assert agencies.ask()[1].updated == (agencies.uri,)
    _, report = agencies.ask()
    assert report.updated == (second,)
    assert [uri for uri, _ in report.failed] == ["https://elsewhere.example/1"]
    assert agencies.load().status_list(second) is not None
    agencies.offer(b"[]", name="lists")
    assert where in dict(agencies.ask()[1].failed)


def test_a_list_of_lists_elsewhere_is_not_asked(agencies):
    agencies.offer(agencies.token(hours=2, aggregation_uri="http://localhost:1/lists"))
    agencies.ask()
    assert agencies.ask()[1].failed == ()


def test_tf_11_the_kept_lists_edited_and_deleted_one_by_one(agencies, caplog):
    """They are a cache: what does not verify is left out, and the bundle's own list counts, with its age."""
    agencies.offer(agencies.token(hours=2, values={7: 1}))
    agencies.ask()
    (file,) = agencies.lists.iterdir()
    good = file.read_bytes()
    for position in range(0, len(good), 9):
        file.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        assert agencies.age() == 30 * HOUR
    assert "is not used" in caplog.text
    file.write_bytes(b"")
    assert agencies.age() == 30 * HOUR
    assert agencies.ask()[1].updated == (agencies.uri,)
    assert file.read_bytes() == good
    file.unlink()
    assert agencies.age() == 30 * HOUR


def test_a_newer_bundle_makes_kept_lists_go(agencies):
    agencies.offer(agencies.token(hours=2))
    agencies.ask()
    builder = agencies.town.builder(city={"status_uris": [agencies.server.url + "status/"]})
    builder.add_status(agencies.token(hours=4))
    agencies.publish(builder, version=2, at=AT - HOUR)
    agencies.sync()
    assert agencies.age() == 2 * HOUR
    builder.add_status(agencies.token(hours=1))
    agencies.publish(builder, version=3, at=AT - HOUR)
    agencies.sync()
    assert not list(agencies.lists.iterdir())
    assert agencies.age() == HOUR


def test_a_kept_list_of_a_signer_that_was_withdrawn_does_not_count(agencies):
    agencies.offer(agencies.token(hours=2))
    agencies.ask()
    gone = Withdrawal(kid=agencies.town.city.status_key.public_key.kid, at=NOW, reason=WithdrawalReason.COMPROMISED)
    builder = agencies.town.builder(city={"status_uris": [agencies.server.url + "status/"], "withdrawn": [gone]})
    agencies.publish(builder, version=2)
    agencies.sync()
    assert agencies.load().status_list(agencies.uri) is None
    assert not list(agencies.lists.iterdir())


def test_kill_9_at_every_step_of_keeping_a_list(tmp_path, town):
    server = Server(tmp_path)  # which nobody runs: a process with threads is not to be forked
    server.url = "http://127.0.0.1:9/"
    agencies = Agencies(tmp_path, town, server)
    old, new = agencies.token(hours=4), agencies.token(hours=2)
    keep_status(agencies.lists, uri=agencies.uri, token=old)
    (file,) = agencies.lists.iterdir()
    ages, step = set(), 0
    while True:
        step += 1
        file.write_bytes(old)
        if not killed_at(step, agencies.lists, lambda: keep_status(agencies.lists, uri=agencies.uri, token=new)):
            break
        ages.add(agencies.age())
    assert ages == {2 * HOUR, 4 * HOUR}
    keep_status(agencies.lists, uri=agencies.uri, token=new)
    assert list(agencies.lists.iterdir()) == [file]


def test_more_lists_than_are_kept(agencies, monkeypatch):
    monkeypatch.setattr(overlay, "MAX_LISTS", 3)
    agencies.lists.mkdir()
    for number in range(4):
        (agencies.lists / f"{number}.token").touch()
    with pytest.raises(StoreError, match="more than"):
        with_overlay(TrustBundle.load(agencies.bundle, root=agencies.root), agencies.lists)
    with pytest.raises(StoreError, match="more than"):
        prune_status(TrustBundle.load(agencies.bundle, root=agencies.root), agencies.lists)
