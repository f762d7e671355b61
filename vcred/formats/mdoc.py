"""The credential format ``mso_mdoc``: mobile documents of ISO/IEC 18013-5, ours and other people's.

Ours are trees of claims in one namespace, which is the document type (``_mdoc_tree`` says how). Of a type that another
standard spells (``_mdoc_spelling``) the document type and some namespaces are that standard's; that it is ours, the
signed object says, by its own namespace. Their ``vct`` is the certificate type's, and what never can be hidden is in
every presentation, or it is refused. Of a document that the lookup does not know, the claims are
``{namespace: {element: value}}``, with dates as text and portraits as bytes, and the ``vct`` is the document type.

``open`` takes IssuerSigned (what an issuer hands out), our QR envelope around a DeviceResponse (what our wallet
presents) or a bare DeviceResponse, whose session nobody knows: ``open_response`` is told it. What they return is
parsed and matched, and still NOT verified. ``Opened.issuer`` is what the first certificate of x5chain says, which the
chain has to prove; it is empty where that says nothing. Only x5chain says whose key it is: a ``kid`` beside it is not
read. Without x5chain a document is by a post-quantum key of the trust bundle (``_mdoc_chain`` says how it is named).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vcred.claims import ClaimPath
from vcred.credential import KeyBinding, Opened, Prepared
from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import decode_all
from vcred.formats._cose import Sign1, check_alg, prepare_sign1
from vcred.formats._mdoc_age import answering
from vcred.formats._mdoc_chain import (
    check_document_place,
    issuer_headers,
    named_signer,
    signer_facts,
    verify_document_signer,
)
from vcred.formats._mdoc_device import (
    MAC_ALG,
    NO_ELEMENTS,
    DeviceSigned,
    check_authorised,
    check_mac,
    check_signature,
    device_authentication,
    device_signature,
    mac_key,
    read_device_auth,
    shared_secret,
    to_sign,
)
from vcred.formats._mdoc_handover import dc_api_transcript, openid4vp_transcript, qr_transcript
from vcred.formats._mdoc_items import item_bytes, make_items, match_items
from vcred.formats._mdoc_mso import VALUE_TAGS, read_mso, unwrap, write_mso
from vcred.formats._mdoc_other import OtherNames
from vcred.formats._mdoc_response import (
    MAX_TOKEN,
    Document,
    Envelope,
    check_envelope,
    read_received,
    write_envelope,
    write_issuer_signed,
    write_response,
)
from vcred.formats._mdoc_tree import ROOT, flatten, plain, rebuild
from vcred.formats._mdoc_types import CatalogDoctypes, DoctypeLookup, by_namespace
from vcred.formats._paths import PathMap, needed
from vcred.formats.base import LocalSigning
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric import ec

    from vcred.credential import Content
    from vcred.formats._mdoc_items import Item
    from vcred.formats._mdoc_mso import Mso
    from vcred.formats._mdoc_spelling import Spelling
    from vcred.formats._paths import Parts
    from vcred.formats.base import IssuerKey
    from vcred.keys import PublicKey

__all__ = [
    "MAX_TOKEN",
    "CatalogDoctypes",
    "DoctypeLookup",
    "Mdoc",
    "Session",
    "dc_api_transcript",
    "openid4vp_transcript",
    "qr_transcript",
    "verify_document_signer",
]

_ID: Final = "mso_mdoc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The session a DeviceResponse came in, as its receiver knows it.

    ``transcript`` is the encoded SessionTranscript (``openid4vp_transcript`` ...). The rest becomes the
    ``KeyBinding``, because the transcript is bound to it: for whom, the nonce, and when it was received.
    """

    transcript: bytes = field(repr=False)
    audience: str
    nonce: bytes | None
    received_at: int


_NO_SESSION: Final = Session(transcript=b"", audience="", nonce=None, received_at=0)
"""The session nobody has told us about. No transcript is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened(Opened):
    """What the holder's next step needs of the document, so that it is taken apart once."""

    doctype: str
    issuer_auth: Sign1 = field(repr=False)
    by_parts: dict[Parts, Item] = field(repr=False)
    always: tuple[Item, ...] = field(repr=False)
    device_signed: DeviceSigned | None = field(repr=False)
    transcript: bytes = field(repr=False)


