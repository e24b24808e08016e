"""What every family must keep: transformers' logits, and a stream that is the sum of its parts."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

from discovery.engine.experiment import Experiment
from discovery.engine.forward import graph_of, run
from discovery.engine.pair_values import values
from discovery.engine.state import State
from discovery.models import DecoderAdapter, Qkv
from graph_schema.documents import Ablation, AblationSpec, Metric
from tests.discovery import textbook
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import D_VOCAB, FAMILIES, tiny

PADDINGS = ("none", "left", "right")
CHANNELS: tuple[Qkv, ...] = ("q", "k", "v")
WINDOWED = {"mistral", "qwen3", "gemma2", "gemma3", "phi3"}
every_family = pytest.mark.parametrize("family", FAMILIES)


def _prompts(padding: str) -> tuple[Tensor, Tensor]:
    tokens = torch.randint(D_VOCAB, (3, 7), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(tokens)
    if padding == "left":
        mask[1, :2], mask[2, :4] = 0, 0
    elif padding == "right":
        mask[1, 5:], mask[2, 3:] = 0, 0
    return tokens, mask


@every_family
@pytest.mark.parametrize("padding", PADDINGS)
@torch.no_grad()
def test_logits_equal_transformers(family: str, padding: str) -> None:
    adapter, (tokens, mask) = tiny(family), _prompts(padding)
    batch = adapter.batch(tokens, mask)
    resid = run(adapter, graph_of(adapter), batch, torch.float32).resid
    rows = adapter.norm(adapter.shape.n_layers, "logits", resid)
    found = adapter.logits(rows)
    wanted = adapter.model(tokens, attention_mask=mask, position_ids=batch.position_ids).logits
    real = batch.attention_mask
    torch.testing.assert_close(found[real], wanted[real], atol=1e-4, rtol=1e-4)
    assert torch.isfinite(found).all(), "padding must not turn into NaN"
    few = torch.randint(D_VOCAB, (*tokens.shape, 2), generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(adapter.logits(rows, few), found.gather(-1, few))


@every_family
@torch.no_grad()
def test_an_adapter_calls_nothing_that_transformers_will_drop(family: str) -> None:
    """A deprecation names the release that ends it: it is mended here before users read of it."""
    adapter, (tokens, mask) = tiny(family), _prompts("left")
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        warnings.simplefilter("error", DeprecationWarning)
        batch = adapter.batch(tokens, mask)
        resid = run(adapter, graph_of(adapter), batch, torch.float32).resid
        adapter.logits(adapter.norm(adapter.shape.n_layers, "logits", resid))


@every_family
@torch.no_grad()
def test_padding_changes_no_logit(family: str) -> None:
    adapter, graph = tiny(family), graph_of(tiny(family))
    tokens, _ = _prompts("none")
    alone = run(adapter, graph, adapter.batch(tokens[:1, :4]), torch.float32).resid[0]
    for side in (slice(0, 4), slice(3, 7)):
        padded, mask = torch.zeros_like(tokens[:1]), torch.zeros_like(tokens[:1])
        padded[:, side], mask[:, side] = tokens[:1, :4], 1
        batch = adapter.batch(padded, mask)
        assert batch.last.tolist() == [side.stop - 1]
        assert batch.position_ids[0, side].tolist() == [0, 1, 2, 3]
        beside = run(adapter, graph, batch, torch.float32).resid[0, side]
        torch.testing.assert_close(beside, alone, atol=1e-4, rtol=1e-4)


@every_family
@torch.no_grad()
def test_senders_and_constants_sum_to_the_residual_stream(family: str) -> None:
    adapter, (tokens, mask) = tiny(family), _prompts("left")
    graph, batch = graph_of(adapter), adapter.batch(tokens, mask)
    found = run(adapter, graph, batch, torch.float32)
    stream = found.writes[: graph.n_inputs].sum(0)
    for layer in range(graph.n_layers):
        heads = found.writes[graph.head_senders(layer)].sum(0)
        if (const := adapter.attn_const(layer)) is not None:
            heads = heads + const
        stream = stream + adapter.post_norm(layer, "attn", heads)
        stream = stream + adapter.post_norm(layer, "mlp", found.writes[graph.mlp_sender(layer)])
    torch.testing.assert_close(stream, found.resid, atol=1e-4, rtol=1e-4)
    wanted = adapter.model(
        tokens, attention_mask=mask, position_ids=batch.position_ids, output_hidden_states=True
    ).hidden_states[-1]
    normed = adapter.norm(graph.n_layers, "logits", stream)
    real = batch.attention_mask
    torch.testing.assert_close(normed[real], wanted[real], atol=1e-4, rtol=1e-4)


@every_family
@pytest.mark.parametrize("channel", CHANNELS)
@torch.no_grad()
def test_heads_that_share_an_input_equal_heads_with_inputs_of_their_own(
    family: str, channel: Qkv
) -> None:
    adapter, (tokens, mask) = tiny(family), _prompts("left")
    batch, n_heads = adapter.batch(tokens, mask), adapter.shape.n_heads
    inputs = torch.randn(
        3, n_heads, 7, adapter.shape.d_model, generator=torch.Generator().manual_seed(2)
    )

    def project(x: Tensor, heads: list[int] | None = None) -> Tensor:
        return adapter.project(batch, 1, channel, x, heads)

    own = project(inputs)
    for head in range(n_heads):
        shared = project(inputs[:, head])
        assert shared.shape == own.shape
        torch.testing.assert_close(own[:, head], shared[:, head], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(project(inputs[:, head], [head]), own[:, [head]])
    some = [2, 0]
    torch.testing.assert_close(project(inputs[:, some], some), own[:, some])
    torch.testing.assert_close(project(inputs[:, 1], some), project(inputs[:, 1])[:, some])


@every_family
@torch.no_grad()
def test_heads_mix_and_write_apart(family: str) -> None:
    adapter, (tokens, mask) = tiny(family), _prompts("right")
    batch = adapter.batch(tokens, mask)
    x = torch.randn(3, 7, adapter.shape.d_model, generator=torch.Generator().manual_seed(3))
    q, k, v = (adapter.project(batch, 0, channel, x) for channel in CHANNELS)
    z = adapter.mix(batch, 0, q, k, v)
    torch.testing.assert_close(
        adapter.mix(batch, 0, q[:, [2, 0]], k[:, [2, 0]], v[:, [2, 0]]), z[:, [2, 0]]
    )
    written = adapter.head_out(0, z)
    torch.testing.assert_close(adapter.head_out(0, z[:, [2, 0]], [2, 0]), written[:, [2, 0]])
    torch.testing.assert_close(adapter.attn_sum(0, z), written.sum(1), atol=1e-5, rtol=1e-5)


@every_family
def test_no_weight_takes_a_gradient(family: str) -> None:
    assert not any(weight.requires_grad for weight in tiny(family).model.parameters())


@every_family
def test_the_edge_count_is_the_graphs(family: str) -> None:
    assert tiny(family).n_edges == graph_of(tiny(family)).n_edges


# With the engine: the model's own runs are its endpoints, and gradients are derivatives.

PAIRS = made_pairs(4, shared=2)


def _experiment(adapter: DecoderAdapter, metric: Metric = Metric.LOGIT_DIFF) -> Experiment:
    return Experiment(adapter, metric, AblationSpec(kind=Ablation.CORRUPT), PAIRS)


def _wanted(adapter: DecoderAdapter, tokens: tuple[int, ...]) -> Tensor:
    model: Any = adapter.model
    return model(torch.tensor([tokens])).logits[0, -1]


@every_family
@torch.no_grad()
def test_keeping_every_edge_is_the_clean_run_and_none_the_corrupt_run(family: str) -> None:
    adapter = tiny(family)
    experiment = _experiment(adapter)
    full, empty = values(experiment, PAIRS, [experiment.graph.upstream, experiment.graph.none()])
    for found, side in ((full, "clean"), (empty, "corrupt")):
        for i, pair in enumerate(PAIRS):
            last = _wanted(adapter, getattr(pair, side))
            wanted = last[list(pair.answers[0])].mean() - last[pair.wrong_answers[0][0]]
            assert found.loss[i] == pytest.approx(-float(wanted), abs=2e-4)


# What float64 takes for -inf in a mask overflows in some families: past a window, padding is NaN.
@pytest.mark.parametrize("family", sorted(WINDOWED))
@torch.no_grad()
def test_padding_past_a_window_is_finite_and_changes_no_loss(family: str) -> None:
    adapter, pairs = tiny(family, torch.float64), made_pairs(2, (12, 7), shared=5)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), pairs)
    kept = [experiment.graph.upstream, experiment.graph.none()]
    both, alone = (values(experiment, pairs, kept, chunk=chunk) for chunk in (2, 1))
    for one, other in zip(both, alone, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-5, abs=1e-9)


@every_family
@torch.no_grad()
def test_the_engine_equals_the_textbook_on_a_random_circuit(family: str) -> None:
    experiment = _experiment(tiny(family))
    bench = experiment.bench(experiment.chunks(PAIRS, 4)[0])
    start = 0 if experiment.adapter.whole_prompts else 2
    assert bench.window.start == start, "what comes before is the same whatever is kept"
    upstream = experiment.graph.upstream
    coin = torch.rand(upstream.shape, generator=torch.Generator().manual_seed(4)).numpy()
    kept = upstream & (coin < 0.6)
    torch.testing.assert_close(
        State(bench, kept).logits, textbook.logits(bench, kept), atol=1e-4, rtol=1e-4
    )


@every_family
def test_gradients_are_finite_differences_in_float64(family: str) -> None:
    experiment = _experiment(tiny(family, torch.float64))
    bench = experiment.bench(experiment.chunks(PAIRS, 4)[0])
    graph = experiment.graph
    scores = textbook.gradient_scores(bench)
    coin = torch.rand(graph.upstream.shape, generator=torch.Generator().manual_seed(5)).numpy()
    # RMSNorms compute in float32 whatever the model's dtype: no smaller step is of use.
    direction, step = torch.from_numpy((coin - 0.5) * graph.upstream).to(scores), 3e-3
    with torch.no_grad():
        high, low = (
            bench.objective.loss(
                textbook.Textbook(bench, graph.upstream, sign * step * direction).logits()
            ).sum()
            for sign in (1, -1)
        )
    slope = float((high - low) / (2 * step))
    assert float((scores * direction).sum()) == pytest.approx(slope, rel=1e-3, abs=1e-3)
