"""The reader of identity cards that ``vcred issuer serve`` puts into its service, from a verifier's folder."""

from __future__ import annotations

import base64
import os
from datetime import UTC, date, datetime

import pytest
from click.testing import CliRunner

from issuer.fictitious import TownRecords, generate
from issuer.server.login_settings import IdLoginSettings
from vcred.cli._issuer_cards import card_reader, known_people, reader_identity
from vcred.cli._root import root
from vcred.errors import SettingsError, SigningError, TrustError
from vcred.testing import SampleRecords, World

AT = datetime.now(UTC).replace(microsecond=0)  # the reader of the command line has the clock of the machine


@pytest.fixture(scope="module")
def world():
    return World(at=AT)


@pytest.fixture
def hall(world, tmp_path):
    """As ``vcred verifier init`` leaves it."""
    folder = tmp_path / "hall"
    folder.mkdir()
    leaf = base64.b64encode(world.identity.chain[0]).decode()
    (folder / "reader.pem").write_text(f"-----BEGIN CERTIFICATE-----\n{leaf}\n-----END CERTIFICATE-----\n")
    (folder / "reader.key").write_bytes(world.identity.signer.to_pem(password=b"correct horse"))
    (folder / "kr-root.json").write_bytes(world.root_file)
    (folder / "kr.trust").write_bytes(world.bundle_file)
    (tmp_path / "password").write_text("correct horse\n")
    return folder


def settings(hall, **more):
    return IdLoginSettings(verifier=hall, password_file=hall.parent / "password", **more)


def test_a_verifiers_folder_is_a_reader_of_cards(hall, world):
    chosen = settings(hall)
    identity = reader_identity(chosen)
    assert identity.client_id == world.identity.client_id
    reader = card_reader(chosen, identity, development=True)
    assert reader.policy.id == "city.login"
    question = reader.ask(response_uri="https://city.example/id/x/answer", lang="ko", at=AT)
    assert question.expires_at - int(AT.timestamp()) == 120


def test_a_newer_trust_list_is_taken_up(hall, world):
    chosen = settings(hall)
    reader = card_reader(chosen, reader_identity(chosen), development=True)
    before = reader._trust()
    world.refresh_trust()
    new = hall / "new"
    new.write_bytes(world.bundle_file)
    os.utime(new, ns=(10**9, 10**9))
    new.replace(hall / "kr.trust")
    assert (before.version + 1, reader._trust().version) == (world.trust.version, world.trust.version)
    (hall / "kr.trust").write_bytes(b"half of a file")
    assert reader._trust().version == world.trust.version, "what cannot be used is not"


def test_a_policy_of_the_agencys_own_or_of_the_trust_list(hall, world, tmp_path):
    from verifier.policy import VerificationPolicy

    text = VerificationPolicy.preset("city.login").source.replace('id = "city.login"', 'id = "garam.login"')
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    chosen = settings(hall, policy=str(tmp_path / "own.toml"))
    assert card_reader(chosen, reader_identity(chosen), development=True).policy.id == "garam.login"


WRONG = {
    "no such policy": ({"policy": "city.logout"}, "no policy city.logout"),
    "no such file": ({"policy": "nowhere.toml"}, "nowhere.toml"),
    "a policy of several documents": ({"policy": "bank.credit-loan"}, "a login asks for one document"),
    "a policy that takes one-way answers": ({"policy": "shop.of-age"}, "a login is an answer to a challenge alone"),
}


@pytest.mark.parametrize("name", WRONG)
def test_settings_that_log_nobody_in_are_said_at_the_start(hall, name):
    given, said = WRONG[name]
    chosen = settings(hall, **given)
    with pytest.raises(SettingsError, match=said):
        card_reader(chosen, reader_identity(chosen), development=True)


def test_a_trust_list_for_tests_is_for_development_alone(hall):
    chosen = settings(hall)
    with pytest.raises(SettingsError, match="development = true only"):
        card_reader(chosen, reader_identity(chosen), development=False)


def test_what_is_missing_in_the_folder_is_said(hall, tmp_path):
    with pytest.raises(SettingsError, match="vcred verifier init makes one"):
        reader_identity(settings(tmp_path))
    (tmp_path / "password").write_text("wrong horse\n")
    with pytest.raises(SigningError):
        reader_identity(settings(hall))
    (hall / "kr.trust").unlink()
    with pytest.raises(TrustError, match="no trust bundle"):
        reader_identity(settings(hall))


def test_the_service_says_what_is_wrong_before_it_listens(hall, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text, said in (
        ('verifier = "nowhere"', "no verifier's folder"),
        ('verifier = "hall"\nsubject = "rrn"\nlookup = "python:a.b:c"', "either subject or lookup"),
        ('verifier = "hall"\ntries = 0', "id_login.tries"),
        ('policy = "city.login"', "id_login.verifier"),
    ):
        (tmp_path / "issuer.toml").write_text(
            'base_url = "http://localhost:1"\nhome = "development-issuer"\ndevelopment = true\n[id_login]\n' + text
        )
        ended = CliRunner().invoke(root, ["issuer", "serve", "--config", "issuer.toml", "--lang", "en"])
        assert ended.exit_code in (2, 4), ended.output
        assert said in ended.output
        assert "Traceback" not in ended.output


def test_the_invented_town_knows_whose_number_it_is(tmp_path):
    generate(tmp_path / "town.db", seed=3, households=20, today=date(2026, 9, 26))
    town = TownRecords(tmp_path / "town.db")
    someone = town.find()[0]
    number = town.fetch("id.resident_mobile", someone.subject, at=AT)["rrn"]
    birth = f"{someone.birth:%Y-%m-%d}"
    shown = {"rrn": {"birthDate": birth, "sexDigit": number[7], "serial": number[8:]}}
    sources = known_people(town)
    assert sources["identify"]("id.resident_mobile", shown) == someone.subject
    for other in ({}, {"rrn": None}, {"rrn": {**shown["rrn"], "serial": "000000"}}, {"rrn": {"birthDate": birth}}):
        assert sources["identify"]("id.resident_mobile", other) is None
    assert "identify" not in known_people(SampleRecords(World(at=AT).catalog))
