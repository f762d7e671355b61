"""The status of 10^8 credentials, measured. Writes ``results-nation.md`` and ``results-nation.png``.

python bench/nation.py [--quick] [--json] [--out FOLDER] [--at 2026-11-02]

Every list is made, signed, packed, loaded and asked for real; entries are drawn by a seeded generator.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from desk import AT, ENTRY, LIST, Desk, save_case
from report import machine

from vcred.keys import SoftwareSigner
from vcred.status import StatusList, build_bitstring_token, build_status_token
from vcred.status.list import MAX_LIST_BYTES
from vcred.trust.pack import read_pack

if TYPE_CHECKING:
    from collections.abc import Sequence

RATES = (0.001, 0.01, 0.05)
_URI = LIST.rpartition("/")[0]
_HOUR, _DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
_FIRST_SYNC, _MEMORY, _LOOKUP, _SECOND = 1_800_000, 150, 1_000, 1_000

_METHOD = (
    "Revoked entries are drawn at random, as index allocation is. Lists are signed (ES256), packed into a trust bundle "
    "with the whole catalogue, and read by a verifier in a process of its own. Times are CPU time, of one core."
)
_LOOK = (
    "A look is one call of `StatusList.get` at a random place of the nation, the loop around it included. With every "
    "rule of `check_status` (URI, purpose, age, meaning)"
)
_SHARDED = (
    f"A receiver takes {MAX_LIST_BYTES:,}, so lists of that many are sharded. Packs carry the CWT form; JWT is for "
    "those who fetch lists one by one."
)
_MAPPED = (
    "A list of more than 1 MiB is inflated piece by piece into a file without a name and mapped; its pages count as "
    "memory of the process when they have been looked at, and the system may drop them at any time."
)
_CHOICE = (
    "A verifier fetches the files that are new. An old list stays good until a policy or the type finds it too old, so "
    "how much is new is the agencies' choice: which lists they sign again."
)
_DAILY = (
    "No list: timestamp, snapshot and the index of lists, by which the online key vouches for the rest once more. "
    "A seventh of the lists a day keeps each younger than a week; all of them keep each younger than a day. Random "
    "allocation spreads the revocations of a day over all lists: that hides whose they are, and it means that no list "
    "stays unchanged for long."
)
_OFTEN = ("timestamp.json", "snapshot.json", "status.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nation:
    """How many lists of how many entries, how wide, and how many in each are revoked."""

    lists: int
    entries: int
    bits: int
    rate: float
    seed: int = 0
    signed_at: dt.datetime = AT - _HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes of the signed lists in their forms; ``tokens`` are those in CWT form."""

    nation: Nation
    cwt: int
    jwt: int
    tokens: tuple[bytes, ...] = field(repr=False)


class Deflated(StatusList):
    """A list that is deflated once, however often it is signed."""

    __slots__ = ("_deflated",)

    def compress(self) -> bytes:
        if not hasattr(self, "_deflated"):
            self._deflated = super().compress()
        return self._deflated


