"""The year as it happens.

Times of a day (UTC): the agencies sign their lists at 6, the ministry publishes at 7, branches are brought up to date
from 8 on, and from 9 to 17 people come, certificates are issued, revoked, suspended and reinstated.
"""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING

from tests.flows.year import dates
from tests.flows.year.branch import Forger, refuses
from tests.flows.year.oracle import REVOKED, SUSPENDED, VALID, Certificate
from tests.flows.year.supply import Supply
from tests.flows.year.town import CARD, DAY, FORMATS, Agency, Holder, stamp
from tests.flows.year.world import HOUR, MINUTE, Person
from tests.sync_source import reply
from vcred.errors import StoreError
from vcred.keys import SoftwareSigner
from vcred.trust import Purpose, build_root, build_signer

if TYPE_CHECKING:
    from collections.abc import Callable

    from vcred.trust import TrustBundle


class Year(Supply):
    """``live()`` lives one day."""

    def live(self) -> None:
        """One day."""
        self.day += 1
        self.ceremonies(self.midnight + 5 * HOUR)
        self.lists(self.midnight + 6 * HOUR)
        self.publish(self.midnight + 7 * HOUR)
        self.bring_up_to_date(self.midnight + 8 * HOUR)
        minutes = sorted(self.random.sample(range(8 * 60), 12))
        acts = self.acts()
        self.random.shuffle(acts)
        for minute, act in zip(minutes, acts, strict=False):
            act(self.midnight + 9 * HOUR + minute * MINUTE)
        for name, fast in (
            ("C", dates.CLOCK_BACK_400),
            ("C", dates.CLOCK_AHEAD_10),
            ("C", dates.CLOCK_AHEAD_400),
            ("B", dates.B_CLOCK_BACK_3),
        ):
            if self.day == fast:
                self.terminals[name].fast = dt.timedelta(0)

    def acts(self) -> list[Callable[[dt.datetime], None]]:
        """What happens today, in some order."""
        acts: list[Callable[[dt.datetime], None]] = []
        if self.day % 3 == 0:
            acts.append(self.issue)
        if self.random.random() < 0.08:
            acts.append(self.revoke)
        if self.day % 20 == 5:
            acts.append(self.fetch_lists)
        if self.random.random() < 0.25:
            acts.append(self.suspend_or_reinstate)
        acts += [lambda at: self.visit("A", at)]
        if self.day % 2 or self.terminals["C"].fast:
            acts += [lambda at: self.visit("C", at)]
        if self.day not in dates.B_CLOSED:
            acts += [lambda at: self.visit("B", at)]
        return acts + self._special()

    def _special(self) -> list[Callable[[dt.datetime], None]]:
        day = self.day
        acts: list[Callable[[dt.datetime], None]] = []
        if day % 40 == 17:
            acts.append(self.old_lists_are_served)
        if day == dates.COLLEGE_JOINS or day == dates.B_CLOCK_BACK_3 - 1:
            acts.append(lambda at: self.issue(at, name="college"))
        if day == dates.COLLEGE_JOINS + 1 or day == dates.B_CLOCK_BACK_3:
            acts += [lambda at: self.show("B", self.latest("college"), at)] * 3
        if day in dates.CITY_OLD_KEY_USED:
            # A phone that knows of the new key would not take it.
            acts.append(lambda at: self.issue(at, name="city", key="city-1", trust=self._before_rotation))
        if day in (dates.LEAK, dates.LEAK + 2):
            acts.append(self.forge_with_leaked_key)
        if day == 30:
            acts.append(self.forge_with_own_key)
        if day == dates.LEAK_FOUND:
            acts.append(self.withdraw_leaked_key)
        if day == dates.CLOCK_BACK_400:
            acts.append(self.phone_notices_the_clock)
        if day == dates.C_FORGETS_TIME:
            acts.append(self.clock_is_believed_again)
        if day == dates.PHONE_OFFLINE[0]:
            acts.append(self.go_offline)
        if day in (dates.PHONE_OFFLINE[1], dates.PHONE_LONG_OFFLINE[1]):
            acts += [lambda at, name=name: self.offline_phone_presents(name, at) for name in "AB"]
        return acts

    def issue(
        self, at: dt.datetime, *, name: str | None = None, key: str | None = None, trust: TrustBundle | None = None
    ) -> None:
        """Somebody gets a certificate, and shows it at branch A on the way home now and then."""
        agency = self.agencies[name or self.random.choice(sorted(self.listed))]
        if agency.name == "college" and dates.LEAK_FOUND <= self.day <= dates.COLLEGE_NEW_KEY:
            return
        issuer = agency.issuer if key is None else agency.issuer_with(key)
        holder = Holder(trust or self.trust)
        credential, lists = holder.receive(issuer, agency.code, self.kinds, at=at)
        certificate = Certificate(
            agency=agency.name,
            key=key or agency.key,
            kind=self.kind[agency.code],
            made_at=stamp(at),
            lists=lists,
        )
        self.people.append(Person(certificate=certificate, agency=agency, holder=holder, id=credential))
        if self.random.random() < 0.4:
            self.show("A", self.people[-1], at + MINUTE)
        if key is not None:
            self.show("B", self.people[-1], at + 2 * MINUTE)

    def revoke(self, at: dt.datetime) -> None:
        person = self.somebody(lambda one: one.certificate.state(stamp(at)) != REVOKED)
        if person is not None:
            person.agency.issuer.revoke(person.id, reason="reissued", at=at)
            self.oracle.turned(person.certificate, REVOKED, at=stamp(at))
            self.show(self.random.choice("ABC"), person, at + MINUTE)

    def suspend_or_reinstate(self, at: dt.datetime) -> None:
        """Only cards can be suspended; the agency refuses it for the others."""
        suspended = self.somebody(lambda one: one.certificate.state(stamp(at)) == SUSPENDED)
        person = self.somebody(lambda one: one.certificate.state(stamp(at)) != REVOKED)
        if suspended is not None and self.random.random() < 0.6:
            person = suspended
        if person is None:
            return
        if person.agency.code != CARD:
            try:
                person.agency.issuer.suspend(person.id, reason="lost", at=at)
            except StoreError:
                self.oracle.seen["not suspendable"] += 1
                return
            raise AssertionError("a type that is never suspended was")
        if person.certificate.state(stamp(at)) == SUSPENDED:
            person.agency.issuer.reinstate(person.id, reason="found", at=at)
            self.oracle.turned(person.certificate, VALID, at=stamp(at))
        else:
            person.agency.issuer.suspend(person.id, reason="lost", at=at)
            self.oracle.turned(person.certificate, SUSPENDED, at=stamp(at))
        self.show(self.random.choice("ABC"), person, at + MINUTE)

    def visit(self, name: str, at: dt.datetime) -> None:
        """Somebody comes to a branch: mostly one of those who got something lately, or something happened to."""
        newest = len(self.people) - 12
        weights = [
            1 + 5 * (number >= newest) + 2 * bool(one.certificate.turns) + 2 * (one.forger is not None)
            for number, one in enumerate(self.people)
        ]
        if self.people:
            self.show(name, self.random.choices(self.people, weights)[0], at)

    def forge_with_leaked_key(self, at: dt.datetime) -> None:
        """Nobody has noticed yet."""
        college = self.agencies["college"]
        forger = Forger(college, self.kinds, key=college.keys["college-1"], chain=(college.certificates["college-1"],))
        self._forged(forger, college, "college-1", at)

    def forge_with_own_key(self, at: dt.datetime) -> None:
        """A counterfeiter certifies itself as the city."""
        city, root_key, key = self.agencies["city"], SoftwareSigner.generate(), SoftwareSigner.generate()
        span = {"not_before": at - DAY, "not_after": at + 900 * DAY}
        root = build_root(root_key, name=city.names, **span)
        leaf = build_signer(
            key.public_key,
            purpose=Purpose.ISSUER,
            id=city.id,
            name=city.names,
            issuer=root,
            issuer_signer=root_key,
            **span,
        )
        self._forged(Forger(city, self.kinds, key=key, chain=(leaf,)), city, "counterfeit", at)

    def _forged(self, forger: Forger, agency: Agency, key: str, at: dt.datetime) -> None:
        certificate = Certificate(
            # To the oracle, who is not in the trust list is nobody, whatever he calls himself.
            agency=key if key == "counterfeit" else agency.name,
            key=key,
            kind=self.kind[agency.code],
            made_at=stamp(at),
            lists=dict.fromkeys(FORMATS, forger.uri),
            forged=True,
        )
        forger.forge(at=at, expires_at=certificate.expires_at)
        self.people.append(Person(certificate=certificate, agency=agency, forger=forger))
        for name in "ABC":
            self.show(name, self.people[-1], at + MINUTE)

    def withdraw_leaked_key(self, at: dt.datetime) -> None:
        """The officers meet at once, and branch A is told to sync at once."""
        college = self.agencies["college"]
        college.issuer.give_up_signer(college.keys["college-1"].public_key.kid, reason="leaked", at=at)
        self.withdrawn["college-1"] = ("compromised", stamp(at))
        self._stage_and_sign(at, again=False)
        self.tokens = []
        self.publish(at + 5 * MINUTE)
        self.sync("A", self.server.url, self.oracle.publications[-1], at + 10 * MINUTE)

    def fetch_lists(self, at: dt.datetime) -> None:
        """The police sign once more, and branch A asks them itself: the ministry does not come into it."""
        for uri, token in self.agencies["police"].issuer.status_tokens(at=at).items():
            self.served[uri] = stamp(at)
            self.server.answers[uri.removeprefix(self.server.url)] = partial(reply, body=token)
        self.old_lists_are_served(at + MINUTE)

    def old_lists_are_served(self, at: dt.datetime) -> None:
        """Branch A asks, and gets what the police signed some days ago: it may have newer ones."""
        report = self.terminals["A"].sync_status(at=at)
        assert set(report.updated) == self.oracle.fetched(self.branches["A"], self.served)

    def phone_notices_the_clock(self, at: dt.datetime) -> None:
        """A phone that knows what time it is does not answer a desk that is 400 days late."""
        person = next(one for one in self.people if one.holder is not None)
        request = self.terminals["C"].ask(person.agency.code, "sd-cwt", at=at)
        assert refuses(person.holder, request, clock=at) == "request_expired"
        self.oracle.seen["a phone refused a desk whose clock is wrong"] += 1

    def clock_is_believed_again(self, at: dt.datetime) -> None:
        """The clock of branch C was ahead a week ago; since then it decides nothing. Somebody puts an end to that."""
        self.show("C", self.latest("city"), at)
        self.terminals["C"].forget_time(at=at + MINUTE)
        self.oracle.forgot(self.branches["C"], now=stamp(at + MINUTE))
        self.show("C", self.latest("city"), at + 2 * MINUTE)

    def go_offline(self, at: dt.datetime) -> None:
        """The last to get something takes the phone to where there is no network."""
        self.issue(at, name="police")
        self.people[-1].offline = True
        self._offline = self.people[-1]

    def offline_phone_presents(self, name: str, at: dt.datetime) -> None:
        """The phone knows nothing new for a month, or so long that its bundle is over; the branch decides."""
        trust = self._offline.holder.wallet.trust
        self.show(name, self._offline, at)
        expired = at >= trust.expires_at
        assert trust.signed_at < at - 30 * DAY
        self.oracle.seen[f"a phone offline {'so long that its bundle is over' if expired else 'for a month'}"] += 1
