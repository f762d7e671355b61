"""The day the data centre burned: issue, hold, show as QR and verify, with the network cut for real.

Run it with ``make demo`` or ``vcred demo --lang en``; ``--format`` tells the same story with the certificates in another
format, or in all of them. It is also the tutorial: everything below uses the public API only, in the order in which an
agency, a person and a bank would.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from compared import attacks, lesson, picture, sizes
from story import Reader, authority, bundle, reader
from teller import Teller

from issuer import Issuer, IssuerProfile
from issuer.fictitious import TownRecords, check_invariants, generate
from vcred import Catalog, Challenge, PresentationRequest, TrustBundle, VcredError, qr
from vcred.claims import ClaimPath
from vcred.dcql import ClaimQuery, CredentialQuery, DcqlQuery
from vcred.errors import ConsentError
from vcred.formats.known import FORMATS, spelling_of, type_names
from vcred.presentation import Presentation, sign_request
from vcred.testing import cut_network
from vcred.testing.attacks import rewrite, swap_holder
from verifier import ReaderIdentity, VerificationPolicy, VerificationResult, Verifier
from wallet import Certificate, FileStore, Wallet

PIN = "493817"
OPEN = "vc+jwt"
"""The format that hides nothing."""
AUTHORITIES = {
    # key: (id, Korean name, English name, the certificate types it may sign)
    "city": (
        "https://city.example/issuer",
        "가람특별시 (가상)",
        "Garam City (fictitious)",
        ("resident.", "id.", "seal."),
    ),
    "court": ("https://court.example/issuer", "법원행정처 (가상)", "Court Administration (fictitious)", ("family.",)),
    "tax": ("https://tax.example/issuer", "가람세무서 (가상)", "Garam Tax Office (fictitious)", ("tax.",)),
    "nhis": ("https://nhis.example/issuer", "건강보험공단 (가상)", "Health Insurance Service (fictitious)", ("nhis.",)),
}
WANTED: list[tuple[str, str, str | None, dict[str, Any]]] = [
    # authority, type, variant, the applicant's options
    (
        "city",
        "resident.household",
        None,
        {"addressHistory": "last5", "rrnBack": "own", "relation": "detail", "cohabitants": False},
    ),
    ("city", "resident.personal", None, {"addressHistory": "all"}),
    ("city", "id.resident_mobile", None, {}),
    ("court", "family.relations", "general", {}),
    ("court", "family.relations", "detailed", {}),
    ("court", "family.basic", "general", {}),
    ("tax", "tax.income", None, {}),
    ("nhis", "nhis.eligibility_history", None, {"history": "current", "workplace": True}),
]
READERS = {
    "bank": ("bank.example", "가람은행 (가상)", "Garam Bank (fictitious)", ("bank.",)),
    "shop": ("shop.example", "새솔편의점 (가상)", "Saesol Store (fictitious)", ("shop.",)),
}


@dataclass(kw_only=True)
class Scene:
    """Everybody in the story, and its files."""

    tell: Teller
    out: Path
    at: datetime
    formats: tuple[str, ...]
    catalog: Catalog = field(default_factory=Catalog.builtin)
    issuers: dict[str, tuple[Issuer, bytes, list[str]]] = field(default_factory=dict)
    readers: dict[str, Reader] = field(default_factory=dict)
    held: dict[tuple[str, str | None], Certificate] = field(default_factory=dict)
    version: int = 0

    def publish(self, at: datetime) -> TrustBundle:
        """The ministry signs a bundle; wallet, bank and shop load the file."""
        self.version += 1
        bundle(self.out, self.issuers, self.readers, READERS, AUTHORITIES, self.catalog, version=self.version, at=at)
        seen = self.out / f"seen-{self.version}"
        return TrustBundle.load(self.out / "kr.trust", root=self.out / "kr-root.json", seen=seen)

    def file(self, name: str, form: str) -> str:
        """The name of a picture; where there is more than one format, with that of the format."""
        return name if len(self.formats) == 1 else f"{name}-{form.replace('+', '-')}"


def main(lang: str, out: Path, seed: int, formats: tuple[str, ...] = ("sd-cwt",), *, as_json: bool = False) -> int:
    """Tell the story in ``lang`` and ``formats``; pictures and files go to ``out``. Returns the exit code."""
    tell = Teller(lang, as_json=as_json)
    out.mkdir(parents=True, exist_ok=True)
    scene = Scene(tell=tell, out=out, at=datetime.now(UTC), formats=formats)
    person, records = a_town(scene, seed)
    wallet = issue(scene, person, records)

    tell.chapter("3. 불", "3. The fire")
    tell.isolation(cut_network())
    bank = Verifier(wallet.trust, ReaderIdentity((scene.readers["bank"].certificate,), scene.readers["bank"].key))
    if len(formats) > 1:
        rehearse(scene, wallet, bank)
    results = {form: change_of_address(scene, wallet, bank, form) for form in formats}
    for form in formats:
        loan(scene, wallet, bank, form)

    tell.chapter("4. 안 되는 것들", "4. What must not work")
    for form in formats:
        if form != OPEN:
            frauds(scene, wallet, bank, form, results[form])
    if len(formats) > 1:
        tell.table(attacks(tell))
    at_home(scene, wallet, bank, formats[0])
    as_time_goes_by(scene, wallet, bank, formats[0])

    tell.chapter("5. 어느 형식을 어디에", "5. Which format for what")
    if len(formats) > 1:
        tell.table(sizes(tell))
        picture(tell, out / "formats.png")
    lesson(tell)
    tell.chapter("끝", "The end")
    tell.end(out)
    return 0 if all(result or form == OPEN for form, result in results.items()) else 1


def a_town(scene: Scene, seed: int) -> tuple[str, TownRecords]:
    """A town, its registry, and one person of it."""
    scene.tell.chapter("1. 마을", "1. A town")
    town = generate(scene.out / "town.db", seed=seed, households=120, today=scene.at.date())
    problems = check_invariants(scene.out / "town.db")
    scene.tell(
        f"가상의 마을: {town.households}세대 {town.people}명, 서류 사이의 어긋남 {len(problems)}건",
        f"a fictitious town: {town.households} households, {town.people} people, {len(problems)} contradictions between documents",
    )
    records = TownRecords(scene.out / "town.db")
    return records.find(kind="couple_children", minimum=4)[0].subject, records


def issue(scene: Scene, person: str, records: TownRecords) -> Wallet:
    """Four authorities sign; the wallet keeps. An issue gives a certificate in every format the issuer has."""
    tell, at = scene.tell, scene.at
    tell.chapter("2. 발급", "2. Issuing")
    for name, (id_, ko, en, prefixes) in AUTHORITIES.items():
        key, chain, root = authority(id_, ko, en, at=at)
        types = [code for code in scene.catalog if code.startswith(prefixes)]
        profile = IssuerProfile(
            id=id_,
            signer=key,
            chain=chain,
            formats=scene.formats,
            status_uri=f"{id_}/s/",
            types=frozenset(types),
        )
        scene.issuers[name] = (Issuer(profile, records=records, catalog=scene.catalog), root, types)
    scene.readers |= {name: reader(host, ko, en, at=at) for name, (host, ko, en, _) in READERS.items()}
    wallet = Wallet(store=FileStore(scene.out / "wallet.db", pin=PIN), trust=scene.publish(at))
    for name, code, variant, options in tell.progress(WANTED):
        offer = scene.issuers[name][0].offer(code, subject=person, variant=variant, options=options, at=at)
        scene.held[code, variant] = wallet.receive(offer, at=at)[0]
        kind = scene.catalog[code]
        which = [one.name(tell.lang) for one in kind.variants if one.id == variant]
        label = " ".join((kind.name(tell.lang), *(f"({name})" for name in which)))
        tell(f"{AUTHORITIES[name][1]} → 지갑: {label}", f"{AUTHORITIES[name][2]} → wallet: {label}")
    tell(f"모두 {', '.join(scene.formats)} 형식으로", f"each as {', '.join(scene.formats)}")
    wallet.trust = scene.publish(at)
    return wallet


def rehearse(scene: Scene, wallet: Wallet, bank: Verifier) -> None:
    """One answer in each format before the times count, so that they are the format's and not of loading its code."""
    for form in scene.formats:
        request, answer = _answer(wallet, bank, form, scene.at, lang=scene.tell.lang)
        bank.verify(answer, request=request, at=scene.at)


