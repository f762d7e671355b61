"""An issuer's folder: keys, certificates, settings and the store, and how an ``Issuer`` is made of them.

``root.key`` and ``root.pem`` (used by ``issuer init`` only; keep the key elsewhere afterwards), ``document-signer.key``
and ``.pem``, ``issuer.json`` (settings), ``authority.json`` (for the maker of the trust bundle), ``issuer.db``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from vcred.cli._files import make_folder, read_object, refuse_existing, write
from vcred.errors import CatalogError, SigningError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from vcred.keys import PublicKey
    from vcred.trust import Authority

__all__ = ["CHAIN", "KEY", "SETTINGS", "STORE", "Settings", "Unopened", "make", "settings"]

KEY, CHAIN, SETTINGS, STORE = "document-signer.key", "document-signer.pem", "issuer.json", "issuer.db"
_ROOT_YEARS, _SIGNER_DAYS = 20, 3650 + 730
_SKEW = timedelta(hours=1)  # another machine's clock may be a little behind


class Unopened:
    """The document signer for commands that sign nothing: its public key from the certificate, and no more."""

    def __init__(self, folder: Path) -> None:
        from vcred.cli._describe import pem_chain
        from vcred.trust import read_certificate

        self.public_key: PublicKey = read_certificate(pem_chain(folder / CHAIN)[0], str(folder / CHAIN)).key

    def sign(self, message: bytes) -> bytes:  # noqa: ARG002 - the protocol's
        """Raises ``SigningError``."""
        raise SigningError("the key of the document signer is not open in this command")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``issuer.json`` says."""

    id: str
    name: Mapping[str, str]
    types: tuple[str, ...]
    status_uri: str
    copies: int


def make(
    folder: Path,
    *,
    id: str,  # noqa: A002 - the issuer's id, as everywhere
    name: Mapping[str, str],
    types: Sequence[str],
    copies: int,
    production: bool,
    password: bytes,
    at: datetime,
) -> bytes:
    """Make the folder. Returns the root certificate. ``CatalogError`` for an unknown type."""
    from vcred.catalog import Catalog
    from vcred.cli._describe import dump, pem
    from vcred.formats._wire import dump_json
    from vcred.keys import SoftwareSigner
    from vcred.trust import Purpose, build_root, build_signer

    catalog = Catalog.builtin()
    for code in types:
        if code not in catalog:
            raise CatalogError("catalog", code, "there is no such certificate type")
    refuse_existing(folder / KEY, folder / CHAIN, folder / SETTINGS)
    root_key, key = SoftwareSigner.generate(), SoftwareSigner.generate()
    end = at + timedelta(days=365 * _ROOT_YEARS)
    root = build_root(root_key, name=name, not_before=at - _SKEW, not_after=end)
    leaf = build_signer(
        key.public_key,
        purpose=Purpose.ISSUER,
        id=id,
        name=name,
        issuer=root,
        issuer_signer=root_key,
        not_before=at - _SKEW,
        not_after=at + timedelta(days=_SIGNER_DAYS),
    )
    made = Settings(id=id, name=name, types=tuple(types), status_uri=f"{id.rstrip('/')}/status/", copies=copies)
    entry = _authority(made, root, leaf, valid=(at - _SKEW, end), test=not production)
    body = {"format": 1, "id": id, "name": dict(name), "types": list(types), "status_uri": made.status_uri}
    make_folder(folder)
    write(folder / "root.key", root_key.to_pem(password=password), private=True)
    write(folder / "root.pem", pem(root))
    write(folder / KEY, key.to_pem(password=password), private=True)
    write(folder / CHAIN, pem(leaf))
    write(folder / "authority.json", dump(entry))
    write(folder / SETTINGS, dump_json(body | {"copies": copies}))
    return root


def settings(folder: Path) -> Settings:
    """What ``issuer.json`` says. Raises ``StoreError``."""
    body = read_object(folder / SETTINGS, "format", "id", "name", "types", "status_uri", "copies")
    texts = [body["id"], body["status_uri"], *body["types"], *body["name"].values()]
    if body["format"] != 1 or not all(isinstance(one, str) for one in texts) or type(body["copies"]) is not int:
        raise StoreError(f"{folder / SETTINGS}: not the settings of an issuer")
    return Settings(
        id=body["id"],
        name=body["name"],
        types=tuple(body["types"]),
        status_uri=body["status_uri"],
        copies=body["copies"],
    )


def _authority(made: Settings, root: bytes, leaf: bytes, *, valid: tuple[datetime, datetime], test: bool) -> Authority:
    from vcred.formats._wire import epoch
    from vcred.trust import Authority, Names, Purpose, read_certificate

    return Authority(
        id=made.id,
        names=Names(ko=made.name["ko"], en=made.name["en"]),
        purpose=Purpose.ISSUER,
        anchors=(root,),
        signers=((leaf,),),
        kids=(read_certificate(leaf, "signer").key.kid,),
        types=frozenset(made.types),
        status_uris=(made.status_uri,),
        valid_from=epoch(valid[0]),
        valid_until=epoch(valid[1]),
        test=test,
    )
