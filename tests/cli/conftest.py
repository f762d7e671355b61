"""The command line in a folder of its own, with passwords and PINs in files and the time fixed by ``--at``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from vcred.cli._root import root

AT = "2026-11-02T01:00:00Z"
PASSWORD, PIN = "a-password-for-tests", "482917"


class Shell:
    """Runs commands in ``folder``; every call says which exit code is expected."""

    def __init__(self, folder):
        self.folder = folder
        self.runner = CliRunner(env={"LC_ALL": "", "LC_MESSAGES": "", "LANG": "en_US.UTF-8", "COLUMNS": "200"})

    def __call__(self, line, *more, code=0, typed=None):
        """``line`` is split at blanks; ``more`` are arguments as they are. Returns click's result."""
        result = self.runner.invoke(root, [*line.split(), *map(str, more)], input=typed)
        assert result.exit_code == code, f"{line}: {result.exit_code}\n{result.output}\n{result.exception!r}"
        return result

    def json(self, line, *more, code=0, typed=None):
        """The one JSON document on standard output."""
        return json.loads(self(line, *more, "--json", code=code, typed=typed).stdout)


def make_shell(folder):
    """A shell in ``folder`` with a password and a PIN in files."""
    (folder / "password").write_text(PASSWORD + "\n")
    (folder / "pin").write_text(PIN + "\n")
    return Shell(folder)


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_shell(tmp_path)


@pytest.fixture(scope="session")
def shell_in():
    """``shell_in(folder)`` for fixtures that live longer than a test."""
    return make_shell
