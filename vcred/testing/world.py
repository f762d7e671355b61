"""``World``: an agency, a wallet, a bank and a clock, in memory, with attacks as methods.

    world = World(at=datetime(2026, 9, 26, 3, 0, tzinfo=UTC))
    world.issue("resident.personal")
    result = world.ask("bank.address-change")
    assert result

    world.revoke("resident.personal")
    assert not world.ask("bank.address-change")

Everything in it is the real thing: real keys, certificates, trust bundle, status lists, encrypted store,
QR messages. Only the people are fictitious: an agency issues from each type's sample record, or from
``records``. ``at`` is the clock; ``advance`` moves it; the trust bundle is signed anew by ``refresh_trust``. With a
post-quantum ``algorithm`` the bundle names the agency's key itself, and status lists have a signer of their own.
A bank tests its own policy with it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from issuer import Issuer, IssuerProfile
from vcred.catalog import Catalog
from vcred.errors import RecordError
from vcred.keys import SoftwareSigner
from vcred.presentation import Challenge, Presentation, PresentationRequest
from vcred.testing.attacks import flip_bit, swap_holder
from vcred.trust import Purpose, TrustBundle, build_reader, build_root, build_signer
from vcred.trust.bare import BareKey
from vcred.trust.publish import PackBuilder, new_root, single_key
from verifier import ReaderIdentity, VerificationPolicy, Verifier
from verifier.policy import preset_ids
from wallet import MemoryStore, Wallet

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from vcred.presentation import Freshness
    from verifier import VerificationResult
    from wallet import ConsentRequest

__all__ = ["SampleRecords", "World"]

AGENCY = {"ko": "가람특별시 (가상)", "en": "Garam City (fictitious)"}
BANK = {"ko": "가람은행 (가상)", "en": "Garam Bank (fictitious)"}
ISSUER_ID = "https://city.example/issuer"
STATUS_URI = "https://city.example/s/"
_LONG = dt.timedelta(days=365 * 20)  # a driver's licence lives ten years, and its signer longer
_BUNDLE_LIFE = dt.timedelta(days=30)


class SampleRecords:
    """A ``RecordSource`` that certifies each type's own sample, or what ``override`` put in its place."""

    in_memory = True

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._records: dict[str, Mapping[str, Any]] = {}

    def override(self, code: str, record: Mapping[str, Any]) -> None:
        """Certify ``record`` as ``code`` from now on."""
        self._records[code] = record

    def fetch(self, code: str, subject: str, *, at: dt.datetime) -> Mapping[str, Any]:
        """The record, whoever ``subject`` is. Raises ``RecordError`` for an unknown type."""
        del subject, at
        if code not in self._catalog:
            raise RecordError(f"no such certificate type: {code}")
        return self._records.get(code, self._catalog[code].sample)


