"""COSE_Sign1 (RFC 9052 section 4.2), strictly.

``alg`` stands in the protected header and nowhere else, is one of six (ES256, ES384, EdDSA and the fully
specified forms of RFC 9864), or a post-quantum one where the caller reads what an issuer signed and says so, and has
to be the algorithm of the key. No ``crit``, no detached payload, no
external data, no label in both headers. The signature is checked over the protected bytes as received.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from vcred.credential import Prepared
from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import Tagged, bstr, decode, encode
from vcred.keys.post_quantum import POST_QUANTUM
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vcred.keys import PublicKey, Signer

__all__ = [
    "ALG",
    "COSE_ALG",
    "CRIT",
    "KID",
    "TYP",
    "X5CHAIN",
    "Sign1",
    "assemble",
    "chain_of",
    "check_alg",
    "parse_sign1",
    "prepare_sign1",
    "read_sign1",
    "sig_structure",
    "sign_sign1",
    "verify_sign1",
]

ALG: Final = 1
CRIT: Final = 2
KID: Final = 4
TYP: Final = 16
X5CHAIN: Final = 33

COSE_ALG: Final[Mapping[str, int]] = {"ES256": -7, "ES384": -35, "EdDSA": -8, **POST_QUANTUM}
"""The identifier written for each algorithm of our keys."""

_ALG_NAMES: Final[Mapping[int, str]] = {
    -7: "ES256",
    -9: "ES256",
    -35: "ES384",
    -51: "ES384",
    -8: "EdDSA",
    -19: "EdDSA",
    **{number: name for name, number in POST_QUANTUM.items()},
}
_SIGN1_TAG: Final = 18
_NO_TAGS: Final[frozenset[int]] = frozenset()
_SIGN1_ONLY: Final = frozenset({_SIGN1_TAG})
_MAX_KID: Final = 64
_MAX_CHAIN: Final = 8
_SMALL: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign1:
    """A COSE_Sign1, parsed and NOT verified. ``alg`` is the key algorithm its header names."""

    alg: str
    kid: bytes | None
    protected: Mapping[int | str, Any]
    unprotected: Mapping[int | str, Any]
    protected_raw: bytes = field(repr=False)
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    signing_input: bytes = field(repr=False)


def parse_sign1(
    data: bytes,
    *,
    path: str,
    max_bytes: int = 65536,
    header_tags: frozenset[int] = _NO_TAGS,
    post_quantum: bool = False,
) -> Sign1:
    """Read a COSE_Sign1, tagged 18 or not tagged.

    ``header_tags`` are the tags its protected header may hold. ``post_quantum``: the algorithm may be such. Raises
    ``MalformedError``: ``size``, ``cbor``, ``depth``, ``tag``, ``format``, ``alg``, ``crit``, ``kid``.
    """
    value = decode(data, path, max_bytes=max_bytes, tags=_SIGN1_ONLY)
    if type(value) is Tagged:
        value = value.value
    return read_sign1(value, path=path, header_tags=header_tags, post_quantum=post_quantum)


def read_sign1(value: Any, *, path: str, header_tags: frozenset[int] = _NO_TAGS, post_quantum: bool = False) -> Sign1:
    """The COSE_Sign1 in ``value``, an array that is already decoded. Raises as ``parse_sign1``."""
    if type(value) is not list or [type(part) for part in value] != [bytes, dict, bytes, bytes]:
        raise MalformedError(ReasonCode.FORMAT, path, "not a COSE_Sign1 with its payload")
    raw, unprotected, payload, signature = value
    read = _read_small_protected if len(raw) <= _SMALL else _read_protected
    protected, name = read(raw, f"{path}.protected", header_tags)
    if not post_quantum and name in POST_QUANTUM:
        raise MalformedError(ReasonCode.ALG, f"{path}.protected", "not an algorithm that is allowed here")
    if ALG in unprotected:
        raise MalformedError(ReasonCode.ALG, f"{path}.protected", "alg is unprotected")
    if CRIT in protected or CRIT in unprotected:
        raise MalformedError(ReasonCode.CRIT, path, "crit")
    if not protected.keys().isdisjoint(unprotected):
        raise MalformedError(ReasonCode.FORMAT, path, "a label in both headers")
    kid = protected.get(KID, unprotected.get(KID))
    if (KID in protected or KID in unprotected) and not (type(kid) is bytes and 1 <= len(kid) <= _MAX_KID):
        raise MalformedError(ReasonCode.KID, path, f"kid is not 1 to {_MAX_KID} bytes")
    return Sign1(
        alg=name,
        kid=kid,
        protected=protected,
        unprotected=unprotected,
        protected_raw=raw,
        payload=payload,
        signature=signature,
        # An encoded empty map is signed as no bytes at all (RFC 9052 section 4.4).
        signing_input=sig_structure(raw if protected else b"", payload),
    )


def _read_protected(raw: bytes, path: str, tags: frozenset[int]) -> tuple[Mapping[Any, Any], str]:
    """A protected header, and the key algorithm that it names."""
    protected = decode(raw, path, max_bytes=len(raw), tags=tags) if raw else {}
    if type(protected) is not dict:
        raise MalformedError(ReasonCode.FORMAT, path, "the protected header is not a map")
    alg = protected.get(ALG)
    if type(alg) is not int or alg not in _ALG_NAMES:
        raise MalformedError(ReasonCode.ALG, path, "alg is missing or not allowed")
    return MappingProxyType(protected), _ALG_NAMES[alg]


# Headers without anything carried in them repeat from token to token. What is kept is a pure function of its bytes.
_read_small_protected = lru_cache(maxsize=64)(_read_protected)


def sig_structure(protected: bytes, payload: bytes) -> bytes:
    """What a COSE_Sign1 signature covers: the Sig_structure, without external data."""
    return b"\x84\x6aSignature1" + bstr(protected) + b"\x40" + bstr(payload)


def chain_of(sign1: Sign1, path: str) -> tuple[bytes, ...]:
    """The certificates of header 33 (RFC 9360), leaf first; empty without one. Raises ``MalformedError``, ``chain``."""
    chain = sign1.protected.get(X5CHAIN, sign1.unprotected.get(X5CHAIN))
    if chain is None and X5CHAIN not in sign1.protected and X5CHAIN not in sign1.unprotected:
        return ()
    if type(chain) is bytes:
        return (chain,)
    # One certificate stands alone; an array has two or more (RFC 9360 section 2), and we read one of one.
    if type(chain) is not list or not 1 <= len(chain) <= _MAX_CHAIN or any(type(der) is not bytes for der in chain):
        raise MalformedError(ReasonCode.CHAIN, path, f"x5chain is not 1 to {_MAX_CHAIN} byte strings")
    return tuple(chain)


def check_alg(alg: str, key: PublicKey) -> None:
    """Refuse an algorithm that is not the key's own. Raises ``RefusedError`` with ``alg``."""
    if alg != key.alg:
        raise RefusedError(ReasonCode.ALG, "", f"signed with {alg}, the key is for {key.alg}")


