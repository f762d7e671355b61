"""A town of services: an agency's issuer, a bank's verifier and a citizen's wallet, over real sockets with TLS.

Every part is the product's own, wired as an operator wires it: settings, keys with certificates, a trust bundle that
is signed anew by ``publish``, databases, and the guarded client that trusts the test's certificate authority. Only the
people are fictitious. ``Town`` is made by the fixtures of ``conftest.py``.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin

from issuer import Issuer, IssuerProfile
from issuer.server.app import create_app as create_issuer
from issuer.server.settings import IssuerServerSettings
from issuer.server.store import ServiceStore
from tests.services.issuer_kit import Authority
from tests.services.kit import HOST, TestAuthority, listening, served
from vcred.catalog import Catalog
from vcred.keys import SoftwareSigner
from vcred.testing import SampleRecords
from vcred.trust import Purpose, TrustBundle, build_reader, build_root
from vcred.trust.bare import BareKey
from vcred.trust.did import did_key
from vcred.trust.publish import PackBuilder, new_root, single_key
from verifier import ReaderIdentity, Verifier
from verifier.guest import GuestVerifier
from verifier.policy import VerificationPolicy, preset_ids
from verifier.server.app import create_app as create_verifier
from verifier.server.parts import load_policies
from verifier.server.settings import VerifierServerSettings
from verifier.server.store import VerifierStore
from wallet import MemoryStore, Wallet
from wallet.client import LocalAttester, Online

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from vcred.outgoing import Answer

API_KEY = "a-key-of-the-bank's-back-office"
CALLBACK = "http://127.0.0.1:8765/callback"
CLIENT = "https://maker.example/wallet"
ADMIN = "a-token-that-only-an-operator-of-this-town-has"
BANK_NAME = {"ko": "다솜은행 (가상)", "en": "Dasom Bank (fictitious)"}
OTHER_NAME = {"ko": "하늘시 (가상)", "en": "Haneul City (fictitious)"}
CITY_NAME = {"ko": "가람시 (가상)", "en": "Garam City (fictitious)"}
FORMATS = ("dc+sd-jwt", "sd-cwt", "mso_mdoc", "vc+sd-jwt", "vc+jwt")
LONG = timedelta(days=365 * 20)


class Town:
    """See the module. ``issuer_url`` and ``verifier_url`` answer while it is open; it is a context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], datetime],
        database: Callable[[str], str],
        formats: Sequence[str] = FORMATS,
        path: str = "/garam",
        catalog: Catalog | None = None,
        bare: SoftwareSigner | None = None,
        more_formats: Mapping[str, Any] | None = None,
        verifier: Mapping[str, Any] | None = None,
        id_login: bool = False,
        **issuer_settings: Any,
    ) -> None:
        """``verifier`` are settings of the bank's service, ``issuer_settings`` of the agency's, beside the usual.

        With ``id_login`` applicants log in with an identity card, and by nothing else.
        """
        self.folder, self.clock = folder, clock
        self.bare, self.more_formats = bare, more_formats or {}
        self._open = ExitStack()
        self.catalog = Catalog.builtin() if catalog is None else catalog
        self.tls = TestAuthority(folder)
        self.http = self.tls.http()
        self._issuer_socket, issuer_port = listening()
        self._verifier_socket, verifier_port = listening()
        self.issuer_url = f"https://{HOST}:{issuer_port}{path}"
        self.verifier_url = f"https://{HOST}:{verifier_port}"
        self.agency = Authority("가람시", id=self.issuer_url)
        self.attester = Authority("새솔 지갑")
        self._tuf = SoftwareSigner.generate()
        start = clock() - timedelta(days=1)
        self._founded = start
        self._root_file = new_root(
            version=1, roles=single_key(self._tuf.public_key), signers=[self._tuf], expires=start + LONG
        )
        self.reader_root, self.reader = self._reader(BANK_NAME)
        self.hall = self._reader(CITY_NAME)[1] if id_login else None
        self._version = 0
        self._following: list[Any] = []
        self.others: dict[str, Authority] = {}
        """Issuers besides the agency, by id: the next ``publish`` lists them."""
        self.foreign: list[dict[str, Any]] = []
        """Entries of authorities of another profile: the next ``publish`` lists them, too."""
        self._issuer(database("issuer"), formats, issuer_settings)
        self.trust = self.publish()
        self._issuer_service()
        self._verifier(database("verifier"), dict(verifier or {}))

    def __enter__(self) -> Self:
        self._open.callback(self.store.close)
        self._open.callback(self.verifier_store.close)
        tls = self.tls.server()
        self._open.enter_context(served(self.issuer_app, at=self._issuer_socket, tls=tls))
        self._open.enter_context(served(self.verifier_app, at=self._verifier_socket, tls=tls))
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def publish(self) -> TrustBundle:
        """A trust bundle with today's status lists, taken by whoever asks for ``trust``."""
        self._version += 1
        at = self.clock()
        pack = PackBuilder(production=False, name={"ko": "시험 목록", "en": "Test list"})
        pack.add_authority(
            **self._signs(),
            name=CITY_NAME,
            purpose=Purpose.ISSUER,
            types=self._own_types(),
            status_uris=[self.profile.list_uri(0).removesuffix("0")],
            valid_from=self._founded,
            valid_until=self._founded + LONG,
            test=True,
        )
        for one, authority in self.others.items():
            pack.add_authority(
                id=one,
                name=OTHER_NAME,
                purpose=Purpose.ISSUER,
                anchors=[authority.root],
                signers=[[authority.leaf]],
                types=list(self.catalog),
                status_uris=[],
                valid_from=self._founded,
                valid_until=self._founded + LONG,
                test=True,
            )
        span = {"valid_from": self._founded, "valid_until": self._founded + LONG}
        for entry in self.foreign:
            pack.add_authority(name=OTHER_NAME, signers=[], status_uris=[], test=True, **span, **entry)
        pack.add_reader(certificate=self.reader.chain[0], name=BANK_NAME, policies=list(preset_ids()), test=True)
        if self.hall is not None:
            pack.add_reader(certificate=self.hall.chain[0], name=CITY_NAME, policies=["city.login"], test=True)
            pack.add_policy("city.login", VerificationPolicy.preset("city.login").source)
        pack.add_types(self.catalog.texts())
        for token in self.issuer.status_tokens(at=at).values():
            pack.add_status(token)
        expires = at + timedelta(days=30)
        raw = pack.build(version=self._version, roots=[self._root_file], signers=[self._tuf], at=at, expires=expires)
        self.trust = TrustBundle.loads(raw, root=self._root_file, seen=None)
        self.bundle, self.root_file = raw, self._root_file
        for one in self._following:
            one.trust = self.trust
        return self.trust

    def online(self, *, wallet: Wallet | None = None, **more: Any) -> Online:
        """A citizen's wallet with a network, attested by a maker whom the issuer trusts; its own is made if none is
        given. It follows ``publish``.
        """
        if wallet is None:
            wallet = Wallet(store=MemoryStore(), trust=self.trust, more_formats=self.more_formats)
        self._following.append(wallet)
        maker = LocalAttester(
            self.attester.key, (self.attester.leaf,), client_id=CLIENT, issuer="https://maker.example"
        )
        given = {"attester": maker, "redirect_uri": CALLBACK, "open_browser": self.browse, "copies": 3} | more
        return Online(wallet, http=self.http, clock=self.clock, development=True, **given)

    def browse(self, url: str) -> str:
        """A browser that goes where it is sent until that is the wallet."""
        cookies: dict[str, str] = {}
        for _ in range(8):
            if url.startswith(CALLBACK):
                return url
            cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
            answer = self.http.send("GET", url, headers={"Cookie": cookie} if cookie else {})
            name, _, value = answer.headers.get("set-cookie", "").partition(";")[0].partition("=")
            cookies |= {name: value} if name else {}
            assert "location" in answer.headers, (answer.status, answer.body)
            url = urljoin(url, answer.headers["location"])
        raise AssertionError("the browser is sent in circles")

    def offer(self, code: str, form: str, *, grant: str = "pre-authorized", **more: Any) -> Any:
        """An offer that an officer makes: ``uri``, ``tx_code`` and the rest."""
        order = {"code": code, "subject": "sample", "formats": [form], "grant": grant, **more}
        return self.call("POST", f"{self.issuer_url}/admin/offers", order)

    def receive(self, online: Online, made: Any) -> Any:
        """What a citizen does with an offer: look, fetch, agree."""
        seen = online.look(made["uri"])
        consent = online.fetch(seen)
        return consent.approve(tx_code=made["tx_code"])

    def ask_for(self, policy: str, **wish: Any) -> Any:
        """A request that the bank's back office makes."""
        usual = {"policy": policy, "device": "cross_device"} | wish
        return self.call("POST", f"{self.verifier_url}/api/requests", usual, token=API_KEY)

    def call(self, method: str, url: str, body: Any = None, *, token: str | None = ADMIN, **headers: str) -> Any:
        """The JSON of a successful answer to an operator's request."""
        answer = self.ask(method, url, body, token=token, **headers)
        assert answer.status in (200, 201, 202), (answer.status, answer.body)
        return json.loads(answer.body)

    def ask(self, method: str, url: str, body: Any = None, *, token: str | None = ADMIN, **headers: str) -> Answer:
        """The answer to an operator's request, whatever it is."""
        sent = {"Content-Type": "application/json"} if body is not None else {}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        raw = None if body is None else json.dumps(body).encode()
        return self.http.send(method, url, headers=sent | headers, body=raw)

    def _signs(self) -> dict[str, Any]:
        """The agency in the trust list: what it is called and how its signatures are known."""
        if self.bare is not None:
            return {"id": self.profile.id, "anchors": [], "signers": []}
        return {"id": self.issuer_url, "anchors": [self.agency.root], "signers": [[self.agency.leaf]]}

    def _signing(self) -> dict[str, Any]:
        """The same for its profile; ``bare`` is the key of an agency that is a ``did:key``."""
        if self.bare is None:
            return {"id": self.issuer_url, "signer": self.agency.key, "chain": (self.agency.leaf,)}
        did = did_key(self.bare.public_key)
        times = {"valid_from": int(self._founded.timestamp()), "valid_until": int((self._founded + LONG).timestamp())}
        key = BareKey(key=self.bare.public_key, did_url=f"{did}#{did.removeprefix('did:key:')}", **times)
        return {"id": did, "signer": self.bare, "bare": key, "status_uri": f"{self.issuer_url}/status/"}

    def _own_types(self) -> list[str]:
        return [code for code in self.catalog if not self.catalog[code].foreign]

    def _issuer(self, database: str, formats: Sequence[str], settings: dict[str, Any]) -> None:
        self.store = ServiceStore(database)
        self.profile = IssuerProfile(**self._signing(), formats=tuple(formats), copies=5)
        records = SampleRecords(self.catalog)
        more = dict(self.more_formats)
        self.issuer = Issuer(self.profile, records=records, catalog=self.catalog, store=self.store, more_formats=more)
        attester = self.attester.pem(self.folder / "attester.pem")
        self.settings = IssuerServerSettings.model_validate(
            {
                "base_url": self.issuer_url,
                "development": True,
                **self._login(),
                "wallet_attesters": [{"certificates": attester}],
                "key_attesters": [{"certificates": attester}],
                "admin_tokens": {"town": ADMIN},
                **settings,
            }
        )

    def _login(self) -> dict[str, Any]:
        if self.hall is None:
            return {"auto_approve": "sample"}
        return {"id_login": {"verifier": self.folder, "subject": "rrn"}}

    def _issuer_service(self) -> None:
        reader = None
        if self.hall is not None:
            policy = VerificationPolicy.preset("city.login")
            reader = GuestVerifier(lambda: self.trust, self.hall, policy, production=False, plain_http=True)
        self.issuer_app = create_issuer(
            self.settings,
            issuer=self.issuer,
            store=self.store,
            http=self.http,
            clock=self.clock,
            card_reader=reader,
        )

    def _verifier(self, database: str, settings: dict[str, Any]) -> None:
        key = self.folder / "storage.key"
        key.write_text(secrets.token_hex(32), encoding="ascii")
        digest = hashlib.sha256(API_KEY.encode()).hexdigest()
        self.verifier_settings = VerifierServerSettings.model_validate(
            {
                "base_url": self.verifier_url,
                "development": True,
                "database": database,
                "storage_key": key,
                "api_keys": [{"name": "bank", "sha256": digest}],
                **settings,
            }
        )
        self.verifier_store = VerifierStore(database, key=bytes.fromhex(key.read_text()))
        verifier = Verifier(self.trust, self.reader, self.verifier_store)
        self._following.append(verifier)
        self.verifier_app = create_verifier(
            self.verifier_settings,
            verifier=verifier,
            policies=load_policies(self.verifier_settings, self.trust),
            store=self.verifier_store,
            http=self.http,
            clock=self.clock,
        )

    def _reader(self, name: Mapping[str, str]) -> tuple[bytes, ReaderIdentity]:
        root_key, key = SoftwareSigner.generate(), SoftwareSigner.generate()
        root = build_root(root_key, name=name, not_before=self._founded, not_after=self._founded + LONG)
        leaf = build_reader(
            key.public_key,
            identifier=HOST,
            name=name,
            issuer=root,
            issuer_signer=root_key,
            not_before=self._founded,
            not_after=self._founded + LONG,
        )
        return root, ReaderIdentity((leaf,), key)
