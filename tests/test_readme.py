"""What the README and the pages show is true: links, commands and code."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workers.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
GROUPS = ("benchmark", "motifs")
"""Commands with commands of their own."""
CIRCUITS = [sys.executable, "-c", "from workers.cli import main; main()"]


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("name", ["demo", "test"])
def test_ci_finds_the_two_commands(name: str) -> None:
    assert re.search(rf"<!-- command: {name} -->\n```bash\n.*pip install.*&&.*\n```", README)
    assert f"readme_command {name}" in (ROOT / ".ci" / "run").read_text()


def _shown_commands() -> list[str]:
    lines = [
        line
        for page in PAGES
        for block in _blocks(page.read_text(), "bash")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return sorted({line for line in lines if line.startswith("circuits ")})


@pytest.mark.parametrize("line", _shown_commands())
def test_shown_commands_and_their_options_exist(line: str) -> None:
    words = shlex.split(line, comments=True)
    named = words[1:3] if words[1] in GROUPS and words[2:3] and words[2][0] != "-" else words[1:2]
    shown = CliRunner().invoke(app, [*named, "--help"])
    assert shown.exit_code == 0, shown.output
    options = [word.split("=")[0] for word in words if word.startswith("--")]
    assert [option for option in options if option not in shown.output] == []


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, str]]:
    """The environment of one local service, which the first example that asks for it starts."""
    env = {**os.environ, "CIRCUITS_HOME": str(tmp_path_factory.mktemp("readme") / "home")}
    yield env
    subprocess.run([*CIRCUITS, "down"], env=env, check=False)


def _printed(example: str, model: Path, env: dict[str, str], changed: dict[str, str]) -> str:
    """What an example prints in a process of its own, with this model in place of the hub's.

    Args:
        changed: What else stands otherwise, so that it takes less time.
    """
    code = example
    for old, new in {'"openai-community/gpt2"': repr(str(model)), **changed}.items():
        assert old in code
        code = code.replace(old, new)
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=550
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.slow
@pytest.mark.needs_real_models
def test_the_five_lines_for_neurons_run(smollm2_folder: Path, service: dict[str, str]) -> None:
    _, example = _blocks(README, "python")
    fewer = {"n_edges=300)": "n_edges=300, pairs=8, candidates=40)"}
    said = _printed(example, smollm2_folder, service, fewer)
    assert re.search(r"name='m\d+\.n\d+'", said)


@pytest.mark.slow
@pytest.mark.needs_real_models
def test_the_client_example_runs(smollm2_folder: Path, service: dict[str, str]) -> None:
    """SmolLM2 stands in for the hub's GPT-2, with fewer pairs; all else is as a user has it."""
    example, _ = _blocks(README, "python")
    example += "\nprint(circuit.circuit_id)\nprint(heads.columns.tolist(), len(heads))\n"
    fewer = {"n_edges=500)": "n_edges=500, pairs=8)"}
    circuit_id, table = _printed(example, smollm2_folder, service, fewer).splitlines()
    assert re.fullmatch("[0-9a-f]{64}", circuit_id)
    assert table.startswith("['n.name', 'n.kind']")
