"""The exact engine: what the loss is when only some edges are kept.

Under a kept set every receiver reads the kept senders' current writes, the dropped senders'
ablated writes, and the constants. Two parts on a `Bench` (bench.py), and `values` over many:

* `State(bench, kept)`: the model run under a kept set; `.loss` is one value an example;
* `state.restart(receiver)`: what the loss becomes when that receiver, or several that are patched
  together, drop a sender. Only what hangs on it through kept edges is computed again, and only if
  it can reach the logits.

Everything is exact up to rounding, for any kept set, trimmed or not (dead ends then write what
they compute from ablated inputs).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.experiment import Bench, Experiment
from discovery.engine.forward import at_positions, inputs, logits_at, loss_at, put_at_positions
from discovery.engine.graph import HEAD_CHANNELS, BoolMatrix, Graph
from discovery.engine.metrics import accuracy, rank
from discovery.engine.plan import (
    AttentionStep,
    ChannelPlan,
    LogitsStep,
    MlpStep,
    Step,
    after,
    whole,
)
from discovery.engine.reading import Mixture
from discovery.models import Qkv
from discovery.tasks.base import TokenPair
from graph_schema.documents import Channel

Heads = Float[Tensor, "batch head pos d_head"]
HeadValues = dict[Channel, Heads]
QKV: dict[Channel, Qkv] = {Channel.Q: "q", Channel.K: "k", Channel.V: "v"}


def _component(graph: Graph, kept: BoolMatrix, receivers: Sequence[int]) -> Step:
    """The step that computes the components of receivers when their one read changes.

    Several are heads of one layer, on one channel.
    """
    nothing = np.zeros((0, 1), dtype=np.bool_)
    if receivers[0] == graph.logits:
        return LogitsStep(nothing)
    layer, within = divmod(receivers[0], 3 * graph.n_heads + 1)
    if within == 3 * graph.n_heads:
        spread = graph.spread_senders(kept)
        return MlpStep(layer, nothing, bool(spread[graph.mlp_sender(layer)]))
    channel, head = divmod(within, graph.n_heads)
    heads = [head + receiver - receivers[0] for receiver in receivers]
    reads = ChannelPlan(HEAD_CHANNELS[channel], [], slice(0, 0), heads)
    return AttentionStep(layer, heads, nothing, (reads,))


class State:
    """The model under a kept set, with every sender's write as `ablated + delta`.

    What cannot reach the loss is not computed: writes of components without a kept path to the
    logits, and, where no key or value input lies on the path, at positions that no metric reads.

    Attributes:
        kept: The kept set; `Restart.accept` removes edges from it.
        loss: One value an example.
        last: What the logits read, at the metric's positions.
    """

    loss: Float[Tensor, " batch"]
    last: Float[Tensor, "batch target d_model"]

    @torch.no_grad()
    def __init__(self, bench: Bench, kept: BoolMatrix, *, restartable: bool = False) -> None:
        """Run the model. `restartable` keeps what `restart` needs: each head's q, k and v."""
        self.bench, self.kept = bench, kept.copy()
        self.graph, self._adapter = bench.experiment.graph, bench.experiment.adapter
        window = bench.window
        targets = window.positions
        self._narrow = targets if targets.shape[1] < window.batch.tokens.shape[1] else None
        self.delta = torch.zeros_like(window.ablated, memory_format=torch.contiguous_format)
        first = slice(0, self.graph.n_inputs)
        self.delta[first] = inputs(self._adapter, window.batch) - window.ablated[first]
        self.heads: dict[int, HeadValues] = {}
        for step in whole(self.graph, kept).steps:
            now = self.run(step, self.mixture(step, None), None)
            if restartable and isinstance(step, AttentionStep):
                self.keep_heads(step, now)

    @property
    @torch.no_grad()
    def logits(self) -> Float[Tensor, "batch target d_vocab"]:
        """At the metric's positions; computed when asked for, as most metrics read a few alone."""
        return logits_at(self._adapter, self.last.to(self._adapter.dtype))

    @contextmanager
    def restart(self, *receivers: int) -> Generator[Restart]:
        """Try other reads of a receiver; what is not accepted is undone on the way out.

        Several receivers, which keep the same senders, are tried together.
        """
        restart = Restart(self, receivers)
        try:
            yield restart
        finally:
            restart.undo()

    def read(self, receiver: int, kept: NDArray[np.bool_] | None = None) -> Tensor:
        """What a receiver reads now, or would if it kept the senders `kept`.

        [batch, pos, d_model], at `positions_of` its component.
        """
        step, reader = _component(self.graph, self.kept, [receiver]), self.bench.reader
        kept = self.kept[:, receiver] if kept is None else kept
        columns = kept[: self.graph.n_upstream[receiver], None]
        return reader.read(self.mixture(replace(step, columns=columns), None), self.delta)[0]

    # One component at a time. `read` is in the dtype of sums; modules get the model's.

    def keep_heads(self, step: AttentionStep, values: HeadValues) -> None:
        """Remember queries, keys and values of a step's heads."""
        if step.layer not in self.heads:
            like = values[Channel.Q]
            sizes = (like.shape[0], self.graph.n_heads, *like.shape[2:])
            self.heads[step.layer] = {name: like.new_zeros(sizes) for name in HEAD_CHANNELS}
        for channel, value in values.items():
            self.heads[step.layer][channel][:, step.heads] = value

    def held(self, step: AttentionStep) -> HeadValues:
        """The remembered queries, keys and values of a step's heads."""
        return {name: value[:, step.heads] for name, value in self.heads[step.layer].items()}

    def positions_of(self, step: Step) -> Tensor | None:
        """Where a component is computed: None everywhere, else at [batch, target]."""
        match step:
            case LogitsStep():
                return self.bench.window.positions
            case MlpStep(everywhere=False):
                return self._narrow
            case _:
                return None

    def mixture(self, step: Step, moving: NDArray[np.bool_] | None) -> Mixture:
        reader = self.bench.reader
        match step:
            case AttentionStep():
                place = reader.attention(step.layer)
            case MlpStep():
                place = reader.mlp(step.layer)
            case LogitsStep():
                place = reader.logits
        if moving is not None:
            moving = moving[: len(step.columns)]
        return reader.mixture(place, step.columns, self.delta, moving, self.positions_of(step))

    def run(self, step: Step, mixture: Mixture, held: HeadValues | None) -> HeadValues:
        """Compute a step's components from what they read now; returns q, k, v of its heads."""
        read = self.bench.reader.read(mixture, self.delta)
        match step:
            case AttentionStep():
                return self.attend(step, read, held)
            case MlpStep():
                self.write_mlp(step, read[0])
            case LogitsStep():
                self.finish(read[0])
        return {}

    def attend(
        self,
        step: AttentionStep,
        read: Float[Tensor, "column batch pos d_model"],
        held: HeadValues | None,
    ) -> HeadValues:
        adapter, layer, batch = self._adapter, step.layer, self.bench.window.batch
        normed = adapter.norm(layer, "attn", read.to(adapter.dtype))
        now = dict(held) if held else {}
        for plan in step.channels:
            name = QKV[plan.channel]
            parts: list[Heads] = []
            if plan.own:
                mine = rearrange(
                    normed[plan.slots], "head batch pos d_model -> batch head pos d_model"
                )
                parts.append(adapter.project(batch, layer, name, mine, plan.own))
            if plan.shared:
                parts.append(adapter.project(batch, layer, name, normed[-1], plan.shared))
            value = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)[:, plan.order]
            if len(plan.heads) < len(step.heads):
                every = now[plan.channel].clone()
                every[:, [step.heads.index(head) for head in plan.heads]] = value
                value = every
            now[plan.channel] = value
        self.write_heads(layer, step.heads, now)
        return now

    def write_heads(self, layer: int, heads: list[int], values: HeadValues) -> None:
        """Mix positions and write, for some heads of a layer."""
        adapter = self._adapter
        q, k, v = (values[channel] for channel in HEAD_CHANNELS)
        z = self.bench.window.mix(layer, heads, q, k, v)
        written = rearrange(
            adapter.head_out(layer, z, heads), "batch head pos d_model -> head batch pos d_model"
        )
        start = self.graph.head_senders(layer).start
        rows: slice | list[int] = [start + head for head in heads]
        if len(heads) == self.graph.n_heads:
            rows = self.graph.head_senders(layer)
        self.delta[rows] = written - self.bench.window.ablated[rows]

    def write_mlp(self, step: MlpStep, read: Float[Tensor, "batch place d_model"]) -> None:
        """Run a layer's MLP on what it reads, where it does."""
        adapter, layer, row = self._adapter, step.layer, self.graph.mlp_sender(step.layer)
        written = adapter.mlp(layer, adapter.norm(layer, "mlp", read.to(adapter.dtype)))
        ablated, positions = self.bench.window.ablated[row], self.positions_of(step)
        if positions is None:
            self.delta[row] = written - ablated
        else:
            put_at_positions(self.delta[row], positions, written - at_positions(ablated, positions))

    def finish(self, read: Float[Tensor, "batch target d_model"]) -> None:
        """The loss from what the logits read."""
        self.last = read
        self.loss = loss_at(self._adapter, self.bench.objective, read.to(self._adapter.dtype))


