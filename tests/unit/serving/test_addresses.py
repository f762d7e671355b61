"""Who a request is counted for."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from vcred.serving import counted_address


def _from(host: str | None) -> Request:
    return Request({"type": "http", "headers": [], "client": None if host is None else (host, 40_000)})


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::1", "::/64"),
        ("testclient", "testclient"),
        (None, ""),
    ],
)
def test_an_address_counts_as_what_one_subscriber_has(host: str | None, counted: str) -> None:
    assert counted_address(_from(host)) == counted


def test_two_people_behind_ipv4_are_two_on_a_socket_for_both() -> None:
    assert counted_address(_from("::ffff:192.0.2.7")) != counted_address(_from("::ffff:192.0.2.8"))
