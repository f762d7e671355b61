"""An issuer at HTTP level, written from OpenID4VCI 1.0 and read with PyJWT: what a wallet meets that is not ours.

It does what the standard says, keeps what it was sent, and can be told to do one thing differently (``Peer.odd``). The
credentials are real: an agency of a ``World`` signs them for the keys that were proven.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: TC002 - tests are read as they stand
from joserfc import jwe
from joserfc.jwk import ECKey, KeySet

from vcred.errors import Offline
from vcred.keys import PublicKey
from vcred.outgoing import Answer, check_url

if TYPE_CHECKING:
    from vcred.testing import World

ISSUER = "https://peer.example/tenant"
AS = "https://login.peer.example/as"
VCI = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
CALLBACK = "https://wallet.example/callback"


class Refuse(Exception):
    """An OAuth error answer."""

    def __init__(self, error: str, *, status: int = 400, headers: dict[str, str] | None = None) -> None:
        self.answer = (status, {"content-type": "application/json", **(headers or {})}, {"error": error})


class Peer:
    """``send`` is an ``Http``. ``odd`` changes single members; ``log`` has every request."""

    def __init__(self, world: World, *, code: str = "resident.personal", batch: int = 3) -> None:
        self.world, self.code, self.batch = world, code, batch
        self.odd: dict[str, Any] = {}
        self.log: list[tuple[str, str]] = []
        self.seen: list[dict[str, Any]] = []
        self.notified: list[dict[str, Any]] = []
        self.nonces: set[str] = set()
        self.dpop_nonce: str | None = "peer-nonce-1"
        self.challenge: str | None = None
        self.attester: Any = None
        self.tx_code: str | None = None
        self.codes = {"pre-code-1"}
        self.refreshes: set[str] = set()
        self.deferrals = 0
        self.granted: dict[str, dict[str, str]] = {}
        self.pushed: dict[str, dict[str, str]] = {}
        self.transactions: dict[str, tuple[dict[str, Any], list[PublicKey]]] = {}
        self.answered: dict[bytes, dict[str, Any]] = {}
        self.key = ECKey.generate_key("P-256", {"kid": "enc-1", "alg": "ECDH-ES", "use": "enc"}, private=True)
        self.configurations = {f"{code}-sdjwt": {"format": "dc+sd-jwt", "vct": world.catalog[code].vct}}
        self.iat = int(world.at.timestamp())

    # What others say of it

    def offer(self, **changed: Any) -> dict[str, Any]:
        grant: dict[str, Any] = {"pre-authorized_code": "pre-code-1"}
        if self.tx_code is not None:
            grant["tx_code"] = {"length": 6}
        return {
            "credential_issuer": ISSUER,
            "credential_configuration_ids": list(self.configurations),
            "grants": {VCI: grant},
        } | changed

    def login_offer(self) -> dict[str, Any]:
        return self.offer(grants={"authorization_code": {"issuer_state": "state-of-issuer"}})

    def issuer_metadata(self) -> dict[str, Any]:
        proof = {"jwt": {"proof_signing_alg_values_supported": ["ES256"]}}
        found = {
            "credential_issuer": ISSUER,
            "authorization_servers": [AS],
            "credential_endpoint": f"{ISSUER}/credential",
            "nonce_endpoint": f"{ISSUER}/nonce",
            "deferred_credential_endpoint": f"{ISSUER}/deferred",
            "notification_endpoint": f"{ISSUER}/notification",
            "batch_credential_issuance": {"batch_size": self.batch},
            "display": [{"name": "Peer <script>alert(1)</script>", "locale": "en"}],
            "credential_configurations_supported": {
                name: {
                    "scope": name,
                    "cryptographic_binding_methods_supported": ["jwk"],
                    "proof_types_supported": proof,
                    "credential_metadata": {"display": [{"name": "Certificate", "locale": "en"}]},
                    **about,
                }
                for name, about in self.configurations.items()
            },
        }
        return found | self.odd.get("issuer_metadata", {})

    def server_metadata(self) -> dict[str, Any]:
        found = {
            "issuer": AS,
            "authorization_endpoint": f"{AS}/authorize",
            "token_endpoint": f"{AS}/token",
            "pushed_authorization_request_endpoint": f"{AS}/par",
            "require_pushed_authorization_requests": True,
            "grant_types_supported": ["authorization_code", VCI, "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "dpop_signing_alg_values_supported": ["ES256"],
            "authorization_response_iss_parameter_supported": True,
            "token_endpoint_auth_methods_supported": ["attest_jwt_client_auth"],
        }
        return found | self.odd.get("server_metadata", {})

    # Http

    def send(self, method: str, url: str, *, headers: Any = None, body: bytes | None = None, limit: int = 0) -> Answer:
        check_url(url)
        self.log.append((method, url))
        parts = urlsplit(url)
        name = f"{parts.netloc}{parts.path}"
        lower = {key.lower(): value for key, value in (headers or {}).items()}
        try:
            status, found, content = self.route(method, name, url, lower, body or b"")
        except Refuse as refused:
            status, found, content = refused.answer
        if self.odd.get("lose") == name.rpartition("/")[2]:
            del self.odd["lose"]
            raise Offline("the answer was lost")
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        return Answer(status=status, headers=found, body=raw)

    def paths(self) -> list[str]:
        return [urlsplit(url).path.rpartition("/")[2] for _, url in self.log]

    def route(self, method: str, name: str, url: str, headers: dict[str, str], body: bytes) -> Any:
        if name in self.odd.get("instead", {}):
            return self.odd["instead"][name]
        if (method, name) == ("GET", "peer.example/offers/1"):
            return self.json(self.offer())
        if (method, name) == ("GET", "peer.example/.well-known/openid-credential-issuer/tenant"):
            if "signed" in self.odd and "application/jwt" in headers["accept"]:
                return 200, {"content-type": "application/jwt"}, self.odd["signed"]
            return self.json(self.issuer_metadata())
        if (method, name) == ("GET", "login.peer.example/.well-known/oauth-authorization-server/as"):
            return self.json(self.server_metadata())
        if method != "POST":
            return 404, {}, b""
        if name == "peer.example/tenant/nonce":
            assert body == b""
            nonce = secrets.token_urlsafe(12)
            self.nonces.add(nonce)
            return self.json({"c_nonce": self.odd.pop("nonce", nonce)})
        handlers = {
            "login.peer.example/as/par": self.par,
            "login.peer.example/as/token": self.token,
            "peer.example/tenant/credential": self.credential,
            "peer.example/tenant/deferred": self.deferred,
            "peer.example/tenant/notification": self.notification,
        }
        return handlers[name](url, headers, body)

    def json(self, value: Any, status: int = 200, **headers: str) -> Any:
        return status, {"content-type": "application/json", **headers}, value

    # The authorization server (RFC 6749, 7636, 9126, 9449, attestation-based client authentication)

    def par(self, url: str, headers: dict[str, str], body: bytes) -> Any:
        form = self.form(headers, body)
        self.check_client(headers, form)
        self.check_dpop("POST", url, headers)
        assert form["response_type"] == "code"
        assert form["code_challenge_method"] == "S256"
        assert form["redirect_uri"] == CALLBACK
        assert form["resource"] == ISSUER
        request_uri = f"urn:ietf:params:oauth:request_uri:{secrets.token_urlsafe(12)}"
        self.pushed[request_uri] = form
        return self.json({"request_uri": request_uri, "expires_in": 60}, 201)

    def browser(self, url: str) -> str:
        """The person logs in and agrees; the address that the browser is sent back to."""
        query = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{AS}/authorize?")
        assert set(query) == {"client_id", "request_uri"}
        form = self.pushed.pop(query["request_uri"])
        assert query["client_id"] == form["client_id"]
        code = secrets.token_urlsafe(12)
        self.granted[code] = form
        members = {"code": code, "state": form["state"], "iss": AS} | self.odd.get("redirect", {})
        pairs = "&".join(f"{name}={value}" for name, value in members.items() if value is not None)
        return f"{self.odd.get('callback', form['redirect_uri'])}?{pairs}"

    def token(self, url: str, headers: dict[str, str], body: bytes) -> Any:
        form = self.form(headers, body)
        self.seen.append({"token": form})
        self.check_client(headers, form)
        key = self.check_dpop("POST", url, headers)
        if form["grant_type"] == VCI:
            if self.tx_code is not None and form.get("tx_code") != self.tx_code:
                raise Refuse("invalid_grant" if "tx_code" in form else "invalid_request")
            if form["pre-authorized_code"] not in self.codes:
                raise Refuse("invalid_grant")
            self.codes.discard(form["pre-authorized_code"])
        elif form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in self.refreshes:
                raise Refuse("invalid_grant")
        else:
            pushed = self.granted.pop(form["code"], None)
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            if pushed is None or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != pushed["code_challenge"]:
                raise Refuse("invalid_grant")
            assert form["redirect_uri"] == pushed["redirect_uri"]
        refresh = secrets.token_urlsafe(8)
        self.refreshes.add(refresh)
        found = {
            "access_token": f"at-{secrets.token_urlsafe(8)}",
            "token_type": "DPoP" if key else "Bearer",
            "expires_in": 600,
            "refresh_token": refresh,
        } | self.odd.get("token", {})
        return self.json({name: value for name, value in found.items() if value is not None})

    def form(self, headers: dict[str, str], body: bytes) -> dict[str, str]:
        assert headers["content-type"] == "application/x-www-form-urlencoded"
        found = parse_qs(body.decode("ascii"), strict_parsing=True)
        assert all(len(value) == 1 for value in found.values())
        return {name: value[0] for name, value in found.items()}

    def check_client(self, headers: dict[str, str], form: dict[str, str]) -> None:
        if self.attester is None:
            return
        header = jwt.get_unverified_header(headers["oauth-client-attestation"])
        assert header["typ"] == "oauth-client-attestation+jwt"
        claims = jwt.decode(headers["oauth-client-attestation"], self.attester, ["ES256"], options=_NO_TIME)
        assert claims["sub"] == form["client_id"]
        instance = jwt.PyJWK(claims["cnf"]["jwk"], "ES256").key
        pop = headers["oauth-client-attestation-pop"]
        assert jwt.get_unverified_header(pop)["typ"] == "oauth-client-attestation-pop+jwt"
        found = jwt.decode(pop, instance, ["ES256"], audience=AS, options=_NO_TIME)
        if self.challenge is not None and found.get("challenge") != self.challenge:
            raise Refuse("use_attestation_challenge", headers={"oauth-client-attestation-challenge": self.challenge})

    def check_dpop(self, method: str, url: str, headers: dict[str, str], token: str | None = None) -> bool:
        if "dpop" not in headers:
            return False
        header = jwt.get_unverified_header(headers["dpop"])
        assert header["typ"] == "dpop+jwt"
        assert "d" not in header["jwk"]
        claims = jwt.decode(headers["dpop"], jwt.PyJWK(header["jwk"], "ES256").key, ["ES256"], options=_NO_TIME)
        assert (claims["htm"], claims["htu"]) == (method, url)
        if token is not None:
            digest = hashlib.sha256(token.encode()).digest()
            assert claims["ath"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if self.dpop_nonce is not None and claims.get("nonce") != self.dpop_nonce:
            status = 400 if token is None else 401
            raise Refuse("use_dpop_nonce", status=status, headers={"dpop-nonce": self.dpop_nonce})
        return True

    # The credential issuer

    def credential(self, url: str, headers: dict[str, str], body: bytes) -> Any:
        self.authorized(url, headers)
        request = self.opened(headers, body)
        self.seen.append({"credential": request})
        if "refuse" in self.odd:
            raise Refuse(self.odd.pop("refuse"))
        assert ("credential_configuration_id" in request) != ("credential_identifier" in request)
        assert "format" not in request
        ((kind, proofs),) = request["proofs"].items()
        keys = self.attested(proofs) if kind == "attestation" else [self.proven(proof) for proof in proofs]
        if len(proofs) == 1 and kind == "jwt" and "key_attestation" in jwt.get_unverified_header(proofs[0]):
            keys = self.attested([jwt.get_unverified_header(proofs[0])["key_attestation"]])
        if len(keys) > self.batch:
            raise Refuse("invalid_credential_request")
        if self.deferrals:
            transaction = secrets.token_urlsafe(8)
            self.transactions[transaction] = (request, keys)
            return self.closed(request, {"transaction_id": transaction, "interval": 60}, 202)
        return self.closed(request, self.credentials(request, keys))

    def deferred(self, url: str, headers: dict[str, str], body: bytes) -> Any:
        self.authorized(url, headers)
        request = self.opened(headers, body)
        if request["transaction_id"] not in self.transactions:
            raise Refuse("invalid_transaction_id")
        self.deferrals = max(0, self.deferrals - 1)
        if self.deferrals:
            again = {"transaction_id": request["transaction_id"], "interval": 60}
            return self.closed(request, again, 202)
        return self.closed(request, self.credentials(*self.transactions[request["transaction_id"]]))

    def notification(self, url: str, headers: dict[str, str], body: bytes) -> Any:
        self.authorized(url, headers)
        self.notified.append(json.loads(body))
        return 204, {}, b""

    def authorized(self, url: str, headers: dict[str, str]) -> None:
        scheme, _, token = headers["authorization"].partition(" ")
        assert scheme == ("DPoP" if "dpop" in headers else "Bearer")
        if token in self.odd.get("ended", ()):
            error = 'DPoP error="invalid_token"'
            raise Refuse("", status=401, headers={"www-authenticate": error, "content-type": "text/plain"})
        self.check_dpop("POST", url, headers, token)

    def proven(self, proof: str) -> PublicKey:
        header = jwt.get_unverified_header(proof)
        assert header["typ"] == "openid4vci-proof+jwt"
        assert "kid" not in header
        assert "x5c" not in header
        claims = jwt.decode(proof, jwt.PyJWK(header["jwk"], "ES256").key, ["ES256"], audience=ISSUER, options=_NO_TIME)
        self.use(claims.get("nonce"))
        return PublicKey.from_jwk(header["jwk"])

    def attested(self, values: list[str]) -> list[PublicKey]:
        assert len(values) == 1
        assert jwt.get_unverified_header(values[0])["typ"] == "key-attestation+jwt"
        claims = jwt.decode(values[0], self.attester, ["ES256"], options=_NO_TIME)
        self.use(claims.get("nonce"))
        return [PublicKey.from_jwk(row) for row in claims["attested_keys"]]

    def use(self, nonce: str | None) -> None:
        if nonce not in self.nonces:
            raise Refuse("invalid_nonce")

    def credentials(self, request: dict[str, Any], keys: list[PublicKey]) -> dict[str, Any]:
        name = request.get("credential_configuration_id") or request["credential_identifier"].partition(":")[0]
        form = self.configurations[name]["format"]
        keys = self.odd.get("keys", keys)
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()
        if digest in self.answered:
            return self.answered[digest]
        issuer, at = self.world.issuer, self.world.at
        nonce = issuer.apply(
            self.odd.get("code", self.code),
            subject="sample",
            variant=None,
            options=None,
            at=at,
            expires_at=self.iat + 600,
        )
        made = issuer.answer(nonce, [(form, key) for key in keys], digest=digest, at=at)
        rows = [
            {"credential": raw.decode() if form == "dc+sd-jwt" else base64.urlsafe_b64encode(raw).rstrip(b"=").decode()}
            for _, raw in made.credentials
        ]
        self.answered[digest] = {"credentials": rows, "notification_id": f"n-{len(self.answered) + 1}"}
        return self.answered[digest]

    def opened(self, headers: dict[str, str], body: bytes) -> Any:
        if headers["content-type"] == "application/jwt":
            found = jwe.decrypt_compact(body.decode(), self.key, algorithms=["ECDH-ES", "A256GCM", "A128GCM"])
            assert found.headers()["kid"] == "enc-1"
            body = found.plaintext or b""
        return json.loads(body)

    def closed(self, request: dict[str, Any], value: Any, status: int = 200) -> Any:
        wanted = request.get("credential_response_encryption")
        if wanted is None:
            return self.json(value, status)
        key = ECKey.import_key(wanted["jwk"])
        header = {"alg": "ECDH-ES", "enc": wanted["enc"], "kid": wanted["jwk"]["kid"]}
        token = jwe.encrypt_compact(header, json.dumps(value), key, algorithms=["ECDH-ES", "A256GCM", "A128GCM"])
        return status, {"content-type": "application/jwt"}, token.encode()

    def encrypts(self) -> None:
        """Offer encryption both ways, and want it."""
        offered = {
            "alg_values_supported": ["ECDH-ES"],
            "enc_values_supported": ["A256GCM"],
            "encryption_required": True,
        }
        self.odd.setdefault("issuer_metadata", {}).update(
            {
                "credential_request_encryption": {
                    "jwks": KeySet([self.key]).as_dict(private=False),
                    "enc_values_supported": ["A256GCM"],
                    "encryption_required": True,
                },
                "credential_response_encryption": offered,
            }
        )


_NO_TIME = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}


def public(key: Any) -> ec.EllipticCurvePublicKey:
    """A signer's public key, as PyJWT takes it."""
    return key.public_key.crypto
