"""The oracle equals patching every edge by hand, and goes on from its checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from discovery import progress
from discovery.engine.experiment import Experiment
from discovery.methods.exact import exact
from discovery.models import ModelAdapter
from graph_schema.documents import Ablation, AblationSpec, Metric
from graph_schema.errors import JobCancelled
from tests.discovery import textbook
from tests.discovery.cases import made_pairs, tiny_gpt2, tiny_llama

PAIRS = made_pairs(4)


@pytest.mark.parametrize(
    ("family", "ablation", "metric"),
    [
        (tiny_gpt2, Ablation.CORRUPT, Metric.KL),
        (tiny_llama, Ablation.CORRUPT, Metric.LOGIT_DIFF),
        (tiny_llama, Ablation.ZERO, Metric.PROB_DIFF),
    ],
)
def test_exact_scores_equal_patching_each_edge_by_hand(
    family: Callable[[], ModelAdapter], ablation: Ablation, metric: Metric
) -> None:
    experiment = Experiment(family(), metric, AblationSpec(kind=ablation), PAIRS)
    graph = experiment.graph
    scores = graph.to_matrix(exact(experiment, PAIRS, chunk=3))
    bench = experiment.bench(experiment.chunks(PAIRS, 4)[0])
    clean = bench.objective.loss(textbook.logits(bench, graph.upstream)).mean()
    for sender, receiver in np.argwhere(graph.upstream)[::19]:
        kept = graph.upstream.copy()
        kept[sender, receiver] = False
        loss = bench.objective.loss(textbook.logits(bench, kept)).mean()
        assert scores[sender, receiver] == pytest.approx(float(loss - clean), abs=2e-5)


class _Kept:
    """A checkpoint in memory."""

    def __init__(self) -> None:
        self.arrays: dict[str, dict[str, Any]] = {}

    def load(self, name: str) -> dict[str, Any] | None:
        return self.arrays.get(name)

    def save(self, name: str, arrays: dict[str, Any]) -> None:
        self.arrays[name] = {key: value.copy() for key, value in arrays.items()}


@pytest.mark.parametrize("chunk", [2, None])
def test_a_cancelled_run_goes_on_to_the_same_scores(
    chunk: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a chunk asked for it goes on with the one that it began with."""
    monkeypatch.setattr(progress, "SAVE_EVERY", 0.0)
    experiment = Experiment(tiny_gpt2(), Metric.LOGIT_DIFF, AblationSpec(), PAIRS)
    each, again_each = np.zeros((2, len(PAIRS), experiment.graph.n_edges), dtype=np.float32)
    whole = exact(experiment, PAIRS, chunk=2, per_pair=each)
    checkpoint = _Kept()

    def stop(done: int, total: int) -> None:
        if done == 25:
            raise JobCancelled("stopped here")

    begun = np.zeros_like(each)
    with pytest.raises(JobCancelled):
        exact(experiment, PAIRS, chunk=2, progress=stop, checkpoint=checkpoint, per_pair=begun)
    seen: list[int] = []
    again = exact(
        experiment,
        PAIRS,
        chunk=chunk,
        progress=lambda done, _: seen.append(done),
        checkpoint=checkpoint,
        per_pair=again_each,
    )
    assert seen[0] == 25
    np.testing.assert_allclose(again, whole, atol=1e-6)
    np.testing.assert_allclose(again_each, each, atol=1e-6)
