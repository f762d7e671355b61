"""Everything the issuer's service can be told, as one frozen object (``docs/issuer-service.md`` says it in prose)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, FilePath, SecretStr, model_validator

from issuer.server.login_settings import IdentityProviderSettings, IdLoginSettings
from vcred.serving.run import Tls
from vcred.serving.settings import Settings

__all__ = [
    "AttesterSettings",
    "ClientSettings",
    "EncryptionSettings",
    "IssuerServerSettings",
    "Lifetimes",
    "TxCodeSettings",
]

Text = Annotated[str, Field(min_length=1, max_length=2048)]
Seconds = Annotated[int, Field(ge=10, le=366 * 86_400)]
Operator = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,19}$")]
AdminToken = Annotated[SecretStr, Field(min_length=32)]
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


class AttesterSettings(Settings):
    """Somebody whose attestations are believed: a PEM file with certificates (roots, or signers themselves), or a JWK
    Set. With ``issuer``, only attestations that say they are by it.
    """

    certificates: FilePath | None = None
    jwks: FilePath | None = None
    issuer: Text | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.certificates is None) == (self.jwks is None):
            raise ValueError("an attester has either certificates or jwks")
        return self


class ClientSettings(Settings):
    """A wallet that is known by its client id, and where its authorization responses may go (exact match).

    ``authentication``: by wallet attestation, by an assertion of its own key (``jwks``), or not at all.
    """

    id: Text
    authentication: Literal["attestation", "private_key_jwt", "none"]
    redirect_uris: tuple[Text, ...] = ()
    jwks: FilePath | None = None

    @model_validator(mode="after")
    def _has_keys(self) -> Self:
        if (self.authentication == "private_key_jwt") != (self.jwks is not None):
            raise ValueError("jwks and authentication by private_key_jwt go together")
        return self


class Lifetimes(Settings):
    """How long things can be used, in seconds."""

    pushed_request: Seconds = 90
    login: Seconds = 1800
    code: Seconds = 60
    pre_authorized_code: Seconds = 600
    access_token: Seconds = 900
    refresh_token: Annotated[int, Field(ge=0, le=366 * 86_400)] = 90 * 86_400
    """0: no refresh tokens."""
    nonce: Seconds = 300
    application: Seconds = 30 * 86_400
    """Between an application and its decision."""
    status_list: Seconds = 86_400
    status_ttl: Seconds = 3600
    """How long a verifier may keep a status list before it asks again."""

    def of(self, name: str) -> timedelta:
        """One of them, by its name."""
        return timedelta(seconds=getattr(self, name))


class TxCodeSettings(Settings):
    """The code that an applicant gets another way, for offers that need no login in the wallet."""

    required: bool = True
    length: Annotated[int, Field(ge=4, le=12)] = 6
    tries: Annotated[int, Field(ge=1, le=10)] = 5


class EncryptionSettings(Settings):
    """Whether credential requests and responses are encrypted to a key beyond TLS."""

    requests: Literal["off", "optional", "required"] = "optional"
    responses: Literal["off", "optional", "required"] = "optional"

    @model_validator(mode="after")
    def _both(self) -> Self:
        if self.responses != "off" and self.requests == "off":
            raise ValueError("encrypted responses need encrypted requests (OpenID4VCI 1.0 section 8.2)")
        return self


class IssuerServerSettings(Settings):
    """The whole service. Security choices that may be wrong for somebody are off unless said."""

    base_url: Text
    """The credential issuer identifier, with a path if it has one, and without a slash at the end."""
    listen: Text = "127.0.0.1:8443"
    tls: Tls | None = None
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that answer."""
    threads: Annotated[int, Field(ge=1, le=256)] = 16
    """How many registries and key devices each of them waits for at one time."""
    proxies: tuple[Text, ...] = ()
    """Addresses of reverse proxies whose forwarding headers are believed."""
    database: SecretStr | None = None
    """``sqlite:///file`` or ``postgresql+psycopg://...``; without one, the issuer's own file."""
    home: Path | None = None
    """The folder that ``vcred issuer init`` makes."""
    development: bool = False

    wallet_attesters: tuple[AttesterSettings, ...] = ()
    key_attesters: tuple[AttesterSettings, ...] = ()
    clients: tuple[ClientSettings, ...] = ()
    unregistered_wallets: bool = True
    """Whether a wallet that a trusted attester vouches for needs no entry in ``clients``."""
    anonymous_pre_authorized: bool = False
    """Whether a pre-authorized code can be redeemed by a wallet that does not say who it is."""
    require_par: bool = True
    require_dpop: bool = True
    proof_nonces: bool = True
    """Whether DPoP proofs and attestation proofs need a nonce (challenge) of ours."""
    wrong_guesses: Annotated[int, Field(ge=1)] = 60
    """Requests from one address that may fail for a wrong code or client, in a minute that begins with the first."""
    begun_logins: Annotated[int, Field(ge=1)] = 60
    """Logins of applicants that one address may begin, in a minute that begins with the first."""

    lifetimes: Lifetimes = Lifetimes()
    tx_code: TxCodeSettings = TxCodeSettings()
    encryption: EncryptionSettings = EncryptionSettings()
    batch_size: Annotated[int, Field(ge=1, le=100)] = 20
    require_key_attestation: bool = False
    deferred: tuple[Text, ...] = ()
    """Codes of certificates that take time: they wait for a decision."""
    deferred_interval: Annotated[int, Field(ge=1, le=86_400)] = 300
    """Seconds after which a wallet asks again for what waits."""
    names: Mapping[Literal["ko", "en"], Text] = Field(default_factory=dict)
    """What wallets and pages call the issuer."""
    admin_tokens: Mapping[Operator, AdminToken] = Field(default_factory=dict)
    """Bearer tokens of the admin interface, by who has them: the audit log says that name."""
    records: Text | None = None
    """The registry, as ``--records`` takes it (docs/record-sources.md)."""
    registry_networks: tuple[Text, ...] = ()
    """Networks (``10.1.0.0/16``) of the agency where the identity provider and an HTTP registry may be."""
    identity_provider: IdentityProviderSettings | None = None
    """Where applicants log in. With ``development`` and without one, they choose who they are."""
    id_login: IdLoginSettings | None = None
    """Applicants may also log in by showing an identity card from a wallet."""
    auto_approve: Text | None = None
    """Conformance runs: whoever asks is this subject of the registry, without a login."""

    @property
    def path(self) -> str:
        """The path of ``base_url``; empty for none."""
        return urlsplit(self.base_url).path

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        parts = urlsplit(self.base_url)
        if parts.scheme not in (("https", "http") if self.development else ("https",)) or not parts.hostname:
            raise ValueError("base_url is an https address (http only with development = true)")
        if parts.query or parts.fragment or "@" in parts.netloc or not _PATH.fullmatch(parts.path):
            raise ValueError("base_url has neither user, query, fragment nor a slash at the end")
        if self.auto_approve is not None and not self.development:
            raise ValueError("auto_approve needs development = true")
        if len({client.id for client in self.clients}) != len(self.clients):
            raise ValueError("a client appears twice")
        return self
