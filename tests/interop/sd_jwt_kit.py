"""SD-JWT VC on our side of the tests against peers, and the generated cases.

Claims are generated: any tree, anything in it hidden, any part of it shown. What a verifier sees is compared with what
the tree itself says (``kit.shown``), so that no library is the judge of another.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.interop.kit import AUDIENCE, CLAIM_TREES, ISSUER, NONCE, NOW, VCT, closure, marked, signer
from vcred.claims import SD, ClaimPath
from vcred.credential import Content, StatusReference
from vcred.formats.base import IssuerKey
from vcred.formats.sd_jwt_vc import SdJwtVc

FORMAT = SdJwtVc()
ALGS = ("ES256", "ES384", "EdDSA")
HASHES = ("sha-256", "sha-384", "sha-512")
REGISTERED = {"iss", "iat", "exp", "vct", "cnf", "status", "_sd_alg"}
KEYS = {alg: (signer(alg), signer(alg)) for alg in ALGS}
HOUSEHOLD = {
    "householder": SD("김가람"),
    "plain": {"city": "가람시", "hidden": SD({"road": SD("별빛로 12"), "since": SD(2021)})},
    "members": [SD({"name": SD("박새솔"), "tags": SD([SD("a"), "b", SD(None)])}), SD("김하늘"), "김바다"],
    "nothing": SD(None),
    "empty": SD([]),
    "void": SD({}),
}
fuzzed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def disclosures(draw: st.DrawFn) -> tuple[dict[str, Any], set[tuple[Any, ...]]]:
    """Claims, and which of those that are hidden a holder shows."""
    tree = draw(CLAIM_TREES)
    hidden = marked(tree)
    asked = draw(st.lists(st.sampled_from(hidden), unique=True)) if hidden else []
    return tree, closure(tree, asked)


EVERYTHING = (HOUSEHOLD, set(marked(HOUSEHOLD)))
SOME = (HOUSEHOLD, closure(HOUSEHOLD, [("plain", "hidden", "road"), ("members", 0, "tags", 2), ("void",)]))
NOTHING: tuple[dict[str, Any], set[tuple[Any, ...]]] = (HOUSEHOLD, set())


def cases(test):
    for case in (EVERYTHING, SOME, NOTHING):
        test = example(case=case)(test)
    return fuzzed(given(case=disclosures())(test))


def own(payload: dict[str, Any]) -> dict[str, Any]:
    """The claims of the certificate itself."""
    return {name: value for name, value in payload.items() if name not in REGISTERED}


def registered(alg: str) -> dict[str, Any]:
    return {
        "iss": ISSUER,
        "iat": NOW - 60,
        "exp": NOW + 86400,
        "vct": VCT,
        "cnf": {"jwk": KEYS[alg][1].public_key.to_jwk()},
    }


def ours(tree: dict[str, Any], *, alg: str = "ES256", decoys: int = 0, status: StatusReference | None = None) -> bytes:
    issuer, holder = KEYS[alg]
    content = Content(
        vct=VCT,
        issuer=ISSUER,
        claims=tree,
        issued_at=NOW - 60,
        expires_at=NOW + 86400,
        holder_key=holder.public_key,
        decoys=decoys,
        status=status,
    )
    return FORMAT.issue(content, IssuerKey(public_key=issuer.public_key), issuer)


def ours_shown(raw: bytes, chosen: set[tuple[Any, ...]], *, alg: str = "ES256") -> str:
    opened = FORMAT.open(raw)
    # To ask for a node is to show all below it: a parent that leads to what is shown is not asked for.
    held_back = {path.parts for path in opened.disclosures} - chosen
    paths = [ClaimPath(one) for one in chosen if not any(other[: len(one)] == one for other in held_back)]
    return FORMAT.present(opened, paths, KEYS[alg][1], audience=AUDIENCE, nonce=NONCE, issued_at=NOW).decode()


def check_ours(raw: str, expected: dict[str, Any], *, alg: str = "ES256") -> None:
    """Our verdict on what they made."""
    opened = FORMAT.open(raw.encode())
    FORMAT.verify_signature(opened, KEYS[alg][0].public_key)
    assert opened.claims == expected
    if opened.key_binding is not None:
        FORMAT.verify_key_binding(opened)
        assert (opened.key_binding.audience, opened.key_binding.nonce) == (AUDIENCE, NONCE)


def flipped(raw: str, *, part: int) -> str:
    """``raw`` with another signature: that of the credential (0) or of the holder (-1)."""
    parts = raw.split("~")
    signed, _, signature = parts[part].rpartition(".")
    parts[part] = f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    return "~".join(parts)
