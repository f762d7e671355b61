"""The credential format ``sd-cwt``: SD-CWT and its key-binding token, small enough for one QR code.

The standard is a draft. Which one is meant is ``SD_CWT_DRAFT``; its examples are test vectors. Narrower than the
draft, because nobody downstream could act on the rest: the claims of a certificate are under one claim key with the
integer labels of its type, ``vct`` is text, ``sd_alg`` is SHA-256, there are no CWT claims in the header, no
encrypted disclosures and no other unprotected header than ``sd_claims`` and ``x5chain``.

``open`` takes an SD-CWT (what an issuer hands out) or a key-binding token around one (what a holder presents). What
it returns is parsed and matched, and still NOT verified. Names, never labels, are in its ``claims``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from vcred.credential import KeyBinding, Opened, Prepared
from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import bstr, decode, encode
from vcred.formats._cose import (
    ALG,
    COSE_ALG,
    KID,
    TYP,
    X5CHAIN,
    Sign1,
    assemble,
    chain_of,
    check_alg,
    parse_sign1,
    read_sign1,
)
from vcred.formats._cwt_claims import CERTIFICATE_CLAIMS, REGISTERED, labels_for, read_registered, write_registered
from vcred.formats._kb_cwt import (
    KB_TYPES,
    KCWT,
    carried,
    check_times,
    prepare_key_binding,
    read_key_binding,
)
from vcred.formats._paths import PathMap, needed
from vcred.formats._sd_cwt_engine import (
    MAX_DISCLOSURES,
    RAW,
    conceal,
    fresh_salts,
    match_disclosures,
)
from vcred.formats.base import LocalSigning
from vcred.keys.post_quantum import POST_QUANTUM
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Collection

    from vcred.claims import ClaimPath
    from vcred.credential import Content
    from vcred.formats._paths import Parts
    from vcred.formats.base import IssuerKey, Labels
    from vcred.keys import PublicKey

__all__ = ["MAX_TOKEN", "SD_CWT_DRAFT", "SD_CWT_TYPES", "SdCwt"]

SD_CWT_DRAFT: Final = "draft-ietf-spice-sd-cwt-07"
MAX_TOKEN: Final = 128 * 1024

_ID: Final = "sd-cwt"
SD_CWT_TYPES: Final = (293, "application/sd-cwt")
_CWT_CLAIMS: Final = 15
_SD_CLAIMS: Final = 17
_SD_ALG: Final = 170
_SHA_256: Final = -16
_UNPROTECTED: Final = frozenset({_SD_CLAIMS, X5CHAIN})
_SIGN1: Final = frozenset({18})
_REDACTION: Final = frozenset({60})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened(Opened):
    """What the holder's next step needs of the token, so that it is taken apart once."""

    sign1: Sign1 = field(repr=False)
    by_parts: dict[Parts, bytes] = field(repr=False)


