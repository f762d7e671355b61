"""Credential offers (OpenID4VCI 1.0 section 4.1): by value in a link or a QR code, or by reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from vcred._openid4vci import OFFER_SCHEME, PRE_AUTHORIZED
from vcred.errors import MalformedError
from vcred.formats._wire import dump_json, parse_json
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "PRE_AUTHORIZED",
    "AuthorizationCodeGrant",
    "CredentialOffer",
    "PreAuthorizedGrant",
    "TxCode",
    "offer_place",
]

SCHEMES: Final = (OFFER_SCHEME, "haip-vci")
_MAX_URI: Final = 16_384
_MAX_OFFER: Final = 65_536
_MAX_IDS: Final = 64
_MAX_TEXT: Final = 2048
_MAX_DESCRIPTION: Final = 300
_MAX_CODE_LENGTH: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TxCode:
    """A code that the holder got another way and types in. An empty object in the offer asks for one, too."""

    numeric: bool = True
    length: int | None = None
    description: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As an offer has it."""
        found: dict[str, Any] = {"input_mode": "numeric" if self.numeric else "text"}
        if self.length is not None:
            found["length"] = self.length
        if self.description is not None:
            found["description"] = self.description
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PreAuthorizedGrant:
    """The holder is known already; ``code`` is the authorization. Whoever has it takes the credential."""

    code: str = field(repr=False)
    tx_code: TxCode | None = None
    authorization_server: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationCodeGrant:
    """The holder logs in at the authorization server."""

    issuer_state: str | None = field(default=None, repr=False)
    authorization_server: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialOffer:
    """An invitation by anybody to take credentials from ``issuer``. It proves nothing.

    Without any grant the wallet asks the authorization server's metadata what it can do.
    """

    issuer: str
    configuration_ids: tuple[str, ...]
    pre_authorized: PreAuthorizedGrant | None = None
    authorization_code: AuthorizationCodeGrant | None = None

    @classmethod
    def parse(cls, raw: bytes | str, *, plain_http: bool = False) -> CredentialOffer:
        """Read the offer object. Members nobody defined are ignored. Raises ``MalformedError``."""
        path = "credential_offer"
        value = parse_json(raw, path, max_bytes=_MAX_OFFER, max_depth=8)
        if not isinstance(value, dict):
            raise _wrong(path, "not an object")
        ids = value.get("credential_configuration_ids")
        if not isinstance(ids, list) or not 0 < len(ids) <= _MAX_IDS:
            raise _wrong(f"{path}.credential_configuration_ids", f"must be 1 to {_MAX_IDS} ids")
        names = tuple(_text(one, f"{path}.credential_configuration_ids") for one in ids)
        if len(set(names)) != len(names):
            raise _wrong(f"{path}.credential_configuration_ids", "an id appears twice")
        grants = value.get("grants", {})
        if not isinstance(grants, dict):
            raise _wrong(f"{path}.grants", "not an object")
        return cls(
            issuer=_issuer(value.get("credential_issuer"), f"{path}.credential_issuer", plain_http=plain_http),
            configuration_ids=names,
            pre_authorized=_pre_authorized(grants, f"{path}.grants"),
            authorization_code=_authorization_code(grants, f"{path}.grants"),
        )

    @classmethod
    def of_uri(cls, uri: str, *, plain_http: bool = False) -> CredentialOffer | str:
        """The offer in a link, or the address where it is. Raises ``MalformedError`` with ``scheme``, ``size``, ..."""
        if len(uri) > _MAX_URI:
            raise MalformedError(ReasonCode.LIMIT, "uri", f"more than {_MAX_URI} characters")
        try:
            parts = urlsplit(uri)
            pairs = parse_qsl(parts.query, strict_parsing=True, max_num_fields=4, errors="strict")
        except ValueError:
            raise MalformedError(ReasonCode.SCHEME, "uri", "not an offer link") from None
        names = [name for name, _ in pairs]
        if parts.scheme not in (*SCHEMES, "https") or parts.fragment or len(set(names)) != len(names):
            raise MalformedError(ReasonCode.SCHEME, "uri", "not an offer link")
        found = dict(pairs)
        if len({"credential_offer", "credential_offer_uri"} & found.keys()) != 1:
            raise MalformedError(ReasonCode.SCHEME, "uri", "an offer by value or by reference, and not both")
        if "credential_offer" in found:
            return cls.parse(found["credential_offer"], plain_http=plain_http)
        place = found["credential_offer_uri"]
        if not place.startswith(("https://", "http://") if plain_http else "https://"):
            raise MalformedError(ReasonCode.SCHEME, "credential_offer_uri", "must be an https address")
        return place

    def to_json(self) -> dict[str, Any]:
        """The offer object."""
        grants: dict[str, Any] = {}
        if self.authorization_code is not None:
            members = {
                "issuer_state": self.authorization_code.issuer_state,
                "authorization_server": self.authorization_code.authorization_server,
            }
            grants["authorization_code"] = {name: value for name, value in members.items() if value is not None}
        if self.pre_authorized is not None:
            grant: dict[str, Any] = {"pre-authorized_code": self.pre_authorized.code}
            if self.pre_authorized.tx_code is not None:
                grant["tx_code"] = self.pre_authorized.tx_code.to_json()
            if self.pre_authorized.authorization_server is not None:
                grant["authorization_server"] = self.pre_authorized.authorization_server
            grants[PRE_AUTHORIZED] = grant
        found: dict[str, Any] = {
            "credential_issuer": self.issuer,
            "credential_configuration_ids": list(self.configuration_ids),
        }
        return found | ({"grants": grants} if grants else {})

    def to_uri(self, *, scheme: str = SCHEMES[0]) -> str:
        """A link that holds the whole offer."""
        return f"{scheme}://?credential_offer={quote(dump_json(self.to_json()), safe='')}"


