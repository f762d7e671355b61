"""The whole way at the command line: registry, agency, trust bundle, wallet, bank; every message a file or a picture."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import stat
from datetime import UTC, datetime, timedelta

import pytest

from vcred.cli._document import markdown
from vcred.cli._root import root

AT = datetime(2026, 9, 1, 1, 0, tzinfo=UTC)
ISSUED = AT - timedelta(days=3)
NAMES = ("--name-ko", "가람시 (가상)", "--name-en", "Garam City (fictitious)")
BANK = ("--name-ko", "다솜은행 (가상)", "--name-en", "Dasom Bank (fictitious)", "--identifier", "desk.dasom.example")


def at(moment=AT):
    return ("--at", moment.isoformat())


class Day:
    """An agency, a trust list, a wallet and a bank in the folder of a shell."""

    def __init__(self, shell):
        self.shell = shell
        self.json = shell.json

    def begin(self):
        """Everybody's keys, a first bundle, an empty wallet."""
        shell = self.shell
        shell("trust init trust --password-file password --name-ko 시험 --name-en Test", *at(ISSUED))
        types = "resident.personal,resident.household"
        start = ISSUED - timedelta(hours=2)
        shell(
            f"issuer init city --id https://garam.example/issuer --types {types} --copies 2",
            *NAMES,
            "--password-file",
            "password",
            *at(start),
        )
        shell("verifier init bank --password-file password", *BANK, *at(ISSUED))
        shell("trust add-authority trust city/authority.json")
        shell("trust add-reader trust bank/reader.json")
        sample = json.loads(shell("catalog show resident.personal --sample").stdout)
        (shell.folder / "records.json").write_text(json.dumps({"resident.personal": {"p-1": sample}}), "utf-8")
        self.bundle("kr1.trust", ISSUED)
        shell("wallet init me --pin-file pin --trust kr1.trust --root trust/published/root.json", *at(ISSUED))

    def bundle(self, name, moment):
        status = ("--status", "status") if (self.shell.folder / "status").is_dir() else ()
        self.shell(f"trust publish trust --password-file password --out {name}", *status, *at(moment))

    def issue(self, offer="offer.png", proof="proof.bin", delivery="delivery.bin", moment=ISSUED):
        """Offer, proofs, delivery; the certificate as the wallet lists it."""
        self.json(
            f"issuer offer resident.personal --issuer city --records records.json --subject p-1 --option addressHistory=all --out {offer}",
            *at(moment),
        )
        proofs = self.json(f"wallet accept {offer} --wallet me --pin-file pin --out {proof}", *at(moment))["files"]
        made = self.json(
            "issuer issue",
            *proofs,
            "--issuer",
            "city",
            "--records",
            "records.json",
            "--password-file",
            "password",
            "--out",
            delivery,
            *at(moment),
        )
        (held,) = self.json("wallet receive", *made["files"], *["--wallet", "me", "--pin-file", "pin"], *at(moment))
        return held

    def publish(self, name, moment=AT):
        """Status lists, a new bundle, and everybody takes it."""
        self.shell("issuer status --issuer city --password-file password --out status", *at(moment))
        self.bundle(name, moment)
        self.shell(f"verifier trust --verifier bank --trust {name} --root trust/published/root.json", *at(moment))
        self.shell(f"wallet trust --wallet me --trust {name}", *at(moment))

    def request(self, out="request.png", moment=AT, policy="bank.address-change"):
        return self.json(
            f"verifier request {policy} --verifier bank --password-file password --out {out}", *at(moment)
        )["files"]

    def present(self, request, out="answer.png", *more, moment=AT, code=0, typed=None):
        words = f"--wallet me --pin-file pin --out {out}".split()
        return self.json("wallet present", *request, *words, *(more or ("--yes",)), *at(moment), code=code, typed=typed)

    def verify(self, answer, request, *more, moment=AT, code=0):
        asked = [word for file in request for word in ("--request", file)]
        return self.json(
            "verifier verify",
            *answer,
            *asked,
            *["--verifier", "bank", "--password-file", "password"],
            *more,
            *at(moment),
            code=code,
        )


@pytest.fixture(scope="module")
def stages(tmp_path_factory, shell_in):
    """Folders as they are after ``begin``, and after one certificate and a bundle that knows its status."""
    folder = tmp_path_factory.mktemp("day") / "work"
    folder.mkdir()
    with contextlib.chdir(folder):
        day = Day(shell_in(folder))
        day.begin()
        shutil.copytree(folder, folder.parent / "begun")
        held = day.issue()
        day.publish("kr2.trust")
        shutil.copytree(folder, folder.parent / "issued")
    return folder.parent, held


