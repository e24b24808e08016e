"""Group interventions: what changes when senders are patched together and only some inputs see it.

Path patching (Wang et al. 2022, arXiv:2211.00593; Goldowsky-Dill et al. 2023, arXiv:2304.05969),
exactly. Three runs of a chunk stand behind a `Patch`:

1. the model as it is;
2. the *world* of the patch: its senders write their ablated values, everything downstream follows;
3. the model in which some inputs read that world, and all else follows from these.

The first is run once a chunk, the second once for all patches of the same senders, and the third
from the first layer on that has such an input. Every input reads a stream of its own, so only the
query heads meant see a key patched where several share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.experiment import Bench, Experiment
from discovery.engine.stream import Recorded, Stream, recorded
from discovery.progress import Report
from discovery.roles.path_patching import Patch, PathPatched, Where, first_layer
from discovery.tasks.base import TokenPair

PerPair = NDArray[np.float64]


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
    # Beside the ablated writes there are two runs, the model's own and the world's.
    size = chunk or max(1, experiment.fitting(pairs) // 2)
    chunks = experiment.chunks(pairs, size)
    found = [np.zeros(len(pairs)) for _ in patches]
    share, total, done = 1 / experiment.ablator.draws, len(chunks) * len(patches), 0
    for examples in chunks:
        if progress:
            progress(done, total)
        bench = experiment.bench(examples)
        stream = Stream(bench)
        clean = recorded(stream)
        for (senders, where), members in _by_world(patches):
            if progress:
                progress(done, total)
            world = recorded(stream, _put(clean, senders, where))
            for together in _alike(stream, patches, members):
                if progress:
                    progress(done, total)
                seen = PathPatched(clean, world, [patches[n] for n in together])
                for number, loss in zip(together, seen.losses(), strict=True):
                    np.add.at(found[number], bench.index, share * loss.double().cpu().numpy())
                done += len(together)
    return found


def _by_world(
    patches: Sequence[Patch],
) -> Iterable[tuple[tuple[tuple[int, ...], Where | None], list[int]]]:
    """Patches by the world that they are seen in: senders and positions."""
    groups: dict[tuple[tuple[int, ...], Where | None], list[int]] = {}
    for number, patch in enumerate(patches):
        groups.setdefault((patch.senders, patch.where), []).append(number)
    return groups.items()


def _alike(stream: Stream, patches: Sequence[Patch], members: Sequence[int]) -> Iterable[list[int]]:
    """Patches of one world that are run side by side: their first inputs lie in one layer."""
    by_first: dict[int, list[int]] = {}
    for number in members:
        by_first.setdefault(first_layer(stream, patches[number]), []).append(number)
    for mine in by_first.values():
        for start in range(0, len(mine), stream.width):
            yield mine[start : start + stream.width]


def _put(
    clean: Recorded, senders: tuple[int, ...], where: Where | None
) -> dict[int, Float[Tensor, "batch place d_model"]]:
    """What a world's senders write."""
    stream = clean.stream
    bench = stream.bench
    if where is None:
        return {sender: bench.ablated[sender] for sender in senders}
    chosen, found = _chosen(bench, where).to(bench.ablated.dtype), dict[int, Tensor]()
    for sender in senders:
        layer = int(stream.graph.sender_layers[sender])
        ablated, own = stream.here(layer, bench.ablated[sender]), clean.write(sender)
        found[sender] = torch.where(stream.here(layer, chosen).bool(), ablated, own)
    return found


def _chosen(bench: Bench, where: Where) -> Bool[Tensor, "example pos 1"]:
    """The window's positions that a patch is put at."""
    start, length = bench.window.start, bench.window.batch.tokens.shape[1]
    chosen = torch.zeros((len(bench.examples), length), dtype=torch.bool)
    for row, example in enumerate(bench.examples):
        places = torch.tensor(where(example), dtype=torch.bool)[start:]
        chosen[row, : len(places)] = places
    return chosen[:, :, None].to(bench.ablated.device)
