"""Everything the verifier's service can be told, as one frozen object (see ``docs/verifier-service.md``)."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, FilePath, SecretStr, model_validator

from vcred.serving.run import Tls
from vcred.serving.settings import Settings

__all__ = ["ApiKey", "Lifetimes", "VerifierServerSettings", "Webhook"]

Text = Annotated[str, Field(min_length=1, max_length=2048)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$")]
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


class ApiKey(Settings):
    """Who may ask: a name for it, and the SHA-256 (hexadecimal) of the key. Each sees its own requests only."""

    name: Name
    sha256: Digest


class Webhook(Settings):
    """An address that may be told about requests, and the secret that the messages to it are signed with."""

    url: Text
    secret: Annotated[SecretStr, Field(min_length=32)]


class Lifetimes(Settings):
    """How long things can be used, in seconds."""

    link: Annotated[int, Field(ge=30, le=3600)] = 600
    """How long a link or a QR code waits for a wallet."""
    answer: Annotated[int, Field(ge=10, le=120)] = 120
    """How long a wallet has once it has fetched the request. Nobody takes an older one (threats VP-11)."""
    code: Annotated[int, Field(ge=30, le=3600)] = 600
    """How long the result of an answer waits for the person's code."""
    kept: Annotated[int, Field(ge=60, le=3650 * 86_400)] = 86_400
    """How long what was presented can be fetched; it is erased afterwards. The evidence has a time of its own."""


class VerifierServerSettings(Settings):
    """The whole service. What may be asked, by whom, and where people are sent: nothing unless it is said."""

    base_url: Text
    """Where the service is reached, with a path if it has one, and without a slash at the end."""
    listen: Text = "127.0.0.1:8444"
    tls: Tls | None = None
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that answer, on one address and one database."""
    proxies: tuple[Text, ...] = ()
    """Addresses of reverse proxies whose forwarding headers are believed."""
    development: bool = False
    """Plain http addresses, and webhooks to this machine."""

    database: SecretStr
    """``sqlite:///file`` or ``postgresql+psycopg://...``."""
    storage_key: FilePath
    """A file with 64 hexadecimal digits: what is personal or secret in the database is encrypted with it."""
    trust: FilePath | None = None
    """The trust bundle. A newer file is taken up while the service runs."""
    root: FilePath | None = None
    reader: FilePath | None = None
    """The reader's certificate chain, PEM, leaf first, without the root."""
    evidence: Path | None = None
    """The folder of an evidence archive: then every verdict is written down before anybody hears it."""

    client_id_prefix: Literal["x509_hash", "x509_san_dns"] = "x509_hash"
    request_uri_method: Literal["get", "post"] = "post"
    wallet_endpoints: Annotated[tuple[Text, ...], Field(min_length=1)] = ("openid4vp://", "haip-vp://")
    """Where wallets are called, the usual one first: schemes of their own, or https addresses."""
    formats: tuple[Text, ...] = ()
    """What to ask for where neither policy nor caller says; ``dc+sd-jwt`` if empty."""
    policies: tuple[FilePath, ...] = ()
    """Policies besides the presets and those of the trust bundle."""
    verifier_info: tuple[dict[str, Any], ...] = ()
    """Attestations about this verifier that every request carries (OpenID4VP 1.0 section 5.11)."""
    lang: Literal["ko", "en"] = "ko"

    api_keys: tuple[ApiKey, ...] = ()
    redirect_uris: tuple[Text, ...] = ()
    """Where people may be sent after an answer. Only exactly these."""
    webhooks: tuple[Webhook, ...] = ()
    origins: tuple[Origin, ...] = ()
    """Pages that may ask through the Digital Credentials API."""
    lifetimes: Lifetimes = Lifetimes()
    tries: Annotated[int, Field(ge=1, le=10)] = 5
    """Wrong codes before a result is locked."""
    wrong_answers: Annotated[int, Field(ge=1, le=100)] = 10
    """Answers that prove nothing before a request is closed."""

    @property
    def path(self) -> str:
        """The path of ``base_url``; empty without one."""
        return urlsplit(self.base_url).path

    @property
    def landing(self) -> str:
        """Our own page for people who have answered on the same device; always among ``redirect_uris``."""
        return f"{self.base_url}/verification-evidence"

    @property
    def origin(self) -> str:
        """That of our own pages; always among ``origins``."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def link_life(self) -> timedelta:
        """How long a link waits."""
        return timedelta(seconds=self.lifetimes.link)

    @model_validator(mode="after")
    def _plain(self) -> Self:
        parts = urlsplit(self.base_url)
        schemes = ("https", "http") if self.development else ("https",)
        if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("base_url is an https address without a query")
        if not _PATH.fullmatch(parts.path):
            raise ValueError("base_url ends in a plain path or in nothing")
        for one in (*self.redirect_uris, *(hook.url for hook in self.webhooks)):
            if urlsplit(one).scheme not in schemes or not urlsplit(one).hostname or "#" in one:
                raise ValueError("redirect_uris and webhooks are https addresses")
        if any(one.startswith("http:") for one in self.origins) and not self.development:
            raise ValueError("origins are https")
        if len({one.name for one in self.api_keys}) != len(self.api_keys):
            raise ValueError("two API keys have one name")
        return self
