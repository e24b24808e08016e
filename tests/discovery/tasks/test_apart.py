"""What no built-in task may leak: the splits share nothing that fills a template, whatever the
size and the seed, and groups are enough to resample."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.tasks import TASKS
from discovery.tasks.base import MadePairs, TokenPair
from discovery.tasks.vocabulary import Vocabulary
from discovery.tasks.words import (
    ARGUMENTS,
    EVENTS,
    FEMALE_NAMES,
    MALE_NAMES,
    NAMES,
    OBJECTS,
    PEOPLE,
    PERSONS,
    PLACES,
)
from graph_schema.documents import (
    AnyTask,
    DocstringTask,
    GenderedPronounTask,
    GreaterThanTask,
    InductionTask,
    IoiTask,
    SubjectVerbAgreementTask,
)
from tests.discovery.tasks.tokenizers import whole_words

FILLERS = {
    "ioi": {*NAMES, *PLACES, *OBJECTS},
    "greater_than": {*EVENTS},
    "gendered_pronoun": {*MALE_NAMES, *FEMALE_NAMES, *PERSONS},
    "docstring": {*ARGUMENTS},
    "subject_verb_agreement": {noun for both in PEOPLE for noun in both},
}
TEXT: tuple[AnyTask, ...] = (
    IoiTask(),
    GreaterThanTask(),
    GenderedPronounTask(),
    DocstringTask(),
    SubjectVerbAgreementTask(),
)
ALL = pytest.mark.parametrize("task", [*TEXT, InductionTask()], ids=lambda task: task.name)
sizes_and_seeds = given(
    st.sampled_from([8, 33, 300]), st.integers(0, 2**32 - 1), st.sampled_from([1, 2])
)


def fresh(task: AnyTask, n: int, seed: int, digits: int) -> MadePairs:
    tokenizer = whole_words(digits)
    return TASKS[task.name](task, Vocabulary(len(tokenizer), tokenizer), n, seed)


_KNOWN: dict[tuple[str, int, int, int], MadePairs] = {}


def made(task: AnyTask, n: int, seed: int, digits: int) -> MadePairs:
    """As `fresh`, once for all tests."""
    key = (task.name, n, seed, digits)
    if key not in _KNOWN:
        _KNOWN[key] = fresh(task, n, seed, digits)
    return _KNOWN[key]


def texts(pairs: Iterable[TokenPair], digits: int) -> list[str]:
    tokenizer = whole_words(digits)
    prompts = [prompt for pair in pairs for prompt in pair.prompts]
    return [str(tokenizer.decode(list(prompt))) for prompt in prompts]


def words(pairs: Iterable[TokenPair], digits: int) -> set[str]:
    found = " ".join(texts(pairs, digits))
    for sign in ",.():'":
        found = found.replace(sign, " ")
    return set(found.split())


def starts(pairs: Iterable[TokenPair], digits: int) -> tuple[set[str], set[str]]:
    """Centuries, and the two digits that follow them in the clean prompts."""
    tokenizer = whole_words(digits)
    years = [
        str(tokenizer.decode(list(pair.clean))).split("the year ")[1].split()[0] for pair in pairs
    ]
    return {year[:2] for year in years}, {year[2:] for year in years}


@ALL
@settings(max_examples=4, deadline=None)
@sizes_and_seeds
def test_splits_share_no_prompt_and_no_group(task: AnyTask, n: int, seed: int, digits: int) -> None:
    pairs = made(task, n, seed, digits)
    assert len(pairs.discovery) == len(pairs.heldout) == n
    seen = {prompt for pair in pairs.discovery for prompt in pair.prompts}
    assert all(seen.isdisjoint(pair.prompts) for pair in pairs.heldout)
    groups = [{pair.group for pair in split} for split in (pairs.discovery, pairs.heldout)]
    assert groups[0].isdisjoint(groups[1])
    assert min(map(len, groups)) >= min(n, 10)
    assert len(groups[0] | groups[1]) >= 12


@pytest.mark.parametrize("task", TEXT, ids=lambda task: task.name)
@settings(max_examples=4, deadline=None)
@sizes_and_seeds
def test_what_fills_a_template_fills_it_in_one_split(
    task: AnyTask, n: int, seed: int, digits: int
) -> None:
    pairs = made(task, n, seed, digits)
    here, there = (words(split, digits) for split in (pairs.discovery, pairs.heldout))
    assert here & FILLERS[task.name]
    assert not here & there & FILLERS[task.name]


@settings(max_examples=8, deadline=None)
@sizes_and_seeds
def test_start_years_are_of_one_split(n: int, seed: int, digits: int) -> None:
    """41 % of held-out pairs began with two digits that discovery saw, at 300 pairs 99 %."""
    pairs = made(GreaterThanTask(), n, seed, digits)
    here, there = (starts(split, digits) for split in (pairs.discovery, pairs.heldout))
    assert here[0].isdisjoint(there[0])
    assert here[1].isdisjoint(there[1])
    if digits == 1:
        assert {year[0] for year in here[1]}.isdisjoint(year[0] for year in there[1])


@ALL
def test_groups_of_a_split_share_no_answers_words(task: AnyTask) -> None:
    """A name that leans to its answer must lean in one group alone."""
    if isinstance(task, InductionTask):
        return  # tokens are drawn anew for each pair
    for split in (made(task, 32, 0, 2).discovery, made(task, 32, 0, 2).heldout):
        found: dict[str, set[int]] = {}
        for pair in split:
            if isinstance(task, GreaterThanTask | GenderedPronounTask | SubjectVerbAgreementTask):
                (place,) = (i for i, t in enumerate(pair.clean) if t != pair.corrupt[i])
                told = {pair.clean[place]}
            else:
                told = {*pair.answers[0], *pair.wrong_answers[0]}
            found.setdefault(pair.group, set()).update(told)
        assert len(found) == 16
        assert sum(map(len, found.values())) == len(set[int]().union(*found.values()))


@ALL
def test_templates_are_kept_out(task: AnyTask) -> None:
    if isinstance(task, InductionTask | GreaterThanTask):
        return  # of one template
    pairs = made(task, 32, 3, 2)
    here, there = (
        {pair.group.rsplit("-", 1)[0] for pair in split}
        for split in (pairs.discovery, pairs.heldout)
    )
    assert there - here
    assert all(f"'{name}'" in pairs.notes[0] for name in there - here)


def test_the_seed_draws_each_split_from_a_stream_of_its_own() -> None:
    for task in (*TEXT, InductionTask()):
        fewer, more = made(task, 16, 5, 2), made(task, 48, 5, 2)
        assert [p.clean for p in more.discovery[:16]] == [p.clean for p in fewer.discovery]
        assert [p.clean for p in more.heldout[:16]] == [p.clean for p in fewer.heldout]
        assert fresh(task, 16, 5, 2) == fewer
        assert made(task, 16, 6, 2).heldout != fewer.heldout
