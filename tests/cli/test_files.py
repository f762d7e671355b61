"""Files are whole or not there, and nobody's file is overwritten by accident."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from vcred.cli import _files
from vcred.cli._errors import Failure


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path, monkeypatch):
    path = tmp_path / "offer.png"
    real = os.fsync

    def somebody_else_writes(handle):
        if not path.exists():
            path.write_bytes(b"theirs")
        real(handle)

    monkeypatch.setattr(os, "fsync", somebody_else_writes)
    with pytest.raises(Failure):
        _files.write(path, b"ours")
    assert path.read_bytes() == b"theirs"
    assert [one.name for one in tmp_path.iterdir()] == ["offer.png"]


def test_without_links_an_existing_file_still_stays(tmp_path, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    _files.write(tmp_path / "a", b"first")
    with pytest.raises(Failure):
        _files.write(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"


def test_a_process_that_is_killed_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "kr.trust"
    path.write_bytes(b"old")
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom vcred.cli import _files\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"_files.write(Path({str(path)!r}), b'new', force=True)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], check=False)
    assert run.returncode == -9
    assert path.read_bytes() == b"old"


def test_private_files_are_for_their_owner_and_others_as_the_user_says(tmp_path):
    old = os.umask(0o027)
    try:
        assert stat.S_IMODE(_files.write(tmp_path / "cert", b"c").stat().st_mode) == 0o640
    finally:
        os.umask(old)
    assert stat.S_IMODE(_files.write(tmp_path / "key", b"k", private=True).stat().st_mode) == 0o600


def test_a_file_beyond_the_limit_is_not_read(tmp_path):
    (tmp_path / "large").write_bytes(bytes(65))
    with pytest.raises(Failure):
        _files.read(tmp_path / "large", 64)
