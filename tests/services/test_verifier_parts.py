"""The service from its settings: files, a bundle that is replaced, a conformance run by configuration alone."""

from __future__ import annotations

import os
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.services.bank_kit import KEY, Client, Posted, _sha256
from vcred.catalog import Catalog
from vcred.claims import SD, ClaimPath
from vcred.cli._describe import pem
from vcred.credential import Content
from vcred.errors import SettingsError
from vcred.formats.base import IssuerKey
from vcred.formats.mdoc import CatalogDoctypes, Mdoc
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.keys import SoftwareSigner
from vcred.oid4vp import build_answer, parse_request
from vcred.presentation import Presentation, Presented
from vcred.serving import load_settings
from vcred.trust import Purpose, build_reader, build_root, build_signer
from vcred.trust.publish import PackBuilder, new_root, single_key
from verifier.server.app import create_app
from verifier.server.parts import load_policies, load_storage_key, load_verifier
from verifier.server.settings import VerifierServerSettings
from verifier.server.store import VerifierStore

pytestmark = pytest.mark.loopback
AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
SUITE = "https://suite.example/issuer"
NAMES = {"ko": "시험", "en": "Test"}
TYPE = """
code = "{code}"
vct = "{vct}"
doctype = "{doctype}"
depth = "basic"
name = {{ ko = "시험용", en = "{name}" }}
description = {{ ko = "시험용입니다.", en = "For conformance runs." }}
authority = {{ ko = "시험 발급기관", en = "Test issuer" }}
legal_basis = "{basis}"
lifetime_days = 3650
freshness_days = 3650
holder_binding = "required"
status = {{ suspendable = true, max_age_hours = 168 }}
retired_labels = []
sample_date = 2026-08-20
"""
PID = """
formats = ["dc+sd-jwt"]
claims = [
  { path = "birthdate", type = "birthdate", label = 3, ko = "생년월일", en = "Birth date" },
  { path = "nationalities", type = "string", cardinality = "1..n", label = 4, ko = "국적", en = "Nationalities" },
]
[sample]
birthdate = "1980-05-15"
nationalities = ["XX"]
"""
PHOTOID = """
formats = ["mso_mdoc"]
namespace = "example.suite.photoid.1"
claims = [
  { path = "familyName", type = "string", label = 3, mdoc = { namespace = "org.iso.23220.1", element = "family_name" }, ko = "성", en = "Family name" },
  { path = "documentNumber", type = "string", label = 4, mdoc = { namespace = "org.iso.23220.1", element = "document_number" }, ko = "번호", en = "Document number" },
]
[sample]
familyName = "Gildong"
documentNumber = "99-00-990001-00"
"""
TYPES = {
    "pid.toml": TYPE.format(
        code="eudi.pid",
        vct="urn:eudi:pid:1",
        doctype="eu.europa.ec.eudi.pid.1",
        name="EUDI person identification data",
        basis="Regulation (EU) 2024/1183",
    )
    + PID,
    "photoid.toml": TYPE.format(
        code="iso.photoid",
        vct="urn:iso:photoid:1",
        doctype="org.iso.23220.photoid.1",
        name="Photo ID (ISO)",
        basis="ISO/IEC 23220",
    )
    + PHOTOID,
}
POLICY = """
id = "test.{name}"
name = {{ ko = "적합성 시험", en = "Conformance run" }}
purpose = {{ ko = "적합성 시험", en = "Conformance run" }}
asks = {{ ko = "시험 항목", en = "Test claims" }}
holder_binding = "required"
formats = ["{format}"]
[freshness]
challenge = true
[trust]
max_age_hours = 720
[status]
required = false
max_age_hours = 24
[rrn]
level = "none"
[retention]
days = 0
text = {{ ko = "보관하지 않음", en = "Not kept" }}
[[certificates]]
slot = "one"
name = {{ ko = "증명서", en = "Credential" }}
required = true
[[certificates.any_of]]
code = "{code}"
claims = {claims}
"""


