"""`specificity`: each task's roles ablated on every task, in a program whose heads are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.compiled import Twin
from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode

N_TOKENS = 37
INDUCTION = ("--task", "induction", "--pairs", 24, "--task-param", "length=24")
PERIODS = ("--task-param", "min_period=6", "--task-param", "max_period=9")


def repeats(file: Path, *, done: bool) -> Path:
    """Pairs of repeated sequences of the upper tokens; if not `done`, with wrong answers."""
    rng = np.random.default_rng(7)
    lines: list[str] = []
    for number in range(48):
        period = int(rng.integers(6, 9))
        segment = rng.choice(np.arange(12, N_TOKENS), period, replace=False)
        other, at = segment, 3
        while at == 3 or (at + 1 < period and other[at + 1] == segment[4]):
            other = rng.permutation(segment)
            at = int(np.argmax(other == segment[3]))
        clean, corrupt = [*segment, *segment[:4]], [*other, *segment[:4]]
        answers, wrong = [int(segment[4])], [int(corrupt[at + 1])]
        if not done:
            answers, wrong = wrong, answers
        pair = {"answers": answers, "wrong_answers": wrong, "group": str(number)}
        pair |= {"clean": [int(i) for i in clean], "corrupt": [int(i) for i in corrupt]}
        lines.append(json.dumps(pair))
    file.write_text("\n".join(lines) + "\n")
    return file


def test_roles_are_worth_as_much_on_a_task_that_needs_them_and_others_say_why_not(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    folder = Twin("key", n_tokens=N_TOKENS, n_ctx=33, n_heads=12, second=5).write(tmp_path / "key")
    tasks = (
        (*INDUCTION, *PERIODS),
        ("--dataset", repeats(tmp_path / "upper.jsonl", done=True)),
        ("--dataset", repeats(tmp_path / "undone.jsonl", done=False)),
    )
    jobs: list[str] = []
    for task in tasks:
        ran = circuits("roles", "--model", folder, *task, "--here", "--json", world=world)
        assert ran.code == ExitCode.DONE, ran.err
        jobs.append(ran.json()["job_id"])
    asked = [word for job in jobs for word in ("--roles", job[:16])]
    ran = circuits("specificity", *asked, "--here", "--json", world=world)
    assert ran.code == ExitCode.DONE, ran.err
    found = ran.json()
    assert (found["kind"], found["state"]) == ("specificity", "succeeded")
    by_task = {each["task"]: each for each in found["tasks"]}
    assert list(by_task) == ["induction", "undone", "upper"]
    assert by_task["induction"]["reason"] == by_task["upper"]["reason"] == ""
    assert "not done well enough" in by_task["undone"]["reason"]
    assert by_task["undone"]["no_roles"] != ""
    cells = {(each["task"], each["role"], each["on_task"]): each for each in found["cells"]}
    assert {key[2] for key in cells} == {"induction", "upper"}
    rows = {(task, role) for task, role, _ in cells}
    assert rows >= {(t, r) for t in ("induction", "upper") for r in ("previous_token", "induction")}
    for cell in cells.values():
        assert cell["share"] > 0.6
        assert cell["ci_low"] <= cell["share"] <= cell["ci_high"]
        assert cell["random"]["sets"] >= 20
        # Of 12 heads a layer that write nothing, but for the other role's own.
        assert cell["random"]["mean"] < 0.15
        assert cell["random"]["p"] < 0.15
    again = circuits("specificity", *reversed(asked[1::2]), world=world)
    assert again.code == ExitCode.REQUEST
    text = circuits("specificity", *asked, "--here", world=world)
    assert "upper: 14 held-out pairs" in text.out
    assert "undone: untestable" in text.out
    cypher = (
        "MATCH (t:RoleTest)-[e:ABLATED_ON {job_id: '" + found["job_id"] + "'}]->(k:Task) "
        "RETURN t.task, e.role, k.name, e.share, e.random_mean, e.p"
    )
    rows = circuits("cypher", cypher, "--json", world=world).json()
    assert len(rows) == len(cells)


def test_a_wrong_request_is_refused(circuits: Circuits, world: World, tmp_path: Path) -> None:
    folder = Twin("key", n_tokens=N_TOKENS, n_ctx=33, n_heads=3).write(tmp_path / "key")
    ran = circuits(
        "roles", "--model", folder, *INDUCTION, *PERIODS, "--here", "--json", world=world
    )
    job = ran.json()["job_id"]
    one = circuits("specificity", "--roles", job[:16], "--here", world=world)
    assert one.code == ExitCode.REQUEST
    assert "1 roles jobs; a matrix is of two tasks at least" in one.err
    twice = circuits("specificity", "--roles", job, "--roles", job, "--here", world=world)
    assert twice.code == ExitCode.REQUEST
    assert "on the task 'induction'; expected tasks that differ" in twice.err
    zoo = circuits("specificity", "--roles", job, "--model", "zoo:gpt2/7", "--here", world=world)
    assert "run: circuits zoo train gpt2/7" in zoo.err
