"""A ministry publishes and rotates keys, a network lies, a clock jumps, a process is killed: what a terminal believes.

It never goes back, never believes what was not published, and knows when its clock or its bundle cannot be right.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.killed import killed_at
from tests.trust_town import AT, CITY_LIST, DAY, Town
from tests.unit.trust.test_repository import Ministry
from vcred.errors import BundleExpired, RefusedError, VcredError
from vcred.keys import SoftwareSigner
from vcred.trust import TrustBundle
from vcred.trust.seen import read_seen
from vcred.trust.sync import sync

TOWN = Town()
LEEWAY = timedelta(minutes=5)
ANY = st.integers(0, 1 << 20)
"""Reduced to what there is: signatures are random, so nothing that is drawn may depend on their lengths or hashes."""


def role_of(name):
    return name.name.split(".", 1)[-1]


class Sync(RuleBasedStateMachine):
    """``history`` is everything ever published, as files; ``held`` is the publication that the terminal has."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.ministry = Ministry(self.folder / "ministry", TOWN)
        self.ministry.repository.stage(TOWN.builder(), at=AT)
        self.ministry.sign(*self.ministry.root[:2], *self.ministry.list[:2])
        self.now, self.skew = AT, timedelta(0)
        self.history, self.held, self.last_seen = [], None, None
        self.home, self.source = self.folder / "home", self.folder / "source"
        self.home.mkdir()
        self.publish()
        self.root = self.ministry.repository.first_root

    def teardown(self):
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    @property
    def at(self):
        return self.now + self.skew

    def publish(self):
        token = TOWN.city.status(issued_at=self.now)
        bundle = self.ministry.publish(token, at=self.now).bundle
        published = self.ministry.repository.bundle_file.parent
        files = {
            path.relative_to(published): path.read_bytes()
            for part in ("metadata", "targets")
            for path in (published / part).rglob("*")
            if path.is_file()
        }
        self.history.append((files, bundle, self.ministry.repository.bundle_file.read_bytes()))

    @rule(days=st.integers(0, 5), hours=st.integers(1, 23))
    def time_passes_and_status_is_published(self, days, hours):
        self.now += timedelta(days=days, hours=hours)
        self.publish()

    @rule(policies=st.lists(st.sampled_from(["a", "b", "c"]), unique=True))
    def a_new_trust_list(self, policies):
        self.now += timedelta(hours=1)
        builder = TOWN.builder()
        for policy in policies:
            builder.add_policy(policy, f'id = "{policy}"\n')
        self.ministry.repository.stage(builder, at=self.now)
        self.ministry.sign(*self.ministry.list[1:])
        self.publish()

    @rule(which=st.sampled_from(["online", "list", "root"]))
    def keys_are_rotated(self, which):
        self.now += timedelta(hours=1)
        before = [*self.ministry.root[:2]]
        if which == "online":
            self.ministry.online = SoftwareSigner.generate()
        else:
            setattr(self.ministry, which, [SoftwareSigner.generate() for _ in range(3)])
        self.ministry.repository.rotate(self.ministry.roles(), at=self.now)
        self.ministry.sign(*before, *self.ministry.root[:2], *self.ministry.list[:2])
        self.publish()

    @rule(skew=st.sampled_from([-400 * DAY, -2 * DAY, timedelta(0), timedelta(0), 3 * DAY, 60 * DAY]))
    def the_clock_jumps(self, skew):
        self.skew = skew

    def offer(self, files):
        shutil.rmtree(self.source, ignore_errors=True)
        for name, raw in files.items():
            (self.source / name).parent.mkdir(parents=True, exist_ok=True)
            (self.source / name).write_bytes(raw)

    def sync(self, source=None):
        return sync(source or self.source, bundle=self.home / "kr.trust", root=self.root, at=self.at)

    def state(self):
        """What counts: what a killed process left behind begins with a dot, and is removed by the next one."""
        return {path.name: path.read_bytes() for path in self.home.iterdir() if path.name[0] != "."}

    def took(self, number):
        self.held = number
        bundle = self.history[number][1]
        known = max([bundle.signed_at, *([] if self.last_seen is None else [self.last_seen])])
        if self.at >= known - LEEWAY:
            self.last_seen = self.at if self.last_seen is None else max(self.last_seen, self.at)

    @rule(stick=st.booleans())
    def an_honest_sync(self, stick):
        files, bundle, raw = self.history[-1]
        self.offer(files)
        (self.folder / "stick.trust").write_bytes(raw)
        before = self.state()
        try:
            report = self.sync(self.folder / "stick.trust" if stick else None)
        except BundleExpired:
            assert self.at >= bundle.expires_at
            assert self.state() == before
            return
        assert self.at < bundle.expires_at
        assert report.to_version == bundle.version
        self.took(len(self.history) - 1)

    @rule(step=st.integers(1, 60))
    def a_sync_that_is_killed(self, step):
        files, bundle, _ = self.history[-1]
        self.offer(files)
        if self.at >= bundle.expires_at:
            return
        if not killed_at(step, self.home, self.sync):
            self.took(len(self.history) - 1)
            return
        if (self.home / "kr.trust").exists():
            version = TrustBundle.load(self.home / "kr.trust", root=self.root).version
            if self.held is None or version != self.history[self.held][1].version:
                assert version == bundle.version
                self.held = len(self.history) - 1
        memory = read_seen(self.home / "kr.trust.seen").last_seen
        if memory is not None:
            assert self.last_seen is None or memory >= self.last_seen.timestamp()
            self.last_seen = AT + timedelta(seconds=memory - AT.timestamp())

    @precondition(lambda self: len(self.history) > 1)
    @rule(which=ANY)
    def an_old_state_is_replayed(self, which):
        number = which % (len(self.history) - 1)
        self.lie(self.history[number][0], allowed=number)

    @precondition(lambda self: len(self.history) > 1)
    @rule(which=ANY, taken=st.lists(st.tuples(ANY, ANY), min_size=1, max_size=3))
    def two_states_are_mixed(self, which, taken):
        """The files of one, some of them with the content of another."""
        files, other = dict(self.history[-1][0]), self.history[which % (len(self.history) - 1)][0]
        names = sorted(files, key=lambda name: (role_of(name), name))
        for one, another in taken:
            name = names[one % len(names)]
            same = sorted(each for each in other if role_of(each) == role_of(name))
            if same:
                files[name] = other[same[another % len(same)]]
        self.lie(files)

    @rule(which=ANY, where=ANY, flipped=st.integers(1, 255), drop=st.booleans())
    def a_file_is_dropped_or_tampered_with(self, which, where, flipped, drop):
        files = dict(self.history[-1][0])
        name = sorted(files, key=lambda name: (role_of(name), name))[which % len(files)]
        raw = files.pop(name)
        if not drop:
            position = where % len(raw)
            files[name] = raw[:position] + bytes([raw[position] ^ flipped]) + raw[position + 1 :]
        self.lie(files)

    def lie(self, files, allowed=None):
        """Whatever a source has: the terminal stays as it is, or has something that was published, and not before."""
        self.offer(files)
        before = self.state()
        try:
            report = self.sync()
        except VcredError:
            assert self.state() == before
            return
        number = next(one for one, (_, bundle, _) in enumerate(self.history) if bundle.version == report.to_version)
        assert self.held is None or number >= self.held
        assert allowed in (None, number)
        self.took(number)

    @invariant()
    def the_terminal_works_with_what_it_has(self):
        if not hasattr(self, "held") or self.held is None:
            return
        bundle, published = TrustBundle.load(self.home / "kr.trust", root=self.root), self.history[self.held][1]
        assert bundle.version == published.version
        assert dict(bundle.policies) == dict(published.policies)
        assert bundle.status_list(CITY_LIST).issued_at == published.status_list(CITY_LIST).issued_at
        verdict = None
        with contextlib.suppress(RefusedError):
            bundle.check_time(self.at)
            verdict = "good"
        known = max(bundle.signed_at, self.last_seen or bundle.signed_at)
        assert (verdict == "good") == (known - LEEWAY <= self.at < published.expires_at)


Sync.TestCase.settings = settings(
    max_examples=10, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
TestSync = Sync.TestCase
