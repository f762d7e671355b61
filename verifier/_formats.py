"""The formats this verifier reads, each with the catalogue of the trust bundle."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from vcred.errors import MalformedError, MissingExtraError, RefusedError
from vcred.formats.known import Formats
from vcred.formats.paper import PAPER_FORMAT, open_paper, verify_paper
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vcred.catalog import Catalog
    from vcred.credential import Opened
    from vcred.formats.base import CredentialFormat, Labels
    from vcred.formats.didkit import LdpVc
    from vcred.keys import PublicKey
    from vcred.presentation import PresentationRequest, Presented

__all__ = ["open_presented", "readers"]


def readers(catalog: Catalog) -> Mapping[str, CredentialFormat]:
    """By format id."""
    return Formats(catalog, {PAPER_FORMAT: lambda: _Paper(catalog.labels), "jwt_vc_json": _legacy, "ldp_vc": _linked})


def open_presented(
    form: CredentialFormat, presented: Presented, request: PresentationRequest | None, *, now: int
) -> Opened:
    """What was presented. Online an mdoc is a bare DeviceResponse, of the session that the request began.

    Raises ``MalformedError``.
    """
    if request is None or request.online is None or presented.format != "mso_mdoc":
        return form.open(presented.raw)
    from vcred.formats import mdoc  # noqa: PLC0415 - loaded with the first such presentation

    assert isinstance(form, mdoc.Mdoc)
    session = mdoc.Session(
        transcript=request.online.transcript(request.client_id),
        audience=request.audience,
        nonce=request.nonce,
        received_at=now,
    )
    documents = form.open_response(presented.raw, session)
    if len(documents) != 1:
        raise MalformedError(ReasonCode.FORMAT, "mdoc.documents", "not one document")
    return documents[0]


def _legacy() -> CredentialFormat:
    from vcred.formats.w3c_vc import JwtVcJson  # noqa: PLC0415 - loaded with the first such credential

    return JwtVcJson()


def _linked() -> CredentialFormat:
    from vcred.formats.didkit import LdpVc  # noqa: PLC0415 - as above

    return _Linked(LdpVc())


class _Linked:
    """``ldp_vc`` where didkit may not be installed: then a proof is not checked, and the verdict says so."""

    id = "ldp_vc"

    def __init__(self, form: LdpVc) -> None:
        self._form = form
        self.open = form.open

    def verify_signature(self, opened: Opened, key: PublicKey) -> None:
        with _installed():
            self._form.verify_signature(opened, key)

    def verify_key_binding(self, opened: Opened) -> None:
        with _installed():
            self._form.verify_key_binding(opened)

    def _no(self, *_: Any, **__: Any) -> NoReturn:
        raise ValueError("a verifier reads")

    prepare = issue = prepare_presentation = present = _no


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except MissingExtraError as error:
        raise RefusedError(ReasonCode.UNCHECKED, "proof", f"didkit is not installed: {error}") from None


class _Paper:
    """A sheet of paper as a format that can only be read."""

    id = PAPER_FORMAT

    def __init__(self, labels: Labels) -> None:
        self._labels = labels

    def open(self, raw: bytes) -> Opened:
        return open_paper(raw, self._labels)

    def verify_signature(self, opened: Opened, key: PublicKey) -> None:
        verify_paper(opened, key)

    def _no(self, *_: Any, **__: Any) -> NoReturn:
        raise ValueError("paper is issued and read, never presented by a wallet")

    verify_key_binding = prepare = issue = prepare_presentation = present = _no
