"""A ministry's day at the command line: three officers on machines of their own, one online key, a rotation, a leak."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
NAMES = ("--name-ko", "시험 목록", "--name-en", "Test list")
CITY = "https://garam.example/issuer"
PASSWORD = "--password-file password"


def at(days=0):
    return ("--at", (AT + timedelta(days=days)).isoformat())


@pytest.fixture
def ministry(shell):
    for name in ("kim", "lee", "park", "choi", "online"):
        shell(f"trust key {name}.key {PASSWORD}")
    officers = "--officer kim.key.pub --officer lee.key.pub --officer park.key.pub"
    shell(f"trust init ministry {officers} --online online.key.pub", *NAMES, *at())
    shell(
        f"issuer init city --id {CITY} --types resident.personal {PASSWORD}",
        *("--name-ko", "가람시 (가상)", "--name-en", "Garam City (fictitious)"),
        *at(-1),
    )
    shell("trust add-authority ministry city/authority.json", *at())
    return shell


def publish(shell, days=0, **settings):
    return shell(f"trust publish ministry --key online.key {PASSWORD} --json", *at(days), **settings)


def published(shell, days=0):
    return json.loads(publish(shell, days).stdout)


def sign(shell, *names):
    for name in names:
        shell(f"trust sign ministry --key {name}.key --yes {PASSWORD}")


def test_two_of_three_officers_and_the_online_key(ministry):
    assert "root 1 has 0 of 2" in publish(ministry, code=4).stderr
    sign(ministry, "kim")
    assert "root 1 has 1 of 2" in publish(ministry, code=4).stderr
    sign(ministry, "park")
    facts = published(ministry)
    assert (facts["version"], facts["list_version"], facts["waiting"]) == (1, 1, [])
    shown = ministry.json("trust show ministry/published/bundle.trust --root ministry/published/root.json", *at())
    assert [one["id"] for one in shown["authorities"]] == [CITY]


def test_an_officer_sees_what_changes_before_signing(ministry):
    shown = ministry(f"trust sign ministry --key kim.key {PASSWORD} --lang en", typed="n\n", code=130)
    assert f"authority {CITY}: added" in shown.stdout
    assert "root 1: waits for signatures (root 1: 0/2)" in shown.stdout
    ministry(f"trust sign ministry --key kim.key {PASSWORD} --lang ko", typed="y\n")
    assert "root 1: waits for signatures (root 1: 1/2)" in ministry("trust show ministry --lang en").stdout


def test_another_certificate_profile_than_ours_is_said_loudly(ministry):
    told = f"{CITY}: another certificate profile than ours: haip"
    described = json.loads((ministry.folder / "city/authority.json").read_text())
    assert "profile" not in described["authorities"][0]
    described["authorities"][0]["profile"] = "haip"
    (ministry.folder / "abroad.json").write_text(json.dumps(described))
    assert "another certificate profile" not in ministry("trust add-authority ministry", *at()).stdout
    shown = ministry("trust add-authority ministry abroad.json --force", *at()).stdout
    assert told in " ".join(shown.split())
    asked = ministry(f"trust sign ministry --key kim.key {PASSWORD} --lang en", typed="n\n", code=130).stdout
    assert "another certificate profile than ours: haip" in asked
    described["authorities"][0]["profile"] = "any"
    (ministry.folder / "abroad.json").write_text(json.dumps(described))
    assert "profile" in ministry("trust add-authority ministry abroad.json --force", *at(), code=4).stderr


def test_signatures_travel_and_the_repository_stays(ministry):
    shutil.copytree(ministry.folder / "ministry", ministry.folder / "stick")
    ministry(f"trust sign stick --key kim.key --yes --out signatures {PASSWORD}")
    ministry(f"trust sign stick --key lee.key --yes --out signatures {PASSWORD}")
    files = sorted((ministry.folder / "signatures").iterdir())
    assert [file.name.split("-")[0] for file in files] == ["root", "root", "targets", "targets"]
    assert ministry.json("trust show stick")["staged"][0]["signatures"][0]["signed"] == []
    for file in files:
        ministry(f"trust sign ministry --signature {file}")
    assert published(ministry)["version"] == 1


def test_the_online_key_cannot_change_the_list(ministry):
    sign(ministry, "kim", "lee")
    published(ministry)
    ministry(f"trust withdraw ministry --authority {CITY} --reason compromised", *at(1))
    refused = ministry(f"trust sign ministry --key online.key --yes {PASSWORD}", code=4)
    assert "nothing is staged that this key signs" in refused.stderr
    facts = published(ministry, 1)
    assert [one["role"] for one in facts["waiting"]] == ["targets"]
    assert facts["list_version"] == 1


def test_an_officer_is_replaced(ministry):
    sign(ministry, "kim", "lee")
    published(ministry)
    roles = ministry.json("trust show ministry")["roles"]
    gone = roles["root"]["keys"][2]
    for role in ("root", "targets"):
        ministry(f"trust rotate ministry --role {role} --remove {gone} --add choi.key.pub", *at(1))
    sign(ministry, "kim", "choi")
    assert published(ministry, 1)["root_version"] == 1
    sign(ministry, "lee")
    facts = published(ministry, 1)
    assert (facts["root_version"], facts["waiting"]) == (2, [])
    assert gone not in ministry.json("trust show ministry")["roles"]["targets"]["keys"]


def test_what_cannot_be_published_is_not_taken_in(ministry):
    shown = ministry.json("trust show ministry")["staged"]
    ministry(
        f"issuer init twin --id https://twin.example/issuer --types resident.personal {PASSWORD}",
        *("--name-ko", "가람시 (가상)", "--name-en", "Twin City (fictitious)"),
        *at(-1),
    )
    refused = ministry("trust add-authority ministry twin/authority.json", *at(), code=4)
    assert "twin.example" in refused.stderr
    assert ministry.json("trust show ministry")["staged"] == shown
    assert len(list((ministry.folder / "ministry/authorities").iterdir())) == 1


def test_a_mistake_is_given_up(ministry):
    ministry("trust unstage ministry --yes", code=4)
    sign(ministry, "kim", "lee")
    published(ministry)
    ministry(f"trust withdraw ministry --authority {CITY} --reason compromised", *at(1))
    ministry("trust unstage ministry", *at(1), typed="n\n", code=130)
    ministry("trust unstage ministry --lang ko", *at(1), typed="y\n")
    assert ministry.json("trust show ministry")["staged"] == []
    assert ministry.json("trust add-authority ministry", *at(1))[0]["withdrawn"] == []


def test_mistakes_are_told(ministry):
    assert (
        "no authority"
        in ministry("trust withdraw ministry --authority https://x.example --reason superseded", code=4).stderr
    )
    wrong = f"trust withdraw ministry --authority {CITY} --kid 0011223344556677 --reason superseded"
    assert "has no key 0011223344556677" in ministry(wrong, code=4).stderr
    ministry(f"trust withdraw ministry --authority {CITY} --kid zz --reason superseded", code=2)
    assert "not the id of one key" in ministry("trust rotate ministry --role root --remove 00", code=4).stderr
    assert "not a public key" in ministry("trust rotate ministry --role root --add kim.key", code=4).stderr
    ministry("trust sign ministry", code=2)
    ministry("trust init other --officer kim.key.pub", *NAMES, code=2)
    assert (
        "already"
        in ministry("trust init ministry --officer kim.key.pub --online online.key.pub", *NAMES, code=4).stderr
    )
    assert "no online key here" in ministry("trust publish ministry", *at(), code=4).stderr
    ministry("trust show ministry/repository.json", code=2)


def test_an_officer_sees_which_keys_a_signature_is_for(ministry):
    ministry(f"verifier init bank --identifier bank.example {PASSWORD} --policies shop.adult", *NAMES, *at(-1))
    told = ministry.json("trust add-reader ministry bank/reader.json", *at())
    roots = ministry.json("trust add-authority ministry", *at())
    shown = ministry("trust show ministry --lang en", *at()).stdout
    (root,), (kid,) = roots[0]["anchors"], roots[0]["kids"]
    for line in (f"  root {root}", f"  signer {kid}", f"  certificate {told[0]['certificate']}", "  resident.personal"):
        assert line in shown.splitlines()
    assert "certificate type (22): added" in shown
    sign(ministry, "kim", "lee")
    published(ministry)
    gone = ministry.json("trust show ministry")["roles"]["root"]["keys"][2]
    ministry(f"trust rotate ministry --role root --remove {gone} --add choi.key.pub --threshold 3", *at(1))
    came = ministry.json("trust show ministry")["key_changes"]
    assert [(one["role"], one["removed"], one["threshold"]) for one in came] == [("root", [gone], 3)]
    assert f"- {gone}, signatures 2 → 3" in ministry("trust show ministry --lang en", *at(1)).stdout


def test_a_detached_signature_is_named_by_its_key_and_told(ministry):
    keys = ministry.json("trust show ministry")["roles"]["root"]["keys"]
    for _ in range(2):
        made = ministry.json(f"trust sign ministry --key kim.key --yes --out signatures {PASSWORD}")["signatures"]
        assert made == [f"signatures/{role}-1-{keys[0]}.sig.json" for role in ("root", "targets")]
    assert len(list((ministry.folder / "signatures").iterdir())) == 2


def test_what_was_deleted_by_hand_leaves_the_next_list(ministry):
    ministry(f"verifier init bank --identifier bank.example {PASSWORD}", *NAMES, *at(-1))
    ministry("trust add-reader ministry bank/reader.json", *at())
    sign(ministry, "kim", "lee")
    assert published(ministry)["readers"] == 1
    (file,) = (ministry.folder / "ministry/readers").iterdir()
    file.unlink()
    assert "reader Test list" in ministry("trust stage ministry --lang en", *at(1)).stdout
    sign(ministry, "kim", "lee")
    assert published(ministry, 1)["readers"] == 0


def test_a_list_that_ends_soon_is_told_daily_and_staged_anew(ministry):
    sign(ministry, "kim", "lee")
    published(ministry)
    assert "Make the next one" not in ministry("trust show ministry --lang en", *at(300)).stdout
    told = ministry(f"trust publish ministry --key online.key --lang en {PASSWORD}", *at(310)).stdout
    assert "trust list: ends" in told
    assert "vcred trust stage" in told
    assert ministry.json("trust stage ministry", *at(300))["staged"] == []
    assert [one["role"] for one in ministry.json("trust stage ministry", *at(310))["staged"]] == ["targets"]
    sign(ministry, "kim", "lee")
    published(ministry, 311)
    assert "Make the next one" not in ministry("trust show ministry --lang en", *at(311)).stdout


def test_wrong_files_are_not_taken_in_silence(ministry):
    sign(ministry, "kim", "lee")
    assert "ends in .toml" in ministry("trust add-policy ministry password", code=4).stderr
    assert not (ministry.folder / "ministry/policies").exists()
    (ministry.folder / "empty").mkdir()
    empty = ministry(f"trust publish ministry --key online.key --status empty {PASSWORD}", *at(), code=4)
    assert "no status list" in empty.stderr
    wrong = ministry(f"trust publish ministry --key online.key --status password {PASSWORD}", *at(), code=4)
    assert "password: not a status list" in wrong.stdout
    assert (ministry.folder / "ministry/published/bundle.trust").exists(), "one wrong file keeps no news back"
    assert "--force" not in ministry(f"trust key kim.key {PASSWORD}", code=4).stderr
    again = f"trust withdraw ministry --authority {CITY} --reason superseded"
    ministry(again, *at())
    assert "already" in ministry(again, *at(1), code=4).stderr


def test_the_trial_form_needs_one_password(shell):
    shell(f"trust init trial {PASSWORD}", *NAMES, *at())
    shell(f"trust publish trial --out kr.trust {PASSWORD}", *at())
    assert "TEST" in shell("trust show kr.trust --root trial/published/root.json --lang en", *at()).stdout
    assert "exists already" in shell(f"trust publish trial --out kr.trust --lang en {PASSWORD}", *at(), code=4).stderr


def test_lists_for_other_peoples_verifiers(shell):
    shell(f"trust init trial {PASSWORD}", *NAMES, *at())
    shell(
        f"issuer init city --id {CITY} --types resident.personal --production {PASSWORD}",
        *("--name-ko", "가람시 (가상)", "--name-en", "Garam City (fictitious)"),
        *at(-1),
    )
    shell("trust add-authority trial city/authority.json", *at())
    shell(f"trust publish trial {PASSWORD}", *at())
    ministry = ("--name-ko", "디지털부 (가상)", "--name-en", "Digital Ministry (fictitious)")
    shell(f"trust export key signer {PASSWORD}", *ministry, *at())
    (shell.folder / "scheme.toml").write_text(
        'operator = { ko = "디지털부 (가상)", en = "Digital Ministry (fictitious)" }\n'
        'street = { ko = "가람시 나루로 1", en = "1 Naru-ro, Garam" }\n'
        'contact = "mailto:trust@ministry.example"\ninformation_uri = "https://ministry.example/trust"\n'
    )
    lists = (
        "trust export lists trial/published/bundle.trust --root trial/published/root.json --key signer/list.key"
        f" --certificate signer/list.pem --out lists {PASSWORD} --scheme"
    )
    facts = shell.json(f"{lists} scheme.toml", *at())
    assert facts["sequence"] == 1
    from vcred.cli._describe import pem_chain
    from vcred.trust.lote import listed_by, parse_lote, verify_lote
    from vcred.trust.vical import parse_vical, verify_vical

    anchors = pem_chain(shell.folder / "signer/list-root.pem")
    lote = parse_lote((shell.folder / "lists/lote.json").read_bytes())
    verified = verify_lote(lote, keys=(), anchors=anchors, stored_sequence=None, at=AT)
    assert [authority.id for authority in listed_by(verified)[0]] == [CITY]
    vical = parse_vical((shell.folder / "lists/vical.cbor").read_bytes())
    assert verify_vical(vical, keys=(), anchors=anchors, stored_issue=None, at=AT).anchors(
        "kr.vcred.resident.personal.1"
    )
    (shell.folder / "scheme.toml").write_text("operator = 1\n")
    assert "not the description of a scheme" in shell(f"{lists} scheme.toml --force", *at(), code=4).stderr
