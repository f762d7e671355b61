"""The W3C Verifiable Credentials Data Model v2.0: what a credential and a presentation must look like to be read here.

JSON is read as JSON. That is sound only while no context can make a member mean something else, so:

1. ``@context`` begins with that of VCDM 2.0. After it come only the vocabulary of this SDK, as the very object
   ``CERTIFICATE_TERMS``, the context for undefined terms, and contexts that the caller names. Nothing is fetched.
2. ``type`` is ``VerifiableCredential`` and one type of its own: an absolute URL, or a term if a further context may
   define it. A ``vct`` of this SDK is an absolute URL, and so is a type as it stands.
3. A member that neither VCDM 2.0 nor JWT defines is refused, and so are those of VCDM 1.1: nobody would know what it
   says. ``proof`` is refused too: it would be a second signature, which nobody here checks.
4. ``issuer`` is a URL or an object with one; ``id`` is a URL; ``credentialSubject`` is one object.
5. ``validFrom`` and ``validUntil`` are times with an offset, in order.
6. Objects that say what they are have a type; what a credential says beside its claims (schema, evidence, terms of use)
   is checked for its shape and otherwise left alone.

Clauses: VCDM 2.0 sections 4.3 to 4.13, 4.13.1 (enveloped credentials), 5.2 (extensibility).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vcred.claims import SD
from vcred.errors import MalformedError
from vcred.formats._paths import needed
from vcred.formats._w3c_time import read_moment
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from vcred.claims import ClaimPath
    from vcred.formats._paths import Parts

__all__ = [
    "BASE_CONTEXT",
    "CERTIFICATE_TERMS",
    "JWT_CLAIMS",
    "PRESENTATION_CLAIMS",
    "UNDEFINED_TERMS",
    "CredentialModel",
    "check_contexts",
    "check_credential",
    "check_members",
    "check_presentation",
    "check_typed",
    "check_url",
    "own_type",
    "party_id",
    "plain_claims",
    "require_all",
]

BASE_CONTEXT: Final = "https://www.w3.org/ns/credentials/v2"
UNDEFINED_TERMS: Final = "https://www.w3.org/ns/credentials/undefined-terms/v2"
CERTIFICATE_TERMS: Final = {"@vocab": "urn:vcred:kr:claim:"}
"""The context of our claims: each name is a term of this vocabulary. It is in the credential, so nothing is fetched."""

JWT_CLAIMS: Final = frozenset({"iss", "sub", "jti", "iat", "exp", "nbf", "cnf", "status"})
"""Members of a credential that JWT defines and this SDK reads."""

PRESENTATION_CLAIMS: Final = frozenset({"iss", "sub", "jti", "iat", "exp", "nbf", "aud", "nonce"})

_MEMBERS = frozenset({
    "@context", "id", "type", "name", "description", "issuer", "credentialSubject", "validFrom", "validUntil",
    "credentialStatus", "credentialSchema", "refreshService", "termsOfUse", "evidence", "relatedResource",
    "renderMethod", "confidenceMethod",
})  # fmt: skip
_TYPED = ("credentialSchema", "refreshService", "termsOfUse", "evidence", "renderMethod", "confidenceMethod")
_PRESENTATION_MEMBERS = frozenset({"@context", "id", "type", "holder", "verifiableCredential", "termsOfUse"})
_OF_THE_BASE = frozenset({"id", "type", "name", "description"})
"""What the base context defines inside a subject."""

_MAX_TEXT = 2048
_MAX_LISTED = 16
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,63}:[!-~]+")
_TERM = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialModel:
    """What a credential says about itself, in the terms of VCDM 2.0. Times are seconds since 1970."""

    id: str | None
    type: str
    issuer: str
    subject: Mapping[str, Any] = field(repr=False)
    valid_from: int | None
    valid_until: int | None


def check_credential(body: Mapping[str, Any], *, contexts: Collection[str], path: str) -> CredentialModel:
    """Read an unsecured credential by the rules above; ``contexts`` are the URLs that the caller knows besides ours.

    Raises ``MalformedError`` with ``context``, ``vct``, ``issuer``, ``claim_type`` or ``limit``.
    """
    terms = check_contexts(body.get("@context"), contexts, path)
    check_members(body, _MEMBERS | JWT_CLAIMS, path)
    kind = own_type(body.get("type"), path, terms=terms)
    subject = body.get("credentialSubject")
    if type(subject) is not dict:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.credentialSubject", "not one object")
    if not terms and not subject.keys() <= _OF_THE_BASE:
        raise MalformedError(ReasonCode.CONTEXT, f"{path}.credentialSubject", "no context defines its members")
    if "id" in subject:
        check_url(subject["id"], f"{path}.credentialSubject.id")
    for name in _TYPED:
        if name in body:
            check_typed(body[name], f"{path}.{name}")
    for name in ("name", "description"):
        if name in body and type(body[name]) not in (str, dict, list):
            raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.{name}", "not a text or texts with a language")
    start, end = read_moment(body, "validFrom", path), read_moment(body, "validUntil", path)
    if start is not None and end is not None and start > end:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.validUntil", "before validFrom")
    return CredentialModel(
        id=check_url(body["id"], f"{path}.id") if "id" in body else None,
        type=kind,
        issuer=party_id(body.get("issuer"), f"{path}.issuer", ReasonCode.ISSUER),
        subject=subject,
        valid_from=start,
        valid_until=end,
    )


def check_presentation(body: Mapping[str, Any], *, contexts: Collection[str], path: str) -> str | None:
    """Read an unsecured presentation but for its credentials; returns the ``holder``, if it names one.

    Raises ``MalformedError`` with ``context``, ``claim_type``, ``typ`` or ``limit``.
    """
    check_contexts(body.get("@context"), contexts, path)
    check_members(body, _PRESENTATION_MEMBERS | PRESENTATION_CLAIMS, path)
    if body.get("type") not in ("VerifiablePresentation", ["VerifiablePresentation"]):
        raise MalformedError(ReasonCode.TYP, f"{path}.type", "not just a VerifiablePresentation")
    if "id" in body:
        check_url(body["id"], f"{path}.id")
    if "termsOfUse" in body:
        check_typed(body["termsOfUse"], f"{path}.termsOfUse")
    return party_id(body["holder"], f"{path}.holder", ReasonCode.CLAIM_TYPE) if "holder" in body else None


def check_url(value: Any, path: str) -> str:
    """An absolute URL in ASCII. Raises ``MalformedError`` with ``claim_type``."""
    if type(value) is not str or len(value) > _MAX_TEXT or not _URL.fullmatch(value):
        raise MalformedError(ReasonCode.CLAIM_TYPE, path, "not a URL")
    return value


def require_all(claims: Mapping[str, Any], paths: Collection[ClaimPath]) -> None:
    """Nothing of ``claims`` can be hidden: ``paths`` are none, or all. Raises ``ValueError``."""
    if not paths:
        return
    leaves: dict[Parts, bytes] = dict.fromkeys(_leaves(claims, ()), b"")
    if needed(claims, leaves, paths) != leaves.keys():
        raise ValueError("this format discloses everything: agree to every claim, or use a format that can hide some")


def plain_claims(value: Any) -> Any:
    """``value`` without its ``SD`` marks."""
    if isinstance(value, SD):
        return plain_claims(value.value)
    if isinstance(value, dict):
        return {name: plain_claims(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_claims(element) for element in value]
    return value


def check_contexts(value: Any, known: Collection[str], path: str, *, base: str = BASE_CONTEXT) -> bool:
    """Rule 1. Whether anything beside the ``base`` context may define a term. Raises ``context`` or ``limit``."""
    where = f"{path}.@context"
    if type(value) is not list or not value or value[0] != base:
        raise MalformedError(ReasonCode.CONTEXT, where, f"does not begin with {base}")
    if len(value) > _MAX_LISTED:
        raise MalformedError(ReasonCode.LIMIT, where, f"more than {_MAX_LISTED} contexts")
    for each in value[1:]:
        ours = each in (CERTIFICATE_TERMS, UNDEFINED_TERMS)
        if not ours and not (type(each) is str and each in known):
            raise MalformedError(ReasonCode.CONTEXT, where, "a context that is not known here, and is never fetched")
    return len(value) > 1


def check_members(body: Mapping[str, Any], known: frozenset[str], path: str) -> None:
    """Rule 3. Raises ``MalformedError`` with ``format`` or ``context``."""
    for name in ("vc", "vp"):
        if name in body:
            raise MalformedError(ReasonCode.FORMAT, f"{path}.{name}", "a claim of VCDM 1.1, forbidden in this format")
    if not body.keys() <= known:
        # A stranger's member name stays out of the error.
        raise MalformedError(ReasonCode.CONTEXT, path, "a member that neither VCDM 2.0 nor JWT defines")


def own_type(value: Any, path: str, *, terms: bool) -> str:
    """Rule 2. Raises ``MalformedError`` with ``vct`` or ``context``."""
    where = f"{path}.type"
    if type(value) is not list or len(value) != 2 or value.count("VerifiableCredential") != 1:
        raise MalformedError(ReasonCode.VCT, where, "not VerifiableCredential and one type of its own")
    own = value[1 - value.index("VerifiableCredential")]
    if type(own) is not str or not 0 < len(own) <= _MAX_TEXT:
        raise MalformedError(ReasonCode.VCT, where, "not text")
    if not _URL.fullmatch(own) and not (terms and _TERM.fullmatch(own)):
        raise MalformedError(ReasonCode.CONTEXT, where, "a type that no context defines")
    return own


def party_id(value: Any, path: str, code: ReasonCode) -> str:
    """A URL, or the one an object has in ``id``. Raises ``MalformedError`` with ``code``."""
    found = value.get("id") if type(value) is dict else value
    try:
        return check_url(found, path)
    except MalformedError as error:
        raise MalformedError(code, error.path, error.detail) from None


def check_typed(value: Any, path: str) -> None:
    """Rule 6. Raises ``MalformedError`` with ``claim_type`` or ``limit``."""
    entries = value if type(value) is list else [value]
    if not 1 <= len(entries) <= _MAX_LISTED:
        raise MalformedError(ReasonCode.LIMIT, path, f"not 1 to {_MAX_LISTED} entries")
    for entry in entries:
        if type(entry) is not dict or type(entry.get("type")) not in (str, list):
            raise MalformedError(ReasonCode.CLAIM_TYPE, path, "not an object with a type")
        if "id" in entry:
            check_url(entry["id"], f"{path}.id")


def _leaves(node: Any, at: Parts) -> list[Parts]:
    if isinstance(node, dict) and node:
        return [parts for name, value in node.items() for parts in _leaves(value, (*at, name))]
    if isinstance(node, list) and node:
        return [parts for index, value in enumerate(node) for parts in _leaves(value, (*at, index))]
    return [at] if at else []
