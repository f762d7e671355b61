"""``vcred issuer rotate`` to a key in a token: certificates are signed there, lists by a key that is at hand."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.cli.conftest import make_shell
from tests.cli.test_transcript import AT, Day, at
from vcred.cli._issuer_home import settings
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.issuance import Delivery
from vcred.keys.pkcs11 import Pkcs11Signer


@pytest.fixture
def day(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Day(make_shell(tmp_path))
    made.begin()
    return made


def test_the_document_signer_moves_into_a_token(day, token):
    key = Pkcs11Signer.generate(token.uri("ds-2027"), alg="ES256", secret=None)
    words = ("--issuer", "city", "--password-file", "password", *at())
    (status,) = day.json("issuer rotate --lists", *words)["kids"]
    day.json("issuer rotate --lists --activate --unpublished", *words)
    (kid,) = day.json("issuer rotate", "--key", token.uri("ds-2027"), *words)["kids"]
    assert kid == key.public_key.kid.hex()
    with token.removed():
        day.json("issuer rotate --activate --unpublished", *words, code=4)
    token.restart()  # another run of the command is another process
    assert settings(day.shell.folder / "city").signer.chain == "document-signer.pem", "no probe, no change"
    day.json("issuer rotate --activate --unpublished", *words)

    day.shell("trust add-authority trust city/authority.json --force")
    day.bundle("kr2.trust", AT)
    day.shell("wallet trust --wallet me --trust kr2.trust", *at())
    day.issue(moment=AT)
    delivery = Delivery.parse((day.shell.folder / "delivery.bin").read_bytes())
    (credential, *_) = [raw for form, raw in delivery.credentials if form == "dc+sd-jwt"]
    SdJwtVc().verify_signature(SdJwtVc().open(credential), key.public_key)

    with token.removed():
        later = AT + timedelta(hours=1)
        written = day.json("issuer publish --out public", *words[:-2], *at(later))
        assert {one["file"] for one in written} == {"public/1.cwt", "public/1.jwt"}, "the lists do without the token"
        told = day.json("issuer issue proof.bin --out d2.bin --records records.json", *words, code=4)
        assert told["error"]["kind"] == "SigningError"
    body = json.loads((day.shell.folder / "city" / "issuer.json").read_text())
    assert body["signer"]["key"] == token.uri("ds-2027")
    assert body["status_signer"]["chain"] == f"status-signer-{status}.pem"
