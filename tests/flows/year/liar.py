"""A source that lies: it serves an old repository, parts of two, one with a byte changed, one cut off, or its own.

It has seen every state that was published, and every file; what it does not have is anybody's key.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

Files = dict[str, bytes]


def taken_from(folder: Path) -> Files:
    """Every file below ``folder``, by name."""
    return {str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


def put_into(files: Files, folder: Path) -> Path:
    """Write ``files`` below ``folder``; what is there besides them goes."""
    if folder.exists():
        for one in folder.rglob("*"):
            if one.is_file() and str(one.relative_to(folder)) not in files:
                one.unlink()
    for name, raw in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)
    return folder


def newest(files: Files, role: str) -> str:
    """The name of the newest file of ``role``; that of the timestamp has no number."""
    if role == "timestamp":
        return "metadata/timestamp.json"
    names = [name for name in files if name.endswith(f".{role}.json")]
    return max(names, key=lambda name: int(name.removeprefix("metadata/").split(".", 1)[0]))


def mixed(state: Files, other: Files, role: str) -> Files:
    """``state``, with the newest file of ``role`` as ``other`` has it, under the name that is asked for."""
    return state | {newest(state, role): other[newest(other, role)]}


def changed(state: Files, name: str, position: int, bit: int) -> Files:
    """``state`` with one bit of one file flipped."""
    raw = bytearray(state[name])
    raw[position % len(raw)] ^= 1 << bit
    return state | {name: bytes(raw)}


def cut(state: Files, name: str, length: int) -> Files:
    """``state`` with one file ending early."""
    return state | {name: state[name][: length % len(state[name])]}


def dropped(state: Files, name: str) -> Files:
    """``state`` without one file."""
    return {kept: raw for kept, raw in state.items() if kept != name}


def rewritten(state: Files, name: str) -> Files:
    """``state`` with one JSON file written in another way: the same content, the same signatures, other bytes."""
    return state | {name: json.dumps(json.loads(state[name]), indent=3).encode()}
