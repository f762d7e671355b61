"""The one shape in which a linked-data proof is read and made here, and the checks that didkit does not make.

A linked-data proof covers what JSON-LD makes of a document, not the document. What no context defines, what is null,
the order of arrays and empty arrays are not covered, and didkit lets such changes pass. So the shape is fixed, and
checked here before didkit sees a byte:

1. Limits come first: at most 32 objects outside the claims, and no blank node that names itself.
2. ``@context`` is exactly that of VCDM 1.1, the proof's suite, and ``CLAIMS_CONTEXT``. Nothing is fetched.
3. Members are exactly those listed here; ``type`` is ``VerifiableCredential`` and the ``vct``, an absolute URL. Every
   URL is one that RDF takes: of any other didkit leaves out what is said with it, a status for example, and verifies.
4. The claims are one JSON literal (``@type: @json``): the proof covers them member by member, null and order included.
   Numbers are whole and below 2**53, since a JSON literal knows no others apart.
5. There is one proof, an object, of a suite below, with the members of that suite. Its purpose, its method (that of the
   issuer's ``did:key``) and the form of its signature are checked here; the signature by didkit.
6. Times are read here, and are for the verifier to compare: didkit reports no expiry.
7. Issuer and holder are ``did:key``: their keys are in the name. didkit would fetch any other.

Clauses: VCDM 1.1 sections 4 and 5, Data Integrity 1.0 section 4, JSON-LD 1.1 section 4.2.2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vcred.credential import KeyBinding, Opened, StatusReference, token_status
from vcred.errors import MalformedError
from vcred.formats._kb_jwt import nonce_bytes, nonce_text
from vcred.formats._paths import PathMap
from vcred.formats._w3c_jwt import later_than
from vcred.formats._w3c_legacy import V1_CONTEXT
from vcred.formats._w3c_model import own_type, plain_claims
from vcred.formats._w3c_time import read_moment, stamp
from vcred.formats._wire import b64u_decode, dump_json, parse_json
from vcred.formats.sd_jwt import MAX_TOKEN
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from vcred.credential import Content
    from vcred.keys import PublicKey

__all__ = [
    "CLAIMS_CONTEXT",
    "FORMAT",
    "STATUS_TYPE",
    "SUITE_OF",
    "LdpOpened",
    "document_of",
    "open_ldp",
    "own_did",
    "suite_context",
]

CLAIMS_CONTEXT: Final = {"claims": {"@id": "urn:vcred:kr:claims", "@type": "@json"}}
STATUS_TYPE: Final = "urn:vcred:TokenStatusListEntry"
"""``credentialStatus`` of ours: its ``id`` is the list's URI with the index as fragment."""