class SdCwt(LocalSigning):
    """SD-CWT with key binding. Stateless; implements ``vcred.formats.base.CredentialFormat``.

    ``labels`` gives the integer labels of a ``vct``: ``Catalog.labels``.
    """

    __slots__ = ("_labels",)

    def __init__(self, labels: Labels) -> None:
        self._labels = labels

    @property
    def id(self) -> str:
        """``sd-cwt``."""
        return _ID

    def prepare(self, content: Content, key: IssuerKey) -> Prepared:
        """Everything of an issue but the signature: salts, digests, payload, header.

        The header names ``key`` by its ``kid`` and never carries its chain. Raises ``ValueError`` for an unknown
        ``vct``, a claim without label, no holder key or times no verifier accepts; ``TypeError`` for a claim value
        that is not JSON.
        """
        labels = self._labels(content.vct)
        if labels is None:
            raise ValueError(f"{content.vct} has no labels in the catalogue")
        if content.holder_key is None:
            raise ValueError("an SD-CWT is bound to a holder key; without one there is the paper form")
        payload = write_registered(content)
        payload[CERTIFICATE_CLAIMS], disclosures = conceal(
            content.claims, labels, salts=fresh_salts(), decoys=content.decoys
        )
        if len(disclosures) > MAX_DISCLOSURES:
            raise ValueError(f"more than {MAX_DISCLOSURES} disclosures")
        unprotected = encode({_SD_CLAIMS: disclosures}) if disclosures else b"\xa0"
        return assemble(_issuer_header(key.public_key), unprotected, encode(payload))

    def open(self, raw: bytes) -> Opened:
        """Parse an SD-CWT or a key-binding token strictly and match every disclosure. Verifies nothing.

        Raises ``MalformedError`` (draft section 9, steps 1 to 4 and 7).
        """
        token = parse_sign1(raw, path="token", max_bytes=MAX_TOKEN, header_tags=_SIGN1, post_quantum=True)
        if not _is_typ(token, KB_TYPES):
            return self._open(raw, token, None)
        if token.alg in POST_QUANTUM:
            raise MalformedError(ReasonCode.ALG, "kbt.protected", "not an algorithm of holders")
        if _CWT_CLAIMS in token.protected:
            raise MalformedError(ReasonCode.FORMAT, "kbt.protected", "CWT claims in the header")
        issued = read_sign1(carried(token), path="kcwt", header_tags=_SIGN1, post_quantum=True)
        return self._open(raw, issued, read_key_binding(token))

    def _open(self, raw: bytes, sign1: Sign1, binding: KeyBinding | None) -> Opened:
        disclosures = _disclosures(sign1)
        payload = decode(sign1.payload, "payload", max_bytes=MAX_TOKEN, tags=_REDACTION)
        if type(payload) is not dict:
            raise MalformedError(ReasonCode.FORMAT, "payload", "not a map")
        matcher = match_disclosures(disclosures, "payload")
        # Other claims say nothing here, but their digests and disclosures count.
        others = {key: value for key, value in payload.items() if key not in REGISTERED}
        if others:
            matcher.map(others, RAW, ())
            # A disclosed claim may be no registered one, there or not (draft section 7).
            matcher.disclosed.clear()
            matcher.hidden.clear()
        known = read_registered(payload)
        if known["holder_key"] is None:
            raise MalformedError(ReasonCode.CNF, "payload[8]", "missing")
        certificate = payload.get(CERTIFICATE_CLAIMS)
        if type(certificate) is not dict:
            raise MalformedError(ReasonCode.CLAIM_TYPE, f"payload[{CERTIFICATE_CLAIMS}]", "no certificate claims")
        claims = matcher.map(certificate, labels_for(self._labels, known["vct"]), ())
        matcher.finish()
        return _Opened(
            format=_ID,
            raw=raw,
            alg=sign1.alg,
            kid=sign1.kid,
            x5c=chain_of(sign1, "header"),
            signing_input=sign1.signing_input,
            signature=sign1.signature,
            claims=claims,
            hidden_elements=PathMap(matcher.hidden),
            disclosures=PathMap(matcher.disclosed),
            key_binding=binding,
            sign1=sign1,
            by_parts=matcher.disclosed,
            **known,
        )

    def verify_signature(self, opened: Opened, key: PublicKey) -> None:
        """Check the issuer's signature with ``key``, whoever's that is.

        Raises ``RefusedError`` with ``alg`` or ``signature``.
        """
        check_alg(opened.alg, key)
        key.verify(opened.signature, opened.signing_input)

    def verify_key_binding(self, opened: Opened) -> None:
        """Check the holder's signature with the key in ``cnf``, and that the times agree.

        Raises ``RefusedError`` with ``holder_binding`` (a document without holder key), ``kb_missing``, ``kb_key``
        or ``iat``. Audience, nonce and time are the caller's to compare, its own validity too.
        """
        if opened.holder_key is None:
            raise RefusedError(ReasonCode.HOLDER_BINDING, "payload[8]", "the document names no holder key")
        binding = opened.key_binding
        if binding is None:
            raise RefusedError(ReasonCode.KB_MISSING, "kbt", "no key-binding token")
        if opened.format != self.id:
            raise TypeError("this was not opened by SdCwt")
        try:
            check_alg(binding.alg, opened.holder_key)
            opened.holder_key.verify(binding.signature, binding.signing_input)
        except RefusedError as error:
            raise RefusedError(ReasonCode.KB_KEY, "kbt", error.detail) from None
        check_times(binding, opened)

    def prepare_presentation(
        self, opened: Opened, paths: Collection[ClaimPath], *, audience: str, nonce: bytes | None, issued_at: int
    ) -> Prepared:
        """A key-binding token over ``paths`` but for the holder's signature; disclosures are the issuer's own bytes.

        Empty ``paths`` discloses nothing that can be hidden. Raises ``ValueError`` for a path that selects nothing
        or a credential that has been presented already.
        """
        if not isinstance(opened, _Opened):
            raise TypeError("this was not opened by SdCwt")
        if opened.key_binding is not None or opened.holder_key is None:
            raise ValueError("only a holder-bound credential as issued can be presented")
        chosen = needed(opened.claims, opened.by_parts, paths)
        return prepare_key_binding(
            _withhold(opened.sign1, [content for parts, content in opened.by_parts.items() if parts in chosen]),
            alg=opened.holder_key.alg,
            audience=audience,
            nonce=nonce,
            issued_at=issued_at,
        )


