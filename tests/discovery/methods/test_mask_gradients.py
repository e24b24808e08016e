"""Scores by an edge's share, and two-leg scores, against the textbook's own derivatives."""

from __future__ import annotations

from functools import cache
from importlib import import_module

import numpy as np
import pytest
import torch

from discovery.dictionaries.neurons import NeuronBasis
from discovery.engine.experiment import Bench, Experiment
from discovery.engine.splice import Splice
from discovery.known.recovery import mean_gap
from discovery.methods.eap import eap
from discovery.methods.exact import exact
from discovery.methods.mask_gradients import attribution, mask_ig
from discovery.methods.masked_run import MaskedRun
from discovery.methods.sender_scores import sender_scores
from discovery.methods.two_leg import two_leg
from discovery.models import ModelAdapter
from graph_schema.documents import AblationSpec, Metric
from graph_schema.documents.dictionary import Place, Site
from tests.discovery import textbook_splice
from tests.discovery.cases import made_pairs
from tests.discovery.dictionaries_made import made, splices
from tests.discovery.models.families import FAMILIES, tiny

KINDS = ["gpt2", "llama-biased", "neox-parallel", "gemma3", "olmo2"]
PAIRS = made_pairs(4, targets=2, shared=1)
# As modules: functions of the same names are elsewhere.
MASKED_RUN = import_module("discovery.methods.masked_run")
TWO_LEG = import_module("discovery.methods.two_leg")


def _nothing(*_: object) -> None:
    """No closed form is known."""


@cache
def _experiment(family: str, metric: Metric = Metric.LOGIT_DIFF) -> Experiment:
    adapter = tiny(family, torch.float64)
    return Experiment(adapter, metric, AblationSpec(), PAIRS, splices=splices(adapter))


@cache
def _bench(experiment: Experiment) -> Bench:
    return experiment.bench(experiment.chunks(PAIRS, 4)[0])


def _some_edges(experiment: Experiment, n: int) -> list[tuple[int, int]]:
    """Drawn edges, one into the logits among them."""
    graph = experiment.graph
    senders, receivers = graph.edges
    rng = np.random.default_rng(0)
    chosen = rng.permutation(graph.n_edges)[:n]
    found = list(zip(senders[chosen].tolist(), receivers[chosen].tolist(), strict=True))
    return [*found, (int(rng.integers(graph.n_senders)), graph.logits)]


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_masks_gradient_is_that_of_autograd(family: str) -> None:
    """At share .6, every edge masked: the engine's way against a mask of its own for each edge."""
    experiment, share = _experiment(family, Metric.KL), 0.6
    bench, graph = _bench(experiment), experiment.graph
    book = textbook_splice.Spliced(experiment.adapter, splices(experiment.adapter))
    with torch.no_grad():
        ablated = textbook_splice.ablated(book, bench, PAIRS)
    names = graph.names()
    masks = torch.full((len(names),), share, dtype=torch.float64, requires_grad=True)
    by_name = dict(zip(names, masks.unbind(), strict=True))
    logits = textbook_splice.logits(book, bench, None, ablated, by_name)
    (wanted,) = torch.autograd.grad(bench.objective.loss(logits).sum(), masks)
    found = torch.zeros(graph.n_senders, graph.n_receivers, dtype=torch.float64)
    run = MaskedRun(bench, share)
    for receivers, grads in run.gradients(np.ones(graph.n_receivers, dtype=np.bool_)):
        found[:, receivers] = run.contract(receivers, grads)
    each = torch.from_numpy(graph.to_list(found.numpy()))
    # Norms of some families compute in float32 whatever the dtype.
    torch.testing.assert_close(each, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("family", ["gpt2", "neox-parallel", "gemma3"])
def test_without_dictionaries_attribution_is_edge_attribution_patching(family: str) -> None:
    experiment = Experiment(tiny(family), Metric.LOGIT_DIFF, AblationSpec(), PAIRS)
    np.testing.assert_allclose(attribution(experiment, PAIRS), eap(experiment, PAIRS), atol=2e-6)


@pytest.mark.parametrize("family", KINDS)
def test_parts_rest_and_error_sum_to_the_components_edges(family: str) -> None:
    """Raw writes: where a dictionary lies past a norm, differences do not go through its slope."""
    adapter = tiny(family, torch.float64)
    mlp = Site(reads=Place.MLP_OUT, writes=Place.MLP_OUT, layer=0)
    head = Site(reads=Place.HEAD_OUT, writes=Place.HEAD_OUT, layer=1, head=1)
    cuts = (
        Splice(made(adapter, mlp, top=3), (1, 4, 6)),
        Splice(made(adapter, head, seed=1), (2, 5)),
    )
    whole = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), PAIRS)
    split = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), PAIRS, splices=cuts)
    wanted = whole.graph.to_matrix(attribution(whole, PAIRS))
    found = split.graph.to_matrix(attribution(split, PAIRS))
    total = np.zeros_like(wanted)
    senders = {name: i for i, name in enumerate(whole.graph.sender_names)}
    receivers = {name: i for i, name in enumerate(whole.graph.receiver_names)}
    for sender, name in enumerate(split.graph.sender_names):
        for receiver, (reader, channel) in enumerate(split.graph.receivers):
            into = _whole(reader) + (f"<{channel.value}>" if channel != "r" else "")
            total[senders[_whole(name)], receivers[into]] += found[sender, receiver]
    np.testing.assert_allclose(total, wanted, atol=1e-6, rtol=1e-5)


