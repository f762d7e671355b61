"""What a request asks, what in the wallet answers it, and what the receiver would say, before anybody goes there.

The pre-flight looks at exactly what would be disclosed: the presentation is put together, without a signature, and
opened again. Its policy comes from the trust bundle, never from the request.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from vcred.dcql import Candidate, match
from vcred.errors import PolicyError, RefusedError
from vcred.formats._wire import epoch
from vcred.policy import PresentedCertificate, VerificationPolicy, compile_policy, evaluate, slot_of
from vcred.presentation import MaxAge
from vcred.reasons import Reason, ReasonCode
from wallet._records import CopyRecord, copies_of
from wallet.certificate import CertificateState, list_certificates
from wallet.consent import Asker, Choice, ConsentRequest, Disclosure, Missing, pattern, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from vcred.claims import ClaimPath
    from vcred.credential import Opened
    from vcred.dcql import Match
    from vcred.formats.base import CredentialFormat
    from vcred.presentation import PresentationRequest
    from vcred.trust import TrustBundle
    from wallet.certificate import Certificate
    from wallet.store import CredentialStore

__all__ = ["consider"]

_LEEWAY = 60
_ALWAYS = ("issuedOn", "variant", "options")


class Held:
    """A certificate in one format, opened once: the candidate, and how to look at parts of it."""

    def __init__(self, certificate: Certificate, form: CredentialFormat, copy: CopyRecord) -> None:
        self.certificate = certificate
        self.form = form
        self.opened: Opened = form.open(copy.credentials[form.id])
        self.id = f"{certificate.id}/{form.id}"

    def candidate(self) -> Candidate:
        """As DCQL sees it."""
        return Candidate(
            id=self.id,
            format=self.form.id,
            types=(self.opened.vct,),
            claims=self.opened.claims,
            holder_bound=self.opened.holder_key is not None,
        )

    def seen(self, paths: Collection[ClaimPath]) -> PresentedCertificate | None:
        """What a verifier would see of ``paths``."""
        kind = self.certificate.type
        if kind is None or self.opened.issued_at is None:
            return None
        issued_at = self.opened.issued_at
        prepared = self.form.prepare_presentation(
            self.opened, paths, audience="preflight", nonce=bytes(16), issued_at=issued_at
        )
        visible = self.form.open(prepared.complete(bytes(64)))
        printed = visible.claims.get("issuedOn")
        return PresentedCertificate(
            code=kind.code,
            type=kind,
            claims=visible.claims,
            hidden_elements=visible.hidden_elements,
            issuer=visible.issuer,
            issued_on=dt.date.fromisoformat(printed)
            if isinstance(printed, str)
            else dt.datetime.fromtimestamp(issued_at, dt.UTC).date(),
            format=self.form.id,
        )


def consider(
    store: CredentialStore,
    trust: TrustBundle,
    formats: Mapping[str, CredentialFormat],
    request: PresentationRequest,
    owner: object,
    *,
    at: dt.datetime,
) -> ConsentRequest:
    """Everything an app shows before consent. Raises ``RefusedError`` for a request that must not be answered."""
    now = epoch(at)
    reader = trust.resolve_reader(client_id=request.client_id, x5c=request.x5c, at=at)
    request.verify_by(reader.key)
    if not request.issued_at - _LEEWAY <= now <= request.expires_at:
        raise RefusedError(ReasonCode.REQUEST_EXPIRED, "request.exp", "not valid now")
    held = _held(store, trust, formats)
    matches = match(request.query, [one.candidate() for one in held.values()])
    policy = _policy(trust, request.policy)
    candidates = {
        query: tuple(_choice(query, held[one.candidate.id], one, policy, at) for one in found)
        for query, found in matches.found.items()
    }
    candidates = {query: tuple(sorted(many, key=_preference)) for query, many in candidates.items()}
    chosen = {} if matches.missing else {query: candidates[query][0] for query in matches.choose()}
    near = _near_misses(matches.failed, matches.missing, held, policy, at)
    return ConsentRequest(
        verifier=Asker(client_id=request.client_id, registered=reader.registered, names=reader.names),
        purpose=shown(request.purpose),
        retention=None if request.retention is None else shown(request.retention),
        policy=request.policy,
        one_way=isinstance(request.freshness, MaxAge),
        expires_at=request.expires_at,
        required=tuple(one for choice in chosen.values() for one in choice.required),
        optional=tuple(one for choice in chosen.values() for one in choice.optional),
        missing=tuple(_missing(query, request, trust, matches.failed[query]) for query in matches.missing),
        candidates=candidates,
        reasons=(*_preflight(chosen, held, policy, at), *near),
        blocked=_blocked(request, policy, trust, reader.policies, registered=reader.registered),
        chosen=chosen,
        query=request.query,
        nonce=request.nonce,
        owner=owner,
    )


def _held(store: CredentialStore, trust: TrustBundle, formats: Mapping[str, CredentialFormat]) -> dict[str, Held]:
    """Every certificate that can be shown, in every format, opened by one copy of it; the newest first."""
    found: dict[str, Held] = {}
    certificates = sorted(list_certificates(store, trust.catalog).items(), key=lambda one: -one[1].received_at)
    for certificate_id, certificate in certificates:
        if certificate.state is CertificateState.REISSUE or certificate.type is None:
            continue
        seen: set[str] = set()
        for copy in copies_of(store, certificate_id).values():
            for name in copy.credentials:
                if name in formats and name not in seen and copy.key is not None:
                    seen.add(name)
                    one = Held(certificate, formats[name], copy)
                    found[one.id] = one
    return found


def _choice(query: str, held: Held, found: Match, policy: VerificationPolicy | None, at: dt.datetime) -> Choice:
    combinations = tuple(sorted((_selective(held, paths) for _, paths in found.options), key=len))
    least = combinations[0]
    required = _disclosures(query, held, least)
    optional = tuple(
        one
        for combination in combinations[1:]
        for one in _disclosures(query, held, combination - least)
        if one not in required
    )
    return Choice(
        query=query,
        certificate=held.certificate,
        format=held.form.id,
        required=required,
        optional=tuple(dict.fromkeys(optional)),
        always=(),
        reasons=tuple(_findings(policy, {query: (held, least)}, at, only=query)),
        spent=held.certificate.state is CertificateState.USED_UP,
        combinations=combinations,
    )


def _selective(held: Held, paths: Collection[ClaimPath]) -> frozenset[ClaimPath]:
    """Of ``paths`` those that the holder could keep back; the rest is in every presentation anyway."""
    return frozenset(path for path in paths if _is_hidden(held.opened, path))


def _is_hidden(opened: Opened, path: ClaimPath) -> bool:
    return any(node.contains(path) or path.contains(node) for node in opened.disclosures)


def _disclosures(query: str, held: Held, paths: Collection[ClaimPath]) -> tuple[Disclosure, ...]:
    """``paths`` for people: one line a claim, however many rows it is in."""
    kind = held.certificate.type
    rows: dict[ClaimPath, int] = {}
    for path in sorted(paths, key=str):
        rows[pattern(path)] = rows.get(pattern(path), 0) + 1
    lines = []
    for path, count in rows.items():
        spec = None if kind is None else kind.spec(path)
        lines.append(
            Disclosure(
                query=query,
                certificate=held.certificate.id,
                path=path,
                ko=str(path) if spec is None else spec.name("ko"),
                en=str(path) if spec is None else spec.name("en"),
                sensitivity="personal" if spec is None else spec.sensitivity,
                count=count,
            )
        )
    return tuple(lines)


def _preference(choice: Choice) -> tuple[bool, bool]:
    """Certificates that the receiver would take first, then those with a copy left."""
    return bool(choice.reasons), choice.spent


def _policy(trust: TrustBundle, policy_id: str | None) -> VerificationPolicy | None:
    """The receiver's policy as the trust bundle has it; ``None`` if it is not there or cannot be used."""
    text = None if policy_id is None else trust.policies.get(policy_id)
    if text is None:
        return None
    try:
        return VerificationPolicy.load(text, file=f"{policy_id}.toml")
    except PolicyError:
        return None


