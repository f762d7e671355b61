"""Clients that sign an assertion with a key of their own (``private_key_jwt``, RFC 7523 section 3).

The assertion is an ordinary JWT, by whatever algorithm the client's key is for: joserfc reads and verifies it. What it
must say is checked here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from vcred.errors import SettingsError
from vcred.formats._wire import epoch

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from joserfc.jwk import KeySet

__all__ = ["ASSERTION_ALGORITHMS", "ASSERTION_TYPE", "check_assertion", "read_client_keys"]

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_ALGORITHMS: Final = ("ES256", "ES384", "PS256", "EdDSA")
_LEEWAY: Final = 60
_LONGEST: Final = 3_600


def read_client_keys(jwks: Path) -> KeySet:
    """A client's keys. Read for every assertion, so that they can be changed. Raises ``SettingsError``."""
    from joserfc.errors import JoseError  # noqa: PLC0415 - few clients use it
    from joserfc.jwk import KeySet  # noqa: PLC0415 - as above

    try:
        return KeySet.import_key_set(json.loads(jwks.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, JoseError) as error:
        raise SettingsError(f"a client's JWK Set cannot be read: {type(error).__name__}") from None


def check_assertion(
    assertion: str, *, client_id: str, jwks: Path, audience: str, at: datetime
) -> tuple[str, int] | None:
    """``jti`` and end of an assertion that holds, ``None`` for one that does not. Raises ``SettingsError``."""
    from joserfc import jwt  # noqa: PLC0415 - few clients use it
    from joserfc.errors import JoseError  # noqa: PLC0415 - as above

    keys = read_client_keys(jwks)
    now = epoch(at)
    try:
        token = jwt.decode(assertion, keys, algorithms=list(ASSERTION_ALGORITHMS))
        jwt.JWTClaimsRegistry(
            now=now,
            leeway=_LEEWAY,
            iss={"essential": True, "value": client_id},
            sub={"essential": True, "value": client_id},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            jti={"essential": True},
        ).validate(token.claims)
    # Besides its own errors, what it makes of values of the wrong type.
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    jti, expires_at = token.claims["jti"], token.claims["exp"]
    if (
        not isinstance(jti, str)
        or not 0 < len(jti) <= 256
        or type(expires_at) is not int
        or expires_at > now + _LONGEST
    ):
        return None
    return jti, expires_at + _LEEWAY