@pytest.fixture
def day(shell, stages):
    shutil.copytree(stages[0] / "begun", shell.folder, dirs_exist_ok=True)
    return Day(shell)


@pytest.fixture
def issued(shell, stages):
    """A day on which one certificate, ``issued.held``, is in the wallet."""
    shutil.copytree(stages[0] / "issued", shell.folder, dirs_exist_ok=True)
    day = Day(shell)
    day.held = stages[1]
    return day


def test_from_registry_to_accepted_and_after_a_revocation_rejected(issued):
    held = issued.held
    request = issued.request()
    asked = issued.json("wallet match", *request, *["--wallet", "me", "--pin-file", "pin"], *at())
    assert asked["verifier"]["name"]["ko"] == "다솜은행 (가상)"
    assert asked["verifier"]["registered"]
    assert asked["missing"] == asked["reasons"] == []
    answer = issued.present(request)
    result = issued.verify(answer["files"], request, "--receipt", "receipt.png", "--reference", "A-1")
    assert result["outcome"] == "ACCEPTED"
    assert result["claims"]["resident.personal"]["name"]
    assert "addressHistory" not in result["claims"]["resident.personal"]

    receipt = issued.json("wallet receipt", *result["receipt"], *["--wallet", "me", "--pin-file", "pin"], *at())
    assert receipt["outcome"] == "ACCEPTED"
    (entry,) = issued.json("wallet history --wallet me --pin-file pin", *at())
    assert entry["retention"] == entry["receipt"]["retention"]
    told = {"outcome": "ACCEPTED", "reference": "A-1", "verified": "trust_list", "as_asked": True, "problem": None}
    assert entry["receipt"].items() >= told.items()
    assert entry["receipt"]["types"] == ["resident.personal"]

    again = issued.verify(answer["files"], request, code=1)
    assert "replay" in {one["code"] for one in again["reasons"]}

    issued.json("issuer revoke --issuer city --reason reissued", held["credential_id"], *at())
    issued.publish("kr3.trust", AT + timedelta(minutes=5))
    later = AT + timedelta(minutes=6)
    request = issued.request("request2.png", later)
    answer = issued.present(request, "answer2.png", moment=later)
    result = issued.verify(answer["files"], request, moment=later, code=1)
    assert result["outcome"] == "REJECTED"
    assert {one["code"] for one in result["reasons"]} == {"revoked"}
    assert "claims" not in result


@pytest.mark.parametrize("lang", ["ko", "en"])
def test_the_whole_way_works_as_the_page_says(shell, lang):
    block = markdown(root, lang).split("```sh\n")[1].split("```")[0]
    *_, verdict, kept = [shell("", *shlex.split(line)[1:]) for line in block.splitlines()]
    assert verdict.stdout.startswith("ACCEPTED")
    assert kept.stdout.startswith("ACCEPTED")


def test_a_stale_status_list_is_exit_3(issued):
    later = AT + timedelta(days=8)
    request = issued.request(moment=later)
    answer = issued.present(request, moment=later)
    result = issued.verify(answer["files"], request, moment=later, code=3)
    assert result["outcome"] == "INDETERMINATE"
    assert {one["code"] for one in result["reasons"]} == {"stale"}
    assert {one["status_age"] for one in result["certificates"]} == {8 * 86_400}


@pytest.mark.parametrize(
    ("offer", "proof", "delivery"),
    [
        ("offer.uri", "proof.json", "delivery.json"),
        ("offer.json", "proof", "delivery"),
        ("offer.bin", "proof.gif", "delivery.gif"),
        ("offer.txt", "proof.txt", "delivery.txt"),
    ],
)
def test_issuing_moves_as_any_kind_of_file(day, offer, proof, delivery):
    held = day.issue(offer, proof, delivery)
    assert held["code"] == "resident.personal"
    assert held["total"] == held["unused"] == 4
    for name in (offer, proof, delivery):
        path = day.shell.folder / name
        file = path if path.is_file() else path / "frame-01.png"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_answer_moves_as_frames(issued):
    request = issued.request("request")
    answer = issued.present(request, "answer.bin")["files"]
    frames = issued.json("qr encode answer.bin --animated --out frames")["files"]
    assert issued.verify(frames[::-1], request)["outcome"] == "ACCEPTED"
    assert answer == ["answer.bin"]


