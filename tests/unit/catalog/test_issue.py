"""From a record to the claims that are signed."""

import copy
from datetime import date, datetime

import pytest

from vcred.catalog import Catalog
from vcred.catalog.linter import disclosed
from vcred.claims import SD, ClaimPath
from vcred.errors import RecordError

CATALOG = Catalog.builtin()
DAY = date(2026, 8, 20)


def issue(code, record=None, *, variant=None, day=DAY, **options):
    kind = CATALOG[code]
    return kind.issue(record or kind.sample, variant=variant, options=options, issued_on=day)


def shown(*args, **kwargs):
    return disclosed(issue(*args, **kwargs))


def sample(code):
    return copy.deepcopy(CATALOG[code].sample)


def test_plain_claims_say_day_variant_and_options():
    tree = issue("family.relations", variant="detailed")
    assert tree["issuedOn"] == "2026-08-20"
    assert tree["variant"] == "detailed"
    assert tree["options"] == {"rrnBack": "none"}
    assert "variant" not in issue("resident.household")
    assert "options" not in issue("id.resident_mobile")


def test_everything_but_plain_claims_can_be_hidden():
    for code in CATALOG:
        kind = CATALOG[code]
        tree = issue(code, variant=kind.variants[0].id if kind.variants else None)
        for name, value in tree.items():
            assert isinstance(value, SD) or name in {"issuedOn", "variant", "options", "validUntil"}


def test_arrays_elements_and_leaves_are_each_selective():
    members = issue("resident.household")["members"]
    assert isinstance(members, SD)
    first = members.value[0]
    assert isinstance(first, SD)
    assert first.value["seq"] == 1
    assert isinstance(first.value["rrn"], SD)
    assert {part: type(value) for part, value in first.value["rrn"].value.items()} == {"birthDate": SD, "sexDigit": SD}


def test_what_is_called_for_is_issued_even_when_there_is_nothing():
    record = sample("resident.household")
    del record["foreignMembers"], record["household"]["formationReason"]
    record["cohabitants"] = None
    claims = shown("resident.household", record, cohabitants=True)
    assert claims["foreignMembers"] == []
    assert claims["cohabitants"] == []
    assert claims["household"] == {"registerState": "resident", "formationReason": None}


def test_default_options_issue_no_back_part_no_history_no_reason():
    claims = shown("resident.household")
    assert "addressHistory" not in claims
    assert "cohabitants" not in claims
    assert all(set(member["rrn"]) == {"birthDate", "sexDigit"} for member in claims["members"])
    assert all("changeReason" not in member for member in claims["members"])
    assert "changeReason" not in claims["currentAddress"]


@pytest.mark.parametrize(
    ("choice", "have_serial"), [("none", []), ("own", [1]), ("members", [2, 3, 4]), ("all", [1, 2, 3, 4])]
)
def test_back_parts_of_resident_numbers(choice, have_serial):
    members = shown("resident.household", rrnBack=choice)["members"]
    assert [member["seq"] for member in members if "serial" in member["rrn"]] == have_serial


def test_own_is_the_person_the_copy_is_for_not_the_head():
    record = sample("resident.household")
    record["members"][0]["self"], record["members"][2]["self"] = False, True
    members = shown("resident.household", record, rrnBack="own", names=False)["members"]
    assert [member["seq"] for member in members if "serial" in member["rrn"]] == [3]
    assert [member["seq"] for member in members if "name" in member] == [3]


def test_without_names_the_head_is_not_named_either():
    claims = shown("resident.household", names=False, cohabitants=True)
    assert "householder" not in claims
    assert "name" not in claims["cohabitants"][0]
    assert "nameRoman" not in claims["foreignMembers"][0]


@pytest.mark.parametrize(
    ("choice", "rows"), [("last5", []), ("years:9", [3]), ("years:10", [3]), ("years:14", [2, 3]), ("all", [1, 2, 3])]
)
def test_past_addresses_by_years(choice, rows):
    history = shown("resident.household", addressHistory=choice)["addressHistory"]
    assert [row["seq"] for row in history] == rows


