"""The format ``mso_mdoc``: issue, open, present, verify, and what the issuer's side refuses to write."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from vcred.catalog import Catalog
from vcred.claims import SD, ClaimPath
from vcred.credential import Content, StatusReference
from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import Embedded, Tagged, decode, encode
from vcred.formats._mdoc_tree import ROOT, flatten, identifier_of, path_of, plain, rebuild
from vcred.formats.base import CredentialFormat, IssuerKey
from vcred.formats.mdoc import CatalogDoctypes, Mdoc, Session, openid4vp_transcript, qr_transcript
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode as Code
from vcred.trust.profile import Purpose
from vcred.trust.x509 import build_root, build_signer, verify_chain

CATALOG = Catalog.builtin()
FORMAT = Mdoc(CatalogDoctypes(CATALOG))
VCT = "urn:vcred:kr:resident.household:1"
DOCTYPE = "kr.vcred.resident.household.1"
ISSUER_ID = "https://garam.example/issuer"
NAME = {"ko": "가람시 (가상)", "en": "Garam (fictitious)"}
STARTS, ENDS = datetime(2026, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
AT = datetime(2026, 3, 2, tzinfo=UTC)
ISSUED = int(AT.timestamp())
ROOT_KEY, ISSUER, HOLDER = (SoftwareSigner.generate() for _ in range(3))
ANCHOR = build_root(ROOT_KEY, name=NAME, not_before=STARTS, not_after=ENDS)


def signer_certificate(signer: SoftwareSigner) -> bytes:
    return build_signer(
        signer.public_key,
        purpose=Purpose.ISSUER,
        id=ISSUER_ID,
        name=NAME,
        issuer=ANCHOR,
        issuer_signer=ROOT_KEY,
        not_before=STARTS,
        not_after=ENDS,
    )


KEY = IssuerKey(public_key=ISSUER.public_key, chain=(signer_certificate(ISSUER),))
STATUS = StatusReference(uri="https://garam.example/status/1", index=48213)
AUDIENCE = "x509_hash:" + "A" * 43
NONCE = bytes(range(16))
CLAIMS = {
    "issuedOn": "2026-03-02",
    "options": {"addressHistory": "none", "rrnBack": "shown"},
    "householder": SD({"name": "김가람", "nameHanja": None}),
    "currentAddress": SD({"road": "가람시 새솔구 모래내로 17", "movedInOn": SD("2019-03-02")}),
    "members": SD([
        SD({"seq": 1, "self": True, "name": SD("김가람"), "rrn": SD({"birthDate": SD("1984-05-17"), "sexDigit": SD("1")})}),
        SD({"seq": 2, "self": False, "name": SD("이나래"), "rrn": SD(None)}),
        SD({"seq": 3, "self": False, "name": SD("김다온"), "rrn": SD(None)}),
    ]),
    "addressHistory": SD([]),
}  # fmt: skip
CONTENT = Content(
    vct=VCT,
    issuer=ISSUER_ID,
    claims=CLAIMS,
    issued_at=ISSUED,
    expires_at=ISSUED + 90 * 86400,
    holder_key=HOLDER.public_key,
    status=STATUS,
)


def without_marks(value):
    if isinstance(value, SD):
        return without_marks(value.value)
    if isinstance(value, dict):
        return {name: without_marks(inner) for name, inner in value.items()}
    return [without_marks(inner) for inner in value] if isinstance(value, list) else value


def issue(**changes) -> bytes:
    return FORMAT.issue(replace(CONTENT, **changes), KEY, ISSUER)


def present(raw: bytes, *paths: str, nonce: bytes | None = NONCE, signer=HOLDER) -> bytes:
    chosen = [ClaimPath.parse(path) for path in paths]
    return FORMAT.present(FORMAT.open(raw), chosen, signer, audience=AUDIENCE, nonce=nonce, issued_at=ISSUED + 100)


def verified(raw: bytes):
    opened = FORMAT.open(raw)
    leaf = verify_chain(opened.x5c, (ANCHOR,), purpose=Purpose.ISSUER, at=AT).leaf
    assert leaf.uris == (opened.issuer,)
    FORMAT.verify_signature(opened, leaf.key)
    FORMAT.verify_key_binding(opened)
    return opened


def test_it_is_a_credential_format():
    formats: CredentialFormat = FORMAT
    assert formats.id == "mso_mdoc"


def test_a_holder_sees_everything_that_was_issued():
    opened = FORMAT.open(issue())
    assert opened.claims == without_marks(CLAIMS)
    assert opened.hidden_elements == {}
    assert (opened.issuer, opened.vct, opened.status) == (ISSUER_ID, VCT, STATUS)
    assert (opened.issued_at, opened.not_before, opened.expires_at) == (ISSUED, None, CONTENT.expires_at)
    assert (opened.kid, opened.x5c, opened.alg) == (None, KEY.chain, "ES256")
    assert opened.holder_key == HOLDER.public_key
    assert opened.key_binding is None
    FORMAT.verify_signature(opened, ISSUER.public_key)
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_key_binding(opened)
    assert caught.value.code is Code.KB_MISSING


def test_every_node_that_may_be_hidden_is_an_element():
    assert {str(path) for path in FORMAT.open(issue()).disclosures} == {
        "householder", "currentAddress", "currentAddress.movedInOn", "members", "addressHistory",
        "members[0]", "members[0].name", "members[0].rrn", "members[0].rrn.birthDate", "members[0].rrn.sexDigit",
        "members[1]", "members[1].name", "members[1].rrn", "members[2]", "members[2].name", "members[2].rrn",
    }  # fmt: skip


def test_what_is_on_the_wire_is_an_mdoc():
    value = decode(issue(decoys=2), "it", max_bytes=1 << 16)
    assert list(value["nameSpaces"]) == [DOCTYPE]
    items = [decode(one.raw, "it", max_bytes=4096) for one in value["nameSpaces"][DOCTYPE]]
    elements = {one["elementIdentifier"]: one["elementValue"] for one in items}
    assert elements[ROOT] == {"issuedOn": "2026-03-02", "options": CLAIMS["options"]}
    assert elements["members"] == {-1: 3}
    assert elements["members/0"] == {"seq": 1, "self": True}
    assert elements["members/0/rrn"] == {}
    assert elements["members/0/rrn/birthDate"] == "1984-05-17"
    assert elements["addressHistory"] == []
    assert len({one["random"] for one in items}) == len(items)
    protected, unprotected, payload, _ = value["issuerAuth"]
    assert decode(protected, "it", max_bytes=64) == {1: -7}
    assert unprotected == {33: KEY.chain[0]}
    mso = decode(decode(payload, "it", max_bytes=1 << 16).raw, "it", max_bytes=1 << 16, tags=frozenset({0}))
    ids = set(mso["valueDigests"][DOCTYPE])
    # The root, the address, the members, two of them with an rrn each that hides something or is null.
    assert ids == set(range(len(items) + 2 * 7))
    assert {one["digestID"] for one in items} <= ids
    assert mso["validityInfo"]["signed"] == Tagged(0, "2026-03-02T00:00:00Z")
    assert mso["status"] == {"status_list": {"idx": 48213, "uri": STATUS.uri}}
    assert mso["deviceKeyInfo"] == {"deviceKey": HOLDER.public_key.to_cose()}


def test_digest_ids_say_nothing_about_the_elements():
    def ids(raw: bytes) -> list[int]:
        value = decode(raw, "it", max_bytes=1 << 16)
        return [decode(one.raw, "it", max_bytes=4096)["digestID"] for one in value["nameSpaces"][DOCTYPE]]

    orders = {tuple(ids(issue())) for _ in range(8)}
    assert len(orders) == 8
    assert all(sorted(order) == list(range(len(order))) for order in orders)


def test_a_verifier_sees_what_was_chosen_and_how_much_was_not():
    opened = verified(present(issue(), "currentAddress.road", "members[1].name", "members[0].rrn.birthDate"))
    assert opened.claims == {
        "issuedOn": "2026-03-02",
        "options": CLAIMS["options"],
        "currentAddress": {"road": "가람시 새솔구 모래내로 17"},
        "members": [
            {"seq": 1, "self": True, "rrn": {"birthDate": "1984-05-17"}},
            {"seq": 2, "self": False, "name": "이나래"},
        ],
    }
    assert opened.hidden_elements == {ClaimPath.parse("members"): 1}
    binding = opened.key_binding
    assert (binding.audience, binding.nonce, binding.issued_at) == (AUDIENCE, NONCE, ISSUED + 100)


def test_indexes_close_up_where_elements_are_hidden():
    opened = verified(present(issue(), "members[2].name"))
    assert opened.claims["members"] == [{"seq": 3, "self": False, "name": "김다온"}]
    assert opened.hidden_elements == {ClaimPath.parse("members"): 2}
    assert {str(path) for path in opened.disclosures} == {"members", "members[0]", "members[0].name"}


def test_the_states_of_the_catalogue_come_out():
    kind = CATALOG["resident.household"]
    options = {"addressHistory": "all"}
    tree = kind.issue(kind.sample, variant=None, options=options, issued_on=kind.sample_date)
    raw = issue(claims=tree)
    nothing, address = (FORMAT.open(present(raw, *paths)) for paths in ((), ("addressHistory",)))
    path = ClaimPath.parse("addressHistory[].address")
    assert kind.state(path, nothing.claims, nothing.hidden_elements).name == "HIDDEN"
    assert kind.state(path, address.claims, address.hidden_elements).name == "PRESENT"
    assert kind.state(ClaimPath.parse("cohabitants"), nothing.claims, nothing.hidden_elements).name == "NOT_ISSUED"


def test_what_was_shown_is_part_of_what_the_device_signed():
    raw = present(issue(), "householder", "currentAddress")
    value = decode(raw, "it", max_bytes=1 << 16)
    value[4]["documents"][0]["issuerSigned"]["nameSpaces"][DOCTYPE].pop()
    fewer = FORMAT.open(encode(value))
    FORMAT.verify_signature(fewer, ISSUER.public_key)
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_key_binding(fewer)
    assert caught.value.code is Code.DEVICE_AUTH


def test_one_way_answers_carry_no_or_their_own_nonce():
    assert verified(present(issue(), nonce=None)).key_binding.nonce is None


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()])
def test_device_keys_of_every_kind(key):
    holder = SoftwareSigner(key)
    assert verified(present(issue(holder_key=holder.public_key), "householder", signer=holder)).alg == "ES256"


def test_an_issuer_key_of_p_384():
    issuer = SoftwareSigner(ec.generate_private_key(ec.SECP384R1()))
    key = IssuerKey(public_key=issuer.public_key, chain=(signer_certificate(issuer),))
    assert verified(present(FORMAT.issue(CONTENT, key, issuer))).alg == "ES384"


def test_prepared_elsewhere_is_what_present_does():
    opened = FORMAT.open(issue())
    prepared = FORMAT.prepare_presentation(opened, (), audience=AUDIENCE, nonce=NONCE, issued_at=ISSUED)
    assert verified(prepared.complete(HOLDER.sign(prepared.signing_input))).claims["issuedOn"] == "2026-03-02"
    # A preview with an empty signature can be opened, and is good for nothing else.
    preview = FORMAT.open(prepared.complete(bytes(64)))
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_key_binding(preview)
    assert caught.value.code is Code.DEVICE_AUTH


def test_an_answer_over_openid4vp():
    transcript = openid4vp_transcript(
        client_id="x509_hash:x", nonce="n", response_uri="https://bank.example/r", encryption_key=None
    )
    opened = FORMAT.open(issue())
    prepared = FORMAT.prepare_response(opened, [ClaimPath.parse("householder")], transcript=transcript)
    raw = prepared.complete(HOLDER.sign(prepared.signing_input))
    session = Session(transcript=transcript, audience="x509_hash:x", nonce=b"n", received_at=ISSUED)
    (shown,) = FORMAT.open_response(raw, session)
    FORMAT.verify_key_binding(shown)
    assert (shown.key_binding.audience, shown.claims["householder"]["name"]) == ("x509_hash:x", "김가람")
    # Bare, it is a presentation of nobody knows what session: neither accepted nor taken for a credential.
    bare = FORMAT.open(raw)
    assert bare.key_binding.audience == ""
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_key_binding(bare)
    assert caught.value.code is Code.DEVICE_AUTH
    with pytest.raises(ValueError, match="as issued"):
        FORMAT.prepare_presentation(bare, (), audience=AUDIENCE, nonce=None, issued_at=ISSUED)


def test_a_valid_from_of_its_own():
    opened = FORMAT.open(issue(not_before=ISSUED + 60))
    assert (opened.issued_at, opened.not_before) == (ISSUED, ISSUED + 60)


@pytest.mark.parametrize(
    "change",
    [
        {"vct": "urn:vcred:kr:nothing:1"},
        {"holder_key": None},
        {"expires_at": ISSUED},
        {"not_before": ISSUED - 1},
        {"not_before": CONTENT.expires_at},
        {"issuer": "https://other.example"},
        {"issued_at": int(STARTS.timestamp()) - 1},
        {"claims": {"a": SD(1), **{f"c{n}": SD(n) for n in range(2000)}}},
        {"claims": {"x" * 256: 1}},
        {"decoys": 5000},
    ],
)
def test_what_is_not_issued(change):
    with pytest.raises(ValueError, match=r"\w"):
        issue(**change)


@pytest.mark.parametrize("value", [1.5, b"bytes", object(), {1: 2}, SD(SD(1))])
def test_claims_that_are_not_json(value):
    with pytest.raises(TypeError):
        issue(claims={"a": value})


def test_claims_that_are_too_deep():
    deep: object = "x"
    for _ in range(30):
        deep = {"a": SD(deep)}
    with pytest.raises(ValueError, match="levels"):
        issue(claims=deep)


def test_keys_that_do_not_fit():
    other = SoftwareSigner.generate()
    with pytest.raises(ValueError, match="not the one"):
        FORMAT.issue(CONTENT, KEY, other)
    with pytest.raises(ValueError, match="certificate of its signer"):
        FORMAT.prepare(CONTENT, IssuerKey(public_key=ISSUER.public_key))
    with pytest.raises(ValueError, match="not that of"):
        FORMAT.prepare(CONTENT, IssuerKey(public_key=ISSUER.public_key, chain=(signer_certificate(other),)))
    with pytest.raises(ValueError, match="not the holder key"):
        present(issue(), signer=other)


def test_what_is_not_presented():
    raw = issue()
    with pytest.raises(ValueError, match="nothing to disclose"):
        present(raw, "members[7]")
    with pytest.raises(ValueError, match="as issued"):
        present(present(raw))
    opened = FORMAT.open(raw)
    for wrong in ({"audience": ""}, {"nonce": b""}, {"nonce": bytes(65)}):
        with pytest.raises(ValueError, match=r"audience|nonce"):
            FORMAT.prepare_presentation(opened, (), **{"audience": "a", "nonce": None, "issued_at": 0, **wrong})


def test_what_other_formats_opened_is_not_ours():
    from vcred.formats.sd_cwt import SdCwt

    form = SdCwt(CATALOG.labels)
    kind = CATALOG["resident.household"]
    tree = kind.issue(kind.sample, variant=None, options={}, issued_on=kind.sample_date)
    theirs = form.open(form.issue(replace(CONTENT, claims=tree), KEY, ISSUER))
    with pytest.raises(TypeError):
        FORMAT.prepare_presentation(theirs, (), audience="a", nonce=None, issued_at=0)
    shown = form.open(form.present(theirs, (), HOLDER, audience="a", nonce=None, issued_at=ISSUED))
    with pytest.raises(TypeError):
        FORMAT.verify_key_binding(shown)


def test_another_issuer_key_and_algorithm():
    opened = FORMAT.open(issue())
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_signature(opened, HOLDER.public_key)
    assert caught.value.code is Code.SIGNATURE
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_signature(opened, SoftwareSigner(ed25519.Ed25519PrivateKey.generate()).public_key)
    assert caught.value.code is Code.ALG


def test_nothing_secret_or_personal_in_a_repr():
    shown = repr(FORMAT.open(present(issue(), "householder")))
    assert "가람" not in shown
    assert "1984" not in shown


def test_names_are_escaped():
    claims = {"~": SD(1), "a/b": SD({"": SD(2), "~1": SD([SD(3)])}), "": {"/": SD(4), "*": SD(5)}}
    opened = FORMAT.open(issue(claims=claims))
    assert opened.claims == without_marks(claims)
    assert set(flatten(claims).elements) == {ROOT, "~0", "a~1b", "a~1b/", "a~1b/~01", "a~1b/~01/0", "/~1", "/~2"}


@pytest.mark.parametrize(
    ("path", "identifier"),
    [
        (("a",), "a"),
        (("members", None, "name"), "members/*/name"),
        (("members", 12, "rrn", "birthDate"), "members/12/rrn/birthDate"),
        (("a/b", "~", "*"), "a~1b/~0/~2"),
        (("", ""), "/"),
    ],
)
def test_claims_have_identifiers_in_queries(path, identifier):
    assert identifier_of(ClaimPath(path)) == identifier
    assert path_of(identifier) == ClaimPath(path)


@pytest.mark.parametrize("identifier", ["*", "~", "a~b", "a/~3", "a/01", "x" * 256, "/".join("a" * 40), "a/٣/~", ""])
def test_identifiers_that_no_claim_has(identifier):
    with pytest.raises(MalformedError) as caught:
        path_of(identifier)
    assert caught.value.code is Code.DCQL


def test_a_tree_is_rebuilt_from_its_elements():
    flat = flatten(CLAIMS)
    assert next(iter(flat.elements)) == ROOT
    assert flat.hiding == 7
    assert rebuild(flat.elements).claims == without_marks(CLAIMS)
    with pytest.raises(MalformedError):
        rebuild({})


def test_values_of_other_people():
    value = {"date": Tagged(1004, "2026-03-02"), "all": [Tagged(0, "2026-03-02T00:00:00Z"), Embedded(b"\x01"), 1.5]}
    assert plain(value) == {"date": "2026-03-02", "all": ["2026-03-02T00:00:00Z", b"\x01", 1.5]}


def test_the_document_types_of_the_catalogue():
    types = CatalogDoctypes(CATALOG)
    for kind in CATALOG.types():
        assert types.doctype(kind.vct) == kind.doctype
        assert types.vct(kind.namespace) == kind.vct
    assert types.vct("org.iso.18013.5.1.mDL") is None
    assert types.vct("kr.vcred.resident.household.2") is None
    assert types.vct("") is None
    assert types.doctype("urn:x") is None


def test_the_qr_handover_is_what_the_profile_says():
    raw = qr_transcript(audience=AUDIENCE, nonce=NONCE, issued_at=7, items=[b"b", b"a"])
    made = decode(raw, "it", max_bytes=512)
    assert made == [None, None, ["vcred-qr-1", AUDIENCE, NONCE, 7, sha256(b"ab").digest()]]
    assert raw == encode(made)
    with pytest.raises(ValueError, match="thumbprint"):
        openid4vp_transcript(client_id="a", nonce="b", response_uri="c", encryption_key=b"short")
