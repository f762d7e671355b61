"""The trust bundle that a service works under, in a file that may be replaced while it runs.

Rules:

1. A bundle and what follows from it (the verifier under it, its policies) are one ``Standing``. Whoever answers a
   request takes it once and works with it to the end, so that no request is judged half by one and half by the other.
2. A request is judged by the policy that it was made with: that is kept with the request, in the database.
3. What lies at the file's place is used only when all of it can be: signatures and versions, its time, its types, its
   policies. Otherwise the one in use stays, the log and ``problem`` say why, and it is tried again after a minute.
4. Nothing is remembered as seen that was not used, but for that whatever was used is never gone back behind, here and
   in every other process on the file.
5. The file is looked at when a request is made, signed or judged, and by the service's housekeeping.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vcred.errors import BundleRollback, TrustError, VcredError
from vcred.formats._wire import epoch
from vcred.trust.overlay import load_current, overlay_folder
from vcred.trust.seen import read_seen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from vcred.policy import VerificationPolicy
    from vcred.trust import TrustBundle
    from verifier.server.parts import Recorder
    from verifier.verifier import Verifier

__all__ = ["Standing", "Standings", "TrustFile"]

_LOG: Final = logging.getLogger("vcred.verifier.trust")
_AGAIN: Final = 60
"""Seconds until a file that could not be used is tried again as it is: a clock may have been wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A verifier under one trust bundle, and the policies that may be asked under with it, by id."""

    verifier: Verifier
    policies: Mapping[str, VerificationPolicy]

    @property
    def trust(self) -> TrustBundle:
        """The bundle."""
        return self.verifier.trust


class TrustFile:
    """A trust bundle in a file. Whoever publishes a newer one puts it in its place, whole (rename)."""

    def __init__(self, path: Path, root: Path, recorder: Recorder | None) -> None:
        """Raises ``TrustError``, ``StoreError``."""
        self._path, self._root, self._recorder = path, root, recorder
        self._mutex = threading.Lock()
        self._looked_at = self._stamp()
        self._again = 0
        self.bundle = self._load()
        self.problem: str | None = None
        """Why what is in the file's place now is not used; ``None`` when it is."""

    def refresh(self, take: Callable[[TrustBundle], Callable[[], None]], *, at: datetime) -> None:
        """Look at the file, and give a newer bundle, or one with newer status lists beside it, to ``take``.

        ``take`` is called to try a bundle, and what it returns to begin to use it. What cannot be used is logged, once.
        """
        with self._mutex:
            stamp = self._stamp()
            if stamp == self._looked_at and (self.problem is None or epoch(at) < self._again):
                return
            self._looked_at, self._again = stamp, epoch(at) + _AGAIN
            try:
                if stamp is None:
                    raise TrustError("there is no file")
                tried = self._try(take, at)
                bundle = self._load()
                if bundle.pack != tried:
                    raise TrustError("replaced while it was read")
                begin = take(bundle)
            except (VcredError, OSError) as error:
                self._refuse(f"{type(error).__name__}: {error}")
                return
            if bundle.pack != self.bundle.pack or self.problem is not None:
                _LOG.warning("%s: version %d is in use", self._path, bundle.version)
            self.bundle, self.problem = bundle, None
            begin()

    def _try(self, take: Callable[[TrustBundle], object], at: datetime) -> str:
        """Rules 3 and 4: all that can be wrong with another bundle is found before it is remembered as seen.

        The SHA-256 of what was tried.
        """
        from vcred.trust import TrustBundle  # noqa: PLC0415 - TUF is loaded when a bundle is read

        raw = self._path.read_bytes()
        pack = hashlib.sha256(raw).hexdigest()
        if pack == self.bundle.pack:
            return pack
        seen = read_seen(self._path.with_name(self._path.name + ".seen"))
        bundle = TrustBundle.loads(raw, root=self._root.read_bytes(), seen=seen)
        if bundle.version < self.bundle.version:
            raise BundleRollback(f"version {bundle.version} after {self.bundle.version}")
        bundle.require_current(at)
        take(bundle)
        return pack

    def _refuse(self, problem: str) -> None:
        if problem != self.problem:
            _LOG.error("%s: not taken, version %d stays in use: %s", self._path, self.bundle.version, problem)
        self.problem = problem

    def _stamp(self) -> tuple[int, ...] | None:
        """What changes when a file is replaced; ``None`` while there is none."""
        found: list[int] = []
        for path in (self._path, overlay_folder(self._path)):
            try:
                one = path.stat()
            except OSError:
                if path == self._path:
                    return None
                continue
            found += [one.st_mtime_ns, one.st_size, one.st_ino]
        return tuple(found)

    def _load(self) -> TrustBundle:
        bundle = load_current(self._path, root=self._root)
        if self._recorder is not None:
            raw = self._path.read_bytes()
            if hashlib.sha256(raw).hexdigest() != bundle.pack:
                raise TrustError(f"{self._path}: replaced while it was read")
            self._recorder.keep_trust(raw, self._root.read_bytes())
        return bundle


class Standings:
    """Which ``Standing`` counts."""

    def __init__(
        self,
        first: Standing,
        *,
        file: TrustFile | None,
        policies: Callable[[TrustBundle], Mapping[str, VerificationPolicy]],
        clock: Callable[[], datetime],
    ) -> None:
        """``policies`` finds those under a bundle, or raises what is wrong. Without ``file`` nothing changes."""
        self.current = first
        """The one in use, for whoever shows something and decides nothing."""
        self._file, self._policies, self._clock = file, policies, clock

    def newest(self) -> Standing:
        """The one that a request is to be made, signed or judged by."""
        if self._file is not None:
            self._file.refresh(self._take, at=self._clock())
        return self.current

    @property
    def problem(self) -> str | None:
        """Why what is in the bundle's place is not used; ``None`` when it is."""
        return None if self._file is None else self._file.problem

    def expired(self) -> str | None:
        """That the bundle in use is not to be used any more, in English; ``None`` as long as it is."""
        ended = self.current.trust.expires_at
        return None if self._clock() < ended else f"the trust bundle has expired: {ended:%Y-%m-%d %H:%M} UTC"

    def _take(self, bundle: TrustBundle) -> Callable[[], None]:
        made = Standing(verifier=self.current.verifier.under(bundle), policies=self._policies(bundle))
        _ = bundle.catalog  # what is wrong with its types is said now

        def begin() -> None:
            self.current = made

        return begin
