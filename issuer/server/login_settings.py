"""How applicants log in, as the settings have it: OpenID Connect, or an identity card in a wallet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from vcred.serving.settings import Settings

__all__ = ["IdLoginSettings", "IdentityProviderSettings"]

Text = Annotated[str, Field(min_length=1, max_length=2048)]
Algorithm = Literal["ES256", "EdDSA", "PS256", "RS256"]


class IdentityProviderSettings(Settings):
    """An OpenID Connect provider. ``algorithms`` are those its ID tokens may be signed with, and no other.

    ``subject`` names the claim that is the registry's key for a person. Where it takes more than a claim, ``lookup`` is
    ``python:package.module:callable``: it gets the claims of a checked ID token, and returns that key or ``None``.
    """

    issuer: Text
    client_id: Text
    authentication: Literal["client_secret_basic", "client_secret_post", "none"]
    client_secret: SecretStr | None = None
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)]
    scopes: tuple[Text, ...] = ("openid",)
    acr: tuple[Text, ...] = ()
    """Levels of assurance that are asked for; a login with another one is refused."""
    subject: Text = "sub"
    name: Text = "name"
    """The claim that the pages greet a person with, if it is there."""
    lookup: Text | None = None
    names: dict[Literal["ko", "en"], Text] = Field(default_factory=dict)
    """What the login button calls the provider."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.authentication == "none") != (self.client_secret is None):
            raise ValueError("client_secret goes with client_secret_basic and client_secret_post")
        if "openid" not in self.scopes:
            raise ValueError("scopes has openid")
        return self


class IdLoginSettings(Settings):
    """Logging in by showing an identity card from a wallet (OpenID4VP 1.0).

    Who somebody is in the registry is said by ``subject``, by ``lookup``, or by the record source itself.
    """

    verifier: Path
    """The folder that ``vcred verifier init`` made: the key and certificate that ask, the trust list, its root."""
    password_file: Path | None = None
    """With the password of that key; it is asked for at the start otherwise."""
    policy: Text = "city.login"
    """What is asked for: the id of a preset or of a policy in the trust list, or a file ``.toml``."""
    formats: tuple[Text, ...] = ()
    """Those of the policy if empty."""
    subject: Text | None = None
    """The claim that is the registry's key. A resident number is written ``YYMMDD-SNNNNNN``."""
    lookup: Text | None = None
    """``python:package.module:callable``: gets the type and the claims of a card that was accepted, and returns the
    registry's key or ``None``.
    """
    name: Text | None = None
    """The claim that the pages greet a person with, if the policy asks for one."""
    wallet_endpoint: Text = "openid4vp://"
    """Where wallets are called: a scheme of their own, or an https address."""
    tries: Annotated[int, Field(ge=1, le=10)] = 5
    """Wrong codes until a login has to begin anew."""
    wrong_answers: Annotated[int, Field(ge=1, le=100)] = 10
    """Answers that prove nothing until a request is closed."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.subject is not None and self.lookup is not None:
            raise ValueError("either subject or lookup says who somebody is")
        return self
