"""An app developer's first hour: an encrypted wallet, a certificate, a request, consent, a QR.

Run it: ``python examples/app.py``. Agency and bank are those of ``vcred.testing.World``.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from vcred import PresentationRequest, qr
from vcred.testing import World
from wallet import FileStore, Wallet


def main() -> None:
    world = World(at=datetime.now(UTC))
    with tempfile.TemporaryDirectory() as folder:
        wallet = Wallet(store=FileStore(Path(folder) / "wallet.db", pin="493817"), trust=world.trust)
        offer = world.issuer.offer("resident.personal", subject="sample", at=world.at)
        for certificate in wallet.receive(offer, at=world.at):
            print("received:", certificate.name("ko"))
        world.refresh_trust()
        wallet.trust = world.trust

        # A picture of the bank's screen.
        picture = qr.encode(world.request("bank.address-change"))[0].png()
        asked = wallet.match(PresentationRequest.parse(qr.decode(qr.read_image(picture))), at=world.at)
        print("who asks:", asked.verifier.name, "(registered)" if asked.verifier.trusted else "(NOT registered)")
        print("what for:", asked.purpose)
        print("required:", ", ".join(one.label("ko") for one in asked.required))
        print("optional:", ", ".join(one.label("ko") for one in asked.optional) or "-")
        print("the counter would say:", [reason.message("ko") for reason in asked.reasons] or "nothing against it")

        codes = qr.encode(wallet.present(asked.approve(), at=world.at))
        print(f"answer: {len(codes)} QR code(s), version {codes[0].version}-{codes[0].level}")
        for entry in wallet.history():
            print("history:", entry)


if __name__ == "__main__":
    main()
