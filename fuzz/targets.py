"""Every parser that reads a stranger's bytes before any signature is checked, as a function of bytes alone.

``TARGETS[name](raw)`` returns for whatever the parser accepts or refuses in a documented way, and raises ``Finding``
for anything else: an undocumented exception, an error that quotes its input, or more processor time than a parser has.
"""

from __future__ import annotations

import hashlib
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec

from fuzz.online import ONLINE
from vcred import qr
from vcred.catalog import Catalog
from vcred.credential import Opened
from vcred.dcql import DcqlQuery
from vcred.errors import CatalogError, MalformedError, PolicyError, RefusedError, TrustError
from vcred.formats import _cbor, _jwe, _wire
from vcred.formats._cose import assemble, parse_sign1
from vcred.formats._jose import parse_jws, parse_proof
from vcred.formats._kb_jwt import parse_key_binding
from vcred.formats._mdoc_mso import VALUE_TAGS, embed
from vcred.formats._mdoc_request import parse_device_request, reader_signature
from vcred.formats._mdoc_session import parse_engagement, parse_engagement_uri, parse_message
from vcred.formats._w3c_cose import open_cose_credential, open_cose_presentation
from vcred.formats._w3c_jwt import parse_presentation, parse_sd_presentation
from vcred.formats._w3c_ldp import open_ldp
from vcred.formats.detect import detect
from vcred.formats.mdoc import CatalogDoctypes, Mdoc, Session
from vcred.formats.paper import open_paper
from vcred.formats.sd_cwt import SdCwt, _issuer_header
from vcred.formats.sd_jwt_json import parse_json_sd_jwt
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.formats.type_metadata import resolve_type_metadata
from vcred.formats.w3c_vc import JwtVcJson, W3cJwt, W3cSdJwt
from vcred.issuance import Delivery, IssuanceRequest, Offer
from vcred.keys import PublicKey
from vcred.presentation import Presentation, PresentationRequest
from vcred.qr.base45 import base45_decode
from vcred.qr.digits import digits_decode
from vcred.qr.fountain import parse_frame
from vcred.qr.message import decode_message
from vcred.qr.pack import unpack_jws
from vcred.reasons import ReasonCode
from vcred.receipt import Receipt
from vcred.status import StatusList, parse_status_token
from vcred.status.aggregation import parse_aggregation
from vcred.status.bitstring import bitstring_references, expand_bitstring
from vcred.trust import TrustBundle
from vcred.trust.ceremony import read_detached
from vcred.trust.content import parse_authorities, parse_meta
from vcred.trust.did import did_methods
from vcred.trust.foreign import read_foreign
from vcred.trust.lote import parse_lote
from vcred.trust.metadata import verify_metadata
from vcred.trust.pack import read_pack
from vcred.trust.seen import SeenState
from vcred.trust.vical import parse_vical
from vcred.trust.x509 import read_certificate
from verifier import VerificationPolicy
from verifier._formats import readers
from verifier.evidence import Entry, Kind, Seal, Shown
from verifier.verdict import RecordedVerdict
from wallet.receive import parse_offered

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TARGETS", "Finding", "Target", "placeholder", "text_of"]

MAX_SECONDS = 2.0
"""Processor time of one input. The slowest legitimate one takes a tenth of it, with coverage counted."""

_MAX_ERROR = 2000
_MAX_JSON = 65_536
_JWE_KEY = ec.derive_private_key(20_260_926, ec.SECP256R1())
"""A key that means nothing, so that every run decrypts the same corpus."""

_SD_CWT_HEADER = _issuer_header(PublicKey(_JWE_KEY.public_key()))
_CATALOG = Catalog.builtin()
_READERS = readers(_CATALOG)
_TYPS = ("oauth-authz-req+jwt", "openid4vci-proof+jwt", "vcred-receipt+jwt", "dc+sd-jwt", "kb+jwt")
_MDOC = Mdoc(CatalogDoctypes(_CATALOG))
_SESSION = Session(transcript=b"\x83\xf6\xf6\xf6", audience="a", nonce=None, received_at=0)
_CODE_FILE = next(name for name, text in _CATALOG.texts().items() if '"resident.personal"' in text)
_VCT = "https://types.example/card"


