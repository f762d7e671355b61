"""An issuer's folder: keys, certificates, settings and the store, and how an ``Issuer`` is made of them.

``root.key`` and ``root.pem`` (used by ``issuer init`` and ``issuer rotate`` only; keep the key elsewhere in between),
``issuer.json`` (settings), ``authority.json`` (for the maker of the trust bundle), ``issuer.db``; and for each signer a
``.pem`` with its certificate and, unless it is in a device, a ``.key``. A post-quantum signer has no certificate but
a ``.json``, its entry in the trust list; status lists have a signer of their own then. The settings say which signer
is at work, and which is the next: changing over is one file written in one step.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from vcred.cli._files import make_folder, read, read_object, refuse_existing, write
from vcred.errors import CatalogError, SettingsError, SigningError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from issuer import Issuer, IssuerProfile, IssuerStore
    from vcred.keys import PublicKey, Signer
    from vcred.trust import Authority
    from vcred.trust.bare import BareKey

__all__ = [
    "ALGORITHMS",
    "AUTHORITY",
    "DEFAULT_FORMATS",
    "ROOT_CHAIN",
    "ROOT_KEY",
    "SETTINGS",
    "SIGNER_DAYS",
    "SKEW",
    "STORE",
    "KeyPlace",
    "Settings",
    "certificate_key",
    "entry_for",
    "entry_text",
    "load_place",
    "make",
    "opened",
    "profile_of",
    "save",
    "settings",
    "store_of",
]

AUTHORITY, ROOT_KEY, ROOT_CHAIN, SETTINGS, STORE = "authority.json", "root.key", "root.pem", "issuer.json", "issuer.db"
SIGNER_DAYS = 3650 + 730
SKEW = timedelta(hours=1)
"""Another machine's clock may be a little behind."""

_ROOT_YEARS = 20
ALGORITHMS = ("es256", "ml-dsa-44", "ml-dsa-65", "ml-dsa-44-es256", "ml-dsa-65-es256")
"""What a document signer may sign with, as the command line has it."""

