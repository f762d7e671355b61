"""What an application is for is kept with it."""

from alembic import op

from issuer.server.tables import PURPOSE

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """The same statement on both databases."""
    for statement in PURPOSE:
        op.get_bind().exec_driver_sql(statement)
