"""Judging a recorded verdict again: the trust state, the request and the answer as they were, from the archive."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from vcred.errors import CatalogError, MalformedError, NotFound, PolicyError, RefusedError, TrustError
from vcred.policy import VerificationPolicy
from verifier._formats import readers
from verifier.evidence import Kept, Shown, digest
from verifier.findings import AuditCode, AuditFinding
from verifier.judge import Known, Remembered, judge, judge_paper, request_key
from verifier.online import read_request
from verifier.requests import OpenRequest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from vcred.formats.base import CredentialFormat
    from vcred.presentation import PresentationRequest
    from vcred.trust import TrustBundle
    from vcred.trust.content import Names
    from verifier.archive import EvidenceArchive
    from verifier.judge import Judgement
    from verifier.verdict import RecordedVerdict, TrustState

__all__ = ["Repeater", "UnusableError", "registered_names"]

_CACHED = 4


def registered_names(trust: TrustBundle, client_id: str) -> Names | None:
    """Under which names ``trust`` lists a desk, whatever became of its certificate."""
    from vcred.trust.x509 import x509_hash  # noqa: PLC0415 - X.509 is loaded where a certificate is looked at

    found = (one.names for one in trust.readers if client_id == f"x509_hash:{x509_hash(one.certificate)}")
    return next(found, None)


class UnusableError(Exception):
    """Something that is needed cannot be used; ``finding`` says what."""

    def __init__(self, code: AuditCode, detail: str = "") -> None:
        self.finding = AuditFinding(code=code, detail=detail)
        super().__init__(str(code))


class Repeater:
    """Everything an archive keeps, read under the roots and with the key that the auditor brings."""

    def __init__(
        self, archive: EvidenceArchive, *, roots: Collection[bytes], key: EllipticCurvePrivateKey | None
    ) -> None:
        self._archive = archive
        self._desk: str = archive.first.body["reader"]
        self._roots = {digest(root): root for root in roots}
        self._key = key
        self._kept = archive.kept()
        self._trust: dict[TrustState, tuple[TrustBundle, Mapping[str, CredentialFormat]]] = {}

    def trust(self, state: TrustState) -> TrustBundle:
        """The trust bundle of a verdict, with the status lists added to it. Raises ``UnusableError``."""
        return self._loaded(state)[0]

    def request(self, verdict: RecordedVerdict) -> PresentationRequest | None:
        """The request of a verdict; ``None`` for a paper document. Raises ``UnusableError``."""
        if verdict.request is None:
            return None
        try:
            return read_request(self._text(verdict.request))
        except RefusedError as error:
            raise UnusableError(AuditCode.TEXT_MISSING, str(error)) from error

    def request_findings(self, verdict: RecordedVerdict, trust: TrustBundle) -> list[AuditFinding]:
        """Whether the desk that is named signed the request, by the trust state of then."""
        try:
            request = self.request(verdict)
        except UnusableError as error:
            return [error.finding]
        if request is None:
            return []
        try:
            made = dt.datetime.fromtimestamp(request.issued_at, dt.UTC)
            reader = trust.resolve_reader(client_id=request.client_id, x5c=request.x5c, at=made)
        except RefusedError as error:
            return [AuditFinding(code=AuditCode.REQUEST_READER, reason=error.code, detail=str(error))]
        try:
            request.verify_by(reader.key)
        except RefusedError as error:
            return [AuditFinding(code=AuditCode.REQUEST_SIGNATURE, reason=error.code)]
        if request.client_id != self._desk and reader.names != registered_names(trust, self._desk):
            return [AuditFinding(code=AuditCode.REQUEST_READER, detail="the request of another desk")]
        return []

    def shown(self, sequence: int, verdict: RecordedVerdict, destroyed: Mapping[int, int]) -> Shown | AuditFinding:
        """What was presented, or why it is not here."""
        absent = self._absent(sequence, verdict, destroyed)
        if absent is not None:
            return absent
        if self._key is None:
            return AuditFinding(code=AuditCode.NO_KEY)
        try:
            shown = self._archive.shown(sequence, key=self._key)
        except (NotFound, RefusedError) as error:
            return AuditFinding(code=AuditCode.COMMITMENT, detail=str(error))
        return shown if shown.commitment == verdict.commitment else AuditFinding(code=AuditCode.COMMITMENT)

    def judge(self, verdict: RecordedVerdict, shown: Shown, at: int) -> Judgement:
        """The verdict again. Raises ``UnusableError``."""
        trust, formats = self._loaded(verdict.trust)
        request = self.request(verdict)
        when = dt.datetime.fromtimestamp(at, dt.UTC)
        try:
            answer = shown.read()
            policy = None if verdict.policy is None else self._text(verdict.policy).decode()
            if isinstance(answer, bytes):
                return judge_paper(
                    answer,
                    policy=VerificationPolicy.load(policy or ""),
                    reference_date=verdict.reference_date,
                    trust=trust,
                    requests=Remembered(Known(last_seen=verdict.last_seen, request=None, first_use=None)),
                    formats=formats,
                    at=when,
                    observe=None,
                )
            if request is None:
                raise UnusableError(AuditCode.TEXT_MISSING, "an answer without a request")
            return judge(
                answer,
                request=request,
                trust=trust,
                requests=Remembered(_known(verdict, request, policy)),
                formats=formats,
                at=when,
                observe=None,
            )
        except MalformedError as error:
            raise UnusableError(AuditCode.COMMITMENT, str(error)) from error
        except (CatalogError, PolicyError, UnicodeDecodeError) as error:
            raise UnusableError(AuditCode.TEXT_MISSING, str(error)) from error

    def _absent(self, sequence: int, verdict: RecordedVerdict, destroyed: Mapping[int, int]) -> AuditFinding | None:
        there = sequence in self._kept
        if there and (verdict.kept is not Kept.YES or sequence in destroyed):
            return AuditFinding(code=AuditCode.ANSWER_EXTRA)
        if verdict.kept is not Kept.YES:
            code = AuditCode.NOT_KEPT if verdict.kept is Kept.POLICY else AuditCode.UNREADABLE
            return AuditFinding(code=code)
        if sequence in destroyed:
            moment = dt.datetime.fromtimestamp(destroyed[sequence], dt.UTC)
            return AuditFinding(code=AuditCode.DESTROYED, detail=moment.isoformat())
        return None if there else AuditFinding(code=AuditCode.ANSWER_MISSING)

    def _loaded(self, state: TrustState) -> tuple[TrustBundle, Mapping[str, CredentialFormat]]:
        if state not in self._trust:
            while len(self._trust) >= _CACHED:  # entries come in order, and so do their bundles
                del self._trust[next(iter(self._trust))]
            bundle = self._load(state)
            try:
                self._trust[state] = (bundle, readers(bundle.catalog))
            except CatalogError as error:
                raise UnusableError(AuditCode.TRUST_UNUSABLE, str(error)) from error
        return self._trust[state]

    def _load(self, state: TrustState) -> TrustBundle:
        from vcred.trust import TrustBundle  # noqa: PLC0415 - TUF is loaded when a bundle is read

        if state.root not in self._roots:
            raise UnusableError(AuditCode.ROOT_UNKNOWN, state.root)
        try:
            bundle = TrustBundle.loads(self._file(state.pack), root=self._roots[state.root], seen=None)
            for token in state.status:
                bundle = bundle.with_status(self._file(token))
        except (TrustError, RefusedError) as error:
            raise UnusableError(AuditCode.TRUST_UNUSABLE, str(error)) from error
        facts = (bundle.version, int(bundle.signed_at.timestamp()), int(bundle.expires_at.timestamp()))
        if facts != (state.version, state.signed_at, state.expires_at):
            raise UnusableError(AuditCode.TRUST_UNUSABLE, "the entry says other things about it than it does")
        return bundle

    def _file(self, name: str) -> bytes:
        raw = self._archive.file(name)
        if raw is None:
            raise UnusableError(AuditCode.TRUST_MISSING, name)
        return raw

    def _text(self, name: str) -> bytes:
        raw = self._archive.text(name)
        if raw is None:
            raise UnusableError(AuditCode.TEXT_MISSING, name)
        return raw


def _known(verdict: RecordedVerdict, request: PresentationRequest, policy: str | None) -> Known:
    kept = None
    if verdict.request_ends is not None and policy is not None:
        kept = OpenRequest(
            key=request_key(request),
            policy=policy,
            reference_date=verdict.reference_date,
            expires_at=verdict.request_ends,
        )
    return Known(last_seen=verdict.last_seen, request=kept, first_use=verdict.first_use)
