"""What is under way with an issuer, on disk before every step: a wallet that is killed goes on where it was.

A want goes through these phases. ``ask``: its keys are made, and once ``body`` is there, that is what was or will be
sent, again and again the same, so that an issuer can give the same answer. ``deferred``: to be asked for again from
``ready_at`` on. ``tell``: its end is on disk, the issuer has to be told ``event``. ``kept``: done; it stays only where
it can be refreshed.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from vcred.formats._wire import dump_json
from vcred.keys import SoftwareSigner
from wallet._records import SESSIONS, SessionRecord, load_all, new_id, save
from wallet.store import Delete

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vcred.oid4vci import CredentialOffer
    from wallet.store import Change, CredentialStore

__all__ = ["ASK", "DEFERRED", "KEPT", "TELL", "Session", "Want", "digest_of", "sessions"]

ASK: Final = "ask"
DEFERRED: Final = "deferred"
TELL: Final = "tell"
KEPT: Final = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One credential that is asked for: by configuration, or by the identifier that the token came with."""

    configuration: str
    format: str
    code: str
    identifier: str | None = None
    keys: list[bytes] = field(default_factory=list, repr=False)
    copies: int = 1
    phase: str = ASK
    body: bytes | None = field(default=None, repr=False)
    opener: bytes | None = field(default=None, repr=False)
    transaction: str | None = None
    ready_at: int = 0
    notification: str | None = None
    event: str = ""
    certificate: str | None = None
    replaces: str | None = None

    def signers(self) -> list[SoftwareSigner]:
        """Its holder keys."""
        return [SoftwareSigner.from_der(key) for key in self.keys]


class Session:
    """A ``SessionRecord`` and its place in the store."""

    def __init__(self, store: CredentialStore, record_id: str, record: SessionRecord) -> None:
        self.store = store
        self.id = record_id
        self.record = record
        self.wants = [Want(**want) for want in record.wants]

    @classmethod
    def begin(
        cls,
        store: CredentialStore,
        *,
        issuer: str,
        server: str | None,
        client_id: str | None,
        offer: bytes,
        grant: Mapping[str, Any],
        wants: Sequence[Want],
        now: int,
    ) -> Session:
        """A session whose keys are on disk."""
        record = SessionRecord(
            issuer=issuer,
            server=server,
            begun_at=now,
            client_id=client_id,
            offer=offer,
            dpop=SoftwareSigner.generate().to_der(),
            instance=SoftwareSigner.generate().to_der(),
            grant=dict(grant),
            tokens={},
            wants=[asdict(want) for want in wants],
        )
        record_id = new_id()
        store.write([save(SESSIONS, record_id, record, new=True)])
        return cls(store, record_id, record)

    def update(self, more: Sequence[Change] = (), **changes: Any) -> None:
        """Change the record, and ``more`` with it, in one transaction."""
        record = replace(self.record, **changes, wants=[asdict(want) for want in self.wants])
        self.store.write([*more, save(SESSIONS, self.id, record)])
        self.record = record

    def change(self, index: int, more: Sequence[Change] = (), **changes: Any) -> Want:
        """Change one want, as ``update``."""
        before = self.wants
        self.wants = [*before]
        self.wants[index] = replace(before[index], **changes)
        try:
            self.update(more)
        except BaseException:
            self.wants = before
            raise
        return self.wants[index]

    def drop(self) -> None:
        """Forget it, with its keys."""
        self.store.write([Delete(table=SESSIONS, record=self.id)])

    @property
    def dpop(self) -> SoftwareSigner:
        """The key that its tokens are bound to."""
        return SoftwareSigner.from_der(self.record.dpop)

    @property
    def instance(self) -> SoftwareSigner:
        """The key that is attested to this issuer's authorization server, and to no other."""
        return SoftwareSigner.from_der(self.record.instance)


def sessions(store: CredentialStore) -> Iterator[Session]:
    """Every one that can be read, oldest first."""
    for record_id, record in load_all(store, SessionRecord).items():
        yield Session(store, record_id, record)


def digest_of(offer: CredentialOffer) -> bytes:
    """What tells two offers apart, without keeping the code in one of them."""
    return hashlib.sha256(dump_json(offer.to_json())).digest()
