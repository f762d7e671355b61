"""Every public parser against hostile bytes: only the documented error comes out, whatever goes in.

Each parser starts from real samples, made once. They are damaged as bytes (flipped, cut, doubled, spliced) and as
structures (a node anywhere in the JSON or CBOR, also inside segments and byte strings, becomes something else), so
that what lies behind the first decoding is reached too.
"""

import copy
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vcred import qr
from vcred.catalog import Catalog
from vcred.dcql import DcqlQuery
from vcred.errors import CatalogError, MalformedError, PolicyError, RefusedError, TrustError
from vcred.formats import _cbor, _jwe
from vcred.formats._cose import parse_sign1
from vcred.formats._jose import parse_jws, parse_proof
from vcred.formats._wire import b64u_encode, parse_json
from vcred.formats.base import IssuerKey
from vcred.formats.paper import issue_paper, open_paper
from vcred.formats.sd_cwt import SdCwt
from vcred.formats.sd_jwt_json import parse_json_sd_jwt
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.issuance import Delivery, IssuanceRequest, Offer
from vcred.keys import PublicKey, SoftwareSigner
from vcred.presentation import MaxAge, Presentation, PresentationRequest
from vcred.qr.message import decode_message, encode_message
from vcred.qr.pack import pack_jws, unpack_jws
from vcred.qr.read import read_image
from vcred.reasons import ReasonCode
from vcred.receipt import Receipt
from vcred.status import StatusList, build_status_token, parse_status_token
from vcred.status.aggregation import build_aggregation, parse_aggregation
from vcred.testing import World
from vcred.trust import TrustBundle
from vcred.trust.pack import read_pack, write_pack
from vcred.trust.seen import SeenState
from vcred.trust.x509 import read_certificate
from verifier import VerificationPolicy
from verifier.policy import preset_ids
from wallet.receive import parse_offered

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
CODE = "resident.personal"
POLICY = "bank.address-change"

JUNK: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**65), 10**400, 1.5, "", "x", "x" * 2000, "\0", "\u202e가",
    "\ud800", b"", b"\0", b"\xff" * 33, b"x" * 2000, [], {}, [[]], [{}], [None], {"": None}, {"...": "x"}, {"_sd": 1},
    {0: 0}, {-1: b""}, "https://[::1", "x509_hash:", "9" * 5000, float("inf"), float("nan"),
]  # fmt: skip
"""What a node becomes. What one of the two encodings does not have is written as that encoder has it, or left out."""

