"""Dictionaries spliced in: the output is the model's, and any kept set is the textbook's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import torch

from discovery.engine.experiment import Bench, Experiment
from discovery.engine.forward import graph_of, run
from discovery.engine.graph import BoolMatrix
from discovery.engine.restart import Restart
from discovery.engine.splice import Splice
from discovery.engine.state import State
from discovery.tasks.base import TokenPair
from graph_schema.documents import Ablation, AblationSpec, Metric
from graph_schema.documents.dictionary import Place, Site
from graph_schema.errors import SpecError
from tests.discovery import textbook_splice
from tests.discovery.cases import made_pairs
from tests.discovery.dictionaries_made import made, other_splices, splices
from tests.discovery.models.families import FAMILIES, tiny

KINDS = ["gpt2", "llama-biased", "neox-parallel", "gemma3", "olmo2"]
"""Biases, grouped queries, parallel blocks, windows, norms after sublayers and over all queries."""
PAIRS = made_pairs(6, targets=2, shared=1)


def _discovery(ablation: Ablation) -> tuple[TokenPair, ...]:
    return (*PAIRS, *made_pairs(12, seed=9)) if ablation is not Ablation.CORRUPT else PAIRS


@cache
def _experiment(
    family: str, ablation: Ablation = Ablation.CORRUPT, dtype: torch.dtype = torch.float64
) -> Experiment:
    adapter = tiny(family, dtype)
    spec = AblationSpec(kind=ablation)
    pairs = _discovery(ablation)
    return Experiment(adapter, Metric.LOGIT_DIFF, spec, pairs, splices=splices(adapter))


@cache
def _bench(experiment: Experiment) -> Bench:
    return experiment.bench(experiment.chunks(PAIRS, 4)[0])


def _drawn(experiment: Experiment, density: float, seed: int = 0) -> BoolMatrix:
    upstream = experiment.graph.upstream
    return (np.random.default_rng(seed).random(upstream.shape) < density) & upstream


@pytest.mark.parametrize("family", KINDS)
def test_parts_sum_to_what_their_component_writes(family: str) -> None:
    experiment = _experiment(family)
    adapter, graph, batch = experiment.adapter, experiment.graph, _bench(experiment).batch
    whole = graph_of(adapter)
    wanted = run(adapter, whole, batch, adapter.dtype)
    found = run(adapter, graph, batch, adapter.dtype, basis=experiment.basis)
    torch.testing.assert_close(found.resid, wanted.resid)
    numbers = dict(zip(whole.sender_names, range(whole.n_senders), strict=True))
    for site in graph.sites:
        dense, directed = graph.blocks(site.senders)
        total = found.writes[dense].sum(0)
        units = found.units[directed].movedim(0, -1)
        total = total + units @ experiment.basis.directions[directed]
        names = [f"{site.name}.h{head}" for head in site.heads]
        if len(names) < 2:
            names = [site.name]
        component = torch.stack([wanted.writes[numbers[name]] for name in names]).sum(0)
        sublayer = "attn" if site.heads else "mlp"
        if site.layer >= 0 and experiment.basis.past_norm(site.layer, sublayer):
            component = adapter.post_norm(site.layer, sublayer, component)
        torch.testing.assert_close(total, component, atol=1e-12, rtol=1e-10)


def _equals_textbook(
    experiment: Experiment, density: float, cuts: Sequence[Splice] | None = None
) -> None:
    bench, kept = _bench(experiment), _drawn(experiment, density)
    book = textbook_splice.Spliced(experiment.adapter, cuts or splices(experiment.adapter))
    ablated = textbook_splice.ablated(book, bench, _discovery(experiment.ablator.kind))
    names = set(experiment.graph.names(kept))
    with torch.no_grad():
        wanted = textbook_splice.logits(book, bench, names, ablated)
    torch.testing.assert_close(State(bench, kept).logits, wanted, atol=1e-9, rtol=1e-8)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_kept_set_equals_the_textbook_in_every_family(family: str) -> None:
    _equals_textbook(_experiment(family), 0.6)


@pytest.mark.parametrize("family", ["gpt2", "llama-biased", "olmo2"])
def test_a_kept_set_equals_the_textbook_at_other_places(family: str) -> None:
    adapter = tiny(family, torch.float64)
    cuts = other_splices(adapter)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), PAIRS, splices=cuts)
    _equals_textbook(experiment, 0.6, cuts)


@pytest.mark.parametrize("family", ["gpt2", "gemma3"])
@pytest.mark.parametrize("ablation", [Ablation.ZERO, Ablation.MEAN, Ablation.RESAMPLE])
def test_a_kept_set_equals_the_textbook_under_every_ablation(
    family: str, ablation: Ablation
) -> None:
    _equals_textbook(_experiment(family, ablation), 0.6)


@pytest.mark.parametrize("family", KINDS)
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_everything_kept_is_the_model_and_nothing_kept_the_corrupt_run(
    family: str, dtype: torch.dtype, atol: float
) -> None:
    experiment = _experiment(family, dtype=dtype)
    adapter, graph = tiny(family, dtype), experiment.graph
    bench = _bench(experiment)
    for kept, side in ((graph.upstream, "clean"), (graph.none(), "corrupt")):
        found = State(bench, kept).logits
        for example, row in zip(bench.examples, found, strict=True):
            tokens = torch.tensor([getattr(example.pair, side)])
            with torch.no_grad():
                wanted = adapter.model(tokens).logits[0, list(example.pair.positions)]
            scale = float(wanted.abs().max())
            torch.testing.assert_close(row, wanted, atol=atol * max(1.0, scale), rtol=0)


@pytest.mark.parametrize(
    ("family", "density"),
    [
        ("gpt2", 1.0),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("neox-parallel", 0.7), ("gemma3", 0.7), ("olmo2", 1.0))
        ),
    ],
)
def test_a_restart_equals_running_anew(family: str, density: float) -> None:
    experiment = _experiment(family)
    bench, graph, kept = _bench(experiment), experiment.graph, _drawn(experiment, density)
    state = State(bench, kept, restartable=True)
    rng = np.random.default_rng(3)
    for receiver in rng.permutation(graph.n_receivers)[:12].tolist():
        senders = np.flatnonzero(kept[:, receiver])
        if not len(senders):
            continue
        tried = rng.permutation(senders)[:3].tolist()
        with Restart(state, receiver) as restart:
            for sender, loss in zip(tried, restart.each(tried), strict=True):
                without = kept.copy()
                without[sender, receiver] = False
                wanted = State(bench, without).loss
                torch.testing.assert_close(loss, wanted, atol=1e-9, rtol=1e-8)


@pytest.mark.parametrize("family", ["llama-biased", "gemma3"])
def test_accepted_removals_leave_the_state_of_what_is_kept(family: str) -> None:
    experiment = _experiment(family)
    bench, graph = _bench(experiment), experiment.graph
    state = State(bench, graph.upstream, restartable=True)
    rng = np.random.default_rng(4)
    for receiver in reversed(range(0, graph.n_receivers, 3)):
        senders = np.flatnonzero(state.kept[:, receiver])
        with Restart(state, receiver) as restart:
            for sender in rng.permutation(senders)[: 1 + len(senders) // 2].tolist():
                restart.without(sender)
                restart.accept()
    fresh = State(bench, state.kept, restartable=True)
    torch.testing.assert_close(state.loss, fresh.loss, atol=1e-9, rtol=1e-8)
    live = graph.live_receivers(state.kept)
    written = np.zeros(graph.n_senders, dtype=np.bool_)
    written[graph.writer[live & (graph.writer >= 0)]] = True
    spread = graph.spread_senders(state.kept) & written
    for mine, theirs, of in zip(state.delta, fresh.delta, (False, True), strict=True):
        rows = graph.rows[spread & (graph.directed == of)]
        torch.testing.assert_close(mine[rows], theirs[rows], atol=1e-9, rtol=1e-8)


MLP = Site(reads=Place.MLP_OUT, writes=Place.MLP_OUT, layer=0)
STREAM = Site(reads=Place.RESID_PRE, writes=Place.RESID_PRE, layer=1)


@pytest.mark.parametrize(
    ("site", "units", "says"),
    [
        (MLP.model_copy(update={"layer": 7}), (0,), "m7"),
        (MLP, (99,), "m0.f99"),
        (MLP, (1, 1), "each once"),
        (STREAM, (0,), "residual stream"),
        (MLP.model_copy(update={"last_written": 1}), (0,), "2 layers"),
    ],
)
def test_a_splice_that_does_not_fit_is_refused(
    site: Site, units: tuple[int, ...], says: str
) -> None:
    adapter = tiny("gpt2")
    dictionary = made(adapter, site)

    def spliced() -> Experiment:
        cuts = (Splice(dictionary, units),)
        return Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), PAIRS, splices=cuts)

    with pytest.raises(SpecError, match=says):
        spliced()


def test_a_component_has_one_dictionary_and_a_layers_heads_are_split_once() -> None:
    adapter = tiny("gpt2")
    cut = Splice(made(adapter, MLP), (1,))
    head = Site(reads=Place.HEAD_OUT, writes=Place.HEAD_OUT, layer=1, head=0)
    for cuts in ((cut, cut), (Splice(made(adapter, head), (1,)), splices(adapter)[4])):
        with pytest.raises(SpecError, match=r"twice|split too"):
            Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), PAIRS, splices=cuts)


@pytest.mark.parametrize("family", ["gpt2", "gemma3"])
def test_parts_that_read_many_columns_are_made_some_at_a_time(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = _experiment(family)
    bench, kept = _bench(experiment), _drawn(experiment, 0.6)
    wanted = State(bench, kept)
    monkeypatch.setattr("discovery.engine.lanes.COLUMNS", 2)
    found = State(bench, kept)
    torch.testing.assert_close(found.logits, wanted.logits, atol=1e-12, rtol=1e-12)
    for mine, theirs in zip(found.delta, wanted.delta, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=1e-12)
