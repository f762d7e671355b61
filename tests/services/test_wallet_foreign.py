"""Our wallet holds what other people's authorities issue: a PID under HAIP's profile, an mDL under ISO's.

The issuer is ``Peer`` with credentials made by hand, the verifier our own service; ``tests/interop`` does the same with
an issuer of npm packages.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from tests.hostile.test_tr_profiles import HAIP, ISO
from tests.services.test_verifier_foreign import (
    AT,
    LICENCE,
    MDL,
    NOW,
    PID,
    SPACE,
    SUITE,
    bundle_of,
    suite_of,  # noqa: F401 - a fixture
)
from tests.services.test_wallet_receive import link
from tests.services.wallet_kit import AsgiHttp, Clock
from tests.services.wallet_peer import Peer
from vcred.credential import Content
from vcred.errors import RefusedError
from vcred.formats._cbor import Tagged
from vcred.formats._cose import ALG, X5CHAIN, prepare_sign1
from vcred.formats._mdoc_items import make_items
from vcred.formats._mdoc_mso import write_mso
from vcred.formats._mdoc_response import write_issuer_signed
from vcred.keys import PublicKey, SoftwareSigner
from vcred.reasons import ReasonCode
from vcred.testing import World
from wallet import MemoryStore, Wallet
from wallet.client import Online

WHOLE = LICENCE | {
    "issue_date": Tagged(1004, "2026-01-01"),
    "expiry_date": Tagged(1004, "2031-01-01"),
    "document_number": "123456789",
    "driving_privileges": [{"vehicle_category_code": "B"}],
}


def b64u(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Stranger(Peer):
    """An issuer whose credentials nothing of ours makes the whole of. ``changed`` are members of a PID's payload."""

    def __init__(self, suite: Any, form: str, **changed: Any) -> None:
        super().__init__(World(at=AT))
        self.sort, self.changed = form, changed
        self.signer = SoftwareSigner.generate()
        key = self.signer.crypto
        self.leaf = (
            suite.authority.document_signer(key=key)
            if form == "mso_mdoc"
            else suite.authority.certify(key, hosts=(str(urlsplit(SUITE).hostname),))
        )
        kind = {"doctype": MDL} if form == "mso_mdoc" else {"vct": "urn:eudi:pid:1"}
        self.configurations = {"theirs": {"format": form, **kind}}
        self.dpop_nonce = None

    def credentials(self, request: dict[str, Any], keys: list[PublicKey]) -> dict[str, Any]:
        made = [self.mdl(key) if self.sort == "mso_mdoc" else self.pid(key) for key in keys]
        return {"credentials": [{"credential": one} for one in made], "notification_id": "n-1"}

    def pid(self, holder: PublicKey) -> str:
        rows = [b64u(json.dumps([secrets.token_urlsafe(16), name, value]).encode()) for name, value in PID.items()]
        payload = {
            "iss": SUITE,
            "vct": "urn:eudi:pid:1",
            "iat": NOW - 86400,
            "exp": NOW + 86400,
            "cnf": {"jwk": holder.to_jwk()},
            "_sd": sorted(b64u(hashlib.sha256(row.encode()).digest()) for row in rows),
            "_sd_alg": "sha-256",
            "issuing_authority": "theirs",
        } | self.changed
        header = {"typ": "dc+sd-jwt", "x5c": [base64.b64encode(self.leaf).decode()]}
        body = {name: value for name, value in payload.items() if value is not None}
        return "~".join([jwt.encode(body, self.signer.crypto, "ES256", headers=header), *rows, ""])

    def mdl(self, holder: PublicKey) -> str:
        items, digests = make_items(WHOLE, decoys=0)
        times = {"issued_at": NOW - 86400, "expires_at": NOW + 86400}
        content = Content(vct=MDL, issuer=SUITE, claims={}, holder_key=holder, **times)
        auth = prepare_sign1({ALG: -7}, {X5CHAIN: self.leaf}, write_mso(content, MDL, {SPACE: digests}), tagged=False)
        return b64u(write_issuer_signed({SPACE: items}, auth.complete(self.signer.sign(auth.signing_input))))


class Internet:
    """``Http`` to the stranger, and to our verifier's service."""

    def __init__(self, stranger: Stranger, suite: Any) -> None:
        self.stranger = stranger
        self.verifier = AsgiHttp(**{"verifier.test.example": suite.client._app})

    def send(self, method: str, url: str, **more: Any) -> Any:
        own = urlsplit(url).hostname in self.verifier.apps
        return (self.verifier if own else self.stranger).send(method, url, **more)