FORMAT: Final = "ldp_vc"
_SUITES = {
    "Ed25519Signature2020": ("EdDSA", "https://w3id.org/security/suites/ed25519-2020/v1", "proofValue"),
    "JsonWebSignature2020": ("ES256", "https://w3id.org/security/suites/jws-2020/v1", "jws"),
}
SUITE_OF = {alg: name for name, (alg, _, _) in _SUITES.items()}
_PROOF = frozenset({"type", "created", "proofPurpose", "verificationMethod"})
_REQUIRED = frozenset({"@context", "type", "issuer", "issuanceDate", "expirationDate", "credentialSubject", "proof"})
_ALLOWED = _REQUIRED | {"id", "credentialStatus"}
_PRESENTATION = frozenset({"@context", "type", "holder", "verifiableCredential", "proof"})
_MAX_OBJECTS = 32
_MAX_WHOLE = 2**53 - 1
_VISIBLE = re.compile(r"[!-~]{1,2048}")
_PROOF_VALUE = re.compile(r"z[1-9A-HJ-NP-Za-km-z]{80,90}")
_STATUS = re.compile(r"([!-~]+)#(0|[1-9][0-9]{0,9})")
_MAX_IRI = 2048
_CHARACTER = r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
_IRI = re.compile(
    r"(?:https?://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::[0-9]{1,5})?(?:[/?]" + _CHARACTER + r"*)?"
    r"|(?:urn|did):[A-Za-z0-9]" + _CHARACTER + r"*)(?:#" + _CHARACTER + r"*)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LdpOpened(Opened):
    """What didkit is to check: the credential, and the presentation around it with its holder."""

    document: bytes = field(repr=False)
    presentation: bytes | None = field(repr=False)
    holder: str = ""


def open_ldp(raw: bytes) -> LdpOpened:
    """Read a credential, or a presentation of exactly one, by the rules above. Raises ``MalformedError``."""
    body = parse_json(raw, "", max_bytes=MAX_TOKEN)
    if type(body) is not dict:
        raise MalformedError(ReasonCode.FORMAT, "", "not an object")
    _check_size(body)
    if body.get("type") != ["VerifiablePresentation"]:
        return _credential(raw, body, None, None, "")
    if body.keys() != _PRESENTATION:
        raise MalformedError(ReasonCode.CONTEXT, "vp", "members that are not those of a presentation here")
    holder, key = _did(body["holder"], "vp.holder")
    _check_context(body["@context"], [V1_CONTEXT, suite_context(key)], "vp")
    proof = _check_proof(body["proof"], key, f"{holder}#", "authentication", "vp.proof")
    held = body["verifiableCredential"]
    if type(held) is not dict:
        raise MalformedError(ReasonCode.FORMAT, "vp.verifiableCredential", "not exactly one credential")
    binding = _binding(proof, key)
    return _credential(raw, held, binding, dump_json(body), holder)


def _credential(
    raw: bytes, body: dict[str, Any], binding: KeyBinding | None, presentation: bytes | None, holder: str
) -> LdpOpened:
    if not _REQUIRED <= body.keys() <= _ALLOWED:
        raise MalformedError(ReasonCode.CONTEXT, "", "members that are not those of a credential here")
    issuer, key = _did(body["issuer"], "issuer")
    _check_context(body["@context"], [V1_CONTEXT, suite_context(key), CLAIMS_CONTEXT], "")
    proof = _check_proof(body["proof"], key, f"{issuer}#", "assertionMethod", "proof")
    if "id" in body:
        _check_iri(body["id"], "id")
    subject = body["credentialSubject"]
    if type(subject) is not dict or not {"claims"} <= subject.keys() <= {"id", "claims"}:
        raise MalformedError(ReasonCode.CONTEXT, "credentialSubject", "not claims, and perhaps the holder")
    claims = subject["claims"]
    if type(claims) is not dict or not _whole(claims):
        raise MalformedError(ReasonCode.CLAIM_TYPE, "credentialSubject.claims", "not an object without fractions")
    issued_at = read_moment(proof, "created", "proof")
    holder_key = _did(subject["id"], "credentialSubject.id")[1] if "id" in subject else None
    return LdpOpened(
        format=FORMAT,
        raw=raw,
        alg=key.alg,
        kid=proof["verificationMethod"].encode("ascii"),
        x5c=(),
        signing_input=b"",
        signature=b"",
        issuer=issuer,
        vct=_check_iri(own_type(body["type"], "", terms=False), "type"),
        issued_at=issued_at,
        not_before=later_than(issued_at, read_moment(body, "issuanceDate", "")),
        expires_at=read_moment(body, "expirationDate", ""),
        status=_status(body["credentialStatus"]) if "credentialStatus" in body else None,
        holder_key=holder_key,
        claims=claims,
        hidden_elements=PathMap({}),
        disclosures=PathMap({}),
        key_binding=binding,
        document=dump_json(body),
        presentation=presentation,
        holder=holder,
    )


def _check_size(body: dict[str, Any]) -> None:
    """Rule 1, before anything is made of the document. The claims are a literal, which no graph is made of."""
    queue: list[Any] = [body]
    seen = 0
    while queue:
        node = queue.pop()
        if type(node) is dict:
            seen += 1
            queue += [value for name, value in node.items() if name != "claims"]
        elif type(node) is list:
            queue += node
        elif type(node) is str and node.startswith("_:"):
            raise MalformedError(ReasonCode.LIMIT, "", "a blank node that names itself")
        if seen > _MAX_OBJECTS:
            raise MalformedError(ReasonCode.LIMIT, "", f"more than {_MAX_OBJECTS} objects outside the claims")


def _check_context(value: Any, expected: list[Any], path: str) -> None:
    if value != expected:
        raise MalformedError(ReasonCode.CONTEXT, f"{path}.@context".lstrip("."), "not exactly the contexts known here")


def _check_proof(proof: Any, key: PublicKey, method: str, purpose: str, path: str) -> dict[str, Any]:
    """Rule 5. ``method`` is the start of the DID URL that must have signed."""
    if type(proof) is not dict:
        raise MalformedError(ReasonCode.FORMAT, path, "not exactly one proof")
    alg, _, member = _SUITES.get(proof["type"], ("", "", "")) if type(proof.get("type")) is str else ("", "", "")
    if alg != key.alg:
        raise MalformedError(ReasonCode.ALG, f"{path}.type", "not the suite for the issuer's key")
    bound = {"challenge", "domain"} if purpose == "authentication" else set()
    if proof.keys() != _PROOF | bound | {member}:
        raise MalformedError(ReasonCode.CONTEXT, path, "members that are not those of its suite")
    if proof["proofPurpose"] != purpose:
        raise MalformedError(ReasonCode.KEY_USE, f"{path}.proofPurpose", f"not {purpose}")
    if proof["verificationMethod"] != method + method.removeprefix("did:key:").removesuffix("#"):
        raise MalformedError(ReasonCode.KEY, f"{path}.verificationMethod", "not that of the DID that signs")
    if read_moment(proof, "created", path) is None:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"{path}.created", "missing")
    _check_signature(proof[member], key.alg, f"{path}.{member}")
    return proof


