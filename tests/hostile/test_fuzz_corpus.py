"""The committed fuzzing corpus through every target: what was found once is never found again.

``fuzz/run.py`` searches; here what it kept is replayed, with no coverage and no time budget. Lines that follow
``# finding`` in a corpus file are inputs that did something wrong when they were found.
"""

from __future__ import annotations

import random

import pytest

from fuzz import corpus_file, targets
from fuzz.mutate import mutate
from fuzz.targets import TARGETS, Finding, Target
from vcred.errors import MalformedError, RefusedError
from vcred.reasons import ReasonCode


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_corpus_finds_nothing(name):
    inputs = corpus_file.read(name)
    assert inputs, "every target has seeds"
    for raw in inputs:
        TARGETS[name](raw)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_corpus_reaches_what_is_behind_the_refusals(name):
    """At least one input is read to the end: fuzzing that begins with refusals only finds refusals."""
    assert any(accepted(TARGETS[name], raw) for raw in corpus_file.read(name))


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_few_mutations_of_the_corpus_find_nothing(name):
    """What ``fuzz/run.py`` does for minutes, for a moment: the mutator works and the targets hold."""
    dice = random.Random(name)
    inputs = corpus_file.read(name)
    for _ in range(15):
        TARGETS[name](mutate(dice.choice(inputs), 65_536, dice, lambda raw, _: raw[: len(raw) // 2] + raw))


def accepted(target: Target, raw: bytes) -> bool:
    try:
        target.parse(raw)
    except (*target.errors, RefusedError):
        return False
    return True


def test_every_corpus_file_has_a_target():
    assert {path.stem for path in corpus_file.CORPUS.glob("*.txt")} == set(TARGETS)


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        (lambda raw: {}[raw], "KeyError in "),
        (lambda raw: (_ for _ in ()).throw(RefusedError(ReasonCode.SIGNATURE)), "RefusedError(signature)"),
        (lambda raw: (_ for _ in ()).throw(MalformedError(ReasonCode.FORMAT, "", "x" * 3000)), "long error"),
        (lambda raw: sum(range(2_000_000)), "slow"),
    ],
    ids=["undocumented exception", "undocumented refusal", "quotes its input", "too slow"],
)
def test_what_is_a_finding(fault, where, monkeypatch):
    monkeypatch.setattr(targets, "MAX_SECONDS", 0.01)
    target = Target(parse=fault, codes=frozenset({ReasonCode.INTEGRITY}))
    with pytest.raises(Finding) as caught:
        target(b"x")
    assert caught.value.where.startswith(where)


def test_the_file_of_a_corpus(tmp_path):
    assert corpus_file.add("x", [b"", b"\xff\0", b"\xff\0"], remark="two", home=tmp_path) == 2
    assert corpus_file.add("x", [b"\xff\0"], remark="none", home=tmp_path) == 0
    assert corpus_file.read("x", home=tmp_path) == [b"", b"\xff\0"]
    assert (tmp_path / "x.txt").read_text() == "# two\n\n/wA=\n"
    assert corpus_file.read("y", home=tmp_path) == []


def test_the_report_of_a_run_names_each_target_and_finding():
    pytest.importorskip("atheris")
    from fuzz.run import Report, markdown

    found = {"target": "jwk", "where": "KeyError in public.py", "detail": "'kty'", "input": "e30="}
    reports = [
        Report(name="jwk", executions=1200, before=5, after=9, findings=[found]),
        Report(name="json", executions=7),
    ]
    page = markdown(reports, begun=1_790_000_000.0, ended=1_790_001_800.0, jobs=2)
    assert "1,800 seconds" in page
    assert "1,207 executions of 2 targets" in page
    assert "**1 findings**" in page
    assert "| `jwk` | 1,200 | 5 | 9 | 0 | 1 |" in page
    assert "## jwk: KeyError in public.py" in page
    assert "`e30=`" in page
