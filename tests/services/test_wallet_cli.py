"""``vcred wallet`` with a network, and its server for conformance runs: over real sockets with TLS, in a town."""

from __future__ import annotations

import base64
import json
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from tests.services.kit import HOST, listening, served
from tests.services.town import CLIENT, Town
from vcred.cli._root import root
from vcred.cli._trust import keep, update
from vcred.keys import SoftwareSigner
from wallet import FileStore, MemoryStore, Wallet
from wallet._crypto import Argon2Cost
from wallet.client.driver import create_driver
from wallet.client.loopback import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.loopback
CODE, POLICY = "resident.personal", "bank.address-change"
PIN = "482917"
CHEAP = Argon2Cost(memory_kib=8, passes=1, lanes=1)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    now = lambda: datetime.now(UTC)  # noqa: E731 - a clock
    with Town(folder, clock=now, database=lambda name: f"sqlite:///{folder / name}.db") as made:
        yield made


class Shell:
    """Runs ``vcred wallet`` on a wallet in a folder of its own."""

    def __init__(self, folder: Path, town: Town) -> None:
        self.folder, self.town = folder, town
        self.runner = CliRunner(env={"LC_ALL": "", "LC_MESSAGES": "", "LANG": "en_US.UTF-8", "COLUMNS": "200"})
        (folder / "pin").write_text(f"{PIN}\n")
        (folder / "kr.trust").write_bytes(town.bundle)
        (folder / "root.json").write_bytes(town.root_file)
        leaf = base64.b64encode(town.attester.leaf).decode()
        pem = f"-----BEGIN CERTIFICATE-----\n{leaf}\n-----END CERTIFICATE-----\n".encode()
        (folder / "attester.pem").write_bytes(town.attester.key.to_pem(password=None) + pem)
        (folder / "me").mkdir()
        keep(folder / "kr.trust", folder / "root.json", folder / "me")
        # As ``wallet init`` makes it, but for the time that it takes to try a PIN.
        FileStore(folder / "me" / "wallet.db", pin=PIN, cost=CHEAP).close()

    def __call__(self, *arguments: Any, code: int = 0, typed: str | None = None) -> Any:
        line = ["wallet", *arguments, "--wallet", self.folder / "me", "--pin-file", self.folder / "pin"]
        result = self.runner.invoke(root, list(map(str, line)), input=typed)
        assert result.exit_code == code, f"{line}: {result.exit_code}\n{result.output}\n{result.exception!r}"
        return result

    def online(self, *arguments: Any, **more: Any) -> Any:
        return self(*arguments, "--development", "--ca-file", self.town.tls.file, **more)

    def receive(self, made: Any, *more: Any, **options: Any) -> Any:
        attester = ("--attester", self.folder / "attester.pem", "--client-id", CLIENT)
        return self.online("receive", made["uri"], *attester, *more, **options)


@pytest.fixture
def shell(tmp_path: Path, town: Town) -> Shell:
    return Shell(tmp_path, town)


def take_bundle(shell: Shell) -> None:
    """The bundle with today's status lists."""
    shell.town.publish()
    place = shell.folder / "newer.trust"
    place.write_bytes(shell.town.bundle)
    update(place, None, shell.folder / "me")


def test_an_offer_is_shown_agreed_to_and_received(shell: Shell) -> None:
    made = shell.town.offer(CODE, "dc+sd-jwt")
    host = urlsplit(shell.town.issuer_url).netloc
    result = shell.receive(made, typed=f"y\ny\n{made['tx_code']}\n")
    assert f"Connect to {host}?" in result.output
    assert "Garam City (fictitious) (for tests)" in result.output
    assert "Abstract of Resident Registration" in result.output
    assert "needs a transaction code" in result.output
    assert "8/8" in result.output


def test_nothing_happens_without_a_yes(shell: Shell) -> None:
    made = shell.town.offer(CODE, "dc+sd-jwt")
    for typed in ("n\n", "y\nn\n"):
        assert "nothing was done" in shell.receive(made, code=1, typed=typed).output
    assert json.loads(shell("list", "--json").stdout) == []
    shell.receive(made, "--yes", "--tx-code", made["tx_code"])


