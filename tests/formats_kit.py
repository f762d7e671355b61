"""One certificate in every format that a verifier reads, as issued and as presented: ``Formats`` of ``tests.desk``.

The formats of VCDM 1.1 are signed by an authority that is a DID. Nobody here issues ``jwt_vc_json``: it is written by
hand, as somebody else's software writes it.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property

from tests.desk import AGENCY_NAME, AT, DAY, NOW, Desk, raw_jws
from vcred.catalog import Catalog
from vcred.credential import StatusReference
from vcred.formats._kb_jwt import nonce_text
from vcred.formats._w3c_legacy import V1_CONTEXT
from vcred.formats._w3c_model import CERTIFICATE_TERMS, plain_claims
from vcred.formats._wire import dump_json
from vcred.formats.base import IssuerKey
from vcred.formats.didkit import LdpVc
from vcred.formats.known import FORMATS, LEGACY_FORMATS, Formats
from vcred.formats.paper import PAPER_FORMAT, issue_paper
from vcred.keys import SoftwareSigner
from vcred.status import StatusList, build_status_token
from vcred.trust import Purpose, TrustBundle
from vcred.trust.did import did_jwk, did_key
from vcred.trust.publish import PackBuilder

EVERY = (*FORMATS, *LEGACY_FORMATS)
DID_LIST = "https://haneul.example/status/1"
CODE = "resident.personal"
SENT = {"audience": "x509_hash:abc", "nonce": bytes(range(16)), "issued_at": NOW}


def with_legacy(catalog: Catalog) -> Catalog:
    """``catalog``, in which every type may be in the formats of VCDM 1.1 too; few of the built-in ones may."""
    more = ", ".join(f'"{one}"' for one in ("vc+sd-jwt", *LEGACY_FORMATS))
    texts = {name: text.replace('"vc+sd-jwt"]', f"{more}]", 1) for name, text in catalog.texts().items()}
    return Catalog.from_texts(texts)


class World(Desk):
    """A desk, and a city that has no certificate: its DID is in the bundle, or its document is."""

    def __init__(self) -> None:
        super().__init__()
        self.catalog = with_legacy(self.catalog)
        self.formats = Formats(self.catalog)
        self.city = SoftwareSigner.generate()
        self.did = did_key(self.city.public_key)
        self.ldp = LdpVc()

    def bundle(self, *, did=None, document=None, with_city=True, revoked=(), **more) -> TrustBundle:
        if not with_city:
            return super().bundle(**more)
        builder = PackBuilder(production=True, name={"ko": "시험 목록", "en": "Test list"})
        authority = {
            "name": AGENCY_NAME,
            "purpose": Purpose.ISSUER,
            "types": list(self.catalog),
            "valid_from": AT - 400 * DAY,
            "valid_until": AT + 3000 * DAY,
            "test": False,
        }
        builder.add_authority(
            id=did or self.did,
            anchors=[],
            signers=[],
            status_uris=["https://haneul.example/status/"],
            did_document=document,
            **authority,
        )
        builder.add_reader(certificate=self.bank, name=AGENCY_NAME, policies=["bank.address-change"], test=False)
        builder.add_types(self.catalog.texts())
        issued = AT - timedelta(hours=1)
        builder.add_status(
            build_status_token(
                uri=DID_LIST,
                status_list=StatusList.build(bits=2, size=4096, values=dict.fromkeys(revoked, 1)),
                signer=self.city,
                issued_at=issued,
                expires_at=issued + 30 * DAY,
                ttl=None,
                form="cwt",
            )
        )
        raw = builder.build(
            version=1, roots=[self.tuf_root], signers=[self.tuf_key], at=AT - DAY, expires=AT + 90 * DAY
        )
        return TrustBundle.loads(raw, root=self.tuf_root, seen=None)

    def credential(self, form, **changes) -> bytes:
        if form not in LEGACY_FORMATS:
            return self.certificate(CODE, form, **changes)
        changes = {"issuer": self.did, "status": StatusReference(uri=DID_LIST, index=7)} | changes
        content = self.content(CODE, **changes)
        if form == "ldp_vc":
            return self.ldp.issue(content, IssuerKey(public_key=self.city.public_key), self.city)
        return self.jwt_vc(content)

    def jwt_vc(self, content, *, kid=None, signer=None, **claims) -> bytes:
        holder = {} if content.holder_key is None else {"id": did_jwk(content.holder_key)}
        vc = {
            "@context": [V1_CONTEXT, CERTIFICATE_TERMS],
            "type": ["VerifiableCredential", content.vct],
            "credentialSubject": {**holder, **plain_claims(dict(content.claims))},
        }
        body = {
            "iss": content.issuer,
            "nbf": content.issued_at,
            "iat": content.issued_at,
            "exp": content.expires_at,
            "status": {"status_list": {"uri": content.status.uri, "idx": content.status.index}},
            "vc": vc,
            **({"sub": holder["id"]} if holder else {}),
            **claims,
        }
        method = kid or f"{content.issuer}#{content.issuer.removeprefix('did:key:')}"
        return raw_jws({"alg": "ES256", "typ": "JWT", "kid": method}, dump_json(body), signer or self.city)

    def jwt_vp(self, credential, *, audience, nonce, issued_at, signer=None) -> bytes:
        vp = {
            "@context": [V1_CONTEXT],
            "type": ["VerifiablePresentation"],
            "verifiableCredential": [credential.decode()],
        }
        signer = signer or self.holder
        did = did_jwk(signer.public_key)
        body = {"iss": did, "aud": audience, "nonce": nonce_text(nonce), "iat": issued_at, "vp": vp}
        return raw_jws({"alg": "ES256", "typ": "JWT", "kid": f"{did}#0"}, dump_json(body), signer)

    def shown(self, form, credential=None, *, signer=None, paths=(), **sent) -> bytes:
        raw = self.credential(form) if credential is None else credential
        sent = SENT | sent
        if form == "jwt_vc_json":
            return self.jwt_vp(raw, signer=signer, **sent)
        made = self.ldp if form == "ldp_vc" else self.formats[form]
        return made.present(made.open(raw), paths, signer or self.holder, **sent)

    @cached_property
    def paper(self) -> bytes:
        content = self.content(CODE)
        content = type(content)(**{name: getattr(content, name) for name in content.__slots__} | {"holder_key": None})
        return issue_paper(content, IssuerKey(public_key=self.key.public_key), self.key, self.catalog.labels)

    @cached_property
    def samples(self) -> dict[str, tuple[bytes, ...]]:
        """By format: as issued, as presented."""
        found = {form: (raw := self.credential(form), self.shown(form, raw)) for form in EVERY}
        return found | {PAPER_FORMAT: (self.paper,)}
