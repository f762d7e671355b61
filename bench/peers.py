"""The same work by others: verifying, issuing and presenting in the libraries that the interop tests install.

python bench/peers.py [--quick] [--json]

Theirs and ours take turns, block by block, in CPU time, as everywhere here; a ratio is the median of what their block
takes over what ours takes. Libraries for Node run in one process of Node that is warm, and count with all its threads.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import cbor2
import vouchkit
from cryptography import x509
from jwcrypto.jwk import JWK
from measure import Effort, against
from pymdoccbor.mdoc.issuer import MdocCborIssuer
from pymdoccbor.mdoc.verifier import MdocCbor
from report import machine
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier
from vouchkit.testkit import TestHolder, TestIssuer
from work import HOLDERS, works

from tests.interop.kit import ISSUER, VCT, NodePeers, private_jwk
from tests.interop.mdoc_kit import FORMAT as MDOC
from tests.interop.mdoc_kit import MDL, MDL_NAMESPACE, Authority
from vcred.claims import SD, ClaimPath
from vcred.credential import Content
from vcred.dcql import Candidate, DcqlQuery, match
from vcred.formats.base import IssuerKey
from vcred.formats.mdoc import Session, openid4vp_transcript, verify_document_signer
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.formats.w3c_vc import JwtVcJson
from vcred.keys import SoftwareSigner
from vcred.trust.did import did_key, did_methods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from work import Work

__all__ = ["Comparison", "comparisons", "table"]

NODE = Path(__file__).resolve().parent.parent / "tests" / "interop" / "node"
_CLIENT, _URI = "x509_hash:" + "A" * 43, "https://desk.dasom.example/r"
_NONCE, _TEXT = bytes(range(16)), "AAECAwQFBgcICQoLDA0ODw"
_DAY = timedelta(days=1)
_SHOWN = 6
METHOD = (
    "The certificate has 24 claims, each of them hidden, and 6 are presented; keys are P-256, and each verification "
    "has a holder's key it has not seen. Ours makes every check of its own that theirs leaves out."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One piece of work by one peer and by us, in microseconds of CPU; ``ratio`` says how often ours fits in theirs."""

    work: str
    peer: str
    theirs: float
    ours: float
    ratio: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def comparisons(effort: Effort) -> Iterator[Comparison]:
    """All rows, one after the other. Those of Node are left out where it, or its packages, are not installed."""
    # Peers that do not tell the time have it from the clock, and would find a benchmark's own dates expired.
    bench = _Bench(datetime.now(UTC).replace(microsecond=0), holders=min(HOLDERS, effort.rounds * effort.block))
    for work, peer, theirs, ours in (*bench.sd_jwt(), *bench.mdoc()):
        timing = against(theirs, ours, effort)
        yield Comparison(work=work, peer=_named(peer), theirs=timing.ours, ours=timing.raw, ratio=timing.ratio)
    with _node() as node:
        if node is not None:
            for work, peer, call, each, ours in (*bench.sd_jwt_js(), *bench.mdoc_js(node), *bench.others_js(node)):
                yield _with_node(node, work, peer, call, each, ours, effort)


def table(rows: Sequence[Comparison]) -> str:
    """The rows as a table in Markdown."""
    lines = ["| work | peer | theirs, us | ours, us | theirs / ours |", "|---|---|--:|--:|--:|"]
    lines += [f"| {row.work} | {row.peer} | {row.theirs:,.0f} | {row.ours:,.0f} | {row.ratio:.1f} |" for row in rows]
    return "\n".join(lines) + "\n"


