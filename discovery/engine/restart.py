"""What the loss becomes when a receiver drops a sender, without running the whole model.

Only what hangs on the receiver through kept edges is computed again, and only if it can reach the
logits.
"""

from __future__ import annotations

from types import TracebackType

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from discovery.engine.forward import at_positions
from discovery.engine.plan import AttentionStep, LogitsStep, MlpStep, Step, after, component
from discovery.engine.reading import Mixture
from discovery.engine.state import HeadValues, State


class Restart:
    """Other reads of one receiver, or of several that are patched together.

    A context: tries come one after the other, each followed through to the loss; `accept` makes
    the last one the state's. Writes of the components that hang on the receiver are overwritten by
    each try; what was not accepted is undone on the way out.
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
        self._first = component(graph, kept, live)
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

    def __enter__(self) -> Restart:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
