"""Backups: everything in a wallet, sealed with a recovery key; holder keys sealed once more for this device.

On the device it was made on, a backup brings everything back, but every copy counts as shown, because nobody can know
which were shown since: the holder renews the certificate or agrees to reuse. On another device the holder keys stay
shut, and each certificate says that it has to be issued again.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcred.errors import MalformedError, RefusedError, StoreError
from vcred.formats import _cbor
from vcred.reasons import ReasonCode
from wallet._crypto import Secret, associated, derive, recovery_secret, seal, unseal
from wallet._disk import write_whole
from wallet._records import (
    CERTIFICATES,
    COPIES,
    HISTORY,
    CertificateRecord,
    CopyRecord,
    HistoryRecord,
    load_all,
    save,
)

if TYPE_CHECKING:
    from wallet.store import CredentialStore, Put

__all__ = ["backup", "restore"]

_MAGIC = b"vcred-backup-1\0"
_MAX_BACKUP = 64 * 1024 * 1024
_PURPOSE = "backup of holder keys 1"


def backup(store: CredentialStore, path: str | Path, *, recovery_key: str) -> None:
    """Write a backup to ``path``, whole or not at all (mode 0600). Without ``recovery_key`` nobody can read it.

    Raises ``ValueError`` for what is no recovery key, ``StoreError`` when the file cannot be written.
    """
    secret = recovery_secret(recovery_key)
    del recovery_key  # a crash reporter may show the variables of a frame
    sealed = _sealed(store, secret)
    try:
        write_whole(Path(path), sealed)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error


def restore(store: CredentialStore, path: str | Path, *, recovery_key: str) -> int:
    """Bring back from a backup what the store does not have, in one transaction; how many certificates that were.

    Raises ``RefusedError`` with ``integrity`` for a wrong recovery key or a changed backup, ``ValueError`` for what
    is no recovery key, ``StoreError``.
    """
    secret = recovery_secret(recovery_key)
    del recovery_key
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_MAX_BACKUP + 1)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
    body = _opened(raw, secret)
    device = Secret(store.derive(_PURPOSE))
    try:
        certificates = {name: CertificateRecord(**one) for name, one in body[CERTIFICATES].items()}
        copies = {name: CopyRecord(**one) for name, one in body[COPIES].items()}
        history = {name: HistoryRecord(**one) for name, one in body[HISTORY].items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise RefusedError(ReasonCode.INTEGRITY, "backup", "not what a backup contains") from error
    here = {table: set(store.ids(table)) for table in (CERTIFICATES, COPIES, HISTORY)}
    missing = set(certificates) - here[CERTIFICATES]
    changes: list[Put] = [save(CERTIFICATES, name, certificates[name], new=True) for name in sorted(missing)]
    for name, copy in copies.items():
        if name.rpartition("-")[0] in missing and name not in here[COPIES]:
            key = None if copy.key is None else unseal(device, associated(name), copy.key)
            changes.append(save(COPIES, name, replace(copy, key=key, used=True), new=True))
    changes += [save(HISTORY, name, one, new=True) for name, one in history.items() if name not in here[HISTORY]]
    if changes:
        store.write(changes)
    return len(missing)


def _sealed(store: CredentialStore, secret: Secret) -> bytes:
    device = Secret(store.derive(_PURPOSE))
    body: dict[str, dict[str, Any]] = {
        CERTIFICATES: {name: _plain(one) for name, one in load_all(store, CertificateRecord).items()},
        COPIES: {
            name: _plain(one) | {"key": None if one.key is None else seal(device, associated(name), one.key)}
            for name, one in load_all(store, CopyRecord).items()
        },
        HISTORY: {name: _plain(one) for name, one in load_all(store, HistoryRecord).items()},
    }
    salt = secrets.token_bytes(16)
    return _MAGIC + salt + seal(_key(secret, salt), _MAGIC, _cbor.encode(body))


def _opened(raw: bytes, secret: Secret) -> dict[str, Any]:
    if len(raw) > _MAX_BACKUP:
        raise RefusedError(ReasonCode.SIZE, "backup", "too large")
    salt, sealed = raw[len(_MAGIC) : len(_MAGIC) + 16], raw[len(_MAGIC) + 16 :]
    if not raw.startswith(_MAGIC):
        raise RefusedError(ReasonCode.INTEGRITY, "backup", "not a backup of this version")
    plain = unseal(_key(secret, salt), _MAGIC, sealed)
    if plain is None:
        raise RefusedError(ReasonCode.INTEGRITY, "backup", "wrong recovery key, or the backup was changed")
    try:
        body = _cbor.decode(plain, "backup", max_bytes=_MAX_BACKUP, tags=frozenset())
    except MalformedError as error:
        raise RefusedError(ReasonCode.INTEGRITY, "backup", "not what a backup contains") from error
    if not isinstance(body, dict):
        raise RefusedError(ReasonCode.INTEGRITY, "backup", "not what a backup contains")
    return body


def _key(secret: Secret, salt: bytes) -> Secret:
    return derive(secret, b"vcred wallet backup 1", salt=salt)


def _plain(record: CertificateRecord | CopyRecord | HistoryRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in type(record).__dataclass_fields__}
