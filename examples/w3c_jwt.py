"""A W3C credential (VCDM 2.0) as ``vc+jwt``, shown as ``vp+jwt``: signed here, and read by PyJWT alone as well.

Run it: ``python examples/w3c_jwt.py``. For claims that can be hidden take ``W3cSdJwt`` (``vc+sd-jwt``, docs/w3c.md).
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

import jwt

from vcred.claims import ClaimPath
from vcred.credential import Content
from vcred.errors import RefusedError
from vcred.formats.base import IssuerKey
from vcred.formats.w3c_vc import W3cJwt
from vcred.keys import SoftwareSigner

SCHOOL, EMPLOYER = "https://school.example/issuer", "https://employer.example"


def main() -> None:
    at, form = datetime.now(UTC), W3cJwt()
    school, graduate, stranger = (SoftwareSigner.generate() for _ in range(3))
    issued = form.issue(
        Content(
            vct="urn:vcred:kr:edu.graduation:1",
            issuer=SCHOOL,
            claims={"name": "김가상", "school": "가람대학교 (가상)", "graduatedOn": "2026-02-20"},
            issued_at=int(at.timestamp()),
            expires_at=int((at + timedelta(days=90)).timestamp()),
            holder_key=graduate.public_key,
        ),
        IssuerKey(public_key=school.public_key),
        school,
    )
    print(f"vc+jwt: {len(issued)} bytes, types {jwt.decode(issued, options={'verify_signature': False})['type']}")

    # The holder shows it to one verifier, for one nonce. It shows everything: asking for less raises ValueError.
    nonce = secrets.token_bytes(16)
    terms = {"audience": EMPLOYER, "nonce": nonce, "issued_at": int(at.timestamp())}
    shown = form.present(form.open(issued), [], graduate, **terms)
    try:
        form.prepare_presentation(form.open(issued), [ClaimPath.parse("name")], **terms)
    except ValueError as error:
        print("only the name:", error)

    # The verifier: strict parsing, then both signatures, then what the presentation was made for.
    opened = form.open(shown)
    form.verify_signature(opened, school.public_key)
    form.verify_key_binding(opened)
    assert opened.key_binding is not None
    assert (opened.key_binding.audience, opened.key_binding.nonce) == (EMPLOYER, nonce)
    print(f"vp+jwt: {len(shown)} bytes, {opened.claims['name']} of {opened.claims['school']}")
    try:
        form.verify_signature(opened, stranger.public_key)
    except RefusedError as refused:
        print(f"with a stranger's key: refused ({refused.code.value})")

    # The same tokens are plain JWTs to PyJWT, whose algorithms signed them.
    keys = [jwt.PyJWK(one.public_key.to_jwk()).key for one in (school, graduate)]
    held = jwt.decode(shown, keys[1], algorithms=["ES256"], audience=EMPLOYER)["verifiableCredential"][0]["id"]
    read = jwt.decode(held.partition(",")[2], keys[0], algorithms=["ES256"])
    print("PyJWT reads:", read["credentialSubject"]["name"], "from", read["issuer"])


if __name__ == "__main__":
    main()
