"""RFC 9901: its printed examples, and the specifications they and sd-jwt-python's tests were made from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from vcred.claims import SD, ClaimPath
from vcred.formats._jose import parse_jws, verify_jws
from vcred.formats._paths import needed
from vcred.formats._wire import b64u_encode, parse_json
from vcred.formats.sd_jwt import conceal, digest_of, fresh_salts, process, split
from vcred.formats.sd_jwt_json import parse_json_sd_jwt, verify_every
from vcred.keys import PublicKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TYP = ("example+sd-jwt", "dc+sd-jwt")
TOKENS = ("sd_jwt_issuance", "sd_jwt_presentation")
SKIPPED: dict[str, str] = {
    "simple_structured": "not made again (it is read): its decoys took random numbers of the RFC's, which are not printed",
}


@pytest.fixture(scope="module")
def rfc(vectors: Callable[..., Path]) -> dict[str, Any]:
    return json.loads(vectors("sd_jwt", "rfc9901", "examples.json").read_text())


@pytest.fixture(scope="module")
def specs(vectors: Callable[..., Path]) -> list[dict[str, Any]]:
    return json.loads(vectors("sd_jwt", "specs.json").read_text())


def _payload(jws: Any) -> dict[str, Any]:
    return parse_json(jws.payload, "payload", max_bytes=100_000)


def test_every_printed_disclosure_has_its_printed_digest(rfc: dict[str, Any]) -> None:
    digest = digest_of("sha-256")
    printed = [*rfc["disclosure_encoding_examples"], *(d for e in rfc["examples"] for d in e.get("disclosures", []))]
    assert len(printed) >= 80
    for entry in printed:
        assert b64u_encode(digest(entry["disclosure"].encode())) == entry["digest"]


def test_every_printed_token_verifies_and_yields_the_printed_payload(rfc: dict[str, Any], subtests: Any) -> None:
    issuer = PublicKey.from_jwk(rfc["issuer_public_jwk"])
    seen = 0
    for example in rfc["examples"]:
        for form in (example, example.get("rfc9901_final", {})):
            for kind in TOKENS:
                if kind not in form:
                    continue
                with subtests.test(example["name"], kind=kind, final=form is not example):
                    _check_token(form[kind].encode(), issuer, example, complete=kind == "sd_jwt_issuance")
                seen += 1
    assert seen == 11


def _check_token(raw: bytes, issuer: PublicKey, example: dict[str, Any], *, complete: bool) -> None:
    parsed = split(raw)
    jws = parse_jws(parsed.jwt, path="jwt", typ=TYP)
    verify_jws(jws, issuer)
    payload = _payload(jws)
    assert payload == example["sd_jwt_payload"]
    result = process(payload, parsed.disclosures)
    if complete:
        hidden = {"_sd", "_sd_alg", "cnf", "iss", "iat", "exp"}
        user = {name: value for name, value in example["user_claims"].items() if name not in hidden}
        assert {name: value for name, value in result.payload.items() if name in user} == user
        assert not any(result.hidden.values())
    else:
        assert result.payload == example["verified_contents"]
        _check_key_binding(parsed, payload)


def _check_key_binding(parsed: Any, payload: dict[str, Any]) -> None:
    if parsed.key_binding is None:
        return
    binding = parse_jws(parsed.key_binding, path="kb", typ="kb+jwt")
    verify_jws(binding, PublicKey.from_jwk(payload["cnf"]["jwk"]))
    assert _payload(binding)["sd_hash"] == b64u_encode(digest_of("sha-256")(parsed.bound))


def test_json_serializations(rfc: dict[str, Any], subtests: Any) -> None:
    keys = [
        PublicKey.from_jwk(rfc["issuer_public_jwk"]),
        PublicKey.from_jwk(rfc["issuer2_public_jwk_for_json_serialization_general"]),
    ]
    seen = 0
    for example in rfc["examples"]:
        for kind in ("issuance", "presentation"):
            if f"{kind}_json" not in example:
                continue
            with subtests.test(example["name"], kind=kind):
                token = parse_json_sd_jwt(json.dumps(example[f"{kind}_json"]).encode(), path="t", typ=TYP)
                verify_every(token, keys[: len(token.signatures)])
                payload = _payload(token.signatures[0])
                result = process(payload, token.parsed.disclosures)
                assert result.payload == example[f"{kind}_processed_payload"]
                _check_key_binding(token.parsed, payload)
            seen += 1
    assert seen == 3


def test_payloads_are_created_again_digest_by_digest(
    rfc: dict[str, Any], specs: list[dict[str, Any]], subtests: Any
) -> None:
    by_name = {spec["name"]: spec for spec in specs if spec["source"] == "rfc9901"}
    seen = 0
    for example in rfc["examples"]:
        if example["name"] not in by_name or example["name"] in SKIPPED:
            continue
        with subtests.test(example["name"]):
            spec = by_name[example["name"]]
            payload, disclosures = conceal(
                _marked(spec), salts=iter(rfc["salt_sequence"]), encode=lambda value: json.dumps(value).encode()
            )
            expected = example["sd_jwt_payload"]
            assert {name: value for name, value in payload.items() if name != "_sd_alg"}.items() <= expected.items()
            assert set(expected) - set(payload) <= {"iss", "iat", "exp", "cnf", "_sd_alg"}
            printed = {entry["disclosure"] for entry in example.get("disclosures", [])}
            if printed:
                assert {text.decode() for text in disclosures} >= printed
        seen += 1
    assert seen >= 8


def test_every_specification_round_trips(specs: list[dict[str, Any]], subtests: Any) -> None:
    for spec in specs:
        with subtests.test(spec["name"], source=spec["source"]):
            payload, disclosures = conceal(
                _marked(spec), salts=fresh_salts(), decoys=2 * bool(spec.get("add_decoy_claims"))
            )
            whole = process({**payload, "_sd_alg": "sha-256"}, disclosures)
            assert whole.payload == spec["user_claims"]
            assert len(whole.disclosed) == len(disclosures) == len(spec["sd_paths"])
            nothing = process(payload, [])
            assert not nothing.disclosed
            if "expect_verified_user_claims" in spec:
                paths = [
                    ClaimPath(path) for path in _selected(spec["holder_disclosed_claims"], spec["user_claims"], ())
                ]
                # What a specification wants disclosed includes plain nodes; asking for those discloses parents only.
                kept = _without_subtrees(needed(whole.payload, whole.disclosed, paths), paths, spec)
                shown = [whole.disclosed[parts] for parts in whole.disclosed if parts in kept]
                expected = {k: v for k, v in spec["expect_verified_user_claims"].items() if k not in ("iss", "cnf")}
                assert process(payload, shown).payload == expected


def _marked(spec: dict[str, Any]) -> dict[str, Any]:
    marks = {tuple(path) for path in spec["sd_paths"]}

    def mark(value: Any, at: tuple[Any, ...]) -> Any:
        if isinstance(value, dict):
            value = {name: mark(member, (*at, name)) for name, member in value.items()}
        elif isinstance(value, list):
            value = [mark(element, (*at, index)) for index, element in enumerate(value)]
        return SD(value) if at in marks else value

    return mark(spec["user_claims"], ())


def _selected(wanted: Any, value: Any, at: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """The nodes that ``holder_disclosed_claims`` ends in: ``True``, or a value standing for itself."""
    if wanted is False:
        return []
    if isinstance(wanted, dict) and isinstance(value, dict):
        below = [p for name, part in wanted.items() if name in value for p in _selected(part, value[name], (*at, name))]
        return below or ([at] if at and not wanted else [])
    if isinstance(wanted, list) and isinstance(value, list):
        return [p for index, part in enumerate(wanted) for p in _selected(part, value[index], (*at, index))] or (
            [at] if at else []
        )
    return [at]


def _without_subtrees(kept: set[Any], paths: list[ClaimPath], spec: dict[str, Any]) -> set[Any]:
    # ``{}`` and ``[]`` in a specification mean the container without what is hidden in it.
    empty = {path.parts for path in paths if _at(spec["holder_disclosed_claims"], path.parts) in ({}, [])}
    return {parts for parts in kept if not any(len(parts) > len(top) and parts[: len(top)] == top for top in empty)}


def _at(tree: Any, parts: tuple[Any, ...]) -> Any:
    for part in parts:
        if isinstance(tree, dict):
            tree = tree.get(part, True)
        elif isinstance(tree, list) and isinstance(part, int) and part < len(tree):
            tree = tree[part]
        else:
            return True
    return tree
