"""A crowd of wallets against an issuer's service, in a process of its own: token, nonce, credential, one after another.

python bench/service_load.py --work FILE --out FILE --wallets 32 --seconds 10 [--service PID]

``--work`` is what ``service_desk.py`` wrote: the address, pre-authorized codes, and what a wallet can prepare before it
has an answer (its keys, attestation, and the proofs that depend on nothing the server says). Connections are kept.

The crowd shares the machine's cores with the service, so it is made to cost little: requests are bytes as far as they
can be before the clock starts. In the timed part are all three requests with their answers, the key proof (it has the
nonce) and the second DPoP proof (it has the token's hash). Whether each answer holds a certificate of its own is looked
at when the clock has stopped.
"""

from __future__ import annotations

import argparse
import base64
import gc
import hashlib
import json
import os
import selectors
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_private_key

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_PRE_AUTHORIZED = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
_ES256 = ec.ECDSA(hashes.SHA256())
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"


class Unexpected(Exception):
    """An answer that is not the one of a service that works."""


class Wallet:
    """One issuance as prepared, and what only an answer allows to sign."""

    def __init__(self, work: dict[str, Any], one: dict[str, Any]) -> None:
        given, self._base = one["wallet"], work["base_url"]
        self._place = urlsplit(self._base)
        form = urlencode({"grant_type": _PRE_AUTHORIZED, "pre-authorized_code": one["code"]}).encode()
        self._token = self._head("/token", {"Content-Type": _FORM, **one["headers"]}, len(form)) + form
        self._nonce = self._head("/nonce", {}, 0)
        self._key = _key(given["key"])
        self._dpop = _key(given["dpop_key"]) if "dpop_key" in given else None
        self._proof_head = _part({"alg": "ES256", "typ": "openid4vci-proof+jwt", "jwk": given["jwk"]})
        self._dpop_head = _part({"alg": "ES256", "typ": "dpop+jwt", "jwk": given.get("dpop_jwk")})
        self._who = {} if work["client_id"] is None else {"iss": work["client_id"]}
        self._wanted = {"credential_configuration_id": work["configuration"]}

    def requests(self) -> Generator[bytes, bytes, None]:
        """Each request; it is told the body of the answer."""
        token = json.loads((yield self._token))["access_token"]
        nonce = json.loads((yield self._nonce))["c_nonce"]
        now = int(time.time())
        proof = _signed(self._proof_head, {"aud": self._base, "iat": now, "nonce": nonce, **self._who}, self._key)
        body = json.dumps({**self._wanted, "proofs": {"jwt": [proof]}}).encode()
        headers = {"Content-Type": _JSON, "Authorization": f"{'DPoP' if self._dpop else 'Bearer'} {token}"}
        if self._dpop is not None:
            claims = {"htm": "POST", "htu": f"{self._base}/credential", "iat": now, "jti": token[:16]}
            digest = hashlib.sha256(token.encode()).digest()
            headers["DPoP"] = _signed(self._dpop_head, claims | {"ath": _b64u(digest)}, self._dpop)
        yield self._head("/credential", headers, len(body)) + body

    def _head(self, path: str, headers: dict[str, str], length: int) -> bytes:
        lines = [f"POST {self._place.path}{path} HTTP/1.1", f"Host: {self._place.netloc}", f"Content-Length: {length}"]
        return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


class Line:
    """A connection that is kept, and the issuance that is under way on it."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        self._requests: Generator[bytes, bytes, None] | None = None
        self._got = b""

    def start(self, wallet: Wallet) -> None:
        """Begin an issuance."""
        self._requests = wallet.requests()
        self.began = time.perf_counter()
        self.socket.sendall(next(self._requests))

    def go_on(self) -> bytes | None:
        """Read what came, and ask for the next thing; the last answer's body when that was all."""
        self._got += self.socket.recv(65536)
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found:
            return None
        head = head.lower()
        if not head.startswith(b"http/1.1 200 "):
            raise Unexpected(self._got[:400].decode(errors="replace"))
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return None
        self._got = b""
        assert self._requests is not None
        try:
            self.socket.sendall(self._requests.send(body))
        except StopIteration:
            return body
        return None


