"""A trust bundle, with its policies, that is replaced while the service answers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.services.bank_kit import AT, Bank, Client, reasons, world
from tests.services.test_verifier_desk import Browser
from vcred.errors import TrustError
from vcred.oid4vp import build_answer
from vcred.policy import VerificationPolicy
from verifier import Verifier
from verifier.server.app import create_app, housekeeping
from verifier.server.parts import load_policies
from verifier.server.trust import Standing, Standings, TrustFile

pytestmark = pytest.mark.loopback
ASKED = "office.asked"
POLICY = """
id = "office.asked"
name = {{ ko = "시험 {number}", en = "Test {number}" }}
purpose = {{ ko = "시험 {number}", en = "Test {number}" }}
asks = {{ ko = "시험", en = "Test" }}
holder_binding = "required"
formats = ["dc+sd-jwt"]
[freshness]
challenge = true
[trust]
max_age_hours = 720
[status]
required = true
max_age_hours = 168
[rrn]
level = "none"
[retention]
days = 0
text = {{ ko = "보관하지 않음", en = "Not kept" }}
[[certificates]]
slot = "own"
name = {{ ko = "초본", en = "Abstract" }}
required = true
[[certificates.any_of]]
code = "resident.personal"
claims = {claims}
"""


def policy(number, *claims):
    return VerificationPolicy.load(POLICY.format(number=number, claims=list(claims)).replace("'", '"'))


class FileBank(Bank):
    """A bank whose bundle is a file; ``publish`` puts the town's next one in its place."""

    def __init__(self, folder, url, *, town, **settings):
        self.town, self.path, self.root = town, folder / "kr.trust", folder / "root.json"
        self.root.write_bytes(town.root_file)
        self.publish(policy(1, "name"))
        super().__init__(folder, url, world=town, **settings)

    def publish(self, *policies):
        for one in policies:
            self.town._policies[one.id] = one
        self.town.refresh_trust()
        self.put(self.town.bundle_file)

    def put(self, raw):
        part = self.path.with_suffix(".part")
        part.write_bytes(raw)
        part.replace(self.path)

    def process(self):
        store = self._open()
        trust = TrustFile(self.path, self.root, self.recorder)
        self.verifier = Verifier(trust.bundle, self.world.identity, store, evidence=self.recorder)
        self.app = create_app(
            self.settings,
            verifier=self.verifier,
            policies=load_policies(self.settings, trust.bundle),
            store=store,
            http=self.http,
            clock=lambda: self.at,
            recorder=self.recorder,
            trust=trust,
        )
        client = Client(self.app)
        assert client.get("/vp/r/" + "A" * 22).status_code == 404
        return client

    def version(self):
        return self.parts.standings.newest().trust.version

    def ready(self):
        answer = self.client.get("/readyz")
        return answer.status_code, answer.json()

    def figure(self, name):
        self.app.state.figures.show(self.parts.standings, at=self.at)
        lines = self.client.get("/metrics").text.splitlines()
        (line,) = [one for one in lines if one.startswith(f"vcred_verifier_{name} ")]
        return float(line.split()[1])


@pytest.fixture
def town():
    return world("resident.personal")


@pytest.fixture
def bank(tmp_path, town):
    opened = FileBank(tmp_path, f"sqlite:///{tmp_path}/bank.db", town=town, evidence=True)
    yield opened
    opened.close()


def paths(request):
    return [[*one.path.parts] for one in request.query.credentials[0].claims]


def test_a_request_keeps_the_policy_it_was_made_with_and_the_next_has_the_newer(bank):
    waiting, fetched = bank.ask(policy=ASKED), bank.ask(policy=ASKED)
    request = bank.fetch(fetched)
    before = bank.version()
    bank.publish(policy(2, "name", "rrn.birthDate"))
    later = bank.ask(policy=ASKED)
    assert bank.version() == before + 1
    assert paths(bank.fetch(later)) == [["name"], ["rrn", "birthDate"]]
    assert paths(bank.fetch(waiting)) == paths(request) == [["name"]]
    for made in (waiting, fetched, later):
        answer = bank.answer(made)
        assert answer.status_code == 200
        result = bank.call("GET", f"/{made['id']}?code={bank.code(answer.json()['redirect_uri'])}").json()["result"]
        assert result["outcome"] == "ACCEPTED"
        assert ("rrn" in result["claims"]["own"]) == (made is later)


