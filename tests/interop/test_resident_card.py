"""The 주민등록증 shown to pymdoccbor and @owf/mdoc, which know ISO's names and nothing of ours."""

from __future__ import annotations

from base64 import b64decode
from datetime import date, datetime
from typing import Any

from tests.interop.kit import AT, ISSUER, signer
from tests.interop.mdoc_kit import Authority, this_second
from tests.interop.test_mdoc_node import TRANSCRIPT, checked
from tests.interop.test_mdoc_python import read
from vcred.catalog import Catalog
from vcred.credential import Content
from vcred.formats.base import IssuerKey
from vcred.formats.mdoc import CatalogDoctypes, Mdoc

CATALOG = Catalog.builtin()
KIND = CATALOG["id.resident_mobile"]
FORMAT = Mdoc(CatalogDoctypes(CATALOG))
DOCTYPE, ISO, OWN = "org.iso.23220.photoid.1", "org.iso.23220.1", "kr.vcred.id.resident_mobile.1"
ASKED = {ISO: ["family_name", "birth_date", "age_over_19", "sex", "portrait", "issue_date", "issuing_country"]}
PICTURE = b64decode(KIND.sample["photo"].split(",")[1])


def answer(authority: Authority, at: datetime, asked: Any = ASKED) -> bytes:
    """A DeviceResponse of our wallet's format to a reader that asks for elements."""
    device, now = signer("ES256"), int(at.timestamp())
    content = Content(
        vct=KIND.vct,
        issuer=ISSUER,
        claims=KIND.issue(KIND.sample, variant=None, options={}, issued_on=date(2026, 8, 20)),
        issued_at=now - 60,
        expires_at=now + 86400,
        holder_key=device.public_key,
    )
    key = IssuerKey(public_key=authority.key.public_key, chain=(authority.our_certificate,))
    opened = FORMAT.open(FORMAT.issue(content, key, authority.key))
    prepared = FORMAT.prepare_response(opened, FORMAT.answering(opened, asked), transcript=TRANSCRIPT)
    return prepared.complete(device.sign(prepared.signing_input))


def test_pymdoccbor_reads_what_it_asked_for() -> None:
    at = this_second()
    authority = Authority("ES256", at)
    reader = read(answer(authority, at), authority.our_root)
    assert not reader.documents_invalid
    assert reader.documents[0].doctype == DOCTYPE
    assert reader.disclosure_map[ISO] == {
        "family_name": "김",
        "birth_date": date(1980, 5, 15),
        "age_over_19": True,
        "sex": 1,
        "portrait": PICTURE,
        "issue_date": date(2026, 8, 20),
        "issuing_country": "KR",
    }


def test_owf_mdoc_verifies_it_and_reads_an_age_by_the_nearest_that_answers(node) -> None:
    authority = Authority("ES256", AT)
    (document,) = checked(node, answer(authority, AT, {ISO: ["age_over_16", "family_name"]}), authority.our_root)
    assert document["docType"] == DOCTYPE
    assert document["claims"][ISO] == {"age_over_18": True, "family_name": "김"}
    assert set(document["claims"]) == {ISO, OWN}
