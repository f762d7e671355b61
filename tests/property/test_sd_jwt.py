"""Properties of SD-JWT and SD-JWT VC over generated claim trees."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcred.claims import SD, ClaimPath
from vcred.credential import Content
from vcred.errors import RefusedError
from vcred.formats.base import IssuerKey
from vcred.formats.sd_jwt import conceal, fresh_salts, process
from vcred.formats.sd_jwt_vc import SdJwtVc, lint_issued
from vcred.keys import SoftwareSigner

pytestmark = pytest.mark.property

ISSUER, HOLDER = SoftwareSigner.generate(), SoftwareSigner.generate()
FORMAT = SdJwtVc()
NONCE = b"\x9b" * 16
NAMES = st.text("abc가나", min_size=1, max_size=3)
LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=8)


def _marked(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    maybe = children | children.map(SD)
    return st.lists(maybe, max_size=3) | st.dictionaries(NAMES, maybe, max_size=3)


VALUES = st.recursive(LEAVES, _marked, max_leaves=12)
TREES = st.dictionaries(NAMES, VALUES | VALUES.map(SD), min_size=1, max_size=4)


def plain(value: Any) -> Any:
    if isinstance(value, SD):
        return plain(value.value)
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    return [plain(element) for element in value] if isinstance(value, list) else value


def issued(claims: dict[str, Any], decoys: int = 0) -> bytes:
    content = Content(
        vct="urn:vcred:kr:test:1",
        issuer="https://city.example",
        claims=claims,
        issued_at=1,
        expires_at=2_000_000_000,
        holder_key=HOLDER.public_key,
        decoys=decoys,
    )
    return FORMAT.issue(content, IssuerKey(public_key=ISSUER.public_key), ISSUER)


def verify(raw: bytes) -> None:
    opened = FORMAT.open(raw)
    FORMAT.verify_signature(opened, ISSUER.public_key)
    FORMAT.verify_key_binding(opened)


@given(TREES, st.integers(0, 2))
@settings(deadline=None)
def test_everything_disclosed_is_what_was_issued(claims: dict[str, Any], decoys: int) -> None:
    raw = issued(claims, decoys)
    opened = FORMAT.open(raw)
    FORMAT.verify_signature(opened, ISSUER.public_key)
    assert opened.claims == plain(claims)
    assert opened.expires_at == 2_000_000_000
    assert lint_issued(raw) == []


@given(TREES, st.data())
@settings(deadline=None)
def test_a_presentation_discloses_the_selected_nodes_and_nothing_else(
    claims: dict[str, Any], data: st.DataObject
) -> None:
    opened = FORMAT.open(issued(claims))
    every = sorted(opened.disclosures, key=str)
    chosen = data.draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    raw = FORMAT.present(opened, chosen, HOLDER, audience="https://bank.example", nonce=NONCE, issued_at=5)
    shown = FORMAT.open(raw)
    FORMAT.verify_signature(shown, ISSUER.public_key)
    FORMAT.verify_key_binding(shown)
    allowed = {
        text
        for path, text in opened.disclosures.items()
        if any(one.contains(path) or path.contains(one) for one in chosen)
    }
    assert set(shown.disclosures.values()) == allowed
    nothing = FORMAT.present(opened, [], HOLDER, audience="https://bank.example", nonce=NONCE, issued_at=5)
    assert not FORMAT.open(nothing).disclosures


@given(st.integers(0), st.integers(1, 255))
@settings(deadline=None, max_examples=300)
def test_one_changed_byte_never_verifies(place: int, flip: int) -> None:
    raw = bytearray(PRESENTED)
    raw[place % len(raw)] ^= flip
    with pytest.raises(RefusedError):
        verify(bytes(raw))


@given(TREES)
@settings(deadline=None)
def test_any_subset_closed_under_parents_is_processed(claims: dict[str, Any]) -> None:
    payload, disclosures = conceal(claims, salts=fresh_salts())
    whole = process(payload, disclosures)
    assert len(whole.disclosed) == len(disclosures) == len(set(disclosures))
    outermost = [
        text
        for parts, text in whole.disclosed.items()
        if not any(parts[:n] in whole.disclosed for n in range(1, len(parts)))
    ]
    assert set(process(payload, outermost).disclosed.values()) == set(outermost)


_opened = FORMAT.open(issued({"name": SD("가상"), "list": [SD(1), SD({"x": SD(2)})], "town": SD("가람시")}, 1))
PRESENTED = FORMAT.present(
    _opened, [ClaimPath.parse("name"), ClaimPath.parse("list[1].x")], HOLDER, audience="a", nonce=NONCE, issued_at=5
)
