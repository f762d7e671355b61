"""``vcred wallet``: PIN, recovery key and backups - what keeps a wallet openable and its content from being lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vcred.cli._command import Command, Run, option
from vcred.cli._errors import Failure
from vcred.cli._files import refuse_existing, write
from vcred.cli._wallet_home import PATH, existing, force_option, home_option, pin_option
from vcred.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

__all__ = ["COMMANDS"]

_key_file = option("--recovery-key-file", type=PATH)


def _command(name: str, *, at: bool = True) -> Callable[[Callable[..., Any]], click.Command]:
    return click.command(name, cls=Command, at=at, json=True)


@_command("pin")
@home_option
@pin_option
@option("--new-pin-file", type=PATH)
@click.pass_obj
def change_pin(run: Run, *, home: Path, pin_file: Path | None, new_pin_file: Path | None) -> None:
    """See ``texts.toml``."""
    from vcred.cli._secrets import new_pin, pin_of
    from wallet import FileStore

    _, file = existing(home)
    old = pin_of(pin_file)()
    with FileStore(file, pin=old, at=run.at) as store:
        store.change_pin(old=old, new=new_pin(new_pin_file), at=run.at)
    run.report({"changed": True}, lambda console: console.print(run.text("PIN을 바꾸었습니다", "The PIN is changed")))


@_command("recovery-key")
@option("--out", required=True, type=PATH)
@force_option
@home_option
@pin_option
@click.pass_obj
def recovery_key(run: Run, *, out: Path, force: bool, home: Path, pin_file: Path | None) -> None:
    """See ``texts.toml``."""
    from vcred.cli._secrets import pin_of
    from wallet import FileStore

    if not force:
        refuse_existing(out)
    _, file = existing(home)
    with FileStore(file, pin=pin_of(pin_file), at=run.at) as store:
        write(out, store.add_recovery_key().encode() + b"\n", force=force, private=True)
    run.report({"file": str(out)}, lambda console: console.print(str(out)))


@_command("reset", at=False)
@_key_file
@option("--new-pin-file", type=PATH)
@home_option
@click.pass_obj
def reset(run: Run, *, recovery_key_file: Path | None, new_pin_file: Path | None, home: Path) -> None:
    """See ``texts.toml``."""
    from vcred.cli._secrets import new_pin
    from wallet import FileStore

    _, file = existing(home)
    FileStore.reset(file, recovery_key=_key(recovery_key_file), pin=new_pin(new_pin_file)).close()
    line = run.text("이제 새 PIN으로 열립니다", "It opens with the new PIN now")
    run.report({"reset": True}, lambda console: console.print(line))


@_command("backup")
@click.argument("file", type=PATH)
@_key_file
@force_option
@home_option
@pin_option
@click.pass_obj
def backup(
    run: Run, *, file: Path, recovery_key_file: Path | None, force: bool, home: Path, pin_file: Path | None
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._secrets import pin_of
    from wallet import FileStore
    from wallet.backup import backup as write_backup

    if not force:
        refuse_existing(file)
    _, stored = existing(home)
    key = _key(recovery_key_file, twice=True)
    with FileStore(stored, pin=pin_of(pin_file), at=run.at) as store:
        write_backup(store, file, recovery_key=key)
    run.report({"file": str(file), "bytes": file.stat().st_size}, lambda console: console.print(str(file)))


@_command("restore")
@click.argument("file", type=PATH)
@_key_file
@home_option
@pin_option
@click.pass_obj
def restore(run: Run, *, file: Path, recovery_key_file: Path | None, home: Path, pin_file: Path | None) -> None:
    """See ``texts.toml``."""
    from vcred.cli._secrets import pin_of
    from wallet import FileStore
    from wallet import restore as read_backup

    _, stored = existing(home)
    key = _key(recovery_key_file)
    with FileStore(stored, pin=pin_of(pin_file), at=run.at) as store:
        try:
            count = read_backup(store, file, recovery_key=key)
        except RefusedError as error:  # a file of our own: not the other side's fault
            raise _no_backup(run, file, error) from error
    lines = [run.text(f"되살린 증명서: {count}개", f"Certificates brought back: {count}")]
    if count:
        lines.append(
            run.text(
                "사본을 이미 보여 주었을 수 있습니다. 다시 발급받거나, 이 기기의 백업이면 --reuse로 보여 주세요.",
                "Their copies may have been shown before: have them issued again or, with a backup "
                "made on this device, show them with --reuse.",
            )
        )
    run.report({"restored": count}, lambda console: console.print("\n".join(lines)))


COMMANDS = (change_pin, recovery_key, reset, backup, restore)
"""In the order in which help lists them."""


def _key(file: Path | None, *, twice: bool = False) -> str:
    from vcred.cli._secrets import ask, text_of

    return text_of(file) if file else ask("복구 키", "Recovery key", twice=twice)


def _no_backup(run: Run, file: Path, error: RefusedError) -> Failure:
    text = run.text(
        f"{file}: 이 복구 키의 백업이 아니거나, 파일이 손상되었습니다 - 복구 키와 파일을 확인하세요",
        f"{file}: not a backup under this recovery key, or the file is damaged - check the key and the file",
    )
    return Failure(text, kind="backup", code=error.code.value, file=str(file))
