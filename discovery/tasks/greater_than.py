"""Years after a year, Hanna et al. 2023, arXiv:2305.00586.

"The war lasted from the year 1732 to the year 17" -> 33 ... 99, and not 00 ... 32; the corrupt
prompt starts in 1701. The paper's tokenizer writes a year as two tokens of two digits. Where digits
are tokens of their own, the prediction is the tens, and those equal to the start's are left out:
whether they are right depends on the units. No start of a held-out pair ends in two digits that
discovery saw, nor, where tens are compared, has a decade that it saw.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from discovery.tasks.base import MadePairs
from discovery.tasks.text import (
    Pairs,
    dealt,
    distinct_pairs,
    halves,
    require_tokenizer,
    single_or_all,
)
from discovery.tasks.vocabulary import Vocabulary
from discovery.tasks.words import EVENTS
from graph_schema.documents import GreaterThanTask, PairDocument
from graph_schema.errors import DatasetError

TEMPLATE = "The {event} lasted from the year {start} to the year {century}"
CENTURIES = tuple(range(11, 18))


@dataclass(frozen=True)
class _Years:
    """How a tokenizer writes years: `tokens` by value, of two digits or of the tens digit alone.

    `starts` are the (century, year) that split so; the value of a year is `year // unit`.
    """

    unit: int
    tokens: dict[int, int]
    starts: tuple[tuple[int, int], ...]

    def answers(self, year: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Right and wrong tokens after a start in `year`."""
        value = year // self.unit
        right = tuple(token for v, token in self.tokens.items() if v > value)
        wrong = tuple(
            token
            for v, token in self.tokens.items()
            if v < value or (self.unit == 1 and v == value)
        )
        return right, wrong


@dataclass(frozen=True)
class _Words:
    """A group's starts, and the events of its split."""

    group: str
    starts: list[tuple[int, int]]
    events: list[str]


def greater_than(
    task: GreaterThanTask, vocabulary: Vocabulary, n_pairs: int, seed: int
) -> MadePairs:
    """Pairs of one template, grouped by start year; held-out ones of other years and events.

    Raises:
        DatasetError: The model has no tokenizer, or it writes years in another way.
    """
    require_tokenizer(task.name, vocabulary)
    years = _two_digits(vocabulary) or _one_digit(vocabulary)
    if years is None:
        raise DatasetError(
            f"task {task.name!r} needs a tokenizer that writes 1732 as 17 and 32 or digit by "
            f"digit; this one writes {vocabulary.pieces(vocabulary.answer(' 1732'))}: submit "
            "pairs of your own as a dataset"
        )
    rng = random.Random(f"greater_than:{seed}")
    events = halves(single_or_all(EVENTS, vocabulary), rng)
    values = halves(sorted({year // years.unit for _, year in years.starts}), rng)
    centuries = sorted({century for century, _ in years.starts})
    apart = halves(centuries, rng) if len(centuries) > 1 else (centuries, centuries)
    streams = [random.Random(f"greater_than:{seed}:{split}") for split in ("discovery", "heldout")]
    made = [
        _pairs(years, _groups(years, events, own, near, stream), vocabulary, n_pairs, stream)
        for events, own, near, stream in zip(events, values, apart, streams, strict=True)
    ]
    what = "event, start year or century" if len(centuries) > 1 else "event or start year"
    tens = () if years.unit == 1 else ("years are written digit by digit: tens are compared",)
    return MadePairs(
        discovery=made[0],
        heldout=made[1],
        notes=(f"held-out pairs share no {what} with discovery", *tens),
    )


def _groups(
    years: _Years, events: list[str], values: list[int], centuries: list[int], rng: random.Random
) -> list[_Words]:
    """The split's start years dealt out to groups, in which those of a decade are mixed."""
    starts = [
        (century, year)
        for century, year in years.starts
        if century in centuries and year // years.unit in values
    ]
    known = sorted({year for _, year in starts})
    rng.shuffle(known)
    return [
        _Words(
            f"years {', '.join(f'{year:02}' for year in sorted(own))}",
            [start for start in starts if start[1] in own],
            events,
        )
        for own in dealt(known, 1)
    ]


def _pairs(
    years: _Years,
    groups: list[_Words],
    vocabulary: Vocabulary,
    n_pairs: int,
    rng: random.Random,
) -> Pairs:
    def draw(turn: int, group: int) -> PairDocument:
        own = groups[group]
        event = rng.choice(own.events)
        century, year = rng.choice(own.starts)
        right, wrong = years.answers(year)
        return PairDocument(
            clean=TEMPLATE.format(event=event, start=f"{century}{year:02}", century=century),
            corrupt=TEMPLATE.format(event=event, start=f"{century}01", century=century),
            answers=right,
            wrong_answers=wrong,
            group=own.group,
        )

    return distinct_pairs("greater_than", vocabulary, n_pairs, len(groups), draw)


def _continuation(vocabulary: Vocabulary) -> Callable[[int, int], tuple[int, ...] | None]:
    """From a century and a year to the tokens that complete it after the prompt."""

    def after(century: int, year: int) -> tuple[int, ...] | None:
        stem = vocabulary.prompt(f"the year {century}")
        whole = vocabulary.prompt(f"the year {century}{year:02}")
        return whole[len(stem) :] if whole[: len(stem)] == stem else None

    return after


def _two_digits(vocabulary: Vocabulary) -> _Years | None:
    after = _continuation(vocabulary)
    tokens: dict[int, int] = {}
    starts: list[tuple[int, int]] = []
    for century in CENTURIES:
        split = {year: after(century, year) for year in range(100)}
        regular = {year: ids[0] for year, ids in split.items() if ids and len(ids) == 1}
        # Some years are a token of their own; the corrupt start must not be one of them.
        if 1 in regular:
            tokens |= regular
            starts += [(century, year) for year in regular if 2 <= year <= 98]
    if len(tokens) < 90:
        return None
    return _Years(1, dict(sorted(tokens.items())), tuple(starts))


def _one_digit(vocabulary: Vocabulary) -> _Years | None:
    after = _continuation(vocabulary)
    tokens: dict[int, int] = {}
    for tens in range(10):
        ids = after(17, 10 * tens)
        if ids is None or len(ids) != 2:
            return None
        tokens[tens] = ids[0]
    if len(set(tokens.values())) < 10:
        return None
    return _Years(10, tokens, tuple((c, year) for c in CENTURIES for year in range(20, 90)))
