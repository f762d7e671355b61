"""How a wallet reaches an issuer. The default reaches nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from vcred.errors import Offline

if TYPE_CHECKING:
    from vcred.issuance import Delivery, IssuanceRequest, Offer

__all__ = ["NoTransport", "Transport"]


class Transport(Protocol):
    """Carries an issuance request to the issuer of an offer and its delivery back."""

    def issue(self, offer: Offer, request: IssuanceRequest) -> Delivery:
        """The issuer's answer. Raises ``TransportError``."""


class NoTransport:
    """There is no network."""

    def issue(self, offer: Offer, request: IssuanceRequest) -> Delivery:
        """Raises ``Offline``, always."""
        del request
        raise Offline(f"there is no network to reach {offer.issuer}: carry the request there and its delivery back")
