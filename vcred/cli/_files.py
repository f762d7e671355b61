"""Files, written whole or not at all, and never over another one without ``--force``."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import click

from vcred._files import write_whole
from vcred.cli._errors import Failure
from vcred.cli._texts import LANG
from vcred.errors import MalformedError, StoreError
from vcred.formats._wire import parse_json

__all__ = ["MAX_FILE", "make_folder", "read", "read_object", "refuse_existing", "write"]

MAX_FILE = 64 * 1024 * 1024
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


def write(path: Path, content: bytes, *, force: bool = False, private: bool = False) -> Path:
    """Write ``content`` to ``path``: temporary file, fsync, then its name in one step.

    Without ``force`` an existing file stays as it is (exit 4), also if it appears meanwhile. ``private`` files are
    readable by their owner only.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not force:
        refuse_existing(path)
    write_whole(path, content, private=private, put=Path.replace if force else _name_once)
    return path


def refuse_existing(*paths: Path) -> None:
    """Exit 4 if one of ``paths`` exists."""
    for path in paths:
        if path.exists():
            raise _exists(path)


def make_folder(path: Path) -> Path:
    """The folder, made if it is not there, for its owner only."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def read(path: Path, limit: int = MAX_FILE) -> bytes:
    """The content of a file of ours. ``OSError`` when it cannot be read, exit 4 beyond ``limit``."""
    with path.open("rb") as file:
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise Failure(f"{path}: more than {limit} bytes", kind="size", file=str(path))
    return raw


def read_object(path: Path, *members: str) -> dict[str, Any]:
    """A JSON object of ours with exactly ``members``. Raises ``StoreError`` for anything else."""
    try:
        value = parse_json(read(path, 1024 * 1024), path.name, max_bytes=1024 * 1024)
    except MalformedError as error:
        raise StoreError(f"{path}: {error.detail}") from error
    if not isinstance(value, dict) or set(value) != set(members):
        raise StoreError(f"{path}: members are not exactly {', '.join(members)}")
    return value


def _name_once(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:  # a USB stick's file system has no links
            raise
        refuse_existing(path)
        temporary.replace(path)


def _exists(path: Path) -> Failure:
    context = click.get_current_context(silent=True)
    forced = context is None or "force" in context.params
    text = "이미 있습니다" if LANG.get() == "ko" else "exists already"
    if forced:
        text += ": 덮어쓰려면 --force" if LANG.get() == "ko" else ": --force overwrites it"
    return Failure(f"{path}: {text}", kind="exists", file=str(path))