def _whole(part: str) -> str:
    return part.rpartition(".")[0] if part.rpartition(".")[2][0] in "fnre" else part


@pytest.mark.parametrize(("family", "metric"), [("gpt2", Metric.KL), ("gemma3", Metric.LOGIT_DIFF)])
def test_scores_over_the_mask_sum_to_what_everything_does(family: str, metric: Metric) -> None:
    experiment = _experiment(family, metric)
    wanted = mean_gap(experiment, PAIRS)
    found = float(mask_ig(experiment, PAIRS, steps=24).sum())
    assert found == pytest.approx(wanted, rel=2e-3)


@pytest.mark.parametrize("family", KINDS)
def test_a_two_leg_score_is_the_parts_change_along_the_losss_gradient(family: str) -> None:
    experiment = _experiment(family)
    bench, graph = _bench(experiment), experiment.graph
    book = textbook_splice.Spliced(experiment.adapter, splices(experiment.adapter))
    with torch.no_grad():
        ablated = textbook_splice.ablated(book, bench, PAIRS)
        clean = book.run(bench.batch)[0]
    scores = graph.to_matrix(two_leg(experiment, PAIRS))
    every = set(graph.names())
    for sender, receiver in _some_edges(experiment, 6):
        kept = every - {graph.edge(sender, receiver).name}
        if receiver == graph.logits:
            continue
        part = graph.receivers[receiver][0]
        with torch.no_grad():
            moved = book.run(bench.batch, kept, ablated)[0][part]
        probe = torch.zeros_like(moved, requires_grad=True)
        logits = textbook_splice.logits(book, bench, None, ablated, plus={part: probe})
        (slope,) = torch.autograd.grad(bench.objective.loss(logits).sum(), probe)
        wanted = float(((moved - clean[part]) * slope).sum()) / len(PAIRS)
        assert scores[sender, receiver] == pytest.approx(wanted, abs=1e-6, rel=1e-4)


def test_into_the_logits_a_two_leg_score_is_exact() -> None:
    experiment = _experiment("gemma3")
    graph = experiment.graph
    only = graph.none()
    only[:, graph.logits] = True
    found = two_leg(experiment, PAIRS, only=only)
    np.testing.assert_allclose(found, exact(experiment, PAIRS, only=only), atol=1e-6)
    assert np.count_nonzero(found) > graph.n_senders // 2


@pytest.mark.parametrize("family", ["gpt2", "neox-parallel", "gemma3"])
@pytest.mark.parametrize("steps", [0, 3])
def test_a_senders_score_is_the_sum_of_its_edges(family: str, steps: int) -> None:
    experiment = _experiment(family)
    edges = attribution(experiment, PAIRS) if not steps else mask_ig(experiment, PAIRS, steps=steps)
    wanted = experiment.graph.to_matrix(edges).sum(1)
    found = sender_scores(experiment, PAIRS, steps=steps)
    np.testing.assert_allclose(found, wanted, atol=2e-6, rtol=1e-5)


def _transcoders(adapter: ModelAdapter) -> tuple[Splice, ...]:
    """What units read through a norm and rows: competing, past the scale alone, past no norm."""
    past = Place.MLP_ADDED if adapter.post_norms else Place.MLP_OUT
    first = Site(reads=Place.MLP_IN, writes=past, layer=0)
    reads = Place.RESID_MID if adapter.closed_form(1, "mlp") is None else Place.MLP_UNIT
    second = Site(reads=reads, writes=Place.MLP_OUT, layer=1)
    return (
        Splice(made(adapter, first, seed=11, top=4, skip=True), (0, 3, 4, 9)),
        Splice(made(adapter, second, seed=12), (1, 2, 5)),
    )


@pytest.mark.parametrize("family", KINDS)
def test_units_that_read_through_rows_are_as_by_a_run_each(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inner products against one backward pass a unit, and one run of the MLP a sender."""
    adapter = tiny(family, torch.float64)
    cuts = (*_transcoders(adapter), *splices(adapter)[:2])
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), PAIRS, splices=cuts)
    fast = attribution(experiment, PAIRS), two_leg(experiment, PAIRS)
    monkeypatch.setattr(MASKED_RUN, "unit_reads", _nothing)
    monkeypatch.setattr(TWO_LEG, "unit_reads", _nothing)
    monkeypatch.setattr(TWO_LEG, "neuron_reads", _nothing)
    slow = attribution(experiment, PAIRS), two_leg(experiment, PAIRS)
    for mine, theirs in zip(fast, slow, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6, rtol=1e-5)
        assert np.abs(mine).max() > 1e-2


@pytest.mark.parametrize("family", ["gpt2", "llama-biased", "gemma3"])
def test_whole_mlps_and_neurons_two_legs_are_as_by_a_run_each(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = tiny(family, torch.float64)
    cuts = (Splice(NeuronBasis(adapter, 1), (0, 5, 3, 9)),)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), PAIRS, splices=cuts)
    only = experiment.graph.upstream.copy()
    # Some receivers alone: their rows are all that is read.
    only[:, experiment.graph.mlp_receivers(1).stop - 1] = False
    fast = two_leg(experiment, PAIRS), two_leg(experiment, PAIRS, only=only)
    monkeypatch.setattr(TWO_LEG, "neuron_reads", _nothing)
    slow = two_leg(experiment, PAIRS), two_leg(experiment, PAIRS, only=only)
    for mine, theirs in zip(fast, slow, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6, rtol=1e-5)
