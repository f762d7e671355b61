"""Device authentication of an mdoc (ISO/IEC 18013-5 clause 9.1.3): the holder's signature or MAC over a session.

Both cover DeviceAuthenticationBytes: the session transcript, the document type and what the device says itself. The
payload is never sent along. A signature is checked with the device key in the signed object; a MAC also needs the
private key that the reader made for the session, so it proves nothing to anybody else.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vcred.errors import MalformedError, RefusedError
from vcred.formats._cbor import Embedded, bstr, decode, encode
from vcred.formats._cose import ALG, COSE_ALG, CRIT, Sign1, read_sign1, sig_structure
from vcred.formats._mdoc_mso import VALUE_TAGS, embed, is_text
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vcred.formats._mdoc_mso import Mso
    from vcred.keys import PublicKey

__all__ = [
    "MAC_ALG",
    "NO_ELEMENTS",
    "DeviceAuth",
    "DeviceSigned",
    "check_authorised",
    "check_mac",
    "check_signature",
    "device_authentication",
    "device_signature",
    "mac_key",
    "make_mac",
    "read_device_auth",
    "read_device_signed",
    "shared_secret",
    "to_sign",
]

MAC_ALG: Final = "HMAC 256/256"
"""``KeyBinding.alg`` of a MAC; no key of ours has it, so it is never taken for a signature."""

NO_ELEMENTS: Final = b"\xa0"
"""DeviceNameSpaces of a device that says nothing itself."""

_HMAC_256: Final = 5
_NO_TAGS: Final[frozenset[int]] = frozenset()
_PATH: Final = "deviceSigned"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSigned:
    """DeviceSigned as received. ``kind`` is ``deviceSignature`` or ``deviceMac``, ``auth`` its undecoded array."""

    name_spaces_raw: bytes = field(repr=False)
    elements: Mapping[tuple[str, str], Any] = field(repr=False)
    kind: str
    auth: Any = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAuth:
    """A device's signature or MAC, and what it has to be over. ``alg`` of a MAC is ``MAC_ALG``."""

    alg: str
    signing_input: bytes = field(repr=False)
    value: bytes = field(repr=False)


def read_device_signed(value: Any) -> DeviceSigned:
    """DeviceSigned of a document. Raises ``MalformedError``: ``device_auth``, and what the decoder refuses with."""
    if type(value) is not dict or value.keys() != {"nameSpaces", "deviceAuth"}:
        raise MalformedError(ReasonCode.DEVICE_AUTH, _PATH, "missing, or not nameSpaces and deviceAuth")
    names, auth = value["nameSpaces"], value["deviceAuth"]
    if type(names) is not Embedded:
        raise MalformedError(ReasonCode.DEVICE_AUTH, f"{_PATH}.nameSpaces", "not in a byte string with tag 24")
    if type(auth) is not dict or len(auth) != 1 or not auth.keys() <= {"deviceSignature", "deviceMac"}:
        raise MalformedError(ReasonCode.DEVICE_AUTH, f"{_PATH}.deviceAuth", "not one signature or one MAC")
    ((kind, array),) = auth.items()
    return DeviceSigned(name_spaces_raw=names.raw, elements=_elements(names.raw), kind=kind, auth=array)


def check_authorised(signed: DeviceSigned, mso: Mso) -> None:
    """A device says nothing that the issuer did not let it. Raises ``MalformedError`` with ``device_auth``."""
    for namespace, name in signed.elements:
        if namespace not in mso.authorised and (namespace, name) not in mso.authorised:
            raise MalformedError(ReasonCode.DEVICE_AUTH, f"{_PATH}.nameSpaces", "an element the device may not sign")


def device_authentication(transcript: bytes, doctype: str, name_spaces_raw: bytes) -> bytes:
    """DeviceAuthenticationBytes. ``transcript`` is the encoded array, without tag 24."""
    parts = (b"\x84\x74DeviceAuthentication", transcript, encode(doctype), embed(name_spaces_raw))
    return embed(b"".join(parts))


def read_device_auth(signed: DeviceSigned, payload: bytes) -> DeviceAuth:
    """The signature or MAC in ``signed`` over ``payload``, not verified.

    Raises ``MalformedError``: ``device_auth``, ``alg``, ``crit`` and what the decoder refuses with.
    """
    array = signed.auth
    if type(array) is not list or [type(part) for part in array] != [bytes, dict, type(None), bytes]:
        raise MalformedError(ReasonCode.DEVICE_AUTH, f"{_PATH}.{signed.kind}", "not four parts with a detached payload")
    protected, unprotected, _, value = array
    if signed.kind == "deviceMac":
        return _read_mac(protected, unprotected, payload, value)
    sign1: Sign1 = read_sign1([protected, unprotected, payload, value], path=f"{_PATH}.{signed.kind}")
    return DeviceAuth(alg=sign1.alg, signing_input=sign1.signing_input, value=value)