def offer_place(url: str, *, scheme: str = SCHEMES[0]) -> str:
    """A link to the offer that lies at ``url``."""
    return f"{scheme}://?credential_offer_uri={quote(url, safe='')}"


def _pre_authorized(grants: Mapping[str, Any], path: str) -> PreAuthorizedGrant | None:
    if PRE_AUTHORIZED not in grants:
        return None
    grant = grants[PRE_AUTHORIZED]
    if not isinstance(grant, dict):
        raise _wrong(path, "a grant is an object")
    return PreAuthorizedGrant(
        code=_text(grant.get("pre-authorized_code"), f"{path}.pre-authorized_code"),
        tx_code=_tx_code(grant["tx_code"], f"{path}.tx_code") if "tx_code" in grant else None,
        authorization_server=_optional(grant, "authorization_server", path),
    )


def _authorization_code(grants: Mapping[str, Any], path: str) -> AuthorizationCodeGrant | None:
    if "authorization_code" not in grants:
        return None
    grant = grants["authorization_code"]
    if not isinstance(grant, dict):
        raise _wrong(path, "a grant is an object")
    return AuthorizationCodeGrant(
        issuer_state=_optional(grant, "issuer_state", path),
        authorization_server=_optional(grant, "authorization_server", path),
    )


def _tx_code(value: Any, path: str) -> TxCode:
    if not isinstance(value, dict):
        raise _wrong(path, "not an object")
    mode, length = value.get("input_mode", "numeric"), value.get("length")
    if mode not in ("numeric", "text"):
        raise _wrong(f"{path}.input_mode", "neither numeric nor text")
    if length is not None and (type(length) is not int or not 1 <= length <= _MAX_CODE_LENGTH):
        raise _wrong(f"{path}.length", f"must be 1 to {_MAX_CODE_LENGTH}")
    description = _optional(value, "description", path)
    if description is not None and len(description) > _MAX_DESCRIPTION:
        raise _wrong(f"{path}.description", f"more than {_MAX_DESCRIPTION} characters")
    return TxCode(numeric=mode == "numeric", length=length, description=description)


def _issuer(value: Any, path: str, *, plain_http: bool) -> str:
    found = _text(value, path)
    try:
        parts = urlsplit(found)
    except ValueError:
        raise MalformedError(ReasonCode.SCHEME, path, "not an address") from None
    if parts.scheme not in (("https", "http") if plain_http else ("https",)) or not parts.netloc:
        raise MalformedError(ReasonCode.SCHEME, path, "must be an https address")
    if parts.query or parts.fragment or "@" in parts.netloc or "\\" in found or any(ord(c) <= 32 for c in found):
        raise MalformedError(ReasonCode.SCHEME, path, "an issuer has no query, fragment or user name")
    return found


def _optional(value: Mapping[str, Any], name: str, path: str) -> str | None:
    return _text(value[name], f"{path}.{name}") if name in value else None


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
        raise _wrong(path, f"must be text of 1 to {_MAX_TEXT} characters")
    return value


def _wrong(path: str, detail: str) -> MalformedError:
    return MalformedError(ReasonCode.FORMAT, path, detail)
