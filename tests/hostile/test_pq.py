"""PQ: post-quantum and hybrid signatures that are stripped, mixed, in the wrong place or of the wrong key."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.test_never_accepted import Recording
from vcred.credential import Content, StatusReference
from vcred.errors import MalformedError, RefusedError, TrustError
from vcred.formats._cbor import bstr, encode
from vcred.formats._cose import ALG, COSE_ALG, KID, TYP, assemble, parse_sign1
from vcred.formats._jose import parse_proof, prepare_segment, sign_jws
from vcred.formats._kb_cwt import prepare_key_binding
from vcred.formats._kb_jwt import parse_key_binding
from vcred.formats._wire import b64u_bytes, dump_json
from vcred.formats.base import IssuerKey
from vcred.formats.detect import detect
from vcred.formats.known import FORMATS, Formats
from vcred.formats.paper import issue_paper, open_paper, verify_paper
from vcred.issuance import PROOF_TYP
from vcred.keys import PublicKey, SoftwareSigner
from vcred.keys import post_quantum as pq
from vcred.keys.post_quantum import POST_QUANTUM
from vcred.presentation import PresentationRequest, Presented
from vcred.reasons import Outcome, ReasonCode
from vcred.receipt import Receipt
from vcred.status import StatusList, parse_status_token
from vcred.status.token import build_status_token
from vcred.testing import World
from vcred.testing.world import AGENCY, ISSUER_ID, STATUS_URI
from vcred.trust import Purpose, TrustBundle
from vcred.trust.bare import BareKey
from vcred.trust.publish import PackBuilder
from vcred.trust.x509 import read_certificate
from verifier import Verifier

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
NOW = int(AT.timestamp())
WORLD = World(at=AT)
CATALOG = WORLD.catalog
KIND = CATALOG["resident.personal"]
HOLDER = SoftwareSigner.generate()
SIGNERS = {alg: SoftwareSigner.generate(alg) for alg in ("ES256", *POST_QUANTUM)}
HYBRIDS = ("ML-DSA-44-ES256", "ML-DSA-65-ES256")
SIZES = {"ML-DSA-44": 2420, "ML-DSA-65": 3309}
forms = Formats(CATALOG)


def content(**changes):
    usual = {
        "vct": KIND.vct,
        "issuer": ISSUER_ID,
        "claims": KIND.issue(KIND.sample, variant=None, options={}, issued_on=KIND.sample_date),
        "issued_at": NOW - 3600,
        "expires_at": NOW + 86400,
        "holder_key": HOLDER.public_key,
        "status": StatusReference(uri=f"{STATUS_URI}0", index=1),
    }
    return Content(**usual | changes)


@cache
def issued(form, alg="ML-DSA-44-ES256", number=0):
    signer = SIGNERS[alg]
    return forms[form].issue(content(), IssuerKey(public_key=signer.public_key), signer)


def entry(key, **changes):
    usual = {"key": key, "did_url": None, "valid_from": NOW - 86400, "valid_until": NOW + 300 * 86400}
    return BareKey(**usual | changes)


def bundle(keys, *, purpose=Purpose.ISSUER, anchors=(), signers=()):
    pack = PackBuilder(production=False, name=AGENCY)
    pack.add_authority(
        id=ISSUER_ID,
        name=AGENCY,
        purpose=purpose,
        anchors=list(anchors),
        signers=list(signers),
        keys=list(keys),
        types=list(CATALOG) if purpose is Purpose.ISSUER else [],
        status_uris=[STATUS_URI] if anchors else [],
        valid_from=AT - timedelta(days=1),
        valid_until=AT + timedelta(days=300),
        test=True,
    )
    pack.add_types(CATALOG.texts())
    raw = pack.build(version=1, roots=[WORLD.root_file], signers=[WORLD._tuf], at=AT, expires=AT + timedelta(days=30))
    return TrustBundle.loads(raw, root=WORLD.root_file, seen=None)


@cache
def trust():
    return bundle([entry(SIGNERS[alg].public_key) for alg in POST_QUANTUM])


def verify(form, raw, trusted=None):
    """As a verifier does it: open, ask the bundle whose key that is, check the signature."""
    opened = forms[form].open(raw)
    found = (trusted or trust()).resolve_issuer(
        issuer=opened.issuer, kid=opened.kid, x5c=opened.x5c, code=KIND.code, issued_at=opened.issued_at, at=AT
    )
    forms[form].verify_signature(opened, found.key)
    return opened


def refused(call):
    with pytest.raises(RefusedError) as error:
        call()
    return error.value.code


def signed_with(form, raw, make):
    """``raw`` with ``make(signature)`` in the place of the issuer's signature."""
    signature = forms[form].open(raw).signature
    other = make(signature)
    if form in ("sd-cwt", "mso_mdoc"):
        assert raw.count(bstr(signature)) == 1
        return raw.replace(bstr(signature), bstr(other))
    assert raw.count(b64u_bytes(signature)) == 1
    return raw.replace(b64u_bytes(signature), b64u_bytes(other))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("alg", list(POST_QUANTUM))
