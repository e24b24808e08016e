"""How a circuit is looked for: metric, ablation, method, selection.

Names, parameters and integer versions live here, where the client can check them without torch;
the functions that do the work are in `discovery`. A version is raised when the same parameters
give other numbers than before.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import Document, later


class Metric(StrEnum):
    """One value a pair. Loss is minus the metric where higher is better."""

    LOGIT_DIFF = "logit_diff"
    PROB_DIFF = "prob_diff"
    ANSWER_LOGIT = "answer_logit"
    ANSWER_PROB = "answer_prob"
    KL = "kl"
    LINEAR = "linear"

    @property
    def higher_is_better(self) -> bool:
        return self is not Metric.KL

    @property
    def reads_whole_vocabulary(self) -> bool:
        """Whether it takes every token's logit, not a weighted sum of a few."""
        return self in (Metric.PROB_DIFF, Metric.ANSWER_PROB, Metric.KL)


class Ablation(StrEnum):
    """The value that takes an activation's place."""

    CORRUPT = "corrupt"
    RESAMPLE = "resample"
    MEAN = "mean"
    ZERO = "zero"


class AblationSpec(Document):
    """An ablation and its parameters; `draws` counts the derangements of `resample`."""

    kind: Ablation = Ablation.CORRUPT
    draws: Annotated[int, Field(ge=1, le=100)] = 1

    @model_validator(mode="after")
    def _check(self) -> AblationSpec:
        if self.draws != 1 and self.kind is not Ablation.RESAMPLE:
            raise ValueError(
                f"draws is {self.draws}, and ablation {self.kind.value!r} draws nothing: leave "
                "draws out, or use ablation 'resample'"
            )
        return self


class ScoreKind(StrEnum):
    """Where a stored score comes from."""

    ESTIMATE = "estimate"
    EXACT = "exact"
    ACDC_DELTA = "acdc_delta"
    MASK = "mask"


class Exact(Document):
    """Every edge patched alone: the oracle."""

    name: Literal["exact"] = "exact"
    version: Literal[1] = 1


class Eap(Document):
    """Edge attribution patching, Syed et al. 2023, arXiv:2310.10348."""

    name: Literal["eap"] = "eap"
    version: Literal[1] = 1