def test_a_policy_that_is_gone_is_offered_no_more_and_judges_what_was_asked_under_it(bank):
    made = bank.ask(policy=ASKED)
    del bank.town._policies[ASKED]
    bank.publish()
    refused = bank.call("POST", "", json={"policy": ASKED, "device": "cross_device"})
    assert (refused.status_code, refused.json()["path"]) == (422, "policy")
    assert bank.answer(made).status_code == 200


def test_the_desk_offers_what_the_bundle_in_use_has(bank):
    desk = Browser(bank).sign_in()
    assert "시험 1" in desk.go("GET", "/desk").text
    bank.publish(policy(2, "name"))
    housekeeping(bank.parts, at=bank.at)
    assert "시험 2" in desk.go("GET", "/desk").text
    assert "시험 2" in desk.go("GET", f"/desk/new?policy={ASKED}").text
    assert "시험 2" in desk.go("GET", "/desk/paper").text
    assert f"v{bank.town.trust.version} " in desk.go("GET", "/desk").text, "every page says which one"


def test_what_a_newer_bundle_says_counts_for_requests_that_wait(bank):
    made = bank.ask(policy=ASKED)
    bank.town.revoke("resident.personal")
    bank.put(bank.town.bundle_file)
    request = bank.fetch(made)
    answer = bank.post(request, build_answer(bank.present_to(request), request))
    assert (answer.status_code, reasons(answer)) == (400, ["revoked"])


def broken(kind, bank):
    """Files that cannot be used, each newer than the last by what it says."""
    good = bank.town.bundle_file
    if kind == "rubbish":
        return b"nothing"
    if kind == "empty":
        return b""
    if kind == "changed":
        return good[:200] + bytes([good[200] ^ 1]) + good[201:]
    if kind == "older":
        bank.publish()
        assert bank.version() == bank.town.trust.version
        return good
    if kind == "stranger's":
        return world().bundle_file
    if kind == "expired":
        bank.town._version += 1
        bank.town.refresh_trust()
        raw, ended = bank.town.bundle_file, bank.town.trust.expires_at
        bank.town._version -= 2  # the one that is in use is older by its number, and younger
        bank.town.at = ended - timedelta(days=1)
        bank.publish()
        bank.at = ended + timedelta(minutes=1)
        assert bank.version() == bank.town.trust.version
        return raw
    bank.town._policies["office.own"] = VerificationPolicy.load(policy(9, "name").source.replace(ASKED, "office.own"))
    bank.town.refresh_trust()
    del bank.town._policies["office.own"]
    return bank.town.bundle_file


SAID = {
    "rubbish": "TrustError",
    "empty": "TrustError",
    "changed": "TrustError",
    "older": "BundleRollback",
    "stranger's": "BundleSignature",
    "expired": "BundleExpired",
    "policy": "there is a policy office.own already",
}