def change_of_address(scene: Scene, wallet: Wallet, bank: Verifier, form: str) -> VerificationResult:
    """The bank asks with a code on its screen, the phone answers with one or with frames."""
    tell, out, at, full = scene.tell, scene.out, scene.at, len(scene.formats) == 1
    tell.act(
        f"은행 창구: 주소 변경{'' if full else f' ({form})'}",
        f"At the bank: change of address{'' if full else f' ({form})'}",
    )
    policy = VerificationPolicy.preset("bank.address-change")
    request = bank.request(policy, freshness=Challenge(), at=at, formats=(form,), lang=tell.lang)
    screen = out / f"{scene.file('bank-request', form)}.png"
    tell.request(request, screen, drawn=full)
    asked = wallet.match(PresentationRequest.parse(qr.decode(qr.read_image(screen))), at=at)
    if full or form in (scene.formats[0], OPEN):
        tell.asked(asked)
    seen = tell.answer(wallet.present(asked.approve(), at=at), out, scene.file("answer", form))
    started = time.perf_counter()
    result = bank.verify(Presentation.parse(tell.scan(seen)), request=request, at=at)
    tell.verdict("address", result, seconds=time.perf_counter() - started, full=full)
    wallet.accept_receipt(bank.receipt(result, at=at).to_message(), at=at)
    return result


