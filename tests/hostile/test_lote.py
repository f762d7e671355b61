"""TR-10 to TR-12: trust lists of others that introduce themselves, go back in time, or demand what nobody knows.

And both readers of such lists against damaged bytes: nothing but ``MalformedError`` comes out.
"""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.list_town import OPERATOR, SPAN, Lists
from tests.trust_town import AT, DAY, NOW, refusal
from vcred.errors import MalformedError
from vcred.formats._cose import X5CHAIN, sign_sign1
from vcred.formats._jose import sign_jws
from vcred.formats._wire import b64u_encode, dump_json
from vcred.keys import SoftwareSigner
from vcred.reasons import Outcome, ReasonCode
from vcred.trust import build_root
from vcred.trust.lote import parse_lote, verify_lote
from vcred.trust.vical import parse_vical, verify_vical
from vcred.trust.x509_build import build_list_signer

if TYPE_CHECKING:
    import random

EXAMPLES = 150


@cache
def lists() -> Lists:
    return Lists()


@pytest.fixture(name="lists")
def lists_fixture() -> Lists:
    return lists()


def body(lists) -> dict:
    return json.loads(lists.parsed().jws.payload)


def signed(body, signer, *chain, **header) -> bytes:
    x5c = {"x5c": [b64encode(der).decode() for der in chain]} if chain else {}
    return sign_jws({"typ": "JOSE"} | x5c | header, dump_json(body), signer)


def add_service(body, **identity) -> None:
    """Have the list itself name ``identity`` as one that is granted."""
    services = body["LoTE"]["TrustedEntitiesList"][0]["TrustedEntityServices"]
    services.append(json.loads(json.dumps(services[0])))
    services[-1]["ServiceInformation"]["ServiceDigitalIdentity"] = identity


class Usurper:
    """Somebody with the operator's name on certificates of his own."""

    def __init__(self) -> None:
        self.root_key, self.key = SoftwareSigner.generate(), SoftwareSigner.generate()
        self.root = build_root(self.root_key, name=OPERATOR, **SPAN)
        self.certificate = build_list_signer(
            self.key.public_key, name=OPERATOR, issuer=self.root, issuer_signer=self.root_key, **SPAN
        )


@pytest.fixture(scope="module")
def usurper() -> Usurper:
    return Usurper()


def listed(der: bytes) -> dict:
    return {"X509Certificates": [{"val": b64encode(der).decode()}]}


@pytest.mark.parametrize("lists_what", ["signer", "root", "key"], ids=["TR-10 signer", "TR-10 root", "TR-10 bare key"])
def test_tr_10_list_signed_by_a_key_that_only_the_list_introduces(lists, usurper, lists_what):
    content = body(lists)
    introduced = {
        "signer": listed(usurper.certificate),
        "root": listed(usurper.root),
        "key": {"PublicKeyValues": [usurper.key.public_key.to_jwk()]},
    }
    add_service(content, **introduced[lists_what])
    for chain in ((usurper.certificate,), (usurper.certificate, usurper.root), ()):
        lote = parse_lote(signed(content, usurper.key, *chain))
        assert refusal(lambda lote=lote: verify_lote(lote, **lists.pins())) == "untrusted"
        pinned = lists.pins(keys=[lists.key.public_key])
        assert refusal(lambda lote=lote, pinned=pinned: verify_lote(lote, **pinned)) in ("untrusted", "signature")


def test_tr_10_list_signed_by_an_issuer_that_the_true_list_introduced(lists):
    """Whoever is listed as an issuer does not thereby sign lists, whichever of his certificates he shows."""
    city = lists.town.city
    for key, chain in ((city.key, [city.signer]), (city.key, [city.signer, city.root]), (city.root_key, [city.root])):
        lote = parse_lote(signed(body(lists), key, *chain))
        assert refusal(lambda lote=lote: verify_lote(lote, **lists.pins())) == "untrusted"


def test_tr_10_the_operators_chain_over_anothers_signature(lists, usurper):
    lote = parse_lote(signed(body(lists), usurper.key, lists.certificate))
    assert refusal(lambda: verify_lote(lote, **lists.pins())) == "signature"


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u"])
def test_tr_10_list_whose_header_brings_its_key_along(lists, usurper, member):
    value = usurper.key.public_key.to_jwk() if member == "jwk" else "https://usurper.example/key"
    raw = signed(body(lists), usurper.key, **{member: value})
    assert refusal(lambda: parse_lote(raw)) == "untrusted"


def test_tr_10_nobody_pinned_is_nobody_trusted(lists):
    assert refusal(lambda: verify_lote(lists.parsed(), **lists.pins(anchors=[]))) == "untrusted"


def test_tr_10_vical_signed_by_a_root_that_it_lists(lists):
    city = lists.town.city
    payload = parse_vical(lists.vical()).sign1.payload
    for key, chain in ((city.root_key, city.root), (city.key, [city.signer, city.root])):
        vical = parse_vical(sign_sign1({}, {X5CHAIN: chain}, payload, key, tagged=False))
        pins = {"keys": [], "anchors": [lists.root], "stored_issue": None, "at": AT}
        assert refusal(lambda vical=vical, pins=pins: verify_vical(vical, **pins)) == "untrusted"


def test_tr_11_sequence_below_the_stored_one(lists):
    lote = lists.parsed(sequence=7)
    for seen in (None, 6, 7):
        assert verify_lote(lote, **lists.pins(stored_sequence=seen)).lote.sequence == 7
    assert refusal(lambda: verify_lote(lote, **lists.pins(stored_sequence=8))) == "rollback"


