"""AR: archive and privacy. What a desk keeps stays true for years, and says no more than it must."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from issuer import Issuer, IssuerProfile
from tests.desk import AT, BANK_NAME, DAY, FORMATS, Desk, asked
from tests.evidence_kit import KEPT, NOTHING_KEPT, YEARS, Branch, codes, fresh
from vcred.catalog import Catalog
from vcred.errors import RecordError, RefusedError, StoreError
from vcred.formats import _cbor
from vcred.formats._wire import b64u_bytes, b64u_decode
from vcred.formats.base import IssuerKey
from vcred.formats.sd_cwt import SdCwt
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.issuance import Offer, build_request
from vcred.keys import SoftwareSigner
from vcred.reasons import Outcome
from vcred.testing import World
from vcred.trust.content import Withdrawal, WithdrawalReason
from verifier import EvidenceArchive, ReaderIdentity, Verifier
from verifier.auditor import Repeated
from verifier.evidence import Kind
from verifier.findings import Severity


@pytest.fixture(scope="module")
def desk():
    return Desk()


@pytest.fixture
def branch(desk, tmp_path):
    branch = Branch(desk, tmp_path / "evidence")
    yield branch
    branch.archive.close()


# AR-01


@pytest.mark.parametrize("form", FORMATS)
def test_ar_01_after_key_rotation_the_verdict_is_the_same_under_the_recorded_trust_state(branch, form):
    result, _, _ = branch.show(form=form)
    assert result
    refused, _, _ = branch.show(form=form, signer=branch.desk.stranger)
    assert refused.outcome is Outcome.REJECTED
    branch.seal()
    key, certificate = branch.rotated(AT + 30 * DAY)
    later = AT + 300 * DAY
    today = branch.pack(
        version=40,
        at=later - DAY,
        expires=later + 90 * DAY,
        signers=[branch.desk.signer, certificate],
        withdrawn=[branch.withdrawal(AT + 31 * DAY)],
        list_key=key,
    )
    report = branch.audit(at=later, bundle=today)
    assert report
    assert report.sealed == 3
    assert [one.repeated for one in report.entries] == [None, Repeated.SAME, Repeated.SAME]
    assert [one.outcome for one in report.entries] == [None, "ACCEPTED", "REJECTED"]
    # Was this key valid on the issue date: yes, and it has been superseded since.
    assert codes(report.entries[1]) == {"key_superseded"}
    (finding,) = report.entries[1].findings
    assert finding.message("ko").startswith("이 키는 발급일에 유효했고")


def test_ar_01_today_nobody_would_accept_the_same_answer_and_the_archive_still_says_why_it_was(branch):
    result, answer, request = branch.show()
    assert result
    later = AT + 40 * DAY
    today = branch.pack(version=2, at=later - DAY, expires=later + DAY, status={7: 1}, status_at=later - DAY)
    branch.seal(later)
    report = branch.audit(at=later, bundle=today)
    assert report.entries[1].repeated is Repeated.SAME
    assert codes(report.entries[1]) == {"key_valid", "revoked_since"}
    assert not Verifier(branch.load(today), branch.desk.identity()).verify(answer, request=request, at=later)


def test_ar_01_a_key_that_leaked_since_is_said_to_have_leaked(branch):
    branch.show()
    branch.seal()
    later = AT + 60 * DAY
    withdrawn = [branch.withdrawal(AT - 10 * DAY, WithdrawalReason.COMPROMISED)]
    _, certificate = branch.rotated(AT + 30 * DAY)
    signers = [branch.desk.signer, certificate]
    today = branch.load_only(version=3, at=later - DAY, expires=later + DAY, withdrawn=withdrawn, signers=signers)
    report = branch.audit(at=later, bundle=today)
    assert report, "the evidence is whole, whatever became of the key"
    assert report.entries[1].repeated is Repeated.SAME
    assert "key_compromised" in codes(report)
    assert report.worst().value == "warning"


def test_ar_01_a_key_that_was_already_replaced_on_the_day_of_issue_was_not_valid(branch):
    branch.show()
    branch.seal()
    later = AT + 60 * DAY
    _, certificate = branch.rotated(AT - 20 * DAY)
    signers = [branch.desk.signer, certificate]
    withdrawn = [branch.withdrawal(AT - 10 * DAY)]
    today = branch.load_only(version=3, at=later - DAY, expires=later + DAY, withdrawn=withdrawn, signers=signers)
    report = branch.audit(at=later, bundle=today)
    assert report.entries[1].repeated is Repeated.SAME
    (finding,) = (one for one in report.entries[1].findings if one.code.value == "key_not_valid")
    assert finding.reason.value == "key_withdrawn"


def test_ar_01_without_the_answer_the_day_of_issue_still_answers_for_the_key(branch):
    result, _, _ = branch.show(policy=NOTHING_KEPT)
    assert result, result.reasons
    branch.seal()
    later = AT + 5 * YEARS
    _, certificate = branch.rotated(AT + 30 * DAY)
    signers = [branch.desk.signer, certificate]
    withdrawn = [branch.withdrawal(AT + 31 * DAY)]
    today = branch.load_only(version=9, at=later - DAY, expires=later + DAY, withdrawn=withdrawn, signers=signers)
    report = branch.audit(at=later, bundle=today)
    assert report
    assert report.entries[1].repeated is Repeated.NO
    assert codes(report.entries[1]) == {"not_kept", "key_superseded"}


def test_ar_01_without_the_answer_a_key_that_changed_on_the_day_is_not_said_to_be_good_or_bad(branch):
    branch.show(policy=NOTHING_KEPT)
    branch.seal()
    later = AT + 60 * DAY
    _, certificate = branch.rotated(AT - 20 * DAY)
    found = []
    for changed in (AT - 3 * DAY, AT - 4 * DAY):  # it was issued at AT - 3 days, an hour of which is AT's
        today = branch.load_only(
            version=3,
            at=later - DAY,
            expires=later + DAY,
            withdrawn=[branch.withdrawal(changed)],
            signers=[branch.desk.signer, certificate],
        )
        found.append(codes(branch.audit(at=later, bundle=today).entries[1]))
    assert found == [{"not_kept", "key_part_of_day"}, {"not_kept", "key_not_valid"}]


def test_ar_01_a_status_list_that_came_after_the_bundle_is_part_of_the_trust_state(branch):
    token = branch.list({7: 1}, AT - timedelta(minutes=5))
    pack = branch.pack()
    branch.archive.keep_trust(pack, branch.desk.tuf_root)
    newer = branch.load(pack).with_status(token)
    verifier = Verifier(newer, branch.desk.identity(), evidence=branch.archive)
    result, _, _ = branch.show(verifier=verifier)
    assert {one.code.value for one in result.reasons} == {"revoked"}
    branch.seal()
    report = branch.audit()
    assert report.entries[1].repeated is Repeated.SAME
    name = hashlib.sha256(token).hexdigest()
    (branch.folder / "trust" / name).unlink()
    report = branch.audit()
    assert not report
    assert codes(report.entries[1]) == {"trust_missing"}


# AR-02


def filled(branch, *, seal=True):
    for _ in range(3):
        branch.show()
    if seal:
        branch.seal()
    return branch


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        pytest.param("DELETE FROM entries WHERE sequence = 3", {"truncated"}, id="AR-02 the end is cut off"),
        pytest.param("DELETE FROM entries WHERE sequence = 2", {"chain", "truncated"}, id="AR-02 one is left out"),
        pytest.param(
            "UPDATE entries SET sequence = CASE sequence WHEN 1 THEN 102 WHEN 2 THEN 101 ELSE sequence END",
            {"chain", "seal_mismatch"},
            id="AR-02 two are moved to the end",
        ),
        pytest.param(
            "UPDATE entries SET body = (SELECT body FROM entries WHERE sequence = 1) WHERE sequence = 2",
            {"chain"},
            id="AR-02 one stands there twice",
        ),
        pytest.param(
            "UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), 'ACCEPTED', 'REJECTED') AS BLOB)",
            {"chain", "seal_mismatch", "verdict_differs"},
            id="AR-02 the outcomes are changed",
        ),
        pytest.param("UPDATE entries SET body = x'7b7d' WHERE sequence = 2", {"malformed"}, id="AR-02 one is emptied"),
        pytest.param("UPDATE answers SET sealed = zeroblob(9)", {"commitment"}, id="AR-02 answers are emptied"),
        pytest.param("DELETE FROM answers", {"answer_missing"}, id="AR-02 answers are lost"),
        pytest.param("DELETE FROM texts", {"text_missing"}, id="AR-02 policies and requests are lost"),
    ],
)
def test_a_changed_archive_is_a_mismatch(branch, statement, found):
    filled(branch)
    assert branch.audit()
    branch.tamper(statement)
    report = branch.audit()
    assert not report
    assert found <= codes(report)


def test_ar_02_answers_that_are_swapped_are_not_those_that_were_judged(branch):
    filled(branch)
    branch.tamper("UPDATE answers SET sealed = (SELECT a.sealed FROM answers a WHERE a.sequence = 1)")
    report = branch.audit()
    assert [codes(one) for one in report.entries] == [set(), set(), {"commitment"}, {"commitment"}]


def test_ar_02_a_tail_that_no_seal_covers_yet_is_said_not_to_be_covered(branch):
    filled(branch)
    branch.show()
    report = branch.audit()
    assert report
    assert codes(report) == {"unsealed"}
    assert report.sealed == 4
    branch.tamper("DELETE FROM entries WHERE sequence = 4")
    assert branch.audit(), "what nobody has sealed, nobody misses: so seal often"


def test_ar_02_seals_kept_elsewhere_notice_an_archive_that_was_put_back(branch):
    filled(branch)
    branch.show()
    outside = branch.seal()
    branch.tamper("DELETE FROM entries WHERE sequence = 4")
    branch.tamper("DELETE FROM seals WHERE id = 2")
    assert branch.audit()
    report = branch.audit(seals=[outside.raw])
    assert not report
    assert codes(report.findings) == {"truncated"}


def test_ar_02_an_archive_rewritten_from_scratch_has_no_seal_of_the_desk(branch, desk, tmp_path):
    outside = filled(branch).seal()
    other = Branch(desk, tmp_path / "other")
    other.show()
    report = other.audit(seals=[outside.raw])
    assert codes(report.findings) == {"seal_mismatch", "unsealed"}
    forger = SoftwareSigner.generate()
    forged = hashlib.sha256(outside.raw).digest() * 2
    header, body, _ = outside.raw.split(b".")
    signature = b64u_bytes(forger.sign(header + b"." + body))
    report = branch.audit(
        seals=[header + b"." + body + b"." + signature, header + b"." + body + b"." + b64u_bytes(forged)]
    )
    assert codes(report.findings) == {"seal_untrusted"}
    other.archive.close()


@pytest.fixture
def two_desks(branch):
    """``branch`` under a trust list that has another bank as well: that one's identity, and the list."""
    certificate = branch.desk.reader(branch.desk.other_bank_key)
    other = {"ko": "새솔은행 (가상)", "en": "Saesol Bank (fictitious)"}
    pack = branch.pack(version=2, others=[(certificate, other)])
    branch.verifier = branch.use(pack)
    return ReaderIdentity((certificate,), branch.desk.other_bank_key), pack


