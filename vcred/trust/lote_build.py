"""Write our trust list as a List of Trusted Entities (ETSI TS 119 602 V1.1.1), for other people's verifiers.

One trusted entity an authority, one a registered reader; one service a key, because a service has one status and keys
are withdrawn one by one. What the format has no word for is in extensions of our own, none of them critical, so what
another verifier does not know must not make it trust more than it should:

1. a test authority's services have types that nobody else knows;
2. a compromised key was never granted: it has no history, since by its history its backdated signatures were good;
3. what is listed and not valid yet has a status that nobody else knows.

``docs/trust-lists.md`` has the table of what goes where.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError, TrustError
from vcred.formats._jose import sign_jws, x5c_texts
from vcred.formats._wire import b64u_encode, dump_json, epoch
from vcred.trust.bare import keys_of
from vcred.trust.content import WithdrawalReason, dump_authorities
from vcred.trust.foreign import read_foreign, subject_values
from vcred.trust.lote_model import (
    AUTHORITY_EXTENSION,
    GRANTED,
    LOTE_TYPE,
    PLANNED,
    READER_EXTENSION,
    READER_SERVICE,
    SERVICE_EXTENSION,
    SERVICE_TYPES,
    STATUS_APPROACH,
    TEST_SERVICE_TYPES,
    WITHDRAWN,
)
from vcred.trust.lote_read import parse_lote
from vcred.trust.lote_verify import verify_lote
from vcred.trust.profile import Purpose
from vcred.trust.rules import denied_kids, withdrawal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from vcred.keys import Signer
    from vcred.trust.content import Authority, Names, ReaderEntry
    from vcred.trust.x509 import Certificate

__all__ = ["Scheme", "build_lote", "check_list_signer"]

_ORGANISATION: Final = "2.5.4.10"
_COUNTRY: Final = "2.5.4.6"
_SERVICE_NAMES: Final = {
    "issuer": {"ko": "증명서 발급", "en": "Issuance of certificates"},
    "status": {"ko": "증명서 상태 목록", "en": "Status lists of certificates"},
    "reader": {"ko": "검증자 인증서 발급", "en": "Certificates of readers"},
}
_READER_NAME: Final = {"ko": "등록된 검증자", "en": "Registered reader"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """Who publishes the list. ``territory`` is a country code, ``street`` the operator's postal address.

    ``contact`` is a ``mailto:`` or ``https:`` URI, ``information_uri`` a page about the scheme and its rules.
    """

    operator: Names
    names: Names
    territory: str
    street: Names
    contact: str
    information_uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """From when to when something is good, and whether it is withdrawn, at the time of the list."""

    start: int
    end: int
    compromised: bool = False
    superseded_at: int | None = None

    def status(self, now: int) -> tuple[str, int, int | None]:
        """The status, since when it is so, and since when it was granted before, if ever."""
        if self.compromised:
            return WITHDRAWN, min(self.start, now), None
        over = self.end if self.superseded_at is None else min(self.superseded_at, self.end)
        if over <= now:
            return WITHDRAWN, over, self.start if self.start < over else None
        return (GRANTED if self.start <= now else PLANNED), self.start, None


def build_lote(
    authorities: Sequence[Authority],
    readers: Sequence[ReaderEntry],
    *,
    sequence: int,
    issued_at: datetime,
    next_update: datetime,
    scheme: Scheme,
    signer: Signer,
    chain: Sequence[bytes],
) -> bytes:
    """The list as a JWS in compact form (JAdES baseline B), signed with ``signer`` and read back once.

    ``sequence`` begins with 1 and grows with every list. ``chain`` is the signer's, leaf first and without its root:
    the leaf names the operator as its organisation and the territory as its country (clause 6.8).
    Raises ``ValueError`` for what a reader would refuse, ``TrustError`` for an authority that cannot be listed,
    ``SigningError``.
    """
    now, due = epoch(issued_at), epoch(next_update)
    if sequence < 1 or now >= due:
        raise ValueError("a list has a number from 1, and is issued before the next one is due")
    leaf = check_list_signer(signer, chain)
    organisations, countries = subject_values(leaf, _ORGANISATION), subject_values(leaf, _COUNTRY)
    if not {scheme.operator.ko, scheme.operator.en} & set(organisations) or scheme.territory not in countries:
        raise ValueError("the signer's certificate does not name the operator and the territory")
    denied = denied_kids(authorities)
    try:
        of_authorities, of_readers = _facts(authorities, readers)
        entities = [
            _authority_json(each, facts, scheme, denied, now)
            for each, facts in zip(authorities, of_authorities, strict=True)
        ]
        entities += [_reader_json(each, facts, scheme, now) for each, facts in zip(readers, of_readers, strict=True)]
    except MalformedError as error:
        raise TrustError(f"the trust list cannot be exported: {error}") from error
    lote: dict[str, Any] = {"ListAndSchemeInformation": _scheme_json(scheme, sequence, now, due)}
    if entities:
        lote["TrustedEntitiesList"] = entities
    header = {
        "typ": "JOSE",
        "iat": now,
        "x5t#S256": b64u_encode(hashlib.sha256(chain[0]).digest()),
        "x5c": x5c_texts(chain),
    }
    raw = sign_jws(header, dump_json({"LoTE": lote}), signer)
    verify_lote(parse_lote(raw), keys=[signer.public_key], anchors=[], stored_sequence=sequence, at=issued_at)
    return raw


def check_list_signer(signer: Signer, chain: Sequence[bytes]) -> Any:
    """The leaf of ``chain``, which is the certificate of ``signer``. Raises ``ValueError``."""
    if not 1 <= len(chain) <= 4:
        raise ValueError("a list is signed with a chain of 1 to 4 certificates")
    leaf = read_foreign(chain[0], "chain")
    if leaf.public_key() != signer.public_key.crypto:
        raise ValueError("the chain is not that of the signer")
    return leaf


def _scheme_json(scheme: Scheme, sequence: int, now: int, due: int) -> dict[str, Any]:
    about = _same_uri(scheme.information_uri)
    return {
        "LoTEVersionIdentifier": 1,
        "LoTESequenceNumber": sequence,
        "LoTEType": LOTE_TYPE,
        "SchemeOperatorName": _names(scheme.operator),
        "SchemeOperatorAddress": {
            "SchemeOperatorPostalAddress": _postal(scheme, care_of=False),
            "SchemeOperatorElectronicAddress": _same_uri(scheme.contact),
        },
        "SchemeName": _names(scheme.names),
        "SchemeInformationURI": about,
        "StatusDeterminationApproach": STATUS_APPROACH,
        "SchemeTypeCommunityRules": about,
        "SchemeTerritory": scheme.territory,
        "PolicyOrLegalNotice": [{"LoTEPolicy": each} for each in about],
        "ListIssueDateTime": _time(now),
        "NextUpdate": _time(due),
    }


def _facts(
    authorities: Sequence[Authority], readers: Sequence[ReaderEntry]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What ``authorities.json`` says, without the certificates, which are in the services."""
    said = json.loads(dump_authorities(authorities, readers))
    for members in said["authorities"]:
        del members["anchors"], members["signers"]
    for members in said["readers"]:
        del members["certificate"]
    return said["authorities"], said["readers"]


