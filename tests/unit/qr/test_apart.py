"""Strangers' pictures are read in processes of their own, whatever they do there."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from vcred import qr
from vcred._apart import ApartProcess, NoAnswerError
from vcred.errors import MalformedError, RefusedError
from vcred.qr import apart
from vcred.qr.apart import PictureReader
from vcred.qr.read import MAX_FILE
from vcred.qr.scan import Scan, texts_of
from vcred.reasons import ReasonCode

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="limits are those of POSIX")

POPEN = subprocess.Popen
NOISE = random.Random(20261122)
SHEET = NOISE.randbytes(300)
(CODE,) = qr.encode(qr.Message(qr.MessageKind.PAPER, {1: SHEET}))
PICTURE = CODE.png(scale=4)
FRAMES = qr.encode(qr.Message(qr.MessageKind.PAPER, {1: NOISE.randbytes(3_000)}))
WORKER = Path(apart.__file__).with_name("_picture_worker.py")


@pytest.fixture(scope="module")
def reader():
    with PictureReader() as found:
        yield found


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A worker that does something else with what begins with the mark of a bitmap."""

    def make(does):
        text = WORKER.read_text()
        begin = '    """The texts that were found, or why there are none, as JSON."""\n'
        assert begin in text
        own = f"    if raw[:2] == b'BM':\n        {does}\n"
        file = tmp_path / "worker.py"
        file.write_text(text.replace(begin, begin + own))
        monkeypatch.setattr(apart, "_WORKER", file)

    return make


def saved(form, **more):
    out = io.BytesIO()
    picture = Image.open(io.BytesIO(PICTURE))
    picture.convert("RGB").save(out, form, **more)
    return out.getvalue()


def animated(form):
    pictures = [Image.open(io.BytesIO(one.png(scale=3))).convert("L") for one in FRAMES]
    out = io.BytesIO()
    pictures[0].save(out, form, save_all=True, append_images=pictures[1:], lossless=True)
    return out.getvalue()


def wide():
    out = io.BytesIO()
    Image.new("1", (10_001, 1)).save(out, "PNG")
    return out.getvalue()


def refused(work):
    with pytest.raises(RefusedError) as caught:
        work()
    return caught.value


def children_of(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_every_code_of_a_picture_with_many_is_read_where_no_file_can_be_opened(reader):
    drawn = [Image.open(io.BytesIO(code.png(scale=3))) for code in FRAMES]
    side = max(one.width for one in drawn)
    sheet = Image.new("L", (side, side * len(drawn)), "white")
    for number, one in enumerate(drawn):
        sheet.paste(one, (0, number * side))
    out = io.BytesIO()
    sheet.save(out, "PNG")
    assert len(FRAMES) > 2
    assert sorted(reader.texts_of(out.getvalue(), "sheet.png")) == sorted(code.text for code in FRAMES)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "PDF"])
def test_every_kind_of_file_is_read_behind_the_limits_as_it_is_here(reader, form):
    raw = saved(form)
    assert reader.texts_of(raw, "file[0]") == texts_of(raw, "file[0]") == [CODE.text]


@pytest.mark.parametrize("form", ["PNG", "GIF", "WEBP"])
def test_every_frame_is_read(reader, form):
    raw = animated(form)
    assert reader.texts_of(raw, "file[0]") == texts_of(raw, "file[0]") == [one.text for one in FRAMES]


def test_a_document_is_found_in_its_files(reader):
    assert Scan(files=(PICTURE,)).sheet(read=reader.texts_of) == SHEET
    assert Scan(files=(CODE.text.encode(),)).sheet(read=reader.texts_of) == SHEET
    frames = [one.png(scale=3) for one in FRAMES]
    assert Scan(files=tuple(frames)).sheet(read=reader.texts_of)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\x89PNG and then nothing", ReasonCode.FORMAT),
        (b"%PDF-1.7 and then nothing", ReasonCode.FORMAT),
        (b"\x00\xff", ReasonCode.FORMAT),
        (b"\x89PNG" + bytes(MAX_FILE), ReasonCode.SIZE),
        (wide(), ReasonCode.LIMIT),
    ],
    ids=["picture", "pdf", "neither", "large", "wide"],
)
def test_what_is_refused_here_is_refused_there_for_the_same_reason(reader, raw, code):
    before, after = (refused(lambda one=one: one(raw, "file[7]")) for one in (texts_of, reader.texts_of))
    assert before.code == after.code == code
    assert before.path == after.path == "file[7]"
    assert isinstance(after, MalformedError)


def test_a_picture_without_a_code_is_said_to_be_one(reader):
    out = io.BytesIO()
    Image.new("L", (200, 200), 255).save(out, "PNG")
    assert "no QR code" in refused(lambda: reader.texts_of(out.getvalue(), "x")).detail


