"""The pronoun of a tag question, Mathwin et al. 2023 (Apart Research).

"So Mary is a really great friend, isn't" -> " she". The corrupt prompt has a name of the other
gender in Mary's place, and the other answer.
"""

from __future__ import annotations

import random

from discovery.tasks.base import MadePairs
from discovery.tasks.text import halves, held_apart, require_tokenizer, require_words, single_or_all
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

Names = dict[str, list[str]]
"""By pronoun."""


def gendered_pronoun(
    task: GenderedPronounTask, vocabulary: Vocabulary, n_pairs: int, seed: int
) -> MadePairs:
    """Pairs with one template and half of the names kept for the held-out ones.

    Raises:
        DatasetError: The model has no tokenizer, or too few names are single tokens.
    """
    require_tokenizer(task.name, vocabulary)
    known = {
        "he": list(vocabulary.single_token_words(MALE_NAMES)),
        "she": list(vocabulary.single_token_words(FEMALE_NAMES)),
    }
    require_words(task.name, "men's names", known["he"], MIN_NAMES)
    require_words(task.name, "women's names", known["she"], MIN_NAMES)
    persons = single_or_all(PERSONS, vocabulary)

    def words(rng: random.Random) -> tuple[Names, Names]:
        cut = {pronoun: halves(names, rng) for pronoun, names in known.items()}
        return {of: both[0] for of, both in cut.items()}, {of: both[1] for of, both in cut.items()}

    def draw(template: str, turn: int, names: Names, rng: random.Random) -> PairDocument:
        right, wrong = ("he", "she") if turn % 2 else ("she", "he")
        person = rng.choice(persons)
        text = TEMPLATES[template]
        return PairDocument(
            clean=text.format(name=rng.choice(names[right]), person=person),
            corrupt=text.format(name=rng.choice(names[wrong]), person=person),
            answers=(f" {right}",),
            wrong_answers=(f" {wrong}",),
        )

    return held_apart(
        task.name,
        vocabulary,
        n_pairs,
        seed,
        templates=TEMPLATES,
        words=words,
        draw=draw,
        apart="name",
        streams=("0", "1"),  # as this version of the task was first drawn
    )
