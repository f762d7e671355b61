"""What the service is made of: the verifier, its policies, its evidence, and a trust bundle that may be replaced."""

from __future__ import annotations

import binascii
import hashlib
import logging
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vcred.errors import BundleRollback, NotFound, SettingsError, TrustError, VcredError
from vcred.trust.overlay import load_current, overlay_folder
from verifier.archive import EvidenceArchive
from verifier.identity import ReaderIdentity
from verifier.policy import VerificationPolicy, preset_ids
from verifier.verifier import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from vcred.keys import Signer
    from vcred.outgoing import Http
    from vcred.policy import VerificationPolicy as AnyPolicy
    from vcred.trust import TrustBundle
    from verifier.evidence import Entry
    from verifier.judge import Judgement
    from verifier.server.settings import VerifierServerSettings
    from verifier.server.store import VerifierStore
    from verifier.server.transactions import Transactions
    from verifier.server.webhooks import Webhooks

__all__ = ["Parts", "Recorder", "TrustFile", "load_policies", "load_storage_key", "load_verifier"]


_LOG: Final = logging.getLogger("vcred.verifier.trust")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the routes work with, as ``app.state.parts``."""

    settings: VerifierServerSettings
    store: VerifierStore
    transactions: Transactions
    webhooks: Webhooks
    verifier: Verifier
    policies: Mapping[str, AnyPolicy]
    refresh: Callable[[], None]
    """Takes up a newer trust bundle, if there is one."""
    http: Http
    clock: Callable[[], datetime]


class Recorder:
    """The evidence of a service, for ``Verifier``: it also says under which number a verdict was written down."""

    def __init__(self, archive: EvidenceArchive) -> None:
        self._archive = archive
        self._own = threading.local()

    def record(self, judgement: Judgement) -> Entry:
        """Write it down. Raises ``StoreError``."""
        entry = self._archive.record(judgement)
        self._own.sequence = entry.sequence
        return entry

    def number(self) -> int | None:
        """The number of the latest verdict that this thread wrote down."""
        found: int | None = getattr(self._own, "sequence", None)
        return found

    def keep_trust(self, pack: bytes, root: bytes) -> None:
        """See ``EvidenceArchive``."""
        self._archive.keep_trust(pack, root)

    def destroy(self, sequence: int, *, at: datetime) -> None:
        """Shred an answer; nothing when its policy kept none."""
        with suppress(NotFound):
            self._archive.destroy([sequence], at=at)

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()


class TrustFile:
    """A trust bundle in a file. Whoever publishes a newer one puts it in its place, whole (rename)."""

    def __init__(self, path: Path, root: Path, recorder: Recorder | None) -> None:
        """Raises ``TrustError``, ``StoreError``."""
        self._path, self._root, self._recorder = path, root, recorder
        self._mutex = threading.Lock()
        self._seen = self._stamp()
        self.bundle = self._load()

    def refresh(self, verifier: Verifier) -> None:
        """Give ``verifier`` the newer bundle, or newer status lists beside it. What cannot be used is logged, once.

        The present one stays in use then: it says itself when it is too old.
        """
        with self._mutex:
            stamp = self._stamp()
            if stamp in (self._seen, None):
                return
            self._seen = stamp
            try:
                bundle = self._load()
                if bundle.version < self.bundle.version:
                    raise BundleRollback(f"version {bundle.version} after {self.bundle.version}")
            except (VcredError, OSError) as error:
                _LOG.error("%s: not taken: %s: %s", self._path, type(error).__name__, error)
                return
            self.bundle = verifier.trust = bundle

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


def load_storage_key(path: Path) -> bytes:
    """The key that the database's secrets are encrypted with. Raises ``SettingsError``."""
    try:
        key = binascii.unhexlify(path.read_bytes().strip())
    except (OSError, binascii.Error):
        key = b""
    if len(key) != 32:
        raise SettingsError(f"{path}: a storage key is a file with 64 hexadecimal digits")
    return key


def load_policies(settings: VerifierServerSettings, trust: TrustBundle) -> Mapping[str, VerificationPolicy]:
    """Every policy that may be asked under, by id: presets, those of the bundle, and the settings' own files.

    Raises ``PolicyError``, and ``SettingsError`` for a file whose id is one of the others'.
    """
    found = {one: VerificationPolicy.preset(one) for one in preset_ids()}
    found |= {one: VerificationPolicy.load(text, file=f"{one}.toml") for one, text in trust.policies.items()}
    for path in settings.policies:
        policy = VerificationPolicy.load(path.read_text(encoding="utf-8"), file=str(path))
        if policy.id in found:
            raise SettingsError(f"{path}: there is a policy {policy.id} already")
        found[policy.id] = policy
    return found


def load_verifier(
    settings: VerifierServerSettings, store: VerifierStore, signer: Signer
) -> tuple[Verifier, TrustFile, Recorder | None]:
    """The verifier that ``settings`` describe, over ``store``, with the reader's key.

    Raises ``SettingsError``, ``SigningError``, ``TrustError``, ``StoreError``.
    """
    if settings.trust is None or settings.root is None or settings.reader is None:
        raise SettingsError("trust, root and reader are needed")
    recorder = None if settings.evidence is None else Recorder(EvidenceArchive(settings.evidence))
    trust = TrustFile(settings.trust, settings.root, recorder)
    identity = ReaderIdentity.load(settings.reader, signer=signer)
    return Verifier(trust.bundle, identity, store, evidence=recorder), trust, recorder
