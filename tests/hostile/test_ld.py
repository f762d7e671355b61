"""LD: hostile W3C credentials (threats.md). LD-04's names are in ``test_ld_did``; what didkit would do with them is here.

Each credential is signed as it stands, or changed after it was signed: only what its name says is wrong with it.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import contextmanager
from importlib.resources import files

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.trust_town import AT as TOWN_AT
from tests.trust_town import CITY_NAME, DAY, NOW, Town
from vcred.catalog import Catalog
from vcred.claims import SD
from vcred.credential import Content, StatusReference
from vcred.errors import MalformedError, RefusedError
from vcred.formats._didkit_process import DidkitProcess
from vcred.formats._jose import sign_jws
from vcred.formats._w3c_cose import open_cose_credential, open_cose_presentation
from vcred.formats._w3c_jwt import parse_presentation, parse_sd_presentation
from vcred.formats._w3c_ldp import _IRI, document_of, own_did, suite_context
from vcred.formats._w3c_model import plain_claims
from vcred.formats._wire import b64u_encode, dump_json
from vcred.formats.base import IssuerKey
from vcred.formats.didkit import CLAIMS_CONTEXT, LdpVc, _options, _private_jwk
from vcred.formats.sd_jwt import conceal, fresh_salts
from vcred.formats.w3c_vc import JwtVcJson, W3cJwt, W3cSdJwt
from vcred.keys import SoftwareSigner
from vcred.presentation import Presented
from vcred.reasons import ReasonCode as Code
from vcred.trust import Purpose
from vcred.trust.did import did_jwk, did_key
from verifier import VerificationPolicy
from verifier._ledger import Ledger
from verifier.checks import Session, examine

ISSUER, HOLDER, OTHER = SoftwareSigner.generate(), SoftwareSigner.generate(), SoftwareSigner.generate()
V1, V2 = "https://www.w3.org/2018/credentials/v1", "https://www.w3.org/ns/credentials/v2"
TERMS = {"@vocab": "urn:vcred:kr:claim:"}
VCT = "urn:vcred:kr:resident.household:1"
SENT = {"audience": "x509_hash:abc", "nonce": bytes(range(128, 144)), "issued_at": 1_758_900_000}
JWT, SD_JWT, LEGACY = W3cJwt(), W3cSdJwt(), JwtVcJson()
LEGACY_TYPE = "edu.graduation"  # one of those that may be in a format that hides nothing
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="descriptor limits are POSIX's")


def body(**changes: object) -> dict:
    made = {
        "@context": [V2, TERMS],
        "type": ["VerifiableCredential", VCT],
        "issuer": "https://city.example",
        "validFrom": "2025-09-26T00:00:00Z",
        "validUntil": "2025-12-26T00:00:00Z",
        "credentialSubject": {"name": "김가상"},
        "iat": 1_758_844_800,
        "exp": 1_766_000_000,
        "cnf": {"jwk": HOLDER.public_key.to_jwk()},
    }
    return {name: value for name, value in (made | changes).items() if value is not ...}


def vc1(**changes: object) -> dict:
    vc = {
        "@context": [V1, TERMS],
        "type": ["VerifiableCredential", VCT],
        "issuanceDate": "2025-09-26T00:00:00Z",
        "credentialSubject": {"name": "김가상"},
    }
    claims = {"iss": "https://city.example", "nbf": 1_758_844_800, "exp": 1_766_000_000}
    vc |= changes.pop("vc", {})
    return claims | changes | {"vc": vc}


def vp(*tokens: bytes, **changes: object) -> dict:
    made = {
        "@context": [V2],
        "type": ["VerifiablePresentation"],
        "verifiableCredential": [
            {
                "@context": V2,
                "type": "EnvelopedVerifiableCredential",
                "id": f"data:application/vc+jwt,{token.decode()}",
            }
            for token in tokens
        ],
        "aud": "x509_hash:abc",
        "nonce": "n-0123456789",
        "iat": 1_758_900_000,
    }
    return {name: value for name, value in (made | changes).items() if value is not ...}


def signed(payload: dict, typ: str = "vc+jwt", signer: SoftwareSigner = ISSUER, **header: object) -> bytes:
    return sign_jws({"typ": typ, **header}, dump_json(payload), signer)


def refusal(act) -> Code:
    with pytest.raises(RefusedError) as caught:
        act()
    return caught.value.code


CONTEXTS = {
    "LD-01 remote": [V2, "https://evil.example/context"],
    "LD-01 remote, first": ["https://evil.example/context", V2],
    "LD-01 loopback": [V2, "http://127.0.0.1:1/context"],
    "LD-01 file": [V2, "file:///etc/passwd"],
    "LD-01 data": [V2, "data:application/ld+json,{}"],
    "LD-01 relative": [V2, "v2"],
    "LD-01 of VCDM 1.1": [V2, V1],
    "LD-01 VCDM 1.1 first": [V1, V2],
    "LD-01 trailing slash": [V2 + "/"],
    "LD-01 without TLS": [V2.replace("https", "http")],
    "LD-01 a text": V2,
    "LD-01 an object": {"@vocab": "urn:x:"},
    "LD-01 none": [],
    "LD-01 absent": ...,
    "LD-01 null": [V2, None],
    "LD-01 a list in a list": [[V2], TERMS],
    "LD-06 another vocabulary": [V2, {"@vocab": "https://evil.example/#"}],
    "LD-06 ours and more": [V2, {"@vocab": "urn:vcred:kr:claim:", "issuer": "https://evil.example/#issuer"}],
    "LD-06 a protected term": [V2, TERMS, {"credentialSubject": "https://evil.example/#s"}],
    "LD-06 a keyword": [V2, {"@vocab": "urn:vcred:kr:claim:", "id": "urn:x:id"}],
    "LD-06 an import": [V2, {"@import": "https://evil.example/context"}],
    "LD-06 reset": [V2, None, {"@vocab": "https://evil.example/#"}],
    "LD-06 a base": [V2, {"@base": "https://evil.example/"}],
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_ld_01_06_contexts_that_nobody_here_knows(name):
    raw = signed(body(**{"@context": CONTEXTS[name]}))
    assert refusal(lambda: JWT.open(raw)) is Code.CONTEXT
    sd = signed(body(**{"@context": CONTEXTS[name]}), "vc+sd-jwt") + b"~"
    assert refusal(lambda: SD_JWT.open(sd)) is Code.CONTEXT
    shown = signed(vp(signed(body()), **{"@context": CONTEXTS[name]}), "vp+jwt", HOLDER)
    assert refusal(lambda: JWT.open(shown)) is Code.CONTEXT
    if name not in ("LD-01 VCDM 1.1 first", "LD-01 absent"):
        context = CONTEXTS[name]
        swapped = json.loads(json.dumps(context).replace(V2, V1)) if name != "LD-01 of VCDM 1.1" else [V1, V2]
        assert refusal(lambda: LEGACY.open(signed(vc1(vc={"@context": swapped}), "JWT"))) is Code.CONTEXT


def test_ld_01_a_hundred_contexts():
    assert refusal(lambda: JWT.open(signed(body(**{"@context": [V2, *[TERMS] * 100]})))) is Code.LIMIT


UNMAPPED = {
    "LD-02 a member": {"badExtension": {"huh": "what?"}},
    "LD-02 a member of a proof": {"proof": {"type": "DataIntegrityProof"}},
    "LD-02 a term as type": {"@context": [V2], "type": ["VerifiableCredential", "HouseholdCredential"]},
    "LD-02 claims without a vocabulary": {"@context": [V2], "credentialSubject": {"town": "가람시"}},
    "LD-02 a keyword": {"@id": "urn:x:y"},
    "LD-02 a graph": {"@graph": []},
    "LD-02 included": {"@included": []},
    "LD-08 issuanceDate beside validFrom": {"issuanceDate": "2020-01-01T00:00:00Z"},
    "LD-08 the same issuanceDate": {"issuanceDate": "2025-09-26T00:00:00Z"},
    "LD-08 issuanceDate alone": {"issuanceDate": "2025-09-26T00:00:00Z", "validFrom": ...},
    "LD-08 expirationDate beside validUntil": {"expirationDate": "2035-01-01T00:00:00Z"},
    "LD-08 expirationDate alone": {"expirationDate": "2035-01-01T00:00:00Z", "validUntil": ...},
}


@pytest.mark.parametrize("name", UNMAPPED)
def test_ld_02_08_members_that_mean_nothing_here(name):
    assert refusal(lambda: JWT.open(signed(body(**UNMAPPED[name])))) is Code.CONTEXT
    assert refusal(lambda: SD_JWT.open(signed(body(**UNMAPPED[name]), "vc+sd-jwt") + b"~")) is Code.CONTEXT


MALFORMED = {
    "vc claim": ({"vc": {}}, "format"),
    "vp claim": ({"vp": {}}, "format"),
    "type text": ({"type": "VerifiableCredential"}, "vct"),
    "type alone": ({"type": ["VerifiableCredential"]}, "vct"),
    "type twice": ({"type": ["VerifiableCredential", "VerifiableCredential"]}, "vct"),
    "two types of its own": ({"type": ["VerifiableCredential", VCT, "urn:a:b"]}, "vct"),
    "no credential": ({"type": [VCT, "urn:a:b"]}, "vct"),
    "type null": ({"type": ["VerifiableCredential", None]}, "vct"),
    "issuer missing": ({"issuer": ...}, "issuer"),
    "issuer a name": ({"issuer": "the city"}, "issuer"),
    "issuer without id": ({"issuer": {"name": "city"}}, "issuer"),
    "issuer two": ({"issuer": ["https://city.example"]}, "issuer"),
    "iss of another": ({"iss": "https://evil.example"}, "issuer"),
    "iss a number": ({"iss": 1}, "issuer"),
    "jti of another": ({"id": "urn:uuid:1", "jti": "urn:uuid:2"}, "claim_type"),
    "jti a number": ({"jti": 5}, "claim_type"),
    "sub of another": ({"credentialSubject": {"id": "did:example:a", "n": 1}, "sub": "did:example:b"}, "claim_type"),
    "id no url": ({"id": "1872"}, "claim_type"),
    "id with a space": ({"id": "urn:a b"}, "claim_type"),
    "subject a list": ({"credentialSubject": [{"name": "x"}]}, "claim_type"),
    "subject empty": ({"credentialSubject": {}}, "claim_type"),
    "subject missing": ({"credentialSubject": ...}, "claim_type"),
    "subject id no url": ({"credentialSubject": {"id": "me"}}, "claim_type"),
    "validFrom a day": ({"validFrom": "2025-09-26"}, "claim_type"),
    "validFrom without offset": ({"validFrom": "2025-09-26T00:00:00"}, "claim_type"),
    "validFrom a number": ({"validFrom": 1_758_844_800}, "claim_type"),
    "validFrom no day": ({"validFrom": "2025-02-30T00:00:00Z"}, "claim_type"),
    "validFrom null": ({"validFrom": None}, "claim_type"),
    "validFrom in other digits": ({"validFrom": "２０25-09-26T00:00:00Z"}, "claim_type"),
    "validUntil before validFrom": ({"validUntil": "2025-09-25T00:00:00Z"}, "claim_type"),
    "iat a text": ({"iat": "2025-09-26T00:00:00Z"}, "claim_type"),
    "exp a fraction": ({"exp": 1_766_000_000.5}, "claim_type"),
    "exp true": ({"exp": True}, "claim_type"),
    "cnf by kid": ({"cnf": {"kid": "1"}}, "cnf"),
    "cnf private": ({"cnf": {"jwk": {**HOLDER.public_key.to_jwk(), "d": "AA"}}}, "cnf"),
    "schema without type": ({"credentialSchema": {"id": "urn:a:b"}}, "claim_type"),
    "terms of use by the hundred": ({"termsOfUse": [{"type": "T"}] * 100}, "limit"),
    "status of another kind": ({"credentialStatus": {"type": "StatusList2021Entry"}}, "status_unknown"),
    "status of a kind nobody knows": ({"credentialStatus": {"id": "urn:a:b", "type": "TheirStatus"}}, "status_unknown"),
    "status without a kind": ({"credentialStatus": {"id": "https://city.example/1"}}, "status_unknown"),
    "status empty": ({"status": {}}, "status_list"),
    "digests where nothing hides": ({"credentialSubject": {"_sd": ["abc"]}}, "format"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_ld_what_vcdm_and_jwt_forbid(name):
    changes, code = MALFORMED[name]
    assert refusal(lambda: JWT.open(signed(body(**changes)))) == code


def entry(purpose, number):
    return {
        "type": "BitstringStatusListEntry",
        "statusPurpose": purpose,
        "statusListIndex": "1",
        "statusListCredential": f"https://city.example/{number}",
    }


CLAIM = {"status_list": {"idx": 1, "uri": "https://city.example/1"}}
UNKNOWN = {"id": "urn:a:b", "type": "TheirStatus"}


def test_ld_two_statuses_are_never_looked_up_as_one():
    both = [entry("revocation", 1), entry("suspension", 2)]
    opened = JWT.open(signed(body(credentialStatus=both)))
    assert [(one.uri[-1], one.purpose) for one in opened.status] == [("1", "revocation"), ("2", "suspension")]
    opened = JWT.open(signed(body(credentialStatus=[entry("refresh", 1), entry("suspension", 2)])))
    assert opened.status.uri == "https://city.example/2"
    for named, count in ((entry("revocation", 2), 2), (both, 3)):
        opened = JWT.open(signed(body(status=CLAIM, credentialStatus=named)))
        assert (len(opened.status), opened.status[0]) == (
            count,
            StatusReference(uri=CLAIM["status_list"]["uri"], index=1),
        )
        assert LEGACY.open(signed(vc1(vc={"credentialStatus": named}, status=CLAIM), "JWT")).status == opened.status


@pytest.mark.parametrize("place", [0, 1, 2])
def test_ld_one_entry_that_nobody_knows_among_others_is_not_left_out(place):
    named = [entry("revocation", 1), entry("suspension", 2)]
    named.insert(place, UNKNOWN)
    assert refusal(lambda: JWT.open(signed(body(credentialStatus=named)))) is Code.STATUS_UNKNOWN
    assert refusal(lambda: SD_JWT.open(signed(body(credentialStatus=named), "vc+sd-jwt") + b"~")) is Code.STATUS_UNKNOWN
    assert refusal(lambda: JWT.open(signed(body(status=CLAIM, credentialStatus=UNKNOWN)))) is Code.STATUS_UNKNOWN
    assert refusal(lambda: LEGACY.open(signed(vc1(vc={"credentialStatus": named}), "JWT"))) is Code.STATUS_UNKNOWN


HIDDEN = {
    "top level": ({"_sd": ["x" * 43]}, "must_be_plain"),
    "status": ({"status": {"_sd": ["x" * 43]}}, "must_be_plain"),
    "issuer": ({"issuer": {"id": "https://city.example", "_sd": ["x" * 43]}}, "must_be_plain"),
    "a type": ({"type": ["VerifiableCredential", VCT, {"...": "x" * 43}]}, "must_be_plain"),
    "a context": ({"@context": [V2, TERMS, {"...": "x" * 43}]}, "must_be_plain"),
    "evidence": ({"evidence": [{"type": "E", "_sd": ["x" * 43]}]}, "must_be_plain"),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_sd_10_nothing_but_claims_of_the_subject_is_hidden(name):
    changes, code = HIDDEN[name]
    assert refusal(lambda: SD_JWT.open(signed(body(**changes), "vc+sd-jwt") + b"~")) == code


@pytest.mark.parametrize("member", ["validUntil", "credentialStatus", "cnf", "issuer", "credentialSubject"])
def test_sd_10_what_says_whether_it_is_valid_cannot_come_from_a_disclosure(member):
    from hashlib import sha256

    value = body().get(member, {"type": "x"})
    disclosure = b64u_encode(json.dumps(["salt-salt-salt-salt-22", member, value]).encode()).encode()
    digest = b64u_encode(sha256(disclosure).digest())
    raw = signed(body(**{member: ..., "_sd": [digest]}), "vc+sd-jwt") + b"~" + disclosure + b"~"
    assert refusal(lambda: SD_JWT.open(raw)) is Code.MUST_BE_PLAIN
    for name in ("id", "type"):
        inner = b64u_encode(json.dumps(["salt-salt-salt-salt-22", name, "urn:a:b"]).encode()).encode()
        subject = {"name": "x", "_sd": [b64u_encode(sha256(inner).digest())]}
        raw = signed(body(credentialSubject=subject), "vc+sd-jwt") + b"~" + inner + b"~"
        assert refusal(lambda raw=raw: SD_JWT.open(raw)) is Code.MUST_BE_PLAIN


HEADERS = {
    "VC-01 another typ": ({"typ": "JWT"}, "typ"),
    "VC-01 an SD-JWT VC": ({"typ": "dc+sd-jwt"}, "typ"),
    "VC-01 a status list": ({"typ": "statuslist+jwt"}, "typ"),
    "VC-01 the long form": ({"typ": "application/vc+jwt"}, "typ"),
    "VC-01 the cty of a presentation": ({"typ": "vc+jwt", "cty": "vp"}, "typ"),
    "JW-12 crit": ({"typ": "vc+jwt", "crit": ["exp"]}, "crit"),
    "JW-14 jwk": ({"typ": "vc+jwt", "jwk": ISSUER.public_key.to_jwk()}, "untrusted"),
    "JW-15 jku": ({"typ": "vc+jwt", "jku": "https://evil.example/keys"}, "untrusted"),
    "JW-16 kid": ({"typ": "vc+jwt", "kid": "../../x"}, "kid"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers(name):
    header, code = HEADERS[name]
    assert refusal(lambda: JWT.open(sign_jws(header, dump_json(body()), ISSUER))) == code


def test_one_format_is_never_taken_for_another():
    tokens = {
        "vc+jwt": signed(body()),
        "vp+jwt": signed(vp(signed(body())), "vp+jwt", HOLDER),
        "vc+sd-jwt": signed(body(), "vc+sd-jwt") + b"~",
        "jwt_vc_json": signed(vc1(), "JWT"),
    }
    reads = {JWT: ("vc+jwt", "vp+jwt"), SD_JWT: ("vc+sd-jwt",), LEGACY: ("jwt_vc_json",), LdpVc(): ()}
    for form, own in reads.items():
        for name, raw in tokens.items():
            if name in own:
                form.open(raw)
            else:
                assert refusal(lambda form=form, raw=raw: form.open(raw))


ENVELOPES = {
    "a bare token": "eyJh.eyJh.eyJh",
    "an object that is not secured": {"@context": [V2], "type": ["VerifiableCredential"]},
    "id no data url": {"id": "not-a-credential"},
    "id a web address": {"id": "https://evil.example/credential"},
    "id of another media type": {"id": "data:application/jwt,a.b.c"},
    "id with parameters": {"id": "data:application/vc+jwt;charset=utf-8,a.b.c"},
    "id percent-encoded": {"id": "data:application/vc+jwt,a%2Eb.c.d"},
    "id in base64": {"id": "data:application/vc+jwt;base64,YWJj"},
    "id with a line break": {"id": "data:application/vc+jwt,a.b.c\n"},
    "another type": {"type": "VerifiableCredential"},
    "a presentation": {"type": "EnvelopedVerifiablePresentation", "id": "data:application/vp+jwt,a.b.c"},
    "a presentation called a credential": {"id": "data:application/vp+jwt,a.b.c"},
    "a presentation that hides": {"id": "data:application/vp+sd-jwt,a.b.c~"},
    "a credential of both types": {"type": ["EnvelopedVerifiableCredential", "EnvelopedVerifiablePresentation"]},
    "another context": {"@context": "https://evil.example/context"},
    "one member more": {"proof": {}},
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_ld_envelopes(name):
    change = ENVELOPES[name]
    good = vp(signed(body()))["verifiableCredential"][0]
    bad = (
        good | change
        if isinstance(change, dict) and "VerifiableCredential" not in str(change.get("@context"))
        else change
    )
    if name == "an object that is not secured":
        bad = change
    raw = signed(vp(verifiableCredential=[bad]), "vp+jwt", HOLDER)
    assert refusal(lambda: JWT.open(raw)) is Code.FORMAT
    # Beside a good one it is no better.
    assert refusal(lambda: parse_presentation(signed(vp(verifiableCredential=[good, bad]), "vp+jwt"), contexts=()))


PRESENTATIONS = {
    "KB no audience": ({"aud": ...}, "aud"),
    "KB two audiences": ({"aud": ["a", "b"]}, "aud"),
    "KB no nonce": ({"nonce": ...}, "nonce"),
    "KB a nonce with a space": ({"nonce": "a b"}, "nonce"),
    "KB no iat": ({"iat": ...}, "iat"),
    "KB iat a text": ({"iat": "2025-09-26T00:00:00Z"}, "iat"),
    "KB nbf after iat": ({"nbf": 1_758_900_001}, "iat"),
    "no credential": ({"verifiableCredential": []}, "limit"),
    "credentials missing": ({"verifiableCredential": ...}, "format"),
    "a thousand credentials": ({"verifiableCredential": [{}] * 1000}, "limit"),
    "another type": ({"type": ["VerifiablePresentation", "urn:a:b"]}, "typ"),
    "holder no url": ({"holder": "me"}, "claim_type"),
    "holder and iss differ": ({"holder": "did:example:a", "iss": "did:example:b"}, "issuer"),
    "a member more": ({"proof": {}}, "context"),
    "a credential's member": ({"credentialSubject": {}}, "context"),
}


@pytest.mark.parametrize("name", PRESENTATIONS)
def test_kb_presentations(name):
    changes, code = PRESENTATIONS[name]
    raw = signed(vp(signed(body()), **changes), "vp+jwt", HOLDER)
    assert refusal(lambda: JWT.open(raw)) == code


def told(raw: bytes, form=JWT) -> tuple[Code, str]:
    with pytest.raises(MalformedError) as caught:
        form.open(raw)
    return caught.value.code, caught.value.detail


def test_kb_two_credentials_in_one_answer():
    two = signed(vp(signed(body()), signed(body())), "vp+jwt", HOLDER)
    code, detail = told(two)
    assert code is Code.FORMAT
    assert "several credentials" in detail
    assert len(parse_presentation(two, contexts=()).credentials) == 2


def hiding(*tokens: bytes) -> bytes:
    """A presentation that envelops credentials which can hide claims."""
    shown = vp(*tokens)
    for entry in shown["verifiableCredential"]:
        entry["id"] = entry["id"].replace("vc+jwt", "vc+sd-jwt")
    return signed(shown, "vp+jwt", HOLDER)


def test_kb_a_vc_sd_jwt_is_not_presented_in_an_envelope():
    """Its own key-binding JWT says which disclosures the holder meant; an envelope round it is another way."""
    raw = hiding(signed(body(), "vc+sd-jwt") + b"~")
    code, detail = told(raw)
    assert code is Code.FORMAT
    assert "presented in its own way" in detail
    assert told(raw, SD_JWT)[0] in (Code.TYP, Code.FORMAT)
    ((kind, token),) = parse_presentation(raw, contexts=()).credentials
    assert kind == "application/vc+sd-jwt"
    assert SD_JWT.open(token).claims == {"name": "김가상"}
    # Called by the other name it is no better.
    assert refusal(lambda: JWT.open(signed(vp(signed(body(), "vc+sd-jwt")), "vp+jwt", HOLDER))) is Code.TYP


def test_kb_an_enveloped_presentation_is_no_answer():
    """EnvelopedVerifiablePresentation is JSON around a ``vp+jwt``: what is in it is what is presented."""
    inner = signed(vp(signed(body())), "vp+jwt", HOLDER).decode()
    outer = {
        "@context": V2,
        "type": "EnvelopedVerifiablePresentation",
        "id": f"data:application/vp+jwt,{inner}",
    }
    for form in (JWT, SD_JWT, LEGACY):
        assert told(dump_json(outer), form)[0] is Code.FORMAT
    bound = outer | {"@context": [V2], "id": "urn:a:b", "aud": "x509_hash:abc", "nonce": "n-01", "iat": 1_758_900_000}
    for signed_over in (outer, bound):
        assert refusal(lambda it=signed_over: JWT.open(signed(it, "vp+jwt", HOLDER))) in (Code.TYP, Code.CONTEXT)
    held = signed(vp(verifiableCredential=[outer]), "vp+jwt", HOLDER)
    code, detail = told(held)
    assert code is Code.FORMAT
    assert "presentation in a presentation" in detail


def concealed(body: dict, *hidden: str) -> bytes:
    """``body`` with these members in disclosures."""
    rest = {name: SD(value) if name in hidden else value for name, value in body.items()}
    payload, disclosures = conceal(rest, salts=fresh_salts())
    return b"~".join((signed(payload | {"_sd_alg": "sha-256"}, "vp+sd-jwt", HOLDER), *disclosures, b""))


@pytest.mark.parametrize("name", ["aud", "nonce", "iat", "@context", "exp"])
def test_sd_10_what_binds_a_presentation_is_never_disclosed(name):
    shown = vp(signed(body()), exp=1_758_900_100)
    assert parse_sd_presentation(concealed(shown, "holder", "id"), contexts=()).binding().audience == "x509_hash:abc"
    with pytest.raises(MalformedError) as caught:
        parse_sd_presentation(concealed(shown, name), contexts=())
    assert caught.value.code is Code.MUST_BE_PLAIN


def test_kb_a_presentation_that_hides_takes_no_second_signature():
    raw = concealed(vp(signed(body()), holder="did:example:a"), "holder")
    assert parse_sd_presentation(raw, contexts=()).holder == "did:example:a"
    with pytest.raises(MalformedError, match="key-binding"):
        parse_sd_presentation(raw + b"a.b.c", contexts=())
    with pytest.raises(MalformedError, match="typ"):
        parse_presentation(raw.split(b"~")[0], contexts=())
    for form in (JWT, SD_JWT, LEGACY):
        assert told(raw, form)[0] in (Code.TYP, Code.FORMAT, Code.ENCODING)


def test_kb_a_presentation_of_a_presentation():
    inner = signed(vp(signed(body())), "vp+jwt", HOLDER)
    assert refusal(lambda: JWT.open(signed(vp(inner), "vp+jwt", HOLDER))) is Code.TYP


OLDER = {
    "iss missing": (vc1(vc={}) | {"iss": "x"}, "issuer"),
    "issuer differs": (vc1(vc={"issuer": "https://evil.example"}), "issuer"),
    "LD-08 nbf and issuanceDate differ": (vc1(nbf=1_758_844_801), "claim_type"),
    "LD-08 exp and expirationDate differ": (vc1(vc={"expirationDate": "2035-01-01T00:00:00Z"}), "claim_type"),
    "LD-08 a member of VCDM 2.0": (vc1(vc={"validFrom": "2025-09-26T00:00:00Z"}), "context"),
    "sub differs": (vc1(sub="did:example:a", vc={"credentialSubject": {"id": "did:example:b"}}), "claim_type"),
    "jti differs": (vc1(jti="urn:a:1", vc={"id": "urn:a:2"}), "claim_type"),
    "vc and vp": (vc1() | {"vp": {}}, "format"),
    "neither": ({"iss": "https://city.example"}, "format"),
    "vc a text": (vc1() | {"vc": "x"}, "context"),
    "subject a list": (vc1(vc={"credentialSubject": []}), "claim_type"),
    "LD-02 a member": (vc1(vc={"extra": 1}), "context"),
    "LD-02 a claim": (vc1(extra=1), "context"),
    "vp with an object": (
        {"vp": {"@context": [V1], "type": "VerifiablePresentation", "verifiableCredential": [{}]}},
        "format",
    ),
    "vp without aud": (
        {"vp": {"@context": [V1], "type": "VerifiablePresentation", "verifiableCredential": "a.b.c"}},
        "aud",
    ),
    "vp of another type": ({"vp": {"@context": [V1], "type": "X", "verifiableCredential": "a.b.c"}}, "typ"),
    "vp with a proof": ({"vp": {"@context": [V1], "type": "X", "proof": {}}}, "context"),
}


@pytest.mark.parametrize("name", OLDER)
def test_ld_08_the_older_shape(name):
    payload, code = OLDER[name]
    assert refusal(lambda: LEGACY.open(signed(payload, "JWT"))) == code


@pytest.fixture(scope="module")
def process():
    pytest.importorskip("didkit")
    with_limit = DidkitProcess()
    yield with_limit
    with_limit.close()


@pytest.fixture(scope="module")
def ldp(process):
    return LdpVc(process=process)


def content(**changes: object) -> Content:
    return Content(
        **{  # type: ignore[arg-type]
            "vct": VCT,
            "issuer": did_key(ISSUER.public_key),
            "claims": {"issuedOn": "2025-09-26", "name": SD("김가상"), "rows": [{"n": 1}, {"n": 2}], "none": None},
            "issued_at": 1_758_844_800,
            "expires_at": 1_766_000_000,
            "holder_key": HOLDER.public_key,
            "status": StatusReference(uri="https://city.example/status/1", index=4711),
            **changes,
        }
    )


@pytest.fixture(scope="module")
def credential(ldp):
    return ldp.issue(content(), IssuerKey(public_key=ISSUER.public_key), ISSUER)


@pytest.fixture(scope="module")
def shown(ldp, credential):
    return ldp.present(ldp.open(credential), [], HOLDER, **SENT)


def check(ldp, raw: bytes) -> None:
    opened = ldp.open(raw)
    ldp.verify_signature(opened, ISSUER.public_key)
    if opened.key_binding is not None:
        ldp.verify_key_binding(opened)


def subject(vc):
    return vc["credentialSubject"]


CHANGED = {
    "LD-01 a context more": (lambda vc: vc["@context"].append("https://evil.example/context"), "context"),
    "LD-01 a context of didkit's own": (
        lambda vc: vc["@context"].append("https://www.w3.org/2018/credentials/examples/v1"),
        "context",
    ),
    "LD-01 a context in the proof": (lambda vc: vc["proof"].update({"@context": ["https://evil.example/"]}), "context"),
    "LD-01 a context in the subject": (lambda vc: subject(vc).update({"@context": "https://evil.example/"}), "context"),
    "LD-02 a type": (lambda vc: vc["type"].append("ExtraCredential"), "vct"),
    "LD-02 a type in place": (lambda vc: vc["type"].__setitem__(1, "ExtraCredential"), "context"),
    "LD-02 the type twice": (lambda vc: vc["type"].append("VerifiableCredential"), "vct"),
    "LD-02 a member": (lambda vc: vc.update({"extra": 1}), "context"),
    "LD-02 a member that is null": (lambda vc: vc.update({"evidence": None}), "context"),
    "LD-02 a member that is empty": (lambda vc: vc.update({"evidence": []}), "context"),
    "LD-02 a member of the subject": (lambda vc: subject(vc).update({"degree": "doctor"}), "context"),
    "LD-02 a member of the proof": (lambda vc: vc["proof"].update({"note": "x"}), "context"),
    "LD-02 a member of the status": (lambda vc: vc["credentialStatus"].update({"note": "x"}), "status_list"),
    "LD-02 a claim": (lambda vc: subject(vc)["claims"].update({"pardons": "all"}), "signature"),
    "LD-02 a claim that is null": (lambda vc: subject(vc)["claims"].update({"pardons": None}), "signature"),
    "LD-02 a claim that is empty": (lambda vc: subject(vc)["claims"].update({"convictions": []}), "signature"),
    "LD-02 a claim less": (lambda vc: subject(vc)["claims"].pop("none"), "signature"),
    "LD-02 rows in another order": (lambda vc: subject(vc)["claims"]["rows"].reverse(), "signature"),
    "LD-02 a row twice": (lambda vc: subject(vc)["claims"]["rows"].append({"n": 2}), "signature"),
    "LD-02 rows in rows": (lambda vc: subject(vc)["claims"].update({"rows": [[{"n": 1}, {"n": 2}]]}), "signature"),
    "LD-02 a number as fraction": (lambda vc: subject(vc)["claims"]["rows"][0].update({"n": 1.0}), "claim_type"),
    "LD-02 claims as a value": (
        lambda vc: subject(vc).update({"claims": {"@value": subject(vc)["claims"], "@type": "@json"}}),
        "signature",
    ),
    "LD-02 claims in a list": (lambda vc: subject(vc).update({"claims": [subject(vc)["claims"]]}), "claim_type"),
    "LD-02 subjects": (lambda vc: vc.update({"credentialSubject": [subject(vc)]}), "context"),
    "LD-02 no status": (lambda vc: vc.pop("credentialStatus"), "signature"),
    "LD-02 another status": (lambda vc: vc["credentialStatus"].update({"id": "https://x.example/1#1"}), "signature"),
    "LD-02 an id": (lambda vc: vc.update({"id": "urn:uuid:1"}), "signature"),
    "LD-02 another holder": (lambda vc: subject(vc).update({"id": did_key(OTHER.public_key)}), "signature"),
    "LD-02 no holder": (lambda vc: subject(vc).pop("id"), "signature"),
    "LD-03 a later end": (lambda vc: vc.update({"expirationDate": "2035-01-01T00:00:00Z"}), "signature"),
    "LD-03 no end": (lambda vc: vc.pop("expirationDate"), "context"),
    "LD-03 an end without offset": (lambda vc: vc.update({"expirationDate": "2025-12-01T00:00:00"}), "claim_type"),
    "LD-03 another start": (lambda vc: vc.update({"issuanceDate": "2024-01-01T00:00:00Z"}), "signature"),
    "LD-03 another time of signing": (lambda vc: vc["proof"].update({"created": "2024-01-01T00:00:00Z"}), "signature"),
    "LD-05 no proof": (lambda vc: vc.pop("proof"), "context"),
    "LD-05 no proofs": (lambda vc: vc.update({"proof": []}), "format"),
    "LD-05 a list of one": (lambda vc: vc.update({"proof": [vc["proof"]]}), "format"),
    "LD-05 one good, one bad": (
        lambda vc: vc.update({"proof": [vc["proof"], vc["proof"] | {"created": "2020-01-01T00:00:00Z"}]}),
        "format",
    ),
    "LD-05 one bad, one good": (
        lambda vc: vc.update({"proof": [vc["proof"] | {"created": "2020-01-01T00:00:00Z"}, vc["proof"]]}),
        "format",
    ),
    "LD-05 to authenticate": (lambda vc: vc["proof"].update({"proofPurpose": "authentication"}), "key_use"),
    "LD-05 to delegate": (lambda vc: vc["proof"].update({"proofPurpose": "capabilityDelegation"}), "key_use"),
    "LD-05 another suite": (lambda vc: vc["proof"].update({"type": "Ed25519Signature2020"}), "alg"),
    "LD-05 an unknown suite": (lambda vc: vc["proof"].update({"type": "NoneSignature"}), "alg"),
    "LD-05 a list of suites": (lambda vc: vc["proof"].update({"type": ["JsonWebSignature2020"]}), "alg"),
    "LD-05 somebody else's method": (
        lambda vc: vc["proof"].update({"verificationMethod": did_key(OTHER.public_key) + "#x"}),
        "key",
    ),
    "LD-05 a method by address": (
        lambda vc: vc["proof"].update({"verificationMethod": "https://evil.example/key"}),
        "key",
    ),
    "JW-01 alg none": (
        lambda vc: vc["proof"].update({"jws": b64u_encode(b'{"alg":"none","b64":false,"crit":["b64"]}') + ".."}),
        "crit",
    ),
    "JW-13 without b64": (
        lambda vc: vc["proof"].update({"jws": b64u_encode(b'{"alg":"ES256"}') + ".." + "A" * 86}),
        "crit",
    ),
    "JW-05 all zero": (
        lambda vc: vc["proof"].update({"jws": vc["proof"]["jws"].split("..")[0] + ".." + "A" * 86}),
        "signature",
    ),
    "JW-08 padding": (lambda vc: vc["proof"].update({"jws": vc["proof"]["jws"] + "=="}), "encoding"),
    "JW-06 a byte short": (lambda vc: vc["proof"].update({"jws": vc["proof"]["jws"][:-2]}), "signature"),
    "a jws that is no text": (lambda vc: vc["proof"].update({"jws": 5}), "json"),
    "LD-06 a protected term": (lambda vc: vc["@context"][2].update({"issuer": "urn:evil:issuer"}), "context"),
    "LD-06 a vocabulary": (lambda vc: vc["@context"][2].update({"@vocab": "urn:evil:"}), "context"),
    "LD-06 a vocabulary after": (lambda vc: vc["@context"].append({"@vocab": "urn:evil:"}), "context"),
    "LD-06 claims as something else": (lambda vc: vc["@context"][2]["claims"].update({"@type": "@id"}), "context"),
    "LD-06 another order": (lambda vc: vc["@context"].reverse(), "context"),
    "LD-04 did:web, loopback": (lambda vc: vc.update({"issuer": "did:web:127.0.0.1%3A1"}), "issuer"),
    "LD-04 did:web, public": (lambda vc: vc.update({"issuer": "did:web:city.example"}), "issuer"),
    "LD-04 did:onion": (lambda vc: vc.update({"issuer": "did:onion:expyuzz4wqqyqhjn"}), "issuer"),
    "LD-04 did:jwk": (lambda vc: vc.update({"issuer": did_jwk(ISSUER.public_key)}), "issuer"),
    "LD-04 an address": (lambda vc: vc.update({"issuer": "https://127.0.0.1/issuer"}), "issuer"),
    "LD-04 an issuer with a name": (lambda vc: vc.update({"issuer": {"id": vc["issuer"]}}), "issuer"),
    "LD-04 a holder by did:web": (lambda vc: subject(vc).update({"id": "did:web:127.0.0.1"}), "issuer"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_ld_changed_after_signing(ldp, credential, name):
    change, code = CHANGED[name]
    vc = json.loads(credential)
    change(vc)
    assert refusal(lambda: check(ldp, json.dumps(vc).encode())) == code


def test_ld_02_didkit_by_itself_accepts_a_type_that_means_nothing(process, ldp, credential):
    """Why the shape is checked here: the day this fails, didkit has learnt something."""
    vc = json.loads(credential)
    vc["type"].append("ExtraCredential")
    assert json.loads(process.call("verify_credential", json.dumps(vc).encode(), b"{}"))["errors"] == []
    vc = json.loads(credential)
    vc["proof"] = [vc["proof"], vc["proof"] | {"created": "2020-01-01T00:00:00Z"}]
    assert json.loads(process.call("verify_credential", json.dumps(vc).encode(), b"{}"))["errors"] == []
    assert json.loads(process.call("verify_credential", credential, b"{}"))["errors"] == []


def linked(process, change) -> bytes:
    """A credential as didkit signs it, whatever it is: ``change`` is made to ours before it is signed."""
    vc = document_of(content(), suite_context(ISSUER.public_key))
    change(vc)
    options = _options(ISSUER.public_key, "assertionMethod", own_did(ISSUER.public_key)[1], created=1_758_844_800)
    raw = process.call("issue_credential", dump_json(vc), dump_json(options), dump_json(_private_jwk(ISSUER)))
    assert raw is not None
    return raw


NOT_IN_THE_GRAPH = [
    "https://city.example/{1}",
    "https://city.example/a|b",
    "https://city.example/50%",
    "https://city.example/a<b>",
    "https://city.example/a\\b",
    'https://city.example/a"b',
    "https://city.example/a^b",
    "https://city.example/a#b",
    "https://city.example:port/1",
    "https://city.example/[1]",
]


@pytest.mark.parametrize("uri", NOT_IN_THE_GRAPH)
def test_ld_02_what_is_said_with_a_url_that_rdf_does_not_take_is_signed_by_nobody(process, ldp, uri):
    """didkit leaves it out and verifies, so a thief could take the status off, or point it at a neighbour's."""
    raw = linked(process, lambda vc: vc["credentialStatus"].update({"id": f"{uri}#1"}))
    for change in (lambda vc: vc.pop("credentialStatus"), lambda vc: vc["credentialStatus"].update({"id": f"{uri}#2"})):
        vc = json.loads(raw)
        change(vc)
        answer = process.call("verify_credential", dump_json(vc), b"{}")
        assert json.loads(answer)["errors"] == [], "this is what didkit does"
    assert refusal(lambda: check(ldp, raw)) is Code.CLAIM_TYPE
    key = IssuerKey(public_key=ISSUER.public_key)
    with pytest.raises(ValueError, match="read again"):
        ldp.issue(content(status=StatusReference(uri=uri, index=1)), key, ISSUER)
    if "#" in uri:
        return  # only with an index after it are there two
    typed = linked(process, lambda vc: vc["type"].__setitem__(1, uri))
    assert refusal(lambda: check(ldp, typed)) in (Code.CLAIM_TYPE, Code.CONTEXT)
    named = linked(process, lambda vc: vc.update({"id": uri}))
    assert refusal(lambda: check(ldp, named)) is Code.CLAIM_TYPE