class Mdoc(LocalSigning):
    """ISO mdoc. Stateless; implements ``vcred.formats.base.CredentialFormat``.

    ``types`` says which document types are our certificates: ``CatalogDoctypes(catalog)``.
    """

    __slots__ = ("_types",)

    def __init__(self, types: DoctypeLookup) -> None:
        self._types = types

    @property
    def id(self) -> str:
        """``mso_mdoc``."""
        return _ID

    def prepare(self, content: Content, key: IssuerKey) -> Prepared:
        """Everything of an issue but the signature: items, digests, the mobile security object, header.

        Raises ``ValueError`` for an unknown ``vct``, no holder key, times no verifier accepts or a ``key`` whose
        certificate is missing, of another key or issuer, or not valid when the document is signed; ``TypeError`` for
        a claim value that is not JSON.
        """
        doctype = self._types.doctype(content.vct)
        if doctype is None:
            raise ValueError(f"{content.vct} has no document type in the catalogue")
        protected, unprotected = issuer_headers(content, key)
        flat = flatten(content.claims)
        spelling = self._types.spelling(content.vct)
        if isinstance(spelling, OtherNames):
            raise ValueError(f"{content.vct} is a foreign type: it is read and not issued")  # noqa: TRY004 - the content is wrong
        spaces = by_namespace(flat.elements, doctype, spelling)
        made = {
            namespace: make_items(elements, decoys=content.decoys * flat.hiding if ROOT in elements else 0)
            for namespace, elements in spaces.items()
        }
        digests = {namespace: by_id for namespace, (_, by_id) in made.items()}
        auth = prepare_sign1(protected, unprotected, write_mso(content, doctype, digests), tagged=False)
        return Prepared(
            signing_input=auth.signing_input,
            finish=lambda signature: write_issuer_signed(
                {namespace: items for namespace, (items, _) in made.items()}, auth.complete(signature)
            ),
        )

    def open(self, raw: bytes) -> Opened:
        """Parse IssuerSigned, our envelope or a bare DeviceResponse, and match every item. Verifies nothing.

        A bare DeviceResponse has a ``key_binding`` without audience, which ``verify_key_binding`` refuses. Raises
        ``MalformedError``.
        """
        received = read_received(raw)
        if len(received.documents) != 1:
            raise MalformedError(ReasonCode.FORMAT, "mdoc.documents", "not one document")
        return self._open(raw, received.documents[0], received.envelope or _NO_SESSION)

    def open_response(self, raw: bytes, session: Session) -> tuple[Opened, ...]:
        """The documents of a bare DeviceResponse (OpenID4VP, other people's wallets) that came in ``session``.

        Raises ``MalformedError``, with ``format`` for what is no bare DeviceResponse.
        """
        received = read_received(raw)
        if received.envelope is not None or received.documents[0].device_signed is None:
            raise MalformedError(ReasonCode.FORMAT, "mdoc", "not a bare DeviceResponse")
        return tuple(self._open(raw, document, session) for document in received.documents)

    def _open(self, raw: bytes, document: Document, made_for: Session | Envelope) -> _Opened:
        sign1 = document.issuer_auth
        issuer, kid, chain = named_signer(sign1)
        namespaces, raws = item_bytes(document.name_spaces)
        # The signed object and the items in one go: [0] in an error is the object.
        encoded = [unwrap(sign1.payload, "mso"), *raws]
        decoded = decode_all(encoded, "signed", max_bytes=MAX_TOKEN, tags=VALUE_TAGS)
        mso = read_mso(decoded[0], "mso")
        if document.doctype not in (None, mso.doctype):
            raise MalformedError(ReasonCode.VCT, "docType", "the document and its signed object are of different types")
        signed = document.device_signed
        if signed is not None:
            check_authorised(signed, mso)
        items = match_items(namespaces, raws, decoded[1:], mso, raw)
        vct = self._vct(mso)
        if vct is None:
            claims, hidden, by_parts, always = _foreign(items)
        else:
            claims, hidden, by_parts, always = _certificate(items, mso.doctype, self._types.spelling(vct), signed)
        session = made_for if isinstance(made_for, Session) else _session(made_for, items)
        return _Opened(
            format=_ID,
            raw=raw,
            alg=sign1.alg,
            kid=kid,
            x5c=chain,
            signing_input=sign1.signing_input,
            signature=sign1.signature,
            issuer=issuer,
            vct=mso.doctype if vct is None else vct,
            issued_at=mso.signed,
            not_before=None if mso.valid_from == mso.signed else mso.valid_from,
            expires_at=mso.valid_until,
            status=mso.status,
            holder_key=mso.device_key,
            claims=claims,
            hidden_elements=PathMap(hidden),
            disclosures=PathMap({parts: item.raw for parts, item in by_parts.items()}),
            key_binding=None if signed is None else _binding(signed, mso.doctype, session),
            doctype=mso.doctype,
            issuer_auth=sign1,
            by_parts=by_parts,
            always=always,
            device_signed=signed,
            transcript=session.transcript,
        )

    def _vct(self, mso: Mso) -> str | None:
        """The type that a document is of, by the namespaces that its issuer signed; ``None`` if it is none of ours."""
        # In this order ours come before those of ISO, and no type file is read for these.
        found = next(filter(None, map(self._types.vct, (mso.doctype, *sorted(mso.digests)))), None)
        if found is not None and isinstance(self._types.spelling(found), OtherNames):
            # A type of ours may have a document type that is foreign too: its own namespace says so.
            found = next(filter(None, map(self._types.vct, sorted({*mso.digests} - {mso.doctype}))), found)
        if found is None and self._types.doctype(mso.doctype) is not None:
            # It would be taken for a certificate, with claims that were not read as those of one.
            raise MalformedError(ReasonCode.VCT, "docType", "the vct of a certificate type, and no document type")
        if found is not None and self._types.doctype(found) != mso.doctype:
            raise MalformedError(ReasonCode.VCT, "docType", "not the document type of the certificate type")
        return found

    def verify_signature(self, opened: Opened, key: PublicKey) -> None:
        """Check the issuer's signature with ``key``, and that it was made while the certificate of it was valid.

        Whose key it is, and without a certificate when it was valid, the trust bundle says. Raises ``RefusedError``
        with ``alg``, ``signature`` or ``chain``.
        """
        check_alg(opened.alg, key)
        key.verify(opened.signature, opened.signing_input)
        if not opened.x5c:
            return
        if isinstance(self._types.spelling(opened.vct), OtherNames):
            check_document_place(opened.x5c[0], opened.claims)
        facts = signer_facts(opened.x5c[0])
        if opened.issued_at is None or not facts.not_before <= opened.issued_at <= facts.not_after:
            raise RefusedError(ReasonCode.CHAIN, "x5chain", "the document signer was not valid at the time of issue")

    def verify_key_binding(self, opened: Opened) -> None:
        """Check the device's signature over the session with the device key.

        Raises ``RefusedError`` with ``kb_missing`` (a document as issued) or ``device_auth``. Audience, nonce and time
        are the caller's to compare.
        """
        binding = _bound(opened)
        if binding.alg == MAC_ALG:
            raise RefusedError(ReasonCode.DEVICE_AUTH, "deviceSigned", "a MAC proves nothing without the reader's key")
        assert opened.holder_key is not None
        check_signature(binding.alg, opened.holder_key, binding.signing_input, binding.signature)

    def verify_device_mac(self, opened: Opened, reader_key: ec.EllipticCurvePrivateKey) -> None:
        """Check the device's MAC with ``reader_key``, which the reader made for the session.

        Raises ``RefusedError`` with ``kb_missing`` or ``device_auth``.
        """
        binding = _bound(opened)
        if binding.alg != MAC_ALG or not isinstance(opened, _Opened):
            raise RefusedError(ReasonCode.DEVICE_AUTH, "deviceSigned", "the device did not make a MAC")
        assert opened.holder_key is not None
        key = mac_key(shared_secret(reader_key, opened.holder_key), opened.transcript)
        check_mac(key, binding.signing_input, binding.signature)

    def prepare_presentation(
        self, opened: Opened, paths: Collection[ClaimPath], *, audience: str, nonce: bytes | None, issued_at: int
    ) -> Prepared:
        """A presentation over QR but for the device's signature; items are the issuer's own bytes.

        Empty ``paths`` discloses nothing that can be hidden. Raises ``ValueError`` for a path that selects nothing
        or a document that has been presented already.
        """
        envelope = Envelope(audience=audience, nonce=nonce, issued_at=issued_at)
        check_envelope(envelope)
        document = _presentable(opened)
        items = _chosen(document, paths)
        shown = (item for some in items.values() for item in some)
        transcript = qr_transcript(audience=audience, nonce=nonce, issued_at=issued_at, items=shown)
        response = _respond(document, items, transcript)
        return Prepared(
            signing_input=response.signing_input,
            finish=lambda signature: write_envelope(envelope, response.complete(signature)),
        )

    def answering(self, opened: Opened, elements: Mapping[str, Iterable[str]]) -> tuple[ClaimPath, ...]:
        """The paths of those of ``elements`` (by namespace, as a DeviceRequest has them) that the document has.

        For an ``age_over_NN`` that it does not have this is the nearest that answers it (ISO/IEC 18013-5 clause 7.2.5).
        Raises ``ValueError`` for a document that has been presented already.
        """
        return tuple(map(ClaimPath, answering(_presentable(opened).by_parts, elements)))

    def prepare_response(self, opened: Opened, paths: Collection[ClaimPath], *, transcript: bytes) -> Prepared:
        """A bare DeviceResponse for the session of ``transcript``, but for the device's signature.

        Raises ``ValueError`` as ``prepare_presentation`` does.
        """
        document = _presentable(opened)
        return _respond(document, _chosen(document, paths), transcript)


