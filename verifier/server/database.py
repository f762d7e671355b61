"""One transaction of the service's database, wherever it is needed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from vcred.errors import Locked, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

__all__ = ["within"]


@contextmanager
def within(engine: Engine) -> Iterator[Connection]:
    """One transaction: durable when the block has ended, undone when it raises. Raises ``StoreError``."""
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        wrong = Locked if "locked" in str(error) else StoreError
        raise wrong(f"the database cannot be used: {type(error).__name__}") from error
