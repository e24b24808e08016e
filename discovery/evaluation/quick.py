"""How good a circuit is: M is the full model, ∅ everything ablated, C the circuit.

`evaluate` fills the evaluation document with preset `quick`; `full.py` adds the rest. Both stand on
`Measured` (measured.py), which computes the values of a circuit once, after `performed.py` has
refused what the model does not do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from discovery.engine.graph import BoolMatrix
from discovery.evaluation.curve import Curve
from discovery.evaluation.error_share import error_share, named_only
from discovery.evaluation.measured import Measured
from discovery.evaluation.random_circuits import random_circuits
from discovery.methods.selection import Scores
from discovery.progress import Report
from graph_schema.documents import Evaluation, Figure, Preset, RandomCircuits, Split
from graph_schema.intervals import DRAWS

N_RANDOM: dict[Preset, int] = {"quick": 10, "full": 100}


def evaluate(
    discovery: Measured,
    heldout: Measured | None,
    kept: BoolMatrix,
    scores: Scores | None,
    *,
    seed: int,
    missing: str = "",
    no_ranking: str = "this method gives no ranking of edges",
    preset: Preset = "quick",
    progress: Report | None = None,
) -> Evaluation:
    """Judge a circuit: all that preset `quick` has, and where `full` starts from.

    CMD, CPR, the curve and the complement are taken on the held-out split where there is one.

    Args:
        discovery: The split the circuit was found on.
        heldout: The other one; None where it cannot judge, and then `missing` says why.
        kept: The circuit.
        scores: One an edge, for the curve; None where the method gives no ranking.
        seed: Draws the random circuits.
        missing: Why there is no held-out figure.
        no_ranking: Why there are no scores.
        preset: How many random circuits: 10, or 100 for `full`.
        progress: Called with circuits run and circuits to run.
    """
    graph = discovery.experiment.graph
    judge = heldout or discovery
    complement = graph.upstream & ~kept
    curve = Curve.of(judge, scores) if scores is not None else None
    n_kept = int(kept.sum())
    drawn = random_circuits(graph, n_kept, N_RANDOM[preset], seed) if n_kept else []
    on_judge = [kept, complement, *(curve.circuits if curve else [])]
    if graph.splits:
        on_judge.append(named_only(graph, kept))
    on_discovery = [kept, *drawn]
    total = len(on_judge) + len(on_discovery)

    def report(before: int, share: int) -> Report | None:
        if (tell := progress) is None:
            return None
        return lambda done, of: tell(before + done * share // of, total)

    judge.measure(on_judge, report(0, len(on_judge)))
    discovery.measure(on_discovery, report(len(on_judge), len(on_discovery)))
    nothing = Figure(value=None, split=Split.HELDOUT, n=0, reason=missing)
    no_curve = Figure(value=None, split=judge.split, n=judge.n, reason=no_ranking)
    return Evaluation(
        preset=preset,
        seed=seed,
        bootstrap_draws=DRAWS,
        faithfulness=discovery.faithfulness_figure(kept),
        heldout_faithfulness=heldout.faithfulness_figure(kept) if heldout else nothing,
        complement_faithfulness=judge.faithfulness_figure(complement),
        cmd=curve.cmd() if curve else no_curve,
        cpr=curve.cpr() if curve else no_curve,
        losses=tuple(split.losses(kept) for split in (discovery, heldout) if split),
        curve=curve.points() if curve else (),
        error_share=error_share(judge, kept) if graph.splits else None,
        random_circuits=_random_circuits(discovery, drawn) if drawn else None,
    )


def _random_circuits(discovery: Measured, drawn: Sequence[BoolMatrix]) -> RandomCircuits:
    found = [discovery.faithfulness(kept) for kept in drawn]
    return RandomCircuits(
        n=len(found),
        mean=float(np.mean(found)),
        low=min(found),
        high=max(found),
        split=discovery.split,
        n_pairs=discovery.n,
        rule="walks",
    )
