"""The verb's number over another noun, Linzen et al. 2016, arXiv:1611.01368.

"The boys standing near the doctor" -> " are", " were", " have", and not " is", " was", " has". The
corrupt prompt has the subject's other number.
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
)
from discovery.tasks.vocabulary import Vocabulary
from discovery.tasks.words import PEOPLE
from graph_schema.documents import PairDocument, SubjectVerbAgreementTask

# As many words in each, so that all prompts have one length.
TEMPLATES = {
    "standing": "The {subject} standing near the {other}",
    "sitting": "The {subject} sitting behind the {other}",
    "walking": "The {subject} walking with the {other}",
    "waiting": "The {subject} waiting for the {other}",
    "talking": "The {subject} talking about the {other}",
    "looking": "The {subject} looking at the {other}",
    "playing": "The {subject} playing with the {other}",
    "living": "The {subject} living near the {other}",
    "running": "The {subject} running from the {other}",
    "beside": "The {subject} right beside the {other}",
    "helped": "The {subject} who helped the {other}",
    "loved": "The {subject} who loved the {other}",
    "knew": "The {subject} who knew the {other}",
    "met": "The {subject} who met the {other}",
    "saw": "The {subject} that saw the {other}",
    "followed": "The {subject} that followed the {other}",
    "called": "The {subject} that called the {other}",
    "liked": "The {subject} that the {other} liked",
    "hated": "The {subject} that the {other} hated",
    "remembered": "The {subject} who the {other} remembered",
}
VERBS = ((" is", " was", " has"), (" are", " were", " have"))
MIN_NOUNS = 2 * FEWEST

Noun = tuple[str, str]
"""Singular and plural."""


@dataclass(frozen=True)
class _Words:
    """A group's subjects, and the nouns of its split."""

    subjects: list[Noun]
    others: list[Noun]


def subject_verb_agreement(
    task: SubjectVerbAgreementTask, vocabulary: Vocabulary, n_pairs: int, seed: int
) -> MadePairs:
    """Pairs with some templates and half of the nouns kept for the held-out ones.

    Raises:
        DatasetError: The model has no tokenizer, or too few nouns are single tokens in both
            numbers.
    """
    require_tokenizer(task.name, vocabulary)
    single = vocabulary.single_token_words(tuple(word for noun in PEOPLE for word in noun))
    nouns = [noun for noun in PEOPLE if noun[0] in single and noun[1] in single]
    require_words(task.name, "nouns in both numbers", [n[0] for n in nouns], MIN_NOUNS)

    def words(rng: random.Random) -> Parts[_Words]:
        first, second = (
            [_Words(own, half) for own in dealt(half, 1)] for half in halves(nouns, rng)
        )
        return first, second

    def draw(template: str, variant: int, own: _Words, rng: random.Random) -> PairDocument:
        plural, other_plural = variant % 2, (variant // 2) % 2  # in equal shares
        subject = rng.choice(own.subjects)
        other = rng.choice([noun for noun in own.others if noun != subject])
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
        templates=list(TEMPLATES),
        words=words,
        draw=draw,
        apart="noun",
    )
