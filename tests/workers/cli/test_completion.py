"""What shells are told: ids and names, in time or not at all, and nothing that they would run."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from graph_schema.documents import DatasetData, ModelId
from graph_schema.documents.jobs import EvaluateSpec, RolesSpec
from graph_schema.store import GraphStore, jobs
from tests.graph_schema.store.test_jobs import PLACEMENT
from tests.workers.cli.conftest import Circuits
from tests.workers.cli.test_loading import loaded
from tests.workers.world import World, world
from workers.cli.suggestions import MOST
from workers.client import CircuitClient

__all__ = ["world"]

JOB = EvaluateSpec(
    circuit_id="ef" * 32,
    model=ModelId(fingerprint="ab" * 32),
    data=DatasetData(sha256="cd" * 32, task="made"),
)
ROLES = RolesSpec(model=JOB.model, data=JOB.data)
"""The one job that effects can be asked of."""
EDGES = "sender,receiver,channel,score\ninput,m0,r,1.5\nm0,logits,r,-0.5\n"
MAIN = "from workers.cli import main; main()"
TRIES = 5
HOSTILE = "a\\\"; touch pwned; \\$(touch pwned) `touch pwned` '$(touch pwned)' [/red] * \x1b[31m"
SHELLS = [shell for shell in ("bash", "zsh", "fish") if shutil.which(shell)]
# A shell's own part of completion, up to the words that it would show.
ASK = {
    "bash": """
. ./script
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_circuits_completion circuits
printf '%s\\n' "${COMPREPLY[@]}"
""",
    # As _arguments reads its last argument.
    "zsh": """
