"""Probes: what they show of which role, and what a vocabulary must have for them."""

from __future__ import annotations

import pytest

from discovery.roles.names import conditions, named
from discovery.roles.probes import Probe, repeats, templates
from discovery.roles.transduction import of_names, of_repeats
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import GreaterThanTask, InductionTask, RoleName
from graph_schema.errors import DatasetError
from tests.discovery.tasks.tokenizers import whole_words


def test_looks_are_those_of_the_papers() -> None:
    probe = Probe((9, 1, 2, 3, 1, 2, 3, 1), start=1)
    assert probe.looks(RoleName.PREVIOUS_TOKEN) == [(i, (i - 1,)) for i in range(2, 8)]
    assert probe.looks(RoleName.DUPLICATE_TOKEN) == [(4, (1,)), (5, (2,)), (6, (3,)), (7, (1, 4))]
    assert probe.looks(RoleName.INDUCTION) == [(4, (2,)), (5, (3,)), (6, (4,)), (7, (2, 5))]
    assert probe.looks(RoleName.NAME_MOVER) == []
    twice = Probe((5, 5, 6))
    assert twice.looks(RoleName.INDUCTION) == []  # what follows the earlier copy is the copy itself


@pytest.mark.parametrize(("size", "n_ctx"), [(64, 48), (12, 20), (9, None)])
def test_three_periods_fit_vocabulary_and_context(size: int, n_ctx: int | None) -> None:
    found = repeats(None, Vocabulary(size, n_ctx=n_ctx), 8, 0)
    assert len(found) == 3
    for condition in found:
        period = int(condition.name.removeprefix("period-"))
        for probe in condition.probes:
            assert len(probe.tokens) <= (n_ctx or 32)
            assert len(set(probe.tokens)) == period
            assert probe.tokens[period:] == probe.tokens[:-period]
    assert repeats(None, Vocabulary(size, n_ctx=n_ctx), 8, 1) != found
    assert repeats(None, Vocabulary(size, n_ctx=n_ctx), 8, 0) == found
    task = InductionTask(length=16, min_period=5, max_period=8)
    if size == 64:
        names = [each.name for each in repeats(task, Vocabulary(size, n_ctx=n_ctx), 8, 0)]
        assert names == ["period-5", "period-6", "period-8"]


@pytest.mark.parametrize(("size", "n_ctx"), [(5, None), (64, 7)])
def test_too_few_tokens_or_positions_are_named(size: int, n_ctx: int | None) -> None:
    with pytest.raises(DatasetError, match=f"{size} tokens and prompts {n_ctx or 32} positions"):
        repeats(None, Vocabulary(size, n_ctx=n_ctx), 8, 0)
    with pytest.raises(DatasetError, match="no tokenizer"):
        named(Vocabulary(size), 8, 0)


def test_text_has_words_and_templates_too() -> None:
    tokenizer = whole_words(2)
    vocabulary = Vocabulary(len(tokenizer), tokenizer)
    assert [each.name for each in repeats(None, vocabulary, 4, 0)][-1] == "words-11"
    own = templates(GreaterThanTask(), vocabulary, 16, 0)
    assert own is not None
    assert own.roles == {RoleName.PREVIOUS_TOKEN}


def test_prompts_about_names_come_with_their_partners() -> None:
    tokenizer = whole_words(2)
    vocabulary = Vocabulary(len(tokenizer), tokenizer)
    found = named(vocabulary, 10, 0)
    assert list(found) == ["abba-1", "baba-1", "abba-2", "baba-2"]
    assert len(conditions(found)) == 4
    templates_of = {name: {each.template for each in some} for name, some in found.items()}
    assert templates_of["abba-1"].isdisjoint(templates_of["abba-2"])
    for name, prompts in found.items():
        for each in prompts:
            at, tokens = each.clean.places, each.clean.tokens
            assert tokens[at["io"]] == each.io
            assert tokens[at["s1"]] == tokens[at["s2"]] == each.subject
            assert (at["io"] < at["s1"]) == name.startswith("abba")
            assert at["s1"] < at["s2"] < at["end"] == len(tokens) - 1
            assert each.clean.looks(RoleName.S_INHIBITION) == [(at["end"], (at["s2"],))]
            assert each.clean.looks(RoleName.INDUCTION) == [(at["s2"], (at["s1"] + 1,))]
            changed = [a != b for a, b in zip(tokens, each.corrupt.tokens, strict=True)]
            assert [i for i, differs in enumerate(changed) if differs] == [at["s2"]]
            assert each.io in each.same_answer.tokens
            assert each.io not in each.other.tokens
            assert each.subject not in (*each.same_answer.tokens, *each.other.tokens)
    swaps = of_names(found, 20)
    assert len(swaps) == 20
    assert len({swap.group for swap in swaps}) > 8


@pytest.mark.parametrize("size", [64, 11])
def test_the_same_answer_is_all_that_stays_of_a_repeat(size: int) -> None:
    """Also at odd periods, and where no token is to spare."""
    vocabulary = Vocabulary(size, n_ctx=30)
    probes = repeats(None, vocabulary, 8, 0)
    for swap in of_repeats(probes, vocabulary, 24, 0):
        period = swap.base.index(swap.base[0], 1)
        segment, same = swap.base[:period], swap.same[:period]
        assert swap.base[-period] == swap.answer == swap.same[-period]
        assert swap.other[-period] == swap.other_answer != swap.answer
        assert swap.same[-1] != swap.base[-1]
        kept = sum(a == b for a, b in zip(segment, same, strict=True))
        assert kept == period // 2 + (period % 2 and 1)
        assert len(set(same)) == period
