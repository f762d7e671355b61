"""Every hostile case that this SDK answers for has a test here that carries its id."""

import ast
import re
from pathlib import Path

FOLDER = Path(__file__).parent
ELSEWHERE = ("hsm", "services", "browser")
"""Where the cases of services, browsers and hardware are tested, beside this folder."""

CASES = {
    "JW": (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26),
    "SD": (*range(1, 24), 25, 28, 29, 30),
    "SC": tuple(range(1, 18)),
    "VC": (1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 14),
    "KB": (*range(1, 14), 15),
    "MD": (*range(1, 10), *range(11, 16), *range(17, 23), 24, 26),
    "QR": (*range(1, 11), 12, 13, 14),
    "WS": (1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13),
    "KR": tuple(range(1, 7)),
    "TR": (*range(1, 14), 16),
    "ST": (*range(1, 12), 13, 14, 16, 17, 19),
    "TF": tuple(range(1, 13)),
    "CI": (*range(1, 10), *range(11, 16), 17, 18, 19),
    "VP": (*range(1, 13), 14, 15, 16, 17),
    "WF": (1, 2, *range(4, 13), 14, 15, 16),
    "OP": (*range(1, 7), *range(8, 13)),
    "AR": (1, 2, 3, 4, 5, 8),
    "LD": tuple(range(1, 9)),
}
"""Numbers that are missing were given up when the list was written; they are never used again."""

IDS = [f"{section}-{number:02}" for section, numbers in CASES.items() for number in numbers]
_NAME = re.compile(r"test_([a-z]{2})((?:_\d\d)+)(?:_|$)")
_TEXT = re.compile(r"([A-Z]{2})-(\d\d)\b")


def ids_in(source: str) -> set[str]:
    """The ids in the names of test functions, and in texts that begin with one (``ids`` of a parametrized test)."""
    found: set[str] = set()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (name := _NAME.match(node.name)):
            found |= {f"{name[1].upper()}-{number}" for number in name[2].strip("_").split("_")}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and (text := _TEXT.match(node.value)):
            found.add(f"{text[1]}-{text[2]}")
    return found


def test_no_hostile_case_is_without_a_test() -> None:
    found: set[str] = set()
    files: list[Path] = []
    for folder in (FOLDER, *(FOLDER.parent / name for name in ELSEWHERE)):
        files.extend(folder.rglob("test_*.py"))
    for file in files:
        if file != Path(__file__):
            found |= ids_in(file.read_text(encoding="utf-8"))
    missing = [one for one in IDS if one not in found]
    assert not missing, f"hostile cases without a test: {', '.join(missing)}"


def test_an_id_is_read_from_names_and_from_parameter_ids() -> None:
    source = 'def test_jw_05_06_signature(): ...\ndef test_jw_a(): ...\nids = ["KB-03 other", "see KB-04"]'
    assert ids_in(source) == {"JW-05", "JW-06", "KB-03"}
