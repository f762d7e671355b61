"""The OpenAPI document of a service says of every operation how it refuses: as ``problems`` and ``ProtocolError`` do.

FastAPI's own description of a request that does not fit (422) is of another shape than what we answer, so it goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["describe_problems"]

_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "Problem details (RFC 9457). `code` is a reason code or the name of one of our errors.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "path": {"type": "string"},
        "detail": {"type": "string"},
        "incident": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "problem"],
                "properties": {"path": {"type": "string"}, "problem": {"type": "string"}},
            },
        },
    },
}
_ERROR: Final[dict[str, Any]] = {
    "type": "object",
    "description": "An error object of OAuth 2.0, OpenID4VCI or OpenID4VP.",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
}
_CONTENT: Final[dict[str, Any]] = {
    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
    "application/json": {"schema": {"$ref": "#/components/schemas/ProtocolError"}},
}


def describe_problems(app: FastAPI) -> None:
    """Complete the document that ``app`` makes of itself."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= {"Problem": _PROBLEM, "ProtocolError": _ERROR}
    for path in document.get("paths", {}).values():
        for method, operation in path.items():
            if method in _METHODS:
                _complete(operation["responses"])
    return document


def _complete(responses: dict[str, Any]) -> None:
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for status, response in responses.items():
        if status.startswith("4") and not response.get("content"):
            response["content"] = _CONTENT
    responses.setdefault("default", {"description": "Refused.", "content": _CONTENT})
