"""An issuer's service as an operator runs it, with applicants who wait: in a process of its own, for ``service.py``.

python bench/service_desk.py --database URL --work FILE --port 8300 --codes 4000 [--haip] [--workers 2]

Before it listens it makes the applications and pre-authorized codes, and for each a wallet with what a wallet can
prepare: keys and, with ``--haip``, the attestation with its proof and the DPoP proof of the token request.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from issuer import Issuer, IssuerProfile
from issuer.server.app import create_app
from issuer.server.settings import IssuerServerSettings
from issuer.server.store import ServiceStore
from vcred.catalog import Catalog
from vcred.errors import TransportError
from vcred.keys import SoftwareSigner
from vcred.oauth import build_attestation_pop, build_client_attestation, build_dpop
from vcred.serving import run_workers, serve
from vcred.testing import SampleRecords
from vcred.trust import Purpose, build_root, build_signer

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from fastapi import FastAPI

    from vcred.outgoing import Answer

_CODE, _FORMAT = "resident.personal", "dc+sd-jwt"
_CLIENT = "https://wallet.example"
_NAME = {"ko": "가람시 (가상)", "en": "Garam City (fictitious)"}
Authority = tuple[SoftwareSigner, bytes, bytes]


class _Nobody:
    """``Http`` of a service that has nobody to ask."""

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = 0,
    ) -> Answer:
        del headers, body, limit
        raise TransportError(f"{method} {url}: nothing is fetched here")


def _authority(issuer_id: str, now: datetime) -> tuple[SoftwareSigner, bytes, bytes]:
    """A document signer, its certificate and the root."""
    root_key, key = SoftwareSigner.generate(), SoftwareSigner.generate()
    span = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=7300)}
    root = build_root(root_key, name=_NAME, **span)
    leaf = build_signer(
        key.public_key, purpose=Purpose.ISSUER, id=issuer_id, name=_NAME, issuer=root, issuer_signer=root_key, **span
    )
    return key, leaf, root


def make(database: str, *, base_url: str, folder: Path, haip: bool, city: Authority, maker: Authority) -> FastAPI:
    """The service of ``city``, which believes what ``maker`` says of wallets."""
    store = ServiceStore(database)
    key, leaf, _ = city
    maker_root = maker[2]
    roots = folder / f"attester-{os.getpid()}.pem"  # each worker's own: another one may be reading
    text = base64.encodebytes(maker_root).decode()
    roots.write_text(f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n", encoding="ascii")
    catalog = Catalog.builtin()
    profile = IssuerProfile(id=base_url, signer=key, chain=(leaf,), formats=(_FORMAT,), copies=5)
    issuer = Issuer(profile, records=SampleRecords(catalog), catalog=catalog, store=store)
    settings = IssuerServerSettings.model_validate(
        {
            "base_url": base_url,
            "development": True,
            "wallet_attesters": [{"certificates": roots}],
            "anonymous_pre_authorized": not haip,
            "require_dpop": haip,
            "proof_nonces": False,
            "lifetimes": {"pre_authorized_code": 86_400, "application": 86_400},
        }
    )
    return create_app(settings, issuer=issuer, store=store, http=_Nobody(), clock=lambda: datetime.now(UTC))


def prepared(app: FastAPI, attester: Authority, *, codes: int, haip: bool) -> dict[str, Any]:
    """Applications with their codes, and the wallets that come for them."""
    parts, at = app.state.parts, datetime.now(UTC)
    until = at + timedelta(days=1)
    names = [f"{_CODE}/{_FORMAT}"]
    given: list[str] = []

    def apply() -> None:
        for number in range(codes):
            made = parts.applications.create(code=_CODE, subject=f"s-{number}", variant=None, options={}, at=at)
            code = parts.grants.pre_authorize(made.id, configuration_ids=names, tx_code=None, expires_at=until, at=at)
            given.append(code)

    parts.store.transact(apply)
    base_url = parts.settings.base_url
    issuances = []
    for code in given:
        holder = SoftwareSigner.generate()
        wallet: dict[str, Any] = {"jwk": holder.public_key.to_jwk(), "key": _der(holder)}
        headers: dict[str, str] = {}
        if haip:  # everybody has an installation of his own, whose keys the service has never seen
            instance, dpop, attestation = _installation(attester, at)
            wallet |= {"dpop_jwk": dpop.public_key.to_jwk(), "dpop_key": _der(dpop)}
            headers = {
                "OAuth-Client-Attestation": attestation,
                "OAuth-Client-Attestation-PoP": build_attestation_pop(instance, audience=base_url, at=at),
                "DPoP": build_dpop(dpop, method="POST", url=f"{base_url}/token", at=at),
            }
        issuances.append({"code": code, "headers": headers, "wallet": wallet})
    return {
        "base_url": base_url,
        "configuration": names[0],
        "client_id": _CLIENT if haip else None,
        "issuances": issuances,
    }


def _installation(attester: Authority, at: datetime) -> tuple[SoftwareSigner, SoftwareSigner, str]:
    maker, leaf, _ = attester
    instance = SoftwareSigner.generate()
    attestation = build_client_attestation(
        maker,
        instance.public_key,
        client_id=_CLIENT,
        issuer="https://maker.example",
        at=at,
        lifetime=timedelta(hours=12),
        x5c=(leaf,),
    )
    return instance, SoftwareSigner.generate(), attestation


def _der(signer: SoftwareSigner) -> str:
    return base64.b64encode(signer.to_der()).decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--codes", type=int, required=True)
    parser.add_argument("--haip", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    base_url = f"http://127.0.0.1:{chosen.port}"
    now = datetime.now(UTC)
    city, maker = _authority(base_url, now), _authority("https://maker.example", now)

    def app() -> FastAPI:
        return make(
            chosen.database, base_url=base_url, folder=chosen.work.parent, haip=chosen.haip, city=city, maker=maker
        )

    first = app()
    work = prepared(first, maker, codes=chosen.codes, haip=chosen.haip)
    chosen.work.write_text(json.dumps(work), encoding="utf-8")
    if chosen.workers == 1:
        serve(first, host="127.0.0.1", port=chosen.port, tls=None)
        return
    first.state.parts.store.close()

    def one(place: socket.socket) -> None:
        serve(app(), host="127.0.0.1", port=chosen.port, tls=None, place=place)

    run_workers(one, workers=chosen.workers, host="127.0.0.1", port=chosen.port)


if __name__ == "__main__":
    main()
