"""A verifier in a process of its own: what it takes to start, to decide about one answer, and to keep.

Arguments: the folder that ``desk.save_case`` filled. Prints one JSON object.
"""

from __future__ import annotations

import time

_START = time.perf_counter()

import verifier  # noqa: E402

_IMPORTED = time.perf_counter()

import json  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
from datetime import UTC, datetime  # noqa: E402
from pathlib import Path  # noqa: E402

from vcred.keys import SoftwareSigner  # noqa: E402
from vcred.presentation import PresentationRequest  # noqa: E402
from vcred.trust import TrustBundle  # noqa: E402

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)


def main(folder: Path) -> None:
    trust = TrustBundle.load(folder / "trust.vcred", root=folder / "root.json")
    loaded = time.perf_counter()
    signer = SoftwareSigner.from_der((folder / "reader.key").read_bytes())
    identity = verifier.ReaderIdentity(((folder / "reader.der").read_bytes(),), signer)
    with verifier.SqliteRequestStore(folder / "requests.db") as requests:
        desk = verifier.Verifier(trust, identity, requests)
        request = PresentationRequest.parse((folder / "request.jws").read_bytes())
        result = desk.verify((folder / "answer.bin").read_bytes(), request=request, at=AT)
    decided = time.perf_counter()
    print(
        json.dumps(
            {
                "import_ms": (_IMPORTED - _START) * 1000,
                "trust_ms": (loaded - _IMPORTED) * 1000,
                "first_verdict_ms": (decided - _START) * 1000,
                "outcome": result.outcome.value,
                "reasons": [reason.code.value for reason in result.reasons],
                "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
