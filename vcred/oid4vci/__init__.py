"""OpenID4VCI 1.0 on the wire: what issuer and wallet say to each other online, strictly read and plainly written."""

from vcred.oid4vci.credential import (
    CredentialRequest,
    CredentialResponse,
    DeferredRequest,
    ResponseEncryption,
    decode_credential,
    encode_credential,
)
from vcred.oid4vci.metadata import (
    CredentialConfiguration,
    IssuerMetadata,
    RequestEncryption,
    check_signed_metadata,
    sign_metadata,
)
from vcred.oid4vci.offer import (
    PRE_AUTHORIZED,
    AuthorizationCodeGrant,
    CredentialOffer,
    PreAuthorizedGrant,
    TxCode,
    offer_place,
)
from vcred.oid4vci.proofs import (
    KeyAttestation,
    ProvenKeys,
    build_key_attestation,
    build_proof,
    check_key_attestation,
    check_proofs,
)

__all__ = [
    "PRE_AUTHORIZED",
    "AuthorizationCodeGrant",
    "CredentialConfiguration",
    "CredentialOffer",
    "CredentialRequest",
    "CredentialResponse",
    "DeferredRequest",
    "IssuerMetadata",
    "KeyAttestation",
    "PreAuthorizedGrant",
    "ProvenKeys",
    "RequestEncryption",
    "ResponseEncryption",
    "TxCode",
    "build_key_attestation",
    "build_proof",
    "check_key_attestation",
    "check_proofs",
    "check_signed_metadata",
    "decode_credential",
    "encode_credential",
    "offer_place",
    "sign_metadata",
]
