"""The shape of the code: who imports whom, what the core never does, what importing costs."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("vcred", "issuer", "wallet", "verifier")
ROLES = {"issuer", "wallet", "verifier"}
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
# design.md section 1: the only places that may read a clock or open a socket, and the places that know every role
# and the worker in which didkit is shut away: it speaks asyncio, and has no descriptor left to open a socket with
EDGES = (
    "vcred/transport.py",
    "vcred/outgoing.py",
    "vcred/_outgoing_stream.py",
    "vcred/serving/",
    "issuer/server/",
    "verifier/server/",
    "wallet/client/",
    "vcred/trust/fetch.py",
    "vcred/cli/",
    "vcred/testing/offline.py",
    "vcred/formats/_didkit_worker.py",
)
SERVICES = ("vcred/serving/", "issuer/server/", "issuer/migrations/", "verifier/server/")
KNOW_ALL_ROLES = ("vcred/testing/", "vcred/cli/")
CLOCKS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "monotonic"),
    ("time", "gmtime"),
    ("time", "localtime"),
}
NETWORK = {"socket", "http", "urllib.request", "urllib3", "httpx", "requests", "aiohttp", "asyncio", "ssl"}
SLOW = {"jwt", "tuf", "qrcode", "zxingcpp", "PIL", "rich", "click", "cryptography.x509"}
SERVER = {"fastapi", "pydantic", "uvicorn", "starlette", "sqlalchemy", "httpx"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_roles_never_import_each_other(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0]
    if name_of(path).startswith(KNOW_ALL_ROLES):
        return
    others = ROLES - {own}
    assert not {name for name in imported(ast.parse(path.read_text(encoding="utf-8"))) if within(name, others)}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_core_reads_no_clock_and_opens_no_socket(path: Path) -> None:
    if name_of(path).startswith(EDGES):
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not {name for name in imported(tree) if within(name, NETWORK)}
    calls = {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert not calls & CLOCKS


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_slow_packages_are_imported_only_where_they_are_used(path: Path) -> None:
    if name_of(path).startswith("vcred/cli/"):
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = ast.Module(
        body=[node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))], type_ignores=[]
    )
    allowed = SERVER if name_of(path).startswith(SERVICES) else set()
    assert not {name for name in imported(top) if within(name, (SLOW | SERVER) - allowed)}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 450, "two rooms are easier to live in"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_exported_names_are_sorted_and_exist(path: Path) -> None:
    module_name = name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if module_name.endswith("__main__") or "/migrations/" in name_of(path):
        return  # Alembic runs migrations, nobody imports them
    module = importlib.import_module(module_name)
    names = getattr(module, "__all__", None)
    if names is None:
        return
    constants = [name for name in names if name.isupper()]
    rest = [name for name in names if name not in constants]
    classes = [name for name in rest if name[0].isupper()]
    functions = [name for name in rest if not name[0].isupper()]
    assert list(names) == sorted(constants) + sorted(classes) + sorted(functions)
    assert not [name for name in names if not hasattr(module, name)]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_import_name_has_one_owner(package: str) -> None:
    # An editable install lists no files, so it owns no name on paper; nobody else may own one either.
    assert set(packages_distributions().get(package, ["vcred"])) == {"vcred"}
    assert Path(importlib.import_module(package).__file__).parent == ROOT / package


@pytest.mark.parametrize("package", ["vcred", "verifier", "wallet", "issuer"])
def test_importing_a_role_loads_nothing_slow_and_no_server(package: str) -> None:
    code = f"import sys, {package}; print('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert not {name for name in loaded if within(name, SLOW | SERVER)}
