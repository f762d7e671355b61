"""MODEL. What every verdict of the year has to be, from what really happened: plain Python, no product code at all.

The world (``town``, ``branch``, ``calendar``) tells the oracle each event as it happens. The oracle keeps the truth, what
each publication said, and what each branch has of it; asked about a presentation, it answers by the published rules:

- A branch whose clock is more than 300 s behind the latest time it knows decides nothing: ``clock``.
- A bundle is good for 35 days after its publication (``bundle_expired``) and 30 days by the policies (``stale``).
- A certificate counts if its agency is in the trust list (``untrusted``). After a key is superseded, what it signed
  before stays valid; after it is compromised nothing does (``key_withdrawn``).
- A status list says what was true when it was signed. Revoked counts however old the list is; otherwise a list older
  than the certificate's limit, or than its own 30 days, is ``stale``; then comes ``suspended``. No list: ``status_unknown``.
- The status of something whose issuer is not accepted is not looked at. One reason to reject outweighs any doubt.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field

ACCEPTED, REJECTED, INDETERMINATE = "ACCEPTED", "REJECTED", "INDETERMINATE"
DOUBTS = {"clock", "bundle_expired", "stale", "status_unknown"}
VALID, REVOKED, SUSPENDED = "valid", "revoked", "suspended"
HOUR, DAY = 3600, 86400
BUNDLE_LIFE, TRUST_AGE, LIST_LIFE = 35 * DAY, 30 * DAY, 30 * DAY
CLOCK_LEEWAY, LEEWAY = 300, 60
KOREA = dt.timezone(dt.timedelta(hours=9))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A certificate type: how long it lives, and how old a status list may be (the policy's limit or its own)."""

    code: str
    lifetime_days: int
    status_age: int