def test_the_holder_is_asked_and_may_say_no(issued):
    request = issued.request()
    words = ["wallet present", *request, *["--wallet", "me", "--pin-file", "pin", "--out", "answer.png"], *at()]
    result = issued.shell(*words, code=1, typed="n\n")
    assert "Dasom Bank" in result.stdout
    assert not (issued.shell.folder / "answer.png").exists()
    assert issued.json("wallet history --wallet me --pin-file pin", *at()) == []
    assert "answer.png" in issued.shell(*words, typed="y\n").stdout


def test_an_existing_answer_uses_up_no_copy(issued):
    (issued.shell.folder / "answer.png").write_bytes(b"mine")
    issued.present(issued.request(), code=4)
    (held,) = issued.json("wallet list --wallet me --pin-file pin", *at())
    assert held["unused"] == held["total"]


def test_an_existing_receipt_uses_up_no_request(issued):
    (issued.shell.folder / "receipt.png").write_bytes(b"mine")
    request = issued.request()
    answer = issued.present(request)["files"]
    issued.verify(answer, request, "--receipt", "receipt.png", code=4)
    assert issued.verify(answer, request, "--receipt", "receipt2.png")["outcome"] == "ACCEPTED"


def test_what_is_missing_is_said_at_home(day):
    day.shell("verifier trust --verifier bank --trust kr1.trust --root trust/published/root.json", *at())
    request = day.request()
    asked = day.json("wallet match", *request, *["--wallet", "me", "--pin-file", "pin"], *at(), code=1)
    assert asked["missing"]
    day.present(request, code=1)


def test_optional_claims_and_another_certificate_can_be_chosen(day):
    first, second = day.issue(), day.issue("offer2.png", "proof2.bin", "delivery2.bin")
    day.publish("kr2.trust")
    request = day.request()
    asked = day.json("wallet match", *request, *["--wallet", "me", "--pin-file", "pin"], *at())
    (query,) = {one["query"] for one in asked["required"]}
    default = {one["certificate"] for one in asked["required"]}
    other = ({first["id"], second["id"]} - default).pop()
    answer = day.present(request, "answer.png", "--choose", f"{query}={other}", "--yes")
    assert {one["certificate"] for one in answer["shown"]} == {other}
    day.present(day.request("r2.png"), "a2.png", "--also", "no.such.claim", "--yes", code=1)
    day.present(day.request("r3.png"), "a3.png", "--choose", "nonsense", "--yes", code=2)


def test_a_wrong_pin_is_exit_4_and_counted(day):
    (day.shell.folder / "wrong").write_text("000000\n")
    result = day.shell("wallet list --wallet me --pin-file wrong", *at(), code=4)
    assert "9 attempts left" in result.stderr
    assert "8번 더 틀리면" in day.shell("wallet list --wallet me --pin-file wrong --lang ko", *at(), code=4).stderr
    assert "000000" not in result.output


def test_one_process_at_a_time_has_the_wallet(day):
    from wallet import FileStore

    with FileStore(day.shell.folder / "me" / "wallet.db", pin="482917"):
        assert "other process" in day.shell("wallet list --wallet me --pin-file pin", *at(), code=4).stderr


def test_the_pin_is_asked_for_without_being_shown(day):
    result = day.shell("wallet list --wallet me", *at(), typed="482917\n")
    assert "482917" not in result.output


def test_the_pin_can_be_changed(day):
    (day.shell.folder / "new").write_text("739105\n")
    day.shell("wallet pin --wallet me --pin-file pin --new-pin-file new", *at())
    day.shell("wallet list --wallet me --pin-file pin", *at(), code=4)
    day.shell("wallet list --wallet me --pin-file new", *at())


def test_a_locked_wallet_opens_with_its_recovery_key(day):
    day.shell("wallet recovery-key --wallet me --pin-file pin --out recovery.txt", *at())
    key = (day.shell.folder / "recovery.txt").read_text().strip()
    (day.shell.folder / "new").write_text("739105\n")
    (day.shell.folder / "wrong").write_text("A" * 32 + "\n")
    day.shell("wallet reset --wallet me --recovery-key-file wrong --new-pin-file new", code=4)
    assert key not in day.shell("wallet reset --wallet me --recovery-key-file recovery.txt --new-pin-file new").output
    day.shell("wallet list --wallet me --pin-file new", *at())


