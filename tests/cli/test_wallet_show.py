"""What a holder is shown before saying yes is what would be shown."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.services.bank_kit import AT, world
from tests.unit.verifier.test_multiple import CODE, policy
from vcred.cli._wallet_show import ask_facts, print_asked


def asked(form, number=1):
    town = world(*[CODE] * number, formats=(form,))
    return town.wallet.match(town.request(policy(), formats=[form]), at=AT)


def rows(found, consent=None):
    """Of each line of the table its claim's path, and the rest."""
    out = io.StringIO()
    print_asked(Console(file=out, width=200), found, "en", consent)
    lines = [one.split("  ") for one in out.getvalue().splitlines() if CODE_NAME in one]
    return [[part.strip() for part in line if part.strip()] for line in lines]


CODE_NAME = "Certificate of Career"


@pytest.mark.parametrize("form", ["vc+jwt", "dc+sd-jwt", "mso_mdoc"])
def test_all_that_goes_along_is_named_also_where_nothing_can_be_hidden(form):
    found = asked(form)
    shown = {str(one.path) for one in found.approve(reuse=True).disclosures}
    assert {"name", "issuedOn"} <= shown
    printed = {path for _, _, path, word in rows(found) if word in ("required", "goes along")}
    assert printed == shown
    facts = ask_facts(found, "en")
    assert {one["path"] for part in ("required", "always") for one in facts[part]} == shown


def test_what_the_holder_chose_is_shown_and_not_the_default():
    found = asked("dc+sd-jwt", 3)
    ids = sorted(one.certificate.id for one in found.candidates["career"])
    consent = found.approve(choose={"career": ids[1:]}, also=["birthDate"], reuse=True)
    printed = rows(found, consent)
    assert {line[0].removeprefix(CODE_NAME).strip() for line in printed if line[-1] == "shown"} == set(ids[1:])
    assert sorted(line[2] for line in printed if line[-1] == "shown") == sorted(
        str(one.path) for one in consent.disclosures
    )
