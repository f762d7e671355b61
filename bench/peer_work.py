"""What ``peers`` measures: the same work by us and by each library that the interop tests install.

Theirs and ours take turns, block by block, in CPU time, as everywhere here; a ratio is the median of what their block
takes over what ours takes. Libraries for Node run in one process of Node that is warm, and count with all its threads.
Ours makes every check of its own that theirs leaves out; ``answers`` says which those are.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from itertools import cycle
from typing import TYPE_CHECKING, Any

import cbor2
import vouchkit
from cryptography import x509
from jwcrypto.jwk import JWK
from leniency import aged, ask, jwt_vcs, mdocs, sd_jwts
from measure import against
from peer_node import Comparison, installed, node_peers, with_node
from pymdoccbor.mdoc.issuer import MdocCborIssuer
from pymdoccbor.mdoc.verifier import MdocCbor
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier
from vouchkit.testkit import TestHolder, TestIssuer
from work import HOLDERS, works

from tests.interop.kit import ISSUER, VCT, private_jwk
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

    from leniency import Answer
    from measure import Effort
    from work import Work

    from tests.interop.kit import NodePeers
    from vcred.credential import Opened

__all__ = ["Found", "measure"]

_CLIENT, _URI = "x509_hash:" + "A" * 43, "https://desk.dasom.example/r"
_NONCE, _TEXT = bytes(range(16)), "AAECAwQFBgcICQoLDA0ODw"
_DAY = timedelta(days=1)
_SHOWN = 6
_LEEWAY = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything measured and asked, and why some peers were left out: empty when none was."""

    comparisons: tuple[Comparison, ...]
    answers: tuple[Answer, ...]
    left_out: str

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": [row.to_json() for row in self.comparisons],
            "answers": [asdict(one) for one in self.answers],
            "left_out": self.left_out,
        }


