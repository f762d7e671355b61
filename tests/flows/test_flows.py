"""Issue, hold, show as QR, verify: every certificate type in every format, and one that is added as a file."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.wallet_kit import policy
from vcred import Catalog, Outcome, Presentation, qr
from vcred.claims import SD
from vcred.testing import World
from verifier import VerificationPolicy

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
CATALOG = Catalog.builtin()
FORMATS = ("sd-cwt", "dc+sd-jwt", "mso_mdoc", "vc+sd-jwt", "vc+jwt")


def first_variant(kind):
    return kind.variants[0].id if kind.variants else None


def first_claim(kind):
    """A selectively disclosable claim that the sample has, and that is issued by default."""
    tree = kind.issue(kind.sample, variant=first_variant(kind), options={}, issued_on=kind.sample_date)
    return next(name for name, node in tree.items() if isinstance(node, SD) and node.value not in (None, []))


def policy_for(kind):
    variants = f'variants = ["{first_variant(kind)}"]\n' if kind.variants else ""
    slot = ("one", kind.code, [first_claim(kind)], (), True)
    return VerificationPolicy.load(policy("test.one-claim", slot, rrn="full") + variants)


def through_pictures(answer):
    """The answer as a camera gets it."""
    return Presentation.parse(qr.decode(text for code in qr.encode(answer) for text in qr.read_image(code.png())))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("code", list(CATALOG))
def test_every_type_in_every_format(code, form):
    kind = CATALOG[code]
    asked = policy_for(kind)
    world = World(at=AT, formats=(form,), policies=[asked.source])
    world.issue(code, variant=first_variant(kind))
    request = world.request(asked, formats=(form,))
    result = world.verify(through_pictures(world.present(request)), request)
    assert result.outcome is Outcome.ACCEPTED, result.reasons
    assert first_claim(kind) in result.claims[code]
    if form == "vc+jwt":
        return  # it shows everything, and says so
    undisclosed = {spec.path.parts[0] for spec in kind.claims if spec.selective} - {first_claim(kind)}
    assert not undisclosed & set(result.claims[code])


def test_a_kind_that_is_added_as_one_file_goes_the_whole_way(tmp_path):
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "card.toml").write_text(NEW_KIND, encoding="utf-8")
    catalog = Catalog.builtin() | Catalog.load(tmp_path)
    asked = VerificationPolicy.load(policy("test.one-claim", ("one", "library.card", ["name"], (), True)))
    world = World(at=AT, catalog=catalog, policies=[asked.source])
    world.issue("library.card")
    result = world.ask(asked)
    assert result
    assert result.claims["library.card"]["name"] == "김가람"


NEW_KIND = """
code = "library.card"
vct = "urn:vcred:kr:library.card:1"
doctype = "kr.vcred.library.card.1"
depth = "basic"
name = { ko = "도서관 회원증", en = "Library card" }
description = { ko = "도서관 회원임을 증명합니다.", en = "Membership of the library." }
authority = { ko = "가람도서관 (가상)", en = "Garam Library (fictitious)" }
legal_basis = "가람시 도서관 조례 (가상)"
formats = ["dc+sd-jwt", "sd-cwt"]
lifetime_days = 365
freshness_days = 365
holder_binding = "required"
status = { suspendable = true, max_age_hours = 168 }
retired_labels = []
claims = [
  { path = "name", type = "string", label = 3, ko = "성명", en = "Name" },
  { path = "cardNo", type = "string", label = 4, ko = "회원번호", en = "Card number" },
]
sample_date = 2026-09-01
[sample]
name = "김가람"
cardNo = "0000-0001"
"""
