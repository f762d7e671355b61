"""``verify_many``: a pile of answers or of paper documents, across cores, in one call.

Workers do what needs no memory and no key: they read files, parse, and check signatures, digests and rules under the
trust bundle. What must happen in one place happens here, in the order of the pile: a request is used up, the evidence
is written, and only then is the verdict told. So each verdict is the one ``Verifier`` gives, one answer after another.

Workers are given the trust bundle, answers, requests and policies; never the reader's key, the request store or the
archive. What they cannot finish is an error of that answer alone, and never ACCEPTED.
"""

from __future__ import annotations

import datetime as dt
import os
from collections import deque
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from vcred.errors import NotAcceptedError, RefusedError, WorkerError
from vcred.formats._wire import epoch
from vcred.presentation import Presentation
from vcred.qr.apart import PictureReader
from vcred.qr.scan import Scan
from vcred.reasons import Outcome, Reason, ReasonCode
from verifier._ledger import Ledger
from verifier.judge import Judgement, Known, check_time, policy_of, replayed, request_key
from verifier.result import VerificationResult

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from vcred.errors import VcredError
    from vcred.policy import VerificationPolicy
    from vcred.presentation import PresentationRequest
    from vcred.qr import Message
    from verifier._worker import AnswerJob, Failed, Judged, Refused, SheetJob
    from verifier.verifier import Verifier

__all__ = ["Checked", "Scan", "Sheet", "Submission", "verify_many"]

_CHUNK: Final = 16
"""Answers that a worker is given at once. Handing one over costs the desk some 290 us of CPU with 4, 200 with 16 and
150 with 64, and the first verdict comes the later the more there are."""

SECONDS: Final = 30.0
"""For one item: a picture that takes long, on a busy machine, has more than enough."""

