"""Scores of all units at once against units as senders, finite differences, and the sum rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from discovery.dictionaries.neurons import NeuronBasis
from discovery.dictionaries.protocol import Dictionary
from discovery.engine.experiment import Experiment
from discovery.engine.forward import add_const
from discovery.engine.splice import Splice
from discovery.known.recovery import mean_gap
from discovery.methods.candidates import choose
from discovery.methods.node_scores import UnitScores, unit_scores
from discovery.methods.sender_scores import sender_scores
from discovery.models import ModelAdapter
from graph_schema.documents import Ablation, AblationSpec, Metric
from graph_schema.documents.dictionary import Place, Site
from graph_schema.errors import SpecError
from tests.discovery.cases import made_pairs
from tests.discovery.dictionaries_made import made, other_splices, splices
from tests.discovery.models.families import FAMILIES, tiny

PAIRS = made_pairs(6, targets=2, shared=1)
OTHERS = made_pairs(12, seed=9)


def _experiment(
    family: str,
    cuts: tuple[Splice, ...] = (),
    *,
    ablation: Ablation = Ablation.CORRUPT,
    metric: Metric = Metric.LOGIT_DIFF,
) -> Experiment:
    pairs = PAIRS if ablation is Ablation.CORRUPT else (*PAIRS, *OTHERS)
    adapter = tiny(family, torch.float64)
    return Experiment(adapter, metric, AblationSpec(kind=ablation), pairs, splices=cuts)


def _all_units(adapter: ModelAdapter) -> tuple[Splice, ...]:
    return tuple(
        Splice(each.dictionary, tuple(range(each.dictionary.document.width)))
        for each in splices(adapter)
    )


def _as_senders(
    experiment: Experiment, found: UnitScores, cuts: tuple[Splice, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of spliced units and whole heads as senders have them, and as all at once has them."""
    graph = experiment.graph
    theirs = {name: number for number, name in enumerate(graph.sender_names)}
    pairs = [
        (theirs[name], scores[unit])
        for cut, scores in zip(cuts, found.units, strict=True)
        for name, unit in zip(cut.split.parts, cut.units, strict=False)
    ]
    pairs += [
        (theirs[f"a{layer}.h{head}"], score)
        for (layer, head), score in np.ndenumerate(found.heads)
        if f"a{layer}.h{head}" in theirs
    ]
    numbers, values = zip(*pairs, strict=True)
    return np.array(numbers), np.array(values)


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("steps", [0, 3])
def test_all_at_once_is_what_units_have_as_senders(family: str, steps: int) -> None:
    cuts = _all_units(tiny(family, torch.float64))
    spliced = _experiment(family, cuts)
    wanted = sender_scores(spliced, PAIRS, steps=steps)
    whole = _experiment(family)
    by = "ig" if steps else "gradient"
    dictionaries = [cut.dictionary for cut in cuts]
    found = unit_scores(whole, dictionaries, PAIRS, by=by, steps=steps, chunk=4)
    numbers, values = _as_senders(spliced, found, cuts)
    assert np.abs(values).max() > 1e-2
    np.testing.assert_allclose(values, wanted[numbers], atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "llama-biased", "olmo2"])
def test_at_other_places_too(family: str) -> None:
    cuts = other_splices(tiny(family, torch.float64))
    spliced = _experiment(family, cuts)
    wanted = sender_scores(spliced, PAIRS, steps=2)
    dictionaries = [cut.dictionary for cut in cuts]
    found = unit_scores(_experiment(family), dictionaries, PAIRS, by="ig", steps=2)
    theirs = {name: number for number, name in enumerate(spliced.graph.sender_names)}
    for cut, scores in zip(cuts, found.units, strict=True):
        for name, unit in zip(cut.split.parts, cut.units, strict=False):
            assert scores[unit] == pytest.approx(wanted[theirs[name]], abs=2e-6, rel=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "gemma3", "neox-parallel"])
@pytest.mark.parametrize("ablation", [Ablation.MEAN, Ablation.ZERO, Ablation.RESAMPLE])
def test_under_every_ablation(family: str, ablation: Ablation) -> None:
    cuts = _all_units(tiny(family, torch.float64))
    spliced = _experiment(family, cuts, ablation=ablation)
    wanted = sender_scores(spliced, PAIRS, steps=2)
    whole = _experiment(family, ablation=ablation)
    dictionaries = [cut.dictionary for cut in cuts]
    found = unit_scores(whole, dictionaries, PAIRS, by="ig", steps=2, chunk=4)
    numbers, values = _as_senders(spliced, found, cuts)
    np.testing.assert_allclose(values, wanted[numbers], atol=2e-6, rtol=1e-5)


