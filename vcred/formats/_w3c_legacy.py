"""``jwt_vc_json``: the VCDM 1.1 credential in a JWT, and its presentation. Read only, never issued or presented here.

VCDM 1.1 section 6.3.1 moves members into JWT claims and keeps the rest in ``vc``. Where both are there they must agree:
``iss`` and ``issuer``, ``jti`` and ``id``, ``sub`` and the subject's ``id``, ``nbf`` and ``issuanceDate``, ``exp`` and
``expirationDate``. The holder's key is ``cnf``, or the subject itself where that is a ``did:key`` or ``did:jwk``.
Members of VCDM 2.0, and members that VCDM 1.1 does not define, are refused as in ``_w3c_model``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from vcred.credential import KeyBinding, Opened
from vcred.errors import MalformedError
from vcred.formats._jose import Jws, kid_of, parse_jws, verify_signature
from vcred.formats._paths import PathMap
from vcred.formats._registered import read_registered
from vcred.formats._w3c_jwt import binding_claims, check_holder_signature, payload_of, status_of
from vcred.formats._w3c_model import (
    JWT_CLAIMS,
    PRESENTATION_CLAIMS,
    check_contexts,
    check_typed,
    own_type,
    party_id,
)
from vcred.formats._w3c_time import read_moment
from vcred.formats.sd_jwt import MAX_TOKEN
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from vcred.keys import PublicKey

__all__ = ["V1_CONTEXT", "JwtVcJson", "subject_key"]

V1_CONTEXT = "https://www.w3.org/2018/credentials/v1"

_FORMAT = "jwt_vc_json"
_TYPS: tuple[Any, ...] = ("JWT", None)
_MEMBERS = frozenset({
    "@context", "id", "type", "issuer", "issuanceDate", "expirationDate", "credentialSubject", "credentialStatus",
    "credentialSchema", "refreshService", "termsOfUse", "evidence",
})  # fmt: skip
_TYPED = ("credentialSchema", "refreshService", "termsOfUse", "evidence")


class JwtVcJson:
    """``jwt_vc_json``, to be read. ``contexts`` are URLs of JSON-LD contexts that the caller knows the meaning of."""

    __slots__ = ("_contexts",)

    def __init__(self, *, contexts: Collection[str] = ()) -> None:
        self._contexts = frozenset(contexts)

    @property
    def id(self) -> str:
        """``jwt_vc_json``."""
        return _FORMAT

    def open(self, raw: bytes) -> Opened:
        """Read a credential, or a presentation of exactly one. Verifies nothing. Raises ``MalformedError``."""
        jws = parse_jws(raw, path="jwt", typ=_TYPS, max_bytes=MAX_TOKEN)
        body = payload_of(jws, "jwt", cty="JWT")
        if ("vc" in body) == ("vp" in body):
            raise MalformedError(ReasonCode.FORMAT, "payload", "not one of vc and vp")
        if "vc" in body:
            return self._credential(raw, jws, body, None)
        binding, inner = self._presentation(jws, body)
        inner_jws = parse_jws(inner, path="jwt", typ=_TYPS, max_bytes=MAX_TOKEN)
        credential = payload_of(inner_jws, "jwt", cty="JWT")
        if "vc" not in credential or "vp" in credential:
            raise MalformedError(ReasonCode.FORMAT, "vp.payload.vp.verifiableCredential", "not a credential")
        return self._credential(raw, inner_jws, credential, binding)

    def verify_signature(self, opened: Opened, key: PublicKey) -> None:
        """Check the issuer's signature with ``key``, whoever's that is. Raises ``RefusedError``."""
        verify_signature(opened.alg, opened.signing_input, opened.signature, key)

    def verify_key_binding(self, opened: Opened) -> None:
        """Check the holder's signature over the presentation. Raises ``RefusedError``: ``kb_missing``, ``kb_key``."""
        check_holder_signature(opened)

    def _credential(self, raw: bytes, jws: Jws, body: dict[str, Any], binding: KeyBinding | None) -> Opened:
        _check_claims(body, JWT_CLAIMS | {"vc"})
        vc = body["vc"]
        if type(vc) is not dict or not vc.keys() <= _MEMBERS:
            raise MalformedError(ReasonCode.CONTEXT, "payload.vc", "a member that VCDM 1.1 does not define")
        terms = check_contexts(vc.get("@context"), self._contexts, "payload.vc", base=V1_CONTEXT)
        kind = own_type(vc.get("type"), "payload.vc", terms=terms)
        subject = vc.get("credentialSubject")
        if type(subject) is not dict or not subject:
            raise MalformedError(ReasonCode.CLAIM_TYPE, "payload.vc.credentialSubject", "not one object with members")
        for name in _TYPED:
            if name in vc:
                check_typed(vc[name], f"payload.vc.{name}")
        issuer = _agreed(body, "iss", vc, "issuer", ReasonCode.ISSUER)
        _agreed(body, "jti", vc, "id", None)
        subject_id = _agreed(body, "sub", subject, "id", None)
        start, end = _both(body, "nbf", vc, "issuanceDate"), _both(body, "exp", vc, "expirationDate")
        claims: dict[str, Any] = {name: body[name] for name in ("iat", "cnf", "status") if name in body}
        known = read_registered({**claims, "iss": issuer, "vct": kind}, claims, {})
        return Opened(
            format=_FORMAT,
            raw=raw,
            alg=jws.header["alg"],
            kid=kid_of(jws.header),
            x5c=jws.x5c,
            signing_input=jws.signing_input,
            signature=jws.signature,
            issuer=issuer,
            vct=kind,
            issued_at=start if known.issued_at is None else known.issued_at,
            not_before=start,
            expires_at=end,
            status=status_of(vc, known.status),
            holder_key=_holder_key(known.holder_key, subject_id),
            claims={name: value for name, value in subject.items() if name not in ("id", "type")},
            hidden_elements=PathMap({}),
            disclosures=PathMap({}),
            key_binding=binding,
        )

    def _presentation(self, jws: Jws, body: dict[str, Any]) -> tuple[KeyBinding, bytes]:
        _check_claims(body, PRESENTATION_CLAIMS | {"vp"})
        vp = body["vp"]
        if type(vp) is not dict or not vp.keys() <= {"@context", "id", "type", "holder", "verifiableCredential"}:
            raise MalformedError(ReasonCode.CONTEXT, "vp.payload.vp", "a member that VCDM 1.1 does not define")
        check_contexts(vp.get("@context"), self._contexts, "vp.payload.vp", base=V1_CONTEXT)
        if vp.get("type") not in ("VerifiablePresentation", ["VerifiablePresentation"]):
            raise MalformedError(ReasonCode.TYP, "vp.payload.vp.type", "not just a VerifiablePresentation")
        _agreed(body, "iss", vp, "holder", None)
        held = vp.get("verifiableCredential")
        tokens = held if type(held) is list else [held]
        if len(tokens) != 1 or type(tokens[0]) is not str or not tokens[0].isascii():
            raise MalformedError(ReasonCode.FORMAT, "vp.payload.vp.verifiableCredential", "not exactly one JWT")
        claims = binding_claims(body)
        for name, code in (("audience", ReasonCode.AUD), ("nonce", ReasonCode.NONCE), ("issued_at", ReasonCode.IAT)):
            if claims[name] is None:
                raise MalformedError(code, f"vp.payload.{code.value}", "missing: the presentation answers nobody")
        binding = KeyBinding(alg=jws.header["alg"], signing_input=jws.signing_input, signature=jws.signature, **claims)
        return binding, tokens[0].encode("ascii")

    def _no(self, *_: Any, **__: Any) -> NoReturn:
        raise ValueError("jwt_vc_json is read only: issue vc+jwt or vc+sd-jwt")

    prepare = issue = prepare_presentation = present = _no


