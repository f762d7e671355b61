"""Figures that several worker processes count together: whichever of them is asked shows those of all.

The workers of one service have a folder, made by their parent before they are; what a worker counts is in files that
have the number of its place. A worker that takes the place of a dead one goes on with its figures, so nothing is lost
and there are never more files than places. The folder is removed with the service. One that was left behind by a
service that was killed is removed when another starts: its lock is held by nobody any more.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from vcred.errors import SettingsError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["SharedMetrics", "all_workers"]

_PREFIX: Final = "vcred-metrics-"
_LOCK: Final = "lock"
_joined: Path | None = None
"""The folder that this process counts in, once and for all."""


class SharedMetrics:
    """The folder of one service's figures. Make it before the workers; close it, or use it in ``with``."""

    def __init__(self) -> None:
        """Raises ``SettingsError`` when there is no place for it."""
        _sweep()
        try:
            made = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
            # Workers inherit the lock: it is held as long as one of them lives.
            self._lock = _locked(made)
            self.folder = made.rename(made.with_name(made.name.removeprefix(".")))
        except OSError as error:
            raise SettingsError(f"no folder for temporary files can be used: {error.strerror}") from error

    def join(self, place: int) -> None:
        """In the worker at ``place``, before it counts anything: count in the folder from now on."""
        global _joined  # noqa: PLW0603 - so is the class of the values, in a process that is a worker and nothing else
        from prometheus_client import values  # noqa: PLC0415 - only a running service

        for file in self.folder.glob(f"*_{place}.db"):
            if not _readable(file):
                file.unlink()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self.folder)  # where the library looks for it
        values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]
        _joined = self.folder

    def close(self) -> None:
        """Remove the folder. For the parent, when there are no workers any more."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def all_workers() -> Any:
    """A registry with what all workers counted; ``None`` in a process that counts for itself."""
    if _joined is None:
        return None
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - as above
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - as above

    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(_joined))  # type: ignore[no-untyped-call]
    return registry


def _locks() -> ModuleType | None:
    try:
        import fcntl  # noqa: PLC0415 - not there on other systems, which have no workers either
    except ModuleNotFoundError:
        return None
    return fcntl


def _locked(folder: Path) -> int | None:
    """The lock of a folder, held; ``None`` when somebody else holds it."""
    locks = _locks()
    if locks is None:
        return None
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        locks.flock(handle, locks.LOCK_EX | locks.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _sweep() -> None:
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            found = left.lstat()
            # Where everybody may write, others may have put something else there under this name.
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                continue
            handle = _locked(left)
            if handle is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(handle)


def _readable(file: Path) -> bool:
    """Whether the worker before left its figures whole."""
    from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415 - as above

    try:
        list(MmapedDict.read_all_values_from_file(str(file)))  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 - it raises whatever it trips over
        return False
    return True