class EapIg(Document):
    """EAP with integrated gradients, Hanna et al. 2024, arXiv:2403.17806.

    Over inputs, steps lie at corrupt + (clean - corrupt) * k / m with k = 0 ... m-1
    (`endpoint="corrupt"`, as the reference code does) or k = 1 ... m (`endpoint="clean"`). Over
    activations the input, each layer's heads and each MLP move in turn, k = 1 ... m.
    """

    name: Literal["eap-ig"] = "eap-ig"
    version: Literal[1, 2] = 1
    """2 over activations, where version 1 moved each sender alone; its circuits can be read."""
    steps: Annotated[int, Field(ge=1, le=200)] = 5
    endpoint: Literal["corrupt", "clean"] = "corrupt"
    over: Literal["inputs", "activations"] = later("inputs")

    @model_validator(mode="before")
    @classmethod
    def _newest_version(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("over") == "activations":
            return {"version": 2, **given}
        return given

    @model_validator(mode="after")
    def _version_is_of_the_path(self) -> EapIg:
        if self.over == "inputs" and self.version != 1:
            raise ValueError(f"eap-ig over inputs has version 1, not {self.version}")
        return self

    @model_validator(mode="after")
    def _endpoint_is_of_inputs(self) -> EapIg:
        if self.over == "activations" and self.endpoint != "corrupt":
            # Otherwise one piece of work would have two job ids.
            raise ValueError(
                "eap-ig over activations always steps k = 1 ... m: leave `endpoint`, which is for "
                "over='inputs'"
            )
        return self


class TwoLeg(Document):
    """The first leg of an edge exact, the second linear: for features, whose thresholds have none.

    Marks et al. 2024 (arXiv:2403.19647) take both linear; see docs/methods.md.
    """

    name: Literal["two-leg"] = "two-leg"
    version: Literal[1] = 1


class MaskIg(Document):
    """Integrated gradients over the mask of all edges, at the middles of `steps` steps.

    The scores sum to loss(∅) - loss(M).
    """

    name: Literal["mask-ig"] = "mask-ig"
    version: Literal[1] = 1
    steps: Annotated[int, Field(ge=1, le=1000)] = 64


class Acdc(Document):
    """Automatic circuit discovery, Conmy et al. 2023, arXiv:2304.14997, decided edge by edge.

    The selection says where to stop: a threshold τ on the rise of the loss, several of them in
    one job (`Thresholds`), or a number of edges, reached by a search over τ. With `candidates` N
    only the N edges that `proposed_by` scores highest are decided; the rest is ablated from the
    start.
    """

    name: Literal["acdc"] = "acdc"
    version: Literal[1] = 1
    candidates: Annotated[int, Field(ge=1)] | None = None
    proposed_by: Annotated[Eap | EapIg | TwoLeg | MaskIg, Field(discriminator="name")] = EapIg()

    @model_validator(mode="after")
    def _proposal_is_used(self) -> Acdc:
        if self.candidates is None and self.proposed_by != EapIg():
            raise ValueError("acdc's `proposed_by` needs `candidates`: how many edges to propose")
        return self


class Trace(Document):
    """An attribution graph of one prompt, Ameisen et al. 2025 ("Circuit Tracing"), circuit-tracer.

    Attributes:
        max_n_logits: Logit nodes at most: the likeliest that hold `desired_logit_prob`.
        max_feature_nodes: Units at most that are nodes, chosen by their influence on the logits.
        node_threshold: The share of influence that the nodes hold which are kept.
        edge_threshold: The share of it that the kept edges carry, as far as they are no more than
            `max_edges`: then those that carry most.
        skip_positions: Positions at the start at which no unit is a node: what attention sinks hold
            there would outweigh all else.
        heads: Attention heads are nodes too, with query, key and value inputs.
    """

    name: Literal["trace"] = "trace"
    version: Literal[1] = 1
    max_n_logits: Annotated[int, Field(ge=1, le=1000)] = 10
    desired_logit_prob: Annotated[float, Field(gt=0, le=1)] = 0.95
    max_feature_nodes: Annotated[int, Field(ge=1, le=20_000)] = 3000
    max_edges: Annotated[int, Field(ge=1)] = 20_000
    node_threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    edge_threshold: Annotated[float, Field(gt=0, le=1)] = 0.98
    skip_positions: Annotated[int, Field(ge=0)] = 1
    heads: bool = False


AnyMethod = Annotated[Exact | Eap | EapIg | TwoLeg | MaskIg | Acdc, Field(discriminator="name")]

Receivers = Literal["query_head", "kv_group"]
"""What is patched by itself: every query head's input, or, of grouped queries, a whole group's keys
and its values. Edges are those of query heads either way; a group's carry their joint score."""

Granularity = Literal["head", "neuron", "dictionary"]
"""What a component may be cut into: nothing, the neurons of MLPs, features of dictionaries."""


class Candidates(Document):
    """Which units become nodes of their own: the `n` best of all, or of each dictionary.

    Every unit is scored by what ablating it does to the loss, to first order, on the discovery
    pairs: by `gradient` at the clean run, `ig` along the way from everything ablated, or `relp`
    (relevance propagation: frozen norms and attention weights, halved gates; arXiv:2508.21258). The
    others of a component write together as `rest`.
    """

    n: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    per: Literal["all", "layer"] = "all"
    by: Literal["ig", "relp", "gradient"] = "ig"


Ranking = Literal["abs", "signed"]


class TopEdges(Document):
    """Keep the `n_edges` edges with the largest score, dead ends removed afterwards."""

    kind: Literal["edges"] = "edges"
    n_edges: Annotated[int, Field(ge=1)]
    by: Ranking = "abs"

    @property
    def value(self) -> float:
        return self.n_edges


class Threshold(Document):
    """Keep the edges whose score is at least `threshold`, in the metric's units."""

    kind: Literal["threshold"] = "threshold"
    threshold: Annotated[float, Field(gt=0)]
    by: Ranking = "abs"

    @property
    def value(self) -> float:
        return self.threshold


class Thresholds(Document):
    """Several thresholds in one job: a circuit for each, which carries its own `Threshold`."""

    kind: Literal["thresholds"] = "thresholds"
    thresholds: Annotated[
        tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1, max_length=64)
    ]
    by: Ranking = "abs"

    @model_validator(mode="after")
    def _ascending(self) -> Thresholds:
        if list(self.thresholds) != sorted(set(self.thresholds)):
            raise ValueError("thresholds are given in ascending order, each once")
        return self

    @property
    def each(self) -> tuple[Threshold, ...]:
        return tuple(Threshold(threshold=value, by=self.by) for value in self.thresholds)


AnySelection = Annotated[TopEdges | Threshold, Field(discriminator="kind")]
"""What one circuit was selected by."""

JobSelection = Annotated[TopEdges | Threshold | Thresholds, Field(discriminator="kind")]
"""What a job may ask for."""
