"""Which units become senders: those with the largest scores, in all or in every layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Per = Literal["all", "layer"]


def choose(
    scores: Sequence[NDArray[np.floating]], n: int, per: Per = "all"
) -> list[tuple[int, ...]]:
    """The units of each dictionary, ascending, whose scores are the `n` largest in size.

    `n` of all dictionaries together, or with `per` "layer" of each dictionary. Of equal scores the
    earlier dictionary's, and in it the lower unit's, comes first. A unit whose score is 0 is left
    out, so fewer may come.
    """
    if per == "layer":
        return [choose([each], n)[0] for each in scores]
    sizes = np.concatenate([np.abs(each) for each in scores]) if len(scores) else np.zeros(0)
    best = np.argsort(-sizes, kind="stable")[: max(0, n)]
    best = best[sizes[best] > 0]
    ends = np.cumsum([0, *(len(each) for each in scores)])
    return [
        tuple(np.sort(best[(start <= best) & (best < stop)] - start).tolist())
        for start, stop in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
    ]
