"""The day the data centre burned: issue, hold, show as QR and verify, with the network cut for real.

Run it with ``make demo`` or ``vcred demo --lang en``. It is also the tutorial: everything below uses the public API
only, in the order in which an agency, a person and a bank would.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from story import Teller, authority, bundle, reader

from issuer import Issuer, IssuerProfile
from issuer.fictitious import TownRecords, check_invariants, generate
from vcred import Catalog, Challenge, PresentationRequest, TrustBundle, VcredError, qr
from vcred.dcql import DcqlQuery
from vcred.errors import ConsentError
from vcred.presentation import Presentation, sign_request
from vcred.testing import cut_network
from vcred.testing.attacks import rewrite, swap_holder
from verifier import ReaderIdentity, VerificationPolicy, Verifier
from wallet import FileStore, Wallet

PIN = "493817"
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
WANTED = [
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


def main(lang: str, out: Path, seed: int) -> int:
    """Tell the story in ``lang``; pictures and files go to ``out``. Returns the exit code."""
    tell = Teller(lang)
    out.mkdir(parents=True, exist_ok=True)
    at = datetime.now(UTC)

    tell.chapter("1. 마을", "1. A town")
    town = generate(out / "town.db", seed=seed, households=120, today=at.date())
    problems = check_invariants(out / "town.db")
    tell(
        f"가상의 마을: {town.households}세대 {town.people}명, 서류 사이의 어긋남 {len(problems)}건",
        f"a fictitious town: {town.households} households, {town.people} people, {len(problems)} contradictions between documents",
    )
    records = TownRecords(out / "town.db")
    person = records.find(kind="couple_children", minimum=4)[0]

    tell.chapter("2. 발급", "2. Issuing")
    catalog = Catalog.builtin()
    issuers = {}
    for name, (id_, ko, en, prefixes) in AUTHORITIES.items():
        key, chain, root = authority(id_, ko, en, at=at)
        types = [code for code in catalog if code.startswith(prefixes)]
        profile = IssuerProfile(id=id_, signer=key, chain=chain, status_uri=f"{id_}/s/", types=frozenset(types))
        issuers[name] = (Issuer(profile, records=records, catalog=catalog), root, types)
    readers = {name: reader(host, ko, en, at=at) for name, (host, ko, en, _) in READERS.items()}

    def publish(version: int, when: datetime) -> TrustBundle:
        """The ministry signs a bundle; wallet, bank and shop load the file."""
        bundle(out, issuers, readers, READERS, AUTHORITIES, catalog, version=version, at=when)
        return TrustBundle.load(out / "kr.trust", root=out / "kr-root.json", seen=out / f"seen-{version}")

    wallet = Wallet(store=FileStore(out / "wallet.db", pin=PIN), trust=publish(1, at))
    held = {}
    for name, code, variant, options in tell.progress(WANTED):
        offer = issuers[name][0].offer(code, subject=person.subject, variant=variant, options=options, at=at)
        held[code, variant] = wallet.receive(offer, at=at)[0]
        label = " ".join(filter(None, (catalog[code].name(lang), variant)))
        tell(f"{AUTHORITIES[name][1]} → 지갑: {label}", f"{AUTHORITIES[name][2]} → wallet: {label}")
    trust = publish(2, at)
    wallet.trust = trust

    tell.chapter("3. 불", "3. The fire")
    how = cut_network()
    tell.isolation(how)

    bank = Verifier(trust, ReaderIdentity((readers["bank"].certificate,), readers["bank"].key))
    tell.act("은행 창구: 주소 변경", "At the bank: change of address")
    request = bank.request(VerificationPolicy.preset("bank.address-change"), freshness=Challenge(), at=at, lang=lang)
    tell.picture(request, out / "bank-request.png")
    asked = wallet.match(PresentationRequest.parse(qr.decode(qr.read_image(out / "bank-request.png"))), at=at)
    tell.asked(asked)
    answer = wallet.present(asked.approve(), at=at)
    pictures = tell.pictures(answer, out, "answer")
    started = time.perf_counter()
    scanned = Presentation.parse(qr.decode(text for picture in pictures for text in qr.read_image(picture)))
    result = bank.verify(scanned, request=request, at=at)
    tell.verdict(result, seconds=time.perf_counter() - started)
    receipt = bank.receipt(result, at=at)
    wallet.accept_receipt(receipt.to_message(), at=at)

    tell.act("은행 창구: 신용대출 (증명서 두 장)", "At the bank: a loan (two certificates)")
    loan = bank.request(VerificationPolicy.preset("bank.credit-loan"), freshness=Challenge(), at=at, lang=lang)
    asked = wallet.match(loan, at=at)
    tell.asked(asked)
    pictures = tell.pictures(wallet.present(asked.approve(), at=at), out, "loan")
    started = time.perf_counter()
    answer_2 = Presentation.parse(qr.decode(text for picture in pictures for text in qr.read_image(picture)))
    tell.verdict(bank.verify(answer_2, request=loan, at=at), seconds=time.perf_counter() - started, checks=False)

    tell.chapter("4. 안 되는 것들", "4. What must not work")
    policy = VerificationPolicy.preset("bank.address-change")

    def ask(when: datetime, choose: dict[str, str] | None = None) -> tuple[PresentationRequest, Presentation]:
        fresh = bank.request(policy, freshness=Challenge(), at=when, lang=lang)
        return fresh, wallet.present(wallet.match(fresh, at=when).approve(choose=choose), at=when)

    request, honest = ask(at)
    road = result.claims["resident.personal"]["currentAddress"]["road"]
    forged = rewrite(honest, road, road[:-1] + "집")
    tell.refused(
        "주소를 한 글자 고침", "one letter of the address changed", bank.verify(forged, request=request, at=at)
    )
    tell.refused(
        "남의 휴대전화", "somebody else's phone", bank.verify(swap_holder(honest, catalog), request=request, at=at)
    )
    tell.accepted("본인의 휴대전화", "the person's own phone", bank.verify(honest, request=request, at=at))
    tell.refused("같은 화면을 다시", "the same screen again", bank.verify(honest, request=request, at=at))
    again = bank.request(policy, freshness=Challenge(), at=at, lang=lang)
    tell.refused(
        "찍어 둔 화면을 새 요청에", "a screenshot for a new request", bank.verify(honest, request=again, at=at)
    )

    tell.act("집에서 미리 보는 지갑", "The wallet, at home")
    minor = bank.request(VerificationPolicy.preset("bank.minor-account"), freshness=Challenge(), at=at, lang=lang)
    tell.asked(wallet.match(minor, at=at))

    shop = readers["shop"]
    counter = Verifier(trust, ReaderIdentity((shop.certificate,), shop.key))
    greedy = sign_request(
        DcqlQuery.parse(
            {
                "credentials": [
                    {
                        "id": "card",
                        "format": "sd-cwt",
                        "meta": {"vct_values": [catalog["id.resident_mobile"].vct]},
                        "claims": [{"path": ["yearAgeOver19"]}, {"path": ["rrn", "serial"]}, {"path": ["address"]}],
                    }
                ]
            }
        ),
        client_id=counter.client_id,
        freshness=Challenge(),
        nonce=bytes(range(16)),
        purpose="성인 확인",
        policy="shop.adult",
        retention=None,
        at=at,
        lifetime=timedelta(seconds=120),
        signer=shop.key,
    )
    asked = wallet.match(greedy, at=at)
    tell.asked(asked)
    try:
        asked.approve()
    except ConsentError as error:
        tell(f"지갑이 막았습니다: {error}", f"the wallet refused: {error}")

    tell.act("시간이 흐르면", "As time goes by")
    later = at + timedelta(days=8)
    request, honest = ask(later)
    tell.refused(
        "8일 동안 새 폐기 목록이 오지 않음",
        "no new status list for eight days",
        bank.verify(honest, request=request, at=later),
    )

    issuers["city"][0].revoke(held["resident.personal", None].credential_id, reason="reissued", at=later)
    bank.trust = wallet.trust = publish(3, later)
    # By itself the wallet would offer the other certificate that the bank takes.
    request, honest = ask(later, {"residence-1": held["resident.personal", None].id})
    tell.refused("폐기된 증명서", "a revoked certificate", bank.verify(honest, request=request, at=later))

    late = at + timedelta(days=365 * 3 + 3)
    counter.trust = wallet.trust = publish(4, late)
    request = counter.request(VerificationPolicy.preset("shop.adult"), freshness=Challenge(), at=late, lang=lang)
    honest = wallet.present(wallet.match(request, at=late).approve(), at=late)
    tell.refused(
        "3년이 지난 모바일 신분증", "a mobile card after three years", counter.verify(honest, request=request, at=late)
    )

    tell.chapter("끝", "The end")
    tell.end(out)
    return 0 if result else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lang", choices=("ko", "en"), default="ko")
    parser.add_argument("--out", type=Path, default=Path("demo-out"))
    parser.add_argument("--seed", type=int, default=20260926)
    options = parser.parse_args()
    try:
        sys.exit(main(options.lang, options.out, options.seed))
    except VcredError as error:
        sys.exit(f"{type(error).__name__}: {error}")
