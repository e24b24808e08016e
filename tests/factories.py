"""Small documents for tests: valid, deterministic, and easy to vary."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from graph_schema.documents import (
    AblationSpec,
    ArtifactRef,
    Channel,
    CircuitDocument,
    CircuitEdge,
    CircuitEvaluation,
    CurvePoint,
    DatasetDocument,
    Eap,
    Evaluation,
    ExchangeFormat,
    Figure,
    Imported,
    Metric,
    ModelDocument,
    RandomCircuits,
    ScoreKind,
    Split,
    SplitLosses,
    TopEdges,
    circuit_id,
    head_name,
    mlp_name,
    sha256_hex,
)
from graph_schema.documents.jobs import RunRecord


def make_model(name: str = "made/tiny", family: str = "gpt2", **changes: object) -> ModelDocument:
    """A model of 2 layers with 4 heads; its fingerprint is the hash of its name."""
    fields: dict[str, object] = {
        "fingerprint": sha256_hex(name),
        "name": name,
        "family": family,
        "architecture": "GPT2LMHeadModel",
        "n_layers": 2,
        "n_heads": 4,
        "n_kv_heads": 4,
        "d_model": 32,
        "d_head": 8,
        "d_mlp": 64,
        "d_vocab": 64,
        "n_edges": 138,
    }
    return ModelDocument.model_validate(fields | changes)


def make_edges(names_and_scores: Sequence[tuple[str, str, str, float]]) -> tuple[CircuitEdge, ...]:
    """Edges from (sender, receiver, channel, score)."""
    return tuple(
        CircuitEdge(
            sender=sender,
            receiver=receiver,
            channel=Channel(channel),
            score=score,
            score_kind=ScoreKind.ESTIMATE,
        )
        for sender, receiver, channel, score in names_and_scores
    )


INDUCTION_EDGES = make_edges(
    [
        ("input", "a0.h1", "v", 0.75),
        ("a0.h1", "a1.h2", "k", 1.5),
        ("input", "a1.h2", "q", 0.5),
        ("input", "a1.h2", "v", 0.25),
        ("a1.h2", "logits", "r", 2.125),
        ("m0", "logits", "r", -0.1),
        ("input", "m0", "r", 0.3),
    ]
)
"""A previous-token head, an induction head that reads it by its keys, and an MLP."""


def made_edges(n: int, *, n_layers: int, n_heads: int, seed: int = 0) -> tuple[CircuitEdge, ...]:
    """`n` different random edges that run forwards."""
    rng = random.Random(seed)
    heads = [head_name(layer, head) for layer in range(n_layers) for head in range(n_heads)]
    found: dict[str, CircuitEdge] = {}
    while len(found) < n:
        receiver = rng.choice([*heads[n_heads:], *(mlp_name(i) for i in range(n_layers)), "logits"])
        layer = n_layers if receiver == "logits" else int(receiver[1:].split(".")[0])
        before = [head_name(i, h) for i in range(layer) for h in range(n_heads)]
        sender = rng.choice(["input", *before, *(mlp_name(i) for i in range(layer))])
        channel = Channel(rng.choice("qkv")) if receiver.startswith("a") else Channel.R
        edge = CircuitEdge(
            sender=sender,
            receiver=receiver,
            channel=channel,
            score=rng.gauss(0, 1),
            score_kind=ScoreKind.ESTIMATE,
        )
        found[edge.name] = edge
    return tuple(found.values())


def make_evaluation(faithfulness: float = 0.875) -> Evaluation:
    """An evaluation in which every kind of field occurs."""

    def figure(value: float | None, split: Split, **more: object) -> Figure:
        return Figure.model_validate({"value": value, "split": split, "n": 32} | more)

    return Evaluation(
        preset="quick",
        seed=0,
        bootstrap_draws=200,
        faithfulness=figure(faithfulness, Split.DISCOVERY, ci_low=0.8, ci_high=0.9),
        heldout_faithfulness=figure(None, Split.HELDOUT, reason="fewer than 8 held-out pairs"),
        complement_faithfulness=figure(0.1, Split.DISCOVERY),
        cmd=figure(0.2, Split.DISCOVERY),
        cpr=figure(1.1, Split.DISCOVERY),
        losses=(
            SplitLosses(
                split=Split.DISCOVERY,
                n=32,
                loss_full=-3.0,
                loss_circuit=-2.5,
                loss_empty=1.0,
                accuracy_full=1.0,
                accuracy_circuit=0.9,
                mean_rank_full=0.1,
            ),
        ),
        curve=(
            CurvePoint(share=0.1, n_edges=13, faithfulness_abs=0.5, faithfulness_signed=0.4),
            CurvePoint(share=1.0, n_edges=138, faithfulness_abs=1.0, faithfulness_signed=1.0),
        ),
        random_circuits=RandomCircuits(n=10, mean=0.01, low=-0.1, high=0.1),
    )


def make_dataset(text: str = "one", task: str = "induction") -> DatasetDocument:
    """A dataset of one made line."""
    jsonl = f'{{"clean": "{text}", "corrupt": "{text}", "answers": [" a"]}}\n'
    return DatasetDocument(sha256=sha256_hex(jsonl), task=task, n_pairs=1, jsonl=jsonl)


def make_circuit(
    edges: tuple[CircuitEdge, ...] = INDUCTION_EDGES,
    *,
    model: ModelDocument | None = None,
    job: str = "job",
    **changes: object,
) -> CircuitDocument:
    """A circuit of `edges`; `job` and whatever is changed make another one."""
    job_id = sha256_hex(job)
    selection = TopEdges(n_edges=max(1, len(edges)))
    fields: dict[str, object] = {
        "circuit_id": circuit_id(job_id, selection.value, (edge.name for edge in edges)),
        "job_id": job_id,
        "model": model or make_model(),
        "task": "induction",
        "task_id": sha256_hex("induction"),
        "dataset_sha256": make_dataset().sha256,
        "method": Eap(),
        "selection": selection,
        "metric": Metric.LOGIT_DIFF,
        "ablation": AblationSpec(),
        "dtype": "float32",
        "seed": 0,
        "n_edges_scored": 138,
        "edges": edges,
        "evaluation": make_evaluation(),
        "notes": ("made for a test",),
        "artifacts": {"scores": ArtifactRef(key="a/scores.safetensors", sha256="0" * 64)},
    }
    return CircuitDocument.model_validate(fields | changes)


def make_imported(text: str = "file", **changes: Any) -> CircuitDocument:
    """A circuit as a file brings it: nobody has said what it is for, or judged it."""
    method = Imported(format=ExchangeFormat.CSV, sha256=sha256_hex(text))
    known = ["task", "task_id", "dataset_sha256", "selection", "metric", "ablation", "dtype"]
    unknown: dict[str, Any] = dict.fromkeys([*known, "job_id", "seed", "evaluation"])
    return make_circuit(
        **{**unknown, "circuit_id": sha256_hex(text), "method": method, "notes": ()} | changes
    )


def make_circuit_evaluation(
    circuit: CircuitDocument, job: str = "judge", faithfulness: float = 0.5, **changes: object
) -> CircuitEvaluation:
    """What an `evaluate` job found of a circuit, on the made dataset."""
    fields: dict[str, object] = {
        "evaluation_id": sha256_hex(job),
        "circuit_id": circuit.circuit_id,
        "task": "induction",
        "task_id": sha256_hex("induction"),
        "dataset_sha256": make_dataset().sha256,
        "metric": Metric.PROB_DIFF,
        "ablation": AblationSpec(),
        "dtype": "float32",
        "seed": 7,
        "evaluation": make_evaluation(faithfulness),
        "notes": ("judged for a test",),
    }
    return CircuitEvaluation.model_validate(fields | changes)


def make_run(job: str = "job", attempt: int = 1) -> RunRecord:
    """The run that produced `make_circuit(job=job)`."""
    return RunRecord(
        run_id=sha256_hex(f"{job} {attempt}"),
        job_id=sha256_hex(job),
        attempt=attempt,
        versions={"circuit-atlas": "0.1.0", "torch": "2.5"},
        cpu_seconds={"load": 0.5, "scores": 12.25},
        host="here",
    )
