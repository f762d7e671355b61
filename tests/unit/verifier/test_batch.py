"""``verify_many``: the verdicts of ``Verifier``, one after another, whoever worked them out."""

from __future__ import annotations

import dataclasses
import itertools
import json
import multiprocessing
import os
import pickle
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from threading import Event

import pytest
from PIL import Image

from tests import crew_workers
from tests.desk import AT, DAY, NOW, Desk, asked, codes, seconds
from tests.evidence_kit import Branch
from vcred.errors import NotAcceptedError, RefusedError, StoreError, WorkerError
from vcred.formats.base import IssuerKey
from vcred.formats.known import FORMATS
from vcred.formats.paper import issue_paper
from vcred.presentation import Presentation, Presented
from vcred.qr import Message, MessageKind, encode, encode_message
from vcred.reasons import Outcome, ReasonCode
from vcred.testing import World
from verifier import (
    Checked,
    MaxAge,
    MemoryRequestStore,
    Scan,
    Sheet,
    Submission,
    VerificationPolicy,
    Verifier,
    verify_many,
)
from verifier._crew import Crew, dumps, loads
from verifier._worker import Judged, _Bench
from verifier.batch import _Desk

ROOT = Path(__file__).parents[3]
CODE = "resident.personal"
BEARER = VerificationPolicy.load(
    VerificationPolicy.preset("bank.address-change")
    .source.replace('holder_binding = "required"', 'holder_binding = "bearer_ok"')
    .replace('[forbid]\nclaims = ["rrn.serial", "rrn.sexDigit"]\n', "")
    .replace('level = "none"', 'level = "full"\nlegal_basis = { ko = "시험", en = "test" }')
)


@pytest.fixture(scope="module")
def desk():
    return Desk()


@pytest.fixture
def branch(desk, tmp_path):
    made = Branch(desk, tmp_path / "evidence")
    yield made
    made.archive.close()


def copied(store):
    """A store with the same open requests, of which none has been answered."""
    fresh = MemoryRequestStore()
    for one in store._open.values():
        fresh.put(one, now=NOW)
    return fresh


def paper(desk, **changes):
    changes = {"holder_key": None, "options": {"addressHistory": "none"}} | changes
    key = IssuerKey(public_key=desk.key.public_key, chain=(desk.signer,))
    return issue_paper(desk.content(CODE, **changes), key, desk.key, desk.catalog.labels)


def picture(*messages):
    """A PNG with the codes of ``messages`` below each other."""
    codes = [code for message in messages for code in encode(message)]
    parts = [Image.open(BytesIO(code.png(scale=4))).convert("L") for code in codes]
    sheet = Image.new("L", (max(one.width for one in parts), sum(one.height for one in parts)), 255)
    top = 0
    for one in parts:
        sheet.paste(one, (0, top))
        top += one.height
    out = BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def scanned(*files):
    return Scan(files=files)


def answered(desk, verifier, form="sd-cwt", *, freshness=None, one_way=None, at=AT, **more):
    request = asked(verifier, form, freshness=freshness, at=at)
    held = desk.certificate(CODE, form, holder=more.pop("holder", None))
    return request, desk.present(request, {"residence-1": (form, held)}, one_way=one_way, at=at, **more)


