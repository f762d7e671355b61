"""DIDs that a bundle names: ``did:key``, ``did:jwk``, and ``did:web`` from a document in the bundle.

A DID proves nothing about who is behind it; that a bundle names it does. Nothing is ever fetched, so what is read here
is the bundle maker's own data, and it is read once:

1. ``did:key``: multibase base58btc of a multicodec key, without a version; its one method is ``<did>#<multibase>``.
2. ``did:jwk``: base64url of a public JWK; its one method is ``<did>#0``, whatever ``kid`` the JWK has.
3. ``did:web``: a lower-case host name with at least two labels, and plain path segments. No address, no port, nothing
   percent-encoded: a document that is pinned has no need of them, and they make two spellings of one name.
4. A document is a JSON object whose ``id`` is the DID. Its methods have absolute DID URLs of that DID, each once, and
   are controlled by it. Only those under ``assertionMethod`` sign credentials.
5. Keys are P-256, P-384 or Ed25519 (``JsonWebKey``, ``JsonWebKey2020``, ``Multikey``). Methods of other types are left
   out; private key material anywhere in a method is an error.

Clauses: DID Core 1.0 sections 3 and 5, did:key 0.9 section 3.1, did:jwk, did:web "Read", Controlled Identifiers 1.0
section 2.2.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vcred.errors import MalformedError
from vcred.formats._wire import b64u_decode, b64u_encode, dump_json, parse_json
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_DOCUMENT", "did_jwk", "did_key", "did_methods", "is_method_of", "is_public_host", "needs_document"]

MAX_DOCUMENT = 64 * 1024
"""Bytes of a pinned document."""

_MAX_DID = 512
_MAX_MULTIBASE = 80
"""Base58 takes quadratic time; a P-384 key has 71 characters."""
_MAX_METHODS = 64
_MAX_HOST = 253

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_CODES = {b"\xed\x01": ("EdDSA", 32), b"\x80\x24": ("ES256", 33), b"\x81\x24": ("ES384", 49)}
"""Multicodec ed25519-pub, p256-pub and p384-pub as varints, and the length of what follows."""
_CURVES: dict[str, ec.EllipticCurve] = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1()}
_JWK_CURVES = (("EC", "P-256"), ("EC", "P-384"), ("OKP", "Ed25519"))

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label begins with a letter, so that no spelling of an IP address is a name.
_HOST = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])")
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_FRAGMENT = re.compile(r"[A-Za-z0-9._:-]{1,256}")
_PRIVATE_NAMES = ("alt", "arpa", "internal", "invalid", "lan", "local", "localhost", "onion")
"""Top-level names that mean a machine nearby, or nobody (RFC 6761, RFC 6762, RFC 7686, RFC 9476)."""

_JWK_TYPES = ("JsonWebKey", "JsonWebKey2020")
_CONTEXTS = ("https://www.w3.org/ns/did/v1", "https://www.w3.org/ns/did/v1.1")
_PRIVATE_MEMBERS = frozenset({"privateKeyJwk", "privateKeyMultibase", "privateKeyBase58", "secretKeyMultibase"})
_OWN_DATES = frozenset({"expires", "revoked"})


def is_method_of(url: str, did: str) -> bool:
    """Whether ``url`` is an absolute DID URL of a verification method of ``did``."""
    start, _, fragment = url.partition("#")
    return start == did and _FRAGMENT.fullmatch(fragment) is not None


def is_public_host(host: str) -> bool:
    """Whether ``host`` is a lower-case name that does not mean a machine nearby, and no spelling of an address."""
    return len(host) <= _MAX_HOST and bool(_HOST.fullmatch(host)) and host.rpartition(".")[2] not in _PRIVATE_NAMES


def needs_document(did: str) -> bool:
    """Whether the keys of ``did`` are in a document, not in the identifier."""
    return did.startswith("did:web:")


def did_key(key: PublicKey) -> str:
    """The ``did:key`` of ``key``."""
    code = next(code for code, (alg, _) in _CODES.items() if alg == key.alg)
    point = (Encoding.Raw, PublicFormat.Raw) if key.alg == "EdDSA" else (Encoding.X962, PublicFormat.CompressedPoint)
    return "did:key:z" + _base58(code + key.crypto.public_bytes(*point))


def did_jwk(key: PublicKey) -> str:
    """The ``did:jwk`` of ``key``, with the required members of its JWK in the order of RFC 7638."""
    return "did:jwk:" + b64u_encode(dump_json(key.to_jwk()))


def did_methods(did: str, document: bytes | None, *, path: str) -> tuple[tuple[str, PublicKey], ...]:
    """The verification methods of ``did`` that may sign credentials: DID URL and key, never none.

    ``document`` is the pinned document of a ``did:web``, and ``None`` for the other methods. Raises ``MalformedError``
    with ``format``, ``encoding``, ``size``, ``json``, ``duplicate_key``, ``depth``, ``limit``, ``key`` or ``key_use``.
    """
    if len(did) > _MAX_DID or not did.isascii():
        _wrong(path, f"not a DID of at most {_MAX_DID} ASCII characters")
    if needs_document(did) != (document is not None):
        _wrong(path, "did:web, and nothing else, comes with a document")
    method, _, rest = did.removeprefix("did:").partition(":")
    if not did.startswith("did:") or method not in ("key", "jwk", "web"):
        _wrong(path, "not a did:key, did:jwk or did:web")
    if method == "key":
        return ((f"{did}#{rest}", _multikey(rest, path)),)
    if method == "jwk":
        body = parse_json(b64u_decode(rest, path), path, max_bytes=_MAX_DID, max_depth=4)
        return ((f"{did}#0", PublicKey.from_jwk(body, path=path)),)
    _check_web(rest, path)
    assert document is not None
    return _document_methods(did, document, f"{path}.did_document")


def _check_web(rest: str, path: str) -> None:
    host, *segments = rest.split(":")
    if not _HOST.fullmatch(host):
        _wrong(path, "did:web takes a lower-case host name of two labels or more: no address, no port")
    if not is_public_host(host):
        _wrong(path, "the host is not a public name")
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        _wrong(path, "a path segment is empty, begins with a dot, or is not plain")


def _document_methods(did: str, document: bytes, path: str) -> tuple[tuple[str, PublicKey], ...]:
    body = parse_json(document, path, max_bytes=MAX_DOCUMENT, max_depth=8)
    if not isinstance(body, dict) or body.get("id") != did:
        _wrong(path, "not the document of this DID")
    _check_context(body, path)
    methods = {}
    for method in _listed(body, "verificationMethod", path):
        url = _check_method(method, did, path)
        if url in methods:
            _wrong(path, "two methods have one id")
        methods[url] = method
    found: dict[str, PublicKey] = {}
    for entry in _listed(body, "assertionMethod", path):
        url = entry if isinstance(entry, str) else _check_method(entry, did, path)
        if url in found or (isinstance(entry, dict) and url in methods):
            _wrong(path, "two methods have one id")
        method = methods.get(url) if isinstance(entry, str) else entry
        if method is None:
            _wrong(path, "assertionMethod means a method that is not there")
        key = _method_key(method, path)
        if key is not None:
            found[url] = key
    if not found:
        _wrong(path, "no method under assertionMethod that is supported")
    return tuple(found.items())


def _check_context(body: dict[str, Any], path: str) -> None:
    """The terms are read as plain JSON, so a context must not be able to make them mean something else."""
    if "@context" not in body:
        return
    contexts = body["@context"] if isinstance(body["@context"], list) else [body["@context"]]
    if not contexts or contexts[0] not in _CONTEXTS or not all(isinstance(each, str) for each in contexts):
        _wrong(path, "@context does not begin with the one of DIDs, or defines terms of its own")


def _listed(body: dict[str, Any], member: str, path: str) -> Iterator[Any]:
    values = body.get(member, [])
    if not isinstance(values, list):
        _wrong(f"{path}.{member}", "not a list")
    if len(values) > _MAX_METHODS:
        raise MalformedError(ReasonCode.LIMIT, f"{path}.{member}", f"{len(values)} methods")
    yield from values


def _check_method(method: Any, did: str, path: str) -> str:
    if not isinstance(method, dict) or not isinstance(method.get("type"), str):
        _wrong(path, "a method is an object with a type")
    url = method.get("id")
    if not isinstance(url, str) or not is_method_of(url, did):
        _wrong(path, "the id of a method is not an absolute DID URL of this DID")
    if method.get("controller") != did:
        _wrong(path, "somebody else controls a method")
    if _PRIVATE_MEMBERS & method.keys():
        raise MalformedError(ReasonCode.KEY, path, "private key material")
    return url


def _method_key(method: dict[str, Any], path: str) -> PublicKey | None:
    """The key; ``None`` when it is of a kind that is not supported."""
    if _OWN_DATES & method.keys():
        _wrong(path, "a method says when it ends: the entry of the authority does")
    if method["type"] in _JWK_TYPES:
        jwk = method.get("publicKeyJwk")
        if "publicKeyMultibase" in method or not isinstance(jwk, dict):
            _wrong(path, "the method does not have exactly the key of its type")
        if "d" not in jwk and (jwk.get("kty"), jwk.get("crv")) not in _JWK_CURVES:
            return None
        return PublicKey.from_jwk(jwk, path=path)
    if method["type"] == "Multikey":
        text = method.get("publicKeyMultibase")
        if "publicKeyJwk" in method or not isinstance(text, str):
            _wrong(path, "the method does not have exactly the key of its type")
        return _multikey(text, path) if _unbase58(text, path)[:2] in _CODES else None
    return None


def _multikey(text: str, path: str) -> PublicKey:
    raw = _unbase58(text, path)
    alg, length = _CODES.get(raw[:2], ("", 0))
    point = raw[2:]
    if not alg or len(point) != length:
        raise MalformedError(ReasonCode.KEY, path, "not the multicodec of a P-256, P-384 or Ed25519 key")
    try:
        if alg == "EdDSA":
            return PublicKey(ed25519.Ed25519PublicKey.from_public_bytes(point))
        return PublicKey(ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[alg], point))
    except ValueError as error:
        raise MalformedError(ReasonCode.KEY, path, "the point is not on the curve") from error


def _unbase58(text: str, path: str) -> bytes:
    """Multibase base58btc. A leading ``1`` would be a leading zero byte, and no multicodec key has one."""
    if not 2 <= len(text) <= _MAX_MULTIBASE or text[0] != "z" or text[1] == "1":
        raise MalformedError(ReasonCode.ENCODING, path, "not a key in multibase base58btc")
    number = 0
    for character in text[1:]:
        digit = _ALPHABET.find(character)
        if digit < 0:
            raise MalformedError(ReasonCode.ENCODING, path, "a character that base58btc does not have")
        number = number * 58 + digit
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _base58(raw: bytes) -> str:
    number, text = int.from_bytes(raw, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _ALPHABET[digit] + text
    return text


def _wrong(path: str, detail: str) -> NoReturn:
    raise MalformedError(ReasonCode.FORMAT, path, detail)
