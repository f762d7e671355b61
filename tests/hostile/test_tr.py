"""TR: hostile certificates and trust lists (threats.md)."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.desk import AT as DESK_AT
from tests.desk import Desk, asked, codes
from tests.trust_town import AT, CITY, DAY, NOW, Town, refusal, resolve
from tests.x509_kit import key_usage
from vcred.errors import BundleSignature, RefusedError, TrustError
from vcred.keys import SoftwareSigner
from vcred.reasons import Outcome, ReasonCode
from vcred.trust import (
    Purpose,
    TrustBundle,
    Withdrawal,
    WithdrawalReason,
    build_intermediate,
    build_root,
    read_certificate,
    verify_chain,
    x509_hash,
)
from vcred.trust.profile import MAX_CERTIFICATE_BYTES
from vcred.trust.publish import new_root, single_key
from vcred.trust.x509 import _read

NAME = {"ko": "가람시 (가상)", "en": "Garam City (fictitious)"}
ISSUER_USAGE = (x509.ObjectIdentifier(Purpose.ISSUER.eku),)
CITY_ALONE = (x509.UniformResourceIdentifier(CITY),)
ANY = x509.ObjectIdentifier("2.5.29.37.0")
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


@pytest.fixture(scope="module")
def bundle(town: Town) -> TrustBundle:
    return town.bundle()


def usage(**on):
    return key_usage(*(name for name, has in on.items() if has))


def leaf(  # one parameter per thing a hostile certificate may get wrong
    town,
    *,
    key=None,
    issuer=None,
    issuer_key=None,
    ekus=ISSUER_USAGE,
    names=CITY_ALONE,
    ca=False,
    sign_usage=None,
    start=AT - 10 * DAY,
    end=AT + 10 * DAY,
    extra=(),
    digest=None,
):
    above = x509.load_der_x509_certificate(issuer or town.city.root)
    public = (key or ec.generate_private_key(ec.SECP256R1())).public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hostile CA" if ca else "hostile")]))
        .issuer_name(above.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(sign_usage or usage(digital_signature=True), critical=True)
    )
    if ekus:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(ekus)), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    signing = issuer_key or town.city.root_key.crypto
    return builder.sign(signing, digest or hashes.SHA256()).public_bytes(Encoding.DER)


def code_of(bundle, *chain, issued_at=NOW - 86400, at=AT):
    return refusal(lambda: resolve(bundle, x5c=tuple(chain), issued_at=issued_at, at=at))


def test_a_good_leaf_of_the_same_maker_is_accepted(town, bundle):
    assert resolve(bundle, x5c=(leaf(town),)).authority.id == CITY


def test_tr_01_forged_root_with_the_same_name_and_key_identifier(town, bundle):
    forger = SoftwareSigner.generate()
    real = x509.load_der_x509_certificate(town.city.root)
    identifier = real.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    forged = (
        x509.CertificateBuilder()
        .subject_name(real.subject)
        .issuer_name(real.subject)
        .public_key(forger.public_key.crypto)
        .serial_number(real.serial_number)
        .not_valid_before(real.not_valid_before_utc)
        .not_valid_after(real.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(usage(key_cert_sign=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(forger.crypto, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    signed = leaf(town, issuer=forged, issuer_key=forger.crypto)
    assert code_of(bundle, signed) == "untrusted"
    assert code_of(bundle, signed, forged) == "chain"


def test_tr_02_document_signer_used_as_a_ca(town, bundle):
    below = leaf(town, issuer=town.city.signer, issuer_key=town.city.key.crypto)
    assert code_of(bundle, below, town.city.signer) == "chain"


@pytest.mark.parametrize("ca_usage", [{"digital_signature": True}, {"crl_sign": True}])
def test_tr_02_ca_without_the_right_to_certify(town, bundle, ca_usage):
    key = ec.generate_private_key(ec.SECP256R1())
    middle, other = (
        leaf(town, key=key, ca=True, ekus=(), sign_usage=usage(**one)) for one in (ca_usage, {"key_cert_sign": True})
    )
    assert code_of(bundle, leaf(town, issuer=middle, issuer_key=key), middle) == "chain"
    assert resolve(bundle, x5c=(leaf(town, issuer=other, issuer_key=key), other)), "nothing else is wrong with it"


def test_tr_02_ca_certificate_as_the_leaf(town, bundle):
    assert code_of(bundle, leaf(town, ca=True, sign_usage=usage(key_cert_sign=True))) == "chain"


def test_tr_03_unknown_critical_extension(town, bundle):
    assert code_of(bundle, leaf(town, extra=[(UNKNOWN, True)])) == "chain"


def test_tr_03_unknown_extension_that_is_not_critical_is_allowed(town, bundle):
    assert resolve(bundle, x5c=(leaf(town, extra=[(UNKNOWN, False)]),)).authority.id == CITY


def test_tr_03_unknown_critical_extension_in_a_ca(town, bundle):
    key = ec.generate_private_key(ec.SECP256R1())
    middle = leaf(town, key=key, ca=True, ekus=(), sign_usage=usage(key_cert_sign=True), extra=[(UNKNOWN, True)])
    assert code_of(bundle, leaf(town, issuer=middle, issuer_key=key), middle) == "chain"


@pytest.mark.parametrize(
    ("start", "end"), [(AT - 20 * DAY, AT - 5 * DAY), (AT + DAY, AT + 10 * DAY)], ids=["TR-04 expired", "TR-04 future"]
)
def test_tr_04_document_signer_outside_its_validity(town, bundle, start, end):
    assert code_of(bundle, leaf(town, start=start, end=end)) == "chain"


def test_tr_04_presented_signer_that_has_expired_since(town, bundle):
    old = leaf(town, start=AT - 20 * DAY, end=AT - 5 * DAY)
    assert code_of(bundle, old, issued_at=NOW - 10 * 86400) == "chain"


def test_tr_04_document_signer_that_outlives_its_root_is_not_made(town):
    with pytest.raises(ValueError, match="outlive"):
        town.city.certify(SoftwareSigner.generate(), end=AT + 4000 * DAY)


def test_tr_04_document_signer_that_outlives_its_root_is_not_published(town):
    long_lived = leaf(town, end=AT + 5000 * DAY)
    builder = town.builder(city={"signers": [[long_lived]]})
    with pytest.raises(ValueError, match="outlives a certificate above it"):
        builder.build(version=1, roots=[town.root], signers=[town.key], at=AT, expires=AT + DAY)


def test_tr_04_document_signer_that_outlives_its_root_ends_with_it(town, bundle):
    long_lived = leaf(town, end=AT + 5000 * DAY)
    late = AT + 3500 * DAY
    assert code_of(bundle, long_lived, issued_at=int(late.timestamp()), at=late) == "chain"


@pytest.mark.parametrize(
    "ekus",
    [
        (),
        (x509.ExtendedKeyUsageOID.SERVER_AUTH,),
        (x509.ObjectIdentifier(Purpose.READER.eku),),
        (x509.ObjectIdentifier(Purpose.ISSUER.eku), x509.ExtendedKeyUsageOID.CLIENT_AUTH),
        (ANY,),
        (x509.ObjectIdentifier(Purpose.ISSUER.eku), ANY),
    ],
    ids=["TR-05 missing", "TR-05 web", "TR-05 reader", "TR-05 one more", "TR-05 any", "TR-05 ours and any"],
)
def test_tr_05_extended_key_usage(town, bundle, ekus):
    assert code_of(bundle, leaf(town, ekus=ekus)) == "chain"


@pytest.mark.parametrize(
    "other",
    [
        x509.DNSName("garam.example"),
        x509.RFC822Name("office@garam.example"),
        x509.IPAddress(IPv4Address("192.0.2.7")),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
        x509.UniformResourceIdentifier("https://court.example/issuer"),
    ],
    ids=lambda name: f"TR-05 {type(name).__name__}",
)
def test_tr_05_a_signer_is_named_once(town, bundle, other):
    for names in ((*CITY_ALONE, other), (other, *CITY_ALONE)):
        assert code_of(bundle, leaf(town, names=names)) == "chain"
    assert code_of(bundle, leaf(town, names=(other,))) in ("chain", "issuer")


def test_tr_05_readers_certificate_never_signs_a_credential(town, bundle):
    assert code_of(bundle, town.bank) == "chain"
    # Not under a root that certifies signers either, and not by the same key with a signer's certificate.
    reader = (x509.ObjectIdentifier(Purpose.READER.eku),)
    assert code_of(bundle, leaf(town, ekus=reader)) == "chain"
    assert code_of(bundle, town.city.certify(town.bank_key)) == "chain"
    # And a root of readers certifies no signer.
    theirs = leaf(town, issuer=town.reader_root, issuer_key=town.reader_root_key.crypto)
    builder = town.builder()
    entry = {"id": "https://desks.example/readers", "purpose": Purpose.READER, "anchors": [town.reader_root]}
    builder.add_authority(**town.city.entry(signers=[], types=[], status_uris=[], **entry))
    assert code_of(town.bundle(builder), theirs) == "untrusted"


def test_tr_05_ca_restricted_to_another_purpose(town, bundle):
    key = ec.generate_private_key(ec.SECP256R1())
    other = (x509.ObjectIdentifier(Purpose.READER.eku),)
    middle = leaf(town, key=key, ca=True, ekus=other, sign_usage=usage(key_cert_sign=True))
    assert code_of(bundle, leaf(town, issuer=middle, issuer_key=key), middle) == "chain"


def test_tr_05_key_usage_with_more_than_signing(town, bundle):
    assert code_of(bundle, leaf(town, sign_usage=usage(digital_signature=True, key_agreement=True))) == "chain"


def test_tr_06_300_certificates_are_refused_before_any_is_parsed(town):
    junk = [b"\x30\x82" + bytes([n % 256, n // 256]) for n in range(300)]
    with pytest.raises(RefusedError, match="300 certificates") as caught:
        verify_chain(junk, [town.city.root], purpose=Purpose.ISSUER, at=AT)
    assert caught.value.code is ReasonCode.CHAIN


def looks():
    """How many certificates were looked at so far, parsed or known."""
    counts = _read.cache_info()
    return counts.hits + counts.misses


def same_name(town, count):
    """CAs of one name and one root, each with a key of its own."""
    span = {"not_before": AT - 20 * DAY, "not_after": AT + 20 * DAY}
    keys = [SoftwareSigner.generate() for _ in range(count)]
    above = {"issuer": town.city.root, "issuer_signer": town.city.root_key}
    return keys, [build_intermediate(key.public_key, name=NAME, **above, **span) for key in keys]


def test_tr_06_300_intermediates_of_one_name_are_refused_unread(town, bundle):
    keys, cas = same_name(town, 300)
    end = leaf(town, issuer=cas[0], issuer_key=keys[0].crypto)
    before = looks()
    assert code_of(bundle, end, *cas) == "chain"
    assert refusal(lambda: verify_chain([end, *cas], [town.city.root], purpose=Purpose.ISSUER, at=AT)) == "chain"
    assert looks() == before
    # As many as a chain may have are looked at a few times each, and only the right one in the right place is taken.
    for chain in ((end, cas[1], cas[2], cas[0]), (end, cas[0], cas[1], cas[2]), (end, cas[1])):
        before = looks()
        assert code_of(bundle, *chain) == "chain"
        assert looks() - before <= 3 * len(chain)
    assert resolve(bundle, x5c=(end, cas[0])).authority.id == CITY


def test_tr_06_a_chain_is_compared_with_roots_of_its_own_name_only(town):
    builder = town.builder()
    for number in range(40):
        key = SoftwareSigner.generate()
        name = {"ko": f"{number}호 기관 (가상)", "en": f"Agency {number} (fictitious)"}
        root = build_root(key, name=name, not_before=AT - DAY, not_after=AT + DAY)
        entry = {"id": f"https://agency{number}.example/issuer", "name": name, "anchors": [root], "signers": []}
        builder.add_authority(**town.city.entry(status_uris=[], **entry))
    bundle = town.bundle(builder)
    stranger = leaf(town, issuer_key=ec.generate_private_key(ec.SECP256R1()))
    before = looks()
    assert code_of(bundle, stranger) == "untrusted"
    assert looks() - before <= 4


def test_tr_06_a_spare_intermediate_is_refused(town, bundle):
    key = SoftwareSigner.generate()
    span = {"not_before": AT - DAY, "not_after": AT + DAY}
    spare = build_intermediate(
        key.public_key, name=NAME, issuer=town.city.root, issuer_signer=town.city.root_key, **span
    )
    assert code_of(bundle, town.city.signer, spare) == "chain"


def test_tr_06_intermediates_in_the_wrong_order_are_refused(town):
    anchor_key, first_key, second_key = (SoftwareSigner.generate() for _ in range(3))
    span = {"not_before": AT - 100 * DAY, "not_after": AT + 100 * DAY}
    anchor = build_root(anchor_key, name=NAME, path_length=2, **span)
    first = build_intermediate(
        first_key.public_key,
        name=NAME | {"en": "first"},
        issuer=anchor,
        issuer_signer=anchor_key,
        path_length=1,
        **span,
    )
    second = build_intermediate(
        second_key.public_key, name=NAME | {"en": "second"}, issuer=first, issuer_signer=first_key, **span
    )
    end = leaf(town, issuer=second, issuer_key=second_key.crypto)
    verified = verify_chain([end, second, first], [anchor], purpose=Purpose.ISSUER, at=AT)
    assert len(verified.kids) == 4
    for wrong in ([end, first, second], [end, second, second, first]):
        assert refusal(lambda wrong=wrong: verify_chain(wrong, [anchor], purpose=Purpose.ISSUER, at=AT)) in (
            "chain",
            "untrusted",
        )


def sha1(der: bytes) -> bytes:
    """``der`` with its signature algorithm renamed to ecdsa-with-SHA1, lengths repaired."""
    ours, theirs = bytes.fromhex("300a06082a8648ce3d040302"), bytes.fromhex("300906072a8648ce3d0401")
    body = der[4:]
    size = int.from_bytes(body[2:4], "big") + 4
    inner = body[4:size].replace(ours, theirs, 1)
    rest = body[size:].replace(ours, theirs, 1)
    tbs = b"\x30\x82" + len(inner).to_bytes(2, "big") + inner
    return b"\x30\x82" + (len(tbs) + len(rest)).to_bytes(2, "big") + tbs + rest


WEAK = {
    "TR-07 P-192": lambda: ec.generate_private_key(ec.SECP192R1()),
    "TR-07 P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "TR-07 secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "TR-07 RSA-1024": lambda: rsa.generate_private_key(65537, 1024),
    "TR-07 Ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize("make", WEAK.values(), ids=WEAK)
def test_tr_07_key_of_another_kind(town, bundle, make):
    assert code_of(bundle, leaf(town, key=make())) == "chain"


def test_tr_07_sha_1_and_sha_224(town, bundle):
    weak = sha1(leaf(town))
    assert x509.load_der_x509_certificate(weak).signature_algorithm_oid.dotted_string == "1.2.840.10045.4.1"
    assert code_of(bundle, weak) == "chain"
    assert code_of(bundle, leaf(town, digest=hashes.SHA224())) == "chain"


@pytest.mark.parametrize("make", WEAK.values(), ids=WEAK)
def test_tr_07_ca_of_another_kind(town, bundle, make):
    key = make()
    middle = leaf(town, key=key, ca=True, ekus=(), sign_usage=usage(key_cert_sign=True))
    assert code_of(bundle, town.city.signer, middle) == "chain"


def test_tr_07_anchor_of_another_kind_is_no_bundle(town):
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root")])
    root = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(AT - DAY)
        .not_valid_after(AT + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    with pytest.raises(TrustError, match="chain"):
        town.bundle(town.builder(city={"anchors": [town.city.root, root]}))


def test_tr_08_path_length(town, bundle):
    first, second = SoftwareSigner.generate(), SoftwareSigner.generate()
    span = {"not_before": AT - 20 * DAY, "not_after": AT + 20 * DAY}
    above = build_intermediate(
        first.public_key, name=NAME | {"en": "one"}, issuer=town.city.root, issuer_signer=town.city.root_key, **span
    )
    below = build_intermediate(second.public_key, name=NAME | {"en": "two"}, issuer=above, issuer_signer=first, **span)
    assert resolve(bundle, x5c=(leaf(town, issuer=above, issuer_key=first.crypto), above)).authority.id == CITY
    assert code_of(bundle, leaf(town, issuer=below, issuer_key=second.crypto), below, above) == "chain"


@pytest.mark.parametrize(
    "constraint",
    [
        x509.NameConstraints([x509.DNSName("other.example")], None),
        x509.NameConstraints([x509.UniformResourceIdentifier("other.example")], None),
        x509.NameConstraints(None, [x509.UniformResourceIdentifier("garam.example")]),
    ],
    ids=["TR-08 dns", "TR-08 uri permitted", "TR-08 uri excluded"],
)
def test_tr_08_name_constraints(town, constraint):
    key = ec.generate_private_key(ec.SECP256R1())
    allowed = x509.NameConstraints([x509.DNSName("garam.example")], None)
    middle, other = (
        leaf(town, key=key, ca=True, ekus=(), names=(), sign_usage=usage(key_cert_sign=True), extra=[(one, True)])
        for one in (constraint, allowed)
    )
    reader = (x509.ObjectIdentifier(Purpose.READER.eku),)
    names = (x509.DNSName("garam.example"), x509.UniformResourceIdentifier(CITY))
    chains = [[leaf(town, issuer=ca, issuer_key=key, ekus=reader, names=names), ca] for ca in (middle, other)]
    refused, accepted = (
        lambda chain=chain: verify_chain(chain, [town.city.root], purpose=Purpose.READER, at=AT) for chain in chains
    )
    assert refusal(refused) == "chain"
    assert accepted(), "nothing else is wrong with it"


def test_tr_09_ten_thousand_names(town, bundle):
    names = [x509.DNSName(f"n{n}.example") for n in range(10_000)]
    many = leaf(town, names=names)
    assert len(many) > MAX_CERTIFICATE_BYTES
    assert code_of(bundle, many) == "limit"


def test_tr_09_more_names_than_a_certificate_needs(town, bundle):
    assert code_of(bundle, leaf(town, names=[x509.DNSName(f"n{n}.example") for n in range(17)])) == "limit"


def test_tr_09_one_megabyte_is_refused_unparsed(bundle):
    assert code_of(bundle, b"\x30\x84" + b"\x00" * 1_000_000) == "limit"


def test_tr_10_list_signed_by_a_key_that_only_the_list_introduces(town):
    thief = SoftwareSigner.generate()
    roles = single_key(thief.public_key)
    own_root = new_root(version=1, roles=roles, signers=[thief], expires=AT + 90 * DAY)
    next_root = new_root(version=2, roles=roles, signers=[thief], expires=AT + 90 * DAY)
    targets = town.builder().targets(at=AT)
    for roots in ([own_root], [town.root, next_root]):
        raw = town.sign(targets, roots=roots, signers=[thief])
        with pytest.raises(BundleSignature):
            TrustBundle.loads(raw, root=town.root, seen=None)


def withdrawn(agency, reason, *, days, kid=True):
    key = agency.key.public_key.kid if kid else None
    return [Withdrawal(kid=key, at=NOW - days * 86400, reason=reason)]


@pytest.mark.parametrize("kid", [True, False], ids=["TR-13 key", "TR-13 whole service"])
def test_tr_13_leaked_key_is_refused_at_once_whatever_the_time_of_issue(town, kid):
    before = town.bundle(version=1)
    assert resolve(before, x5c=(town.city.signer,))
    entry = {"withdrawn": withdrawn(town.city, WithdrawalReason.COMPROMISED, days=1, kid=kid)}
    after = town.bundle(town.builder(city=entry), version=2)
    for issued_at in (NOW - 200 * 86400, NOW - 3600):
        for how in ({"x5c": (town.city.signer,)}, {"kid": town.city.key.public_key.kid}):
            assert refusal(lambda how=how, t=issued_at: resolve(after, issued_at=t, **how)) == "key_withdrawn"


def test_tr_13_leaked_root_takes_presented_signers_with_it(town):
    entry = {
        "withdrawn": [Withdrawal(kid=town.city.root_key.public_key.kid, at=NOW, reason=WithdrawalReason.COMPROMISED)]
    }
    assert code_of(town.bundle(town.builder(city=entry)), leaf(town)) == "key_withdrawn"


def test_tr_13_key_that_leaked_elsewhere_is_denied_here_too(town):
    denied = {"withdrawn": withdrawn(town.city, WithdrawalReason.COMPROMISED, days=1)}
    bundle = town.bundle(town.builder(court=denied))
    assert code_of(bundle, town.city.signer) == "key_withdrawn"
    assert code_of(bundle, town.city.certify(town.city.key, end=AT + DAY)) == "key_withdrawn"
    fine = leaf(town)
    assert resolve(bundle, x5c=(fine,)).authority.id == CITY


def test_tr_13_reader_whose_key_leaked_is_refused(town):
    kid = read_certificate(town.bank, "reader").key.kid
    gone = [Withdrawal(kid=kid, at=NOW, reason=WithdrawalReason.COMPROMISED)]
    client_id = "x509_hash:" + x509_hash(town.bank)
    assert town.bundle().resolve_reader(client_id=client_id, x5c=(), at=AT).registered
    bundle = town.bundle(town.builder(city={"withdrawn": gone}))
    for x5c in ((), (town.bank,)):
        found = refusal(lambda x5c=x5c: bundle.resolve_reader(client_id=client_id, x5c=x5c, at=AT))
        assert found == "key_withdrawn"
    again = town.reader(town.bank_key, end=AT + DAY)  # another certificate of the same key
    stranger = "x509_hash:" + x509_hash(again)
    assert refusal(lambda: bundle.resolve_reader(client_id=stranger, x5c=(again,), at=AT)) == "key_withdrawn"


def test_tr_13_warm_verifier_refuses_a_leaked_key_with_the_first_new_bundle():
    desk = Desk()
    verifier = desk.verifier()
    certificate = desk.certificate("resident.personal")

    def verdict():
        request = asked(verifier, "sd-cwt", policy="bank.address-change")
        answer = desk.present(request, {"residence-1": ("sd-cwt", certificate)})
        return verifier.verify(answer, request=request, at=DESK_AT)

    for _ in range(2):
        assert verdict().reasons == ()
    gone = [Withdrawal(kid=desk.key.public_key.kid, at=0, reason=WithdrawalReason.COMPROMISED)]
    verifier.trust = desk.bundle(withdrawn=gone, with_status=False)
    result = verdict()
    assert result.outcome is Outcome.REJECTED
    assert "key_withdrawn" in codes(result)


def test_tr_13_superseded_key_keeps_what_it_signed_before(town):
    entry = {"withdrawn": withdrawn(town.city, WithdrawalReason.SUPERSEDED, days=10)}
    bundle = town.bundle(town.builder(city=entry))
    kid = town.city.key.public_key.kid
    assert resolve(bundle, kid=kid, issued_at=NOW - 20 * 86400).key.kid == kid
    assert refusal(lambda: resolve(bundle, kid=kid, issued_at=NOW - 10 * 86400)) == "key_withdrawn"


def test_tr_16_empty_trust_store(town):
    with pytest.raises(RefusedError) as caught:
        verify_chain([town.city.signer], [], purpose=Purpose.ISSUER, at=AT)
    assert caught.value.code is ReasonCode.UNTRUSTED


def test_tr_16_bundle_without_authorities_trusts_nobody(town):
    from vcred.trust.publish import PackBuilder

    empty = town.bundle(PackBuilder(production=True, name={"ko": "빈 목록", "en": "Empty list"}))
    assert code_of(empty, town.city.signer) == "untrusted"
    assert refusal(lambda: resolve(empty, kid=town.city.key.public_key.kid)) == "untrusted"
    assert refusal(lambda: empty.resolve_reader(client_id="x509_hash:AAAA", x5c=(), at=AT)) == "reader_untrusted"
    assert empty.status_list(town.city.list_uri) is None


def test_tr_time_without_a_zone_is_a_programming_error(town):
    with pytest.raises(ValueError, match="aware"):
        verify_chain([town.city.signer], [town.city.root], purpose=Purpose.ISSUER, at=AT.replace(tzinfo=None))
