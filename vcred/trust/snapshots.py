"""The status lists of a bundle: tokens as they came, each verified when it is first asked for.

A token counts only if its signer is, in the same bundle, a document signer or status signer of an authority that
answers for the list's URI. A key that only the token itself carries is nobody's. What does not verify is unusable and
says why; it is never taken as "not revoked".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from vcred.errors import RefusedError
from vcred.reasons import Reason, ReasonCode
from vcred.status import StatusSnapshot, newer_snapshot, parse_status_token, verify_status_token
from vcred.trust.rules import admit_status_signer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vcred.trust.signers import SignerIndex

__all__ = ["Snapshots"]

_log = logging.getLogger(__name__)


class Snapshots:
    """Status lists by URI."""

    def __init__(
        self,
        tokens: Mapping[str, bytes],
        signers: SignerIndex,
        *,
        verified: Mapping[str, StatusSnapshot | Reason] | None = None,
    ) -> None:
        """``verified`` are the entries of ``tokens`` already looked at, by the same signers."""
        self._tokens = dict(tokens)
        self._signers = signers
        self._found: dict[str, StatusSnapshot | Reason] = dict(verified or {})

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._tokens))

    def get(self, uri: str) -> StatusSnapshot | Reason | None:
        """The verified list, the reason why it is unusable, or ``None`` when there is none."""
        if uri not in self._found:
            if uri not in self._tokens:
                return None
            try:
                snapshot = self._verify(self._tokens[uri])
                if snapshot.uri != uri:
                    raise RefusedError(ReasonCode.STATUS_LIST, "sub", "the token is of another list")
                self._found[uri] = snapshot
            except RefusedError as error:
                _log.warning("status list %s is unusable: %s", uri, error)
                self._found[uri] = Reason(error.code, error.path, error.detail)
        return self._found[uri]

    def token(self, uri: str) -> bytes | None:
        """The list as it came, usable or not; ``None`` when there is none."""
        return self._tokens.get(uri)

    def added_to(self, other: Snapshots) -> dict[str, bytes]:
        """The tokens, by URI, that these have in place of those of ``other``, or besides them."""
        return {uri: raw for uri, raw in self._tokens.items() if raw is not other._tokens.get(uri)}

    def problem(self, uri: str) -> Reason | None:
        """Why the list is unusable; ``None`` when it is usable, or not there."""
        found = self.get(uri)
        return found if isinstance(found, Reason) else None

    def replaced(self, token: bytes) -> Snapshots:
        """These with ``token`` in place of an older one; these themselves when it is not newer.

        Raises ``RefusedError`` when it does not verify.
        """
        offered = self._verify(token)
        kept = self.get(offered.uri)
        if newer_snapshot(kept if isinstance(kept, StatusSnapshot) else None, offered) is not offered:
            return self
        return Snapshots(
            {**self._tokens, offered.uri: token}, self._signers, verified={**self._found, offered.uri: offered}
        )

    def _verify(self, raw: bytes) -> StatusSnapshot:
        token = parse_status_token(raw)
        try:
            record = self._signers.find_status_signer(kid=token.kid, x5c=token.x5c, issued_at=token.issued_at)
            admit_status_signer(record, uri=token.uri, issued_at=token.issued_at, production=self._signers.production)
            if token.issuer not in (None, record.issuer.authority.id):
                raise RefusedError(ReasonCode.ISSUER, "issuer", "the list names another issuer than its signer's")
        except RefusedError as error:
            raise RefusedError(ReasonCode.STATUS_SIGNATURE, error.path, str(error)) from error
        verify_status_token(token, record.issuer.key)
        return StatusSnapshot(
            uri=token.uri,
            token=token,
            verified_by=record.issuer.authority.id,
            issued_at=token.issued_at,
            expires_at=token.expires_at,
            ttl=token.ttl,
        )
