"""Every help text and example, in Korean and English: ``texts.toml``, of which ``docs/cli.md`` is made too."""

from __future__ import annotations

import os
import re
import tomllib
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "LANG",
    "command_entry",
    "command_text",
    "detail_text",
    "exit_codes",
    "language_of",
    "option_text",
    "page_text",
]

LANG: ContextVar[str] = ContextVar("vcred_lang", default="ko")
"""The language of this run."""


def language_of(arguments: Sequence[str]) -> str:
    """``--lang`` among ``arguments`` if it is there, else the locale's language if we speak it, else Korean."""
    for index, argument in enumerate(arguments):
        value = argument.removeprefix("--lang=") if argument.startswith("--lang=") else None
        if argument == "--lang" and index + 1 < len(arguments):
            value = arguments[index + 1]
        if value in ("ko", "en"):
            return value
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if setting := os.environ.get(name, ""):
            return "en" if setting.lower().startswith("en") else "ko"
    return "ko"


def command_entry(path: str) -> dict[str, Any]:
    """What ``texts.toml`` says about the command ``path`` ("issuer init"; "" is ``vcred`` itself)."""
    entry: dict[str, Any] = _texts()["commands"][path or "vcred"]
    return entry


def command_text(path: str, lang: str) -> str:
    """The help of a command."""
    text: str = command_entry(path)[lang]
    return text


def option_text(path: str, option: str, lang: str) -> str:
    """The help of ``--option`` of a command: its own text, the group's, or the one all commands share."""
    options = _texts()["options"]
    group = path.split(" ", 1)[0]
    entry = options.get(f"{path} {option}") or options.get(f"{group} {option}") or options[option]
    text: str = entry[lang]
    return text


def detail_text(detail: str, lang: str) -> str:
    """What an error of ours says, in ``lang``; what has no Korean words stays as it is."""
    if lang == "ko":
        for english, korean in _details():
            detail = english.sub(korean, detail)
    return detail


def exit_codes() -> dict[str, dict[str, str]]:
    """Exit code -> its meaning in both languages."""
    codes: dict[str, dict[str, str]] = _texts()["exit_codes"]
    return codes


def page_text(lang: str) -> str:
    """How the page of the command line begins."""
    text: str = _texts()["page"][lang]
    return text


@cache
def _details() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(entry["en"]), entry["ko"]) for entry in _texts()["details"]]


@cache
def _texts() -> dict[str, Any]:
    return tomllib.loads(files("vcred.cli").joinpath("texts.toml").read_text(encoding="utf-8"))
