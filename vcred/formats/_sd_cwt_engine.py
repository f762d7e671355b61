"""Redaction in CBOR claim maps (draft-ietf-spice-sd-cwt sections 5 to 9): hiding claims, and finding them again.

This is the engine only. It knows no certificate type, no issuer and no key; ``sd_cwt`` is the format made with it.
A *scope* says which map keys there may be and how they are called: a ``LabelMap`` (integers of one certificate
type), ``None`` (text, called what it says) or ``RAW`` (integers and text as they are).

What ``reveal`` holds to:

1. a digest is SHA-256 over the byte string that wraps a disclosure, header included, in its shortest form;
2. every digest occurs once in the whole tree, matched or not; every disclosure is matched exactly once;
3. a map member comes from ``[salt, value, key]``, an array element from ``[salt, value]``, a decoy from ``[salt]``;
4. a disclosed key is not there already, and the claims that say whose and what this is are never disclosed ones;
5. limits hold before the work: 2,000 disclosures, 28 levels in the tree as a whole.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vcred.claims import SD
from vcred.errors import MalformedError
from vcred.formats._cbor import REDACTED_KEYS, Redacted, bstr, decode_all, encode
from vcred.formats._cwt_claims import CERTIFICATE_CLAIMS
from vcred.formats.base import LabelMap
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vcred.formats._paths import Parts

__all__ = [
    "MAX_DEPTH",
    "MAX_DISCLOSURES",
    "MUST_BE_PLAIN",
    "RAW",
    "Matcher",
    "Revealed",
    "Scope",
    "conceal",
    "digest_of",
    "fresh_salts",
    "match_disclosures",
    "reveal",
]

MAX_DISCLOSURES: Final = 2000
# Below the decoder's 32 levels, with room for the payload, the certificate's own map and a tag.
MAX_DEPTH: Final = 28
MUST_BE_PLAIN: Final = frozenset({1, 3, 4, 5, 6, 7, 8, 11, 39, 65535, CERTIFICATE_CLAIMS})
"""iss, aud, exp, nbf, iat, cti, cnf, cnonce (draft section 7), and ours: vct, status, the certificate's own map."""

_SALT_BYTES: Final = 16
_MIN_SALT: Final = 8
_MAX_KEY: Final = 255
_DIGEST_BYTES: Final = 32
_DIGEST_SIZES: Final = frozenset({_DIGEST_BYTES})
_BYTES: Final = frozenset({bytes})
_ARRAY_OF: Final = (b"\x81\x50", b"\x82\x50", b"\x83\x50")
"""The heads of a disclosure and of its salt, by what follows."""

_PAYLOAD_TAGS: Final = frozenset({60})
_JSON_LEAVES: Final = frozenset({str, int, bool, type(None)})
_RAW_LEAVES: Final = _JSON_LEAVES | {bytes, float}


class _Raw:
    __slots__ = ()


RAW: Final = _Raw()
"""The scope of plain CWT claims: keys as they are, byte strings and floats allowed as values."""

Scope = LabelMap | _Raw | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revealed:
    """A claim map with its disclosures put in place and every trace of redaction removed.

    ``disclosed`` maps the parts of a revealed node to the content of its disclosure. ``hidden`` counts, for each
    array, the elements nothing was disclosed for; ``undisclosed`` counts all such digests. A decoy that was not
    disclosed looks like a hidden claim in both.
    """

    claims: dict[Any, Any] = field(repr=False)
    disclosed: dict[Parts, bytes] = field(repr=False)
    hidden: dict[Parts, int] = field(repr=False)
    undisclosed: int


def digest_of(content: bytes) -> bytes:
    """The digest under which a claim map refers to a disclosure."""
    return hashlib.sha256(bstr(content)).digest()


