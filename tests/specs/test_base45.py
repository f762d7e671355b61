"""RFC 9285: the examples of section 4 and the edges of the alphabet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from vcred.errors import MalformedError
from vcred.qr.base45 import base45_decode, base45_encode
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_every_valid_pair_holds_both_ways(vectors: Callable[..., Path]) -> None:
    cases = json.loads(vectors("base45", "vectors.json").read_text(encoding="utf-8"))["valid"]
    assert len(cases) == 16
    for case in cases:
        data = bytes.fromhex(case["bytes_hex"])
        assert base45_encode(data) == case["base45"]
        assert base45_decode(case["base45"], "qr") == data


def test_every_invalid_text_is_refused(vectors: Callable[..., Path]) -> None:
    cases = json.loads(vectors("base45", "vectors.json").read_text(encoding="utf-8"))["invalid"]
    assert len(cases) == 7
    for case in cases:
        with pytest.raises(MalformedError) as refused:
            base45_decode(case["base45"], "qr")
        assert refused.value.code is ReasonCode.ENCODING, case["reason"]
