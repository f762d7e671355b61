"""Telling a caller that something happened: from the database, signed, again and again until it has arrived.

A message says which request and its state, and nothing that was presented: whoever gets it asks the API. Its header
``Vcred-Signature`` is ``t=<seconds>,v1=<HMAC-SHA-256 of "<seconds>.<body>">`` with the secret that the settings have
for the address.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from typing import TYPE_CHECKING, Final

from vcred.errors import TransportError
from vcred.formats._wire import dump_json, epoch
from verifier.server.store import Delivery

if TYPE_CHECKING:
    from datetime import datetime

    from vcred.outgoing import Http
    from verifier.server.settings import VerifierServerSettings
    from verifier.server.store import Transaction, VerifierStore

__all__ = ["SIGNATURE", "Webhooks", "message"]

SIGNATURE: Final = "Vcred-Signature"
_LOG: Final = logging.getLogger("vcred.verifier.webhooks")
_LEASE: Final = 50
"""Seconds a process has for what it took; then it is another's, so that nothing waits for a minute (threats OP-06)."""

_BATCH: Final = 8
"""Each takes five seconds at most (``vcred.outgoing``): together less than the lease."""

_ATTEMPTS: Final = 12
_FIRST: Final = 5
_LONGEST: Final = 3600


def message(transaction: Transaction, *, state: str, outcome: str | None, submission: str | None, at: int) -> Delivery:
    """What the webhook of ``transaction`` is told. Only for a transaction that has one."""
    assert transaction.webhook is not None
    name = secrets.token_hex(16)
    body = {"delivery": name, "id": transaction.id, "state": state, "at": at}
    body |= {} if outcome is None else {"outcome": outcome}
    body |= {} if submission is None else {"submission": submission}
    return Delivery(id=name, url=transaction.webhook, body=dump_json(body))


class Webhooks:
    """Carries messages to the addresses that the settings name, and to no other."""

    def __init__(self, settings: VerifierServerSettings, store: VerifierStore, http: Http) -> None:
        self._secrets = {hook.url: hook.secret.get_secret_value().encode() for hook in settings.webhooks}
        self._store = store
        self._http = http

    def deliver(self, *, at: datetime) -> int:
        """Send what is due; how many arrived. Raises ``StoreError``."""
        now = epoch(at)
        return sum(self._send(one, now) for one in self._store.due(at=now, lease=_LEASE, limit=_BATCH))

    def _send(self, delivery: Delivery, now: int) -> bool:
        secret = self._secrets.get(delivery.url)
        if secret is None:
            self._store.failed(delivery, next_at=None)  # taken out of the settings meanwhile
            return False
        signature = hmac.new(secret, f"{now}.".encode() + delivery.body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", SIGNATURE: f"t={now},v1={signature}"}
        try:
            status = self._http.send("POST", delivery.url, headers=headers, body=delivery.body, limit=65_536).status
        except TransportError as error:
            _LOG.warning("webhook %s: %s", delivery.id, type(error).__name__)
            status = 0
        if 200 <= status < 300:
            self._store.delivered(delivery.id, at=now)
            return True
        wait = min(_FIRST * 4**delivery.attempts, _LONGEST)
        self._store.failed(delivery, next_at=now + wait if delivery.attempts + 1 < _ATTEMPTS else None)
        return False
