"""Logins by showing an identity card from a wallet."""

from alembic import op

from issuer.postgres import translate
from issuer.server.tables import SHOWINGS

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """The same statements on both databases."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SHOWINGS:
        op.get_bind().exec_driver_sql(statement if sqlite else translate(statement))
