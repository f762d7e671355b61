"""A service's database of an earlier revision is brought up to date when the service opens it, with what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from issuer.server.store import ServiceStore
from tests.services.issuer_kit import AT, CODE, Clock, Service, target  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.loopback
BACK = (
    "DROP TABLE showings",
    "DROP TABLE clock",
    "ALTER TABLE applications DROP COLUMN purpose",
    "UPDATE alembic_version SET version_num = '0002'",
)


def test_an_application_of_before_stays_and_has_no_purpose(target: str, tmp_path: Path) -> None:  # noqa: F811 - as above
    service = Service(target, tmp_path, Clock())
    kept = service.parts.applications.create(code=CODE, subject="key-17", variant=None, options={}, at=AT)
    service.close()
    with ServiceStore(target) as store, store.writing():
        for statement in BACK:
            store._db.execute(statement)
    again = Service(target, tmp_path, Clock())
    try:
        assert again.parts.applications.get(kept.id) == kept
        told = again.parts.applications.create(
            code=CODE, subject="key-17", variant=None, options={}, purpose="own", at=AT
        )
        assert again.parts.applications.get(told.id).purpose == "own"
    finally:
        again.close()