def test_ar_02_the_seal_of_another_registered_desk_seals_nothing(branch, two_desks):
    """Whoever rewrites an archive and has any reader's key seals it again: the chain itself needs no key."""
    other, pack = two_desks
    filled(branch, seal=False)
    branch.archive.seal(other, at=AT)
    report = branch.audit(bundle=pack)
    assert codes(report.findings) == {"seal_untrusted", "unsealed"}
    assert report.sealed == 0
    report = branch.audit(readers=[branch.desk.reader_root])
    assert report.sealed == 0


def test_ar_02_a_desk_with_another_certificate_seals_on(branch):
    certificate = branch.desk.reader(branch.desk.other_bank_key)
    renewed = ReaderIdentity((certificate,), branch.desk.other_bank_key)
    filled(branch)
    pack = branch.pack(version=2, others=[(certificate, BANK_NAME)])
    branch.verifier = Verifier(branch.use(pack).trust, renewed, evidence=branch.archive)
    branch.show()
    branch.archive.seal(renewed, at=AT)
    report = branch.audit()
    assert codes(report) == set()
    assert report.sealed == 5


def test_ar_02_a_seal_by_a_key_that_leaked_since_is_told(branch):
    """Whoever has it seals another archive, with a time when it was good."""
    filled(branch)
    kid = branch.desk.bank_key.public_key.kid
    leaked = Withdrawal(kid=kid, at=int(AT.timestamp()) + 9, reason=WithdrawalReason.COMPROMISED)
    report = branch.audit(bundle=branch.pack(version=9, withdrawn=[leaked]))
    assert codes(report.findings) == {"key_compromised"}
    assert report.worst() is Severity.WARNING


