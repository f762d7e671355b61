"""One simulated year: daily publications, rotations, a leaked key, a stick every week, wrong clocks, a counterfeiter.

Every verdict of every branch is the oracle's (``year/oracle.py``), which is written from the published rules and knows
no product code; and everything the year is about really came up in it.
"""

from __future__ import annotations

import ast
from contextlib import closing
from pathlib import Path

import pytest

from tests.flows.year import oracle
from tests.flows.year.calendar import Year
from tests.flows.year.dates import LIES
from tests.flows.year.town import FORMATS
from tests.sync_source import serving

pytestmark = [pytest.mark.slow, pytest.mark.loopback]
DAYS, SEED = 365, 20260926
SITUATIONS = {
    "ACCEPTED": 300,
    "REJECTED": 100,
    "INDETERMINATE": 50,
    "accepted, though revoked since the list was signed": 1,
    "accepted, though suspended since the list was signed": 1,
    "suspended by the branch's list, though reinstated since": 1,
    "accepted after a suspension was over": 1,
    "decided by a list that is newer than the publication": 1,
    "revoked": 10,
    "revoked by a list that is too old for anything else": 1,
    "suspended": 10,
    "not suspendable": 10,
    "stale": 20,
    "stale, though nothing is wrong": 1,
    "stale at a branch with the newest publication": 1,
    "bundle_expired": 5,
    "both the trust list and the status too old": 1,
    "clock": 5,
    "clock set right, and the time forgotten": 1,
    "not_yet_valid": 1,
    "expired": 10,
    "accepted, signed by a key that was superseded since": 5,
    "accepted, signed by a key that was superseded before": 1,
    "refused, signed by a key that was superseded before": 1,
    "forged with a leaked key, accepted before the sync": 1,
    "forged with a leaked key, refused after the sync": 1,
    "honest, but of a key that leaked": 5,
    "counterfeit": 3,
    "of an agency that the branch does not know yet": 1,
    "of a list that the branch does not have yet": 1,
    "a phone offline for a month": 2,
    "a phone offline so long that its bundle is over": 2,
    "a phone refused a desk whose clock is wrong": 1,
    "an old status list was served and not taken": 5,
    "a newer status list was fetched": 5,
    "a list signed by a clock that is ahead, left out": 1,
    "a list signed by a clock that is late, not taken": 1,
    "the trust list signed again before its end": 1,
    "sync: url": 40,
    "sync: folder": 100,
    "sync: archive": 5,
    "sync: older than what the branch has": 1,
    "sync: expired by the branch's clock": 1,
    "sync: noticed that the clock is behind": 1,
} | {f"lie: {lie}": 1 for lie in LIES.values()}
"""What has to come up in the year, and how often at least."""

BRANCHES = [
    f"{branch} {form} {outcome}" for branch in "ABC" for form in FORMATS for outcome in ("ACCEPTED", "REJECTED")
]


# One test: the year is lived once, whichever way tests are shared among processes.
def test_a_year(tmp_path):
    with serving(tmp_path / "ministry/published") as server, closing(Year(tmp_path, server, seed=SEED)) as year:
        for _ in range(DAYS):
            year.live()
    assert year.mismatches == []
    seen = year.oracle.seen
    assert {name: seen[name] for name, least in SITUATIONS.items() if seen[name] < least} == {}
    assert {name: seen[name] for name in BRANCHES if seen[name] < 10} == {}
    # One more was published on the day the leak was found.
    assert year.trust.version == len(year.oracle.publications) == DAYS + 1
    assert year.trust.seen.roles["root"].version == 5
    assert year.trust.seen.roles["targets"].version == year.ministry.proposed


def test_the_oracle_knows_no_product_code():
    tree = ast.parse(Path(oracle.__file__).read_text(encoding="utf-8"))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported == {"__future__", "collections", "dataclasses", "datetime"}