SHAPES: list[bytes] = [
    b"", b"\0", b"\n", b" ", b".", b"..", b"~", b"~~", b"null", b"true", b"1", b'"x"', b"[]", b"{}", b"[[]]", b"\xef\xbb\xbf{}",
    b"[" * 100_000, b'{"a":' * 50_000, b"[" * 33 + b"]" * 33, b'"' + b"\\" * 9_999, b"1" * 5_000, b"-" * 99, b"NaN",
    b"\x81" * 100_000, b"\xa1\x01" * 50_000, b"\xd8\x18\x45" * 5_000, b"\xd2" * 50_000, b"\xc2" + b"\x5a\x00\x10\x00\x00",
    b"\x9b" + b"\xff" * 8, b"\xbb" + b"\xff" * 8, b"\x5b" + b"\xff" * 8, b"\x7b\x00\x00\x01\x00\x00\x00\x00\x00", b"\x9f\xff",
    b"\x9a\x00\x0f\xff\xff", b"\xf6", b"\x80", b"\xa0", b"\xd2\x80", b"\xd2\x84\x40\xa0\x40\x40", b"\xd2\x84\x43\xa1\x01\x26\xa0\x40\x58\x40" + bytes(64),
    b"V", b"V\x01", b"V\x02\x00\x80", b"V\x01\x00\x82\x01\xa0", b"V\x01\x00\x82\x02\xa1\x01\xa0", b"V\x01\x01", b"V\x01\x02", b"V\x01\x02\xff",
    b"V\x01\x00" + b"\x81" * 60_000, b"V\x01\x00\x82\x02\xbb" + b"\xff" * 8, b"eyJ", b"eyJ..", b"e30.e30.e30", b"e30.e30.e30~", b"....",
    b"openid4vp://?", b"openid4vp://?client_id=a&request=%ff", b"openid4vp://?request=\xed\xb2\x80&client_id=x",
    b"openid-credential-offer://?credential_offer=%7B", b"openid-credential-offer://?credential_offer=" + b"%5B" * 9_000,
    b"VF1:", b"VF1:::::", b"VF1:" + b"A" * 970, b"0" * 3_057, b"9" * 3_057, b"https://evil.example/", b"=" * 9_999,
    b"PK\x05\x06" + bytes(18), b"PK\x03\x04" + bytes(60), b"\x89PNG\r\n\x1a\n", b"GIF89a" + b"\xff" * 20, b"BM" + b"\xff" * 60,
    b"0\x82\xff\xff", b"0\x80" * 20_000, b"a = " + b"[" * 20_000, b"a = " + b"{a=" * 20_000, b"a = " + b"9" * 9_999, b"a.b." * 9_999,
    b"a = 9999-99-99", b"[[[", b"a = '''", b"~" * 131_000, b"." * 131_000, bytes(100_000),
]  # fmt: skip
"""Byte strings every parser gets: deep, huge, counted wrong, or of another parser's kind."""

REFUSALS = (ReasonCode.INTEGRITY, ReasonCode.INCOMPLETE)
"""What ``_jwe.decrypt`` and ``qr.decode`` say of input that is well formed, and of no use."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A parser, what it reads, and the errors it documents. ``slow`` ones get fewer examples."""

    parse: Callable[[bytes], Any]
    samples: list[bytes]
    errors: tuple[type[Exception], ...] = (MalformedError,)
    slow: bool = False


def text_of(raw: bytes) -> str:
    """Bytes as the most hostile text there is: with lone surrogates where they are not UTF-8."""
    return raw.decode(
        "utf-8", "surrogateescape" if b"\xed" not in raw else "surrogatepass" if _passes(raw) else "replace"
    )


def _passes(raw: bytes) -> bool:
    try:
        raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