@pytest.fixture
def meeting(suite_of: Any) -> Any:  # noqa: F811 - the fixture
    """A stranger, our wallet whose trust list names his authority, and the verifier that names it, too."""

    def make(form: str, *, listed: Any = None, **changed: Any) -> tuple[Stranger, Online, Any]:
        profile, code = (ISO, "test.mdl") if form == "mso_mdoc" else (HAIP, "test.pid")
        suite = suite_of(profile=profile, code=code)
        stranger = Stranger(suite, form, **changed)
        trust = bundle_of(listed or suite.authority, profile=profile, code=code, reader=suite.reader)
        wallet = Wallet(store=MemoryStore(), trust=trust)
        return stranger, Online(wallet, http=Internet(stranger, suite), clock=Clock(AT)), suite

    return make


@pytest.mark.parametrize(
    ("form", "changed"),
    [("dc+sd-jwt", {}), ("dc+sd-jwt", {"iss": None}), ("mso_mdoc", {})],
    ids=["pid", "pid-without-iss", "mdl"],
)
def test_what_a_foreign_authority_issued_is_held_and_shown(meeting: Any, form: str, changed: dict[str, Any]) -> None:
    stranger, online, suite = meeting(form, **changed)
    consent = online.fetch(online.look(link(stranger.offer())))
    assert [one.problem for one in consent.credentials] == [None]
    (held,) = consent.approve().certificates
    code = "test.mdl" if form == "mso_mdoc" else "test.pid"
    assert (held.code, held.issuer, held.formats, held.total) == (code, SUITE, (form,), 3)
    assert stranger.notified == [{"notification_id": "n-1", "event": "credential_accepted"}]
    assert [one.id for one in online.wallet.certificates()] == [held.id]
    headers = {"Authorization": "Bearer conformance"}
    wish = {"policy": code, "device": "cross_device"}
    made = suite.client.request("POST", "/api/requests", headers=headers, json=wish).json()
    asked = online.fetch_request(online.look_request(made["link"]))
    assert asked.consent.verifier.registered
    assert asked.consent.reasons == ()
    answer = asked.answer(asked.consent.approve())
    carry = suite.client.request("GET", urlsplit(answer.redirect).path, headers={"accept": "application/json"})
    place = f"/api/requests/{made['id']}?code={carry.json()['code']}"
    seen = suite.client.request("GET", place, headers=headers).json()
    assert seen["outcome"] == "ACCEPTED", seen
    shown = seen["result"]["claims"]["who"]
    if form == "mso_mdoc":
        assert set(shown) == {"family_name", "given_name", "birth_date", "issuing_country"}
    else:
        plain = {"issuing_authority": "theirs"}
        (choice,) = asked.consent.chosen.values()
        assert [str(one.path) for one in choice.always] == list(plain)
        assert shown == {"birthdate": "1980-05-23", "nationalities": ["BE"]} | plain
    (entry,) = online.wallet.history()
    assert entry.registered


@pytest.mark.parametrize(
    ("form", "changed", "code"),
    [
        ("dc+sd-jwt", {"iss": "https://elsewhere.example"}, ReasonCode.ISSUER),
        ("dc+sd-jwt", {"vct": "urn:eudi:pid:2"}, ReasonCode.VCT),
        ("dc+sd-jwt", {"exp": NOW - 1}, ReasonCode.EXPIRED),
        ("dc+sd-jwt", {"exp": None}, ReasonCode.EXPIRED),
        ("dc+sd-jwt", {"cnf": None}, ReasonCode.CNF),
    ],
)
def test_what_does_not_check_out_is_not_kept(
    meeting: Any, form: str, changed: dict[str, Any], code: ReasonCode
) -> None:
    stranger, online, _ = meeting(form, **changed)
    with pytest.raises(RefusedError) as caught:
        online.fetch(online.look(link(stranger.offer()))).approve()
    assert caught.value.code is code
    assert online.wallet.certificates() == []
    assert stranger.notified[-1]["event"] == "credential_failure"


@pytest.mark.parametrize("form", ["dc+sd-jwt", "mso_mdoc"])
def test_an_authority_that_the_list_does_not_name_is_not_believed(meeting: Any, form: str) -> None:
    from tests.hostile.test_tr_profiles import Authority

    stranger, online, _ = meeting(form, listed=Authority())
    with pytest.raises(RefusedError) as caught:
        online.fetch(online.look(link(stranger.offer()))).approve()
    assert caught.value.code in (ReasonCode.UNTRUSTED, ReasonCode.CHAIN)
    assert online.wallet.certificates() == []
