"""What clients send to the authorization server: forms, each parameter once (RFC 6749 section 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from issuer.server.grants import Wish
from vcred.errors import MalformedError
from vcred.formats._wire import parse_json
from vcred.oid4vci.offer import PRE_AUTHORIZED
from vcred.outgoing import media_type
from vcred.serving import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from issuer.server.configurations import Configurations

__all__ = [
    "GRANT_TYPES",
    "AuthorizationRequest",
    "ChallengeResponse",
    "NonceResponse",
    "Pushed",
    "TokenDetail",
    "TokenRequest",
    "TokenResponse",
    "form_of",
    "read_form",
    "read_parameters",
    "wish_of",
]

Text = Annotated[str, Field(min_length=1, max_length=2048)]
Details = Annotated[str, Field(min_length=1, max_length=16_384)]

GRANT_TYPES: Final = ("authorization_code", PRE_AUTHORIZED, "refresh_token")

_FORM: Final = "application/x-www-form-urlencoded"
_FIELDS: Final = 64
_MAX_DETAILS: Final = 16_384
_MAX_ENTRIES: Final = 32


class _Form(BaseModel):
    """Parameters nobody defined are ignored, as RFC 6749 wants it."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class AuthorizationRequest(_Form):
    """OpenID4VCI 1.0 section 5.1, with PKCE (RFC 7636) and the binding of RFC 9449 section 10."""

    response_type: Annotated[Text, Field(json_schema_extra={"enum": ["code"]})]
    client_id: Text | None = None
    redirect_uri: Text
    code_challenge: Text | None = None
    code_challenge_method: Annotated[Text | None, Field(json_schema_extra={"enum": ["S256"]})] = None
    state: Text | None = None
    scope: Text | None = None
    authorization_details: Details | None = None
    issuer_state: Text | None = None
    response_mode: Text | None = None
    dpop_jkt: Text | None = None
    client_assertion_type: Text | None = None
    client_assertion: Details | None = None
    request: Details | None = None
    request_uri: Text | None = None


class TokenRequest(_Form):
    """OpenID4VCI 1.0 section 6.1."""

    grant_type: Annotated[Text, Field(json_schema_extra={"enum": list(GRANT_TYPES)})]
    client_id: Text | None = None
    code: Text | None = None
    redirect_uri: Text | None = None
    code_verifier: Text | None = None
    pre_authorized_code: Annotated[Text | None, Field(alias="pre-authorized_code")] = None
    tx_code: Annotated[str | None, Field(max_length=64)] = None
    refresh_token: Text | None = None
    authorization_details: Details | None = None
    client_assertion_type: Text | None = None
    client_assertion: Details | None = None


class Pushed(BaseModel):
    """RFC 9126 section 2.2."""

    request_uri: str
    expires_in: int


class TokenDetail(BaseModel):
    """OpenID4VCI 1.0 section 6.2: such a credential is asked for by one of its identifiers."""

    type: Literal["openid_credential"]
    credential_configuration_id: str
    credential_identifiers: list[str]


class TokenResponse(BaseModel):
    """OpenID4VCI 1.0 section 6.2."""

    access_token: str
    token_type: Literal["DPoP", "Bearer"]
    expires_in: int
    refresh_token: str | None = None
    scope: str | None = None
    authorization_details: list[TokenDetail] | None = None


class NonceResponse(BaseModel):
    """OpenID4VCI 1.0 section 7.2."""

    c_nonce: str


class ChallengeResponse(BaseModel):
    """A challenge for the proof of an attested key."""

    attestation_challenge: str


_F = TypeVar("_F", bound=_Form)


async def read_form(request: Request) -> dict[str, str]:
    """The parameters of a form. Raises ``ProtocolError`` for anything else."""
    if media_type(request.headers.get("content-type", "")) != _FORM:
        raise ProtocolError("invalid_request", f"the body is {_FORM}")
    return read_parameters(await request.body())


def read_parameters(raw: bytes | str) -> dict[str, str]:
    """Parameters, each once; those without a value are as if left out. Raises ``ProtocolError``."""
    try:
        text = raw.decode("ascii") if isinstance(raw, bytes) else raw
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except ValueError:
        raise ProtocolError("invalid_request", "not readable as form parameters") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ProtocolError("invalid_request", "a parameter appears twice")
    return {name: value for name, value in found.items() if value or name == "tx_code"}


def form_of(model: type[_F], parameters: dict[str, str]) -> _F:
    """``parameters`` as ``model``. Raises ``ProtocolError`` that names the first that is wrong."""
    try:
        return model.model_validate(parameters)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "a parameter"
        what = "is missing" if first["type"] == "missing" else "is empty or too long"
        raise ProtocolError("invalid_request", f"{name} {what}") from None


def wish_of(
    scope: str | None, authorization_details: str | None, configurations: Configurations, *, issuer: str
) -> Wish | None:
    """What is asked for, in detail or by scope; ``None`` when neither names anything (unknown scopes are ignored).

    Raises ``ProtocolError``.
    """
    detailed = [] if authorization_details is None else _detailed(authorization_details, configurations, issuer)
    by_scope = [configurations.of_scope(one) for one in (scope or "").split(" ")]
    known = [one.id for one in by_scope if one is not None]
    found = tuple(dict.fromkeys([*detailed, *known]))
    return Wish(configurations=found, detailed=tuple(detailed)) if found else None


def _detailed(text: str, configurations: Configurations, issuer: str) -> list[str]:
    """The configurations in ``authorization_details`` (RFC 9396), in order, each once."""
    try:
        value: Any = parse_json(text, "authorization_details", max_bytes=_MAX_DETAILS, max_depth=12)
    except MalformedError:
        value = None
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_ENTRIES:
        raise _wrong(f"must be a JSON list of 1 to {_MAX_ENTRIES} objects")
    found: list[str] = []
    for entry in value:
        if not isinstance(entry, dict) or entry.get("type") != "openid_credential":
            raise _wrong("a type that is not openid_credential")
        name = entry.get("credential_configuration_id")
        if not isinstance(name, str) or name not in configurations:
            raise _wrong("an unknown credential_configuration_id")
        locations: Sequence[Any] = entry.get("locations", [issuer])
        if not isinstance(locations, list) or issuer not in locations:
            raise _wrong("locations of another issuer")
        found.append(name)
    return list(dict.fromkeys(found))


def _wrong(what: str) -> ProtocolError:
    return ProtocolError("invalid_authorization_details", what)
