"""The format ``sd-cwt``: issue, open, present, verify, and what the issuer's side refuses to write."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from vcred.claims import SD, ClaimPath
from vcred.credential import Content, StatusReference
from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import REDACTED_KEYS, decode
from vcred.formats._sd_cwt_engine import RAW, conceal, digest_of, fresh_salts, reveal
from vcred.formats.base import CredentialFormat, IssuerKey, LabelMap
from vcred.formats.paper import PAPER_FORMAT, PAPER_TYP, issue_paper, open_paper, prepare_paper, verify_paper
from vcred.formats.sd_cwt import SdCwt
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode as Code

VCT = "urn:vcred:kr:resident.household:1"
RRN = LabelMap(labels={"birthDate": (1, None), "sexDigit": (2, None), "serial": (3, None)})
MEMBER = LabelMap(
    labels={"name": (1, None), "rrn": (2, RRN), "relation": (3, None), "registeredOn": (4, None), "reason": (5, None)}
)
HEAD = LabelMap(labels={"name": (1, None), "rrn": (2, RRN)})
LABELS = LabelMap(
    labels={
        "issuedOn": (1, None),
        "variant": (2, None),
        "options": (3, None),
        "documentNumber": (4, None),
        "head": (5, HEAD),
        "address": (6, None),
        "addressSince": (7, None),
        "composition": (8, None),
        "compositionOn": (9, None),
        "members": (10, MEMBER),
        "addressHistory": (11, None),
        "office": (12, None),
    }
)
LABELS_OF = {VCT: LABELS}.get
FORMAT = SdCwt(LABELS_OF)
ISSUER = SoftwareSigner.generate()
HOLDER = SoftwareSigner.generate()
KEY = IssuerKey(public_key=ISSUER.public_key, chain=(b"never sent",))
STATUS = StatusReference(uri="https://garam.example/status/1", index=48213)
AUDIENCE = "x509_hash:" + "A" * 43
NONCE = bytes(range(16))


def rrn(birth: str) -> SD:
    return SD({"birthDate": SD(birth), "sexDigit": SD("4"), "serial": SD("990123")})


def member(name: str, relation: str, birth: str) -> SD:
    leaves = {"relation": SD(relation), "registeredOn": SD("2019-03-02"), "reason": SD("전입")}
    return SD({"name": SD(name), "rrn": rrn(birth), **leaves})


CLAIMS = {
    "issuedOn": "2026-03-02",
    "variant": "general",
    "options": {"addressHistory": "none", "rrnBack": "shown"},
    "documentNumber": SD("가상-2026-000017"),
    "head": SD({"name": SD("김가람"), "rrn": rrn("1984-05-17")}),
    "address": SD("가람시 새솔구 모래내로 17, 102동 1503호"),
    "addressSince": SD("2019-03-02"),
    "composition": SD("전입"),
    "compositionOn": SD("2019-03-02"),
    "addressHistory": SD([]),
    "office": SD("새솔1동장"),
    "members": [
        member("김가람", "본인", "1984-05-17"),
        member("이나래", "배우자", "1985-11-02"),
        member("김다온", "자녀", "2013-01-21"),
        member("김라온", "자녀", "2016-08-09"),
    ],
}
CONTENT = Content(
    vct=VCT,
    issuer="https://garam.example/issuer",
    claims=CLAIMS,
    issued_at=1_772_400_000,
    expires_at=1_780_176_000,
    holder_key=HOLDER.public_key,
    status=STATUS,
)


def plain(value):
    if isinstance(value, SD):
        return plain(value.value)
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def issue(**changes) -> bytes:
    return FORMAT.issue(replace(CONTENT, **changes), KEY, ISSUER)


def present(raw: bytes, *paths: str, nonce: bytes | None = NONCE) -> bytes:
    opened = FORMAT.open(raw)
    chosen = [ClaimPath.parse(path) for path in paths]
    return FORMAT.present(opened, chosen, HOLDER, audience=AUDIENCE, nonce=nonce, issued_at=1_772_400_100)


def verified(raw: bytes):
    opened = FORMAT.open(raw)
    FORMAT.verify_signature(opened, ISSUER.public_key)
    FORMAT.verify_key_binding(opened)
    return opened


def test_it_is_a_credential_format():
    formats: CredentialFormat = FORMAT
    assert formats.id == "sd-cwt"


def test_a_holder_sees_everything_that_was_issued():
    opened = FORMAT.open(issue())
    assert opened.claims == plain(CLAIMS)
    assert opened.hidden_elements == {}
    assert (opened.issuer, opened.vct, opened.status) == (CONTENT.issuer, VCT, STATUS)
    assert (opened.issued_at, opened.not_before, opened.expires_at) == (1_772_400_000, None, 1_780_176_000)
    assert (opened.kid, opened.x5c, opened.alg) == (ISSUER.public_key.kid, (), "ES256")
    assert opened.holder_key == HOLDER.public_key
    assert opened.key_binding is None
    FORMAT.verify_signature(opened, ISSUER.public_key)


def test_not_before_is_carried():
    assert FORMAT.open(issue(not_before=1_772_000_000)).not_before == 1_772_000_000


def test_every_hidden_node_has_its_disclosure():
    disclosures = FORMAT.open(issue()).disclosures
    assert {str(path) for path in disclosures if len(path.parts) == 1} == {
        "documentNumber", "head", "address", "addressSince", "composition", "compositionOn", "addressHistory", "office",
    }  # fmt: skip
    assert len(disclosures) == 8 + 1 + 4 + 4 * 9
    assert disclosures[ClaimPath.parse("members[2].rrn.serial")]


def test_a_verifier_sees_what_was_chosen_and_nothing_else():
    opened = verified(present(issue(), "head.name", "address"))
    assert opened.claims == {
        "issuedOn": "2026-03-02",
        "variant": "general",
        "options": {"addressHistory": "none", "rrnBack": "shown"},
        "members": [],
        "head": {"name": "김가람"},
        "address": "가람시 새솔구 모래내로 17, 102동 1503호",
    }
    assert opened.hidden_elements == {ClaimPath.parse("members"): 4}
    binding = opened.key_binding
    assert (binding.audience, binding.nonce, binding.issued_at) == (AUDIENCE, NONCE, 1_772_400_100)


def test_nothing_chosen_discloses_nothing():
    opened = verified(present(issue()))
    assert opened.claims.keys() == {"issuedOn", "variant", "options", "members"}
    assert opened.disclosures == {}


def test_a_node_is_disclosed_with_all_below_it_and_the_parents_it_needs():
    opened = verified(present(issue(), "members[1].rrn"))
    assert opened.claims["members"] == [{"rrn": {"birthDate": "1985-11-02", "sexDigit": "4", "serial": "990123"}}]
    assert opened.hidden_elements == {ClaimPath.parse("members"): 3}
    everyone = verified(present(issue(), "members[].name"))
    assert [one["name"] for one in everyone.claims["members"]] == ["김가람", "이나래", "김다온", "김라온"]


def test_a_path_that_selects_nothing():
    with pytest.raises(ValueError, match="nothing"):
        present(issue(), "head.address")


def test_one_way_without_a_nonce():
    assert verified(present(issue(), nonce=None)).key_binding.nonce is None


def test_a_presentation_is_not_presented_again():
    with pytest.raises(ValueError, match="as issued"):
        present(present(issue(), "address"), "address")


def test_only_the_holder_presents():
    opened = FORMAT.open(issue())
    with pytest.raises(ValueError, match="holder key"):
        FORMAT.present(opened, (), ISSUER, audience=AUDIENCE, nonce=NONCE, issued_at=1)


def test_an_audience_is_needed():
    opened = FORMAT.open(issue())
    for audience in ("", "x" * 2049):
        with pytest.raises(ValueError, match="audience"):
            FORMAT.prepare_presentation(opened, (), audience=audience, nonce=NONCE, issued_at=1)
    for nonce in (b"", bytes(65)):
        with pytest.raises(ValueError, match="nonce"):
            FORMAT.prepare_presentation(opened, (), audience=AUDIENCE, nonce=nonce, issued_at=1)


def test_signatures_made_elsewhere():
    prepared = FORMAT.prepare(CONTENT, KEY)
    opened = FORMAT.open(prepared.complete(ISSUER.sign(prepared.signing_input)))
    FORMAT.verify_signature(opened, ISSUER.public_key)
    answer = FORMAT.prepare_presentation(opened, (), audience=AUDIENCE, nonce=NONCE, issued_at=1_772_400_001)
    verified(answer.complete(HOLDER.sign(answer.signing_input)))


@pytest.mark.parametrize(
    "signer",
    [SoftwareSigner(ec.generate_private_key(ec.SECP384R1())), SoftwareSigner(ed25519.Ed25519PrivateKey.generate())],
    ids=lambda signer: signer.public_key.alg,
)
def test_other_algorithms(signer):
    content = replace(CONTENT, holder_key=signer.public_key)
    opened = FORMAT.open(FORMAT.issue(content, IssuerKey(public_key=signer.public_key), signer))
    FORMAT.verify_signature(opened, signer.public_key)
    raw = FORMAT.present(opened, (), signer, audience=AUDIENCE, nonce=NONCE, issued_at=1_772_400_100)
    FORMAT.verify_key_binding(FORMAT.open(raw))
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_signature(opened, ISSUER.public_key)
    assert caught.value.code is Code.ALG


def test_two_issues_share_no_salt_and_no_digest():
    first, second = (FORMAT.open(issue()).disclosures for _ in range(2))
    salts = [decode(content, "it", max_bytes=999)[0] for found in (first, second) for content in found.values()]
    assert all(len(salt) == 16 for salt in salts)
    assert len(set(salts)) == len(salts)


def test_the_order_of_digests_tells_nothing():
    payload, _ = conceal({"a": SD(1), "b": SD(2), "c": SD(3)}, None, salts=fresh_salts(), decoys=2)
    assert payload[REDACTED_KEYS] == sorted(payload[REDACTED_KEYS])


def test_decoys_look_like_hidden_claims_to_a_verifier_and_like_decoys_to_the_holder():
    without, with_decoys = issue(), issue(decoys=3)
    holder = FORMAT.open(with_decoys)
    assert holder.claims == plain(CLAIMS)
    assert holder.hidden_elements == {}
    assert len(holder.disclosures) == len(FORMAT.open(without).disclosures)
    seen = verified(present(with_decoys, "address"))
    assert seen.hidden_elements == {ClaimPath.parse("members"): 7}
    assert len(present(with_decoys)) > len(present(without))


def test_decoys_in_an_array_keep_the_order_of_its_elements():
    for _ in range(20):
        claims = {"a": [SD(index) for index in range(5)]}
        payload, contents = conceal(claims, None, salts=fresh_salts(), decoys=3)
        assert len(payload["a"]) == 8
        assert reveal(payload, contents).claims == plain(claims)


def test_the_engine_takes_any_claim_map():
    claims = {1: "iss", -70000: [SD({5: SD(b"bytes"), "x": 1}), SD("y"), "z"], "text": SD(None), 500: SD(True)}
    payload, contents = conceal(claims, RAW, salts=fresh_salts(), decoys=1)
    found = reveal(payload, contents)
    assert found.claims == {1: "iss", -70000: [{5: b"bytes", "x": 1}, "y", "z"], "text": None, 500: True}
    assert (found.undisclosed, found.hidden) == (0, {})
    assert found.disclosed.keys() == {(-70000, 0), (-70000, 0, 5), (-70000, 1), ("text",), (500,)}
    less = reveal(payload, [])
    assert less.claims == {1: "iss", -70000: ["z"]}
    assert (less.undisclosed, less.hidden) == (6, {(-70000,): 3})


def test_a_digest_is_over_the_wrapped_disclosure():
    # first-disclosure.cborseq of the draft and the digest its tokens have for it.
    content = bytes.fromhex("8350bae611067bb823486797da1ebbb52f836b414243442d3132333435361901f5")
    assert digest_of(content).hex() == "af375dc3fba1d082448642c00be7b2f7bb05c9d8fb61cfc230ddfdfb4616a693"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"vct": "urn:other"}, ValueError),
        ({"vct": ""}, ValueError),
        ({"issuer": ""}, ValueError),
        ({"holder_key": None}, ValueError),
        ({"expires_at": 1_772_400_000}, ValueError),
        ({"expires_at": 253402300800}, ValueError),
        ({"not_before": 1_772_400_001}, ValueError),
        ({"claims": {"unknown": 1}}, ValueError),
        ({"claims": {"head": {"unknown": 1}}}, ValueError),
        ({"claims": {"address": b"bytes"}}, TypeError),
        ({"claims": {"address": 1.5}}, TypeError),
        ({"claims": {"options": {1: 2}}}, TypeError),
        ({"claims": {"options": {"x" * 256: 2}}}, ValueError),
        ({"claims": {"address": SD(SD("twice"))}}, TypeError),
        ({"claims": {"address": 2**64}}, ValueError),
        ({"claims": {"members": [SD({}) for _ in range(2001)]}}, ValueError),
    ],
)
def test_what_an_issuer_cannot_write(changes, error):
    with pytest.raises(error):
        issue(**changes)


def test_a_tree_as_deep_as_can_be_issued_can_be_opened():
    def tree(depth: int):
        value = "bottom"
        for _ in range(depth):
            value = [SD(value)]
        return {"address": SD(value)}

    assert FORMAT.open(issue(claims=tree(27))).claims == plain(tree(27))
    with pytest.raises(ValueError, match="deep"):
        issue(claims=tree(28))

    def plain_tree(depth: int):
        return plain(tree(depth))

    assert FORMAT.open(issue(claims=plain_tree(27))).claims == plain_tree(27)


def test_label_59_beside_hidden_members_is_not_written():
    # cbor2 takes the integer 59 and simple(59) for one key, so no reader of ours could read it.
    labels = LabelMap(labels={"plain": (59, None), "hidden": (1, None)})
    with pytest.raises(ValueError, match="59"):
        SdCwt({VCT: labels}.get).issue(replace(CONTENT, claims={"plain": 1, "hidden": SD(2)}), KEY, ISSUER)


def test_the_signer_is_the_one_the_key_describes():
    with pytest.raises(ValueError, match="signer"):
        FORMAT.issue(CONTENT, KEY, HOLDER)


def test_another_format_s_credential_is_not_presented():
    sheet = open_paper(paper(), LABELS_OF)
    with pytest.raises(TypeError):
        FORMAT.prepare_presentation(sheet, (), audience=AUDIENCE, nonce=NONCE, issued_at=1)


def test_the_size_of_an_answer_in_one_code():
    # Name and address of the head of a household of four, bound to a challenge: one code at V25-L is 1,258 bytes.
    assert len(present(issue(), "head.name", "address")) < 1_258


def test_a_key_binding_that_another_format_made_is_a_mistake():
    opened = FORMAT.open(present(issue()))
    with pytest.raises(TypeError):
        FORMAT.verify_key_binding(replace(opened, format="dc+sd-jwt"))


PAPER = replace(CONTENT, holder_key=None)


def paper(**changes) -> bytes:
    return issue_paper(replace(PAPER, **changes), KEY, ISSUER, LABELS_OF)


def test_paper_has_every_claim_in_the_open():
    sheet = open_paper(paper(), LABELS_OF)
    verify_paper(sheet, ISSUER.public_key)
    assert sheet.claims == plain(CLAIMS)
    assert (sheet.format, sheet.holder_key, sheet.key_binding) == (PAPER_FORMAT, None, None)
    assert (sheet.status, sheet.kid) == (STATUS, ISSUER.public_key.kid)
    assert sheet.disclosures == {}
    assert PAPER_TYP.encode() in paper()


def test_paper_that_was_changed():
    raw = bytearray(paper())
    raw[-1] ^= 1
    with pytest.raises(RefusedError) as caught:
        verify_paper(open_paper(bytes(raw), LABELS_OF), ISSUER.public_key)
    assert caught.value.code is Code.SIGNATURE


def test_paper_signed_elsewhere():
    prepared = prepare_paper(PAPER, KEY, LABELS_OF)
    verify_paper(open_paper(prepared.complete(ISSUER.sign(prepared.signing_input)), LABELS_OF), ISSUER.public_key)


@pytest.mark.parametrize(
    "changes", [{"holder_key": HOLDER.public_key}, {"status": None}, {"decoys": 1}, {"vct": "urn:other"}]
)
def test_what_is_not_put_on_paper(changes):
    with pytest.raises(ValueError):
        paper(**changes)


def test_paper_by_another_signer():
    with pytest.raises(ValueError, match="signer"):
        issue_paper(PAPER, KEY, HOLDER, LABELS_OF)


def test_paper_too_large():
    with pytest.raises(MalformedError) as caught:
        open_paper(bytes(16 * 1024 + 1), LABELS_OF)
    assert caught.value.code is Code.SIZE