def test_a_row_of_exactly_n_years_ago_is_kept():
    day = date(2026, 9, 11)
    assert len(shown("resident.household", day=day, addressHistory="years:9")["addressHistory"]) == 1
    assert shown("resident.household", day=date(2026, 9, 12), addressHistory="years:9")["addressHistory"] == []


def test_years_before_a_29_february_lose_nothing():
    record = sample("resident.household")
    record["addressHistory"] = [{"seq": 1, "address": "가람시", "movedInOn": "2027-02-28"}]
    claims = shown("resident.household", record, day=date(2028, 2, 29), addressHistory="years:1")
    assert len(claims["addressHistory"]) == 1


def test_coarse_relations_keep_head_and_spouse():
    members = shown("resident.household", relation="coarse")["members"]
    assert [member["relation"] for member in members] == ["head", "spouse", "member", "member"]
    assert "relation" not in shown("resident.household", relation="none")["members"][1]


def test_change_reasons_of_household_and_members_are_separate():
    claims = shown("resident.household", changeReasons="household", addressHistory="all")
    assert "changeReason" in claims["currentAddress"]
    assert "changeReason" in claims["addressHistory"][0]
    assert "changeReason" not in claims["members"][0]
    claims = shown("resident.household", changeReasons="members", addressHistory="all")
    assert "changeReason" not in claims["currentAddress"]
    assert "changeReason" in claims["members"][0]


def test_abstract_gives_military_service_in_three_depths():
    assert "military" not in shown("resident.personal")
    assert set(shown("resident.personal", military="dates")["military"]) == {"enlistedOn", "dischargedOn"}
    assert shown("resident.personal", military="all")["military"]["branch"] == "army"


def test_general_family_certificate_has_living_children_of_the_present_marriage():
    relatives = shown("family.relations", variant="general")["relatives"]
    assert [row["name"] for row in relatives] == ["김한빛", "이슬기", "박새솔", "김하늘별", "김바다"]
    assert len(shown("family.relations", variant="detailed")["relatives"]) == 8


def test_facts_for_choosing_rows_are_never_issued():
    assert "currentMarriage" not in repr(issue("family.relations", variant="detailed"))


def test_specific_family_certificate_has_the_chosen_relatives():
    relatives = shown("family.relations", variant="specific", relatives=["spouse", "children"])["relatives"]
    assert {row["role"] for row in relatives} == {"spouse", "child"}
    tree = shown("family.relations", variant="specific", relatives=("children", "spouse"))
    assert tree["options"]["relatives"] == ["spouse", "children"]


def test_specific_basic_certificate_can_show_custody_alone():
    claims = shown("family.basic", variant="specific", matters=["custody"])
    assert [row["holder"] for row in claims["custody"]] == ["김가람", "박새솔"]
    assert not {"birth", "death", "nameChanges", "nationalityChanges", "corrections"} & set(claims)


def test_detailed_marriage_certificate_of_the_never_married_is_issued_and_empty():
    record = sample("family.marriage")
    del record["spouse"], record["marriage"], record["history"]
    claims = shown("family.marriage", record, variant="detailed")
    assert (claims["spouse"], claims["marriage"], claims["history"]) == (None, None, [])
    assert "history" not in shown("family.marriage", record, variant="general")


def test_income_of_the_last_year_and_of_one_kind():
    assert [row["year"] for row in shown("tax.income")["incomes"]] == [2025]
    assert [row["year"] for row in shown("tax.income", years="all", kinds="comprehensive")["incomes"]] == [2022]


def test_present_insurance_is_the_row_without_an_end():
    rows = shown("nhis.eligibility_history", history="current", workplace=False)["rows"]
    assert rows == [{"kind": "employee", "acquiredOn": "2023-03-02", "lostOn": None}]
    assert len(shown("nhis.eligibility_history", history="years:4")["rows"]) == 2