@pytest.mark.parametrize("kind", SAID)
def test_what_cannot_be_used_is_said_and_the_last_good_one_goes_on(tmp_path, town, caplog, kind):
    own = tmp_path / "own.toml"
    own.write_text(policy(0, "name").source.replace(ASKED, "office.own"))
    bank = FileBank(tmp_path, f"sqlite:///{tmp_path}/bank.db", town=town, policies=[own])
    try:
        raw = broken(kind, bank)
        before = bank.version()
        assert bank.ready() == (200, {"status": "ok", "missing": {}, "warnings": {}})
        assert bank.figure("trust_refused") == 0
        bank.put(raw)
        for _ in range(3):
            bank.at += timedelta(seconds=2)
            housekeeping(bank.parts, at=bank.at)
        (line,) = [one.getMessage() for one in caplog.records if "not taken" in one.getMessage()]
        assert SAID[kind] in line
        assert f"version {before} stays in use" in line
        status, said = bank.ready()
        assert (status, said["missing"]) == (200, {})
        assert SAID[kind] in said["warnings"]["trust"]
        assert (bank.figure("trust_refused"), bank.figure("trust_version")) == (1, before)
        assert bank.answer(bank.ask(policy=ASKED)).status_code == 200
        assert bank.ask(policy="office.own")

        if kind == "policy":
            town._version -= 1  # what was refused is not remembered: another one of that version may come
        bank.publish()
        assert bank.version() == town.trust.version
        assert bank.ready()[1]["warnings"] == {}
        assert bank.figure("trust_refused") == 0
    finally:
        bank.close()


def test_a_bundle_that_was_used_is_not_gone_back_behind_by_any_process(bank):
    old, first, before = bank.town.bundle_file, bank.app, bank.version()
    bank.publish(policy(2, "name"))
    bank.process()
    second = bank.app
    bank.put(old)
    for app in (first, second):  # the first one never used the newer, and knows of it by the memory beside the file
        standings = app.state.parts.standings
        assert standings.newest().trust.version == (before + (app is second))
        assert "BundleRollback" in standings.problem
    with pytest.raises(TrustError):
        bank.process()


def test_a_file_that_is_missing_for_a_moment_is_not_the_end(bank, caplog):
    before = bank.version()
    bank.path.unlink()
    assert bank.version() == before
    assert "there is no file" in caplog.text
    assert bank.ready()[0] == 200
    bank.publish()
    assert bank.version() == before + 1


def test_what_a_wrong_clock_refused_is_tried_again_within_minutes(bank):
    before = bank.version()
    bank.town.at += timedelta(days=2)
    bank.publish()
    bank.town.at = AT
    assert bank.version() == before
    assert "clock" in bank.parts.standings.problem
    bank.at += timedelta(days=2)
    assert bank.version() == before + 1


def test_readiness_ends_with_the_bundle_and_its_age_is_a_figure(bank):
    assert bank.figure("trust_age_seconds") == 0
    bank.at += timedelta(days=3)
    assert bank.figure("trust_age_seconds") == 3 * 86400
    assert bank.figure("trust_expires_seconds") == (bank.world.trust.expires_at - bank.at).total_seconds()
    bank.at = bank.world.trust.expires_at
    status, said = bank.ready()
    assert (status, "has expired" in said["missing"]["trust"]) == (503, True)


def test_a_standing_is_of_one_bundle_however_many_are_published_meanwhile(tmp_path, town):
    path, root = tmp_path / "kr.trust", tmp_path / "root.json"
    root.write_bytes(town.root_file)

    def publish():
        number = town.trust.version + 1
        town._policies[ASKED] = policy(number, "name")
        town.refresh_trust()
        part = tmp_path / "part"
        part.write_bytes(town.bundle_file)
        part.replace(path)

    publish()
    trust = TrustFile(path, root, None)
    of = lambda bundle: {one: VerificationPolicy.load(text) for one, text in bundle.policies.items()}  # noqa: E731
    first = Standing(verifier=Verifier(trust.bundle, town.identity), policies=of(trust.bundle))
    standings = Standings(first, file=trust, policies=of, clock=lambda: AT)
    done, seen = threading.Event(), set()

    def look():
        while not done.is_set():
            now = standings.newest()
            assert now.policies[ASKED].name("en") == f"Test {now.trust.version}"
            seen.add(now.trust.version)

    with ThreadPoolExecutor(4) as pool:
        lookers = [pool.submit(look) for _ in range(4)]
        try:
            for _ in range(5):
                publish()
                version = standings.newest().trust.version
                assert version == town.trust.version
        finally:
            done.set()
        for one in lookers:
            one.result(30)
    assert len(seen) > 1
    assert trust.problem is None
