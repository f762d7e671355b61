"""DeviceRequest of an mdoc reader, with reader authentication (ISO/IEC 18013-5 clauses 8.3.2.1.2.1 and 9.1.4).

A request names document types and data elements, and for each whether the reader will keep it. The reader signs each
part of a request together with the session, so it is good in no other. Whose key it is, the certificates say; whether
they are to be believed is decided by whoever has the readers' anchors. Members that the standard may add are let be,
so a request that is only signed as a whole (second edition) counts as unsigned.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import Embedded, decode, encode
from vcred.formats._cose import ALG, COSE_ALG, X5CHAIN, Sign1, chain_of, read_sign1, sig_structure, verify_sign1
from vcred.formats._mdoc_mso import EMBEDDED, embed, is_text, read_version
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vcred.keys import PublicKey, Signer

__all__ = ["DocRequest", "make_device_request", "parse_device_request", "reader_signature", "verify_reader"]

MAX_REQUEST: Final = 64 * 1024

_MAX_DOCUMENTS: Final = 16
_MAX_ELEMENTS: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class DocRequest:
    """What is asked of one document: by namespace and element, whether the reader intends to keep it.

    ``items_request`` is the encoded ItemsRequest as received, ``reader_auth`` the undecoded signature over it.
    """

    doctype: str
    elements: Mapping[str, Mapping[str, bool]]
    items_request: bytes = field(repr=False)
    reader_auth: Any = field(repr=False)


def parse_device_request(raw: bytes) -> tuple[DocRequest, ...]:
    """Read a DeviceRequest. Verifies nothing.

    Raises ``MalformedError``: ``size``, ``cbor``, ``tag``, ``depth``, ``format``, ``limit``.
    """
    request = decode(raw, "request", max_bytes=MAX_REQUEST, tags=EMBEDDED)
    if type(request) is not dict:
        raise MalformedError(ReasonCode.FORMAT, "request", "not a map")
    read_version(request.get("version"), "request")
    asked = request.get("docRequests")
    if type(asked) is not list or not asked:
        raise MalformedError(ReasonCode.FORMAT, "request.docRequests", "nothing is asked for")
    if len(asked) > _MAX_DOCUMENTS:
        raise MalformedError(ReasonCode.LIMIT, "request.docRequests", f"more than {_MAX_DOCUMENTS} documents")
    return tuple(_doc_request(one, f"docRequests[{index}]") for index, one in enumerate(asked))


def make_device_request(
    asked: Mapping[str, Mapping[str, Mapping[str, bool]]],
    *,
    transcript: bytes,
    signer: Signer | None,
    chain: Sequence[bytes] = (),
) -> bytes:
    """A DeviceRequest for ``asked`` (by document type, namespace and element), signed for the session.

    ``chain`` are the reader's certificates, leaf first, without the root. Without ``signer`` nobody is named as the
    reader. Raises ``ValueError`` for an empty request or a signer without certificate; ``SigningError``.
    """
    if not asked or not all(spaces and all(spaces.values()) for spaces in asked.values()):
        raise ValueError("a request asks for something of each document")
    if (signer is None) is not (not chain):
        raise ValueError("a reader that signs names itself by its certificates")
    requests = []
    for doctype, elements in asked.items():
        items = encode({"docType": doctype, "nameSpaces": elements})
        one: dict[str, Any] = {"itemsRequest": Embedded(items)}
        if signer is not None:
            header = encode({ALG: COSE_ALG[signer.public_key.alg]})
            outside = {X5CHAIN: chain[0] if len(chain) == 1 else list(chain)}
            signature = signer.sign(sig_structure(header, _authentication(transcript, items)))
            one["readerAuth"] = [header, outside, None, signature]
        requests.append(one)
    return encode({"version": "1.0", "docRequests": requests})


def reader_signature(asked: DocRequest, transcript: bytes) -> tuple[Sign1, tuple[bytes, ...]] | None:
    """The reader's signature for the session of ``transcript``, and its certificates; ``None`` when it did not sign.

    Verifies nothing. Raises ``MalformedError``: ``format``, ``alg``, ``crit``, ``kid``, ``chain``, ``cbor``, ``tag``.
    """
    array = asked.reader_auth
    if array is None:
        return None
    path = "readerAuth"
    if type(array) is not list or len(array) != 4 or array[2] is not None:
        raise MalformedError(ReasonCode.FORMAT, path, "not a COSE_Sign1 with a detached payload")
    sign1 = read_sign1([*array[:2], _authentication(transcript, asked.items_request), array[3]], path=path)
    chain = chain_of(sign1, f"{path}.x5chain")
    if not chain:
        raise MalformedError(ReasonCode.CHAIN, f"{path}.x5chain", "missing")
    return sign1, chain


def verify_reader(asked: DocRequest, *, transcript: bytes, key: PublicKey) -> None:
    """Check the reader's signature with ``key``, that of its certificate, once that is trusted.

    Raises ``RefusedError``: ``reader_untrusted`` when it did not sign, ``alg``, ``signature``, and as
    ``reader_signature``.
    """
    found = reader_signature(asked, transcript)
    if found is None:
        raise RefusedError(ReasonCode.READER_UNTRUSTED, "readerAuth", "the reader did not sign")
    verify_sign1(found[0], key)


def _authentication(transcript: bytes, items_request: bytes) -> bytes:
    """ReaderAuthenticationBytes."""
    return embed(b"".join((b"\x83\x74ReaderAuthentication", transcript, embed(items_request))))


def _doc_request(value: Any, path: str) -> DocRequest:
    items = value.get("itemsRequest") if type(value) is dict else None
    if type(items) is not Embedded:
        raise MalformedError(ReasonCode.FORMAT, path, "no itemsRequest in a byte string with tag 24")
    request = decode(items.raw, f"{path}.itemsRequest", max_bytes=len(items.raw), tags=EMBEDDED)
    if type(request) is not dict or not is_text(request.get("docType")):
        raise MalformedError(ReasonCode.FORMAT, f"{path}.itemsRequest", "no document type")
    elements = request.get("nameSpaces")
    if type(elements) is not dict or not elements or not all(map(_is_asked, elements, elements.values())):
        raise MalformedError(ReasonCode.FORMAT, f"{path}.itemsRequest.nameSpaces", "not elements by namespace")
    if sum(map(len, elements.values())) > _MAX_ELEMENTS:
        raise MalformedError(ReasonCode.LIMIT, f"{path}.itemsRequest.nameSpaces", f"more than {_MAX_ELEMENTS} elements")
    return DocRequest(
        doctype=request["docType"],
        elements=elements,
        items_request=items.raw,
        reader_auth=value.get("readerAuth"),
    )


def _is_asked(namespace: Any, elements: Any) -> bool:
    return (
        is_text(namespace)
        and type(elements) is dict
        and bool(elements)
        and all(type(name) is str and type(keeps) is bool for name, keeps in elements.items())
    )