def test_ar_02_an_answer_to_another_desk_is_not_this_ones(branch, two_desks):
    other, pack = two_desks
    stranger = Verifier(branch.load(pack), other, evidence=branch.archive)
    branch.show(verifier=stranger)
    branch.seal()
    assert "request_reader" in codes(branch.audit().entries[1])


def test_ar_02_an_entry_of_what_is_destroyed_covers_nothing_that_came_later(branch):
    """Else a desk writes such an entry in advance, and nobody misses an answer that it removes afterwards."""
    with branch.archive._files.transaction() as db:
        branch.archive._files.append(db, Kind.DESTROYED, int(AT.timestamp()), {"records": [2], "reason": "request"})
    branch.show()
    branch.seal()
    branch.tamper("DELETE FROM answers")
    assert "answer_missing" in codes(branch.audit().entries[2])


@pytest.mark.parametrize("day", ["1800-01-01", "9999-12-31"])
def test_ar_02_a_forged_certificate_writes_no_entry_that_looks_tampered_with(branch, day):
    """Anybody can show one at a desk; what it says of itself must not make the evidence look forged for ever."""
    desk = branch.desk
    content = desk.content("resident.personal")
    forged = replace(content, claims={**content.claims, "issuedOn": day})
    request = asked(branch.verifier, policy=KEPT)
    key = IssuerKey(public_key=desk.stranger.public_key, chain=())
    held = desk.formats["sd-cwt"].issue(forged, key, desk.stranger)
    answer = desk.present(request, {"residence-1": ("sd-cwt", held)})
    assert branch.verifier.verify(answer, request=request, at=AT).outcome is Outcome.REJECTED
    branch.seal()
    report = branch.audit()
    assert codes(report) == set()
    assert report.entries[1].repeated is Repeated.SAME