def _is_typ(sign1: Sign1, types: tuple[int | str, ...]) -> bool:
    typ = sign1.protected.get(TYP)
    # 293.0 == 293, and a float is no content format.
    return type(typ) is not float and typ in types


def _disclosures(sign1: Sign1) -> list[Any]:
    """The disclosures of an SD-CWT, after everything its headers must and must not be."""
    protected, unprotected = sign1.protected, sign1.unprotected
    if not _is_typ(sign1, SD_CWT_TYPES):
        raise MalformedError(ReasonCode.TYP, f"protected[{TYP}]", "not an SD-CWT")
    if KCWT in protected or _CWT_CLAIMS in protected:
        raise MalformedError(ReasonCode.FORMAT, "protected", "another CWT or its claims in the header")
    if _SD_CLAIMS in protected:
        raise MalformedError(ReasonCode.DISCLOSURE, "protected", "sd_claims in the protected header")
    sd_alg = protected.get(_SD_ALG, _SHA_256)
    if _SD_ALG in unprotected or type(sd_alg) is not int or sd_alg != _SHA_256:
        raise MalformedError(ReasonCode.SD_ALG, f"protected[{_SD_ALG}]", "not SHA-256")
    if not unprotected.keys() <= _UNPROTECTED:
        raise MalformedError(ReasonCode.FORMAT, "unprotected", "a header that is not sd_claims or x5chain")
    if _SD_CLAIMS not in unprotected:
        return []
    disclosures = unprotected[_SD_CLAIMS]
    if type(disclosures) is not list or not disclosures:
        raise MalformedError(ReasonCode.DISCLOSURE, f"unprotected[{_SD_CLAIMS}]", "not an array of disclosures")
    return disclosures


def _withhold(sign1: Sign1, disclosures: list[bytes]) -> bytes:
    """The SD-CWT as the issuer signed it, with these disclosures only."""
    unprotected = {label: value for label, value in sign1.unprotected.items() if label != _SD_CLAIMS}
    if disclosures:
        unprotected[_SD_CLAIMS] = disclosures
    parts = (b"\xd2\x84", bstr(sign1.protected_raw), encode(unprotected), bstr(sign1.payload), bstr(sign1.signature))
    return b"".join(parts)


@lru_cache(maxsize=64)
def _issuer_header(key: PublicKey) -> bytes:
    return encode({ALG: COSE_ALG[key.alg], KID: key.kid, TYP: SD_CWT_TYPES[0]})