def test_a_backup_brings_the_wallet_back(issued):
    pin = "--wallet me --pin-file pin"
    issued.shell(f"wallet recovery-key {pin} --out recovery.txt", *at())
    key = "--recovery-key-file recovery.txt"
    made = issued.json(f"wallet backup me.backup {pin} {key}", *at())
    file = issued.shell.folder / "me.backup"
    assert made["bytes"] == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "--force" in issued.shell(f"wallet backup me.backup {pin} {key}", *at(), code=4).stderr
    claims = issued.json("wallet show --wallet me --pin-file pin", issued.held["id"], *at())["claims"]

    assert issued.json(f"wallet restore me.backup {pin} {key}", *at()) == {"restored": 0}
    issued.shell(f"wallet delete {pin} --yes", issued.held["id"], *at())
    assert "1" in issued.shell(f"wallet restore me.backup {pin} {key} --lang ko", *at()).stdout
    (held,) = issued.json(f"wallet list {pin}", *at())
    assert (held["unused"], held["state"]) == (0, "used_up")
    assert issued.json(f"wallet show {pin}", held["id"], *at())["claims"] == claims

    other = issued.shell.json(
        "wallet init other --pin-file pin --trust kr2.trust --root trust/published/root.json", *at()
    )
    assert issued.json(f"wallet restore me.backup --wallet other --pin-file pin {key}", *at()) == {"restored": 1}, other
    (held,) = issued.json("wallet list --wallet other --pin-file pin", *at())
    assert held["state"] == "reissue"  # the holder keys stay on their device


def test_a_wrong_recovery_key_or_file_is_told_apart_from_a_refusal(issued):
    pin = "--wallet me --pin-file pin"
    issued.shell(f"wallet recovery-key {pin} --out recovery.txt", *at())
    issued.shell(f"wallet backup me.backup {pin} --recovery-key-file recovery.txt", *at())
    (issued.shell.folder / "wrong").write_text("A" * 32 + "\n")
    (issued.shell.folder / "nonsense").write_text("1\n")
    told = issued.json(f"wallet restore me.backup {pin} --recovery-key-file wrong", *at(), code=4)["error"]
    assert told["file"] == "me.backup"
    assert "A" * 32 not in told["message"]
    issued.shell(f"wallet restore pin {pin} --recovery-key-file recovery.txt", *at(), code=4)
    issued.shell(f"wallet restore nowhere {pin} --recovery-key-file recovery.txt", *at(), code=4)
    issued.shell(f"wallet backup b.backup {pin} --recovery-key-file nonsense", *at(), code=2)
    assert not (issued.shell.folder / "b.backup").exists()


def test_the_consent_says_what_goes_along(issued):
    asked = issued.json("wallet match", *issued.request(), *["--wallet", "me", "--pin-file", "pin"], *at())
    assert {one["path"] for one in asked["always"]} == {"issuedOn", "options"}


def test_a_short_pin_is_wrong_use_and_makes_no_wallet(shell):
    (shell.folder / "short").write_text("123\n")
    shell("wallet init other --pin-file short", code=2)
    assert not list(shell.folder.rglob("wallet.db"))


def test_no_wallet_is_exit_4(shell):
    assert "wallet init" in shell("wallet list --wallet nowhere", code=4).stderr


def test_a_wallet_in_a_file_takes_the_bundle_by_options(day):
    day.shell("wallet init one.wallet --pin-file pin", *at())
    trust = "--trust kr1.trust --root trust/published/root.json"
    assert day.json(f"wallet list --wallet one.wallet --pin-file pin {trust}", *at()) == []
    day.shell("wallet list --wallet one.wallet --pin-file pin", *at(), code=4)


def test_certificates_are_shown_and_deleted(issued):
    held = issued.held
    shown = issued.json("wallet show --wallet me --pin-file pin", held["id"], *at())
    assert shown["id"] == held["id"]
    assert shown["claims"]["options"]["addressHistory"] == "all"
    for lang, words in (
        ("ko", ("현주소 · 도로명주소", "아니요", "과거주소 1 · ")),
        ("en", ("Abstract", " no ", "rrn.birthDate")),
    ):
        text = issued.shell("wallet show --wallet me --pin-file pin --lang", lang, held["id"], *at()).stdout
        assert all(word in text for word in (*words, shown["claims"]["name"])), text
    issued.shell("wallet show --wallet me --pin-file pin nothing", *at(), code=4)
    issued.shell("wallet delete --wallet me --pin-file pin", held["id"], *at(), code=1, typed="n\n")
    issued.shell("wallet delete --wallet me --pin-file pin --yes", held["id"], *at())
    assert issued.json("wallet list --wallet me --pin-file pin", *at()) == []


