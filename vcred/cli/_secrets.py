"""PINs and passwords: from a file or a hidden prompt, never from an argument, never printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vcred.cli._files import read
from vcred.cli._texts import LANG
from vcred.errors import SigningError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vcred.keys import SoftwareSigner

__all__ = ["ask", "load_key", "new_password", "new_pin", "pin_of", "text_of"]

_LIMIT = 4096
_SHORTEST = 8
_SHORTEST_PIN = 6


def text_of(file: Path) -> str:
    """The first line of a secret's file. Raises ``StoreError`` when it is empty or not text."""
    try:
        line = read(file, _LIMIT).decode("utf-8").split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        raise StoreError(f"{file}: not text") from None
    if not line:
        raise StoreError(f"{file}: the first line is empty")
    return line


def ask(ko: str, en: str, *, twice: bool = False) -> str:
    """A secret typed blind."""
    shown = ko if LANG.get() == "ko" else en
    secret: str = click.prompt(shown, hide_input=True, confirmation_prompt=twice, err=True)
    return secret


def pin_of(file: Path | None) -> Callable[[], str]:
    """What asks for the wallet's PIN when it is needed."""
    return lambda: text_of(file) if file else ask("지갑 PIN", "Wallet PIN")


def new_pin(file: Path | None) -> str:
    """A PIN for a wallet, typed twice. ``ValueError`` for a short one."""
    pin = text_of(file) if file else ask("새 지갑 PIN(6자 이상)", "New wallet PIN (6 or more)", twice=True)
    if len(pin) < _SHORTEST_PIN:  # before a file is made
        raise ValueError(f"a PIN has at least {_SHORTEST_PIN} characters")
    return pin


def new_password(file: Path | None) -> bytes:
    """A password for new keys, typed twice. ``ValueError`` for a short one."""
    password = text_of(file) if file else ask("새 키 암호(8자 이상)", "New key password (8 or more)", twice=True)
    if len(password) < _SHORTEST:
        raise ValueError(f"a key password has at least {_SHORTEST} characters")
    return password.encode()


def load_key(path: Path, password_file: Path | None, *, post_quantum: bool = False) -> SoftwareSigner:
    """The key in a PEM file; its password is asked for only if it is encrypted. Raises ``SigningError``."""
    from vcred.keys import SoftwareSigner

    try:
        pem = read(path, 65_536)
    except OSError as error:
        raise SigningError(f"{path}: {error.strerror}") from error
    password = None
    if b"ENCRYPTED" in pem:
        password = (
            text_of(password_file) if password_file else ask(f"{path.name} 암호", f"Password of {path.name}")
        ).encode()
    try:
        return SoftwareSigner.from_pem(pem, password=password, post_quantum=post_quantum)
    except SigningError as error:
        raise SigningError(f"{path}: {error}") from None