@dataclass(slots=True, kw_only=True, eq=False)
class Certificate:
    """What one holder has, in two formats: one status entry in each, which always say the same."""

    agency: str
    key: str
    kind: Kind
    made_at: int
    lists: dict[str, str]
    forged: bool = False
    turns: list[tuple[int, str]] = field(default_factory=list)

    @property
    def issued_at(self) -> int:
        return self.made_at - self.made_at % HOUR

    @property
    def expires_at(self) -> int:
        day = dt.datetime.fromtimestamp(self.made_at, KOREA).date() + dt.timedelta(days=self.kind.lifetime_days + 1)
        return int(dt.datetime(day.year, day.month, day.day, tzinfo=KOREA).timestamp()) - 1

    def state(self, at: int) -> str:
        return next((value for since, value in reversed(self.turns) if since <= at), VALID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What the trust list says: the agencies, and keys with why and since when they are withdrawn."""

    agencies: frozenset[str]
    withdrawn: dict[str, tuple[str, int]]

    def compromised(self, key: str) -> bool:
        return self.withdrawn.get(key, ("", 0))[0] == "compromised"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """``lists``: when each status list in it was signed, and with which key."""

    number: int
    at: int
    listed: Listed
    lists: dict[str, tuple[int, str]]


@dataclass(slots=True, kw_only=True)
class Branch:
    """What a branch has."""

    name: str
    has: Publication | None = None
    last_seen: int = 0
    newer: dict[str, int] = field(default_factory=dict)
    """When the status lists were signed that it got from the agencies themselves."""

    def list_of(self, certificate: Certificate, form: str) -> int | None:
        """When the list that it looks at was signed; ``None`` when it has none."""
        assert self.has is not None
        uri = certificate.lists[form]
        found = [self.has.lists[uri][0]] if uri in self.has.lists else []
        return max([*found, self.newer.get(uri, 0)]) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``status_age`` is what the branch can say about the list it looked at; ``None`` when it looked at none."""

    outcome: str
    codes: frozenset[str]
    status_age: int | None


class Oracle:
    """The truth, and who knows how much of it. ``seen`` counts the situations that really came up."""

    def __init__(self) -> None:
        self.publications: list[Publication] = []
        self.signed: dict[str, tuple[int, str]] = {}
        self.listed = Listed(agencies=frozenset(), withdrawn={})
        self.leaked: set[str] = set()
        self.seen: Counter[str] = Counter()

    def list_signed(self, uris: list[str], *, key: str, at: int) -> None:
        """An agency signed its status lists, by a clock that says ``at``, and sent them to the ministry."""
        for uri in uris:
            if at > self.signed.get(uri, (0, ""))[0]:
                self.signed[uri] = (at, key)
            else:
                self.seen["a list signed by a clock that is late, not taken"] += 1

    def trust_list(self, *, agencies: set[str], withdrawn: dict[str, tuple[str, int]]) -> None:
        """Two officers signed this trust list: the next publication has it."""
        self.listed = Listed(agencies=frozenset(agencies), withdrawn=dict(withdrawn))

    def published(self, *, at: int) -> None:
        """The ministry published. A list by a compromised key is nobody's."""
        lists = {uri: made for uri, made in self.signed.items() if not self.listed.compromised(made[1])}
        self.publications.append(Publication(number=len(self.publications) + 1, at=at, listed=self.listed, lists=lists))

    def turned(self, certificate: Certificate, value: str, *, at: int) -> None:
        """A certificate was revoked, suspended or reinstated."""
        certificate.turns.append((at, value))

    def offered(self, branch: Branch, publication: Publication, *, now: int) -> bool:
        """Whether a branch whose clock says ``now`` takes a whole publication; then it has it."""
        if now >= publication.at + BUNDLE_LIFE:
            self.seen["sync: expired by the branch's clock"] += 1
            return False
        if branch.has is not None and publication.number < branch.has.number:
            self.seen["sync: older than what the branch has"] += 1
            return False
        branch.has = publication
        if not self._behind(branch, now):
            branch.last_seen = max(branch.last_seen, now)
        return True

    def fetched(self, branch: Branch, served: dict[str, int]) -> set[str]:
        """A branch asks for each list that is in its publication; ``served`` says when what it gets was signed.

        Those that are newer than what it has.
        """
        assert branch.has is not None
        asked = {uri: at for uri, at in served.items() if uri in branch.has.lists}
        updated = {uri for uri, at in asked.items() if at > max(branch.has.lists[uri][0], branch.newer.get(uri, 0))}
        branch.newer |= {uri: served[uri] for uri in updated}
        self.seen["an old status list was served and not taken"] += len(asked) - len(updated)
        self.seen["a newer status list was fetched"] += len(updated)
        return updated

    def forgot(self, branch: Branch, *, now: int) -> None:
        """A branch was told that its clock is right and its memory of times wrong."""
        self.seen["clock set right, and the time forgotten"] += branch.last_seen > now
        branch.last_seen = now

    def verdict(self, branch: Branch, certificate: Certificate, form: str, *, now: int) -> Verdict:
        """What the branch must say by a clock that says ``now``, of an answer made at that time; it learns the time."""
        has = branch.has
        assert has is not None
        if self._behind(branch, now):
            return Verdict(outcome=INDETERMINATE, codes=frozenset({"clock"}), status_age=None)
        codes = set()
        if now >= has.at + BUNDLE_LIFE:
            codes.add("bundle_expired")
        else:
            branch.last_seen = max(branch.last_seen, now)
        if now - has.at > TRUST_AGE:
            codes.add("stale")
        codes |= self._validity(certificate, form, now)
        wrong, age = self._issuer(has.listed, certificate), None
        if wrong is None:
            wrong, age = self._status(branch.list_of(certificate, form), certificate, now)
        if wrong is not None:
            codes.add(wrong)
        outcome = ACCEPTED if not codes else INDETERMINATE if codes <= DOUBTS else REJECTED
        return Verdict(outcome=outcome, codes=frozenset(codes), status_age=age)

    def count(self, branch: Branch, certificate: Certificate, form: str, verdict: Verdict, *, today: int) -> None:
        """Note which situations this was. ``today`` is the true time, whatever the branch's clock says."""
        self.seen[verdict.outcome] += 1
        self.seen[f"{branch.name} {form} {verdict.outcome}"] += 1
        for code in verdict.codes:
            self.seen[code] += 1
        for name in self._situations(branch, certificate, form, verdict, today):
            self.seen[name] += 1

    def _behind(self, branch: Branch, now: int) -> bool:
        assert branch.has is not None
        return now < max(branch.last_seen, branch.has.at) - CLOCK_LEEWAY

    @staticmethod
    def _validity(certificate: Certificate, form: str, now: int) -> set[str]:
        """The phone goes by the same clock, so it signs when the branch looks.

        In SD-CWT that has to be within the certificate's validity to the second; in SD-JWT not before it was issued.
        """
        late, early = now - certificate.expires_at, certificate.issued_at - now
        codes = {"expired"} if late > LEEWAY else {"not_yet_valid"} if early > LEEWAY else set()
        outside = late >= 0 or early > 0 if form == "sd-cwt" else early > LEEWAY
        return codes | ({"iat"} if outside else set())

    @staticmethod
    def _issuer(listed: Listed, certificate: Certificate) -> str | None:
        if certificate.agency not in listed.agencies:
            return "untrusted"
        reason, since = listed.withdrawn.get(certificate.key, ("", 0))
        if reason == "compromised" or (reason == "superseded" and certificate.issued_at >= since):
            return "key_withdrawn"
        return None

    @staticmethod
    def _status(signed_at: int | None, certificate: Certificate, now: int) -> tuple[str | None, int | None]:
        if signed_at is None:
            return "status_unknown", None
        state, age = certificate.state(signed_at), now - signed_at
        if state == REVOKED:
            return "revoked", age
        if age > certificate.kind.status_age or age >= LIST_LIFE or age < -LEEWAY:
            return "stale", age
        return (None if state == VALID else "suspended"), age

    def _situations(
        self, branch: Branch, certificate: Certificate, form: str, verdict: Verdict, today: int
    ) -> list[str]:
        assert branch.has is not None
        truth, codes = certificate.state(today), verdict.codes
        signed_at = branch.list_of(certificate, form) or 0
        known, was_suspended = certificate.state(signed_at), SUSPENDED in [value for _, value in certificate.turns]
        taken, newest = verdict.outcome == ACCEPTED, branch.has is self.publications[-1]
        withdrawn = branch.has.listed.withdrawn.get(certificate.key, ("", 0))[0]
        facts = {
            "accepted, though revoked since the list was signed": taken and truth == REVOKED,
            "accepted, though suspended since the list was signed": taken and truth == SUSPENDED,
            "suspended by the branch's list, though reinstated since": "suspended" in codes and truth == VALID,
            "accepted after a suspension was over": taken and was_suspended and truth == known == VALID,
            "revoked by a list that is too old for anything else": "revoked" in codes
            and (verdict.status_age or 0) > certificate.kind.status_age,
            "stale, though nothing is wrong": codes == {"stale"} and truth == VALID,
            "stale at a branch with the newest publication": "stale" in codes and newest,
            "both the trust list and the status too old": "stale" in codes and "bundle_expired" in codes,
            "accepted, signed by a key that was superseded since": taken and withdrawn == "superseded",
            "refused, signed by a key that was superseded before": "key_withdrawn" in codes
            and withdrawn == "superseded",
            "accepted, signed by a key that was superseded before": taken
            and not withdrawn
            and self._issuer(self.publications[-1].listed, certificate) == "key_withdrawn"
            and not certificate.forged,
            "forged with a leaked key, accepted before the sync": taken and certificate.forged,
            "forged with a leaked key, refused after the sync": certificate.forged and "key_withdrawn" in codes,
            "honest, but of a key that leaked": not certificate.forged and withdrawn == "compromised",
            "counterfeit": certificate.forged and "untrusted" in codes,
            "of an agency that the branch does not know yet": not certificate.forged and "untrusted" in codes,
            "decided by a list that is newer than the publication": signed_at > branch.has.at
            and not certificate.forged,
            "of a list that the branch does not have yet": "status_unknown" in codes and not certificate.forged,
        }
        return [name for name, holds in facts.items() if holds]
