"""The pronoun of a tag question, Mathwin et al. 2023 (Apart Research).

"So Mary is a really great friend, isn't" -> " she". The corrupt prompt has a name of the other
gender in Mary's place, and the other answer.
"""

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
    single_or_all,
)
from discovery.tasks.vocabulary import Vocabulary
from discovery.tasks.words import FEMALE_NAMES, MALE_NAMES, PERSONS
from graph_schema.documents import GenderedPronounTask, PairDocument

# As many words in each, so that all prompts have one length.
TEMPLATES = {
    "is": "So {name} is a really great {person}, isn't",
    "was": "So {name} was a very good {person}, wasn't",
    "has": "So {name} has always been a {person}, hasn't",
    "will": "So {name} will become a great {person}, won't",
    "is-kind": "So {name} is a truly kind {person}, isn't",
    "is-smart": "And {name} is a quite smart {person}, isn't",
    "is-happy": "Now {name} is a rather happy {person}, isn't",
    "was-fine": "Well {name} was a really fine {person}, wasn't",
    "was-young": "Then {name} was a very young {person}, wasn't",
    "was-poor": "But {name} was a rather poor {person}, wasn't",
    "will-be": "Soon {name} will be a famous {person}, won't",
    "had": "So {name} had long been a {person}, hadn't",
    "had-become": "Then {name} had become a good {person}, hadn't",
    "has-become": "Now {name} has become a real {person}, hasn't",
    "did-look": "So {name} did look like a {person}, didn't",
    "does-seem": "So {name} does seem like a {person}, doesn't",
    "would-make": "So {name} would make a great {person}, wouldn't",
    "could-be": "Then {name} could be a good {person}, couldn't",
    "should-be": "And {name} should be a good {person}, shouldn't",
    "could-become": "But {name} could become a great {person}, couldn't",
}
MIN_NAMES = 2 * FEWEST


@dataclass(frozen=True)
class _Words:
    """A group's names by pronoun, and the persons of its split."""

    names: dict[str, list[str]]
    persons: list[str]


def gendered_pronoun(
    task: GenderedPronounTask, vocabulary: Vocabulary, n_pairs: int, seed: int
) -> MadePairs:
    """Pairs with some templates and half of all words kept for the held-out ones.

    Raises:
        DatasetError: The model has no tokenizer, or too few names are single tokens.
    """
    require_tokenizer(task.name, vocabulary)
    men = list(vocabulary.single_token_words(MALE_NAMES))
    women = list(vocabulary.single_token_words(FEMALE_NAMES))
    require_words(task.name, "men's names", men, MIN_NAMES)
    require_words(task.name, "women's names", women, MIN_NAMES)
    persons = single_or_all(PERSONS, vocabulary)

    def words(rng: random.Random) -> Parts[_Words]:
        halved = zip(*(halves(known, rng) for known in (men, women, persons)), strict=True)
        first, second = (
            [
                _Words({"he": he, "she": she}, own)
                for he, she in zip(dealt(m, 1), dealt(w, 1), strict=False)
            ]
            for m, w, own in halved
        )
        return first, second

    def draw(template: str, variant: int, own: _Words, rng: random.Random) -> PairDocument:
        right, wrong = ("he", "she") if variant % 2 else ("she", "he")
        person = rng.choice(own.persons)
        text = TEMPLATES[template]
        return PairDocument(
            clean=text.format(name=rng.choice(own.names[right]), person=person),
            corrupt=text.format(name=rng.choice(own.names[wrong]), person=person),
            answers=(f" {right}",),
            wrong_answers=(f" {wrong}",),
        )

    return held_apart(
        task.name,
        vocabulary,
        n_pairs,
        seed,
        templates=list(TEMPLATES),
        words=words,
        draw=draw,
        apart="name or person",
    )
