"""A wallet that has a token: credential requests at HTTP level, and what to change in them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.services.issuer_kit import BASE, CODE, CONFIGURATION, OTHER, Service, Wallet
from vcred.formats.known import Formats
from vcred.keys import SoftwareSigner
from vcred.oauth import build_dpop
from vcred.oid4vci import build_proof, decode_credential

if TYPE_CHECKING:
    import httpx

    from issuer.server.applications import Application

ADMIN = {"clerk": "c" * 40, "auditor": "a" * 40}
CLERK = {"Authorization": f"Bearer {ADMIN['clerk']}"}
SUBJECT = "registry-key-17"


def apply(service: Service, code: str = CODE, **more: Any) -> Application:
    return service.parts.applications.create(
        code=code, subject=SUBJECT, variant=None, options={}, at=service.clock(), **more
    )


@dataclass
class Holder:
    """A wallet with an access token for an application."""

    service: Service
    application: Application
    wallet: Wallet
    tokens: dict[str, Any]
    keys: list[SoftwareSigner] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        service: Service,
        application: Application | None = None,
        *,
        detailed: tuple[str, ...] = (),
        client_id: str | None = None,
    ) -> Holder:
        """A holder with a token, over a pre-authorized code."""
        application = application or apply(service)
        wallet = Wallet(service) if client_id is None else Wallet(service, client_id=client_id)
        code = service.parts.grants.pre_authorize(
            application.id,
            configuration_ids=application.configuration_ids,
            tx_code=None,
            expires_at=service.clock() + service.settings.lifetimes.of("pre_authorized_code"),
            at=service.clock(),
        )
        more = {}
        if detailed:
            rows = [{"type": "openid_credential", "credential_configuration_id": one} for one in detailed]
            more = {"authorization_details": json.dumps(rows)}
        answer = wallet.pre_authorized(code, **more)
        assert answer.status_code == 200, answer.text
        return cls(service, application, wallet, answer.json())

    def refreshed(self) -> Holder:
        """The same with a fresh access token."""
        answer = self.wallet.token(form={"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]})
        assert answer.status_code == 200, answer.text
        return Holder(self.service, self.application, self.wallet, answer.json())

    def headers(self, path: str, **more: str) -> dict[str, str]:
        """Token and proof for a request to ``path``."""
        token = self.tokens["access_token"]
        proof = build_dpop(
            self.wallet.dpop,
            method="POST",
            url=BASE + path,
            at=self.service.clock(),
            nonce=self.service.nonce(),
            access_token=token,
        )
        return {"Authorization": f"DPoP {token}", "DPoP": proof, "Content-Type": "application/json", **more}

    def c_nonce(self) -> str:
        return self.service.send("POST", "/garam/nonce").json()["c_nonce"]

    def proof(self, signer: SoftwareSigner | None = None, **changed: Any) -> str:
        """A key proof; a fresh key unless one is given."""
        if signer is None:
            signer = SoftwareSigner.generate()
            self.keys.append(signer)
        given = {"audience": BASE, "nonce": None, "at": self.service.clock()} | changed
        if "nonce" not in changed:
            given["nonce"] = self.c_nonce()
        return build_proof(signer, **given)

    def wanted(self, *proofs: str, configuration: str = CONFIGURATION, **more: Any) -> dict[str, Any]:
        """A request; ``None`` takes a member away."""
        found = {
            "credential_configuration_id": configuration,
            "proofs": {"jwt": list(proofs or (self.proof(),))},
        }
        return {name: value for name, value in (found | more).items() if value is not None}

    def ask(
        self, wanted: Any = None, *, path: str = "/credential", service: Service | None = None, **headers: str
    ) -> httpx.Response:
        """Send a request, JSON or bytes."""
        wanted = self.wanted() if wanted is None else wanted
        body = wanted if isinstance(wanted, bytes) else json.dumps(wanted).encode()
        return (service or self.service).send(
            "POST", f"/garam{path}", content=body, headers=self.headers(path, **headers)
        )

    def take(self, **more: Any) -> list[Any]:
        """The opened credentials of one request."""
        answer = self.ask(self.wanted(**more))
        assert answer.status_code == 200, answer.text
        return opened(self.service, answer, more.get("configuration", CONFIGURATION))


def opened(service: Service, answer: httpx.Response, configuration: str = CONFIGURATION) -> list[Any]:
    """The credentials in an answer, opened and their signatures checked."""
    name = configuration.partition("/")[2]
    form = Formats(service.parts.issuer._catalog)[name]
    found = []
    for row in answer.json()["credentials"]:
        one = form.open(decode_credential(name, row["credential"], "credential"))
        form.verify_signature(one, service.parts.issuer.profile.signer.public_key)
        found.append(one)
    return found


__all__ = ["ADMIN", "CLERK", "OTHER", "SUBJECT", "Holder", "apply", "opened"]
