"""The credential format ``dc+sd-jwt``: SD-JWT VC, on the wire as HAIP 1.0 pins it.

``open`` refuses what the standard refuses and what no honest issuer sends; what it returns is parsed and matched, and
still NOT verified. Paths of an ``Opened`` index into its ``claims``: with everything disclosed, as a holder has it,
these are the issuer's own indexes. ``hidden_elements`` counts placeholders, and a decoy looks like a hidden element.

``kid`` in the header is text: unpadded base64url of 8 bytes is read as those bytes (design section 5), any other text
as its ASCII bytes. A credential without ``iss`` (allowed beside ``x5c``) has the empty text as its issuer.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from vcred.credential import Opened, Prepared, token_status
from vcred.errors import MalformedError, RefusedError
from vcred.formats._jose import ISSUER_ALGORITHMS, kid_of, parse_jws, prepare_segment, verify_signature, x5c_texts
from vcred.formats._kb_jwt import TYP as KB_TYP
from vcred.formats._kb_jwt import BoundKey, nonce_text, parse_key_binding
from vcred.formats._paths import PathMap, needed
from vcred.formats._registered import REGISTERED, read_registered
from vcred.formats._wire import b64u_bytes, b64u_decode, b64u_encode, dump_json, parse_json
from vcred.formats.base import LocalSigning
from vcred.formats.sd_jwt import (
    DEFAULT_HASH,
    MAX_PAYLOAD,
    MAX_TOKEN,
    Parsed,
    conceal,
    digest_of,
    fresh_salts,
    process,
    split,
)
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from vcred.claims import ClaimPath
    from vcred.credential import Content
    from vcred.formats._paths import Parts
    from vcred.formats.base import IssuerKey
    from vcred.keys import PublicKey

__all__ = ["SdJwtVc", "lint_issued"]

_TYP = "dc+sd-jwt"
_SALT_TEXT = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened(Opened):
    """What the holder's and the verifier's next step need of the text, so that it is taken apart once."""

    parsed: Parsed = field(repr=False)
    sd_alg: str
    by_parts: dict[Parts, bytes] = field(repr=False)


class SdJwtVc(LocalSigning):
    """SD-JWT VC with key binding. Stateless; implements ``vcred.formats.base.CredentialFormat``."""

    __slots__ = ()

    @property
    def id(self) -> str:
        """``dc+sd-jwt``."""
        return _TYP

    def prepare(self, content: Content, key: IssuerKey) -> Prepared:
        """Everything of an issue but the signature: salts, digests, payload, header.

        Raises ``ValueError`` when ``content.claims`` uses a registered or reserved claim name.
        """
        if REGISTERED & content.claims.keys():
            raise ValueError("a claim of the certificate has the name of a registered claim")
        claims, disclosures = conceal(content.claims, salts=fresh_salts(), decoys=content.decoys)
        jws = prepare_segment(_issuer_header(key), dump_json({**_registered(content), **claims, "_sd_alg": "sha-256"}))
        tail = b"~".join((b"", *disclosures, b""))

        def finish(signature: bytes) -> bytes:
            return jws.complete(signature) + tail

        return Prepared(signing_input=jws.signing_input, finish=finish)

    def open(self, raw: bytes) -> Opened:
        """Parse an SD-JWT or SD-JWT+KB strictly and match every disclosure. Verifies nothing.

        A wallet that is handed a credential refuses one whose ``key_binding`` is not ``None``: an issuer never sends
        it (RFC 9901 section 7.2). Raises ``MalformedError``.
        """
        parsed = split(raw)
        jws = parse_jws(parsed.jwt, path="jwt", typ=_TYP, max_bytes=MAX_TOKEN, algorithms=ISSUER_ALGORITHMS)
        payload = parse_json(jws.payload, "payload", max_bytes=MAX_PAYLOAD)
        if type(payload) is not dict:
            raise MalformedError(ReasonCode.FORMAT, "payload", "not an object")
        processed = process(payload, parsed.disclosures)
        known = read_registered(payload, processed.payload, processed.disclosed)
        binding = None
        if parsed.key_binding is not None:
            binding = parse_key_binding(parsed.key_binding)
        if not known.issuer and not jws.x5c:
            raise MalformedError(ReasonCode.ISSUER, "payload.iss", "neither iss nor x5c")
        return _Opened(
            format=_TYP,
            raw=raw,
            alg=jws.header["alg"],
            kid=kid_of(jws.header),
            x5c=jws.x5c,
            signing_input=jws.signing_input,
            signature=jws.signature,
            issuer=known.issuer,
            vct=known.vct,
            issued_at=known.issued_at,
            not_before=known.not_before,
            expires_at=known.expires_at,
            status=known.status,
            holder_key=known.holder_key,
            claims={name: value for name, value in processed.payload.items() if name not in REGISTERED},
            hidden_elements=PathMap(processed.hidden),
            disclosures=PathMap(processed.disclosed),
            key_binding=binding,
            parsed=parsed,
            by_parts=processed.disclosed,
            sd_alg=payload.get("_sd_alg", DEFAULT_HASH),
        )

    def verify_signature(self, opened: Opened, key: PublicKey) -> None:
        """Check the issuer's signature with ``key``, whoever's that is. Raises ``RefusedError``."""
        verify_signature(opened.alg, opened.signing_input, opened.signature, key)

    def verify_key_binding(self, opened: Opened) -> None:
        """Check the holder's signature with the key in ``cnf``, then that it covers this very presentation.

        Raises ``RefusedError`` with ``kb_missing``, ``kb_key`` (also when there is no ``cnf``) or ``sd_hash``.
        """
        binding = opened.key_binding
        if binding is None:
            raise RefusedError(ReasonCode.KB_MISSING, "kb", "no key-binding JWT")
        if not isinstance(opened, _Opened) or not isinstance(binding, BoundKey):
            raise TypeError("this was not opened by SdJwtVc")
        if opened.holder_key is None:
            raise RefusedError(ReasonCode.KB_KEY, "payload.cnf", "the credential names no holder key")
        try:
            verify_signature(binding.alg, binding.signing_input, binding.signature, opened.holder_key)
        except RefusedError as error:
            raise RefusedError(ReasonCode.KB_KEY, "kb", error.detail) from None
        expected = b64u_encode(digest_of(opened.sd_alg)(opened.parsed.bound))
        if not hmac.compare_digest(expected.encode(), binding.sd_hash.encode()):
            raise RefusedError(ReasonCode.SD_HASH, "kb.payload.sd_hash", "it covers something else")

    def prepare_presentation(
        self,
        opened: Opened,
        paths: Collection[ClaimPath],
        *,
        audience: str,
        nonce: bytes | None,
        issued_at: int,
        also: Mapping[str, Any] | None = None,
    ) -> Prepared:
        """A presentation of ``paths`` but for the holder's signature; disclosures are the issuer's own bytes.

        ``also`` are more members of the key-binding JWT (``vcred.oid4vp.transaction_claims``). Empty ``paths``
        discloses nothing that can be hidden. Raises ``ValueError`` for a path that selects nothing, a
        credential without a holder key, one that has been presented already, or no ``nonce``, which a key-binding
        JWT cannot be without.
        """
        if not isinstance(opened, _Opened):
            raise TypeError("this was not opened by SdJwtVc")
        if opened.key_binding is not None or opened.holder_key is None:
            raise ValueError("only a holder-bound credential as issued can be presented")
        if nonce is None or not audience:
            raise ValueError("a key-binding JWT names an audience and a nonce")
        bound = _withhold(opened, paths)
        sd_hash = b64u_encode(digest_of(opened.sd_alg)(bound))
        claims = {**(also or {}), "iat": issued_at, "aud": audience, "nonce": nonce_text(nonce), "sd_hash": sd_hash}
        jws = prepare_segment(_kb_header(opened.holder_key.alg), dump_json(claims))

        def finish(signature: bytes) -> bytes:
            return bound + jws.complete(signature)

        return Prepared(signing_input=jws.signing_input, finish=finish)


def lint_issued(raw: bytes) -> list[str]:
    """What an issuer should not hand out, in English; empty when there is nothing to say.

    ``raw`` is a credential as issued, with every disclosure. Raises ``MalformedError`` when it cannot be opened.
    """
    opened = SdJwtVc().open(raw)
    parsed = split(raw)
    jws = parse_jws(parsed.jwt, path="jwt", typ=_TYP, max_bytes=MAX_TOKEN, algorithms=ISSUER_ALGORITHMS)
    payload = parse_json(jws.payload, "", max_bytes=MAX_PAYLOAD)
    contents = [parse_json(b64u_decode(text, ""), "", max_bytes=MAX_TOKEN) for text in parsed.disclosures]
    salts = [content[0] for content in contents]
    lists = _digest_lists([payload, *(content[-1] for content in contents)])
    findings = {
        "digests are not in sorted order, so that their order tells which claim is which": (
            any(digests != sorted(digests) for digests in lists)
        ),
        "a salt has less than 128 bits": any(len(salt) < _SALT_TEXT for salt in salts),
        "a salt is used twice": len(set(salts)) != len(salts),
        "_sd_alg is missing": bool(salts) and "_sd_alg" not in payload,
        "exp is missing": opened.expires_at is None,
        "iat is missing": opened.issued_at is None,
        "an issuer does not send a key-binding JWT": opened.key_binding is not None,
    }
    return [finding for finding, found in findings.items() if found]


def _digest_lists(values: list[Any]) -> list[list[str]]:
    lists = []
    queue = values
    while queue:
        value = queue.pop()
        if isinstance(value, dict):
            lists += [value["_sd"]] if "_sd" in value else []
            queue += value.values()
        elif isinstance(value, list):
            queue += value
    return lists


def _withhold(opened: _Opened, paths: Collection[ClaimPath]) -> bytes:
    disclosed = opened.by_parts
    kept = {disclosed[parts] for parts in needed(opened.claims, disclosed, paths)}
    parsed = opened.parsed
    return b"~".join((parsed.jwt, *(text for text in parsed.disclosures if text in kept), b""))


def _registered(content: Content) -> dict[str, Any]:
    if not content.issuer or not content.vct:
        raise ValueError("a credential names its issuer and its type")
    if not 0 <= content.issued_at < content.expires_at:
        raise ValueError("a credential expires after it is issued")
    claims: dict[str, Any] = {"iss": content.issuer, "iat": content.issued_at}
    if content.not_before is not None:
        claims["nbf"] = content.not_before
    claims["exp"] = content.expires_at
    claims["vct"] = content.vct
    if content.holder_key is not None:
        claims["cnf"] = {"jwk": content.holder_key.to_jwk()}
    if (status := token_status(content.status)) is not None:
        claims["status"] = {"status_list": {"idx": status.index, "uri": status.uri}}
    return claims


@lru_cache(maxsize=64)
def _issuer_header(key: IssuerKey) -> bytes:
    kid = key.did_url or b64u_encode(key.public_key.kid)
    header: dict[str, Any] = {"alg": key.public_key.alg, "typ": _TYP, "kid": kid}
    if key.chain:
        header["x5c"] = x5c_texts(key.chain)
    return b64u_bytes(dump_json(header))


@cache
def _kb_header(alg: str) -> bytes:
    return b64u_bytes(dump_json({"alg": alg, "typ": KB_TYP}))
