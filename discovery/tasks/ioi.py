"""Indirect object identification, Wang et al. 2022, arXiv:2211.00593.

"When Mary and John went to the store, John gave a drink to" -> " Mary". The corrupt prompt says a
third name where the subject is repeated (ABC), so nothing tells which of the first two is meant.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from discovery.tasks.base import MadePairs, TokenPair
from discovery.tasks.text import (
    distinct_pairs,
    halves,
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
}
MIN_NAMES = 12


@dataclass(frozen=True)
class _Words:
    """The words that prompts of one split are made of."""

    templates: list[str]
    names: list[str]
    places: tuple[str, ...]
    objects: tuple[str, ...]


def ioi(task: IoiTask, vocabulary: Vocabulary, n_pairs: int, seed: int) -> MadePairs:
    """Pairs with one template and half of the names kept for the held-out ones.

    Raises:
        DatasetError: The model has no tokenizer, or too few names are single tokens.
    """
    require_tokenizer(task.name, vocabulary)
    names = list(vocabulary.single_token_words(NAMES))
    require_words(task.name, "names", names, MIN_NAMES)
    rng = random.Random(f"ioi:{seed}")
    first, second = halves(names, rng)
    templates = list(TEMPLATES)
    rng.shuffle(templates)
    places, objects = single_or_all(PLACES, vocabulary), single_or_all(OBJECTS, vocabulary)
    discovery = _Words(templates[1:], first, places, objects)
    heldout = _Words(templates, second, places, objects)
    return MadePairs(
        discovery=_pairs(discovery, vocabulary, n_pairs, random.Random(f"ioi:{seed}:discovery")),
        heldout=_pairs(heldout, vocabulary, n_pairs, random.Random(f"ioi:{seed}:heldout")),
        notes=(f"held-out pairs share no name with discovery and add template '{templates[0]}'",),
    )


def _pairs(
    words: _Words, vocabulary: Vocabulary, n_pairs: int, rng: random.Random
) -> tuple[TokenPair, ...]:
    """Different prompts, templates and orders (ABBA, BABA) in equal shares."""

    def draw(number: int) -> PairDocument:
        template = words.templates[number % len(words.templates)]
        baba = (number // len(words.templates)) % 2 == 1
        io, subject, third = rng.sample(words.names, 3)
        first, second = (subject, io) if baba else (io, subject)
        filled = {
            "A": first,
            "B": second,
            "place": rng.choice(words.places),
            "object": rng.choice(words.objects),
        }
        return PairDocument(
            clean=TEMPLATES[template].format(S=subject, **filled),
            corrupt=TEMPLATES[template].format(S=third, **filled),
            answers=(f" {io}",),
            wrong_answers=(f" {subject}",),
            group=template,
        )

    pairs = distinct_pairs("ioi", vocabulary, n_pairs, draw)
    return tuple(replace(pair, spans=_spans(pair)) for pair in pairs)


def _spans(pair: TokenPair) -> dict[str, tuple[int, int]]:
    """Where the names stand: IO, S1 and S2 of the paper, and `end`, the last position."""
    (io,), (subject,) = pair.answers[0], pair.wrong_answers[0]
    s1, s2 = (i for i, token in enumerate(pair.clean) if token == subject)
    at = {"io": pair.clean.index(io), "s1": s1, "s2": s2, "end": len(pair.clean) - 1}
    return {name: (i, i + 1) for name, i in at.items()}
