"""Seeds, made by our own code from the fictitious people and places of the tests: ``python fuzz/seeds.py``.

Keys and signatures are new in every run, so what was made once is committed and the corpus stays the same. A target
that has inputs already is left alone.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz import corpus_file
from fuzz.online_seeds import online_seeds
from fuzz.targets import _CATALOG, _JWE_KEY, _SESSION, _VCT, TARGETS, placeholder
from tests.desk import FORMATS, Desk
from tests.evidence_kit import Branch
from tests.formats_kit import World
from tests.hostile import test_md_mdoc as md
from tests.hostile.test_parsers import subjects, value_parsers
from tests.list_town import Lists
from tests.unit.formats import test_w3c_vc as w3c
from tests.unit.trust import test_did as did
from vcred.credential import Content
from vcred.formats import _cbor, _jwe
from vcred.formats._cose import parse_sign1
from vcred.formats._jose import sign_jws
from vcred.formats._mdoc_request import make_device_request
from vcred.formats._mdoc_session import make_engagement, session_data, session_establishment
from vcred.formats._w3c_cose import prepare_cose
from vcred.formats._w3c_jwt import document_of, enveloped
from vcred.formats._w3c_ldp import document_of as ldp_document
from vcred.formats._w3c_ldp import suite_context
from vcred.formats._w3c_model import BASE_CONTEXT, plain_claims
from vcred.formats._wire import b64u_decode, b64u_encode, dump_json
from vcred.formats.base import IssuerKey
from vcred.formats.known import TEXT_FORMATS
from vcred.formats.mdoc import CatalogDoctypes, Mdoc
from vcred.formats.w3c_vc import JwtVcJson, W3cJwt, W3cSdJwt, prepare_presentation
from vcred.keys import SoftwareSigner
from vcred.qr.base45 import base45_encode
from vcred.qr.digits import digits_encode
from vcred.qr.fountain import Source
from vcred.status import StatusList
from vcred.status.bitstring import MIN_ENTRIES, build_bitstring_token
from vcred.trust.ceremony import detached, staged_root
from vcred.trust.content import parse_meta
from vcred.trust.did import did_key
from vcred.trust.pack import read_pack, write_pack
from vcred.trust.publish import new_root, single_key
from verifier.policy import VerificationPolicy, preset_ids

MAX_SEED = 24_000


def main() -> int:
    """Write what is missing. Returns 0."""
    for name, samples in sorted(seeds().items()):
        if not corpus_file.read(name):
            fit = [raw for raw in samples if len(raw) <= MAX_SEED]
            for raw in fit:
                TARGETS[name](raw)
            print(f"{name}: {corpus_file.add(name, fit, remark='seeds')} seeds, {sum(map(len, fit))} bytes")
    return 0


def seeds() -> dict[str, list[bytes]]:
    """Samples that the parser reads, by target."""
    found = _shared() | _wire() | _keys() | _w3c() | _mdoc() | _detect() | _trust() | _evidence() | online_seeds()
    # What was written by hand into the corpus needs no seeds.
    missing = {name for name in TARGETS.keys() ^ found.keys() if not corpus_file.read(name)}
    if missing:
        raise SystemExit(f"targets and seeds differ: {sorted(missing)}")
    return found


def _shared() -> dict[str, list[bytes]]:
    """What the hostile tests of parsers begin with."""
    same = {
        "sd_jwt_vc": "SdJwtVc.open", "sd_cwt": "SdCwt.open", "paper": "open_paper", "sd_jwt_json": "parse_json_sd_jwt",
        "jws": "parse_jws", "jws_text": "parse_jws(str)", "proof": "parse_proof", "json": "parse_json",
        "json_text": "parse_json(str)", "cbor": "_cbor.decode", "cose_sign1": "parse_sign1",
        "spki": "PublicKey.from_spki",
        "qr_envelope": "decode_message", "qr_decode": "qr.decode", "qr_codes": "Reader.add",
        "request": "PresentationRequest.parse", "request_text": "PresentationRequest.parse(str)",
        "presentation": "Presentation.parse", "receipt": "Receipt.parse", "receipt_text": "Receipt.parse(str)",
        "offer": "Offer.parse", "offer_text": "Offer.parse(str)", "offered": "parse_offered",
        "issuance_request": "IssuanceRequest.parse", "delivery": "Delivery.parse", "status_token": "parse_status_token",
        "status_aggregation": "parse_aggregation", "status_list": "StatusList.from_compressed",
        "certificate": "read_certificate", "catalogue": "Catalog.from_texts", "trust_seen": "SeenState.parse",
    }  # fmt: skip
    made = {name: list(subjects()[source].samples) for name, source in same.items()}
    made["certificate_foreign"] = made["certificate"]
    kb = [raw.rpartition(b"~")[2] for raw in made["sd_jwt_vc"]]
    made["key_binding"] = [raw for raw in kb if raw]
    made["sd_cwt_disclosures"] = [_cwt_taken_apart(made["sd_cwt"][0])]
    made["sd_jwt_vc_disclosures"] = [_taken_apart(raw) for raw in made["sd_jwt_vc"]]
    values = value_parsers()
    made["dcql"] = [dump_json(one) for one in values["DcqlQuery.parse"][1]]
    made["jwk"] = [dump_json(one) for one in values["PublicKey.from_jwk"][1]]
    made["cose_key"] = [_cbor.encode(one) for one in values["PublicKey.from_cose"][1]]
    made["qr_packed_jws"] = [_cbor.encode(one) for one in values["unpack_jws"][1]]
    made["policy"] = [VerificationPolicy.preset(one).source.encode() for one in preset_ids()]
    made["status_token"].append(_bitstring())
    return made


def _detect() -> dict[str, list[bytes]]:
    """One certificate in every format, bare and in a ``vp_token``."""
    made = World().samples
    tokens = []
    for form, raws in made.items():
        text = b64u_encode if form not in TEXT_FORMATS else bytes.decode
        tokens.append(dump_json({"a": [json.loads(raw) if form == "ldp_vc" else text(raw) for raw in raws]}))
    return {"detect": [raw for raws in made.values() for raw in raws], "vp_token": tokens}


def _taken_apart(token: bytes) -> bytes:
    """An SD-JWT as lines of JSON, ``#n`` for the digest of disclosure n; parents before what is below them."""
    signed, *disclosures, _ = token.split(b"~")
    lines = [b64u_decode(part, "") for part in (signed.split(b".")[1], *disclosures)]
    digests = [b64u_encode(hashlib.sha256(one).digest()).encode() for one in disclosures]
    order: list[int] = []
    queue = [lines[0]]
    while queue:
        text = queue.pop(0)
        found = [number for number, digest in enumerate(digests) if digest in text]
        order += found
        queue += [lines[number + 1] for number in found]
    ordered = [lines[0], *(lines[number + 1] for number in order)]
    for new, number in enumerate(order, 1):
        ordered = [line.replace(digests[number], b"#%d" % new) for line in ordered]
    return b"\n".join(ordered)


