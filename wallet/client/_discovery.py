"""What an issuer and its authorization servers say of themselves, at the place that their identifiers name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vcred.errors import RefusedError
from vcred.formats._wire import epoch
from vcred.oauth import AuthorizationServer, well_known
from vcred.oid4vci import IssuerMetadata, check_signed_metadata
from vcred.reasons import ReasonCode
from vcred.trust.profile import Purpose
from wallet.client._calls import JSON, JWT, json_of

if TYPE_CHECKING:
    from datetime import datetime

    from vcred.keys import PublicKey
    from vcred.trust import Authority, TrustBundle
    from wallet.client._calls import Calls

__all__ = ["IssuerFacts", "issuer_facts", "server_facts"]

_ISSUER: Final = "openid-credential-issuer"
_SERVER: Final = "oauth-authorization-server"
_UNKNOWN: Final = (
    ReasonCode.UNTRUSTED,
    ReasonCode.ISSUER,
    ReasonCode.CHAIN,
    ReasonCode.BUNDLE_EXPIRED,
    ReasonCode.CLOCK,
)
_MAX_SERVERS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerFacts:
    """An issuer's metadata, and the authority of the trust bundle that it is: by its signature, or by its identifier.

    ``authority`` is ``None`` for an issuer that the bundle does not know.
    """

    metadata: IssuerMetadata
    authority: Authority | None
    signed: bool


def issuer_facts(calls: Calls, issuer: str, trust: TrustBundle, *, plain_http: bool) -> IssuerFacts:
    """Fetch and read an issuer's metadata: signed if it can be and its signer is known (section 12.2.2).

    Raises ``TransportError``, ``RefusedError``.
    """
    place, at = well_known(issuer, _ISSUER), calls.clock()
    answer = calls.document(place, accept=f"{JWT}, {JSON};q=0.9")
    if answer.type == JWT:
        found: list[Authority] = []
        strange: list[RefusedError] = []

        def resolve(chain: tuple[bytes, ...]) -> PublicKey:
            try:
                authority, key = _signer(trust, chain, at=at)
            except RefusedError as error:
                strange.append(error)
                raise
            found.append(authority)
            return key

        try:
            claims = check_signed_metadata(answer.body, issuer=issuer, resolve=resolve, at=at)
        except RefusedError as error:
            if error not in strange or error.code not in _UNKNOWN:
                raise
            # Signed by somebody we do not know says no more than not signed: then it has to come as plain metadata.
            answer = calls.document(place, accept=JSON)
        else:
            metadata = IssuerMetadata.parse(claims, issuer=issuer, plain_http=plain_http)
            return IssuerFacts(metadata=metadata, authority=found[0], signed=True)
    metadata = IssuerMetadata.parse(json_of(answer, "metadata"), issuer=issuer, plain_http=plain_http)
    return IssuerFacts(metadata=metadata, authority=_named(trust, issuer, at=at), signed=False)


def server_facts(
    calls: Calls, metadata: IssuerMetadata, *, named: str | None, grant: str, plain_http: bool
) -> AuthorizationServer:
    """The authorization server to go to for ``grant``: the one an offer named, or the first that knows it.

    Raises ``TransportError``; ``RefusedError`` for a server that is not the issuer's, or names another (RFC 8414
    section 3.3).
    """
    if named is not None and named not in metadata.authorization_servers:
        raise RefusedError(ReasonCode.ISSUER, "offer.authorization_server", "not one of the issuer's")
    candidates = (named,) if named is not None else metadata.authorization_servers[:_MAX_SERVERS]
    for candidate in candidates:
        document = json_of(calls.document(well_known(candidate, _SERVER)), "as_metadata")
        found = AuthorizationServer.parse(document, issuer=candidate, plain_http=plain_http)
        if len(candidates) == 1 or grant in found.grant_types:
            return found
    raise RefusedError(ReasonCode.FORMAT, "as_metadata", "no server of the issuer knows this way of authorization")


def _named(trust: TrustBundle, issuer: str, *, at: datetime) -> Authority | None:
    """The authority that ``issuer`` is the identifier of, as far as the bundle vouches for it today."""
    now = epoch(at)
    try:
        trust.check_time(at)
    except RefusedError:
        return None
    for one in trust.authorities:
        ended = any(each.kid is None and each.at <= now for each in one.withdrawn)
        if one.purpose is Purpose.ISSUER and one.id == issuer and one.valid_from <= now <= one.valid_until:
            return None if ended or (one.test and trust.production) else one
    return None


def _signer(trust: TrustBundle, chain: tuple[bytes, ...], *, at: datetime) -> tuple[Authority, PublicKey]:
    """Whose certificates these are, for something that the authority signed today."""
    last = RefusedError(ReasonCode.UNTRUSTED, "metadata", "signed by nobody of the trust list")
    trust.check_time(at)
    for authority in trust.authorities if chain else ():
        for code in sorted(authority.types)[:1] if authority.purpose is Purpose.ISSUER else ():
            try:
                known = trust.resolve_issuer(
                    issuer=authority.id, kid=None, x5c=chain, code=code, issued_at=epoch(at), at=at
                )
            except RefusedError as error:
                last = error
                continue
            return known.authority, known.key
    raise last
