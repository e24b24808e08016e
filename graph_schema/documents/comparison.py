"""What a comparison of two circuits says."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from graph_schema.documents.base import Document
from graph_schema.documents.circuit import CircuitEdge
from graph_schema.documents.dataset import Split


class Scope(StrEnum):
    """How far the two circuits' nodes can be told to be the same things.

    Only inside one model, or between its checkpoints, does overlap of nodes or edges mean
    anything; across models figures stand side by side, and roles and motifs are compared instead.
    """

    ONE_MODEL = "one_model"
    CHECKPOINTS = "checkpoints"
    ACROSS_MODELS = "across_models"


class Overlap(Document):
    """What two sets drawn from `universe` things have in common.

    `p` is the hypergeometric chance that sets of these sizes, drawn evenly, share at least as
    many; real circuits crowd around strong nodes, so it says little more than "not nothing".
    """

    n_a: int
    n_b: int
    n_both: int
    universe: int | None
    jaccard: float | None
    expected: float | None
    p: float | None


class ScoreAgreement(Document):
    """Correlation of the scores of `n` edges that both score; null where undefined."""

    n: int
    pearson: float | None
    spearman: float | None
    same_sign: float | None


class PairDifference(Document):
    """One pair's metric in the two circuits, b - a."""

    pair: str
    a: float
    b: float
    difference: float


class PairDifferences(Document):
    """The metric of pairs that both circuits were judged on, b - a, the largest first.

    Held-out pairs; those of discovery, which circuits are fitted to, only where both were judged on
    no others. `ci_low` and `ci_high`: 95 % interval of the mean over groups of pairs; where they
    are null, `reason` says why.
    """

    split: Split
    n: int
    n_groups: int | None = None
    mean: float
    ci_low: float | None
    ci_high: float | None
    reason: str | None = None
    largest: tuple[PairDifference, ...]


class Side(Document):
    """One of the circuits, by what identifies and judges it."""

    circuit_id: str
    model: str
    fingerprint: str
    family: str
    task: str | None
    method: str
    metric: str | None
    ablation: str | None
    n_edges: int
    share_of_edges: float | None
    """Of all edges that the model has; None where nobody knows their number (of features, say)."""
    nodes_by_kind: dict[str, int] = Field(default_factory=dict)
    """How many heads, MLPs and so on the kept edges touch: kinds, not which ones."""
    edges_by_channel: dict[str, int] = Field(default_factory=dict)
    faithfulness: float | None
    faithfulness_interval: tuple[float, float] | None = None
    heldout_faithfulness: float | None
    heldout_interval: tuple[float, float] | None = None
    error_share: float | None = None
    """Of circuits of features: what of the effect passes errors and rest."""
    cmd: float | None
    cpr: float | None


class Comparison(Document):
    """Two circuits side by side. Where `scope` does not allow a part, it is null.

    `differs` names what else differs between them: task, metric and so on. `only_a` and `only_b`
    come with the largest |score| first.
    """

    schema_version: Literal[1] = 1
    scope: Scope
    a: Side
    b: Side
    differs: tuple[str, ...] = ()
    edges: Overlap | None = None
    nodes: Overlap | None = None
    scores: ScoreAgreement | None = None
    all_scores: ScoreAgreement | None = None
    only_a: tuple[CircuitEdge, ...] = ()
    only_b: tuple[CircuitEdge, ...] = ()
    nodes_only_a: tuple[str, ...] = ()
    nodes_only_b: tuple[str, ...] = ()
    pairs: PairDifferences | None = None
    notes: tuple[str, ...] = ()


class TrainingStep(Document):
    """A checkpoint held against the one before it, and against the last.

    The first one has nothing before it, the last nothing after it.
    """

    circuit_id: str
    edges_before: Overlap | None = None
    scores_before: ScoreAgreement | None = None
    edges_last: Overlap | None = None
    scores_last: ScoreAgreement | None = None


class Comparisons(Document):
    """Several circuits side by side.

    `pairs` are every two of them in order; along training, each checkpoint with the next. `scope`
    is the narrowest of all: figures alone, as soon as two of the models are not related.
    """

    schema_version: Literal[1] = 1
    scope: Scope
    sides: tuple[Side, ...]
    pairs: tuple[Comparison, ...]
    training: tuple[TrainingStep, ...] = ()
    notes: tuple[str, ...] = ()