def loan(scene: Scene, wallet: Wallet, bank: Verifier, form: str) -> None:
    """Two certificates in one answer."""
    tell, at, full = scene.tell, scene.at, len(scene.formats) == 1
    tell.act(
        f"은행 창구: 신용대출, 증명서 두 장{'' if full else f' ({form})'}",
        f"At the bank: a loan, two certificates{'' if full else f' ({form})'}",
    )
    policy = VerificationPolicy.preset("bank.credit-loan")
    request = bank.request(policy, freshness=Challenge(), at=at, formats=(form,), lang=tell.lang)
    asked = wallet.match(request, at=at)
    if full:
        tell.asked(asked)
    seen = tell.answer(wallet.present(asked.approve(), at=at), scene.out, scene.file("loan", form))
    started = time.perf_counter()
    result = bank.verify(Presentation.parse(tell.scan(seen)), request=request, at=at)
    tell.verdict("loan", result, seconds=time.perf_counter() - started, full=full)


def frauds(scene: Scene, wallet: Wallet, bank: Verifier, form: str, accepted: VerificationResult) -> None:
    """What somebody would try with an answer, and what the bank says."""
    tell, at = scene.tell, scene.at
    say = tell if len(scene.formats) == 1 else tell.quietly()
    request, honest = _answer(wallet, bank, form, at, lang=tell.lang)
    road = accepted.claims["resident.personal"]["currentAddress"]["road"]
    forged = rewrite(honest, road, road[:-1] + "집")
    say.refused("주소를 한 글자 고침", "one letter of the address changed", bank.verify(forged, request=request, at=at))
    stolen = swap_holder(honest, scene.catalog)
    say.refused("남의 휴대전화", "somebody else's phone", bank.verify(stolen, request=request, at=at))
    say.accepted("본인의 휴대전화", "the person's own phone", bank.verify(honest, request=request, at=at))
    say.refused("같은 화면을 다시", "the same screen again", bank.verify(honest, request=request, at=at))
    again = bank.request(
        VerificationPolicy.preset("bank.address-change"), freshness=Challenge(), at=at, formats=(form,), lang=tell.lang
    )
    say.refused("찍어 둔 화면을 새 요청에", "a screenshot for a new request", bank.verify(honest, request=again, at=at))


