from datetime import date

from vcred.catalog import Catalog
from vcred.catalog.codes import CodeList, CodeValue

LIST = CodeList(
    id="word",
    values=(
        CodeValue(id="old", names={"ko": "처", "en": "wife"}, valid_to=date(2016, 7, 31)),
        CodeValue(id="new", names={"ko": "배우자", "en": "spouse"}, valid_from=date(2016, 8, 1)),
        CodeValue(id="ever", names={"ko": "부", "en": "father"}),
    ),
)


def test_a_word_may_be_used_only_while_it_is_in_use():
    assert LIST.valid_on("old", date(2016, 7, 31))
    assert not LIST.valid_on("old", date(2016, 8, 1))
    assert not LIST.valid_on("new", date(2016, 7, 31))
    assert LIST.valid_on("new", date(2016, 8, 1))
    assert LIST.valid_on("ever", date(1900, 1, 1))
    assert not LIST.valid_on("unknown", date(2020, 1, 1))


def test_words_for_people_survive_the_end_of_their_use():
    assert LIST.name("old", "ko") == "처"
    assert LIST.name("unheard", "ko") == "unheard"
    assert "old" in LIST
    assert LIST.get("unheard") is None


def test_the_vocabularies_changed_when_they_did():
    relation = Catalog.builtin()["resident.household"].spec
    from vcred.claims import ClaimPath

    codes = relation(ClaimPath.parse("members[].relation")).codes
    assert not codes.valid_on("wife", date(2016, 8, 1))
    assert codes.valid_on("spouses_child", date(2016, 8, 1))
    severity = Catalog.builtin()["welfare.disability"].spec(ClaimPath.parse("severity")).codes
    assert severity.valid_on("grade3", date(2019, 6, 30))
    assert not severity.valid_on("severe", date(2019, 6, 30))