@pytest.mark.parametrize("short", ["cred:Household", "sec:a", "xsd:a", "claims:a", "schema:a", "_:a", "a:b"])
def test_ld_06_a_url_that_could_be_a_short_form_of_another(process, ldp, short):
    raw = linked(process, lambda vc: vc["type"].__setitem__(1, short))
    assert refusal(lambda: check(ldp, raw)) in (Code.CLAIM_TYPE, Code.CONTEXT, Code.LIMIT)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(uri=st.from_regex(_IRI, fullmatch=True).filter(lambda uri: "#" not in uri and "%" not in uri and len(uri) < 200))
def test_ld_02_what_is_said_with_any_other_url_is_covered(ldp, uri):
    key = IssuerKey(public_key=ISSUER.public_key)
    raw = ldp.issue(content(vct=uri, status=StatusReference(uri=uri, index=1)), key, ISSUER)
    check(ldp, raw)
    for change in (
        lambda vc: vc.pop("credentialStatus"),
        lambda vc: vc["credentialStatus"].update({"id": f"{uri}#2"}),
        lambda vc: vc["type"].__setitem__(1, f"{uri}#2"),
    ):
        vc = json.loads(raw)
        change(vc)
        assert refusal(lambda vc=vc: check(ldp, dump_json(vc))) is Code.SIGNATURE


