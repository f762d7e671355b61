"""ST: hostile status lists (threats.md). ST-14 is about fetching and is tested where lists are fetched."""

from __future__ import annotations

import contextlib
import json
import logging
import mmap
import tracemalloc
import zlib
from base64 import b64encode, urlsafe_b64encode
from datetime import timedelta

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trust_town import AT, CITY, CITY_LIST, COURT_LIST, DAY, NOW, Town, refusal
from vcred.credential import StatusReference
from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import encode
from vcred.formats._cose import KID, TYP, sign_sign1
from vcred.formats._jose import sign_jws
from vcred.formats._wire import b64u_encode, dump_json
from vcred.keys import SoftwareSigner
from vcred.reasons import Outcome, ReasonCode
from vcred.status import StatusList, check_status, newer_snapshot, parse_status_token
from vcred.status.list import MAX_LIST_BYTES
from vcred.trust import Purpose, TrustBundle, Withdrawal, WithdrawalReason

WEEK = 7 * DAY
FORMS = ("cwt", "jwt")


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


def bundle_with(town, *tokens, uri=CITY_LIST, **changes) -> TrustBundle:
    """A bundle that carries ``tokens`` as they are, also where the builder would not publish it."""
    builder = town.builder(**changes)
    for token in tokens:
        builder.add_status(token)
    return town.bundle(builder)


def raw_bundle(town, token, uri=CITY_LIST) -> TrustBundle:
    """A bundle whose status file for ``uri`` is ``token``, readable or not."""
    raw = town.sign(town.builder().targets(at=AT - DAY), status={uri: token})
    return TrustBundle.loads(raw, root=town.root, seen=None)


def snapshot_of(town, values=None, **changes):
    return bundle_with(town, town.city.status(values, **changes)).status_list(CITY_LIST)


def check(snapshot, index=3, *, uri=CITY_LIST, max_age=WEEK, at=AT):
    return check_status(StatusReference(uri=uri, index=index), snapshot, max_age=max_age, at=at)


def jwt(town, body=None, header=None, **claims):
    whole = {"sub": CITY_LIST, "iat": NOW - 60, "status_list": {"bits": 1, "lst": lst(b"\0" * 8)}}
    signed = {"typ": "statuslist+jwt", "kid": b64u_encode(town.city.status_key.public_key.kid)}
    return sign_jws(signed | (header or {}), dump_json((body or whole) | claims), town.city.status_key)


def cwt(town, protected=None, **claims):
    body = {2: CITY_LIST, 6: NOW - 60, 65533: {"bits": 1, "lst": zlib.compress(b"\0" * 8)}}
    names = {"sub": 2, "exp": 4, "iat": 6, "status_list": 65533, "ttl": 65534}
    body |= {names[name]: value for name, value in claims.items()}
    header = {KID: town.city.status_key.public_key.kid, TYP: "application/statuslist+cwt"} | (protected or {})
    return sign_sign1(header, {}, cbor2.dumps({k: v for k, v in body.items() if v is not None}), town.city.status_key)


def lst(raw: bytes) -> str:
    return b64u_encode(zlib.compress(raw))


def code(raw) -> str:
    return refusal(lambda: parse_status_token(raw))


def test_st_01_credential_without_status():
    assert refusal(lambda: check_status(None, None, max_age=WEEK, at=AT)) == "status_missing"


def test_st_02_list_absent(town):
    assert town.bundle().status_list(CITY_LIST) is None
    assert refusal(lambda: check(None)) == "status_unknown"
    assert ReasonCode.STATUS_UNKNOWN.outcome is Outcome.INDETERMINATE


@pytest.mark.parametrize("junk", [b"", b"x", b"\xd2\x84", b"a.b.c", b"\0" * 1000])
def test_st_02_list_unreadable(town, junk):
    bundle = raw_bundle(town, junk)
    assert bundle.status_list(CITY_LIST) is None
    assert bundle.status_problem(CITY_LIST) is not None
    assert refusal(lambda: check(bundle.status_list(CITY_LIST))) == "status_unknown"


