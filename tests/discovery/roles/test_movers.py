"""What is asked of heads that move names, against slow ways of asking it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.engine.forward import logits_at
from discovery.models import ModelAdapter
from discovery.roles.copying import copying
from discovery.roles.movers import into_queries, looks_without
from discovery.roles.names import Named, named
from discovery.roles.watching import AtLayer, attention, watched
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
