from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from vcred.claims import SD, ClaimPath
from vcred.credential import Content, StatusReference
from vcred.errors import MissingExtraError, RefusedError, SigningError
from vcred.formats import _didkit_process
from vcred.formats._didkit_process import DidkitProcess
from vcred.formats._wire import parse_json
from vcred.formats.base import IssuerKey
from vcred.formats.didkit import CLAIMS_CONTEXT, LdpVc
from vcred.formats.w3c_vc import W3cJwt
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode as Code
from vcred.trust.did import did_key

pytest.importorskip("didkit")

ED25519 = SoftwareSigner(ed25519.Ed25519PrivateKey.generate())
P256, HOLDER = SoftwareSigner.generate(), SoftwareSigner.generate()
VCT = "urn:vcred:kr:resident.household:1"
CLAIMS = {"issuedOn": "2025-09-26", "head": {"name": SD("김가상")}, "history": SD([]), "spouse": None, "count": 3}
PLAIN = {"issuedOn": "2025-09-26", "head": {"name": "김가상"}, "history": [], "spouse": None, "count": 3}
SENT = {"audience": "x509_hash:abc", "nonce": bytes(range(128, 144)), "issued_at": 1_758_900_000}


@pytest.fixture(scope="module")
def form():
    process = DidkitProcess()
    yield LdpVc(process=process)
    process.close()


def content(signer: SoftwareSigner, **changes: object) -> Content:
    return Content(
        **{  # type: ignore[arg-type]
            "vct": VCT,
            "issuer": did_key(signer.public_key),
            "claims": CLAIMS,
            "issued_at": 1_758_844_800,
            "not_before": 1_758_844_801,
            "expires_at": 1_766_000_000,
            "holder_key": HOLDER.public_key,
            "status": StatusReference(uri="https://city.example/status/1", index=4711),
            **changes,
        }
    )


def issue(form: LdpVc, signer: SoftwareSigner = P256, **changes: object) -> bytes:
    return form.issue(content(signer, **changes), IssuerKey(public_key=signer.public_key), signer)


def refusal(act) -> Code:
    with pytest.raises(RefusedError) as caught:
        act()
    return caught.value.code


@pytest.mark.parametrize("signer", [P256, ED25519], ids=["P-256", "Ed25519"])
def test_what_is_issued_is_what_is_opened_and_verified(form, signer):
    opened = form.open(issue(form, signer))
    form.verify_signature(opened, signer.public_key)
    assert refusal(lambda: form.verify_signature(opened, HOLDER.public_key)) is Code.KEY
    assert (opened.format, opened.alg, opened.issuer) == ("ldp_vc", signer.public_key.alg, did_key(signer.public_key))
    assert opened.kid == f"{opened.issuer}#{opened.issuer.removeprefix('did:key:')}".encode()
    assert opened.vct == VCT
    assert (opened.issued_at, opened.not_before, opened.expires_at) == (1_758_844_800, 1_758_844_801, 1_766_000_000)
    assert opened.status == StatusReference(uri="https://city.example/status/1", index=4711)
    assert opened.holder_key == HOLDER.public_key
    assert opened.claims == PLAIN
    assert refusal(lambda: form.verify_key_binding(opened)) is Code.KB_MISSING


def test_the_wire_is_a_credential_of_vcdm_1(form):
    body = parse_json(issue(form), "", max_bytes=100_000)
    proof = body.pop("proof")
    assert body == {
        "@context": [
            "https://www.w3.org/2018/credentials/v1",
            "https://w3id.org/security/suites/jws-2020/v1",
            CLAIMS_CONTEXT,
        ],
        "type": ["VerifiableCredential", VCT],
        "issuer": did_key(P256.public_key),
        "issuanceDate": "2025-09-26T00:00:01Z",
        "expirationDate": "2025-12-17T19:33:20Z",
        "credentialSubject": {"id": did_key(HOLDER.public_key), "claims": PLAIN},
        "credentialStatus": {"id": "https://city.example/status/1#4711", "type": "urn:vcred:TokenStatusListEntry"},
    }
    assert proof.keys() == {"type", "created", "proofPurpose", "verificationMethod", "jws"}
    assert (proof["type"], proof["created"]) == ("JsonWebSignature2020", "2025-09-26T00:00:00Z")


@pytest.mark.parametrize("holder", [HOLDER, SoftwareSigner(ed25519.Ed25519PrivateKey.generate())], ids=["P-256", "Ed"])
def test_a_presentation_is_bound_to_holder_audience_and_nonce(form, holder):
    raw = issue(form, ED25519, holder_key=holder.public_key)
    shown = form.open(form.present(form.open(raw), [], holder, **SENT))
    form.verify_signature(shown, ED25519.public_key)
    form.verify_key_binding(shown)
    binding = shown.key_binding
    assert (binding.audience, binding.nonce, binding.issued_at) == tuple(SENT.values())
    assert shown.claims == PLAIN


def test_it_presents_all_or_refuses(form):
    opened = form.open(issue(form))
    with pytest.raises(ValueError, match="discloses everything"):
        form.present(opened, [ClaimPath.parse("head.name")], HOLDER, **SENT)
    with pytest.raises(ValueError, match="by its holder key"):
        form.present(opened, [], P256, **SENT)
    with pytest.raises(ValueError, match="audience and a nonce"):
        form.present(opened, [], HOLDER, audience="x", nonce=None, issued_at=1)
    with pytest.raises(TypeError):
        form.verify_signature(W3cJwt().open(W3cJwt().issue(content(P256), key(P256), P256)), P256.public_key)