def subject_key(subject: str) -> PublicKey | None:
    """The key that a ``did:key`` or ``did:jwk`` is; ``None`` for any other subject. Raises ``MalformedError``."""
    if not subject.startswith(("did:key:", "did:jwk:")):
        return None
    from vcred.trust.did import did_methods  # noqa: PLC0415 - the trust layer loads where a DID is read

    return did_methods(subject, None, path="payload.sub")[0][1]


def _check_claims(body: Mapping[str, Any], known: frozenset[str]) -> None:
    if not body.keys() <= known:
        raise MalformedError(ReasonCode.CONTEXT, "payload", "a claim that is not read here")


def _agreed(
    body: Mapping[str, Any], claim: str, vc: Mapping[str, Any], member: str, required: ReasonCode | None
) -> str:
    """What ``claim`` and ``member`` both say; empty when neither is there and neither is required."""
    code = required or ReasonCode.CLAIM_TYPE
    said = [
        party_id(where[name], f"payload.{name}", code) for where, name in ((body, claim), (vc, member)) if name in where
    ]
    if len(set(said)) > 1:
        raise MalformedError(code, f"payload.{claim}", "it says another thing than the credential")
    if required is not None and not said:
        raise MalformedError(code, f"payload.{claim}", "missing")
    return said[0] if said else ""


def _both(body: Mapping[str, Any], claim: str, vc: Mapping[str, Any], member: str) -> int | None:
    """The one time that a claim and a member say."""
    moment = read_moment(vc, member, "payload.vc")
    known = read_registered({claim: body[claim], "vct": "-"}, {}, {}) if claim in body else None
    if known is None:
        return moment
    value = known.not_before if claim == "nbf" else known.expires_at
    if moment is not None and moment != value:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"payload.{claim}", f"it says another thing than {member}")
    return value


def _holder_key(cnf: PublicKey | None, subject: str) -> PublicKey | None:
    own = subject_key(subject)
    if cnf is not None and own is not None and cnf != own:
        raise MalformedError(ReasonCode.CNF, "payload.cnf", "another key than the subject's")
    return cnf or own
