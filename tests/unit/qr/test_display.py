"""Text from strangers, made safe to print."""

from __future__ import annotations

import sys

import pytest

from vcred.qr import SafeText, safe_text


@pytest.mark.parametrize(
    "text", ["김가람", "NGUYEN THI SAMPLE", "金가람", "O'Neil-Smith, Jr.", "Zoë Ångström", "ไทย", "नमस्ते", "한글 ABC 12"]
)
def test_names_stay_as_they_are(text: str) -> None:
    assert safe_text(text) == text
    assert not safe_text(text).flagged


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("gnp\u202eexe", r"gnp\u{202E}exe"),
        ("김\u200b가람", r"김\u{200B}가람"),
        ("김가람\u3164", r"김가람\u{3164}"),
        ("\x1b[2J", r"\u{001B}[2J"),
        ("a\nb\tc", r"a\u{000A}b\u{0009}c"),
        ("a\u00a0b\u3000c", r"a\u{00A0}b\u{3000}c"),
        ("a\ufe0f\U000e0041", r"a\u{FE0F}\u{E0041}"),
        ("\ud800", r"\u{D800}"),
        (r"\u{202E}", r"\u{005C}u{202E}"),
        ("o" + "\u0301" * 6, "o" + "\u0301" * 4 + r"\u{0301}" * 2),
    ],
)
def test_what_hides_or_reorders_is_shown_and_flagged(text: str, shown: str) -> None:
    assert safe_text(text) == shown
    assert safe_text(text).flagged


def test_the_result_is_text() -> None:
    assert isinstance(safe_text("a"), SafeText)
    assert f"{safe_text('a')}" == "a"


def test_no_control_character_of_any_kind_comes_through() -> None:
    shown = safe_text("".join(map(chr, (*range(0x3200), *range(0xD7A0, 0x10000), *range(0xE0000, sys.maxunicode, 97)))))
    assert shown.replace(" ", "").isprintable()
    assert not set("\u061c\u200e\u200f\u202a\u202e\u2066\u2069\ufeff\u00ad") & set(shown)
