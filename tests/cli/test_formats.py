"""An agency that issues an mdoc and a W3C credential beside the usual two, and a bank that asks for each by name."""

from __future__ import annotations

import json

import pytest

from tests.cli.test_transcript import AT, BANK, ISSUED, NAMES, Day, at

FORMATS = ("sd-cwt", "mso_mdoc", "vc+sd-jwt")


class Agency(Day):
    def begin(self):
        shell = self.shell
        shell("trust init trust --password-file password --name-ko 시험 --name-en Test", *at(ISSUED))
        formats = " ".join(f"--format {one}" for one in FORMATS)
        init = f"issuer init city --id https://garam.example/issuer --types resident.personal --copies 1 {formats}"
        shell(init, *NAMES, "--password-file", "password", *at(ISSUED))
        shell("verifier init bank --password-file password", *BANK, *at(ISSUED))
        shell("trust add-authority trust city/authority.json", *at(ISSUED))
        shell("trust add-reader trust bank/reader.json", *at(ISSUED))
        sample = json.loads(shell("catalog show resident.personal --sample").stdout)
        (shell.folder / "records.json").write_text(json.dumps({"resident.personal": {"p-1": sample}}), "utf-8")
        self.bundle("kr1.trust", ISSUED)
        shell("wallet init me --pin-file pin --trust kr1.trust --root trust/published/root.json", *at(ISSUED))


@pytest.mark.parametrize("form", FORMATS)
def test_a_format_is_asked_for_by_name(shell, form):
    day = Agency(shell)
    day.begin()
    held = day.issue(moment=ISSUED)
    assert set(held["formats"]) == set(FORMATS)
    shell("issuer status --issuer city --out status --password-file password", *at(AT))
    day.bundle("kr2.trust", AT)
    shell("verifier trust --verifier bank --trust kr2.trust --root trust/published/root.json", *at(AT))
    shell("wallet trust --wallet me --trust kr2.trust", *at(AT))
    asked = f"verifier request bank.address-change --verifier bank --format {form} --out q.png --password-file password"
    shell(asked, *at(AT))
    shell("wallet present q.png --wallet me --out answer.bin --yes --pin-file pin", *at(AT))
    verdict = shell.json("verifier verify answer.bin --verifier bank --request q.png --password-file password", *at(AT))
    assert verdict["outcome"] == "ACCEPTED"
    assert [one["format"] for one in verdict["certificates"]] == [form]
