"""Path patching: edge tests, the loss without an edge, that do not run the whole model.

Where a receiver drops a sender, only what hangs on the receiver through kept edges is computed
again, and only if it can reach the logits. Several tries are made side by side, as rows of one
batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from discovery.engine.at_once import LOGITS, ROWS
from discovery.engine.lanes import HeadValues, Lanes, narrow
from discovery.engine.reading import Mixture
from discovery.engine.schedule import AttentionStep, LogitsStep, MlpStep, Step, after, component
from discovery.engine.state import State
from discovery.engine.unembedding import losses_at

POSITIONS = 512
"""Positions that a processor computes together: with more a weight costs no less."""


@dataclass(frozen=True)
class Try:
    """A sender less: what comes of it, and the read that led there."""

    sender: int
    loss: Float[Tensor, " batch"]
    last: Float[Tensor, "batch target d_model"]
    read: Tensor | None = None


class Restart:
    """Edge tests of one receiver, or of several that are patched together: other reads of it.

    A context: tries are followed through to what the logits read, several of them in lanes side by
    side; `accept` makes one the state's. The state itself changes by what was accepted alone.
    """

    def __init__(self, state: State, *receivers: int) -> None:
        """Several receivers keep the same senders, and are tried together."""
        self._state, self._receivers = state, list(receivers)
        graph, kept = state.graph, state.kept
        same = kept[:, self._receivers] == kept[:, receivers[:1]]
        assert same.all(), "receivers are tried together when they keep the same senders"
        self._schedule = after(state.plan, self._receivers)
        self.live = receivers[0] == graph.logits or bool(self._schedule.steps)
        """Whether the receiver has a kept path to the logits: if not, no read matters."""
        self._tries: list[Try] = []
        self._result = (state.loss, state.last)
        if not self.live:
            return
        self._read, self._stale = state.read(receivers[0])[0], False
        moving = self._schedule.moving
        self._moving = moving
        self._steps: list[tuple[Step, Mixture, HeadValues | None]] = [
            (
                step,
                state.mixture(step, moving),
                state.held(step) if isinstance(step, AttentionStep) else None,
            )
            for step in self._schedule.steps
        ]
        live = [receiver for receiver in receivers if state.plan.live[receiver]]
        self._first = component(state.plan, live)
        self._narrow = narrow(state.bench, self._first)
        first_held = None
        if isinstance(self._first, AttentionStep):
            first_held = state.held(self._first)
        self._first_held = first_held
        self._at_once = self._most_lanes()
        self._lanes: Lanes | None = None
        self._heads: list[tuple[AttentionStep, HeadValues]] = []
        # Of the last tries, those whose writes lie in the lanes, and which was accepted last.
        self._at_hand, self._accepted = range(0), -1

    @property
    def loss(self) -> Float[Tensor, " batch"]:
        """The loss of the last accepted try, or of the state where there was none."""
        return self._result[0]

    @property
    def width(self) -> int:
        """How many tries to make in one go: those side by side.

        Where the metric reads the whole vocabulary, those that fill one unembedding.
        """
        if not self.live:
            return 1
        last = self._state.last
        if self._state.bench.objective.tokens is not None:
            return self._at_once
        n_rows = last[..., 0].numel()
        if last.device.type == "cpu":
            return max(1, ROWS // n_rows)
        each = LOGITS * n_rows * self._state.bench.experiment.adapter.shape.d_vocab
        return max(1, min(self._at_once, self._state.lanes_room() // (each * last.itemsize)))

    def _most_lanes(self) -> int:
        """How many tries fit side by side, and on a processor are the faster for it."""
        delta, steps = self._state.delta.dense, (self._first, *self._schedule.steps)
        n_units = int((self._moving & self._state.graph.directed).sum())
        n_dense = int(self._moving.sum()) - n_units
        writes = delta[0].numel() * n_dense + delta[0, ..., 0].numel() * n_units
        each = (writes + max(self._size(step) for step in steps)) * delta.itemsize
        most = self._state.lanes_room() // each
        if delta.device.type == "cpu":
            most = min(most, POSITIONS // max(self._n_positions(step) for step in steps))
        return max(1, most)

    def _n_positions(self, step: Step) -> int:
        """At how many positions of the chunk a step's components are computed."""
        bench = self._state.bench
        if narrow(bench, step):
            return bench.window.positions.numel()
        return self._state.delta.dense[0, ..., 0].numel()

    def _size(self, step: Step) -> int:
        """Values that a step holds at once in one lane, about: what is read, within, written."""
        sizes = self._state.bench.experiment.adapter.shape
        match step:
            case AttentionStep():
                columns, n_heads = step.columns.shape[1], len(step.entries)
                # Each read before and after the norm; q, k, v and what they mix to.
                width = (2 * columns + n_heads) * sizes.d_model + 4 * n_heads * sizes.d_head
            case MlpStep():
                width = (3 * sizes.d_model + 3 * sizes.d_mlp) * max(1, step.columns.shape[1])
            case LogitsStep():
                width = 2 * sizes.d_model
        return width * self._n_positions(step)

    def without(self, sender: int) -> Float[Tensor, " batch"]:
        """The loss if the receiver no longer keeps `sender`."""
        return self.ahead([sender], gone=False)[0]

    def each(self, senders: Sequence[int]) -> Float[Tensor, "try batch"]:
        """The loss if the receiver no longer keeps a sender, for each of them alone."""
        starts = range(0, len(senders), self.width)
        return torch.cat(
            [self.ahead(senders[start : start + self.width], gone=False) for start in starts]
        )

    def rows(self, senders: Sequence[int]) -> Float[Tensor, "try batch target d_model"]:
        """What the logits read if the receiver no longer keeps a sender, for each of them alone."""
        found: list[Tensor] = []
        for start in range(0, len(senders), self.width):
            self.ahead(senders[start : start + self.width], gone=False)
            found += [tried.last for tried in self._tries]
        return torch.stack(found)

    @torch.no_grad()
    def ahead(self, senders: Sequence[int], *, gone: bool) -> Float[Tensor, "try batch"]:
        """The loss if the receiver no longer keeps a sender, of several tried in one go.

        With `gone` each is tried as if those before it had been accepted, else as if not.
        """
        state = self._state
        column = state.kept[:, self._receivers[0]]
        assert column[list(senders)].all(), "only a kept edge can be removed"
        if not self.live:
            self._tries = [Try(sender, *self._result) for sender in senders]
            return self.loss.expand(len(senders), -1)
        self._settle()
        # From here on the lanes hold other tries; what was not at hand is made anew on leaving.
        self._accepted = -1
        reads = self._reads(senders, gone=gone)
        lasts = torch.cat(
            [
                self._follow(reads, range(start, min(start + self._at_once, len(senders))))
                for start in range(0, len(senders), self._at_once)
            ]
        )
        losses = losses_at(state.bench.experiment.adapter, state.bench.objective, lasts)
        self._tries = [Try(*each) for each in zip(senders, losses, lasts, reads, strict=True)]
        return losses

    def accept(self, number: int = 0) -> None:
        """Remove the edge that was tried, of several the one with this number.

        Those before it are to be accepted first, if they were tried as `gone`, and else not.
        """
        state, tried = self._state, self._tries[number]
        assert state.kept[tried.sender, self._receivers[0]], "this edge has been removed"
        state.drop(tried.sender, self._receivers)
        if not self.live:
            return
        assert tried.read is not None
        self._read, self._result = tried.read, (tried.loss, tried.last)
        self._accepted = number
        self._stale = True

    def _settle(self) -> None:
        """Write what was accepted last into the state, if it is at hand."""
        if not self._stale or self._accepted not in self._at_hand:
            return
        state, lanes = self._state, self._lanes
        assert lanes is not None, "what is at hand lies in lanes"
        lane, n = self._accepted - self._at_hand.start, lanes.n
        directed = state.graph.directed
        for which, into, made in zip((~directed, directed), state.delta, lanes.delta, strict=True):
            rows = state.graph.rows[self._moving & which].tolist()
            if rows:
                index = state.bench.experiment.adapter.index(rows)
                into[index] = made.unflatten(1, (n, -1))[:, lane]
        for step, values in self._heads:
            mine = {name: value.unflatten(0, (n, -1))[lane] for name, value in values.items()}
            state.keep_heads(step, mine)
        self._stale = False

    def __enter__(self) -> Restart:
        return self

    @torch.no_grad()
    def __exit__(self, *_: object) -> None:
        """Leave the state as the last accepted try has it."""
        if not self.live:
            return
        self._settle()
        if self._stale:
            self._follow(self._read[None], range(1))
            self._accepted = 0
            self._settle()
        self._state.loss, self._state.last = self._result

    def _reads(
        self, senders: Sequence[int], *, gone: bool
    ) -> Float[Tensor, "try batch place d_model"]:
        """What the receiver reads without each of these senders."""
        state = self._state
        if state.bench.experiment.adapter.post_norms:
            # The norm on the way mixes senders, so the reads are put together again.
            columns = np.repeat(state.kept[:, self._receivers[:1]], len(senders), axis=1)
            for number, sender in enumerate(senders):
                columns[sender, number : None if gone else number + 1] = False
            return state.read(self._receivers[0], columns)
        away = self._writes(senders)
        if self._narrow:
            away = state.bench.window.at_targets(away)
        return self._read - (away.cumsum(0) if gone else away)

    def _writes(self, senders: Sequence[int]) -> Float[Tensor, "try batch pos d_model"]:
        """The activation differences of some senders."""
        state, graph = self._state, self._state.graph
        dense, units = state.delta
        rows = torch.from_numpy(graph.rows[list(senders)]).to(dense.device)
        directed = graph.directed[list(senders)]
        if not directed.any():
            return dense[rows]
        found = dense.new_empty((len(senders), *dense.shape[1:]))
        chosen = torch.from_numpy(directed).to(dense.device)
        along = state.bench.experiment.basis.directions[rows[chosen], None, None].to(dense.dtype)
        found[chosen] = units[rows[chosen]][..., None] * along
        found[~chosen] = dense[rows[~chosen]]
        return found

    def _follow(
        self, reads: Float[Tensor, "try batch place d_model"], which: range
    ) -> Float[Tensor, "lane batch target d_model"]:
        """Compute the receiver's component from some reads, then all that hangs on it.

        Comes back with what the logits read then.
        """
        read = reads[which.start : which.stop]
        lanes, self._heads = self._lanes_of(len(read)), []
        last = read.flatten(0, 1)
        now = lanes.compute(self._first, last[None], self._first_held)
        if isinstance(self._first, AttentionStep):
            self._heads.append((self._first, now))
        for step, mixture, held in self._steps:
            if isinstance(step, LogitsStep):
                last = lanes.read(mixture)[0]
                continue
            now = lanes.run(step, mixture, held)
            if isinstance(step, AttentionStep):
                self._heads.append((step, now))
        self._at_hand = which
        return last.unflatten(0, (len(read), -1))

    def _lanes_of(self, n: int) -> Lanes:
        if self._lanes is None or self._lanes.n != n:
            self._lanes = self._state.lanes(self._moving, n)
            for step in (self._first, *self._schedule.steps):
                if isinstance(step, MlpStep) and narrow(self._state.bench, step):
                    # Nobody reads the other positions, but they must hold numbers.
                    first = self._state.graph.mlp_senders(step.layer).start
                    self._lanes.mute([first + part for part in step.parts])
        return self._lanes
