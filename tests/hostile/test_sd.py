"""SD: hostile SD-JWTs, and the VC cases a format decides. Each token is signed as it stands: only its shape is wrong."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from contextlib import suppress
from hashlib import md5, sha1, sha256
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcred.errors import MalformedError
from vcred.formats.sd_jwt_vc import SdJwtVc, lint_issued
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode as Code

if TYPE_CHECKING:
    from vcred.credential import Opened

ISSUER = SoftwareSigner.generate()
HOLDER = SoftwareSigner.generate()
FORMAT = SdJwtVc()
BASE: dict[str, Any] = {
    "iss": "https://city.example",
    "vct": "urn:vcred:kr:test:1",
    "iat": 1_700_000_000,
    "exp": 1_900_000_000,
}


def b64(raw: bytes | str) -> str:
    return urlsafe_b64encode(raw.encode() if isinstance(raw, str) else raw).rstrip(b"=").decode()


def disclosure(contents: object) -> str:
    return b64(contents if isinstance(contents, (str, bytes)) else json.dumps(contents))


def digest(text: str, function: Any = sha256) -> str:
    return b64(function(text.encode()).digest())


def token(
    payload: dict[str, Any] | bytes, *disclosures: str, header: dict[str, Any] | None = None, tail: str = ""
) -> bytes:
    body = payload if isinstance(payload, bytes) else json.dumps({**BASE, **payload}).encode()
    signing_input = b64(json.dumps(header or {"alg": "ES256", "typ": "dc+sd-jwt"})) + "." + b64(body)
    jwt = signing_input + "." + b64(ISSUER.sign(signing_input.encode()))
    return ("~".join((jwt, *disclosures)) + "~" + tail).encode()


def opened(raw: bytes) -> Opened:
    result = FORMAT.open(raw)
    FORMAT.verify_signature(result, ISSUER.public_key)
    return result


def refused(raw: bytes) -> Code:
    with pytest.raises(MalformedError) as caught:
        FORMAT.open(raw)
    return caught.value.code


NAME = disclosure(["salt-one", "name", "가상"])
OTHER = disclosure(["salt-two", "town", "가람시"])
ELEMENT = disclosure(["salt-three", "요소"])


def test_the_good_token_opens() -> None:
    result = opened(token({"_sd": [digest(NAME)], "list": [{"...": digest(ELEMENT)}]}, NAME, ELEMENT))
    assert result.claims == {"name": "가상", "list": ["요소"]}


def test_sd_01_digest_twice_in_one_sd() -> None:
    assert refused(token({"_sd": [digest(NAME), digest(NAME)]}, NAME)) is Code.DUPLICATE_DIGEST


def test_sd_02_digest_in_two_objects() -> None:
    assert refused(token({"_sd": [digest(NAME)], "a": {"_sd": [digest(NAME)]}}, NAME)) is Code.DUPLICATE_DIGEST


def test_sd_02_digest_in_a_nested_disclosure() -> None:
    parent = disclosure(["s", "parent", {"_sd": [digest(NAME)]}])
    payload = {"_sd": sorted([digest(parent), digest(NAME)])}
    assert refused(token(payload, parent, NAME)) is Code.DUPLICATE_DIGEST


def test_sd_02_digest_in_an_object_and_in_an_array() -> None:
    assert refused(token({"_sd": [digest(NAME)], "a": [{"...": digest(NAME)}]}, NAME)) is Code.DUPLICATE_DIGEST
    assert refused(token({"a": [{"...": digest(ELEMENT)}] * 2}, ELEMENT)) is Code.DUPLICATE_DIGEST


def test_sd_03_digest_twice_disclosure_withheld() -> None:
    assert refused(token({"_sd": [digest(NAME)], "a": {"_sd": [digest(NAME)]}})) is Code.DUPLICATE_DIGEST
    assert refused(token({"a": [{"...": digest(ELEMENT)}] * 2})) is Code.DUPLICATE_DIGEST


def test_sd_04_same_disclosure_twice() -> None:
    assert refused(token({"_sd": [digest(NAME)]}, NAME, NAME)) is Code.DUPLICATE_DISCLOSURE


def test_sd_05_unreferenced_disclosure() -> None:
    assert refused(token({"_sd": [digest(NAME)]}, NAME, OTHER)) is Code.UNUSED_DISCLOSURE
    assert refused(token({}, NAME)) is Code.UNUSED_DISCLOSURE


@pytest.mark.parametrize("name", ["_sd", "...", "_sd_alg"], ids=["SD-06", "SD-07", "SD-08"])
def test_sd_06_07_08_reserved_claim_name(name: str) -> None:
    bad = disclosure(["s", name, "sha-256"])
    assert refused(token({"_sd": [digest(bad)]}, bad)) is Code.DISCLOSURE
    assert refused(token({"a": {"_sd": [digest(bad)]}}, bad)) is Code.DISCLOSURE


def test_sd_09_disclosed_name_equals_a_plain_sibling() -> None:
    assert refused(token({"name": "x", "_sd": [digest(NAME)]}, NAME)) is Code.COLLISION


def test_sd_09_two_disclosures_of_one_name() -> None:
    twin = disclosure(["another", "name", "다른"])
    assert refused(token({"_sd": [digest(NAME), digest(twin)]}, NAME, twin)) is Code.COLLISION


PLAIN_ONLY: dict[str, Any] = {
    "iss": "https://city.example",
    "exp": 1_900_000_000,
    "nbf": 1_700_000_000,
    "cnf": {"jwk": HOLDER.public_key.to_jwk()},
    "vct": "urn:vcred:kr:test:1",
    "status": {"status_list": {"idx": 1, "uri": "https://city.example/s"}},
    "vct#integrity": "sha256-x",
    "aka_vcts": ["urn:x"],
}


@pytest.mark.parametrize("name", PLAIN_ONLY)
def test_sd_10_present_only_through_a_disclosure(name: str) -> None:
    text = disclosure(["s", name, PLAIN_ONLY[name]])
    payload = {key: value for key, value in BASE.items() if key != name} | {"_sd": [digest(text)]}
    assert refused(token(json.dumps(payload).encode(), text)) is Code.MUST_BE_PLAIN


def test_sd_10_a_part_of_cnf_or_status_through_a_disclosure() -> None:
    for name in ("cnf", "status"):
        ((key, value),) = PLAIN_ONLY[name].items()
        text = disclosure(["s", key, value])
        assert refused(token({name: {"_sd": [digest(text)]}}, text)) is Code.MUST_BE_PLAIN
        assert refused(token({name: {key: value, "_sd": [digest(text)]}})) is Code.MUST_BE_PLAIN


def test_sd_10_iat_and_sub_may_be_disclosed() -> None:
    texts = [disclosure(["s", "iat", 1_700_000_000]), disclosure(["t", "sub", "someone"])]
    payload = {key: value for key, value in BASE.items() if key != "iat"} | {"_sd": [digest(text) for text in texts]}
    result = FORMAT.open(token(json.dumps(payload).encode(), *texts))
    assert (result.issued_at, result.claims) == (1_700_000_000, {})


@pytest.mark.parametrize("name", ["md5", "sha-1", None, 5, "SHA-256", "sha-256 ", "", ["sha-256"], {}])
def test_sd_11_sd_alg(name: object) -> None:
    assert refused(token({"_sd_alg": name})) is Code.SD_ALG


def test_sd_11_weak_hash_with_matching_digests() -> None:
    for name, function in (("md5", md5), ("sha-1", sha1)):
        assert refused(token({"_sd_alg": name, "_sd": [digest(NAME, function)]}, NAME)) is Code.SD_ALG


def test_sd_12_sd_alg_in_a_nested_object() -> None:
    assert refused(token({"a": {"_sd_alg": "sha-256"}})) is Code.SD_ALG
    inside = disclosure(["s", "a", {"_sd_alg": "sha-256"}])
    assert refused(token({"_sd": [digest(inside)]}, inside)) is Code.SD_ALG


def test_sd_13_element_disclosure_for_a_claim_and_the_reverse() -> None:
    assert refused(token({"_sd": [digest(ELEMENT)]}, ELEMENT)) is Code.DISCLOSURE
    assert refused(token({"a": [{"...": digest(NAME)}]}, NAME)) is Code.DISCLOSURE


def test_sd_14_placeholder_with_another_member() -> None:
    assert refused(token({"a": [{"...": digest(ELEMENT), "x": 1}]}, ELEMENT)) is Code.DIGEST


SHAPES = ["{}", '"text"', "5", "[]", '["s"]', '["s","n",1,2]', "null"]


@pytest.mark.parametrize("shape", SHAPES)
def test_sd_15_disclosure_of_another_shape(shape: str) -> None:
    assert refused(token({"_sd": [digest(b64(shape))]}, b64(shape))) is Code.DISCLOSURE


@pytest.mark.parametrize("salt", [5, None, "", ["s"], {}, True])
def test_sd_16_salt(salt: object) -> None:
    for contents in ([salt, "name", 1], [salt, 1]):
        text = disclosure(contents)
        assert refused(token({"_sd": [digest(text)]}, text)) is Code.DISCLOSURE


@pytest.mark.parametrize("name", [5, None, ["n"], {}, False])
def test_sd_17_claim_name(name: object) -> None:
    text = disclosure(["s", name, 1])
    assert refused(token({"_sd": [digest(text)]}, text)) is Code.DISCLOSURE


@pytest.mark.parametrize("digests", ["text", [5], [["x"]], [""], {"a": 1}, {}, None, 7, "", [None], [digest(NAME), ""]])
def test_sd_18_sd_member(digests: object) -> None:
    assert refused(token({"_sd": digests})) is Code.DIGEST
    assert refused(token({"a": {"_sd": digests}})) is Code.DIGEST


def test_sd_19_padded_disclosure_text() -> None:
    texts = [disclosure(["s" * length, "name", 1]) for length in (1, 2, 3)]
    padded = next(text + "=" * (-len(text) % 4) for text in texts if len(text) % 4)
    assert refused(token({"_sd": [digest(padded)]}, padded)) is Code.ENCODING


@pytest.mark.parametrize("bad", ["YQ+a", "Y Q", "A", "YR", "Y\n"])
def test_sd_19_disclosure_that_is_no_base64url(bad: str) -> None:
    assert refused(token({"_sd": [digest(bad)]}, bad)) is Code.ENCODING


def test_sd_20_only_decoys() -> None:
    result = opened(token({"_sd": [digest("a"), digest("b")], "list": [{"...": digest("c")}]}))
    assert result.claims == {"list": []}
    assert not result.disclosures
    assert {str(path): count for path, count in result.hidden_elements.items()} == {"list": 1}


def test_sd_21_2000_nested_disclosures() -> None:
    texts = [disclosure(["s", "x", 1])]
    while len(texts) < 2000:
        texts.append(disclosure(["s", "x", {"_sd": [digest(texts[-1])]}]))
    assert refused(token({"_sd": [digest(texts[-1])]}, *texts)) is Code.DEPTH
    elements = [disclosure(["s", 1])]
    while len(elements) < 1900:
        elements.append(disclosure(["s", [{"...": digest(elements[-1])}]]))
    assert refused(token({"a": [{"...": digest(elements[-1])}]}, *elements)) is Code.DEPTH


def test_sd_21_the_depth_of_disclosures_and_payload_adds_up() -> None:
    def nested(levels: int) -> Any:
        return 1 if levels == 0 else [nested(levels - 1)]

    for inside, code in ((30, None), (31, Code.DEPTH)):
        text = disclosure(["s", "x", nested(inside)])
        raw = token({"a": {"_sd": [digest(text)]}}, text)
        if code is None:
            assert opened(raw).claims
        else:
            assert refused(raw) is code


def test_sd_22_20000_disclosures_are_counted_before_anything_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = token({}, *(b64(f'["s{n}",1]') for n in range(20_000)))
    monkeypatch.setattr("vcred.formats.sd_jwt.b64u_decode", None)  # any use of it would be a TypeError
    assert refused(raw) is Code.LIMIT


def test_sd_22_size() -> None:
    assert refused(token({"a": "x" * 300_000})) is Code.SIZE
    assert refused(token({"a": "x" * 150_000})) is Code.SIZE


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:-1],
        lambda raw: raw + b"~",
        lambda raw: b"~" + raw,
        lambda raw: raw.replace(b"~", b"~~", 1),
        lambda raw: raw.partition(b"~")[0],
        lambda _: b"",
        lambda _: b"~",
        lambda raw: raw + b"x",
        lambda raw: raw + b"a.b",
    ],
    ids=[
        "no final tilde",
        "two final",
        "leading",
        "doubled",
        "bare JWT",
        "empty",
        "tilde",
        "text after",
        "two segments",
    ],
)
def test_sd_23_tildes(change: Any) -> None:
    assert refused(change(token({"_sd": [digest(NAME)]}, NAME))) is Code.FORMAT


def test_sd_23_json_serialization_is_not_this_format() -> None:
    assert refused(b'{"payload":"e30","protected":"e30","signature":""}') is Code.FORMAT


def test_sd_25_order_leak_is_found_by_the_issuer_lint() -> None:
    salted = [disclosure([b64(bytes([n]) * 16), f"claim{n}", n]) for n in range(6)]
    digests = [digest(text) for text in salted]
    leaking = sorted(digests, reverse=True)
    assert lint_issued(token({"_sd": sorted(digests), "_sd_alg": "sha-256"}, *salted)) == []
    assert any("order" in finding for finding in lint_issued(token({"_sd": leaking, "_sd_alg": "sha-256"}, *salted)))
    nested = disclosure([b64(b"n" * 16), "nested", {"_sd": leaking}])
    raw = token({"_sd": [digest(nested)], "_sd_alg": "sha-256"}, nested, *salted)
    assert any("order" in finding for finding in lint_issued(raw))


def test_sd_25_lint_names_weak_and_repeated_salts() -> None:
    texts = [disclosure(["short", "a", 1]), disclosure(["short", "b", 1])]
    found = " ".join(lint_issued(token({"_sd": sorted(digest(text) for text in texts)}, *texts)))
    assert "128 bits" in found
    assert "twice" in found
    assert "_sd_alg" in found


@pytest.mark.parametrize("text", ['["s", "\\u006eame", 1]', '["s","name",1] ', ' [ "s" , "name" , 1 ]\n'])
def test_sd_28_digest_over_the_received_text(text: str) -> None:
    assert opened(token({"_sd": [digest(b64(text))]}, b64(text))).claims == {"name": 1}


def test_sd_29_disclosure_inside_a_withheld_parent() -> None:
    parent = disclosure(["s", "parent", {"_sd": [digest(NAME)]}])
    assert opened(token({"_sd": [digest(parent)]}, parent, NAME)).claims == {"parent": {"name": "가상"}}
    assert refused(token({"_sd": [digest(parent)]}, NAME)) is Code.UNUSED_DISCLOSURE


@pytest.mark.parametrize("value", [5, None, "", ["d"], {}])
def test_sd_30_placeholder_value_is_not_text(value: object) -> None:
    assert refused(token({"a": [{"...": value}]})) is Code.DIGEST


def test_sd_30_placeholder_in_an_object_position() -> None:
    assert refused(token({"a": {"...": digest(ELEMENT)}}, ELEMENT)) is Code.DIGEST
    assert refused(token({"...": digest(ELEMENT)}, ELEMENT)) is Code.DIGEST


@pytest.mark.parametrize(
    "typ", ["JWT", ..., "kb+jwt", "statuslist+jwt", "vc+sd-jwt", "DC+SD-JWT", "application/dc+sd-jwt"]
)
def test_vc_01_typ(typ: object) -> None:
    header = {"alg": "ES256"} if typ is ... else {"alg": "ES256", "typ": typ}
    assert refused(token({}, header=header)) is Code.TYP


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('"9999999999"', Code.CLAIM_TYPE),
        ("true", Code.CLAIM_TYPE),
        ("-1", Code.CLAIM_TYPE),
        ("1900000000.5", Code.CLAIM_TYPE),
        ("1900000000.0", Code.CLAIM_TYPE),
        ("1e9", Code.CLAIM_TYPE),
        ("null", Code.CLAIM_TYPE),
        ("[1]", Code.CLAIM_TYPE),
        ("253402300800", Code.CLAIM_TYPE),
        # These two are no JSON at all (JW-18), so there is no claim yet whose type could be wrong.
        ("Infinity", Code.JSON),
        ("1e400", Code.JSON),
    ],
)
def test_vc_09_times_are_whole_seconds(name: str, text: str, code: Code) -> None:
    payload = json.dumps({**BASE, name: 0}).replace(f'"{name}": 0', f'"{name}": {text}')
    assert refused(token(payload.encode())) is code


@pytest.mark.parametrize("vct", [["urn:x"], None, 5, "", {}, True])
def test_vc_10_vct_of_another_type(vct: object) -> None:
    assert refused(token({"vct": vct})) is Code.VCT


def test_vc_10_vct_missing() -> None:
    assert refused(token(json.dumps({"iss": "x", "exp": 1}).encode())) is Code.VCT


@pytest.mark.parametrize("aka", [[], "urn:x", [5], ["urn:vcred:kr:test:1"], None])
def test_vc_10_aka_vcts(aka: object) -> None:
    assert refused(token({"aka_vcts": aka})) is Code.VCT


@pytest.mark.parametrize("index", [-1, 1.0, "1", True, 2**63, None, [1]])
def test_st_06_status_index(index: object) -> None:
    status = {"status_list": {"idx": index, "uri": "https://city.example/s"}}
    assert refused(token({"status": status})) is Code.STATUS_INDEX


@pytest.mark.parametrize(
    "status", [None, "x", {}, {"status_list": 1}, {"status_list": {"idx": 1}}, {"status_list": {"idx": 1, "uri": 5}}]
)
def test_st_a_status_that_cannot_be_followed_is_refused(status: object) -> None:
    assert refused(token({"status": status})) is Code.STATUS_LIST


@pytest.mark.parametrize(("name", "value"), [("iss", 5), ("iss", ""), ("iss", None), ("sub", ["x"])])
def test_registered_text_claims(name: str, value: object) -> None:
    assert refused(token({name: value})) is Code.CLAIM_TYPE


def test_neither_iss_nor_x5c() -> None:
    assert refused(token(json.dumps({"vct": "urn:x"}).encode())) is Code.ISSUER


@pytest.mark.parametrize("payload", [b"[]", b'"x"', b"5", b"null"])
def test_payload_is_an_object(payload: bytes) -> None:
    assert refused(token(payload)) is Code.FORMAT


def test_jw_17_duplicate_payload_member() -> None:
    for name in ("iss", "exp", "cnf"):
        text = json.dumps({**BASE, "cnf": 1})[:-1] + f', "{name}": 1}}'
        assert refused(token(text.encode())) is Code.DUPLICATE_KEY


def test_errors_carry_no_claim_value_and_no_token() -> None:
    secret = "900101-1990000"
    bad = disclosure(["s", "name", secret])
    for raw in (
        token({"name": secret, "_sd": [digest(bad)]}, bad),
        token({"exp": secret}),
        token({"cnf": {"jwk": secret}}),
    ):
        with pytest.raises(MalformedError) as caught:
            FORMAT.open(raw)
        assert secret not in str(caught.value)
        assert secret not in repr(caught.value)


GOOD = token({"_sd": [digest(NAME)], "list": [{"...": digest(ELEMENT)}]}, NAME, ELEMENT)


@given(
    st.binary(max_size=200)
    | st.tuples(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4)).map(
        lambda c: GOOD[: c[0]] + c[1] + GOOD[c[0] + 1 :]
    )
)
@settings(max_examples=200, deadline=None)
def test_only_malformed_error_comes_out_whatever_goes_in(raw: bytes) -> None:
    with suppress(MalformedError):
        FORMAT.open(raw)
