"""``Online``: a wallet that speaks OpenID4VCI 1.0 and OpenID4VP 1.0 to anybody's services.

Everything that goes out goes through the ``Http`` that is passed in, every time is from the clock that is passed in,
and everything that is under way is in the wallet's own store.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from wallet.client.presenting import Presenting
from wallet.client.receiving import Receiving

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime, timedelta

    from vcred.outgoing import Http
    from wallet.client.attester import WalletAttester
    from wallet.client.offers import IssuanceConsent, OfferPreview, Received, Waiting
    from wallet.client.presenting import Asked, AskedByPage, RequestPreview
    from wallet.wallet import Wallet

__all__ = ["Online"]

_COPIES: Final = 8


class Online:
    """A wallet with a network. Each step but the ``look`` ones goes out; nothing goes out by itself."""

    def __init__(
        self,
        wallet: Wallet,
        *,
        http: Http,
        clock: Callable[[], datetime],
        attester: WalletAttester | None = None,
        client_id: str | None = None,
        redirect_uri: str = "http://127.0.0.1:8765/callback",
        open_browser: Callable[[str], str] | None = None,
        copies: int = _COPIES,
        pause: Callable[[float], None] = time.sleep,
        development: bool = False,
    ) -> None:
        """``attester`` vouches for the wallet; without one it is called ``client_id``, or nothing at all.

        ``open_browser`` takes the holder to an address and returns the one the browser came back to, which begins with
        ``redirect_uri``; without it ``Received.login`` says where to go. ``copies`` are asked for where an issuer gives
        batches. ``pause`` waits that many seconds, where a server is busy and says how long (``LONGEST_WAIT`` at most).
        ``development`` lets links name http addresses; where ``http`` may go is its own to say.
        """
        self.wallet = wallet
        self.http = http
        self.clock = clock
        self.attester = attester
        self.client_id = client_id
        self.redirect_uri = redirect_uri
        self.open_browser = open_browser
        self.copies = copies
        self.pause = pause
        self.development = development
        self._receiving = Receiving(self)
        self._presenting = Presenting(self)

    def look(self, link: str) -> OfferPreview:
        """Read the link of a credential offer, without a network: show ``host``, and ask before ``fetch``.

        Raises ``MalformedError``.
        """
        return self._receiving.look(link)

    def look_issuer(self, issuer: str, configurations: Iterable[str]) -> OfferPreview:
        """The same where the holder begins: an issuer's identifier, and what is wanted of it."""
        return self._receiving.look_issuer(issuer, configurations)

    def fetch(self, preview: OfferPreview) -> IssuanceConsent | OfferPreview:
        """Fetch the offer if it is elsewhere, and what the issuer says of itself.

        An offer by reference may name an issuer at another host than the one that was shown: then that is the next
        ``OfferPreview`` to agree to. Raises ``TransportError``, ``RefusedError``.
        """
        return self._receiving.fetch(preview)

    def accept(
        self, consent: IssuanceConsent, *, tx_code: str | None, configurations: Collection[str] | None
    ) -> Received:
        """See ``IssuanceConsent.approve``."""
        return self._receiving.accept(consent, tx_code=tx_code, configurations=configurations)

    def returned(self, url: str) -> Received:
        """Go on after a login: ``url`` is what the browser came back with.

        Raises ``RefusedError`` for what is not the answer to a request of this wallet or not from the server that was
        asked, ``ServerError`` when the login was refused, and as ``IssuanceConsent.approve``.
        """
        return self._receiving.returned(url)

    def collect(self) -> Received:
        """Go on with everything that is under way: deferred credentials, and what was cut off. Raises ``StoreError``.

        What did not work is in ``problems``.
        """
        return self._receiving.collect()

    def refresh(self, *, within: timedelta) -> Received:
        """Get fresh certificates for those that end ``within`` that time or have no copy left, where an issuer gave
        the right to that; each takes the place of the old one. Raises as ``collect``.
        """
        return self._receiving.refresh(within=within)

    def waiting(self) -> tuple[Waiting, ...]:
        """What issuers have promised and not given yet."""
        return self._receiving.waiting()

    def forget(self, session: str) -> None:
        """Give up what is ``waiting``. Raises ``NotFound``."""
        self._receiving.forget(session)

    def look_request(self, link: str) -> RequestPreview:
        """Read the link of a presentation request, without a network: show ``host``, and ask before the next step.

        Raises ``MalformedError``, ``RefusedError``.
        """
        return self._presenting.look(link)

    def fetch_request(self, preview: RequestPreview) -> Asked:
        """Fetch the request, verify who signed it, and find what answers it.

        Raises ``TransportError``, and ``RefusedError`` for a request that must not be answered.
        """
        return self._presenting.fetch(preview)

    def page_request(self, protocol: str, data: Mapping[str, Any], *, origin: str) -> AskedByPage:
        """The same for a page: ``protocol`` and ``data`` as the Digital Credentials API has them, ``origin`` from the
        browser. Raises ``RefusedError``.
        """
        return self._presenting.page(protocol, data, origin=origin)

    def __repr__(self) -> str:
        return f"Online({self.wallet!r})"
