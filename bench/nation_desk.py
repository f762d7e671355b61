"""A verifier in a process of its own that carries the status of a nation: how long, how large, how fast.

Arguments: the folder that ``desk.save_case`` filled. Prints one JSON object.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import verifier
from vcred.credential import StatusReference
from vcred.keys import SoftwareSigner
from vcred.presentation import PresentationRequest
from vcred.status import check_status
from vcred.trust import TrustBundle

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
LOOKUPS, BATCH = 200_000, 2_000


def peak_mib() -> float:
    """The most this program had in memory. Linux counts it apart from what the parent had before the exec."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return (found[0] if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def verdict(trust: TrustBundle, folder: Path) -> str:
    signer = SoftwareSigner.from_der((folder / "reader.key").read_bytes())
    identity = verifier.ReaderIdentity(((folder / "reader.der").read_bytes(),), signer)
    with verifier.SqliteRequestStore(folder / "requests.db") as requests:
        desk = verifier.Verifier(trust, identity, requests)
        request = PresentationRequest.parse((folder / "request.jws").read_bytes())
        return desk.verify((folder / "answer.bin").read_bytes(), request=request, at=AT).outcome.value


def lookups(trust: TrustBundle) -> dict[str, float]:
    """Nanoseconds for one look into a list, and for one with every rule; anywhere in the nation, the loop included.

    In small batches, so that what is drawn takes no memory worth counting.
    """
    chance = random.Random(1)
    snapshots = [found for uri in trust.status_uris if (found := trust.status_list(uri)) is not None]
    plain_ns = checked_ns = checked = revoked = 0
    for _ in range(LOOKUPS // BATCH):
        drawn = [(one, chance.randrange(len(one.status_list))) for one in chance.choices(snapshots, k=BATCH)]
        calls = [(one.status_list.get, index) for one, index in drawn]
        start = time.process_time_ns()
        for get, index in calls:
            get(index)
        plain_ns += time.process_time_ns() - start
        values = [get(index) for get, index in calls]
        revoked += sum(values)
        valid = [
            (one, StatusReference(uri=one.uri, index=index))
            for (one, index), value in zip(drawn[:200], values, strict=False)
            if not value
        ]
        start = time.process_time_ns()
        for one, reference in valid:
            check_status(reference, one, max_age=timedelta(days=1), at=AT)
        checked_ns += time.process_time_ns() - start
        checked += len(valid)
    return {"lookup_ns": plain_ns / LOOKUPS, "checked_ns": checked_ns / checked, "revoked_share": revoked / LOOKUPS}


def main(folder: Path) -> None:
    before = peak_mib()
    start = time.process_time()
    trust = TrustBundle.load(folder / "trust.vcred", root=folder / "root.json")
    loaded = time.process_time()
    lists = [trust.status_list(uri) for uri in trust.status_uris]
    verified = time.process_time()
    entries = sum(len(one.status_list) for one in lists if one is not None)
    del lists
    outcome = verdict(trust, folder)
    after_verdict = peak_mib()
    print(
        json.dumps(
            {
                "entries": entries,
                "load_ms": (loaded - start) * 1000,
                "lists_ms": (verified - loaded) * 1000,
                "outcome": outcome,
                "before_mib": before,
                "verdict_mib": after_verdict,
                **lookups(trust),
                "peak_mib": peak_mib(),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