_FIRST = {"key": "file:document-signer.key", "chain": "document-signer.pem"}
_FIRST_LISTS = {"key": "file:status-signer.key", "chain": "status-signer.pem"}
_BARE = ".json"
_MEMBERS = ("format", "id", "name", "types", "status_uri", "copies")
_ROLES = ("signer", "next_signer", "status_signer", "next_status_signer")
DEFAULT_FORMATS = ("dc+sd-jwt", "sd-cwt")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlace:
    """Where a signer's key is (a URI; a ``file:`` without a leading ``/`` is in the folder) and its certificate, or
    the entry in the trust list of one that has none.
    """

    key: str = field(repr=False)
    chain: str

    @property
    def is_bare(self) -> bool:
        """Whether it has no certificate."""
        return self.chain.endswith(_BARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``issuer.json`` says."""

    id: str
    name: Mapping[str, str]
    types: tuple[str, ...]
    status_uri: str
    copies: int
    formats: tuple[str, ...]
    w3c_status: Literal["token", "bitstring"]
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
    w3c_status: Literal["token", "bitstring"],
    production: bool,
    password: bytes,
    at: datetime,
    algorithm: str = "es256",
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
    first, lists, bare = KeyPlace(**_FIRST), None, None
    certified = first
    refuse_existing(_key_file(folder, first), folder / first.chain, folder / SETTINGS)
    root_key, key = SoftwareSigner.generate(), SoftwareSigner.generate()
    if algorithm != "es256":
        first = KeyPlace(key=first.key, chain=f"document-signer{_BARE}")
        certified = lists = KeyPlace(**_FIRST_LISTS)
        bare_key = SoftwareSigner.generate(algorithm.upper())
        bare = entry_for(bare_key.public_key, end=at + timedelta(days=SIGNER_DAYS), at=at)
    end = at + timedelta(days=365 * _ROOT_YEARS)
    root = build_root(root_key, name=name, not_before=at - SKEW, not_after=end)
    leaf = build_signer(
        key.public_key,
        purpose=Purpose.ISSUER if lists is None else Purpose.STATUS,
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
        w3c_status=w3c_status,
        signer=first,
        status_signer=lists,
    )
    entry = _authority(made, root, leaf, bare, valid=(at - SKEW, end), test=not production)
    make_folder(folder)
    write(folder / ROOT_KEY, root_key.to_pem(password=password), private=True)
    write(folder / ROOT_CHAIN, pem(root))
    write(_key_file(folder, certified), key.to_pem(password=password), private=True)
    write(folder / certified.chain, pem(leaf))
    if bare is not None:
        write(_key_file(folder, first), bare_key.to_pem(password=password), private=True)
        write(folder / first.chain, entry_text(bare))
    write(folder / AUTHORITY, dump(entry))
    save(folder, made, force=False)
    return root


def settings(folder: Path) -> Settings:
    """What ``issuer.json`` says; the first format, which had one signer, is read as well. Raises ``StoreError``."""
    path = folder / SETTINGS
    body, expected = _read(path)
    try:
        texts = [body["id"], body["status_uri"], *body["types"], *body["formats"], *body["name"].values()]
        places = {role: None if body[role] is None else KeyPlace(**body[role]) for role in _ROLES}
    except (AttributeError, TypeError):
        raise StoreError(f"{path}: not the settings of an issuer") from None
    signer = places.pop("signer")
    texts += [text for place in (signer, *places.values()) if place is not None for text in (place.key, place.chain)]
    proper = body["format"] == expected and type(body["copies"]) is int and all(isinstance(one, str) for one in texts)
    if not proper or signer is None or body["w3c_status"] not in ("token", "bitstring"):
        raise StoreError(f"{path}: not the settings of an issuer")
    return Settings(
        id=body["id"],
        name=body["name"],
        types=tuple(body["types"]),
        status_uri=body["status_uri"],
        copies=body["copies"],
        formats=tuple(body["formats"]),
        w3c_status=body["w3c_status"],
        signer=signer,
        **places,
    )


def _read(path: Path) -> tuple[dict[str, Any], int]:
    """The settings and the number of their format; what an older one does not say is as it was then."""
    first = dict.fromkeys(_ROLES) | {"signer": _FIRST, "formats": DEFAULT_FORMATS, "w3c_status": "token"}
    for missing, number in (({}, 2), ({"w3c_status": "token"}, 2)):
        members = {*_MEMBERS, "formats", "w3c_status", *_ROLES} - missing.keys()
        with suppress(StoreError):
            return read_object(path, *members) | missing, number
    return read_object(path, *_MEMBERS) | first, 1


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
        "w3c_status": known.w3c_status,
    }
    write(folder / SETTINGS, dump_json(body | places), force=force)


def load_place(folder: Path, place: KeyPlace, password_file: Path | None, password: bytes | None = None) -> Signer:
    """The signer, its password or PIN asked for before anything is locked for a transaction. ``SigningError``.

    ``password`` is known already for keys that were made for development.
    """
    from vcred.cli._secrets import ask, load_key
    from vcred.keys import SoftwareSigner, load_signer

    if password is not None and place.key.startswith("file:"):
        raw = read(_key_file(folder, place), 65_536)
        return SoftwareSigner.from_pem(raw, password=password, post_quantum=place.is_bare)
    if place.key.startswith("file:"):
        return load_key(_key_file(folder, place), password_file, post_quantum=place.is_bare)
    return load_signer(
        place.key,
        # The password of a file is never tried as a PIN: three wrong ones lock a token.
        secret=lambda _: ask("키 장치의 PIN", "PIN of the key device"),
    )


def check_alone(folder: Path) -> None:
    """Several processes need keys in files: a session with a key device is one process's. Raises ``SettingsError``."""
    known = settings(folder)
    places = [known.signer] if known.status_signer is None else [known.signer, known.status_signer]
    if not all(place.key.startswith("file:") for place in places):
        raise SettingsError(
            "workers: a key device is opened by one process: start one service for each, behind a proxy"
        )


def certificate_key(folder: Path, place: KeyPlace) -> PublicKey:
    """The public key in a signer's certificate, or in its entry."""
    from vcred.cli._describe import pem_chain
    from vcred.trust import read_certificate

    if place.is_bare:
        return entry_at(folder, place).key
    path = folder / place.chain
    return read_certificate(pem_chain(path)[0], str(path)).key


def profile_of(
    folder: Path, *, signs: str | None = "all", password_file: Path | None = None, password: bytes | None = None
) -> IssuerProfile:
    """Who issues, by the folder. ``signs``: "certificates" or "lists" for a command that signs these, or "all"."""
    from issuer import IssuerProfile
    from vcred.cli._describe import pem_chain

    known = settings(folder)
    lists = known.status_signer
    at_work = known.signer if signs == "certificates" or lists is None else lists

    def signer_of(place: KeyPlace) -> Signer:
        if signs == "all" or (signs is not None and place is at_work):
            return load_place(folder, place, password_file, password)
        return _Unopened(certificate_key(folder, place))

    return IssuerProfile(
        id=known.id,
        signer=signer_of(known.signer),
        chain=() if known.signer.is_bare else pem_chain(folder / known.signer.chain),
        bare=entry_at(folder, known.signer) if known.signer.is_bare else None,
        status_signer=None if lists is None else signer_of(lists),
        status_chain=() if lists is None else pem_chain(folder / lists.chain),
        status_uri=known.status_uri,
        copies=known.copies,
        formats=known.formats,
        w3c_status=known.w3c_status,
        types=frozenset(known.types),
        aggregation_uri=f"{known.status_uri}aggregation" if known.status_uri else "",
    )


@contextmanager
def opened(
    folder: Path,
    *,
    records: Path | None = None,
    signs: str | None = None,
    password_file: Path | None = None,
) -> Iterator[Issuer]:
    """The issuer of the folder. ``signs`` is what this command signs, "certificates" or "lists", with a key opened."""
    from issuer import Issuer
    from vcred.catalog import Catalog
    from vcred.cli._records import opened as opened_records

    profile = profile_of(folder, signs=signs, password_file=password_file)
    with store_of(folder) as store, opened_records(records) as source:
        yield Issuer(profile, records=source, catalog=Catalog.builtin(), store=store)


@contextmanager
def store_of(folder: Path) -> Iterator[IssuerStore]:
    """The store of the folder."""
    from issuer import IssuerStore

    with IssuerStore(folder / STORE) as store:
        yield store


def _key_file(folder: Path, place: KeyPlace) -> Path:
    return folder / place.key.removeprefix("file:")


def entry_for(key: PublicKey, *, end: datetime, at: datetime) -> BareKey:
    """The entry of a key without a certificate that is valid from now on."""
    from vcred.formats._wire import epoch
    from vcred.trust.bare import BareKey

    return BareKey(key=key, did_url=None, valid_from=epoch(at - SKEW), valid_until=epoch(end))


def entry_text(entry: BareKey) -> bytes:
    """``entry`` as a file."""
    from vcred.formats._wire import dump_json
    from vcred.trust.bare import key_json

    return dump_json(key_json(entry))


def entry_at(folder: Path, place: KeyPlace) -> BareKey:
    """The entry of a key without a certificate. Raises ``StoreError``."""
    from vcred.errors import MalformedError
    from vcred.formats._wire import parse_json
    from vcred.trust.bare import read_key

    path = folder / place.chain
    try:
        return read_key(parse_json(read(path, 65_536), "", max_bytes=65_536, max_depth=4), "")
    except MalformedError as error:
        raise StoreError(f"{path}: not the entry of a key in the trust list: {error}") from error


def _authority(
    made: Settings, root: bytes, leaf: bytes, bare: BareKey | None, *, valid: tuple[datetime, datetime], test: bool
) -> Authority:
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
        keys=() if bare is None else (bare,),
    )