def pile_of(desk, verifier):
    """Answers and sheets of every sort, good, bad and ugly."""
    items = []
    for form in ("sd-cwt", "dc+sd-jwt"):
        request, answer = answered(desk, verifier, form)
        raw = encode_message(answer.to_message())
        items += [Submission(answer=raw, request=request, name=f"{form} honest")]
        items += [Submission(answer=raw, request=request, name=f"{form} the same again")]
        request, answer = answered(desk, verifier, form)
        items += [Submission(answer=answer, request=request), Submission(answer=answer.to_message(), request=request)]
        request, answer = answered(desk, verifier, form, signer=desk.stranger)
        items += [Submission(answer=answer, request=request, name="somebody else's phone")]
        request, answer = answered(desk, verifier, form, nonce=secrets.token_bytes(16))
        items += [Submission(answer=answer, request=request, name="another nonce")]
        request, answer = answered(desk, verifier, form)
        (token,) = answer.tokens["residence-1"]
        for cut in (token.raw[:-40], token.raw[:30] + b"\xff" + token.raw[31:]):
            broken = Presentation(tokens={"residence-1": (Presented(format=form, raw=cut),)})
            items += [Submission(answer=broken, request=request)]
        window = MaxAge(timedelta(seconds=30))
        request, answer = answered(desk, verifier, form, freshness=window, one_way=bytes(range(16)))
        items += [Submission(answer=answer, request=request), Submission(answer=answer, request=request)]
        request, answer = answered(desk, verifier, form)
        items += [Submission(answer=answer, request=request, at=AT + seconds(500), name="too late")]
        request, answer = answered(desk, verifier, form, at=AT + seconds(600))
        items += [Submission(answer=answer, request=request, at=AT + seconds(610))]
        request, answer = answered(desk, verifier, form)
        items += [Submission(answer=answer, request=request, at=AT - DAY * 3, name="a clock that is wrong")]
        unknown, answer = answered(desk, Verifier(verifier.trust, desk.identity()), form)
        items += [Submission(answer=answer, request=unknown, name="a request this desk has forgotten")]
    for garbage in (b"", b"\x56\x01", b"\x56\x01\x00" + b"\x9f" * 5000, secrets.token_bytes(300)):
        items += [Submission(answer=garbage, request=request)]
    sheet = paper(desk)
    scan = picture(Message(MessageKind.PAPER, {1: sheet}))
    both = picture(Message(MessageKind.PAPER, {1: sheet}), Message(MessageKind.PAPER, {1: paper(desk)}))
    sheets = (
        sheet,
        sheet[:-1] + bytes([sheet[-1] ^ 1]),
        b"\xd2\x84",
        *map(scanned, (scan, b"\x89PNG broken", both, b"")),
    )
    items += [Sheet(sheet=one, policy=BEARER) for one in sheets]
    items += [Sheet(sheet=sheet, policy=VerificationPolicy.preset("bank.address-change"))]
    for wrapped in (lambda bare: bare, lambda bare: [bare], scanned):
        request, answer = answered(desk, verifier, "dc+sd-jwt")
        bare = answer.tokens["residence-1"][0].raw
        items += [Submission(answer=wrapped(bare), request=request, name="without an envelope")]
    items += [Submission(answer=one, request=request) for one in (b"eyJ", [], [b"\xff"])]
    request, answer = answered(desk, verifier)
    items += [Submission(answer=scanned(picture(answer.to_message())), request=request, name="a photograph")]
    items += [Submission(answer=scanned(scan), request=request, name="paper where an answer is wanted")]
    return sorted(items, key=lambda item: item.at is not None and item.at > AT)


def one_by_one(verifier, items):
    """What ``Verifier`` says of what has no files."""
    for item in items:
        at = item.at or AT
        if isinstance(item, Sheet):
            yield verifier.verify_paper(item.sheet, policy=item.policy, at=at)
        else:
            yield verifier.verify(item.answer, request=item.request, at=at)


def plain(item):
    return not isinstance(item.sheet if isinstance(item, Sheet) else item.answer, Scan)


def bodies(archive):
    """What the entries say, but for what is random or depends on what is."""
    found = []
    for _, raw in archive.entries():
        body = json.loads(raw)
        del body["previous"]
        body.get("answer", {}).pop("commitment", None)
        found.append(body)
    return found[1:]


@pytest.mark.slow
def test_workers_give_the_verdicts_and_write_the_evidence_of_one_after_another(branch, desk, tmp_path):
    maker = Verifier(branch.load(branch.first_pack), desk.identity())
    items = pile_of(desk, maker)
    results, archives, stores = [], [branch], []
    for number in range(3):
        other = branch if number == 0 else Branch(desk, tmp_path / f"evidence-{number}")
        other.archive.keep_trust(branch.first_pack, desk.tuf_root)
        archives[number:] = [other]
        stores.append(copied(maker._requests))
        verifier = Verifier(branch.load(branch.first_pack), desk.identity(), stores[number], evidence=other.archive)
        if number == 0:
            results.append(list(one_by_one(verifier, filter(plain, items))))
        else:
            given = verify_many(
                items, verifier=verifier, pack=branch.first_pack, root=desk.tuf_root, at=AT, workers=number
            )
            results.append(list(given))
    single, here, spread = results
    assert [one.item for one in here] == items
    assert [one.item for one in spread] == items
    for one, two in zip(here, spread, strict=True):
        assert one.result == two.result, one.item
        assert str(one.error) == str(two.error)
        assert (one.outcome, one.reasons, bool(one)) == (two.outcome, two.reasons, bool(two))
        if one.result is not None:
            assert one.result.to_json() == two.result.to_json()
            assert one.result.disclosed == two.result.disclosed
    assert [one.result for one in spread if plain(one.item)] == single
    assert {one.outcome for one in spread} == set(Outcome)
    assert sum(map(bool, spread)) == 14
    assert stores[1]._used == stores[2]._used
    assert stores[1]._seen == stores[2]._seen
    assert stores[1]._last == stores[2]._last
    assert bodies(archives[1].archive) == bodies(archives[2].archive)
    for other in archives[1:]:
        other.seal(at=AT + seconds(700))
        report = other.audit(bundle=None)
        assert report, report.all_findings
        other.archive.close()


