"""What the pages of a clerk have in common: who is signed in, the businesses, and the wish that a form is."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import Depends
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from vcred.formats.known import FORMATS
from vcred.serving import language_of
from verifier.server.errors import WishError
from verifier.server.models import Wish
from verifier.server.pages.room import clerk_of
from verifier.server.pages.sessions import Clerk
from verifier.server.pages.views import policy_view

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.requests import Request

    from verifier.server.trust import Standing

__all__ = ["SignedIn", "shown_policies", "shown_policy", "wish_of"]

SignedIn = Annotated[Clerk, Depends(clerk_of)]
"""Who is signed in; nobody else gets to the page."""


def shown_policy(now: Standing, policy: str, request: Request) -> dict[str, Any]:
    """One policy for a template. Raises ``HTTPException`` when there is none."""
    found = now.policies.get(policy)
    if found is None:
        raise HTTPException(404)
    return policy_view(found, now.trust.catalog, language_of(request), FORMATS)


def shown_policies(now: Standing, request: Request) -> list[dict[str, Any]]:
    """All of them, by id."""
    return [shown_policy(now, one, request) for one in sorted(now.policies)]


def wish_of(form: FormData, *, lang: str, **more: Any) -> Wish:
    """What a form asks for. Raises ``WishError``."""
    day, reference = form.get("reference_date"), str(form.get("reference", "")).strip()
    try:
        return Wish(
            policy=cast("str", form.get("policy", "")),
            formats=tuple(cast("list[str]", form.getlist("format"))),
            reference_date=dt.date.fromisoformat(str(day)) if day else None,
            reference=reference or None,
            lang="en" if lang == "en" else "ko",
            **more,
        )
    except ValidationError as error:
        raise WishError(".".join(map(str, error.errors()[0]["loc"])), "not as it has to be") from None
    except ValueError:
        raise WishError("reference_date", "not a date") from None
