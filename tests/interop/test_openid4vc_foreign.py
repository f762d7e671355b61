"""Credentials that are not ours at all: a PID and an mDL by other people's libraries, of other certificate profiles.

Their issuer (@openid4vc/*, @sd-jwt/*, @owf/mdoc) -> ``vcred wallet receive`` -> ``vcred wallet list`` -> ``vcred wallet
present`` -> our verifier's service, over TLS.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.hostile.test_tr_profiles import HAIP, ISO
from tests.hostile.test_tr_profiles import Authority as Abroad
from tests.interop.kit import private_jwk
from tests.services.test_wallet_cli import Shell
from tests.services.town import API_KEY, Town
from vcred.catalog import Catalog
from vcred.keys import SoftwareSigner
from vcred.trust import Purpose

pytestmark = [pytest.mark.loopback, pytest.mark.slow]

FOLDER = Path(__file__).parents[2] / "docs" / "conformance"
DAY = timedelta(days=1)
SPACE, MDL = "org.iso.18013.5.1", "org.iso.18013.5.1.mDL"
PROOF = {"jwt": {"proof_signing_alg_values_supported": ["ES256"]}}
PERSON = {"given_name": "Jean", "family_name": "Dupont", "birthdate": "1980-05-23", "nationalities": ["BE", "FR"]}
LICENCE = {
    "family_name": "Doe",
    "given_name": "Jane",
    "birth_date": {"date": "1990-01-01"},
    "issue_date": {"date": "2026-01-01"},
    "expiry_date": {"date": "2031-01-01"},
    "issuing_country": "NL",
    "issuing_authority": "nobody asks for it",
    "document_number": "123456789",
    "portrait": {"bytes": base64.b64encode(b"\xff\xd8\xff\xe0 not looked at").decode()},
    "driving_privileges": [{"vehicle_category_code": "B"}],
    "un_distinguishing_sign": "NL",
    "age_over_18": True,
}


def texts(*names):
    return {name: (FOLDER / name).read_text(encoding="utf-8") for name in names}


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    catalog = Catalog.from_texts(Catalog.builtin().texts() | texts("pid.toml", "mdl.toml"))
    policies = [FOLDER / "pid-policy.toml", FOLDER / "mdl-policy.toml"]
    now = lambda: datetime.now(UTC)  # noqa: E731 - a clock
    where = lambda name: f"sqlite:///{folder / name}.db"  # noqa: E731 - a place
    with Town(folder, clock=now, database=where, catalog=catalog, verifier={"policies": policies}) as opened:
        yield opened


@pytest.fixture
def there(node, town):
    """Where their services are."""
    tls = town.tls.server()
    yield node.call("theirs.listen", key=tls.key.read_text(), certificate=tls.certificate.read_text())
    node.call("theirs.close")


class Abroads:
    """Their authority: a root that the trust list names with its profile, and a signer below it."""

    def __init__(self, town, url, *, profile, code):
        now = datetime.now(UTC)
        span = {"start": now - DAY, "end": now + 400 * DAY}
        self.authority, self.key = Abroad(), SoftwareSigner.generate()
        root = self.authority.certify(self.authority.key, subject=self.authority.name, ca=True, **span)
        made = self.authority.document_signer if profile is ISO else self.authority.certify
        self.leaf = made(key=self.key.crypto, hosts=(str(urlsplit(url).hostname),), **span)
        entry = {"id": url, "purpose": Purpose.ISSUER, "anchors": [root], "types": [code], "profile": profile}
        town.foreign[:] = [entry]
        town.publish()


def offered(node, url, abroad, credentials, **more):
    return node.call(
        "theirs.offer",
        url=url,
        signingKey=private_jwk(abroad.key),
        chain=[base64.b64encode(abroad.leaf).decode()],
        tokenKey=private_jwk(SoftwareSigner.generate()),
        credentials=credentials,
        **more,
    )


def about(form, **more):
    return {
        "format": form,
        "scope": form,
        "cryptographic_binding_methods_supported": ["jwk" if form == "dc+sd-jwt" else "cose_key"],
        "credential_signing_alg_values_supported": ["ES256" if form == "dc+sd-jwt" else -7],
        "proof_types_supported": PROOF,
        "credential_metadata": {"display": [{"name": "Theirs", "locale": "en"}]},
        **more,
    }


def pid(url):
    now = datetime.now(UTC)
    span = {"iat": int(now.timestamp()), "exp": int((now + 80 * DAY).timestamp())}
    claims = PERSON | {"iss": url, "vct": "urn:eudi:pid:1"} | span
    frame = {"_sd": list(PERSON)}
    return {"pid": {"metadata": about("dc+sd-jwt", vct="urn:eudi:pid:1"), "claims": claims, "frame": frame}}


def mdl():
    return {"mdl": {"metadata": about("mso_mdoc", doctype=MDL), "doctype": MDL, "namespaces": {SPACE: LICENCE}}}


def issued():
    now = datetime.now(UTC)
    return {"signed": int(now.timestamp()), "until": int((now + 80 * DAY).timestamp())}


def verdict(town, made, redirect):
    code = town.call("GET", redirect, token=None)["code"]
    return town.call("GET", f"{town.verifier_url}/api/requests/{made['id']}?code={code}", token=API_KEY)


@pytest.mark.parametrize("kind", ["pid", "mdl"])
def test_a_foreign_credential_is_received_listed_and_shown(node, town, there, tmp_path, kind):
    profile = HAIP if kind == "pid" else ISO
    abroad = Abroads(town, there, profile=profile, code=f"test.{kind}")
    offer = offered(node, there, abroad, pid(there) if kind == "pid" else mdl(), issued=issued())
    shell = Shell(tmp_path, town)
    form = "dc+sd-jwt" if kind == "pid" else "mso_mdoc"

    shown = shell.online("receive", offer, typed="y\ny\n")
    assert "Haneul City (fictitious) (for tests)" in shown.output
    assert "5/5" in shown.output
    assert node.call("theirs.seen")["events"] == ["credential_accepted"]
    (held,) = json.loads(shell("list", "--json").stdout)
    assert (held["code"], held["formats"], held["issuer"]) == (f"test.{kind}", [form], there)
    name = {"pid": "Test person identification", "mdl": "Test mobile driving licence"}[kind]
    assert name in shell("list").output
    assert {"pid": "Dupont", "mdl": "Doe"}[kind] in shell("show", held["id"]).output

    made = town.ask_for(f"test.{kind}")
    told = json.loads(shell.online("present", made["link"], "--yes", "--json").stdout)
    wanted = {
        "pid": {"birthdate", "nationalities"},
        "mdl": {"family_name", "given_name", "birth_date", "issuing_country"},
    }[kind]
    assert {one["path"] for one in told["shown"]} == wanted
    seen = verdict(town, made, told["redirect_uri"])
    assert seen["outcome"] == "ACCEPTED", seen
    claims = seen["result"]["claims"]["who"]
    assert set(claims) == wanted
    assert claims.get("birthdate", claims.get("birth_date")) in ("1980-05-23", "1990-01-01")
    (entry,) = json.loads(shell("history", "--json").stdout)
    assert entry["registered"]


def test_a_foreign_credential_of_another_profile_than_the_list_says_is_not_kept(node, town, there, tmp_path):
    abroad = Abroads(town, there, profile=ISO, code="test.mdl")
    now = datetime.now(UTC)
    abroad.leaf = abroad.authority.certify(key=abroad.key.crypto, start=now - DAY, end=now + DAY)
    offer = offered(node, there, abroad, mdl(), issued=issued())
    shell = Shell(tmp_path, town)
    result = shell.online("receive", offer, "--yes", "--json", code=1)
    error = json.loads(result.stdout)["error"]
    assert (error["kind"], error["code"]) == ("refused", "chain")
    assert "Nothing was kept" in error["message"]
    assert json.loads(shell("list", "--json").stdout) == []


def test_a_type_that_the_authority_may_not_issue_is_not_kept(node, town, there, tmp_path):
    abroad = Abroads(town, there, profile=HAIP, code="test.mdl")
    shell = Shell(tmp_path, town)
    offer = offered(node, there, abroad, pid(there), issued=issued())
    error = json.loads(shell.online("receive", offer, "--yes", "--json", code=1).stdout)["error"]
    assert error["code"] == "scope"
