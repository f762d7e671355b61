"""Token Status Lists against @sd-jwt/jwt-status-list and @owf/token-status-list: JWT and CWT, issued and read by both."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.interop.kit import AT, NOW, PeerError, private_jwk, signer
from vcred.errors import MalformedError
from vcred.status import StatusList, build_status_token, parse_status_token, verify_status_token

URI = "https://garam.example/status/1"
ALL = "https://garam.example/status"
LIBRARIES = ("@sd-jwt/jwt-status-list", "@owf/token-status-list")
KEYS = {alg: signer(alg) for alg in ("ES256", "ES384", "EdDSA")}
DAY = 86400
fuzzed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def lists(draw: st.DrawFn) -> tuple[int, list[int]]:
    """Bits, and as many values as fill whole bytes: the rest of a byte is entries too."""
    bits = draw(st.sampled_from([1, 2, 4, 8]))
    step = 8 // bits
    count = step * draw(st.integers(1, 24))
    return bits, draw(st.lists(st.integers(0, 2**bits - 1), min_size=count, max_size=count))


def ours(bits: int, values: list[int], form: str, *, alg: str = "ES256") -> bytes:
    return build_status_token(
        uri=URI,
        status_list=StatusList.build(bits=bits, size=len(values), values=dict(enumerate(values))),
        signer=KEYS[alg],
        issued_at=AT,
        expires_at=AT + timedelta(days=1),
        ttl=timedelta(hours=1),
        form=form,
        aggregation_uri=ALL,
    )


def check_ours(raw: bytes, bits: int, values: list[int], *, form: str, alg: str = "ES256") -> None:
    token = parse_status_token(raw)
    verify_status_token(token, KEYS[alg].public_key)
    assert (token.form, token.uri, token.issued_at, token.expires_at) == (form, URI, NOW, NOW + DAY)
    assert token.status_list.bits == bits
    assert [token.status_list.get(index) for index in range(len(token.status_list))] == values


@pytest.mark.parametrize("library", LIBRARIES)
@fuzzed
@given(case=lists())
def test_they_sign_a_jwt_and_we_read_it(node, library, case) -> None:
    bits, values = case
    key = private_jwk(KEYS["ES256"])
    given = {"library": library, "key": key, "uri": URI, "at": NOW, "expires": NOW + DAY}
    raw = node.call("status.issueJwt", bits=bits, values=values, **given)
    check_ours(raw.encode(), bits, values, form="jwt")


@pytest.mark.parametrize("library", LIBRARIES)
@fuzzed
@given(case=lists())
def test_we_sign_a_jwt_and_they_read_it(node, library, case) -> None:
    bits, values = case
    key = KEYS["ES256"].public_key.to_jwk()
    found = node.call("status.readJwt", library=library, key=key, token=ours(bits, values, "jwt").decode())
    assert (found["bits"], found["values"]) == case
    assert {name: found["claims"][name] for name in ("sub", "iat", "exp", "ttl")} == {
        "sub": URI,
        "iat": NOW,
        "exp": NOW + DAY,
        "ttl": 3600,
    }


@fuzzed
@given(case=lists())
def test_they_sign_a_cwt_and_we_read_it(node, case) -> None:
    bits, values = case
    raw = theirs(node, bits, values)
    check_ours(raw, bits, values, form="cwt")
    token = parse_status_token(raw)
    assert (token.ttl, token.aggregation_uri) == (3600, ALL)


def theirs(node, bits: int, values: list[int], *, alg: str = "ES256", without: str | None = None) -> bytes:
    given = {
        "key": private_jwk(KEYS[alg]),
        "uri": URI,
        "at": NOW,
        "expires": NOW + DAY,
        "ttl": 3600,
        "aggregation": ALL,
    }
    given.pop(without, None)
    return base64.b64decode(node.call("status.issueCwt", bits=bits, values=values, **given))


def test_they_write_undefined_for_what_is_absent_and_we_refuse(node) -> None:
    """A claim that is there has the type the standard gives it (section 5.2); undefined is no text and no number.

    Nor can they read a list without an aggregation URI, which the standard leaves to the issuer: ours has one here.
    """
    for absent in ("ttl", "aggregation"):
        with pytest.raises(MalformedError, match="cbor"):
            parse_status_token(theirs(node, 1, [0] * 8, without=absent))


@fuzzed
@given(case=lists())
def test_we_sign_a_cwt_and_they_read_it(node, case) -> None:
    bits, values = case
    found = cwt(node, ours(bits, values, "cwt"))
    assert found == {"uri": URI, "at": NOW, "expires": NOW + DAY, "ttl": 3600, "bits": bits, "values": values}


def cwt(node, raw: bytes, *, alg: str = "ES256"):
    key = KEYS[alg].public_key.to_jwk()
    return node.call("status.readCwt", key=key, token=base64.b64encode(raw).decode())


@pytest.mark.parametrize("alg", KEYS)
def test_every_algorithm(node, alg) -> None:
    values = [0, 1, 2, 3]
    given = {"key": private_jwk(KEYS[alg]), "uri": URI, "at": NOW, "expires": NOW + DAY, "bits": 2, "values": values}
    check_ours(theirs(node, 2, values, alg=alg), 2, values, form="cwt", alg=alg)
    assert cwt(node, ours(2, values, "cwt", alg=alg), alg=alg)["values"] == values
    for library in LIBRARIES:
        raw = node.call("status.issueJwt", library=library, **given)
        check_ours(raw.encode(), 2, values, form="jwt", alg=alg)


def test_they_refuse_a_list_of_ours_that_was_changed(node) -> None:
    raw = bytearray(ours(1, [0] * 8, "cwt"))
    raw[-1] ^= 1
    with pytest.raises(PeerError, match="signature"):
        cwt(node, bytes(raw))