def test_an_offer_is_read_from_a_picture_or_a_file(shell: Shell) -> None:
    from vcred.qr import text_code

    for name in ("offer.png", "offer.uri"):
        made = shell.town.offer(CODE, "sd-cwt")
        place = shell.folder / name
        place.write_bytes(text_code(made["uri"]).png() if name.endswith("png") else made["uri"].encode())
        found = shell.receive(made | {"uri": place}, "--yes", "--tx-code", made["tx_code"], "--json")
        assert [one["code"] for one in json.loads(found.stdout)["certificates"]] == [CODE]


def test_a_request_is_shown_agreed_to_and_answered(shell: Shell) -> None:
    made = shell.town.offer(CODE, "dc+sd-jwt")
    shell.receive(made, "--yes", "--tx-code", made["tx_code"])
    take_bundle(shell)
    asked = shell.town.ask_for(POLICY)
    declined = shell.online("present", asked["link"], code=1, typed="y\nn\n")
    assert "Dasom Bank (fictitious)" in declined.output
    result = shell.online("present", asked["link"], typed="y\ny\n")
    assert f"goes to: {urlsplit(shell.town.verifier_url).netloc}" in result.output
    assert "go on at: https://" in result.output
    (entry,) = json.loads(shell("history", "--json").stdout)
    assert entry["registered"]


def test_who_asks_is_told_when_the_holder_declines_if_he_wants(shell: Shell) -> None:
    made = shell.town.offer(CODE, "dc+sd-jwt")
    shell.receive(made, "--yes", "--tx-code", made["tx_code"])
    asked = shell.town.ask_for(POLICY)
    shell.online("present", asked["link"], "--tell", code=1, typed="y\nn\n")
    again = shell.online("present", asked["link"], "--yes", code=1)
    assert "There is no such request any more" in again.output
    assert f"[{urlsplit(shell.town.verifier_url).netloc}: invalid_request]" in again.output


def test_a_request_that_is_no_link_wants_a_place_for_the_answer(shell: Shell) -> None:
    (shell.folder / "request.bin").write_bytes(b"V")
    assert "--out" in shell("present", shell.folder / "request.bin", code=2).output


def test_collect_and_refresh_with_nothing_to_do(shell: Shell) -> None:
    assert "nothing to receive" in shell.online("collect").output
    found = json.loads(shell.online("refresh", "--days", "30", "--json").stdout)
    assert found == {"certificates": [], "waiting": [], "problems": []}


def test_fresh_copies_are_fetched(shell: Shell) -> None:
    made = shell.town.offer(CODE, "dc+sd-jwt")
    attester = ("--attester", shell.folder / "attester.pem", "--client-id", CLIENT)
    shell.receive(made, "--yes", "--tx-code", made["tx_code"])
    (old,) = json.loads(shell("list", "--json").stdout)
    found = json.loads(shell.online("refresh", "--days", "3650", *attester, "--json").stdout)
    (fresh,) = json.loads(shell("list", "--json").stdout)
    assert [one["id"] for one in found["certificates"]] == [fresh["id"]]
    assert fresh["id"] != old["id"]


def test_the_holder_logs_in_in_a_browser_that_comes_back_to_this_machine(shell: Shell) -> None:
    made = shell.town.offer(CODE, "dc+sd-jwt", grant="authorization_code")
    sock, port = listening()
    sock.close()
    callback = f"http://127.0.0.1:{port}/callback"
    seen: list[str] = []

    def browse() -> None:
        for _ in range(200):
            if seen:
                break
            time.sleep(0.05)
        url = seen[0]
        cookies: dict[str, str] = {}
        for _ in range(8):
            header = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}
            answer = shell.town.http.send("GET", url, headers=header)
            name, _, value = answer.headers.get("set-cookie", "").partition(";")[0].partition("=")
            cookies |= {name: value} if name else {}
            if url.startswith(callback):
                assert answer.status == 200
                return
            url = answer.headers["location"]

    import vcred.cli._wallet_online as cli

    real, thread = cli.click.launch, threading.Thread(target=browse)
    cli.click.launch = lambda url: seen.append(url) or 0
    thread.start()
    try:
        result = shell.receive(made, "--browser", "--redirect-uri", callback, "--json", "--yes")
    finally:
        cli.click.launch = real
        thread.join()
    assert [one["code"] for one in json.loads(result.stdout)["certificates"]] == [CODE]


