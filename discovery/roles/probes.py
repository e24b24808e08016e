"""Prompts that roles' patterns are read on, independent of the pairs that their effects are of.

A *condition* is a way of making prompts: a repeat period, words in place of tokens, an order of
names. A pattern is only a role's where it holds on every one: with one period alone, a head that
looks back by so many places passes for an induction head.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from discovery.tasks import TASKS
from discovery.tasks.base import TokenIds
from discovery.tasks.vocabulary import Vocabulary
from discovery.tasks.words import NAMES, OBJECTS, PLACES
from graph_schema.documents import AnyTask, InductionTask, RoleName
from graph_schema.errors import DatasetError

LEAST_CONDITIONS = 3
LEAST_PERIOD = 4
OTHER_STREAM = 0x0DD5
"""Added to the seed of tasks whose prompts are taken as probes: other prompts than the job's."""

Looks = tuple[int, tuple[int, ...]]
"""A position, and those that a head with the role attends to from there."""


@dataclass(frozen=True)
class Probe:
    """A prompt. `start` is where its own tokens begin, behind a tokenizer's special ones.

    `places` are positions by name: io, s1, s2 and end of a prompt about names.
    """

    tokens: TokenIds
    start: int = 0
    places: Mapping[str, int] = field(default_factory=dict[str, int])

    def looks(self, role: RoleName) -> list[Looks]:
        """Where a head with this role looks, from each position that has something to look at."""
        return LOOKS[role](self) if role in LOOKS else []


@dataclass(frozen=True)
class Condition:
    """Prompts made in one way, and the roles whose patterns they show."""

    name: str
    probes: tuple[Probe, ...]
    roles: frozenset[RoleName]


def _before(probe: Probe) -> list[Looks]:
    return [(i, (i - 1,)) for i in range(probe.start + 1, len(probe.tokens))]


def _earlier(probe: Probe, i: int) -> list[int]:
    return [j for j in range(probe.start, i) if probe.tokens[j] == probe.tokens[i]]


def _same(probe: Probe) -> list[Looks]:
    if probe.places:
        return [(probe.places["s2"], (probe.places["s1"],))]
    found = ((i, tuple(_earlier(probe, i))) for i in range(probe.start, len(probe.tokens)))
    return [(i, keys) for i, keys in found if keys]


def _followers(probe: Probe) -> list[Looks]:
    """Only where the token stood before: elsewhere there is nothing to look at."""
    return [
        (i, later)
        for i, keys in _same(probe)
        if (later := tuple(key + 1 for key in keys if key + 1 < i))
    ]


def _from_end(place: str) -> Callable[[Probe], list[Looks]]:
    return lambda probe: (
        [(probe.places["end"], (probe.places[place],))] if place in probe.places else []
    )


LOOKS: dict[RoleName, Callable[[Probe], list[Looks]]] = {
    RoleName.PREVIOUS_TOKEN: _before,
    RoleName.DUPLICATE_TOKEN: _same,
    RoleName.INDUCTION: _followers,
    RoleName.NAME_MOVER: _from_end("io"),
    RoleName.BACKUP_NAME_MOVER: _from_end("io"),
    RoleName.COPY_SUPPRESSION: _from_end("io"),
    RoleName.S_INHIBITION: _from_end("s2"),
}
REPEATED = frozenset((RoleName.PREVIOUS_TOKEN, RoleName.DUPLICATE_TOKEN, RoleName.INDUCTION))
"""Roles that repeated sequences show."""
OF_NAMES = frozenset(LOOKS) - REPEATED
"""Roles that only prompts about two names show, one of them repeated."""


def repeats(
    task: AnyTask | None, vocabulary: Vocabulary, n: int, seed: int
) -> tuple[Condition, ...]:
    """Random tokens repeated with three periods, and random words where there is a tokenizer.

    Periods and length are the induction task's where that is the task, and its defaults else, as
    far as vocabulary and context allow.

    Raises:
        DatasetError: They allow no three different periods.
    """
    asked = task if isinstance(task, InductionTask) else InductionTask()
    prefix = vocabulary.prefix()
    tokens = vocabulary.ordinary_ids()
    length = asked.length
    if vocabulary.n_ctx is not None:
        length = min(length, vocabulary.n_ctx - len(prefix))
    longest = min(asked.max_period, len(tokens), 2 * length // 3)
    shortest = min(asked.min_period, max(LEAST_PERIOD, longest - 2))
    periods = sorted({shortest, (shortest + longest) // 2, longest})
    if longest < LEAST_PERIOD or len(periods) < LEAST_CONDITIONS:
        raise DatasetError(
            f"probes need {LEAST_CONDITIONS} repeat periods from {LEAST_PERIOD} tokens up; the "
            f"vocabulary has {len(tokens)} tokens and prompts {length} positions"
        )
    pools = [(f"period-{period}", period, tokens) for period in periods]
    if vocabulary.tokenizer is not None:
        words = list(vocabulary.single_token_words((*NAMES, *PLACES, *OBJECTS)).values())
        if len(words) >= periods[1]:
            pools.append((f"words-{periods[1]}", periods[1], words))

    def made(name: str, period: int, pool: Sequence[int]) -> Condition:
        rngs = (random.Random(f"probe:{seed}:{name}:{number}") for number in range(n))
        found = (prefix + repeated(rng, period, pool, length) for rng in rngs)
        return Condition(name, tuple(Probe(each, len(prefix)) for each in found), REPEATED)

    return tuple(made(*each) for each in pools)


def repeated(rng: random.Random, period: int, pool: Sequence[int], length: int) -> TokenIds:
    """A segment of different tokens of `pool`, repeated up to `length`."""
    segment = rng.sample(pool, period)
    return tuple(segment[i % period] for i in range(length))


def templates(task: AnyTask, vocabulary: Vocabulary, n: int, seed: int) -> Condition | None:
    """The task's own prompts, made from another seed; None where it makes no more of them."""
    try:
        made = TASKS[task.name](task, vocabulary, n, seed + OTHER_STREAM)
    except DatasetError:
        return None
    start = len(vocabulary.prefix())
    probes = tuple(Probe(pair.clean, start) for pair in made.discovery)
    return Condition("templates", probes, frozenset((RoleName.PREVIOUS_TOKEN,)))
