"""The tables of the verifier's service. ``migrations`` makes and changes them; a test holds the two together.

Columns named ``sealed_...`` are encrypted by the store. Times are seconds since 1970.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

__all__ = [
    "answers",
    "clock",
    "deliveries",
    "login_failures",
    "metadata",
    "open_requests",
    "opened",
    "sessions",
    "submissions",
    "transactions",
]

metadata: Final = MetaData()

open_requests: Final = Table(
    "open_requests",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("policy", Text, nullable=False),
    Column("reference_date", Text),
    Column("expires_at", BigInteger, nullable=False),
    Column("used", SmallInteger, nullable=False),
    Column("sealed_response_key", LargeBinary),
    Index("open_requests_by_end", "expires_at"),
)

answers: Final = Table(
    "answers",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("until", BigInteger, nullable=False),
    Index("answers_by_end", "until"),
)

clock: Final = Table(
    "clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last_seen", BigInteger, nullable=False),
)

transactions: Final = Table(
    "transactions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("handle", Text, nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("wish", Text, nullable=False),
    Column("redirect", Text),
    Column("webhook", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("request", LargeBinary),
    Column("request_expires_at", BigInteger),
    Column("wrong_answers", Integer, nullable=False),
    Column("last_reasons", Text),
    Column("error", Text),
    Column("outcome", Text),
    Column("answered_at", BigInteger),
    Column("sealed_result", LargeBinary),
    Column("response_code", LargeBinary, unique=True),
    Column("sealed_code", LargeBinary),
    Column("tries", Integer, nullable=False),
    Column("evidence", BigInteger),
    Column("submission", Text),
    Column("submission_reason", Text),
    Index("transactions_by_age", "created_at"),
)

submissions: Final = Table(
    "submissions",
    metadata,
    Column("transaction", Text, ForeignKey("transactions.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
)

deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger),
    Column("delivered_at", BigInteger),
    Index("deliveries_by_time", "next_at"),
)

sessions: Final = Table(
    "sessions",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

opened: Final = Table(
    "opened",
    metadata,
    Column("transaction", Text, ForeignKey("transactions.id", ondelete="CASCADE"), primary_key=True),
    Column("at", BigInteger, nullable=False),
)

login_failures: Final = Table(
    "login_failures",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("until", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
)
