"""`circuits` as users have it: own processes, the local service, a real queue and worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.workers.tiny import make_tiny, until
from workers.cli.demo import QUESTIONS
from workers.cli.exits import ExitCode
from workers.client import CircuitClient
from workers.settings import Settings

pytestmark = pytest.mark.slow

CIRCUITS = [sys.executable, "-c", "from workers.cli import main; main()"]
# Every layer at every step, for one pair at a time: minutes, and it is cancelled.
LONG = ("--method", "eap-ig", "--over", "activations", "--chunk", 1, "--edges", 20, "--steps", 200)


@dataclass(frozen=True)
class Home:
    """A `CIRCUITS_HOME` with a local service, and a model of two layers to ask about."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "CIRCUITS_" not in name}
        return {**kept, "CIRCUITS_HOME": str(self.folder / "home"), "NO_COLOR": "1"}

    @property
    def ask(self) -> tuple[str, ...]:
        return ("--model", "./model", "--dataset", "pairs.jsonl")

    def start(self, *words: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*CIRCUITS, *map(str, words)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: object, code: int = ExitCode.DONE) -> str:
        """Standard output of a command that ends with this code."""
        process = self.start(*words)
        out, err = process.communicate(timeout=500)
        assert process.returncode == code, err
        assert "Traceback" not in err
        return out

    def json(self, *words: object) -> Any:
        return json.loads(self.run(*words, "--json"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Generator[Home]:
    folder = tmp_path_factory.mktemp("local")
    tiny = make_tiny(folder / "model", n_layers=3, n_pairs=32)
    (folder / "pairs.jsonl").write_bytes(tiny.jsonl)
    made = Home(folder)
    yield made
    made.run("down")


def test_submit_and_run_give_the_same_circuit_in_two_worlds(home: Home, tmp_path: Path) -> None:
    ask = (*home.ask, "--method", "eap-ig", "--edges", 20)
    submitted = home.json("submit", *ask, "--wait")
    assert submitted["state"] == "succeeded"
    shown = json.loads(home.run("show", submitted["circuit_id"], "--format", "json"))

    other = Home(tmp_path)
    for name in ("model", "pairs.jsonl"):
        (tmp_path / name).symlink_to(home.folder / name)
    try:
        assert other.json("jobs") == [], "two homes are two worlds"
        ran = other.json("run", *ask)
        again = json.loads(other.run("show", ran["circuit_id"], "--format", "json"))
    finally:
        other.run("down")
    measured = ("cpu_seconds", "cpu_seconds_by_stage", "submitted_at", "started_at", "finished_at")
    for found in (submitted, ran):
        for key in (*measured, "owner"):
            del found[key]
    assert ran == submitted
    assert again["edges"] == shown["edges"]


def test_ctrl_c_leaves_the_job_running_and_says_how_to_go_on_and_how_to_end_it(home: Home) -> None:
    process = home.start("submit", *home.ask, *LONG, "--wait")
    until(lambda: home.json("jobs", "--state", "running") != [])
    (job,) = home.json("jobs", "--state", "running")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=500)
    assert process.returncode == ExitCode.INTERRUPTED
    assert out == ""
    assert f"job {job['job_id']} goes on" in err

    def now() -> Any:
        return home.json("job", job["job_id"][:12])

    before = now()
    until(lambda: now()["progress"] != before["progress"])
    assert (now()["state"], now()["attempts"]) == ("running", 1)
    assert f"circuits cancel {job['job_id'][:12]}" in err
    home.run("cancel", job["job_id"][:12])
    waited = home.run("job", job["job_id"], "--wait", "--json", code=ExitCode.CANCELLED)
    assert json.loads(waited)["state"] == "cancelled"


def test_status_says_what_runs(home: Home) -> None:
    home.json("jobs")  # which starts the service, should this test be the first
    until(lambda: home.json("status")["worker_pid"])
    found = home.json("status")
    assert found["running"]
    assert found["live_jobs"] == 0


def test_a_client_sees_the_same_and_loads_nothing_heavy(home: Home) -> None:
    code = """
import sys
from workers.client import CircuitClient
with CircuitClient() as client:
    job = client.submit(model="./model", dataset="pairs.jsonl", method="eap", n_edges=9, seed=5)
    circuit = job.result(timeout=400)
    rows = client.cypher(
        "MATCH (:Circuit {circuit_id: $id})-[:CONTAINS]->(n) RETURN n.name AS name",
        id=circuit.circuit_id,
    )
    assert {row["name"] for row in rows} == {node.name for node in circuit.nodes}
    assert len(circuit.scores()) == circuit.document.n_edges_scored
    (listed,) = client.circuits(job_id=job.job_id)
    assert listed.circuit_id == circuit.circuit_id
heavy = ("torch", "transformers", "pandas", "discovery", "workers.running.tasks")
print([name for name in heavy if name in sys.modules])
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=home.folder,
        env=home.environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "[]\n"
    assert ran.stderr == "", "progress goes to terminals only"


def test_the_demo_shows_a_circuit_and_answers_three_questions(home: Home) -> None:
    out = home.run("demo")
    for question in QUESTIONS:
        assert question.cypher.splitlines()[0] in out
    with CircuitClient(settings=Settings(home=home.folder / "home")) as client:
        (found,) = client.circuits(task="induction")
        circuit = client.circuit(found.circuit_id)
    assert circuit.circuit_id in out
    heads = {edge.sender for edge in circuit.edges if edge.receiver == "logits"}
    assert heads, "some heads write to the logits"
    assert all(f"\n    {head} " in out for head in heads if head.startswith("a"))
    strongest = max(
        (edge for edge in circuit.edges if edge.channel == "k" and edge.sender.startswith("a")),
        key=lambda edge: abs(edge.score),
    )
    assert strongest.sender.startswith("a0.")
    assert strongest.receiver.startswith("a1.")
    assert f"    {strongest.sender}   {strongest.receiver} " in out
