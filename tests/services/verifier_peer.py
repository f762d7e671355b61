"""A verifier at HTTP level, written from OpenID4VP 1.0 and read with PyJWT, joserfc and cbor2: one that is not ours.

It asks as the standard says, keeps what it was sent, and can be told to do one thing differently: ``changes`` replace
members of the request object (``None`` takes one away), ``instead`` replaces whole answers by address.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import cbor2
import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc import jwe
from joserfc.jwk import ECKey

from vcred.outgoing import Answer, check_url

if TYPE_CHECKING:
    from verifier import ReaderIdentity

HOST = "bank.example"
BASE = f"https://{HOST}"
OBJECT = "application/oauth-authz-req+jwt"


class VerifierPeer:
    """``send`` is an ``Http``."""

    def __init__(
        self, reader: ReaderIdentity, at: int, query: dict[str, Any], *, mode: str = "direct_post.jwt"
    ) -> None:
        self.reader, self.at, self.query, self.mode = reader, at, query, mode
        self.client_id = reader.client_id
        self.key = ECKey.generate_key("P-256", {"kid": "v-1", "alg": "ECDH-ES", "use": "enc"}, private=True)
        self.nonce, self.state = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        self.changes: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.instead: dict[str, Any] = {}
        self.signer: Any = reader.signer
        self.redirect: Any = f"{BASE}/done#response_code={secrets.token_urlsafe(16)}"
        self.log: list[tuple[str, str]] = []
        self.fetched: list[dict[str, str]] = []
        self.form: dict[str, str] | None = None

    def link(self, *, post: bool = False, scheme: str = "openid4vp://", **changed: str) -> str:
        members = {"client_id": self.client_id, "request_uri": f"{BASE}/request/1"}
        if post:
            members["request_uri_method"] = "post"
        members |= changed
        return f"{scheme}?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in members.items())

    def payload(self) -> dict[str, Any]:
        jwk = self.key.as_dict(private=False)
        found = {
            "iss": "ignored.example",
            "aud": "https://self-issued.me/v2",
            "client_id": self.client_id,
            "response_type": "vp_token",
            "response_mode": self.mode,
            "response_uri": f"{BASE}/response/1",
            "nonce": self.nonce,
            "state": self.state,
            "iat": self.at,
            "exp": self.at + 100,
            "dcql_query": self.query,
            "something_new": {"nobody": ["knows", 1]},
            "client_metadata": {
                "jwks": {"keys": [jwk]},
                "encrypted_response_enc_values_supported": ["A128GCM", "A256GCM"],
                "vp_formats_supported": {"dc+sd-jwt": {}, "mso_mdoc": {}},
                "client_name": "국민은행",
            },
        }
        return {name: value for name, value in (found | self.changes).items() if value is not None}

    def request(self, **more: Any) -> bytes:
        header = {
            "typ": "oauth-authz-req+jwt",
            "x5c": [base64.b64encode(der).decode() for der in self.reader.chain],
        } | self.header
        payload = self.payload() | more
        return jwt.api_jws.encode(json.dumps(payload).encode(), self.signer.crypto, "ES256", headers=header).encode()

    def send(self, method: str, url: str, *, headers: Any = None, body: bytes | None = None, limit: int = 0) -> Answer:
        check_url(url)
        self.log.append((method, url))
        lower = {name.lower(): value for name, value in (headers or {}).items()}
        path = urlsplit(url).path
        if path in self.instead:
            status, found, raw = self.instead[path]
            return Answer(status=status, headers=found, body=raw)
        assert urlsplit(url).hostname == HOST
        if path == "/request/1":
            assert lower["accept"] == OBJECT
            form = self.form_of(lower, body) if method == "POST" else {}
            self.fetched.append(form)
            more = {"wallet_nonce": form["wallet_nonce"]} if "wallet_nonce" in form else {}
            return Answer(status=200, headers={"content-type": OBJECT}, body=self.request(**more))
        assert (method, path) == ("POST", "/response/1")
        self.form = self.form_of(lower, body)
        content = {} if self.redirect is None else {"redirect_uri": self.redirect}
        return Answer(status=200, headers={"content-type": "application/json"}, body=json.dumps(content).encode())

    def form_of(self, headers: dict[str, str], body: bytes | None) -> dict[str, str]:
        assert headers["content-type"] == "application/x-www-form-urlencoded"
        found = parse_qs((body or b"").decode("ascii"), strict_parsing=True)
        assert all(len(value) == 1 for value in found.values())
        return {name: value[0] for name, value in found.items()}

    def answer(self) -> dict[str, Any]:
        """``vp_token``, out of whatever it came in; ``state`` is checked."""
        assert self.form is not None
        if self.mode == "direct_post":
            assert self.form["state"] == self.state
            return json.loads(self.form["vp_token"])
        assert set(self.form) == {"response"}
        return self.opened(self.form["response"], state=True)

    def opened(self, token: str, *, state: bool) -> dict[str, Any]:
        found = jwe.decrypt_compact(token, self.key, algorithms=["ECDH-ES", "A128GCM", "A256GCM"])
        assert found.headers()["kid"] == "v-1"
        members = json.loads(found.plaintext or b"")
        assert set(members) == ({"vp_token", "state"} if state else {"vp_token"})
        assert not state or members["state"] == self.state
        return members["vp_token"]

    @property
    def thumbprint(self) -> bytes:
        """RFC 7638, of the key that answers are encrypted to."""
        return base64.urlsafe_b64decode(self.key.thumbprint() + "=")


def read_sd_jwt(token: str, *, audience: str, nonce: str) -> tuple[dict[str, Any], list[Any], dict[str, Any]]:
    """Payload, disclosures and key-binding claims of a presentation whose holder signature holds (RFC 9901)."""
    *parts, kb = token.split("~")
    payload = jwt.decode(parts[0], options={"verify_signature": False})
    holder = jwt.PyJWK(payload["cnf"]["jwk"], "ES256").key
    assert jwt.get_unverified_header(kb)["typ"] == "kb+jwt"
    claims = jwt.decode(kb, holder, ["ES256"], audience=audience, options={"verify_iat": False})
    assert claims["nonce"] == nonce
    digest = hashlib.sha256(("~".join(parts) + "~").encode()).digest()
    assert claims["sd_hash"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    disclosures = [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[1:]]
    return payload, disclosures, claims


def read_mdoc(token: str, *, handover: list[Any]) -> dict[str, dict[str, Any]]:
    """Elements by namespace of a DeviceResponse whose device signature is over ``handover`` (ISO/IEC 18013-5)."""
    response = cbor2.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    assert (response["version"], response["status"]) == ("1.0", 0)
    (document,) = response["documents"]
    signed = document["deviceSigned"]
    assert cbor2.loads(signed["nameSpaces"].value) == {}
    authentication = cbor2.dumps(
        cbor2.CBORTag(
            24,
            cbor2.dumps(["DeviceAuthentication", [None, None, handover], document["docType"], signed["nameSpaces"]]),
        )
    )
    protected, _, payload, signature = signed["deviceAuth"]["deviceSignature"]
    assert payload is None
    mso = cbor2.loads(cbor2.loads(document["issuerSigned"]["issuerAuth"][2]).value)
    key = mso["deviceKeyInfo"]["deviceKey"]
    point = ec.EllipticCurvePublicNumbers(int.from_bytes(key[-2]), int.from_bytes(key[-3]), ec.SECP256R1())
    raw = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    structure = cbor2.dumps(["Signature1", protected, b"", authentication])
    point.public_key().verify(raw, structure, ec.ECDSA(hashes.SHA256()))
    found: dict[str, dict[str, Any]] = {}
    for namespace, items in document["issuerSigned"]["nameSpaces"].items():
        for item in items:
            element = cbor2.loads(item.value)
            found.setdefault(namespace, {})[element["elementIdentifier"]] = element["elementValue"]
    return found


def hashed(name: str, info: list[Any]) -> list[Any]:
    """A handover (OpenID4VP 1.0 appendix B.2.6)."""
    return [name, hashlib.sha256(cbor2.dumps(info)).digest()]
