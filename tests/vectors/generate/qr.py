"""Makes tests/vectors/qr/*.json from fixed inputs: what another implementation of docs/qr-profile.md must reproduce."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from vcred import qr
from vcred.qr.base45 import base45_encode
from vcred.qr.digits import digits_encode
from vcred.qr.fountain import Source, part_mask

HOME = Path(__file__).parents[1] / "qr"
JWS = "eyJhbGciOiJFUzI1NiJ9.e30.AAECAwQFBgc"
KB = "eyJ0eXAiOiJrYitqd3QifQ.e30.CAkKCwwNDg8"


def noise(size: int) -> bytes:
    """Bytes that do not compress: SHA-256 of 0, 1, 2 ... as four bytes, one after the other."""
    return b"".join(hashlib.sha256(n.to_bytes(4, "big")).digest() for n in range(-(-size // 32)))[:size]


def envelopes() -> dict[str, Any]:
    bodies = {
        qr.MessageKind.REQUEST: {1: qr.pack_jws(JWS)},
        qr.MessageKind.RESPONSE: {1: {"resident": [[2, noise(200)]]}},
        qr.MessageKind.ONE_WAY: {1: {"resident": [[2, noise(64)]]}, 2: noise(16)},
        qr.MessageKind.RECEIPT: {1: qr.pack_jws(JWS)},
        qr.MessageKind.PAPER: {1: b"urn:vcred:kr:resident.household:1" * 4},
        qr.MessageKind.OFFER: {1: "가" * 60},
    }
    made = {}
    for kind, body in bodies.items():
        for dictionary in (None, 1):
            raw = qr.encode_message(qr.Message(kind, body), dictionary=dictionary)
            name = f"{kind.name.lower()}, " + ("no dictionary" if dictionary is None else f"dictionary {dictionary}")
            made[name] = {"kind": kind, "coding": raw[2], "envelope": raw.hex(), "digits": digits_encode(raw)}
    return made


def refused() -> dict[str, Any]:
    return {
        "empty": ("", "format"),
        "another tag": ("57010082a2", "format"),
        "version 2": ("56020082" + "06a0", "format"),
        "no coding": ("5601", "format"),
        "coding 3": ("56010382" + "06a0", "format"),
        "dictionary 2": ("56010202" + "00", "format"),
        "kind 99": ("560100821863a0", "format"),
        "kind as text": ("560100826131a0", "format"),
        "body as array": ("560100820680", "format"),
        "three elements": ("5601008306a000", "format"),
        "trailing byte": ("5601008206a000", "cbor"),
        "indefinite map": ("5601008206bfff", "cbor"),
        "duplicate key": ("5601008206a201000100", "cbor"),
        "tag": ("5601008206a101c100", "tag"),
        "deflate cut short": ("560101" + "6b", "encoding"),
        "not deflate": ("560101" + "ffff", "encoding"),
    }


def fountain() -> dict[str, Any]:
    made = {}
    for length in (1, 635, 636, 1_900, 8_192):
        source = Source(noise(length), 635)
        frames = [source.frame(i) for i in (*range(min(source.count, 3)), source.count, source.count + 1, 65_535)]
        made[f"{length} bytes"] = {
            "count": source.count,
            "part_size": source.size,
            "message_id": source.message_id.hex(),
            "frames": [
                {"index": f.index, "mask": f"{part_mask(f):x}", "text": "VF1:" + base45_encode(f.to_bytes())}
                for f in frames
            ],
        }
    return made


def packed() -> dict[str, Any]:
    texts = {
        "JWS": JWS,
        "SD-JWT": f"{JWS}~WyJzYWx0IiwiYSIsMV0~WyJzYWx0IiwiYiIsMl0~",
        "SD-JWT without disclosures": f"{JWS}~",
        "SD-JWT+KB": f"{JWS}~WyJzYWx0IiwiYSIsMV0~{KB}",
        "SD-JWT+KB without disclosures": f"{JWS}~{KB}",
    }
    return {name: {"text": text, "packed": [p.hex() for p in qr.pack_jws(text)]} for name, text in texts.items()}


def vectors() -> dict[str, dict[str, Any]]:
    return {
        "envelopes": envelopes(),
        "refused": {name: {"envelope": raw, "reason": why} for name, (raw, why) in refused().items()},
        "digits": {str(n): {"bytes": noise(n).hex(), "digits": digits_encode(noise(n))} for n in (*range(1, 16), 64)},
        "fountain": fountain(),
        "packed": packed(),
    }


if __name__ == "__main__":
    HOME.mkdir(exist_ok=True)
    for name, cases in vectors().items():
        (HOME / f"{name}.json").write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
