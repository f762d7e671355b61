"""The single-file form of a trust bundle: a plain zip archive, read within strict limits.

What is refused (``archive``): a comment, bytes before or after, several disks, ZIP64, encryption, extra fields,
any compression but stored and deflate, folders, links, a name that is absolute, climbs, repeats or has other than
plain characters, more than ``MAX_FILES`` files, a file over ``MAX_FILE_BYTES``, more than ``MAX_TOTAL_BYTES`` together.
The directory is judged before anything is inflated, and no file is ever written to disk.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING

from vcred.errors import MalformedError
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "MAX_ARCHIVE_BYTES",
    "MAX_FILES",
    "MAX_FILE_BYTES",
    "MAX_TOTAL_BYTES",
    "is_pack_name",
    "read_pack",
    "write_pack",
]

MAX_ARCHIVE_BYTES = 64 * 1024 * 1024
MAX_FILES = 2048
MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_TOTAL_BYTES = 96 * 1024 * 1024

_END = struct.Struct("<4s4H2LH")
_ENTRY_BYTES, _LOCAL_BYTES = 46, 30
_MAX_NAME = 120
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*){0,4}")
_STAMP = (1980, 1, 1, 0, 0, 0)


def is_pack_name(name: str) -> bool:
    """Whether ``name`` may stand in a pack: relative, plain ASCII, at most five parts, none starting with a dot."""
    return len(name) <= _MAX_NAME and _NAME.fullmatch(name) is not None


def read_pack(raw: bytes) -> dict[str, bytes]:
    """Every file of the archive by its name. Raises ``MalformedError`` with ``archive``."""
    _check_end(raw)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = archive.infolist()
            _check_entries(entries)
            return {entry.filename: _inflate(archive, entry) for entry in entries}
    except MalformedError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, struct.error) as error:
        raise _refused(f"not a readable zip archive: {type(error).__name__}") from error


def write_pack(files: Mapping[str, bytes]) -> bytes:
    """The archive of ``files``, the same bytes for the same files. Raises ``ValueError`` beyond the limits."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _STAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, files[name])
    raw = out.getvalue()
    try:
        read_pack(raw)
    except MalformedError as error:
        raise ValueError(f"the files do not make a pack: {error.detail}") from error
    return raw


def _check_end(raw: bytes) -> None:
    """The end record first: it bounds the directory before ``zipfile`` builds one object per entry."""
    if not _END.size <= len(raw) <= MAX_ARCHIVE_BYTES:
        raise _refused(f"{len(raw)} bytes")
    mark, disk, first_disk, here, total, size, offset, comment = _END.unpack_from(raw, len(raw) - _END.size)
    if mark != b"PK\x05\x06" or comment:
        raise _refused("no end record, or bytes after it")
    if disk or first_disk or here != total or not 0 < total <= MAX_FILES:
        raise _refused(f"{total} files")
    if size > total * (_ENTRY_BYTES + _MAX_NAME) or offset + size + _END.size != len(raw):
        raise _refused("the directory is not where it should be")
    if not raw.startswith(b"PK\x03\x04"):
        raise _refused("bytes before the archive")


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_FILES or len({entry.filename for entry in entries}) != len(entries):
        raise _refused("too many files, or a name twice")
    for entry in entries:
        _check_entry(entry)
    if sum(entry.file_size for entry in entries) > MAX_TOTAL_BYTES:
        raise _refused("files beyond the limit together")
    spans = sorted((entry.header_offset, _LOCAL_BYTES + len(entry.filename) + entry.compress_size) for entry in entries)
    for (start, length), (following, _) in pairwise(spans):
        if start + length > following:
            raise _refused("entries overlap")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    if not is_pack_name(entry.orig_filename) or entry.orig_filename != entry.filename:
        raise _refused("a name that is not plain and relative")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or entry.external_attr & 0x10:
        raise _refused("an entry that is not a regular file")
    if entry.flag_bits or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _refused("encryption or another compression")
    if entry.extra or entry.comment:
        raise _refused("extra fields")
    if entry.file_size > MAX_FILE_BYTES or entry.compress_size > MAX_FILE_BYTES:
        raise _refused("a file beyond the limit")


def _inflate(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as source:
        plain = source.read(entry.file_size + 1)
    if len(plain) != entry.file_size:
        raise _refused("a file is not as long as it says")
    return plain


def _refused(detail: str) -> MalformedError:
    return MalformedError(ReasonCode.ARCHIVE, "", detail)
