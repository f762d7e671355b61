"""The registered claims of an SD-JWT VC: read strictly, and never from where a holder could add or drop them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vcred.credential import StatusReference
from vcred.errors import MalformedError
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vcred.formats._paths import Parts

__all__ = ["MUST_BE_PLAIN", "REGISTERED", "Registered", "read_registered", "time_claim"]

MUST_BE_PLAIN = frozenset({"iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "aka_vcts", "status"})
"""Never in a disclosure, nor anything below them (SD-JWT VC section 3.2.2.2)."""

REGISTERED = MUST_BE_PLAIN | {"iat", "sub", "_sd_alg"}
"""What is not a claim of the certificate itself."""

_CONTAINERS = frozenset({dict, list})
_LAST_SECOND = 253402300799
_MAX_TEXT = 2048
_MAX_INDEX = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """The registered claims, by what they mean. ``issuer`` is empty when there is no ``iss``."""

    issuer: str
    vct: str
    issued_at: int | None
    not_before: int | None
    expires_at: int | None
    status: StatusReference | None
    holder_key: PublicKey | None = field(repr=False)


def read_registered(
    signed: Mapping[str, Any], revealed: Mapping[str, Any], disclosed: Mapping[Parts, Any]
) -> Registered:
    """Read them from the ``signed`` payload, and from ``revealed`` (the processed one) where that is allowed.

    ``disclosed`` names what came from disclosures. Raises ``MalformedError`` with ``must_be_plain``, ``claim_type``,
    ``vct``, ``status_index``, ``status_list`` or ``cnf``.
    """
    _check_plain(signed, disclosed)
    for name in ("iss", "sub"):
        if name in revealed and not _is_text(revealed[name]):
            raise MalformedError(ReasonCode.CLAIM_TYPE, f"payload.{name}", "not text")
    return Registered(
        issuer=signed.get("iss", ""),
        vct=_vct(signed),
        issued_at=time_claim(revealed, "iat"),
        not_before=time_claim(signed, "nbf"),
        expires_at=time_claim(signed, "exp"),
        status=_status(signed["status"]) if "status" in signed else None,
        holder_key=_holder_key(signed["cnf"]) if "cnf" in signed else None,
    )


def time_claim(claims: Mapping[str, Any], name: str) -> int | None:
    """A NumericDate, whole seconds only. Raises ``MalformedError`` with ``claim_type``."""
    if name not in claims:
        return None
    value = claims[name]
    if type(value) is not int or not 0 <= value <= _LAST_SECOND:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"payload.{name}", "not whole seconds between 1970 and 9999")
    return value


def _is_text(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= _MAX_TEXT


def _check_plain(signed: Mapping[str, Any], disclosed: Mapping[Parts, Any]) -> None:
    for parts in disclosed:
        if parts[0] in MUST_BE_PLAIN:
            raise MalformedError(ReasonCode.MUST_BE_PLAIN, f"payload.{parts[0]}", "it came from a disclosure")
    # A digest in there that nothing was disclosed for would be a withheld part, or a decoy that has no use.
    for name in ("cnf", "status", "aka_vcts"):
        if name in signed and _hides(signed[name]):
            raise MalformedError(ReasonCode.MUST_BE_PLAIN, f"payload.{name}", "it holds digests")


def _hides(value: Any) -> bool:
    if type(value) is dict:
        if "_sd" in value or "..." in value:
            return True
        value = value.values()
    elif type(value) is not list:
        return False
    return any(type(member) in _CONTAINERS and _hides(member) for member in value)


def _vct(signed: Mapping[str, Any]) -> str:
    vct = signed.get("vct")
    if not _is_text(vct):
        raise MalformedError(ReasonCode.VCT, "payload.vct", "not text")
    if "aka_vcts" in signed:
        others = signed["aka_vcts"]
        if type(others) is not list or not others or not all(map(_is_text, others)) or vct in others:
            raise MalformedError(ReasonCode.VCT, "payload.aka_vcts", "not a list of other types")
    if "vct#integrity" in signed and not _is_text(signed["vct#integrity"]):
        raise MalformedError(ReasonCode.METADATA, "payload.vct#integrity", "not text")
    return str(vct)


def _status(value: Any) -> StatusReference:
    reference = value.get("status_list") if type(value) is dict else None
    if type(reference) is not dict or not _is_text(reference.get("uri")):
        raise MalformedError(ReasonCode.STATUS_LIST, "payload.status", "no status_list with a uri")
    index = reference.get("idx")
    if type(index) is not int or not 0 <= index <= _MAX_INDEX:
        raise MalformedError(ReasonCode.STATUS_INDEX, "payload.status.status_list.idx", "not an index")
    return StatusReference(uri=reference["uri"], index=index)


def _holder_key(cnf: Any) -> PublicKey:
    if type(cnf) is not dict or cnf.keys() != {"jwk"}:
        raise MalformedError(ReasonCode.CNF, "payload.cnf", "not exactly one jwk")
    try:
        return PublicKey.from_jwk(cnf["jwk"], path="payload.cnf.jwk")
    except MalformedError as error:
        raise MalformedError(ReasonCode.CNF, error.path, error.detail) from None
