"""TR: certificates of another profile than ours, and how little stating one for an authority opens."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.trust_town import AT, CITY, DAY, NOW, Town, refusal
from tests.x509_kit import key_usage
from vcred.errors import TrustError
from vcred.keys import SoftwareSigner
from vcred.trust import CertificateProfile, Purpose, Withdrawal, WithdrawalReason, verify_chain, x509_hash
from vcred.trust.content import dump_authorities, parse_authorities
from vcred.trust.lint import lint_authorities

ISO, HAIP = CertificateProfile.ISO, CertificateProfile.HAIP
ABROAD = "https://issuer.abroad.example/pid"
HOST = "issuer.abroad.example"
NAME = {"ko": "외국 발급기관 (가상)", "en": "Issuer Abroad (fictitious)"}
DS, READER = "1.0.18013.5.1.2", "1.0.18013.5.1.6"
TLS, TIME_STAMPS = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.8"
ALTERNATIVE = x509.IssuerAlternativeName([x509.UniformResourceIdentifier("https://abroad.example")])
VECTORS = Path(os.environ.get("VCRED_VECTORS", Path(__file__).parents[3] / "shared" / "vectors"))


class Authority:
    """Somebody else's CA, and the certificates that it makes."""

    def __init__(self, country: str = "NL") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = self.subject("their root", country)
        self.root = self.certify(self.key, subject=self.name, ca=True)

    @staticmethod
    def subject(name: str, country: str = "NL") -> x509.Name:
        parts = [(x509.NameOID.COUNTRY_NAME, country), (x509.NameOID.COMMON_NAME, name)]
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])

    def certify(self, key=None, *, subject=None, ekus=(), uris=(), hosts=(), ca=False, uses=None, above=None, **more):
        """A certificate (DER); ``above`` is the subject and key of a CA below the root."""
        issuer, signing = above or (self.name, self.key)
        key = key or ec.generate_private_key(ec.SECP256R1())
        uses = uses or (("key_cert_sign", "crl_sign") if ca else ("digital_signature",))
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject or self.subject("their signer", more.get("country", "NL")))
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(more.get("start", AT - 100 * DAY))
            .not_valid_after(more.get("end", AT + 100 * DAY))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(key_usage(*uses), critical=True)
        )
        names = [*map(x509.UniformResourceIdentifier, uris), *map(x509.DNSName, hosts)]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if ekus:
            builder = builder.add_extension(x509.ExtendedKeyUsage([*map(x509.ObjectIdentifier, ekus)]), critical=True)
        for extension in more.get("extra", ()):
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(signing, hashes.SHA256()).public_bytes(Encoding.DER)

    def document_signer(self, **changes) -> bytes:
        return self.certify(**{"ekus": (DS,), "extra": (ALTERNATIVE,)} | changes)


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


@pytest.fixture(scope="module")
def abroad() -> Authority:
    return Authority()


def entry(abroad, **changes):
    return {
        "id": ABROAD,
        "name": NAME,
        "purpose": Purpose.ISSUER,
        "anchors": [abroad.root],
        "signers": [],
        "types": ["test.pid"],
        "status_uris": ["https://issuer.abroad.example/status/"],
        "valid_from": AT - 100 * DAY,
        "valid_until": AT + 100 * DAY,
        "test": False,
        "profile": HAIP,
    } | changes


def bundle_of(town, *entries, **changes):
    builder = town.builder(**changes)
    for one in entries:
        builder.add_authority(**one)
    return town.bundle(builder)


def resolve(bundle, *chain, **changes):
    usual = {"issuer": ABROAD, "kid": None, "x5c": chain, "code": "test.pid", "issued_at": NOW - 86400, "at": AT}
    return bundle.resolve_issuer(**usual | changes)


def code_of(bundle, *chain, **changes):
    return refusal(lambda: resolve(bundle, *chain, **changes))


def test_a_haip_issuer_verifies_by_its_root_and_signs_its_types_only(town, abroad):
    bundle = bundle_of(town, entry(abroad))
    leaf = abroad.certify(hosts=(HOST,))
    found = resolve(bundle, leaf)
    assert (found.authority.id, found.authority.profile) == (ABROAD, HAIP)
    assert code_of(bundle, leaf, code="resident.household") == "scope"
    assert code_of(bundle, leaf, at=AT + 101 * DAY) == "chain"
    assert code_of(bundle, leaf, issued_at=NOW - 101 * 86400) == "chain"


