"""Compiled programs go the way of every model: plan, run, evaluate, show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graph_schema.models.fingerprint import fingerprint, resolve_source
from tests.compiled import Twin
from tests.workers.cli.conftest import Circuits
from tests.workers.world import World, write_lines
from workers.cli.exits import ExitCode

KEPT = Path(__file__).parents[2] / "discovery" / "known" / "compiled"
# Position 0 has no token before it, so the periods of the task leave it out.
INDUCTION = ("--task", "induction", "--task-param", "max_period=9", "--pairs", 20)
SMALL = ("--task-param", "min_period=4", "--task-param", "length=20")
WIRED = {
    "key": {"a0.h1->a1.h0<k>", "a1.h0->logits"},
    "pointer": {"a0.h1->a1.h0<q>", "a1.h0->logits"},
}


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of sizes that nothing here was written for."""
    folder = tmp_path_factory.mktemp("twins")
    return {
        "key": Twin("key", n_tokens=23, n_ctx=31).write(folder / "key"),
        "pointer": Twin(
            "pointer", n_tokens=21, n_ctx=27, n_heads=3, bos=True, named_outputs=True, seed=3
        ).write(folder / "pointer"),
    }


@pytest.mark.parametrize("kind", ["key", "pointer"])
@pytest.mark.parametrize(
    "method", [("eap",), ("exact",), ("acdc", "--threshold", 0.01)], ids=lambda each: each[0]
)
def test_induction_finds_the_wiring_of_a_twin(
    kind: str, method: tuple[Any, ...], circuits: Circuits, world: World, twins: dict[str, Path]
) -> None:
    size = () if "--threshold" in method else ("--edges", 9)
    words = ("--model", twins[kind], *INDUCTION, *SMALL, "--method", *method, *size, "--json")
    ran = circuits("run", *words, world=world)
    assert ran.code == ExitCode.DONE, ran.err
    found = ran.json()
    assert found["faithfulness"] == pytest.approx(1, abs=1e-3)
    assert found["heldout_faithfulness"] == pytest.approx(1, abs=1e-3)
    shown = circuits("show", found["circuit_id"], "--format", "json", world=world).json()
    scores = {
        f"{edge['sender']}->{edge['receiver']}"
        + (f"<{edge['channel']}>" if edge["channel"] != "r" else ""): abs(edge["score"])
        for edge in shown["edges"]
    }
    weakest = min(scores[edge] for edge in WIRED[kind])
    other = {"key": "a0.h1->a1.h0<q>", "pointer": "a0.h1->a1.h0<k>"}[kind]
    assert scores.get(other, 0.0) < 1e-3 * weakest
    assert shown["model"]["family"] == "compiled"
    assert shown["model"]["weights_sha256"] is not None


def test_a_circuit_of_a_twin_is_judged_listed_drawn_and_exported(
    circuits: Circuits, world: World, twins: dict[str, Path], tmp_path: Path
) -> None:
    model = twins["key"]
    words = ("--model", model, *INDUCTION, *SMALL, "--method", "eap-ig", "--edges", 9, "--json")
    found = circuits("run", *words, world=world).json()
    judged = circuits("evaluate", found["circuit_id"], "--here", "--json", world=world).json()
    assert judged["faithfulness"] == found["faithfulness"]
    picture = circuits("show", found["circuit_id"], "--format", "text", world=world)
    assert picture.code == ExitCode.DONE, picture.err
    target = tmp_path / "edges.csv"
    exported = circuits(
        "export", found["circuit_id"], "--format", "csv", "--out", target, world=world
    )
    assert exported.code == ExitCode.DONE, exported.err
    listed = circuits("list", "--model", "compiled", "--json", world=world).json()
    assert found["circuit_id"] in [each["circuit_id"] for each in listed]
    plan = circuits("plan", *words[:-1], "--json", world=world).json()
    assert plan["n_edges"] == found["n_edges_scored"]


def test_pairs_may_name_tokens_and_outputs(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    folder = KEPT / "ib07_hist"
    case = json.loads((folder / "case.json").read_text())
    names = {number: name for name, number in case["vocab"].items()}
    lines: list[dict[str, Any]] = []
    ids: list[dict[str, Any]] = []
    for pair in case["pairs"]:
        good, bad = pair["clean_out"], pair["corrupt_out"]
        places = [i for i, (a, b) in enumerate(zip(good, bad, strict=True)) if a != b]
        if not places:
            continue
        common = {"positions": [i + 1 for i in places]}
        text = {side: " ".join(names[t] for t in pair[side][1:]) for side in ("clean", "corrupt")}
        lines.append(
            text
            | common
            | {
                "answers": [[str(good[i])] for i in places],
                "wrong_answers": [[str(bad[i])] for i in places],
            }
        )
        column = case["output"]["values"].index
        ids.append(
            {side: pair[side] for side in ("clean", "corrupt")}
            | common
            | {
                "answers": [[column(good[i])] for i in places],
                "wrong_answers": [[column(bad[i])] for i in places],
            }
        )
    found: list[Any] = []
    for number, rows in enumerate((lines[:40], ids[:40])):
        file = write_lines(tmp_path / f"{number}.jsonl", rows)
        words = ("--model", folder, "--dataset", file, "--method", "exact", "--edges", 20)
        ran = circuits("run", *words, "--json", world=world)
        assert ran.code == ExitCode.DONE, ran.err
        found.append(ran.json())
    assert found[0]["faithfulness"] == found[1]["faithfulness"] > 0.9
    assert found[0]["n_edges"] == found[1]["n_edges"]


def test_a_numerical_program_is_measured_by_weights(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    folder = KEPT / "ib03_frac_prevs"
    case = json.loads((folder / "case.json").read_text())
    rows = [
        {
            "clean": pair["clean"],
            "corrupt": pair["corrupt"],
            "weights": [[[0, pair["clean_out"][-1] - pair["corrupt_out"][-1]]]],
        }
        for pair in case["pairs"]
        if pair["clean_out"][-1] != pair["corrupt_out"][-1]
    ]
    file = write_lines(tmp_path / "pairs.jsonl", rows[:40])
    words = ("run", "--model", folder, "--dataset", file, "--method", "exact", "--edges", 12)
    ran = circuits(*words, "--metric", "linear", "--json", world=world)
    assert ran.code == ExitCode.DONE, ran.err
    assert ran.json()["faithfulness"] == pytest.approx(1, abs=1e-3)
    refused = circuits(*words[:3], *INDUCTION, *words[5:], world=world)
    assert refused.code == ExitCode.REQUEST
    assert "task 'induction'" in refused.err or "the task's answers are tokens" in refused.err


def test_a_job_names_the_program_by_what_it_is(twins: dict[str, Path]) -> None:
    prints = {kind: fingerprint(resolve_source(str(folder))) for kind, folder in twins.items()}
    assert len(set(prints.values())) == 2