def _cwt_taken_apart(token: bytes) -> bytes:
    """An SD-CWT as its payload and disclosures, parents before what is below them."""
    sign1 = parse_sign1(token, path="t")
    left = [bytes(part) for part in sign1.unprotected[17]]
    parts = [sign1.payload]
    for parent in parts:  # grows while it is read
        below = [part for part in left if hashlib.sha256(_cbor.bstr(part)).digest() in parent]
        left = [part for part in left if part not in below]
        parts += below
    digests = [hashlib.sha256(_cbor.bstr(part)).digest() for part in parts]
    for number, digest in enumerate(digests[1:], 1):
        parts = [part.replace(digest, placeholder(number)) for part in parts]
    return _cbor.encode(parts)


def _bitstring() -> bytes:
    status_list = StatusList.build(bits=1, size=MIN_ENTRIES, values={4: 1})
    return build_bitstring_token(
        uri="https://city.example/b/1", issuer="https://city.example/issuer", purposes=["revocation"],
        status_list=status_list, signer=w3c.ISSUER, issued_at=md.AT, expires_at=md.AT + timedelta(days=1),
        ttl=timedelta(minutes=1),
    )  # fmt: skip


def _wire() -> dict[str, list[bytes]]:
    plain = b"a fictitious message, " * 20
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    jwes = [
        _jwe.encrypt(plain, _JWE_KEY.public_key(), enc=enc, kid="k", apv=b"nonce", deflate=deflate)
        for enc, deflate in (("A128GCM", False), ("A256GCM", True))
    ]
    source = Source(plain, 40)
    bits = StatusList.build(bits=1, size=MIN_ENTRIES, values={4: 1}).bitstring()
    return {
        "base64url": [b64u_encode(plain).encode(), b"_-8", b""],
        "base64url_text": [b64u_encode(plain).encode(), b"_-8"],
        "json_all": [b'["salt","name","x"]\n["salt2",{"a":[1,null]}]\n"\\ud83d\\ude00"'],
        "inflate_raw": [raw.compress(plain) + raw.flush()],
        "inflate_zlib": [zlib.compress(plain)],
        "jwe": jwes,
        "qr_frame": [source.frame(index).to_bytes() for index in (0, 3, 900)],
        "qr_base45": [base45_encode(plain).encode(), b"BB8"],
        "qr_digits": [digits_encode(plain).encode()],
        "status_bitstring": [b"u" + b64u_encode(bits).encode()],
    }


