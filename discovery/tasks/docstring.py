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

from discovery.tasks.base import MadePairs
from discovery.tasks.text import halves, held_apart, require_tokenizer, require_words
from discovery.tasks.vocabulary import Vocabulary
from discovery.tasks.words import ARGUMENTS
from graph_schema.documents import DocstringTask, PairDocument

_HEAD = 'def {f}(self, {a}, {b}, {c}, {d}):\n    """The {w0} {w1}\n\n'
STYLES = {
    "sphinx": "    :param {a}: {w2} {w3}\n    :param {b}: {w4} {w5}\n    :param",
    "epytext": "    @param {a}: {w2} {w3}\n    @param {b}: {w4} {w5}\n    @param",
    "list": "    - {a}: {w2} {w3}\n    - {b}: {w4} {w5}\n    -",
}
MIN_WORDS = 24


def docstring(task: DocstringTask, vocabulary: Vocabulary, n_pairs: int, seed: int) -> MadePairs:
    """Pairs with one docstring style and half of the words kept for the held-out ones.

    Raises:
        DatasetError: The model has no tokenizer, or too few words are single tokens.
    """
    require_tokenizer(task.name, vocabulary)
    words = list(vocabulary.single_token_words(ARGUMENTS))
    require_words(task.name, "words", words, MIN_WORDS)

    def draw(style: str, turn: int, words: list[str], rng: random.Random) -> PairDocument:
        f, a, b, c, d, *others = rng.sample(words, 11)
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
        templates=STYLES,
        words=lambda rng: halves(words, rng),
        draw=draw,
        apart="word",
        styles="style",
    )
