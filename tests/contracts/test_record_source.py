"""The published contract of ``RecordSource``: what ships keeps it, and what breaks it is found."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from issuer import RecordSource
from issuer.fictitious import TownRecords, generate
from issuer.fictitious.records import CODES
from vcred.catalog import Catalog
from vcred.errors import RecordError
from vcred.testing.contracts import check_record_source

AT = datetime(2026, 9, 26, 3, tzinfo=UTC)
CATALOG = Catalog.builtin()
CODE = "resident.household"


class Samples:
    """A registry with one person in it, and one fault."""

    def __init__(self, fault=None):
        self.fault = fault

    def fetch(self, code, subject, *, at):
        if code not in CATALOG or (subject != "key-17" and self.fault != "anybody"):
            raise RecordError(f"nothing for {subject}" if self.fault == "tells" else "nothing can be certified")
        record = dict(CATALOG[code].sample)
        if self.fault == "clock":
            record["document"] = record["document"] | {"officer": f"{at:%H:%M}"}
        if self.fault == "shape":
            record["householder"] = record["householder"] | {"phone": "010-0000-0000"}
        return record


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    path = tmp_path_factory.mktemp("town") / "town.db"
    generate(path, seed=3, households=30, today=date(2026, 9, 26))
    return TownRecords(path)


@pytest.mark.parametrize("code", CODES)
def test_the_town_keeps_the_contract(town, code):
    assert isinstance(town, RecordSource)
    for person in town.find():
        try:
            town.fetch(code, person.subject, at=AT)
        except RecordError:
            continue
        check_record_source(town, code, person.subject, AT)
        return
    pytest.fail(f"nobody in the town has a {code}")


def test_a_good_source_passes():
    check_record_source(Samples(), CODE, "key-17", AT)


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ("clock", AssertionError, "within one day"),
        ("anybody", AssertionError, "unknown subject"),
        ("tells", AssertionError, "repeats"),
        ("shape", RecordError, "phone"),
    ],
)
def test_a_source_that_breaks_the_contract_is_found(fault, error, message):
    with pytest.raises(error, match=message):
        check_record_source(Samples(fault), CODE, "key-17", AT)
