"""What every command has: ``--lang``, where it makes sense ``--at`` and ``--json``, and errors as exit codes."""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from vcred.cli._clock import MomentType, now
from vcred.cli._errors import Failure, Interrupted, failure_of
from vcred.cli._texts import LANG, command_text, detail_text, language_of, option_text
from vcred.errors import VcredError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from rich.console import Console

__all__ = ["Command", "Group", "Helped", "Run", "commands", "longest", "option"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a command: its language, its time, and where its report goes."""

    lang: str
    json: bool
    fixed_at: datetime | None = field(repr=False)

    @property
    def at(self) -> datetime:
        """The time of this run: ``--at``, or the clock."""
        return now() if self.fixed_at is None else self.fixed_at

    def text(self, ko: str, en: str) -> str:
        """The text in the language of this run."""
        return ko if self.lang == "ko" else en

    def say(self, ko: str, en: str) -> None:
        """One line for people; nothing with ``--json``."""
        if not self.json:
            click.echo(self.text(ko, en))

    def report(self, facts: Any, show: Callable[[Console], None]) -> None:
        """With ``--json`` one document with ``facts`` on stdout, else what ``show`` prints."""
        if self.json:
            click.echo(json_module.dumps(facts, ensure_ascii=False, indent=2))
            return
        from vcred.cli._show import console

        show(console())


class Helped(click.Option):
    """An option whose help is in ``texts.toml``."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """See click. The text is looked up when help is shown, in the language of the run."""
        if self.name != "help":
            self.help = option_text(_path(ctx), longest(self), LANG.get())
        return super().get_help_record(ctx)


def option(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """``click.option`` with its help in ``texts.toml``."""
    return click.option(*names, cls=Helped, **settings)


class Command(click.Command):
    """A command. ``at`` and ``json`` say whether it has these options; the callback gets a ``Run`` first."""

    def __init__(self, name: str | None, *, at: bool = False, json: bool = False, **settings: Any) -> None:
        super().__init__(name, **settings)
        if at:
            self.params.append(Helped(["--at"], type=MomentType(), metavar="ISO-TIME"))
        if json:
            self.params.append(Helped(["--json"], is_flag=True))
        self.params.append(Helped(["--lang"], type=click.Choice(["ko", "en"])))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the callback; every error becomes a ``Failure``."""
        as_json = bool(ctx.params.pop("json", False))
        run = Run(lang=LANG.get(), json=as_json, fixed_at=ctx.params.pop("at", None))
        ctx.params.pop("lang", None)
        ctx.obj = run
        try:
            return super().invoke(ctx)
        except Failure as known:
            ended = known
        except click.UsageError as error:
            raise _told(error, as_json=as_json) from None
        except (click.Abort, KeyboardInterrupt, EOFError):
            ended = Interrupted(run.text("그만두었습니다", "interrupted"), kind="interrupted")
        except (VcredError, OSError) as error:
            if isinstance(error, BrokenPipeError):  # the reader of our output has enough
                raise
            ended = failure_of(error)
        except ValueError as error:
            from vcred.qr import safe_text

            raise _told(click.UsageError(safe_text(detail_text(str(error), run.lang)), ctx), as_json=as_json) from error
        ended.as_json = as_json
        raise ended

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click."""
        _help(ctx, formatter)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click."""
        _usage(self, ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click."""
        _options(self, ctx, formatter)


class Group(click.Group):
    """A group whose commands are in modules that are imported when they are needed (``lazy``: name -> module)."""

    command_class = Command

    def __init__(self, name: str, *, lazy: Mapping[str, str] | None = None, parent: str = "") -> None:
        super().__init__(name)
        self.path = f"{parent} {name}".strip()
        self._lazy = dict(lazy or {})
        self.params.append(Helped(["--lang"], type=click.Choice(["ko", "en"]), expose_value=False))

    def main(self, args: Sequence[str] | None = None, *rest: Any, **settings: Any) -> Any:
        """See click. The language is settled before anything is parsed, because help needs it."""
        arguments = list(sys.argv[1:] if args is None else args)
        token = LANG.set(language_of(arguments))
        try:
            return super().main(arguments, *rest, **settings)
        finally:
            LANG.reset(token)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """See click; in the order in which they were added."""
        return list(self._lazy) + list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See click."""
        if cmd_name in self._lazy and cmd_name not in self.commands:
            found: click.Command = import_module(self._lazy[cmd_name]).command
            return found
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click. Help texts come from ``texts.toml``, so that no module is imported for a list."""
        names = self.list_commands(ctx)
        limit = formatter.width - 6 - max(map(len, names), default=0)
        rows = [(name, _first_line(f"{_path(ctx)} {name}".strip(), limit)) for name in names]
        with formatter.section("명령" if LANG.get() == "ko" else "Commands"):
            formatter.write_dl(rows)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click."""
        _help(ctx, formatter)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click."""
        _usage(self, ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click."""
        _options(self, ctx, formatter)
        self.format_commands(ctx, formatter)


def commands(group: click.Group, path: str = "") -> dict[str, click.Command]:
    """Every command below ``group`` by its path, for documentation and tests."""
    found: dict[str, click.Command] = {}
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        here = f"{path} {name}".strip()
        found |= commands(command, here) if isinstance(command, click.Group) else {here: command}
    return found


def longest(option: click.Parameter) -> str:
    """The name of an option as texts and documentation write it."""
    return max(option.opts, key=len)


def _told(error: click.UsageError, *, as_json: bool) -> click.UsageError:
    """Wrong use is told by click on stderr; with ``--json`` there is a document as well."""
    if as_json:
        facts = {"kind": "usage", "message": error.message, "exit_code": error.exit_code}
        click.echo(json_module.dumps({"error": facts}, ensure_ascii=False))
    return error


def _path(ctx: click.Context) -> str:
    names = []
    while ctx.parent is not None:
        names.append(ctx.info_name or "")
        ctx = ctx.parent
    return " ".join(reversed(names))


def _help(ctx: click.Context, formatter: click.HelpFormatter) -> None:
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(command_text(_path(ctx), LANG.get()))


def _usage(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    words = " ".join(command.collect_usage_pieces(ctx))
    formatter.write_usage(ctx.command_path, words, "사용법: " if LANG.get() == "ko" else None)


def _options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    korean = LANG.get() == "ko"
    options = [param for param in command.get_params(ctx) if isinstance(param, click.Option)]
    rows = [record for one in options if (record := one.get_help_record(ctx)) is not None]
    if korean:
        rows = [
            (name, "이 도움말을 보여 줍니다" if name == "--help" else text.replace("[required]", "[필수]"))
            for name, text in rows
        ]
    with formatter.section("옵션" if korean else "Options"):
        formatter.write_dl(rows)


def _first_line(path: str, limit: int) -> str:
    text = command_text(path, LANG.get()).split(". ", 1)[0].rstrip(".")
    return text if len(text) <= max(limit, 40) else text[: max(limit, 40) - 1] + "…"
