"""Settings of a service: three sources, strict names, no values in errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr  # noqa: TC002 - the model needs it

from vcred.errors import SettingsError
from vcred.serving import Settings, load_settings
from vcred.serving.settings import listen_at

if TYPE_CHECKING:
    from pathlib import Path


class Inner(Settings):
    host: str = "127.0.0.1"
    port: int = 8080


class Example(Settings):
    base_url: str
    listen: Inner = Inner()
    names: tuple[str, ...] = ()
    password: SecretStr | None = None
    code: str = ""


def load(tmp_path: Path, text: str = "", environ: dict[str, str] | None = None, **given: object) -> Example:
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(Example, file=file, prefix="VCRED_TEST", environ=environ or {}, given=given)


def test_the_later_source_counts_member_by_member(tmp_path: Path) -> None:
    text = 'base_url = "https://a.example"\n[listen]\nhost = "10.0.0.1"\nport = 1\n'
    environ = {"VCRED_TEST__LISTEN__PORT": "2", "VCRED_TEST__NAMES": '["x", "y"]', "OTHER__BASE_URL": "no"}
    found = load(tmp_path, text, environ, base_url="https://b.example")
    assert (found.base_url, found.listen.host, found.listen.port) == ("https://b.example", "10.0.0.1", 2)
    assert found.names == ("x", "y")


def test_a_mistyped_member_is_an_error_wherever_it_stands(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"listen\.prot"):
        load(tmp_path, 'base_url = "https://a.example"\n[listen]\nprot = 1\n')
    with pytest.raises(SettingsError, match="base_ulr"):
        load(tmp_path, 'base_url = "https://a.example"', {"VCRED_TEST__BASE_ULR": "x"})
    with pytest.raises(SettingsError, match="base_url"):
        load(tmp_path)


def test_no_value_is_in_an_error_or_a_repr(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load(tmp_path, 'base_url = "https://a.example"', {"VCRED_TEST__LISTEN__PORT": "s3cret"})
    assert "s3cret" not in str(raised.value)
    found = load(tmp_path, 'base_url = "https://a.example"', {"VCRED_TEST__PASSWORD": "s3cret"})
    assert found.password is not None
    assert found.password.get_secret_value() == "s3cret"
    assert "s3cret" not in f"{found!r} {found}"


def test_a_file_that_is_missing_or_no_toml(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml"):
        load_settings(Example, file=tmp_path / "none.toml", prefix="X", environ={})
    with pytest.raises(SettingsError, match="not TOML"):
        load(tmp_path, "base_url = ")


def test_text_that_looks_like_a_number_stays_text_where_text_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="code"):
        load(tmp_path, 'base_url = "https://a.example"\ncode = 12')
    assert load(tmp_path, 'base_url = "https://a.example"', {"VCRED_TEST__CODE": "0012"}).code == "0012"


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    found = load(tmp_path, 'base_url = "https://a.example"')
    with pytest.raises(ValueError, match="frozen"):
        found.base_url = "https://b.example"


def test_where_to_listen_is_an_address_and_a_port() -> None:
    assert listen_at("127.0.0.1:8443") == ("127.0.0.1", 8443)
    assert listen_at("[::1]:1") == ("::1", 1)
    for text in ("127.0.0.1", ":8443", "localhost:", "localhost:0", "localhost:65536", "localhost:http"):
        with pytest.raises(SettingsError, match="an address and a port"):
            listen_at(text)
