"""Trust through the year: who signs what when, how it reaches the branches, and who tampers with it on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.flows.year import dates, liar
from tests.flows.year.town import DAY, Ministry, stamp
from tests.flows.year.world import HOUR, MINUTE, World

if TYPE_CHECKING:
    import datetime as dt

    from tests.flows.year.town import Agency


class Supply(World):
    """Officers, agencies that sign their lists, the ministry that publishes, and the ways to the branches."""

    def ceremonies(self, at: dt.datetime) -> None:
        """What needs officers."""
        day, ministry = self.day, self.ministry
        if day == dates.CITY_KEY_REPLACED:
            city = self.agencies["city"]
            self.withdrawn[city.key] = ("superseded", stamp(at))
            self._before_rotation = self.trust
            city.new_key(at)
        if day == dates.COLLEGE_FIRST_SIGNATURE:
            ministry.stage([*self._agencies(), self.agencies["college"]], self.withdrawn, at=at)
            ministry.repository.sign(ministry.officers[0])
        elif day == dates.COLLEGE_JOINS:
            ministry.sign_by_post()
            self.listed.add("college")
            self._list_is_signed()
        elif day == dates.ROOT_OFFICER_REPLACED:
            ministry.replace_root_officer(at=at)
        elif day in dates.ONLINE_KEY_REPLACED:
            ministry.replace_online_key(at=at)
        elif day == dates.LIST_OFFICERS_REPLACED:
            ministry.replace_list_officers(at=at)
        elif day % 5 == 0:
            self._stage_and_sign(at, again=day not in (0, dates.CITY_KEY_REPLACED))
        if day == 0:
            for officer in ministry.root[:2]:
                ministry.repository.sign(officer)
        if day == dates.LEAK_FOUND + 1:
            self.agencies["college"].new_key(at)
            self._stage_and_sign(at, again=False)

    def lists(self, at: dt.datetime) -> None:
        """The agencies sign their status lists, each by its own clock."""
        self.tokens, self.early = [], []
        for name, agency in self.agencies.items():
            if name not in self.listed or (name == "police" and self.day in dates.POLICE_SILENT):
                continue
            if (name, self.day) == ("city", dates.CITY_CLOCK_AHEAD):
                self.early += agency.issuer.status_tokens(at=at + 365 * DAY).values()
                continue
            clock = at - 2 * DAY if (name, self.day) == ("police", dates.POLICE_CLOCK_LATE) else at
            made = agency.issuer.status_tokens(at=clock)
            self.tokens += made.values()
            self.oracle.list_signed(list(made), key=agency.list_key, at=stamp(clock))

    def publish(self, at: dt.datetime) -> None:
        """The ministry publishes; phones that are online take it."""
        done = self.ministry.publish([*self.tokens, *self.early], at=at)
        if self.early:
            # It would be the latest for a year, and nobody would hear of a revocation.
            assert "it is from the future" in {one.why for one in done.left_out}
            self.oracle.seen["a list signed by a clock that is ahead, left out"] += 1
        self.trust = done.bundle
        self.oracle.published(at=stamp(at))
        self.kept = [*self.kept[-40:], liar.taken_from(self.ministry.public)]
        for person in self.people[-40:]:
            if person.holder is not None and not person.offline:
                person.holder.wallet.trust = self.trust

    def _stage_and_sign(self, at: dt.datetime, *, again: bool = True) -> None:
        """Stage the trust list as it is now. Nothing new is to be signed, but for changes, and before its end."""
        if self.ministry.stage(self._agencies(), self.withdrawn, at=at):
            self.ministry.sign_list()
            if again:
                self.oracle.seen["the trust list signed again before its end"] += 1
            self._list_is_signed()

    def _list_is_signed(self) -> None:
        self.oracle.trust_list(agencies=self.listed, withdrawn=self.withdrawn)

    def _agencies(self) -> list[Agency]:
        return [self.agencies[name] for name in sorted(self.listed)]

    def bring_up_to_date(self, at: dt.datetime) -> None:
        """A every day, every tenth day over HTTP, B from a stick every week, C from a folder every sixth day."""
        self._set_clocks()
        if self.day in dates.LIES:
            self._lie(dates.LIES[self.day], at)
        source = self.server.url if self.day % 10 == 0 or self.day in dates.LIES else self.ministry.public
        self.sync("A", source, self.oracle.publications[-1], at + 10 * MINUTE)
        if self.day % 6 == 0 or self.terminals["C"].fast:
            self.sync("C", self.ministry.public, self.oracle.publications[-1], at + 20 * MINUTE)
        if self.day % 7 == 2 or self.day == 0:
            self._carry(at + 30 * MINUTE)
        if self.day % 50 == 49:
            for terminal in self.terminals.values():
                terminal.restart()

    def _set_clocks(self) -> None:
        fast = {
            dates.CLOCK_BACK_400: ("C", -400 * DAY),
            dates.CLOCK_AHEAD_10: ("C", 10 * DAY),
            dates.CLOCK_AHEAD_400: ("C", 400 * DAY),
            dates.B_CLOCK_BACK_3: ("B", -3 * DAY),
        }
        if self.day in fast:
            name, by = fast[self.day]
            self.terminals[name].fast = by

    def _carry(self, at: dt.datetime) -> None:
        """Today's stick, a file or a folder; now and then the messenger took an old one along."""
        if self.day in dates.NO_STICK or self.day in dates.B_CLOSED:
            return
        if len(self.sticks) % 3 == 0:
            source = self.folder / f"stick-{self.day}.trust"
            source.write_bytes(self.ministry.repository.bundle_file.read_bytes())
        else:
            source = liar.put_into(self.kept[-1], self.folder / f"stick-{self.day}")
        self.sticks.append((source, self.oracle.publications[-1]))
        if len(self.sticks) % 6 == 4:
            self.sync("B", *self.sticks[-3], at)
        else:
            self.sync("B", *self.sticks[-1], at)

    def _lie(self, lie: str, at: dt.datetime) -> None:
        """A counterfeiter stands between the ministry and branch A. It refuses, and goes on with what it has."""
        self.server.folder, honest = self.folder / "lie", self.server.folder
        liar.put_into(self._false(lie), self.server.folder)
        before = self.terminals["A"].verifier.trust.version
        report = self.terminals["A"].sync(self.server.url, at=at)
        assert report is None, (self.day, lie)
        assert self.terminals["A"].verifier.trust.version == before
        self.server.folder = honest
        self.oracle.seen[f"lie: {lie}"] += 1

    def _false(self, lie: str) -> liar.Files:
        now, before, what = self.kept[-1], self.kept[-4], lie.rpartition(" ")[2]
        if lie == "old":
            return before
        if lie == "expired":
            return self.kept[0]
        if lie.startswith("mixed"):
            return liar.mixed(now, before, what)
        if lie == "own":
            return self._counterfeit_repository()
        name = liar.newest(now, "snapshot")
        if lie == "changed":
            return liar.changed(now, name, now[name].index(b"version") + 12, 0)
        return liar.cut(now, name, 100) if lie == "cut" else liar.dropped(now, name)

    def _counterfeit_repository(self) -> liar.Files:
        """The counterfeiter's own ministry, complete, with officers of its own."""
        if self.own is None:
            own = Ministry(self.folder / "own", self.kinds)
            own.stage(self._agencies(), {}, at=self.midnight)
            for officer in own.root[:2]:
                own.repository.sign(officer)
            own.sign_list()
            # Its publications have the highest numbers of all.
            (own.public / f"metadata/{10 * self.day}.snapshot.json").touch()
            own.publish([], at=self.midnight + HOUR)
            self.own = liar.taken_from(own.public)
        return self.own
