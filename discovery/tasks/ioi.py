"""Indirect object identification, Wang et al. 2022, arXiv:2211.00593.

"When Mary and John went to the store, John gave a drink to" -> " Mary". The corrupt prompt says a
third name where the subject is repeated (ABC), so nothing tells which of the first two is meant.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from discovery.tasks.base import MadePairs, TokenPair
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
from discovery.tasks.words import NAMES, OBJECTS, PLACES
from graph_schema.documents import IoiTask, PairDocument

# {A} and {B} are the two names in the order of their first mention, {S} the one repeated. Every
# template has as many words and commas as the next, so that with single-token words all prompts
# have one length, and means by position and resampling are defined over the whole dataset.
TEMPLATES = {
    "went": "When {A} and {B} went to the {place}, {S} gave a {object} to",
    "were": "While {A} and {B} were at the {place}, {S} handed a {object} to",
    "arrived": "After {A} and {B} arrived at the {place}, {S} passed a {object} to",
    "met": "Then {A} and {B} met at the {place}. {S} offered a {object} to",
    "drove": "Once {A} and {B} drove to the {place}, {S} brought a {object} to",
    "walked": "Before {A} and {B} walked to the {place}, {S} sent a {object} to",
    "stayed": "Because {A} and {B} stayed at the {place}, {S} showed a {object} to",
    "saw": "In the {place}, {A} saw {B}, and {S} gave a {object} to",
    "ran": "When {A} and {B} ran to the {place}, {S} threw a {object} to",
    "talked": "After {A} and {B} talked in the {place}, {S} gave a {object} to",
    "worked": "While {A} and {B} worked in the {place}, {S} sold a {object} to",
    "sat": "As {A} and {B} sat in the {place}, {S} handed a {object} to",
    "waited": "While {A} and {B} waited at the {place}, {S} offered a {object} to",
    "came": "Once {A} and {B} came to the {place}, {S} showed a {object} to",
    "returned": "When {A} and {B} returned to the {place}, {S} brought a {object} to",
    "moved": "After {A} and {B} moved to the {place}, {S} sent a {object} to",
    "lived": "Because {A} and {B} lived near the {place}, {S} gave a {object} to",
    "joined": "At the {place}, {A} joined {B}, and {S} sold a {object} to",
    "found": "Near the {place}, {A} found {B}, and {S} handed a {object} to",
    "sang": "Today {A} and {B} sang at the {place}. {S} gave a {object} to",
}
NAMES_A_GROUP = 3
MIN_NAMES = 2 * FEWEST * NAMES_A_GROUP


@dataclass(frozen=True)
class _Words:
    """A group's names, and the places and objects of its split."""

    names: list[str]
    places: list[str]
    objects: list[str]


def ioi(task: IoiTask, vocabulary: Vocabulary, n_pairs: int, seed: int) -> MadePairs:
    """Pairs with some templates and half of all words kept for the held-out ones.

    Raises:
        DatasetError: The model has no tokenizer, or too few names are single tokens.
    """
    require_tokenizer(task.name, vocabulary)
    names = list(vocabulary.single_token_words(NAMES))
    require_words(task.name, "names", names, MIN_NAMES)
    places, objects = single_or_all(PLACES, vocabulary), single_or_all(OBJECTS, vocabulary)

    def words(rng: random.Random) -> Parts[_Words]:
        halved = zip(*(halves(known, rng) for known in (names, places, objects)), strict=True)
        first, second = (
            [_Words(own, *others) for own in dealt(known, NAMES_A_GROUP)]
            for known, *others in halved
        )
        return first, second

    def draw(template: str, variant: int, own: _Words, rng: random.Random) -> PairDocument:
        io, subject, third = rng.sample(own.names, 3)
        # Both orders, ABBA and BABA, in equal shares.
        first, second = (subject, io) if variant % 2 else (io, subject)
        filled = {
            "A": first,
            "B": second,
            "place": rng.choice(own.places),
            "object": rng.choice(own.objects),
        }
        return PairDocument(
            clean=TEMPLATES[template].format(S=subject, **filled),
            corrupt=TEMPLATES[template].format(S=third, **filled),
            answers=(f" {io}",),
            wrong_answers=(f" {subject}",),
        )

    made = held_apart(
        task.name,
        vocabulary,
        n_pairs,
        seed,
        templates=list(TEMPLATES),
        words=words,
        draw=draw,
        apart="name, place or object",
    )
    return replace(
        made,
        discovery=tuple(replace(pair, spans=_spans(pair)) for pair in made.discovery),
        heldout=tuple(replace(pair, spans=_spans(pair)) for pair in made.heldout),
    )


def _spans(pair: TokenPair) -> dict[str, tuple[int, int]]:
    """Where the names stand: IO, S1 and S2 of the paper, and `end`, the last position."""
    (io,), (subject,) = pair.answers[0], pair.wrong_answers[0]
    s1, s2 = (i for i, token in enumerate(pair.clean) if token == subject)
    at = {"io": pair.clean.index(io), "s1": s1, "s2": s2, "end": len(pair.clean) - 1}
    return {name: (i, i + 1) for name, i in at.items()}
