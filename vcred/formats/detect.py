"""``detect``: which format the bytes of a credential or of a presentation are in, whatever anybody calls them.

Only the shape is looked at, with the codecs that the formats have themselves, and each byte sequence has one answer:

1. Three families, by the first byte: CBOR (an array, a map, tag 18), a JSON object, and compact JOSE text. No text that
   one of them takes begins as another does.
2. JOSE: the ``typ`` of the protected header, letter for letter, and disclosures exactly where the format has them.
   ``JWT``, or no ``typ``, is VCDM 1.1 if the payload has one of ``vc`` and ``vp``.
3. COSE_Sign1: ``typ`` (header 16), which is signed.
4. mdoc: an IssuerSigned map, a DeviceResponse map, or our QR envelope around one; never two of them in one.
5. JSON: ``@context``, a type of VCDM and a ``proof``; nothing of a JWS beside them.

What has two shapes is in no format. Nothing is verified, no disclosure is matched, and no claim is read: that is the
format's own ``open``, which takes no bytes that ``detect`` calls otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError
from vcred.formats._cbor import Tagged, decode
from vcred.formats._cose import TYP, read_sign1
from vcred.formats._jose import parse_jws, peek_header
from vcred.formats._kb_cwt import KB_TYPES
from vcred.formats._mdoc_handover import QR_HANDOVER
from vcred.formats._mdoc_response import MAX_TOKEN as MAX_MDOC
from vcred.formats._mdoc_response import OF_A_RESPONSE
from vcred.formats._wire import b64u_decode, dump_json, parse_json
from vcred.formats.paper import PAPER_FORMAT, PAPER_TYP
from vcred.formats.sd_cwt import SD_CWT_TYPES
from vcred.formats.sd_jwt import MAX_TOKEN as MAX_TEXT
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["detect", "detect_token"]

_SIGN1_TAG: Final = 18
_CBOR_TAGS: Final = frozenset({_SIGN1_TAG, 24})
_HEADER_TAGS: Final = frozenset({_SIGN1_TAG})
_ARRAY, _MAP, _TAG = 4, 5, 6
"""Major types of CBOR: the three highest bits of the first byte, which no ASCII text has set like that."""

_JOSE: Final = {
    "dc+sd-jwt": ("dc+sd-jwt", True),
    "vc+sd-jwt": ("vc+sd-jwt", True),
    "vc+jwt": ("vc+jwt", False),
    "vp+jwt": ("vc+jwt", False),
    "vp+sd-jwt": ("vc+sd-jwt", True),
}
"""By ``typ``: the format, and whether disclosures follow the token."""

_LEGACY_TYPS: tuple[Any, ...] = ("JWT", None)
_COSE: Final = {
    **dict.fromkeys((*SD_CWT_TYPES, *KB_TYPES), "sd-cwt"),
    PAPER_TYP: PAPER_FORMAT,
    "application/vc+cose": "vc+cose",
    "application/vp+cose": "vc+cose",
}
_VCDM_TYPES: Final = frozenset({"VerifiableCredential", "VerifiablePresentation"})
_OF_A_JWS: Final = frozenset({"payload", "protected", "signature", "signatures", "disclosures"})
_SPACE: Final = b" \t\r\n"


def detect(raw: bytes) -> str:
    """The id of the format that ``raw`` is in, if it is in any.

    Raises ``MalformedError``: ``format`` for what is nobody's, or of two shapes at once, else the codec's own reason.
    """
    if len(raw) > MAX_MDOC:
        raise MalformedError(ReasonCode.SIZE, "", f"more than {MAX_MDOC} bytes")
    first = raw[:1]
    if not first:
        raise _nobodys("nothing at all")
    if first[0] >> 5 in (_ARRAY, _MAP, _TAG):
        return _in_cbor(raw)
    if first == b"{" or first in _SPACE:
        return _in_json(raw)
    return _in_jose(raw)


def detect_token(token: str | bytes | Mapping[str, Any]) -> tuple[str, bytes]:
    """The format of one member of an OpenID4VP ``vp_token``, and its bytes as the format takes them.

    A member is text, which for CBOR formats is base64url, or a JSON object. Bytes are taken as they are. Raises
    ``MalformedError``.
    """
    if isinstance(token, bytes):
        return detect(token), token
    if not isinstance(token, str):
        try:
            raw = dump_json(dict(token))
        except (TypeError, ValueError, RecursionError):
            raise _nobodys("neither text nor a JSON object") from None
        return detect(raw), raw
    if len(token) > 2 * MAX_MDOC or not token.isascii():
        raise _nobodys("not ASCII text of a size that anything has")
    raw = token.encode("ascii")
    # The first byte of a JOSE header is a brace, so its first letter is "e"; no CBOR of ours becomes that letter.
    if raw[:1] not in (b"e", b"{"):
        raw = b64u_decode(raw, "")
        if raw[:1] and raw[0] >> 5 not in (_ARRAY, _MAP, _TAG):
            raise _nobodys("base64url of something else than CBOR")
    return detect(raw), raw


def _in_jose(raw: bytes) -> str:
    if len(raw) > MAX_TEXT:
        raise MalformedError(ReasonCode.SIZE, "jwt", f"more than {MAX_TEXT} bytes")
    token, tilde, _ = raw.partition(b"~")
    if token.count(b".") != 2:
        raise _nobodys("not a compact JWS")
    typ = peek_header(token, "jwt").get("typ")
    if typ in _LEGACY_TYPS:
        return _legacy(token, disclosures=bool(tilde))
    found, disclosures = _JOSE.get(typ, ("", False)) if type(typ) is str else ("", False)
    if not found:
        raise _nobodys("a JWS of another typ")
    if disclosures is not bool(tilde):
        raise _nobodys(f"{found} " + ("without its tilde" if disclosures else "with disclosures after it"))
    return found


def _legacy(token: bytes, *, disclosures: bool) -> str:
    """VCDM 1.1 has no ``typ`` of its own, so the payload has to say it."""
    if disclosures:
        raise _nobodys("a JWT with disclosures after it, and no typ that has some")
    jws = parse_jws(token, path="jwt", typ=_LEGACY_TYPS, max_bytes=MAX_TEXT)
    body = parse_json(jws.payload, "jwt.payload", max_bytes=MAX_TEXT)
    if type(body) is not dict or ("vc" in body) == ("vp" in body):
        raise _nobodys("a JWT with not exactly one of vc and vp")
    return "jwt_vc_json"


def _in_json(raw: bytes) -> str:
    body = parse_json(raw, "", max_bytes=MAX_TEXT)
    if type(body) is not dict:
        raise _nobodys("JSON that is no object")
    if not _OF_A_JWS.isdisjoint(body):
        raise _nobodys("a JWS in JSON, which is not presented" if "@context" not in body else "JSON of two shapes")
    kinds = body.get("type")
    kinds = kinds if type(kinds) is list else [kinds]
    found = {kind for kind in kinds if type(kind) is str} & _VCDM_TYPES
    if "@context" not in body or "proof" not in body or len(found) != 1:
        raise _nobodys("JSON that is no credential or presentation with a proof")
    return "ldp_vc"


def _in_cbor(raw: bytes) -> str:
    value = decode(raw, "", max_bytes=MAX_MDOC, tags=_CBOR_TAGS)
    if type(value) is Tagged:
        value = value.value
    elif type(value) is dict:
        return _mdoc_map(value)
    elif type(value) is list and len(value) == 5 and value[0] == QR_HANDOVER and type(value[4]) is dict:
        return _mdoc_map(value[4])
    typ = read_sign1(value, path="", header_tags=_HEADER_TAGS, post_quantum=True).protected.get(TYP)
    # 293.0 equals 293, and a float is no content format.
    if type(typ) not in (int, str) or typ not in _COSE:
        raise _nobodys("a COSE_Sign1 of another typ")
    return _COSE[typ]


def _mdoc_map(value: dict[Any, Any]) -> str:
    if ("issuerAuth" in value) is not OF_A_RESPONSE.isdisjoint(value):
        raise _nobodys("not exactly one of IssuerSigned and DeviceResponse")
    return "mso_mdoc"


def _nobodys(detail: str) -> MalformedError:
    return MalformedError(ReasonCode.FORMAT, "", detail)