@pytest.mark.parametrize("form", FORMS)
def test_st_03_key_carried_only_in_the_list(town, form):
    thief = SoftwareSigner.generate()
    stranger = Town()
    for token in (
        town.city.status(key=thief, form=form),
        town.city.status(key=stranger.city.status_key, chain=(stranger.city.status_signer,), form=form),
        town.city.status(key=stranger.city.key, chain=(stranger.city.signer,), form=form),
    ):
        bundle = bundle_with(town, token)
        assert bundle.status_list(CITY_LIST) is None
        assert bundle.status_problem(CITY_LIST).code is ReasonCode.STATUS_SIGNATURE
        assert refusal(lambda token=token: town.bundle().with_status(token)) == "status_signature"


def test_st_03_header_jwk(town):
    thief = SoftwareSigner.generate()
    assert code(jwt(town, header={"jwk": thief.public_key.to_jwk()})) == "untrusted"


@pytest.mark.parametrize("form", FORMS)
def test_st_03_right_kid_wrong_key(town, form):
    class Liar:
        public_key = town.city.status_key.public_key

        def sign(self, message):
            return SoftwareSigner.generate().sign(message)

    bundle = bundle_with(town, town.city.status(key=Liar(), form=form))
    assert bundle.status_problem(CITY_LIST).code is ReasonCode.STATUS_SIGNATURE


def test_st_03_another_authority_signs_the_list(town):
    for key in (town.court.status_key, town.court.key):
        bundle = bundle_with(town, town.city.status(key=key))
        assert bundle.status_list(CITY_LIST) is None
        assert bundle.status_problem(CITY_LIST).code is ReasonCode.STATUS_SIGNATURE


def test_st_03_withdrawn_status_key(town):
    kid = town.city.status_key.public_key.kid
    gone = [Withdrawal(kid=kid, at=NOW, reason=WithdrawalReason.COMPROMISED)]
    bundle = bundle_with(town, town.city.status(), city={"withdrawn": gone})
    assert bundle.status_problem(CITY_LIST).code is ReasonCode.STATUS_SIGNATURE


def test_st_03_reader_key_signs_no_list(town):
    token = town.city.status(key=town.bank_key, chain=(town.bank,))
    assert refusal(lambda: town.bundle().with_status(token)) == "status_signature"


@pytest.mark.parametrize("form", FORMS)
def test_st_who_may_sign(town, form):
    key = SoftwareSigner.generate()
    unlisted = town.city.certify(key, purpose=Purpose.STATUS)
    document = SoftwareSigner.generate()
    for token in (
        town.city.status(form=form),
        town.city.status(key=town.city.key, form=form),
        town.city.status(key=town.city.key, chain=(town.city.signer,), form=form),
        town.city.status(key=key, chain=(unlisted,), form=form),
        town.city.status(key=document, chain=(town.city.certify(document),), form=form),
    ):
        assert bundle_with(town, token).status_list(CITY_LIST).verified_by == CITY


@pytest.mark.parametrize(
    "other",
    [
        "https://GARAM.example/status/1",
        "https://garam.example:443/status/1",
        "https://garam.example/status/1?",
        "https://garam.example/status/1#",
        "https://garam.example/status/1/",
        "http://garam.example/status/1",
    ],
)
def test_st_04_sub_differs_from_the_uri(town, other):
    snapshot = snapshot_of(town)
    assert refusal(lambda: check(snapshot, uri=other)) == "status_list"
    bundle = raw_bundle(town, town.city.status(uri=other))
    assert bundle.status_list(CITY_LIST) is None
    assert bundle.status_problem(CITY_LIST).code in (ReasonCode.STATUS_LIST, ReasonCode.STATUS_SIGNATURE)


def test_st_04_list_outside_what_the_authority_answers_for(town):
    token = town.city.status(uri=COURT_LIST)
    assert refusal(lambda: town.bundle().with_status(token)) == "status_signature"


def test_st_05_list_past_its_end(town):
    snapshot = snapshot_of(town, issued_at=AT - 10 * DAY, expires_at=AT)
    assert refusal(lambda: check(snapshot, max_age=30 * DAY)) == "stale"
    assert check(snapshot, max_age=30 * DAY, at=AT - timedelta(seconds=1)).age == 10 * DAY - timedelta(seconds=1)


