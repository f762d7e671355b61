"""What a List of Trusted Entities (ETSI TS 119 602) says, as read, and the identifiers that ours uses.

``Lote`` is parsed and NOT verified; ``vcred.trust.lote.verify_lote`` makes a ``VerifiedLote`` of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vcred.formats._jose import Jws
    from vcred.keys import PublicKey

__all__ = [
    "AUTHORITY_EXTENSION",
    "GRANTED",
    "LOTE_TYPE",
    "PLANNED",
    "READER_EXTENSION",
    "READER_SERVICE",
    "SERVICE_EXTENSION",
    "SERVICE_TYPES",
    "STATUS_APPROACH",
    "TEST_SERVICE_TYPES",
    "WITHDRAWN",
    "LangTexts",
    "Lote",
    "LoteEntity",
    "LoteHistory",
    "LoteIdentity",
    "LoteService",
    "VerifiedLote",
]

LOTE_TYPE: Final = "urn:vcred:lote:certificates:1"
"""``LoTEType`` of a list made here. The EU's types belong to EU schemes, whose rules this one does not follow."""

STATUS_APPROACH: Final = "urn:vcred:lote:status:1"

GRANTED: Final = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted"
WITHDRAWN: Final = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/withdrawn"
PLANNED: Final = "urn:vcred:lote:status:planned"
"""Listed, and its time has not come. No other software takes an unknown status for a granted one."""

_IN_FORCE: Final = (None, GRANTED, "http://uri.etsi.org/19602/PubEAAProvidersList/SvcStatus/notified")

SERVICE_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "issuer": "http://uri.etsi.org/19602/SvcType/PubEAA/Issuance",
        "status": "http://uri.etsi.org/19602/SvcType/PubEAA/Revocation",
        "reader": "http://uri.etsi.org/19602/SvcType/WRPAC/Issuance",
    }
)
"""The type of a service by its purpose: attestations of public bodies, their revocation, readers' certificates."""

TEST_SERVICE_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {purpose: f"urn:vcred:lote:service:test:{purpose}" for purpose in SERVICE_TYPES}
)
"""The same for test authorities: types that nobody takes for real by not knowing our extensions."""

READER_SERVICE: Final = "urn:vcred:lote:service:reader"
"""A registered reader: a verifier's own certificate."""

AUTHORITY_EXTENSION: Final = "urn:vcred:lote:extension:authority:1"
READER_EXTENSION: Final = "urn:vcred:lote:extension:reader:1"
SERVICE_EXTENSION: Final = "urn:vcred:lote:extension:service:1"


LangTexts = tuple[tuple[str, str], ...]
"""Language tags and texts, as listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoteIdentity:
    """Who a service is. ``certificates`` are DER as listed, not parsed; ``keys`` are those that this SDK can use."""

    certificates: tuple[bytes, ...] = field(repr=False)
    keys: tuple[PublicKey, ...]
    other_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoteHistory:
    """A status that a service had, and since when."""

    status: str
    since: int
    identity: LoteIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class LoteService:
    """One service of an entity. A list without ``status`` lists only what is in force (clause 6.6.4)."""

    type: str | None
    names: LangTexts
    identity: LoteIdentity
    status: str | None
    since: int | None
    supply_points: tuple[str, ...]
    history: tuple[LoteHistory, ...]
    extensions: tuple[Mapping[str, Any], ...]

    def in_force(self, at: int) -> bool:
        """Whether the service has, since some time before ``at``, a status that is known to be good."""
        return self.status in _IN_FORCE and (self.since is None or self.since <= at)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoteEntity:
    """A trusted entity."""

    names: LangTexts
    information_uris: tuple[str, ...]
    services: tuple[LoteService, ...]
    extensions: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lote:
    """A list, parsed and NOT verified. ``next_update`` is ``None`` for a list that was closed."""

    sequence: int
    type: str | None
    operator: LangTexts
    names: LangTexts
    territory: str | None
    issued_at: int
    next_update: int | None
    entities: tuple[LoteEntity, ...]
    extensions: tuple[Mapping[str, Any], ...]
    jws: Jws = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedLote:
    """A list whose signature, signer, sequence and time were checked, and when that was."""

    lote: Lote
    signer: PublicKey
    at: int

    def certificates(self, service_type: str) -> tuple[bytes, ...]:
        """The certificates (DER) of the services of this type (see ``SERVICE_TYPES``) that are in force."""
        found = [
            der
            for entity in self.lote.entities
            for service in entity.services
            if service.type == service_type and service.in_force(self.at)
            for der in service.identity.certificates
        ]
        return tuple(dict.fromkeys(found))
