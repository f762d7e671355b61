"""Status lists that are newer than the bundle: a folder beside it with one Status List Token a file.

The folder is a cache and never trusted. Every token is verified against the bundle when it is loaded, and one that does
not verify, or is older than the bundle's own, is left out (logged): the bundle's list then counts, with its own age.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vcred._files import read_limited
from vcred.errors import RefusedError, StoreError, TooLarge
from vcred.formats._wire import epoch
from vcred.status.token import MAX_TOKEN_BYTES
from vcred.trust.bundle import TrustBundle
from vcred.trust.content import status_file
from vcred.trust.install import replace_files, sweep
from vcred.trust.rules import CLOCK_LEEWAY
from vcred.trust.seen import in_turn

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "MAX_LISTS",
    "carry_status",
    "keep_status",
    "load_current",
    "overlay_folder",
    "prune_status",
    "with_overlay",
]

MAX_LISTS = 2048
_SUFFIX = ".token"
_log = logging.getLogger(__name__)


def overlay_folder(bundle: Path) -> Path:
    """Where the newer lists of the bundle at ``bundle`` are."""
    return bundle.with_name(bundle.name + ".status")


def load_current(path: str | Path, *, root: str | Path, seen: Path | None = None) -> TrustBundle:
    """``TrustBundle.load`` with the newer status lists beside it. Raises as that does, and ``StoreError``."""
    return with_overlay(TrustBundle.load(path, root=root, seen=seen), overlay_folder(Path(path)))


def with_overlay(bundle: TrustBundle, folder: Path) -> TrustBundle:
    """``bundle`` with the lists in ``folder`` that are newer than its own. Raises ``StoreError``."""
    for file in _files(folder):
        taken = _taken(bundle, file)
        if taken is not None:
            bundle = taken
    return bundle


def keep_status(folder: Path, *, uri: str, token: bytes, bundle: TrustBundle) -> None:
    """Keep ``token``, which ``bundle`` has taken as the list at ``uri``, unless another process kept a newer one.

    Raises ``TooLarge`` when as many lists are kept as will be read again, ``StoreError``.
    """
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}") from error
    file = folder / _name(uri)
    with in_turn(file):
        sweep(file)
        if file.exists():
            # One that does not verify is replaced, however new it says it is.
            if _taken(bundle, file) is not None:
                return
        elif len(_files(folder)) >= MAX_LISTS:
            raise TooLarge(f"{folder}: {MAX_LISTS} status lists are kept")
        replace_files([(file, token, 0o666)])


def carry_status(before: TrustBundle | None, after: TrustBundle, folder: Path, *, at: datetime | None) -> None:
    """Keep the lists of ``before`` of which ``after``, which has come, has an older one (logged).

    The online key says which lists are in a bundle, and whoever has it must not make a revoked certificate valid again.
    A list from the future of ``at`` (if given) is not kept: that was somebody's clock. Raises ``StoreError``.
    """
    if before is None:
        return
    for uri in before.status_uris:
        token, other = before.status_token(uri), after.status_token(uri)
        if token is None or other is None or token == other:
            continue
        known, offered = before.status_list(uri), after.status_list(uri)
        if known is None or (offered is not None and offered.issued_at > known.issued_at):
            continue
        if at is not None and known.issued_at > epoch(at + CLOCK_LEEWAY):
            continue
        with suppress(RefusedError, TooLarge):
            taken = after.with_status(token)
            if taken is not after:
                _log.warning("status list %s: the newer one of the bundle before is kept", uri)
                keep_status(folder, uri=uri, token=token, bundle=taken)


def prune_status(bundle: TrustBundle, folder: Path) -> None:
    """Remove the lists that are no longer of use with ``bundle``, which has come. Raises ``StoreError``."""
    for file in _files(folder):
        with in_turn(file):
            if file.exists() and _taken(bundle, file) is None:
                with suppress(OSError):  # it is looked at and left out again
                    file.unlink(missing_ok=True)


def _taken(bundle: TrustBundle, file: Path) -> TrustBundle | None:
    """``bundle`` with the list in ``file``; ``None`` if it is of no use."""
    try:
        taken = bundle.with_status(read_limited(file, MAX_TOKEN_BYTES, StoreError))
    except (RefusedError, StoreError) as error:
        _log.warning("%s is not used: %s", file, error)
        return None
    return None if taken is bundle else taken


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.glob(f"*{_SUFFIX}"))
    if len(found) > MAX_LISTS:
        raise StoreError(f"{folder}: more than {MAX_LISTS} status lists")
    return found


def _name(uri: str) -> str:
    return status_file(uri).rpartition("/")[2].removesuffix(".cwt") + _SUFFIX
