"""Issue, publish, hold, show, verify with W3C status lists, offline: and every way in which they can say no."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.flows.test_flows import policy_for
from vcred import Catalog
from vcred.credential import BitstringReference, Content, StatusReference
from vcred.formats.base import IssuerKey
from vcred.formats.w3c_vc import W3cJwt, W3cSdJwt
from vcred.freshness import FreshnessState, Subject
from vcred.keys import SoftwareSigner
from vcred.presentation import Presentation, Presented
from vcred.status import StatusList, build_bitstring_token, build_status_token
from vcred.status.bitstring import MIN_ENTRIES
from vcred.testing import World
from verifier.result import CheckStatus

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
CARD = "id.driver_mobile"
CATALOG = Catalog.builtin()
POLICY = policy_for(CATALOG[CARD])
LIST = "https://city.example/s/77-"
FORMS = {"vc+jwt": W3cJwt(), "vc+sd-jwt": W3cSdJwt()}


@pytest.fixture(params=FORMS)
def world(request):
    made = World(at=AT, formats=(request.param,), w3c_status="bitstring", policies=[POLICY.source])
    made.issue(CARD)
    made.form = request.param
    return made


def ask(world):
    return world.ask(POLICY, formats=(world.form,))


def codes(result):
    return [reason.code.value for reason in result.reasons]


def status_of(result):
    (one,) = (each for each in result.freshness if each.subject is Subject.STATUS)
    return one


def test_accepted_with_both_lists_looked_at(world):
    result = ask(world)
    assert result, result.reasons
    assert status_of(result).state is FreshnessState.GOOD
    assert {"https://city.example/s/1-revocation", "https://city.example/s/1-suspension"} < set(world.trust.status_uris)


def answered(world):
    """An answer that was given before anything happened, and what it answers."""
    request = world.request(POLICY, formats=(world.form,))
    return world.present(request), request


def test_revoked(world):
    answer, request = answered(world)
    world.revoke(CARD)
    result = world.verify(answer, request)
    assert codes(result) == ["revoked"]
    (reason,) = (
        one for one in world.match(world.request(POLICY, formats=(world.form,))).reasons if one.code == "revoked"
    )
    assert "status list" in reason.detail, "the wallet says so before it shows anything"


def test_suspended_and_reinstated(world):
    (credential_id,) = world.issued[CARD]
    answer, request = answered(world)
    world.issuer.suspend(credential_id, reason="reported lost", at=AT)
    world.refresh_trust()
    assert codes(world.verify(answer, request)) == ["suspended"]
    world.issuer.reinstate(credential_id, reason="found", at=AT)
    world.advance(minutes=1)
    world.refresh_trust()
    assert ask(world)


def test_suspended_then_revoked_is_revoked(world):
    (credential_id,) = world.issued[CARD]
    answer, request = answered(world)
    world.issuer.suspend(credential_id, reason="reported lost", at=AT)
    world.revoke(CARD)
    assert codes(world.verify(answer, request)) == ["revoked"]


def test_stale(world):
    world.stale_status(days=8)
    result = ask(world)
    assert "stale" in codes(result)
    assert status_of(result).state is FreshnessState.STALE


def said(world, *places, holder=None, **changes):
    """The verdict on a certificate of the world's agency that names ``places``, as they are."""
    kind = CATALOG[CARD]
    holder = holder or SoftwareSigner.generate()
    content = Content(
        vct=kind.vct,
        issuer=world.issuer.id,
        claims=kind.issue(kind.sample, variant=None, options={}, issued_on=kind.sample_date),
        issued_at=int(world.at.timestamp()) - 3600,
        expires_at=int(world.at.timestamp()) + 86_400,
        holder_key=holder.public_key,
        status=places if len(places) > 1 else places[0],
    )
    form = FORMS[world.form]
    key = IssuerKey(public_key=world.document_signer.public_key, chain=world.issuer.chain)
    raw = form.issue(content, key, world.document_signer)
    request = world.request(POLICY, formats=(world.form,))
    (query,) = request.query.credentials
    paths = [] if world.form == "vc+jwt" else list(form.open(raw).disclosures)
    shown = form.present(
        form.open(raw),
        paths,
        holder,
        audience=request.client_id,
        nonce=request.nonce,
        issued_at=int(world.at.timestamp()),
    )
    return world.verify(Presentation(tokens={query.id: (Presented(format=world.form, raw=shown),)}, **changes), request)


