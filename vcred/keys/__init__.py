"""Keys: sign with one, verify with one, and its three public encodings."""

from vcred.keys.base import Signer
from vcred.keys.public import PublicKey
from vcred.keys.software import SoftwareSigner, load_signer

__all__ = ["PublicKey", "Signer", "SoftwareSigner", "load_signer"]
