"""What callers of the API send and get, as typed models: the interface description is made from them."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Carried",
    "Created",
    "Onward",
    "PageAnswer",
    "PageProtocol",
    "PageRequest",
    "Refusal",
    "Step",
    "Submission",
    "SubmissionChange",
    "View",
    "Wish",
]

Text = Annotated[str, Field(min_length=1, max_length=2048)]


class _Sent(BaseModel):
    """What a caller sends: a member that nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Submission(StrEnum):
    """The life of a submission after the verdict: 제출, 수취확인, 반려, 취소, 삭제."""

    SUBMITTED = "submitted"
    RECEIVED = "received"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"
    DELETED = "deleted"


class Wish(_Sent):
    """What to ask for, and how. ``same_device`` needs a ``redirect``, and the ``dc_api`` modes an ``origin``."""

    policy: Text
    """The id of a preset, of a policy of the trust bundle, or of a file that the settings name."""
    mode: Literal["direct_post", "direct_post.jwt", "dc_api", "dc_api.jwt"] = "direct_post.jwt"
    device: Literal["same_device", "cross_device"] | None = None
    """Required for ``direct_post``: where the person's wallet is, seen from the page that asks."""
    redirect: Text | None = None
    webhook: Text | None = None
    origin: Text | None = None
    reference_date: dt.date | None = None
    formats: Annotated[tuple[Text, ...], Field(max_length=8)] = ()
    reference: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The caller's own case number; the receipt has it."""
    transaction_data: Annotated[
        tuple[dict[Text, Annotated[str, Field(max_length=4096)]], ...], Field(max_length=8)
    ] = ()
    lang: Literal["ko", "en"] | None = None


class Created(BaseModel):
    """A request that waits for a wallet. ``id`` is the caller's secret: it is not in any link."""

    id: str
    state: str
    expires_at: dt.datetime
    link: str | None
    """For the wallet that is called the usual way; ``links`` has one for each way."""
    links: list[str]
    qr: str | None
    """``link`` as a QR code, SVG."""
    request_uri: str | None


class Onward(BaseModel):
    """An answer was taken. Where the wallet sends the person, if anywhere."""

    redirect_uri: str | None = None


class Refusal(BaseModel):
    """An answer was not taken, or not accepted: reason codes say why."""

    error: str
    error_description: str | None = None
    reasons: list[str] | None = None
    state: str | None = None


class Carried(BaseModel):
    """The short code that the person carries to the page that asked."""

    code: str


PageProtocol = Literal["openid4vp-v1-signed", "openid4vp-v1-multisigned"]
"""Of requests through the Digital Credentials API: signed once, or under each of the reader's names."""


class PageRequest(BaseModel):
    """What a page gives to ``navigator.credentials.get`` as one of ``digital.requests``."""

    protocol: str
    data: dict[str, Any]


class PageAnswer(_Sent):
    """What the page got: ``DigitalCredential.protocol`` and ``.data``."""

    protocol: PageProtocol
    data: dict[str, Any]


class Step(BaseModel):
    """One step in the life of a submission."""

    at: dt.datetime
    state: Submission
    reason: str | None


class SubmissionChange(_Sent):
    """What becomes of a submission. A ``returned`` one says why."""

    state: Submission
    reason: Annotated[str, Field(min_length=1, max_length=500)] | None = None


class View(BaseModel):
    """A request and what became of it. ``result`` has the verdict, and the claims where it is ``ACCEPTED``.

    ``state`` is ``open``, ``answered``, ``declined`` (by the wallet, with its ``error``), ``cancelled``, ``closed``
    (after too many answers that proved nothing) or ``expired``.
    """

    id: str
    state: str
    policy: str
    mode: str
    device: str
    fetched: bool
    created_at: dt.datetime
    expires_at: dt.datetime
    answered_at: dt.datetime | None
    error: str | None
    outcome: str | None
    last_reasons: list[str]
    """Of the latest answer that proved nothing."""
    submission: Submission | None
    steps: list[Step]
    result: dict[str, Any] | None
