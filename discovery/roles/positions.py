"""Positions where what a role hands on is not to be found, and prompts pulled apart there.

A task says by spans where its content stands. Where one of them is called `source` (where the
answer is read from), that is where a patch should act, and wherever the prompt, or the one that
ablated values come from, has the same context again: the token before, or the token itself. Where
none is, no span is a wrong position. Positions that the metric reads are never wrong ones.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from discovery.engine.ablation import Example
from discovery.tasks.base import TokenIds, TokenPair

SOURCE = "source"
FIRST_COPY = "first_copy"
LONGEST_GAP = 8
"""Tokens between copies, at most."""


def wrong_positions(example: Example) -> list[bool]:
    """Where the task says that the content is not, one a position."""
    pair = example.pair
    prompts = [pair.clean] if example.source is None else [pair.clean, example.source]
    right = set(pair.positions)
    if SOURCE not in pair.spans:
        right.update(at for start, end in pair.spans.values() for at in range(start, end))
    else:
        start, end = pair.spans[SOURCE]
        content, before = set(pair.clean[start:end]), set(pair.clean[start - 1 : start])
        for prompt in prompts:
            right.update(at for at, token in enumerate(prompt) if token in content)
            right.update(at + 1 for at, token in enumerate(prompt) if token in before)
    return [at not in right for at in range(len(pair.clean))]


def has_wrong_positions(pairs: Sequence[TokenPair]) -> bool:
    """Whether the task says where its content stands, in every pair."""
    return all(pair.spans for pair in pairs)


def pulled_apart(
    pairs: Sequence[TokenPair], *, seed: int, n_ctx: int | None
) -> tuple[TokenPair, ...] | None:
    """Pairs of repeated segments with other tokens before the last copy; None where not all can be.

    As many tokens for both prompts, of the split's own, which neither prompt has. So what repeats
    does so at no fixed distance.
    """
    rng = random.Random(f"gap:{seed}")
    pool = sorted({token for pair in pairs for token in pair.clean})
    found: list[TokenPair] = []
    for pair in pairs:
        if (cut := _last_copy(pair)) is None:
            return None
        room = LONGEST_GAP if n_ctx is None else min(LONGEST_GAP, n_ctx - len(pair.clean))
        others = [token for token in pool if token not in {*pair.clean, *pair.corrupt}]
        longest = min(room, len(others))
        if longest < 1:
            return None
        gap = tuple(rng.sample(others, rng.randint(1, longest)))
        found.append(_with(pair, cut, gap))
    return tuple(found)


def _last_copy(pair: TokenPair) -> int | None:
    """Where the metric's copy begins, or what follows the source where that is in it.

    None where nothing repeats so.
    """
    if FIRST_COPY not in pair.spans or SOURCE not in pair.spans:
        return None
    start, end = pair.spans[FIRST_COPY]
    period, first = end - start, min(pair.positions)
    if any(pair.clean[at] != pair.clean[at - period] for at in range(end, first + 1)):
        return None
    copy = start + (first - start) // period * period
    cut = max(copy, pair.spans[SOURCE][1])
    return cut if start < cut <= first else None


def _with(pair: TokenPair, cut: int, gap: TokenIds) -> TokenPair:
    n = len(gap)

    def moved(at: int) -> int:
        return at + n if at >= cut else at

    def apart(prompt: TokenIds) -> TokenIds:
        return prompt[:cut] + gap + prompt[cut:]

    spans = {name: (moved(start), moved(end - 1) + 1) for name, (start, end) in pair.spans.items()}
    return replace(
        pair,
        clean=apart(pair.clean),
        corrupt=apart(pair.corrupt),
        positions=tuple(map(moved, pair.positions)),
        spans=spans,
    )
