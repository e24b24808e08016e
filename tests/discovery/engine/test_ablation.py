"""Ablated values: where each kind takes them from, and what it cannot do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from discovery.engine.ablation import Ablator
from discovery.engine.experiment import pad
from discovery.engine.forward import graph_of, run
from discovery.tasks.base import TokenPair
from graph_schema.documents import Ablation, AblationSpec
from graph_schema.errors import DatasetError
from tests.discovery.cases import made_pairs, tiny_gpt2

PAIRS = made_pairs(8)
GRAPH = graph_of(tiny_gpt2())


def _ablator(kind: Ablation, pairs: tuple[TokenPair, ...] = PAIRS, draws: int = 1) -> Ablator:
    spec = AblationSpec(kind=kind, draws=draws)
    return Ablator(spec, tiny_gpt2(), GRAPH, pairs, seed=0, dtype=torch.float32)


def _writes(*prompts: tuple[int, ...]) -> torch.Tensor:
    return run(tiny_gpt2(), GRAPH, pad(tiny_gpt2(), prompts), torch.float32).writes


def test_corrupt_values_are_the_corrupt_runs() -> None:
    ablator = _ablator(Ablation.CORRUPT)
    examples = ablator.examples(PAIRS)
    assert [found.source for found in examples] == [pair.corrupt for pair in PAIRS]


def test_mean_values_are_taken_by_position_within_one_length() -> None:
    pairs = made_pairs(17)
    pairs = (*pairs, replace(pairs[0], id="asks the same prompt"))
    ablator = _ablator(Ablation.MEAN, pairs)
    examples = ablator.examples(pairs)[:2]
    batch = pad(tiny_gpt2(), [found.pair.clean for found in examples])
    found = ablator.writes(examples, batch, None).dense
    for row, length in ((0, 6), (1, 4)):
        own = pairs[row].clean
        alike = [p.clean for p in pairs if len(p.clean) == length and p.clean != own]
        assert len(alike) == (8 if row == 0 else 7)
        wanted = _writes(*alike).mean(1)
        torch.testing.assert_close(found[:, row, :length], wanted, atol=1e-5, rtol=1e-5)


def test_held_out_pairs_are_ablated_with_the_mean_of_all_discovery_pairs() -> None:
    pairs, [held_out] = made_pairs(8, lengths=(5,)), made_pairs(1, lengths=(5,), seed=1)
    ablator = _ablator(Ablation.MEAN, pairs)
    batch = pad(tiny_gpt2(), [held_out.clean])
    found = ablator.writes(ablator.examples([held_out]), batch, None).dense
    torch.testing.assert_close(found[:, 0], _writes(*[pair.clean for pair in pairs]).mean(1))


def test_zero_is_nothing() -> None:
    ablator = _ablator(Ablation.ZERO)
    examples = ablator.examples(PAIRS)
    batch = pad(tiny_gpt2(), [found.pair.clean for found in examples])
    assert not ablator.writes(examples, batch, None).dense.any()


def test_resample_deranges_within_lengths_and_answers() -> None:
    # Three answers over eight pairs of one length: a one-to-one assignment exists.
    pairs = tuple(
        replace(pair, answers=((i % 3,),), weights=None)
        for i, pair in enumerate(made_pairs(8, lengths=(5,)))
    )
    ablator = _ablator(Ablation.RESAMPLE, pairs, draws=4)
    by_prompt = {pair.clean: pair for pair in pairs}
    examples = ablator.examples(pairs)
    assert len(examples) == 32
    for draw in range(4):
        sources = [found.source for found in examples[draw::4]]
        assert len(set(sources)) == 8
        for found in examples[draw::4]:
            assert found.source is not None
            assert by_prompt[found.source].answers != found.pair.answers
    assert ablator.examples(pairs) == examples
    assert len({tuple(found.source or () for found in examples[draw::4]) for draw in range(4)}) > 1


def test_an_answer_in_the_majority_still_finds_partners() -> None:
    pairs = tuple(
        replace(pair, answers=((int(i == 0),),), weights=None)
        for i, pair in enumerate(made_pairs(4, lengths=(5,)))
    )
    examples = _ablator(Ablation.RESAMPLE, pairs).examples(pairs)
    assert [found.source for found in examples[1:]] == [pairs[0].clean] * 3


def test_held_out_pairs_are_ablated_by_discovery_pairs_alone() -> None:
    other = made_pairs(3, lengths=(4, 6, 9), seed=1)
    ablator = _ablator(Ablation.RESAMPLE)
    assert ablator.covers(other).tolist() == [True, True, False]
    clean = {pair.clean for pair in PAIRS}
    assert all(found.source in clean for found in ablator.examples(other[:2]))
    assert not _ablator(Ablation.MEAN).covers(other).any()  # four of each length
    ablator = _ablator(Ablation.MEAN, made_pairs(14))
    assert ablator.covers(other).tolist() == [True, True, False]
    assert np.all(_ablator(Ablation.CORRUPT).covers(other))


@pytest.mark.parametrize("kind", [Ablation.MEAN, Ablation.RESAMPLE])
def test_a_pair_without_what_it_needs_is_named(kind: Ablation) -> None:
    lonely = made_pairs(1, lengths=(9,), seed=2)
    with pytest.raises(DatasetError, match=rf"pair-0: ablation '{kind.value}' .*\(9 tokens\)"):
        _ablator(kind).examples(lonely)


def test_a_pair_is_not_ablated_with_itself() -> None:
    # Of seven prompts of a length, or beside copies of one of them, a pair's mean is of too few.
    seven = made_pairs(7, lengths=(9,), seed=2)
    copied = (*seven, replace(seven[-1], id="copy"))
    for few in (seven, copied):
        ablator = _ablator(Ablation.MEAN, few)
        assert not ablator.covers(few).any()
        with pytest.raises(
            DatasetError,
            match=r"pair-0: .*'mean' finds 6 other .*\(9 tokens\); expected at least 7",
        ):
            ablator.examples(few)
    eight = (*seven, *made_pairs(1, lengths=(9,), seed=4))
    assert _ablator(Ablation.MEAN, eight).covers(eight).all()
    # Dealt-out answers, or two questions about one prompt: the partner has another prompt.
    pairs = made_pairs(8, lengths=(5,))
    dealt = tuple(
        replace(pair, answers=other.answers, weights=other.weights)
        for pair, other in zip(pairs, (*pairs[1:], pairs[0]), strict=True)
    )
    twins = tuple(
        replace(pair, answers=one.answers, weights=one.weights)
        for pair in pairs[:4]
        for one in pairs[:2]
    )
    for asked, pool in ((dealt, pairs), (twins, twins)):
        examples = _ablator(Ablation.RESAMPLE, pool, draws=16).examples(asked)
        assert not any(found.source == found.pair.clean for found in examples)


def test_pairs_without_answers_are_resampled_from_other_prompts() -> None:
    silent = tuple(
        replace(pair, answers=((),), wrong_answers=((),), weights=None) for pair in PAIRS
    )
    examples = _ablator(Ablation.RESAMPLE, silent).examples(silent)
    assert all(found.source != found.pair.clean for found in examples)
