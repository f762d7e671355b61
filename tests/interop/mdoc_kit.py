"""An issuing authority of mdocs with its document signer, for the tests against peers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.interop.kit import ISSUER, VCT, signer
from tests.x509_kit import key_usage
from vcred.formats.mdoc import Mdoc
from vcred.trust import Purpose, build_root, build_signer

DOCTYPE = "kr.example.garam.resident.1"
MDL, MDL_NAMESPACE = "org.iso.18013.5.1.mDL", "org.iso.18013.5.1"
NAME = {"ko": "가람시 (가상)", "en": "Garam City (fictitious)"}
DAY = timedelta(days=1)


class Resident:
    """One certificate type of ours; all other document types are other people's."""

    def doctype(self, vct: str) -> str | None:
        return DOCTYPE if vct == VCT else None

    def vct(self, namespace: str) -> str | None:
        return VCT if namespace == DOCTYPE else None

    def spelling(self, vct: str) -> None:
        return None


FORMAT = Mdoc(Resident())


class Authority:
    """An IACA and a document signer as ISO/IEC 18013-5 annex B has them, and the same key certified in our profile."""

    def __init__(self, alg: str, at: datetime) -> None:
        self.root_key, self.key = signer("ES256"), signer(alg)
        self.root = self._iaca(at)
        self.certificate = self._document_signer(at)
        self.our_root = build_root(self.root_key, name=NAME, not_before=at - 40 * DAY, not_after=at + 400 * DAY)
        if alg != "EdDSA":  # which our profile has not
            self.our_certificate = build_signer(
                self.key.public_key, purpose=Purpose.ISSUER, id=ISSUER, name=NAME, issuer=self.our_root,
                issuer_signer=self.root_key, not_before=at - 30 * DAY, not_after=at + 300 * DAY,
            )  # fmt: skip

    def _iaca(self, at: datetime) -> bytes:
        return self._sign(
            self._start(self.root_key, "IACA", at, days=400)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
        )

    def _document_signer(self, at: datetime) -> bytes:
        there = x509.IssuerAlternativeName([x509.UniformResourceIdentifier("https://garam.example/iaca")])
        signs = x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.0.18013.5.1.2")])
        return self._sign(
            self._start(self.key, "signer", at, days=300)
            .add_extension(key_usage("digital_signature"), critical=True)
            .add_extension(signs, critical=True)
            .add_extension(there, critical=False)
        )

    def _start(self, key: Any, subject: str, at: datetime, *, days: int) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name("IACA"))
            .public_key(key.crypto.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(at - 30 * DAY)
            .not_valid_after(at + days * DAY)
        )

    def _sign(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self.root_key.crypto, hashes.SHA256()).public_bytes(Encoding.DER)


def this_second() -> datetime:
    """For a peer that reads the clock of the machine and is told of no other."""
    return datetime.now(UTC).replace(microsecond=0)


def _name(text: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "KR"), x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]
    )