def _keys() -> dict[str, list[bytes]]:
    key = _jwe.PublicKey(_JWE_KEY.public_key()).to_jwk()
    metadata = {
        "vct": _VCT, "name": "card", "description": "a fictitious card",
        "display": [{"locale": "en", "name": "Card"}],
        "claims": [{"path": ["name"], "sd": "allowed", "display": [{"locale": "en", "label": "Name"}]},
                   {"path": ["towns", None], "sd": "always", "mandatory": True}],
    }  # fmt: skip
    return {
        "encryption_jwk": [dump_json(key), dump_json(key | {"use": "enc", "alg": "ECDH-ES"})],
        "type_metadata": [dump_json(metadata)],
    }


def _w3c() -> dict[str, list[bytes]]:
    jwt, sd_jwt = W3cJwt(), W3cSdJwt()
    held, hidden = w3c.issue(jwt), w3c.issue(sd_jwt)
    shown = [w3c.present(jwt, held), w3c.present(sd_jwt, hidden, "head.name")]
    legacy = sign_jws({"alg": "ES256", "typ": "JWT", "kid": "key-1"}, dump_json(w3c.legacy()), w3c.ISSUER)
    JwtVcJson().open(legacy)
    issuer, holder = IssuerKey(public_key=w3c.ISSUER.public_key), IssuerKey(public_key=w3c.HOLDER.public_key)
    document = plain_claims(document_of(w3c.content()))
    plain = {name: value for name, value in document.items() if name not in _JWT_ONLY}
    vc = prepare_cose(plain, issuer, kind="vc", contexts=())
    several = prepare_presentation(
        {"@context": [BASE_CONTEXT], "type": ["VerifiablePresentation"], "aud": "https://bank.example",
         "verifiableCredential": [enveloped(held, "application/vc+jwt"), enveloped(hidden, "application/vc+sd-jwt")]},
        holder, contexts=(),
    )  # fmt: skip
    vp = prepare_cose(
        {"@context": [BASE_CONTEXT], "type": ["VerifiablePresentation"],
         "verifiableCredential": [enveloped(held, "application/vc+jwt")]},
        holder, kind="vp", contexts=(),
    )  # fmt: skip
    return {
        "w3c_sd_jwt_disclosures": [_taken_apart(raw) for raw in (hidden, shown[1])],
        "w3c_jwt": [held, shown[0]],
        "w3c_sd_jwt": [hidden, shown[1]],
        "w3c_vp_jwt": [shown[0], several.complete(w3c.HOLDER.sign(several.signing_input))],
        "w3c_jwt_vc_json": [legacy],
        "w3c_vc_cose": [vc.complete(w3c.ISSUER.sign(vc.signing_input))],
        "w3c_vp_cose": [vp.complete(w3c.HOLDER.sign(vp.signing_input))],
        "w3c_ldp": _ldp(),
    }


_JWT_ONLY = frozenset({"iss", "iat", "exp", "nbf", "cnf", "status", "sub", "jti", "aud", "vc", "vp"})


def _ldp() -> list[bytes]:
    """Documents with signatures that are only shaped: the parser looks no further."""
    did_ = did_key(w3c.ISSUER.public_key)
    content = w3c.content(issuer=did_, claims={"name": "김가상", "towns": ["가람시"], "count": 3})
    proof = {
        "type": "JsonWebSignature2020", "created": "2025-09-26T00:00:00Z", "proofPurpose": "assertionMethod",
        "verificationMethod": f"{did_}#{did_.removeprefix('did:key:')}",
        "jws": b64u_encode(dump_json({"alg": "ES256", "b64": False, "crit": ["b64"]})) + ".." + b64u_encode(bytes(64)),
    }  # fmt: skip
    suite = suite_context(w3c.ISSUER.public_key)
    vc = ldp_document(content, suite) | {"proof": proof}
    bound = proof | {"proofPurpose": "authentication", "challenge": "a-challenge", "domain": "https://bank.example"}
    vp = {
        "@context": [vc["@context"][0], suite], "type": ["VerifiablePresentation"], "holder": did_,
        "verifiableCredential": vc, "proof": bound,
    }  # fmt: skip
    return [dump_json(vc), dump_json(vp)]