def _authority_json(
    authority: Authority, facts: dict[str, Any], scheme: Scheme, denied: frozenset[bytes], now: int
) -> dict[str, Any]:
    extension = {"critical": False, "type": AUTHORITY_EXTENSION, "authority": facts}
    services = [*_anchor_services(authority, denied, now), *_signer_services(authority, denied, now)]
    services += _key_services(authority, denied, now)
    services += _denied_services(authority, now)
    contact = authority.id if authority.id.startswith("https:") else scheme.contact
    return _entity(authority.names, scheme, about=authority.id, contact=contact, extension=extension, services=services)


def _anchor_services(authority: Authority, denied: frozenset[bytes], now: int) -> Iterable[dict[str, Any]]:
    for der in authority.anchors:
        certificate = _read(der)
        span = _span(authority, [certificate], denied)
        purposes = [authority.purpose]
        if authority.purpose is Purpose.ISSUER and authority.status_uris:
            purposes.append(Purpose.STATUS)
        for purpose in purposes:
            about = {"role": "anchor", "kid": certificate.key.kid.hex()}
            yield _service(authority, purpose, _certificates(der), span.status(now), about)


def _signer_services(authority: Authority, denied: frozenset[bytes], now: int) -> Iterable[dict[str, Any]]:
    anchors = [_read(der) for der in authority.anchors]
    for chain in authority.signers:
        path = [_read(der) for der in chain]
        above = [anchor for anchor in anchors if anchor.subject == path[-1].issuer]
        span = _span(authority, [*path, *above], denied)
        for_status = path[0].usages == (Purpose.STATUS.eku,)
        about = {"role": "signer", "kid": path[0].key.kid.hex(), "chain": [b64u_encode(der) for der in chain[1:]]}
        purpose = Purpose.STATUS if for_status else authority.purpose
        yield _service(authority, purpose, _certificates(chain[0]), span.status(now), about)


