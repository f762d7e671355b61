"""Preset dictionaries: texts that both sides have, so that deflate can refer to them from the first byte.

A dictionary never changes once it has an id; a better one gets the next id. The files are made by
``tests/vectors/generate/qr_dictionary.py`` from names and structure only, never from a person's certificate.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DICTIONARIES", "load_dictionary"]

DICTIONARIES: Mapping[int, str] = MappingProxyType(
    {1: "04abb8473cff5a215f271582e542c80c5fe022d8d8993f2735a215d0c1d48ee9"}
)
"""SHA-256 of each dictionary, by id."""


@cache
def load_dictionary(number: int) -> bytes:
    """The bytes of a dictionary. Raises ``ValueError`` for an id that is not in ``DICTIONARIES``."""
    if number not in DICTIONARIES:
        raise ValueError(f"there is no dictionary {number}")
    raw = files("vcred.qr").joinpath(f"dictionary{number}.bin").read_bytes()
    # Another dictionary under the same id would make messages that only this installation can read.
    if hashlib.sha256(raw).hexdigest() != DICTIONARIES[number]:
        raise RuntimeError(f"dictionary {number} of this installation is damaged")
    return raw
