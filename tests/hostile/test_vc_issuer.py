"""VC and SC-16: who issued it (threats.md), answered by the trust bundle."""

from __future__ import annotations

import pytest

from tests.trust_town import AT, CITY, CITY_TYPE, COURT, COURT_TYPE, DAY, NOW, Town, refusal, resolve
from vcred.errors import TrustError
from vcred.keys import SoftwareSigner
from vcred.trust import Purpose, TrustBundle, build_root


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


@pytest.fixture(scope="module")
def bundle(town) -> TrustBundle:
    return town.bundle()


def how(agency):
    """Every way in which a credential can say which key it is signed with."""
    return [
        {"kid": agency.key.public_key.kid},
        {"x5c": (agency.signer,)},
        {"kid": agency.key.public_key.kid, "x5c": (agency.signer,)},
    ]


def test_every_way_to_name_a_listed_signer_finds_the_same_key(town, bundle):
    for way in how(town.city):
        found = resolve(bundle, **way)
        assert (found.authority.id, found.key, found.test) == (CITY, town.city.key.public_key, False)
        assert found.authority.name("ko") == "가람시 (가상)"
        assert found.authority.name("en") == "Garam City (fictitious)"


def test_vc_02_issuer_differs_from_the_certificate(town, bundle):
    for way in how(town.city):
        for issuer in (COURT, CITY + "/", CITY.upper(), "", "https://nobody.example"):
            assert refusal(lambda way=way, issuer=issuer: resolve(bundle, issuer=issuer, **way)) == "issuer"


def test_vc_02_root_certifies_a_name_it_does_not_answer_for(town, bundle):
    key = SoftwareSigner.generate()
    stray = town.city.certify(key, uri=COURT)
    for issuer in (COURT, CITY):
        assert refusal(lambda issuer=issuer: resolve(bundle, issuer=issuer, x5c=(stray,), code=COURT_TYPE)) == "issuer"


def test_vc_02_listed_certificate_of_another_name(town):
    stray = town.city.certify(SoftwareSigner.generate(), uri=COURT)
    builder = town.builder(city={"signers": [[stray]]})
    bundle = town.bundle(builder)
    from vcred.trust import read_certificate

    kid = read_certificate(stray, "").key.kid
    for issuer in (CITY, COURT):
        assert refusal(lambda issuer=issuer: resolve(bundle, issuer=issuer, kid=kid)) == "issuer"
    with pytest.raises(ValueError, match="another issuer"):
        builder.build(version=1, roots=[town.root], signers=[town.key], at=AT, expires=AT + DAY)


def test_vc_02_one_root_for_two_issuers_keeps_them_apart(town):
    key = SoftwareSigner.generate()
    theirs = town.city.certify(key, uri=COURT)
    bundle = town.bundle(town.builder(court={"anchors": [town.court.root, town.city.root]}))
    assert resolve(bundle, issuer=COURT, x5c=(theirs,), code=COURT_TYPE).authority.id == COURT
    assert refusal(lambda: resolve(bundle, issuer=CITY, x5c=(theirs,))) == "issuer"


def test_vc_03_issuer_trusted_for_one_type_signs_another(town, bundle):
    for way in how(town.city):
        for code in (COURT_TYPE, CITY_TYPE + "x", "resident", "", "*"):
            assert refusal(lambda way=way, code=code: resolve(bundle, code=code, **way)) == "scope"


def test_vc_04_key_of_one_issuer_used_for_another_with_a_warm_cache(town, bundle):
    for way in how(town.court):
        assert resolve(bundle, issuer=COURT, code=COURT_TYPE, **way).authority.id == COURT
        for code in (CITY_TYPE, COURT_TYPE):
            assert refusal(lambda way=way, code=code: resolve(bundle, issuer=CITY, code=code, **way)) == "issuer"


def test_vc_05_chain_shapes(town, bundle):
    own = SoftwareSigner.generate()
    own_root = build_root(own, name=town.city.name, not_before=AT - DAY, not_after=AT + DAY)
    assert refusal(lambda: resolve(bundle, x5c=(town.city.signer,) * 50)) == "chain"
    assert refusal(lambda: resolve(bundle, x5c=(town.city.signer,) * 5)) == "chain"
    assert refusal(lambda: resolve(bundle, x5c=(town.city.signer, town.city.root))) == "chain"
    assert refusal(lambda: resolve(bundle, x5c=(town.city.root,))) == "chain"
    assert refusal(lambda: resolve(bundle, x5c=(own_root,))) == "chain"
    assert refusal(lambda: resolve(bundle, x5c=(town.city.signer, town.city.signer))) in ("chain", "untrusted")
    assert refusal(lambda: resolve(bundle, x5c=(b"",))) == "chain"
    assert refusal(lambda: resolve(bundle, x5c=(town.city.signer + b"\0",))) == "chain"
    assert refusal(lambda: resolve(bundle, x5c=(town.city.signer[:-1],))) == "chain"


def test_vc_05_no_key_named_at_all(bundle):
    assert refusal(lambda: resolve(bundle)) == "untrusted"


def test_vc_06_unknown_kid_and_unknown_root(town, bundle):
    stranger = Town()
    assert refusal(lambda: resolve(bundle, kid=stranger.city.key.public_key.kid)) == "untrusted"
    assert refusal(lambda: resolve(bundle, kid=b"")) == "untrusted"
    assert refusal(lambda: resolve(bundle, kid=b"\0" * 8)) == "untrusted"
    assert refusal(lambda: resolve(bundle, x5c=(stranger.city.signer,))) == "untrusted"