def at_home(scene: Scene, wallet: Wallet, bank: Verifier, form: str) -> None:
    """The wallet says beforehand what a counter would refuse, and refuses a reader that asks for too much."""
    tell, at = scene.tell, scene.at
    tell.act("집에서 미리 보는 지갑", "The wallet, at home")
    minor = VerificationPolicy.preset("bank.minor-account")
    tell.asked(wallet.match(bank.request(minor, freshness=Challenge(), at=at, formats=(form,), lang=tell.lang), at=at))
    card = scene.catalog["id.resident_mobile"]
    wanted = [ClaimPath.parse(path) for path in ("yearAgeOver19", "rrn.serial", "address")]
    spelling = spelling_of(form, card)  # an identity card as mdoc has ISO's names for some of its claims
    asks = CredentialQuery(
        id="card",
        format=form,
        types=(frozenset(type_names(form, vct=card.vct, doctype=card.doctype)),),
        claims=tuple(ClaimQuery(path=path if spelling is None else spelling.wire(path)) for path in wanted),
    )
    greedy = sign_request(
        DcqlQuery(credentials=(asks,)),
        client_id=_shop(scene, wallet.trust).client_id,
        freshness=Challenge(),
        nonce=bytes(range(16)),
        purpose=tell.pick("성인 확인", "Proof of age"),
        policy="shop.adult",
        retention=None,
        at=at,
        lifetime=timedelta(seconds=120),
        signer=scene.readers["shop"].key,
    )
    asked = wallet.match(greedy, at=at)
    tell.asked(asked)
    try:
        asked.approve()
    except ConsentError as error:
        too_much = str(error).rpartition(": ")[2]
        tell(f"지갑이 막았습니다. 너무 많이 묻습니다: {too_much}", f"the wallet refused: {error}")


def as_time_goes_by(scene: Scene, wallet: Wallet, bank: Verifier, form: str) -> None:
    """Old status lists, a revocation, an expired card."""
    tell, at = scene.tell, scene.at
    tell.act("시간이 흐르면", "As time goes by")
    later = at + timedelta(days=8)
    request, honest = _answer(wallet, bank, form, later, lang=tell.lang)
    tell.refused(
        "8일 동안 새 폐기 목록이 오지 않음",
        "no new status list for eight days",
        bank.verify(honest, request=request, at=later),
    )

    personal = scene.held["resident.personal", None]
    scene.issuers["city"][0].revoke(personal.credential_id, reason="reissued", at=later)
    bank.trust = wallet.trust = scene.publish(later)
    # By itself the wallet would offer the other certificate that the bank takes.
    request, honest = _answer(wallet, bank, form, later, lang=tell.lang, choose={"residence-1": personal.id})
    tell.refused("폐기된 증명서", "a revoked certificate", bank.verify(honest, request=request, at=later))

    late = at + timedelta(days=365 * 3 + 3)
    wallet.trust = scene.publish(late)
    counter = _shop(scene, wallet.trust)
    adult = VerificationPolicy.preset("shop.adult")
    request = counter.request(adult, freshness=Challenge(), at=late, formats=(form,), lang=tell.lang)
    honest = wallet.present(wallet.match(request, at=late).approve(), at=late)
    tell.refused(
        "3년이 지난 모바일 신분증", "a mobile card after three years", counter.verify(honest, request=request, at=late)
    )


def _answer(
    wallet: Wallet, bank: Verifier, form: str, at: datetime, *, lang: str, choose: dict[str, str] | None = None
) -> tuple[PresentationRequest, Presentation]:
    policy = VerificationPolicy.preset("bank.address-change")
    fresh = bank.request(policy, freshness=Challenge(), at=at, formats=(form,), lang=lang)
    return fresh, wallet.present(wallet.match(fresh, at=at).approve(choose=choose), at=at)


def _shop(scene: Scene, trust: TrustBundle) -> Verifier:
    shop = scene.readers["shop"]
    return Verifier(trust, ReaderIdentity((shop.certificate,), shop.key))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lang", choices=("ko", "en"), default="ko")
    parser.add_argument("--out", type=Path, default=Path("demo-out"))
    parser.add_argument("--seed", type=int, default=20260926)
    parser.add_argument("--format", action="append", choices=FORMATS)
    options = parser.parse_args()
    try:
        sys.exit(main(options.lang, options.out, options.seed, tuple(options.format or ("sd-cwt",))))
    except VcredError as error:
        sys.exit(f"{type(error).__name__}: {error}")
