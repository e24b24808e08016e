"""Group interventions: what changes when senders are patched together and only some inputs see it.

Path patching (Wang et al. 2022, arXiv:2211.00593; Goldowsky-Dill et al. 2023, arXiv:2304.05969),
exactly, on the engine that ablates edges. Three runs of a chunk stand behind a `Patch`:

1. the model as it is;
2. the *world* of the patch: its senders write their ablated values, everything downstream follows;
3. the model in which some inputs read that world, and all else follows from these.

The third is an ordinary kept set whose dropped edges carry what the world writes. So families with
post-norms, parallel blocks and grouped queries need nothing of their own: every receiver reads its
own mixture, and only the query heads meant see a key patched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.ablation import Example
from discovery.engine.experiment import Bench, Experiment
from discovery.engine.forward import run
from discovery.engine.state import State
from discovery.progress import Report
from discovery.tasks.base import TokenPair

PerPair = NDArray[np.float64]
Where = Callable[[Example], Sequence[bool]]
"""At which of an example's positions a patch is put."""


@dataclass(frozen=True)
class Patch:
    """Senders patched together, and who sees it; numbers are the graph's.

    Attributes:
        senders: They write their ablated values.
        receivers: The inputs that see what follows from it; all else follows from them. The logits
            alone see the patch as if it were plainly made.
        carriers: The senders through whose edges these inputs see it; None: all, on any path.
            Those of `senders` alone are the direct edges.
        where: At which positions the senders are patched; None: at all.
    """

    senders: tuple[int, ...]
    receivers: tuple[int, ...]
    carriers: tuple[int, ...] | None = None
    where: Where | None = None


def losses(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    patches: Sequence[Patch],
    *,
    chunk: int | None = None,
    progress: Report | None = None,
) -> list[PerPair]:
    """Each patch's loss on every pair. What patches have in common is run once a chunk."""
    if not patches:
        return []
    # Beside a state's writes there are the world's.
    size = chunk or max(1, experiment.fitting(pairs) // 2)
    chunks = experiment.chunks(pairs, size)
    found = [np.zeros(len(pairs)) for _ in patches]
    share, total, done = 1 / experiment.ablator.draws, len(chunks) * len(patches), 0
    for examples in chunks:
        bench = experiment.bench(examples)
        for world, members in _by_world(patches):
            patched: _World | None = None
            for number in members:
                if progress:
                    progress(done, total)
                if patched is None:
                    patched = _World(bench, *world)
                loss = patched.loss(patches[number])
                np.add.at(found[number], bench.index, share * loss.double().cpu().numpy())
                done += 1
    return found


def _by_world(
    patches: Sequence[Patch],
) -> Iterable[tuple[tuple[tuple[int, ...], Where | None], list[int]]]:
    """Patches by the world that they are seen in: senders and positions."""
    groups: dict[tuple[tuple[int, ...], Where | None], list[int]] = {}
    for number, patch in enumerate(patches):
        groups.setdefault((patch.senders, patch.where), []).append(number)
    return groups.items()


class _World:
    """A chunk in which some senders write their ablated values, and what follows from it."""

    @torch.no_grad()
    def __init__(self, bench: Bench, senders: tuple[int, ...], where: Where | None) -> None:
        experiment, window = bench.experiment, bench.window
        put = {sender: bench.ablated[sender] for sender in senders}
        if where is not None:
            clean = window.run(experiment.dtype).writes
            chosen = _chosen(bench, where)
            put = {sender: torch.where(chosen, put[sender], clean[sender]) for sender in senders}
        world = run(
            experiment.adapter,
            experiment.graph,
            window.batch,
            experiment.dtype,
            window.before,
            put,
        )
        self._bench = bench.ablated_to(world.writes)

    def loss(self, patch: Patch) -> Float[Tensor, " example"]:
        """The loss where the patch's receivers read this world, one value an example."""
        kept = self._bench.experiment.graph.upstream.copy()
        receivers = list(patch.receivers)
        if patch.carriers is None:
            kept[:, receivers] = False
        else:
            kept[np.ix_(patch.carriers, receivers)] = False
        return State(self._bench, kept).loss


def _chosen(bench: Bench, where: Where) -> Bool[Tensor, "example pos 1"]:
    """The window's positions that a patch is put at."""
    start, length = bench.window.start, bench.window.batch.tokens.shape[1]
    chosen = torch.zeros((len(bench.examples), length), dtype=torch.bool)
    for row, example in enumerate(bench.examples):
        places = torch.tensor(where(example), dtype=torch.bool)[start:]
        chosen[row, : len(places)] = places
    return chosen[:, :, None].to(bench.ablated.device)