_CHUNK_BYTES: Final = 256 * 1024
"""Bytes of them, so that a few photographs are a chunk as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One answer and the request it answers.

    ``answer`` is what ``Verifier.verify`` takes, or a ``Scan`` of the files that it is in. ``at``: when it came, if
    that was not the time of the batch. ``name`` is the caller's own.
    """

    answer: Presentation | Message | bytes | Sequence[bytes] | Scan = field(repr=False)
    request: PresentationRequest = field(repr=False)
    at: dt.datetime | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One paper document under a policy: what ``Verifier.verify_paper`` takes, or a ``Scan`` of it."""

    sheet: bytes | Scan = field(repr=False)
    policy: VerificationPolicy = field(repr=False)
    reference_date: dt.date | None = None
    at: dt.datetime | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What became of one item: a ``result``, or the ``error`` that kept it from having one.

    A ``RefusedError`` says what is wrong with the item's files or request, a ``WorkerError`` that the processes that
    should have judged it came to an end. ``bool()`` is "accepted".
    """

    item: Submission | Sheet
    result: VerificationResult | None = None
    error: VcredError | None = None

    @property
    def outcome(self) -> Outcome:
        """The result's; without one what the refusal says, else INDETERMINATE."""
        if self.result is not None:
            return self.result.outcome
        return self.error.code.outcome if isinstance(self.error, RefusedError) else Outcome.INDETERMINATE

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why it was not accepted; empty when it was."""
        if self.result is not None:
            return self.result.reasons
        if isinstance(self.error, RefusedError):
            return (Reason(self.error.code, self.error.path, self.error.detail),)
        return (Reason(ReasonCode.UNCHECKED, "", str(self.error or "")),)

    def accepted(self) -> VerificationResult:
        """The result, if it is ACCEPTED. Raises ``error``, or ``NotAcceptedError``."""
        if self.error is not None:
            raise self.error
        if not self.result:
            raise NotAcceptedError(self.result)
        return self.result

    def __bool__(self) -> bool:
        return self.result is not None and self.error is None and bool(self.result)


def verify_many(
    pile: Iterable[Submission | Sheet],
    *,
    verifier: Verifier,
    pack: bytes,
    root: bytes,
    at: dt.datetime,
    workers: int | None = None,
    seconds: float = SECONDS,
) -> Generator[Checked, None, None]:
    """Decide about everything in ``pile``, in its order; each verdict when it is recorded, as it is asked for.

    ``pack`` and ``root`` are the files that the verifier's bundle was made from: each worker reads them once.
    ``workers`` processes do it, one a core without a number; with 1 it is done here. The pile is read a few chunks
    ahead, so it may be endless; what was read ahead and never asked for is not used up and not recorded. Close what is
    returned (``contextlib.closing``), or come to its end: its workers end with it.

    An item that a worker does not finish in ``seconds`` is undecided, and the others go on. Reading its pictures has a
    limit of its own, with 1 worker too, where nothing else has one.

    Workers take a second or so to start. A script that starts them needs ``if __name__ == "__main__":``.

    Raises ``ValueError`` for a naive time, another bundle's file, a policy that was not made by ``load`` or a reference
    date that does not fit it; ``WorkerError`` when workers cannot be started; what ``Verifier.verify`` raises about
    our own stores. Everything else is about one item, and in its ``Checked``.
    """
    epoch(at)
    count = _cores() if workers is None else workers
    if count < 1 or seconds <= 0:
        raise ValueError("at least one worker, and some time")
    if sha256(pack).hexdigest() != verifier.trust.pack:
        raise ValueError("this is not the file of the verifier's trust bundle")
    desk = _Desk(verifier, at)
    if count == 1:
        return (desk.check(item) for item in pile)
    return _spread(pile, desk, count, pack, root, seconds=seconds)


def _spread(
    pile: Iterable[Submission | Sheet], desk: _Desk, count: int, pack: bytes, root: bytes, *, seconds: float
) -> Generator[Checked, None, None]:
    from verifier._crew import Crew  # noqa: PLC0415 - multiprocessing is loaded when it is wanted
    from verifier._worker import serve, setup_of  # noqa: PLC0415 - as above

    setup = setup_of(pack, root, tuple(desk.trust.added_status.values()))
    handed: deque[list[tuple[Submission | Sheet, AnswerJob | SheetJob | Checked | None]]] = deque()

    def chunks() -> Iterator[list[AnswerJob | SheetJob]]:
        for chunk in _chunked(pile, desk):
            handed.append(chunk)
            yield [job for _, job in chunk if job is not None and not isinstance(job, Checked)]

    with Crew(count, serve, setup, seconds=seconds) as crew:
        for said in crew.run(chunks()):
            answers = iter(said)
            for item, job in handed.popleft():
                if job is None:
                    yield desk.check(item)
                else:
                    yield job if isinstance(job, Checked) else desk.settle(item, job, next(answers))
                crew.tend()


def _chunked(
    pile: Iterable[Submission | Sheet], desk: _Desk
) -> Iterator[list[tuple[Submission | Sheet, AnswerJob | SheetJob | Checked | None]]]:
    chunk: list[tuple[Submission | Sheet, AnswerJob | SheetJob | Checked | None]] = []
    size = 0
    for item in pile:
        chunk.append((item, desk.job(item)))
        size += _size(item)
        if len(chunk) >= _CHUNK or size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _size(item: Submission | Sheet) -> int:
    what = item.answer if isinstance(item, Submission) else item.sheet
    if isinstance(what, Scan):
        return sum(map(len, what.files)) + _CHUNK_BYTES // 4  # a picture is work, however small
    return len(what) if isinstance(what, bytes) else 0


class _Desk:
    """The verifier's memory and evidence, for one batch under one bundle."""

    def __init__(self, verifier: Verifier, at: dt.datetime) -> None:
        self._verifier = verifier
        self._requests = verifier._requests  # noqa: SLF001 - this is the other half of Verifier.verify
        self._at = at
        self._pictures = PictureReader(at_once=1)
        self.trust = verifier.trust

    def check(self, item: Submission | Sheet) -> Checked:
        """Do all of it here."""
        at = item.at or self._at
        try:
            if isinstance(item, Sheet):
                sheet = item.sheet.sheet(read=self._pictures.texts_of) if isinstance(item.sheet, Scan) else item.sheet
                result = self._verifier.verify_paper(
                    sheet, policy=item.policy, at=at, reference_date=item.reference_date
                )
            else:
                self._check_ours(item.request)
                answer = item.answer
                if isinstance(answer, Scan):
                    answer = answer.answer(read=self._pictures.texts_of)
                result = self._verifier.verify(answer, request=item.request, at=at)
        except RefusedError as error:
            return Checked(item=item, error=error)
        return Checked(item=item, result=result)

    def job(self, item: Submission | Sheet) -> AnswerJob | SheetJob | Checked | None:
        """What a worker needs for it, or what is wrong with it already; ``None`` when it is to be done here."""
        from verifier._worker import AnswerJob, SheetJob  # noqa: PLC0415 - as in _spread

        at = (item.at or self._at).astimezone(dt.UTC)
        if isinstance(item, Sheet):
            if not item.policy.source:
                raise ValueError("a policy is made by VerificationPolicy.load")
            if item.policy.needs_reference_date != (item.reference_date is not None):
                raise ValueError(f"policy {item.policy.id} takes a reference date: {item.policy.needs_reference_date}")
            return SheetJob(
                sheet=item.sheet,
                policy=item.policy.source,
                reference_date=item.reference_date,
                last_seen=self._passed(at),
                at=at,
            )
        try:
            self._check_ours(item.request)
        except RefusedError as error:
            return Checked(item=item, error=error)
        if item.request.online is not None:
            return None  # with the request is kept the key of its answer, which is no worker's
        answer = item.answer
        if isinstance(answer, Presentation):
            answer = Presentation(tokens=dict(answer.tokens), one_way_nonce=answer.one_way_nonce)
        last_seen = self._passed(at)
        kept = self._requests.get(request_key(item.request))
        return AnswerJob(answer=answer, request=item.request.raw, kept=kept, last_seen=last_seen, at=at)

    def settle(
        self, item: Submission | Sheet, job: AnswerJob | SheetJob, said: Judged | Refused | Failed | None
    ) -> Checked:
        """Use up what it uses up, write it down, and only then tell it."""
        from verifier._worker import AnswerJob, Failed, Judged, Refused  # noqa: PLC0415 - as in _spread

        if isinstance(said, Refused):
            return Checked(item=item, error=RefusedError(said.code, said.path, said.detail))
        if isinstance(said, Failed):
            return Checked(item=item, error=WorkerError(said.detail))
        if not isinstance(said, Judged):
            return Checked(item=item, error=WorkerError("two workers ended over this one, or had no time left"))
        result = _result(item, said)
        if not _is_about(item, said, accepted=bool(result)):
            return Checked(item=item, error=WorkerError("a worker answered for another one"))
        first = None if said.use is None else said.use.take(self._requests)
        if first is False:
            result = replayed(result)
        kept = job.kept if isinstance(job, AnswerJob) else None
        known = Known(last_seen=job.last_seen, request=kept, first_use=first)
        return Checked(item=item, result=self._recorded(item, said, result, known))

    def _recorded(
        self, item: Submission | Sheet, said: Judged, result: VerificationResult, known: Known
    ) -> VerificationResult:
        policy: VerificationPolicy | None
        if isinstance(item, Sheet):
            policy, day, received = item.policy, item.reference_date, b""
        else:
            policy = None if known.request is None else policy_of(known.request.policy)
            day = None if known.request is None else known.request.reference_date
            received = item.answer if isinstance(item.answer, bytes) else b""
        judgement = Judgement(
            result=result,
            at=item.at or self._at,
            trust=self.trust,
            policy=policy,
            reference_date=day,
            known=known,
            signed=said.signed,
            sheet=said.sheet,
            received=received,
        )
        return self._verifier._recorded(judgement)  # noqa: SLF001 - as above

    def _check_ours(self, request: PresentationRequest) -> None:
        if request.client_id not in self._verifier.client_ids:
            raise RefusedError(ReasonCode.REQUEST_EXPIRED, "request", "made by another verifier")

    def _passed(self, at: dt.datetime) -> int | None:
        """Note that ``at`` has passed, if a clock can be right that says so; the latest time known before."""
        observe = self._verifier._observe  # noqa: SLF001 - as above
        return check_time(self.trust, self._requests, Ledger(), at, lambda: observe(self.trust, at))


def _is_about(item: Submission | Sheet, said: Judged, *, accepted: bool) -> bool:
    """Whether ``said`` can be the verdict on ``item``: it uses up what that uses up, and nothing else."""
    if isinstance(item, Sheet):
        return said.use is None and said.sheet is not None
    if said.sheet is not None or said.use is None:
        return said.sheet is None and not accepted
    return said.use.request == (None if item.request.nonce is None else request_key(item.request))


def _result(item: Submission | Sheet, said: Judged) -> VerificationResult:
    given = item.answer if isinstance(item, Submission) else None
    return VerificationResult(
        checks=said.checks,
        required=said.required,
        certificates=said.certificates,
        assurance=said.assurance,
        trust_age=said.freshness[0].age,
        freshness=said.freshness,
        policy=said.policy,
        request=item.request if isinstance(item, Submission) else None,
        presentation=given if isinstance(given, Presentation) else said.presentation,
        disclosed=said.disclosed,
    )


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
