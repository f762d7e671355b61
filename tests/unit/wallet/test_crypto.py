"""Sealing, deriving and the wrapper that shows nothing."""

import pickle

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from wallet._crypto import (
    RFC9106_LOW_MEMORY,
    Argon2Cost,
    Secret,
    associated,
    derive,
    new_recovery_key,
    recovery_secret,
    seal,
    text_secret,
    unseal,
    wrapping_key,
)

KEY = Secret(bytes(range(32)))
CHEAP = Argon2Cost(memory_kib=8, passes=1, lanes=1)


def test_the_default_is_the_second_choice_of_rfc_9106():
    assert Argon2Cost(memory_kib=64 * 1024, passes=3, lanes=4) == RFC9106_LOW_MEMORY


@pytest.mark.parametrize(
    "wrong", [{"memory_kib": 7}, {"memory_kib": 1 << 21}, {"passes": 0}, {"passes": 65}, {"lanes": 0}, {"lanes": 65}]
)
def test_parameters_from_an_edited_file_have_bounds(wrong):
    with pytest.raises(ValueError):
        Argon2Cost(**({"memory_kib": 64, "passes": 1, "lanes": 1} | wrong))


def test_argon2id_is_the_one_of_rfc_9106():
    """The test vector of RFC 9106 section 5.3."""
    made = Argon2id(
        salt=b"\2" * 16, length=32, iterations=3, lanes=4, memory_cost=32, secret=b"\3" * 8, ad=b"\4" * 12
    ).derive(b"\1" * 32)
    assert made.hex() == "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"


def test_what_is_sealed_opens_in_its_place_only():
    sealed = seal(KEY, associated("a", 1), b"text")
    assert unseal(KEY, associated("a", 1), sealed) == b"text"
    assert unseal(KEY, associated("a", 2), sealed) is None
    assert unseal(Secret(bytes(32)), associated("a", 1), sealed) is None
    assert unseal(KEY, associated("a", 1), sealed[:-1]) is None
    assert unseal(KEY, associated("a", 1), b"") is None


def test_sealing_twice_gives_different_bytes():
    assert len({seal(KEY, b"", b"text")[:12] for _ in range(100)}) == 100


def test_parts_are_never_confused():
    assert len({associated("ab", "c"), associated("a", "bc"), associated("abc"), associated("ab", "c", "")}) == 4


def test_a_purpose_has_its_own_key():
    assert derive(KEY, b"a").expose() != derive(KEY, b"b").expose()


def test_the_wrapping_key_needs_secret_device_salt_and_wallet():
    base = {"salt": bytes(16), "cost": CHEAP, "wallet_id": b"w"}
    keys = {
        wrapping_key(Secret(b"pin"), KEY, **base).expose(),
        wrapping_key(Secret(b"pim"), KEY, **base).expose(),
        wrapping_key(Secret(b"pin"), Secret(bytes(32)), **base).expose(),
        wrapping_key(Secret(b"pin"), KEY, **base | {"salt": bytes(15) + b"1"}).expose(),
        wrapping_key(Secret(b"pin"), KEY, **base | {"wallet_id": b"v"}).expose(),
        wrapping_key(Secret(b"pin"), KEY, **base | {"cost": Argon2Cost(memory_kib=16, passes=1, lanes=1)}).expose(),
    }
    assert len(keys) == 6


def test_a_pin_in_decomposed_korean_is_the_same_pin():
    assert text_secret("\u1100\u1161\u1102\u1161").expose() == text_secret("가나").expose()


def test_a_recovery_key_is_read_as_people_write_it():
    text = new_recovery_key()
    assert recovery_secret(text).expose() == recovery_secret(text.lower().replace("-", " ")).expose()
    assert len(recovery_secret(text).expose()) == 20
    for wrong in ("", "AAAA", text + "AAAA", text[:-1] + "1", "가" * 32):
        with pytest.raises(ValueError, match="recovery key"):
            recovery_secret(wrong)


def test_a_secret_shows_nothing():
    assert repr(KEY) == str(KEY) == f"{KEY}" == "Secret(...)"
    with pytest.raises(TypeError):
        pickle.dumps(KEY)
