"""Authorization server metadata (RFC 8414), and where well-known documents are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vcred.errors import MalformedError, RefusedError
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AuthorizationServer", "endpoint", "texts", "well_known"]

_MAX_URL: Final = 2048


def well_known(identifier: str, name: str) -> str:
    """Where the document ``name`` of ``identifier`` is: inserted between host and path (RFC 8414 section 3.1).

    Raises ``MalformedError`` for what is no address.
    """
    try:
        parts = urlsplit(identifier)
    except ValueError:
        raise MalformedError(ReasonCode.SCHEME, name, "not an address") from None
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}/.well-known/{name}{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationServer:
    """What a wallet needs to know of an authorization server. An endpoint it does not have is ``None``."""

    issuer: str
    token_endpoint: str
    authorization_endpoint: str | None
    par_endpoint: str | None
    par_required: bool
    challenge_endpoint: str | None
    grant_types: frozenset[str]
    auth_methods: frozenset[str]
    dpop_algs: frozenset[str]
    code_challenge_methods: frozenset[str]
    iss_in_response: bool
    anonymous_pre_authorized: bool

    @classmethod
    def parse(cls, value: Any, *, issuer: str, plain_http: bool = False) -> AuthorizationServer:
        """The document at ``issuer``'s well-known place; one that names another issuer must not be used.

        Raises ``MalformedError``, ``RefusedError`` with ``issuer``.
        """
        path = "as_metadata"
        if not isinstance(value, dict):
            raise MalformedError(ReasonCode.FORMAT, path, "not an object")
        if value.get("issuer") != issuer:
            raise RefusedError(ReasonCode.ISSUER, f"{path}.issuer", "names another server")
        token = endpoint(value, "token_endpoint", path, plain_http=plain_http)
        if token is None:
            raise MalformedError(ReasonCode.FORMAT, f"{path}.token_endpoint", "missing")

        def place(name: str) -> str | None:
            return endpoint(value, name, path, plain_http=plain_http)

        return cls(
            issuer=issuer,
            token_endpoint=token,
            authorization_endpoint=place("authorization_endpoint"),
            par_endpoint=place("pushed_authorization_request_endpoint"),
            par_required=value.get("require_pushed_authorization_requests") is True,
            challenge_endpoint=place("challenge_endpoint"),
            grant_types=texts(value, "grant_types_supported", path, absent=("authorization_code", "implicit")),
            auth_methods=texts(value, "token_endpoint_auth_methods_supported", path, absent=()),
            dpop_algs=texts(value, "dpop_signing_alg_values_supported", path, absent=()),
            code_challenge_methods=texts(value, "code_challenge_methods_supported", path, absent=()),
            iss_in_response=value.get("authorization_response_iss_parameter_supported") is True,
            anonymous_pre_authorized=value.get("pre-authorized_grant_anonymous_access_supported") is True,
        )


def endpoint(value: Mapping[str, Any], name: str, path: str, *, plain_http: bool) -> str | None:
    """An address of ``value``, absolute and https (http too in development). Raises ``MalformedError``."""
    if name not in value:
        return None
    found = value[name]
    schemes = ("https://", "http://") if plain_http else ("https://",)
    if not isinstance(found, str) or not found.startswith(schemes) or len(found) > _MAX_URL or "#" in found:
        raise MalformedError(ReasonCode.SCHEME, f"{path}.{name}", "must be an https address")
    try:
        host = urlsplit(found).hostname
    except ValueError:
        host = None
    if not host:
        raise MalformedError(ReasonCode.SCHEME, f"{path}.{name}", "has no host")
    return found


def texts(value: Mapping[str, Any], name: str, path: str, *, absent: tuple[str, ...]) -> frozenset[str]:
    """A list of texts, or ``absent``. Raises ``MalformedError``."""
    if name not in value:
        return frozenset(absent)
    found = value[name]
    if not isinstance(found, list) or len(found) > 256 or not all(isinstance(one, str) for one in found):
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.{name}", "must be a list of texts")
    return frozenset(found)
