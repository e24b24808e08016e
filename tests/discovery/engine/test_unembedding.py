"""KL by blocks of the vocabulary equals KL of whole logits, and tells small changes apart."""

from __future__ import annotations

import pytest
import torch

from discovery.engine import unembedding
from discovery.engine.experiment import Bench, Experiment
from discovery.engine.metrics import Objective
from discovery.engine.state import State
from discovery.engine.unembedding import losses_at
from graph_schema.documents import AblationSpec, Metric
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import FAMILIES, tiny

PAIRS = made_pairs(4, targets=2)


def _bench(family: str, metric: Metric, dtype: torch.dtype = torch.float32) -> Bench:
    experiment = Experiment(tiny(family, dtype), metric, AblationSpec(), PAIRS)
    return experiment.bench(experiment.chunks(PAIRS, 4)[0])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("metric", Metric)
def test_losses_by_blocks_equal_those_of_whole_logits(
    family: str, metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unembedding, "FEWEST", 7)
    monkeypatch.setattr(unembedding, "BLOCK", {"cpu": 1})
    bench = _bench(family, metric)
    adapter, objective = bench.experiment.adapter, bench.objective
    full, none = (
        State(bench, kept)
        for kept in (bench.experiment.graph.upstream, bench.experiment.graph.none())
    )
    found = losses_at(adapter, objective, torch.stack([full.last, none.last]))
    wanted = torch.stack([objective.loss(state.logits) for state in (full, none)])
    torch.testing.assert_close(found, wanted, atol=2e-6, rtol=1e-5)


def test_a_small_kl_is_that_of_float64() -> None:
    single, double = (_bench("llama", Metric.KL, dtype) for dtype in (torch.float32, torch.float64))
    rows = State(double, double.experiment.graph.upstream).last
    step = torch.randn(rows.shape, generator=torch.Generator().manual_seed(0), dtype=rows.dtype)
    near = (rows + 1e-3 * step)[None]
    wanted = losses_at(double.experiment.adapter, double.objective, near)
    found = losses_at(single.experiment.adapter, single.objective, near.float())
    assert 0 < float(wanted.max()) < 1e-4
    torch.testing.assert_close(found.double(), wanted, atol=1e-7, rtol=0)


def test_a_probability_that_grows_beyond_all_bounds_is_measured_on_whole_logits() -> None:
    bench = _bench("gpt2", Metric.KL)
    adapter, target = bench.experiment.adapter, bench.objective.target
    state = State(bench, bench.experiment.graph.none())
    # The clean run holds what the patched one says next for impossible.
    logits = -200 * state.logits
    objective = Objective.at(Metric.KL, target, logits)
    found = losses_at(adapter, objective, state.last[None])[0]
    assert found.isfinite().all()
    torch.testing.assert_close(found, objective.loss(state.logits))