def test_ar_02_a_database_cut_short_is_not_audited_but_refused(branch):
    filled(branch)
    branch.archive.close()
    file = branch.folder / "evidence.db"
    for rest in branch.folder.glob("evidence.db-*"):
        rest.unlink()
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(StoreError):
        branch.audit(archive=EvidenceArchive(branch.folder))


def test_ar_02_a_trust_state_under_a_root_that_the_auditor_does_not_know_proves_nothing(branch):
    filled(branch)
    report = branch.audit(roots=[Desk().tuf_root])
    assert not report
    assert "root_unknown" in codes(report.entries[1])
    assert {one.repeated for one in report.entries[1:]} == {Repeated.NO}


def test_ar_02_a_trust_bundle_that_was_exchanged_is_noticed(branch):
    filled(branch)
    (pack,) = {json.loads(raw)["trust"]["pack"] for number, raw in branch.archive.entries() if number}
    (branch.folder / "trust" / pack).write_bytes(branch.pack(version=2))
    assert codes(branch.audit().entries[1]) == {"trust_missing"}


# AR-03


def test_ar_03_a_clock_that_was_slow_is_flagged_by_the_bundle(branch):
    slow = AT - 200 * DAY
    result, _, _ = branch.show(at=slow)
    assert {one.code.value for one in result.reasons} == {"clock"}
    report = branch.audit()
    assert "before_bundle" in codes(report.entries[1])
    assert "backwards" in codes(report.entries[1]), "it is also before the archive began"
    assert report.entries[1].repeated is Repeated.SAME


def test_ar_03_a_clock_that_was_fast_is_flagged_by_the_bundle_and_by_the_next_right_time(branch):
    fast = AT + 200 * DAY
    result, _, _ = branch.show(at=fast)
    assert "bundle_expired" in {one.code.value for one in result.reasons}
    branch.show(verifier=branch.use(branch.pack()))
    report = branch.audit()
    assert {"after_bundle", "future"} <= codes(report.entries[1])
    assert "backwards" in codes(report.entries[2])
    assert report.worst().value == "warning"


def test_ar_03_a_seal_that_is_older_than_what_it_seals_is_flagged(branch):
    branch.show()
    branch.seal(AT - timedelta(hours=2))
    assert "backwards" in codes(branch.audit().findings)


# AR-04


