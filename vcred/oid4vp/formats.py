"""``vp_formats_supported`` (OpenID4VP 1.0 appendix B): what can be said of each format to the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["formats_supported"]

_JOSE_ALGS: Final = ["ES256", "ES384"]
_COSE_ALGS: Final = [-7, -9, -35, -51]
"""ES256 and ES384, and what the same are called where the curve is part of the name."""

_FORMATS: Final[Mapping[str, Mapping[str, Any]]] = {
    "dc+sd-jwt": {"sd-jwt_alg_values": _JOSE_ALGS, "kb-jwt_alg_values": _JOSE_ALGS},
    "vc+sd-jwt": {"sd-jwt_alg_values": _JOSE_ALGS, "kb-jwt_alg_values": _JOSE_ALGS},
    "mso_mdoc": {"issuerauth_alg_values": _COSE_ALGS, "deviceauth_alg_values": _COSE_ALGS},
    "vc+jwt": {"alg_values": _JOSE_ALGS},
    "jwt_vc_json": {"alg_values": _JOSE_ALGS},
    "ldp_vc": {"proof_type_values": ["DataIntegrityProof"], "cryptosuite_values": ["ecdsa-rdfc-2019"]},
    "sd-cwt": {"alg_values": [-7, -35]},
}


def formats_supported(formats: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """``vp_formats_supported`` of a verifier that takes ``formats``, in their order."""
    return {name: _FORMATS[name] for name in formats}
