"""Every format that issuer, wallet and verifier share, by its id. A format's code is loaded when it is first used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vcred.catalog import Catalog, CertificateType
    from vcred.dcql import ClaimQuery
    from vcred.formats._mdoc_other import OtherNames
    from vcred.formats._mdoc_spelling import Spelling
    from vcred.formats.base import CredentialFormat

__all__ = [
    "FORMATS",
    "LEGACY_FORMATS",
    "TEXT_FORMATS",
    "Formats",
    "may_be_in",
    "query_reader",
    "spelling_of",
    "type_names",
]

FORMATS = ("dc+sd-jwt", "sd-cwt", "mso_mdoc", "vc+jwt", "vc+sd-jwt")
"""What an issuer issues, a wallet holds and a verifier takes."""

LEGACY_FORMATS = ("jwt_vc_json", "ldp_vc")
"""VCDM 1.1: what a verifier takes besides, where a request asks for it."""

TEXT_FORMATS = frozenset({"dc+sd-jwt", "vc+jwt", "vc+sd-jwt", "jwt_vc_json"})
"""Formats that are compact JWS or SD-JWT text; the others are bytes."""

_VCDM = ("vc+jwt", "vc+sd-jwt", *LEGACY_FORMATS)

_WITHOUT_CATALOGUE = {
    "dc+sd-jwt": ("vcred.formats.sd_jwt_vc", "SdJwtVc"),
    "vc+jwt": ("vcred.formats.w3c_vc", "W3cJwt"),
    "vc+sd-jwt": ("vcred.formats.w3c_vc", "W3cSdJwt"),
}


class Formats(Mapping[str, "CredentialFormat"]):
    """The formats by id, with the types of one catalogue; ``more`` are made by whoever passes them."""

    def __init__(self, catalog: Catalog, more: Mapping[str, Callable[[], CredentialFormat]] | None = None) -> None:
        self._catalog = catalog
        self._more = dict(more or {})
        self._made: dict[str, CredentialFormat] = {}

    def __getitem__(self, name: str) -> CredentialFormat:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        yield from (*FORMATS, *self._more)

    def __len__(self) -> int:
        return len(FORMATS) + len(self._more)

    def __contains__(self, name: object) -> bool:
        return name in FORMATS or name in self._more

    def _make(self, name: str) -> CredentialFormat:
        if name in self._more:
            return self._more[name]()
        if name == "sd-cwt":
            from vcred.formats.sd_cwt import SdCwt  # noqa: PLC0415 - loaded with the first such credential

            return SdCwt(self._catalog.labels)
        if name == "mso_mdoc":
            from vcred.formats.mdoc import CatalogDoctypes, Mdoc  # noqa: PLC0415 - as above

            return Mdoc(CatalogDoctypes(self._catalog))
        module, made = _WITHOUT_CATALOGUE[name]
        form: CredentialFormat = getattr(import_module(module), made)()
        return form


def may_be_in(kind: CertificateType, format: str) -> bool:  # noqa: A002 - as everywhere
    """Whether a certificate of ``kind`` may be in ``format``: its file says so, for those of VCDM 1.1 as well."""
    return format in kind.formats


def type_names(format: str, *, vct: str, doctype: str) -> tuple[str, ...]:  # noqa: A002 - as everywhere
    """What a query calls a certificate type in ``format`` (OpenID4VP 1.0 appendix B)."""
    if format == "mso_mdoc":
        return (doctype,)
    return ("VerifiableCredential", vct) if format in _VCDM else (vct,)


def spelling_of(format: str, kind: CertificateType) -> Spelling | OtherNames | None:  # noqa: A002 - as everywhere
    """How another standard names claims of ``kind`` in ``format``; ``None`` where they have our names."""
    if format == "mso_mdoc" and kind.foreign:
        from vcred.formats._mdoc_other import OtherNames  # noqa: PLC0415 - for foreign types only

        return OtherNames(kind)
    if format != "mso_mdoc" or kind.namespace == kind.doctype:
        return None
    from vcred.formats._mdoc_spelling import Spelling  # noqa: PLC0415 - few types have one

    return Spelling(kind)


def query_reader(
    format: str,  # noqa: A002 - as everywhere
    kind: CertificateType,
    claims: Mapping[str, Any],
) -> Callable[[ClaimQuery], ClaimQuery] | None:
    """What puts a claim query for ``format`` into the names of ``claims``; ``None`` where it has them already."""
    spelling = spelling_of(format, kind)
    return None if spelling is None else spelling.asks(claims)