class Suite:
    """Somebody else's test keys, and everything a verifier has to be told to run against them: files."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.catalog = Catalog.from_texts(TYPES)
        self.root_key, self.signer, self.reader = (SoftwareSigner.generate() for _ in range(3))
        self._tuf = SoftwareSigner.generate()
        self.start, self.end = AT - timedelta(days=1), AT + YEAR
        dates = {"not_before": self.start, "not_after": self.end}
        self.anchor = build_root(self.root_key, name=NAMES, **dates)
        self.leaf = build_signer(
            self.signer.public_key,
            purpose=Purpose.ISSUER,
            id=SUITE,
            name=NAMES,
            issuer=self.anchor,
            issuer_signer=self.root_key,
            **dates,
        )
        reader_root = SoftwareSigner.generate()
        self.reader_leaf = build_reader(
            self.reader.public_key,
            identifier="bank.example",
            name=NAMES,
            issuer=build_root(reader_root, name=NAMES, **dates),
            issuer_signer=reader_root,
            **dates,
        )
        self.root_file = new_root(
            version=1, roles=single_key(self._tuf.public_key), signers=[self._tuf], expires=self.end
        )
        (folder / "root.json").write_bytes(self.root_file)
        (folder / "reader.pem").write_bytes(pem(self.reader_leaf))
        (folder / "storage.key").write_text("cd" * 32 + "\n")
        (folder / "pid-policy.toml").write_text(
            POLICY.format(name="pid", format="dc+sd-jwt", code="eudi.pid", claims='["birthdate", "nationalities"]')
        )
        (folder / "photoid-policy.toml").write_text(
            POLICY.format(
                name="photoid", format="mso_mdoc", code="iso.photoid", claims='["familyName", "documentNumber"]'
            )
        )
        self.publish(1, types=list(self.catalog))

    def publish(self, version, *, types) -> None:
        """A newer bundle, put in its place whole."""
        pack = PackBuilder(production=False, name=NAMES)
        pack.add_authority(
            id=SUITE,
            name=NAMES,
            purpose=Purpose.ISSUER,
            anchors=[self.anchor],
            signers=[],
            keys=[],
            types=types,
            status_uris=[],
            valid_from=self.start,
            valid_until=self.end,
            test=True,
        )
        pack.add_reader(certificate=self.reader_leaf, name=NAMES, policies=[], test=True)
        pack.add_types(self.catalog.texts())
        raw = pack.build(version=version, roots=[self.root_file], signers=[self._tuf], at=AT, expires=AT + YEAR / 2)
        new = self.folder / "bundle.new"
        new.write_bytes(raw)
        os.utime(new, ns=(version * 10**9, version * 10**9))
        new.replace(self.folder / "trust.vcredpack")

    def settings(self, **given):
        """As an operator writes them."""
        place = self.folder
        (place / "verifier.toml").write_text(f"""
base_url = "https://bank.example"
database = "sqlite:///{place}/verifier.db"
storage_key = "{place}/storage.key"
trust = "{place}/trust.vcredpack"
root = "{place}/root.json"
reader = "{place}/reader.pem"
policies = ["{place}/pid-policy.toml", "{place}/photoid-policy.toml"]
wallet_endpoints = ["https://suite.example/test/a/vcred/authorize"]
redirect_uris = ["https://bank.example/done"]
[[api_keys]]
name = "suite"
sha256 = "{_sha256(KEY)}"
""")
        return load_settings(
            VerifierServerSettings,
            file=place / "verifier.toml",
            prefix="VCRED_VERIFIER",
            environ={"VCRED_VERIFIER__LIFETIMES": '{"link": 300}'},
            given=given,
        )

    def credential(self, form, vct, claims, holder):
        """What the suite's own issuer signs, with its chain in the header."""
        content = Content(
            vct=vct,
            issuer=SUITE,
            claims=claims,
            issued_at=int(AT.timestamp()) - 60,
            expires_at=int((AT + timedelta(days=14)).timestamp()),
            holder_key=holder.public_key,
        )
        return form.issue(content, IssuerKey(public_key=self.signer.public_key, chain=(self.leaf,)), self.signer)


@pytest.fixture
def suite(tmp_path):
    return Suite(tmp_path)


@pytest.fixture
def running(suite):
    with ExitStack() as opened:

        def run(**given):
            settings = suite.settings(**given)
            key = load_storage_key(settings.storage_key)
            store = opened.enter_context(VerifierStore(settings.database.get_secret_value(), key=key))
            verifier, trust, recorder = load_verifier(settings, store, suite.reader)
            app = create_app(
                settings,
                verifier=verifier,
                policies=load_policies(settings, verifier.trust),
                store=store,
                http=Posted(),
                clock=lambda: AT,
                recorder=recorder,
                trust=trust,
            )
            return Client(app)

        yield run


