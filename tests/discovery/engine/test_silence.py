"""Whole components ablated: the engine's loss without their edges, from runs that branch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from discovery.engine import silence
from discovery.engine.experiment import Bench, Experiment
from discovery.engine.silence import silenced
from discovery.engine.state import State
from discovery.engine.stream import Stream
from discovery.models.load import load_model
from graph_schema.documents import Ablation, AblationSpec, Metric
from graph_schema.models.fingerprint import resolve_source
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import FAMILIES, tiny


def _bench(
    family: str,
    *,
    metric: Metric = Metric.LOGIT_DIFF,
    ablation: Ablation = Ablation.CORRUPT,
    layers: int = 2,
) -> Bench:
    pairs = made_pairs(4, shared=1)
    adapter = tiny(family, layers=layers)
    experiment = Experiment(adapter, metric, AblationSpec(kind=ablation), pairs)
    (examples,) = experiment.chunks(pairs, 8)
    return experiment.bench(examples)


def _sets(bench: Bench) -> list[list[int]]:
    """Every sender, sets that share a beginning, nothing, and everything."""
    graph = bench.experiment.graph
    every = list(range(graph.n_senders))
    several = [every[1:4], every[1:3], [1, every[-1]], [every[-1], every[-2]], every[::2]]
    return [[], every, *([sender] for sender in every), *several]


def _check(bench: Bench, sets: list[list[int]]) -> None:
    for senders, loss in zip(sets, silenced(bench, sets), strict=True):
        kept = bench.experiment.graph.upstream.copy()
        kept[senders] = False
        assert torch.allclose(loss, State(bench, kept).loss, atol=2e-5), senders


@pytest.mark.parametrize("family", FAMILIES)
def test_silencing_is_dropping_every_edge_out(family: str) -> None:
    metric = Metric.KL if family == "llama" else Metric.LOGIT_DIFF
    bench = _bench(family, metric=metric)
    _check(bench, _sets(bench))


@pytest.mark.parametrize("ablation", [Ablation.ZERO, Ablation.RESAMPLE])
@pytest.mark.parametrize("family", ["gpt2", "neox-parallel", "gemma3"])
def test_it_is_so_for_other_ablated_values(family: str, ablation: Ablation) -> None:
    bench = _bench(family, ablation=ablation, layers=3)
    _check(bench, _sets(bench))


@pytest.mark.parametrize("width", [1, 2, 5])
def test_however_many_runs_go_side_by_side(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stream, "width", width)
    bench = _bench("llama", layers=3)
    _check(bench, _sets(bench))


def test_what_sets_share_is_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, layers = _bench("gpt2", layers=4), list[int]()
    mix = Stream.mix

    def counted(self: Stream, layer: int, resid: torch.Tensor) -> torch.Tensor:
        layers.extend([layer] * (len(resid) // self.n_examples))
        return mix(self, layer, resid)

    monkeypatch.setattr(silence.Stream, "mix", counted)
    graph = bench.experiment.graph
    early, late = graph.head_sender(1, 0), graph.head_sender(3, 0)
    silenced(bench, [[early], [early, late], [late]])
    assert sorted(layers) == [0, 1, 1, 2, 2, 3, 3, 3]


def test_progress_is_told_at_every_branch_and_may_stop_the_work() -> None:
    bench = _bench("gpt2")
    seen: list[tuple[int, int]] = []
    sets = [[sender] for sender in range(bench.experiment.graph.n_senders)]
    silenced(bench, sets, lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, len(sets))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)

    def stop(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        silenced(bench, sets, stop)


@pytest.mark.slow
@pytest.mark.needs_real_models
def test_a_real_model_s_heads_and_sets_of_them(smollm2_folder: Path) -> None:
    adapter = load_model(resolve_source(str(smollm2_folder)), fingerprint=None).adapter
    pairs = made_pairs(2, shared=1)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), pairs)
    (examples,) = experiment.chunks(pairs, 8)
    graph = experiment.graph
    some = [graph.head_sender(layer, 2) for layer in (0, 9, 17, 29)]
    _check(experiment.bench(examples), [[], *([sender] for sender in some), some, some[1:]])
