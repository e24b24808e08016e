"""Attribution equals explicit gradients, finite differences and, where losses are linear, exact."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from discovery.engine import window
from discovery.engine.experiment import Bench, Experiment
from discovery.engine.forward import inputs, run
from discovery.engine.graph import Graph
from discovery.methods.attribution import check_finite
from discovery.methods.eap import eap
from discovery.methods.exact import exact
from discovery.methods.integrated_gradients import eap_ig
from discovery.models import ModelAdapter
from graph_schema.documents import Ablation, AblationSpec, EapIg, Metric
from graph_schema.errors import NonFiniteError
from tests.discovery import textbook
from tests.discovery.cases import made_pairs, tiny_gpt2, tiny_llama
from tests.discovery.models.families import tiny
from tests.discovery.textbook import Textbook, gradient_scores

FAMILIES = ["gpt2", "llama", "neox-parallel", "gemma3"]
"""One of each kind: biases, grouped queries, parallel blocks, post-norms with windows."""
PAIRS = made_pairs(6, targets=2)
TWO_ABLATIONS = [Ablation.CORRUPT, Ablation.MEAN]


def _experiment(
    adapter: ModelAdapter, ablation: Ablation = Ablation.CORRUPT, metric: Metric = Metric.LOGIT_DIFF
) -> Experiment:
    # A mean is taken of at least eight prompts of each length.
    pairs = (*PAIRS, *made_pairs(10, seed=9)) if ablation is Ablation.MEAN else PAIRS
    return Experiment(adapter, metric, AblationSpec(kind=ablation), pairs)


def _bench(experiment: Experiment) -> Bench:
    return experiment.bench(experiment.chunks(PAIRS, len(PAIRS))[0])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("ablation", TWO_ABLATIONS)
@pytest.mark.parametrize("metric", [Metric.LOGIT_DIFF, Metric.PROB_DIFF, Metric.LINEAR])
def test_eap_equals_explicit_gradients(family: str, ablation: Ablation, metric: Metric) -> None:
    experiment = _experiment(tiny(family, torch.float64), ablation, metric)
    wanted = gradient_scores(_bench(experiment)) / len(PAIRS)
    scores = experiment.graph.to_matrix(eap(experiment, PAIRS, chunk=4))
    np.testing.assert_allclose(scores, wanted.numpy(), atol=1e-6)
    assert np.abs(scores).max() > 1e-3


# transformers' RMSNorm computes in float32 whatever the model's dtype: a larger step for Llama.
@pytest.mark.parametrize(
    ("family", "step", "within"), [("gpt2", 1e-5, 1e-6), ("llama", 3e-3, 3e-4)]
)
def test_eap_is_the_slope_of_the_loss_along_an_edge(
    family: str, step: float, within: float
) -> None:
    experiment = _experiment(tiny(family, torch.float64))
    graph, bench = experiment.graph, _bench(experiment)
    scores = graph.to_matrix(eap(experiment, PAIRS))
    rng = np.random.default_rng(0)
    senders, receivers = graph.edges
    for edge in rng.choice(graph.n_edges, 6, replace=False):
        losses: list[float] = []
        for amount in (step, -step):
            nudge = torch.zeros(graph.upstream.shape, dtype=torch.float64)
            nudge[senders[edge], receivers[edge]] = amount
            with torch.no_grad():
                found = Textbook(bench, graph.upstream, nudge).logits()
            losses.append(float(bench.objective.loss(found).mean()))
        slope = (losses[0] - losses[1]) / (2 * step)
        assert scores[senders[edge], receivers[edge]] == pytest.approx(slope, abs=within)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("ablation", TWO_ABLATIONS)
@pytest.mark.parametrize("metric", [Metric.LOGIT_DIFF, Metric.KL])
@pytest.mark.parametrize("endpoint", ["corrupt", "clean"])
def test_eap_ig_averages_gradients_over_the_path(
    family: str, ablation: Ablation, metric: Metric, endpoint: str
) -> None:
    experiment = _experiment(tiny(family, torch.float64), ablation, metric)
    bench, m = _bench(experiment), 3
    first = inputs(experiment.adapter, bench.batch)
    ablated = textbook.ablated(bench)[: len(first)]
    points = range(m) if endpoint == "corrupt" else range(1, m + 1)
    paths = [ablated + (first - ablated) * k / m for k in points]
    steps = [gradient_scores(bench, dict(enumerate(at))) for at in paths]
    wanted = torch.stack(steps).mean(0) / len(PAIRS)
    method = EapIg.model_validate({"steps": m, "endpoint": endpoint})
    scores = experiment.graph.to_matrix(eap_ig(experiment, PAIRS, method, chunk=4))
    np.testing.assert_allclose(scores, wanted.numpy(), atol=1e-6)


def _over_activations(bench: Bench, m: int) -> torch.Tensor:
    """The published loop: a layer's heads at once, its MLP, the input; k = 1 ... m; one mean."""
    experiment = bench.experiment
    graph = experiment.graph
    clean = run(experiment.adapter, graph, bench.batch, experiment.dtype).writes
    ablated = textbook.ablated(bench)
    blocks = [range(graph.n_inputs)]
    for layer in range(graph.n_layers):
        heads, mlp = graph.head_senders(layer), graph.mlp_sender(layer)
        blocks += [range(heads.start, heads.stop), range(mlp, mlp + 1)]
    steps = [
        gradient_scores(bench, {s: k / m * clean[s] + (1 - k / m) * ablated[s] for s in block})
        for block in blocks
        for k in range(1, m + 1)
    ]
    assert len(steps) == (2 * graph.n_layers + 1) * m
    return torch.stack(steps).mean(0)