def ask(client, policy):
    wish = {"policy": policy, "device": "same_device", "redirect": "https://bank.example/done"}
    answer = client.post("/api/requests", json=wish, headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    link = urlsplit(made["link"])
    assert f"{link.scheme}://{link.netloc}{link.path}" == "https://suite.example/test/a/vcred/authorize"
    members = dict(parse_qsl(link.query))
    fetched = client.get(urlsplit(members["request_uri"]).path)
    return parse_request(fetched.content, client_id=members["client_id"])


def post(client, request, query, format, raw):  # noqa: A002 - as everywhere
    body = build_answer(Presentation(tokens={query: (Presented(format=format, raw=raw),)}), request)
    return client.post(
        urlsplit(request.online.response_uri).path,
        content=body,
        headers={"content-type": "application/x-www-form-urlencoded"},
    )


def test_a_conformance_run_with_urn_eudi_pid_1_is_configuration(suite, running):
    client = running()
    request = ask(client, "test.pid")
    (query,) = request.query.credentials
    assert (query.format, query.types) == ("dc+sd-jwt", (frozenset({"urn:eudi:pid:1"}),))
    form, holder = SdJwtVc(), SoftwareSigner.generate()
    claims = {"birthdate": SD("1980-05-15"), "nationalities": SD([SD("XX")]), "given_name": SD("Jean")}
    opened = form.open(suite.credential(form, "urn:eudi:pid:1", claims, holder))
    paths = [ClaimPath(("birthdate",)), ClaimPath(("nationalities",))]
    raw = form.present(
        opened, paths, holder, audience=request.audience, nonce=request.nonce, issued_at=int(AT.timestamp())
    )
    answer = post(client, request, query.id, "dc+sd-jwt", raw)
    assert answer.status_code == 200, answer.text
    assert answer.json()["redirect_uri"].startswith("https://bank.example/done?response_code=")


def test_a_conformance_run_with_a_photo_id_as_mdoc_is_configuration(suite, running):
    client = running()
    request = ask(client, "test.photoid")
    (query,) = request.query.credentials
    assert [list(claim.path.parts) for claim in query.claims] == [
        ["org.iso.23220.1", "family_name"],
        ["org.iso.23220.1", "document_number"],
    ]
    form, holder = Mdoc(CatalogDoctypes(suite.catalog)), SoftwareSigner.generate()
    claims = {"familyName": SD("Gildong"), "documentNumber": SD("99-00-990001-00")}
    opened = form.open(suite.credential(form, "urn:iso:photoid:1", claims, holder))
    prepared = form.prepare_response(
        opened,
        [ClaimPath(("familyName",)), ClaimPath(("documentNumber",))],
        transcript=request.online.transcript(request.client_id),
    )
    answer = post(client, request, query.id, "mso_mdoc", prepared.complete(holder.sign(prepared.signing_input)))
    assert answer.status_code == 200, answer.text


def test_a_newer_bundle_is_taken_up_while_the_service_runs(suite, running):
    client = running()
    form, holder = SdJwtVc(), SoftwareSigner.generate()
    raw = suite.credential(form, "urn:eudi:pid:1", {"birthdate": SD("1980-05-15"), "nationalities": SD(["XX"])}, holder)

    def answer():
        request = ask(client, "test.pid")
        paths = [ClaimPath(("birthdate",)), ClaimPath(("nationalities",))]
        shown = form.present(
            form.open(raw), paths, holder, audience=request.audience, nonce=request.nonce, issued_at=int(AT.timestamp())
        )
        return post(client, request, request.query.credentials[0].id, "dc+sd-jwt", shown)

    assert answer().status_code == 200
    suite.publish(2, types=["iso.photoid"])
    refused = answer()
    assert (refused.status_code, refused.json()["reasons"]) == (400, ["scope"])


@pytest.mark.parametrize(
    "given",
    [
        {"base_url": "http://bank.example"},
        {"base_url": "https://bank.example/"},
        {"base_url": "https://bank.example/a?b"},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": ["http://bank.example/done"]},
        {"webhooks": [{"url": "https://bank.example/hook", "secret": "short"}]},
        {"origins": ["http://bank.example"]},
        {"origins": ["https://bank.example/"]},
        {"api_keys": [{"name": "a", "sha256": "0"}]},
        {"lifetimes": {"answer": 121}},
        {"wallet_endpoints": []},
        {"no_such_member": 1},
    ],
)
def test_settings_that_would_be_a_mistake(suite, given):
    with pytest.raises(SettingsError):
        suite.settings(**given)


def test_a_storage_key_is_one(tmp_path):
    for text in ("", "ab" * 31, "xy" * 32):
        (tmp_path / "key").write_text(text)
        with pytest.raises(SettingsError):
            load_storage_key(tmp_path / "key")


def test_a_policy_of_a_preset_s_name_is_refused(suite):
    settings = suite.settings()
    text = (suite.folder / "pid-policy.toml").read_text().replace("test.pid", "shop.adult")
    (suite.folder / "pid-policy.toml").write_text(text)
    store_key = load_storage_key(settings.storage_key)
    with VerifierStore(settings.database.get_secret_value(), key=store_key) as store:
        verifier, _, _ = load_verifier(settings, store, suite.reader)
        with pytest.raises(SettingsError):
            load_policies(settings, verifier.trust)
