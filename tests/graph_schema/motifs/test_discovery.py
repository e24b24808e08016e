"""What is planted in several models is found; what is in one, or in none, is not."""

from __future__ import annotations

import numpy as np
import pytest

from graph_schema.documents import ComponentKind, MotifState, RoleName
from graph_schema.documents.motif_discovery import MotifDiscovery, PatternState
from graph_schema.motifs import CircuitGraph, discovery
from graph_schema.motifs.discovery import ModelCircuits, discover
from graph_schema.motifs.relabelling import relabelled
from tests.graph_schema.motifs.made import graph_of
from tests.graph_schema.motifs.simulated import graph_in, plant_induction, random_circuit

K_COMPOSITION = "previous_token -k-> induction"


def planted(rng: np.random.Generator, pairs: int = 5) -> CircuitGraph:
    base = random_circuit(rng, n_layers=6, n_heads=8, n_edges=120)
    return plant_induction(base, pairs, rng)


def dealt(graph: CircuitGraph, rng: np.random.Generator) -> CircuitGraph:
    part = list(relabelled(graph, 1, rng).parts)[-1]
    return graph_in(part, part.n_draws - 1)


def models(*graphs: CircuitGraph) -> list[ModelCircuits]:
    return [
        ModelCircuits(f"{place:040x}", f"m{place}", ("gpt2", "llama")[place % 2], {"c": graph})
        for place, graph in enumerate(graphs)
    ]


def state(found: MotifDiscovery, pattern: str) -> MotifState | None:
    return next((each.state for each in found.patterns if each.pattern == pattern), None)


def test_what_is_planted_in_several_models_is_found() -> None:
    rng = np.random.default_rng(0)
    others = graph_of(
        "a0.h0->a1.h0<q>",
        "a1.h0->logits",
        roles={"a0.h0": RoleName.PREVIOUS_TOKEN, "a1.h0": RoleName.INDUCTION},
    )
    found = discover(models(*(planted(rng) for _ in range(3)), others), task="made", draws=300)
    pattern = next(each for each in found.called if each.pattern == K_COMPOSITION)
    assert pattern.counted(PatternState.FOR) == {"gpt2": 2, "llama": 1}
    assert pattern.counted(PatternState.AGAINST) == {"llama": 1}
    assert pattern.occurrences == sum(each.observed for each in pattern.models)
    assert pattern.at_least >= 2
    assert pattern.q is not None
    assert pattern.p is not None
    assert pattern.p <= pattern.q <= 0.05
    by_queries = next(p for p in found.patterns if p.pattern == "previous_token -q-> induction")
    assert by_queries.models[3].state is PatternState.UNTESTABLE
    assert by_queries.models[3].reason == "every deal of its roles has the same count"
    assert found.family <= found.n_enumerated
    again = discover(models(*(planted(np.random.default_rng(0)),)), task="made", draws=300)
    assert again.models[0] == found.models[0]  # its deals are its own


def test_what_is_in_one_model_alone_is_not_called() -> None:
    rng = np.random.default_rng(1)
    graphs = [planted(rng), *(dealt(planted(rng), rng) for _ in range(3))]
    found = discover(models(*graphs), task="made", draws=300)
    first = next(each for each in found.patterns if each.pattern == K_COMPOSITION)
    assert first.models[0].p is not None
    assert first.models[0].p < 0.01
    assert found.called == ()


def test_models_without_roles_and_single_models_can_say_nothing() -> None:
    bare = graph_of("a0.h0->a1.h0<k>", "a1.h0->logits")
    one = planted(np.random.default_rng(2))
    found = discover(models(one, bare), task="made", draws=50)
    assert found.models[1].reason == "no node of its circuits has a role"
    assert {each.state for each in found.patterns} == {MotifState.UNTESTABLE}
    pattern = next(each for each in found.patterns if each.pattern == K_COMPOSITION)
    assert pattern.reason == "its count hangs on the roles in 1 of the models; expected 2 at least"
    assert pattern.models[1].reason == "no node plays induction, previous_token"


def test_few_draws_make_it_untestable() -> None:
    rng = np.random.default_rng(0)
    found = discover(models(planted(rng), planted(rng)), task="made", draws=10)
    assert state(found, K_COMPOSITION) is MotifState.UNTESTABLE
    assert found.family == 0
    reasons = {each.reason for each in found.patterns if each.pattern == K_COMPOSITION}
    (reason,) = reasons
    assert "the least p that its draws allow cannot reach 0.05 among so many tests" in reason


@pytest.mark.parametrize("what", ["MAX_PLACES", "MAX_PATTERNS"])
def test_large_circuits_are_searched_for_smaller_patterns(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    rng = np.random.default_rng(0)
    graphs = [planted(rng), planted(rng)]
    monkeypatch.setattr(discovery, what, 3)
    found = discover(models(*graphs), task="made", draws=50, listed=1)
    assert found.max_nodes == 2
    assert {len(each.motif.nodes) for each in found.patterns} == {2}
    assert "patterns have at most 2 nodes, not 4" in found.notes[0]
    assert f"listed are 1 of {found.n_patterns} patterns" in found.notes[1]
    assert ComponentKind.INPUT not in {
        k for p in found.patterns for n in p.motif.nodes for k in n.kinds
    }


@pytest.mark.slow
def test_false_discoveries_stay_rare() -> None:
    """40 sets of four models, all dealt at random but one that has the plant: at most 5 called.

    Of 40 with a chance of .05 each, more than 5 are called in .014 of cases.
    """
    wrong = 0
    for seed in range(40):
        rng = np.random.default_rng([seed, 7])
        graphs = [planted(rng), *(dealt(planted(rng), rng) for _ in range(3))]
        wrong += bool(discover(models(*graphs), task="made", draws=300, seed=seed).called)
    assert wrong <= 5
