"""The commands and Python blocks of docs/protocols.md run as printed, against a town of services with TLS."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.services.town import ADMIN, API_KEY, CLIENT, Town
from wallet import MemoryStore, Wallet
from wallet.client import LocalAttester

pytestmark = [pytest.mark.loopback, pytest.mark.slow]

PAGE = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    now = lambda: datetime.now(UTC)  # noqa: E731 - a clock
    with Town(folder, clock=now, database=lambda name: f"sqlite:///{folder / name}.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def holder(town):
    """A citizen with a certificate."""
    online = town.online(wallet=Wallet(store=MemoryStore(), trust=town.trust))
    town.receive(online, town.offer("resident.personal", "dc+sd-jwt"))
    town.publish()
    return online


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_a_command_runs_as_printed(town, holder, command):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    names = {"ISSUER": town.issuer_url, "VERIFIER": town.verifier_url, "ADMIN": ADMIN, "KEY": API_KEY}
    environment = os.environ | names | {"CA": str(town.tls.file)}
    done = subprocess.run(["bash", "-euc", command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first = done.stdout.strip()
    assert first.startswith(("{", "[", "eyJ")), first
    if not first.startswith("eyJ"):
        json.JSONDecoder().raw_decode(first)


@pytest.mark.parametrize("source", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_runs_as_printed(town, holder, source):
    shown, changed = [], []

    def answered_by_phone(link):
        asked = holder.fetch_request(holder.look_request(link))
        answer = asked.answer(asked.consent.approve(reuse=True))
        return town.call("GET", answer.redirect, token=None)["code"]

    made = town.offer("resident.personal", "dc+sd-jwt")
    names = {
        "http": town.http,
        "now": town.clock,
        "issuer_url": town.issuer_url,
        "verifier_url": town.verifier_url,
        "admin_token": ADMIN,
        "key": API_KEY,
        "maker": LocalAttester(
            town.attester.key, (town.attester.leaf,), client_id=CLIENT, issuer="https://maker.example"
        ),
        "wallet": holder.wallet,
        "offer_link": made["uri"],
        "tx_code": made["tx_code"],
        "request_link": town.ask_for("bank.address-change")["link"],
        "answered_by_phone": answered_by_phone,
        "change_address": changed.append,
        "show": lambda *what: shown.append(what),
        "log": lambda *what: shown.append(what),
    }
    exec(compile(source, "<docs/protocols.md>", "exec"), names)
    assert shown
    assert ("change_address" in source) == bool(changed)


def test_the_page_has_every_flow():
    assert len(COMMANDS) >= 5
    assert len(BLOCKS) >= 4
