"""tests/vectors/qr is what its generator makes, and what the code reads."""

from __future__ import annotations

import json
import runpy
import zlib
from pathlib import Path
from typing import Any

import pytest

from vcred import qr
from vcred.errors import MalformedError
from vcred.qr.base45 import base45_decode
from vcred.qr.digits import digits_decode
from vcred.qr.fountain import parse_frame, part_mask

HOME = Path(__file__).parents[2] / "vectors"
FILES = sorted(HOME.joinpath("qr").glob("*.json"))


def load(name: str) -> dict[str, Any]:
    cases: dict[str, Any] = json.loads(HOME.joinpath("qr", f"{name}.json").read_text(encoding="utf-8"))
    return cases


@pytest.mark.skipif("ng" in zlib.ZLIB_RUNTIME_VERSION, reason="zlib-ng deflates to other bytes, equally valid")
def test_the_files_are_what_the_generator_makes() -> None:
    made = runpy.run_path(str(HOME / "generate/qr.py"))["vectors"]()
    assert {file.stem for file in FILES} == set(made)
    for name, cases in made.items():
        assert load(name) == json.loads(json.dumps(cases)), name


def test_every_envelope_is_read_from_bytes_and_from_digits() -> None:
    for name, case in load("envelopes").items():
        raw = bytes.fromhex(case["envelope"])
        assert qr.decode_message(raw).kind == case["kind"], name
        assert digits_decode(case["digits"], "qr") == raw
        assert qr.decode([case["digits"]]) == qr.decode_message(raw)


@pytest.mark.parametrize("name", load("refused"))
def test_every_bad_envelope_is_refused_for_its_reason(name: str) -> None:
    case = load("refused")[name]
    with pytest.raises(MalformedError) as refused:
        qr.decode_message(bytes.fromhex(case["envelope"]))
    assert refused.value.code == case["reason"]


def test_every_frame_has_its_mask() -> None:
    for case in load("fountain").values():
        for listed in case["frames"]:
            frame = parse_frame(base45_decode(listed["text"].removeprefix("VF1:"), "qr"))
            assert (frame.index, f"{part_mask(frame):x}") == (listed["index"], listed["mask"])
            assert (frame.count, len(frame.part)) == (case["count"], case["part_size"])


def test_every_packed_token_is_its_text() -> None:
    for case in load("packed").values():
        assert qr.unpack_jws([bytes.fromhex(part) for part in case["packed"]]).decode() == case["text"]
