"""What ablation `mean` needs of the data: enough other prompts of a pair's own length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.tasks.base import TokenIds, TokenPair
from graph_schema.errors import DatasetError

FEWEST = 8
"""Different clean prompts of one length, a pair's own counted, that a mean is taken of.

A pair is left out of its own mean: with it, a mean of 2 holds half of what it should ablate.
"""


def prompts_of_length(pairs: Sequence[TokenPair], pool: Sequence[TokenPair]) -> NDArray[np.intp]:
    """For each pair, how many clean prompts of its length `pool` and the pair have together."""
    known: dict[int, set[TokenIds]] = {}
    for pair in pool:
        known.setdefault(len(pair.clean), set()).add(pair.clean)
    counts = [len(known.get(len(pair.clean), set()) | {pair.clean}) for pair in pairs]
    return np.array(counts, dtype=np.intp)


def check_means(pairs: Sequence[TokenPair], pool: Sequence[TokenPair]) -> None:
    """Refuse pairs of a length that `pool`, the discovery pairs, has too few prompts of.

    Raises:
        DatasetError: Names the first such pair, its length and how many prompts there are.
    """
    counts = prompts_of_length(pairs, pool)
    if (counts >= FEWEST).all():
        return
    place = int(np.argmax(counts < FEWEST))
    pair, others = pairs[place], int(counts[place]) - 1
    raise DatasetError(
        f"pair {pair.id}: ablation 'mean' finds {others} other discovery prompts of its length "
        f"({len(pair.clean)} tokens); expected at least {FEWEST - 1}, as a pair is left out of its "
        "own mean: use ablation 'corrupt', 'resample' or 'zero', or submit more pairs of this "
        "length"
    )
