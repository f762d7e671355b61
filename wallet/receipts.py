"""Receipts: checked when they come, kept with what they are about, and verified again as long as the history lasts.

A receipt is judged as of the time it was given. Whoever gave it is named by today's trust list if that still has the
reader; else the wallet has the certificate it verified the receipt with, whose hash the receipt names as its issuer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from vcred.errors import NotFound, RefusedError
from vcred.reasons import ReasonCode
from vcred.receipt import Receipt
from wallet._records import HISTORY, HistoryRecord, load_all, save

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vcred.keys import PublicKey
    from vcred.trust import TrustBundle
    from wallet.store import CredentialStore

__all__ = ["ReceiptBasis", "ReceiptProof", "accept_receipt", "check_receipt"]


class ReceiptBasis(StrEnum):
    """Who says whose signature it is.

    ``TRUST_LIST``: today's list names the reader. ``KEPT``: the list of the day when the receipt came did.
    ``UNREGISTERED``: no list ever did; the signature is that of whoever asked.
    """

    TRUST_LIST = "trust_list"
    KEPT = "kept"
    UNREGISTERED = "unregistered"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptProof:
    """A receipt whose signature verifies, who gave it, and whether it says what was asked for.

    ``as_asked`` is whether purpose and retention are those of the request; ``None`` after a one-way answer, for which
    nobody asked.
    """

    receipt: Receipt
    verifier: Mapping[str, str]
    basis: ReceiptBasis
    as_asked: bool | None


def accept_receipt(store: CredentialStore, receipt: Receipt, trust: TrustBundle, *, at: datetime) -> Receipt:
    """Check ``receipt`` and keep it with what it is about. Raises ``RefusedError``."""
    reader = trust.resolve_reader(client_id=receipt.client_id, x5c=receipt.x5c, at=at)
    receipt.verify_by(reader.key)
    for record, entry in load_all(store, HistoryRecord).items():
        if receipt.presentation in entry.answers and entry.client_id == receipt.client_id:
            kept = list(receipt.x5c) or _listed(trust, receipt.client_id)
            store.write([save(HISTORY, record, replace(entry, receipt=receipt.raw, reader=kept))])
            return receipt
    raise RefusedError(ReasonCode.UNCHECKED, "receipt", "about nothing that this wallet has shown")


def check_receipt(record: HistoryRecord, trust: TrustBundle) -> ReceiptProof:
    """See ``Wallet.check_receipt``."""
    if record.receipt is None:
        raise NotFound("there is no receipt for this")
    receipt = Receipt.parse(record.receipt)
    given = datetime.fromtimestamp(receipt.issued_at, UTC)
    verifier, basis = record.verifier, ReceiptBasis.KEPT if record.registered else ReceiptBasis.UNREGISTERED
    try:
        reader = trust.resolve_reader(client_id=receipt.client_id, x5c=receipt.x5c, at=given)
    except RefusedError as error:
        if error.code is not ReasonCode.READER_UNTRUSTED or not record.reader:
            raise
        key = _certified(receipt, record.reader, given)
    else:
        key = reader.key
        if reader.registered:
            verifier, basis = {lang: reader.name(lang) for lang in ("ko", "en")}, ReceiptBasis.TRUST_LIST
    receipt.verify_by(key)
    same = receipt.purpose == record.purpose and receipt.retention == record.retention
    return ReceiptProof(receipt=receipt, verifier=verifier, basis=basis, as_asked=None if record.one_way else same)


def _listed(trust: TrustBundle, client_id: str) -> list[bytes]:
    """The certificate of a registered reader that sent none."""
    from vcred.trust.x509 import x509_hash  # noqa: PLC0415 - X.509 is loaded with the first receipt

    return [one.certificate for one in trust.readers if client_id == f"x509_hash:{x509_hash(one.certificate)}"]


def _certified(receipt: Receipt, chain: list[bytes], given: datetime) -> PublicKey:
    """The key of the certificate that was kept, if it is the one the receipt names and it was valid on that day."""
    from vcred.trust import Purpose  # noqa: PLC0415 - as above
    from vcred.trust.x509 import check_leaf, read_certificate, x509_hash  # noqa: PLC0415 - as above

    if receipt.client_id != f"x509_hash:{x509_hash(chain[0])}":
        raise RefusedError(ReasonCode.READER_UNTRUSTED, "receipt", "the certificate kept with it is another one")
    leaf = read_certificate(chain[0], "reader")
    check_leaf(leaf, purpose=Purpose.READER, path="reader")
    if not leaf.not_before <= given.timestamp() <= leaf.not_after:
        raise RefusedError(ReasonCode.CHAIN, "reader", "the reader's certificate was not valid at that time")
    return leaf.key