class Restart:
    """Other reads of one receiver, or of several alike, each followed through to the loss.

    Tries come one after the other; `accept` makes the last one the state's. Writes of the
    components that hang on the receiver are overwritten by each try and put back by `undo`.
    """

    def __init__(self, state: State, receivers: Sequence[int]) -> None:
        self._state, self._receivers = state, list(receivers)
        graph, kept = state.graph, state.kept
        same = kept[:, self._receivers] == kept[:, receivers[:1]]
        assert same.all(), "receivers are tried together when they keep the same senders"
        self._plan = after(graph, kept, self._receivers)
        self.live = receivers[0] == graph.logits or bool(self._plan.steps)
        """Whether the receiver has a kept path to the logits: if not, no read matters."""
        self._tried: int | None = None
        self._result = (state.loss, state.last)
        if not self.live:
            return
        self._rows = torch.from_numpy(np.flatnonzero(self._plan.moving)).to(state.delta.device)
        self._saved = state.delta[self._rows]
        self._read = self._try_read = state.read(receivers[0])
        self._heads: list[tuple[AttentionStep, HeadValues]] = []
        self._steps: list[tuple[Step, Mixture, HeadValues | None]] = [
            (
                step,
                state.mixture(step, self._plan.moving),
                state.held(step) if isinstance(step, AttentionStep) else None,
            )
            for step in self._plan.steps
        ]
        reaching = graph.live_receivers(kept)
        live = [receiver for receiver in receivers if reaching[receiver]]
        self._first = _component(graph, kept, live)
        self._positions = state.positions_of(self._first)

    @property
    def loss(self) -> Float[Tensor, " batch"]:
        """The loss of the last accepted try, or of the state where there was none."""
        return self._result[0]

    @torch.no_grad()
    def without(self, sender: int) -> Float[Tensor, " batch"]:
        """The loss if the receiver no longer keeps `sender`."""
        assert self._state.kept[sender, self._receivers[0]], "only a kept edge can be removed"
        self._tried = sender
        if not self.live:
            return self.loss
        self._try_read = self._read_without(sender)
        self._follow(self._try_read)
        return self._state.loss

    def accept(self) -> None:
        """Remove the edge that was tried last."""
        assert self._tried is not None, "nothing has been tried since the last accept"
        state = self._state
        state.kept[self._tried, self._receivers] = False
        self._tried = None
        if not self.live:
            return
        self._read = self._try_read
        self._saved = state.delta[self._rows]
        self._result = (state.loss, state.last)
        for step, values in self._heads:
            state.keep_heads(step, values)

    def undo(self) -> None:
        """Put the state back to the last accepted try."""
        if self.live:
            self._state.delta[self._rows] = self._saved
            self._state.loss, self._state.last = self._result

    def _read_without(self, sender: int) -> Tensor:
        state = self._state
        if state.bench.experiment.adapter.post_norms:
            # The norm on the way mixes senders, so the read is put together again.
            kept = state.kept[:, self._receivers[0]].copy()
            kept[sender] = False
            return state.read(self._receivers[0], kept)
        gone = state.delta[sender]
        if self._positions is not None:
            gone = at_positions(gone, self._positions)
        return self._read - gone

    def _follow(self, read: Tensor) -> None:
        """Compute the receiver's component from `read`, then all that hangs on it."""
        state, self._heads = self._state, []
        match self._first:
            case LogitsStep():
                state.finish(read)
            case MlpStep() as step:
                state.write_mlp(step, read)
            case AttentionStep() as step:
                self._heads.append((step, state.attend(step, read[None], state.held(step))))
        for step, mixture, held in self._steps:
            now = state.run(step, mixture, held)
            if isinstance(step, AttentionStep):
                self._heads.append((step, now))


def values(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    circuits: Sequence[BoolMatrix],
    *,
    chunk: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Values]:
    """Each circuit's loss, accuracy and rank on every pair; work for a chunk is shared."""
    chunks = experiment.chunks(pairs, chunk or experiment.fitting(pairs))
    found = [Values.of(len(pairs)) for _ in circuits]
    for number, examples in enumerate(chunks):
        bench = experiment.bench(examples)
        share = 1 / experiment.ablator.draws
        for which, kept in enumerate(circuits):
            if progress:
                progress(number * len(circuits) + which, len(chunks) * len(circuits))
            found[which].add(bench, State(bench, kept), share)
    return found


@dataclass(frozen=True)
class Values:
    """One value a pair, averaged over the draws of its ablation."""

    loss: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    rank: NDArray[np.float64]

    @classmethod
    def of(cls, n: int) -> Values:
        return cls(np.zeros(n), np.zeros(n), np.zeros(n))

    def add(self, bench: Bench, state: State, share: float) -> None:
        target, logits = bench.objective.target, state.logits
        for into, each in (
            (self.loss, state.loss),
            (self.accuracy, accuracy(logits, target)),
            (self.rank, rank(logits, target)),
        ):
            np.add.at(into, bench.index, share * each.cpu().double().numpy())
