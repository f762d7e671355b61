"""The Digital Credentials Query Language (OpenID4VP 1.0 sections 6 and 7): the query and its strict parser.

What a holder can answer is in ``match``, what a verifier must re-check in ``check_answer``; both
work on ``Candidate``, which knows nothing about formats. Besides the formats of OpenID4VP there is
ours, ``sd-cwt``, whose ``meta`` is that of ``dc+sd-jwt``. Unknown properties are ignored (section 6),
limits are ours (a query is made by a stranger).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from vcred._dcql_match import Answer, Candidate, Match, Matches, answer_problems, check_answer, match
from vcred._dcql_parts import OUR_DOCTYPES, in_our_words, with_elements
from vcred.claims import ClaimPath
from vcred.errors import MalformedError
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "Answer",
    "Candidate",
    "ClaimQuery",
    "CredentialQuery",
    "CredentialSet",
    "DcqlQuery",
    "Match",
    "Matches",
    "TrustedAuthority",
    "answer_problems",
    "check_answer",
    "match",
]

MAX_CREDENTIALS = 32
MAX_CLAIMS = 512
MAX_PATH = 16
MAX_VALUES = 64
MAX_SETS = 32
MAX_OPTIONS = 64
MAX_AUTHORITIES = 64
MAX_TEXT = 512

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_VCT_FORMATS = frozenset({"dc+sd-jwt", "sd-cwt"})
_TYPE_FORMATS = frozenset({"jwt_vc_json", "ldp_vc", "vc+jwt", "vc+sd-jwt"})
_SUBJECT = "credentialSubject"
_LITERAL = "claims"
"""Where our ``ldp_vc`` has the claims in the subject (``vcred.formats._w3c_ldp``)."""

Value = str | int | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimQuery:
    """One claim: where it is and, if ``values`` is not ``None``, which values will do (type and value)."""

    path: ClaimPath
    id: str | None = None
    values: tuple[Value, ...] | None = None
    intent_to_retain: bool | None = None

    def to_json(self, kind: str = "", types: Sequence[frozenset[str]] | None = None) -> dict[str, Any]:
        """As an object of a query for a credential in the format ``kind``."""
        out: dict[str, Any] = {} if self.id is None else {"id": self.id}
        out["path"] = _outer(self.path, kind, types)
        if self.values is not None:
            out["values"] = list(self.values)
        if self.intent_to_retain is not None:
            out["intent_to_retain"] = self.intent_to_retain
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedAuthority:
    """Issuers of one ``type`` of identification (``aki``, ``etsi_tl``, ``openid_federation``)."""

    type: str
    values: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As an object of the query."""
        return {"type": self.type, "values": list(self.values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialQuery:
    """One credential. ``types`` holds alternatives, each a set of type identifiers that must all be there.

    ``claims`` is ``None`` where the query has none: then nothing selectively disclosable is asked for. ``also`` says
    the same in elements of an mdoc, for wallets that do not know ours (``vcred._dcql_parts``): no claims of this query.
    """

    id: str
    format: str
    types: tuple[frozenset[str], ...] | None
    claims: tuple[ClaimQuery, ...] | None = None
    claim_sets: tuple[tuple[str, ...], ...] | None = None
    multiple: bool = False
    holder_binding: bool = True
    trusted_authorities: tuple[TrustedAuthority, ...] | None = None
    also: tuple[tuple[tuple[str, str], ...], ...] = ()

    def options(self) -> tuple[tuple[ClaimQuery, ...], ...]:
        """The combinations of claims that will do, best first."""
        if self.claims is None:
            return ((),)
        if self.claim_sets is None:
            return (self.claims,)
        by_id = {claim.id: claim for claim in self.claims}
        return tuple(tuple(by_id[one] for one in option) for option in self.claim_sets)

    def to_json(self) -> dict[str, Any]:
        """As an object of the query."""
        out: dict[str, Any] = {"id": self.id, "format": self.format, "meta": self._meta()}
        if self.multiple:
            out["multiple"] = True
        if not self.holder_binding:
            out["require_cryptographic_holder_binding"] = False
        if self.trusted_authorities is not None:
            out["trusted_authorities"] = [one.to_json() for one in self.trusted_authorities]
        if self.claims is not None:
            out["claims"] = [claim.to_json(self.format, self.types) for claim in self.claims]
        if self.claim_sets is not None:
            out["claim_sets"] = [list(option) for option in self.claim_sets]
            if self.also:
                out["claims"], out["claim_sets"] = with_elements(out["claims"], out["claim_sets"], self.also)
        return out

    def _meta(self) -> dict[str, Any]:
        if self.types is None:
            return {}
        if self.format in _TYPE_FORMATS:
            return {"type_values": [sorted(alternative) for alternative in self.types]}
        names = [name for alternative in self.types for name in alternative]
        return {"doctype_value": names[0]} if self.format == "mso_mdoc" else {"vct_values": names}


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialSet:
    """Combinations of credential query ids, best first; one of them must be given if ``required``."""

    options: tuple[tuple[str, ...], ...]
    required: bool = True

    def to_json(self) -> dict[str, Any]:
        """As an object of the query."""
        out: dict[str, Any] = {"options": [list(option) for option in self.options]}
        if not self.required:
            out["required"] = False
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class DcqlQuery:
    """A query, read strictly and within limits."""

    credentials: tuple[CredentialQuery, ...]
    credential_sets: tuple[CredentialSet, ...] | None = None

    @classmethod
    def parse(cls, obj: Any, path: str = "dcql_query") -> DcqlQuery:
        """Read a decoded JSON object. Raises ``MalformedError`` with ``dcql``, ``json`` or ``limit``."""
        query = _object(obj, path)
        items = _array(query, "credentials", path, MAX_CREDENTIALS)
        credentials = tuple(_credential(item, f"{path}.credentials[{i}]") for i, item in enumerate(items))
        _unique([one.id for one in credentials], f"{path}.credentials")
        total = sum(len(one.claims or ()) for one in credentials)
        if total > MAX_CLAIMS:
            raise MalformedError(ReasonCode.LIMIT, path, f"more than {MAX_CLAIMS} claims")
        sets = None
        if "credential_sets" in query:
            known = frozenset(one.id for one in credentials)
            items = _array(query, "credential_sets", path, MAX_SETS)
            sets = tuple(_credential_set(item, known, f"{path}.credential_sets[{i}]") for i, item in enumerate(items))
        return cls(credentials=credentials, credential_sets=sets)

    def to_json(self) -> dict[str, Any]:
        """The JSON object; ``parse(to_json())`` is an equal query."""
        out: dict[str, Any] = {"credentials": [one.to_json() for one in self.credentials]}
        if self.credential_sets is not None:
            out["credential_sets"] = [one.to_json() for one in self.credential_sets]
        return out

    def __getitem__(self, query_id: str) -> CredentialQuery:
        for one in self.credentials:
            if one.id == query_id:
                return one
        raise KeyError(query_id)


def _credential(obj: Any, path: str) -> CredentialQuery:
    item = _object(obj, path)
    query_id = _id(item.get("id"), f"{path}.id")
    kind = _text(item.get("format"), f"{path}.format")
    claims = None
    item, also = in_our_words(item, kind)
    if "claims" in item:
        entries = _array(item, "claims", path, MAX_CLAIMS)
        types = _types(item, kind, path)
        claims = tuple(_claim(entry, kind, types, f"{path}.claims[{i}]") for i, entry in enumerate(entries))
        _unique([claim.id for claim in claims if claim.id is not None], f"{path}.claims")
    claim_sets = _claim_sets(item, claims, path) if "claim_sets" in item else None
    authorities = None
    if "trusted_authorities" in item:
        entries = _array(item, "trusted_authorities", path, MAX_AUTHORITIES)
        authorities = tuple(_authority(entry, f"{path}.trusted_authorities[{i}]") for i, entry in enumerate(entries))
    return CredentialQuery(
        id=query_id,
        format=kind,
        types=_types(item, kind, path),
        claims=claims,
        claim_sets=claim_sets,
        multiple=_flag(item, "multiple", path, default=False),
        holder_binding=_flag(item, "require_cryptographic_holder_binding", path, default=True),
        trusted_authorities=authorities,
        also=also,
    )


def _types(item: Mapping[str, Any], kind: str, path: str) -> tuple[frozenset[str], ...] | None:
    meta = _object(item.get("meta"), f"{path}.meta")
    path = f"{path}.meta"
    if kind in _VCT_FORMATS:
        return tuple(frozenset({name}) for name in _texts(meta, "vct_values", path))
    if kind == "mso_mdoc":
        return (frozenset({_text(meta.get("doctype_value"), f"{path}.doctype_value")}),)
    if kind in _TYPE_FORMATS:
        _array(meta, "type_values", path, MAX_OPTIONS)
        inner = {str(i): one for i, one in enumerate(meta["type_values"])}
        return tuple(frozenset(_texts(inner, key, f"{path}.type_values")) for key in inner)
    return None


def _claim(obj: Any, kind: str, types: Sequence[frozenset[str]] | None, path: str) -> ClaimQuery:
    item = _object(obj, path)
    parts = _array(item, "path", path, MAX_PATH)
    if any(isinstance(part, str) and len(part) > MAX_TEXT for part in parts):
        raise MalformedError(ReasonCode.LIMIT, f"{path}.path", "a name is too long")
    if kind == "mso_mdoc" and not (len(parts) == 2 and all(isinstance(part, str) for part in parts)):
        raise _bad(f"{path}.path", "an mdoc path is a namespace and an element")
    try:
        pointer = _inner(parts, kind, types)
    except ValueError as error:
        raise _bad(f"{path}.path", str(error)) from None
    values = None
    if "values" in item:
        values = tuple(_array(item, "values", path, MAX_VALUES))
        if not all(isinstance(value, (str, int)) for value in values):
            raise _bad(f"{path}.values", "a value is a text, an integer or a boolean")
    retain = _flag(item, "intent_to_retain", path, default=False) if "intent_to_retain" in item else None
    claim_id = _id(item["id"], f"{path}.id") if "id" in item else None
    return ClaimQuery(id=claim_id, path=pointer, values=values, intent_to_retain=retain)


def _is_ours(kind: str, types: Sequence[frozenset[str]] | None) -> bool:
    """Whether this is an mdoc of ours, whose nested claims have one element each (``vcred.formats.mdoc``)."""
    return kind == "mso_mdoc" and types is not None and any(one.startswith(OUR_DOCTYPES) for one in types[0])


def _outer(path: ClaimPath, kind: str, types: Sequence[frozenset[str]] | None) -> list[Any]:
    """A claim path as ``format`` writes it in a query (OpenID4VP 1.0 appendix B)."""
    if kind in _TYPE_FORMATS:
        return [_SUBJECT, *([_LITERAL] if kind == "ldp_vc" else []), *path.parts]
    if types is not None and _is_ours(kind, types):
        from vcred.formats._mdoc_tree import identifier_of  # noqa: PLC0415 - only for queries for mdocs

        return [*types[0], identifier_of(path)]
    return list(path.parts)


def _inner(parts: list[Any], kind: str, types: Sequence[frozenset[str]] | None) -> ClaimPath:
    """The claim path that a query for ``format`` means. A path outside the subject is none of a certificate's."""
    if kind == "ldp_vc" and parts[:2] == [_SUBJECT, _LITERAL] and len(parts) > 2:
        return ClaimPath(tuple(parts[2:]))
    if kind in _TYPE_FORMATS and parts[0] == _SUBJECT and len(parts) > 1:
        return ClaimPath(tuple(parts[1:]))
    if types is not None and _is_ours(kind, types) and parts[0] in types[0]:
        from vcred.formats._mdoc_tree import path_of  # noqa: PLC0415 - only for queries for mdocs

        return path_of(parts[1])
    return ClaimPath(tuple(parts))


def _claim_sets(
    item: Mapping[str, Any], claims: tuple[ClaimQuery, ...] | None, path: str
) -> tuple[tuple[str, ...], ...]:
    if claims is None or any(claim.id is None for claim in claims):
        raise _bad(f"{path}.claim_sets", "claim_sets needs claims, each with an id")
    known = frozenset(claim.id for claim in claims if claim.id is not None)
    return _options(item, "claim_sets", known, path)


def _credential_set(obj: Any, known: frozenset[str], path: str) -> CredentialSet:
    item = _object(obj, path)
    return CredentialSet(
        options=_options(item, "options", known, path), required=_flag(item, "required", path, default=True)
    )


def _options(item: Mapping[str, Any], name: str, known: frozenset[str], path: str) -> tuple[tuple[str, ...], ...]:
    found = []
    for i, option in enumerate(_array(item, name, path, MAX_OPTIONS)):
        where = f"{path}.{name}[{i}]"
        ids = _texts({"": option}, "", where, limit=MAX_CLAIMS)
        _unique(ids, where)
        if not known.issuperset(ids):
            raise _bad(where, "an id that the query does not define")
        found.append(ids)
    return tuple(found)


def _authority(obj: Any, path: str) -> TrustedAuthority:
    item = _object(obj, path)
    return TrustedAuthority(type=_text(item.get("type"), f"{path}.type"), values=_texts(item, "values", path))


def _bad(path: str, detail: str) -> MalformedError:
    return MalformedError(ReasonCode.DCQL, path, detail)


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def _object(value: Any, path: str) -> dict[str, Any]:
    if not _is_object(value):
        raise _bad(path, "an object is required here")
    return value


def _array(item: Mapping[str, Any], name: str, path: str, limit: int) -> list[Any]:
    value = item.get(name)
    where = f"{path}.{name}" if name else path
    if not isinstance(value, list) or not value:
        raise _bad(where, "a non-empty array is required here")
    if len(value) > limit:
        raise MalformedError(ReasonCode.LIMIT, where, f"more than {limit} entries")
    return value


def _texts(item: Mapping[str, Any], name: str, path: str, *, limit: int = MAX_VALUES) -> tuple[str, ...]:
    where = f"{path}.{name}" if name else path
    return tuple(_text(value, f"{where}[{i}]") for i, value in enumerate(_array(item, name, path, limit)))


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value:
        raise _bad(path, "a non-empty text is required here")
    if len(value) > MAX_TEXT:
        raise MalformedError(ReasonCode.LIMIT, path, "the text is too long")
    return value


def _id(value: Any, path: str) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise _bad(path, "an id consists of A-Z a-z 0-9 _ -")
    return value


def _flag(item: Mapping[str, Any], name: str, path: str, *, default: bool) -> bool:
    value = item.get(name, default)
    if not isinstance(value, bool):
        raise _bad(f"{path}.{name}", "true or false is required here")
    return value


def _unique(ids: Iterable[str], path: str) -> None:
    seen = list(ids)
    if len(set(seen)) != len(seen):
        raise _bad(path, "an id is used twice")
