"""The engine equals the textbook forward for any kept set, and restarts equal running anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from discovery.engine.experiment import Bench, Experiment
from discovery.engine.graph import BoolMatrix
from discovery.engine.lanes import HeadValues, Lanes
from discovery.engine.pair_values import values
from discovery.engine.restart import Restart
from discovery.engine.room import room
from discovery.engine.schedule import AttentionStep, MlpStep
from discovery.engine.state import State
from discovery.models import ModelAdapter
from discovery.tasks.base import TokenPair
from graph_schema.documents import Ablation, AblationSpec, Metric
from tests.discovery import textbook
from tests.discovery.cases import made_pairs, tiny_gpt2
from tests.discovery.models.families import tiny

FAMILIES = ["gpt2", "llama", "neox-parallel", "gemma3"]
"""One of each kind: biases, grouped queries, parallel blocks, post-norms with windows."""
ABLATIONS = list(Ablation)
# Two answers, lengths 6 and 4 twice: every ablation but `mean` finds what it needs.
PAIRS = made_pairs(8)


def _experiment(
    adapter: ModelAdapter, ablation: Ablation = Ablation.CORRUPT, metric: Metric = Metric.LOGIT_DIFF
) -> Experiment:
    # A mean is taken of at least eight prompts of each length.
    pairs = (*PAIRS, *made_pairs(10, seed=9)) if ablation is Ablation.MEAN else PAIRS
    return Experiment(adapter, metric, AblationSpec(kind=ablation), pairs)


def _bench(experiment: Experiment) -> Bench:
    return experiment.bench(experiment.chunks(PAIRS, 8)[0])


def _drawn(experiment: Experiment, density: float, seed: int = 0) -> BoolMatrix:
    upstream = experiment.graph.upstream
    return (np.random.default_rng(seed).random(upstream.shape) < density) & upstream


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("density", [0.0, 0.4, 1.0])
def test_state_equals_the_textbook_forward(family: str, ablation: Ablation, density: float) -> None:
    experiment = _experiment(tiny(family), ablation)
    bench, kept = _bench(experiment), _drawn(experiment, density)
    torch.testing.assert_close(
        State(bench, kept).logits, textbook.logits(bench, kept), atol=2e-5, rtol=1e-4
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_everything_kept_is_the_model_and_nothing_kept_the_corrupt_run(
    family: str,
) -> None:
    adapter = tiny(family)
    experiment = _experiment(adapter)
    full, empty = values(
        experiment, PAIRS, [experiment.graph.upstream, experiment.graph.none()], chunk=3
    )
    for found, side in ((full, "clean"), (empty, "corrupt")):
        for i, pair in enumerate(PAIRS):
            tokens = torch.tensor([getattr(pair, side)])
            with torch.no_grad():
                last = adapter.model(tokens).logits[0, -1]
            wanted = last[list(pair.answers[0])].mean() - last[pair.wrong_answers[0][0]]
            assert found.loss[i] == pytest.approx(-float(wanted), abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("ablation", [Ablation.CORRUPT, Ablation.ZERO])
def test_a_restart_equals_running_without_the_edge(family: str, ablation: Ablation) -> None:
    experiment = _experiment(tiny(family), ablation)
    graph, bench = experiment.graph, _bench(experiment)
    kept = _drawn(experiment, 0.5)
    state = State(bench, kept, restartable=True)
    before = state.loss.clone()
    for receiver in range(graph.n_receivers):
        with Restart(state, receiver) as restart:
            for sender in np.flatnonzero(kept[:, receiver])[::3]:
                without = kept.copy()
                without[sender, receiver] = False
                torch.testing.assert_close(
                    restart.without(int(sender)), State(bench, without).loss, atol=3e-5, rtol=1e-4
                )
    torch.testing.assert_close(state.loss, before)


@pytest.mark.parametrize("family", FAMILIES)
def test_accepted_removals_stay(family: str) -> None:
    experiment = _experiment(tiny(family), Ablation.CORRUPT, Metric.KL)
    graph, bench = experiment.graph, _bench(experiment)
    state = State(bench, graph.upstream, restartable=True)
    rng = np.random.default_rng(1)
    for receiver in reversed(range(graph.n_receivers)):
        with Restart(state, receiver) as restart:
            for sender in reversed(range(int(graph.n_upstream[receiver]))):
                restart.without(sender)
                if rng.random() < 0.6:
                    restart.accept()
    fresh = State(bench, state.kept)
    torch.testing.assert_close(state.loss, fresh.loss, atol=3e-5, rtol=1e-4)
    assert 0.2 < state.kept.sum() / graph.n_edges < 0.6


def test_a_receiver_without_a_path_to_the_logits_costs_nothing() -> None:
    experiment = _experiment(tiny_gpt2())
    kept = experiment.graph.kept(["input->a0.h0<q>", "input->logits"])
    state = State(_bench(experiment), kept, restartable=True)
    with Restart(state, 0) as restart:
        assert not restart.live
        assert (restart.without(0) == restart.loss).all()


def test_values_do_not_depend_on_the_chunk() -> None:
    experiment = _experiment(tiny_gpt2(), Ablation.MEAN)
    kept = _drawn(experiment, 0.5)
    (one,), (other,) = (values(experiment, PAIRS, [kept], chunk=size) for size in (1, 5))
    np.testing.assert_allclose(one.loss, other.loss, atol=1e-5)


def test_nothing_is_computed_before_the_prompts_part_or_the_metric_reads() -> None:
    def start(pairs: tuple[TokenPair, ...], ablation: Ablation = Ablation.CORRUPT) -> int:
        experiment = Experiment(tiny_gpt2(), Metric.KL, AblationSpec(kind=ablation), pairs)
        return experiment.bench(experiment.chunks(pairs, 8)[0]).window.start

    pairs = made_pairs(8, shared=2)
    assert start(pairs) == 2
    assert start(made_pairs(8)) == 0
    assert start(pairs, Ablation.ZERO) == 0
    early = replace(pairs[0], positions=(1,))
    assert start((early, *pairs[1:])) == 1
    assert start(tuple(replace(pair, corrupt=pair.clean) for pair in pairs[::2])) == 5


def test_resample_averages_its_draws() -> None:
    adapter = tiny_gpt2()
    spec = AblationSpec(kind=Ablation.RESAMPLE, draws=3)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, spec, PAIRS, seed=3)
    examples = experiment.ablator.examples(PAIRS)
    assert [found.index for found in examples[:4]] == [0, 0, 0, 1]
    for found in examples:
        assert found.source != found.pair.clean
        assert len(found.source or ()) == len(found.pair.clean)
    (empty,) = values(experiment, PAIRS, [experiment.graph.none()])
    runs = []
    for found in examples[:3]:
        with torch.no_grad():
            last = adapter.model(torch.tensor([found.source])).logits[0, -1]
        pair = found.pair
        runs.append(float(last[pair.wrong_answers[0][0]] - last[list(pair.answers[0])].mean()))
    assert empty.loss[0] == pytest.approx(np.mean(runs), abs=1e-4)


def test_an_mlp_that_no_key_or_value_hangs_on_runs_at_the_metrics_positions_alone() -> None:
    pairs = made_pairs(8, targets=2)
    experiment = Experiment(tiny_gpt2(), Metric.KL, AblationSpec(), pairs)
    bench, graph = experiment.bench(experiment.chunks(pairs, 8)[0]), experiment.graph
    names = "input->m0 m0->m1 m1->logits a0.h0->m1 m0->a1.h0<q> a1.h0->logits input->a1.h0<v>"
    kept = graph.kept(names.split())
    state = State(bench, kept)
    torch.testing.assert_close(state.logits, textbook.logits(bench, kept), atol=2e-5, rtol=1e-4)
    computed = (state.delta.dense[graph.mlp_sender(0)] != 0).any(-1)
    targets = torch.zeros_like(computed).scatter(1, bench.objective.target.positions, True)
    assert computed.any()
    assert not (computed & ~targets).any()


def test_a_chunk_has_room_for_its_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Experiment(
        tiny_gpt2(), Metric.KL, AblationSpec(kind=Ablation.CORRUPT), made_pairs(4)
    )
    usual = experiment.fitting(made_pairs(4))
    large = replace(experiment.adapter.shape, d_vocab=50257)
    monkeypatch.setattr(experiment.adapter, "shape", large)
    fewer = experiment.fitting(made_pairs(4))
    assert 0.8 * 2**30 < fewer * 5 * 50257 * 4 < 2**30
    assert fewer < usual / 10


def test_a_chunk_follows_the_devices_memory_and_the_positions_that_are_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fitting(shared: int, *, tape: bool = False) -> int:
        pairs = made_pairs(4, lengths=(12,), shared=shared)
        experiment = Experiment(tiny_gpt2(), Metric.LOGIT_DIFF, AblationSpec(), pairs)
        return experiment.fitting(pairs, tape=tape)

    for tape in (False, True):
        assert fitting(9, tape=tape) > 3 * fitting(0, tape=tape), "3 of 12 positions"
    usual = fitting(0)
    # An accelerator with 10 GiB free, of which torch has reserved 2 more and uses the half.
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (10 * 2**30, 80 * 2**30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 2 * 2**30)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 2**30)
    assert room(torch.device("cuda", 0)) == 11 * 2**29
    assert room(torch.device("cpu")) == 2**30
    monkeypatch.setattr(tiny_gpt2(), "device", torch.device("cuda", 0))
    assert fitting(0) == pytest.approx(5.5 * usual, rel=0.01)


def test_chunks_are_alike_in_size() -> None:
    experiment = _experiment(tiny_gpt2())
    assert [len(chunk) for chunk in experiment.chunks(PAIRS, 7)] == [4, 4]
    assert [len(chunk) for chunk in experiment.chunks(PAIRS, 3)] == [3, 3, 2]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("ablation", [Ablation.CORRUPT, Ablation.ZERO])
def test_a_state_taken_over_runs_the_layers_that_read_otherwise(
    family: str, ablation: Ablation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ACDC takes states over: edges of ever earlier layers went, in tries that were accepted."""
    experiment = _experiment(tiny(family), ablation, Metric.KL)
    bench, graph = _bench(experiment), experiment.graph
    ran: list[int] = []
    run = Lanes.run

    def watched(lanes: Lanes, step: AttentionStep | MlpStep, *rest: Any) -> HeadValues:
        ran.append(step.layer)
        return run(lanes, step, *rest)

    state = State(bench, graph.upstream, restartable=True)
    rng = np.random.default_rng(3)
    for layer in reversed(range(graph.n_layers)):
        heads = graph.attention_receivers(layer)
        for receiver in (graph.mlp_receiver(layer), heads.start, heads.stop - 1):
            with Restart(state, receiver) as restart:
                gone = int(rng.integers(graph.n_upstream[receiver]))
                restart.without(gone)
                restart.accept()
        with monkeypatch.context() as patch:
            patch.setattr(Lanes, "run", watched)
            state = State(bench, state.kept, restartable=True, instead=state)
        assert min(ran) == layer, "earlier layers read what they read"
        ran.clear()
        fresh = State(bench, state.kept, restartable=True)
        torch.testing.assert_close(state.loss, fresh.loss, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(state.last, fresh.last, atol=1e-6, rtol=1e-5)
        live = graph.live_receivers(state.kept)
        for number in range(graph.n_layers):
            for channel, held in fresh.heads[number].items():
                mine = torch.from_numpy(live[graph.head_receivers(number, channel)])
                now = state.heads[number][channel][:, mine]
                torch.testing.assert_close(now, held[:, mine], atol=1e-6, rtol=1e-5)


def test_a_state_taken_over_for_more_edges_runs_them_all() -> None:
    experiment = _experiment(tiny("llama"))
    bench = _bench(experiment)
    few, many = _drawn(experiment, 0.3), _drawn(experiment, 0.9, seed=1)
    state = State(bench, many, instead=State(bench, few))
    torch.testing.assert_close(state.loss, State(bench, many).loss)
