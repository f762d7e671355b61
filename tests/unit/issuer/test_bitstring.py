"""An issuer whose W3C credentials name W3C status lists: the same entries, signed in both ways."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from issuer import IssuerStore
from tests.unit.issuer.conftest import AT, CATALOG, ID, PROFILE, SIGNER, Agency
from vcred.credential import BitstringReference, StatusReference, status_entries
from vcred.formats.known import Formats
from vcred.status import parse_status_token, verify_status_token
from vcred.status.bitstring import MIN_ENTRIES

FORMATS = Formats(CATALOG)
CARD, PAPER = "id.driver_mobile", "resident.personal"
W3C = ("vc+jwt", "vc+sd-jwt")


@pytest.fixture
def store():
    with IssuerStore() as made:
        yield made


def agency(store, *, formats=(*W3C, "sd-cwt"), w3c_status="bitstring", **profile):
    return Agency(store, formats=formats, w3c_status=w3c_status, copies=1, **profile)


def take(agency, code=PAPER):
    """What each format of a fresh credential says of its status, and the credential's id."""
    delivery = agency.issuer.issue(agency.request(agency.offer(code), keys=len(agency.issuer._profile.formats)), at=AT)
    return {name: FORMATS[name].open(raw).status for name, raw in delivery.credentials}, delivery.credential_id


def lists(agency):
    return {uri: parse_status_token(raw) for uri, raw in agency.issuer.status_tokens(at=AT).items()}


def values(agency, status):
    """Every bit that ``status`` names, by purpose, in the lists as they are signed now."""
    found = lists(agency)
    return {one.purpose: found[one.uri].status_list.get(one.index) for one in status_entries(status)}


def test_the_default_is_the_status_claim_and_no_list_more(store):
    told, _ = take(agency(store, w3c_status="token"))
    assert {type(one) for one in told.values()} == {StatusReference}
    assert list(lists(agency(store, w3c_status="token"))) == [f"{ID}/status/1"]
    with pytest.raises(ValueError, match="bitstring"):
        replace(PROFILE, w3c_status="both")


def test_only_w3c_formats_name_w3c_lists(store):
    told, _ = take(agency(store))
    assert isinstance(told["sd-cwt"], StatusReference)
    for name in W3C:
        assert isinstance(told[name], BitstringReference)
        assert (told[name].uri, told[name].purpose) == (f"{ID}/status/1-revocation", "revocation")
    assert len({one.index for one in told.values()}) == 3, "every copy has a place of its own"


def test_the_lists_are_credentials_of_the_issuer(store):
    working = agency(store)
    take(working, CARD)
    found = lists(working)
    assert set(found) == {f"{ID}/status/1{end}" for end in ("", "-revocation", "-suspension")}
    for purpose in ("revocation", "suspension"):
        token = found[f"{ID}/status/1-{purpose}"]
        verify_status_token(token, SIGNER.public_key)
        assert (token.form, token.issuer, token.purposes) == ("vc+jwt", ID, frozenset({purpose}))
        assert token.issued_at == int(AT.timestamp())
        assert token.expires_at == int((AT + timedelta(days=30)).timestamp())


def test_revoked_and_suspended_are_told_apart(store):
    working = agency(store)
    (kept, _), (revoked, gone), (suspended, lost) = take(working, CARD), take(working, CARD), take(working, CARD)
    working.issuer.revoke(gone, reason="reissued", at=AT)
    working.issuer.suspend(lost, reason="reported lost", at=AT)
    for name in W3C:
        assert values(working, kept[name]) == {"revocation": 0, "suspension": 0}
        assert values(working, revoked[name]) == {"revocation": 1, "suspension": 0}
        assert values(working, suspended[name]) == {"revocation": 0, "suspension": 1}
    working.issuer.reinstate(lost, reason="found", at=AT)
    assert values(working, suspended["vc+jwt"]) == {"revocation": 0, "suspension": 0}
    working.issuer.suspend(lost, reason="reported lost", at=AT)
    working.issuer.revoke(lost, reason="reissued", at=AT)
    assert values(working, suspended["vc+jwt"]) == {"revocation": 1, "suspension": 0}
    token = lists(working)[f"{ID}/status/1"]
    assert token.status_list.get(suspended["sd-cwt"].index) == 1, "in one list as in the other"


def test_what_cannot_be_suspended_has_no_list_that_says_so(store):
    working = agency(store)
    told, _ = take(working, PAPER)
    take(working, CARD)
    assert values(working, told["vc+jwt"]) == {"revocation": 0}
    assert set(lists(working)) == {
        f"{ID}/status/1",
        f"{ID}/status/1-revocation",
        f"{ID}/status/2",
        f"{ID}/status/2-revocation",
        f"{ID}/status/2-suspension",
    }


def test_an_issuer_that_changes_its_mind_goes_on_signing_what_it_named(store):
    told, gone = take(agency(store))
    other = agency(store, w3c_status="token")
    later, _ = take(other)
    assert isinstance(later["vc+jwt"], StatusReference)
    other.issuer.revoke(gone, reason="reissued", at=AT)
    assert values(other, told["vc+jwt"]) == {"revocation": 1}


def test_a_list_is_signed_as_a_bitstring_once_it_is_named_and_not_before(store):
    take(agency(store, w3c_status="token"))
    assert list(lists(agency(store))) == [f"{ID}/status/1"]
    assert take(agency(store, formats=("sd-cwt",)))
    assert list(lists(agency(store))) == [f"{ID}/status/1"], "no W3C format, no W3C list"
    take(agency(store))
    assert list(lists(agency(store))) == [f"{ID}/status/1", f"{ID}/status/1-revocation"]


def test_a_short_list_is_filled_up_to_what_the_standard_wants():
    with IssuerStore(list_size=64) as store:
        working = agency(store, formats=("vc+jwt",))
        told, gone = take(working)
        working.issuer.revoke(gone, reason="reissued", at=AT)
        found = lists(working)
        assert len(found[f"{ID}/status/1"].status_list) == 64
        assert len(found[f"{ID}/status/1-revocation"].status_list) == MIN_ENTRIES
        assert values(working, told["vc+jwt"]) == {"revocation": 1}


def test_everything_at_one_stroke_is_in_these_lists_too(store):
    from issuer import Selection

    working = agency(store)
    many = [take(working)[0] for _ in range(3)]
    working.issuer.revoke_all(Selection(code=PAPER), reason="leaked", at=AT)
    assert [values(working, one["vc+sd-jwt"]) for one in many] == [{"revocation": 1}] * 3


def test_a_list_has_as_many_versions_as_signatures(store):
    working = agency(store)
    take(working, CARD)
    for version in (1, 2):
        (one,) = working.issuer.signed_lists(at=AT, forms=("cwt", "jwt"))
        assert (one.version, set(one.tokens)) == (version, {"cwt", "jwt"})
        assert list(one.bitstrings) == [f"{one.uri}-revocation", f"{one.uri}-suspension"]
