"""The wallet online: OpenID4VCI 1.0 with anybody's issuer, OpenID4VP 1.0 with anybody's verifier.

The only part of the wallet that uses a network. Its server for conformance runs is ``wallet.client.driver``.
"""

from wallet.client._refusal import ServerError
from wallet.client.attester import LocalAttester, WalletAttester
from wallet.client.offers import IssuanceConsent, OfferedCredential, OfferPreview, Received, Waiting
from wallet.client.online import Online
from wallet.client.presenting import Answered, Asked, AskedByPage, RequestPreview

__all__ = [
    "Answered",
    "Asked",
    "AskedByPage",
    "IssuanceConsent",
    "LocalAttester",
    "OfferPreview",
    "OfferedCredential",
    "Online",
    "Received",
    "RequestPreview",
    "ServerError",
    "Waiting",
    "WalletAttester",
]