def test_st_05_issued_in_the_future(town):
    snapshot = snapshot_of(town, issued_at=AT + timedelta(minutes=5))
    assert refusal(lambda: check(snapshot)) == "stale"
    assert check(snapshot, at=AT + timedelta(minutes=4, seconds=1)).value == 0


def test_st_05_ttl_exceeded(town):
    snapshot = snapshot_of(town, issued_at=AT - timedelta(hours=2), ttl=timedelta(hours=1))
    assert refusal(lambda: check(snapshot)) == "stale"


def test_st_05_older_than_the_receiver_allows_and_the_age_is_told(town):
    snapshot = snapshot_of(town, issued_at=AT - 9 * DAY)
    with pytest.raises(RefusedError, match=f"{9 * 86400} s old") as caught:
        check(snapshot)
    assert caught.value.code is ReasonCode.STALE
    assert ReasonCode.STALE.outcome is Outcome.INDETERMINATE
    assert check(snapshot, max_age=9 * DAY).age == 9 * DAY
    assert snapshot.age(AT) == 9 * DAY


def test_st_05_revoked_stays_revoked_in_an_old_list(town):
    snapshot = snapshot_of(town, {3: 1, 4: 2}, issued_at=AT - 60 * DAY)
    assert refusal(lambda: check(snapshot)) == "revoked"
    assert refusal(lambda: check(snapshot, 4)) == "stale"
    assert refusal(lambda: check(snapshot, 10**9)) == "stale"


@pytest.mark.parametrize("index", [4096, -1, 1.0, "1", True, None, 2**63, 10**30])
def test_st_06_index(town, index):
    assert refusal(lambda: check(snapshot_of(town), index)) == "status_index"


@pytest.mark.parametrize("bits", [0, 3, 16, -1, 5, 64])
def test_st_07_width_that_is_none(town, bits):
    assert code(jwt(town, status_list={"bits": bits, "lst": lst(b"\0")})) == "status_list"
    assert code(cwt(town, status_list={"bits": bits, "lst": zlib.compress(b"\0")})) == "status_list"


@pytest.mark.parametrize("bits", [None, "1", 1.0, True, [1]])
def test_st_07_width_of_another_type(town, bits):
    assert code(jwt(town, status_list={"bits": bits, "lst": lst(b"\0")})) == "status_list"


def test_st_07_values_of_two_bits(town):
    snapshot = snapshot_of(town, {1: 1, 2: 2, 3: 3})
    assert check(snapshot, 0).value == 0
    assert refusal(lambda: check(snapshot, 1)) == "revoked"
    assert refusal(lambda: check(snapshot, 2)) == "suspended"
    assert refusal(lambda: check(snapshot, 3)) == "status_unknown"


@pytest.mark.parametrize("megabytes", [17, 64, 1024])
def test_st_08_list_that_inflates_beyond_the_cap(town, megabytes):
    bomb = zeros(megabytes)
    tracemalloc.start()
    try:
        assert code(cwt(town, status_list={"bits": 1, "lst": bomb})) == "size"
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_LIST_BYTES
    finally:
        tracemalloc.stop()
    assert code(jwt(town, status_list={"bits": 1, "lst": b64u_encode(bomb)})) == "size"


def zeros(megabytes: int) -> bytes:
    """A zlib stream of that many megabytes of zeros: one flushed block, repeated."""
    deflater = zlib.compressobj(9)
    head = deflater.compress(b"") + deflater.flush(zlib.Z_FULL_FLUSH)
    block = deflater.compress(b"\0" * (1024 * 1024)) + deflater.flush(zlib.Z_FULL_FLUSH)
    return head + block * megabytes + b"\x03\x00" + b"\0\0\0\1"


def raw_deflate(raw):
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(raw) + deflater.flush()


def gzip(raw):
    deflater = zlib.compressobj(wbits=31)
    return deflater.compress(raw) + deflater.flush()


GOOD = zlib.compress(b"\1\2\3\4" * 20)
CONTAINERS = {
    "ST-09 truncated": GOOD[:-5],
    "ST-09 no checksum": GOOD[:-4],
    "ST-09 bad Adler": GOOD[:-1] + bytes([GOOD[-1] ^ 1]),
    "ST-09 gzip": gzip(b"\0" * 8),
    "ST-09 raw deflate": raw_deflate(b"\0" * 8),
    "ST-09 trailing garbage": GOOD + b"\0",
    "ST-09 twice": GOOD + GOOD,
    "ST-09 nothing": b"",
    "ST-09 not compressed": b"\0" * 8,
}