class _Bench:
    """The certificate in every form that a peer takes."""

    def __init__(self, at: datetime, *, holders: int) -> None:
        self.at, self.now = at, int(at.timestamp())
        self.work: Work = works()["dc+sd-jwt flat"]
        self.claims = {name: one.value for name, one in self.work.claims.items() if isinstance(one, SD)}
        self.plain = {name: one for name, one in self.work.claims.items() if not isinstance(one, SD)}
        self.names = list(self.claims)[:_SHOWN]
        self.issuer, self.holder = self.work.issuer, self.work.holder
        self.holders = [SoftwareSigner.generate() for _ in range(holders)]
        self.format = SdJwtVc()
        self.key = IssuerKey(public_key=self.issuer.public_key)
        self.paths = [ClaimPath((name,)) for name in self.names]
        self.raw = self._issued(self.holder)
        self.opened = self.format.open(self.raw)
        self.presentations = [self._presented(holder) for holder in self.holders]
        self.authority = Authority("ES256", at)
        self.transcript = openid4vp_transcript(client_id=_CLIENT, nonce=_TEXT, response_uri=_URI, encryption_key=None)
        self.responses = [self._responded(self._their_document(holder), holder) for holder in self.holders]

    def content(self, holder: SoftwareSigner) -> Content:
        return Content(
            vct=VCT,
            issuer=ISSUER,
            claims=self.work.claims,
            issued_at=self.now - 60,
            expires_at=self.now + 86400,
            holder_key=holder.public_key,
        )

    def sd_jwt(self) -> Iterator[tuple[str, str, Callable[[], object], Callable[[], object]]]:
        """SD-JWT VC in Python."""
        issuer_jwk = self.issuer.public_key.to_jwk()
        issuer_key, private, holder_jwk = JWK(**issuer_jwk), JWK(**private_jwk(self.issuer)), private_jwk(self.holder)
        holder_key, public_key = JWK(**holder_jwk), JWK(**self.holder.public_key.to_jwk())
        marked = self._registered() | self.plain | {SDObj(name): value for name, value in self.claims.items()}
        wish = dict.fromkeys(self.names, True)
        header = {"typ": "dc+sd-jwt"}
        test_issuer, test_holder = TestIssuer(issuer=ISSUER, key=self.issuer.crypto), TestHolder(key=self.holder.crypto)
        jwt, held = test_issuer.issue(self.claims, vct=VCT, holder_jwk=self.holder.public_key.to_jwk(), now=self.now)

        def read(raw: str) -> object:
            return SDJWTVerifier(raw, lambda _issuer, _header: issuer_key, _CLIENT, _TEXT).get_verified_payload()

        def checked(raw: str) -> object:
            return vouchkit.verify_sd_jwt_vc(raw, issuer_jwk, expected_aud=_CLIENT, expected_nonce=_TEXT, now=self.now)

        def present() -> None:
            SDJWTHolder(self.raw.decode()).create_presentation(wish, _TEXT, _CLIENT, holder_key)

        def issue() -> object:
            return SDJWTIssuer(marked, private, public_key, extra_header_parameters=header)

        verify = "SD-JWT VC: verify with key binding"
        yield verify, "sd-jwt", _turns(read, self.presentations), _turns(self._verify, self._bytes())
        yield verify, "vouchkit", _turns(checked, self.presentations), _turns(self._verify, self._bytes())
        yield "SD-JWT VC: issue", "sd-jwt", issue, self._issue
        yield (
            "SD-JWT VC: issue", "vouchkit",
            lambda: test_issuer.issue(self.claims, vct=VCT, holder_jwk=holder_jwk, now=self.now), self._issue,
        )  # fmt: skip
        yield "SD-JWT VC: present from stored bytes", "sd-jwt", present, self._present_raw
        yield (
            "SD-JWT VC: present, disclosures at hand", "vouchkit",
            lambda: test_holder.present(jwt, held, self.names, aud=_CLIENT, nonce=_TEXT, now=self.now),
            self._present_opened,
        )  # fmt: skip

    def mdoc(self) -> Iterator[tuple[str, str, Callable[[], object], Callable[[], object]]]:
        """ISO mdoc in Python. pymdoccbor looks at no device signature; ours does."""
        root = x509.load_der_x509_certificate(self.authority.root)

        def read(raw: bytes) -> None:
            reader = MdocCbor()
            reader.loads(raw)
            assert reader.verify(trusted_root_certs=[root])

        yield "mdoc: verify", "pymdoccbor", _turns(read, self.responses), _turns(self._verify_mdoc, self.responses)
        yield (
            "mdoc: issue", "pymdoccbor",
            lambda: self._their_document(self.holder), lambda: self._our_document(self.holder),
        )  # fmt: skip

    def sd_jwt_js(self) -> Iterator[tuple[str, str, str, list[dict[str, Any]], Callable[[], object]]]:
        """SD-JWT VC in Node."""
        key, secret = self.issuer.public_key.to_jwk(), private_jwk(self.issuer)
        shown = [{"presentation": raw, "key": key, "nonce": _TEXT, "at": self.now} for raw in self.presentations]
        claims = self._registered() | self.plain | self.claims | {"cnf": {"jwk": self.holder.public_key.to_jwk()}}
        issued = {"claims": claims, "frame": {"_sd": list(self.claims)}, "key": secret}
        binding = {"iat": self.now, "aud": _CLIENT, "nonce": _TEXT}
        frame = dict.fromkeys(self.names, True)
        wish = {"credential": self.raw.decode(), "frame": frame, "key": private_jwk(self.holder), "claims": binding}
        peer = "@sd-jwt/sd-jwt-vc"
        verify = _turns(self._verify, self._bytes())
        yield "SD-JWT VC: verify with key binding", peer, "sd_jwt.verify", shown, verify
        yield "SD-JWT VC: issue", peer, "sd_jwt.issue", [issued], self._issue
        yield "SD-JWT VC: present from stored bytes", peer, "sd_jwt.present", [wish], self._present_raw

    def mdoc_js(self, node: NodePeers) -> Iterator[tuple[str, str, str, list[dict[str, Any]], Callable[[], object]]]:
        """ISO mdoc in Node, device signature included."""
        session = {"clientId": _CLIENT, "nonce": _TEXT, "responseUri": _URI}
        trusted = [_b64(self.authority.root)]
        each = [
            {"response": _b64(raw), "session": session, "trusted": trusted, "at": self.now} for raw in self.responses
        ]
        issued = {
            "doctype": MDL, "namespaces": {MDL_NAMESPACE: self.claims}, "key": private_jwk(self.authority.key),
            "chain": [_b64(self.authority.certificate)], "deviceKey": self.holder.public_key.to_jwk(),
            "hash": "SHA-256", "signed": self.now - 60, "until": self.now + 86400,
        }  # fmt: skip
        assert node.call("mdoc.verify", **each[0])
        verify = _turns(self._verify_mdoc, self.responses)
        yield "mdoc: verify with device signature", "@owf/mdoc", "mdoc.verify", each, verify
        yield "mdoc: issue", "@owf/mdoc", "mdoc.issue", [issued], lambda: self._our_document(self.holder)

    def others_js(self, node: NodePeers) -> Iterator[tuple[str, str, str, list[dict[str, Any]], Callable[[], object]]]:
        """A query over a wallet, and a VCDM 1.1 credential in a JWT whose issuer is a did:key."""
        query, wallet = self._query()
        assert node.call("dcql.match", query=query, credentials=wallet)["can_be_satisfied"]
        own = [
            Candidate(id=str(at), format="dc+sd-jwt", types=[one["vct"]], claims=one["claims"], holder_bound=True)
            for at, one in enumerate(wallet)
        ]
        match_ = lambda: match(DcqlQuery.parse(query), own)  # noqa: E731 - one expression, beside what it is compared with
        assert match_()
        each = [{"query": query, "credentials": wallet}]
        yield "DCQL: 3 queries over 12 certificates, parsing included", "dcql", "dcql.match", each, match_
        did = did_key(self.issuer.public_key)
        vc = {
            "@context": ["https://www.w3.org/2018/credentials/v1"],
            "type": ["VerifiableCredential", VCT],
            "credentialSubject": self.claims,
        }
        payload = {"sub": did, "nbf": self.now - 60, "exp": self.now + 86400, "vc": vc}
        token = node.call("did.issue", payload=payload, did=did, key=private_jwk(self.issuer))
        reader = JwtVcJson()

        def read() -> None:
            opened = reader.open(token.encode())
            reader.verify_signature(opened, did_methods(opened.issuer, None, path="iss")[0][1])

        given = [{"token": token, "at": self.now}]
        yield "JWT VC (VCDM 1.1): verify, did:key resolved", "did-jwt-vc", "did.verify", given, read

    def _query(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        types = [f"https://garam.example/type/{number}" for number in range(12)]
        wallet = [
            {"credential_format": "dc+sd-jwt", "cryptographic_holder_binding": True, "vct": one, "claims": self.claims}
            for one in types
        ]
        claims = [{"id": name, "path": [name]} for name in self.names]
        credentials = [
            {"id": f"q{at}", "format": "dc+sd-jwt", "meta": {"vct_values": [types[at]]}, "claims": claims}
            for at in range(3)
        ]
        return {"credentials": credentials, "credential_sets": [{"options": [["q0", "q1"], ["q2"]]}]}, wallet

    def _registered(self) -> dict[str, Any]:
        return {"iss": ISSUER, "iat": self.now - 60, "exp": self.now + 86400, "vct": VCT}

    def _issued(self, holder: SoftwareSigner) -> bytes:
        return self.format.issue(self.content(holder), self.key, self.issuer)

    def _presented(self, holder: SoftwareSigner) -> str:
        return self._shown(self.format.open(self._issued(holder)), holder).decode()

    def _shown(self, opened: Any, holder: SoftwareSigner) -> bytes:
        return self.format.present(opened, self.paths, holder, audience=_CLIENT, nonce=_NONCE, issued_at=self.now)

    def _bytes(self) -> list[bytes]:
        return [raw.encode() for raw in self.presentations]

    def _issue(self) -> object:
        return self._issued(self.holder)

    def _present_raw(self) -> object:
        return self._shown(self.format.open(self.raw), self.holder)

    def _present_opened(self) -> object:
        return self._shown(self.opened, self.holder)

    def _verify(self, raw: bytes) -> None:
        opened = self.format.open(raw)
        self.format.verify_signature(opened, self.issuer.public_key)
        self.format.verify_key_binding(opened)
        assert opened.key_binding is not None
        assert (opened.key_binding.audience, opened.key_binding.nonce) == (_CLIENT, _NONCE)

    def _our_document(self, holder: SoftwareSigner) -> bytes:
        key = IssuerKey(public_key=self.authority.key.public_key, chain=(self.authority.our_certificate,))
        return MDOC.issue(self.content(holder), key, self.authority.key)

    def _their_document(self, holder: SoftwareSigner) -> bytes:
        numbers = self.authority.key.crypto.private_numbers()
        key = {"KTY": "EC2", "CURVE": "P_256", "ALG": "ES256", "D": numbers.private_value.to_bytes(32, "big")}
        key |= {name: self.authority.key.public_key.to_cose()[label] for name, label in (("X", -2), ("Y", -3))}
        made = MdocCborIssuer(private_key=key | {"KID": b"signer"}, alg="ES256").new(
            doctype=MDL,
            data={MDL_NAMESPACE: self.claims},
            validity={
                "issuance_date": f"{self.at - _DAY:%Y-%m-%d}",
                "expiry_date": f"{self.at + 30 * _DAY:%Y-%m-%d}",
            },
            devicekeyinfo=holder.public_key.to_cose(),
            x509_chain=[self.authority.certificate],
        )
        return cbor2.dumps(made["documents"][0]["issuerSigned"])

    def _responded(self, raw: bytes, holder: SoftwareSigner) -> bytes:
        paths = [ClaimPath((MDL_NAMESPACE, name)) for name in self.names]
        prepared = MDOC.prepare_response(MDOC.open(raw), paths, transcript=self.transcript)
        return prepared.complete(holder.sign(prepared.signing_input))

    def _verify_mdoc(self, raw: bytes) -> None:
        session = Session(transcript=self.transcript, audience=_CLIENT, nonce=_NONCE, received_at=self.now)
        (opened,) = MDOC.open_response(raw, session)
        signer = verify_document_signer(opened, authorities=[self.authority.root], pinned=[], at=self.at)
        MDOC.verify_signature(opened, signer)
        MDOC.verify_key_binding(opened)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _turns(work: Callable[[Any], object], items: Sequence[Any]) -> Callable[[], object]:
    turn = cycle(items)
    return lambda: work(next(turn))


def _named(package: str) -> str:
    return f"{package} {version(package)}"


def _with_node(
    node: NodePeers,
    work: str,
    peer: str,
    call: str,
    each: list[dict[str, Any]],
    ours: Callable[[], object],
    effort: Effort,
) -> Comparison:
    """As ``measure.against``: blocks in turn, each side's own CPU time, and first of all enough calls to be warm."""
    turn = cycle(each)
    blocks = max(3, effort.rounds // 5)
    node.time(call, [next(turn) for _ in range(effort.block * 10)])
    ours()
    found = []
    for _ in range(blocks):
        theirs = node.time(call, [next(turn) for _ in range(effort.block)])
        start = time.process_time_ns()
        for _ in range(effort.block):
            ours()
        found.append((theirs, (time.process_time_ns() - start) / effort.block / 1000))
    installed = json.loads((NODE / "node_modules" / peer / "package.json").read_text(encoding="utf-8"))
    return Comparison(
        work=work,
        peer=f"{peer} {installed['version']}",
        theirs=median(one for one, _ in found),
        ours=median(two for _, two in found),
        ratio=median(one / two for one, two in found),
    )


@contextmanager
def _node() -> Iterator[NodePeers | None]:
    program = shutil.which("node")
    if program is None or not (NODE / "node_modules").is_dir():
        reason = "install Node.js, then run `npm ci --ignore-scripts` in tests/interop/node"
        print(f"left out: the peers for Node ({reason})", file=sys.stderr)
        yield None
        return
    peers = NodePeers(program, NODE / "peers.mjs")
    try:
        yield peers
    finally:
        peers.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short run, to see that everything runs")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = parser.parse_args(arguments)
    rows = list(comparisons(Effort.of(quick=chosen.quick)))
    if chosen.json:
        print(json.dumps({"machine": machine(), "rows": [row.to_json() for row in rows]}))
    else:
        print(f"{machine()}\n\n{METHOD}\n\n{table(rows)}", end="")


if __name__ == "__main__":
    main()