@cache
def subjects() -> dict[str, Subject]:
    world = World(at=AT)
    offer = world.issuer.offer(CODE, subject="sample", variant=None, options={}, at=AT)
    asked = world.wallet.accept(Offer.parse(offer.to_uri()), at=AT)
    delivered = world.issuer.issue(asked, at=AT)
    world.issue(CODE)
    answers, requests = [], []
    for form in ("sd-cwt", "dc+sd-jwt"):
        for freshness in (None, MaxAge(timedelta(seconds=30))):
            requests.append(world.request(POLICY, freshness=freshness, formats=(form,)))
            if freshness is None:
                answers.append(world.present(requests[-1]))
    result = world.verify(answers[0], requests[0])
    receipt = world.verifier.receipt(result, at=AT)
    shown = {one.format: one.raw for answer in answers for many in answer.tokens.values() for one in many}
    held = dict(delivered.credentials)
    key = SoftwareSigner.generate()
    jwe_key = ec.generate_private_key(ec.SECP256R1())
    jwes = [
        _jwe.encrypt(b"payload" * 20, jwe_key.public_key(), enc=enc, kid="k", apv=b"nonce", deflate=deflate)
        for enc, deflate in (("A128GCM", False), ("A256GCM", True))
    ]
    labels = world.catalog.labels
    opened = SdCwt(labels).open(held["sd-cwt"])
    chain = (world.document_signer_certificate,)
    paper = issue_paper(
        paper_content(world, opened), IssuerKey(public_key=world.document_signer.public_key, chain=chain),
        world.document_signer, labels,
    )  # fmt: skip
    status = [
        build_status_token(
            uri="https://city.example/s/1", status_list=StatusList.build(bits=2, size=64, values={3: 1}),
            signer=key, issued_at=AT, expires_at=AT + timedelta(days=1), ttl=timedelta(seconds=60), form=form,
        )
        for form in ("cwt", "jwt")
    ]  # fmt: skip
    messages = [encode_message(one.to_message()) for one in (*answers, *requests, receipt, offer, asked, delivered)]
    codes = [code.text.encode() for one in (requests[0], delivered) for code in qr.encode(one)]
    jwts = [proof for _, proof in asked.keys]
    typs = ("oauth-authz-req+jwt", "openid4vci-proof+jwt", "vcred-receipt+jwt", "dc+sd-jwt", "kb+jwt")
    texts = world.catalog.texts()
    file = next(name for name, text in texts.items() if f'"{CODE}"' in text)
    jwt = held["dc+sd-jwt"]
    general = general_json(jwt)

    def catalogue(raw: bytes) -> None:
        list(Catalog.from_texts({file: text_of(raw)}).types())

    def code_lists(raw: bytes) -> None:
        list(Catalog.from_texts({file: texts[file], "codes.toml": text_of(raw)}).types())

    def scanned(raw: bytes) -> None:
        reader = qr.Reader()
        for text in text_of(raw).split("|"):
            reader.add(text)

    found = {
        "SdJwtVc.open": Subject(parse=SdJwtVc().open, samples=[jwt, shown["dc+sd-jwt"]]),
        "SdCwt.open": Subject(parse=SdCwt(labels).open, samples=[held["sd-cwt"], shown["sd-cwt"]]),
        "open_paper": Subject(parse=lambda raw: open_paper(raw, labels), samples=[paper]),
        "parse_json_sd_jwt": Subject(
            parse=lambda raw: parse_json_sd_jwt(raw, path="t", typ="dc+sd-jwt"), samples=[general]
        ),
        "parse_jws": Subject(
            parse=lambda raw: parse_jws(raw, path="t", typ=typs), samples=[receipt.raw, requests[0].raw]
        ),
        "parse_jws(str)": Subject(
            parse=lambda raw: parse_jws(text_of(raw), path="t", typ=typs), samples=[requests[0].raw]
        ),
        "parse_proof": Subject(parse=lambda raw: parse_proof(raw, path="t", typ="openid4vci-proof+jwt"), samples=jwts),
        "_jwe.decrypt": Subject(
            parse=lambda raw: _jwe.decrypt(raw, jwe_key, path="t", max_plaintext=4096),
            samples=jwes,
            errors=(MalformedError, RefusedError),
        ),
        "parse_json": Subject(parse=lambda raw: parse_json(raw, "t", max_bytes=65_536), samples=[asked.to_bytes()]),
        "parse_json(str)": Subject(
            parse=lambda raw: parse_json(text_of(raw), "t", max_bytes=65_536), samples=[asked.to_bytes()]
        ),
        "_cbor.decode": Subject(
            parse=lambda raw: _cbor.decode(raw, "t", max_bytes=65_536), samples=list(shown.values())
        ),
        "parse_sign1": Subject(
            parse=lambda raw: parse_sign1(raw, path="t"), samples=[held["sd-cwt"], paper, status[0]]
        ),
        "PublicKey.from_spki": Subject(
            parse=PublicKey.from_spki, samples=[key.public_key.spki, world.document_signer.public_key.spki]
        ),
        "decode_message": Subject(parse=decode_message, samples=messages),
        "qr.decode": Subject(
            parse=lambda raw: qr.decode(text_of(raw).split("|")),
            samples=[b"|".join(codes), *codes],
            errors=(MalformedError, RefusedError),
        ),
        "Reader.add": Subject(parse=scanned, samples=[b"|".join(codes), *codes]),
        "read_image": Subject(
            parse=read_image, samples=[code.png(scale=2) for code in qr.encode(requests[0])[:1]], slow=True
        ),
        "PresentationRequest.parse": Subject(
            parse=PresentationRequest.parse, samples=[*messages[2:6], *(one.raw for one in requests)]
        ),
        "PresentationRequest.parse(str)": Subject(
            parse=lambda raw: PresentationRequest.parse(text_of(raw)),
            samples=[one.to_uri().encode() for one in requests] + [requests[0].raw],
        ),
        "Presentation.parse": Subject(parse=Presentation.parse, samples=messages[:2]),
        "Receipt.parse": Subject(parse=Receipt.parse, samples=[receipt.raw, messages[6]]),
        "Receipt.parse(str)": Subject(parse=lambda raw: Receipt.parse(text_of(raw)), samples=[receipt.raw]),
        "Offer.parse": Subject(parse=Offer.parse, samples=[offer.to_uri().encode(), messages[7]]),
        "Offer.parse(str)": Subject(parse=lambda raw: Offer.parse(text_of(raw)), samples=[offer.to_uri().encode()]),
        "parse_offered": Subject(
            parse=parse_offered, samples=[offer.to_uri().encode(), messages[7], messages[9], delivered.to_bytes()]
        ),
        "parse_offered(str)": Subject(parse=lambda raw: parse_offered(text_of(raw)), samples=[offer.to_uri().encode()]),
        "IssuanceRequest.parse": Subject(parse=IssuanceRequest.parse, samples=[asked.to_bytes(), messages[8]]),
        "Delivery.parse": Subject(parse=Delivery.parse, samples=[delivered.to_bytes(), messages[9]]),
        "parse_status_token": Subject(parse=parse_status_token, samples=status),
        "parse_aggregation": Subject(parse=parse_aggregation, samples=[build_aggregation(["https://a.example/1"])]),
        "StatusList.from_compressed": Subject(
            parse=lambda raw: StatusList.from_compressed(bits=2, compressed=raw),
            samples=[StatusList.build(bits=2, size=4096, values={5: 1}).compress()],
        ),
        "read_pack": Subject(parse=read_pack, samples=[world.bundle_file], slow=True),
        "TrustBundle.loads": Subject(
            parse=lambda raw: TrustBundle.loads(raw, root=world.root_file, seen=None),
            samples=[world.bundle_file],
            errors=(TrustError,),
            slow=True,
        ),
        "TrustBundle.loads(root)": Subject(
            parse=lambda raw: TrustBundle.loads(world.bundle_file, root=raw, seen=None),
            samples=[world.root_file],
            errors=(TrustError,),
            slow=True,
        ),
        "SeenState.parse": Subject(parse=SeenState.parse, samples=[world.trust.seen.to_json()], errors=(TrustError,)),
        "VerificationPolicy.load": Subject(
            parse=lambda raw: VerificationPolicy.load(text_of(raw)),
            samples=[VerificationPolicy.preset(one).source.encode() for one in preset_ids()],
            errors=(PolicyError,),
        ),
        "Catalog.from_texts": Subject(
            parse=catalogue, samples=[texts[file].encode()], errors=(CatalogError,), slow=True
        ),
        "Catalog.from_texts(codes)": Subject(
            parse=code_lists, samples=[texts["codes.toml"].encode()], errors=(CatalogError,), slow=True
        ),
        "read_certificate": Subject(
            parse=lambda raw: read_certificate(raw, "t"), samples=[*chain, *world.identity.chain]
        ),
    }
    assert set(found) == set(NAMES), set(found) ^ set(NAMES)
    return found


