"""Which elements of a document answer a DeviceRequest, with the rule for ages (ISO/IEC 18013-5 clause 7.2.5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vcred.formats._mdoc_items import Item
    from vcred.formats._paths import Parts

__all__ = ["answering", "nearest_age"]

_AGE_OVER: Final = re.compile(r"age_over_([0-9]{2})")


def answering(items: Mapping[Parts, Item], elements: Mapping[str, Iterable[str]]) -> list[Parts]:
    """The keys of ``items`` that answer ``elements`` (by namespace), each once.

    For an age that the document does not have this is the lowest above that is true, else the highest below that is
    false; nothing, where neither is there.
    """
    there = {(item.namespace, item.identifier): parts for parts, item in items.items()}
    found: dict[Parts, None] = {}
    for namespace, names in elements.items():
        for name in names:
            parts = there.get((namespace, name)) or nearest_age(items, namespace, name)
            if parts:
                found[parts] = None
    return list(found)


def nearest_age(items: Mapping[Parts, Item], namespace: str, name: str) -> Parts | None:
    """The key of the attestation that answers ``name`` (``age_over_NN``), which is not there itself, if one does."""
    asked = _AGE_OVER.fullmatch(name)
    if asked is None:
        return None
    ages = {
        int(age[1]): (parts, item.value)
        for parts, item in items.items()
        if item.namespace == namespace and (age := _AGE_OVER.fullmatch(item.identifier)) and type(item.value) is bool
    }
    above = [age for age, (_, over) in ages.items() if over and age >= int(asked[1])]
    below = [age for age, (_, over) in ages.items() if not over and age <= int(asked[1])]
    if above:
        return ages[min(above)][0]
    return ages[max(below)][0] if below else None
