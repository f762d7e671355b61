"""Proofs of the holder's keys (OpenID4VCI 1.0 appendix F) and key attestations (appendix D).

A ``jwt`` proof proves one key, or all keys of the attestation in its header; an ``attestation`` proof proves those of
the attestation. Which nonces are ours and unused is for the issuer's store: they are in the result.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vcred._openid4vci import PROOF_TYP, build_proof
from vcred.errors import MalformedError, RefusedError
from vcred.formats._jose import Jws, sign_jws, verify_jws, x5c_texts
from vcred.formats._wire import dump_json, epoch
from vcred.keys import PublicKey
from vcred.oauth._jwt import check_expiry, check_issued_at, moment, optional_text, read_jwt, read_proof
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from vcred.keys import Signer

__all__ = [
    "KeyAttestation",
    "ProvenKeys",
    "build_key_attestation",
    "build_proof",
    "check_key_attestation",
    "check_proofs",
]

ATTESTATION_TYP: Final = "key-attestation+jwt"
ALG: Final = "ES256"
"""What holder keys are, here and in HAIP."""

_SECONDS: Final = 300
_MAX_LEVELS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAttestation:
    """What a wallet provider says of keys: where they are kept, and how the holder is asked before they sign."""

    keys: tuple[PublicKey, ...]
    key_storage: tuple[str, ...]
    user_authentication: tuple[str, ...]
    issued_at: int
    expires_at: int | None
    nonce: str | None
    x5c: tuple[bytes, ...] = field(repr=False)
    kid: str | None
    jws: Jws = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenKeys:
    """Keys to bind credentials to, in order, each once; the nonces they were proven with; the attestation, if any."""

    keys: tuple[PublicKey, ...]
    nonces: frozenset[str]
    attestation: KeyAttestation | None = None


def build_key_attestation(
    signer: Signer,
    keys: Sequence[PublicKey],
    *,
    nonce: str | None,
    at: datetime,
    lifetime: timedelta,
    key_storage: Sequence[str] = (),
    user_authentication: Sequence[str] = (),
    x5c: Sequence[bytes] = (),
) -> str:
    """An attestation of ``keys``, by a wallet provider or for tests."""
    header: dict[str, Any] = {"typ": ATTESTATION_TYP}
    if x5c:
        header["x5c"] = x5c_texts(x5c)
    now = epoch(at)
    claims: dict[str, Any] = {
        "iat": now,
        "exp": now + int(lifetime.total_seconds()),
        "attested_keys": [key.to_jwk() for key in keys],
    }
    members = {"key_storage": list(key_storage), "user_authentication": list(user_authentication), "nonce": nonce}
    claims |= {name: value for name, value in members.items() if value}
    return sign_jws(header, dump_json(claims), signer).decode("ascii")


def check_key_attestation(
    token: str, *, resolve: Callable[[KeyAttestation], PublicKey], at: datetime, most: int, path: str, with_proof: bool
) -> KeyAttestation:
    """An attestation that holds. ``resolve`` gives the attester's key, or raises ``RefusedError``.

    ``with_proof``: it is in the header of a ``jwt`` proof, and then must expire. Raises ``RefusedError``.
    """
    jws, claims = read_jwt(token, path=path, typ=ATTESTATION_TYP)
    rows = claims.get("attested_keys")
    if not isinstance(rows, list) or not rows:
        raise MalformedError(ReasonCode.FORMAT, f"{path}.attested_keys", "must be a list that is not empty")
    if len(rows) > most:
        raise MalformedError(ReasonCode.LIMIT, f"{path}.attested_keys", f"more than {most} keys")
    found = KeyAttestation(
        keys=_distinct(
            [PublicKey.from_jwk(row, path=f"{path}.attested_keys[{i}]") for i, row in enumerate(rows)], path
        ),
        key_storage=_levels(claims, "key_storage", path),
        user_authentication=_levels(claims, "user_authentication", path),
        issued_at=moment(claims, "iat", path),
        expires_at=moment(claims, "exp", path) if "exp" in claims or with_proof else None,
        nonce=optional_text(claims, "nonce", path, most=512),
        x5c=jws.x5c,
        kid=jws.header.get("kid"),
        jws=jws,
    )
    if found.expires_at is not None:
        check_expiry(found.expires_at, path, at=at)
    if found.issued_at > epoch(at) + 60:
        raise RefusedError(ReasonCode.IAT, f"{path}.iat", "in the future")
    verify_jws(jws, resolve(found))
    return found


def check_proofs(
    proofs: tuple[str, tuple[str, ...]],
    *,
    issuer: str,
    client_id: str | None,
    most: int,
    attester: Callable[[KeyAttestation], PublicKey] | None,
    attested: bool,
    at: datetime,
) -> ProvenKeys:
    """The keys that ``proofs`` (proof type and values) prove, at most ``most`` (threats CI-01 to CI-05).

    ``client_id`` is what ``iss`` must be if it is there; ``None`` for an anonymous wallet, which has none. ``attester``
    resolves attestations, ``None`` believes none; ``attested`` wants one. A proof without nonce is refused.

    Raises ``RefusedError``: ``limit``, ``format``, ``typ``, ``alg``, ``key``, ``aud``, ``nonce``, ``iat``,
    ``signature``, ``untrusted`` and those of ``check_key_attestation``.
    """
    kind, values = proofs
    if len(values) > most:
        raise MalformedError(ReasonCode.LIMIT, "proofs", f"more than {most} proofs")
    if kind == "attestation":
        return _attestation_only(values, attester, most, at)
    if kind != "jwt":
        raise MalformedError(ReasonCode.FORMAT, "proofs", "this proof type is not supported")
    keys: list[PublicKey] = []
    nonces: set[str] = set()
    attestation: KeyAttestation | None = None
    for index, value in enumerate(values):
        path = f"proofs.jwt[{index}]"
        key, nonce, text = _jwt_proof(value, path, issuer=issuer, client_id=client_id, at=at)
        nonces.add(nonce)
        if text is None:
            keys.append(key)
            continue
        if attester is None:
            raise RefusedError(ReasonCode.UNTRUSTED, f"{path}.key_attestation", "no attester is trusted here")
        if len(values) != 1:
            raise MalformedError(ReasonCode.FORMAT, "proofs", "an attestation proves all keys in one proof")
        place = f"{path}.key_attestation"
        attestation = check_key_attestation(text, resolve=attester, at=at, most=most, path=place, with_proof=True)
        if key not in attestation.keys:
            raise RefusedError(ReasonCode.KEY, path, "the proof is not by an attested key")
        nonces.add(_nonce(attestation.nonce, place))
        keys.extend(attestation.keys)
    if attested and attestation is None:
        raise RefusedError(ReasonCode.UNTRUSTED, "proofs", "a key attestation is required")
    return ProvenKeys(keys=_distinct(keys, "proofs"), nonces=frozenset(nonces), attestation=attestation)


def _attestation_only(
    values: Sequence[str], attester: Callable[[KeyAttestation], PublicKey] | None, most: int, at: datetime
) -> ProvenKeys:
    path = "proofs.attestation[0]"
    if len(values) != 1:
        raise MalformedError(ReasonCode.FORMAT, "proofs.attestation", "exactly one attestation")
    if attester is None:
        raise RefusedError(ReasonCode.UNTRUSTED, path, "no attester is trusted here")
    found = check_key_attestation(values[0], resolve=attester, at=at, most=most, path=path, with_proof=False)
    _only_p256(found.keys, path)
    return ProvenKeys(keys=found.keys, nonces=frozenset({_nonce(found.nonce, path)}), attestation=found)


def _jwt_proof(
    value: str, path: str, *, issuer: str, client_id: str | None, at: datetime
) -> tuple[PublicKey, str, str | None]:
    jws, key, claims = read_proof(value, path=path, typ=PROOF_TYP)
    _only_p256((key,), path)
    if claims.get("aud") not in (issuer, [issuer]):
        raise RefusedError(ReasonCode.AUD, f"{path}.aud", "the proof is for another issuer")
    if "iss" in claims and claims["iss"] != client_id:
        raise RefusedError(ReasonCode.FORMAT, f"{path}.iss", "not the client that asks")
    check_issued_at(moment(claims, "iat", path), path, at=at, seconds=_SECONDS)
    nonce = _nonce(claims.get("nonce"), path)
    attestation = jws.header.get("key_attestation")
    if attestation is not None and not isinstance(attestation, str):
        raise MalformedError(ReasonCode.FORMAT, f"{path}.key_attestation", "not text")
    verify_jws(jws, key)
    return key, nonce, attestation


def _nonce(value: Any, path: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 512:
        raise MalformedError(ReasonCode.NONCE, f"{path}.nonce", "missing, or not text")
    return value


def _only_p256(keys: Sequence[PublicKey], path: str) -> None:
    if any(key.alg != ALG for key in keys):
        raise MalformedError(ReasonCode.ALG, path, "a holder key is P-256")


def _distinct(keys: Sequence[PublicKey], path: str) -> tuple[PublicKey, ...]:
    _only_p256(keys, path)
    if len(set(keys)) != len(keys):
        raise RefusedError(ReasonCode.KEY, path, "a key appears twice")
    return tuple(keys)


def _levels(claims: dict[str, Any], name: str, path: str) -> tuple[str, ...]:
    value = claims.get(name, [])
    if not isinstance(value, list) or len(value) > _MAX_LEVELS or not all(isinstance(one, str) for one in value):
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.{name}", "must be a list of texts")
    return tuple(value)
