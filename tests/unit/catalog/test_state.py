"""Never issued, hidden, empty and present are four different answers."""

import pytest

from vcred.catalog import Catalog, ClaimState
from vcred.catalog.linter import disclosed
from vcred.claims import ClaimPath

CATALOG = Catalog.builtin()
NOT_ISSUED, HIDDEN, EMPTY, PRESENT = ClaimState.NOT_ISSUED, ClaimState.HIDDEN, ClaimState.EMPTY, ClaimState.PRESENT


def claims_of(code, variant=None, **options):
    kind = CATALOG[code]
    return disclosed(kind.issue(kind.sample, variant=variant, options=options, issued_on=kind.sample_date))


def state(code, path, claims, **hidden):
    elements = {ClaimPath.parse(name): count for name, count in hidden.items()}
    return CATALOG[code].state(ClaimPath.parse(path), claims, elements)


def test_what_options_left_out_was_not_issued():
    claims = claims_of("resident.household")
    assert state("resident.household", "addressHistory", claims) is NOT_ISSUED
    assert state("resident.household", "addressHistory[].address", claims) is NOT_ISSUED
    assert state("resident.household", "members[].rrn.serial", claims) is NOT_ISSUED
    assert state("resident.household", "members[0].rrn.serial", claims) is NOT_ISSUED


def test_what_the_holder_keeps_back_is_hidden():
    claims = claims_of("resident.household", addressHistory="all")
    del claims["addressHistory"], claims["householder"]
    assert state("resident.household", "addressHistory", claims) is HIDDEN
    assert state("resident.household", "addressHistory[].address", claims) is HIDDEN
    assert state("resident.household", "householder.name", claims) is HIDDEN


def test_issued_with_nothing_in_it_is_empty():
    claims = claims_of("resident.household", cohabitants=True) | {"cohabitants": []}
    claims["household"]["formationReason"] = None
    assert state("resident.household", "cohabitants", claims) is EMPTY
    assert state("resident.household", "cohabitants[].name", claims) is EMPTY
    assert state("resident.household", "cohabitants[0].name", claims) is EMPTY
    assert state("resident.household", "household.formationReason", claims) is EMPTY


def test_below_an_empty_object_everything_is_empty():
    claims = claims_of("family.marriage", "detailed") | {"spouse": None, "history": []}
    assert state("family.marriage", "spouse.name", claims) is EMPTY
    assert state("family.marriage", "spouse.rrn.birthDate", claims) is EMPTY
    assert state("family.marriage", "spouse.rrn.serial", claims) is NOT_ISSUED
    assert state("family.marriage", "history", claims) is EMPTY


def test_an_array_that_hides_elements_is_not_empty():
    claims = claims_of("resident.household", cohabitants=True) | {"cohabitants": [], "members": []}
    assert state("resident.household", "cohabitants", claims, cohabitants=1) is HIDDEN
    assert state("resident.household", "members[].name", claims, members=4) is HIDDEN
    assert state("resident.household", "members[2].name", claims, members=4) is HIDDEN


def test_one_hidden_row_hides_the_answer_about_all_rows():
    claims = claims_of("resident.household")
    del claims["members"][3]
    assert state("resident.household", "members[].name", claims, members=1) is HIDDEN
    assert state("resident.household", "members[0].name", claims, members=1) is PRESENT
    assert state("resident.household", "members", claims, members=1) is PRESENT
    del claims["members"][1]["name"]
    assert state("resident.household", "members[].name", claims) is HIDDEN


def test_own_only_tells_not_issued_from_hidden_row_by_row():
    claims = claims_of("resident.household", rrnBack="own")
    assert state("resident.household", "members[0].rrn.serial", claims) is PRESENT
    assert state("resident.household", "members[1].rrn.serial", claims) is NOT_ISSUED
    assert state("resident.household", "members[].rrn.serial", claims) is NOT_ISSUED
    del claims["members"][0]["rrn"]["serial"]
    assert state("resident.household", "members[0].rrn.serial", claims) is HIDDEN
    del claims["members"][1]["rrn"]
    assert state("resident.household", "members[1].rrn.serial", claims) is HIDDEN


