"""What the service is made of: the verifier, its policies, its evidence."""

from __future__ import annotations

import binascii
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vcred.errors import NotFound, SettingsError
from verifier.archive import EvidenceArchive
from verifier.identity import ReaderIdentity
from verifier.policy import VerificationPolicy, preset_ids
from verifier.server.trust import TrustFile
from verifier.verifier import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from vcred.keys import Signer
    from vcred.outgoing import Http
    from vcred.policy import VerificationPolicy as AnyPolicy
    from vcred.qr.apart import PictureReader
    from vcred.trust import TrustBundle
    from verifier.evidence import Entry
    from verifier.judge import Judgement
    from verifier.server.settings import VerifierServerSettings
    from verifier.server.store import VerifierStore
    from verifier.server.transactions import Transactions
    from verifier.server.trust import Standings
    from verifier.server.webhooks import Webhooks

__all__ = ["Parts", "Recorder", "load_policies", "load_storage_key", "load_verifier", "own_policies"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the routes work with, as ``app.state.parts``."""

    settings: VerifierServerSettings
    store: VerifierStore
    transactions: Transactions
    webhooks: Webhooks
    standings: Standings
    pictures: PictureReader
    """Reads what strangers upload, at arm's length."""
    http: Http
    clock: Callable[[], datetime]

    @property
    def verifier(self) -> Verifier:
        """The verifier under the bundle in use. Whoever decides something takes ``standings.newest()``, once."""
        return self.standings.current.verifier

    @property
    def policies(self) -> Mapping[str, AnyPolicy]:
        """The policies under the bundle in use."""
        return self.standings.current.policies


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


def load_storage_key(path: Path) -> bytes:
    """The key that the database's secrets are encrypted with. Raises ``SettingsError``."""
    try:
        key = binascii.unhexlify(path.read_bytes().strip())
    except (OSError, binascii.Error):
        key = b""
    if len(key) != 32:
        raise SettingsError(f"{path}: a storage key is a file with 64 hexadecimal digits")
    return key


def own_policies(settings: VerifierServerSettings) -> tuple[VerificationPolicy, ...]:
    """Those in the settings' own files. Raises ``PolicyError``, ``OSError``."""
    return tuple(
        VerificationPolicy.load(path.read_text(encoding="utf-8"), file=str(path)) for path in settings.policies
    )


def load_policies(
    settings: VerifierServerSettings, trust: TrustBundle, own: Sequence[VerificationPolicy] | None = None
) -> Mapping[str, VerificationPolicy]:
    """Every policy that may be asked under, by id: presets, those of the bundle, and the settings' ``own``.

    Raises ``PolicyError``, and ``SettingsError`` for an own one whose id is one of the others'.
    """
    found = {one: VerificationPolicy.preset(one) for one in preset_ids()}
    found |= {one: VerificationPolicy.load(text, file=f"{one}.toml") for one, text in trust.policies.items()}
    for policy in own_policies(settings) if own is None else own:
        if policy.id in found:
            raise SettingsError(f"policies: there is a policy {policy.id} already")
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
