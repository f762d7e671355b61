"""Our X.509 certificate profile, in constants: who may do what, and how large a certificate may be.

An authority has a root (P-256 or P-384) and, below it, leaves with one purpose each. The purpose is an
extended key usage of our own: a certificate made for the web, or for another purpose, never fits by accident.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["MAX_CERTIFICATE_BYTES", "MAX_CHAIN", "MAX_NAMES", "CertificateProfile", "Purpose"]

_ARC = "2.25.155208057101010663917069457484499332642"
"""A UUID-based arc (ITU-T X.667): unique without a registration."""

_USAGES = {"issuer": f"{_ARC}.1", "reader": f"{_ARC}.2", "status": f"{_ARC}.3"}

MAX_CERTIFICATE_BYTES = 8192
"""A profile certificate has about 600 bytes; ten times that leaves room for long names."""

MAX_CHAIN = 4
"""Certificates in a chain, leaf included, root excluded."""

MAX_NAMES = 16
"""Entries of a subject alternative name."""


class Purpose(StrEnum):
    """What a leaf certificate is for. One purpose a certificate."""

    ISSUER = "issuer"
    READER = "reader"
    STATUS = "status"

    @property
    def eku(self) -> str:
        """The object identifier of this purpose, in dotted form."""
        return _USAGES[self.value]


class CertificateProfile(StrEnum):
    """By which rules the certificates of an authority are read. The signed trust list says so, and nothing else does.

    ``VCRED`` is ours, and meant where nothing is said. ``ISO`` are document signers and readers of ISO/IEC 18013-5
    annex B. ``HAIP`` are the certificates that OpenID4VC HAIP has in ``x5c``: they state no usage of ours.
    """

    VCRED = "vcred"
    ISO = "iso18013-5"
    HAIP = "haip"