def _findings(
    policy: VerificationPolicy | None,
    shown_by: Mapping[str, tuple[Held, Collection[ClaimPath]]],
    at: dt.datetime,
    *,
    only: str | None = None,
) -> list[Reason]:
    """What ``policy`` has against what would be disclosed; with ``only``, what concerns that certificate by itself."""
    if policy is None or policy.needs_reference_date:
        return []
    visible: dict[str, list[PresentedCertificate]] = {}
    for query, (held, paths) in shown_by.items():
        seen = held.seen(paths)
        if seen is not None and any(slot.id == slot_of(query) for slot in policy.slots):
            visible.setdefault(slot_of(query), []).append(seen)
    found = evaluate(policy, visible, at=at)
    if only is not None:
        found = [one for one in found if one.certificate == slot_of(only)]
    return list(dict.fromkeys(one.reason for one in found if one.code is not ReasonCode.MANUAL))


def _preflight(
    chosen: Mapping[str, Choice], held: Mapping[str, Held], policy: VerificationPolicy | None, at: dt.datetime
) -> list[Reason]:
    shown_by = {
        query: (held[f"{choice.certificate.id}/{choice.format}"], choice.combinations[0])
        for query, choice in chosen.items()
    }
    reasons = _findings(policy, shown_by, at) if shown_by else []
    if any(choice.certificate.expired(at) for choice in chosen.values()):
        reasons.append(Reason(ReasonCode.EXPIRED))
    return list(dict.fromkeys(reasons))