class World:
    """See the module: agency, wallet, verifier, trust and clock, wired together."""

    def __init__(
        self,
        *,
        at: dt.datetime,
        catalog: Catalog | None = None,
        formats: Sequence[str] = ("dc+sd-jwt", "sd-cwt"),
        w3c_status: Literal["token", "bitstring"] = "token",
        policies: Collection[str] = (),
        algorithm: str = "ES256",
    ) -> None:
        """``policies`` are TOML texts published beside the presets; ``w3c_status`` is as in ``IssuerProfile``."""
        self.at = at
        self.catalog = Catalog.builtin() if catalog is None else catalog
        self.records = SampleRecords(self.catalog)
        self._policies = {one.id: one for one in map(VerificationPolicy.load, policies)}
        self._policies |= {one: VerificationPolicy.preset(one) for one in preset_ids()}
        start, end = at - dt.timedelta(days=1), at + _LONG
        self._founded = start
        self._tuf = SoftwareSigner.generate()
        self.root_file = new_root(
            version=1, roles=single_key(self._tuf.public_key), signers=[self._tuf], expires=at + _LONG
        )
        self._root_key, self.document_signer = SoftwareSigner.generate(), SoftwareSigner.generate(algorithm)
        self._root = build_root(self._root_key, name=AGENCY, not_before=start, not_after=end)
        self.bare_key: BareKey | None = None
        profile = IssuerProfile(
            id=ISSUER_ID,
            signer=self.document_signer,
            formats=tuple(formats),
            w3c_status=w3c_status,
            status_uri=STATUS_URI,
        )
        if not self.document_signer.public_key.is_post_quantum:
            self.document_signer_certificate = self._certify(self.document_signer, Purpose.ISSUER, start, end)
            profile = replace(profile, chain=(self.document_signer_certificate,))
        else:
            self.bare_key = BareKey(
                key=self.document_signer.public_key,
                did_url=None,
                valid_from=int(start.timestamp()),
                valid_until=int((start + _LONG).timestamp()),
            )
            lists = SoftwareSigner.generate()
            self.document_signer_certificate = self._certify(lists, Purpose.STATUS, start, end)
            chain = (self.document_signer_certificate,)
            profile = replace(profile, bare=self.bare_key, status_signer=lists, status_chain=chain)
        self.issuer = Issuer(profile, records=self.records, catalog=self.catalog)
        self.identity = self._reader()
        self._version = 0
        self.trust = self._bundle()
        self.verifier = Verifier(self.trust, self.identity)
        self.wallet = Wallet(store=MemoryStore(), trust=self.trust)
        self.issued: dict[str, list[str]] = {}

    def advance(self, **delta: float) -> None:
        """Move the clock: ``advance(days=3, hours=1)``."""
        self.at += dt.timedelta(**delta)

    def refresh_trust(self) -> None:
        """Publish a bundle with today's status lists; wallet and verifier take it."""
        self.trust = self._bundle()
        self.verifier.trust = self.trust
        self.wallet.trust = self.trust

    def policy(self, policy: str | VerificationPolicy) -> VerificationPolicy:
        """A policy by id, or itself."""
        return self._policies[policy] if isinstance(policy, str) else policy

    def issue(
        self,
        code: str,
        *,
        variant: str | None = None,
        options: Mapping[str, Any] | None = None,
        record: Mapping[str, Any] | None = None,
    ) -> None:
        """The wallet receives a certificate; the bundle then knows its status."""
        if record is not None:
            self.records.override(code, record)
        offer = self.issuer.offer(code, subject="sample", variant=variant, options=options or {}, at=self.at)
        held = self.wallet.receive(offer, at=self.at)
        self.issued.setdefault(code, []).extend(one.credential_id for one in held)
        self.refresh_trust()

    def request(
        self, policy: str | VerificationPolicy, *, freshness: Freshness | None = None, **more: Any
    ) -> PresentationRequest:
        """What the bank asks, with a challenge unless told otherwise."""
        return self.verifier.request(self.policy(policy), freshness=freshness or Challenge(), at=self.at, **more)

    def match(self, request: PresentationRequest) -> ConsentRequest:
        """What the wallet shows before consent."""
        return self.wallet.match(PresentationRequest.parse(request.to_message()), at=self.at)

    def present(self, request: PresentationRequest) -> Presentation:
        """The holder approves what is required; the answer, as it came over the wire."""
        answer = self.wallet.present(self.match(request).approve(), at=self.at)
        return Presentation.parse(answer.to_message())

    def verify(self, answer: Presentation, request: PresentationRequest) -> VerificationResult:
        """The bank's verdict."""
        return self.verifier.verify(answer, request=request, at=self.at)

    def ask(self, policy: str | VerificationPolicy, **more: Any) -> VerificationResult:
        """Request, consent, presentation and verdict in one."""
        request = self.request(policy, **more)
        return self.verify(self.present(request), request)

    def revoke(self, code: str, *, refresh: bool = True) -> None:
        """The agency revokes every certificate of that type it issued."""
        for credential_id in self.issued[code]:
            self.issuer.revoke(credential_id, reason="reissued", at=self.at)
        if refresh:
            self.refresh_trust()

    def stale_status(self, *, days: float) -> None:
        """Time passes and no bundle arrives."""
        self.advance(days=days)

    def forge(self, answer: Presentation) -> Presentation:
        """The same answer with one bit flipped in each presentation."""
        return flip_bit(answer)

    def swap_holder(self, answer: Presentation) -> Presentation:
        """The same certificates, signed for this presentation by somebody else's phone."""
        return swap_holder(answer, self.catalog)

    def _certify(self, signer: SoftwareSigner, purpose: Purpose, start: dt.datetime, end: dt.datetime) -> bytes:
        return build_signer(
            signer.public_key,
            purpose=purpose,
            id=ISSUER_ID,
            name=AGENCY,
            issuer=self._root,
            issuer_signer=self._root_key,
            not_before=start,
            not_after=end,
        )

    def _reader(self) -> ReaderIdentity:
        root_key, key = SoftwareSigner.generate(), SoftwareSigner.generate()
        start, end = self.at - dt.timedelta(days=1), self.at + _LONG
        root = build_root(root_key, name=BANK, not_before=start, not_after=end)
        leaf = build_reader(
            key.public_key,
            identifier="bank.example",
            name=BANK,
            issuer=root,
            issuer_signer=root_key,
            not_before=start,
            not_after=end,
        )
        return ReaderIdentity((leaf,), key)

    def _bundle(self) -> TrustBundle:
        self._version += 1
        pack = PackBuilder(production=False, name={"ko": "가상 신뢰 목록", "en": "Fictitious trust list"})
        pack.add_authority(
            id=ISSUER_ID,
            name=AGENCY,
            purpose=Purpose.ISSUER,
            anchors=[self._root],
            signers=[[self.document_signer_certificate]],
            keys=[] if self.bare_key is None else [self.bare_key],
            types=list(self.catalog),
            status_uris=[STATUS_URI],
            valid_from=self._founded,
            valid_until=self._founded + _LONG,
            test=True,
        )
        pack.add_reader(certificate=self.identity.chain[0], name=BANK, policies=list(self._policies), test=True)
        pack.add_types(self.catalog.texts())
        for policy_id, policy in self._policies.items():
            pack.add_policy(policy_id, policy.source)
        for token in self.issuer.status_tokens(at=self.at).values():
            pack.add_status(token)
        self.bundle_file = pack.build(
            version=self._version,
            roots=[self.root_file],
            signers=[self._tuf],
            at=self.at,
            expires=self.at + _BUNDLE_LIFE,
        )
        return TrustBundle.loads(self.bundle_file, root=self.root_file, seen=None)