def test_vc_07_kid_and_x5c_disagree(town, bundle):
    for kid in (town.court.key.public_key.kid, b"12345678", b"", town.city.status_key.public_key.kid):
        assert refusal(lambda kid=kid: resolve(bundle, kid=kid, x5c=(town.city.signer,))) == "key"


def test_vc_signer_of_another_purpose(town, bundle):
    assert refusal(lambda: resolve(bundle, kid=town.city.status_key.public_key.kid)) == "chain"
    assert refusal(lambda: resolve(bundle, x5c=(town.city.status_signer,))) == "chain"
    assert refusal(lambda: resolve(bundle, x5c=(town.bank,))) == "chain"


def test_vc_12_test_authority_under_a_production_bundle(town):
    entry = {"test": True}
    production = town.bundle(town.builder(city=entry, production=True))
    trial = town.bundle(town.builder(city=entry, production=False))
    for way in how(town.city):
        assert refusal(lambda way=way: resolve(production, **way)) == "test_key"
        assert resolve(trial, **way).test


def test_vc_12_status_list_of_a_test_authority_under_a_production_bundle(town):
    for key in (town.city.status_key, town.city.key):
        for production, usable in ((True, False), (False, True)):
            builder = town.builder(city={"test": True}, production=production)
            builder.add_status(town.city.status(key=key))
            bundle = town.bundle(builder)
            assert (bundle.status_list(town.city.list_uri) is not None) is usable
            if not usable:
                assert "test_key" in bundle.status_problem(town.city.list_uri).detail


def test_vc_14_issued_outside_the_validity_of_the_signer(town, bundle):
    first, last = AT - 300 * DAY, AT + 300 * DAY
    for way in how(town.city):
        for moment in (first, last):
            assert resolve(bundle, issued_at=int(moment.timestamp()), at=last, **way)
        for seconds in (int(first.timestamp()) - 1, int(last.timestamp()) + 1, 0, -1, 2**60):
            assert refusal(lambda way=way, t=seconds: resolve(bundle, issued_at=t, at=last + DAY, **way)) == "chain"


def test_vc_14_listed_signer_may_have_expired_since_its_history_is_in_the_bundle(town, bundle):
    late = AT + 1000 * DAY
    assert resolve(bundle, kid=town.city.key.public_key.kid, at=late)
    assert resolve(bundle, x5c=(town.city.signer,), at=late)


def test_vc_14_signer_is_not_used_before_its_time(town, bundle):
    early = AT - 301 * DAY
    kid = town.city.key.public_key.kid
    assert refusal(lambda: resolve(bundle, kid=kid, issued_at=int((AT - 299 * DAY).timestamp()), at=early)) == "chain"


def test_vc_14_authority_outside_its_own_validity(town):
    bundle = town.bundle(town.builder(city={"valid_from": AT - 10 * DAY, "valid_until": AT - 5 * DAY}))
    kid = town.city.key.public_key.kid
    assert resolve(bundle, kid=kid, issued_at=NOW - 7 * 86400)
    for days in (4, 11):
        assert refusal(lambda days=days: resolve(bundle, kid=kid, issued_at=NOW - days * 86400)) == "chain"


def test_sc_16_kid_of_another_issuer_in_the_bundle(town, bundle):
    assert refusal(lambda: resolve(bundle, issuer=CITY, kid=town.court.key.public_key.kid)) == "issuer"


def test_sc_16_bundle_in_which_two_signers_share_a_kid(town):
    key = town.city.key
    twin = town.court.certify(key)
    with pytest.raises(TrustError, match="twice"):
        town.bundle(town.builder(court={"signers": [[twin]]}))


def test_sc_16_kid_that_is_not_that_of_the_certificate(town):
    targets = town.builder().targets(at=AT)
    kid = town.city.key.public_key.kid

    def claim(authority):
        return {"kids": (kid, *authority.kids[1:])} if authority.id == COURT else {}

    raw = town.sign(town.with_kids(targets, claim))
    with pytest.raises(TrustError, match="not that of the certificate"):
        TrustBundle.loads(raw, root=town.root, seen=None)


def test_signers_presented_by_chain_are_kept_within_a_bound(town):
    bundle = town.bundle()
    keys = SoftwareSigner.generate()
    for n in range(300):
        chain = (town.city.certify(keys, end=AT + (n + 1) * DAY),)
        assert resolve(bundle, x5c=chain).key == keys.public_key
    assert len(bundle._signers._presented) == 256


def test_status_only_authority_vouches_for_no_credential(town):
    entry = {"purpose": Purpose.STATUS, "types": []}
    bundle = town.bundle(town.builder(city=entry))
    assert refusal(lambda: resolve(bundle, kid=town.city.key.public_key.kid)) == "chain"
    assert refusal(lambda: resolve(bundle, x5c=(town.city.signer,))) == "untrusted"


def test_a_cached_signer_is_judged_by_the_time_of_each_call(town, bundle):
    kid = town.city.key.public_key.kid
    assert resolve(bundle, kid=kid)
    assert refusal(lambda: resolve(bundle, kid=kid, issued_at=int((AT - 301 * DAY).timestamp()))) == "chain"
    assert resolve(bundle, kid=kid)