def test_mobile_card_derives_age_sex_and_province():
    claims = shown("id.resident_mobile")
    assert claims["birthDate"] == "1980-05-15"
    assert claims["sex"] == "male"
    assert claims["region"] == "가람특별시"
    assert (claims["ageOver14"], claims["ageOver19"], claims["ageOver65"], claims["yearAgeOver19"]) == (
        True,
        True,
        False,
        True,
    )


def test_derived_claims_cannot_be_supplied():
    record = sample("id.resident_mobile") | {"ageOver19": True}
    with pytest.raises(RecordError, match="ageOver19"):
        issue("id.resident_mobile", record)


def test_dates_of_toml_and_python_become_iso_text():
    record = sample("resident.household")
    record["currentAddress"]["movedInOn"] = date(2021, 3, 8)
    assert shown("resident.household", record)["currentAddress"]["movedInOn"] == "2021-03-08"
    record["currentAddress"]["movedInOn"] = datetime(2021, 3, 8)
    with pytest.raises(RecordError, match=r"currentAddress\.movedInOn"):
        issue("resident.household", record)


def test_times_are_korean_times():
    record = sample("family.relations")
    record["document"]["issuedAt"] = "2026-08-20T01:15:00Z"
    claims = shown("family.relations", record, variant="general")
    assert claims["document"]["issuedAt"] == "2026-08-20T10:15:00+09:00"


