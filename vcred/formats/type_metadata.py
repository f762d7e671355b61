"""SD-JWT VC Type Metadata: a type, the types it extends, and what they say together.

Documents are passed in, as the exact bytes that were published and pinned; nothing here is ever fetched. Rules:

1. a document's ``vct`` is the reference it was found by;
2. an ``#integrity`` value beside a reference is checked over the document's bytes (Subresource Integrity);
3. ``extends`` neither returns to a type already seen nor goes on beyond a limit;
4. claim metadata is inherited path by path, the child's properties taking precedence; ``sd`` may only go from
   ``allowed`` to ``always`` or ``never``, and ``mandatory`` only from false to true;
5. ``display`` of a type is inherited whole, unless the child has its own.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vcred.errors import MalformedError
from vcred.formats._wire import parse_json
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TypeMetadata", "check_integrity", "resolve_type_metadata"]

_MAX_BYTES = 256 * 1024
_MAX_CLAIMS = 1000
_MAX_EXTENDS = 8
_HASHES = ("sha512", "sha384", "sha256")
_EXTENDS = ("extends", "extends#integrity")
_SD = ("always", "allowed", "never")


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeMetadata:
    """``chain`` is the type and what it extends, nearest first; ``document`` is the effective metadata.

    Properties this module does not know are kept as they are in the type's own document.
    """

    chain: tuple[str, ...]
    document: Mapping[str, Any] = field(repr=False)


def resolve_type_metadata(
    vct: str, documents: Mapping[str, bytes], *, integrity: str | None, max_extends: int = _MAX_EXTENDS
) -> TypeMetadata:
    """The effective metadata of ``vct``. ``integrity`` is the credential's ``vct#integrity``, ``None`` if it has none.

    Raises ``MalformedError`` with ``metadata`` when a document is missing, changed, malformed, in a circle, extends
    more than ``max_extends`` types, or loosens what it extends.
    """
    chain: list[str] = []
    parts: list[dict[str, Any]] = []
    reference: str | None = vct
    while reference is not None:
        if reference in chain:
            raise _error(reference, "the types extend each other in a circle")
        if len(chain) > max_extends:
            raise _error(vct, f"more than {max_extends} extended types")
        document = _read(reference, documents, integrity)
        chain.append(reference)
        parts.append(document)
        reference, integrity = document.get("extends"), document.get("extends#integrity")
    merged = parts.pop()
    while parts:
        merged = _extend(merged, parts.pop())
    merged = {name: value for name, value in merged.items() if name not in _EXTENDS}
    return TypeMetadata(chain=tuple(chain), document=merged)


def check_integrity(integrity: str, content: bytes, path: str = "") -> None:
    """Hold ``content`` against Subresource Integrity text: one of the strongest hashes it names must match.

    Raises ``MalformedError`` with ``metadata``, also when it names no SHA-2 hash at all.
    """
    expected: dict[str, list[str]] = {}
    for item in integrity.split():
        name, _, value = item.partition("-")
        expected.setdefault(name, []).append(value.partition("?")[0])
    for name in _HASHES:
        if name in expected:
            found = b64encode(hashlib.new(name, content).digest())
            if any(hmac.compare_digest(found, value.encode()) for value in expected[name]):
                return
            raise MalformedError(ReasonCode.METADATA, path, f"the {name} integrity does not match")
    raise MalformedError(ReasonCode.METADATA, path, "no known integrity hash")


def _error(vct: str, detail: str) -> MalformedError:
    return MalformedError(ReasonCode.METADATA, vct, detail)


def _read(vct: str, documents: Mapping[str, bytes], integrity: str | None) -> dict[str, Any]:
    if vct not in documents:
        raise _error(vct, "no pinned document for this type")
    raw = documents[vct]
    if integrity is not None:
        check_integrity(integrity, raw, vct)
    try:
        document = parse_json(raw, vct, max_bytes=_MAX_BYTES)
    except MalformedError as error:
        raise _error(vct, error.detail) from error
    if not isinstance(document, dict) or document.get("vct") != vct:
        raise _error(vct, "the document is not about this type")
    for name in _EXTENDS:
        if name in document and (not isinstance(document[name], str) or not document[name]):
            raise _error(vct, f"{name} is not text")
    if "extends#integrity" in document and "extends" not in document:
        raise _error(vct, "extends#integrity without extends")
    _check_claims(vct, document.get("claims", []))
    return document


def _check_claims(vct: str, claims: Any) -> None:
    if not isinstance(claims, list) or len(claims) > _MAX_CLAIMS:
        raise _error(vct, "claims is not a list of reasonable length")
    for claim in claims:
        if not isinstance(claim, dict) or not _is_path(claim.get("path")):
            raise _error(vct, "a claim has no valid path")
        if claim.get("sd", "allowed") not in _SD:
            raise _error(vct, "sd is not always, allowed or never")
        if not isinstance(claim.get("mandatory", False), bool):
            raise _error(vct, "mandatory is not a boolean")
    if len({_key(claim["path"]) for claim in claims}) != len(claims):
        raise _error(vct, "two claims have one path")


def _is_path(path: Any) -> bool:
    return (
        isinstance(path, list)
        and bool(path)
        and all(part is None or type(part) is str or (type(part) is int and part >= 0) for part in path)
    )


def _key(path: list[Any]) -> tuple[Any, ...]:
    return tuple(path)


def _extend(base: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    merged = dict(child)
    if "display" in base and "display" not in child:
        merged["display"] = base["display"]
    claims = {_key(claim["path"]): claim for claim in base.get("claims", [])}
    for claim in child.get("claims", []):
        key = _key(claim["path"])
        if key in claims:
            _check_tightening(child["vct"], claims[key], claim)
        claims[key] = {**claims.get(key, {}), **claim}
    if claims:
        merged["claims"] = list(claims.values())
    return merged


def _check_tightening(vct: str, base: dict[str, Any], child: dict[str, Any]) -> None:
    before = base.get("sd", "allowed")
    if before != "allowed" and child.get("sd", before) != before:
        raise _error(vct, "sd of an extended claim is changed from always or never")
    if base.get("mandatory", False) and not child.get("mandatory", True):
        raise _error(vct, "a mandatory claim of the extended type is made optional")
