"""Put a bundle where terminals load it from, so that whatever happens there is a whole one: the old or the new.

The order, under the lock of the folder:

1. The memory of what was seen is read, and the bundle that is there is verified and counts as seen. A process that
   verified an older bundle a while ago is refused here: it does not put it over a newer one.
2. The new bundle is verified by the code that every terminal runs, against all of that.
3. Everything is written to files beside the places where it belongs, and is on disk: a full disk ends it here.
4. The pinned root (the first time), the bundle, then the memory take their names, each in one step.

A crash before 4 leaves the old state. After the root alone there is no bundle yet, as before. Between bundle and memory
the new bundle stands beside the older memory, which accepts it as it would any newer one. The other way round, memory
first, the old bundle would be refused as a rollback, and the terminal would be locked out.
"""

from __future__ import annotations

import logging
import os
import secrets
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vcred._files import read_limited, sync_folder
from vcred.errors import BundleExpired, RefusedError, StoreError, TrustError
from vcred.reasons import ReasonCode
from vcred.trust.bundle import TrustBundle
from vcred.trust.pack import MAX_ARCHIVE_BYTES
from vcred.trust.seen import in_turn, read_seen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from vcred.trust.seen import SeenState

__all__ = [
    "MAX_ROOT_BYTES",
    "Installed",
    "check_pin",
    "install",
    "present_bundle",
    "replace_files",
    "sweep",
]

MAX_ROOT_BYTES = 1024 * 1024

_PRIVATE, _PUBLIC = 0o600, 0o666
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What was there before, if anything, and what is there now. ``replaced`` is false for the same bundle again."""

    before: TrustBundle | None
    after: TrustBundle
    replaced: bool


def install(
    raw: bytes, *, bundle: Path, root: bytes, seen: Path, at: datetime | None = None, pin: Path | None = None
) -> Installed:
    """Verify the pack ``raw`` under the pinned ``root`` and put it at ``bundle``, its memory at ``seen``.

    With ``at``, a pack that has expired by then is refused, and ``at`` is remembered as a time that has passed if it
    is not behind what is known. With ``pin``, the root is kept there: it must be the one that is there already.
    Raises what ``TrustBundle.loads`` raises, ``BundleExpired``, ``StoreError``; nothing has changed then.
    """
    with _locks(bundle, seen):
        sweep(bundle, seen, *([] if pin is None else [pin]))
        is_pinned = pin is None or check_pin(pin, root)
        known = read_seen(seen)
        before = present_bundle(bundle, root=root, seen=known)
        after = TrustBundle.loads(raw, root=root, seen=known if before is None else before.seen)
        state = after.seen if at is None else _state_at(after, at)
        replaced = before is None or before.seen.roles != after.seen.roles
        changes: list[tuple[Path, bytes, int]] = []
        if pin is not None and not is_pinned:
            changes.append((pin, root, _PUBLIC))
        if replaced:
            changes.append((bundle, raw, _PUBLIC))
        if state != known:
            changes.append((seen, state.to_json(), _PRIVATE))
        replace_files(changes)
    return Installed(before=before, after=after, replaced=replaced)


def check_pin(pin: Path, root: bytes) -> bool:
    """Whether ``root`` is pinned at ``pin``; not if nothing is there yet. Raises ``TrustError`` for another root."""
    if not pin.exists():
        return False
    if read_limited(pin, MAX_ROOT_BYTES, StoreError) != root:
        raise TrustError(f"{pin}: another root is pinned here")
    return True


def present_bundle(path: Path, *, root: bytes, seen: SeenState) -> TrustBundle | None:
    """The bundle at ``path`` if there is one and it is good; one that is damaged, or older than the memory, is not."""
    if not path.exists():
        return None
    try:
        return TrustBundle.loads(read_limited(path, MAX_ARCHIVE_BYTES, StoreError), root=root, seen=seen)
    except (TrustError, StoreError) as error:
        _log.warning("%s is not usable and will be replaced: %s", path, error)
        return None


def replace_files(changes: list[tuple[Path, bytes, int]]) -> None:
    """Write every file (path, content, permissions) beside its place, then name them in this order.

    For who holds the lock of their folders. Raises ``StoreError``; if one could not be written, nothing was named.
    """
    prepared: list[tuple[Path, Path]] = []
    try:
        for path, content, mode in changes:
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
            prepared.append((temporary, path))
            _write(temporary, content, mode)
        for temporary, path in prepared:
            temporary.replace(path)
            sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{error.filename or changes[0][0]}: {error.strerror}") from error
    finally:
        for temporary, _ in prepared:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def sweep(*paths: Path) -> None:
    """Remove what killed processes had prepared for ``paths``. For who holds the lock: nobody prepares anything now."""
    for path in paths:
        for left in path.parent.glob(f".{path.name}.*.new"):
            with suppress(OSError):
                left.unlink()


def _write(path: Path, content: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags, mode), "wb") as file:  # noqa: PTH123 - a handle, not a path
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _state_at(after: TrustBundle, at: datetime) -> SeenState:
    if at >= after.expires_at:
        raise BundleExpired(f"what is offered expired at {after.expires_at.isoformat()}")
    try:
        after.check_time(at)
    except RefusedError as error:
        # A clock that is behind is no reason to go without a newer bundle; it is noticed at every use.
        if error.code is not ReasonCode.CLOCK:
            raise TrustError(str(error)) from error
        return after.seen
    return after.seen.observe(at)


@contextmanager
def _locks(bundle: Path, seen: Path) -> Iterator[None]:
    """The lock of the folder of the memory, as everyone takes it who writes there, and of that of the bundle."""
    with ExitStack() as stack:
        if bundle.parent.resolve() != seen.parent.resolve():
            stack.enter_context(in_turn(bundle))
        stack.enter_context(in_turn(seen))
        yield
