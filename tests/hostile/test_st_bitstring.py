"""ST again, for W3C Bitstring Status Lists: what is refused of a Token Status List is refused of these too."""

from __future__ import annotations

import contextlib
import tracemalloc
import zlib
from base64 import b64encode, urlsafe_b64encode
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trust_town import AT, CITY, CITY_LIST, COURT_LIST, DAY, NOW, Town, refusal
from vcred.credential import StatusReference
from vcred.errors import MalformedError
from vcred.formats._jose import sign_jws
from vcred.formats._wire import b64u_encode, dump_json
from vcred.keys import SoftwareSigner
from vcred.status import (
    BitstringReference,
    StatusList,
    bitstring_references,
    build_bitstring_token,
    check_status,
    parse_status_token,
)
from vcred.status.bitstring import MIN_ENTRIES
from vcred.status.list import MAX_LIST_BYTES
from vcred.trust import TrustBundle

WEEK = 7 * DAY
SIZE = MIN_ENTRIES // 8


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


def built(town, values=(), *, issued_at=AT - timedelta(hours=6), key=None, uri=CITY_LIST, **changes):
    return build_bitstring_token(
        **{
            "uri": uri,
            "issuer": CITY,
            "purposes": ["revocation"],
            "status_list": StatusList.build(bits=1, size=MIN_ENTRIES, values=dict.fromkeys(values, 1)),
            "signer": key or town.city.status_key,
            "issued_at": issued_at,
            "expires_at": issued_at + 30 * DAY,
            "ttl": None,
        }
        | changes
    )


def bundle(town, token, uri=CITY_LIST) -> TrustBundle:
    raw = town.sign(town.builder().targets(at=AT - DAY), status={uri: token})
    return TrustBundle.loads(raw, root=town.root, seen=None)


def snapshot_of(town, values=(), **changes):
    found = bundle(town, built(town, values, **changes)).status_list(CITY_LIST)
    assert found is not None
    return found


def check(snapshot, index=3, *, uri=CITY_LIST, purpose="revocation", max_age=WEEK, at=AT):
    return check_status(BitstringReference(uri=uri, index=index, purpose=purpose), snapshot, max_age=max_age, at=at)


def gzip(raw: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=31)
    return deflater.compress(raw) + deflater.flush()


def credential(*, subject=None, **claims):
    """The payload of an honest list, with changes; ``...`` takes a member away."""
    listed = {
        "id": f"{CITY_LIST}#list",
        "type": "BitstringStatusList",
        "statusPurpose": "revocation",
        "encodedList": "u" + b64u_encode(gzip(bytes(SIZE))),
    } | (subject or {})
    body = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": CITY_LIST,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": CITY,
        "validFrom": "2026-11-02T08:00:00Z",
        "credentialSubject": {name: value for name, value in listed.items() if value is not ...},
    } | claims
    return {name: value for name, value in body.items() if value is not ...}


def token(town, *, header=None, **changes):
    signed = {"typ": "vc+jwt", "kid": b64u_encode(town.city.status_key.public_key.kid)} | (header or {})
    return sign_jws(signed, dump_json(credential(**changes)), town.city.status_key)


def code(raw) -> str:
    return refusal(lambda: parse_status_token(raw))


def encoded(town, text) -> str:
    return code(token(town, subject={"encodedList": text}))


def test_an_honest_list_is_read_and_believed(town):
    found = bundle(town, token(town)).status_list(CITY_LIST)
    assert (found.verified_by, found.issued_at, found.expires_at) == (CITY, NOW - 3600, None)
    assert check(found).age == timedelta(hours=1)
    assert refusal(lambda: check(snapshot_of(town, [3]))) == "revoked"


def test_st_03_who_may_sign(town):
    thief, stranger = SoftwareSigner.generate(), Town()
    for key, chain in (
        (thief, ()),
        (stranger.city.status_key, (stranger.city.status_signer,)),
        (town.court.status_key, ()),
        (town.bank_key, (town.bank,)),
    ):
        bad = built(town, key=key, chain=chain)
        assert bundle(town, bad).status_problem(CITY_LIST).code.value == "status_signature"
        assert refusal(lambda bad=bad: town.bundle().with_status(bad)) == "status_signature"
    assert bundle(town, built(town, key=town.city.key, chain=(town.city.signer,))).status_list(CITY_LIST)


def test_st_03_the_issuer_named_is_the_signers(town):
    assert bundle(town, built(town, issuer="https://court.example/issuer")).status_list(CITY_LIST) is None
    assert code(token(town, iss="https://court.example/issuer")) == "claim_type"
    assert parse_status_token(token(town, issuer={"id": CITY, "name": "가람시 (가상)"}, iss=CITY)).issuer == CITY


