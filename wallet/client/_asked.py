"""What a holder sees of an offer before agreeing to it: who, what, from where, and what stands in the way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from wallet.client._calls import shown_host
from wallet.client._collect import can_prove
from wallet.client.offers import IssuanceConsent, OfferedCredential
from wallet.consent import shown

if TYPE_CHECKING:
    from vcred.oid4vci import CredentialConfiguration, CredentialOffer, TxCode
    from wallet.client._discovery import IssuerFacts
    from wallet.client.online import Online

__all__ = ["consent_of"]

_LANGUAGES: Final = ("ko", "en")


def consent_of(online: Online, offer: CredentialOffer, facts: IssuerFacts) -> IssuanceConsent:
    """What the holder agrees to, or not; every text of the issuer's is made safe to show."""
    metadata, authority = facts.metadata, facts.authority
    places = (
        metadata.issuer,
        *metadata.authorization_servers,
        metadata.credential_endpoint,
        metadata.nonce_endpoint,
        metadata.deferred_endpoint,
        metadata.notification_endpoint,
    )
    grant = offer.pre_authorized
    return IssuanceConsent(
        issuer=offer.issuer,
        host=shown_host(offer.issuer, "credential_issuer"),
        hosts=tuple(dict.fromkeys(shown_host(place, "metadata") for place in places if place is not None)),
        issuer_name={lang: shown(metadata.name(lang)) for lang in _LANGUAGES},
        authority=None if authority is None else authority.names,
        test=authority is not None and authority.test,
        signed=facts.signed,
        credentials=tuple(
            _offered(online, name, metadata.configurations.get(name)) for name in offer.configuration_ids
        ),
        tx_code=None if grant is None else _safe(grant.tx_code),
        login=grant is None,
        offer=offer,
        facts=facts,
        owner=online,
    )


def _offered(online: Online, name: str, configuration: CredentialConfiguration | None) -> OfferedCredential:
    if configuration is None:
        names = dict.fromkeys(_LANGUAGES, shown(name))
        return OfferedCredential(configuration=name, format="", name=names, code=None, problem="unknown")
    kinds = [] if configuration.type is None else list(online.wallet.trust.catalog.called(configuration.type))
    # Several types may share a document type; our issuers name the certificate type in front.
    kinds.sort(key=lambda kind: kind.code != name.partition("/")[0])
    problem = None
    if not kinds:
        problem = "type"
    elif configuration.format not in online.wallet.formats:
        problem = "format"
    elif not can_prove(configuration, online.attester):
        problem = "proof"
    return OfferedCredential(
        configuration=name,
        format=configuration.format,
        name={lang: shown(configuration.name(lang)) for lang in _LANGUAGES},
        code=kinds[0].code if kinds else None,
        problem=problem,
    )


def _safe(tx_code: TxCode | None) -> TxCode | None:
    if tx_code is None or tx_code.description is None:
        return tx_code
    return replace(tx_code, description=shown(tx_code.description))
