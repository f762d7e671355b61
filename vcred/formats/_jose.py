"""Compact JWS (RFC 7515), read by one strict parser; PyJWT supplies the signature algorithms and nothing else.

Rules, in the order they are checked:

1. three segments, none of the first two empty, no more than ``max_bytes``;
2. protected header: a JSON object in strict base64url; ``alg`` on the allow-list, ``typ`` exactly as the caller says;
   post-quantum algorithms are for callers who read what an issuer signed, and say so (``algorithms``);
3. no ``crit`` and no ``b64`` (RFC 7797): no extension is understood here;
4. no key from the token itself (``jwk``, ``jku``, ``x5u``): trust comes from a bundle. ``x5c`` is only shaped here,
   and its chain is the trust layer's to judge. ``parse_proof`` is the one exception, for proofs of possession;
5. ``kid`` is short printable text that no file name, query or shell could be made of.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from functools import cache, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vcred.credential import Prepared
from vcred.errors import MalformedError, RefusedError
from vcred.formats._wire import b64u_bytes, b64u_decode, dump_json, parse_json
from vcred.keys import PublicKey
from vcred.keys.post_quantum import POST_QUANTUM, verifies
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vcred.keys import Signer

__all__ = [
    "ALGORITHMS",
    "ISSUER_ALGORITHMS",
    "Jws",
    "check_kid",
    "kid_of",
    "parse_jws",
    "parse_proof",
    "peek_header",
    "prepare_jws",
    "prepare_segment",
    "read_segments",
    "sign_jws",
    "verify_jws",
    "verify_signature",
    "x5c_of",
    "x5c_texts",
]

_KID_BYTES = 8
ALGORITHMS = ("ES256", "ES384", "EdDSA")
ISSUER_ALGORITHMS = (*ALGORITHMS, *POST_QUANTUM)
"""What a certificate may be signed with: only a trust bundle has keys for the post-quantum ones."""

_MAX_HEADER = 16384
_MAX_CHAIN = 4
_EMBEDDED = frozenset({"jwk", "jku", "x5u"})
_EXTENSIONS = frozenset({"crit", "b64"})
# Printable ASCII without quotes, slashes and the backslash.
_KID = re.compile(r"[ !#-&(-.0-\[\]-_a-~]{1,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Jws:
    """A JWS, parsed and NOT verified. ``payload`` is decoded; ``signing_input`` is what was received.

    ``x5c`` is the header's, decoded; it is empty when there is none.
    """

    header: Mapping[str, Any]
    payload: bytes = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    x5c: tuple[bytes, ...] = field(default=(), repr=False)


def parse_jws(
    token: bytes | str,
    *,
    path: str,
    typ: str | tuple[str, ...],
    max_bytes: int = 65536,
    algorithms: tuple[str, ...] = ALGORITHMS,
) -> Jws:
    """Read a compact JWS whose ``typ`` is (one of) ``typ``, letter for letter, and whose ``alg`` is of ``algorithms``.

    Raises ``MalformedError`` with ``size``, ``format``, ``encoding``, ``json``, ``depth``, ``duplicate_key``,
    ``alg``, ``typ``, ``crit``, ``untrusted``, ``kid`` or ``chain``. Nothing about the signature is checked.
    """
    return _parse(token, path, (typ,) if isinstance(typ, str) else typ, max_bytes, algorithms, with_key=False)


def parse_proof(token: bytes | str, *, path: str, typ: str, max_bytes: int = 65536) -> tuple[Jws, PublicKey]:
    """Read a proof of possession, whose header names the very key it proves in ``jwk`` (OpenID4VCI 1.0 appendix F.1).

    The key is nobody's until the proof verifies with it. Raises as ``parse_jws`` does, and with ``key`` or
    ``key_use`` when ``jwk`` is missing, unusable, private, or accompanied by ``kid`` or ``x5c``.
    """
    jws = _parse(token, path, (typ,), max_bytes, ALGORITHMS, with_key=True)
    if "kid" in jws.header or "x5c" in jws.header:
        raise MalformedError(ReasonCode.KEY, f"{path}.header", "more than one key is named")
    return jws, PublicKey.from_jwk(jws.header.get("jwk"), path=f"{path}.header.jwk")


def peek_header(token: bytes, path: str) -> Mapping[str, Any]:
    """The protected header of a compact JWS, by rules 2 to 5 but for ``typ`` and ``jwk``; nothing else is looked at.

    It says what a token claims to be, never that it is. Raises as ``parse_jws`` does.
    """
    return _read_header(token[: _MAX_HEADER + 1].partition(b".")[0], path)[0]


def kid_of(header: Mapping[str, Any]) -> bytes | None:
    """The issuer's key that ``header`` names: the 8 bytes of our ``kid``, or the letters of any other text."""
    if "kid" not in header:
        return None
    kid: str = header["kid"]
    try:
        raw = b64u_decode(kid, "kid")
    except MalformedError:
        return kid.encode("ascii")
    return raw if len(raw) == _KID_BYTES else kid.encode("ascii")


