"""A bank's first hour: a reader, a policy, a request, a verdict with reasons - with the network cut.

Run it: ``python examples/bank.py``. Agency and wallet are those of ``vcred.testing.World``.
"""

from __future__ import annotations

from datetime import UTC, datetime

from vcred import Challenge
from vcred.testing import World, cut_network
from verifier import VerificationPolicy, VerificationResult, Verifier


def show(title: str, result: VerificationResult) -> None:
    print(f"\n{title}: {result.outcome}")
    for reason in result.reasons:
        print("  ", reason.message("ko"), "/", reason.action("ko"))
    if result:
        print("  ", result.claims["resident.personal"]["currentAddress"])
        print("   checks passed:", ", ".join(check.name for check in result.checks))
    for one in result.freshness:
        print("  ", one.text("ko"))


def main() -> None:
    world = World(at=datetime.now(UTC))
    world.issue("resident.personal")
    print("the network is cut:", cut_network())

    verifier = Verifier(trust=world.trust, identity=world.identity)
    policy = VerificationPolicy.preset("bank.address-change")
    request = verifier.request(policy, freshness=Challenge(), at=world.at)
    answer = world.present(request)
    show("an honest answer", verifier.verify(answer, request=request, at=world.at))
    show("the same answer again", verifier.verify(answer, request=request, at=world.at))

    request = verifier.request(policy, freshness=Challenge(), at=world.at)
    stolen = world.swap_holder(world.present(request))
    show("somebody else's phone", verifier.verify(stolen, request=request, at=world.at))


if __name__ == "__main__":
    main()