def key(signer):
    return IssuerKey(public_key=signer.public_key)


class Token:
    """A key somewhere else."""

    public_key = P256.public_key

    def sign(self, message: bytes) -> bytes:
        return P256.sign(message)


def test_what_didkit_cannot_sign_is_said_before(form):
    with pytest.raises(ValueError, match="private key itself"):
        form.issue(content(P256), key(P256), Token())
    p384 = SoftwareSigner(ec.generate_private_key(ec.SECP384R1()))
    with pytest.raises(ValueError, match="Ed25519 and P-256"):
        form.issue(content(p384), key(p384), p384)
    assert refusal(lambda: form.verify_signature(form.open(issue(form)), p384.public_key)) is Code.KEY
    with pytest.raises(ValueError, match="did:key of its signer"):
        issue(form, issuer="https://city.example/issuer")
    with pytest.raises(ValueError, match="chain"):
        form.issue(content(P256), IssuerKey(public_key=P256.public_key, chain=(b"leaf",)), P256)
    with pytest.raises(ValueError, match="not whole"):
        issue(form, claims={"share": 0.5})
    with pytest.raises(ValueError, match="not whole"):
        issue(form, claims={"share": 2**53})
    with pytest.raises(ValueError, match="hides nothing"):
        issue(form, decoys=1)
    with pytest.raises(ValueError, match="read again"):
        issue(form, vct="household")
    for act in (form.prepare, form.prepare_presentation):
        with pytest.raises(ValueError, match="by itself"):
            act()


def test_a_bearer_document_has_no_holder_and_cannot_be_presented(form):
    opened = form.open(issue(form, holder_key=None, status=None))
    assert (opened.holder_key, opened.status) == (None, None)
    with pytest.raises(ValueError, match="holder key"):
        form.present(opened, [], HOLDER, **SENT)


def test_the_process_is_sealed_and_starts_again_when_lost(form):
    process = DidkitProcess()
    assert process.call("verify_credential", b"{}", b"{}") is None
    assert process.sealed or sys.platform == "win32"
    process._process.kill()
    process._process.wait()
    ldp = LdpVc(process=process)
    ldp.verify_signature(ldp.open(issue(form)), P256.public_key)
    process.close()
    process.close()


def test_only_the_four_calls_are_made():
    process = DidkitProcess()
    for name in ("resolve_did", "generate_ed25519_key", "__class__", ""):
        assert process.call(name) is None
    process.close()


def test_what_takes_too_long_is_no_answer(form, tmp_path, monkeypatch):
    slow = tmp_path / "slow.py"
    slow.write_text("import sys\nsys.stdin.buffer.read()\n")
    monkeypatch.setattr(_didkit_process, "_WORKER", slow)
    process = DidkitProcess(seconds=0.2)
    ldp = LdpVc(process=process)
    opened = form.open(issue(form))
    assert refusal(lambda: ldp.verify_signature(opened, P256.public_key)) is Code.UNCHECKED
    with pytest.raises(SigningError):
        issue(ldp)
    process.close()


def test_without_didkit_the_extra_is_named(tmp_path, monkeypatch):
    worker = tmp_path / "worker.py"
    text = Path(_didkit_process.__file__).with_name("_didkit_worker.py").read_text()
    worker.write_text(text.replace("import didkit", "import didkit_that_is_not_there"))
    monkeypatch.setattr(_didkit_process, "_WORKER", worker)
    with pytest.raises(MissingExtraError, match=r"vcred\[didkit\]"):
        DidkitProcess().call("verify_credential", b"{}", b"{}")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a fork is POSIX's")
def test_a_fork_has_a_process_of_its_own(form):
    raw = issue(form)
    opened = form.open(raw)
    code = (
        "import os, sys\n"
        "from vcred.formats.didkit import LdpVc\n"
        "form, raw = LdpVc(), sys.stdin.buffer.read()\n"
        "opened = form.open(raw)\n"
        "from vcred.trust.did import did_methods\n"
        "key = did_methods(opened.issuer, None, path='')[0][1]\n"
        "form.verify_signature(opened, key)\n"
        "child = os.fork()\n"
        "form.verify_signature(opened, key)\n"
        "assert child == 0 or os.waitpid(child, 0)[1] == 0\n"
    )
    run = subprocess.run([sys.executable, "-c", code], input=raw, capture_output=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (0, b"")
    form.verify_signature(opened, P256.public_key)


def test_the_interpreter_leaves_cleanly_though_didkit_was_used():
    code = (
        "from vcred.formats.didkit import LdpVc\n"
        "from vcred.formats._didkit_process import DidkitProcess\n"
        "import sys; process = DidkitProcess(); process.call('verify_credential', b'{}', b'{}')\n"
        "assert 'didkit' not in sys.modules\n"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (0, b"")


def test_nothing_is_left_when_it_is_forgotten():
    process = DidkitProcess()
    process.call("verify_credential", b"{}", b"{}")
    running = process._process
    del process
    gc.collect()
    assert running.returncode is not None
