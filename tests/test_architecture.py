"""The structure the design promises: direction of imports, size of modules, quiet imports, complete tables of contents."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ORDER = ["data", "features", "training", "serving", "leadloop"]
MODULES = sorted(p for package in ORDER for p in (ROOT / package).rglob("*.py"))
BANNED_NAMES = {"utils", "helpers", "common", "core", "base", "misc"}
LONGEST = 330


def imported_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_left_only(path: Path):
    package = path.relative_to(ROOT).parts[0]
    forbidden = set(ORDER[ORDER.index(package) + 1 :])
    found = {name for name in imported_names(path) if name.split(".")[0] in forbidden}
    assert not found, f"{path.relative_to(ROOT)} imports {sorted(found)} from the right of {package}"


def test_serving_takes_only_the_scorer_and_insights_from_training():
    allowed = ("training.scorer", "training.insights")
    for path in (ROOT / "serving").rglob("*.py"):
        for name in imported_names(path):
            if name.startswith("training."):
                assert name.startswith(allowed), f"{path.relative_to(ROOT)} imports {name}"


def test_the_shipped_scorer_does_not_import_what_trains_it():
    for path in (ROOT / "training" / "scorer").rglob("*.py"):
        tree = ast.parse(path.read_text())
        top = {n.module for n in tree.body if isinstance(n, ast.ImportFrom) and n.module}
        assert not {name for name in top if name.startswith(("training.learning", "training.loop"))}, path


def test_mlflow_is_imported_in_one_connection_alone():
    allowed = {"training/scorer/connection.py", "training/scorer/mlflow_model.py"}
    users = {
        str(p.relative_to(ROOT))
        for p in MODULES
        if any(n.split(".")[0] == "mlflow" for n in imported_names(p))
    }
    assert users <= allowed


def test_modules_are_short_and_named_by_the_field():
    long = {str(p.relative_to(ROOT)): n for p in MODULES if (n := len(p.read_text().splitlines())) > LONGEST}
    assert not long, f"modules above about 300 lines: {long}"
    assert not {p.stem for p in MODULES} & BANNED_NAMES


def test_every_module_says_what_it_promises():
    silent = [
        str(p.relative_to(ROOT))
        for p in MODULES
        if p.read_text().strip() and not ast.get_docstring(ast.parse(p.read_text()))
    ]
    assert not silent


def test_every_test_folder_is_a_package():
    bare = [
        str(d)
        for d in (ROOT / "tests").rglob("*")
        if d.is_dir()
        and d.name != "__pycache__"
        and list(d.glob("*.py"))
        and not (d / "__init__.py").exists()
    ]
    assert not bare


def test_gitignore_does_not_hide_the_data_package():
    lines = [line.strip() for line in (ROOT / ".gitignore").read_text().splitlines()]
    assert not {"data", "data/", "/data", "/data/"} & set(lines)


@pytest.mark.parametrize(
    "package", [*ORDER, "training.scorer", "training.learning", "training.loop", "training.insights"]
)
def test_table_of_contents_matches_what_is_there(package: str):
    module = importlib.import_module(package)
    for name in getattr(module, "__all__", []):
        assert hasattr(module, name), f"{package}.__all__ names {name}, which is not there"


def test_the_front_door_offers_what_the_notebooks_rely_on():
    import leadloop as ll

    promised = {
        "open_store", "import_tables", "build_dataset", "train", "register", "judge", "promote", "rollback", "load_scorer", "fit_table",
    }  # fmt: skip
    assert promised <= set(ll.__all__)


def test_importing_the_front_door_is_quiet_and_leaves_mlflow_alone(tmp_path: Path):
    code = (
        "import sys, os; before = dict(os.environ); import leadloop, serving.app, data.store; "
        "assert 'mlflow' not in sys.modules, 'mlflow was imported'; assert dict(os.environ) == before; "
        "assert not os.listdir('.'), os.listdir('.')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_a_bare_data_folder_does_not_hide_the_package(tmp_path: Path):
    (tmp_path / "data").mkdir()
    code = "import data.domain, data; print(data.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(ROOT) in done.stdout
