"""A folder for one sync alone, beside the bundle it is to replace. Whatever is in it counts for nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vcred.errors import StoreError
from vcred.trust.seen import in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["scratch_folder"]


@contextmanager
def scratch_folder(bundle: Path) -> Iterator[Path]:
    """A new empty folder, removed at the end. Those of processes that were killed are removed as well.

    Raises ``StoreError``, also for what goes wrong with files in it.
    """
    prefix = f".{bundle.name}.sync-"
    folder, claim = None, None
    try:
        with in_turn(bundle):
            for left in bundle.parent.glob(f"{prefix}*"):
                _remove_abandoned(left)
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=bundle.parent))
            claim = _claim(folder)
        yield folder
    except OSError as error:
        raise StoreError(f"{error.filename or bundle.parent}: {error.strerror}") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if claim is not None:
            os.close(claim)


def _remove_abandoned(folder: Path) -> None:
    claim = _claim(folder)
    if claim is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(claim)


def _claim(folder: Path) -> int | None:
    """A lock on ``folder`` that ends with this process; ``None`` where another one has it, or there are no locks."""
    if os.name != "posix":
        return None
    import fcntl  # noqa: PLC0415 - not there on other systems

    handle = None
    try:
        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if handle is not None:
            os.close(handle)
        return None
    return handle
