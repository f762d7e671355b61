"""The credential formats ``vc+jwt`` and ``vc+sd-jwt``: W3C VCDM 2.0, secured as VC-JOSE-COSE says.

The claims of the certificate are below ``credentialSubject``, its ``vct`` is the second ``type``, and the holder's key
is the claim ``cnf``. ``docs/w3c.md`` has the mapping member by member.

``vc+jwt`` has no way to hide a claim. Its presentation is a ``vp+jwt``: the holder signs audience, nonce and the
credential, enveloped. Since nothing can be hidden, no path can be left out either: ``prepare_presentation`` takes no
paths ("all that cannot be hidden", which here is everything, and which a wallet shows as such before it asks), or paths
that cover every claim. For paths that cover less it raises ``ValueError`` rather than disclose what they do not name.

``vc+sd-jwt`` hides claims with the engine of ``dc+sd-jwt``, and is presented with a key-binding JWT as that is. Only
what is below ``credentialSubject`` may be hidden: nothing that says whether the credential is valid.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from vcred.claims import SD
from vcred.credential import Opened, Prepared
from vcred.errors import MalformedError
from vcred.formats._jose import ALGORITHMS, ISSUER_ALGORITHMS, kid_of, parse_jws, prepare_segment, verify_signature
from vcred.formats._kb_jwt import nonce_text, parse_key_binding
from vcred.formats._paths import PathMap
from vcred.formats._w3c_jwt import (
    check_holder_signature,
    document_of,
    enveloped,
    issuer_header,
    known_of,
    parse_presentation,
    payload_of,
    read_presentation,
)
from vcred.formats._w3c_legacy import JwtVcJson
from vcred.formats._w3c_model import (
    BASE_CONTEXT,
    check_credential,
    check_presentation,
    plain_claims,
    require_all,
)
from vcred.formats._wire import b64u_bytes, dump_json, parse_json
from vcred.formats.base import LocalSigning
from vcred.formats.sd_jwt import DEFAULT_HASH, MAX_TOKEN, conceal, fresh_salts, process, split
from vcred.formats.sd_jwt_vc import SdJwtVc, _Opened
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from vcred.claims import ClaimPath
    from vcred.credential import Content, KeyBinding
    from vcred.formats._jose import Jws
    from vcred.formats._paths import Parts
    from vcred.formats.base import IssuerKey
    from vcred.keys import PublicKey

__all__ = ["JwtVcJson", "W3cJwt", "W3cSdJwt", "prepare_credential", "prepare_presentation"]

_JWT, _SD_JWT, _VP = "vc+jwt", "vc+sd-jwt", "vp+jwt"
_SUBJECT = "credentialSubject"
_HELD = "vp.payload.verifiableCredential"
_ALWAYS_PLAIN = frozenset({"id", "type"})


class W3cJwt(LocalSigning):
    """``vc+jwt``, presented as ``vp+jwt``. Implements ``vcred.formats.base.CredentialFormat``.

    ``contexts`` are URLs of JSON-LD contexts that the caller knows the meaning of, besides the built-in ones.
    """

    __slots__ = ("_contexts",)

    def __init__(self, *, contexts: Collection[str] = ()) -> None:
        self._contexts = frozenset(contexts)

    @property
    def id(self) -> str:
        """``vc+jwt``."""
        return _JWT

    def prepare(self, content: Content, key: IssuerKey) -> Prepared:
        """Everything of an issue but the signature; ``SD`` marks are taken off, since everything is in the open.

        Raises ``ValueError`` for decoys, no claims, times out of order, or a claim name that JSON-LD takes for its own.
        """
        if content.decoys:
            raise ValueError("this format hides nothing")
        return prepare_credential(plain_claims(document_of(content)), key, contexts=())

    def open(self, raw: bytes) -> Opened:
        """Read a credential, or a presentation of exactly one, strictly. Verifies nothing.

        Raises ``MalformedError``.
        """
        jws = parse_jws(raw, path="jwt", typ=(_JWT, _VP), max_bytes=MAX_TOKEN, algorithms=ISSUER_ALGORITHMS)
        if jws.header["typ"] == _JWT:
            return self._credential(raw, jws, None)
        if jws.header["alg"] not in ALGORITHMS:
            raise MalformedError(ReasonCode.ALG, "vp.header.alg", "not an algorithm that a holder signs with")
        presentation = read_presentation(jws, contexts=self._contexts)
        binding = presentation.binding()
        (kind, token), *others = presentation.credentials
        if others:
            raise MalformedError(
                ReasonCode.FORMAT, _HELD, "several credentials: each has a presentation of its own here"
            )
        if kind != "application/vc+jwt":
            raise MalformedError(ReasonCode.FORMAT, _HELD, "not a vc+jwt: another format is presented in its own way")
        issued = parse_jws(token, path="jwt", typ=_JWT, max_bytes=MAX_TOKEN, algorithms=ISSUER_ALGORITHMS)
        return self._credential(raw, issued, binding)

    def verify_signature(self, opened: Opened, key: PublicKey) -> None:
        """Check the issuer's signature with ``key``, whoever's that is. Raises ``RefusedError``."""
        verify_signature(opened.alg, opened.signing_input, opened.signature, key)

    def verify_key_binding(self, opened: Opened) -> None:
        """Check the holder's signature over the presentation, which holds the credential itself.

        Raises ``RefusedError`` with ``kb_missing`` or ``kb_key``.
        """
        check_holder_signature(opened)

    def prepare_presentation(
        self, opened: Opened, paths: Collection[ClaimPath], *, audience: str, nonce: bytes | None, issued_at: int
    ) -> Prepared:
        """A presentation of everything, but for the holder's signature.

        Raises ``ValueError`` for ``paths`` that are not empty and leave a claim out ("this format discloses
        everything"), a path that selects nothing, a credential without a holder key or presented already, or no nonce.
        """
        if opened.format != _JWT:
            raise TypeError("this was not opened by W3cJwt")
        if opened.key_binding is not None or opened.holder_key is None:
            raise ValueError("only a holder-bound credential as issued can be presented")
        if nonce is None or not audience:
            raise ValueError("a presentation names an audience and a nonce")
        require_all(opened.claims, paths)
        document = {
            "@context": [BASE_CONTEXT],
            "type": ["VerifiablePresentation"],
            "verifiableCredential": [enveloped(opened.raw, "application/vc+jwt")],
            "iat": issued_at,
            "aud": audience,
            "nonce": nonce_text(nonce),
        }
        return prepare_segment(_vp_header(opened.holder_key.alg), dump_json(document))

    def _credential(self, raw: bytes, jws: Jws, binding: KeyBinding | None) -> Opened:
        body = payload_of(jws, "jwt", cty="vc")
        if _hides(body):
            raise MalformedError(ReasonCode.FORMAT, "payload", "digests in a format that hides nothing")
        model = check_credential(body, contexts=self._contexts, path="payload")
        if not model.subject:
            raise MalformedError(ReasonCode.CLAIM_TYPE, f"payload.{_SUBJECT}", "it says nothing")
        return Opened(
            format=_JWT,
            raw=raw,
            alg=jws.header["alg"],
            kid=kid_of(jws.header),
            x5c=jws.x5c,
            signing_input=jws.signing_input,
            signature=jws.signature,
            hidden_elements=PathMap({}),
            disclosures=PathMap({}),
            key_binding=binding,
            **known_of(body, model),
        )


class W3cSdJwt(SdJwtVc):
    """``vc+sd-jwt``: the same credential with claims that can be hidden. Presented as ``dc+sd-jwt`` is."""

    __slots__ = ("_contexts",)

    def __init__(self, *, contexts: Collection[str] = ()) -> None:
        self._contexts = frozenset(contexts)

    @property
    def id(self) -> str:
        """``vc+sd-jwt``."""
        return _SD_JWT

    def prepare(self, content: Content, key: IssuerKey) -> Prepared:
        """Everything of an issue but the signature.

        Raises ``ValueError`` for no claims, times out of order, or a claim name that JSON-LD or SD-JWT takes for its
        own.
        """
        return prepare_credential(document_of(content), key, contexts=(), decoys=content.decoys, hiding=True)

    def open(self, raw: bytes) -> Opened:
        """Parse strictly and match every disclosure. Verifies nothing. Raises ``MalformedError``."""
        parsed = split(raw)
        jws = parse_jws(parsed.jwt, path="jwt", typ=_SD_JWT, max_bytes=MAX_TOKEN, algorithms=ISSUER_ALGORITHMS)
        signed = payload_of(jws, "jwt", cty="vc")
        processed = process(signed, parsed.disclosures)
        _check_plain(signed, processed.disclosed)
        model = check_credential(processed.payload, contexts=self._contexts, path="payload")
        if not signed[_SUBJECT]:
            raise MalformedError(ReasonCode.CLAIM_TYPE, f"payload.{_SUBJECT}", "it says nothing")
        disclosed = {parts[1:]: text for parts, text in processed.disclosed.items()}
        return _Opened(
            format=_SD_JWT,
            raw=raw,
            alg=jws.header["alg"],
            kid=kid_of(jws.header),
            x5c=jws.x5c,
            signing_input=jws.signing_input,
            signature=jws.signature,
            hidden_elements=PathMap({parts[1:]: count for parts, count in processed.hidden.items()}),
            disclosures=PathMap(disclosed),
            key_binding=None if parsed.key_binding is None else parse_key_binding(parsed.key_binding),
            parsed=parsed,
            by_parts=disclosed,
            sd_alg=signed.get("_sd_alg", DEFAULT_HASH),
            **known_of(processed.payload, model),
        )


def prepare_credential(
    document: Mapping[str, Any], key: IssuerKey, *, contexts: Collection[str], decoys: int = 0, hiding: bool = False
) -> Prepared:
    """A whole ``document`` of VCDM 2.0 but for the signature, as ``vc+jwt``, or with ``hiding`` as ``vc+sd-jwt``.

    ``SD`` marks are for ``hiding`` only, and only below ``credentialSubject``. Raises ``ValueError`` for them elsewhere
    and for a document that ``open`` would refuse.
    """
    plain = plain_claims(document)
    try:
        check_credential(_as_json(plain), contexts=contexts, path="document")
    except MalformedError as error:
        raise ValueError(f"not a credential that could be read again: {error}") from error
    if not plain[_SUBJECT]:
        raise ValueError("a credential says something of its subject")
    if not hiding:
        if plain != document:
            raise ValueError("this format hides nothing")
        return prepare_segment(issuer_header(key, _JWT, "vc"), dump_json(plain))
    rest = {name: value for name, value in document.items() if name != _SUBJECT}
    if plain_claims(rest) != rest or any(isinstance(document[_SUBJECT].get(name), SD) for name in _ALWAYS_PLAIN):
        raise ValueError("only claims of the subject can be hidden")
    subject, disclosures = conceal(document[_SUBJECT], salts=fresh_salts(), decoys=decoys)
    payload = dump_json({**rest, _SUBJECT: subject, "_sd_alg": DEFAULT_HASH})
    jws = prepare_segment(issuer_header(key, _SD_JWT, "vc"), payload)
    tail = b"~".join((b"", *disclosures, b""))
    return Prepared(signing_input=jws.signing_input, finish=lambda signature: jws.complete(signature) + tail)


def prepare_presentation(document: Mapping[str, Any], key: IssuerKey, *, contexts: Collection[str]) -> Prepared:
    """A whole presentation of VCDM 2.0 but for the signature, as ``vp+jwt``. ``key`` is the holder's.

    Raises ``ValueError`` for a document that ``parse_presentation`` would refuse.
    """
    prepared = prepare_segment(issuer_header(key, _VP, "vp"), dump_json(dict(document)))
    try:
        check_presentation(_as_json(document), contexts=contexts, path="document")
        parse_presentation(prepared.complete(bytes(64)), contexts=contexts)
    except MalformedError as error:
        raise ValueError(f"not a presentation that could be read again: {error}") from error
    return prepared


def _check_plain(signed: Mapping[str, Any], disclosed: Mapping[Parts, Any]) -> None:
    """Nothing but claims of the subject was hidden, whether it is disclosed now or not."""
    if "_sd" in signed or any(name != _SUBJECT and _hides(value) for name, value in signed.items()):
        raise MalformedError(ReasonCode.MUST_BE_PLAIN, "payload", "it hides what only the subject's claims may be")
    for parts in disclosed:
        if parts[0] != _SUBJECT or parts[1] in _ALWAYS_PLAIN:
            raise MalformedError(ReasonCode.MUST_BE_PLAIN, f"payload.{parts[0]}", "it came from a disclosure")


def _hides(value: Any) -> bool:
    if type(value) is dict:
        return "_sd" in value or "..." in value or any(_hides(member) for member in value.values())
    return type(value) is list and any(_hides(element) for element in value)


def _as_json(document: Mapping[str, Any]) -> Any:
    return parse_json(dump_json(dict(document)), "document", max_bytes=MAX_TOKEN)


@cache
def _vp_header(alg: str) -> bytes:
    return b64u_bytes(dump_json({"alg": alg, "typ": _VP, "cty": "vp"}))
