"""The final word on reported edges: the best of them tested exactly, after attribution.

Selection and ranking stay the estimate's; an exact score replaces the estimate on the edge it
belongs to, and both are kept in the artifact "exact_top".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from discovery.methods.exact import exact
from discovery.methods.finding import Found
from discovery.methods.scoring import Arrays, Work
from discovery.methods.selection import best, strength


def exact_top(n_edges: int, found: Sequence[Found], work: Work) -> tuple[list[Found], Arrays]:
    """Each circuit with exact scores for the `n_edges` best of its edges, and arrays of both.

    An edge is tested as `exact` tests it: alone (or with those it is patched together with),
    everything else intact, whatever the circuit keeps. What several circuits share is tested once.

    Raises:
        NonFiniteError: A score is NaN or infinite.
    """
    graph = work.experiment.graph
    chosen = np.zeros((len(found), graph.n_edges), dtype=np.bool_)
    for row, each in enumerate(found):
        kept = graph.to_list(each.kept)
        among = np.where(kept, strength(each.scores, each.selection.by), -np.inf)
        chosen[row] = best(graph, among, min(n_edges, int(kept.sum())))
    tested: NDArray[np.bool_] = np.any(chosen, axis=0)
    if not tested.any():
        return list(found), {}
    scores = exact(
        work.experiment,
        work.pairs,
        only=graph.to_matrix(tested),
        chunk=work.chunk,
        progress=work.report("exact_top"),
    )
    finished = [
        replace(
            each,
            tested=np.where(mine, scores, np.nan).astype(np.float32),
            notes=(
                *each.notes,
                f"the {int(mine.sum())} best of {int(each.kept.sum())} edges have exact scores; "
                "they were chosen and ranked by the estimate (artifacts scores, exact_top)",
            ),
        )
        for each, mine in zip(found, chosen, strict=True)
    ]
    return finished, {
        "names": np.array(graph.names(graph.to_matrix(tested))),
        "scores": scores[tested],
        "estimates": found[0].scores[tested],
    }
