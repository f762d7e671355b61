"""The page of the command line says what the commands say, and every text is there in both languages."""

import shlex
import tomllib
from importlib.resources import files
from pathlib import Path

import click
import pytest

from vcred.cli._command import commands, longest
from vcred.cli._document import markdown
from vcred.cli._errors import Failure, Interrupted, MissingExtra, Rejected, Undecided
from vcred.cli._root import root
from vcred.cli._texts import command_entry, command_text, exit_codes, option_text

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
COMMANDS = commands(root)
TEXTS = tomllib.loads(files("vcred.cli").joinpath("texts.toml").read_text("utf-8"))


def test_the_page_is_up_to_date():
    assert PAGE.read_text("utf-8") == markdown(root), "write vcred.cli._document.markdown(root) to docs/cli.md"


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_is_documented_with_every_option_and_an_example(path):
    section = PAGE.read_text("utf-8").split(f"# vcred {path}\n")[1].split("\n## ")[0].split("\n### ")[0]
    assert command_text(path, "en") in section
    assert f"```\nvcred {path}" in section
    for param in COMMANDS[path].params:
        if isinstance(param, click.Option):
            assert f"| `{longest(param)}` |" in section


@pytest.mark.parametrize("path", COMMANDS)
def test_an_example_is_a_valid_use_of_its_command(path):
    words = shlex.split(command_entry(path)["example"])
    assert words[: 1 + len(path.split())] == ["vcred", *path.split()]
    COMMANDS[path].make_context(path, words[1 + len(path.split()) :])


@pytest.mark.parametrize("path", COMMANDS)
def test_help_is_there_in_both_languages(path):
    for lang in ("ko", "en"):
        assert command_text(path, lang)
        for param in COMMANDS[path].params:
            if isinstance(param, click.Option):
                assert option_text(path, longest(param), lang)


def test_no_text_is_left_over():
    groups = {path[:end] for path in COMMANDS for end, char in enumerate(path) if char == " "}
    assert set(TEXTS["commands"]) == set(COMMANDS) | groups | {"vcred"}
    used = {
        (path, longest(param))
        for path, one in COMMANDS.items()
        for param in one.params
        if isinstance(param, click.Option)
    }
    for key in TEXTS["options"]:
        path, _, name = key.rpartition(" ")
        assert any(option == name and (not path or at == path or at.startswith(f"{path} ")) for at, option in used), key


def test_exit_codes_are_those_of_the_failures():
    kinds = {kind.exit_code for kind in (Failure, Interrupted, MissingExtra, Rejected, Undecided)}
    assert {int(code) for code in exit_codes()} == kinds | {0, 2}
