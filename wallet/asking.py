"""Who may ask what: a request is judged before the wallet looks for an answer to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vcred.errors import PolicyError, RefusedError
from vcred.formats._wire import epoch
from vcred.formats.known import spelling_of, type_names
from vcred.policy import RrnLevel, VerificationPolicy, compile_policy, slot_of
from vcred.policy.rrn import level_of
from vcred.presentation import Challenge, MaxAge
from vcred.reasons import Reason, ReasonCode
from vcred.trust import Names
from wallet.consent import Asker, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from vcred.catalog import Catalog, CertificateType
    from vcred.claims import ClaimPath
    from vcred.dcql import CredentialQuery, DcqlQuery
    from vcred.oid4vp.online import Online
    from vcred.presentation import PresentationRequest
    from vcred.trust import TrustBundle

__all__ = ["Ask", "judge", "named_policy", "over_asking", "without_screen"]

CHALLENGE_SECONDS = 120
"""How old a request with a challenge may be (VP-11), whatever it says itself."""

CLOCK_SECONDS = 300
"""How far in the future a request may be made: two honest clocks."""

ONE_WAY_SECONDS = 600
"""How long one consent may be shown again without a challenge, with a fresh nonce each time."""

_UNKNOWN_NOW = Names(ko="지금 확인할 수 없는 요청자", en="Requester that cannot be verified now")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked for, by whom, until when; ``reasons`` were found on the way, ``blocked`` forbid an answer."""

    asker: Asker
    query: DcqlQuery
    policy: VerificationPolicy | None
    policy_id: str | None
    nonce: bytes | None
    one_way: bool
    expires_at: int
    purpose: str
    retention: str | None
    reasons: tuple[Reason, ...]
    blocked: tuple[Reason, ...]
    online: Online | None = None


def judge(request: PresentationRequest, trust: TrustBundle, *, at: datetime) -> Ask:
    """Verify who asks, and that they may. Raises ``RefusedError``: ``request_expired``, and for the reader.

    A trust bundle that is out of date vouches for nobody: then the asker is shown as unregistered.
    """
    one_way = isinstance(request.freshness, MaxAge)
    until = _until(request, epoch(at))
    registered, names, policies = _who(request, trust, at=at)
    reasons: tuple[Reason, ...] = ()
    try:
        trust.check_time(at)
    except RefusedError as error:
        reasons = (Reason(error.code, "trust", error.detail),)
        registered, names = False, _UNKNOWN_NOW
    policy = named_policy(request.policy, trust)
    asker = Asker(client_id=request.client_id, registered=registered, names=names)
    return Ask(
        asker=asker,
        query=request.query,
        policy=policy,
        policy_id=None if request.policy is None else shown(request.policy),
        nonce=request.nonce,
        one_way=one_way,
        expires_at=min(until, epoch(at) + ONE_WAY_SECONDS) if one_way else until,
        purpose=shown(request.purpose),
        retention=None if request.retention is None else shown(request.retention),
        reasons=reasons,
        blocked=over_asking(request.query, policy=policy, asker=asker, registered_for=policies, catalog=trust.catalog),
        online=request.online,
    )


def _who(request: PresentationRequest, trust: TrustBundle, *, at: datetime) -> tuple[bool, Names, Collection[str]]:
    """Whether who signed ``request`` is registered, their names, and the policies they are registered for.

    A page that asks through a browser without a signature is nobody but its origin.
    """
    if request.jws is None and request.online is not None and request.online.origin is not None:
        page = shown(request.online.origin)
        return False, Names(ko=page, en=page), ()
    reader = trust.resolve_reader(client_id=request.client_id, x5c=request.x5c, at=at)
    request.verify_by(reader.key)
    return reader.registered, reader.names, reader.policies


