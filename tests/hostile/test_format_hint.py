"""Formats that lie: about which one they are, or by being two at once. The bytes decide, and one reading is all they get.

The cases are near JW-20 and JW-26 (a JWS where another serialization is expected), MD-03 to MD-05 and LD-05.
"""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import permutations

import pytest

from tests.desk import AT, asked, codes
from tests.formats_kit import EVERY, World
from vcred.errors import MalformedError
from vcred.formats import _cbor
from vcred.formats._wire import b64u_encode
from vcred.formats.detect import detect, detect_token
from vcred.formats.known import TEXT_FORMATS
from vcred.formats.paper import PAPER_FORMAT
from vcred.presentation import _FORMAT_CODES, Presentation, Presented
from vcred.qr import Message, MessageKind, encode_message, pack_jws
from vcred.reasons import Outcome
from verifier._formats import readers

pytest.importorskip("didkit")

CBOR = ("sd-cwt", "mso_mdoc", PAPER_FORMAT)
TAGS = frozenset({18, 24})


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def forms(world):
    return readers(world.catalog)


@pytest.fixture(scope="module")
def parts(world):
    return Parts(world)


def verdict(world, answer, form="sd-cwt"):
    verifier = world.verifier()
    request = asked(verifier, form)
    if isinstance(answer, Presented):
        answer = Presentation(tokens={request.query.credentials[0].id: (answer,)})
    return verifier.verify(answer, request=request, at=AT)


@pytest.mark.parametrize(
    ("named", "real"),
    list(permutations((*EVERY, PAPER_FORMAT), 2)),
    ids=lambda form: form,
)
def test_a_hint_that_lies_is_refused_and_both_are_said(world, named, real):
    for raw in world.samples[real]:
        result = verdict(world, Presented(format=named, raw=raw))
        assert result.outcome is Outcome.REJECTED
        parse = next(check for check in result.checks if check.name == "parse")
        (reason,) = parse.reasons
        assert (reason.code.value, reason.detail) == ("format", f"sent as {named}, but it is {real}")


@pytest.mark.parametrize("named", sorted(_FORMAT_CODES))
@pytest.mark.parametrize("real", EVERY)
def test_a_lying_number_in_the_envelope_is_refused(world, named, real):
    """As a phone would send it: the number says one format, the bytes are another."""
    if named == real:
        return
    raw = world.samples[real][1]
    body = pack_jws(raw) if named in TEXT_FORMATS and real in TEXT_FORMATS else raw
    verifier = world.verifier()
    request = asked(verifier)
    tokens = {request.query.credentials[0].id: [[_FORMAT_CODES[named], body]]}
    envelope = encode_message(Message(kind=MessageKind.RESPONSE, body={1: tokens}))
    result = verifier.verify(envelope, request=request, at=AT)
    assert result.outcome is Outcome.REJECTED
    assert "format" in codes(result)


class Parts:
    """Presentations in several formats, and pieces of them."""

    def __init__(self, world: World) -> None:
        self.jwt, self.sd, self.vp, self.ldp, self.mdoc, self.cwt = (
            world.samples[form][1] for form in ("jwt_vc_json", "dc+sd-jwt", "vc+jwt", "ldp_vc", "mso_mdoc", "sd-cwt")
        )
        self.issued = _cbor.decode(world.samples["mso_mdoc"][0], "", max_bytes=100_000, tags=TAGS)
        self.envelope = _cbor.decode(self.mdoc, "", max_bytes=100_000, tags=TAGS)
        self.linked = json.loads(self.ldp)
        self.jws, self.disclosure, *_ = self.sd.split(b"~")
        self.header, self.payload, self.signature = self.jws.split(b".")
        self.flat = {
            "payload": self.payload.decode(),
            "protected": self.header.decode(),
            "signature": self.signature.decode(),
        }

    def legacy(self, body) -> bytes:
        header = json.dumps({"alg": "ES256", "typ": "JWT"}).encode()
        return b".".join(b64u_encode(one).encode() for one in (header, json.dumps(body).encode(), bytes(64)))


def text(value) -> bytes:
    return json.dumps(value).encode()


