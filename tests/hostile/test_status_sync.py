"""ST-13, ST-14 and the rest of what may happen to status lists between two bundles: fetched, kept, loaded."""

from __future__ import annotations

import json
import logging
from time import sleep

import pytest

from tests.killed import killed_at
from tests.sync_source import HOUR, Agencies, Server, reply, serving
from tests.trust_town import AT, CITY, COURT_LIST, NOW, Town
from vcred.credential import StatusReference
from vcred.errors import StoreError
from vcred.keys import SoftwareSigner
from vcred.status import StatusList, build_bitstring_token, check_status
from vcred.status.aggregation import build_aggregation
from vcred.status.bitstring import MIN_ENTRIES
from vcred.trust import TrustBundle, Withdrawal, WithdrawalReason, overlay, status_sync
from vcred.trust.fetch import Network
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


def keep(agencies, token):
    """Keep ``token`` as a process does that has just fetched it."""
    bundle = TrustBundle.load(agencies.bundle, root=agencies.root).with_status(token)
    keep_status(agencies.lists, uri=agencies.uri, token=token, bundle=bundle)


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
    keep(agencies, agencies.token(hours=8))
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
    assert report.failed == (), "what the issuer does not answer for is not its to name"
    assert agencies.load().status_list(second) is not None
    agencies.offer(b"[]", name="lists")
    assert where in dict(agencies.ask()[1].failed)


def w3c_list(agencies, hours, *taken, purpose="revocation", **changes):
    made = {
        "uri": f"{agencies.uri}-{purpose}",
        "issuer": CITY,
        "purposes": (purpose,),
        "status_list": StatusList.build(bits=1, size=MIN_ENTRIES, values=dict.fromkeys(taken, 1)),
        "signer": agencies.town.city.status_key,
        "issued_at": AT - hours * HOUR,
        "expires_at": AT + 720 * HOUR,
        "ttl": None,
    }
    return build_bitstring_token(**made | changes)


def test_w3c_lists_are_found_and_fetched_like_the_others(agencies):
    where, uri = agencies.server.url + "lists", agencies.uri + "-revocation"
    agencies.offer(agencies.token(hours=2, aggregation_uri=where))
    agencies.offer(w3c_list(agencies, 2, 3), name="status/1-revocation")
    agencies.offer(build_aggregation([agencies.uri], bitstrings=[uri]), name="lists")
    agencies.ask()
    assert agencies.ask()[1].updated == (uri,)
    held = agencies.load().status_list(uri)
    assert held.status_list.get(3) == 1
    agencies.offer(w3c_list(agencies, 1, 3, 4), name="status/1-revocation")
    assert agencies.ask()[1].updated == (uri,), "it is in the bundle's overlay now, and asked by its own address"
    assert any("application/vc+jwt" in headers["Accept"] for _, headers in agencies.server.asked)
    agencies.offer(w3c_list(agencies, 5), name="status/1-revocation")
    assert uri in agencies.ask()[1].unchanged
    assert agencies.load().status_list(uri).status_list.get(4) == 1


@pytest.mark.parametrize("wrong", ["other key", "other issuer", "other list", "other kind", "past its end"])
def test_a_w3c_list_that_is_refused_leaves_the_old_one(agencies, wrong):
    uri = agencies.uri + "-revocation"
    agencies.offer(w3c_list(agencies, 3, 3), name="status/1-revocation")
    agencies.ask(more=[uri])
    answers = {
        "other key": lambda: w3c_list(agencies, 1, signer=SoftwareSigner.generate()),
        "other issuer": lambda: w3c_list(agencies, 1, issuer="https://court.example/issuer"),
        "other list": lambda: w3c_list(agencies, 1, uri=agencies.uri + "-suspension"),
        "other kind": lambda: agencies.token(hours=1),
        "past its end": lambda: w3c_list(agencies, 2, expires_at=AT - HOUR),
    }
    agencies.offer(answers[wrong](), name="status/1-revocation")
    assert uri in dict(agencies.ask(more=[uri])[1].failed)
    assert agencies.load().status_list(uri).status_list.get(3) == 1


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
    keep(agencies, old)
    (file,) = agencies.lists.iterdir()
    ages, step = set(), 0
    while True:
        step += 1
        file.write_bytes(old)
        if not killed_at(step, agencies.lists, lambda: keep(agencies, new)):
            break
        ages.add(agencies.age())
    assert ages == {2 * HOUR, 4 * HOUR}
    keep(agencies, new)
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


