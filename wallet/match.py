"""What a request asks, what in the wallet answers it, and what the receiver would say, before anybody goes there.

The pre-flight looks at exactly what would be disclosed. Its policy comes from the trust bundle, never from the
request.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vcred.dcql import match
from vcred.errors import RefusedError
from vcred.formats.known import may_be_in
from vcred.policy import RrnLevel, evaluate, slot_of
from vcred.policy.rrn import level_of
from vcred.reasons import Reason, ReasonCode
from vcred.status import check_every, check_status
from wallet.certificate import CertificateState, list_certificates
from wallet.consent import Choice, ConsentRequest, Missing
from wallet.held import Held, hold

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from vcred.claims import ClaimPath
    from vcred.credential import StatusEntry
    from vcred.dcql import DcqlQuery, Match, Matches
    from vcred.formats.base import CredentialFormat
    from vcred.policy import PresentedCertificate
    from vcred.trust import TrustBundle
    from wallet.asking import Ask
    from wallet.consent import Disclosure
    from wallet.store import CredentialStore

__all__ = ["consider"]

_ANY_AGE = dt.timedelta(days=36_500)
_NO_DATE = dt.date(1, 1, 1)
_FINAL = (ReasonCode.REVOKED, ReasonCode.SUSPENDED)
_NEAR = (ReasonCode.VARIANT, ReasonCode.OPTION, ReasonCode.CLAIM_NOT_ISSUED, ReasonCode.CLAIM_EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """Everything that a match depends on."""

    ask: Ask
    trust: TrustBundle
    held: Mapping[str, Held] = field(repr=False)
    reference_date: dt.date | None
    at: dt.datetime


def consider(
    store: CredentialStore,
    trust: TrustBundle,
    formats: Mapping[str, CredentialFormat],
    ask: Ask,
    owner: object,
    *,
    reference_date: dt.date | None,
    at: dt.datetime,
) -> ConsentRequest:
    """Everything an app shows before consent."""
    held = hold(store, trust, formats)
    scene = _Scene(ask=ask, trust=trust, held=held, reference_date=reference_date, at=at)
    named = any(one.trusted_authorities is not None for one in ask.query.credentials)
    matches = match(ask.query, [one.candidate(one.authorities(trust) if named else {}) for one in held.values()])
    candidates = {
        query: tuple(sorted((_choice(scene, query, one) for one in found), key=_against))
        for query, found in matches.found.items()
    }
    chosen = {} if matches.missing else _least(ask.query, candidates)
    shown_anyway = (one for choice in chosen.values() for one in choice.too_much)
    return ConsentRequest(
        verifier=ask.asker,
        purpose=ask.purpose,
        retention=ask.retention,
        policy=ask.policy_id,
        one_way=ask.one_way,
        expires_at=ask.expires_at,
        required=tuple(one for choice in chosen.values() for one in choice.required),
        optional=_optional(ask.query, chosen, candidates),
        missing=_missing(store, scene, matches),
        candidates=candidates,
        reasons=tuple(dict.fromkeys((*ask.reasons, *_preflight(scene, chosen), *_near_misses(scene, matches)))),
        blocked=tuple(dict.fromkeys((*ask.blocked, *shown_anyway))),
        chosen=chosen,
        query=ask.query,
        nonce=ask.nonce,
        owner=owner,
        online=ask.online,
    )


def _choice(scene: _Scene, query: str, found: Match) -> Choice:
    """The least combination is what is required; what other combinations add is optional."""
    held = scene.held[found.candidate.id]
    combinations = tuple(sorted({held.selective(paths): None for _, paths in found.options}, key=len))
    least = combinations[0]
    more = combinations[0].union(*combinations) - least
    return Choice(
        query=query,
        certificate=held.certificate,
        format=held.form.id,
        required=held.describe(query, least),
        optional=held.describe(query, more),
        always=held.always(query),
        reasons=tuple(
            dict.fromkeys((*_own(scene, query, held), *_findings(scene, {query: (held, least)}, only=query)))
        ),
        spent=held.spent,
        combinations=combinations,
    )


def _against(choice: Choice) -> tuple[bool, int]:
    return choice.spent, len(choice.reasons)


def _least(query: DcqlQuery, candidates: Mapping[str, Sequence[Choice]]) -> dict[str, Choice]:
    """The default answer: what is required only, and of alternatives the one with least against it."""
    if query.credential_sets is None:
        return {name: found[0] for name, found in candidates.items()}
    chosen: dict[str, Choice] = {}
    for group in query.credential_sets:
        options = [option for option in group.options if all(candidates[one] for one in option)]
        if group.required and options:
            best = min(options, key=lambda option: _cost([candidates[one][0] for one in option]))
            chosen |= {one: candidates[one][0] for one in best}
    return chosen


def _cost(choices: Sequence[Choice]) -> tuple[int, int]:
    return sum(one.spent for one in choices), sum(len(one.reasons) for one in choices)


def _optional(
    query: DcqlQuery, chosen: Mapping[str, Choice], candidates: Mapping[str, Sequence[Choice]]
) -> tuple[Disclosure, ...]:
    """More of the chosen certificates, and whole certificates that were asked for without being required."""
    more = [one for choice in chosen.values() for one in choice.optional]
    for group in query.credential_sets or ():
        option = next((each for each in group.options if all(candidates[one] for one in each)), ())
        if not group.required and chosen:
            more += [
                line
                for name in option
                if name not in chosen
                for line in candidates[name][0].required or candidates[name][0].always
            ]
    return tuple(dict.fromkeys(more))


def _own(scene: _Scene, query: str, held: Held) -> list[Reason]:
    """What is against a certificate whatever it shows: how it is signed, its own end, and what the bundle's status
    list says.
    """
    reasons = [*_shown_anyway(scene, query, held)]
    if not may_be_in(held.type, held.form.id):
        reasons.append(Reason(ReasonCode.FORMAT_NOT_ACCEPTED, query, f"{held.type.code} is not issued in this format"))
    try:
        if scene.ask.policy is not None:
            scene.ask.policy.check_algorithm(held.opened.alg)
    except RefusedError as error:
        reasons.append(Reason(error.code, query, error.detail))
    if held.certificate.expired(scene.at):
        reasons.append(Reason(ReasonCode.EXPIRED, query, "the certificate's own validity has ended"))

    def look_up(entry: StatusEntry) -> None:
        if (snapshot := scene.trust.status_list(entry.uri)) is not None:
            check_status(entry, snapshot, max_age=_ANY_AGE, at=scene.at)

    try:
        check_every(held.opened.status, look_up)
    except RefusedError as error:
        if error.code in _FINAL:
            reasons.append(Reason(error.code, query, "by the status list in the trust bundle"))
    return reasons


def _shown_anyway(scene: _Scene, query: str, held: Held) -> Iterator[Reason]:
    """A registration number that goes with any presentation is asked for by whoever asks for the certificate.

    A policy in the bundle, of a registered reader, has rules of its own for that, which are told before the visit.
    """
    if scene.ask.policy is not None and scene.ask.asker.registered:
        return
    for path in held.visible():
        if level_of(held.type, path) is not RrnLevel.NONE:
            yield Reason(ReasonCode.OVER_ASKING, f"{query}.{path}", "of a registration number, shown with the rest")


def _findings(
    scene: _Scene, shown_by: Mapping[str, tuple[Held, Collection[ClaimPath]]], *, only: str | None = None
) -> list[Reason]:
    """What the policy has against what would be disclosed; with ``only``, against that certificate by itself."""
    policy = scene.ask.policy
    if policy is None:
        return []
    slots = {slot.id for slot in policy.slots}
    visible: dict[str, list[PresentedCertificate]] = {}
    for query, (held, paths) in shown_by.items():
        if slot_of(query) in slots:
            visible.setdefault(slot_of(query), []).append(held.seen(paths))
    # Without its reference date a policy is asked with one that everything is younger than; ``_preflight`` says so.
    reference = (scene.reference_date or _NO_DATE) if policy.needs_reference_date else None
    found = evaluate(policy, visible, at=scene.at, reference_date=reference)
    if only is not None:
        found = [one for one in found if one.certificate == slot_of(only)]
    return list(dict.fromkeys(one.reason for one in found if one.code is not ReasonCode.MANUAL))


def _preflight(scene: _Scene, chosen: Mapping[str, Choice]) -> list[Reason]:
    """What would be said against the default answer: each certificate, and the rules across them."""
    if not chosen:
        return []
    shown_by = {
        query: (scene.held[f"{choice.certificate.id}/{choice.format}"], choice.combinations[0])
        for query, choice in chosen.items()
    }
    reasons = [reason for choice in chosen.values() for reason in choice.reasons] + _findings(scene, shown_by)
    if scene.ask.policy is not None and scene.ask.policy.needs_reference_date and scene.reference_date is None:
        reasons.append(Reason(ReasonCode.UNCHECKED, "issuedOn", "the reference date is not known here"))
    return reasons


def _near_misses(scene: _Scene, matches: Matches) -> list[Reason]:
    """Why a certificate of the right kind does not do: the wrong variant, an option that was not chosen."""
    reasons: list[Reason] = []
    for query in matches.missing:
        for candidate, why in matches.failed[query]:
            if why == {"claims"}:
                held = scene.held[candidate.id]
                found = _findings(scene, {query: (held, list(held.opened.disclosures))}, only=query)
                reasons += [reason for reason in found if reason.code in _NEAR]
    return reasons


def _missing(store: CredentialStore, scene: _Scene, matches: Matches) -> tuple[Missing, ...]:
    """What is required and cannot be shown, and why what came close does not do."""
    away = {
        one.type.vct
        for one in list_certificates(store, scene.trust.catalog).values()
        if one.type is not None and one.state is CertificateState.REISSUE
    }
    missing = []
    for query in matches.missing:
        names = [name for group in scene.ask.query[query].types or () for name in group]
        kinds = [kind for name in names for kind in scene.trust.catalog.called(name)]
        vcts = {kind.vct for kind in kinds}
        why = {one for _, reasons in matches.failed[query] if "meta" not in reasons for one in reasons}
        missing.append(
            Missing(
                query=query,
                ko=" / ".join(kind.name("ko") for kind in kinds) or query,
                en=" / ".join(kind.name("en") for kind in kinds) or query,
                why=tuple(sorted(why | ({"reissue"} if away & vcts else set()))),
            )
        )
    return tuple(missing)
