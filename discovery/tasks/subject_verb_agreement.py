"""The verb's number over another noun, Linzen et al. 2016, arXiv:1611.01368.

"The boys standing near the doctor" -> " are", " were", " have", and not " is", " was", " has". The
corrupt prompt has the subject's other number.
"""

from __future__ import annotations

import random

from discovery.tasks.base import MadePairs
from discovery.tasks.text import halves, held_apart, require_tokenizer, require_words
from discovery.tasks.vocabulary import Vocabulary
from discovery.tasks.words import PEOPLE
from graph_schema.documents import PairDocument, SubjectVerbAgreementTask

# As many words in each, so that all prompts have one length.
TEMPLATES = {
    "standing": "The {subject} standing near the {other}",
    "sitting": "The {subject} sitting behind the {other}",
    "walking": "The {subject} walking with the {other}",
    "helped": "The {subject} who helped the {other}",
    "saw": "The {subject} that saw the {other}",
    "liked": "The {subject} that the {other} liked",
}
VERBS = ((" is", " was", " has"), (" are", " were", " have"))
MIN_NOUNS = 8

Noun = tuple[str, str]
"""Singular and plural."""


def subject_verb_agreement(
    task: SubjectVerbAgreementTask, vocabulary: Vocabulary, n_pairs: int, seed: int
) -> MadePairs:
    """Pairs with one template and half of the nouns kept for the held-out ones.

    Raises:
        DatasetError: The model has no tokenizer, or too few nouns are single tokens in both
            numbers.
    """
    require_tokenizer(task.name, vocabulary)
    single = vocabulary.single_token_words(tuple(word for noun in PEOPLE for word in noun))
    nouns = [noun for noun in PEOPLE if noun[0] in single and noun[1] in single]
    require_words(task.name, "nouns in both numbers", [n[0] for n in nouns], MIN_NOUNS)

    def draw(template: str, turn: int, nouns: list[Noun], rng: random.Random) -> PairDocument:
        plural, other_plural = turn % 2, (turn // 2) % 2  # in equal shares
        subject, other = rng.sample(nouns, 2)
        text = TEMPLATES[template]
        return PairDocument(
            clean=text.format(subject=subject[plural], other=other[other_plural]),
            corrupt=text.format(subject=subject[1 - plural], other=other[other_plural]),
            answers=VERBS[plural],
            wrong_answers=VERBS[1 - plural],
        )

    return held_apart(
        task.name,
        vocabulary,
        n_pairs,
        seed,
        templates=TEMPLATES,
        words=lambda rng: halves(nouns, rng),
        draw=draw,
        apart="noun",
    )
