"""An issuer's folder: keys, certificates, settings and the store, and how an ``Issuer`` is made of them.

``root.key`` and ``root.pem`` (used by ``issuer init`` and ``issuer rotate`` only; keep the key elsewhere in between),
``issuer.json`` (settings), ``authority.json`` (for the maker of the trust bundle), ``issuer.db``; and for each signer a
``.pem`` with its certificate and, unless it is in a device, a ``.key``. The settings say which signer is at work, and
which is the next: changing over is one file written in one step.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from vcred.cli._files import make_folder, read_object, refuse_existing, write
from vcred.errors import CatalogError, SigningError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from issuer import Issuer, IssuerStore
    from vcred.keys import PublicKey, Signer
    from vcred.trust import Authority

__all__ = [
    "AUTHORITY",
    "DEFAULT_FORMATS",
    "ROOT_CHAIN",
    "ROOT_KEY",
    "SIGNER_DAYS",
    "SKEW",
    "KeyPlace",
    "Settings",
    "certificate_key",
    "load_place",
    "make",
    "opened",
    "save",
    "settings",
    "store_of",
]

AUTHORITY, ROOT_KEY, ROOT_CHAIN, SETTINGS, STORE = "authority.json", "root.key", "root.pem", "issuer.json", "issuer.db"
SIGNER_DAYS = 3650 + 730
SKEW = timedelta(hours=1)
"""Another machine's clock may be a little behind."""

_ROOT_YEARS = 20
_FIRST = {"key": "file:document-signer.key", "chain": "document-signer.pem"}
_MEMBERS = ("format", "id", "name", "types", "status_uri", "copies")
_ROLES = ("signer", "next_signer", "status_signer", "next_status_signer")
DEFAULT_FORMATS = ("dc+sd-jwt", "sd-cwt")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlace:
    """Where a signer's key is (a URI; a ``file:`` without a leading ``/`` is in the folder) and its certificate."""

    key: str = field(repr=False)
    chain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``issuer.json`` says."""

    id: str
    name: Mapping[str, str]
    types: tuple[str, ...]
    status_uri: str
    copies: int
    formats: tuple[str, ...]
    signer: KeyPlace
    next_signer: KeyPlace | None = None
    status_signer: KeyPlace | None = None
    next_status_signer: KeyPlace | None = None


class _Unopened:
    """The key of a command that does not sign with it: its public half from the certificate, and no more."""

    def __init__(self, public_key: PublicKey) -> None:
        self.public_key = public_key

    def sign(self, message: bytes) -> bytes:  # noqa: ARG002 - the protocol's
        """Raises ``SigningError``."""
        raise SigningError("the key of this signer is not open in this command")


def make(
    folder: Path,
    *,
    id: str,  # noqa: A002 - the issuer's id, as everywhere
    name: Mapping[str, str],
    types: Sequence[str],
    copies: int,
    formats: Sequence[str],
    production: bool,
    password: bytes,
    at: datetime,
) -> bytes:
    """Make the folder. Returns the root certificate. ``CatalogError`` for an unknown type."""
    from vcred.catalog import Catalog
    from vcred.cli._describe import dump, pem
    from vcred.keys import SoftwareSigner
    from vcred.trust import Purpose, build_root, build_signer

    catalog = Catalog.builtin()
    for code in types:
        if code not in catalog:
            raise CatalogError("catalog", code, "there is no such certificate type")
    first = KeyPlace(**_FIRST)
    refuse_existing(_key_file(folder, first), folder / first.chain, folder / SETTINGS)
    root_key, key = SoftwareSigner.generate(), SoftwareSigner.generate()
    end = at + timedelta(days=365 * _ROOT_YEARS)
    root = build_root(root_key, name=name, not_before=at - SKEW, not_after=end)
    leaf = build_signer(
        key.public_key,
        purpose=Purpose.ISSUER,
        id=id,
        name=name,
        issuer=root,
        issuer_signer=root_key,
        not_before=at - SKEW,
        not_after=at + timedelta(days=SIGNER_DAYS),
    )
    status_uri = f"{id.rstrip('/')}/status/"
    made = Settings(
        id=id,
        name=name,
        types=tuple(types),
        status_uri=status_uri,
        copies=copies,
        formats=tuple(formats),
        signer=first,
    )
    entry = _authority(made, root, leaf, valid=(at - SKEW, end), test=not production)
    make_folder(folder)
    write(folder / ROOT_KEY, root_key.to_pem(password=password), private=True)
    write(folder / ROOT_CHAIN, pem(root))
    write(_key_file(folder, first), key.to_pem(password=password), private=True)
    write(folder / first.chain, pem(leaf))
    write(folder / AUTHORITY, dump(entry))
    save(folder, made, force=False)
    return root


def settings(folder: Path) -> Settings:
    """What ``issuer.json`` says; the first format, which had one signer, is read as well. Raises ``StoreError``."""
    path = folder / SETTINGS
    try:
        body = read_object(path, *_MEMBERS, "formats", *_ROLES)
    except StoreError:
        body = read_object(path, *_MEMBERS) | dict.fromkeys(_ROLES) | {"signer": _FIRST, "formats": DEFAULT_FORMATS}
        expected = 1
    else:
        expected = 2
    try:
        texts = [body["id"], body["status_uri"], *body["types"], *body["formats"], *body["name"].values()]
        places = {role: None if body[role] is None else KeyPlace(**body[role]) for role in _ROLES}
    except (AttributeError, TypeError):
        raise StoreError(f"{path}: not the settings of an issuer") from None
    signer = places.pop("signer")
    texts += [text for place in (signer, *places.values()) if place is not None for text in (place.key, place.chain)]
    proper = body["format"] == expected and type(body["copies"]) is int and all(isinstance(one, str) for one in texts)
    if not proper or signer is None:
        raise StoreError(f"{path}: not the settings of an issuer")
    return Settings(
        id=body["id"],
        name=body["name"],
        types=tuple(body["types"]),
        status_uri=body["status_uri"],
        copies=body["copies"],
        formats=tuple(body["formats"]),
        signer=signer,
        **places,
    )


def save(folder: Path, known: Settings, *, force: bool = True) -> None:
    """Write the settings, in one step."""
    from vcred.formats._wire import dump_json

    places: dict[str, Any] = {}
    for role in _ROLES:
        place: KeyPlace | None = getattr(known, role)
        places[role] = None if place is None else {"key": place.key, "chain": place.chain}
    body = {
        "format": 2,
        "id": known.id,
        "name": dict(known.name),
        "types": list(known.types),
        "status_uri": known.status_uri,
        "copies": known.copies,
        "formats": list(known.formats),
    }
    write(folder / SETTINGS, dump_json(body | places), force=force)


def load_place(folder: Path, place: KeyPlace, password_file: Path | None) -> Signer:
    """The signer, its password or PIN asked for before anything is locked for a transaction. ``SigningError``."""
    from vcred.cli._secrets import ask, load_key
    from vcred.keys import load_signer

    if place.key.startswith("file:"):
        return load_key(_key_file(folder, place), password_file)
    return load_signer(
        place.key,
        # The password of a file is never tried as a PIN: three wrong ones lock a token.
        secret=lambda _: ask("키 장치의 PIN", "PIN of the key device"),
    )


def certificate_key(folder: Path, place: KeyPlace) -> PublicKey:
    """The public key in a signer's certificate."""
    from vcred.cli._describe import pem_chain
    from vcred.trust import read_certificate

    path = folder / place.chain
    return read_certificate(pem_chain(path)[0], str(path)).key


