"""The pronoun of a tag question, Mathwin et al. 2023 (Apart Research).

"So Mary is a really great friend, isn't" -> " she". The corrupt prompt has a name of the other
gender in Mary's place, and the other answer.
"""

from __future__ import annotations

import random

from discovery.tasks.base import MadePairs, TokenPair
from discovery.tasks.text import (
    distinct_pairs,
    halves,
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
}
MIN_NAMES = 6


def gendered_pronoun(
    task: GenderedPronounTask, vocabulary: Vocabulary, n_pairs: int, seed: int
) -> MadePairs:
    """Pairs with one template and half of the names kept for the held-out ones.

    Raises:
        DatasetError: The model has no tokenizer, or too few names are single tokens.
    """
    require_tokenizer(task.name, vocabulary)
    rng = random.Random(f"gendered_pronoun:{seed}")
    by_gender: dict[str, tuple[list[str], list[str]]] = {}
    for pronoun, kind, names in (("he", "men's", MALE_NAMES), ("she", "women's", FEMALE_NAMES)):
        known = list(vocabulary.single_token_words(names))
        require_words(task.name, f"{kind} names", known, MIN_NAMES)
        by_gender[pronoun] = halves(known, rng)
    templates = list(TEMPLATES)
    rng.shuffle(templates)
    persons = single_or_all(PERSONS, vocabulary)
    splits: list[tuple[TokenPair, ...]] = []
    for split, kept in ((0, templates[1:]), (1, templates)):
        names_of = {pronoun: both[split] for pronoun, both in by_gender.items()}
        stream = random.Random(f"gendered_pronoun:{seed}:{split}")
        splits.append(_pairs(kept, names_of, persons, vocabulary, n_pairs, stream))
    return MadePairs(
        discovery=splits[0],
        heldout=splits[1],
        notes=(f"held-out pairs share no name with discovery and add template '{templates[0]}'",),
    )


def _pairs(
    templates: list[str],
    names: dict[str, list[str]],
    persons: tuple[str, ...],
    vocabulary: Vocabulary,
    n_pairs: int,
    rng: random.Random,
) -> tuple[TokenPair, ...]:
    def draw(number: int) -> PairDocument:
        template = templates[number % len(templates)]
        right, wrong = ("he", "she") if (number // len(templates)) % 2 else ("she", "he")
        person = rng.choice(persons)
        text = TEMPLATES[template]
        return PairDocument(
            clean=text.format(name=rng.choice(names[right]), person=person),
            corrupt=text.format(name=rng.choice(names[wrong]), person=person),
            answers=(f" {right}",),
            wrong_answers=(f" {wrong}",),
            group=template,
        )

    return distinct_pairs("gendered_pronoun", vocabulary, n_pairs, draw)