def paper_content(world: World, opened: Any) -> Any:
    from vcred.credential import Content

    claims = world.catalog[CODE].issue(world.catalog[CODE].sample, variant=None, options={}, issued_on=AT.date())
    return Content(
        vct=opened.vct, issuer=opened.issuer, claims=claims, issued_at=int(AT.timestamp()),
        expires_at=int(AT.timestamp()) + 86_400, holder_key=None, status=opened.status,
    )  # fmt: skip


def general_json(token: bytes) -> bytes:
    """The same SD-JWT in the JWS JSON serialization (RFC 9901 section 8)."""
    signed, *disclosures, _ = token.decode().split("~")
    header, payload, signature = signed.split(".")
    return json.dumps(
        {"payload": payload, "protected": header, "signature": signature, "header": {"disclosures": disclosures}}
    ).encode()


NAMES = [
    "SdJwtVc.open", "SdCwt.open", "open_paper", "parse_json_sd_jwt", "parse_jws", "parse_jws(str)", "parse_proof",
    "_jwe.decrypt", "parse_json", "parse_json(str)", "_cbor.decode", "parse_sign1", "PublicKey.from_spki",
    "decode_message", "qr.decode", "Reader.add", "read_image", "PresentationRequest.parse",
    "PresentationRequest.parse(str)", "Presentation.parse", "Receipt.parse", "Receipt.parse(str)", "Offer.parse",
    "Offer.parse(str)", "parse_offered", "parse_offered(str)", "IssuanceRequest.parse", "Delivery.parse",
    "parse_status_token", "parse_aggregation", "StatusList.from_compressed", "read_pack", "TrustBundle.loads", "TrustBundle.loads(root)",
    "SeenState.parse", "VerificationPolicy.load", "Catalog.from_texts", "Catalog.from_texts(codes)", "read_certificate",
]  # fmt: skip


