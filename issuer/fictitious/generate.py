"""From a seed to a town."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from issuer.fictitious.households import BUILDERS, KINDS, WEIGHTS
from issuer.fictitious.people import Town
from issuer.fictitious.store import write
from issuer.fictitious.world import World

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["generate"]

_TWO_HOMES = "weekend_couple"


def generate(path: str | PathLike[str], *, seed: int, households: int, today: date) -> Town:
    """Make a town of ``households`` households as it is on ``today`` and write it to the SQLite file ``path``.

    The same seed, size and day give the same contents. From 18 households on, every kind of household occurs.
    A file that is there is replaced in one step. ``ValueError`` for no
    households or a day before 2020; ``OSError`` as it comes.
    """
    if today < date(2020, 1, 1):
        raise ValueError("a town exists from 2020 on")
    if households < 1:
        raise ValueError("a town has at least one household")
    # Not for secrets: the town has to come out the same again.
    world = World(Random(seed), today)  # noqa: S311
    wanted = list(KINDS)
    while len(world.homes) < households:
        kind = wanted.pop(0) if wanted else world.rng.choices(KINDS, WEIGHTS)[0]
        if kind == _TWO_HOMES and len(world.homes) + 2 > households:
            continue
        BUILDERS[kind](world)
    target = Path(path)
    people = write(world, target, seed=seed)
    return Town(path=target, households=households, people=people, seed=seed)
