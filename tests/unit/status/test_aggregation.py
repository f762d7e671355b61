"""The list of lists: what is written can be read, and nothing else can."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from vcred.errors import MalformedError
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode
from vcred.status import StatusList, build_status_token, parse_status_token
from vcred.status.aggregation import MAX_LISTS, build_aggregation, parse_aggregation

URIS = tuple(f"https://city.example/status/{number}" for number in (1, 2, 3))
AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
LIST = {
    "uri": URIS[0],
    "status_list": StatusList.build(bits=1, size=8, values={3: 1}),
    "signer": SoftwareSigner.generate(),
    "issued_at": AT,
    "expires_at": AT + timedelta(days=1),
    "ttl": None,
}


def test_what_is_built_is_read_in_the_same_order():
    raw = build_aggregation(URIS)
    assert json.loads(raw) == {"status_lists": list(URIS)}
    assert parse_aggregation(raw) == URIS
    assert parse_aggregation(build_aggregation([])) == ()


def test_w3c_lists_are_named_beside_the_others():
    raw = build_aggregation(URIS[:1], bitstrings=URIS[1:])
    assert json.loads(raw) == {"status_lists": [URIS[0]], "bitstring_status_lists": list(URIS[1:])}
    assert parse_aggregation(raw) == URIS
    with pytest.raises(ValueError, match="twice"):
        build_aggregation(URIS, bitstrings=URIS[:1])


def test_the_example_of_the_draft_is_read():
    raw = b"""
{
   "status_lists" : [
      "https://example.com/statuslists/1",
      "https://example.com/statuslists/2",
      "https://example.com/statuslists/3"
   ]
}
"""
    assert parse_aggregation(raw) == tuple(f"https://example.com/statuslists/{number}" for number in (1, 2, 3))
    assert parse_aggregation(b'{"status_lists": [], "ttl": 3}') == (), "other members mean nothing"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "json"),
        (b"[]", "format"),
        (b"{}", "claim_type"),
        (b'{"status_lists": "https://city.example/1"}', "claim_type"),
        (b'{"status_lists": [1]}', "claim_type"),
        (b'{"status_lists": [""]}', "claim_type"),
        (b'{"status_lists": ["status/1"]}', "claim_type"),
        (b'{"status_lists": ["https://city.example/a b"]}', "claim_type"),
        (b'{"status_lists": ["https://city.example/\\u0000"]}', "claim_type"),
        ('{"status_lists": ["https://도시.example/1"]}'.encode(), "claim_type"),
        (b'{"status_lists": ["https://city.example/' + b"1" * 2000 + b'"]}', "claim_type"),
        (b'{"status_lists": ["https://city.example/1", "https://city.example/1"]}', "status_list"),
        (b'{"status_lists": [], "bitstring_status_lists": null}', "claim_type"),
        (b'{"status_lists": [], "bitstring_status_lists": ["status/1"]}', "claim_type"),
        (b'{"bitstring_status_lists": []}', "claim_type"),
        (b'{"status_lists": ["a:1"], "bitstring_status_lists": ["a:1"]}', "status_list"),
        (b'{"status_lists": [], "status_lists": []}', "duplicate_key"),
        (json.dumps({"status_lists": [f"a:{number}" for number in range(MAX_LISTS + 1)]}).encode(), "limit"),
        (b"[" * 6 + b"]" * 6, "depth"),
    ],
)
def test_what_is_no_list_of_lists_is_refused(raw, code):
    with pytest.raises(MalformedError) as refused:
        parse_aggregation(raw)
    assert refused.value.code.value == code


def test_nothing_is_built_that_is_not_read():
    with pytest.raises(ValueError, match="no list"):
        build_aggregation([*URIS, URIS[0]])
    with pytest.raises(ValueError, match="no list"):
        build_aggregation(["/1"])


def test_a_list_says_where_the_list_of_lists_is():
    told = build_status_token(**LIST, form="jwt", aggregation_uri=URIS[0])
    assert parse_status_token(told).aggregation_uri == URIS[0]
    assert (
        parse_status_token(build_status_token(**LIST, form="cwt", aggregation_uri=URIS[1])).aggregation_uri == URIS[1]
    )
    for form in ("jwt", "cwt"):
        assert parse_status_token(build_status_token(**LIST, form=form)).aggregation_uri is None


@pytest.mark.parametrize("wrong", [3, "", ["https://city.example/1"], True])
def test_a_wrong_place_of_the_list_of_lists_is_refused(wrong):
    for form in ("jwt", "cwt"):
        with pytest.raises(MalformedError) as refused:
            parse_status_token(build_status_token(**LIST, form=form, aggregation_uri=wrong))
        assert refused.value.code is ReasonCode.CLAIM_TYPE
        assert refused.value.path.endswith("aggregation_uri")