def check_signature(auth_alg: str, key: PublicKey, signing_input: bytes, signature: bytes) -> None:
    """Check a device signature. Raises ``RefusedError`` with ``device_auth``, whatever is wrong with it."""
    if auth_alg != key.alg:
        raise RefusedError(ReasonCode.DEVICE_AUTH, _PATH, f"made with {auth_alg}, the device key is for {key.alg}")
    try:
        key.verify(signature, signing_input)
    except RefusedError as error:
        raise RefusedError(ReasonCode.DEVICE_AUTH, _PATH, error.detail) from None


def to_sign(alg: str, payload: bytes) -> bytes:
    """What a device signs with ``alg`` for ``payload``."""
    return sig_structure(encode({ALG: COSE_ALG[alg]}), payload)


def device_signature(alg: str, signature: bytes) -> bytes:
    """DeviceSigned of a device that says nothing itself, with its signature, encoded."""
    array = (b"\x84", bstr(encode({ALG: COSE_ALG[alg]})), b"\xa0\xf6", bstr(signature))
    return _device_signed(b"\x6fdeviceSignature" + b"".join(array))


def make_mac(key: bytes, payload: bytes) -> bytes:
    """DeviceSigned of a device that says nothing itself, with a MAC by ``key`` (``mac_key``), encoded."""
    protected = encode({ALG: _HMAC_256})
    tag = hmac.digest(key, _mac_structure(protected, payload), "sha256")
    return _device_signed(b"\x69deviceMac" + b"".join((b"\x84", bstr(protected), b"\xa0\xf6", bstr(tag))))


def shared_secret(private: ec.EllipticCurvePrivateKey, other: PublicKey) -> bytes:
    """The ECDH secret of a private key and another's public key.

    Raises ``RefusedError`` with ``device_auth`` when they are not on one curve, or there is no secret.
    """
    if not isinstance(other.crypto, ec.EllipticCurvePublicKey) or other.crypto.curve.name != private.curve.name:
        raise RefusedError(ReasonCode.DEVICE_AUTH, _PATH, "the keys are not on one curve")
    secret = private.exchange(ec.ECDH(), other.crypto)
    if not any(secret):
        raise RefusedError(ReasonCode.DEVICE_AUTH, _PATH, "the shared secret is zero")
    return secret


def mac_key(secret: bytes, transcript: bytes) -> bytes:
    """EMacKey (clause 9.1.3.5): HKDF of the shared secret, salted with the transcript in its tagged form."""
    salt = sha256(embed(transcript)).digest()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=b"EMacKey").derive(secret)


def check_mac(key: bytes, signing_input: bytes, tag: bytes) -> None:
    """Check a MAC. Raises ``RefusedError`` with ``device_auth``."""
    if not hmac.compare_digest(hmac.digest(key, signing_input, "sha256"), tag):
        raise RefusedError(ReasonCode.DEVICE_AUTH, _PATH, "the MAC does not verify")


def _read_mac(protected_raw: bytes, unprotected: dict[Any, Any], payload: bytes, tag: bytes) -> DeviceAuth:
    path = f"{_PATH}.deviceMac"
    protected = decode(protected_raw, path, max_bytes=len(protected_raw), tags=_NO_TAGS) if protected_raw else {}
    alg = protected.get(ALG) if type(protected) is dict else None
    if type(alg) is not int or alg != _HMAC_256 or ALG in unprotected:
        raise MalformedError(ReasonCode.ALG, path, "alg is not HMAC 256/256, protected")
    if CRIT in protected or CRIT in unprotected:
        raise MalformedError(ReasonCode.CRIT, path, "crit")
    return DeviceAuth(alg=MAC_ALG, signing_input=_mac_structure(protected_raw, payload), value=tag)


def _mac_structure(protected: bytes, payload: bytes) -> bytes:
    return b"\x84\x64MAC0" + bstr(protected) + b"\x40" + bstr(payload)


def _elements(raw: bytes) -> dict[tuple[str, str], Any]:
    if raw == NO_ELEMENTS:
        return {}
    found = decode(raw, f"{_PATH}.nameSpaces", max_bytes=len(raw), tags=VALUE_TAGS)
    if type(found) is not dict or any(type(items) is not dict or not items for items in found.values()):
        raise MalformedError(ReasonCode.DEVICE_AUTH, f"{_PATH}.nameSpaces", "not elements by namespace")
    pairs = {(namespace, name): value for namespace, items in found.items() for name, value in items.items()}
    if not all(is_text(namespace) and type(name) is str for namespace, name in pairs):
        raise MalformedError(ReasonCode.DEVICE_AUTH, f"{_PATH}.nameSpaces", "a name that is not text")
    return pairs


def _device_signed(auth: bytes) -> bytes:
    return b"".join((b"\xa2\x6adeviceAuth\xa1", auth, b"\x6anameSpaces", embed(NO_ELEMENTS)))
