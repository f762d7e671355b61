"""Cut this process off the network, for real, and prove it. For the demo and for tests; it cannot be undone."""

from __future__ import annotations

import ctypes
import os
import socket  # only to look at interfaces and to prove that nothing answers
import sys
from enum import StrEnum
from typing import Any

from vcred.errors import Offline

__all__ = ["Isolation", "cut_network"]

_CLONE_NEWNET = 0x40000000
_CLONE_NEWUSER = 0x10000000
_REFUSED = (
    "socket.connect",
    "socket.bind",
    "socket.sendto",
    "socket.sendmsg",
    "socket.getaddrinfo",
    "socket.gethostbyname",
)


class Isolation(StrEnum):
    """How the network was cut."""

    NAMESPACE = "namespace"
    """The kernel put the process into a network namespace that has no interface but an unplugged loopback."""
    REFUSED = "refused"
    """No namespace could be made here; every socket call of this interpreter is refused instead."""


def cut_network() -> Isolation:
    """Cut the calling process off and say how.

    A network namespace where the kernel allows one (as root, or with user namespaces and a single
    thread), else an audit hook that raises ``Offline`` on every socket call. Raises ``RuntimeError`` if a
    connection is still possible afterwards: the caller must not claim to be offline.
    """
    how = Isolation.NAMESPACE if _new_namespace() else Isolation.REFUSED
    if how is Isolation.REFUSED:
        sys.addaudithook(_refuse)
    _prove(how)
    return how


def _new_namespace() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) == 0:
        return True
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    # In a fresh user namespace we are nobody until the maps are written, and files would look like somebody else's.
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        try:
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - one write call, unbuffered path
                file.write(text)
        except OSError:
            return True
    return True


def _refuse(event: str, _arguments: Any) -> None:
    if event in _REFUSED:
        raise Offline("the network was cut: socket calls are refused")


def _prove(how: Isolation) -> None:
    if how is Isolation.NAMESPACE:
        others = [name for _, name in socket.if_nameindex() if name != "lo"]
        if others:
            raise RuntimeError(f"the network namespace still has interfaces: {', '.join(others)}")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1: a datagram "connect" only asks for a route, it sends nothing
    except (OSError, Offline):
        return
    raise RuntimeError("there is still a route to the network")
