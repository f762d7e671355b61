"""What is asked of the holder, and the holder's agreement to it.

``ConsentRequest`` is what an app shows; it discloses nothing. ``approve`` is the only way to a ``Consent``, and
``Wallet.present`` takes nothing else. What was agreed to is kept here and not in the ``Consent`` object, which is a
ticket: it cannot be made, changed, copied or pickled, is for one wallet, and for one act of presenting.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn
from weakref import WeakKeyDictionary

from vcred.errors import ConsentError
from vcred.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from vcred.claims import ClaimPath
    from vcred.dcql import DcqlQuery
    from vcred.oid4vp.online import Online
    from vcred.trust import Names
    from wallet.certificate import Certificate

__all__ = [
    "CARRIERS",
    "Asker",
    "Choice",
    "Consent",
    "ConsentRequest",
    "Disclosure",
    "Missing",
    "Plan",
    "PlanItem",
    "redeem",
    "shown",
]

CARRIERS = ("dc+sd-jwt", "vc+sd-jwt")
"""Formats in which this wallet signs transaction data: ``BINDING_FORMATS``, which is loaded with the first request."""

_CLIP = 300


def shown(text: str) -> str:
    """A stranger's text, safe to show: control and invisible characters written out, stacked marks and length cut."""
    out: list[str] = []
    marks = 0
    for letter in unicodedata.normalize("NFC", text)[: _CLIP + 1]:
        category = unicodedata.category(letter)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > 2:
            continue
        out.append(letter if category[0] != "C" and category not in ("Zl", "Zp") else f"\\u{{{ord(letter):X}}}")
    return "".join(out[:_CLIP]) + ("…" if len(text) > _CLIP else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, as the trust bundle knows them. An unregistered asker has no name of its own, whatever it claims."""

    client_id: str
    registered: bool
    names: Names

    @property
    def name(self) -> str:
        """The Korean name."""
        return self.names.ko

    @property
    def trusted(self) -> bool:
        """Whether the trust bundle vouches for them."""
        return self.registered


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """One thing that is or may be shown: a claim, with all below it, of one certificate. ``count``: in how many rows.

    ``sensitivity`` is the catalogue's: "document", "personal", "sensitive" or "identifier".
    """

    query: str
    certificate: str
    path: ClaimPath
    ko: str
    en: str
    sensitivity: str
    count: int

    def label(self, lang: str) -> str:
        """What it is, in ``ko`` or ``en``."""
        if lang not in ("ko", "en"):
            raise ValueError("lang is 'ko' or 'en'")
        return self.ko if lang == "ko" else self.en


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A certificate that answers a credential query, with what it would show.

    ``required`` is the least that answers; ``optional`` may be added; ``always`` goes with any presentation of this
    certificate. ``reasons`` are what the receiver would say against it. ``spent``: every copy has been shown once.
    """

    query: str
    certificate: Certificate
    format: str
    required: tuple[Disclosure, ...]
    optional: tuple[Disclosure, ...]
    always: tuple[Disclosure, ...]
    reasons: tuple[Reason, ...]
    spent: bool
    combinations: tuple[frozenset[ClaimPath], ...] = field(repr=False)
    """What may be shown together, as concrete paths; the least first."""

    @property
    def too_much(self) -> tuple[Reason, ...]:
        """Of ``reasons`` those for which ``approve`` refuses: what goes with it may not be asked."""
        return tuple(one for one in self.reasons if one.code is ReasonCode.OVER_ASKING)

    def paths(self, extra: Collection[Disclosure]) -> frozenset[ClaimPath]:
        """The concrete paths for the least, plus ``extra``. Raises ``ConsentError`` if these do not go together."""
        wanted = {one.path for one in (*self.required, *extra)}
        for combination in self.combinations:
            if {pattern(path) for path in combination} == wanted:
                return combination
        raise ConsentError(f"{self.query}: these optional claims can be shown only together with others")


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A credential query nothing in the wallet answers. ``why`` has, for what came close, what did not fit:
    ``format``, ``meta``, ``claims``, ``holder_binding``, ``trusted_authorities``, ``reissue``.
    """

    query: str
    ko: str
    en: str
    why: tuple[str, ...]

    def label(self, lang: str) -> str:
        """The certificate that is missing, in ``ko`` or ``en``."""
        if lang not in ("ko", "en"):
            raise ValueError("lang is 'ko' or 'en'")
        return self.ko if lang == "ko" else self.en


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanItem:
    """One presentation to make."""

    query: str
    certificate: str
    format: str
    paths: frozenset[ClaimPath] = field(repr=False)
    disclosures: tuple[Disclosure, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the holder agreed to: for whom, what, until when; ``owner`` is the wallet it is for."""

    owner: object
    asker: Asker
    nonce: bytes | None
    one_way: bool
    expires_at: int
    purpose: str
    retention: str | None
    policy: str | None
    items: tuple[PlanItem, ...]
    reuse: bool
    online: Online | None = None


_APPROVED: WeakKeyDictionary[Consent, Plan] = WeakKeyDictionary()


class Consent:
    """The holder agreed. Made by ``ConsentRequest.approve`` only; what it stands for cannot be read or changed here."""

    __slots__ = ("__weakref__",)

    def __init__(self) -> None:
        raise ConsentError("only ConsentRequest.approve makes a consent")

    def __init_subclass__(cls) -> NoReturn:
        raise ConsentError("a consent has one kind")

    def __reduce__(self) -> NoReturn:
        raise ConsentError("a consent is neither copied nor kept")

    @property
    def disclosures(self) -> tuple[Disclosure, ...]:
        """What will be shown; empty once it has been."""
        plan = _APPROVED.get(self)
        return () if plan is None else tuple(one for item in plan.items for one in item.disclosures)

    def __repr__(self) -> str:
        return f"Consent({'open' if self in _APPROVED else 'used'})"


def redeem(consent: Consent, owner: object) -> Plan:
    """Take what was agreed to: once, or for a one-way answer until it expires. Raises ``ConsentError``."""
    plan = _APPROVED.get(consent) if type(consent) is Consent else None
    if plan is None:
        raise ConsentError("nobody agreed to this, or it has been used: ask again")
    if plan.owner is not owner:
        raise ConsentError("this consent was given in another wallet")
    # Of two threads with one consent, one takes it out.
    if not plan.one_way and _APPROVED.pop(consent, None) is None:
        raise ConsentError("nobody agreed to this, or it has been used: ask again")
    return plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRequest:
    """Who asks for what, and what the wallet could answer. Made by ``Wallet.match``.

    ``required`` and ``optional`` describe the default answer, the least there is. ``reasons`` are what the receiver
    would say against it, found before going there. ``blocked`` are reasons for which ``approve`` refuses.
    """

    verifier: Asker
    purpose: str
    retention: str | None
    policy: str | None
    one_way: bool
    expires_at: int
    required: tuple[Disclosure, ...]
    optional: tuple[Disclosure, ...]
    missing: tuple[Missing, ...]
    candidates: Mapping[str, tuple[Choice, ...]]
    reasons: tuple[Reason, ...]
    blocked: tuple[Reason, ...]
    chosen: Mapping[str, Choice]
    query: DcqlQuery = field(repr=False)
    nonce: bytes | None = field(repr=False)
    owner: object = field(repr=False)
    online: Online | None = field(default=None, repr=False)

    @property
    def statements(self) -> tuple[Mapping[str, str], ...]:
        """What the holder agrees to besides, in full: the members of each transaction data (OpenID4VP 1.0, 8.4)."""
        return () if self.online is None else tuple(one.body for one in self.online.transaction_data)

    def approve(
        self,
        *,
        also: Collection[Disclosure | str] = (),
        choose: Mapping[str, str | Sequence[str]] | None = None,
        reuse: bool = False,
    ) -> Consent:
        """Agree to ``required`` and to those of ``optional`` in ``also`` (as given there, by claim path, or a whole
        optional certificate by its query id).

        ``choose`` names, by query id, the certificate to show instead of the default, or several where the request
        takes several (``multiple``): of each but the first only what is required is shown. ``reuse`` agrees to showing
        a copy that was shown before, by which two receivers could tell that it was the same person. Raises
        ``ConsentError``: something is missing, the request is blocked, ``also`` or ``choose`` name what is not there,
        or every copy is used up and ``reuse`` was not given.
        """
        if self.blocked:
            raise ConsentError("this request asks for too much: " + ", ".join(sorted({r.path for r in self.blocked})))
        if self.missing:
            raise ConsentError("something that is required is missing")
        wished = {name: (one,) if isinstance(one, str) else tuple(one) for name, one in (choose or {}).items()}
        chosen = self._chosen({name: many[0] for name, many in wished.items() if many})
        if any(many and name not in chosen for name, many in wished.items()):
            raise ConsentError("choose names certificates for two alternatives")
        extra = self._extra(chosen, also)
        more = [choice for name, many in wished.items() for choice in self._more(name, many)]
        shown_all = [*chosen.values(), *more]
        if too_much := [one.path for choice in shown_all for one in choice.too_much]:
            raise ConsentError("this request asks for too much: " + ", ".join(sorted(set(too_much))))
        items = (*(_item(choice, extra[query]) for query, choice in chosen.items()), *(_item(one, []) for one in more))
        if not items:
            raise ConsentError("nothing is asked for")
        if not reuse and any(choice.spent for choice in shown_all):
            raise ConsentError("every copy has been shown once: renew the certificate, or agree to reuse")
        if self.online is not None:
            _check_carried(self.online, items)
        consent = object.__new__(Consent)
        _APPROVED[consent] = Plan(
            owner=self.owner,
            asker=self.verifier,
            nonce=self.nonce,
            one_way=self.one_way,
            expires_at=self.expires_at,
            purpose=self.purpose,
            retention=self.retention,
            policy=self.policy,
            items=items,
            reuse=reuse,
            online=self.online,
        )
        return consent

    def _chosen(self, choose: dict[str, str]) -> dict[str, Choice]:
        """The default answer, changed where the holder chose another certificate."""
        chosen = dict(self.chosen)
        for query, certificate in choose.items():
            fitting = [one for one in self.candidates.get(query, ()) if one.certificate.id == certificate]
            if not fitting:
                raise ConsentError(f"{query}: that certificate does not answer this")
            if query not in chosen:
                chosen = self._switched(chosen, query)
            chosen[query] = fitting[0]
        return chosen

    def _more(self, query: str, certificates: Sequence[str]) -> list[Choice]:
        """What is shown for ``query`` besides the first of ``certificates``."""
        if len(certificates) > 1 and (not self.query[query].multiple or len(set(certificates)) != len(certificates)):
            raise ConsentError(f"{query}: one certificate is asked for")
        fitting = {one.certificate.id: one for one in self.candidates.get(query, ())}
        if not fitting.keys() >= set(certificates):
            raise ConsentError(f"{query}: that certificate does not answer this")
        return [fitting[one] for one in certificates[1:]]

    def _switched(self, chosen: dict[str, Choice], query: str) -> dict[str, Choice]:
        """The same answer with the alternative that ``query`` belongs to."""
        for group in self.query.credential_sets or ():
            current = next((option for option in group.options if all(one in chosen for one in option)), None)
            other = next(
                (option for option in group.options if query in option and all(self.candidates[one] for one in option)),
                None,
            )
            if current is not None and other is not None:
                kept = {name: choice for name, choice in chosen.items() if name not in current}
                return kept | {name: self.candidates[name][0] for name in other}
        raise ConsentError(f"{query}: is not an alternative of what is required")

    def _extra(self, chosen: dict[str, Choice], also: Collection[Disclosure | str]) -> dict[str, list[Disclosure]]:
        """What of ``also`` goes with which query; whole optional certificates are added to ``chosen``."""
        if isinstance(also, str):
            raise TypeError("also is a collection")
        extra: dict[str, list[Disclosure]] = {query: [] for query in chosen}
        for wanted in also:
            name = wanted if isinstance(wanted, str) else wanted.query
            whole = [] if name in self.chosen else self._optional_queries(name)
            for query in whole:
                chosen.setdefault(query, self.candidates[query][0])
                extra.setdefault(query, [])
            lines = [one for choice in chosen.values() for one in (*choice.optional, *choice.required)]
            hits = [one for one in lines if _names(wanted, one)]
            if not whole and not hits:
                raise ConsentError("also names something that is not optional here")
            for one in () if whole else hits:
                if one in chosen[one.query].optional and one not in extra[one.query]:
                    extra[one.query].append(one)
        return extra

    def _optional_queries(self, name: str) -> list[str]:
        """The queries that come with ``name`` in an optional set, if the wallet can answer them."""
        for group in self.query.credential_sets or ():
            for option in group.options:
                if not group.required and name in option and all(self.candidates.get(one) for one in option):
                    return list(option)
        return []


def pattern(path: ClaimPath) -> ClaimPath:
    """``path`` with every index as "any element"."""
    return type(path)(tuple(None if isinstance(part, int) else part for part in path.parts))


def _names(wanted: Disclosure | str, one: Disclosure) -> bool:
    if isinstance(wanted, str):
        return wanted in (str(one.path), f"{one.query}.{one.path}")
    return (wanted.query, wanted.path) == (one.query, one.path)


def _check_carried(online: Online, items: Collection[PlanItem]) -> None:
    """What is agreed to besides is signed with one of the credentials that it names, or there is no answer at all."""
    carriers = {item.query for item in items if item.format in CARRIERS}
    if not all(carriers.intersection(one.credential_ids) for one in online.transaction_data):
        raise ConsentError("nothing that would be shown can carry what is to be agreed to")


def _item(choice: Choice, extra: list[Disclosure]) -> PlanItem:
    return PlanItem(
        query=choice.query,
        certificate=choice.certificate.id,
        format=choice.format,
        paths=choice.paths(extra),
        disclosures=(*choice.always, *choice.required, *extra),
    )