def test_tr_05_without_a_stated_profile_nothing_of_it_is_accepted(town, abroad):
    bundle = bundle_of(
        town, entry(abroad, profile=CertificateProfile.VCRED), entry(Authority(), id="https://b.example")
    )
    for leaf in (abroad.certify(uris=(ABROAD,)), abroad.document_signer(uris=(ABROAD,)), abroad.certify(hosts=(HOST,))):
        assert code_of(bundle, leaf) == "chain", "our profile asks for our extended key usage"


def test_tr_05_one_authority_s_profile_is_nobody_else_s(town, abroad):
    bundle = bundle_of(town, entry(abroad))
    city = town.city
    above = (x509.load_der_x509_certificate(city.root).subject, city.root_key.crypto)
    for changes in ({"ekus": (DS,), "extra": (ALTERNATIVE,)}, {"ekus": ()}):
        foreign = abroad.certify(above=above, uris=(CITY,), **changes)
        assert code_of(bundle, foreign, issuer=CITY, code="resident.household") == "chain"
    assert code_of(bundle, abroad.certify(uris=(CITY,)), issuer=CITY, code="resident.household") == "issuer"
    assert code_of(bundle, abroad.certify(uris=(CITY,)), issuer=CITY) == "issuer", "nobody is called what another is"
    assert code_of(bundle, abroad.certify(hosts=("garam.example",)), issuer=CITY) == "issuer"


@pytest.mark.parametrize(
    "changes",
    [
        {"ekus": (Purpose.READER.eku,)},
        {"ekus": (Purpose.STATUS.eku,)},
        {"ekus": (READER,)},
        {"ekus": (TLS,)},
        {"ekus": (DS, TIME_STAMPS)},
        {"ekus": ("2.5.29.37.0",)},
        {"uses": ("key_agreement",)},
        {"uses": ("digital_signature", "key_cert_sign")},
        {"ca": True},
        {"end": AT - DAY},
    ],
)
def test_tr_05_what_is_for_something_else_signs_no_credential_under_haip(town, abroad, changes):
    assert code_of(bundle_of(town, entry(abroad)), abroad.certify(**changes)) == "chain"


def test_the_path_is_checked_as_ever(town, abroad):
    bundle = bundle_of(town, entry(abroad))
    key, middle_name = ec.generate_private_key(ec.SECP256R1()), abroad.subject("their CA")
    leaf = abroad.certify(above=(middle_name, key))
    good = abroad.certify(key, subject=middle_name, ca=True)
    assert resolve(bundle, leaf, good).authority.id == ABROAD
    assert code_of(bundle, abroad.certify(hosts=(HOST,)), abroad.root) == "chain", "the root stays out of x5c"
    assert code_of(bundle, abroad.certify(abroad.key, subject=abroad.name)) == "chain", "a self-signed leaf"
    no_ca = abroad.certify(key, subject=middle_name)
    assert code_of(bundle, leaf, no_ca) == "chain"
    restricted = abroad.certify(key, subject=middle_name, ca=True, ekus=(DS,))
    assert code_of(bundle, leaf, restricted) == "chain"
    assert resolve(bundle, abroad.certify(above=(middle_name, key), ekus=(DS,)), restricted)
    assert code_of(bundle, Authority().certify(hosts=(HOST,))) == "untrusted"


def test_a_credential_names_the_authority_nobody_or_whom_its_certificate_names(town, abroad):
    bundle = bundle_of(town, entry(abroad))
    leaf = abroad.certify(hosts=("other.abroad.example",), uris=("https://third.abroad.example/x",))
    for issuer in (ABROAD, "", "https://other.abroad.example/any", "https://third.abroad.example/x"):
        assert resolve(bundle, leaf, issuer=issuer).authority.id == ABROAD
    for issuer in (
        "http://other.abroad.example",
        "https://abroad.example",
        "https://third.abroad.example/y",
        "urn:x:y",
    ):
        assert code_of(bundle, leaf, issuer=issuer) == "issuer"
    assert code_of(bundle, abroad.certify(hosts=("*.abroad.example",)), issuer="https://a.abroad.example") == "issuer"


