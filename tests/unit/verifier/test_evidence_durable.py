"""The evidence archive survives ``kill -9``, a full disk and two processes at once, and an audit survives any archive."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.desk import AT, DAY, Desk
from tests.evidence_kit import Branch, codes
from vcred.errors import Locked, StoreError
from vcred.formats._wire import dump_json
from verifier import EvidenceArchive, audit
from verifier.auditor import Repeated

ROOT = Path(__file__).parents[3]
PREPARED = """
import sys
from pathlib import Path
from tests.desk import AT, DAY, Desk
from tests.evidence_kit import Branch
from verifier import EvidenceArchive, Verifier
folder = Path(sys.argv[1])
"""
WORKER = (
    PREPARED
    + """
branch = Branch(Desk(), folder / "evidence")
(folder / "root").write_bytes(branch.desk.tuf_root)
result, answer, request = branch.show()
print("ready", flush=True)
with (folder / "told").open("a") as told:
    while True:
        branch.verifier.verify(answer, request=request, at=AT)
        print("x", file=told, flush=True)
"""
)


@pytest.fixture(scope="module")
def desk():
    return Desk()


def started(code, folder, *more):
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), *more], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout.readline() == "ready\n"
    return worker


@pytest.mark.slow
def test_killed_at_random_moments_no_verdict_that_was_told_is_lost(tmp_path):
    moments = random.Random(20261122)
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        with started(WORKER, folder) as worker:
            time.sleep(moments.uniform(0.05, 0.5))
            worker.kill()
            assert worker.wait() == -9
        told = (folder / "told").read_text().count("x")
        with EvidenceArchive(folder / "evidence") as archive:
            rows = list(archive.entries())
            written = len(rows) - 2  # the first entry, and the first verdict
            assert written - told in (0, 1), "one at most was written and not yet told"
            assert len(archive.kept()) == len(rows) - 1, "an answer with every entry, and none without"
            assert archive._files.rows("PRAGMA integrity_check") == [("ok",)]
            report = audit(archive, at=AT, roots=[(folder / "root").read_bytes()], bundle=None, key=None)
            assert codes(report) == {"no_key", "unsealed"}
            assert report


def test_two_processes_write_one_chain(desk, tmp_path):
    branch = Branch(desk, tmp_path / "evidence")
    _, answer, request = branch.show()
    code = (
        PREPARED
        + """
from vcred.formats._wire import parse_json
from verifier.evidence import Kind
archive = EvidenceArchive(folder / "evidence")
print("ready", flush=True)
for number in range(40):
    with archive._files.transaction() as db:
        archive._files.append(db, Kind.DESTROYED, int(AT.timestamp()), {"records": [], "reason": sys.argv[2]})
"""
    )
    with started(code, tmp_path, "one") as one, started(code, tmp_path, "two") as two:
        for _ in range(20):
            branch.verifier.verify(answer, request=request, at=AT)
        assert (one.wait(), two.wait()) == (0, 0)
    rows = [raw for _, raw in branch.archive.entries()]
    assert len(rows) == 2 + 80 + 20
    assert branch.audit(key=None), "one chain, whoever wrote each entry"
    assert {json.loads(raw).get("reason") for raw in rows} == {None, "one", "two"}
    branch.archive.close()


def test_while_another_process_holds_the_archive_there_is_no_verdict(desk, tmp_path):
    branch = Branch(desk, tmp_path / "evidence")
    other = EvidenceArchive(tmp_path / "evidence")
    branch.archive._files._db.execute("PRAGMA busy_timeout = 50")
    with other._files.transaction(), pytest.raises(Locked):
        branch.show()
    result, _, _ = branch.show()
    assert result
    assert len(list(branch.archive.entries())) == 2
    other.close()
    branch.archive.close()


def test_on_a_full_disk_there_is_no_verdict_and_the_archive_stays_whole(desk, tmp_path):
    branch = Branch(desk, tmp_path / "evidence")
    _, answer, request = branch.show()
    database = branch.archive._files._db
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages + 2}")
    told = []

    def go_on():
        told.extend(branch.verifier.verify(answer, request=request, at=AT) for _ in range(50))

    with pytest.raises(StoreError, match="full"):
        go_on()
    assert len(list(branch.archive.entries())) == 2 + len(told)
    assert branch.audit()
    database.execute("PRAGMA max_page_count = 100000")
    branch.verifier.verify(answer, request=request, at=AT)
    assert len(list(branch.archive.entries())) == 3 + len(told)
    assert branch.audit()
    branch.archive.close()


def test_when_files_cannot_grow_there_is_no_verdict_and_no_half_file(desk, tmp_path):
    """The same from the operating system: a limit on the size of files, in a process of its own."""
    branch = Branch(desk, tmp_path / "evidence")
    branch.archive.close()
    (tmp_path / "pack").write_bytes(branch.pack(version=2) + b"x" * 300_000)
    code = """
import resource, signal, sys
from pathlib import Path
from vcred.errors import StoreError
from verifier import EvidenceArchive
folder = Path(sys.argv[1])
archive = EvidenceArchive(folder / "evidence")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    archive.keep_trust((folder / "pack").read_bytes(), b"root")
except StoreError as error:
    print("refused", error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("refused")
    names = [one.name for one in (tmp_path / "evidence" / "trust").iterdir()]
    assert all(len(name) == 64 for name in names)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    with EvidenceArchive(tmp_path / "evidence") as archive:
        assert branch.audit(archive=archive)


def test_a_trust_file_that_a_crash_left_half_written_is_written_again(desk, tmp_path):
    branch = Branch(desk, tmp_path / "evidence")
    branch.show()
    for file in (tmp_path / "evidence" / "trust").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    assert not branch.audit()
    (row,) = branch.archive._files.rows("SELECT pack FROM packs")
    assert branch.archive.file(row[0]) is None
    pack = branch.first_pack
    branch.archive.keep_trust(pack, desk.tuf_root)
    assert branch.archive.file(row[0]) == pack
    assert branch.audit().entries[1].repeated is Repeated.SAME
    branch.archive.close()


def test_whatever_stands_in_an_archive_an_audit_of_it_ends_with_a_report(desk, tmp_path):
    branch = Branch(desk, tmp_path / "evidence")
    branch.show()
    branch.show(signer=desk.stranger)
    branch.archive.purge(at=AT + 400 * DAY)
    branch.show(at=AT + DAY)
    branch.seal()
    today = branch.pack(version=2)
    whole = [raw for _, raw in branch.archive.entries()]
    chance = random.Random(7)
    junk = (None, True, -1, 10**12, 253_402_300_799, "", "x" * 64, "0" * 64, [], [[]], {}, "9999-12-31", 1.5)
    for _ in range(120):
        number = chance.randrange(1, len(whole))
        value = json.loads(whole[number])
        place = value
        while True:
            name = chance.choice(sorted(place))
            if not isinstance(place[name], dict) or not place[name] or chance.random() < 0.1:
                break
            place = place[name]
        if isinstance(place[name], list) and place[name] and isinstance(place[name][0], dict):
            place = place[name][0]
            name = chance.choice(sorted(place))
        place[name] = chance.choice(junk)
        raw = dump_json(json.loads(json.dumps(value, sort_keys=True)))
        branch.tamper("UPDATE entries SET body = ? WHERE sequence = ?", raw, number)
        report = branch.audit(bundle=today, at=AT + 500 * DAY)
        assert raw == whole[number] or not report
        branch.tamper("UPDATE entries SET body = ? WHERE sequence = ?", whole[number], number)
    assert branch.audit(bundle=today, at=AT + 500 * DAY)
    branch.archive.close()
