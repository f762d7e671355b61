"""Status lists for whoever checks a certificate (Token Status List sections 8 and 9, Bitstring Status List).

A list is signed again when a status changed, in whatever process, and when half the time is over for which a verifier
may keep it. So a revocation is in the next answer, and nobody gets a list that is about to end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from issuer.server.accept import preferred
from vcred.errors import NotFound, SettingsError
from vcred.status.aggregation import build_aggregation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from issuer.server.parts import Parts
    from issuer.status import Form, SignedList

__all__ = ["ListDesk", "Listed"]

_TYPES: Final[Mapping[str, Form]] = {"application/statuslist+jwt": "jwt", "application/statuslist+cwt": "cwt"}
_BITSTRING: Final = "application/vc+jwt"
_AGGREGATION: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as it is served, and for how many seconds it may be kept."""

    body: bytes = field(repr=False)
    type: str
    seconds: int


@dataclass(frozen=True, slots=True)
class _Signed:
    at: datetime
    audit: int
    signed: SignedList


class ListDesk:
    """The lists of one issuer, signed when they have to be. Everything blocks."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._profile = parts.issuer.profile
        self._ttl = parts.settings.lifetimes.of("status_ttl")
        self._lifetime = parts.settings.lifetimes.of("status_list")
        self._signed: dict[int, _Signed] = {}
        self._lock = Lock()

    @property
    def path(self) -> str:
        """Below which path the lists are. Raises ``SettingsError`` when their addresses are none of a web server."""
        place = urlsplit(self._profile.list_uri(0))
        if place.scheme not in ("https", "http") or not place.path.startswith("/"):
            raise SettingsError("the issuer's status lists have no web address: it needs a status_uri")
        return place.path.removesuffix("0")

    @property
    def aggregation_path(self) -> str | None:
        """Where the list of all lists is, if the lists say so."""
        return urlsplit(self._profile.aggregation_uri).path or None

    def get(self, name: str, accept: str, *, at: datetime) -> Listed:
        """The list called ``name`` (a number, or a number and a W3C purpose). Raises ``NotFound``, ``SigningError``."""
        number, dash, _ = name.partition("-")
        if not number.isascii() or not number.isdigit() or len(number) > 9 or str(int(number)) != number:
            raise NotFound("there is no such status list")
        found = self._fresh(int(number), at)
        seconds = max(0, int((found.at + self._ttl - at).total_seconds()))
        if dash:
            uri = f"{self._profile.list_uri(0).removesuffix('0')}{name}"
            if uri not in found.signed.bitstrings:
                raise NotFound("there is no such status list")
            return Listed(found.signed.bitstrings[uri], _BITSTRING, seconds)
        chosen = preferred(accept, list(_TYPES))
        return Listed(found.signed.tokens[_TYPES[chosen]], chosen, seconds)

    def aggregation(self) -> Listed:
        """Where all lists are."""
        store, profile = self._parts.store, self._profile
        rows = store.lists()
        bitstrings = [
            profile.bitstring_uri(row.number, purpose)
            for row in rows
            if store.has_bitstring(row.number)
            for purpose in ("revocation", "suspension")[: row.bits]
        ]
        body = build_aggregation([profile.list_uri(row.number) for row in rows], bitstrings=bitstrings)
        return Listed(body, _AGGREGATION, int(self._ttl.total_seconds()))

    def _fresh(self, number: int, at: datetime) -> _Signed:
        store = self._parts.store
        with self._lock:  # one signs, and whoever waits gets what it signed
            kept = self._signed.get(number)
            audit = store.last_audit()
            if (
                kept is not None
                and kept.at <= at < kept.at + self._ttl / 2
                and (audit == kept.audit or not store.status_changed(kept.audit))
                and bool(kept.signed.bitstrings) == store.has_bitstring(number)
            ):
                kept = self._signed[number] = _Signed(kept.at, audit, kept.signed)
                return kept
            signed = self._parts.issuer.signed_list(
                number, at=at, forms=("cwt", "jwt"), lifetime=self._lifetime, ttl=self._ttl
            )
            made = self._signed[number] = _Signed(at, audit, signed)
            return made
