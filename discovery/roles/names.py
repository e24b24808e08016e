"""Prompts about two names, one of them repeated (Wang et al. 2022, arXiv:2211.00593), as probes.

Made of the IOI task's templates with names, places and objects drawn anew: both orders of the names
in each half of the templates are a condition. A prompt has partners that differ everywhere, in the
answer too or in all but the answer: the roles' heads must carry the one over and not the other.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from discovery.roles.probes import OF_NAMES, Condition, Probe
from discovery.tasks.base import TokenPair
from discovery.tasks.ioi import TEMPLATES
from discovery.tasks.text import single_or_all
from discovery.tasks.vocabulary import Vocabulary
from discovery.tasks.words import NAMES, OBJECTS, PLACES
from graph_schema.documents import RoleName
from graph_schema.errors import DatasetError

FEWEST_NAMES = 12
PLACES_NAMED = ("io", "s1", "s2", "end")
SHOWN = OF_NAMES | {RoleName.PREVIOUS_TOKEN, RoleName.DUPLICATE_TOKEN, RoleName.INDUCTION}


@dataclass(frozen=True)
class Named:
    """A prompt about two names, its two partners, and the same prompt of a third name (ABC)."""

    clean: Probe
    corrupt: Probe
    io: int
    subject: int
    other: Probe
    other_io: int
    same_answer: Probe
    template: str

    @property
    def pair(self) -> TokenPair:
        """As a pair of the task."""
        return TokenPair(
            clean=self.clean.tokens,
            corrupt=self.corrupt.tokens,
            answers=((self.io,),),
            wrong_answers=((self.subject,),),
            positions=(self.clean.places["end"],),
            id=self.template,
            group=self.template,
        )


def named(vocabulary: Vocabulary, n: int, seed: int) -> dict[str, tuple[Named, ...]]:
    """`n` prompts for each condition, by its name.

    Raises:
        DatasetError: There is no tokenizer, or too few names are single tokens in it.
    """
    if vocabulary.tokenizer is None:
        raise DatasetError("probes about names are made of text, and the model has no tokenizer")
    names = vocabulary.single_token_words(NAMES)
    if len(names) < FEWEST_NAMES:
        raise DatasetError(
            f"probes about names need {FEWEST_NAMES} names that are single tokens after a space; "
            f"this tokenizer has {len(names)}"
        )
    order = sorted(TEMPLATES)
    random.Random(f"probe names:{seed}").shuffle(order)
    halves = (order[::2], order[1::2])
    maker = _Maker(vocabulary, names)
    return {
        f"{'abba' if io_first else 'baba'}-{half + 1}": tuple(
            maker.make(
                random.Random(f"probe names:{seed}:{half}:{io_first}:{number}"),
                halves[half][number % len(halves[half])],
                order,
                io_first,
            )
            for number in range(n)
        )
        for half in (0, 1)
        for io_first in (True, False)
    }


def conditions(found: dict[str, tuple[Named, ...]]) -> tuple[Condition, ...]:
    """The prompts as conditions of probes."""
    return tuple(
        Condition(name, tuple(each.clean for each in prompts), SHOWN)
        for name, prompts in found.items()
    )


class _Maker:
    def __init__(self, vocabulary: Vocabulary, names: dict[str, int]) -> None:
        self._vocabulary, self._names = vocabulary, names
        self._places = single_or_all(PLACES, vocabulary)
        self._objects = single_or_all(OBJECTS, vocabulary)
        self._start = len(vocabulary.prefix())

    def make(
        self, rng: random.Random, template: str, templates: Sequence[str], io_first: bool
    ) -> Named:
        io, subject, third, io2, subject2, subject3 = rng.sample(list(self._names), 6)
        others = rng.sample([name for name in templates if name != template], 2)
        where = rng.sample(self._places, 3)
        what = rng.sample(self._objects, 3)

        def prompt(
            name: str, answer: str, repeated: str, at: int, first: bool, again: str | None = None
        ) -> Probe:
            both = (answer, repeated) if first else (repeated, answer)
            text = TEMPLATES[name].format(
                A=both[0], B=both[1], S=again or repeated, place=where[at], object=what[at]
            )
            return self._probe(text, answer, repeated, again)

        flipped = rng.random() < 0.5
        return Named(
            clean=prompt(template, io, subject, 0, io_first),
            corrupt=prompt(template, io, subject, 0, io_first, third),
            io=self._names[io],
            subject=self._names[subject],
            other=prompt(others[0], io2, subject2, 1, flipped),
            other_io=self._names[io2],
            same_answer=prompt(others[1], io, subject3, 2, not flipped),
            template=template,
        )

    def _probe(self, text: str, io: str, subject: str, again: str | None) -> Probe:
        tokens = self._vocabulary.prompt(text)
        last = self._names[again or subject]
        s1, io_at = tokens.index(self._names[subject]), tokens.index(self._names[io])
        s2 = max(i for i, token in enumerate(tokens) if token == last)
        at = {"io": io_at, "s1": s1, "s2": s2, "end": len(tokens) - 1}
        return Probe(tokens, self._start, at)
