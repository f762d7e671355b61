"""W3C Bitstring Status Lists: what is built is what is read, and what cannot be built."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from vcred.errors import RefusedError
from vcred.formats._wire import b64u_decode
from vcred.keys import SoftwareSigner
from vcred.status import StatusList, build_bitstring_token, parse_status_token, verify_status_token
from vcred.status.bitstring import MIN_ENTRIES

AT = datetime(2026, 11, 2, tzinfo=UTC)
URI, ISSUER = "https://garam.example/status/w3c/1", "https://garam.example/issuer"
KEY = SoftwareSigner.generate()


def build(**changes):
    usual = {
        "uri": URI,
        "issuer": ISSUER,
        "purposes": ["revocation"],
        "status_list": StatusList.build(bits=1, size=MIN_ENTRIES, values={5: 1, 131_000: 1}),
        "signer": KEY,
        "issued_at": AT,
        "expires_at": AT + timedelta(days=7),
        "ttl": timedelta(hours=12),
    }
    return build_bitstring_token(**usual | changes)


@pytest.mark.parametrize("chain", [(), (b"leaf",), (b"leaf", b"middle")])
@pytest.mark.parametrize("purposes", [["revocation"], ["suspension", "revocation"]])
def test_round_trip(chain, purposes):
    token = parse_status_token(build(chain=chain, purposes=purposes))
    verify_status_token(token, KEY.public_key)
    now = int(AT.timestamp())
    assert (token.form, token.uri, token.issuer, token.x5c) == ("vc+jwt", URI, ISSUER, chain)
    assert token.purposes == set(purposes)
    assert (token.kid, token.issued_at, token.expires_at, token.ttl) == (KEY.public_key.kid, now, now + 604800, 43200)
    assert [token.status_list.get(index) for index in (4, 5, 6, 131_000)] == [0, 1, 0, 1]


def test_it_is_a_credential_as_the_standard_has_it():
    header, payload, _ = build().split(b".")
    assert json.loads(b64u_decode(header, "")).items() >= {"alg": "ES256", "typ": "vc+jwt", "cty": "vc"}.items()
    body = json.loads(b64u_decode(payload, ""))
    assert body["@context"] == ["https://www.w3.org/ns/credentials/v2"]
    assert body["type"] == ["VerifiableCredential", "BitstringStatusListCredential"]
    assert (body["validFrom"], body["validUntil"]) == ("2026-11-02T00:00:00Z", "2026-11-09T00:00:00Z")
    subject = body["credentialSubject"]
    assert (subject["type"], subject["statusPurpose"], subject["ttl"]) == (
        "BitstringStatusList",
        "revocation",
        43200000,
    )
    assert subject["encodedList"].startswith("uH4sI")


def test_it_may_have_no_ttl_and_another_key_does_not_verify():
    token = parse_status_token(build(ttl=None))
    assert token.ttl is None
    with pytest.raises(RefusedError) as caught:
        verify_status_token(token, SoftwareSigner.generate().public_key)
    assert caught.value.code.value == "status_signature"


@pytest.mark.parametrize(
    "changes",
    [
        {"expires_at": AT},
        {"ttl": timedelta(milliseconds=500)},
        {"issued_at": AT.replace(tzinfo=None)},
        {"purposes": []},
        {"purposes": ["message"]},
        {"status_list": StatusList.build(bits=1, size=MIN_ENTRIES - 8, values={})},
        {"status_list": StatusList.build(bits=2, size=MIN_ENTRIES, values={})},
    ],
)
def test_what_makes_no_list(changes):
    with pytest.raises(ValueError, match=r"."):
        build(**changes)
