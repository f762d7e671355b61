from __future__ import annotations

import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from vcred.claims import SD, ClaimPath
from vcred.credential import Content, StatusReference
from vcred.errors import RefusedError
from vcred.formats._jose import sign_jws
from vcred.formats._paths import PathMap, needed
from vcred.formats._wire import b64u_decode, parse_json
from vcred.formats.base import CredentialFormat, IssuerKey
from vcred.formats.sd_jwt import conceal, fresh_salts
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode as Code

ISSUER, HOLDER = SoftwareSigner.generate(), SoftwareSigner.generate()
FORMAT: CredentialFormat = SdJwtVc()
NONCE = bytes(range(128, 144))
CLAIMS = {
    "issuedOn": "2025-09-26",
    "head": {"name": SD("김가상"), "rrn": SD({"birthDate": SD("1990-01-01"), "serial": SD("990000")})},
    "members": [SD({"name": SD("이가상")}), SD({"name": SD("박가상")}), SD({"name": "최가상"})],
    "town": SD("가람시 새솔구"),
}


def content(**changes: object) -> Content:
    return Content(
        **{  # type: ignore[arg-type]
            "vct": "urn:vcred:kr:resident.household:1",
            "issuer": "https://city.example/issuer",
            "claims": CLAIMS,
            "issued_at": 1_758_844_800,
            "not_before": 1_758_844_801,
            "expires_at": 1_766_000_000,
            "holder_key": HOLDER.public_key,
            "status": StatusReference(uri="https://city.example/status/1", index=4711),
            **changes,
        }
    )


def issue(signer: SoftwareSigner = ISSUER, chain: tuple[bytes, ...] = (), **changes: object) -> bytes:
    return FORMAT.issue(content(**changes), IssuerKey(public_key=signer.public_key, chain=chain), signer)


def present(raw: bytes, *paths: str, holder: SoftwareSigner = HOLDER) -> bytes:
    chosen = [ClaimPath.parse(path) for path in paths]
    return FORMAT.present(
        FORMAT.open(raw), chosen, holder, audience="x509_hash:abc", nonce=NONCE, issued_at=1_758_900_000
    )


def test_what_is_issued_is_what_is_opened() -> None:
    opened = FORMAT.open(issue(chain=(b"leaf", b"middle")))
    FORMAT.verify_signature(opened, ISSUER.public_key)
    assert (opened.format, opened.alg, opened.kid, opened.x5c) == (
        FORMAT.id,
        "ES256",
        ISSUER.public_key.kid,
        (b"leaf", b"middle"),
    )
    assert (opened.issuer, opened.vct) == ("https://city.example/issuer", "urn:vcred:kr:resident.household:1")
    assert (opened.issued_at, opened.not_before, opened.expires_at) == (1_758_844_800, 1_758_844_801, 1_766_000_000)
    assert opened.status == StatusReference(uri="https://city.example/status/1", index=4711)
    assert opened.holder_key == HOLDER.public_key
    assert opened.claims["head"] == {"name": "김가상", "rrn": {"birthDate": "1990-01-01", "serial": "990000"}}
    assert [member["name"] for member in opened.claims["members"]] == ["이가상", "박가상", "최가상"]
    assert opened.key_binding is None
    assert {str(path) for path in opened.disclosures} == {
        "head.name",
        "head.rrn",
        "head.rrn.birthDate",
        "head.rrn.serial",
        "members[0]",
        "members[0].name",
        "members[1]",
        "members[1].name",
        "members[2]",
        "town",
    }
    assert opened.disclosures[ClaimPath.parse("town")] in opened.raw


def test_nothing_chosen_discloses_nothing_that_can_be_hidden() -> None:
    opened = FORMAT.open(present(issue()))
    assert opened.claims == {"issuedOn": "2025-09-26", "head": {}, "members": []}
    assert dict(opened.hidden_elements) == {ClaimPath.parse("members"): 3}
    assert not opened.disclosures


@pytest.mark.parametrize(
    ("paths", "shown"),
    [
        (["town"], {"town": "가람시 새솔구"}),
        (["head.rrn.birthDate"], {"head": {"rrn": {"birthDate": "1990-01-01"}}}),
        (["head.rrn"], {"head": {"rrn": {"birthDate": "1990-01-01", "serial": "990000"}}}),
        (["head"], {"head": {"name": "김가상", "rrn": {"birthDate": "1990-01-01", "serial": "990000"}}}),
        (["members[1].name"], {"members": [{"name": "박가상"}]}),
        (["members[].name"], {"members": [{"name": "이가상"}, {"name": "박가상"}, {"name": "최가상"}]}),
        (["members[2]", "members[0]"], {"members": [{"name": "이가상"}, {"name": "최가상"}]}),
        (["issuedOn"], {}),
    ],
)
def test_a_path_discloses_its_node_what_is_below_and_its_parents(paths: list[str], shown: dict[str, object]) -> None:
    opened = FORMAT.open(present(issue(), *paths))
    FORMAT.verify_signature(opened, ISSUER.public_key)
    FORMAT.verify_key_binding(opened)
    assert opened.claims == {"issuedOn": "2025-09-26", "head": {}, "members": [], **shown}
    hidden = 3 - len(opened.claims["members"])
    assert opened.hidden_elements.get(ClaimPath.parse("members"), 0) == hidden