BROKEN = {
    "unknown claim": (lambda r: r.update(nickname="x"), "record: nickname"),
    "unknown claim with a value in its name": (lambda r: r.update({"800515-1990120": 1}), "record: a name"),
    "missing": (lambda r: r.pop("householder"), "householder: is missing"),
    "missing below": (lambda r: r["householder"].pop("name"), "householder.name: is missing"),
    "no rows": (lambda r: r.update(members=[]), "members: must have at least one"),
    "not an array": (lambda r: r.update(members={}), "members: must be an array"),
    "not an object": (lambda r: r.update(householder="김가람"), "householder: must be an object"),
    "row not an object": (lambda r: r["members"].__setitem__(2, 7), r"members[2]: must be an object"),
    "too many rows": (lambda r: r.update(addressHistory=[{}] * 501), "addressHistory: must have at most 500"),
    "number as text": (lambda r: r["members"][0].update(seq="1"), "members[0].seq: must be a whole number"),
    "boolean as number": (lambda r: r["members"][0].update(seq=True), "members[0].seq: must be a whole number"),
    "number as boolean": (lambda r: r["members"][0].update(self=1), "members[0].self: must be true or false"),
    "beyond 2^53": (lambda r: r["members"][0].update(seq=2**53), "members[0].seq: must be a whole number"),
    "unknown code": (
        lambda r: r["members"][1].update(relation="wifey"),
        "members[1].relation: is not in the code list",
    ),
    "old code": (lambda r: r["members"][1].update(relation="wife"), "members[1].relation: is a word"),
    "code of another time": (
        lambda r: r["addressHistory"][0].update(changeReason="absence_deletion", changedOn="2010-01-01"),
        "addressHistory[0].changeReason: is a word",
    ),
    "day that does not exist": (lambda r: r["members"][0].update(movedInOn="2021-02-29"), "members[0].movedInOn: must"),
    "week date": (lambda r: r["members"][0].update(movedInOn="2021-W10-1"), "members[0].movedInOn: must"),
    "empty text": (lambda r: r["householder"].update(name=" "), "householder.name: is empty"),
    "long text": (lambda r: r["householder"].update(name="가" * 4001), "householder.name: must be at most"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_record_that_cannot_be_certified_is_refused_by_file_and_path(case):
    change, wanted = BROKEN[case]
    record = sample("resident.household")
    change(record)
    with pytest.raises(RecordError) as caught:
        issue("resident.household", record)
    assert str(caught.value).startswith(f"resident/household.toml: {wanted}")
    for secret in ("김가람", "1990120", "wifey", "W10"):
        assert secret not in str(caught.value)


def test_history_rows_may_use_the_words_of_their_time():
    record = sample("resident.household")
    record["addressHistory"][0] |= {"changeReason": "absence_deletion", "changedOn": "2008-01-01"}
    claims = shown("resident.household", record, addressHistory="all", changeReasons="all")
    assert claims["addressHistory"][0]["changeReason"] == "absence_deletion"


@pytest.mark.parametrize(
    "picture",
    [
        "data:image/svg+xml;base64,AAAA",
        "https://x.example/a.png",
        "data:image/png;base64,<",
        "data:image/png;base64," + "A" * 65536,
    ],
)
def test_pictures_are_small_bitmaps(picture):
    with pytest.raises(RecordError, match="photo: must be a data: URI"):
        issue("id.resident_mobile", sample("id.resident_mobile") | {"photo": picture})


@pytest.mark.parametrize(
    ("code", "variant", "options", "text"),
    [
        ("resident.household", "detailed", {}, "has no variants"),
        ("family.basic", None, {}, "general, detailed, specific"),
        ("family.basic", "일반", {}, "general, detailed, specific"),
        ("family.basic", "general", {"matters": ["birth"]}, "no option 'matters'"),
        ("family.basic", "specific", {"matters": []}, "at least one"),
        ("family.basic", "specific", {"matters": "birth"}, "at least one"),
        ("resident.household", None, {"rrn": "all"}, "no option 'rrn'"),
        ("resident.household", None, {"dates": 1}, "true or false"),
        ("resident.household", None, {"rrnBack": "some"}, "none, own, members, all"),
        ("resident.household", None, {"addressHistory": "years:0"}, "years:N"),
        ("resident.household", None, {"addressHistory": "years:100"}, "years:N"),
        ("resident.household", None, {"addressHistory": "years:N"}, "years:N"),
        ("resident.household", None, {"addressHistory": "years:٣"}, "years:N"),
        ("resident.household", None, {"addressHistory": "years:05"}, "years:N"),
    ],
)
def test_choices_a_type_does_not_have_are_misuse(code, variant, options, text):
    kind = CATALOG[code]
    with pytest.raises(ValueError, match=text.replace("(", r"\(")):
        kind.issue(kind.sample, variant=variant, options=options, issued_on=DAY)


def test_the_day_of_issue_is_a_date_not_a_time():
    kind = CATALOG["tax.income"]
    with pytest.raises(TypeError, match="date"):
        kind.issue(kind.sample, variant=None, options={}, issued_on=datetime(2026, 1, 1))


def test_is_issued_and_is_complete_follow_the_choices():
    kind = CATALOG["resident.household"]
    path = ClaimPath.parse("addressHistory[].address")
    assert not kind.is_issued(path, variant=None, options={})
    assert kind.is_issued(path, variant=None, options={"addressHistory": "last5"})
    said = issue("resident.household", addressHistory="all")["options"]
    assert kind.is_complete(path, variant=None, options=said)
    assert not kind.is_complete(path, variant=None, options=said | {"addressHistory": "last5"})
    assert not kind.is_complete(path, variant=None, options=said | {"addressHistory": "none"})
    assert not kind.is_complete(path, variant=None, options={"addressHistory": "all"}), "a default was assumed"
    assert not kind.is_complete(ClaimPath.parse("nothing"), variant=None, options=said)
    assert not CATALOG["family.relations"].is_complete(
        ClaimPath.parse("relatives"), variant="general", options={"rrnBack": "none"}
    )
    assert CATALOG["family.relations"].is_complete(
        ClaimPath.parse("relatives[0].name"), variant="detailed", options={"rrnBack": "none"}
    )
    assert not kind.is_issued(ClaimPath.parse("nothing"), variant=None, options={})
    assert kind.is_issued(ClaimPath.parse("members[2].rrn.serial"), variant=None, options={"rrnBack": "own"})
    assert not kind.is_issued(ClaimPath.parse("members[2].rrn.serial"), variant=None, options={})