def test_ar_04_after_a_thousand_refusals_no_log_and_no_archive_has_a_claim_or_a_token(branch, caplog):
    """Under a policy that keeps nothing the archive is as silent as the log."""
    desk = branch.desk
    caplog.set_level(logging.DEBUG)
    card = desk.certificate("id.resident_mobile", "dc+sd-jwt")
    request = asked(branch.verifier, "dc+sd-jwt", policy=NOTHING_KEPT)
    query = next(
        one.id for one in request.query.credentials if desk.catalog["id.resident_mobile"].vct in str(one.types)
    )
    extra = list(SdJwtVc().open(card).disclosures)
    answer = desk.present(request, {query: ("dc+sd-jwt", card)}, signer=desk.stranger, extra=extra)
    (shown,) = answer.tokens[query]
    for _ in range(1000):
        assert not branch.verifier.verify(answer, request=request, at=AT)
    assert "김가람" in json.dumps(SdJwtVc().open(shown.raw).claims, ensure_ascii=False)
    written = b"".join(file.read_bytes() for file in sorted(branch.folder.glob("evidence.db*")))
    written += "".join(raw.decode() for _, raw in branch.archive.entries()).encode()
    # The trust bundle has the catalogue and so the names of claims, but none of this person.
    written += b"".join(file.read_bytes() for file in (branch.folder / "trust").iterdir())
    everything = written + caplog.text.encode()
    for secret in secrets_of(shown.raw):
        assert secret not in everything
    assert len(list(branch.archive.entries())) == 1001
    report = branch.audit()
    assert codes(report) == {"not_kept", "unsealed"}


def secrets_of(token: bytes):
    """Every disclosure, signature and longer text value of a presentation, as bytes that could have been written."""
    jwt, *disclosures, binding = token.split(b"~")
    yield from (one for one in disclosures if one)
    yield jwt.rsplit(b".", 1)[1]
    yield binding.rsplit(b".", 1)[1]
    yield "김가람".encode()
    yield json.dumps("김가람").strip('"').encode()
    yield token


def test_ar_04_commitments_of_equal_answers_are_not_equal(branch):
    result, answer, request = branch.show(policy=NOTHING_KEPT)
    assert result
    branch.verifier.verify(answer, request=request, at=AT)
    found = [json.loads(raw)["answer"]["commitment"] for _, raw in branch.archive.entries() if b'"answer"' in raw]
    assert len(found) == len(set(found)) == 2
    assert answer.fingerprint.hex() not in found


def test_ar_04_an_answer_that_is_kept_is_for_the_auditor_only(branch):
    result, answer, _ = branch.show(policy=KEPT, form="dc+sd-jwt")
    assert result
    (shown,) = answer.tokens["residence-1"]
    written = b"".join(file.read_bytes() for file in branch.folder.glob("evidence.db*"))
    assert not [secret for secret in secrets_of(shown.raw) if secret in written]
    assert branch.archive.shown(1, key=branch.auditor.crypto).read() == answer
    with pytest.raises(RefusedError):
        branch.archive.shown(1, key=SoftwareSigner.generate().crypto)
    with pytest.raises(ValueError, match="not the key"):
        branch.audit(key=SoftwareSigner.generate().crypto)


# AR-05


@pytest.mark.parametrize("form", FORMATS)
def test_ar_05_two_presentations_from_one_batch_have_nothing_in_common_that_tells_them(form):
    world = World(at=AT + timedelta(minutes=17, seconds=23), formats=(form,))
    world.issuer = Issuer(
        IssuerProfile(
            id=world.issuer.id,
            signer=world.document_signer,
            chain=(world.document_signer_certificate,),
            formats=(form,),
            status_uri="https://city.example/s/",
            copies=2,
        ),
        records=world.records,
        catalog=world.catalog,
    )
    world.issue("resident.personal")
    answers = []
    for _ in range(2):
        request = world.request("bank.address-change", formats=(form,))
        answer = world.present(request)
        assert world.verify(answer, request)
        answers.append(answer)
    engine = {"sd-cwt": SdCwt(world.catalog.labels), "dc+sd-jwt": SdJwtVc()}[form]
    first, second = (engine.open(one.tokens["residence-1"][0].raw) for one in answers)
    assert first.holder_key != second.holder_key
    assert first.status.index != second.status.index
    assert first.signing_input != second.signing_input
    assert first.key_binding.signing_input != second.key_binding.signing_input
    for one in (first, second):
        assert one.issued_at % 3600 == 0
        assert (one.expires_at + 1) % 86400 == 15 * 3600, "the end of a day in Korea, the same for everybody"
    one, other = (answer.tokens["residence-1"][0].raw for answer in answers)
    assert not random_parts(one, form) & random_parts(other, form), "a salt, a digest or a signature in both tells them"


