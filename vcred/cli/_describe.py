"""Description files: what an authority or a reader says about itself to the maker of a trust bundle. Public parts only.

They have the form of the bundle's own ``authorities.json`` with one entry, so one strict parser reads all three.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from vcred.cli._files import read
from vcred.errors import TrustError
from vcred.trust.content import dump_authorities, parse_authorities

if TYPE_CHECKING:
    from pathlib import Path

    from vcred.trust.content import Authority, ReaderEntry

__all__ = ["authority_file", "dump", "fingerprint", "pem", "pem_chain", "reader_file"]


def authority_file(path: Path) -> Authority:
    """The one authority of a description. Raises ``TrustError``."""
    authorities, readers = _parsed(path)
    if len(authorities) != 1 or readers:
        raise TrustError(f"{path}: not the description of one authority (vcred issuer init makes one)")
    return authorities[0]


def reader_file(path: Path) -> ReaderEntry:
    """The one reader of a description. Raises ``TrustError``."""
    authorities, readers = _parsed(path)
    if len(readers) != 1 or authorities:
        raise TrustError(f"{path}: not the description of one reader (vcred verifier init makes one)")
    return readers[0]


def dump(entry: Authority | ReaderEntry) -> bytes:
    """The description of ``entry``."""
    from vcred.trust.content import Authority

    return dump_authorities([entry], []) if isinstance(entry, Authority) else dump_authorities([], [entry])


def fingerprint(der: bytes) -> str:
    """What two people read to each other to compare a certificate: the first half of its SHA-256."""
    digest = hashlib.sha256(der).hexdigest()[:32]
    return " ".join(digest[start : start + 4] for start in range(0, len(digest), 4))


def pem(der: bytes) -> bytes:
    """A certificate as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def pem_chain(path: Path) -> tuple[bytes, ...]:
    """The certificates of a PEM file as DER. Raises ``TrustError``."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        found = x509.load_pem_x509_certificates(read(path, 65_536))
    except ValueError as error:
        raise TrustError(f"{path}: no certificate in PEM form") from error
    return tuple(one.public_bytes(Encoding.DER) for one in found)


def _parsed(path: Path) -> tuple[tuple[Authority, ...], tuple[ReaderEntry, ...]]:
    try:
        return parse_authorities(read(path))
    except TrustError as error:
        raise TrustError(f"{path}: {error}") from error
