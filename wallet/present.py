"""Presenting what was agreed to: a copy for each answer, the holder's signature, and the history, in one transaction.

A copy of a batch is for one act. Its key is shredded with it, but for the last copy of a format, which stays for the
day when nothing else is left and the holder agrees to being recognised. A one-way answer is drawn anew with a fresh
nonce for as long as its consent holds; these drawings are one act and show the same copy.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from vcred.errors import RefusedError, StoreError
from vcred.formats._wire import epoch
from vcred.formats.known import LEGACY_FORMATS
from vcred.keys import SoftwareSigner
from vcred.presentation import Presentation, Presented
from vcred.reasons import ReasonCode
from wallet._records import (
    COPIES,
    HISTORY,
    CertificateRecord,
    CopyRecord,
    HistoryRecord,
    copies_of,
    load,
    new_id,
    save,
)
from wallet.consent import CARRIERS, redeem
from wallet.store import Delete

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from vcred.credential import Opened, Prepared
    from vcred.formats.base import CredentialFormat
    from vcred.oid4vp.online import Online
    from vcred.oid4vp.transaction import TransactionData
    from wallet.consent import Consent, Plan, PlanItem
    from wallet.store import Change, CredentialStore

__all__ = ["Presenter"]

_MAX_DRAWINGS = 64
_SHOWN = "u"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Act:
    """The copies of a one-way consent, and its line in the history."""

    copies: tuple[CopyRecord, ...] = field(repr=False)
    history: str


class Presenter:
    """Turns consents into presentations over one store."""

    def __init__(self, store: CredentialStore) -> None:
        self._store = store
        self._acts: WeakKeyDictionary[Consent, _Act] = WeakKeyDictionary()

    def present(
        self, consent: Consent, formats: Mapping[str, CredentialFormat], owner: object, *, at: datetime
    ) -> Presentation:
        """See ``Wallet.present``."""
        plan = redeem(consent, owner)
        now = epoch(at)
        if now > plan.expires_at:
            raise RefusedError(ReasonCode.REQUEST_EXPIRED, "request", f"{now - plan.expires_at} s ago")
        act = self._acts.get(consent)
        taken = self._take(plan) if act is None else []
        copies = tuple(copy for _, copy in taken) if act is None else act.copies
        nonce = secrets.token_bytes(16) if plan.one_way else plan.nonce
        tokens: dict[str, tuple[Presented, ...]] = {}
        for item, copy in zip(plan.items, copies, strict=True):
            raw = _signed(plan, item, copy, formats, nonce=nonce, now=now)
            tokens[item.query] = (*tokens.get(item.query, ()), Presented(format=item.format, raw=raw))
        answer = Presentation(tokens=tokens, one_way_nonce=nonce if plan.one_way else None)
        if act is None:
            history = new_id()
            self._store.write([*self._used(plan, taken), save(HISTORY, history, _entry(plan, answer, now), new=True)])
            if plan.one_way:
                self._acts[consent] = _Act(copies=copies, history=history)
        else:
            self._drawn_again(act, answer)
        return answer

    def _take(self, plan: Plan) -> list[tuple[str, CopyRecord]]:
        """A copy for each item, with its id: never shown, or shown before only if that was agreed to."""
        taken: dict[str, CopyRecord] = {}
        order: list[tuple[str, CopyRecord]] = []
        for item in plan.items:
            fitting = {
                name: copy
                for name, copy in copies_of(self._store, item.certificate).items()
                if copy.key is not None and item.format in copy.credentials
            }
            free = [name for name, copy in fitting.items() if not copy.used and name not in taken]
            if not free and (plan.reuse or not load(self._store, CertificateRecord, item.certificate).batch):
                free = list(fitting)
            if not free:
                raise StoreError("every copy has been shown once: renew the certificate, or agree to reuse")
            taken[free[0]] = fitting[free[0]]
            order.append((free[0], fitting[free[0]]))
        return order

    def _used(self, plan: Plan, taken: Sequence[tuple[str, CopyRecord]]) -> list[Change]:
        """Shred each fresh copy that was taken; the last of its certificate and format moves to an id of its own.

        Either way the id is deleted, and deleting fails for whoever comes second: a copy cannot be used twice, even
        by two wallets over one store.
        """
        changes: list[Change] = []
        gone: set[str] = set()
        for item, (name, copy) in zip(plan.items, taken, strict=True):
            if copy.used or name in gone:
                continue
            gone.add(name)
            changes.append(Delete(table=COPIES, record=name))
            rest = [
                other
                for other, each in copies_of(self._store, item.certificate).items()
                if other not in gone and each.key is not None and item.format in each.credentials
            ]
            if not rest:
                changes.append(save(COPIES, f"{name}{_SHOWN}", replace(copy, used=True), new=True))
        return changes

    def _drawn_again(self, act: _Act, answer: Presentation) -> None:
        """Remember the new drawing too, so that a receipt for it is recognised."""
        entry = load(self._store, HistoryRecord, act.history)
        answers = [*entry.answers, answer.fingerprint][-_MAX_DRAWINGS:]
        self._store.write([save(HISTORY, act.history, replace(entry, answers=answers))])


def _signed(
    plan: Plan,
    item: PlanItem,
    copy: CopyRecord,
    formats: Mapping[str, CredentialFormat],
    *,
    nonce: bytes | None,
    now: int,
) -> bytes:
    assert copy.key is not None
    form, signer = formats[item.format], SoftwareSigner.from_der(copy.key)
    opened = form.open(copy.credentials[item.format])
    if plan.online is not None and item.format not in LEGACY_FORMATS:
        prepared = _prepared(plan, plan.online, item, form, opened, now=now)
        return prepared.complete(signer.sign(prepared.signing_input))
    audience = plan.asker.client_id if plan.online is None else plan.online.audience(plan.asker.client_id)
    return form.present(
        opened,
        item.paths,
        signer,
        audience=audience,
        # docs/qr-profile.md: a one-way SD-CWT carries no cnonce; the nonce in the envelope makes drawings differ.
        nonce=None if plan.one_way and item.format == "sd-cwt" else nonce,
        issued_at=now,
    )


def _prepared(
    plan: Plan, online: Online, item: PlanItem, form: CredentialFormat, opened: Opened, *, now: int
) -> Prepared:
    """For the whole client identifier or the page's origin; an mdoc for the session (OpenID4VP 1.0 appendix B)."""
    from vcred.formats.mdoc import Mdoc  # noqa: PLC0415 - loaded with the first request online
    from vcred.formats.sd_jwt_vc import SdJwtVc  # noqa: PLC0415 - as above
    from vcred.oid4vp import transaction_claims  # noqa: PLC0415 - as above

    client_id, nonce = plan.asker.client_id, plan.nonce
    if isinstance(form, Mdoc):
        return form.prepare_response(opened, item.paths, transcript=online.transcript(client_id))
    audience = online.audience(client_id)
    if isinstance(form, SdJwtVc):
        also = transaction_claims(_agreed(plan, online, item))
        return form.prepare_presentation(opened, item.paths, audience=audience, nonce=nonce, issued_at=now, also=also)
    return form.prepare_presentation(opened, item.paths, audience=audience, nonce=nonce, issued_at=now)


def _agreed(plan: Plan, online: Online, item: PlanItem) -> list[TransactionData]:
    """The transaction data that this presentation carries: what names it, and no presentation before it."""
    carriers = [one for one in plan.items if one.format in CARRIERS]
    return [
        one
        for one in online.transaction_data
        if item is next((each for each in carriers if each.query in one.credential_ids), None)
    ]


def _entry(plan: Plan, answer: Presentation, now: int) -> HistoryRecord:
    return HistoryRecord(
        at=now,
        client_id=plan.asker.client_id,
        verifier={"ko": plan.asker.names.ko, "en": plan.asker.names.en},
        registered=plan.asker.registered,
        purpose=plan.purpose,
        retention=plan.retention,
        policy=plan.policy,
        one_way=plan.one_way,
        shown=[
            {"certificate": item.certificate, "path": str(one.path), "ko": one.ko, "en": one.en}
            for item in plan.items
            for one in item.disclosures
        ],
        answers=[answer.fingerprint],
        receipt=None,
    )
