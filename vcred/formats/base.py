"""What every credential format can do. Formats are passed in or looked up by id; nothing registers itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vcred.claims import ClaimPath
    from vcred.credential import Content, Opened, Prepared
    from vcred.keys import PublicKey, Signer

__all__ = ["CredentialFormat", "IssuerKey", "LabelMap", "Labels", "LocalSigning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMap:
    """Integer labels of one certificate type, nested like its claims: name -> (label, children or None).

    Arrays are transparent: the children of an array of objects are the members of its elements.
    """

    labels: Mapping[str, tuple[int, LabelMap | None]]
    names: Mapping[int, tuple[str, LabelMap | None]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = {label: (name, below) for name, (label, below) in self.labels.items()}
        if len(names) != len(self.labels):
            raise ValueError("a label is used twice")
        object.__setattr__(self, "names", names)


Labels = Callable[[str], LabelMap | None]
"""From a ``vct`` to its labels; ``None`` when the type is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerKey:
    """A document signer: public key, and its X.509 chain (DER, leaf first, without the root; may be empty).

    ``did_url`` is what JOSE headers call the key when the issuer is a DID; ``None``: by its own key id, as COSE always.
    """

    public_key: PublicKey
    chain: tuple[bytes, ...] = ()
    did_url: str | None = None


class CredentialFormat(Protocol):
    """One credential format. Stateless; every method is a pure function of its arguments (and fresh salts)."""

    @property
    def id(self) -> str:
        """The format identifier of OpenID4VCI, for example ``dc+sd-jwt``."""

    def prepare(self, content: Content, key: IssuerKey) -> Prepared:
        """Everything of an issue but the signature."""

    def issue(self, content: Content, key: IssuerKey, signer: Signer) -> bytes:
        """``prepare`` and ``complete`` with a local signer. Raises ``SigningError``."""

    def open(self, raw: bytes) -> Opened:
        """Parse strictly, match every disclosure with its digest. Raises ``MalformedError``; verifies nothing."""

    def verify_signature(self, opened: Opened, key: PublicKey) -> None:
        """Check the issuer's signature with ``key``, whoever's that is. Raises ``RefusedError``."""

    def verify_key_binding(self, opened: Opened) -> None:
        """Check the holder's signature with the key in the credential, and what it covers. Raises ``RefusedError``.

        Audience, nonce and time are the caller's to compare.
        """

    def prepare_presentation(
        self, opened: Opened, paths: Collection[ClaimPath], *, audience: str, nonce: bytes | None, issued_at: int
    ) -> Prepared:
        """A presentation of ``paths`` (each with all below it and the parents it needs), but for the signature.

        Empty ``paths`` discloses nothing that can be hidden. Raises ``ValueError`` for a path that selects nothing.
        """

    def present(
        self,
        opened: Opened,
        paths: Collection[ClaimPath],
        signer: Signer,
        *,
        audience: str,
        nonce: bytes | None,
        issued_at: int,
    ) -> bytes:
        """``prepare_presentation`` and ``complete`` with a local signer."""


class LocalSigning:
    """``issue`` and ``present`` for a format: what it prepares, signed by a key that is in this process."""

    __slots__ = ()

    def issue(self: CredentialFormat, content: Content, key: IssuerKey, signer: Signer) -> bytes:
        """``prepare`` and ``complete`` with a local signer. Raises ``SigningError``.

        Raises ``ValueError`` when ``signer`` is not the signer of ``key``, and as ``prepare`` does.
        """
        if signer.public_key != key.public_key:
            raise ValueError("the signer is not the one the issuer key describes")
        prepared = self.prepare(content, key)
        return prepared.complete(signer.sign(prepared.signing_input))

    def present(
        self: CredentialFormat,
        opened: Opened,
        paths: Collection[ClaimPath],
        signer: Signer,
        *,
        audience: str,
        nonce: bytes | None,
        issued_at: int,
    ) -> bytes:
        """``prepare_presentation`` and ``complete`` with a local signer. Raises ``SigningError``.

        Raises ``ValueError`` when ``signer`` is not the holder key of the credential, and as ``prepare_presentation``.
        """
        if signer.public_key != opened.holder_key:
            raise ValueError("the signer is not the holder key of the credential")
        prepared = self.prepare_presentation(opened, paths, audience=audience, nonce=nonce, issued_at=issued_at)
        return prepared.complete(signer.sign(prepared.signing_input))