def test_general_has_no_history_and_detailed_may_hide_it():
    assert state("family.marriage", "history", claims_of("family.marriage", "general")) is NOT_ISSUED
    hidden = claims_of("family.marriage", "detailed")
    del hidden["history"]
    assert state("family.marriage", "history", hidden) is HIDDEN


def test_elements_of_a_list_of_codes():
    claims = claims_of("id.e_citizen")
    assert state("id.e_citizen", "entitlements[]", claims) is PRESENT
    assert state("id.e_citizen", "entitlements[7]", claims) is EMPTY
    assert state("id.e_citizen", "entitlements", claims | {"entitlements": []}, entitlements=3) is HIDDEN


def test_unknown_choices_in_a_credential_never_explain_absence_away():
    claims = claims_of("resident.household", addressHistory="all") | {"options": {"addressHistory": "some", "names": 3}}
    del claims["addressHistory"]
    assert state("resident.household", "addressHistory", claims) is HIDDEN
    assert state("resident.household", "addressHistory", {}) is HIDDEN
    assert state("resident.household", "addressHistory", {"options": ["none"], "variant": 7}) is HIDDEN


def test_what_is_there_although_it_should_not_be_is_present():
    claims = claims_of("resident.household") | {"addressHistory": [{"seq": 1}]}
    assert state("resident.household", "addressHistory", claims) is PRESENT


@pytest.mark.parametrize("node", [7, "text", [1], {"a": 1}, [[{}]]])
def test_strange_shapes_are_hidden_not_a_crash(node):
    claims = claims_of("resident.household") | {"members": node, "householder": node}
    for path in ("members[].name", "members[0].rrn.birthDate", "householder.name", "members"):
        assert state("resident.household", path, claims) in {HIDDEN, PRESENT}


def test_plain_claims_are_there_or_were_never_issued():
    claims = claims_of("family.basic", "general")
    assert state("family.basic", "variant", claims) is PRESENT
    assert state("family.basic", "options.rrnBack", claims) is PRESENT
    assert state("family.basic", "options.matters", claims) is NOT_ISSUED


def test_a_path_the_type_does_not_have_is_misuse():
    with pytest.raises(ValueError, match="no claim"):
        state("resident.household", "members.name", {})


def test_a_real_presentation_tells_the_four_answers_apart():
    from vcred.claims import select
    from vcred.credential import Content
    from vcred.formats.base import IssuerKey
    from vcred.formats.sd_cwt import SdCwt
    from vcred.formats.sd_jwt_vc import SdJwtVc
    from vcred.keys import SoftwareSigner

    kind = CATALOG["resident.household"]
    record = {**kind.sample, "cohabitants": []}
    tree = kind.issue(record, variant=None, options={"cohabitants": True, "rrnBack": "own"}, issued_on=kind.sample_date)
    issuer, holder = SoftwareSigner.generate(), SoftwareSigner.generate()
    content = Content(
        vct=kind.vct,
        issuer="https://city.example/i",
        claims=tree,
        issued_at=1787000000,
        expires_at=1794776000,
        holder_key=holder.public_key,
    )
    for form in (SdCwt(CATALOG.labels), SdJwtVc()):
        opened = form.open(form.issue(content, IssuerKey(public_key=issuer.public_key), issuer))
        wanted = ("cohabitants", "members[1].name", "members[1].rrn.birthDate", "members[3].relation")
        paths = [found for path in wanted for found, _ in select(opened.claims, ClaimPath.parse(path))]
        shown = form.open(
            form.present(opened, paths, holder, audience="https://bank.example", nonce=bytes(16), issued_at=1787000100)
        )

        def answer(path, shown=shown):
            return kind.state(ClaimPath.parse(path), shown.claims, shown.hidden_elements)

        assert answer("cohabitants") is EMPTY
        assert answer("householder.name") is HIDDEN
        assert answer("addressHistory") is NOT_ISSUED
        assert answer("members[].name") is HIDDEN
        assert answer("members[0].name") is PRESENT
        assert shown.claims["members"][0]["name"] == "박새솔"
        assert answer("members[0].rrn.birthDate") is PRESENT
        assert answer("members[0].rrn.sexDigit") is HIDDEN
        assert answer("members[0].rrn.serial") is NOT_ISSUED
        assert answer("members[1].relation") is PRESENT