# Damage


def bent(raw: bytes, others: list[bytes], dice: random.Random) -> bytes:
    """``raw`` with one to three places flipped, cut, doubled, filled or spliced with another sample."""
    for _ in range(dice.randint(1, 3)):
        start = dice.randrange(len(raw) + 1)
        end = min(len(raw), start + dice.choice((1, 2, 4, 16, 64)))
        middle = raw[start:end]
        other = dice.choice(others)
        place = dice.randrange(len(other) + 1)
        raw = dice.choice(
            (
                raw[:start] + bytes(byte ^ 1 << dice.randrange(8) for byte in middle[:1]) + raw[start + 1 :],
                raw[:start],
                raw[start:],
                raw[:start] + raw[end:],
                raw[:start] + middle * dice.choice((2, 3, 50)) + raw[end:],
                raw[:start] + dice.randbytes(dice.choice((1, 2, 8))) + raw[end:],
                raw[:start]
                + dice.choice((b"\0", b"\xff", b"\x9b" + b"\xff" * 8, b"=", b".", b"~", b"[", b"\r\n"))
                + raw[start:],
                raw[:start] + other[place:],
                raw + raw,
            )
        )
    return raw


def node_changed(value: Any, dice: random.Random, *, inner: Callable[[Any, random.Random], Any] | None) -> Any:
    """``value`` with one node replaced, removed, added or renamed. ``inner`` opens and changes what a leaf contains."""
    if dice.random() < 0.15:
        return copy.deepcopy(dice.choice(JUNK))
    if isinstance(value, dict) and value:
        key = dice.choice(list(value))
        changed = dict(value)
        action = dice.random()
        if action < 0.1:
            del changed[key]
        elif action < 0.2:
            changed[dice.choice(("", "x", 0, -1, 99, "_sd", "iss", "crit", 2**64, b"k"))] = dice.choice(JUNK)
        elif action < 0.25:
            changed[dice.choice(("", "y", 7))] = changed.pop(key)
        else:
            changed[key] = node_changed(value[key], dice, inner=inner)
        return changed
    if isinstance(value, (list, tuple)) and value:
        items = list(value)
        index = dice.randrange(len(items))
        action = dice.random()
        if action < 0.1:
            del items[index]
        elif action < 0.2:
            items.insert(index, dice.choice(JUNK))
        elif action < 0.25:
            items *= dice.choice((2, 40))
        else:
            items[index] = node_changed(items[index], dice, inner=inner)
        return items
    if isinstance(value, cbor2.CBORTag):
        tag = value.tag if dice.random() < 0.9 else dice.choice((0, 4, 18, 24, 30, 58, 60, 61, 62, 258))
        return cbor2.CBORTag(tag, node_changed(value.value, dice, inner=inner))
    if inner is not None and isinstance(value, (bytes, str)) and value:
        return inner(value, dice)
    return copy.deepcopy(dice.choice(JUNK))


