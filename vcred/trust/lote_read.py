"""Read a List of Trusted Entities: JWS compact, JSON binding of ETSI TS 119 602 V1.1.1, strictly and once.

Members are those of the published JSON schema (annex A): none unknown, none missing, none of another kind. Read are
the parts that decide about trust; what only informs (addresses, notices, pointers) has to be there in its shape.
An extension says whether it is critical (clauses 6.3.17 and 6.6.9); a critical one that is not known is refused, and
so is one that does not say. The schema wraps the list in ``LoTE``; lists are published without that too; both are read.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from vcred.errors import MalformedError
from vcred.formats._jose import read_segments
from vcred.formats._wire import parse_json
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode
from vcred.trust.foreign import MAX_FOREIGN_BYTES
from vcred.trust.lote_model import Lote, LoteEntity, LoteHistory, LoteIdentity, LoteService

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Read = Callable[[Any, str], Any]

__all__ = ["MAX_LOTE_BYTES", "parse_lote"]

MAX_LOTE_BYTES: Final = 8 * 1024 * 1024
_MAX_ITEMS: Final = 4096
_MAX_TEXT: Final = 8192
_MAX_NUMBER: Final = 2**53 - 1
# A typ is optional in JAdES, and each publisher has its own.
_TYPES: Final = (None, "JOSE", "jose", "JWT", "trustlist+jwt")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_OWN_EXTENSIONS: Final = frozenset({"ServiceUniqueIdentifier", "OtherAssociatedBodies"})
"""Extensions that TS 119 602 defines itself, without a criticality."""
_T = TypeVar("_T")


def parse_lote(raw: bytes | str) -> Lote:
    """Read a signed list; its signature is NOT checked here.

    Raises ``MalformedError``: what a JWS may be refused for (``size``, ``format``, ``encoding``, ``json``, ``depth``,
    ``duplicate_key``, ``alg``, ``typ``, ``crit``, ``untrusted``, ``kid``, ``chain``), ``format`` for a member that is
    not as the schema has it, ``limit``, ``key``, ``crit`` for a critical extension that is not known.
    """
    if len(raw) > MAX_LOTE_BYTES:
        raise MalformedError(ReasonCode.SIZE, "lote", f"more than {MAX_LOTE_BYTES} bytes")
    token = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass")
    parts = token.strip(b"\r\n").split(b".", 3)
    if len(parts) != 3 or not parts[0] or not parts[1]:
        _wrong("lote", "not three segments with a header and a payload")
    jws = read_segments(parts[0], parts[1], parts[2], "lote", None, with_key=False)
    typ = jws.header.get("typ")
    if typ is not None and typ not in _TYPES:
        raise MalformedError(ReasonCode.TYP, "lote.header.typ", "another typ is required here")
    body = parse_json(jws.payload, "lote.payload", max_bytes=MAX_LOTE_BYTES, max_depth=24)
    if isinstance(body, dict) and set(body) == {"LoTE"}:
        body = body["LoTE"]
    found = _members(body, "LoTE", {"ListAndSchemeInformation": _scheme}, {"TrustedEntitiesList": _some(_entity)})
    scheme = found["ListAndSchemeInformation"]
    if scheme["LoTEVersionIdentifier"] != 1:
        _wrong("LoTE.LoTEVersionIdentifier", "this version is not known")
    if not scheme["LoTESequenceNumber"]:
        _wrong("LoTE.LoTESequenceNumber", "numbers begin with 1")
    return Lote(
        sequence=scheme["LoTESequenceNumber"],
        type=scheme["LoTEType"],
        operator=scheme["SchemeOperatorName"],
        names=scheme["SchemeName"] or (),
        territory=scheme["SchemeTerritory"],
        issued_at=scheme["ListIssueDateTime"],
        next_update=scheme["NextUpdate"],
        entities=found["TrustedEntitiesList"] or (),
        extensions=scheme["SchemeExtensions"] or (),
        jws=jws,
    )


def _wrong(path: str, detail: str) -> NoReturn:
    raise MalformedError(ReasonCode.FORMAT, path, detail)


def _members(value: Any, path: str, required: Mapping[str, Read], optional: Mapping[str, Read]) -> dict[str, Any]:
    """The members of an object, each as its reader returns it; ``None`` for an optional one that is not there."""
    if not isinstance(value, dict):
        _wrong(path, "not an object")
    if not required.keys() <= value.keys() <= required.keys() | optional.keys():
        _wrong(path, "a member is missing or unknown")
    found: dict[str, Any] = dict.fromkeys(optional)
    for name, member in value.items():
        found[name] = (required.get(name) or optional[name])(member, f"{path}.{name}")
    return found


def _some(read: Callable[[Any, str], _T]) -> Callable[[Any, str], tuple[_T, ...]]:
    """A reader of a list of one or more."""

    def each(value: Any, path: str) -> tuple[_T, ...]:
        if not isinstance(value, list) or not value:
            _wrong(path, "not a list of one or more")
        if len(value) > _MAX_ITEMS:
            raise MalformedError(ReasonCode.LIMIT, path, f"more than {_MAX_ITEMS} items")
        return tuple(read(item, f"{path}[{index}]") for index, item in enumerate(value))

    return each


def _object(required: Mapping[str, Read], optional: Mapping[str, Read]) -> Read:
    return lambda value, path: _members(value, path, required, optional)


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value or len(value) > _MAX_TEXT:
        _wrong(path, f"not a text of 1 to {_MAX_TEXT} characters")
    return value


def _uri(value: Any, path: str) -> str:
    text = _text(value, path)
    if ":" not in text or not text.isprintable() or " " in text:
        _wrong(path, "not a URI")
    return text


def _territory(value: Any, path: str) -> str:
    if not isinstance(value, str) or not re.fullmatch("[A-Z]{2}", value):
        _wrong(path, "not a country code")
    return value


def _number(value: Any, path: str) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_NUMBER:
        _wrong(path, "not a number")
    return value


def _time(value: Any, path: str) -> int:
    """Clause 6.1.3: UTC with ``Z`` and whole seconds."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        _wrong(path, "not a time as YYYY-MM-DDThh:mm:ssZ")
    try:
        return int(datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
    except ValueError:
        _wrong(path, "no such time")


def _next_update(value: Any, path: str) -> int | None:
    return None if value is None else _time(value, path)


def _lang_text(value: Any, path: str) -> tuple[str, str]:
    found = _members(value, path, {"lang": _text, "value": _text}, {})
    return found["lang"], found["value"]


def _lang_uri(value: Any, path: str) -> str:
    uri: str = _members(value, path, {"lang": _text, "uriValue": _uri}, {})["uriValue"]
    return uri


def _base64(value: Any, path: str) -> bytes:
    """Standard base64 (RFC 4648 section 4), one line, no stray bits."""
    if not isinstance(value, str) or not value:
        _wrong(path, "not text")
    if len(value) > MAX_FOREIGN_BYTES * 2:
        raise MalformedError(ReasonCode.LIMIT, path, "a certificate that is too large")
    try:
        raw = b64decode(value, validate=True)
    except (Base64Error, ValueError):
        raise MalformedError(ReasonCode.ENCODING, path, "not standard base64") from None
    if b64encode(raw).decode("ascii") != value:
        raise MalformedError(ReasonCode.ENCODING, path, "base64 with stray bits")
    return raw


def _certificate(value: Any, path: str) -> bytes:
    der: bytes = _members(value, path, {"val": _base64}, {"encoding": _uri, "specRef": _text})["val"]
    if not der.startswith(b"\x30"):
        raise MalformedError(ReasonCode.CHAIN, path, "not a certificate in DER")
    return der


def _jwk(value: Any, path: str) -> PublicKey | None:
    """A key; ``None`` for a kind that this SDK does not use. Raises ``key`` for a private one."""
    if not isinstance(value, dict) or not isinstance(value.get("kty"), str):
        raise MalformedError(ReasonCode.KEY, path, "not a JWK")
    usable = value["kty"] in ("EC", "OKP") and value.get("crv") in ("P-256", "P-384", "Ed25519")
    if not usable and not {"d", "k", "p"} & value.keys():
        return None
    return PublicKey.from_jwk(value, path=path)


def _identity(value: Any, path: str) -> LoteIdentity:
    found = _members(
        value,
        path,
        {},
        {
            "X509Certificates": _some(_certificate),
            "X509SubjectNames": _some(_text),
            "PublicKeyValues": _some(_jwk),
            "X509SKIs": _some(_base64),
            "OtherIds": _some(_text),
        },
    )
    return LoteIdentity(
        certificates=found["X509Certificates"] or (),
        keys=tuple(key for key in found["PublicKeyValues"] or () if key is not None),
        other_ids=found["OtherIds"] or (),
    )


def _extension(value: Any, path: str) -> Mapping[str, Any]:
    """An extension that may be ignored. Which of them are known is for their reader to say: none is critical."""
    if not isinstance(value, dict):
        _wrong(path, "not an object")
    flags = [value[name] for name in ("critical", "Critical") if name in value]
    if not flags and len(value) == 1 and _OWN_EXTENSIONS & value.keys():
        return value
    if len(flags) != 1 or not isinstance(flags[0], bool):
        _wrong(path, "the extension does not say whether it is critical")
    if flags[0]:
        raise MalformedError(ReasonCode.CRIT, path, "a critical extension that is not known")
    return value


def _history(value: Any, path: str) -> LoteHistory:
    found = _members(
        value,
        path,
        {
            "ServiceName": _some(_lang_text),
            "ServiceDigitalIdentity": _identity,
            "ServiceStatus": _uri,
            "StatusStartingTime": _time,
        },
        {"ServiceTypeIdentifier": _uri, "ServiceInformationExtensions": _some(_extension)},
    )
    return LoteHistory(
        status=found["ServiceStatus"], since=found["StatusStartingTime"], identity=found["ServiceDigitalIdentity"]
    )


def _supply_point(value: Any, path: str) -> str:
    uri: str = _members(value, path, {"uriValue": _uri}, {"ServiceType": _uri})["uriValue"]
    return uri


def _service(value: Any, path: str) -> LoteService:
    outer = _members(value, path, {"ServiceInformation": _information}, {"ServiceHistory": _some(_history)})
    found = outer["ServiceInformation"]
    return LoteService(
        type=found["ServiceTypeIdentifier"],
        names=found["ServiceName"],
        identity=found["ServiceDigitalIdentity"],
        status=found["ServiceStatus"],
        since=found["StatusStartingTime"],
        supply_points=found["ServiceSupplyPoints"] or (),
        history=outer["ServiceHistory"] or (),
        extensions=found["ServiceInformationExtensions"] or (),
    )


def _entity(value: Any, path: str) -> LoteEntity:
    found = _members(value, path, {"TrustedEntityInformation": _about, "TrustedEntityServices": _some(_service)}, {})
    about = found["TrustedEntityInformation"]
    return LoteEntity(
        names=about["TEName"],
        information_uris=about["TEInformationURI"],
        services=found["TrustedEntityServices"],
        extensions=about["TEInformationExtensions"] or (),
    )


def _notice(value: Any, path: str) -> None:
    if isinstance(value, dict) and set(value) == {"LoTELegalNotice"}:
        _text(value["LoTELegalNotice"], path)
    else:
        _members(value, path, {"LoTEPolicy": _lang_uri}, {})


_LANG_TEXTS: Final = _some(_lang_text)
_LANG_URIS: Final = _some(_lang_uri)
_POSTAL: Final = _some(
    _object(
        {"lang": _text, "StreetAddress": _text, "Country": _text},
        {"Locality": _text, "StateOrProvince": _text, "PostalCode": _text},
    )
)
_information: Final = _object(
    {"ServiceName": _LANG_TEXTS, "ServiceDigitalIdentity": _identity},
    {
        "ServiceTypeIdentifier": _uri,
        "ServiceStatus": _uri,
        "StatusStartingTime": _time,
        "SchemeServiceDefinitionURI": _LANG_URIS,
        "ServiceSupplyPoints": _some(_supply_point),
        "ServiceDefinitionURI": _LANG_URIS,
        "ServiceInformationExtensions": _some(_extension),
    },
)
_about: Final = _object(
    {
        "TEName": _LANG_TEXTS,
        "TEAddress": _object({"TEPostalAddress": _POSTAL, "TEElectronicAddress": _LANG_URIS}, {}),
        "TEInformationURI": _LANG_URIS,
    },
    {"TETradeName": _LANG_TEXTS, "TEInformationExtensions": _some(_extension)},
)
_pointer: Final = _object(
    {
        "LoTELocation": _uri,
        "ServiceDigitalIdentities": _some(_identity),
        "LoTEQualifiers": _some(
            _object(
                {"LoTEType": _uri, "SchemeOperatorName": _LANG_TEXTS, "MimeType": _text},
                {"SchemeTypeCommunityRules": _LANG_URIS, "SchemeTerritory": _territory},
            )
        ),
    },
    {},
)
_scheme: Final = _object(
    {
        "LoTEVersionIdentifier": _number,
        "LoTESequenceNumber": _number,
        "SchemeOperatorName": _LANG_TEXTS,
        "ListIssueDateTime": _time,
        "NextUpdate": _next_update,
    },
    {
        "LoTEType": _uri,
        "SchemeOperatorAddress": _object(
            {"SchemeOperatorPostalAddress": _POSTAL, "SchemeOperatorElectronicAddress": _LANG_URIS}, {}
        ),
        "SchemeName": _LANG_TEXTS,
        "SchemeInformationURI": _LANG_URIS,
        "StatusDeterminationApproach": _uri,
        "SchemeTypeCommunityRules": _LANG_URIS,
        "SchemeTerritory": _territory,
        "PolicyOrLegalNotice": _some(_notice),
        "HistoricalInformationPeriod": _number,
        "PointersToOtherLoTE": _some(_pointer),
        "DistributionPoints": _some(_uri),
        "SchemeExtensions": _some(_extension),
    },
)