def random_parts(token: bytes, form: str) -> set[bytes]:
    """What is random in a token: disclosures, digests and signatures of an SD-JWT; every byte string of 16, 32 or 64
    bytes of an SD-CWT.
    """
    if form == "dc+sd-jwt":
        jwt, *rest = token.split(b"~")
        payload, signature = jwt.split(b".")[1:]
        digests = json.loads(b64u_decode(payload, "payload"))["_sd"]
        return {signature, *(one.encode() for one in digests), *rest}
    found: set[bytes] = set()

    def walk(value):
        if isinstance(value, bytes):
            if len(value) in (16, 32, 64):
                found.add(value)
            with contextlib.suppress(RefusedError):
                walk(_cbor.decode(value, "token", max_bytes=65536))
        elif isinstance(value, Mapping):
            walk([*value.keys(), *value.values()])
        elif isinstance(value, (list, tuple)):
            for item in value:
                walk(item)
        elif hasattr(value, "value"):
            walk(value.value)
        elif hasattr(value, "raw"):
            walk(value.raw)

    walk(token)
    assert len(found) > 8
    return found


# AR-08


def test_ar_08_an_unknown_citizen_and_a_wrong_code_take_the_same_way(tmp_path):
    """What a stranger can ask an issuer is to redeem a code. It is looked up before any person is.

    Whether somebody is in the register decides ``Issuer.offer``, which only the agency calls, for a person it has
    identified. A request with a code nobody gave, and one with the code of a person who has left the register since,
    are told apart by nothing but their own code: neither reaches the register's answer about somebody else.
    """
    del tmp_path
    catalog = Catalog.builtin()
    world = World(at=AT)
    asked_for: list[str] = []

    class Counted:
        """A register that notes whom it was asked for."""

        def fetch(self, code, subject, *, at):
            asked_for.append(subject)
            if subject != "known":
                raise RecordError("no such record")
            return world.records.fetch(code, subject, at=at)

    profile = IssuerProfile(
        id=world.issuer.id,
        signer=world.document_signer,
        chain=(world.document_signer_certificate,),
        formats=("sd-cwt",),
        status_uri="https://city.example/s/",
        copies=1,
    )
    issuer = Issuer(profile, records=Counted(), catalog=catalog)
    offer = issuer.offer("resident.personal", subject="known", at=AT)
    with pytest.raises(RecordError) as unknown:
        issuer.offer("resident.personal", subject="nobody", at=AT)
    assert "nobody" not in str(unknown.value)
    asked_for.clear()

    def redeem(nonce):
        parsed = Offer.parse(offer.to_message())
        guess = type(parsed)(
            issuer=parsed.issuer,
            code=parsed.code,
            nonce=nonce,
            expires_at=parsed.expires_at,
            formats=parsed.formats,
            copies=parsed.copies,
            variant=parsed.variant,
            options=parsed.options,
        )
        with pytest.raises(RefusedError) as caught:
            issuer.issue(build_request(guess, [SoftwareSigner.generate()], at=AT), at=AT)
        return caught.value.code.value, str(caught.value)

    answers = {redeem(bytes([number]) * 16) for number in range(5)}
    assert len(answers) == 1, "a wrong code is one answer, whoever might be behind it"
    assert asked_for == [], "and costs one look at the offers: the register is not asked about anybody"


def test_ar_08_at_the_desk_unknown_and_wrong_are_one_answer(desk):
    """The verifier's side of it: a request that was never made and one that is not the desk's any more."""
    verifier = desk.verifier(fresh(desk.usual_bundle))
    request = asked(verifier)
    answer = desk.present(request, {"residence-1": ("sd-cwt", desk.certificate("resident.personal"))})
    other = desk.verifier(fresh(desk.usual_bundle)).verify(answer, request=request, at=AT)
    wrong = desk.present(request, {"residence-1": ("sd-cwt", desk.certificate("resident.household"))})
    unknown = desk.verifier(fresh(desk.usual_bundle)).verify(wrong, request=request, at=AT)
    assert other.to_json() == unknown.to_json(), "nothing about the person is looked at without a request of ours"
