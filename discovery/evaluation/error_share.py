"""The share of a circuit's effect that no named unit carries: it passes errors and rest.

    1 - f(C without edges of errors and rest) / f(C)

What a dictionary misses and what units that are no candidates write are senders like any others, so
a circuit may be faithful by them alone. How much of it is, is beside every headline.
"""

from __future__ import annotations

import numpy as np

from discovery.engine.graph import BoolMatrix, Graph
from discovery.evaluation.measured import Measured
from graph_schema.documents import Component, Figure
from graph_schema.documents.component import UNNAMED
from graph_schema.intervals import group_interval


def named_only(graph: Graph, kept: BoolMatrix) -> BoolMatrix:
    """The circuit without edges that leave errors and rest."""
    kinds = [Component.parse(name).kind for name in graph.sender_names]
    named = np.array([kind not in UNNAMED for kind in kinds])
    return kept & named[:, None]


def error_share(measured: Measured, kept: BoolMatrix) -> Figure:
    """The figure of a circuit that is measured, and so is `named_only` of it."""
    whole = measured.recovered(kept)
    lost = whole - measured.recovered(named_only(measured.experiment.graph, kept))
    if float(whole.sum()) <= 0:
        return Figure(
            value=None,
            split=measured.split,
            n=measured.n,
            reason="the circuit recovers nothing to have a share of",
        )
    bounds = group_interval(lost, measured.groups, over=whole, seed=measured.seed)
    return measured.figure(float(lost.sum() / whole.sum()), bounds)
