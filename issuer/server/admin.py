"""The admin interface: what was issued, revocation, the kill switch, applications, keys, the audit log.

Bearer tokens of the settings, each with the name of who has it; the name is in the audit log. Nothing here shows whom a
certificate is for.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import Body, Depends, FastAPI, Path, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from issuer.database import StateError
from issuer.server.credentials import desks_of
from issuer.server.offers import Grant, Scheme
from issuer.server.parts import parts_of
from issuer.status_store import Selection
from vcred.serving import ProtocolError, problem

if TYPE_CHECKING:
    from starlette.responses import Response

    from issuer.server.applications import Application
    from issuer.server.parts import Parts

__all__ = ["add"]

_TAGS: Final[list[Any]] = ["admin"]
StateName = Literal["valid", "revoked", "suspended"]
_STATES: Final[tuple[StateName, ...]] = ("valid", "revoked", "suspended")

Text = Annotated[str, Field(min_length=1, max_length=256)]
Why = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_. -]{0,39}$")]
Number = Annotated[int, Query(ge=1, le=1000)]
Id = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9-]+$")]


class _Order(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class OfferOrder(_Order):
    """An offer to somebody whose identity the agency has checked itself."""

    code: Text
    subject: Text
    variant: Text | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    formats: Annotated[list[Text], Field(min_length=1, max_length=16)] | None = None
    grant: Grant = "pre-authorized"
    tx_code: bool | None = None
    deferred_until: AwareDatetime | None = None
    by_reference: bool = True
    scheme: Scheme = "openid-credential-offer"


class Offered(BaseModel):
    """``uri`` and ``qr`` are for the wallet; ``tx_code`` goes to the applicant another way."""

    application_id: str
    uri: str
    offer: dict[str, Any]
    qr: str
    tx_code: str | None
    expires_at: int


class Reason(_Order):
    """A few ASCII words for the audit log; never personal data."""

    reason: Why


class BulkOrder(_Order):
    """Everything that fits all that is said, and something must be. ``trial`` only counts."""

    reason: Why
    code: Text | None = None
    signer: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    issued_from: AwareDatetime | None = None
    issued_until: AwareDatetime | None = None
    trial: bool = False


class Revoked(BaseModel):
    """How many."""

    credentials: int
    copies: int


class Issued(BaseModel):
    """An issued certificate, without its subject."""

    id: str
    code: str
    made_at: int
    state: StateName


class Applied(BaseModel):
    """An application, without its subject. ``ready_at`` is ``null`` while it waits for a decision, ``purpose`` where
    nobody asked the applicant.
    """

    id: str
    code: str
    variant: str | None
    configuration_ids: list[str]
    applied_at: int
    ready_at: int | None
    state: Literal["open", "issued", "denied", "withdrawn"]
    purpose: str | None


class Withdrawal(_Order):
    """``revoke``: what was issued as well."""

    revoke: bool


class AuditLine(BaseModel):
    """``subject_hash`` and ``hash`` in hex."""

    seq: int
    at: int
    event: str
    code: str | None
    subject_hash: str | None
    credential: str | None
    note: str | None
    hash: str


def operator_of(request: Request) -> str:
    """Who asks: the name of the token. Raises ``ProtocolError`` with 401."""
    lines = request.headers.getlist("authorization")
    scheme, _, token = (lines[0] if len(lines) == 1 else "").partition(" ")
    given, found = _digest(token.strip()), ""
    for name, secret in parts_of(request).settings.admin_tokens.items():
        # Every token is compared, each in the same time: how long it took says nothing.
        if hmac.compare_digest(given, _digest(secret.get_secret_value())):
            found = name
    if not found or scheme.lower() != "bearer":
        challenge = {"WWW-Authenticate": 'Bearer realm="admin"'}
        raise ProtocolError("invalid_token", "an admin token is needed", status=401, headers=challenge)
    return found


Operator = Annotated[str, Depends(operator_of)]


def add(app: FastAPI, parts: Parts) -> None:
    """Put the routes into ``app``."""
    app.add_exception_handler(StateError, _wrong_state)
    _add_offers(app, parts)
    _add_status(app, parts)
    _add_applications(app, parts)
    _add_operation(app, parts)


def _add_offers(app: FastAPI, parts: Parts) -> None:
    @app.post(
        f"{parts.settings.path}/admin/offers",
        status_code=201,
        tags=_TAGS,
        operation_id="make_offer",
        responses={
            401: {"description": "An admin token is needed."},
            409: {"description": "The registry has nothing that may be certified."},
            422: {"description": "The order is wrong."},
        },
        response_model=Offered,
    )
    def make_offer(request: Request, order: OfferOrder, by: Operator) -> Any:
        """Offer a certificate to a subject of the registry."""
        at = parts.clock()
        try:
            made = desks_of(request.app).offers.make(
                code=order.code,
                subject=order.subject,
                variant=order.variant,
                options=order.options,
                formats=order.formats,
                grant=order.grant,
                tx_code=order.tx_code,
                deferred_until=order.deferred_until,
                by_reference=order.by_reference,
                scheme=order.scheme,
                at=at,
            )
        except ValueError as error:
            return problem(request, 422, "the order is wrong", detail=str(error))
        parts.store.transact(
            lambda: parts.store.log(int(at.timestamp()), "offer made", note=f"{made.application_id} by {by}")
        )
        return Offered(
            application_id=made.application_id,
            uri=made.uri,
            offer=made.offer.to_json(),
            qr=made.qr(),
            tx_code=made.tx_code,
            expires_at=made.expires_at,
        )


def _add_status(app: FastAPI, parts: Parts) -> None:
    base, issuer = f"{parts.settings.path}/admin", parts.issuer

    @app.get(f"{base}/issued", tags=_TAGS, operation_id="issued")
    def issued(by: Operator, limit: Number = 100) -> list[Issued]:
        """The newest certificates, oldest first."""
        del by
        return [
            Issued(id=row.id, code=row.code, made_at=row.made_at, state=_STATES[row.state])
            for row in parts.store.issued(limit)
        ]

    @app.post(f"{base}/credentials/{{credential_id}}/revoke", status_code=204, tags=_TAGS, operation_id="revoke")
    def revoke(credential_id: Id, why: Reason, by: Operator) -> None:
        """Revoke every copy of a certificate, for ever."""
        issuer.revoke(credential_id, reason=_note(by, why.reason), at=parts.clock())

    @app.post(f"{base}/credentials/{{credential_id}}/suspend", status_code=204, tags=_TAGS, operation_id="suspend")
    def suspend(credential_id: Id, why: Reason, by: Operator) -> None:
        """Suspend every copy of a certificate."""
        issuer.suspend(credential_id, reason=_note(by, why.reason), at=parts.clock())

    @app.post(f"{base}/credentials/{{credential_id}}/reinstate", status_code=204, tags=_TAGS, operation_id="reinstate")
    def reinstate(credential_id: Id, why: Reason, by: Operator) -> None:
        """End a suspension."""
        issuer.reinstate(credential_id, reason=_note(by, why.reason), at=parts.clock())

    @app.post(f"{base}/revoke", tags=_TAGS, operation_id="revoke_in_bulk", response_model=Revoked)
    def revoke_in_bulk(request: Request, order: BulkOrder, by: Operator) -> Any:
        """Revoke everything that fits, at one stroke."""
        try:
            which = Selection(
                code=order.code,
                signer=None if order.signer is None else bytes.fromhex(order.signer),
                issued_from=order.issued_from,
                issued_until=order.issued_until,
            )
        except ValueError as error:
            return problem(request, 422, "the order is wrong", detail=str(error))
        if order.trial:
            found = issuer.count_all(which)
        else:
            found = issuer.revoke_all(which, reason=_note(by, order.reason), at=parts.clock())
        return Revoked(credentials=found[0], copies=found[1])


def _add_applications(app: FastAPI, parts: Parts) -> None:
    base, applications = f"{parts.settings.path}/admin/applications", parts.applications

    @app.get(base, tags=_TAGS, operation_id="applications")
    def listed(
        by: Operator,
        state: Literal["open", "issued", "denied", "withdrawn"] | None = None,
        limit: Number = 100,
    ) -> list[Applied]:
        """The newest applications."""
        del by
        return [_applied(one) for one in applications.newest(state, limit=limit)]

    @app.post(f"{base}/{{application_id}}/approve", status_code=204, tags=_TAGS, operation_id="approve")
    def approve(application_id: Id, by: Operator) -> None:
        """What waits can be issued from now on."""
        applications.approve(application_id, by=by, at=parts.clock())

    @app.post(f"{base}/{{application_id}}/deny", status_code=204, tags=_TAGS, operation_id="deny")
    def deny(application_id: Id, by: Operator) -> None:
        """It is not issued; the wallet hears so."""
        applications.deny(application_id, by=by, at=parts.clock())

    @app.post(f"{base}/{{application_id}}/withdraw", status_code=204, tags=_TAGS, operation_id="withdraw")
    def withdraw(application_id: Id, order: Withdrawal, by: Operator) -> None:
        """Nothing more is issued for it, and its tokens count no more."""
        applications.withdraw(application_id, by=by, revoke=order.revoke, at=parts.clock())


def _add_operation(app: FastAPI, parts: Parts) -> None:
    base, issuer, store = f"{parts.settings.path}/admin", parts.issuer, parts.store

    @app.post(f"{base}/stop", status_code=204, tags=_TAGS, operation_id="stop")
    def stop(why: Reason, by: Operator) -> None:
        """The kill switch: nothing is delivered any more, in any process on this database."""
        issuer.stop(reason=_note(by, why.reason), at=parts.clock())

    @app.post(f"{base}/start", status_code=204, tags=_TAGS, operation_id="start")
    def start(by: Operator) -> None:
        """Sign again."""
        at = parts.clock()

        def work() -> None:
            issuer.start(at=at)
            store.log(int(at.timestamp()), "start ordered", note=f"by {by}")

        store.transact(work)

    @app.post(f"{base}/signer/give-up", status_code=204, tags=_TAGS, operation_id="give_up_signer")
    def give_up(by: Operator, why: Reason, signer: Annotated[str, Body(pattern=r"^[0-9a-f]{16}$")]) -> None:
        """Sign nothing with this key any more, for good: it leaked, or may have."""
        issuer.give_up_signer(bytes.fromhex(signer), reason=_note(by, why.reason), at=parts.clock())

    @app.get(f"{base}/condition", tags=_TAGS, operation_id="condition")
    def condition(by: Operator) -> dict[str, Any]:
        """The signer, whether signing is stopped and why, what waits, and what an operator should put right."""
        del by
        kid = issuer.profile.signer.public_key.kid
        return {
            "signer": kid.hex(),
            "stopped": store.hindrance(kid),
            "waiting": parts.applications.waiting(),
            "findings": issuer.lint(at=parts.clock()),
        }

    @app.post(f"{base}/encryption/rotate", tags=_TAGS, operation_id="rotate_encryption")
    def rotate(request: Request, by: Operator) -> dict[str, str]:
        """Publish another key for encrypted requests."""
        desks, at = desks_of(request.app), parts.clock()
        kid = desks.encryption.rotate(at=at)
        desks.metadata.forget()
        store.transact(lambda: store.log(int(at.timestamp()), "encryption key made", note=f"{kid} by {by}"))
        return {"kid": kid}

    @app.get(f"{base}/audit", tags=_TAGS, operation_id="audit")
    def audit(by: Operator, limit: Number = 100) -> list[AuditLine]:
        """The last lines of the audit log, oldest first; 503 when it was tampered with anywhere."""
        del by
        return [AuditLine(**{name: _hex(value) for name, value in line.items()}) for line in store.audit()[-limit:]]


def _note(by: str, reason: str) -> str:
    return f"{by}. {reason}"


def _applied(one: Application) -> Applied:
    return Applied(
        id=one.id,
        code=one.code,
        variant=one.variant,
        configuration_ids=list(one.configuration_ids),
        applied_at=one.applied_at,
        ready_at=one.ready_at,
        state=one.state,
        purpose=one.purpose,
    )


def _hex(value: Any) -> Any:
    return bytes(value).hex() if isinstance(value, (bytes, memoryview)) else value


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


async def _wrong_state(request: Request, error: Exception) -> Response:
    return problem(request, 409, str(error))
