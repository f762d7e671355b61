"""What a hostile reader of the formats tried, and what users met: asking by other names, piles, odd files."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.desk import AT as DESK_AT
from tests.desk import Desk
from tests.evidence_kit import Branch
from tests.flows.test_formats_of_a_type import only
from tests.unit.verifier.test_batch import BEARER, answered, paper
from tests.wallet_kit import AT, stranger
from tests.wallet_kit import policy as policy_text
from vcred.dcql import DcqlQuery
from vcred.errors import ConsentError, WorkerError
from vcred.oid4vp import ResponseMode
from vcred.presentation import Challenge, sign_request
from vcred.reasons import ReasonCode
from vcred.testing import World
from verifier import MemoryRequestStore, Sheet, SqliteRequestStore, Submission, VerificationPolicy, verify_many
from verifier._worker import _Bench
from verifier.batch import _Desk
from verifier.judge import request_key

CODE = "resident.personal"
VCT = "urn:vcred:kr:resident.personal:1"
VC = "VerifiableCredential"


@pytest.fixture(scope="module")
def world():
    made = World(at=AT, formats=("vc+sd-jwt", "vc+jwt"))
    made.issue(CODE)
    return made


def ask(world, form, types, *claims, identity=None, policy=None):
    """What the wallet makes of a request for W3C credentials, as any reader may write one."""
    reader = identity or world.identity
    paths = [{"path": ["credentialSubject", *path]} for path in claims]
    query = {"id": "q", "format": form, "meta": {"type_values": types}, "claims": paths}
    request = sign_request(
        DcqlQuery.parse({"credentials": [query]}),
        client_id=reader.client_id,
        freshness=Challenge(),
        nonce=bytes(16),
        purpose="시험",
        policy=policy,
        retention=None,
        at=AT,
        lifetime=timedelta(minutes=1),
        signer=reader.signer,
        x5c=reader.chain,
    )
    return world.wallet.match(request.raw, at=AT)


@pytest.mark.parametrize(
    "types", [[[VC]], [["VerifiableCredential", VCT]], [[VC], ["urn:other"]], [["urn:other"], [VC]]]
)
@pytest.mark.parametrize("form", ["vc+sd-jwt", "vc+jwt"])
def test_vp_over_asking_without_naming_the_certificate_is_over_asking(world, form, types):
    """Every W3C credential is a VerifiableCredential: a query for that asks for each of them."""
    asked = ask(world, form, types, ["rrn"], identity=stranger("가짜"))
    assert ReasonCode.OVER_ASKING in {one.code for one in asked.blocked}
    with pytest.raises(ConsentError, match="too much"):
        asked.approve()


def test_vp_over_asking_without_naming_the_certificate_under_a_policy(world):
    asked = ask(world, "vc+sd-jwt", [[VC]], ["name"], policy="bank.address-change")
    assert ReasonCode.OVER_ASKING in {one.code for one in asked.blocked}


def test_a_name_of_any_credential_may_be_asked(world):
    asked = ask(world, "vc+sd-jwt", [[VC]], ["name"], identity=stranger("가짜"))
    assert not asked.blocked
    assert [str(one.path) for one in asked.required] == ["name"]


@pytest.mark.parametrize("types", [[[VC]], [[VCT]]])
def test_vp_over_asking_by_a_format_that_hides_nothing(world, types):
    """A stranger asks for a name, in the format that shows the registration number with it."""
    asked = ask(world, "vc+jwt", types, ["name"], identity=stranger("가짜"))
    assert ReasonCode.OVER_ASKING in {one.code for one in asked.blocked}
    assert any(str(one.path).startswith("rrn") for choice in asked.chosen.values() for one in choice.always)
    with pytest.raises(ConsentError, match="too much"):
        asked.approve()


@pytest.fixture(scope="module")
def desk():
    return Desk()


@pytest.fixture
def branch(desk, tmp_path):
    made = Branch(desk, tmp_path / "evidence")
    yield made
    made.archive.close()


def online(desk, verifier, client_id, mode=ResponseMode.DIRECT_POST_JWT):
    """An online request, and its answer as it was read."""
    request = verifier.online_request(
        VerificationPolicy.preset("bank.address-change"),
        mode=mode,
        response_uri="https://desk.dasom.example/answers",
        client_id=client_id,
        at=DESK_AT,
    )
    held = desk.certificate(CODE, "dc+sd-jwt")
    return request, desk.present(request, {request.query.credentials[0].id: ("dc+sd-jwt", held)})


@pytest.mark.parametrize("name", [0, 1], ids=["x509_hash", "x509_san_dns"])
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_online_answer_gets_the_same_verdict_in_a_pile(branch, desk, workers, name):
    client_id = branch.verifier.client_ids[name]
    pairs = [online(desk, branch.verifier, client_id) for _ in range(2)]
    items = [Submission(answer=answer, request=request) for request, answer in pairs]
    pack, root = branch.first_pack, desk.tuf_root
    told = verify_many([*items, items[0]], verifier=branch.verifier, pack=pack, root=root, at=DESK_AT, workers=workers)
    told = list(told)
    assert [one.error for one in told] == [None] * 3
    assert [one.outcome for one in told] == ["ACCEPTED", "ACCEPTED", "REJECTED"]
    assert {reason.code for reason in told[2].reasons} == {ReasonCode.REPLAY}


def test_no_worker_is_given_the_key_of_an_encrypted_answer(branch, desk):
    request, answer = online(desk, branch.verifier, branch.verifier.client_id)
    assert branch.verifier._requests.get(request_key(request)).response_key
    assert _Desk(branch.verifier, DESK_AT).job(Submission(answer=answer, request=request)) is None


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_one_way_answers_that_are_remembered_do_not_slow_the_next_one(store, tmp_path, monkeypatch):
    """A day's answers at a door: what is done for each is not more for each that was there before."""
    made = MemoryRequestStore() if store == "memory" else SqliteRequestStore(tmp_path / "requests")
    steps = []
    for number in range(600):
        done = itertools.count()
        if store == "sqlite":
            made._db.set_progress_handler(lambda done=done: next(done) and 0, 1)
            made.remember([number.to_bytes(32)], until=10_000 + number, now=number)
        else:
            made._seen = Counted(made._seen, done)
            made.remember([number.to_bytes(32)], until=10_000 + number, now=number)
        steps.append(next(done))
    assert steps[599] <= steps[10] + 40
    assert not made.remember([bytes(32)], until=20_000, now=10_000)
    assert made.remember([bytes(32)], until=20_000, now=10_001)
    if store == "sqlite":
        made.close()


