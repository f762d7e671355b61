"""Evaluating a DCQL query: what a holder has to offer, and whether an answer is what was asked for.

OpenID4VP 1.0 section 6.4 (selection), 7.1 (paths) and 8.6 (what the verifier re-checks).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vcred.claims import ClaimPath, select
from vcred.errors import RefusedError
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from vcred.dcql import ClaimQuery, CredentialQuery, DcqlQuery

__all__ = ["Answer", "Candidate", "Match", "Matches", "answer_problems", "check_answer", "match"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A credential as a query sees it.

    ``types`` are its type identifiers (``vct``, ``doctype`` or the W3C types), ``authorities`` its
    issuer by kind of identification. ``disclosed`` names the nodes that the holder chose to show; it
    matters in an answer only. ``reads`` puts a claim query into the names of ``claims``, where the format has others.
    """

    id: str
    format: str
    types: Collection[str]
    claims: Mapping[str, Any] = field(repr=False)
    holder_bound: bool
    authorities: Mapping[str, Collection[str]] = field(default_factory=dict)
    disclosed: Collection[ClaimPath] = ()
    reads: Callable[[ClaimQuery], ClaimQuery] | None = None

    def asked(self, claims: Sequence[ClaimQuery]) -> tuple[ClaimQuery, ...]:
        """``claims`` in the names of this credential's."""
        return tuple(claims) if self.reads is None else tuple(map(self.reads, claims))


