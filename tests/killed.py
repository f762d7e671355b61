"""Run something in a process of its own and kill it, for good, before its n-th step on disk."""

from __future__ import annotations

import os
import signal
import sys
import traceback

_STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink"}


def killed_at(step: int, folder, action) -> bool:
    """Run ``action()`` in a forked process that dies by SIGKILL before its ``step``-th operation below ``folder``.

    Operations are what Python audits (opening, renaming, removing ...) and every fsync. Returns whether it was killed;
    if not, it came to its end.
    """
    child = os.fork()
    if child == 0:
        _doomed(step, os.fspath(folder), action)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def in_child(action) -> int:
    """The exit code of ``action()`` in a forked process: 0, or 1 if it raised."""
    child = os.fork()
    if child == 0:
        _end(action)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _doomed(step, folder, action):
    left = step

    def count():
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event, arguments):
        if event in _STEPS and any(folder in os.fsdecode(one) for one in arguments if isinstance(one, (str, bytes))):
            count()

    real = os.fsync

    def fsync(handle):
        count()
        real(handle)
        count()

    os.fsync = fsync
    sys.addaudithook(hook)
    _end(action)


def _end(action):
    code = 1
    try:
        action()
        code = 0
    except BaseException:  # noqa: BLE001 - a forked process must not go back to pytest
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