def test_a_browser_at_another_path_is_not_who_is_waited_for() -> None:
    sock, port = listening()
    sock.close()
    place = f"http://127.0.0.1:{port}/callback"
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(wait_for(place, done="back", seconds=20)))
    thread.start()
    from vcred.outgoing import Outgoing, Reach

    http = Outgoing(Reach.development())
    until = time.monotonic() + 10
    while True:
        try:
            assert http.send("GET", f"http://127.0.0.1:{port}/favicon.ico").status == 404
            break
        except AssertionError:
            raise
        except Exception:  # noqa: BLE001 - it does not listen yet
            assert time.monotonic() < until
            time.sleep(0.02)
    assert http.send("POST", place, body=b"").status == 404
    assert http.send("GET", f"{place}?code=1&state=2").body.endswith(b"back")
    thread.join()
    assert found == [f"{place}?code=1&state=2"]


class Browser:
    """A browser of a conformance suite: it goes where it is sent, with cookies for each origin."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.trail: list[str] = []

    def open(self, url: str) -> Any:
        cookies: dict[str, str] = {}
        for _ in range(10):
            self.trail.append(url)
            header = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}
            answer = self.town.http.send("GET", url, headers={"Accept": "text/html", **header})
            name, _, value = answer.headers.get("set-cookie", "").partition(";")[0].partition("=")
            cookies |= {name: value} if name else {}
            if answer.status not in (302, 303, 307):
                return answer
            url = answer.headers["location"]
        raise AssertionError("sent in circles")


@pytest.fixture
def driven(town: Town) -> Iterator[tuple[str, Wallet]]:
    sock, port = listening()
    base = f"https://{HOST}:{port}"
    wallet = Wallet(store=MemoryStore(), trust=town.trust)
    online = town.online(wallet=wallet, open_browser=None, redirect_uri=f"{base}/callback")
    with served(create_driver(online, base_url=base, tx_code="123456"), at=sock, tls=town.tls.server()):
        yield base, wallet


def test_the_driver_takes_an_offer_and_answers_a_request(town: Town, driven: tuple[str, Wallet]) -> None:
    base, wallet = driven
    browser = Browser(town)
    made = town.offer(CODE, "dc+sd-jwt", grant="authorization_code")
    answer = browser.open(f"{base}/offer?{urlsplit(made['uri']).query}")
    assert (answer.status, b"received: resident.personal" in answer.body) == (200, True), answer.body
    assert any("/callback?" in url for url in browser.trail)
    town.publish()
    assert [one.code for one in wallet.certificates()] == [CODE]
    asked = town.ask_for(POLICY)
    answer = town.http.send("GET", f"{base}/authorize?{urlsplit(asked['link']).query}")
    assert answer.status == 303
    assert answer.headers["location"].startswith(town.verifier_url)
    assert b"held: resident.personal" in browser.open(f"{base}/").body


def test_the_driver_begins_at_an_issuer(town: Town, driven: tuple[str, Wallet]) -> None:
    base, wallet = driven
    Browser(town).open(f"{base}/start?issuer={town.issuer_url}&configuration={CODE}/sd-cwt")
    assert [one.formats for one in wallet.certificates()] == [("sd-cwt",)]
    assert town.http.send("POST", f"{base}/collect", body=b"").status == 200


def test_the_driver_shows_what_is_wrong_as_a_page(town: Town, driven: tuple[str, Wallet]) -> None:
    base, wallet = driven
    asked = town.ask_for(POLICY)
    link = asked["link"].replace("x509_hash%3A", "x509_hash%3AAAAA")
    answer = town.http.send("GET", f"{base}/authorize?{urlsplit(link).query}")
    assert (answer.status, answer.type) == (400, "text/html")
    assert b"reader_untrusted" in answer.body
    answer = town.http.send("GET", f"{base}/authorize?client_id=%3Cscript%3E&request_uri=http://[")
    assert answer.status == 400
    assert b"<script>" not in answer.body
    assert wallet.history() == []


def test_the_driver_is_for_development_only(shell: Shell) -> None:
    assert "--development" in shell("serve", code=2).output


def test_the_attester_is_read_from_a_file(tmp_path: Path) -> None:
    from vcred.errors import SigningError
    from wallet.client import LocalAttester

    place = tmp_path / "attester.pem"
    place.write_bytes(SoftwareSigner.generate().to_pem(password=None))
    with pytest.raises(SigningError):
        LocalAttester.load(place, client_id="a", issuer="b")
