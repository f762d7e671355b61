"""The linter: what only shows when a sample is issued, and across files."""

from pathlib import Path

import pytest

import vcred.catalog
from vcred.catalog import Catalog, lint
from vcred.catalog.linter import every_choice, values_of

DATA = Path(vcred.catalog.__file__).parent / "data"


@pytest.fixture
def folder(tmp_path):
    for name in ("family/basic.toml", "tax/income.toml"):
        target = tmp_path / name
        target.parent.mkdir()
        target.write_text((DATA / name).read_text("utf-8"), "utf-8")
    return tmp_path


def change(folder, name, old, new):
    file = folder / name
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def found(folder):
    return [(error.file, error.path) for error in lint([folder])]


def test_the_built_in_types_have_no_mistake():
    assert lint([DATA]) == []


def test_a_folder_without_a_type_is_a_mistake(tmp_path):
    assert "no type file" in lint([tmp_path])[0].detail


def test_a_sample_that_cannot_be_issued_is_found(folder):
    change(folder, "tax/income.toml", 'rrn = "800515-1990120"', 'rrn = "801315-1990120"')
    assert found(folder) == [("tax/income.toml", "sample")]
    assert "801315" not in str(lint([folder])[0])


def test_general_with_more_than_detailed_is_found(folder):
    change(
        folder,
        "family/basic.toml",
        'id = "detailed"\nname = { ko = "상세", en = "Detailed" }',
        'id = "detailed"\nname = { ko = "상세", en = "Detailed" }\neffects = [{ do = "drop", claim = "birth" }]',
    )
    assert ("family/basic.toml", "variants.general") in found(folder)
    assert ("family/basic.toml", "variants.specific") in found(folder)


def test_mistakes_of_several_files_are_all_reported(folder):
    change(folder, "tax/income.toml", 'depth = "full"', 'depth = "deep"')
    change(folder, "family/basic.toml", "lifetime_days = 90", "lifetime_days = 0")
    assert set(found(folder)) == {("tax/income.toml", "depth"), ("family/basic.toml", "lifetime_days")}


def test_a_vct_used_twice_is_found(folder):
    change(folder, "tax/income.toml", "urn:vcred:kr:tax.income:1", "urn:vcred:kr:family.basic:1")
    assert found(folder) == [("tax/income.toml", "vct")]


def test_an_unreadable_file_is_a_mistake_not_a_crash(folder):
    (folder / "broken.toml").write_bytes(b"\xff\xfe")
    assert found(folder) == [("broken.toml", "")]


def test_broken_shared_lists_are_reported(folder):
    (folder / "codes.toml").write_text("[codes.sex]\nvalues = []\n", "utf-8")
    assert ("codes.toml", "codes.sex.values") in found(folder)


def test_every_value_of_every_option_is_tried():
    kind = Catalog.builtin()["resident.household"]
    tried = [options for _, options in every_choice(kind)]
    for option in kind.options:
        for value in values_of(option):
            assert {option.id: value} in tried
    assert {"addressHistory": "years:99"} in tried