@pytest.mark.parametrize("compressed", CONTAINERS.values(), ids=CONTAINERS)
def test_st_09_container(town, compressed):
    assert code(cwt(town, status_list={"bits": 1, "lst": compressed})) == "encoding"
    assert code(jwt(town, status_list={"bits": 1, "lst": b64u_encode(compressed)})) == "encoding"


LARGE = zlib.compress(bytes(range(256)) * 8192)
LARGE_CONTAINERS = {
    "ST-09 large, truncated": LARGE[:-5],
    "ST-09 large, bad Adler": LARGE[:-1] + bytes([LARGE[-1] ^ 1]),
    "ST-09 large, trailing garbage": LARGE + b"\0",
    "ST-09 large, twice": LARGE + LARGE,
}


@pytest.mark.parametrize("compressed", LARGE_CONTAINERS.values(), ids=LARGE_CONTAINERS)
def test_st_09_what_is_wrong_after_the_first_megabyte(town, compressed):
    assert StatusList.from_compressed(bits=1, compressed=LARGE).mapped
    assert code(cwt(town, status_list={"bits": 1, "lst": compressed})) == "encoding"


def test_st_09_empty_list(town):
    assert code(cwt(town, status_list={"bits": 1, "lst": zlib.compress(b"")})) == "status_list"


def test_st_10_padded_or_standard_alphabet(town):
    raw = zlib.compress(bytes(range(256)))
    padded, standard = urlsafe_b64encode(raw + b"\0").decode(), b64encode(raw).decode().rstrip("=")
    assert "=" in urlsafe_b64encode(raw).decode() or "=" in padded
    assert set("+/") & set(standard)
    for text in (
        b64u_encode(raw) + "=",
        b64u_encode(raw) + "==",
        standard,
        b64u_encode(raw) + "\n",
        " " + b64u_encode(raw),
    ):
        assert code(jwt(town, status_list={"bits": 1, "lst": text})) == "encoding"


@pytest.mark.parametrize(
    "typ", ["JWT", "statuslist", "statuslist+JWT", "application/statuslist+jwt", "dc+sd-jwt", None, 5]
)
def test_st_11_typ_of_a_jwt(town, typ):
    assert code(jwt(town, header={"typ": typ}) if typ else untyped(town)) == "typ"


def untyped(town):
    from vcred.formats._jose import parse_jws

    token = jwt(town)
    header = b64u_encode(json.dumps({"alg": "ES256"}).encode()).encode()
    assert parse_jws(token, path="", typ="statuslist+jwt")
    return header + token[token.index(b".") :]


@pytest.mark.parametrize("typ", ["application/sd-cwt", 293, "statuslist+cwt", "statuslist+jwt", None])
def test_st_11_typ_of_a_cwt(town, typ):
    protected = {TYP: typ} if typ is not None else {TYP: ""}
    assert code(cwt(town, protected=protected)) == "typ"


def test_st_11_typ_in_the_unprotected_header(town):
    body = encode({2: CITY_LIST, 6: NOW, 65533: {"bits": 1, "lst": GOOD}})
    token = sign_sign1({KID: b"12345678"}, {TYP: "application/statuslist+cwt"}, body, town.city.status_key)
    assert code(token) == "typ"


def test_st_11_cwt_tag_and_no_tag(town):
    token = cwt(town)
    assert code(b"\xd8\x3d" + token) == "tag"
    assert code(token[1:]) in ("format", "size", "encoding")
    assert parse_status_token(token).uri == CITY_LIST


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("sub", 5),
        ("sub", ""),
        ("sub", None),
        ("iat", "1"),
        ("iat", 1.5),
        ("iat", True),
        ("iat", -1),
        ("iat", 10**12),
        ("exp", "1"),
        ("exp", True),
        ("ttl", "60"),
        ("ttl", -1),
        ("ttl", 1.0),
    ],
)
def test_st_claims_of_a_wrong_type(town, claim, value):
    assert code(jwt(town, **{claim: value})) == "claim_type"
    if value is not None:
        assert code(cwt(town, **{claim: value})) == "claim_type"


