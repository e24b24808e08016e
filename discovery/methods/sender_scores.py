"""Scores of senders, units of dictionaries among them: which are worth being candidates.

Minus the loss's derivative by the share of all of a sender's edges together: at the clean run the
first-order estimate of what ablating it whole does, along the mask's path (mask_gradients.py)
integrated gradients. A sender's score is the sum of its edges' scores, and costs no backward pass
of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.methods.masked_run import MaskedRun
from discovery.progress import Report
from discovery.tasks.base import TokenPair
from graph_schema.documents import Metric
from graph_schema.errors import NonFiniteError


def sender_scores(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    *,
    steps: int = 0,
    chunk: int | None = None,
    progress: Report | None = None,
) -> NDArray[np.float32]:
    """Every sender's score, by number; mean over pairs, in the metric's units.

    Positive where the behaviour relies on the sender. With `steps` the mean over as many shares
    from 0 to 1, whose sum is loss(∅) - loss(M); without, the gradient at the clean run.

    Raises:
        NonFiniteError: A score is NaN or infinite; names the first such sender.
    """
    assert steps or experiment.metric is not Metric.KL, "kl has no gradient at the clean run"
    shares = [(step + 0.5) / steps for step in range(steps)] or [1.0]
    graph, total, n_examples = experiment.graph, np.zeros(experiment.graph.n_senders), 0
    chunks = experiment.chunks(pairs, chunk or experiment.fitting(pairs, tape=True))
    for number, examples in enumerate(chunks):
        bench = experiment.bench(examples)
        n_examples += len(examples)
        for step, share in enumerate(shares):
            if progress:
                progress(number * len(shares) + step, len(chunks) * len(shares))
            total -= MaskedRun(bench, share).slopes().cpu().double().numpy()
    scores = (total / (n_examples * len(shares))).astype(np.float32)
    if len(bad := np.flatnonzero(~np.isfinite(scores))):
        raise NonFiniteError(
            f"{len(bad)} of {len(scores)} senders' scores are not finite, the first that of "
            f"{graph.sender_names[int(bad[0])]}; look for a weight or an activation too large"
        )
    return scores
