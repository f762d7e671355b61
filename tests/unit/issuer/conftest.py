"""An agency with real keys and a real chain, certifying the catalogue's sample people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from issuer import Issuer, IssuerProfile
from vcred.catalog import Catalog
from vcred.issuance import Offer, build_request
from vcred.keys import SoftwareSigner
from vcred.testing import SampleRecords
from vcred.trust import Purpose, build_root, build_signer

AT = datetime(2026, 9, 26, 3, 17, 5, tzinfo=UTC)
ID = "https://city.example/issuer"
CODE = "resident.personal"
NAME = {"ko": "가람시 (가상)", "en": "Garam City (fictitious)"}
CATALOG = Catalog.builtin()
ROOT, SIGNER = SoftwareSigner.generate(), SoftwareSigner.generate()


def leaf(*, name=ID, key=SIGNER, purpose=Purpose.ISSUER, start=AT - timedelta(days=30), end=AT + timedelta(days=7300)):
    root = build_root(ROOT, name=NAME, not_before=start, not_after=end)
    return build_signer(
        key.public_key,
        purpose=purpose,
        id=name,
        name=NAME,
        issuer=root,
        issuer_signer=ROOT,
        not_before=start,
        not_after=end,
    )


LEAF = leaf()
PROFILE = IssuerProfile(id=ID, signer=SIGNER, chain=(LEAF,), copies=2)


class Agency:
    """An issuer with its parts at hand, and a wallet's side of an issue in one call."""

    def __init__(self, store=None, **profile):
        self.records = SampleRecords(CATALOG)
        self.store = store
        self.issuer = Issuer(replace(PROFILE, **profile), records=self.records, catalog=CATALOG, store=store)

    def offer(self, code=CODE, *, at=AT, **choices):
        return self.issuer.offer(code, subject="registry-key-17", at=at, **choices)

    def request(self, offer=None, *, keys=4, at=AT):
        offer = Offer.parse((offer or self.offer(at=at)).to_uri())
        return build_request(offer, [SoftwareSigner.generate() for _ in range(keys)], at=at)

    def take(self, code=CODE, *, at=AT, **choices):
        return self.issuer.issue(self.request(self.offer(code, at=at, **choices), at=at), at=at)


@pytest.fixture
def agency():
    from issuer import IssuerStore

    with IssuerStore() as store:
        yield Agency(store)