@pytest.mark.parametrize(
    "other",
    [
        "https://GARAM.example/status/1",
        "https://garam.example:443/status/1",
        "https://garam.example/status/1?",
        "https://garam.example/status/1#list",
        "http://garam.example/status/1",
    ],
)
def test_st_04_id_differs_from_the_uri(town, other):
    assert refusal(lambda: check(snapshot_of(town), uri=other)) == "status_list"
    assert bundle(town, built(town, uri=other)).status_list(CITY_LIST) is None


def test_st_04_no_id_or_another_authoritys(town):
    assert code(token(town, id=...)) == "claim_type"
    assert refusal(lambda: town.bundle().with_status(built(town, uri=COURT_LIST))) == "status_signature"


def test_st_04_a_list_of_another_kind_or_purpose(town):
    ours, theirs = snapshot_of(town), bundle(town, town.city.status()).status_list(CITY_LIST)
    plain = StatusReference(uri=CITY_LIST, index=3)
    assert refusal(lambda: check_status(plain, ours, max_age=WEEK, at=AT)) == "status_list"
    assert refusal(lambda: check(theirs)) == "status_list"
    assert refusal(lambda: check(ours, purpose="suspension")) == "status_list"


def test_st_05_past_its_end(town):
    old = snapshot_of(town, issued_at=AT - 10 * DAY, expires_at=AT)
    assert refusal(lambda: check(old, max_age=30 * DAY)) == "stale"
    assert check(old, max_age=30 * DAY, at=AT - timedelta(seconds=1)).value == 0


@pytest.mark.parametrize("changes", [{"validUntil": "2026-11-02T09:00:00Z"}, {"exp": NOW}])
def test_st_05_the_earlier_of_two_ends_counts(town, changes):
    both = {"validUntil": "2026-12-01T00:00:00Z", "exp": NOW + 86400} | changes
    found = bundle(town, token(town, **both)).status_list(CITY_LIST)
    assert found.expires_at == NOW
    assert refusal(lambda: check(found)) == "stale"


def test_st_05_in_the_future_or_postdated(town):
    future = snapshot_of(town, issued_at=AT + timedelta(minutes=5))
    assert refusal(lambda: check(future)) == "stale"
    assert code(token(town, iat=NOW - 7200)) == "status_list"
    assert code(token(town, nbf=NOW)) == "status_list"
    assert code(token(town, validUntil="2026-11-02T08:00:00Z")) == "status_list"


def test_st_05_as_old_as_its_signature(town):
    assert parse_status_token(token(town, iat=NOW - 60)).issued_at == NOW - 60
    assert parse_status_token(token(town)).issued_at == NOW - 3600
    assert code(token(town, validFrom=...)) == "claim_type"


def test_st_05_ttl_is_in_milliseconds(town):
    found = snapshot_of(town, issued_at=AT - timedelta(hours=2), ttl=timedelta(hours=1))
    assert found.ttl == 3600
    assert refusal(lambda: check(found)) == "stale"
    assert refusal(lambda: check(snapshot_of(town, issued_at=AT - 9 * DAY))) == "stale"


def test_st_05_revoked_stays_revoked_in_an_old_list_and_suspended_does_not(town):
    old = snapshot_of(town, [3], purposes=["revocation", "suspension"], issued_at=AT - 60 * DAY)
    assert refusal(lambda: check(old)) == "revoked"
    assert refusal(lambda: check(old, purpose="suspension")) == "stale"
    fresh = snapshot_of(town, [3], purposes=["revocation", "suspension"])
    assert refusal(lambda: check(fresh, purpose="suspension")) == "suspended"


@pytest.mark.parametrize("index", [MIN_ENTRIES, -1, 1.0, "1", True, None, 2**63])
def test_st_06_index_of_a_reference(town, index):
    assert refusal(lambda: check(snapshot_of(town), index)) == "status_index"


def entry(**changes):
    usual = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "94567",
        "statusListCredential": CITY_LIST,
    } | changes
    return {name: value for name, value in usual.items() if value is not ...}


@pytest.mark.parametrize(
    "index", [94567, 1.0, True, None, ..., "", "-1", "+1", "01", "1.0", " 1", "1 ", "1e3", "0x1", "١", "1" * 20]
)
def test_st_06_index_as_it_is_written(index):
    assert refusal(lambda: bitstring_references(entry(statusListIndex=index))) == "status_index"
    assert bitstring_references(entry())[0].index == 94567
    assert bitstring_references([entry(statusListIndex="0")])[0].index == 0


