"""What a process that holds a wallet may do to itself so that a crash leaves no copy of its memory."""

from __future__ import annotations

import resource

__all__ = ["forbid_core_dumps"]


def forbid_core_dumps() -> None:
    """Let this process and its children leave no core file, for good. Apps and command-line tools call it at start.

    A library does not do this by itself: the limit belongs to the process. Swap and crash reporters that read the
    memory of a live process are the system's to configure.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