def test_pq_00_what_is_genuine_verifies(form, alg):
    assert verify(form, issued(form, alg)).alg == alg
    assert detect(issued(form, alg)) == form


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("alg", HYBRIDS)
def test_pq_01_a_half_is_no_signature(form, alg):
    size = SIZES[alg.removesuffix("-ES256")]
    halves = {
        "ML-DSA alone": lambda whole: whole[:size],
        "ECDSA alone": lambda whole: whole[size:],
        "ECDSA first": lambda whole: whole[size:] + whole[:size],
        "ECDSA twice": lambda whole: whole + whole[size:],
        "nothing": lambda whole: b"",
        "ML-DSA of zeros": lambda whole: bytes(size) + whole[size:],
        "ECDSA of zeros": lambda whole: whole[:size] + bytes.fromhex("3006020100020100"),
    }
    for name, half in halves.items():
        code = refused(lambda: verify(form, signed_with(form, issued(form, alg), half)))  # noqa: B023 - called at once
        assert code is ReasonCode.SIGNATURE, name


@pytest.mark.parametrize("form", FORMATS)
def test_pq_02_halves_of_two_credentials(form):
    signer = SIGNERS["ML-DSA-44-ES256"]
    later = content(expires_at=NOW + 90000)
    one, other = issued(form), forms[form].issue(later, IssuerKey(public_key=signer.public_key), signer)
    first, second = forms[form].open(one).signature, forms[form].open(other).signature
    for mixed in (first[:2420] + second[2420:], second[:2420] + first[2420:]):
        assert refused(lambda: verify(form, signed_with(form, one, lambda _: mixed))) is ReasonCode.SIGNATURE  # noqa: B023


@pytest.mark.parametrize("alg", list(POST_QUANTUM))
def test_pq_03_an_akp_key_is_no_holder_key(alg):
    jwk, cose = SIGNERS[alg].public_key.to_jwk(), SIGNERS[alg].public_key.to_cose()
    for read in (lambda: PublicKey.from_jwk(jwk), lambda: PublicKey.from_cose(cose)):
        assert refused(read) is ReasonCode.KEY
    with pytest.raises(MalformedError) as error:
        PublicKey.from_spki(SIGNERS[alg].public_key.spki)
    assert error.value.code is ReasonCode.KEY
    for form in FORMATS:
        raw = forms[form].issue(
            content(holder_key=SIGNERS[alg].public_key),
            IssuerKey(public_key=SIGNERS["ML-DSA-44-ES256"].public_key),
            SIGNERS["ML-DSA-44-ES256"],
        )
        assert refused(lambda: forms[form].open(raw)) in (ReasonCode.KEY, ReasonCode.CNF), form  # noqa: B023