@contextmanager
def opened(
    folder: Path,
    *,
    records: Path | None = None,
    signs: str | None = None,
    password_file: Path | None = None,
) -> Iterator[Issuer]:
    """The issuer of the folder. ``signs`` is what this command signs, "certificates" or "lists", with a key opened."""
    from issuer import Issuer, IssuerProfile
    from vcred.catalog import Catalog
    from vcred.cli._describe import pem_chain
    from vcred.cli._records import source

    known = settings(folder)
    lists = known.status_signer
    at_work = known.signer if signs == "certificates" or lists is None else lists

    def signer_of(place: KeyPlace) -> Signer:
        if signs is not None and place is at_work:
            return load_place(folder, place, password_file)
        return _Unopened(certificate_key(folder, place))

    profile = IssuerProfile(
        id=known.id,
        signer=signer_of(known.signer),
        chain=pem_chain(folder / known.signer.chain),
        status_uri=known.status_uri,
        copies=known.copies,
        formats=known.formats,
        types=frozenset(known.types),
        aggregation_uri=f"{known.status_uri}aggregation" if known.status_uri else "",
    )
    if lists is not None:
        profile = replace(profile, status_signer=signer_of(lists), status_chain=pem_chain(folder / lists.chain))
    with store_of(folder) as store:
        yield Issuer(profile, records=source(records), catalog=Catalog.builtin(), store=store)


@contextmanager
def store_of(folder: Path) -> Iterator[IssuerStore]:
    """The store of the folder."""
    from issuer import IssuerStore

    with IssuerStore(folder / STORE) as store:
        yield store


def _key_file(folder: Path, place: KeyPlace) -> Path:
    return folder / place.key.removeprefix("file:")


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
