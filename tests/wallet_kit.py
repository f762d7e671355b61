"""Worlds, policies and readers for wallet tests."""

import json
from datetime import UTC, datetime, timedelta

from issuer import Issuer, IssuerProfile
from vcred.dcql import DcqlQuery
from vcred.keys import SoftwareSigner
from vcred.presentation import Challenge, sign_request
from vcred.testing.world import ISSUER_ID, STATUS_URI
from vcred.trust import build_reader, build_root
from verifier import ReaderIdentity

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
TEXTS = {
    "head": """
id = "{id}"
name = {{ ko = "시험", en = "Test" }}
purpose = {{ ko = "시험 제출", en = "Test" }}
asks = {{ ko = "항목", en = "Claims" }}
holder_binding = "required"
[freshness]
challenge = true
max_age_seconds = 30
[trust]
max_age_hours = 720
[status]
required = true
max_age_hours = {hours}
[rrn]
level = "{rrn}"
{basis}
[retention]
days = 0
text = {{ ko = "보관하지 않음", en = "Not kept" }}
""",
    "slot": """
[[certificates]]
slot = "{slot}"
name = {{ ko = "증명서", en = "Certificate" }}
required = {required}
[[certificates.any_of]]
code = "{code}"
claims = {claims}
{optional}
""",
}


def policy(policy_id, *slots, rrn="none", hours=24):
    """A policy text; each slot is (name, code, claims, optional, required). ``hours`` is how old a status may be.

    Put before it is what the policy itself has besides, after it what its last alternative has.
    """
    basis = 'legal_basis = { ko = "시험", en = "Test" }' if rrn == "full" else ""
    text = TEXTS["head"].format(id=policy_id, rrn=rrn, basis=basis, hours=hours)
    for name, code, claims, optional, required in slots:
        more = f"optional = {_array(optional)}" if optional else ""
        flag = str(required).lower()
        text += TEXTS["slot"].format(slot=name, code=code, claims=_array(claims), optional=more, required=flag)
    return text


def _array(texts):
    return json.dumps(list(texts))


def issue(world, code, *, copies=None, record=None, **more):
    """The wallet receives a certificate; with ``copies``, from an issuer that gives so many."""
    if copies is None:
        return world.issue(code, record=record, **more)
    profile = IssuerProfile(
        id=ISSUER_ID,
        signer=world.document_signer,
        chain=(world.document_signer_certificate,),
        formats=("dc+sd-jwt", "sd-cwt"),
        status_uri=f"{STATUS_URI}{copies}/",
        copies=copies,
    )
    issuer = Issuer(profile, records=world.records, catalog=world.catalog)
    return world.wallet.receive(issuer.offer(code, subject="sample", at=world.at, **more), at=world.at)


def stranger(name):
    """A reader that no bundle knows, calling itself ``name``."""
    root_key, key = SoftwareSigner.generate(), SoftwareSigner.generate()
    start, end = AT - timedelta(days=1), AT + timedelta(days=90)
    names = {"ko": name, "en": name}
    root = build_root(root_key, name=names, not_before=start, not_after=end)
    leaf = build_reader(
        key.public_key,
        identifier="bank.example",
        name=names,
        issuer=root,
        issuer_signer=root_key,
        not_before=start,
        not_after=end,
    )
    return ReaderIdentity((leaf,), key)


def asking(identity, claims, *, code, catalog, x5c=(), policy=None, purpose="시험", form="sd-cwt", **more):
    """A request signed by ``identity`` for claims of one certificate type."""
    query = DcqlQuery.parse(
        {
            "credentials": [
                {
                    "id": "one",
                    "format": form,
                    "meta": {"vct_values": [catalog[code].vct]},
                    "claims": [{"path": list(path)} for path in claims],
                }
            ]
        }
    )
    given = {"freshness": Challenge(), "nonce": bytes(range(16)), "at": AT, "lifetime": timedelta(seconds=120)} | more
    return sign_request(
        query,
        client_id=identity.client_id,
        purpose=purpose,
        policy=policy,
        retention=None,
        signer=identity.signer,
        x5c=x5c,
        **given,
    )
