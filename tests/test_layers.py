"""The layers hold, and what must be light is light."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("graph_schema", "discovery", "workers")


def _packages() -> list[str]:
    names: list[str] = list(PACKAGES)
    for top in PACKAGES:
        modules = pkgutil.walk_packages([str(ROOT / top)], prefix=f"{top}.")
        names.extend(found.name for found in modules if found.ispkg)
    return names


@pytest.mark.parametrize("name", _packages())
def test_all_lists_what_the_package_offers(name: str) -> None:
    package = importlib.import_module(name)
    listed = package.__all__
    assert sorted(set(listed)) == sorted(listed), "a name is listed twice"
    first = {item: getattr(package, item, None) for item in listed}
    assert [item for item in listed if not hasattr(package, item)] == []
    assert [item for item in listed if getattr(package, item) is not first[item]] == []
    assert set(listed) <= set(dir(package)), "help() leaves some out"
    # Python puts a module that is loaded into its package, over what is called so there.
    modules = {found.name for found in pkgutil.iter_modules(package.__path__)}
    assert modules & set(listed) == set(), "a name is a module's as well"


def test_imports_follow_the_arrows() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "module",
    [
        "workers.client",
        "workers.client.service",
        "workers.cli",
        "workers.web.serving",
        "graph_schema.store",
        "graph_schema.dictionaries",
    ],
)
def test_light_modules_load_no_torch(module: str) -> None:
    heavy = ["torch", "transformers", "pandas", "discovery", "workers.running.tasks"]
    code = f"import sys, {module}\nprint([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "[]"


def test_the_client_loads_no_driver_and_no_queue_until_it_connects() -> None:
    heavy = ["neo4j", "celery", "kombu", "scipy", "rich", "networkx"]
    code = f"import sys, workers.client\nprint([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "[]"


def test_workers_leave_loading_the_driver_to_the_store() -> None:
    """Whoever imports neo4j before `graph_schema.store.driver` has it load pandas."""
    files = (ROOT / "workers").rglob("*.py")
    assert [
        str(file) for file in files if re.search(r"^(from|import) neo4j", file.read_text(), re.M)
    ] == []