compdef() { }
_files() { }
_arguments() { local action=${1#'*: :'}; eval "ws=( ${action[3,-3]} )"; print -rl -- $ws }
. ./script
words=("$@") CURRENT=$#
_circuits_completion
""",
    "fish": """
source ./script
complete --do-complete "$argv"
""",
}


@pytest.fixture(scope="module")
def circuit_id(world: World) -> str:
    """A stored circuit, with a method and a tag that a shell must not run, and a job."""
    file = world.model.parent / "edges.csv"
    file.write_text(EDGES)
    with GraphStore(world.settings.store_address()) as store:
        jobs.submit(store, ROLES, PLACEMENT)
        jobs.submit(store, JOB, PLACEMENT)
        store.write(
            lambda tx: tx.run(
                "CREATE (:Annotation {annotation_id: 'x', kind: 'tag', text: $text, at: 1})",
                text=HOSTILE,
            ).consume()
        )
    with CircuitClient(settings=world.settings) as client:
        found = client.import_circuit(file, model=str(world.model), task="induction")
        client.tag(found.circuit_id, "draft")
        with GraphStore(world.settings.store_address()) as store:
            store.write(
                lambda tx: tx.run(
                    "MATCH (c:Circuit {circuit_id: $id}) SET c.method = $text",
                    id=found.circuit_id,
                    text=HOSTILE,
                ).consume()
            )
    return found.circuit_id


def script_for(shell: str) -> str:
    """What `--show-completion` prints in this shell."""
    ran = subprocess.run(
        [sys.executable, "-c", MAIN],
        env={**os.environ, "_CIRCUITS_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


Told = Callable[..., list[str]]


@pytest.fixture
def told(circuits: Circuits, monkeypatch: pytest.MonkeyPatch) -> Told:
    """What bash would show behind these words, the last of which is not yet whole."""

    def ask(*words: str, world: World | None = None) -> list[str]:
        found: list[str] = []
        for _ in range(TRIES if world else 1):
            monkeypatch.setenv("_CIRCUITS_COMPLETE", "complete_bash")
            monkeypatch.setenv("COMP_WORDS", "\n".join(("circuits", *words)))
            monkeypatch.setenv("COMP_CWORD", str(len(words)))
            ran = circuits(world=world)
            assert (ran.code, ran.err) == (0, "")
            if found := ran.out.splitlines():
                break
        return found

    return ask


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_shows_what_is_stored_and_runs_none_of_it(
    world: World, circuit_id: str, tmp_path: Path, shell: str
) -> None:
    command = tmp_path / "circuits"
    command.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{MAIN}' \"$@\"\n")
    command.chmod(0o700)
    (tmp_path / "ask").write_text(ASK[shell])
    (tmp_path / "script").write_text(script_for(shell))
    environment = {
        **{name: value for name, value in os.environ.items() if "CIRCUITS_" not in name},
        **world.settings.environment(),
        "CIRCUITS_CONFIG": os.devnull,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "HOME": str(tmp_path),
    }
    shown: set[str] = set()
    for _ in range(TRIES):  # as somebody presses the key again, on a machine that is busy
        ran = subprocess.run(
            [shell, "ask", *(["circuits show "] if shell == "fish" else ["circuits", "show", ""])],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert ran.stderr == ""
        if shown := set(ran.stdout.splitlines()) - {""}:
            break
    mark = {"bash": "", "zsh": ":", "fish": "\t"}[shell]
    words = f"model, induction, a{4 * ' touch pwned'} /red 31m"
    told = {"last": "the latest", circuit_id[:12]: words}
    assert shown == {name + (mark and f"{mark}{said}") for name, said in told.items()}
    assert not (tmp_path / "pwned").exists()


def test_more_digits_are_completed_to_all(world: World, circuit_id: str, told: Told) -> None:
    assert told("show", circuit_id[:13], world=world) == [circuit_id]
    assert told("show", "no-digits") == []


def test_jobs_tags_and_names_are_told(world: World, circuit_id: str, told: Told) -> None:
    assert told("job", JOB.job_id[:4], world=world) == [JOB.job_id[:12]]
    own = [job.job_id[:12] for job in (JOB, ROLES)]
    assert told("note", "", world=world) == [circuit_id[:12], *own]
    assert told("list", "--tag", "", world=world) == ["draft"]
    assert told("list", "--task", "ind", world=world) == ["induction"]
    assert told("effects", "", world=world) == ["last", ROLES.job_id[:12]]


def test_names_that_ship_need_no_service_and_start_none(told: Told, tmp_path: Path) -> None:
    assert told("submit", "--task", "ind") == ["induction"]
    assert told("submit", "--method", "eap-") == ["eap-ig"]
    assert "wired-otherwise" in told("query", "")
    assert "induction" in told("universality", "")
    assert told("jobs", "--state", "f") == ["failed"]
    assert told("job", "") == []
    assert not (tmp_path / "home").exists()


def test_what_bash_splits_is_read_as_one_word(told: Told, tmp_path: Path) -> None:
    """It has `zoo:llama/1` as three words, and puts an answer in place of the last."""
    record = tmp_path / "home" / "cache" / "zoo" / "llama-1-0123456789ab-10" / "training.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    assert told("submit", "--model", "zo") == ["zoo:llama/1"]
    assert told("submit", "--model", "zoo", ":") == ["llama/1"]
    assert told("submit", "--model", "zoo", ":", "ll") == ["llama/1"]
    assert told("submit", "--model", "=", "zoo", ":", "ll") == ["llama/1"]
    assert told("submit", "--task", "=", "ind") == ["induction"]


def test_a_graph_that_is_silent_is_not_waited_for(tmp_path: Path) -> None:
    """It would be, for minutes: the asking process ends within its time here, with nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"bolt://127.0.0.1:{silent.getsockname()[1]}"
        code, out, _ = loaded(
            [],
            home=tmp_path / "home",
            CIRCUITS_GRAPH=place,
            _CIRCUITS_COMPLETE="complete_bash",
            COMP_WORDS="circuits\nshow\n",
            COMP_CWORD="2",
        )
    assert (code, out) == (0, "")


@pytest.mark.parametrize(
    ("words", "first", "needed"),
    [
        ("circuits\njo", "job", set[str]()),
        ("circuits\njobs\n--st", "--state", {"graph_schema.documents"}),
        ("circuits\nmotifs\nf", "find", {"graph_schema.documents"}),
    ],
)
def test_commands_and_options_are_told_without_graph_and_client(
    tmp_path: Path, words: str, first: str, needed: set[str]
) -> None:
    code, out, modules = loaded(
        [],
        home=tmp_path / "home",
        _CIRCUITS_COMPLETE="complete_bash",
        COMP_WORDS=words,
        COMP_CWORD=str(words.count("\n")),
    )
    assert (code, out.split()[0]) == (0, first)
    assert modules <= needed


def test_no_more_are_told_than_can_be_read(world: World, circuit_id: str, told: Told) -> None:
    with GraphStore(world.settings.store_address()) as store:
        store.write(
            lambda tx: tx.run(
                "UNWIND range(1, $n) AS i CREATE (:Annotation {annotation_id: 't' + i, "
                "kind: 'tag', text: 'tag' + i, at: i})",
                n=3 * MOST,
            ).consume()
        )
    found = told("jobs", "--tag", "tag", world=world)
    assert found == [f"tag{3 * MOST - i}" for i in range(MOST)]
