"""What was measured, as a page and as a picture."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rows import LOSSES

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from rows import Loss, Row

__all__ = ["machine", "markdown", "picture"]

_PACKAGES = ("cryptography", "pyjwt", "cbor2", "zxing-cpp", "qrcode", "tuf")
_METHOD = (
    "A ratio compares with raw `cryptography` P-256 calls, their key objects kept, over the same bytes in the same "
    "run: blocks of ours and raw calls in turn, CPU time, median of the ratios. Every check is on. The work is a "
    "household certificate with 24 disclosures, 6 of them presented. Without another word the 24 claims are side by "
    "side, which is how the budgets are read; *nested* is the catalogue's own certificate of a household of two, five "
    "levels deep, where each level has digests of its own to write or to read and objects of its own to build."
)
_READER = "a reader that comes at any moment; simulated, 10 frames a second"
_MET, _MISSED, _LINE = "#2f7d4f", "#b3541e", "#444444"


def machine() -> str:
    """Processor, Python and the libraries that do the work."""
    cores = Path("/proc/cpuinfo")
    names = [line for line in cores.read_text().splitlines() if line.startswith("model name")] if cores.exists() else []
    processor = names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{max(len(names), 1)} x {processor}, {platform.system()}, "
        f"{platform.python_implementation()} {platform.python_version()}, {packages}"
    )


def _load() -> str:
    """A busy machine makes our half slower than the raw one: it needs more of the shared caches."""
    return f"Load at the end: {os.getloadavg()[0]:.1f}."


def markdown(
    rows: Sequence[Row], losses: Sequence[Loss], sections: Sequence[str], *, at: dt.datetime, quick: bool
) -> str:
    """The page, with an explanation for each budget that is missed, then ``sections``."""
    missed = [row for row in rows if row.met is False]
    lines = ["# Budgets, measured", "", f"{at:%Y-%m-%d}, by `make bench`. {machine()}. {_load()}", "", _METHOD, ""]
    if quick:
        lines += ["**A quick run: too short for figures to be quoted.**", ""]
    lines += ["| what | budget | measured | share of budget | met | detail |", "|---|--:|--:|--:|---|---|"]
    lines += [_line(row) for row in rows]
    lines += ["", "![Share of each budget that is used](results.png)", ""]
    if missed:
        lines += ["## What is missed, and why", ""]
        for why in dict.fromkeys(row.why for row in missed):
            names = [
                f"**{row.what}** ({_number(row.value)} of {_number(row.budget)})" for row in missed if row.why == why
            ]
            lines += ["; ".join(names) + f": {why}", ""]
    for text in sections:
        lines += [text.rstrip("\n"), ""]
    lines += [
        "## Animated frames when some are missed",
        "",
        f"8 KB in {losses[0].parts} parts of at most 635 bytes, {_READER}.",
        "",
        "| frames missed | frames shown until complete, mean | 95 of 100 need at most | seconds, mean |",
        "|--:|--:|--:|--:|",
    ]
    lines += [f"| {one.loss:.0%} | {one.mean:.1f} | {one.most:.0f} | {one.mean / 10:.1f} |" for one in losses]
    return "\n".join(lines) + "\n"


def picture(rows: Sequence[Row], losses: Sequence[Loss], path: Path) -> None:
    """Bars of measured over budget with a line at 1.0, and below them the frames of an animation."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown = [(row, row.share) for row in rows if row.share is not None]
    figure, (budgets, frames) = plt.subplots(
        2, 1, figsize=(11, 3.6 + 0.33 * len(shown)), height_ratios=(0.33 * len(shown), 2.6), layout="constrained"
    )
    _bars(budgets, shown)
    frames.plot([100 * loss for loss in LOSSES], [one.mean for one in losses], marker="o", color=_MET, label="mean")
    frames.plot(
        [100 * loss for loss in LOSSES], [one.most for one in losses], marker="o", color=_MISSED, label="95 of 100"
    )
    frames.axhline(losses[0].parts, color=_LINE, linewidth=1, linestyle=":")
    frames.set(
        title=f"Animated frames shown until 8 KB ({losses[0].parts} parts) are complete",
        xlabel="frames missed by the camera, %",
        ylabel="frames shown",
        ylim=(0, None),
    )
    frames.legend(frameon=False)
    for axes in (budgets, frames):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _bars(axes: Any, shown: Sequence[tuple[Row, float]]) -> None:
    names = [row.what.replace("`", "") for row, _ in shown]
    colours = [_MET if row.met else _MISSED for row, _ in shown]
    axes.barh(names, [share for _, share in shown], color=colours, height=0.68)
    for position, (row, share) in enumerate(shown):
        unit = "x" if row.unit.startswith("x ") else f" {row.unit}"
        text = f"{_number(row.value)}{unit} of {_number(row.budget)}"
        axes.text(share + 0.02, position, text, va="center", fontsize=8, color=_LINE)
    axes.axvline(1.0, color=_LINE, linewidth=1.5)
    axes.invert_yaxis()
    axes.set_xlim(0, max(share for _, share in shown) * 1.25)
    axes.tick_params(axis="y", labelsize=8)
    axes.set(title="Share of the budget that is used: left of the line is met")


def _line(row: Row) -> str:
    share = "" if row.share is None else f"{row.share:.2f}"
    met = {True: "yes", False: "**no**", None: ""}[row.met]
    budget = "" if row.budget is None else _number(row.budget)
    return f"| {row.what} | {budget} | {_number(row.value)} {row.unit} | {share} | {met} | {row.detail} |"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 50 else f"{value:.2f}".rstrip("0").rstrip(".")
