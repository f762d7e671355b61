"""What the desk's pages show of a verdict: words of the catalogue, claims of accepted ones only, photos that are some."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from vcred.catalog import Catalog
from vcred.testing import World
from verifier.server.pages.views import moment, policy_view, verdict_view

CATALOG = Catalog.builtin()
PHOTO = CATALOG["id.resident_mobile"].sample["photo"]


@pytest.fixture(scope="module")
def world():
    made = World(at=datetime(2026, 9, 26, 3, 0, tzinfo=UTC))
    made.issue("resident.personal")
    return made


def verdict(claims, *, outcome="ACCEPTED", code="id.resident_mobile"):
    certificate = {
        "query_id": "card-1",
        "slot": "card",
        "format": "dc+sd-jwt",
        "code": code,
        "issuer": "https://city.example",
        "issuer_name": {},
        "issued_on": None,
    }
    result = {"outcome": outcome, "assurance": "challenged", "reasons": [], "freshness": [], "checks": []}
    result["certificates"] = [certificate]
    if claims is not None:
        result["claims"] = {"card": claims}
    return verdict_view(result, CATALOG, "ko")["certificates"][0]


def test_a_real_verdict_in_both_languages(world):
    result = world.ask("bank.address-change").to_json()
    shown = {lang: verdict_view(result, world.catalog, lang) for lang in ("ko", "en")}
    (korean,), (english,) = (shown[lang]["certificates"] for lang in ("ko", "en"))
    assert (korean["name"], english["name"]) == tuple(
        world.catalog["resident.personal"].name(lang) for lang in ("ko", "en")
    )
    assert {"name": "성명", "value": "김가람", "picture": None} in korean["claims"]
    assert all(name.startswith("신청 항목") for name, _ in korean["applied"])
    assert len(shown["ko"]["checks"]) == len(result["checks"])
    assert len(shown["ko"]["freshness"]) == 2


def test_nothing_is_shown_of_what_was_not_accepted():
    assert verdict(None, outcome="REJECTED")["claims"] == []


def test_a_photo_is_a_picture():
    (row,) = verdict({"photo": PHOTO})["claims"]
    assert row["picture"] == PHOTO


@pytest.mark.parametrize(
    "value",
    [
        "data:text/html;base64,PHNjcmlwdD4=",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:image/png;base64,PHNjcmlwdD4=",
        'data:image/png;base64,iVBORw0KGgo=" onerror="alert(1)',
        "data:image/png;base64,iVBORw0KGg",
        "https://evil.example/photo.png",
        "data:image/png;base64," + "A" * 600_000,
    ],
)
def test_wf_11_a_picture_that_is_none_stays_text(value):
    (row,) = verdict({"photo": value})["claims"]
    assert row["picture"] is None


def test_a_type_nobody_knows_has_its_own_names():
    shown = verdict({"list": [{"name": "x"}], "empty": []}, code=None)
    assert shown["name"] == "card-1"
    assert shown["claims"] == [
        {"name": "list 1 · name", "value": "x", "picture": None},
        {"name": "empty", "value": "없음", "picture": None},
    ]


def test_policies_say_their_law_and_their_alternatives(world):
    shown = policy_view(world.policy("bank.id-check"), CATALOG, "ko", ("dc+sd-jwt",))
    assert "금융실명" in shown["legal_basis"]
    assert (shown["rrn"], shown["formats"]) == ("full", ["dc+sd-jwt"])
    assert "모바일 주민등록증" in " ".join(shown["slots"][0]["types"])


def test_times_are_those_of_korea():
    at = int(datetime(2026, 9, 25, 15, 30, tzinfo=UTC).timestamp())
    assert moment(at) == "2026-09-26 00:30 KST"
    assert moment(at, clock=True) == "00:30:00"
    assert moment(None) == ""