def pile(desk, verifier, count):
    request, answer = answered(desk, verifier, freshness=MaxAge(timedelta(seconds=30)), one_way=bytes(range(16)))
    return [Submission(answer=answer, request=request, name=str(number)) for number in range(count)]


def many(branch, items, *, workers=2, verifier=None, **more):
    return verify_many(
        items,
        verifier=verifier or branch.verifier,
        pack=branch.first_pack,
        root=branch.desk.tuf_root,
        at=AT,
        workers=workers,
        **more,
    )


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_of_the_same_answer_twice_in_a_batch_one_is_a_replay(branch, desk, workers):
    one_way = pile(desk, branch.verifier, 40)
    request, answer = answered(desk, branch.verifier)
    challenged = [Submission(answer=answer, request=request) for _ in range(40)]
    told = list(many(branch, [*one_way, *challenged], workers=workers))
    assert [number for number, one in enumerate(told) if one] == [0, 40]
    assert all(codes(one.result) == {"replay"} for one in told if not one)
    assert all(one.outcome is Outcome.REJECTED and not one.result.disclosed for one in told if not one)
    assert codes(branch.verifier.verify(answer, request=request, at=AT)) == {"replay"}


def repeated(desk, verifier, name):
    """An answer, four times."""
    request, answer = answered(desk, verifier)
    return [Submission(answer=answer, request=request, name=name)] * 4


@pytest.mark.slow
def test_killed_workers_cost_nothing_but_time(branch, desk):
    killed = []
    items = [item for number in range(20) for item in repeated(desk, branch.verifier, str(number))]

    def deadly():
        for number, item in enumerate(items):
            if number == 60:  # the chunks before this one are at work
                for child in multiprocessing.active_children():
                    os.kill(child.pid, signal.SIGKILL)
                    killed.append(child.pid)
            yield item

    told = list(many(branch, deadly()))
    assert len(killed) == 2
    assert [one.item for one in told] == items
    assert all(one.error is None for one in told)
    assert [bool(one) for one in told] == [True, False, False, False] * 20
    assert len(bodies(branch.archive)) == 80
    assert not multiprocessing.active_children()
    branch.seal()
    assert branch.audit()


@pytest.mark.slow
def test_an_answer_that_kills_its_worker_twice_is_an_error_of_its_own(branch, desk, monkeypatch):
    monkeypatch.setattr("verifier._worker.serve", crew_workers.serve_or_die)
    request, answer = answered(desk, branch.verifier)
    items = pile(desk, branch.verifier, 20)
    items[3] = Submission(answer=crew_workers.POISON, request=request)
    items[17] = Submission(answer=answer, request=request)
    told = list(many(branch, items))
    assert len(told) == 20
    assert isinstance(told[3].error, WorkerError)
    assert not told[3]
    assert (told[3].outcome, told[3].result) == (Outcome.INDETERMINATE, None)
    assert told[3].reasons[0].code is ReasonCode.UNCHECKED
    with pytest.raises(WorkerError):
        told[3].accepted()
    assert [number for number, one in enumerate(told) if one] == [0, 17]
    assert all(one.error is None for number, one in enumerate(told) if number != 3)
    assert len(bodies(branch.archive)) == 19, "what was not judged is not in the evidence"


