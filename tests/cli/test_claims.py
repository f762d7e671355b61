"""Claims are shown in the catalogue's words, in its order, and with nothing left out."""

from __future__ import annotations

import pytest

from vcred.catalog import Catalog
from vcred.cli._claims import claim_rows

CATALOG = Catalog.builtin()
CLAIMS = {
    "addressHistory": [{"address": "가람특별시 새솔구 별빛로 1", "movedInOn": None}, {"state": "resident"}],
    "personalChanges": [],
    "name": "김가람",
    "options": {"addressHistory": "years:5", "rrnBack": True},
    "issuedOn": "2026-09-01",
}


def test_names_and_values_are_the_catalogues():
    assert claim_rows(CATALOG["resident.household"], {"options": {"addressHistory": "all"}}, "en") == [
        ("applied for · Past addresses", "All", "options.addressHistory")
    ]
    rows = {path: (name, value) for name, value, path in claim_rows(CATALOG["resident.personal"], CLAIMS, "ko")}
    assert rows["issuedOn"] == ("발급일", "2026-09-01")
    assert rows["options.rrnBack"][1] == "예"
    assert rows["options.addressHistory"][1] == "최근 5년"
    assert rows["addressHistory[0].address"][0] == "과거주소 1 · 주소"
    assert rows["addressHistory[0].movedInOn"][1] == "없음"
    assert rows["addressHistory[1].state"] == ("과거주소 2 · 등록상태", "거주자")
    assert rows["personalChanges"] == ("인적사항 변경", "없음")


def test_the_order_is_the_types():
    paths = [path for *_, path in claim_rows(CATALOG["resident.personal"], CLAIMS, "en")]
    assert paths.index("name") < paths.index("addressHistory[0].address") < paths.index("personalChanges")


def test_a_variant_has_its_name_and_a_picture_its_size():
    kind = next(one for one in CATALOG.types() if one.variants)
    chosen = kind.variants[0]
    assert claim_rows(kind, {"variant": chosen.id}, "ko") == [("구분(일반·상세·특정)", chosen.name("ko"), "variant")]
    kind, picture = next((one, spec) for one in CATALOG.types() for spec in one.walk() if spec.type == "image")
    (row,) = claim_rows(kind, {picture.key: "AAAA"}, "en")
    assert row[1] == "(a picture, 4 characters)"


@pytest.mark.parametrize("lang", ["ko", "en"])
def test_a_type_that_is_not_known_any_more_is_shown_by_its_paths(lang):
    rows = claim_rows(None, CLAIMS, lang)
    assert ("name", "김가람", "name") in rows
    assert len(rows) == 8
