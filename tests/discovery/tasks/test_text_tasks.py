"""The text tasks beside ioi: one token changes, and answers follow it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from discovery.tasks import TASKS
from discovery.tasks.base import MadePairs, TokenPair
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import (
    DocstringTask,
    GenderedPronounTask,
    GreaterThanTask,
    SubjectVerbAgreementTask,
)
from graph_schema.errors import DatasetError
from tests.discovery.tasks.tokenizers import whole_words

ALL = (GreaterThanTask(), GenderedPronounTask(), DocstringTask(), SubjectVerbAgreementTask())
AnyTextTask = GreaterThanTask | GenderedPronounTask | DocstringTask | SubjectVerbAgreementTask
TASK = pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)


def made(
    task: AnyTextTask, tokenizer: PreTrainedTokenizerBase | None = None, n: int = 24, seed: int = 0
) -> MadePairs:
    tokenizer = tokenizer or whole_words()
    return TASKS[task.name](task, Vocabulary(len(tokenizer), tokenizer), n, seed)


def text(tokens: Iterable[int], digits: int = 2) -> str:
    return str(whole_words(digits).decode(list(tokens)))


def changed(pair: TokenPair) -> list[int]:
    return [i for i, token in enumerate(pair.clean) if token != pair.corrupt[i]]


@TASK
def test_pairs_differ_from_each_other_and_by_seed(task: AnyTextTask) -> None:
    pairs = made(task)
    assert len({pair.clean for pair in pairs.discovery}) == len(pairs.heldout) == 24
    assert pairs == made(task)
    assert pairs.discovery != made(task, seed=1).discovery


@TASK
def test_without_a_tokenizer_the_next_step_is_named(task: AnyTextTask) -> None:
    with pytest.raises(DatasetError, match=f"task '{task.name}' is made of text, and the model"):
        TASKS[task.name](task, Vocabulary(64), 8, 0)


def test_a_group_whose_prompts_are_used_up_leaves_the_rest_to_others() -> None:
    """Some groups have one woman's name, so they end after some forty pairs."""
    pairs = made(GenderedPronounTask(), n=900).heldout
    assert len({pair.clean for pair in pairs}) == 900
    counts = Counter(pair.group for pair in pairs).values()
    assert min(counts) < max(counts)


def test_more_pairs_than_the_words_make_are_refused_with_their_number() -> None:
    with pytest.raises(DatasetError, match=r"found only 1\d+ different prompts .* 2500 were asked"):
        made(GenderedPronounTask(), n=2500)


@pytest.mark.parametrize("task", ALL[1:], ids=lambda task: task.name)
def test_too_few_whole_words_are_counted(task: AnyTextTask) -> None:
    letters = Tokenizer(models.BPE())
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.add_tokens(sorted(pre_tokenizers.ByteLevel.alphabet()))
    with pytest.raises(DatasetError, match=f"task '{task.name}' needs at least .* has 0 "):
        made(task, PreTrainedTokenizerFast(tokenizer_object=letters))


def test_the_pronoun_follows_the_name() -> None:
    for pair in made(GenderedPronounTask()).discovery:
        assert changed(pair) == [1]
        assert {text(pair.answers[0]), text(pair.wrong_answers[0])} == {" he", " she"}
    answers = Counter(text(pair.answers[0]) for pair in made(GenderedPronounTask()).discovery)
    assert answers[" he"] == answers[" she"]


def test_the_last_two_arguments_trade_places() -> None:
    for pair in made(DocstringTask()).discovery:
        first, second = changed(pair)
        assert (pair.clean[first],) == pair.answers[0] == (pair.corrupt[second],)
        assert (pair.clean[second],) == pair.wrong_answers[0] == (pair.corrupt[first],)
        assert text(pair.clean).count(text(pair.answers[0])) == 1


def test_the_subjects_number_decides_and_the_other_noun_has_either() -> None:
    plural = 0
    for pair in made(SubjectVerbAgreementTask(), n=40).discovery:
        assert changed(pair) == [1]
        is_plural = text(pair.answers[0]) == " are were have"
        assert text(pair.wrong_answers[0]) == (" is was has" if is_plural else " are were have")
        plural += is_plural
    assert plural == 20


def test_years_of_two_digits_are_compared_whole() -> None:
    for pair in made(GreaterThanTask()).discovery:
        start = int(text([pair.clean[changed(pair)[0]]]))
        assert text([pair.corrupt[changed(pair)[0]]]) == "01"
        assert [int(text([t])) for t in pair.answers[0]] == list(range(start + 1, 100))
        assert [int(text([t])) for t in pair.wrong_answers[0]] == list(range(start + 1))


def test_years_of_single_digits_are_compared_by_their_tens() -> None:
    pairs = made(GreaterThanTask(), whole_words(digits=1))
    assert "tens are compared" in pairs.notes[1]
    for pair in pairs.discovery:
        tens = int(text([pair.clean[changed(pair)[0]]], digits=1))
        assert [int(text([t], digits=1)) for t in pair.answers[0]] == list(range(tens + 1, 10))
        assert [int(text([t], digits=1)) for t in pair.wrong_answers[0]] == list(range(tens))


def test_years_written_otherwise_are_shown() -> None:
    with pytest.raises(DatasetError, match=r'this one writes " " . "173" . "2": submit'):
        made(GreaterThanTask(), whole_words(digits=3))


@pytest.mark.needs_real_models
@TASK
def test_smollm2_can_be_asked_every_task(task: AnyTextTask, smollm2_folder: str) -> None:
    made(task, AutoTokenizer.from_pretrained(smollm2_folder))
