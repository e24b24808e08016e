"""What the built-in text tasks share: a tokenizer, words for each split, pairs that differ."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from discovery.tasks.base import MadePairs, TokenPair
from discovery.tasks.submitted import tokenise
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import PairDocument
from graph_schema.errors import DatasetError

T = TypeVar("T")
Words = TypeVar("Words")

Pairs = tuple[TokenPair, ...]
Parts = tuple[Sequence[Words], Sequence[Words]]
"""What the groups of discovery draw from, and those held out."""

GROUPS = 16
"""Groups of a split: with two pairs each at 32 pairs, an interval over them means something."""
TRIES = 100
"""So many draws in a row that were had before say that a group's prompts are used up."""
FEWEST = 6
"""A tokenizer has words for at least so many groups of a split, 12 in all, or is refused."""


def require_tokenizer(task: str, vocabulary: Vocabulary) -> None:
    """Refuse a text task for a model that knows no text.

    Raises:
        DatasetError: Says what to do instead.
    """
    if vocabulary.names is not None:
        raise DatasetError(
            f"task {task!r} is made of text, and the model is a compiled program, which has no "
            "tokenizer; use task 'induction', or submit pairs of its own tokens as a dataset"
        )
    if vocabulary.tokenizer is None:
        raise DatasetError(
            f"task {task!r} is made of text, and the model has no tokenizer; put the tokenizer's "
            "files into the model folder, use task 'induction', or submit pairs of token ids as "
            "a dataset"
        )


def require_words(task: str, what: str, words: Sequence[str], needed: int) -> None:
    """Refuse a tokenizer that holds too few of a task's words whole.

    Raises:
        DatasetError: Names how many there are and how many are needed.
    """
    if len(words) < needed:
        found = ", ".join(words) or "none"
        raise DatasetError(
            f"task {task!r} needs at least {needed} {what} that are single tokens after a space; "
            f"this tokenizer has {len(words)} ({found}): submit pairs of your own as a dataset"
        )


def halves(items: Iterable[T], rng: random.Random) -> tuple[list[T], list[T]]:
    """The items in random order, cut in two: one half for each split."""
    order = list(items)
    rng.shuffle(order)
    return order[: len(order) // 2], order[len(order) // 2 :]


def dealt(words: Sequence[T], each: int) -> list[list[T]]:
    """The words dealt out to as many groups as get `each` of them, at most `GROUPS`."""
    n = min(GROUPS, len(words) // each)
    return [list(words[i::n]) for i in range(n)]


def single_or_all(words: Sequence[str], vocabulary: Vocabulary) -> tuple[str, ...]:
    """The words that are one token each, or all of them where those are few."""
    single = tuple(vocabulary.single_token_words(tuple(words)))
    return single if len(single) >= 4 else tuple(words)


def distinct_pairs(
    task: str,
    vocabulary: Vocabulary,
    n_pairs: int,
    n_groups: int,
    draw: Callable[[int, int], PairDocument],
) -> Pairs:
    """`n_pairs` pairs with different clean prompts, in equal shares of the groups.

    `draw` gets the turn, how often all groups were gone through, and the group's number. A group
    whose prompts are used up drops out, and the others go on.

    Raises:
        DatasetError: The task's words do not make so many prompts.
    """
    found: dict[tuple[int, ...], TokenPair] = {}

    def fresh(turn: int, group: int) -> bool:
        number = str(len(found) + 1)
        for _ in range(TRIES):
            document = draw(turn, group)
            pair = tokenise(f"task {task!r}, pair {number}", document, vocabulary, "single", number)
            if pair.clean not in found:
                found[pair.clean] = pair
                return True
        return False

    groups, turn = list(range(n_groups)), 0
    while groups and len(found) < n_pairs:
        missing = n_pairs - len(found)
        groups = [group for group in groups[:missing] if fresh(turn, group)] + groups[missing:]
        turn += 1
    if len(found) < n_pairs:
        raise DatasetError(
            f"task {task!r} found only {len(found)} different prompts for this tokenizer, "
            f"{n_pairs} were asked for; ask for fewer pairs"
        )
    return tuple(found.values())


def held_apart(
    task: str,
    vocabulary: Vocabulary,
    n_pairs: int,
    seed: int,
    *,
    templates: Sequence[str],
    words: Callable[[random.Random], Parts[Words]],
    draw: Callable[[str, int, Words, random.Random], PairDocument],
    apart: str,
    styles: str = "templates",
) -> MadePairs:
    """Pairs in equal shares of groups, each a template with words of its own.

    No two groups draw their answers from the same words, in a split or across: what one template
    or one name does to a model is in one group, so that groups vary as new ones would. Every fifth
    template comes up in held-out pairs only.

    Args:
        task: Its name.
        vocabulary: Of the model.
        n_pairs: For each split.
        seed: Of everything drawn.
        templates: Their names; with more groups than templates they come round again.
        words: For each split, the words of each of its groups.
        draw: Makes a pair of a template, a number that counts through the task's variants, a
            group's words and the split's random stream.
        apart: What the splits do not share, for the note.
        styles: What templates are called there.

    Raises:
        DatasetError: The task's words do not make so many prompts.
    """
    rng = random.Random(f"{task}:{seed}")
    first, second = words(rng)
    order = list(templates)
    rng.shuffle(order)
    kept_out = max(1, len(order) // 5)

    def split(names: list[str], own: Sequence[Words], start: int, stream: str) -> Pairs:
        drawn = random.Random(f"{task}:{seed}:{stream}")

        def next_pair(turn: int, group: int) -> PairDocument:
            name = names[group % len(names)]
            pair = draw(name, turn + group, own[group], drawn)
            return pair.model_copy(update={"group": f"{name}-{start + group + 1}"})

        return distinct_pairs(task, vocabulary, n_pairs, len(own), next_pair)

    added = ", ".join(f"'{name}'" for name in sorted(order[:kept_out]))
    return MadePairs(
        discovery=split(order[kept_out:], first, 0, "discovery"),
        heldout=split(order, second, len(first), "heldout"),
        notes=(f"held-out pairs share no {apart} with discovery and add {styles} {added}",),
    )
