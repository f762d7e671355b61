"""The parsers of the online protocols (OAuth, OpenID4VCI, OpenID4VP, OpenID Connect), for ``targets.py``.

A signed token is a line of JSON for its header and one for its payload. It is signed here, so that what is read only
after the signature is reached as well.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric import ec

from issuer.server.accept import preferred
from issuer.server.encryption import _kid
from issuer.server.forms import AuthorizationRequest, TokenRequest, _detailed, form_of, read_parameters
from issuer.server.identity import IdentityProvider, Login, LoginError
from issuer.server.login_settings import IdentityProviderSettings
from issuer.sources.http import HttpRecords
from issuer.sources.mapping import read_mapping
from vcred.catalog import Catalog
from vcred.dcql import DcqlQuery
from vcred.errors import MalformedError, RecordError, TransportError
from vcred.formats import _wire
from vcred.keys import PublicKey, SoftwareSigner
from vcred.oauth import AuthorizationServer, check_attestation_pop, check_client_attestation, check_dpop
from vcred.oid4vci import (
    CredentialOffer,
    CredentialRequest,
    CredentialResponse,
    DeferredRequest,
    IssuerMetadata,
    check_key_attestation,
    check_proofs,
    check_signed_metadata,
    decode_credential,
)
from vcred.oid4vp import (
    RequestLink,
    RequestUriPost,
    ResponseKey,
    ResponseMode,
    parse_page_request,
    parse_request,
    parse_transaction_data,
    read_answer,
    read_page_answer,
    sign_online_request,
)
from vcred.outgoing import Answer, check_url
from vcred.reasons import ReasonCode
from vcred.serving import ProtocolError
from wallet.client._authorize import _tokens, check_returned
from wallet.client._calls import Calls, error_of, json_of, shown_host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["AT", "ISSUER", "MAPPING", "METADATA", "ONLINE", "PAGE", "SERVER", "SIGNER", "page_request", "posted"]

AT = datetime(2026, 9, 26, 3, tzinfo=UTC)
ISSUER = "https://city.example/issuer"
SERVER = f"{ISSUER}/token"
PAGE = "https://bank.example"
SIGNER = SoftwareSigner(ec.derive_private_key(20_260_926, ec.SECP256R1()))
"""A key that means nothing: it signs whatever is asked for, in every run."""

MAPPING = """
format = 1
source = "http"
[types."nhis.eligibility_history"]
url = "https://registry.example/v1/{subject}/cover?day={day}"
at = "/data"
[types."nhis.eligibility_history".claims]
name = "/person/name"
rrn = "/person/rrn"
document = { issueNo = "/no", issuingAuthority = { value = "국민건강보험공단 (가상)" } }
[types."nhis.eligibility_history".rows.rows]
at = "/periods"
claims = { kind = "/kind", workplace = "/workplace/name", acquiredOn = "/from", lostOn = "/to" }
"""
METADATA = {"issuer": ISSUER, "token_endpoint": SERVER, "authorization_endpoint": f"{ISSUER}/authorize"}

_MAX_JSON = 65_536
_CLIENT = "x509_hash:" + "A" * 43
_QUERY = DcqlQuery.parse(
    {"credentials": [{"id": "a", "format": "dc+sd-jwt", "meta": {"vct_values": ["urn:card"]}, "multiple": True}]}
)
_KEY = ec.derive_private_key(20_260_927, ec.SECP256R1())
_GRANT = {"redirect_uri": "http://127.0.0.1:1234/back", "state": "s-1"}
_LOGIN = Login(state="s-1", nonce="n-1", verifier="v" * 43, challenge="c-1")
_PROVIDER = IdentityProviderSettings.model_validate(
    {"issuer": ISSUER, "client_id": "issuer", "authentication": "none", "algorithms": ["ES256", "EdDSA", "RS256"]}
)


class Told:
    """An ``Http`` whose other end says these bodies, one after another."""

    def __init__(self, *bodies: bytes) -> None:
        self._bodies = list(bodies)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = 0,
    ) -> Answer:
        """The next one."""
        del method, url, headers, body, limit
        return _answer(self._bodies.pop(0) if self._bodies else b"")


@cache
def posted(mode: ResponseMode) -> Any:
    """An online request of ours, the same in every run but for its signature."""
    return sign_online_request(
        _QUERY, client_id=_CLIENT, x5c=(b"\0",), signer=SIGNER, mode=mode, nonce="n-0S6_WzA2Mj", state="state-1",
        response_uri=None if mode.browser else f"{PAGE}/answer", origin=PAGE if mode.browser else None,
        encryption=ResponseKey(key=_KEY.public_key(), kid="k", encodings=("A256GCM",)) if mode.encrypted else None,
        formats=("dc+sd-jwt",), client_name="bank", purpose="p", policy="p", retention="r", at=AT,
        lifetime=timedelta(minutes=2),
    )  # fmt: skip


def page_request() -> dict[str, Any]:
    """An unsigned request of a page."""
    return {
        "response_type": "vp_token",
        "response_mode": "dc_api",
        "nonce": "n-0S6_WzA2Mj",
        "dcql_query": _QUERY.to_json(),
    }


def _text(raw: bytes) -> str:
    """Text as it arrives from a form, a header or a link: with lone surrogates where it is not UTF-8."""
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "surrogateescape")


def _json(raw: bytes) -> Any:
    return _wire.parse_json(raw, "t", max_bytes=_MAX_JSON)


def _object(raw: bytes) -> dict[str, Any]:
    found = _json(raw)
    if not isinstance(found, dict):
        raise MalformedError(ReasonCode.FORMAT)
    return found


def _signed(raw: bytes) -> str:
    header, _, payload = raw.partition(b"\n")
    token = f"{_wire.b64u_encode(header)}.{_wire.b64u_encode(payload)}"
    return f"{token}.{_wire.b64u_encode(SIGNER.sign(token.encode()))}"


def _ours(_: Any) -> PublicKey:
    return SIGNER.public_key


def _answer(raw: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status=200, headers={"content-type": "application/json", **(headers or {})}, body=raw)


def _proofs(raw: bytes) -> None:
    """Proofs, or an attestation, as the credential endpoint takes them: the lines of each, with blank lines between."""
    values = tuple(_signed(one) for one in raw.split(b"\n\n")[:8])
    kind = "attestation" if b"attested_keys" in values[0].encode() + raw.partition(b"\n")[2] else "jwt"
    check_proofs((kind, values), issuer=ISSUER, client_id=None, most=4, attester=_ours, attested=False, at=AT)


def _dpop(raw: bytes) -> None:
    check_dpop(_signed(raw), method="POST", url=SERVER, at=AT, access_token="t" if b'"ath"' in raw else None)


def _sealed(raw: bytes) -> None:
    request = posted(ResponseMode.DIRECT_POST_JWT)
    body = urlencode({"response": request.online.encryption.seal(raw).decode("ascii")}).encode()
    read_answer(body, request=request, key=_KEY)


def _page(raw: bytes) -> None:
    read_page_answer(_json(raw), request=posted(ResponseMode.DC_API), key=None)


def _forms(raw: bytes) -> None:
    """Both forms of the authorization server, and the JSON inside."""
    found = read_parameters(raw)
    if "authorization_details" in found:
        _detailed(found["authorization_details"], frozenset({"a/dc+sd-jwt"}), ISSUER)  # type: ignore[arg-type]
    form_of(TokenRequest if "grant_type" in found else AuthorizationRequest, found)


def _token_response(raw: bytes) -> None:
    _tokens(json_of(_answer(raw), "token"), Calls(Told(), lambda: AT, lambda _: None))


def _error(raw: bytes) -> None:
    """The error code is one, whether it stands in the body or in the header."""
    found = error_of(_answer(raw, {"www-authenticate": raw.decode("latin-1")}))
    assert found == "" or found.isprintable(), "an error code that is none"


def _returned(raw: bytes) -> None:
    server = AuthorizationServer.parse(METADATA, issuer=ISSUER)
    check_returned(_text(raw), _GRANT, server)


def _url(raw: bytes) -> None:
    """The host that is shown is the host that is asked."""
    text = _text(raw)
    _, host, _, _ = check_url(text, plain_http=True)
    assert host in shown_host(text, "t"), "another host is shown"


@cache
def _mapping() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mapping.toml"
        file.write_text(MAPPING, encoding="utf-8")
        return read_mapping(file, Catalog.builtin())


def _record(raw: bytes) -> None:
    HttpRecords(_mapping(), http=Told(raw)).fetch("nhis.eligibility_history", "17", at=AT)


def _login(raw: bytes) -> None:
    """The provider's metadata, its keys, then header and claims of the ID token: a line each."""
    metadata, keys, token = [*raw.split(b"\n", 2), b"", b""][:3]
    body = _wire.dump_json({"id_token": _signed(token)})
    provider = IdentityProvider(_PROVIDER, http=Told(metadata, keys, body), redirect_uri=f"{ISSUER}/back")
    provider.finish(_LOGIN, {"code": "c-1"}, at=AT)


