"""What an issuer with a service has besides: ``issuer.server.tables``."""

from alembic import op

from issuer.postgres import translate
from issuer.server.tables import SCHEMA

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """The same statements on both databases."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SCHEMA:
        op.get_bind().exec_driver_sql(statement if sqlite else translate(statement))
