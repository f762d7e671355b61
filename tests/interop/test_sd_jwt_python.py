"""SD-JWT VC against sd-jwt and vouchkit: what either side issues and presents, the other reads."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import sd_jwt.common
import vouchkit
from jwcrypto.jwk import JWK
from jwcrypto.jws import InvalidJWSSignature
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier
from vouchkit.testkit import TestHolder, TestIssuer

from tests.interop.kit import AUDIENCE, ISSUER, NONCE_TEXT, NOW, VCT, plain, private_jwk, shown
from tests.interop.sd_jwt_kit import (
    ALGS,
    HASHES,
    HOUSEHOLD,
    KEYS,
    SOME,
    cases,
    check_ours,
    flipped,
    ours,
    ours_shown,
    own,
    registered,
)
from vcred.claims import SD
from vcred.errors import RefusedError


def for_sd_jwt(node: Any) -> Any:
    """``node`` with sd-jwt's own marks."""
    if isinstance(node, dict):
        return {
            sd_jwt.common.SDObj(name) if isinstance(value, SD) else name: for_sd_jwt(value)
            for name, value in node.items()
        }
    if isinstance(node, list):
        return [sd_jwt.common.SDObj(for_sd_jwt(one)) if isinstance(one, SD) else for_sd_jwt(one) for one in node]
    return for_sd_jwt(node.value) if isinstance(node, SD) else node


def wish(node: Any, chosen: set[tuple[Any, ...]], at: tuple[Any, ...] = ()) -> Any:
    """``chosen`` as sd-jwt's holder wants to be told."""
    node = node.value if isinstance(node, SD) else node
    if isinstance(node, dict):
        kept = {
            name: wish(value, chosen, (*at, name))
            for name, value in node.items()
            if open_to(value, chosen, (*at, name))
        }
        return kept or True
    if isinstance(node, list):
        kept = [
            wish(value, chosen, (*at, index)) if open_to(value, chosen, (*at, index)) else None
            for index, value in enumerate(node)
        ]
        return kept or True
    return True


def open_to(value: Any, chosen: set[tuple[Any, ...]], at: tuple[Any, ...]) -> bool:
    return at in chosen or not isinstance(value, SD)


def jwk(key: Any) -> JWK:
    return JWK(**private_jwk(key))


class Hashed:
    """sd-jwt with another hash algorithm, which it takes from an attribute."""

    def __init__(self, name: str) -> None:
        function = {"name": name, "fn": getattr(hashlib, name.replace("-", ""))}
        kinds = (SDJWTIssuer, SDJWTHolder, SDJWTVerifier)
        self.issuer, self.holder, self.verifier = (
            type(kind.__name__, (kind,), {"HASH_ALG": function}) for kind in kinds
        )


def theirs(tree: dict[str, Any], *, alg: str = "ES256", hashed: str = "sha-256", decoys: bool = False) -> str:
    made = Hashed(hashed).issuer(
        {name: value for name, value in registered(alg).items() if name != "cnf"} | for_sd_jwt(tree),
        jwk(KEYS[alg][0]),
        JWK(**KEYS[alg][1].public_key.to_jwk()),
        sign_alg=alg,
        add_decoy_claims=decoys,
        extra_header_parameters={"typ": "dc+sd-jwt"},
    )
    return made.sd_jwt_issuance


def theirs_shown(
    raw: str, tree: dict[str, Any], chosen: set[tuple[Any, ...]], *, alg: str = "ES256", hashed: str = "sha-256"
) -> str:
    holder = Hashed(hashed).holder(raw)
    holder.create_presentation(wish(tree, chosen), NONCE_TEXT, AUDIENCE, jwk(KEYS[alg][1]), alg)
    return holder.sd_jwt_presentation


def sd_jwt_reads(raw: str, *, alg: str = "ES256") -> dict[str, Any]:
    key = JWK(**KEYS[alg][0].public_key.to_jwk())
    verifier = SDJWTVerifier(raw, lambda issuer, header: key, AUDIENCE, NONCE_TEXT)
    return verifier.get_verified_payload()


@cases
def test_sd_jwt_issues_and_presents_and_we_verify(case) -> None:
    tree, chosen = case
    raw = theirs(tree)
    check_ours(raw, plain(tree))
    check_ours(theirs_shown(raw, tree, chosen), shown(tree, chosen))


@cases
def test_we_issue_and_present_and_sd_jwt_verifies(case) -> None:
    tree, chosen = case
    assert own(sd_jwt_reads(ours_shown(ours(tree), chosen))) == shown(tree, chosen)


@cases
def test_sd_jwt_issues_and_we_present_and_sd_jwt_verifies(case) -> None:
    tree, chosen = case
    assert own(sd_jwt_reads(ours_shown(theirs(tree).encode(), chosen))) == shown(tree, chosen)


@cases
def test_we_issue_and_sd_jwt_presents_and_we_verify(case) -> None:
    tree, chosen = case
    check_ours(theirs_shown(ours(tree).decode(), tree, chosen), shown(tree, chosen))


@pytest.mark.parametrize("alg", ALGS)
@pytest.mark.parametrize("hashed", HASHES)
def test_sd_jwt_with_every_signature_and_hash(alg, hashed) -> None:
    tree, chosen = SOME
    raw = theirs(tree, alg=alg, hashed=hashed, decoys=True)
    check_ours(raw, plain(tree), alg=alg)
    check_ours(theirs_shown(raw, tree, chosen, alg=alg, hashed=hashed), shown(tree, chosen), alg=alg)


def test_sd_jwt_sees_no_difference_between_a_decoy_of_ours_and_a_hidden_claim() -> None:
    tree, chosen = SOME
    assert own(sd_jwt_reads(ours_shown(ours(tree, decoys=3), chosen))) == shown(tree, chosen)


@pytest.mark.parametrize("part", [0, -1], ids=["issuer", "holder"])
def test_both_refuse_the_same_wrong_signature(part) -> None:
    wrong = flipped(ours_shown(ours(HOUSEHOLD), set()), part=part)
    with pytest.raises(InvalidJWSSignature):
        sd_jwt_reads(wrong)
    with pytest.raises(vouchkit.InvalidSignature):
        vouchkit_reads(wrong)
    with pytest.raises(RefusedError):
        check_ours(wrong, shown(HOUSEHOLD, set()))


def vouchkit_reads(raw: str) -> dict[str, Any]:
    verified = vouchkit.verify_sd_jwt_vc(
        raw, KEYS["ES256"][0].public_key.to_jwk(), expected_aud=AUDIENCE, expected_nonce=NONCE_TEXT, now=NOW
    )
    assert verified.key_binding_verified
    return verified.claims


@cases
def test_we_issue_and_present_and_vouchkit_verifies(case) -> None:
    tree, chosen = case
    assert vouchkit_reads(ours_shown(ours(tree), chosen)) == shown(tree, chosen)


def test_vouchkit_issues_and_presents_and_we_verify() -> None:
    issuer, holder = KEYS["ES256"]
    claims = plain(HOUSEHOLD)
    holder_side = TestHolder(key=holder.crypto)
    jwt, held = TestIssuer(issuer=ISSUER, key=issuer.crypto).issue(
        claims, vct=VCT, holder_jwk=holder.public_key.to_jwk(), now=NOW
    )
    raw = holder_side.present(jwt, held, ["householder", "members"], aud=AUDIENCE, nonce=NONCE_TEXT, now=NOW)
    check_ours(raw, {name: claims[name] for name in ("householder", "members")})
