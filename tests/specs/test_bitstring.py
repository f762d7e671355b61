"""W3C Bitstring Status List v1.0: the example of the Recommendation, and the lists and bit orders of its test suites."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from vcred.errors import MalformedError, RefusedError
from vcred.formats._wire import b64u_decode, dump_json
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode
from vcred.status import StatusSnapshot, bitstring_references, check_status, parse_status_token, verify_status_token
from vcred.status.bitstring import MIN_ENTRIES, expand_bitstring
from vcred.status.list import StatusList

AT = datetime(2021, 4, 6, tzinfo=UTC)
KEY = SoftwareSigner.generate()
EXAMPLE_1 = [
    {
        "id": "https://example.com/credentials/status/3#94567",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "94567",
        "statusListCredential": "https://example.com/credentials/status/3",
    },
    {
        "id": "https://example.com/credentials/status/4#23452",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "suspension",
        "statusListIndex": "23452",
        "statusListCredential": "https://example.com/credentials/status/4",
    },
]
EXAMPLE_3 = {
    "@context": ["https://www.w3.org/ns/credentials/v2"],
    "id": "https://example.com/credentials/status/3",
    "type": ["VerifiableCredential", "BitstringStatusListCredential"],
    "issuer": "did:example:12345",
    "validFrom": "2021-04-05T14:27:40Z",
    "credentialSubject": {
        "id": "https://example.com/status/3#list",
        "type": "BitstringStatusList",
        "statusPurpose": "revocation",
    },
}


@pytest.fixture(scope="module")
def found(vectors):
    return json.loads(vectors("bitstring_status_list", "vectors.json").read_text())


def signed(encoded):
    from vcred.formats._jose import sign_jws

    subject = EXAMPLE_3["credentialSubject"] | {"encodedList": encoded}
    return sign_jws({"typ": "vc+jwt", "kid": "key"}, dump_json(EXAMPLE_3 | {"credentialSubject": subject}), KEY)


def test_every_list_reads_from_the_left(found):
    assert len(found["lists"]) == 5
    for case in found["lists"]:
        listed = expand_bitstring(case["encodedList"])
        assert len(listed) == case["bits"], case["name"]
        set_ones = [index for index in range(len(listed)) if listed.get(index)]
        assert set_ones == case["set_indexes_msb_first"], case["name"]
        assert expand_bitstring(again(listed))._buffer == listed._buffer


def again(listed):
    from vcred.formats._wire import b64u_encode

    return "u" + b64u_encode(listed.bitstring())


def test_the_order_of_bits_in_a_byte(found):
    for case in found["bit_order_msb_first"]:
        raw = bytes.fromhex(case["bytes_hex"])
        made = StatusList.build(bits=1, size=len(raw) * 8, values=dict.fromkeys(case["set_indexes"], 1))
        listed = StatusList.from_bitstring(made.bitstring())
        assert [index for index in range(len(listed)) if listed.get(index)] == case["set_indexes"]
        if "gzip_base64url_no_prefix" in case:
            published = expand_bitstring("u" + case["gzip_base64url_no_prefix"])
            assert [index for index in range(len(published)) if published.get(index)] == case["set_indexes"]
    wrong = found["right_to_left_control"]
    listed = StatusList.from_bitstring(b64u_decode(wrong["gzip_base64url_no_prefix"], ""))
    assert [index for index in range(8) if listed.get(index)] != [1, 4]


def test_what_is_no_list_is_refused(found):
    assert len(found["invalid"]) == 4
    for case in found["invalid"]:
        with pytest.raises(MalformedError) as caught:
            expand_bitstring(case["encodedList"])
        assert caught.value.code is ReasonCode.ENCODING, case["reason"]


def test_an_index_outside_the_list_is_refused(found):
    case = found["out_of_range"]
    listed = StatusList.build(bits=1, size=case["length"], values={})
    with pytest.raises(RefusedError) as caught:
        listed.get(case["index"])
    assert caught.value.code is ReasonCode.STATUS_INDEX


def test_lists_below_the_minimum_are_no_status_list_credentials(found):
    for case in found["lists"]:
        if case["meets_minimum_131072"]:
            assert len(parse_status_token(signed(case["encodedList"])).status_list) == MIN_ENTRIES
            continue
        with pytest.raises(MalformedError) as caught:
            parse_status_token(signed(case["encodedList"]))
        assert caught.value.code is ReasonCode.STATUS_LIST


def test_example_3_answers_for_the_entries_of_example_1(found):
    token = parse_status_token(signed(found["lists"][0]["encodedList"]))
    verify_status_token(token, KEY.public_key)
    assert (token.form, token.uri, token.issuer) == ("vc+jwt", EXAMPLE_3["id"], "did:example:12345")
    assert (token.issued_at, token.expires_at, token.ttl) == (1617632860, None, None)
    assert token.purposes == {"revocation"}
    revocation, suspension = bitstring_references(EXAMPLE_1)
    assert (revocation.uri, revocation.index, revocation.purpose) == (token.uri, 94567, "revocation")
    assert suspension.purpose == "suspension"
    snapshot = StatusSnapshot(
        uri=token.uri, token=token, verified_by="x", issued_at=token.issued_at, expires_at=None, ttl=None
    )
    assert check_status(revocation, snapshot, max_age=timedelta(days=1), at=AT).value == 0
    with pytest.raises(RefusedError) as caught:
        check_status(suspension, snapshot, max_age=timedelta(days=1), at=AT)
    assert caught.value.code is ReasonCode.STATUS_LIST