class Finding(Exception):
    """What no parser may do. ``where`` is short and the same for the same fault."""

    def __init__(self, where: str, detail: str) -> None:
        self.where, self.detail = where, detail
        super().__init__(f"{where}: {detail}")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A parser and what it documents. ``codes`` are those of a ``RefusedError`` that is no ``MalformedError``."""

    parse: Callable[[bytes], Any]
    errors: tuple[type[Exception], ...] = (MalformedError,)
    codes: frozenset[ReasonCode] = frozenset()

    def __call__(self, raw: bytes) -> None:
        """Raises ``Finding``."""
        start = time.thread_time()
        try:
            _touch(self.parse(raw))
        except Exception as error:  # noqa: BLE001 - any exception is what this looks for
            self._check(error)
        spent = time.thread_time() - start
        if spent > MAX_SECONDS:
            raise Finding("slow", f"{spent:.1f} s for {len(raw)} bytes")

    def _check(self, error: Exception) -> None:
        if isinstance(error, RefusedError) and not isinstance(error, MalformedError):
            if error.code not in self.codes:
                raise Finding(f"RefusedError({error.code.value})", str(error)[:300]) from error
        elif not isinstance(error, self.errors):
            raise Finding(_where(error), repr(error)[:300]) from error
        # A policy's or a catalogue's error names the line of its author's own file, however long.
        if len(str(error)) > _MAX_ERROR and not isinstance(error, (CatalogError, PolicyError)):
            raise Finding("long error", str(error)[:300]) from error


def text_of(raw: bytes) -> str:
    """Bytes as the text a caller may pass: with lone surrogates where they are not UTF-8."""
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "surrogateescape")


def _touch(found: Any) -> None:
    """Make what is made late: the maps of an opened credential."""
    for opened in found if isinstance(found, tuple) else (found,):
        if isinstance(opened, Opened):
            dict(opened.hidden_elements)
            dict(opened.disclosures)


def _where(error: BaseException) -> str:
    ours = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "/fuzz/" not in frame.filename and "/tests/" not in frame.filename
    ]
    last = ours[-1] if ours else traceback.extract_tb(error.__traceback__)[-1]
    own = [frame for frame in ours if "site-packages" not in frame.filename and "/lib/python" not in frame.filename]
    frame = own[-1] if own else last
    return f"{type(error).__name__} in {'/'.join(frame.filename.split('/')[-2:])}:{frame.name}"


def _json(raw: bytes) -> Any:
    return _wire.parse_json(raw, "t", max_bytes=_MAX_JSON)


def _cbor_value(raw: bytes) -> Any:
    return _cbor.decode(raw, "t", max_bytes=_MAX_JSON)


def _scanned(raw: bytes) -> None:
    reader = qr.Reader()
    for text in text_of(raw).split("|"):
        with suppress(MalformedError):
            reader.add(text)
    reader.message()


def _catalogue(raw: bytes) -> None:
    list(Catalog.from_texts({_CODE_FILE: text_of(raw)}).types())


def _evidence(raw: bytes) -> None:
    entry = Entry.parse(raw)
    if entry.kind is Kind.VERDICT:
        RecordedVerdict.parse(entry.body)


def _sd_jwt(raw: bytes, typ: str) -> bytes:
    """An SD-JWT whose digests are right: a line of JSON for the payload, and one for each disclosure.

    The text ``#2`` anywhere stands for the digest of disclosure 2, which may itself refer to later ones.
    """
    payload, *disclosures = raw.split(b"\n")[:64]
    encoded: list[bytes] = []
    for number in range(len(disclosures), 0, -1):
        encoded.insert(0, _wire.b64u_bytes(_with_digests(disclosures[number - 1], encoded, number + 1)))
    header = _wire.b64u_bytes(_wire.dump_json({"alg": "ES256", "typ": typ}))
    signed = _wire.b64u_bytes(_with_digests(payload, encoded, 1))
    return b"~".join((b".".join((header, signed, _wire.b64u_bytes(bytes(64)))), *encoded, b""))


def _with_digests(text: bytes, encoded: list[bytes], first: int) -> bytes:
    for number, disclosure in enumerate(encoded, first):
        digest = _wire.b64u_bytes(hashlib.sha256(disclosure).digest())
        text = text.replace(b'"#%d"' % number, b'"%s"' % digest)
    return text


def _sd_cwt(raw: bytes) -> bytes:
    """An SD-CWT whose digests are right: CBOR of a payload and of disclosures, each in a byte string.

    ``placeholder(2)`` anywhere stands for the digest of disclosure 2, which may itself refer to later ones.
    """
    value = _cbor_value(raw)
    if type(value) is not list or not value or not all(type(part) is bytes for part in value):
        raise MalformedError(ReasonCode.FORMAT)
    parts = list(value[:64])
    for number in range(len(parts) - 1, 0, -1):
        digest = hashlib.sha256(_cbor.bstr(parts[number])).digest()
        parts = [part.replace(placeholder(number), digest) for part in parts]
    unprotected = _cbor.encode({17: parts[1:]}) if parts[1:] else b"\xa0"
    return assemble(_SD_CWT_HEADER, unprotected, parts[0]).complete(bytes(64))


def placeholder(number: int) -> bytes:
    """As long as a digest."""
    return b"\xdd" * 31 + bytes((number,))


def _mdoc_parts(raw: bytes) -> bytes:
    """IssuerSigned whose digests are right: CBOR of the signed object, a namespace, its items, and a certificate."""
    value = _cbor.decode(raw, "t", max_bytes=_MAX_JSON, tags=VALUE_TAGS)
    if type(value) is not list or len(value) != 4 or type(value[0]) is not dict or type(value[2]) is not list:
        raise MalformedError(ReasonCode.FORMAT)
    mso, space, items, certificate = value
    items = [item for item in items if type(item) is bytes]
    try:
        spaces = {space: {_digest_id(item, n): hashlib.sha256(embed(item)).digest() for n, item in enumerate(items)}}
        payload = embed(_cbor.encode({**mso, "valueDigests": spaces}))
        array = [_cbor.encode({1: -7}), {33: certificate}, payload, bytes(64)]
        name_spaces = {space: [_cbor.Embedded(item) for item in items]}
        return _cbor.encode({"issuerAuth": array, "nameSpaces": name_spaces})
    except (TypeError, ValueError):  # what was read cannot be written again
        raise MalformedError(ReasonCode.CBOR) from None


def _digest_id(item: bytes, otherwise: int) -> int:
    with suppress(MalformedError):
        value = _cbor.decode(item, "t", max_bytes=_MAX_JSON, tags=VALUE_TAGS)
        if type(value) is dict and type(value.get("digestID")) is int:
            return int(value["digestID"])
    return otherwise


def _mdoc_message(raw: bytes) -> None:
    message = parse_message(raw)
    if message.reader_key is not None:
        message.public_key  # noqa: B018 - it is read when it is asked for


def _mdoc_request(raw: bytes) -> None:
    for asked in parse_device_request(raw):
        reader_signature(asked, _SESSION.transcript)


def _pack(raw: bytes) -> None:
    """A pack under the root it brings along: it is its own forger."""
    files = read_pack(raw)
    TrustBundle.loads(raw, root=files.get("1.root.json", b""), seen=None)


def _tuf(raw: bytes) -> None:
    """The metadata as one file: name, newline, content, blank line, and so on."""
    files = {}
    for block in raw.split(b"\n\n"):
        name, _, content = block.partition(b"\n")
        files[name.decode("ascii", "replace")] = content
    verify_metadata(files, root=files.get("1.root.json", b""))


def _did(raw: bytes) -> None:
    """``did`` or, for one with a document, ``did newline document``."""
    did, newline, document = raw.partition(b"\n")
    did_methods(text_of(did), document if newline else None, path="t")


def _detected(raw: bytes) -> None:
    """The answer of ``detect``, which no format's own parser may contradict."""
    found = None
    with suppress(MalformedError):
        found = detect(raw)
    for name, form in _READERS.items():
        with suppress(MalformedError):
            form.open(raw)
            assert name == found, f"{name} opens what is {found}"
    detect(raw)


