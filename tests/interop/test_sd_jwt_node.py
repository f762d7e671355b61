"""SD-JWT VC against @sd-jwt: what either side issues and presents, the other reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume

from tests.interop.kit import (
    AT,
    AUDIENCE,
    NONCE_TEXT,
    NOW,
    PeerError,
    frame,
    plain,
    presentation_frame,
    private_jwk,
    shown,
)
from tests.interop.sd_jwt_kit import (
    ALGS,
    HASHES,
    HOUSEHOLD,
    KEYS,
    SOME,
    cases,
    check_ours,
    flipped,
    ours,
    ours_shown,
    own,
    registered,
)
from vcred.claims import SD
from vcred.credential import StatusReference
from vcred.errors import RefusedError
from vcred.status import StatusList, build_status_token

LIST = "https://garam.example/status/1"


class Js:
    def __init__(self, node) -> None:
        self.node = node

    def issue(self, tree, *, alg="ES256", hashed="sha-256", decoys=0, **claims) -> str:
        return self.node.call(
            "sd_jwt.issue",
            claims=registered(alg) | claims | plain(tree),
            frame=frame(tree, decoys=decoys) or {},
            key=private_jwk(KEYS[alg][0]),
            hash=hashed,
        )

    def present(self, raw, chosen, *, alg="ES256", hashed="sha-256") -> str:
        return self.node.call(
            "sd_jwt.present",
            credential=raw,
            frame=presentation_frame(chosen),
            key=private_jwk(KEYS[alg][1]),
            claims={"iat": NOW, "aud": AUDIENCE, "nonce": NONCE_TEXT},
            hash=hashed,
        )

    def verify(self, raw, *, alg="ES256", **more) -> dict[str, Any]:
        key = KEYS[alg][0].public_key.to_jwk()
        found = self.node.call("sd_jwt.verify", presentation=raw, key=key, nonce=NONCE_TEXT, at=NOW, **more)
        assert found["kb"]["payload"]["aud"] == AUDIENCE
        return own(found["payload"])


def out_of_its_reach(node: Any, *, hidden: bool = False, plainly: bool = False) -> bool:
    """Whether something hidden is in a plain array or object that is itself in something hidden.

    Its holder reads the disclosures twice, and the first reading writes the inner values over the placeholders of such
    an array or object: what is in there cannot be shown any more (@sd-jwt/decode 0.19.0).
    """
    if isinstance(node, SD):
        return plainly or out_of_its_reach(node.value, hidden=True)
    parts = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return any(
        out_of_its_reach(part, hidden=hidden, plainly=plainly or (hidden and not isinstance(part, SD)))
        for part in parts
    )


@pytest.fixture(scope="module")
def js(node) -> Js:
    return Js(node)


@cases
def test_sd_jwt_js_issues_and_presents_and_we_verify(js, case) -> None:
    tree, chosen = case
    assume(not out_of_its_reach(tree))
    raw = js.issue(tree)
    check_ours(raw, plain(tree))
    check_ours(js.present(raw, chosen), shown(tree, chosen))


@cases
def test_we_issue_and_present_and_sd_jwt_js_verifies(js, case) -> None:
    tree, chosen = case
    assert js.verify(ours_shown(ours(tree), chosen)) == shown(tree, chosen)


@cases
def test_we_issue_and_sd_jwt_js_presents_and_we_verify(js, case) -> None:
    tree, chosen = case
    assume(not out_of_its_reach(tree))
    check_ours(js.present(ours(tree).decode(), chosen), shown(tree, chosen))


def test_sd_jwt_js_cannot_show_what_is_hidden_in_a_plain_part_of_something_hidden(js) -> None:
    tree, chosen = {"a": SD({"b": [SD(1)]})}, {("a",), ("a", "b", 0)}
    assert out_of_its_reach(tree)
    raw = ours(tree).decode()
    with pytest.raises(RefusedError, match="sd_hash"):  # it signs what it meant to show
        check_ours(js.present(raw, chosen), {"a": {"b": []}})
    assert js.verify(ours_shown(raw.encode(), chosen)) == {"a": {"b": [1]}}


@cases
def test_sd_jwt_js_issues_and_we_present_and_sd_jwt_js_verifies(js, case) -> None:
    tree, chosen = case
    assert js.verify(ours_shown(js.issue(tree).encode(), chosen)) == shown(tree, chosen)


@pytest.mark.parametrize("alg", ALGS)
@pytest.mark.parametrize("hashed", HASHES)
def test_sd_jwt_js_with_every_signature_and_hash(js, alg, hashed) -> None:
    tree, chosen = SOME
    raw = js.issue(tree, alg=alg, hashed=hashed, decoys=2)
    check_ours(raw, plain(tree), alg=alg)
    check_ours(js.present(raw, chosen, alg=alg, hashed=hashed), shown(tree, chosen), alg=alg)
    assert js.verify(ours_shown(raw.encode(), chosen, alg=alg), alg=alg, hash=hashed) == shown(tree, chosen)


@pytest.mark.parametrize("alg", ALGS)
def test_sd_jwt_js_reads_ours_with_decoys(js, alg) -> None:
    tree, chosen = SOME
    assert js.verify(ours_shown(ours(tree, alg=alg, decoys=3), chosen, alg=alg), alg=alg) == shown(tree, chosen)


def test_sd_jwt_js_follows_our_status_list(js) -> None:
    """The whole way of an SD-JWT VC in their library: signature, key binding, and our list of statuses."""
    signing = KEYS["ES256"][0]
    revoked = StatusList.build(bits=2, size=1000, values={7: 1})
    token = build_status_token(
        uri=LIST,
        status_list=revoked,
        signer=signing,
        issued_at=AT.replace(hour=8),
        expires_at=AT.replace(day=9),
        ttl=None,
        form="jwt",
    ).decode()
    for index, valid in ((6, True), (7, False)):
        raw = ours_shown(ours(HOUSEHOLD, status=StatusReference(uri=LIST, index=index)), set())
        if valid:
            assert js.verify(raw, statusTokens={LIST: token}) == shown(HOUSEHOLD, set())
        else:
            with pytest.raises(PeerError, match="Status is not valid"):
                js.verify(raw, statusTokens={LIST: token})


def test_sd_jwt_js_refuses_what_we_refuse(js) -> None:
    good = ours_shown(ours(HOUSEHOLD), {("householder",)})
    credential, *shown_parts, binding = good.split("~")
    fewer = "~".join([credential, *shown_parts[1:], binding])
    seen = shown(HOUSEHOLD, {("householder",)})
    for wrong, left in (
        (flipped(good, part=0), seen),
        (flipped(good, part=-1), seen),
        (fewer, shown(HOUSEHOLD, set())),
    ):
        with pytest.raises(PeerError):
            js.verify(wrong)
        with pytest.raises(RefusedError):
            check_ours(wrong, left)