@pytest.mark.parametrize("size", [0, 2, 4, 16, "1", 1.0, True, None])
def test_st_07_width(town, size):
    assert code(token(town, subject={"statusSize": size})) == "status_list"
    assert refusal(lambda: bitstring_references(entry(statusSize=size))) == "status_list"
    assert parse_status_token(token(town, subject={"statusSize": 1})).status_list.bits == 1


def test_st_07_purposes(town):
    for purpose in ("message", ["revocation", "message"]):
        assert code(token(town, subject={"statusPurpose": purpose, "statusSize": 2})) == "status_list"
        assert code(token(town, subject={"statusPurpose": purpose})) == "status_list"
    for purpose in (5, None, ..., [], ["revocation", 1], "", {}):
        assert code(token(town, subject={"statusPurpose": purpose})) == "claim_type"
    for purpose in ("message", "Revocation", "revoked"):
        assert refusal(lambda purpose=purpose: bitstring_references(entry(statusPurpose=purpose))) == "status_list"
    assert bitstring_references([entry(statusPurpose="refresh"), entry()]) == bitstring_references(entry())


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "claim_type"),
        ("x", "claim_type"),
        ([], "limit"),
        ([entry()] * 9, "limit"),
        ([entry(), 1], "claim_type"),
        (entry(type="StatusList2021Entry"), "status_unknown"),
        (entry(type=["BitstringStatusListEntry"]), "status_unknown"),
        (entry(statusPurpose=...), "claim_type"),
        (entry(statusListCredential=...), "claim_type"),
        (entry(statusListCredential=["x"]), "claim_type"),
        (entry(statusListCredential="x" * 3000), "claim_type"),
    ],
)
def test_st_entries_that_are_none(value, reason):
    assert refusal(lambda: bitstring_references(value)) == reason


@pytest.mark.parametrize("megabytes", [17, 64, 256])
def test_st_08_list_that_inflates_beyond_the_cap(town, megabytes):
    deflater = zlib.compressobj(9, wbits=31)
    bomb = b"".join(deflater.compress(bytes(1024 * 1024)) for _ in range(megabytes)) + deflater.flush()
    tracemalloc.start()
    try:
        assert encoded(town, "u" + b64u_encode(bomb)) == "size"
        assert tracemalloc.get_traced_memory()[1] < MAX_LIST_BYTES
    finally:
        tracemalloc.stop()


GOOD = gzip(bytes(range(256)) * 64)
CONTAINERS = {
    "ST-09 truncated": GOOD[:-9],
    "ST-09 no checksum": GOOD[:-8],
    "ST-09 bad CRC": GOOD[:-8] + bytes([GOOD[-8] ^ 1]) + GOOD[-7:],
    "ST-09 bad length": GOOD[:-1] + bytes([GOOD[-1] ^ 1]),
    "ST-09 zlib": zlib.compress(bytes(SIZE)),
    "ST-09 raw deflate": GOOD[10:-8],
    "ST-09 trailing garbage": GOOD + b"\0",
    "ST-09 two members": GOOD + GOOD,
    "ST-09 nothing": b"",
    "ST-09 not compressed": bytes(SIZE),
}


@pytest.mark.parametrize("compressed", CONTAINERS.values(), ids=CONTAINERS)
def test_st_09_container(town, compressed):
    assert encoded(town, "u" + b64u_encode(compressed)) == "encoding"


def test_st_09_empty_or_short_list(town):
    assert encoded(town, "u" + b64u_encode(gzip(b""))) == "status_list"
    assert encoded(town, "u" + b64u_encode(gzip(bytes(SIZE - 1)))) == "status_list"


def test_st_10_padded_other_alphabets_and_other_multibases(town):
    raw = gzip(bytes(range(256)) * 64)
    while len(raw) % 3 == 0:
        raw = gzip(bytes(range(256)) * (64 + len(raw)))
    plain = b64u_encode(raw)
    standard = b64encode(raw).decode().rstrip("=")
    for text in (
        urlsafe_b64encode(raw).decode(),
        "u" + urlsafe_b64encode(raw).decode(),
        "U" + plain,
        "m" + standard,
        "u" + standard,
        plain,
        "u" + plain + "\n",
        "u " + plain,
        "",
        "u",
    ):
        assert encoded(town, text) in ("encoding", "status_list"), text[:8]
    for value in (None, ..., 5, ["u" + plain]):
        assert encoded(town, value) == "claim_type"


