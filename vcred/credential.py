"""What an issuer signs, what a holder keeps and what a verifier opens, in no particular format.

``Credential`` and ``Opened`` say nothing about truth: they are parsed bytes. Only a verifier decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vcred.claims import ClaimPath
    from vcred.keys import PublicKey

__all__ = [
    "BitstringReference",
    "Content",
    "Credential",
    "KeyBinding",
    "Opened",
    "Prepared",
    "Status",
    "StatusEntry",
    "StatusReference",
    "status_entries",
    "token_status",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReference:
    """Where a credential's status is: entry ``index`` of the Token Status List at ``uri``."""

    uri: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BitstringReference:
    """Where a credential's status is: entry ``index`` of the W3C list at ``uri``, for one ``purpose`` of it:
    ``revocation`` or ``suspension``.
    """

    uri: str
    index: int
    purpose: str


StatusEntry = StatusReference | BitstringReference
Status = StatusEntry | tuple[StatusEntry, ...]
"""One entry, or the several that a W3C credential may have. Every one of them must be known and good."""


def status_entries(status: Status | None) -> tuple[StatusEntry, ...]:
    """Every place where ``status`` is to be looked up; none for ``None``."""
    if status is None:
        return ()
    return status if isinstance(status, tuple) else (status,)


def token_status(status: Status | None) -> StatusReference | None:
    """``status`` for a format that knows Token Status Lists only. Raises ``ValueError`` for any other."""
    if status is None or isinstance(status, StatusReference):
        return status
    raise ValueError("this format names one entry of a Token Status List, and no W3C status list")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is to be signed. ``claims`` is a tree in which ``vcred.claims.SD`` marks what a holder may hide.

    Times are seconds since 1970 (UTC). ``holder_key`` is ``None`` for a bearer document only.
    ``decoys`` digests are added to every object or array that has selectively disclosable members.
    """

    vct: str
    issuer: str
    claims: Mapping[str, Any]
    issued_at: int
    expires_at: int
    holder_key: PublicKey | None
    not_before: int | None = None
    status: Status | None = None
    decoys: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBinding:
    """The holder's signature over this very presentation.

    ``nonce`` is the verifier's, as its bytes; ``None`` if the format and the flow carry none. ``expires_at`` is
    what the holder may have added, for a verifier to compare with its time; ``not_before`` is at most
    ``issued_at``.
    """

    audience: str
    nonce: bytes | None
    issued_at: int
    alg: str
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    not_before: int | None = None
    expires_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A credential or presentation, parsed and with its disclosures matched, but NOT verified.

    ``claims`` holds the certificate's own claims by name (never ``iss``, ``exp``, ``cnf`` ...), with
    hidden ones removed. ``hidden_elements`` counts, per array path, elements that were not disclosed.
    ``disclosures`` maps each selectively disclosable node to the disclosure that reveals it.
    """

    format: str
    raw: bytes = field(repr=False)
    alg: str
    kid: bytes | None
    x5c: tuple[bytes, ...] = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    issuer: str
    vct: str
    issued_at: int | None
    not_before: int | None
    expires_at: int | None
    status: Status | None
    holder_key: PublicKey | None = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)
    hidden_elements: Mapping[ClaimPath, int] = field(repr=False)
    disclosures: Mapping[ClaimPath, bytes] = field(repr=False)
    key_binding: KeyBinding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Bytes waiting for a signature made elsewhere: sign ``signing_input``, call ``complete(signature)``."""

    signing_input: bytes = field(repr=False)
    finish: Callable[[bytes], bytes] = field(repr=False)

    def complete(self, signature: bytes) -> bytes:
        """The finished bytes. The caller answers for ``signature`` being over ``signing_input``."""
        return self.finish(signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Issued bytes as received, and what they say about themselves. Reading it says nothing about truth."""

    format: str
    raw: bytes = field(repr=False)
    type: str
    issuer: str
    issued_at: int
    expires_at: int
    status: Status | None
    holder_key: PublicKey | None = field(repr=False)
