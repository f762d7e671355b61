"""PKCS #11 URIs (RFC 7512), as strictly as the name of a key deserves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcred.errors import SigningError
from vcred.keys.pkcs11_uri import Pkcs11Uri

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
USUAL = f"pkcs11:token=city;object=ds-2026?module-path={MODULE}"


def test_every_attribute_is_read():
    uri = Pkcs11Uri.parse(
        "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil%2C%20Inc.;model=1.0;"
        "serial=4a2d;object=%EA%B0%80%EB%9E%8C;id=%69%95%3E%5c%00;type=private"
        f"?module-path={MODULE}&pin-source=file:/etc/token_pin"
    )
    assert uri == Pkcs11Uri(
        module_path=MODULE,
        token="The Software PKCS#11 Softtoken",
        manufacturer="Snake Oil, Inc.",
        model="1.0",
        serial="4a2d",
        object="가람",
        id=b"\x69\x95\x3e\x5c\x00",
        pin_source="/etc/token_pin",
    )


@pytest.mark.parametrize("source", ["file:/run/pin", "file:///run/pin", "file:%2Frun%2Fpin"])
def test_a_pin_source_is_a_file(source):
    assert Pkcs11Uri.parse(f"{USUAL}&pin-source={source}").pin_source == "/run/pin"


def test_what_is_shown_has_no_path():
    uri = Pkcs11Uri.parse("pkcs11:token=city;serial=1;object=ds;id=%01%02?module-path=/opt/p11.so&pin-source=file:/pin")
    assert str(uri) == "pkcs11:token=city;serial=1;object=ds;id=0102"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("", "not a pkcs11"),
        ("pkcs11", "not a pkcs11"),
        ("PKCS11:token=a;object=b", "not a pkcs11"),
        ("file:/key.pem", "not a pkcs11"),
        ("pkcs11:", "name=value"),
        ("pkcs11:token", "name=value"),
        ("pkcs11:token=a;;object=b", "name=value"),
        ("pkcs11:token=a;object=b;", "name=value"),
        ("pkcs11:token=a b;object=c", "name=value"),
        ("pkcs11:token=a/b;object=c", "name=value"),
        ("pkcs11:token=가람;object=c", "name=value"),
        ("pkcs11:token=a%2;object=c", "name=value"),
        ("pkcs11:token=a;object=c?module-path=/x#pin", "name=value"),
        ("pkcs11:token=;object=c", "with a value"),
        ("pkcs11:token=a;token=a;object=c", "once"),
        ("pkcs11:token=a;object=c?module-path=/x&module-path=/y", "once"),
        ("pkcs11:token=a;object=%FF", "not UTF-8"),
        ("pkcs11:token=a;object=b%0Ac", "control character"),
        ("pkcs11:object=b", "which token"),
        ("pkcs11:manufacturer=x;object=b", "which token"),
        ("pkcs11:token=a", "which key"),
        ("pkcs11:token=a;object=b;type=public", "type=private"),
        ("pkcs11:token=a;object=b;slot-id=1", "with slot-id"),
        ("pkcs11:token=a;object=b;library-version=1", "with library-version"),
        ("pkcs11:token=a;object=b;x-own=1", "with x-own"),
        ("pkcs11:token=a;object=b?module-name=softhsm2", "with module-name"),
        ("pkcs11:token=a;object=b?x-own=1", "with x-own"),
        ("pkcs11:token=a;object=b?module-path=softhsm2.so", "absolute"),
        (f"{USUAL}&pin-source=/etc/pin", "pin-source is file"),
        (f"{USUAL}&pin-source=file:pin", "pin-source is file"),
        (f"{USUAL}&pin-source=file://host/pin", "pin-source is file"),
        (f"{USUAL}&pin-source=file:////pin", "pin-source is file"),
        (f"{USUAL}&pin-source=%7C/bin/give-pin", "pin-source is file"),
        (f"{USUAL}&pin-source=|/bin/give-pin", "pin-source is file"),
        (f"{USUAL}&pin-source=https://pin.example/", "pin-source is file"),
        ("pkcs11:token=a;object=" + "b" * 5000, "too long"),
    ],
)
def test_anything_else_is_refused(uri, message):
    with pytest.raises(SigningError, match=message):
        Pkcs11Uri.parse(uri)


@pytest.mark.parametrize(
    "uri",
    [
        f"{USUAL}&pin-value=246810",
        "pkcs11:token=a;object=b?pin-value=246810",
        "pkcs11:token=a;object=b;pin-value=246810",
        "pkcs11:token=a;object=b?pin=246810",
        "pkcs11:token=a;object=b?246810",
        "pkcs11:token=a;object=b;246810",
    ],
)
def test_a_pin_in_a_uri_is_refused_and_not_repeated(uri):
    with pytest.raises(SigningError) as refused:
        Pkcs11Uri.parse(uri)
    assert "246810" not in str(refused.value)


def test_the_library_is_named_by_the_uri_or_by_the_environment(monkeypatch):
    short = "pkcs11:token=city;object=ds-2026"
    monkeypatch.delenv("VCRED_PKCS11_MODULE", raising=False)
    with pytest.raises(SigningError, match="which PKCS #11 library"):
        Pkcs11Uri.parse(short)
    monkeypatch.setenv("VCRED_PKCS11_MODULE", "/opt/other.so")
    assert Pkcs11Uri.parse(short).module_path == "/opt/other.so"
    assert Pkcs11Uri.parse(USUAL).module_path == MODULE
    monkeypatch.setenv("VCRED_PKCS11_MODULE", "other.so")
    with pytest.raises(SigningError, match="absolute"):
        Pkcs11Uri.parse(short)


@pytest.mark.property
@given(st.text() | st.text(alphabet="pkcs11:tokenbjidvalue=;?&%0123456789/|-file").map("pkcs11:token=a;".__add__))
def test_any_text_is_read_or_refused(text):
    try:
        uri = Pkcs11Uri.parse(text)
    except SigningError:
        return
    assert uri.token or uri.serial
    assert uri.object or uri.id