def jws(header, payload, signer):
    prepared = prepare_segment(b64u_bytes(dump_json(header)), dump_json(payload))
    return prepared.complete(signer.sign(prepared.signing_input))


@pytest.mark.parametrize("alg", list(POST_QUANTUM))
def test_pq_04_nobody_but_issuers_signs_with_it(alg):
    signer = SIGNERS[alg]
    header = {"alg": alg, "jwk": signer.public_key.to_jwk()}
    proof = jws(header | {"typ": PROOF_TYP}, {"aud": ISSUER_ID}, signer)
    assert refused(lambda: parse_proof(proof, path="proof", typ=PROOF_TYP)) is ReasonCode.ALG
    proof = jws({"alg": "ES256", "jwk": signer.public_key.to_jwk(), "typ": PROOF_TYP}, {"aud": ISSUER_ID}, signer)
    assert refused(lambda: parse_proof(proof, path="proof", typ=PROOF_TYP)) is ReasonCode.KEY
    kb = jws({"alg": alg, "typ": "kb+jwt"}, {"aud": "a", "nonce": "n", "iat": NOW, "sd_hash": "x"}, signer)
    assert refused(lambda: parse_key_binding(kb)) is ReasonCode.ALG
    vp = jws({"alg": alg, "typ": "vp+jwt", "cty": "vp"}, {}, signer)
    assert refused(lambda: forms["vc+jwt"].open(vp)) is ReasonCode.ALG
    request = jws({"alg": alg, "typ": "oauth-authz-req+jwt"}, {}, signer)
    assert refused(lambda: PresentationRequest.parse(request)) is ReasonCode.ALG
    receipt = jws({"alg": alg, "typ": "vcred-receipt+jwt"}, {}, signer)
    assert refused(lambda: Receipt.parse(receipt)) is ReasonCode.ALG
    with pytest.raises(ValueError, match="supported alg"):
        sign_jws({"typ": "any"}, b"{}", signer)


@pytest.mark.parametrize("alg", list(POST_QUANTUM))
def test_pq_04_no_key_binding_token_or_status_list(alg):
    signer = SIGNERS[alg]
    prepared = prepare_key_binding(
        issued("sd-cwt"), alg=alg, audience="https://bank.example", nonce=b"n" * 16, issued_at=NOW
    )
    token = prepared.complete(signer.sign(prepared.signing_input))
    assert refused(lambda: forms["sd-cwt"].open(token)) is ReasonCode.ALG
    body = encode({2: f"{STATUS_URI}0", 6: NOW, 4: NOW + 60, 65533: {"bits": 1, "lst": b"x"}})
    status = assemble(
        encode({ALG: COSE_ALG[alg], KID: signer.public_key.kid, TYP: "application/statuslist+cwt"}), b"\xa0", body
    )
    raw = status.complete(signer.sign(status.signing_input))
    assert refused(lambda: parse_status_token(raw)) is ReasonCode.ALG
    raw = jws({"alg": alg, "typ": "statuslist+jwt", "kid": "x"}, {"sub": f"{STATUS_URI}0"}, signer)
    assert refused(lambda: parse_status_token(raw)) is ReasonCode.ALG
    with pytest.raises(MalformedError):
        parse_sign1(raw, path="")


