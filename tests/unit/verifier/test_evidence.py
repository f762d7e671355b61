"""The evidence archive: what is written, what is kept and for how long, and what an audit says of it."""

from __future__ import annotations

import json
import stat
from contextlib import suppress
from datetime import date, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.desk import AT, DAY, FORMATS, Desk, asked
from tests.evidence_kit import NOTHING_KEPT, YEARS, Branch, codes
from vcred.errors import MalformedError, NotFound, StoreError
from vcred.formats._wire import dump_json
from vcred.formats.base import IssuerKey
from vcred.formats.paper import issue_paper
from vcred.keys import SoftwareSigner
from vcred.presentation import Challenge, MaxAge
from verifier import AuditCode, AuditFinding, EvidenceArchive, VerificationPolicy, Verifier
from verifier.auditor import Repeated
from verifier.evidence import Entry, Kind, Seal, Shown
from verifier.findings import Severity
from verifier.verdict import RecordedVerdict

PAPER = """
id = "office.paper"
name = { ko = "종이", en = "Paper" }
purpose = { ko = "종이 확인", en = "Paper check" }
asks = { ko = "종이", en = "Paper" }
holder_binding = "bearer_ok"
[freshness]
challenge = true
[trust]
max_age_hours = 720
[status]
required = true
max_age_hours = 168
[rrn]
level = "none"
[retention]
days = 30
text = { ko = "30일", en = "30 days" }
[[certificates]]
slot = "one"
name = { ko = "증명서", en = "Certificate" }
required = true
[[certificates.any_of]]
code = "work.employment"
claims = ["name"]
"""


@pytest.fixture(scope="module")
def desk():
    return Desk()


@pytest.fixture
def branch(desk, tmp_path):
    branch = Branch(desk, tmp_path / "evidence")
    yield branch
    branch.archive.close()


def entries(branch):
    return [Entry.parse(raw) for _, raw in branch.archive.entries()]


def test_a_verdict_is_written_before_it_is_told(branch):
    result, answer, request = branch.show()
    assert result
    first, entry = entries(branch)
    assert first.kind is Kind.ARCHIVE
    assert first.body["reader"] == branch.desk.identity().client_id
    assert (entry.sequence, entry.kind, entry.at) == (1, Kind.VERDICT, int(AT.timestamp()))
    assert entry.previous == first.hash
    verdict = RecordedVerdict.parse(entry.body)
    assert verdict.outcome is result.outcome
    assert verdict.findings == ()
    (certificate,) = verdict.certificates
    assert certificate.code == "resident.personal"
    assert certificate.kid == branch.desk.key.public_key.kid.hex()
    assert certificate.issued_on == (AT - 3 * DAY).date()
    assert branch.archive.text(verdict.request) == request.raw
    assert VerificationPolicy.load(branch.archive.text(verdict.policy).decode()).id == "bank.address-change"
    assert branch.archive.shown(1, key=branch.auditor.crypto).read() == answer


def test_nothing_of_a_person_stands_in_an_entry(branch):
    result, answer, _ = branch.show()
    raw = entries(branch)[1].raw.decode()
    for claims in result.claims.values():
        for value in claims.values():
            assert not isinstance(value, str) or value == "2026-08-29" or value not in raw
    assert answer.fingerprint.hex() not in raw
    assert branch.desk.holder.public_key.thumbprint.hex() not in raw


def test_no_verdict_without_evidence(branch):
    """A bundle that the archive has not taken in, an archive that is gone: the desk says nothing."""
    unknown = Verifier(branch.load(branch.pack(version=5)), branch.desk.identity(), evidence=branch.archive)
    with pytest.raises(StoreError, match="keep_trust"):
        branch.show(verifier=unknown)
    assert len(entries(branch)) == 1
    branch.archive.close()
    with pytest.raises(StoreError):
        branch.show()