def test_of_several_owners_of_a_root_the_certificate_names_one(town, abroad):
    other = "https://other.abroad.example"
    bundle = bundle_of(town, entry(abroad), entry(abroad, id=other, name={"ko": "다른", "en": "Other"}, status_uris=[]))
    leaf = abroad.certify(hosts=("other.abroad.example",))
    assert resolve(bundle, leaf, issuer=other).authority.id == other
    assert code_of(bundle, leaf) == "issuer"
    for unnamed in (abroad.certify(), abroad.certify(hosts=(HOST, "other.abroad.example"))):
        assert code_of(bundle, unnamed) == "issuer"


def test_iso_document_signers(town, abroad):
    bundle = bundle_of(town, entry(abroad, profile=ISO))
    assert resolve(bundle, abroad.document_signer(), issuer="").authority.id == ABROAD
    key, middle_name = ec.generate_private_key(ec.SECP256R1()), abroad.subject("their CA")
    middle = abroad.certify(key, subject=middle_name, ca=True)
    refused = [
        (abroad.document_signer(ekus=()),),
        (abroad.document_signer(ekus=(READER,)),),
        (abroad.document_signer(ekus=(Purpose.ISSUER.eku,)),),
        (abroad.document_signer(ekus=(DS, TLS)),),
        (abroad.document_signer(extra=()),),
        (abroad.document_signer(country="BE"),),
        (abroad.document_signer(uses=("digital_signature", "key_agreement")),),
        (abroad.document_signer(above=(middle_name, key)), middle),
    ]
    for chain in refused:
        assert code_of(bundle, *chain, issuer="") == "chain"


def test_tr_05_a_document_signer_of_an_mdl_is_none_under_our_profile(town, abroad):
    bundle = bundle_of(town, entry(abroad, profile=CertificateProfile.VCRED))
    assert code_of(bundle, abroad.document_signer(uris=(ABROAD,))) == "chain"


def test_withdrawals_reach_certificates_of_other_profiles(town, abroad):
    leaf = abroad.certify(hosts=(HOST,))
    kid = resolve(bundle_of(town, entry(abroad)), leaf).key.kid
    for gone in (kid, None):
        withdrawn = [Withdrawal(kid=gone, at=NOW, reason=WithdrawalReason.COMPROMISED)]
        assert code_of(bundle_of(town, entry(abroad, withdrawn=withdrawn)), leaf) == "key_withdrawn"


def test_a_test_authority_stays_one(town, abroad):
    assert code_of(bundle_of(town, entry(abroad, test=True)), abroad.certify()) == "test_key"


def test_a_root_has_one_profile_and_readers_their_own(town, abroad):
    shared = {
        "profile": entry(abroad, id="https://b.example", profile=ISO),
        "ours": entry(abroad, id="https://b.example", profile=CertificateProfile.VCRED),
        "readers": entry(abroad, id="https://b.example", purpose=Purpose.READER, types=[], status_uris=[]),
    }
    for other in shared.values():
        with pytest.raises(TrustError, match="another profile or use"):
            bundle_of(town, entry(abroad), other)
    again = abroad.certify(abroad.key, subject=abroad.name, ca=True)
    with pytest.raises(TrustError, match="another profile or use"):
        bundle_of(town, entry(abroad), entry(abroad, id="https://b.example", anchors=[again], profile=ISO))


def test_a_reader_of_another_profile_is_shown_by_who_verified_it(town, abroad):
    for profile, ekus in ((HAIP, ()), (HAIP, (TLS,)), (ISO, (READER,))):
        readers = entry(abroad, purpose=Purpose.READER, types=[], status_uris=[], profile=profile)
        bundle = bundle_of(town, readers)
        bank = x509.Name(
            [*abroad.subject("Dasom Bank"), x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "다솜은행")]
        )
        leaf = abroad.certify(subject=bank, hosts=("bank.example",), ekus=ekus)
        for client in ("x509_hash:" + x509_hash(leaf), "x509_san_dns:bank.example"):
            found = bundle.resolve_reader(client_id=client, x5c=(leaf,), at=AT)
            assert not found.registered
            assert not found.policies
            assert found.name("en") == "Requester verified by Issuer Abroad (fictitious)"
            assert "다솜" not in found.name("ko")