@pytest.mark.parametrize("alg", list(POST_QUANTUM))
def test_pq_04_no_status_list_by_a_key_of_the_bundle(alg):
    """Even one that is built: the bundle refuses it."""
    try:
        token = build_status_token(
            uri=f"{STATUS_URI}0",
            status_list=StatusList(bits=1, buffer=bytes(16)),
            signer=SIGNERS[alg],
            chain=(),
            issued_at=AT,
            expires_at=AT + timedelta(days=1),
            ttl=None,
            form="cwt",
        )
    except ValueError:
        return
    assert refused(lambda: trust().with_status(token)) is ReasonCode.ALG


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("claimed", ["ML-DSA-44", "ML-DSA-65", "ML-DSA-44-ES256", "ML-DSA-65-ES256", "ES256"])
@pytest.mark.parametrize("used", ["ES256", "ML-DSA-44", "ML-DSA-44-ES256", "ML-DSA-65"])
def test_pq_05_an_algorithm_that_is_not_the_keys(form, claimed, used):
    """The header says one algorithm, the bundle's key is of another: ``kid`` selects a key and nothing more."""
    if claimed == used or (form == "mso_mdoc" and "ES256" in (claimed, used)):
        return
    signer = SIGNERS[used]

    class Lying:
        """The public key of ``used`` that calls itself another algorithm, so that a header says so."""

        alg = claimed
        kid = signer.public_key.kid

    prepared = forms[form].prepare(content(), IssuerKey(public_key=Lying()))  # type: ignore[arg-type]
    raw = prepared.complete(signer.sign(prepared.signing_input))
    trusted = trust() if used != "ES256" else classical()
    assert refused(lambda: verify(form, raw, trusted)) in (ReasonCode.ALG, ReasonCode.KEY)


@cache
def classical():
    return bundle([entry(SIGNERS["ES256"].public_key)])


@pytest.mark.parametrize("alg", list(POST_QUANTUM))
def test_pq_06_lengths(alg):
    key = SIGNERS[alg].public_key
    raw, signature = pq.public_bytes(key.crypto), SIGNERS[alg].sign(b"m")
    for wrong in (b"", raw[:-1], raw + b"\0", raw[:1312], raw[:65], raw * 2):
        if len(wrong) != len(raw):
            jwk = key.to_jwk() | {"pub": base64.urlsafe_b64encode(wrong).rstrip(b"=").decode()}
            assert refused(lambda: PublicKey.from_jwk(jwk, post_quantum=True)) is ReasonCode.KEY  # noqa: B023
            cose = key.to_cose() | {-1: wrong}
            assert refused(lambda: PublicKey.from_cose(cose, post_quantum=True)) is ReasonCode.KEY  # noqa: B023
    for wrong in (
        b"",
        signature[:-1],
        signature + b"\0",
        signature[1:],
        signature[:2420],
        signature[:64],
        signature * 2,
    ):
        if wrong != signature:
            assert refused(lambda: key.verify(wrong, b"m")) is ReasonCode.SIGNATURE  # noqa: B023 - called at once


def test_pq_07_a_key_of_another_parameter_set():
    for alg in POST_QUANTUM:
        jwk, cose = SIGNERS[alg].public_key.to_jwk(), SIGNERS[alg].public_key.to_cose()
        for other, number in POST_QUANTUM.items():
            if other != alg:
                for read in (
                    lambda: PublicKey.from_jwk(jwk | {"alg": other}, post_quantum=True),  # noqa: B023 - called at once
                    lambda: PublicKey.from_cose(cose | {3: number}, post_quantum=True),  # noqa: B023 - called at once
                ):
                    assert refused(read) is ReasonCode.KEY
                signature = SIGNERS[other].sign(b"m")
                assert refused(lambda: SIGNERS[alg].public_key.verify(signature, b"m")) is ReasonCode.SIGNATURE  # noqa: B023


AKP = SIGNERS["ML-DSA-44"].public_key


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"alg": None}, "key"),
        ({"alg": "ES256"}, "key"),
        ({"alg": "ML-DSA-87"}, "key"),
        ({"alg": ["ML-DSA-44"]}, "key"),
        ({"kty": "EC"}, "key"),
        ({"kty": "OKP"}, "key"),
        ({"priv": "AAAA"}, "key"),
        ({"pub": None}, "key"),
        ({"pub": 7}, "key"),
        pytest.param({"pub": AKP.to_jwk()["pub"] + "="}, "key", id="padded"),
        pytest.param({"pub": AKP.to_jwk()["pub"][:-1] + "!"}, "key", id="not base64url"),
        ({"use": "enc"}, "key_use"),
        ({"key_ops": ["sign"]}, "key_use"),
    ],
    ids=lambda value: str(value)[:32],
)
def test_pq_08_a_jwk_that_is_not_an_akp_key(changes, code):
    jwk = {name: value for name, value in (AKP.to_jwk() | changes).items() if value is not None}
    assert refused(lambda: PublicKey.from_jwk(jwk, post_quantum=True)).value == code