KEYWORDS = {
    "@context": {"name": "https://evil.example/#other"},
    "@id": "urn:a:b",
    "@type": "@json",
    "@value": 1,
    "@graph": [],
    "@list": [1],
    "@set": [],
    "@vocab": "https://evil.example/#",
    "@language": "ko",
    "@index": "1",
    "@reverse": {},
    "id": "_:b0",
    "type": "VerifiableCredential",
    "proof": {},
}


@pytest.mark.parametrize("name", KEYWORDS)
def test_ld_06_keywords_among_the_claims_are_claims(ldp, credential, name):
    """The claims are one literal: nothing in them is JSON-LD, and all of it is signed."""
    key = IssuerKey(public_key=ISSUER.public_key)
    for claims in ({name: KEYWORDS[name]}, {"name": "김가상", "deep": {name: KEYWORDS[name]}}):
        raw = ldp.issue(content(claims=claims), key, ISSUER)
        check(ldp, raw)
        assert ldp.open(raw).claims == claims
    for place in (lambda vc: subject(vc)["claims"], lambda vc: subject(vc)["claims"]["rows"][0]):
        vc = json.loads(credential)
        place(vc)[name] = KEYWORDS[name]
        assert refusal(lambda vc=vc: check(ldp, dump_json(vc))) is Code.SIGNATURE


