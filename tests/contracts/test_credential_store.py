"""Both shipped stores keep the published contract; a store that does not is told which rule it breaks."""

from itertools import count

import pytest

from vcred.testing.contracts import check_credential_store
from wallet._crypto import Argon2Cost
from wallet.file_store import FileStore
from wallet.store import MemoryStore, Put

CHEAP = Argon2Cost(memory_kib=8, passes=1, lanes=1)


def test_the_memory_store_keeps_the_contract():
    check_credential_store(MemoryStore)


def test_the_file_store_keeps_the_contract(tmp_path):
    numbers = count()
    check_credential_store(lambda: FileStore(tmp_path / f"{next(numbers)}.db", pin="314159", cost=CHEAP))


class Forgetful(MemoryStore):
    """Writes what it can and lets the rest fail."""

    def write(self, changes):
        for change in changes:
            super().write([change])


class Lenient(MemoryStore):
    """Does not mind overwriting what should be new."""

    def write(self, changes):
        super().write(
            [Put(table=c.table, record=c.record, value=c.value) if isinstance(c, Put) else c for c in changes]
        )


@pytest.mark.parametrize(
    ("store", "rule"),
    [(Forgetful, "a failed write changes nothing"), (Lenient, "what is there is not new")],
)
def test_a_broken_store_is_told_which_rule_it_breaks(store, rule):
    with pytest.raises(AssertionError, match=rule):
        check_credential_store(store)
