"""An agency whose W3C credentials name W3C status lists, from ``issuer init`` to the verdict, by commands alone."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.cli.test_transcript import AT, BANK, ISSUED, NAMES, Day, at
from vcred.status import parse_status_token
from vcred.status.aggregation import parse_aggregation

URI = "https://garam.example/issuer/status/"
SECRET = ("--password-file", "password")
CITY = ("--issuer", "city")
KINDS = ("resident.personal", "id.driver_mobile")
LATER = AT + timedelta(hours=2)


class Agency(Day):
    def begin(self):
        shell = self.shell
        shell("trust init trust --password-file password --name-ko 시험 --name-en Test", *at(ISSUED))
        init = f"issuer init city --id https://garam.example/issuer --types {','.join(KINDS)} --copies 1"
        formats = "--format vc+sd-jwt --format sd-cwt --w3c-status bitstring"
        shell(f"{init} {formats}", *NAMES, *SECRET, *at(ISSUED))
        shell("verifier init bank --password-file password", *BANK, *at(ISSUED))
        shell("trust add-authority trust city/authority.json", *at(ISSUED))
        shell("trust add-reader trust bank/reader.json", *at(ISSUED))
        samples = {code: json.loads(shell(f"catalog show {code} --sample").stdout) for code in KINDS}
        (shell.folder / "records.json").write_text(json.dumps({code: {"p-1": one} for code, one in samples.items()}))
        self.bundle("kr1.trust", ISSUED)
        shell("wallet init me --pin-file pin --trust kr1.trust --root trust/published/root.json", *at(ISSUED))


@pytest.fixture
def day(shell):
    made = Agency(shell)
    made.begin()
    made.held = made.issue(moment=ISSUED)
    return made


def published(day, name, moment, *, without=()):
    day.shell("issuer publish --out status", *CITY, *SECRET, *at(moment))
    for file in without:
        (day.shell.folder / "status" / file).unlink()
    day.bundle(name, moment)
    day.shell(f"verifier trust --verifier bank --trust {name} --root trust/published/root.json", *at(moment))


def verdict(day, moment, *, code=0):
    asked = "verifier request bank.address-change --verifier bank --format vc+sd-jwt --out q.png --force"
    day.shell(asked, *SECRET, *at(moment))
    day.shell("wallet present q.png --wallet me --out answer.bin --yes --force --reuse --pin-file pin", *at(moment))
    told = day.json("verifier verify answer.bin --verifier bank --request q.png", *SECRET, *at(moment), code=code)
    return told["outcome"], [one["code"] for one in told["reasons"]]


def test_the_lists_are_published_beside_the_others(day):
    written = day.json("issuer publish --out public", *CITY, *SECRET, *at())
    assert [one["uri"].removeprefix(URI) for one in written] == ["1", "1", "1-revocation"]
    names = sorted(one.name for one in (day.shell.folder / "public").iterdir())
    assert names == ["1-revocation.vc.jwt", "1.cwt", "1.jwt", "aggregation.json"]
    raw = (day.shell.folder / "public" / "aggregation.json").read_bytes()
    assert json.loads(raw)["status_lists"] == [URI + "1"], "what a reader of the other standard asks for"
    assert parse_aggregation(raw) == (URI + "1", URI + "1-revocation")
    token = parse_status_token((day.shell.folder / "public" / "1-revocation.vc.jwt").read_bytes())
    assert (token.uri, token.issuer) == (URI + "1-revocation", "https://garam.example/issuer")
    told = day.json("issuer status --out status", *CITY, *SECRET, *at())
    assert [one["uri"].removeprefix(URI) for one in told] == ["1", "1-revocation"]


def test_accepted_then_revoked(day):
    published(day, "kr2.trust", AT)
    assert verdict(day, AT) == ("ACCEPTED", [])
    (credential,) = day.json("issuer list", *CITY)
    day.shell("issuer revoke --reason reissued", credential["id"], *CITY, *at(LATER))
    published(day, "kr3.trust", LATER)
    assert verdict(day, LATER, code=1) == ("REJECTED", ["revoked"])


def test_without_the_w3c_list_nothing_is_decided(day):
    published(day, "kr2.trust", AT, without=["1-revocation.vc.jwt"])
    assert verdict(day, AT, code=3) == ("INDETERMINATE", ["status_unknown"])
    published(day, "kr3.trust", LATER)
    assert verdict(day, LATER) == ("ACCEPTED", [])


def test_an_older_folder_has_the_usual_status(day):
    """``issuer.json`` of before did not say how W3C credentials name their status."""
    path = day.shell.folder / "city" / "issuer.json"
    known = json.loads(path.read_text("utf-8"))
    assert known.pop("w3c_status") == "bitstring"
    path.write_text(json.dumps(known), "utf-8")
    assert [one["uri"].removeprefix(URI) for one in day.json("issuer publish --out public", *CITY, *SECRET, *at())] == [
        "1",
        "1",
        "1-revocation",
    ], "what was named is signed, whatever is named from now on"
    path.write_text(json.dumps(known | {"w3c_status": "both"}), "utf-8")
    day.shell("issuer publish --out public", *CITY, *SECRET, *at(), code=4)


def test_the_choice_is_one_of_two(shell):
    init = "issuer init city --id https://garam.example/issuer --types resident.personal --w3c-status both"
    shell(init, *NAMES, *SECRET, *at(ISSUED), code=2)
    assert not (shell.folder / "city").exists()


def test_it_is_a_choice_for_w3c_credentials_only(shell):
    """Chosen without one it would do nothing, and nobody would notice."""
    init = "issuer init city --id https://garam.example/issuer --types resident.personal --w3c-status bitstring"
    assert "vc+sd-jwt" in shell(f"{init} --format sd-cwt", *NAMES, *SECRET, *at(ISSUED), code=2).stderr
    assert not (shell.folder / "city").exists()