def test_ld_every_type_of_the_catalogue_goes_all_the_way(ldp):
    catalog, key = Catalog.builtin(), IssuerKey(public_key=ISSUER.public_key)
    for code in catalog:
        kind = catalog[code]
        variant = kind.variants[0].id if kind.variants else None
        claims = kind.issue(kind.sample, variant=variant, options={}, issued_on=kind.sample_date)
        raw = ldp.issue(content(vct=kind.vct, claims=claims), key, ISSUER)
        check(ldp, raw)
        again = ldp.present(ldp.open(raw), [], HOLDER, **SENT)
        check(ldp, again)
        assert ldp.open(again).claims == plain_claims(claims), code


def judged(ldp, raw: bytes, bundle) -> dict[str, list[str]]:
    """What the verifier's own list of checks says to ``raw``: the codes of each check that did not pass."""
    policy = VerificationPolicy.load(files("verifier.policies").joinpath("bank.address-change.toml").read_text("utf-8"))
    session = Session(
        trust=bundle, policy=policy, formats={ldp.id: ldp}, request=None, presentation=None, at=TOWN_AT, now=NOW
    )
    ledger = Ledger()
    ledger.pass_("clock")
    examine(session, ledger, "paper", "", Presented(format=ldp.id, raw=raw))
    return {check.name: [reason.code.value for reason in check.reasons] for check in ledger.checks if check.reasons}


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [(-9, -1, "expired"), (1, 9, "not_yet_valid"), (-1, 9, None)],
    ids=["LD-03 expired", "LD-03 future", "LD-03 valid"],
)
def test_ld_03_expired_and_future(ldp, start, end, code):
    """didkit reports neither; the verifier's check of validity does."""
    town = Town()
    did = did_key(ISSUER.public_key)
    entry = {
        "id": did,
        "name": CITY_NAME,
        "purpose": Purpose.ISSUER,
        "anchors": [],
        "signers": [],
        "types": [LEGACY_TYPE],
        "status_uris": [],
        "valid_from": TOWN_AT - 400 * DAY,
        "valid_until": TOWN_AT + 3000 * DAY,
        "test": False,
    }
    catalog, day = Catalog.builtin(), 86_400
    named, unnamed = town.builder(city=entry), town.builder()
    for builder in (named, unnamed):
        builder.add_types(catalog.texts())
    made = content(
        vct=catalog[LEGACY_TYPE].vct,
        claims={"name": "김가상"},
        issued_at=NOW + start * day,
        expires_at=NOW + end * day,
        status=None,
    )
    raw = ldp.issue(made, IssuerKey(public_key=ISSUER.public_key), ISSUER)
    wrong = judged(ldp, raw, town.bundle(named))
    assert wrong.get("validity") == (None if code is None else [code])
    # The DID that nobody named signs nothing, however good the proof.
    assert judged(ldp, raw, town.bundle(unnamed))["issuer"] == ["untrusted"]
    if start < 0:
        assert not {"parse", "format", "digests", "type", "issuer", "signature"} & wrong.keys()


