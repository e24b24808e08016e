"""Induction: a random sequence repeated, Olsson et al. 2022, arXiv:2209.11895.

    clean    7 3 9 4 5 | 7 3 9 4 5 | 7    -> 3
    corrupt  4 3 9 7 5 | 4 3 9 7 5 | 7    -> 5

In the corrupt prompt the last token has traded places with another one wherever it stood before,
so another token followed it. Right and wrong answer stand in both prompts at the same places: no
count of tokens tells them apart, only what came before each does. That is what the previous-token
heads hand to the keys of the induction heads, so these edges carry the difference, not values.
"""

from __future__ import annotations

import random
from collections.abc import Sequence, Set
from dataclasses import replace

from discovery.tasks.base import MadePairs, TokenPair
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import InductionTask
from graph_schema.errors import DatasetError

GROUPS = 10
"""Groups of a split, at least: what an interval over groups wants."""


def induction(task: InductionTask, vocabulary: Vocabulary, n_pairs: int, seed: int) -> MadePairs:
    """Pairs of one length, periods in equal shares; held-out ones of other tokens.

    A period is a group; of fewer than ten periods each has as many groups as make ten of a split:
    tokens are drawn anew for each pair, so groups of a period have nothing else in common.

    Raises:
        DatasetError: The vocabulary has too few tokens, or the model's context is too short.
    """
    tokens = vocabulary.ordinary_ids()
    needed = task.max_period
    if len(tokens) < needed:
        raise DatasetError(
            f"task {task.name!r} with periods up to {task.max_period} needs {needed} different "
            f"tokens; the vocabulary has {len(tokens)}: choose a smaller max_period"
        )
    prefix = vocabulary.prefix()
    length = len(prefix) + task.length
    if vocabulary.n_ctx is not None and length > vocabulary.n_ctx:
        raise DatasetError(
            f"task {task.name!r} makes prompts of {length} tokens; the model's context holds "
            f"{vocabulary.n_ctx}: choose a smaller length"
        )
    random.Random(f"induction:{seed}").shuffle(tokens)
    half = len(tokens) // 2
    disjoint = half >= needed
    pools = (tokens[:half], tokens[half:]) if disjoint else (tokens, tokens)
    found: list[tuple[TokenPair, ...]] = []
    for pool, split in zip(pools, ("discovery", "heldout"), strict=True):
        rng = random.Random(f"induction:{seed}:{split}")
        used = {prompt for pairs in found for pair in pairs for prompt in pair.prompts}
        made = _pairs(task, prefix, pool, n_pairs, rng, used, split)
        found.append(tuple(_as_outputs(pair, vocabulary) for pair in made))
    return MadePairs(
        discovery=found[0],
        heldout=found[1],
        notes=(
            "held-out pairs share no token with discovery"
            if disjoint
            else f"held-out pairs use discovery's tokens: the vocabulary has only {len(tokens)}",
        ),
    )


def _as_outputs(pair: TokenPair, vocabulary: Vocabulary) -> TokenPair:
    """The pair with its answers, which are tokens, as the model's outputs."""
    if vocabulary.names is None:
        return pair
    right, wrong = (
        tuple(tuple(vocabulary.output_of(token) for token in row) for row in rows)
        for rows in (pair.answers, pair.wrong_answers)
    )
    return replace(pair, answers=right, wrong_answers=wrong)


def _pairs(
    task: InductionTask,
    prefix: tuple[int, ...],
    pool: Sequence[int],
    n_pairs: int,
    rng: random.Random,
    used: Set[tuple[int, ...]],
    split: str,
) -> tuple[TokenPair, ...]:
    periods = list(range(task.min_period, task.max_period + 1))
    rng.shuffle(periods)
    found: dict[tuple[int, ...], TokenPair] = {}
    tries = 0
    while len(found) < n_pairs:
        tries += 1
        if tries > 20 * n_pairs + 1000:
            raise DatasetError(
                f"task 'induction' found only {len(found)} different prompts in {len(pool)} "
                f"tokens, {n_pairs} were asked for; ask for fewer pairs or longer periods"
            )
        number = len(found)
        turn, place = divmod(number, len(periods))
        group = _group(periods[place], turn % -(-GROUPS // len(periods)), split)
        pair = _pair(task.length, periods[place], prefix, pool, rng, str(number + 1), group)
        if used.isdisjoint(pair.prompts):
            found.setdefault(pair.clean, pair)
    return tuple(found.values())


def _group(period: int, part: int, split: str) -> str:
    """Discovery's are named as they were before a split had groups of its own."""
    name = f"period-{period}" + (f".{part + 1}" if part else "")
    return name if split == "discovery" else f"{name} held out"


def _pair(
    length: int,
    period: int,
    prefix: tuple[int, ...],
    pool: Sequence[int],
    rng: random.Random,
    number: str,
    group: str,
) -> TokenPair:
    segment = rng.sample(pool, period)
    last = (length - 1) % period
    # Neighbours of the last token's place would change what follows it, or be what follows.
    other = (last + rng.randrange(2, period - 1)) % period
    traded = [*segment]
    traded[last], traded[other] = segment[other], segment[last]
    clean = tuple(segment[i % period] for i in range(length))
    corrupt = (*(traded[i % period] for i in range(length - 1)), clean[-1])
    answer, wrong = segment[(last + 1) % period], segment[(other + 1) % period]
    start, end = len(prefix), len(prefix) + length
    return TokenPair(
        clean=prefix + clean,
        corrupt=prefix + corrupt,
        answers=((answer,),),
        wrong_answers=((wrong,),),
        positions=(end - 1,),
        id=number,
        group=group,
        spans={
            "first_copy": (start, start + period),
            # Where the answer last stood, one period before it is due.
            "source": (end - period, end - period + 1),
            "end": (end - 1, end),
        },
    )
