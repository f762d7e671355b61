"""Sign a copy, then read it as a verifier would, before anybody gets it (threats OP-10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vcred.claims import SD
from vcred.errors import RefusedError, SigningError

if TYPE_CHECKING:
    from vcred.credential import Content, Opened
    from vcred.formats.base import CredentialFormat, IssuerKey
    from vcred.keys import Signer

__all__ = ["SelfCheckError", "issue_checked", "without_marks"]


class SelfCheckError(SigningError):
    """What was signed is not what should have been: signer, memory or code is broken. Nothing was issued."""


def issue_checked(form: CredentialFormat, content: Content, key: IssuerKey, signer: Signer) -> bytes:
    """``form.issue``, and the proof that it worked.

    Raises ``SelfCheckError``, and ``SigningError`` when the key does not sign.
    """
    raw = form.issue(content, key, signer)
    try:
        opened = form.open(raw)
        form.verify_signature(opened, key.public_key)
    except RefusedError as error:
        raise SelfCheckError(f"a certificate failed its own verification and was not issued: {error}") from error
    if not _says(opened, content):
        raise SelfCheckError("a certificate differs from its content and was not issued")
    return raw


def without_marks(node: Any) -> Any:
    """A claim tree without its ``SD`` marks: what a holder of everything reads."""
    if isinstance(node, SD):
        return without_marks(node.value)
    if isinstance(node, Mapping):
        return {name: without_marks(value) for name, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [without_marks(value) for value in node]
    return node


def _says(opened: Opened, content: Content) -> bool:
    told = (opened.vct, opened.issuer, opened.issued_at, opened.not_before, opened.expires_at, opened.status)
    meant = (
        content.vct,
        content.issuer,
        content.issued_at,
        content.not_before,
        content.expires_at,
        content.status,
    )
    return (
        told == meant
        and opened.holder_key == content.holder_key
        and not opened.hidden_elements
        and opened.claims == without_marks(content.claims)
    )
