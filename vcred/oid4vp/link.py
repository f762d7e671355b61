"""How a wallet is called (OpenID4VP 1.0 sections 5.7, 5.10 and 9): the link, and what it posts to ``request_uri``.

A link is anybody's. All it is good for is fetching the request object, which says the same client identifier again and
is signed. A request whose parameters stand in the link itself is signed by nobody and is not taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from vcred.errors import MalformedError, RefusedError
from vcred.formats._wire import dump_json, parse_json
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SCHEMES", "RequestLink", "RequestUriPost", "form_of"]

SCHEMES: Final = ("openid4vp", "haip-vp", "https")
"""Of links that call a wallet."""

_MAX_LINK: Final = 65_536
_MAX_TEXT: Final = 2048
_MAX_FIELDS: Final = 16
_MAX_POST: Final = 65_536
_NONCE: Final = re.compile(r"[!-~]{1,512}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLink:
    """Where the request object is, or itself. Exactly one of ``request_uri`` and ``request`` is there."""

    client_id: str
    request_uri: str | None = None
    post: bool = False
    request: bytes | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, link: str, *, plain_http: bool = False) -> RequestLink:
        """Read a link. Parameters nobody defined are ignored.

        Raises ``MalformedError`` with ``limit``, ``scheme``, ``format`` ..., ``RefusedError`` with
        ``reader_untrusted`` for a request that is not signed.
        """
        if len(link) > _MAX_LINK:
            raise MalformedError(ReasonCode.LIMIT, "link", f"more than {_MAX_LINK} characters")
        try:
            parts = urlsplit(link)
        except ValueError:
            raise MalformedError(ReasonCode.SCHEME, "link", "not a link") from None
        schemes = (*SCHEMES, "http") if plain_http else SCHEMES
        if parts.scheme not in schemes or parts.fragment or "#" in link:
            raise MalformedError(ReasonCode.SCHEME, "link", "not a link that calls a wallet")
        found = form_of(parts.query, "link")
        method = _method(found)
        if "request" in found:
            return cls(client_id=found["client_id"], request=found["request"].encode("utf-8", "replace"))
        address = found["request_uri"]
        if not address.startswith(("https://", "http://") if plain_http else ("https://",)) or "#" in address:
            raise MalformedError(ReasonCode.SCHEME, "link.request_uri", "must be an https address")
        return cls(client_id=found["client_id"], request_uri=address, post=method == "post")

    def to_uri(self, endpoint: str = "openid4vp://") -> str:
        """The link for a wallet at ``endpoint``: a scheme of its own, or an https address."""
        members = {"client_id": self.client_id}
        if self.request_uri is not None:
            members["request_uri"] = self.request_uri
            if self.post:
                members["request_uri_method"] = "post"
        elif self.request is not None:
            members["request"] = self.request.decode("ascii")
        mark = "&" if "?" in endpoint else "?"
        return f"{endpoint}{mark}{urlencode(members, quote_via=quote)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestUriPost:
    """What a wallet says of itself when it fetches a request object by ``POST``."""

    wallet_nonce: str | None
    wallet_metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, body: bytes) -> RequestUriPost:
        """Read the form. Members nobody defined are ignored. Raises ``MalformedError``."""
        if len(body) > _MAX_POST:
            raise MalformedError(ReasonCode.SIZE, "body", f"more than {_MAX_POST} bytes")
        found = form_of(body, "body")
        nonce = found.get("wallet_nonce")
        if nonce is not None and not _NONCE.fullmatch(nonce):
            raise MalformedError(ReasonCode.NONCE, "body.wallet_nonce", "must be 1 to 512 visible characters")
        metadata: Any = {}
        if "wallet_metadata" in found:
            path = "body.wallet_metadata"
            metadata = parse_json(found["wallet_metadata"], path, max_bytes=_MAX_POST, max_depth=12)
            if not isinstance(metadata, dict):
                raise MalformedError(ReasonCode.FORMAT, path, "not an object")
        return cls(wallet_nonce=nonce, wallet_metadata=metadata)

    def to_form(self) -> bytes:
        """The body."""
        members = {} if self.wallet_nonce is None else {"wallet_nonce": self.wallet_nonce}
        if self.wallet_metadata:
            members["wallet_metadata"] = dump_json(dict(self.wallet_metadata)).decode()
        return urlencode(members).encode("ascii")


def _method(found: Mapping[str, str]) -> str:
    """How the request object is fetched, for a link that has one, in one way."""
    for name in ("client_id", "request_uri", "request_uri_method"):
        if name in found and not 0 < len(found[name]) <= _MAX_TEXT:
            raise MalformedError(ReasonCode.FORMAT, f"link.{name}", f"must be 1 to {_MAX_TEXT} characters")
    if "client_id" not in found:
        raise MalformedError(ReasonCode.FORMAT, "link.client_id", "missing")
    if "request_uri" not in found and "request" not in found:
        raise RefusedError(ReasonCode.READER_UNTRUSTED, "link", "a request that nobody signed")
    if "request_uri" in found and "request" in found:
        raise MalformedError(ReasonCode.FORMAT, "link", "a request by value and by reference")
    method = found.get("request_uri_method", "get")
    if method not in ("get", "post") or ("request_uri_method" in found and "request_uri" not in found):
        raise MalformedError(ReasonCode.FORMAT, "link.request_uri_method", "neither get nor post")
    return method


def form_of(body: bytes | str, path: str) -> dict[str, str]:
    """A form or a query, each name once. Raises ``MalformedError``."""
    try:
        text = body if isinstance(body, str) else body.decode("ascii")
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=_MAX_FIELDS, errors="strict"
        )
    except ValueError:
        raise MalformedError(ReasonCode.FORMAT, path, "not form encoded") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedError(ReasonCode.DUPLICATE_KEY, path, "a name appears twice")
    return found
