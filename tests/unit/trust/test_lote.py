"""Lists of Trusted Entities: what ours says, that it reads back as what it was made of, and what is refused."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.list_town import OPERATOR, SCHEME, Lists
from tests.trust_town import AT, CITY, CITY_LIST, COURT, DAY, NOW, refusal
from vcred.errors import MalformedError, TrustError
from vcred.formats._jose import sign_jws
from vcred.formats._wire import dump_json
from vcred.keys import SoftwareSigner
from vcred.trust import CertificateProfile, Purpose, Withdrawal, WithdrawalReason
from vcred.trust.bare import BareKey
from vcred.trust.did import did_key
from vcred.trust.lote import GRANTED, SERVICE_TYPES, WITHDRAWN, listed_by, parse_lote, verify_lote

SUPERSEDED, COMPROMISED = WithdrawalReason.SUPERSEDED, WithdrawalReason.COMPROMISED
ISSUANCE, REVOCATION = SERVICE_TYPES["issuer"], SERVICE_TYPES["status"]


@pytest.fixture(scope="module")
def lists() -> Lists:
    return Lists()


@pytest.fixture(scope="module")
def payload(lists) -> dict:
    """What our list says, as JSON; a test changes a copy and signs it again."""
    return json.loads(lists.parsed().jws.payload)


def signed(lists, body, **header) -> bytes:
    chain = [b64encode(lists.certificate).decode()]
    return sign_jws({"typ": "JOSE", "x5c": chain} | header, dump_json(body), lists.key)


def changed(payload, change) -> dict:
    body = json.loads(json.dumps(payload))
    change(body["LoTE"])
    return body


def services(lists, authority, **changes):
    (entity,) = lists.parsed([authority], [], **changes).entities
    return entity.services


def said(service):
    return service.status, service.since, [(each.status, each.since) for each in service.history]


def test_our_own_list_reads_back_as_the_same_authorities_and_readers(lists):
    verified = verify_lote(lists.parsed(), **lists.pins())
    assert listed_by(verified) == (lists.authorities, lists.readers)
    assert verified.signer == lists.key.public_key


def test_another_certificate_profile_comes_back_as_it_was_said(lists):
    others = (replace(lists.authorities[0], profile=CertificateProfile.ISO), *lists.authorities[1:])
    verified = verify_lote(lists.parsed(others), **lists.pins())
    assert listed_by(verified) == (others, lists.readers)


def test_the_scheme_says_who_publishes_it_and_when(lists):
    lote = lists.parsed()
    assert (lote.sequence, lote.issued_at, lote.next_update) == (7, NOW, NOW + 7 * 86400)
    assert dict(lote.operator) == OPERATOR
    assert (lote.territory, dict(lote.names)["ko"]) == ("KR", SCHEME.names.ko)


def test_an_authority_has_a_service_for_each_key_and_purpose(lists):
    found = services(lists, lists.city())
    city = lists.town.city
    assert [(each.type, each.identity.certificates) for each in found] == [
        (ISSUANCE, (city.root,)),
        (REVOCATION, (city.root,)),
        (ISSUANCE, (city.signer,)),
        (REVOCATION, (city.status_signer,)),
    ]
    assert all(each.status == GRANTED and not each.history for each in found)
    assert found[1].supply_points == (CITY_LIST.rpartition("/")[0] + "/",)
    assert found[0].extensions[0]["certificateTypes"] == ["resident.household"]
    assert found[0].extensions[0]["critical"] is False


def test_a_registered_reader_is_an_entity_of_its_own(lists):
    (entity,) = lists.parsed([], lists.readers).entities
    assert entity.services[0].identity.certificates == (lists.town.bank,)
    assert dict(entity.names)["en"] == "Dasom Bank (fictitious)"
    withdrawn = replace(lists.readers[0], withdrawn_at=NOW - 60)
    (entity,) = lists.parsed([], [withdrawn]).entities
    assert entity.services[0].status == WITHDRAWN
    assert entity.services[0].since == NOW - 60


def test_a_superseded_signer_is_withdrawn_and_keeps_its_history(lists):
    kid = lists.authorities[0].kids[0]
    authority = lists.city(withdrawn=(Withdrawal(kid=kid, at=NOW - 86400, reason=SUPERSEDED),))
    root, _, signer, status = services(lists, authority)
    start = int((AT - 300 * DAY).timestamp())
    assert said(signer) == (WITHDRAWN, NOW - 86400, [(GRANTED, start)])
    assert root.status == status.status == GRANTED


def test_a_compromised_signer_was_never_granted(lists):
    kid = lists.authorities[0].kids[0]
    authority = lists.city(withdrawn=(Withdrawal(kid=kid, at=NOW - 60, reason=COMPROMISED),))
    signer = services(lists, authority)[2]
    assert said(signer) == (WITHDRAWN, int((AT - 300 * DAY).timestamp()), [])


def test_a_root_takes_what_is_below_it_along(lists):
    kid = lists.town.city.root_key.public_key.kid
    authority = lists.city(withdrawn=(Withdrawal(kid=kid, at=NOW - 60, reason=COMPROMISED),))
    assert {each.status for each in services(lists, authority)} == {WITHDRAWN}


def test_a_key_that_another_authority_lists_as_compromised_is_withdrawn_everywhere(lists):
    kid = lists.authorities[0].kids[0]
    court = replace(lists.authorities[1], withdrawn=(Withdrawal(kid=kid, at=NOW - 60, reason=COMPROMISED),))
    city = lists.parsed([lists.city(), court]).entities[0]
    assert [each.status for each in city.services] == [GRANTED, GRANTED, WITHDRAWN, GRANTED]


def test_a_withdrawal_that_is_only_announced_changes_nothing_yet(lists):
    authority = lists.city(withdrawn=(Withdrawal(kid=None, at=NOW + 60, reason=SUPERSEDED),))
    assert {each.status for each in services(lists, authority)} == {GRANTED}
    assert listed_by(verify_lote(lists.parsed([authority]), **lists.pins()))[0] == (authority,)


def test_a_withdrawn_key_that_is_not_listed_is_named_by_its_key_id(lists):
    authority = lists.city(
        withdrawn=(
            Withdrawal(kid=b"\1" * 8, at=NOW - 60, reason=COMPROMISED),
            Withdrawal(kid=b"\2" * 8, at=NOW + 60, reason=SUPERSEDED),
        )
    )
    *_, last = services(lists, authority)
    assert last.identity.other_ids == ("urn:vcred:kid:0101010101010101",)
    assert said(last) == (WITHDRAWN, NOW - 60, [])


def test_what_has_not_begun_or_is_over_is_not_granted(lists):
    later = services(lists, lists.city(valid_from=NOW + 86400))
    assert not {each.status for each in later} & {GRANTED, WITHDRAWN, None}
    assert not any(each.in_force(NOW) for each in later)
    over = services(lists, lists.city(valid_until=NOW - 86400))
    assert said(over[0]) == (WITHDRAWN, NOW - 86400, [(GRANTED, int((AT - 400 * DAY).timestamp()))])


def test_a_test_authority_has_services_that_nobody_takes_for_real(lists):
    authority = lists.city(test=True)
    verified = verify_lote(lists.parsed([authority], [replace(lists.readers[0], test=True)]), **lists.pins())
    assert not {each.type for entity in verified.lote.entities for each in entity.services} & {*SERVICE_TYPES.values()}
    assert not any(verified.certificates(kind) for kind in SERVICE_TYPES.values())
    assert listed_by(verified)[0][0].test


def test_certificates_are_those_in_force(lists):
    kid = lists.authorities[0].kids[0]
    authority = lists.city(withdrawn=(Withdrawal(kid=kid, at=NOW - 60, reason=SUPERSEDED),))
    verified = verify_lote(lists.parsed([authority, lists.authorities[1]]), **lists.pins())
    court = lists.town.court
    assert verified.certificates(ISSUANCE) == (lists.town.city.root, court.root, court.signer)


def test_keys_without_a_certificate_are_listed_as_keys(lists):
    plain, edwards = SoftwareSigner.generate(), SoftwareSigner(Ed25519PrivateKey.generate())
    bare = BareKey(key=plain.public_key, did_url=None, valid_from=NOW - 60, valid_until=NOW + 60)
    without = {"anchors": (), "signers": (), "kids": ()}
    did = did_key(edwards.public_key)
    authorities = (
        lists.city(**without, keys=(bare,)),
        replace(lists.authorities[1], id=did, **without),
    )
    verified = verify_lote(lists.parsed(authorities), **lists.pins())
    assert listed_by(verified)[0] == authorities
    (first,), (second,) = (entity.services for entity in verified.lote.entities[:2])
    assert first.identity.keys == (plain.public_key,)
    assert (first.since, first.identity.certificates) == (NOW - 60, ())
    assert second.identity.other_ids[0].startswith(did)
    assert second.extensions[0]["jwk"] == edwards.public_key.to_jwk()


def test_a_list_of_nobody(lists):
    verified = verify_lote(lists.parsed([], []), **lists.pins())
    assert verified.lote.entities == ()
    assert listed_by(verified) == ((), ())


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": 0},
        {"next_update": AT},
        {"chain": []},
        {"issued_at": AT.replace(tzinfo=None)},
        {"scheme": replace(SCHEME, territory="DE")},
        {"scheme": replace(SCHEME, operator=replace(SCHEME.operator, ko="다른 기관", en="Another agency"))},
        {"signer": SoftwareSigner.generate()},
    ],
)
def test_what_a_reader_would_refuse_is_not_made(lists, changes):
    with pytest.raises(ValueError, match=r".+"):
        lists.lote(**changes)


def test_an_authority_that_cannot_be_read_is_not_listed(lists):
    with pytest.raises(TrustError, match="cannot be exported"):
        lists.lote([lists.city(anchors=(b"0\x00",))])


def test_the_list_may_stand_without_its_wrapper(lists, payload):
    bare = parse_lote(signed(lists, payload["LoTE"]))
    assert bare.entities == lists.parsed().entities


def test_the_elements_the_specification_adds_are_no_unknown_extensions(lists, payload):
    def add(lote):
        info = lote["TrustedEntitiesList"][0]["TrustedEntityServices"][0]["ServiceInformation"]
        info["ServiceInformationExtensions"].append({"ServiceUniqueIdentifier": "urn:example:service"})

    found = parse_lote(signed(lists, changed(payload, add))).entities[0].services[0]
    assert found.extensions[1] == {"ServiceUniqueIdentifier": "urn:example:service"}


def identity(lote):
    return lote["TrustedEntitiesList"][0]["TrustedEntityServices"][0]["ServiceInformation"]["ServiceDigitalIdentity"]


def test_a_key_of_a_kind_that_is_not_used_is_left_out(lists, payload):
    rsa = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
    own = lists.key.public_key
    body = changed(payload, lambda lote: identity(lote).update(PublicKeyValues=[rsa, own.to_jwk()]))
    assert parse_lote(signed(lists, body)).entities[0].services[0].identity.keys == (own,)


WRONG = {
    "unknown member": lambda lote: lote.update(More=1),
    "unknown scheme member": lambda lote: lote["ListAndSchemeInformation"].update(More=1),
    "no next update": lambda lote: lote["ListAndSchemeInformation"].pop("NextUpdate"),
    "version": lambda lote: lote["ListAndSchemeInformation"].update(LoTEVersionIdentifier=2),
    "true is no number": lambda lote: lote["ListAndSchemeInformation"].update(LoTESequenceNumber=True),
    "sequence 0": lambda lote: lote["ListAndSchemeInformation"].update(LoTESequenceNumber=0),
    "negative sequence": lambda lote: lote["ListAndSchemeInformation"].update(LoTESequenceNumber=-1),
    "fraction of a second": lambda lote: lote["ListAndSchemeInformation"].update(NextUpdate="2026-11-09T09:00:00.1Z"),
    "another zone": lambda lote: lote["ListAndSchemeInformation"].update(NextUpdate="2026-11-09T09:00:00+09:00"),
    "no such day": lambda lote: lote["ListAndSchemeInformation"].update(NextUpdate="2026-02-30T09:00:00Z"),
    "territory": lambda lote: lote["ListAndSchemeInformation"].update(SchemeTerritory="kr"),
    "type is no URI": lambda lote: lote["ListAndSchemeInformation"].update(LoTEType="list"),
    "no entity": lambda lote: lote.update(TrustedEntitiesList=[]),
    "entity is text": lambda lote: lote.update(TrustedEntitiesList=["it"]),
    "no service": lambda lote: lote["TrustedEntitiesList"][0].update(TrustedEntityServices=[]),
    "no operator": lambda lote: lote["ListAndSchemeInformation"].update(SchemeOperatorName=[]),
    "empty name": lambda lote: lote["ListAndSchemeInformation"].update(SchemeName=[{"lang": "en", "value": ""}]),
    "extension without criticality": lambda lote: lote["ListAndSchemeInformation"].update(SchemeExtensions=[{"a": 1}]),
    "criticality twice": lambda lote: lote["ListAndSchemeInformation"].update(
        SchemeExtensions=[{"critical": False, "Critical": False}]
    ),
    "criticality in words": lambda lote: lote["ListAndSchemeInformation"].update(
        SchemeExtensions=[{"critical": "false"}]
    ),
    "unknown identity": lambda lote: identity(lote).update(Fingerprints=["00"]),
    "certificate is text": lambda lote: identity(lote).update(X509Certificates=["MIIB"]),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_member_that_is_not_as_the_schema_has_it(lists, payload, change):
    with pytest.raises(MalformedError) as caught:
        parse_lote(signed(lists, changed(payload, change)))
    assert caught.value.code.value == "format"


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("X509Certificates", [{"val": "M IB"}], "encoding"),
        ("X509Certificates", [{"val": "MIIB="}], "encoding"),
        ("X509Certificates", [{"val": "AAAA"}], "chain"),
        ("X509Certificates", [{"val": "A" * 40000}], "limit"),
        ("X509Certificates", [{"val": "MIIB"}] * 5000, "limit"),
        ("PublicKeyValues", [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}], "key"),
        ("PublicKeyValues", [{"kty": "oct", "k": "AAAA"}], "key"),
        ("PublicKeyValues", ["key"], "key"),
    ],
)
def test_an_identity_that_cannot_be_read(lists, payload, member, value, code):
    body = changed(payload, lambda lote: identity(lote).update({member: value}))
    with pytest.raises(MalformedError) as caught:
        parse_lote(signed(lists, body))
    assert caught.value.code.value == code


@pytest.mark.parametrize("typ", ["vc+sd-jwt", "statuslist+jwt", 1])
def test_another_kind_of_jws_is_no_list(lists, payload, typ):
    assert refusal(lambda: parse_lote(signed(lists, payload, typ=typ))) == "typ"


def test_a_certificate_trusted_by_its_path_names_operator_and_territory(lists, payload):
    stranger = SoftwareSigner.generate()
    certificate = lists.certify(stranger, name={"ko": "다솜은행 (가상)", "en": "Dasom Bank (fictitious)"})
    chain = [b64encode(certificate).decode()]
    lote = parse_lote(sign_jws({"typ": "JOSE", "x5c": chain}, dump_json(payload), stranger))
    assert refusal(lambda: verify_lote(lote, **lists.pins())) == "issuer"
    other = changed(payload, lambda lote: lote["ListAndSchemeInformation"].update(SchemeTerritory="DE"))
    assert refusal(lambda: verify_lote(parse_lote(signed(lists, other)), **lists.pins())) == "issuer"


def test_a_pinned_key_and_a_pinned_certificate_are_enough(lists):
    lote = lists.parsed()
    for pins in ({"keys": [lists.key.public_key], "anchors": []}, {"anchors": [lists.certificate]}):
        assert verify_lote(lote, **lists.pins(**pins)).signer == lists.key.public_key


def test_a_header_without_a_chain_needs_a_pinned_key(lists, payload):
    own, other = lists.key.public_key, SoftwareSigner.generate().public_key
    named = parse_lote(sign_jws({"typ": "JOSE", "kid": own.kid.hex()}, dump_json(payload), lists.key))
    assert verify_lote(named, **lists.pins(keys=[other, own])).signer == own
    assert refusal(lambda: verify_lote(named, **lists.pins(keys=[other]))) == "untrusted"
    assert refusal(lambda: verify_lote(named, **lists.pins())) == "untrusted"
    nameless = parse_lote(sign_jws({"typ": "JOSE"}, dump_json(payload), lists.key))
    assert verify_lote(nameless, **lists.pins(keys=[own])).signer == own
    assert refusal(lambda: verify_lote(nameless, **lists.pins(keys=[other, own]))) == "untrusted"
    assert refusal(lambda: verify_lote(nameless, **lists.pins(keys=[other]))) == "signature"


def test_the_certificate_that_is_named_is_the_one_that_is_there(lists, payload):
    lote = parse_lote(signed(lists, payload, **{"x5t#S256": "AAAA"}))
    assert refusal(lambda: verify_lote(lote, **lists.pins())) == "key"


def test_a_signer_is_valid_at_the_time(lists):
    expired = lists.certify(lists.key, not_after=AT + DAY)
    lote = lists.parsed(chain=[expired])
    assert verify_lote(lote, **lists.pins()).lote is lote
    late = lists.pins(at=AT + 2 * DAY)
    assert refusal(lambda: verify_lote(lote, **late)) == "untrusted"
    assert refusal(lambda: verify_lote(lote, **late | {"anchors": [expired]})) == "untrusted"


def test_a_list_from_the_future_and_a_closed_one_leave_the_matter_open(lists, payload):
    lote = lists.parsed()
    assert refusal(lambda: verify_lote(lote, **lists.pins(at=AT - timedelta(minutes=6)))) == "clock"
    assert verify_lote(lote, **lists.pins(at=AT - timedelta(minutes=4))).lote is lote
    closed = changed(payload, lambda lote: lote["ListAndSchemeInformation"].update(NextUpdate=None))
    assert refusal(lambda: verify_lote(parse_lote(signed(lists, closed)), **lists.pins())) == "stale"


def test_a_list_of_others_has_no_authorities_of_ours(lists, payload):
    def other(lote):
        lote["ListAndSchemeInformation"].update(LoTEType="http://uri.etsi.org/19602/LoTEType/EUPIDProvidersList")

    verified = verify_lote(parse_lote(signed(lists, changed(payload, other))), **lists.pins())
    assert verified.certificates(ISSUANCE)
    assert refusal(lambda: listed_by(verified)) == "format"


def about(lote):
    return lote["TrustedEntitiesList"][0]["TrustedEntityInformation"]


@pytest.mark.parametrize(
    "change",
    [
        lambda lote: about(lote).pop("TEInformationExtensions"),
        lambda lote: about(lote)["TEInformationExtensions"][0].update(authority=None),
        lambda lote: about(lote)["TEInformationExtensions"][0]["authority"].update(purpose="king"),
        lambda lote: lote["TrustedEntitiesList"][0]["TrustedEntityServices"][2]["ServiceInformation"][
            "ServiceInformationExtensions"
        ][0].update(chain=None),
        lambda lote: lote["TrustedEntitiesList"][2]["TrustedEntityServices"].append(
            lote["TrustedEntitiesList"][0]["TrustedEntityServices"][0]
        ),
    ],
)
def test_a_list_of_ours_with_wrong_facts(lists, payload, change):
    verified = verify_lote(parse_lote(signed(lists, changed(payload, change))), **lists.pins())
    assert refusal(lambda: listed_by(verified)) == "format"


def test_a_status_authority_and_a_readers_root_have_services_of_their_own(lists):
    court = replace(lists.authorities[1], purpose=Purpose.STATUS, types=frozenset())
    assert {each.type for each in services(lists, court)} == {REVOCATION}
    readers = lists.city(
        id="https://readers.example", purpose=Purpose.READER, types=frozenset(), status_uris=(), signers=(), kids=()
    )
    assert [each.type for each in services(lists, readers)] == [SERVICE_TYPES["reader"]]


def test_entities_say_where_they_are_to_be_found(lists):
    entities = lists.parsed().entities
    assert [each.information_uris[0] for each in entities] == [CITY, COURT, SCHEME.information_uri]
