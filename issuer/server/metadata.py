"""Credential issuer metadata (OpenID4VCI 1.0 section 12.2): everything from the catalogue, in Korean and English."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from vcred.catalog.metadata import LOCALES
from vcred.formats._wire import dump_json
from vcred.formats.known import spelling_of, type_names
from vcred.oid4vci import sign_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from issuer.server.configurations import Configuration
    from issuer.server.encryption import Encryption
    from issuer.server.parts import Parts
    from vcred.catalog import CertificateType
    from vcred.catalog.types import ClaimSpec

__all__ = ["MetadataDesk"]

_FRESH: Final = timedelta(minutes=5)
_SIGNED_FOR: Final = timedelta(days=1)
_COSE: Final[Mapping[str, tuple[int, ...]]] = {
    # The value of the header, and the fully specified one of RFC 9864 for the same key.
    "ES256": (-7, -9),
    "ES384": (-35, -51),
    "EdDSA": (-8, -19),
    "ML-DSA-44": (-48,),
    "ML-DSA-65": (-49,),
}
_BINARY: Final = frozenset({"mso_mdoc", "sd-cwt"})
_W3C: Final = frozenset({"vc+jwt", "vc+sd-jwt", "jwt_vc_json", "ldp_vc"})


class MetadataDesk:
    """The document in each language, made every five minutes and signed when somebody wants it so."""

    def __init__(self, parts: Parts, encryption: Encryption) -> None:
        self._parts = parts
        self._encryption = encryption
        self._lock = Lock()
        self._made: dict[tuple[str | None, bool], tuple[datetime, bytes]] = {}

    def document(self, lang: str | None, *, signed: bool, at: datetime) -> bytes:
        """The document with names in ``lang``, or in both. Raises ``SigningError``."""
        with self._lock:
            made = self._made.get((lang, signed))
            if made is None or not timedelta(0) <= at - made[0] < _FRESH:
                body = self._build(lang)
                raw = self._sign(body, at) if signed else dump_json(body)
                made = self._made[lang, signed] = (at, raw)
            return made[1]

    def forget(self) -> None:
        """Make it anew: something in it has changed."""
        with self._lock:
            self._made.clear()

    def _sign(self, body: dict[str, Any], at: datetime) -> bytes:
        issuer = self._parts.issuer
        return sign_metadata(body, issuer.profile.signer, x5c=issuer.chain, at=at, lifetime=_SIGNED_FOR)

    def _build(self, lang: str | None) -> dict[str, Any]:
        parts = self._parts
        found: dict[str, Any] = {
            "credential_issuer": parts.settings.base_url,
            "credential_endpoint": parts.url("/credential"),
            "nonce_endpoint": parts.url("/nonce"),
            "deferred_credential_endpoint": parts.url("/deferred"),
            "notification_endpoint": parts.url("/notification"),
        }
        found |= self._encryption.metadata()
        if parts.settings.batch_size > 1:
            found["batch_credential_issuance"] = {"batch_size": parts.settings.batch_size}
        if names := _names(parts.settings.names, lang):
            found["display"] = names
        found["credential_configurations_supported"] = {
            one.id: self._configuration(one, lang) for one in parts.configurations.values()
        }
        return found

    def _configuration(self, one: Configuration, lang: str | None) -> dict[str, Any]:
        kind = self._parts.issuer.type_of(one.code)
        key = self._parts.issuer.profile.signer.public_key
        found: dict[str, Any] = {"format": one.format, "scope": one.scope, **_type(kind, one.format)}
        binary = one.format in _BINARY
        algorithms: Sequence[int | str] = _COSE.get(key.alg, ()) if binary else (key.alg,)
        if one.format == "ldp_vc":
            from vcred.formats.didkit import contexts_of  # noqa: PLC0415 - only who issues it

            suite, contexts = contexts_of(key)
            algorithms = (suite,)
            found["credential_definition"] = {"@context": contexts, **found["credential_definition"]}
        if algorithms:
            found["credential_signing_alg_values_supported"] = list(algorithms)
        found["cryptographic_binding_methods_supported"] = ["cose_key" if binary else "jwk"]
        found["proof_types_supported"] = self._proof_types()
        display = [
            {"name": kind.name(one), "locale": LOCALES[one], "description": kind.description(one)}
            for one in LOCALES
            if lang in (None, one)
        ]
        found["credential_metadata"] = {"display": display, "claims": _claims(kind, one.format, lang)}
        return found

    def _proof_types(self) -> dict[str, Any]:
        jwt: dict[str, Any] = {"proof_signing_alg_values_supported": ["ES256"]}
        if self._parts.settings.require_key_attestation:
            jwt["key_attestations_required"] = {}
        if not self._parts.key_attesters:
            return {"jwt": jwt}
        attestation = {"proof_signing_alg_values_supported": ["ES256"], "key_attestations_required": {}}
        return {"jwt": jwt, "attestation": attestation}


def _type(kind: CertificateType, format: str) -> dict[str, Any]:  # noqa: A002 - as everywhere
    if format == "mso_mdoc":
        return {"doctype": kind.doctype}
    if format in _W3C:
        names = type_names(format, vct=kind.vct, doctype=kind.doctype)
        return {"credential_definition": {"type": list(names)}}
    return {"vct": kind.vct}


def _claims(kind: CertificateType, format: str, lang: str | None) -> list[dict[str, Any]]:  # noqa: A002 - as everywhere
    """What wallets show of each claim (appendix B.2)."""
    return [
        {"path": _path(kind, spec, format)}
        | ({"mandatory": True} if len(spec.path.parts) == 1 and not spec.selective else {})
        | {"display": _names(spec.names, lang)}
        for spec in kind.walk()
    ]


def _path(kind: CertificateType, spec: ClaimSpec, format: str) -> list[Any]:  # noqa: A002 - as everywhere
    if format == "mso_mdoc":
        from vcred.formats._mdoc_tree import identifier_of  # noqa: PLC0415 - only who issues mdocs

        if spec.mdoc is not None and spelling_of(format, kind) is not None:
            return [spec.mdoc.namespace, spec.mdoc.name]
        return [kind.namespace, identifier_of(spec.path)]
    return [*(["credentialSubject"] if format in _W3C else []), *spec.path.parts]


def _names(names: Mapping[Any, str], lang: str | None) -> list[dict[str, str]]:
    return [{"name": names[one], "locale": LOCALES[one]} for one in LOCALES if one in names and lang in (None, one)]
