"""Sizes, frames and times of certificates by post-quantum issuers: ``python -m bench.post_quantum`` prints the tables.

The work is the sample household certificate; shown are the head's name and the address, over QR, to a challenge.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from vcred import qr
from vcred.formats.known import FORMATS
from vcred.issuance import build_request
from vcred.keys import SoftwareSigner
from vcred.keys.post_quantum import POST_QUANTUM
from vcred.qr.message import encode_message
from vcred.testing import World
from verifier import VerificationPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
CODE = "resident.household"
ALGORITHMS = ("ES256", *POST_QUANTUM)
ROUNDS = 50
POLICY = """
id = "bench.household"
name = { ko = "측정", en = "Bench" }
purpose = { ko = "측정", en = "Bench" }
asks = { ko = "성명과 주소", en = "Name and address" }
holder_binding = "required"
post_quantum = "accepted"
freshness = { challenge = true }
trust = { max_age_hours = 720 }
status = { required = true, max_age_hours = 24 }
rrn = { level = "full", legal_basis = { ko = "측정", en = "Bench" } }
retention = { days = 0, text = { ko = "없음", en = "None" } }
[[certificates]]
slot = "one"
name = { ko = "등본", en = "Household" }
required = true
[[certificates.any_of]]
code = "resident.household"
claims = ["householder.name", "currentAddress.road"]
"""


def sizes(form: str, algorithm: str) -> tuple[int, int, int]:
    """Bytes of a certificate as issued, bytes of the answer as drawn, and the frames a camera has to catch."""
    policy = VerificationPolicy.load(POLICY)
    world = World(at=AT, formats=(form,), policies=[policy.source], algorithm=algorithm)
    offer = world.issuer.offer(CODE, subject="sample", at=AT)
    delivery = world.issuer.issue(build_request(offer, [SoftwareSigner.generate()], formats=[form], at=AT), at=AT)
    world.issue(CODE)
    request = world.request(policy, formats=(form,))
    answer = world.present(request)
    assert world.verify(answer, request)
    reader, frames = qr.Reader(), 0
    for code in qr.encode(answer):
        frames += 1
        if reader.add(code.text).done:
            break
    return len(delivery.credentials[0][1]), len(encode_message(answer.to_message())), frames


def _timed(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return 1000 * median(times)


def main() -> None:
    """Print both tables as Markdown."""
    print("| format | " + " | ".join(ALGORITHMS) + " |")
    print("|---|" + "---|" * len(ALGORITHMS))
    for form in FORMATS:
        cells = ["{:,} / {:,} / {}".format(*sizes(form, one)) for one in ALGORITHMS]
        print(f"| `{form}` | " + " | ".join(cells) + " |")
    print()
    print("| algorithm | public key | signature | sign | verify |")
    print("|---|---|---|---|---|")
    for algorithm in ALGORITHMS:
        signer, message = SoftwareSigner.generate(algorithm), b"m" * 1000
        signature = signer.sign(message)
        key = signer.public_key
        sign = _timed(partial(signer.sign, message))
        verify = _timed(partial(key.verify, signature, message))
        print(f"| {algorithm} | {len(key.spki):,} | {len(signature):,} | {sign:.2f} ms | {verify:.2f} ms |")


if __name__ == "__main__":
    main()
