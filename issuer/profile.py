"""Who an issuer is: its identifier, its document signer with the certificate chain, what it may issue and how."""

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
    from vcred.trust.x509 import Certificate

__all__ = ["DocumentSigner", "IssuerProfile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerProfile:
    """Who issues: id, document signer and its certificate chain (leaf first, without the root; a PEM file or DER).

    There is no key to fall back to. ``status_uri`` is the prefix of the status lists, by default ``<id>/status/``.
    A holder gets ``copies`` one-time copies of every certificate at most in every one of ``formats``, each with a key
    and a status index of its own. ``types``: the codes it may sign; ``None`` leaves that to the trust bundle, by
    which verifiers go in any case.
    """

    id: str
    signer: Signer = field(repr=False)
    chain: str | Path | Sequence[bytes] = field(repr=False)
    formats: tuple[str, ...] = ("dc+sd-jwt", "sd-cwt")
    copies: int = 5
    status_uri: str = ""
    types: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if not self.formats or len(set(self.formats)) != len(self.formats):
            raise ValueError("an issuer has at least one format, each once")
        if not 1 <= self.copies <= MAX_COPIES:
            raise ValueError(f"an issuer makes 1 to {MAX_COPIES} copies")
        if self.types is not None and not self.types:
            raise ValueError("an issuer that may sign no type signs nothing: name its types, or None")

    def list_uri(self, number: int) -> str:
        """Where status list ``number`` is."""
        return f"{self.status_uri or f'{self.id}/status/'}{number}"


class DocumentSigner:
    """A profile's key and chain, checked to belong together, and when they may be used."""

    __slots__ = ("chain", "not_after", "not_before")

    def __init__(self, profile: IssuerProfile) -> None:
        """Raises ``SigningError`` when the chain cannot be read, or is not of this key, id and purpose."""
        source = profile.chain
        self.chain = read_pem_chain(source) if isinstance(source, (str, Path)) else tuple(source)
        certificates = _certificates(self.chain)
        leaf = certificates[0]
        if leaf.key != profile.signer.public_key:
            raise SigningError("the signer's key is not the one in its certificate")
        if leaf.uris != (profile.id,):
            raise SigningError("the document signer's certificate does not name this issuer")
        self.not_before = max(one.not_before for one in certificates)
        self.not_after = min(one.not_after for one in certificates)

    def check(self, *, expires_at: int, at: dt.datetime) -> None:
        """Whether a credential that ends at ``expires_at`` may be signed at ``at``.

        Raises ``SigningError`` when the chain is not valid at ``at`` (threats OP-03), or ends before the credential
        does (VC-14).
        """
        if not self.not_before <= int(at.timestamp()) <= self.not_after:
            raise SigningError("the document signer's certificate is not valid now")
        if expires_at > self.not_after:
            raise SigningError("the document signer's certificate ends before the credential would")


def _certificates(chain: tuple[bytes, ...]) -> list[Certificate]:
    from vcred.trust.x509 import Purpose, check_leaf, read_certificate  # noqa: PLC0415 - X.509 loads with an issuer

    if not chain:
        raise SigningError("a document signer has a certificate, in PEM or DER")
    try:
        certificates = [read_certificate(der, f"chain[{index}]") for index, der in enumerate(chain)]
        check_leaf(certificates[0], purpose=Purpose.ISSUER, path="chain[0]")
    except RefusedError as error:
        raise SigningError(f"the document signer's certificate cannot be used: {error}") from error
    return certificates