PRESENTED = {
    "LD-02 a member": (lambda p: p.update({"extra": 1}), "context"),
    "LD-02 a type": (lambda p: p["type"].append("Extra"), "context"),
    "LD-05 no proofs": (lambda p: p.update({"proof": []}), "format"),
    "LD-05 the issuer's purpose": (lambda p: p["proof"].update({"proofPurpose": "assertionMethod"}), "key_use"),
    "LD-06 a vocabulary": (lambda p: p["@context"].append({"@vocab": "urn:evil:"}), "context"),
    "KB another audience": (lambda p: p["proof"].update({"domain": "x509_hash:abd"}), "kb_key"),
    "KB another nonce": (lambda p: p["proof"].update({"challenge": "another-nonce"}), "kb_key"),
    "KB no audience": (lambda p: p["proof"].pop("domain"), "context"),
    "KB a list of audiences": (lambda p: p["proof"].update({"domain": ["x509_hash:abc"]}), "aud"),
    "KB an empty nonce": (lambda p: p["proof"].update({"challenge": ""}), "nonce"),
    "KB a later time": (lambda p: p["proof"].update({"created": "2030-01-01T00:00:00Z"}), "kb_key"),
    "KB two credentials": (lambda p: p.update({"verifiableCredential": [p["verifiableCredential"]] * 2}), "format"),
    "KB no credential": (lambda p: p.update({"verifiableCredential": []}), "format"),
    "KB another holder": (lambda p: p.update({"holder": did_key(OTHER.public_key)}), "key"),
    "LD-04 a holder by did:web": (lambda p: p.update({"holder": "did:web:127.0.0.1"}), "issuer"),
}


