"""Loss changes of one split's patches, as shares with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from discovery.evaluation.measured import Measured
from discovery.progress import Report
from discovery.roles.group_effects import PerPair, losses
from discovery.roles.path_patching import Patch
from graph_schema.documents.role import Share
from graph_schema.intervals import group_interval


@dataclass
class Shares:
    """What patches change on one split; each is run once."""

    split: Measured
    chunk: int | None
    report: Report
    _known: dict[Patch, PerPair] = field(default_factory=dict[Patch, PerPair])

    def run(self, patches: Sequence[Patch]) -> None:
        """Run those that are not known yet, together: what they have in common is shared."""
        new = [patch for patch in dict.fromkeys(patches) if patch not in self._known]
        split = self.split
        found = losses(split.experiment, split.pairs, new, chunk=self.chunk, progress=self.report)
        self._known.update(zip(new, found, strict=True))

    def change(self, *patches: Patch) -> PerPair:
        """loss(patched) - loss(M) of each pair; of several patches the mean."""
        self.run(patches)
        mean: PerPair = np.mean([self._known[patch] for patch in patches], axis=0)
        return mean - self.split.full.loss

    def of_gap(self, *patches: Patch) -> Share:
        """Their change as a share of loss(∅) - loss(M)."""
        found = self.share(self.change(*patches))
        assert found is not None, "a split is measured only where its gap is above 0"
        return found

    def part(self, patch: Patch, whole: Patch) -> Share | None:
        """A patch's change as a part of another's; None where that hangs on one group of pairs."""
        return self.share(self.change(patch), self.change(whole))

    def share(
        self, change: NDArray[np.float64], over: NDArray[np.float64] | None = None
    ) -> Share | None:
        """`share_of` the split, over the gap unless told otherwise."""
        return share_of(self.split, change, self.split.gap if over is None else over)


def share_of(
    split: Measured, change: NDArray[np.float64], over: NDArray[np.float64]
) -> Share | None:
    """Σ change / Σ over, of each pair of a split, with its interval over groups.

    Over pairs, where all are of one group. None where it has no interval.
    """
    groups = split.groups if split.n_groups > 1 else [str(i) for i in range(split.n)]
    low, high, _ = group_interval(change, groups, over=over, seed=split.seed)
    if low is None or high is None:
        return None
    return Share(share=float(change.sum() / over.sum()), ci_low=low, ci_high=high)
