"""What is asked of heads that move names, against slow ways of asking it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from discovery.engine.attention import attention
from discovery.engine.experiment import Experiment
from discovery.engine.forward import logits_at
from discovery.engine.pair_values import values
from discovery.models import ModelAdapter
from discovery.models.compiled import CompiledAdapter
from discovery.roles.causal import head_effects
from discovery.roles.copying import copying
from discovery.roles.group_effects import losses
from discovery.roles.movers import into_queries, looks_without, onto_logits
from discovery.roles.names import Named, named
from discovery.roles.watching import AtLayer, watched
from discovery.tasks.base import TokenPair
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import AblationSpec, Metric
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import FAMILIES, of_config, tiny
from tests.discovery.tasks.tokenizers import whole_words


@cache
def _model(family: str = "gemma2") -> tuple[ModelAdapter, Vocabulary]:
    tokenizer = whole_words(2)
    sizes = {**FAMILIES[family].sizes, "vocab_size": len(tokenizer)}
    return of_config(FAMILIES[family].config(**sizes)), Vocabulary(len(tokenizer), tokenizer)


def test_copying_ranks_the_name_among_the_head_s_own_logits() -> None:
    adapter, vocabulary = _model()
    prompts = named(vocabulary, 6, 0)
    heads = [(0, 1), (1, 0), (1, 3)]
    found = copying(adapter, prompts, heads, chunk=4)
    for name, some in prompts.items():
        slow = np.mean([_ranked(adapter, each) for each in some], axis=0)
        for head in heads:
            assert found[name].copied[head] == pytest.approx(slow[0][head])
            assert found[name].suppressed[head] == pytest.approx(slow[1][head])
        assert found[name].copied[0, 0] == 0  # not asked for


def _ranked(adapter: ModelAdapter, prompt: Named) -> NDArray[np.float64]:
    """[highest or lowest, layer, head]: whether the name is among the five."""
    found = np.zeros((2, adapter.shape.n_layers, adapter.shape.n_heads))
    place = prompt.clean.places["io"]

    def look(at: AtLayer) -> None:
        for head in range(adapter.shape.n_heads):
            write = at.v[0, head, place] @ adapter.out_weights(at.layer)[head]
            row = logits_at(adapter, adapter.post_norm(at.layer, "attn", write))
            for which, sign in enumerate((1, -1)):
                found[which, at.layer, head] = prompt.io in (sign * row).topk(5).indices

    watched(adapter, adapter.batch(torch.tensor([prompt.clean.tokens])), look)
    return found


def test_looks_without_movers_change_only_after_them() -> None:
    adapter, vocabulary = _model("llama")
    prompts = named(vocabulary, 5, 0)
    before, after = looks_without(adapter, prompts, [(0, 2)], chunk=2)
    for name, some in prompts.items():
        assert before[name].shape == (2, 4, 5)
        assert np.array_equal(before[name][0], after[name][0])
        assert not np.allclose(before[name][1], after[name][1])
        found = _attention(adapter, some[0], 1)
        assert np.allclose(before[name][1, :, 0], found, atol=1e-6)


def _attention(adapter: ModelAdapter, prompt: Named, layer: int) -> NDArray[np.float64]:
    """Each head's, from the end to the answer's name."""
    batch, found = adapter.batch(torch.tensor([prompt.clean.tokens])), list[torch.Tensor]()

    def look(at: AtLayer) -> None:
        found.append(attention(adapter, batch, at.layer, at.q, at.k))

    watched(adapter, batch, look)
    return found[layer][0, :, -1, prompt.clean.places["io"]].double().numpy()


def test_edges_into_queries_are_those_of_later_movers() -> None:
    experiment = Experiment(tiny("llama"), Metric.LOGIT_DIFF, AblationSpec(), made_pairs(4))
    patch, graph = into_queries(experiment, (0, 1), [(1, 2), (0, 3)]), experiment.graph
    assert [graph.edge(patch.senders[0], receiver).name for receiver in patch.receivers] == [
        "a0.h1->a1.h2<q>"
    ]
    assert patch.carriers == patch.senders


def _made_up_for(share: float) -> CompiledAdapter:
    """A head that hands the token at position 1 on to the end, and one that takes a share back."""
    n, d_head = 12, 12
    token, place, out = slice(0, n), slice(n, n + 8), slice(n + 8, 2 * n + 8)
    d_model = 2 * n + 8
    weights: dict[str, NDArray[Any]] = {
        "W_E": np.zeros((n, d_model)),
        "W_pos": np.zeros((8, d_model)),
        "W_U": np.zeros((d_model, n)),
    }
    weights["W_E"][:, token], weights["W_pos"][:, place] = np.eye(n), np.eye(8)
    weights["W_U"][out] = 4 * np.eye(n)
    for layer in (0, 1):
        for name in ("W_Q", "W_K", "W_V"):
            weights[f"L{layer}.{name}"] = np.zeros((1, d_model, d_head))
        weights[f"L{layer}.W_O"] = np.zeros((1, d_head, d_model))
        weights[f"L{layer}.W_in"] = np.zeros((d_model, 2))
        weights[f"L{layer}.W_out"] = np.zeros((2, d_model))
    sharp = 60 * np.sqrt(d_head)
    weights["L0.W_Q"][0, place, 0], weights["L0.W_K"][0, place.start + 1, 0] = sharp, 1
    weights["L0.W_V"][0, token], weights["L0.W_O"][0, :, out] = np.eye(n), np.eye(n)
    weights["L1.W_Q"][0, place, :8], weights["L1.W_K"][0, place, :8] = sharp * np.eye(8), np.eye(8)
    weights["L1.W_V"][0, out], weights["L1.W_O"][0, :, out] = np.eye(n), -share * np.eye(n)
    made = {name: value.astype(np.float32) for name, value in weights.items()}
    return CompiledAdapter(made, {"n_layers": 2, "causal": True, "act": "relu"})


def test_a_head_that_another_makes_up_for_counts_by_its_own_edge_to_the_logits() -> None:
    pairs = [
        TokenPair(
            clean=(2, answer, 3, 1),
            corrupt=(2, wrong, 3, 1),
            answers=((answer,),),
            wrong_answers=((wrong,),),
            positions=(3,),
            id=str(answer),
            group=str(answer),
        )
        for answer, wrong in ((4, 5), (6, 7), (8, 9))
    ]
    adapter = _made_up_for(0.95)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), pairs)
    effects = head_effects(experiment, pairs)
    (patched,) = losses(experiment, pairs, [onto_logits(experiment, (0, 0))])
    (clean,) = values(experiment, pairs, [experiment.graph.upstream])
    # From 4 for the answer to 4 for the wrong one; the other head takes all but a twentieth.
    assert np.allclose(effects.of((0, 0)), 8 * 0.05, atol=1e-3)
    assert np.allclose(patched - clean.loss, 8, atol=1e-3)
