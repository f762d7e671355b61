"""Documents of a type that is not ours (``CertificateType.foreign``), read by the names of their own standard.

An mDL has no claim of ours in it. Of the one namespace that the type names, the elements that it describes become
claims by their own names: dates as text, bytes as a ``data:`` URL. Other elements and namespaces may be there, and are
left out: nobody has said what they mean. Such documents are read and never made.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from vcred.claims import ClaimPath
from vcred.formats._mdoc_tree import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vcred.catalog import CertificateType
    from vcred.dcql import ClaimQuery
    from vcred.formats._mdoc_items import Item
    from vcred.formats._paths import Parts

__all__ = ["OtherNames"]

_JPEG_START: Final = b"\xff\xd8\xff"


class OtherNames:
    """Which elements of other people's documents are which claims of a foreign type."""

    __slots__ = ("_names", "doctype", "namespace")

    def __init__(self, kind: CertificateType) -> None:
        self.doctype = kind.doctype
        self.namespace = kind.namespace
        self._names = frozenset(spec.key for spec in kind.claims)

    def read(self, items: Sequence[Item]) -> tuple[dict[str, Any], dict[Parts, Item]]:
        """The claims in ``items``, and the item of each."""
        known = [item for item in items if item.namespace == self.namespace and item.identifier in self._names]
        claims = {item.identifier: _readable(plain(item.value)) for item in known}
        return claims, {(item.identifier,): item for item in known}

    def wire(self, path: ClaimPath) -> ClaimPath:
        """The claim at ``path`` as a query for an mdoc has it: a namespace and an element."""
        return ClaimPath((self.namespace, path.parts[0]))

    def claim(self, path: ClaimPath) -> ClaimPath:
        """The claim that a query for an mdoc means by ``path``; ``path`` itself when it is none of the type's."""
        namespace, name = path.parts[0], path.parts[-1]
        if len(path.parts) != 2 or namespace != self.namespace or name not in self._names:
            return path
        return ClaimPath((name,))

    def asks(self, claims: Mapping[str, Any]) -> Callable[[ClaimQuery], ClaimQuery]:  # noqa: ARG002 - as of our types
        """How a claim query for the mdoc reads in the type's names."""
        return lambda asked: replace(asked, path=self.claim(asked.path))


def _readable(value: Any) -> Any:
    if type(value) is bytes:
        form = "image/jpeg" if value.startswith(_JPEG_START) else "application/octet-stream"
        return f"data:{form};base64,{b64encode(value).decode()}"
    if type(value) is dict:
        return {str(name): _readable(member) for name, member in value.items()}
    return [_readable(element) for element in value] if type(value) is list else value
