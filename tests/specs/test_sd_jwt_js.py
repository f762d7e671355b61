"""sd-jwt-js: disclosure frames (what a holder selects) and its RFC 9901 section 7.1 rejections."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from vcred.claims import SD
from vcred.errors import MalformedError
from vcred.formats.sd_jwt import conceal, fresh_salts, process

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# RFC 9901 section 7.1 keeps an object that was emptied; the published answer drops it and is never run there.
CORRECTED = {"array_none_disclosed": {"is_over": {}}}


def _hide(value: Any, frame: Any) -> Any:
    if not isinstance(frame, dict):
        return value
    hidden = {str(name) for name in frame.get("_sd", [])}
    if isinstance(value, dict):
        done = {name: _hide(member, frame.get(name)) for name, member in value.items()}
        return {name: SD(member) if name in hidden else member for name, member in done.items()}
    if isinstance(value, list):
        parts = [_hide(element, frame.get(str(index))) for index, element in enumerate(value)]
        return [SD(part) if str(index) in hidden else part for index, part in enumerate(parts)]
    return value


def _shown(frame: Any, at: tuple[Any, ...], value: Any) -> list[tuple[Any, ...]]:
    if frame is True:
        return [at]
    if not isinstance(frame, dict):
        return []
    found = [at] if at else []
    for name, part in frame.items():
        if isinstance(value, list) and str(name).isdigit() and int(name) < len(value):
            found += _shown(part, (*at, int(name)), value[int(name)])
        elif isinstance(value, dict) and name in value:
            found += _shown(part, (*at, name), value[name])
    return found


def test_frames(vectors: Callable[..., Path], subtests: Any) -> None:
    frames = json.loads(vectors("sd_jwt_js", "frames.json").read_text())
    assert len(frames) == 17
    for name, case in frames.items():
        with subtests.test(name):
            payload, disclosures = conceal(_hide(case["claims"], case["disclosureFrame"]), salts=fresh_salts())
            whole = process(payload, disclosures)
            assert whole.payload == case["claims"]
            wanted = set(_shown(case["presentationFrames"], (), case["claims"]))
            shown = [text for parts, text in whole.disclosed.items() if parts in wanted]
            assert process(payload, shown).payload == CORRECTED.get(name, case["presentedClaims"])


def test_section_7_1(vectors: Callable[..., Path], subtests: Any) -> None:
    cases = json.loads(vectors("sd_jwt_js", "rfc9901_validation.json").read_text())["cases"]
    assert len(cases) == 9
    for case in cases:
        with subtests.test(case["name"]):
            real = case["with_real_digests"]
            disclosures = [text.encode() for text in real["disclosures"]]
            if case["expected"] == "accept":
                assert process(real["payload"], disclosures).payload == case["processed_payload"]
            else:
                with pytest.raises(MalformedError) as caught:
                    process(real["payload"], disclosures)
                assert caught.value.code.value in ("duplicate_digest", "unused_disclosure", "collision")
