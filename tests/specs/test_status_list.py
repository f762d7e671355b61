"""The published vectors of the Token Status List draft: six lists in both encodings, and its example tokens."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from vcred.credential import StatusReference
from vcred.errors import RefusedError
from vcred.formats._cbor import decode
from vcred.formats._wire import b64u_decode
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode
from vcred.status import StatusList, StatusSnapshot, check_status, parse_status_token, verify_status_token

NAMES = ["1-bit short", "2-bit short"] + [f"{bits}-bit, 2^20 entries" for bits in (1, 2, 4, 8)]


@pytest.fixture(scope="module")
def lists(vectors):
    found = json.loads(vectors("status_list", "vectors.json").read_text())["lists"]
    return {each["name"]: each for each in found}


@pytest.fixture(scope="module")
def tokens(vectors):
    return json.loads(vectors("status_list", "tokens.json").read_text())


def test_every_published_list_is_run(lists):
    assert len(lists) == len(NAMES)


@pytest.mark.parametrize("position", range(6))
@pytest.mark.parametrize("form", ["json", "cbor"])
def test_lists(lists, position, form):
    case = list(lists.values())[position]
    if form == "json":
        bits, compressed = case["json"]["bits"], b64u_decode(case["json"]["lst"], "lst")
    else:
        body = decode(bytes.fromhex(case["cbor_hex"]), "", max_bytes=1 << 24)
        bits, compressed = body["bits"], body["lst"]
    found = StatusList.from_compressed(bits=bits, compressed=compressed)
    assert (found.bits, len(found)) == (case["bits"], case["size"])
    stated = {int(index): value for index, value in case["status"].items()}
    assert {index: found.get(index) for index in stated} == stated
    if case["all_other"] is not None:
        others = {found.get(index) for index in range(0, case["size"], 97) if index not in stated}
        assert others == {case["all_other"]}
    if "decompressed_sha256" in case:
        assert hashlib.sha256(bytes(found._buffer)).hexdigest() == case["decompressed_sha256"]
    with pytest.raises(RefusedError):
        found.get(case["size"])
    again = StatusList.build(bits=bits, size=case["size"], values=stated)
    assert bytes(again._buffer) == bytes(found._buffer)


def raw_tokens(tokens):
    return {
        "jwt": tokens["status_list_token_jwt"]["compact"].encode(),
        "cwt": bytes.fromhex(tokens["status_list_token_cwt"]["cose_hex"]),
    }


@pytest.mark.parametrize("form", ["jwt", "cwt"])
def test_tokens(tokens, form):
    jwk = {name: tokens["signing_jwk_private"][name] for name in ("kty", "crv", "x", "y")}
    token = parse_status_token(raw_tokens(tokens)[form])
    verify_status_token(token, PublicKey.from_jwk(jwk))
    assert (token.form, token.uri) == (form, "https://example.com/statuslists/1")
    assert (token.issued_at, token.expires_at, token.ttl) == (1686920170, 2291720170, 43200)
    assert token.kid == b"12"
    assert [token.status_list.get(index) for index in range(16)] == [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]


@pytest.mark.parametrize("form", ["jwt", "cwt"])
def test_the_referenced_token_is_revoked(tokens, form):
    token = parse_status_token(raw_tokens(tokens)[form])
    snapshot = StatusSnapshot(
        uri=token.uri,
        token=token,
        verified_by="https://example.com",
        issued_at=token.issued_at,
        expires_at=token.expires_at,
        ttl=token.ttl,
    )
    at = datetime.fromtimestamp(token.issued_at, UTC) + timedelta(hours=1)
    with pytest.raises(RefusedError) as caught:
        check_status(StatusReference(uri=token.uri, index=0), snapshot, max_age=timedelta(days=1), at=at)
    assert caught.value.code is ReasonCode.REVOKED
    good = StatusReference(uri=token.uri, index=1)
    assert check_status(good, snapshot, max_age=timedelta(days=1), at=at).age == timedelta(hours=1)


def test_the_status_members_of_the_referenced_tokens(tokens):
    from vcred.formats import _cwt_claims, _registered
    from vcred.formats._cose import parse_sign1

    cwt = parse_sign1(bytes.fromhex(tokens["referenced_token_cwt"]["cose_hex"]), path="")
    claims = decode(cwt.payload, "", max_bytes=1 << 16)
    jws = tokens["referenced_token_sd_jwt"]["sd_jwt"].partition("~")[0]
    payload = json.loads(b64u_decode(jws.split(".")[1], ""))
    expected = StatusReference(uri="https://example.com/statuslists/1", index=0)
    assert _cwt_claims._status(claims[65535], "") == expected
    assert _registered._status(payload["status"]) == expected
    assert _registered._status(tokens["referenced_jwt_payload"]["status"]) == expected
    for raw in raw_tokens(tokens).values():
        assert parse_status_token(raw).status_list.get(0) == tokens["expected_status_of_index_0"]
