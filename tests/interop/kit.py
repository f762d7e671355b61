"""What the tests against peers share: the pipe to Node, keys as JWKs, claim trees in each library's own notation."""

from __future__ import annotations

import base64
import json
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import strategies as st

from vcred.claims import SD
from vcred.keys import SoftwareSigner

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
NOW = int(AT.timestamp())
ISSUER = "https://garam.example/issuer"
VCT = "https://garam.example/type/resident"
AUDIENCE = "x509_hash:" + "A" * 43
NONCE = bytes(range(16))
NONCE_TEXT = "AAECAwQFBgcICQoLDA0ODw"
_CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1()}


class PeerError(Exception):
    """What a peer threw."""


class NodePeers:
    """``call("dcql.match", query=...)`` runs ``match`` of ``node/dcql.mjs``. Raises ``PeerError`` for what it threw."""

    def __init__(self, program: str, script: Path) -> None:
        self._process = subprocess.Popen(
            [program, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def call(self, name: str, **given: Any) -> Any:
        return self._ask({"call": name, "with": given})

    def time(self, name: str, each: list[dict[str, Any]]) -> float:
        """Microseconds of CPU, the threads of the process included, for one call of those with ``each``."""
        return float(self._ask({"call": name, "each": each}))

    def _ask(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        assert line, f"node ended with {self._process.wait(10)}"
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        self._process.communicate(timeout=10)


def signer(alg: str) -> SoftwareSigner:
    """A fresh key for ``alg``."""
    return SoftwareSigner(
        ed25519.Ed25519PrivateKey.generate() if alg == "EdDSA" else ec.generate_private_key(_CURVES[alg])
    )


def private_jwk(key: SoftwareSigner) -> dict[str, str]:
    """The private JWK, which our own code never writes."""
    if isinstance(key.crypto, ed25519.Ed25519PrivateKey):
        secret = key.crypto.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    else:
        secret = key.crypto.private_numbers().private_value.to_bytes(key.crypto.key_size // 8, "big")
    return key.public_key.to_jwk() | {"d": b64u(secret)}


def b64u(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


_NAMES = st.sampled_from(["name", "address", "이름", "주소", "a b", "members", "état", "x"])
_LEAVES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.booleans(),
    st.none(),
)


def _hideable(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, values.map(SD))


def _containers(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = _hideable(values)
    return st.one_of(st.lists(some, max_size=4), st.dictionaries(_NAMES, some, max_size=4))


CLAIM_TREES = st.dictionaries(_NAMES, _hideable(st.recursive(_LEAVES, _containers, max_leaves=12)), max_size=5)
"""Claims in which ``SD`` marks what may be hidden, at any depth."""


def plain(node: Any) -> Any:
    """``node`` as a holder who sees everything reads it."""
    if isinstance(node, SD):
        return plain(node.value)
    if isinstance(node, dict):
        return {name: plain(value) for name, value in node.items()}
    return [plain(element) for element in node] if isinstance(node, list) else node


def marked(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the nodes are that may be hidden, parents before children."""
    here = [at] if isinstance(node, SD) else []
    node = node.value if isinstance(node, SD) else node
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return here + [found for part, value in parts for found in marked(value, (*at, part))]


def shown(node: Any, chosen: set[tuple[Any, ...]], at: tuple[Any, ...] = ()) -> Any:
    """What is left of ``node`` when of the nodes that may be hidden only ``chosen`` are disclosed."""
    node = node.value if isinstance(node, SD) else node

    def kept(part: Any, value: Any) -> bool:
        return not isinstance(value, SD) or (*at, part) in chosen

    if isinstance(node, dict):
        return {name: shown(value, chosen, (*at, name)) for name, value in node.items() if kept(name, value)}
    if isinstance(node, list):
        return [shown(value, chosen, (*at, index)) for index, value in enumerate(node) if kept(index, value)]
    return node


def closure(tree: Any, asked: list[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """``asked``, the nodes below them and the parents that lead to them: what disclosing ``asked`` discloses."""
    return {one for one in marked(tree) if any(one[: len(path)] == path or path[: len(one)] == one for path in asked)}


def frame(node: Any, *, decoys: int = 0) -> dict[str, Any] | None:
    """The disclosure frame of ``node`` for sd-jwt-js; ``None`` where there is nothing to hide."""
    node = node.value if isinstance(node, SD) else node
    parts = dict(node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ())
    hidden = [part for part, value in parts.items() if isinstance(value, SD)]
    below = {str(part): inner for part, value in parts.items() if (inner := frame(value, decoys=decoys)) is not None}
    own = ({"_sd": hidden} | ({"_sd_decoy": decoys} if decoys else {})) if hidden else {}
    return (own | below) or None


def presentation_frame(chosen: set[tuple[Any, ...]]) -> dict[str, Any]:
    """``chosen`` as sd-jwt-js wants to be told."""
    found: dict[str, Any] = {}
    for path in sorted(chosen, key=len):
        *above, last = map(str, path)
        node = found
        for part in above:
            if not isinstance(node.get(part), dict):
                node[part] = {}
            node = node[part]
        node[last] = True
    return found
