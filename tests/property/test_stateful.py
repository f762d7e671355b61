"""Agency, wallet and bank in any order of steps: what is accepted was owed, and what is owed is accepted.

The machine does what the three may do (issue, ask, agree, answer, check, revoke, publish, wait), and an attacker among
them: old answers again, answers to something else, a bit flipped, another phone's signature. A model of a few lines says
when an answer must not be accepted, and when it must be.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, precondition, rule

from vcred.errors import RefusedError
from vcred.formats.known import Formats
from vcred.presentation import Presentation, PresentationRequest
from vcred.reasons import Outcome
from vcred.testing import World

pytestmark = pytest.mark.property

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
FORMATS = ("dc+sd-jwt", "sd-cwt", "mso_mdoc", "vc+sd-jwt")
CODE, POLICY = "resident.personal", "bank.address-change"
BUNDLE_LIFE = timedelta(days=30)
SOON, LATE = timedelta(seconds=60), timedelta(minutes=5)
"""Within the one a request is open for certain, and after the other it is over for certain."""

TOLD: Counter[str] = Counter()
"""How often each outcome was told, over all runs: a machine that only ever refuses would show nothing."""


@dataclass(eq=False)
class Asked:
    """A request of the bank's. ``tried``: somebody has handed in an answer to it."""

    request: PresentationRequest
    at: datetime
    tried: bool = False
    used: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Shown:
    """An answer: to what, from which issue, until when that is valid, and whether anybody tampered with it."""

    answer: Presentation
    to: Asked
    issue: int
    expires_at: int
    honest: bool = True
    at: datetime = field(default=AT)


class Desk(RuleBasedStateMachine):
    """One desk, one customer, one agency."""

    asked = Bundle("asked")
    shown = Bundle("shown")

    @initialize(form=st.sampled_from(FORMATS))
    def open(self, form):
        self.form, self.world = form, World(at=AT, formats=(form,))
        self.reader = Formats(self.world.catalog)[form]
        self.issue_number, self.issued_at = 0, AT
        self.revoked, self.known_revoked = set(), set()
        self.reissue()

    @rule()
    @precondition(lambda self: self.issue_number in self.revoked or self.world.at - self.issued_at > timedelta(days=1))
    def renew(self):
        self.reissue()

    def reissue(self):
        """The agency issues anew; the customer throws the old one away."""
        for one in self.world.wallet.certificates():
            self.world.wallet.delete(one.id)
        self.world.refresh_trust()  # a wallet receives nothing under a trust list that has ended
        self.world.issue(CODE)
        self.issue_number += 1
        self.issued_at = self.world.at
        self._published()

    @rule()
    def publish(self):
        self.world.refresh_trust()
        self._published()

    @rule()
    def revoke(self):
        """Everything issued so far; the bank learns of it with the next publication."""
        self.world.revoke(CODE, refresh=False)
        self.revoked |= set(range(1, self.issue_number + 1))

    @rule(step=st.sampled_from([{"seconds": 20}, {"minutes": 10}, {"days": 2}, {"days": 40}]))
    def wait(self, step):
        self.world.advance(**step)

    @rule(target=asked)
    @precondition(lambda self: self.world.at - self.published_at < BUNDLE_LIFE)
    def ask(self):
        return Asked(self.world.request(POLICY, formats=(self.form,)), self.world.at)

    @rule(target=shown, asked=asked)
    def answer(self, asked):
        """The customer agrees to what is required, if his wallet has it and the request is not over."""
        try:
            match = self.world.match(asked.request)
        except RefusedError:  # the request is over
            return multiple()
        if match.missing or match.blocked:
            return multiple()
        made = self.world.wallet.present(match.approve(reuse=True), at=self.world.at)
        ((one,),) = made.tokens.values()
        return Shown(
            answer=Presentation.parse(made.to_message()),
            to=asked,
            issue=self.issue_number,
            expires_at=self.reader.open(one.raw).expires_at,
            at=self.world.at,
        )

    @rule(target=shown)
    @precondition(lambda self: self.world.at - self.published_at < BUNDLE_LIFE)
    def visit(self):
        """A customer comes, is asked, answers and goes; what he showed is still there for an attacker."""
        found = self.answer(self.ask())
        if not isinstance(found, Shown):
            return found
        self._hand_in(found, found.to)
        return found

    @rule(target=shown, shown=shown)
    def forge(self, shown):
        return replace(shown, answer=self.world.forge(shown.answer), honest=False)

    @rule(target=shown, shown=shown)
    @precondition(lambda self: self.form in {"dc+sd-jwt", "sd-cwt"})
    def steal(self, shown):
        """Somebody else's phone signs."""
        if not shown.honest:
            return multiple()
        return replace(shown, answer=self.world.swap_holder(shown.answer), honest=False)

    @rule(shown=shown, asked=asked)
    def hand_in_elsewhere(self, shown, asked):
        self._hand_in(shown, asked)

    @rule(shown=shown)
    def hand_in(self, shown):
        self._hand_in(shown, shown.to)

    def _published(self):
        self.published_at, self.known_revoked = self.world.at, set(self.revoked)

    def _hand_in(self, shown, asked):
        result = self.world.verify(shown.answer, asked.request)
        now = self.world.at
        TOLD[result.outcome.value] += 1
        if result.outcome is Outcome.ACCEPTED:
            assert shown.honest, "somebody changed it"
            assert shown.to is asked, "it answers another request"
            assert not asked.used, "it was answered before"
            assert now - asked.at <= LATE, "the request is over"
            assert shown.issue not in self.known_revoked, "it is known to be revoked"
            assert now.timestamp() <= shown.expires_at + 60, "it has ended"
            assert now - self.published_at <= BUNDLE_LIFE, "nobody has heard of the trust list for a month"
            assert result.claims[CODE]["name"] == self.world.catalog[CODE].sample["name"]
            asked.used = True
        else:
            assert result.reasons
            assert not result.disclosed
            assert not self._is_owed(shown, asked, now), result.reasons
        asked.tried = True

    def _is_owed(self, shown, asked, now):
        """An honest customer with fresh papers who answers in time, once, is accepted."""
        return (
            shown.honest
            and shown.to is asked
            and not asked.tried
            and now - asked.at <= SOON
            and shown.issue not in self.revoked
            and shown.issue == self.issue_number
            and now - self.issued_at < timedelta(days=1)
            and now - self.published_at < timedelta(hours=1)
        )


Desk.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    derandomize=True,
    phases=[Phase.generate],  # to shrink such a run takes minutes
    report_multiple_bugs=False,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_nothing_is_accepted_that_was_not_owed_and_everything_that_was():
    TOLD.clear()
    Desk.TestCase("runTest").runTest()
    assert TOLD["ACCEPTED"] >= 5, TOLD
    assert TOLD["REJECTED"] >= 5, TOLD
