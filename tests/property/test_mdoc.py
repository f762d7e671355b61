"""mdocs on generated input: every certificate type, every choice of claims, every changed byte."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcred.catalog import Catalog
from vcred.claims import SD, ClaimPath
from vcred.credential import Content, StatusReference
from vcred.errors import MalformedError, RefusedError
from vcred.formats.base import IssuerKey
from vcred.formats.mdoc import CatalogDoctypes, Mdoc, Session, qr_transcript
from vcred.formats.sd_cwt import SdCwt
from vcred.keys import SoftwareSigner
from vcred.trust.profile import Purpose
from vcred.trust.x509 import build_root, build_signer, verify_chain

pytestmark = pytest.mark.property

CATALOG = Catalog.builtin()
FORMAT = Mdoc(CatalogDoctypes(CATALOG))
TWIN = SdCwt(CATALOG.labels)
ISSUER_ID = "https://garam.example/issuer"
NAME = {"ko": "가람시 (가상)", "en": "Garam (fictitious)"}
STARTS, ENDS, AT = (datetime(year, 3, 2, tzinfo=UTC) for year in (2025, 2031, 2026))
NOW = int(AT.timestamp())
ROOT_KEY, ISSUER, HOLDER = (SoftwareSigner.generate() for _ in range(3))
ANCHOR = build_root(ROOT_KEY, name=NAME, not_before=STARTS, not_after=ENDS)
SIGNER = build_signer(
    ISSUER.public_key, purpose=Purpose.ISSUER, id=ISSUER_ID, name=NAME, issuer=ANCHOR, issuer_signer=ROOT_KEY,
    not_before=STARTS, not_after=ENDS,
)  # fmt: skip
KEY = IssuerKey(public_key=ISSUER.public_key, chain=(SIGNER,))
AUDIENCE, NONCE = "x509_hash:" + "A" * 43, bytes(range(16))
VCT = "urn:vcred:kr:resident.household:1"


def content(claims, vct=VCT, decoys=0) -> Content:
    return Content(
        vct=vct,
        issuer=ISSUER_ID,
        claims=claims,
        issued_at=NOW,
        expires_at=NOW + 86400,
        holder_key=HOLDER.public_key,
        status=StatusReference(uri="https://garam.example/status/1", index=7),
        decoys=decoys,
    )


@cache
def twins(code: str):
    """A sample of this type, as both formats open it."""
    kind = CATALOG[code]
    variant = kind.variants[-1].id if kind.variants else None
    tree = kind.issue(kind.sample, variant=variant, options={}, issued_on=kind.sample_date)
    made = content(tree, kind.vct)
    return FORMAT.open(FORMAT.issue(made, KEY, ISSUER)), TWIN.open(TWIN.issue(made, KEY, ISSUER))


def shown(form, opened, paths):
    raw = form.present(opened, paths, HOLDER, audience=AUDIENCE, nonce=NONCE, issued_at=NOW + 5)
    found = form.open(raw)
    form.verify_signature(found, ISSUER.public_key)
    form.verify_key_binding(found)
    return found


@pytest.mark.parametrize("code", list(CATALOG))
def test_every_certificate_type_says_the_same_as_in_sd_cwt(code):
    ours, theirs = twins(code)
    assert ours.claims == theirs.claims
    assert set(ours.disclosures) == set(theirs.disclosures)
    every = list(ours.disclosures)
    for paths in ([], every[::2], every):
        one, other = shown(FORMAT, ours, paths), shown(TWIN, theirs, paths)
        assert one.claims == other.claims
        assert one.hidden_elements == other.hidden_elements
        assert set(one.disclosures) == set(other.disclosures)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(code for code in CATALOG if CATALOG[code].depth == "full")), st.data())
def test_what_is_disclosed_is_what_was_selected(code, data):
    ours, theirs = twins(code)
    paths = data.draw(st.lists(st.sampled_from(sorted(ours.disclosures, key=str)), unique=True))
    one, other = shown(FORMAT, ours, paths), shown(TWIN, theirs, paths)
    assert one.claims == other.claims
    assert set(one.disclosures) == set(other.disclosures)
    assert set(one.disclosures.values()) <= set(ours.disclosures.values())
    assert one.hidden_elements == other.hidden_elements


LEAVES = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text(max_size=12)
TREES = st.recursive(
    LEAVES,
    lambda below: (
        st.lists(below | below.map(SD), max_size=4)
        | st.dictionaries(st.text("a/~0-1", max_size=3), below | below.map(SD), max_size=4)
    ),
    max_leaves=12,
)
MAPS = st.dictionaries(st.text("a/~0", max_size=3), TREES | TREES.map(SD), max_size=4)


def plain(value):
    if isinstance(value, SD):
        return plain(value.value)
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


@settings(max_examples=200, deadline=None)
@given(MAPS, st.integers(0, 2), st.data())
def test_any_tree_comes_back(claims, decoys, data):
    opened = FORMAT.open(FORMAT.issue(content(claims, decoys=decoys), KEY, ISSUER))
    assert opened.claims == plain(claims)
    assert opened.hidden_elements == {}
    paths = sorted(opened.disclosures, key=lambda path: [str(part) for part in path.parts])
    chosen = data.draw(st.lists(st.sampled_from(paths), unique=True)) if paths else []
    found = shown(FORMAT, opened, chosen)
    for path in paths:
        wanted = any(one.contains(path) or path.contains(one) for one in chosen)
        assert (opened.disclosures[path] in set(found.disclosures.values())) is wanted


CREDENTIAL = FORMAT.open(
    FORMAT.issue(
        content({"issuedOn": "2026-03-02", "name": SD("김가람"), "rows": SD([SD({"a": SD(1)}), SD({"a": SD(2)})])}),
        KEY,
        ISSUER,
    )
)
PATHS = [ClaimPath.parse("name"), ClaimPath.parse("rows[1].a")]
PRESENTED = FORMAT.present(CREDENTIAL, PATHS, HOLDER, audience=AUDIENCE, nonce=NONCE, issued_at=NOW + 5)
HONEST = FORMAT.open(PRESENTED)


def accepted(raw: bytes):
    """What a verifier accepts, by all that depends on the bytes. ``None`` when it does not."""
    try:
        opened = FORMAT.open(raw)
        leaf = verify_chain(opened.x5c, (ANCHOR,), purpose=Purpose.ISSUER, at=AT).leaf
        FORMAT.verify_signature(opened, leaf.key)
        FORMAT.verify_key_binding(opened)
    except RefusedError:
        return None
    binding = opened.key_binding
    if leaf.uris != (opened.issuer,) or (binding.audience, binding.nonce) != (AUDIENCE, NONCE):
        return None
    return opened


def told(opened):
    binding = opened.key_binding
    return (
        opened.claims, opened.hidden_elements, opened.vct, opened.issuer, opened.issued_at, opened.not_before,
        opened.expires_at, opened.status, opened.holder_key, opened.x5c, binding.issued_at,
    )  # fmt: skip


def test_the_honest_one_is_accepted():
    assert told(accepted(PRESENTED)) == told(HONEST)


@pytest.mark.slow
def test_flip_one_byte_never_accepted():
    for place in range(len(PRESENTED)):
        for flip in (1, 0x20, 0x80):
            changed = PRESENTED[:place] + bytes((PRESENTED[place] ^ flip,)) + PRESENTED[place + 1 :]
            assert accepted(changed) is None, place


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_changed_presentations_say_what_they_said_or_are_refused(data):
    raw = PRESENTED
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw) - 1))
        kind = data.draw(st.sampled_from(("flip", "insert", "delete", "double")))
        if kind == "flip":
            raw = raw[:place] + bytes((raw[place] ^ data.draw(st.integers(1, 255)),)) + raw[place + 1 :]
        elif kind == "insert":
            raw = raw[:place] + data.draw(st.binary(min_size=1, max_size=4)) + raw[place:]
        elif kind == "delete":
            raw = raw[:place] + raw[place + 1 :]
        else:
            raw = raw[:place] + raw[place : place + 60] + raw[place:]
    found = accepted(raw)
    if found is not None:
        assert told(found) == told(HONEST)


SESSION = Session(
    transcript=qr_transcript(audience="a", nonce=None, issued_at=0, items=()), audience="a", nonce=None, received_at=0
)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=200)
    | st.builds(
        lambda head, body: head + body, st.sampled_from((PRESENTED[:80], CREDENTIAL.raw[:900])), st.binary(max_size=80)
    )
)
def test_any_bytes_are_read_or_refused(raw):
    for read in (FORMAT.open, lambda it: FORMAT.open_response(it, SESSION)):
        with suppress(MalformedError):
            read(raw)
