"""Who an issuer is: its identifier, its signers with their certificate chains, what it may issue and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vcred.errors import RefusedError, SigningError
from vcred.issuance import MAX_COPIES
from vcred.keys.pem import read_pem_chain

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from vcred.keys import Signer
    from vcred.trust.profile import Purpose
    from vcred.trust.x509 import Certificate

__all__ = ["CertifiedSigner", "IssuerProfile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerProfile:
    """Who issues: id, document signer and its certificate chain (leaf first, without the root; a PEM file or DER).

    There is no key to fall back to. ``status_uri`` is the prefix of the status lists, by default ``<id>/status/``.
    A holder gets ``copies`` one-time copies of every certificate at most in every one of ``formats``, each with a key
    and a status index of its own. ``types``: the codes it may sign; ``None`` leaves that to the trust bundle, by
    which verifiers go in any case.

    Status lists are signed with ``status_signer`` (its certificate, for that purpose, in ``status_chain``), so that
    they can be signed often while the document signer stays in its device; without one, with ``signer``.
    ``aggregation_uri`` is where the list of all lists is published; lists say so unless it is empty.
    """

    id: str
    signer: Signer = field(repr=False)
    chain: str | Path | Sequence[bytes] = field(repr=False)
    formats: tuple[str, ...] = ("dc+sd-jwt", "sd-cwt")
    copies: int = 5
    status_uri: str = ""
    types: frozenset[str] | None = None
    status_signer: Signer | None = field(default=None, repr=False)
    status_chain: str | Path | Sequence[bytes] = field(default=(), repr=False)
    aggregation_uri: str = ""

    def __post_init__(self) -> None:
        if not self.formats or len(set(self.formats)) != len(self.formats):
            raise ValueError("an issuer has at least one format, each once")
        if not 1 <= self.copies <= MAX_COPIES:
            raise ValueError(f"an issuer makes 1 to {MAX_COPIES} copies")
        if self.types is not None and not self.types:
            raise ValueError("an issuer that may sign no type signs nothing: name its types, or None")
        if (self.status_signer is None) != (not self.status_chain):
            raise ValueError("a status signer and its certificate chain go together")

    def list_uri(self, number: int) -> str:
        """Where status list ``number`` is."""
        return f"{self.status_uri or f'{self.id}/status/'}{number}"


class CertifiedSigner:
    """A key and its chain, checked to belong together, and when they may be used."""

    __slots__ = ("_what", "chain", "key", "not_after", "not_before", "signer")

    def __init__(self, signer: Signer, chain: str | Path | Sequence[bytes], *, id: str, purpose: Purpose) -> None:  # noqa: A002 - the issuer's id, as everywhere
        """Raises ``SigningError`` when the chain cannot be read, or is not of this key, id and purpose."""
        self._what = f"the {'document' if purpose.value == 'issuer' else purpose.value} signer's certificate"
        self.signer = signer
        self.chain = read_pem_chain(chain) if isinstance(chain, (str, Path)) else tuple(chain)
        certificates = self._certificates(purpose)
        leaf = certificates[0]
        self.key = leaf.key
        if leaf.key != signer.public_key:
            raise SigningError(f"the signer's key is not the one in {self._what}")
        if leaf.uris != (id,):
            raise SigningError(f"{self._what} does not name this issuer")
        self.not_before = max(one.not_before for one in certificates)
        self.not_after = min(one.not_after for one in certificates)

    def check(self, *, at: dt.datetime, expires_at: int | None = None) -> None:
        """Whether a list, or a credential that ends at ``expires_at``, may be signed at ``at``.

        Raises ``SigningError`` when the chain is not valid at ``at`` (threats OP-03), or ends before the credential
        does (VC-14).
        """
        if not self.not_before <= int(at.timestamp()) <= self.not_after:
            raise SigningError(f"{self._what} is not valid now")
        if expires_at is not None and expires_at > self.not_after:
            raise SigningError(f"{self._what} ends before the credential would")

    def _certificates(self, purpose: Purpose) -> list[Certificate]:
        from vcred.trust.x509 import check_leaf, read_certificate  # noqa: PLC0415 - X.509 loads with an issuer

        if not self.chain:
            raise SigningError(f"{self._what} is missing: a chain in PEM or DER")
        try:
            certificates = [read_certificate(der, f"chain[{index}]") for index, der in enumerate(self.chain)]
            check_leaf(certificates[0], purpose=purpose, path="chain[0]")
        except RefusedError as error:
            raise SigningError(f"{self._what} cannot be used: {error}") from error
        return certificates
