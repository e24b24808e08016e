"""Circuits made up for the reports: their numbers are chosen, not measured."""

from __future__ import annotations

from collections.abc import Sequence

from graph_schema.documents import (
    AblationSpec,
    CircuitDocument,
    CircuitEdge,
    Eap,
    Edge,
    Evaluation,
    Figure,
    Metric,
    ModelDocument,
    RandomCircuits,
    ScoreKind,
    Split,
    TopEdges,
)

INDUCTION = [
    ("input->a0.h1<v>", 0.5),
    ("a0.h1->a1.h2<k>", 0.75),
    ("input->a1.h2<v>", 0.25),
    ("a1.h2->logits", 1.5),
    ("m0->logits", -0.125),
]


def made_circuit(
    edges: Sequence[tuple[str, float]] = INDUCTION, n_layers: int = 2, n_heads: int = 4
) -> CircuitDocument:
    """A circuit with these named edges and scores."""
    parsed = [(Edge.parse(name), score) for name, score in edges]
    return CircuitDocument(
        circuit_id="c" * 64,
        job_id="b" * 64,
        model=ModelDocument(
            fingerprint="f" * 40,
            name="made/gpt2-<tiny>",
            family="gpt2",
            architecture="GPT2LMHeadModel",
            n_layers=n_layers,
            n_heads=n_heads,
            n_kv_heads=n_heads,
            d_model=16,
            d_head=4,
            d_mlp=64,
            d_vocab=50,
            n_edges=76,
        ),
        task="induction",
        task_id="a" * 64,
        dataset_sha256="d" * 64,
        method=Eap(),
        selection=TopEdges(n_edges=max(1, len(edges))),
        metric=Metric.LOGIT_DIFF,
        ablation=AblationSpec(),
        dtype="float32",
        seed=0,
        n_edges_scored=76,
        edges=tuple(
            CircuitEdge(
                sender=edge.sender,
                receiver=edge.receiver,
                channel=edge.channel,
                score=score,
                score_kind=ScoreKind.ESTIMATE,
            )
            for edge, score in parsed
        ),
        evaluation=Evaluation(
            preset="quick",
            seed=0,
            bootstrap_draws=1000,
            faithfulness=Figure(value=0.9, split=Split.DISCOVERY, n=32, ci_low=0.85, ci_high=0.95),
            heldout_faithfulness=Figure(
                value=None, split=Split.HELDOUT, n=4, reason="fewer than 8 held-out pairs"
            ),
            complement_faithfulness=Figure(value=0.05, split=Split.DISCOVERY, n=32),
            cmd=Figure(value=0.1, split=Split.DISCOVERY, n=32),
            cpr=Figure(value=1.1, split=Split.DISCOVERY, n=32),
            losses=(),
            random_circuits=RandomCircuits(n=10, mean=0.02, low=-0.01, high=0.07),
        ),
        notes=("made by hand",),
    )
