"""A long-lived certificate by a post-quantum issuer: issued, held, shown as moving QR codes, judged by three policies."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from issuer import Issuer, IssuerProfile
from tests.wallet_kit import policy
from vcred import Outcome, Presentation, qr
from vcred.credential import Content, StatusReference
from vcred.formats.base import IssuerKey
from vcred.formats.known import Formats
from vcred.formats.paper import issue_paper
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode
from vcred.testing import World
from vcred.testing.world import AGENCY, ISSUER_ID, STATUS_URI
from vcred.trust import Purpose, TrustBundle, build_signer
from vcred.trust.bare import BareKey
from vcred.trust.publish import PackBuilder
from verifier import VerificationPolicy
from wallet import MemoryStore, Wallet

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
NOW = int(AT.timestamp())
CODE = "resident.personal"
FORMATS = ("sd-cwt", "dc+sd-jwt", "mso_mdoc", "vc+sd-jwt", "vc+jwt")


def about(choice):
    line = "" if choice == "absent" else f'post_quantum = "{choice}"\n'
    return VerificationPolicy.load(line + policy(f"test.{choice}", ("one", CODE, ["name"], (), True), rrn="full"))


POLICIES = {choice: about(choice) for choice in ("absent", "refused", "accepted", "required")}


def world_of(algorithm, formats):
    world = World(at=AT, formats=formats, policies=[one.source for one in POLICIES.values()], algorithm=algorithm)
    world.issue(CODE)
    return world


def through_pictures(answer):
    """The answer as a camera gets it: frames, all of them once."""
    codes = qr.encode(answer)
    return len(codes), Presentation.parse(qr.decode(text for code in codes for text in qr.read_image(code.png())))


def judged(world, choice, form, *, pictures=False):
    """The verdict, and what the wallet foresaw."""
    request = world.request(POLICIES[choice], formats=(form,))
    asked = world.match(request)
    foreseen = {reason.code for reason in asked.reasons}
    answer = world.wallet.present(asked.approve(), at=world.at)
    frames, answer = through_pictures(answer) if pictures else (0, Presentation.parse(answer.to_message()))
    return world.verify(answer, request), foreseen, frames


@pytest.mark.parametrize(
    ("algorithm", "form"),
    [
        *(("ML-DSA-44-ES256", form) for form in FORMATS),
        ("ML-DSA-65-ES256", "mso_mdoc"),
        ("ML-DSA-44", "sd-cwt"),
        ("ML-DSA-65", "dc+sd-jwt"),
    ],
)
def test_issued_held_shown_and_accepted_where_it_is_asked_for(algorithm, form):
    world = world_of(algorithm, (form,))
    for choice in ("accepted", "required"):
        result, foreseen, frames = judged(world, choice, form, pictures=choice == "required")
        assert result.outcome is Outcome.ACCEPTED, result.reasons
        assert "name" in result.claims["one"]
        assert ReasonCode.ALG not in foreseen
    assert frames > 1
    for choice in ("absent", "refused"):
        result, foreseen, _ = judged(world, choice, form)
        assert result.outcome is Outcome.REJECTED
        assert [one.code for one in result.reasons] == [ReasonCode.ALG]
        assert algorithm in result.reasons[0].detail
        assert ReasonCode.ALG in foreseen


@pytest.mark.parametrize("form", FORMATS)
def test_a_classical_certificate_where_post_quantum_is_required(form):
    world = world_of("ES256", (form,))
    for choice in ("absent", "refused", "accepted"):
        result, foreseen, _ = judged(world, choice, form)
        assert result.outcome is Outcome.ACCEPTED, result.reasons
        assert ReasonCode.ALG not in foreseen
    result, foreseen, _ = judged(world, "required", form)
    assert [one.code for one in result.reasons] == [ReasonCode.ALG]
    assert ReasonCode.ALG in foreseen


def test_revoked_by_the_classical_status_signer():
    world = world_of("ML-DSA-65-ES256", ("sd-cwt",))
    world.revoke(CODE)
    result, _, _ = judged(world, "required", "sd-cwt")
    assert [one.code for one in result.reasons] == [ReasonCode.REVOKED]


def test_of_two_certificates_each_receiver_is_shown_the_one_it_takes():
    """While an authority changes over, a wallet may hold the same certificate by its old key and by its new one."""
    form = "dc+sd-jwt"
    world = world_of("ML-DSA-44-ES256", (form,))
    old = SoftwareSigner.generate()
    chain = (world._certify(old, Purpose.ISSUER, AT - timedelta(days=1), AT + timedelta(days=4000)),)
    profile = IssuerProfile(id=ISSUER_ID, signer=old, chain=chain, formats=(form,), status_uri=f"{STATUS_URI}old/")
    classical = Issuer(profile, records=world.records, catalog=world.catalog)
    world.wallet.receive(classical.offer(CODE, subject="sample", at=AT), at=AT)
    for token in classical.status_tokens(at=AT).values():
        world.trust = world.trust.with_status(token)
    world.wallet.trust = world.verifier.trust = world.trust
    for choice in ("refused", "required", "accepted"):
        result, foreseen, _ = judged(world, choice, form)
        assert result.outcome is Outcome.ACCEPTED, result.reasons
        assert ReasonCode.ALG not in foreseen


def test_the_issuer_of_a_did_names_its_key_by_a_did_url():
    """``kid`` of JOSE is the DID URL; COSE has the key id. Both are found in the bundle."""
    did = "did:web:garam.example"
    world = World(at=AT)
    signer, holder = SoftwareSigner.generate("ML-DSA-44-ES256"), SoftwareSigner.generate()
    listed = BareKey(
        key=signer.public_key, did_url=f"{did}#long-lived", valid_from=NOW - 86400, valid_until=NOW + 86400 * 300
    )
    lists = SoftwareSigner.generate()
    status_chain = (
        build_signer(
            lists.public_key,
            purpose=Purpose.STATUS,
            id=did,
            name=AGENCY,
            issuer=world._root,
            issuer_signer=world._root_key,
            not_before=AT - timedelta(days=1),
            not_after=AT + timedelta(days=300),
        ),
    )
    profile = {
        "id": did,
        "signer": signer,
        "bare": listed,
        "formats": FORMATS,
        "status_uri": "https://garam.example/s/",
    }
    issuer = Issuer(
        IssuerProfile(**profile, status_signer=lists, status_chain=status_chain),
        records=world.records,
        catalog=world.catalog,
    )
    key = IssuerKey(public_key=signer.public_key, did_url=listed.did_url)
    kind = world.catalog[CODE]
    content = Content(
        vct=kind.vct,
        issuer=did,
        claims=kind.issue(kind.sample, variant=None, options={}, issued_on=kind.sample_date),
        issued_at=NOW - 3600,
        expires_at=NOW + 3600,
        holder_key=holder.public_key,
    )
    pack = PackBuilder(production=False, name=AGENCY)
    pack.add_authority(
        id=did,
        name=AGENCY,
        purpose=Purpose.ISSUER,
        anchors=[],
        signers=[],
        keys=[listed],
        did_document=did_document(did, holder.public_key),
        types=[CODE],
        status_uris=["https://garam.example/s/"],
        valid_from=AT - timedelta(days=1),
        valid_until=AT + timedelta(days=400),
        test=True,
    )
    pack.add_types(world.catalog.texts())
    raw = pack.build(version=1, roots=[world.root_file], signers=[world._tuf], at=AT, expires=AT + timedelta(days=30))
    trust = TrustBundle.loads(raw, root=world.root_file, seen=None)
    for form in FORMATS:
        written = Formats(world.catalog)[form]
        opened = written.open(written.issue(content, key, signer))
        named_by_url = form not in ("sd-cwt", "mso_mdoc")
        assert opened.kid == (listed.did_url.encode() if named_by_url else signer.public_key.kid)
        found = trust.resolve_issuer(
            issuer=opened.issuer, kid=opened.kid, x5c=opened.x5c, code=CODE, issued_at=opened.issued_at, at=AT
        )
        written.verify_signature(opened, found.key)
    wallet = Wallet(store=MemoryStore(), trust=trust)
    assert wallet.receive(issuer.offer(CODE, subject="sample", at=AT), at=AT)


def did_document(did, key):
    method = {"id": f"{did}#other", "type": "JsonWebKey", "controller": did, "publicKeyJwk": key.to_jwk()}
    return json.dumps({"id": did, "verificationMethod": [method], "assertionMethod": [method["id"]]}).encode()


def test_a_printed_sheet_takes_several_codes():
    """What outlives every phone: paper, which anybody can carry and only the issuer's signature vouches for."""
    world = world_of("ML-DSA-65-ES256", ("sd-cwt",))
    kind, signer = world.catalog[CODE], world.document_signer
    content = Content(
        vct=kind.vct,
        issuer=ISSUER_ID,
        claims=kind.issue(kind.sample, variant=None, options={}, issued_on=kind.sample_date),
        issued_at=NOW - 3600,
        expires_at=NOW + 3600,
        holder_key=None,
        status=StatusReference(uri=world.trust.status_uris[0], index=7),
    )
    sheet = issue_paper(content, IssuerKey(public_key=signer.public_key), signer, world.catalog.labels)
    codes = qr.encode(qr.Message(kind=qr.MessageKind.PAPER, body={1: sheet}))
    assert 1 < len(codes) <= 4
    page = qr.decode(text for code in codes for text in qr.read_image(code.png()))
    for choice, outcome in (
        ("required", Outcome.ACCEPTED),
        ("accepted", Outcome.ACCEPTED),
        ("absent", Outcome.REJECTED),
    ):
        bearer = VerificationPolicy.load(
            POLICIES[choice].source.replace('holder_binding = "required"', 'holder_binding = "bearer_ok"')
        )
        result = world.verifier.verify_paper(page.body[1], policy=bearer, at=AT)
        assert result.outcome is outcome, result.reasons
    assert [one.code for one in result.reasons] == [ReasonCode.ALG]
