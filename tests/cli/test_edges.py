"""What every command keeps to: errors in one line with an exit code, nothing overwritten, one JSON document."""

from __future__ import annotations

import json
import stat
import subprocess
import sys

import pytest

AT = "2026-11-02T01:00:00Z"
TRUST = ("--name-ko", "시험 목록", "--name-en", "Test list", "--password-file", "password", "--at", AT)


@pytest.fixture
def folder(shell):
    """A trust folder, with a bundle ``kr.trust`` that knows one bank."""
    shell("trust init trust", *TRUST)
    bank = (
        "--name-ko",
        "다솜은행 (가상)",
        "--name-en",
        "Dasom Bank (fictitious)",
        "--identifier",
        "desk.dasom.example",
    )
    shell("verifier init bank --password-file password --at", AT, *bank)
    shell("trust add-reader trust bank/reader.json")
    shell("trust publish trust --out kr.trust --password-file password --at", AT)
    return shell


def test_help_needs_none_of_the_slow_packages():
    code = (
        "import sys\nsys.argv = ['vcred', '--help']\n"
        "from vcred.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "slow = {'rich', 'tuf', 'jwt', 'qrcode', 'zxingcpp', 'PIL', 'cryptography'}\n"
        "print(sorted(slow & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_python_m_vcred_is_the_command_line():
    run = subprocess.run([sys.executable, "-m", "vcred", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("vcred 0.")


@pytest.mark.parametrize(("lang", "word"), [("ko", "증명서"), ("en", "certificate")])
def test_help_speaks_the_language_that_is_asked_for(shell, lang, word):
    assert word in shell("catalog list --help --lang", lang).stdout


def test_the_language_comes_from_the_locale_else_it_is_korean(shell, monkeypatch):
    assert "certificate" in shell("catalog --help").stdout
    for value in ("C", "de_DE.UTF-8", "ko_KR.UTF-8", ""):
        shell.runner.env = {"LC_ALL": "", "LC_MESSAGES": "", "LANG": value}
        assert "증명서" in shell("catalog --help").stdout


def test_a_missing_file_is_our_own_fault_and_named(shell):
    result = shell("qr decode nowhere.png", code=4)
    assert result.stderr.count("\n") == 1
    assert "nowhere.png" in result.stderr
    assert result.stdout == ""


def test_a_broken_picture_is_the_other_sides_fault(shell):
    (shell.folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(80))
    result = shell("qr decode broken.png --lang ko", code=1)
    assert "format" in result.stderr


def test_a_picture_without_a_code_is_refused(shell):
    from PIL import Image

    Image.new("L", (80, 80), 255).save(shell.folder / "white.png")
    assert "no QR code" in shell("qr decode white.png", code=1).stderr
    (shell.folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(80))
    assert shell.json("qr decode broken.png", code=1)["error"]["path"] == "broken.png"


def test_an_error_with_json_is_one_document_too(shell):
    found = shell.json("qr decode nowhere.png", code=4)
    assert found["error"]["exit_code"] == 4
    (shell.folder / "text").write_text("https://evil.example/\n")
    found = shell.json("qr decode text", code=1)
    assert found["error"]["code"] == "scheme"


def test_a_time_without_a_zone_is_wrong_use(shell):
    assert "zone" in shell("doctor --at 2026-11-02T01:00:00", code=2).stderr


def test_an_unknown_type_is_named_in_the_error(shell):
    assert "resident.nothing" in shell("catalog show resident.nothing", code=4).stderr


def test_what_strangers_wrote_is_made_safe_before_it_is_printed(shell):
    result = shell("catalog show", "a\x1b[31m.b\u202e", code=4)
    assert "\x1b" not in result.stderr
    assert "\u202e" not in result.stderr


@pytest.mark.parametrize("flag", ["--schema", "--type-metadata", "--sample"])
def test_documents_of_a_type_are_json(shell, flag):
    assert json.loads(shell("catalog show family.basic", flag).stdout)


def test_lists_are_json(shell):
    assert "resident.household" in {one["code"] for one in shell.json("catalog list --family resident")}
    assert "bank.address-change" in {one["id"] for one in shell.json("verifier presets")}
    assert shell.json("verifier presets show bank.address-change")["toml"]
    shell("catalog list --family nothing", code=2)


def test_a_type_file_with_a_mistake_is_named(shell):
    (shell.folder / "bad.toml").write_text('code = "club.library"\n', "utf-8")
    result = shell("catalog check bad.toml", code=4)
    assert "bad.toml" in result.stderr
    assert shell.json("catalog check bad.toml", code=4)["error"]["mistakes"]


def test_a_policy_with_a_mistake_is_named(shell):
    (shell.folder / "bad.toml").write_text('id = "x"\n', "utf-8")
    assert "bad.toml" in shell("catalog check --policy bad.toml", code=4).stderr
    (shell.folder / "good.toml").write_text(shell.json("verifier presets show shop.adult")["toml"], "utf-8")
    shell("catalog check --policy good.toml")


def test_a_preset_goes_into_a_file_as_it_is(shell):
    shown = shell("verifier presets show bank.address-change").stdout
    (shell.folder / "own.toml").write_text(shown, "utf-8")
    shell("catalog check --policy own.toml")


def test_an_error_of_ours_is_told_in_korean_too(shell):
    told = shell("wallet init other --pin-file nowhere --lang ko", code=4).stderr
    assert "nowhere: 그런 파일이나 폴더가 없습니다" in told
    assert "No such file" not in told


def test_a_typo_in_a_policy_is_pointed_at(shell):
    text = shell("verifier presets show shop.adult").stdout
    (shell.folder / "typo.toml").write_text(text.replace("[freshness]", "[freshnes]"), "utf-8")
    assert "'freshnes'" in shell("catalog check --policy typo.toml", code=4).stderr
    assert "잘못 적은" in shell("catalog check --policy typo.toml --lang ko", code=4).stderr


def test_a_toml_error_is_readable(shell):
    (shell.folder / "bad.toml").write_text('code = "club.library\n', "utf-8")
    for kind in ("", "--policy"):
        told = shell(f"catalog check {kind} bad.toml", code=4).stderr
        assert "bad.toml" in told
        assert "the line ends too early (at line 1, column 21)" in told
    assert "nowhere.toml: cannot be read: No such file" in shell("catalog check nowhere.toml", code=4).stderr


def test_doctor_reports_and_finds_nothing_broken(shell):
    found = shell.json("doctor")
    states = {one["name"]: one["state"] for one in found["findings"]}
    assert found["ok"]
    assert states["QR"] == states["Argon2id"] == states["import verifier"] == "ok"


def test_doctor_says_when_the_bundle_is_too_old_or_from_the_future(folder):
    trust = "doctor --trust kr.trust --root trust/published/root.json --at"
    assert folder.json(f"{trust} {AT}")["ok"]
    assert not folder.json(f"{trust} 2027-11-02T01:00:00Z", code=4)["ok"]
    assert not folder.json(f"{trust} 2025-11-02T01:00:00Z", code=4)["ok"]


def test_nothing_is_overwritten_without_force(folder):
    before = (folder.folder / "kr.trust").read_bytes()
    build = f"trust publish trust --out kr.trust --password-file password --at {AT}"
    assert "--force" in folder(build, code=4).stderr
    assert (folder.folder / "kr.trust").read_bytes() == before
    folder(f"{build} --force")
    shown = folder.json(f"trust show kr.trust --root trust/published/root.json --at {AT}")
    assert shown["version"] == 2
    folder("trust init trust", *TRUST, code=4)


def test_private_keys_are_encrypted_and_for_their_owner_only(folder):
    for name in ("trust/keys/officer-1.key", "trust/keys/online.key", "bank/reader.key", "bank/reader-root.key"):
        file = folder.folder / name
        assert b"ENCRYPTED" in file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_wrong_password_is_exit_4_and_not_repeated(folder):
    (folder.folder / "wrong").write_text("another-password\n")
    result = folder(f"trust publish trust --out new.trust --password-file wrong --at {AT}", code=4)
    assert "another-password" not in result.output
    assert not (folder.folder / "new.trust").exists()


def test_a_short_password_is_wrong_use(shell):
    (shell.folder / "short").write_text("short\n")
    shell("trust init trust --name-ko a --name-en b --password-file short", code=2)
    assert not (shell.folder / "trust" / "keys").exists()


def test_a_password_is_asked_for_twice_and_never_shown(shell):
    typed = "typed-by-hand\ntyped-by-hand\n"
    result = shell("trust init trust --name-ko a --name-en b", typed=typed)
    assert "typed-by-hand" not in result.output
    assert "interrupted" in shell("trust init other --name-ko a --name-en b", typed="", code=130).stderr


def test_an_older_bundle_is_refused_after_a_newer_one(folder):
    folder(f"trust publish trust --out kr2.trust --password-file password --at {AT}")
    folder(f"verifier trust --verifier bank --trust kr2.trust --root trust/published/root.json --at {AT}")
    assert "newest" in folder(f"verifier trust --verifier bank --trust kr.trust --at {AT}", code=4).stderr


def test_a_bundle_under_another_root_is_refused(folder):
    folder("trust init other", *TRUST)
    folder("trust show kr.trust --root other/published/root.json", code=4)


def test_a_description_that_is_none_is_refused(folder):
    assert "issuer init" in folder("trust add-authority trust bank/reader.json", code=4).stderr
    (folder.folder / "odd.json").write_text('{"format": 1}')
    assert "odd.json" in folder("trust add-reader trust odd.json", code=4).stderr


def test_two_operators_do_not_work_in_one_folder_at_once(folder):
    from vcred._files import alone

    with alone(folder.folder / "trust"):
        folder(f"trust publish trust --out new.trust --password-file password --at {AT}", code=4)


@pytest.mark.parametrize(
    "name", ["request.png", "request.svg", "request.gif", "request.txt", "request.bin", "request.uri", "frames"]
)
def test_a_request_travels_as_any_kind_of_file(folder, name):
    folder(f"verifier trust --verifier bank --trust kr.trust --root trust/published/root.json --at {AT}")
    made = folder.json(
        f"verifier request bank.address-change --verifier bank --password-file password --at {AT} --out", name
    )
    assert made["policy"] == "bank.address-change"
    if name.endswith(".svg"):
        assert (folder.folder / name).read_text().startswith("<svg")
        return
    kind = "uri" if name.endswith(".uri") else "request"
    assert folder.json("qr decode", *made["files"])["kind"] == kind


def test_frames_are_read_in_any_order_and_with_gaps(folder):
    folder(f"verifier trust --verifier bank --trust kr.trust --root trust/published/root.json --at {AT}")
    folder(f"verifier request bank.inheritance --verifier bank --password-file password --at {AT} --out request.bin")
    frames = folder.json("qr encode request.bin --animated --out frames")["files"]
    if len(frames) > 3:
        frames = frames[:0:-1]
    folder("qr decode --out again.bin", *frames)
    assert (folder.folder / "again.bin").read_bytes() == (folder.folder / "request.bin").read_bytes()


def test_a_policy_that_needs_a_reference_date_says_so(folder):
    folder(f"verifier trust --verifier bank --trust kr.trust --root trust/published/root.json --at {AT}")
    request = f"verifier request bank.address-change --verifier bank --password-file password --at {AT} --out r.png"
    assert "reference date" in folder(f"{request} --reference-date 2026-01-01", code=2).stderr
    assert not (folder.folder / "r.png").exists()


def test_a_verifier_without_a_bundle_says_what_to_give(folder):
    assert "--trust" in folder("verifier request shop.adult --verifier bank --out r.png", code=4).stderr


def test_a_missing_extra_is_exit_5_and_says_what_to_install(shell, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    (shell.folder / "scan.pdf").write_bytes(b"%PDF-1.7")
    assert "pip install 'vcred[pdf]'" in shell("qr decode scan.pdf", code=5).stderr


def test_the_language_may_stand_before_the_command(shell):
    assert "증명서" in shell("--lang ko catalog list --help").stdout
    assert "경로와 권한" in shell("--lang ko qr decode nowhere.png", code=4).stderr


def test_a_key_press_ends_a_command_with_130(shell, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("vcred.cli._messages.read", interrupted)
    shell("qr decode nowhere.png", code=130)


def test_output_that_nobody_reads_on_is_no_error_of_ours():
    run = subprocess.run(
        f"{sys.executable} -m vcred catalog show family.basic --schema | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "{\n"
    assert run.stderr == ""