def json_changed(raw: bytes, dice: random.Random) -> bytes:
    value = node_changed(json.loads(raw), dice, inner=text_changed)
    return json.dumps(value, default=lambda other: other.hex(), skipkeys=True).encode("utf-8", "surrogatepass")


def text_changed(value: Any, dice: random.Random) -> Any:
    """A text in a JSON document: a token, an encoded document, or just text."""
    raw = value.encode() if isinstance(value, str) and value.isascii() else None
    if raw and raw[:3] == b"eyJ":
        return token_changed(raw, dice).decode("utf-8", "replace")
    return copy.deepcopy(dice.choice(JUNK))


def token_changed(raw: bytes, dice: random.Random) -> bytes:
    """A compact JWS, JWE or SD-JWT with a change inside one of its encoded parts. No signature is made anew."""
    parts = re.split(rb"([.~])", raw)
    openable = [index for index, part in enumerate(parts) if part and part not in b".~" and _json_in(part) is not None]
    if not openable:
        return bent(raw, [raw], dice)
    index = dice.choice(openable)
    changed = json_changed(_json_in(parts[index]) or b"null", dice)
    return b"".join((*parts[:index], b64u_encode(changed).encode(), *parts[index + 1 :]))


def _json_in(part: bytes) -> bytes | None:
    import base64

    try:
        raw = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
        json.loads(raw)
    except ValueError:
        return None
    return raw


def cbor_changed(raw: bytes, dice: random.Random) -> bytes:
    return _cbor_dump(node_changed(cbor2.loads(raw), dice, inner=bytes_changed), raw)


def bytes_changed(value: Any, dice: random.Random) -> Any:
    """A byte string in a CBOR document: CBOR, JSON or just bytes."""
    if isinstance(value, bytes):
        for change, first in ((json_changed, b"{["), (cbor_changed, b"")):
            try:
                if not first or value[0] in first:
                    return change(value, dice)
            except (ValueError, TypeError, cbor2.CBORError):
                continue
        return dice.choice((value[:-1], value * 2, bytes(len(value)), b""))
    return copy.deepcopy(dice.choice(JUNK))


def _cbor_dump(value: Any, otherwise: bytes) -> bytes:
    try:
        return cbor2.dumps(value)
    except (ValueError, TypeError, cbor2.CBORError):  # a lone surrogate, say, which CBOR cannot write
        return otherwise[:-1]


def message_changed(raw: bytes, dice: random.Random) -> bytes:
    """An envelope of the QR profile, its CBOR changed and stored as it is."""
    message = decode_message(raw)
    kind = int(message.kind) if dice.random() < 0.95 else dice.randrange(10)
    body = node_changed(dict(message.body), dice, inner=bytes_changed)
    return b"V\x01\x00" + _cbor_dump([kind, body], b"\x80")


def uri_changed(raw: bytes, dice: random.Random) -> bytes:
    from urllib.parse import quote, unquote

    head, _, query = raw.partition(b"?")
    pairs = [pair.split(b"=", 1) for pair in query.split(b"&")]
    index = dice.randrange(len(pairs))
    value = unquote(pairs[index][1].decode()).encode()
    pairs[index][1] = quote(changed(value, [value], dice), safe="").encode()
    if dice.random() < 0.1:
        pairs.append(dice.choice(pairs))
    return head + b"?" + b"&".join(b"=".join(pair) for pair in pairs)


