"""Every Python block of README and docs runs as printed, after a set-up that the page does not show."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vcred import PresentationRequest, qr
from vcred.keys import SoftwareSigner
from vcred.testing import World
from vcred.testing.world import ISSUER_ID
from wallet import Wallet

ROOT = Path(__file__).parents[2]
ONLINE = ROOT / "docs" / "protocols.md"
"""Its blocks need services: ``test_protocols`` runs them."""
PAGES = sorted({ROOT / "README.md", *(ROOT / "docs").rglob("*.md")} - {ONLINE})
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
PASSWORD = "correct horse"


def pem(der):
    import base64

    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


def blocks():
    found = []
    for page in PAGES:
        for number, match in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8")), 1):
            found.append(pytest.param(match[1], id=f"{page.relative_to(ROOT).as_posix()}#{number}"))
    return found


@pytest.fixture
def hidden(tmp_path, monkeypatch):
    """What the pages leave to the reader: files in the working directory, ``ask``, ``now``, a registry, a scanner."""
    monkeypatch.chdir(tmp_path)
    world = World(at=AT)
    world.issue("resident.personal")
    Path("document-signer.key").write_bytes(world.document_signer.to_pem(password=PASSWORD.encode()))
    Path("document-signer.pem").write_text(pem(world.document_signer_certificate))
    Path("reader.key").write_bytes(world.identity.signer.to_pem(password=PASSWORD.encode()))
    Path("reader.pem").write_text(pem(world.identity.chain[0]))
    Path("kr.trust").write_bytes(world.bundle_file)
    Path("kr-root.json").write_bytes(world.root_file)
    shown = []
    names = {
        "ask": lambda *_: PASSWORD,
        "now": lambda: world.at,
        "registry": world.records,
        "people": {},
        "show": lambda *what: shown.append(what),
        "log": lambda *what: shown.append(what),
        "changed": [],
        "shown": shown,
        "world": world,
    }
    names["change_address"] = names["changed"].append
    names["agency"] = world.issuer
    names["show_qr"] = lambda uri: scan(names, world, uri)
    names["scanned_offer"] = world.issuer.offer("resident.personal", subject="sample", at=world.at)
    names["scanned_request"] = world.request("bank.address-change").to_uri()
    yield names
    if isinstance(wallet := names.get("wallet"), Wallet):
        wallet.store.close()


def scan(names, world, uri):
    """The other party's phone reads the QR on this screen and does its part."""
    if uri.startswith("openid-credential-offer://"):
        from vcred.issuance import Offer, build_request

        names["shown"].append(qr.text_code(uri).version)
        offer = Offer.parse(uri)
        request = build_request(offer, [SoftwareSigner.generate() for _ in offer.formats], at=world.at)
        names["credential_id"] = names["issuer"].issue(request, at=world.at).credential_id
    else:
        names["shown"].append(qr.encode(PresentationRequest.parse(uri))[0].version)
        asked = world.wallet.match(PresentationRequest.parse(uri), at=world.at)
        names["scanned_answer"] = world.wallet.present(asked.approve(), at=world.at).to_message()


@pytest.mark.parametrize("source", blocks())
def test_the_block_runs_as_printed(source, hidden):
    exec(compile(source, "<docs>", "exec"), hidden)


def test_the_quick_starts_do_what_they_say(hidden):
    agency, app, bank = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))[:3]
    exec(compile(agency, "<agency>", "exec"), hidden)
    assert hidden["issuer"].id == ISSUER_ID
    exec(compile(app, "<app>", "exec"), hidden)
    assert len(hidden["frames"]) >= 1
    exec(compile(bank, "<bank>", "exec"), hidden)
    assert hidden["result"]
    (claims,) = hidden["changed"]
    assert claims["currentAddress"]["road"]


def test_the_three_quick_starts_stand_on_the_first_page_of_each_roles_docs():
    readme = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))[:3]
    for block, page in zip(readme, ("agency", "app", "bank"), strict=True):
        assert block in BLOCK.findall((ROOT / "docs" / "start" / f"{page}.md").read_text(encoding="utf-8"))


def test_readme_and_its_twin_name_the_same_commands():
    english, korean = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md"))
    for command in ("make demo", "make test", "pip install vcred[all]"):
        assert command in english
        assert command in korean
