"""A small fictitious town for tests of trust and status: two authorities, readers, and a bundle that knows them.

``Town()`` holds the keys and certificates; ``town.bundle()`` is a verified ``TrustBundle`` of it. Pieces are attributes, so
that a test changes one and rebuilds. Nothing here is mocked: everything goes through the public functions.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from vcred.errors import RefusedError
from vcred.keys import SoftwareSigner
from vcred.status import StatusList, build_status_token
from vcred.trust import Purpose, TrustBundle, build_reader, build_root, build_signer
from vcred.trust.content import dump_authorities, parse_authorities
from vcred.trust.publish import PackBuilder, new_root, sign_pack, single_key

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
NOW = int(AT.timestamp())
DAY = timedelta(days=1)
CITY = "https://garam.example/issuer"
COURT = "https://court.example/issuer"
CITY_LIST = "https://garam.example/status/1"
COURT_LIST = "https://court.example/status/1"
CITY_TYPE, COURT_TYPE = "resident.household", "family.relations"
CITY_NAME = {"ko": "가람시 (가상)", "en": "Garam City (fictitious)"}
COURT_NAME = {"ko": "새솔법원 (가상)", "en": "Saesol Court (fictitious)"}
BANK_NAME = {"ko": "다솜은행 (가상)", "en": "Dasom Bank (fictitious)"}


class Agency:
    """An authority: a root, a document signer and a status signer below it."""

    def __init__(self, uri: str, name: dict[str, str], code: str, list_uri: str) -> None:
        self.id, self.name, self.code, self.list_uri = uri, name, code, list_uri
        self.root_key, self.key, self.status_key = (SoftwareSigner.generate() for _ in range(3))
        self.root = build_root(self.root_key, name=name, not_before=AT - 400 * DAY, not_after=AT + 3000 * DAY)
        self.signer = self.certify(self.key)
        self.status_signer = self.certify(self.status_key, purpose=Purpose.STATUS)

    def certify(
        self,
        key: SoftwareSigner,
        *,
        purpose: Purpose = Purpose.ISSUER,
        uri: str | None = None,
        start: datetime = AT - 300 * DAY,
        end: datetime = AT + 300 * DAY,
    ) -> bytes:
        return build_signer(
            key.public_key,
            purpose=purpose,
            id=uri or self.id,
            name=self.name,
            issuer=self.root,
            issuer_signer=self.root_key,
            not_before=start,
            not_after=end,
        )

    def entry(self, **changes):
        return {
            "id": self.id,
            "name": self.name,
            "purpose": Purpose.ISSUER,
            "anchors": [self.root],
            "signers": [[self.signer], [self.status_signer]],
            "types": [self.code],
            "status_uris": [self.list_uri.rpartition("/")[0] + "/"],
            "valid_from": AT - 400 * DAY,
            "valid_until": AT + 3000 * DAY,
            "test": False,
        } | changes

    def status(
        self, values=None, *, issued_at=AT - timedelta(hours=6), key=None, form="cwt", uri=None, ttl=None, **changes
    ):
        return build_status_token(
            **{
                "uri": uri or self.list_uri,
                "status_list": StatusList.build(bits=2, size=4096, values=values or {}),
                "signer": key or self.status_key,
                "issued_at": issued_at,
                "expires_at": issued_at + 30 * DAY,
                "ttl": ttl,
                "form": form,
            }
            | changes
        )


class Town:
    """Everything a bundle needs."""

    def __init__(self) -> None:
        self.city = Agency(CITY, CITY_NAME, CITY_TYPE, CITY_LIST)
        self.court = Agency(COURT, COURT_NAME, COURT_TYPE, COURT_LIST)
        self.key = SoftwareSigner.generate()
        self.root = new_root(
            version=1, roles=single_key(self.key.public_key), signers=[self.key], expires=AT + 3650 * DAY
        )
        self.reader_root_key, self.bank_key = SoftwareSigner.generate(), SoftwareSigner.generate()
        self.reader_root = build_root(
            self.reader_root_key, name=BANK_NAME, not_before=AT - 400 * DAY, not_after=AT + 3000 * DAY
        )
        self.bank = self.reader(self.bank_key)

    def reader(self, key: SoftwareSigner, *, start: datetime = AT - 30 * DAY, end: datetime = AT + 300 * DAY) -> bytes:
        return build_reader(
            key.public_key,
            identifier="desk.dasom.example",
            name=BANK_NAME,
            issuer=self.reader_root,
            issuer_signer=self.reader_root_key,
            not_before=start,
            not_after=end,
        )

    def builder(self, *, city=None, court=None, production=True) -> PackBuilder:
        builder = PackBuilder(production=production, name={"ko": "시험 목록", "en": "Test list"})
        builder.add_authority(**self.city.entry(**(city or {})))
        builder.add_authority(**self.court.entry(**(court or {})))
        builder.add_reader(certificate=self.bank, name=BANK_NAME, policies=["bank.address-change"], test=False)
        return builder

    def sign(
        self, targets, *, status=None, version=1, roots=None, signers=None, at=AT - DAY, expires=AT + 90 * DAY
    ) -> bytes:
        return sign_pack(
            targets,
            status=status or {},
            version=version,
            roots=roots or [self.root],
            signers=signers or [self.key],
            at=at,
            expires=expires,
        )

    def pack(self, builder: PackBuilder | None = None, *, version=1, at=AT - DAY, **changes) -> bytes:
        builder = builder or self.builder()
        return self.sign(builder.targets(at=at), status=builder.status, version=version, at=at, **changes)

    def bundle(self, builder: PackBuilder | None = None, **changes) -> TrustBundle:
        return TrustBundle.loads(self.pack(builder, **changes), root=self.root, seen=None)

    def with_kids(self, targets, change):
        """``targets`` with every authority passed through ``change``."""
        authorities, readers = parse_authorities(targets["authorities.json"])
        return targets | {
            "authorities.json": dump_authorities([replace(each, **change(each)) for each in authorities], readers)
        }


def resolve(bundle: TrustBundle, **changes):
    """``resolve_issuer`` for an ordinary household certificate of the city, with ``changes``."""
    usual = {"issuer": CITY, "kid": None, "x5c": (), "code": CITY_TYPE, "issued_at": NOW - 86400, "at": AT}
    return bundle.resolve_issuer(**usual | changes)


def refusal(call) -> str:
    """The reason code with which ``call()`` is refused."""
    try:
        call()
    except RefusedError as error:
        return error.code.value
    raise AssertionError("it was accepted")