_REFUSES_QR = frozenset({ReasonCode.INCOMPLETE, ReasonCode.SCHEME})
_TRUST = (TrustError,)

TARGETS: dict[str, Target] = {
    # the wire
    "base64url": Target(parse=lambda raw: _wire.b64u_decode(raw, "t")),
    "base64url_text": Target(parse=lambda raw: _wire.b64u_decode(text_of(raw), "t")),
    "json": Target(parse=_json),
    "json_text": Target(parse=lambda raw: _wire.parse_json(text_of(raw), "t", max_bytes=_MAX_JSON)),
    "json_all": Target(parse=lambda raw: _wire.parse_json_all(raw.split(b"\n"), "t", max_bytes=_MAX_JSON)),
    "inflate_raw": Target(parse=lambda raw: _wire.inflate_raw(raw, 1_000_000, "t")),
    "inflate_zlib": Target(parse=lambda raw: _wire.inflate_zlib(raw, 1_000_000, "t")),
    "cbor": Target(parse=_cbor_value),
    "cose_sign1": Target(parse=lambda raw: parse_sign1(raw, path="t")),
    "jws": Target(parse=lambda raw: parse_jws(raw, path="t", typ=_TYPS)),
    "jws_text": Target(parse=lambda raw: parse_jws(text_of(raw), path="t", typ=_TYPS)),
    "proof": Target(parse=lambda raw: parse_proof(raw, path="t", typ="openid4vci-proof+jwt")),
    "key_binding": Target(parse=parse_key_binding),
    "jwe": Target(
        parse=lambda raw: _jwe.decrypt(raw, _JWE_KEY, path="t", max_plaintext=4096),
        codes=frozenset({ReasonCode.INTEGRITY}),
    ),
    "jwk": Target(parse=lambda raw: PublicKey.from_jwk(_json(raw), post_quantum=True)),
    "encryption_jwk": Target(parse=lambda raw: _jwe.encryption_key(_json(raw))),
    "cose_key": Target(parse=lambda raw: PublicKey.from_cose(_cbor_value(raw), post_quantum=True)),
    "spki": Target(parse=PublicKey.from_spki),
    "certificate": Target(parse=lambda raw: read_certificate(raw, "t")),
    "certificate_foreign": Target(parse=lambda raw: read_foreign(raw, "t")),
    # credentials
    "sd_jwt_vc": Target(parse=SdJwtVc().open),
    "sd_jwt_vc_disclosures": Target(parse=lambda raw: SdJwtVc().open(_sd_jwt(raw, "dc+sd-jwt"))),
    "sd_jwt_json": Target(parse=lambda raw: parse_json_sd_jwt(raw, path="t", typ="dc+sd-jwt")),
    "type_metadata": Target(parse=lambda raw: resolve_type_metadata(_VCT, {_VCT: raw}, integrity=None)),
    "sd_cwt": Target(parse=SdCwt(_CATALOG.labels).open),
    "sd_cwt_disclosures": Target(parse=lambda raw: SdCwt(_CATALOG.labels).open(_sd_cwt(raw))),
    "paper": Target(parse=lambda raw: open_paper(raw, _CATALOG.labels)),
    "mdoc": Target(parse=_MDOC.open),
    "mdoc_items": Target(parse=lambda raw: _MDOC.open(_mdoc_parts(raw))),
    "mdoc_response": Target(parse=lambda raw: _MDOC.open_response(raw, _SESSION)),
    "mdoc_engagement": Target(parse=parse_engagement),
    "mdoc_engagement_uri": Target(parse=lambda raw: parse_engagement_uri(text_of(raw))),
    "mdoc_message": Target(parse=_mdoc_message),
    "mdoc_request": Target(parse=_mdoc_request),
    "w3c_jwt": Target(parse=W3cJwt().open),
    "w3c_sd_jwt": Target(parse=W3cSdJwt().open),
    "w3c_sd_jwt_disclosures": Target(parse=lambda raw: W3cSdJwt().open(_sd_jwt(raw, "vc+sd-jwt"))),
    "w3c_vp_jwt": Target(parse=lambda raw: parse_presentation(raw, contexts=())),
    "w3c_vp_sd_jwt": Target(parse=lambda raw: parse_sd_presentation(raw, contexts=())),
    "w3c_jwt_vc_json": Target(parse=JwtVcJson().open),
    "w3c_vc_cose": Target(parse=lambda raw: open_cose_credential(raw, contexts=())),
    "w3c_vp_cose": Target(parse=lambda raw: open_cose_presentation(raw, contexts=())),
    "w3c_ldp": Target(parse=open_ldp),
    "detect": Target(parse=_detected),
    "vp_token": Target(parse=lambda raw: Presentation.of(_json(raw))),
    # status
    "status_token": Target(parse=parse_status_token),
    "status_list": Target(parse=lambda raw: StatusList.from_compressed(bits=2, compressed=raw)),
    "status_bitstring": Target(parse=lambda raw: expand_bitstring(text_of(raw))),
    "status_references": Target(parse=lambda raw: bitstring_references(_json(raw))),
    "status_aggregation": Target(parse=parse_aggregation),
    # QR
    "qr_envelope": Target(parse=decode_message),
    "qr_codes": Target(parse=_scanned, codes=_REFUSES_QR),
    "qr_decode": Target(parse=lambda raw: qr.decode(text_of(raw).split("|")), codes=_REFUSES_QR),
    "qr_frame": Target(parse=parse_frame),
    "qr_base45": Target(parse=lambda raw: base45_decode(text_of(raw), "t")),
    "qr_digits": Target(parse=lambda raw: digits_decode(text_of(raw), "t")),
    "qr_packed_jws": Target(parse=lambda raw: unpack_jws(_cbor_value(raw))),
    # messages
    "dcql": Target(parse=lambda raw: DcqlQuery.parse(_json(raw))),
    "request": Target(parse=PresentationRequest.parse),
    "request_text": Target(parse=lambda raw: PresentationRequest.parse(text_of(raw))),
    "presentation": Target(parse=Presentation.parse),
    "receipt": Target(parse=Receipt.parse),
    "receipt_text": Target(parse=lambda raw: Receipt.parse(text_of(raw))),
    "offer": Target(parse=Offer.parse),
    "offer_text": Target(parse=lambda raw: Offer.parse(text_of(raw))),
    "offered": Target(parse=parse_offered),
    "issuance_request": Target(parse=IssuanceRequest.parse),
    "delivery": Target(parse=Delivery.parse),
    # trust
    "trust_archive": Target(parse=read_pack),
    "trust_pack": Target(parse=_pack, errors=(TrustError, MalformedError)),
    "tuf_metadata": Target(parse=_tuf, errors=_TRUST),
    "tuf_detached": Target(parse=read_detached, errors=_TRUST),
    "authorities": Target(parse=parse_authorities, errors=_TRUST),
    "trust_meta": Target(parse=parse_meta, errors=_TRUST),
    "trust_seen": Target(parse=SeenState.parse, errors=_TRUST),
    "did": Target(parse=_did),
    "lote": Target(parse=parse_lote),
    "vical": Target(parse=parse_vical),
    "policy": Target(parse=lambda raw: VerificationPolicy.load(text_of(raw)), errors=(PolicyError,)),
    "catalogue": Target(parse=_catalogue, errors=(CatalogError,)),
    # evidence
    "evidence_entry": Target(parse=_evidence),
    "evidence_answer": Target(parse=lambda raw: Shown.from_bytes(raw).read()),
    "evidence_seal": Target(parse=Seal.parse),
    **{name: Target(**one) for name, one in ONLINE.items()},
}
