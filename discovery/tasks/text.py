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


def held_apart(
    task: str,
    vocabulary: Vocabulary,
    n_pairs: int,
    seed: int,
    *,
    templates: Iterable[str],
    words: Callable[[random.Random], tuple[Words, Words]],
    draw: Callable[[str, int, Words, random.Random], PairDocument],
    apart: str,
    styles: str = "template",
    streams: tuple[str, str] = ("discovery", "heldout"),
) -> MadePairs:
    """Pairs in equal shares of the templates, which are their groups; held out, one template more.

    Args:
        task: Its name.
        vocabulary: Of the model.
        n_pairs: For each split.
        seed: Of everything drawn.
        templates: Their names.
        words: Cuts the task's words in two, one part for each split.
        draw: Makes a pair of a template, the number of times that all were gone through, a split's
            words and its random stream.
        apart: What the splits do not share, for the note.
        styles: What a template is called there.
        streams: The splits' names in the seeds of their streams.

    Raises:
        DatasetError: The task's words do not make so many prompts.
    """
    rng = random.Random(f"{task}:{seed}")
    first, second = words(rng)
    order = list(templates)
    rng.shuffle(order)

    def split(names: list[str], own: Words, stream: str) -> tuple[TokenPair, ...]:
        drawn = random.Random(f"{task}:{seed}:{stream}")

        def next_pair(number: int) -> PairDocument:
            turn, place = divmod(number, len(names))
            return draw(names[place], turn, own, drawn).model_copy(update={"group": names[place]})

        return distinct_pairs(task, vocabulary, n_pairs, next_pair)

    return MadePairs(
        discovery=split(order[1:], first, streams[0]),
        heldout=split(order, second, streams[1]),
        notes=(f"held-out pairs share no {apart} with discovery and add {styles} '{order[0]}'",),
    )
