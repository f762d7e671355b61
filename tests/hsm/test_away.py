"""A token that is pulled out, locked, emptied or logged out while it is in use: never another key, and back when it is."""

from __future__ import annotations

import pytest

from tests.hsm.conftest import PIN
from vcred.errors import SigningError
from vcred.keys import load_signer
from vcred.keys.pkcs11 import Pkcs11Signer

LOCKED, FINAL_TRY = 0x40000, 0x20000
"""CKF_USER_PIN_LOCKED and CKF_USER_PIN_FINAL_TRY: PKCS #11 section 3.2."""


@pytest.fixture
def signer(token):
    return Pkcs11Signer.generate(token.uri("signer"), alg="ES256", secret=None)


def works(signer):
    signer.public_key.verify(signer.sign(b"message"), b"message")
    return True


def refused(signer, message):
    with pytest.raises(SigningError, match=message) as caught:
        signer.sign(b"message")
    assert PIN not in str(caught.value)


def set_flags(token, change):
    """Write the flags that the token keeps, as its firmware would after wrong PINs. SoftHSM itself never locks."""
    file = token.folder / "token.object"
    raw, flags = bytearray(file.read_bytes()), int(token.flags())
    old = flags.to_bytes(8, "big")
    assert raw.count(old) == 1
    file.write_bytes(bytes(raw).replace(old, change(flags).to_bytes(8, "big")))
    token.restart()
    assert int(token.flags()) == change(flags)


class Pin:
    """A PIN that is asked for, and how often it was."""

    def __init__(self, pin=PIN):
        self.pin, self.asked = pin, 0

    def __call__(self, name):
        assert name.startswith("pkcs11:")
        self.asked += 1
        return self.pin


def test_op_02_a_removed_token_signs_nothing_and_the_same_signer_works_when_it_is_back(token, signer):
    assert works(signer)
    for _ in range(2):
        with token.removed():
            refused(signer, "no such token")
            refused(signer, "no such token")
            with pytest.raises(SigningError, match="no such token"):
                load_signer(token.uri("signer"), secret=None)
        assert works(signer)


def test_op_02_a_token_that_was_away_between_two_signatures_is_logged_into_again(token, signer):
    with token.removed():
        token.restart()
    assert works(signer)


def test_a_removed_token_does_not_stop_its_neighbour(softhsm, token, signer):
    other = softhsm()
    neighbour = Pkcs11Signer.generate(other.uri("signer"), alg="ES384", secret=None)
    with token.removed():
        for _ in range(2):
            refused(signer, "no such token")
            assert works(neighbour)
    assert works(signer)
    assert works(neighbour)


def test_op_02_a_dropped_session_is_replaced_with_one_login(token, signer):
    pin = Pin()
    token.close_sessions()
    asked = load_signer(token.uri("signer", pin=False), secret=pin)
    for times in (1, 2, 3):
        assert works(asked)
        assert works(signer)
        assert pin.asked == times
        token.close_sessions()


def test_op_02_a_wrong_pin_is_tried_once_and_never_again_by_itself(token, signer):
    pin = Pin("000000")
    token.close_sessions()
    with pytest.raises(SigningError, match="PIN is wrong"):
        load_signer(token.uri("signer", pin=False), secret=pin)
    assert pin.asked == 1

    pin = Pin()
    asked = load_signer(token.uri("signer", pin=False), secret=pin)
    token.close_sessions()
    pin.pin = "111111"
    refused(asked, "PIN is wrong")
    for each in (asked, signer, asked):
        refused(each, "not tried again until the key is loaded anew")
    assert pin.asked == 2, "once for the first login, once for the wrong try"

    load_signer(token.uri("signer"), secret=None)
    assert works(asked)
    assert works(signer)


@pytest.mark.parametrize("pin", ["", "1" * 300], ids=["empty", "too long"])
def test_a_pin_that_cannot_be_one_is_refused(token, signer, pin):
    token.close_sessions()
    with pytest.raises(SigningError, match=r"empty|length|wrong"):
        load_signer(token.uri("signer", pin=False), secret=Pin(pin))


@pytest.mark.parametrize(("flag", "message"), [(LOCKED, "locked"), (FINAL_TRY, "one wrong PIN more")])
def test_op_02_a_locked_pin_and_a_last_try_are_left_alone(token, signer, flag, message):
    pin = Pin()
    set_flags(token, lambda flags: flags | flag)
    with pytest.raises(SigningError, match=message):
        load_signer(token.uri("signer", pin=False), secret=pin)
    refused(signer, message)
    assert pin.asked == 0, "nothing is tried"
    set_flags(token, lambda flags: flags & ~flag)
    assert works(signer)


def test_op_02_a_destroyed_key_has_no_substitute(token, signer):
    import pkcs11

    assert works(signer)
    with token.session() as session:
        for one in list(session.get_objects({pkcs11.Attribute.LABEL: "signer"})):
            one.destroy()
    refused(signer, "no such private key")
    Pkcs11Signer.generate(token.uri("signer"), alg="ES256", secret=None)
    refused(signer, "another key under this name")


def test_a_public_key_that_is_not_the_private_keys_is_noticed_at_the_first_signature(token, signer):
    import pkcs11

    Pkcs11Signer.generate(token.uri("other"), alg="ES256", secret=None)
    with token.session() as session:
        for label in ("signer", "other"):
            (public,) = session.get_objects(
                {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY, pkcs11.Attribute.LABEL: label}
            )
            if label == "signer":
                id_ = public[pkcs11.Attribute.ID]
                public.destroy()
            else:
                public[pkcs11.Attribute.ID] = id_
    swapped = load_signer(token.uri("signer"), secret=None)
    refused(swapped, "wrong signature")
