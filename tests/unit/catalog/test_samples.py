"""Samples are of people who cannot exist, and of a size that fits a code."""

import base64
import re

import pytest

from vcred.catalog import Catalog
from vcred.claims import ClaimPath, select

CATALOG = Catalog.builtin()
WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)


def texts(node):
    if isinstance(node, str):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from texts(child)


@pytest.mark.parametrize("code", CATALOG)
def test_registration_numbers_are_impossible(code):
    for text in texts(CATALOG[code].sample):
        for number in re.findall(r"[0-9]{6}-[0-9]{7}", text):
            digits = [int(digit) for digit in number if digit != "-"]
            assert digits[7:9] == [9, 9]
            check = (11 - sum(a * b for a, b in zip(digits, WEIGHTS, strict=False)) % 11) % 10
            assert digits[12] != check
            assert number[0:2] < "20" or number[0:2] > "26"


@pytest.mark.parametrize("code", CATALOG)
def test_issuers_and_business_numbers_are_marked_fictitious(code):
    sample = CATALOG[code].sample
    for key, value in sample.get("document", {}).items():
        if key == "issuingAuthority":
            assert value.endswith("(가상)")
    for text in texts(sample):
        if re.fullmatch(r"[0-9]{3}-[0-9]{2}-[0-9]{5}", text):
            assert text.startswith("000-")


def test_pictures_can_be_opened():
    from io import BytesIO

    from PIL import Image

    pictures = [text for kind in CATALOG.types() for text in texts(kind.sample) if text.startswith("data:image/png")]
    assert pictures
    for picture in set(pictures):
        with Image.open(BytesIO(base64.b64decode(picture.split(",")[1]))) as image:
            image.verify()


def test_household_shows_head_and_address_in_one_small_code():
    from vcred.credential import Content, StatusReference
    from vcred.formats.base import IssuerKey
    from vcred.formats.sd_cwt import SdCwt
    from vcred.keys import SoftwareSigner

    kind = CATALOG["resident.household"]
    assert len(kind.sample["members"]) == 4
    issuer, holder = SoftwareSigner.generate(), SoftwareSigner.generate()
    cwt = SdCwt(CATALOG.labels)

    def shown(options, *paths):
        content = Content(
            vct=kind.vct,
            issuer="https://saesol.garam.example/issuer",
            claims=kind.issue(kind.sample, variant=None, options=options, issued_on=kind.sample_date),
            issued_at=1787000000,
            expires_at=1794776000,
            holder_key=holder.public_key,
            status=StatusReference(uri="https://status.garam.example/1", index=123456),
        )
        opened = cwt.open(cwt.issue(content, IssuerKey(public_key=issuer.public_key), issuer))
        chosen = [found for path in paths for found, _ in select(opened.claims, ClaimPath.parse(path))]
        answer = cwt.present(
            opened, chosen, holder, audience="x509_hash:" + "a" * 43, nonce=bytes(16), issued_at=1787000100
        )
        again = cwt.open(answer)
        return len(answer), again.claims

    size, claims = shown({}, "householder", "currentAddress.road")
    assert size <= 1050
    assert claims["householder"]["name"] == "김가람"
    assert set(claims) == {"issuedOn", "options", "householder", "currentAddress"}
    everything = {
        "addressHistory": "all",
        "cohabitants": True,
        "rrnBack": "all",
        "changeReasons": "all",
        "formationDate": True,
    }
    assert shown(everything, "householder", "currentAddress.road")[0] <= 1150
