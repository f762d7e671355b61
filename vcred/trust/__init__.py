"""Trust: whom to believe about what, and until when. One signed bundle, no network, no clock.

Who makes bundles imports ``vcred.trust.publish`` as well.
"""

from vcred.trust.bare import BareKey
from vcred.trust.bundle import TrustBundle
from vcred.trust.content import Authority, Names, ReaderEntry, Withdrawal, WithdrawalReason
from vcred.trust.profile import CertificateProfile, Purpose
from vcred.trust.readers import VerifiedReader
from vcred.trust.rules import VerifiedIssuer
from vcred.trust.seen import SeenState
from vcred.trust.x509 import (
    build_intermediate,
    build_reader,
    build_root,
    build_signer,
    read_certificate,
    verify_chain,
    x509_hash,
)

__all__ = [
    "Authority",
    "BareKey",
    "CertificateProfile",
    "Names",
    "Purpose",
    "ReaderEntry",
    "SeenState",
    "TrustBundle",
    "VerifiedIssuer",
    "VerifiedReader",
    "Withdrawal",
    "WithdrawalReason",
    "build_intermediate",
    "build_reader",
    "build_root",
    "build_signer",
    "read_certificate",
    "verify_chain",
    "x509_hash",
]
