"""The data elements of an mdoc (ISO/IEC 18013-5 clause 9.1.2.5): made for an issue, and matched with their digests.

What ``match_items`` holds to:

1. a digest covers an item's bytes as received, its tag and length included, and never a re-encoding;
2. each item has exactly one digest, under its own namespace and its own digest ID, and no two share one;
3. an item is a map of exactly digestID, random (16 bytes or more), elementIdentifier and elementValue;
4. an identifier occurs once in a namespace;
5. limits hold before the work: 2,000 items, 256 KiB in one.

A digest without its item is what was kept back, or a decoy.
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from vcred.errors import MalformedError
from vcred.formats._cbor import Embedded, bstr, encode
from vcred.formats._mdoc_mso import MAX_DIGESTS, embed, is_text, map_head
from vcred.formats._mdoc_tree import MAX_ELEMENTS
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vcred.formats._mdoc_mso import Mso

__all__ = ["MAX_ITEM", "Item", "item_bytes", "make_items", "match_items"]

MAX_ITEM: Final = 256 * 1024
"""Bytes in one data element; a portrait is the largest there is."""

_RANDOM_BYTES: Final = 16
_DIGEST_BYTES: Final = 32
_EMBEDDED: Final = frozenset({Embedded})
_MEMBERS: Final = 4
_IDS: Final = [encode(digest_id) for digest_id in range(256)]
"""Digest IDs as few documents exceed them, encoded."""
_TAG_HEADS: Final = tuple(map(bytes.fromhex, ("d818", "d90018", "da00000018", "db0000000000000018")))
_LENGTHS: Final = ((0x58, 1), (0x59, 2), (0x5A, 4), (0x5B, 8))


class Item(NamedTuple):
    """One data element that has its digest. ``raw`` is as received, tag included."""

    namespace: str
    identifier: str
    value: Any
    raw: bytes


def make_items(elements: Mapping[str, Any], *, decoys: int) -> tuple[list[bytes], bytes]:
    """An item for each of ``elements``, with its tag, and the encoded map of the digests of all, and of ``decoys``.

    Digest IDs are in random order, so that neither they nor the order of the digests tells one element from another.
    Raises ``ValueError`` when there are too many.
    """
    count = len(elements) + decoys
    if count > MAX_DIGESTS:
        raise ValueError(f"more than {MAX_DIGESTS} digests")
    block = os.urandom(_RANDOM_BYTES * len(elements) + _RANDOM_BYTES * count + _DIGEST_BYTES * decoys)
    randoms = [block[start : start + _RANDOM_BYTES] for start in range(0, len(block), _RANDOM_BYTES)]
    order = sorted(range(count), key=randoms[len(elements) :].__getitem__)
    encoded = [encode(digest_id) for digest_id in range(count)] if count > len(_IDS) else _IDS
    items = []
    # The members in the order of their keys (RFC 8949 section 4.2.1).
    for digest_id, random, (identifier, value) in zip(order, randoms, elements.items(), strict=False):
        parts = (
            b"\xa4\x66random\x50",
            random,
            b"\x68digestID",
            encoded[digest_id],
            b"\x6celementValue",
            encode(value),
            b"\x71elementIdentifier",
            encode(identifier),
        )
        items.append(embed(b"".join(parts)))
    digests = [sha256(item).digest() for item in items]
    digests += [block[-_DIGEST_BYTES * (index + 1) :][:_DIGEST_BYTES] for index in range(decoys)]
    members = [b""] * count
    for digest_id, digest in zip(order, digests, strict=True):
        members[digest_id] = encoded[digest_id] + b"\x58\x20" + digest
    return items, map_head(count) + b"".join(members)


def item_bytes(name_spaces: Mapping[Any, Any]) -> tuple[list[str], list[bytes]]:
    """The namespace and the encoded item of every element, not decoded.

    Raises ``MalformedError``: ``format``, ``limit``.
    """
    namespaces: list[str] = []
    raws: list[bytes] = []
    for namespace, items in name_spaces.items():
        if not is_text(namespace) or type(items) is not list or not items:
            raise MalformedError(ReasonCode.FORMAT, "nameSpaces", "not items by namespace")
        if not _EMBEDDED.issuperset(map(type, items)):
            raise MalformedError(ReasonCode.FORMAT, "nameSpaces", "an item that is not in a byte string with tag 24")
        if len(raws) + len(items) > MAX_ELEMENTS:
            raise MalformedError(ReasonCode.LIMIT, "nameSpaces", f"more than {MAX_ELEMENTS} items")
        namespaces += [namespace] * len(items)
        raws += [item.raw for item in items]
    if raws and max(map(len, raws)) > MAX_ITEM:
        raise MalformedError(ReasonCode.LIMIT, "nameSpaces", f"an item of more than {MAX_ITEM} bytes")
    return namespaces, raws


def match_items(
    namespaces: Sequence[str], raws: Sequence[bytes], decoded: Sequence[Any], mso: Mso, received: bytes
) -> list[Item]:
    """Every item with its digest in ``mso`` found; ``received`` are the bytes they came in.

    Raises ``MalformedError``: ``disclosure``, ``digest``, ``collision``.
    """
    found: list[Item] = []
    ids: list[tuple[str, int]] = []
    new = mso.hash
    for namespace, raw, item in zip(namespaces, raws, decoded, strict=True):
        digest_id, identifier, value = _read(item, len(found))
        digest = mso.digests[namespace].get(digest_id) if namespace in mso.digests else None
        whole = embed(raw)
        if digest is None or new(whole).digest() != digest:
            whole = _otherwise(raw, digest, mso, received, f"nameSpaces[{len(found)}]")
        ids.append((namespace, digest_id))
        found.append(Item(namespace, identifier, value, whole))
    if len(set(ids)) != len(ids):
        raise MalformedError(ReasonCode.DIGEST, "nameSpaces", "a digest ID used twice")
    if len({(item.namespace, item.identifier) for item in found}) != len(found):
        raise MalformedError(ReasonCode.COLLISION, "nameSpaces", "an element twice")
    return found


def _read(item: Any, index: int) -> tuple[int, str, Any]:
    """The digest ID, the identifier and the value of a decoded item."""
    try:
        digest_id, random, identifier = item["digestID"], item["random"], item["elementIdentifier"]
        value, count = item["elementValue"], len(item)
    except (LookupError, TypeError):
        count = 0
    if count != _MEMBERS:
        raise _refusal(index, "not digestID, random, elementIdentifier and elementValue")
    if type(random) is not bytes or len(random) < _RANDOM_BYTES:
        raise _refusal(index, f"random is not {_RANDOM_BYTES} bytes or more")
    if type(digest_id) is not int:
        raise MalformedError(ReasonCode.DIGEST, f"nameSpaces[{index}]", "digestID is not an integer")
    if type(identifier) is not str:
        raise _refusal(index, "elementIdentifier is not text")
    return digest_id, identifier, value


def _refusal(index: int, detail: str) -> MalformedError:
    return MalformedError(ReasonCode.DISCLOSURE, f"nameSpaces[{index}]", detail)


def _otherwise(raw: bytes, digest: bytes | None, mso: Mso, received: bytes, path: str) -> bytes:
    """The item with a tag or length that is longer than need be, if it was received so and that has the digest."""
    if digest is None:
        raise MalformedError(ReasonCode.DIGEST, path, "no digest with this ID in this namespace")
    for tag in _TAG_HEADS:
        for major, size in _LENGTHS:
            if len(raw) >> 8 * size:
                continue
            whole = b"".join((tag, bytes((major,)), len(raw).to_bytes(size, "big"), raw))
            if whole in received and mso.hash(whole).digest() == digest:
                return whole
        whole = tag + bstr(raw)
        if whole in received and mso.hash(whole).digest() == digest:
            return whole
    raise MalformedError(ReasonCode.DIGEST, path, "not what the issuer signed")
