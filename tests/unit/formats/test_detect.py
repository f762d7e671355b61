"""``detect``: what bytes are, by the bytes."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats_kit import EVERY, SENT, World
from vcred.errors import MalformedError
from vcred.formats import _cbor
from vcred.formats._cose import prepare_sign1
from vcred.formats._w3c_cose import prepare_cose
from vcred.formats._w3c_jwt import document_of
from vcred.formats._w3c_model import plain_claims
from vcred.formats._wire import b64u_encode
from vcred.formats.base import IssuerKey
from vcred.formats.detect import detect, detect_token
from vcred.formats.mdoc import openid4vp_transcript
from vcred.formats.paper import PAPER_FORMAT
from vcred.reasons import ReasonCode as Code
from verifier._formats import readers

pytest.importorskip("didkit")

CBOR = ("sd-cwt", "mso_mdoc", PAPER_FORMAT)


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def forms(world):
    return readers(world.catalog)


def refused(raw) -> Code:
    with pytest.raises(MalformedError) as caught:
        detect(raw)
    return caught.value.code


@pytest.mark.parametrize("form", [*EVERY, PAPER_FORMAT])
def test_every_format_is_known_as_issued_and_as_presented(world, form):
    for raw in world.samples[form]:
        assert detect(raw) == form


@pytest.mark.parametrize("form", [*EVERY, PAPER_FORMAT])
def test_no_bytes_open_in_two_formats(world, forms, form):
    """What ``verifier.checks`` builds on: the parser of the named format is a look at the bytes."""
    for raw in world.samples[form]:
        opened = []
        for other, one in forms.items():
            try:
                opened.append(one.open(raw).format)
            except MalformedError:
                assert other != form
        assert opened == [form]


def test_a_device_response_of_another_wallet_is_an_mdoc(world):
    form = world.formats["mso_mdoc"]
    opened = form.open(world.samples["mso_mdoc"][0])
    transcript = openid4vp_transcript(client_id="a", nonce="n", encryption_key=None, response_uri="https://a.example")
    prepared = form.prepare_response(opened, [], transcript=transcript)
    response = prepared.complete(world.holder.sign(prepared.signing_input))
    assert detect(response) == "mso_mdoc"
    failed = _cbor.encode({"version": "1.0", "status": 10})
    assert detect(failed) == "mso_mdoc"


def test_a_w3c_credential_in_cose_is_recognised_though_nobody_here_reads_it(world):
    members = plain_claims(document_of(world.content("resident.personal")))
    document = {name: value for name, value in members.items() if name not in ("iat", "exp", "cnf", "status")}
    key = IssuerKey(public_key=world.key.public_key)
    prepared = prepare_cose(document, key, kind="vc", contexts=())
    assert detect(prepared.complete(bytes(64))) == "vc+cose"


@pytest.mark.parametrize("form", EVERY)
def test_a_member_of_a_vp_token_is_text_or_an_object(world, form):
    raw = world.samples[form][1]
    if form in CBOR:
        assert detect_token(b64u_encode(raw)) == (form, raw)
    elif form == "ldp_vc":
        found, again = detect_token(json.loads(raw))
        assert (found, json.loads(again)) == (form, json.loads(raw))
    else:
        assert detect_token(raw.decode()) == (form, raw)
    assert detect_token(raw) == (form, raw)


@pytest.mark.parametrize(
    "token", ["", "-", "é", "e", "{", "AAAA", "aGVsbG8", "ey.J", {"a": float("nan")}, {1: 2}, b"", b"\xff"]
)
def test_a_member_that_is_nothing(token):
    with pytest.raises(MalformedError):
        detect_token(token)


def test_a_token_with_a_typ_in_other_letters_is_nobodys(world):
    for typ in ("DC+SD-JWT", "application/dc+sd-jwt", "jwt", "", "kb+jwt", "oauth-authz-req+jwt", 5, ["JWT"], {}):
        header = b64u_encode(json.dumps({"alg": "ES256", "typ": typ}).encode())
        for tail in ("", "~"):
            assert refused(f"{header}.e30.AA{tail}".encode()) is Code.FORMAT


@pytest.mark.parametrize("typ", [292, True, "sd-cwt", "application/cwt", b"application/sd-cwt", [293], None])
def test_a_cose_typ_that_is_not_ours_is_nobodys(typ):
    raw = prepare_sign1({1: -7, 16: typ}, {}, b"\xa0").complete(bytes(64))
    assert refused(raw) is Code.FORMAT


@pytest.mark.parametrize("typ", [293.0, 294.0])
def test_a_float_is_no_content_format_though_it_equals_one(typ):
    protected = b"\xa2\x01\x26\x10\xfb" + struct.pack(">d", typ)
    raw = b"\xd2\x84" + _cbor.bstr(protected) + b"\xa0" + _cbor.bstr(b"\xa0") + _cbor.bstr(bytes(64))
    assert refused(raw) is Code.FORMAT


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='eyJ.~{}[]":,_-A0', max_size=120).map(str.encode))
def test_any_bytes_are_some_format_or_malformed(raw):
    try:
        found = detect(raw)
    except MalformedError:
        return
    assert found in (*EVERY, PAPER_FORMAT, "vc+cose")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_changed_byte_makes_it_no_other_format_that_opens(world, forms, data):
    """Whatever opens after a change is what ``detect`` says it is."""
    form = data.draw(st.sampled_from(sorted(world.samples)))
    raw = bytearray(data.draw(st.sampled_from(world.samples[form])))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    raw = bytes(raw[: data.draw(st.sampled_from([len(raw), len(raw) // 2]))])
    for name, one in forms.items():
        try:
            one.open(raw)
        except MalformedError:
            continue
        assert detect(raw) == name


def test_what_was_presented_has_not_been_verified(world):
    """A signature of zeros changes nothing about what it is."""
    raw = world.shown("sd-cwt", **SENT)
    assert detect(raw[:-64] + bytes(64)) == "sd-cwt"
