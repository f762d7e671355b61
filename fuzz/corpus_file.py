"""The committed corpus: one text file per target, one input per line in base64, ``#`` before a remark.

A line after ``# finding: ...`` reproduces something that was wrong once, and stays.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from pathlib import Path

__all__ = ["CORPUS", "add", "read", "unpack"]

CORPUS = Path(__file__).resolve().parent / "corpus"


def read(name: str, *, home: Path = CORPUS) -> list[bytes]:
    """The inputs of a target; none where it has no file."""
    path = home / f"{name}.txt"
    if not path.exists():
        return []
    lines = path.read_text("ascii").splitlines()
    return [b64decode(line, validate=True) for line in lines if not line.startswith("#")]


def add(name: str, inputs: list[bytes], *, remark: str, home: Path = CORPUS) -> int:
    """Append those of ``inputs`` that are not there yet. Returns how many that were."""
    known = set(read(name, home=home))
    new = [raw for raw in dict.fromkeys(inputs) if raw not in known]
    if new:
        home.mkdir(parents=True, exist_ok=True)
        with (home / f"{name}.txt").open("a", encoding="ascii") as file:
            file.write(f"# {remark}\n" + "".join(f"{b64encode(raw).decode()}\n" for raw in new))
    return len(new)


def unpack(name: str, folder: Path) -> int:
    """Write the inputs of a target as files, as libFuzzer wants them. Returns the size of the largest."""
    folder.mkdir(parents=True, exist_ok=True)
    found = read(name)
    for raw in found:
        (folder / hashlib.sha256(raw).hexdigest()[:20]).write_bytes(raw)
    return max(map(len, found), default=0)