def x5c_of(header: Mapping[str, Any], path: str) -> tuple[bytes, ...]:
    """The DER certificates of ``x5c`` (RFC 7515 section 4.1.6), leaf first; empty when the header has none.

    Raises ``MalformedError`` with ``chain`` unless there are 1 to 4, each in standard base64.
    """
    if "x5c" not in header:
        return ()
    texts = header["x5c"]
    if not isinstance(texts, list) or not 1 <= len(texts) <= _MAX_CHAIN:
        raise MalformedError(ReasonCode.CHAIN, f"{path}.x5c", "not a list of 1 to 4 certificates")
    return tuple(_certificate(text, f"{path}.x5c[{index}]") for index, text in enumerate(texts))


def x5c_texts(chain: Sequence[bytes]) -> list[str]:
    """The value of ``x5c`` for the DER certificates of ``chain``, leaf first: what ``x5c_of`` reads."""
    return [b64encode(der).decode("ascii") for der in chain]


def verify_jws(jws: Jws, key: PublicKey) -> None:
    """Check the signature with ``key``, whoever's that is.

    Raises ``RefusedError`` with ``key`` when the key is not for the header's ``alg``, else with ``signature``.
    """
    verify_signature(jws.header["alg"], jws.signing_input, jws.signature, key)


def verify_signature(alg: str, signing_input: bytes, signature: bytes, key: PublicKey) -> None:
    """``verify_jws`` for parts that are kept separately."""
    if alg != key.alg:
        raise RefusedError(ReasonCode.KEY, "", f"the key is for {key.alg}")
    if not _verifiers()[alg](signing_input, key.crypto, signature):
        raise RefusedError(ReasonCode.SIGNATURE, "", "the signature does not verify")


def prepare_jws(header: Mapping[str, Any], payload: bytes) -> Prepared:
    """A compact JWS but for its signature. ``header`` names ``alg`` and ``typ``; else ``ValueError``."""
    if header.get("alg") not in ALGORITHMS or not header.get("typ"):
        raise ValueError("a JWS header names typ and a supported alg")
    return prepare_segment(b64u_bytes(dump_json(dict(header))), payload)


def prepare_segment(protected: bytes, payload: bytes) -> Prepared:
    """``prepare_jws`` for a protected header that is encoded already."""
    signing_input = protected + b"." + b64u_bytes(payload)

    def finish(signature: bytes) -> bytes:
        return signing_input + b"." + b64u_bytes(signature)

    return Prepared(signing_input=signing_input, finish=finish)


def sign_jws(header: Mapping[str, Any], payload: bytes, signer: Signer) -> bytes:
    """A compact JWS. ``alg`` is the signer's; ``ValueError`` when ``header`` says another. Raises ``SigningError``."""
    alg = signer.public_key.alg
    if header.get("alg", alg) != alg:
        raise ValueError("the header names another algorithm than the signer's")
    prepared = prepare_jws({"alg": alg, **header}, payload)
    return prepared.complete(signer.sign(prepared.signing_input))


def _parse(
    token: bytes | str,
    path: str,
    typ: tuple[str, ...] | None,
    max_bytes: int,
    algorithms: tuple[str, ...],
    *,
    with_key: bool,
) -> Jws:
    if len(token) > max_bytes:
        raise MalformedError(ReasonCode.SIZE, path, f"more than {max_bytes} bytes")
    raw = token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")
    parts = raw.split(b".", 5)
    if len(parts) != 3 or not parts[0] or not parts[1]:
        raise MalformedError(ReasonCode.FORMAT, path, "not three segments with a header and a payload")
    return read_segments(parts[0], parts[1], parts[2], path, typ, with_key=with_key, algorithms=algorithms)