class Window:
    """What is timed: from the end of the warm-up for so many seconds, with ``service``, a process, and its children."""

    def __init__(self, *, warm: int, seconds: float, service: int) -> None:
        self._warm, self._seconds, self._service = warm, seconds, service
        self._begun: tuple[float, float, float] | None = None
        self.times: list[float] = []
        self.told: dict[str, Any] = {}

    def note(self, began: float) -> None:
        """An issuance that began then is done."""
        now = time.perf_counter()
        if self._begun is None:
            self._warm -= 1
            self._begun = self._now() if self._warm <= 0 else None
        elif not self.told:
            self.times.append(now - began)
            if now - self._begun[0] >= self._seconds:
                self.close()

    def close(self) -> None:
        """The time is over, or there are no codes any more."""
        if self._begun is not None and not self.told:
            spent = [end - begin for begin, end in zip(self._begun, self._now(), strict=True)]
            self.told = dict(zip(("seconds", "load", "service"), spent, strict=True)) | {"times": self.times}

    def _now(self) -> tuple[float, float, float]:
        return time.perf_counter(), time.process_time(), _cpu_of(self._service)


def crowd(waiting: Iterator[Wallet], place: tuple[str, int], window: Window, *, wallets: int) -> list[bytes]:
    """``wallets`` at a time until the window is closed: the last answer of each issuance."""
    answers: list[bytes] = []
    with selectors.DefaultSelector() as ready:
        for _ in range(wallets):
            line = Line(*place)
            ready.register(line.socket, selectors.EVENT_READ, line)
            line.start(next(waiting))
        while ready.get_map():
            for key, _ in ready.select():
                line = key.data
                answer = line.go_on()
                if answer is None:
                    continue
                answers.append(answer)
                window.note(line.began)
                wallet = None if window.told else next(waiting, None)
                if wallet is None:
                    window.close()
                    ready.unregister(line.socket)
                    line.socket.close()
                else:
                    line.start(wallet)
    return answers


def _check(answers: list[bytes]) -> None:
    """Each answer has a certificate, and no two have the same."""
    found = {json.loads(one)["credentials"][0]["credential"] for one in answers}
    if len(found) != len(answers) or not all(found):
        raise Unexpected("two wallets got one certificate, or none")


def _cpu_of(process: int) -> float:
    """Seconds of a processor that it and its children took so far; not a number where there is no ``/proc``."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
        rows = [
            Path(f"/proc/{one}/stat").read_text(encoding="utf-8").rpartition(")")[2] for one in (process, *children)
        ]
    except OSError:
        return float("nan")
    return sum(int(ticks) for row in rows for ticks in row.rpartition(")")[2].split()[11:13]) / os.sysconf("SC_CLK_TCK")


def _key(text: str) -> Any:
    return load_der_private_key(base64.b64decode(text), None)


def _part(value: dict[str, Any]) -> str:
    return _b64u(json.dumps(value, separators=(",", ":")).encode())


def _signed(head: str, claims: dict[str, Any], key: Any) -> str:
    signed = f"{head}.{_part(claims)}"
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
    parser.add_argument("--service", type=int, required=True, help="the process whose time of the processor counts")
    chosen = parser.parse_args()
    work = json.loads(chosen.work.read_text(encoding="utf-8"))
    wallets = [Wallet(work, one) for one in work["issuances"]]
    place = urlsplit(work["base_url"])
    window = Window(warm=chosen.warm, seconds=chosen.seconds, service=chosen.service)
    gc.collect()
    gc.freeze()  # what was prepared is not looked through again and again
    _check(crowd(iter(wallets), (place.hostname or "", place.port or 0), window, wallets=chosen.wallets))
    chosen.out.write_text(json.dumps(window.told), encoding="utf-8")


if __name__ == "__main__":
    main()