def test_the_archive_is_for_its_owner_only(branch):
    branch.show()
    assert stat.S_IMODE(branch.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((branch.folder / "evidence.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((branch.folder / "trust").stat().st_mode) == 0o700


def test_there_is_one_archive_in_a_folder(branch, tmp_path):
    more = {"reader": "x509_hash:x", "recipient": branch.auditor.public_key, "at": AT}
    with pytest.raises(StoreError, match="already"):
        EvidenceArchive.create(branch.folder, **more)
    with pytest.raises(NotFound):
        EvidenceArchive(tmp_path / "none")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "evidence.db").touch()
    with pytest.raises(NotFound):
        EvidenceArchive(tmp_path / "begun")
    EvidenceArchive.create(tmp_path / "begun", **more).close()


def test_answers_are_encrypted_to_a_p256_key_only(branch, tmp_path):
    key = SoftwareSigner(Ed25519PrivateKey.generate())
    with pytest.raises(ValueError, match="P-256"):
        EvidenceArchive.create(tmp_path / "other", reader="x", recipient=key.public_key, at=AT)


def test_every_trust_state_is_kept_once(branch):
    for _ in range(3):
        branch.show()
    branch.use(branch.pack())
    before = len(list((branch.folder / "trust").iterdir()))
    later = branch.use(branch.pack(version=2, at=AT - timedelta(hours=2), status_at=AT - timedelta(hours=1)))
    branch.show(verifier=later)
    names = [one.name for one in (branch.folder / "trust").iterdir()]
    assert before <= 3, "the root, and one or two builds of the same list"
    assert len(names) == before + 1
    assert not [name for name in names if name.startswith(".")]


@pytest.mark.parametrize("form", FORMATS)
def test_what_was_refused_for_what_the_desk_remembered_is_refused_again(branch, form):
    result, answer, request = branch.show(form=form)
    assert result
    again = branch.verifier.verify(answer, request=request, at=AT)
    late = branch.verifier.verify(answer, request=request, at=AT + timedelta(minutes=10))
    asked_elsewhere = asked(branch.desk.verifier(), form)
    unknown = branch.verifier.verify(answer, request=asked_elsewhere, at=AT + timedelta(minutes=10))
    back = branch.verifier.verify(answer, request=request, at=AT - timedelta(hours=1))
    assert [{one.code.value for one in found.reasons} for found in (again, late, unknown, back)] == [
        {"replay"},
        {"request_expired"},
        {"request_expired"},
        {"clock"},
    ]
    report = branch.audit()
    kept = [one.repeated for one in report.entries[1:]]
    assert kept == [Repeated.SAME, Repeated.SAME, Repeated.SAME, Repeated.NO, Repeated.SAME]
    assert codes(report.entries[4]) == {"not_kept"}, "no policy says that it may be kept"
    assert report


def test_one_way_answers_are_repeated_too(branch, desk):
    policy = VerificationPolicy.preset("shop.adult")
    policy = VerificationPolicy.load(policy.source.replace("days = 0", "days = 9"))
    request = branch.verifier.request(policy, freshness=MaxAge(timedelta(seconds=30)), at=AT, formats=("dc+sd-jwt",))
    query = next(
        one.id for one in request.query.credentials if desk.catalog["id.resident_mobile"].vct in str(one.types)
    )
    card = desk.certificate("id.resident_mobile", "dc+sd-jwt")
    answer = desk.present(request, {query: ("dc+sd-jwt", card)}, one_way=bytes(range(16)))
    assert branch.verifier.verify(answer, request=request, at=AT + timedelta(seconds=5))
    assert not branch.verifier.verify(answer, request=request, at=AT + timedelta(seconds=6))
    assert [one.repeated for one in branch.audit().entries[1:]] == [Repeated.SAME, Repeated.SAME]


def test_paper_is_repeated_too(branch, desk):
    content = desk.content("work.employment", holder_key=None)
    key = IssuerKey(public_key=desk.key.public_key, chain=(desk.signer,))
    sheet = issue_paper(content, key, desk.key, labels=desk.catalog.labels)
    policy = VerificationPolicy.load(PAPER)
    result = branch.verifier.verify_paper(sheet, policy=policy, at=AT)
    broken = branch.verifier.verify_paper(sheet[:-1] + bytes([sheet[-1] ^ 1]), policy=policy, at=AT)
    assert not broken
    report = branch.audit()
    assert [one.repeated for one in report.entries[1:]] == [Repeated.SAME, Repeated.SAME]
    assert report.entries[1].outcome == result.outcome.value
    assert branch.archive.shown(1, key=branch.auditor.crypto).read() == sheet


def test_what_was_no_answer_is_not_kept(branch):
    request = asked(branch.verifier)
    assert not branch.verifier.verify(b"\xff" * 100, request=request, at=AT)
    assert branch.archive.kept() == {}
    report = branch.audit()
    assert codes(report.entries[1]) == {"unreadable"}
    assert report.entries[1].outcome == "REJECTED"


def test_answers_end_when_the_policy_says_and_the_chain_stays(branch):
    branch.show()
    branch.show(policy=NOTHING_KEPT)
    branch.show(at=AT + DAY, verifier=branch.use(branch.pack()))
    thirty = int((AT + 30 * DAY).timestamp())
    assert branch.archive.kept() == {1: thirty, 3: thirty + 86400}
    assert branch.archive.purge(at=AT + 29 * DAY) == []
    assert len(entries(branch)) == 4, "nothing was destroyed, and nothing is noted"
    assert branch.archive.purge(at=AT + 30 * DAY) == [1]
    last = entries(branch)[-1]
    assert last.kind is Kind.DESTROYED
    assert last.body == {"records": [1], "reason": "retention"}
    branch.seal(AT + 30 * DAY)
    report = branch.audit(at=AT + 31 * DAY)
    assert report
    assert codes(report.entries[1]) == {"destroyed"}
    assert codes(report.entries[2]) == {"not_kept"}
    assert report.entries[3].repeated is Repeated.SAME
    with pytest.raises(NotFound):
        branch.archive.shown(1, key=branch.auditor.crypto)


def test_a_destroyed_answer_leaves_no_byte_behind(branch):
    branch.show()
    (sealed,) = branch.archive._files.rows("SELECT sealed FROM answers")
    middle = sealed[0][200:260]
    branch.archive._files.forget()
    assert any(middle in file.read_bytes() for file in branch.folder.glob("evidence.db*"))
    branch.archive.destroy([1], at=AT)
    assert not any(middle in file.read_bytes() for file in branch.folder.glob("evidence.db*"))


def test_an_answer_can_be_kept_longer_or_destroyed_on_request(branch):
    branch.show()
    branch.show()
    branch.archive.retain(1, until=AT + 5 * YEARS)
    assert branch.archive.purge(at=AT + YEARS) == [2]
    with pytest.raises(NotFound):
        branch.archive.destroy([1, 2], at=AT + YEARS)
    assert list(branch.archive.kept()) == [1], "all or none"
    with pytest.raises(NotFound):
        branch.archive.retain(2, until=AT)
    branch.archive.destroy([1], at=AT + YEARS)
    assert branch.archive.kept() == {}
    assert [one.body["reason"] for one in entries(branch)[3:]] == ["retention", "request"]


def test_an_answer_that_is_said_to_be_destroyed_and_is_not_is_a_fault(branch):
    branch.show()
    with branch.archive._files.transaction() as db:
        branch.archive._files.append(db, Kind.DESTROYED, int(AT.timestamp()), {"records": [1], "reason": "retention"})
    assert "answer_extra" in codes(branch.audit().entries[1])


def test_without_the_key_everything_but_the_verdicts_is_audited(branch):
    branch.show()
    branch.seal()
    report = branch.audit(key=None)
    assert report
    assert codes(report) == {"no_key"}
    assert report.entries[1].repeated is Repeated.NO
    assert report.worst() is Severity.NOTE


def test_a_seal_is_trusted_by_the_trust_list_of_its_day_though_the_certificate_has_expired_since(branch):
    branch.show()
    seal = branch.seal()
    report = branch.audit(at=AT + 20 * YEARS)
    assert report.sealed == 2
    assert report.findings == ()
    assert Seal.parse(seal.raw) == seal


def test_a_desk_that_no_list_names_is_known_by_its_root(branch):
    verifier = branch.use(branch.pack(version=2, readers=False))
    branch.show(verifier=verifier)
    branch.seal()
    report = branch.audit()
    assert codes(report.findings) == {"seal_untrusted", "unsealed"}
    assert not report
    report = branch.audit(readers=[branch.desk.reader_root])
    assert report.findings == ()
    stranger = Desk()
    assert codes(branch.audit(readers=[stranger.reader_root]).findings) == {"seal_untrusted", "unsealed"}


def test_a_seal_by_a_reader_certificate_that_had_ended_is_not_trusted(branch):
    branch.show()
    branch.seal(AT + 2 * YEARS)
    (finding,) = (one for one in branch.audit(at=AT + 3 * YEARS).findings if one.code is AuditCode.SEAL_UNTRUSTED)
    assert finding.reason.value == "chain"


def test_a_request_that_the_desk_did_not_sign_is_noticed(branch, desk):
    _, _, request = branch.show()
    head, body, _ = request.raw.split(b".")
    other = asked(branch.verifier).raw.rpartition(b".")[2]
    forged = head + b"." + body + b"." + other
    from verifier.evidence import digest

    raw = entries(branch)[1].raw.replace(digest(request.raw).encode(), digest(forged).encode())
    branch.tamper("UPDATE entries SET body = ? WHERE sequence = 1", raw)
    branch.tamper("INSERT INTO texts VALUES (?, ?)", digest(forged), forged)
    assert "request_signature" in codes(branch.audit().entries[1])


def test_a_report_can_be_printed_and_counted(branch):
    branch.show()
    branch.show(policy=NOTHING_KEPT)
    report = branch.audit().to_json()
    assert json.loads(json.dumps(report)) == report
    assert report["repeated"] == {"same": 1, "different": 0, "no": 1}
    assert report["sound"] is True
    assert report["worst"] == "warning"
    (finding,) = report["entries"][2]["findings"]
    assert finding["message"]["en"] == "The verdict cannot be repeated: the policy keeps no personal data"


def test_every_finding_has_sentences():
    for code in AuditCode:
        finding = AuditFinding(code=code)
        assert finding.message("ko") != finding.message("en")
    with pytest.raises(ValueError, match="lang"):
        finding.message("fr")


def test_reference_dates_are_kept(branch, desk):
    source = VerificationPolicy.preset("bank.address-change").source
    code = 'code = "resident.personal"'
    assert source.count(code) == 1
    policy = VerificationPolicy.load(source.replace(code, f'{code}\nissued_on_or_after = "reference"'))
    for day, outcome in ((date(2026, 8, 29), "ACCEPTED"), (date(2026, 8, 30), "REJECTED")):
        request = branch.verifier.request(policy, freshness=Challenge(), at=AT, reference_date=day, formats=("sd-cwt",))
        answer = desk.present(request, {"residence-1": ("sd-cwt", desk.certificate("resident.personal"))})
        assert branch.verifier.verify(answer, request=request, at=AT).outcome == outcome
        verdict = RecordedVerdict.parse(entries(branch)[-1].body)
        assert verdict.reference_date == day
    assert [one.repeated for one in branch.audit().entries[1:]] == [Repeated.SAME, Repeated.SAME]


@pytest.fixture(scope="module")
def sample(desk, tmp_path_factory):
    """The entry of a verdict and a seal, as bytes."""
    branch = Branch(desk, tmp_path_factory.mktemp("sample") / "evidence")
    branch.show()
    branch.archive.purge(at=AT + YEARS)
    seal = branch.seal(AT)
    found = [raw for _, raw in branch.archive.entries()]
    branch.archive.close()
    return found, seal.raw


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_only_malformed_errors_come_out_of_the_parsers(sample, data):
    raws, seal = sample
    value = json.loads(data.draw(st.sampled_from(raws)))
    junk = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    )
    place = value
    while isinstance(place, dict) and place:
        name = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[name], dict) or data.draw(st.booleans()):
            place[name] = data.draw(junk)
            break
        place = place[name]
    raw = dump_json(json.loads(json.dumps(value, sort_keys=True)))
    with suppress(MalformedError):
        entry = Entry.parse(raw)
        if entry.kind is Kind.VERDICT:
            RecordedVerdict.parse(entry.body)
    noise = data.draw(st.binary(max_size=200))
    for parse in (Entry.parse, Seal.parse):
        with pytest.raises(MalformedError):
            parse(noise)
    with pytest.raises(MalformedError):
        Shown.from_bytes(noise).read()
    cut = data.draw(st.integers(0, len(seal) - 1))
    changed = seal[:cut] + bytes([seal[cut] ^ 1]) + seal[cut + 1 :]
    with suppress(MalformedError):
        Seal.parse(changed)


def test_an_entry_is_read_in_its_canonical_form_only(sample):
    raw = sample[0][1]
    assert Entry.parse(raw).raw == raw
    for other in (raw + b" ", raw.replace(b'"at":', b'"at": '), json.dumps(json.loads(raw)).encode()):
        with pytest.raises(MalformedError):
            Entry.parse(other)
