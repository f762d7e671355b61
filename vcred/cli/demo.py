"""``vcred demo``: runs the story of ``examples/burned.py``, from the checkout or from the installed package.

Formats go by the names people say. ``w3c`` is ``vc+sd-jwt``; ``vc+jwt``, which hides nothing, is beside the others.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vcred.cli._command import Command, Run, option
from vcred.cli._errors import Failure
from vcred.cli._texts import LANG

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["command"]

_STORIES = {
    "sd-cwt": ("sd-cwt",),
    "sd-jwt": ("dc+sd-jwt",),
    "mdoc": ("mso_mdoc",),
    "w3c": ("vc+sd-jwt",),
    "all": ("sd-cwt", "dc+sd-jwt", "mso_mdoc", "vc+sd-jwt", "vc+jwt"),
}
_IDS = {ids[0]: name for name, ids in _STORIES.items() if name != "all"}


class _Story(click.ParamType[tuple[str, ...]]):
    """A format by the name people say, or by its id."""

    name = "format"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 - click's signature
        """See click."""
        return f"[{'|'.join(_STORIES)}]"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The ids of the formats to tell the story in."""
        if isinstance(value, tuple):
            return value
        name = _IDS.get(str(value).lower(), str(value).lower())
        if name not in _STORIES:
            self.fail(_unknown(name, LANG.get()), param, ctx)
        return _STORIES[name]


@click.command("demo", cls=Command, json=True)
@option("--format", "formats", type=_Story(), default="sd-cwt")
@option("--out", default="demo-out", type=click.Path(path_type=Path))
@option("--seed", default=20260926, type=int)
@click.pass_obj
def command(run: Run, *, formats: tuple[str, ...], out: Path, seed: int) -> None:
    """See ``texts.toml``."""
    code = _story().main(lang=run.lang, out=out, seed=seed, formats=formats, as_json=run.json)
    if code:
        raise SystemExit(code)


def _unknown(name: str, lang: str) -> str:
    names = ", ".join(_STORIES)
    if name == "vc+jwt":
        why = ("아무것도 가리지 않아 은행이 거절합니다", "hides nothing, so the bank refuses it")
        ko, en = f"{name}: {why[0]}. 'all'에서 나란히 봅니다", f"{name} {why[1]}: 'all' shows it beside the others"
    else:
        ko, en = f"{name!r}: 모르는 형식입니다. {names} 가운데 하나", f"unknown format {name!r}: one of {names}"
    return ko if lang == "ko" else en


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
            sys.modules[spec.name] = story  # where its dataclasses look for their module
            spec.loader.exec_module(story)
            return story
    raise Failure("examples/burned.py is not installed", kind="missing")
