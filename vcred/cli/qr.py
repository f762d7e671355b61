"""``vcred qr``: messages into codes and codes into messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vcred.cli._command import Group, Run, option
from vcred.cli._files import write
from vcred.cli._messages import put, take, take_message

__all__ = ["command"]

command = Group("qr")


@command.command("encode", json=True)
@click.argument("file", type=click.Path(path_type=Path))
@option("--out", required=True, type=click.Path(path_type=Path))
@option("--animated", is_flag=True)
@option("--force", is_flag=True)
@click.pass_obj
def encode(run: Run, *, file: Path, out: Path, animated: bool, force: bool) -> None:
    """See ``texts.toml``."""
    message = take_message([str(file)])
    written = put(message, out, force=force, animated=animated or None)
    facts = {"kind": message.kind.name.lower(), "files": [str(path) for path in written]}
    run.report(facts, lambda console: console.print("\n".join(facts["files"])))


@command.command("decode", json=True)
@click.argument("pictures", nargs=-1, required=True)
@option("--out", type=click.Path(path_type=Path))
@option("--force", is_flag=True)
@click.pass_obj
def decode(run: Run, *, pictures: tuple[str, ...], out: Path | None, force: bool) -> None:
    """See ``texts.toml``."""
    from vcred.qr import Message, decode_message, encode_message

    found = take(pictures, quiet=run.json)
    if isinstance(found, bytes) and not found.startswith(b"eyJ"):
        found = decode_message(found)
    if isinstance(found, Message):
        raw = encode_message(found)
        facts: dict[str, Any] = {"kind": found.kind.name.lower(), "bytes": len(raw)}
    else:
        raw = found.encode() if isinstance(found, str) else found
        facts = {"kind": "uri" if isinstance(found, str) else "jws", "bytes": len(raw)}
    if out is not None:
        facts["file"] = str(write(out, raw, force=force))
    line = f"{facts['kind']}: {facts['bytes']} bytes" + (f" -> {out}" if out else "")
    run.report(facts, lambda console: console.print(line))
