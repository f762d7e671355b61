"""A bank's desk for tests of the verifier: one agency that may sign everything, a holder, a registered reader.

Everything goes through public functions: issuing, the trust bundle, presenting, verifying. ``Desk`` is built once; a test
asks it for a bundle with other contents, a certificate with other claims, or an answer with something wrong.
"""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from functools import cached_property

from vcred.catalog import Catalog
from vcred.credential import Content, StatusReference
from vcred.dcql import Candidate, match
from vcred.formats._wire import b64u_encode
from vcred.formats.base import IssuerKey
from vcred.formats.sd_cwt import SdCwt
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.keys import SoftwareSigner
from vcred.presentation import Presentation, Presented
from vcred.status import StatusList, build_status_token
from vcred.trust import Purpose, TrustBundle, build_reader, build_root, build_signer
from vcred.trust.publish import PackBuilder, new_root, single_key
from verifier import Challenge, ReaderIdentity, VerificationPolicy, Verifier

AT = datetime(2026, 9, 1, 1, 0, tzinfo=UTC)
NOW = int(AT.timestamp())
DAY = timedelta(days=1)
AGENCY = "https://garam.example/issuer"
LIST = "https://garam.example/status/1"
AGENCY_NAME = {"ko": "가람시 (가상)", "en": "Garam City (fictitious)"}
BANK_NAME = {"ko": "다솜은행 (가상)", "en": "Dasom Bank (fictitious)"}
FORMATS = ("sd-cwt", "dc+sd-jwt")


def seconds(count):
    return timedelta(seconds=count)


