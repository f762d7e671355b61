"""An agency's first hour: keys, a registry, an offer, a certificate, a revocation, a status list.

Run it: ``python examples/agency.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime

from story import authority

from issuer import Issuer, IssuerProfile
from vcred import Catalog
from vcred.errors import RecordError
from vcred.issuance import Offer, build_request
from vcred.keys import SoftwareSigner
from vcred.status import parse_status_token


class Registry:
    """Your registry, behind one method. This one has a single fictitious person."""

    def __init__(self, catalog: Catalog) -> None:
        self._people = {"registry-key-17": {"resident.household": catalog["resident.household"].sample}}

    def fetch(self, code: str, subject: str, *, at: datetime) -> dict:
        """The record of ``subject``, in the shape of the certificate type."""
        try:
            return self._people[subject][code]
        except KeyError:
            raise RecordError(f"no {code} for this subject") from None


def main() -> None:
    at = datetime.now(UTC)
    catalog = Catalog.builtin()
    signer, chain, _root = authority(
        "https://city.example/issuer", "가람특별시 (가상)", "Garam City (fictitious)", at=at
    )
    profile = IssuerProfile(id="https://city.example/issuer", signer=signer, chain=chain)
    issuer = Issuer(profile, records=Registry(catalog), catalog=catalog)

    # The applicant chooses what the certificate contains at all: five years of addresses, the own resident number.
    options = {"addressHistory": "last5", "rrnBack": "own"}
    offer = issuer.offer("resident.household", subject="registry-key-17", options=options, at=at)
    print("offer:", offer.to_uri()[:72], "...")

    # On the phone: read the offer, make one key per copy, prove them.
    scanned = Offer.parse(offer.to_uri())
    keys = [SoftwareSigner.generate() for _ in range(2 * len(scanned.formats))]
    delivery = issuer.issue(build_request(scanned, keys, at=at).to_bytes(), at=at)
    for name, raw in delivery.credentials:
        print(f"issued: {name}, {len(raw)} bytes")

    issuer.revoke(delivery.credential_id, reason="reissued", at=at)
    for uri, token in issuer.status_tokens(at=at).items():
        print(f"status list: {uri}, {len(token)} bytes, signed at {parse_status_token(token).issued_at}")


if __name__ == "__main__":
    main()