class Counted(dict):
    """Counts the entries that are looked through."""

    def __init__(self, entries, count):
        super().__init__(entries)
        self.count = count

    def items(self):
        for one in super().items():
            next(self.count)
            yield one


def test_a_wallet_says_before_the_visit_that_a_type_is_no_longer_in_a_format():
    world = World(at=AT, formats=("sd-cwt",))
    world.issue("tax.income")
    request = world.request(
        VerificationPolicy.load(policy_text("test.one-claim", ("one", "tax.income", ["name"], (), True), rrn="full"))
    )
    assert not world.match(request).reasons
    world.catalog = only("mso_mdoc")
    world.refresh_trust()
    found = world.match(request)
    assert {one.code for one in found.reasons} == {ReasonCode.FORMAT_NOT_ACCEPTED}
    assert {one.code for one in world.verify(world.present(request), request).reasons} >= {
        ReasonCode.FORMAT_NOT_ACCEPTED
    }


def test_what_a_worker_says_of_another_answer_counts_for_nothing(branch, desk):
    """It would use up another's request, or none at all, so that one answer is good twice."""
    bench = _Bench(branch.first_pack, desk.tuf_root, ())
    here = _Desk(branch.verifier, DESK_AT)
    items, said = [], []
    for _ in range(2):
        request, answer = answered(desk, branch.verifier)
        items.append(Submission(answer=answer, request=request))
        said.append(bench.do(here.job(items[-1])))
    jobs = [here.job(one) for one in items]
    lies = (said[1], replace(said[0], use=None), replace(said[0], use=replace(said[0].use, request=None)))
    for lie in (*lies, replace(said[0], sheet=b"paper")):
        told = here.settle(items[0], jobs[0], lie)
        assert isinstance(told.error, WorkerError)
        assert not told
    assert [bool(here.settle(*one)) for one in zip(items, jobs, said, strict=True)] == [True, True]
    sheet = Sheet(sheet=b"", policy=VerificationPolicy.preset("bank.address-change"))
    assert isinstance(here.settle(sheet, here.job(sheet), said[0]).error, WorkerError)


def test_a_stranger_burns_no_nonce_where_bearer_documents_are_taken(desk):
    """Whoever has no key needs none there; a document that nobody signed still uses nothing up."""
    verifier = desk.verifier()
    request = verifier.request(BEARER, freshness=Challenge(), at=DESK_AT, formats=("sd-cwt",))
    query = request.query.credentials[0].id
    told = verifier.verify(paper(desk)[:-1] + b"x", request=request, at=DESK_AT)
    assert {one.code for one in told.reasons} == {ReasonCode.SIGNATURE, ReasonCode.DCQL}
    held = {query: ("sd-cwt", desk.certificate(CODE))}
    assert verifier.verify(desk.present(request, held), request=request, at=DESK_AT)