def listed(nation: Nation, number: int) -> StatusList:
    """One list. Of two bits, every tenth entry that is not valid is suspended. Our own entry stays valid."""
    chance = random.Random(f"{nation.seed}/{number}")
    packed = bytearray(nation.entries * nation.bits // 8)
    left, mask = round(nation.entries * nation.rate), (1 << nation.bits) - 1
    while left:
        index = chance.randrange(ENTRY + 1, nation.entries) * nation.bits
        if packed[index >> 3] >> (index & 7) & mask:
            continue
        packed[index >> 3] |= (2 if nation.bits == 2 and left % 10 == 0 else 1) << (index & 7)
        left -= 1
    return Deflated(bits=nation.bits, buffer=bytes(packed))


def signed(nation: Nation, key: bytes, number: int) -> tuple[bytes, int]:
    """The list's CWT, and the size of its JWT."""
    signer, made = SoftwareSigner.from_der(key), listed(nation, number)
    sign = partial(
        build_status_token,
        uri=f"{_URI}/{number}",
        status_list=made,
        signer=signer,
        issued_at=nation.signed_at,
        expires_at=nation.signed_at + 30 * _DAY,
        ttl=None,
    )
    return sign(form="cwt"), len(sign(form="jwt"))


def sizes(pool: ProcessPoolExecutor, nation: Nation, signer: SoftwareSigner) -> Sizes:
    made = list(pool.map(partial(signed, nation, signer.to_der()), range(1, nation.lists + 1)))
    return Sizes(
        nation=nation,
        cwt=sum(len(cwt) for cwt, _ in made),
        jwt=sum(jwt for _, jwt in made),
        tokens=tuple(cwt for cwt, _ in made),
    )


def of_one(rate: float, entries: int) -> dict[str, int]:
    """The three forms of one list of one bit."""
    nation, signer = Nation(lists=1, entries=entries, bits=1, rate=rate), SoftwareSigner.generate()
    cwt, jwt = signed(nation, signer.to_der(), 1)
    w3c = build_bitstring_token(
        uri=LIST,
        issuer="https://city.example/issuer",
        purposes=["revocation"],
        status_list=listed(nation, 1),
        signer=signer,
        issued_at=AT,
        expires_at=AT + _DAY,
        ttl=None,
    )
    return {"cwt": len(cwt), "jwt": jwt, "vc+jwt": len(w3c)}


def asked(desk: Desk) -> dict[str, float]:
    """A verifier process of its own with the desk's bundle."""
    with tempfile.TemporaryDirectory() as folder:
        save_case(desk, Path(folder))
        command = [sys.executable, str(Path(__file__).with_name("nation_desk.py")), folder]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if found["outcome"] != "ACCEPTED":
        raise SystemExit(f"the verdict was {found['outcome']}")
    return dict(found)


def deltas(pool: ProcessPoolExecutor, desk: Desk, first: Sizes) -> dict[int, int]:
    """Bytes of files that are new in the next day's bundle, by the number of lists that were signed anew."""
    nation, before = first.nation, read_pack(desk.pack)
    tomorrow = Nation(
        lists=nation.lists,
        entries=nation.entries,
        bits=nation.bits,
        rate=nation.rate * 1.003,
        signed_at=nation.signed_at + _HOUR / 2,
    )
    found = {}
    fresh = sizes(pool, tomorrow, desk.agency).tokens
    for count in sorted({0, 1, nation.lists // 7, nation.lists}):
        after = read_pack(desk.packed(fresh[:count] + first.tokens[count:], version=2))
        found[count] = sum(
            len(raw)
            for name, raw in after.items()
            if before.get(name) != raw and name.startswith((*_OFTEN, "targets/status/"))
        )
    return found


def measure(*, quick: bool) -> dict[str, object]:
    lists, entries = (10, 200_000) if quick else (100, 1_000_000)
    found: dict[str, object] = {"lists": lists, "entries": entries, "quick": quick}
    with ProcessPoolExecutor(2) as pool:
        made: list[Sizes] = []
        first: list[Sizes] = []

        def mapped(signer: SoftwareSigner) -> Sequence[bytes]:
            first.append(sizes(pool, Nation(lists=lists, entries=entries, bits=1, rate=0.01), signer))
            return first[0].tokens

        def alone(signer: SoftwareSigner) -> Sequence[bytes]:
            return sizes(pool, Nation(lists=1, entries=lists * entries, bits=1, rate=0.01), signer).tokens

        desk = Desk(lists=mapped)
        rest = [(lists, entries, bits, rate) for bits in (1, 2) for rate in RATES if (bits, rate) != (1, 0.01)]
        rest += [(1, lists * entries, 1, rate) for rate in RATES]
        for count, size, bits, rate in rest:
            made.append(sizes(pool, Nation(lists=count, entries=size, bits=bits, rate=rate), desk.agency))
        made.insert(1, first[0])
        found["sizes"] = [
            {
                "lists": one.nation.lists,
                "bits": one.nation.bits,
                "rate": one.nation.rate,
                "cwt": one.cwt,
                "jwt": one.jwt,
            }
            for one in made
        ]
        found["one"] = {str(rate): of_one(rate, entries) for rate in RATES}
        found["pack"] = len(desk.pack)
        found["process"] = asked(desk)
        found["delta"] = {str(count): size for count, size in deltas(pool, desk, first[0]).items()}
        single = Desk(lists=alone)
        found["single_pack"] = len(single.pack)
        found["single_process"] = asked(single)
    return found


def markdown(found: dict, *, at: dt.datetime) -> str:
    """The page: budgets, sizes, the process, what a day costs."""
    total = found["lists"] * found["entries"]
    process, single = found["process"], found["single_process"]
    lines = ["# The status of a nation, measured", ""]
    lines += [f"{at:%Y-%m-%d}, by `bench/nation.py`. {machine()}.", ""]
    if found["quick"]:
        lines += ["**A quick run: too small for figures to be quoted.**", ""]
    lines += [
        f"{total:,} credentials. {_METHOD}",
        "",
        "| what | budget | measured | met |",
        "|---|--:|--:|---|",
    ]
    start = process["load_ms"] + process["lists_ms"]
    rows = (
        (
            "first sync at 1 %, the whole bundle, CWT",
            "1.8 MB",
            f"{found['pack'] / 1e6:.2f} MB",
            found["pack"] <= _FIRST_SYNC,
        ),
        ("first sync: verify the bundle and every list", "1 s", f"{start / 1000:.2f} s", start <= _SECOND),
        ("one look into a list", "1 µs", f"{process['lookup_ns'] / 1000:.2f} µs", process["lookup_ns"] <= _LOOKUP),
        ("the same in one mapped list", "1 µs", f"{single['lookup_ns'] / 1000:.2f} µs", single["lookup_ns"] <= _LOOKUP),
        ("verifier process, most memory", "150 MB", f"{process['peak_mib']:.0f} MiB", process["peak_mib"] <= _MEMORY),
        ("the same with one mapped list", "150 MB", f"{single['peak_mib']:.0f} MiB", single["peak_mib"] <= _MEMORY),
    )
    lines += [f"| {what} | {budget} | {value} | {'yes' if met else '**no**'} |" for what, budget, value, met in rows]
    lines += [
        "",
        f"{_LOOK} it is {process['checked_ns'] / 1000:.1f} µs.",
        "",
        "## Sizes",
        "",
        "| lists | bits | revoked | CWT | JWT | CWT, bytes an entry revoked |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for one in found["sizes"]:
        shape = f"{one['lists']} of {total // one['lists']:,}"
        share = one["cwt"] / (total * one["rate"])
        lines.append(f"| {shape} | {one['bits']} | {one['rate']:.1%} | {one['cwt']:,} | {one['jwt']:,} | {share:.2f} |")
    lines += [
        "",
        f"One list of {10**8:,} entries of two bits is {10**8 // 4:,} bytes inflated. {_SHARDED}",
        "",
        f"One list of {found['entries']:,} entries of one bit:",
        "",
        "| revoked | CWT | JWT | W3C `vc+jwt` |",
        "|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {float(rate):.1%} | {one['cwt']:,} | {one['jwt']:,} | {one['vc+jwt']:,} |"
        for rate, one in found["one"].items()
    ]
    lines += [
        "",
        "## The verifier's process",
        "",
        "| | pack, bytes | verify the bundle | verify every list | memory before | after a verdict | after the looks |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, size, one in (
        (f"{found['lists']} lists", found["pack"], process),
        ("one list, mapped", found["single_pack"], single),
    ):
        lines.append(
            f"| {name} | {size:,} | {one['load_ms']:.0f} ms | {one['lists_ms']:.0f} ms | {one['before_mib']:.0f} MiB | "
            f"{one['verdict_mib']:.0f} MiB | {one['peak_mib']:.0f} MiB |"
        )
    lines += [
        "",
        _MAPPED,
        "",
        "## What a day costs",
        "",
        _CHOICE,
        "",
        "| lists signed anew | bytes |",
        "|--:|--:|",
    ]
    lines += [f"| {count} | {size:,} |" for count, size in found["delta"].items()]
    lines += [
        "",
        _DAILY,
        "",
        "![Bytes of a nation's status](results-nation.png)",
    ]
    return "\n".join(lines) + "\n"


def picture(found: dict, path: Path) -> None:
    """Bars of bytes by share revoked, and the line of the first sync."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 4.2), layout="constrained")
    kinds = [(bits, form) for bits in (1, 2) for form in ("cwt", "jwt")]
    colours = dict(zip(kinds, ("#2f7d4f", "#9cc9ad", "#b3541e", "#e2b394"), strict=True))
    for position, (bits, form) in enumerate(kinds):
        heights = [one[form] / 1e6 for one in found["sizes"] if one["lists"] == found["lists"] and one["bits"] == bits]
        places = [number + (position - 1.5) * 0.2 for number in range(len(heights))]
        bars = axes.bar(places, heights, 0.19, label=f"{bits} bit, {form.upper()}", color=colours[bits, form])
        axes.bar_label(bars, fmt="%.2f", fontsize=7)
    axes.axhline(_FIRST_SYNC / 1e6, color="#444444", linewidth=1.2, linestyle=":", label="first sync, 1.8 MB at 1 %")
    axes.set_xticks(range(len(RATES)), [f"{rate:.1%} revoked" for rate in RATES])
    axes.set(
        ylabel="MB",
        title=f"Status of {found['lists'] * found['entries']:,} credentials in {found['lists']} signed lists",
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small nation, to see that everything runs")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, too")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="where to write")
    parser.add_argument("--at", type=dt.date.fromisoformat, help="the date of the run; without it, today")
    chosen = parser.parse_args(arguments)
    at = dt.datetime.now(dt.UTC) if chosen.at is None else dt.datetime.combine(chosen.at, dt.time(), dt.UTC)
    found = measure(quick=chosen.quick)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "results-nation.md").write_text(markdown(found, at=at), encoding="utf-8")
    picture(found, chosen.out / "results-nation.png")
    if chosen.json:
        print(json.dumps({"at": at.isoformat(), "machine": machine(), **found}))


if __name__ == "__main__":
    main()
