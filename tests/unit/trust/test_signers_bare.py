"""Bare keys and DIDs in a bundle: which credentials and status lists they sign, and which they do not."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.trust_town import AT, CITY, CITY_LIST, CITY_NAME, CITY_TYPE, COURT, DAY, NOW, Town, refusal, resolve
from vcred.credential import Content, StatusReference
from vcred.errors import TrustError
from vcred.formats._jose import parse_jws, sign_jws
from vcred.formats.base import IssuerKey, LabelMap
from vcred.formats.paper import issue_paper, open_paper
from vcred.formats.sd_cwt import SdCwt
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.keys import SoftwareSigner
from vcred.status import StatusList
from vcred.status.token import build_status_token
from vcred.trust import Purpose, Withdrawal, WithdrawalReason
from vcred.trust.bare import BareKey
from vcred.trust.content import dump_authorities, parse_authorities
from vcred.trust.did import did_jwk, did_key

START, END = NOW - 300 * 86400, NOW + 300 * 86400
WEB = "did:web:garam.example:office"
LABELS = LabelMap(labels={"given": (1, None)})
KEY, NEXT, OTHER, HOLDER = (SoftwareSigner.generate() for _ in range(4))


def bare(signer=KEY, **changes):
    usual = {"key": signer.public_key, "did_url": None, "valid_from": START, "valid_until": END}
    return BareKey(**usual | changes)


def no_certificates(**changes):
    return {"anchors": [], "signers": [], "keys": [bare()]} | changes


def document(*signers, did=WEB):
    methods = [
        {"id": f"{did}#key-{n}", "type": "JsonWebKey", "controller": did, "publicKeyJwk": each.public_key.to_jwk()}
        for n, each in enumerate(signers, 1)
    ]
    body = {"id": did, "verificationMethod": methods, "assertionMethod": [each["id"] for each in methods]}
    return json.dumps(body, indent=1).encode()


def web(*signers, **changes):
    return no_certificates(id=WEB, keys=[], did_document=document(*(signers or (KEY,)))) | changes


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


def bundle_of(town, entry, **more):
    return town.bundle(town.builder(city=entry, **more))


def content(issuer, **changes):
    usual = {
        "vct": "urn:example:household",
        "issuer": issuer,
        "claims": {"given": "가람"},
        "issued_at": NOW - 86400,
        "expires_at": NOW + 86400,
        "holder_key": HOLDER.public_key,
    }
    return Content(**usual | changes)


def test_bare_key_is_found_by_its_key_id(town):
    bundle = bundle_of(town, no_certificates())
    found = resolve(bundle, kid=KEY.public_key.kid)
    assert (found.authority.id, found.key, found.test) == (CITY, KEY.public_key, False)
    assert refusal(lambda: resolve(bundle, kid=OTHER.public_key.kid)) == "untrusted"
    assert refusal(lambda: resolve(bundle, issuer=COURT, kid=KEY.public_key.kid)) == "issuer"
    assert refusal(lambda: resolve(bundle, kid=KEY.public_key.kid, code="family.relations")) == "scope"


def test_an_authority_may_have_certificates_and_bare_keys(town):
    bundle = bundle_of(town, {"keys": [bare()]})
    assert resolve(bundle, kid=KEY.public_key.kid).key == KEY.public_key
    assert resolve(bundle, x5c=(town.city.signer,)).key == town.city.key.public_key


@pytest.mark.parametrize("form", [SdJwtVc(), SdCwt(lambda _: LABELS)], ids=lambda form: form.id)
def test_credential_of_a_bare_key_verifies(town, form):
    bundle = bundle_of(town, no_certificates())
    opened = form.open(form.issue(content(CITY), IssuerKey(public_key=KEY.public_key), KEY))
    found = resolve(bundle, issuer=opened.issuer, kid=opened.kid, x5c=opened.x5c, issued_at=opened.issued_at)
    form.verify_signature(opened, found.key)


def named(raw: bytes, kid: str) -> bytes:
    """The SD-JWT in ``raw`` as an issuer signs it who names its key by ``kid``."""
    jwt, _, rest = raw.partition(b"~")
    jws = parse_jws(jwt, path="jwt", typ="dc+sd-jwt")
    return sign_jws({**jws.header, "kid": kid}, jws.payload, KEY) + b"~" + rest


DIDS = {
    "did:key": (did_key(KEY.public_key), "#" + did_key(KEY.public_key).removeprefix("did:key:")),
    "did:jwk": (did_jwk(KEY.public_key), "#0"),
    "did:web": (WEB, "#key-1"),
}


@pytest.mark.parametrize(("did", "fragment"), DIDS.values(), ids=DIDS)
@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
def test_sd_jwt_vc_of_a_did_verifies_by_its_did_url(town, did, fragment, relative):
    entry = web() if did == WEB else no_certificates(id=did, keys=[])
    bundle = bundle_of(town, entry)
    form = SdJwtVc()
    plain = form.issue(content(did), IssuerKey(public_key=KEY.public_key), KEY)
    for raw in (plain, named(plain, fragment if relative else did + fragment)):
        opened = form.open(raw)
        found = resolve(bundle, issuer=opened.issuer, kid=opened.kid, issued_at=opened.issued_at)
        assert (found.authority.id, found.key) == (did, KEY.public_key)
        form.verify_signature(opened, found.key)


def test_did_url_means_one_method_of_one_did(town):
    bundle = bundle_of(town, web(KEY, NEXT))
    assert resolve(bundle, issuer=WEB, kid=b"#key-2").key == NEXT.public_key
    for kid in (b"#key-3", b"#", b"key-1", WEB.encode(), WEB.encode() + b"#KEY-1", WEB.encode() + b"?#key-1", b""):
        assert refusal(lambda kid=kid: resolve(bundle, issuer=WEB, kid=kid)) == "untrusted"
    # A whole DID URL of one DID does not speak for another, and a fragment is looked for under the issuer alone.
    assert refusal(lambda: resolve(bundle, issuer=CITY, kid=WEB.encode() + b"#key-1")) == "issuer"
    assert refusal(lambda: resolve(bundle, issuer=CITY, kid=b"#key-1")) == "untrusted"
    assert refusal(lambda: resolve(bundle, issuer=WEB + ":x", kid=b"#key-1")) == "untrusted"
    assert refusal(lambda: resolve(bundle, issuer=WEB)) == "untrusted"


def test_kid_and_x5c_mean_one_key_also_when_kid_is_a_did_url(town):
    signer = town.city.certify(KEY, uri=WEB)
    bundle = bundle_of(town, web(anchors=[town.city.root]))
    assert resolve(bundle, issuer=WEB, kid=b"#key-1", x5c=(signer,)).key == KEY.public_key
    assert refusal(lambda: resolve(bundle, issuer=WEB, kid=b"#key-2", x5c=(signer,))) == "key"
    assert refusal(lambda: resolve(bundle, issuer=WEB, kid=b"#key-1", x5c=(town.city.signer,))) == "issuer"


def test_did_web_keeps_the_keys_its_document_no_longer_has(town):
    gone = bare(did_url=WEB + "#key-0", valid_until=NOW - 10 * 86400)
    bundle = bundle_of(town, web(NEXT, keys=[gone]))
    assert resolve(bundle, issuer=WEB, kid=b"#key-0", issued_at=NOW - 11 * 86400).key == KEY.public_key
    assert refusal(lambda: resolve(bundle, issuer=WEB, kid=b"#key-0", issued_at=NOW - 9 * 86400)) == "chain"
    assert resolve(bundle, issuer=WEB, kid=b"#key-1", issued_at=NOW - 9 * 86400).key == NEXT.public_key


def test_validity_is_that_of_the_key_and_of_the_entry(town):
    bundle = bundle_of(town, no_certificates())
    kid = KEY.public_key.kid
    for moment in (START, END):
        assert resolve(bundle, kid=kid, issued_at=moment, at=AT + 301 * DAY)
    for moment in (START - 1, END + 1):
        assert refusal(lambda t=moment: resolve(bundle, kid=kid, issued_at=t, at=AT + 301 * DAY)) == "chain"
    assert refusal(lambda: resolve(bundle, kid=kid, issued_at=START, at=AT - 301 * DAY)) == "chain"
    short = bundle_of(town, no_certificates(valid_from=AT - 10 * DAY, valid_until=AT - 5 * DAY))
    assert resolve(short, kid=kid, issued_at=NOW - 7 * 86400)
    for days in (4, 11):
        assert refusal(lambda days=days: resolve(short, kid=kid, issued_at=NOW - days * 86400)) == "chain"


def test_withdrawal_of_a_bare_key_and_of_its_authority(town):
    for kid in (KEY.public_key.kid, None):
        for how, before in ((WithdrawalReason.SUPERSEDED, None), (WithdrawalReason.COMPROMISED, "key_withdrawn")):
            gone = [Withdrawal(kid=kid, at=NOW - 10 * 86400, reason=how)]
            for entry in (no_certificates(), web(), no_certificates(id=did_key(KEY.public_key), keys=[])):
                bundle = bundle_of(town, entry | {"withdrawn": gone})
                usual = {"issuer": entry.get("id", CITY), "kid": KEY.public_key.kid}
                assert refusal(lambda b=bundle, u=usual: resolve(b, **u)) == "key_withdrawn"
                if before is None:
                    assert resolve(bundle, issued_at=NOW - 11 * 86400, **usual)
                else:
                    assert refusal(lambda b=bundle, u=usual: resolve(b, issued_at=NOW - 11 * 86400, **u)) == before


def test_key_that_any_authority_lists_as_compromised_is_nobodys(town):
    denied = [Withdrawal(kid=KEY.public_key.kid, at=NOW, reason=WithdrawalReason.COMPROMISED)]
    bundle = bundle_of(town, no_certificates(), court={"withdrawn": denied})
    assert refusal(lambda: resolve(bundle, kid=KEY.public_key.kid)) == "key_withdrawn"
    replaced = [Withdrawal(kid=KEY.public_key.kid, at=NOW - 5 * 86400, reason=WithdrawalReason.SUPERSEDED)]
    bundle = bundle_of(town, no_certificates(), court={"withdrawn": replaced})
    assert resolve(bundle, kid=KEY.public_key.kid)


def test_test_authority_with_a_bare_key(town):
    builder = town.builder(city=no_certificates(test=True))
    assert refusal(lambda: resolve(town.bundle(builder), kid=KEY.public_key.kid)) == "test_key"
    trial = town.bundle(town.builder(city=no_certificates(test=True), production=False))
    assert resolve(trial, kid=KEY.public_key.kid).test


def test_bare_key_of_a_status_authority_signs_no_credential(town):
    for entry in (no_certificates(), web()):
        bundle = bundle_of(town, entry | {"purpose": Purpose.STATUS, "types": []})
        issuer = entry.get("id", CITY)
        assert refusal(lambda b=bundle, i=issuer: resolve(b, issuer=i, kid=KEY.public_key.kid)) == "chain"


def test_readers_have_no_bare_keys(town):
    with pytest.raises(TrustError, match="readers have certificates"):
        bundle_of(town, no_certificates(purpose=Purpose.READER, types=[]))


def test_a_readers_key_is_never_a_signer(town):
    with pytest.raises(TrustError, match="a reader's key"):
        bundle_of(town, no_certificates(keys=[bare(town.bank_key)]))
    certified = town.city.certify(town.bank_key)
    with pytest.raises(TrustError, match="a reader's key"):
        bundle_of(town, {"signers": [[certified]]})
    # Nor when a root certifies it and the bundle has never heard of that.
    assert refusal(lambda: resolve(town.bundle(), x5c=(certified,))) == "chain"


def test_a_key_listed_for_status_lists_is_not_presented_as_an_issuers(town):
    certified = town.city.certify(town.city.status_key)
    for _ in range(2):
        assert refusal(lambda: resolve(town.bundle(), x5c=(certified,))) == "chain"
    only_status = {"purpose": Purpose.STATUS, "types": [], "keys": [bare()], "anchors": [], "signers": []}
    bundle = town.bundle(town.builder(court=only_status))
    assert refusal(lambda: resolve(bundle, x5c=(town.city.certify(KEY),))) == "chain"


def token(signer=KEY, **changes):
    return build_status_token(
        **{
            "uri": CITY_LIST,
            "status_list": StatusList.build(bits=1, size=64, values={}),
            "signer": signer,
            "issued_at": AT - timedelta(hours=1),
            "expires_at": AT + DAY,
            "ttl": None,
            "form": "cwt",
        }
        | changes
    )


@pytest.mark.parametrize("form", ["cwt", "jwt"])
@pytest.mark.parametrize("purpose", [Purpose.ISSUER, Purpose.STATUS])
def test_status_list_signed_with_a_bare_key(town, form, purpose):
    types = [CITY_TYPE] if purpose is Purpose.ISSUER else []
    for entry in (no_certificates(), web()):
        builder = town.builder(city=entry | {"purpose": purpose, "types": types})
        builder.add_status(token(form=form))
        snapshot = town.bundle(builder).status_list(CITY_LIST)
        assert snapshot is not None
        assert snapshot.verified_by == entry.get("id", CITY)


def test_status_list_whose_bare_key_is_not_the_one(town):
    cases = {
        "a stranger's": (no_certificates(), token(OTHER)),
        "another authority's": (no_certificates(status_uris=["https://elsewhere.example/"]), token()),
        "not valid yet": (no_certificates(keys=[bare(valid_from=NOW)]), token()),
        "expired": (no_certificates(keys=[bare(valid_until=NOW - 86400)]), token()),
        "withdrawn": (
            no_certificates(withdrawn=[Withdrawal(kid=None, at=0, reason=WithdrawalReason.COMPROMISED)]),
            token(),
        ),
    }
    for entry, raw in cases.values():
        builder = town.builder(city=entry)
        builder.add_status(raw)
        bundle = town.bundle(builder)
        assert bundle.status_list(CITY_LIST) is None
        assert bundle.status_problem(CITY_LIST).code.value == "status_signature"


def test_paper_of_a_bare_key_verifies(town):
    bundle = bundle_of(town, no_certificates())
    sheet = content(CITY, holder_key=None, status=StatusReference(uri=CITY_LIST, index=7))
    raw = issue_paper(sheet, IssuerKey(public_key=KEY.public_key), KEY, lambda _: LABELS)
    opened = open_paper(raw, lambda _: LABELS)
    found = resolve(bundle, issuer=opened.issuer, kid=opened.kid, issued_at=opened.issued_at)
    found.key.verify(opened.signature, opened.signing_input)


def test_authorities_json_round_trip(town):
    entries = (
        no_certificates(keys=[bare(), bare(NEXT)]),
        web(NEXT, keys=[bare(did_url=WEB + "#old.1")]),
        no_certificates(id=did_jwk(KEY.public_key), keys=[]),
    )
    for entry in entries:
        raw = town.builder(city=entry).targets(at=AT)["authorities.json"]
        authorities, readers = parse_authorities(raw)
        assert dump_authorities(authorities, readers) == raw
        assert authorities[0].keys == tuple(entry["keys"])
        assert authorities[0].did_document == entry.get("did_document")


def wrong_key(**changes):
    usual = {
        "kid": KEY.public_key.kid.hex(),
        "jwk": KEY.public_key.to_jwk(),
        "did_url": None,
        "valid_from": START,
        "valid_until": END,
    }
    return {"keys": [usual | changes]}


WRONG = {
    "neither anchors nor keys": {"keys": []},
    "keys no list": {"keys": None},
    "key no object": {"keys": ["x"]},
    "key with a member more": wrong_key(use="sig"),
    "kid of another key": wrong_key(kid="00" * 8),
    "kid of another type": wrong_key(kid=5),
    "jwk no object": wrong_key(jwk=[]),
    "private key": wrong_key(jwk=KEY.public_key.to_jwk() | {"d": "AA"}),
    "jwk with more than it needs": wrong_key(jwk=KEY.public_key.to_jwk() | {"kid": "1"}),
    "symmetric key": wrong_key(jwk={"kty": "oct", "k": "AA"}),
    "validity reversed": wrong_key(valid_from=END, valid_until=START),
    "validity as text": wrong_key(valid_from="1"),
    "validity as a boolean": wrong_key(valid_from=True),
    "validity too far": wrong_key(valid_until=10**12),
    "DID URL without a DID": wrong_key(did_url="did:web:garam.example#1"),
    "DID URL no text": wrong_key(did_url=5),
    "document without a DID": {"did_document": document(KEY).decode()},
    "document no text": {"did_document": {}},
    "one key twice": {"keys": wrong_key()["keys"] * 2},
    "did:web without a document": {"id": WEB, "keys": []},
    "did:web with a document of another": {"id": WEB + ":x", "keys": [], "did_document": document(KEY).decode()},
    "did:web with a key without a DID URL": {"id": WEB, "did_document": document(NEXT).decode()},
    "did:web with a key of another DID": {
        "id": WEB,
        "did_document": document(NEXT).decode(),
        **wrong_key(did_url="did:web:garam.example#0"),
    },
    "did:web with one DID URL twice": {
        "id": WEB,
        "did_document": document(NEXT).decode(),
        **wrong_key(did_url=WEB + "#key-1"),
    },
    "did:web with one key twice": {
        "id": WEB,
        "did_document": document(KEY).decode(),
        **wrong_key(did_url=WEB + "#key-0"),
    },
    "did:key with another key": {"id": did_key(OTHER.public_key)},
    "did:key with a document": {"id": did_key(KEY.public_key), "keys": [], "did_document": document(KEY).decode()},
    "did:key with anchors": {"id": did_key(KEY.public_key), "keys": [], "anchors": ["AA"]},
    "another DID method": {"id": "did:example:1", "keys": []},
    "a chain without an anchor": {"signers": [{"kid": "00" * 8, "chain": ["AA"]}]},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_wrong_keys(town, change):
    body = json.loads(town.builder(city=no_certificates()).targets(at=AT)["authorities.json"])
    assert parse_authorities(json.dumps(body).encode())
    body["authorities"][0] |= change
    with pytest.raises(TrustError, match="the bundle is wrong"):
        parse_authorities(json.dumps(body).encode())


@pytest.mark.parametrize("member", ["keys", "did_document"])
def test_every_authority_says_which_keys_it_has(town, member):
    body = json.loads(town.builder().targets(at=AT)["authorities.json"])
    del body["authorities"][0][member]
    with pytest.raises(TrustError, match="members are not exactly"):
        parse_authorities(json.dumps(body).encode())


def test_one_key_of_two_authorities_is_no_bundle(town):
    with pytest.raises(TrustError, match="appears twice"):
        bundle_of(town, no_certificates(keys=[bare(town.court.key)]))
    with pytest.raises(TrustError, match="appears twice"):
        bundle_of(town, no_certificates(), court=no_certificates(id=did_key(KEY.public_key), keys=[]))


def test_a_bundle_with_bare_keys_is_published(town):
    builder = town.builder(city=no_certificates(), court=web(NEXT, name={"ko": "새솔", "en": "Saesol"}))
    assert builder.build(version=1, roots=[town.root], signers=[town.key], at=AT, expires=AT + DAY)


def test_names_are_shown_for_a_did_as_for_anyone(town):
    found = resolve(bundle_of(town, web()), issuer=WEB, kid=b"#key-1")
    assert found.authority.name("ko") == CITY_NAME["ko"]
