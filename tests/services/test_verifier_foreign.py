"""The conformance run's test queries, answered with credentials of issuers and types that are not ours, over ASGI."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.hostile.test_tr_profiles import HAIP, ISO, Authority
from tests.services.bank_kit import Client, Posted
from vcred.catalog import Catalog
from vcred.claims import SD, ClaimPath
from vcred.credential import Content
from vcred.dcql import DcqlQuery
from vcred.errors import RefusedError
from vcred.formats._cbor import Tagged
from vcred.formats._cose import ALG, X5CHAIN, prepare_sign1
from vcred.formats._mdoc_items import make_items
from vcred.formats._mdoc_mso import write_mso
from vcred.formats._mdoc_response import write_issuer_signed
from vcred.formats.base import IssuerKey
from vcred.formats.known import Formats
from vcred.formats.mdoc import CatalogDoctypes, Mdoc, Session
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.keys import SoftwareSigner
from vcred.oid4vp import build_answer, parse_request
from vcred.policy import VerificationPolicy
from vcred.presentation import Challenge, Presentation, Presented, sign_request
from vcred.testing import World
from vcred.trust import Purpose, TrustBundle, x509_hash
from vcred.trust.publish import PackBuilder, new_root, single_key
from verifier import Verifier
from verifier.server.app import create_app
from verifier.server.settings import VerifierServerSettings
from verifier.server.store import VerifierStore

pytestmark = pytest.mark.loopback
FOLDER = Path(__file__).parents[2] / "docs" / "conformance"
VECTORS = Path(os.environ.get("VCRED_VECTORS", Path(__file__).parents[3] / "shared" / "vectors"))
AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
NOW, DAY = int(AT.timestamp()), timedelta(days=1)
SUITE = "https://suite.example/test/a/vcred/"
NAME = {"ko": "적합성 시험 도구", "en": "Conformance suite"}
MDL, SPACE = "org.iso.18013.5.1.mDL", "org.iso.18013.5.1"
PID = {"given_name": "Jean", "family_name": "Dupont", "birthdate": "1980-05-23", "nationalities": ["BE"]}
LICENCE = {
    "family_name": "Doe",
    "given_name": "Jane",
    "birth_date": Tagged(1004, "1990-01-01"),
    "issuing_country": "NL",
    "portrait": b"\xff\xd8\xff\xe0 not looked at",
}


def texts(*names: str) -> dict[str, str]:
    return {name: (FOLDER / name).read_text(encoding="utf-8") for name in names}


CATALOG = Catalog.from_texts(Catalog.builtin().texts() | texts("pid.toml", "mdl.toml"))
POLICIES = {one.id: one for one in map(VerificationPolicy.load, texts("pid-policy.toml", "mdl-policy.toml").values())}


def bundle_of(
    suite: Authority, *, profile, code: str, catalog: Catalog = CATALOG, at=AT, reader=b"", purpose=Purpose.ISSUER
) -> TrustBundle:
    key = SoftwareSigner.generate()
    pack = PackBuilder(production=False, name={"ko": "시험 목록", "en": "Test list"})
    pack.add_authority(
        id=SUITE,
        name=NAME,
        purpose=purpose,
        anchors=[suite.root],
        signers=[],
        types=[code] if code else [],
        status_uris=[],
        valid_from=at - 100 * DAY,
        valid_until=at + 100 * DAY,
        test=True,
        profile=profile,
    )
    if reader:
        pack.add_reader(certificate=reader, name=NAME, policies=list(POLICIES), test=True)
    pack.add_types(catalog.texts())
    root = new_root(version=1, roles=single_key(key.public_key), signers=[key], expires=at + 300 * DAY)
    raw = pack.build(version=1, roots=[root], signers=[key], at=at, expires=at + 30 * DAY)
    return TrustBundle.loads(raw, root=root, seen=None)


@dataclass
class Suite:
    """The conformance suite as wallet and issuer, and our service with the settings of docs/conformance in mind."""

    authority: Authority
    client: Client
    holder: SoftwareSigner
    reader: bytes

    def ask(self, policy: str):
        headers = {"Authorization": "Bearer conformance"}
        call = {"policy": policy, "device": "cross_device"}
        made = self.client.request("POST", "/api/requests", headers=headers, json=call)
        assert made.status_code == 201, made.text
        link = dict(parse_qsl(urlsplit(made.json()["link"]).query))
        token = self.client.get(urlsplit(link["request_uri"]).path).content
        return made.json()["id"], parse_request(token, client_id=link["client_id"])

    def result(self, name: str, request, presented: Presented):
        query = request.query.credentials[0].id
        body = build_answer(Presentation(tokens={query: (presented,)}), request)
        form = {"content-type": "application/x-www-form-urlencoded"}
        posted = self.client.post(urlsplit(request.online.response_uri).path, content=body, headers=form)
        headers = {"Authorization": "Bearer conformance"}
        if posted.status_code == 400:
            return {"outcome": None, "reasons": posted.json()["reasons"]}
        carry = urlsplit(posted.json()["redirect_uri"]).path
        code = {"code": str(self.client.get(carry, headers={"accept": "application/json"}).json()["code"])}
        return self.client.request("GET", f"/api/requests/{name}", headers=headers, params=code).json()

    def content(self, vct: str, claims) -> Content:
        key = self.holder.public_key
        times = {"issued_at": NOW - 86400, "expires_at": NOW + 86400}
        return Content(vct=vct, issuer=SUITE, claims=claims, holder_key=key, **times)

    def signed(self, prepared, key: SoftwareSigner) -> bytes:
        return prepared.complete(key.sign(prepared.signing_input))

    def pid(self, request, leaf: bytes, key: SoftwareSigner) -> Presented:
        form = SdJwtVc()
        content = self.content("urn:eudi:pid:1", {name: SD(value) for name, value in PID.items()})
        raw = self.signed(form.prepare(content, IssuerKey(public_key=key.public_key, chain=(leaf,))), key)
        paths = [ClaimPath(("birthdate",)), ClaimPath(("nationalities",))]
        made = form.prepare_presentation(
            form.open(raw), paths, audience=request.audience, nonce=request.nonce, issued_at=NOW
        )
        return Presented(format="dc+sd-jwt", raw=self.signed(made, self.holder))

    def mdl(self, request, leaf: bytes, key: SoftwareSigner, **changes) -> Presented:
        items, digests = make_items(LICENCE | changes, decoys=0)
        mso = write_mso(self.content(MDL, {}), MDL, {SPACE: digests})
        auth = prepare_sign1({ALG: -7}, {X5CHAIN: leaf}, mso, tagged=False)
        raw = write_issuer_signed({SPACE: items}, auth.complete(key.sign(auth.signing_input)))
        form = Mdoc(CatalogDoctypes(CATALOG))
        paths = [ClaimPath((name,)) for name in ("family_name", "given_name", "birth_date", "issuing_country")]
        made = form.prepare_response(form.open(raw), paths, transcript=request.online.transcript(request.client_id))
        return Presented(format="mso_mdoc", raw=self.signed(made, self.holder))


@pytest.fixture
def suite_of(tmp_path):
    stores = []

    def make(*, profile, code):
        authority, world = Authority(), World(at=AT)
        trust = bundle_of(authority, profile=profile, code=code, reader=world.identity.chain[0])
        store = VerifierStore(f"sqlite:///{tmp_path}/{len(stores)}.db", key=bytes.fromhex("ab" * 32))
        stores.append(store)
        (tmp_path / "storage.key").write_text("ab" * 32)
        settings = VerifierServerSettings.model_validate(
            {
                "base_url": "https://verifier.test.example",
                "database": store_url(tmp_path, len(stores) - 1),
                "storage_key": tmp_path / "storage.key",
                "api_keys": [
                    {
                        "name": "conformance",
                        "sha256": "6c1d6cedf276ea3fd7486a212fd62b32fbb9ecaa4dea70545486737199dd24ed",
                    }
                ],
            }
        )
        app = create_app(
            settings,
            verifier=Verifier(trust, world.identity, store),
            policies=POLICIES,
            store=store,
            http=Posted(),
            clock=lambda: AT,
        )
        return Suite(authority, Client(app), SoftwareSigner.generate(), world.identity.chain[0])

    yield make
    for store in stores:
        store.close()


def store_url(folder, number):
    return f"sqlite:///{folder}/{number}.db"


@pytest.mark.parametrize("code", ["test.pid", "resident.household"])
def test_the_test_query_for_a_pid_is_answered_with_a_haip_chain(suite_of, code):
    suite = suite_of(profile=HAIP, code=code)
    key = SoftwareSigner.generate()
    leaf = suite.authority.certify(key.crypto, hosts=("suite.example",))
    name, request = suite.ask("test.pid")
    assert request.query.credentials[0].types == (frozenset({"urn:eudi:pid:1"}),)
    found = suite.result(name, request, suite.pid(request, leaf, key))
    if code == "test.pid":
        assert found["outcome"] == "ACCEPTED", found
        assert found["result"]["claims"]["who"] == {"birthdate": "1980-05-23", "nationalities": ["BE"]}
    else:
        assert found["reasons"] == ["scope"], "the entry limits what the authority signs"


def test_the_test_query_for_an_mdl_is_answered_with_an_iso_document_signer(suite_of):
    suite = suite_of(profile=ISO, code="test.mdl")
    key = SoftwareSigner.generate()
    leaf = suite.authority.document_signer(key=key.crypto)
    name, request = suite.ask("test.mdl")
    asked = {claim.path.parts for claim in request.query.credentials[0].claims}
    assert asked == {(SPACE, name) for name in ("family_name", "given_name", "birth_date", "issuing_country")}
    found = suite.result(name, request, suite.mdl(request, leaf, key))
    assert found["outcome"] == "ACCEPTED", found
    shown = found["result"]["claims"]["who"]
    assert (shown["family_name"], shown["birth_date"]) == ("Doe", "1990-01-01")


@pytest.mark.parametrize(
    "changes", [{"ekus": ("2.25.155208057101010663917069457484499332642.1",)}, {"ekus": ()}, {"country": "BE"}]
)
def test_tr_05_an_mdl_of_no_document_signer(suite_of, changes):
    suite = suite_of(profile=ISO, code="test.mdl")
    key = SoftwareSigner.generate()
    leaf = suite.authority.document_signer(key=key.crypto, **changes)
    name, request = suite.ask("test.mdl")
    found = suite.result(name, request, suite.mdl(request, leaf, key))
    assert found["reasons"] == ["chain"]


def test_an_mdl_of_another_country_than_its_signer(suite_of):
    suite = suite_of(profile=ISO, code="test.mdl")
    key = SoftwareSigner.generate()
    leaf = suite.authority.document_signer(key=key.crypto)
    name, request = suite.ask("test.mdl")
    found = suite.result(name, request, suite.mdl(request, leaf, key, issuing_country="KR"))
    assert found["reasons"] == ["chain"]


EUDI = """
code = "test.eudi"
foreign = true
vct = "eu.europa.ec.eudi.pid.1"
doctype = "eu.europa.ec.eudi.pid.1"
namespace = "eu.europa.ec.eudi.pid.1"
"""


def test_a_published_presentation_verifies_with_its_anchor_at_its_time():
    vector = VECTORS / "mdoc" / "real_world" / "animo_paradym_openid4vp_1_0.json"
    if not vector.exists():
        pytest.skip(f"the published mdocs are not at {vector}")
    facts = json.loads(vector.read_text())
    at = datetime.fromisoformat(facts["validation_time"])
    text = (FOLDER / "mdl.toml").read_text(encoding="utf-8")
    text = EUDI + text[text.index("depth =") :]
    catalog = Catalog.from_texts(Catalog.builtin().texts() | {"eudi.toml": text})
    suite = Authority()
    suite.root = x509.load_pem_x509_certificate(facts["certificates_pem"][1].encode()).public_bytes(Encoding.DER)
    bundle = bundle_of(suite, profile=ISO, code="test.eudi", catalog=catalog, at=at)
    form = Formats(catalog)["mso_mdoc"]
    session = Session(transcript=bytes.fromhex(facts["session_transcript_hex"]), audience="", nonce=None, received_at=0)
    (opened,) = form.open_response(bytes.fromhex(facts["data_hex"]), session)
    assert set(opened.claims) == {"given_name", "family_name"}
    usual = {"issuer": opened.issuer, "kid": opened.kid, "x5c": opened.x5c, "issued_at": opened.issued_at, "at": at}
    issuer = bundle.resolve_issuer(code=bundle.catalog.by_vct(opened.vct).code, **usual)
    form.verify_signature(opened, issuer.key)
    form.verify_key_binding(opened)
    with pytest.raises(RefusedError, match="scope"):
        bundle.resolve_issuer(code="resident.household", **usual)


def test_vp_12_our_wallet_shows_a_foreign_reader_as_who_verified_it():
    world, authority = World(at=AT), Authority()
    world.issue("resident.personal")
    key, stranger = SoftwareSigner.generate(), SoftwareSigner.generate()
    leaf = authority.certify(key.crypto, hosts=("bank.example",))
    query = DcqlQuery.parse(
        {
            "credentials": [
                {
                    "id": "who",
                    "format": "dc+sd-jwt",
                    "meta": {"vct_values": [world.catalog["resident.personal"].vct]},
                    "claims": [{"path": ["name"]}],
                }
            ]
        }
    )

    def asking(signer: SoftwareSigner, certificate: bytes):
        return sign_request(
            query,
            client_id="x509_hash:" + x509_hash(certificate),
            freshness=Challenge(),
            nonce=b"0123456789abcdef",
            purpose="확인",
            policy=None,
            retention=None,
            at=AT,
            lifetime=timedelta(minutes=5),
            signer=signer,
            x5c=[certificate],
        )

    with pytest.raises(RefusedError):
        world.wallet.match(asking(key, leaf), at=AT)
    world.wallet.trust = bundle_of(authority, profile=HAIP, code="", purpose=Purpose.READER)
    asked = world.wallet.match(asking(key, leaf), at=AT)
    assert not asked.verifier.registered
    assert asked.verifier.names.en == "Requester verified by Conformance suite"
    with pytest.raises(RefusedError):
        world.wallet.match(asking(stranger, Authority().certify(stranger.crypto, hosts=("bank.example",))), at=AT)
