"""What the built-in text tasks share: a tokenizer, words for each split, pairs that differ."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from discovery.tasks.base import TokenPair
from discovery.tasks.submitted import tokenise
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import PairDocument
from graph_schema.errors import DatasetError

T = TypeVar("T")


def require_tokenizer(task: str, vocabulary: Vocabulary) -> None:
    """Refuse a text task for a model that knows no text.

    Raises:
        DatasetError: Says what to do instead.
    """
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


def single_or_all(words: Sequence[str], vocabulary: Vocabulary) -> tuple[str, ...]:
    """The words that are one token each, or all of them where those are few."""
    single = tuple(vocabulary.single_token_words(tuple(words)))
    return single if len(single) >= 4 else tuple(words)


def distinct_pairs(
    task: str, vocabulary: Vocabulary, n_pairs: int, draw: Callable[[int], PairDocument]
) -> tuple[TokenPair, ...]:
    """`n_pairs` pairs with different clean prompts; `draw` gets the number of those found so far.

    So it can go through templates in turn and give them equal shares.

    Raises:
        DatasetError: The task's words do not make so many prompts.
    """
    found: dict[tuple[int, ...], TokenPair] = {}
    tries = 0
    while len(found) < n_pairs:
        tries += 1
        if tries > 20 * n_pairs + 1000:
            raise DatasetError(
                f"task {task!r} found only {len(found)} different prompts for this tokenizer, "
                f"{n_pairs} were asked for; ask for fewer pairs"
            )
        number = str(len(found) + 1)
        document = draw(len(found))
        pair = tokenise(f"task {task!r}, pair {number}", document, vocabulary, default_id=number)
        found.setdefault(pair.clean, pair)
    return tuple(found.values())
