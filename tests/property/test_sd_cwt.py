"""SD-CWT and its codec on generated input."""

from __future__ import annotations

from io import BytesIO

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcred.claims import SD, ClaimPath
from vcred.credential import Content
from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import decode, encode
from vcred.formats._paths import needed
from vcred.formats.base import IssuerKey, LabelMap
from vcred.formats.sd_cwt import SdCwt
from vcred.keys import SoftwareSigner

pytestmark = pytest.mark.property

INNER = LabelMap(labels={"x": (1, None), "y": (2, None), "z": (-3, None)})
LABELS = LabelMap(labels={"a": (1, INNER), "b": (2, INNER), "c": (300, None), "d": (58, None)})
VCT = "urn:vcred:kr:test:1"
FORMAT = SdCwt({VCT: LABELS}.get)
ISSUER = SoftwareSigner.generate()
HOLDER = SoftwareSigner.generate()


def hidden(values):
    return values | values.map(SD)


INTEGERS = st.integers(-(2**64), 2**64 - 1)
LEAVES = st.none() | st.booleans() | INTEGERS | st.text(max_size=20)
TEXT_TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(hidden(inner), max_size=3) | st.dictionaries(st.text(max_size=5), hidden(inner), max_size=3),
    max_leaves=6,
)


INNER_MAPS = st.fixed_dictionaries({}, optional={name: hidden(TEXT_TREES) for name in INNER.labels})
TREES = st.fixed_dictionaries(
    {},
    optional={
        "a": hidden(INNER_MAPS),
        "b": hidden(st.lists(hidden(INNER_MAPS), max_size=4)),
        "c": hidden(TEXT_TREES),
        "d": hidden(LEAVES),
    },
)


def plain(value):
    if isinstance(value, SD):
        return plain(value.value)
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def issue(claims, decoys: int = 0) -> bytes:
    content = Content(
        vct=VCT,
        issuer="https://city.example",
        claims=claims,
        issued_at=1_700_000_000,
        expires_at=1_900_000_000,
        holder_key=HOLDER.public_key,
        decoys=decoys,
    )
    return FORMAT.issue(content, IssuerKey(public_key=ISSUER.public_key), ISSUER)


def verified(raw: bytes):
    opened = FORMAT.open(raw)
    FORMAT.verify_signature(opened, ISSUER.public_key)
    FORMAT.verify_key_binding(opened)
    return opened


@settings(max_examples=150, deadline=None)
@given(TREES, st.integers(0, 2))
def test_what_is_issued_is_what_a_holder_opens(claims, decoys):
    assert FORMAT.open(issue(claims, decoys)).claims == plain(claims)


@settings(max_examples=150, deadline=None)
@given(TREES, st.data())
def test_what_is_disclosed_is_what_was_selected(claims, data):
    opened = FORMAT.open(issue(claims, 1))
    paths = list(opened.disclosures)
    chosen = data.draw(st.lists(st.sampled_from(paths), unique=True)) if paths else []
    raw = FORMAT.present(opened, chosen, HOLDER, audience="verifier", nonce=bytes(16), issued_at=1_700_000_001)
    shown = verified(raw)
    kept = needed(opened.claims, opened.by_parts, chosen)
    assert set(shown.disclosures.values()) == {opened.by_parts[parts] for parts in kept}
    for path in opened.disclosures:
        wanted = any(one.contains(path) or path.contains(one) for one in chosen)
        assert (path.parts in kept) is wanted
    if not chosen:
        assert shown.disclosures == {}
    if set(chosen) == set(paths):
        assert shown.claims == opened.claims


CLAIMS = {
    "a": SD({"x": SD("가"), "y": 1}),
    "b": [SD({"x": "나"}), SD({"y": SD(None)})],
    "c": SD({"t": SD([SD(1)])}),
    "d": 4,
}
CREDENTIAL = issue(CLAIMS, 1)
PRESENTATION = FORMAT.present(
    FORMAT.open(CREDENTIAL),
    [ClaimPath.parse("a.x"), ClaimPath.parse("b[1]"), ClaimPath.parse("c")],
    HOLDER,
    audience="verifier",
    nonce=bytes(16),
    issued_at=1_700_000_001,
)


@pytest.mark.parametrize("bit", range(8))
def test_a_presentation_with_one_bit_flipped_never_verifies(bit):
    verified(PRESENTATION)
    for position in range(len(PRESENTATION)):
        changed = bytearray(PRESENTATION)
        changed[position] ^= 1 << bit
        with pytest.raises(RefusedError):
            verified(bytes(changed))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(CREDENTIAL) - 1), st.integers(1, 255))
def test_a_credential_with_one_byte_changed_never_verifies(position, change):
    changed = bytearray(CREDENTIAL)
    changed[position] ^= change
    with pytest.raises(RefusedError):
        FORMAT.verify_signature(FORMAT.open(bytes(changed)), ISSUER.public_key)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(PRESENTATION)), st.binary(max_size=4), st.integers(0, 4))
def test_a_presentation_with_bytes_put_in_or_taken_out_says_the_same_or_never_verifies(position, added, removed):
    """Outside what is signed there is an optional tag, and lengths may be written longer (MD-02): no more than that."""
    changed = PRESENTATION[:position] + added + PRESENTATION[position + removed :]
    try:
        opened = verified(changed)
    except RefusedError:
        return
    original = verified(PRESENTATION)
    assert opened.claims == original.claims
    assert opened.signing_input == original.signing_input
    assert opened.key_binding.signing_input == original.key_binding.signing_input
    assert opened.key_binding.signature == original.key_binding.signature


def test_only_the_tag_can_go_missing_from_a_presentation():
    assert verified(PRESENTATION[1:]).claims == verified(PRESENTATION).claims
    for position in range(1, len(PRESENTATION)):
        with pytest.raises(RefusedError):
            verified(PRESENTATION[:position] + PRESENTATION[position + 1 :])


VALUES = st.recursive(
    LEAVES | st.binary(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(INTEGERS | st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_what_is_written_is_read_back_and_is_what_cbor2_reads(value):
    raw = encode(value)
    assert decode(raw, "it", max_bytes=1 << 16) == value
    assert cbor2.loads(raw) == value
    assert encode(decode(raw, "it", max_bytes=1 << 16)) == raw


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_maps_are_in_the_order_of_their_encoded_keys(value):
    def check(node):
        if isinstance(node, dict):
            keys = [encode(key) for key in node]
            assert keys == sorted(keys)
        for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            check(inner)

    check(cbor2.loads(encode(value)))


@settings(max_examples=500, deadline=None)
@given(VALUES, st.data())
def test_what_is_accepted_is_exactly_one_item_for_cbor2_too(value, data):
    raw = bytearray(encode(value))
    for _ in range(data.draw(st.integers(0, 2))):
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw += data.draw(st.binary(max_size=2))
    try:
        found = decode(bytes(raw), "it", max_bytes=1 << 16, tags=frozenset())
    except MalformedError:
        return
    decoder = cbor2.CBORDecoder(BytesIO(bytes(raw)), allow_indefinite=False, allow_duplicate_keys=False)
    assert decoder.decode() == found
    with pytest.raises(cbor2.CBORDecodeEOF):
        decoder.read(1)
