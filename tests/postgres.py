"""A PostgreSQL server for the tests: in a folder of its own, over a socket in that folder, gone when they end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ACCOUNT = "postgres"
"""PostgreSQL does not run as root."""


def programs() -> Path | None:
    """Where ``initdb`` is, if PostgreSQL is installed."""
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folders += [Path(found).resolve().parent] if found else []
    return next((folder for folder in folders if (folder / "pg_ctl").exists()), None)


@contextmanager
def server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """A running server, which with ``durable`` waits for the disk. Raises ``RuntimeError`` where there is none to run."""
    folder = programs()
    if folder is None:
        raise RuntimeError("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    home = Path(tempfile.mkdtemp(prefix="vcred-pg-"))
    running = PostgresServer(folder, home, durable=durable)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


class PostgresServer:
    """One server. ``kill`` ends it as a power failure would, ``start`` brings it back."""

    def __init__(self, programs: Path, home: Path, *, durable: bool) -> None:
        self._programs = programs
        self._durable = durable
        self.home = home
        if os.getuid() == 0:
            shutil.chown(home, _ACCOUNT)
        self._run("initdb", "-D", home / "data", "-A", "trust", "-U", "vcred", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        """Start, and wait until it answers."""
        # What a killed server wrote is the kernel's by then: flushing it to the disk would only make tests slow.
        fsync = "on" if self._durable else "off"
        settings = f"-c listen_addresses='' -k {self.home} -c max_connections=60 -c fsync={fsync}"
        self._run("pg_ctl", "-D", self.home / "data", "-o", settings, "-l", self.home / "log", "-w", "start")

    def stop(self) -> None:
        """Stop, whatever is connected."""
        self._run("pg_ctl", "-D", self.home / "data", "-m", "immediate", "-w", "stop", check=False)

    kill = stop

    def database(self, name: str) -> str:
        """The address of a new, empty database, as SQLAlchemy writes it."""
        import psycopg

        with psycopg.connect(host=str(self.home), user="vcred", dbname="postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"postgresql+psycopg://vcred@/{name}?host={self.home}"

    def _run(self, program: str, *arguments: object, check: bool = True) -> None:
        command = [str(self._programs / program), *map(str, arguments)]
        if os.getuid() == 0:
            command = ["runuser", "-u", _ACCOUNT, "--", *command]
        subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.home)
