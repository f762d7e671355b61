"""``vcred issuer``: the switch, bulk revocation, published lists, and a signer that is rotated or leaks."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta

import pytest

from tests.cli.test_transcript import AT, ISSUED, NAMES, Day, at
from vcred.cli._issuer_home import settings
from vcred.status import parse_status_token
from vcred.status.aggregation import parse_aggregation

CITY, SECRET, ROOT = ("--issuer", "city"), ("--password-file", "password"), ("--root", "trust/published/root.json")
LATER = AT + timedelta(days=1)


@pytest.fixture(scope="module")
def begun(tmp_path_factory, shell_in):
    """An agency that also has identity cards, everybody else, and one certificate in the wallet."""
    folder = tmp_path_factory.mktemp("agency") / "work"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        day = Day(shell_in(folder))
        day.begin()
        day.held = day.issue()
        day.publish("kr2.trust")
    return folder, day.held


@pytest.fixture
def day(begun, shell):
    shutil.copytree(begun[0], shell.folder, dirs_exist_ok=True)
    made = Day(shell)
    made.held = begun[1]
    return made


def verdict(day, moment, code=0):
    request = day.request(out=f"request-{moment:%d%H}.png", moment=moment)
    answer = day.present(request, f"answer-{moment:%d%H}.png", "--yes", "--reuse", moment=moment)
    return day.verify(answer["files"], request, moment=moment, code=code)


def told(day, moment):
    """What the wallet knows against its own certificate, by the bundle it has."""
    request = day.request(out=f"told-{moment:%d%H}.png", moment=moment)
    asked = day.json("wallet match", *request, "--wallet", "me", "--pin-file", "pin", *at(moment), code=1)
    return {one["code"] for one in asked["reasons"]}


def rotate(day, *more, moment=AT, code=0):
    return day.json("issuer rotate", *more, *CITY, *SECRET, *at(moment), code=code)


def republish(day, name, moment):
    """The maker of the bundle takes the description and the lists of the agency; everybody gets the bundle."""
    day.shell("trust add-authority trust city/authority.json --force")
    day.publish(name, moment)


def test_a_card_is_suspended_and_reinstated_and_an_abstract_is_not(day):
    day.shell(
        "issuer init cards --id https://cards.example/issuer --types id.resident_mobile", *NAMES, *SECRET, *at(ISSUED)
    )
    sample = json.loads(day.shell("catalog show id.resident_mobile --sample").stdout)
    (day.shell.folder / "cards.json").write_text(json.dumps({"id.resident_mobile": {"p-1": sample}}), "utf-8")
    where = ("--issuer", "cards", "--records", "cards.json")
    day.json("issuer offer id.resident_mobile --subject p-1 --out card.png", *where, *at())
    proofs = day.json("wallet accept card.png --wallet me --pin-file pin --out cardproof.bin", *at())["files"]
    made = day.json("issuer issue", *proofs, *where, *SECRET, "--out", "card.bin", *at())
    change = (made["credential_id"], "--issuer", "cards", "--reason", "reported lost", *at())
    assert day.json("issuer suspend", *change)["state"] == "suspended"
    assert day.json("issuer list --issuer cards")[0]["state"] == "suspended"
    assert day.json("issuer reinstate", *change)["state"] == "valid"
    assert day.json("issuer revoke", *change)["state"] == "revoked"
    day.json("issuer reinstate", *change, code=4)
    told = day.json("issuer suspend", day.held["credential_id"], *CITY, "--reason", "lost", *at(), code=4)
    assert "resident.personal" in told["error"]["message"]
    day.json("issuer revoke --issuer city --reason x c-unknown", *at(), code=4)


def test_the_switch_stops_offers_and_issues_until_it_is_thrown_back(day):
    day.json("issuer offer resident.personal --records records.json --subject p-1 --out o.png", *CITY, *at())
    proofs = day.json("wallet accept o.png --wallet me --pin-file pin --out p.bin", *at())["files"]
    assert day.json("issuer lint", *CITY, *at()) == []
    shutil.move("city/document-signer.pem", "away.pem")
    assert day.json("issuer stop --reason ceremony", *CITY, *at()) == {"stopped": "ceremony"}, (
        "it needs the store alone"
    )
    shutil.move("away.pem", "city/document-signer.pem")
    assert "ceremony" in day.json("issuer lint", *CITY, *at(), code=4)["error"]["found"][0]
    words = ("--records", "records.json", *CITY, *SECRET)
    assert "ceremony" in day.shell("issuer issue", *proofs, *words, "--out", "d.bin", *at(), code=4).stderr
    assert "멈춰" in day.shell("issuer issue", *proofs, *words, "--out", "d.bin", *at(), "--lang", "ko", code=4).stderr
    day.shell("issuer stop --reason 김가람", *CITY, *at(), code=2)
    day.json("issuer publish --out public", *CITY, *SECRET, *at())
    assert day.json("issuer start", *CITY, *at()) == {"stopped": None}
    assert day.json("issuer issue", *proofs, *words, "--out", "d.bin", *at())["credential_id"]


def test_many_are_revoked_after_they_were_counted_and_agreed_to(day):
    words = ("issuer revoke-all --type resident.personal --reason leaked", *CITY, *at())
    assert day.json(words[0], *words[1:], "--dry-run") == {"credentials": 1, "copies": 4, "revoked": False}
    day.shell(*words, typed="n\n", code=1)
    assert day.json("issuer list", *CITY)[0]["state"] == "valid"
    signer = rotate(day)["kids"][0]
    none = ("issuer revoke-all --reason leaked --dry-run", *CITY, *at())
    assert day.json(*none, "--signer", signer)["credentials"] == 0
    assert day.json(*none, "--from", AT.isoformat())["credentials"] == 0
    assert day.json(*none, "--until", AT.isoformat())["credentials"] == 1
    for wrong in ([], ["--signer", "0f"], ["--from", AT.isoformat(), "--until", AT.isoformat()], ["--type", "no.such"]):
        day.shell(*none, *wrong, code=2)
    assert "1 certificates, 4 copies" in day.shell(*words, typed="y\n").stdout
    day.publish("kr3.trust", LATER)
    assert told(day, LATER) == {"revoked"}


def test_published_are_all_lists_in_both_forms_and_the_list_of_lists(day):
    for version in (2, 3):
        written = day.json("issuer publish --out public", *CITY, *SECRET, *at())
        assert {one["version"] for one in written} == {version}, "signed once in the fixture"
    assert sorted(one.name for one in (day.shell.folder / "public").iterdir()) == ["1.cwt", "1.jwt", "aggregation.json"]
    (uri,) = parse_aggregation((day.shell.folder / "public" / "aggregation.json").read_bytes())
    for form in ("cwt", "jwt"):
        token = parse_status_token((day.shell.folder / "public" / f"1.{form}").read_bytes())
        assert (token.uri, token.form) == (uri, form)
        assert token.aggregation_uri == "https://garam.example/issuer/status/aggregation"


def test_a_rotation_leaves_nothing_invalid_at_any_step(day):
    assert verdict(day, AT)["outcome"] == "ACCEPTED"
    assert "no key is prepared" in rotate(day, "--activate", "--unpublished", code=4)["error"]["message"]
    assert "no old key" in rotate(day, "--retire-old", code=4)["error"]["message"]
    (new,) = rotate(day)["kids"]
    assert "already" in rotate(day, code=4)["error"]["message"]

    published = ("--activate", "--trust", "kr2.trust", *ROOT)
    assert "does not list" in rotate(day, *published, code=4)["error"]["message"]
    republish(day, "kr3.trust", AT)
    old = {one.name for one in (day.shell.folder / "city").glob("document-signer*.key")}
    assert old == {"document-signer.key", f"document-signer-{new}.key"}
    assert rotate(day, "--activate", "--trust", "kr3.trust", *ROOT)["kids"] == [new]
    assert verdict(day, AT + timedelta(hours=1))["outcome"] == "ACCEPTED"
    assert "no key is prepared" in rotate(day, "--activate", "--trust", "kr3.trust", *ROOT, code=4)["error"]["message"]

    (retired,) = rotate(day, "--retire-old", moment=LATER)["kids"]
    assert retired != new
    republish(day, "kr4.trust", LATER)
    assert verdict(day, LATER)["outcome"] == "ACCEPTED", "what the old key signed stays valid"
    day.shell("wallet delete --wallet me --pin-file pin --yes", day.held["id"], *at(LATER))
    day.issue("o2.png", "p2.bin", "d2.bin", moment=LATER)
    day.publish("kr5.trust", LATER)
    assert verdict(day, LATER + timedelta(hours=1))["outcome"] == "ACCEPTED", "what the new one signs is"
    events = [line["event"] for line in audit(day)]
    assert events.count("signer activated") == 1


def test_a_key_that_nobody_would_take_is_not_activated(day):
    rotate(day)
    republish(day, "kr3.trust", AT)
    entry = json.loads((day.shell.folder / "city/authority.json").read_text())["authorities"][0]
    day.shell(f"trust withdraw trust --reason superseded --authority {entry['id']}", *at())
    left_out = day.shell(f"trust publish trust --out kr4.trust --lang en {' '.join(SECRET)}", *at(LATER), code=4)
    assert "status list left out" in left_out.stdout, "no verdict is possible on what it signed"
    refused = rotate(day, "--activate", "--trust", "kr4.trust", *ROOT, moment=LATER, code=4)["error"]["message"]
    assert "key_withdrawn" in refused
    assert "nobody would take" in refused


def test_what_a_leaked_key_signed_is_refused_and_it_signs_nothing_more(day):
    (new,) = rotate(day)["kids"]
    republish(day, "kr3.trust", AT)
    (leaked,) = rotate(day, "--compromised")["kids"]
    assert leaked != new
    stopped = day.shell(
        "issuer offer resident.personal --records records.json --subject p-1 --out o.png", *CITY, *at(), code=4
    )
    assert "key compromised" in stopped.stderr
    assert "issuer rotate --activate" in day.shell("issuer start --lang en", *CITY, *at(), code=4).stderr
    rotate(day, "--activate", "--trust", "kr3.trust", *ROOT)
    republish(day, "kr4.trust", LATER)
    assert {one["code"] for one in verdict(day, LATER, code=1)["reasons"]} == {"key_withdrawn"}
    found = day.json("issuer revoke-all --reason leaked --yes --signer", leaked, *CITY, *at(LATER))
    assert found == {"credentials": 1, "copies": 4, "revoked": True}
    day.shell("wallet delete --wallet me --pin-file pin --yes", day.held["id"], *at(LATER))
    day.issue("o2.png", "p2.bin", "d2.bin", moment=LATER)
    day.publish("kr5.trust", LATER)
    assert verdict(day, LATER + timedelta(hours=1))["outcome"] == "ACCEPTED", "the one the new key signed"
    rotate(day, "--compromised", "--kid", "00" * 8, code=4)


def test_status_lists_get_a_signer_of_their_own(day):
    (kid,) = rotate(day, "--lists")["kids"]
    republish(day, "kr3.trust", AT)
    rotate(day, "--lists", "--activate", "--trust", "kr3.trust", *ROOT)
    known = settings(day.shell.folder / "city")
    assert known.status_signer.chain == f"status-signer-{kid}.pem"
    shutil.move("city/document-signer.key", "safe.key")  # the lists need it no more
    day.publish("kr4.trust", AT)
    (token,) = [parse_status_token(one.read_bytes()) for one in (day.shell.folder / "status").glob("*.cwt")]
    assert token.kid.hex() == kid
    assert verdict(day, AT)["outcome"] == "ACCEPTED"
    (second,) = rotate(day, "--lists")["kids"]
    assert "--activate" in rotate(day, "--lists", code=4)["error"]["message"]
    (third,) = rotate(day, "--lists", "--force")["kids"]
    authority = json.loads((day.shell.folder / "city" / "authority.json").read_text())["authorities"][0]
    kids = {one["kid"] for one in authority["signers"]}
    assert {kid, third} < kids
    assert second not in kids, "a prepared key that was replaced is not listed"


def test_a_key_is_named_by_its_uri(day):
    from vcred.keys import SoftwareSigner

    key = SoftwareSigner.generate()
    (day.shell.folder / "theirs.pem").write_bytes(key.to_pem(password=None))
    where = day.shell.folder / "theirs.pem"
    (kid,) = rotate(day, "--key", f"file:{where}")["kids"]
    assert kid == key.public_key.kid.hex()
    assert not (day.shell.folder / "city" / f"document-signer-{kid}.key").exists(), "it stays where it is"
    rotate(day, "--activate", "--unpublished")
    assert settings(day.shell.folder / "city").signer.key == f"file:{where}"
    where.write_bytes(SoftwareSigner.generate().to_pem(password=None))
    assert rotate(day, "--key", "tpm:1", "--force", code=4)["error"]["message"]
    day.json("issuer issue proof.bin --records records.json --out again.bin", *CITY, *SECRET, *at(ISSUED), code=4)


def test_settings_of_the_first_format_are_read_and_wrong_ones_are_not(day):
    path = day.shell.folder / "city" / "issuer.json"
    body = json.loads(path.read_text())
    first = {name: body[name] for name in ("id", "name", "types", "status_uri", "copies")}
    path.write_text(json.dumps({"format": 1, **first}))
    assert day.json("issuer lint", *CITY, *at()) == []
    assert settings(path.parent).signer.chain == "document-signer.pem"
    for wrong in (
        {"format": 2, **first},
        {"format": 1, **first, "types": 3},
        {"format": 1, **first, "copies": "2"},
        {**body, "format": 1},
        {**body, "signer": None},
        {**body, "signer": {"key": "file:x"}},
        {**body, "signer": {"key": "file:x", "chain": 3}},
        {**body, "next_signer": "file:x"},
        {**body, "name": None},
    ):
        path.write_text(json.dumps(wrong))
        day.shell("issuer lint", *CITY, *at(), code=4)


def audit(day):
    from vcred.cli._issuer_home import store_of

    with store_of(day.shell.folder / "city") as store:
        return store.audit()
