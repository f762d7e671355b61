"""What tests put into certificates of their own."""

from __future__ import annotations

from cryptography import x509

_USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def key_usage(*uses: str) -> x509.KeyUsage:
    """A key for these uses, in cryptography's names, and for no others."""
    assert set(uses) <= set(_USES)
    return x509.KeyUsage(**{name: name in uses for name in _USES})