def verify_sign1(sign1: Sign1, key: PublicKey) -> None:
    """Check the signature with ``key``. Raises ``RefusedError``: ``alg``, ``signature``."""
    check_alg(sign1.alg, key)
    key.verify(sign1.signature, sign1.signing_input)


def prepare_sign1(
    protected: Mapping[int, Any], unprotected: Mapping[int, Any], payload: bytes, *, tagged: bool = True
) -> Prepared:
    """A COSE_Sign1 but for its signature. ``protected`` names ``alg`` (see ``COSE_ALG``); else ``ValueError``."""
    if protected.get(ALG) not in _ALG_NAMES:
        raise ValueError("the protected header names no alg that is allowed")
    return assemble(encode(protected), encode(unprotected), payload, tagged=tagged)


def assemble(protected: bytes, unprotected: bytes, payload: bytes, *, tagged: bool = True) -> Prepared:
    """``prepare_sign1`` with both headers already encoded, for a caller that carries received bytes in one."""
    start = (b"\xd2\x84" if tagged else b"\x84") + bstr(protected) + unprotected + bstr(payload)
    return Prepared(
        signing_input=sig_structure(protected, payload),
        finish=lambda signature: start + bstr(signature),
    )


def sign_sign1(
    protected: Mapping[int, Any], unprotected: Mapping[int, Any], payload: bytes, signer: Signer, *, tagged: bool = True
) -> bytes:
    """A COSE_Sign1 by ``signer``; ``alg`` is added to ``protected``. Raises ``SigningError``."""
    header = {ALG: COSE_ALG[signer.public_key.alg], **protected}
    if _ALG_NAMES.get(header[ALG]) != signer.public_key.alg:
        raise ValueError("alg is not the signer's")
    prepared = prepare_sign1(header, unprotected, payload, tagged=tagged)
    return prepared.complete(signer.sign(prepared.signing_input))
