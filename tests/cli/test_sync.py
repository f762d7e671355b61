"""``vcred trust sync``: into a folder or over a file, from a folder, a file and a server; in words and as JSON."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.cli.conftest import AT as NOW
from tests.sync_source import lay_out, reply, serving
from tests.trust_town import AT, CITY_LIST, COURT, DAY, Town


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


def pack(town, version, **changes):
    builder = town.builder(city={"status_uris": changes.pop("uris", [CITY_LIST])})
    for token in changes.pop("tokens", [town.city.status()]):
        builder.add_status(token)
    return town.pack(builder, version=version, **changes)


@pytest.fixture
def home(shell, town):
    """A shell in a folder with ``root.json``, a source ``stick`` and an empty home ``bank``."""
    (shell.folder / "root.json").write_bytes(town.root)
    (shell.folder / "bank").mkdir()
    lay_out(pack(town, 1), shell.folder / "stick")
    return shell


SYNC = f"trust sync stick --home bank --at {NOW}"


def test_the_first_sync_pins_the_root_and_later_ones_need_none(home, town):
    assert "--root" in home(SYNC, code=4).stderr
    assert not list((home.folder / "bank").iterdir())
    first = home.json(SYNC, "--root", "root.json")
    assert (first["from_version"], first["to_version"]) == (None, 1)
    assert len(first["root_sha256"]) == 64
    assert (home.folder / "bank/kr-root.json").read_bytes() == town.root
    lay_out(pack(town, 2, at=AT - DAY), home.folder / "stick")
    shown = home(SYNC).stdout
    assert "v1 → v2" in shown
    assert first["root_sha256"] in shown
    assert "nothing new" in home(SYNC).stdout
    assert "바뀐 것 없음" in home(SYNC, "--lang", "ko").stdout


def test_a_file_in_place_of_a_folder(home):
    found = home.json(f"trust sync stick --trust my.trust --root root.json --at {NOW}")
    assert found["bundle"] == "my.trust"
    assert home.json(f"trust show my.trust --root root.json --at {NOW}")["version"] == 1
    for wrong in ("--trust my.trust", "--home bank --trust my.trust --root root.json", "--root root.json", ""):
        home(f"trust sync stick {wrong} --at {NOW}", code=2 if wrong != "--home bank" else 4)
    home(f"trust sync --home bank --at {NOW}", code=2)


def test_what_is_refused_leaves_the_old_bundle(home, town):
    home(SYNC, "--root", "root.json")
    lay_out(pack(town, 3), home.folder / "stick")
    home(SYNC)
    before = {path.name: path.read_bytes() for path in (home.folder / "bank").iterdir()}
    (home.folder / "old.trust").write_bytes(pack(town, 2))
    (home.folder / "late.trust").write_bytes(pack(town, 4, expires=AT - timedelta(days=1)))
    for name, word in {"old.trust": "older", "late.trust": "expired", "root.json": "not a bundle"}.items():
        ended = home(f"trust sync {name} --home bank --at {NOW}", code=4)
        assert word in ended.stderr
        assert home.json(f"trust sync {name} --home bank --at {NOW}", code=4)["error"]["exit_code"] == 4
    (home.folder / "other.json").write_bytes(Town().root)
    assert "another root" in home(SYNC, "--root", "other.json", code=4).stderr
    assert "absent" in home(f"trust sync absent --home bank --at {NOW}", code=4).stderr
    assert "use https" in home(f"trust sync http://garam.example/ --home bank --at {NOW}", code=4).stderr
    assert {path.name: path.read_bytes() for path in (home.folder / "bank").iterdir()} == before


def test_a_clock_that_is_behind_is_told(home):
    line = "trust sync stick --home bank --root root.json --at 2026-10-01T00:00:00Z"
    assert home.json(line)["clock_behind"] == 31 * 86400 + 9 * 3600
    told = home(line).stdout
    assert "INDETERMINATE" in told
    assert "at least 31 days behind" in told
    assert "signed 31 days from now" in told
    assert "늦습니다" in home(line, "--lang", "ko").stdout


def test_a_server_and_its_status_lists(home, town):
    with serving(home.folder / "stick") as server:
        uri = server.url + "status/1"
        lay_out(pack(town, 2, uris=[server.url + "status/"], tokens=[town.city.status(uri=uri)]), home.folder / "stick")
        newer = town.city.status(uri=uri, issued_at=AT - timedelta(hours=12))
        server.answers["status/1"] = lambda handler: reply(handler, newer)
        line = f"trust sync {server.url} --home bank --root root.json --status --at 2026-11-02T12:00:00Z"
        found = home.json(line)
        assert found["status"] == {"updated": [], "unchanged": [uri], "failed": []}
        newest = town.city.status(uri=uri, issued_at=AT - timedelta(hours=1))
        server.answers["status/1"] = lambda handler: reply(handler, newest)
        assert "1 newer" in home("trust sync --status --home bank --at 2026-11-02T12:00:00Z").stdout
        server.answers["status/1"] = lambda handler: reply(handler, b"", status=500)
        shown = home("trust sync --status --home bank --at 2026-11-02T12:00:00Z", code=4).stdout
        assert "1 failed" in shown
        assert "answers 500" in shown


def test_a_new_authority_is_named(home, town):
    builder = town.builder()
    home(SYNC, "--root", "root.json")
    lay_out(town.pack(builder, version=2), home.folder / "stick")
    assert COURT not in home(SYNC).stdout


def test_taking_a_file_is_atomic_and_kept_once(home, town):
    """``verifier trust`` and ``wallet trust`` install the same way."""
    (home.folder / "kr2.trust").write_bytes(pack(town, 2))
    (home.folder / "kr1.trust").write_bytes(pack(town, 1))
    home(f"verifier trust --verifier bank --trust kr2.trust --root root.json --at {NOW}")
    assert "older" in home(f"verifier trust --verifier bank --trust kr1.trust --at {NOW}", code=4).stderr
    home(SYNC, code=4)
    assert sorted(path.name for path in (home.folder / "bank").iterdir()) == ["kr-root.json", "kr.trust", "trust.seen"]
    assert home.json(f"trust show bank/kr.trust --root root.json --at {NOW}")["version"] == 2