def _key_services(authority: Authority, denied: frozenset[bytes], now: int) -> Iterable[dict[str, Any]]:
    for entry in keys_of(authority):
        start, end = max(entry.valid_from, authority.valid_from), min(entry.valid_until, authority.valid_until)
        compromised, superseded_at = withdrawal(authority, [entry.key.kid], denied=denied)
        span = _Span(start=start, end=end, compromised=compromised, superseded_at=superseded_at)
        jwk = entry.key.to_jwk()
        identity: dict[str, Any] = {}
        others = [] if entry.did_url is None else [entry.did_url]
        if jwk["kty"] == "EC":
            identity["PublicKeyValues"] = [jwk]
        else:
            # The JSON schema has no Ed25519 keys (RFC 8037). Such a key is named (RFC 9278), and is in the extension.
            others.append(f"urn:ietf:params:oauth:jwk-thumbprint:sha-256:{b64u_encode(entry.key.thumbprint)}")
        if others:
            identity["OtherIds"] = others
        about = {"role": "key", "kid": entry.key.kid.hex(), "jwk": jwk}
        yield _service(authority, authority.purpose, identity, span.status(now), about)


def _denied_services(authority: Authority, now: int) -> Iterable[dict[str, Any]]:
    """Keys that are withdrawn and not listed otherwise: all that is known of them is their key id."""
    listed = [*authority.anchors, *(der for chain in authority.signers for der in chain)]
    known = {_read(der).key.kid for der in listed} | {entry.key.kid for entry in keys_of(authority)}
    for each in authority.withdrawn:
        if each.kid is None or each.kid in known:
            continue
        if each.at <= now or each.reason is WithdrawalReason.COMPROMISED:
            known.add(each.kid)
            identity = {"OtherIds": [f"urn:vcred:kid:{each.kid.hex()}"]}
            about = {"role": "denied", "kid": each.kid.hex()}
            yield _service(authority, authority.purpose, identity, (WITHDRAWN, min(each.at, now), None), about)


def _service(
    authority: Authority,
    purpose: Purpose,
    identity: dict[str, Any],
    status: tuple[str, int, int | None],
    about: dict[str, Any],
) -> dict[str, Any]:
    types = TEST_SERVICE_TYPES if authority.test else SERVICE_TYPES
    extension = {"critical": False, "type": SERVICE_EXTENSION, **about}
    if purpose is Purpose.ISSUER:
        extension["certificateTypes"] = sorted(authority.types)
    service = _service_json(types[purpose.value], _SERVICE_NAMES[purpose.value], identity, status, extension)
    if purpose is Purpose.STATUS and authority.status_uris:
        points = [{"uriValue": uri} for uri in authority.status_uris]
        service["ServiceInformation"]["ServiceSupplyPoints"] = points
    return service


