"""Which credentials can be asked for: a configuration is a certificate type in one format, and has a scope.

The id is what offers say (``resident.register/dc+sd-jwt``); the scope is the same with a dot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from issuer.issuer import Issuer

__all__ = ["Configuration", "Configurations"]


class Configuration(NamedTuple):
    """One of them."""

    id: str
    code: str
    format: str

    @property
    def scope(self) -> str:
        """What asks for it in OAuth."""
        return self.id.replace("/", ".")


class Configurations(Mapping[str, Configuration]):
    """Everything this issuer issues, by configuration id."""

    def __init__(self, issuer: Issuer) -> None:
        self._by_id = {
            f"{code}/{name}": Configuration(f"{code}/{name}", code, name)
            for code, formats in issuer.kinds().items()
            for name in formats
        }
        self._by_scope = {found.scope: found for found in self._by_id.values()}
        if len(self._by_scope) != len(self._by_id):
            raise ValueError("two configurations have one scope")

    def of_scope(self, scope: str) -> Configuration | None:
        """The one that ``scope`` asks for."""
        return self._by_scope.get(scope)

    @property
    def scopes(self) -> list[str]:
        """All scopes, sorted."""
        return sorted(self._by_scope)

    def __getitem__(self, configuration_id: str) -> Configuration:
        return self._by_id[configuration_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)
