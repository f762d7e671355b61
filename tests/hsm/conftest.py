"""A real PKCS #11 token: SoftHSM, with a folder of its own for every run of the tests."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

PIN, SO_PIN = "246810", "13579135"
_NUMBERS = count(1)
_PLACES = (
    "/usr/lib/softhsm",
    "/usr/lib/*/softhsm",
    "/usr/lib/pkcs11",
    "/usr/lib64/pkcs11",
    "/usr/local/lib/softhsm",
    "/opt/homebrew/lib/softhsm",
)


def find_module() -> Path | None:
    """Where SoftHSM's library is, or ``None``."""
    for place in _PLACES:
        for found in sorted(Path("/").glob(f"{place[1:]}/libsofthsm2.so")):
            return found
    return None


class SoftToken:
    """One token. ``away()`` and ``back()`` are what a hand does that pulls it out and puts it in again."""

    def __init__(self, module: Path, home: Path) -> None:
        self.module, self.home = module, home
        self.label = f"city-{next(_NUMBERS)}"
        before = set((home / "tokens").iterdir())
        self.tool("--init-token", "--free", "--label", self.label, "--so-pin", SO_PIN, "--pin", PIN)
        (self.folder,) = set((home / "tokens").iterdir()) - before
        self.pin_file = home / f"{self.label}.pin"
        self.pin_file.write_text(f"{PIN}\n")

    def tool(self, *arguments: str) -> str:
        done = subprocess.run(["softhsm2-util", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def uri(self, name: str | None = None, *, id_: str = "", pin: bool = True) -> str:
        parts = [f"token={self.label}", *([f"object={name}"] if name else []), *([f"id={id_}"] if id_ else [])]
        query = f"module-path={self.module}" + (f"&pin-source=file:{self.pin_file}" if pin else "")
        return f"pkcs11:{';'.join(parts)}?{query}"

    def away(self) -> None:
        self.folder.rename(self.home / self.folder.name)

    def back(self) -> None:
        (self.home / self.folder.name).rename(self.folder)

    @contextmanager
    def removed(self):
        self.away()
        try:
            yield
        finally:
            self.back()

    def close_sessions(self) -> None:
        """Close every session of this process on the token, behind the back of whoever uses them."""
        library = ctypes.CDLL(str(self.module))
        assert library.C_CloseAllSessions(ctypes.c_ulong(self._token().slot.slot_id)) == 0

    def restart(self) -> None:
        """Initialise the library of this process anew, behind the back of whoever uses it."""
        import pkcs11

        pkcs11.lib(str(self.module)).reinitialize()

    def flags(self):
        return self._token().flags

    def _token(self):
        import pkcs11

        # SoftHSM keeps the slot numbers of a process until the library is initialised anew.
        return next(one for one in pkcs11.lib(str(self.module)).get_tokens() if one.label == self.label)

    @contextmanager
    def session(self):
        """A writing session of another program, so to say: the same library under another process's rules."""

        session = self._token().open(rw=True)
        try:
            yield session
        finally:
            session.close()

    def run(self, code: str, *arguments: str) -> subprocess.Popen:
        """``code`` in a process of its own, with this SoftHSM."""
        import sys

        root = Path(__file__).parents[2]
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory):
    """``softhsm()`` makes a fresh token."""
    module = find_module()
    if module is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (Debian: apt-get install softhsm2)")
    home = tmp_path_factory.mktemp("softhsm")
    (home / "tokens").mkdir()
    (home / "softhsm2.conf").write_text(f"directories.tokendir = {home}/tokens\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(home / "softhsm2.conf")
    yield lambda: SoftToken(module, home)
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture
def token(softhsm):
    return softhsm()
