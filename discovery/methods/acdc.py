"""ACDC: prune the graph edge by edge, each test exact, Conmy et al. 2023, arXiv:2304.14997.

Receiver by receiver (acdc_order.py), an edge goes if the loss, against the current graph's, rises
by less than τ. Each test restarts the model at the receiver (engine/restart.py);
where no kept path leads from the receiver to the logits, the rise is 0 and costs nothing.

A rise depends on the decisions before it and on nothing else. So the `Trace` of one τ serves
others: another τ decides alike up to the first rise that lies between the two. A sweep, a search
for a number of edges and going on after a restart are one thing, `Pruner.run`: start where the
nearest trace parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix
from discovery.engine.restart import Restart
from discovery.engine.state import State
from discovery.methods.acdc_order import Visit, visits
from discovery.methods.acdc_outlook import Outlook
from discovery.progress import LAYOUT, Checkpoint, NoCheckpoint, Pace, Report, same_layout
from discovery.tasks.base import TokenPair
from graph_schema.errors import NonFiniteError

MARGIN = 5
"""How many of the rounding errors seen to allow for.

74 runs of tiny random models in float32 had a rise off by up to 4.4 of them against float64, half
of the runs by less than .6.
"""


@dataclass
class Trace:
    """One run's decisions: the rise of the loss at each test, in order; under τ the edge goes.

    `error` is what rounding may do to a rise: `MARGIN` times the largest difference seen between
    losses carried along and the same computed anew, or one rounding of the largest logit where
    that is more (mean over examples). An estimate, no proven bound.
    """

    threshold: float
    rises: list[float] = field(default_factory=list[float])
    error: float = 0.0

    def removed(self, threshold: float) -> NDArray[np.bool_]:
        """What τ = `threshold` decides on each rise."""
        return np.array(self.rises) < threshold

    def shared(self, threshold: float) -> int:
        """How many decisions another τ makes alike, and so meets the same rises."""
        differs = np.flatnonzero(self.removed(self.threshold) != self.removed(threshold))
        return int(differs[0]) if len(differs) else len(self.rises)


@dataclass(frozen=True)
class Pruned:
    """What τ leaves.

    Attributes:
        kept: The kept set as the textbook loop has it, dead ends included.
        rises: [sender, receiver], the rise of the loss at the edge's test.
        borderline: Edges whose rise lies within `error`, what rounding may do, of τ: the textbook
            loop may decide them the other way, and then what comes after.
        n_tests: How many decisions ran the model.
    """

    threshold: float
    kept: BoolMatrix
    rises: NDArray[np.float64]
    borderline: BoolMatrix
    error: float
    n_tests: int

    @property
    def n_edges(self) -> int:
        return int(self.kept.sum())

    @property
    def smallest_kept(self) -> float:
        """The smallest rise that kept an edge: every τ up to it decides alike."""
        return float(self.rises[self.kept].min(initial=np.inf))

    @property
    def largest_removed(self) -> float:
        """The largest rise that removed an edge: every τ above it, up to the above, likewise."""
        return float(self.rises[~self.kept].max(initial=-np.inf))


class Pruner:
    """ACDC on an experiment's pairs; each threshold reuses the work of those before it."""

    def __init__(
        self,
        experiment: Experiment,
        pairs: Sequence[TokenPair],
        candidates: BoolMatrix | None = None,
        *,
        chunk: int | None = None,
        progress: Report | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Decide `candidates` (default: every edge), the rest ablated from the start.

        A test needs the mean over all pairs, so all chunks are in memory at once. `progress`
        counts the receivers of the run in hand.
        """
        self.graph = experiment.graph
        self.candidates = upstream = self.graph.upstream
        if candidates is not None:
            self.candidates = upstream & (self.graph.joint(candidates.astype(np.intp)) > 0)
        self._visits = visits(self.graph, self.candidates)
        self.n_decisions = self._visits[-1].end
        self._experiment, self._pairs = experiment, pairs
        chunks = experiment.chunks(pairs, chunk or experiment.fitting(pairs))
        self._benches = [experiment.bench(examples) for examples in chunks]
        self._n_examples = sum(len(examples) for examples in chunks)
        self._progress, self._checkpoint = progress, checkpoint or NoCheckpoint()
        self._pace = Pace()
        self.traces = self._load()
        self._outlook = Outlook()

    def run(self, threshold: float) -> Pruned:
        """What τ = `threshold` keeps.

        Raises:
            NonFiniteError: A loss is NaN or infinite.
        """
        trace = self._branch(threshold)
        states: list[State] = []
        for number, visit in enumerate(self._visits):
            if visit.end <= len(trace.rises):
                continue
            if self._progress:
                self._progress(number, len(self._visits))
            if visit.opens_layer or not states:
                states = self._anew(trace, states)
            self._decide(trace, states, visit)
            if self._pace.due():
                self._save()
        if states:
            self._anew(trace, states)
        return self._pruned(trace)

    def mean_gap(self) -> float:
        """The mean loss with everything ablated minus that with every candidate kept."""
        none, all_of_them = self.graph.none(), self.candidates
        return self._loss(none) - self._loss(all_of_them)

    def _loss(self, kept: BoolMatrix) -> float:
        losses = (float(State(bench, kept).loss.double().sum()) for bench in self._benches)
        return sum(losses) / self._n_examples

    def _branch(self, threshold: float) -> Trace:
        """This τ's trace, begun with the decisions that it shares with an earlier one."""
        for trace in self.traces:
            if trace.threshold == threshold:
                return trace
        found = Trace(threshold)
        if self.traces:
            nearest = max(self.traces, key=lambda trace: trace.shared(threshold))
            found.rises = nearest.rises[: nearest.shared(threshold)]
            found.error = nearest.error
        self.traces.append(found)
        return found

    def _kept(self, trace: Trace) -> BoolMatrix:
        """What is left after the decisions made so far."""
        kept, removed = self.candidates.copy(), trace.removed(trace.threshold)
        for visit in self._visits:
            gone = removed[visit.begin : visit.end]
            senders = [s for s, out in zip(visit.senders, gone, strict=False) if out]
            kept[np.ix_(senders, visit.receivers)] = False
        return kept

    def _anew(self, trace: Trace, carried: list[State]) -> list[State]:
        """States of what is left, run afresh; against those carried along they show rounding."""
        kept = self._kept(trace)
        losses = [state.loss for state in carried]
        # In the same memory: that of so many writes takes as long to get as the run.
        states = [
            State(bench, kept, restartable=True, instead=instead)
            for bench, instead in zip(
                self._benches, carried or [None] * len(self._benches), strict=True
            )
        ]
        drift = sum(
            float((state.loss - loss).abs().double().sum())
            for state, loss in zip(states, losses or [state.loss for state in states], strict=True)
        )
        largest = sum(float(state.logits.abs().amax((1, 2)).double().sum()) for state in states)
        rounding = torch.finfo(self._experiment.adapter.dtype).eps * largest
        trace.error = max(trace.error, MARGIN * max(drift, rounding) / self._n_examples)
        return states

    def _decide(self, trace: Trace, states: list[State], visit: Visit) -> None:
        """Decide what is left of a receiver's edges.

        Several tests are made in one go where that is cheaper, each as if those before it come to
        what most tests of late came to; those that follow a wrong guess are thrown away.
        """
        outlook = self._outlook
        with ExitStack() as stack:
            tries = [stack.enter_context(Restart(state, *visit.receivers)) for state in states]
            (current,) = self._means([each.loss[None] for each in tries])
            live = tries[0].live
            # Where the receiver is dead every rise is 0, and costs nothing.
            width = min(each.width for each in tries) if live else visit.end - visit.begin
            while len(trace.rises) < visit.end:
                guess = outlook.guess if live else trace.threshold > 0
                rest = visit.senders[len(trace.rises) - visit.begin :]
                together = rest[: min(width, outlook.length) if live else width]
                losses = [each.ahead(together, gone=guess) for each in tries]
                for number, loss in enumerate(self._means(losses)):
                    rise = loss - current
                    if not np.isfinite(rise):
                        raise NonFiniteError(self._experiment.describe_overflow(self._pairs))
                    trace.rises.append(rise)
                    removed = rise < trace.threshold
                    if removed:
                        current = loss
                        for each in tries:
                            each.accept(number)
                    if live:
                        outlook.add(removed)
                    if removed != guess:
                        break

    def _means(self, losses: Sequence[Float[Tensor, "try _"]]) -> list[float]:
        """Each try's mean over examples of losses, one tensor a chunk."""
        sums = [each.double().sum(-1).cpu().numpy() for each in losses]
        return (np.sum(sums, axis=0) / self._n_examples).tolist()

    def _pruned(self, trace: Trace) -> Pruned:
        kept = self._kept(trace)
        # What hangs on a receiver was decided before it, so dead now means dead at its turn.
        live = self.graph.joint(self.graph.live_receivers(kept).astype(np.intp)) > 0
        rises = np.zeros(kept.shape)
        for visit in self._visits:
            rise = np.array(trace.rises[visit.begin : visit.end])
            rises[np.ix_(visit.senders, visit.receivers)] = rise[:, None]
        tested = self.candidates & live[None, :]
        return Pruned(
            trace.threshold,
            kept,
            rises,
            tested & (np.abs(rises - trace.threshold) <= trace.error),
            trace.error,
            int(tested[:, np.unique(self.graph.lead)].sum()),
        )

    def _save(self) -> None:
        arrays = {
            "layout": LAYOUT,
            "candidates": self.candidates,
            "thresholds": np.array([trace.threshold for trace in self.traces]),
            "errors": np.array([trace.error for trace in self.traces]),
            "lengths": np.array([len(trace.rises) for trace in self.traces]),
            "rises": np.concatenate([np.array(trace.rises) for trace in self.traces]),
        }
        self._checkpoint.save("acdc", {name: np.asarray(each) for name, each in arrays.items()})
        self._pace.saved()

    def _load(self) -> list[Trace]:
        """The traces of an interrupted job, if they decide the same edges."""
        saved = self._checkpoint.load("acdc")
        if saved is None or not same_layout(saved):
            return []
        if not np.array_equal(saved["candidates"], self.candidates):
            return []
        ends = np.cumsum(saved["lengths"].astype(np.intp))
        parts = np.split(saved["rises"], ends[:-1].tolist())
        return [
            Trace(threshold, rises.tolist(), error)
            for threshold, rises, error in zip(
                saved["thresholds"].tolist(), parts, saved["errors"].tolist(), strict=True
            )
        ]