def test_st_claims_that_are_missing(town):
    whole = {"sub": CITY_LIST, "iat": NOW - 60, "status_list": {"bits": 1, "lst": lst(b"\0" * 8)}}
    expected = {"sub": "claim_type", "iat": "claim_type", "status_list": "status_list"}
    for claim, reason in expected.items():
        assert code(jwt(town, body={k: v for k, v in whole.items() if k != claim})) == reason
        assert code(cwt(town, **{claim: None})) == reason
    assert parse_status_token(jwt(town, body=whole)).expires_at is None


def test_st_token_that_was_never_valid(town):
    assert code(jwt(town, exp=NOW - 60)) == "status_list"
    assert code(cwt(town, ttl=0)) == "status_list"


def test_st_13_older_list_after_a_newer_one(town, caplog):
    newer = town.city.status({3: 1}, issued_at=AT - timedelta(hours=1))
    older = town.city.status({}, issued_at=AT - timedelta(hours=5))
    bundle = bundle_with(town, newer)
    with caplog.at_level(logging.WARNING):
        assert bundle.with_status(older) is bundle
    assert "older list" in caplog.text
    assert refusal(lambda: check(bundle.status_list(CITY_LIST))) == "revoked"
    for tokens in ((newer, older), (older, newer)):
        both = bundle_with(town, *tokens)
        assert both.status_list(CITY_LIST).issued_at == int((AT - timedelta(hours=1)).timestamp())


def test_st_13_newer_list_replaces_the_older_one_and_the_bundle_stays_as_it_was(town):
    bundle = bundle_with(town, town.city.status(issued_at=AT - timedelta(hours=5)))
    updated = bundle.with_status(town.city.status({3: 1}, issued_at=AT - timedelta(hours=1)))
    assert refusal(lambda: check(updated.status_list(CITY_LIST))) == "revoked"
    assert check(bundle.status_list(CITY_LIST)).value == 0
    kept, offered = bundle.status_list(CITY_LIST), updated.status_list(CITY_LIST)
    assert newer_snapshot(None, kept) is kept
    assert newer_snapshot(offered, kept) is offered


def test_st_13_of_two_lists_of_one_second_the_one_that_revokes_more(town):
    """Whichever is offered last: an issuer that revokes right after it signed hides nothing, nor does who replays."""
    before, after = town.city.status(), town.city.status({4095: 1})
    for first, second in ((before, after), (after, before)):
        found = bundle_with(town, first).with_status(second)
        assert found.status_list(CITY_LIST).status_list.get(4095) == 1
    bundle = bundle_with(town, after)
    assert bundle.with_status(after) is bundle


def test_st_19_a_hundred_million_entries_are_mapped_not_copied(tmp_path):
    path = tmp_path / "list"
    size = 10**8 // 8
    with path.open("wb") as file:
        file.truncate(size)
        file.seek(size - 1)
        file.write(b"\x80")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        tracemalloc.start()
        try:
            big = StatusList(bits=1, buffer=buffer)
            assert len(big) == 10**8
            assert (big.get(0), big.get(10**8 - 2), big.get(10**8 - 1)) == (0, 0, 1)
            assert tracemalloc.get_traced_memory()[1] < 64 * 1024
        finally:
            tracemalloc.stop()


@settings(max_examples=200)
@given(raw=st.binary(max_size=400) | st.binary(max_size=200).map(lambda tail: b"\xd2\x84" + tail))
def test_st_only_malformed_comes_out(raw):
    with contextlib.suppress(MalformedError):
        parse_status_token(raw)


TOKENS = [Town().city.status({5: 1}, form=form) for form in FORMS]


@settings(max_examples=200)
@given(which=st.sampled_from(TOKENS), position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_st_flipped_bytes_come_out_malformed_or_unverified(which, position, flip):
    at = position % len(which)
    with contextlib.suppress(MalformedError):
        parse_status_token(which[:at] + bytes([which[at] ^ flip]) + which[at + 1 :])


def test_st_max_age_has_to_be_positive(town):
    for wrong in (timedelta(0), -DAY):
        with pytest.raises(ValueError, match="positive"):
            check(None, max_age=wrong)
