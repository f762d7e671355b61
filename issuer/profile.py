"""Who an issuer is: its identifier, its signers with their certificate chains, what it may issue and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from vcred.credential import BitstringReference, StatusReference
from vcred.errors import RefusedError, SigningError
from vcred.issuance import MAX_COPIES
from vcred.keys.pem import read_pem_chain

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from vcred.credential import Status
    from vcred.keys import PublicKey, Signer
    from vcred.trust.bare import BareKey
    from vcred.trust.profile import Purpose
    from vcred.trust.x509 import Certificate

__all__ = ["PURPOSES", "BareSigner", "CertifiedSigner", "IssuerProfile", "TimedSigner"]

PURPOSES: Final = ("revocation", "suspension")
"""Of W3C lists: the first for every entry, the second where a type can be suspended (a list of two bits)."""

_W3C: Final = frozenset({"vc+jwt", "vc+sd-jwt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerProfile:
    """Who issues: id, document signer and its certificate chain (leaf first, without the root; a PEM file or DER).

    There is no key to fall back to. A signer without a certificate has no ``chain`` but ``bare``: its entry in the
    trust bundle, which says from when to when it is valid. Post-quantum signers are such; they sign no status lists, so
    that ``status_signer`` is needed besides.

    ``status_uri`` is the prefix of the status lists, by default ``<id>/status/``. A holder gets ``copies`` one-time
    copies of every certificate at most in every one of ``formats``, each with a key and a status index of its own.
    ``types``: the codes it may sign; ``None`` leaves that to the trust bundle, by which verifiers go in any case.

    Status lists are signed with ``status_signer`` (its certificate, for that purpose, in ``status_chain``), so that
    they can be signed often while the document signer stays in its device; without one, with ``signer``.
    ``aggregation_uri`` is where the list of all lists is published; lists say so unless it is empty.

    ``w3c_status``: how ``vc+jwt`` and ``vc+sd-jwt`` name their status, as every other format does ("token": an entry of
    a Token Status List) or as W3C has it ("bitstring": entries of Bitstring Status Lists, at the URI of the list with
    ``-revocation`` and ``-suspension`` after it). The entries are the same.
    """

    id: str
    signer: Signer = field(repr=False)
    chain: str | Path | Sequence[bytes] = field(default=(), repr=False)
    bare: BareKey | None = None
    formats: tuple[str, ...] = ("dc+sd-jwt", "sd-cwt")
    copies: int = 5
    status_uri: str = ""
    types: frozenset[str] | None = None
    status_signer: Signer | None = field(default=None, repr=False)
    status_chain: str | Path | Sequence[bytes] = field(default=(), repr=False)
    aggregation_uri: str = ""
    w3c_status: Literal["token", "bitstring"] = "token"

    def __post_init__(self) -> None:
        if not self.formats or len(set(self.formats)) != len(self.formats):
            raise ValueError("an issuer has at least one format, each once")
        if not 1 <= self.copies <= MAX_COPIES:
            raise ValueError(f"an issuer makes 1 to {MAX_COPIES} copies")
        if self.types is not None and not self.types:
            raise ValueError("an issuer that may sign no type signs nothing: name its types, or None")
        if (self.status_signer is None) != (not self.status_chain):
            raise ValueError("a status signer and its certificate chain go together")
        if self.chain and self.bare is not None:
            raise ValueError("a signer has a certificate chain or, without one, its entry in the trust bundle")
        if self.bare is not None and self.bare.key.is_post_quantum and self.status_signer is None:
            raise ValueError("a post-quantum signer signs no status lists: name a status signer")
        if self.w3c_status not in ("token", "bitstring"):
            raise ValueError("W3C credentials name a token list or a bitstring")

    def list_uri(self, number: int) -> str:
        """Where status list ``number`` is."""
        return f"{self.status_uri or f'{self.id}/status/'}{number}"

    def bitstring_uri(self, number: int, purpose: str) -> str:
        """Where the entries of status list ``number`` are for W3C credentials, for one purpose."""
        return f"{self.list_uri(number)}-{purpose}"

    def names_bitstrings(self, name: str) -> bool:
        """Whether credentials in the format ``name`` name their status as W3C has it."""
        return self.w3c_status == "bitstring" and name in _W3C

    def status(self, name: str, number: int, index: int, *, suspendable: bool) -> Status:
        """What a credential in the format ``name`` says of its place: entry ``index`` of list ``number``."""
        if not self.names_bitstrings(name):
            return StatusReference(uri=self.list_uri(number), index=index)
        entries = tuple(
            BitstringReference(uri=self.bitstring_uri(number, purpose), index=index, purpose=purpose)
            for purpose in PURPOSES[: 1 + suspendable]
        )
        return entries if suspendable else entries[0]


class TimedSigner:
    """A key, what is known of it, and when it may be used. ``chain`` and ``did_url`` as in ``IssuerKey``."""

    __slots__ = ("_what", "chain", "did_url", "key", "not_after", "not_before", "signer")

    signer: Signer
    key: PublicKey
    chain: tuple[bytes, ...]
    did_url: str | None
    not_before: int
    not_after: int
    _what: str

    def check(self, *, at: dt.datetime, expires_at: int | None = None) -> None:
        """Whether a list, or a credential that ends at ``expires_at``, may be signed at ``at``.

        Raises ``SigningError`` when the chain or the key is not valid at ``at`` (threats OP-03), or ends before the
        credential does (VC-14).
        """
        if not self.not_before <= int(at.timestamp()) <= self.not_after:
            raise SigningError(f"{self._what} is not valid now")
        if expires_at is not None and expires_at > self.not_after:
            raise SigningError(f"{self._what} ends before the credential would")


class BareSigner(TimedSigner):
    """A document signer without a certificate, and its entry in the trust bundle, checked to belong together."""

    __slots__ = ()

    def __init__(self, signer: Signer, entry: BareKey, *, id: str) -> None:  # noqa: A002 - the issuer's id, as everywhere
        """Raises ``SigningError`` when the entry is not of this key and id."""
        from vcred.trust.did import is_method_of  # noqa: PLC0415 - loads with such an issuer

        self._what = "the document signer's entry in the trust bundle"
        if entry.key != signer.public_key:
            raise SigningError(f"the signer's key is not the one in {self._what}")
        named = is_method_of(entry.did_url, id) if entry.did_url is not None else not id.startswith("did:")
        if not named:
            raise SigningError(f"{self._what} has a DID URL of the issuer if, and only if, the issuer is a DID")
        self.signer, self.key, self.chain, self.did_url = signer, entry.key, (), entry.did_url
        self.not_before, self.not_after = entry.valid_from, entry.valid_until


class CertifiedSigner(TimedSigner):
    """A key and its chain, checked to belong together, and when they may be used."""

    __slots__ = ()

    def __init__(self, signer: Signer, chain: str | Path | Sequence[bytes], *, id: str, purpose: Purpose) -> None:  # noqa: A002 - the issuer's id, as everywhere
        """Raises ``SigningError`` when the chain cannot be read, or is not of this key, id and purpose."""
        self._what = f"the {'document' if purpose.value == 'issuer' else purpose.value} signer's certificate"
        self.signer, self.did_url = signer, None
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
