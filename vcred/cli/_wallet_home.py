"""Where a wallet is and how it is opened: the options that most ``vcred wallet`` commands share.

A wallet folder holds ``wallet.db`` with what belongs to it, the pinned root, and the trust bundle last taken.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcred.cli import _trust
from vcred.cli._command import Run, option
from vcred.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wallet import Wallet

__all__ = ["PATH", "Door", "existing", "force_option", "home_option", "opening", "pin_option", "places"]

FILE = "wallet.db"
PATH = click.Path(path_type=Path)
home_option = option("--wallet", "home", default=".", envvar="VCRED_WALLET", type=PATH)
pin_option = option("--pin-file", type=PATH)
force_option = option("--force", is_flag=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where a wallet is and how it is opened."""

    home: Path
    pin_file: Path | None
    trust: Path | None
    root: Path | None

    @contextmanager
    def open(self, run: Run) -> Iterator[Wallet]:
        """The wallet, and closed again. ``StoreError`` when there is none."""
        from vcred.cli._secrets import pin_of
        from wallet import FileStore, Wallet, forbid_core_dumps

        folder, file = existing(self.home)
        forbid_core_dumps()
        bundle = _trust.load(self.trust, self.root, folder)
        with FileStore(file, pin=pin_of(self.pin_file), at=run.at) as store:
            yield Wallet(store=store, trust=bundle)


def places(home: Path) -> tuple[Path | None, Path]:
    """The wallet's folder, if it has one to itself, and its file."""
    single = home.is_file() or (home.suffix and not home.is_dir())
    return (None, home) if single else (home, home / FILE)


def existing(home: Path) -> tuple[Path | None, Path]:
    """The same for a wallet that is there. Raises ``StoreError`` when there is none."""
    folder, file = places(home)
    if not file.exists():
        raise StoreError(f"{file}: there is no wallet; vcred wallet init makes one")
    return folder, file


def opening(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that open a wallet, given to the command as one ``Door``."""

    @wraps(function)
    def wrapped(
        run: Run, *, home: Path, pin_file: Path | None, trust: Path | None, root: Path | None, **rest: Any
    ) -> Any:
        return function(run, Door(home=home, pin_file=pin_file, trust=trust, root=root), **rest)

    made: Callable[..., Any] = home_option(pin_option(_trust.trust_options(click.pass_obj(wrapped))))
    return made
