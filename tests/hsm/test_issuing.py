"""An authority whose keys are all in a token: certificates, credentials, trust roots, and a token that goes away."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from issuer import Issuer, IssuerProfile, IssuerStore
from vcred.catalog import Catalog
from vcred.errors import SigningError
from vcred.formats.sd_cwt import SdCwt
from vcred.issuance import Offer, build_request
from vcred.keys import SoftwareSigner, load_signer
from vcred.keys.pkcs11 import Pkcs11Signer
from vcred.testing import SampleRecords
from vcred.trust import Purpose, TrustBundle, build_intermediate, build_reader, build_root, build_signer, verify_chain
from vcred.trust.publish import PackBuilder, RoleKeys, new_root, single_key

AT = datetime(2026, 9, 26, 3, 17, 5, tzinfo=UTC)
DAY = timedelta(days=1)
ID = "https://city.example/issuer"
CODE = "resident.personal"
NAME = {"ko": "가람시 (가상)", "en": "Garam City (fictitious)"}
LIFE = {"not_before": AT - 30 * DAY, "not_after": AT + 7000 * DAY}


class Agency:
    """Root and document signer in ``token``; the registry is the catalogue's sample people."""

    def __init__(self, token, store=None, *, life=LIFE):
        self.catalog = Catalog.builtin()
        self.root_key = Pkcs11Signer.generate(token.uri("root"), alg="ES384", secret=None)
        Pkcs11Signer.generate(token.uri("ds-2026"), alg="ES256", secret=None)
        self.key = load_signer(token.uri("ds-2026"), secret=None)
        self.root = build_root(self.root_key, name=NAME, **LIFE)
        leaf = build_signer(
            self.key.public_key,
            purpose=Purpose.ISSUER,
            id=ID,
            name=NAME,
            issuer=self.root,
            issuer_signer=self.root_key,
            **life,
        )
        self.profile = IssuerProfile(id=ID, signer=self.key, chain=(leaf,), formats=("sd-cwt",), copies=2)
        self.store = store or IssuerStore()
        self.issuer = Issuer(self.profile, records=SampleRecords(self.catalog), catalog=self.catalog, store=self.store)

    def request(self, *, at=AT):
        offer = Offer.parse(self.issuer.offer(CODE, subject="registry-key-17", at=at).to_uri())
        return build_request(offer, [SoftwareSigner.generate() for _ in range(2)], at=at)


def all_in_one_pack(agency, ministry, root):
    builder = PackBuilder(production=True, name={"ko": "시험 목록", "en": "Test list"})
    builder.add_authority(
        id=ID,
        name=NAME,
        purpose=Purpose.ISSUER,
        anchors=[agency.root],
        signers=[list(agency.profile.chain)],
        types=[CODE],
        status_uris=[f"{ID}/status/"],
        valid_from=AT - 30 * DAY,
        valid_until=AT + 7000 * DAY,
        test=False,
    )
    builder.add_reader(certificate=reader(agency), name=NAME, policies=["bank.address-change"], test=False)
    return builder.build(version=1, at=AT, expires=AT + 30 * DAY, roots=[root], signers=[ministry])


def reader(agency):
    return build_reader(
        SoftwareSigner.generate().public_key,
        identifier="desk.dasom.example",
        name=NAME,
        issuer=agency.root,
        issuer_signer=agency.root_key,
        not_before=AT - DAY,
        not_after=AT + 300 * DAY,
    )


def test_an_authority_in_a_token_issues_what_a_bundle_signed_in_a_token_trusts(token):
    agency = Agency(token)
    ministry = Pkcs11Signer.generate(token.uri("ministry"), alg="ES256", secret=None)
    root = new_root(version=1, roles=single_key(ministry.public_key), signers=[ministry], expires=AT + 3650 * DAY)
    bundle = TrustBundle.loads(all_in_one_pack(agency, ministry, root), root=root, seen=None)

    delivery = agency.issuer.issue(agency.request(), at=AT)
    form = SdCwt(agency.catalog.labels)
    for name, raw in delivery.credentials:
        opened = form.open(raw)
        assert name == "sd-cwt"
        key = bundle.resolve_issuer(
            issuer=opened.issuer, kid=opened.kid, x5c=opened.x5c, code=CODE, issued_at=opened.issued_at, at=AT
        ).key
        form.verify_signature(opened, key)
        assert key == agency.key.public_key


