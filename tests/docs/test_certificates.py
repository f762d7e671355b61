"""The page of certificate types says what the type files say."""

from pathlib import Path

from vcred.catalog import Catalog, lint
from vcred.catalog.document import markdown
from vcred.catalog.values import TYPES

PAGE = Path(__file__).parents[2] / "docs" / "certificates.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text("utf-8") == markdown(Catalog.builtin()), "run docs/generate.py"


def test_every_type_claim_and_option_is_on_the_page():
    page = PAGE.read_text("utf-8")
    for kind in Catalog.builtin().types():
        section = page.split(f"\n## {kind.code}\n")[1].split("\n## ")[0]
        assert kind.name("ko") in section
        for spec in kind.walk():
            assert f"| `{spec.path}` |" in section
        for option in kind.options:
            assert f"| `{option.id}` |" in section


def test_the_page_exists_in_korean():
    page = markdown(Catalog.builtin(), "ko")
    assert "# 증명서 종류" in page
    assert "발급할 때 고르는 것" in page


def test_the_example_of_the_guide_is_a_type_without_mistake(tmp_path):
    text = (PAGE.parent / "adding-a-certificate-type.md").read_text("utf-8").split("```toml\n")[1].split("```")[0]
    (tmp_path / "library.toml").write_text(text, "utf-8")
    assert lint([tmp_path]) == []
    kind = Catalog.load(tmp_path)["club.library"]
    tree = kind.issue(kind.sample, variant=None, options={"loans": "years:1"}, issued_on=kind.sample_date)
    assert len(tree["loans"].value) == 1


def test_the_guide_names_every_type_and_effect():
    guide = (PAGE.parent / "adding-a-certificate-type.md").read_text("utf-8")
    for word in [*TYPES, "object", "drop", "drop_rows", "keep_rows", "newer", "coarsen"]:
        assert f"`{word}`" in guide
