"""Presentations that came alone: without an envelope, a format, or the id of the query that they answer.

A file on a clerk's desk, or what another wallet handed over, is only itself. Its format is what its bytes are, and what
it answers is the first query of the request that asks for such a document. One that fits no query still gets a verdict,
which says what is wrong with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vcred.errors import MalformedError
from vcred.formats.known import type_names
from vcred.presentation import Presentation, Presented

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vcred.catalog import Catalog
    from vcred.dcql import CredentialQuery
    from vcred.formats.base import CredentialFormat
    from vcred.presentation import PresentationRequest

__all__ = ["answer_of"]


def answer_of(
    presentations: Sequence[str | bytes],
    request: PresentationRequest,
    formats: Mapping[str, CredentialFormat],
    catalog: Catalog,
) -> Presentation:
    """``presentations`` as an answer to ``request``. Raises ``MalformedError`` for what is in no format, or nothing."""
    read = Presentation.of({str(number): [one] for number, one in enumerate(presentations)})
    tokens: dict[str, tuple[Presented, ...]] = {}
    for (presented,) in read.tokens.values():
        query = _answered(presented, request.query.credentials, formats, catalog)
        tokens[query] = (*tokens.get(query, ()), presented)
    return Presentation(tokens=tokens)


def _answered(
    presented: Presented,
    queries: Sequence[CredentialQuery],
    formats: Mapping[str, CredentialFormat],
    catalog: Catalog,
) -> str:
    """The first query for such a document; else the first for its format, else the first."""
    same_format = [one for one in queries if one.format == presented.format] or list(queries)
    if len(same_format) == 1:
        return same_format[0].id
    names = _names(presented, formats, catalog)
    hits = [one for one in same_format if one.types is None or any(kind <= names for kind in one.types)]
    return (hits or same_format)[0].id


def _names(presented: Presented, formats: Mapping[str, CredentialFormat], catalog: Catalog) -> frozenset[str]:
    """What queries call its type; nothing when it cannot be opened, which the verdict will say."""
    form = formats.get(presented.format)
    try:
        vct = "" if form is None else form.open(presented.raw).vct
    except MalformedError:
        return frozenset()
    kind = catalog.by_vct(vct)
    return frozenset(type_names(presented.format, vct=vct, doctype=vct if kind is None else kind.doctype))
