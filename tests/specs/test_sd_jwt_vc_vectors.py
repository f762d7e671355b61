"""The SD-JWT VC draft's signed examples, its type metadata documents, and sd-jwt-js's extension chains."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from vcred.claims import ClaimPath, select
from vcred.errors import MalformedError
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.formats.type_metadata import check_integrity, resolve_type_metadata
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode as Code

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REGISTERED = {"iss", "iat", "nbf", "exp", "cnf", "vct", "status", "sub", "_sd", "_sd_alg"}


@pytest.fixture(scope="module")
def figures(vectors: Callable[..., Path]) -> dict[int, Any]:
    document = json.loads(vectors("sd_jwt_vc", "documents.json").read_text())
    return {entry["figure"]: entry["document"] for entry in document["figures"]} | {0: document}


def test_signed_examples_open_and_verify(vectors: Callable[..., Path], subtests: Any) -> None:
    published = json.loads(vectors("sd_jwt_vc", "examples.json").read_text())
    issuer = PublicKey.from_jwk(published["issuer_public_jwk"])
    form = SdJwtVc()
    seen = 0
    for example in published["examples"]:
        for kind in ("sd_jwt_issuance", "sd_jwt_presentation"):
            if kind not in example:
                continue
            with subtests.test(example["name"], kind=kind):
                opened = form.open(example[kind].encode())
                form.verify_signature(opened, issuer)
                assert opened.vct == example["sd_jwt_payload"]["vct"]
                if kind == "sd_jwt_presentation":
                    shown = {n: v for n, v in example["verified_contents"].items() if n not in REGISTERED}
                    assert opened.claims == shown
                if "kb_jwt_payload" in example and kind == "sd_jwt_presentation":
                    form.verify_key_binding(opened)
                    assert opened.key_binding is not None
                    assert opened.key_binding.nonce == example["kb_jwt_payload"]["nonce"].encode()
                    assert opened.key_binding.issued_at == example["kb_jwt_payload"]["iat"]
            seen += 1
    assert seen == 5


def test_claim_paths_select_what_the_draft_prints(figures: dict[int, Any]) -> None:
    chosen = figures[0]["claim_path_selection"]
    for case in chosen["cases"]:
        found = select(figures[chosen["credential_figure"]], ClaimPath(tuple(case["path"])))
        assert [value for _, value in found] == case["selected"]


def test_type_metadata_chains(vectors: Callable[..., Path], subtests: Any) -> None:
    published = json.loads(vectors("sd_jwt_vc", "type_metadata_cases.json").read_text())
    documents = {url: json.dumps(document).encode() for url, document in published["documents"].items()}
    for case in published["cases"]:
        with subtests.test(case["name"]):
            limit = case.get("max_extends_depth", 8)
            if case["expected"] == "reject":
                with pytest.raises(MalformedError) as caught:
                    resolve_type_metadata(case["vct"], documents, integrity=None, max_extends=limit)
                assert caught.value.code is Code.METADATA
                continue
            found = resolve_type_metadata(case["vct"], documents, integrity=None, max_extends=limit)
            assert list(found.chain) == case["chain"]
            if "merged" in case:
                assert found.document == case["merged"]
            for name in ("name", "description", "display", "claims"):
                if f"merged_{name}" in case:
                    assert found.document[name] == case[f"merged_{name}"]
            if "merged_claim_paths" in case:
                assert [claim["path"] for claim in found.document["claims"]] == case["merged_claim_paths"]
    assert len(published["cases"]) == 10


def test_effective_claims_of_the_drafts_own_extension(figures: dict[int, Any]) -> None:
    documents = {figures[n]["vct"]: json.dumps(figures[n]).encode() for n in (20, 21)}
    found = resolve_type_metadata(figures[21]["vct"], documents, integrity=None)
    assert found.document["claims"] == figures[22]["claims"]


def test_integrity_is_over_the_exact_published_bytes(vectors: Callable[..., Path], figures: dict[int, Any]) -> None:
    entry = figures[0]["integrity"]
    raw = vectors("sd_jwt_vc", entry["document_file"]).read_bytes()
    check_integrity(entry["vct#integrity"], raw)
    for changed in (raw.rstrip(b"\n"), raw + b"\n", raw[:-2] + b" \n"):
        with pytest.raises(MalformedError) as caught:
            check_integrity(entry["vct#integrity"], changed)
        assert caught.value.code is Code.METADATA
    document = json.loads(raw)
    standing_alone = {name: value for name, value in document.items() if not name.startswith("extends")}
    found = resolve_type_metadata(
        document["vct"], {document["vct"]: json.dumps(standing_alone).encode()}, integrity=None
    )
    assert found.document["claims"] == document["claims"]
    with pytest.raises(MalformedError):  # what it extends was never published, so it is not pinned
        resolve_type_metadata(document["vct"], {document["vct"]: raw}, integrity=entry["vct#integrity"])
