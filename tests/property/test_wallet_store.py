"""A file store behaves as a dictionary does, through restarts, PIN changes and rekeying, and keeps nothing deleted."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from vcred.errors import Locked, NotFound, StoreError
from wallet._crypto import Argon2Cost
from wallet.file_store import FileStore
from wallet.store import Delete, Put

pytestmark = pytest.mark.property
CHEAP = Argon2Cost(memory_kib=8, passes=1, lanes=1)
TABLES = st.sampled_from(["keys", "copies"])
RECORDS = st.sampled_from(["a", "b", "c", "d"])
VALUES = st.binary(max_size=6000)
PINS = st.sampled_from(["314159", "271828", "161803"])
CHANGES = st.lists(
    st.one_of(
        st.builds(lambda t, r, v, n: Put(table=t, record=r, value=v, new=n), TABLES, RECORDS, VALUES, st.booleans()),
        st.builds(lambda t, r: Delete(table=t, record=r), TABLES, RECORDS),
    ),
    max_size=5,
)


class StoreMachine(RuleBasedStateMachine):
    """Model: an ordered dictionary per table, the PIN, and how many wrong PINs in a row."""

    recovery = Bundle("recovery")

    @initialize(pin=PINS)
    def make(self, pin):
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "wallet.db"
        self.pin, self.failed, self.model = pin, 0, {}
        self.store = FileStore(self.path, pin=pin, cost=CHEAP)

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    @rule(changes=CHANGES)
    def write(self, changes):
        wanted = dict(self.model)
        legal = True
        for change in changes:
            key = (change.table, change.record)
            if isinstance(change, Delete):
                legal = legal and wanted.pop(key, None) is not None
            else:
                legal = legal and not (change.new and key in wanted)
                wanted[key] = change.value
            if not legal:
                break
        if legal:
            self.store.write(changes)
            self.model = wanted
        else:
            with pytest.raises(StoreError):
                self.store.write(changes)

    @rule()
    def restart(self):
        self.store.close()
        self.store = FileStore(self.path, pin=self.pin)
        self.failed = 0

    @rule(pin=PINS)
    def guess(self, pin):
        if pin == self.pin or self.failed == 9:
            return
        self.store.close()
        self.failed += 1
        with pytest.raises(Locked, match=f"{10 - self.failed} attempts left"):
            FileStore(self.path, pin=pin)
        self.store = FileStore(self.path, pin=self.pin)
        self.failed = 0

    @rule(pin=PINS)
    def change_pin(self, pin):
        self.store.change_pin(old=self.pin, new=pin)
        self.pin = pin

    @rule()
    def rekey(self):
        self.store.rekey(pin=self.pin)

    @rule(target=recovery)
    def add_recovery_key(self):
        return self.store.add_recovery_key()

    @rule(key=consumes(recovery), pin=PINS)
    def reset(self, key, pin):
        """Only the last one made, since the last rekeying, opens; which one that is, the store knows."""
        self.store.close()
        try:
            self.store = FileStore.reset(self.path, recovery_key=key, pin=pin)
            self.pin = pin
        except Locked:
            self.store = FileStore(self.path, pin=self.pin)

    @invariant()
    def holds_what_was_written(self):
        if not hasattr(self, "store"):
            return
        for table in ("keys", "copies"):
            assert self.store.ids(table) == tuple(record for name, record in self.model if name == table)
        for (table, record), value in self.model.items():
            assert self.store.read(table, record) == value
        for record in ("a", "b", "c", "d"):
            if ("keys", record) not in self.model:
                with pytest.raises(NotFound):
                    self.store.read("keys", record)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)
TestStore.pytestmark = [pytest.mark.property]
