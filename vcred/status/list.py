"""A Status List (draft-ietf-oauth-status-list section 4): many small values packed into bytes.

1, 2, 4 or 8 bits a value, least significant bits first (the W3C bitstring list is the other way round), compressed
with zlib. A list answers from any buffer, so one of 10^8 entries can be a mapped file that is never copied.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from vcred.errors import MalformedError, RefusedError
from vcred.formats._wire import inflate_zlib
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from mmap import mmap

__all__ = ["MAX_LIST_BYTES", "StatusList"]

MAX_LIST_BYTES = 16 * 1024 * 1024
"""What a list may inflate to: 1.3 * 10^8 entries of one bit."""

_WIDTHS = (1, 2, 4, 8)


class StatusList:
    """An immutable list of status values."""

    __slots__ = ("_buffer", "bits")

    def __init__(self, *, bits: int, buffer: bytes | memoryview | mmap, path: str = "") -> None:
        """``buffer`` is kept, not copied. Raises ``MalformedError`` with ``status_list``."""
        if type(bits) is not int or bits not in _WIDTHS:
            raise MalformedError(ReasonCode.STATUS_LIST, f"{path}.bits", "bits is not 1, 2, 4 or 8")
        if len(buffer) == 0:
            raise MalformedError(ReasonCode.STATUS_LIST, f"{path}.lst", "the list is empty")
        self.bits = bits
        self._buffer = buffer

    @classmethod
    def from_compressed(cls, *, bits: int, compressed: bytes, path: str = "") -> StatusList:
        """Inflate a list. Raises ``MalformedError`` with ``status_list``, ``encoding`` or ``size``."""
        return cls(bits=bits, buffer=inflate_zlib(compressed, MAX_LIST_BYTES, f"{path}.lst"), path=path)

    @classmethod
    def build(cls, *, bits: int, size: int, values: Mapping[int, int]) -> StatusList:
        """A list of at least ``size`` entries (full bytes), all 0 but ``values``. Raises ``ValueError``."""
        if bits not in _WIDTHS or not 0 < size * bits <= MAX_LIST_BYTES * 8:
            raise ValueError("bits is 1, 2, 4 or 8, and the list fits the limit")
        packed = bytearray((size * bits + 7) // 8)
        for index, value in values.items():
            if not 0 <= index < size or not 0 <= value < 1 << bits:
                raise ValueError("an index or value outside the list")
            packed[index * bits // 8] |= value << (index * bits % 8)
        return cls(bits=bits, buffer=bytes(packed))

    def __len__(self) -> int:
        return len(self._buffer) * 8 // self.bits

    def get(self, index: int) -> int:
        """The value at ``index``. Raises ``RefusedError`` with ``status_index`` for what is no index of this list."""
        if type(index) is not int or not 0 <= index < len(self):
            raise RefusedError(ReasonCode.STATUS_INDEX, "status.status_list.idx", "the index is outside the list")
        position = index * self.bits
        return self._buffer[position >> 3] >> (position & 7) & ((1 << self.bits) - 1)

    def compress(self) -> bytes:
        """The list as it stands in a token."""
        return zlib.compress(bytes(self._buffer), 9)

    def __repr__(self) -> str:
        return f"StatusList(bits={self.bits}, entries={len(self)})"
