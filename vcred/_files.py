"""Files of ours on disk: written whole or not at all, by one process at a time."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vcred.errors import Locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vcred.errors import VcredError

__all__ = ["alone", "read_limited", "sync_folder", "write_whole"]


def read_limited(path: Path, limit: int, error: type[VcredError]) -> bytes:
    """A whole file. Raises ``error`` when it cannot be read or is larger than ``limit``."""
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except OSError as failed:
        raise error(f"{path}: {failed.strerror}") from failed
    if len(raw) > limit:
        raise error(f"{path}: more than {limit} bytes")
    return raw


def write_whole(
    path: Path, content: bytes, *, private: bool, put: Callable[[Path, Path], object] = Path.replace
) -> None:
    """Replace ``path`` in one step: after a crash it is the old file or this one, and this one survives a power cut.

    ``private`` files are for their owner only, others as the process's umask says. ``put(temporary, path)`` gives the
    finished file its name. Raises ``OSError``.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if not private and os.name == "posix":
                os.fchmod(file.fileno(), 0o666 & ~_umask())
            file.flush()
            os.fsync(file.fileno())
        put(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names given in ``folder`` survive a power cut."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Work on ``folder`` alone. Raises ``Locked`` while another process does; the system lets go of a dead one's."""
    if os.name != "posix":
        yield
        return
    import fcntl  # noqa: PLC0415 - not there on other systems

    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Locked(f"{folder}: another process works here") from None
        yield
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