def _neurons(adapter: ModelAdapter) -> list[Dictionary]:
    return [NeuronBasis(adapter, layer) for layer in range(adapter.shape.n_layers)]


def _total(found: UnitScores) -> float:
    return float(sum(each.sum() for each in (*found.units, found.heads, found.inputs)))


@pytest.mark.parametrize(("family", "metric"), [("gpt2", Metric.KL), ("gemma3", Metric.LOGIT_DIFF)])
def test_integrated_gradients_sum_to_what_everything_does(family: str, metric: Metric) -> None:
    whole = _experiment(family, metric=metric)
    found = unit_scores(whole, _neurons(whole.adapter), PAIRS, by="ig", steps=64)
    assert _total(found) == pytest.approx(mean_gap(whole, PAIRS), rel=2e-3)


# Finite differences, of the plain gradient.


@pytest.mark.parametrize("family", ["gpt2", "gemma3"])
def test_a_small_step_of_one_neuron_changes_the_loss_by_its_score(family: str) -> None:
    pairs = made_pairs(2, lengths=(5,))
    adapter = tiny(family, torch.float64)
    experiment = Experiment(
        adapter, Metric.LOGIT_DIFF, AblationSpec(kind=Ablation.ZERO), pairs, splices=()
    )
    found = unit_scores(experiment, _neurons(adapter), pairs, by="gradient")
    down, unit, step = adapter.mlp_weights(0).down, 3, 5e-3

    @torch.no_grad()
    def loss() -> float:
        total = 0.0
        for pair in pairs:
            logits = adapter.own_logits(pair.clean, 1)[0]
            total += float(logits[pair.wrong_answers[0][0]] - logits[list(pair.answers[0])].mean())
        return total / len(pairs)

    kept = down[unit].clone()
    try:
        with torch.no_grad():
            down[unit] = kept * (1 - step)
        less = loss()
        with torch.no_grad():
            down[unit] = kept * (1 + step)
        more = loss()
    finally:
        with torch.no_grad():
            down[unit] = kept
    assert found.units[0][unit] == pytest.approx((less - more) / (2 * step), rel=1e-3, abs=1e-5)


def test_the_size_of_a_coefficient_is_its_mean_over_real_positions() -> None:
    pairs = made_pairs(4, lengths=(6, 4))
    adapter = tiny("gpt2", torch.float64)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), pairs)
    found = unit_scores(experiment, [NeuronBasis(adapter, 0)], pairs)
    values = []
    for pair in pairs:
        batch = adapter.batch(torch.tensor([pair.clean]))
        x = adapter.embed(batch)
        normed = adapter.norm(0, "attn", x)
        q, k, v = (adapter.project(batch, 0, c, normed) for c in ("q", "k", "v"))
        attn = adapter.attn_sum(0, adapter.mix(batch, 0, q, k, v))
        attn = add_const(adapter, 0, attn)
        values.append(adapter.mlp_weights(0).neurons(adapter.norm(0, "mlp", x + attn))[0])
    wanted = torch.cat(values).abs().mean(0)
    np.testing.assert_allclose(found.activity[0], wanted.detach(), rtol=1e-5)


def test_what_cannot_be_scored_is_refused() -> None:
    adapter = tiny("gpt2", torch.float64)
    kl = _experiment("gpt2", metric=Metric.KL)
    with pytest.raises(SpecError, match="'ig'"):
        unit_scores(kl, _neurons(adapter), PAIRS, by="relp")
    stream = made(adapter, Site(reads=Place.RESID_POST, writes=Place.RESID_POST, layer=0))
    far = made(adapter, Site(reads=Place.MLP_OUT, writes=Place.MLP_OUT, layer=7))
    for dictionary, says in ((stream, "residual stream"), (far, "layer 7")):
        with pytest.raises(SpecError, match=says):
            unit_scores(_experiment("gpt2"), [dictionary], PAIRS)


# Candidates.


def test_the_largest_in_size_are_chosen_ties_by_place() -> None:
    scores = [np.array([0.5, -2.0, 0.0]), np.array([2.0, 0.5, -0.5])]
    assert choose(scores, 2) == [(1,), (0,)]
    assert choose(scores, 3) == [(0, 1), (0,)]
    assert choose(scores, 99) == [(0, 1), (0, 1, 2)]
    assert choose(scores, 1, per="layer") == [(1,), (0,)]
    assert choose(scores, 0) == [(), ()]
    assert choose([], 3) == []
