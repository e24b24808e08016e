"""Tries made in one go equal tries made one by one, and leave what was accepted alone."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from discovery.engine import state as state_module
from discovery.engine.experiment import Bench, Experiment
from discovery.engine.restart import POSITIONS, ROWS, Restart
from discovery.engine.state import State
from graph_schema.documents import Ablation, AblationSpec, Metric
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import tiny

FAMILIES = ["gpt2", "llama", "neox-parallel", "gemma3"]
"""One of each kind: biases, grouped queries, parallel blocks, post-norms with windows."""
PAIRS = made_pairs(8)


def _bench(family: str, metric: Metric = Metric.KL) -> Bench:
    """Where keys and values are patched by group."""
    experiment = Experiment(tiny(family), metric, AblationSpec(), PAIRS, receivers="kv_group")
    return experiment.bench(experiment.chunks(PAIRS, 8)[0])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gone", [False, True])
def test_several_tries_equal_running_without_each_edge(family: str, gone: bool) -> None:
    bench = _bench(family)
    graph = bench.experiment.graph
    state = State(bench, graph.upstream, restartable=True)
    before, delta = state.loss.clone(), state.delta.dense.clone()
    for unit in [*graph.units[::4], graph.units[-1]]:
        senders = np.flatnonzero(graph.upstream[:, unit[0]])[::-1][:3].tolist()
        with Restart(state, *unit) as restart:
            losses = restart.ahead(senders, gone=gone)
        without = graph.upstream.copy()
        for number, loss in enumerate(losses):
            if not gone:
                without = graph.upstream.copy()
            without[senders[number], unit] = False
            torch.testing.assert_close(loss, State(bench, without).loss, atol=3e-5, rtol=1e-4)
    assert (state.loss == before).all()
    assert (state.delta.dense == delta).all()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("at_once", [1, 2, 9])
def test_what_is_accepted_of_several_tries_stays_and_nothing_else(
    family: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the lanes hold a part of the tries: what they hold last was not accepted last."""
    monkeypatch.setattr(Restart, "_most_lanes", lambda _: at_once)
    bench = _bench(family)
    graph, rng = bench.experiment.graph, np.random.default_rng(1)
    state = State(bench, graph.upstream, restartable=True)
    for unit in reversed(graph.units):
        with Restart(state, *unit) as restart:
            senders = np.flatnonzero(graph.upstream[:, unit[0]])[::-1].tolist()
            while senders:
                together, gone = senders[:3], bool(rng.random() < 0.5)
                losses = restart.ahead(together, gone=gone)
                # The first `right` come to what was said, the one after them to the opposite.
                right = int(rng.integers(len(together) + 1))
                accepted = range(right) if gone else range(right, min(right + 1, len(together)))
                for number in accepted:
                    restart.accept(number)
                    assert (restart.loss == losses[number]).all()
                senders = senders[right + 1 :]
    fresh = State(bench, state.kept)
    torch.testing.assert_close(state.loss, fresh.loss, atol=3e-5, rtol=1e-4)
    torch.testing.assert_close(state.last, fresh.last, atol=3e-5, rtol=1e-4)
    live = torch.from_numpy((state.kept & graph.live_receivers(state.kept)).any(axis=1))
    mine, theirs = (bench.window.at_targets(each.delta.dense[live]) for each in (state, fresh))
    torch.testing.assert_close(mine, theirs, atol=3e-5, rtol=1e-4)
    assert 0.3 < state.kept.sum() / graph.n_edges < 0.7


