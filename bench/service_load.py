"""A crowd of wallets against an issuer's service, in a process of its own: token, nonce, credential, one after another.

python bench/service_load.py --work FILE --out FILE --wallets 48 --seconds 10

``--work`` is what ``service_desk.py`` wrote: the address, pre-authorized codes, and what a wallet can prepare before it
has an answer (its keys, attestation, and the proofs that depend on nothing the server says). Connections are kept.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_private_key

_PRE_AUTHORIZED = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
_ES256 = ec.ECDSA(hashes.SHA256())


class Unexpected(Exception):
    """An answer that is not the one of a service that works."""


class Line:
    """One connection, used for one request after another."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, headers: dict[str, str], body: bytes) -> Any:
        """The JSON of a successful answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._host}:{self._port}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        told = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        answer = await reader.readexactly(int(told["content-length"]))
        if told.get("connection", "").lower() == "close":
            await self.close()
        status = int(head[0].split(" ")[1])
        if status != 200:
            raise Unexpected(f"{path}: {status} {answer[:300].decode(errors='replace')}")
        return json.loads(answer)

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Wallet:
    """Keys and proofs as prepared, and what only an answer allows to sign."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.jwk, self.dpop_jwk = given["jwk"], given.get("dpop_jwk")
        self._key = load_der_private_key(base64.b64decode(given["key"]), None)
        self._dpop = load_der_private_key(base64.b64decode(given["dpop_key"]), None) if self.dpop_jwk else None

    def proof(self, audience: str, nonce: str, client_id: str | None) -> str:
        """A key proof (OpenID4VCI 1.0 appendix F.1)."""
        claims = {"aud": audience, "iat": int(time.time()), "nonce": nonce}
        if client_id is not None:
            claims["iss"] = client_id
        return _signed({"alg": "ES256", "typ": "openid4vci-proof+jwt", "jwk": self.jwk}, claims, self._key)

    def dpop(self, url: str, token: str) -> str:
        """A DPoP proof for the credential endpoint (RFC 9449)."""
        digest = hashlib.sha256(token.encode()).digest()
        claims = {"htm": "POST", "htu": url, "iat": int(time.time()), "jti": token[:16], "ath": _b64u(digest)}
        return _signed({"alg": "ES256", "typ": "dpop+jwt", "jwk": self.dpop_jwk}, claims, self._dpop)


async def issued(line: Line, work: dict[str, Any], one: dict[str, Any], wallet: Wallet) -> float:
    """One whole issuance; how many seconds it took."""
    base, path, client_id = work["base_url"], urlsplit(work["base_url"]).path, work["client_id"]
    begun = time.perf_counter()
    form = urlencode({"grant_type": _PRE_AUTHORIZED, "pre-authorized_code": one["code"]}).encode()
    usual = {"Content-Type": "application/x-www-form-urlencoded", **one["headers"]}
    token = (await line.post(f"{path}/token", usual, form))["access_token"]
    nonce = (await line.post(f"{path}/nonce", {}, b""))["c_nonce"]
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    if wallet.dpop_jwk:
        headers |= {"Authorization": f"DPoP {token}", "DPoP": wallet.dpop(f"{base}/credential", token)}
    proofs = {"jwt": [wallet.proof(base, nonce, client_id)]}
    body = json.dumps({"credential_configuration_id": work["configuration"], "proofs": proofs}).encode()
    answer = await line.post(f"{path}/credential", headers, body)
    took = time.perf_counter() - begun
    if not answer["credentials"][0]["credential"]:
        raise Unexpected("no credential")
    return took


async def crowd(work: dict[str, Any], *, wallets: int, seconds: float, warm: int) -> dict[str, Any]:
    """``wallets`` at a time, for ``seconds`` after ``warm`` issuances, or until the codes are used up."""
    place = urlsplit(work["base_url"])
    assert place.hostname
    assert place.port
    waiting = iter([(one, Wallet(one["wallet"])) for one in work["issuances"]])
    times: list[float] = []
    ready, until = 0, float("inf")
    begun = time.perf_counter()

    async def person() -> None:
        nonlocal ready, until, begun
        line = Line(place.hostname or "", place.port or 0)
        for one, wallet in waiting:
            took = await issued(line, work, one, wallet)
            ready += 1
            if ready == warm:
                begun = time.perf_counter()
                until = begun + seconds
            elif ready > warm:
                times.append(took)
            if time.perf_counter() >= until:
                break
        await line.close()

    await asyncio.gather(*(person() for _ in range(wallets)))
    return {"seconds": time.perf_counter() - begun, "times": times}


def _signed(header: dict[str, Any], claims: dict[str, Any], key: Any) -> str:
    signed = f"{_b64u(json.dumps(header).encode())}.{_b64u(json.dumps(claims).encode())}"
    r, s = decode_dss_signature(key.sign(signed.encode(), _ES256))
    return f"{signed}.{_b64u(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _b64u(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--wallets", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--warm", type=int, default=100)
    chosen = parser.parse_args()
    work = json.loads(chosen.work.read_text(encoding="utf-8"))
    found = asyncio.run(crowd(work, wallets=chosen.wallets, seconds=chosen.seconds, warm=chosen.warm))
    chosen.out.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