def reveal(payload: dict[Any, Any], disclosures: Sequence[Any], *, path: str = "payload") -> Revealed:
    """Put ``disclosures`` where their digests are, in a raw claim map, which is itself left alone.

    Raises ``MalformedError`` as ``Matcher`` does, and with ``unused_disclosure``.
    """
    matcher = match_disclosures(disclosures, path)
    claims = matcher.map(payload, RAW, ())
    matcher.finish()
    return Revealed(claims=claims, disclosed=matcher.disclosed, hidden=matcher.hidden, undisclosed=matcher.undisclosed)


def match_disclosures(disclosures: Sequence[Any], path: str) -> Matcher:
    """Read ``disclosures`` (their contents, undecoded) and return a ``Matcher`` that waits for their digests.

    Raises ``MalformedError`` with ``limit``, ``cbor``, ``depth``, ``tag``, ``disclosure``, ``duplicate_disclosure``.
    """
    if len(disclosures) > MAX_DISCLOSURES:
        raise MalformedError(ReasonCode.LIMIT, "disclosures", f"more than {MAX_DISCLOSURES} disclosures")
    if not _BYTES.issuperset(map(type, disclosures)):
        raise MalformedError(ReasonCode.DISCLOSURE, "disclosures", "a disclosure that is not a byte string")
    size = sum(map(len, disclosures))
    items = decode_all(disclosures, "disclosures", max_bytes=size, max_depth=MAX_DEPTH, tags=_PAYLOAD_TAGS)
    waiting: dict[bytes, tuple[bytes, list[Any]]] = {}
    for index, item in enumerate(items):
        if type(item) is not list or not 1 <= len(item) <= 3:
            raise MalformedError(ReasonCode.DISCLOSURE, f"disclosures[{index}]", "not an array of one to three")
        if type(item[0]) is not bytes or len(item[0]) < _MIN_SALT:
            raise MalformedError(ReasonCode.DISCLOSURE, f"disclosures[{index}][0]", f"no salt of {_MIN_SALT} bytes")
        if len(item) == 3 and type(item[2]) is not int and type(item[2]) is not str:
            raise MalformedError(ReasonCode.DISCLOSURE, f"disclosures[{index}][2]", "the key is not integer or text")
        content = disclosures[index]
        waiting[digest_of(content)] = (content, item)
    if len(waiting) != len(disclosures):
        raise MalformedError(ReasonCode.DUPLICATE_DISCLOSURE, "disclosures", "a disclosure appears twice")
    return Matcher(waiting, path)


