"""The notebooks run from top to bottom, by a real kernel and a real service, and are kept clean."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CIRCUITS = [sys.executable, "-c", "from workers.cli import main; main()"]


def _read(notebook: Path) -> Any:
    found = nbformat.read(notebook, as_version=4)
    nbformat.validate(found)
    return found


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_what_came_of_it(notebook: Path) -> None:
    cells = _read(notebook).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert [cell for cell in code if cell.outputs or cell.execution_count] == []
    assert len(cells) > len(code) > 4, "code and the words that go with it"
    assert notebook.read_bytes().count(b"\n") < 300


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, zoo_cache: Path) -> Generator[dict[str, str]]:
    """The environment of a local service of its own, with the two models that notebooks use."""
    from discovery.models.zoo import ensure_model

    for family in ("gpt2", "llama"):
        ensure_model(zoo_cache, family)
    home = tmp_path_factory.mktemp("notebooks") / "home"
    (home / "cache").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    (home / "cache" / "zoo").symlink_to(zoo_cache / "zoo")
    kept = {name: value for name, value in os.environ.items() if "CIRCUITS_" not in name}
    names = ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTER_DATA_DIR")
    own = {name: str(home.parent) for name in names}
    found = {**kept, **own, "CIRCUITS_CONFIG": os.devnull, "CIRCUITS_HOME": str(home)}
    yield found
    subprocess.run([*CIRCUITS, "down"], env=found, check=False)


def _run(notebook: Path, home: dict[str, str]) -> list[dict[str, str]]:
    """What each code cell showed, by media type, once it was run."""
    found = _read(notebook)
    client = NotebookClient(found, timeout=300, kernel_name="python3")
    folder = Path(home["CIRCUITS_HOME"]).parent
    asyncio.run(client.async_execute(env=home, cwd=str(folder)))
    return [
        {kind: text for output in cell.outputs for kind, text in output.get("data", {}).items()}
        | {"text": "".join(output.get("text", "") for output in cell.outputs)}
        for cell in found.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.slow
def test_the_first_circuit_is_drawn_judged_and_moved_about_in(home: dict[str, str]) -> None:
    _, asked, circuit, heldout, chance, drawing, edges, sizes, _ = _run(
        FOLDER / "first-circuit.ipynb", home
    )
    assert "queued" in asked["text/html"]
    assert "<svg" in circuit["text/html"]
    assert "held out" in circuit["text/html"]
    assert "ci_low" in heldout["text/plain"]
    assert "mean" in chance["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in drawing
    assert "<svg" in drawing["text/html"]
    assert "exact" in edges["text/plain"] or "estimate" in edges["text/plain"]
    assert [n for n in (20, 40, 80, 160) if f"{n}: " not in sizes["text/plain"]] == []


@pytest.mark.slow
def test_two_circuits_are_compared_and_a_statement_judged(home: dict[str, str]) -> None:
    _, compared, report, cypher, falsifiers, _ = _run(FOLDER / "same-circuit.ipynb", home)
    assert "both (" in compared["text/html"]
    assert "2 of 2" in report["text/html"]
    assert "undecided" in report["text/html"]
    assert "SUPPORTED_BY" in cypher["text/html"]
    assert "model" in falsifiers["text/plain"]


@pytest.mark.slow
def test_one_prompt_is_traced_and_its_graph_asked(home: dict[str, str]) -> None:
    graph, heads, keys, paths, _ = _run(FOLDER / "one-prompt.ipynb", home)
    assert "<svg" in graph["text/html"]
    assert "@8" in graph["text/html"]
    for answer in (heads, keys, paths):
        assert answer["text/html"].count("<tr>") > 2
    assert "logits.t50@8" in heads["text/html"]  # what stood behind the 12 before
