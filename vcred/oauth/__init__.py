"""The parts of OAuth 2.0 that issuer and wallet both need: DPoP, client attestation, server metadata."""

from vcred.oauth.attestation import (
    AttestationPop,
    ClientAttestation,
    build_attestation_pop,
    build_client_attestation,
    check_attestation_pop,
    check_client_attestation,
)
from vcred.oauth.dpop import DpopProof, build_dpop, check_dpop
from vcred.oauth.metadata import AuthorizationServer, well_known

__all__ = [
    "AttestationPop",
    "AuthorizationServer",
    "ClientAttestation",
    "DpopProof",
    "build_attestation_pop",
    "build_client_attestation",
    "build_dpop",
    "check_attestation_pop",
    "check_client_attestation",
    "check_dpop",
    "well_known",
]