def toml_changed(raw: bytes, dice: random.Random) -> bytes:
    """A TOML text with one line's value replaced, a line removed, or lines moved."""
    lines = raw.split(b"\n")
    index = dice.randrange(len(lines))
    literals = [
        b'""', b'"x"', b"0", b"-1", b"true", b"[]", b"{}", b"[[]]", b'[""]', b"{x=1}", b"1.5", b"inf", b"nan", b"1979-05-27",
        b"07:32:00", b"1979-05-27T07:32:00Z", b"9" * 5000, b"[" * 3000 + b"]" * 3000, b'"\\u0000"', b'"a.b[].c[0]"',
        b'"[0]"', b'"a[-1]"', b'{ko="",en=""}', b'["name","name"]', b"9223372036854775808", b'["a..b"]',
    ]  # fmt: skip
    action = dice.random()
    if action < 0.7:
        valued = [number for number, line in enumerate(lines) if b"=" in line]
        index = dice.choice(valued)
        lines[index] = lines[index].split(b"=", 1)[0] + b"= " + dice.choice(literals)
    elif action < 0.8:
        del lines[index]
    elif action < 0.9:
        lines.insert(dice.randrange(len(lines)), lines[index])
    else:
        lines[index] = dice.choice((b"[x]", b"[[x]]", b"x = 1", b"[[certificates]]", b"[[claims]]", b"=", b'"" = 1'))
    return b"\n".join(lines)


def pack_changed(raw: bytes, dice: random.Random) -> bytes:
    """A trust bundle with one of its files changed and packed again."""
    files = dict(read_pack(raw))
    name = dice.choice(sorted(files))
    files[name] = changed(files[name], [files[name]], dice)
    if dice.random() < 0.1:
        files[dice.choice(("targets/x", "2.root.json", "x", "targets/policies/x.toml"))] = files.pop(name)
    try:
        return write_pack(files)
    except ValueError:
        return raw[:-1]


def changed(raw: bytes, others: list[bytes], dice: random.Random) -> bytes:
    """``raw`` damaged, more often in its structure than in its bytes."""
    if dice.random() < 0.35 or not raw:
        return bent(raw, others, dice)
    if raw[:2] == b"V\x01":
        return message_changed(raw, dice)
    if raw[:3] == b"eyJ":
        return token_changed(raw, dice)
    if raw[:4] == b"PK\x03\x04":
        return pack_changed(raw, dice)
    if raw[:6] == b"openid":
        return uri_changed(raw, dice)
    if raw[:1] in (b"{", b"["):
        return json_changed(raw, dice)
    if raw[:1] in (b"\xd2", b"\x84"):
        return cbor_changed(raw, dice)
    if b" = " in raw:
        return toml_changed(raw, dice)
    return bent(raw, others, dice)


def try_on(subject: Subject, raw: bytes) -> None:
    try:
        subject.parse(raw)
    except subject.errors as error:
        said = error
    else:
        return
    if isinstance(said, RefusedError) and not isinstance(said, MalformedError):
        assert said.code in REFUSALS
    assert len(str(said)) < 2_000, "an error quotes no input"


# The cases


@pytest.mark.parametrize("name", NAMES)
def test_the_samples_are_read(name: str) -> None:
    subject = subjects()[name]
    if name in ("_cbor.decode", "qr.decode", "Reader.add"):
        subject.parse(subject.samples[0])
        return
    for sample in subject.samples:
        subject.parse(sample)


