"""The credential endpoint: what it issues, to whom, and what it refuses (OpenID4VCI 1.0 section 8)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.services.credential_kit import ADMIN, OTHER, Holder, apply, opened
from tests.services.issuer_kit import (  # noqa: F401 - fixtures
    BASE,
    CATALOG,
    CONFIGURATION,
    Authority,
    clock,
    serve,
    service,
    target,
)
from vcred.catalog.age import kst_date
from vcred.errors import SigningError
from vcred.formats._wire import b64u_encode, dump_json
from vcred.keys import SoftwareSigner
from vcred.oid4vci import build_key_attestation

pytestmark = pytest.mark.loopback


@pytest.fixture
def service(serve):  # noqa: F811 - with an admin
    return serve(admin_tokens=ADMIN)


@pytest.fixture
def holder(service):
    return Holder.of(service)


def copies(service):
    return len(service.store.entries())


def refused(answer, error, status=400):
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["error"] == error, body
    allowed = {*range(0x20, 0x22), *range(0x23, 0x5C), *range(0x5D, 0x7F)}
    assert {ord(one) for one in body.get("error_description", "")} <= allowed
    assert answer.headers["cache-control"] == "no-store"
    return body


@pytest.mark.parametrize("configuration", [CONFIGURATION, OTHER])
def test_a_credential_is_bound_to_the_key_that_was_proven(holder, configuration):
    (found,) = holder.take(configuration=configuration)
    assert found.holder_key == holder.keys[0].public_key
    assert found.claims["issuedOn"] == kst_date(holder.service.clock()).isoformat()


def test_a_batch_has_a_key_and_an_unpredictable_status_entry_for_each_copy(holder, service):
    answer = holder.ask(holder.wanted(*(holder.proof() for _ in range(5))))
    found = opened(service, answer)
    assert [one.holder_key for one in found] == [key.public_key for key in holder.keys]
    places = {(one.status.uri, one.status.index) for one in found}
    assert len(places) == 5
    assert len({one.issued_at for one in found}) == 1
    assert found[0].issued_at % 3600 == 0
    assert answer.json()["notification_id"]


def test_an_identifier_is_needed_where_the_token_names_one_and_only_there(service):
    holder = Holder.of(service, detailed=(CONFIGURATION,))
    (details,) = holder.tokens["authorization_details"]
    (name,) = details["credential_identifiers"]
    refused(holder.ask(holder.wanted()), "invalid_credential_request")
    assert holder.ask(holder.wanted(credential_configuration_id=None, credential_identifier=name)).status_code == 200
    other = Holder.of(service)
    wanted = other.wanted(credential_configuration_id=None, credential_identifier=name)
    refused(other.ask(wanted), "unknown_credential_identifier")
    refused(other.ask(other.wanted(credential_identifier=name)), "invalid_credential_request")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"nonce": None}, "invalid_proof"),
        ({"nonce": ""}, "invalid_proof"),
        ({"nonce": "bm90IG91cnM"}, "invalid_nonce"),
        ({"audience": "https://other.example"}, "invalid_proof"),
        ({"client_id": "https://other.example"}, "invalid_proof"),
        ({"minutes": -10}, "invalid_proof"),
        ({"minutes": 10}, "invalid_proof"),
    ],
    ids=[
        "CI-01 no nonce",
        "CI-01 an empty nonce",
        "CI-01 another issuer's nonce",
        "CI-02 another audience",
        "CI-02 another client",
        "CI-02 ten minutes ago",
        "CI-02 in ten minutes",
    ],
)
def test_ci_01_ci_02_a_proof_that_proves_something_else(holder, service, changed, error):
    changed = dict(changed)
    if "minutes" in changed:
        changed["at"] = service.clock() + timedelta(minutes=changed.pop("minutes"))
    refused(holder.ask(holder.wanted(holder.proof(**changed))), error)
    assert copies(service) == 0


def test_ci_01_a_nonce_is_used_once_and_expires(holder, service, clock):  # noqa: F811 - fixtures
    nonce = holder.c_nonce()
    assert holder.ask(holder.wanted(holder.proof(nonce=nonce))).status_code == 200
    refused(holder.ask(holder.wanted(holder.proof(nonce=nonce))), "invalid_nonce")
    old = holder.c_nonce()
    clock.forward(seconds=301)
    refused(holder.ask(holder.wanted(holder.proof(nonce=old))), "invalid_nonce")
    proof_nonce = service.nonce()
    refused(holder.ask(holder.wanted(holder.proof(nonce=proof_nonce))), "invalid_nonce")
    assert copies(service) == 1


def test_ci_01_one_used_nonce_spoils_a_batch_and_spends_none(holder, service):
    used, fresh = holder.c_nonce(), holder.c_nonce()
    assert holder.ask(holder.wanted(holder.proof(nonce=used))).status_code == 200
    refused(holder.ask(holder.wanted(holder.proof(nonce=fresh), holder.proof(nonce=used))), "invalid_nonce")
    assert holder.ask(holder.wanted(holder.proof(nonce=fresh))).status_code == 200
    assert copies(service) == 2


def forged(holder, *, drop=(), **header):
    """A proof whose header is changed, and which is signed all the same."""
    signer = SoftwareSigner.generate()
    head = {"alg": "ES256", "typ": "openid4vci-proof+jwt", "jwk": signer.public_key.to_jwk()} | header
    head = {name: value for name, value in head.items() if name not in drop}
    at = int(holder.service.clock().timestamp())
    claims = dump_json({"aud": BASE, "iat": at, "nonce": holder.c_nonce()})
    signed = f"{b64u_encode(dump_json(head))}.{b64u_encode(claims)}".encode()
    return (signed + b"." + b64u_encode(signer.sign(signed)).encode()).decode()


JWK = SoftwareSigner.generate().public_key.to_jwk()


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"alg": "none"},
        {"alg": "HS256"},
        {"kid": "did:example:1#1"},
        {"x5c": ["MAA="]},
        {"jwk": JWK | {"d": "AA"}},
        {"jwk": JWK | {"x": b64u_encode(bytes(31) + b"\1")}},
        {"jwk": {"kty": "oct", "k": "c2VjcmV0"}},
        {"jwk": JWK},
    ],
    ids=[
        "CI-02 another typ",
        "CI-02 alg none",
        "CI-02 a MAC",
        "CI-03 jwk and kid",
        "CI-03 jwk and x5c",
        "CI-04 a private key",
        "CI-04 off the curve",
        "CI-04 a symmetric key",
        "CI-04 signed with another key",
    ],
)
def test_ci_02_ci_03_ci_04_a_proof_with_a_bad_header(holder, service, header):
    refused(holder.ask(holder.wanted(forged(holder, **header))), "invalid_proof")
    assert copies(service) == 0


def test_ci_05_more_proofs_than_the_batch_size_and_one_key_twice(holder, service):
    nonce, key = holder.c_nonce(), SoftwareSigner.generate()
    refused(holder.ask(holder.wanted(*[holder.proof(key, nonce=nonce)] * 200)), "invalid_proof")
    refused(holder.ask(holder.wanted(*(holder.proof(key, nonce=nonce) for _ in range(2)))), "invalid_proof")
    assert copies(service) == 0
    assert holder.ask(holder.wanted(holder.proof(key, nonce=nonce))).status_code == 200
    refused(holder.ask(holder.wanted(holder.proof(key))), "invalid_proof")


def test_ci_06_a_configuration_that_is_unknown_or_of_another_token(service):
    mine = Holder.of(service, apply(service, configuration_ids=[CONFIGURATION]))
    refused(mine.ask(mine.wanted(configuration="no.such/dc+sd-jwt")), "unknown_credential_configuration")
    refused(mine.ask(mine.wanted(configuration=OTHER)), "unknown_credential_configuration")
    refused(mine.ask(mine.wanted(configuration="resident.household/sd-cwt")), "unknown_credential_configuration")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "invalid_credential_request"),
        (b"[]", "invalid_credential_request"),
        (b'{"credential_configuration_id":"a","credential_configuration_id":"b"}', "invalid_credential_request"),
        (b"[" * 5000, "invalid_credential_request"),
        ({"proofs": None}, "invalid_proof"),
        ({"proofs": {}}, "invalid_proof"),
        ({"proofs": {"jwt": []}}, "invalid_proof"),
        ({"proofs": {"jwt": ["a"], "attestation": ["b"]}}, "invalid_proof"),
        ({"proofs": {"di_vp": ["a"]}}, "invalid_proof"),
        ({"proofs": {'"\\\n한글': []}}, "invalid_proof"),
        ({"proofs": {"attestation": ["a.b.c"]}}, "invalid_proof"),
        ({"proof": {}}, "invalid_credential_request"),
        ({"format": "dc+sd-jwt"}, "invalid_credential_request"),
        ({"credential_configuration_id": 7}, "invalid_credential_request"),
    ],
    ids=str,
)
def test_ci_14_a_body_that_cannot_be_read(holder, body, error):
    refused(holder.ask(body if isinstance(body, bytes) else holder.wanted(**body)), error)


def test_a_body_of_another_type_is_refused(holder):
    refused(holder.ask(**{"Content-Type": "text/plain"}), "invalid_credential_request")


def test_members_nobody_defined_are_ignored(holder):
    assert holder.ask(holder.wanted(issuer_state="x", more={"a": 1})).status_code == 200


def test_ci_12_the_same_request_again_gets_the_same_credential_and_one_status_entry(holder, service, clock):  # noqa: F811
    wanted = holder.wanted()
    first = holder.ask(wanted)
    clock.forward(minutes=7)  # the proof and its nonce are over by now: what counts is that it is the same request
    again = holder.ask(wanted)
    assert (first.status_code, first.content) == (200, again.content)
    assert copies(service) == 1
    assert len(service.store.credentials_of("registry-key-17")) == 1


def test_ci_12_twenty_at_once_get_one_answer(holder, service):
    body = json.dumps(holder.wanted())
    requests = [
        ("POST", "/garam/credential", {"content": body, "headers": holder.headers("/credential")}) for _ in range(20)
    ]
    answers = service.send_all(requests)
    assert {one.status_code for one in answers} == {200}
    assert len({one.content for one in answers}) == 1
    assert copies(service) == 1


def test_one_proof_for_a_request_that_has_its_answer_is_taken_once(holder, service):
    assert Holder.of(service).ask().status_code == 200  # the first of a list makes the list
    body = json.dumps(holder.wanted()).encode()
    first, second = ({"content": body, "headers": holder.headers("/credential")} for _ in range(2))
    at_once = service.send_all([("POST", "/garam/credential", first)] * 4)
    assert sorted(one.status_code for one in at_once) == [200, 401, 401, 401]
    both = service.send_all([("POST", "/garam/credential", one) for one in (second, first)])
    assert [one.status_code for one in both] == [200, 401]
    assert service.send_all([("POST", "/garam/credential", second)])[0].status_code == 401


def test_ci_12_another_token_is_another_request(holder, service):
    wanted = holder.wanted()
    assert holder.ask(wanted).status_code == 200
    refused(Holder.of(service, holder.application).ask(wanted), "invalid_nonce")


def test_ci_13_an_idempotency_key_names_one_request(holder, service, clock):  # noqa: F811 - as above
    wanted, key = holder.wanted(), {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
    first = holder.ask(wanted, **key)
    assert first.status_code == 200
    assert holder.ask(wanted, **key).content == first.content
    other = holder.ask(holder.wanted(), **key)
    assert other.status_code == 409
    assert other.headers["content-type"] == "application/problem+json"
    assert copies(service) == 1
    later = holder.refreshed()
    assert later.ask(wanted, **key).content == first.content, "the key means the same under a fresh token"
    assert Holder.of(service).ask(**key).status_code == 200, "somebody else's key is another one"
    refused(holder.ask(**{"Idempotency-Key": "a" * 256}), "invalid_credential_request")


def test_a_fresh_token_gets_fresh_copies_until_the_application_is_withdrawn(holder, service, clock):  # noqa: F811
    (first,) = holder.take()
    clock.forward(days=40)
    (fresh,) = holder.refreshed().take()
    assert fresh.issued_at > first.issued_at
    assert fresh.status.index != first.status.index
    later = holder.refreshed()
    service.parts.applications.withdraw(holder.application.id, by="clerk", revoke=True, at=clock())
    assert later.ask().status_code == 401
    assert all(service.store.state(one) == 1 for one in service.store.credentials_of("registry-key-17"))


def test_a_denied_application_is_denied(service, clock):  # noqa: F811 - as above
    holder = Holder.of(service)
    service.parts.applications.deny(holder.application.id, by="clerk", at=clock())
    refused(holder.ask(), "credential_request_denied")


def changed_record(service, **values):
    kind = CATALOG["resident.personal"]
    service.parts.issuer._records.override("resident.personal", dict(kind.sample) | values)


def test_op_11_a_record_that_changed_since_the_application_is_not_signed(holder, service):
    changed_record(service, name="김가상")
    refused(holder.ask(), "credential_request_denied")
    assert copies(service) == 0
    (found,) = Holder.of(service).take()
    assert found.claims["name"] == "김가상"


def test_op_11_after_the_first_issue_a_refresh_says_what_the_record_says(holder, service):
    holder.take()
    changed_record(service, name="김가상")
    (found,) = holder.refreshed().take()
    assert found.claims["name"] == "김가상"


class Failing:
    """A signer that does not sign while ``broken``: its session was dropped, its PIN is locked, the token is gone."""

    def __init__(self, signer):
        self.public_key, self._signer, self.broken = signer.public_key, signer, True

    def sign(self, message):
        if self.broken:
            raise SigningError("the token is gone")
        return self._signer.sign(message)


def test_op_01_op_02_a_signer_that_fails_costs_nothing_and_rings(holder, service):
    issuer = service.parts.issuer
    failing = Failing(issuer.profile.signer)
    object.__setattr__(issuer.profile, "signer", failing)
    wanted = holder.wanted(*(holder.proof() for _ in range(3)))
    for _ in range(2):
        answer = holder.ask(wanted)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
    assert copies(service) == 0
    assert "vcred_issuer_signing_failures_total 2.0" in service.parts.metrics.text().decode()
    failing.broken = False
    assert len(opened(service, holder.ask(wanted))) == 3, "the very same request, although its nonces were used up"
    assert copies(service) == 3
    assert service.store.check_audit()


def test_op_03_a_signer_that_ended_signs_nothing(holder, service, clock):  # noqa: F811 - as above
    service.parts.issuer._document_signer.not_after = int(clock().timestamp()) - 1
    assert holder.ask().status_code == 503
    assert copies(service) == 0


def test_op_04_a_database_that_was_killed_gives_the_same_credential(request, tmp_path, clock):  # noqa: F811 - fixtures
    from tests.services.issuer_kit import Service

    postgres = request.getfixturevalue("postgres")
    service = Service(postgres.database("op04"), tmp_path, clock)
    try:
        holder = Holder.of(service)
        wanted, headers = holder.wanted(), holder.headers("/credential")
        real = service.parts.issuer._sign

        def killed(*arguments):
            postgres.kill()
            return real(*arguments)

        service.parts.issuer._sign = killed
        lost = service.send("POST", "/garam/credential", content=json.dumps(wanted), headers=headers)
        assert lost.status_code == 503
        service.parts.issuer._sign = real
        postgres.start()
        first = holder.ask(wanted)
        assert first.status_code == 200, first.text
        assert holder.ask(wanted).content == first.content
        assert copies(service) == 1
    finally:
        service.close()


def test_op_08_after_the_kill_switch_nothing_is_delivered_in_any_process(holder, service):
    other = service.again()
    try:
        wanted = holder.wanted()
        assert holder.ask(wanted).status_code == 200
        other.parts.issuer.stop(reason="key compromised", at=service.clock())
        bodies = [json.dumps(holder.wanted()) for _ in range(20)]
        requests = [
            ("POST", "/garam/credential", {"content": b, "headers": holder.headers("/credential")}) for b in bodies
        ]
        assert {one.status_code for one in service.send_all(requests)} == {503}
        assert holder.ask(wanted).status_code == 503, "what was delivered is not delivered again either"
        assert copies(service) == 1
        other.parts.issuer.start(at=service.clock())
        assert holder.ask(wanted).status_code == 200
    finally:
        other.close()


def test_two_processes_on_one_database_need_no_sticky_sessions(holder, service):
    other = service.again()
    try:
        wanted = holder.wanted()
        assert holder.ask(wanted, service=other).content == holder.ask(wanted).content
        assert copies(service) == 1
    finally:
        other.close()


def attested(holder, attester, keys, **more):
    return build_key_attestation(
        attester.key,
        [key.public_key for key in keys],
        at=holder.service.clock(),
        lifetime=timedelta(hours=1),
        x5c=(attester.leaf,),
        **({"nonce": holder.c_nonce()} | more),
    )


def test_attested_keys_get_a_copy_each_and_unattested_ones_none(serve, tmp_path):  # noqa: F811 - fixtures
    attester, stranger = Authority("새솔 지갑"), Authority("낯선 지갑")
    service = serve(
        require_key_attestation=True, key_attesters=[{"certificates": str(attester.pem(tmp_path / "keys.pem"))}]
    )
    holder = Holder.of(service)
    keys = [SoftwareSigner.generate() for _ in range(3)]
    proof = holder.proof(keys[0], key_attestation=attested(holder, attester, keys))
    found = opened(service, holder.ask(holder.wanted(proof)))
    assert [one.holder_key for one in found] == [key.public_key for key in keys]
    more = [SoftwareSigner.generate() for _ in range(2)]
    answer = holder.ask(holder.wanted(proofs={"attestation": [attested(holder, attester, more)]}))
    assert len(opened(service, answer)) == 2
    refused(holder.ask(), "invalid_proof")
    forged = attested(holder, stranger, more)
    refused(holder.ask(holder.wanted(holder.proof(more[0], key_attestation=forged))), "invalid_proof")
    other = holder.proof(SoftwareSigner.generate(), key_attestation=attested(holder, attester, more))
    refused(holder.ask(holder.wanted(other)), "invalid_proof")
    stale = attested(holder, attester, [SoftwareSigner.generate()], nonce="bm90IG91cnM")
    refused(holder.ask(holder.wanted(proofs={"attestation": [stale]})), "invalid_nonce")
