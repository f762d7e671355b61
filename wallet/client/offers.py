"""What an issuer offers, in the states that it goes through: a link, an offer that is read, the holder's yes.

Nothing is fetched before the holder has seen where from (threats WF-10): ``OfferPreview`` was parsed only. Nothing is
asked of the issuer before the holder has agreed to ``IssuanceConsent``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from vcred.errors import VcredError
    from vcred.oid4vci import CredentialOffer, TxCode
    from vcred.trust import Names
    from wallet.certificate import Certificate
    from wallet.client._discovery import IssuerFacts
    from wallet.client.online import Online

__all__ = ["IssuanceConsent", "OfferPreview", "OfferedCredential", "Received", "Waiting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferPreview:
    """A link that was read without a network. ``host`` is where the next step goes to: show it, and ask.

    ``reference`` is the address of the offer, for a link that does not hold it; then ``offer`` is ``None``.
    """

    host: str
    reference: str | None = field(default=None, repr=False)
    offer: CredentialOffer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedCredential:
    """One credential of an offer. ``name`` is the issuer's, made safe to show; ``code`` our certificate type.

    ``problem`` says why this wallet cannot take it: ``unknown`` (not in the offer's metadata), ``type``, ``format``,
    ``proof``; ``None`` when it can.
    """

    configuration: str
    format: str
    name: Mapping[str, str]
    code: str | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A credential that is not there yet: ``ready_at`` is when to ask again, in seconds since 1970."""

    session: str
    issuer: str
    code: str
    format: str
    ready_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What came, and what is still under way: ``Online.collect`` asks for that again.

    ``problems`` are why some of several credentials did not come. ``login`` is where the holder has to log in first,
    for a wallet that has no browser of its own: ``Online.returned`` takes what the browser comes back with.
    """

    certificates: tuple[Certificate, ...]
    waiting: tuple[Waiting, ...] = ()
    problems: tuple[VcredError, ...] = ()
    login: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuanceConsent:
    """Who offers what, for the holder to agree to.

    ``authority`` is the issuer's name in the trust bundle, ``None`` for one that it does not know: what ``issuer_name``
    says is then a stranger's text. ``test`` marks an authority for tests, ``signed`` metadata that the authority
    signed. ``hosts`` are the servers that ``approve`` goes to, as the issuer names them. ``tx_code`` is there when a
    code has to be typed in that the holder got another way; ``login`` is true when the holder has to log in in a
    browser.
    """

    issuer: str
    host: str
    hosts: tuple[str, ...]
    issuer_name: Mapping[str, str]
    authority: Names | None
    test: bool
    signed: bool
    credentials: tuple[OfferedCredential, ...]
    tx_code: TxCode | None
    login: bool
    offer: CredentialOffer = field(repr=False)
    facts: IssuerFacts = field(repr=False)
    owner: Online = field(repr=False)

    @property
    def trusted(self) -> bool:
        """Whether the trust bundle knows the issuer."""
        return self.authority is not None

    def approve(self, *, tx_code: str | None = None, configurations: Collection[str] | None = None) -> Received:
        """Agree, and get the credentials; ``configurations`` are some of those offered, by default all that can be had.

        What is not ready yet is ``waiting``. Keys are made and kept first; after a failure that may pass
        (``TransportError``) ``Online.collect`` goes on. Raises ``ConsentError`` for a ``tx_code`` that is missing or
        not wanted and for nothing to take, ``ServerError`` when a server refuses, ``RefusedError`` for what does not
        check out: nothing of that is kept.
        """
        return self.owner.accept(self, tx_code=tx_code, configurations=configurations)
