"""``vc+sd-jwt`` (VC-JOSE-COSE), issued by us and read by sd-jwt (Python), which knows SD-JWT and nothing of W3C."""

from __future__ import annotations

from hypothesis import assume
from jwcrypto.jwk import JWK
from sd_jwt.verifier import SDJWTVerifier

from tests.interop.kit import AUDIENCE, ISSUER, NONCE, NONCE_TEXT, NOW, VCT, shown
from tests.interop.sd_jwt_kit import KEYS, cases
from vcred.claims import ClaimPath
from vcred.credential import Content
from vcred.formats.base import IssuerKey
from vcred.formats.w3c_vc import W3cSdJwt

FORMAT = W3cSdJwt()
ISSUING, HOLDER = KEYS["ES256"]


@cases
def test_we_issue_and_present_and_sd_jwt_verifies(case) -> None:
    tree, chosen = case
    assume(tree)  # of a subject something is said
    content = Content(
        vct=VCT,
        issuer=ISSUER,
        claims=tree,
        issued_at=NOW - 60,
        expires_at=NOW + 86400,
        holder_key=HOLDER.public_key,
    )
    opened = FORMAT.open(FORMAT.issue(content, IssuerKey(public_key=ISSUING.public_key), ISSUING))
    held_back = {path.parts for path in opened.disclosures} - chosen
    paths = [ClaimPath(one) for one in chosen if not any(other[: len(one)] == one for other in held_back)]
    raw = FORMAT.present(opened, paths, HOLDER, audience=AUDIENCE, nonce=NONCE, issued_at=NOW).decode()
    key = JWK(**ISSUING.public_key.to_jwk())
    payload = SDJWTVerifier(raw, lambda issuer, header: key, AUDIENCE, NONCE_TEXT).get_verified_payload()
    assert payload["credentialSubject"] == shown(tree, chosen)
    assert payload["type"] == ["VerifiableCredential", VCT]
