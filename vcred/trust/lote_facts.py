"""Take authorities and readers out of a list that this SDK wrote: what ``authorities.json`` says, read by its reader.

Certificates are those of the services, everything else is in our extensions. A list by other software has neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from vcred.errors import MalformedError, TrustError
from vcred.formats._wire import b64u_encode, dump_json
from vcred.reasons import ReasonCode
from vcred.trust.content import parse_authorities
from vcred.trust.lote_model import AUTHORITY_EXTENSION, LOTE_TYPE, READER_EXTENSION, SERVICE_EXTENSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vcred.trust.content import Authority, ReaderEntry
    from vcred.trust.lote_model import LoteEntity, VerifiedLote

__all__ = ["listed_by"]


def listed_by(verified: VerifiedLote) -> tuple[tuple[Authority, ...], tuple[ReaderEntry, ...]]:
    """The authorities and readers of a list of ``LOTE_TYPE``. Raises ``MalformedError`` with ``format``."""
    if verified.lote.type != LOTE_TYPE:
        _wrong("LoTE.LoTEType", "not a list that this SDK wrote")
    found: dict[str, list[dict[str, Any]]] = {"authority": [], "reader": []}
    for index, entity in enumerate(verified.lote.entities):
        path = f"LoTE.TrustedEntitiesList[{index}]"
        for kind, extension in (("authority", AUTHORITY_EXTENSION), ("reader", READER_EXTENSION)):
            facts = _extension(entity.extensions, extension)
            if facts is not None:
                found[kind].append(
                    _facts(facts.get(kind), _authority if kind == "authority" else _reader, entity, path)
                )
                break
        else:
            _wrong(path, "neither an authority nor a reader")
    try:
        return parse_authorities(
            dump_json({"format": 1, "authorities": found["authority"], "readers": found["reader"]})
        )
    except (TrustError, ValueError) as error:
        raise MalformedError(ReasonCode.FORMAT, "LoTE.TrustedEntitiesList", str(error)) from error


def _wrong(path: str, detail: str) -> NoReturn:
    raise MalformedError(ReasonCode.FORMAT, path, detail)


def _extension(extensions: Iterable[Mapping[str, Any]], kind: str) -> Mapping[str, Any] | None:
    return next((each for each in extensions if each.get("type") == kind), None)


def _facts(facts: Any, certificates: Any, entity: LoteEntity, path: str) -> dict[str, Any]:
    if not isinstance(facts, dict):
        _wrong(path, "the extension has no facts")
    found: dict[str, Any] = facts | certificates(entity, path)
    return found


def _authority(entity: LoteEntity, path: str) -> dict[str, Any]:
    anchors: dict[str, None] = {}
    signers: list[dict[str, Any]] = []
    for service in entity.services:
        about = _extension(service.extensions, SERVICE_EXTENSION) or {}
        certificates = [b64u_encode(der) for der in service.identity.certificates]
        if about.get("role") == "anchor":
            anchors |= dict.fromkeys(certificates)
        elif about.get("role") == "signer":
            chain = about.get("chain")
            if not isinstance(chain, list):
                _wrong(path, "a signer without a chain")
            signers.append({"kid": about.get("kid"), "chain": [*certificates, *chain]})
    return {"anchors": list(anchors), "signers": signers}


def _reader(entity: LoteEntity, path: str) -> dict[str, Any]:
    certificates = [der for service in entity.services for der in service.identity.certificates]
    if len(certificates) != 1:
        _wrong(path, "a reader has one certificate")
    return {"certificate": b64u_encode(certificates[0])}
