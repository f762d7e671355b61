"""The credential issuer's routes: metadata, offers, credentials, deferred ones, notifications, status lists.

They translate HTTP to ``MetadataDesk``, ``OfferDesk``, ``CredentialDesk`` and ``ListDesk``. What many wallets ask for
runs in the loop and waits there (``Greenlets``); the rest blocks, and runs in threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import FastAPI, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from issuer.server.accept import preferred
from issuer.server.encryption import Encryption
from issuer.server.figures import Figures
from issuer.server.issuing import CredentialDesk, IdempotencyConflictError
from issuer.server.lists import ListDesk
from issuer.server.metadata import MetadataDesk
from issuer.server.offers import OfferDesk
from issuer.server.parts import parts_of
from vcred.errors import SettingsError
from vcred.oauth import well_known
from vcred.serving import language_of, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from issuer.server.lists import Listed
    from issuer.server.parts import Parts

__all__ = ["Desks", "add", "desks_of"]

_TAGS: Final[list[Any]] = ["credential issuer"]
_NO_STORE: Final = {"Cache-Control": "no-store"}
_ANYBODY: Final = {"Access-Control-Allow-Origin": "*"}
_LANGUAGES: Final = {"ko": "ko-KR", "en": "en-US"}

Name = Annotated[str, Path(max_length=64)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desks:
    """What answers the routes of the credential part; the admin interface uses it as well."""

    encryption: Encryption
    figures: Figures
    metadata: MetadataDesk
    offers: OfferDesk
    credentials: CredentialDesk
    lists: ListDesk


def desks_of(app: FastAPI) -> Desks:
    """Those of a service."""
    found = app.state.desks
    assert isinstance(found, Desks)
    return found


def add(app: FastAPI, parts: Parts) -> None:
    """Put the routes into ``app``. Raises ``SettingsError``."""
    if parts.settings.require_key_attestation and not parts.key_attesters:
        raise SettingsError("require_key_attestation needs key_attesters: nobody could get anything")
    encryption = Encryption(parts.settings.encryption, parts.store, at=parts.clock())
    figures = Figures(parts.metrics, waiting=parts.applications.waiting)
    desks = Desks(
        encryption=encryption,
        figures=figures,
        metadata=MetadataDesk(parts, encryption),
        offers=OfferDesk(parts),
        credentials=CredentialDesk(parts, encryption, figures),
        lists=ListDesk(parts),
    )
    app.state.desks = desks
    app.add_exception_handler(IdempotencyConflictError, _conflict)
    _add_public(app, parts, desks)
    _add_protected(app, parts, desks.credentials)
    _add_lists(app, parts, desks.lists)


def _add_public(app: FastAPI, parts: Parts, desks: Desks) -> None:
    place = well_known(parts.settings.base_url, "openid-credential-issuer")
    place = place.removeprefix(parts.settings.base_url.removesuffix(parts.settings.path))
    offered = ("application/json", "application/jwt")

    @app.get(place, tags=_TAGS, operation_id="issuer_metadata", response_class=Response)
    async def issuer_metadata(request: Request) -> Response:
        """Credential issuer metadata, signed where ``Accept`` prefers ``application/jwt``."""
        # Nobody said a language: all of them. Whatever was said that we do not have: the default (threats CI-19).
        lang = language_of(request) if "accept-language" in request.headers else None
        accepted = preferred(request.headers.get("accept", ""), offered)
        signed = accepted == offered[1] and bool(parts.issuer.chain)
        raw = await run_in_threadpool(desks.metadata.document, lang, signed=signed, at=parts.clock())
        headers = {
            **_ANYBODY,
            "Cache-Control": "max-age=300",
            "Vary": "Accept, Accept-Language",
            "Content-Language": ", ".join(_LANGUAGES.values()) if lang is None else _LANGUAGES[lang],
        }
        return Response(raw, media_type=offered[signed], headers=headers)

    @app.get(f"{parts.settings.path}/offers/{{name}}", tags=_TAGS, operation_id="offer", response_class=Response)
    async def offer(name: Name) -> Response:
        """A credential offer by reference (OpenID4VCI 1.0 section 4.1.3)."""
        raw = await run_in_threadpool(desks.offers.fetch, name, at=parts.clock())
        return Response(raw, media_type="application/json", headers=_NO_STORE | _ANYBODY)


def _add_protected(app: FastAPI, parts: Parts, desk: CredentialDesk) -> None:
    path = parts.settings.path

    @app.post(
        f"{path}/credential",
        tags=_TAGS,
        operation_id="credential",
        response_class=Response,
        openapi_extra=_body(_CREDENTIAL_REQUEST),
        responses=_answers(202, 400, 401, 409, 503),
    )
    async def credential(request: Request) -> Response:
        """Certificates for keys that the request proves (OpenID4VCI 1.0 section 8)."""
        return await _work(request, desk.credential)

    @app.post(
        f"{path}/deferred",
        tags=_TAGS,
        operation_id="deferred_credential",
        response_class=Response,
        openapi_extra=_body(_DEFERRED_REQUEST),
        responses=_answers(202, 400, 401, 503),
    )
    async def deferred(request: Request) -> Response:
        """What could not be issued at once (section 9)."""
        return await _work(request, desk.deferred)

    @app.post(
        f"{path}/notification",
        status_code=204,
        tags=_TAGS,
        operation_id="notification",
        response_class=Response,
        openapi_extra=_body(_NOTIFICATION),
        responses=_answers(400, 401),
    )
    async def notification(request: Request) -> Response:
        """What became of a delivery in the wallet (section 11)."""
        return await _work(request, desk.notification)


def _add_lists(app: FastAPI, parts: Parts, desk: ListDesk) -> None:
    @app.get(f"{desk.path}{{name}}", tags=_TAGS, operation_id="status_list", response_class=Response)
    async def status_list(request: Request, name: Name) -> Response:
        """A status list: ``application/statuslist+jwt``, ``application/statuslist+cwt``, or a W3C bitstring."""
        accept = request.headers.get("accept", "")
        return _listed(await run_in_threadpool(desk.get, name, accept, at=parts.clock()))

    if desk.aggregation_path is not None:

        @app.get(desk.aggregation_path, tags=_TAGS, operation_id="status_lists", response_class=Response)
        async def status_lists() -> Response:
            """Where all status lists are."""
            return _listed(await run_in_threadpool(desk.aggregation))


async def _work(request: Request, work: Callable[[Request, bytes], Response]) -> Response:
    return await parts_of(request).greenlets.run(work, request, await request.body())


def _listed(found: Listed) -> Response:
    headers = {**_ANYBODY, "Cache-Control": f"max-age={found.seconds}", "Vary": "Accept"}
    return Response(found.body, media_type=found.type, headers=headers)


async def _conflict(request: Request, error: Exception) -> Response:
    del error
    return problem(request, 409, "this Idempotency-Key was used for another request")


_TEXT: Final = {"type": "string"}
_ENCRYPTION: Final = {
    "type": "object",
    "required": ["jwk", "enc"],
    "properties": {"jwk": {"type": "object"}, "enc": _TEXT, "zip": _TEXT},
}
_CREDENTIAL_REQUEST: Final = {
    "type": "object",
    "properties": {
        "credential_configuration_id": _TEXT,
        "credential_identifier": _TEXT,
        "proofs": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": {"type": "array", "minItems": 1, "items": _TEXT},
        },
        "credential_response_encryption": _ENCRYPTION,
    },
}
_DEFERRED_REQUEST: Final = {
    "type": "object",
    "required": ["transaction_id"],
    "properties": {"transaction_id": _TEXT, "credential_response_encryption": _ENCRYPTION},
}
_NOTIFICATION: Final = {
    "type": "object",
    "required": ["notification_id", "event"],
    "properties": {
        "notification_id": _TEXT,
        "event": {"enum": ["credential_accepted", "credential_failure", "credential_deleted"]},
        "event_description": _TEXT,
    },
}
_MEANINGS: Final = {
    202: "It takes time: ask the deferred endpoint with the transaction_id, not before the interval is over.",
    400: "An error object of OpenID4VCI.",
    401: "The access token or its proof is not accepted.",
    409: "This Idempotency-Key was used for another request.",
    503: "Nothing can be signed now: send the same request again later.",
}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": _MEANINGS[status]} for status in statuses}