Answer = Mapping[str, Sequence[Candidate]]
"""Credential query id -> what was presented for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A candidate that satisfies a credential query.

    ``options`` are the claim combinations it can give, the verifier's favourite first: (index in
    ``claim_sets`` or ``None``, concrete paths to disclose).
    """

    candidate: Candidate
    options: tuple[tuple[int | None, tuple[ClaimPath, ...]], ...]

    @property
    def paths(self) -> tuple[ClaimPath, ...]:
        """What to disclose: the first combination that can be given (section 6.4.1)."""
        return self.options[0][1]

    @property
    def claim_set(self) -> int | None:
        """The index in ``claim_sets`` of that combination."""
        return self.options[0][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """The outcome of a query over a wallet.

    ``found`` and ``failed`` have an entry per credential query id; ``failed`` says of each candidate
    what did not fit (``format``, ``meta``, ``claims``, ``trusted_authorities``, ``holder_binding``).
    ``missing`` are the ids whose absence makes the query unanswerable: with alternatives, those of the
    first option.
    """

    query: DcqlQuery
    found: Mapping[str, tuple[Match, ...]]
    failed: Mapping[str, tuple[tuple[Candidate, frozenset[str]], ...]]
    missing: tuple[str, ...]

    @property
    def satisfiable(self) -> bool:
        """Whether the query can be answered; if not, nothing may be returned (section 6.4.2)."""
        return not self.missing

    def __bool__(self) -> bool:
        return self.satisfiable

    def set_options(self, index: int) -> tuple[tuple[str, ...], ...]:
        """The options of ``credential_sets[index]`` that can be given."""
        sets = self.query.credential_sets
        if sets is None:
            raise ValueError("the query has no credential_sets")
        return tuple(option for option in sets[index].options if all(self.found[one] for one in option))

    def choose(self) -> dict[str, Match]:
        """A minimal answer: the required ids only, the first option of each required set, the first candidate.

        Raises ``ValueError`` when the query cannot be satisfied.
        """
        if self.missing:
            raise ValueError("the query cannot be satisfied")
        sets = self.query.credential_sets
        if sets is None:
            ids = [one.id for one in self.query.credentials]
        else:
            ids = [one for i, group in enumerate(sets) if group.required for one in self.set_options(i)[0]]
        return {one: self.found[one][0] for one in dict.fromkeys(ids)}


def match(query: DcqlQuery, candidates: Sequence[Candidate]) -> Matches:
    """Which of ``candidates`` satisfy which credential query, with the concrete paths to disclose."""
    found: dict[str, tuple[Match, ...]] = {}
    failed: dict[str, tuple[tuple[Candidate, frozenset[str]], ...]] = {}
    for wanted in query.credentials:
        hits, misses = [], []
        for candidate in candidates:
            result = _match_one(wanted, candidate)
            if isinstance(result, Match):
                hits.append(result)
            else:
                misses.append((candidate, result))
        found[wanted.id], failed[wanted.id] = tuple(hits), tuple(misses)
    return Matches(
        query=query, found=found, failed=failed, missing=_missing(query, {one for one in found if found[one]})
    )


def _missing(query: DcqlQuery, present: Collection[str]) -> tuple[str, ...]:
    if query.credential_sets is None:
        return tuple(one.id for one in query.credentials if one.id not in present)
    missing: list[str] = []
    for group in query.credential_sets:
        if group.required and not any(all(one in present for one in option) for option in group.options):
            missing += [one for one in group.options[0] if one not in present]
    return tuple(dict.fromkeys(missing))


def _match_one(wanted: CredentialQuery, candidate: Candidate) -> Match | frozenset[str]:
    failures = _metadata_failures(wanted, candidate)
    options = []
    for index, claims in enumerate(wanted.options()):
        paths = _select_all(candidate.asked(claims), candidate.claims)
        if paths is not None:
            options.append((None if wanted.claim_sets is None else index, paths))
    if not options:
        failures.add("claims")
    return frozenset(failures) if failures else Match(candidate=candidate, options=tuple(options))


def _metadata_failures(wanted: CredentialQuery, candidate: Candidate) -> set[str]:
    failures = set()
    if wanted.format != candidate.format:
        failures.add("format")
    if wanted.types is not None and not any(set(candidate.types).issuperset(one) for one in wanted.types):
        failures.add("meta")
    if wanted.holder_binding and not candidate.holder_bound:
        failures.add("holder_binding")
    if wanted.trusted_authorities is not None and not any(
        value in candidate.authorities.get(one.type, ()) for one in wanted.trusted_authorities for value in one.values
    ):
        failures.add("trusted_authorities")
    return failures


def _select_all(claims: Sequence[ClaimQuery], tree: Mapping[str, Any]) -> tuple[ClaimPath, ...] | None:
    paths: dict[ClaimPath, None] = {}
    for claim in claims:
        selected = _select(claim, claim.path, tree)
        if not selected:
            return None
        paths.update(dict.fromkeys(selected))
    return tuple(paths)


def _select(claim: ClaimQuery, path: ClaimPath, tree: Mapping[str, Any]) -> list[ClaimPath]:
    nodes = select(tree, path)
    if claim.values is None:
        return [where for where, _ in nodes]
    return [where for where, node in nodes if any(_same(node, value) for value in claim.values)]


def _same(node: Any, value: Any) -> bool:
    return type(node) is type(value) and bool(node == value)


def check_answer(query: DcqlQuery, answer: Answer) -> None:
    """Refuse an answer that is not what ``query`` asked for, whatever the wallet thought (section 8.6).

    Raises ``RefusedError`` with ``dcql``: an id that was not asked for, a required one missing, several
    where one was asked for, a wrong format, type or authority, a claim missing or with another value,
    a claim disclosed that was not asked for.
    """
    for problem in answer_problems(query, answer):
        raise problem


def answer_problems(query: DcqlQuery, answer: Answer) -> Iterator[RefusedError]:
    """Every problem that ``check_answer`` would refuse for, not only the first."""
    known = {one.id: one for one in query.credentials}
    for query_id, presented in answer.items():
        wanted = known.get(query_id)
        if wanted is None:
            yield _refused("", "an answer to something that was not asked")
            continue
        if not presented or (len(presented) > 1 and not wanted.multiple):
            yield _refused(query_id, "one presentation was asked for")
        for candidate in presented:
            yield from _presented_problems(wanted, candidate)
    for query_id in _missing(query, {one for one in answer if answer[one]}):
        yield _refused(query_id, "a required credential is missing")


def _presented_problems(wanted: CredentialQuery, candidate: Candidate) -> Iterator[RefusedError]:
    failures = _metadata_failures(wanted, candidate)
    if failures:
        yield _refused(wanted.id, "does not fit the query: " + ", ".join(sorted(failures)))
    # An element's index may shift when elements before it are hidden, so an index is any index here.
    combinations = [
        [
            (claim, ClaimPath(tuple(None if isinstance(part, int) else part for part in claim.path.parts)))
            for claim in candidate.asked(one)
        ]
        for one in wanted.options()
    ]
    satisfied = [one for one in combinations if all(_select(claim, path, candidate.claims) for claim, path in one)]
    if not satisfied:
        yield _refused(wanted.id, "a requested claim is missing or has another value")
    extras = [_extra([path for _, path in one], candidate.disclosed) for one in satisfied or combinations]
    fewest = min(extras, key=len)
    for path in fewest:
        yield _refused(f"{wanted.id}.{path}", "disclosed without being asked for")


def _extra(asked: list[ClaimPath], disclosed: Collection[ClaimPath]) -> list[ClaimPath]:
    """Nodes that are neither asked for, nor below something asked for, nor a parent that leads to it."""
    return [node for node in disclosed if not any(one.contains(node) or _leads_to(node, one) for one in asked)]


def _leads_to(node: ClaimPath, asked: ClaimPath) -> bool:
    return len(node.parts) < len(asked.parts) and ClaimPath(asked.parts[: len(node.parts)]).contains(node)


def _refused(path: str, detail: str) -> RefusedError:
    return RefusedError(ReasonCode.DCQL, path, detail)
