"""Packing and reading status values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcred.errors import MalformedError, RefusedError
from vcred.status import StatusList


@given(
    bits=st.sampled_from([1, 2, 4, 8]),
    size=st.integers(1, 300),
    seed=st.lists(st.tuples(st.integers(0, 299), st.integers(0, 255)), max_size=40),
)
def test_what_is_packed_is_what_is_read(bits, size, seed):
    values = {index: value % (1 << bits) for index, value in seed if index < size}
    packed = StatusList.build(bits=bits, size=size, values=values)
    again = StatusList.from_compressed(bits=bits, compressed=packed.compress())
    assert [again.get(index) for index in range(size)] == [values.get(index, 0) for index in range(size)]
    assert size <= len(again) < size + 8
    with pytest.raises(RefusedError):
        again.get(len(again))


def test_least_significant_bits_come_first():
    assert bytes(StatusList.build(bits=1, size=8, values={0: 1})._buffer) == b"\x01"
    assert bytes(StatusList.build(bits=2, size=4, values={3: 2})._buffer) == b"\x80"
    assert bytes(StatusList.build(bits=4, size=2, values={0: 5, 1: 9})._buffer) == b"\x95"


@pytest.mark.parametrize(
    ("bits", "size", "values"),
    [(3, 8, {}), (1, 0, {}), (1, 8, {8: 1}), (1, 8, {-1: 1}), (1, 8, {0: 2}), (2, 8, {0: -1}), (8, 2**40, {})],
)
def test_lists_that_cannot_be_made(bits, size, values):
    with pytest.raises(ValueError, match=r"."):
        StatusList.build(bits=bits, size=size, values=values)


def test_any_buffer_will_do():
    for buffer in (b"\x02", memoryview(b"\x02")):
        assert StatusList(bits=1, buffer=buffer).get(1) == 1
    with pytest.raises(MalformedError):
        StatusList(bits=1, buffer=b"")


def test_repr_shows_no_values():
    assert repr(StatusList.build(bits=2, size=8, values={1: 1})) == "StatusList(bits=2, entries=8)"
