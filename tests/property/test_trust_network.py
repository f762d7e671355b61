"""A repository that goes on, a network that lies and a clock that jumps: what a terminal has is always one publication.

The machine publishes, rotates keys, proposes lists and withdraws leaked keys; between it and the terminal somebody
serves whatever was public at any time, whole, mixed or damaged. Whatever the terminal makes of that, it holds exactly
one publication, never an older one, and the next honest sync succeeds.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.flows.year import liar
from tests.sync_source import reply, serving
from tests.trust_town import AT, CITY, CITY_LIST, CITY_TYPE, COURT_LIST, DAY, NOW, Town
from vcred.errors import RefusedError, TransportError, TrustError
from vcred.keys import SoftwareSigner
from vcred.status import StatusList, build_status_token
from vcred.trust import Withdrawal, WithdrawalReason
from vcred.trust.fetch import Network
from vcred.trust.overlay import load_current
from vcred.trust.pack import read_pack, write_pack
from vcred.trust.repository import Lifetimes, Repository
from vcred.trust.roles import RoleKeys
from vcred.trust.seen import forget_time
from vcred.trust.sync import sync

pytestmark = [pytest.mark.property, pytest.mark.loopback]
LIFE, LEEWAY = 35 * DAY, timedelta(minutes=5)
ROLES = ("timestamp", "snapshot", "targets", "status", "root")
LEAKY = 3
"""Document signers of the city that may leak."""

HOURS = timedelta(hours=1)
JUMPS = st.sampled_from([-400 * DAY, -30 * DAY, -2 * HOURS, -LEEWAY, 2 * HOURS, 9 * DAY, 34 * DAY, 36 * DAY, 400 * DAY])


class Keys:
    """Everybody's keys, made once: a machine takes those it needs from here."""

    def __init__(self) -> None:
        self.town = Town()
        self.root, self.officers, self.online = (
            [SoftwareSigner.generate() for _ in range(count)] for count in (5, 6, 4)
        )
        self.leaky = [SoftwareSigner.generate() for _ in range(LEAKY)]
        self.certificates = [self.town.city.certify(key) for key in self.leaky]


@cache
def keys() -> Keys:
    return Keys()


@pytest.fixture(scope="module", autouse=True)
def loopback():
    """One server for all machines; ``folder`` and ``answers`` are what it serves now."""
    with serving(Path()) as server:
        TrustMachine.server = server
        yield


def content(pack: bytes) -> dict[str, object]:
    """What a pack says: of metadata what is signed, of every other file its bytes."""
    return {
        name: raw if name.startswith("targets/") else json.loads(raw)["signed"] for name, raw in read_pack(pack).items()
    }


