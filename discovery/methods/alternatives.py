"""Further circuits of one model, as unlike those before as stay comparably faithful.

Equally good circuits of one model overlap little more than chance has it (arXiv:2605.12671), so a
statement that rests on one of them may be a statement on a choice. Each further circuit is selected
by the same scores, with those of edges that an earlier one kept multiplied by a penalty for every
time they were kept; of the penalties below, the strongest that keeps the faithfulness is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from discovery.engine.graph import BoolMatrix, Graph
from discovery.methods.effort import PENALTIES
from discovery.methods.finding import Found
from discovery.methods.selection import best, strength
from graph_schema.documents import Threshold

TOLERANCE = 0.1
"""Of faithfulness, that a further circuit may lose."""

Faithfulness = Callable[[Sequence[BoolMatrix]], list[float]]


def with_alternatives(
    graph: Graph, first: Found, n_circuits: int, faithfulness: Faithfulness
) -> list[Found]:
    """`n_circuits` circuits of one selection, the first as it was found; fewer where all are told.

    A circuit that was found before is none: where no penalty makes another one that is comparably
    faithful, that is a note on the first.

    Args:
        graph: The model's.
        first: The circuit that the scores alone select.
        n_circuits: With the first.
        faithfulness: Of kept sets, on the discovery split.
    """
    found, used = [first], graph.to_list(first.kept).astype(np.intp)
    (least,) = faithfulness([first.kept])
    least -= TOLERANCE
    for number in range(2, n_circuits + 1):
        tried = [_penalised(graph, first, used, penalty) for penalty in PENALTIES]
        known = {each.kept.tobytes() for each in found}
        values = faithfulness(tried)
        chosen = next(
            (
                (kept, penalty, value)
                for kept, penalty, value in zip(tried, PENALTIES, values, strict=True)
                if value >= least and kept.any() and kept.tobytes() not in known
            ),
            None,
        )
        if chosen is None:
            why = (
                f"{len(found)} of {n_circuits} circuits: no further one came within {TOLERANCE:g} "
                f"of the first one's faithfulness (the closest: {max(values):.3f})"
            )
            found[0] = replace(found[0], notes=(*found[0].notes, why))
            break
        kept, penalty, _ = chosen
        listed = graph.to_list(kept)
        shared = int((listed & (used > 0)).sum())
        note = (
            f"circuit {number} of {n_circuits}: scores of edges that the ones before kept count "
            f"{penalty:g} times for each time; {shared} of its {int(listed.sum())} edges are among "
            "theirs"
        )
        found.append(replace(first, kept=kept, ranks=False, notes=(note,)))
        used += listed
    return found


def _penalised(graph: Graph, first: Found, used: NDArray[np.intp], penalty: float) -> BoolMatrix:
    """As many edges as the first was selected from, by scores that count less where used."""
    strengths = strength(first.scores, first.selection.by)
    if isinstance(first.selection, Threshold):
        n_edges = int((strengths >= first.selection.threshold).sum())
    else:
        n_edges = first.selection.n_edges
    weighted = (strengths * np.power(penalty, used)).astype(np.float32)
    return graph.trim(graph.to_matrix(best(graph, weighted, n_edges)))