def test_an_offer_is_taken_once_and_a_broken_delivery_is_refused(day):
    day.issue()
    assert day.json(
        "issuer issue proof.bin --issuer city --records records.json --password-file password --out again.bin",
        *at(ISSUED),
    )["credential_id"]
    day.json("wallet accept offer.png --wallet me --pin-file pin --out proof2.bin", *at(ISSUED))
    refused = day.json(
        "issuer issue proof2.bin --issuer city --records records.json --password-file password --out other.bin",
        *at(ISSUED),
        code=1,
    )
    assert refused["error"]["code"] == "replay"
    raw = bytearray((day.shell.folder / "delivery.bin").read_bytes())
    raw[len(raw) // 2] ^= 1
    (day.shell.folder / "broken.bin").write_bytes(raw)
    day.shell("wallet receive broken.bin --wallet me --pin-file pin", *at(ISSUED), code=1)


def test_offers_for_many_people_say_which_lines_were_refused(day):
    (day.shell.folder / "people").write_text("p-1\nnobody\np-1\n")
    made = day.json(
        "issuer batch resident.personal people --issuer city --records records.json --out offers", *at(ISSUED)
    )
    assert made["offers"] == 2
    assert made["refused_lines"] == [2]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ("--subject nobody", 4),
        ("--subject p-1 --option nothing=1", 2),
        ("--subject p-1 --option addressHistory=sometimes", 2),
        ("--subject p-1 --variant detailed", 2),
    ],
)
def test_a_wrong_offer_is_refused(day, more, code):
    day.shell(
        f"issuer offer resident.personal --issuer city --records records.json --out offer.png {more}",
        *at(ISSUED),
        code=code,
    )
    assert not (day.shell.folder / "offer.png").exists()


def test_an_issuer_signs_only_the_types_it_was_made_for(day):
    day.shell(
        "issuer offer family.basic --issuer city --records records.json --subject p-1 --out offer.png",
        *at(ISSUED),
        code=4,
    )


def test_tables_for_people_in_both_languages(issued):
    request = issued.request()
    for lang, words in (("ko", ("주민등록표 초본", "승인")), ("en", ("Abstract", "accepted"))):
        listed = issued.shell(f"wallet list --wallet me --pin-file pin --lang {lang}", *at())
        assert words[0] in listed.stdout
    answer = issued.present(request)["files"]
    shown = issued.shell(
        "verifier verify",
        *answer,
        "--request",
        *request,
        *["--verifier", "bank", "--password-file", "password", "--lang", "ko"],
        *at(),
    )
    assert "ACCEPTED: 승인" in shown.stdout
    assert "전" in shown.stdout or "방금" in shown.stdout


def test_a_town_is_a_registry(day):
    made = day.json("issuer town town.db --households 20 --seed 26", *at(ISSUED))
    assert made["households"] == 20
    day.shell("issuer town town.db", *at(ISSUED), code=4)
    person = day.json("issuer subjects town.db --limit 1")[0]
    offered = (
        f"issuer offer resident.household --issuer city --records town.db --subject {person['subject']} --out town.png"
    )
    day.shell(offered, *at(ISSUED))
    proofs = day.json("wallet accept town.png --wallet me --pin-file pin --out town.bin", *at(ISSUED))["files"]
    words = ["--issuer", "city", "--records", "town.db", "--password-file", "password", "--out", "house.bin"]
    delivery = day.json("issuer issue", *proofs, *words, *at(ISSUED))["files"]
    (held,) = day.json("wallet receive", *delivery, "--wallet", "me", "--pin-file", "pin", *at(ISSUED))
    assert held["code"] == "resident.household"
    day.publish("kr2.trust")
    request = day.request()
    result = day.verify(day.present(request)["files"], request)
    assert result["outcome"] == "ACCEPTED"
    assert any(one.get("name") == person["name"] for one in result["claims"]["resident.household"]["members"])


def test_a_registry_that_is_not_there_is_exit_4(day):
    day.shell("issuer subjects nowhere.db", code=4)
    (day.shell.folder / "odd.json").write_text("[]")
    offered = "issuer offer resident.personal --issuer city --subject p-1 --out o.png --records"
    assert "nowhere.db" in day.shell(f"{offered} nowhere.db", *at(ISSUED), code=4).stderr
    assert "odd.json" in day.shell(f"{offered} odd.json", *at(ISSUED), code=4).stderr
