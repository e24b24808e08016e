"""Conditions that a model is tried on: a repeat period, a template.

A condition is a group of pairs, and where groups are small several in a row: an accuracy of two
pairs says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from discovery.tasks.base import TokenPair

FEWEST = 8
"""Pairs of a condition, at least, where there are as many."""


def condition_of(pair: TokenPair) -> str:
    """The repeat period or template that a built-in task's group names; else the group."""
    name = pair.group.removesuffix(" held out")
    if found := re.fullmatch(r"(period-\d+)(\.\d+)?|(.+)-\d+", name):
        return found[1] or found[3]
    return name


def conditions(pairs: Sequence[TokenPair]) -> list[str]:
    """Each pair's condition."""
    own = [condition_of(pair) for pair in pairs]
    runs: list[list[str]] = [[]]
    for name in sorted(set(own), key=in_order):
        if sum(map(own.count, runs[-1])) >= FEWEST:
            runs.append([])
        runs[-1].append(name)
    if len(runs) > 1 and sum(map(own.count, runs[-1])) < FEWEST:
        last = runs.pop()
        runs[-1] += last
    label = {
        name: run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs for name in run
    }
    return [label[name] for name in own]


def in_order(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts names with numbers inside in the order of the numbers."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
