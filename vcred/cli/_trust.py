"""The trust bundle that a wallet or a verifier works with: given by options, or kept in its folder."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcred.cli._command import option
from vcred.cli._files import read
from vcred.errors import TrustError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vcred.cli._command import Run
    from vcred.trust import TrustBundle

__all__ = ["BUNDLE", "ROOT", "SEEN", "keep", "line", "load", "naming", "pinned", "report", "trust_options", "update"]

BUNDLE, ROOT, SEEN = "kr.trust", "kr-root.json", "trust.seen"
"""Names in the folder of a wallet or a verifier."""


def trust_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--trust`` and ``--root``."""
    with_root = option("--root", type=click_path(), envvar="VCRED_ROOT")(command)
    made: Callable[..., Any] = option("--trust", type=click_path(), envvar="VCRED_TRUST")(with_root)
    return made


def click_path() -> Any:
    """A path argument as ``pathlib.Path``."""
    import click

    return click.Path(path_type=Path)


def load(trust: Path | None, root: Path | None, home: Path | None) -> TrustBundle:
    """The bundle with the newer status lists beside it. In a folder that has one, what was seen is remembered there.

    Raises ``TrustError``.
    """
    from vcred.trust.overlay import load_current

    bundle = trust or (home / BUNDLE if home and (home / BUNDLE).exists() else None)
    root_file = root or (home / ROOT if home and (home / ROOT).exists() else None)
    if bundle is None or root_file is None:
        raise TrustError("no trust bundle: give --trust BUNDLE and --root ROOT")
    with naming(bundle, root_file):
        return load_current(bundle, root=root_file, seen=None if home is None else home / SEEN)


@contextmanager
def naming(*files: Path | str) -> Iterator[None]:
    """Put the first of ``files`` in front of an error that names none of them."""
    try:
        yield
    except TrustError as error:
        if any(str(file) in str(error) for file in files):
            raise
        raise type(error)(f"{files[0]}: {error}") from error


def keep(trust: Path | None, root: Path | None, home: Path) -> None:
    """Put a bundle and its root, if they are given, into ``home``, so that later commands need no options."""
    if trust is None and root is None:
        return
    if trust is None or root is None:
        raise TrustError("--trust and --root go together")
    update(trust, root, home)


def update(trust: Path | None, root: Path | None, home: Path) -> TrustBundle:
    """Take a newer bundle into ``home``. The root stays the one that is pinned there; without one, ``root`` is."""
    from vcred.trust.install import install
    from vcred.trust.overlay import carry_status, overlay_folder, prune_status, with_overlay

    if trust is None:
        raise TrustError("--trust says which bundle to take")
    bundle = home / BUNDLE
    with naming(trust):
        done = install(read(trust), bundle=bundle, root=read(pinned(root, home)), seen=home / SEEN, pin=home / ROOT)
    folder = overlay_folder(bundle)
    carry_status(done.before, done.after, folder, at=None)
    prune_status(done.after, folder)
    return with_overlay(done.after, folder)


def pinned(root: Path | None, home: Path) -> Path:
    """The root file to work with: the given one (``install`` compares it with that in ``home``), or that in ``home``.

    Raises ``TrustError`` when there is neither.
    """
    if root is not None:
        return root
    if (home / ROOT).exists():
        return home / ROOT
    raise TrustError("--root says which root to pin")


def report(run: Run, bundle: TrustBundle) -> None:
    """Say which bundle is in use now."""
    facts = {"version": bundle.version, "expires_at": bundle.expires_at.isoformat()}
    run.report(facts, lambda console: console.print(line(bundle, run)))


def line(bundle: TrustBundle, run: Run) -> str:
    """A bundle in one line: version, age, expiry."""
    from vcred.cli._show import age_text, moment_text

    age, until = age_text(bundle.age(run.at), run.lang), moment_text(int(bundle.expires_at.timestamp()))
    return run.text(
        f"v{bundle.version} · {age} 서명 · {until} 만료", f"v{bundle.version} · signed {age} · expires {until}"
    )
