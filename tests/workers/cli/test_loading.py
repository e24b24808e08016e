"""What a command does not need is not loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from discovery.jobs.kept_sizes import planned_sizes
from graph_schema.documents import ModelSource
from workers.cli.exits import ExitCode
from workers.requests import checking, names

HEAVY = (
    *("torch", "transformers", "discovery", "celery", "kombu", "scipy", "networkx", "pandas"),
    *("neo4j", "numpy", "rich", "yaml", "graph_schema.documents", "workers.client"),
)
# Of these the help of commands may have some: their options quote documents.
DOCUMENTS = {"graph_schema.documents", "numpy", "yaml"}
LOADED = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from workers.cli import main

for words in json.loads(sys.argv[1]):
    try:
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()):
            main(words)
    except SystemExit as end:
        code = end.code
heavy = [name for name in json.loads(sys.argv[2]) if name in sys.modules]
print(json.dumps([code, out.getvalue(), heavy]))
"""


def loaded(*commands: list[str], home: Path, **environment: str) -> tuple[int, str, set[str]]:
    """The last command's exit code and output, and what heavy modules they all loaded."""
    ran = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(commands), json.dumps(HEAVY)],
        capture_output=True,
        text=True,
        env={**os.environ, "CIRCUITS_HOME": str(home), **environment},
        check=True,
        timeout=100,
    )
    code, out, modules = json.loads(ran.stdout)
    return code, out, set(modules)


@pytest.mark.parametrize(
    ("words", "code"), [(["--help"], 0), (["--version"], 0), (["jbos"], 2), (["--no-such"], 2)]
)
def test_what_concerns_all_commands_loads_none(tmp_path: Path, words: list[str], code: int) -> None:
    ended, _, modules = loaded(words, home=tmp_path / "home")
    assert ended == code
    assert modules == set()


def test_help_and_wrong_options_load_no_client(tmp_path: Path) -> None:
    from workers.cli.commands import COMMANDS

    asked = [[name, word] for name in COMMANDS for word in ("--help", "--no-such")]
    code, _, modules = loaded(*asked, home=tmp_path / "home")
    assert code == 2
    assert modules <= DOCUMENTS
    assert not (tmp_path / "home").exists()


def test_a_model_that_was_planned_before_is_planned_without_torch(tmp_path: Path) -> None:
    sizes = {"n_layer": 2, "n_head": 4, "n_embd": 32, "vocab_size": 40}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2", **sizes}))
    planned_sizes(ModelSource(name=str(tmp_path)), tmp_path / "home" / "cache")
    words = ["plan", "--model", str(tmp_path), "--task", "ioi", "--method", "eap", "--edges", "5"]
    code, out, modules = loaded(words, home=tmp_path / "home")
    assert code == 0
    assert "110 edges" in out
    assert modules <= DOCUMENTS | {"discovery"}


INTERRUPTED_AT = """
import sys
class Pressed:
    def find_spec(self, name, *_):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Pressed())
from workers.cli import main
main(["jobs", "--limit", "0"])
"""


@pytest.mark.parametrize("module", ["typer", "workers.cli.exits", "workers.cli.jobs"])
def test_ctrl_c_while_it_loads_ends_it_without_a_traceback(module: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT.format(module=module)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (ExitCode.INTERRUPTED, "")
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("command", ["job", "jobs", "cancel", "show", "logs"])
def test_a_shell_that_completes_an_id_waits_for_no_documents(tmp_path: Path, command: str) -> None:
    """Each takes milliseconds to make, and there are some two hundred."""
    code = """
import sys
from workers.cli import main
try:
    main()
except SystemExit:
    print(*[name for name in sys.argv[1:] if name in sys.modules])
"""
    heavy = ["graph_schema.documents." + name for name in ("circuit", "evaluation", "jobs.base")]
    asked = {"_CIRCUITS_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    asked |= {"COMP_WORDS": f"circuits\n{command}\n", "CIRCUITS_GRAPH": "bolt://127.0.0.1:1"}
    ran = subprocess.run(
        [sys.executable, "-c", code, *heavy, *HEAVY[:8], "numpy", "rich", "yaml"],
        capture_output=True,
        text=True,
        env={**os.environ, "CIRCUITS_HOME": str(tmp_path / "home"), **asked},
        check=True,
        timeout=100,
    )
    assert ran.stdout.strip() == ""


def test_names_that_help_tells_are_those_that_there_are() -> None:
    assert tuple(checking.METHODS) == names.METHODS
    assert tuple(checking.TASKS) == names.TASKS