@pytest.mark.parametrize(
    ("family", "ablation", "metric"),
    [
        ("gpt2", Ablation.MEAN, Metric.KL),
        ("llama", Ablation.CORRUPT, Metric.PROB_DIFF),
        ("neox-parallel", Ablation.ZERO, Metric.LOGIT_DIFF),
        ("gemma3", Ablation.CORRUPT, Metric.LOGIT_DIFF),
        ("olmo2", Ablation.CORRUPT, Metric.LOGIT_DIFF),
        ("gpt2, split", Ablation.CORRUPT, Metric.LOGIT_DIFF),
    ],
)
def test_over_activations_every_edge_takes_the_mean_over_all_layers_paths(
    family: str, ablation: Ablation, metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = tiny(family.removesuffix(", split"), torch.float64)
    monkeypatch.setattr(adapter, "split_embed", family.endswith(", split"))
    experiment = _experiment(adapter, ablation, metric)
    graph, told = experiment.graph, list[tuple[int, int]]()

    def progress(done: int, n_passes: int) -> None:
        told.append((done, n_passes))

    wanted = _over_activations(_bench(experiment), 3) / len(PAIRS)
    method = EapIg(steps=3, over="activations")
    scores = graph.to_matrix(eap_ig(experiment, PAIRS, method, chunk=4, progress=progress))
    np.testing.assert_allclose(scores, wanted.numpy(), atol=1e-6)
    assert np.abs(scores).max() > 1e-3
    n_passes = 2 * (2 * graph.n_layers + 1) * 3
    assert told == [(done, n_passes) for done in range(1, n_passes + 1)], "two chunks"


@pytest.mark.slow
@pytest.mark.parametrize("draws", [1, 2])
def test_scores_of_single_pairs_are_kept_when_asked(draws: int) -> None:
    kind = Ablation.RESAMPLE if draws > 1 else Ablation.CORRUPT
    ablation = AblationSpec(kind=kind, draws=draws)
    experiment = Experiment(tiny_gpt2(), Metric.LOGIT_DIFF, ablation, PAIRS)
    for score in (
        partial(eap, experiment),
        partial(eap_ig, experiment, method=EapIg(steps=2)),
        partial(eap_ig, experiment, method=EapIg(steps=2, over="activations")),
        partial(exact, experiment),
    ):
        kept = np.zeros((len(PAIRS), experiment.graph.n_edges), dtype=np.float32)
        together = score(pairs=PAIRS, chunk=4, per_pair=kept)
        np.testing.assert_allclose(kept.mean(0), together, atol=1e-6)
        if kind is Ablation.CORRUPT:
            np.testing.assert_allclose(kept[3], score(pairs=PAIRS[3:4]), atol=1e-5)


def test_eap_ig_at_the_clean_end_alone_is_eap() -> None:
    experiment = _experiment(tiny_gpt2())
    one = eap_ig(experiment, PAIRS, EapIg(steps=1, endpoint="clean"))
    np.testing.assert_allclose(one, eap(experiment, PAIRS), atol=1e-5)


def test_scores_do_not_depend_on_the_chunk() -> None:
    experiment = _experiment(tiny_llama())
    np.testing.assert_allclose(
        eap(experiment, PAIRS, chunk=1), eap(experiment, PAIRS, chunk=6), atol=1e-5
    )


def test_half_precision_scores_are_summed_in_float32() -> None:
    half = eap(_experiment(tiny_gpt2(dtype=torch.bfloat16, seed=1)), PAIRS)
    single = eap(_experiment(tiny_gpt2(seed=1)), PAIRS)
    assert half.dtype == np.float32
    assert np.corrcoef(half, single)[0, 1] > 0.99


def test_scores_that_are_not_finite_name_an_edge() -> None:
    graph = Graph(1, 1)
    scores = np.zeros(graph.n_edges, dtype=np.float32)
    scores[3] = np.nan
    with pytest.raises(NonFiniteError, match="first at input->m0"):
        check_finite(graph, scores)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("over", ["eap", "inputs", "activations"])
def test_what_comes_before_the_prompts_part_is_computed_once(
    family: str, over: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = made_pairs(6, lengths=(7, 5), targets=2, shared=2)
    experiment = Experiment(tiny(family), Metric.LOGIT_DIFF, AblationSpec(), pairs)

    def scores() -> NDArray[np.float32]:
        if over == "eap":
            return eap(experiment, pairs, chunk=3)
        method = EapIg.model_validate({"steps": 2, "over": over})
        return eap_ig(experiment, pairs, method, chunk=3)

    ran: list[int] = []
    adapter, mlp = experiment.adapter, experiment.adapter.mlp

    def counted(layer: int, x: torch.Tensor) -> torch.Tensor:
        ran.append(x.shape[:-1].numel())
        return mlp(layer, x)

    monkeypatch.setattr(adapter, "mlp", counted)
    found, narrow = scores(), sum(ran)
    ran.clear()
    monkeypatch.setattr(window, "first_difference", lambda _: 0)
    np.testing.assert_allclose(found, scores(), atol=2e-6)
    shares = {"eap": 0.8, "inputs": 0.75, "activations": 0.7}
    assert narrow < shares[over] * sum(ran), "a third of the positions is left out"
