"""Signing keys in hardware (PKCS #11): the private key never leaves the token, only digests go in.

A key that could leave is refused: it must be sensitive and not extractable, whatever tool made it. There is no way
to say otherwise; a key kept in a file is ``file:``. Every signature is checked with the token's public key before it
is given out. When the token is away, locked or has lost the key, ``sign`` raises ``SigningError``; no other key steps
in, and the same signer works again when the token does (see ``vcred.keys._token`` for how a session is won back).
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any, Final, Literal

from vcred.errors import MalformedError, RefusedError, SigningError
from vcred.keys._token import Link, binding, explained, link_to
from vcred.keys.pkcs11_uri import Pkcs11Uri
from vcred.keys.public import PublicKey

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pkcs11Signer"]

_CURVES: Final = {
    # alg: (curve OID, DER without tag and length; curve's OpenSSL name; coordinate bytes; hash)
    "ES256": (bytes.fromhex("06082a8648ce3d030107"), "secp256r1", 32, hashlib.sha256),
    "ES384": (bytes.fromhex("06052b81040022"), "secp384r1", 48, hashlib.sha384),
}
_LONGEST_PIN: Final = 1024


class Pkcs11Signer:
    """A ``Signer`` whose P-256 or P-384 key is in a PKCS #11 token. May be shared by threads, not by a fork.

    The PIN is not kept: it is asked for, or read from its file, at each login.
    """

    __slots__ = ("_generation", "_key", "_link", "_pin", "_public", "_uri")

    def __init__(self, uri: str, *, secret: Callable[[str], str] | None) -> None:
        """Log in and find the key that ``uri`` (RFC 7512) names.

        ``secret(uri)`` is called for the PIN when the URI has no ``pin-source``. Raises ``SigningError`` when the
        URI is not understood, the token or the key is not there or not the only one, the PIN is wrong, or the key
        may leave the token; ``MissingExtraError`` without the extra ``hsm``.
        """
        self._uri = Pkcs11Uri.parse(uri)
        self._pin = _pin_of(self._uri, uri, secret)
        self._link = link_to(self._uri)
        self._generation = 0
        self._key: Any = None
        with self._link.module.lock:
            self._link.forgive()
            try:
                self._key, self._public = _find(_fresh(self._link, self._pin), self._uri)
            except binding().PKCS11Error as error:
                raise SigningError(f"{self._uri}: {explained(error)}") from error
            self._generation = self._link.generation

    @classmethod
    def generate(cls, uri: str, *, alg: Literal["ES256", "ES384"], secret: Callable[[str], str] | None) -> Pkcs11Signer:
        """Make a new key pair in the token, under the ``object`` (and ``id``, else a random one) of ``uri``.

        The private key is made there, may sign and nothing else, and cannot be taken out. Raises as the constructor
        does, and ``SigningError`` when the label or the id is taken.
        """
        if alg not in _CURVES:
            raise ValueError("a key in a token is ES256 or ES384")
        named = Pkcs11Uri.parse(uri)
        if named.object is None:
            raise SigningError("a new key has a label: object=<label>")
        link = link_to(named)
        with link.module.lock:
            link.forgive()
            try:
                _make(_fresh(link, _pin_of(named, uri, secret)), named, alg)
            except binding().PKCS11Error as error:
                raise SigningError(f"{named}: no key was made: {explained(error)}") from error
        return cls(uri, secret=secret)

    @property
    def public_key(self) -> PublicKey:
        """The matching public key, as the token gave it."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Sign ``message``; R || S. Raises ``SigningError`` when the token does not sign, or signs wrongly."""
        _, _, width, digest = _CURVES[self._public.alg]
        self._link.module.check_process()
        with self._link.module.lock:
            raw = self._signature(digest(message).digest())
        try:
            if len(raw) != 2 * width:
                raise SigningError(f"{self._uri}: the token returned a signature of {len(raw)} bytes")
            self._public.verify(raw, message)
        except RefusedError as error:
            raise SigningError(f"{self._uri}: the token returned a wrong signature") from error
        return raw

    def __repr__(self) -> str:
        return f"Pkcs11Signer({self._public!r})"

    def _signature(self, digest: bytes) -> bytes:
        error_type = binding().PKCS11Error
        if self._link.is_open:
            try:
                return self._once(digest)
            except error_type:
                self._link.drop()
        try:
            return self._once(digest)
        except error_type as error:
            self._link.drop()
            raise SigningError(f"{self._uri}: {explained(error)}") from error

    def _once(self, digest: bytes) -> bytes:
        session = self._link.session(self._pin)
        if self._generation != self._link.generation:
            key, public = _find(session, self._uri)
            if public != self._public:
                raise SigningError(f"{self._uri}: there is another key under this name now")
            self._key, self._generation = key, self._link.generation
        raw: bytes = self._key.sign(digest, mechanism=binding().Mechanism.ECDSA)
        return raw


