"""What a list of authorities should not say, found before it is published."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.trust_town import AT, CITY, CITY_NAME, CITY_TYPE, COURT, COURT_TYPE, DAY, NOW, Town
from vcred.keys import SoftwareSigner
from vcred.trust import Purpose, Withdrawal, WithdrawalReason
from vcred.trust.bare import BareKey
from vcred.trust.content import parse_authorities
from vcred.trust.did import did_key
from vcred.trust.lint import expiring_keys, lint_authorities

KEY = SoftwareSigner.generate()


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


def listed(town, *more, **changes):
    builder = town.builder(**changes)
    for entry in more:
        builder.add_authority(**entry)
    return parse_authorities(builder.targets(at=AT)["authorities.json"])[0]


def findings(town, *more, production=True, types=None, **changes):
    return lint_authorities(listed(town, *more, **changes), production=production, types=types)


def bare(**changes):
    usual = {"key": KEY.public_key, "did_url": None, "valid_from": NOW - 10, "valid_until": NOW + 20 * 86400}
    return BareKey(**usual | changes)


def test_an_ordinary_list_has_nothing_wrong_with_it(town):
    assert findings(town) == []
    assert findings(town, types={CITY_TYPE, COURT_TYPE, "tax.income"}) == []
    assert findings(town, city={"keys": [bare()]}, court={"test": True}, production=False) == []


def test_test_authority_in_a_bundle_for_production(town):
    assert findings(town, city={"test": True}) == [f"{CITY}: a test authority in a bundle for production"]


def test_types_that_the_catalogue_does_not_have(town):
    assert findings(town, types={COURT_TYPE}) == [f"{CITY}: there is no certificate type {CITY_TYPE}"]


@pytest.mark.parametrize(
    ("own", "theirs"),
    [
        ("https://garam.example/status/", "https://garam.example/status/"),
        ("https://garam.example/status/", "https://garam.example/status/court/1"),
        ("https://garam.example/status/7", "https://garam.example/status/"),
        ("https://garam.example/status/7", "https://garam.example/status/7"),
    ],
)
def test_two_authorities_that_answer_for_one_list(town, own, theirs):
    (found,) = findings(town, city={"status_uris": [own]}, court={"status_uris": [theirs]})
    assert found == f"{COURT}: {CITY} answers for status lists at {theirs} as well"


def test_lists_that_only_look_alike(town):
    near = ["https://garam.example/status/70", "https://garam.example/statuses/"]
    assert findings(town, city={"status_uris": ["https://garam.example/status/7"]}, court={"status_uris": near}) == []


def test_one_name_for_two_authorities(town):
    for name in (CITY_NAME, CITY_NAME | {"ko": "다른 이름"}):
        assert findings(town, court={"name": name}) == [f"{COURT}: the name is that of {CITY}"]
    other = town.city.entry(id=CITY + "/status", purpose=Purpose.STATUS, types=[], status_uris=[], signers=[])
    assert findings(town, other) == []


def test_one_id_for_two_authorities(town):
    city, court = listed(town)
    assert lint_authorities([city, city], production=True, types=None)[0] == f"{CITY}: the id appears twice"
    assert lint_authorities([city, court], production=True, types=None) == []


def test_root_that_certifies_readers_and_others(town):
    entry = town.city.entry(
        id="https://desks.example", name={"ko": "창구", "en": "Desks"}, purpose=Purpose.READER, types=[], signers=[]
    ) | {"status_uris": []}
    (found,) = findings(town, entry)
    assert "a root certifies readers and others" in found
    readers = entry | {"anchors": [town.reader_root]}
    again = readers | {"id": "https://other.example", "name": {"ko": "다른 창구", "en": "Other desks"}}
    assert findings(town, readers) == []
    assert "a root of readers is in https://desks.example as well" in findings(town, readers, again)[0]


def test_signer_that_its_root_does_not_stand_behind(town):
    stranger = Town().city.signer
    (found,) = findings(town, city={"signers": [[stranger]]})
    assert found.startswith(f"{CITY}: untrusted")


def test_key_that_outlives_its_entry(town):
    (found,) = findings(town, city={"keys": [bare()], "valid_until": AT + 10 * DAY})
    assert found == f"{CITY}: key {KEY.public_key.kid.hex()} outlives the entry of its authority"


def test_keys_that_end_soon(town):
    entry = {"keys": [bare()], "valid_until": AT + 3000 * DAY}
    listing = listed(town, city=entry)
    assert expiring_keys(listing, at=AT, within=timedelta(days=19)) == []
    (found,) = expiring_keys(listing, at=AT, within=timedelta(days=20))
    assert found == f"{CITY}: key {KEY.public_key.kid.hex()} ends on 2026-11-22"
    assert len(expiring_keys(listing, at=AT, within=timedelta(days=300))) == 5
    assert len(expiring_keys(listing, at=AT + 21 * DAY, within=timedelta(days=300))) == 4


def test_keys_of_an_entry_that_ends_soon(town):
    kid = KEY.public_key.kid.hex()
    entry = {"id": did_key(KEY.public_key), "anchors": [], "signers": [], "valid_until": AT + 5 * DAY}
    (found,) = expiring_keys(listed(town, city=entry), at=AT, within=timedelta(days=6))
    assert found == f"{entry['id']}: key {kid} ends on 2026-11-07"
    for gone in (None, KEY.public_key.kid):
        withdrawn = [Withdrawal(kid=gone, at=NOW, reason=WithdrawalReason.SUPERSEDED)]
        listing = listed(town, city=entry | {"withdrawn": withdrawn})
        assert expiring_keys(listing, at=AT, within=timedelta(days=6)) == []


def test_what_is_found_is_not_published(town):
    for changes in ({"court": {"name": CITY_NAME}}, {"city": {"test": True}}):
        builder = town.builder(**changes)
        with pytest.raises(ValueError, match="the list of authorities is wrong"):
            builder.build(version=1, roots=[town.root], signers=[town.key], at=AT, expires=AT + DAY)


@pytest.mark.parametrize(
    "uri",
    [
        *(
            f"https://{host}/status/"
            for host in ("localhost", "localhost.", "127.1", "10.0.0.7:8443", "[::1]", "intra")
        ),
        *(f"https://{host}/status/" for host in ("db.internal", "169.254.169.254", "0x7f.1", "2130706433", "")),
        "http://garam.example/status/",
        "https://[::1/",
    ],
)
def test_wf_01_02_a_status_list_at_a_machine_nearby(town, uri):
    assert findings(town, city={"status_uris": [uri]}) == [f"{CITY}: nobody else can ask for {uri}"]
    assert findings(town, city={"status_uris": [uri]}, production=False) == []


def test_a_status_list_that_nobody_fetches_may_have_any_name(town):
    assert findings(town, city={"status_uris": ["urn:garam:status:1", "https://garam.example:8443/status/"]}) == []
