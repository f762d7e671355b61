"""DPoP proofs on requests to us: one header, our address, our nonce, never twice (RFC 9449).

That a proof is used is written down with what it is used for, in one transaction (``Unspent``).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from vcred.errors import RefusedError
from vcred.formats._jose import ALGORITHMS
from vcred.formats._wire import epoch
from vcred.oauth import check_dpop
from vcred.serving import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from starlette.requests import Request

    from issuer.server.parts import Parts
    from vcred.oauth import DpopProof

__all__ = ["ALGORITHMS", "SECONDS", "Unspent", "dpop_of"]

SECONDS: Final = 420
"""A proof is taken for five minutes, and clocks may differ by one."""


class _Spending(NamedTuple):
    who: str
    jti: str
    expires_at: int
    refused: ProtocolError


class Unspent:
    """The proofs of one request that are good, unless they were used before.

    ``use`` is for the transaction in which the request is answered; around all of it stands ``settled``, which uses
    them up in a transaction of its own where there was none. So a request that is refused has used its proofs as well,
    and of any number of requests with one proof, in any number of processes, one is answered.
    """

    def __init__(self, parts: Parts, *, at: datetime) -> None:
        self._store = parts.store
        self._at = epoch(at)
        self._rows: list[_Spending] = []
        self._tried = self._used = False

    def add(self, who: str, jti: str, *, expires_at: int, refused: ProtocolError) -> None:
        """``who`` may use this ``jti`` once; ``refused`` is what a second request hears."""
        self._rows.append(_Spending(who, jti, expires_at, refused))

    def use(self) -> None:
        """Inside a transaction: now they are used. Raises what was given for one that was used before."""
        self._tried = self._used = True
        self._store.if_undone(self._not_used)
        for row in self._rows:
            self._store.must_spend(row.who, row.jti, expires_at=row.expires_at, at=self._at, otherwise=row.refused)

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Nothing is answered before the proofs are used up. That one was used before counts more than other faults."""
        try:
            yield
        except Exception:
            if self._tried:  # that transaction may be undone; who was refused in it is refused for its own reason
                self._store.transact(lambda: [self._spend(row) for row in self._rows])
            else:
                self._finish()
            raise
        if not self._used:  # the answer was there already, or was found by another way than the one that was tried
            self._finish()

    def _not_used(self) -> None:
        self._used = False

    def _finish(self) -> None:
        if self._rows:
            self._store.transact(self.use)

    def _spend(self, row: _Spending) -> bool:
        return self._store.spend(row.who, row.jti, expires_at=row.expires_at, at=self._at)


def dpop_of(
    request: Request, parts: Parts, unspent: Unspent, *, at: datetime, access_token: str | None = None
) -> DpopProof | None:
    """The proof of this request, if it has one. Raises ``ProtocolError``: 401 where a token is presented, else 400.

    That it is used for the first time is ``unspent``'s to say.
    """
    lines = request.headers.getlist("dpop")
    if not lines:
        return None
    if len(lines) != 1:
        raise _refused("invalid_dpop_proof", "more than one DPoP header", access_token)
    # The address as clients know it, whatever a proxy made of it: the path is the same by construction.
    url = parts.settings.base_url.removesuffix(parts.settings.path) + request.url.path
    try:
        proof = check_dpop(lines[0], method=request.method, url=url, at=at, access_token=access_token)
    except RefusedError as error:
        raise _refused("invalid_dpop_proof", f"{error.code.value} {error.path}", access_token) from None
    if parts.settings.proof_nonces and not parts.nonces.is_for_proofs(proof.nonce, at=at):
        fresh = {"DPoP-Nonce": parts.nonces.for_proofs(at=at)}
        raise _refused("use_dpop_nonce", "a nonce of this server is needed", access_token, fresh)
    again = _refused("invalid_dpop_proof", "the proof was used", access_token)
    unspent.add(f"dpop {proof.thumbprint}", proof.jti, expires_at=proof.issued_at + SECONDS, refused=again)
    return proof


def _refused(
    error: str, description: str, access_token: str | None, headers: dict[str, str] | None = None
) -> ProtocolError:
    if access_token is None:
        return ProtocolError(error, description, headers=headers)
    challenge = f'DPoP algs="{" ".join(ALGORITHMS)}", error="{error}", error_description="{description}"'
    return ProtocolError(error, description, status=401, headers={"WWW-Authenticate": challenge} | (headers or {}))
