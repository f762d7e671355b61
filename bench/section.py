"""A part of the page that stands by itself: what ``run.py`` measures beside the budgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Section"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """``text`` is Markdown that begins with a heading of the second level; ``figures`` is what ``--json`` prints.

    A module that is named in ``run.SECTIONS`` has ``section(effort, *, out, say)``, which returns one. It writes its
    pictures into the folder ``out`` by itself and tells ``say`` how far it is, one line a time.
    """

    id: str
    text: str
    figures: Any