def _check_signature(value: Any, alg: str, path: str) -> None:
    """That it is written in one way: didkit may read it in several."""
    if alg == "EdDSA":
        if type(value) is not str or not _PROOF_VALUE.fullmatch(value):
            raise MalformedError(ReasonCode.ENCODING, path, "not 64 bytes in multibase base58btc")
        return
    header, _, signature = value.partition("..") if type(value) is str else ("", "", "")
    fields = parse_json(b64u_decode(header, path), path, max_bytes=256, max_depth=2)
    if fields != {"alg": alg, "b64": False, "crit": ["b64"]} or fields["b64"] is not False:
        raise MalformedError(ReasonCode.CRIT, path, "not the header of a detached JWS over the document")
    if len(b64u_decode(signature, path)) != 64:
        raise MalformedError(ReasonCode.SIGNATURE, path, "not 64 bytes")


def _binding(proof: dict[str, Any], key: PublicKey) -> KeyBinding:
    audience, challenge = proof["domain"], proof["challenge"]
    if type(audience) is not str or not _VISIBLE.fullmatch(audience):
        raise MalformedError(ReasonCode.AUD, "vp.proof.domain", "not one audience as text")
    if type(challenge) is not str or not _VISIBLE.fullmatch(challenge) or len(challenge) > 256:
        raise MalformedError(ReasonCode.NONCE, "vp.proof.challenge", "not 1 to 256 visible ASCII characters")
    nonce, created = nonce_bytes(challenge), read_moment(proof, "created", "vp.proof")
    if nonce_text(nonce) != challenge:
        raise MalformedError(ReasonCode.NONCE, "vp.proof.challenge", "a nonce that is written in another way")
    assert created is not None
    return KeyBinding(audience=audience, nonce=nonce, issued_at=created, alg=key.alg, signing_input=b"", signature=b"")


