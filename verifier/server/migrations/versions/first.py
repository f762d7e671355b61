"""Every table of the first version."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From nothing."""
    op.create_table(
        "open_requests",
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("reference_date", sa.Text),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used", sa.SmallInteger, nullable=False),
        sa.Column("sealed_response_key", sa.LargeBinary),
    )
    op.create_index("open_requests_by_end", "open_requests", ["expires_at"])
    op.create_table(
        "answers",
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
    op.create_index("answers_by_end", "answers", ["until"])
    op.create_table(
        "clock",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "transactions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("handle", sa.Text, nullable=False, unique=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("wish", sa.Text, nullable=False),
        sa.Column("redirect", sa.Text),
        sa.Column("webhook", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("request", sa.LargeBinary),
        sa.Column("request_expires_at", sa.BigInteger),
        sa.Column("wrong_answers", sa.Integer, nullable=False),
        sa.Column("last_reasons", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("answered_at", sa.BigInteger),
        sa.Column("sealed_result", sa.LargeBinary),
        sa.Column("response_code", sa.LargeBinary, unique=True),
        sa.Column("sealed_code", sa.LargeBinary),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("evidence", sa.BigInteger),
        sa.Column("submission", sa.Text),
        sa.Column("submission_reason", sa.Text),
    )
    op.create_index("transactions_by_age", "transactions", ["created_at"])
    op.create_table(
        "submissions",
        sa.Column("transaction", sa.Text, sa.ForeignKey("transactions.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger),
        sa.Column("delivered_at", sa.BigInteger),
    )
    op.create_index("deliveries_by_time", "deliveries", ["next_at"])
