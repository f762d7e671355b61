"""Bare keys: public keys that the bundle itself vouches for, without a certificate.

An authority lists them, or is a DID: then the keys are in the identifier (``did:key``, ``did:jwk``) or in the document
that the bundle pins (``did:web``), and last as long as the authority's entry does. A ``did:web`` may list keys as well,
for those that its document no longer has: what they signed stays answerable.

A post-quantum key is always listed, by an issuer: naming it here is how a bundle opts in. A DID document has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from vcred.errors import MalformedError
from vcred.keys import PublicKey
from vcred.reasons import ReasonCode
from vcred.trust.did import did_methods, is_method_of, needs_document
from vcred.trust.profile import Purpose

if TYPE_CHECKING:
    from vcred.trust.content import Authority

__all__ = ["BareKey", "check_keys", "key_json", "keys_of", "read_key"]

_MAX_TIME = 253402300799
_MEMBERS = {"kid", "jwk", "did_url", "valid_from", "valid_until"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BareKey:
    """A key of an authority. ``did_url`` is its verification method, ``None`` unless the authority is a DID."""

    key: PublicKey
    did_url: str | None
    valid_from: int
    valid_until: int


def keys_of(authority: Authority) -> tuple[BareKey, ...]:
    """Every bare key of ``authority``: listed, and of its DID. Raises ``MalformedError`` for a DID that is wrong."""
    if not authority.id.startswith("did:"):
        return authority.keys
    return authority.keys + tuple(
        BareKey(key=key, did_url=url, valid_from=authority.valid_from, valid_until=authority.valid_until)
        for url, key in did_methods(authority.id, authority.did_document, path="id")
    )


def check_keys(authority: Authority) -> None:
    """Whether the keys of ``authority`` fit it and each other. Raises ``MalformedError``."""
    found = keys_of(authority)
    if found and authority.purpose is Purpose.READER:
        _wrong("keys", "readers have certificates")
    if authority.purpose is not Purpose.ISSUER and any(each.key.is_post_quantum for each in found):
        _wrong("keys", "only issuers have post-quantum keys")
    if authority.id.startswith("did:"):
        if (authority.keys or authority.anchors) and not needs_document(authority.id):
            _wrong("keys", "did:key and did:jwk are one key, which is in the identifier")
        if any(each.did_url is None or not is_method_of(each.did_url, authority.id) for each in found):
            _wrong("keys", "a key of a DID has a DID URL of that DID")
    elif authority.did_document is not None or any(each.did_url is not None for each in found):
        _wrong("keys", "DID URLs and a DID document are for an authority that is a DID")
    urls = [each.did_url for each in found if each.did_url is not None]
    if len({each.key for each in found}) != len(found) or len(set(urls)) != len(urls):
        _wrong("keys", "a key or a DID URL appears twice")
    if not authority.anchors and not found:
        _wrong("anchors", "an authority has anchors or keys")
    if authority.signers and not authority.anchors:
        _wrong("signers", "a chain needs an anchor")


def read_key(value: Any, path: str) -> BareKey:
    """One entry of ``keys``. Raises ``MalformedError``."""
    if not isinstance(value, dict) or value.keys() != _MEMBERS:
        _wrong(path, "members are not exactly " + ", ".join(sorted(_MEMBERS)))
    key = PublicKey.from_jwk(value["jwk"], path=f"{path}.jwk", post_quantum=True)
    if value["jwk"] != key.to_jwk():
        _wrong(f"{path}.jwk", "members that a public key does not need")
    if value["kid"] != key.kid.hex():
        raise MalformedError(ReasonCode.KEY, f"{path}.kid", "not that of the key")
    start, end, url = value["valid_from"], value["valid_until"], value["did_url"]
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= _MAX_TIME:
        _wrong(path, "validity is not two times in order, in seconds since 1970")
    if not (url is None or isinstance(url, str)):
        _wrong(f"{path}.did_url", "not a text")
    return BareKey(key=key, did_url=url, valid_from=start, valid_until=end)


def key_json(entry: BareKey) -> dict[str, Any]:
    """``entry`` as ``read_key`` reads it."""
    return {
        "kid": entry.key.kid.hex(),
        "jwk": entry.key.to_jwk(),
        "did_url": entry.did_url,
        "valid_from": entry.valid_from,
        "valid_until": entry.valid_until,
    }


def _wrong(path: str, detail: str) -> NoReturn:
    raise MalformedError(ReasonCode.FORMAT, path, detail)