@pytest.mark.parametrize("name", PRESENTED)
def test_ld_presentations_changed_after_signing(ldp, shown, name):
    check(ldp, shown)
    change, code = PRESENTED[name]
    changed = json.loads(shown)
    change(changed)
    assert refusal(lambda: check(ldp, json.dumps(changed).encode())) == code


def test_kb_a_stolen_credential_is_not_presented(ldp, process, credential):
    """The thief signs with a key of his own, as himself and in the holder's name."""
    other = ldp.issue(content(holder_key=OTHER.public_key), IssuerKey(public_key=ISSUER.public_key), ISSUER)
    shown = json.loads(ldp.present(ldp.open(other), [], OTHER, **SENT))
    shown["verifiableCredential"] = json.loads(credential)
    assert refusal(lambda: check(ldp, json.dumps(shown).encode())) is Code.KB_KEY
    shown["holder"] = did_key(HOLDER.public_key)
    assert refusal(lambda: check(ldp, json.dumps(shown).encode())) is Code.KEY


def poison(size: int) -> dict:
    """Blank nodes that all look alike, each pointing at all others."""
    names = [f"_:b{number}" for number in range(size)]
    return {"nodes": [{"id": name, "knows": [{"id": other} for other in names]} for name in names]}


def test_ld_07_a_poison_graph_never_reaches_the_canonicalization(credential):
    class Never:
        def call(self, *_: object) -> bytes:
            raise AssertionError("didkit was asked")

    form = LdpVc(process=Never())
    for place in ("", "credentialSubject", "credentialStatus", "proof", "issuer"):
        for nodes in (poison(12), {"deep": [{"id": f"urn:a:{n}", "b": {}} for n in range(40)]}):
            vc = json.loads(credential)
            if place == "issuer":
                vc["issuer"] = nodes
            else:
                (vc[place] if place else vc).update(nodes)
            assert refusal(lambda vc=vc: form.open(json.dumps(vc).encode())) is Code.LIMIT
    vc = json.loads(credential)
    vc["credentialSubject"]["id"] = "_:b0"
    assert refusal(lambda: form.open(json.dumps(vc).encode())) is Code.LIMIT
    nested = json.dumps(json.loads(credential) | {"a": 1}).replace('"a": 1', '"a": ' + "[" * 40 + "]" * 40)
    assert refusal(lambda: form.open(nested.encode())) is Code.DEPTH