def test_a_list_of_lists_that_names_too_many_does_not_crowd_out_what_the_bundle_names(agencies, monkeypatch):
    """It is not signed: whoever has the server, or one authority of many, could stop the lists of all."""
    monkeypatch.setattr(status_sync, "MAX_LISTS", 3)
    where = agencies.server.url + "lists"
    agencies.offer(agencies.token(hours=3, aggregation_uri=where))
    agencies.ask()
    first = [agencies.server.url + f"status/0{number}" for number in range(3)]
    strange = [COURT_LIST + f"0{number}" for number in range(3)]
    agencies.offer(build_aggregation([*strange, *first]), name="lists")
    agencies.offer(agencies.token(hours=2, aggregation_uri=where))
    _, report = agencies.ask()
    assert report.updated == (agencies.uri,)
    assert [uri for uri, _ in report.failed] == first


def test_lists_that_fill_the_folder_are_not_kept_and_the_bundle_still_loads(agencies, monkeypatch):
    monkeypatch.setattr(overlay, "MAX_LISTS", 2)
    more = [agencies.server.url + f"status/{number}" for number in range(2, 5)]
    for number, uri in enumerate([agencies.uri, *more], 1):
        agencies.offer(agencies.token(hours=2, uri=uri), name=f"status/{number}")
    _, report = agencies.ask(more=more)
    assert report.updated == (agencies.uri, more[0])
    assert [uri for uri, _ in report.failed] == more[1:]
    assert agencies.age() == 2 * HOUR
    agencies.offer(agencies.token(hours=1))
    assert agencies.ask()[1].updated == (agencies.uri,)


def test_wf_07_a_list_of_lists_without_end_takes_no_time_from_what_the_bundle_names(agencies):
    where = agencies.server.url + "lists"
    agencies.offer(agencies.token(hours=3, aggregation_uri=where))
    agencies.ask()
    agencies.offer(agencies.token(hours=2, aggregation_uri=where))
    agencies.server.answers["lists"] = lambda handler: sleep(4)
    _, report = agencies.ask(network=Network(seconds=1.5))
    assert report.updated == (agencies.uri,)
    assert [uri for uri, _ in report.failed] == [where]


def test_st_13_a_list_signed_again_in_the_same_second_is_kept(agencies):
    for values in ({}, {7: 1}, {}):
        agencies.offer(agencies.token(hours=2, values=values))
        agencies.ask()
    assert agencies.load().status_list(agencies.uri).status_list.get(7) == 1


def test_tf_11_a_kept_list_that_does_not_verify_stops_no_newer_one(agencies):
    """Whoever can write there once, or signed once with a key that leaked, could else hold the terminal back."""
    agencies.offer(agencies.token(hours=2))
    agencies.ask()
    (file,) = agencies.lists.iterdir()
    file.write_bytes(agencies.token(hours=-9000, key=SoftwareSigner.generate()))
    assert agencies.age() == 30 * HOUR
    assert agencies.ask()[1].updated == (agencies.uri,)
    assert agencies.age() == 2 * HOUR


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_st_13_a_newer_bundle_with_an_older_list(agencies, kind, caplog):
    """Whoever steals the online key, or puts a repository back, would else make a revoked certificate valid again."""
    agencies.offer(agencies.token(hours=2, values={7: 1}))
    agencies.ask()
    builder = agencies.town.builder(city={"status_uris": [agencies.server.url + "status/"]})
    builder.add_status(agencies.token(hours=1, values={7: 1}))
    agencies.publish(builder, version=2, at=AT - HOUR)
    agencies.sync()
    assert not list(agencies.lists.iterdir())
    builder = agencies.town.builder(city={"status_uris": [agencies.server.url + "status/"]})
    builder.add_status(agencies.token(hours=40))
    raw = agencies.publish(builder, version=3, at=AT - HOUR)
    pack = agencies.home.parent / "stick.trust"
    pack.write_bytes(raw)
    agencies.sync(pack if kind == "archive" else None)
    assert agencies.age() == HOUR
    assert agencies.load().status_list(agencies.uri).status_list.get(7) == 1
    assert agencies.load().version == 3


def test_a_list_from_the_future_is_not_carried_into_a_newer_bundle(agencies):
    """An agency's clock was wrong for a day; the next bundle puts that right."""
    for version, hours in ((2, -30), (3, 3)):
        builder = agencies.town.builder(city={"status_uris": [agencies.server.url + "status/"]})
        builder.add_status(agencies.token(hours=hours))
        agencies.publish(builder, version=version, at=AT - HOUR)
        agencies.sync()
    assert agencies.age() == 3 * HOUR


def test_st_05_a_list_that_no_verdict_could_use_yet_does_not_replace_one(agencies):
    agencies.offer(agencies.token(hours=-0.05))
    bundle, report = agencies.ask()
    assert [uri for uri, _ in report.failed] == [agencies.uri]
    reference = StatusReference(uri=agencies.uri, index=3)
    assert check_status(reference, bundle.status_list(agencies.uri), max_age=48 * HOUR, at=AT).value == 0