_Found = tuple["dict[str, Any]", "dict[Parts, int]", "dict[Parts, Item]", "tuple[Item, ...]"]


def _certificate(
    items: Sequence[Item], doctype: str, spelling: Spelling | OtherNames | None, signed: DeviceSigned | None
) -> _Found:
    """The claims of a certificate of the catalogue, hidden elements, items by path, items that are never hidden."""
    if signed is not None and signed.elements:
        raise MalformedError(ReasonCode.DEVICE_AUTH, "deviceSigned.nameSpaces", "a certificate has no such elements")
    if isinstance(spelling, OtherNames):
        return (*_with_nothing_hidden(spelling.read(items)), ())
    if spelling is None:
        if any(item.namespace != doctype for item in items):
            raise MalformedError(ReasonCode.FORMAT, "nameSpaces", "a namespace that is not the certificate's")
        by_name: Mapping[str, Item] = {item.identifier: item for item in items}
        tree = rebuild({name: item.value for name, item in by_name.items()})
    else:
        read = [(*spelling.read(item.namespace, item.identifier, item.value), item) for item in items]
        by_name = {name: item for name, _, item in read}
        if len(by_name) != len(items):
            raise MalformedError(ReasonCode.COLLISION, "nameSpaces", "a claim by two names")
        tree = rebuild({name: value for name, value, _ in read})
    by_parts = {parts: by_name[name] for parts, name in tree.elements.items()}
    return tree.claims, tree.hidden, by_parts, (by_name[ROOT],)


