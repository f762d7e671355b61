"""VC-11: type metadata that runs in circles, goes on for ever, was changed, or loosens what it extends."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import md5, sha256, sha512
from typing import Any

import pytest

from vcred.errors import MalformedError
from vcred.formats.type_metadata import check_integrity, resolve_type_metadata
from vcred.reasons import ReasonCode as Code


def documents(**types: dict[str, Any]) -> dict[str, bytes]:
    return {f"urn:{name}": json.dumps({"vct": f"urn:{name}", **body}).encode() for name, body in types.items()}


def sri(raw: bytes, function: Any = sha256) -> str:
    return f"{function().name}-{b64encode(function(raw).digest()).decode()}"


def refused(pinned: dict[str, bytes], vct: str = "urn:a", integrity: str | None = None) -> str:
    with pytest.raises(MalformedError) as caught:
        resolve_type_metadata(vct, pinned, integrity=integrity)
    assert caught.value.code is Code.METADATA
    return caught.value.detail


def test_vc_11_cycles() -> None:
    assert "circle" in refused(documents(a={"extends": "urn:a"}))
    assert "circle" in refused(documents(a={"extends": "urn:b"}, b={"extends": "urn:c"}, c={"extends": "urn:b"}))


def test_vc_11_thousand_long_chain_stops_at_the_limit() -> None:
    links = {f"t{n}": {"extends": f"urn:t{n + 1}"} for n in range(1000)}
    assert "more than 8" in refused(documents(**links), "urn:t0")
    nine = documents(**{f"t{n}": {"extends": f"urn:t{n + 1}"} for n in range(8)}, t8={})
    assert len(resolve_type_metadata("urn:t0", nine, integrity=None).chain) == 9


def test_vc_11_integrity() -> None:
    pinned = documents(a={"name": "x"})
    good = sri(pinned["urn:a"])
    assert resolve_type_metadata("urn:a", pinned, integrity=good).document["name"] == "x"
    changed = {"urn:a": pinned["urn:a"] + b" "}
    assert "integrity" in refused(changed, integrity=good)
    base = documents(b={})
    child = documents(a={"extends": "urn:b", "extends#integrity": sri(base["urn:b"])})
    assert resolve_type_metadata("urn:a", {**base, **child}, integrity=None).chain == ("urn:a", "urn:b")
    assert "integrity" in refused({**documents(b={"name": "other"}), **child})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256-",
        "md5-" + b64encode(md5(b"x").digest()).decode(),
        "sha256-" + sha256(b"x").hexdigest(),
        "nonsense",
        "sha256-é",
    ],
)
def test_vc_11_integrity_text_that_vouches_for_nothing(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        check_integrity(text, b"x")
    assert caught.value.code is Code.METADATA


def test_vc_11_only_the_strongest_hash_counts() -> None:
    check_integrity(f"{sri(b'other')} {sri(b'x', sha512)} {sri(b'other', sha512)}", b"x")
    with pytest.raises(MalformedError):
        check_integrity(f"{sri(b'x')} {sri(b'other', sha512)}", b"x")


def test_vc_11_offline_means_the_pinned_copy_or_nothing() -> None:
    assert "pinned" in refused({})
    assert "pinned" in refused(documents(a={"extends": "https://types.example/b"}))


@pytest.mark.parametrize(
    "body",
    [
        {"vct": "urn:other"},
        {"extends": 5},
        {"extends": ""},
        {"extends#integrity": "sha256-x"},
        {"claims": {}},
        {"claims": [5]},
        {"claims": [{"path": []}]},
        {"claims": [{"path": [-1]}]},
        {"claims": [{"path": [True]}]},
        {"claims": [{"path": ["a"], "sd": "maybe"}]},
        {"claims": [{"path": ["a"], "mandatory": "yes"}]},
        {"claims": [{"path": ["a"]}, {"path": ["a"]}]},
        {"claims": [{"path": ["a", n]} for n in range(1001)]},
    ],
)
def test_vc_11_malformed_documents(body: dict[str, Any]) -> None:
    assert refused(documents(a=body))


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"vct":"urn:a","vct":"urn:a"}', b"[" * 100_000, b" " * 300_000])
def test_vc_11_documents_that_are_no_json_object(raw: bytes) -> None:
    assert refused({"urn:a": raw})


@pytest.mark.parametrize(
    ("base", "child", "fine"),
    [
        ({"sd": "always"}, {"sd": "never"}, False),
        ({"sd": "always"}, {"sd": "allowed"}, False),
        ({"sd": "never"}, {"sd": "always"}, False),
        ({"sd": "always"}, {}, True),
        ({"sd": "allowed"}, {"sd": "never"}, True),
        ({}, {"sd": "always"}, True),
        ({"mandatory": True}, {"mandatory": False}, False),
        ({"mandatory": True}, {}, True),
        ({"mandatory": False}, {"mandatory": True}, True),
    ],
)
def test_vc_11_extending_only_tightens(base: dict[str, Any], child: dict[str, Any], fine: bool) -> None:
    pinned = documents(
        a={"extends": "urn:b", "claims": [{"path": ["x"], **child}]}, b={"claims": [{"path": ["x"], **base}]}
    )
    if fine:
        (claim,) = resolve_type_metadata("urn:a", pinned, integrity=None).document["claims"]
        assert claim == {"path": ["x"], **base, **child}
    else:
        assert "extended" in refused(pinned)
