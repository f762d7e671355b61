"""What every issuer has: lists, credentials, copies, offers, audit log. Version 2 of ``issuer.schema``."""

from alembic import op

from issuer.postgres import translate
from issuer.schema import SCHEMA

revision = "0001"
down_revision = None


def upgrade() -> None:
    """On SQLite these tables are made, and moved from version to version, by ``issuer.schema``."""
    if op.get_bind().dialect.name == "sqlite":
        return
    for statement in SCHEMA:
        op.get_bind().exec_driver_sql(translate(statement))
