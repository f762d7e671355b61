"""A clock that was ahead for a while: the desk stops, says so, and a person who looked at another clock lets it go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vcred.trust import TrustBundle

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
PASSWORD = "--password-file password"


@pytest.fixture
def bank(shell):
    shell(f"trust init trial {PASSWORD} --name-ko 시험 --name-en Test", "--at", AT.isoformat())
    shell(f"trust publish trial {PASSWORD}", "--at", AT.isoformat())
    shell(
        f"verifier init bank --identifier desk.dasom.example {PASSWORD}",
        *("--name-ko", "다솜은행 (가상)", "--name-en", "Dasom Bank (fictitious)", "--at", AT.isoformat()),
    )
    ahead = (AT + timedelta(days=20)).isoformat()
    shell("trust sync trial/published --home bank --root trial/published/root.json", "--at", ahead)
    return shell


def usable(shell, at):
    bundle = TrustBundle.load(
        shell.folder / "bank/kr.trust", root=shell.folder / "bank/kr-root.json", seen=shell.folder / "bank/trust.seen"
    )
    bundle.require_current(at)


def test_a_clock_that_was_ahead_is_forgotten_by_hand(bank):
    soon = AT + timedelta(hours=1)
    shown = bank.json("trust clock --home bank", "--at", soon.isoformat())
    assert (shown["ahead"], shown["reset"]) == (20 * 86400 - 3600, False)
    with pytest.raises(Exception, match="behind the last time that was seen"):
        usable(bank, soon)
    told = bank("trust clock --home bank --lang en", "--at", soon.isoformat()).stdout
    assert "the clock is 19 days behind the last seen time" in told
    assert "--reset" in told
    bank("trust clock --home bank --reset", "--at", soon.isoformat(), typed="n\n", code=130)
    with pytest.raises(Exception, match="behind the last time that was seen"):
        usable(bank, soon)
    bank("trust clock --home bank --reset --lang ko", "--at", soon.isoformat(), typed="y\n")
    usable(bank, soon)
    assert bank.json("trust clock --home bank", "--at", soon.isoformat())["ahead"] == 0


def test_versions_that_were_seen_stay(bank):
    before = bank.folder / "bank/trust.seen"
    roles = before.read_text().partition('"roles"')[2]
    bank("trust clock --home bank --reset --yes", "--at", AT.isoformat())
    assert before.read_text().partition('"roles"')[2] == roles


def test_a_folder_without_a_bundle(shell):
    assert "no trust bundle" in shell("trust clock --home .", code=4).stderr