def _service_json(
    kind: str,
    name: dict[str, str],
    identity: dict[str, Any],
    status: tuple[str, int, int | None],
    extension: dict[str, Any],
) -> dict[str, Any]:
    now, since, granted_since = status
    names = [{"lang": lang, "value": text} for lang, text in name.items()]
    service: dict[str, Any] = {
        "ServiceInformation": {
            "ServiceTypeIdentifier": kind,
            "ServiceName": names,
            "ServiceDigitalIdentity": identity,
            "ServiceStatus": now,
            "StatusStartingTime": _time(since),
            "ServiceInformationExtensions": [extension],
        }
    }
    if granted_since is not None:
        service["ServiceHistory"] = [
            {
                "ServiceTypeIdentifier": kind,
                "ServiceName": names,
                "ServiceDigitalIdentity": identity,
                "ServiceStatus": GRANTED,
                "StatusStartingTime": _time(granted_since),
            }
        ]
    return service


def _reader_json(reader: ReaderEntry, facts: dict[str, Any], scheme: Scheme, now: int) -> dict[str, Any]:
    certificate = _read(reader.certificate)
    span = _Span(start=certificate.not_before, end=certificate.not_after, superseded_at=reader.withdrawn_at)
    kind = f"{READER_SERVICE}:test" if reader.test else READER_SERVICE
    about = {"critical": False, "type": SERVICE_EXTENSION, "role": "reader", "kid": certificate.key.kid.hex()}
    service = _service_json(kind, _READER_NAME, _certificates(reader.certificate), span.status(now), about)
    extension = {"critical": False, "type": READER_EXTENSION, "reader": facts}
    return _entity(
        reader.names,
        scheme,
        about=scheme.information_uri,
        contact=scheme.contact,
        extension=extension,
        services=[service],
    )


def _entity(
    names: Names,
    scheme: Scheme,
    *,
    about: str,
    contact: str,
    extension: dict[str, Any],
    services: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "TrustedEntityInformation": {
            "TEName": _names(names),
            # The bundle knows no addresses of authorities, and the format wants one: through the operator.
            "TEAddress": {"TEPostalAddress": _postal(scheme, care_of=True), "TEElectronicAddress": _same_uri(contact)},
            "TEInformationURI": _same_uri(about),
            "TEInformationExtensions": [extension],
        },
        "TrustedEntityServices": services,
    }


def _span(authority: Authority, path: Sequence[Certificate], denied: frozenset[bytes]) -> _Span:
    kids: Collection[bytes] = [certificate.key.kid for certificate in path]
    compromised, superseded_at = withdrawal(authority, kids, denied=denied)
    return _Span(
        start=max(authority.valid_from, *(certificate.not_before for certificate in path)),
        end=min(authority.valid_until, *(certificate.not_after for certificate in path)),
        compromised=compromised,
        superseded_at=superseded_at,
    )


def _read(der: bytes) -> Certificate:
    from vcred.trust.x509 import read_certificate  # noqa: PLC0415 - one of the slow imports

    return read_certificate(der, "certificate")


def _certificates(der: bytes) -> dict[str, Any]:
    return {"X509Certificates": [{"val": b64encode(der).decode("ascii")}]}


def _names(names: Names) -> list[dict[str, str]]:
    return [{"lang": lang, "value": names.text(lang)} for lang in ("ko", "en")]


def _same_uri(uri: str) -> list[dict[str, str]]:
    return [{"lang": lang, "uriValue": uri} for lang in ("ko", "en")]


def _postal(scheme: Scheme, *, care_of: bool) -> list[dict[str, str]]:
    street = {lang: scheme.street.text(lang) for lang in ("ko", "en")}
    if care_of:
        street = {
            "ko": f"{scheme.operator.ko} 전교, {street['ko']}",
            "en": f"c/o {scheme.operator.en}, {street['en']}",
        }
    return [{"lang": lang, "StreetAddress": text, "Country": scheme.territory} for lang, text in street.items()]


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