@pytest.mark.parametrize("typ", ["JWT", "vc", "VC+JWT", "application/vc+jwt", "vp+jwt", "vc+sd-jwt", 5])
def test_st_11_typ(town, typ):
    assert code(token(town, header={"typ": typ})) == "typ"


@pytest.mark.parametrize(
    "types",
    [["VerifiableCredential"], ["VerifiableCredential", "SeniorCitizen"], "BitstringStatusListCredential", [], ...],
)
def test_st_11_a_normal_credential_offered_as_the_list(town, types):
    assert code(token(town, type=types)) == "typ"


def test_st_11_neighbours(town):
    assert code(token(town, type=["BitstringStatusListCredential"])) == "typ"
    for subject in ("x", [], [credential()["credentialSubject"]], {}, {"type": "StatusList2021"}, ...):
        assert code(token(town, credentialSubject=subject)) == "status_list"
    for contexts in ("https://www.w3.org/ns/credentials/v2", [], ["https://www.w3.org/2018/credentials/v1"], ...):
        assert code(token(town, **{"@context": contexts})) == "format"
    for name in ("vc", "vp"):
        assert code(token(town, **{name: {}})) == "format"
    assert code(token(town, header={"jwk": town.city.key.public_key.to_jwk()})) == "untrusted"


@pytest.mark.parametrize(
    "moment",
    [5, "", "2026-11-02", "2026-11-02T08:00:00", "2026-11-02 08:00:00Z", "2026-13-02T08:00:00Z", "1969-01-01T00:00:00Z",
     "2026-11-02T08:00:00+9", "20261102T080000Z", "2026-11-02T24:30:00Z", "9999-12-31T23:59:59-23:59", "２０２６-11-02T08:00:00Z"],
)  # fmt: skip
def test_st_times_of_a_wrong_form(town, moment):
    assert code(token(town, validFrom=moment)) == "claim_type"
    assert code(token(town, validUntil=moment)) == "claim_type"


@pytest.mark.parametrize(("claim", "value"), [("iat", "1"), ("iat", True), ("exp", 1.5), ("exp", -1), ("nbf", 10**12)])
def test_st_claims_of_a_wrong_type(town, claim, value):
    assert code(token(town, **{claim: value})) == "claim_type"


@pytest.mark.parametrize("ttl", [0, -1, 1.0, "60000", True, None, 10**18])
def test_st_ttl_of_a_wrong_type(town, ttl):
    assert code(token(town, subject={"ttl": ttl})) == "claim_type"


def test_st_times_with_an_offset_or_a_fraction_are_read(town):
    for text in ("2026-11-02T17:00:00+09:00", "2026-11-02T08:00:00.999999999Z"):
        assert parse_status_token(token(town, validFrom=text)).issued_at == NOW - 3600


def test_st_13_older_list_after_a_newer_one(town, caplog):
    newer = built(town, [3], issued_at=AT - timedelta(hours=1))
    held = bundle(town, newer)
    assert held.with_status(built(town, issued_at=AT - timedelta(hours=5))) is held
    assert "older list" in caplog.text
    assert refusal(lambda: check(held.status_list(CITY_LIST))) == "revoked"
    old = bundle(town, built(town, issued_at=AT - timedelta(hours=5)))
    assert refusal(lambda: check(old.with_status(newer).status_list(CITY_LIST))) == "revoked"


def test_st_13_a_later_list_of_the_other_kind_makes_nothing_valid(town):
    held = bundle(town, built(town, [3], issued_at=AT - timedelta(hours=7))).with_status(town.city.status())
    assert refusal(lambda: check(held.status_list(CITY_LIST))) == "status_list"
    plain = StatusReference(uri=CITY_LIST, index=3)
    held = bundle(town, town.city.status({3: 1})).with_status(built(town, issued_at=AT - timedelta(hours=1)))
    assert refusal(lambda: check_status(plain, held.status_list(CITY_LIST), max_age=WEEK, at=AT)) == "status_list"


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
NAMES = [*credential(), *entry(), "statusSize", "ttl", "encodedList"]


def objects(values):
    return st.dictionaries(st.sampled_from(NAMES), values, max_size=4)


@settings(max_examples=150)
@given(value=st.recursive(LEAVES, lambda deep: st.lists(deep, max_size=3) | objects(deep), max_leaves=12))
def test_st_only_malformed_comes_out(value):
    key = SoftwareSigner.generate()
    for body in (value, credential() | {"credentialSubject": value}, credential() | {"type": value}):
        with contextlib.suppress(MalformedError):
            parse_status_token(sign_jws({"typ": "vc+jwt"}, dump_json(body), key))
    with contextlib.suppress(MalformedError):
        bitstring_references(value)
