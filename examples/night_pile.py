"""An office's evening: a folder with what people showed at the door, judged across cores in one call, and sealed.

Run it: ``python examples/night_pile.py``. Agency and wallets are those of ``vcred.testing.World``.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from vcred import MaxAge, PresentationRequest
from vcred.qr import encode, encode_message
from vcred.testing import World
from verifier import EvidenceArchive, Scan, Submission, VerificationPolicy, Verifier, verify_many

if TYPE_CHECKING:
    from collections.abc import Iterator


def the_day(world: World, verifier: Verifier, folder: Path) -> None:
    """One request hangs at the door. People answer it; what the camera saw is a file each."""
    policy = VerificationPolicy.preset("bank.address-change")
    request = verifier.request(policy, freshness=MaxAge(timedelta(seconds=30)), at=world.at)
    (folder / "request.jws").write_bytes(request.raw)
    for number in range(9):
        answer = world.present(request)
        if number == 7:
            answer = world.swap_holder(answer)
        (folder / f"{number:03}.bin").write_bytes(encode_message(answer.to_message()))
    (code,) = encode(world.present(request).to_message())
    (folder / "009.png").write_bytes(code.png(scale=4))
    (folder / "010.bin").write_bytes((folder / "000.bin").read_bytes())
    (folder / "011.png").write_bytes(b"not a picture")


def pile(folder: Path) -> Iterator[Submission]:
    """Read as workers get to it: the pile may be larger than memory."""
    request = PresentationRequest.parse((folder / "request.jws").read_bytes())
    for path in sorted(folder.iterdir()):
        if path.suffix in (".bin", ".png"):
            yield Submission(answer=Scan(files=(path.read_bytes(),)), request=request, name=path.name)


def main() -> None:
    world = World(at=datetime.now(UTC))
    for _ in range(4):  # each with a few copies, and each copy is shown once
        world.issue("resident.personal")
    with TemporaryDirectory() as name:
        folder = Path(name)
        recipient = world.identity.signer.public_key
        archive = EvidenceArchive.create(
            folder / "evidence", reader=world.identity.client_id, recipient=recipient, at=world.at
        )
        archive.keep_trust(world.bundle_file, world.root_file)
        verifier = Verifier(world.trust, world.identity, evidence=archive)
        the_day(world, verifier, folder)

        counted: Counter[str] = Counter()
        for one in verify_many(
            pile(folder), verifier=verifier, pack=world.bundle_file, root=world.root_file, at=world.at, workers=2
        ):
            counted[one.outcome] += 1
            if not one:
                print(f"{one.item.name}: {one.outcome}:", *[reason.message("ko") for reason in one.reasons])
        seal = archive.seal(world.identity, at=world.at)
        print(*[f"{outcome}: {count}" for outcome, count in sorted(counted.items())], sep=", ")
        print("sealed:", seal.records, "entries")
        archive.close()


if __name__ == "__main__":  # workers are started by spawn, which reads this file again
    main()