def test_as_many_tries_are_made_in_one_go_as_share_a_products_cost() -> None:
    # 8 examples of 6 positions, one of which the metric reads; the logits hang on that one alone.
    for metric, at_logits, at_a_head in (
        (Metric.KL, ROWS // 8, ROWS // 8),
        (Metric.LOGIT_DIFF, POSITIONS // 8, POSITIONS // 48),
    ):
        bench = _bench("gpt2", metric)
        graph = bench.experiment.graph
        every = State(bench, graph.upstream, restartable=True)
        for receiver, wanted in ((graph.logits, at_logits), (0, at_a_head)):
            with Restart(every, receiver) as restart:
                assert restart.width == wanted
        with Restart(State(bench, graph.none(), restartable=True), 0) as restart:
            assert restart.width == 1, "a dead receiver's tries cost nothing"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("ablation", [Ablation.CORRUPT, Ablation.ZERO])
@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_tries_side_by_side_equal_tries_one_after_the_other(
    family: str, ablation: Ablation, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Padded prompts that begin alike, some edges gone, in windows and without."""
    pairs = made_pairs(4, lengths=(7, 5), targets=2, shared=2)
    experiment = Experiment(tiny(family), Metric.KL, AblationSpec(kind=ablation), pairs)
    graph, bench = experiment.graph, experiment.bench(experiment.chunks(pairs, 4)[0])
    rng = np.random.default_rng(2)
    kept = graph.upstream & (rng.random(graph.upstream.shape) < 0.8)
    state, alone = (State(bench, kept, restartable=True) for _ in range(2))
    monkeypatch.setattr(Restart, "_most_lanes", lambda _: at_once)
    for receiver in reversed(range(graph.n_receivers)):
        senders = np.flatnonzero(kept[:, receiver])[::-1][:5].tolist()
        with Restart(state, receiver) as together, Restart(alone, receiver) as single:
            if not senders:
                continue
            losses = together.ahead(senders, gone=True)
            for number, sender in enumerate(senders):
                torch.testing.assert_close(
                    losses[number], single.without(sender), atol=3e-5, rtol=1e-4
                )
                # Some stay, some go: of the lanes the state takes the one accepted last.
                if number < 3:
                    single.accept()
                    together.accept(number)
                else:
                    break
    torch.testing.assert_close(state.loss, alone.loss, atol=3e-5, rtol=1e-4)
    assert (state.kept == alone.kept).all()


def test_indices_are_made_once_for_all_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = _bench("gpt2", Metric.LOGIT_DIFF)
    graph, adapter = bench.experiment.graph, bench.experiment.adapter
    state = State(bench, graph.upstream, restartable=True)

    def tried() -> None:
        for unit in graph.units:
            with Restart(state, *unit) as restart:
                restart.without(0)

    tried()
    made: list[object] = []
    with monkeypatch.context() as watched:
        watched.setattr(torch, "tensor", lambda *told, **_: made.append(told))
        assert adapter.index([1, 2]) == slice(1, 3)
        for heads in ([0, 2], [0], [0, 1, 2]):
            assert adapter.index(heads) is adapter.index(heads)
    assert not made


@pytest.mark.parametrize("family", FAMILIES)
def test_a_chunk_of_one_example_restarts_too(family: str) -> None:
    """What is held and does not move is a view of where it would be put back."""
    experiment = Experiment(tiny(family), Metric.KL, AblationSpec(), PAIRS)
    graph, bench = experiment.graph, experiment.bench(experiment.chunks(PAIRS[:1], 1)[0])
    state = State(bench, graph.upstream, restartable=True)
    for receiver in reversed(range(graph.n_receivers)):
        with Restart(state, receiver) as restart:
            restart.without(0)
            restart.accept()
    fresh = State(bench, state.kept)
    torch.testing.assert_close(state.loss, fresh.loss, atol=3e-5, rtol=1e-4)


def _room(size: int, device: torch.device) -> int:
    return size


def test_lanes_take_a_quarter_of_the_room_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = _bench("gpt2", Metric.LOGIT_DIFF)
    graph = bench.experiment.graph
    state = State(bench, graph.upstream, restartable=True)
    widths: list[int] = []
    for size in (2**30, 2**20, 2**10):
        monkeypatch.setattr(state_module, "room", partial(_room, size))
        with Restart(state, 0) as restart:
            widths.append(restart.width)
    assert widths[0] == POSITIONS // 48
    assert widths[0] > widths[1] > widths[2] == 1


def test_a_try_that_was_not_accepted_is_never_taken_for_one_that_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first of three is accepted and no longer in the lanes; a single later one is not."""
    monkeypatch.setattr(Restart, "_most_lanes", lambda _: 1)
    bench = _bench("gpt2")
    graph = bench.experiment.graph
    state = State(bench, graph.upstream, restartable=True)
    with Restart(state, graph.mlp_receiver(0)) as restart:
        restart.ahead([2, 1, 3], gone=True)
        restart.accept(0)
        restart.without(0)
    fresh = State(bench, state.kept)
    torch.testing.assert_close(state.delta.dense, fresh.delta.dense, atol=1e-5, rtol=1e-4)
