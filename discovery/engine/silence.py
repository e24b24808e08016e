"""What the loss becomes when whole components are ablated: every edge out of them at once.

It is the exact engine's loss of every edge but theirs. Sets of them branch off the clean run, and
off each other, in the first layer in which they differ: what they share is run once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.engine.experiment import Bench
from discovery.engine.stream import Resid, Stream
from discovery.progress import Report


@dataclass(frozen=True)
class _Runs:
    """Runs side by side ahead of a layer, and the sets that each is the beginning of."""

    layer: int
    resid: Resid
    sets: list[list[int]]


@torch.no_grad()
def silenced(
    bench: Bench, sets: Sequence[Sequence[int]], progress: Report | None = None
) -> Float[Tensor, "set batch"]:
    """The loss of each example with every edge out of a set's senders dropped, for each set."""
    return _Silence(bench, sets).losses(progress)


class _Silence:
    def __init__(self, bench: Bench, sets: Sequence[Sequence[int]]) -> None:
        self._bench, self._stream, graph = bench, Stream(bench), bench.experiment.graph
        self._n = len(sets)
        # By layer, of the inputs first: each set's senders there.
        self._gone: list[list[tuple[int, ...]]] = [
            [tuple(sorted(s for s in each if graph.sender_layers[s] == layer)) for each in sets]
            for layer in range(-1, graph.n_layers)
        ]

    def losses(self, progress: Report | None) -> Float[Tensor, "set batch"]:
        stream, n_layers = self._stream, self._bench.experiment.graph.n_layers
        found = self._bench.ablated.new_zeros((self._n, stream.n_examples))
        waiting, width, done = [self._begin()] if self._n else [], stream.width, 0
        while waiting:
            if progress:
                progress(done, self._n)
            runs = waiting.pop()
            while runs.layer < n_layers:
                runs = self._branched(runs)
                if len(runs.sets) > width:
                    waiting += self._parts(runs, width)
                    break
                runs = self._on(runs)
            else:
                losses = stream.losses(runs.resid)
                for loss, sets in zip(losses, runs.sets, strict=True):
                    found[sets] = loss.to(found.dtype)
                    done += len(sets)
        return found

    def _begin(self) -> _Runs:
        """The runs of each set of inputs."""
        stream, by_inputs = self._stream, self._by_gone(-1, list(range(self._n)))
        streams: list[Tensor] = []
        for gone in by_inputs:
            first = stream.inputs()
            first[list(gone)] = self._bench.ablated[list(gone)]
            streams.append(first.sum(0))
        return _Runs(0, torch.cat(streams), list(by_inputs.values()))

    def _by_gone(self, layer: int, sets: list[int]) -> dict[tuple[int, ...], list[int]]:
        """Sets by their senders in a layer."""
        found: dict[tuple[int, ...], list[int]] = {}
        for number in sets:
            found.setdefault(self._gone[layer + 1][number], []).append(number)
        return found

    def _branched(self, runs: _Runs) -> _Runs:
        """A run for each of the sets that part in this layer."""
        parents: list[int] = []
        sets: list[list[int]] = []
        for lane, mine in enumerate(runs.sets):
            for part in self._by_gone(runs.layer, mine).values():
                parents.append(lane)
                sets.append(part)
        if len(sets) == len(runs.sets):
            return runs
        resid = self._stream.lanes(runs.resid)[parents].flatten(0, 1)
        return _Runs(runs.layer, resid, sets)

    def _parts(self, runs: _Runs, width: int) -> list[_Runs]:
        """As many runs as go side by side, those with the most sets to come first in the list.

        The list is worked off from its end, so that few runs wait at a time.
        """
        order = sorted(range(len(runs.sets)), key=lambda lane: -len(runs.sets[lane]))
        lanes = self._stream.lanes(runs.resid)
        parts = [order[start : start + width] for start in range(0, len(order), width)]
        return [
            _Runs(runs.layer, lanes[part].flatten(0, 1), [runs.sets[lane] for lane in part])
            for part in parts
        ]

    def _on(self, runs: _Runs) -> _Runs:
        """The runs one layer on."""
        stream, layer, graph = self._stream, runs.layer, self._bench.experiment.graph
        start, mlp = graph.head_senders(layer).start, graph.mlp_sender(layer)
        z = stream.mix(layer, runs.resid)
        gone = [self._gone[layer + 1][sets[0]] for sets in runs.sets]
        if any(gone):
            z = z.clone()
        for lane, senders in enumerate(gone):
            stream.lanes(z)[lane][:, [s - start for s in senders if s != mlp]] = 0
        written = stream.written(layer, z)
        for lane, senders in enumerate(gone):
            if heads := [sender for sender in senders if sender != mlp]:
                ablated = stream.here(layer, self._bench.ablated[heads].sum(0))
                stream.lanes(written)[lane] += ablated
        after = stream.after_heads(layer, runs.resid, written)
        out = stream.mlp(layer, stream.before_mlp(layer, runs.resid, after))
        for lane, senders in enumerate(gone):
            if mlp in senders:
                stream.lanes(out)[lane] = stream.here(layer, self._bench.ablated[mlp])
        return _Runs(layer + 1, stream.after_mlp(layer, after, out), runs.sets)