@pytest.mark.parametrize(
    "changes",
    [{3: None}, {3: -7}, {3: -50}, {3: "ML-DSA-44"}, {3: -48.0}, {1: 2}, {-2: b"x"}, {-1: "text"}, {4: [1]}],
    ids=str,
)
def test_pq_08_a_cose_key_that_is_not_an_akp_key(changes):
    cose = {name: value for name, value in (AKP.to_cose() | changes).items() if value is not None}
    assert refused(lambda: PublicKey.from_cose(cose, post_quantum=True)) in (ReasonCode.KEY, ReasonCode.KEY_USE)


@pytest.mark.parametrize("alg", HYBRIDS)
def test_pq_09_signatures_of_the_halves_alone_make_no_hybrid(alg):
    """Whoever gets either half to sign something under its own algorithm gains nothing (draft section 6.3)."""
    signer, message = SIGNERS[alg], b"message"
    private, public = signer.crypto, signer.public_key
    size = SIZES[alg.removesuffix("-ES256")]
    signed = pq._representative(alg, message)
    label = pq._HYBRIDS[alg].label
    ecdsa = private.ecdsa.sign(signed, ec.ECDSA(hashes.SHA256()))
    assert public.verify(private.ml_dsa.sign(signed, label) + ecdsa, message) is None
    for wrong in (
        private.ml_dsa.sign(signed) + ecdsa,
        private.ml_dsa.sign(message) + ecdsa,
        private.ml_dsa.sign(message, label) + ecdsa,
        private.ml_dsa.sign(signed, label + b"\0") + ecdsa,
        private.ml_dsa.sign(signed, label) + private.ecdsa.sign(message, ec.ECDSA(hashes.SHA256())),
        private.ml_dsa.sign(signed, label) + private.ecdsa.sign(signed, ec.ECDSA(hashes.SHA384())),
    ):
        assert refused(lambda: public.verify(wrong, message)) is ReasonCode.SIGNATURE  # noqa: B023 - called at once
    whole = signer.sign(message)
    ml_dsa, classic = public.halves
    assert refused(lambda: ml_dsa.verify(whole[:size], message)) is ReasonCode.SIGNATURE
    assert refused(lambda: ml_dsa.verify(whole[:size], signed)) is ReasonCode.SIGNATURE
    raw = der_raw(whole[size:])
    assert refused(lambda: classic.verify(raw, message)) is ReasonCode.SIGNATURE
    # What it does verify is the representative, which begins with 32 bytes that no JWS or COSE structure begins with.
    assert classic.verify(raw, signed) is None
    assert signed.startswith(b"CompositeAlgorithmSignatures2025")


def der_raw(der):
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    return b"".join(part.to_bytes(32) for part in decode_dss_signature(der))


@pytest.mark.parametrize("alg", HYBRIDS)
def test_pq_09_the_other_hybrid_of_the_same_halves(alg):
    """Two hybrids may share their ECDSA key by mistake; their signatures still do not mix."""
    other = next(one for one in HYBRIDS if one != alg)
    one = SIGNERS[alg].crypto
    twin = replace(SIGNERS[other].crypto, ecdsa=one.ecdsa)
    size, twin_size = SIZES[alg.removesuffix("-ES256")], SIZES[other.removesuffix("-ES256")]
    mixed = pq.sign(one, b"m")[:size] + pq.sign(twin, b"m")[twin_size:]
    assert not pq.verifies(b"m", one.public_key(), mixed)


