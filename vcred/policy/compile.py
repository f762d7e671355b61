"""A policy as a DCQL query. What a policy demands beyond presence (dates, variants, rules) is ``evaluate``'s."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from typing import TYPE_CHECKING

from vcred._dcql_parts import elements_of
from vcred.dcql import ClaimQuery, CredentialQuery, CredentialSet, DcqlQuery
from vcred.errors import PolicyError
from vcred.formats.known import FORMATS, LEGACY_FORMATS, may_be_in, spelling_of, type_names
from vcred.policy.model import HolderBinding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vcred.catalog import Catalog, CertificateType
    from vcred.policy.model import Acceptable, Slot, VerificationPolicy

__all__ = ["compile_policy", "slot_of"]

_MAX_OPTIONS = 64
_FEW = 3


def slot_of(query_id: str) -> str:
    """The slot that a credential query of a compiled policy, or one of several answers to it (``[n]``), belongs to."""
    return query_id.partition("[")[0].partition("-")[0]


def compile_policy(
    policy: VerificationPolicy, catalog: Catalog, formats: Sequence[str], *, strangers: bool = False
) -> DcqlQuery:
    """The query for ``policy``: one credential query per alternative and format, sets for the choice between them.

    An alternative is asked for in those of ``formats`` that its type may be in. With ``strangers``, wallets that know
    nothing of our mdocs are told which elements to return (``vcred._dcql_parts``); a QR code has no room for that.
    Raises ``PolicyError`` for a type that ``catalog`` does not know and for a slot that none of ``formats`` can fill,
    ``ValueError`` for an empty or unknown format.
    """
    known = (*FORMATS, *LEGACY_FORMATS)
    if not formats or any(one not in known for one in formats) or len(set(formats)) != len(formats):
        raise ValueError("formats are some of " + ", ".join(known) + ", each once")
    ids: dict[str, tuple[str, ...]] = {}
    queries: list[CredentialQuery] = []
    for index, slot in enumerate(policy.slots):
        made = _slot_queries(policy, slot, index, catalog, formats, strangers=strangers)
        ids[slot.id] = tuple(one.id for one in made)
        queries += made
    return DcqlQuery(credentials=tuple(queries), credential_sets=_sets(policy, ids))


def _slot_queries(
    policy: VerificationPolicy, slot: Slot, index: int, catalog: Catalog, formats: Sequence[str], *, strangers: bool
) -> list[CredentialQuery]:
    pairs = []
    for position, one in enumerate(slot.any_of):
        if one.code not in catalog:
            path = f"certificates[{index}].any_of[{position}].code"
            raise PolicyError(policy.file, path, f"no certificate type {one.code!r} in the catalogue")
        pairs += [(one, name) for name in formats if may_be_in(catalog[one.code], name)]
    if not pairs:
        raise PolicyError(policy.file, f"certificates[{index}]", "no type in it may be in " + ", ".join(formats))
    made = []
    for number, (acceptable, name) in enumerate(pairs, start=1):
        kind = catalog[acceptable.code]
        claims, claim_sets = _claims(acceptable)
        also: tuple[tuple[tuple[str, str], ...], ...] = ()
        if strangers and name == "mso_mdoc" and not kind.foreign:
            claims, claim_sets, also = _in_elements(kind, claims, claim_sets)
        if (spelling := spelling_of(name, kind)) is not None:
            claims = tuple(replace(claim, path=spelling.wire(claim.path)) for claim in claims)
        made.append(
            CredentialQuery(
                id=slot.id if len(pairs) == 1 else f"{slot.id}-{number}",
                format=name,
                types=(frozenset(type_names(name, vct=kind.vct, doctype=kind.doctype)),),
                claims=claims,
                claim_sets=claim_sets,
                holder_binding=policy.holder_binding is HolderBinding.REQUIRED or not kind.on_paper,
                also=also,
                multiple=slot.multiple,
            )
        )
    return made


def _in_elements(
    kind: CertificateType, claims: tuple[ClaimQuery, ...], claim_sets: tuple[tuple[str, ...], ...] | None
) -> tuple[tuple[ClaimQuery, ...], tuple[tuple[str, ...], ...] | None, tuple[tuple[tuple[str, str], ...], ...]]:
    """The same for wallets that do not know our mdocs: claim sets, and what they are in elements."""
    named = tuple(replace(one, id=f"c{number}") for number, one in enumerate(claims))
    paths = {str(one.id): one.path for one in named}
    sets = (tuple(paths),) if claim_sets is None else claim_sets
    also = tuple(dict.fromkeys(elements_of(kind, [paths[name] for name in option]) for option in sets))
    return (named, sets, also) if all(also) else (claims, claim_sets, ())


def _claims(acceptable: Acceptable) -> tuple[tuple[ClaimQuery, ...], tuple[tuple[str, ...], ...] | None]:
    """With optional claims there is a claim set per choice, the richest first; with many, all or none of them."""
    if not acceptable.optional:
        return tuple(ClaimQuery(path=path) for path in acceptable.asked), None
    paths = acceptable.asked + acceptable.optional
    claims = tuple(ClaimQuery(id=f"c{i}", path=path) for i, path in enumerate(paths))
    names = tuple(f"c{i}" for i in range(len(paths)))
    required, optional = names[: len(acceptable.asked)], names[len(acceptable.asked) :]
    sizes = range(len(optional), -1, -1) if len(optional) <= _FEW else (len(optional), 0)
    return claims, tuple(required + chosen for size in sizes for chosen in combinations(optional, size))


def _sets(policy: VerificationPolicy, ids: dict[str, tuple[str, ...]]) -> tuple[CredentialSet, ...] | None:
    if not policy.combinations and all(slot.required and len(ids[slot.id]) == 1 for slot in policy.slots):
        return None
    sets = [CredentialSet(options=tuple((one,) for one in ids[slot.id])) for slot in policy.slots if slot.required]
    combined: set[str] = set()
    for number, choice in enumerate(policy.combinations):
        options = tuple(option for slots in choice for option in product(*(ids[one] for one in slots)))
        if len(options) > _MAX_OPTIONS:
            raise PolicyError(policy.file, f"combinations[{number}]", f"makes more than {_MAX_OPTIONS} options")
        combined.update(one for slots in choice for one in slots)
        sets.append(CredentialSet(options=options))
    sets += [
        CredentialSet(options=tuple((one,) for one in ids[slot.id]), required=False)
        for slot in policy.slots
        if not slot.required and slot.id not in combined
    ]
    return tuple(sets)
