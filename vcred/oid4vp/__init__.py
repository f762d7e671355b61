"""OpenID4VP 1.0 online: what verifier and wallet say to each other, strictly read and plainly written.

A verifier signs with ``sign_online_request`` and reads with ``read_answer``. A wallet reads a ``RequestLink``, fetches
the request object, reads it with ``parse_request``, presents for ``request.audience`` (an mdoc for
``request.online.transcript(request.client_id)``) and answers with ``build_answer`` or ``build_error``.
"""

from vcred.oid4vp.formats import formats_supported
from vcred.oid4vp.link import RequestLink, RequestUriPost
from vcred.oid4vp.multisigned import parse_multisigned, sign_multisigned
from vcred.oid4vp.online import Online, ResponseKey, ResponseMode
from vcred.oid4vp.request import (
    parse_page_request,
    parse_request,
    sign_online_request,
    with_wallet_nonce,
)
from vcred.oid4vp.response import (
    Answer,
    WalletError,
    build_answer,
    build_error,
    build_page_answer,
    error_code,
    read_answer,
    read_page_answer,
    vp_token_of,
)
from vcred.oid4vp.transaction import (
    STATEMENT,
    TRANSACTION_TYPES,
    TransactionData,
    build_transaction_data,
    parse_transaction_data,
    transaction_claims,
)

__all__ = [
    "STATEMENT",
    "TRANSACTION_TYPES",
    "Answer",
    "Online",
    "RequestLink",
    "RequestUriPost",
    "ResponseKey",
    "ResponseMode",
    "TransactionData",
    "WalletError",
    "build_answer",
    "build_error",
    "build_page_answer",
    "build_transaction_data",
    "error_code",
    "formats_supported",
    "parse_multisigned",
    "parse_page_request",
    "parse_request",
    "parse_transaction_data",
    "read_answer",
    "read_page_answer",
    "sign_multisigned",
    "sign_online_request",
    "transaction_claims",
    "vp_token_of",
    "with_wallet_nonce",
]
