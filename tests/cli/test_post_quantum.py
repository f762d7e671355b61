"""A post-quantum agency on the command line: made, listed, issuing, shown, verified, rotated; and one that changes over."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from tests.cli.test_transcript import AT
from vcred.cli._issuer_home import ALGORITHMS, settings

AT_IT = f"--at {AT:%Y-%m-%dT%H:%M:%SZ}"
SECRET, PIN = "--password-file password", "--pin-file pin"
TRUST = "--root trust/published/root.json"
NAMES = ("--name-ko", "가람시 (가상)", "--name-en", "Garam City (fictitious)")
POLICY = """
id = "court.archive"
name = { ko = "보존", en = "Archive" }
purpose = { ko = "장기 보존", en = "Long-term archive" }
asks = { ko = "이름", en = "Name" }
holder_binding = "required"
post_quantum = "required"
freshness = { challenge = true }
trust = { max_age_hours = 720 }
status = { required = true, max_age_hours = 24 }
rrn = { level = "none" }
retention = { days = 0, text = { ko = "보관하지 않음", en = "Not kept" } }
[[certificates]]
slot = "one"
name = { ko = "초본", en = "Abstract" }
required = true
[[certificates.any_of]]
code = "resident.personal"
claims = ["name"]
"""


def agency(shell, folder="city", algorithm="ml-dsa-44-es256", **more):
    line = f"issuer init {folder} --id https://{folder}.example/issuer --types resident.personal {SECRET} {AT_IT}"
    return shell.json(f"{line} --algorithm {algorithm}", *NAMES, **more)


def kids(folder="city"):
    (entry,) = json.loads((folder / "authority.json").read_text())["authorities"]
    return [one["kid"] for one in entry["signers"]], [(one["kid"], one["jwk"].get("alg")) for one in entry["keys"]]


def publish(shell, out):
    shell(f"trust publish trust --out {out} {SECRET} {AT_IT}")


def test_from_a_new_agency_to_a_verdict(shell):
    agency(shell)
    (certified,), ((bare, alg),) = kids(shell.folder / "city")
    assert alg == "ML-DSA-44-ES256"
    assert settings(shell.folder / "city").signer.is_bare
    assert (shell.folder / "city" / "document-signer.key").read_text().count("BEGIN ENCRYPTED PRIVATE KEY") == 2
    (shell.folder / "archive.toml").write_text(POLICY)
    shell(f"verifier init bank --identifier desk.example {SECRET} {AT_IT}", *NAMES)
    shell(f"trust init trust {SECRET} {AT_IT}", *NAMES)
    (listed,) = shell.json(f"trust add-authority trust city/authority.json {AT_IT}")
    assert (listed["kids"], listed["keys"]) == ([certified], [{"kid": bare, "alg": alg}])
    shell(f"trust add-policy trust archive.toml {AT_IT}")
    shell(f"trust add-reader trust bank/reader.json --policies court.archive,bank.address-change {AT_IT}")
    assert f"key {bare} ML-DSA-44-ES256" in shell(f"trust stage trust {AT_IT}").output  # what the officers sign
    publish(shell, "kr1.trust")
    shell(f"wallet init me --trust kr1.trust {TRUST} {PIN} {AT_IT}")
    shell(f"issuer town town.db --households 2 {AT_IT}")
    subject = shell.json("issuer subjects town.db --limit 1")[0]["subject"]
    made = f"--issuer city --records town.db {AT_IT}"
    shell(f"issuer offer resident.personal --subject {subject} --out offer.png {made}")
    shell(f"wallet accept offer.png --wallet me --out proof.bin {PIN} {AT_IT}")
    shell(f"issuer issue proof.bin --out delivery.bin {made} {SECRET}")
    shell(f"wallet receive delivery.bin --wallet me {PIN} {AT_IT}")
    shell(f"issuer status --issuer city --out status {SECRET} {AT_IT}")
    shell(f"trust publish trust --status status --out kr2.trust {SECRET} {AT_IT}")
    shell(f"verifier trust --verifier bank --trust kr2.trust {TRUST} {AT_IT}")
    shell(f"wallet trust --wallet me --trust kr2.trust {AT_IT}")
    shell(f"verifier request court.archive --verifier bank --out request.png {SECRET} {AT_IT}")
    shell(f"wallet present request.png --wallet me --out answer.gif --yes {PIN} {AT_IT}")
    with Image.open(shell.folder / "answer.gif") as picture:
        assert picture.n_frames > 5
    shell(f"verifier verify answer.gif --verifier bank --request request.png {SECRET} {AT_IT}")
    shell(f"verifier request bank.address-change --verifier bank --out other.png {SECRET} {AT_IT}")
    foreseen = shell(f"wallet match other.png --wallet me {PIN} {AT_IT}", code=1)
    assert "algorithm" in foreseen.output


def test_the_next_key_is_like_the_one_at_work(shell):
    agency(shell, algorithm="ml-dsa-65")
    rotate = f"issuer rotate --issuer city {SECRET} {AT_IT}"
    made = shell.json(rotate)
    _, (first, second) = kids(shell.folder / "city")
    assert ([second[0]], second[1]) == (made["kids"], "ML-DSA-65")
    shell(rotate, code=4)  # one is prepared already
    again = shell.json(f"{rotate} --force")
    _, listed = kids(shell.folder / "city")
    assert listed == [first, (again["kids"][0], "ML-DSA-65")]  # the one that was never used is gone
    shell(f"{rotate} --activate --unpublished")
    assert shell.json(f"{rotate} --retire-old")["kids"] == [first[0]]
    assert shell.json(f"{rotate} --compromised --kid {first[0]}")["kids"] == [first[0]]


def test_an_agency_with_a_certificate_changes_over(shell):
    agency(shell, algorithm="es256")
    assert kids(shell.folder / "city")[1] == []
    rotate = f"issuer rotate --issuer city {SECRET} {AT_IT}"
    refused = shell(f"{rotate} --algorithm ml-dsa-65-es256", code=4)
    assert "signs no status lists" in refused.output
    shell(f"{rotate} --lists --algorithm ml-dsa-65-es256", code=2)
    shell(f"{rotate} --lists")
    shell(f"{rotate} --lists --activate --unpublished")
    made = shell.json(f"{rotate} --algorithm ml-dsa-65-es256")
    shell(f"{rotate} --activate --unpublished")
    old, ((kid, alg),) = kids(shell.folder / "city")
    assert ([kid], alg, len(old)) == (made["kids"], "ML-DSA-65-ES256", 2)
    assert shell.json(f"{rotate} --retire-old")["kids"] == [old[0]]
    back = shell.json(f"{rotate} --algorithm es256")
    shell(f"{rotate} --activate --unpublished")
    assert kids(shell.folder / "city")[0] == [*old, *back["kids"]]
    assert not settings(shell.folder / "city").signer.is_bare


@pytest.mark.parametrize("algorithm", [one for one in ALGORITHMS if one != "es256"])
def test_every_algorithm_makes_a_folder_that_opens(shell, algorithm):
    agency(shell, algorithm=algorithm)
    shell(f"issuer lint --issuer city {AT_IT}")
    entry = shell.folder / "city" / "document-signer.json"
    entry.write_text(entry.read_text().replace('"kty":"AKP"', '"kty":"EC"'))
    assert "not the entry of a key" in shell(f"issuer lint --issuer city {AT_IT}", code=4).output
