"""Wrong positions, pairs pulled apart, wrong sources, mediators to try, conditions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from discovery.engine.ablation import Example
from discovery.engine.graph import Graph
from discovery.roles.cast import Cast
from discovery.roles.conditions import conditions
from discovery.roles.controls import DRAWS, controls, wrong_sources
from discovery.roles.mediators import blocks
from discovery.roles.positions import pulled_apart, wrong_positions
from discovery.tasks.base import TokenPair
from discovery.tasks.induction import induction
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import Channel, InductionTask, RoleName
from graph_schema.documents.jobs.effects import AskedEdge

PREVIOUS, INDUCTION = RoleName.PREVIOUS_TOKEN, RoleName.INDUCTION
KEY = AskedEdge(PREVIOUS, Channel.K, INDUCTION)
OUT = AskedEdge(INDUCTION, Channel.R, "logits")
# 7 3 9 4 5 | 7 3 9 4 5 | 7 -> 3, as the task's own docstring has it.
PAIR = TokenPair(
    clean=(7, 3, 9, 4, 5, 7, 3, 9, 4, 5, 7),
    corrupt=(4, 3, 9, 7, 5, 4, 3, 9, 7, 5, 7),
    answers=((3,),),
    wrong_answers=((5,),),
    positions=(10,),
    id="1",
    group="period-5",
    spans={"first_copy": (0, 5), "source": (6, 7), "end": (10, 11)},
)


def test_wrong_positions_are_those_without_a_match_in_either_prompt() -> None:
    found = wrong_positions(Example(0, PAIR, PAIR.corrupt))
    # 3 stands at 1 and 6, and follows 7 there; in the corrupt prompt 5 does at 4 and 9.
    assert [at for at, wrong in enumerate(found) if wrong] == [0, 2, 3, 5, 7, 8]
    alone = wrong_positions(Example(0, PAIR, None))
    assert [at for at, wrong in enumerate(alone) if wrong] == [0, 2, 3, 4, 5, 7, 8, 9]


def test_where_no_span_is_a_source_none_is_wrong() -> None:
    pair = replace(PAIR, spans={"io": (1, 2), "s1": (3, 5)})
    found = wrong_positions(Example(0, pair, pair.corrupt))
    assert [at for at, wrong in enumerate(found) if not wrong] == [1, 3, 4, 10]


@pytest.mark.parametrize("seed", range(3))
def test_pulled_apart_pairs_repeat_at_no_fixed_distance(seed: int) -> None:
    task = InductionTask(length=24, min_period=6, max_period=12)
    pairs = induction(task, Vocabulary(40, n_ctx=40), 24, seed).heldout
    apart = pulled_apart(pairs, seed=seed, n_ctx=40)
    assert apart is not None
    gaps: set[int] = set()
    for before, after in zip(pairs, apart, strict=True):
        start, end = after.spans["source"]
        assert after.clean[start:end] == before.answers[0]
        assert after.clean[start - 1] == after.clean[-1] == before.clean[-1]
        assert len(after.clean) == len(after.corrupt) <= 40
        assert after.positions == (len(after.clean) - 1,)
        new = [token for token in after.clean if token not in before.clean]
        gaps.add(len(new))
        assert len(new) == len(after.clean) - len(before.clean) >= 1
        assert after.spans["end"] == (len(after.clean) - 1, len(after.clean))
        assert sorted([*before.clean, *new]) == sorted(after.clean)
    assert len(gaps) > 2


def test_what_does_not_repeat_or_has_no_room_is_not_pulled_apart() -> None:
    task = InductionTask(length=24, min_period=6, max_period=12)
    pairs = induction(task, Vocabulary(40, n_ctx=24), 24, 0).heldout
    assert pulled_apart(pairs, seed=0, n_ctx=24) is None
    assert pulled_apart([replace(PAIR, spans={})], seed=0, n_ctx=None) is None
    broken = replace(PAIR, clean=(*PAIR.clean[:7], 1, *PAIR.clean[8:]))
    assert pulled_apart([broken], seed=0, n_ctx=None) is None


def _cast(parallel: bool = False) -> Cast:
    members = {PREVIOUS: ("a0.h0", "a1.h1"), INDUCTION: ("a3.h2",)}
    taken = frozenset({"a0.h0", "a1.h1", "a3.h2", "a2.h0"})
    return Cast(Graph(4, 3, parallel=parallel), {**members}, taken)


def test_wrong_sources_are_free_heads_of_the_same_layers() -> None:
    cast = _cast()
    found = wrong_sources(cast, KEY, seed=0)
    assert 1 < len(found) <= DRAWS
    assert len(set(found)) == len(found)
    for names in found:
        assert [name[:2] for name in names] == ["a0", "a1"]
        assert all(cast.is_free(name) for name in names)
    alone = Cast(cast.graph, {PREVIOUS: cast.heads_of(0), INDUCTION: ("a3.h2",)})
    assert wrong_sources(alone, KEY, seed=0) == []
    assert set(controls(alone, KEY, [PAIR], 0)) == {"wrong_position", "q", "v"}
    assert set(controls(cast, OUT, [replace(PAIR, spans={})], 0)) == {"wrong_source"}


def test_mediators_lie_between_and_play_no_role() -> None:
    cast = _cast()
    names = [[cast.graph.sender_names[n] for n in block] for block in blocks(cast, KEY)]
    assert names == [["m0"], ["a1.h0", "a1.h2"], ["m1"], ["a2.h1", "a2.h2"], ["m2"]]
    # Side by side an MLP does not read its own layer's heads, but those before it.
    beside = _cast(parallel=True)
    names = [[beside.graph.sender_names[n] for n in block] for block in blocks(beside, KEY)]
    assert names == [["a1.h0", "a1.h2"], ["m1"], ["a2.h1", "a2.h2"], ["m2"]]
    names = [[cast.graph.sender_names[n] for n in block] for block in blocks(cast, OUT)]
    assert names == [["m3"]]


def test_small_conditions_are_put_together_in_order() -> None:
    task = InductionTask(min_period=6, max_period=16)
    pairs = induction(task, Vocabulary(64), 44, 0).heldout
    found = conditions(pairs)
    assert set(found) == {
        "period-6 to period-7",
        "period-8 to period-9",
        "period-10 to period-11",
        "period-12 to period-13",
        "period-14 to period-16",
    }
    assert min(np.unique(found, return_counts=True)[1]) >= 8
    assert len(set(conditions(pairs[:6]))) == 1