def read_segments(
    protected: bytes,
    payload: bytes,
    signature: bytes,
    path: str,
    typ: tuple[str, ...] | None,
    *,
    with_key: bool,
    algorithms: tuple[str, ...] = ALGORITHMS,
) -> Jws:
    """The parts of a JWS, wherever they were; ``typ`` is ``None`` where the caller checks it himself."""
    header, chain = _read_header(protected, path)
    if header["alg"] not in algorithms:
        raise MalformedError(ReasonCode.ALG, f"{path}.header.alg", "not an algorithm that is allowed here")
    if typ is not None and header.get("typ") not in typ:
        raise MalformedError(ReasonCode.TYP, f"{path}.header.typ", "another typ is required here")
    if not with_key and "jwk" in header:
        raise MalformedError(ReasonCode.UNTRUSTED, f"{path}.header.jwk", "a key from the token itself is not trusted")
    return Jws(
        header=header,
        payload=b64u_decode(payload, f"{path}.payload"),
        signing_input=protected + b"." + payload,
        signature=b64u_decode(signature, f"{path}.signature"),
        x5c=chain,
    )


def _read_header(protected: bytes, path: str) -> tuple[Mapping[str, Any], tuple[bytes, ...]]:
    """A protected header and its chain, checked by rules 2 to 5 but for ``typ`` and ``jwk``, which the caller judges.

    Headers repeat from token to token, so small ones are kept. A kept header is a pure function of its bytes.
    """
    if len(protected) > _MAX_HEADER:
        raise MalformedError(ReasonCode.SIZE, f"{path}.header", f"more than {_MAX_HEADER} bytes")
    return _header(protected, f"{path}.header")


@lru_cache(maxsize=64)
def _header(protected: bytes, path: str) -> tuple[Mapping[str, Any], tuple[bytes, ...]]:
    raw = b64u_decode(protected, path)
    header = parse_json(raw, path, max_bytes=_MAX_HEADER)
    if not isinstance(header, dict):
        raise MalformedError(ReasonCode.FORMAT, path, "the header is not an object")
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in ISSUER_ALGORITHMS:
        raise MalformedError(ReasonCode.ALG, f"{path}.alg", "not an allowed algorithm")
    if _EXTENSIONS & header.keys():
        raise MalformedError(ReasonCode.CRIT, path, "no header extension is understood")
    if _EMBEDDED & header.keys() - {"jwk"}:
        raise MalformedError(ReasonCode.UNTRUSTED, path, "a key from the token itself is not trusted")
    check_kid(header, path)
    return MappingProxyType(header), x5c_of(header, path)


def check_kid(header: Mapping[str, Any], path: str) -> None:
    """Rule 5, for a JWS or a JWE header. Raises ``MalformedError`` with ``kid``."""
    kid = header.get("kid", "-")
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise MalformedError(ReasonCode.KID, f"{path}.kid", "not 1 to 256 harmless ASCII characters")


def _certificate(text: Any, path: str) -> bytes:
    if not isinstance(text, str) or not text:
        raise MalformedError(ReasonCode.CHAIN, path, "not text")
    try:
        der = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise MalformedError(ReasonCode.CHAIN, path, "not standard base64") from None
    if b64encode(der).decode("ascii") != text:
        raise MalformedError(ReasonCode.CHAIN, path, "base64 with stray bits")
    return der


@cache
def _verifiers() -> Mapping[str, Callable[[bytes, Any, bytes], bool]]:
    # PyJWT takes 0.15 to 0.3 s to import, and only a signature check needs it. Its tokens are never parsed by it.
    from jwt.algorithms import ECAlgorithm, OKPAlgorithm  # noqa: PLC0415

    return {
        "ES256": ECAlgorithm(ECAlgorithm.SHA256).verify,
        "ES384": ECAlgorithm(ECAlgorithm.SHA384).verify,
        "EdDSA": OKPAlgorithm().verify,
        **dict.fromkeys(POST_QUANTUM, verifies),
    }