@pytest.mark.parametrize(
    "does",
    [
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "os.abort()",
        "raise RuntimeError",
        "bytearray(2 << 30)",
        "return b''",
        "return bytes(2 << 20)",
        "return b'[1'",
        "return b'[1]'",
        "return b'null'",
        'return b\'{"code": "accepted"}\'',
        "return b'[' * 100_000",
        "os.kill(os.getppid(), signal.SIGKILL)",
        "os.write(1, b'+' + (8).to_bytes(4, 'big') + b'[\"mine\"]' + b'+' + (8).to_bytes(4, 'big') + b'[\"mine\"]')",
        "os.fstat(0); return b'[\"what others send is within reach\"]'",
    ],
)
def test_whatever_becomes_of_one_file_is_not_decided_and_the_next_is_read(worker, does):
    worker(does)
    with PictureReader(at_once=1) as reader:
        assert refused(lambda: reader.texts_of(saved("BMP"), "file[0]")).code is ReasonCode.UNCHECKED
        assert reader.texts_of(PICTURE, "file[0]") == [CODE.text]


@pytest.mark.parametrize("does", ["__import__('time').sleep(600)", "while True: pass"])
def test_what_takes_too_long_is_ended_and_leaves_nothing_behind(worker, does):
    worker(does)
    with PictureReader(seconds=1, at_once=1) as reader:
        assert reader.texts_of(PICTURE, "x") == [CODE.text]
        (process,) = reader._all
        pid = process._process.pid
        assert refused(lambda: reader.texts_of(saved("BMP"), "x")).code is ReasonCode.UNCHECKED
        assert process._process.pid == pid, "it was not this one that hung"
        assert reader.texts_of(PICTURE, "x") == [CODE.text]
        assert not sys.platform.startswith("linux") or children_of(pid) == []


def test_who_has_to_wait_too_long_is_told(worker, monkeypatch):
    monkeypatch.setattr(apart, "_START", 0.0)
    worker("__import__('time').sleep(600)")
    with PictureReader(seconds=1, at_once=1) as reader, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(reader.texts_of, saved("BMP"), "x") for _ in range(4)]
        found = [refused(one.result) for one in waiting]
    assert {one.code for one in found} == {ReasonCode.UNCHECKED}
    assert "too many files at once" in {one.detail for one in found}


def test_several_at_once_get_their_own_answers():
    codes = [qr.encode(qr.Message(qr.MessageKind.PAPER, {1: bytes([number]) * 40}))[0] for number in range(12)]
    with PictureReader(at_once=2) as reader, ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda one: reader.texts_of(one.png(scale=4), "x"), codes))
    assert found == [[one.text] for one in codes]


def test_a_fork_opens_nothing(worker):
    worker(
        "found = []\n"
        "        for name in ('/etc/hostname', '/dev/null', __file__):\n"
        "            try: open(name)\n"
        "            except OSError as error: found.append(type(error).__name__)\n"
        "        try: os.pipe()\n"
        "        except OSError: found.append('no pipe')\n"
        "        return json.dumps(found).encode()"
    )
    with PictureReader(at_once=1) as reader:
        assert reader.texts_of(saved("BMP"), "x") == ["OSError"] * 3 + ["no pipe"]


@pytest.mark.slow
def test_the_largest_picture_that_may_come_is_read(reader):
    page = Image.new("RGBA", (8_000, 6_000), (255, 255, 255, 255))
    page.paste(Image.open(io.BytesIO(CODE.png(scale=10))).convert("RGBA"), (3_000, 2_000))
    out = io.BytesIO()
    page.save(out, "PNG", compress_level=1)
    assert reader.texts_of(out.getvalue(), "x") == [CODE.text]


def test_nothing_is_left_when_it_is_closed():
    reader = PictureReader(at_once=1)
    reader.texts_of(PICTURE, "x")
    running = reader._all[0]._process
    reader.close()
    assert running.returncode is not None


SLOW = """
import sys, time
time.sleep(2)
sys.stdout.buffer.write(b"*" + bytes(4) + b"+" + bytes(4))
sys.stdout.buffer.flush()
time.sleep(600)
"""


def test_a_time_that_is_over_while_the_process_starts_is_over(tmp_path, monkeypatch):
    file = tmp_path / "worker.py"
    file.write_text(SLOW)
    begun = []

    class Slow(ApartProcess):
        def worker(self):
            assert timer.is_set() or timer.wait(60)
            return file

    timer = threading.Event()
    slow = Slow(seconds=0.0)
    monkeypatch.setattr(slow, "_kill", lambda: (ApartProcess._kill(slow), timer.set()))
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **more: begun.append(POPEN(*args, **more)) or begun[-1])
    with pytest.raises(NoAnswerError):
        slow.ask(b"x")
    (process,) = begun
    assert process.returncode is not None