def measure(effort: Effort, *, say: Callable[[Comparison], None]) -> Found:
    """Everything, one after the other; ``say`` is told each row when it is there."""
    # Peers that do not tell the time have it from the clock, and would find a benchmark's own dates expired.
    bench = _Bench(datetime.now(UTC).replace(microsecond=0), holders=min(HOLDERS, effort.rounds * effort.block))
    rows: list[Comparison] = []

    def note(row: Comparison) -> None:
        rows.append(row)
        say(row)

    for work, peer, theirs, ours in (*bench.sd_jwt(), *bench.mdoc()):
        timing = against(theirs, ours, effort)
        note(Comparison(work=work, peer=_named(peer), theirs=timing.ours, ours=timing.raw, ratio=timing.ratio))
    with node_peers() as (node, left_out):
        if node is not None:
            for work, peer, call, each, ours in (*bench.sd_jwt_js(), *bench.mdoc_js(node), *bench.others_js(node)):
                note(with_node(node, work, peer, call, each, ours, effort))
        answers = tuple(bench.answers(node))
    return Found(comparisons=tuple(rows), answers=answers, left_out=left_out)


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
        self.format, self.jwt_vc = SdJwtVc(), JwtVcJson()
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
        private, holder_jwk = JWK(**private_jwk(self.issuer)), private_jwk(self.holder)
        holder_key, public_key = JWK(**holder_jwk), JWK(**self.holder.public_key.to_jwk())
        marked = self._registered() | self.plain | {SDObj(name): value for name, value in self.claims.items()}
        wish = dict.fromkeys(self.names, True)
        header = {"typ": "dc+sd-jwt"}
        test_issuer, test_holder = TestIssuer(issuer=ISSUER, key=self.issuer.crypto), TestHolder(key=self.holder.crypto)
        jwt, held = test_issuer.issue(self.claims, vct=VCT, holder_jwk=self.holder.public_key.to_jwk(), now=self.now)

        def present() -> None:
            SDJWTHolder(self.raw.decode()).create_presentation(wish, _TEXT, _CLIENT, holder_key)

        def issue() -> object:
            return SDJWTIssuer(marked, private, public_key, extra_header_parameters=header)

        for peer, read in self._sd_jwt_readers().items():
            ours = _turns(self._verify, self._bytes())
            yield "SD-JWT VC: verify with key binding", peer, _turns(read, self.presentations), ours
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
        theirs = _turns(self._mdoc_reader(), self.responses)
        yield "mdoc: verify", "pymdoccbor", theirs, _turns(self._verify_mdoc, self.responses)
        yield (
            "mdoc: issue", "pymdoccbor",
            lambda: self._their_document(self.holder), lambda: self._our_document(self.holder),
        )  # fmt: skip

    def sd_jwt_js(self) -> Iterator[tuple[str, str, str, list[dict[str, Any]], Callable[[], object]]]:
        """SD-JWT VC in Node."""
        secret = private_jwk(self.issuer)
        shown = [self._given_sd_jwt(raw) for raw in self.presentations]
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
        each = [self._given_mdoc(raw) for raw in self.responses]
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
        did, payload = self._did_payload()
        token = node.call("did.issue", payload=payload, did=did, key=private_jwk(self.issuer))
        given = [{"token": token, "at": self.now}]
        read = partial(self._verify_jwt_vc, token.encode())
        yield "JWT VC (VCDM 1.1): verify, did:key resolved", "did-jwt-vc", "did.verify", given, read

    def answers(self, node: NodePeers | None) -> Iterator[Answer]:
        """Whom each fault of ``leniency`` gets past, ourselves included."""
        faults = sd_jwts(self.issuer, self.holder, self._registered(), audience=_CLIENT, nonce=_TEXT, now=self.now)
        yield from ask("vcred", lambda token: self._verify(token.encode()), faults)
        for peer, read in self._sd_jwt_readers().items():
            yield from ask(_named(peer), read, faults)
        documents = self._faulty_documents()
        yield from ask("vcred", self._verify_mdoc, documents)
        yield from ask(_named("pymdoccbor"), self._mdoc_reader(), documents)
        did, payload = self._did_payload()
        credentials = jwt_vcs(self.issuer, did, payload, now=self.now)
        yield from ask("vcred", lambda token: self._verify_jwt_vc(token.encode()), credentials)
        if node is None:
            return
        by_node: tuple[tuple[str, str, Callable[[Any], dict[str, Any]], dict[str, Any]], ...] = (
            ("@sd-jwt/sd-jwt-vc", "sd_jwt.verify", self._given_sd_jwt, faults),
            ("@owf/mdoc", "mdoc.verify", self._given_mdoc, documents),
            ("did-jwt-vc", "did.verify", lambda token: {"token": token, "at": self.now}, credentials),
        )
        for peer, call, given, wrong in by_node:
            yield from ask(installed(peer), lambda one, call=call, given=given: node.call(call, **given(one)), wrong)

    def _sd_jwt_readers(self) -> dict[str, Callable[[str], object]]:
        jwk = self.issuer.public_key.to_jwk()
        key = JWK(**jwk)
        return {
            "sd-jwt": lambda raw: SDJWTVerifier(raw, lambda *_: key, _CLIENT, _TEXT).get_verified_payload(),
            "vouchkit": lambda raw: vouchkit.verify_sd_jwt_vc(
                raw, jwk, expected_aud=_CLIENT, expected_nonce=_TEXT, now=self.now
            ),
        }

    def _mdoc_reader(self) -> Callable[[bytes], None]:
        root = x509.load_der_x509_certificate(self.authority.root)

        def read(raw: bytes) -> None:
            reader = MdocCbor()
            reader.loads(raw)
            if not reader.verify(trusted_root_certs=[root]):
                raise ValueError("not verified")

        return read

    def _given_sd_jwt(self, raw: str) -> dict[str, Any]:
        return {"presentation": raw, "key": self.issuer.public_key.to_jwk(), "nonce": _TEXT, "at": self.now}

    def _given_mdoc(self, raw: bytes) -> dict[str, Any]:
        session = {"clientId": _CLIENT, "nonce": _TEXT, "responseUri": _URI}
        return {"response": _b64(raw), "session": session, "trusted": [_b64(self.authority.root)], "at": self.now}

    def _faulty_documents(self) -> dict[str, bytes]:
        other = openid4vp_transcript(client_id=_CLIENT, nonce=_TEXT[::-1], response_uri=_URI, encryption_key=None)
        document = self._their_document(self.holder)
        old = aged(document, self.authority.key, self.at - 3 * _DAY, self.at - 2 * _DAY)
        return mdocs(
            self._responded(document, self.holder),
            expired=self._responded(old, self.holder),
            other_session=self._responded(document, self.holder, other),
        )

    def _did_payload(self) -> tuple[str, dict[str, Any]]:
        did = did_key(self.issuer.public_key)
        vc = {
            "@context": ["https://www.w3.org/2018/credentials/v1"],
            "type": ["VerifiableCredential", VCT],
            "credentialSubject": self.claims,
        }
        return did, {"sub": did, "nbf": self.now - 60, "exp": self.now + 86400, "vc": vc}

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
        self._check_times(opened)
        binding = opened.key_binding
        if binding is None or (binding.audience, binding.nonce) != (_CLIENT, _NONCE):
            raise ValueError("for somebody else")

    def _check_times(self, opened: Opened) -> None:
        """What ``verifier`` compares after a format's checks; peers that look at times do so in their one call."""
        binding = opened.key_binding
        if opened.expires_at is None or self.now > opened.expires_at + _LEEWAY:
            raise ValueError("expired")
        if any(start is not None and start > self.now + _LEEWAY for start in (opened.issued_at, opened.not_before)):
            raise ValueError("not yet valid")
        if binding is not None and abs(binding.issued_at - self.now) > _LEEWAY:
            raise ValueError("signed at another time")

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

    def _responded(self, raw: bytes, holder: SoftwareSigner, transcript: bytes | None = None) -> bytes:
        paths = [ClaimPath((MDL_NAMESPACE, name)) for name in self.names]
        prepared = MDOC.prepare_response(MDOC.open(raw), paths, transcript=transcript or self.transcript)
        return prepared.complete(holder.sign(prepared.signing_input))

    def _verify_mdoc(self, raw: bytes) -> None:
        session = Session(transcript=self.transcript, audience=_CLIENT, nonce=_NONCE, received_at=self.now)
        (opened,) = MDOC.open_response(raw, session)
        signer = verify_document_signer(opened, authorities=[self.authority.root], pinned=[], at=self.at)
        MDOC.verify_signature(opened, signer)
        MDOC.verify_key_binding(opened)
        self._check_times(opened)

    def _verify_jwt_vc(self, raw: bytes) -> None:
        opened = self.jwt_vc.open(raw)
        self.jwt_vc.verify_signature(opened, did_methods(opened.issuer, None, path="iss")[0][1])
        self._check_times(opened)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _turns(work: Callable[[Any], object], items: Sequence[Any]) -> Callable[[], object]:
    turn = cycle(items)
    return lambda: work(next(turn))


def _named(package: str) -> str:
    return f"{package} {version(package)}"