@pytest.mark.parametrize("name", NAMES)
def test_shapes_that_are_nothing(name: str) -> None:
    for raw in SHAPES:
        try_on(subjects()[name], raw)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_samples_and_random_bytes(name: str) -> None:
    subject = subjects()[name]

    @settings(
        max_examples=60 if subject.slow else 400, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.randoms(use_true_random=False), st.one_of(st.none(), st.none(), st.none(), st.binary(max_size=200)))
    def run(dice: random.Random, given_bytes: bytes | None) -> None:
        if given_bytes is None:
            # One seed instead of a draw per decision: a case takes microseconds, and the seed reproduces it.
            plain = random.Random(dice.getrandbits(64))
            raw = changed(plain.choice(subject.samples), subject.samples, plain)
        else:
            raw = given_bytes
        try_on(subject, raw)

    run()


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=40),
    st.sampled_from(JUNK),
)
KEYS = st.one_of(
    st.integers(-5, 12), st.sampled_from(["kty", "crv", "x", "y", "use", "credentials", "id", "claims"]), st.none()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=8,
)


@cache
def value_parsers() -> dict[str, tuple[Callable[[Any], Any], list[Any]]]:
    private = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        Ed25519PrivateKey.generate(),
    )
    keys = [PublicKey(one.public_key()) for one in private]
    request = PresentationRequest.parse(messages_of("PresentationRequest.parse")[0])
    more = {
        "credentials": [
            {
                "id": "one", "format": "dc+sd-jwt", "meta": {"vct_values": ["urn:a:b"]}, "multiple": True,
                "require_cryptographic_holder_binding": True,
                "trusted_authorities": [{"type": "aki", "values": ["AAAA"]}],
                "claims": [{"id": "a", "path": ["x", None, 0]}, {"id": "b", "path": ["y"], "values": [1, "z", True]}],
                "claim_sets": [["a"], ["a", "b"]],
            }
        ],
        "credential_sets": [{"options": [["one"]], "required": False}],
    }  # fmt: skip
    token = subjects()["SdJwtVc.open"].samples
    parsers: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
        "PublicKey.from_jwk": (
            PublicKey.from_jwk, [{**key.to_jwk(), "alg": key.alg, "use": "sig", "key_ops": ["verify"]} for key in keys]
        ),
        "PublicKey.from_cose": (PublicKey.from_cose, [{**key.to_cose(), 4: [2]} for key in keys]),
        "DcqlQuery.parse": (DcqlQuery.parse, [more, request.query.to_json()]),
        "unpack_jws": (unpack_jws, [pack_jws(one) for one in token]),
    }  # fmt: skip
    for name, parse in BODIES.items():
        messages = [decode_message(raw) for raw in messages_of(name)]
        kind = messages[0].kind
        parsers[name] = (body_parser(parse, kind), [dict(one.body) for one in messages])
    return parsers


BODIES: dict[str, Callable[[Any], Any]] = {
    "PresentationRequest.parse": PresentationRequest.parse, "Presentation.parse": Presentation.parse,
    "Receipt.parse": Receipt.parse, "Offer.parse": Offer.parse, "IssuanceRequest.parse": IssuanceRequest.parse,
    "Delivery.parse": Delivery.parse,
}  # fmt: skip
VALUE_NAMES = ["PublicKey.from_jwk", "PublicKey.from_cose", "DcqlQuery.parse", "unpack_jws", *BODIES]


def messages_of(name: str) -> list[bytes]:
    return [raw for raw in subjects()[name].samples if raw[:1] == b"V"]


def body_parser(parse: Callable[[Any], Any], kind: qr.MessageKind) -> Callable[[Any], Any]:
    return lambda value: parse(qr.Message(kind, value if isinstance(value, dict) else {1: value}))


@pytest.mark.parametrize("name", VALUE_NAMES)
def test_values_of_any_kind_in_any_place(name: str) -> None:
    parse, samples = value_parsers()[name]
    for sample in samples:
        parse(sample)

    @settings(max_examples=250, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False), st.one_of(st.none(), st.none(), VALUES))
    def run(dice: random.Random, value: Any) -> None:
        if value is None:
            plain = random.Random(dice.getrandbits(64))
            value = node_changed(plain.choice(samples), plain, inner=None)
        try_on(Subject(parse=parse, samples=[]), value)

    run()