@pytest.mark.parametrize("alg", HYBRIDS)
def test_pq_10_one_signature_has_one_encoding(alg):
    size = SIZES[alg.removesuffix("-ES256")]
    key, whole = SIGNERS[alg].public_key, SIGNERS[alg].sign(b"m")
    der = whole[size:]
    raw = der_raw(der)
    long_form = b"\x30\x81" + der[1:]
    padded = bytes((0x30, der[1] + 1, 2, der[3] + 1)) + b"\0" + der[4:]
    for wrong in (raw, long_form, padded, der + b"\0", b"\x31" + der[1:]):
        assert refused(lambda: key.verify(whole[:size] + wrong, b"m")) is ReasonCode.SIGNATURE  # noqa: B023


@pytest.mark.parametrize("form", FORMATS)
def test_pq_11_a_bundle_that_does_not_name_the_key(form):
    assert refused(lambda: verify(form, issued(form), bundle([entry(AKP)]))) is ReasonCode.UNTRUSTED


@pytest.mark.parametrize("form", FORMATS)
def test_pq_11_a_key_that_was_not_valid_then(form):
    key = SIGNERS["ML-DSA-44-ES256"].public_key
    for times in ({"valid_from": NOW - 60}, {"valid_until": NOW - 7200}):
        assert refused(lambda: verify(form, issued(form), bundle([entry(key, **times)]))) is ReasonCode.CHAIN  # noqa: B023


def test_pq_12_keys_that_a_bundle_may_not_list():
    hybrid = SIGNERS["ML-DSA-44-ES256"]
    ml_dsa, classic = hybrid.public_key.halves
    shared = SoftwareSigner(replace(SIGNERS["ML-DSA-65-ES256"].crypto, ecdsa=hybrid.crypto.ecdsa)).public_key
    wrong = {
        "twice": [hybrid.public_key, hybrid.public_key],
        "with its ML-DSA half": [hybrid.public_key, ml_dsa],
        "with its ECDSA half": [hybrid.public_key, classic],
        "with a hybrid of the same half": [hybrid.public_key, shared],
    }
    for keys in wrong.values():
        listed = [entry(key) for key in keys]
        with pytest.raises((TrustError, ValueError), match=r"twice|half"):
            bundle(listed)
    with pytest.raises((TrustError, ValueError), match="only issuers"):
        bundle([entry(AKP)], purpose=Purpose.STATUS)


def test_pq_12_the_half_of_a_hybrid_in_a_certificate():
    hybrid = SIGNERS["ML-DSA-44-ES256"]
    half = SoftwareSigner(hybrid.crypto.ecdsa)
    leaf = WORLD._certify(half, Purpose.ISSUER, AT - timedelta(days=1), AT + timedelta(days=200))
    trusted = bundle([entry(hybrid.public_key)], anchors=[WORLD._root])
    raw = forms["dc+sd-jwt"].issue(content(), IssuerKey(public_key=half.public_key, chain=(leaf,)), half)
    assert refused(lambda: verify("dc+sd-jwt", raw, trusted)) is ReasonCode.CHAIN


def test_pq_12_a_certificate_of_a_post_quantum_key():
    """X.509 has them (RFC 9881), a bundle does not: neither as a signer's nor as a root's."""
    key, name = mldsa.MLDSA44PrivateKey.generate(), x509.Name([])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(AT - timedelta(days=1))
        .not_valid_after(AT + timedelta(days=1))
        .sign(key, None)
    )
    assert refused(lambda: read_certificate(certificate.public_bytes(Encoding.DER), "x5c[0]")) in (
        ReasonCode.CHAIN,
        ReasonCode.KEY,
    )


def test_pq_12_an_authority_whose_status_lists_nobody_can_sign():
    pack = PackBuilder(production=False, name=AGENCY)
    given = {"id": ISSUER_ID, "name": AGENCY, "purpose": Purpose.ISSUER, "anchors": [], "signers": [], "test": True}
    times = {"valid_from": AT - timedelta(days=1), "valid_until": AT + timedelta(days=300)}
    pack.add_authority(**given, **times, keys=[entry(AKP)], types=[KIND.code], status_uris=[STATUS_URI])
    pack.add_types(CATALOG.texts())
    signing = {"version": 1, "roots": [WORLD.root_file], "signers": [WORLD._tuf]}
    with pytest.raises(ValueError, match="nobody can sign its status lists"):
        pack.build(**signing, at=AT, expires=AT + timedelta(days=30))


