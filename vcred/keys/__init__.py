"""Keys: sign with one, verify with one, and its three public encodings."""

from vcred.keys.base import Signer
from vcred.keys.pkcs11 import Pkcs11Signer
from vcred.keys.public import PublicKey
from vcred.keys.software import SoftwareSigner
from vcred.keys.uri import load_signer

__all__ = ["Pkcs11Signer", "PublicKey", "Signer", "SoftwareSigner", "load_signer"]
