"""``python bench/batch.py``: a pile of answers and of scanned papers, one after another and by worker processes.

python bench/batch.py [--answers 2000] [--scans 200] [--workers 1,2] [--rounds 3] [--json]

Every check is on, every request is another one, every holder the same. Wall time, because cores are what it is about:
neighbours on the machine count. CPU time of this process and of the workers is beside it, and the time until the first
verdict, which is what starting the workers costs. ``verify`` is ``Verifier.verify`` in a loop.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import asdict, dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from desk import AT, LIST, Desk
from report import machine
from rich.console import Console

from vcred.credential import Content, StatusReference
from vcred.formats.base import IssuerKey
from vcred.formats.paper import issue_paper
from vcred.qr import Message, MessageKind, encode, encode_message
from verifier import (
    EvidenceArchive,
    MemoryRequestStore,
    Scan,
    Sheet,
    SqliteRequestStore,
    Submission,
    VerificationPolicy,
    verify_many,
)
from verifier.verifier import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from verifier import RequestStore

__all__ = ["Figures", "rows"]

_ISSUER = "https://city.example/issuer"
_CODE, _POLICY = "resident.household", "bank.address-change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One way to do one pile: items a second once it runs, seconds to the first verdict, CPU microseconds an item."""

    pile: str
    workers: int
    per_second: float
    first: float
    desk_cpu: float
    workers_cpu: float


def rows(*, answers: int, scans: int, workers: Sequence[int], rounds: int) -> list[Figures]:
    """All piles, each with ``workers`` processes in turn; the median of ``rounds``."""
    desk = Desk()
    found: list[Figures] = []
    with TemporaryDirectory() as folder:
        for name, pile in _piles(desk, answers, scans, folder).items():
            for count in workers:
                taken = [_measured(name, count, pile) for _ in range(rounds)]
                found.append(sorted(taken, key=lambda one: one.per_second)[len(taken) // 2])
    return found


def _piles(desk: Desk, answers: int, scans: int, folder: str) -> dict[str, Callable[[int], Iterable[object]]]:
    def answered(form: str, store: Callable[[], RequestStore], *, evidence: bool) -> Callable[[int], Iterable[object]]:
        held = desk.certificate(_CODE, form)
        numbers = iter(range(1000))

        def run(count: int) -> Iterable[object]:
            requests = store()
            verifier = desk.verifier(requests)
            if evidence:
                verifier = _recording(desk, requests, f"{folder}/{form}-{next(numbers)}")
            pile = []
            for _ in range(answers):
                request = desk.request(verifier, _POLICY, form)
                raw = encode_message(desk.answer(request, held, form).to_message())
                pile.append(Submission(answer=raw, request=request))
            return _run(desk, verifier, pile, count)

        return run

    def sqlite() -> RequestStore:
        import secrets

        return SqliteRequestStore(f"{folder}/{secrets.token_hex(4)}.db")

    papers = _papers(desk, scans)
    return {
        "SD-CWT answers": answered("sd-cwt", MemoryRequestStore, evidence=False),
        "SD-JWT VC answers": answered("dc+sd-jwt", MemoryRequestStore, evidence=False),
        "SD-CWT answers, store and evidence on disk": answered("sd-cwt", sqlite, evidence=True),
        "paper, one PNG of an A4 page at 150 dpi each": lambda count: _run(
            desk, desk.verifier(MemoryRequestStore()), papers, count
        ),
    }


def _recording(desk: Desk, requests: RequestStore, folder: str) -> Verifier:
    from vcred.keys import SoftwareSigner

    identity = desk.verifier(requests)._identity  # noqa: SLF001 - the bench desk has no other way to it
    recipient = SoftwareSigner.generate().public_key
    archive = EvidenceArchive.create(folder, reader=identity.client_id, recipient=recipient, at=AT)
    archive.keep_trust(desk.pack, desk.root)
    return Verifier(desk.trust, identity, requests, evidence=archive)


def _run(desk: Desk, verifier: Verifier, pile: list, count: int) -> Iterable[object]:
    return verify_many(pile, verifier=verifier, pack=desk.pack, root=desk.root, at=AT, workers=count)


def _papers(desk: Desk, scans: int) -> list[Sheet]:
    from io import BytesIO

    from PIL import Image

    kind = desk.catalog[_CODE]
    issued_at = int(AT.timestamp()) - 86400
    content = Content(
        vct=kind.vct,
        issuer=_ISSUER,
        claims=kind.issue(kind.sample, variant=None, options={}, issued_on=AT.date()),
        issued_at=issued_at,
        expires_at=issued_at + 30 * 86400,
        holder_key=None,
        status=StatusReference(uri=LIST, index=7),
    )
    key = IssuerKey(public_key=desk.agency.public_key, chain=(desk.signer,))
    raw = issue_paper(content, key, desk.agency, desk.catalog.labels)
    policy = VerificationPolicy.load(
        VerificationPolicy.preset(_POLICY)
        .source.replace('holder_binding = "required"', 'holder_binding = "bearer_ok"')
        .replace('[forbid]\nclaims = ["rrn.serial", "rrn.sexDigit"]\n', "")
        .replace('level = "none"', 'level = "full"\nlegal_basis = { ko = "시험", en = "test" }')
    )
    page = Image.new("L", (1240, 1754), 255)
    for number, code in enumerate(encode(Message(MessageKind.PAPER, {1: raw}))):
        drawn = Image.open(BytesIO(code.png(scale=3))).convert("L")
        page.paste(drawn, (60 + (number % 2) * 560, 60 + (number // 2) * 560))
    out = BytesIO()
    page.save(out, "PNG")
    return [Sheet(sheet=Scan(files=(out.getvalue(),)), policy=policy) for _ in range(scans)]


def _measured(name: str, count: int, pile: Callable[[int], Iterable[object]]) -> Figures:
    verdicts = pile(count)
    here, there = _cpu(resource.RUSAGE_SELF), _cpu(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    moments = []
    for one in verdicts:
        assert one, one.reasons
        moments.append(time.perf_counter())
    rest = len(moments) - len(moments) // 10
    return Figures(
        pile=name,
        workers=count,
        per_second=(rest - 1) / (moments[-1] - moments[-rest]),
        first=moments[0] - started,
        desk_cpu=(_cpu(resource.RUSAGE_SELF) - here) / len(moments) * 1e6,
        workers_cpu=(_cpu(resource.RUSAGE_CHILDREN) - there) / len(moments) * 1e6,
    )


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def markdown(found: Sequence[Figures]) -> str:
    """The table of the report."""
    lines = [
        "| pile | workers | verdicts a second | against 1 by 1 | first verdict | CPU an item, desk + workers |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    alone = {one.pile: one.per_second for one in found if one.workers == 1}
    lines += [
        f"| {one.pile} | {one.workers} | {one.per_second:,.0f} | {one.per_second / alone[one.pile]:.2f}x "
        f"| {one.first * 1000:,.0f} ms | {one.desk_cpu:,.0f} + {one.workers_cpu:,.0f} us |"
        for one in found
        if one.pile in alone
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=2000)
    parser.add_argument("--scans", type=int, default=200)
    parser.add_argument("--workers", default="1,2", help="how many processes, one after the other; 1 has none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = parser.parse_args()
    counts = [int(one) for one in chosen.workers.split(",")]
    with Console(stderr=True).status("verifying"):
        found = rows(answers=chosen.answers, scans=chosen.scans, workers=counts, rounds=chosen.rounds)
    print(json.dumps([asdict(one) for one in found]) if chosen.json else f"{machine()}\n\n{markdown(found)}")


if __name__ == "__main__":
    main()