def document_of(content: Content, suite: str) -> dict[str, Any]:
    """``content`` as a credential but for its proof. Raises ``ValueError`` for what does not fit the shape."""
    if content.decoys or not 0 <= content.issued_at < content.expires_at:
        raise ValueError("this format hides nothing, and a credential expires after it is issued")
    claims = plain_claims(dict(content.claims))
    if not _whole(claims):
        raise ValueError("a claim is a number that is not whole, or 2**53 or more")
    start = content.issued_at if content.not_before is None else content.not_before
    holder = {} if content.holder_key is None else {"id": own_did(content.holder_key)[0]}
    document: dict[str, Any] = {
        "@context": [V1_CONTEXT, suite, CLAIMS_CONTEXT],
        "type": ["VerifiableCredential", content.vct],
        "issuer": content.issuer,
        "issuanceDate": stamp(start),
        "expirationDate": stamp(content.expires_at),
        "credentialSubject": {**holder, "claims": claims},
    }
    if (status := token_status(content.status)) is not None:
        document["credentialStatus"] = {"id": f"{status.uri}#{status.index}", "type": STATUS_TYPE}
    return document


def _status(value: Any) -> StatusReference:
    if type(value) is not dict or value.keys() != {"id", "type"} or value["type"] != STATUS_TYPE:
        raise MalformedError(ReasonCode.STATUS_LIST, "credentialStatus", "not an entry of a Token Status List")
    match = _STATUS.fullmatch(_check_iri(value["id"], "credentialStatus.id"))
    if match is None or int(match[2]) >= 2**32:
        raise MalformedError(ReasonCode.STATUS_INDEX, "credentialStatus.id", "not a list with an index")
    return StatusReference(uri=match[1], index=int(match[2]))


def _check_iri(value: Any, path: str) -> str:
    """Rule 3: a URL that is in the graph as it stands. A scheme besides these could be a prefix of some context."""
    if type(value) is not str or len(value) > _MAX_IRI or not _IRI.fullmatch(value):
        raise MalformedError(ReasonCode.CLAIM_TYPE, path, "not an https, http, urn or did URL that RDF takes")
    return value


def _whole(claims: Any) -> bool:
    """Rule 4: no number that a JSON literal would take for another."""
    queue = [claims]
    while queue:
        node = queue.pop()
        if type(node) is dict:
            queue += node.values()
        elif type(node) is list:
            queue += node
        elif type(node) is float or (type(node) is int and abs(node) > _MAX_WHOLE):
            return False
    return True


def _did(value: Any, path: str) -> tuple[str, PublicKey]:
    """Rule 7. Raises ``MalformedError`` with ``issuer`` or ``key``."""
    from vcred.trust.did import did_key, did_methods  # noqa: PLC0415 - the trust layer loads where a DID is read

    if type(value) is not str or not value.startswith("did:key:"):
        raise MalformedError(ReasonCode.ISSUER, path, "not a did:key, whose key needs no network")
    key = did_methods(value, None, path=path)[0][1]
    if key.alg not in SUITE_OF or did_key(key) != value:
        raise MalformedError(ReasonCode.KEY, path, "not the did:key of an Ed25519 or P-256 key")
    return value, key


def own_did(key: PublicKey) -> tuple[str, str]:
    """The DID of ``key`` and its method. Raises ``ValueError`` for a key that didkit has no suite for."""
    from vcred.trust.did import did_key  # noqa: PLC0415 - as above

    if key.alg not in SUITE_OF:
        raise ValueError("this format takes Ed25519 and P-256 keys")
    did = did_key(key)
    return did, f"{did}#{did.removeprefix('did:key:')}"


def suite_context(key: PublicKey) -> str:
    """The context of the suite that ``key`` signs with."""
    return _SUITES[SUITE_OF[key.alg]][1]
