"""Keys of a trust operator: files or tokens, and their public halves as PEM files that can travel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vcred.cli._files import make_folder, read, refuse_existing, write
from vcred.cli._secrets import ask, load_key, new_password, text_of
from vcred.errors import SigningError, TrustError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vcred.keys import PublicKey, Signer
    from vcred.trust.roles import RoleKeys

__all__ = [
    "KEYS",
    "changed",
    "home_keys",
    "key_name",
    "make_keys",
    "open_key",
    "public_key",
    "write_key",
    "write_token_key",
]

KEYS = "keys"
"""Where ``trust init`` puts the keys it makes itself, below the repository: for a trial."""

_OFFICERS = ("officer-1", "officer-2", "officer-3")


def make_keys(folder: Path, password_file: Path | None) -> tuple[list[PublicKey], PublicKey]:
    """Three officers' keys and an online key below ``folder``. Returns their public halves."""
    files = [folder / KEYS / f"{name}.key" for name in (*_OFFICERS, "online")]
    password = new_password(password_file)
    refuse_existing(*files)
    make_folder(folder / KEYS)
    made = [_write(file, _public(file), password) for file in files]
    return made[:-1], made[-1]


def write_key(where: str, public: Path, password_file: Path | None) -> PublicKey:
    """A new key in the file ``where``, encrypted, and its public half in ``public``."""
    refuse_existing(Path(where), public)
    return _write(Path(where), public, new_password(password_file))


def write_token_key(uri: str, public: Path) -> PublicKey:
    """A new key in a token, from which it never comes out, and its public half in ``public``."""
    from vcred.keys import Pkcs11Signer

    refuse_existing(public)
    signer = Pkcs11Signer.generate(uri, alg="ES256", secret=_pin)
    write(public, _pem(signer.public_key))
    return signer.public_key


def public_key(file: Path) -> PublicKey:
    """The key of a PEM file with a public key. Raises ``TrustError``."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    from vcred.errors import MalformedError
    from vcred.keys import PublicKey

    try:
        key = load_pem_public_key(read(file, 65_536))
        return PublicKey.from_spki(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    except (ValueError, MalformedError) as error:
        raise TrustError(f"{file}: not a public key in PEM form (P-256, P-384 or Ed25519)") from error


def open_key(name: str, password_file: Path | None) -> Signer:
    """The key in a PEM file, or in a token when ``name`` begins with ``pkcs11:``. Raises ``SigningError``."""
    from vcred.keys import load_signer

    if name.startswith("pkcs11:"):
        return load_signer(name, secret=_pin)
    return load_key(Path(name), password_file)


def home_keys(folder: Path, password_file: Path | None) -> tuple[list[Signer], Signer | None]:
    """The officers' keys and the online key below the repository, as far as there are any. One password for all."""
    files = [folder / KEYS / f"{name}.key" for name in _OFFICERS]
    officers = [file for file in files if file.exists()]
    online = folder / KEYS / "online.key"
    password = _password([*officers, online], password_file)
    opened = [_open(file, password) for file in officers]
    return opened, _open(online, password) if online.exists() else None


def changed(held: RoleKeys, add: Sequence[PublicKey], remove: Sequence[str], threshold: int | None) -> RoleKeys:
    """``held`` with keys added, and those removed whose ids begin so. Raises ``TrustError`` for an unclear id."""
    from vcred.trust.roles import RoleKeys

    for name in remove:
        if len([one for one in held.keys if key_name(one).startswith(name)]) != 1:
            known = ", ".join(map(key_name, held.keys))
            raise TrustError(f"--remove {name} is not the id of one key: there are {known}")
    kept = [one for one in held.keys if not any(key_name(one).startswith(name) for name in remove)]
    return RoleKeys(keys=(*kept, *add), threshold=threshold or held.threshold)


def key_name(key: PublicKey) -> str:
    """What people call a key by: the first half of its TUF id."""
    from vcred.trust.roles import key_id

    return key_id(key)[:16]


def _write(file: Path, public: Path, password: bytes) -> PublicKey:
    from vcred.keys import SoftwareSigner

    signer = SoftwareSigner.generate()
    write(file, signer.to_pem(password=password), private=True)
    write(public, _pem(signer.public_key))
    return signer.public_key


def _public(file: Path) -> Path:
    return file.with_name(file.name + ".pub")


def _pin(_uri: str) -> str:
    """A token's PIN: typed, unless the URI has a ``pin-source``. The password of a file is never tried as one."""
    return ask("키 장치의 PIN", "PIN of the key device")


def _password(files: Sequence[Path], password_file: Path | None) -> bytes:
    if not any(file.exists() for file in files):
        return b""
    return (text_of(password_file) if password_file else ask("키 암호", "Key password")).encode()


def _open(file: Path, password: bytes) -> Signer:
    from vcred.keys import SoftwareSigner

    try:
        return SoftwareSigner.from_pem(read(file, 65_536), password=password)
    except SigningError as error:
        raise SigningError(f"{file}: {error}") from None


def _pem(key: PublicKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return bytes(key.crypto.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