class Desk:
    """The agency's, the holder's and the bank's keys, and what is made with them."""

    def __init__(self) -> None:
        self.catalog = Catalog.builtin()
        self.formats = {"sd-cwt": SdCwt(self.catalog.labels), "dc+sd-jwt": SdJwtVc()}
        names = ("root_key", "key", "tuf_key", "reader_root_key", "bank_key", "other_bank_key", "holder", "stranger")
        for name in names:
            setattr(self, name, SoftwareSigner.generate())
        self.root = build_root(self.root_key, name=AGENCY_NAME, not_before=AT - 400 * DAY, not_after=AT + 3000 * DAY)
        self.signer = build_signer(
            self.key.public_key,
            purpose=Purpose.ISSUER,
            id=AGENCY,
            name=AGENCY_NAME,
            issuer=self.root,
            issuer_signer=self.root_key,
            not_before=AT - 300 * DAY,
            not_after=AT + 300 * DAY,
        )
        self.reader_root = build_root(
            self.reader_root_key, name=BANK_NAME, not_before=AT - 400 * DAY, not_after=AT + 3000 * DAY
        )
        self.bank = self.reader(self.bank_key)
        self.tuf_root = new_root(
            version=1, roles=single_key(self.tuf_key.public_key), signers=[self.tuf_key], expires=AT + 3650 * DAY
        )

    def reader(self, key: SoftwareSigner, *, end: datetime = AT + 300 * DAY) -> bytes:
        return build_reader(
            key.public_key,
            identifier="desk.dasom.example",
            name=BANK_NAME,
            issuer=self.reader_root,
            issuer_signer=self.reader_root_key,
            not_before=AT - 30 * DAY,
            not_after=end,
        )

    @cached_property
    def usual_bundle(self) -> TrustBundle:
        return self.bundle()

    def bundle(
        self,
        *,
        status=None,
        status_at=AT - timedelta(hours=1),
        with_status=True,
        at=AT - DAY,
        expires=AT + 90 * DAY,
        types=None,
        withdrawn=(),
    ) -> TrustBundle:
        builder = PackBuilder(production=True, name={"ko": "시험 목록", "en": "Test list"})
        builder.add_authority(
            id=AGENCY,
            name=AGENCY_NAME,
            purpose=Purpose.ISSUER,
            anchors=[self.root],
            signers=[[self.signer]],
            types=list(self.catalog) if types is None else types,
            status_uris=["https://garam.example/status/"],
            valid_from=AT - 400 * DAY,
            valid_until=AT + 3000 * DAY,
            test=False,
            withdrawn=withdrawn,
        )
        builder.add_reader(certificate=self.bank, name=BANK_NAME, policies=["bank.address-change"], test=False)
        builder.add_types(self.catalog.texts())
        if with_status:
            builder.add_status(
                build_status_token(
                    uri=LIST,
                    status_list=StatusList.build(bits=2, size=4096, values=status or {}),
                    signer=self.key,
                    issued_at=status_at,
                    expires_at=status_at + 30 * DAY,
                    ttl=None,
                    form="cwt",
                )
            )
        raw = builder.build(version=1, roots=[self.tuf_root], signers=[self.tuf_key], at=at, expires=expires)
        return TrustBundle.loads(raw, root=self.tuf_root, seen=None)

    def identity(self) -> ReaderIdentity:
        return ReaderIdentity((self.bank,), self.bank_key)

    def verifier(self, bundle: TrustBundle | None = None, requests=None) -> Verifier:
        # A bundle remembers the times it has seen, so every verifier gets a fresh memory.
        bundle = copy.copy(self.usual_bundle) if bundle is None else bundle
        bundle._memory = copy.copy(bundle._memory)
        return Verifier(trust=bundle, identity=self.identity(), requests=requests)

    def content(self, code, *, change=None, variant=None, options=None, holder=None, **changes) -> Content:
        kind = self.catalog[code]
        record = copy.deepcopy(dict(kind.sample)) | (change or {})
        issued_at = changes.get("issued_at", NOW - 3 * 86400)
        usual = {
            "vct": kind.vct,
            "issuer": AGENCY,
            "claims": kind.issue(record, variant=variant, options=options or {}, issued_on=(AT - 3 * DAY).date()),
            "issued_at": issued_at,
            "expires_at": issued_at + 90 * 86400,
            "holder_key": (holder or self.holder).public_key,
            "status": StatusReference(uri=LIST, index=7),
        }
        return Content(**(usual | changes))

    def certificate(self, code, form="sd-cwt", *, signer=None, chain=None, **more) -> bytes:
        signer = signer or self.key
        key = IssuerKey(public_key=signer.public_key, chain=(self.signer,) if chain is None else chain)
        return self.formats[form].issue(self.content(code, **more), key, signer)

    def present(
        self, request, certificates, *, at=AT, signer=None, audience=None, nonce=..., one_way=None, extra=()
    ) -> Presentation:
        """Answer ``request`` with ``certificates`` ({query id: (format, bytes)}), disclosing what is asked for."""
        tokens = {}
        for query_id, (form, raw) in certificates.items():
            opened = self.formats[form].open(raw)
            wanted = next((one for one in request.query.credentials if one.id == query_id), None)
            paths = list(extra)
            if wanted is not None:
                candidate = Candidate(
                    id=query_id, format=wanted.format, types=[opened.vct], claims=opened.claims, holder_bound=True
                )
                hits = match(type(request.query)(credentials=(wanted,)), [candidate]).found[query_id]
                paths += hits[0].paths if hits else ()
            used = one_way if request.nonce is None and form == "dc+sd-jwt" else request.nonce
            prepared = self.formats[form].prepare_presentation(
                opened,
                paths,
                audience=audience or request.client_id,
                nonce=used if nonce is ... else nonce,
                issued_at=int(at.timestamp()),
            )
            shown = prepared.complete((signer or self.holder).sign(prepared.signing_input))
            tokens[query_id] = (Presented(format=form, raw=shown),)
        return Presentation(tokens=tokens, one_way_nonce=one_way)


def raw_jws(header, payload: bytes, signer) -> bytes:
    """A JWS as an attacker writes it: no rule is kept, the signature is good."""
    signing_input = b".".join(b64u_encode(part).encode() for part in (json.dumps(header).encode(), payload))
    return signing_input + b"." + b64u_encode(signer.sign(signing_input)).encode()


def asked(verifier, form="sd-cwt", *, policy="bank.address-change", freshness=None, at=AT, **more):
    """A request under a preset."""
    return verifier.request(
        VerificationPolicy.preset(policy), freshness=freshness or Challenge(), at=at, formats=(form,), **more
    )


def codes(result) -> set[str]:
    return {reason.code.value for reason in result.reasons}
