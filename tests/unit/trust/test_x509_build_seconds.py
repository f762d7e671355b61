"""Times with microseconds, as a clock gives them."""

from datetime import UTC, datetime, timedelta

from vcred.keys import SoftwareSigner
from vcred.trust import Purpose, build_root, build_signer, read_certificate

NAME = {"ko": "가람시 (가상)", "en": "Garam (fictitious)"}


def test_a_leaf_may_live_as_long_as_its_root_whatever_the_microseconds():
    at = datetime(2026, 9, 26, 3, 0, 0, 987_654, tzinfo=UTC)
    root_key, key = SoftwareSigner.generate(), SoftwareSigner.generate()
    root = build_root(root_key, name=NAME, not_before=at, not_after=at + timedelta(days=9))
    leaf = build_signer(
        key.public_key,
        purpose=Purpose.ISSUER,
        id="https://city.example/issuer",
        name=NAME,
        issuer=root,
        issuer_signer=root_key,
        not_before=at,
        not_after=at + timedelta(days=9),
    )
    assert read_certificate(leaf, "leaf").not_after == read_certificate(root, "root").not_after
