"""Status List Tokens: what is built is what is read, in both forms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vcred.errors import RefusedError
from vcred.keys import SoftwareSigner
from vcred.status import StatusList, build_status_token, parse_status_token, verify_status_token

AT = datetime(2026, 11, 2, tzinfo=UTC)
URI = "https://garam.example/status/1"
KEY = SoftwareSigner.generate()


def build(**changes):
    usual = {
        "uri": URI,
        "status_list": StatusList.build(bits=2, size=64, values={5: 1, 6: 2}),
        "signer": KEY,
        "issued_at": AT,
        "expires_at": AT + timedelta(days=7),
        "ttl": timedelta(hours=12),
        "form": "cwt",
    }
    return build_status_token(**usual | changes)


@pytest.mark.parametrize("form", ["cwt", "jwt"])
@pytest.mark.parametrize("chain", [(), (b"leaf",), (b"leaf", b"middle")])
def test_round_trip(form, chain):
    token = parse_status_token(build(form=form, chain=chain))
    verify_status_token(token, KEY.public_key)
    now = int(AT.timestamp())
    assert (token.form, token.uri, token.kid, token.x5c) == (form, URI, KEY.public_key.kid, chain)
    assert (token.issued_at, token.expires_at, token.ttl) == (now, now + 7 * 86400, 43200)
    assert [token.status_list.get(index) for index in (4, 5, 6)] == [0, 1, 2]


@pytest.mark.parametrize("form", ["cwt", "jwt"])
def test_another_key_does_not_verify(form):
    token = parse_status_token(build(form=form))
    with pytest.raises(RefusedError) as caught:
        verify_status_token(token, SoftwareSigner.generate().public_key)
    assert caught.value.code.value == "status_signature"


def test_ttl_is_optional_and_the_cwt_is_the_smaller_form():
    assert parse_status_token(build(ttl=None)).ttl is None
    assert len(build(form="cwt")) < len(build(form="jwt"))


@pytest.mark.parametrize("changes", [{"expires_at": AT}, {"ttl": timedelta(0)}, {"issued_at": AT.replace(tzinfo=None)}])
def test_times_that_make_no_token(changes):
    with pytest.raises(ValueError, match=r"."):
        build(**changes)
