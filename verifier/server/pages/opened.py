"""Which accepted results a person's code has opened at the desk: from then on the clerks of that API key see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from vcred.errors import StoreError
from verifier.server.database import within
from verifier.server.tables import opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine, Row, Select

__all__ = ["Opened", "rows_of"]


class Opened:
    """See the module. Every method raises ``StoreError``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, transaction: str, *, at: int) -> None:
        """The code was right."""
        try:
            with within(self._engine) as db:
                db.execute(insert(opened).values(transaction=transaction, at=at))
        except StoreError as error:
            if not isinstance(error.__cause__, IntegrityError):  # it was open already
                raise

    def __contains__(self, transaction: str) -> bool:
        chosen = select(opened.c.at).where(opened.c.transaction == transaction)
        return bool(rows_of(self._engine, chosen))


def rows_of(engine: Engine, chosen: Select[Any]) -> Sequence[Row[Any]]:
    """Every row. Raises ``StoreError``."""
    with within(engine) as db:
        return db.execute(chosen).all()
