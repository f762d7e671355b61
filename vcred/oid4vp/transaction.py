"""Transaction data (OpenID4VP 1.0 sections 5.1, 8.4 and B.3.3): what the holder agrees to besides showing something.

A wallet signs the hash of what it was sent, letter for letter, so it must have shown all of it: a type that it does not
know, or a member that the type does not have, is refused. How an answer carries it is for the type to say; ours says:
the hashes in a key-binding JWT (B.3.3.1), which ``dc+sd-jwt`` and ``vc+sd-jwt`` have. In an mdoc it would be an element
that the holder's key signs, and only one that the issuer let that key sign (``KeyAuthorizations``, B.2.1): our mdocs
authorize none, so it is refused there, as that section demands. ``sd-cwt``, ``vc+jwt`` and ``ldp_vc`` have no place
for it that any standard names.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError, RefusedError
from vcred.formats._wire import b64u_decode, b64u_encode, dump_json, parse_json
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vcred.dcql import DcqlQuery

__all__ = [
    "BINDING_FORMATS",
    "STATEMENT",
    "TRANSACTION_TYPES",
    "TransactionData",
    "build_transaction_data",
    "parse_transaction_data",
    "transaction_claims",
]

STATEMENT: Final = "urn:vcred:transaction:statement:1"
"""A statement that the holder agrees to: ``statement`` is shown in full, ``reference`` is the asker's own number."""

TRANSACTION_TYPES: Final[Mapping[str, Mapping[str, bool]]] = MappingProxyType(
    {STATEMENT: MappingProxyType({"statement": True, "reference": False})}
)
"""Types that are known, each with its members (texts) and whether they must be there."""

BINDING_FORMATS: Final = ("dc+sd-jwt", "vc+sd-jwt")
"""Formats whose presentations carry the hashes."""

_HASHES: Final = {"sha-256": hashlib.sha256, "sha-384": hashlib.sha384, "sha-512": hashlib.sha512}
_COMMON: Final = frozenset({"type", "credential_ids", "transaction_data_hashes_alg"})
_MAX_DATA: Final = 16_384
_MAX_COUNT: Final = 16
_MAX_TEXT: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionData:
    """One thing to agree to. ``raw`` is what is hashed; ``body`` has the members of its type.

    ``hash_alg`` is the one to use; ``named`` says whether the request named algorithms, and the answer has to.
    """

    type: str
    credential_ids: tuple[str, ...]
    hash_alg: str
    named: bool
    body: Mapping[str, str] = field(repr=False)
    raw: str = field(repr=False)

    def digest(self) -> str:
        """What a key-binding JWT has of it."""
        return b64u_encode(_HASHES[self.hash_alg](self.raw.encode("ascii")).digest())


def build_transaction_data(type: str, body: Mapping[str, str], *, credential_ids: Sequence[str]) -> str:  # noqa: A002
    """One element of ``transaction_data``. Raises ``RefusedError`` for what ``parse_transaction_data`` would refuse."""
    raw = b64u_encode(dump_json({"type": type, "credential_ids": list(credential_ids), **body}))
    _parse(raw, "transaction_data", TRANSACTION_TYPES)
    return raw


def parse_transaction_data(
    value: Any, query: DcqlQuery, *, types: Mapping[str, Mapping[str, bool]] = TRANSACTION_TYPES
) -> tuple[TransactionData, ...]:
    """Read the request parameter against the query it came with.

    Raises ``RefusedError`` with ``transaction_data`` for everything that is ``invalid_transaction_data``.
    """
    path = "request.transaction_data"
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_COUNT:
        raise _wrong(path, f"must be 1 to {_MAX_COUNT} texts")
    found = tuple(_parse(one, f"{path}[{index}]", types) for index, one in enumerate(value))
    known = {one.id: one for one in query.credentials}
    for index, one in enumerate(found):
        where = f"{path}[{index}].credential_ids"
        named = [known.get(name) for name in one.credential_ids]
        if any(each is None for each in named):
            raise _wrong(where, "names a credential that is not asked for")
        if not all(each is not None and each.holder_binding for each in named):
            raise _wrong(where, "nobody's signature can agree to it")
        if not any(each is not None and each.format in BINDING_FORMATS for each in named):
            raise _wrong(where, "in no format that can carry it")
    return found


def transaction_claims(data: Sequence[TransactionData]) -> dict[str, Any]:
    """The members of the key-binding JWT that agree to all of ``data``; nothing for nothing.

    Raises ``ValueError`` when they are to be hashed with different algorithms, which one JWT cannot say.
    """
    if not data:
        return {}
    if len({one.hash_alg for one in data}) != 1:
        raise ValueError("one key-binding JWT has one hash algorithm")
    claims: dict[str, Any] = {"transaction_data_hashes": [one.digest() for one in data]}
    if any(one.named for one in data):
        claims["transaction_data_hashes_alg"] = data[0].hash_alg
    return claims


def _parse(raw: Any, path: str, types: Mapping[str, Mapping[str, bool]]) -> TransactionData:
    if not isinstance(raw, str) or not 0 < len(raw) <= _MAX_DATA:
        raise _wrong(path, f"must be text of 1 to {_MAX_DATA} characters")
    try:
        body = parse_json(b64u_decode(raw, path), path, max_bytes=_MAX_DATA, max_depth=4)
    except MalformedError as error:
        raise _wrong(path, error.detail) from None
    if not isinstance(body, dict):
        raise _wrong(path, "not an object")
    kind = body.get("type")
    members = types.get(kind) if isinstance(kind, str) else None
    if members is None:
        raise _wrong(f"{path}.type", "not a type that is known here")
    if not body.keys() <= _COMMON | members.keys():
        raise _wrong(path, "has a member that its type does not have")
    if not all(name in body for name, required in members.items() if required):
        raise _wrong(path, "a member is missing")
    texts = {name: body[name] for name in members if name in body}
    if not all(isinstance(text, str) and 0 < len(text) <= _MAX_TEXT for text in texts.values()):
        raise _wrong(path, "a member is not text of a size that can be shown")
    ids = body.get("credential_ids")
    if not isinstance(ids, list) or not 0 < len(ids) <= 64 or not all(isinstance(one, str) for one in ids):
        raise _wrong(f"{path}.credential_ids", "must be a list of texts that is not empty")
    return TransactionData(
        type=str(kind),
        credential_ids=tuple(ids),
        hash_alg=_hash_alg(body, path),
        named="transaction_data_hashes_alg" in body,
        body=MappingProxyType(texts),
        raw=raw,
    )


def _hash_alg(body: Mapping[str, Any], path: str) -> str:
    found = body.get("transaction_data_hashes_alg", ["sha-256"])
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise _wrong(f"{path}.transaction_data_hashes_alg", "must be a list of texts that is not empty")
    for name in _HASHES:
        if name in found:
            return name
    raise _wrong(f"{path}.transaction_data_hashes_alg", "no algorithm that is known here")


def _wrong(path: str, detail: str) -> RefusedError:
    return RefusedError(ReasonCode.TRANSACTION_DATA, path, detail)
