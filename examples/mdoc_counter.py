"""A certificate as ISO mdoc: at a counter over QR, and at an online counter by OpenID4VP. One document, two sessions.

Run it: ``python examples/mdoc_counter.py``. Agency, bundle and bank are those of ``vcred.testing.World``.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from vcred import Challenge, Presentation, qr
from vcred.claims import ClaimPath
from vcred.errors import RefusedError
from vcred.formats.mdoc import CatalogDoctypes, Mdoc, Session, openid4vp_transcript
from vcred.issuance import build_request
from vcred.keys import SoftwareSigner
from vcred.testing import World
from verifier import VerificationPolicy

CODE = "resident.personal"
URI = "https://bank.example/openid4vp/response"


def at_the_counter(world: World) -> None:
    """The wallet answers the bank's QR; the device signature covers our QR session (docs/qr-profile.md)."""
    policy = VerificationPolicy.preset("bank.address-change")
    request = world.verifier.request(policy, freshness=Challenge(), formats=("mso_mdoc",), at=world.at)
    frames = [code.png() for code in qr.encode(world.present(request))]
    scanned = Presentation.parse(qr.decode(text for frame in frames for text in qr.read_image(frame)))
    result = world.verifier.verify(scanned, request=request, at=world.at)
    print(f"over QR, {len(frames)} frames: {result.outcome}, {result.claims[CODE]['currentAddress']['road']}")


def online(world: World) -> None:
    """The app answers an OpenID4VP request by ``direct_post``; the session is known from the request object."""
    phone, form = SoftwareSigner.generate(), Mdoc(CatalogDoctypes(world.catalog))
    offer = world.issuer.offer(CODE, subject="sample", at=world.at)
    delivery = world.issuer.issue(build_request(offer, [phone], at=world.at).to_bytes(), at=world.at)
    ((_, issued),) = delivery.credentials

    # From the signed request object: whose it is, its nonce, where the answer goes, and that it is not encrypted.
    nonce = secrets.token_urlsafe(16)
    asked = {"client_id": world.verifier.client_id, "nonce": nonce, "response_uri": URI, "encryption_key": None}
    wanted = [ClaimPath.parse(path) for path in ("name", "currentAddress.road")]
    prepared = form.prepare_response(form.open(issued), wanted, transcript=openid4vp_transcript(**asked))
    response = prepared.complete(phone.sign(prepared.signing_input))

    # The verifier computes the transcript from its own request: nothing the answer says about its session counts.
    now = int(world.at.timestamp())
    session = Session(
        transcript=openid4vp_transcript(**asked), audience=asked["client_id"], nonce=nonce.encode(), received_at=now
    )
    (opened,) = form.open_response(response, session)
    issuer = world.trust.resolve_issuer(
        issuer=opened.issuer, kid=opened.kid, x5c=opened.x5c, code=CODE, issued_at=opened.issued_at, at=world.at
    )
    form.verify_signature(opened, issuer.key)
    form.verify_key_binding(opened)
    print(f"online, {len(response)} bytes: signed by {issuer.authority.names.en}, shown: {', '.join(opened.claims)}")

    other = Session(transcript=b"\x83\xf6\xf6\xf6", audience=session.audience, nonce=session.nonce, received_at=now)
    try:
        form.verify_key_binding(form.open_response(response, other)[0])
    except RefusedError as refused:
        print(f"the same bytes in another session: refused ({refused.code.value})")


def main() -> None:
    world = World(at=datetime.now(UTC), formats=("mso_mdoc",))
    world.issue(CODE)
    at_the_counter(world)
    online(world)


if __name__ == "__main__":
    main()
