"""What the tests of published lists share: an operator who signs them, and the town's authorities to list."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.trust_town import AT, DAY, Town
from vcred.keys import SoftwareSigner
from vcred.trust import build_root
from vcred.trust.content import Names, parse_authorities
from vcred.trust.lote import Scheme, build_lote, parse_lote
from vcred.trust.vical_build import build_vical
from vcred.trust.x509_build import build_list_signer

OPERATOR = {"ko": "디지털신뢰청 (가상)", "en": "Digital Trust Agency (fictitious)"}
SCHEME = Scheme(
    operator=Names(**OPERATOR),
    names=Names(ko="전자증명서 신뢰 목록", en="Trust list of electronic certificates"),
    territory="KR",
    street=Names(ko="가람시 새솔구 신뢰로 1", en="1 Sinroe-ro, Saesol-gu, Garam-si"),
    contact="mailto:list@trust.example",
    information_uri="https://trust.example/list",
)
SPAN = {"not_before": AT - 100 * DAY, "not_after": AT + 100 * DAY}


class Lists:
    """A town and the operator of its list: a root, and below it the key that signs."""

    def __init__(self) -> None:
        self.town = Town()
        self.root_key, self.key = SoftwareSigner.generate(), SoftwareSigner.generate()
        self.root = build_root(self.root_key, name=OPERATOR, **SPAN)
        self.certificate = self.certify(self.key)
        self.authorities, self.readers = self.content(self.town.builder())

    def certify(self, key: SoftwareSigner, name=None, **span) -> bytes:
        name = name or OPERATOR
        return build_list_signer(
            key.public_key, name=name, issuer=self.root, issuer_signer=self.root_key, **SPAN | span
        )

    def content(self, builder):
        return parse_authorities(builder.targets(at=AT - DAY)["authorities.json"])

    def city(self, **changes):
        """The city's authority with ``changes``."""
        return replace(self.authorities[0], **changes)

    def lote(self, authorities=None, readers=None, **changes) -> bytes:
        usual = {
            "sequence": 7,
            "issued_at": AT,
            "next_update": AT + 7 * DAY,
            "scheme": SCHEME,
            "signer": self.key,
            "chain": [self.certificate],
        }
        return build_lote(
            self.authorities if authorities is None else authorities,
            self.readers if readers is None else readers,
            **usual | changes,
        )

    def parsed(self, *args, **changes):
        return parse_lote(self.lote(*args, **changes))

    def pins(self, **changes):
        """The arguments of ``verify_lote`` for a reader that pinned the operator's root."""
        usual = {"keys": [], "anchors": [self.root], "stored_sequence": None, "at": AT + timedelta(hours=1)}
        return usual | changes

    def vical(self, authorities=None, **changes) -> bytes:
        usual = {
            "provider": OPERATOR["en"],
            "issue_id": 7,
            "issued_at": AT,
            "next_update": AT + 7 * DAY,
            "signer": self.key,
            "chain": [self.certificate],
            "doctypes": lambda code: f"kr.vcred.{code}.1",
        }
        return build_vical(self.authorities if authorities is None else authorities, **usual | changes)