def _pin_of(uri: Pkcs11Uri, name: str, secret: Callable[[str], str] | None) -> Callable[[], str]:
    if uri.pin_source is None:
        if secret is None:
            raise SigningError(f"{uri}: the token has a PIN: give pin-source=file:<path> or a secret")
        return lambda: secret(name)
    path = uri.pin_source

    def read() -> str:
        try:
            with open(path, encoding="utf-8") as file:  # noqa: PTH123 - one line of bounded length, not the file
                return file.readline(_LONGEST_PIN).rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            raise SigningError(f"{uri}: the PIN cannot be read from {path}") from None

    return read


def _fresh(link: Link, pin: Callable[[], str]) -> Any:
    """A session that answers: one that was dropped unnoticed is replaced."""
    p11 = binding()
    if link.is_open:
        try:
            link.session(pin).generate_random(64)
        except (p11.RandomNoRNG, p11.FunctionNotSupported):
            pass  # an answer, too
        except p11.PKCS11Error:
            link.drop()
    return link.session(pin)


def _named(uri: Pkcs11Uri) -> dict[Any, Any]:
    attribute = binding().Attribute
    wanted = {attribute.LABEL: uri.object, attribute.ID: uri.id}
    return {name: value for name, value in wanted.items() if value is not None}


def _find(session: Any, uri: Pkcs11Uri) -> tuple[Any, PublicKey]:
    p11 = binding()
    found = list(session.get_objects({p11.Attribute.CLASS: p11.ObjectClass.PRIVATE_KEY, **_named(uri)}))
    if not found:
        raise SigningError(f"{uri}: there is no such private key in the token")
    if len(found) > 1:
        raise SigningError(f"{uri}: {len(found)} private keys match: add id=")
    key = found[0]
    if _get(key, p11.Attribute.KEY_TYPE) != p11.KeyType.EC:
        raise SigningError(f"{uri}: the key is not an EC key")
    if _get(key, p11.Attribute.SENSITIVE) is not True or _get(key, p11.Attribute.EXTRACTABLE) is not False:
        raise SigningError(f"{uri}: the private key may leave the token: only sensitive, non-extractable keys are used")
    if _get(key, p11.Attribute.SIGN) is not True:
        raise SigningError(f"{uri}: the key may not sign")
    if _get(key, p11.Attribute.ALWAYS_AUTHENTICATE):
        raise SigningError(f"{uri}: the key wants a PIN for every signature")
    return key, _public(session, key, uri)


def _public(session: Any, key: Any, uri: Pkcs11Uri) -> PublicKey:
    """The public key that stands beside a private one: the object of the same id, or else of the same label."""
    p11 = binding()
    id_, label = _get(key, p11.Attribute.ID), _get(key, p11.Attribute.LABEL)
    same = {p11.Attribute.ID: id_} if id_ else {p11.Attribute.LABEL: label}
    found = list(session.get_objects({p11.Attribute.CLASS: p11.ObjectClass.PUBLIC_KEY, **same}))
    if len(found) != 1:
        raise SigningError(f"{uri}: {len(found)} public keys stand beside the private key, not one")
    params, point = _get(found[0], p11.Attribute.EC_PARAMS), _get(found[0], p11.Attribute.EC_POINT)
    for oid, curve, width, _ in _CURVES.values():
        if params != oid or not isinstance(point, bytes):
            continue
        # CKA_EC_POINT is a DER OCTET STRING (PKCS #11 section 2.3.5); old tokens give the point itself.
        size = 2 * width + 1
        if point[:2] == bytes((4, size)):
            point = point[2:]
        if len(point) == size:
            return _point(curve, point, uri)
    raise SigningError(f"{uri}: the key is not on P-256 or P-384")


def _point(curve: str, point: bytes, uri: Pkcs11Uri) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - with a token only

    kind: ec.EllipticCurve = ec.SECP256R1() if curve == "secp256r1" else ec.SECP384R1()
    try:
        return PublicKey(ec.EllipticCurvePublicKey.from_encoded_point(kind, point))
    except (ValueError, MalformedError) as error:
        raise SigningError(f"{uri}: the token's public key is not a point of its curve") from error


def _get(item: Any, attribute: Any) -> Any:
    """An attribute, or ``None`` where the token does not know it."""
    try:
        return item[attribute]
    except binding().AttributeTypeInvalid:
        return None


def _make(session: Any, uri: Pkcs11Uri, alg: str) -> None:
    p11 = binding()
    attribute = p11.Attribute
    id_ = uri.id or secrets.token_bytes(16)
    for taken in ({attribute.LABEL: uri.object}, {attribute.ID: id_}):
        if list(session.get_objects(taken)):
            raise SigningError(f"{uri}: the label or the id is taken")
    # The login is the application's, so this second session has it too; only it may write.
    writing = session.token.open(rw=True)
    try:
        curve = writing.create_domain_parameters(p11.KeyType.EC, {attribute.EC_PARAMS: _CURVES[alg][0]}, local=True)
        curve.generate_keypair(
            store=True,
            id=id_,
            label=uri.object,
            mechanism=p11.Mechanism.EC_KEY_PAIR_GEN,
            capabilities=p11.MechanismFlag.SIGN | p11.MechanismFlag.VERIFY,
            private_template={
                attribute.PRIVATE: True,
                attribute.SENSITIVE: True,
                attribute.EXTRACTABLE: False,
                attribute.DERIVE: False,
            },
        )
    finally:
        writing.close()