def _mdoc() -> dict[str, list[bytes]]:
    held = md.issued()
    response = md.response()
    ours = [one for one in (_our_mdoc(),) if one]
    key, other = md.HOLDER.public_key, _cbor.encode(md.OTHER.public_key.to_cose())
    engagement = make_engagement(key, [[2, 1, {0: False, 1: True, 11: bytes(16)}]])
    asked = {md.DOCTYPE: {md.DOCTYPE: {"name": False, "town": True}}}
    request = make_device_request(asked, transcript=_SESSION.transcript, signer=md.ISSUER, chain=[md.SIGNER])
    unsigned = make_device_request(asked, transcript=_SESSION.transcript, signer=None)
    return {
        "mdoc": [held, response, md.enveloped(response), *ours],
        "mdoc_response": [response],
        "mdoc_items": [_mdoc_items(md.FOREIGN), _mdoc_items(md.DOCTYPE)],
        "mdoc_engagement": [engagement.raw],
        "mdoc_engagement_uri": [engagement.to_uri().encode()],
        "mdoc_message": [session_establishment(other, bytes(40)), session_data(bytes(40)), session_data(None, 20)],
        "mdoc_request": [request, unsigned],
    }


def _mdoc_items(doctype: str) -> bytes:
    mso = {name: value for name, value in md.mso_map(doctype=doctype).items() if name != "valueDigests"}
    mso["validityInfo"] = {name: md.tdate(at) for name, at in _TIMES.items()}
    return _cbor.encode([mso, doctype, list(md.ITEMS.values()), md.SIGNER])


_TIMES = {"signed": md.AT, "validFrom": md.AT, "validUntil": md.AT + timedelta(days=100)}


def _our_mdoc() -> bytes:
    """A certificate of the catalogue, so that its tree is rebuilt."""
    kind = _CATALOG["resident.personal"]
    claims = kind.issue(kind.sample, variant=None, options={}, issued_on=md.AT.date())
    content = Content(
        vct=kind.vct, issuer="https://card.example", claims=claims, issued_at=md.NOW, expires_at=md.NOW + 86_400,
        holder_key=md.HOLDER.public_key, status=None,
    )  # fmt: skip
    key = IssuerKey(public_key=md.ISSUER.public_key, chain=(md.SIGNER,))
    return Mdoc(CatalogDoctypes(_CATALOG)).issue(content, key, md.ISSUER)


def _trust() -> dict[str, list[bytes]]:
    lists = Lists()
    town = lists.town
    pack = town.pack()
    return {**_pack_seeds(pack, town), "lote": [lists.lote()], "vical": [lists.vical()], "did": _dids()}


def _pack_seeds(pack: bytes, town: Any) -> dict[str, list[bytes]]:
    files = read_pack(pack)
    files.setdefault("1.root.json", town.root)
    pack = write_pack(files)
    content = {name.removeprefix("targets/"): raw for name, raw in files.items()}
    parse_meta(content["meta.json"])
    # One line of JSON each: a blank line parts the files of the one-file form.
    parted = b"\n\n".join(name.encode() + b"\n" + raw.replace(b"\n", b" ") for name, raw in files.items())
    new_key = SoftwareSigner.generate()
    newer = new_root(version=1, roles=single_key(new_key.public_key), signers=[new_key], expires=md.AT)
    return {
        "trust_archive": [pack],
        "trust_pack": [pack],
        "tuf_metadata": [parted],
        "tuf_detached": [detached(staged_root(newer, None), new_key)],
        "authorities": [content["authorities.json"]],
        "trust_meta": [content["meta.json"]],
    }


def _dids() -> list[bytes]:
    key = w3c.ISSUER.public_key
    forms = ("JsonWebKey", "JsonWebKey2020", "Multikey")
    methods = [did.document(did.method(key=one, form=form)) for one, form in zip(did.KEYS.values(), forms, strict=True)]
    return [
        did_key(key).encode(),
        did.did_jwk(key).encode(),
        *(did.WEB.encode() + b"\n" + raw for raw in methods),
    ]


def _evidence() -> dict[str, list[bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        branch = Branch(Desk(), Path(folder) / "desk")
        for form in FORMATS[:2]:
            branch.show(form=form)
        seal = branch.seal()
        entries = [raw for _, raw in branch.archive.entries()]
    tokens = {"query-1": [["sd-cwt", b"\xd2\x84"]]}
    answers = [_cbor.encode({1: None, 2: tokens}), _cbor.encode({3: b"\xd2"})]
    return {
        "evidence_entry": entries,
        "evidence_answer": [bytes(32) + raw for raw in answers],
        "evidence_seal": [seal.raw],
    }


if __name__ == "__main__":
    raise SystemExit(main())
