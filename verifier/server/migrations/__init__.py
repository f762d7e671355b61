"""The tables of the verifier's database, made and changed by Alembic, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from vcred.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["upgrade"]

_LOCK: Final = 0x7663766D
"""The advisory lock of whoever changes tables: "vcvm"."""


def upgrade(engine: Engine) -> None:
    """Bring the database to this version, whole or not at all. Two processes at once are one after the other.

    Raises ``StoreError``, also for a database of a later version.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except (SQLAlchemyError, CommandError) as error:
        raise StoreError(f"the verifier's tables cannot be made in this database: {type(error).__name__}") from error