def test_a_crew_answers_in_order_and_gives_up_only_what_kills_twice():
    chunks = [[b"a", b"b"], [b"c", crew_workers.POISON, b"d"], [b"e"], [crew_workers.POISON], [b"f"]]
    with Crew(2, crew_workers.echo, b"set", seconds=60) as crew:
        first = set(crew.pids)
        told = list(crew.run(iter(chunks)))
        assert set(crew.pids) != first
    expected = [[None if one == crew_workers.POISON else (b"set", one) for one in chunk] for chunk in chunks]
    assert told == expected
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_a_crew_ends_a_worker_that_hangs_and_does_the_rest():
    chunks = [[b"a", crew_workers.TRAP, b"b"], [b"c"], [crew_workers.TRAP], [b"d"], [crew_workers.SLOW] * 3]
    with Crew(2, crew_workers.echo, b"set", seconds=1.0) as crew:
        told = list(crew.run(iter(chunks)))
    expected = [[None if one == crew_workers.TRAP else (b"set", one) for one in chunk] for chunk in chunks]
    assert told == expected, "what is slow together has time alone"
    assert not multiprocessing.active_children()


def test_a_worker_that_is_killed_while_it_starts_is_replaced_once():
    chunks = [[b"a", b"b"], [b"c"], [b"d"], [b"e"]]
    with Crew(2, crew_workers.echo, b"set", seconds=60) as crew:
        for pid in crew.pids:
            os.kill(pid, signal.SIGKILL)
        assert list(crew.run(iter(chunks))) == [[(b"set", one) for one in chunk] for chunk in chunks]
    with pytest.raises(WorkerError, match="while it started"), Crew(1, crew_workers.doomed, b"", seconds=60) as crew:
        list(crew.run(iter(chunks)))
    assert not multiprocessing.active_children()


def test_a_crew_that_nobody_listens_to_is_not_ended():
    with Crew(1, crew_workers.echo, b"set", seconds=0.5) as crew:
        pids = crew.pids
        answers = crew.run(iter([[b"a" * 1_000_000], [b"b" * 1_000_000]]))
        assert len(next(answers)) == 1
        crew.tend()
        Event().wait(1.5)  # the answer to the second lies in the pipe, and part of it does not go in
        assert next(answers) == [(b"set", b"b" * 1_000_000)]
        assert crew.pids == pids


@pytest.mark.slow
def test_an_answer_over_which_workers_hang_is_undecided_and_the_others_are_judged(branch, desk, monkeypatch):
    monkeypatch.setattr("verifier._worker.serve", crew_workers.serve_or_hang)
    request, _ = answered(desk, branch.verifier)
    items = pile(desk, branch.verifier, 8)
    items[3] = Submission(answer=crew_workers.TRAP, request=request)
    told = list(many(branch, items, seconds=2.0))
    assert isinstance(told[3].error, WorkerError)
    assert (told[3].outcome, told[3].result) == (Outcome.INDETERMINATE, None)
    assert all(one.error is None for number, one in enumerate(told) if number != 3)
    assert len(bodies(branch.archive)) == 7


def test_workers_that_cannot_work_are_an_error_and_leave_nobody_behind():
    for start, words in ((crew_workers.stillborn, "no bundle"), (crew_workers.mumbling, "posix.system")):
        with pytest.raises(WorkerError, match=words), Crew(1, start, b"", seconds=60) as crew:
            list(crew.run(iter([[1]])))
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_an_endless_pile_is_read_a_few_chunks_ahead(branch, desk):
    read = itertools.count()
    (item,) = pile(desk, branch.verifier, 1)
    told = many(branch, (item for _ in read))
    for _ in range(5):
        assert next(told).result is not None
    told.close()
    assert next(read) <= 16 * (2 * 4 + 2)
    assert len(bodies(branch.archive)) == 5, "what nobody asked for is not recorded"
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("form", "status"),
    [*((form, "token") for form in FORMATS), ("vc+jwt", "bitstring"), ("vc+sd-jwt", "bitstring")],
)
def test_what_is_said_about_any_format_goes_through_a_pipe(form, status):
    world = World(at=AT, formats=(form,), w3c_status=status)
    world.issue(CODE)
    request = world.request("bank.address-change", formats=(form,))
    answer = world.present(request)
    desk = _Desk(world.verifier, AT)
    job = desk.job(Submission(answer=answer, request=request))
    said = _Bench(world.bundle_file, world.root_file, ()).do(loads(dumps(job)))
    assert isinstance(said, Judged), said
    assert loads(dumps([said])) == [said]
    alone = Verifier(world.trust, world.identity, copied(world.verifier._requests))
    told = desk.settle(Submission(answer=answer, request=request), job, loads(dumps(said)))
    assert told.result == alone.verify(answer, request=request, at=AT)
    assert told or form == "vc+jwt", "which cannot hide what the policy forbids"
    assert codes(world.verify(answer, request)) >= {"replay"}