def test_a_chain_of_three_from_tokens_is_valid_for_its_purpose(softhsm, token):
    other = softhsm()
    root_key = Pkcs11Signer.generate(token.uri("root"), alg="ES384", secret=None)
    ca_key = Pkcs11Signer.generate(other.uri("ca"), alg="ES256", secret=None)
    root = build_root(root_key, name=NAME, **LIFE)
    ca = build_intermediate(ca_key.public_key, name=NAME, issuer=root, issuer_signer=root_key, **LIFE)
    leaf = build_signer(
        SoftwareSigner.generate().public_key,
        purpose=Purpose.STATUS,
        id=ID,
        name=NAME,
        issuer=ca,
        issuer_signer=ca_key,
        **LIFE,
    )
    verified = verify_chain([leaf, ca], [root], purpose=Purpose.STATUS, at=AT)
    assert verified.kids[1:] == (ca_key.public_key.kid, root_key.public_key.kid)


def test_two_of_three_token_keys_sign_a_trust_root(softhsm):
    keys = [Pkcs11Signer.generate(softhsm().uri("tuf"), alg="ES256", secret=None) for _ in range(3)]
    held = RoleKeys(keys=tuple(key.public_key for key in keys), threshold=2)
    roles = dict.fromkeys(single_key(keys[0].public_key), held)
    assert new_root(version=1, roles=roles, signers=keys[:2], expires=AT + 3650 * DAY)
    with pytest.raises(ValueError):
        new_root(version=1, roles=roles, signers=keys[:1], expires=AT + 3650 * DAY)


def test_op_01_a_token_removed_in_the_middle_of_a_batch_loses_and_doubles_no_index(token, tmp_path):
    with IssuerStore(tmp_path / "issuer.db") as store:
        agency = Agency(token, store)
        requests = [agency.request() for _ in range(20)]
        done, failures = {}, set()
        for number, request in enumerate(requests):
            if number in (5, 12):
                token.away()
            try:
                done[number] = agency.issuer.issue(request, at=AT)
            except SigningError as error:
                failures.add(str(error).partition(": ")[2])
            if number in (8, 13):
                token.back()
        assert failures == {"there is no such token"}
        assert sorted(set(range(20)) - done.keys()) == [5, 6, 7, 8, 12, 13]
        assert len(store.entries()) == 2 * len(done), "a failed issue leaves no index behind"

        resumed = [agency.issuer.issue(request, at=AT) for request in requests]
        assert [resumed[number] for number in done] == list(done.values()), "what was issued is not issued again"
        used = Counter((entry.list, entry.index) for entry in store.entries())
        assert len(used) == 40
        assert set(used.values()) == {1}
        assert Counter(line["event"] for line in store.audit()) == {"offered": 20, "issued": 20}
        form = SdCwt(agency.catalog.labels)
        opened = [form.open(raw) for delivery in resumed for _, raw in delivery.credentials]
        assert {one.status.index for one in opened} == {entry.index for entry in store.entries()}
        for one in opened:
            form.verify_signature(one, agency.key.public_key)


def test_op_02_an_issuer_without_its_token_signs_nothing_at_all(token):
    agency = Agency(token)
    request = agency.request()
    with token.removed():
        with pytest.raises(SigningError, match="no such token"):
            agency.issuer.issue(request, at=AT)
        with pytest.raises(SigningError, match="no such token"):
            agency.issuer.status_tokens(at=AT)
        with pytest.raises(SigningError, match="no such token"):
            build_root(agency.root_key, name=NAME, **LIFE)
        assert not agency.store.entries()
    assert len(agency.issuer.issue(request, at=AT).credentials) == 2
    assert agency.issuer.status_tokens(at=AT)


def test_op_03_a_token_key_whose_certificate_ends_mid_run_stops(token):
    end = AT + 91 * DAY + timedelta(hours=12)
    agency = Agency(token, life=LIFE | {"not_after": end})
    issued = []

    def run():
        for day in range(5):
            at = AT + day * DAY
            issued.append(agency.issuer.issue(agency.request(at=at), at=at))

    with pytest.raises(SigningError, match="ends before"):
        run()
    assert 1 <= len(issued) < 5
    assert len(agency.store.entries()) == 2 * len(issued)
    with pytest.raises(SigningError, match="not valid now"):
        agency.request(at=end + DAY)