def test_a_reader_needs_the_root_the_purpose_and_its_time(town, abroad):
    readers = entry(abroad, purpose=Purpose.READER, types=[], status_uris=[], profile=ISO)
    bundle = bundle_of(town, readers)

    def asking(leaf, *above, at=AT):
        client = "x509_hash:" + x509_hash(leaf)
        return refusal(lambda: bundle.resolve_reader(client_id=client, x5c=(leaf, *above), at=at))

    assert asking(abroad.certify(ekus=(DS,), hosts=("bank.example",))) == "chain"
    assert asking(abroad.certify(hosts=("bank.example",))) == "chain"
    good = abroad.certify(ekus=(READER,))
    assert asking(good, at=AT + 101 * DAY) == "chain"
    assert asking(good, abroad.root) == "chain"
    assert asking(Authority().certify(ekus=(READER,), hosts=("bank.example",))) == "chain", (
        "a stranger is of our profile"
    )
    assert code_of(bundle, good, issuer="") == "chain", "a root of readers certifies no issuer"


def test_an_entry_has_one_form_and_old_lists_read_as_ever(town, abroad):
    authorities, readers = parse_authorities(town.builder().targets(at=AT)["authorities.json"])
    raw = dump_authorities(authorities, readers)
    assert b'"profile"' not in raw
    assert {each.profile for each in authorities} == {CertificateProfile.VCRED}
    body = json.loads(raw)
    for wrong in ("vcred", "", "any", None, 1, ["haip"]):
        body["authorities"][0]["profile"] = wrong
        with pytest.raises(TrustError, match="profile"):
            parse_authorities(json.dumps(body).encode())
    body["authorities"][0]["profile"] = "haip"
    again, _ = parse_authorities(json.dumps(body).encode())
    assert again[0].profile is HAIP
    assert parse_authorities(dump_authorities(again, readers))[0] == again


def test_listed_signers_of_another_profile(town, abroad):
    leaf = abroad.certify()
    listed = entry(abroad, signers=[[leaf]])
    bundle = bundle_of(town, listed)
    kid = bundle.authorities[-1].kids[0]
    assert resolve(bundle, kid=kid, x5c=()).authority.id == ABROAD
    assert not lint_authorities([bundle.authorities[-1]], production=True, types=None)
    assert code_of(bundle_of(town, entry(abroad, signers=[[leaf]], profile=ISO)), kid=kid, x5c=()) == "chain"


def test_a_published_certificate_of_an_iso_issuer(town):
    vector = VECTORS / "mdoc" / "real_world" / "animo_paradym_openid4vp_1_0.json"
    if not vector.exists():
        pytest.skip(f"the published mdocs are not at {vector}")
    facts = json.loads(vector.read_text())
    signer, root = (
        x509.load_pem_x509_certificate(text.encode()).public_bytes(Encoding.DER) for text in facts["certificates_pem"]
    )
    at = datetime.fromisoformat(facts["validation_time"])
    assert verify_chain([signer], [root], purpose=Purpose.ISSUER, at=at, profile=ISO).anchor == root
    assert refusal(lambda: verify_chain([signer], [root], purpose=Purpose.READER, at=at, profile=ISO)) == "chain"
    assert refusal(lambda: verify_chain([signer], [root], purpose=Purpose.ISSUER, at=at)) == "chain"


def test_the_document_signer_of_a_foreign_issuer_signs_its_status_lists(town, abroad):
    uri, key = "https://issuer.abroad.example/status/1", SoftwareSigner.generate()
    builder = town.builder()
    builder.add_authority(**entry(abroad))
    leaf = abroad.certify(key.crypto, hosts=(HOST,))
    for form in ("jwt", "cwt"):
        made = town.city.status(uri=uri, key=key, form=form, chain=(leaf,))
        bundle = town.bundle(builder).with_status(made)
        assert bundle.status_list(uri) is not None
        assert resolve(bundle, leaf), "and its credentials, with the same certificate"
    elsewhere = town.city.status(key=key, chain=(leaf,))
    assert refusal(lambda: town.bundle(builder).with_status(elsewhere)) == "status_signature"
    stranger = SoftwareSigner.generate()
    other = town.city.status(uri=uri, key=stranger, chain=(Authority().certify(stranger.crypto),))
    assert refusal(lambda: town.bundle(builder).with_status(other)) == "status_signature"
