"""A sweep whose every process is killed in the middle, and asked for again: is each job done once?

    python -m benchmarks.sweep_killed [--models 3] [--tasks 4] [--seeds 2] [--write]

`circuits sweep FILE --wait` in a home of its own: client, supervisor, database and worker are
processes as a user has them, and all get SIGKILL at once when a third of the jobs has ended. The
same command again brings the sweep to its end. What had ended must be as it was, and every job must
have one result. Models are tiny and random, and tasks what they say anyhow.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psutil
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from benchmarks.page import put, versions
from graph_schema.documents.jobs import JobRecord, JobState
from workers.client import CircuitClient, Sweep
from workers.local.ending import down
from workers.settings import Settings

PAGE = Path(__file__).parent.parent / "docs" / "sweeps.md"
CIRCUITS = [sys.executable, "-c", "from workers.cli import main; main()"]
METHODS = "[eap, {name: eap-ig, steps: 3}]"
PAIRS = 24
WAIT_SECONDS = 1800.0

RESULTS: LiteralString = """
MATCH (j:Job) WHERE j.job_id IN $job_ids
RETURN j.job_id AS job_id,
       COUNT { MATCH (r:Run) WHERE r.job_id = j.job_id } AS runs,
       COUNT { MATCH (c:Circuit) WHERE c.job_id = j.job_id } AS circuits
"""


@dataclass(frozen=True)
class Outcome:
    """What became of the jobs of a sweep that was killed in the middle.

    Attributes:
        rows: The one table, as `circuits sweep --json` prints it in the end.
        ended_before: Jobs that had ended when all was killed.
        running: Jobs that ran then.
        changed: Of those that had ended, how many are otherwise now: done again.
        attempts: How often each job was begun.
        runs: How many runs each job's results are of.
        circuits: How many circuits each job has.
    """

    rows: list[dict[str, Any]]
    ended_before: int
    running: int
    changed: int
    attempts: list[int]
    runs: list[int]
    circuits: list[int]


def make_models(folder: Path, n_models: int) -> list[GPT2LMHeadModel]:
    """Random two-layer models, of which each says nearly what the first one says."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocab_size": 40, "n_positions": 16, "n_embd": 32, "n_layer": 2}
    config = GPT2Config(**sizes, n_head=4, initializer_range=0.4, bos_token_id=0, eos_token_id=0)
    first = GPT2LMHeadModel(config).eval()
    made: list[GPT2LMHeadModel] = []
    for number in range(n_models):
        model = GPT2LMHeadModel(config).eval()
        model.load_state_dict(first.state_dict())
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight), alpha=1e-3 * number)
        model.save_pretrained(folder / f"model-{number}")
        made.append(model)
    return made


def make_tasks(folder: Path, models: list[GPT2LMHeadModel], n_tasks: int) -> None:
    """Files of pairs whose answers are what all of the models say."""
    for number in range(n_tasks):
        rows: list[str] = []
        while len(rows) < PAIRS:
            prompts = torch.randint(40, (2, 8))
            with torch.no_grad():
                said = [each(prompts).logits[:, -1].argmax(-1).tolist() for each in models]
            answer, wrong = said[0]
            if answer != wrong and all(each == said[0] for each in said):
                clean, corrupt = prompts.tolist()
                pair = {"clean": clean, "corrupt": corrupt}
                rows.append(json.dumps(pair | {"answers": [answer], "wrong_answers": [wrong]}))
        (folder / f"task-{number}.jsonl").write_text("\n".join(rows) + "\n")


def make_sweep(folder: Path, n_models: int, n_tasks: int, n_seeds: int) -> Path:
    """The file of a sweep, with its models and its pairs beside it."""
    make_tasks(folder, make_models(folder, n_models), n_tasks)
    models = ", ".join(f"./model-{number}" for number in range(n_models))
    tasks = ", ".join(f"task-{number}.jsonl" for number in range(n_tasks))
    file = folder / "killed.yaml"
    file.write_text(
        f"models: [{models}]\ntasks: [{tasks}]\nmethods: {METHODS}\nedges: 20\n"
        f"seeds: {list(range(n_seeds))}\n"
    )
    return file


