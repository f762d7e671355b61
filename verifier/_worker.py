"""What a worker process does for a pile of answers: the part of a verdict that needs no memory and no key.

It is given the trust bundle's bytes, and for each answer what the desk remembers; it judges as the desk would, except
that it cannot know whether an answer was shown before. That question (``Use``) goes back with the verdict.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from vcred.errors import RefusedError, VcredError
from vcred.presentation import Presentation, PresentationRequest
from vcred.qr.apart import PictureReader
from vcred.qr.scan import Scan
from verifier._crew import READY, dumps, loads
from verifier._formats import readers
from verifier.judge import Known, Remembered, judge, judge_paper, policy_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Mapping, Sequence
    from multiprocessing.connection import Connection

    from vcred.freshness import Freshness
    from vcred.qr import Message
    from vcred.reasons import ReasonCode
    from vcred.trust import TrustBundle
    from verifier.judge import Judgement, SignedBy
    from verifier.requests import OpenRequest, RequestStore
    from verifier.result import Assurance, CertificateResult, Check

    Answer = Presentation | Message | bytes | Sequence[bytes] | Scan

__all__ = ["AnswerJob", "Failed", "Judged", "Refused", "SheetJob", "Use", "serve", "setup_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerJob:
    """An answer, its request, and what the desk remembers."""

    answer: Answer = field(repr=False)
    request: bytes = field(repr=False)
    kept: OpenRequest | None
    last_seen: int | None
    at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetJob:
    """A paper document and the policy's TOML."""

    sheet: bytes | Scan = field(repr=False)
    policy: str = field(repr=False)
    reference_date: dt.date | None
    last_seen: int | None
    at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What an answer uses up: its request, or for a one-way answer itself, until a time."""

    request: bytes | None = None
    answers: tuple[bytes, ...] = ()
    until: int = 0
    now: int = 0

    def take(self, requests: RequestStore) -> bool:
        """Use it up in ``requests``: whether it was the first time."""
        if self.request is not None:
            return requests.use(self.request)
        return requests.remember(self.answers, until=self.until, now=self.now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A verdict in parts, without what the desk has itself. ``use``: what is to be used up if it is to count."""

    checks: tuple[Check, ...]
    required: frozenset[tuple[str, str]]
    certificates: tuple[CertificateResult, ...]
    assurance: Assurance
    freshness: tuple[Freshness, ...]
    policy: str
    presentation: Presentation | None = field(repr=False)
    disclosed: Mapping[str, Mapping[str, Any]] = field(repr=False)
    signed: tuple[SignedBy, ...]
    sheet: bytes | None = field(repr=False)
    use: Use | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The files cannot be read."""

    code: ReasonCode
    path: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Something of ours went wrong with this one."""

    detail: str


class _Asking(Remembered):
    """The desk's memory as it was, where every answer is new; it notes what would have been used up."""

    def __init__(self, known: Known) -> None:
        super().__init__(known)
        self.use_up: Use | None = None

    def use(self, key: bytes) -> bool:
        """See ``RequestStore``."""
        self.use_up = Use(request=key)
        return True

    def remember(self, answers: Collection[bytes], *, until: int, now: int) -> bool:
        """See ``RequestStore``."""
        self.use_up = Use(answers=tuple(answers), until=until, now=now)
        return True


class _Bench:
    """The trust bundle, read once, and what is judged under it."""

    def __init__(self, pack: bytes, root: bytes, status: tuple[bytes, ...]) -> None:
        from vcred.trust import TrustBundle  # noqa: PLC0415 - TUF is loaded when a bundle is read

        bundle = TrustBundle.loads(pack, root=root, seen=None)
        for token in status:
            bundle = bundle.with_status(token)
        self._trust: TrustBundle = bundle
        self._formats = readers(bundle.catalog)
        self._same: dict[object, object] = {}
        self._pictures = PictureReader(at_once=1)

    def do(self, job: AnswerJob | SheetJob) -> Judged | Refused | Failed:
        """Judge one. Whatever happens, it is about this one only."""
        try:
            return self._answer(job) if isinstance(job, AnswerJob) else self._sheet(job)
        except RefusedError as error:
            return Refused(code=error.code, path=error.path, detail=error.detail)
        except VcredError as error:
            return Failed(detail=f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 - one answer must not end the others; what it says may be personal
            return Failed(detail=type(error).__name__)

    def _answer(self, job: AnswerJob) -> Judged:
        answer = job.answer
        if isinstance(answer, Scan):
            answer = answer.answer(read=self._pictures.texts_of)
        requests = _Asking(Known(last_seen=job.last_seen, request=job.kept, first_use=None))
        found = judge(
            answer,
            request=_request(job.request),
            trust=self._trust,
            requests=requests,
            formats=self._formats,
            at=job.at,
            observe=None,
        )
        return self._parts(found, requests.use_up)

    def _sheet(self, job: SheetJob) -> Judged:
        sheet = job.sheet.sheet(read=self._pictures.texts_of) if isinstance(job.sheet, Scan) else job.sheet
        found = judge_paper(
            sheet,
            policy=policy_of(job.policy),
            reference_date=job.reference_date,
            trust=self._trust,
            requests=_Asking(Known(last_seen=job.last_seen, request=None, first_use=None)),
            formats=self._formats,
            at=job.at,
            observe=None,
        )
        return self._parts(found, None)

    def _parts(self, found: Judgement, use: Use | None) -> Judged:
        result = found.result
        return Judged(
            checks=tuple(map(self._once, result.checks)),
            required=self._once(result.required),
            certificates=result.certificates,
            assurance=result.assurance,
            freshness=tuple(map(self._once, result.freshness)),
            policy=result.policy,
            presentation=result.presentation,
            disclosed=dict(result.disclosed),
            signed=found.signed,
            sheet=found.sheet,
            use=use,
        )

    def _once(self, value: Any) -> Any:
        """``value`` as it was met before: equal values of a chunk then travel once."""
        if len(self._same) > _SAME:
            self._same.clear()
        return self._same.setdefault(value, value)


_SAME = 4096


@lru_cache(maxsize=16)
def _request(raw: bytes) -> PresentationRequest:
    """Read once where it hangs at a door for everybody."""
    return PresentationRequest.parse(raw)


def setup_of(pack: bytes, root: bytes, status: tuple[bytes, ...]) -> bytes:
    """What ``serve`` needs: a trust bundle's file, its root, and the status lists that were added to it."""
    return dumps((pack, root, status))


def serve(pipe: Connection, setup: bytes) -> None:
    """Judge chunks until the pipe ends. Ctrl-C is the desk's to hear."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        bench = _Bench(*loads(setup))
    except VcredError as error:
        pipe.send_bytes(f"{type(error).__name__}: {error}".encode())
        return
    try:
        pipe.send_bytes(READY)
        while True:
            pipe.send_bytes(dumps([bench.do(job) for job in loads(pipe.recv_bytes())]))
    except (EOFError, OSError):
        return
