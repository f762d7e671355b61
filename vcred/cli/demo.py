"""``vcred demo``: runs the story of ``examples/burned.py``, from the checkout or from the installed package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vcred.cli._command import Command, Run, option
from vcred.cli._errors import Failure

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["command"]


@click.command("demo", cls=Command)
@option("--out", default="demo-out", type=click.Path(path_type=Path))
@option("--seed", default=20260926, type=int)
@click.pass_obj
def command(run: Run, *, out: Path, seed: int) -> None:
    """See ``texts.toml``."""
    code = _story().main(lang=run.lang, out=out, seed=seed)
    if code:
        raise SystemExit(code)


def _story() -> ModuleType:
    package = Path(__file__).resolve().parent.parent
    for folder in (package.parent / "examples", package / "examples"):
        file = folder / "burned.py"
        if file.exists():
            spec = importlib.util.spec_from_file_location("vcred_demo", file)
            assert spec is not None
            assert spec.loader is not None
            story = importlib.util.module_from_spec(spec)
            sys.path.insert(0, str(folder))  # the story has modules of its own beside it
            spec.loader.exec_module(story)
            return story
    raise Failure("examples/burned.py is not installed", kind="missing")