def killed_and_resumed(
    settings: Settings, file: Path, killed: Callable[[], None] = lambda: None
) -> Outcome:
    """Run the sweep, kill all that runs in its home in the middle, and run it again.

    `killed` is called between the two: nothing runs then.
    """
    command = [*CIRCUITS, "sweep", str(file), "--wait", "--json"]
    environment = settings.environment()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as first:
        try:
            before = _a_third(settings, file, lambda: first.poll() is None)
        finally:
            kill_all(settings)  # else an error here would wait for the command's end
    killed()
    ran = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
    )
    assert ran.returncode == 0, ran.stderr
    rows = json.loads(ran.stdout)["rows"]
    with CircuitClient(settings=settings) as client:
        after = {job.job_id: job.record for job in _looked_at(client, file).jobs}
        found = client.service.store.rows(RESULTS, job_ids=list(after))
    ended = [each for each in before if each.state.ended]
    return Outcome(
        rows=rows,
        ended_before=len(ended),
        running=sum(each.state is JobState.RUNNING for each in before),
        changed=sum(after[each.job_id] != each for each in ended),
        attempts=[each.attempts for each in after.values()],
        runs=[row["runs"] for row in found],
        circuits=[row["circuits"] for row in found],
    )


def _a_third(settings: Settings, file: Path, goes_on: Callable[[], bool]) -> list[JobRecord]:
    """The jobs when a third of them has ended and one runs; nobody is told to do anything."""
    end = time.monotonic() + WAIT_SECONDS
    with CircuitClient(settings=settings, worker=False) as client:
        while goes_on() and time.monotonic() < end:
            sweep = _looked_at(client, file)
            states = sweep.states()
            if 3 * states.get("succeeded", 0) >= len(sweep.table()) and "running" in states:
                return [job.record for job in sweep.jobs]
            time.sleep(0.2)
    raise AssertionError("the sweep ended, or took too long, before it could be killed")


def _looked_at(client: CircuitClient, file: Path) -> Sweep:
    return client.sweep(file, submit=False)


def kill_all(settings: Settings) -> None:
    """SIGKILL to every process that names the home; returns when none is left."""
    while found := _processes(settings):
        for process in found:
            process.kill()
        psutil.wait_procs(found, timeout=10)


def _processes(settings: Settings) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.environ().get("CIRCUITS_HOME", "")]
            alive = process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
        if alive and any(str(settings.home) in word for word in words):
            found.append(process)
    return found


def section(outcome: Outcome) -> str:
    """The outcome as a Markdown table, with what it was measured with."""
    n_jobs = len(outcome.rows)
    states = [row["state"] for row in outcome.rows]
    lines = [
        ("jobs", n_jobs),
        ("ended when all was killed", outcome.ended_before),
        ("running when all was killed", outcome.running),
        ("succeeded in the end", states.count("succeeded")),
        ("without a result", sum(row["circuit"] is None for row in outcome.rows)),
        ("with more than one result", sum(runs != 1 for runs in outcome.runs)),
        ("ended before, and done again", outcome.changed),
        ("begun twice", sum(attempts > 1 for attempts in outcome.attempts)),
    ]
    table = "\n".join(f"| {what} | {count} |" for what, count in lines)
    said = versions("torch", "transformers", "arcadedb-embedded")
    return f"| | |\n| --- | --- |\n{table}\n\nSeed 0 of models and pairs; {said}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="into docs/sweeps.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(home=Path(name) / "home", idle_seconds=600)
        file = make_sweep(Path(name), asked.models, asked.tasks, asked.seeds)
        try:
            outcome = killed_and_resumed(settings, file)
        finally:
            down(settings)
    text = section(outcome)
    print(text)
    if asked.write:
        put("killed", text, PAGE)


if __name__ == "__main__":
    main()