@pytest.mark.parametrize("value", [os.system, subprocess.Popen, Path("x"), ValueError("x"), VerificationPolicy])
def test_only_values_of_ours_go_through_the_pipes(value):
    with pytest.raises(pickle.UnpicklingError, match="not expected here"):
        loads(pickle.dumps(value))
    assert loads(dumps([1, b"x", None, {"a": (AT, timedelta(1))}])) == [1, b"x", None, {"a": (AT, timedelta(1))}]


@pytest.mark.slow
def test_no_worker_is_given_a_key(branch, desk, monkeypatch):
    sent = []

    class Listening(Crew):
        def __init__(self, count, start, setup, **more):
            sent.append(setup)
            super().__init__(count, start, setup, **more)

        def run(self, chunks):
            return super().run(sent.append(dumps(chunk)) or chunk for chunk in chunks)

    monkeypatch.setattr("verifier._crew.Crew", Listening)
    assert sum(map(bool, many(branch, pile(desk, branch.verifier, 3)))) == 1
    secret = desk.bank_key.crypto.private_numbers().private_value.to_bytes(32, "big")
    assert len(sent) == 2
    assert secret in desk.bank_key.to_der()
    assert not any(secret in one or b"PRIVATE" in one for one in sent)


def test_wrong_use_is_told_at_once_and_a_wrong_item_in_its_turn(branch, desk):
    items = pile(desk, branch.verifier, 2)
    with pytest.raises(ValueError, match="not the file"):
        verify_many(items, verifier=branch.verifier, pack=b"x", root=desk.tuf_root, at=AT, workers=1)
    with pytest.raises(ValueError, match="at least one"):
        many(branch, items, workers=0)
    with pytest.raises(ValueError):
        verify_many(
            items, verifier=branch.verifier, pack=branch.first_pack, root=desk.tuf_root, at=AT.replace(tzinfo=None)
        )
    changed = dataclasses.replace(items[0].request, client_id="x509_hash:other")
    items.insert(0, Submission(answer=items[0].answer, request=changed))
    told = list(many(branch, items, workers=1))
    assert isinstance(told[0].error, RefusedError)
    assert (told[0].result, bool(told[0])) == (None, False)
    assert told[0].reasons[0].code is ReasonCode.REQUEST_EXPIRED
    assert told[1].accepted() is told[1].result
    with pytest.raises(NotAcceptedError):
        told[2].accepted()
    assert not Checked(item=items[0])


def test_without_evidence_there_is_no_verdict(branch, desk):
    told = many(branch, pile(desk, branch.verifier, 3), workers=1)
    assert next(told)
    branch.archive.close()
    with pytest.raises(StoreError):
        next(told)


SCRIPT = """
import itertools, signal, sys, time
from datetime import timedelta
from pathlib import Path

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal, wherever this test was started
    from tests.desk import AT, Desk
    from tests.evidence_kit import Branch
    from tests.unit.verifier.test_batch import many, pile
    import multiprocessing
    desk = Desk()
    branch = Branch(desk, Path(sys.argv[1]))
    (item,) = pile(desk, branch.verifier, 1)
    for number, one in enumerate(many(branch, (item for _ in itertools.count()))):
        if number == 40:
            print(*[child.pid for child in multiprocessing.active_children()], flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("deadly", [signal.SIGINT, signal.SIGKILL])
def test_when_the_desk_ends_its_workers_end(deadly, tmp_path):
    script = tmp_path / "night.py"
    script.write_text(SCRIPT)
    desk = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "evidence")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    pids = [int(one) for one in desk.stdout.readline().split()]
    assert len(pids) == 2
    errors = None
    for _ in range(6):  # Python loses an interrupt that comes inside a finalizer: whoever is at the desk presses again
        if deadly is signal.SIGINT:
            os.killpg(desk.pid, deadly)  # as a terminal does it: everybody hears it
        else:
            os.kill(desk.pid, deadly)
        with suppress(subprocess.TimeoutExpired):
            _, errors = desk.communicate(timeout=15)
            break
    assert errors is not None, "it goes on"
    assert desk.returncode == -deadly
    assert errors.count("Traceback") == (1 if deadly is signal.SIGINT else 0), errors
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            break
        time.sleep(0.05)
    assert not any(alive(pid) for pid in pids)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
