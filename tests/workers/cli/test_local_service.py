"""`circuits` as users have it: own processes, the local service, a real queue and worker."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from graph_schema.documents import Rung, RungState
from tests.workers.tiny import make_tiny, until
from workers.cli.demo import MODELS
from workers.cli.demo_telling import QUERIES
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
        kept["CIRCUITS_CONFIG"] = os.devnull  # none of whoever runs this
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
    short = submitted["job_id"][:12]
    # Whoever waits may see the end before the worker has logged that it was told of it.
    until(lambda: f" [{short}]: job {short} succeeded" in home.run("logs", short))
    logged = home.run("logs", short, "--follow").splitlines()
    assert any(f" [{short}]: job {short}: attempt 1" in line for line in logged)
    assert f" [{short}]: job {short} succeeded" in "\n".join(logged)
    assert all(f" [{short}]: " in line or line.startswith("  ") for line in logged)
    assert len(home.run("logs", "last", "--lines", 1).splitlines()) == 1

    other = Home(tmp_path)
    for name in ("model", "pairs.jsonl"):
        (tmp_path / name).symlink_to(home.folder / name)
    try:
        assert other.json("jobs") == [], "two homes are two worlds"
        ran = other.json("run", *ask)
        again = json.loads(other.run("show", ran["circuit_id"], "--format", "json"))
        assert other.json("status")["worker_pid"] is None, "reading and `run` start none"
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
    found = home.json("status")
    assert found["running"]
    assert found["live_jobs"] == 0
    assert found["differences"] == []
    said = home.json("doctor")
    assert [each for each in said if each["verdict"] == "fail"] == []
    assert {"service", "graph", "schema", "clock", "broker", "gpu"} <= {
        each["check"] for each in said
    }


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


def test_the_demo_says_what_holds_of_how_many_models_and_shows_it(
    home: Home, zoo_cache: Path
) -> None:
    (home.folder / "home" / "cache").mkdir(parents=True, exist_ok=True)
    (zoo_cache / "zoo").mkdir(parents=True, exist_ok=True)
    (home.folder / "home" / "cache" / "zoo").symlink_to(zoo_cache / "zoo")
    process = home.start("demo", "--web")
    page, err = _first_page(process)
    out, rest = process.communicate(timeout=500)
    assert process.returncode in (ExitCode.DONE, ExitCode.INTERRUPTED), err + rest
    assert "Traceback" not in rest
    with CircuitClient(settings=Settings(home=home.folder / "home")) as client:
        (row, *_) = client.verdicts()
        found = client.report(row["verdict_id"])
        control = next(each for each in found.models if "fixed-period" in each.model)
        circuits = [each for model in found.models for each in model.circuits]
        circuit = client.circuit(next(each for each in circuits if each in out))
    # What it found: induction by the same roles and wiring in three families, by clear margins.
    assert len(found.models) == len(MODELS) + 1
    for verdict in found.verdicts[:2]:
        assert (verdict.pooled.present, verdict.pooled.n, verdict.pooled.untestable) == (3, 3, 1)
    others = [model for model in found.models if model is not control]
    assert {each.at(Rung.WIRING).state for each in others} == {RungState.PRESENT}
    assert control.at(Rung.ROLE).state is control.at(Rung.WIRING).state is RungState.UNTESTABLE
    # And that it says so: the verdict, the control's reason, scope, falsifiers, queries, answers.
    assert out.count("3 of 3 (+1 untestable)") >= 2
    assert control.at(Rung.ROLE).reason in out
    for text in (found.verdicts[1].scope, *found.verdicts[1].falsifiers):
        assert text in out
    for query in QUERIES:
        assert query.cypher.splitlines()[0] in out
    for model in others:
        edge = next(each.edge for each in model.super_edges if each.edge)
        assert edge.text in out
        assert f"{model.family} " in out
    # A circuit is on the screen: its components, and what of them writes to the logits.
    heads = {edge.sender for edge in circuit.edges if edge.receiver == "logits"}
    assert heads
    assert all(f"\n{head} " in out for head in heads if head.startswith("a"))
    assert circuit.circuit_id in page
    _commands_work_as_printed(home, err)


def _first_page(process: subprocess.Popen[str]) -> tuple[str, str]:
    """The page that a browser comes to by the address, and what was said; then Ctrl-C."""
    assert process.stderr is not None
    said = ""
    try:
        while (found := re.search(r"http://127\.0\.0\.1:\d+(?=(/enter\S+))", said)) is None:
            line = process.stderr.readline()
            assert line, said
            said += line
        with urllib.request.urlopen(found[0] + found[1], timeout=60) as answer:
            cookie = answer.headers["set-cookie"].partition(";")[0]
            leads = re.search(r"url=(/circuits/[0-9a-f]{64})", answer.read().decode())
        assert leads is not None
        request = urllib.request.Request(found[0] + leads[1], headers={"cookie": cookie})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200
            return answer.read().decode(), said
    finally:
        process.send_signal(signal.SIGINT)


def _commands_work_as_printed(home: Home, told: str) -> None:
    commands = [line.strip() for line in told.splitlines() if line.startswith("  circuits ")]
    assert len(commands) == 7
    for command in commands:
        words = shlex.split(command)[1:]
        if words[0] in ("universality", "training"):
            words.remove("--wait")  # they are taken, and other tests wait for such jobs
        out = home.run(*words)
        assert out or "--out" in words, command
    assert "<svg" in (home.folder / "report.html").read_text()
