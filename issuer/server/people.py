"""Who in the registry somebody is whose card was accepted: by a claim, a function of the agency's, or the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from issuer.records import claim_text
from issuer.sources.opening import PYTHON, called
from vcred.claims import ClaimPath
from vcred.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from issuer.server.login_settings import IdLoginSettings
    from vcred.policy import VerificationPolicy

__all__ = ["finder"]

_MAX_SUBJECT: Final = 256


def finder(
    settings: IdLoginSettings, sources: Mapping[str, Any], policy: VerificationPolicy
) -> Callable[[str, Mapping[str, Any]], str | None]:
    """A function of type and claims that gives the registry's key, or ``None`` for nobody. Raises ``SettingsError``."""
    found: Callable[[str, Mapping[str, Any]], Any]
    if settings.subject is not None:
        _check_asked(settings.subject, policy)
        path = ClaimPath.parse(settings.subject)
        found = lambda _, claims: claim_text(claims, path)  # noqa: E731 - two lines for a name
    elif settings.lookup is not None:
        if not settings.lookup.startswith(PYTHON):
            raise SettingsError("id_login.lookup: is python:package.module:callable")
        found = called(settings.lookup.removeprefix(PYTHON))
    elif "identify" in sources:
        found = sources["identify"]
    else:
        raise SettingsError("id_login: say by subject or lookup who somebody is: the registry does not")

    def find(code: str, claims: Mapping[str, Any]) -> str | None:
        subject = found(code, claims)
        return subject if isinstance(subject, str) and 0 < len(subject) <= _MAX_SUBJECT else None

    return find


def _check_asked(text: str, policy: VerificationPolicy) -> None:
    """Every card that is accepted has to show the claim that says who somebody is."""
    try:
        path = ClaimPath.parse(text)
    except ValueError as error:
        raise SettingsError(f"id_login.subject: {error}") from None
    for slot in policy.slots:
        for one in slot.any_of:
            if not any(asked.contains(path) for asked in one.claims):
                raise SettingsError(f"id_login.subject: {policy.id} does not ask {one.code} for {text}")
