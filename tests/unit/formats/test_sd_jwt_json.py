from __future__ import annotations

import json
from typing import Any

import pytest

from vcred.errors import MalformedError
from vcred.formats._jose import sign_jws
from vcred.formats.sd_jwt_json import parse_json_sd_jwt, verify_every
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode as Code

SIGNER = SoftwareSigner.generate()
TYP = "example+sd-jwt"


def parts(**header: Any) -> dict[str, Any]:
    protected, payload, signature = sign_jws({"typ": TYP, **header}, b"{}", SIGNER).decode().split(".")
    return {"payload": payload, "protected": protected, "signature": signature}


def entry(**unprotected: Any) -> dict[str, Any]:
    made = parts()
    return {"protected": made["protected"], "signature": made["signature"], "header": unprotected}


def general(*entries: Any, **more: Any) -> dict[str, Any]:
    return {"payload": parts()["payload"], "signatures": list(entries), **more}


def test_flattened_is_read_into_its_compact_form() -> None:
    made = parts()
    token = parse_json_sd_jwt(
        json.dumps({**made, "header": {"disclosures": ["QQ", "Qg"], "kb_jwt": "a.b.c", "kid": "k"}}).encode(),
        path="t",
        typ=TYP,
    )
    verify_every(token, [SIGNER.public_key])
    compact = ".".join((made["protected"], made["payload"], made["signature"]))
    assert token.parsed.bound.decode() == f"{compact}~QQ~Qg~"
    assert token.parsed.disclosures == (b"QQ", b"Qg")
    assert token.parsed.key_binding == b"a.b.c"


REFUSED = {
    "neither form": ({}, Code.FORMAT),
    "both forms": ({**parts(), "signatures": []}, Code.FORMAT),
    "a list": ([], Code.FORMAT),
    "no payload": ({**parts(), "payload": ...}, Code.FORMAT),
    "empty payload": ({**parts(), "payload": ""}, Code.FORMAT),
    "no signatures": (general(), Code.LIMIT),
    "nine signatures": (general(*[entry()] * 9), Code.LIMIT),
    "signatures as text": ({"payload": "e30", "signatures": "x"}, Code.LIMIT),
    "stray member beside signatures": (general(entry(), header={}), Code.FORMAT),
    "stray member in a signature": (general({**entry(), "x": 1}), Code.FORMAT),
    "signature as text": (general("x"), Code.FORMAT),
    "protected missing": (general({"signature": "QQ"}), Code.FORMAT),
    "unprotected alg": (general(entry(alg="none")), Code.FORMAT),
    "unprotected jwk": (general(entry(jwk={})), Code.FORMAT),
    "header as list": (general({**entry(), "header": []}), Code.FORMAT),
    "kid twice": ({**parts(kid="k"), "header": {"kid": "k"}}, Code.FORMAT),
    "disclosures in the second": (general(entry(), entry(disclosures=[])), Code.FORMAT),
    "key binding in the second": (general(entry(), entry(kb_jwt="a.b.c")), Code.FORMAT),
    "disclosures as text": ({**parts(), "header": {"disclosures": "QQ"}}, Code.FORMAT),
    "a disclosure that is no text": ({**parts(), "header": {"disclosures": [5]}}, Code.FORMAT),
    "a disclosure that is not ASCII": ({**parts(), "header": {"disclosures": ["가"]}}, Code.FORMAT),
    "2,001 disclosures": ({**parts(), "header": {"disclosures": ["QQ"] * 2001}}, Code.LIMIT),
    "another typ": (parts(typ="JWT"), Code.TYP),
    "crit": (parts(crit=["x"]), Code.CRIT),
}


@pytest.mark.parametrize(("token", "code"), REFUSED.values(), ids=REFUSED)
def test_refused(token: Any, code: Code) -> None:
    if isinstance(token, dict):
        token = {name: value for name, value in token.items() if value is not ...}
    with pytest.raises(MalformedError) as caught:
        parse_json_sd_jwt(json.dumps(token).encode(), path="t", typ=TYP)
    assert caught.value.code is code
