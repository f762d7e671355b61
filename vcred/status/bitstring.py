"""W3C Bitstring Status List v1.0: the other way to publish who was revoked, as a credential of its own.

Read and made in the one form that the W3C credentials of this SDK have: ``vc+jwt`` (VC-JOSE-COSE), a JWS over the
credential itself. Strictly, because a list that may be read in two ways is no list:

1. ``typ`` is ``vc+jwt``; there is no ``vc`` or ``vp`` claim; ``iss``, where there is one, is the ``issuer``.
2. The first ``@context`` is that of VCDM 2.0; ``type`` has VerifiableCredential and BitstringStatusListCredential.
3. ``id`` is the list's URI. The standard lets it be absent; offline, nothing else says which list this is.
4. ``validFrom`` is there, and not after ``iat``. The list is as old as its signature (``iat``), or as ``validFrom``
   without one; a list of no known age is not usable. It ends with ``validUntil`` or ``exp``, whichever is first.
5. ``encodedList`` is multibase base64url (``u``) of one gzip member of at least 131,072 bits, the first on the left.
6. One bit an entry: ``statusSize`` is absent or 1, and the purpose ``message``, which needs more, is refused. No rule
   of a verifier could act on a message, and what nobody understands must not read as "valid".

A list has one or several purposes, and an entry is looked up for one of them: set means revoked, or suspended.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from vcred.credential import BitstringReference
from vcred.errors import MalformedError
from vcred.formats._w3c_time import read_moment, stamp
from vcred.formats._wire import b64u_decode, b64u_encode, dump_json, epoch, parse_json
from vcred.reasons import ReasonCode
from vcred.status.list import StatusList
from vcred.status.token import MAX_TOKEN_BYTES, StatusToken, kid_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime, timedelta

    from vcred.formats._jose import Jws
    from vcred.keys import Signer

__all__ = [
    "MIN_ENTRIES",
    "REVOCATION",
    "SUSPENSION",
    "BitstringReference",
    "bitstring_references",
    "build_bitstring_token",
    "expand_bitstring",
    "read_bitstring",
]

MIN_ENTRIES = 131_072
"""So that many hide each other (section 6.1)."""

REVOCATION, SUSPENSION = "revocation", "suspension"

_PURPOSES = frozenset({REVOCATION, SUSPENSION})
_REFRESH = "refresh"
_CONTEXT = "https://www.w3.org/ns/credentials/v2"
_TYPES = ("VerifiableCredential", "BitstringStatusListCredential")
_MAX_ENTRIES_OF_ONE = 8
_MAX_TEXT = 2_048
_MAX_TIME = 253402300799
_INDEX = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def bitstring_references(value: Any, *, path: str = "credentialStatus") -> tuple[BitstringReference, ...]:
    """The entries to look up of a ``credentialStatus``; its entries for ``refresh`` take no validity and are left out.

    Raises ``MalformedError``: ``status_unknown`` for an entry of a type that nobody here can look up, ``status_index``
    for an index that is not a text of digits, ``status_list`` for a purpose or size that is not known here,
    ``claim_type`` for anything else that is not what it should be.
    """
    entries = value if isinstance(value, list) else [value]
    if not 1 <= len(entries) <= _MAX_ENTRIES_OF_ONE:
        raise MalformedError(ReasonCode.LIMIT, path, f"not 1 to {_MAX_ENTRIES_OF_ONE} entries")
    found = []
    for number, entry in enumerate(entries):
        where = f"{path}[{number}]" if isinstance(value, list) else path
        if not isinstance(entry, dict):
            raise MalformedError(ReasonCode.CLAIM_TYPE, where, "not an object")
        if entry.get("type") != "BitstringStatusListEntry":
            raise MalformedError(ReasonCode.STATUS_UNKNOWN, f"{where}.type", "not a BitstringStatusListEntry")
        purpose = _text(entry, "statusPurpose", where)
        if purpose == _REFRESH:
            continue
        if purpose not in _PURPOSES or not _one_bit(entry):
            raise MalformedError(ReasonCode.STATUS_LIST, f"{where}.statusPurpose", "only revocation and suspension")
        index = entry.get("statusListIndex")
        if not isinstance(index, str) or not _INDEX.fullmatch(index):
            raise MalformedError(ReasonCode.STATUS_INDEX, f"{where}.statusListIndex", "not a text of decimal digits")
        uri = _text(entry, "statusListCredential", where)
        found.append(BitstringReference(uri=uri, index=int(index), purpose=purpose))
    return tuple(found)


def expand_bitstring(text: Any, *, path: str = "encodedList") -> StatusList:
    """The list in an ``encodedList``, whatever its length (section 3.4).

    Raises ``MalformedError`` with ``claim_type``, ``encoding``, ``size`` or ``status_list``.
    """
    if not isinstance(text, str):
        raise MalformedError(ReasonCode.CLAIM_TYPE, path, "not a text")
    if not text.startswith("u"):
        raise MalformedError(ReasonCode.ENCODING, path, "not multibase base64url")
    return StatusList.from_bitstring(b64u_decode(text[1:], path), path=path)


def build_bitstring_token(
    *,
    uri: str,
    issuer: str,
    purposes: Collection[str],
    status_list: StatusList,
    signer: Signer,
    chain: tuple[bytes, ...] = (),
    issued_at: datetime,
    expires_at: datetime,
    ttl: timedelta | None,
) -> bytes:
    """A signed list. ``chain`` (leaf first, without the root) is for receivers whose bundle lacks the signer.

    Raises ``ValueError`` for times out of order, a purpose this SDK does not act on, a list that is too short or has
    more than one bit an entry; ``SigningError`` when the key does not sign.
    """
    from vcred.formats._jose import sign_jws, x5c_texts  # noqa: PLC0415 - loaded when a list is made

    issued, expires = epoch(issued_at), epoch(expires_at)
    if issued >= expires or (ttl is not None and ttl.total_seconds() < 1):
        raise ValueError("a list expires after it was issued, and its ttl is a second or more")
    if not purposes or not _PURPOSES.issuperset(purposes) or len(status_list) < MIN_ENTRIES:
        raise ValueError(f"a list is for revocation or suspension and has {MIN_ENTRIES} entries or more")
    names = sorted(purposes)
    subject: dict[str, Any] = {
        "id": f"{uri}#list",
        "type": "BitstringStatusList",
        "statusPurpose": names[0] if len(names) == 1 else names,
        "encodedList": "u" + b64u_encode(status_list.bitstring()),
    }
    if ttl is not None:
        subject["ttl"] = int(ttl.total_seconds() * 1000)
    body = {
        "@context": [_CONTEXT],
        "id": uri,
        "type": list(_TYPES),
        "issuer": issuer,
        "validFrom": stamp(issued),
        "validUntil": stamp(expires),
        "credentialSubject": subject,
        "iss": issuer,
        "iat": issued,
        "exp": expires,
    }
    header: dict[str, Any] = {"typ": "vc+jwt", "cty": "vc", "kid": b64u_encode(signer.public_key.kid)}
    if chain:
        header["x5c"] = x5c_texts(chain)
    return sign_jws(header, dump_json(body), signer)


def read_bitstring(jws: Jws, path: str) -> StatusToken:
    """The list in a JWS with the ``typ`` of a credential, by the rules above. ``parse_status_token`` calls it.

    Raises ``MalformedError``: ``typ`` for a credential that is no status list, ``claim_type`` for a wrong member,
    ``status_list`` for a list that cannot be, ``encoding`` and ``size`` for one that does not inflate within the limit.
    """
    from vcred.formats._jose import x5c_of  # noqa: PLC0415 - as above

    body = parse_json(jws.payload, f"{path}.payload", max_bytes=MAX_TOKEN_BYTES, max_depth=16)
    if not isinstance(body, dict) or "vc" in body or "vp" in body:
        raise MalformedError(ReasonCode.FORMAT, f"{path}.payload", "not a credential that is secured as it stands")
    issuer = _check_credential(body, path)
    issued_at, expires_at = _times(body, path)
    subject = body.get("credentialSubject")
    where = f"{path}.credentialSubject"
    if not isinstance(subject, dict) or subject.get("type") not in ("BitstringStatusList", ["BitstringStatusList"]):
        raise MalformedError(ReasonCode.STATUS_LIST, where, "not a BitstringStatusList")
    purposes = _purposes(subject, where)
    status_list = expand_bitstring(subject.get("encodedList"), path=f"{where}.encodedList")
    if len(status_list) < MIN_ENTRIES:
        raise MalformedError(ReasonCode.STATUS_LIST, f"{where}.encodedList", f"fewer than {MIN_ENTRIES} entries")
    return StatusToken(
        form="vc+jwt",
        uri=_text(body, "id", path),
        issued_at=issued_at,
        expires_at=expires_at,
        ttl=_seconds_to_live(subject, where),
        status_list=status_list,
        kid=kid_bytes(jws.header["kid"]) if "kid" in jws.header else None,
        x5c=x5c_of(jws.header, path),
        envelope=jws,
        purposes=purposes,
        issuer=issuer,
    )


def _check_credential(body: Mapping[str, Any], path: str) -> str:
    """Rules 1 to 3 but for ``id``; the issuer."""
    contexts = body.get("@context")
    if not isinstance(contexts, list) or not contexts or contexts[0] != _CONTEXT:
        raise MalformedError(ReasonCode.FORMAT, f"{path}.@context", "not a credential of VCDM 2.0")
    types = body.get("type")
    if not isinstance(types, list) or any(name not in types for name in _TYPES):
        raise MalformedError(ReasonCode.TYP, f"{path}.type", "a credential that is no status list")
    issuer = body.get("issuer")
    found = _text(issuer, "id", f"{path}.issuer") if isinstance(issuer, dict) else _text(body, "issuer", path)
    if body.get("iss", found) != found:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.iss", "another issuer than the credential's")
    return found


def _times(body: Mapping[str, Any], path: str) -> tuple[int, int | None]:
    """When the list was signed and when it ends."""
    start = read_moment(body, "validFrom", path)
    if start is None:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.validFrom", "not a time with its offset")
    signed = _number(body, "iat", path) if "iat" in body else start
    ends = [_number(body, "exp", path)] if "exp" in body else []
    until = read_moment(body, "validUntil", path)
    if until is not None:
        ends.append(until)
    end = min(ends, default=None)
    if start > signed or ("nbf" in body and _number(body, "nbf", path) > signed):
        raise MalformedError(ReasonCode.STATUS_LIST, f"{path}.validFrom", "signed for a later time")
    if end is not None and end <= signed:
        raise MalformedError(ReasonCode.STATUS_LIST, path, "the list was never valid")
    return signed, end


def _purposes(subject: Mapping[str, Any], path: str) -> frozenset[str]:
    value = subject.get("statusPurpose")
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.statusPurpose", "not one or more texts")
    if "message" in names or not _one_bit(subject):
        raise MalformedError(ReasonCode.STATUS_LIST, f"{path}.statusSize", "only lists of one bit an entry are read")
    return frozenset(names)


def _one_bit(holder: Mapping[str, Any]) -> bool:
    size = holder.get("statusSize", 1)
    return type(size) is int and size == 1


def _seconds_to_live(subject: Mapping[str, Any], path: str) -> int | None:
    if "ttl" not in subject:
        return None
    value = subject["ttl"]
    if type(value) is not int or not 0 < value <= _MAX_TIME * 1000:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.ttl", "not a positive number of milliseconds")
    return value // 1000


def _text(holder: Mapping[str, Any], name: str, path: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.{name}", f"not a text of 1 to {_MAX_TEXT} characters")
    return value


def _number(body: Mapping[str, Any], name: str, path: str) -> int:
    value = body[name]
    if type(value) is not int or not 0 <= value <= _MAX_TIME:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.{name}", "not a whole number of seconds")
    return value