def _with_nothing_hidden(
    read: tuple[dict[str, Any], dict[Parts, Item]],
) -> tuple[dict[str, Any], dict[Parts, int], dict[Parts, Item]]:
    claims, by_parts = read
    return claims, {}, by_parts


def _foreign(items: Sequence[Item]) -> _Found:
    claims: dict[str, Any] = {}
    by_parts: dict[Parts, Item] = {}
    for item in items:
        claims.setdefault(item.namespace, {})[item.identifier] = plain(item.value)
        by_parts[item.namespace, item.identifier] = item
    return claims, {}, by_parts, ()


def _binding(signed: DeviceSigned, doctype: str, session: Session) -> KeyBinding:
    transcript = session.transcript
    payload = device_authentication(transcript, doctype, signed.name_spaces_raw) if transcript else b""
    auth = read_device_auth(signed, payload)
    return KeyBinding(
        audience=session.audience,
        nonce=session.nonce,
        issued_at=session.received_at,
        alg=auth.alg,
        signing_input=auth.signing_input,
        signature=auth.value,
    )


def _session(envelope: Envelope, items: Sequence[Item]) -> Session:
    audience, nonce, issued_at = envelope.audience, envelope.nonce, envelope.issued_at
    shown = [item.raw for item in items]
    transcript = qr_transcript(audience=audience, nonce=nonce, issued_at=issued_at, items=shown)
    return Session(transcript=transcript, audience=audience, nonce=nonce, received_at=issued_at)


def _presentable(opened: Opened) -> _Opened:
    if not isinstance(opened, _Opened):
        raise TypeError("this was not opened by Mdoc")
    if opened.key_binding is not None:
        raise ValueError("only a credential as issued can be presented")
    return opened


def _chosen(opened: _Opened, paths: Collection[ClaimPath]) -> dict[str, list[bytes]]:
    """The items that show ``paths``, and those that are always shown, by namespace."""
    chosen = needed(opened.claims, opened.by_parts, paths)
    items: dict[str, list[bytes]] = {}
    for item in (*opened.always, *(item for parts, item in opened.by_parts.items() if parts in chosen)):
        items.setdefault(item.namespace, []).append(item.raw)
    return items


def _respond(opened: _Opened, items: Mapping[str, Sequence[bytes]], transcript: bytes) -> Prepared:
    assert opened.holder_key is not None
    doctype, auth, alg = opened.doctype, opened.issuer_auth, opened.holder_key.alg
    return Prepared(
        signing_input=to_sign(alg, device_authentication(transcript, doctype, NO_ELEMENTS)),
        finish=lambda signature: write_response(doctype, items, auth, device_signature(alg, signature)),
    )


def _bound(opened: Opened) -> KeyBinding:
    if opened.key_binding is None:
        raise RefusedError(ReasonCode.KB_MISSING, "deviceSigned", "a document as issued, not a presentation")
    if not isinstance(opened, _Opened):
        raise TypeError("this was not opened by Mdoc")
    if not opened.transcript:
        raise RefusedError(ReasonCode.DEVICE_AUTH, "deviceSigned", "the session it was made for is not known")
    return opened.key_binding
