"""Which formats name which status lists, and what each does with nothing to say."""

from __future__ import annotations

import pytest

from tests.unit.issuer.conftest import CATALOG, LEAF, SIGNER
from vcred.credential import BitstringReference, Content, StatusReference, status_entries, token_status
from vcred.formats._w3c_ldp import own_did
from vcred.formats.base import IssuerKey
from vcred.formats.didkit import LdpVc
from vcred.formats.known import FORMATS, Formats
from vcred.formats.paper import issue_paper, open_paper
from vcred.keys import SoftwareSigner

HOLDER = SoftwareSigner.generate()
KNOWN = Formats(CATALOG)
TOKEN = StatusReference(uri="https://city.example/s/1", index=7)
BITS = BitstringReference(uri="https://city.example/s/1-revocation", index=7, purpose="revocation")
W3C = ("vc+jwt", "vc+sd-jwt")
OTHERS = (*(one for one in FORMATS if one not in W3C), "ldp_vc", "paper")


def issued(name, **changes):
    """A certificate in the format ``name``, opened again."""
    linked = name == "ldp_vc"
    made = {
        "vct": CATALOG["resident.personal"].vct,
        "issuer": own_did(SIGNER.public_key)[0] if linked else "https://city.example/issuer",
        "claims": {"issuedOn": "2026-09-26"},
        "issued_at": 1_790_000_000,
        "expires_at": 1_797_000_000,
        "holder_key": None if name == "paper" else HOLDER.public_key,
        "status": TOKEN,
    }
    content = Content(**made | changes)
    key = IssuerKey(public_key=SIGNER.public_key, chain=() if linked else (LEAF,))
    if name == "paper":
        return open_paper(issue_paper(content, key, SIGNER, CATALOG.labels), CATALOG.labels)
    form = LdpVc() if linked else KNOWN[name]
    return form.open(form.issue(content, key, SIGNER))


@pytest.mark.parametrize("name", [*W3C, *OTHERS])
def test_every_format_names_a_token_status_list(name):
    assert issued(name).status == TOKEN
    if name != "paper":
        assert issued(name, status=None).status is None


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("status", [BITS, (TOKEN, BITS), (TOKEN, TOKEN), ()], ids=["one", "both", "two", "none"])
def test_no_other_format_leaves_an_entry_out_in_silence(name, status):
    with pytest.raises(ValueError, match="Token Status List"):
        issued(name, status=status)


@pytest.mark.parametrize("name", W3C)
def test_w3c_formats_name_both(name):
    assert issued(name, status=BITS).status == BITS
    assert issued(name, status=(TOKEN, BITS)).status == (TOKEN, BITS)


@pytest.mark.parametrize("name", [*W3C, *OTHERS])
def test_what_is_issued_without_a_claim_can_be_opened_or_is_not_issued(name):
    if name in W3C:
        with pytest.raises(ValueError, match="says something"):
            issued(name, claims={})
    else:
        assert issued(name, claims={}).claims == {}


def test_the_entries_of_a_status():
    assert status_entries(None) == ()
    assert status_entries(TOKEN) == (TOKEN,)
    assert status_entries((TOKEN, BITS)) == (TOKEN, BITS)
    assert token_status(TOKEN) is TOKEN
    assert token_status(None) is None
