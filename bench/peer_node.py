"""The peers for Node: one warm process that is asked through a pipe, and whose CPU time counts with all its threads."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.interop.kit import NodePeers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from measure import Effort

__all__ = ["Comparison", "installed", "node_peers", "with_node"]

NODE_PEERS = ("@sd-jwt/sd-jwt-vc", "@owf/mdoc", "dcql", "did-jwt-vc")
NODE = Path(__file__).resolve().parent.parent / "tests" / "interop" / "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One piece of work by one peer and by us, in microseconds of CPU; ``ratio`` says how often ours fits in theirs."""

    work: str
    peer: str
    theirs: float
    ours: float
    ratio: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def installed(package: str) -> str:
    about = json.loads((NODE / "node_modules" / package / "package.json").read_text(encoding="utf-8"))
    return f"{package} {about['version']}"


def with_node(
    node: NodePeers,
    work: str,
    peer: str,
    call: str,
    each: list[dict[str, Any]],
    ours: Callable[[], object],
    effort: Effort,
) -> Comparison:
    """As ``measure.against``: blocks in turn, each side's own CPU time, and first of all enough calls to be warm."""
    turn = cycle(each)
    blocks = max(3, effort.rounds // 5)
    node.time(call, [next(turn) for _ in range(effort.block * 10)])
    ours()
    found = []
    for _ in range(blocks):
        theirs = node.time(call, [next(turn) for _ in range(effort.block)])
        start = time.process_time_ns()
        for _ in range(effort.block):
            ours()
        found.append((theirs, (time.process_time_ns() - start) / effort.block / 1000))
    return Comparison(
        work=work,
        peer=installed(peer),
        theirs=median(one for one, _ in found),
        ours=median(two for _, two in found),
        ratio=median(one / two for one, two in found),
    )


@contextmanager
def node_peers() -> Iterator[tuple[NodePeers | None, str]]:
    """The peers for Node, or why there are none."""
    program = shutil.which("node")
    if program is None or not (NODE / "node_modules").is_dir():
        lacking = "Node.js is" if program is None else "their packages are"
        how = "install Node.js 20 or newer, then run `npm ci --ignore-scripts` in `tests/interop/node`"
        yield None, f"{', '.join(NODE_PEERS)}: {lacking} not installed ({how})"
        return
    peers = NodePeers(program, NODE / "peers.mjs")
    try:
        yield peers, ""
    finally:
        peers.close()
