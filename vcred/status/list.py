"""A status list: many small values packed into bytes, read where they lie.

Two standards pack them. A Token Status List (draft-ietf-oauth-status-list section 4) has 1, 2, 4 or 8 bits a value, the
least significant bits first, in zlib. A W3C Bitstring Status List has one bit, the most significant first, in gzip:
with each byte turned round it is the same thing, so one class answers for both.

A list is inflated piece by piece within a limit. What is larger than ``MAPPED_BYTES`` goes to a temporary file without
a name, which nobody can open and so nobody can change, and is mapped from there: 10^8 entries cost address space and
the few pages that are looked at. Where no such file can be made, memory takes its place.
"""

from __future__ import annotations

import mmap
import zlib
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from vcred.errors import MalformedError, RefusedError
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["MAPPED_BYTES", "MAX_LIST_BYTES", "StatusList"]

MAX_LIST_BYTES = 16 * 1024 * 1024
"""What a list may inflate to: 1.3 * 10^8 entries of one bit."""

MAPPED_BYTES = 1024 * 1024
"""The largest list that is kept in memory."""

_WIDTHS = (1, 2, 4, 8)
_PIECE = 256 * 1024
_ZLIB, _GZIP = zlib.MAX_WBITS, zlib.MAX_WBITS | 16
_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class StatusList:
    """An immutable list of status values."""

    __slots__ = ("_buffer", "_mask", "_size", "bits")

    def __init__(self, *, bits: int, buffer: bytes | memoryview | mmap.mmap, path: str = "") -> None:
        """``buffer`` is kept, not copied. Raises ``MalformedError`` with ``status_list``."""
        if type(bits) is not int or bits not in _WIDTHS:
            raise MalformedError(ReasonCode.STATUS_LIST, f"{path}.bits", "bits is not 1, 2, 4 or 8")
        if len(buffer) == 0:
            raise MalformedError(ReasonCode.STATUS_LIST, f"{path}.lst", "the list is empty")
        self.bits = bits
        self._buffer = buffer
        self._mask = (1 << bits) - 1
        self._size = len(buffer) * 8 // bits

    @classmethod
    def from_compressed(cls, *, bits: int, compressed: bytes, path: str = "") -> StatusList:
        """Inflate a list. Raises ``MalformedError`` with ``status_list``, ``encoding`` or ``size``."""
        if type(bits) is not int or bits not in _WIDTHS:
            raise MalformedError(ReasonCode.STATUS_LIST, f"{path}.bits", "bits is not 1, 2, 4 or 8")
        return cls(bits=bits, buffer=_kept(lambda: _inflated(compressed, _ZLIB, f"{path}.lst")), path=path)

    @classmethod
    def from_bitstring(cls, compressed: bytes, *, path: str = "") -> StatusList:
        """Inflate a W3C bitstring: gzip, one bit a value, the first entry in the left-most bit. Raises the same."""

        def turned() -> Iterator[bytes]:
            return (piece.translate(_TURNED) for piece in _inflated(compressed, _GZIP, path))

        return cls(bits=1, buffer=_kept(turned), path=path)

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
        return self._size

    @property
    def mapped(self) -> bool:
        """Whether the values lie in a file rather than in memory."""
        return isinstance(self._buffer, mmap.mmap)

    def get(self, index: int) -> int:
        """The value at ``index``. Raises ``RefusedError`` with ``status_index`` for what is no index of this list."""
        if type(index) is not int or not 0 <= index < self._size:
            raise RefusedError(ReasonCode.STATUS_INDEX, "status.status_list.idx", "the index is outside the list")
        position = index * self.bits
        return self._buffer[position >> 3] >> (position & 7) & self._mask

    def weight(self) -> int:
        """How many bits are set: of two lists of one issue the one that revokes more has more."""
        return int.from_bytes(self._buffer[:], "little").bit_count()

    def compress(self) -> bytes:
        """The list as it stands in a Status List Token."""
        return zlib.compress(self._buffer, 9)

    def bitstring(self) -> bytes:
        """The list as it stands, before base64url, in a W3C status list. Raises ``ValueError`` for wider ones."""
        if self.bits != 1:
            raise ValueError("a bitstring has one bit a value")
        deflater = zlib.compressobj(9, wbits=_GZIP)
        return deflater.compress(bytes(self._buffer).translate(_TURNED)) + deflater.flush()

    def __repr__(self) -> str:
        return f"StatusList(bits={self.bits}, entries={len(self)})"


def _inflated(compressed: bytes, window: int, path: str) -> Iterator[bytes]:
    """The pieces of a stream whose checksum holds, of which nothing is left over and which ends within the limit."""
    inflater = zlib.decompressobj(window)
    rest, total = compressed, 0
    while not inflater.eof:
        try:
            piece = inflater.decompress(rest, _PIECE)
        except zlib.error:
            raise MalformedError(ReasonCode.ENCODING, path, "not valid deflate data") from None
        total += len(piece)
        if total > MAX_LIST_BYTES:
            raise MalformedError(ReasonCode.SIZE, path, f"inflates to more than {MAX_LIST_BYTES} bytes")
        rest = inflater.unconsumed_tail
        if not piece and not rest and not inflater.eof:
            raise MalformedError(ReasonCode.ENCODING, path, "deflate data is cut short")
        if piece:
            yield piece
    if inflater.unused_data:
        raise MalformedError(ReasonCode.ENCODING, path, "deflate data is followed by more")


def _kept(inflate: Callable[[], Iterator[bytes]]) -> bytes | mmap.mmap:
    """What ``inflate()`` yields, as one buffer: in memory, or mapped when it is much."""
    pieces, held = inflate(), bytearray()
    for piece in pieces:
        held += piece
        if len(held) > MAPPED_BYTES:
            break
    else:
        return bytes(held)
    try:
        with TemporaryFile() as file:
            file.write(held)
            for piece in pieces:
                file.write(piece)
            file.flush()
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError:  # no folder for it, or no room in it
        return b"".join(inflate())
