"""Induction prompts: only the order says which token follows, and nothing else changes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.tasks.base import MadePairs, TokenPair
from discovery.tasks.induction import induction
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import InductionTask
from graph_schema.errors import DatasetError
from tests.discovery.tasks.tokenizers import byte_level, sentence_piece


def made(
    task: InductionTask | None = None, n: int = 32, seed: int = 0, size: int = 64
) -> MadePairs:
    return induction(task or InductionTask(), Vocabulary(size), n, seed)


def follower(tokens: tuple[int, ...]) -> int:
    """What induction predicts: the token after the last earlier occurrence of the final one."""
    *before, last = tokens
    return tokens[len(before) - before[::-1].index(last)]


@st.composite
def tasks(draw: st.DrawFn) -> InductionTask:
    shortest = draw(st.integers(4, 10))
    longest = draw(st.integers(shortest, 14))
    return InductionTask(
        length=draw(st.integers(longest + 1, 40)), min_period=shortest, max_period=longest
    )


@settings(max_examples=50, deadline=None)
@given(tasks(), st.integers(0, 2**32 - 1))
def test_the_answer_is_what_followed_before(task: InductionTask, seed: int) -> None:
    pairs = made(task, n=8, seed=seed)
    for pair in (*pairs.discovery, *pairs.heldout):
        assert len(pair.clean) == len(pair.corrupt) == task.length
        assert pair.positions == (task.length - 1,)
        assert pair.answers == ((follower(pair.clean),),)
        assert pair.wrong_answers == ((follower(pair.corrupt),),)
        last, right, wrong = pair.clean[-1], pair.answers[0][0], pair.wrong_answers[0][0]
        assert pair.clean[pair.spans["source"][0]] == right
        changed = [i for i, t in enumerate(pair.clean) if t != pair.corrupt[i]]
        (other,) = {pair.clean[i] for i in changed} - {last}
        trade = {last: other, other: last}
        assert pair.corrupt == (*(trade.get(t, t) for t in pair.clean[:-1]), last)
        for token in (right, wrong):
            assert [i for i, t in enumerate(pair.clean) if t == token] == [
                i for i, t in enumerate(pair.corrupt) if t == token
            ]


def test_periods_have_equal_shares_and_name_the_groups() -> None:
    groups = [pair.group for pair in made(n=22).discovery]
    assert sorted(set(groups)) == sorted(f"period-{p}" for p in range(6, 17))
    assert {groups.count(group) for group in groups} == {2}


def test_few_periods_have_several_groups_each() -> None:
    one = made(InductionTask(min_period=8, max_period=8)).discovery
    assert len({pair.group for pair in one}) == 10
    some = made(InductionTask(min_period=6, max_period=9)).discovery
    assert len({pair.group for pair in some}) == 12


def test_heldout_pairs_share_no_token_where_the_vocabulary_allows() -> None:
    def tokens(pairs: tuple[TokenPair, ...]) -> set[int]:
        return {token for pair in pairs for token in (*pair.clean, *pair.corrupt)}

    pairs = made()
    assert not tokens(pairs.discovery) & tokens(pairs.heldout)
    small = made(size=20)
    assert small.notes == ("held-out pairs use discovery's tokens: the vocabulary has only 20",)
    assert not {p.clean for p in small.discovery} & {p.clean for p in small.heldout}


def test_the_seed_decides_the_pairs() -> None:
    assert made() == made()
    assert made(seed=1).discovery != made().discovery


def test_special_tokens_appear_only_where_the_tokenizer_puts_them() -> None:
    tokenizer = sentence_piece()
    vocabulary = Vocabulary(len(tokenizer), tokenizer)
    pairs = induction(InductionTask(), vocabulary, 32, 0)
    for pair in pairs.discovery:
        assert pair.clean[0] == pair.corrupt[0] == 1
        assert not {0, 1, 2} & {*pair.clean[1:], *pair.corrupt[1:]}
        assert len(pair.clean) == 33
        assert pair.spans["first_copy"][0] == 1
    bare = Vocabulary(len(tokenizer), tokenizer, add_bos=False)
    assert 1 not in induction(InductionTask(), bare, 8, 0).discovery[0].clean
    plain = byte_level()
    forced = Vocabulary(len(plain), plain, add_bos=True)
    assert induction(InductionTask(), forced, 8, 0).discovery[0].clean[0] == plain.bos_token_id


def test_a_small_vocabulary_names_its_size_and_the_need() -> None:
    with pytest.raises(DatasetError, match="needs 16 different tokens; the vocabulary has 15"):
        made(size=15)


def test_a_short_context_names_both_lengths() -> None:
    with pytest.raises(DatasetError, match="prompts of 32 tokens; the model's context holds 24"):
        induction(InductionTask(), Vocabulary(64, n_ctx=24), 8, 0)


def test_more_pairs_than_prompts_are_refused() -> None:
    tiny = InductionTask(length=5, min_period=4, max_period=4)
    with pytest.raises(DatasetError, match="different prompts in 4 tokens, 32 were asked for"):
        made(tiny, size=4)
