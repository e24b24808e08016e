"""Scores of every unit of dictionaries, and of every head, before any of them is a sender.

    score of u = sum over batch and positions of ∂loss/∂a_u * (ablated a_u - a_u)

That is the first-order estimate of what ablating u everywhere does to the loss, with the gradient
at the clean run (`gradient`), with relevance in its place (`relp`, rules.py), or averaged along the
path of the edge mask (`ig`): everybody reads ablated + t * (written - ablated), t from 0 to 1,
and a_u is what the unit has there. On that path the scores of all senders, `rest` and `error` among
them, sum to loss(∅) - loss(M), and a unit's is the one that `sender_scores` has for it as a
candidate.

A step costs a forward and a backward run of the model, whatever is scored; a dictionary costs its
encoder twice and its directions once. Choosing among so many is what it is for (candidates.py):
edges come later, between few.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.dictionaries.protocol import Dictionary
from discovery.engine.ablation import Example
from discovery.engine.experiment import Experiment
from discovery.engine.forward import at_positions
from discovery.engine.metrics import Objective
from discovery.engine.room import room
from discovery.engine.window import Window
from discovery.methods.ablated_nodes import Ablated, AblatedNodes
from discovery.methods.effort import UNIT_STEPS
from discovery.methods.node_run import PAST_NORM, NodeRun, Slopes, node_run
from discovery.methods.rules import Gradients, Relevance, Rules
from discovery.models import Sublayer
from discovery.progress import Report
from discovery.tasks.base import TokenPair
from graph_schema.documents import Metric
from graph_schema.documents.dictionary import Place
from graph_schema.errors import NonFiniteError, SpecError

By = Literal["relp", "ig", "gradient"]


@dataclass(frozen=True)
class UnitScores:
    """Mean over pairs, in the metric's units, positive where the behaviour relies on the node.

    Attributes:
        units: One array a dictionary, a value for each of its units.
        heads: [layer, head].
        inputs: Of what the embeddings write, in the order of their senders.
        activity: One array a dictionary: the mean size of each coefficient on the clean prompts,
            at the positions that an ablation can change.
    """

    units: list[NDArray[np.float32]]
    heads: NDArray[np.float32]
    inputs: NDArray[np.float32]
    activity: list[NDArray[np.float32]]


def unit_scores(
    experiment: Experiment,
    dictionaries: Sequence[Dictionary],
    pairs: Sequence[TokenPair],
    *,
    by: By = "relp",
    steps: int = UNIT_STEPS,
    chunk: int | None = None,
    progress: Report | None = None,
) -> UnitScores:
    """Scores of all units of all dictionaries, and of all heads, of an experiment without splices.

    Dictionaries may share a component: none is spliced in. `steps` are those of `ig`.

    Raises:
        ModelError: `relp` of a model that has a norm of another kind.
        NonFiniteError: A score is NaN or infinite.
        SpecError: A dictionary of the residual stream, or of layers that the model has not; `kl`,
            which has no gradient at the clean run, by another way than `ig`.
    """
    if experiment.metric is Metric.KL and by != "ig":
        raise SpecError(
            f"metric 'kl' has no gradient at the clean run, which {by!r} takes; rank by 'ig'"
        )
    for dictionary in dictionaries:
        _check(experiment, dictionary)
    work = _Work(experiment, dictionaries, by, steps)
    chunks = experiment.chunks(pairs, chunk or work.fitting(pairs))
    for number, examples in enumerate(chunks):
        for step, _ in enumerate(work.add(examples), 1):
            if progress:
                progress(number * work.n_steps + step, len(chunks) * work.n_steps)
    return work.scores()


def _check(experiment: Experiment, dictionary: Dictionary) -> None:
    adapter, document = experiment.adapter, dictionary.document
    site, words = document.site, document.words
    if site.component is None:
        raise SpecError(
            f"{words} lies on the residual stream, which is no component's write: it can label "
            "what others find"
        )
    last, n_layers = max(site.written, default=-1), adapter.shape.n_layers
    if last >= n_layers:
        raise SpecError(f"{words} writes to layer {last}; this model has {n_layers} layers")
    if site.reads is Place.MLP_UNIT and adapter.closed_form(site.layer or 0, "mlp") is None:
        raise SpecError(
            f"{words} reads the normed input before the norm's scale, and this model has no such "
            "norm there"
        )


class _Work:
    """What has been added up so far."""

    def __init__(
        self, experiment: Experiment, dictionaries: Sequence[Dictionary], by: By, steps: int
    ) -> None:
        self._experiment, self._adapter = experiment, experiment.adapter
        self._dictionaries, self._by = tuple(dictionaries), by
        self._shares = [(step + 0.5) / steps for step in range(steps)] if by == "ig" else [1.0]
        sites = [each.document.site for each in dictionaries]
        self._past: frozenset[tuple[int, Sublayer]] = frozenset(
            (layer, "attn" if site.writes is Place.ATTN_ADDED else "mlp")
            for site in sites
            if site.writes in PAST_NORM
            for layer in site.written
        )
        self._ablated = AblatedNodes(experiment, dictionaries, self._past)
        shape = self._adapter.shape
        self._units = [np.zeros(each.document.width) for each in dictionaries]
        self._activity = [np.zeros_like(each) for each in self._units]
        self._heads = np.zeros((shape.n_layers, shape.n_heads))
        self._inputs = np.zeros(experiment.graph.n_inputs)
        self._n_examples, self._n_positions = 0, 0

    @property
    def n_steps(self) -> int:
        """Of one chunk."""
        return len(self._shares)

    def fitting(self, pairs: Sequence[TokenPair]) -> int:
        """How many examples a chunk may have: with a tape, and all coefficients, ablated too."""
        length = max(len(pair.clean) for pair in pairs)
        widths = [each.document.width for each in self._dictionaries]
        # Ablated ones are held of all dictionaries, a few others of one.
        held = (sum(widths) + 4 * max(widths, default=0)) * length * self._experiment.dtype.itemsize
        most = max(1, room(self._adapter.device) // max(1, held))
        return min(most, self._experiment.fitting(pairs, tape=True))

    def add(self, examples: Sequence[Example]) -> Generator[None]:
        """Add a chunk's scores; yields after every step."""
        experiment, adapter = self._experiment, self._adapter
        batch, target, window = experiment.opened(examples)
        clean = None
        with torch.no_grad():
            ablated = self._ablated.of(examples, batch, window)
            if experiment.metric is Metric.KL:
                plain = Gradients(adapter)
                clean_run = node_run(adapter, plain, window.batch, window.mix)
                clean = adapter.logits(self._last(plain, clean_run, window))
        objective = Objective.at(experiment.metric, target, clean)
        rules: Rules = Relevance(adapter) if self._by == "relp" else Gradients(adapter)
        path = ablated.totals if self._by == "ig" else None
        for share in self._shares:
            with torch.enable_grad():
                run = node_run(adapter, rules, window.batch, window.mix, share=share, ablated=path)
                rows = self._last(rules, run, window)
                if (tokens := objective.tokens) is None:
                    loss = objective.loss(adapter.logits(rows))
                else:
                    loss = objective.loss_of_tokens(adapter.logits(rows, tokens.ids))
                slopes = Slopes.of(loss.sum(), run)
            with torch.no_grad():
                self._meet(run.detached(), slopes, ablated, window, share)
            yield
        self._n_examples += len(examples)
        self._n_positions += int(window.batch.attention_mask.sum())

    def _last(
        self, rules: Rules, run: NodeRun, window: Window
    ) -> Float[Tensor, "batch target d_model"]:
        """What is unembedded, at the metric's positions."""
        rows = at_positions(run.resid, window.positions)
        return rules.norm(self._adapter.shape.n_layers, "logits", rows)

    def _meet(
        self, run: NodeRun, slopes: Slopes, ablated: Ablated, window: Window, share: float
    ) -> None:
        """Differences from what is ablated times gradients, added to the scores."""
        real = window.batch.attention_mask.flatten().to(slopes.inputs.dtype)
        for number, (dictionary, less) in enumerate(
            zip(self._dictionaries, ablated.units, strict=True)
        ):
            now = dictionary.encode(run.encoded(dictionary))
            gone = torch.sub(less, now)
            if share == self._shares[-1]:
                size = real @ now.abs_().flatten(0, 1)
                self._activity[number] += size.double().cpu().numpy()
            del now
            self._units[number] += _summed(gone.mul_(slopes.coefficients(dictionary)))
        for layer, (here, less) in enumerate(zip(run.layers, ablated.z, strict=True)):
            each = ((less - here.z) * slopes.heads(layer)).sum(-1).movedim(1, -1)
            # What is mixed past a norm is met before it at its share.
            scale = share if (layer, "attn") in self._past and self._by == "ig" else 1.0
            self._heads[layer] += _summed(each) / scale
        gone = ablated.totals.inputs - run.own_inputs
        self._inputs += _summed((gone * slopes.inputs).sum(-1).movedim(0, -1))

    def scores(self) -> UnitScores:
        """Means of what was added."""
        n = self._n_examples * self.n_steps
        heads, inputs = ((each / n).astype(np.float32) for each in (self._heads, self._inputs))
        units = [(each / n).astype(np.float32) for each in self._units]
        n_positions = max(1, self._n_positions)
        activity = [(each / n_positions).astype(np.float32) for each in self._activity]
        for dictionary, each in zip(self._dictionaries, units, strict=True):
            _check_finite(dictionary.document.words, each)
        _check_finite("heads", heads)
        return UnitScores(units, heads, inputs, activity)


def _summed(values: Float[Tensor, "batch pos unit"]) -> NDArray[np.float64]:
    return values.sum((0, 1)).double().cpu().numpy()


def _check_finite(words: str, scores: NDArray[np.float32]) -> None:
    if bad := int((~np.isfinite(scores)).sum()):
        raise NonFiniteError(
            f"{bad} of {scores.size} scores of {words} are not finite; look for a weight or an "
            "activation too large for float32"
        )