def _near_misses(
    failed: Mapping[str, tuple[tuple[Candidate, frozenset[str]], ...]],
    missing: Collection[str],
    held: Mapping[str, Held],
    policy: VerificationPolicy | None,
    at: dt.datetime,
) -> tuple[Reason, ...]:
    """Why a certificate of the right kind does not do: the wrong variant, an option that was not chosen."""
    reasons: list[Reason] = []
    for query in missing:
        for candidate, why in failed[query]:
            if why == {"claims"}:
                one = held[candidate.id]
                everything = list(one.opened.disclosures)
                found = _findings(policy, {query: (one, everything)}, at, only=query)
                wanted = (ReasonCode.VARIANT, ReasonCode.OPTION, ReasonCode.CLAIM_NOT_ISSUED, ReasonCode.CLAIM_EMPTY)
                reasons += [reason for reason in found if reason.code in wanted]
    return tuple(dict.fromkeys(reasons))


def _missing(
    query: str,
    request: PresentationRequest,
    trust: TrustBundle,
    failed: tuple[tuple[Candidate, frozenset[str]], ...],
) -> Missing:
    wanted = next(one for one in request.query.credentials if one.id == query)
    vcts = [vct for group in wanted.types or () for vct in group]
    kinds = [kind for kind in map(trust.catalog.by_vct, vcts) if kind is not None]
    close = [why for _, why in failed if "meta" not in why]
    return Missing(
        query=query,
        ko=" / ".join(kind.name("ko") for kind in kinds) or query,
        en=" / ".join(kind.name("en") for kind in kinds) or query,
        why=tuple(sorted({one for why in close for one in why})),
    )


def _blocked(
    request: PresentationRequest,
    policy: VerificationPolicy | None,
    trust: TrustBundle,
    registered_for: Collection[str],
    *,
    registered: bool,
) -> tuple[Reason, ...]:
    """Over-asking: claims its own policy does not ask for, or a resident number without a policy that may."""
    reasons = []
    if policy is not None and registered and policy.id not in registered_for:
        reasons.append(Reason(ReasonCode.OVER_ASKING, "vcred_policy", "not registered for this policy"))
    allowed: dict[str, list[ClaimPath]] = {}
    if policy is not None:
        for one in compile_policy(policy, trust.catalog, ("sd-cwt", "dc+sd-jwt")).credentials:
            for group in one.types or ():
                for vct in group:
                    allowed.setdefault(vct, []).extend(claim.path for claim in one.claims or ())
    for asked in request.query.credentials:
        vcts = [vct for group in asked.types or () for vct in group]
        for claim in asked.claims or ():
            number = "serial" in claim.path.parts
            fits = policy is not None and all(
                any(path.contains(claim.path) for path in allowed.get(vct, [])) for vct in vcts
            )
            if (policy is not None and not fits) or (policy is None and number):
                reasons.append(
                    Reason(ReasonCode.OVER_ASKING, f"{asked.id}.{claim.path}", "more than the purpose allows")
                )
    return tuple(reasons)
