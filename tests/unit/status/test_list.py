"""Packing and reading status values."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcred.errors import MalformedError, RefusedError
from vcred.status import StatusList
from vcred.status.list import MAPPED_BYTES


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


def scattered(size):
    return StatusList.build(bits=1, size=size, values=dict.fromkeys(range(0, size, 9973), 1))


def test_a_large_list_is_mapped_and_a_small_one_held_in_memory():
    large, small = scattered(8 * MAPPED_BYTES + 8), scattered(8 * MAPPED_BYTES)
    for made, mapped in ((large, True), (small, False)):
        again = StatusList.from_compressed(bits=1, compressed=made.compress())
        assert again.mapped is mapped
        assert len(again) == len(made)
        assert again._buffer[:] == made._buffer
        assert again.compress() == made.compress()
        turned = StatusList.from_bitstring(made.bitstring())
        assert turned.mapped is mapped
        assert turned._buffer[:] == made._buffer
        assert turned.bitstring() == made.bitstring()


def test_a_mapped_list_cannot_be_written_and_has_no_name(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    listed = StatusList.from_compressed(bits=1, compressed=scattered(9 * MAPPED_BYTES).compress())
    assert listed.mapped
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TypeError):
        listed._buffer[0] = 1


@pytest.mark.parametrize("when", ["made", "written"])
def test_without_a_place_for_it_a_large_list_is_held_in_memory(monkeypatch, tmp_path, when):
    class Full:
        def __init__(self, *_, **__):
            if when == "made":
                raise OSError(28, "No space left on device")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def write(self, _):
            raise OSError(28, "No space left on device")

    made = scattered(9 * MAPPED_BYTES)
    monkeypatch.setattr("vcred.status.list.TemporaryFile", Full)
    again = StatusList.from_compressed(bits=1, compressed=made.compress())
    assert not again.mapped
    assert again._buffer == made._buffer


def test_a_mapped_list_is_inflated_without_a_copy_in_memory():
    compressed = scattered(10**8).compress()
    tracemalloc.start()
    try:
        listed = StatusList.from_compressed(bits=1, compressed=compressed)
        assert (listed.get(9973), listed.get(9974), len(listed)) == (1, 0, 10**8)
        assert tracemalloc.get_traced_memory()[1] < 4 * MAPPED_BYTES
    finally:
        tracemalloc.stop()


def test_a_bitstring_reads_from_the_left_and_has_one_bit():
    listed = StatusList.from_bitstring(gzip.compress(b"\x80\x01"))
    assert [index for index in range(16) if listed.get(index)] == [0, 15]
    with pytest.raises(ValueError, match="one bit"):
        StatusList.build(bits=2, size=8, values={}).bitstring()
