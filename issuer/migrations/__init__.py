"""The tables of an issuer's database, made and changed by Alembic: on PostgreSQL all of them, on SQLite the service's.

The tables that an issuer without a service has in its SQLite file are ``issuer.schema``'s, and stay there: such an
issuer needs neither Alembic nor SQLAlchemy. On PostgreSQL the same statements are the first revision.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from vcred.errors import MissingExtraError, StoreError

__all__ = ["upgrade"]

_LOCK: Final = 0x7663726D
"""The advisory lock of whoever changes tables: "vcrm"."""


def upgrade(url: str) -> None:
    """Bring the database at ``url`` (as SQLAlchemy writes it) to this version, whole or not at all.

    Two processes at once are one after the other. Raises ``StoreError``, also for a database of a later version.
    """
    try:
        from alembic import command  # noqa: PLC0415 - only who migrates needs it
        from alembic.config import Config  # noqa: PLC0415 - as above
        from alembic.util import CommandError  # noqa: PLC0415 - as above
        from sqlalchemy import NullPool, create_engine, event, text  # noqa: PLC0415 - as above
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        raise MissingExtraError("server") from error
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    sqlite = url.startswith("sqlite")
    try:
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": 60} if sqlite else {})
        if sqlite:
            event.listen(engine, "connect", _take_over_transactions)
            event.listen(engine, "begin", _begin_writing)
        with engine.begin() as connection:
            if not sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except (SQLAlchemyError, CommandError) as error:
        raise StoreError(f"the issuer's tables cannot be made: {type(error).__name__}") from error


def _take_over_transactions(connection: Any, _record: Any) -> None:
    """The driver begins transactions too late, or not at all for tables: SQLAlchemy does it (``_begin_writing``)."""
    connection.isolation_level = None


def _begin_writing(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
