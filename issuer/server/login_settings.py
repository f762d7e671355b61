"""How applicants log in: the agency's OpenID Connect identity provider, as the settings have it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from vcred.serving.settings import Settings

__all__ = ["IdentityProviderSettings"]

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