def test_pq_13_an_mdoc_without_x5chain_is_by_a_post_quantum_key_that_is_named():
    def auth(protected, alg="ML-DSA-44"):
        opened = forms["mso_mdoc"].open(issued("mso_mdoc", alg))
        old = opened.issuer_auth.protected_raw
        return issued("mso_mdoc", alg).replace(bstr(old), bstr(encode(protected)))

    kid, iss = AKP.kid, {1: ISSUER_ID}
    verify("mso_mdoc", auth({1: -48, 4: kid, 15: iss}))
    for wrong in (
        {1: -48},
        {1: -48, 4: kid},
        {1: -48, 15: iss},
        {1: -48, 4: kid[:7], 15: iss},
        {1: -48, 4: kid, 15: {1: ""}},
        {1: -48, 4: kid, 15: {1: 7}},
        {1: -48, 4: kid, 15: {1: ISSUER_ID, 2: "x"}},
        {1: -7, 4: kid, 15: iss},
    ):
        assert refused(lambda: forms["mso_mdoc"].open(auth(wrong))) is ReasonCode.CHAIN, wrong  # noqa: B023
    changed = auth({1: -48, 4: kid, 15: {1: "https://other.example"}})
    assert refused(lambda: verify("mso_mdoc", changed)) is ReasonCode.ISSUER


def test_pq_14_paper():
    labels = CATALOG.labels
    signer = SIGNERS["ML-DSA-44-ES256"]
    sheet = issue_paper(content(holder_key=None), IssuerKey(public_key=signer.public_key), signer, labels)
    opened = open_paper(sheet, labels)
    verify_paper(opened, signer.public_key)
    for other in ("ES256", "ML-DSA-44", "ML-DSA-65-ES256"):
        assert refused(lambda: verify_paper(opened, SIGNERS[other].public_key)) is ReasonCode.ALG  # noqa: B023


@cache
def honest(form):
    world = World(at=AT, formats=(form,), policies=[accepting().source], algorithm="ML-DSA-44-ES256")
    world.issue(KIND.code)
    store = Recording()
    world.verifier = Verifier(world.trust, world.identity, requests=store)
    request = world.request(accepting(), formats=(form,))
    answer = world.present(request)
    assert Verifier(world.trust, world.identity, requests=store.fresh()).verify(answer, request=request, at=AT)
    return world, request, answer, store


@cache
def accepting():
    from tests.flows.test_post_quantum import POLICIES

    return POLICIES["required"]


@pytest.mark.property
@pytest.mark.parametrize("form", FORMATS)
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_pq_15_flip_one_bit_never_accepted(form, where, bit):
    """In the issuer's signature, with the key at hand, and anywhere in a presentation, by the whole verifier."""
    world, request, answer, store = honest(form)
    (presented,) = next(iter(answer.tokens.values()))
    opened = forms[form].open(presented.raw)
    place = int(where * len(opened.signature))
    changed = bytearray(opened.signature)
    changed[place] ^= 1 << bit
    key = world.document_signer.public_key
    assert refused(lambda: key.verify(bytes(changed), opened.signing_input)) is ReasonCode.SIGNATURE
    raw = bytearray(presented.raw)
    raw[int(where * len(raw))] ^= 1 << bit
    tokens = {name: (Presented(format=form, raw=bytes(raw)),) for name in answer.tokens}
    verifier = Verifier(world.trust, world.identity, requests=store.fresh())
    result = verifier.verify(replace(answer, tokens=tokens), request=request, at=AT)
    assert result.outcome is not Outcome.ACCEPTED
    assert result.reasons
