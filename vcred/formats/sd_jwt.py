"""SD-JWT (RFC 9901): hiding claims behind digests, and matching disclosures with them again.

This is the engine only. It knows no certificate type, no issuer and no key; ``sd_jwt_vc`` is the credential format
made with it and ``sd_jwt_json`` the other serialisation.

What ``process`` holds to (RFC 9901 section 7.1):

1. a digest is taken over the text of a disclosure as received, never over a re-encoding;
2. every digest occurs once in the whole tree, matched or not; every disclosure is matched exactly once;
3. an object member comes from three elements, an array element from two; salt and name are text, and a name is none
   of ``_sd``, ``...``, ``_sd_alg`` and not there already;
4. ``_sd_alg`` stands at the top and nowhere else;
5. limits hold before the work: 2,000 disclosures, 32 nested containers in the tree as a whole.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from hashlib import sha256, sha384, sha512
from typing import TYPE_CHECKING, Any

from vcred.claims import SD
from vcred.errors import MalformedError
from vcred.formats._wire import b64u_all, b64u_bytes, b64u_decode, b64u_encode, dump_json, parse_json_all
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from vcred.formats._paths import Parts

__all__ = [
    "DEFAULT_HASH",
    "MAX_DEPTH",
    "MAX_DISCLOSURES",
    "MAX_TOKEN",
    "Parsed",
    "Processed",
    "conceal",
    "digest_of",
    "fresh_salts",
    "process",
    "split",
]

MAX_TOKEN = 256 * 1024
MAX_PAYLOAD = 128 * 1024
MAX_DISCLOSURES = 2000
MAX_DEPTH = 32
RESERVED = frozenset({"_sd", "...", "_sd_alg"})
DEFAULT_HASH = "sha-256"
_HASHES: dict[str, Callable[[bytes], bytes]] = {
    "sha-256": lambda data: sha256(data).digest(),
    "sha-384": lambda data: sha384(data).digest(),
    "sha-512": lambda data: sha512(data).digest(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """The pieces of an SD-JWT or SD-JWT+KB. ``bound`` is what ``sd_hash`` is taken over, final tilde included."""

    jwt: bytes = field(repr=False)
    disclosures: tuple[bytes, ...] = field(repr=False)
    key_binding: bytes | None = field(repr=False)
    bound: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """A payload with its disclosures put in place and every trace of hiding removed.

    ``disclosed`` maps the parts of a revealed node to the disclosure that revealed it. ``hidden`` counts, for each
    array, the placeholders nothing was disclosed for; decoys among them look the same. Array indexes are those of
    ``payload``: with everything disclosed they are the issuer's own.
    """

    payload: dict[str, Any] = field(repr=False)
    disclosed: dict[Parts, bytes] = field(repr=False)
    hidden: dict[Parts, int] = field(repr=False)


def split(raw: bytes, path: str = "") -> Parsed:
    """Take the compact form apart (RFC 9901 section 4).

    Raises ``MalformedError`` with ``limit``, ``size`` or ``format``.
    """
    jwt, *disclosures = raw.split(b"~", MAX_DISCLOSURES + 2)
    if len(disclosures) > MAX_DISCLOSURES + 1:
        raise MalformedError(ReasonCode.LIMIT, path, f"more than {MAX_DISCLOSURES} disclosures")
    if len(raw) > MAX_TOKEN:
        raise MalformedError(ReasonCode.SIZE, path, f"more than {MAX_TOKEN} bytes")
    if not jwt or not disclosures:
        raise MalformedError(ReasonCode.FORMAT, path, "no SD-JWT: the tilde after the issuer-signed JWT is missing")
    last = disclosures.pop()
    if not all(disclosures) or b"." in b"".join(disclosures):
        raise MalformedError(ReasonCode.FORMAT, path, "an empty disclosure, or a JWT in place of one")
    if last and last.count(b".") != 2:
        raise MalformedError(ReasonCode.FORMAT, path, "what follows the last tilde is no key-binding JWT")
    return Parsed(
        jwt=jwt,
        disclosures=tuple(disclosures),
        key_binding=last or None,
        bound=raw[: len(raw) - len(last)],
    )


def digest_of(sd_alg: Any, path: str = "payload") -> Callable[[bytes], bytes]:
    """The digest function that ``_sd_alg`` names (RFC 9901 section 4.1.1), letter for letter.

    Raises ``MalformedError`` with ``sd_alg``.
    """
    digest = _HASHES.get(sd_alg) if isinstance(sd_alg, str) else None
    if digest is None:
        raise MalformedError(ReasonCode.SD_ALG, f"{path}._sd_alg", "not sha-256, sha-384 or sha-512")
    return digest


def process(payload: dict[str, Any], disclosures: Sequence[bytes], *, path: str = "payload") -> Processed:
    """Put ``disclosures`` where their digests are (RFC 9901 section 7.1). ``payload`` itself is left alone.

    Raises ``MalformedError`` with ``limit``, ``sd_alg``, ``encoding``, ``json``, ``duplicate_key``, ``disclosure``,
    ``duplicate_disclosure``, ``digest``, ``duplicate_digest``, ``collision``, ``depth`` or ``unused_disclosure``.
    """
    if len(disclosures) > MAX_DISCLOSURES:
        raise MalformedError(ReasonCode.LIMIT, path, f"more than {MAX_DISCLOSURES} disclosures")
    digest = digest_of(payload.get("_sd_alg", DEFAULT_HASH), path)
    matcher = _Matcher(_contents(disclosures, digest), path)
    top = {name: value for name, value in payload.items() if name != "_sd_alg"}
    tree = matcher.object(top, (), 1)
    if matcher.waiting:
        raise MalformedError(ReasonCode.UNUSED_DISCLOSURE, "disclosures", "a disclosure no digest refers to")
    return Processed(payload=tree, disclosed=matcher.disclosed, hidden=matcher.hidden)


def conceal(
    claims: Mapping[str, Any],
    *,
    salts: Iterator[str],
    decoys: int = 0,
    encode: Callable[[Any], bytes] = dump_json,
) -> tuple[dict[str, Any], list[bytes]]:
    """Replace every ``SD`` in ``claims`` by a digest, innermost first (RFC 9901 sections 4.2 and 6.3).

    Returns the payload's claims, without ``_sd_alg`` (the hash is SHA-256), and the disclosures. Digests are sorted,
    and ``decoys`` are added to each object and array that hides something. ``encode`` writes a disclosure's JSON.
    Raises ``ValueError`` for a reserved name, a name that is not text, or a tree deeper than 32.
    """
    work = _Concealer(salts, decoys, encode)
    return work.object(claims, 1), work.disclosures


def fresh_salts() -> Iterator[str]:
    """Salts of 144 random bits in base64url (RFC 9901 section 9.3 asks for 128), drawn and encoded 32 at a time.

    18 bytes fill 24 characters exactly, so that a block is encoded in one pass and sliced.
    """
    while True:
        block = b64u_encode(os.urandom(576))
        for start in range(0, 768, 24):
            yield block[start : start + 24]


def _contents(disclosures: Sequence[bytes], digest: Callable[[bytes], bytes]) -> dict[str, tuple[bytes, list[Any]]]:
    raw = [b64u_decode(text, f"disclosures[{index}]") for index, text in enumerate(disclosures)]
    read = parse_json_all(raw, "disclosures", max_bytes=MAX_TOKEN, max_depth=MAX_DEPTH)
    for index, contents in enumerate(read):
        if type(contents) is not list or not 2 <= len(contents) <= 3:
            raise _bad_disclosure(index, "not an array of two or three")
        if type(contents[0]) is not str or not contents[0]:
            raise _bad_disclosure(index, "the salt is not text")
        if len(contents) == 3 and type(contents[1]) is not str:
            raise _bad_disclosure(index, "the claim name is not text")
    digests = b64u_all([digest(text) for text in disclosures])
    by_digest = dict(zip(digests, zip(disclosures, read, strict=True), strict=True))
    if len(by_digest) != len(disclosures):
        raise MalformedError(ReasonCode.DUPLICATE_DISCLOSURE, "disclosures", "a disclosure appears twice")
    return by_digest


def _bad_disclosure(index: int, detail: str) -> MalformedError:
    return MalformedError(ReasonCode.DISCLOSURE, f"disclosures[{index}]", detail)


class _Matcher:
    """One walk over the payload. ``waiting`` holds the disclosures no digest has called for yet."""

    __slots__ = ("disclosed", "hidden", "path", "seen", "waiting")

    def __init__(self, waiting: dict[str, tuple[bytes, list[Any]]], path: str) -> None:
        self.waiting = waiting
        self.path = path
        self.seen: set[str] = set()
        self.disclosed: dict[Parts, bytes] = {}
        self.hidden: dict[Parts, int] = {}

    def value(self, value: Any, at: Parts, depth: int) -> Any:
        if type(value) is dict:
            return self.object(value, at, depth)
        if type(value) is list:
            return self.array(value, at, depth)
        return value

    def object(self, node: dict[str, Any], at: Parts, depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise self._error(ReasonCode.DEPTH, at, f"more than {MAX_DEPTH} nested containers")
        if "..." in node:
            raise self._error(ReasonCode.DIGEST, at, "an array placeholder outside an array, or with other members")
        if "_sd_alg" in node:
            raise self._error(ReasonCode.SD_ALG, at, "_sd_alg below the top level")
        called = self._calls(node["_sd"], at) if "_sd" in node else ()
        tree = {
            name: self.value(value, (*at, name), depth + 1) if type(value) in _CONTAINERS else value
            for name, value in node.items()
            if name != "_sd"
        }
        for digest in called:
            self._member(tree, digest, at, depth)
        return tree

    def array(self, node: list[Any], at: Parts, depth: int) -> list[Any]:
        if depth > MAX_DEPTH:
            raise self._error(ReasonCode.DEPTH, at, f"more than {MAX_DEPTH} nested containers")
        tree: list[Any] = []
        for element in node:
            here = (*at, len(tree))
            if type(element) is dict and "..." in element:
                self._element(tree, element, here, depth)
            else:
                tree.append(self.value(element, here, depth + 1))
        return tree

    def _calls(self, digests: Any, at: Parts) -> list[str]:
        try:
            "".join(digests)
        except TypeError:
            digests = None
        if type(digests) is not list or "" in digests:
            raise self._error(ReasonCode.DIGEST, (*at, "_sd"), "not a list of digests")
        fresh = set(digests)
        if len(fresh) != len(digests) or not self.seen.isdisjoint(fresh):
            raise self._error(ReasonCode.DUPLICATE_DIGEST, (*at, "_sd"), "a digest appears twice")
        self.seen |= fresh
        return [digest for digest in digests if digest in self.waiting]

    def _member(self, tree: dict[str, Any], digest: str, at: Parts, depth: int) -> None:
        text, contents = self.waiting.pop(digest)
        if len(contents) != 3:
            raise self._error(ReasonCode.DISCLOSURE, at, "an array element's disclosure used for a claim")
        name = contents[1]
        if name in RESERVED:
            raise self._error(ReasonCode.DISCLOSURE, at, "a disclosure with a reserved claim name")
        if name in tree:
            raise self._error(ReasonCode.COLLISION, at, "a disclosed claim is there already")
        here = (*at, name)
        self.disclosed[here] = text
        tree[name] = self.value(contents[2], here, depth + 1)

    def _element(self, tree: list[Any], element: dict[str, Any], here: Parts, depth: int) -> None:
        digest = element["..."]
        if len(element) != 1 or type(digest) is not str or not digest:
            raise self._error(ReasonCode.DIGEST, here, "an array placeholder is exactly one digest")
        if digest in self.seen:
            raise self._error(ReasonCode.DUPLICATE_DIGEST, here, "a digest appears twice")
        self.seen.add(digest)
        if digest not in self.waiting:
            self.hidden[here[:-1]] = self.hidden.get(here[:-1], 0) + 1
            return
        text, contents = self.waiting.pop(digest)
        if len(contents) != 2:
            raise self._error(ReasonCode.DISCLOSURE, here, "a claim's disclosure used for an array element")
        self.disclosed[here] = text
        tree.append(self.value(contents[1], here, depth + 1))

    def _error(self, code: ReasonCode, at: Parts, detail: str) -> MalformedError:
        # Names of undisclosed or foreign claims stay out of errors: the depth says enough.
        return MalformedError(code, self.path if not at else f"{self.path} (level {len(at)})", detail)


_CONTAINERS = frozenset({dict, list})
_LEAVES = frozenset({str, int, bool, type(None), float})


class _Concealer:
    """One walk over a claim tree, innermost first, so that a parent's disclosure holds its children's digests."""

    __slots__ = ("decoys", "disclosures", "encode", "salts")

    def __init__(self, salts: Iterator[str], decoys: int, encode: Callable[[Any], bytes]) -> None:
        self.salts = salts
        self.decoys = decoys
        self.encode = encode
        self.disclosures: list[bytes] = []

    def value(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return self.object(value, depth)
        if isinstance(value, (list, tuple)):
            return self.array(value, depth)
        if isinstance(value, SD):
            raise ValueError("an SD mark inside an SD mark")  # noqa: TRY004 - it is the place that is wrong
        return value

    def object(self, node: Mapping[str, Any], depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise ValueError(f"claims are nested deeper than {MAX_DEPTH}")
        if not RESERVED.isdisjoint(node):
            raise ValueError("a claim name is reserved by SD-JWT")
        tree: dict[str, Any] = {}
        hidden = []
        for name, value in node.items():
            if type(name) is not str:
                raise ValueError("a claim name is not text")
            if type(value) is SD:
                inner = value.value
                if type(inner) not in _LEAVES:
                    inner = self.value(inner, depth + 1)
                hidden.append([next(self.salts), name, inner])
            else:
                tree[name] = value if type(value) in _LEAVES else self.value(value, depth + 1)
        if hidden:
            digests = self._disclose(hidden) + [_decoy() for _ in range(self.decoys)]
            tree["_sd"] = sorted(b64u_all(digests))
        return tree

    def array(self, node: Sequence[Any], depth: int) -> list[Any]:
        if depth > MAX_DEPTH:
            raise ValueError(f"claims are nested deeper than {MAX_DEPTH}")
        tree = [
            self._hidden(self.value(element.value, depth + 1))
            if isinstance(element, SD)
            else self.value(element, depth + 1)
            for element in node
        ]
        if self.decoys and any(isinstance(element, SD) for element in node):
            for _ in range(self.decoys):
                tree.insert(secrets.randbelow(len(tree) + 1), {"...": b64u_encode(_decoy())})
        return tree

    def _hidden(self, value: Any) -> dict[str, str]:
        """The placeholder of an array element."""
        (digest,) = self._disclose([[next(self.salts), value]])
        return {"...": b64u_encode(digest)}

    def _disclose(self, contents: list[list[Any]]) -> list[bytes]:
        """The digests of new disclosures."""
        texts = [b64u_bytes(self.encode(one)) for one in contents]
        self.disclosures += texts
        return [sha256(text).digest() for text in texts]


def _decoy() -> bytes:
    return sha256(os.urandom(32)).digest()