POLYGLOTS = {
    "JW-11 two segments": (lambda p: b".".join((p.header, p.payload)) + b"~", "format"),
    "JW-11 four segments": (lambda p: p.jws + b"." + p.signature + b"~", "format"),
    "JW-20 a JWS in JSON": (lambda p: text(p.flat), "format"),
    "JW-20 a JWS in JSON and a proof": (lambda p: text(p.linked | p.flat), "format"),
    "JW-20 an SD-JWT in JSON": (lambda p: text(p.flat | {"header": {"disclosures": []}}), "format"),
    "JW-26 five segments": (lambda p: p.jws + b".." + p.signature + b"~", "format"),
    "JW-26 a JWE": (lambda p: b"eyJhbGciOiJFQ0RILUVTIn0..AAAA.AAAA.AAAA", "format"),
    "JW a vp+jwt with a disclosure": (lambda p: p.vp + b"~" + p.disclosure + b"~", "format"),
    "JW a VCDM 1.1 JWT with a tilde": (lambda p: p.jwt + b"~", "format"),
    "JW an SD-JWT without its tilde": (lambda p: p.jws, "format"),
    "JW neither vc nor vp": (lambda p: p.legacy({"sub": "a"}), "format"),
    "JW vc and vp": (lambda p: p.legacy({"vc": {}, "vp": {}}), "format"),
    "JW two tokens, a line each": (lambda p: p.jwt + b"\n" + p.jwt, "format"),
    "JW a byte order mark": (lambda p: b"\xef\xbb\xbf" + p.jwt, "encoding"),
    "JW blanks before it": (lambda p: b" " + p.jwt, "json"),
    "LD-05 no proof": (lambda p: text({k: v for k, v in p.linked.items() if k != "proof"}), "format"),
    "LD two objects": (lambda p: p.ldp + p.ldp, "json"),
    "LD an array": (lambda p: b"[" + p.ldp + b"]", "format"),
    "LD both types": (
        lambda p: text(p.linked | {"type": ["VerifiableCredential", "VerifiablePresentation"]}),
        "format",
    ),
    "LD JSON and then CBOR": (lambda p: p.ldp + p.mdoc, "json"),
    "MD-04 CBOR and then JSON": (lambda p: p.mdoc + p.ldp, "cbor"),
    "MD-04 two in one": (lambda p: p.cwt + p.mdoc, "cbor"),
    "MD-06 a tag that nobody uses": (lambda p: b"\xd9\xd9\xf7" + p.mdoc, "tag"),
    "MD-06 a COSE_Sign1 tagged twice": (lambda p: b"\xd2" + p.cwt, "format"),
    "MD IssuerSigned and DeviceResponse": (lambda p: _cbor.encode(p.issued | p.envelope[4]), "format"),
    "MD both, in our envelope": (lambda p: _cbor.encode([*p.envelope[:4], p.issued | p.envelope[4]]), "format"),
    "MD neither": (lambda p: _cbor.encode({"nameSpaces": {}}), "format"),
    "MD an envelope of another name": (lambda p: _cbor.encode(["vcred-qr-2", *p.envelope[1:]]), "format"),
    "MD a response in two envelopes": (lambda p: _cbor.encode([*p.envelope[:4], p.envelope]), "format"),
}


@pytest.mark.parametrize("name", POLYGLOTS)
def test_what_is_two_things_at_once_or_none(world, forms, parts, name):
    make, code = POLYGLOTS[name]
    raw = make(parts)
    with pytest.raises(MalformedError) as caught:
        detect(raw)
    assert caught.value.code.value == code
    for form in forms.values():
        with pytest.raises(MalformedError):
            form.open(raw)
    result = verdict(world, raw)
    assert (result.outcome, codes(result) & {code}) == (Outcome.REJECTED, {code})


HUGE = 600_000
LIMITS = {
    "JW-25 a header of 600 kB": (b"e" * HUGE, "size"),
    "JW-25 a payload of 600 kB": (b"eyJhbGciOiJFUzI1NiJ9." + b"A" * HUGE + b".AA", "size"),
    "JW-25 a header of 20 kB": (b"e" * 20_000 + b".e30.AA", "size"),
    "JW-19 100,000 brackets": (b"[" * 100_000, "format"),
    "JW-19 100,000 brackets in an object": (b'{"a":' + b"[" * 100_000, "depth"),
    "JW-19 a header with 5,000 brackets": (b64u_encode(b'{"a":' + b"[" * 5_000).encode() + b".e30.AA", "depth"),
    "JW a million blanks": (b" " * 1_000_000, "size"),
    "JW 200,000 tildes": (b"e.e.e" + b"~" * 200_000, "encoding"),
    "MD-05 depth 100,000": (b"\x81" * 100_000, "depth"),
    "MD-05 an array of 2^40": (b"\x9b\x00\x00\x01\x00\x00\x00\x00\x00" + b"\x00" * 8, "cbor"),
    "MD-05 a map of 2^40": (b"\xbb\x00\x00\x01\x00\x00\x00\x00\x00" + b"\x00" * 8, "cbor"),
    "MD-03 an array of no length": (b"\x9f\x40\xff", "cbor"),
    "MD of 600 kB": (b"\xa1\x64data" + _cbor.bstr(bytes(HUGE)), "size"),
    "LD of 600 kB": (b'{"@context":"' + b"a" * HUGE + b'"}', "size"),
    "nothing": (b"", "format"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_come_before_the_work(name):
    raw, code = LIMITS[name]
    with pytest.raises(MalformedError) as caught:
        detect(raw)
    assert caught.value.code.value == code
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("form", [*EVERY, PAPER_FORMAT])
def test_what_is_cut_short_is_refused_in_the_same_way_by_everybody(world, forms, form):
    """At every tenth byte: nothing but ``MalformedError``, and nothing that opens is another format."""
    for raw in world.samples[form]:
        for end in range(0, len(raw), 1 + len(raw) // 10):
            found = None
            with suppress(MalformedError):
                found = detect(raw[:end])
            assert found in (None, form)
            for one in forms.values():
                try:
                    assert one.open(raw[:end]).format == found
                except MalformedError:
                    continue


@pytest.mark.parametrize("form", EVERY)
def test_text_that_is_not_what_its_first_letter_says(world, form):
    """Base64url of text, and base64url of base64url, are no presentation."""
    raw = world.samples[form][1]
    twice = b64u_encode(b64u_encode(raw).encode())
    with pytest.raises(MalformedError):
        detect_token(twice)
    if form not in CBOR:
        with pytest.raises(MalformedError):
            detect_token(b64u_encode(raw))
