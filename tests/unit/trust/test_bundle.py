"""What a bundle tells about itself, how it is loaded, and what it costs."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta

import pytest

from tests.trust_town import AT, CITY, CITY_LIST, CITY_TYPE, COURT, DAY, Town, refusal, resolve
from vcred.catalog import Catalog
from vcred.errors import CatalogError, TrustError
from vcred.keys import SoftwareSigner
from vcred.trust import TrustBundle
from vcred.trust.publish import PackBuilder, new_root, single_key


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


@pytest.fixture
def files(town, tmp_path):
    (tmp_path / "kr.trust").write_bytes(town.pack(version=4))
    (tmp_path / "root.json").write_bytes(town.root)
    return tmp_path


def test_facts(town):
    bundle = town.bundle(version=4, at=AT - DAY)
    assert bundle.version == 4
    assert bundle.signed_at == AT - DAY
    assert bundle.expires_at == AT + 90 * DAY
    assert bundle.age(AT) == DAY
    assert bundle.production
    assert [authority.id for authority in bundle.authorities] == [CITY, COURT]
    assert len(bundle.readers) == 1
    assert "version=4" in repr(bundle)
    bundle.check_time(AT)
    bundle.require_current(AT)


def test_load_and_remember(town, files):
    bundle = TrustBundle.load(files / "kr.trust", root=str(files / "root.json"))
    assert bundle.version == 4
    assert (files / "kr.trust.seen").exists()
    before = (files / "kr.trust.seen").stat().st_mtime_ns
    TrustBundle.load(str(files / "kr.trust"), root=files / "root.json")
    assert (files / "kr.trust.seen").stat().st_mtime_ns == before


def test_the_memory_may_be_elsewhere(town, files):
    TrustBundle.load(files / "kr.trust", root=files / "root.json", seen=files / "elsewhere")
    assert (files / "elsewhere").exists()
    assert not (files / "kr.trust.seen").exists()


def test_observe_without_a_file_stays_in_memory(town):
    bundle = town.bundle()
    bundle.observe(AT + 5 * DAY)
    assert bundle.seen.last_seen == int((AT + 5 * DAY).timestamp())
    assert refusal(lambda: bundle.check_time(AT)) == "clock"


def test_a_bundle_with_another_status_list_shares_the_memory(town):
    bundle = town.bundle()
    other = bundle.with_status(town.city.status())
    other.observe(AT + 5 * DAY)
    assert refusal(lambda: bundle.check_time(AT)) == "clock"


def test_missing_files(town, files):
    with pytest.raises(TrustError, match="No such file"):
        TrustBundle.load(files / "none", root=files / "root.json")
    with pytest.raises(TrustError, match="No such file"):
        TrustBundle.load(files / "kr.trust", root=files / "none")


def test_a_root_that_is_too_large_to_be_one(town, files):
    (files / "root.json").write_bytes(b" " * (1024 * 1024 + 1))
    with pytest.raises(TrustError, match="more than"):
        TrustBundle.load(files / "kr.trust", root=files / "root.json")


@pytest.mark.parametrize(
    "change",
    [
        {"authorities.json": None},
        {"meta.json": None},
        {"other.json": b"{}"},
        {"types/resident/household.txt": b"x"},
        {"policies/x.toml": b"\xff"},
    ],
)
def test_signed_but_wrong(town, change):
    targets = {name: raw for name, raw in (town.builder().targets(at=AT) | change).items() if raw is not None}
    with pytest.raises(TrustError, match="the bundle is wrong"):
        TrustBundle.loads(town.sign(targets), root=town.root, seen=None)


def test_a_status_list_named_by_the_trust_list(town):
    with pytest.raises(ValueError, match="belong to the status role"):
        town.sign(town.builder().targets(at=AT) | {"status/0.cwt": b"x"})


def test_policies_and_types(town):
    builder = town.builder()
    builder.add_policy("bank.address-change", "purpose = 'x'\n")
    builder.add_types({"resident/household.toml": "this is no certificate type"})
    bundle = town.bundle(builder)
    assert dict(bundle.policies) == {"bank.address-change": "purpose = 'x'\n"}
    with pytest.raises(CatalogError):
        _ = bundle.catalog


def test_the_whole_catalogue_travels(town):
    builtin = Catalog.builtin()
    builder = town.builder()
    builder.add_types(builtin.texts())
    bundle = town.bundle(builder)
    assert list(bundle.catalog) == list(builtin)
    assert bundle.catalog[CITY_TYPE].vct == builtin[CITY_TYPE].vct
    assert bundle.summary(at=AT)["types"] == len(builtin)


def test_a_bundle_without_types_has_an_empty_catalogue(town):
    bundle = town.bundle()
    assert isinstance(bundle.catalog, Catalog)
    assert len(bundle.catalog) == 0
    assert bundle.catalog is bundle.catalog


def test_summary_is_json_for_people_and_tools(town):
    builder = town.builder()
    builder.add_status(town.city.status())
    builder.add_status(town.court.status(key=town.city.status_key))
    builder.add_policy("bank.address-change", "")
    summary = town.bundle(builder, version=2).summary(at=AT)
    assert json.loads(json.dumps(summary, ensure_ascii=False)) == summary
    assert (summary["version"], summary["age"], summary["readers"]) == (2, 86400, 1)
    assert summary["policies"] == ["bank.address-change"]
    assert summary["authorities"][0]["id"] == CITY
    assert {each["uri"]: (each["age"], each["problem"]) for each in summary["status_lists"]} == {
        CITY_LIST: (6 * 3600, None),
        town.court.list_uri: (None, "status_signature"),
    }


def test_a_list_that_is_not_there_is_no_problem_but_no_answer_either(town):
    assert town.bundle().status_list(CITY_LIST) is None
    assert town.bundle().status_problem(CITY_LIST) is None


def test_build_is_read_back_before_it_is_handed_out(town):
    def build(builder, **changes):
        usual = {"version": 1, "roots": [town.root], "signers": [town.key], "at": AT, "expires": AT + DAY}
        return builder.build(**usual | changes)

    builder = town.builder()
    builder.add_status(town.city.status())
    assert TrustBundle.loads(build(builder), root=town.root, seen=None).status_list(CITY_LIST)
    with pytest.raises(ValueError, match="bundle_expired"):
        build(builder, expires=AT)
    with pytest.raises(ValueError, match="too few"):
        build(builder, signers=[SoftwareSigner.generate()])
    with pytest.raises(ValueError, match="too few"):
        build(builder, signers=[])
    builder.add_status(town.court.status(key=SoftwareSigner.generate()))
    with pytest.raises(ValueError, match="status_signature"):
        build(builder)


def test_build_refuses_a_signer_that_no_terminal_would_accept(town):
    late = town.city.certify(SoftwareSigner.generate(), uri="https://other.example")
    with pytest.raises(ValueError, match="another issuer"):
        town.builder(city={"signers": [[late]]}).build(
            version=1, roots=[town.root], signers=[town.key], at=AT, expires=AT + DAY
        )


def test_names_have_both_languages():
    with pytest.raises(KeyError):
        PackBuilder(production=True, name={"ko": "목록"})


def test_a_root_names_every_role(town):
    roles = single_key(town.key.public_key)
    with pytest.raises(ValueError, match="names keys"):
        new_root(version=1, roles={"root": roles["root"]}, signers=[town.key], expires=AT)
    with pytest.raises(ValueError, match="too few"):
        new_root(version=1, roles=roles, signers=[], expires=AT)
    with pytest.raises(ValueError, match="offset"):
        new_root(version=1, roles=roles, signers=[town.key], expires=AT.replace(tzinfo=None))


@pytest.mark.parametrize("curve", ["p384", "ed25519"])
def test_other_keys_of_ours_sign_bundles_too(town, curve):
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    made = ec.generate_private_key(ec.SECP384R1()) if curve == "p384" else ed25519.Ed25519PrivateKey.generate()
    key = SoftwareSigner(made)
    root = new_root(version=1, roles=single_key(key.public_key), signers=[key], expires=AT + DAY)
    raw = town.builder().build(version=1, roots=[root], signers=[key], at=AT, expires=AT + DAY)
    assert TrustBundle.loads(raw, root=root, seen=None).version == 1


def test_importing_loads_no_slow_package():
    script = "import sys, vcred.trust, vcred.status; print([m for m in sys.modules if m in ('tuf', 'jwt', 'cryptography.x509')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_known_signer_costs_no_parsing_and_no_signature_check(town, monkeypatch):
    bundle = town.bundle()
    ways = ({"kid": town.city.key.public_key.kid}, {"x5c": (town.city.signer,)})
    for way in ways:
        resolve(bundle, **way)
    from vcred.trust import x509

    def never(*_args, **_kwargs):
        raise AssertionError("a certificate was looked at again")

    monkeypatch.setattr(x509, "verify_chain", never)
    monkeypatch.setattr(x509, "read_certificate", never)
    for way in ways:
        assert resolve(bundle, code=CITY_TYPE, at=AT + timedelta(hours=1), **way).authority.id == CITY