def _one(parse: Callable[[bytes], Any], *errors: type[Exception], codes: tuple[ReasonCode, ...] = ()) -> dict[str, Any]:
    return {"parse": parse, "errors": errors or (MalformedError,), "codes": frozenset(codes)}


_R = ReasonCode
_TIMES = (_R.IAT, _R.EXPIRED, _R.NOT_YET_VALID)
_READ = (_R.READER_UNTRUSTED, _R.AUD, _R.NONCE, _R.KEY, _R.TRANSACTION_DATA)

ONLINE: dict[str, dict[str, Any]] = {
    "oauth_dpop": _one(_dpop, codes=(*_TIMES, _R.AUD, _R.DIGEST, _R.SIGNATURE, _R.KEY)),
    "oauth_attestation": _one(
        lambda raw: check_client_attestation(_signed(raw), resolve=_ours, at=AT),
        codes=(*_TIMES, _R.KEY, _R.SIGNATURE),
    ),
    "oauth_attestation_pop": _one(
        lambda raw: check_attestation_pop(_signed(raw), key=SIGNER.public_key, audience=ISSUER, at=AT),
        codes=(*_TIMES, _R.AUD, _R.KEY, _R.SIGNATURE),
    ),
    "oauth_metadata": _one(lambda raw: AuthorizationServer.parse(_json(raw), issuer=ISSUER), codes=(_R.ISSUER,)),
    "oauth_forms": _one(_forms, ProtocolError),
    "oauth_token_response": _one(_token_response, codes=(_R.FORMAT,)),
    "oauth_error": _one(_error),
    "oauth_returned": _one(_returned, MalformedError, TransportError, codes=(_R.SCHEME, _R.REPLAY, _R.ISSUER)),
    "oidc_login": _one(_login, LoginError, TransportError),
    "vci_offer": _one(CredentialOffer.parse),
    "vci_offer_link": _one(lambda raw: CredentialOffer.of_uri(_text(raw))),
    "vci_metadata": _one(lambda raw: IssuerMetadata.parse(_json(raw), issuer=ISSUER), codes=(_R.ISSUER, _R.ALG)),
    "vci_metadata_signed": _one(
        lambda raw: check_signed_metadata(_signed(raw).encode(), issuer=ISSUER, resolve=_ours, at=AT),
        codes=(*_TIMES, _R.ISSUER, _R.KEY, _R.SIGNATURE),
    ),
    "vci_request": _one(CredentialRequest.parse),
    "vci_request_kid": _one(_kid, ProtocolError),
    "vci_deferred": _one(DeferredRequest.parse),
    "vci_response": _one(CredentialResponse.parse),
    "vci_credential": _one(lambda raw: decode_credential("mso_mdoc", _text(raw), "t")),
    "vci_proofs": _one(_proofs, codes=(*_TIMES, _R.AUD, _R.NONCE, _R.FORMAT, _R.UNTRUSTED, _R.KEY, _R.SIGNATURE)),
    "vci_key_attestation": _one(
        lambda raw: check_key_attestation(_signed(raw), resolve=_ours, at=AT, most=4, path="t", with_proof=True),
        codes=(*_TIMES, _R.KEY, _R.SIGNATURE),
    ),
    "vp_link": _one(lambda raw: RequestLink.parse(_text(raw)), codes=(_R.READER_UNTRUSTED,)),
    "vp_post": _one(RequestUriPost.parse),
    "vp_request": _one(lambda raw: parse_request(_signed(raw), client_id=None, received_at=AT), codes=_READ),
    "vp_page_request": _one(lambda raw: parse_page_request(_object(raw), origin=PAGE, received_at=AT), codes=_READ),
    "vp_transaction_data": _one(lambda raw: parse_transaction_data(_json(raw), _QUERY), codes=(_R.TRANSACTION_DATA,)),
    "vp_answer": _one(
        lambda raw: read_answer(raw, request=posted(ResponseMode.DIRECT_POST), key=None), codes=(_R.NONCE,)
    ),
    "vp_answer_sealed": _one(_sealed, codes=(_R.NONCE, _R.KID, _R.ALG, _R.INTEGRITY)),
    "vp_answer_page": _one(_page),
    "record": _one(_record, RecordError, TransportError),
    "accept": _one(lambda raw: preferred(raw.decode("latin-1"), ("application/json", "application/jwt"))),
    "url": _one(_url, TransportError, MalformedError),
}
"""What ``Target`` takes, by name."""