def without_screen(
    policy_id: str, *, client_id: str, trust: TrustBundle, formats: Sequence[str] | None, lang: str, at: datetime
) -> Ask:
    """The same for a receiver that shows nothing: its policy and its place in the trust bundle are the request.

    Raises ``RefusedError`` for a reader that is not registered for the policy or a bundle out of date, ``PolicyError``
    for a policy that is not there or takes no one-way answers.
    """
    trust.check_time(at)
    policy = named_policy(policy_id, trust)
    if policy is None or policy.max_age is None:
        raise PolicyError(policy_id, "", "no policy of the trust bundle that takes answers without a challenge")
    reader = trust.resolve_reader(client_id=client_id, x5c=(), at=at)
    if policy_id not in reader.policies:
        raise RefusedError(ReasonCode.READER_UNTRUSTED, "client_id", "not registered for this policy")
    return Ask(
        asker=Asker(client_id=client_id, registered=reader.registered, names=reader.names),
        query=compile_policy(policy, trust.catalog, policy.formats_asked(formats)),
        policy=policy,
        policy_id=policy_id,
        nonce=None,
        one_way=True,
        expires_at=epoch(at) + ONE_WAY_SECONDS,
        purpose=policy.purpose(lang),
        retention=policy.retention.text(lang),
        reasons=(),
        blocked=(),
    )


def _until(request: PresentationRequest, now: int) -> int:
    until = request.expires_at
    if isinstance(request.freshness, Challenge):
        until = min(until, request.issued_at + CHALLENGE_SECONDS)
    if now > until:
        raise RefusedError(ReasonCode.REQUEST_EXPIRED, "request.exp", f"{now - until} s ago")
    if request.issued_at > now + CLOCK_SECONDS:
        raise RefusedError(ReasonCode.REQUEST_EXPIRED, "request.iat", f"made {request.issued_at - now} s from now")
    return until


def named_policy(policy_id: str | None, trust: TrustBundle) -> VerificationPolicy | None:
    """The policy a request names, as the trust bundle has it; ``None`` if it is not there or cannot be used."""
    text = None if policy_id is None else trust.policies.get(policy_id)
    if text is None:
        return None
    try:
        return VerificationPolicy.load(text, file=f"{policy_id}.toml")
    except PolicyError:
        return None


def over_asking(
    query: DcqlQuery,
    *,
    policy: VerificationPolicy | None,
    asker: Asker,
    registered_for: Collection[str],
    catalog: Catalog,
) -> tuple[Reason, ...]:
    """What is asked for beyond what the named policy asks, or of a registration number without a law for it."""
    found: list[Reason] = []
    if policy is not None and asker.registered and policy.id not in registered_for:
        found.append(_too_much("vcred_policy", "not registered for this policy"))
    for wanted in query.credentials:
        for kind in _kinds(wanted, catalog):
            found += _of_type(wanted, kind, policy, asker)
    return tuple(dict.fromkeys(found))


def _kinds(wanted: CredentialQuery, catalog: Catalog) -> Iterator[CertificateType]:
    """The types that ``wanted`` may select: every one, where it names only what all credentials of its format are."""
    common = frozenset(type_names(wanted.format, vct="", doctype=""))
    for names in wanted.types or (frozenset[str](),):
        if names <= common:
            yield from catalog.types()
        for name in names:
            yield from catalog.called(name)


def _of_type(
    wanted: CredentialQuery, kind: CertificateType, policy: VerificationPolicy | None, asker: Asker
) -> Iterator[Reason]:
    allowed: tuple[ClaimPath, ...] = ()
    if policy is not None:
        slot = next((one for one in policy.slots if one.id == slot_of(wanted.id)), None)
        accepted = None if slot is None else slot.acceptable(kind.code)
        if slot is None or accepted is None:
            yield _too_much(wanted.id, "the policy does not ask for this certificate")
            return
        if wanted.multiple and not slot.multiple:
            yield _too_much(wanted.id, "the policy asks for one certificate")
        allowed = accepted.asked + accepted.optional
    spelling = spelling_of(wanted.format, kind)
    for claim in wanted.claims or ():
        path = claim.path if spelling is None else spelling.claim(claim.path)
        where = f"{wanted.id}.{path}"
        if policy is not None and not any(one.contains(path) for one in allowed):
            yield _too_much(where, "the policy does not ask for this claim")
        elif not _may_see(level_of(kind, path), policy, asker):
            yield _too_much(where, "of a registration number, without a law that lets this requester ask")


def _may_see(level: RrnLevel, policy: VerificationPolicy | None, asker: Asker) -> bool:
    """Personal Information Protection Act 24-2: a law must say so, and it says so about somebody known."""
    if level is RrnLevel.NONE:
        return True
    if policy is None or not asker.registered or not policy.rrn.level.covers(level):
        return False
    return level is not RrnLevel.FULL or policy.rrn.legal_basis is not None


def _too_much(path: str, detail: str) -> Reason:
    return Reason(ReasonCode.OVER_ASKING, path, detail)
