"""``docs/cli.md``, made from the commands themselves and ``texts.toml``: whoever adds an option documents it."""

from __future__ import annotations

import click

from vcred.cli._command import Group, commands, longest
from vcred.cli._texts import command_entry, command_text, exit_codes, option_text, page_text

__all__ = ["markdown"]

_WORDS = {
    "en": ("Exit codes", "code", "meaning", "option", "what it does", "required"),
    "ko": ("종료 코드", "코드", "뜻", "옵션", "하는 일", "필수"),
}


def markdown(root: Group, lang: str = "en") -> str:
    """The page, in ``ko`` or ``en``."""
    codes, code, meaning, *_ = _WORDS[lang]
    lines = [page_text(lang), f"## {codes}", "", f"| {code} | {meaning} |", "| --- | --- |"]
    lines += [f"| {number} | {texts[lang]} |" for number, texts in exit_codes().items()]
    group = ""
    for path, command in commands(root).items():
        first = path.split(" ", 1)[0]
        if first != group:
            group = first
            lines += ["", f"## vcred {group}", "", command_text(group, lang)]
        if path != group:
            lines += ["", f"### vcred {path}", "", command_text(path, lang)]
        lines += _usage(path, command, lang)
    return "\n".join(lines) + "\n"


def _usage(path: str, command: click.Command, lang: str) -> list[str]:
    _, _, _, option, does, required = _WORDS[lang]
    lines = ["", "```", command_entry(path)["example"], "```", ""]
    ctx = click.Context(command, info_name=path)
    usage = " ".join(piece for param in command.params for piece in param.get_usage_pieces(ctx))
    lines += [f"`vcred {path}{' ' + usage if usage else ''} [OPTIONS]`", "", f"| {option} | {does} |", "| --- | --- |"]
    for param in command.params:
        if isinstance(param, click.Option):
            name = longest(param)
            mark = f" ({required})" if param.required else ""
            lines.append(f"| `{name}` | {option_text(path, name, lang)}{mark} |")
    return lines
