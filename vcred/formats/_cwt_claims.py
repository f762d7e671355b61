"""The registered claims of a CWT that is a certificate: written, and read strictly.

They stand beside one private-use claim, ``CERTIFICATE_CLAIMS``, that holds the certificate's own claims, so that a
label of a certificate type can never be taken for a registered one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vcred.credential import StatusReference, token_status
from vcred.errors import MalformedError
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vcred.credential import Content
    from vcred.formats.base import LabelMap, Labels

__all__ = ["CERTIFICATE_CLAIMS", "REGISTERED", "labels_for", "read_registered", "time_claim", "write_registered"]

CERTIFICATE_CLAIMS: Final = -65537
"""The private-use claim key (RFC 8392 section 9.1) under which a certificate's own claims stand."""

_ISS, _AUD, _EXP, _NBF, _IAT, _CNF, _VCT, _STATUS = 1, 3, 4, 5, 6, 8, 11, 65535
REGISTERED: Final = frozenset({_ISS, _EXP, _NBF, _IAT, _CNF, _VCT, _STATUS, CERTIFICATE_CLAIMS})
"""What ``read_registered`` and the certificate take. Other claims are read over."""

_COSE_KEY: Final = 1
_KEY_VALUES: Final = frozenset({int, str, bytes})
_LAST_SECOND: Final = 253402300799
_MAX_INDEX: Final = 2**32 - 1
_MAX_TEXT: Final = 2048


def write_registered(content: Content) -> dict[int, Any]:
    """The registered claims of ``content``. Raises ``ValueError`` for times no verifier would accept."""
    if not content.issuer or not content.vct:
        raise ValueError("a credential names its issuer and its type")
    if not 0 <= content.issued_at < content.expires_at <= _LAST_SECOND:
        raise ValueError("a credential expires after it is issued")
    if content.not_before is not None and not 0 <= content.not_before <= content.issued_at:
        raise ValueError("not_before is not after issued_at in a CWT")
    claims: dict[int, Any] = {_ISS: content.issuer, _EXP: content.expires_at, _IAT: content.issued_at}
    if content.not_before is not None:
        claims[_NBF] = content.not_before
    if content.holder_key is not None:
        claims[_CNF] = {_COSE_KEY: content.holder_key.to_cose()}
    claims[_VCT] = content.vct
    if (status := token_status(content.status)) is not None:
        claims[_STATUS] = {"status_list": {"idx": status.index, "uri": status.uri}}
    return claims


def read_registered(payload: Mapping[Any, Any], path: str = "payload") -> dict[str, Any]:
    """The registered claims by the names ``Opened`` has for them, read from the signed ``payload``.

    Raises ``MalformedError`` with ``claim_type``, ``vct``, ``aud``, ``status_index``, ``status_list``, ``cnf``.
    """
    if not _is_text(payload.get(_ISS)):
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}[{_ISS}]", "iss is not text")
    if not _is_text(payload.get(_VCT)):
        raise MalformedError(ReasonCode.VCT, f"{path}[{_VCT}]", "vct is not text")
    if _AUD in payload:
        # A certificate is not for one verifier, and nobody downstream would compare it (draft section 9, step 8).
        raise MalformedError(ReasonCode.AUD, f"{path}[{_AUD}]", "a certificate with an audience")
    issued_at = time_claim(payload, _IAT, path)
    not_before = time_claim(payload, _NBF, path)
    expires_at = time_claim(payload, _EXP, path)
    # Draft section 9, step 3.
    if expires_at is not None and not max(issued_at or 0, not_before or 0) < expires_at:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}[{_EXP}]", "it expires before it begins")
    if issued_at is not None and (not_before or 0) > issued_at:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}[{_NBF}]", "nbf is after iat")
    return {
        "issuer": payload[_ISS],
        "vct": payload[_VCT],
        "issued_at": issued_at,
        "not_before": not_before,
        "expires_at": expires_at,
        "status": _status(payload[_STATUS], f"{path}[{_STATUS}]") if _STATUS in payload else None,
        "holder_key": _holder_key(payload[_CNF], f"{path}[{_CNF}]") if _CNF in payload else None,
    }


def time_claim(
    claims: Mapping[Any, Any], label: int, path: str, code: ReasonCode = ReasonCode.CLAIM_TYPE
) -> int | None:
    """A NumericDate, whole seconds only; ``None`` when absent. Raises ``MalformedError`` with ``code``."""
    if label not in claims:
        return None
    value = claims[label]
    if type(value) is not int or not 0 <= value <= _LAST_SECOND:
        raise MalformedError(code, f"{path}[{label}]", "not whole seconds between 1970 and 9999")
    return value


def labels_for(labels: Labels, vct: str, path: str = "payload") -> LabelMap:
    """The labels of a type that was received. Raises ``MalformedError`` with ``vct`` when it is unknown."""
    found = labels(vct)
    if found is None:
        raise MalformedError(ReasonCode.VCT, f"{path}[{_VCT}]", "an unknown certificate type")
    return found


def _is_text(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= _MAX_TEXT


def _status(value: Any, path: str) -> StatusReference:
    reference = value.get("status_list") if type(value) is dict and len(value) == 1 else None
    # Exactly these members: anything else could hide a digest, and we would not know what it means.
    if type(reference) is not dict or reference.keys() != {"idx", "uri"} or not _is_text(reference["uri"]):
        raise MalformedError(ReasonCode.STATUS_LIST, path, "not a status_list with idx and uri")
    index = reference["idx"]
    if type(index) is not int or not 0 <= index <= _MAX_INDEX:
        raise MalformedError(ReasonCode.STATUS_INDEX, path, "idx is not an index")
    return StatusReference(uri=reference["uri"], index=index)


def _holder_key(cnf: Any, path: str) -> PublicKey:
    if type(cnf) is not dict or cnf.keys() != {_COSE_KEY}:
        raise MalformedError(ReasonCode.CNF, path, "not exactly one COSE_Key")
    key = cnf[_COSE_KEY]
    if type(key) is not dict or not _KEY_VALUES.issuperset(map(type, key.values())):
        raise MalformedError(ReasonCode.CNF, f"{path}[1]", "not a COSE_Key of integers, text and byte strings")
    try:
        return PublicKey.from_cose(key, path=f"{path}[1]")
    except MalformedError as error:
        raise MalformedError(ReasonCode.CNF, error.path, error.detail) from None
