"""Hostile deliveries: what a wallet refuses to keep, whoever sent it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.wallet_kit import AT
from vcred import ReasonCode
from vcred.claims import SD
from vcred.credential import BitstringReference, Content, StatusReference
from vcred.errors import RefusedError
from vcred.formats._jose import parse_jws, sign_jws
from vcred.formats._wire import b64u_decode, dump_json, parse_json
from vcred.formats.base import IssuerKey
from vcred.formats.known import Formats
from vcred.issuance import Delivery, IssuanceRequest
from vcred.keys import PublicKey, SoftwareSigner
from vcred.testing import World
from vcred.testing.world import ISSUER_ID

CODE = "edu.graduation"


class Agency:
    """Signs anything for the keys of one request."""

    def __init__(self, form):
        self.world = World(at=AT, formats=("dc+sd-jwt", "sd-cwt", *({form} & {"vc+sd-jwt"})))
        self.request = self.world.wallet.accept(self.world.issuer.offer(CODE, subject="sample", at=AT), at=AT)
        self.form = Formats(self.world.catalog)[form]
        self.keys = holder_keys(self.request, form)
        self.signer = self.world.document_signer

    def sign(self, key=None, *, signer=None, **changes):
        kind = self.world.catalog[CODE]
        now = int(AT.timestamp())
        content = Content(
            vct=kind.vct,
            issuer=ISSUER_ID,
            claims={"issuedOn": "2026-09-26", "name": SD("김가람")},
            issued_at=now,
            expires_at=now + 86_400,
            holder_key=self.keys[0] if key is None else key,
        )
        signer = signer or self.signer
        chain = (self.world.document_signer_certificate,)
        return self.form.issue(
            replace(content, **changes), IssuerKey(public_key=signer.public_key, chain=chain), signer
        )

    def deliver(self, *raws, code=CODE, form=None):
        delivery = Delivery(
            code=code, credential_id="c-1", credentials=tuple((form or self.form.id, raw) for raw in raws)
        )
        return self.world.wallet.receive(delivery, at=AT)


def holder_keys(request, form):
    headers = [b64u_decode(proof.split(b".")[0], "") for name, proof in request.keys if name == form]
    return [PublicKey.from_jwk(parse_json(header, "", max_bytes=4096)["jwk"]) for header in headers]


@pytest.fixture(params=["dc+sd-jwt", "sd-cwt"])
def agency(request):
    return Agency(request.param)


def refused(agency, code, *raws, **more):
    with pytest.raises(RefusedError) as error:
        agency.deliver(*raws, **more)
    assert error.value.code is code
    store = agency.world.wallet._store
    assert (store.ids("certificates"), store.ids("copies"), len(store.ids("pending"))) == ((), (), 1)


def test_an_honest_delivery_is_kept(agency):
    (held,) = agency.deliver(agency.sign(), agency.sign(agency.keys[1]))
    assert (held.total, held.code) == (2, CODE)


def test_a_key_that_is_not_ours(agency):
    refused(agency, ReasonCode.CNF, agency.sign(SoftwareSigner.generate().public_key))


def test_two_copies_for_one_key(agency):
    refused(agency, ReasonCode.CNF, agency.sign(), agency.sign())


def test_nothing_at_all(agency):
    refused(agency, ReasonCode.FORMAT)


def test_another_issuer_or_signer(agency):
    refused(agency, ReasonCode.ISSUER, agency.sign(issuer="https://elsewhere.example/issuer"))
    other = SoftwareSigner.generate()
    with pytest.raises(RefusedError) as error:
        agency.deliver(agency.sign(signer=other))
    assert error.value.code in (ReasonCode.UNTRUSTED, ReasonCode.KEY, ReasonCode.SIGNATURE)


def test_a_changed_byte(agency):
    raw = bytearray(agency.sign())
    place = raw.rindex(b"~") - 20 if agency.form.id == "dc+sd-jwt" else len(raw) - 5
    raw[place] ^= 1
    with pytest.raises(RefusedError):
        agency.deliver(bytes(raw))
    assert agency.world.wallet.certificates() == []


def test_a_presentation_instead_of_a_credential(agency):
    signer = SoftwareSigner.generate()
    raw = agency.sign(signer.public_key)
    shown = agency.form.present(
        agency.form.open(raw), [], signer, audience="x", nonce=bytes(16), issued_at=int(AT.timestamp())
    )
    refused(agency, ReasonCode.FORMAT, shown)


def test_another_type_than_was_offered(agency):
    vct = agency.world.catalog["edu.enrolment"].vct
    refused(agency, ReasonCode.VCT, agency.sign(vct=vct))
    with pytest.raises(RefusedError) as error:
        agency.deliver(agency.sign(vct=vct), code="edu.enrolment")
    assert error.value.code is ReasonCode.ISSUER


def test_expired_or_not_yet_valid(agency):
    now = int(AT.timestamp())
    refused(agency, ReasonCode.EXPIRED, agency.sign(issued_at=now - 90, expires_at=now - 30))
    soon = now + 3600
    refused(agency, ReasonCode.NOT_YET_VALID, agency.sign(issued_at=soon, expires_at=soon + 86_400))


def test_copies_that_do_not_say_the_same(agency):
    other = agency.sign(agency.keys[1], claims={"issuedOn": "2026-09-26", "name": SD("박다솔")})
    refused(agency, ReasonCode.FORMAT, agency.sign(), other)


def test_ar_05_copies_that_share_a_status_entry(agency):
    status = StatusReference(uri="https://city.example/s/1", index=7)
    raws = [agency.sign(key, status=status) for key in agency.keys[:2]]
    refused(agency, ReasonCode.STATUS_INDEX, *raws)


def test_ar_05_copies_that_share_one_of_their_w3c_status_entries():
    agency = Agency("vc+sd-jwt")

    def places(index, other):
        uri = "https://city.example/s/1-"
        return (
            BitstringReference(uri=f"{uri}revocation", index=index, purpose="revocation"),
            BitstringReference(uri=f"{uri}suspension", index=other, purpose="suspension"),
        )

    first = agency.sign(agency.keys[0], status=places(7, 8))
    refused(agency, ReasonCode.STATUS_INDEX, first, agency.sign(agency.keys[1], status=places(9, 8)))
    (held,) = agency.deliver(first, agency.sign(agency.keys[1], status=places(8, 7)))
    assert held.total == 2


def test_a_format_this_wallet_does_not_hold(agency):
    refused(agency, ReasonCode.FORMAT_NOT_ACCEPTED, agency.sign(), form="ldp_vc")


def test_a_delivery_that_was_kept_is_not_kept_twice(agency):
    raw = agency.sign()
    agency.deliver(raw)
    with pytest.raises(RefusedError) as error:
        agency.deliver(raw)
    assert error.value.code is ReasonCode.CNF
    assert len(agency.world.wallet.certificates()) == 1


def test_the_copies_of_two_offers_do_not_mix(agency):
    world = agency.world
    second = world.wallet.accept(world.issuer.offer(CODE, subject="sample", at=AT), at=AT)
    keys = holder_keys(second, agency.form.id)
    with pytest.raises(RefusedError) as error:
        agency.deliver(agency.sign(), agency.sign(keys[0]))
    assert error.value.code is ReasonCode.FORMAT


def test_ar_05_a_salt_used_twice():
    """Salts are the format's; so the same credential bytes are signed again for another key."""
    agency = Agency("dc+sd-jwt")
    first = agency.sign()
    token, disclosure, _ = first.decode().split("~")
    payload = parse_json(parse_jws(token, path="", typ="dc+sd-jwt", max_bytes=65536).payload, "", max_bytes=65536)
    header = dict(parse_jws(token, path="", typ="dc+sd-jwt", max_bytes=65536).header)
    payload["cnf"] = {"jwk": agency.keys[1].to_jwk()}
    twin = sign_jws(header, dump_json(payload), agency.signer) + f"~{disclosure}~".encode()
    refused(agency, ReasonCode.DUPLICATE_DISCLOSURE, first, twin)


def test_a_pending_request_survives_and_is_forgotten_after_a_month():
    world = World(at=AT)
    offer = world.issuer.offer(CODE, subject="sample", at=AT)
    first = world.wallet.accept(offer, at=AT)
    assert isinstance(first, IssuanceRequest)
    later = AT + timedelta(days=31)
    world.wallet.accept(world.issuer.offer(CODE, subject="sample", at=later), at=later)
    assert len(world.wallet._store.ids("pending")) == 1
