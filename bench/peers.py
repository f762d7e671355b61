"""The same work by others, side by side: a section of the page that ``run.py`` writes, and its picture.

python bench/peers.py [--quick] [--json] [--out FOLDER]

``peer_work`` measures, ``leniency`` asks what a peer does not check. This says it, in words and in a picture.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING

from leniency import HONEST
from measure import Effort
from peer_work import measure
from section import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leniency import Answer
    from peer_node import Comparison

__all__ = ["picture", "section", "table", "unchecked"]

PICTURE = "results-peers.png"
METHOD = (
    "Each row is one piece of work, done by a peer and by us in the same run, in turn, block by block, in CPU time. "
    "The certificate has 24 claims, each of them hidden, and 6 are presented; keys are P-256, and each "
    "verification has a holder's key it has not seen. *theirs / ours* is how often ours fits in theirs. Ours makes "
    "every check of its own, whatever a peer leaves out. Peers for Node run in one warm process of Node and count with "
    "all its threads."
)
UNCHECKED = (
    "Tried in the same run: a token that is wrong in one thing, and otherwise right. A peer that accepts it saves the "
    "time of that check, or leaves it to its caller. Ours refuses each of these; `dcql` verifies nothing."
)
_OURS, _THEIRS, _SLOWER, _LINE = "#2f7d4f", "#8a939c", "#b3541e", "#444444"


def section(effort: Effort, *, out: Path, say: Callable[[object], None]) -> Section:
    """Measure, draw into ``out``, and tell."""
    found = measure(
        effort,
        say=lambda row: say(f"        {row.ratio:9.2f}          theirs / ours            {row.work}, {row.peer}"),
    )
    picture(found.comparisons, out / PICTURE)
    lines = ["## The same work by others", "", METHOD, "", table(found.comparisons)]
    if found.left_out:
        lines += [f"Left out of this run: {found.left_out}.", ""]
    lines += [f"![Times of each peer and ours]({PICTURE})", "", _slower(found.comparisons), ""]
    lines += ["### What they do not check", "", UNCHECKED, "", unchecked(found.answers)]
    return Section(id="peers", text="\n".join(lines), figures=found.to_json())


def table(rows: Sequence[Comparison]) -> str:
    """A row for each work and peer."""
    lines = ["| work | peer | theirs, us | ours, us | theirs / ours |", "|---|---|--:|--:|--:|"]
    lines += [f"| {row.work} | {row.peer} | {row.theirs:,.0f} | {row.ours:,.0f} | {row.ratio:.2f} |" for row in rows]
    return "\n".join(lines) + "\n"


def unchecked(answers: Sequence[Answer]) -> str:
    """A row for each peer that verifies: what it accepted of what it should not have."""
    lines = ["| peer | accepts | tried |", "|---|---|--:|"]
    for peer in dict.fromkeys(one.peer for one in answers):
        tried = [one for one in answers if one.peer == peer and one.fault != HONEST]
        accepted = "; ".join(one.fault for one in tried if one.accepted) or "none of them"
        lines.append(f"| {peer} | {accepted} | {len(tried)} |")
    return "\n".join(lines) + "\n"


def picture(rows: Sequence[Comparison], path: Path) -> None:
    """A pair of bars for each row, and how many times longer theirs is; rows where ours is slower stand out."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = sorted(rows, key=lambda row: row.ratio, reverse=True)
    figure, (ratios, times) = plt.subplots(
        1, 2, figsize=(13, 1.6 + 0.46 * len(rows)), width_ratios=(1, 1), sharey=True, layout="constrained"
    )
    places = range(len(rows))
    colours = [_OURS if row.ratio >= 1 else _SLOWER for row in rows]
    ratios.barh(places, [log2(row.ratio) for row in rows], color=colours, height=0.66)
    for place, row in zip(places, rows, strict=True):
        beside = max(log2(row.ratio), 0) + 0.06
        ratios.text(
            beside, place, f"{row.ratio:.2f}x" if row.ratio < 2 else f"{row.ratio:.1f}x", va="center", fontsize=9
        )
    ratios.axvline(0, color=_LINE, linewidth=1.5)
    most = max(1, *(log2(row.ratio) for row in rows))
    doublings = range(int(most) + 1)
    ratios.set_xticks(list(doublings), [f"{2**one}x" for one in doublings])
    ratios.set_xlim(min(-0.4, *(log2(row.ratio) - 0.2 for row in rows)), most * 1.14)
    ratios.set_yticks(list(places), [f"{row.work}\n{row.peer}" for row in rows], fontsize=8)
    ratios.invert_yaxis()
    ratios.set_title("How many times longer the peer takes: right of the line it is slower", fontsize=10)
    times.barh([at - 0.19 for at in places], [row.theirs for row in rows], color=_THEIRS, height=0.36, label="theirs")
    times.barh([at + 0.19 for at in places], [row.ours for row in rows], color=_OURS, height=0.36, label="vcred")
    times.set_xscale("log")
    times.set_title("Microseconds of CPU for one, logarithmic", fontsize=10)
    times.legend(frameon=False, loc="lower right")
    for axes in (ratios, times):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _slower(rows: Sequence[Comparison]) -> str:
    """Nothing is hidden in a long table."""
    slower = [f"{row.work} ({row.peer}, {row.ratio:.2f})" for row in rows if row.ratio < 1]
    if not slower:
        return f"Ours is the faster one in all {len(rows)} rows."
    return f"Ours is the slower one in {len(slower)} of {len(rows)} rows: {'; '.join(slower)}."


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short run, to see that everything runs")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="where to write the picture")
    chosen = parser.parse_args(arguments)
    found = section(Effort.of(quick=chosen.quick), out=chosen.out, say=partial(print, file=sys.stderr))
    print(json.dumps(found.figures) if chosen.json else found.text)


if __name__ == "__main__":
    main()
