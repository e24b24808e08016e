"""What the loss becomes when a receiver drops a sender, without running the whole model.

Only what hangs on the receiver through kept edges is computed again, and only if it can reach the
logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.forward import at_positions, logits_at, loss_at
from discovery.engine.plan import AttentionStep, LogitsStep, MlpStep, Step, after, component
from discovery.engine.reading import Mixture
from discovery.engine.state import HeadValues, State

ROWS = 128
"""Rows of the final residual stream that are unembedded together.

One thread multiplies 32 rows with GPT-2's 50,257 columns in 39 ms, 64 in 45, 128 in 72, 256 in 124:
a product of few rows takes as long as fetching the weights does.
"""


@dataclass(frozen=True)
class Try:
    """A sender less: what comes of it, and the read that led there."""

    sender: int
    loss: Float[Tensor, " batch"]
    last: Float[Tensor, "batch target d_model"]
    read: Tensor | None = None


class Restart:
    """Other reads of one receiver, or of several that are patched together.

    A context: tries come one after the other, each followed through to what the logits read;
    `accept` makes one the state's. Writes of the components that hang on the receiver are
    overwritten by each try; what was not accepted is undone on the way out.
    """

    def __init__(self, state: State, *receivers: int) -> None:
        """Several receivers keep the same senders, and are tried together."""
        self._state, self._receivers = state, list(receivers)
        graph, kept = state.graph, state.kept
        same = kept[:, self._receivers] == kept[:, receivers[:1]]
        assert same.all(), "receivers are tried together when they keep the same senders"
        self._plan = after(graph, kept, self._receivers)
        self.live = receivers[0] == graph.logits or bool(self._plan.steps)
        """Whether the receiver has a kept path to the logits: if not, no read matters."""
        self._tries: list[Try] = []
        self._result = (state.loss, state.last)
        if not self.live:
            return
        self._rows = torch.from_numpy(np.flatnonzero(self._plan.moving)).to(state.delta.device)
        self._saved = state.delta[self._rows]
        self._read, self._stale = state.read(receivers[0]), False
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
        self._first = component(graph, kept, live)
        self._positions = state.positions_of(self._first)

    @property
    def loss(self) -> Float[Tensor, " batch"]:
        """The loss of the last accepted try, or of the state where there was none."""
        return self._result[0]

    @property
    def width(self) -> int:
        """How many tries to make in one go: as many as share the cost of one unembedding."""
        if not self.live or self._state.bench.objective.tokens is not None:
            return 1
        return max(1, ROWS // self._state.last[..., 0].numel())

    def without(self, sender: int) -> Float[Tensor, " batch"]:
        """The loss if the receiver no longer keeps `sender`."""
        return self.ahead([sender], gone=False)[0]

    def each(self, senders: Sequence[int]) -> Iterator[Float[Tensor, " batch"]]:
        """The loss if the receiver no longer keeps a sender, for one after the other."""
        for start in range(0, len(senders), self.width):
            yield from self.ahead(senders[start : start + self.width], gone=False)

    @torch.no_grad()
    def ahead(self, senders: Sequence[int], *, gone: bool) -> Sequence[Float[Tensor, " batch"]]:
        """The loss if the receiver no longer keeps a sender, of several tried in one go.

        With `gone` each is tried as if those before it had been accepted, else as if not.
        """
        column = self._state.kept[:, self._receivers[0]].copy()
        assert column[list(senders)].all(), "only a kept edge can be removed"
        if not self.live:
            self._tries = [Try(sender, *self._result) for sender in senders]
            return [self.loss] * len(senders)
        reads, lasts, read = list[Tensor](), list[Tensor](), self._read
        for sender in senders:
            reads.append(self._less(read, column, sender))
            lasts.append(self._follow(reads[-1]))
            if gone:
                read, column[sender] = reads[-1], False
        losses = self._losses(torch.stack(lasts))
        self._tries = [Try(*each) for each in zip(senders, losses, lasts, reads, strict=True)]
        return losses

    def accept(self, number: int = 0) -> None:
        """Remove the edge that was tried, of several the one with this number.

        Those before it are to be accepted first, if they were tried as `gone`, and else not.
        """
        state, tried = self._state, self._tries[number]
        assert state.kept[tried.sender, self._receivers[0]], "this edge has been removed"
        state.kept[tried.sender, self._receivers] = False
        if not self.live:
            return
        assert tried.read is not None
        self._read, self._result = tried.read, (tried.loss, tried.last)
        # Of several tries the writes of the last are at hand; others are made anew on leaving.
        self._stale = number < len(self._tries) - 1
        if not self._stale:
            self._keep()

    def _keep(self) -> None:
        """Make what was followed last the state's."""
        state = self._state
        self._saved = state.delta[self._rows]
        for step, values in self._heads:
            state.keep_heads(step, values)

    def __enter__(self) -> Restart:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put the state back to the last accepted try."""
        if not self.live:
            return
        if self._stale:
            self._follow(self._read)
            self._keep()
        self._state.delta[self._rows] = self._saved
        self._state.loss, self._state.last = self._result

    def _losses(
        self, lasts: Float[Tensor, "try batch target d_model"]
    ) -> Sequence[Float[Tensor, " batch"]]:
        """What several tries lose, by one product where the metric reads the whole vocabulary."""
        bench = self._state.bench
        adapter, objective = bench.experiment.adapter, bench.objective
        rows = lasts.to(adapter.dtype)
        if objective.tokens is not None:
            return [loss_at(adapter, objective, each) for each in rows]
        return [objective.loss(logits) for logits in logits_at(adapter, rows)]

    def _less(self, read: Tensor, column: NDArray[np.bool_], sender: int) -> Tensor:
        """`read`, which keeps `column`, without one of these senders."""
        state = self._state
        if state.bench.experiment.adapter.post_norms:
            # The norm on the way mixes senders, so the read is put together again.
            fewer = column.copy()
            fewer[sender] = False
            return state.read(self._receivers[0], fewer)
        gone = state.delta[sender]
        if self._positions is not None:
            gone = at_positions(gone, self._positions)
        return read - gone

    @torch.no_grad()
    def _follow(self, read: Tensor) -> Float[Tensor, "batch target d_model"]:
        """Compute the receiver's component from `read`, then all that hangs on it.

        Comes back with what the logits read then.
        """
        state, last, self._heads = self._state, read, []
        match self._first:
            case LogitsStep():
                pass
            case MlpStep() as step:
                state.write_mlp(step, read)
            case AttentionStep() as step:
                self._heads.append((step, state.attend(step, read[None], state.held(step))))
        for step, mixture, held in self._steps:
            if isinstance(step, LogitsStep):
                last = state.bench.reader.read(mixture, state.delta)[0]
                continue
            now = state.run(step, mixture, held)
            if isinstance(step, AttentionStep):
                self._heads.append((step, now))
        return last
