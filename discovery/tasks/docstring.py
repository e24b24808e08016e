'''The next argument in a docstring, Heimersheim and Janiak 2023 (Alignment Forum).

    def port(self, load, size, file, last):
        """The oil column

        :param load: crime population
        :param size: unit dark
        :param                              -> " file"

In the corrupt prompt `file` and `last`, the arguments not yet documented, have traded places, so
the answer is " last"; every word stands in both prompts equally often.
'''

from __future__ import annotations

import random
from dataclasses import dataclass

from discovery.tasks.base import MadePairs
from discovery.tasks.text import (
    FEWEST,
    Parts,
    dealt,
    halves,
    held_apart,
    require_tokenizer,
    require_words,
)
from discovery.tasks.vocabulary import Vocabulary
from discovery.tasks.words import ARGUMENTS
from graph_schema.documents import DocstringTask, PairDocument

_HEAD = 'def {f}(self, {a}, {b}, {c}, {d}):\n    """The {w0} {w1}\n\n'
# Markers of Sphinx, Epytext and Doxygen that are as long as each other in tokens, so that with
# single-token words all prompts have one length.
STYLES = {
    "param": "    :param {a}: {w2} {w3}\n    :param {b}: {w4} {w5}\n    :param",
    "arg": "    :arg {a}: {w2} {w3}\n    :arg {b}: {w4} {w5}\n    :arg",
    "argument": "    :argument {a}: {w2} {w3}\n    :argument {b}: {w4} {w5}\n    :argument",
    "key": "    :key {a}: {w2} {w3}\n    :key {b}: {w4} {w5}\n    :key",
    "epytext": "    @param {a}: {w2} {w3}\n    @param {b}: {w4} {w5}\n    @param",
    "epytext-arg": "    @arg {a}: {w2} {w3}\n    @arg {b}: {w4} {w5}\n    @arg",
    "doxygen": "    \\param {a}: {w2} {w3}\n    \\param {b}: {w4} {w5}\n    \\param",
}
ANSWERS_A_GROUP, OTHERS = 2, 9
MIN_WORDS = 2 * (FEWEST * ANSWERS_A_GROUP + OTHERS)


@dataclass(frozen=True)
class _Words:
    """A group's words for the two arguments not yet documented, and its split's for the rest."""

    answers: list[str]
    others: list[str]


def docstring(task: DocstringTask, vocabulary: Vocabulary, n_pairs: int, seed: int) -> MadePairs:
    """Pairs with a docstring style and half of the words kept for the held-out ones.

    Raises:
        DatasetError: The model has no tokenizer, or too few words are single tokens.
    """
    require_tokenizer(task.name, vocabulary)
    known = list(vocabulary.single_token_words(ARGUMENTS))
    require_words(task.name, "words", known, MIN_WORDS)

    def words(rng: random.Random) -> Parts[_Words]:
        first, second = (_parted(half) for half in halves(known, rng))
        return first, second

    def draw(style: str, variant: int, own: _Words, rng: random.Random) -> PairDocument:
        c, d = rng.sample(own.answers, 2)
        f, a, b, *others = rng.sample(own.others, OTHERS)
        filled = {"f": f, "a": a, "b": b, **{f"w{i}": word for i, word in enumerate(others)}}
        text = _HEAD + STYLES[style]
        return PairDocument(
            clean=text.format(c=c, d=d, **filled),
            corrupt=text.format(c=d, d=c, **filled),
            answers=(f" {c}",),
            wrong_answers=(f" {d}",),
        )

    return held_apart(
        task.name,
        vocabulary,
        n_pairs,
        seed,
        templates=list(STYLES),
        words=words,
        draw=draw,
        apart="word",
        styles="style",
    )


def _parted(words: list[str]) -> list[_Words]:
    """Half of the words, but enough, are for answers, and dealt out."""
    n = max(FEWEST * ANSWERS_A_GROUP, min(len(words) // 2, len(words) - 2 * OTHERS))
    return [_Words(own, words[n:]) for own in dealt(words[:n], ANSWERS_A_GROUP)]
