"""PRODUCT, driven: a ministry that publishes trust, agencies that issue, people with phones. Real keys, real files.

Nothing here decides what is right; ``oracle`` does. Facts that the oracle needs (which key signed, which status list) are
read off what was made.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from issuer import Issuer, IssuerProfile
from issuer.store import IssuerStore
from tests.wallet_kit import policy
from vcred.catalog import Catalog
from vcred.formats.sd_cwt import SdCwt
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.keys import SoftwareSigner
from vcred.testing.world import SampleRecords
from vcred.trust import Purpose, TrustBundle, Withdrawal, WithdrawalReason, build_reader, build_root, build_signer
from vcred.trust.ceremony import detached
from vcred.trust.publish import PackBuilder
from vcred.trust.repository import Lifetimes, Published, Repository
from vcred.trust.roles import RoleKeys
from verifier import ReaderIdentity, VerificationPolicy
from wallet import MemoryStore, Wallet

if TYPE_CHECKING:
    from pathlib import Path

START = dt.datetime(2026, 10, 1, 0, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
LONG_AGO, LONG = START - 500 * DAY, START + 4000 * DAY
FORMATS = ("sd-cwt", "dc+sd-jwt")
SKILL, CARD, DEGREE = "qual.national_tech", "id.resident_mobile", "edu.graduation"
STATUS_HOURS = {SKILL: 168, CARD: 96, DEGREE: 720}
"""The smaller of the type's limit and the policy's below."""

_POLICY_HOURS = {SKILL: 240, CARD: 96, DEGREE: 720}
_CODES = """
[codes.sex]
values = [{ id = "male", ko = "남", en = "male" }, { id = "female", ko = "여", en = "female" }]
"""
POLICIES = {
    code: VerificationPolicy.load(
        policy(f"year.{code.replace('_', '-')}", ("one", code, ["name"], (), True), hours=hours)
    )
    for code, hours in _POLICY_HOURS.items()
}


def stamp(at: dt.datetime) -> int:
    return int(at.timestamp())


def catalog() -> Catalog:
    """The three types of the year. They use one shared code list."""
    built_in = Catalog.builtin().texts()
    names = [f"{code.replace('.', '/')}.toml" for code in STATUS_HOURS]
    return Catalog.from_texts({name: built_in[name] for name in names} | {"codes.toml": _CODES})


class Agency:
    """An authority with one root. ``name`` is what the oracle calls it; its keys are ``name-1``, ``name-2`` ..."""

    def __init__(self, name: str, code: str, folder: Path, kinds: Catalog, *, site: str, own_status_key: bool) -> None:
        self.name, self.code, self._kinds = name, code, kinds
        self.id = f"https://{name}.example/issuer"
        self.lists = f"{site}{name}/status/"
        self.names = {"ko": f"{name} (가상)", "en": f"{name} (fictitious)"}
        self._root_key = SoftwareSigner.generate()
        self.root = build_root(self._root_key, name=self.names, not_before=LONG_AGO, not_after=LONG)
        self.keys: dict[str, SoftwareSigner] = {}
        self.certificates: dict[str, bytes] = {}
        self.store = IssuerStore(folder / f"{name}.db", list_size=128)
        self._status_key = SoftwareSigner.generate() if own_status_key else None
        self.status_certificate = None
        if self._status_key is not None:
            self.status_certificate = self._certify(self._status_key, Purpose.STATUS, LONG_AGO)
        self.new_key(START)

    @property
    def key(self) -> str:
        """The document signer in use."""
        return f"{self.name}-{len(self.keys)}"

    @property
    def list_key(self) -> str:
        """Who signs the status lists."""
        return self.key if self._status_key is None else f"{self.name}-status"

    def new_key(self, at: dt.datetime) -> None:
        """A new document signer; the old ones are kept, and used no more."""
        signer = SoftwareSigner.generate()
        name = f"{self.name}-{len(self.keys) + 1}"
        self.keys[name] = signer
        self.certificates[name] = self._certify(signer, Purpose.ISSUER, at - DAY)
        self.issuer = self.issuer_with(name)

    def issuer_with(self, key: str) -> Issuer:
        """An issuing desk that signs with ``key``."""
        profile = IssuerProfile(
            id=self.id,
            signer=self.keys[key],
            chain=(self.certificates[key],),
            formats=FORMATS,
            copies=1,
            status_uri=self.lists,
            status_signer=self._status_key,
            status_chain=() if self.status_certificate is None else (self.status_certificate,),
        )
        return Issuer(profile, records=SampleRecords(self._kinds), catalog=self._kinds, store=self.store)

    def entry(self, withdrawn: dict[str, tuple[str, int]]) -> dict:
        """Its lines in the trust list."""
        signers = [[der] for der in self.certificates.values()]
        return {
            "id": self.id,
            "name": self.names,
            "purpose": Purpose.ISSUER,
            "anchors": [self.root],
            "signers": signers + ([] if self.status_certificate is None else [[self.status_certificate]]),
            "types": [self.code],
            "status_uris": [self.lists],
            "valid_from": LONG_AGO,
            "valid_until": LONG,
            "test": False,
            "withdrawn": [
                Withdrawal(kid=self.keys[key].public_key.kid, at=at, reason=WithdrawalReason(reason))
                for key, (reason, at) in withdrawn.items()
                if key in self.keys
            ],
        }

    def _certify(self, key: SoftwareSigner, purpose: Purpose, start: dt.datetime) -> bytes:
        return build_signer(
            key.public_key,
            purpose=purpose,
            id=self.id,
            name=self.names,
            issuer=self.root,
            issuer_signer=self._root_key,
            not_before=start,
            not_after=LONG,
        )


class Ministry:
    """Publishes trust: three root officers and three list officers, two of whom sign, and an online key."""

    def __init__(self, folder: Path, kinds: Catalog) -> None:
        self._kinds = kinds
        self.root, self.officers = _keys(3), _keys(3)
        self.online = SoftwareSigner.generate()
        self._reader_root = SoftwareSigner.generate()
        self.proposed = 0
        """How many trust lists the officers were asked to sign."""
        self.readers: list[tuple[bytes, dict[str, str]]] = []
        self.repository = Repository.create(
            folder,
            name={"ko": "한 해", "en": "A year"},
            production=False,  # the agencies' servers are on loopback, where nobody else could ask them
            roles=self._roles(),
            lifetimes=Lifetimes(root=1095, targets=150, online=35),
            at=START,
        )

    @property
    def public(self) -> Path:
        """What everybody may fetch."""
        return self.repository.bundle_file.parent

    def register(self, name: str) -> ReaderIdentity:
        """A certificate for a branch."""
        key, names = SoftwareSigner.generate(), {"ko": f"{name} (가상)", "en": f"{name} (fictitious)"}
        root = build_root(self._reader_root, name=names, not_before=LONG_AGO, not_after=LONG)
        leaf = build_reader(
            key.public_key,
            identifier=f"{name}.example",
            name=names,
            issuer=root,
            issuer_signer=self._reader_root,
            not_before=LONG_AGO,
            not_after=LONG,
        )
        self.readers.append((leaf, names))
        return ReaderIdentity((leaf,), key)

    def stage(self, agencies: list[Agency], withdrawn: dict[str, tuple[str, int]], *, at: dt.datetime) -> bool:
        """Propose a trust list. Whether there is something new to sign."""
        builder = PackBuilder(production=False, name={"ko": "한 해", "en": "A year"})
        for agency in agencies:
            builder.add_authority(**agency.entry(withdrawn))
        for leaf, names in self.readers:
            builder.add_reader(certificate=leaf, name=names, policies=[one.id for one in POLICIES.values()], test=False)
        builder.add_types(self._kinds.texts())
        for one in POLICIES.values():
            builder.add_policy(one.id, one.source)
        new = self.repository.stage(builder, at=at)
        self.proposed += new
        return new

    def sign_list(self) -> None:
        """Two list officers: one here, one on a machine of its own."""
        self.repository.sign(self.officers[0])
        self.sign_by_post()

    def sign_by_post(self) -> None:
        """The second officer's signature comes as a file."""
        staged = next(one for one in self.repository.staged() if one.role == "targets")
        self.repository.attach(detached(staged, self.officers[1]))

    def replace_root_officer(self, *, at: dt.datetime) -> None:
        old, self.root = self.root, [*self.root[1:], SoftwareSigner.generate()]
        self._rotate([*old[1:], self.root[2]], at)

    def replace_online_key(self, *, at: dt.datetime) -> None:
        self.online = SoftwareSigner.generate()
        self._rotate(self.root[:2], at)

    def replace_list_officers(self, *, at: dt.datetime) -> None:
        self.officers = _keys(3)
        self._rotate(self.root[:2], at)

    def publish(self, tokens: list[bytes], *, at: dt.datetime) -> Published:
        return self.repository.publish([self.online], status=tokens, at=at)

    def _rotate(self, signers: list[SoftwareSigner], at: dt.datetime) -> None:
        self.repository.rotate(self._roles(), at=at)
        self.proposed += 1
        for signer in signers:
            self.repository.sign(signer)
        self.sign_list()

    def _roles(self) -> dict[str, RoleKeys]:
        return {
            "root": RoleKeys(keys=tuple(one.public_key for one in self.root), threshold=2),
            "targets": RoleKeys(keys=tuple(one.public_key for one in self.officers), threshold=2),
            "online": RoleKeys(keys=(self.online.public_key,), threshold=1),
        }


class Holder:
    """A person with a phone, and one certificate on it."""

    def __init__(self, trust: TrustBundle) -> None:
        self.wallet = Wallet(store=MemoryStore(), trust=trust)

    def receive(self, issuer: Issuer, code: str, kinds: Catalog, *, at: dt.datetime) -> tuple[str, dict[str, str]]:
        """Take a certificate: its id at the issuer, and the status list that each format is in."""
        taken = []
        offer = issuer.offer(code, subject="sample", at=at)
        (held,) = self.wallet.receive(_noting(offer, taken), at=at)
        readers = {"sd-cwt": SdCwt(kinds.labels), "dc+sd-jwt": SdJwtVc()}
        lists = {form: readers[form].open(raw).status.uri for form, raw in taken[0].credentials}
        return held.credential_id, lists


def _noting(offer, taken: list):
    """``offer``, whose delivery is also put into ``taken``."""
    import dataclasses

    redeem = offer.redeem

    def note(request, *, at):
        delivery = redeem(request, at=at)
        taken.append(delivery)
        return delivery

    return dataclasses.replace(offer, redeem=note)


def _keys(count: int) -> list[SoftwareSigner]:
    return [SoftwareSigner.generate() for _ in range(count)]