def test_tr_11_an_old_list_is_a_rollback_even_when_it_is_stale(lists):
    lote = lists.parsed(sequence=7)
    assert refusal(lambda: verify_lote(lote, **lists.pins(stored_sequence=8, at=AT + 8 * DAY))) == "rollback"


def test_tr_11_next_update_past_leaves_the_matter_undecided(lists):
    lote = lists.parsed()
    last = lists.pins(at=AT + 7 * DAY - DAY / 86400)
    assert verify_lote(lote, **last).at == NOW + 7 * 86400 - 1
    assert refusal(lambda: verify_lote(lote, **lists.pins(at=AT + 7 * DAY))) == "stale"
    assert ReasonCode.STALE.outcome is Outcome.INDETERMINATE


UNKNOWN = {"type": "urn:example:of-another-scheme", "rule": "everything above is void"}
PLACES = {
    "TR-12 scheme": lambda lote: lote["ListAndSchemeInformation"].setdefault("SchemeExtensions", []),
    "TR-12 entity": lambda lote: lote["TrustedEntitiesList"][0]["TrustedEntityInformation"]["TEInformationExtensions"],
    "TR-12 service": lambda lote: lote["TrustedEntitiesList"][0]["TrustedEntityServices"][0]["ServiceInformation"][
        "ServiceInformationExtensions"
    ],
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("flag", ["critical", "Critical"])
def test_tr_12_unknown_critical_extension(lists, place, flag):
    content = body(lists)
    place(content["LoTE"]).append(UNKNOWN | {flag: True})
    raw = signed(content, lists.key, lists.certificate)
    assert refusal(lambda: parse_lote(raw)) == "crit"
    place(content["LoTE"])[-1][flag] = False
    lote = parse_lote(signed(content, lists.key, lists.certificate))
    assert verify_lote(lote, **lists.pins()).lote is lote


def test_tr_12_our_own_extension_made_critical_by_somebody_is_not_known_either(lists):
    content = body(lists)
    PLACES["TR-12 service"](content["LoTE"])[0]["critical"] = True
    assert refusal(lambda: parse_lote(signed(content, lists.key, lists.certificate))) == "crit"


def test_tr_12_critical_header_of_the_signature(lists):
    raw = signed(body(lists), lists.key, lists.certificate, crit=["sigPId"], sigPId={"id": "urn:example:policy"})
    assert refusal(lambda: parse_lote(raw)) == "crit"


@cache
def samples() -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    return tuple(lists().lote().split(b".")), (lists().vical(),)


def only_malformed(parse, raw: bytes) -> None:
    try:
        parse(raw)
    except MalformedError:
        return


def damaged(raw: bytes, chance: random.Random) -> bytes:
    data = bytearray(raw)
    for _ in range(chance.randint(1, 4)):
        where = chance.randrange(len(data))
        kind = chance.randrange(4)
        if kind == 0:
            data[where] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[where : where + chance.randint(1, 30)]
        elif kind == 2:
            data[where:where] = data[:where][-chance.randint(1, 30) :]
        else:
            data[where] = chance.randrange(256)
        data = data or bytearray(b"\0")
    return bytes(data)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.randoms(use_true_random=False))
def test_damaged_lists_are_malformed_or_read(chance):
    """As a whole, and behind the first decoding: the header, the payload, and the payload of the COSE_Sign1."""
    header, payload, signature = samples()[0]
    only_malformed(parse_lote, damaged(b".".join((header, payload, signature)), chance))
    inner = json.dumps(body(lists())).encode()
    only_malformed(parse_lote, b".".join((header, b64u_encode(damaged(inner, chance)).encode(), signature)))
    (raw,) = samples()[1]
    only_malformed(parse_vical, damaged(raw, chance))
    outer = cbor2.loads(raw)
    outer[2] = damaged(outer[2], chance)
    only_malformed(parse_vical, cbor2.dumps(outer))


JUNK = [None, True, -1, 2**70, 1.5, "", "x", "\x00", [], {}, [[]], {"": None}, "é", "2026-13-01T00:00:00Z", b"\x30"]


def nodes(value, found=None) -> list:
    """Every place in ``value``: a container and the key of what is in it."""
    found = [] if found is None else found
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        found.append((value, key))
        if isinstance(inner, (dict, list)):
            nodes(inner, found)
    return found


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.randoms(use_true_random=False))
def test_lists_with_anything_anywhere_are_malformed_or_read(chance):
    header, _, signature = samples()[0]
    content = body(lists())
    where, key = chance.choice(nodes(content))
    where[key] = chance.choice([junk for junk in JUNK if not isinstance(junk, bytes)])
    payload = b64u_encode(json.dumps(content).encode()).encode()
    only_malformed(parse_lote, b".".join((header, payload, signature)))
    outer = cbor2.loads(samples()[1][0])
    inner = cbor2.loads(outer[2])
    where, key = chance.choice(nodes(inner))
    where[key] = chance.choice(JUNK)
    outer[2] = cbor2.dumps(inner)
    only_malformed(parse_vical, cbor2.dumps(outer))


def test_lists_beyond_every_limit():
    for parse, giant in ((parse_lote, b"A" * (9 << 20)), (parse_vical, b"\x84" * (5 << 20))):
        with pytest.raises(MalformedError) as caught:
            parse(giant)
        assert caught.value.code is ReasonCode.SIZE
    header, _, signature = samples()[0]
    deep = b64u_encode(b"[" * 10_000 + b"]" * 10_000).encode()
    assert refusal(lambda: parse_lote(b".".join((header, deep, signature)))) == "depth"