@contextmanager
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server, server.getsockname()[1]


@POSIX
def test_ld_04_even_asked_directly_didkit_opens_no_connection(process, credential):
    """Past all our checks: the process cannot, whatever it is told."""
    with listening() as (server, port):
        did = f"did:web:127.0.0.1%3A{port}"
        vc = json.loads(credential) | {"issuer": did}
        vc["proof"]["verificationMethod"] = f"{did}#key-1"
        answer = process.call("verify_credential", json.dumps(vc).encode(), b"{}")
        assert answer is None or json.loads(answer)["errors"]
        vc = json.loads(credential)
        vc["@context"].append(f"http://127.0.0.1:{port}/context")
        answer = process.call("verify_credential", json.dumps(vc).encode(), b"{}")
        assert answer is None or json.loads(answer)["errors"]
        with pytest.raises(TimeoutError):
            server.accept()
    assert process.sealed


def test_ld_01_no_proxy_and_no_resolver_comes_from_the_environment(ldp, credential, monkeypatch):
    with listening() as (server, port):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "DID_RESOLVER"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}/")
        process = DidkitProcess()
        fresh = LdpVc(process=process)
        check(fresh, credential)
        process.close()
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="network namespaces are Linux's")
def test_ld_01_it_works_where_there_is_no_network(credential):
    code = (
        "import sys\n"
        "from vcred.testing.offline import Isolation, cut_network\n"
        "how = cut_network()\n"
        "from vcred.formats.didkit import LdpVc\n"
        "from vcred.trust.did import did_methods\n"
        "form = LdpVc()\n"
        "opened = form.open(sys.stdin.buffer.read())\n"
        "form.verify_signature(opened, did_methods(opened.issuer, None, path='')[0][1])\n"
        "print(how)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], input=credential, capture_output=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (0, b"")
    assert run.stdout.strip() in (b"namespace", b"refused")


def test_ld_claims_context_is_what_was_published():
    assert json.dumps(CLAIMS_CONTEXT) == '{"claims": {"@id": "urn:vcred:kr:claims", "@type": "@json"}}'


QUICK = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@QUICK
@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_ld_one_changed_byte_of_a_linked_data_proof_is_never_accepted(ldp, shown, place, flip):
    raw = bytearray(shown)
    raw[place % len(raw)] ^= flip
    with pytest.raises(RefusedError):
        check(ldp, bytes(raw))


def one_of(form):
    key = IssuerKey(public_key=ISSUER.public_key)
    made = content(issuer="https://city.example")
    return form.present(form.open(form.issue(made, key, ISSUER)), [], HOLDER, **SENT)


SHOWN = {form: one_of(form) for form in (JWT, SD_JWT)}


@pytest.mark.parametrize("form", SHOWN, ids=lambda form: form.id)
@QUICK
@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
@example(place=9_999, flip=1)
def test_one_changed_byte_of_a_jwt_is_never_accepted(form, place, flip):
    raw = bytearray(SHOWN[form])
    raw[place % len(raw)] ^= flip
    with pytest.raises(RefusedError):
        check(form, bytes(raw))


READERS = {
    "vc+jwt": JWT.open,
    "vc+sd-jwt": SD_JWT.open,
    "jwt_vc_json": LEGACY.open,
    "ldp_vc": LdpVc().open,
    "vp+jwt": lambda raw: parse_presentation(raw, contexts=()),
    "vc+cose": lambda raw: open_cose_credential(raw, contexts=()),
    "vp+cose": lambda raw: open_cose_presentation(raw, contexts=()),
}
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from([V1, V2, VCT, "_:b0", "did:key:z6"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("name", READERS)
@QUICK
@given(raw=st.binary(max_size=200))
def test_whatever_the_bytes_only_a_malformed_error_comes_out(name, raw):
    with pytest.raises(MalformedError):
        READERS[name](raw)


@QUICK
@given(
    member=st.sampled_from([*body(), "id", "status", "credentialStatus", "evidence", "name", "iss", "sub"]), value=ANY
)
def test_whatever_a_member_is_only_a_malformed_error_comes_out(member, value):
    for raw, form in (
        (signed(body(**{member: value})), JWT),
        (signed(body(**{member: value}), "vc+sd-jwt") + b"~", SD_JWT),
        (signed(vp(signed(body()), **{member: value}), "vp+jwt"), JWT),
        (signed(vc1(vc={member: value}), "JWT"), LEGACY),
        (signed(vc1() | {member: value}, "JWT"), LEGACY),
    ):
        try:
            form.open(raw)
        except MalformedError:
            continue


@QUICK
@given(
    member=st.sampled_from(
        ["@context", "type", "issuer", "issuanceDate", "expirationDate", "credentialSubject", "proof"]
    ),
    inner=st.sampled_from(["", "id", "claims", "type", "jws", "created", "verificationMethod", "proofPurpose"]),
    value=ANY,
)
def test_whatever_a_member_of_a_linked_data_proof_is_only_a_malformed_error_comes_out(credential, member, inner, value):
    vc = json.loads(credential)
    if inner and isinstance(vc[member], dict):
        vc[member][inner] = value
    else:
        vc[member] = value
    try:
        READERS["ldp_vc"](json.dumps(vc).encode())
    except MalformedError:
        return