def listed(world, purpose, *taken, uri=None, **changes):
    """A bundle with one list more, where ``taken`` is set."""
    made = {
        "uri": uri or LIST + purpose,
        "issuer": world.issuer.id,
        "purposes": (purpose,),
        "status_list": StatusList.build(bits=1, size=MIN_ENTRIES, values=dict.fromkeys(taken, 1)),
        "signer": world.document_signer,
        "chain": world.issuer.chain,
        "issued_at": world.at,
        "expires_at": world.at + timedelta(days=30),
        "ttl": None,
    } | changes
    world.trust = world.verifier.trust = world.trust.with_status(build_bitstring_token(**made))


def place(purpose, index=7, uri=None):
    return BitstringReference(uri=uri or LIST + purpose, index=index, purpose=purpose)


BOTH = (place("revocation"), place("suspension"))


def test_several_entries_are_all_looked_up(world):
    listed(world, "revocation")
    listed(world, "suspension")
    assert status_codes(said(world, *BOTH)) == []


def status_codes(result):
    """What the check of the status says; whatever else a made-up certificate may lack."""
    (check,) = (one for one in result.checks if one.name == "status")
    assert check.status is not CheckStatus.SKIPPED
    return [reason.code.value for reason in check.reasons]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("revoked", "suspended", "code"), [((7,), (), "revoked"), ((), (7,), "suspended"), ((7,), (7,), "revoked")]
)
def test_st_one_bad_entry_among_several(world, order, revoked, suspended, code):
    listed(world, "revocation", *revoked)
    listed(world, "suspension", *suspended)
    assert status_codes(said(world, *BOTH[::order])) == [code]


@pytest.mark.parametrize("order", [1, -1])
def test_st_one_list_that_is_not_there(world, order):
    listed(world, "revocation")
    result = said(world, *BOTH[::order])
    assert status_codes(result) == ["status_unknown"]
    assert status_of(result).state is FreshnessState.UNSEEN


def test_st_revoked_counts_though_another_list_is_missing_or_old(world):
    listed(world, "revocation", 7)
    assert status_codes(said(world, *BOTH[::-1])) == ["revoked"]
    listed(world, "suspension")
    world.advance(days=25)
    listed(world, "revocation", 7)
    result = said(world, *BOTH)
    assert status_codes(result) == ["revoked"]
    assert status_of(result).age == timedelta(days=25), "the oldest is told"


def test_st_the_oldest_list_decides_how_fresh_it_is(world):
    listed(world, "suspension")
    world.advance(days=20)
    listed(world, "revocation")
    result = said(world, *BOTH)
    assert status_codes(result) == ["stale"]
    assert status_of(result).state is FreshnessState.STALE


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"purposes": ("suspension",)}, "status_list"),
        ({"ttl": timedelta(minutes=10), "issued_at": AT - timedelta(hours=1)}, "stale"),
        ({"issued_at": AT - timedelta(hours=2), "expires_at": AT - timedelta(hours=1)}, "stale"),
        ({"issued_at": AT + timedelta(hours=1)}, "stale"),
    ],
    ids=["ST-04 another purpose", "ST-05 ttl", "ST-05 validUntil", "ST-05 future"],
)
def test_st_a_list_that_does_not_do(world, changes, code):
    listed(world, "revocation", **changes)
    assert status_codes(said(world, place("revocation"))) == [code]


def test_st_06_an_index_beyond_the_list(world):
    listed(world, "revocation")
    assert status_codes(said(world, place("revocation", index=MIN_ENTRIES))) == ["status_index"]


def test_st_a_status_claim_beside_the_entries_counts_too(world):
    token = build_status_token(
        uri=LIST + "token",
        status_list=StatusList.build(bits=1, size=64, values={3: 1}),
        signer=world.document_signer,
        chain=world.issuer.chain,
        issued_at=world.at,
        expires_at=world.at + timedelta(days=1),
        ttl=None,
        form="cwt",
    )
    listed(world, "revocation")
    world.trust = world.verifier.trust = world.trust.with_status(token)
    claim = StatusReference(uri=LIST + "token", index=3)
    assert status_codes(said(world, claim, place("revocation"))) == ["revoked"]
    assert status_codes(said(world, replace(claim, index=4), place("revocation"))) == []
    assert status_codes(said(world, claim)) == ["revoked"]
    assert status_codes(said(world, place("revocation", uri=LIST + "token"))) == ["status_list"]
