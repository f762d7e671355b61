"""Who a request is counted for: wrong passwords and codes count against the address that they come from."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["counted_address"]

_SUBSCRIBER: Final = 64
"""Bits of an IPv6 address that are somebody's own: whoever has one address has all those below it."""


def counted_address(request: Request) -> str:
    """The address that counts for ``request``: of IPv6 the ``/64``; empty where the server names none.

    An IPv4 address that a socket for both writes as IPv6 (``::ffff:192.0.2.1``) is that IPv4 address.
    """
    host = "" if request.client is None else request.client.host
    try:
        found = ip_address(host)
    except ValueError:
        return host
    if not isinstance(found, IPv6Address):
        return host
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    rest = 128 - _SUBSCRIBER
    return str(ip_network((int(found) >> rest << rest, _SUBSCRIBER)))