def test_the_holder_sends_the_issuers_own_bytes() -> None:
    raw = issue()
    shown = present(raw, "town", "head.name")
    jwt, *texts, _ = shown.split(b"~")
    assert raw.startswith(jwt + b"~")
    assert len(texts) == 2
    assert set(texts) < set(raw.split(b"~"))


def test_key_binding_says_what_it_was_made_for() -> None:
    binding = FORMAT.open(present(issue(), "town")).key_binding
    assert binding is not None
    assert (binding.audience, binding.nonce, binding.issued_at, binding.alg) == (
        "x509_hash:abc",
        NONCE,
        1_758_900_000,
        "ES256",
    )


def test_remote_signers_complete_what_was_prepared() -> None:
    waiting = FORMAT.prepare(content(), IssuerKey(public_key=ISSUER.public_key))
    raw = waiting.complete(ISSUER.sign(waiting.signing_input))
    opened = FORMAT.open(raw)
    FORMAT.verify_signature(opened, ISSUER.public_key)
    holder = FORMAT.prepare_presentation(opened, [], audience="a", nonce=NONCE, issued_at=1)
    FORMAT.verify_key_binding(FORMAT.open(holder.complete(HOLDER.sign(holder.signing_input))))


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()])
def test_other_algorithms(key: object) -> None:
    signer = SoftwareSigner(key)  # type: ignore[arg-type]
    opened = FORMAT.open(present(issue(signer, holder_key=signer.public_key), "town", holder=signer))
    FORMAT.verify_signature(opened, signer.public_key)
    FORMAT.verify_key_binding(opened)
    with pytest.raises(RefusedError) as caught:
        FORMAT.verify_signature(opened, ISSUER.public_key)
    assert caught.value.code is Code.KEY


def test_decoys_are_added_where_something_is_hidden_and_only_there() -> None:
    raw = issue(decoys=3)
    payload = parse_json(b64u_decode(raw.split(b".")[1], "p"), "p", max_bytes=100_000)
    assert len(payload["_sd"]) == 1 + 3
    assert len(payload["head"]["_sd"]) == 2 + 3
    assert len(payload["members"]) == 3 + 3
    opened = FORMAT.open(raw)
    assert len(opened.claims["members"]) == 3
    assert opened.hidden_elements[ClaimPath.parse("members")] == 3
    assert len(FORMAT.open(present(raw, "members[1]")).claims["members"]) == 1
    assert "_sd" not in conceal({"a": {"b": 1}}, salts=fresh_salts(), decoys=3)[0]["a"]


def test_two_copies_share_no_salt_no_digest_and_no_signature() -> None:
    first, second = (set(issue().replace(b".", b"~").split(b"~")[1:]) for _ in range(2))
    assert first & second == {b""}


def test_bearer_documents_have_no_holder_key_and_cannot_be_presented() -> None:
    raw = issue(holder_key=None)
    assert FORMAT.open(raw).holder_key is None
    with pytest.raises(ValueError, match="holder"):
        FORMAT.prepare_presentation(FORMAT.open(raw), [], audience="a", nonce=NONCE, issued_at=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"claims": {"exp": 1}},
        {"claims": {"status": SD("x")}},
        {"claims": {"_sd": []}},
        {"claims": {"a": {"...": 1}}},
        {"claims": {"a": SD(SD(1))}},
        {"claims": {1: 2}},
        {"claims": {"a": float("nan")}},
        {"issuer": ""},
        {"vct": ""},
        {"expires_at": 1},
        {"issued_at": -1},
    ],
)
def test_content_that_must_not_be_signed(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        issue(**changes)


def test_claims_deeper_than_a_verifier_reads_are_not_issued() -> None:
    deep: object = 1
    for _ in range(40):
        deep = [deep]
    with pytest.raises(ValueError, match="deeper"):
        issue(claims={"a": deep})


def test_a_signer_that_is_not_the_issuers_is_refused() -> None:
    with pytest.raises(ValueError, match="signer"):
        FORMAT.issue(content(), IssuerKey(public_key=HOLDER.public_key), ISSUER)


def test_nothing_personal_in_repr() -> None:
    assert "가상" not in repr(FORMAT.open(issue()))
    assert "가람시" not in repr(FORMAT.prepare(content(), IssuerKey(public_key=ISSUER.public_key)))


def test_pathmap_is_a_mapping_by_claim_path() -> None:
    paths = PathMap({("a",): 1, ("a", 0): 2})
    assert paths == {ClaimPath(("a",)): 1, ClaimPath(("a", 0)): 2}
    assert ClaimPath(("a", None)) not in paths
    assert "a" not in paths
    assert needed({"a": [5]}, {("a",): b"", ("a", 0): b""}, [ClaimPath(("a", None))]) == {("a",), ("a", 0)}


def test_opening_and_issuing_do_not_import_pyjwt() -> None:
    code = "import sys; import vcred.formats.sd_jwt_vc; sys.exit('jwt' in sys.modules or 'cryptography.x509' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_key_text_that_is_no_key_id_of_ours_is_kept_as_text() -> None:
    key = IssuerKey(public_key=ISSUER.public_key)
    ours = FORMAT.open(FORMAT.issue(content(), key, ISSUER))
    assert ours.kid == ISSUER.public_key.kid
    for kid in ("doc-signer-05-25-2022", "k", "AAAA"):
        raw = sign_jws({"typ": "dc+sd-jwt", "kid": kid}, b'{"iss":"https://city.example","vct":"urn:x"}', ISSUER) + b"~"
        assert FORMAT.open(raw).kid == kid.encode()
