"""Text from strangers, made safe to print: nothing in it can hide, reorder or fake what stands around it.

Names come from other people's software. A right-to-left override turns a file name or an account around, a
zero-width character makes two names look the same, an escape sequence repaints a terminal.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["SafeText", "safe_text"]

# Control, format (bidi, zero width, tags), surrogate, private use, unassigned, line and paragraph separators.
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that draw nothing: Hangul fillers, Khmer inherent vowels, combining grapheme joiner, Braille
# blank. The backslash is escaped too, so that an escape in the output is always one of ours.
_INVISIBLE: Final = frozenset("\u115f\u1160\u3164\uffa0\u17b4\u17b5\u034f\u2800\u180b\u180c\u180d\u180f\\")
_VARIATIONS: Final = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_MAX_MARKS: Final = 4
_PRINTABLE: Final = re.compile(r"[ -\[\]-~가-힣]*")


class SafeText(str):
    """Text that may be printed. ``flagged`` says that something in it had to be escaped: show that, too."""

    __slots__ = ("flagged",)
    flagged: bool


def safe_text(text: str) -> SafeText:
    r"""``text`` with every character that is invisible, reorders its neighbours or controls a device as ``\u{202E}``.

    Spaces other than the plain one and a fifth combining mark on one letter are escaped as well, and so is the
    backslash, so that an escape cannot be forged.
    """
    if _PRINTABLE.fullmatch(text):
        return _made(text, flagged=False)
    shown: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        shown.append(f"\\u{{{ord(char):04X}}}" if marks > _MAX_MARKS or _hides(char) else char)
    escaped = "".join(shown)
    return _made(escaped, flagged=escaped != text)


def _hides(char: str) -> bool:
    category = unicodedata.category(char)
    return (
        category in _HIDDEN_CATEGORIES
        or (category == "Zs" and char != " ")
        or char in _INVISIBLE
        or any(ord(char) in span for span in _VARIATIONS)
    )


def _made(text: str, *, flagged: bool) -> SafeText:
    made = SafeText(text)
    made.flagged = flagged
    return made
