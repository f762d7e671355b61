"""Keys in a real token: made there, found by their URI, never taken out, used by threads."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.hsm.conftest import PIN
from vcred.errors import SigningError
from vcred.keys import Signer, load_signer
from vcred.keys.pkcs11 import Pkcs11Signer

WIDTH = {"ES256": 64, "ES384": 96}


def made(token, name="signer", alg="ES256", **changes):
    return Pkcs11Signer.generate(token.uri(name, **changes), alg=alg, secret=None)


def make_key(token, name="odd", *, curve="secp256r1", keep_public=True, **private):
    """A key as some other tool would make it, with its ``private`` attributes."""
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    log_in(token)
    with token.session() as session:
        parameters = session.create_domain_parameters(
            pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
        )
        usual = {"SENSITIVE": True, "EXTRACTABLE": False, "SIGN": True} | private
        public, _ = parameters.generate_keypair(
            store=True,
            label=name,
            id=name.encode(),
            mechanism=pkcs11.Mechanism.EC_KEY_PAIR_GEN,
            private_template={getattr(pkcs11.Attribute, one): value for one, value in usual.items()},
        )
        if not keep_public:
            public.destroy()


def log_in(token):
    """Log the process in, with a key that the tests have no other use for."""
    with suppress(SigningError):  # it is there already
        made(token, "login")
    load_signer(token.uri("login"), secret=None)


@pytest.mark.parametrize("alg", ["ES256", "ES384"])
def test_a_key_made_in_the_token_signs_and_is_found_again(token, alg):
    signer = made(token, alg=alg)
    assert isinstance(signer, Signer)
    assert signer.public_key.alg == alg
    message = b"a credential"
    assert len(signer.sign(message)) == WIDTH[alg]
    signer.public_key.verify(signer.sign(message), message)
    again = load_signer(token.uri("signer"), secret=None)
    assert again.public_key == signer.public_key
    again.public_key.verify(again.sign(b""), b"")


def test_a_new_key_cannot_leave_the_token_and_can_only_sign(token):
    import pkcs11

    made(token)
    with token.session() as session:
        key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label="signer")
        attribute = pkcs11.Attribute
        assert key[attribute.SENSITIVE]
        assert key[attribute.ALWAYS_SENSITIVE]
        assert key[attribute.NEVER_EXTRACTABLE]
        assert not key[attribute.EXTRACTABLE]
        assert [key[one] for one in (attribute.SIGN, attribute.DECRYPT, attribute.UNWRAP, attribute.DERIVE)] == [
            True,
            False,
            False,
            False,
        ]
        with pytest.raises(pkcs11.AttributeSensitive):
            key[attribute.VALUE]
        with pytest.raises(pkcs11.PKCS11Error):
            key[attribute.EXTRACTABLE] = True


def test_a_label_or_an_id_is_given_once(token):
    made(token, "first", id_="%01")
    with pytest.raises(SigningError, match="taken"):
        made(token, "first")
    with pytest.raises(SigningError, match="taken"):
        made(token, "second", id_="%01")
    with pytest.raises(SigningError, match="label"):
        Pkcs11Signer.generate(token.uri(id_="%02"), alg="ES256", secret=None)
    with pytest.raises(ValueError, match="ES256 or ES384"):
        made(token, "third", alg="RS256")
    with pytest.raises(SigningError, match="no such private key"):
        load_signer(token.uri("third"), secret=None)


def test_a_key_is_found_by_its_id_and_two_of_one_name_are_not_chosen_between(token):
    made(token, "first", id_="%01%FF")
    assert load_signer(token.uri(id_="%01%ff"), secret=None).sign(b"x")
    make_key(token, "twin", ID=b"one")
    make_key(token, "twin", ID=b"two")
    with pytest.raises(SigningError, match="2 private keys match"):
        load_signer(token.uri("twin"), secret=None)


def test_the_pin_is_asked_for_by_the_uri_and_shown_nowhere(token):
    made(token)
    token.close_sessions()
    asked = []
    uri = token.uri("signer", pin=False)
    signer = load_signer(uri, secret=lambda name: asked.append(name) or PIN)
    assert asked == [uri]
    signer.sign(b"x")
    assert asked == [uri], "a login lasts"
    assert repr(signer) == f"Pkcs11Signer({signer.public_key!r})"
    with pytest.raises(SigningError, match="pin-source"):
        load_signer(uri, secret=None)


@pytest.mark.parametrize(
    ("private", "message"),
    [
        ({"EXTRACTABLE": True}, "may leave"),
        ({"SENSITIVE": False}, "may leave"),
        ({"SENSITIVE": False, "EXTRACTABLE": True}, "may leave"),
        ({"SIGN": False}, "may not sign"),
        ({"ALWAYS_AUTHENTICATE": True}, "every signature"),
        ({"curve": "secp521r1"}, "P-256 or P-384"),
        ({"curve": "secp256k1"}, "P-256 or P-384"),
        ({"keep_public": False}, "0 public keys"),
    ],
    ids=["extractable", "not sensitive", "neither", "may not sign", "PIN each time", "P-521", "k1", "no public key"],
)
def test_a_key_that_is_no_hardware_signing_key_of_ours_is_refused(token, private, message):
    make_key(token, **private)
    with pytest.raises(SigningError, match=message):
        load_signer(token.uri("odd"), secret=None)


def test_an_rsa_key_is_refused(token):
    import pkcs11

    log_in(token)
    with token.session() as session:
        session.generate_keypair(pkcs11.KeyType.RSA, 2048, store=True, label="rsa")
    with pytest.raises(SigningError, match="not an EC key"):
        load_signer(token.uri("rsa"), secret=None)


def test_what_is_not_there_is_named(token, tmp_path):
    made(token)
    uri = token.uri("signer")
    for wrong, message in [
        (uri.replace(token.label, "nobody"), "no such token"),
        (uri.replace("object=signer", "object=nothing"), "no such private key"),
        (uri.replace(f"token={token.label}", f"token={token.label};serial=0"), "no such token"),
        (uri.replace(str(token.module), str(tmp_path / "no.so")), "cannot be used"),
        (uri.replace(str(token.module), str(token.pin_file)), "cannot be used"),
    ]:
        with pytest.raises(SigningError, match=message):
            load_signer(wrong, secret=None)
    token.close_sessions()
    with pytest.raises(SigningError, match="PIN cannot be read"):
        load_signer(uri.replace(str(token.pin_file), f"{tmp_path}/none"), secret=None)


def test_the_library_may_be_named_by_the_environment_and_by_either_of_its_names(token, monkeypatch):
    key = made(token).public_key
    monkeypatch.setenv("VCRED_PKCS11_MODULE", os.path.realpath(token.module))
    short = token.uri("signer").replace(f"module-path={token.module}&", "")
    assert "module-path" not in short
    assert load_signer(short, secret=None).public_key == key


def test_two_threads_share_a_signer_and_a_token(token):
    first, second = made(token, "first"), made(token, "second", alg="ES384")

    def work(number):
        signer = second if number % 5 == 0 else first
        message = b"%d" % number
        return signer.public_key, signer.sign(message), message

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(work, range(100)))
    assert len({raw for _, raw, _ in done}) == 100
    for key, raw, message in done:
        key.verify(raw, message)


CHILD = """
import os, sys
from vcred.errors import SigningError
from vcred.keys import load_signer
signer = load_signer(sys.argv[1], secret=None)
if os.fork() == 0:
    for attempt in (lambda: signer.sign(b"x"), lambda: load_signer(sys.argv[1], secret=None)):
        try:
            attempt()
            print("signed", flush=True)
        except SigningError as error:
            print(error, flush=True)
    os._exit(0)
os.wait()
signer.public_key.verify(signer.sign(b"x"), b"x")
print("the parent signs", flush=True)
"""


def test_a_forked_child_does_not_use_its_parents_session(token):
    made(token)
    with token.run(CHILD, token.uri("signer")) as process:
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    first, second, last = out.splitlines()
    assert "forked" in first
    assert "forked" in second
    assert last == "the parent signs"


LOOP = """
import sys
from vcred.keys import load_signer
signer = load_signer(sys.argv[1], secret=None)
print("ready", flush=True)
while True:
    signer.sign(b"x")
"""


def test_a_process_killed_while_it_signs_leaves_the_token_usable(token):
    signer = made(token)
    for _ in range(2):
        with token.run(LOOP, token.uri("signer")) as process:
            assert process.stdout.readline() == "ready\n"
            process.kill()
            assert process.wait() == -9
        signer.public_key.verify(signer.sign(b"y"), b"y")
        with token.run(LOOP.partition("while")[0], token.uri("signer")) as process:
            assert process.communicate(timeout=30)[0] == "ready\n"
