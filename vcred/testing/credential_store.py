"""What every credential store must do; run it against your own store.

``check_credential_store(make_store)`` is called from a test of yours. ``make_store()`` returns a new, empty, open
store each time. It raises ``AssertionError`` naming the rule that is broken.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from vcred.errors import Locked, NotFound, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wallet.store import CredentialStore

__all__ = ["check_credential_store"]


def check_credential_store(make_store: Callable[[], CredentialStore]) -> None:
    """Check the rules of ``wallet.store.CredentialStore``. Raises ``AssertionError``."""
    for rule in (_keeps_bytes, _is_all_or_nothing, _decides_what_is_new, _deletes, _keeps_order, _derives, _closes):
        store = make_store()
        try:
            rule(store)
        finally:
            store.close()


def _keeps_bytes(store: CredentialStore) -> None:
    from wallet.store import Put  # noqa: PLC0415 - the core imports a role for its tests only

    values = {"empty": b"", "zeros": bytes(64), "long": bytes(range(256)) * 400}
    store.write([Put(table="one", record=name, value=value) for name, value in values.items()])
    for name, value in values.items():
        _must(store.read("one", name) == value, "a record is read back byte for byte")
    store.write([Put(table="one", record="zeros", value=b"second")])
    _must(store.read("one", "zeros") == b"second", "the last value written is the one read")
    with _raises(NotFound, "a record of another table is not this one"):
        store.read("two", "zeros")
    _must("second" not in repr(store), "a store's repr shows no content")


def _is_all_or_nothing(store: CredentialStore) -> None:
    from wallet.store import Delete, Put  # noqa: PLC0415 - as above

    store.write([Put(table="one", record="a", value=b"before")])
    with _raises(NotFound, "deleting what is not there fails"):
        store.write(
            [
                Put(table="one", record="a", value=b"after"),
                Put(table="one", record="b", value=b"after"),
                Delete(table="one", record="absent"),
            ]
        )
    _must(store.read("one", "a") == b"before", "a failed write changes nothing")
    _must(store.ids("one") == ("a",), "a failed write adds nothing")
    store.write([])
    _must(store.ids("one") == ("a",), "an empty write changes nothing")


def _decides_what_is_new(store: CredentialStore) -> None:
    from wallet.store import Put  # noqa: PLC0415 - as above

    once = Put(table="used", record="copy", value=b"", new=True)
    store.write([once])
    with _raises(StoreError, "what is there is not new"):
        store.write([Put(table="one", record="a", value=b"1"), once])
    _must(store.ids("one") == (), "a refused new record takes the batch with it")


def _deletes(store: CredentialStore) -> None:
    from wallet.store import Delete, Put  # noqa: PLC0415 - as above

    store.write([Put(table="one", record=name, value=name.encode()) for name in ("a", "b")])
    store.write([Delete(table="one", record="a")])
    with _raises(NotFound, "a deleted record is gone"):
        store.read("one", "a")
    _must(store.read("one", "b") == b"b", "deleting leaves the neighbours")
    store.write([Put(table="one", record="a", value=b"again", new=True)])
    _must(store.read("one", "a") == b"again", "a deleted id may be written again")


def _keeps_order(store: CredentialStore) -> None:
    from wallet.store import Put  # noqa: PLC0415 - as above

    names = ("c", "a", "b")
    for name in names:
        store.write([Put(table="one", record=name, value=b"1")])
    store.write([Put(table="one", record="a", value=b"2")])
    _must(store.ids("one") == names, "ids come in the order they were first written")
    _must(store.ids("none") == (), "an unknown table is empty")


def _derives(store: CredentialStore) -> None:
    first = store.derive("keys")
    _must(len(first) == 32 and store.derive("keys") == first, "a purpose has 32 bytes, the same each time")
    _must(store.derive("other") != first, "purposes have different bytes")


def _closes(store: CredentialStore) -> None:
    store.close()
    store.close()
    for use in (lambda: store.ids("one"), lambda: store.read("one", "a"), lambda: store.write([])):
        with _raises(Locked, "a closed store answers nothing"):
            use()
    with _raises(Locked, "a closed store derives nothing"):
        store.derive("keys")


def _must(holds: bool, rule: str) -> None:  # noqa: FBT001 - it reads like the assert it replaces
    if not holds:
        raise AssertionError(rule)


@contextmanager
def _raises(kind: type[Exception], rule: str) -> Iterator[None]:
    try:
        yield
    except kind:
        return
    raise AssertionError(rule)