class Matcher:
    """One walk over a payload, possibly in several parts. ``waiting`` holds what no digest has called for yet.

    Its methods raise ``MalformedError`` with ``claim_type``, ``digest``, ``duplicate_digest``, ``disclosure``,
    ``collision``, ``must_be_plain``, ``depth``.
    """

    __slots__ = ("disclosed", "hidden", "path", "seen", "undisclosed", "waiting")

    def __init__(self, waiting: dict[bytes, tuple[bytes, list[Any]]], path: str) -> None:
        self.waiting = waiting
        self.path = path
        self.seen: set[bytes] = set()
        self.disclosed: dict[Parts, bytes] = {}
        self.hidden: dict[Parts, int] = {}
        self.undisclosed = 0

    def finish(self) -> None:
        """Refuse what nothing referred to. Raises ``MalformedError`` with ``unused_disclosure``."""
        if self.waiting:
            raise MalformedError(ReasonCode.UNUSED_DISCLOSURE, "disclosures", "a disclosure no digest refers to")

    def map(self, node: dict[Any, Any], scope: Scope, at: Parts) -> dict[Any, Any]:
        """``node`` without redaction, its keys called as ``scope`` calls them."""
        leaves = _RAW_LEAVES if scope is RAW else _JSON_LEAVES
        out: dict[Any, Any] = {}
        for key, value in node.items():
            if key is REDACTED_KEYS:
                continue
            name, below = self._name(key, scope, at)
            out[name] = value if type(value) in leaves else self._inner(value, below, (*at, name))
        if REDACTED_KEYS in node:
            self._members(node[REDACTED_KEYS], out, scope, at)
        return out

    def _members(self, digests: Any, out: dict[Any, Any], scope: Scope, at: Parts) -> None:
        if type(digests) is not list:
            raise MalformedError(ReasonCode.DIGEST, self._where(at), "redacted keys are not an array")
        for content, item in self._take(digests, at):
            if len(item) == 1:
                continue
            if len(item) != 3:
                raise MalformedError(ReasonCode.DISCLOSURE, self._where(at), "an array element among map members")
            if scope is RAW and not at and item[2] in MUST_BE_PLAIN:
                raise MalformedError(ReasonCode.MUST_BE_PLAIN, self._where((item[2],)), "it came from a disclosure")
            name, below = self._name(item[2], scope, at)
            if name in out:
                raise MalformedError(ReasonCode.COLLISION, self._where((*at, name)), "the key is there already")
            self.disclosed[*at, name] = content
            out[name] = self._inner(item[1], below, (*at, name))

    def _array(self, node: list[Any], scope: Scope, at: Parts) -> list[Any]:
        out: list[Any] = []
        hidden = 0
        for element in node:
            value = element
            here = (*at, len(out))
            if type(element) is Redacted:
                found = self._take([element.digest], at)
                if not found:
                    hidden += 1
                    continue
                content, item = found[0]
                if len(item) == 1:
                    continue
                if len(item) != 2:
                    raise MalformedError(ReasonCode.DISCLOSURE, self._where(at), "a map member among array elements")
                self.disclosed[here] = content
                value = item[1]
            out.append(self._inner(value, scope, here))
        if hidden:
            self.hidden[at] = hidden
        return out

    def _inner(self, value: Any, scope: Scope, at: Parts) -> Any:
        kind = type(value)
        if kind in _JSON_LEAVES:
            return value
        # Every level of the tree is one part of the path.
        if len(at) >= MAX_DEPTH:
            raise MalformedError(ReasonCode.DEPTH, self.path, "nested too deeply")
        if kind is dict:
            return self.map(value, scope, at)
        if kind is list:
            return self._array(value, scope, at)
        if scope is not RAW or kind not in _RAW_LEAVES:
            raise MalformedError(ReasonCode.CLAIM_TYPE, self._where(at), "not text, integer, boolean or null")
        return value

    def _take(self, digests: list[Any], at: Parts) -> list[tuple[bytes, list[Any]]]:
        """What was disclosed for ``digests``; they count as seen."""
        if not _BYTES.issuperset(map(type, digests)) or not _DIGEST_SIZES.issuperset(map(len, digests)):
            raise MalformedError(ReasonCode.DIGEST, self._where(at), f"not digests of {_DIGEST_BYTES} bytes")
        expected = len(self.seen) + len(digests)
        self.seen.update(digests)
        if len(self.seen) != expected:
            raise MalformedError(ReasonCode.DUPLICATE_DIGEST, self._where(at), "a digest appears twice")
        waiting = self.waiting
        found = [waiting.pop(digest) for digest in digests if digest in waiting]
        self.undisclosed += len(digests) - len(found)
        return found

    def _name(self, key: Any, scope: Scope, at: Parts) -> tuple[Any, Scope]:
        if type(scope) is LabelMap:
            # Keys are integers or text, so this finds nothing that merely equals a label.
            known = scope.names.get(key)
            if known is None:
                raise MalformedError(ReasonCode.CLAIM_TYPE, self._where(at), "a key that is no label of this type")
            return known
        if type(key) is str:
            if len(key) > _MAX_KEY or len(key.encode()) > _MAX_KEY:
                raise MalformedError(ReasonCode.CLAIM_TYPE, self._where(at), f"a key of more than {_MAX_KEY} bytes")
        elif scope is None:
            raise MalformedError(ReasonCode.CLAIM_TYPE, self._where(at), "a key that is not text")
        return key, scope

    def _where(self, at: Parts) -> str:
        return self.path + "".join(f"[{part}]" for part in at)