class TrustMachine(RuleBasedStateMachine):
    """Model: what was published and when, which of it the terminal has, and the latest time it knows."""

    @initialize()
    def make(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.now, self.fast = AT, timedelta(0)
        self.officers, self.rooted, self.online, self.active = 0, 0, 0, 0
        self.types, self.withdrawn = {CITY_TYPE}, set()
        self.repository = Repository.create(
            self.folder / "ministry",
            name={"ko": "시험 목록", "en": "Test list"},
            production=True,
            roles=self.roles(),
            lifetimes=Lifetimes(targets=1000),
            at=self.now,
        )
        self.states, self.listed, self.has, self.last_seen = [], None, None, None
        self.home = self.folder / "home"
        self.home.mkdir()
        self.bundle = self.home / "kr.trust"
        self.propose()
        self.sign(2)
        self.ceremony()
        self.put_out()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    def roles(self) -> dict[str, RoleKeys]:
        return {
            "root": RoleKeys(keys=tuple(one.public_key for one in self.root()), threshold=2),
            "targets": RoleKeys(keys=tuple(one.public_key for one in self.listers()), threshold=2),
            "online": RoleKeys(keys=(keys().online[self.online % 4].public_key,), threshold=1),
        }

    def root(self) -> list[SoftwareSigner]:
        return [keys().root[(self.rooted + number) % 5] for number in range(3)]

    def listers(self) -> list[SoftwareSigner]:
        return [keys().officers[(self.officers + number) % 6] for number in range(3)]

    def propose(self) -> None:
        town = keys().town
        gone = [
            Withdrawal(kid=keys().leaky[one].public_key.kid, at=NOW, reason=WithdrawalReason.COMPROMISED)
            for one in sorted(self.withdrawn)
        ]
        signers = [[town.city.signer], [town.city.status_signer], *([one] for one in keys().certificates)]
        builder = town.builder(city={"types": sorted(self.types), "withdrawn": gone, "signers": signers})
        if self.repository.stage(builder, at=self.now):
            self.signatures = 0
        self.proposed = (frozenset(self.types), frozenset(self.withdrawn))

    def sign(self, count: int) -> None:
        for officer in self.listers()[:count]:
            self.repository.sign(officer)
        self.signatures = max(self.signatures, count)

    def ceremony(self) -> None:
        """The root officers sign: all who are in office, so that those before count as well."""
        for officer in keys().root:
            self.repository.sign(officer)

    def put_out(self) -> None:
        number = len(self.states) + 1
        town, lists = keys().town, []
        for agency, uri in ((town.city, CITY_LIST), (town.court, COURT_LIST)):
            # Each publication's lists say which one it is.
            values = StatusList.build(bits=2, size=4096, values={number: 1})
            lists.append(
                build_status_token(
                    uri=uri,
                    status_list=values,
                    signer=agency.status_key,
                    issued_at=self.now,
                    expires_at=self.now + 60 * DAY,
                    ttl=None,
                    form="cwt",
                )
            )
        if self.signatures >= 2:
            self.listed, self.active = self.proposed, self.online
        done = self.repository.publish([keys().online[self.active % 4]], status=lists, at=self.now)
        assert done.version == number
        self.states.append((liar.taken_from(self.repository.bundle_file.parent), self.now, self.listed))

    @rule(hours=st.integers(2, 200))
    def publish(self, hours):
        self.now += hours * HOURS
        self.put_out()

    @rule(which=st.sampled_from(["root", "officers", "online"]), signatures=st.integers(0, 3))
    def rotate(self, which, signatures):
        """Keys change. Until its officers have signed the list for the new root, the old keys go on."""
        if any(one.role == "root" for one in self.repository.staged()):
            return
        self.rooted += which == "root"
        self.officers += which == "officers"
        self.online += which == "online"
        self.now += 2 * HOURS
        self.repository.rotate(self.roles(), at=self.now)
        self.signatures = 0
        self.ceremony()
        self.sign(signatures)
        self.put_out()

    @rule(code=st.sampled_from(["resident.personal", "id.card"]), signatures=st.integers(0, 3))
    def stage(self, code, signatures):
        self.types ^= {code}
        self.propose()
        self.sign(signatures)

    @rule(which=st.integers(0, LEAKY - 1))
    def withdraw(self, which):
        """A key leaked: the officers sign at once."""
        self.withdrawn.add(which)
        self.propose()
        self.sign(2)
        self.now += 2 * HOURS
        self.put_out()

    @rule(by=JUMPS)
    def clock_jumps(self, by):
        self.fast += by

    @rule()
    def clock_is_set(self):
        self.fast = timedelta(0)

    @precondition(lambda self: self.has is not None)
    @rule()
    def time_is_forgotten(self):
        """Somebody compared the clock with another one, and said so."""
        forget_time(self.bundle.with_name(self.bundle.name + ".seen"), at=self.clock)
        self.last_seen = self.clock

    @property
    def clock(self):
        return self.now + self.fast

    @rule(way=st.sampled_from(["url", "folder", "file"]))
    def honest(self, way):
        """What was published last, as it is. Only a clock that is too far ahead keeps the terminal from it."""
        self.offered(len(self.states) - 1, self.states[-1][0], way)

    @rule(way=st.sampled_from(["url", "folder", "file"]), which=st.integers(0, 40))
    def held_back(self, way, which):
        """Some state that was public once, whole."""
        index = which % len(self.states)
        self.offered(index, self.states[index][0], way)

    @rule(
        way=st.sampled_from(["url", "folder"]),
        which=st.integers(0, 40),
        role=st.sampled_from(ROLES),
        lie=st.sampled_from(["changed", "cut", "dropped", "rewritten", "late", "long"]),
        position=st.integers(0, 20_000),
        bit=st.integers(0, 7),
    )
    def damaged(self, way, which, role, lie, position, bit):
        """One file of a state is not as it was."""
        files = self.states[-1 - which % len(self.states)][0]
        name = liar.newest(files, role)
        if lie == "changed":
            files = liar.changed(files, name, position, bit)
        elif lie == "cut":
            files = liar.cut(files, name, position)
        elif lie == "dropped":
            files = liar.dropped(files, name)
        elif lie == "rewritten":
            files = liar.rewritten(files, name)
        late = name if lie in ("late", "long") else None
        self.attempt(files, "url" if late else way, late=late, forever=lie == "long")

    @rule(
        way=st.sampled_from(["url", "folder", "file"]),
        which=st.integers(0, 40),
        other=st.integers(0, 40),
        roles=st.sets(st.sampled_from(ROLES), min_size=1, max_size=3),
    )
    def mixed(self, way, which, other, roles):
        """Some files of one state, some of another."""
        count = len(self.states)
        files, others = self.states[-1 - which % count][0], self.states[-1 - other % count][0]
        if way == "file":
            one, two = read_pack(files["bundle.trust"]), read_pack(others["bundle.trust"])
            names = [name for name in two if any(name.endswith(f"{role}.json") for role in roles)]
            self.attempt({"bundle.trust": write_pack(one | {name: two[name] for name in names})}, way)
            return
        for role in roles:
            files = liar.mixed(files, others, role)
        self.attempt(others | files, way)

    @rule(which=st.integers(0, 40), position=st.integers(0, 20_000), bit=st.integers(0, 7))
    def damaged_file(self, which, position, bit):
        """A stick with one bit flipped."""
        files = self.states[-1 - which % len(self.states)][0]
        self.attempt(liar.changed(files, "bundle.trust", position, bit), "file")

    def offered(self, index: int, files: liar.Files, way: str) -> None:
        """A whole publication: taken if it is not older than what is there, and good by the terminal's clock."""
        made = self.states[index][1]
        good = self.clock < made + LIFE and (self.has is None or index >= self.has)
        assert self.attempt(files, way) == good, (index, self.has, self.clock - made)
        assert not good or self.has == index

    def attempt(self, files: liar.Files, way: str, *, late: str | None = None, forever: bool = False) -> bool:
        """Sync from ``files``. Whether something was taken; which publication that was is read off what is there."""
        before, source = self.files(), self.source(files, way, late, forever)
        try:
            report = sync(
                source,
                bundle=self.bundle,
                root=self.repository.first_root,
                at=self.clock,
                network=Network(seconds=60, silence=0.05 if late else 30),
            )
        except (TrustError, TransportError):
            assert self.files() == before
            return False
        (index,) = [number for number in range(len(self.states)) if number + 1 == report.to_version]
        assert self.has is None or index >= self.has
        self.has = index
        if self.time_code() is None:
            self.last_seen = max(self.last_seen or self.clock, self.clock)
        return True

    def source(self, files: liar.Files, way: str, late: str | None, forever: bool) -> str | Path:
        if way == "file":
            path = self.folder / "stick.trust"
            path.write_bytes(files["bundle.trust"])
            return path
        shutil.rmtree(self.folder / "source", ignore_errors=True)
        folder = liar.put_into(files, self.folder / "source")
        if way == "folder":
            return folder
        server = self.server
        server.folder, server.answers = folder, {}

        def slowly(handler) -> None:
            if forever:
                reply(handler, files[late] + b" " * 3_000_000)
                return
            time.sleep(0.15)
            reply(handler, files[late])

        if late is not None:
            server.answers[late] = slowly
        return server.url

    def files(self) -> dict[str, bytes]:
        return {one.name: one.read_bytes() for one in self.home.iterdir()}

    def time_code(self) -> str | None:
        """By the rules: what is wrong with the clock, or with the bundle by the clock."""
        made = self.states[self.has][1]
        if self.clock < max(made, self.last_seen or made) - LEEWAY:
            return "clock"
        return "bundle_expired" if self.clock >= made + LIFE else None

    @precondition(lambda self: self.has is not None)
    @rule()
    def judges(self):
        """A verdict is asked for: the time is looked at, and remembered if it can be right."""
        bundle, code = self.load(), self.time_code()
        if code is None:
            bundle.check_time(self.clock)
            bundle.observe(self.clock)
            self.last_seen = max(self.last_seen or self.clock, self.clock)
        else:
            with pytest.raises(RefusedError) as refused:
                bundle.check_time(self.clock)
            assert refused.value.code.value == code

    @invariant()
    def has_one_publication_whole(self):
        """Trust list, status lists and all their versions are of one publication, and none is older than before."""
        if not hasattr(self, "states") or self.has is None:
            return
        published, _, listed = self.states[self.has]
        here, there = content(self.bundle.read_bytes()), content(published["bundle.trust"])
        roots = {name: here.pop(name) for name in list(here) if name.endswith(".root.json")}
        # A newer root is no part of a publication: a terminal takes it whenever it sees one (TUF specification 5.3).
        assert here == {name: said for name, said in there.items() if not name.endswith(".root.json")}
        assert roots.items() >= {name: said for name, said in there.items() if name.endswith(".root.json")}.items()
        assert roots.items() <= content(self.states[-1][0]["bundle.trust"]).items()
        bundle = self.load()
        assert bundle.version == self.has + 1
        for uri in (CITY_LIST, COURT_LIST):
            values = bundle.status_list(uri).status_list
            assert [values.get(number + 1) for number in (self.has - 1, self.has, self.has + 1)] == [0, 1, 0]
        types, withdrawn = listed
        (city,) = [one for one in bundle.authorities if one.id == CITY]
        assert city.types == types
        for number, certificate in enumerate(keys().certificates):
            assert self.resolved(bundle, certificate) == ("key_withdrawn" if number in withdrawn else None)

    def resolved(self, bundle, certificate) -> str | None:
        try:
            bundle.resolve_issuer(
                issuer=CITY, kid=None, x5c=(certificate,), code=CITY_TYPE, issued_at=NOW - 86400, at=AT
            )
        except RefusedError as error:
            return error.code.value
        return None

    def load(self):
        return load_current(self.bundle, root=self.repository.first_root)


TestTrust = TrustMachine.TestCase
TestTrust.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestTrust.pytestmark = [pytest.mark.property, pytest.mark.loopback]
