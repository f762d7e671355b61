"""The one place of the command line that reads the clock; ``--at`` replaces it."""

from __future__ import annotations

from datetime import UTC, datetime

import click

__all__ = ["MomentType", "now"]


def now() -> datetime:
    """The time of this machine, aware, in UTC."""
    return datetime.now(UTC)


class MomentType(click.ParamType[datetime]):
    """An ISO 8601 time with a zone (``2026-11-22T09:00:00+09:00``, ``...Z``)."""

    name = "iso-time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time in UTC. Wrong use (exit 2) for another format and for a time without a zone."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail("an ISO time is wanted, for example 2026-11-22T09:00:00+09:00", param, ctx)
        if moment.tzinfo is None:
            self.fail("the time needs a zone: add Z or +09:00", param, ctx)
        return moment.astimezone(UTC)