def conceal(
    claims: Mapping[Any, Any], scope: Scope, *, salts: Iterator[bytes], decoys: int
) -> tuple[dict[Any, Any], list[bytes]]:
    """Replace every ``SD`` in ``claims`` by a digest, innermost first, and every name by its key in ``scope``.

    Returns the claim map and the contents of the disclosures, those of decoys among them. Digests are sorted, so
    that their order tells nothing; ``decoys`` are added to each map and array that hides something.
    Raises ``ValueError`` for a name without label or a tree deeper than 28, ``TypeError`` for what is not JSON.
    """
    work = _Concealer(salts, decoys)
    return work.map(claims, scope, 1), work.contents


def fresh_salts() -> Iterator[bytes]:
    """Salts of 128 random bits, drawn from the system 32 at a time."""
    while True:
        block = os.urandom(32 * _SALT_BYTES)
        for start in range(0, len(block), _SALT_BYTES):
            yield block[start : start + _SALT_BYTES]


class _Concealer:
    __slots__ = ("contents", "decoys", "salts")

    def __init__(self, salts: Iterator[bytes], decoys: int) -> None:
        self.salts = salts
        self.decoys = decoys
        self.contents: list[bytes] = []

    def map(self, node: Mapping[Any, Any], scope: Scope, depth: int) -> dict[Any, Any]:
        known: Mapping[Any, tuple[Any, Scope]] = scope.labels if isinstance(scope, LabelMap) else {}
        out: dict[Any, Any] = {}
        hidden: list[tuple[Any, ...]] = []
        for name, value in node.items():
            key, below = known.get(name) or _label(name, scope)
            inner = value.value if type(value) is SD else value
            if type(inner) not in _JSON_LEAVES:
                inner = self._value(inner, below, scope, depth)
            if type(value) is SD:
                hidden.append((inner, key))
            else:
                out[key] = inner
        if hidden:
            out[REDACTED_KEYS] = sorted(self._disclose([*hidden, *[()] * self.decoys]))
        return out

    def _array(self, node: Any, scope: Scope, depth: int) -> list[Any]:
        out = [
            Redacted(*self._disclose([(self._value(element.value, scope, scope, depth),)]))
            if type(element) is SD
            else self._value(element, scope, scope, depth)
            for element in node
        ]
        if any(type(element) is SD for element in node):
            for _ in range(self.decoys):
                out.insert(secrets.randbelow(len(out) + 1), Redacted(*self._disclose([()])))
        return out

    def _value(self, value: Any, below: Scope, scope: Scope, depth: int) -> Any:
        if type(value) in (_RAW_LEAVES if scope is RAW else _JSON_LEAVES):
            return value
        if depth >= MAX_DEPTH:
            raise ValueError(f"the claims are nested more than {MAX_DEPTH} levels deep")
        if isinstance(value, Mapping):
            return self.map(value, below, depth + 1)
        if isinstance(value, (list, tuple)):
            return self._array(value, below, depth + 1)
        raise TypeError(f"{type(value).__name__} is not a claim value")

    def _disclose(self, hidden: list[tuple[Any, ...]]) -> list[bytes]:
        """The digests of new disclosures: of a member (value, key), an element (value,) or a decoy ()."""
        contents = [b"".join((_ARRAY_OF[len(parts)], next(self.salts), *map(encode, parts))) for parts in hidden]
        self.contents += contents
        return [hashlib.sha256(bstr(content)).digest() for content in contents]


def _label(name: Any, scope: Scope) -> tuple[Any, Scope]:
    if isinstance(scope, LabelMap):
        if name not in scope.labels:
            raise ValueError(f"{name!r} has no label in this certificate type")
        return scope.labels[name]
    if type(name) is not str and (scope is None or type(name) is not int):
        raise TypeError("a claim name is text")
    if type(name) is str and len(name.encode()) > _MAX_KEY:
        raise ValueError("a claim name of more than 255 bytes")
    return name, scope
